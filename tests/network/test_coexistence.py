# SPDX-License-Identifier: Apache-2.0
"""What others have on the node: it stays, whether a change is kept or taken back; and what they do to ours."""

from __future__ import annotations

import time
from typing import Any

from tests.lab.cloud import await_true
from tests.lab.machines import Machine
from tests.lab.switches import NATIVE, address
from tests.network.node import (
    WINDOW,
    as_before,
    await_story,
    base,
    bond,
    fine,
    links,
    network,
    quiet,
    vlan,
    went_back,
)

#: What FRR, keepalived, OVN and an operator have: routes, a rule, an address that moves, a bridge with ports.
FOREIGN = (
    "ip route add 198.51.100.0/25 via 198.18.17.1 dev vlan100 proto bgp",
    "ip route add 198.51.100.0/25 via 198.18.17.1 dev vlan100 proto bgp table 77",
    "ip route add blackhole 198.19.2.128/25 proto bgp",
    "ip rule add from 198.51.100.0/25 table 77 priority 4242",
    "ip address add 198.18.17.200/32 dev vlan100",
    "ip link add tap0 type dummy && ip address add 198.19.2.1/25 dev tap0 && ip link set tap0 up",
    "ovs-vsctl --timeout=10 add-br br-int -- set bridge br-int fail_mode=secure external_ids:ovn=yes"
    " -- add-port br-int patch-a -- set interface patch-a type=patch options:peer=patch-b"
    " -- set open . external_ids:ovn-bridge=br-int",
)


def foreign(machine: Machine) -> str:
    """All of it, as text."""
    return machine.inside(
        "ip route show proto bgp; ip route show table 77; ip route show type blackhole; ip rule | grep 4242; "
        "ip -br address show to 198.18.17.200; cat /sys/class/net/tap0/ifindex; ip -br address show dev tap0; "
        "ovs-vsctl --timeout=10 get bridge br-int _uuid fail_mode external_ids -- get interface patch-a _uuid options "
        "-- get open . external_ids"
    ).out


def mine(link: dict[str, Any]) -> list[str]:
    """Addresses of a link without those that the kernel made of its MAC: nobody configured them."""
    return [found for found in link["addresses"] if not found.startswith("fe80:")]


def bridge(**more: Any) -> dict[str, Any]:
    """A bridge of Open vSwitch over the third NIC, with the host's address in the native VLAN and a VLAN on it."""
    return {
        "type": "ovs_bridge",
        "name": "br-ex",
        "addresses": [{"ip_netmask": f"{address(NATIVE, 10)}/24"}],
        "members": [
            {"type": "interface", "name": "nic3"},
            {"type": "vlan", "vlan_id": 101, "addresses": [{"ip_netmask": f"{address(101, 10)}/24"}]},
        ],
        **more,
    }


def test_what_others_have_stays(node: Machine) -> None:
    """Failure mode 15: over a change that is kept, one that is taken back, and a restart of networkd."""
    for command in FOREIGN:
        node.inside(command)
    before = foreign(node)
    fine(node, node.configure(base(vlan(101), bridge(members=[{"type": "interface", "name": "nic3"}])), window=60))
    assert foreign(node) == before
    assert node.reachable(address=address(NATIVE, 10))
    kept = network(node)
    result = node.configure(base(vlan(102), gateway=99), window=50)
    went_back(node, result, kept, "did not answer")
    assert foreign(node) == before
    node.inside("systemctl restart systemd-networkd && sleep 3")
    assert foreign(node) == before
    gone = node.configure(base(), window=60)
    fine(node, gone)
    assert "br-ex" not in links(node)
    assert foreign(node) == before


def test_a_bridge_that_neutron_has_closed_opens_again(node: Machine) -> None:
    """Failure mode 14: fail_mode=secure without any flow drops what the host sends and gets."""
    config = base(bridge())
    fine(node, node.configure(config, window=60))
    host = address(NATIVE, 10)
    assert node.reachable(address=host)
    node.inside(
        "ovs-vsctl --timeout=10 set-fail-mode br-ex secure -- set bridge br-ex external_ids:neutron=mine "
        "other_config:disable-in-band=true && ovs-ofctl del-flows br-ex"
    )
    assert not node.reachable(address=host, timeout=5)
    found = node.configure(config, state="validated")
    assert found.code != 0
    assert "fail_mode" in found.returned["msg"], found.returned["msg"]
    result = node.configure(config, window=60)
    fine(node, result)
    assert result.returned["changed"] is True
    await_true("the host answers", lambda: node.reachable(address=host, timeout=5), 20)
    kept = node.inside("ovs-vsctl --timeout=10 get bridge br-ex external_ids:neutron other_config:disable-in-band").out
    assert kept.split() == ["mine", '"true"']


def test_open_vswitch_is_down(node: Machine) -> None:
    """Failure mode 13: before the change, and dying in the middle of it."""
    before = network(node)
    config = base(bridge())
    node.inside("systemctl stop openvswitch-switch ovs-vswitchd ovsdb-server", 60)
    refused = node.configure(config, window=60)
    assert refused.code != 0
    assert "Open vSwitch" in refused.returned["msg"]
    assert "05-ozone-br-ex" not in node.inside("ls -A /etc/systemd/network").out
    fine(node, node.configure(base(vlan(102)), window=60))
    fine(node, node.configure(base(), window=60))
    node.inside("systemctl start openvswitch-switch", 60)
    assert network(node) == before

    node.inside("systemctl kill --signal=STOP ovs-vswitchd")
    result = node.configure(config, window=60)
    assert result.code != 0
    assert "Open vSwitch" in result.returned["reason"], result.returned
    node.inside("systemctl kill --signal=CONT ovs-vswitchd")
    told = await_story(node, 60, status="reverted")
    assert "Open vSwitch did not carry out the change" in told["reverted"]["reason"]
    as_before(node, before, "Open vSwitch did not carry out the change")


INTERFACES = f"""\
auto lo
iface lo inet loopback

allow-hotplug ens20
iface ens20 inet dhcp

auto bond0
iface bond0 inet manual
  pre-up ip link add bond0 type bond mode active-backup miimon 100
  pre-up ip link set ens16 master bond0 && ip link set ens17 master bond0
  post-down ip link delete bond0

auto vlan100
iface vlan100 inet static
  pre-up ip link add link bond0 name vlan100 type vlan id 100
  post-down ip link delete vlan100
  address {address(100, 10)}/24
  gateway {address(100, 1)}
"""


def test_ifupdown_hands_over_without_being_stopped(restored: Machine) -> None:
    """A node as debian-installer leaves it, with a NIC that shall ask for an address; and what its next boot does.

    Before the change the kernel asks for routers, as nobody has told it not to; from then on nobody does.
    """
    machine = restored
    machine.write({"/etc/network/interfaces": INTERFACES})
    machine.inside(
        "rm /etc/systemd/network/10-*; systemctl enable -q networking.service; "
        "systemctl disable -q systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service; "
        "sync"
    )
    machine.reset()
    machine.wait_for_ssh(240)
    machine.wait_booted()
    before = links(machine)
    assert machine.inside("systemctl is-active systemd-networkd", check=False).out.strip() == "inactive"
    found = machine.ansible("ozone.openstack.network_info", {}).returned
    assert [source["name"] for source in found["sources"]] == ["ifupdown"], found["sources"]

    back = machine.configure([bond(), vlan(100, host=77, gateway=1)], window=WINDOW)
    assert back.returned["reverted"] is True, back.returned
    assert links(machine) == {name: {**link, "addresses": mine(link)} for name, link in before.items()}
    assert machine.inside("cat /etc/network/interfaces").out == INTERFACES
    states = machine.inside("systemctl is-enabled networking systemd-networkd", check=False).out.split()
    assert states == ["enabled", "disabled"]
    assert machine.reachable()

    with machine.pings() as pings:
        fine(machine, machine.configure(base(), window=90))
    begin = time.time()
    print(f"migration: {pings.loss}")
    assert pings.loss.gap <= 5, pings.loss
    assert machine.inside("systemctl is-active networking").out.strip() == "active", "nobody stopped it"
    assert links(machine)["vlan100"]["addresses"] == mine(before["vlan100"])
    machine.inside("sync")
    machine.reset()
    machine.wait_for_ssh(240)
    machine.wait_booted()
    assert links(machine)["vlan100"]["addresses"] == mine(before["vlan100"])
    assert machine.ansible("ozone.openstack.network_info", {}).returned["sources"] == []
    assert machine.configure(base()).returned["changed"] is False
    quiet(machine, begin)
