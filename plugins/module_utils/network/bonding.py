# SPDX-License-Identifier: Apache-2.0
"""Options of the kernel's bonding driver: what each takes, in which modes, and what must not stand together.

By Documentation/networking/bonding.rst and drivers/net/bonding/bond_options.c of the kernel. Several of these mistakes
the kernel does not report: it switches the link monitor off, for one. What systemd-networkd has no setting for is
refused, so that nothing is dropped silently.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network import reading
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import Report, show

RR, AB, XOR, BROADCAST, LACP, TLB, ALB = (
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb",
)  # fmt: skip
MODES = (RR, AB, XOR, BROADCAST, LACP, TLB, ALB)

#: Modes that have one active member, so that one can be preferred.
WITH_PRIMARY = frozenset({AB, TLB, ALB})


@dataclass(frozen=True)
class Option:
    """An option: its names of values (whose index is the kernel's number), or its limits, and the modes it is for.

    ``modes``: in another mode the option is a mistake; ``effect``: in another mode it does nothing, which is a warning.
    """

    choices: tuple[str, ...] = ()
    limits: tuple[int, int] | None = None
    modes: frozenset[str] | None = None
    effect: frozenset[str] | None = None
    form: str = ""


def _only(*modes: str) -> frozenset[str]:
    return frozenset(modes)


_NOT_ARP = _only(LACP, TLB, ALB)
_ARP = frozenset(MODES) - _NOT_ARP
_SWITCH = ("0", "1")
_MOST = 2**31 - 1

OPTIONS: dict[str, Option] = {
    "mode": Option(choices=MODES),
    "miimon": Option(limits=(0, _MOST)),
    "updelay": Option(limits=(0, _MOST)),
    "downdelay": Option(limits=(0, _MOST)),
    "peer_notif_delay": Option(limits=(0, 300_000), effect=_only(AB, TLB, ALB)),
    "arp_interval": Option(limits=(0, _MOST), modes=_ARP),
    "arp_ip_target": Option(form="targets", modes=_ARP),
    "arp_validate": Option(choices=("none", "active", "backup", "all"), modes=_ARP),
    "arp_all_targets": Option(choices=("any", "all"), modes=_only(AB)),
    "arp_missed_max": Option(limits=(1, 255), modes=_ARP),
    "lacp_rate": Option(choices=("slow", "fast"), modes=_only(LACP)),
    "ad_select": Option(choices=("stable", "bandwidth", "count"), modes=_only(LACP)),
    "ad_actor_sys_prio": Option(limits=(1, 65535), modes=_only(LACP)),
    "ad_actor_system": Option(form="mac", modes=_only(LACP)),
    "ad_user_port_key": Option(limits=(0, 1023), modes=_only(LACP)),
    "min_links": Option(limits=(0, _MOST), effect=_only(LACP)),
    "xmit_hash_policy": Option(
        choices=("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4"), effect=_only(XOR, LACP, TLB)
    ),
    "primary": Option(form="member", modes=WITH_PRIMARY),
    "primary_reselect": Option(choices=("always", "better", "failure"), modes=WITH_PRIMARY),
    "fail_over_mac": Option(choices=("none", "active", "follow"), modes=_only(AB)),
    "num_grat_arp": Option(limits=(0, 255), effect=_only(AB)),
    "all_slaves_active": Option(choices=_SWITCH, form="switch"),
    "packets_per_slave": Option(limits=(0, 65535), modes=_only(RR)),
    "tlb_dynamic_lb": Option(choices=_SWITCH, form="switch", modes=_only(TLB, ALB)),
    "resend_igmp": Option(limits=(0, 255), effect=_only(RR, AB, TLB, ALB)),
}

#: Second names of options.
SAME = {"num_unsol_na": "num_grat_arp"}

_NO_SETTING = "systemd-networkd has no setting for it"

#: Options of the driver that cannot be had: why, and what to do.
REFUSED: dict[str, tuple[str, str]] = {
    "use_carrier": ("is deprecated, and systemd-networkd has no setting for it", "leave it out: 1 is the default"),
    "lacp_active": (_NO_SETTING, "leave it out: on is the default"),
    "ns_ip6_target": (_NO_SETTING, "use miimon, or arp_interval with arp_ip_target"),
    "lp_interval": (
        "systemd-networkd sets it only with arp_interval, which the modes that use it do not have",
        "leave it out: 1 is the default",
    ),
    "prio": (_NO_SETTING, "use primary for the member that is preferred"),
    "queue_id": (_NO_SETTING, "leave it out"),
    "active_slave": (
        "the kernel changes it at every failure, and takes no member without link",
        "use primary for the member that is preferred",
    ),
    "slaves": ("the members are the list members", "leave it out"),
    "max_bonds": ("it is a parameter of the kernel's module", "leave it out: bonds are made as they are needed"),
    "broadcast_neighbor": (_NO_SETTING, "leave it out"),
    "coupled_control": (_NO_SETTING, "leave it out: on is the default"),
}

#: Values of options that the kernel has, and systemd-networkd has not.
REFUSED_VALUES: dict[str, tuple[str, ...]] = {
    "xmit_hash_policy": ("vlan+srcmac", "5"),
    "arp_validate": ("filter", "filter_active", "filter_backup", "4", "5", "6"),
    "ad_select": ("actor_port_prio", "3"),
}


def _words(report: Report, path: str, value: Any) -> dict[str, Any]:
    """The options as a mapping, with their paths for messages being ``path`` and the name."""
    if not isinstance(value, str):
        return reading.mapping(report, path, value)
    found: dict[str, Any] = {}
    for word in value.split():
        key, equals, text = word.partition("=")
        if not equals or not key or not text:
            report.add(path, f"{show(word)} is no option", "write options as mode=802.3ad miimon=100, blanks between")
        elif key in found and found[key] != text:
            report.add(path, f"{key} is there twice", "keep one of them")
        else:
            found[key] = text
    return found


def _integer(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
        return int(value)
    return None


def _targets(report: Report, here: str, value: Any) -> str | None:
    words = value.split(",") if isinstance(value, str) else reading.items(report, here, value)
    found: list[str] = []
    for word in words:
        try:
            address = ipaddress.IPv4Address(word.strip() if isinstance(word, str) else "")
        except ValueError:
            report.add(here, f"{show(word)} is no IPv4 address", "write addresses with commas between")
            return None
        if address.is_unspecified or address.is_multicast or int(address) == 2**32 - 1:
            report.add(here, f"{address} answers no ARP request", "name the gateway, or a neighbour")
            return None
        if str(address) in found:
            report.add(here, f"{address} is there twice", "name each only once")
            return None
        found.append(str(address))
    if not 1 <= len(found) <= 16:
        report.add(here, f"has {len(found)} addresses", "name 1 to 16")
        return None
    return ",".join(found)


def _value(report: Report, here: str, key: str, value: Any, option: Option) -> str | None:
    """A value as the kernel names it; None when it is impossible."""
    if reading.refused(report, here, value):
        return None
    if option.form == "targets":
        return _targets(report, here, value)
    if option.form == "mac":
        return reading.mac(report, here, value, {})
    if option.form == "member":
        return reading.nic(report, here, value, {})
    if option.form == "switch" and isinstance(value, bool | str):
        word = str(value).lower()
        value = "1" if word in reading.TRUE else "0" if word in reading.FALSE else value
    if option.limits:
        least, most = option.limits
        number = _integer(value)
        if number is None or not least <= number <= most:
            report.add(here, f"{show(value)} is not possible here", f"must be a number between {least} and {most}")
            return None
        return str(number)
    word = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if word in REFUSED_VALUES.get(key, ()):
        report.add(here, f"{word} cannot be had: {_NO_SETTING}", f"choose one of {', '.join(option.choices)}")
        return None
    index = _integer(word)
    if word not in option.choices and index is not None and index < len(option.choices):
        word = option.choices[index]
    if word not in option.choices:
        report.add(here, f"{show(value)} is not one of the choices", did_you_mean(word, option.choices))
        return None
    return word


def _modes(modes: frozenset[str]) -> str:
    return ", ".join(mode for mode in MODES if mode in modes)


def _monitor(report: Report, path: str, found: dict[str, str], given: Sequence[str], readable: bool) -> None:
    """The rules about how a bond finds out that a member is dead. ``readable``: whether ``given`` is all of them."""
    miimon, arp = int(found.get("miimon", "0")), int(found.get("arp_interval", "0"))
    known = readable and all(key in found for key in ("miimon", "arp_interval") if key in given)
    if miimon and arp:
        report.add(
            path,
            "has both miimon and arp_interval: the kernel silently switches one of them off",
            "keep miimon, which works in every mode",
        )
    elif known and not miimon and not arp:
        report.add(
            path,
            "has no link monitor: the bond would go on sending through a member that is dead",
            "add miimon=100",
        )
    if arp and "arp_ip_target" not in given:
        report.add(path, "has arp_interval and nobody to ask", "add arp_ip_target, or use miimon=100 instead")
    if known and not arp:
        for key in ("arp_ip_target", "arp_missed_max"):
            if key in found:
                report.add(path, f"has {key} without arp_interval", "add arp_interval, or remove it")
        if found.get("arp_validate", "none") != "none":
            report.add(path, "has arp_validate without arp_interval", "add arp_interval, or remove it")
    if "arp_all_targets" in found and found.get("arp_validate", "none") == "none" and "mode" in found:
        report.add(path, "has arp_all_targets without arp_validate", "add arp_validate, or remove it")
    for key in ("updelay", "downdelay", "peer_notif_delay"):
        delay = int(found.get(key, "0"))
        if delay and known and not miimon:
            report.add(path, f"has {key} without miimon", "add miimon=100, or remove it")
        elif delay and miimon and delay % miimon:
            report.warn(path, f"{key} {delay} is no multiple of miimon {miimon}: the kernel rounds it down")


def parse(report: Report, path: str, value: Any, members: int) -> dict[str, str]:
    """Checked options, by the kernel's names, with numbers of choices as words. ``members``: how many there are.

    ``primary`` is among them as it was written; whether it is a member is for the caller to know.
    """
    before = len(report.problems)
    found: dict[str, str] = {}
    given = _words(report, path, value)
    readable = len(report.problems) == before
    for name, item in given.items():
        key = SAME.get(name, name)
        here = path if isinstance(value, str) else reading.below(path, name)
        option = OPTIONS.get(key)
        if name in REFUSED:
            why, remedy = REFUSED[name]
            report.add(here, f"{name} cannot be had: {why}", remedy)
        elif option is None:
            report.add(here, f"{show(name)} is no option of a bond", did_you_mean(name, OPTIONS))
        else:
            known = _value(report, here, key, item, option)
            if known is not None and found.get(key, known) != known:
                report.add(here, f"{name} and its other name have different values", "keep one of them")
            elif known is not None:
                found[key] = known
    if "mode" not in given:
        if len(report.problems) == before:
            report.add(
                path, "the option mode is missing", "add mode=active-backup, or mode=802.3ad with a switch for it"
            )
        return found
    mode = found.get("mode")
    for key in found:
        option = OPTIONS[key]
        if mode and option.modes is not None and mode not in option.modes:
            report.add(path, f"{key} is not possible in mode {mode}", f"remove it; it is for {_modes(option.modes)}")
        elif mode and option.effect is not None and mode not in option.effect:
            report.warn(path, f"{key} does nothing in mode {mode}", f"remove it; it is for {_modes(option.effect)}")
    _monitor(report, path, found, tuple(SAME.get(name, name) for name in given), readable)
    if "primary_reselect" in found and "primary" not in given:
        report.warn(path, "has primary_reselect without primary", "add primary=<member>, or remove it")
    links = int(found.get("min_links", "0"))
    if links > members:
        report.add(
            path, f"min_links is {links}, and there are {members} members: the bond would never be up", "lower it"
        )
    elif links == members and links > 1:
        report.warn(path, f"min_links is {links} of {members} members: one dead member takes the bond down", "lower it")
    return found
