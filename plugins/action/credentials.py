# SPDX-License-Identifier: Apache-2.0
"""Action: the clouds.yaml of a cloud, on the deployment host; see the module's documentation."""

from __future__ import annotations

from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import private_directory, write_if_changed
from ansible_collections.ozone.openstack.plugins.module_utils.credentials import (
    clouds_file,
    keystone_clouds,
    undercloud,
)
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError
from ansible_collections.ozone.openstack.plugins.module_utils.services import ironic
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
        cloud, ca_cert = here.cloud(), str(state_dir / "pki" / "ca.pem")
        clouds: dict[str, Any] = {}
        if "keystone_api" in cloud["front_ends"]:
            auth = {interface: here.admin(interface) for interface in ("public", "internal")}
            clouds |= keystone_clouds(auth, str(cloud["region"]), ca_cert)
        nodes = ironic.members(cloud)
        if nodes:
            clouds |= undercloud(ironic.url(cloud, nodes[0]), ironic.USER, here.secret("ironic_api_password"), ca_cert)
        text = clouds_file(str(path), clouds)
        private_directory(state_dir)
        changed = write_if_changed(path, text, 0o600, check=self._task.check_mode)
        return {"changed": changed, "path": str(path), "clouds": list(clouds)}
