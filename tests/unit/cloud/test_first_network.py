# SPDX-License-Identifier: Apache-2.0
"""A machine has the same network from its first boot as from the role network."""

from __future__ import annotations

from typing import Any

from test_definition import machine

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import networking
from ansible_collections.ozone.openstack.plugins.module_utils.images import first_boot
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Nic
from ansible_collections.ozone.openstack.plugins.module_utils.network.render import render
from ansible_collections.ozone.openstack.plugins.module_utils.network.resolve import resolve
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse, parse_mapping


def nic(number: int, mac: str) -> Nic:
    """A NIC of the machine."""
    return {
        "name": f"ens{number}", "mac": mac, "pci": f"0000:00:0{number}.0", "port": 0, "driver": "virtio_net",
        "type": "ether", "vf_of": "", "carrier": True, "speed": 0, "max_mtu": 9000,
    }  # fmt: skip


def test_make_network_finds_nothing_to_do_after_the_first_boot(lab: Any, cloud: dict[str, Any]) -> None:
    machine(cloud)
    made, _known = lab.load(cloud)
    node = made.nodes["compute1"]
    nics = [nic(number, mac) for number, mac in enumerate(node.nics.values(), 1)]
    config = parse(networking.expand(made, node))
    wanted = render(config, resolve(config, nics, [], parse_mapping(dict(node.nics))))
    assert first_boot.plan(node.machine.network_data, nics) == wanted
