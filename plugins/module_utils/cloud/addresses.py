# SPDX-License-Identifier: Apache-2.0
"""Addresses that are proposed for nodes that have none: a pure function of names, without any memory.

What a node was given is kept in the record (``record.py``), and never proposed anew.

**The scheme.** A name is a series and a number: ``compute12`` is number 12 of ``compute``. The series' hash chooses
where in the pool its number 0 would be; the following numbers follow. So nodes of one series never want the same
address (as long as the pool is larger than their numbers' span), and pools of equal size give a node the same offset in
every network. Where two series meet, the node that is declared later tries other places, by double hashing: the step
comes from its own name and has no divisor in common with the size of the pool, so that every address is tried.

**Without a record** adding nodes at the end of the file changes no proposal, as long as the pool and the taken
addresses stay; anything else may change some. That is what the record is for.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Iterator, Mapping

_NUMBERED = re.compile(r"^(.*?)([0-9]{1,15})$")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def choices(name: str, size: int) -> Iterator[int]:
    """The offsets into a pool of ``size`` addresses that ``name`` wants, best first: each of 0 to ``size`` - 1 once."""
    numbered = _NUMBERED.match(name)
    series, number = (numbered.group(1), int(numbered.group(2))) if numbered else (name, 0)
    start = (_hash(f"series {series}") + number) % size
    step = 1 + _hash(f"step {name}") % size
    while math.gcd(step, size) != 1:
        step += 1
    return ((start + step * attempt) % size for attempt in range(size))


def allocate(pools: Mapping[str, tuple[int, int]], taken: Collection[int]) -> tuple[dict[str, int], list[str]]:
    """Addresses for the names in ``pools``, in this order, each out of its pool, without ``taken``.

    All addresses are numbers; a pool is its first and its last one. Returns them by name, and the names that got none
    as their pool is exhausted.
    """
    used = set(taken)
    counts = {(first, last): sum(first <= address <= last for address in used) for first, last in pools.values()}
    given: dict[str, int] = {}
    without: list[str] = []
    for name, pool in pools.items():
        first, last = pool
        size = last - first + 1
        if counts[pool] >= size:
            without.append(name)
            continue
        address = next(first + offset for offset in choices(name, size) if first + offset not in used)
        used.add(address)
        for other in counts:
            counts[other] += other[0] <= address <= other[1]
        given[name] = address
    return given, without
