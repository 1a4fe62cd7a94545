# SPDX-License-Identifier: Apache-2.0
"""Action: the lock of a cloud, held by the process of ansible-playbook; see the module's documentation."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any, ClassVar

from ansible.utils.display import Display

from ansible_collections.ozone.openstack.plugins.module_utils import lock
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction
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


class ActionModule(LocalAction):
    """``ozone.openstack.run_lock``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS
    VARIABLES: ClassVar = {"break_lock": "ozone_lock_break"}
    EXPECTED = (lock.LockError, SecretsError, OSError)

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Take the lock or give it back. It is no change of the cloud: ``changed`` is always false."""
        state_dir = Path(options["state_dir"]) if options["state_dir"] else state_dir_of(self._templar, variables)
        path = state_dir / "lock.json"
        me = lock.this_process(playbook_process())
        note = ""
        if self._task.check_mode:
            note = lock.conflict(path, me)
        elif options["state"] == "held":
            note = lock.acquire(path, str(options["verb"]), me, force=bool(options["break_lock"])).note
        else:
            lock.release(path, me)
        if note and (self._task.check_mode or options["break_lock"]):
            Display().warning(note)
        elif note:  # a run that failed or was killed leaves its lock behind; that it is taken over is no news
            Display().v(note)
        return {"changed": False, "path": str(path), "note": note}
