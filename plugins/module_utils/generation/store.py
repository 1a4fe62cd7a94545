# SPDX-License-Identifier: Apache-2.0
"""Generations and objects on a node's disk: write, verify, heal, forget.

A generation and an object are written under a temporary name and get their own by one rename, with everything in them
on the disk by then. So what has its name is whole, and what has a temporary name is rubbish.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ansible_collections.ozone.openstack.plugins.module_utils.generation.difference import container_units
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import (
    OBJECT,
    Container,
    File,
    Manifest,
    container_digest,
    copied,
    digest,
    sha256,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import (
    QUADLETS,
    SERVICES,
    Host,
    directory,
    load,
    save,
    through,
)

#: Space that a change needs beside its files: directories, links, manifests' slack, ``pending.json``.
SLACK = 1 << 20
BLOCK = 4096


class StoreError(Exception):
    """The store cannot be written. The message says what is missing and the remedy."""


def object_directory(service: str, container: Container) -> str:
    """Where a container's own files lie on the node."""
    return directory(service, "objects", container_digest(container))


def quadlet_name(container: Container) -> str:
    """File name of a container's quadlet."""
    return container["unit"].removesuffix(".service") + ".container"


def quadlet_text(service: str, container: Container) -> str:
    """The quadlet as systemd's generator reads it."""
    return container["quadlet"].replace(OBJECT, object_directory(service, container))


@dataclass(frozen=True)
class Stored:
    """One file of the store: where it lies, what it shall be, and which unit reads it ("" for none)."""

    path: str
    sha256: str
    text: str | None  # what is not among the contents that came with the manifest
    mode: str
    owner: str
    group: str
    unit: str
    real: str  # the path that people know it by


def _stored(base: str, file: File, unit: str, real: str) -> Stored:
    return Stored(base + file["path"], file["sha256"], None, file["mode"], file["owner"], file["group"], unit, real)


def _literal(path: str, text: str, unit: str, mode: str = "0644") -> Stored:
    return Stored(path, sha256(text), text, mode, "root", "root", unit, path)


def object_files(service: str, container: Container, base: str) -> list[Stored]:
    """The files of a container's object, below ``base``."""
    final = object_directory(service, container)
    return [_stored(base + "/", file, container["unit"], f"{final}/{file['path']}") for file in container["files"]]


def generation_files(service: str, manifest: Manifest, base: str) -> list[Stored]:
    """The files of a generation, below ``base``: host files, quadlets, the manifest."""
    files = [_stored(base + "/host", file, "", file["path"]) for file in manifest["files"]]
    files += [
        _literal(f"{base}/quadlets/{quadlet_name(container)}", quadlet_text(service, container), container["unit"])
        for container in manifest["containers"].values()
    ]
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    return [*files, _literal(f"{base}/manifest.json", text, "", "0600")]


def manifest_of(host: Host, service: str, name: str | None) -> Manifest | None:
    """The manifest of a generation on the node; None when it is missing, or is not the one that its name says."""
    if name is None:
        return None
    found = load(host, directory(service, "generations", name, "manifest.json"))
    return cast(Manifest, found) if isinstance(found, dict) and digest(found) == name else None


# -- writing -----------------------------------------------------------------------------------------------------------


def _write(host: Host, file: Stored, contents: Mapping[str, str], replace: bool = False) -> None:
    text = contents.get(file.sha256) if file.text is None else file.text
    if text is None:
        raise StoreError(f"the content of {file.real} (sha256 {file.sha256[:12]}) came not with the manifest")
    try:
        uid, gid = host.uid(file.owner), host.gid(file.group)
    except KeyError:
        raise StoreError(
            f"{file.real}: the node has no account {file.owner}:{file.group}; "
            "name it in `accounts`, or the package that makes it in `packages`"
        ) from None
    if not replace:
        host.mkdir(os.path.dirname(file.path))
        host.create(file.path, text.encode(), int(file.mode, 8), uid, gid)
        return
    host.create(f"{file.path}.tmp", text.encode(), int(file.mode, 8), uid, gid)
    host.replace(f"{file.path}.tmp", file.path)


def _differs(host: Host, file: Stored) -> str:
    """In which way a file is not what it shall be; "" when it is."""
    found = host.sha256(file.path)
    if found is None:
        return "missing"
    if found != file.sha256:
        return "content differs"
    try:
        wanted = (file.mode, host.uid(file.owner), host.gid(file.group))
    except KeyError:
        return f"account {file.owner}:{file.group} is missing"
    attributes = host.attributes(file.path)
    if attributes != wanted and attributes is not None:
        return "mode or owner is {} {}:{}, wanted {} {}:{}".format(*attributes, *wanted)
    return ""


def needed(host: Host, service: str, manifest: Manifest, name: str, contents: Mapping[str, str]) -> int:
    """Bytes that staging a generation will take at most."""
    files: list[Stored] = []
    for container in manifest["containers"].values():
        if not host.exists(object_directory(service, container)):
            files += object_files(service, container, "")
    if not host.exists(directory(service, "generations", name)):
        files += generation_files(service, manifest, "")
    size = SLACK
    for file in files:
        text = contents.get(file.sha256, "") if file.text is None else file.text
        size += (len(text.encode()) // BLOCK + 2) * BLOCK
    return size


def free(host: Host) -> int:
    """Free bytes where the store lies (or will lie), for root."""
    path = SERVICES
    while not host.exists(path):
        path = os.path.dirname(path)
    return host.free(path)


def no_space(need: int, available: int) -> StoreError:
    """The error for a full disk."""
    return StoreError(
        f"{SERVICES}: {available >> 10} KiB are free, {need >> 10} KiB are needed: "
        f"{max(need - available, 0) >> 10} KiB are missing. Make room there and run again; what is active is as it was"
    )


def sweep(host: Host, service: str) -> None:
    """Remove what a dead or failed transaction left under temporary names."""
    for part in ("generations", "objects"):
        for name in host.names(directory(service, part)):
            if name.endswith(".tmp"):
                host.remove(directory(service, part, name))


def stage(host: Host, service: str, manifest: Manifest, name: str, contents: Mapping[str, str]) -> set[str]:
    """Write what the node lacks of a generation, and heal what it has: returns the units that read healed files.

    Host files count for every unit that lists them. Nothing that is active is touched, except to heal it.

    :raises StoreError: no space, a missing content or account. What was begun is removed.
    """
    sweep(host, service)
    need, available = needed(host, service, manifest, name, contents), free(host)
    if need > available:
        raise no_space(need, available)
    healed: set[str] = set()
    try:
        host.mkdir(directory(service, "generations"))
        host.mkdir(directory(service, "objects"))
        for container in manifest["containers"].values():
            final = object_directory(service, container)
            if host.exists(final):
                healed |= _heal(host, manifest, object_files(service, container, final), contents)
                continue
            host.mkdir(f"{final}.tmp")
            for file in object_files(service, container, f"{final}.tmp"):
                _write(host, file, contents)
            host.replace(f"{final}.tmp", final)
        final = directory(service, "generations", name)
        if host.exists(final):
            healed |= _heal(host, manifest, generation_files(service, manifest, final), contents)
        else:
            for part in ("host", "quadlets", "containers"):
                host.mkdir(f"{final}.tmp/{part}")
            for file in generation_files(service, manifest, f"{final}.tmp"):
                _write(host, file, contents)
            for label, container in manifest["containers"].items():
                host.symlink(f"../../../objects/{container_digest(container)}", f"{final}.tmp/containers/{label}")
            host.replace(f"{final}.tmp", final)
    except OSError as error:
        sweep(host, service)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(max(need, free(host) + BLOCK), free(host)) from None
        raise StoreError(f"{error.filename}: {error.strerror}") from None
    except StoreError:
        sweep(host, service)
        raise
    return healed


def _heal(host: Host, manifest: Manifest, files: Sequence[Stored], contents: Mapping[str, str]) -> set[str]:
    healed: set[str] = set()
    for file in files:
        if not _differs(host, file):
            continue
        host.mkdir(os.path.dirname(file.path))
        _write(host, file, contents, replace=True)
        healed |= {file.unit} if file.unit else readers(manifest, file.real)
    return healed


def readers(manifest: Manifest, path: str) -> set[str]:
    """The units of packages that read a host file."""
    return {unit["name"] for unit in manifest["units"] if path in unit["files"]}


# -- verifying ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drift:
    """A file of the active generation that is not what it was made: ``path`` as people know it, and in what way."""

    path: str
    what: str
    units: frozenset[str]


def drift(host: Host, service: str, manifest: Manifest, name: str) -> list[Drift]:
    """What somebody changed by hand in the active generation. Reads only."""
    found: list[Drift] = []
    files = generation_files(service, manifest, directory(service, "generations", name))
    for container in manifest["containers"].values():
        files += object_files(service, container, object_directory(service, container))
    for file in files:
        what = _differs(host, file)
        if what:
            units = {file.unit} if file.unit else readers(manifest, file.real)
            found.append(Drift(file.real, what, frozenset(units)))
    for entry in manifest["files"]:
        path = entry["path"]
        if copied(entry):
            what = _differs(
                host, Stored(path, entry["sha256"], None, entry["mode"], entry["owner"], entry["group"], "", path)
            )
            what = "replaced by a link" if host.readlink(path) is not None else what
        else:
            link = host.readlink(path)
            what = "" if link == through(service, path) else "replaced" if host.exists(path) else "missing"
        if what:
            found.append(Drift(path, what, frozenset(readers(manifest, path))))
    if manifest["containers"]:
        link = f"{QUADLETS}/ozone-{service}"
        if host.readlink(link) != directory(service, "current", "quadlets"):
            found.append(
                Drift(link, "replaced" if host.exists(link) else "missing", frozenset(container_units(manifest)))
            )
    return found


# -- the past ----------------------------------------------------------------------------------------------------------


def history(host: Host, service: str) -> list[str]:
    """Generations that were confirmed and are still there, oldest first, each once."""
    found = load(host, directory(service, "history.json"))
    return [str(name) for name in found] if isinstance(found, list) else []


def remember(host: Host, service: str, name: str) -> None:
    """Note that a generation was confirmed."""
    names = [other for other in history(host, service) if other != name]
    save(host, directory(service, "history.json"), [*names, name])


def previous(host: Host, service: str, active: str | None) -> str | None:
    """The generation that was confirmed before the active one and is whole."""
    for name in reversed(history(host, service)):
        if name != active and manifest_of(host, service, name) is not None:
            return name
    return None


def forget(host: Host, service: str, active: str, keep: int) -> list[str]:
    """Remove all but the last ``keep`` confirmed generations and the active one, and the objects of none of them.

    Returns the generations removed. Each loses its name first, so that nobody finds half of one.
    """
    names = [name for name in history(host, service) if name != active]
    kept = [*(names[-(keep - 1) :] if keep > 1 else []), active]
    removed = [name for name in host.names(directory(service, "generations")) if name not in kept]
    used: set[str] = set()
    for name in kept:
        manifest = manifest_of(host, service, name)
        if manifest is not None:
            used |= {container_digest(container) for container in manifest["containers"].values()}
    rubbish = [directory(service, "generations", name) for name in removed]
    rubbish += [
        directory(service, "objects", name) for name in host.names(directory(service, "objects")) if name not in used
    ]
    if not rubbish:
        return []
    if history(host, service) != kept:
        save(host, directory(service, "history.json"), kept)
    for path in rubbish:
        gone = path if path.endswith(".tmp") else f"{path}.tmp"
        if gone != path:
            host.remove(gone)
            host.replace(path, gone)
        host.remove(gone)
    return [name for name in removed if not name.endswith(".tmp")]
