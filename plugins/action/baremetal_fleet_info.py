# SPDX-License-Identifier: Apache-2.0
"""Action: how many nodes of Ironic are, in words; see the module's documentation."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from ansible_collections.ozone.openstack.plugins.action.baremetal_fleet import limits, masked
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import client
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.survey import survey
from ansible_collections.ozone.openstack.plugins.plugin_utils import ironic

ARGUMENTS: dict[str, Any] = {
    **ironic.ARGUMENTS,
    "names": {"type": "list", "elements": "str"},
    "limits": {"type": "dict", "default": {}},
}


class ActionModule(ironic.IronicAction):
    """``ozone.openstack.baremetal_fleet_info``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS

    def drive(self, options: dict[str, Any], connect: ironic.Connect) -> dict[str, Any]:
        """One list."""
        given = limits(options["limits"])
        nodes = client.nodes(client.Patient(connect()))
        found = survey(nodes, options["names"], datetime.now(UTC), given)
        problems = [f"{node['name']}: {node['problem']}" + (f" -> {node['remedy']}" if node["remedy"] else "")
                    for node in found if node["problem"]]  # fmt: skip
        states = Counter(str(node["state"]) for node in found if node["state"])
        result: dict[str, Any] = masked({"nodes": found, "problems": problems, "states": dict(sorted(states.items()))})
        return {"changed": False, **result}
