# SPDX-License-Identifier: Apache-2.0
"""Action: render a service's generation on the deployment host and hand it to the node, which activates it."""

from __future__ import annotations

import json
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils.secrets import secrets_in_use
from ansible_collections.ozone.openstack.plugins.plugin_utils.node_identity import identity_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import Services

#: The states for which the node has to know what is wanted.
RENDERED = ("present", "staged")


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.generation``: the module's documentation describes the options."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Render, run the module on the node, mask what is secret."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = dict(self._task.args)
        if arguments.get("state", "present") in RENDERED and "manifest" not in arguments:
            manifest, contents = Services(variables, self._templar, self._loader).render(str(arguments["service"]))
            # As one text: Ansible hides each value of a no_log option wherever it appears; a file may be one word.
            arguments.update(manifest=manifest, contents=json.dumps(contents), secrets=sorted(secrets_in_use()))
        arguments.setdefault("identity", identity_of(self, variables))
        result.update(
            self._execute_module(
                module_name="ozone.openstack.generation", module_args=arguments, task_vars=variables, tmp=tmp
            )
        )
        result.get("invocation", {}).pop("module_args", None)
        return result
