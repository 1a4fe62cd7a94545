# SPDX-License-Identifier: Apache-2.0
"""Nodes in words."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from simulator import Clock, Ironic

from ansible_collections.ozone.openstack.plugins.action import baremetal_fleet_info
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.survey import survey

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def node(**fields: Any) -> dict[str, Any]:
    return {
        "uuid": "u",
        "name": "bm0",
        "provision_state": "active",
        "power_state": "power on",
        "provision_updated_at": "2026-11-21T11:00:00+00:00",
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, ""),
        ({"provision_state": "enroll", "power_state": None}, ""),
        ({"power_state": "power off"}, "is active, and switched off"),
        ({"provision_state": "available", "power_state": None}, "the BMC does not tell the power state"),
        ({"provision_state": "deploy failed"}, "is 'deploy failed': Ironic does not say why"),
        ({"provision_state": "deploying", "reservation": "c1"}, "'deploying' for 3600 s, locked by c1: "),
        ({"provision_state": "deploying", "provision_updated_at": "2026-11-21T11:59:00"}, ""),
        ({"provision_state": "deploying", "provision_updated_at": None}, ""),
        ({"provision_state": "deploy hold"}, "a step of an operator holds it in 'deploy hold'"),
        ({"maintenance": True}, "is in maintenance: nobody said why"),
        (
            {"maintenance": True, "fault": "power failure", "maintenance_reason": "x"},
            "is in maintenance (power failure)",
        ),
        ({"last_error": "Unable to connect to x"}, "the BMC does not answer"),
        ({"provision_state": "melting"}, ""),
    ],
)
def test_problems(fields: dict[str, Any], problem: str) -> None:
    [found] = survey([node(**fields)], None, NOW)
    assert found["problem"].startswith(problem)
    assert bool(found["problem"]) is bool(problem)


def test_names() -> None:
    nodes = [node(), node(uuid="v", name=None), node(uuid="w", name="bm2", instance_info={"ozone_digest": "x"})]
    assert [found["name"] for found in survey(nodes, None, NOW)] == ["bm0", "bm2", "v"]
    chosen = survey(nodes, ["bm2", "bm7"], NOW)
    assert [(found["name"], found["problem"]) for found in chosen] == [
        ("bm2", ""),
        ("bm7", "Ironic has no node of this name"),
    ]
    assert chosen[0]["ours"]


def test_the_action(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Ironic(Clock())
    there.add("bm0", "active", power_state="power on", provision_updated_at="2026-11-21T11:00:00+00:00")
    there.add("bm1", "deploy failed", last_error="Timeout reached while waiting for callback for node x")
    monkeypatch.setattr(baremetal_fleet_info.ironic, "client", lambda options, variables, templar: there)
    action = baremetal_fleet_info.ActionModule.__new__(baremetal_fleet_info.ActionModule)
    action._task = SimpleNamespace(check_mode=False)
    action._templar = None
    result = action.work({"names": None, "limits": {}, "cloud": "", "clouds_file": None}, {})
    assert result["states"] == {"active": 1, "deploy failed": 1}
    assert len(result["problems"]) == 1
    assert result["problems"][0].startswith("bm1: is 'deploy failed': the ramdisk did not call back")
    assert not result["changed"]
    assert len(there.made) == 1
