# SPDX-License-Identifier: Apache-2.0
"""Measure how long the network of many nodes takes, on one core: read, checked, resolved, rendered, compared.

    .ansible/venv-dev/bin/python bench/network.py       # 1,000 nodes

Prints JSON; ``ok`` tells whether the target is met. The template has bonds, VLANs and a bridge of Open vSwitch, as a
compute node with separate storage links would have; every node has its own addresses and MAC addresses.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / ".ansible" / "collections"), str(ROOT / "tests" / "unit" / "network")]

from machine import Machine, nic  # noqa: E402 - found on the path set above

from ansible_collections.ozone.openstack.plugins.module_utils.network import (  # noqa: E402 - found on the path set above
    difference,
    render,
    resolve,
    schema,
)

NODES = 1000
TARGET = 10.0


def template(node: int) -> list[dict[str, Any]]:
    """The configuration of a node."""

    def vlan(identity: int, device: str | None = None, **more: Any) -> dict[str, Any]:
        address = f"198.18.{identity}.{node % 250 + 2}"
        parent = {"device": device} if device else {}
        return {"type": "vlan", "vlan_id": identity, "addresses": [{"ip_netmask": f"{address}/24"}], **parent, **more}

    def bond(name: str, *members: str, mtu: int = 1500) -> dict[str, Any]:
        options = "mode=802.3ad miimon=100 lacp_rate=fast xmit_hash_policy=layer3+4"
        nics = [{"type": "interface", "name": member, "mtu": mtu} for member in members]
        return {"type": "linux_bond", "name": name, "bonding_options": options, "mtu": mtu, "members": nics}

    return [
        bond("bond0", "nic1", "nic2"),
        vlan(11, "bond0", routes=[{"default": True, "next_hop": "198.18.11.1"}]),
        vlan(12, "bond0", routes=[{"ip_netmask": "198.19.0.0/16", "next_hop": "198.18.12.1", "table": 200}]),
        vlan(13, "bond0"),
        bond("bond1", "nic3", "nic4", mtu=9000),
        vlan(21, "bond1", mtu=9000),
        vlan(22, "bond1", mtu=9000),
        {
            "type": "ovs_bridge",
            "name": "br-ex",
            "members": [
                {
                    "type": "ovs_bond",
                    "name": "bond2",
                    "ovs_options": "bond_mode=balance-tcp lacp=active",
                    "members": [{"type": "interface", "name": "nic5"}, {"type": "interface", "name": "nic6"}],
                },
                vlan(31),
            ],
        },
    ]


def machine(node: int) -> Machine:
    """A node with six NICs."""
    macs = [f"52:54:{node // 256:02x}:{node % 256:02x}:00:{index:02x}" for index in range(1, 7)]
    return Machine([nic(index, mac=mac) for index, mac in enumerate(macs, 1)])


def main() -> int:
    """Measure, and print."""
    seconds = dict.fromkeys(("validate", "resolve", "render", "compare"), 0.0)
    files = 0
    for node in range(NODES):
        data, there = template(node), machine(node)
        observed = there.observed()
        begin = time.process_time()
        config = schema.parse(data)
        parsed = time.process_time()
        resolved = resolve.resolve(config, there.nics, [], {})
        found = time.process_time()
        wanted = render.render(config, resolved)
        rendered = time.process_time()
        change = difference.difference(wanted, observed)
        end = time.process_time()
        files += len(change["forward"]["files"])
        for name, value in zip(
            seconds, (parsed - begin, found - parsed, rendered - found, end - rendered), strict=True
        ):
            seconds[name] += value
    total = seconds["validate"] + seconds["resolve"] + seconds["render"]
    result = {
        "nodes": NODES,
        "files": files,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "validate_and_render": round(total, 2),
        "target": TARGET,
        "ok": total <= TARGET,
    }
    print(json.dumps(result, indent=2))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
