# SPDX-License-Identifier: Apache-2.0
"""Reads the nodes of a fleet from plain data: each with what it is, what it is to run, and what it has to have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import disks
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    BaremetalError,
    Expected,
    Image,
    Instance,
    Wanted,
)
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.reading import as_text
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.reading import read as read_declared
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import (
    Report,
    below,
    is_mapping,
    is_text,
    items,
    mac,
    show,
    type_name,
)

#: Digits of a checksum, by its algorithm.
_DIGITS = {"sha256": 64, "sha512": 128}
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+\Z")
_FORMATS = ("raw", "qcow2")

_KEYS = ("name", "node", "instance", "expected")
_INSTANCE = ("image", "config_drive", "root_device", "preserve", "capabilities", "traits")
_IMAGE = ("source", "checksum", "algorithm", "disk_format")
_DRIVE = ("meta_data", "network_data", "user_data", "vendor_data")
_EXPECTED = ("cpus", "memory_mb", "cpu_arch", "disks", "macs")


def _mapping(report: Report, path: str, value: Any, known: Iterable[str]) -> dict[str, Any]:
    """A mapping without unknown keys; what has no value is left out."""
    if not is_mapping(report, path, value):
        return {}
    words = list(known)
    for key in value:
        if words and key not in words:
            report.add(below(path, str(key)), "unknown key", did_you_mean(str(key), words))
    return {str(key): item for key, item in value.items() if item is not None and (not words or key in words)}


def _hint(report: Report, path: str, value: Any) -> dict[str, Any]:
    for text in disks.mistakes(value):
        report.add(path, text)
    return dict(value) if isinstance(value, Mapping) else {}


def _texts(report: Report, path: str, value: Any) -> tuple[str, ...]:
    listed = items(report, path, value)
    return tuple(str(item) for index, item in enumerate(listed) if is_text(report, f"{path}[{index}]", item))


def _image(report: Report, path: str, value: Any) -> Image | None:
    found = _mapping(report, path, value, _IMAGE)
    for key in ("source", "checksum"):
        if key not in found:
            report.add(path, f"the key {key} is missing", "an image is written only if it is known to be the right one")
    if any(not is_text(report, below(path, key), item) for key, item in found.items()):
        return None
    algorithm, checksum = found.get("algorithm", "sha256"), found.get("checksum", "")
    if algorithm not in _DIGITS:
        report.add(below(path, "algorithm"), f"{show(algorithm)} is not taken", "use sha256 or sha512")
    elif checksum and (not _HEXADECIMAL.match(checksum) or len(checksum) != _DIGITS[algorithm]):
        report.add(below(path, "checksum"), f"is no {algorithm}", f"{_DIGITS[algorithm]} hexadecimal digits")
    if found.get("disk_format", "raw") not in _FORMATS:
        report.add(below(path, "disk_format"), f"{show(found['disk_format'])} is not taken", "use raw or qcow2")
    if "source" not in found or not checksum:
        return None
    return Image(found["source"], checksum.lower(), algorithm, found.get("disk_format", "raw"))


def _instance(report: Report, path: str, value: Any) -> Instance | None:
    found = _mapping(report, path, value, _INSTANCE)
    if "image" not in found:
        report.add(path, "the key image is missing", "say what the node is to run")
        return None
    image = _image(report, below(path, "image"), found["image"])
    drive = found.get("config_drive")
    if drive is not None:
        drive = _mapping(report, below(path, "config_drive"), drive, _DRIVE)
    root = _hint(report, below(path, "root_device"), found["root_device"]) if found.get("root_device") else {}
    here = below(path, "preserve")
    listed = enumerate(items(report, here, found.get("preserve", ())))
    preserve = tuple(_hint(report, f"{here}[{index}]", item) for index, item in listed)
    capabilities = _mapping(report, below(path, "capabilities"), found.get("capabilities", {}), ())
    traits = _texts(report, below(path, "traits"), found.get("traits", ()))
    if image is None:
        return None
    words = {key: as_text(item) for key, item in capabilities.items()}
    return Instance(image, drive, root, preserve, words, traits)


def _count(report: Report, path: str, value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        report.add(path, f"must be a number above 0, not {show(value)}", "or leave it out")
        return None
    return int(value)


def _expected(report: Report, path: str, value: Any) -> Expected | None:
    found = _mapping(report, path, value, _EXPECTED)
    cpus, memory = (
        _count(report, below(path, key), found[key]) if key in found else None for key in ("cpus", "memory_mb")
    )
    arch = found.get("cpu_arch")
    if arch is not None:
        is_text(report, below(path, "cpu_arch"), arch)
    here = below(path, "disks")
    hints = tuple(
        _hint(report, f"{here}[{index}]", item)
        for index, item in enumerate(items(report, here, found.get("disks", ())))
    )
    here = below(path, "macs")
    macs = [
        mac(report, f"{here}[{index}]", item, {})
        for index, item in enumerate(items(report, here, found.get("macs", ())))
    ]
    expected = Expected(cpus, memory, arch, hints, tuple(str(address) for address in macs if address))
    return None if expected == Expected() else expected


def read(nodes: Sequence[Any]) -> list[Wanted]:
    """The nodes of a fleet.

    :raises BaremetalError: every mistake in them, a line each.
    """
    problems: list[str] = []
    found: list[Wanted] = []
    seen: set[str] = set()
    for index, node in enumerate(nodes):
        report = Report()
        path = f"nodes[{index}]"
        keys = _mapping(report, path, node, _KEYS)
        name = keys.get("name")
        if not isinstance(name, str) or not name:
            report.add(path, f"the key name is missing, or {type_name(name)}", "give the exact name of a node")
            name = ""
        elif name in seen:
            report.add(path, f"{name} was named before", "name every node once")
        seen.add(name)
        path = name or path
        declared = instance = expected = None
        if "node" in keys and is_mapping(report, below(path, "node"), keys["node"]) and name:
            try:
                declared = read_declared(name, keys["node"])
            except BaremetalError as error:
                problems.append(str(error))
        if "instance" in keys:
            instance = _instance(report, below(path, "instance"), keys["instance"])
        if "expected" in keys:
            expected = _expected(report, below(path, "expected"), keys["expected"])
        problems += [str(problem) for problem in report.problems]
        found.append(Wanted(name, declared, instance, expected))
    if problems:
        raise BaremetalError("\n".join(problems))
    return found
