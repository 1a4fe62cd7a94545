# SPDX-License-Identifier: Apache-2.0
"""Which disk is written, and which ones must survive: known before a machine is touched.

Hints are those of Ironic's root devices (https://docs.openstack.org/ironic/latest/install/advanced.html), and mean what
they mean to the agent in the ramdisk: texts are compared without regard to case and URL-quoted, a property that a disk
does not have is the text ``none``, sizes are GiB with a fraction. What the agent takes and cannot evaluate, or what
never matches, is a mistake here: ``<all-in>`` and ``<range-in>``, numbers' operators on texts, texts' operators on
sizes. Where the agent takes the first of several disks that match, it is refused.

Ironic keeps what inspection found (``GET /v1/nodes/<node>/inventory``). It may be older than the machine is: a root
device that is gone by then makes the deployment fail, as the agent looks again.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import BaremetalError, Instance
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import FALSE, TRUE, show, type_name

#: Hints that are texts. The others are ``size`` (a number of GiB) and ``rotational`` (a truth value).
TEXTS = (
    "by_path", "hctl", "model", "name", "serial", "vendor", "wwn", "wwn_vendor_extension", "wwn_with_extension",
)  # fmt: skip
HINTS = frozenset({*TEXTS, "size", "rotational"})

#: Hints of which each names one disk of all that were ever made.
UNIQUE = ("serial", "wwn", "wwn_with_extension")

GIB = 1 << 30
#: Without a hint the agent takes no disk that is smaller.
LEAST = 4 * GIB

#: Longer ones before those that they begin with.
_OPERATOR = re.compile(r"<or>|<in>|<all-in>|<range-in>|s==|s!=|s<=|s>=|s<|s>|==|!=|<=|>=|=|<|>")

_NUMBERS: dict[str, Callable[[Any, Any], bool]] = {
    "": operator.eq,
    "=": operator.ge,  # as Nova's flavors have it
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
_WORDS: dict[str, Callable[[Any, Any], bool]] = {
    "": operator.eq,
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
    "<in>": operator.contains,
    "<or>": operator.eq,
}

Disk = Mapping[str, Any]
Hint = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Whether a machine may be written to. ``root``: the disk that will be, None where inspection did not tell.

    ``disks``: a line for each disk there is.
    """

    ok: bool
    root: Disk | None = None
    problems: list[str] = field(default_factory=list)
    disks: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The refusal, with what there is to choose from."""
        lines = [*self.problems]
        if self.problems and self.disks:
            lines += ["disks of this machine:", *(f"  {line}" for line in self.disks)]
        return "\n".join(lines)


def _split(expression: str) -> tuple[str, list[str]]:
    """Operator and values of an expression in lower case; no operator: the whole is one value."""
    found = _OPERATOR.match(expression)
    if not found:
        return "", [expression]
    word = found.group()
    return word, [value.strip() for value in expression[len(word) :].split(word)]


def _number(value: Any) -> int | None:
    try:
        found = int(str(value))
    except ValueError:
        return None
    return found if found > 0 else None


def _truth(value: Any) -> bool | None:
    word = str(value).strip().lower()
    return True if word in TRUE else False if word in FALSE else None


def _fault(name: str, value: Any) -> str:
    """What is wrong with one hint; empty when nothing is."""
    if name not in HINTS:
        return f"unknown hint ({did_you_mean(name, HINTS)})"
    if name == "rotational":
        return "" if _truth(value) is not None else f"{show(value)} is no truth value (write true or false)"
    if name == "size":
        if isinstance(value, bool) or not isinstance(value, int | str):
            return f"must be a whole number of GiB, not {type_name(value)}"
    elif not isinstance(value, str):
        return f'must be a text, not {type_name(value)} (put it in quotes: "{value}")'
    word, values = _split(str(value).strip().lower())
    known = _NUMBERS if name == "size" else _WORDS
    if word not in known:
        kind = "sizes" if name == "size" else "texts"
        return f"the agent cannot use {word} on {kind} (use {', '.join(sorted(set(known) - {''}))})"
    if word != "<or>" and len(values) > 1:
        return f"has {word} more than once (give one value)"
    if any(not item or (word and _OPERATOR.match(item)) for item in values):
        return f"has no value after {word}" if word else "is empty"
    if name == "size" and _number(values[0]) is None:
        return f"{show(values[0])} is no whole number of GiB above 0"
    return ""


def faults(hint: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the parts of a hint, a sentence each."""
    return {name: fault for name, fault in ((name, _fault(name, hint[name])) for name in sorted(hint)) if fault}


def mistakes(hint: Any) -> list[str]:
    """What is wrong with a hint, a sentence each."""
    if not isinstance(hint, Mapping) or not hint:
        return ["must be a mapping of hints, as serial: ABC123"]
    return [f"{name}: {fault}" for name, fault in faults(hint).items()]


def exact(value: Any) -> str | None:
    """The one text that a hint's value means, in lower case; None where it is none or may be several."""
    word, values = _split(str("" if value is None else value).strip().lower())
    return values[0] if word in ("", "s==") and len(values) == 1 and values[0] else None


def _quoted(value: Any) -> str:
    return quote(str(value).strip().lower())


def _fits(name: str, wanted: Any, found: Any) -> bool:
    if name == "rotational":
        return _truth(found) is not None and _truth(found) == _truth(wanted)
    word, values = _split(str(wanted).strip().lower())
    if name == "size":
        return isinstance(found, int | float) and _NUMBERS[word](found / GIB, float(int(values[0])))
    several = found if isinstance(found, list) else [found]
    texts = [_quoted(item) for item in several if item is not None or not isinstance(found, list)]
    return any(text and _WORDS[word](text, quote(value)) for text in texts for value in values)


def matches(hint: Hint, disk: Disk) -> bool:
    """Whether a disk is one that the hint means.

    :raises BaremetalError: the hint cannot be used.
    """
    wrong = mistakes(hint)
    if wrong:
        raise BaremetalError("\n".join(wrong))
    return all(_fits(name, wanted, disk.get(name)) for name, wanted in hint.items())


def line(disk: Disk) -> str:
    """A disk as a person tells it from others: name, size, model, and what is its own."""
    size = disk.get("size")
    parts = [
        str(disk.get("name") or "(no name)"),
        f"{size / GIB:.1f} GiB" if isinstance(size, int | float) else "unknown size",
        {True: "rotating", False: "not rotating"}.get(disk.get("rotational"), ""),  # type: ignore[arg-type]
        " ".join(str(disk[key]) for key in ("vendor", "model") if disk.get(key)),
        *(f"{key} {disk[key]}" for key in ("serial", "wwn", "hctl", "by_path") if disk.get(key)),
    ]
    return ", ".join(part for part in parts if part)


def tell(hint: Hint) -> str:
    """A hint in a sentence."""
    return ", ".join(f"{name}: {hint[name]}" for name in sorted(hint))


def _distinct(disk: Disk, disks: Sequence[Disk]) -> str:
    """A hint that means this disk and none of the others; empty where it has nothing of its own."""
    for name in (*UNIQUE, "by_path", "hctl"):
        text = str(disk.get(name) or "")
        if text and not _fault(name, text) and sum(_fits(name, text, other.get(name)) for other in disks) == 1:
            return f"{name}: {text}"
    return ""


def _advice(words: str, disk: Disk, disks: Sequence[Disk], otherwise: str) -> str:
    """``words`` with a hint for the disk; ``otherwise`` where there is none."""
    found = _distinct(disk, disks)
    return words.format(found) if found else otherwise


def _exact_size(hint: Hint, disks: Sequence[Disk]) -> str:
    """A size is compared with its fraction, so that a whole number fits hardly any disk."""
    if "size" not in hint or _split(str(hint["size"]).strip())[0] not in ("", "=="):
        return ""
    size = _split(str(hint["size"]).strip())[1][0]
    near = [disk for disk in disks if isinstance(disk.get("size"), int) and abs(disk["size"] / GIB - int(size)) < 1]
    return (
        f"; the size is compared exactly, and {near[0].get('name')} has {near[0]['size'] / GIB:.2f} GiB: "
        f"write '>= {int(near[0]['size'] / GIB)}'"
        if near
        else ""
    )


def _chosen(what: str, hint: Hint, disks: Sequence[Disk], problems: list[str]) -> Disk | None:
    """The one disk that a hint means; told, when it is not one."""
    wrong = mistakes(hint)
    if wrong:
        problems += [f"{what}: {text}" for text in wrong]
        return None
    found = [disk for disk in disks if matches(hint, disk)]
    if not found:
        problems.append(f"{what} ({tell(hint)}) fits none of the disks{_exact_size(hint, disks)}")
    elif len(found) > 1:
        names = ", ".join(str(disk.get("name")) for disk in found)
        advice = _advice(
            "use {}",
            found[0],
            disks,
            "they have nothing that tells them apart; if they are two paths to one disk, use multipathing",
        )
        problems.append(f"{what} ({tell(hint)}) fits {len(found)} disks ({names}): {advice}")
    elif "name" in hint and not str(found[0].get("name")).startswith("/dev/md"):
        rest = {name: value for name, value in hint.items() if name != "name"}
        if len(disks) > 1 and (not rest or sum(matches(rest, disk) for disk in disks) > 1):
            problems.append(
                f"{what} ({tell(hint)}) tells disks apart by a name that changes from boot to boot: "
                + _advice("use {}", found[0], disks, "and this disk has nothing else of its own")
            )
    return found[0] if len(found) == 1 else None


def _without_inventory(instance: Instance, root: Hint) -> Verdict:
    """What a machine may be told to write before anybody has looked into it."""
    remedy = "inspect the node first (target: inspected)"
    problems = [f"root_device: {text}" for text in (mistakes(root) if root else [])]
    for index, hint in enumerate(instance.preserve):
        problems += [f"preserve[{index}]: {text}" for text in mistakes(hint)]
    if instance.preserve:
        problems.append(f"nobody has seen the disks of this machine yet, and some must be preserved: {remedy}")
    elif not any(name in root and _split(str(root[name]).strip().lower())[0] in ("", "s==") for name in UNIQUE):
        problems.append(
            f"nobody has seen the disks of this machine yet: {remedy}, or give root_device a serial or a wwn"
        )
    return Verdict(not problems, None, problems)


def _preserved(preserve: Sequence[Hint], disks: Sequence[Disk], problems: list[str]) -> dict[int, str]:
    """The disks to preserve, by their identity, with the hint of each."""
    kept: dict[int, str] = {}
    for index, hint in enumerate(preserve):
        what = f"preserve[{index}]"
        disk = _chosen(what, hint, disks, problems)
        if disk is not None and id(disk) in kept:
            problems.append(f"{what} and {kept[id(disk)]} mean the same disk ({disk.get('name')}): remove one of them")
        elif disk is not None:
            kept[id(disk)] = what
    return kept


def kept(preserve: Sequence[Hint], inventory: Mapping[str, Any] | None) -> Verdict:
    """Whether cleaning leaves alone what it has to. Without an inventory only what is wrong with the hints is told."""
    problems: list[str] = []
    if inventory is None or not isinstance(inventory.get("disks"), Sequence):
        for index, hint in enumerate(preserve):
            problems += [f"preserve[{index}]: {text}" for text in mistakes(hint)]
        return Verdict(not problems, None, problems)
    disks: list[Disk] = list(inventory["disks"])
    names = _preserved(preserve, disks, problems)
    lines = [line(disk) + (f" (kept by {names[id(disk)]})" if id(disk) in names else "") for disk in disks]
    return Verdict(not problems, None, problems, lines)


def check(instance: Instance, inventory: Mapping[str, Any] | None, properties: Mapping[str, Any] | None) -> Verdict:
    """Whether a node may be deployed as ``instance`` says, and which disk that writes.

    The root device is that of the instance, else that of the node's properties. It must be exactly one disk. Without
    one there has to be just one disk that is not preserved. What is preserved is one disk for each hint, and not the
    root device, not even where the agent would skip it. ``inventory`` is what inspection found, None when there was
    none: a root device that is named by serial or WWN is enough then, as long as nothing has to be preserved.
    """
    known = properties or {}
    root: Hint = instance.root_device or known.get("root_device") or {}
    if inventory is None or not isinstance(inventory.get("disks"), Sequence):
        return _without_inventory(instance, root)
    disks: list[Disk] = list(inventory["disks"])
    problems: list[str] = []
    kept = _preserved(instance.preserve, disks, problems)
    for index, hint in enumerate(known.get("skip_block_devices") or ()):
        what = f"skip_block_devices[{index}] of the node's properties"
        if isinstance(hint, Mapping) and "volume_name" in hint:
            continue  # a RAID volume, by a name that only the agent knows
        wrong = mistakes(hint)
        problems += [f"{what}: {text}" for text in wrong]
        for disk in () if wrong else disks:
            if matches(hint, disk):
                kept.setdefault(id(disk), what)
    if root:
        written = _chosen("root_device", root, disks, problems)
        if written is not None and id(written) in kept:
            problems.append(
                f"root_device ({tell(root)}) is the disk {written.get('name')}, which {kept[id(written)]} preserves: "
                "nothing is written to it; name another root device"
            )
    else:
        written = _only(disks, kept, problems)
    lines = [line(disk) + (f" (kept by {kept[id(disk)]})" if id(disk) in kept else "") for disk in disks]
    return Verdict(not problems, None if problems else written, problems, lines)


def _only(disks: Sequence[Disk], kept: Mapping[int, str], problems: list[str]) -> Disk | None:
    """The disk of a node without a root device."""
    free = [disk for disk in disks if id(disk) not in kept]
    if len(free) == 1 and (free[0].get("size") or 0) >= LEAST:
        return free[0]
    if not free:
        problems.append("there is no disk that could be written" + (", all are preserved" if disks else ""))
    elif len(free) == 1:
        problems.append(f"the only disk, {free[0].get('name')}, has less than 4 GiB: name it as root_device, if it is")
    else:
        advice = _advice("name one, as root_device: {{{}}}", free[0], disks, "name one as root_device")
        problems.append(f"there are {len(free)} disks and no root_device: {advice}")
    return None


def pin(root: Disk | None, inventory: Mapping[str, Any] | None) -> Hint:
    """A hint that means the disk which was found to be the one, and no other; empty where there is none.

    Without a hint Ironic's agent takes the smallest disk it then finds, which may be one that was added since the
    inspection (``get_os_install_device`` in ironic-python-agent).
    """
    disks: Sequence[Disk] = (inventory or {}).get("disks") or ()
    for name in UNIQUE if root is not None else ():
        hint = {name: (root or {}).get(name)}
        if hint[name] and not mistakes(hint) and sum(matches(hint, disk) for disk in disks) == 1:
            return hint
    return {}


def skip_block_devices(preserve: Sequence[Hint], properties: Mapping[str, Any] | None) -> list[Any]:
    """What ``properties.skip_block_devices`` of the node has to be, so that cleaning and the agent leave disks alone.

    What is in there stays: a disk is given up by hand only.
    """
    there = list((properties or {}).get("skip_block_devices") or ())
    have = {json.dumps(hint, sort_keys=True) for hint in there}
    return there + [dict(hint) for hint in preserve if json.dumps(dict(hint), sort_keys=True) not in have]
