# SPDX-License-Identifier: Apache-2.0
"""Filters for the declarations of services; the logic is in module_utils."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import url
from ansible_collections.ozone.openstack.plugins.module_utils.generation.scale import scale_down_refusals
from ansible_collections.ozone.openstack.plugins.module_utils.services.certificates import certificates
from ansible_collections.ozone.openstack.plugins.module_utils.services.haproxy import checks
from ansible_collections.ozone.openstack.plugins.module_utils.services.ironic import site
from ansible_collections.ozone.openstack.plugins.module_utils.services.keystone import key_files
from ansible_collections.ozone.openstack.plugins.module_utils.services.neutron import underlay
from ansible_collections.ozone.openstack.plugins.module_utils.services.node import account_files
from ansible_collections.ozone.openstack.plugins.module_utils.services.nova import cell_templates
from ansible_collections.ozone.openstack.plugins.module_utils.services.ovn import chassis, cloud_remotes


def endpoint_url(address: str, scheme: str, port: int, path: str = "") -> str:
    """The URL of an address and a port."""
    return url(scheme, address, port, path)


class FilterModule:
    """Filters of ``ozone.openstack``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "account_files": account_files,
            "certificates": certificates,
            "endpoint_url": endpoint_url,
            "front_end_checks": checks,
            "ironic_site": site,
            "key_files": key_files,
            "neutron_underlay": underlay,
            "nova_cells": cell_templates,
            "ovn_chassis": chassis,
            "ovn_remotes": cloud_remotes,
            "scale_down_refusals": scale_down_refusals,
        }
