# SPDX-License-Identifier: Apache-2.0
"""What inspection found in a machine, against what was ordered and declared: sentences for a person.

The inventory is the agent's (``GET /v1/nodes/<node>/inventory``, its key ``inventory``); inspection over a BMC fills
less of it. What it does not tell is no difference.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import disks
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.declare import capabilities
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Declared, Expected

#: Where a node's own firmware does not tell how much memory it has, the kernel's figure lacks what it keeps to itself.
KERNEL_SHARE = 0.05

#: Keys of ``driver_info`` with the address of the BMC, as a URL or bare.
ADDRESSES = ("redfish_address", "ipmi_address", "ilo_address", "irmc_address", "drac_address", "xclarity_address")


def _part(inventory: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = inventory.get(key)
    return found if isinstance(found, Mapping) else {}


def _processors(expected: Expected, inventory: Mapping[str, Any]) -> list[str]:
    cpu = _part(inventory, "cpu")
    found = []
    count, arch = cpu.get("count"), cpu.get("architecture")
    if expected.cpus is not None and count is not None and int(count) != expected.cpus:
        found.append(f"it has {count} CPUs, and {expected.cpus} are expected")
    if expected.cpu_arch and arch and arch != expected.cpu_arch:
        found.append(f"its CPUs are {arch}, and {expected.cpu_arch} is expected")
    return found


def _memory(expected: Expected, inventory: Mapping[str, Any]) -> list[str]:
    memory = _part(inventory, "memory")
    wanted, physical, total = expected.memory_mb, memory.get("physical_mb"), memory.get("total")
    if wanted is None or not (physical or total):
        return []
    have = int(physical) if physical else int(total or 0) >> 20
    least = wanted if physical else wanted * (1 - KERNEL_SHARE)
    if least <= have <= wanted:
        return []
    return [f"it has {have} MiB of memory, and {wanted} are expected"]


def _disks(expected: Expected, inventory: Mapping[str, Any]) -> list[str]:
    there: Sequence[Mapping[str, Any]] = inventory.get("disks") or ()
    found = []
    taken: dict[int, int] = {}
    for index, hint in enumerate(expected.disks):
        what = f"the expected disk {index + 1} ({disks.tell(hint)})"
        wrong = disks.mistakes(hint)
        fit = [] if wrong else [disk for disk in there if disks.matches(hint, disk)]
        if wrong:
            found += [f"{what} cannot be looked for: {text}" for text in wrong]
        elif not fit:
            found.append(f"{what} is not there")
        elif len(fit) > 1:
            found.append(f"{what} could be any of {', '.join(str(disk.get('name')) for disk in fit)}")
        elif taken.setdefault(id(fit[0]), index) != index:
            found.append(f"{what} is the same as the disk {taken[id(fit[0])] + 1}")
    if found:
        found.append("its disks: " + ("; ".join(disks.line(disk) for disk in there) or "none"))
    return found


def _nics(expected: Expected | None, declared: Declared | None, inventory: Mapping[str, Any]) -> list[str]:
    nics = {str(nic["mac_address"]).lower(): nic for nic in inventory.get("interfaces") or () if nic.get("mac_address")}
    if not nics:
        return []
    found = []
    for mac in sorted({mac.lower() for mac in (expected.macs if expected else ())} - set(nics)):
        found.append(f"the expected NIC {mac} is not there")
    if declared is not None and declared.ports is not None:
        ports = {port.address for port in declared.ports}
        found += [f"the port {mac} is declared, and there is no such NIC" for mac in sorted(ports - set(nics))]
        for mac in sorted(set(nics) - ports):
            link = {True: ", with a link", False: ", without a link"}.get(nics[mac].get("has_carrier"), "")
            name = nics[mac].get("name") or "a NIC"
            found.append(f"{name} ({mac}{link}) is there, and no port of that address is declared")
    return found


def _boot_mode(declared: Declared, inventory: Mapping[str, Any]) -> list[str]:
    wanted = capabilities(declared.properties.get("capabilities")).get("boot_mode")
    mode = _part(inventory, "boot").get("current_boot_mode")
    if wanted and mode and mode != wanted:
        return [f"it booted in mode {mode}, and boot_mode:{wanted} is declared"]
    return []


def _address(text: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address in a URL or a text; None for a name, nothing, or the unspecified one."""
    word = str(text or "")
    host = urlsplit(word).hostname if "//" in word else word.strip("[]")
    try:
        found = ipaddress.ip_address(host or "")
    except ValueError:
        return None
    return None if found.is_unspecified else found


def _bmc(declared: Declared, inventory: Mapping[str, Any]) -> list[str]:
    wanted = next((address for key in ADDRESSES if (address := _address(declared.driver_info.get(key)))), None)
    there = [address for key in ("bmc_address", "bmc_v6address") if (address := _address(inventory.get(key)))]
    same_kind = [address for address in there if wanted is not None and address.version == wanted.version]
    if not same_kind or wanted in same_kind:
        return []
    return [f"its BMC says that it is {same_kind[0]}, and {wanted} is declared: is this the right machine?"]


def differences(expected: Expected | None, declared: Declared | None, inventory: Mapping[str, Any] | None) -> list[str]:
    """What is other than expected or declared, a sentence each. ``inventory``: None when it was never inspected."""
    if inventory is None:
        return ["nobody has looked into it yet: inspect it first (target: inspected)"] if expected else []
    found = []
    if expected is not None:
        found += _processors(expected, inventory) + _memory(expected, inventory) + _disks(expected, inventory)
    found += _nics(expected, declared, inventory)
    if declared is not None:
        found += _boot_mode(declared, inventory) + _bmc(declared, inventory)
    return found
