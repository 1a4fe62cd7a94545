# SPDX-License-Identifier: Apache-2.0
"""The words of a node's network configuration, as types: what the schema accepts, and what goes to the node and back.

``schema.parse`` makes the first half (a checked ``Config``) of an operator's os-net-config file; ``resolve`` finds its
NICs among those of a node; ``render`` makes a ``Wanted`` of it: files of systemd-networkd and rows of Open vSwitch;
``difference`` compares it with what ``probe`` saw on the node (``Observed``) and says how to get there and back
(``Change``). Everything from ``Nic`` on is plain data that travels as JSON, and the node's half needs nothing but the
standard library.

Units: MTU in bytes, times in milliseconds where the kernel's option is (bonding.rst), else in seconds. MAC addresses
are lower case with colons, PCI addresses ``0000:00:03.0``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NotRequired, TypedDict

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

#: What a device is. ``route_table`` is no device: it is ``Config.tables``.
Kind = Literal[
    "interface",
    "vlan",
    "linux_bond",
    "linux_bridge",
    "ovs_bridge",
    "ovs_bond",
    "ovs_patch_port",
    "ovs_tunnel",
    "ovs_user_bridge",
    "ovs_dpdk_port",
    "ovs_dpdk_bond",
    "sriov_pf",
    "sriov_vf",
    "ib_interface",
    "ib_child_interface",
    "linux_tap",
]

#: Kinds that live in Open vSwitch and not in the kernel alone.
OVS_KINDS = frozenset(
    {"ovs_bridge", "ovs_bond", "ovs_patch_port", "ovs_tunnel", "ovs_user_bridge", "ovs_dpdk_port", "ovs_dpdk_bond"}
)


#: Kinds that are only rows of Open vSwitch: the kernel has no link of that name.
NO_LINK = frozenset({"ovs_bond", "ovs_patch_port", "ovs_tunnel", "ovs_dpdk_port", "ovs_dpdk_bond"})


@dataclass(frozen=True)
class Route:
    """A static route. ``gateway`` None: on the link. ``table``: a number, or a name of ``Config.tables``."""

    destination: IPNetwork
    gateway: IPAddress | None = None
    table: int | str | None = None
    metric: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)  # of ip-route(8): mtu, advmss, initcwnd, src, onlink, ...


@dataclass(frozen=True)
class Rule:
    """A policy routing rule (ip-rule(8)), parsed."""

    family: Literal["ipv4", "ipv6", "both"]
    source: IPNetwork | None = None
    destination: IPNetwork | None = None
    table: int | str | None = None
    priority: int | None = None
    iif: str | None = None
    oif: str | None = None
    fwmark: str | None = None
    tos: int | None = None
    action: Literal["table", "blackhole", "unreachable", "prohibit"] = "table"
    options: Mapping[str, str] = field(default_factory=dict)  # further keys of [RoutingPolicyRule], as they are there


@dataclass(frozen=True)
class OvsSetting:
    """A column that an operator sets in ``ovs_options`` or ``ovs_extra``.

    As in ``set <table> <record> <column>[:<key>]=<value>`` of ovs-vsctl(8).
    """

    table: Literal["Bridge", "Port", "Interface"]
    record: str
    column: str
    key: str | None
    value: str


@dataclass(frozen=True)
class Device:
    """One device of a node, checked. What a kind does not know is empty.

    ``name`` is as written: for kinds that name a NIC (interface, sriov_pf, sriov_vf.parent, ib_interface, members) it
    may be an alias (``nic1``, a key of a mapping), a MAC, ``pci:0000:00:03.0`` or ``driver:<name>[:<index>]``; else it
    is the name the device gets. ``parent``: device of a vlan or an ib child, or PF of a vf; None inside of an OVS
    bridge. ``master``: the device whose member this one is. ``path``: where in the file, for messages.
    """

    kind: Kind
    name: str
    path: str
    master: str | None = None
    members: tuple[str, ...] = ()
    parent: str | None = None
    vlan_id: int | None = None
    addresses: tuple[IPInterface, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    mtu: int | None = None
    dns_servers: tuple[IPAddress, ...] = ()
    domains: tuple[str, ...] = ()
    dhcp4: bool = False  # only where the operator allowed it by name for this one interface
    dhcp6: bool = False
    primary: bool = False  # preferred member of its bond
    onboot: bool = True
    hotplug: bool = False
    linkdelay: int | None = None  # seconds
    ethtool: Mapping[str, str] = field(default_factory=dict)  # keys of systemd.link(5)
    bonding: Mapping[str, str] = field(default_factory=dict)  # linux_bond: kernel names -> value; OVS bond: primary
    ovs_settings: tuple[OvsSetting, ...] = ()  # ovs_options and ovs_extra, parsed
    fail_mode: Literal["standalone", "secure"] = "standalone"  # OVS bridges
    ovs_internal: bool = True  # ovs_user_bridge: has a port of its own name
    peer: str | None = None  # ovs_patch_port
    bridge: str | None = None  # ovs_patch_port: its bridge, where it is no member of one
    tunnel_type: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)  # further typed options by kind: numvfs, vfid, driver, ...


@dataclass(frozen=True)
class Config:
    """A checked configuration. ``devices``: all of them, members before their masters; ``tables``: name -> number.

    ``warnings``: what has no effect or is unwise, and still can be done.
    """

    devices: tuple[Device, ...]
    tables: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[NetworkProblem, ...] = ()

    def device(self, name: str) -> Device | None:
        """The device of that name as written."""
        return next((device for device in self.devices if device.name == name), None)


@dataclass(frozen=True, order=True)
class NetworkProblem:
    """A mistake in a configuration: key path, what is wrong in one sentence, what to do about it."""

    path: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


class NetworkError(Exception):
    """A configuration was refused. ``problems`` holds every mistake that was found."""

    def __init__(self, problems: list[NetworkProblem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


# What a node is, and what goes there: plain data.


class Nic(TypedDict):
    """A physical NIC (or a VF) of a node. ``mac``: the permanent one (ETHTOOL_GPERMADDR), "" when it has none.

    ``virtfns``: of a PF, the PCI addresses of its VFs by their numbers, also of those that a guest or DPDK has;
    ``pci``: address of its device, "" when it has none; ``port``: dev_port, for several NICs behind one PCI function;
    ``vf_of``: name of its PF, "" for a physical one; ``type``: "ether" or "infiniband"; ``carrier`` and ``speed``
    (Mbit/s, 0: unknown) are for people only: nothing is numbered or chosen by them.
    """

    name: str
    mac: str
    pci: str
    port: int
    driver: str
    type: str
    vf_of: str
    carrier: bool
    speed: int
    max_mtu: int
    virtfns: NotRequired[list[str]]


class Known(TypedDict):
    """A line of a node's record of numbers: ``nic<number>`` is that NIC, also while it is dead, gone or replaced.

    ``driver``: for names such as ``driver:ice:1``, which have to mean the same NIC while another one is gone.
    """

    number: int
    name: str
    mac: str
    pci: str
    port: int
    driver: NotRequired[str]


class File(TypedDict):
    """Text and mode ("0644") of a file owned by root. systemd-networkd reads its files as user systemd-network."""

    text: str
    mode: str


class OvsRow(TypedDict):
    """A row of Open_vSwitch as it shall be: of table Bridge, Port or Interface.

    ``columns``: column -> value; a text for a scalar, a sorted list for a set, a mapping for a map. Only what is named
    is compared and written; a row that is written also gets ``external_ids:ozone-network=true``, which makes it ours.
    ``parent``: bridge of a port, port of an interface; "" for a bridge.
    """

    table: Literal["Bridge", "Port", "Interface"]
    name: str
    parent: str
    columns: dict[str, str | list[str] | dict[str, str]]


class RouteWanted(TypedDict):
    """A route to look for: ``destination`` "default" or a network; ``gateway`` "" for one on the link."""

    destination: str
    gateway: str
    table: int
    metric: int | None


class LinkWanted(TypedDict):
    """What has to be true of a link after a change.

    ``members``: kernel names of those that exist; ``missing``: of a bond or a bridge, as written, those that do not.
    ``virtual``: made by us, so removing it from the configuration removes the device. ``physical``: names of the NICs
    whose carrier it depends on, down through bonds and bridges.
    """

    name: str
    kind: Kind
    virtual: bool
    mtu: int | None
    addresses: list[str]
    routes: list[RouteWanted]
    members: list[str]
    missing: list[str]
    physical: list[str]
    lacp: bool


class Wanted(TypedDict):
    """All that a node shall have. ``digest``: sha256 of the canonical JSON of everything else.

    ``files``: by absolute path; ours all lie in ``OWNED`` (see render.py). ``resolution``: alias or name as written ->
    the kernel's name, "" for a NIC that is not there. ``degraded``: sentences about members that are missing.
    ``netdevs``: link -> the options that cannot change while it lives (kind, bond mode, VLAN id and parent, ...): a
    link is deleted and made anew exactly when they differ. ``tables`` named routing tables.
    """

    digest: str
    files: dict[str, File]
    ovs: list[OvsRow]
    links: list[LinkWanted]
    resolution: dict[str, str]
    numbers: list[Known]
    netdevs: dict[str, dict[str, str]]
    degraded: list[str]
    dhcp_allowed: list[str]


class LinkSeen(TypedDict):
    """A link of the kernel, from ``ip -j -d``: ``kind`` is the kernel's (bond, vlan, bridge, "" for a NIC, ...).

    ``options``: of a virtual link, those of ``info_data`` that are a word or a number, as texts (``mode``, ``id``,
    ``fail_over_mac``, ...), and ``parent``: the link below it. With them a link that was not ours can be made again.
    """

    name: str
    kind: str
    ifindex: int
    mac: str
    mtu: int
    up: bool
    carrier: bool
    master: str
    addresses: list[str]
    options: NotRequired[dict[str, str]]


class RouteSeen(TypedDict):
    """A route of the kernel, of all tables but ``local``. ``protocol`` tells whose it is: static, kernel, bgp, ..."""

    destination: str
    gateway: str
    device: str
    table: int
    metric: int
    protocol: str


class Source(TypedDict):
    """Something on the node that may ask for an address: where, what, and whether applying will neutralise it."""

    name: str
    where: str
    neutralised_by: str


class Observed(TypedDict):
    """What is on the node now. ``active``: the ``Wanted`` that was confirmed last, or None.

    ``files``: by path every file below OWNED that is ours, with its text. ``ovs``: all rows of
    the three tables, whose tag is in their external_ids; None when ovsdb-server does not answer: ``ovs_error`` says so.
    ``pending``: id of a change that waits for its confirmation. ``sources``: of DHCP and router advertisements.
    ``foreign``: files of other network software that a change has to move away, path -> text, with their
    ``foreign_modes``; ``foreign_units``: its units, to be disabled. ``networkd``: whether it runs, and
    ``networkd_enabled``: whether the next boot starts it. ``directories``: of those in ``difference.CONDITIONS``, the
    ones that the node has: a file that is for another software's eyes is written only where that is installed.
    ``resolved``: whether systemd-resolved is installed, which name servers are for.
    """

    nics: list[Nic]
    links: list[LinkSeen]
    routes: list[RouteSeen]
    files: dict[str, File]
    ovs: list[OvsRow] | None
    ovs_error: str
    numbers: list[Known]
    active: Wanted | None
    pending: str
    reverted: dict[str, str]
    sources: list[Source]
    foreign: dict[str, str]
    foreign_modes: NotRequired[dict[str, str]]
    foreign_units: list[str]
    networkd: bool
    networkd_enabled: NotRequired[bool]
    directories: NotRequired[list[str]]
    resolved: NotRequired[bool]


class Steps(TypedDict):
    """One direction of a change, carried out by ``tool.py`` in the order of the keys. Carrying it out twice is once.

    ``disable``/``enable``: units (never stopped). ``files``: path -> what it shall be, None: absent.
    ``delete``: links to delete first. ``ovs``: ONE transaction, the arguments of ovs-vsctl after its options.
    ``udev``: links whose .link file has to be applied. ``restart``: running units to restart, because their own
    configuration changed (systemd-networkd reads networkd.conf only when it starts). ``reload``: whether networkd
    reads its files again (and makes netdevs); ``reconfigure``: links to be configured anew although their files did
    not change. ``commands``: ip(8) calls for what no file describes: what the old network software left behind, and
    the way back to it; each may fail without harm to the next.
    """

    disable: list[str]
    enable: list[str]
    files: dict[str, File | None]
    delete: list[str]
    ovs: list[str]
    udev: list[str]
    restart: list[str]
    reload: bool
    reconfigure: list[str]
    commands: list[list[str]]


class Change(TypedDict):
    """From what is to what shall be, and back. ``touched``: links that may lose a packet; ``summary``: for people."""

    changed: bool
    forward: Steps
    back: Steps
    touched: list[str]
    summary: list[str]
