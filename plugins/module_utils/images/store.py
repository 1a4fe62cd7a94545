# SPDX-License-Identifier: Apache-2.0
"""The store of built images on the deployment host, and the index that says which image of a release is where.

The store is an ordinary containers-storage directory (overlay driver): buildah writes it, nodes of a lab mount it
read-only as one of podman's ``additionalimagestores``. What is in it is read from its own JSON files, which takes
milliseconds where a command takes a second; it is only changed by buildah.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import write_atomic, write_if_changed

#: Containers that a build works in; what is left of them belongs to a build that was killed.
WORKING = "ozone-build-"

#: Runs a command with a time limit in seconds; its standard output. Raises on failure.
Runner = Callable[[Sequence[str], float], str]


class Entry(TypedDict):
    """One image in the index of a release."""

    name: str
    id: str
    inputs: str
    size: int
    options: str


@dataclass(frozen=True)
class Record:
    """One image in the store."""

    id: str
    names: tuple[str, ...]
    size: int  # bytes of all its layers, unpacked


class Store:
    """The store below ``root`` (``$CACHE/images``)."""

    def __init__(self, root: Path, run: Runner) -> None:
        """``run`` executes buildah; it is called with the complete argv."""
        self.root = root
        self.graph = root / "store"
        self.run = run

    def prepare(self) -> None:
        """Make the directories and the storage configuration that keeps the host's own out of it."""
        self.graph.mkdir(parents=True, exist_ok=True)
        write_if_changed(self.root / "storage.conf", self.configuration(), 0o644)

    def configuration(self) -> str:
        """containers-storage.conf(5) text. The run-time part is on a tmpfs: mounts do not survive a restart either."""
        key = hashlib.sha256(str(self.graph).encode()).hexdigest()[:12]
        return f'[storage]\ndriver = "overlay"\ngraphroot = "{self.graph}"\nrunroot = "/run/ozone/images-{key}"\n'

    def environment(self) -> dict[str, str]:
        """Variables with which buildah, podman and skopeo work on this store."""
        return {"CONTAINERS_STORAGE_CONF": str(self.root / "storage.conf"), "STORAGE_DRIVER": "", "STORAGE_OPTS": ""}

    def buildah(self, *arguments: str, timeout: float = 120) -> str:
        """Run buildah on the store; its standard output without the final line break."""
        return self.run(["buildah", *arguments], timeout).rstrip("\n")

    def records(self) -> dict[str, Record]:
        """Complete images by id. One with a layer that is missing or half written does not count."""
        layers = {layer["id"]: layer for layer in _json_list(self.graph / "overlay-layers" / "layers.json")}
        found = {}
        for image in _json_list(self.graph / "overlay-images" / "images.json"):
            size: int | None = 0
            layer_id = image.get("layer", "")
            while layer_id and size is not None:
                layer = layers.get(layer_id)
                if (
                    layer is None
                    or layer.get("flags", {}).get("incomplete")
                    or not (self.graph / "overlay" / layer_id / "diff").is_dir()
                ):
                    size = None
                else:
                    size += int(layer.get("diff-size", 0))
                    layer_id = layer.get("parent", "")
            if size is not None and (self.graph / "overlay-images" / image["id"] / "manifest").is_file():
                found[image["id"]] = Record(image["id"], tuple(image.get("names") or ()), size)
        return found

    def find(self, name: str) -> Record | None:
        """The complete image with this name."""
        return next((record for record in self.records().values() if name in record.names), None)

    def working(self) -> list[str]:
        """Names of the containers that builds work in, or that killed builds have left."""
        containers = _json_list(self.graph / "overlay-containers" / "containers.json")
        return [name for item in containers for name in item.get("names") or () if name.startswith(WORKING)]

    def recover(self) -> list[str]:
        """Remove what killed builds have left; their names. Only for who holds the lock."""
        left = self.working()
        for name in left:
            self.buildah("umount", name)
            self.buildah("rm", name)
        return left

    def remove(self, image_id: str) -> None:
        """Remove an image with all its names, and the layers that nobody else uses."""
        self.buildah("rmi", "--force", image_id)


def _json_list(path: Path) -> list[dict[str, Any]]:
    """A JSON list of mappings; empty when the file is missing or not what it should be."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [item for item in data if isinstance(item, dict) and "id" in item] if isinstance(data, list) else []


def index_path(root: Path, release: str) -> Path:
    """The index of a release."""
    return root / f"{release}.json"


def read_index(root: Path, release: str) -> dict[str, Entry]:
    """The index of a release: image -> entry. One that cannot be read is empty: its images are found again by name."""
    try:
        data = json.loads(index_path(root, release).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {
        name: Entry(
            name=entry["name"], id=entry["id"], inputs=entry["inputs"], size=entry["size"], options=entry["options"]
        )
        for name, entry in data.items()
        if isinstance(entry, dict) and set(Entry.__annotations__) <= set(entry)
    }


def write_index(root: Path, release: str, entries: Mapping[str, Entry]) -> None:
    """Replace the index of a release in one step."""
    text = json.dumps({name: entries[name] for name in sorted(entries)}, indent=2, sort_keys=True) + "\n"
    write_atomic(index_path(root, release), text, 0o644)


def superseded(records: Mapping[str, Record], indexed: Sequence[str], bases: Sequence[str]) -> list[Record]:
    """Images that no index and no base in use names. ``indexed``: ids; ``bases``: names."""
    kept = set(indexed)
    return [
        record
        for record in records.values()
        if record.id not in kept and not set(record.names) & set(bases) and _is_ours(record.names)
    ]


def _is_ours(names: Sequence[str]) -> bool:
    """Whether an image came from here. Without a name it is what a newer one has replaced."""
    return all(name.startswith("localhost/ozone/") for name in names)
