# SPDX-License-Identifier: Apache-2.0
"""Action: tell the module which node is meant."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.plugin_utils.node_identity import identity_of


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.generation_info``: the module's documentation describes the options."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module on the node."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = {"identity": identity_of(self, variables), **self._task.args}
        result.update(
            self._execute_module(
                module_name="ozone.openstack.generation_info", module_args=arguments, task_vars=variables, tmp=tmp
            )
        )
        return result
