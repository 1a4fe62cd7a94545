# SPDX-License-Identifier: Apache-2.0
"""A verb that destroys says which nodes, services and data would go, and changes nothing until it is confirmed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils import losses

ROOT = Path(__file__).resolve().parents[3]


def node(name: str, last: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "addresses": {"management": f"198.18.8.{last}"}, "managed": False, **more}


CLOUD: dict[str, Any] = {
    "name": "east",
    "services": ["node", "mariadb", "ovn", "nova"],
    "traffic": {"management": "management"},
    "networks": {"tunnel": {}, "management": {}},
    "nodes": [node("c1", 10), node("compute2", 12), node("bm1", 13, managed=True)],
    "members": {
        "node": {"main": [{"name": "c1"}, {"name": "compute2"}]},
        "mariadb": {"main": [{"name": "c1"}]},
        "ovn": {"central": [{"name": "c1"}], "chassis": [{"name": "c1"}, {"name": "compute2"}]},
        "nova": {"control": [{"name": "c1"}], "compute": [{"name": "compute2"}]},
    },
}


def test_a_node_that_leaves_loses_its_services_and_is_forgotten() -> None:
    assert losses.leaving(CLOUD, ["compute2", "compute2", "unknown"]) == [
        "compute2 (198.18.8.12): stops and removes nova compute, ovn chassis, node, with their configuration",
        "compute2 (198.18.8.12): the cloud forgets its compute service in Nova, its chassis in OVN",
        "compute2 (198.18.8.12): data of the services stay on its disks, and no longer belong to the cloud",
    ]
    assert losses.leaving(CLOUD, []) == []


def test_a_lab_loses_its_nodes_with_their_data_and_its_networks() -> None:
    assert losses.lab(CLOUD) == [
        "c1 (198.18.8.10): the node, with all that is on its disk: nova, ovn, mariadb, node",
        "compute2 (198.18.8.12): the node, with all that is on its disk: nova, ovn, node",
        "networks of the lab on this computer: management, tunnel",
    ]


def test_machines_lose_their_disks_but_those_to_preserve() -> None:
    outcomes = [
        {"name": "bm1", "status": "changed", "summary": ["cleaned", "removed"]},
        {"name": "bm2", "status": "unchanged", "summary": []},
        {"name": "bm3", "status": "failed", "summary": []},
        {"name": "bm4", "status": "changed", "summary": ["deployed"]},
    ]
    declared = [
        {"name": "bm1", "instance": {"preserve": []}},
        {"name": "bm4", "instance": {"preserve": [{"serial": "s1"}, {"wwn": "0x5000", "size": 4}]}},
    ]
    assert losses.machines(outcomes, declared) == [
        "bm1: cleaned, removed; all data are lost, no disk is preserved",
        "bm4: deployed; all data are lost, but for the disks serial=s1; wwn=0x5000, size=4, which stay",
    ]


def test_names_give_up_their_nodes() -> None:
    assert losses.allocations({"gpu1": "bm7", "gpu0": ""}) == [
        "gpu0: gives up its request",
        "gpu1: gives up bare-metal node bm7, which another name may then get",
    ]


@pytest.mark.parametrize("verb", losses.VERBS)
def test_the_refusal_says_what_would_go_and_how_to_confirm(verb: str) -> None:
    said = losses.refusal(verb, "east", ["c1: a", "c2: b"])
    assert said.startswith(f"{verb} ")
    assert "\n  c1: a\n  c2: b\n" in said
    assert "Nothing has been changed yet" in said
    assert said.endswith("-e ozone_confirm=true")


def play(tmp_path: Path, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A verb of the multinode example, whose nodes do not exist."""
    shutil.copytree(ROOT / "inventory" / "multinode", tmp_path / "multinode", dirs_exist_ok=True)
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_TIMEOUT": "3",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }  # fmt: skip
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return subprocess.run(
        [program, "-i", str(tmp_path / "multinode" / "cloud.yml"), f"ozone.openstack.{verb}", *arguments],
        cwd=ROOT, env=environment, text=True, capture_output=True, check=False, timeout=180,
    )  # fmt: skip


def made(tmp_path: Path) -> set[str]:
    """What a run left in the state directory, beside its report."""
    state = tmp_path / "state"
    files = {path.relative_to(state).as_posix() for path in state.rglob("*") if path.is_file()}
    return {name for name in files if "/reports/" not in name}


@pytest.mark.parametrize("nodes", ["ozone_nodes=compute1,compute2", '{"ozone_nodes": ["compute1", "compute2"]}'])
def test_scale_down_changes_nothing_unless_it_is_confirmed(tmp_path: Path, nodes: str) -> None:
    done = play(tmp_path, "scale_down", "-e", nodes)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "would have 0 of its 2 members left" in said, "a refusal comes first"
    done = play(tmp_path, "scale_down", "-e", nodes.replace("compute1,", "").replace('"compute1", ', ""))
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "compute2 (198.18.8." in said
    assert "stops and removes nova compute, " in said
    assert "the cloud forgets its compute service in Nova, its network agents in Neutron, its chassis in OVN" in said
    assert "Confirm it with -e ozone_confirm=true" in said
    assert made(tmp_path) == set()


def test_scale_down_asks_for_names(tmp_path: Path) -> None:
    done = play(tmp_path, "scale_down", "-e", "ozone_confirm=true")
    assert done.returncode != 0
    assert "Name the nodes: -e ozone_nodes=NAME,NAME" in done.stdout + done.stderr
    assert made(tmp_path) == set()
