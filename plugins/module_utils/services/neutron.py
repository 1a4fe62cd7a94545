# SPDX-License-Identifier: Apache-2.0
"""Neutron: what the networks of cloud.yml mean for the virtual networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any


def _physical_networks(flat: Iterable[str], vlan_ranges: Iterable[str]) -> list[str]:
    """Names of provider networks. A range is ``physical network`` or ``physical network:first:last``."""
    return sorted({*flat, *(entry.partition(":")[0] for entry in vlan_ranges)} - {"*"})


def underlay(cloud: Mapping[str, Any], flat: Iterable[str], vlan_ranges: Iterable[str]) -> dict[str, Any]:
    """Options of Neutron that follow from the networks below the virtual ones.

    For tunnels Neutron takes the smaller of ``global_physnet_mtu`` and ``path_mtu``, less the IP header (20 or 40
    bytes, by ``overlay_ip_version``) and ``max_header_size`` (38); for provider networks the smaller of
    ``global_physnet_mtu`` and ``physical_network_mtus`` (neutron.plugins.ml2.drivers, ``get_mtu``). The global value is
    the largest MTU, so that it limits neither. ``cloud`` is the host variable ``ozone_cloud``; ``flat`` and
    ``vlan_ranges`` are options of Neutron. Every provider network is on the network of external traffic.
    """
    networks, traffic = cloud["networks"], cloud["traffic"]
    tunnel = networks[traffic["tunnel"]]
    external = networks.get(traffic.get("external"), {"mtu": 1500})
    versions = {ip_network(subnet["cidr"]).version for subnet in tunnel["subnets"].values()}
    return {
        "global_physnet_mtu": max(tunnel["mtu"], external["mtu"]),
        "path_mtu": tunnel["mtu"],
        "physical_network_mtus": dict.fromkeys(_physical_networks(flat, vlan_ranges), external["mtu"]),
        "overlay_ip_version": max(versions),
    }
