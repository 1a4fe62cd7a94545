# SPDX-License-Identifier: Apache-2.0
"""In which order the networks of nodes change: a canary of each profile, then batches. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict

_PERCENT = re.compile(r"^([0-9]{1,3})%$")


class Wave(TypedDict):
    """Nodes that change at the same time. ``name``: "canary" or "batch 2 of 5", for people."""

    name: str
    hosts: list[str]


def batch_sizes(batches: Sequence[int | str], count: int) -> list[int]:
    """Sizes of batches of ``count`` nodes: numbers, or texts such as "10%", rounded down, one at least.

    Raises ValueError for anything else.
    """
    sizes = []
    for batch in batches:
        percent = _PERCENT.match(str(batch).strip())
        text = str(batch).strip()
        if percent and 1 <= int(percent[1]) <= 100:
            sizes.append(max(1, count * int(percent[1]) // 100))
        elif text.isdecimal() and int(text) >= 1:
            sizes.append(int(text))
        else:
            raise ValueError(f"{batch!r} is no size of a batch: say a number of nodes, or a share such as 10%")
    if not sizes:
        raise ValueError("there is no size of a batch: say a number of nodes, or a share such as 10%")
    return sizes


def quorums(members: Mapping[str, Mapping[str, Sequence[str]]], catalogue: Mapping[str, Any]) -> list[set[str]]:
    """Groups of nodes of which one at a time may change.

    These are the members of components that need a quorum or that change one at a time. ``members``: service ->
    component -> nodes; ``catalogue``: service -> its declaration.
    """
    groups = []
    for service, declaration in catalogue.items():
        for component, rule in declaration.get("components", {}).items():
            if rule and (rule.get("quorum") or rule.get("one_at_a_time")):
                groups.append(set(members.get(service, {}).get(component, [])))
    return groups


def _fits(host: str, batch: Collection[str], groups: Sequence[Collection[str]]) -> bool:
    """Whether a node can change together with a batch."""
    return not any(host in group and any(other in group for other in batch) for group in groups)


def _take(hosts: list[str], size: int, groups: Sequence[Collection[str]]) -> list[str]:
    """Up to ``size`` nodes that can change together, the first ones, taken out of ``hosts``."""
    batch: list[str] = []
    for host in list(hosts):
        if len(batch) == size:
            break
        if _fits(host, batch, groups):
            batch.append(host)
            hosts.remove(host)
    return batch


def waves(
    profiles: Mapping[str, str],
    groups: Sequence[Collection[str]],
    batches: Sequence[int | str],
) -> list[Wave]:
    """The waves of a run that changes the networks of nodes.

    First a canary of each profile, then the others in batches whose sizes ``batches`` names, the last of them again and
    again; a share is one of all nodes that change. Never two nodes of the same group in one wave: the canaries of
    profiles that share a group follow each other.

    :param profiles: node -> profile of all nodes that change, in the order of cloud.yml.
    :param groups: nodes of which one at a time may change.
    """
    sizes = batch_sizes(batches, len(profiles))
    first: dict[str, str] = {}
    for host, profile in profiles.items():
        first.setdefault(profile, host)
    canaries = list(first.values())
    rest = [host for host in profiles if host not in canaries]
    found: list[Wave] = []
    while canaries:
        found.append({"name": "canary", "hosts": _take(canaries, len(canaries), groups)})
    parts: list[list[str]] = []
    while rest:
        parts.append(_take(rest, sizes[min(len(parts), len(sizes) - 1)], groups))
    found += [{"name": f"batch {number} of {len(parts)}", "hosts": part} for number, part in enumerate(parts, 1)]
    return found
