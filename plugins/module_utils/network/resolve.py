# SPDX-License-Identifier: Apache-2.0
"""Which NIC a name of a configuration means on a node, whether that NIC is there or not.

Nothing here looks at a link's state. A NIC without carrier is a NIC; ``nic3`` is the third one in the order of the
hardware, and stays so by the node's record (``Known``) when another one dies, is pulled or replaced. A NIC that is
gone is an error where something stands on it alone, and a sentence where it was one member of a bond or a bridge.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (
    Config,
    Device,
    Known,
    NetworkError,
    NetworkProblem,
    Nic,
)

#: Kinds whose name is that of a NIC.
NIC_KINDS = frozenset({"interface", "sriov_pf", "sriov_vf", "ib_interface"})

_NUMBERED = re.compile(r"nic([1-9][0-9]*)\Z")
_MAC = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5,19}\Z")
_PCI = re.compile(r"pci:(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])\Z")
_DRIVER = re.compile(r"driver:([^:]+)(?::([0-9]+))?\Z")

#: For messages: how a NIC may be named.
_WAYS = "name it by its name, nicN, its MAC address, pci:0000:3b:00.0 or driver:<name>:<index>"


@dataclass(frozen=True)
class Found:
    """What a name of the configuration means.

    ``nic`` is None when it is not there. ``name``: the kernel's, of a missing NIC the one it had, "" when it never was
    there. ``match``: the setting of a [Match] section that finds it, also when it appears later; None: there is none.
    ``coming``: a VF that the configuration makes, with the name that udev will give it.
    """

    nic: Nic | None
    name: str
    mac: str
    pci: str
    match: tuple[str, str] | None
    coming: bool = False


@dataclass(frozen=True)
class Resolved:
    """The NICs of a configuration on one node. ``nics``: by name as written."""

    nics: Mapping[str, Found]
    numbers: tuple[Known, ...]
    degraded: tuple[str, ...]

    def link(self, written: str) -> str:
        """The kernel's name of a NIC, or the name itself of another device."""
        found = self.nics.get(written)
        return written if found is None else found.name


def resolve(config: Config, nics: Sequence[Nic], numbers: Sequence[Known], mapping: Mapping[str, str]) -> Resolved:
    """The NICs that ``config`` speaks of. ``numbers``: the node's record; ``mapping``: aliases of the operator.

    Raises NetworkError with all that cannot be resolved.
    """
    hardware = _Hardware(nics, numbers, mapping)
    resolution = _Resolution(config, hardware)
    resolution.aliases()
    resolution.devices()
    resolution.twice()
    degraded = resolution.missing()
    if resolution.problems:
        raise NetworkError(resolution.problems)
    return Resolved(resolution.found, tuple(hardware.numbers), tuple(degraded))


# Numbers


def number(nics: Iterable[Nic], numbers: Sequence[Known]) -> list[Known]:
    """The record of numbers after a look at the NICs: known ones keep theirs, new ones get the next.

    A known NIC is found by its permanent MAC, wherever it is plugged in; a card that was replaced has the PCI address
    and port of the old one, and takes over its number; one with neither is known by its name.
    """
    return _numbered(nics, numbers)[0]


def _numbered(nics: Iterable[Nic], numbers: Sequence[Known]) -> tuple[list[Known], dict[int, Nic]]:
    """The same, and the NICs that are there by their numbers."""
    new = sorted((nic for nic in nics if not nic["vf_of"] and nic["type"] == "ether"), key=hardware_order)
    result = {known["number"]: known.copy() for known in sorted(numbers, key=lambda known: known["number"])}
    there: dict[int, Nic] = {}
    names = {nic["name"] for nic in new}
    for key in (_by_mac, _by_slot, _by_name):
        of_nic = Counter(key(nic) for nic in new)
        lost = {position: key(known) for position, known in result.items() if position not in there}
        of_known = Counter(lost.values())
        for position, value in lost.items():
            if value and of_nic[value] == of_known[value] == 1:
                there[position] = next(nic for nic in new if key(nic) == value)
                new.remove(there[position])
    for position, nic in there.items():
        old = result[position]["name"]
        # What was written with the old name still means this NIC, unless another one has got that name.
        result[position] = _known(position, nic, nic["name"] if old in names else old)
    for position, nic in enumerate(new, max(result, default=0) + 1):
        there[position] = nic
        result[position] = _known(position, nic, nic["name"])
    return [result[position] for position in sorted(result)], there


def _known(position: int, nic: Nic, name: str) -> Known:
    return {
        "number": position,
        "name": name,
        "mac": nic["mac"].lower(),
        "pci": nic["pci"],
        "port": nic["port"],
        "driver": nic["driver"],
    }


def _by_mac(nic: Nic | Known) -> object:
    return nic["mac"].lower()


def _by_slot(nic: Nic | Known) -> object:
    return nic["pci"] and (nic["pci"], nic["port"])


def _by_name(nic: Nic | Known) -> object:
    return "" if nic["mac"] or nic["pci"] else nic["name"]


def hardware_order(nic: Nic | Known) -> tuple[object, ...]:
    """Sorts NICs by their place in the machine: PCI address as numbers, port, name; those without PCI come last."""
    return (not nic["pci"], _slot(nic["pci"]), nic["port"], _natural(nic["name"]))


def _slot(pci: str) -> tuple[int, ...]:
    return tuple(int(part, 16) for part in re.findall(r"[0-9a-fA-F]+", pci))


def _natural(name: str) -> tuple[tuple[str, int], ...]:
    """``eth10`` after ``eth9``: numbers as numbers."""
    return tuple((text, int(digits or 0)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", name) if text or digits)


# Names


class _Hardware:
    """The NICs of a node, found by any of their names."""

    def __init__(self, nics: Sequence[Nic], numbers: Sequence[Known], mapping: Mapping[str, str]) -> None:
        self.nics = sorted(nics, key=hardware_order)
        self.numbers, self.numbered = _numbered(nics, numbers)
        self.mapping = mapping
        self.names = {nic["name"]: nic for nic in self.nics}
        self.macs = Counter(nic["mac"].lower() for nic in self.nics if nic["mac"])
        self.slots = Counter(nic["pci"] for nic in self.nics if nic["pci"])

    def find(self, written: str) -> Found:
        """What a name means. Raises ValueError(message, remedy) when it means several NICs or cannot mean one."""
        if written in self.mapping:
            return self.named(self.mapping[written])
        return self.named(written)

    def named(self, name: str) -> Found:
        """The same, for a name that is no alias of the operator."""
        if _MAC.match(name):
            return self.by_mac(name.lower().replace("-", ":"))
        if pci := _PCI.match(name):
            domain, bus, slot, function = pci.groups()
            return self.by_pci(f"{domain or '0000'}:{bus}:{slot}.{function}".lower())
        if driver := _DRIVER.match(name):
            return self.by_driver(driver[1], int(driver[2]) if driver[2] else None)
        if name in self.names:
            return self.present(self.names[name])
        position = _NUMBERED.match(name)
        for known in self.numbers:
            if known["number"] == int(position[1]) if position else known["name"] == name:
                return self.remembered(known)
        if position:
            return Found(None, "", "", "", None)
        return Found(None, name, "", "", ("Name", name))

    def by_mac(self, mac: str) -> Found:
        """The NIC with that permanent MAC."""
        nics = [nic for nic in self.nics if nic["mac"].lower() == mac]
        if len(nics) > 1:
            names = ", ".join(nic["name"] for nic in nics)
            raise ValueError(
                f"several NICs have the MAC address {mac}: {names}", "name it by its name or pci:<address>"
            )
        if nics:
            return self.present(nics[0])
        known = next((known for known in self.numbers if known["mac"] == mac), None)
        return Found(None, known["name"] if known else "", mac, known["pci"] if known else "", _mac_match(mac))

    def by_pci(self, pci: str) -> Found:
        """The NIC at that PCI address."""
        nics = [nic for nic in self.nics if nic["pci"].lower() == pci]
        if len(nics) > 1:
            names = ", ".join(nic["name"] for nic in nics)
            raise ValueError(
                f"there are several NICs at the PCI address {pci}: {names}", "name it by name or MAC address"
            )
        if nics:
            return self.present(nics[0])
        known = [known for known in self.numbers if known["pci"].lower() == pci]
        name, mac = (known[0]["name"], known[0]["mac"]) if len(known) == 1 else ("", "")
        return Found(None, name, mac, pci, ("Path", f"pci-{pci}"))

    def by_driver(self, driver: str, index: int | None) -> Found:
        """The NIC of that driver, counted in the order of the hardware; those that are gone are counted too."""
        known = sorted((known for known in self.numbers if known.get("driver") == driver), key=hardware_order)
        if index is None and len(known) > 1:
            names = ", ".join(entry["name"] for entry in known)
            raise ValueError(
                f"several NICs have the driver {driver}: {names}", f"count them: driver:{driver}:0 is the first"
            )
        if (index or 0) >= len(known):
            return Found(None, "", "", "", None)
        return self.remembered(known[index or 0])

    def present(self, nic: Nic) -> Found:
        """A NIC that is there. A VF may get another MAC address at each boot; its place stays."""
        mac = nic["mac"].lower()
        if mac and self.macs[mac] == 1 and nic["type"] == "ether" and not (nic["vf_of"] and nic["pci"]):
            match = _mac_match(mac)
        elif nic["pci"] and self.slots[nic["pci"]] == 1:
            match = ("Path", f"pci-{nic['pci']}")
        else:
            match = ("Name", nic["name"])
        return Found(nic, nic["name"], mac, nic["pci"], match)

    def remembered(self, known: Known) -> Found:
        """A NIC of the record, there or not."""
        nic = self.numbered.get(known["number"])
        if nic is not None:
            return self.present(nic)
        match = ("Name", known["name"])
        same = [other for other in self.numbers if other["mac"] == known["mac"]]
        if known["mac"] and not self.macs[known["mac"]] and len(same) == 1:
            match = _mac_match(known["mac"])
        elif known["pci"]:
            match = ("Path", f"pci-{known['pci']}")
        return Found(None, known["name"], known["mac"], known["pci"], match)


def _mac_match(mac: str) -> tuple[str, str]:
    return ("PermanentMACAddress", mac)


class _Resolution:
    """Collects what was found, and what is wrong."""

    def __init__(self, config: Config, hardware: _Hardware) -> None:
        self.config = config
        self.hardware = hardware
        self.by_name = {device.name: device for device in config.devices}
        self.found: dict[str, Found] = {}
        self.problems: list[NetworkProblem] = []

    def problem(self, path: str, message: str, remedy: str = "") -> None:
        """Another mistake."""
        self.problems.append(NetworkProblem(path, message, remedy))

    def aliases(self) -> None:
        """Refuses a mapping that means one NIC twice, or hides one behind the name of another."""
        owners: dict[str, str] = {}
        for alias, target in sorted(self.hardware.mapping.items()):
            path = f"mapping.{alias}"
            try:
                found = self.hardware.named(target)
            except ValueError as error:
                self.problem(path, *error.args)
                continue
            named = self.hardware.names.get(alias)
            if named is not None and (found.nic is None or found.name != alias):
                self.problem(
                    path, f"{alias} is the name of another NIC ({named['mac'] or named['pci']})", "choose another alias"
                )
            device = self.by_name.get(alias)
            if device is not None and device.kind not in NIC_KINDS:
                self.problem(
                    path, f"{alias} is the name of a {device.kind} of the configuration", "choose another alias"
                )
            if found.nic is not None and (other := owners.setdefault(found.name, alias)) != alias:
                self.problem(path, f"is the same NIC as {other}: {found.name}", "give each NIC one alias")

    def devices(self) -> None:
        """Finds every NIC that the configuration speaks of."""
        for device in self.config.devices:
            if device.kind == "sriov_vf":
                self.function(device)
            elif device.kind in NIC_KINDS:
                self.nic(device.name, device)
        for device in self.config.devices:
            for rule in device.rules:
                for written in (rule.iif, rule.oif):
                    if written is not None and written not in self.by_name:
                        self.named_in_rule(written, device)

    def named_in_rule(self, written: str, device: Device) -> None:
        """Finds a NIC that only a rule speaks of. A name of the kernel may be that of what others make."""
        ways = (_NUMBERED, _MAC, _PCI, _DRIVER)
        if written in self.hardware.mapping or any(way.match(written) for way in ways):
            self.nic(written, device)
            if written in self.found and not self.found[written].name:
                self.absent(f"{device.path}.rules", written, self.found.pop(written))

    def nic(self, written: str, device: Device) -> None:
        """Finds one of them, for a device that is it or stands on it."""
        if written in self.found:
            return
        try:
            found = self.hardware.find(written)
        except ValueError as error:
            self.problem(device.path, *error.args)
            return
        self.found[written] = found
        infiniband = device.kind == "ib_interface"
        if found.nic is not None and (found.nic["type"] == "infiniband") != infiniband:
            kind = "InfiniBand" if not infiniband else "Ethernet"
            remedy = "use ib_interface" if not infiniband else "use interface"
            self.problem(device.path, f"{_both(written, found)} is a NIC of {kind}", remedy)

    def function(self, device: Device) -> None:
        """Finds a VF by its PF and number.

        One that has a driver of its own for guests or DPDK is no network device: then its PCI address is all there is.
        When the PF is to have another number of VFs, all of them are made anew.
        """
        written = device.parent or ""
        if written not in self.found:
            self.nic(written, device)
        parent = self.found.get(written)
        if parent is None or parent.nic is None:
            self.found[device.name] = Found(None, "", "", "", None)
            return
        index = int(device.options["vfid"])
        functions = parent.nic.get("virtfns", [])
        made = self.by_name.get(written)
        number = made.options.get("numvfs", "") if made is not None else ""
        settled = number in ("", str(len(functions))) and index < len(functions)
        pci = functions[index] if index < len(functions) else ""
        nic = next((nic for nic in self.hardware.nics if pci and nic["pci"] == pci), None)
        if settled and nic is not None:
            self.found[device.name] = self.hardware.present(nic)
            return
        name = f"{parent.name}v{index}"
        match = ("Path", f"pci-{pci}") if settled else ("Name", name)
        self.found[device.name] = Found(None, name, "", pci, match, coming=not settled)

    def twice(self) -> None:
        """Refuses two names for one NIC among the devices."""
        owners: dict[str, Device] = {}
        for device in self.config.devices:
            found = self.found.get(device.name)
            if found is None or not found.name:
                continue
            other = owners.setdefault(found.name, device)
            if other is not device:
                message = f"{device.name} and {other.name} ({other.path}) are one NIC: {found.name}"
                self.problem(device.path, message, "use each NIC once, by one name")

    def missing(self) -> list[str]:
        """Sentences about missing members; everything else that is missing is a problem."""
        sentences = []
        gone: set[str] = set()
        for device in self.config.devices:
            found = self.found.get(device.name)
            if device.members and device.kind not in NIC_KINDS:
                self.stranded(device, gone)
            if found is None or found.nic is not None or self.handed_over(device, found):
                continue
            if found.coming:
                if self.in_dpdk(device):
                    sentences.append(self.sentence(device, device.master or "", found))
            elif device.master is None:
                self.absent(device.path, device.name, found)
            else:
                gone.add(device.name)
                sentences.append(self.sentence(device, device.master, found))
        return sentences

    def stranded(self, device: Device, gone: set[str]) -> None:
        """Refuses a bond or a bridge whose packets no NIC would carry, as all of its members are gone.

        It becomes one of those that are gone itself. A DPDK port is told by the bond or bridge that it is in.
        """
        ways = [name for name in device.members if self.by_name[name].kind != "linux_tap" and not self.internal(name)]
        lost = [name for name in ways if name in gone]
        if not ways or len(lost) < len(ways):
            return
        gone.add(device.name)
        written = [name for name in lost if self.by_name[name].kind in (*NIC_KINDS, "ovs_dpdk_port")]
        if written and device.kind != "ovs_dpdk_port":
            nics = [self.by_name[name].members[0] if self.by_name[name].members else name for name in written]
            names = ", ".join(_both(nic, self.found[nic]) for nic in nics)
            message = f"there is no NIC of {device.name} ({names}); this node has {self.names()}"
            self.problem(device.path, message, f"{_WAYS}; or remove {device.name}")

    def internal(self, name: str) -> bool:
        """Whether a member is an internal port of Open vSwitch."""
        return self.by_name[name].kind == "vlan" and self.by_name[name].parent is None

    def in_dpdk(self, device: Device) -> bool:
        """Whether a NIC is for DPDK."""
        master = self.by_name.get(device.master or "")
        return master is not None and master.kind == "ovs_dpdk_port"

    def handed_over(self, device: Device, found: Found) -> bool:
        """Whether a NIC has no name in the kernel because DPDK has it: its PCI address is all that is needed."""
        return self.in_dpdk(device) and bool(found.pci)

    def absent(self, path: str, written: str, found: Found) -> None:
        """A NIC on which a device stands alone is not there."""
        self.problem(path, f"there is no NIC {_both(written, found)}; this node has {self.names()}", _WAYS)

    def names(self) -> str:
        """The NICs of this node, for a message."""
        return ", ".join(nic["name"] for nic in self.hardware.nics if not nic["vf_of"]) or "none"

    def sentence(self, device: Device, master: str, found: Found) -> str:
        """What is missing of which device, and of which members that is built."""
        owner = self.by_name[master]
        members = [name for name in owner.members if (there := self.found.get(name)) is None or there.nic is not None]
        built = f"built of {', '.join(members)}" if members else "built without a member"
        waits = found.match and not self.in_dpdk(device)  # a row of Open vSwitch has its PCI address
        joins = "joins when it appears" if waits else "joins at the next run after it appears"
        return f"{master}: its member {_both(device.name, found)} is missing; {built}, and it {joins}"


def _both(written: str, found: Found) -> str:
    """A NIC by its name as written, and what else is known of it."""
    known = found.name or found.mac
    return written if known in ("", written) else f"{written} ({known})"
