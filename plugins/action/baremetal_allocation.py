# SPDX-License-Identifier: Apache-2.0
"""Action: nodes of Ironic for names; see the module's documentation."""

from __future__ import annotations

from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import allocation
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.client import Patient
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import BaremetalError
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.reading import read_wishes
from ansible_collections.ozone.openstack.plugins.plugin_utils import ironic

ARGUMENTS: dict[str, Any] = {
    **ironic.ARGUMENTS,
    "allocations": {"type": "list", "elements": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "wait": {"type": "float", "default": allocation.WAIT},
}


class ActionModule(ironic.IronicAction):
    """``ozone.openstack.baremetal_allocation``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS

    def drive(self, options: dict[str, Any], connect: ironic.Connect) -> dict[str, Any]:
        """Plan, and make it so."""
        absent = options["state"] == "absent"
        wishes = [] if absent else read_wishes(options["allocations"])
        names = [str(entry.get("name") or "") for entry in options["allocations"]]
        if "" in names:
            raise BaremetalError(f"allocations[{names.index('')}]: the key name is missing (every one needs it)")
        api = Patient(connect())
        if absent:
            gone = allocation.release(api, names, check=self._task.check_mode)
            lines = [f"{name}: {node} -> nothing" for name, node in gone.items()]
            return self.result(gone, {}, lines, {})
        if self._task.check_mode:
            before = after = allocation.look(api, wishes)
        else:
            before, after = allocation.allocate(api, wishes, wait=options["wait"])
        lines = [f"{name}: nothing -> {node}" for name, node in after.nodes.items() if name not in before.kept]
        found = self.result(before.kept, after.nodes, lines, after.capacity)
        return {**found, "lines": allocation.told(after, before)}

    def result(
        self, before: dict[str, str], after: dict[str, str], summary: list[str], capacity: dict[str, int]
    ) -> dict[str, Any]:
        """What is told of both states."""
        found: dict[str, Any] = {"changed": bool(summary), "nodes": after, "summary": summary, "capacity": capacity}
        if self._task.diff and summary:
            headers = {"before_header": "allocations", "after_header": "allocations"}
            found["diff"] = [{**headers, "before": dict(sorted(before.items())), "after": after}]
        return found
