# SPDX-License-Identifier: Apache-2.0
"""Nodes on their way, from nothing to running and back, as an operator sends them there."""

from __future__ import annotations

from tests.fleet import play
from tests.fleet.inside import fleet
from tests.fleet.play import image, names, states, wanted
from tests.lab.ironic_fake import Ironic

#: Nodes where many are what is tested, and where some are enough.
MANY, SOME = 30, 10


def test_there_and_back(ironic: Ironic) -> None:
    """Every target on the way does what it says, and a second run finds nothing to do."""
    nodes = names(MANY)
    for target, state in (
        ("enrolled", "enroll"),
        ("manageable", "manageable"),
        ("inspected", "manageable"),
        ("available", "available"),
        ("active", "active"),
        ("undeployed", "available"),
    ):
        run = fleet(ironic, target, wanted(nodes))
        assert not run.failed, run.returned["msg"]
        assert run.changed
        assert run.statuses() == {"changed": set(nodes)}
        assert set(states(ironic).values()) == {state}
        before = len(ironic.requests())
        again = fleet(ironic, target, wanted(nodes))
        asked = [line for line in ironic.requests()[before:] if line.startswith(("POST", "PUT", "PATCH", "DELETE"))]
        assert not again.changed
        assert again.statuses() == {"unchanged": set(nodes)}
        assert asked == []
        assert again.returned["requests"]["count"] <= 3
    gone = fleet(ironic, "removed", [{"name": name} for name in nodes])
    assert gone.statuses() == {"changed": set(nodes)}
    assert states(ironic) == {}
    assert not fleet(ironic, "removed", [{"name": name} for name in nodes]).changed


def test_from_nothing_to_running_in_one_run(ironic: Ironic) -> None:
    nodes = names(SOME)
    run = play.fleet(ironic, "active", wanted(nodes))
    assert run.statuses() == {"changed": set(nodes)}
    found = ironic.nodes()
    assert {node["provision_state"] for node in found.values()} == {"active"}
    assert {node["power_state"] for node in found.values()} == {"power on"}
    assert {node["instance_info"]["image_source"] for node in found.values()} == {image()["source"]}
    addresses = [port["address"] for port in ironic.get("/v1/ports")["ports"]]
    assert len(set(addresses)) == SOME
    assert not play.fleet(ironic, "active", wanted(nodes)).changed


def test_requests_of_a_deployment(ironic: Ironic) -> None:
    """What is promised of a run, polls included."""
    nodes = names(SOME)
    fleet(ironic, "inspected", wanted(nodes))
    fleet(ironic, "available", wanted(nodes))
    before = len(ironic.requests())
    run = fleet(ironic, "active", wanted(nodes))
    made = len(ironic.requests()) - before
    assert made == run.returned["requests"]["count"]
    assert run.returned["requests"]["per_node"] <= 12
    assert made / SOME <= 12


def test_a_plan_changes_nothing(ironic: Ironic) -> None:
    nodes = names(3)
    plan = play.fleet(ironic, "active", wanted(nodes), check=True)
    assert plan.changed
    assert plan.statuses() == {"changed": set(nodes)}
    assert states(ironic) == {}
    fleet(ironic, "available", wanted(nodes))
    plan = fleet(ironic, "active", wanted(nodes), check=True)
    assert plan.statuses() == {"changed": set(nodes)}
    assert set(states(ironic).values()) == {"available"}


def test_only_what_differs_is_rebuilt(ironic: Ironic) -> None:
    nodes = names(4)
    fleet(ironic, "active", wanted(nodes))
    mixed = wanted(nodes[:1]) + wanted(nodes, version=2)[1:2] + wanted(nodes)[2:]
    left = fleet(ironic, "active", mixed)
    assert not left.changed
    assert "rebuilt" in " ".join(left.outcomes["n001"]["notes"])
    run = fleet(ironic, "rebuilt", mixed)
    assert run.statuses() == {"changed": {"n001"}, "unchanged": {"n000", "n002", "n003"}}
    assert ironic.nodes()["n001"]["instance_info"]["image_source"] == image(2)["source"]
    assert not fleet(ironic, "rebuilt", mixed).changed
    assert fleet(ironic, "rebuilt", mixed, force=True).statuses() == {"changed": set(nodes)}


def test_parallel_is_a_limit(ironic: Ironic) -> None:
    """Of six nodes never more than two are being deployed."""
    nodes = names(6)
    fleet(ironic, "inspected", wanted(nodes))
    fleet(ironic, "available", wanted(nodes))
    before = len(ironic.requests())
    run = fleet(ironic, "active", wanted(nodes), parallel=2)
    assert run.statuses() == {"changed": set(nodes)}
    verbs = [line for line in ironic.requests()[before:] if "/states/provision" in line or "/nodes?" in line]
    begun = [index for index, line in enumerate(verbs) if line.startswith("PUT")]
    assert len(begun) == 6
    # After the first two, Ironic was looked at before the next one was begun.
    assert begun[2] > begun[1] + 1


def test_rescue_and_back(ironic: Ironic) -> None:
    nodes = names(2)
    fleet(ironic, "active", wanted(nodes))
    fleet(ironic, "rescued", [{"name": name} for name in nodes], rescue_password="for a test only")
    assert set(states(ironic).values()) == {"rescue"}
    fleet(ironic, "active", wanted(nodes))
    assert set(states(ironic).values()) == {"active"}


def test_what_runs_already_is_adopted(ironic: Ironic) -> None:
    nodes = names(2)
    run = fleet(ironic, "adopted", wanted(nodes))
    assert run.statuses() == {"changed": set(nodes)}
    assert set(states(ironic).values()) == {"active"}
    assert not any("wait call-back" in outcome["stages"] for outcome in run.outcomes.values())
