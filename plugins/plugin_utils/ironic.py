# SPDX-License-Identifier: Apache-2.0
"""What the actions that talk to Ironic share: how it is found, and which errors say all that is to be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.client import Client, connected
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import BaremetalError
from ansible_collections.ozone.openstack.plugins.module_utils.sdk import Access, SdkError
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import use

#: The options of the document fragment ``ozone.openstack.ironic``.
ARGUMENTS: dict[str, Any] = {
    "cloud": {"type": "str", "default": "ozone-undercloud"},
    "clouds_file": {"type": "path"},
}
#: For ``LocalAction.EXPECTED``.
EXPECTED: tuple[type[Exception], ...] = (BaremetalError, SdkError, ConnectionError, OSError)


def client(options: Mapping[str, Any], variables: Mapping[str, Any]) -> Client:
    """Ironic's API as the options say; its password is masked from here on."""
    path = str(options["clouds_file"] or "")
    cloud = variables.get("ozone_cloud")
    if not path and isinstance(cloud, Mapping) and cloud.get("state_dir"):
        path = f"{cloud['state_dir']}/clouds.yaml"
    found = connected(Access(str(options["cloud"]), path))
    use(found.password)
    return found
