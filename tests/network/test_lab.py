# SPDX-License-Identifier: Apache-2.0
"""The lab itself: what the other tests of this directory rely on, and that they could fail."""

from __future__ import annotations

import time

from tests.lab.cloud import await_true
from tests.lab.machines import Machine, bond_with_vlan
from tests.lab.switches import NATIVE, address

#: Sends a frame given in hex over a NIC: a test of the capture needs somebody who does what is forbidden.
SEND = (
    "python3 -c \"import socket as s; p = s.socket(17, 3, 0); p.bind(('{nic}', 0)); p.send(bytes.fromhex('{frame}'))\""
)
ETHERNET = "ffffffffffff" + "024f5a000004"
#: A DHCP discovery as far as anybody looks at it: IPv4, UDP, port 68 to 67.
DISCOVER = ETHERNET + "0800" + "4500001c00000000401100000000000000000000" + "0044004300080000"
#: The same in VLAN 101.
TAGGED = ETHERNET + "81000065" + DISCOVER[24:]
#: A router solicitation: IPv6, ICMPv6 type 133.
SOLICITATION = ETHERNET + "86dd6000000000083afffe80" + "0" * 27 + "1ff02" + "0" * 27 + "2" + "8500000000000000"


def bonding(machine: Machine, bond: str = "bond0") -> dict[str, str]:
    """The upper part of what the kernel says about a bond."""
    text = machine.inside(f"cat /proc/net/bonding/{bond}").out
    lines = (line.split(": ", 1) for line in text.splitlines() if ": " in line)
    found: dict[str, str] = {}
    for key, value in lines:
        found.setdefault(key.strip(), value)
    return found


def test_a_machine_has_its_nics_and_its_own_kernel(machine: Machine) -> None:
    for nic in machine.nics:
        shown = machine.inside(f"ethtool -P {nic.name}; readlink /sys/class/net/{nic.name}/device").out
        assert nic.mac in shown.lower()
        assert nic.pci in machine.inside(f"realpath /sys/class/net/{nic.name}/device").out
    machine.inside("modprobe -a bonding 8021q bridge openvswitch dummy vrf && ovs-vsctl --timeout=5 show")
    assert machine.inside("systemctl is-system-running", check=False).out.strip() == "running"
    assert machine.inside("command -v netplan cloud-init nmcli", check=False).code != 0


def test_it_answers_over_a_bond_and_a_vlan_and_not_over_another_vlan(machine: Machine) -> None:
    assert machine.reachable()
    assert "mode DEFAULT" not in machine.inside("networkctl status vlan100").out
    for nic in machine.nics[:2]:
        machine.lab.switches.trunk(nic.device, vlans=[NATIVE, 101])
    assert not machine.reachable(timeout=8)
    assert machine.inside("hostname").out.strip() == machine.name
    machine.restore()
    assert machine.reachable()


def test_a_pulled_cable_costs_few_pings(machine: Machine) -> None:
    active = next(nic for nic in machine.nics if nic.name == bonding(machine)["Currently Active Slave"])
    with machine.pings() as pings:
        time.sleep(1)
        machine.cable(active.index, plugged=False)
        await_true("fail-over", lambda: bonding(machine)["Currently Active Slave"] != active.name, 10)
        time.sleep(1)
    assert pings.loss.sent >= 10
    assert pings.loss.lost <= 3, pings.loss
    assert machine.inside(f"cat /sys/class/net/{active.name}/carrier").out == "0\n"
    other = 1 - active.index
    machine.cable(other, plugged=False)
    assert not machine.reachable(timeout=8)
    machine.cable(other, plugged=True)
    machine.wait_for_ssh(20)


def test_a_nic_is_unplugged_and_comes_back_into_its_bond(machine: Machine) -> None:
    nic = machine.nics[1]
    machine.remove_nic(1)
    assert machine.inside(f"ip link show {nic.name}", check=False).code != 0
    machine.wait_for_ssh(20)
    machine.insert_nic(1)
    await_true("the NIC is in the bond", lambda: f"Slave Interface: {nic.name}" in machine.inside(
        "cat /proc/net/bonding/bond0").out, 30)  # fmt: skip
    assert nic.mac in machine.inside(f"ethtool -P {nic.name}").out


def test_a_switch_speaks_lacp(machine: Machine) -> None:
    members = machine.nics[2:4]
    files = {path: text.replace("bond0", "bond1") for path, text in bond_with_vlan(members, 10, 101, "802.3ad").items()}
    machine.write({path.replace("bond0", "bond1"): text.replace("Gateway=", "#") for path, text in files.items()})
    machine.inside("networkctl reload")
    await_true("there is a bond", lambda: machine.inside("ip link show vlan101", check=False).code == 0, 20)
    assert bonding(machine, "bond1")["Partner Mac Address"] == "00:00:00:00:00:00"
    machine.lab.switches.group("lag1", [nic.device for nic in members])
    await_true("partners", lambda: "00:00:00:00:00:00" not in machine.lab.switches.lacp_partners("lag1").values(), 30)
    assert bonding(machine, "bond1")["Partner Mac Address"] != "00:00:00:00:00:00"
    machine.wait_for_ssh(20, address=address(101, 10))
    machine.cable(2, plugged=False)
    machine.wait_for_ssh(20, address=address(101, 10))
    machine.lab.switches.ungroup("lag1")


def test_the_capture_sees_what_is_forbidden(restored: Machine) -> None:
    begin = time.time()
    nic = restored.nics[4]
    # Its kernel would ask for routers by itself: nothing is configured on that NIC that says no.
    restored.inside(f"sysctl -qw net.ipv6.conf.{nic.name}.disable_ipv6=1 && ip link set {nic.name} up")
    time.sleep(1)
    assert restored.dhcp_packets(since=begin) == []
    for frame in (DISCOVER, TAGGED, SOLICITATION):
        restored.inside(SEND.format(nic=nic.name, frame=frame))
    await_true("three packets", lambda: len(restored.dhcp_packets(since=begin)) >= 3, 5)
    found = restored.dhcp_packets(since=begin)
    assert [packet.kind for packet in found] == ["dhcp4", "dhcp4", "router-solicitation"]
    assert {packet.link for packet in found} == {nic.device}
    assert {packet.source for packet in found} == {nic.mac}


def test_timers_go_on_after_a_restore(machine: Machine) -> None:
    machine.inside("systemd-run --on-active=2s --timer-property=AccuracySec=100ms touch /run/fired")
    before = float(machine.inside("cut -d' ' -f1 /proc/uptime").out)
    time.sleep(4)
    machine.inside("test -e /run/fired")
    assert 3.5 < float(machine.inside("cut -d' ' -f1 /proc/uptime").out) - before < 6
    assert abs(float(machine.inside("date +%s").out) - time.time()) < 3


def test_ansible_reaches_it(machine: Machine) -> None:
    result = machine.ansible("ansible.builtin.ping", {"data": "pong"})
    assert result.code == 0
    assert result.returned["ping"] == "pong"
    assert machine.ansible("ansible.builtin.command", {"argv": ["false"]}).returned["rc"] == 1


def test_what_was_flushed_survives_a_power_cut(machine: Machine) -> None:
    machine.inside("echo yes >/root/kept; sync /root/kept /root; echo perhaps >/root/lost")
    machine.power_cut()
    machine.wait_for_ssh()
    assert machine.inside("cat /root/kept").out == "yes\n"
    assert float(machine.inside("cut -d' ' -f1 /proc/uptime").out) < 200
    machine.restore()
    assert machine.inside("ls /root/kept", check=False).code != 0
