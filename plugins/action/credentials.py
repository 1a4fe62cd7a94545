# SPDX-License-Identifier: Apache-2.0
"""Action: the clouds.yaml of a cloud, on the deployment host; see the module's documentation."""

from __future__ import annotations

from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import private_directory, write_if_changed
from ansible_collections.ozone.openstack.plugins.module_utils.credentials import clouds_file
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError
from ansible_collections.ozone.openstack.plugins.plugin_utils.access import CloudAccess
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction


class ActionModule(LocalAction):
    """``ozone.openstack.credentials``."""

    _supports_check_mode = True
    EXPECTED = (SecretsError, OSError)

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Write the file when it differs."""
        here = CloudAccess(self, variables)
        state_dir = here.state_dir()
        path = state_dir / "clouds.yaml"
        auth = {interface: here.admin(interface) for interface in ("public", "internal")}
        text = clouds_file(str(path), auth, str(here.cloud()["region"]), str(state_dir / "pki" / "ca.pem"))
        private_directory(state_dir)
        changed = write_if_changed(path, text, 0o600, check=self._task.check_mode)
        return {"changed": changed, "path": str(path), "clouds": ["ozone", "ozone-internal"]}
