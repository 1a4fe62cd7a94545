# SPDX-License-Identifier: Apache-2.0
"""Action: bring a node of Ironic to what is declared of it; see the module's documentation."""

from __future__ import annotations

from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import declare
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.client import Patient
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import use
from ansible_collections.ozone.openstack.plugins.plugin_utils import ironic

DECLARED: dict[str, Any] = {
    "driver": {"type": "str"},
    "driver_info": {"type": "dict", "no_log": True},
    "interfaces": {"type": "dict"},
    "resource_class": {"type": "str"},
    "traits": {"type": "list", "elements": "str"},
    "conductor_group": {"type": "str"},
    "owner": {"type": "str"},
    "lessee": {"type": "str"},
    "shard": {"type": "str"},
    "description": {"type": "str"},
    "properties": {"type": "dict"},
    "extra": {"type": "dict"},
    "network_data": {"type": "dict"},
    "automated_clean": {"type": "bool"},
    "retired": {"type": "bool"},
    "retired_reason": {"type": "str"},
    "protected": {"type": "bool"},
    "protected_reason": {"type": "str"},
    "ports": {"type": "list", "elements": "dict"},
    "portgroups": {"type": "list", "elements": "dict"},
    "target_raid_config": {"type": "dict"},
}


ARGUMENTS: dict[str, Any] = {
    **ironic.ARGUMENTS,
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "update_secrets": {"type": "str", "choices": ["changed", "always", "on_create"], "default": "changed"},
    **DECLARED,
}


class ActionModule(ironic.IronicAction):
    """``ozone.openstack.baremetal_node``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS

    def drive(self, options: dict[str, Any], connect: ironic.Connect) -> dict[str, Any]:
        """Look, compare, change."""
        declared = declare.read(options["name"], {key: options[key] for key in DECLARED})
        for secret in declare.secret_values(declared):
            use(secret)
        there = connect()
        api = Patient(there)
        if options["state"] == "absent":
            found = declare.removal(declared.name, declare.look(api, declared.name)[0])
        else:
            addresses = [port.address for port in declared.ports or ()]
            found = declare.changes(
                declared,
                *declare.look(api, declared.name, addresses),
                key=declare.secret_key(there.password),
                secrets=options["update_secrets"],
            )
        if not self._task.check_mode:
            declare.apply(api, found)
        result: dict[str, Any] = {"changed": bool(found.requests), "summary": found.summary, "notes": found.notes}
        if self._task.diff and found.requests:
            header = f"node {declared.name}"
            result["diff"] = [{"before_header": header, "after_header": header, **found.diff}]
        return result
