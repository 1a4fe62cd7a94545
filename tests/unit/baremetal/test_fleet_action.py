# SPDX-License-Identifier: Apache-2.0
"""The action ``baremetal_fleet``: options, messages, and that no secret is shown."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from simulator import Clock, Ironic

from ansible_collections.ozone.openstack.plugins.action import baremetal_fleet
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import course, fleet
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import BaremetalError, Outcome

NODE = {
    "driver": "redfish",
    "driver_info": {"redfish_address": "https://198.51.100.1", "redfish_password": "a-long-password"},
    "description": "was written a-long-password on it",
}


class Shown:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, text: str, stderr: bool = False) -> None:
        assert stderr
        self.lines.append(text)


class Api(Ironic):
    password = "another-password"


@pytest.fixture
def ironic(monkeypatch: pytest.MonkeyPatch) -> Api:
    there = Api(Clock())
    monkeypatch.setattr(baremetal_fleet.ironic, "client", lambda options, variables, templar: there)
    return there


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    display = Shown()
    monkeypatch.setattr(baremetal_fleet, "Display", lambda: display)
    return display


def act(check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
    action = baremetal_fleet.ActionModule.__new__(baremetal_fleet.ActionModule)
    action._task = SimpleNamespace(check_mode=check, diff=diff)
    action._templar = None
    defaults = {name: spec.get("default") for name, spec in baremetal_fleet.ARGUMENTS.items()}
    result: dict[str, Any] = action.work({**defaults, **options}, {})
    return result


def test_nodes_get_there(ironic: Api, shown: Shown) -> None:
    nodes = [{"name": "bm0", "node": NODE}]
    plan = act(check=True, diff=True, target="enrolled", nodes=nodes)
    assert plan["changed"]
    assert ironic.changing() == []
    assert json.loads(plan["diff"][0]["after"])["driver"] == "redfish"
    result = act(diff=True, target="enrolled", nodes=nodes)
    assert result["changed"]
    assert "failed" not in result
    assert "warnings" not in result
    assert "diff" in result
    assert "diff" not in act(target="enrolled", nodes=nodes)
    assert ironic.of("bm0")["driver_info"]["redfish_password"] == "a-long-password"
    for text in (json.dumps([plan, result]), *shown.lines):
        assert "a-long-password" not in text
    assert any(text.startswith("    bm0: enrolled after") for text in shown.lines)


def test_bad_nodes_are_told(ironic: Api, shown: Shown) -> None:
    ironic.add("bm0", "enroll")
    ironic.add("bm1", "error", last_error="Unable to connect, said a-rescue-password")
    nodes = [{"name": "bm0"}, {"name": "bm1"}]
    result = act(target="removed", nodes=nodes, rescue_password="a-rescue-password")
    assert result["failed"]
    head, *lines = result["msg"].splitlines()
    assert head == "0 of 2 nodes are there, 2 are needed"
    assert lines[0].startswith("bm0: not begun")
    assert lines[1].startswith("bm1: way: it is 'error'")
    assert "a-rescue-password" not in json.dumps(result)
    result = act(target="removed", nodes=nodes, success="50%")
    assert "failed" not in result
    assert result["partial"]
    assert len(result["warnings"]) == 1


def test_a_message_is_not_endless() -> None:
    outcomes = [Outcome(f"bm{number}", "failed", cause="x") for number in range(60)]
    text = baremetal_fleet.message(fleet.Report(outcomes, False, 60, 0, 0))
    assert text.splitlines()[-1] == "and 10 more"
    assert len(text.splitlines()) == 52


def test_limits() -> None:
    assert baremetal_fleet.limits({}) == dict(course.LIMITS)
    assert baremetal_fleet.limits({"deploying": "60"})["deploying"] == 60
    with pytest.raises(BaremetalError) as caught:
        baremetal_fleet.limits({"deployin": 5, "deploying": "long", "lock": 0, "total": None, "busy": float("nan")})
    assert len(str(caught.value).splitlines()) == 5


def test_mistakes_are_told_before_ironic_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baremetal_fleet.ironic, "client", lambda *_: pytest.fail("asked"))
    with pytest.raises(BaremetalError, match="image"):
        act(target="active", nodes=[{"name": "bm0", "instance": {}}])
