# SPDX-License-Identifier: Apache-2.0
"""From what a node is to what it shall be, and back: which files, rows and links, and nothing that need not change.

This runs on the deployment host for a plan, and on the node, under its lock, for the change itself: the standard
library and nothing else. Both directions are computed before the first step, and each leads to its end from wherever
the other one was interrupted. So a transaction of Open vSwitch never asks what is there: it removes a port that has to
be built otherwise, whether it is the old one or already the new one, and builds it; the daemon sees only the result
and keeps ports by their names.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (
    Change,
    File,
    LinkSeen,
    LinkWanted,
    NetworkError,
    NetworkProblem,
    Observed,
    OvsRow,
    RouteSeen,
    Steps,
    Wanted,
)

NETWORK_DIRECTORY = "/etc/systemd/network"
PREFIX = "05-ozone-"
NETWORKD_FILE = "/etc/systemd/networkd.conf.d/50-ozone.conf"
TABLES_FILE = "/etc/iproute2/rt_tables.d/ozone.conf"
CLOUD_INIT_FILE = "/etc/cloud/cloud.cfg.d/99-ozone-network.cfg"
NETWORK_MANAGER_FILE = "/etc/NetworkManager/conf.d/50-ozone.conf"

#: Files that are ours: directory and pattern of their names.
OWNED: tuple[tuple[str, str], ...] = (
    (NETWORK_DIRECTORY, f"{PREFIX}*"),
    ("/etc/systemd/networkd.conf.d", "50-ozone.conf"),
    ("/etc/iproute2/rt_tables.d", "ozone.conf"),
    ("/etc/cloud/cloud.cfg.d", "99-ozone-network.cfg"),
    ("/etc/NetworkManager/conf.d", "50-ozone.conf"),
)

#: Directory of another software -> our file for its eyes, which is written only where that directory is.
CONDITIONS = {"/etc/cloud": CLOUD_INIT_FILE, "/etc/NetworkManager": NETWORK_MANAGER_FILE}

#: What a file of the old network software is renamed to.
ORIGINAL = ".before-ozone"

NETWORKD = "systemd-networkd.service"

#: Keys of ``external_ids``: a row that we write; one that was there before, and is let go instead of removed.
TAG = "ozone-network"
ADOPTED = "ozone-network-adopted"

#: Columns of Open vSwitch that make its configuration, and what they hold: a map of texts, a set, none or one
#: (optional), or always one value. Those that refer to other rows are not among them.
COLUMNS: dict[str, dict[str, str]] = {
    "Bridge": {
        "datapath_type": "string",
        "fail_mode": "optional string",
        "flood_vlans": "set integer",
        "mcast_snooping_enable": "boolean",
        "protocols": "set string",
        "rstp_enable": "boolean",
        "stp_enable": "boolean",
        "other_config": "map",
        "external_ids": "map",
    },
    "Port": {
        "bond_downdelay": "integer",
        "bond_fake_iface": "boolean",
        "bond_mode": "optional string",
        "bond_updelay": "integer",
        "cvlans": "set integer",
        "lacp": "optional string",
        "mac": "optional string",
        "protected": "boolean",
        "tag": "optional integer",
        "trunks": "set integer",
        "vlan_mode": "optional string",
        "other_config": "map",
        "external_ids": "map",
    },
    "Interface": {
        "type": "string",
        "bfd": "map",
        "cfm_mpid": "optional integer",
        "ingress_policing_burst": "integer",
        "ingress_policing_kpkts_burst": "integer",
        "ingress_policing_kpkts_rate": "integer",
        "ingress_policing_rate": "integer",
        "lldp": "map",
        "mac": "optional string",
        "mtu_request": "optional integer",
        "ofport_request": "optional integer",
        "options": "map",
        "other_config": "map",
        "external_ids": "map",
    },
}

_EMPTY = {"string": "", "boolean": "false", "integer": "0"}

Value = str | list[str] | dict[str, str]
Columns = dict[str, Value]


def file_path(name: str, suffix: str) -> str:
    """Path of the file of a device by its name as written, which may be a MAC or PCI address."""
    return f"{NETWORK_DIRECTORY}/{PREFIX}{_slug(name)}.{suffix}"


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


def difference(wanted: Wanted, observed: Observed) -> Change:
    """What has to be done on a node, and how it is taken back.

    Raises NetworkError when Open vSwitch is needed and does not answer, or a NIC has the name of a device to be made.
    """
    comparison = _Comparison(wanted, observed)
    forward, back = comparison.files()
    comparison.links(forward, back)
    comparison.switch(forward, back)
    comparison.software(forward, back)
    changed = forward != steps()
    if not changed:
        back = steps()
    return {
        "changed": changed,
        "forward": forward,
        "back": back,
        "touched": sorted(comparison.touched),
        "summary": comparison.summary(forward) if changed else [],
    }


def steps() -> Steps:
    """Steps that do nothing."""
    return {
        "disable": [],
        "enable": [],
        "files": {},
        "delete": [],
        "ovs": [],
        "udev": [],
        "restart": [],
        "reload": False,
        "reconfigure": [],
        "commands": [],
    }


class _Comparison:
    """One node: what it shall be, what it is."""

    def __init__(self, wanted: Wanted, observed: Observed) -> None:
        self.wanted = wanted
        self.observed = observed
        self.seen = {link["name"]: link for link in observed["links"]}
        self.touched: set[str] = set()
        self.anew: dict[str, str] = {}  # links that have to be made anew -> why
        self.gone: list[str] = []
        self.migration = observed["active"] is None
        self.switch_lines: list[str] = []

    # Files

    def files(self) -> tuple[Steps, Steps]:
        """Files that differ, in both directions; our own and those of the old network software."""
        forward, back = steps(), steps()
        needless = {
            file for directory, file in CONDITIONS.items() if directory not in self.observed.get("directories", [])
        }
        wanted = {path: file for path, file in self.wanted["files"].items() if path not in needless}
        seen = self.observed["files"]
        for path in sorted({*wanted, *seen}):
            there, then = seen.get(path), wanted.get(path)
            if there is not None and then is not None and _same_file(there, then):
                continue
            forward["files"][path] = then
            back["files"][path] = there
            self.file_changed(path, forward, back)
        for path, text in sorted(self.observed["foreign"].items()):
            mode = self.observed.get("foreign_modes", {}).get(path, "0644")
            forward["files"] |= {path + ORIGINAL: File(text=text, mode=mode), path: None}
            back["files"] |= {path: File(text=text, mode=mode), path + ORIGINAL: None}
        return forward, back

    def file_changed(self, path: str, forward: Steps, back: Steps) -> None:
        """What follows from a changed file."""
        directory, _, name = path.rpartition("/")
        if path == NETWORKD_FILE:
            if self.observed["networkd"]:
                forward["restart"] = back["restart"] = [NETWORKD]
            return
        if directory != NETWORK_DIRECTORY:
            return
        stem, _, suffix = name.removeprefix(PREFIX).rpartition(".")
        link = self.link_of(stem)
        if suffix in ("network", "netdev"):
            forward["reload"] = back["reload"] = True
        elif link in self.seen:
            forward["udev"].append(link)
            back["udev"].append(link)
        if link in self.seen or suffix != "link":
            self.touched.add(link)

    def link_of(self, stem: str) -> str:
        """The link that a file is about."""
        active = self.observed["active"]
        for resolution in (self.wanted["resolution"], active["resolution"] if active is not None else {}):
            for written, name in resolution.items():
                if _slug(written) == stem:
                    return name or written
        return stem

    # Links

    def links(self, forward: Steps, back: Steps) -> None:
        """Links to remove, to make anew, to make; and what the old network software left."""
        ours = {
            path.rpartition("/")[2].removeprefix(PREFIX).removesuffix(".netdev")
            for path in self.observed["files"]
            if path.startswith(f"{NETWORK_DIRECTORY}/{PREFIX}") and path.endswith(".netdev")
        }
        netdevs = self.wanted["netdevs"]
        names = {_slug(name): name for name in (*self.seen, *self.active_netdevs())}
        mine = {names.get(name, name) for name in ours}
        self.gone = sorted(name for name in mine if name not in netdevs)
        foreign = self.foreign_links()
        for name in sorted(netdevs):
            if name in self.seen and (why := self.must_be_made_anew(name)):
                self.anew[name] = why
        forward["delete"] = self.leaves_first(
            [*(name for name in self.gone if name in self.seen), *self.anew, *foreign]
        )
        made = [name for name in netdevs if name not in self.seen or name in self.anew]
        back["delete"] = sorted(made, key=lambda name: (netdevs[name]["kind"] != "vlan", name))
        again = {*self.gone, *self.anew}
        forward["reconfigure"] = self.dependents(self.anew, forward)
        back["reconfigure"] = self.dependents(again, back)
        if forward["delete"]:
            forward["reload"] = True
        if forward["delete"] or back["delete"]:
            back["reload"] = True
        self.touched |= {*forward["delete"], *forward["reconfigure"]}
        self.touched |= {name for name in netdevs if netdevs[name].get("parent") in self.anew}
        self.touched |= {link["name"] for link in self.wanted["links"] if set(link["members"]) & set(self.anew)}
        self.free(forward)
        if self.migration:
            self.migrate(forward, foreign, mine)
            back["commands"] = self.way_back(foreign, mine)

    def active_netdevs(self) -> dict[str, dict[str, str]]:
        """Netdevs of the configuration that was confirmed last."""
        active = self.observed["active"]
        return active["netdevs"] if active is not None else {}

    def must_be_made_anew(self, name: str) -> str:
        """Why a link of that name cannot become what it shall be; "" when it can."""
        wanted, link = self.wanted["netdevs"][name], self.seen[name]
        if link["kind"] == "":
            message = f"there is a NIC of that name, and the configuration makes a {wanted['kind']} called {name}"
            raise NetworkError([NetworkProblem(name, message, "give the device another name")])
        known = {"kind": link["kind"]}
        known |= link["options"] if "options" in link else self.active_netdevs().get(name, {})
        known["kind"] = link["kind"]
        changes = [
            f"{option} {known[option]} -> {value}"
            for option, value in wanted.items()
            if option in known and _plain(known[option]) != _plain(value)
        ]
        return ", ".join(changes)

    def foreign_links(self) -> list[str]:
        """VLANs that the old network software made and that ours would collide with: a parent has each ID once."""
        if not self.migration:
            return []
        taken = {
            (options["parent"], options["id"]): name
            for name, options in self.wanted["netdevs"].items()
            if options["kind"] == "vlan"
        }
        found = []
        for link in self.observed["links"]:
            options = link.get("options", {})
            name = taken.get((options.get("parent", ""), options.get("id", "")))
            if link["kind"] == "vlan" and name is not None and link["name"] != name:
                found.append(link["name"])
        return found

    def leaves_first(self, names: Iterable[str]) -> list[str]:
        """Links in the order of their removal: VLANs before what carries them, bonds before bridges."""
        order = {"vlan": 0, "ipoib": 0, "bridge": 2}
        return sorted(set(names), key=lambda name: (order.get(self.seen[name]["kind"], 1), name))

    def dependents(self, names: Iterable[str], steps: Steps) -> list[str]:
        """Links that have to be configured once more when others were made anew: their members, and their parents."""
        found: set[str] = set()
        source = self.wanted["links"] if steps["reload"] or names else []
        active = self.observed["active"]
        old = active["links"] if active is not None else []
        names = set(names)
        for link in (*source, *old):
            if link["name"] in names:
                found |= {*link["members"]}
        for netdevs in (self.wanted["netdevs"], self.active_netdevs()):
            found |= {options["parent"] for name, options in netdevs.items() if name in names and "parent" in options}
        rewritten = {
            self.link_of(_stem(path)) for path, file in steps["files"].items() if path.endswith(".network") and file
        }
        return sorted(name for name in found if name in self.seen and name not in names and name not in rewritten)

    def free(self, forward: Steps) -> None:
        """Takes NICs out of bonds and bridges of the kernel that stay, where Open vSwitch gets them."""
        ports = {row["name"] for row in self.wanted["ovs"] if row["table"] == "Interface"}
        for name in sorted(ports & set(self.seen)):
            master = self.seen[name]["master"]
            if master in self.seen and self.seen[master]["kind"] in ("bond", "bridge"):
                forward["commands"].append(["ip", "link", "set", "dev", name, "nomaster"])

    def migrate(self, forward: Steps, foreign: Sequence[str], mine: set[str]) -> None:
        """Removes what the old network software configured where it would disturb: on our links, and our addresses.

        An address for one host alone may be one that moves (keepalived): it stays unless it is wanted elsewhere.
        """
        wanted = {link["name"]: link for link in self.wanted["links"]}
        owners = {_host(address): link["name"] for link in wanted.values() for address in link["addresses"]}
        for link in self.observed["links"]:
            name = link["name"]
            if name in foreign or name == "lo":
                continue
            for address in link["addresses"]:
                interface = ipaddress.ip_interface(address)
                owner = owners.get(_host(address))
                stays = owner == name and str(interface) in wanted[name]["addresses"]
                if stays or interface.is_link_local or (owner is None and name not in wanted):
                    continue
                if owner is not None or interface.network.prefixlen < interface.max_prefixlen:
                    forward["commands"].append(["ip", "address", "delete", str(interface), "dev", name])
        defaults = {(route["destination"], route["table"]) for link in wanted.values() for route in link["routes"]}
        for route in self.observed["routes"]:
            if route["protocol"] not in _STATIC or route["device"] in foreign:
                continue
            ours = wanted.get(route["device"])
            if ours is not None and any(_same_route(route, other) for other in ours["routes"]):
                continue
            if ours is not None or (route["destination"], route["table"]) in defaults:
                forward["commands"].append(["ip", *_family(route), "route", "delete", *_route(route)])

    def way_back(self, foreign: Sequence[str], mine: set[str]) -> list[list[str]]:
        """The calls of ip(8) that make the links of the old network software what they were."""
        commands: list[list[str]] = []
        concerned = {link["name"] for link in self.wanted["links"]} | set(foreign) | {*self.wanted["netdevs"]}
        owners = {_host(address) for link in self.wanted["links"] for address in link["addresses"]}
        links = [
            link
            for link in self.observed["links"]
            if link["name"] not in mine
            and link["name"] != "lo"
            and (link["name"] in concerned or owners & {_host(address) for address in link["addresses"]})
        ]
        links.sort(key=lambda link: (link["kind"] in ("vlan", "ipoib"), link["name"]))
        for link in links:
            if link["kind"] in _MAKE and (link["name"] in foreign or link["name"] in self.wanted["netdevs"]):
                commands.append(_make(link))
        for link in links:
            dev = ["dev", link["name"]]
            if link["kind"] in ("bond", "bridge", "vlan", ""):
                commands.append(["ip", "link", "set", *dev, "mtu", str(link["mtu"])])
            if link["master"] and self.seen.get(link["master"], link)["kind"] in ("bond", "bridge"):
                if self.seen[link["master"]]["kind"] == "bond":
                    commands.append(["ip", "link", "set", *dev, "down"])
                commands.append(["ip", "link", "set", *dev, "master", link["master"]])
            elif not link["master"]:
                commands.append(["ip", "link", "set", *dev, "nomaster"])
            commands.append(["ip", "link", "set", *dev, "up" if link["up"] else "down"])
        for link in links:
            for address in link["addresses"]:
                interface = ipaddress.ip_interface(address)
                if not interface.is_link_local:
                    commands.append(["ip", "address", "replace", str(interface), "dev", link["name"]])
        names = {link["name"] for link in links}
        routes = [
            route for route in self.observed["routes"] if route["protocol"] in _STATIC and route["device"] in names
        ]
        for route in sorted(routes, key=lambda route: (bool(route["gateway"]), route["destination"])):
            commands.append(["ip", *_family(route), "route", "replace", *_route(route)])
        return commands

    # Open vSwitch

    def switch(self, forward: Steps, back: Steps) -> None:
        """The two transactions."""
        if self.observed["ovs"] is None:
            if self.wanted["ovs"]:
                message = f"it is part of the configuration, and does not answer: {self.observed['ovs_error']}"
                raise NetworkError([NetworkProblem("Open vSwitch", message, "systemctl start openvswitch-switch")])
            return
        active = self.observed["active"]
        transaction = _Switch(self.observed["ovs"], self.wanted["ovs"], active["ovs"] if active is not None else [])
        forward["ovs"] = transaction.forward()
        back["ovs"] = transaction.back()
        self.touched |= transaction.touched
        self.switch_lines = transaction.lines()

    # Other network software

    def software(self, forward: Steps, back: Steps) -> None:
        """Other units are disabled and never stopped: stopping ifupdown takes every link down."""
        forward["disable"] = [*self.observed["foreign_units"]]
        back["enable"] = [*self.observed["foreign_units"]]
        if not self.observed["networkd"]:
            forward["enable"] = [NETWORKD]
            back["disable"] = [NETWORKD]
            forward["reload"] = True

    # For people

    def summary(self, forward: Steps) -> list[str]:
        """What changes, a line each."""
        lines = [f"{path}: moved to {path}{ORIGINAL}" for path in sorted(self.observed["foreign"])]
        lines += [f"{unit}: disabled, not stopped" for unit in forward["disable"]]
        lines += [f"{unit}: enabled and started" for unit in forward["enable"]]
        active = self.observed["active"]
        old = {link["name"]: link for link in active["links"]} if active is not None else {}
        told: set[str] = set()
        for link in self.wanted["links"]:
            about = self.about(link, old.get(link["name"]))
            if about:
                told.add(link["name"])
            lines += [f"{link['name']}: {line}" for line in about]
        lines += [f"{name}: removed" for name in forward["delete"] if name not in self.anew]
        told |= set(forward["delete"])
        stems = {link["name"] for link in self.wanted["links"]}
        for path in forward["files"]:
            name = self.link_of(_stem(path)) if path.startswith(f"{NETWORK_DIRECTORY}/{PREFIX}") else path
            if name.startswith("/"):
                if path not in self.observed["foreign"] and not path.endswith(ORIGINAL):
                    lines.append(f"{path}: {'written' if forward['files'][path] else 'removed'}")
            elif name not in told:
                told.add(name)
                what = "settings change" if forward["files"][path] else "no longer configured"
                lines.append(
                    f"{name}: {what}" if name in stems or name in self.seen else f"{name}: {what} (not there now)"
                )
        return lines + self.switch_lines

    def about(self, link: LinkWanted, old: LinkWanted | None) -> list[str]:
        """What changes about one link."""
        name = link["name"]
        if name in self.anew:
            return [f"made anew ({self.anew[name]})"]
        seen = self.seen.get(name)
        if old is None and (seen is None or link["virtual"]):
            return (
                [f"new: {link['kind'].replace('_', ' ')}{_with(link)}"] if name in self.touched or seen is None else []
            )
        if name not in self.touched:
            return []
        lines = []
        mtu = old["mtu"] if old is not None else seen["mtu"] if seen is not None else None
        if mtu is not None and link["mtu"] is not None and mtu != link["mtu"]:
            lines.append(f"MTU {mtu} -> {link['mtu']}")
        addresses = old["addresses"] if old is not None else seen["addresses"] if seen is not None else []
        lines += _set_lines("address", addresses, link["addresses"])
        if old is not None:
            lines += _set_lines("member", old["members"], link["members"])
            lines += _set_lines("route", map(_route_text, old["routes"]), map(_route_text, link["routes"]))
        return lines


_STATIC = ("boot", "static", "dhcp", "ra")

#: Kinds of links that ip(8) can make again, and the options that belong to them.
_MAKE = {
    "vlan": ("id",),
    "bond": (
        "mode", "miimon", "updelay", "downdelay", "fail_over_mac", "xmit_hash_policy", "ad_lacp_rate", "ad_select",
        "min_links",
    ),
    "bridge": ("stp_state", "forward_delay", "vlan_filtering"),
}  # fmt: skip


def _make(link: LinkSeen) -> list[str]:
    """The call that makes a virtual link again."""
    options = link.get("options", {})
    command = ["ip", "link", "add"]
    if "parent" in options:
        command += ["link", options["parent"]]
    command += ["name", link["name"], "type", link["kind"]]
    for option in _MAKE[link["kind"]]:
        if option in options:
            command += [option.removeprefix("ad_") if option == "ad_lacp_rate" else option, options[option]]
    return command


def _same_file(one: File, other: File) -> bool:
    return one["text"] == other["text"] and int(one["mode"], 8) == int(other["mode"], 8)


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removeprefix(PREFIX).rpartition(".")[0]


def _plain(value: str) -> str:
    return value.lower()


def _host(address: str) -> str:
    return str(ipaddress.ip_interface(address).ip)


def _family(route: RouteSeen) -> list[str]:
    return ["-6"] if ":" in route["destination"] + route["gateway"] else []


def _route(route: RouteSeen) -> list[str]:
    """A route, in the words of ip(8)."""
    words = [route["destination"]]
    if route["gateway"]:
        words += ["via", route["gateway"]]
    words += ["dev", route["device"], "proto", route["protocol"]]
    if route["metric"]:
        words += ["metric", str(route["metric"])]
    if route["table"] != 254:
        words += ["table", str(route["table"])]
    return words


def _same_route(seen: RouteSeen, wanted: Mapping[str, object]) -> bool:
    keys = ("destination", "gateway", "table")
    return all(seen[key] == wanted[key] for key in keys) and seen["metric"] == (wanted["metric"] or seen["metric"])  # type: ignore[literal-required]


def _route_text(route: Mapping[str, object]) -> str:
    text = str(route["destination"])
    if route["gateway"]:
        text += f" via {route['gateway']}"
    if route["metric"] is not None:
        text += f" metric {route['metric']}"
    return text if route["table"] == 254 else f"{text} table {route['table']}"


def _set_lines(what: str, old: Iterable[str], new: Iterable[str]) -> list[str]:
    """What was added to a set and removed from it; one that replaces another is one line."""
    before, after = [*old], [*new]
    added = [item for item in after if item not in before]
    removed = [item for item in before if item not in after and not (what == "address" and item.startswith("fe80:"))]
    if len(added) == len(removed) == 1:
        return [f"{what} {removed[0]} -> {added[0]}"]
    return [f"add {what} {item}" for item in added] + [f"remove {what} {item}" for item in removed]


def _with(link: LinkWanted) -> str:
    """What is worth saying of a new link."""
    parts = []
    if link["members"]:
        parts.append(f"of {', '.join(link['members'])}")
    if link["addresses"]:
        parts.append(f"with {', '.join(link['addresses'])}")
    return f" {' '.join(parts)}" if parts else ""


# Open vSwitch


def normal(table: str, column: str, value: object) -> Value:
    """A value of a column as we compare it: a set of one is its element where the column holds one."""
    kind = COLUMNS[table].get(column, "string")
    if kind == "map":
        return {str(key): _word(item) for key, item in value.items()} if isinstance(value, dict) else {}
    items = [_word(item) for item in value] if isinstance(value, list | tuple | set) else [_word(value)]
    if kind.startswith("set"):
        return sorted(item for item in items if item)
    return items[0] if items and items[0] else _EMPTY.get(kind, "")


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip('"') if isinstance(value, str) else str(value)


def _empty(kind: str) -> Value:
    if kind == "map":
        return {}
    return [] if kind.startswith("set") else _EMPTY.get(kind, "")


Table = Literal["Bridge", "Port", "Interface"]
_Key = tuple[Table, str]


class _Row:
    """A row with all columns of its configuration."""

    def __init__(self, row: OvsRow) -> None:
        self.table: Table = row["table"]
        self.name = row["name"]
        self.parent = row["parent"]
        self.columns: Columns = {
            column: normal(self.table, column, value)
            for column, value in row["columns"].items()
            if column in COLUMNS[self.table]
        }

    @property
    def ids(self) -> dict[str, str]:
        """Its external_ids."""
        return self.mapping("external_ids")

    @property
    def ours(self) -> bool:
        """Whether we wrote it."""
        return self.ids.get(TAG) == "true"

    def get(self, column: str) -> Value:
        """Its value of a column."""
        return self.columns.get(column, _empty(COLUMNS[self.table][column]))

    def mapping(self, column: str) -> dict[str, str]:
        """Its value of a column that is a map."""
        value = self.get(column)
        return value if isinstance(value, dict) else {}


class _Switch:
    """Rows as they are and as they shall be, each with all columns that make a configuration, whoever wrote them."""

    def __init__(self, observed: Sequence[OvsRow], wanted: Sequence[OvsRow], active: Sequence[OvsRow]) -> None:
        self.summary: list[str] = []
        self.old = {(row["table"], row["name"]): _Row(row) for row in observed}
        self.active = {(row["table"], row["name"]): _Row(row) for row in active}
        self.new = {key: row for key, row in self.old.items() if not row.ours}
        targets = {(row["table"], row["name"]): self.target(_Row(row)) for row in wanted}
        self.new |= targets
        for key, row in self.old.items():
            if row.ours and key not in targets:
                self.leave(row)
        self.complete()
        self.rebuilt = self.structure()
        self.touched = self.changed_names()

    def target(self, row: _Row) -> _Row:
        """A wanted row as it will be: with our tag, and with what others have set in columns that we do not name."""
        old = self.old.get((row.table, row.name))
        ids = {TAG: "true"}
        if old is not None and (not old.ours or ADOPTED in old.ids):
            ids[ADOPTED] = "true"
        row.columns["external_ids"] = {**row.ids, **ids}
        if old is None:
            return row
        columns = {**old.columns}
        before = self.active.get((row.table, row.name))
        for column, value in before.columns.items() if before is not None else ():
            if isinstance(value, dict):
                columns[column] = {key: item for key, item in old.mapping(column).items() if key not in value}
            else:
                columns.pop(column, None)
        for column, value in row.columns.items():
            kept = columns.get(column)
            columns[column] = {**kept, **value} if isinstance(kept, dict) and isinstance(value, dict) else value
        row.columns = columns
        return row

    def leave(self, row: _Row) -> None:
        """A row of ours that is no longer wanted: it goes, unless it was there before us or others depend on it."""
        bridge = row.name if row.table == "Bridge" else self.bridge_of(row)
        guests = [
            other.name
            for other in self.new.values()
            if other.table == "Port" and other.parent == bridge and not other.ours and other.name != bridge
        ]
        local = row.name == bridge
        if ADOPTED not in row.ids and not (local and (guests or ("Bridge", bridge) in self.new)):
            return
        if row.table == "Bridge" and guests:
            self.summary.append(
                f"{row.name}: stays in Open vSwitch, because ports of others are on it: {', '.join(guests)}"
            )
        ids = {key: value for key, value in row.ids.items() if key not in (TAG, ADOPTED)}
        released = _Row({"table": row.table, "name": row.name, "parent": row.parent, "columns": {}})
        released.columns = {**row.columns, "external_ids": ids}
        self.new[row.table, row.name] = released

    def bridge_of(self, row: _Row) -> str:
        """The bridge of a port or of an interface."""
        if row.table == "Port":
            return row.parent
        port = self.old.get(("Port", row.parent))
        return port.parent if port is not None else ""

    def complete(self) -> None:
        """Drops what cannot be: ports without a bridge or an interface, interfaces without a port."""
        parents: list[tuple[Table, Table]] = [("Port", "Bridge"), ("Interface", "Port")]
        for table, parent in parents:
            for key, row in [*self.new.items()]:
                if row.table == table and (parent, row.parent) not in self.new:
                    del self.new[key]
        for key, row in [*self.new.items()]:
            if row.table == "Port" and not _interfaces(self.new, row.name):
                del self.new[key]

    def structure(self) -> set[str]:
        """Names of ports that have to be built: new ones, gone ones, those with another bridge or other interfaces."""
        names = {name for table, name in (*self.old, *self.new) if table == "Port"}
        return {name for name in names if _shape(self.old, name) != _shape(self.new, name)}

    def changed_names(self) -> set[str]:
        """Names of bridges, ports and interfaces that notice the change; a tag of ours they do not notice."""
        names: set[str] = set()
        for key in {*self.old, *self.new}:
            table, name = key
            old, new = self.old.get(key), self.new.get(key)
            columns = [column for column in COLUMNS[table] if column != "external_ids"]
            if old is None or new is None or any(old.get(column) != new.get(column) for column in columns):
                names.add(name)
            if table == "Port" and name in self.rebuilt:
                names |= {name, *_interfaces(self.old, name), *_interfaces(self.new, name)}
        return names

    def lines(self) -> list[str]:
        """What changes, for people."""
        lines = []
        for table, name in sorted({*self.old, *self.new}):
            old, new = self.old.get((table, name)), self.new.get((table, name))
            if table == "Port" and name in self.rebuilt:
                lines += _port_lines(name, _shape(self.old, name), _shape(self.new, name))
            elif old is None or new is None:
                if table == "Bridge":
                    lines.append(f"{name}: {'bridge removed from' if new is None else 'new bridge in'} Open vSwitch")
                continue
            if old is not None and new is not None:
                lines += [f"{name}: {table} {change}" for change in _column_lines(old, new)]
        return lines + self.summary

    def forward(self) -> list[str]:
        """Arguments of ovs-vsctl that make the old rows the new ones; none when they are the same."""
        return _transaction(self.old, self.new, self.rebuilt)

    def back(self) -> list[str]:
        """The inverse."""
        return _transaction(self.new, self.old, self.rebuilt)


_Rows = Mapping[_Key, _Row]


def _interfaces(rows: _Rows, port: str) -> list[str]:
    return sorted(name for (table, name), row in rows.items() if table == "Interface" and row.parent == port)


def _shape(rows: _Rows, port: str) -> tuple[str, list[str]] | None:
    """Bridge and interfaces of a port; None for one that is not there, or that is there because its bridge is."""
    row = rows.get(("Port", port))
    if row is None or row.parent == port:
        return None
    return row.parent, _interfaces(rows, port)


def _transaction(source: _Rows, target: _Rows, rebuilt: Iterable[str]) -> list[str]:
    """One call of ovs-vsctl, right from ``source`` and from ``target``."""
    commands: list[list[str]] = []
    bridges = (
        {name for table, name in source if table == "Bridge"},
        {name for table, name in target if table == "Bridge"},
    )
    commands += [["--if-exists", "del-port", name] for name in sorted(rebuilt)]
    commands += [["--if-exists", "del-br", name] for name in sorted(bridges[0] - bridges[1])]
    commands += [["--may-exist", "add-br", name] for name in sorted(bridges[1] - bridges[0])]
    built = [name for name in sorted(rebuilt) if _shape(target, name) is not None]
    made: set[_Key] = set()
    for index, name in enumerate(built):
        interfaces = _interfaces(target, name)
        made |= {("Port", name), *(("Interface", interface) for interface in interfaces)}
        ids = [f"@interface{index}_{position}" for position in range(len(interfaces))]
        for interface, identifier in zip(interfaces, ids, strict=True):
            commands.append(_create(target["Interface", interface], identifier))
        commands.append([*_create(target["Port", name], f"@port{index}"), f"interfaces={','.join(ids)}"])
        commands.append(["add", "Bridge", target["Port", name].parent, "ports", f"@port{index}"])
    for key in sorted(target):
        if key not in made:
            commands += _columns(source.get(key), target[key])
    arguments: list[str] = []
    for command in commands:
        arguments += ["--", *command] if arguments else command
    return arguments


def _create(row: _Row, identifier: str) -> list[str]:
    """The command that makes a row with all its columns."""
    settings = [setting for column in sorted(row.columns) for setting in _settings(row, column, {})]
    return [f"--id={identifier}", "create", row.table, f"name={_atom(row.name)}", *settings]


def _columns(old: _Row | None, new: _Row) -> list[list[str]]:
    """The commands that give a row that is there its columns."""
    values: list[str] = []
    others: list[list[str]] = []
    for column, kind in COLUMNS[new.table].items():
        before = old.get(column) if old is not None else _empty(kind)
        after = new.get(column)
        if new.table == "Interface" and column == "type" and old is None and after == "internal":
            continue  # add-br made it
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            values += _settings(new, column, before)
            for key in sorted(set(before) - set(after)):
                others.append(["--if-exists", "remove", new.table, new.name, column, _atom(key)])
        elif after == _empty(kind) and kind.startswith(("optional", "set")):
            others.append(["--if-exists", "clear", new.table, new.name, column])
        else:
            values += _settings(new, column, {})
    return [*([["--if-exists", "set", new.table, new.name, *values]] if values else []), *others]


def _settings(row: _Row, column: str, before: Mapping[str, str]) -> list[str]:
    """``column=value``, or ``column:key=value`` for each key of a map that has another value than before."""
    kind, value = COLUMNS[row.table][column], row.columns[column]
    if isinstance(value, dict):
        return [
            f"{column}:{_atom(key)}={_atom(item)}" for key, item in sorted(value.items()) if before.get(key) != item
        ]
    if isinstance(value, list):
        items = [_atom(item) if kind == "set string" else item for item in value]
        return [f"{column}=[{','.join(items)}]"] if items else []
    if kind.startswith("optional") and not value:
        return []
    return [f"{column}={_atom(value) if 'string' in kind else value}"]


_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-")


def _atom(text: str) -> str:
    """A text as ovs-vsctl(8) reads it: in the quotes of JSON, unless it is a plain word."""
    if _BARE.match(text) and text not in ("true", "false") and not _UUID.match(text):
        return text
    return json.dumps(text)


def _port_lines(name: str, old: tuple[str, list[str]] | None, new: tuple[str, list[str]] | None) -> list[str]:
    if new is None:
        return [f"{name}: port removed from {old[0]}"] if old is not None else []
    if old is None or old[0] != new[0]:
        return [f"{name}: new port of {new[0]}" + (f", with {', '.join(new[1])}" if new[1] != [name] else "")]
    return [f"{name}: {line}" for line in _set_lines("member", old[1], new[1])]


def _column_lines(old: _Row, new: _Row) -> list[str]:
    lines = []
    for column in COLUMNS[new.table]:
        before, after = old.get(column), new.get(column)
        if isinstance(before, dict) and isinstance(after, dict):
            for key in sorted({*before, *after} - {TAG, ADOPTED}):
                if before.get(key) != after.get(key):
                    lines.append(f"{column}:{key} {before.get(key, 'none')} -> {after.get(key, 'none')}")
        elif before != after:
            lines.append(f"{column} {_shown(before)} -> {_shown(after)}")
    return lines


def _shown(value: Value) -> str:
    return (", ".join(value) if isinstance(value, list) else str(value)) or "none"
