# SPDX-License-Identifier: Apache-2.0
"""The clouds.yaml with which an operator logs in to a cloud, and to the undercloud that provisions its machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

HEADER = """# Made by ozone.openstack.credentials, which overwrites changes.
# Use it: OS_CLIENT_CONFIG_FILE={path} openstack --os-cloud {cloud}
"""

#: The cloud of the undercloud: Ironic alone, without Keystone.
UNDERCLOUD = "ozone-undercloud"


def keystone_clouds(auth: Mapping[str, Mapping[str, str]], region: str, ca_cert: str) -> dict[str, Any]:
    """The entries of a cloud. ``auth`` is the login by interface: ``public`` becomes ``ozone``, any other one
    ``ozone-<interface>``.
    """
    return {
        "ozone" if interface == "public" else f"ozone-{interface}": {
            "auth": dict(login),
            "cacert": ca_cert,
            "identity_api_version": 3,
            "interface": interface,
            "region_name": region,
        }
        for interface, login in auth.items()
    }


def undercloud(endpoint: str, user: str, password: str, ca_cert: str) -> dict[str, Any]:
    """The entry of the undercloud, whose only service is Ironic at ``endpoint``."""
    return {
        UNDERCLOUD: {
            "auth_type": "http_basic",
            "auth": {"endpoint": endpoint, "username": user, "password": password},
            "baremetal_endpoint_override": endpoint,
            "cacert": ca_cert,
        }
    }


def clouds_file(path: str, clouds: Mapping[str, Any]) -> str:
    """The text of the file at ``path``."""
    text = yaml.safe_dump({"clouds": dict(clouds)}, default_flow_style=False, sort_keys=True)
    return HEADER.format(path=path, cloud=next(iter(clouds), "NAME")) + text
