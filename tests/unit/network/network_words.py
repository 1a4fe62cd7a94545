# SPDX-License-Identifier: Apache-2.0
"""Short ways to write devices, and to see why a configuration is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.network import schema
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Config, Device, NetworkError


def nic(name: Any = "nic1", **more: Any) -> dict[str, Any]:
    return {"type": "interface", "name": name, **more}


def vlan(vlan_id: Any = 20, **more: Any) -> dict[str, Any]:
    return {"type": "vlan", "vlan_id": vlan_id, **more}


def bond(options: Any = "mode=active-backup miimon=100", *members: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": "linux_bond",
        "name": "bond0",
        "bonding_options": options,
        "members": list(members) or [nic("nic1"), nic("nic2")],
        **more,
    }


def bridge(*members: Any, **more: Any) -> dict[str, Any]:
    return {"type": "ovs_bridge", "name": "br-ex", "members": list(members), **more}


def at(*texts: str) -> list[dict[str, str]]:
    return [{"ip_netmask": text} for text in texts]


def parse(*objects: Any, dhcp_allowed: tuple[str, ...] = ()) -> Config:
    return schema.parse(list(objects), dhcp_allowed=dhcp_allowed)


def device(config: Config, name: str) -> Device:
    found = config.device(name)
    assert found is not None, f"{name} is not among {[one.name for one in config.devices]}"
    return found


def problems(*objects: Any, dhcp_allowed: tuple[str, ...] = ()) -> list[str]:
    """Every mistake, as a text."""
    return refusal(list(objects), dhcp_allowed)


def refusal(data: Any, dhcp_allowed: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(NetworkError) as caught:
        schema.parse(data, dhcp_allowed=dhcp_allowed)
    for problem in caught.value.problems:
        assert problem.path and problem.message
        assert problem.remedy, f"no remedy: {problem}"
    return [str(problem) for problem in caught.value.problems]


def only(*objects: Any, dhcp_allowed: tuple[str, ...] = ()) -> str:
    """The one mistake."""
    found = problems(*objects, dhcp_allowed=dhcp_allowed)
    assert len(found) == 1, found
    return found[0]
