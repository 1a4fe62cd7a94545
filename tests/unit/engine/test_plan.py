# SPDX-License-Identifier: Apache-2.0
"""What a run has to do, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import digest
from ansible_collections.ozone.openstack.plugins.module_utils.generation.plan import (
    decide,
    desired,
    postponed,
    removals,
    rollout,
    unsupported,
)

WANTED: Any = {"service": "keystone", "cluster": "c1", "containers": {}, "release": "2026.1", "upgrade": []}
SAME = {"digest": digest(WANTED), "cluster": "c1", "pending": False, "units": {"a.service": "active"}}


@pytest.mark.parametrize(
    ("actual", "action", "reason"),
    [
        (None, "new", "not deployed"),
        ({}, "new", "not deployed"),
        (SAME, "unchanged", ""),
        ({**SAME, "pending": True}, "change", "interrupted"),
        ({**SAME, "unfinished": True}, "change", "did not end"),
        ({**SAME, "drift": ["/etc/x: changed"]}, "change", "/etc/x"),
        ({**SAME, "digest": "0" * 64}, "change", "000000000000 -> "),
        ({**SAME, "digest": "0" * 64, "release": "2025.2"}, "change", "release 2025.2 -> 2026.1, generation 0000"),
        ({**SAME, "units": {"a.service": "failed"}}, "restart", "a.service"),
    ],
)
def test_decide(actual: dict[str, Any] | None, action: str, reason: str) -> None:
    item = decide("keystone", desired(WANTED), actual)
    assert (item["action"], reason in item["reason"]) == (action, True)


def test_a_service_that_left_the_profile_is_removed() -> None:
    items = removals(["keystone"], {"keystone": SAME, "glance": SAME, "stale": {"digest": ""}})
    assert [(item["service"], item["action"]) for item in items] == [("glance", "remove")]


def test_unsupported_names_what_is_supported() -> None:
    assert unsupported("n1", {"id": "debian", "version_id": "13"}, {"debian": ["13"]}) == ""
    assert "n1 runs ubuntu 24.04" in unsupported("n1", {"id": "ubuntu", "version_id": "24.04"}, {"debian": ["13"]})


def _plan(action: str, cluster: str = "c1", applied: str = "c1", service: str = "keystone") -> list[Any]:
    return [
        {"service": service, "action": action, "reason": "", "digest": "d", "cluster": cluster,
         "applied_cluster": applied if action != "new" else "", "running": "", "release": "", "after": False}
    ]  # fmt: skip


def _waves(plans: dict[str, Any], **rule: Any) -> list[tuple[list[str], str, bool]]:
    waves = rollout(["keystone"], plans, {"keystone": rule})
    return [(wave["hosts"], wave["bootstrap"], wave["drain"]) for wave in waves]


def test_nothing_to_do_is_no_wave() -> None:
    assert _waves({"a": _plan("unchanged"), "b": _plan("unchanged")}) == []


def test_first_deployment_bootstraps_on_one_node_then_the_others_at_once() -> None:
    plans = {host: _plan("new") for host in "abc"}
    assert _waves(plans, behind_balancer=["a", "b", "c"]) == [(["a"], "a", False), (["b", "c"], "", False)]


def test_first_deployment_of_a_quorum_service_is_one_by_one() -> None:
    plans = {host: _plan("new") for host in "abc"}
    assert [hosts for hosts, _, _ in _waves(plans, single=["a", "b", "c"])] == [["a"], ["b"], ["c"]]


def test_a_change_goes_canary_first_and_drained() -> None:
    plans = {host: _plan("change") for host in "abcdefghi"}
    waves = _waves(plans, behind_balancer="abcdefghi")
    assert [hosts for hosts, _, _ in waves] == [["a"], ["b", "c"], ["d", "e"], ["f", "g"], ["h", "i"]]
    assert all(drain for _, _, drain in waves)


def test_a_single_member_is_never_drained() -> None:
    assert _waves({"a": _plan("change")}, behind_balancer=["a"]) == [(["a"], "", False)]


def test_a_new_schema_is_brought_in_once_by_the_first_node_that_changes() -> None:
    plans = {"a": _plan("change", cluster="c2"), "b": _plan("change", cluster="c2")}
    assert _waves(plans) == [(["a"], "a", False), (["b"], "", False)]


def test_a_node_that_joins_does_not_bootstrap_and_leaves_the_others_alone() -> None:
    plans = {"a": _plan("unchanged"), "b": _plan("unchanged"), "c": _plan("new")}
    assert _waves(plans) == [(["c"], "", False)]


def test_removals_come_last_and_in_reverse_order() -> None:
    plans = {"a": [*_plan("remove", service="x"), *_plan("remove", service="y"), *_plan("new", service="z")]}
    waves = rollout(["x", "y", "z"], plans, {})
    assert [(wave["service"], wave["action"]) for wave in waves] == [("z", "deploy"), ("y", "remove"), ("x", "remove")]


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"), st.sampled_from(["unchanged", "new", "change", "restart"]), min_size=1
    ),
    st.booleans(),
)
def test_every_node_that_differs_is_in_exactly_one_wave(actions: dict[str, str], single: bool) -> None:
    plans = {host: _plan(action) for host, action in actions.items()}
    waves = _waves(plans, single="abcdefgh" if single else "")
    changed = sorted(host for hosts, _, _ in waves for host in hosts)
    assert changed == sorted(host for host, action in actions.items() if action != "unchanged")
    if single:
        assert all(len(hosts) == 1 for hosts, _, _ in waves)
    assert sum(bool(bootstrap) for _, bootstrap, _ in waves) == (1 if set(actions.values()) == {"new"} else 0)


def test_the_control_plane_changes_before_what_depends_on_it() -> None:
    plans = {"compute": _plan("change", cluster=""), "control": _plan("change", cluster="c2")}
    waves = _waves(plans, rank={"control": 0, "compute": 1}, behind_balancer=["control"])
    assert waves == [(["control"], "control", False), (["compute"], "", False)]


def test_a_member_that_serves_brings_in_the_schema_rather_than_a_new_one() -> None:
    plans = {"new": _plan("new", cluster="c2"), "old": _plan("change", cluster="c2")}
    assert _waves(plans) == [(["old"], "old", False), (["new"], "", False)]


# ---- upgrades

AFTER: Any = {**WANTED, "upgrade": [{"name": "contract", "stage": "after"}]}


@pytest.mark.parametrize(
    ("wanted", "actual", "due"),
    [
        (AFTER, {**SAME, "digest": "0" * 64, "release": "2025.2"}, True),
        (AFTER, {**SAME, "release": "2026.1", "upgrading": True}, True),
        (AFTER, {**SAME, "release": "2026.1", "upgrading": False}, False),
        (AFTER, {**SAME, "digest": "0" * 64, "release": "2026.1"}, False),
        (AFTER, None, False),
        (WANTED, {**SAME, "digest": "0" * 64, "release": "2025.2"}, False),
        ({**AFTER, "release": ""}, {**SAME, "digest": "0" * 64, "release": "2025.2"}, False),
    ],
)
def test_what_comes_after_an_upgrade_is_due_until_it_is_done(wanted: Any, actual: Any, due: bool) -> None:
    assert decide("keystone", desired(wanted), actual)["after"] is due


def _upgrade(action: str = "change", running: str = "2025.1", after: bool = True, **more: Any) -> list[Any]:
    [item] = _plan(action, cluster="c2" if action == "change" else "c1", **more)
    return [{**item, "running": running, "release": "2026.1", "after": after}]


def _actions(plans: dict[str, Any], order: tuple[str, ...] = ("keystone",), **rule: Any) -> list[Any]:
    waves = rollout(order, plans, dict.fromkeys(order, rule))
    return [(wave["service"], wave["action"], wave["hosts"], wave["bootstrap"]) for wave in waves]


def test_an_upgrade_is_checked_first_and_ends_after_the_last_node() -> None:
    plans = {host: [*_upgrade(), *_upgrade(service="nova")] for host in "ab"}
    assert _actions(plans, ("keystone", "nova")) == [
        ("keystone", "check", ["a"], ""),
        ("nova", "check", ["a"], ""),
        ("keystone", "deploy", ["a"], "a"),
        ("keystone", "deploy", ["b"], ""),
        ("keystone", "upgraded", ["a", "b"], "a"),
        ("nova", "deploy", ["a"], "a"),
        ("nova", "deploy", ["b"], ""),
        ("nova", "upgraded", ["a", "b"], "a"),
    ]
    assert all(wave["upgrade"] for wave in rollout(["keystone"], plans, {}))


def test_a_change_within_a_release_is_no_upgrade() -> None:
    plans = {host: _upgrade(running="2026.1", after=False) for host in "ab"}
    waves = rollout(["keystone"], plans, {})
    assert [(wave["action"], wave["bootstrap"], wave["upgrade"]) for wave in waves] == [
        ("deploy", "a", False),
        ("deploy", "", False),
    ]


def test_what_was_left_after_an_upgrade_is_done_by_the_next_run() -> None:
    """The nodes are up to date, and one of them still has the mark."""
    plans = {"a": _upgrade("unchanged", "2026.1", after=False), "b": _upgrade("unchanged", "2026.1")}
    assert _actions(plans, members=["a", "b"]) == [("keystone", "upgraded", ["b"], "b")]
    # The first node was brought in by an earlier run, so that the schema is there and only the second one changes.
    plans = {"a": _upgrade("unchanged", "2026.1"), "b": _upgrade(applied="c1")}
    plans["a"][0] |= {"cluster": "c2", "applied_cluster": "c2"}
    assert _actions(plans, members=["a", "b"]) == [
        ("keystone", "deploy", ["b"], ""),
        ("keystone", "upgraded", ["a", "b"], "a"),
    ]


def test_what_comes_after_all_nodes_waits_for_those_that_are_not_reached() -> None:
    plans = {"a": _upgrade(), "b": _upgrade()}
    rules = {"keystone": {"members": ["a", "b", "c"]}}
    assert "upgraded" not in [wave["action"] for wave in rollout(["keystone"], plans, rules)]
    assert postponed(plans, rules) == {"keystone": ["c"]}
    assert postponed({**plans, "c": _upgrade()}, rules) == {}
    assert postponed({"a": _upgrade(after=False)}, rules) == {}


def test_nodes_without_a_database_have_nothing_to_do_afterwards() -> None:
    plans = {"a": _upgrade(), "compute": _upgrade(after=False)}
    assert _actions(plans)[-1] == ("keystone", "upgraded", ["a"], "a")
