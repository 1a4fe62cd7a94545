# SPDX-License-Identifier: Apache-2.0
"""Reads a configuration in the words of os-net-config, and refuses it with every mistake that it has.

What differs from os-net-config, which accepts nearly anything: an unknown key or type is a mistake and not ignored; a
device that cannot work as written is refused before the node is touched; addresses come from DHCP only on a device that
the operator names for it; nothing is numbered by link. ``vocabulary.py`` has the keys, ``checks.py`` looks at the
configuration as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any, cast

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network import bonding, checks, ethtool, ovs_options
from ansible_collections.ozone.openstack.plugins.module_utils.network import rules as rules_
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (
    Config,
    Device,
    IPInterface,
    Kind,
    NetworkError,
    Route,
    Rule,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import (
    READERS,
    Report,
    Schema,
    below,
    device_name,
    heat,
    heat_problem,
    ip,
    is_mapping,
    items,
    mapping,
    normal_nic,
    read_keys,
    refused,
    show,
    type_name,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.vocabulary import (
    ADDRESS,
    ADDRESSING,
    DEAD,
    HINTS,
    IDLE_IN_DPDK_PORT,
    IN_DPDK_PORT,
    KINDS,
    MEMBERS,
    ONLY_MEMBERS,
    REFUSED_KEYS,
    REFUSED_LISTS,
    REFUSED_VALUES,
    ROUTE,
    RULE,
    SCHEMA,
    WITHOUT_ADDRESSES,
)

__all__ = ["SCHEMA", "parse", "parse_mapping"]

#: ``nic1.10`` is VLAN 10 on nic1.
_DOTTED = re.compile(r"([^:]+)\.([0-9]{1,9})\Z")
_ALIAS = re.compile(r"(?!.*\.[0-9]+\Z)[A-Za-z_][A-Za-z0-9_.-]{0,14}\Z")
_NUMBERED = re.compile(r"nic[0-9]+\Z")
_POWERS = frozenset(2**n for n in range(13))
_OVS_BRIDGES = ("ovs_bridge", "ovs_user_bridge")

#: Kind -> keys that become ``Device.options`` as they are.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "sriov_pf": ("numvfs", "promisc"),
    "sriov_vf": ("vfid", "vlan_id", "qos", "spoofcheck", "trust", "promisc", "macaddr", "state"),
    "ovs_dpdk_port": ("driver", "rx_queue", "rx_queue_size", "tx_queue_size"),
    "ovs_dpdk_bond": ("rx_queue", "rx_queue_size", "tx_queue_size"),
    "ib_child_interface": ("pkey_id",),
}  # fmt: skip

_DEFAULT_OPTIONS = {"ovs_dpdk_port": {"driver": "vfio-pci"}}


# ---- readers of what is more than one value


def _ip_addresses(report: Report, path: str, value: Any, schema: Schema) -> tuple[IPInterface, ...]:
    keys = ADDRESS["properties"]
    found = []
    for index, item in enumerate(items(report, path, value)):
        here = f"{path}[{index}]"
        if isinstance(item, str):
            report.add(here, f"must be a mapping, not {type_name(item)}", f"write - ip_netmask: {item}")
        elif not refused(report, here, item) and is_mapping(report, here, item):
            values = read_keys(report, here, mapping(report, here, item), keys, ("ip_netmask",))
            if "ip_netmask" in values:
                found.append(values["ip_netmask"])
    return tuple(found)


def _hop(report: Report, path: str, value: Any, schema: Schema) -> Any:
    return "self" if value == "self" else ip(report, path, value, schema)


def _one_of(report: Report, path: str, values: dict[str, Any], first: str, second: str) -> Any:
    """The value of a key with two names; both at once are a mistake unless they say the same."""
    if first in values and second in values and values[first] != values[second]:
        report.add(path, f"has both {first} and {second}, which are the same key", f"keep {first}")
    return values.get(first, values.get(second))


def _route(report: Report, path: str, data: dict[str, Any]) -> Route | None:
    before = len(report.problems)
    values = read_keys(report, path, data, ROUTE["properties"])
    destination = _one_of(report, path, values, "ip_netmask", "destination")
    hop = _one_of(report, path, values, "next_hop", "nexthop")
    table = _one_of(report, path, values, "table", "route_table")
    words = values.get("route_options", "")
    more = rules_.parse_route_options(report, f"{path}.route_options", words) if words else {}
    for key, own in (("metric", values.get("metric")), ("table", table)):
        if more and own is not None and more.get(key, own) != own:
            report.add(path, f"has {key} {own}, and {key} {more[key]} in route_options", "keep one of them")
    if "next_hop" not in data and "nexthop" not in data:
        report.add(path, "the key next_hop is missing", "the gateway's address, or self for what is on the link")
    if values.get("default"):
        if destination is not None and destination.prefixlen:
            report.add(path, f"is a default route, and has the destination {destination}", "keep one of them")
    elif "ip_netmask" not in data and "destination" not in data:
        report.add(path, "has no destination", "add ip_netmask: <subnet>, or default: true")
    if len(report.problems) > before or more is None:
        return None
    gateway = None if hop == "self" else hop
    if destination is None:
        if gateway is None:
            report.add(path, "is a default route without a gateway", "add ip_netmask: 0.0.0.0/0 or ::/0")
            return None
        destination = checks.DEFAULT[gateway.version]
    elif gateway is not None and gateway.version != destination.version:
        report.add(path, f"leads to {destination} through {gateway}", "the gateway must be of the same IP version")
        return None
    table, options = more.get("table", table), more.get("options", {})
    idle = rules_.idle_option(destination.version, gateway is not None, options)
    if idle:
        report.add(f"{path}.route_options", *idle)
        return None
    return Route(
        destination=destination,
        gateway=gateway,
        table=None if table == rules_.MAIN else table,
        metric=values.get("metric", more.get("metric")),
        options=options,
    )


def _routes(report: Report, path: str, value: Any, schema: Schema) -> tuple[Route, ...]:
    found = []
    for index, item in enumerate(items(report, path, value)):
        here = f"{path}[{index}]"
        if not refused(report, here, item) and is_mapping(report, here, item):
            route = _route(report, here, mapping(report, here, item))
            if route is not None:
                found.append(route)
    return tuple(found)


def _rules(report: Report, path: str, value: Any, schema: Schema) -> tuple[Rule, ...]:
    found = []
    for index, item in enumerate(items(report, path, value)):
        here = f"{path}[{index}]"
        if isinstance(item, str):
            report.add(here, f"must be a mapping, not {type_name(item)}", "write - rule: and then the words")
        elif not refused(report, here, item) and is_mapping(report, here, item):
            values = read_keys(report, here, mapping(report, here, item), RULE["properties"], ("rule",))
            rule = rules_.parse_rule(report, f"{here}.rule", values["rule"]) if "rule" in values else None
            if rule is not None:
                found.append(rule)
    return tuple(found)


def _nic_mapping(report: Report, path: str, value: Any, schema: Schema) -> None:
    if value:
        report.add(path, "aliases of NICs differ among nodes", "give them beside the configuration, as mapping")


def _dhclient(report: Report, path: str, value: Any, schema: Schema) -> None:
    if value:
        report.add(path, "systemd-networkd has a DHCP client of its own, and takes no arguments", "remove the key")


def _table_name(report: Report, path: str, value: Any, schema: Schema) -> str | None:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", value):
        report.add(path, f"{show(value)} is no name for a routing table", "letters, digits, _ . and -, a letter first")
        return None
    return value


READERS |= {
    "raw": lambda report, path, value, schema: value,
    "ip_addresses": _ip_addresses,
    "hop": _hop,
    "routes": _routes,
    "rules": _rules,
    "table": lambda report, path, value, schema: rules_.table(report, path, value),
    "table_name": _table_name,
    "nic_mapping": _nic_mapping,
    "dhclient": _dhclient,
}


# ---- devices


class _Parser:
    """Reads devices one after the other, members before their masters."""

    def __init__(self, report: Report, dhcp_allowed: Collection[str]) -> None:
        self.report = report
        self.dhcp_allowed = dhcp_allowed
        self.devices: list[Device] = []
        self.tables: dict[str, int] = {}
        #: Device path -> keys that have mistakes already: what follows from them is not told.
        self.broken: dict[str, frozenset[str]] = {}
        #: Path of a bridge -> names of its members, as far as they have one.
        self.siblings: dict[str, frozenset[str]] = {}
        #: Whether a device is missing because of its mistakes: then nobody is told that it is not there.
        self.incomplete = False

    def top(self, item: Any, path: str) -> None:
        """An object of the list."""
        if self.device(item, path, None) is None:
            self.incomplete = True

    def kind(self, data: dict[str, Any], path: str, master: Device | None) -> str:
        """The kind of an object; empty when it can be none here."""
        kind = data.get("type")
        if kind is None and "remove_name" in data:
            kind = "remove_net_device"
        if not isinstance(kind, str) or kind not in KINDS:
            if heat(kind):
                heat_problem(self.report, f"{path}.type", cast(dict[str, Any], kind))
            elif kind is None:
                self.report.add(path, "the key type is missing", "one of " + ", ".join(sorted(KINDS)))
            elif isinstance(kind, str) and kind in DEAD:
                self.report.add(f"{path}.type", f"{kind} cannot be had: {DEAD[kind][0]}", DEAD[kind][1])
            else:
                self.report.add(f"{path}.type", f"{show(kind)} is no type of a device", did_you_mean(str(kind), KINDS))
            return ""
        if master is not None and kind not in MEMBERS[master.kind]:
            remedy = f"its members can be: {', '.join(MEMBERS[master.kind])}"
            if master.kind == "ovs_bond" and kind == "vlan":
                remedy = "write the vlan among the members of the bridge"
            self.report.add(f"{path}.type", f"{kind} cannot be a member of {master.kind} {master.name}", remedy)
            return ""
        if master is None and kind in ONLY_MEMBERS:
            self.report.add(path, f"{kind} is a port of a bridge", "write it among the members of its bridge")
            return ""
        return kind

    def device(self, item: Any, path: str, master: Device | None) -> Device | None:
        """Reads an object and what is below it; None when it cannot be relied on at all."""
        if refused(self.report, path, item):
            return None
        if not isinstance(item, dict):
            self.report.add(path, f"must be a mapping, not {type_name(item)}", "write type: and name: of a device")
            return None
        data = mapping(self.report, path, item)
        kind = self.kind(data, path, master)
        if not kind:
            return None
        schema = KINDS[kind]
        broken: set[str] = set()
        rest = {key: value for key, value in data.items() if key != "type"}
        hints = {key: HINTS[kind, key] for key in rest if (kind, key) in HINTS}
        required, without = tuple(schema["required"]), REFUSED_KEYS.get(kind)
        values = read_keys(self.report, path, rest, schema["properties"], required, hints, broken, without)
        if kind == "route_table":
            return self.table(values, path)
        device = self.named(kind, values, path, master, data)
        draft = device or Device(kind=cast(Kind, kind), name="?", path=path)
        members = self.members(draft, rest) if kind in MEMBERS and "members" in rest else []
        self.common(draft, values, master, broken)
        fields = self.fields(draft, values, members, broken)
        self.broken[path] = frozenset(broken)
        if device is None:
            return None
        done = replace(device, members=tuple(members), **fields)
        self.devices.append(done)
        return done

    def table(self, values: dict[str, Any], path: str) -> Device | None:
        """A name for a routing table. It is no device: the answer is a stand-in, so that nothing counts as missing."""
        name, number = values.get("name"), values.get("table_id")
        if name is None or number is None:
            return None
        if name in (*rules_.TABLES, "unspec"):
            self.report.add(f"{path}.name", f"every node has a table {name} already", "choose another name")
        elif number in rules_.TABLES.values():
            self.report.add(f"{path}.table_id", f"{number} is a table that every node has", "choose another number")
        elif self.tables.get(name, number) != number or name in self.tables:
            self.report.add(f"{path}.name", f"the table {name} is there twice", "name each only once")
        elif number in self.tables.values():
            other = next(key for key, value in self.tables.items() if value == number)
            self.report.add(f"{path}.table_id", f"{number} is the table {other} already", "choose another number")
        self.tables.setdefault(name, number)
        return Device(kind="linux_tap", name=name, path=path)

    def named(
        self, kind: str, values: dict[str, Any], path: str, master: Device | None, data: dict[str, Any]
    ) -> Device | None:
        """The device with its kind, name, parent and VLAN; None when one of them is not known."""
        name, vlan_id, parent = values.get("name"), values.get("vlan_id"), None
        inner = kind == "vlan" and master is not None and master.kind == "linux_bond"
        if kind == "interface" and name is not None and name.count(".") and (dotted := _DOTTED.match(name)):
            kind, parent, vlan_id = "vlan", dotted[1], int(dotted[2])
            if not 1 <= vlan_id <= 4094:
                self.report.add(f"{path}.name", f"{vlan_id} is no VLAN", "a VLAN has an ID between 1 and 4094")
                return None
        elif kind == "vlan":
            if name is None and "name" not in data and vlan_id is not None:
                name = f"vlan{vlan_id}"
            parent = self.vlan_parent(values, path, master, data)
            if parent is None and (master is None or master.kind not in _OVS_BRIDGES):
                return None
        elif kind == "sriov_vf":
            parent = values.get("device")
            if parent is not None and values.get("vfid") is not None:
                name = f"sriov:{parent}:{values['vfid']}"
            vlan_id = vlan_id or None
        elif kind == "ib_child_interface":
            parent = values.get("parent")
            if parent is not None and values.get("pkey_id") is not None and "name" not in data:
                made = f"{parent}.{0x8000 | values['pkey_id']:04x}"
                name = device_name(self.report, f"{path}.parent", made, {})
        if name is None:
            return None
        return Device(
            kind=cast(Kind, kind),
            name=name,
            path=path,
            master=master.name if master is not None and not inner else None,
            parent=parent,
            vlan_id=vlan_id,
        )

    def vlan_parent(self, values: dict[str, Any], path: str, master: Device | None, data: dict[str, Any]) -> str | None:
        """What carries a VLAN: told, when that is not known. Among the members of an OVS bridge it is the bridge."""
        parent: str | None = values.get("device")
        if master is not None and master.kind in (*_OVS_BRIDGES, "linux_bond"):
            if parent in self.siblings.get(master.path, ()):
                message = f"does nothing: {parent} carries this VLAN as a port of {master.name}"
                self.report.warn(f"{path}.device", message, "remove it")
            elif parent not in (None, master.name) and master.name != "?":
                remedy = "remove device, or write the vlan beside it, in the list of all devices"
                self.report.add(f"{path}.device", f"this VLAN is on {master.name}, not on {parent}", remedy)
            return master.name if master.kind == "linux_bond" else None
        if parent is None and "device" not in data:
            remedy = "the NIC, bond or bridge that carries it"
            if master is not None and master.name != "?":
                remedy = (
                    f"the NIC or bond that carries it, whose VLAN is a port of {master.name}; one on {master.name} "
                    f"stands beside it, in the list of all devices, with device: {master.name}"
                )
            self.report.add(path, "the key device is missing", remedy)
        return parent

    def members(self, master: Device, data: dict[str, Any]) -> list[str]:
        """Reads the members of a device; the answer are their names."""
        path, raw = f"{master.path}.members", data["members"]
        if refused(self.report, path, raw):
            self.incomplete = True
            return []
        found = items(self.report, path, raw)
        schema = KINDS[master.kind]["properties"]["members"]
        least, most = schema.get("minItems", 0), schema.get("maxItems", len(found))
        if isinstance(raw, list) and not least <= len(found) <= most:
            limit = f"at least {least}" if len(found) < least else f"just {most}"
            self.report.add(path, f"has {len(found)} entries", f"needs {limit}: {schema['description']}")
        if master.kind in _OVS_BRIDGES:
            written = [item.get("name") for item in found if isinstance(item, dict) and item.get("type") != "vlan"]
            self.siblings[master.path] = frozenset(name for name in written if isinstance(name, str))
        names: list[str] = []
        for index, item in enumerate(found):
            member = self.device(item, f"{path}[{index}]", master)
            if member is None:
                self.incomplete = True
            elif member.master is not None:
                names.append(member.name)
        return names

    def common(self, device: Device, values: dict[str, Any], master: Device | None, broken: set[str]) -> None:
        """What all kinds have: DHCP, and no addresses where none can be."""
        refusals = REFUSED_VALUES[device.kind]
        if master is not None and master.kind == "ovs_dpdk_port":
            refusals = refusals | IN_DPDK_PORT
            for key, (harmless, why, remedy) in IDLE_IN_DPDK_PORT.items():
                if values.get(key, harmless) != harmless:
                    self.report.warn(f"{device.path}.{key}", f"does nothing: {why}", remedy)
        elif not values.get("ovs_internal", True):
            message = f"{device.name} has no internal port"
            remedy = "remove it, or ovs_internal: false"
            refusals = refusals | {"onboot": (True, message, remedy)}
            for key in ADDRESSING:
                if values.get(key):
                    self.report.add(f"{device.path}.{key}", f"{message}, so {key} is not possible", remedy)
                    broken.add(key)
        for key, (harmless, why, remedy) in refusals.items():
            if values.get(key, harmless) != harmless:
                self.report.add(f"{device.path}.{key}", f"{show(values[key])} cannot be had: {why}", remedy)
        if device.kind == "vlan" and values.get("ethtool_opts") is not None:
            remedy = f"write it on {device.parent}, which carries it"
            self.report.add(f"{device.path}.ethtool_opts", f"{device.name} is a VLAN, not a card", remedy)
        bare = device.kind in WITHOUT_ADDRESSES
        port = device.kind == "vlan" and master is not None and master.kind in _OVS_BRIDGES
        if bare or (device.master is not None and not port):
            for key in ADDRESSING:
                if not values.get(key) or (device.kind == "vlan" and device.parent == device.master):
                    continue  # a VLAN on its own master is a cycle, which is told as such
                what = (
                    f"{device.kind} has no network device" if bare else f"{device.name} is a member of {device.master}"
                )
                bridge = bare or (master is not None and master.kind in WITHOUT_ADDRESSES)
                remedy = "on its bridge, or on a VLAN of it" if bridge else f"on {device.master}, or on a VLAN of it"
                if device.kind == "vlan" and master is not None and master.kind == "linux_bridge":
                    remedy = (
                        f"on a vlan beside {device.master}, in the list of all devices, with device: {device.master}"
                    )
                self.report.add(f"{device.path}.{key}", f"{what}, so {key} is not possible", f"write it {remedy}")
                broken.add(key)
            return
        for key, version in (("use_dhcp", 4), ("use_dhcpv6", 6)):
            if values.get(key) and device.name != "?" and device.name not in self.dhcp_allowed:
                self.report.add(
                    f"{device.path}.{key}",
                    f"{device.name} would ask for its IPv{version} address with DHCP, and be gone when nobody answers",
                    f"write addresses; or allow it for this device alone, with {device.name} in dhcp_allowed",
                )

    def fields(self, device: Device, values: dict[str, Any], members: list[str], broken: set[str]) -> dict[str, Any]:
        """Everything of a device but its name and members."""
        kind, path, get = device.kind, device.path, values.get
        domain = get("domain", ())
        found: dict[str, Any] = {
            "addresses": get("addresses", ()),
            "routes": get("routes", ()),
            "rules": get("rules", ()),
            "mtu": get("mtu"),
            "dns_servers": get("dns_servers", ()),
            "domains": domain,
            "dhcp4": get("use_dhcp", False),
            "dhcp6": get("use_dhcpv6", False),
            "primary": get("primary", False),
            "onboot": get("onboot", True),
            "hotplug": get("hotplug", False),
            "linkdelay": get("linkdelay"),
        }
        if get("ethtool_opts") is not None:
            found["ethtool"] = ethtool.parse(self.report, f"{path}.ethtool_opts", values["ethtool_opts"], device.name)
        if kind == "linux_bond" and "bonding_options" in values:
            number = sum(1 for other in self.devices if other.master == device.name)
            found["bonding"] = bonding.parse(self.report, f"{path}.bonding_options", values["bonding_options"], number)
        if kind in _OVS_BRIDGES:
            found["fail_mode"] = get("ovs_fail_mode", "standalone")
            found["ovs_internal"] = get("ovs_internal", True)
        found["peer"] = get("peer")
        found["bridge"] = get("bridge_name")
        found["tunnel_type"] = get("tunnel_type")
        settings = ovs_options.parse(self.report, device, get("ovs_options"), get("ovs_extra"))
        found["ovs_settings"] = settings
        options = dict(_DEFAULT_OPTIONS.get(kind, {}))
        for key in _OPTIONS.get(kind, ()):
            value = get(key)
            if value is not None:
                options[key] = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        if get("defroute") is False and (found["dhcp4"] or found["dhcp6"]):
            options["defroute"] = "no"
        found["options"] = options
        self.without_effect(device, values)
        return found

    def without_effect(self, device: Device, values: dict[str, Any]) -> None:
        """Tells of wishes that nothing here carries out, and that harm nobody."""
        if values.get("linkdelay"):
            message = "does nothing: addresses are there at once, with a link and without"
            self.report.warn(f"{device.path}.linkdelay", message, "remove it")
        if values.get("nm_controlled"):
            message = f"does nothing: systemd-networkd manages {device.name}, and NetworkManager does not"
            self.report.warn(f"{device.path}.nm_controlled", message, "remove it")
        if device.kind == "ovs_dpdk_port":
            driver = values.get("driver", _DEFAULT_OPTIONS["ovs_dpdk_port"]["driver"])
            message = f"the NIC of {device.name} is not handed to {driver} here, nor are huge pages set up"
            self.report.warn(device.path, message, "use driverctl(8), and dpdk-init of Open vSwitch, before this")


def _objects(report: Report, data: Any) -> tuple[list[Any], str]:
    """The list of objects, and how its path begins. A whole file is a mapping."""
    if isinstance(data, list | tuple):
        return list(data), ""
    if not isinstance(data, dict):
        report.add("network_config", f"must be a list of devices, not {type_name(data)}", "write - type: interface")
        return [], ""
    for key, value in mapping(report, "network_config", data).items():
        if key in REFUSED_LISTS:
            why, remedy = REFUSED_LISTS[key]
            report.add(key, f"{key} cannot be had: {why}", remedy)
        elif key != "network_config":
            report.add(below("", key), "unknown key", did_you_mean(key, ("network_config",)))
        elif refused(report, key, value):
            return [], key
    if "network_config" not in data:
        report.add("network_config", "the key network_config is missing", "the list of the node's devices")
        return [], ""
    return items(report, "network_config", data["network_config"]), "network_config"


def parse(data: Any, *, dhcp_allowed: Collection[str] = ()) -> Config:
    """A checked configuration of ``data``: a list of os-net-config's objects, or a mapping with ``network_config``.

    ``dhcp_allowed``: names, as written, of the devices whose ``use_dhcp`` is not refused. Raises NetworkError with
    every mistake.
    """
    report = Report()
    objects, base = _objects(report, data)
    if not objects and not report.problems:
        report.add(base or "network_config", "has no devices", "a node without any would be cut off")
    parser = _Parser(report, frozenset(dhcp_allowed))
    for index, item in enumerate(objects):
        parser.top(item, f"{base}[{index}]")
    devices = checks.check(report, parser.devices, parser.tables, parser.broken, complete=not parser.incomplete)
    if report.problems:
        raise NetworkError(report.problems)
    return Config(tuple(devices), parser.tables, tuple(sorted(set(report.warnings))))


def parse_mapping(data: Any) -> dict[str, str]:
    """Aliases of NICs: a mapping of alias to NIC, or a mapping with just that below ``interface_mapping``.

    A NIC is given by name, MAC address, PCI address or driver. Raises NetworkError with every mistake.
    """
    report = Report()
    base = "mapping"
    if isinstance(data, dict) and "interface_mapping" in data:
        base = "interface_mapping"
        for key in mapping(report, base, data):
            if key != base:
                report.add(below("", key), "unknown key", "a file with interface_mapping has nothing else")
        data = data[base]
    found: dict[str, str] = {}
    for alias, value in ({} if data is None else mapping(report, base, data)).items():
        here = below(base, alias)
        if refused(report, here, value):
            continue
        if isinstance(value, dict):
            report.add(here, "must be a NIC, not a mapping", "give each node its own mapping in its host variables")
        elif not _ALIAS.match(alias):
            rule = "1 to 15 letters, digits, _ . and -, a letter first, no number behind a dot"
            report.add(here, f"{show(alias)} cannot be an alias", rule)
        elif (nic := READERS["nic"](report, here, value, {})) is not None:
            if nic in data or _NUMBERED.match(nic):
                report.add(here, f"{nic} is an alias itself", "give the NIC's MAC address, PCI address or own name")
            elif nic in found.values():
                other = next(key for key, known in found.items() if known == nic)
                report.add(here, f"{nic} is {other} already", "give a NIC one alias only")
            else:
                found[alias] = normal_nic(nic)
    if report.problems:
        raise NetworkError(report.problems)
    return found
