# SPDX-License-Identifier: Apache-2.0
"""Many nodes on their way, against a simulated Ironic in simulated time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator import Clock, Ironic, Workers, disk

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import course, states
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.course import (
    DIGEST,
    LIMITS,
    MASKED,
    Action,
    Options,
)
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.fleet import (
    Fleet,
    RealClock,
    Report,
    Result,
    Threads,
    line,
    required,
)
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    Answer,
    BaremetalError,
    Declared,
    Expected,
    Image,
    Instance,
    Outcome,
    Port,
    PortGroup,
    Target,
    Wanted,
)

IMAGE = Image("https://198.18.32.2:8089/x.raw", "a" * 64)
INSTANCE = Instance(IMAGE, {"meta_data": {"name": "bm"}}, {"serial": "S0"})
BLIND = Instance(IMAGE)  # the disks have to be known


class Lab:
    """A simulated Ironic and the runs against it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ironic = Ironic(self.clock)
        self.workers = Workers(self.ironic)
        self.told: list[str] = []

    def fleet(self, target: Target, wanted: Sequence[Wanted], **options: Any) -> Fleet:
        more = {key: options.pop(key) for key in ("parallel", "success") if key in options}
        limits = {**LIMITS, **options.pop("limits", {})}
        self.workers = Workers(self.ironic)
        self.ironic.made.clear()
        return Fleet(
            self.ironic,
            wanted,
            Options(target, limits=limits, **options),
            clock=self.clock,
            workers=self.workers,
            say=self.told.append,
            **more,
        )

    def run(self, target: Target, wanted: Sequence[Wanted], **options: Any) -> Report:
        report = self.fleet(target, wanted, **options).run()
        assert self.workers.closed
        assert not self.workers.running
        return report

    def one(self, target: Target, wanted: Wanted, **options: Any) -> Outcome:
        return self.run(target, [wanted], **options).outcomes[0]


@pytest.fixture
def lab() -> Lab:
    return Lab()


def wanted(count: int, instance: Instance | None = INSTANCE, **more: Any) -> list[Wanted]:
    return [Wanted(f"bm{number}", instance=instance, **more) for number in range(count)]


def declared(name: str, **more: Any) -> Declared:
    return Declared(name, driver="redfish", driver_info={"redfish_address": "https://198.51.100.1"}, **more)


def statuses(report: Report) -> list[str]:
    return [outcome.status for outcome in report.outcomes]


# ---- ways


@pytest.mark.parametrize(
    ("target", "state", "end", "summary"),
    [
        ("manageable", "enroll", "manageable", ["manage"]),
        ("inspected", "enroll", "manageable", ["manage", "inspect"]),
        ("available", "enroll", "available", ["manage", "clean"]),
        ("available", "deploy failed", "available", ["undeploy"]),
        ("active", "enroll", "active", ["manage", "clean", "deploy"]),
        ("active", "available", "active", ["deploy"]),
        ("active", "deploy failed", "active", ["deploy"]),
        ("active", "error", "active", ["undeploy", "deploy"]),
        ("active", "rescue", "active", ["unrescue"]),
        ("active", "service failed", "active", ["abort"]),
        ("rebuilt", "active", "active", ["rebuild"]),
        ("undeployed", "active", "available", ["undeploy"]),
        ("undeployed", "wait call-back", "available", ["undeploy"]),
        ("adopted", "enroll", "active", ["manage", "adopt"]),
        ("rescued", "active", "rescue", ["rescue"]),
    ],
)
def test_a_node_gets_there_and_stays(lab: Lab, target: Target, state: str, end: str, summary: list[str]) -> None:
    lab.ironic.add("bm0", state)
    one = lab.one(target, wanted(1)[0], rescue_password="a-password")
    assert (one.status, one.summary, one.cause) == ("changed", summary, "")
    assert lab.ironic.state("bm0") == one.state == end
    again = lab.run(target, wanted(1), rescue_password="a-password")
    assert statuses(again) == ["unchanged"]
    assert not again.changed
    assert again.requests == 1
    assert lab.ironic.changing() == []


def test_what_is_sent(lab: Lab) -> None:
    lab.ironic.add("bm0", "available", uuid="u")
    instance = replace(INSTANCE, capabilities={"boot_mode": "uefi"}, traits=["CUSTOM_A"], preserve=[{"serial": "S9"}])
    lab.ironic.of("bm0")["inspection_finished_at"] = "then"
    lab.ironic.inventories["bm0"] = {"disks": [disk(0), disk(9)]}
    assert lab.one("active", Wanted("bm0", instance=instance)).status == "changed"
    patch, put = lab.ironic.changing()
    assert (patch.method, patch.path) == ("PATCH", "/v1/nodes/u")
    assert patch.body == [
        {"op": "add", "path": "/properties/skip_block_devices", "value": [{"serial": "S9"}]},
        {
            "op": "add",
            "path": "/instance_info",
            "value": {
                "display_name": "bm0",
                "image_source": IMAGE.source,
                "image_os_hash_algo": "sha256",
                "image_os_hash_value": "a" * 64,
                "image_disk_format": "raw",
                "image_type": "whole-disk-image",
                "root_device": {"serial": "S0"},
                "capabilities": {"boot_mode": "uefi"},
                "traits": ["CUSTOM_A"],
                DIGEST: course.digest(instance),
            },
        },
    ]
    assert put.path == "/v1/nodes/u/states/provision"
    assert put.body == {"target": "active", "configdrive": {"meta_data": {"name": "bm"}}}


def test_preserved_disks_are_known_before_cleaning(lab: Lab) -> None:
    lab.ironic.add("bm0", "active")
    one = lab.one("undeployed", Wanted("bm0", instance=replace(INSTANCE, preserve=[{"serial": "S9"}])))
    assert one.status == "changed"
    patch, put = lab.ironic.changing()
    assert patch.body[0]["path"] == "/properties/skip_block_devices"
    assert put.body == {"target": "deleted"}


def test_a_digest_is_that_of_what_runs() -> None:
    same = course.digest(replace(INSTANCE, preserve=[{"serial": "S9"}]))
    assert same == course.digest(INSTANCE)
    for other in (
        replace(INSTANCE, image=replace(IMAGE, checksum="b" * 64)),
        replace(INSTANCE, config_drive=None),
        replace(INSTANCE, root_device={"serial": "S1"}),
    ):
        assert course.digest(other) != same


def test_only_what_differs_is_rebuilt(lab: Lab) -> None:
    for name, info in (("bm0", {DIGEST: course.digest(INSTANCE)}), ("bm1", {DIGEST: "older"}), ("bm2", {})):
        lab.ironic.add(name, "active", instance_info=info)
    left = lab.run("active", wanted(3))
    assert [outcome.notes for outcome in left.outcomes] == [
        [],
        ["runs an older image or config drive: target rebuilt brings the new one"],
        ["runs something that was not deployed from here"],
    ]
    assert statuses(lab.run("rebuilt", wanted(3))) == ["unchanged", "changed", "changed"]
    assert statuses(lab.run("rebuilt", wanted(3))) == ["unchanged"] * 3
    assert statuses(lab.run("rebuilt", wanted(3), force=True)) == ["changed"] * 3


def test_inspection_again_on_demand(lab: Lab) -> None:
    lab.ironic.add("bm0", "manageable", inspection_finished_at="long ago")
    assert lab.one("inspected", Wanted("bm0")).status == "unchanged"
    assert lab.one("inspected", Wanted("bm0"), force=True).summary == ["inspect"]


def test_notes_of_nodes_that_are_beyond(lab: Lab) -> None:
    lab.ironic.add("bm0", "active")
    lab.ironic.add("bm1", "available")
    for target in ("manageable", "inspected", "available"):
        assert lab.one(target, Wanted("bm0")).notes[0] == "is 'active', which is left alone"  # type: ignore[arg-type]
    assert "was never inspected" in lab.one("inspected", Wanted("bm0")).notes[1]
    assert "withdraw" in lab.one("manageable", Wanted("bm1")).notes[0]
    assert lab.one("manageable", Wanted("bm1"), withdraw=True).summary == ["manage"]
    assert lab.ironic.state("bm1") == "manageable"


def test_a_state_that_ends_is_waited_for(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic._provision(lab.ironic._find("bm0"), "active", lab.ironic._met("", ""))
    one = lab.one("active", Wanted("bm0", instance=INSTANCE))
    assert one.status == "unchanged"
    assert one.state == "active"
    assert lab.ironic.changing() == []
    lab.ironic._provision(lab.ironic._find("bm0"), "rebuild", lab.ironic._met("", ""))
    one = lab.one("rebuilt", wanted(1)[0])  # waited for, and then it is not what is wanted
    assert one.summary == ["rebuild"]


# ---- nodes as declared


def test_a_node_is_made_and_deployed_in_one_run(lab: Lab) -> None:
    nodes = [
        Wanted(
            "bm0",
            declared("bm0", ports=[Port("52:54:00:00:00:01")], portgroups=[PortGroup("bond0")], protected=True,
                     protected_reason="a database"),
            INSTANCE,
        )
    ]  # fmt: skip
    report = lab.run("active", nodes)
    [one] = report.outcomes
    assert one.status == "changed"
    assert one.summary[0] == "made"
    assert one.summary[-4:] == ["manage", "clean", "deploy", "protected"]
    found = lab.ironic.of("bm0")
    assert (found["provision_state"], found["protected"], found["protected_reason"]) == ("active", True, "a database")
    assert [port["address"] for port in lab.ironic.ports] == ["52:54:00:00:00:01"]
    assert report.diffs["bm0"]["after"]["driver"] == "redfish"
    assert lab.run("active", nodes).requests == 3


def test_protection_without_a_reason(lab: Lab) -> None:
    lab.ironic.add("bm0", "available", driver_info={"redfish_address": "https://198.51.100.1"})
    assert lab.one("active", Wanted("bm0", declared("bm0", protected=True), INSTANCE)).summary[-1] == "protected"
    assert lab.ironic.of("bm0")["protected_reason"] is None


def test_what_is_preserved_belongs_to_what_is_declared(lab: Lab) -> None:
    instance = replace(INSTANCE, preserve=[{"serial": "S9"}])
    lab.ironic.inventories["bm0"] = {"disks": [disk(0), disk(9)]}
    nodes = [Wanted("bm0", declared("bm0", properties={"skip_block_devices": [{"serial": "S8"}]}), instance)]
    assert statuses(lab.run("active", nodes)) == ["changed"]
    assert lab.ironic.of("bm0")["properties"]["skip_block_devices"] == [{"serial": "S8"}, {"serial": "S9"}]
    assert statuses(lab.run("active", nodes)) == ["unchanged"]


def test_a_mistake_in_a_declaration_is_told_before_anything(lab: Lab) -> None:
    one = lab.one("active", Wanted("bm0", Declared("bm0"), INSTANCE))
    assert (one.status, one.stage) == ("failed", "declare")
    assert "driver" in one.cause
    assert lab.ironic.changing() == []


def test_a_busy_node_is_changed_later(lab: Lab) -> None:
    lab.ironic.add("bm0", "available", driver_info={"redfish_address": "https://198.51.100.1"})
    lab.ironic._provision(lab.ironic._find("bm0"), "active", lab.ironic._met("", ""))
    one = lab.one("manageable", Wanted("bm0", declared("bm0", description="x")))
    assert one.status == "unchanged"
    assert "have to wait: it is 'deploying'" in one.notes[0]


def test_ports_of_the_node_are_changed(lab: Lab) -> None:
    node = lab.ironic.add("bm0", "manageable", driver_info={"redfish_address": "https://198.51.100.1"})
    other = lab.ironic.add("bm1", "manageable")
    lab.ironic.ports += [
        {"uuid": "p0", "address": "52:54:00:00:00:01", "node_uuid": node["uuid"], "pxe_enabled": True},
        {"uuid": "p1", "address": "52:54:00:00:00:02", "node_uuid": other["uuid"], "pxe_enabled": True},
    ]
    lab.ironic.groups.append({"uuid": "g", "name": "bm1-bond0", "node_uuid": other["uuid"]})
    one = lab.one("manageable", Wanted("bm0", declared("bm0", ports=[Port("52:54:00:00:00:01", False)])))
    assert one.status == "changed"
    assert [request.path for request in lab.ironic.changing()] == ["/v1/ports/p0"]
    one = lab.one("manageable", Wanted("bm0", declared("bm0", ports=[Port("52:54:00:00:00:02")])))
    assert "belongs to the node bm1" in one.cause


def test_an_unknown_name(lab: Lab) -> None:
    for target in ("active", "undeployed"):
        one = lab.one(target, Wanted("nobody", instance=INSTANCE))  # type: ignore[arg-type]
        assert one.cause == "Ironic has no node of this name"
    assert lab.one("undeployed", Wanted("nobody", declared("nobody"))).status == "failed"
    assert lab.one("removed", Wanted("nobody")).status == "unchanged"
    assert lab.one("enrolled", Wanted("bm0", declared("bm0"))).summary == ["made"]


# ---- guards


def test_a_disk_nobody_chose_is_not_written(lab: Lab) -> None:
    lab.ironic.add("bm0", "available", inspection_finished_at="then")
    lab.ironic.inventories["bm0"] = {"disks": [disk(0), disk(1)]}
    one = lab.one("active", Wanted("bm0", instance=BLIND))
    assert (one.status, one.stage) == ("failed", "guard")
    assert "/dev/sda" in one.cause
    assert "/dev/sdb" in one.cause
    assert lab.ironic.changing() == []


def test_one_ramdisk_for_inspection_cleaning_and_deployment(lab: Lab) -> None:
    """The deployment waits until Ironic knows where the ramdisk of the inspection is, and boots no other one."""
    lab.ironic.add("bm0")
    outcome = lab.one("active", Wanted("bm0", instance=BLIND))
    assert outcome.status == "changed", outcome
    assert outcome.summary == ["manage", "inspect", "clean", "deploy"]
    assert lab.ironic.nodes["id-bm0"].boots == 1
    assert lab.ironic.of("bm0")["driver_info"] == {"fast_track": False}, "whoever deploys it next begins anew"
    assert lab.one("active", Wanted("bm0", instance=BLIND)).status == "unchanged"


def test_a_ramdisk_that_falls_silent_is_booted_again(lab: Lab) -> None:
    lab.ironic.add("bm0")
    lab.ironic.report = 10_000
    outcome = lab.one("active", Wanted("bm0", instance=BLIND))
    assert outcome.status == "changed", outcome
    assert "did not report" in outcome.notes[0]
    assert lab.ironic.nodes["id-bm0"].boots == 3  # to inspect, to clean, to deploy
    assert lab.ironic.of("bm0")["driver_info"] == {"fast_track": False}


def test_a_ramdisk_is_not_left_running_when_the_deployment_is_refused(lab: Lab) -> None:
    lab.ironic.add("bm0")
    lost = Instance(IMAGE, root_device={"serial": "none such"})
    outcome = lab.one("active", Wanted("bm0", instance=lost, expected=Expected(cpus=1)))
    assert (outcome.status, outcome.stage) == ("failed", "guard")
    assert lab.ironic.of("bm0")["power_state"] == "power off"
    assert "was switched off" in outcome.notes
    assert lab.one("active", Wanted("bm0", instance=BLIND)).status == "changed"


@pytest.mark.parametrize("target", ["inspected", "available"])
def test_a_machine_that_is_not_deployed_now_does_not_keep_its_ramdisk(lab: Lab, target: Target) -> None:
    lab.ironic.add("bm0", driver_info={"fast_track": True})
    assert lab.one(target, Wanted("bm0", instance=BLIND, expected=Expected(cpus=1))).status == "changed"
    assert lab.ironic.of("bm0")["driver_info"] == {"fast_track": False}


def test_an_inspection_by_the_bmc_leaves_no_ramdisk(lab: Lab) -> None:
    lab.ironic.add("bm0", inspect_interface="redfish")
    assert lab.one("active", Wanted("bm0", instance=BLIND)).notes == []
    assert "fast_track" not in lab.ironic.of("bm0")["driver_info"]


def test_a_second_attempt_boots_its_own_ramdisk(lab: Lab) -> None:
    lab.ironic.add("bm0")
    lab.ironic.fault("bm0", "active", error="Agent failed", times=1)
    assert lab.one("active", Wanted("bm0", instance=BLIND), retries=1).status == "changed"
    assert lab.ironic.nodes["id-bm0"].boots == 2


def test_who_declares_fast_track_himself_keeps_it(lab: Lab) -> None:
    lab.ironic.add("bm0")
    mine = Declared("bm0", driver="redfish", driver_info={"fast_track": False})
    assert lab.one("active", Wanted("bm0", mine, BLIND)).status == "changed"
    assert lab.ironic.of("bm0")["driver_info"]["fast_track"] is False
    assert lab.ironic.nodes["id-bm0"].boots == 3


def test_who_was_never_inspected_is_inspected_on_the_way(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    assert lab.one("active", Wanted("bm0", instance=BLIND)).summary == ["manage", "inspect", "clean", "deploy"]
    looks = [request for _, request in lab.ironic.made if request.path.endswith("/inventory")]
    assert len(looks) == 1


def test_an_inventory_that_is_gone(lab: Lab) -> None:
    lab.ironic.add("bm0", "available", inspection_finished_at="then")
    one = lab.one("active", Wanted("bm0", instance=BLIND))
    assert one.stage == "guard"
    assert "nobody has seen the disks" in one.cause
    assert lab.one("active", Wanted("bm0", instance=INSTANCE, expected=Expected(cpus=4))).status == "changed"


@pytest.mark.parametrize(("differences", "status"), [("report", "changed"), ("fail", "failed")])
def test_hardware_that_is_not_as_expected(lab: Lab, differences: str, status: str) -> None:
    lab.ironic.add("bm0")
    lab.ironic.inventories["bm0"] = {"disks": [disk()], "cpu": {"count": 2}}
    one = lab.one("available", Wanted("bm0", expected=Expected(cpus=4)), differences=differences)
    assert one.status == status
    assert any("differs from what is expected" in note for note in one.notes)
    assert lab.ironic.state("bm0") == ("available" if status == "changed" else "manageable")
    assert lab.one("inspected", Wanted("bm0", expected=Expected(cpus=2))).notes == []


def test_without_an_inventory_nothing_is_compared(lab: Lab) -> None:
    lab.ironic.add("bm0", "manageable", inspection_finished_at="then")
    assert "no inventory" in lab.one("inspected", Wanted("bm0", expected=Expected(cpus=2))).notes[0]


def test_nothing_to_run(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    assert lab.one("active", Wanted("bm0")).cause == "nothing is declared that it could run"
    lab.ironic.add("bm1", "manageable")
    assert lab.one("adopted", Wanted("bm1")).cause == "it is not said what runs on it"
    lab.ironic.of("bm1")["instance_info"] = {"image_source": "x"}
    assert lab.one("adopted", Wanted("bm1")).status == "changed"


@pytest.mark.parametrize(
    ("target", "fields", "words"),
    [
        ("undeployed", {"protected": True, "protected_reason": "a database"}, "it is protected: a database"),
        ("undeployed", {"protected": True}, "it is protected"),
        ("undeployed", {"instance_uuid": "nova-1"}, "it runs the instance nova-1 of somebody else (Nova?)"),
        ("rebuilt", {"instance_uuid": "nova-1"}, "it runs the instance nova-1 of somebody else (Nova?)"),
        ("rebuilt", {"protected": True}, "it is protected"),
    ],
)
def test_what_belongs_to_others_stays(lab: Lab, target: Target, fields: dict[str, Any], words: str) -> None:
    lab.ironic.add("bm0", "active", power_state="power on", **fields)
    one = lab.one(target, wanted(1)[0])
    assert (one.status, one.cause) == ("failed", words)
    assert lab.ironic.changing() == []


def test_what_is_ours_is_taken(lab: Lab) -> None:
    lab.ironic.add("bm0", "active", instance_uuid="a", allocation_uuid="a")
    lab.ironic.add("bm1", "active", instance_uuid="b", instance_info={DIGEST: "x"})
    lab.ironic.add("bm2", "active", instance_uuid="nova-1")
    assert statuses(lab.run("undeployed", wanted(2))) == ["changed"] * 2
    assert lab.one("undeployed", Wanted("bm2"), force=True).status == "changed"


def test_retired_nodes(lab: Lab) -> None:
    lab.ironic.add("bm0", "manageable", retired=True)
    lab.ironic.add("bm1", "active", retired=True)
    assert "retired" in lab.one("available", Wanted("bm0")).cause
    assert lab.one("undeployed", Wanted("bm1")).state == "manageable"


def test_removal(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic.add("bm1", "enroll")
    lab.ironic.add("bm2", "active")
    lab.ironic.add("bm3", "enroll", protected=True)
    lab.ironic.add("bm4", "clean failed", maintenance=True, maintenance_reason="burnt")
    report = lab.run("removed", wanted(5), success="50%")
    assert statuses(report) == ["changed", "changed", "failed", "failed", "changed"]
    assert sorted(node.data["name"] for node in lab.ironic.nodes.values()) == ["bm2", "bm3"]
    assert "undeployed" in report.outcomes[2].remedy
    lab.ironic.add("bm5", "enroll")
    lab.ironic.fault("bm5", "DELETE", refuse=(404, "gone"))
    assert lab.one("removed", Wanted("bm5")).status == "changed"


# ---- maintenance


def test_maintenance_is_respected_and_does_not_count(lab: Lab) -> None:
    lab.ironic.add("bm0", "available", maintenance=True, maintenance_reason="a fan")
    lab.ironic.add("bm1", "available")
    lab.ironic.add("bm2", "active", maintenance=True)
    lab.ironic.add("bm3", "available", maintenance=True, fault="power failure", maintenance_reason="no answer")
    report = lab.run("active", wanted(4))
    assert statuses(report) == ["skipped", "changed", "unchanged", "skipped"]
    assert report.outcomes[0].notes == ["is in maintenance: a fan"]
    assert report.outcomes[2].notes[0] == "is in maintenance: no reason given"
    assert report.outcomes[3].notes == ["is in maintenance (power failure): no answer"]
    assert report.ok
    assert report.result()["partial"]
    assert any(text.startswith("bm0: not begun: is in maintenance") for text in lab.told)


def test_cleaning_is_tried_again_out_of_its_own_maintenance(lab: Lab) -> None:
    lab.ironic.add("bm0", "clean failed", maintenance=True, fault="clean failure", maintenance_reason="a disk")
    one = lab.one("available", Wanted("bm0"))
    assert (one.status, one.summary) == ("changed", ["maintenance: ended", "manage", "clean"])
    assert not lab.ironic.of("bm0")["maintenance"]


def test_maintenance_in_the_middle(lab: Lab) -> None:
    node = lab.ironic.add("bm0")
    fleet = lab.fleet("available", [Wanted("bm0")])
    original = fleet.poll

    def poll() -> None:
        original()
        if fleet.entries[0].course.state == "manageable":
            node.update(maintenance=True, fault="power failure", maintenance_reason="Unable to connect to BMC")
            fleet.entries[0].course.see(node, 0)

    fleet.poll = poll  # type: ignore[method-assign]
    one = fleet.run().outcomes[0]
    assert one.status == "failed"
    assert "went into maintenance during this run: the BMC does not answer" in one.cause


# ---- failures


@pytest.mark.parametrize(
    ("target", "state", "verb", "stage", "after"),
    [
        ("manageable", "enroll", "manage", "manage", "enroll"),
        ("inspected", "manageable", "inspect", "inspect", "inspect failed"),
        ("available", "manageable", "provide", "clean", "clean failed"),
        ("active", "available", "active", "deploy", "deploy failed"),
        ("rebuilt", "active", "rebuild", "rebuild", "deploy failed"),
        ("undeployed", "active", "deleted", "undeploy", "error"),
        ("adopted", "manageable", "adopt", "adopt", "adopt failed"),
        ("rescued", "active", "rescue", "rescue", "rescue failed"),
        ("active", "rescue", "unrescue", "unrescue", "unrescue failed"),
    ],
)
@pytest.mark.parametrize("on_failure", ["power_off", "leave"])
def test_failures(lab: Lab, target: Target, state: str, verb: str, stage: str, after: str, on_failure: str) -> None:
    lab.ironic.add("bm0", state, power_state="power on")
    lab.ironic.fault("bm0", verb, error="Redfish connection failed for node bm0: Unable to connect to x")
    lab.ironic.add("bm1", state)
    report = lab.run(target, wanted(2), on_failure=on_failure, rescue_password="a-password")
    one, other = report.outcomes
    assert (one.status, one.stage, one.state) == ("failed", stage, after)
    assert one.cause == "the BMC does not answer"
    assert one.last_error.startswith("Redfish connection failed")
    assert other.status == "changed"
    assert not report.ok
    off = on_failure == "power_off" and stage in ("inspect", "clean", "deploy", "rebuild", "undeploy")
    assert lab.ironic.of("bm0")["power_state"] == ("power off" if off else "power on")
    assert ("was switched off" in one.notes) is off
    assert f"FAILED bm0: {stage}: the BMC does not answer -> {one.remedy}" in lab.told


def test_what_runs_is_not_switched_off_when_ironic_refuses(lab: Lab) -> None:
    lab.ironic.add("bm0", "active", power_state="power on")
    lab.ironic.fault("bm0", "rebuild", refuse=(400, "Failed to validate deploy or power info"))
    one = lab.one("rebuilt", wanted(1)[0])
    assert (one.status, one.stage) == ("failed", "rebuild")
    assert one.cause.startswith("(400) ")
    assert lab.ironic.of("bm0")["power_state"] == "power on"


def test_a_machine_that_does_not_go_off(lab: Lab) -> None:
    for name, fault in (("bm0", {"hang": "x"}), ("bm1", {"refuse": (500, "no")})):
        lab.ironic.add(name, "available")
        lab.ironic.fault(name, "active", error="checksum")
        lab.ironic.fault(name, "states/power", **fault)
    report = lab.run("active", wanted(2))
    assert "could not be switched off within 120 s" in report.outcomes[0].notes[0]
    assert report.outcomes[1].notes == ["could not be switched off: no"]
    assert report.outcomes[1].cause == "checksum"


def test_a_deployment_is_tried_again(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic.fault("bm0", "active", error="lost the way", times=2)
    one = lab.one("active", wanted(1)[0], retries=2)
    assert one.status == "changed"
    assert one.summary == ["deploy"] * 3
    assert len(one.notes) == 2
    lab.ironic.add("bm1", "available")
    lab.ironic.fault("bm1", "active", error="lost the way")
    assert lab.one("active", Wanted("bm1", instance=INSTANCE), retries=1).summary == ["deploy", "deploy", "power off"]


def test_somebody_else_works_on_it(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    fleet = lab.fleet("active", wanted(1))
    original = fleet.poll

    def poll() -> None:
        lab.ironic._settle()
        if lab.ironic.of("bm0")["provision_state"] == "wait call-back":
            lab.ironic._find("bm0").phases = []
            lab.ironic.of("bm0")["provision_state"] = "available"
        original()

    fleet.poll = poll  # type: ignore[method-assign]
    one = fleet.run().outcomes[0]
    assert one.cause == "it is 'available' after deploy"


def test_a_node_that_vanishes(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    fleet = lab.fleet("active", wanted(1))
    original = fleet.poll

    def poll() -> None:
        lab.ironic.nodes.clear()
        original()

    fleet.poll = poll  # type: ignore[method-assign]
    assert "it is gone" in fleet.run().outcomes[0].cause


@pytest.mark.parametrize(
    ("state", "verb", "target"),
    [
        ("deploying", "active", "active"),
        ("wait call-back", "active", "active"),
        ("clean wait", "provide", "available"),
        ("inspect wait", "inspect", "inspected"),
        ("verifying", "manage", "manageable"),
        ("deleting", "deleted", "undeployed"),
    ],
)
def test_every_state_has_its_limit(lab: Lab, state: str, verb: str, target: Target) -> None:
    before = {"active": "available", "manage": "enroll", "deleted": "active"}.get(verb, "manageable")
    lab.ironic.add("bm0", before)
    lab.ironic.fault("bm0", verb, hang=state)
    begin = lab.clock.time
    one = lab.one(target, wanted(1)[0], limits={state: 77})
    assert one.status == "failed"
    assert one.cause.startswith(f"'{state}' for ")
    assert one.state == state
    assert one.stages[state] >= 77
    assert 77 <= lab.clock.time - begin < 77 + 150
    if state == "clean wait":
        assert "is not switched off, as Ironic does not do that during cleaning" in one.notes


def test_a_stuck_node_is_aborted_on_demand(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic.fault("bm0", "active", hang="wait call-back")
    one = lab.one("active", wanted(1)[0], stuck="abort", limits={"wait call-back": 60})
    assert one.status == "failed"
    assert one.state == "deploy failed"
    assert one.cause == "somebody aborted it"
    assert one.notes == ["was aborted after 60 s in 'wait call-back'", "was switched off"]


def test_a_node_that_was_stuck_before(lab: Lab) -> None:
    lab.ironic.add("bm0", "wait call-back")
    one = lab.one("active", wanted(1)[0], stuck="abort", limits={"wait call-back": 60})
    assert one.status == "changed"
    assert one.summary == ["abort", "deploy"]
    lab.ironic.add("bm1", "wait call-back", power_state="power on")
    one = lab.one("active", Wanted("bm1"), limits={"wait call-back": 60})
    assert (one.status, one.stage) == ("failed", "wait")
    assert lab.ironic.of("bm1")["power_state"] == "power on"  # it is not ours


def test_a_refusal_has_the_last_error(lab: Lab) -> None:
    lab.ironic.add("bm0", "error", last_error="Unable to connect to https://198.51.100.1")
    lab.ironic.add("bm1", "deploy hold")
    one, other = lab.run("removed", wanted(2), success=0).outcomes
    assert one.cause.endswith("(the BMC does not answer)")
    assert "an operator holds it" in other.cause


# ---- locks, limits of Ironic, silence


def test_a_lock_is_waited_for(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic.fault("bm0", "active", locked=4)
    assert lab.one("active", wanted(1)[0]).status == "changed"
    lab.ironic.add("bm1", "available")
    lab.ironic.fault("bm1", "PATCH", locked=10**6)
    one = lab.one("active", Wanted("bm1", instance=INSTANCE), limits={"lock": 30})
    assert one.cause == "for 30 s: it stays locked by the conductor conductor-1"


def test_limits_of_ironic_are_kept(lab: Lab) -> None:
    for number in range(12):
        lab.ironic.add(f"bm{number}", "available")
    lab.ironic.deploy_limit = 3
    report = lab.run("active", wanted(12))
    assert statuses(report) == ["changed"] * 12
    lab.ironic.add("bm12", "available")
    lab.ironic.deploy_limit = 0
    one = lab.one("active", Wanted("bm12", instance=INSTANCE), limits={"busy": 100})
    assert "as much at once as it may" in one.cause


@pytest.mark.parametrize("taken", [True, False])
def test_a_verb_without_an_answer(lab: Lab, taken: bool) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic.fault("bm0", "active", silent=True, taken=taken, times=1)
    one = lab.one("active", wanted(1)[0])
    assert (one.status, one.summary) == ("changed", ["deploy"])
    puts = [request for request in lab.ironic.changing() if request.method == "PUT"]
    assert len(puts) == (1 if taken else 2)


@pytest.mark.parametrize("taken", [True, False])
def test_a_node_that_was_made_without_an_answer(lab: Lab, taken: bool) -> None:
    lab.ironic.fault("bm0", "POST", silent=True, taken=taken, times=1)
    one = lab.one("manageable", Wanted("bm0", declared("bm0", ports=[Port("52:54:00:00:00:01")])))
    assert (one.status, one.state) == ("changed", "manageable")
    assert len(lab.ironic.nodes) == 1
    assert len(lab.ironic.ports) == 1


def test_a_port_that_was_made_without_an_answer(lab: Lab) -> None:
    refused = Answer(409, {"error_message": "A port with MAC address exists"})
    answers: list[Any] = [ConnectionError("no answer"), refused]
    original = lab.ironic._made

    def made(request: Any, what: str) -> Answer:
        if what == "ports" and answers:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer  # type: ignore[no-any-return]
        return original(request, what)

    lab.ironic._made = made  # type: ignore[method-assign]
    assert lab.one("enrolled", Wanted("bm0", declared("bm0", ports=[Port("52:54:00:00:00:01")]))).status == "changed"


def test_somebody_has_the_name_already(lab: Lab) -> None:
    lab.ironic.fault("bm0", "POST", refuse=None)
    fleet = lab.fleet("enrolled", [Wanted("bm0", declared("bm0"))])
    original = fleet.first

    def first() -> None:
        original()
        lab.ironic.add("bm0")

    fleet.first = first  # type: ignore[method-assign]
    one = fleet.run().outcomes[0]
    assert (one.status, one.stage) == ("failed", "declare")
    assert "already exists" in one.last_error


def test_silence_of_ironic_is_survived(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic.down = (lab.clock.time + 10, lab.clock.time + 100)
    assert lab.one("active", wanted(1)[0]).status == "changed"


def test_silence_of_ironic_has_a_limit(lab: Lab) -> None:
    for number in range(3):
        lab.ironic.add(f"bm{number}", "available")
    lab.ironic.down = (lab.clock.time + 10, 10**9)
    report = lab.run("active", wanted(3), parallel=1, limits={"answer": 60})
    assert statuses(report) == ["failed"] * 3
    assert "connection refused" in report.outcomes[0].cause
    assert lab.clock.time < 1000 + 10 + 60 + 20


def test_a_request_that_is_never_answered(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic.fault("bm0", "active", silent=True)
    one = lab.one("active", wanted(1)[0], limits={"answer": 60})
    assert one.cause == "for 60 s: no answer"


def test_an_inventory_is_asked_for_again(lab: Lab) -> None:
    lab.ironic.add("bm0", "available", inspection_finished_at="then")
    lab.ironic.inventories["bm0"] = {"disks": [disk()]}
    lab.ironic.fault("bm0", "inventory", silent=True, times=2)
    assert lab.one("active", Wanted("bm0", instance=BLIND)).status == "changed"


def test_a_login_that_is_refused_in_the_middle(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic.add("bm1", "available")
    fleet = lab.fleet("active", wanted(2), success="50%")
    original = fleet.first

    def first() -> None:
        original()
        lab.ironic.forbidden = "the login is refused"

    fleet.first = first  # type: ignore[method-assign]
    assert [outcome.cause for outcome in fleet.run().outcomes] == ["the login is refused"] * 2


def test_lists_that_are_refused(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    fleet = lab.fleet("active", wanted(1))
    original = fleet.first

    def first() -> None:
        original()
        lab.ironic.list_answer = Answer(400, {"error_message": "no such field"})

    fleet.first = first  # type: ignore[method-assign]
    assert "no such field" in fleet.run().outcomes[0].cause
    with pytest.raises(BaremetalError, match="no such field"):
        lab.run("active", wanted(1))
    lab.ironic.down = (0, 10**9)
    with pytest.raises(ConnectionError):
        lab.run("active", wanted(1))


# ---- the run as a whole


def test_no_further_node_is_begun_when_it_cannot_be_a_success(lab: Lab) -> None:
    for number in range(10):
        lab.ironic.add(f"bm{number}")
    for number in (0, 1):
        lab.ironic.fault(f"bm{number}", "manage", error="Unable to connect to x")
    report = lab.run("manageable", wanted(10), parallel=4, success="90%")
    assert statuses(report)[:4] == ["failed", "failed", "changed", "changed"]
    assert set(statuses(report)[4:]) <= {"changed", "skipped"}
    assert statuses(report).count("skipped") >= 4
    assert not report.ok
    skipped = report.outcomes[-1]
    assert "too many failed for 90% to be good" in skipped.notes[0]
    assert line(skipped).startswith("bm9: not begun: too many failed")
    assert any("nodes are not begun" in text for text in lab.told)


def test_enough_good_nodes_are_a_success(lab: Lab) -> None:
    for number in range(10):
        lab.ironic.add(f"bm{number}")
    lab.ironic.fault("bm3", "manage", error="Unable to connect to x")
    for success, ok in (("90%", True), (9, True), ("all", False)):
        lab.ironic.add("bm3")
        report = lab.run("manageable", wanted(10), success=success)
        assert report.ok is ok
        assert report.result()["partial"] is ok
        assert report.counts()["failed"] == 1


@pytest.mark.parametrize(
    ("success", "total", "needed"),
    [
        ("all", 7, 7),
        ("100%", 7, 7),
        ("90%", 10, 9),
        ("91%", 10, 10),
        ("0%", 5, 0),
        (3, 5, 3),
        ("9", 5, 5),
        ("33.4 %", 3, 2),
    ],
)
def test_policies(success: str | int, total: int, needed: int) -> None:
    assert required(success, total) == needed


@pytest.mark.parametrize("success", ["most", "101%", "-1", "", "1.5"])
def test_policies_that_are_none(success: str) -> None:
    with pytest.raises(BaremetalError, match="success"):
        required(success, 5)


def test_options_that_cannot_be(lab: Lab) -> None:
    with pytest.raises(BaremetalError, match="bm0: named more than once"):
        lab.fleet("active", [*wanted(2), Wanted("bm0")])
    with pytest.raises(BaremetalError, match="parallel"):
        lab.fleet("active", wanted(1), parallel=0)
    with pytest.raises(BaremetalError, match="rescue_password"):
        lab.fleet("rescued", wanted(1))
    with pytest.raises(BaremetalError, match="success"):
        lab.fleet("active", wanted(1), success="few")


def test_the_run_has_a_limit(lab: Lab) -> None:
    for number in range(4):
        lab.ironic.add(f"bm{number}", "available", power_state="power on")
    lab.ironic.fault("bm0", "active", error="checksum")
    lab.ironic.fault("bm0", "states/power", hang="x")
    lab.ironic.fault("bm1", "active", hang="wait call-back")
    lab.ironic.fault("bm2", "active", hang="wait call-back")
    report = lab.run("active", wanted(4), parallel=3, success=0, limits={"total": 100, "power": 1000})
    assert statuses(report) == ["failed", "failed", "failed", "skipped"]
    assert report.outcomes[0].cause == "checksum"
    assert report.outcomes[1].cause == "it is still 'wait call-back' after 100 s, the limit of the run"
    assert report.outcomes[3].notes == ["the run took 100 s, its limit"]


def test_parallel_is_a_limit(lab: Lab) -> None:
    for number in range(9):
        lab.ironic.add(f"bm{number}", "available")
    most = 0
    fleet = lab.fleet("active", wanted(9), parallel=2)
    original = fleet.poll

    def poll() -> None:
        nonlocal most
        original()
        most = max(most, sum(states.transitional(lab.ironic.state(f"bm{number}")) for number in range(9)))

    fleet.poll = poll  # type: ignore[method-assign]
    assert statuses(fleet.run()) == ["changed"] * 9
    assert most == 2


def test_a_node_that_was_waited_for_needs_a_place_too(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic._provision(lab.ironic._find("bm0"), "active", lab.ironic._met("", ""))
    lab.ironic.of("bm0")["instance_info"] = {DIGEST: "older"}
    lab.ironic.add("bm1", "active", instance_info={DIGEST: "older"})
    report = lab.run("rebuilt", wanted(2), parallel=1)
    assert statuses(report) == ["changed"] * 2


def test_one_dead_node_delays_the_others_by_nothing() -> None:
    """Its BMC hangs, its requests hang, its agent never calls: the others take as long as without it."""
    seconds = []
    for dead in (False, True):
        lab = Lab()
        for number in range(21):
            lab.ironic.add(f"bm{number}", "available")
        nodes = wanted(21)
        if dead:
            lab.ironic.fault("bm0", "active", hang="wait call-back", slow=60)
        else:
            nodes = nodes[1:]
        report = lab.run("active", nodes, success="90%")
        assert report.ok
        others = [outcome.seconds for outcome in report.outcomes if outcome.name != "bm0"]
        assert len(others) == 20
        seconds.append(max(others))
    assert seconds[1] - seconds[0] <= 0


def test_a_large_fleet_costs_little() -> None:
    lab = Lab()
    for number in range(500):
        lab.ironic.add(f"bm{number}", "available", inspection_finished_at="then", driver_info={
            "redfish_address": "https://198.51.100.1"})  # fmt: skip
        lab.ironic.inventories[f"bm{number}"] = {"disks": [disk()]}
        lab.ironic.ports.append(
            {"uuid": f"p{number}", "address": f"52:54:00:00:{number // 256:02x}:{number % 256:02x}",
             "node_uuid": f"id-bm{number}", "pxe_enabled": True}
        )  # fmt: skip
    for number in range(0, 500, 50):
        lab.ironic.fault(f"bm{number}", "active", error="Timeout reached while waiting for callback")
    nodes = [
        Wanted(f"bm{n}", declared(f"bm{n}", ports=[Port(f"52:54:00:00:{n // 256:02x}:{n % 256:02x}")]), BLIND)
        for n in range(500)
    ]
    tracemalloc.start()
    report = lab.run("active", nodes, success="98%")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.counts() == {"total": 500, "unchanged": 0, "changed": 490, "failed": 10, "skipped": 0}
    assert report.requests / 500 <= 12
    assert peak < 300 * 2**20
    assert len(lab.told) < 500
    assert sum(text.startswith("FAILED") for text in lab.told) == 10
    again = lab.run("active", [node for number, node in enumerate(nodes) if number % 50])
    assert not again.changed
    assert again.requests == len(lab.ironic.lists()) == 3
    assert lab.ironic.changing() == []


def test_lists_of_several_pages(lab: Lab) -> None:
    lab.ironic.page = 7
    for number in range(30):
        lab.ironic.add(f"bm{number}")
    assert statuses(lab.run("manageable", wanted(30))) == ["changed"] * 30


def test_a_small_fleet_is_told_node_by_node(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.run("active", wanted(1))
    assert any(text.startswith("bm0: available -> deploying") for text in lab.told)
    assert any(text.startswith("bm0: active after ") for text in lab.told)
    assert any("0 of 1 active, 1 " in text for text in lab.told)


def test_a_report_is_plain_data(lab: Lab) -> None:
    lab.ironic.add("bm0")
    result = lab.run("manageable", wanted(1)).result()
    assert result["changed"]
    assert result["counts"] == {"total": 1, "unchanged": 0, "changed": 1, "failed": 0, "skipped": 0}
    assert result["nodes"][0]["stages"]["enroll"] >= 0
    assert result["requests"]["per_node"] == result["requests"]["count"]
    empty = lab.run("manageable", []).result()
    assert not empty["changed"]
    assert empty["requests"] == {"count": 1, "per_node": 0.0}
    assert line(Outcome("x", "failed", stage="deploy", cause="a\nb")) == "x: deploy: a b"


# ---- check mode


def test_a_plan_says_what_would_be_done(lab: Lab) -> None:
    lab.ironic.add("bm0", "available")
    lab.ironic.add("bm1", "active")
    lab.ironic.add("bm2", "available", inspection_finished_at="then")
    lab.ironic.inventories["bm2"] = {"disks": [disk(0), disk(1)]}
    lab.ironic.add("bm3", "available", maintenance=True)
    lab.ironic.add("bm4", "available")
    lab.ironic._provision(lab.ironic._find("bm4"), "active", lab.ironic._met("", ""))
    lab.ironic.add("bm6", "available", inspection_finished_at="then")
    nodes = [*wanted(5), Wanted("bm5", declared("bm5"), INSTANCE), Wanted("bm6", instance=BLIND)]
    nodes[2] = Wanted("bm2", instance=BLIND)
    report = lab.fleet("active", nodes, success=0).plan()
    assert statuses(report) == ["changed", "unchanged", "failed", "skipped", "changed", "changed", "failed"]
    assert report.outcomes[0].summary == ["deploy"]
    assert report.outcomes[2].stage == "guard"
    assert report.outcomes[4].notes == ["is 'deploying', and would be waited for"]
    assert report.outcomes[5].summary == ["made", "manage", "clean", "deploy"]
    assert lab.ironic.changing() == []
    assert lab.fleet("removed", nodes[:1]).plan().outcomes[0].summary == ["manage", "removed"]
    lab.ironic.add("bm7", "enroll")
    assert lab.fleet("removed", [Wanted("bm7")]).plan().outcomes[0].summary == ["removed"]
    assert lab.fleet("enrolled", [nodes[5]]).plan().outcomes[0].summary == ["made"]


def test_a_plan_needs_answers(lab: Lab) -> None:
    lab.ironic.add("bm0", "available", inspection_finished_at="then")
    lab.ironic.fault("bm0", "inventory", silent=True)
    with pytest.raises(ConnectionError):
        lab.fleet("active", wanted(1)).plan()


# ---- whatever happens


VERBS = ("manage", "provide", "inspect", "active", "rebuild", "deleted", "adopt", "rescue", "unrescue", "PATCH",
         "inventory", "states/power", "DELETE", "maintenance")  # fmt: skip
FAULTS = st.one_of(
    st.builds(dict, error=st.sampled_from(["Unable to connect", "clean"]), times=st.integers(1, 3)),
    st.builds(dict, hang=st.sampled_from(sorted(states.STATES))),
    st.builds(dict, refuse=st.sampled_from([(400, "no"), (404, "gone"), (500, "oops"), (503, "busy")])),
    st.builds(dict, silent=st.just(True), taken=st.booleans(), times=st.integers(1, 100)),
    st.builds(dict, locked=st.integers(1, 50)),
    st.builds(dict, slow=st.integers(1, 60)),
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(get_args(Target)),
    st.lists(st.tuples(st.sampled_from(sorted(states.STATES)), st.booleans(), st.booleans()), min_size=1, max_size=5),
    st.dictionaries(st.tuples(st.integers(0, 4), st.sampled_from(VERBS)), FAULTS, max_size=5),
    st.integers(1, 3),
    st.sampled_from(["all", "50%", 0]),
    st.booleans(),
    st.integers(0, 2),
)
def test_it_always_ends(
    target: Target, there: list[Any], faults: dict[Any, Any], parallel: int, success: Any, flag: bool, retries: int
) -> None:
    """Whatever state nodes are in, and whatever goes wrong: the run ends in time, each node is there or has words."""
    lab = Lab()
    for number, (state, inspected, maintenance) in enumerate(there):
        lab.ironic.add(f"bm{number}", state, inspection_finished_at="then" if inspected else None,
                       maintenance=maintenance)  # fmt: skip
    for (number, verb), fault in faults.items():
        lab.ironic.fault(f"bm{number}", verb, **fault)
    report = lab.run(
        target, wanted(len(there), INSTANCE if flag else BLIND), parallel=parallel, success=success, retries=retries,
        force=flag, stuck="abort" if flag else "leave", rescue_password="a-password",
    )  # fmt: skip
    assert report.seconds <= LIMITS["total"] + 1
    for outcome in report.outcomes:
        if outcome.status == "failed":
            assert outcome.cause
            assert outcome.stage
        elif outcome.status == "skipped":
            assert outcome.notes
        elif target != "removed":
            state = lab.ironic.state(outcome.name)
            assert states.there(target, states.Condition(state))
        assert len(outcome.summary) <= 12
    assert report.ok or report.bad


# ---- threads


def test_threads_work_beside_the_loop() -> None:
    workers = Threads(2)
    assert workers.wait([], 0) == []
    ticket = workers.submit(lambda: Result((Answer(200),)))
    assert workers.wait([ticket], 5) == [(ticket, Result((Answer(200),)))]
    workers.close()
    assert RealClock().now() > 0


def test_a_run_with_threads_and_the_real_clock() -> None:
    ironic = Ironic(Clock())
    ironic.add("bm0", "available")
    ironic.add("bm1", "manageable")
    report = Fleet(ironic, [Wanted("bm0"), Wanted("bm1")], Options("manageable", withdraw=True)).run()
    assert statuses(report) == ["changed", "unchanged"]


def test_a_rebuild_that_is_refused_is_begun_anew(lab: Lab) -> None:
    """What a node says that it runs is true also after a refusal."""
    before = {DIGEST: "old", "image_source": "https://198.18.32.2:8089/old.raw", "configdrive": MASKED}
    lab.ironic.add("bm0", "active", inspection_finished_at="then", power_state="power on", instance_info=dict(before))
    lab.ironic.inventories["bm0"] = {"disks": [disk(0)]}
    lab.ironic.fault("bm0", "rebuild", refuse=(400, "Validation of image href https://x failed, reason: 404"), times=1)
    report = lab.run("rebuilt", [Wanted("bm0", instance=INSTANCE)])
    assert statuses(report) == ["failed"]
    assert "404" in report.outcomes[0].cause
    assert lab.ironic.of("bm0")["instance_info"] == {key: before[key] for key in (DIGEST, "image_source")}
    assert statuses(lab.run("rebuilt", [Wanted("bm0", instance=INSTANCE)])) == ["changed"]
    assert lab.ironic.of("bm0")["instance_info"][DIGEST] != "old"
    assert statuses(lab.run("rebuilt", [Wanted("bm0", instance=INSTANCE)])) == ["unchanged"]


def test_a_rebuild_that_is_refused_while_the_node_is_locked(lab: Lab) -> None:
    lab.ironic.add(
        "bm0", "active", inspection_finished_at="then", power_state="power on", instance_info={DIGEST: "old"}
    )
    lab.ironic.inventories["bm0"] = {"disks": [disk(0)]}
    lab.ironic.fault("bm0", "rebuild", locked=10**6)
    assert statuses(lab.run("rebuilt", [Wanted("bm0", instance=INSTANCE)])) == ["failed"]
    lab.ironic.faults.clear()
    assert statuses(lab.run("rebuilt", [Wanted("bm0", instance=INSTANCE)])) == ["changed"]


def test_what_cannot_be_put_right_is_told(lab: Lab) -> None:
    lab.ironic.add(
        "bm0", "active", inspection_finished_at="then", power_state="power on", instance_info={DIGEST: "old"}
    )
    lab.ironic.inventories["bm0"] = {"disks": [disk(0)]}
    lab.ironic.fault("bm0", "rebuild", refuse=(400, "no"), times=1)
    fleet = lab.fleet("rebuilt", [Wanted("bm0", instance=INSTANCE)])
    fleet.entries[0].course.failed = True
    fleet._refused(fleet.entries[0], Action("ask", "rebuild"), "locked", "")
    assert fleet.entries[0].course.outcome.notes == ["could not be told to say again what it runs: locked"]


def test_a_maintenance_that_was_there_before_is_no_failure_of_this_run(lab: Lab) -> None:
    """The password of its BMC is mended: that is what brings it out of there."""
    lab.ironic.add("bm0", "active", maintenance=True, fault="power failure", maintenance_reason="login refused")
    report = lab.run("manageable", [Wanted("bm0", declared("bm0"))])
    assert statuses(report) == ["changed"]
    assert "is in maintenance: login refused" in report.outcomes[0].notes
    assert statuses(lab.run("manageable", [Wanted("bm0", declared("bm0"))])) == ["unchanged"]


def test_one_that_cannot_even_begin_keeps_no_other_from_it(lab: Lab) -> None:
    for name, state in (("bm0", "clean hold"), ("bm1", "available"), ("bm2", "manageable")):
        lab.ironic.add(name, state, inspection_finished_at="then")
        lab.ironic.inventories[name] = {"disks": [disk(0)]}
    report = lab.run("active", [Wanted(f"bm{number}", instance=INSTANCE) for number in range(3)])
    assert statuses(report) == ["failed", "changed", "changed"]
    assert not report.ok


@pytest.mark.parametrize("target", ["available", "undeployed"])
def test_no_disk_is_cleaned_when_the_one_to_preserve_is_not_there(lab: Lab, target: Any) -> None:
    """Neither where cloud.yml says so of a machine without an instance, nor where only Ironic knows."""
    hints = [{"serial": "TYPO"}, {"volume_name": "data"}]
    if target == "available":
        lab.ironic.add("bm0", "manageable", inspection_finished_at="then")
        wanted = Wanted("bm0", declared("bm0", properties={"skip_block_devices": hints}))
    else:
        lab.ironic.add("bm0", "active", inspection_finished_at="then", properties={"skip_block_devices": hints})
        wanted = Wanted("bm0")
    lab.ironic.inventories["bm0"] = {"disks": [disk(0), disk(9)]}
    report = lab.run(target, [wanted])
    assert statuses(report) == ["failed"]
    assert "preserve[0] (serial: TYPO) fits none of the disks" in report.outcomes[0].cause
    assert "skip_block_devices" in report.outcomes[0].remedy
    assert lab.ironic.state("bm0") in ("manageable", "active")


def test_a_disk_is_given_up_by_hand_only(lab: Lab) -> None:
    two = [{"serial": "A"}, {"serial": "B"}]
    lab.ironic.add("bm0", "active", properties={"skip_block_devices": list(two)})
    lab.run("manageable", [Wanted("bm0", declared("bm0", properties={"skip_block_devices": [{"serial": "A"}]}))])
    assert lab.ironic.of("bm0")["properties"]["skip_block_devices"] == two


@pytest.mark.parametrize("verb", ["active", "rebuilt"])
def test_the_only_disk_is_named_to_the_agent(lab: Lab, verb: Any) -> None:
    """A second, smaller one may have been added since the inspection."""
    lab.ironic.add("bm0", "available" if verb == "active" else "active", inspection_finished_at="then")
    lab.ironic.inventories["bm0"] = {"disks": [disk(0)]}
    assert statuses(lab.run(verb, [Wanted("bm0", instance=BLIND)])) == ["changed"]
    assert lab.ironic.of("bm0")["instance_info"]["root_device"] == {"serial": "S0"}
    assert statuses(lab.run("active", [Wanted("bm0", instance=BLIND)])) == ["unchanged"]


def test_what_the_operator_says_of_the_root_device_is_not_said_twice(lab: Lab) -> None:
    lab.ironic.add("bm0", "available", inspection_finished_at="then", properties={"root_device": {"size": ">= 4"}})
    lab.ironic.inventories["bm0"] = {"disks": [disk(0)]}
    lab.run("active", [Wanted("bm0", instance=BLIND)])
    assert "root_device" not in lab.ironic.of("bm0")["instance_info"]
