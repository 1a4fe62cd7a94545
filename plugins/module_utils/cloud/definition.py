# SPDX-License-Identifier: Apache-2.0
"""A cloud's definition: the checks that need more than the schema, and the typed result.

Every check looks at all of the file, so that one run names every mistake. What the schema refused is left out before
(``schema.prune``); names stay known even where their values are broken, so that one mistake causes no second message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils import ip
from ansible_collections.ozone.openstack.plugins.module_utils.cloud import (
    addresses,
    catalogue,
    hardware,
    networking,
    overrides,
    record,
    scalars,
    schema,
)
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.catalogue import Catalogue, Service
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import (
    CloudError,
    Document,
    Path_,
    Problem,
    did_you_mean,
    read,
)
from ansible_collections.ozone.openstack.plugins.module_utils.ip import Address, Block
from ansible_collections.ozone.openstack.plugins.module_utils.network import network_data
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import normal_nic
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

#: A MAC address, the only name of a NIC that is known before the machine runs.
MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}\Z")

#: Words that Ansible uses itself: no node may be called so.
RESERVED = frozenset({"all", "ungrouped", "localhost"})

#: The golden image of a machine that names none.
DEFAULT_IMAGE = "debian-13"

#: The service that balances load, and the kinds of traffic it has an address for.
BALANCER = "haproxy"
BALANCED = ("api_internal", "api_public", "database")


@dataclass(frozen=True)
class Subnet:
    """The subnet of a network at a site. ``routes`` are objects of os-net-config.

    ``isolated``: other isolated subnets may use its addresses. Subnets of one network with the same ``cidr`` that are
    not isolated are one layer-2 segment.
    """

    cidr: Block
    gateway: str | None
    host: str | None
    pool: tuple[str, str] | None
    floating: tuple[str, str] | None
    vlan: int | None = None
    routes: Sequence[Mapping[str, Any]] = ()
    isolated: bool = False


@dataclass(frozen=True)
class Network:
    """A network; ``subnets`` by site; ``mtu`` in bytes."""

    name: str
    mtu: int
    subnets: Mapping[str, Subnet]
    vlan: int | None = None
    default_route: bool = False


@dataclass(frozen=True)
class Machine:
    """The machine of a node: its BMC, and what the node or its profile says of its hardware.

    ``network_data``: of the deployed system and of the ramdisk.
    """

    bmc: Mapping[str, Any]
    image: str
    root_device: Mapping[str, Any]
    preserve: Sequence[Mapping[str, Any]]
    resource_class: str
    traits: Sequence[str]
    expected: Mapping[str, Any]
    automated_clean: bool
    network_data: Mapping[str, Any] = field(default_factory=dict)
    ramdisk_network_data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A node. ``services`` maps a service to the components that it runs.

    ``networks`` and all that follows from them are in the order of the definition; ``addresses`` are all of them, given
    or allocated, by network. ``network_config`` is the name of its template, or empty; ``interfaces`` lacks a network
    whose interface only the node can name.
    """

    name: str
    profile: str
    site: str
    managed: bool
    provisioned: bool
    services: Mapping[str, list[str]]
    networks: list[str]
    interfaces: Mapping[str, str]
    addresses: Mapping[str, str]
    network_config: str = ""
    nics: Mapping[str, str] = field(default_factory=dict)
    dhcp_allowed: Sequence[str] = ()
    machine: Machine | None = None


@dataclass(frozen=True)
class Cloud:
    """A definition without a mistake. ``data`` is the file as written, but for the spelling of addresses.

    ``additions`` are addresses that are to be recorded, ``left`` recorded ones of nodes that the file does not have.
    """

    file: Path
    name: str
    release: str
    region: str
    domain: str
    sites: list[str]
    networks: Mapping[str, Network]
    traffic: Mapping[str, str]
    profiles: list[str]
    nodes: Mapping[str, Node]
    vips: Mapping[str, str]
    data: Mapping[str, Any]
    document: Document
    recorded: record.Record = record.EMPTY
    additions: Sequence[record.Addition] = ()
    left: record.Entries = field(default_factory=dict)

    @property
    def hosts(self) -> Mapping[str, Node]:
        """The nodes that are part of the cloud now: all but those with ``provisioned: false``."""
        return {name: node for name, node in self.nodes.items() if node.provisioned}


@dataclass
class _Plan:
    """What the checks learn about the nodes by the way."""

    #: profile -> service -> components
    services: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    #: profile -> networks
    networks: dict[str, list[str]] = field(default_factory=dict)
    #: Profiles whose list of services has mistakes: what is missing there may be meant to be there.
    incomplete: set[str] = field(default_factory=set)
    #: Networks that can be relied on.
    known: dict[str, Network] = field(default_factory=dict)
    #: node -> network -> address
    addresses: dict[str, dict[str, str]] = field(default_factory=dict)
    #: The addresses that differ from the record.
    additions: list[record.Addition] = field(default_factory=list)
    #: node -> what decides over its network configuration; without an entry it has none
    uses: dict[str, networking.Use] = field(default_factory=dict)
    #: node -> its machine
    machines: dict[str, Machine] = field(default_factory=dict)


def load(
    file: Path, roles: Iterable[Path] = (COLLECTION / "roles",), releases: Path = COLLECTION / "releases"
) -> tuple[Cloud, Catalogue]:
    """The definition in ``file`` with the catalogue of the services in ``roles`` and in the file's ``service_paths``.

    Addresses are those of the record beside the file, and proposals for what is not in it.

    Raises CloudError with every mistake of the file, of its record and of the catalogue.
    """
    file = file.absolute()
    document, problems = read(file)
    document = scalars.by_schema(document, "cloud.yml")
    if document.data is None:
        raise CloudError(problems or schema.violations(document, "cloud.yml")[0])
    paths = list(roles)
    if isinstance(document.data, dict):
        for index, path in enumerate(_strings(document.data.get("service_paths"))):
            paths.append(file.parent / path)
            if not paths[-1].is_dir():
                remedy = "give the directory that holds the roles, relative to cloud.yml"
                problems.append(document.problem(("service_paths", index), f"{path} is not a directory", remedy))
    try:
        known: Catalogue | None = catalogue.load(paths)
    except CloudError as error:
        problems += error.problems
        known = None
    names = sorted(path.parent.name for path in releases.glob("*/release.yml"))
    recorded, wrong = record.load(record.record_file(file))
    problems += wrong
    cloud, wrong = define(document, file, known, names, recorded)
    problems += wrong
    if cloud is not None and not problems:
        from ansible_collections.ozone.openstack.plugins.module_utils.cloud import machines  # it needs this module

        problems += machines.refusals(cloud)
    if cloud is None or known is None or problems:
        raise CloudError(problems)
    return cloud, known


def define(
    document: Document,
    file: Path,
    known: Catalogue | None,
    releases: Iterable[str] = (),
    recorded: record.Record = record.EMPTY,
) -> tuple[Cloud | None, list[Problem]]:
    """The cloud that ``document`` defines with the addresses that are ``recorded``, or None, and every mistake in both.

    Without a catalogue (``known``), as it has mistakes of its own, nothing that concerns services is checked. Without
    any releases the release is not checked.
    """
    document = scalars.by_roles(document, known) if known else document
    document = replace(document, data=schema.normalised(document.data))
    problems, broken = schema.violations(document, "cloud.yml")
    checks = _Checks(document, schema.prune(document.data, broken), known, file, recorded)
    plan = checks.run(set(releases))
    problems += checks.problems
    if problems:
        return None, problems
    return _build(document, file, plan, recorded), []


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def only_external(network: str, traffic: Mapping[str, str]) -> bool:
    """Whether a network carries the instances' external traffic and nothing else: nodes get no address there."""
    kinds = [kind for kind, name in traffic.items() if name == network]
    return kinds == ["external"]


def interfaces(networks: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """The interface of each network: as given, else ``eth`` and the place of the network."""
    return {network: given.get(network, f"eth{index}") for index, network in enumerate(networks)}


class _Checks:
    """The checks of one document. Each method appends to ``problems``; ``run`` calls them in an order that works."""

    def __init__(
        self,
        document: Document,
        data: dict[str, Any],
        known: Catalogue | None,
        file: Path,
        recorded: record.Record,
    ) -> None:
        self.recorded = recorded
        self.document = document
        self.data = data
        self.known = known
        self.file = file
        self.problems: list[Problem] = []
        self.plan = _Plan()
        self.names = {key: self._names(key) for key in ("sites", "networks", "network_configs", "profiles", "nodes")}
        #: Subnets that can be relied on: (network, site) -> subnet
        self.subnets: dict[tuple[str, str], Subnet] = {}
        #: Where addresses are unique (``space``) -> the sites there, with their subnets.
        self.parts: dict[tuple[str, str], list[tuple[str, Subnet]]] = {}
        #: The same -> address -> its owner, and where the file says so (an empty path: the record does).
        self.used: dict[tuple[str, str], dict[Address, tuple[str, Path_]]] = {}
        #: node -> network -> address, as recorded and still good.
        self.kept: dict[str, dict[str, str]] = {}
        #: Recorded addresses without a use: they are not given to others.
        self.left: dict[Address, str] = {}
        #: Site -> what the networks are there.
        self.facts: dict[str, dict[str, networking.Facts]] = {}

    def _names(self, key: str) -> list[str]:
        """Names below a key, also those whose values the schema refused."""
        value = self.document.data.get(key) if isinstance(self.document.data, dict) else None
        return [str(name) for name in value] if isinstance(value, dict) else []

    def section(self, key: str) -> dict[str, Any]:
        """A mapping of the document without what the schema refused."""
        value = self.data.get(key)
        return value if isinstance(value, dict) else {}

    def add(self, path: Path_, message: str, remedy: str) -> None:
        self.problems.append(self.document.problem(path, message, remedy))

    def reference(self, kind: str, path: Path_, name: Any) -> bool:
        """Whether ``name`` is one of the names below ``kind``; a mistake if not."""
        if not isinstance(name, str) or name in self.names[kind]:
            return isinstance(name, str)
        if self.names[kind]:
            self.add(path, f"unknown {kind[:-1].replace('_', ' ')} {name}", did_you_mean(name, self.names[kind]))
        elif kind == "network_configs" and self.document.data.get(kind, {}) == {}:
            self.add(path, f"unknown network config {name}", f"add it: `network_configs: {{{name}: [...]}}`")
        return False

    def run(self, releases: set[str]) -> _Plan:
        release = self.data.get("release")
        if releases and release is not None and release not in releases:
            self.add(("release",), f"unknown release {release}", did_you_mean(release, releases))
        self.check_networks()
        self.check_overlaps()
        self.check_versions()
        for kind, name in self.section("traffic").items():
            self.reference("networks", ("traffic", kind), name)
        self.check_profiles()
        self.check_nodes()
        self.check_vips()
        self.check_record()
        self.allocate()
        self.check_network_configs()
        self.check_machines()
        self.check_allocations()
        if self.known:
            self.check_services(self.known)
            services = None if self.unsure() else self.plan.services
            self.problems += overrides.check(self.document, self.data, self.known, services, self.file.parent)
            self.check_groups()
        return self.plan

    # Networks ---------------------------------------------------------------------------------------------------------

    def check_networks(self) -> None:
        external = self.section("traffic").get("external")
        for name, network in self.section("networks").items():
            for site, data in network.get("subnets", {}).items():
                path: Path_ = ("networks", name, "subnets", site)
                self.reference("sites", path, site)
                if "cidr" not in data:
                    continue
                block = ip.network(data["cidr"])
                use = ip.reserved(block)
                if use:
                    self.add((*path, "cidr"), f"no node can have an address in {block} ({use})", "use another range")
                    continue
                subnet = Subnet(
                    block,
                    self.single(path, data, block, "gateway", router=True),
                    self.single(path, data, block, "host"),
                    self.range(path, data, block, "pool"),
                    self.range(path, data, block, "floating"),
                    data.get("vlan"),
                    self.routes(path, data, block),
                    data.get("isolated", False),
                )
                self.subnets[name, site] = subnet
                self.parts.setdefault(self.space(name, site), []).append((site, subnet))
                owners: list[tuple[str, str | None, Path_]] = [
                    ("the gateway", subnet.gateway, (*path, "gateway")),
                    ("the lab's host", subnet.host, (*path, "host")),
                    *(("the router of a route", str(route["next_hop"]), (*path, "routes")) for route in subnet.routes),
                ]
                for owner, text, here in owners:
                    if text:
                        used = self.used.setdefault(self.space(name, site), {})
                        used.setdefault(ip.address(text), (owner, here))
                if network.get("default_route") and not data.get("gateway"):
                    message = f"the network {name} has the default route, and no gateway at the site {site}"
                    self.add(path, message, "add `gateway`, or remove `default_route`")
                self.check_ranges(path, subnet)
                if subnet.floating and block.version == 6:
                    remedy = "remove `floating`: instances with IPv6 need none"
                    self.add((*path, "floating"), "floating addresses of Neutron are IPv4 addresses", remedy)
                if subnet.floating and external not in (None, name):
                    remedy = f"only the network of external traffic ({external}) has them"
                    self.add((*path, "floating"), "floating addresses on a network without external traffic", remedy)

    def routes(self, path: Path_, data: Mapping[str, Any], block: Block) -> list[Mapping[str, Any]]:
        """The static routes of a subnet."""
        found: list[Mapping[str, Any]] = []
        for index, route in enumerate(data.get("routes", [])):
            if not route or not {"destination", "next_hop"} <= set(route):
                continue  # the schema has refused it
            here: Path_ = (*path, "routes", index)
            if not self.inside((*here, "next_hop"), route["next_hop"], block, router=True):
                continue
            target = ip.network(route["destination"])
            same = [other for other in found if other["destination"] == str(target)]
            if target.version != block.version:
                self.add(here, f"{target} and {block} are of different IP versions", "use a router of the same version")
            elif target.prefixlen == 0:
                self.add(here, "this is a default route", "say `default_route: true` at the network instead")
            elif ip.unroutable(target):
                self.add((*here, "destination"), f"packets to {target} are never routed", "remove the route")
            elif target.subnet_of(block):  # type: ignore[arg-type]  # of the same version
                self.add(here, f"{target} is part of the subnet itself", "remove the route")
            elif any(other.get("table") == route.get("table") for other in same):
                self.add(here, f"there is a route to {target} already", "keep one of them")
            else:
                found.append({**route, "destination": str(target)})
        return found

    def single(self, path: Path_, data: Mapping[str, Any], block: Block, key: str, router: bool = False) -> str | None:
        """An address of the subnet itself."""
        if key not in data:
            return None
        if not self.inside((*path, key), data[key], block, router):
            return None
        return str(data[key])

    def inside(self, path: Path_, text: str, block: Block, router: bool = False) -> bool:
        """Whether an address can be one of an interface in ``block``; a mistake if not.

        A ``router`` may have a link-local address of IPv6 instead (RFC 4861, 4.2).
        """
        if router and block.version == 6 and ip.address(text) in ip.LINK_LOCAL:
            return True
        wrong = _outside(text, block)
        if wrong:
            self.add(path, *wrong)
        return not wrong

    def space(self, network: str, site: str) -> tuple[str, str]:
        """Where the addresses of a subnet are unique: at all sites where the network has the same subnet, or here."""
        subnet = self.subnets[network, site]
        return (network, site) if subnet.isolated else (network, str(subnet.cidr))

    def range(self, path: Path_, data: Mapping[str, Any], block: Block, key: str) -> tuple[str, str] | None:
        """A range of addresses: first and last."""
        ends = data.get(key)
        if not ends or len(ends) != 2 or None in ends:
            return None
        inside = [self.inside((*path, key, index), end, block) for index, end in enumerate(ends)]
        if not all(inside):
            return None
        if int(ip.address(ends[0])) > int(ip.address(ends[1])):
            self.add((*path, key), f"the range ends ({ends[1]}) before it starts ({ends[0]})", "swap the two addresses")
            return None
        return ends[0], ends[1]

    def check_ranges(self, path: Path_, subnet: Subnet) -> None:
        for key in ("gateway", "host"):
            for name in ("pool", "floating"):
                ends = getattr(subnet, name)
                if getattr(subnet, key) and _within(getattr(subnet, key), ends):
                    message = f"the range {ends[0]} to {ends[1]} contains the {key} {getattr(subnet, key)}"
                    self.add((*path, name), message, f"let it start after or end before the {key}")
        if subnet.gateway and subnet.gateway == subnet.host:
            self.add(
                (*path, "host"), f"{subnet.host} is the gateway already", "give the lab's host an address of its own"
            )
        for site, part in self.parts[self.space(str(path[1]), str(path[3]))]:
            for one, two in ((subnet.pool, part.floating), (part.pool, subnet.floating)):
                if one and two and _overlap(one, two):
                    message = "the floating addresses and the pool overlap"
                    message += "" if part is subnet else f", as it is one segment with the site {site}"
                    self.add((*path, "floating" if subnet.floating else "pool"), message, "separate the two ranges")
                    break

    def check_overlaps(self) -> None:
        """No two subnets share an address, but the parts of a stretched subnet, and isolated ones at different sites.

        One pass in the order of first addresses. Subnets are nested or apart, so that of those before only the ones
        that end after the beginning of a subnet overlap it.
        """
        Entry = tuple[tuple[str, str], Subnet]
        shared: list[Entry] = []  # of a stretched subnet one part
        isolated: dict[str, list[Entry]] = {}  # by site
        farthest: Entry | None = None  # the isolated one that ends last
        for key, subnet in sorted(
            self.subnets.items(),
            key=lambda item: (item[1].cidr.version, int(item[1].cidr.network_address), item[1].cidr.prefixlen),
        ):
            name, site = key
            shared = [entry for entry in shared if entry[1].cidr.overlaps(subnet.cidr)]
            here = [entry for entry in isolated.get(site, []) if entry[1].cidr.overlaps(subnet.cidr)]
            stretched = [entry for entry in shared if entry[0][0] == name and entry[1].cidr == subnet.cidr]
            wrong = [*shared, *here] if subnet.isolated else [entry for entry in shared if entry not in stretched]
            if not subnet.isolated and farthest and farthest[1].cidr.overlaps(subnet.cidr):
                wrong.append(farthest)
            if wrong:
                self.overlap(key, subnet, *wrong[-1])
            if subnet.isolated:
                isolated[site] = [*here, (key, subnet)]
                if farthest is None or _end(subnet) >= _end(farthest[1]):
                    farthest = (key, subnet)
            elif not stretched:
                shared.append((key, subnet))
        self.check_isolated()

    def overlap(self, key: tuple[str, str], subnet: Subnet, other: tuple[str, str], wider: Subnet) -> None:
        """Refuse two subnets, with the ways that there are for these two."""
        message = f"{subnet.cidr} overlaps {wider.cidr} of the network {other[0]} at the site {other[1]}"
        remedy = "give each its own range of addresses"
        if key[1] != other[1]:
            remedy += ", or say `isolated: true` for both if neither is routed to the other"
            if key[0] == other[0] and not subnet.isolated and not wider.isolated:
                remedy += "; a layer-2 segment that is stretched over both sites has the same cidr at both"
        self.add(("networks", key[0], "subnets", key[1], "cidr"), message, remedy)

    def check_isolated(self) -> None:
        """The services of all sites speak with each other: what carries their traffic is not isolated."""
        carried: dict[str, list[str]] = {}
        for kind, name in self.section("traffic").items():
            if kind != "external":
                carried.setdefault(str(name), []).append(kind)
        for (name, site), subnet in self.subnets.items():
            if subnet.isolated and name in carried:
                message = f"the network {name} carries traffic among all sites ({', '.join(carried[name])})"
                remedy = "remove `isolated`, and give the subnet a range of its own"
                self.add(("networks", name, "subnets", site, "isolated"), message, remedy)

    def check_versions(self) -> None:
        """A network over which nodes talk to each other has one IP version; other networks may have the other one."""
        for name in self.section("networks"):
            kinds = [
                kind for kind, network in self.section("traffic").items() if network == name and kind != "external"
            ]
            first: dict[int, str] = {}
            for site in (site for network, site in self.subnets if network == name):
                version = self.subnets[name, site].cidr.version
                if kinds and first and version not in first:
                    other, there = next(iter(first.items()))
                    message = (
                        f"the network {name} ({', '.join(kinds)}) is IPv{version} here and IPv{other} at the site "
                        f"{there}, and nodes of both talk to each other over it"
                    )
                    remedy = "give all its subnets addresses of one IP version; other networks may have the other one"
                    self.add(("networks", name, "subnets", site, "cidr"), message, remedy)
                first.setdefault(version, site)

    # Profiles and nodes -----------------------------------------------------------------------------------------------

    def check_profiles(self) -> None:
        for profile, data in self.section("profiles").items():
            path: Path_ = ("profiles", profile)
            before = len(self.problems)
            entries = data.get("services") or [None]
            self.plan.services[profile] = self.services((*path, "services"), entries)
            if None in entries or len(self.problems) > before:
                self.plan.incomplete.add(profile)
            names = data.get("networks")
            for index, name in enumerate(names or []):
                self.reference("networks", (*path, "networks", index), name)
            wanted = set(self.names["networks"] if names is None else names)
            self.plan.networks[profile] = [name for name in self.names["networks"] if name in wanted]
            template = data.get("network_config")
            if template is not None:
                self.reference("network_configs", (*path, "network_config"), template)
            self.check_interfaces(path, profile, data.get("interfaces", {}), template)

    def services(self, path: Path_, entries: list[Any]) -> dict[str, list[str]]:
        """The services and components that a list of a profile names."""
        found: dict[str, list[str]] = {}
        for index, entry in enumerate(entries):
            here: Path_ = (*path, index)
            if isinstance(entry, str):
                name, wanted = entry, None
            elif isinstance(entry, dict) and entry:
                name, wanted = next(iter(entry.items()))
            else:
                continue  # the schema has refused it
            if name in found:
                self.add(here, f"{name} is in this list already", "name each service once")
                continue
            if self.known and name not in self.known.services:
                self.add(here, f"unknown service {name}", did_you_mean(name, self.known.services))
                continue
            parts = list(self.known.services[name].components) if self.known else list(wanted or [catalogue.MAIN])
            for number, component in enumerate(wanted or []):
                if component is not None and component not in parts:
                    self.add(
                        (*here, name, number), f"{name} has no component {component}", did_you_mean(component, parts)
                    )
            found[name] = [part for part in parts if wanted is None or part in wanted]
        return found

    def check_interfaces(self, path: Path_, profile: str, given: Mapping[str, str], template: str | None) -> None:
        """Names of interfaces that a profile or a node gives: known networks, and without a template each name once."""
        networks = self.plan.networks.get(profile, self.names["networks"])
        for network in given:
            here = (*path, "interfaces", network)
            if self.reference("networks", here, network) and network not in networks:
                message = f"the profile {profile} is not connected to the network {network}"
                self.add(here, message, "add it to `networks` of the profile")
        if template is not None:
            return
        above = self.section("profiles").get(profile, {}).get("interfaces", {})
        owner: dict[str, str] = {}
        for network, nic in interfaces(networks, {**above, **given}).items():
            other = owner.setdefault(nic, network)
            if other != network and (network in given or other in given):
                here = (*path, "interfaces", network if network in given else other)
                message = f"{nic} serves two networks, {other} and {network}"
                self.add(
                    here, message, f"interfaces are {', '.join(f'eth{n}' for n in range(len(networks)))} if not named"
                )

    def check_nodes(self) -> None:
        domain = self.data.get("domain")
        for message, remedy in hardware.domain_faults(domain) if domain else ():
            self.add(("domain",), message, remedy)
        for name, data in self.section("nodes").items():
            path: Path_ = ("nodes", name)
            if name in RESERVED:
                self.add(path, f"{name} has a meaning of its own in Ansible", "give the node another name")
            for message, remedy in hardware.name_faults(name, domain):
                self.add(path, message, remedy)
            profile = data.get("profile")
            self.reference("profiles", (*path, "profile"), profile)
            site = self.site(data)
            if "site" in data:
                self.reference("sites", (*path, "site"), site)
            elif len(self.names["sites"]) > 1:
                self.add(path, "there are several sites", f"say where the node is: `site: {self.names['sites'][0]}`")
            template = self.template(data)
            if "network_config" in data:
                self.reference("network_configs", (*path, "network_config"), template)
            if "interfaces" in data:
                self.check_interfaces(path, str(profile), data["interfaces"], template)
            if template is None:
                for key in ("nics", "dhcp_allowed"):
                    if key in data:
                        self.add((*path, key), f"{key} without a network configuration", "add `network_config`")
            self.check_nics((*path, "nics"), data.get("nics", {}))
            self.check_fixed(name, data, site)

    def template(self, data: Mapping[str, Any]) -> str | None:
        """The template of a node's network configuration: its own, else that of its profile."""
        profile = self.section("profiles").get(str(data.get("profile")), {})
        name = data.get("network_config", profile.get("network_config"))
        return None if name is None else str(name)

    def check_nics(self, path: Path_, nics: Mapping[str, str]) -> None:
        """Each NIC has one name, and each name means a NIC."""
        for alias, message, remedy in hardware.nic_faults(nics):
            self.add((*path, alias), message, remedy)

    def site(self, data: Mapping[str, Any]) -> str:
        return str(data.get("site", self.names["sites"][0] if self.names["sites"] else ""))

    def check_fixed(self, name: str, data: Mapping[str, Any], site: str) -> None:
        """The addresses that the file gives to a node."""
        for network, text in data.get("addresses", {}).items():
            path = ("nodes", name, "addresses", network)
            if not self.reference("networks", path, network):
                continue
            if network not in self.plan.networks.get(str(data.get("profile")), [network]):
                message = f"the profile {data['profile']} is not connected to the network {network}"
                self.add(path, message, "add it to `networks` of the profile, or remove the address")
            subnet = self.subnets.get((network, site))
            if subnet is None or not self.inside(path, text, subnet.cidr):
                continue
            if any(_within(text, part.floating) for _site, part in self.parts[self.space(network, site)]):
                self.add(path, f"{text} is one of the floating addresses", "choose another address")
            self.take(network, site, text, f"the node {name}", path)

    def take(self, network: str, site: str, text: str, owner: str, path: Path_) -> None:
        """Note the owner of an address; a mistake if it has one."""
        used = self.used.setdefault(self.space(network, site), {})
        value = ip.address(text)
        if value in used:
            self.add(path, f"{text} belongs to {used[value][0]} already", "an address has one owner: choose another")
        used.setdefault(value, (owner, path))

    # Virtual addresses ------------------------------------------------------------------------------------------------

    def check_vips(self) -> None:
        traffic = self.section("traffic")
        balanced = {traffic[kind] for kind in BALANCED if kind in traffic}
        for network, text in self.section("vips").items():
            path: Path_ = ("vips", network)
            if not self.reference("networks", path, network):
                continue
            if balanced and network not in balanced:
                remedy = "virtual addresses belong to the networks of " + ", ".join(BALANCED)
                self.add(path, f"nothing is balanced on the network {network}", remedy)
            sites = {site: subnet for (name, site), subnet in self.subnets.items() if name == network}
            inside = [(site, subnet) for site, subnet in sites.items() if ip.address(text) in subnet.cidr]
            if not inside:
                if sites:
                    known = ", ".join(str(subnet.cidr) for subnet in sites.values())
                    self.add(path, f"{text} is in no subnet of the network {network}", f"use an address of {known}")
                continue
            site, subnet = inside[0]
            if not self.inside(path, text, subnet.cidr):
                continue
            for key, part in [
                (key, part) for key in ("pool", "floating") for _, part in self.parts[self.space(network, site)]
            ]:
                ends = getattr(part, key)
                if _within(text, ends):
                    message = (
                        f"{text} is inside the {'pool' if key == 'pool' else 'floating range'} {ends[0]} to {ends[1]}"
                    )
                    self.add(path, message, "choose an address outside of it")
                    break
            self.take(network, site, text, f"the load balancer (vips.{network})", path)

    # The record -------------------------------------------------------------------------------------------------------

    def check_record(self) -> None:
        """What was recorded stays, or is refused: no address of a node changes without a word of the operator."""
        written, nodes = self.recorded, self.section("nodes")
        unknown: dict[str, list[str]] = {}
        for node, entries in written.entries.items():
            for network, text in entries.items():
                if network not in self.names["networks"]:
                    unknown.setdefault(network, []).append(node)
                elif node not in nodes or not self.keep(node, nodes[node], network, text):
                    self.left[ip.address(text)] = node
        for network, names in unknown.items() if self.names["networks"] else ():
            here = (names[0], network)
            message = f"unknown network {network}, in which {len(names)} nodes have an address"
            remedy = f"renamed: rename it here as well; removed: delete these lines ({_some(names)})"
            self.problems.append(written.document.problem(here, message, remedy))
        spaces = {self.space(*key): subnet.cidr for key, subnet in self.subnets.items()} if self.left else {}
        for value, node in self.left.items():
            for space, block in spaces.items():
                owner = self.used.get(space, {}).get(value) if value in block else None
                if owner:
                    self.conflict(node, space[0], str(value), owner)

    def keep(self, node: str, data: Mapping[str, Any], network: str, text: str) -> bool:
        """Whether a node uses its recorded address; a mistake if it cannot."""
        site = self.site(data)
        subnet = self.subnets.get((network, site))
        if network in data.get("addresses", {}):  # cloud.yml wins: what is recorded is replaced
            return True
        connected = network in self.plan.networks.get(str(data.get("profile")), ())
        if subnet is None or not connected or only_external(network, self.section("traffic")):
            return False
        value = ip.address(text)
        parts = self.parts[self.space(network, site)]
        document = self.recorded.document
        stay = "the address of a node does not change by itself"
        wrong = _outside(text, subnet.cidr)
        if wrong or any(_within(text, part.floating) for _site, part in parts):
            message = wrong[0] if wrong else f"{text} is one of the floating addresses of {subnet.cidr}"
            message += f" at the site {site}"
            remedy = f"{stay}: correct networks.{network}.subnets.{site}, or give it another one with "
            remedy += f"nodes.{node}.addresses.{network}, or delete this line"
            self.problems.append(document.problem((node, network), message, remedy))
            return True
        used = self.used.setdefault(self.space(network, site), {})
        if value in used:
            self.conflict(node, network, text, used[value])
            return True
        used[value] = (f"the node {node}", ())
        self.kept.setdefault(node, {})[network] = text
        return True

    def conflict(self, node: str, network: str, text: str, owner: tuple[str, Path_]) -> None:
        """Refuse an address that is recorded for ``node`` and used otherwise, where that is said."""
        what, path = owner
        if not path:
            message = f"{text} belongs to {what} already ({self.recorded.where(what.split()[-1], network)})"
            remedy = "one of the two machines has it: delete the line of the other one"
            self.problems.append(self.recorded.document.problem((node, network), message, remedy))
        elif node in self.names["nodes"]:
            message = f"{text} is the address of {node} ({self.recorded.where(node, network)})"
            remedy = f"choose another one, or give {node} another one with nodes.{node}.addresses.{network}"
            self.add(path, message, remedy)
        else:
            message = f"{text} is reserved for {node}, which is not in the file ({self.recorded.where(node, network)})"
            self.add(path, message, f"choose another one; when the machine {node} is gone, delete its lines there")

    # Allocation -------------------------------------------------------------------------------------------------------

    def allocate(self) -> None:
        """Addresses of all nodes on all their networks: as cloud.yml says, else as recorded, else a proposal."""
        traffic = self.section("traffic")
        wanting: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
        for name, data in self.section("nodes").items():
            site = self.site(data)
            fixed = data.get("addresses", {})
            kept = self.kept.get(name, {})
            self.plan.addresses[name] = {}
            if data.get("profile") not in self.plan.networks or site not in self.names["sites"]:
                continue
            for network in self.plan.networks[data["profile"]]:
                if network in fixed:
                    self.plan.addresses[name][network] = fixed[network]
                    if (network, site) not in self.subnets:
                        self.missing_subnet(name, network, site)
                elif network in kept:
                    self.plan.addresses[name][network] = kept[network]
                elif not only_external(network, traffic) and self.wants(name, network, site):
                    first, last = self.subnets[network, site].pool or ("", "")
                    ends = int(ip.address(first)), int(ip.address(last))
                    wanting.setdefault(self.space(network, site), {})[name] = ends
        mentioned = set(_mentioned(self.data)) if wanting else set()
        for space, pools in wanting.items():
            self.give(space, pools, mentioned)
        for name, found in self.plan.addresses.items():
            recorded = self.recorded.entries.get(name, {})
            self.plan.additions += [
                record.Addition(name, network, address, recorded.get(network, ""))
                for network, address in found.items()
                if recorded.get(network) != address
            ]

    def missing_subnet(self, node: str, network: str, site: str) -> None:
        networks = self.document.data["networks"]
        written = networks[network].get("subnets") if isinstance(networks[network], dict) else None
        if isinstance(written, dict) and site not in written:
            message = f"the network {network} has no subnet for the site {site} of this node"
            self.add(
                ("nodes", node), message, f"add networks.{network}.subnets.{site}, or limit `networks` of the profile"
            )

    def wants(self, node: str, network: str, site: str) -> bool:
        """Whether a node gets an address from the pool of a network."""
        data = self.section("networks").get(network)
        if not data or "subnets" not in data:
            return False  # the schema has refused it
        if site not in data["subnets"]:
            self.missing_subnet(node, network, site)
            return False
        if "pool" in data["subnets"][site]:
            subnet = self.subnets.get((network, site))
            return subnet is not None and subnet.pool is not None
        path: Path_ = ("networks", network, "subnets", site)
        carried = [kind for kind, name in self.section("traffic").items() if name == network]
        if carried and self.document.line((*path, "pool")) and "cidr" in data["subnets"][site]:
            message = f"no pool, and the node has no fixed address on the network {network} ({', '.join(carried)})"
            self.add(
                ("nodes", node),
                message,
                f"add networks.{network}.subnets.{site}.pool, or nodes.{node}.addresses.{network}",
            )
        return False

    def give(self, space: tuple[str, str], pools: dict[str, tuple[int, int]], mentioned: set[Address]) -> None:
        """Propose addresses for nodes that have none, of those that nothing else has or is said to have."""
        network = space[0]
        make = type(self.parts[space][0][1].cidr.network_address)
        taken = {*self.used.get(space, ()), *self.left, *mentioned}
        given, without = addresses.allocate(pools, {int(address) for address in taken if isinstance(address, make)})
        for name, number in given.items():
            self.plan.addresses[name][network] = str(make(number))
        short: dict[str, list[str]] = {}
        for name in without:
            short.setdefault(self.site(self.section("nodes")[name]), []).append(name)
        for site, names in short.items():
            self.exhausted(network, site, names, [name for name in given if pools[name] == pools[names[0]]])

    def exhausted(self, network: str, site: str, names: list[str], given: list[str]) -> None:
        """Refuse a pool that is too small, with what makes room without moving a node."""
        subnet = self.subnets[network, site]
        have = sum(_within(found.get(network, ""), subnet.pool) for found in self.plan.addresses.values())
        message = f"the pool is exhausted: {have} addresses for {have + len(names)} nodes, none for {_some(names)}"
        left = sorted({node for value, node in self.left.items() if _within(str(value), subnet.pool)})
        remedies = []
        if left:
            remedies.append(
                f"delete the lines of machines that are gone ({_some(left)}) from {self.recorded.document.file}"
            )
        if given:  # they may be deployed, from before there was a record
            remedies.append(
                f"widen the pool; if nodes of it are deployed and not recorded yet ({_some(given)}), first take "
                f"{_some(names)} out and run `make addresses`"
            )
        else:
            remedies.append("widen the pool, which moves no recorded address")
        self.add(("networks", network, "subnets", site, "pool"), message, "; or ".join(remedies))

    # Network configurations -------------------------------------------------------------------------------------------

    def check_network_configs(self) -> None:
        """Templates by themselves, and as the nodes use them: each kind of use once."""
        for name, network in self.section("networks").items():
            subnets = {site: subnet for (owner, site), subnet in self.subnets.items() if owner == name}
            self.plan.known[name] = Network(
                name, network.get("mtu", 1500), subnets, network.get("vlan"), network.get("default_route", False)
            )
        templates = self.section("network_configs")
        good = set()
        for name, template in templates.items():
            if None not in template:
                found = networking.check_template(self.document, name, template, self.names["networks"])
                self.problems += found
                good |= set() if found else {name}
        written = self.document.data if isinstance(self.document.data, dict) else {}
        sure = self.data.get("networks") == written.get("networks") and len(self.subnets) == sum(
            len(item.get("subnets", ())) for item in self.section("networks").values()
        )
        checked: set[networking.Use] = set()
        for name, data in self.section("nodes").items():
            use = self.use(name, data)
            if use is None:
                continue
            self.plan.uses[name] = use
            wrong = any(problem.key.startswith(f"nodes.{name}.addresses") for problem in self.problems)
            if use.template in good and use not in checked and not wrong:
                checked.add(use)
                given = self.plan.addresses[name]
                traffic = self.section("traffic")
                self.problems += networking.check_use(
                    self.document, use, templates[use.template], self.plan.known, given, traffic, sure
                )
        users: dict[str, list[str]] = {}
        for name, use in self.plan.uses.items():
            users.setdefault(use.template, []).append(name)
        for name in good:
            self.problems += networking.check_shared(self.document, name, templates[name], users.get(name, []))
        self.problems = list(dict.fromkeys(self.problems))

    def use(self, name: str, data: Mapping[str, Any]) -> networking.Use | None:
        """How a node uses a template; None where it has none, or where other mistakes leave that open."""
        template, profile = self.template(data), self.section("profiles").get(str(data.get("profile")))
        if template is None or profile is None or self.site(data) not in self.names["sites"]:
            return None
        given = {**profile.get("interfaces", {}), **data.get("interfaces", {})}
        connected = self.plan.networks[str(data["profile"])]
        return networking.Use(
            template=template,
            profile=str(data["profile"]),
            site=self.site(data),
            networks=tuple(connected),
            addressed=tuple(network for network in connected if network in self.plan.addresses[name]),
            nics=tuple(data.get("nics", {}).items()),
            dhcp_allowed=tuple(data.get("dhcp_allowed", profile.get("dhcp_allowed", ()))),
            interfaces=tuple(given.items()),
        )

    # Machines ---------------------------------------------------------------------------------------------------------

    def check_machines(self) -> None:
        """BMCs, NICs and disks of the machines, and what they are told of their network."""
        macs: dict[str, str] = {}
        systems: dict[tuple[str, int], list[tuple[str, hardware.System]]] = {}
        roots: dict[tuple[str, str], str] = {}
        for name, data in self.section("profiles").items():
            self.check_hints(("profiles", name), data)
        for name, data in self.section("nodes").items():
            path: Path_ = ("nodes", name)
            written = self.document.data["nodes"][name]
            if data.get("managed") and "bmc" not in written:
                message = "a managed machine is provisioned through its BMC, and it has none"
                self.add((*path, "managed"), message, "add `bmc: {address: https://..., username: ...}`")
            for alias, nic in data.get("nics", {}).items():
                if MAC.match(nic) and macs.setdefault(normal_nic(nic), name) != name:
                    message = f"{nic} is a NIC of {macs[normal_nic(nic)]} already"
                    self.add((*path, "nics", alias), message, "a MAC address is on one machine: correct one of them")
            good = self.check_hints(path, data)
            profile = self.section("profiles").get(str(data.get("profile")), {})
            merged = {key: data.get(key, profile.get(key)) for key in schema.MACHINE}
            if good and not self.wrong_hints(str(data.get("profile"))):
                self.check_disks(name, data, merged, roots)
            if "bmc" in data or data.get("managed"):
                for message, remedy in hardware.machine_name_faults(name):
                    self.add(path, message, remedy)
            if "bmc" in data:
                self.check_bmc((*path, "bmc"), data["bmc"], name, systems)
                self.machine(name, data, merged)

    def check_hints(self, path: Path_, data: Mapping[str, Any]) -> bool:
        """The hints for disks that a profile or a node has; whether they are without mistakes."""
        hints: list[tuple[Path_, Any]] = [((*path, "root_device"), data.get("root_device"))]
        hints += [((*path, "preserve", index), hint) for index, hint in enumerate(data.get("preserve") or ())]
        expected = (data.get("expected") or {}).get("disks") or ()
        hints += [((*path, "expected", "disks", index), hint) for index, hint in enumerate(expected)]
        good = True
        for here, hint in hints:
            for name, message, remedy in hardware.hint_faults(hint or {}):
                self.add((*here, name), message, remedy)
                good = False
        return good

    def wrong_hints(self, profile: str) -> bool:
        """Whether hints of a profile have mistakes."""
        above = tuple(f"profiles.{profile}.{key}" for key in ("root_device", "preserve", "expected"))
        return any(problem.key.startswith(above) for problem in self.problems)

    def check_disks(
        self, name: str, data: Mapping[str, Any], merged: Mapping[str, Any], roots: dict[tuple[str, str], str]
    ) -> None:
        """Which disk is written and which are preserved: not the same one, and not one of another node."""
        path: Path_ = ("nodes", name)
        where: Path_ = path if "preserve" in data else ("profiles", str(data.get("profile")))
        root, preserve = merged["root_device"] or {}, [hint for hint in merged["preserve"] or () if hint]
        if preserve and not root:
            message = "disks are to be preserved, and nothing says which disk gets the system"
            self.add((*where, "preserve"), message, "add `root_device`, with a serial number for example")
        for index, message, remedy in hardware.preserve_faults(root, preserve):
            self.add((*where, "preserve", index), message, remedy)
        for key, value in hardware.identities(root) if "bmc" in data else ():
            other = roots.setdefault((key, value), name)
            if other != name:
                message = f"the disk ({key}: {root[key]}) is the root device of {other} already"
                self.add((*path, "root_device"), message, "a disk is in one machine: correct one of them")
                break

    def check_allocations(self) -> None:
        """Who is to get a machine, and whether it could."""
        nodes = self.section("nodes")
        offered = [name for name, node in nodes.items() if node.get("managed") and node.get("provisioned") is False]
        for name, data in self.section("allocations").items():
            path: Path_ = ("allocations", name)
            for message, remedy in hardware.machine_name_faults(name):
                self.add(path, message, remedy)
            if not offered:
                message = "no machine is offered that could be given"
                self.add(path, message, "offered are nodes with `managed: true` and `provisioned: false`")
                break
            if "site" in data:
                self.reference("sites", (*path, "site"), data["site"])
            for index, candidate in enumerate(data.get("candidates", [])):
                here: Path_ = (*path, "candidates", index)
                if self.reference("nodes", here, candidate) and candidate not in offered:
                    message = f"{candidate} is not offered to anybody"
                    self.add(here, message, "say `managed: true` and `provisioned: false` for it")

    def check_bmc(
        self,
        path: Path_,
        bmc: Mapping[str, Any],
        name: str,
        systems: dict[tuple[str, int], list[tuple[str, hardware.System]]],
    ) -> None:
        """Its address is one, and no machine is there twice."""
        if "address" not in bmc:
            return  # the schema has refused it
        faults = list(hardware.bmc_faults(bmc))
        for message, remedy in faults:
            self.add((*path, "address"), message, remedy)
        if faults:
            return
        own = hardware.system(bmc)
        there = systems.setdefault((own.host, own.port), [])
        for other, system in there:
            if own.same(system):
                shown = f"{bmc['address']} {bmc.get('system', '')}".strip()
                message = f"{shown} is the machine of {other} already"
                remedy = "correct `address` or `system` of one of them"
                if None in (own.path, system.path) and own.path != system.path:
                    remedy = "without `system` the only one of the BMC is meant: say it for both"
                self.add(path, message, remedy)
                break
        there.append((name, own))

    def machine(self, name: str, data: Mapping[str, Any], merged: Mapping[str, Any]) -> None:
        """The machine of a node with a BMC, and its documents about its network."""
        path: Path_ = ("nodes", name)
        nics = {alias: nic for alias, nic in data.get("nics", {}).items() if MAC.match(nic)}
        if not nics:
            message = "the machine has a BMC, and no NIC with a MAC address"
            self.add((*path, "bmc"), message, 'add `nics: {nic1: "52:54:00:...", ...}`: by them it is recognised')
        network = self.section("traffic").get("provisioning")
        if network is None:
            if "provisioning" not in self._names("traffic"):
                message = "the key provisioning is missing, and machines have a BMC"
                self.add(("traffic",), message, f"Network for: {schema.TRAFFIC['provisioning']}")
            return
        address = self.plan.addresses.get(name, {}).get(network)
        use = self.plan.uses.get(name)
        if network not in self.names["networks"] or str(data.get("profile")) not in self.plan.networks:
            return
        if network not in self.plan.networks[str(data["profile"])]:
            message = f"the profile {data['profile']} is not connected to the network {network} (provisioning)"
            self.add((*path, "profile"), message, f"add {network} to `networks` of the profile {data['profile']}")
        elif use is None and self.template(data) is None:
            message = "nothing says how the machine's NICs are connected to the provisioning network"
            self.add(path, message, "add `network_config` to the node or to its profile")
        elif use is not None and address is not None and nics and not self.wrong(name, use.template):
            self.network_data(name, use, nics, address, merged, data)

    def wrong(self, name: str, template: str) -> bool:
        """Whether there are mistakes in what a node's network is made of: they would cause others."""
        above = (f"nodes.{name}.", f"network_configs.{template}", "networks.")
        return any(problem.key.startswith(above) for problem in self.problems)

    def network_data(
        self,
        name: str,
        use: networking.Use,
        nics: Mapping[str, str],
        address: str,
        merged: Mapping[str, Any],
        data: Mapping[str, Any],
    ) -> None:
        """Both documents of a machine: they have to have its addresses, or nobody could reach it."""
        template = self.section("network_configs")[use.template]
        if use.site not in self.facts:
            self.facts[use.site] = networking.facts(self.plan.known, use.site)
        objects = networking.fill(template, self.facts[use.site], self.plan.addresses[name])
        try:
            document = network_data.to_network_data(objects, nics)
        except NetworkError as error:
            for problem in error.problems:
                self.add(("nodes", name, "nics"), problem.message, problem.remedy)
            return
        ramdisk = network_data.reduced(document, address)
        there = {entry["ip_address"] for entry in document["networks"]}
        traffic = self.section("traffic")
        for kind in ("provisioning", "management"):
            network = str(traffic.get(kind))
            if self.plan.addresses[name].get(network, address) not in there:
                message = f"no NIC, bond or VLAN of the template {use.template} leads to the network {network} ({kind})"
                remedy = f"put `network: {network}` on an interface, a linux_bond or a vlan"
                self.add(("nodes", name), message, remedy)
                return
        self.plan.machines[name] = Machine(
            bmc=data["bmc"],
            image=merged["image"] or DEFAULT_IMAGE,
            root_device=merged["root_device"] or {},
            preserve=merged["preserve"] or (),
            resource_class=merged["resource_class"] or schema.MACHINE["resource_class"]["default"],
            traits=merged["traits"] or (),
            expected=merged["expected"] or {},
            automated_clean=merged["automated_clean"] is not False,
            network_data=document,
            ramdisk_network_data=ramdisk,
        )

    # Services ---------------------------------------------------------------------------------------------------------

    def members(self) -> dict[str, dict[str, list[str]]]:
        """service -> component -> nodes."""
        found: dict[str, dict[str, list[str]]] = {}
        for name, data in self.section("nodes").items():
            if not data.get("provisioned", True):
                continue
            for service, components in self.plan.services.get(str(data.get("profile")), {}).items():
                for component in components:
                    found.setdefault(service, {}).setdefault(component, []).append(name)
        return found

    def check_services(self, known: Catalogue) -> None:
        members = self.members()
        for name in members:
            service = known.services[name]
            self.check_company(service, members)
            self.check_placement(service, members[name])
        for profile in self.plan.services:
            self.check_profile_company(profile, known)
        self.check_traffic(known)
        self.check_balancers(members, known)

    def unsure(self) -> bool:
        """Whether a mistake of another kind leaves open which services there are: then none is called missing."""
        used = self._profiles_in_use()
        broken = set(self.names["nodes"]) != set(self.section("nodes"))
        return broken or not used or not used <= set(self.plan.services) or bool(used & self.plan.incomplete)

    def _profiles_in_use(self) -> set[str]:
        nodes = self.section("nodes").values()
        return {str(data.get("profile")) for data in nodes if data.get("provisioned", True)}

    def where(self, service: str) -> Path_:
        """The line where a service is named first, in a profile that is used."""
        used = self._profiles_in_use()
        for profile, data in self.section("profiles").items():
            for index, entry in enumerate(data.get("services", []) if profile in used else []):
                if entry == service or (isinstance(entry, dict) and service in entry):
                    return ("profiles", profile, "services", index)
        return ("profiles",)

    def check_company(self, service: Service, members: Mapping[str, Mapping[str, list[str]]]) -> None:
        """What must and must not be in the same cloud."""
        path = self.where(service.name)
        unsure = self.unsure()
        for name, component in [] if unsure else service.references("requires"):
            if name not in members or (component and component not in members[name]):
                reference = f"{name}.{component}" if component else name
                message = f"{service.name} requires {reference}, which no node runs"
                self.add(path, message, f"add {_entry(name, component)} to the services of a profile")
        for name in service.get("conflicts", []):
            if name in members:
                self.add(path, f"{service.name} and {name} must not be in the same cloud", "remove one of them")
        for names in service.get("one_of", []):
            present = [name for name in names if name in members]
            if not present and not unsure:
                self.add(
                    path,
                    f"{service.name} requires one of {', '.join(names)}, and no node runs any",
                    "add one of them to a profile",
                )
            elif len(present) > 1:
                message = (
                    f"{service.name} works with one of {', '.join(names)}, and {' and '.join(present)} are in the cloud"
                )
                self.add(path, message, "keep one of them")

    def check_placement(self, service: Service, members: Mapping[str, list[str]]) -> None:
        """On how many nodes."""
        path = self.where(service.name)
        unsure = self.unsure()
        for component, limits in service.components.items():
            count = len(members.get(component, []))
            label = service.name if len(service.components) == 1 else f"{service.name}.{component}"
            on = f"on {count} node{'' if count == 1 else 's'}"
            if count < limits.min and not unsure:
                self.add(
                    path,
                    f"{label} runs {on} and needs at least {limits.min}",
                    f"add {_entry(service.name, component)} to the profile of more nodes",
                )
            if limits.max is not None and count > limits.max:
                self.add(
                    path,
                    f"{label} runs {on} and may run on {limits.max} at most",
                    f"give the other nodes a profile without {_entry(service.name, component)}",
                )
            elif limits.quorum and count and count % 2 == 0 and not unsure:
                message = f"{label} runs {on} and needs an odd number, as the majority decides"
                fitting = [n for n in (count - 1, count + 1) if n >= limits.min and n <= (limits.max or n)]
                self.add(path, message, f"run it on {' or '.join(map(str, fitting))}")

    def check_profile_company(self, profile: str, known: Catalogue) -> None:
        """What must and must not be on the same node."""
        here = self.plan.services[profile]
        for name, components in here.items():
            service = known.services[name]
            path = self.where_in(profile, name)
            for component in components:
                label = name if len(service.components) == 1 else f"{name}.{component}"
                wanted = service.requires_on_node.get(component, [])
                for other, part in [] if profile in self.plan.incomplete else wanted:
                    if other not in here or (part and part not in here[other]):
                        reference = f"{other}.{part}" if part else other
                        message = f"{label} requires {reference} on the same node"
                        self.add(path, message, f"add {_entry(other, part)} to the services of the profile {profile}")
            for other, part in service.references("conflicts_on_node"):
                if other in here and (not part or part in here[other]):
                    reference = f"{other}.{part}" if part else other
                    self.add(
                        path, f"{name} and {reference} must not be on the same node", "put them into different profiles"
                    )

    def where_in(self, profile: str, service: str) -> Path_:
        for index, entry in enumerate(self.section("profiles")[profile].get("services", [])):
            if entry == service or (isinstance(entry, dict) and service in entry):
                return ("profiles", profile, "services", index)
        raise AssertionError(service)  # pragma: no cover - the plan is made of this list

    def check_traffic(self, known: Catalogue) -> None:
        """Each kind of traffic has a network, and a node is connected to those of its services."""
        traffic = self.section("traffic")
        names = self._names("traffic")
        missing: dict[str, str] = {}
        for services in self.plan.services.values() if names else []:
            for name in services:
                for kind in known.services[name].traffic:
                    if kind not in names:
                        missing.setdefault(kind, name)
        for kind, name in missing.items():
            remedy = f"Network for: {schema.TRAFFIC[kind]}. The service {name} uses it"
            self.add(("traffic",), f"the key {kind} is missing", remedy)
        for profile, services in self.plan.services.items():
            networks = self.plan.networks[profile]
            if traffic.get("management") in self.names["networks"] and traffic["management"] not in networks:
                path: Path_ = ("profiles", profile, "networks")
                message = f"the network {traffic['management']} (management traffic) is missing"
                self.add(path, message, f"add {traffic['management']}")
            for name in services:
                for kind in known.services[name].get("traffic", []):
                    network = traffic.get(kind)
                    if kind in ("external", "management") or network is None or network not in self.names["networks"]:
                        continue
                    if network not in networks:
                        message = (
                            f"{name} uses {kind} traffic, and the profile is not connected to its network {network}"
                        )
                        self.add(
                            self.where_in(profile, name),
                            message,
                            f"add {network} to `networks` of the profile {profile}",
                        )

    def check_balancers(self, members: Mapping[str, Mapping[str, list[str]]], known: Catalogue) -> None:
        """Several load balancers need an address that moves among them, where there may be several."""
        if BALANCER in members and any(limits.max == 1 for limits in known.services[BALANCER].components.values()):
            return
        nodes = {node for names in members.get(BALANCER, {}).values() for node in names}
        vips = self._names("vips")
        if len(nodes) > 1:
            traffic = self.section("traffic")
            needed: dict[str, list[str]] = {}
            for kind in BALANCED:
                if traffic.get(kind) in self.names["networks"]:
                    needed.setdefault(traffic[kind], []).append(kind)
            for network, kinds in needed.items():
                if network not in vips:
                    where = f"the network {network} ({', '.join(kinds)})"
                    message = f"{len(nodes)} nodes run {BALANCER}, and {where} has no virtual address"
                    self.add(("vips",), message, f"add vips.{network}: an address outside the pool")

    def check_groups(self) -> None:
        """No two things make the same Ansible group, and no node is called like one."""
        groups: dict[str, str] = {}
        wanted = [(f"profile_{name}", f"the profile {name}", ("profiles", name)) for name in self.names["profiles"]]
        wanted += [(f"site_{name}", f"the site {name}", ("sites", name)) for name in self.names["sites"]]
        for service, components in self.members().items():
            wanted.append((service, f"the service {service}", self.where(service)))  # type: ignore[arg-type]
            for component in components:
                if component != catalogue.MAIN:
                    label = f"the component {service}.{component}"
                    wanted.append((f"{service}_{component}", label, self.where(service)))  # type: ignore[arg-type]
        for group, label, path in wanted:
            if group in groups:
                self.add(path, f"{label} and {groups[group]} both make the Ansible group {group}", "rename one of them")
            groups.setdefault(group, label)
        for name in self.names["nodes"]:
            if name in groups:
                self.add(
                    ("nodes", name), f"{groups[name]} has an Ansible group of this name", "give the node another name"
                )


def _some(names: Sequence[str]) -> str:
    """The first names of a list."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _mentioned(value: Any) -> Iterator[Address]:
    """The addresses that stand anywhere in a definition, alone, with a prefix length or in a URL.

    But for ranges, and for what a template writes out: that may be the address of the node that has the template.
    """
    if isinstance(value, dict):
        for name, below in value.items():
            if name not in ("pool", "floating", "ip_netmask"):
                yield from _mentioned(below)
    elif isinstance(value, list):
        for below in value:
            yield from _mentioned(below)
    elif isinstance(value, str):
        found = ip.mentioned(value)
        if found is not None:
            yield found


def _outside(text: str, block: Block) -> tuple[str, str] | None:
    """Why an address cannot be one of an interface in ``block``, and the remedy; None when it can."""
    value = ip.address(text)
    if value not in block:
        return f"{text} is outside the subnet {block}", f"use an address of {block}"
    word = ""
    if block.num_addresses > 2 and value == block.network_address:  # of IPv6: RFC 4291, 2.6.1
        word = "network address" if block.version == 4 else "subnet-router anycast address"
    elif block.num_addresses > 2 and block.version == 4 and value == block.broadcast_address:
        word = "broadcast address"
    return (f"{text} is the {word} of {block}", "use another one") if word else None


def _within(text: str, ends: tuple[str, str] | None) -> bool:
    """Whether an address is in a range."""
    if ends is None or not text:
        return False
    first, last = (ip.address(end) for end in ends)
    value = ip.address(text)
    return value.version == first.version and int(first) <= int(value) <= int(last)


def _end(subnet: Subnet) -> tuple[int, int]:
    """IP version and last address of a subnet: what sorts subnets by their ends."""
    return subnet.cidr.version, int(subnet.cidr.broadcast_address)


def _overlap(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two ranges share an address."""
    return any(_within(end, other) for end in one) or _within(other[0], one)


def _entry(service: str, component: str | None) -> str:
    """How a service or a part of it is written in a profile."""
    return service if component in (None, catalogue.MAIN) else f"{{{service}: [{component}]}}"


def _build(document: Document, file: Path, plan: _Plan, recorded: record.Record) -> Cloud:
    """The typed definition of a document without mistakes."""
    data = document.data
    nodes: dict[str, Node] = {}
    shared: dict[str, dict[str, str]] = {}
    facts = {site: networking.facts(plan.known, site) for site in data["sites"]}
    for name, node in data["nodes"].items():
        profile = node["profile"]
        connected = plan.networks[profile]
        if profile not in shared:
            shared[profile] = interfaces(connected, data["profiles"][profile].get("interfaces", {}))
        own = node.get("interfaces")
        use = plan.uses.get(name)
        if use is None:
            named = {**shared[profile], **own} if own else shared[profile]
        else:
            derived = networking.interfaces(data["network_configs"][use.template], facts[use.site], dict(use.nics))
            named = {**dict(use.interfaces), **derived}
        nodes[name] = Node(
            name=name,
            profile=profile,
            site=node.get("site", next(iter(data["sites"]))),
            managed=node.get("managed", False),
            provisioned=node.get("provisioned", True),
            services=plan.services[profile],
            networks=connected,
            interfaces=named,
            addresses={
                network: plan.addresses[name][network] for network in connected if network in plan.addresses[name]
            },
            network_config=use.template if use else "",
            nics=dict(use.nics) if use else {},
            dhcp_allowed=use.dhcp_allowed if use else (),
            machine=plan.machines.get(name),
        )
    return Cloud(
        file=file,
        name=data["name"],
        release=data["release"],
        region=data.get("region", "RegionOne"),
        domain=data["domain"],
        sites=list(data["sites"]),
        networks=plan.known,
        traffic=data["traffic"],
        profiles=list(data["profiles"]),
        nodes=nodes,
        vips=data.get("vips", {}),
        data=data,
        document=document,
        recorded=recorded,
        additions=plan.additions,
        left={node: entries for node, entries in recorded.entries.items() if node not in nodes},
    )
