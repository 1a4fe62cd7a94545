# SPDX-License-Identifier: Apache-2.0
"""What is refused before the node is touched, and what is only another way to write the same."""

from __future__ import annotations

from typing import Any

from tests.lab.machines import Machine
from tests.lab.switches import address6
from tests.network.node import base, bond, fine, network, vlan


def untouched(machine: Machine, config: Any, *words: str) -> None:
    """A configuration is refused with these words, and the node never hears of it."""
    result = machine.configure(config, "-vvv")
    assert result.code != 0
    for word in words:
        assert word in result.returned["msg"], result.returned["msg"]
    assert "network_config.py" not in "".join(
        line for line in result.output.splitlines() if line.startswith("Using module file")
    )


def test_what_cannot_work_is_refused_before_anything_is_changed(node: Machine) -> None:
    """Failure mode 18, and DHCP: all mistakes of a configuration at once."""
    before = network(node)
    wrong = {**bond("bond1", ("nic3", "nic4")), "bonding_options": "mode=802.3ad arp_interval=100 primary=em1"}
    both = {**bond("bond2", ("nic5", "nic2")), "bonding_options": "mode=active-backup miimon=100 arp_interval=100"}
    asks = {"type": "interface", "name": "nic5", "use_dhcp": True}
    untouched(node, base(wrong, both), "arp_interval", "primary", "nic2", "arp_ip_target")
    untouched(node, base(asks), "use_dhcp")
    untouched(node, base({**vlan(101), "vlan_id": 4095}), "4095")
    untouched(node, base({"type": "interface", "name": "nic9", "mtu": 1500}), "nic9")
    assert network(node) == before
    assert node.reachable()


def test_another_way_to_write_an_address_is_no_change(node: Machine) -> None:
    """Failure mode 17, and MAC addresses in capitals."""
    one = {"ip_netmask": f"{address6(101, 10)}/64"}, {"ip_netmask": "fd00:1::/48", "next_hop": address6(101, 1)}
    same = (
        {"ip_netmask": "FD5A:4F7A:6F6E:0065:0000:0000:0000:000A/64"},
        {"ip_netmask": "FD00:0001:0::/48", "next_hop": "fd5a:4f7a:6f6e:65:0:0:0:1"},
    )
    for changed, (own, route) in ((True, one), (False, same)):
        result = node.configure(base({**vlan(101), "addresses": [own], "routes": [route]}), window=60)
        fine(node, result)
        assert result.returned["changed"] is changed
    assert node.reachable(address=address6(101, 10))
    upper = [{**bond(), "members": [{"type": "interface", "name": nic.mac.upper()} for nic in node.nics[:2]]}]
    spelled = node.configure([*upper, *base({**vlan(101), "addresses": [one[0]], "routes": [one[1]]})[1:]], "--check")
    assert spelled.returned["resolution"] == {nic.mac: nic.name for nic in node.nics[:2]}
    assert spelled.returned["touched"] == [] or set(spelled.returned["touched"]) == {"ens16", "ens17"}
