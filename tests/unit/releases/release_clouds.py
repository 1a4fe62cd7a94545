# SPDX-License-Identifier: Apache-2.0
"""The clouds of this collection, rendered for every release: see ``render_clouds.py``."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
RELEASES = sorted(path.parent.name for path in (ROOT / "releases").glob("*/release.yml"))


def with_conductors(release: str) -> dict[str, Any]:
    """``traffic``, ``profiles``, ``nodes`` and ``overrides`` with Ironic in MariaDB, on several nodes where it can."""
    first = {"networks": ["provisioning", "internal"], "services": ["node", "mariadb", "ironic"]}
    more = {"networks": ["provisioning", "internal"], "services": ["node", "ironic"]}
    return {
        "traffic": {"management": "provisioning", "provisioning": "provisioning", "database": "internal"},
        "profiles": {"first": first, "more": more},
        "nodes": {"undercloud1": {"profile": "first"}}
        | ({f"undercloud{number}": {"profile": "more"} for number in (2, 3)} if release >= "2025.2" else {}),
        "overrides": {"ironic": {"variables": {"ironic_database": "mariadb"}}},
    }


def edited(cloud: str, release: str, **changes: Any) -> dict[str, Any]:
    """The definition of a cloud of inventory/ for a release, some of its keys replaced."""
    data = copy.deepcopy(yaml.safe_load((ROOT / "inventory" / cloud / "cloud.yml").read_text(encoding="utf-8")))
    return {**data, "release": release, **changes}


def with_controllers(data: dict[str, Any]) -> dict[str, Any]:
    """``profiles`` and ``nodes`` with two more nodes that have what may be there more than once."""
    parts = ["node", "memcached", "rabbitmq", "keystone", "placement", {"neutron": ["control"]}, {"nova": ["control"]}]
    return {
        "profiles": {**data["profiles"], "second": {"services": parts}},
        "nodes": {**data["nodes"], **{f"controller{number}": {"profile": "second"} for number in (2, 3)}},
    }


#: Name -> the definition for a release. Between them they have every service and every component.
CLOUDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "standalone": lambda release: edited("standalone", release),
    "multinode": lambda release: edited("multinode", release),
    "several": lambda release: edited("multinode", release, **with_controllers(edited("multinode", release))),
    "undercloud": lambda release: edited("baremetal", release),
    "conductors": lambda release: edited("baremetal", release, **with_conductors(release)),
}


@dataclass(frozen=True)
class Rendered:
    """One service on one node."""

    cloud: str
    release: str
    node: str
    service: str
    manifest: Mapping[str, Any]
    contents: Mapping[str, str]


def render(directory: Path, definitions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Render clouds, given by any name; name -> node -> service -> manifest and contents."""
    files = {}
    for name, data in definitions.items():
        # The state of a cloud lies below its name: one of its own each.
        files[name] = directory / name / "cloud.yml"
        files[name].parent.mkdir()
        files[name].write_text(yaml.safe_dump(dict(data), sort_keys=False), encoding="utf-8")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OZONE_"))}
    script = [sys.executable, str(Path(__file__).with_name("render_clouds.py")), str(ROOT / ".ansible" / "collections")]
    done = subprocess.run(
        [*script, str(directory / "state"), *map(str, files.values())],
        capture_output=True, text=True, timeout=300, check=False, cwd=directory,
        env={**environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    return {name: found[str(file)] for name, file in files.items()}


def rendered_clouds(directory: Path) -> list[Rendered]:
    """Every service on every node of ``CLOUDS``, for every release."""
    definitions = {f"{cloud} {release}": make(release) for cloud, make in CLOUDS.items() for release in RELEASES}
    result = []
    for name, nodes in render(directory, definitions).items():
        assert "error" not in nodes, f"{name}: {nodes['error']}"
        cloud, release = name.split()
        for node, services in nodes.items():
            result += [Rendered(cloud, release, node, service, **found) for service, found in services.items()]
    return result
