# SPDX-License-Identifier: Apache-2.0
"""The options with which an action finds the APIs of a cloud, and their defaults from the inventory's variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context
from ansible_collections.ozone.openstack.plugins.module_utils.sdk import Access
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import Secret, SecretsError, use
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import cloud_of, read_secrets, state_dir_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import plain

#: The options of the document fragment ``ozone.openstack.access``.
ARGUMENTS: dict[str, Any] = {
    "cloud": {"type": "str"},
    "clouds_file": {"type": "path"},
    "auth": {"type": "dict", "no_log": True},
    "ca_cert": {"type": "path"},
}

SOURCE = {"source": "file", "url": "", "mount": "secret", "path": ""}


class CloudAccess:
    """What an action knows about the cloud of its host. ``action`` is the running action plugin."""

    def __init__(self, action: Any, task_vars: Mapping[str, Any]) -> None:
        self.loader = action._loader
        self.templar = action._templar
        self.variables = task_vars

    def cloud(self) -> dict[str, Any]:
        """The variable ``ozone_cloud``."""
        self.state_dir()
        cloud: dict[str, Any] = plain(cloud_of(self.templar, self.variables))
        return cloud

    def state_dir(self) -> Path:
        """The state directory of the cloud."""
        return state_dir_of(self.templar, self.variables)

    def secrets(self) -> dict[str, Secret]:
        """All secrets of the cloud; every one counts as in use."""
        options = {
            option: str(self.templar.template(self.variables.get(f"ozone_secrets_{option}", default)))
            for option, default in SOURCE.items()
        }
        values = read_secrets(self.loader, self.templar, self.variables, options)[0]
        for value in values.values():
            use(value)
        return values

    def secret(self, name: str) -> str:
        """One secret that must be there."""
        try:
            return str(self.secrets()[name])
        except KeyError:
            raise SecretsError(f"there is no secret {name} yet: run ozone.openstack.deploy") from None

    def url(self, front_end: str, interface: str) -> str:
        """URL of a front end of the cloud, without a path."""
        context = Context(self.cloud(), {}, {}, secret=lambda name: "", certificate=lambda name: "")
        return context.url(front_end, interface)

    def admin(self, interface: str) -> dict[str, str]:
        """``auth`` of the cloud's first account, as in a clouds.yaml."""
        return {
            "auth_url": self.url("keystone_api", interface) + "/v3",
            "username": "admin",
            "password": self.secret("keystone_admin_password"),
            "project_name": "admin",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }

    def access(self, options: Mapping[str, Any], interface: str = "public") -> Access:
        """How to reach the cloud: as the options say, else as its first account."""
        ca_cert = str(options.get("ca_cert") or "")
        if options.get("cloud") or options.get("clouds_file"):
            return Access(str(options.get("cloud") or "ozone"), str(options.get("clouds_file") or ""), ca_cert=ca_cert)
        auth = plain(options["auth"]) if options.get("auth") else self.admin(interface)
        return Access(
            auth=auth,
            region=str(self.cloud()["region"]) if "ozone_cloud" in self.variables else "",
            ca_cert=ca_cert or ("" if options.get("auth") else str(self.state_dir() / "pki" / "ca.pem")),
            interface=interface,
        )
