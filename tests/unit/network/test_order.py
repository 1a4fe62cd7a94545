# SPDX-License-Identifier: Apache-2.0
"""In which order the networks of nodes change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.network.order import batch_sizes, quorums, waves


def _hosts(profiles: dict[str, str], groups: list[set[str]], *batches: int | str) -> list[list[str]]:
    return [wave["hosts"] for wave in waves(profiles, groups, batches or ["10%"])]


def _nodes(**counts: int) -> dict[str, str]:
    return {f"{profile}{n}": profile for profile, count in counts.items() for n in range(1, count + 1)}


def test_a_cloud_of_one_node() -> None:
    assert waves({"node1": "all"}, [{"node1"}], ["10%"]) == [{"name": "canary", "hosts": ["node1"]}]


def test_nothing_to_do() -> None:
    assert waves({}, [], [1]) == []


def test_a_canary_of_each_profile_then_batches() -> None:
    nodes = _nodes(controller=1, compute=21)
    found = waves(nodes, [], ["10%"])
    assert found[0] == {"name": "canary", "hosts": ["controller1", "compute1"]}
    assert [len(wave["hosts"]) for wave in found] == [2] + [2] * 10
    assert (found[1]["name"], found[-1]["name"]) == ("batch 1 of 10", "batch 10 of 10")


def test_a_list_of_sizes_whose_last_one_stays() -> None:
    sizes = [len(hosts) for hosts in _hosts(_nodes(compute=40), [], 1, "10%", "50%")]
    assert sizes == [1, 1, 4, 20, 14]


def test_members_of_a_quorum_never_change_together() -> None:
    controllers = {"controller1", "controller2", "controller3"}
    found = _hosts(_nodes(controller=3, compute=4), [controllers], 10)
    assert found == [
        ["controller1", "compute1"],
        ["controller2", "compute2", "compute3", "compute4"],
        ["controller3"],
    ]


def test_canaries_of_profiles_that_share_a_quorum_follow_each_other() -> None:
    found = waves({"a1": "a", "b1": "b", "c1": "c"}, [{"a1", "b1"}], [5])
    assert [(wave["name"], wave["hosts"]) for wave in found] == [("canary", ["a1", "c1"]), ("canary", ["b1"])]


@pytest.mark.parametrize("batch", ["0%", "101%", "x", "-1", 0, "1.5", "", True])
def test_impossible_sizes(batch: Any) -> None:
    with pytest.raises(ValueError, match="no size of a batch"):
        batch_sizes([batch], 10)


def test_no_size() -> None:
    with pytest.raises(ValueError, match="there is no size"):
        batch_sizes([], 10)


def test_shares_are_at_least_one_node() -> None:
    assert batch_sizes(["10%", "3", 4, "100%"], 7) == [1, 3, 4, 7]


def test_quorums_of_a_cloud() -> None:
    catalogue = {
        "db": {"components": {"main": {"quorum": True}}},
        "ovn": {"components": {"central": {"one_at_a_time": True}, "chassis": {}}},
        "web": {"components": {"api": None}},
        "old": {},
    }
    members = {"db": {"main": ["a", "b", "c"]}, "ovn": {"central": ["a"], "chassis": ["d"]}}
    assert quorums(members, catalogue) == [{"a", "b", "c"}, {"a"}]


@given(
    st.dictionaries(st.integers(0, 60).map("n{}".format), st.sampled_from("abc"), max_size=40),
    st.lists(st.sets(st.integers(0, 60).map("n{}".format), max_size=6), max_size=4),
    st.lists(st.integers(1, 9) | st.integers(1, 100).map("{}%".format), min_size=1, max_size=3),
)
def test_every_node_once_and_never_two_of_a_group(
    profiles: dict[str, str], groups: list[set[str]], batches: list[int | str]
) -> None:
    found = waves(profiles, groups, batches)
    hosts = [host for wave in found for host in wave["hosts"]]
    assert sorted(hosts) == sorted(profiles)
    assert all(wave["hosts"] for wave in found)
    assert all(len(group & set(wave["hosts"])) <= 1 for group in groups for wave in found)
    canaries = [host for wave in found if wave["name"] == "canary" for host in wave["hosts"]]
    assert sorted(profiles[host] for host in canaries) == sorted(set(profiles.values()))
