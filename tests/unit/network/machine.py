# SPDX-License-Identifier: Apache-2.0
"""A node made of plain data, on which Steps can be carried out: files, a kernel, networkd, Open vSwitch.

networkd is as strict as the real one: it configures a link when the text of its file changed, when the link is new or
when it is told to, and never otherwise; it makes netdevs that are missing and does not touch those that are there, and
it removes none. Open vSwitch has the rows alone, changed by one transaction or not at all.
"""

from __future__ import annotations

import copy
import fnmatch
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.network import difference, switch
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (
    File,
    Nic,
    Observed,
    OvsRow,
    Steps,
    Wanted,
)

NETWORK = difference.NETWORK_DIRECTORY


def nic(index: int, **more: Any) -> Nic:
    """A NIC ``eth<index>``."""
    return {
        "name": f"eth{index}",
        "mac": f"52:54:00:00:00:{index:02x}",
        "pci": f"0000:00:{index:02x}.0",
        "port": 0,
        "driver": "virtio_net",
        "type": "ether",
        "vf_of": "",
        "carrier": True,
        "speed": 0,
        "max_mtu": 9000,
        **more,  # type: ignore[typeddict-item]
    }


@dataclass
class Link:
    """A link of the kernel."""

    kind: str = ""
    options: dict[str, str] = field(default_factory=dict)
    master: str = ""
    mtu: int = 1500
    up: bool = True
    addresses: set[str] = field(default_factory=set)
    routes: set[tuple[str, str, str, int]] = field(default_factory=set)  # destination, gateway, protocol, table


class Machine:
    """The node."""

    def __init__(self, nics: list[Nic]) -> None:
        self.nics = nics
        self.files: dict[str, File] = {}  # ours, and those of others
        self.units: dict[str, bool] = {difference.NETWORKD: False}
        self.rows = Database()
        self.links: dict[str, Link] = {nic["name"]: Link() for nic in nics}
        self.networkd = Networkd(self)
        self.active: Wanted | None = None
        self.foreign: list[str] = []
        self.directories = ["/etc/cloud"]
        self.log: list[str] = []

    def observed(self) -> Observed:
        """What a probe would see."""
        return {
            "nics": copy.deepcopy(self.nics),
            "links": [
                {
                    "name": name,
                    "kind": link.kind,
                    "ifindex": 1,
                    "mac": "",
                    "mtu": link.mtu,
                    "up": link.up,
                    "carrier": True,
                    "master": link.master,
                    "addresses": sorted(link.addresses),
                    "options": dict(link.options),
                }
                for name, link in self.links.items()
            ],
            "routes": [
                {
                    "destination": destination,
                    "gateway": gateway,
                    "device": name,
                    "table": table,
                    "metric": 0,
                    "protocol": protocol,
                }
                for name, link in self.links.items()
                for destination, gateway, protocol, table in sorted(link.routes)
            ],
            "files": {
                path: file
                for path, file in self.files.items()
                for directory, pattern in difference.OWNED
                if fnmatch.fnmatch(path, f"{directory}/{pattern}")
            },
            "ovs": self.rows.dump(),
            "ovs_error": "",
            "numbers": [],
            "active": copy.deepcopy(self.active),
            "pending": "",
            "reverted": {},
            "sources": [],
            "foreign": {path: self.files[path]["text"] for path in self.foreign if path in self.files},
            "foreign_modes": {path: self.files[path]["mode"] for path in self.foreign if path in self.files},
            "foreign_units": sorted(
                unit for unit, enabled in self.units.items() if enabled and unit != difference.NETWORKD
            ),
            "networkd": self.units[difference.NETWORKD],
            "directories": self.directories,
        }

    def state(self) -> dict[str, Any]:
        """All that a change and its inverse have to leave as it was."""
        return copy.deepcopy({"files": self.files, "units": self.units, "rows": self.rows.dump(), "links": self.links})

    # Steps

    def parts(self, steps: Steps) -> Iterator[Callable[[], object]]:
        """The single steps, in their order. A kill can come between any two of them."""
        for unit in steps["disable"]:
            yield lambda unit=unit: self.units.update({unit: False})
        for unit in steps["enable"]:
            yield lambda unit=unit: self.units.update({unit: True})
        for path, file in steps["files"].items():
            yield lambda path=path, file=file: self.place(path, file)
        for name in steps["delete"]:
            yield lambda name=name: self.delete(name)
        if steps["ovs"]:
            yield lambda: self.transact(steps["ovs"])
        if steps["reload"] or steps["restart"]:
            yield self.networkd.reload
        if steps["reconfigure"]:
            yield lambda: [self.networkd.configure(name) for name in steps["reconfigure"]]
        for command in steps["commands"]:
            yield lambda command=command: self.run(command)

    def carry(self, steps: Steps, until: int | None = None) -> bool:
        """Carries steps out, all or the first few. Whether the end was reached."""
        for count, part in enumerate(self.parts(steps)):
            if count == until:
                return False
            part()
        return True

    def place(self, path: str, file: File | None) -> None:
        """Writes or removes a file."""
        if file is None:
            self.files.pop(path, None)
        else:
            self.files[path] = copy.deepcopy(file)

    def delete(self, name: str) -> None:
        """A link goes, and what is on it."""
        link = self.links.pop(name, None)
        if link is None:
            return
        assert link.kind not in ("", "openvswitch"), f"{name} cannot be deleted"
        self.networkd.applied.pop(name, None)
        self.networkd.made.pop(name, None)
        for other, seen in [*self.links.items()]:
            if seen.master == name:
                seen.master = ""
            if seen.options.get("parent") == name:
                self.delete(other)

    def transact(self, arguments: list[str]) -> None:
        """ovs-vsctl, and then the daemon."""
        self.rows.transact(arguments)
        self.datapath()

    def datapath(self) -> None:
        """What ovs-vswitchd does after a change of rows or links."""
        interfaces = {row["name"]: row for row in self.rows.dump() if row["table"] == "Interface"}
        for name, row in interfaces.items():
            if row["columns"].get("type") == "internal":
                link = self.links.get(name)
                if link is None:
                    link = self.links[name] = Link("openvswitch", master="ovs-system")
                if link.kind == "openvswitch":
                    link.mtu = int(str(row["columns"].get("mtu_request", "1500")))
            elif name in self.links and not self.links[name].master:
                self.links[name].master = "ovs-system"
        for name, link in [*self.links.items()]:
            if link.kind == "openvswitch" and interfaces.get(name, {}).get("columns", {}).get("type") != "internal":
                del self.links[name]
                self.networkd.applied.pop(name, None)
                self.networkd.made.pop(name, None)
            elif link.master == "ovs-system" and name not in interfaces:
                link.master = ""

    def run(self, command: list[str]) -> None:
        """A call of ip(8). What fails does no harm."""
        words = [word for word in command[1:] if word != "-6"]
        kind, verb, *rest = words
        options = dict(zip(rest[::2], rest[1::2], strict=False)) if kind != "link" else {}
        if kind == "link" and verb == "add":
            self.add(rest)
        elif kind == "link" and verb == "delete":
            if rest[1] in self.links and self.links[rest[1]].kind != "openvswitch":
                self.delete(rest[1])
                before = set(self.links)
                self.datapath()
                for name in set(self.links) - before:
                    self.networkd.configure(name)  # it sees links appear
        elif kind == "link":
            self.set(rest)
        elif kind == "address":
            link = self.links.get(rest[2])
            if link is not None:
                (link.addresses.add if verb == "replace" else link.addresses.discard)(rest[0])
        else:
            rest = rest[1:]
            options = dict(zip(rest[::2], rest[1::2], strict=True))
            link = self.links.get(options["dev"])
            entry = (words[2], options.get("via", ""), options["proto"], int(options.get("table", "254")))
            if link is not None and link.up:
                (link.routes.add if verb == "replace" else link.routes.discard)(entry)

    def add(self, words: list[str]) -> None:
        """``ip link add``."""
        options = dict(zip(words[::2], words[1::2], strict=True))
        name, kind, parent = options.pop("name"), options.pop("type"), options.pop("link", "")
        if name in self.links or (parent and parent not in self.links):
            return
        kept = {"lacp_rate": "ad_lacp_rate"}
        found = {kept.get(option, option): value for option, value in options.items()}
        self.links[name] = Link(kind, {**found, **({"parent": parent} if parent else {})})

    def set(self, words: list[str]) -> None:
        """``ip link set``."""
        link = self.links.get(words[1])
        if link is None:
            return
        match words[2:]:
            case ["nomaster"]:
                link.master = ""
                self.datapath()
            case ["master", master]:
                link.master = master if master in self.links else link.master
            case ["mtu", mtu]:
                link.mtu = int(mtu)
            case ["up" | "down" as state]:
                link.up = state == "up"
            case ["type", kind, *rest]:
                assert kind == link.kind
                link.options |= dict(zip(rest[::2], rest[1::2], strict=True))


class Networkd:
    """systemd-networkd. ``applied``: link -> file that it was configured by; ``made``: what it put there."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.applied: dict[str, tuple[str, str]] = {}
        self.made: dict[str, tuple[set[str], set[tuple[str, str, str, int]]]] = {}

    def units(self, suffix: str) -> Iterator[tuple[str, str]]:
        """Files with that suffix, in their order."""
        for path, file in sorted(self.machine.files.items()):
            if path.startswith(f"{NETWORK}/") and path.endswith(f".{suffix}"):
                yield path, file["text"]

    def file(self, name: str) -> tuple[str, str] | None:
        """Path and text of the first .network file that matches a link."""
        seen = {nic["name"]: nic for nic in self.machine.nics}.get(name)
        for path, text in self.units("network"):
            match = dict(read(text))["Match"]
            found = {"Name": name}
            if seen is not None:
                found |= {"PermanentMACAddress": seen["mac"], "Path": f"pci-{seen['pci']}"}
            if all(found.get(key) == value for key, value in match):
                return path, text
        return None

    def reload(self) -> None:
        """``networkctl reload``: netdevs that are missing, links whose file changed."""
        while self.make():
            pass
        for name in [*self.machine.links]:
            if self.applied.get(name) != self.file(name):
                self.configure(name)
        self.machine.datapath()

    def make(self) -> bool:
        """Makes the netdevs that can be made now."""
        made = False
        for _path, text in self.units("netdev"):
            sections = dict(read(text))
            netdev = dict(sections["NetDev"])
            name, kind = netdev["Name"], netdev["Kind"]
            if name in self.machine.links:
                continue
            options = {}
            if kind == "bond":
                bond = dict(sections["Bond"])
                names = {
                    "Mode": "mode",
                    "LACPTransmitRate": "ad_lacp_rate",
                    "AdSelect": "ad_select",
                    "FailOverMACPolicy": "fail_over_mac",
                    "MIIMonitorSec": "miimon",
                }
                options = {names[key]: value.removesuffix("ms") for key, value in bond.items() if key in names}
            if kind in ("vlan", "ipoib"):
                parent = self.carrier(name, "VLAN" if kind == "vlan" else "IPoIB")
                if parent is None or self.taken(parent, sections):
                    continue
                options = {"parent": parent}
                if kind == "vlan":
                    options["id"] = dict(sections["VLAN"])["Id"]
            self.machine.links[name] = Link(kind, options)
            made = True
        return made

    def carrier(self, name: str, key: str) -> str | None:
        """The link whose file says that it carries that netdev."""
        for other in self.machine.links:
            file = self.file(other)
            if file is not None and (key, name) in dict(read(file[1]))["Network"]:
                return other
        return None

    def taken(self, parent: str, sections: dict[str, list[tuple[str, str]]]) -> bool:
        """Whether a parent has a VLAN of that ID already."""
        vlan = {"parent": parent, "id": dict(sections.get("VLAN", [])).get("Id", "")}
        return any(link.kind == "vlan" and link.options == vlan for link in self.machine.links.values())

    def configure(self, name: str) -> None:
        """Makes a link what its file says; without a file, takes away what an old one put there."""
        link, file = self.machine.links[name], self.file(name)
        self.machine.log.append(name)
        addresses, routes = self.made.pop(name, (set(), set()))
        link.addresses -= addresses
        link.routes -= routes
        self.applied.pop(name, None)
        if file is None:
            return
        self.applied[name] = file
        link.up = True
        sections = read(file[1])
        network = dict(sections)["Network"]
        if ("KeepMaster", "yes") not in network and link.master != "ovs-system":
            wanted = [value for key, value in network if key in ("Bond", "Bridge")]
            link.master = wanted[0] if wanted else ""
        for key, value in dict(sections)["Link"]:
            if key == "MTUBytes":
                link.mtu = int(value)
        addresses = {dict(entries)["Address"] for section, entries in sections if section == "Address"}
        routes = {route(dict(entries)) for section, entries in sections if section == "Route"}
        self.made[name] = (addresses, routes)
        link.addresses |= addresses
        link.routes |= routes


def route(entries: dict[str, str]) -> tuple[str, str, str, int]:
    """A route as the kernel shows it."""
    destination = entries["Destination"]
    default = destination in ("0.0.0.0/0", "::/0")
    return "default" if default else destination, entries.get("Gateway", ""), "static", int(entries.get("Table", "254"))


def read(text: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Sections of a file of systemd, of which there may be several with one name."""
    sections: list[tuple[str, list[tuple[str, str]]]] = []
    for line in text.splitlines():
        if line.startswith("["):
            sections.append((line.strip("[]"), []))
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            sections[-1][1].append((key, value))
    return sections


class Database:
    """Open vSwitch's database, as far as ovs-vsctl is used here."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {"Bridge": {}, "Port": {}, "Interface": {}}

    def dump(self) -> list[OvsRow]:
        """The rows, as a probe sees them."""
        rows: list[OvsRow] = []
        for table, records in self.tables.items():
            for name, record in sorted(records.items()):
                columns = {key: copy.deepcopy(value) for key, value in record.items() if not key.startswith("_")}
                columns = {key: value for key, value in columns.items() if value not in ("", [], {})}
                rows.append({"table": table, "name": name, "parent": record["_parent"], "columns": columns})  # type: ignore[typeddict-item]
        return rows

    def add(self, table: str, name: str, parent: str, **columns: Any) -> None:
        """A row of somebody."""
        self.tables[table][name] = {"_parent": parent, **columns}

    def bridge(self, name: str) -> None:
        """A bridge with its local port."""
        self.add("Bridge", name, "")
        self.add("Port", name, name)
        self.add("Interface", name, name, type="internal")

    def transact(self, arguments: list[str]) -> None:
        """All commands, or none."""
        before = copy.deepcopy(self.tables)
        created: dict[str, tuple[str, dict[str, Any]]] = {}
        try:
            command: list[str] = []
            for word in [*arguments, "--"]:
                if word == "--":
                    self.command(command, created)
                    command = []
                else:
                    command.append(word)
            for port, record in self.tables["Port"].items():
                assert record["_parent"] in self.tables["Bridge"], f"{port} has no bridge"
                assert any(one["_parent"] == port for one in self.tables["Interface"].values()), f"{port} is empty"
        except BaseException:
            self.tables = before
            raise

    def command(self, words: list[str], created: dict[str, tuple[str, dict[str, Any]]]) -> None:
        """One of them."""
        options = [word for word in words if word.startswith("--")]
        verb, *rest = [word for word in words if not word.startswith("--")]
        if verb == "del-port":
            self.delete_port(rest[0])
        elif verb == "del-br":
            for port in [name for name, record in self.tables["Port"].items() if record["_parent"] == rest[0]]:
                self.delete_port(port)
            self.tables["Bridge"].pop(rest[0], None)
        elif verb == "add-br":
            assert "--may-exist" in options
            if rest[0] not in self.tables["Bridge"]:
                self.bridge(rest[0])
        elif verb == "create":
            table, *settings = rest
            record: dict[str, Any] = {"_parent": ""}
            for setting in settings:
                self.set(record, table, setting)
            name = record.pop("name")
            assert name not in self.tables[table], f"{table} {name} is there already"
            self.tables[table][name] = record
            created[options[0].removeprefix("--id=")] = (name, record)
            for identifier in record.pop("interfaces", "").split(","):
                if identifier:
                    created[identifier][1]["_parent"] = name
        elif verb == "add":
            assert rest[0::2] == ["Bridge", "ports"] and rest[1] in self.tables["Bridge"]
            created[rest[3]][1]["_parent"] = rest[1]
        else:
            table, name, *settings = rest
            if name not in self.tables[table]:
                assert "--if-exists" in options
                return
            record = self.tables[table][name]
            if verb == "set":
                for setting in settings:
                    self.set(record, table, setting)
            elif verb == "clear":
                assert switch.COLUMNS[table][settings[0]].startswith(("optional", "set")), settings
                record.pop(settings[0], None)
            else:
                assert verb == "remove"
                record.get(settings[0], {}).pop(atom(settings[1]), None)

    def delete_port(self, name: str) -> None:
        """A port and its interfaces."""
        if self.tables["Port"].pop(name, None) is not None:
            for interface in [one for one, record in self.tables["Interface"].items() if record["_parent"] == name]:
                del self.tables["Interface"][interface]

    def set(self, record: dict[str, Any], table: str, setting: str) -> None:
        """``column[:key]=value``."""
        column, key, value = re.fullmatch(r'(\w+)(?::("(?:[^"\\]|\\.)*"|[^=]+))?=(.*)', setting, re.DOTALL).groups()  # type: ignore[union-attr]
        if column in ("name", "interfaces"):
            record[column] = atom(value) if column == "name" else value
            return
        kind = switch.COLUMNS[table][column]
        assert (kind == "map") == (key is not None), setting
        if key is not None:
            record.setdefault(column, {})[atom(key)] = atom(value)
        elif kind.startswith("set"):
            items = value.strip("[]").split(",")
            record[column] = sorted(atom(item) if kind == "set string" else item for item in items)
        elif "string" in kind:
            record[column] = atom(value)
        else:
            assert re.fullmatch(r"true|false|-?[0-9]+", value), setting
            record[column] = "" if value in ("false", "0") and not kind.startswith("optional") else value


def atom(text: str) -> str:
    """A text as ovs-vsctl(8) reads it."""
    if text.startswith('"'):
        return str(json.loads(text))
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text) and text not in ("true", "false"), text
    return text
