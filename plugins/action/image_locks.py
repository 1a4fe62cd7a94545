# SPDX-License-Identifier: Apache-2.0
"""Action: resolve the lock files of releases on the deployment host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.images.locks import lock_releases
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import ReleaseError, known_releases
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction

ARGUMENTS: dict[str, dict[str, Any]] = {
    "releases": {"type": "path"},
    "names": {"type": "list", "elements": "str", "default": []},
    "constraints_dir": {"type": "path"},
}


class ActionModule(LocalAction):
    """``ozone.openstack.image_locks``: the module's documentation describes the options."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS
    EXPECTED = (ReleaseError,)

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Resolve and write."""
        releases = Path(options["releases"] or COLLECTION / "releases")
        constraints = options["constraints_dir"] or os.environ.get("OZONE_CONSTRAINTS_DIR")
        names = options["names"] or known_releases(releases)
        files = lock_releases(releases, names, constraints, check=bool(self._task.check_mode))
        return {"changed": bool(files), "files": files}
