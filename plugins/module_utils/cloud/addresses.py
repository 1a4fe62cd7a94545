# SPDX-License-Identifier: Apache-2.0
"""Addresses of nodes: a pure function of names, without any memory.

**The scheme.** A name is a series and a number: ``compute12`` is number 12 of ``compute``. The series' hash chooses
where in the pool its number 0 would be; the following numbers follow. So nodes of one series never want the same
address (as long as the pool is larger than their numbers' span), and pools of equal size give a node the same offset in
every network. Where two series meet, the node that is declared later tries other places, by double hashing: the step
comes from its own name and has no divisor in common with the size of the pool, so that every address is tried.

**What is guaranteed**, as long as the pool and the fixed addresses stay:

- Adding nodes at the end of the file changes no address.
- A node that had its first choice keeps it whatever nodes are added after it or removed.
- Removing a node, or inserting one above others, can change the address only of nodes that are declared later and that
  wanted this very address (or the one of a node changed in this way). ``moved`` computes which, before it is done; a
  fixed address for them (``addresses``) keeps them where they are.

Fixed addresses are never given to others, nor are the subnet's own, its broadcast address, its gateway, its host and
the virtual addresses.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

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


def allocate(names: Iterable[str], first: int, last: int, taken: Collection[int]) -> tuple[dict[str, int], list[str]]:
    """Addresses for ``names``, in this order, from ``first`` to ``last`` (both included) without ``taken``.

    All addresses are numbers. Returns them by name, and the names that got none as the pool is exhausted.
    """
    size = last - first + 1
    used = {address for address in taken if first <= address <= last}
    given: dict[str, int] = {}
    without: list[str] = []
    for name in names:
        if len(used) >= size:
            without.append(name)
            continue
        address = next(first + offset for offset in choices(name, size) if first + offset not in used)
        used.add(address)
        given[name] = address
    return given, without


def moved(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, tuple[str, str]]]:
    """Nodes in both allocations (node -> network -> address) whose address differs: node -> network -> (old, new)."""
    changes = {
        node: {
            network: (old, after[node][network])
            for network, old in addresses.items()
            if after[node].get(network, old) != old
        }
        for node, addresses in before.items()
        if node in after
    }
    return {node: change for node, change in changes.items() if change}
