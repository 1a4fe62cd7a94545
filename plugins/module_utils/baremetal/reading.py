# SPDX-License-Identifier: Apache-2.0
"""Reads a node as declared in plain data, and refuses it with every mistake that it has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import disks
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    INTERFACES,
    BaremetalError,
    Declared,
    Port,
    PortGroup,
    Wish,
)
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.secret_fields import DIGESTS, MASK
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import (
    Report,
    below,
    boolean,
    is_text,
    mac,
    show,
    type_name,
)

#: Modes of the kernel's bonding driver, by name and by number.
MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")

#: Keys that Ironic takes in the path of a patch.
IN_PATH = re.compile(r"[\w-]+\Z")

Reader = Callable[[Report, str, Any], Any]

_NAME = re.compile(r"[A-Za-z0-9._~-]{1,255}\Z")
_GROUP = re.compile(r"[A-Za-z0-9_.-]*\Z")
_TRAIT = re.compile(r"[A-Z0-9_]{1,255}\Z")


#: Most traits of a node (MAX_TRAITS_PER_NODE in ironic/db/sqlalchemy/api.py).
MOST_TRAITS = 50
#: Parts of the URL below /v1/nodes and /v1/nodes/<node> (NodesController in ironic/api/controllers/v1/node.py): Ironic
#: refuses a node of that name, or never finds it.
RESERVED_NAMES = frozenset(
    {
        "allocation", "bios", "children", "detail", "firmware", "history", "inventory", "maintenance", "management",
        "portgroups", "ports", "states", "traits", "validate", "vendor_passthru", "vifs", "vmedia", "volume",
    }
)  # fmt: skip


def name_fault(name: str) -> tuple[str, str] | None:
    """What is wrong with a name of letters, digits, . _ ~ and -, and what to do: Ironic must not take it for an id."""
    if re.fullmatch(r"[0-9a-fA-F]{32}", name.replace("-", "")):  # as uuidutils.is_uuid_like
        return f"{name} is a UUID, which is no name to Ironic", "choose a name that is none"
    if name in RESERVED_NAMES:
        return f"{name} has a meaning of its own in Ironic's API", "choose another name"
    return None


def as_text(value: Any) -> str:
    """A value where Ironic has texts only, as in capabilities: a boolean as inspection writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(longest: int, pattern: re.Pattern[str] | None = None, rule: str = "") -> Reader:
    def read_text(report: Report, path: str, value: Any) -> str | None:
        if not is_text(report, path, value):
            return None
        if len(value) > longest:
            report.add(path, f"has {len(value)} characters", f"Ironic takes {longest}")
        elif pattern is not None and not pattern.match(value):
            report.add(path, f"{show(value)} is not possible here", rule)
        return str(value)

    return read_text


def _boolean(report: Report, path: str, value: Any) -> bool | None:
    return boolean(report, path, value, {})


def _mac(report: Report, path: str, value: Any) -> str | None:
    return mac(report, path, value, {})


def _mapping(report: Report, path: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        report.add(path, f"must be a mapping, not {type_name(value)}", "write key: value")
        return {}
    for key in value:
        if not isinstance(key, str) or not key:
            report.add(path, f"has the key {show(key)}, which is no text", "put it in quotes")
    return {str(key): item for key, item in value.items()}


def _items(report: Report, path: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        report.add(path, f"must be a list, not {type_name(value)}", "write - and a space before each item")
        return []
    return list(value)


def _conductor_group(report: Report, path: str, value: Any) -> str | None:
    found = _text(255, _GROUP, "letters, digits, _ . and -")(report, path, value)
    return None if found is None else str(found).lower()  # as Ironic keeps it


def _driver_data(report: Report, path: str, value: Any) -> dict[str, Any]:
    found = _mapping(report, path, value)
    for key, item in found.items():
        if not IN_PATH.match(key):
            report.add(below(path, key), "Ironic could not change that key", "use letters, digits, _ and -")
        if MASK in json.dumps(item, default=str):
            report.add(below(path, key), "is how Ironic shows a secret, and not the secret", "give it, or leave it out")
    return found


def _interfaces(report: Report, path: str, value: Any) -> dict[str, str]:
    found = {}
    for key, item in _mapping(report, path, value).items():
        name = key.removesuffix("_interface")
        if name not in INTERFACES:
            report.add(below(path, key), "unknown interface", did_you_mean(name, INTERFACES))
        elif item is not None and is_text(report, below(path, key), item):
            found[name] = str(item)
    return found


def _traits(report: Report, path: str, value: Any) -> tuple[str, ...]:
    found = []
    for index, item in enumerate(_items(report, path, value)):
        if is_text(report, f"{path}[{index}]", item):
            if not _TRAIT.match(item):
                report.add(f"{path}[{index}]", f"{show(item)} is no trait", "CUSTOM_ and upper case, as CUSTOM_GPU")
            found.append(str(item))
    if len(set(found)) > MOST_TRAITS:
        report.add(path, f"has {len(set(found))} traits", f"Ironic takes {MOST_TRAITS}")
    return tuple(sorted(set(found)))


def _hint(report: Report, path: str, value: Any) -> None:
    if isinstance(value, Mapping) and "volume_name" in value and path.endswith("]"):
        return
    for mistake in disks.mistakes(value):
        report.add(path, mistake)


def _properties(report: Report, path: str, value: Any) -> dict[str, Any]:
    found = _mapping(report, path, value)
    if found.get("root_device") is not None:
        _hint(report, f"{path}.root_device", found["root_device"])
    if found.get("skip_block_devices") is not None:
        here = f"{path}.skip_block_devices"
        for index, hint in enumerate(_items(report, here, found["skip_block_devices"])):
            _hint(report, f"{here}[{index}]", hint)
    words = found.get("capabilities")
    if words is not None and not isinstance(words, str | Mapping):
        report.add(f"{path}.capabilities", f"must be a mapping, not {type_name(words)}", "as boot_mode: uefi")
        del found["capabilities"]
    return found


def _extra(report: Report, path: str, value: Any) -> dict[str, Any]:
    found = _mapping(report, path, value)
    if DIGESTS in found:
        report.add(f"{path}.{DIGESTS}", "is written by Ozone itself", "use another key")
    return found


def _network_data(report: Report, path: str, value: Any) -> dict[str, Any]:
    found = _mapping(report, path, value)
    if not found:
        return found
    for key in ("links", "networks", "services"):
        if key not in found:
            report.add(path, f"the key {key} is missing", "an empty list, when there are none")
    networks = found.get("networks")
    for index, network in enumerate(networks if isinstance(networks, list) else ()):
        if not isinstance(network, Mapping) or "network_id" not in network:
            report.add(f"{path}.networks[{index}]", "the key network_id is missing", "any text, as its name")
    return found


def _link(report: Report, path: str, value: Any) -> dict[str, str]:
    found = _mapping(report, path, value)
    known = ("port_id", "switch_id", "hostname", "switch_info", "network_type")
    for key, item in found.items():
        if key not in known:
            report.add(below(path, key), "unknown key", did_you_mean(key, known))
        else:
            is_text(report, below(path, key), item)
    if found and found.get("network_type") != "unmanaged" and not {"port_id", "switch_id"} <= set(found):
        report.add(path, "needs port_id and switch_id", "or network_type: unmanaged")
    if isinstance(found.get("switch_id"), str):
        found["switch_id"] = found["switch_id"].lower()
    return found


_NAMED = _text(255, _NAME, "letters, digits, . _ ~ and -")


def _named(report: Report, path: str, value: Any) -> str | None:
    """The name of a node or an allocation."""
    found = _NAMED(report, path, value)
    fault = name_fault(str(found)) if found else None
    if fault:
        report.add(path, *fault)
    return None if found is None else str(found)


_PORT: dict[str, Reader] = {
    "address": _mac,
    "pxe_enabled": _boolean,
    "physical_network": _text(64),
    "local_link_connection": _link,
    "portgroup": _text(255),
}
_PORTGROUP: dict[str, Reader] = {
    "name": _NAMED,
    "address": _mac,
    "mode": _text(255),
    "properties": _mapping,
    "standalone_ports_supported": _boolean,
}


def _read(report: Report, path: str, value: Any, keys: Mapping[str, Reader], required: str = "") -> dict[str, Any]:
    """The values of a mapping; a key without a value counts as left out."""
    found = {}
    data = _mapping(report, path, value)
    for key, item in data.items():
        if key not in keys:
            report.add(below(path, key), "unknown key", did_you_mean(key, keys))
        elif item is not None:
            known = keys[key](report, below(path, key), item)
            if known is not None:
                found[key] = known
    if required and data.get(required) is None:
        report.add(path, f"the key {required} is missing", "every one needs it")
    return found


def _unique(report: Report, path: str, what: str, values: Iterable[tuple[int, str]]) -> None:
    seen: dict[str, int] = {}
    for index, value in values:
        if seen.setdefault(value, index) != index:
            report.add(f"{path}[{index}]", f"{value} is the {what} of {path}[{seen[value]}], too", "remove one of them")


def _ports(report: Report, path: str, value: Any) -> tuple[Port, ...]:
    found = [
        {"address": "", **_read(report, f"{path}[{index}]", item, _PORT, "address")}
        for index, item in enumerate(_items(report, path, value))
    ]
    _unique(report, path, "address", ((index, keys["address"]) for index, keys in enumerate(found) if keys["address"]))
    return tuple(Port(**keys) for keys in found)


def _portgroups(report: Report, path: str, value: Any) -> tuple[PortGroup, ...]:
    found = []
    names = []
    for index, item in enumerate(_items(report, path, value)):
        keys = _read(report, f"{path}[{index}]", item, _PORTGROUP, "name")
        mode = keys.get("mode")
        if mode is not None and mode not in MODES and mode not in [str(number) for number in range(len(MODES))]:
            report.add(f"{path}[{index}].mode", f"{show(mode)} is no mode of a bond", did_you_mean(mode, MODES))
        if "name" in keys:
            names.append((index, keys["name"]))
            found.append(PortGroup(**keys))
    _unique(report, path, "name", names)
    return tuple(found)


_DECLARED: dict[str, Reader] = {
    "driver": _text(255),
    "driver_info": _driver_data,
    "interfaces": _interfaces,
    "resource_class": _text(80),
    "traits": _traits,
    "conductor_group": _conductor_group,
    "owner": _text(255),
    "lessee": _text(255),
    "shard": _text(255),
    "description": _text(4096),
    "properties": _properties,
    "extra": _extra,
    "network_data": _network_data,
    "automated_clean": _boolean,
    "retired": _boolean,
    "retired_reason": _text(4096),
    "protected": _boolean,
    "protected_reason": _text(4096),
    "ports": _ports,
    "portgroups": _portgroups,
    "target_raid_config": _mapping,
}


def _raise(report: Report) -> None:
    if report.problems:
        raise BaremetalError("\n".join(str(problem) for problem in report.problems))


def read(name: str, plain: Mapping[str, Any]) -> Declared:
    """A node as declared in plain data. A key whose value is None counts as left out.

    :raises BaremetalError: every mistake in it, a line each.
    """
    report = Report()
    _named(report, "name", name)
    found = _read(report, str(name), plain, _DECLARED)
    declared = Declared(name=str(name), **found)
    groups = {group.name: group for group in declared.portgroups or ()}
    for index, port in enumerate(declared.ports or ()):
        here = f"{name}.ports[{index}]"
        group = groups.get(port.portgroup or "")
        if port.portgroup and declared.portgroups is not None and group is None:
            report.add(
                f"{here}.portgroup", f"there is no port group {port.portgroup}", did_you_mean(port.portgroup, groups)
            )
        if port.pxe_enabled and group is not None and group.standalone_ports_supported is False:
            report.add(f"{here}.pxe_enabled", f"port group {group.name} has no stand-alone ports", "set it to false")
    for word in ("retired", "protected"):
        if getattr(declared, f"{word}_reason") and getattr(declared, word) is False:
            report.add(f"{name}.{word}_reason", f"is given, and {word} is false", "remove the reason")
    _raise(report)
    return declared


def _names(report: Report, path: str, value: Any) -> tuple[str, ...]:
    return tuple(
        str(_NAMED(report, f"{path}[{index}]", item)) for index, item in enumerate(_items(report, path, value))
    )


_WISH: dict[str, Reader] = {
    "name": _named,
    "resource_class": _text(80),
    "traits": _traits,
    "candidates": _names,
    "site": _conductor_group,
}


def read_wishes(plain: Sequence[Mapping[str, Any]]) -> list[Wish]:
    """Names that are to have nodes, of plain data.

    :raises BaremetalError: every mistake in it, a line each.
    """
    report = Report()
    found = []
    for index, item in enumerate(plain):
        here = f"allocations[{index}]"
        keys = {"name": "", "resource_class": "", **_read(report, here, item, _WISH, "name")}
        if not keys["resource_class"]:
            report.add(f"{here}.resource_class", "is missing", "the class of nodes to choose from")
        found.append(Wish(**keys))
    _unique(report, "allocations", "name", ((index, wish.name) for index, wish in enumerate(found) if wish.name))
    _raise(report)
    return found
