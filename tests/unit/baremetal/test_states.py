# SPDX-License-Identifier: Apache-2.0
"""Ironic's states, and the ways over them: every transition that Ironic documents, failures included."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Target
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.states import (
    ALLOWED,
    DELETABLE,
    ENDS,
    OCCUPIED,
    STATES,
    VERBS,
    Condition,
    failed,
    there,
    transitional,
    way,
)

#: Every transition of Ironic 35.0: state, what happens (a verb of the API, or Ironic's own event), the state after it.
#: Written down from its state machine, which says ``deploy`` for the API's ``active`` and ``delete`` for ``deleted``.
MACHINE = """
enroll | manage: verifying
verifying | done: manageable | fail: enroll
manageable | adopt: adopting | clean: cleaning | inspect: inspecting | provide: cleaning
inspecting | done: manageable | fail: inspect failed | wait: inspect wait
inspect wait | abort: inspect failed | done: manageable | fail: inspect failed | resume: inspecting
inspect failed | inspect: inspecting | manage: manageable
cleaning | done: available | fail: clean failed | hold: clean hold | manage: manageable | wait: clean wait
clean wait | abort: clean failed | fail: clean failed | hold: clean hold | resume: cleaning
clean hold | abort: clean failed | unhold: clean wait
clean failed | manage: manageable
available | active: deploying | manage: manageable
deploying | done: active | fail: deploy failed | hold: deploy hold | wait: wait call-back
wait call-back | abort: deploy failed | deleted: deleting | fail: deploy failed | hold: deploy hold | resume: deploying
deploy hold | abort: deploy failed | unhold: wait call-back
deploy failed | deleted: deleting | active: deploying | rebuild: deploying
active | deleted: deleting | rebuild: deploying | rescue: rescuing | service: servicing
deleting | clean: cleaning | fail: error
error | deleted: deleting | rebuild: deploying
adopting | done: active | fail: adopt failed
adopt failed | adopt: adopting | manage: manageable
rescuing | done: rescue | fail: rescue failed | wait: rescue wait
rescue wait | abort: rescue failed | deleted: deleting | fail: rescue failed | resume: rescuing
rescue | deleted: deleting | rescue: rescuing | unrescue: unrescuing
rescue failed | deleted: deleting | rescue: rescuing | unrescue: unrescuing
unrescuing | done: active | fail: unrescue failed
unrescue failed | deleted: deleting | rescue: rescuing | unrescue: unrescuing
servicing | done: active | fail: service failed | hold: service hold | wait: service wait
service wait | abort: service failed | deleted: deleting | fail: service failed | hold: service hold | resume: servicing
service failed | abort: active | deleted: deleting | hold: service hold | rescue: rescuing | service: servicing | wait: service wait
service hold | abort: service failed | fail: service failed | service: servicing | unhold: service wait
"""  # noqa: E501 - a table
DOCUMENTED = {
    cells[0].strip(): dict(cell.strip().split(": ") for cell in cells[1:])
    for cells in (line.split("|") for line in MACHINE.strip().splitlines())
}
TARGETS: list[Target] = list(get_args(Target))
CONDITIONS = [
    Condition(state, *flags) for state, *flags in product(STATES, *[(True, False)] * 5)
]  # fmt: skip


def test_every_state_and_transition_is_there() -> None:
    assert set(STATES) == set(DOCUMENTED)
    for name, state in STATES.items():
        assert {**state.events, **state.verbs} == DOCUMENTED[name]
        assert not set(state.events) & set(state.verbs)


def test_every_verb_leads_somewhere() -> None:
    used = {verb for state in STATES.values() for verb in state.verbs}
    assert used == set(VERBS)
    assert set(ENDS) == used - {"unhold"}
    assert all(ends <= set(STATES) for ends in ENDS.values())
    assert {verb for verbs in ALLOWED.values() for verb in verbs} <= used


@pytest.mark.parametrize("name", STATES)
def test_what_ends_by_itself_is_waited_for(name: str) -> None:
    """A state that Ironic leaves by itself is transitional; one that stays has no event to end it."""
    state = STATES[name]
    if state.kind in ("working", "waiting"):
        assert transitional(name)
        assert "fail" in state.events
    elif name not in ("service failed", "service hold"):
        assert not state.events
    assert failed(name) is (name.endswith("failed") or name == "error")


def test_unknown_states_are_neither() -> None:
    assert not transitional("melting")
    assert not failed("melting")
    found = way("active", Condition("melting"))
    assert found.refused
    assert "'melting'" in found.cause


def walk(target: Target, start: Condition) -> list[str]:
    """Every state on the way, with Ironic's own table for what a verb leads to."""
    found = way(target, start)
    states = [start.state]
    for verb in found.verbs:
        state = DOCUMENTED[states[-1]][verb]
        while transitional(state):
            events = DOCUMENTED[state]
            state = events.get("done") or events["clean"]
        states.append(state)
    return states


@pytest.mark.parametrize("target", TARGETS)
def test_every_way_ends_at_the_target_or_in_words(target: Target) -> None:
    for start in CONDITIONS:
        found = way(target, start)
        if found.wait:
            assert transitional(start.state)
            assert not found.verbs
        elif found.refused:
            assert not found.verbs
            assert found.remedy
        else:
            end = walk(target, start)[-1] if not transitional(start.state) or found.verbs else start.state
            condition = Condition(
                end,
                start.inspected or "inspect" in found.verbs,
                start.inspect,
                start.rebuild and "rebuild" not in found.verbs,
                start.withdraw,
                start.given,
            )
            assert there(target, condition) or (target == "removed" and end in DELETABLE)
            assert len(found.verbs) <= 5
            assert set(found.verbs) <= ALLOWED[target]


@pytest.mark.parametrize(
    ("target", "start", "verbs"),
    [
        ("enrolled", Condition("enroll"), ""),
        ("enrolled", Condition("deploying"), ""),
        ("manageable", Condition("enroll"), "manage"),
        ("manageable", Condition("available"), ""),
        ("manageable", Condition("available", withdraw=True), "manage"),
        ("manageable", Condition("active", withdraw=True), ""),
        ("manageable", Condition("clean failed"), "manage"),
        ("available", Condition("deploy failed", given=True), ""),
        ("inspected", Condition("enroll", inspected=False), "manage inspect"),
        ("inspected", Condition("available", inspected=False), "manage inspect"),
        ("inspected", Condition("inspect failed", inspected=False), "inspect"),
        ("inspected", Condition("available"), ""),
        ("inspected", Condition("active", inspected=False), ""),
        ("available", Condition("enroll"), "manage provide"),
        ("available", Condition("enroll", inspected=False, inspect=True), "manage inspect provide"),
        ("available", Condition("available", inspected=False, inspect=True), "manage inspect provide"),
        ("available", Condition("deploy failed"), "deleted"),
        ("available", Condition("error"), "deleted"),
        ("available", Condition("clean failed"), "manage provide"),
        ("available", Condition("active"), ""),
        ("active", Condition("enroll"), "manage provide active"),
        ("active", Condition("enroll", inspected=False, inspect=True), "manage inspect provide active"),
        ("active", Condition("available"), "active"),
        ("active", Condition("deploy failed"), "active"),
        ("active", Condition("deploy failed", False, True), "deleted manage inspect provide active"),
        ("active", Condition("error"), "deleted active"),
        ("active", Condition("rescue"), "unrescue"),
        ("active", Condition("rescue failed"), "unrescue"),
        ("active", Condition("unrescue failed"), "unrescue"),
        ("active", Condition("service failed"), "abort"),
        ("active", Condition("inspect failed"), "inspect provide active"),
        ("rebuilt", Condition("active"), ""),
        ("rebuilt", Condition("active", rebuild=True), "rebuild"),
        ("rebuilt", Condition("deploy failed", rebuild=True), "rebuild"),
        ("rebuilt", Condition("rescue", rebuild=True), "unrescue rebuild"),
        ("rescued", Condition("active"), "rescue"),
        ("rescued", Condition("rescue failed"), "rescue"),
        ("undeployed", Condition("active"), "deleted"),
        ("undeployed", Condition("wait call-back"), "deleted"),
        ("undeployed", Condition("service wait"), "deleted"),
        ("undeployed", Condition("rescue"), "deleted"),
        ("undeployed", Condition("manageable"), ""),
        ("adopted", Condition("enroll"), "manage adopt"),
        ("adopted", Condition("available"), "manage adopt"),
        ("adopted", Condition("adopt failed"), "adopt"),
        ("adopted", Condition("active"), ""),
        ("removed", Condition("available"), "manage"),
        ("removed", Condition("clean failed"), "manage"),
        ("removed", Condition("adopt failed"), ""),
    ],
)
def test_ways(target: Target, start: Condition, verbs: str) -> None:
    found = way(target, start)
    assert not found.wait
    assert not found.refused
    assert " ".join(found.verbs) == verbs


@pytest.mark.parametrize(
    ("target", "state", "cause", "remedy"),
    [
        ("active", "adopt failed", "its adoption failed", "target adopted"),
        ("active", "deploy hold", "an operator holds it", "unhold"),
        ("undeployed", "clean failed", "cleaning it failed", "target available"),
        ("adopted", "clean failed", "what ran on it may be gone", "target available"),
        ("adopted", "deploy failed", "may run something", "target undeployed"),
        ("removed", "active", "may run something", "target undeployed"),
        ("rebuilt", "available", "runs nothing", "target active"),
        ("rescued", "manageable", "runs nothing", "target active"),
        ("rebuilt", "error", "it is 'error'", "target undeployed"),
    ],
)
def test_refusals(target: Target, state: str, cause: str, remedy: str) -> None:
    found = way(target, Condition(state, rebuild=True))
    assert found.refused
    assert cause in found.cause
    assert remedy in found.remedy


@given(st.sampled_from(TARGETS), st.sampled_from(CONDITIONS), st.data())
def test_from_anywhere_it_ends_whatever_happens(target: Target, start: Condition, data: st.DataObject) -> None:
    """Ironic may let anything happen that it documents: within a bound the node is there, failed, or refused."""
    here, tries = start, 0
    for _ in range(100):
        found = way(target, here)
        if found.refused:
            return
        if found.wait:
            happens = dict(STATES[here.state].events)
        elif not found.verbs:
            assert there(target, here) or here.state in DELETABLE
            return
        else:
            tries += 1
            if tries > 12:  # whoever drives a node stops after the first failure, or after so many retries
                assert failed(here.state) or here.state in ("enroll", "manageable", "available")
                return
            verb = found.verbs[0]
            assert verb in STATES[here.state].verbs
            here = Condition(STATES[here.state].verbs[verb], here.inspected, here.inspect, here.rebuild, here.withdraw)
            continue
        event = data.draw(st.sampled_from(sorted(happens)))
        if event in ("hold", "wait", "resume"):  # they go on; what ends a state has to come some time
            event = "fail" if "fail" in happens else event
        inspected = here.inspected or (here.state.startswith("inspect") and event == "done")
        rebuilt = event == "done" and happens[event] == "active"
        here = Condition(happens[event], inspected, here.inspect, here.rebuild and not rebuilt, here.withdraw)
    raise AssertionError(f"{target} from {start} does not end: {here}")


def test_nothing_that_runs_is_taken_away_unless_asked() -> None:
    """Only undeploying takes away what is active, and only rebuilding writes over it."""
    for target, start in product(TARGETS, CONDITIONS):
        if start.state in OCCUPIED - {"deploy failed", "error"}:
            verbs = set(way(target, start).verbs)
            assert "deleted" not in verbs or target == "undeployed"
            assert "rebuild" not in verbs or target == "rebuilt"
            assert not verbs & {"provide", "clean", "active"}
