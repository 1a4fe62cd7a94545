# SPDX-License-Identifier: Apache-2.0
"""The reference of the network configuration, made of its vocabulary and of what becomes of os-net-config's samples.

``python -m ansible_collections.ozone.openstack.plugins.module_utils.network.reference`` prints it, without samples.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.network import bonding, ethtool, ovs_options, vocabulary
from ansible_collections.ozone.openstack.plugins.module_utils.network.vocabulary import Schema

_INTRODUCTION = """\
The network of a node is written in the words of os-net-config: a list of devices, or its whole file with
`network_config`. Unlike os-net-config, nothing is ignored: an unknown key or type, a key without a value (`null`), an
address that cannot be, a bond that the kernel would not build, a NIC that is used twice, a device that depends on
itself are refused, all of them at once, with the place and what to do about it, before a node is touched. A key that
does nothing where it stands, and no harm, is a warning. Addresses come from DHCP only on a device that the operator
names for it, and `nic1`, `nic2` are numbers of the hardware, not of the links that are up.

A truth value may also be written as `yes`, `on`, `1` and their opposites. A NIC is given by its name, `nicN`, an alias,
its MAC address, `pci:0000:3b:00.0` or `driver:ice:0`."""

_TYPES = {"string": "text", "integer": "whole number", "object": "mapping", "array": "list", "null": "null"}
_FORMS = {
    "boolean": "true/false", "nic": "NIC", "address": "address", "interface": "address with prefix",
    "network": "subnet", "hop": "address or `self`", "mac": "MAC address", "addresses": "list of addresses",
}  # fmt: skip


def _type(schema: Schema) -> str:
    """The type of a value in a few words."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("format") in _FORMS:
        return _FORMS[schema["format"]]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(_TYPES[kind] for kind in kinds)


def _meaning(schema: Schema, required: bool) -> str:
    """The description of a key, with its default and limits."""
    facts = ["required"] if required else []
    if "default" in schema:
        value: Any = schema["default"]
        facts.append(f"default `{str(value).lower() if isinstance(value, bool) else value}`")
    if "minimum" in schema:
        facts.append(f"{schema['minimum']} to {schema['maximum']}")
    text = str(schema["description"])
    return f"{text} ({'; '.join(facts)})" if facts else text


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table of Markdown, with an empty line behind it."""
    names = list(heads)
    yield f"| {' | '.join(names)} |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _keys(properties: Mapping[str, Schema], required: Iterable[str]) -> Iterator[str]:
    needed = set(required)
    rows = ((f"`{key}`", _type(one), _meaning(one, key in needed)) for key, one in properties.items() if key != "type")
    yield from _table(("key", "type", "meaning"), rows)


def _devices() -> Iterator[str]:
    """The kinds of devices; the keys that nearly all of them have are a section of their own."""
    common = vocabulary.KINDS["linux_tap"]["properties"]
    shared = {key: one for key, one in common.items() if key not in ("type", "name", "primary")}
    yield from ("## Devices", "", "Every device has the keys of [all devices](#all-devices), too.", "")
    for kind, schema in vocabulary.KINDS.items():
        members = ", ".join(f"`{name}`" for name in vocabulary.MEMBERS.get(kind, ()))
        yield from (f"### {kind}", "", schema["description"] + (f" Members: {members}." if members else ""), "")
        own = {key: one for key, one in schema["properties"].items() if key not in shared}
        yield from _keys(own, schema["required"])
    yield from (
        "### All devices",
        "",
        "No address, route, rule, name server or DHCP is possible on a member of another",
    )
    yield from (
        "device, and on what has no network device: " + ", ".join(sorted(vocabulary.WITHOUT_ADDRESSES)) + ".",
        "",
    )
    yield from _keys(shared, ())
    for title, one in (("A route", vocabulary.ROUTE), ("A rule", vocabulary.RULE), ("An address", vocabulary.ADDRESS)):
        yield from (f"### {title}", "", one["description"], "")
        yield from _keys(one["properties"], one["required"])


def _bonding() -> Iterator[str]:
    """The options of bonds."""
    yield from (
        "## Options of bonds",
        "",
        "`bonding_options` is a mapping, or a text such as `mode=802.3ad miimon=100`.",
    )
    yield from ("A bond needs a link monitor: `miimon`, or `arp_interval` with `arp_ip_target`, and never both.", "")
    rows = []
    for name, option in bonding.OPTIONS.items():
        values = ", ".join(option.choices) or (f"{option.limits[0]} to {option.limits[1]}" if option.limits else "")
        values = (
            values or {"targets": "1 to 16 IPv4 addresses", "mac": "MAC address", "member": "a member"}[option.form]
        )
        modes = ", ".join(mode for mode in bonding.MODES if option.modes and mode in option.modes)
        rows.append((f"`{name}`", values, modes or "all"))
    yield from _table(("option", "values", "modes"), rows)
    rows = [(f"`{name}`", why, remedy) for name, (why, remedy) in bonding.REFUSED.items()]
    yield from ("Refused, so that nothing is dropped silently:", "")
    yield from _table(("option", "why", "what to do"), rows)


def _switch() -> Iterator[str]:
    """What can be set in Open vSwitch, and with ethtool."""
    yield from (
        "## Options of Open vSwitch",
        "",
        "`ovs_options` and `ovs_extra` set columns of rows that the configuration",
    )
    yield from ("makes; a change is one transaction, and its way back is known before it begins.", "")
    rows = [
        (str(name), ", ".join(f"`{column}`" for column in columns)) for name, columns in ovs_options.COLUMNS.items()
    ]
    yield from _table(("table", "columns"), rows)
    commands = ovs_options.REFUSED_COMMANDS.items()
    yield from _table(("refused command", "why"), ((f"`{name}`", why) for name, (why, _remedy) in commands))
    yield from (
        "## Options of ethtool",
        "",
        "`ethtool_opts` becomes settings of systemd.link(5), so that they are there",
    )
    yield from ("whenever the NIC appears. Several commands have `;` between them.", "")
    rows = [(f"`{name}`", ", ".join(f"`{word}`" for word in words)) for name, words in ethtool.SETTINGS.items()]
    yield from _table(("command", "words"), rows)


def _differences() -> Iterator[str]:
    """What os-net-config has, and this has not."""
    yield from ("## What is not taken from os-net-config", "")
    rows = [(f"`{name}`", why, remedy) for name, (why, remedy) in (vocabulary.DEAD | vocabulary.REFUSED_LISTS).items()]
    yield from _table(("type or list", "why", "what to do"), rows)
    refused = vocabulary.REFUSED_KEYS.items()
    keys = [(f"`{kind}`", f"`{key}`", why, remedy) for kind, keys in refused for key, (why, remedy) in keys.items()]
    yield from ("Keys that are refused whatever their value is:", "")
    yield from _table(("type", "key", "why", "what to do"), keys)
    yield from ("Keys that are accepted and do nothing:", "")
    yield from _table(("key", "why"), ((f"`{key}`", why) for key, why in vocabulary.IGNORED.items()))


def _samples(data: Mapping[str, Any]) -> Iterator[str]:
    """What becomes of the samples."""
    yield from (
        f"## Samples of {data['package']} {data['version']}",
        "",
        "What becomes of each sample that comes with it,",
    )
    yield from ("on a node that has all of its NICs. The tests fetch them and compare.", "")
    rows = []
    for name, one in data["samples"].items():
        asks = f"asks for DHCP on {', '.join(one['dhcp'])}" if "dhcp" in one else ""
        why = "<br>".join([asks] * bool(asks) + list(one.get("why", [])))
        rows.append((f"`{name}`", one["outcome"], why))
    yield from _table(("sample", "outcome", "why"), rows)


def render_markdown(samples: Mapping[str, Any] | None = None) -> str:
    """The reference as Markdown. ``samples``: the content of tests/conformance/os_net_config.yml."""
    lines = ["# Network configuration", "", _INTRODUCTION, "", *_devices(), *_bonding(), *_switch(), *_differences()]
    lines += _samples(samples) if samples else []
    return "\n".join(lines).strip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(render_markdown())
