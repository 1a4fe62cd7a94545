# SPDX-License-Identifier: Apache-2.0
"""Reading single values of a network configuration: each reader returns the value, or None after telling what is wrong.

A reader is found by the ``format`` of a key's schema, else by its ``type``. What Heat would have filled in is refused
before any reader sees it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (
    IPAddress,
    IPInterface,
    IPNetwork,
    NetworkProblem,
)

Schema = dict[str, Any]

#: Functions of Heat templates: a mapping with just one of these keys is no value.
HEAT = frozenset(
    {"get_param", "get_input", "get_attr", "get_resource", "get_file", "list_join", "str_replace", "map_merge", "if"}
)

#: os-net-config takes truth values as oslo does.
TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
FALSE = frozenset({"0", "f", "false", "off", "n", "no"})

#: Longest name of a network device (IFNAMSIZ without the final zero).
LONGEST_NAME = 15
#: ASCII without blanks, "%", "/" and ":", nor what is a pattern, a quote or an escape to systemd.
_NAME = re.compile(r"[#$&(-)+-.0-9;->@-Z^-~]+\Z")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+\Z")
_NUMBERED = re.compile(r"nic[0-9]+\Z")
_MAC = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}\Z")
_PCI = re.compile(r"pci:[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]\Z")
_DRIVER = re.compile(r"driver:[A-Za-z0-9_-]+(?::[0-9]{1,4})?\Z")
#: Names that mean something else to the kernel, to systemd or to Open vSwitch.
RESERVED_NAMES = frozenset({".", "..", "all", "default", "lo", "bonding_masters", "ovs-system", "ovs-netdev"})
_DOMAIN = re.compile(r"(?=.{1,253}\Z)~?[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*\.?\Z")  # fmt: skip  # noqa: E501 - one pattern


class Report:
    """Collects what is wrong (problems) and what is merely odd (warnings)."""

    def __init__(self) -> None:
        self.problems: list[NetworkProblem] = []
        self.warnings: list[NetworkProblem] = []

    def add(self, path: str, message: str, remedy: str = "") -> None:
        """A mistake: the configuration will be refused."""
        self.problems.append(NetworkProblem(path, message, remedy))

    def warn(self, path: str, message: str, remedy: str = "") -> None:
        """Something that has no effect or is unwise, and still can be done."""
        self.warnings.append(NetworkProblem(path, message, remedy))


def show(value: Any) -> str:
    """A value for a message: short, texts in quotes."""
    if isinstance(value, str):
        text = repr(value)
    elif isinstance(value, dict | list) or (isinstance(value, int) and abs(value) > 10**40):
        text = "that" if isinstance(value, int) else type_name(value)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def below(path: str, key: str) -> str:
    """The path of a key; one that is no plain word is quoted."""
    word = key if _PLAIN.match(key) else show(key)
    return f"{path}.{word}" if path else word


def type_name(value: Any) -> str:
    """The type of a value, in words."""
    if value is None:
        return "nothing"
    for kind, name in ((bool, "true or false"), (int | float, "a number"), (str, "a text"), (list, "a list")):
        if isinstance(value, kind):
            return name
    return "a mapping" if isinstance(value, dict) else type(value).__name__


def heat(value: Any) -> bool:
    """Whether a value is a function of a Heat template."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in HEAT


def heat_problem(report: Report, path: str, value: dict[str, Any]) -> None:
    """Refuses a function of Heat."""
    remedy = "write the value itself; what differs among nodes is filled in by Ansible"
    report.add(path, f"{next(iter(value))} is a function of Heat, and there is no Heat here", remedy)


def is_text(report: Report, path: str, value: Any) -> bool:
    """Whether ``value`` is a text; told, when not."""
    if isinstance(value, str):
        return True
    remedy = "give it a value, or remove the key"
    if isinstance(value, int | float) and not isinstance(value, bool):
        # YAML 1.1 reads 52:54:00:12:34:56 as a number, in base 60.
        remedy = f'put it in quotes: "{show(value)}"' if value < 60**4 else "put it in quotes, as it is written there"
    report.add(path, f"must be a text, not {type_name(value)}", remedy)
    return False


def text(report: Report, path: str, value: Any, schema: Schema) -> str | None:
    """A text on one line that is not empty; one of the choices, where there are some."""
    if not is_text(report, path, value):
        return None
    word: str = value.strip()
    if "enum" in schema:
        if word not in schema["enum"]:
            report.add(path, f"{show(value)} is not one of the choices", did_you_mean(word, schema["enum"]))
            return None
    elif not word or not word.isprintable():
        report.add(path, "must be one line of text that is not empty", "give it a value, or remove the key")
        return None
    return word


def boolean(report: Report, path: str, value: Any, schema: Schema) -> bool | None:
    """A truth value; os-net-config also takes yes, on, 1 and their opposites."""
    if value is True or value is False:
        return bool(value)
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    report.add(path, f"{show(value)} is no truth value", "write true or false")
    return None


def number(report: Report, path: str, value: Any, schema: Schema) -> int | None:
    """A whole number within the limits of its schema."""
    if "string" in schema["type"] and isinstance(value, str):
        word = value.strip().lower()
        if re.fullmatch(r"[0-9]{1,20}", word):
            value = int(word)
        elif re.fullmatch(r"0x[0-9a-f]{1,16}", word):
            value = int(word, 16)
    if not isinstance(value, int) or isinstance(value, bool):
        remedy = "write a number, or remove the key"
        if isinstance(value, str) and value.strip().isdecimal():
            remedy = f"write it without quotes: {show(value.strip())[1:-1]}"
        report.add(path, f"must be a whole number, not {type_name(value)}", remedy)
        return None
    least, most = schema["minimum"], schema["maximum"]
    if not least <= value <= most:
        report.add(path, f"{show(value)} is not possible here", f"must be between {least} and {most}")
        return None
    return value


@lru_cache(maxsize=4096)
def _kernel_name_fault(word: str) -> str:
    """What is wrong with a name for a network device of the kernel; empty when nothing is."""
    if len(word) > LONGEST_NAME:
        return f"{show(word)} has {len(word)} characters: the kernel takes {LONGEST_NAME} at most"
    if not _NAME.match(word) or word.isdecimal():
        return f"{show(word)} cannot be the name of a network device"
    return ""


_NAME_RULE = "1 to 15 characters of ASCII without blanks, quotes and any of !*?[]\\/:%, and not only digits"


def device_name(report: Report, path: str, value: Any, schema: Schema) -> str | None:
    """The name of a device that is made: at most 15 characters, and not the number or address of a NIC."""
    if not is_text(report, path, value):
        return None
    fault = _kernel_name_fault(value)
    if fault:
        report.add(path, fault, "choose a shorter name" if len(value) > LONGEST_NAME else _NAME_RULE)
        return None
    if value in RESERVED_NAMES:
        report.add(path, f"{value} has a meaning of its own, and cannot be made", "choose another name")
        return None
    if _NUMBERED.match(value):
        report.add(path, f"{value} is the number of a NIC, and cannot be the name of something else", "choose another")
        return None
    return str(value)


def port_name(report: Report, path: str, value: Any, schema: Schema) -> str | None:
    """The name of a port that only Open vSwitch knows: the kernel's limit of 15 characters is not for it."""
    if not is_text(report, path, value):
        return None
    if len(value) > 63 or not _NAME.match(value) or value in RESERVED_NAMES:
        rule = "1 to 63 characters of ASCII without blanks, quotes and any of !*?[]\\/:%"
        report.add(path, f"{show(value)} cannot be the name of a port", rule)
        return None
    return str(value)


@lru_cache(maxsize=4096)
def normal_nic(word: str) -> str:
    """A reference to a NIC in its one form: addresses in lower case with colons; empty when it is none."""
    if _MAC.match(word):
        return word.lower().replace("-", ":")
    if _PCI.match(word):
        return word.lower()
    if _DRIVER.match(word):
        return word
    return "" if _kernel_name_fault(word) or word in RESERVED_NAMES else word


def nic(report: Report, path: str, value: Any, schema: Schema) -> str | None:
    """A NIC: by name, number (nicN), alias, MAC address, pci:... or driver:...[:index]."""
    if not is_text(report, path, value):
        return None
    known = normal_nic(str(value))
    if known:
        return known
    if value.startswith("pci:"):
        report.add(path, f"{show(value)} is no PCI address", "write it like pci:0000:3b:00.0")
    elif value.startswith("driver:"):
        report.add(path, f"{show(value)} names no driver", "write it like driver:ice, or driver:ice:1 for its second")
    else:
        fault = _kernel_name_fault(value) or f"{show(value)} is no NIC"
        remedy = "a NIC is given by its name, nicN, an alias, its MAC address, pci:0000:3b:00.0 or driver:ice:0"
        if value == "lo":
            remedy = "for an address of the node itself, make a linux_bridge without members"
        report.add(path, fault, remedy)
    return None


def mac(report: Report, path: str, value: Any, schema: Schema) -> str | None:
    """A MAC address that one card may have: not multicast, not zero."""
    if not is_text(report, path, value):
        return None
    known: str = value.lower().replace("-", ":")
    if not _MAC.match(value) or int(known[:2], 16) & 1 or known == "00:00:00:00:00:00":
        report.add(path, f"{show(value)} is not the MAC address of a card", "like 52:54:00:12:34:56, first byte even")
        return None
    return known


@lru_cache(maxsize=16384)
def _ip(word: str) -> IPAddress | str:
    """An IP address, or what is wrong with it."""
    if "/" in word:
        return f"{show(word)} has a prefix length, and must have none"
    if "%" in word:
        return f"{show(word)} names an interface"
    try:
        return ipaddress.ip_address(word)
    except ValueError:
        return f"{show(word)} is no IP address"


def ip(report: Report, path: str, value: Any, schema: Schema) -> IPAddress | None:
    """An IP address."""
    if not is_text(report, path, value):
        return None
    found = _ip(value.strip())
    if not isinstance(found, str):
        return found
    report.add(path, found, "like 198.51.100.1 or 2001:db8::1")
    return None


@lru_cache(maxsize=16384)
def _prefixed(word: str) -> IPInterface | str:
    """An address with its prefix length, or what is wrong with it."""
    address, slash, length = word.partition("/")
    if not slash:
        return f"{show(word)} has no prefix length"
    if not re.fullmatch(r"0|[1-9][0-9]{0,2}", length):
        return f"{show(word)} has {show(length)} for a prefix length"
    if "%" in address:
        return f"{show(word)} names an interface"
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return f"{show(address)} is no IP address"
    try:
        return ipaddress.ip_interface(word)
    except ValueError:
        return f"{show(word)} has an impossible prefix length"


def _host_fault(found: IPInterface) -> str:
    """Why a node cannot have this address; empty when it can."""
    net, alone = found.network, found.max_prefixlen - found.network.prefixlen <= 1
    if found.ip.is_unspecified or found.ip.is_multicast:
        return f"{found.ip} cannot be the address of a node"
    if not alone and found.ip == net.network_address:
        return f"{found.ip} is the address of the subnet {net} itself"
    if not alone and found.version == 4 and found.ip == net.broadcast_address:
        return f"{found.ip} is the broadcast address of {net}"
    return ""


def interface_address(report: Report, path: str, value: Any, schema: Schema) -> IPInterface | None:
    """An address of this node with the prefix length of its subnet."""
    if not is_text(report, path, value):
        return None
    found = _prefixed(value.strip())
    remedy = "like 198.51.100.7/24 or 2001:db8::7/64"
    if isinstance(found, str):
        report.add(path, found, remedy)
        return None
    fault = _host_fault(found)
    if fault:
        report.add(path, fault, f"give the node an address of {found.network} that is free for hosts")
        return None
    return found


def network(report: Report, path: str, value: Any, schema: Schema) -> IPNetwork | None:
    """A subnet, or one address with its full prefix length."""
    if not is_text(report, path, value):
        return None
    found = _prefixed(value.strip())
    if isinstance(found, str):
        report.add(path, found, "like 198.51.100.0/24 or 2001:db8::/64")
        return None
    if found.ip != found.network.network_address:
        report.add(path, f"{found} is an address within a subnet, not a subnet", f"write {found.network}")
        return None
    return found.network


def addresses(report: Report, path: str, value: Any, schema: Schema) -> tuple[IPAddress, ...]:
    """A list of IP addresses, each once."""
    found: list[IPAddress] = []
    for index, item in enumerate(items(report, path, value)):
        here = f"{path}[{index}]"
        address = None if refused(report, here, item) else ip(report, here, item, schema)
        if address in found:
            report.add(here, f"{address} is there twice", "name each only once")
        elif address is not None:
            found.append(address)
    return tuple(found)


def domains(report: Report, path: str, value: Any, schema: Schema) -> tuple[str, ...]:
    """Search domains: a list of them, or one text with blanks between."""
    words = value.split() if isinstance(value, str) else items(report, path, value)
    found: list[str] = []
    for index, word in enumerate(words):
        here = path if isinstance(value, str) else f"{path}[{index}]"
        if refused(report, here, word) or not is_text(report, here, word):
            continue
        if not _DOMAIN.match(word):
            report.add(here, f"{show(word)} is no domain name", "labels of letters, digits and hyphens, dots between")
        elif word not in found:
            found.append(word)
    return tuple(found)


def is_mapping(report: Report, path: str, value: Any) -> bool:
    """Whether ``value`` is a mapping; told, when not."""
    if isinstance(value, dict):
        return True
    report.add(path, f"must be a mapping, not {type_name(value)}", "write keys with their values")
    return False


def mapping(report: Report, path: str, value: Any) -> dict[str, Any]:
    """A mapping with texts as keys; told and empty, when it is none."""
    found: dict[str, Any] = {}
    if is_mapping(report, path, value):
        for key, item in value.items():
            if isinstance(key, str):
                found[key] = item
            else:
                report.add(path, f"the key {show(key)} is not a text", f'put it in quotes: "{show(key)}"')
    return found


def items(report: Report, path: str, value: Any) -> list[Any]:
    """A list; told and empty, when it is none."""
    if isinstance(value, list | tuple):
        return list(value)
    report.add(path, f"must be a list, not {type_name(value)}", "put a - before each entry, also before the only one")
    return []


def refused(report: Report, path: str, value: Any) -> bool:
    """Whether a value is a function of Heat, which is told."""
    if not heat(value):
        return False
    heat_problem(report, path, value)
    return True


Reader = Callable[[Report, str, Any, Schema], Any]

#: ``format`` or ``type`` of a key -> its reader. ``schema.py`` adds those of lists and of options with a syntax.
READERS: dict[str, Reader] = {
    "string": text,
    "integer": number,
    "boolean": boolean,
    "device": device_name,
    "port": port_name,
    "nic": nic,
    "mac": mac,
    "address": ip,
    "addresses": addresses,
    "interface": interface_address,
    "network": network,
    "domains": domains,
}


def reader_name(schema: Schema) -> str:
    """Which reader a key has: of its format, else of its type."""
    if "format" in schema:
        return str(schema["format"])
    kind = schema["type"]
    return str(kind if isinstance(kind, str) else kind[0])


def read_keys(
    report: Report,
    path: str,
    data: dict[str, Any],
    keys: dict[str, Schema],
    required: tuple[str, ...] = (),
    hints: Mapping[str, str] | None = None,
    broken: set[str] | None = None,
    without: Mapping[str, tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """The values of a mapping by their readers; unknown and missing keys are told, a wrong value is left out.

    ``hints``: what to say of an unknown key; ``without``: of one that is known and not offered, why and what to do.
    ``broken`` receives the keys that have mistakes. No value at all (null) is a mistake, except where the schema of a
    key has the type: os-net-config reads it as "left out", and an operator may have meant to clear something.
    """
    values: dict[str, Any] = {}
    for key, value in data.items():
        schema = keys.get(key)
        here = f"{path}.{key}"
        before = len(report.problems)
        if schema is None and without and key in without:
            why, remedy = without[key]
            report.add(here, f"{key} cannot be had: {why}", remedy)
        elif schema is None:
            report.add(below(path, key), "unknown key", (hints or {}).get(key) or did_you_mean(key, keys))
        elif value is None and "null" not in schema["type"]:
            report.add(here, "has no value", "give it a value, or remove the key")
        elif not heat(value):
            found = READERS[reader_name(schema)](report, here, value, schema)
            if found is not None:
                values[key] = found
        else:
            heat_problem(report, here, value)
        if broken is not None and len(report.problems) > before:
            broken.add(key)
    for key in required:
        if key not in data and key != "type":
            report.add(path, f"the key {key} is missing", keys[key]["description"])
    return values
