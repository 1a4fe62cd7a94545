# SPDX-License-Identifier: Apache-2.0
"""Action: who has which node of Ironic, and how many are left; see the module's documentation."""

from __future__ import annotations

from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import allocation
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.client import Patient, nodes
from ansible_collections.ozone.openstack.plugins.plugin_utils import ironic

KEYS = ("name", "uuid", "state", "resource_class", "traits", "last_error", "node_uuid")


class ActionModule(ironic.IronicAction):
    """``ozone.openstack.baremetal_allocation_info``."""

    _supports_check_mode = True

    def drive(self, options: dict[str, Any], connect: ironic.Connect) -> dict[str, Any]:
        """Two lists."""
        api = Patient(connect())
        there, found = nodes(api), allocation.allocations(api)
        names = {str(node["uuid"]): allocation.name_of(node) for node in there}
        shown = [
            {**{key: entry.get(key) for key in KEYS}, "node": names.get(str(entry.get("node_uuid")))} for entry in found
        ]
        return {
            "changed": False,
            "allocations": sorted(shown, key=lambda entry: str(entry["name"] or entry["uuid"])),
            "capacity": allocation.assign([], there, found).capacity,
        }
