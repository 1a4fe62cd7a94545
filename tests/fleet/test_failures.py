# SPDX-License-Identifier: Apache-2.0
"""Nodes that fail, hang, are locked or in maintenance: what is told of them, and that it costs the others nothing."""

from __future__ import annotations

import pytest

from tests.fleet import play
from tests.fleet.inside import fleet
from tests.fleet.play import names, states, wanted
from tests.lab.ironic_fake import Ironic


def good(nodes: list[str], *bad: str) -> set[str]:
    return set(nodes) - set(bad)


def test_each_failure_is_told_and_the_others_run(ironic: Ironic) -> None:
    nodes = names(30)
    faults = {
        "n003": {"power_state": {"fail": "Redfish connection failed for node n003: Unable to connect to it"}},
        "n007": {"deploy": {"fail": "Image failed to verify against checksum"}},
        "n011": {"power_on": {"fail": "Reboot failed when setting power state to power on. returned code 500"}},
        "n019": {"inspect": {"fail": "no way to the machine"}},
    }
    run = fleet(ironic, "inspected", wanted(nodes, faults), success="90%")
    assert not run.failed
    assert run.statuses() == {"changed": good(nodes, "n003", "n019"), "failed": {"n003", "n019"}}
    run = play.fleet(ironic, "active", wanted(nodes, faults))
    assert run.failed
    assert run.statuses()["changed"] >= good(nodes, *faults, "n019")
    assert {name for name, state in states(ironic).items() if state == "active"} >= good(nodes, *faults)
    told = run.returned["msg"]
    for name, stage in (("n003", "manage"), ("n007", "deploy"), ("n011", "deploy")):
        line = next(line for line in told.splitlines() if line.startswith(f"{name}: "))
        assert f"{name}: {stage}: " in line
        assert run.outcomes[name]["cause"]
        assert run.outcomes[name]["remedy"]
        assert run.outcomes[name]["last_error"]
    assert "n000" not in told


def test_a_second_run_begins_only_what_failed(ironic: Ironic) -> None:
    nodes = names(5)
    broken = {"n002": {"deploy": {"fail": "No suitable device was found for deployment"}}}
    fleet(ironic, "active", wanted(nodes, broken))
    assert states(ironic)["n002"] == "deploy failed"
    before = len(ironic.requests())
    run = fleet(ironic, "active", wanted(nodes, {"n002": {}}))
    assert run.statuses() == {"changed": {"n002"}, "unchanged": good(nodes, "n002")}
    asked = [line for line in ironic.requests()[before:] if not line.startswith("GET")]
    identity = ironic.nodes()["n002"]["uuid"]
    assert all(identity in line or "/n002" in line for line in asked)


@pytest.mark.parametrize(("success", "met"), [("all", False), ("80%", True), ("81%", False), (8, True), (9, False)])
def test_success_is_what_the_policy_says(ironic: Ironic, success: str | int, met: bool) -> None:
    nodes = names(10)
    faults = {name: {"power_state": {"fail": "no answer"}} for name in nodes[:2]}
    run = fleet(ironic, "manageable", wanted(nodes, faults), success=success)
    assert run.failed is not met
    assert run.returned["partial"] is met
    assert run.returned["counts"]["failed"] == 2
    assert run.statuses()["changed"] == good(nodes, *faults)
    assert [state for state in states(ironic).values() if state == "manageable"] == ["manageable"] * 8


def test_no_further_node_is_begun_when_too_many_failed(ironic: Ironic) -> None:
    nodes = names(9)
    faults = {name: {"power_state": {"fail": "no answer"}} for name in nodes[:3]}
    run = fleet(ironic, "manageable", wanted(nodes, faults), parallel=3, success="80%")
    assert run.failed
    assert run.statuses()["skipped"]
    assert run.statuses()["failed"] <= set(faults)


@pytest.mark.parametrize(("on_failure", "power"), [("power_off", "power off"), ("leave", "power on")])
def test_what_failed_is_switched_off(ironic: Ironic, on_failure: str, power: str) -> None:
    faults = {"n001": {"deploy": {"fail": "Image failed to verify against checksum"}}}
    run = fleet(ironic, "active", wanted(names(2), faults), on_failure=on_failure)
    assert run.statuses() == {"changed": {"n000"}, "failed": {"n001"}}
    found = ironic.nodes()
    assert found["n001"]["power_state"] == power
    assert found["n001"]["provision_state"] == "deploy failed"
    assert found["n000"]["power_state"] == "power on"


def test_a_deployment_is_tried_again(ironic: Ironic) -> None:
    faults = {
        "n000": {"deploy": {"fail": "lost the way", "times": 1}},
        "n001": {"deploy": {"fail": "lost the way for ever"}},
    }
    run = fleet(ironic, "active", wanted(names(2), faults), retries=1)
    assert run.statuses() == {"changed": {"n000"}, "failed": {"n001"}}
    assert states(ironic) == {"n000": "active", "n001": "deploy failed"}
    assert "tried again" in " ".join(run.outcomes["n000"]["notes"])


def test_an_agent_that_never_calls_back_delays_nobody(ironic: Ironic) -> None:
    nodes = names(4)
    fleet(ironic, "available", wanted(nodes, {"n001": {"deploy": {"wait": True}}}))
    run = fleet(
        ironic,
        "active",
        wanted(nodes, {"n001": {"deploy": {"wait": True}}}),
        limits={"wait call-back": 8},
        on_failure="leave",
    )
    assert run.statuses() == {"changed": good(nodes, "n001"), "failed": {"n001"}}
    stuck = run.outcomes["n001"]
    assert stuck["state"] == "wait call-back"
    assert "wait call-back" in stuck["cause"]
    assert 8 <= stuck["seconds"] < 25
    assert all(run.outcomes[name]["seconds"] < stuck["seconds"] for name in good(nodes, "n001"))
    # The next run ends it when it may.
    run = fleet(ironic, "undeployed", [{"name": "n001"}])
    assert not run.failed
    assert states(ironic)["n001"] == "available"


def test_a_slow_bmc_is_waited_for_within_a_limit(ironic: Ironic) -> None:
    faults = {"n000": {"power_state": {"stall": 4}}, "n001": {"power_state": {"stall": 40}}}
    run = fleet(ironic, "manageable", wanted(names(3), faults), limits={"verifying": 8})
    assert run.statuses() == {"changed": {"n000", "n002"}, "failed": {"n001"}}
    assert run.outcomes["n001"]["state"] == "verifying"
    assert run.outcomes["n002"]["seconds"] < 4


def test_what_is_only_late_is_left_on(ironic: Ironic) -> None:
    """The conductor takes longer than the limit; the machine is not switched off under its deployment."""
    nodes = wanted(names(1), {"n000": {"deploy": {"stall": 6}}})
    fleet(ironic, "available", nodes)
    run = fleet(ironic, "active", nodes, limits={"deploying": 2})
    assert run.statuses() == {"failed": {"n000"}}
    ironic.wait("n000", "active")
    assert ironic.nodes()["n000"]["power_state"] == "power on"
    assert fleet(ironic, "active", nodes).statuses() == {"unchanged": {"n000"}}


def test_a_lock_is_waited_for(ironic: Ironic) -> None:
    """Somebody switches the node on, which takes a while, and Ironic locks it for that time."""
    nodes = wanted(names(2), {"n000": {"power_on": {"stall": 8, "times": 1}}})
    fleet(ironic, "inspected", nodes)
    fleet(ironic, "available", nodes)
    ironic.request("PUT", "/v1/nodes/n000/states/power", {"target": "power on"})
    before = len(ironic.requests())
    run = fleet(ironic, "active", nodes)
    assert run.statuses() == {"changed": {"n000", "n001"}}
    assert any(line.split()[2] == "409" for line in ironic.requests()[before:])
    assert run.outcomes["n001"]["seconds"] < run.outcomes["n000"]["seconds"]


def test_a_lock_that_stays_is_told(ironic: Ironic) -> None:
    nodes = wanted(names(2), {"n000": {"power_on": {"stall": 60, "times": 1}}})
    fleet(ironic, "inspected", nodes)
    fleet(ironic, "available", nodes)
    ironic.request("PUT", "/v1/nodes/n000/states/power", {"target": "power on"})
    run = fleet(ironic, "active", nodes, limits={"lock": 4}, on_failure="leave")
    assert run.statuses() == {"changed": {"n001"}, "failed": {"n000"}}
    assert "locked" in run.outcomes["n000"]["cause"]


def test_maintenance_is_respected_and_does_not_count(ironic: Ironic) -> None:
    nodes = names(3)
    fleet(ironic, "available", wanted(nodes))
    ironic.request("PUT", "/v1/nodes/n001/maintenance", {"reason": "a fan is being replaced"})
    run = fleet(ironic, "active", wanted(nodes))
    assert not run.failed
    assert run.statuses() == {"changed": good(nodes, "n001"), "skipped": {"n001"}}
    assert "a fan is being replaced" in " ".join(run.outcomes["n001"]["notes"])
    assert states(ironic)["n001"] == "available"


def test_cleaning_that_failed_is_told_and_tried_again(ironic: Ironic) -> None:
    nodes = names(2)
    fleet(ironic, "active", wanted(nodes, automated_clean=True))
    fault = {"clean": {"fail": "Error erasing block device"}}
    ironic.request("PATCH", "/v1/nodes/n000", [{"op": "add", "path": "/driver_info/faults", "value": fault}])
    run = fleet(ironic, "undeployed", [{"name": name} for name in nodes])
    assert run.failed
    assert run.statuses() == {"changed": {"n001"}, "failed": {"n000"}}
    assert "erased" in run.outcomes["n000"]["cause"]
    assert states(ironic) == {"n000": "clean failed", "n001": "available"}
    # Ironic has set it to maintenance, and it is taken out of that once somebody wants it cleaned again.
    run = fleet(ironic, "available", wanted(nodes, automated_clean=True))
    assert run.statuses() == {"changed": {"n000"}, "unchanged": {"n001"}}
    found = ironic.nodes()
    assert found["n000"]["provision_state"] == "available"
    assert not found["n000"]["maintenance"]


def test_what_is_protected_stays(ironic: Ironic) -> None:
    nodes = [{"name": name} for name in names(2)]
    fleet(ironic, "active", wanted(names(2)))
    ironic.request("PATCH", "/v1/nodes/n000", [{"op": "add", "path": "/protected", "value": True}])
    run = fleet(ironic, "undeployed", nodes)
    assert run.failed
    assert run.statuses() == {"skipped": {"n001"}, "failed": {"n000"}}
    assert "protected" in run.outcomes["n000"]["cause"]
    run = fleet(ironic, "undeployed", nodes, success=1)
    assert run.statuses() == {"changed": {"n001"}, "failed": {"n000"}}
    assert states(ironic) == {"n000": "active", "n001": "available"}


def test_nothing_is_written_to_a_disk_that_nobody_chose(ironic: Ironic) -> None:
    """Two disks, and no hint: the guard names both."""
    nodes = wanted(names(1))
    disks = [
        {"name": f"/dev/sd{letter}", "model": "FAKE", "size": 480 * 1024**3, "serial": f"serial-{letter}"}
        for letter in "ab"
    ]
    nodes[0]["node"]["driver_info"]["inventory"] = {
        "cpu": {"count": 4, "architecture": "x86_64"},
        "memory": {"physical_mb": 4096},
        "disks": disks,
        "interfaces": [],
    }
    fleet(ironic, "inspected", nodes)
    run = fleet(ironic, "active", nodes)
    assert run.statuses() == {"failed": {"n000"}}
    assert run.outcomes["n000"]["stage"] == "guard"
    assert "serial-a" in run.outcomes["n000"]["cause"]
    assert "serial-b" in run.outcomes["n000"]["cause"]
    assert states(ironic)["n000"] in ("manageable", "available")
    nodes[0]["instance"]["root_device"] = {"serial": "serial-b"}
    assert fleet(ironic, "active", nodes).statuses() == {"changed": {"n000"}}
    assert ironic.nodes()["n000"]["instance_info"]["root_device"] == {"serial": "serial-b"}


def test_no_password_is_shown(ironic: Ironic) -> None:
    nodes = wanted(names(1))
    nodes[0]["node"]["driver_info"]["fake_password"] = "very-secret"
    for check in (True, False):
        run = play.fleet(ironic, "available", nodes, check=check)
        assert run.statuses() == {"changed": {"n000"}}
        shown = {key: value for key, value in run.returned.items() if key != "invocation"}
        assert "very-secret" not in str(shown)
    assert not fleet(ironic, "available", nodes).changed
