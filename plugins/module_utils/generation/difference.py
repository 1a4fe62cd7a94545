# SPDX-License-Identifier: Apache-2.0
"""What leads from one generation to another: pure functions of two manifests."""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import (
    Container,
    Manifest,
    command_digest,
    container_digest,
    copied,
    unit_digest,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import Placed, Steps

#: Host files below these define units: systemd has to read them again.
DEFINITIONS = ("/etc/systemd/", "/etc/containers/systemd/", "/usr/lib/systemd/", "/usr/local/lib/systemd/")


def placed(manifest: Manifest) -> list[Placed]:
    """The host files of a generation, as they lie at their real paths."""
    return [
        {
            "path": file["path"],
            "copy": copied(file),
            "mode": file["mode"],
            "owner": file["owner"],
            "group": file["group"],
        }
        for file in manifest["files"]
    ]


def container_units(manifest: Manifest | None) -> dict[str, Container]:
    """Containers by the name of their unit."""
    return {container["unit"]: container for container in manifest["containers"].values()} if manifest else {}


def all_units(manifest: Manifest | None) -> list[str]:
    """Every unit that shall run: those of packages in their order, then those of containers."""
    return [*(unit["name"] for unit in manifest["units"]), *container_units(manifest)] if manifest else []


def changed_files(old: Manifest | None, new: Manifest | None) -> dict[str, str]:
    """Host files that differ, by path: ``added``, ``changed`` or ``removed``."""
    before = {file["path"]: file for file in old["files"]} if old else {}
    after = {file["path"]: file for file in new["files"]} if new else {}
    result = {path: "removed" for path in before if path not in after}
    for path, file in after.items():
        if path not in before:
            result[path] = "added"
        elif before[path] != file:
            result[path] = "changed"
    return dict(sorted(result.items()))


def difference(old: Manifest | None, new: Manifest | None, digest: str | None, damaged: Collection[str] = ()) -> Steps:
    """The steps from ``old`` to ``new`` (None: nothing there), whose digest is ``digest``.

    A unit is touched only when what it reads differs. ``damaged`` are units whose files on the node were not what the
    old generation says, and which therefore run something unknown: they are restarted in any case.
    """
    old_containers, new_containers = container_units(old), container_units(new)
    old_units = {unit["name"]: unit_digest(unit, old) for unit in old["units"]} if old else {}
    old_commands = {command_digest(command, old) for command in old["commands"]} if old else set()
    restart: list[str] = []
    reload: list[str] = []
    if new:
        for unit in new["units"]:
            name = unit["name"]
            if name in damaged or old_units.get(name) != unit_digest(unit, new):
                {"restart": restart, "reload": reload, "none": list[str]()}[unit["on_change"]].append(name)
        old_digests = {unit: container_digest(container) for unit, container in old_containers.items()}
        for name, container in new_containers.items():
            if name in damaged or old_digests.get(name) != container_digest(container):
                restart.append(name)
    wanted = all_units(new)
    files = changed_files(old, new)
    return {
        "digest": digest,
        "quadlets": bool(new_containers),
        "place": placed(new) if new else [],
        "displace": [path for path, what in files.items() if what == "removed"],
        "stop": [name for name in all_units(old) if name not in wanted],
        "disable": [name for name in old_units if name not in wanted],
        "definitions": old_containers != new_containers or any(path.startswith(DEFINITIONS) for path in files),
        "enable": [unit["name"] for unit in new["units"] if unit["name"] not in old_units] if new else [],
        "restart": restart,
        "reload": reload,
        "start": [name for name in wanted if name not in restart],
        "commands": [
            {
                "name": command["name"],
                "argv": command["argv"],
                "when": command["when"],
                "timeout": command["timeout"],
                **({"stdin": command["stdin"]} if "stdin" in command else {}),
            }
            for command in (new["commands"] if new else [])
            if command_digest(command, new) not in old_commands
        ]
        if new
        else [],
    }
