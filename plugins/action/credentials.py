# SPDX-License-Identifier: Apache-2.0
"""Action: the clouds.yaml of a cloud, on the deployment host; see the module's documentation."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import private_directory, write_if_changed
from ansible_collections.ozone.openstack.plugins.module_utils.credentials import clouds_file
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError
from ansible_collections.ozone.openstack.plugins.plugin_utils.access import CloudAccess


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.credentials``."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the file when it differs."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        here = CloudAccess(self, task_vars or {})
        try:
            state_dir = here.state_dir()
            path = state_dir / "clouds.yaml"
            auth = {interface: here.admin(interface) for interface in ("public", "internal")}
            text = clouds_file(str(path), auth, str(here.cloud()["region"]), str(state_dir / "pki" / "ca.pem"))
            private_directory(state_dir)
            changed = write_if_changed(path, text, 0o600, check=self._task.check_mode)
        except (SecretsError, OSError) as error:
            raise AnsibleActionFail(str(error)) from error
        result.update(changed=changed, path=str(path), clouds=["ozone", "ozone-internal"])
        return result
