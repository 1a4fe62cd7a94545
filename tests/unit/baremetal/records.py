# SPDX-License-Identifier: Apache-2.0
"""What Ironic keeps of nodes, ports and port groups, as far as declarations need it: applies requests to plain data."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Request
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.secret_fields import masked

NODE: dict[str, Any] = {
    "provision_state": "enroll",
    "target_provision_state": None,
    "maintenance": False,
    "driver": None,
    "driver_info": {},
    "properties": {},
    "extra": {},
    "network_data": {},
    "instance_info": {},
    "resource_class": None,
    "conductor_group": "",
    "owner": None,
    "lessee": None,
    "shard": None,
    "description": None,
    "automated_clean": None,
    "retired": False,
    "retired_reason": None,
    "protected": False,
    "protected_reason": None,
    "traits": [],
    "target_raid_config": {},
    "boot_interface": "redfish-virtual-media",
    "bios_interface": "no-bios",
}
PORT: dict[str, Any] = {
    "pxe_enabled": True,
    "physical_network": None,
    "local_link_connection": {},
    "portgroup_uuid": None,
    "internal_info": {},
}
GROUP: dict[str, Any] = {
    "name": None,
    "address": None,
    "mode": "active-backup",
    "properties": {},
    "standalone_ports_supported": True,
}


class Records:
    """Nodes, ports and port groups by id. ``requests``: all that were made."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {"nodes": {}, "ports": {}, "portgroups": {}}
        self.requests: list[Request] = []

    def node(self, name: str) -> dict[str, Any] | None:
        """A node as the API shows it."""
        for node in self.tables["nodes"].values():
            if node["name"] == name:
                return {**copy.deepcopy(node), "driver_info": masked(node["driver_info"])}
        return None

    def raw(self, name: str) -> dict[str, Any]:
        """A node as the database has it."""
        return next(node for node in self.tables["nodes"].values() if node["name"] == name)

    def list(self, kind: str) -> list[dict[str, Any]]:
        """All of a kind."""
        return copy.deepcopy(list(self.tables[kind].values()))

    def apply(self, requests: Iterable[Request]) -> None:
        """Make the requests."""
        for request in requests:
            self.requests.append(request)
            parts = request.path.partition("?")[0].strip("/").split("/")[1:]
            table = self.tables[parts[0]]
            if request.method == "POST":
                self.made(parts[0], request.body)
            elif request.method == "DELETE":
                del table[parts[1]]
            elif request.method == "PATCH":
                for operation in request.body:
                    patch(table[parts[1]], operation)
            elif parts[2:] == ["traits"]:
                table[parts[1]]["traits"] = request.body["traits"]
            else:
                assert parts[2:] == ["states", "raid"]
                table[parts[1]]["target_raid_config"] = request.body

    def made(self, kind: str, body: dict[str, Any]) -> None:
        blank = {"nodes": NODE, "ports": PORT, "portgroups": GROUP}[kind]
        table = self.tables[kind]
        allowed = {*blank, "uuid", "name", "address", "node_uuid"} | {key for key in body if key.endswith("_interface")}
        assert set(body) <= allowed - {"protected", "protected_reason", "traits", "target_raid_config"}
        assert body["uuid"] not in table
        if kind != "nodes":
            assert body["node_uuid"] in self.tables["nodes"]
        if body.get("portgroup_uuid"):
            assert self.tables["portgroups"][body["portgroup_uuid"]]["node_uuid"] == body["node_uuid"]
        for unique in ("name", "address"):
            if body.get(unique):
                assert all(other.get(unique) != body[unique] for other in table.values())
        table[body["uuid"]] = {**copy.deepcopy(blank), **copy.deepcopy(body)}


def patch(thing: dict[str, Any], operation: dict[str, Any]) -> None:
    """One operation of a JSON patch, as strict as the RFC and as Ironic's own schema of paths."""
    assert re.fullmatch(r"(/[\w-]+)+", operation["path"])
    *parents, last = operation["path"].split("/")[1:]
    place = thing
    for part in parents:
        place = place[part]
    if operation["op"] == "remove":
        if parents:
            del place[last]
        else:
            place[last] = NODE.get(last, GROUP.get(last))
    else:
        assert operation["op"] == "add" or last in place
        place[last] = copy.deepcopy(operation["value"])
