# SPDX-License-Identifier: Apache-2.0
"""The clouds.yaml with which an operator logs in to a cloud."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

HEADER = """# Made by ozone.openstack.credentials, which overwrites changes.
# Use it: OS_CLIENT_CONFIG_FILE={path} openstack --os-cloud ozone
"""


def clouds_file(path: str, auth: Mapping[str, Mapping[str, str]], region: str, ca_cert: str) -> str:
    """The text of the file at ``path``.

    ``auth`` is the login by interface: ``public`` becomes the cloud ``ozone``, any other one ``ozone-<interface>``.
    """
    clouds = {
        "ozone" if interface == "public" else f"ozone-{interface}": {
            "auth": dict(login),
            "cacert": ca_cert,
            "identity_api_version": 3,
            "interface": interface,
            "region_name": region,
        }
        for interface, login in auth.items()
    }
    return HEADER.format(path=path) + yaml.safe_dump({"clouds": clouds}, default_flow_style=False, sort_keys=True)
