# SPDX-License-Identifier: Apache-2.0
"""A change that goes well, one that is none, and what a change costs the links that it does not touch."""

from __future__ import annotations

import re

from tests.lab.machines import Machine
from tests.lab.switches import address
from tests.network.node import OPERATOR, Config, base, fine, links, vlan

MARKS = "for f in /sys/class/net/*/{ifindex,carrier_changes}; do echo $f $(cat $f); done; "
FILES = "find /etc /var/lib/ozone /usr/lib/ozone -newer /run/mark -type f -o -newer /run/mark -type d | sort"


def test_a_configuration_is_applied_and_the_same_again_is_nothing(machine: Machine) -> None:
    before = links(machine)
    result = machine.configure(base(), window=60)
    fine(machine, result)
    assert result.returned["changed"] is True
    assert result.returned["resolution"] == {"nic1": "ens16", "nic2": "ens17"}
    after = links(machine)
    assert after["vlan100"]["addresses"] == [f"{OPERATOR}/24"]
    assert after == before, "the same network as before, in files of ours"

    machine.inside("touch /run/mark; sleep 1.1; journalctl --rotate --vacuum-time=1s -q")
    marks = machine.inside(MARKS).out
    with machine.pings() as pings:
        again = machine.configure(base(), "-vvv", window=60)
    fine(machine, again)
    assert again.returned["changed"] is False
    assert again.returned["summary"] == again.returned["touched"] == []
    assert len(re.findall(r"Using module file .*/network_", again.output)) <= 2
    assert machine.inside(MARKS).out == marks
    assert machine.inside(FILES).out == ""
    assert "systemd-networkd" not in machine.inside("journalctl --no-pager -q").out
    assert pings.loss.lost == 0, pings.loss

    checked = machine.configure(base(vlan(101)), "--check", "--diff")
    assert checked.code == 0
    assert checked.returned["changed"] is True
    assert any(line.startswith("vlan101: new") for line in checked.returned["summary"])
    assert machine.inside(MARKS).out == marks
    assert machine.inside(FILES).out == ""
    fine(machine, machine.configure(base(), state="validated"))


def test_other_links_notice_nothing(node: Machine) -> None:
    """An MTU, an address and a VLAN of one link change; those on the same bond and on other NICs go on."""

    def config(mtu: int, host: int, third: int) -> Config:
        alone = {"type": "interface", "name": "nic3", "addresses": [{"ip_netmask": f"{address(10, 10)}/24"}]}
        return base(vlan(101, host=host, mtu=mtu), vlan(third), alone)

    fine(node, node.configure(config(1500, 10, 102), window=60))
    changes = {
        "MTU": (config(1400, 10, 102), {"vlan101"}),
        "address": (config(1400, 11, 102), {"vlan101"}),
        "VLAN": (config(1400, 11, 103), {"vlan102", "vlan103", "bond0"}),
    }
    for what, (wanted, touched) in changes.items():
        with node.pings() as operator, node.pings(address(10, 10)) as alone:
            result = node.configure(wanted, window=60)
        print(
            f"{what}: operator's VLAN {operator.loss}; another NIC {alone.loss}; touched {result.returned['touched']}"
        )
        fine(node, result)
        assert set(result.returned["touched"]) <= touched
        assert operator.loss.lost <= 3, (what, operator.loss)
        assert alone.loss.lost <= 3, (what, alone.loss)
    assert node.reachable(address=address(101, 11))
    assert node.reachable(address=address(103, 10))


def test_what_somebody_changed_by_hand_comes_back(node: Machine) -> None:
    config = base(vlan(101), vlan(102))
    fine(node, node.configure(config, window=60))
    before = links(node)
    node.inside(
        f"ip address delete {address(101, 10)}/24 dev vlan101; ip link delete vlan102; "
        "ip link set ens17 nomaster; ip link set ens17 down; "
        # Without a frame from it the switches would not notice that it is behind another port now, if that was ens17.
        f"ping -c 3 -i 0.2 -W 2 {address(100, 1)}"
    )
    with node.pings() as operator:
        result = node.configure(config, window=60)
    fine(node, result)
    assert result.returned["changed"] is True
    assert {line.split(":")[0] for line in result.returned["summary"]} >= {"vlan101", "vlan102", "ens17"}
    assert links(node) == before
    print(f"operator's VLAN {operator.loss}")
    assert operator.loss.lost <= 3, operator.loss
    assert node.configure(config, window=60).returned["changed"] is False


def test_addresses_and_relations_that_only_a_kernel_can_judge(node: Machine) -> None:
    """A gateway behind a route on the link, one link-local address on two links, and the MAC address of a bridge."""
    own = vlan(101)
    own["addresses"] = [{"ip_netmask": f"{address(101, 10)}/32"}, {"ip_netmask": "fe80::7/64"}]
    own["routes"] = [
        {"ip_netmask": "198.19.0.0/24", "next_hop": address(101, 1)},  # before the route that it needs
        {"ip_netmask": f"{address(101, 1)}/32", "next_hop": "self"},
    ]
    other = vlan(102)
    other["addresses"].append({"ip_netmask": "fe80::7/64"})
    tap = {"type": "linux_tap", "name": "tap0"}
    bridge = {"type": "linux_bridge", "name": "br0", "members": [tap, {"type": "interface", "name": "nic3"}]}
    config = base(own, other, bridge)
    fine(node, node.configure(config, window=60))
    found = links(node)
    assert "fe80::7/64" in found["vlan101"]["addresses"] and "fe80::7/64" in found["vlan102"]["addresses"]
    assert f"198.19.0.0/24 via {address(101, 1)} dev vlan101" in node.inside("ip route").out
    assert node.reachable(address=address(102, 10))
    mac = "cat /sys/class/net/br0/address"
    assert node.inside(mac).out.strip() != node.nics[2].mac.lower()

    bridge["members"][1]["primary"] = True
    changed = base(own, other, bridge)
    fine(node, node.configure(changed, window=60))
    assert node.inside(mac).out.strip() == node.nics[2].mac.lower()
    again = node.configure(changed, window=60)
    fine(node, again)
    assert again.returned["changed"] is False

    empty = {**bridge, "members": [{"type": "interface", "name": "52:54:00:ff:ff:01"}]}
    refused = node.configure(base(own, other, empty), window=60)
    assert refused.code != 0 and "there is no NIC of br0" in refused.returned["msg"]
    fine(node, node.configure(changed, state="validated"))
