# SPDX-License-Identifier: Apache-2.0
"""Action: resolve the lock files of releases on the deployment host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils.images.locks import lock_releases
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import ReleaseError, known_releases
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

ARGUMENTS: dict[str, dict[str, Any]] = {
    "releases": {"type": "path"},
    "names": {"type": "list", "elements": "str", "default": []},
    "constraints_dir": {"type": "path"},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.image_locks``: the module's documentation describes the options."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Resolve and write."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, args = self.validate_argument_spec(ARGUMENTS)
        releases = Path(args["releases"] or COLLECTION / "releases")
        constraints = args["constraints_dir"] or os.environ.get("OZONE_CONSTRAINTS_DIR")
        try:
            names = args["names"] or known_releases(releases)
            files = lock_releases(releases, names, constraints, check=bool(self._task.check_mode))
        except ReleaseError as error:
            raise AnsibleActionFail(str(error)) from error
        result.update(changed=bool(files), files=files)
        return result
