# SPDX-License-Identifier: Apache-2.0
"""What a lab consists of: bridges, nodes and their NICs, worked out of the variables of the inventory plugin.

Pure: nothing here looks at the host. Names of network devices are hashes, because a device's name has 15 characters at
most (IFNAMSIZ - 1) and names of clouds, networks and nodes are longer; the alias of a device says in words what it is.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import version

#: Every device of a lab carries an alias that begins with this and the cloud's name: that is how it is found again.
ALIAS = "ozone-lab"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


class LabError(Exception):
    """The lab cannot be made or removed as asked. The text says why and what to do; it may have several lines."""


@dataclass(frozen=True)
class Bridge:
    """One subnet of one network: a bridge in the namespace of the host."""

    device: str
    alias: str
    network: str
    site: str
    cidr: str
    address: str  # of the host on the bridge, with prefix length; empty: none
    mtu: int
    isolated: bool = False  # may overlap others that are, unless this computer has an address in both

    @property
    def six(self) -> bool:
        """Whether the host has an IPv6 address on it."""
        return version(self.address) == 6


@dataclass(frozen=True)
class Nic:
    """One network card of a node: a veth pair, its one end in the node, the other one in a bridge."""

    network: str
    name: str  # in the node: eth0
    device: str  # on the host
    alias: str
    bridge: str
    mac: str
    mtu: int
    address: str  # with prefix length; empty: the card is up without an address
    gateway: str


@dataclass(frozen=True)
class Node:
    """A machine, as the lab is to make it. All that follows from the cloud, nothing that follows from the host."""

    cloud: str
    name: str
    domain: str
    machine_id: str
    management: str  # the address that SSH uses
    nics: tuple[Nic, ...]

    def to_json(self) -> str:
        """Stable text of the node: equal texts mean that there is nothing to do."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def bridge_device(cloud: str, network: str, site: str) -> str:
    """Name of a bridge, 11 characters: oz-1a2b3c4d."""
    return f"oz-{_digest('bridge', cloud, network, site)[:8]}"


def nic_device(cloud: str, node: str, network: str) -> str:
    """Name of the host's end of a node's NIC, 13 characters: ozv1a2b3c4d5e."""
    return f"ozv{_digest('nic', cloud, node, network)[:10]}"


def mac_address(cloud: str, node: str, network: str) -> str:
    """A stable unicast MAC address out of the locally administered range (IEEE 802: second bit of the first octet)."""
    digest = _digest("mac", cloud, node, network)
    return ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])


def alias_prefix(cloud: str) -> str:
    """What the aliases of all devices of a cloud's lab begin with."""
    return f"{ALIAS}:{cloud}:"


def _interface(address: str, cidr: str, what: str) -> str:
    """``address`` with the prefix length of ``cidr``, or its own if it is link-local (a router's). Raises LabError."""
    net = ipaddress.ip_network(cidr)
    value = ipaddress.ip_address(address)
    if value.version == net.version == 6 and value.is_link_local:
        return f"{address}/64"
    if value not in net:
        raise LabError(f"{what}: {address} is not in {cidr}")
    return f"{ipaddress.ip_address(address)}/{net.prefixlen}"  # as the kernel writes it


def segments(definition: Mapping[str, Any]) -> dict[str, str]:
    """Site -> the site whose bridge it uses: the first one with the same subnet, unless that is isolated."""
    first: dict[str, str] = {}
    found = {}
    for site, subnet in sorted((definition.get("subnets") or {}).items()):
        cidr = str(subnet["cidr"])
        found[site] = site if subnet.get("isolated") else first.setdefault(cidr, site)
    return found


def bridges(cloud: Mapping[str, Any]) -> list[Bridge]:
    """The bridges of a cloud, one for each subnet (site) of each network; a stretched subnet has one for all its sites.

    The host's own address is the subnet's ``host``, else its ``gateway`` (external networks: the host plays the
    provider's router). ``cloud`` is ``ozone_cloud`` as the inventory plugin makes it.
    """
    name = str(cloud["name"])
    found = []
    for network, definition in sorted(cloud["networks"].items()):
        mtu = int(definition.get("mtu") or 1500)
        subnets, same = definition.get("subnets") or {}, segments(definition)
        for site in sorted(set(same.values())):
            parts = [subnets[other] for other in sorted(same) if same[other] == site]
            cidr = str(subnets[site]["cidr"])
            address = next((part[key] for key in ("host", "gateway") for part in parts if part.get(key)), "")
            found.append(
                Bridge(
                    device=bridge_device(name, network, site),
                    alias=f"{alias_prefix(name)}network:{network}:{site}",
                    network=network,
                    site=site,
                    cidr=cidr,
                    address=_interface(address, cidr, f"networks.{network}.subnets.{site}") if address else "",
                    mtu=mtu,
                    isolated=bool(subnets[site].get("isolated")),
                )
            )
    management = cloud["traffic"]["management"]
    missing = [b for b in found if b.network == management and not b.address]
    if missing:
        raise LabError(
            "\n".join(
                f"networks.{b.network}.subnets.{b.site} carries the management traffic and has no `host`: a lab needs "
                "the address that this computer gets on the bridge; remedy: add `host`"
                for b in missing
            )
        )
    return found


def _subnet_of(cloud: Mapping[str, Any], node: Mapping[str, Any], network: str) -> tuple[str, Mapping[str, Any]]:
    """Site and subnet of the network that a node is connected to: that of its site, else the one with the same CIDR."""
    subnets = cloud["networks"][network].get("subnets") or {}
    if node["site"] in subnets:
        return node["site"], subnets[node["site"]]
    wanted = (node.get("subnets") or {}).get(network, {}).get("cidr")
    for site, subnet in subnets.items():
        if wanted is not None and str(subnet["cidr"]) == str(wanted):
            return site, subnet
    raise LabError(f"nodes.{node['name']}: network {network} has no subnet at site {node['site']}")


def plan_node(cloud: Mapping[str, Any], node: Mapping[str, Any]) -> Node:
    """Plan of one node of ``ozone_cloud`` and ``ozone_node``. Raises LabError when it could not be reached."""
    cloud_name, name = str(cloud["name"]), str(node["name"])
    addresses: Mapping[str, str] = node.get("addresses") or {}
    nics = []
    names: Mapping[str, str] = node["interfaces"]
    if node.get("network_config"):  # its interfaces are made of the NICs, which the lab calls eth0, eth1, ...
        names = {network: f"eth{index}" for index, network in enumerate(node["subnets"])}
    for network, nic in sorted(names.items(), key=lambda item: item[1]):
        site, subnet = _subnet_of(cloud, node, network)
        address = addresses.get(network, "")
        what = f"nodes.{name}.addresses.{network}"
        nics.append(
            Nic(
                network=network,
                name=nic,
                device=nic_device(cloud_name, name, network),
                alias=f"{alias_prefix(cloud_name)}nic:{name}:{network}",
                bridge=bridge_device(cloud_name, network, segments(cloud["networks"][network]).get(site, site)),
                mac=mac_address(cloud_name, name, network),
                mtu=int(cloud["networks"][network].get("mtu") or 1500),
                address=_interface(address, str(subnet["cidr"]), what) if address else "",
                gateway=str(subnet.get("gateway") or "") if address else "",
            )
        )
    management = addresses.get(cloud["traffic"]["management"], "")
    if not management:
        raise LabError(f"nodes.{name} has no address on the management network {cloud['traffic']['management']}")
    return Node(
        cloud=cloud_name,
        name=name,
        domain=str(cloud.get("domain") or ""),
        machine_id=_digest("machine", cloud_name, name)[:32],
        management=management,
        nics=tuple(nics),
    )


@dataclass(frozen=True)
class Claim:
    """A range of addresses that the host uses already."""

    net: Subnet
    device: str
    alias: str
    kind: str  # "route" or "address"


def parse_claims(
    routes: Iterable[Mapping[str, Any]], addresses: Iterable[Mapping[str, Any]], aliases: Mapping[str, str]
) -> list[Claim]:
    """What ``ip -j route show table all`` and ``ip -j address`` say that is used.

    Default routes are left out (they overlap with everything), so are multicast and link-local ranges and
    unreachable/blackhole entries of no device.
    """
    claims: dict[tuple[str, str], Claim] = {}
    for route in routes:
        destination = str(route.get("dst", ""))
        device = str(route.get("dev", ""))
        if destination in ("", "default") or not device:
            continue
        try:
            net = ipaddress.ip_network(destination, strict=False)
        except ValueError:
            continue
        if net.prefixlen and not net.is_multicast and not net.is_link_local:
            claims.setdefault((str(net), device), Claim(net, device, aliases.get(device, ""), "route"))
    for link in addresses:
        device = str(link.get("ifname", ""))
        for entry in link.get("addr_info", []):
            if "local" not in entry or entry.get("scope") == "link":
                continue
            net = ipaddress.ip_network(f"{entry['local']}/{entry['prefixlen']}", strict=False)
            claims.setdefault((str(net), device), Claim(net, device, aliases.get(device, ""), "address"))
    return list(claims.values())


def overlaps(wanted: Iterable[Bridge], claims: Iterable[Claim], cloud: str) -> list[str]:
    """Every overlap of a lab network with the host, and of lab networks with each other, one sentence each.

    What the bridges and veths of the same cloud's lab use does not count. The widest overlapping claim of each device
    is named once.
    """
    errors: list[str] = []
    wanted = list(wanted)
    foreign = [claim for claim in claims if not claim.alias.startswith(alias_prefix(cloud))]
    for bridge in wanted:
        net = ipaddress.ip_network(bridge.cidr)
        hits: dict[str, Claim] = {}
        for claim in foreign:
            if claim.net.version == net.version and claim.net.overlaps(net):
                known = hits.get(claim.device)
                if known is None or claim.net.prefixlen < known.net.prefixlen:
                    hits[claim.device] = claim
        for claim in hits.values():
            what = (
                f"networks.{bridge.network}.subnets.{bridge.site}: {bridge.cidr} overlaps the {claim.kind} {claim.net}"
            )
            if claim.alias.startswith(f"{ALIAS}:"):
                other = claim.alias.split(":")[1]
                errors.append(f"{what} of the lab of cloud {other}; remedy: remove that lab, or choose another subnet")
            else:
                errors.append(f"{what} of this computer (device {claim.device}); remedy: choose another subnet")
    for index, one in enumerate(wanted):
        for two in wanted[index + 1 :]:
            a, b = ipaddress.ip_network(one.cidr), ipaddress.ip_network(two.cidr)
            apart = one.isolated and two.isolated and not (one.address and two.address)
            if a.version == b.version and a.overlaps(b) and not apart:
                errors.append(
                    f"networks.{one.network}.subnets.{one.site} ({one.cidr}) and "
                    f"networks.{two.network}.subnets.{two.site} ({two.cidr}) overlap"
                )
    return errors
