# SPDX-License-Identifier: Apache-2.0
"""The wanted state of one service on one node, as plain data.

A *generation* is an immutable set of rendered configuration, image digests and units. The deployment host renders it
(``render.py``), compares its digest with the one that a node reports, and sends it to the node only when they differ;
the node activates it as one transaction (``transaction.py``). Both sides share the shapes below, which are JSON: what
is hashed, stored and shown is one thing.

File *contents* never are part of a manifest: a manifest names them by their sha256, so that it holds no secret and can
be shown, logged and kept as a fact. The contents travel beside it in one ``dict[sha256, text]``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, NotRequired, TypedDict

#: Where the state of services lies on a node, one directory per service.
SERVICES_ROOT = "/var/lib/ozone/services"

#: In the directory of a service: its role has more to do than the change of the node, and has not done it yet.
UNFINISHED = "unfinished.json"

#: In the directory of a service: it was brought to another release, and what comes after all its nodes is not done yet.
UPGRADING = "upgrading.json"

#: In a quadlet, the place of the directory that holds the container's own configuration files.
OBJECT = "@OBJECT@"

#: In the argv of a check, the place of the directory below which the new host files are staged.
STAGE = "@STAGE@"


class File(TypedDict):
    """One file. ``path`` is absolute for a file of the host, relative to the object for a file of a container.

    A host file is a link from its path into the active generation. ``copy`` makes it a regular file instead, for those
    who cannot read through the link; ``copied`` knows the common ones.
    """

    path: str
    sha256: str
    mode: str  # octal, four digits: "0640"
    owner: str  # a name on the node, or a number for an account of a container
    group: str
    copy: NotRequired[bool]


class Directory(TypedDict):
    """A directory for persistent data: made when missing, its mode and owner kept, never removed with the service."""

    path: str
    mode: str
    owner: str
    group: str


class Account(TypedDict):
    """A system account of the node."""

    name: str
    uid: int
    home: str
    groups: list[str]


class Image(TypedDict):
    """``id`` is the digest of the image's configuration: the same in every store, however the layers are compressed."""

    name: str
    id: str


class Container(TypedDict):
    """A container under systemd. ``quadlet`` is the text of the .container file, with ``OBJECT`` for its directory."""

    unit: str  # "ozone-keystone_api.service"; the file is ozone-keystone_api.container
    image: Image
    quadlet: str
    files: list[File]


class Unit(TypedDict):
    """A systemd unit that comes from a package. A container's unit is not listed: its digest is the container's.

    ``files`` are the host files whose change concerns the unit; ``on_change`` is what is done then.
    """

    name: str
    files: list[str]
    on_change: Literal["restart", "reload", "none"]


class Command(TypedDict):
    """Run in the node when one of ``files`` (or the command itself) differs from the active generation.

    ``stdin`` is the path of one of the generation's host files, fed on standard input: no secret on a command line.
    """

    name: str
    argv: list[str]
    files: list[str]
    when: Literal["before_units", "after_units"]
    timeout: int
    stdin: NotRequired[str]


class OneShot(TypedDict):
    """A command in a container of ``container``'s image, with that container's staged files and volumes.

    ``env_file`` is the relative path of one of the container's files that holds environment variables with secrets.
    ``ok`` lists the exit codes that mean success; those in ``warn`` mean it too, and what was said becomes a warning.
    ``again`` lists those after which it is run again, ``attempts`` times at most. ``network`` is false for a check that
    needs none. ``upgrade: false`` keeps a bootstrap step out of upgrades, where other steps stand for it.
    """

    name: str
    container: str
    argv: list[str]
    timeout: int
    ok: list[int]
    env_file: NotRequired[str]
    network: NotRequired[bool]
    warn: NotRequired[list[int]]
    again: NotRequired[list[int]]
    attempts: NotRequired[int]
    upgrade: NotRequired[bool]
    stage: NotRequired[Literal["check", "before", "expand", "after"]]


class HostCheck(TypedDict):
    """A check of staged host files, before the switch: haproxy -c -f @STAGE@/etc/haproxy/haproxy.cfg.

    Without ``STAGE`` in its argv the check sees the staged files at their real paths, over those that are active: for
    files that name one another.
    """

    name: str
    argv: list[str]
    timeout: int


class Health(TypedDict):
    """One health check. ``unit``: systemd unit active, its main process the same for ``seconds`` (5). ``tcp``: a
    connection to ``host``:``port``. ``http``: GET ``url``, status in ``status`` ([200]). ``command``: ``argv`` exits 0.

    ``unit`` in the other types names the unit whose journal tells why the check fails.
    """

    type: Literal["unit", "tcp", "http", "command"]
    name: str
    unit: NotRequired[str]
    seconds: NotRequired[int]
    host: NotRequired[str]
    port: NotRequired[int]
    url: NotRequired[str]
    status: NotRequired[list[int]]
    cafile: NotRequired[str]
    argv: NotRequired[list[str]]


class Manifest(TypedDict):
    """What is hashed. Two equal manifests are the same generation."""

    service: str
    components: list[str]
    release: str
    cluster: str  # digest of what is done once for the service as a whole (its bootstrap); empty: nothing
    accounts: list[Account]
    packages: list[str]
    directories: list[Directory]
    files: list[File]
    containers: dict[str, Container]
    units: list[Unit]
    commands: list[Command]
    host_checks: list[HostCheck]
    container_checks: list[OneShot]
    bootstrap: list[OneShot]
    upgrade: list[OneShot]  # each with its stage
    bootstrap_commands: list[Command]
    health: list[Health]
    health_timeout: int


#: Below these, host files are copies: systemd and udev read them before /var is mounted, AppArmor lets chronyd read
#: nothing outside of its directory, sudo no link, and `systemctl disable` removes a unit file that is a link.
COPIED = (
    "/etc/systemd/", "/etc/udev/", "/etc/modules-load.d/", "/etc/sysctl.d/", "/etc/tmpfiles.d/", "/etc/chrony/",
    "/etc/apparmor.d/", "/etc/default/", "/etc/ssh/", "/etc/sudoers.d/", "/etc/hosts",
    "/etc/hostname",
)  # fmt: skip


def copied(file: File) -> bool:
    """Whether a host file is a regular file at its path instead of a link into the active generation."""
    return bool(file.get("copy", file["path"].startswith(COPIED)))


def sha256(text: str) -> str:
    """Digest of a text, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest(value: Any) -> str:
    """Digest of JSON data: of its canonical form (sorted keys, no spaces), as 64 hexadecimal digits."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True))


def container_digest(container: Container) -> str:
    """Names the object directory of a container. It changes exactly when the container has to be restarted."""
    return digest(container)


def unit_digest(unit: Unit, manifest: Manifest) -> str:
    """Changes exactly when ``unit`` has to be restarted or reloaded: its files differ."""
    concerned = [file for file in manifest["files"] if file["path"] in unit["files"]]
    return digest({"unit": unit, "files": concerned})


def command_digest(command: Command, manifest: Manifest) -> str:
    """Changes exactly when ``command`` has to run again."""
    paths = {*command["files"], command.get("stdin")}
    concerned = [file for file in manifest["files"] if file["path"] in paths]
    return digest({"command": command, "files": concerned})
