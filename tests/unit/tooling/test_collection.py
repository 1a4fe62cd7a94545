# SPDX-License-Identifier: Apache-2.0
"""The collection as it is published: built, installed elsewhere, and used from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def run(program: str, *arguments: str | Path, cwd: Path, **environ: str) -> str:
    argv = [str(Path(sys.executable).with_name(program)), *map(str, arguments)]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    done = subprocess.run(
        argv, cwd=cwd, env=clean | {"LC_ALL": "C.UTF-8"} | environ,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("build")
    run("ansible-galaxy", "collection", "build", "--output-path", directory, ROOT, cwd=directory)
    (built,) = directory.glob("*.tar.gz")
    return built


@pytest.fixture(scope="module")
def installed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("collections")
    run("ansible-galaxy", "collection", "install", archive, "-p", directory, "--offline", cwd=directory)
    return directory


def test_nothing_of_a_run_is_published(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert {"README.md", "LICENSE", "meta/runtime.yml", "playbooks/deploy.yml"} <= set(names)
    parts = {part for name in names for part in Path(name).parts}
    assert not parts & {".ansible", ".git", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__", "build"}


def test_the_installed_collection_works_away_from_the_clone(installed: Path, tmp_path: Path) -> None:
    environ = {
        "ANSIBLE_COLLECTIONS_PATH": str(installed),
        "ANSIBLE_INVENTORY_ENABLED": "ozone.openstack.cloud",
        "ANSIBLE_STDOUT_CALLBACK": "ozone.openstack.progress",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "OZONE_STATE": str(tmp_path / "state"),
        "OZONE_CACHE": str(tmp_path / "cache"),
    }
    cloud = installed / "ansible_collections" / "ozone" / "openstack" / "inventory" / "standalone" / "cloud.yml"
    graph = json.loads(run("ansible-inventory", "-i", cloud, "--list", cwd=tmp_path, **environ))
    assert graph["keystone"]["hosts"] == ["node1"]
    (tmp_path / "play.yml").write_text(
        "- hosts: node1\n  gather_facts: false\n  tasks: [{ansible.builtin.debug: {msg: yes}}]\n"
    )
    out = run("ansible-playbook", "-i", cloud, tmp_path / "play.yml", cwd=tmp_path, **environ)
    assert "play: ok in" in out
    for verb in ("deploy", "plan", "validate"):
        run("ansible-playbook", "-i", cloud, "--syntax-check", f"ozone.openstack.{verb}", cwd=tmp_path, **environ)
