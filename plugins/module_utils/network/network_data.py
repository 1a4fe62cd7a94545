# SPDX-License-Identifier: Apache-2.0
"""OpenStack's ``network_data.json`` and os-net-config's objects, each made of the other.

A machine has an address from its first second, and nobody to ask for one: what it needs to know is in its config drive
(the deployed system) or in the node (the ramdisk), as the document that Nova defined and Ironic checks. It is a pure
translation, with nothing but the standard library: the first boot of a golden image reads the document back.

**What the document can say**: NICs by their MAC address, Linux bonds with the options of the bonding driver, VLANs,
MTUs, static addresses, static routes through a gateway with their metric, name servers. A device keeps its name.

**What it cannot**, and the role ``network`` brings later: Open vSwitch, bridges, SR-IOV, InfiniBand, rules and tables
of policy routing, ethtool, search domains. The addresses of a bridge are on the device beneath it until then: its
first NIC or bond. For an Open vSwitch bond stands a Linux bond of its name: 802.3ad where it speaks LACP, else
active-backup. A bridge of which nothing has an address is left out with its members.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (
    IPInterface,
    IPNetwork,
    NetworkError,
    NetworkProblem,
)

Document = dict[str, Any]
Object = Mapping[str, Any]

_MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}\Z")
_DOTTED = re.compile(r"([^:]+)\.([0-9]{1,4})\Z")
_DEVICE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,14}\Z")
_NUMBERED = re.compile(r"nic[0-9]+\Z")

#: The netmask of one address of IPv4.
_ALONE = "255.255.255.255"

#: The MTU that every NIC has.
_ETHERNET = 1500

#: Objects that are a NIC, and objects that carry others without being one.
_NICS = ("interface", "sriov_pf")
_BRIDGES = ("linux_bridge", "ovs_bridge", "ovs_user_bridge")
_BONDS = ("linux_bond", "ovs_bond")
_MAIN = (None, "main", 254, "254")
#: Keys of a link that are no options of the bonding driver.
_BOND_KEYS = ("bond_links", "bond_primary")


def _fail(path: str, message: str, remedy: str) -> NetworkError:
    return NetworkError([NetworkProblem(path, message, remedy)])


def words(value: Any) -> dict[str, Any]:
    """Options as a mapping: they may be written as ``mode=802.3ad miimon=100``."""
    if isinstance(value, Mapping):
        return dict(value)
    return {key: text for key, _equals, text in (word.partition("=") for word in str(value or "").split())}


# From objects to a document -------------------------------------------------------------------------------------------


class _Writer:
    """Collects links and networks. ``links``: by the name that objects use for the device, its id and MAC address."""

    def __init__(self, nics: Mapping[str, str], made: frozenset[str]) -> None:
        self.nics = nics
        #: Names of devices that are no NICs.
        self.made = made
        self.links: dict[str, tuple[str, str]] = {}
        self.document: Document = {"links": [], "networks": [], "services": []}
        self.problems: list[NetworkProblem] = []

    def object(self, item: Object, path: str) -> None:
        """An object of the list, or one that stands for it."""
        kind = item.get("type")
        if kind in _NICS:
            self.nic(item, path)
        elif kind == "vlan":
            self.vlan(item, path)
        elif kind in _BONDS:
            self.bond(item, path)

    def nic(self, item: Object, path: str) -> str | None:
        """A NIC; its id, or None where nobody has told its MAC address."""
        name = str(item.get("name"))
        mac = self.nics.get(name, name)
        if not _MAC.match(mac):
            message = f"the MAC address of {name} is not known"
            self.problems.append(NetworkProblem(f"{path}.name", message, f'add nics: {{{name}: "<its MAC address>"}}'))
            return None
        mac = mac.lower().replace("-", ":")
        self.link(item, name, {"id": name, "type": "phy", "ethernet_mac_address": mac}, mac)
        return name

    def bond(self, item: Object, path: str) -> None:
        """A bond with its members. The kernel gives it the MAC address of the first."""
        name = str(item.get("name"))
        members: list[str] = []
        inner: list[tuple[Object, str]] = []
        options = _bond_options(item)
        primary = options.pop("primary", None)
        for index, member in enumerate(item.get("members") or ()):
            here = f"{path}.members[{index}]"
            if member.get("type") == "vlan":
                inner.append(({"device": name, **member}, here))
            elif member.get("type") in _NICS and (found := self.nic(member, here)) is not None:
                members.append(found)
                primary = found if member.get("primary") is True else primary
        if members:
            link: Document = {"id": name, "type": "bond", "ethernet_mac_address": self.links[members[0]][1]}
            link |= {f"bond_{key}": value for key, value in options.items()} | {"bond_links": members}
            if primary is not None:
                link["bond_primary"] = primary
            self.link(item, name, link, self.links[members[0]][1])
        for vlan, here in inner:
            self.vlan(vlan, here)

    def vlan(self, item: Object, path: str) -> None:
        """A VLAN on a device that is there already, or on a NIC that has nothing else."""
        device = str(item.get("device"))
        if device not in self.links and device not in self.made:
            self.nic({"name": device}, path)
        if device not in self.links:
            return
        below, mac = self.links[device]
        name = _vlan_name(item)
        link = {"id": name, "type": "vlan", "vlan_link": below, "vlan_id": item.get("vlan_id"), "vlan_mac_address": mac}
        self.link(item, name, link, mac)

    def link(self, item: Object, name: str, link: Document, mac: str) -> None:
        """A device, with what it has of the IP layer."""
        if item.get("mtu") is not None:
            link["mtu"] = item["mtu"]
        self.links[name] = (link["id"], mac)
        self.document["links"].append(link)
        first: dict[int, Document] = {}
        for entry in item.get("addresses") or ():
            address = ipaddress.ip_interface(entry["ip_netmask"])
            network = {
                "id": f"network{len(self.document['networks'])}",
                "network_id": str(address.network),
                "type": f"ipv{address.version}",
                "link": link["id"],
                "ip_address": str(address.ip),
                "netmask": str(address.netmask),
                "routes": [],
            }
            if network["netmask"] == _ALONE:
                del network["netmask"]  # Ironic's schema has no word for this one
            first.setdefault(address.version, network)
            self.document["networks"].append(network)
        for route in item.get("routes") or ():
            written = _route(route)
            if written is not None and written[0] in first:
                first[written[0]]["routes"].append(written[1])
        servers = [{"type": "dns", "address": server} for server in item.get("dns_servers") or ()]
        self.services(servers)
        if servers and first:
            next(iter(first.values()))["services"] = servers

    def services(self, servers: Iterable[Mapping[str, str]]) -> None:
        """Name servers of the whole document, each once."""
        known = self.document["services"]
        known += [dict(server) for server in servers if server not in known]


def _bond_options(item: Object) -> dict[str, Any]:
    if item.get("type") == "linux_bond":
        return words(item.get("bonding_options"))
    options = words(item.get("ovs_options"))
    return {"mode": "802.3ad" if options.get("lacp") in ("active", "passive") else "active-backup", "miimon": 100}


def _route(route: Object) -> tuple[int, Document] | None:
    """IP version and the document's words of a route; None for one that it has no words for."""
    hop = route.get("next_hop", route.get("nexthop"))
    table = route.get("table", route.get("route_table"))
    if hop in (None, "self") or table not in _MAIN:
        return None
    gateway = ipaddress.ip_address(hop)
    target: IPNetwork = ipaddress.ip_network("0.0.0.0/0" if gateway.version == 4 else "::/0")
    if not route.get("default"):
        target = ipaddress.ip_network(route.get("ip_netmask", route.get("destination")))
    made = {"network": str(target.network_address), "netmask": str(target.netmask), "gateway": str(gateway)}
    return gateway.version, made | ({"metric": route["metric"]} if "metric" in route else {})


def _spelled(objects: Sequence[Object]) -> list[Object]:
    """The objects, with VLANs that are written as ``nic1.10`` in the words of the others."""
    made: list[Object] = []
    for item in objects:
        dotted = _DOTTED.match(str(item.get("name"))) if item.get("type") == "interface" else None
        more = {"type": "vlan", "device": dotted[1], "vlan_id": int(dotted[2])} if dotted else {}
        made.append({**item, **more})
    return made


def _in_order(pairs: Iterable[tuple[str, Object]]) -> list[tuple[str, Object]]:
    """What carries others first: VLANs come last, those on VLANs after these."""
    done: list[tuple[str, Object]] = []
    vlans: list[tuple[str, Object]] = []
    for pair in pairs:
        (vlans if pair[1].get("type") == "vlan" else done).append(pair)
    while vlans:
        names = {_vlan_name(item) for _path, item in vlans}
        ready = [pair for pair in vlans if pair[1].get("device") not in names] or vlans
        done += ready
        vlans = [pair for pair in vlans if pair not in ready]
    return done


def _vlan_name(item: Object) -> str:
    """The name of a VLAN; that of any other object, too."""
    return str(item.get("name") or f"vlan{item.get('vlan_id')}")


def _beneath(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """The objects with their paths, bridges being replaced by what is beneath them."""
    carried = {str(item.get("device")) for item in objects if item.get("type") == "vlan" and item.get("addresses")}
    ports = {str(item.get("name")): _port(item) for item in objects if item.get("type") in _BRIDGES}
    for index, item in enumerate(objects):
        path = f"[{index}]"
        if item.get("type") not in _BRIDGES:
            device = str(item.get("device"))
            yield path, {**item, "device": ports.get(device) or device} if "device" in item else item
            continue
        port, vlans = ports[str(item.get("name"))], []
        for number, member in enumerate(item.get("members") or ()):
            here = f"{path}.members[{number}]"
            if member.get("type") == "vlan" and member.get("addresses"):
                vlans.append((here, {**member, "device": port}))
            elif member.get("name") == port:
                beneath = (here, {**member, **{key: item[key] for key in _LAYER if key in item}})
        if port and (item.get("addresses") or vlans or item.get("name") in carried):
            yield beneath
            yield from vlans


def _port(bridge: Object) -> str:
    """The name of the device beneath a bridge: its preferred, else its first one; empty where there is none."""
    members = [member for member in bridge.get("members") or () if member.get("type") in (*_NICS, *_BONDS)]
    members.sort(key=lambda member: member.get("primary") is not True)
    return str(members[0].get("name")) if members else ""


#: What a device beneath a bridge has of the bridge.
_LAYER = ("mtu", "addresses", "routes", "dns_servers")


def to_network_data(objects: Sequence[Object], nics: Mapping[str, str], dns: Sequence[str] = ()) -> Document:
    """The document for a node's objects of os-net-config, checked and without templates.

    ``nics``: MAC addresses of the NICs by the names that the objects use; ``dns``: name servers for the whole node.
    Raises NetworkError for every NIC whose MAC address nobody has told.
    """
    spelled = _spelled(objects)
    made = frozenset(_vlan_name(item) for item in spelled if item.get("type") not in _NICS)
    writer = _Writer(nics, made)
    for path, item in _in_order(_beneath(spelled)):
        writer.object(item, path)
    if writer.problems:
        raise NetworkError(writer.problems)
    writer.services({"type": "dns", "address": server} for server in dns)
    return writer.document


def reduced(document: Mapping[str, Any], address: str) -> Document:
    """What a ramdisk needs of a machine's document: ``address`` on one NIC, with its VLAN where it has one.

    Of a bond it is the preferred member, else the first. Large packets are for the deployed system. Empty when the
    document has no such address.
    """
    links = {link["id"]: link for link in document["links"]}
    entry = next((network for network in document["networks"] if network["ip_address"] == address), None)
    if entry is None:
        return {}
    chain = [links[entry["link"]]]
    while chain[-1]["type"] == "vlan":
        chain.append(links[chain[-1]["vlan_link"]])
    if chain[-1]["type"] == "bond":
        bond = chain.pop()
        chain.append(links[bond.get("bond_primary", bond["bond_links"][0])])
        if chain[:-1]:
            chain[-2] = {**chain[-2], "vlan_link": chain[-1]["id"]}
        else:
            entry = {**entry, "link": chain[-1]["id"]}
    for index, link in enumerate(chain):
        large = (link.get("mtu") or 0) > _ETHERNET
        chain[index] = {key: value for key, value in link.items() if key != "mtu" or not large}
    routes = [route for route in entry["routes"] if route["netmask"] != _ALONE]  # Ironic's schema has no word for those
    return {"links": chain[::-1], "networks": [{**entry, "routes": routes}], "services": document["services"]}


# From a document to objects -------------------------------------------------------------------------------------------


def from_network_data(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects of os-net-config that ``document`` describes, NICs named by their MAC addresses.

    Name servers that no network has are those of the device with the default route, else of the first with an address.
    Raises NetworkError for a document that is none, and for one that would have the node ask for an address.
    """
    links = _links(document)
    objects: dict[str, dict[str, Any]] = {}
    inner: set[str] = set()
    for link in links.values():
        objects[link["id"]] = _device(link, links)
        inner.update(link.get("bond_links") or ())
    for index, network in enumerate(document.get("networks") or ()):
        path = f"networks[{index}]"
        link = network.get("link")
        if link not in objects:
            raise _fail(f"{path}.link", f"there is no link {link}", "name the id of one of links")
        _network(network, objects[link], path)
    _servers(document, list(objects.values()))
    for link in links.values():
        if link["type"] == "bond":
            objects[link["id"]]["members"] = [_member(link, one, objects[one]) for one in link["bond_links"]]
    return [item for name, item in objects.items() if name not in inner]


def _links(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The links by id, each with what it needs."""
    found: dict[str, Mapping[str, Any]] = {}
    for index, link in enumerate(document.get("links") or ()):
        path = f"links[{index}]"
        kind = link.get("type")
        needed = {"bond": ("bond_links", "bond_mode"), "vlan": ("vlan_link", "vlan_id")}
        for key in ("id", "type", *needed.get(kind, ("ethernet_mac_address",))):
            if link.get(key) in (None, "", []):
                raise _fail(path, f"the key {key} is missing", "this is no link of a network_data.json")
        found[link["id"]] = link
    for index, link in enumerate(found.values()):
        below = link["bond_links"] if link["type"] == "bond" else [link["vlan_link"]] if link["type"] == "vlan" else []
        for one in below:
            if one not in found:
                raise _fail(f"links[{index}]", f"there is no link {one}", "name the id of one of links")
    if not found:
        raise _fail("links", "there is none", "a machine without any would be cut off")
    return found


def _name(link: Mapping[str, Any], spare: str) -> str:
    """The kernel's name of a device that is made: its id where that can be one."""
    name = str(link["id"])
    return name if _DEVICE.match(name) and not _NUMBERED.match(name) else spare


def _names(links: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The name of each link's device."""
    names: dict[str, str] = {}
    for link in links.values():
        if link["type"] == "bond":
            names[link["id"]] = _name(link, f"bond{sum(links[one]['type'] == 'bond' for one in names)}")
        elif link["type"] == "vlan":
            names[link["id"]] = _name(link, f"vlan{link['vlan_id']}")
        else:
            names[link["id"]] = str(link["ethernet_mac_address"]).lower().replace("-", ":")
    return names


def _device(link: Mapping[str, Any], links: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An object without its members and addresses."""
    names = _names(links)
    name = names[link["id"]]
    if link["type"] == "bond":
        options = {key[5:]: value for key, value in link.items() if key.startswith("bond_") and key not in _BOND_KEYS}
        if not {"miimon", "arp_interval"} & set(options):
            options["miimon"] = 100
        made: dict[str, Any] = {"type": "linux_bond", "name": name, "bonding_options": options, "members": []}
    elif link["type"] == "vlan":
        made = {"type": "vlan", "name": name, "device": names[link["vlan_link"]], "vlan_id": link["vlan_id"]}
    else:
        made = {"type": "interface", "name": name}
    if link.get("mtu") is not None:
        made["mtu"] = link["mtu"]
    return made


def _member(bond: Mapping[str, Any], link: str, item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "primary": True} if bond.get("bond_primary") == link else item


def _network(network: Mapping[str, Any], item: dict[str, Any], path: str) -> None:
    """An address with its routes and name servers."""
    if network.get("type") not in ("ipv4", "ipv6"):
        message = f"{network.get('type')} would have the machine ask for its address"
        raise _fail(f"{path}.type", message, "give it a static one: ipv4 or ipv6 with ip_address and netmask")
    try:
        address = _interface(str(network.get("ip_address")), network.get("netmask"))
        routes = [_object_route(route) for route in network.get("routes") or ()]
    except (ValueError, KeyError) as error:
        raise _fail(path, f"{error} is not possible here", "an address, and a netmask of the same version") from error
    item.setdefault("addresses", []).append({"ip_netmask": str(address)})
    if routes:
        item.setdefault("routes", []).extend(routes)
    servers = [entry["address"] for entry in network.get("services") or () if entry.get("type") == "dns"]
    servers += network.get("dns_nameservers") or []
    if servers:
        known = item.setdefault("dns_servers", [])
        known += [server for server in dict.fromkeys(servers) if server not in known]


def _interface(text: str, mask: Any) -> IPInterface:
    """An address with its prefix length; alone in its network where nothing is said of one."""
    address, _slash, length = text.partition("/")
    return ipaddress.ip_interface(f"{address}/{_length(address, length if mask is None else mask)}")


def _length(address: str, mask: Any) -> int:
    """A prefix length: a number, or a mask in the words of addresses."""
    limit = ipaddress.ip_address(address).max_prefixlen
    text = str(mask)
    if not text:
        return limit
    if text.isdecimal():
        return int(text)
    written = ipaddress.ip_address(text)
    bits = f"{int(written):0{limit}b}"
    length = bits.count("1")
    if written.max_prefixlen != limit or "1" in bits[length:]:
        raise ValueError(f"the netmask {text}")
    return length


def _object_route(route: Mapping[str, Any]) -> dict[str, Any]:
    target = _interface(str(route["network"]), route["netmask"]).network
    made: dict[str, Any] = {"destination": str(target)} if target.prefixlen else {"default": True}
    made["next_hop"] = str(ipaddress.ip_address(route["gateway"]))
    return made | ({"metric": route["metric"]} if "metric" in route else {})


def _servers(document: Mapping[str, Any], objects: Sequence[dict[str, Any]]) -> None:
    """Name servers that are the whole document's."""
    given = {server for item in objects for server in item.get("dns_servers", ())}
    services = document.get("services") or ()
    rest = [entry["address"] for entry in services if entry.get("type") == "dns" and entry["address"] not in given]
    addressed = [item for item in objects if item.get("addresses")]
    default = [item for item in addressed if any(route.get("default") for route in item.get("routes", ()))]
    if rest and addressed:
        (default or addressed)[0].setdefault("dns_servers", []).extend(dict.fromkeys(rest))
