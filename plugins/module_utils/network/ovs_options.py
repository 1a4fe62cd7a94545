# SPDX-License-Identifier: Apache-2.0
"""What an operator sets in Open vSwitch (``ovs_options``, ``ovs_extra``), as columns of rows.

A change is one transaction of the database with a computed way back, so only what sets a column can be had: no commands
that remove, create or clear rows, and nothing that leaves the database (flows). Columns by ovs-vswitchd.conf.db(5).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, Literal, cast

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network import reading
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Device, OvsSetting
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import Report, show

Table = Literal["Bridge", "Port", "Interface"]

#: The mark of rows that are ours.
TAG = "ozone-network"

_MAP: tuple[str, ...] = ("map",)
_BOOL = ("true", "false")

#: Table -> columns that can be set: "map", "mac", "vlan", "vlans", "number", or the choices.
COLUMNS: dict[Table, dict[str, tuple[str, ...]]] = {
    "Bridge": {
        "datapath_type": ("system", "netdev"),
        "external_ids": _MAP,
        "fail_mode": ("standalone", "secure"),
        "flood_vlans": ("vlans",),
        "mcast_snooping_enable": _BOOL,
        "other_config": _MAP,
        "protocols": ("protocols",),
        "rstp_enable": _BOOL,
        "stp_enable": _BOOL,
    },
    "Port": {
        "bond_downdelay": ("number",),
        "bond_mode": ("active-backup", "balance-slb", "balance-tcp"),
        "bond_updelay": ("number",),
        "cvlans": ("vlans",),
        "external_ids": _MAP,
        "lacp": ("active", "passive", "off"),
        "other_config": _MAP,
        "protected": _BOOL,
        "tag": ("vlan",),
        "trunks": ("vlans",),
        "vlan_mode": ("trunk", "access", "native-tagged", "native-untagged", "dot1q-tunnel"),
    },
    "Interface": {
        "bfd": _MAP,
        "cfm_mpid": ("number",),
        "external_ids": _MAP,
        "ingress_policing_burst": ("number",),
        "ingress_policing_kpkts_burst": ("number",),
        "ingress_policing_kpkts_rate": ("number",),
        "ingress_policing_rate": ("number",),
        "lldp": _MAP,
        "mac": ("mac",),
        "ofport_request": ("number",),
        "options": _MAP,
        "other_config": _MAP,
    },
}

_ROWS = "it refers to other rows"
_RUNTIME = "Open vSwitch writes it itself"

#: (table, column) -> why it cannot be set, and what to do.
REFUSED_COLUMNS: dict[tuple[Table, str], tuple[str, str]] = {
    ("Bridge", "name"): ("it is the name of the row", "change name of the device"),
    ("Bridge", "ports"): (_ROWS, "write the ports as members"),
    ("Bridge", "controller"): ("OVN and neutron set their controllers themselves", "remove it"),
    ("Bridge", "datapath_id"): (_RUNTIME, "set other_config:datapath-id"),
    **{("Bridge", name): (_ROWS, "remove it")
       for name in ("mirrors", "netflow", "sflow", "ipfix", "flow_tables", "auto_attach")},
    ("Port", "name"): ("it is the name of the row", "change name of the device"),
    ("Port", "interfaces"): (_ROWS, "write them as members"),
    ("Port", "qos"): (_ROWS, "remove it"),
    ("Port", "bond_active_slave"): (_RUNTIME, "set other_config:bond-primary"),
    ("Port", "bond_fake_iface"): ("it makes a device nobody knows", "write a vlan among the bridge's members"),
    ("Port", "fake_bridge"): ("it makes a bridge that nothing else knows", "write a vlan among the bridge's members"),
    ("Port", "mac"): ("it has an effect with bond_fake_iface only", "set other-config:hwaddr of the bridge"),
    ("Interface", "name"): ("it is the name of the row", "change name of the device"),
    ("Interface", "type"): ("it follows from the type of the device", "choose another type of device"),
    ("Interface", "mtu_request"): ("the MTU of a device is said once", "write mtu"),
    ("Interface", "ofport"): (_RUNTIME, "set ofport_request"),
    ("Interface", "mac_in_use"): (_RUNTIME, "set mac"),
    ("Interface", "mtu"): (_RUNTIME, "write mtu"),
}  # fmt: skip

_NO_INVERSE = "what it takes away could not be put back"
_NOT_OURS = "it belongs to the switch as a whole, which the role ovn configures"

#: Commands of ovs-vsctl (and of its neighbours) that cannot be had: why, and what to do.
REFUSED_COMMANDS: dict[str, tuple[str, str]] = {
    "add-br": ("bridges are devices", "write an ovs_bridge"),
    "add-port": ("ports are members", "write the port among the members"),
    "add-bond": ("bonds are devices", "write an ovs_bond"),
    "add-flow": ("flows are not in the database, and go at every restart", "leave flows to OVN or neutron"),
    "add-flows": ("flows are not in the database, and go at every restart", "leave flows to OVN or neutron"),
    "mod-flows": ("flows are not in the database, and go at every restart", "leave flows to OVN or neutron"),
    "set-controller": ("OVN and neutron set their controllers themselves", "remove it"),
    "set-manager": (_NOT_OURS, "remove it"),
    "set-ssl": (_NOT_OURS, "remove it"),
    "set-aa-mapping": (_ROWS, "remove it"),
    "create": ("rows without a device are not made", "remove it"),
    "add": ("a set that others add to as well has no way back", "use set <table> <record> <column>:<key>=<value>"),
    "remove": (_NO_INVERSE, "remove it; what is no longer written is taken back by itself"),
    "clear": (_NO_INVERSE, "remove it; what is no longer written is taken back by itself"),
    "destroy": (_NO_INVERSE, "remove it"),
    "emer-reset": (_NO_INVERSE, "remove it"),
}

_TABLES: dict[str, Table] = {"bridge": "Bridge", "port": "Port", "interface": "Interface", "iface": "Interface"}
_NAME = re.compile(r"\{(?:name|DEVICE)\}|\$\{DEVICE\}|\$DEVICE\b")
_KEY = re.compile(r"[^\s=\"\\,{}\[\]]{1,255}\Z")
_PROTOCOL = re.compile(r"OpenFlow1[0-5]\Z")
_MODES_OF_LACP = frozenset({"active", "passive"})


def _values(text: str) -> list[str]:
    """The members of a set: ``1,2``, ``[1,2]`` or one."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return [word.strip().strip('"') for word in inner.split(",")]


def _fits(form: tuple[str, ...], text: str) -> str:
    """What a value has to be; empty when it is that."""
    words = _values(text)
    if form == ("number",):
        return "" if re.fullmatch(r"[0-9]{1,9}", text) else "a number"
    if form == ("mac",):
        return "" if reading.normal_nic(text).count(":") == 5 else "a MAC address"
    if form in (("vlan",), ("vlans",)):
        ids = words if form == ("vlans",) else [text]
        fits = all(re.fullmatch(r"[0-9]{1,4}", word) and int(word) <= 4094 for word in ids)
        return "" if fits else "a VLAN" if form == ("vlan",) else "VLANs with commas between"
    if form == ("protocols",):
        return "" if all(_PROTOCOL.match(word) for word in words) else "names such as OpenFlow13, commas between"
    return "" if text in form else "one of " + ", ".join(form)


def _column(report: Report, path: str, table: Table, name: str) -> str | None:
    """The name of a column in full, ``-`` and ``_`` being the same; told when it cannot be set."""
    word = name.replace("-", "_").lower()
    known = COLUMNS[table]
    if word in known:
        return word
    refused = REFUSED_COLUMNS.get((table, word))
    if refused:
        report.add(path, f"{word} of {table} cannot be set: {refused[0]}", refused[1])
    else:
        report.add(path, f"{show(name)} is no column of {table} that can be set", did_you_mean(word, known))
    return None


def _setting(report: Report, path: str, table: Table, record: str, word: str) -> OvsSetting | None:
    """``<column>[:<key>]=<value>``; None when it is wrong, which is told."""
    left, equals, value = word.partition("=")
    name, colon, key = left.partition(":")
    if not equals or not name or (colon and not key):
        report.add(path, f"{show(word)} sets nothing", "write <column>=<value> or <column>:<key>=<value>")
        return None
    column = _column(report, path, table, name)
    if column is None:
        return None
    form = COLUMNS[table][column]
    key, value = key.strip('"'), value.strip('"')
    if form == _MAP and not colon:
        report.add(
            path,
            f"{show(word)} would replace all of {column}, also what others set there",
            f"write {column}:<key>=<value>",
        )
        return None
    if form != _MAP and colon:
        report.add(path, f"{column} of {table} has no keys", f"write {column}=<value>")
        return None
    if not value or value in ("[]", "{}") or value.startswith("@"):
        report.add(path, f"{show(word)} has no value to set", "write a value, or leave it out")
        return None
    if form == _MAP and not _KEY.match(key):
        report.add(path, f"{show(key)} cannot be a key", "letters, digits and - _ . :")
        return None
    if column == "external_ids" and key == TAG:
        report.add(path, f"{TAG} marks the rows that are made here", "choose another key")
        return None
    wrong = "" if form == _MAP else _fits(form, value)
    if wrong:
        report.add(path, f"{show(value)} is not possible for {column} of {table}", f"must be {wrong}")
        return None
    if form == ("vlans",) or form == ("protocols",):
        value = ",".join(sorted(set(_values(value)), key=lambda one: (len(one), one)))
    return OvsSetting(table, record, column, key if form == _MAP else None, value)


def _split(report: Report, path: str, text: str, name: str) -> list[str] | None:
    """The words of a command, as a shell would split them, with the device's name put in."""
    try:
        words = shlex.split(text)
    except ValueError:
        report.add(path, f"{show(text)} has a quote without an end", "close the quote")
        return None
    found = []
    for word in words:
        word = _NAME.sub(lambda match: name, word)
        if "$" in word or "`" in word:
            report.add(path, f"{show(word)} is for a shell, and none reads this", "write the value itself")
            return None
        found.append(word)
    return found


def _command(report: Report, path: str, words: list[str]) -> list[OvsSetting]:
    """The settings of one command."""
    name, *rest = words
    if name.startswith("--"):
        report.add(path, f"the option {name} of ovs-vsctl cannot be had", "write the command without it")
        return []
    if name == "set":
        if len(rest) < 3:
            report.add(path, "set has too few words", "write set <table> <record> <column>[:<key>]=<value>")
            return []
        table = _TABLES.get(rest[0].lower())
        if table is None:
            why = f": {_NOT_OURS}" if rest[0].lower() in ("open_vswitch", "open") else ""
            report.add(path, f"rows of {show(rest[0])} cannot be set{why}", "set rows of Bridge, Port or Interface")
            return []
        record = reading.normal_nic(rest[1]) or rest[1]
        found = [_setting(report, path, table, record, word) for word in rest[2:]]
        return [setting for setting in found if setting is not None]
    if name == "br-set-external-id":
        if len(rest) != 3:
            report.add(path, "br-set-external-id without a value takes the key away", "write bridge, key and value")
            return []
        setting = _setting(report, path, "Bridge", rest[0], f"external_ids:{rest[1]}={rest[2]}")
        return [] if setting is None else [setting]
    if name in ("set-fail-mode", "br-set-fail-mode"):
        if len(rest) != 2:
            report.add(path, f"{name} needs a bridge and a mode", f"write {name} <bridge> secure")
            return []
        setting = _setting(report, path, "Bridge", rest[0], f"fail_mode={rest[1]}")
        return [] if setting is None else [setting]
    if name in REFUSED_COMMANDS:
        why, remedy = REFUSED_COMMANDS[name]
        report.add(path, f"{name} cannot be had: {why}", remedy)
    elif name.startswith(("del-", "br-del", "iface-del")):
        report.add(path, f"{name} cannot be had: {_NO_INVERSE}", "remove it")
    else:
        known = ("set", "br-set-external-id", "set-fail-mode")
        report.add(path, f"{show(name)} is no command that sets a column", did_you_mean(name, known))
    return []


def _texts(report: Report, path: str, value: Any) -> list[tuple[str, str]]:
    """A text, or a list of them: each with its path."""
    if isinstance(value, str):
        return [(path, value)]
    found = []
    for index, item in enumerate(reading.items(report, path, value)):
        here = f"{path}[{index}]"
        if not reading.refused(report, here, item) and reading.is_text(report, here, item):
            found.append((here, item))
    return found


def _extra(report: Report, path: str, value: Any, device: Device) -> list[OvsSetting]:
    """The settings of ``ovs_extra``."""
    found: list[OvsSetting] = []
    for here, text in _texts(report, path, value):
        words = _split(report, here, text, device.name)
        command: list[str] = []
        for word in [*(words or []), "--"]:
            if word != "--":
                command.append(word)
            elif command:
                if command[0] == "ovs-vsctl":
                    command.pop(0)
                found += _command(report, here, command) if command else []
                command = []
    return found


#: Kind of a device -> the table that its ``ovs_options`` are of.
_OWN_TABLE: dict[str, Table] = {
    "ovs_bridge": "Bridge",
    "ovs_user_bridge": "Bridge",
    "ovs_bond": "Port",
    "ovs_dpdk_bond": "Port",
    "vlan": "Port",
    "ovs_patch_port": "Interface",
    "ovs_tunnel": "Interface",
    "ovs_dpdk_port": "Interface",
}


def _options(report: Report, path: str, value: Any, device: Device) -> list[OvsSetting]:
    """The settings of ``ovs_options``: columns of the device's own row, or keys of the options of its interface."""
    table = _OWN_TABLE[device.kind]
    found: list[OvsSetting | None] = []
    for here, text in _texts(report, path, value):
        for word in _split(report, here, text, device.name) or []:
            if table == "Interface":
                word = "options:" + word.removeprefix("options:")
            elif device.kind in ("ovs_bond", "ovs_dpdk_bond") and word.partition("=")[0] in (
                "mode",
                "miimon",
                "lacp_rate",
            ):
                remedy = "use bond_mode, other_config:bond-miimon-interval and other_config:lacp-time"
                report.add(here, f"{show(word)} is an option of the kernel's bonds", remedy)
                continue
            found.append(_setting(report, here, table, device.name, word))
    return [setting for setting in found if setting is not None]


def parse(report: Report, device: Device, options: Any, extra: Any) -> tuple[OvsSetting, ...]:
    """The columns that a device sets, each once. Which rows there are is for ``checks`` to know."""
    found: dict[tuple[str, str, str, str | None], OvsSetting] = {}
    settings: list[tuple[str, OvsSetting]] = []
    if options is not None:
        path = f"{device.path}.ovs_options"
        settings += [(path, setting) for setting in _options(report, path, options, device)]
    if extra is not None:
        path = f"{device.path}.ovs_extra"
        settings += [(path, setting) for setting in _extra(report, path, extra, device)]
    for path, setting in settings:
        key = (setting.table, setting.record, setting.column, setting.key)
        other = found.setdefault(key, setting)
        if other.value != setting.value:
            column = f"{setting.column}:{setting.key}" if setting.key else setting.column
            report.add(
                path, f"{column} of {setting.record} is both {other.value} and {setting.value}", "keep one of them"
            )
    return tuple(found.values())


_BOND_KEYS: dict[str, tuple[str, ...]] = {
    "lacp-time": ("fast", "slow"),
    "bond-detect-mode": ("carrier", "miimon"),
    "bond-miimon-interval": ("number",),
    "bond-rebalance-interval": ("number",),
    "bond-hash-basis": ("number",),
    "lacp-fallback-ab": _BOOL,
    "all-members-active": _BOOL,
}


def check_bond(
    report: Report, path: str, columns: Mapping[tuple[str, str | None], str], members: tuple[str, ...], complete: bool
) -> None:
    """The rules of a bond of Open vSwitch. ``columns``: (column, key) -> value of its Port."""
    mode, lacp = columns.get(("bond_mode", None)), columns.get(("lacp", None), "off")
    if mode == "balance-tcp" and lacp not in _MODES_OF_LACP:
        report.add(path, "balance-tcp needs LACP", "add lacp=active, and configure the switch for it")
    for (column, key), value in columns.items():
        if column != "other_config" or key is None:
            continue
        wrong = _fits(_BOND_KEYS[key], value) if key in _BOND_KEYS else ""
        if wrong:
            report.add(path, f"{show(value)} is not possible for other_config:{key}", f"must be {wrong}")
        if key.startswith("lacp-") and lacp not in _MODES_OF_LACP:
            report.add(path, f"other_config:{key} does nothing without LACP", "add lacp=active, or remove it")
        if key == "bond-primary":
            if complete and value not in members:
                report.add(path, f"bond-primary is {value}, which is no member", did_you_mean(value, members))
            if mode not in (None, "active-backup"):
                report.add(
                    path, f"bond-primary is not possible with {mode}", "remove it, or use bond_mode=active-backup"
                )


#: Tunnel type -> keys of options that a tunnel of Open vSwitch has, beyond the ones all have.
_TUNNEL_KEYS = (
    "remote_ip", "local_ip", "key", "in_key", "out_key", "tos", "ttl", "df_default", "csum", "egress_pkt_mark",
    "packet_type", "exts", "dst_port", "pmd-rxq-affinity", "seq",
)  # fmt: skip


def check_tunnel(report: Report, device: Device) -> None:
    """The rules of a tunnel: it leads somewhere, and its keys exist."""
    path = f"{device.path}.ovs_options"
    found = {one.key: one.value for one in device.ovs_settings if one.column == "options" and one.record == device.name}
    if "remote_ip" not in found:
        report.add(
            device.path, "the tunnel has no remote_ip", "add ovs_options: [remote_ip=<address>], or remote_ip=flow"
        )
    for key, value in found.items():
        if key not in _TUNNEL_KEYS:
            report.add(path, f"{show(key)} is no option of a tunnel", did_you_mean(cast(str, key), _TUNNEL_KEYS))
        elif key in ("remote_ip", "local_ip") and value != "flow":
            reading.ip(report, path, value, {})
