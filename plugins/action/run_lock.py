# SPDX-License-Identifier: Apache-2.0
"""Action: the lock of a cloud, held by the process of ansible-playbook; see the module's documentation."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.ozone.openstack.plugins.module_utils import lock
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import state_dir_of

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
    "verb": {"type": "str", "default": "run"},
    "state_dir": {"type": "path"},
    "break_lock": {"type": "bool", "default": False},
}


def playbook_process() -> int:
    """The process of ansible-playbook: an action runs in a child of it that ends with the task."""
    parent = multiprocessing.parent_process()
    return parent.pid if parent is not None and parent.pid else os.getpid()


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.run_lock``."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take the lock or give it back. It is no change of the cloud: ``changed`` is always false."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        if "ozone_lock_break" in variables:
            self._task.args.setdefault("break_lock", self._templar.template(variables["ozone_lock_break"]))
        options = self.validate_argument_spec(argument_spec=ARGUMENTS)[1]
        try:
            state_dir = Path(options["state_dir"]) if options["state_dir"] else state_dir_of(variables)
            path = state_dir / "lock.json"
            me = lock.this_process(playbook_process())
            note = ""
            if self._task.check_mode:
                note = lock.conflict(path, me)
            elif options["state"] == "held":
                note = lock.acquire(path, str(options["verb"]), me, force=bool(options["break_lock"])).note
            else:
                lock.release(path, me)
        except (lock.LockError, SecretsError, OSError) as error:
            raise AnsibleActionFail(str(error)) from error
        if note and (self._task.check_mode or options["break_lock"]):
            Display().warning(note)
        elif note:  # a run that failed or was killed leaves its lock behind; that it is taken over is no news
            Display().v(note)
        result.update(changed=False, path=str(path), note=note)
        return result
