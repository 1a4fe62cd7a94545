# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.addresses import allocate as allocate_each
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.addresses import choices

NAMES = st.lists(
    st.one_of(
        st.builds(
            lambda series, number: f"{series}{number}",
            st.sampled_from(["compute", "control", "node", "a-"]),
            st.integers(0, 300),
        ),
        st.from_regex(r"[a-z]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True),
    ),
    unique=True,
    max_size=40,
)
POOL = st.tuples(st.integers(1, 2**32), st.integers(1, 120)).map(lambda pool: (pool[0], pool[0] + pool[1] - 1))
TAKEN = st.sets(st.integers(0, 140), max_size=30)


def allocate(names: Iterable[str], first: int, last: int, taken: Collection[int]) -> tuple[dict[str, int], list[str]]:
    """All names out of one pool."""
    return allocate_each(dict.fromkeys(names, (first, last)), taken)


FEW = settings(max_examples=50, deadline=None)


@given(st.text(min_size=1, max_size=20), st.integers(1, 300))
@FEW
def test_every_address_is_tried_once(name: str, size: int) -> None:
    assert sorted(choices(name, size)) == list(range(size))


@given(NAMES, POOL, TAKEN)
@FEW
def test_addresses_are_unique_in_the_pool_and_not_taken(
    names: list[str], pool: tuple[int, int], taken: set[int]
) -> None:
    taken = {pool[0] + offset for offset in taken}
    given_, without = allocate(names, *pool, taken)
    assert len(set(given_.values())) == len(given_)
    assert all(pool[0] <= address <= pool[1] for address in given_.values())
    assert not taken & set(given_.values())
    assert list(given_) + without == names
    free = pool[1] - pool[0] + 1 - len({address for address in taken if address <= pool[1]})
    assert len(given_) == min(free, len(names))
    assert allocate(names, *pool, taken) == (given_, without)


@given(NAMES, NAMES, POOL, TAKEN)
@FEW
def test_appending_nodes_changes_no_address(
    names: list[str], more: list[str], pool: tuple[int, int], taken: set[int]
) -> None:
    before, _none = allocate(names, *pool, taken)
    after, _some = allocate([*names, *(name for name in more if name not in names)], *pool, taken)
    assert {name: after[name] for name in before} == before


@given(NAMES, POOL, TAKEN, st.data())
@FEW
def test_removing_a_node_moves_only_later_nodes_that_wanted_a_freed_address(
    names: list[str], pool: tuple[int, int], taken: set[int], data: st.DataObject
) -> None:
    if not names:
        return
    gone = data.draw(st.sampled_from(names))
    before, _none = allocate(names, *pool, taken)
    after, _some = allocate([name for name in names if name != gone], *pool, taken)
    size = pool[1] - pool[0] + 1
    freed = {before[gone]} if gone in before else set()
    for name in names:
        if name in before and name != gone and before[name] != after[name]:
            assert names.index(name) > names.index(gone)
            wanted = {pool[0] + offset for offset in choices(name, size)}
            earlier = [pool[0] + offset for offset in choices(name, size)]
            assert freed & set(earlier[: earlier.index(before[name])]) & wanted
            freed.add(before[name])


@given(NAMES, POOL, st.data())
@FEW
def test_a_first_choice_is_kept_whatever_is_removed(
    names: list[str], pool: tuple[int, int], data: st.DataObject
) -> None:
    before, _none = allocate(names, *pool, set())
    kept = data.draw(st.sets(st.sampled_from(names))) if names else set()
    after, _some = allocate([name for name in names if name in kept], *pool, set())
    size = pool[1] - pool[0] + 1
    for name in kept & set(before):
        if before[name] == pool[0] + next(choices(name, size)):
            assert after[name] == before[name]


@given(st.integers(0, 500), st.integers(1, 60), st.data())
@FEW
def test_a_series_never_collides_with_itself(first: int, count: int, data: st.DataObject) -> None:
    numbers = data.draw(st.permutations(range(first, first + count)))
    for number in numbers:
        alone, _none = allocate([f"compute{number}"], 100, 100 + count - 1, set())
        both, _some = allocate([f"compute{other}" for other in numbers], 100, 100 + count - 1, set())
        assert both[f"compute{number}"] == alone[f"compute{number}"]


def test_the_scheme_does_not_change() -> None:
    """Golden values: a change of the scheme would move every node of every cloud."""
    given_, _none = allocate(["node1", "node2", "controller1", "compute1", "db-a"], 10, 99, set())
    assert given_ == {"node1": 57, "node2": 58, "controller1": 73, "compute1": 47, "db-a": 30}


def test_a_thousand_nodes_fast() -> None:
    names = [f"host-{number * 7919 % 1009}x" for number in range(1000)]
    start = time.perf_counter()
    given_, without = allocate(names, 10, 1009, set())
    assert not without
    assert len(given_) == 1000
    assert time.perf_counter() - start < 1


@given(NAMES, st.lists(POOL, min_size=1, max_size=3), TAKEN, st.data())
@FEW
def test_pools_that_overlap_share_their_addresses(
    names: list[str], pools: list[tuple[int, int]], taken: set[int], data: st.DataObject
) -> None:
    """A segment that is stretched over sites: each node out of the pool of its site, no address twice."""
    chosen = {name: data.draw(st.sampled_from(pools)) for name in names}
    given_, without = allocate_each(chosen, taken)
    assert len(set(given_.values())) == len(given_)
    assert not taken & set(given_.values())
    assert all(chosen[name][0] <= address <= chosen[name][1] for name, address in given_.items())
    for name in without:
        first, last = chosen[name]
        assert set(range(first, last + 1)) <= taken | set(given_.values())
