# SPDX-License-Identifier: Apache-2.0
"""Arguments of ethtool(8) as settings of systemd.link(5), which udev applies whenever the NIC appears.

What systemd.link(5) has no setting for is refused: a command that runs once is forgotten at the next boot.
"""

from __future__ import annotations

import re

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import Report, is_text, show

_DEVICE = frozenset({"$DEVICE", "${DEVICE}", "{name}", "{DEVICE}", "$1"})
_WAKE = {
    "p": "phy", "u": "unicast", "m": "multicast", "b": "broadcast", "a": "arp", "g": "magic", "s": "secureon",
}  # fmt: skip
_MDI = {"auto": "auto", "on": "crossover", "off": "straight"}
_PORTS = {name: name for name in ("tp", "aui", "bnc", "mii", "fibre")}
_ON = {"on": "yes", "off": "no"}

#: Letter or long name of a command -> its letter.
_COMMANDS = {
    "-s": "-s", "--change": "-s", "-G": "-G", "--set-ring": "-G", "-L": "-L", "--set-channels": "-L", "-A": "-A",
    "--pause": "-A", "-C": "-C", "--coalesce": "-C", "-K": "-K", "--features": "-K", "--offload": "-K",
}  # fmt: skip

#: How values look: "on": on/off; "number": at least 1, or max; "count": a number; "time": microseconds; else its own.
_COALESCE = {
    "adaptive-rx": ("UseAdaptiveRxCoalesce", "on"),
    "adaptive-tx": ("UseAdaptiveTxCoalesce", "on"),
    "pkt-rate-low": ("CoalescePacketRateLow", "count"),
    "pkt-rate-high": ("CoalescePacketRateHigh", "count"),
    "sample-interval": ("CoalescePacketRateSampleIntervalSec", "seconds"),
    "stats-block-usecs": ("StatisticsBlockCoalesceSec", "time"),
} | {
    f"{way}-{what}{suffix}": (f"{way.capitalize()}{setting.format(level)}", form)
    for way in ("rx", "tx")
    for suffix, level in (("", ""), ("-irq", "Irq"), ("-low", "Low"), ("-high", "High"))
    for what, setting, form in (("usecs", "Coalesce{}Sec", "time"), ("frames", "MaxCoalesced{}Frames", "count"))
}
_FEATURES = {
    name: (setting, "on")
    for setting, names in {
        "ReceiveChecksumOffload": "rx rx-checksum rx-checksumming",
        "TransmitChecksumOffload": "tx tx-checksumming",
        "TCPSegmentationOffload": "tso tcp-segmentation-offload tx-tcp-segmentation",
        "TCP6SegmentationOffload": "tx-tcp6-segmentation",
        "GenericSegmentationOffload": "gso generic-segmentation-offload tx-generic-segmentation",
        "GenericReceiveOffload": "gro generic-receive-offload rx-gro",
        "GenericReceiveOffloadHardware": "rx-gro-hw",
        "LargeReceiveOffload": "lro large-receive-offload rx-lro",
        "ReceiveVLANCTAGHardwareAcceleration": "rxvlan rx-vlan-offload rx-vlan-hw-parse",
        "TransmitVLANCTAGHardwareAcceleration": "txvlan tx-vlan-offload tx-vlan-hw-insert",
        "ReceiveVLANCTAGFilter": "rx-vlan-filter",
        "TransmitVLANSTAGHardwareAcceleration": "tx-vlan-stag-hw-insert",
        "NTupleFilter": "ntuple ntuple-filters rx-ntuple-filter",
    }.items()
    for name in names.split()
}
SETTINGS: dict[str, dict[str, tuple[str, str]]] = {
    "-s": {
        "speed": ("BitsPerSecond", "speed"),
        "duplex": ("Duplex", "duplex"),
        "autoneg": ("AutoNegotiation", "on"),
        "wol": ("WakeOnLan", "wol"),
        "port": ("Port", "port"),
        "mdix": ("MDI", "mdix"),
    },
    "-G": {
        "rx": ("RxBufferSize", "number"),
        "rx-mini": ("RxMiniBufferSize", "number"),
        "rx-jumbo": ("RxJumboBufferSize", "number"),
        "tx": ("TxBufferSize", "number"),
    },
    "-L": {
        "rx": ("RxChannels", "number"),
        "tx": ("TxChannels", "number"),
        "other": ("OtherChannels", "number"),
        "combined": ("CombinedChannels", "number"),
    },
    "-A": {
        "autoneg": ("AutoNegotiationFlowControl", "on"),
        "rx": ("RxFlowControl", "on"),
        "tx": ("TxFlowControl", "on"),
    },
    "-C": _COALESCE,
    "-K": _FEATURES,
}
_CHOICES = {"on": _ON, "duplex": {"half": "half", "full": "full"}, "port": _PORTS, "mdix": _MDI}


def _value(form: str, word: str) -> str:
    """The value of a setting; empty when it is impossible."""
    if form in _CHOICES:
        return _CHOICES[form].get(word, "")
    if form == "wol":
        if word == "d":
            return "off"
        known = [_WAKE.get(letter, "") for letter in word]
        return "" if "" in known else " ".join(dict.fromkeys(known))
    if form == "number" and word == "max":
        return word
    if not re.fullmatch(r"[0-9]{1,9}", word):
        return ""
    number = int(word)
    if form == "count":
        return str(number)
    if number < 1 and form != "time":
        return ""
    return {"speed": f"{number}M", "time": f"{number}us", "seconds": f"{number}s"}.get(form, str(number))


def _part(report: Report, path: str, words: list[str], device: str, found: dict[str, str]) -> None:
    """Reads one command into ``found``."""
    command = "-s"
    if words[0].startswith("-"):
        if words[0] not in _COMMANDS:
            remedy = "systemd.link(5) has settings for -s, -G, -L, -A, -C and -K only"
            report.add(path, f"ethtool {words[0]} cannot be had", remedy)
            return
        command = _COMMANDS[words.pop(0)]
    if words and (words[0] in _DEVICE or words[0] == device):
        words.pop(0)
    settings = SETTINGS[command]
    if not words:
        report.add(path, f"ethtool {command} has nothing to set", f"like ethtool {command} {next(iter(settings))} ...")
    while words:
        word = words.pop(0)
        value = words.pop(0) if words else ""
        if word not in settings:
            what = "has no setting in systemd.link(5)" if value else "is not understood"
            report.add(path, f"{show(word)} of ethtool {command} {what}", did_you_mean(word, settings))
            return
        setting, form = settings[word]
        known = _value(form, value)
        if not known:
            what = f"{show(value)} is not possible after {word}" if value else f"nothing stands after {word}"
            choices = " or ".join(_CHOICES[form]) if form in _CHOICES else "a number, see ethtool(8)"
            report.add(path, f"{what} of ethtool {command}", choices if form != "wol" else "letters of pumbagsd")
        elif found.setdefault(setting, known) != known:
            report.add(path, f"{word} of ethtool {command} is there twice", "keep one of them")


def parse(report: Report, path: str, value: object, device: str) -> dict[str, str]:
    """The settings of systemd.link(5) for the arguments of ethtool, with ``;`` between several commands."""
    found: dict[str, str] = {}
    if not is_text(report, path, value):
        return found
    for part in str(value).split(";"):
        words = part.split()
        if words[:1] == ["ethtool"]:
            words.pop(0)
        if words:
            _part(report, path, words, device, found)
    return found
