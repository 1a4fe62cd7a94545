# SPDX-License-Identifier: Apache-2.0
"""The words of bare metal, as types: what an operator declares of a machine, and what became of it.

The package knows Ironic's API (https://docs.openstack.org/api-ref/baremetal/) at microversion ``MICROVERSION``; nodes
as Ironic has them are plain dictionaries in its own JSON. Units: seconds, bytes for sizes unless Ironic's own field is
in another one (``local_gb``, ``memory_mb``). MAC addresses are lower case with colons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

#: What every request asks for. Ironic 29 (2025.1) and later know it.
MICROVERSION = "1.95"

#: Where a fleet can be told to go.
Target = Literal[
    "enrolled",
    "manageable",
    "inspected",
    "available",
    "active",
    "rescued",
    "undeployed",
    "rebuilt",
    "adopted",
    "removed",
]

#: Interfaces of Ironic's hardware types; a node has one field ``<name>_interface`` for each.
INTERFACES = (
    "bios", "boot", "console", "deploy", "firmware", "inspect", "management", "network", "power", "raid", "rescue",
    "storage", "vendor",
)  # fmt: skip


class BaremetalError(Exception):
    """What was asked for cannot be done; the text says what and how to mend it, and may have several lines."""


@dataclass(frozen=True)
class Port:
    """A NIC as Ironic knows it. ``portgroup`` is a name of ``Declared.portgroups``. None: as Ironic has it."""

    address: str
    pxe_enabled: bool | None = None
    physical_network: str | None = None
    local_link_connection: Mapping[str, str] | None = None
    portgroup: str | None = None


@dataclass(frozen=True)
class PortGroup:
    """NICs that work as one. ``mode`` and ``properties`` are those of the kernel's bonding driver."""

    name: str
    address: str | None = None
    mode: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    standalone_ports_supported: bool | None = None


@dataclass(frozen=True)
class Declared:
    """A node as declared. None, or a key that is not there: as Ironic has it (it is left alone).

    ``driver_info`` holds secrets and is never shown. Mappings are merged key by key; a key whose value is None is
    removed. ``traits``, ``ports`` and ``portgroups`` are complete when they are given.
    """

    name: str
    driver: str | None = None
    driver_info: Mapping[str, Any] = field(default_factory=dict, repr=False)
    interfaces: Mapping[str, str] = field(default_factory=dict)
    resource_class: str | None = None
    traits: Sequence[str] | None = None
    conductor_group: str | None = None
    owner: str | None = None
    lessee: str | None = None
    shard: str | None = None
    description: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)  # root_device, skip_block_devices, capabilities, ...
    extra: Mapping[str, Any] = field(default_factory=dict)
    network_data: Mapping[str, Any] | None = None  # of the ramdisk
    automated_clean: bool | None = None
    retired: bool | None = None
    retired_reason: str | None = None
    protected: bool | None = None
    protected_reason: str | None = None
    ports: Sequence[Port] | None = None
    portgroups: Sequence[PortGroup] | None = None
    target_raid_config: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Image:
    """A whole-disk image. ``checksum`` is hexadecimal; MD5 and SHA-1 are refused."""

    source: str
    checksum: str
    algorithm: Literal["sha256", "sha512"] = "sha256"
    disk_format: Literal["raw", "qcow2"] = "raw"


@dataclass(frozen=True)
class Instance:
    """What a node is to run. ``config_drive``: meta_data, network_data, user_data as Ironic takes them, or None.

    ``preserve``: hints of disks whose content must survive everything; ``root_device``: the hint of the one disk that
    is written.
    """

    image: Image
    config_drive: Mapping[str, Any] | None = field(default=None, repr=False)
    root_device: Mapping[str, Any] = field(default_factory=dict)
    preserve: Sequence[Mapping[str, Any]] = ()
    capabilities: Mapping[str, str] = field(default_factory=dict)
    traits: Sequence[str] = ()


@dataclass(frozen=True)
class Expected:
    """Hardware that inspection has to find; None or empty: whatever there is. ``disks``: hints that match one each."""

    cpus: int | None = None
    memory_mb: int | None = None
    cpu_arch: str | None = None
    disks: Sequence[Mapping[str, Any]] = ()
    macs: Sequence[str] = ()


@dataclass(frozen=True)
class Wanted:
    """One node of a fleet: what it is, what it is to run, what it has to have."""

    name: str
    declared: Declared | None = None
    instance: Instance | None = None
    expected: Expected | None = None


@dataclass(frozen=True)
class Wish:
    """A name that is to have a node. ``candidates``: names or ids, empty for any; ``site``: a conductor group."""

    name: str
    resource_class: str
    traits: Sequence[str] = ()
    candidates: Sequence[str] = ()
    site: str | None = None


@dataclass
class Outcome:
    """What became of one node.

    ``status``: ``unchanged`` (was there already), ``changed``, ``failed``, ``skipped`` (not begun, e.g. as the policy
    stopped the run). ``stage``: the last step that was begun. ``cause`` and ``remedy`` are for a person; ``last_error``
    is Ironic's own text. ``summary``: what was changed, without any secret. ``notes``: what is worth knowing and no
    failure. ``stages``: seconds by provision state.
    """

    name: str
    status: Literal["unchanged", "changed", "failed", "skipped"] = "unchanged"
    state: str = ""
    stage: str = ""
    seconds: float = 0.0
    cause: str = ""
    remedy: str = ""
    last_error: str = ""
    summary: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request to make. ``shown``: what a person may see of it (no secret)."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    body: Any = field(default=None, repr=False)
    shown: str = ""


@dataclass(frozen=True)
class Answer:
    """Status and JSON body of one answer."""

    status: int
    body: Any = None


class Api(Protocol):
    """Ironic, as far as this package needs it. Called from several threads at once."""

    def request(self, request: Request) -> Answer:
        """One request, answered in bounded time. 409 and 503 are answers too.

        :raises ConnectionError: there was no answer, or none in time.
        :raises BaremetalError: waiting cannot help: the certificate is not trusted, the login is refused.
        """
        ...
