# SPDX-License-Identifier: Apache-2.0
"""What a node shall have: the files of systemd-networkd and the rows of Open vSwitch that a configuration means there.

Each NIC has one file, named after it as it is written and matching it by what does not change, so that the same
configuration gives the same files whether a NIC is there or not, and one that appears later finds its file waiting.
What nobody said has a value nevertheless (an MTU of 1500, no delays): a setting that leaves the configuration does not
stay behind in the kernel. Routing tables are written as numbers, because systemd-networkd learns names only when it
starts; ``/etc/iproute2`` has the names for people.

The settings are those of systemd 257 (systemd.network(5), systemd.netdev(5), systemd.link(5)) and Open vSwitch 3.5.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.ozone.openstack.plugins.module_utils.network.bonding import WITH_PRIMARY
from ansible_collections.ozone.openstack.plugins.module_utils.network.difference import (
    CLOUD_INIT_FILE,
    NETWORK_MANAGER_FILE,
    NETWORKD_FILE,
    TABLES_FILE,
    file_path,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (
    OVS_KINDS,
    Config,
    Device,
    File,
    LinkWanted,
    NetworkError,
    NetworkProblem,
    OvsRow,
    OvsSetting,
    Route,
    RouteWanted,
    Rule,
    Wanted,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.resolve import NIC_KINDS, Resolved
from ansible_collections.ozone.openstack.plugins.module_utils.network.switch import COLUMNS, normal

Section = tuple[str, list[tuple[str, str]]]

HEADER = (
    "# Written by Ozone. Changes to this file are lost at the next run; change the network configuration instead.\n"
)

#: A link's MTU where the configuration says nothing, so that one that it said before does not stay.
DEFAULT_MTU = 1500

#: Longest name of a network device.
LONGEST_NAME = 15

#: Devices with their own network device in the kernel that this configuration makes, and what it is there.
_NETDEVS = {
    "vlan": "vlan",
    "linux_bond": "bond",
    "linux_bridge": "bridge",
    "ib_child_interface": "ipoib",
    "linux_tap": "tap",
}

_BRIDGES = frozenset({"ovs_bridge", "ovs_user_bridge"})
_NO_LINK = frozenset({"ovs_bond", "ovs_patch_port", "ovs_tunnel", "ovs_dpdk_port", "ovs_dpdk_bond"})

#: Key of ``other_config`` of a port: the preferred member of a bond.
BOND_PRIMARY = "bond-primary"

#: Number of the routing table where a route goes that names none.
MAIN_TABLE = 254

#: Option of the bonding driver -> key of [Bond], unit of its values.
_BOND = {
    "mode": ("Mode", ""),
    "xmit_hash_policy": ("TransmitHashPolicy", ""),
    "lacp_rate": ("LACPTransmitRate", ""),
    "miimon": ("MIIMonitorSec", "ms"),
    "peer_notif_delay": ("PeerNotifyDelaySec", "ms"),
    "updelay": ("UpDelaySec", "ms"),
    "downdelay": ("DownDelaySec", "ms"),
    "ad_select": ("AdSelect", ""),
    "ad_actor_sys_prio": ("AdActorSystemPriority", ""),
    "ad_user_port_key": ("AdUserPortKey", ""),
    "ad_actor_system": ("AdActorSystem", ""),
    "fail_over_mac": ("FailOverMACPolicy", ""),
    "arp_validate": ("ARPValidate", ""),
    "arp_interval": ("ARPIntervalSec", "ms"),
    "arp_ip_target": ("ARPIPTargets", ""),
    "arp_all_targets": ("ARPAllTargets", ""),
    "arp_missed_max": ("ARPMissedMax", ""),
    "primary_reselect": ("PrimaryReselectPolicy", ""),
    "resend_igmp": ("ResendIGMP", ""),
    "packets_per_slave": ("PacketsPerSlave", ""),
    "num_grat_arp": ("GratuitousARP", ""),
    "all_slaves_active": ("AllSlavesActive", ""),
    "tlb_dynamic_lb": ("DynamicTransmitLoadBalancing", ""),
    "min_links": ("MinLinks", ""),
}

#: Options of a bond that cannot change while it is up or has members -> their name in ``ip -j -d link``.
_BOND_FIXED = {
    "mode": "mode",
    "fail_over_mac": "fail_over_mac",
    "lacp_rate": "ad_lacp_rate",
    "ad_select": "ad_select",
    "ad_user_port_key": "ad_user_port_key",
    "tlb_dynamic_lb": "tlb_dynamic_lb",
}

#: Option of ip-route(8) -> key of [Route].
_ROUTE = {
    "mtu": "MTUBytes",
    "advmss": "TCPAdvertisedMaximumSegmentSize",
    "initcwnd": "InitialCongestionWindow",
    "initrwnd": "InitialAdvertisedReceiveWindow",
    "src": "PreferredSource",
    "onlink": "GatewayOnLink",
    "scope": "Scope",
    "quickack": "QuickAck",
    "hoplimit": "HopLimit",
    "congctl": "TCPCongestionControlAlgorithm",
    "fastopen_no_cookie": "FastOpenNoCookie",
    "pref": "IPv6Preference",
}

#: What systemd-networkd must leave alone: the routes and rules of OVN, FRR and keepalived.
NETWORKD = (
    HEADER
    + """
[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
ManageForeignNextHops=no
"""
)

CLOUD_INIT = HEADER + "\nnetwork:\n  config: disabled\n"

NETWORK_MANAGER = HEADER + "\n[main]\nno-auto-default=*\n\n[keyfile]\nunmanaged-devices=*\n"

#: Names that udev gives to NICs, and the kernel: 99-default.link gives them again.
_USUAL_NAME = re.compile(r"(?:eth|ib)[0-9]+\Z|(?:en|ib)(?:[ops]|P[0-9]+p)[0-9a-zA-Z]+\Z")


def render(config: Config, resolved: Resolved) -> Wanted:
    """The files and rows that ``config`` means on the node of ``resolved``. Deterministic.

    Raises NetworkError for what systemd-networkd and Open vSwitch cannot do.
    """
    writer = _Writer(config, resolved)
    for link in writer.links.values():
        writer.write(link)
    writer.settings()
    if writer.problems:
        raise NetworkError(writer.problems)
    files = {
        NETWORKD_FILE: NETWORKD,
        CLOUD_INIT_FILE: CLOUD_INIT,
        NETWORK_MANAGER_FILE: NETWORK_MANAGER,
        **writer.files,
    }
    if config.tables:
        names = sorted((table, name) for name, table in config.tables.items())
        files[TABLES_FILE] = HEADER + "".join(f"{table} {name}\n" for table, name in names)
    rows = sorted(writer.rows.values(), key=lambda row: (row["table"], row["name"]))
    wanted: Wanted = {
        "digest": "",
        "files": {path: File(text=files[path], mode="0644") for path in sorted(files)},
        "ovs": rows,
        "links": sorted(writer.wanted, key=lambda link: link["name"]),
        "resolution": {
            written: found.name if found.nic is not None else "" for written, found in sorted(resolved.nics.items())
        },
        "numbers": [*resolved.numbers],
        "netdevs": dict(sorted(writer.netdevs.items())),
        "degraded": [*resolved.degraded],
        "dhcp_allowed": sorted(device.name for device in config.devices if device.dhcp4 or device.dhcp6),
    }
    canonical = json.dumps(wanted, sort_keys=True, separators=(",", ":"))
    wanted["digest"] = hashlib.sha256(canonical.encode()).hexdigest()
    return wanted


class _Link:
    """A device, with what stands on it."""

    def __init__(self, device: Device, name: str) -> None:
        self.device = device
        self.name = name  # the kernel's; "" when nobody knows it
        self.vlans: list[str] = []
        self.children: list[str] = []  # of InfiniBand
        self.functions: list[Device] = []  # VFs of a PF
        self.mtu: int | None = None

    @property
    def file(self) -> str:
        """What its files are called after: a NIC as it is written, because that stays when it is renamed or gone."""
        return self.device.name if self.device.kind in NIC_KINDS else self.name


class _Writer:
    """Writes one link after the other."""

    def __init__(self, config: Config, resolved: Resolved) -> None:
        self.config = config
        self.resolved = resolved
        self.problems: list[NetworkProblem] = []
        self.files: dict[str, str] = {}
        self.rows: dict[tuple[str, str], OvsRow] = {}
        self.netdevs: dict[str, dict[str, str]] = {}
        self.wanted: list[LinkWanted] = []
        self.links: dict[str, _Link] = {}  # by name as written
        for device in config.devices:
            self.links[device.name] = _Link(device, self.name(device))
        self.files_apart()
        for link in self.links.values():
            self.stand(link)
        for link in self.links.values():
            mtu = self.mtu(link)
            if mtu is not None and link.device.mtu is None:
                mtu = max(mtu, self.needed(link.device))
            link.mtu = self.possible(link, mtu)

    def problem(self, path: str, message: str, remedy: str = "") -> None:
        """Another thing that cannot be done."""
        self.problems.append(NetworkProblem(path, message, remedy))

    # What there is, and what stands on what

    def name(self, device: Device) -> str:
        """The kernel's name of a device. One that is called after the NIC below it gets that NIC's own name."""
        if device.kind in NIC_KINDS:
            return self.resolved.link(device.name)
        if device.parent is not None and device.name.startswith(f"{device.parent}."):
            name = self.resolved.link(device.parent) + device.name.removeprefix(device.parent)
            if len(name) > LONGEST_NAME:
                message = f"{name} is longer than the {LONGEST_NAME} characters that the kernel allows"
                self.problem(device.path, message, "give it a name of its own, with the key name")
            return name
        return device.name

    def files_apart(self) -> None:
        """Refuses names that are one for the files of two devices."""
        owners: dict[str, Device] = {}
        for link in self.links.values():
            if link.device.kind in _NO_LINK or not link.file:
                continue
            other = owners.setdefault(file_path(link.file, "network"), link.device)
            if other is not link.device:
                message = f"files of {link.device.name} would have the names of those of {other.name} ({other.path})"
                self.problem(link.device.path, message, "choose another name, of letters, digits, _ . and -")

    def stand(self, link: _Link) -> None:
        """Tells what carries a device about it."""
        device = link.device
        if device.parent is None:
            return
        base = self.links[device.parent]
        if device.kind == "vlan":
            base.vlans.append(link.name)
        elif device.kind == "ib_child_interface":
            base.children.append(link.name)
        else:
            base.functions.append(device)

    def master(self, device: Device) -> _Link | None:
        """The bond or bridge that a device is a member of."""
        return self.links[device.master] if device.master is not None else None

    def mtu(self, link: _Link) -> int | None:
        """Its MTU as far as the configuration says; None for InfiniBand, where it follows from the mode."""
        device = link.device
        master = self.master(device)
        if master is not None and master.device.kind == "linux_bond":
            return self.mtu(master)
        if device.mtu is not None or device.kind.startswith("ib_"):
            return device.mtu
        if device.kind == "vlan":
            return self.mtu(self.links[device.parent or device.master or ""])
        if master is not None and master.device.kind in ("ovs_bond", "ovs_dpdk_bond") and master.device.mtu is not None:
            return master.device.mtu
        if device.kind in ("linux_bridge", "ovs_bridge", "ovs_user_bridge", "ovs_bond", "ovs_dpdk_bond"):
            ports = [self.links[name] for name in device.members]
            return min((self.mtu(port) or DEFAULT_MTU for port in ports if _carries(port.device)), default=DEFAULT_MTU)
        return DEFAULT_MTU

    def needed(self, device: Device) -> int:
        """The largest MTU that is written for what a device carries: VLANs, VFs, the bond or bridge that it is in."""
        above = [one.device for one in self.links.values() if one.device.parent == device.name]
        if device.master is not None and _carries(device):
            master = self.links[device.master].device
            inner = [self.links[name].device for name in master.members] if master.kind in _BRIDGES else []
            above += [master, *(one for one in inner if self.is_port(one))]
        return max((one.mtu or self.needed(one) for one in above), default=0)

    def possible(self, link: _Link, mtu: int | None) -> int | None:
        """That MTU, if the NIC can have it; a default that it cannot have becomes what it can."""
        found = self.resolved.nics.get(link.device.name)
        if mtu is None or found is None or found.nic is None or not 0 < found.nic["max_mtu"] < mtu:
            return mtu
        most = found.nic["max_mtu"]
        if mtu > DEFAULT_MTU:
            self.problem(
                link.device.path, f"an MTU of {mtu} is more than {link.name} can: {most}", f"use at most {most}"
            )
        return most

    def physical(self, link: _Link) -> set[str]:
        """Names of the NICs that are there, whose carrier a link depends on."""
        device = link.device
        found = self.resolved.nics.get(device.name)
        if found is not None:
            return {found.name} if found.nic is not None else set()
        if device.kind == "vlan":
            return self.physical(self.links[device.parent or device.master or ""])
        below = [device.parent] if device.parent is not None else device.members
        return set().union(
            *(self.physical(self.links[name]) for name in below if not self.is_port(self.links[name].device))
        )

    # One link

    def write(self, link: _Link) -> None:
        """All that is to be said of a device."""
        device = link.device
        if device.kind in OVS_KINDS:
            self.switch(link)
        if device.kind in _NETDEVS and not self.is_port(device):
            self.netdev(link)
        if device.kind in NIC_KINDS:
            self.hardware(link)
        if device.kind in _NO_LINK or self.is_dpdk(device):
            return
        if device.kind == "ovs_user_bridge" and not device.ovs_internal:
            return
        self.network(link)
        self.want(link)

    def is_port(self, device: Device) -> bool:
        """Whether a VLAN is an internal port of Open vSwitch, with a tag."""
        return device.kind == "vlan" and device.parent is None

    def is_dpdk(self, device: Device) -> bool:
        """Whether DPDK has a NIC, so that the kernel does not."""
        return device.master is not None and self.links[device.master].device.kind == "ovs_dpdk_port"

    def is_internal(self, device: Device) -> bool:
        """Whether Open vSwitch makes the link."""
        return device.kind in _BRIDGES or self.is_port(device)

    def match(self, link: _Link) -> list[tuple[str, str]]:
        """The [Match] section; empty when nothing is known that would find the link."""
        found = self.resolved.nics.get(link.device.name)
        if found is None:
            return [("Name", link.name)]
        return [found.match] if found.match is not None else []

    def network(self, link: _Link) -> None:
        """Its .network file."""
        device = link.device
        match = self.match(link)
        if not match:
            return
        master = self.master(device)
        first: list[tuple[str, str]] = []
        if link.mtu is not None and not self.is_internal(device):
            first.append(("MTUBytes", str(link.mtu)))
        if not device.onboot:
            first.append(("ActivationPolicy", "manual"))
        if "promisc" in device.options:
            first.append(("Promiscuous", device.options["promisc"]))
        mac = self.primary_mac(device) if device.kind == "linux_bridge" else ""
        if mac:
            first.append(("MACAddress", mac))
        first.append(("RequiredForOnline", "no-carrier" if device.addresses and device.onboot else "no"))
        sections: list[Section] = [("Match", match), ("Link", first), ("Network", self.settings_of(link, master))]
        for address in device.addresses:
            entries = [("Address", str(address))]
            if address.version == 6:
                entries.append(("DuplicateAddressDetection", "none"))
            sections.append(("Address", entries))
        sections += [("Route", self.route(route)) for route in device.routes]
        sections += [("RoutingPolicyRule", self.rule(rule)) for rule in device.rules]
        if device.dhcp4 and device.options.get("defroute") == "no":
            sections.append(("DHCPv4", [("UseGateway", "no")]))
        if device.dhcp6:
            sections.append(("DHCPv6", [("WithoutRA", "solicit")]))
        sections += [("SR-IOV", _function(function)) for function in sorted(link.functions, key=_vfid)]
        self.files[file_path(link.file, "network")] = _unit(sections)

    def settings_of(self, link: _Link, master: _Link | None) -> list[tuple[str, str]]:
        """The [Network] section."""
        device = link.device
        entries: list[tuple[str, str]] = []
        if master is not None and master.device.kind == "linux_bond":
            entries.append(("Bond", master.name))
            if device.primary or master.device.bonding.get("primary") == device.name:
                entries.append(("PrimarySlave", "yes"))
        elif master is not None and master.device.kind == "linux_bridge":
            entries.append(("Bridge", master.name))
        elif master is not None or self.is_internal(device):
            entries.append(("KeepMaster", "yes"))
        entries += [("VLAN", name) for name in sorted(link.vlans)]
        entries += [("IPoIB", name) for name in sorted(link.children)]
        dhcp = {(True, True): "yes", (True, False): "ipv4", (False, True): "ipv6"}.get(
            (device.dhcp4, device.dhcp6), "no"
        )
        six = device.dhcp6 or any(address.version == 6 for address in device.addresses)
        entries += [
            ("DHCP", dhcp),
            ("IPv6AcceptRA", "no"),
            ("LinkLocalAddressing", "ipv6" if six else "no"),
            ("LLMNR", "no"),
            ("MulticastDNS", "no"),
            ("EmitLLDP", "no"),
            ("ConfigureWithoutCarrier", "yes"),
            ("IgnoreCarrierLoss", "yes"),
            ("KeepConfiguration", "static"),
        ]
        entries += [("DNS", str(server)) for server in device.dns_servers]
        if device.domains:
            entries.append(("Domains", " ".join(device.domains)))
        return entries

    def table(self, table: int | str | None) -> int:
        """Number of a routing table."""
        if table is None:
            return MAIN_TABLE
        if isinstance(table, int):
            return table
        return self.config.tables[table]

    def route(self, route: Route) -> list[tuple[str, str]]:
        """A [Route] section."""
        entries = [("Destination", str(route.destination))]
        if route.gateway is not None:
            entries.append(("Gateway", str(route.gateway)))
        elif route.destination.version == 4 and "scope" not in route.options:
            entries.append(("Scope", "link"))
        if route.metric is not None:
            entries.append(("Metric", str(route.metric)))
        if route.table is not None:
            entries.append(("Table", str(self.table(route.table))))
        for option, value in sorted(route.options.items()):
            entries.append((_ROUTE[option], value))
        return entries

    def rule(self, rule: Rule) -> list[tuple[str, str]]:
        """A [RoutingPolicyRule] section."""
        entries: list[tuple[str, str]] = [("Family", rule.family)]
        for key, value in (
            ("From", rule.source),
            ("To", rule.destination),
            ("IncomingInterface", rule.iif and self.kernel_name(rule.iif)),
            ("OutgoingInterface", rule.oif and self.kernel_name(rule.oif)),
            ("FirewallMark", rule.fwmark),
            ("TypeOfService", rule.tos),
            ("Priority", rule.priority),
        ):
            if value is not None:
                entries.append((key, str(value)))
        entries += sorted(rule.options.items())
        if rule.action == "table":
            entries.append(("Table", str(self.table(rule.table))))
        else:
            entries.append(("Type", rule.action))
        return entries

    def kernel_name(self, written: str) -> str:
        """The kernel's name of a device of the configuration, of another NIC, or of what others make."""
        link = self.links.get(written)
        return link.name if link is not None else self.resolved.link(written)

    # Virtual links

    def netdev(self, link: _Link) -> None:
        """Its .netdev file, and what of it cannot change while it lives."""
        device = link.device
        kind = _NETDEVS[device.kind]
        fixed = {"kind": kind}
        sections: list[Section] = [("NetDev", [("Name", link.name), ("Kind", kind)])]
        base = self.links[device.parent].name if device.parent is not None else ""
        if device.kind == "vlan":
            sections.append(("VLAN", [("Id", str(device.vlan_id))]))
            fixed |= {"id": str(device.vlan_id), "parent": base}
        elif device.kind == "linux_bond":
            sections.append(("Bond", self.bond(device, fixed)))
        elif device.kind == "linux_bridge":
            # Without the spanning tree a forward delay only makes a new port deaf for its time.
            sections.append(("Bridge", [("STP", "no"), ("ForwardDelaySec", "0")]))
        elif device.kind == "ib_child_interface":
            key = 0x8000 | int(device.options["pkey_id"], 0)
            sections.append(("IPoIB", [("PartitionKey", f"0x{key:04x}")]))
            fixed |= {"pkey": f"0x{key:04x}", "parent": base}
        self.netdevs[link.name] = fixed
        self.files[file_path(link.file, "netdev")] = _unit(sections)

    def bond(self, device: Device, fixed: dict[str, str]) -> list[tuple[str, str]]:
        """The [Bond] section: what is written, and the defaults of what a former configuration may have set."""
        options = {**_bond_defaults(device.bonding), **device.bonding}
        entries: dict[str, str] = {}
        for option in sorted(options.keys() & _BOND.keys(), key=[*_BOND].index):
            value = options[option]
            key, unit = _BOND[option]
            if option == "arp_ip_target":
                value = " ".join(value.split(","))
            if option in ("all_slaves_active", "tlb_dynamic_lb"):
                value = {"0": "no", "1": "yes"}.get(value, value)
            entries[key] = value + unit
        for option, name in _BOND_FIXED.items():
            if option in options:
                fixed[name] = options[option]
        return [*entries.items()]

    def hardware(self, link: _Link) -> None:
        """The .link file of a NIC, where something is to be set on the hardware: it replaces 99-default.link there."""
        device = link.device
        settings = [*sorted(device.ethtool.items())]
        if device.kind == "sriov_pf" and "numvfs" in device.options:
            settings.append(("SR-IOVVirtualFunctions", device.options["numvfs"]))
        if not settings:
            return
        match = [("OriginalName" if key == "Name" else key, value) for key, value in self.match(link)]
        if not match:
            return
        names = [("NamePolicy", "keep kernel database onboard slot path")]
        if link.name.startswith("enx"):
            names = [("NamePolicy", "keep kernel mac")]  # as Debian's 73-usb-net-by-mac.link
        elif link.name and not _USUAL_NAME.match(link.name):
            names = [("NamePolicy", "keep kernel"), ("Name", link.name)]
        policy = [
            *names,
            ("AlternativeNamesPolicy", "database onboard slot path mac"),
            ("MACAddressPolicy", "persistent"),
        ]
        self.files[file_path(link.file, "link")] = _unit([("Match", match), ("Link", policy + settings)])

    # Open vSwitch

    def row(self, table: str, name: str, parent: str, **columns: str | list[str] | dict[str, str] | None) -> None:
        """A row that shall be there."""
        kept = {column: value for column, value in columns.items() if value is not None}
        self.rows[table, name] = OvsRow(table=table, name=name, parent=parent, columns=kept)  # type: ignore[typeddict-item]

    def port(self, name: str, bridge: str, kind: str, **columns: str | list[str] | dict[str, str] | None) -> None:
        """A port with its one interface; ``columns`` are those of the interface."""
        self.row("Port", name, bridge)
        self.row("Interface", name, name, type=kind, **columns)

    def switch(self, link: _Link) -> None:
        """The rows of a device of Open vSwitch."""
        device = link.device
        if device.kind in _BRIDGES:
            user = device.kind == "ovs_user_bridge"
            mac = self.bridge_mac(device)
            config = {"hwaddr": mac} if mac else None
            kind = "netdev" if user else None  # others may have moved a bridge to userspace
            self.row("Bridge", device.name, "", fail_mode=device.fail_mode, datapath_type=kind, other_config=config)
            self.port(device.name, device.name, "internal", mtu_request=str(link.mtu))
            for name in device.members:
                self.member(self.links[name], device.name)
        elif device.kind == "ovs_patch_port" and device.master is None:
            self.member(link, device.bridge or "")

    def member(self, link: _Link, bridge: str) -> None:
        """The rows of a port of a bridge."""
        device = link.device
        name = link.name
        if self.is_port(device):
            self.port(name, bridge, "internal", mtu_request=str(link.mtu))
            self.rows["Port", name]["columns"]["tag"] = str(device.vlan_id)
        elif device.kind == "ovs_patch_port":
            self.port(name, bridge, "patch", options={"peer": device.peer or ""})
        elif device.kind == "ovs_tunnel":
            self.port(name, bridge, device.tunnel_type or "")
        elif device.kind == "ovs_dpdk_port":
            self.row("Port", name, bridge)
            self.dpdk(link, name)
        elif device.kind in ("ovs_bond", "ovs_dpdk_bond"):
            self.row("Port", name, bridge)
            primary = self.kernel_name(device.bonding.get("primary", ""))
            if primary:
                self.rows["Port", name]["columns"]["other_config"] = {BOND_PRIMARY: primary}
            for member in device.members:
                other = self.links[member]
                if other.device.kind == "ovs_dpdk_port":
                    self.dpdk(other, name)
                elif other.name:
                    self.row("Interface", other.name, name, type="")
            if not any(row["parent"] == name for row in self.rows.values() if row["table"] == "Interface"):
                del self.rows["Port", name]  # a port has at least one interface
        elif name:
            self.port(name, bridge, "")

    def dpdk(self, link: _Link, port: str) -> None:
        """The interface of a DPDK port."""
        device = link.device
        found = self.resolved.nics.get(device.members[0])
        if found is None or not found.pci:
            if port == device.name:
                del self.rows["Port", port]
            return
        options = {"dpdk-devargs": found.pci}
        for option, key in (("rx_queue", "n_rxq"), ("rx_queue_size", "n_rxq_desc"), ("tx_queue_size", "n_txq_desc")):
            bond = self.links[device.master].device.options if port != device.name and device.master else {}
            value = device.options.get(option) or bond.get(option)
            if value:
                options[key] = value
        self.row("Interface", device.name, port, type="dpdk", options=options, mtu_request=str(link.mtu))

    def bridge_mac(self, device: Device) -> str:
        """MAC address of an OVS bridge: that of its preferred NIC or its first one, so that it stays when others go."""
        nics: list[Device] = []
        for name in device.members:
            member = self.links[name].device
            if member.kind == "ovs_bond" or member.kind in NIC_KINDS:
                nics += self.nics(member)
        first = self.primary_mac(device)
        return first or next(filter(None, map(self.mac, sorted(nics, key=lambda nic: not nic.primary))), "")

    def primary_mac(self, device: Device) -> str:
        """MAC address of the NIC beneath the preferred member of a bridge; empty when none is marked or known."""
        members = [self.links[name].device for name in device.members]
        nics = [nic for member in members if member.primary for nic in self.nics(member)]
        return next(filter(None, map(self.mac, nics)), "")

    def nics(self, device: Device) -> list[Device]:
        """The NICs beneath a device, a preferred one first."""
        if device.kind in NIC_KINDS:
            return [device]
        below = [device.parent] if device.parent is not None else device.members
        inner = sorted((self.links[name].device for name in below), key=lambda one: not one.primary)
        return [nic for one in inner for nic in self.nics(one)]

    def mac(self, nic: Device) -> str:
        """MAC address of a NIC, also of one that is gone; that of a VF may be another one after each boot."""
        return nic.options.get("macaddr") or self.resolved.nics[nic.name].mac

    def settings(self) -> None:
        """Columns that the operator sets himself, over ours."""
        for device in self.config.devices:
            for setting in device.ovs_settings:
                self.set(setting)

    def set(self, setting: OvsSetting) -> None:
        """One of them; a row that is not there is that of a NIC that is missing."""
        record = self.links[setting.record].name if setting.record in self.links else setting.record
        row = self.rows.get((setting.table, record))
        if row is None:
            return
        column, columns = setting.column, row["columns"]
        if setting.key is not None:
            current, value = columns.get(column), setting.value
            if (setting.table, column, setting.key) == ("Port", "other_config", BOND_PRIMARY):
                value = self.kernel_name(value)  # Open vSwitch knows no aliases
                if not value:
                    return  # nothing is known of that NIC
            columns[column] = {**(current if isinstance(current, dict) else {}), setting.key: value}
        elif COLUMNS[setting.table][column].startswith("set"):
            columns[column] = sorted(value.strip().strip('"') for value in setting.value.strip("[]").split(","))
        else:
            columns[column] = normal(setting.table, column, setting.value)

    # What has to be true afterwards

    def want(self, link: _Link) -> None:
        """The link as it has to be, if it can be there now."""
        device = link.device
        found = self.resolved.nics.get(device.name)
        if found is not None and found.nic is None and not found.coming:
            return
        members, missing = [], []
        if device.kind in ("linux_bond", "linux_bridge", "ovs_bridge", "ovs_user_bridge"):
            for written in self.ports(device):
                nic = self.resolved.nics.get(written)
                if nic is None or nic.nic is not None or nic.coming:
                    members.append(self.links[written].name)
                else:
                    missing.append(written)
        routes = [self.route_wanted(route) for route in device.routes]
        self.wanted.append(
            {
                "name": link.name,
                "kind": device.kind,
                "virtual": device.kind not in NIC_KINDS,
                "mtu": link.mtu,
                "addresses": [str(address) for address in device.addresses],
                "routes": routes,
                "members": members,
                "missing": missing,
                "physical": sorted(self.physical(link)),
                "lacp": device.kind == "linux_bond" and device.bonding.get("mode") == "802.3ad",
            }
        )

    def ports(self, device: Device) -> list[str]:
        """Members that are links of the kernel, through bonds of Open vSwitch."""
        names: list[str] = []
        for written in device.members:
            member = self.links[written].device
            if member.kind == "ovs_bond":
                names += member.members
            elif member.kind not in _NO_LINK:
                names.append(written)
        return names

    def route_wanted(self, route: Route) -> RouteWanted:
        """A route to look for afterwards."""
        default = route.destination.prefixlen == 0
        return {
            "destination": "default" if default else str(route.destination),
            "gateway": str(route.gateway) if route.gateway is not None else "",
            "table": self.table(route.table),
            "metric": route.metric,
        }


def _carries(device: Device) -> bool:
    """Whether packets of a bridge leave the node through this port."""
    internal = device.kind == "vlan" and device.parent is None
    return not internal and device.kind not in ("ovs_patch_port", "ovs_tunnel", "linux_tap")


def _bond_defaults(bonding: Mapping[str, str]) -> dict[str, str]:
    """What the kernel has where nothing is said; written, so that a former value does not stay."""
    mode = bonding.get("mode", "balance-rr")
    defaults = {"mode": mode, "min_links": "0"}
    if "arp_interval" not in bonding:
        defaults |= {"miimon": "100", "updelay": "0", "downdelay": "0"}
    if mode in ("balance-xor", "802.3ad", "balance-tlb"):
        defaults["xmit_hash_policy"] = "layer2"
    if mode == "802.3ad":
        defaults |= {"lacp_rate": "slow", "ad_select": "stable"}
    if mode == "active-backup":
        defaults["fail_over_mac"] = "none"
    if mode in WITH_PRIMARY:
        defaults["primary_reselect"] = "always"
    return defaults


def _vfid(device: Device) -> int:
    return int(device.options["vfid"])


def _function(device: Device) -> list[tuple[str, str]]:
    """An [SR-IOV] section."""
    entries = [("VirtualFunction", device.options["vfid"])]
    for option, key in (("vlan_id", "VLANId"), ("qos", "QualityOfService")):
        if device.options.get(option, "0") != "0":
            entries.append((key, device.options[option]))
    for option, key in (
        ("spoofcheck", "MACSpoofCheck"),
        ("trust", "Trust"),
        ("state", "LinkState"),
        ("macaddr", "MACAddress"),
    ):
        value = device.options.get(option)
        if value is not None:
            entries.append((key, {"true": "yes", "false": "no", "enable": "yes", "disable": "no"}.get(value, value)))
    return entries


def _unit(sections: Iterable[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Text of a file of systemd."""
    blocks = [
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in entries) for name, entries in sections if entries
    ]
    return HEADER + "\n" + "\n".join(blocks)
