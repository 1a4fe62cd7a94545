# SPDX-License-Identifier: Apache-2.0
"""Network configurations of nodes, made of the templates in cloud.yml.

A template is a list of os-net-config's objects. An object may say ``network: <name>``: it then stands for the node's
part in that network of the cloud. Expanded, it has the node's address with the prefix length of the subnet at the
node's site, the network's MTU, the VLAN id (type vlan) and the routes. What an object says itself is left as it is.

Routes of a network are the default route by the subnet's gateway (where the network has ``default_route``), those that
the subnet names, and, by the same gateway, those to the network's subnets at all other sites (leaf and spine), but for
isolated ones and for the other sites of a stretched subnet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.ozone.openstack.plugins.module_utils import ip
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import (
    Document,
    Path_,
    Problem,
    did_you_mean,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError
from ansible_collections.ozone.openstack.plugins.module_utils.network.vocabulary import WITHOUT_ADDRESSES

if TYPE_CHECKING:
    from ansible_collections.ozone.openstack.plugins.module_utils.cloud.definition import Cloud, Network, Node

Template = Sequence[Mapping[str, Any]]

#: Objects whose name is that of a NIC, or an alias of it.
NICS = ("interface", "sriov_pf", "ib_interface")
BRIDGES = ("ovs_bridge", "ovs_user_bridge")
#: Ways to name a NIC that only the node can tell the kernel's name of: by number, MAC, PCI address or driver.
_ALIAS = re.compile(r"^(nic[0-9]+|[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5,}|pci:.*|driver:.*)$")
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}\Z")
_PART = re.compile(r"\[([0-9]+)\]|([A-Za-z_][A-Za-z0-9_-]*)")


@dataclass(frozen=True)
class Facts:
    """What a network is at one site. ``routes`` are objects of os-net-config."""

    mtu: int
    prefix: int
    vlan: int | None
    routes: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Use:
    """What of a node decides over the mistakes of its network configuration: nodes with equal ones are checked once.

    ``networks``: those that its profile is connected to; ``addressed``: those of them in which it has an address.
    """

    template: str
    profile: str
    site: str
    networks: tuple[str, ...]
    addressed: tuple[str, ...]
    nics: tuple[tuple[str, str], ...]
    dhcp_allowed: tuple[str, ...]
    interfaces: tuple[tuple[str, str], ...]


def objects(template: Template, path: Path_ = ()) -> Iterator[tuple[Path_, Mapping[str, Any]]]:
    """All objects of a template with their paths, members after what they are members of."""
    for index, item in enumerate(template):
        if isinstance(item, Mapping):
            yield (*path, index), item
            members = item.get("members")
            if isinstance(members, list):
                yield from objects(members, (*path, index, "members"))


def facts(networks: Mapping[str, Network], site: str) -> dict[str, Facts]:
    """Every network that has a subnet at ``site``."""
    found: dict[str, Facts] = {}
    for name, network in networks.items():
        subnet = network.subnets.get(site)
        if subnet is None:
            continue
        routes: list[dict[str, Any]] = []
        if network.default_route and subnet.gateway:
            routes.append({"default": True, "next_hop": subnet.gateway})
        routes += [dict(route) for route in subnet.routes]
        taken = {route.get("destination") for route in routes if route.get("table") in (None, "main", 254)}
        for other, remote in network.subnets.items():
            if other == site or not subnet.gateway or remote.cidr.version != subnet.cidr.version:
                continue
            if subnet.isolated or remote.isolated or remote.cidr == subnet.cidr:
                continue
            if str(remote.cidr) not in taken:
                taken.add(str(remote.cidr))
                routes.append({"destination": str(remote.cidr), "next_hop": subnet.gateway})
        vlan = network.vlan if subnet.vlan is None else subnet.vlan
        found[name] = Facts(network.mtu, subnet.cidr.prefixlen, vlan, routes)
    return found


def fill(template: Template, known: Mapping[str, Facts], addresses: Mapping[str, str]) -> list[dict[str, Any]]:
    """A template's objects for one node, as os-net-config knows them."""
    return [_object(item, known, addresses) for item in template]


def _object(item: Mapping[str, Any], known: Mapping[str, Facts], addresses: Mapping[str, str]) -> dict[str, Any]:
    made = {key: value for key, value in item.items() if key != "network"}
    if isinstance(item.get("members"), list):
        made["members"] = [
            _object(member, known, addresses) if isinstance(member, Mapping) else member for member in item["members"]
        ]
    network = item.get("network")
    if not isinstance(network, str) or network not in known:
        return made
    fact = known[network]
    made.setdefault("mtu", fact.mtu)
    if item.get("type") == "vlan" and fact.vlan is not None:
        made.setdefault("vlan_id", fact.vlan)
    if network in addresses:
        made.setdefault("addresses", [{"ip_netmask": f"{addresses[network]}/{fact.prefix}"}])
        if fact.routes:
            made.setdefault("routes", [dict(route) for route in fact.routes])
    return made


def expand(cloud: Cloud, node: Node) -> list[dict[str, Any]]:
    """The network configuration of a node: plain objects of os-net-config; empty without a template."""
    if not node.network_config:
        return []
    template = cloud.data["network_configs"][node.network_config]
    return fill(template, facts(cloud.networks, node.site), node.addresses)


def device_name(item: Mapping[str, Any], fact: Facts | None, nics: Mapping[str, str]) -> str:
    """The kernel's name of an object; empty where only the node can tell. ``nics``: the node's own names of NICs."""
    kind, name = item.get("type"), str(item.get("name", ""))
    if kind == "vlan":
        vlan = item.get("vlan_id", fact.vlan if fact else None)
        return name or (f"vlan{vlan}" if vlan is not None else "")
    if kind == "ib_child_interface" and not name:
        parent, key = str(item.get("parent", "")), item.get("pkey_id")
        parent = nics.get(parent, parent)
        return "" if _ALIAS.match(parent) or not isinstance(key, int) else f"{parent}.{0x8000 | key:04x}"
    if kind in NICS:
        name = nics.get(name, name)
        return "" if _ALIAS.match(name) else name
    return name


def interfaces(template: Template, known: Mapping[str, Facts], nics: Mapping[str, str]) -> dict[str, str]:
    """Network -> name of its interface, as far as it can be told without asking the node."""
    found = {}
    for _path, item in objects(template):
        network = item.get("network")
        name = device_name(item, known.get(str(network)), nics) if isinstance(network, str) else ""
        if name:
            found[str(network)] = name
    return found


def bridges(template: Template) -> list[str]:
    """The Open vSwitch bridges of a template."""
    return [str(item.get("name")) for _path, item in objects(template) if item.get("type") in BRIDGES]


# Checks ---------------------------------------------------------------------------------------------------------------


def check_template(document: Document, name: str, template: Template, networks: Sequence[str]) -> list[Problem]:
    """What is wrong with a template whatever node has it. ``networks``: names of all networks, also of broken ones."""
    problems: list[Problem] = []
    first: dict[str, Path_] = {}
    for path, item in objects(template, ("network_configs", name)):
        if "network" not in item:
            continue
        network, here = item["network"], (*path, "network")
        if not isinstance(network, str):
            problems.append(document.problem(here, "must be the name of a network", did_you_mean("", networks)))
        elif network not in networks:
            problems.append(document.problem(here, f"unknown network {network}", did_you_mean(network, networks)))
        elif network in first:
            message = f"the network {network} is on another object already, on line {document.line(first[network])}"
            problems.append(document.problem(here, message, "a node has one address in a network: keep one of them"))
        elif str(item.get("type")) in WITHOUT_ADDRESSES:
            remedy = f"put `network: {network}` on its bridge, or on a vlan in it"
            problems.append(document.problem(here, f"an object of type {item.get('type')} has no address", remedy))
        if isinstance(network, str):
            first.setdefault(network, here)
    return problems


def check_shared(document: Document, name: str, template: Template, nodes: Sequence[str]) -> list[Problem]:
    """What a template writes out although one node alone can have it, and several have the template.

    These are addresses, but for an anycast address (/32, of IPv6 /128), and MAC addresses of NICs.
    """
    problems: list[Problem] = []
    users = f"{len(nodes)} nodes: {', '.join(nodes[:3])}" + (", ..." if len(nodes) > 3 else "")
    for path, item in objects(template, ("network_configs", name)) if len(nodes) > 1 else ():
        for index, text in _written(item):
            if not text.endswith("/128" if ":" in text else "/32"):
                remedy = "say `network: <network>`, or give each node a template of its own"
                problems.append(document.problem((*path, "addresses", index), f"{text} is written for {users}", remedy))
        if item.get("type") in NICS and _MAC.match(str(item.get("name"))):
            remedy = "name the NIC here, and say its MAC address in `nics` of each node"
            problems.append(document.problem((*path, "name"), f"{item['name']} is written for {users}", remedy))
    return problems


def _written(item: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """The addresses that an object writes out, with their places."""
    entries = item.get("addresses")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, Mapping) and isinstance(entry.get("ip_netmask"), str):
            yield index, entry["ip_netmask"]


def check_use(
    document: Document,
    use: Use,
    template: Template,
    networks: Mapping[str, Network],
    addresses: Mapping[str, str],
    traffic: Mapping[str, str],
    complete: bool = True,
) -> list[Problem]:
    """What is wrong with a template at the nodes that use it like this. ``addresses``: those of one of them.

    Not ``complete``: the networks have mistakes, which would cause others here.
    """
    problems: list[Problem] = []
    top: Path_ = ("network_configs", use.template)
    known = facts(networks, use.site)
    whole = complete
    defaults: dict[int, str] = {}
    for path, item in objects(template, top):
        network = item.get("network")
        if not isinstance(network, str) or network not in networks:
            continue
        here = (*path, "network")
        if network not in use.networks:
            message = f"the profile {use.profile} is not connected to the network {network}"
            problems.append(document.problem(here, message, "add it to `networks` of the profile, or use a template"))
        elif complete and network not in known:
            message = f"the network {network} has no subnet for the site {use.site}"
            problems.append(document.problem(here, message, f"add networks.{network}.subnets.{use.site}"))
            whole = False
        elif complete and item.get("type") == "vlan" and known[network].vlan is None and "vlan_id" not in item:
            message = f"the network {network} has no VLAN id at the site {use.site}"
            remedy = f"add networks.{network}.vlan, or networks.{network}.subnets.{use.site}.vlan"
            problems.append(document.problem(here, message, remedy))
            whole = False
        elif complete and isinstance(item.get("mtu"), int) and item["mtu"] < known[network].mtu:
            message = f"{item['mtu']} is less than the {known[network].mtu} of the network {network}"
            remedy = f"remove it, or say networks.{network}.mtu: {item['mtu']}: the other nodes send that much"
            problems.append(document.problem((*path, "mtu"), message, remedy))
        elif network in use.addressed and network in known and "routes" not in item:
            subnet = networks[network].subnets[use.site]
            if networks[network].default_route and subnet.gateway:
                other = defaults.setdefault(subnet.cidr.version, network)
                if other != network:
                    message = f"the networks {other} and {network} both give the node a default route"
                    problems.append(document.problem(here, message, "keep `default_route` on one of them"))
                    known[network] = replace(known[network], routes=())
    problems += _missing(document, use, template, addresses, traffic)
    problems += _names(document, use, template, known, traffic)
    if whole:
        problems += _parse(document, use, fill(template, known, addresses))
    return problems


def _missing(
    document: Document, use: Use, template: Template, addresses: Mapping[str, str], traffic: Mapping[str, str]
) -> list[Problem]:
    """Networks in which the nodes have an address, or that OVN is to use, and that no object of the template has."""
    named = {item.get("network") for _path, item in objects(template)}
    written = {str(ip.mentioned(text)) for _path, item in objects(template) for _index, text in _written(item)}
    problems = []
    for network in use.networks:
        there = network in named or addresses.get(network) in written
        wanted = network in use.addressed or (
            network == traffic.get("external") and network not in dict(use.interfaces)
        )
        if wanted and not there:
            kinds = ", ".join(kind for kind, name in traffic.items() if name == network)
            message = f"no object has the network {network}" + (f" ({kinds})" if kinds else "")
            remedy = f"add `network: {network}` to an object, or limit `networks` of the profile {use.profile}"
            problems.append(document.problem(("network_configs", use.template), message, remedy))
    return problems


def _names(
    document: Document, use: Use, template: Template, known: Mapping[str, Facts], traffic: Mapping[str, str]
) -> list[Problem]:
    """Names of interfaces that the profile or the node gives, and that differ from those of the template."""
    problems = []
    given, derived = dict(use.interfaces), interfaces(template, known, dict(use.nics))
    for path, item in objects(template, ("network_configs", use.template)):
        network = item.get("network")
        if not isinstance(network, str) or network not in known:
            continue
        name = derived.get(network, "")
        if name and given.get(network, name) != name:
            message = f"the interface of the network {network} is {name}, and {given[network]} in `interfaces`"
            problems.append(
                document.problem((*path, "network"), message, f"remove {network} from `interfaces` of {use.profile}")
            )
        if network == traffic.get("external") and not (name or given.get(network) or item.get("type") == "sriov_vf"):
            message = f"only the node knows how {item.get('name')} is called, and OVN has to be told"
            remedy = f"put it into an ovs_bridge with `network: {network}`, or say `interfaces: {{{network}: <name>}}`"
            problems.append(document.problem((*path, "network"), message, remedy))
    return problems


def _parse(document: Document, use: Use, expanded: list[dict[str, Any]]) -> list[Problem]:
    """What the schema of network configurations says of an expanded template, at the template's lines."""
    # Imported late: a cloud without templates does not need it.
    from ansible_collections.ozone.openstack.plugins.module_utils.network import schema

    try:
        schema.parse(expanded, dhcp_allowed=use.dhcp_allowed)
    except NetworkError as error:
        return [
            document.problem(("network_configs", use.template, *_path(problem.path)), problem.message, problem.remedy)
            for problem in error.problems
        ]
    return []


def _path(text: str) -> Path_:
    """``network_config[2].members[0].mtu`` as a path below a template."""
    parts: list[str | int] = [int(index) if index else word for index, word in _PART.findall(text)]
    return tuple(parts[1:] if parts[:1] == ["network_config"] else parts)
