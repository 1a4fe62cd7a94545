# SPDX-License-Identifier: Apache-2.0
"""Rows of Open vSwitch, from what they are to what they shall be: one transaction of ovs-vsctl(8), and its inverse.

What is ours has a tag. Rows of others are theirs: OVN, neutron and an operator have ports on our bridges and keys in
our rows, and all of that stays. A row that was there when the configuration began to speak of it is adopted: it gets
the columns that are named and the tag, and when it leaves the configuration it is let go, not removed.

A transaction never asks what is there, so that it ends alike whether it begins at the old rows or, after an
interruption, already at the new ones: it removes a port that has to be built otherwise, and builds it. The daemon
sees only the result of a transaction and knows ports by their names: one that is removed and built in the same
transaction keeps carrying packets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import OvsRow

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


def ours(row: OvsRow) -> bool:
    """Whether we wrote a row."""
    return _Row(row).ours


class Switch:
    """Rows as they are and as they shall be, each with all columns that make a configuration, whoever wrote them.

    ``active``: what we wrote last; ``nics``: that the configuration uses, in Open vSwitch or not.
    """

    def __init__(
        self, observed: Sequence[OvsRow], wanted: Sequence[OvsRow], active: Sequence[OvsRow], nics: Collection[str]
    ) -> None:
        self.nics = nics
        self.summary: list[str] = []
        self.old = {(row["table"], row["name"]): _Row(row) for row in observed}
        self.active = {(row["table"], row["name"]): _Row(row) for row in active}
        self.new = {key: row for key, row in self.old.items() if not row.ours}
        targets = {(row["table"], row["name"]): self.target(_Row(row)) for row in wanted}
        self.new |= targets
        for key, row in self.old.items():
            if row.ours and key not in targets:
                self.leave(row)
        self.summary += [
            f"{row.name}: waits for the bridge {row.parent}, which is not there"
            for row in targets.values()
            if row.table == "Port" and ("Bridge", row.parent) not in self.new
        ]
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
        taken = row.table == "Interface" and row.name in self.nics
        if (ADOPTED not in row.ids or taken) and not (local and (guests or ("Bridge", bridge) in self.new)):
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

    @property
    def interfaces(self) -> frozenset[str]:
        """Names of the interfaces that there will be."""
        return frozenset(name for table, name in self.new if table == "Interface")

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
    kind, value = COLUMNS[row.table][column], row.get(column)
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
    return [f"{name}: {line}" for line in set_lines("member", old[1], new[1])]


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


def set_lines(what: str, old: Iterable[str], new: Iterable[str]) -> list[str]:
    """What was added to a set and removed from it; one that replaces another is one line."""
    before, after = [*old], [*new]
    added = [item for item in after if item not in before]
    removed = [item for item in before if item not in after and not (what == "address" and item.startswith("fe80:"))]
    if len(added) == len(removed) == 1:
        return [f"{what} {removed[0]} -> {added[0]}"]
    return [f"add {what} {item}" for item in added] + [f"remove {what} {item}" for item in removed]
