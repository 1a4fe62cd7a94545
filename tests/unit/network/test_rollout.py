# SPDX-License-Identifier: Apache-2.0
"""The action ``network_rollout`` in a playbook, with results of nodes that nobody asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

DIFFERS: dict[str, Any] = {"changed": False, "summary": ["bond0: new"]}
SAME: dict[str, Any] = {"changed": False, "summary": []}
REFUSED: dict[str, Any] = {"failed": True, "msg": "there is no NIC eth7"}
AWAY: dict[str, Any] = {"failed": True, "unreachable": True, "msg": "no answer"}


def play(tmp_path: Path, results: dict[str, Any], batches: Any, limit: str = "all") -> subprocess.CompletedProcess[str]:
    """Order the nodes of the example, whose results are given."""
    action = {"results": "network_result", **({"batches": batches} if batches else {})}
    tasks = [
        {"ansible.builtin.set_fact": {"network_result": "{{ results_of[inventory_hostname] }}"}},
        {"ozone.openstack.network_rollout": action, "run_once": True, "register": "rollout"},
        {"ansible.builtin.debug": {"msg": "WAVES={{ rollout.waves | to_json }}"}, "run_once": True},
    ]
    playbook = [{"hosts": "all", "gather_facts": False, "vars": {"results_of": results}, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(playbook))
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "--limit", limit]
    argv += ["-i", str(COLLECTION / "inventory" / "bonded" / "cloud.yml"), str(tmp_path / "play.yml")]
    environ = os.environ | {
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION / ".ansible" / "collections"),
        "ANSIBLE_CONFIG": str(COLLECTION / "ansible.cfg"),
        "OZONE_STATE": str(tmp_path),
        "LC_ALL": "C.UTF-8",
    }
    return subprocess.run(argv, capture_output=True, text=True, env=environ, cwd=tmp_path, timeout=120, check=False)


def waves(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    line = next(line for line in done.stdout.splitlines() if "WAVES=" in line)
    return [wave["hosts"] for wave in json.loads(line.partition("WAVES=")[2])]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("all", [["controller1", "compute1", "edge1"]]), ("compute1", [["compute1"]])],
)
def test_nodes_that_differ(tmp_path: Path, limit: str, expected: list[list[str]]) -> None:
    results = {"controller1": DIFFERS, "compute1": DIFFERS, "compute2": SAME, "edge1": DIFFERS}
    assert waves(play(tmp_path, results, None, limit)) == expected


def test_batches(tmp_path: Path) -> None:
    results = dict.fromkeys(("controller1", "compute1", "compute2", "edge1"), DIFFERS)
    assert waves(play(tmp_path, results, [1, "50%"])) == [["controller1", "compute1", "edge1"], ["compute2"]]


def test_a_node_that_does_not_answer_is_left_out(tmp_path: Path) -> None:
    results = {"controller1": DIFFERS, "compute1": AWAY, "compute2": SAME, "edge1": SAME}
    assert waves(play(tmp_path, results, None)) == [["controller1"]]


@pytest.mark.parametrize(
    ("results", "batches", "message"),
    [
        ({"compute1": REFUSED}, None, "compute1: there is no NIC eth7"),
        ({}, ["many"], "batches: 'many' is no size of a batch"),
    ],
)
def test_refused(tmp_path: Path, results: dict[str, Any], batches: Any, message: str) -> None:
    every = dict.fromkeys(("controller1", "compute1", "compute2", "edge1"), DIFFERS) | results
    done = play(tmp_path, every, batches)
    assert done.returncode == 2
    assert message in " ".join(done.stdout.split())
