# SPDX-License-Identifier: Apache-2.0
"""Action: what Ironic has of nodes; see the module's documentation."""

from __future__ import annotations

from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import client
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.declare import masked
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Api, BaremetalError, Request
from ansible_collections.ozone.openstack.plugins.plugin_utils import ironic

#: What is of use to nobody who asks for a node.
LEFT_OUT = ("links", "portgroups", "ports", "states", "volume")


def inventory(api: Api, identifier: str) -> Any:
    """What inspection found; None when there was none."""
    answer = api.request(Request("GET", f"/v1/nodes/{identifier}/inventory"))
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise BaremetalError(f"inventory of {identifier}: {client.message(answer)}")
    return answer.body.get("inventory")


def shown(node: dict[str, Any]) -> dict[str, Any]:
    """A node without secrets, and without addresses of further requests."""
    kept = {key: value for key, value in node.items() if key not in LEFT_OUT}
    return {**kept, **{key: masked(kept.get(key)) for key in ("driver_info", "driver_internal_info") if key in kept}}


ARGUMENTS: dict[str, Any] = {
    **ironic.ARGUMENTS,
    "names": {"type": "list", "elements": "str"},
    "inventory": {"type": "bool", "default": False},
}


class ActionModule(ironic.IronicAction):
    """``ozone.openstack.baremetal_node_info``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS

    def drive(self, options: dict[str, Any], connect: ironic.Connect) -> dict[str, Any]:
        """Three lists, and one request more for each inventory."""
        api = client.Patient(connect())
        nodes, ports, groups = client.lists(api)
        wanted = options["names"]
        found = []
        for node in nodes:
            if wanted is None or {node.get("name"), node["uuid"]} & set(wanted):
                entry = shown(node)
                for key, things in (("ports", ports), ("portgroups", groups)):
                    entry[key] = [
                        {name: value for name, value in thing.items() if name not in LEFT_OUT}
                        for thing in things
                        if thing.get("node_uuid") == node["uuid"]
                    ]
                if options["inventory"]:
                    entry["inventory"] = inventory(api, node["uuid"])
                found.append(entry)
        return {"changed": False, "nodes": sorted(found, key=lambda node: str(node.get("name") or node["uuid"]))}
