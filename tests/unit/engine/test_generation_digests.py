# SPDX-License-Identifier: Apache-2.0
"""Digests of all nodes at once are those that a node's own rendering has."""

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
from tests.lab.image_index import write_image_index

NODES = 20
PLAY = """
- hosts: all
  gather_facts: false
  vars:
    nova_workers: 3
    ansible_ssh_executable: "{{ playbook_dir }}/ssh"
    ansible_python_interpreter: python3
  tasks:
    - ozone.openstack.secrets:
        secrets: "{{ ozone_cloud.secrets.values() | combine }}"
      run_once: true
    - ozone.openstack.certificate:
        certificates: "{{ ozone_cloud | ozone.openstack.certificates }}"
      run_once: true
    - ozone.openstack.generation_digests: {only: "{{ only | default([]) }}"}
      run_once: true
      register: desired
    - ansible.builtin.copy: {content: "{{ desired.nodes | to_json }}", dest: "{{ out }}", mode: "0600"}
      delegate_to: localhost
      run_once: true
    - ozone.openstack.plan: {desired: "{{ desired.nodes[inventory_hostname] }}"}
      when: inventory_hostname == 'compute3'
"""


def definition(nodes: int) -> dict[str, Any]:
    """inventory/multinode with more computes, and nodes that differ by their overrides."""
    data: dict[str, Any] = yaml.safe_load((COLLECTION / "inventory" / "multinode" / "cloud.yml").read_text())
    data["nodes"] |= {f"compute{number}": {"profile": "compute"} for number in range(3, nodes)}
    data["nodes"]["compute1"]["overrides"] = {
        "nova": {"variables": {"nova_cpu_mode": "host-model"}, "config": {"nova.conf": {"DEFAULT": {"debug": True}}}}
    }
    return data


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with cloud.yml, and an index of images that were never built."""
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "compute3.yml").write_text('nova_debug: "{{ not_defined }}"')
    (tmp_path / "cloud.yml").write_text(yaml.safe_dump(definition(NODES), sort_keys=False))
    probe = {"changed": False, "os": {"id": "debian", "version_id": "13"}, "time": 0, "services": {}}
    (tmp_path / "ssh").write_text(f"#!/bin/sh\ncat > /dev/null\necho '{json.dumps(probe)}'\n")
    (tmp_path / "ssh").chmod(0o755)
    write_image_index(tmp_path / "cache", "2026.1")
    monkeypatch.setenv("OZONE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("OZONE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def start(directory: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command in the directory of the cloud."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")} | {
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION / ".ansible" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
    }
    return subprocess.run(
        [str(word) for word in command],
        cwd=directory, env=environ, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def run(directory: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """Run the play; returns what it shows, and the digests."""
    out = directory / "out.json"
    out.unlink(missing_ok=True)
    (directory / "play.yml").write_text(PLAY)
    program = Path(sys.executable).with_name("ansible-playbook")
    done = start(directory, program, "-i", "cloud.yml", "play.yml", "-e", f"out={out}", *arguments)
    return done.stdout + done.stderr, json.loads(out.read_text()) if out.exists() else {}


def alone(directory: Path, *nodes: str, **variables: Any) -> dict[str, Any]:
    """What render_alone.py says of nodes."""
    script = Path(__file__).with_name("render_alone.py")
    done = start(directory, sys.executable, script, json.dumps({"nodes": nodes, "variables": variables}))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_digests_are_those_of_each_node_alone(cloud: Path) -> None:
    """In several processes, with what nodes share, and with the variables of the play."""
    shown, found = run(cloud)
    assert list(found) == ["controller1", "compute1", "compute2", *(f"compute{n}" for n in range(3, NODES))], shown
    failed = found.pop("compute3")
    assert "not_defined" in failed["error"]
    assert "'not_defined' is undefined" in shown
    assert "failed=1" in shown and shown.count("failed=0") == NODES - 1
    assert len({node["generations"]["nova"]["digest"] for node in found.values()}) == NODES - 1

    names = ("controller1", "compute1", "compute2", f"compute{NODES - 1}")
    rendered = alone(cloud, *names, nova_workers=3)
    assert rendered["shared"] == rendered["alone"]
    assert rendered["alone"] == {name: found[name]["generations"] for name in names}
    assert list(rendered["alone"]["compute1"]) == list(found["compute1"]["generations"])
    assert alone(cloud, "controller1")["alone"]["controller1"]["nova"] != rendered["alone"]["controller1"]["nova"]

    # What is equal for many nodes is done once: a further node costs no template to compile and no file to parse.
    controller, _, second, third = (rendered["costs"][name] for name in names)
    assert len([cost for cost in controller if cost.startswith("compile")]) > 50
    assert [cost for cost in second + third if "\\" not in cost] == []


def test_only_some_services(cloud: Path) -> None:
    found = run(cloud, "-e", '{"only": ["node", "mariadb"]}')[1]
    assert list(found["controller1"]["generations"]) == ["node", "mariadb"]
    assert list(found["compute3"]["generations"]) == ["node"]
    shown, _ = run(cloud, "-e", '{"only": ["nothing"]}')
    assert "only: the cloud has no service nothing (it has node" in shown
