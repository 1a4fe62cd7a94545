# SPDX-License-Identifier: Apache-2.0
"""What can only be seen of a configuration as a whole: names, who is a member of what, addresses, routes, MTUs.

A check says nothing of a device whose keys it needs have mistakes already: what follows from a mistake is noise.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network import bonding, dependencies, ovs_options
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (
    Device,
    IPAddress,
    IPNetwork,
    OvsSetting,
    Route,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import Report
from ansible_collections.ozone.openstack.plugins.module_utils.network.rules import MAIN
from ansible_collections.ozone.openstack.plugins.module_utils.network.vocabulary import WITHOUT_ADDRESSES

DEFAULT: dict[int, IPNetwork] = {4: ipaddress.IPv4Network("0.0.0.0/0"), 6: ipaddress.IPv6Network("::/0")}
_OVS_BRIDGES = frozenset({"ovs_bridge", "ovs_user_bridge"})
_OVS_BONDS = frozenset({"ovs_bond", "ovs_dpdk_bond"})
_BRIDGES = _OVS_BRIDGES | {"linux_bridge"}
#: What leaves nothing of its members to others. A bridge does: the kernel looks for VLANs of a port first.
_TAKES_ALL = _OVS_BONDS | {"linux_bond", "ovs_dpdk_port"}
_IB = frozenset({"ib_interface", "ib_child_interface"})
_NICS = frozenset({"interface", "sriov_pf", "sriov_vf", "ib_interface"})
_BONDS = _OVS_BONDS | {"linux_bond"}
_DOTTED = re.compile(r"[^:]+\.[0-9]+\Z")


#: How many devices the kernel stacks: MAX_NEST_DEV of <linux/netdevice.h>.
MOST_NESTED = 8

#: How many devices may be stacked with bridges of Open vSwitch between, whose ports begin a new stack for the kernel.
MOST_STACKED = 50

#: (Type, key of the options of its interface in Open vSwitch) -> the key of the type that says the same.
OPTION_KEYS = {
    ("ovs_dpdk_port", "n_rxq"): "rx_queue",
    ("ovs_dpdk_port", "n_rxq_desc"): "rx_queue_size",
    ("ovs_dpdk_port", "n_txq_desc"): "tx_queue_size",
    ("ovs_dpdk_port", "dpdk-devargs"): "members",
    ("ovs_patch_port", "peer"): "peer",
}

#: Metric of a route of IPv6 that names none, or 0: IP6_RT_PRIO_USER of <linux/ipv6_route.h>.
IPV6_METRIC = 1024

#: Address -> its device; a link-local one together with the device, as it means something else on each link.
Owners = dict[tuple[IPAddress, str], str]


def _scoped(address: IPAddress, device: Device) -> tuple[IPAddress, str]:
    """The key of an address of a device in ``Owners``. Of IPv6 only: the kernel gives 169.254.0.0/16 no such scope."""
    return address, device.name if address.version == 6 and address.is_link_local else ""


class _Whole:
    """All devices of a configuration, and what is known of their mistakes."""

    def __init__(
        self,
        report: Report,
        devices: list[Device],
        tables: Mapping[str, int],
        broken: Mapping[str, frozenset[str]],
        complete: bool,
    ) -> None:
        self.report = report
        self.devices = devices
        self.tables = tables
        self.broken = broken
        self.complete = complete
        self.by_name: dict[str, Device] = {}
        for device in devices:
            self.by_name.setdefault(device.name, device)
        self.graph: dependencies.Graph = {}
        self.below: dict[str, list[Device]] = {}
        for device in devices:
            if device.master is not None:
                self.below.setdefault(device.master, []).append(device)

    def sound(self, device: Device, *keys: str) -> bool:
        """Whether none of these keys of a device has a mistake."""
        return self.broken.get(device.path, frozenset()).isdisjoint(keys)

    def replace(self, device: Device, **fields: object) -> None:
        """Puts a changed device in the place of the old one."""
        done = replace(device, **fields)  # type: ignore[arg-type]
        self.devices[self.devices.index(device)] = done
        if self.by_name.get(device.name) is device:
            self.by_name[device.name] = done
        if device.master is not None:
            self.below[device.master] = [done if one is device else one for one in self.below[device.master]]

    # ---- names and places

    def names(self) -> None:
        """No two devices of one name; no NIC in two places."""
        for device in self.devices:
            first = self.by_name[device.name]
            if first is device:
                continue
            name = device.name
            if device.kind == "vlan" and first.kind == "vlan" and device.parent != first.parent:
                message = f"{name} is the name of the VLAN at {first.path} already"
                self.report.add(device.path, message, "give one of them a name of its own, with the key name")
            elif device.master is not None and first.master is not None and device.master != first.master:
                message = f"{name} is a member of {first.master} already ({first.path})"
                self.report.add(device.path, message, "a device can be a member of one thing only")
            elif (device.master is None) != (first.master is None):
                inside, outside = (device, first) if device.master is not None else (first, device)
                message = f"{name} is a member of {inside.master} ({inside.path}), and a device of its own here"
                self.report.add(outside.path, message, f"write everything about {name} where it is a member")
            else:
                self.report.add(device.path, f"{name} is there twice; first at {first.path}", "keep one of them")

    def parents(self) -> None:
        """What VLANs, partitions and VFs are on. A NIC that is named only there becomes a device, too."""
        carried: dict[tuple[str, int], str] = {}
        added: dict[str, Device] = {}
        for device in self.devices:
            if device.parent is None:
                continue
            parent = self.by_name.get(device.parent)
            if device.kind == "vlan":
                self.vlan(device, parent)
                key = (device.parent, device.vlan_id or 0)
                if key in carried:
                    message = f"VLAN {device.vlan_id} is on {device.parent} already ({carried[key]})"
                    self.report.add(device.path, message, "write all its addresses in one place")
                carried.setdefault(key, device.path)
            elif device.kind == "ib_child_interface" and parent is not None and parent.kind not in _IB:
                remedy = f"make {parent.name} an ib_interface, or use a vlan"
                self.report.add(f"{device.path}.parent", f"{parent.name} is {parent.kind}, without partitions", remedy)
            elif device.kind == "sriov_vf":
                self.vf(device, parent)
                continue
            if parent is None:
                kind = "interface" if device.kind == "vlan" else "ib_interface"
                path = f"{device.path}.{'device' if device.kind == 'vlan' else 'parent'}"
                added.setdefault(device.parent, Device(kind=kind, name=device.parent, path=path))  # type: ignore[arg-type]
        self.devices[:0] = added.values()
        self.by_name |= added

    def vlan(self, device: Device, parent: Device | None) -> None:
        """The rules about what carries a VLAN."""
        report, path = self.report, f"{device.path}.device"
        if parent is None:
            if self.complete and _DOTTED.match(device.parent or ""):
                report.add(path, f"there is no device {device.parent}", "write that VLAN as a device, too")
        elif parent.kind in WITHOUT_ADDRESSES:
            remedy = f"write the vlan among the members of {parent.master or parent.bridge or 'its bridge'}"
            report.add(path, f"{parent.name} is {parent.kind}, which has no network device", remedy)
        elif parent.kind in _IB:
            report.add(path, f"{parent.name} is {parent.kind}: InfiniBand has no VLANs", "use an ib_child_interface")
        elif (master := self.by_name.get(parent.master or "")) is not None and master.kind in _TAKES_ALL:
            message = f"{parent.name} is a member of {parent.master}, which sends and receives for it"
            report.add(path, message, f"put the VLAN on {parent.master}, or on the bridge that this is in")

    def cycles(self) -> None:
        """No device may depend on itself, and no patch ports may connect bridges in a ring."""
        self.graph = dependencies.graph(self.by_name)
        rest = dict(self.graph)
        for name, device in self.by_name.items():
            if device.parent is not None and device.parent == device.master:
                message = f"{name} is on {device.parent}, which has the member {name}: a cycle"
                place = f"type: {device.kind}, device: {device.parent}, vlan_id: {device.vlan_id}"
                remedy = f"write it beside {device.parent}, in the list of all devices: {place}"
                self.report.add(device.path, message, remedy)
                rest[name] = []
        for cycle in dependencies.cycles(rest):
            inner = [self.by_name[name] for name, _relation in cycle]
            start = next((index for index, one in enumerate(inner) if one.parent is not None), 0)
            ordered = [*cycle[start:], *cycle[:start]]
            chain = ", which ".join(
                f"{relation} {following}"
                for (_name, relation), (following, _) in zip(ordered, [*ordered[1:], ordered[0]], strict=True)
            )
            message, remedy = f"{inner[start].name} {chain}: a cycle", "break the cycle: remove one of these relations"
            self.report.add(inner[start].path, message, remedy)
        kernel = dependencies.of_kernel(self.graph, self.by_name)
        if not self.stacked(kernel, MOST_NESTED, "the kernel nests"):
            self.stacked(self.graph, MOST_STACKED, "Ozone takes")
        for port, ring in dependencies.rings(self.by_name):
            message = f"{port.name} closes a ring of bridges, in which a broadcast goes round: {', '.join(ring)}"
            remedy = "remove one pair of patch ports; or give the ports a tag, or the bridges rstp_enable=true"
            self.report.add(port.path, message, remedy)

    def stacked(self, edges: dependencies.Graph, most: int, who: str) -> bool:
        """Refuses devices that are too many on top of each other; the answer: whether there are any."""
        tops = [name for name, level in dependencies.levels(edges).items() if level == most + 1]
        for name in tops:
            message = f"{name} is on top of {most} devices, each on the next one: {who} {most} at most"
            self.report.add(self.by_name[name].path, message, "put it on a device further down")
        return bool(tops)

    def internal(self, device: Device) -> bool:
        """Whether a device is an internal port of an OVS bridge with a tag, and not a VLAN of the kernel."""
        return dependencies.internal(device, self.by_name)

    def vf(self, device: Device, parent: Device | None) -> None:
        """The rules about a VF and its PF."""
        if parent is None or parent.kind != "sriov_pf":
            if self.complete:
                remedy = f"write it as a device: type sriov_pf, name {device.parent}, numvfs"
                self.report.add(
                    f"{device.path}.device", f"{device.parent} is no sriov_pf of this configuration", remedy
                )
            return
        number = int(parent.options.get("numvfs", "65535"))
        if int(device.options["vfid"]) >= number:
            message = f"{parent.name} has {number} VFs, numbered from 0"
            self.report.add(
                f"{device.path}.vfid", message, f"choose a smaller number, or raise numvfs of {parent.name}"
            )

    # ---- bonds and bridges

    def primaries(self) -> None:
        """One preferred member at most, in modes that have one. ``primary`` of the options goes to the member."""
        for device in list(self.devices):
            members = self.below.get(device.name, [])
            named = device.bonding.get("primary")
            marked = [member for member in members if member.primary]
            for member in marked[1:]:
                message = f"{device.name} has a primary member already: {marked[0].name}"
                self.report.add(f"{member.path}.primary", message, "mark one member only")
            if marked and device.kind in _OVS_BONDS:
                self.ovs_primary(device, marked[0])
            elif marked and device.kind in _BRIDGES and not self.nics(marked[0]):
                self.report.warn(
                    f"{marked[0].path}.primary", f"{marked[0].name} has no NIC", "it does nothing; remove it"
                )
            if device.kind != "linux_bond":
                continue
            mode, path = device.bonding.get("mode"), f"{device.path}.bonding_options"
            if named is not None:
                if self.complete and named not in device.members:
                    self.report.add(
                        path, f"primary is {named}, which is no member", did_you_mean(named, device.members)
                    )
                if marked and marked[0].name != named:
                    message = f"primary is {named}, and {marked[0].name} is marked as primary"
                    self.report.add(path, message, "keep one of them")
                rest = {key: value for key, value in device.bonding.items() if key != "primary"}
                self.replace(device, bonding=rest)
                for member in members:
                    if member.name == named and not member.primary:
                        self.replace(member, primary=True)
            elif marked and mode is not None and mode not in bonding.WITH_PRIMARY:
                message = f"a bond in mode {mode} has no preferred member"
                self.report.warn(f"{marked[0].path}.primary", message, "it does nothing; remove it")
                self.replace(marked[0], primary=False)
        for device in self.devices:
            if device.primary and device.master is None:
                self.report.warn(f"{device.path}.primary", f"{device.name} is no member of anything", "it does nothing")

    def ovs_primary(self, bond: Device, member: Device) -> None:
        """The preferred member of a bond of Open vSwitch: only active-backup, its default, has one."""
        columns = self.port_columns(bond)
        mode, named = columns.get(("bond_mode", None), bonding.AB), columns.get(("other_config", "bond-primary"))
        if named is not None and named != member.name:
            message = f"bond-primary is {named}, and {member.name} is marked as primary"
            self.report.add(f"{bond.path}.ovs_options", message, "keep one of them")
        elif mode != bonding.AB:
            message = f"a bond in mode {mode} has no preferred member"
            remedy = "remove it, unless it is for the MAC address of the bridge"
            self.report.warn(f"{member.path}.primary", message, remedy)
        else:
            self.replace(bond, bonding={"primary": member.name})

    def nics(self, device: Device) -> list[Device]:
        """The NICs and VFs beneath a device, itself included. An internal port has none: it is inside of its bridge."""
        if self.internal(device):
            return []
        names = [device.name, *sorted(dependencies.beneath(self.graph, device.name))]
        return [self.by_name[name] for name in names if self.by_name[name].kind in _NICS]

    def port_columns(self, bond: Device) -> dict[tuple[str, str | None], str]:
        """What the configuration sets of the port of a bond of Open vSwitch: (column, key) -> value."""
        return {
            (one.column, one.key): one.value
            for other in self.devices
            for one in other.ovs_settings
            if one.table == "Port" and one.record == bond.name
        }

    def bonds(self) -> None:
        """What members a bond can have together; the options of bonds of Open vSwitch."""
        for device in self.devices:
            members = self.below.get(device.name, [])
            if device.kind == "linux_bond":
                partitions = [member.name for member in members if member.kind in _IB]
                if partitions and len(partitions) < len(members):
                    message = f"{device.name} has members of Ethernet and of InfiniBand"
                    self.report.add(f"{device.path}.members", message, "make a bond of each")
                options = device.bonding
                if partitions and "mode" in options and self.sound(device, "bonding_options"):
                    right = options["mode"] == bonding.AB and options.get("fail_over_mac") == "active"
                    if not right:
                        message = "a bond of InfiniBand works in one way only"
                        remedy = "use mode=active-backup fail_over_mac=active"
                        self.report.add(f"{device.path}.bonding_options", message, remedy)
            elif device.kind in _OVS_BONDS:
                path, columns = f"{device.path}.ovs_options", self.port_columns(device)
                ovs_options.check_bond(self.report, path, columns, device.members, self.complete)

    # ---- Open vSwitch

    def rows(self) -> dict[str, set[str]]:
        """Table -> names of the rows that this configuration makes."""
        found: dict[str, set[str]] = {"Bridge": set(), "Port": set(), "Interface": set()}
        for device in self.devices:
            if device.kind in _OVS_BRIDGES:
                found["Bridge"].add(device.name)
                if device.ovs_internal:
                    found["Port"].add(device.name)
                    found["Interface"].add(device.name)
                for member in self.below.get(device.name, []):
                    found["Port"].add(member.name)
                    if member.kind not in _OVS_BONDS:
                        found["Interface"].add(member.name)
            elif device.kind in _OVS_BONDS:
                found["Interface"] |= {member.name for member in self.below.get(device.name, [])}
            elif device.kind == "ovs_patch_port":
                found["Port"].add(device.name)
                found["Interface"].add(device.name)
        return found

    def settings(self) -> None:
        """Columns are set of rows that this configuration makes; ``fail_mode`` and ``tag`` have keys of their own."""
        rows = self.rows()
        seen: dict[tuple[str, str, str, str | None], str] = {}
        kept: dict[str, list[OvsSetting]] = {}
        for device in self.devices:
            kept[device.path] = []
            for one in device.ovs_settings:
                if one.record not in rows[one.table]:
                    if self.complete:
                        message = f"{one.record} is no {one.table} that this configuration makes"
                        remedy = "set only rows of devices in an OVS bridge; what others made is theirs to set"
                        self.report.add(device.path, message, remedy)
                    continue
                other = seen.setdefault((one.table, one.record, one.column, one.key), one.value)
                if other != one.value:
                    column = f"{one.column}:{one.key}" if one.key else one.column
                    message = f"{column} of {one.record} is {one.value} here, and {other} elsewhere"
                    self.report.add(device.path, message, "keep one of them")
                if not self.known(device.path, one, self.by_name[one.record]):
                    kept[device.path].append(one)
        modes = {key[1]: value for key, value in seen.items() if key[2] == "fail_mode"}
        for device in list(self.devices):
            if len(kept[device.path]) != len(device.ovs_settings) or device.name in modes:
                mode = modes.get(device.name, device.fail_mode)
                self.replace(device, ovs_settings=tuple(kept[device.path]), fail_mode=mode)

    def known(self, path: str, one: OvsSetting, target: Device) -> bool:
        """Whether a column is set by a key of the device already; told, when it says something else."""
        if one.column == "tag" and self.internal(target):
            if one.value != str(target.vlan_id):
                self.report.add(path, f"the tag of {target.name} is {target.vlan_id}, by its vlan_id", "remove tag")
            return True
        if one.column == "datapath_type" and target.kind == "ovs_user_bridge":
            if one.value != "netdev":
                self.report.add(path, f"{target.name} has its datapath in userspace", "use an ovs_bridge instead")
            return True
        if one.column == "options":
            self.option(path, one, target)
        elif one.column == "other_config" and one.key == "hwaddr" and target.kind in _OVS_BRIDGES:
            for member in self.below.get(target.name, []):
                if member.primary:
                    message = f"does nothing: {target.name} has the MAC address {one.value}, by other_config:hwaddr"
                    self.report.warn(f"{member.path}.primary", message, "remove one of them")
        return one.column == "fail_mode"

    def option(self, path: str, one: OvsSetting, target: Device) -> None:
        """An option of an interface that has a key of its own as well."""
        key = OPTION_KEYS.get((target.kind, one.key or ""))
        if key == "members":
            self.report.add(path, f"{one.key} of {target.name} is the PCI address of its member", f"remove {one.key}")
            return
        value = target.peer if key == "peer" else target.options.get(key or "")
        if value is not None and value != one.value:
            message = f"{target.name} has {key} {value}, and {one.key} {one.value}, which are the same"
            self.report.add(path, message, f"keep {key}")

    def switch(self) -> None:
        """Rules about bridges, patch ports and tunnels."""
        for device in list(self.devices):
            if device.kind == "ovs_patch_port":
                self.patch(device)
            elif device.kind == "ovs_tunnel" and self.sound(device, "ovs_options"):
                ovs_options.check_tunnel(self.report, device)
            elif device.kind in _OVS_BRIDGES:
                carried = [one.name for one in (device, *self.below.get(device.name, [])) if one.addresses]
                if device.fail_mode == "secure" and carried:
                    message = f"{carried[0]} has addresses on a bridge that passes nothing until somebody adds flows"
                    self.report.warn(device.path, message, "use ovs_fail_mode: standalone")

    def patch(self, device: Device) -> None:
        """The rules about a patch port: two ends, on two bridges."""
        report, path = self.report, device.path
        if device.master is None and device.bridge is None:
            if self.sound(device, "bridge_name"):
                report.add(path, "the key bridge_name is missing", "the bridge that this end is on")
        elif device.master is not None and device.bridge is not None:
            if device.bridge != device.master:
                report.add(f"{path}.bridge_name", f"{device.name} is a member of {device.master}", "remove bridge_name")
            self.replace(device, bridge=None)
        where = device.master or device.bridge
        bridge = self.by_name.get(where or "")
        if bridge is not None and bridge.kind not in _OVS_BRIDGES:
            report.add(
                f"{path}.bridge_name", f"{where} is {bridge.kind}, no bridge of Open vSwitch", "name an ovs_bridge"
            )
        peer = self.by_name.get(device.peer or "")
        if device.peer == device.name:
            report.add(f"{path}.peer", "a patch port cannot lead to itself", "name the patch port of the other bridge")
        elif peer is not None and peer.kind != "ovs_patch_port":
            report.add(f"{path}.peer", f"{peer.name} is {peer.kind}", "name the patch port of the other bridge")
        elif peer is not None and peer.peer is not None and peer.peer != device.name:
            report.add(f"{path}.peer", f"{peer.name} leads to {peer.peer}, not back to {device.name}", "make it a pair")
        elif peer is not None and where is not None and (peer.master or peer.bridge) == where:
            report.add(f"{path}.peer", f"both ends are on {where}: packets would go round", "put them on two bridges")

    def cards(self) -> None:
        """Rules about options of VFs and DPDK ports."""
        for device in self.devices:
            options, path = device.options, device.path
            if device.kind == "sriov_vf":
                if options.get("qos", "0") != "0" and device.vlan_id is None and self.sound(device, "vlan_id"):
                    self.report.add(f"{path}.qos", "priority bits are part of a VLAN tag", "add vlan_id, or remove qos")
                if options.get("promisc") == "yes" and options.get("trust") == "no":
                    self.report.add(f"{path}.promisc", "only a trusted VF may be promiscuous", "add trust: true")
            for key in ("rx_queue_size", "tx_queue_size"):
                number = int(options.get(key, "1"))
                if number & (number - 1):
                    self.report.add(f"{path}.{key}", f"{number} is no power of two", f"use {1 << number.bit_length()}")
            if device.kind == "ovs_dpdk_bond":
                ports = self.below.get(device.name, [])
                own = {
                    (one.record, OPTION_KEYS.get(("ovs_dpdk_port", one.key or "")))
                    for other in self.devices
                    for one in other.ovs_settings
                    if one.table == "Interface"
                }
                for key in options:
                    if ports and all(key in port.options or (port.name, key) in own for port in ports):
                        message = f"each port of {device.name} has {key} of its own"
                        self.report.warn(f"{path}.{key}", message, "it does nothing; remove it")
        self.shared_functions()

    def shared_functions(self) -> None:
        """Gives VFs what packets of others need: those of guests, and of the other members of a bond.

        A card drops what a VF sends with a MAC address that it was not given (spoof check), and a VF may change its
        address or become promiscuous only when it is trusted. os-net-config sets the same, the promiscuous mode only
        where the VF itself is the port: bonds of the kernel pass it on to their members.
        """
        masters = [device for device in self.devices if device.kind in _BRIDGES | _BONDS | {"ovs_dpdk_port"}]
        shared = {name for master in masters for name in dependencies.beneath(self.graph, master.name)}
        for device in list(self.devices):
            if device.kind != "sriov_vf" or device.name not in shared:
                continue
            options, wanted = dict(device.options), {"trust": "yes", "spoofcheck": "no"}
            master = self.by_name.get(device.master or "")
            if master is not None and master.kind in _BRIDGES | {"ovs_bond"} and options.get("trust") != "no":
                wanted["promisc"] = "yes"
            for key, value in wanted.items():
                if options.setdefault(key, value) != value:
                    word = "true" if value == "yes" else "false"
                    message = "the card may drop packets of guests, or those of the other members of its bond"
                    self.report.warn(f"{device.path}.{key}", message, f"write {key}: {word}, or remove it")
            self.replace(device, options=options)

    # ---- MTU

    def mtu(self, device: Device) -> int | None:
        """The MTU that is written for a device, or for what it has its own of; None: as large as it has to be."""
        seen: set[str] = set()
        here: Device | None = device
        while here is not None and here.mtu is None and here.name not in seen:
            seen.add(here.name)
            master = self.by_name.get(here.master or "")
            bonded = master is not None and master.kind in _BONDS
            here = master if bonded else self.by_name.get(here.parent or "") if here.kind == "vlan" else None
        return here.mtu if here is not None and self.sound(here, "mtu") else None

    def carries(self, device: Device) -> bool:
        """Whether packets of a bridge leave the node through this port."""
        return device.kind not in ("ovs_patch_port", "ovs_tunnel", "linux_tap") and not self.internal(device)

    def mtus(self) -> None:
        """No packet may be larger than what carries it; IPv6 needs 1280."""
        for device in list(self.devices):
            if device.kind in _BONDS:
                self.bond_mtu(device)
        for device in self.devices:
            path = f"{device.path}.mtu"
            six = any(address.version == 6 for address in device.addresses) or device.dhcp6
            if six and device.mtu is not None and device.mtu < 1280:
                self.report.add(path, f"{device.mtu} is too small for IPv6", "use at least 1280")
            if device.parent is not None and device.kind in ("vlan", "sriov_vf", "ib_child_interface"):
                self.fits(path, device.mtu, self.by_name.get(device.parent))
            members = self.below.get(device.name, [])
            if device.kind in _BRIDGES:
                ports = [(self.mtu(member) or 0, member) for member in members if self.carries(member)]
                if not ports or not all(mtu for mtu, port in ports):
                    continue
                widest = max(ports, key=lambda port: port[0])[1]
                for inner in (device, *(member for member in members if self.internal(member))):
                    self.fits(f"{inner.path}.mtu", inner.mtu, widest)

    def bond_mtu(self, bond: Device) -> None:
        """A bond and its members have one MTU, which may be written on any of them."""
        source = bond
        for member in self.below.get(bond.name, []):
            if member.mtu is None:
                continue
            if source.mtu is None:
                source = member
            elif member.mtu != source.mtu:
                message = f"{member.mtu} is not the {source.mtu} of {source.name}, and a bond has one MTU: {bond.name}"
                self.report.add(f"{member.path}.mtu", message, "remove it, or write the same number")
        if source is not bond and self.sound(bond, "mtu"):
            self.replace(bond, mtu=source.mtu)

    def fits(self, path: str, mtu: int | None, carrier: Device | None) -> None:
        """Tells when an MTU is larger than that of what carries the packets."""
        limit = self.mtu(carrier) if carrier is not None else None
        if carrier is not None and mtu is not None and limit is not None and mtu > limit:
            message = f"{mtu} is more than the {limit} of {carrier.name}, which carries it"
            self.report.add(path, message, f"give {carrier.name} mtu: {mtu}")

    # ---- addresses and routes

    def addresses(self) -> Owners:
        """No address twice, except that each link has link-local ones of its own. The answer: their devices."""
        owner: Owners = {}
        for device in self.devices:
            for index, address in enumerate(device.addresses):
                path = f"{device.path}.addresses" + (f"[{index}]" if self.sound(device, "addresses") else "")
                if address.ip.is_loopback:
                    self.report.add(
                        path, f"{address.ip} is the address of the node to itself", "choose another address"
                    )
                key = _scoped(address.ip, device)
                if key in owner:
                    self.report.add(path, f"{address.ip} is an address of {owner[key]} already", "give it once")
                owner.setdefault(key, device.name)
        return owner

    def routes(self, owner: Owners) -> None:
        """Gateways can be reached, no two routes contradict each other, tables have a number."""
        seen: dict[tuple[IPNetwork, int | str, int], str] = {}
        for device in self.devices:
            exact = self.sound(device, "routes")
            for index, route in enumerate(device.routes):
                path = f"{device.path}.routes" + (f"[{index}]" if exact else "")
                metric = route.metric or (0 if route.destination.version == 4 else IPV6_METRIC)
                key = (route.destination, self.number(route.table), metric)
                if key in seen:
                    what = "a default route" if route.destination.prefixlen == 0 else f"a route to {route.destination}"
                    message = f"is {what} of the same table and metric ({metric}) as {seen[key]}"
                    self.report.add(path, message, "give one of them another metric or table, or remove it")
                seen.setdefault(key, path)
                self.table(path, route.table)
                if self.sound(device, "addresses", "use_dhcp", "use_dhcpv6"):
                    self.gateway(path, device, route, owner)
            for index, rule in enumerate(device.rules):
                suffix = f"[{index}]" if self.sound(device, "rules") else ""
                self.table(f"{device.path}.rules{suffix}", rule.table)

    def number(self, table: int | str | None) -> int | str:
        """Number of a routing table, or its name where that has none."""
        return MAIN if table is None else self.tables.get(table, table) if isinstance(table, str) else table

    def table(self, path: str, table: int | str | None) -> None:
        """A table that is named has to be in the list of devices."""
        if isinstance(table, str) and table not in self.tables and self.complete:
            remedy = f"write it as a device: type route_table, name {table}, table_id"
            if self.tables:
                remedy = did_you_mean(table, self.tables)
            self.report.add(path, f"there is no routing table {table}", remedy)

    def gateway(self, path: str, device: Device, route: Route, owner: Owners) -> None:
        """Whether the next hop of a route can be reached, and the source address is one of the node's."""
        source = route.options.get("src")
        asks = device.dhcp4 or device.dhcp6
        if source and _scoped(ipaddress.ip_address(source), device) not in owner and not asks:
            self.report.add(path, f"src {source} is no address of this node", "give it to a device, or remove src")
        hop = route.gateway
        if hop is None:
            return
        if _scoped(hop, device) in owner:
            self.report.add(path, f"next_hop {hop} is an address of this node itself", "name the gateway's address")
            return
        if (device.dhcp4 if hop.version == 4 else device.dhcp6) or (hop.version == 6 and hop.is_link_local):
            return
        around = [address.network for address in device.addresses if hop in address.network]
        if not around and "onlink" not in route.options and not self.on_link(device, hop, route):
            nets = ", ".join(str(net) for net in self.networks(device, hop.version)) or "none"
            message = f"next_hop {hop} is in no subnet of {device.name} (its subnets: {nets})"
            remedy = "name a gateway that is, add a route to it with next_hop: self, or onlink to route_options"
            self.report.add(path, message, remedy)
        for net in around:
            if net.version == 4 and net.prefixlen < 31 and hop in (net.network_address, net.broadcast_address):
                self.report.add(path, f"next_hop {hop} is no host of {net}", "name the gateway's address")

    def on_link(self, device: Device, hop: IPAddress, route: Route) -> bool:
        """Whether another route of the device says that a gateway is on its link, where the kernel looks for it.

        An address of its own (/32, /128) has no subnet: such a gateway is reached by a route to it alone, as many
        providers ask for. The kernel looks in the table of the route and in main: fib_check_nh(), ip6_route_check_nh().
        """
        tables = {MAIN, self.number(route.table)}
        return any(
            other.gateway is None
            and other.destination.version == hop.version
            and other.destination.prefixlen > 0
            and hop in other.destination
            and self.number(other.table) in tables
            for other in device.routes
        )

    @staticmethod
    def networks(device: Device, version: int) -> Iterator[IPNetwork]:
        """The subnets of a device."""
        yield from dict.fromkeys(address.network for address in device.addresses if address.version == version)


def check(
    report: Report,
    devices: list[Device],
    tables: Mapping[str, int],
    broken: Mapping[str, frozenset[str]],
    *,
    complete: bool,
) -> list[Device]:
    """Reports what is wrong with the configuration as a whole; the answer is the devices as they will be.

    ``broken``: path of a device -> its keys that have mistakes already. ``complete``: whether every device could be
    read; if not, nothing is said of devices that seem not to be there.
    """
    whole = _Whole(report, list(devices), tables, broken, complete)
    whole.names()
    whole.parents()
    whole.cycles()
    whole.primaries()
    whole.bonds()
    whole.settings()
    whole.switch()
    whole.cards()
    whole.mtus()
    whole.routes(whole.addresses())
    return whole.devices
