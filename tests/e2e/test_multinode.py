# SPDX-License-Identifier: Apache-2.0
"""Three nodes with separate networks, and a fourth that joins."""

from __future__ import annotations

from typing import Any

from tests.lab.cloud import Cloud, await_true


def test_instances_on_two_computes_reach_each_other(multinode: Cloud) -> None:
    assert multinode.run("smoke", "-e", "{ozone_smoke_computes: [compute1, compute2]}").code == 0


def test_after_an_outage_of_all_nodes_the_cloud_is_back_by_itself(multinode: Cloud) -> None:
    multinode.outage()
    await_true("validate", lambda: multinode.run("validate").code == 0, 180)
    assert multinode.run("smoke", "-e", "{ozone_smoke_computes: [compute1, compute2]}").code == 0


def test_a_compute_that_joins_changes_nothing_on_the_others(multinode: Cloud) -> None:
    others = list(multinode.original["nodes"])
    before = {node: multinode.started(node) for node in others}

    def add(definition: dict[str, Any]) -> None:
        definition["nodes"]["compute3"] = {"profile": "compute"}

    multinode.changed(add)
    assert multinode.run("lab").code == 0
    result = multinode.run("deploy")
    assert result.code == 0
    assert {node: multinode.started(node) for node in others} == before
    assert all(result.statuses(node) == {"unchanged"} for node in others)


def test_a_compute_that_leaves_is_forgotten_everywhere(multinode: Cloud) -> None:
    assert multinode.run("scale_down", "-e", "{ozone_nodes: [compute3]}").code == 0
    chassis = multinode.ssh("controller1", "ovn-sbctl --columns=hostname --bare list chassis")
    assert "compute3" not in chassis
    assert "compute2" in chassis
