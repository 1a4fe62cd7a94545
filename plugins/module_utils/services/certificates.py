# SPDX-License-Identifier: Apache-2.0
"""Which server certificates a cloud needs: those of the services that it has and that end TLS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.services import ironic


def certificates(cloud: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The certificates by name, as the module ``ozone.openstack.certificate`` takes them.

    :param cloud: the host variable ``ozone_cloud``.
    """
    wanted: dict[str, dict[str, Any]] = {}
    if "haproxy" in cloud["services"]:
        vips = cloud["vips"]
        addresses = list(dict.fromkeys([vips["api_internal"], vips["api_public"]]))
        wanted["haproxy"] = {"ip": addresses, "dns": [cloud["domain"]], "front_end": True}
    if ironic.SERVICE in cloud["services"]:
        nodes = ironic.members(cloud)
        wanted["ironic"] = {
            "ip": [ironic.address(cloud, node) for node in nodes],
            "dns": [f"{node['name']}.{cloud['domain']}" for node in nodes],
        }
    return wanted
