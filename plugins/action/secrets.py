# SPDX-License-Identifier: Apache-2.0
"""Action: make the secrets of a cloud that are missing. Runs on the deployment host; see the module's documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError, merge, use
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import (
    read_secrets,
    secrets_file,
    state_dir_of,
)

ARGUMENTS: dict[str, Any] = {
    "secrets": {"type": "dict", "default": {}},
    "given": {"type": "dict", "default": {}, "no_log": True},
    "given_variables": {"type": "dict", "default": {}},
    "state_dir": {"type": "path"},
    "source": {"type": "str", "choices": ["file", "hashi_vault"], "default": "file"},
    "url": {"type": "str"},
    "mount": {"type": "str", "default": "secret"},
    "path": {"type": "str"},
}


class ActionModule(LocalAction):
    """``ozone.openstack.secrets``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS
    VARIABLES: ClassVar = {option: f"ozone_secrets_{option}" for option in ("source", "url", "mount", "path")}
    EXPECTED = (SecretsError, OSError)

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Generate what is missing; the result has names only."""
        wanted: dict[str, str] = {}
        for name, kind in options["secrets"].items():  # by service, or one by one
            wanted.update(
                {str(key): str(value) for key, value in (kind.items() if isinstance(kind, dict) else [(name, kind)])}
            )
        changed: list[str] = []
        if options["source"] == "hashi_vault":
            if options["given"] or options["given_variables"]:
                raise SecretsError("the secrets are on a server: write them there, with its own tools")
            values, where = read_secrets(self._loader, self._templar, variables, options)
            missing = merge(values, wanted, where)[1]
            if missing:
                kinds = ", ".join(f"{name} ({wanted[name]})" for name in missing)
                raise SecretsError(f"{where} lacks secrets; write them there: {kinds}")
            generated: list[str] = []
        else:
            state_dir = Path(options["state_dir"]) if options["state_dir"] else state_dir_of(self._templar, variables)
            file = secrets_file(self._loader, state_dir)
            where = str(file.path)
            given = {str(name): str(value) for name, value in options["given"].items()}
            # As it was typed, or stands in a file of variables: marks of a template in it mean nothing.
            given |= {str(name): str(variables.get(str(item), "")) for name, item in options["given_variables"].items()}
            for value in given.values():
                use(value)
            changed = file.give(given, check=self._task.check_mode) if given else []
            generated = file.ensure(wanted, check=self._task.check_mode)
        result: dict[str, Any] = {"changed": bool(generated or changed), "generated": generated, "path": where}
        if (generated or changed) and self._task.diff:
            added = "".join(f"{name}: (generated {wanted[name]})\n" for name in generated)
            added += "".join(f"{name}: (given)\n" for name in changed)
            result["diff"] = [{"before_header": where, "after_header": where, "before": "", "after": added}]
        return result
