# SPDX-License-Identifier: Apache-2.0
"""What could hurt a good node, lose a disk, or end a run for all nodes because of one, in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from simulator import Clock, Ironic, Workers, disk

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import fleet as fleet_module
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.course import LIMITS, Options
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.fleet import Fleet, Report
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    Answer,
    Declared,
    Image,
    Instance,
    Request,
    Target,
    Wanted,
)

IMAGE = Image("https://198.18.32.2:8089/x.raw", "a" * 64)
INSTANCE = Instance(IMAGE, {"meta_data": {"name": "bm"}}, {"serial": "S0"})
KEPT = replace(INSTANCE, preserve=[{"serial": "S9"}])


class Lab:
    """A simulated Ironic. ``before_poll`` and ``on_request`` see what happens, and may interfere."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ironic = Ironic(self.clock)
        self.before_poll: Callable[[], None] = lambda: None
        self.on_request: Callable[[Request], Answer | None] = lambda request: None

    def request(self, request: Request) -> Answer:
        answer = self.on_request(request)
        return self.ironic.request(request) if answer is None else answer

    def run(self, target: Target, *wanted: Wanted, success: str = "all", parallel: int = 50, **options: Any) -> Report:
        limits = {**LIMITS, **options.pop("limits", {})}
        self.ironic.made.clear()
        fleet = Fleet(
            self,
            wanted,
            Options(target, limits=limits, **options),
            success=success,
            parallel=parallel,
            clock=self.clock,
            workers=Workers(self.ironic),
        )
        poll = fleet.poll

        def polled() -> None:
            self.before_poll()
            poll()

        fleet.poll = polled  # type: ignore[method-assign]
        return fleet.run()


@pytest.fixture
def lab() -> Lab:
    return Lab()


def made(name: str, **more: Any) -> Declared:
    return Declared(name, driver="redfish", driver_info={"redfish_address": "https://198.51.100.1"}, **more)


def puts(lab: Lab, what: str) -> list[Any]:
    return [request.body["target"] for request in lab.ironic.changing() if request.path.endswith(f"states/{what}")]


# ---- good nodes


def test_a_late_deployment_is_not_switched_off(lab: Lab) -> None:
    """It takes longer than its limit, Ironic has it locked meanwhile, and then it runs."""
    lab.ironic.add("bm0", "available")
    lab.ironic.fault("bm0", "states/power", locked=3)
    one = lab.run("active", Wanted("bm0", instance=INSTANCE), limits={"deploying": 4}).outcomes[0]
    assert one.status == "failed"
    lab.clock.time += 100
    assert lab.ironic.of("bm0")["provision_state"] == "active"
    assert lab.ironic.of("bm0")["power_state"] == "power on"
    assert any("left on" in note for note in one.notes)


@pytest.mark.parametrize("ends", [True, False])
def test_what_ironic_works_on_is_not_switched_off(lab: Lab, ends: bool) -> None:
    """Ironic waits for its own lock, and would do it to whatever the node is by then."""
    lab.ironic.add("bm0", "available")
    lab.ironic.fault("bm0", "active", hang="" if ends else "deploying")

    def before_poll() -> None:
        data = lab.ironic.of("bm0")
        data["reservation"] = "conductor-1" if data["provision_state"] == "deploying" else None

    lab.before_poll = before_poll
    one = lab.run("active", Wanted("bm0", instance=INSTANCE), limits={"deploying": 4, "lock": 60}).outcomes[0]
    assert one.status == "failed"
    assert puts(lab, "power") == []
    assert ("went on by itself" if ends else "locked by conductor-1") in one.notes[0]
    assert lab.clock.time < 1000 + 80


def test_a_state_in_which_nothing_is_switched_off_is_not_waited_for(lab: Lab) -> None:
    lab.ironic.add("bm0", "enroll", power_state="power on", reservation="conductor-1")
    lab.ironic.fault("bm0", "manage", hang="verifying")
    one = lab.run("manageable", Wanted("bm0"), limits={"verifying": 4}).outcomes[0]
    assert (one.status, one.notes) == ("failed", [])
    assert lab.clock.time < 1000 + 20


def test_a_verb_is_not_repeated_on_a_node_that_went_elsewhere(lab: Lab) -> None:
    """Somebody else deploys it while our request waits for the lock: what Ironic knows of that stays."""
    lab.ironic.add("bm0", "available")
    lab.ironic.fault("bm0", "PATCH", locked=4)

    def before_poll() -> None:
        node = lab.ironic._find("bm0")
        if node.data["provision_state"] == "available" and len(lab.ironic.changing()) > 1:
            lab.ironic._enter(node, "active")
            node.data["instance_info"] = {"image_source": "theirs"}

    lab.before_poll = before_poll
    lab.run("active", Wanted("bm0", instance=INSTANCE))
    assert lab.ironic.of("bm0")["instance_info"] == {"image_source": "theirs"}
    assert puts(lab, "provision") == []


def test_a_node_that_waits_for_its_turn_is_looked_at_again(lab: Lab) -> None:
    """Somebody sets maintenance on one and deploys another, minutes after this run has begun."""
    for name in ("bm0", "bm1", "bm2"):
        lab.ironic.add(name, "available")

    def before_poll() -> None:
        if lab.ironic.of("bm0")["provision_state"] == "wait call-back":
            lab.ironic.of("bm1").update(maintenance=True, maintenance_reason="a fan")
            lab.ironic._enter(lab.ironic._find("bm2"), "active")

    lab.before_poll = before_poll
    report = lab.run("active", *(Wanted(f"bm{n}", instance=INSTANCE) for n in range(3)), parallel=1)
    assert [one.status for one in report.outcomes] == ["changed", "skipped", "unchanged"]
    assert {request.path.split("/")[3] for request in lab.ironic.changing()} == {"id-bm0"}


@pytest.mark.parametrize("state", ["available", "deploy failed"])
def test_a_node_of_nova_is_not_deployed(lab: Lab, state: str) -> None:
    lab.ironic.add("bm0", state, instance_uuid="nova-1")
    one = lab.run("active", Wanted("bm0", instance=INSTANCE)).outcomes[0]
    assert (one.status, lab.ironic.changing()) == ("failed", [])
    assert "nova-1" in one.cause


def test_a_node_that_was_removed_meanwhile_is_no_success(lab: Lab) -> None:
    lab.ironic.add("bm0", "available", driver_info={"redfish_address": "https://198.51.100.1"})
    lab.before_poll = lab.ironic.nodes.clear
    report = lab.run("active", Wanted("bm0", made("bm0"), INSTANCE))
    assert not report.ok
    assert "it is gone" in report.outcomes[0].cause
    assert lab.ironic.nodes == {}


# ---- disks


def test_disks_that_were_kept_by_hand_stay_kept(lab: Lab) -> None:
    by_hand = {"serial": "S8"}
    lab.ironic.add("bm0", "available", inspection_finished_at="then", properties={"skip_block_devices": [by_hand]})
    lab.ironic.inventories["bm0"] = {"disks": [disk(0), disk(8), disk(9)]}
    lab.run("active", Wanted("bm0", made("bm0"), KEPT))
    assert lab.ironic.of("bm0")["properties"]["skip_block_devices"] == [by_hand, {"serial": "S9"}]
    assert not lab.run("active", Wanted("bm0", made("bm0"), KEPT)).changed


@pytest.mark.parametrize(
    ("target", "state"),
    [("available", "manageable"), ("undeployed", "active"), ("active", "error"), ("available", "deploy failed")],
)
def test_what_is_to_survive_is_there_before_disks_are_cleaned(lab: Lab, target: Target, state: str) -> None:
    lab.ironic.add("bm0", state, inspection_finished_at="then", instance_info={"ozone_digest": "x"})
    lab.ironic.inventories["bm0"] = {"disks": [disk(0), disk(7)]}
    one = lab.run(target, Wanted("bm0", instance=KEPT)).outcomes[0]
    assert (one.status, one.stage) == ("failed", "guard")
    assert "preserve[0] (serial: S9) fits none of the disks" in one.cause
    assert lab.ironic.changing() == []
    lab.ironic.inventories["bm0"] = {"disks": [disk(0), disk(9)]}
    assert lab.run(target, Wanted("bm0", instance=KEPT)).outcomes[0].status == "changed"


# ---- one for all


def test_a_list_that_fails_once_ends_nothing(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    answers = [Answer(500, {"error_message": "database is locked"})] * 2

    def on_request(request: Request) -> Answer | None:
        return answers.pop() if request.path.startswith("/v1/nodes?") and answers else None

    lab.on_request = on_request
    assert lab.run("active", Wanted("bm0", instance=INSTANCE)).ok
    assert not answers


def test_a_node_that_nobody_foresaw_costs_the_others_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic.add("bm1", "available")
    advance = fleet_module.advance

    def broken(course: Any, *rest: Any) -> Any:
        if course.wanted.name == "bm0" and course.verb:
            raise KeyError("no such thing")
        return advance(course, *rest)

    monkeypatch.setattr(fleet_module, "advance", broken)
    report = lab.run("active", Wanted("bm0", instance=INSTANCE), Wanted("bm1", instance=INSTANCE), success="50%")
    assert [one.status for one in report.outcomes] == ["failed", "changed"]
    assert "KeyError" in report.outcomes[0].cause


def test_a_node_that_is_gone_when_its_maintenance_ends(lab: Lab) -> None:
    lab.ironic.add("bm0", "clean failed", maintenance=True, fault="clean failure")
    lab.ironic.add("bm1", "manageable")

    def on_request(request: Request) -> Answer | None:
        if request.path.endswith("/maintenance"):
            lab.ironic.nodes.pop("id-bm0", None)
        return None

    lab.on_request = on_request
    report = lab.run("available", Wanted("bm0"), Wanted("bm1"), success="50%")
    assert [one.status for one in report.outcomes] == ["failed", "changed"]


# ---- requests that may have been taken


def test_a_verb_that_was_taken_late_is_no_failure(lab: Lab) -> None:
    """The answer takes too long; the verb is taken after the list that shows nothing yet."""
    lab.ironic.add("bm0", "available")
    tries: list[Request] = []

    def on_request(request: Request) -> Answer | None:
        if not request.path.endswith("states/provision"):
            return None
        tries.append(request)
        if len(tries) == 1:
            raise ConnectionError("no answer within 60 s")
        if len(tries) == 2:
            lab.ironic.request(request)  # the first one, which was still under way
        return None

    lab.on_request = on_request
    one = lab.run("active", Wanted("bm0", instance=INSTANCE)).outcomes[0]
    assert (one.status, one.summary) == ("changed", ["deploy"])


def test_lists_are_a_small_share_of_the_time(lab: Lab) -> None:
    """A list that takes four seconds is not asked for every five."""
    lab.ironic.add("bm0", "available")
    at: list[float] = []

    def on_request(request: Request) -> Answer | None:
        if request.path.startswith("/v1/nodes?"):
            at.append(lab.clock.time)
            lab.clock.time += 4
        return None

    lab.on_request = on_request
    assert lab.run("active", Wanted("bm0", instance=INSTANCE)).ok
    assert all(later - earlier >= 15 for earlier, later in pairwise(at))
