# SPDX-License-Identifier: Apache-2.0
"""A tiny release of its own, and a store without buildah."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.images import locks
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import Release, load_release

COMMON: dict[str, Any] = {
    "base": ["python3"],
    "python": ["pyuwsgi"],
    "build": ["setuptools"],
    "images": {
        "keystone": {"packages": ["keystone"], "options": {"keystone.conf": {"namespaces": ["keystone"]}}},
        "nova": {"packages": ["nova"], "debian": ["qemu-utils"], "modules": ["libvirt.py"], "etc": ["api-paste.ini"]},
    },
}
OWN: dict[str, Any] = {
    "release": "2026.1",
    "title": "Gazpacho",
    "constraints": "https://constraints.example/2026.1",
    "suite": "bookworm",
    "python": "3.11",
    "versions": {"keystone": "~=29.0", "nova": "~=33.0"},
    "source": ["ovs"],
}


def lock_text(release: Release, image: str, *pins: str) -> str:
    """A lock as uv would write it."""
    wanted = sorted(release.build) if image == locks.BUILD else release.requirements(image)
    body = "".join(f"{pin} \\\n    --hash=sha256:{'0' * 64}\n    # via something\n" for pin in pins)
    return f"# Made by a test\n{locks.header(wanted)}\n{body}"


class Releases:
    """A releases directory that a test can change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.common: dict[str, Any] = json.loads(json.dumps(COMMON))
        self.own: dict[str, Any] = json.loads(json.dumps(OWN))
        (path / "2026.1").mkdir(parents=True)
        release = self.load()
        for image, pins in {
            "keystone": ["keystone==29.1.0", "pyuwsgi==2.0"],
            "nova": ["nova==33.0.2", "ovs==3.7.0"],
            locks.BUILD: ["setuptools==80.0"],
        }.items():
            release.lock(image).write_text(lock_text(release, image, *pins))

    def load(self) -> Release:
        """Write the definitions and read them."""
        (self.path / "images.yml").write_text(yaml.safe_dump(self.common))
        (self.path / "2026.1" / "release.yml").write_text(yaml.safe_dump(self.own))
        return load_release(self.path, "2026.1")


class FakeStore:
    """Keeps the store's JSON files as containers-storage does, for a buildah that only notes what it was told."""

    def __init__(self, root: Path) -> None:
        self.graph = root / "store"
        self.calls: list[list[str]] = []
        self.layers: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []
        self.containers: list[dict[str, Any]] = []

    def write(self) -> None:
        """Write all files."""
        for directory, name, items in (
            ("overlay-layers", "layers", self.layers),
            ("overlay-images", "images", self.images),
            ("overlay-containers", "containers", self.containers),
        ):
            (self.graph / directory).mkdir(parents=True, exist_ok=True)
            (self.graph / directory / f"{name}.json").write_text(json.dumps(items))

    def add(self, name: str, size: int = 10, parent: str = "") -> str:
        """Add a complete image; its id."""
        number = f"{len(self.layers) + 1:064x}"
        self.layers.append({"id": number, "parent": parent, "diff-size": size})
        (self.graph / "overlay" / number / "diff").mkdir(parents=True)
        for image in self.images:  # a name belongs to the newest
            image["names"] = [old for old in image["names"] if old != name]
        self.images.append({"id": number, "layer": number, "names": [name] if name else []})
        (self.graph / "overlay-images" / number).mkdir(parents=True)
        (self.graph / "overlay-images" / number / "manifest").write_text("{}")
        self.write()
        return number

    def run(self, argv: Sequence[str], timeout: float) -> str:
        """Instead of buildah."""
        assert argv[0] == "buildah"
        assert timeout > 0
        self.calls.append(list(argv[1:]))
        if argv[1] == "rm":
            self.containers = [item for item in self.containers if argv[2] not in item["names"]]
        if argv[1] == "rmi":
            self.images = [item for item in self.images if item["id"] != argv[-1]]
        self.write()
        return ""
