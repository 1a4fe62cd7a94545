# SPDX-License-Identifier: Apache-2.0
"""The options that each image of a release knows, committed beside the lock files: ``<release>/options/<image>.json``.

An image's build writes the complete data, help texts included, into the cache of the deployment host. What is committed
is only what a check of a rendered configuration needs, so that the tests check every role against every release without
building an image. ``make option-data`` writes the files; ``stale`` tells from the lock file whether one is up to date.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import write_if_changed
from ansible_collections.ozone.openstack.plugins.module_utils.images import locks, recipe
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import Release, ReleaseError

#: What is kept of an option besides ``name`` and ``type``, when it says something.
KEPT = ("min", "max", "choices", "secret", "syntax")


def path(release: Release, image: str) -> Path:
    """The committed file of an image."""
    return release.directory / "options" / f"{image}.json"


def made_of(release: Release, image: str) -> str:
    """Digest of all that the options of an image depend on: its lock file, its ``options`` in images.yml, inside.py."""
    lock = release.lock(image).read_text(encoding="utf-8")
    inside = Path(__file__).with_name("inside.py").read_text(encoding="utf-8")
    return recipe.digest(
        [locks.digest(lock), recipe.options_request(release.images[image]), recipe.code_digest(inside)]
    )


def slim(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of one configuration file without help texts and empty keys. The shape stays that of ``OptionData``.

    An option has ``name`` (with ``_``), ``type`` and, where they say something, ``dest``, ``min``, ``max``,
    ``choices`` (without their help texts), ``secret`` and ``syntax`` (see inside.py).
    """
    options: dict[str, Any] = {}
    for section, group in data["options"].items():
        found = []
        for option in group.get("opts") or []:
            name = option["name"].replace("-", "_")
            kept: dict[str, Any] = {"name": name, "type": option.get("type") or "string value"}
            if (option.get("dest") or name) != name:
                kept["dest"] = option["dest"]
            said = {key: option[key] for key in KEPT if option.get(key) is not None}
            kept |= {key: value for key, value in said.items() if value is not False and value != []}  # 0 is a limit
            if "choices" in kept:  # some come from a set, in another order each time
                kept["choices"] = sorted((i[0] if isinstance(i, list) else i for i in kept["choices"]), key=str)
            if "choices" in kept.get("syntax", {}):
                kept["syntax"] = {**kept["syntax"], "choices": sorted(kept["syntax"]["choices"], key=str)}
            found.append(kept)
        options[section] = {"opts": sorted(found, key=lambda item: item["name"])}
        if group.get("dynamic_group_owner"):
            options[section]["dynamic_group_owner"] = group["dynamic_group_owner"]
    former = {
        section: [
            {
                "name": entry["name"].replace("-", "_"),
                "replacement_group": entry["replacement_group"],
                "replacement_name": entry["replacement_name"].replace("-", "_"),
            }
            for entry in entries
        ]
        for section, entries in (data.get("deprecated_options") or {}).items()
        if entries
    }
    return {"options": options, "deprecated_options": former}


def _text(digest: str, files: Mapping[str, Mapping[str, Any]]) -> str:
    """JSON with one section of one configuration file in a line, so that two releases can be compared."""

    def line(value: Any) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))

    parts = []
    for file, data in sorted(files.items()):
        groups = []
        for key in ("options", "deprecated_options"):
            lines = ",\n".join(f"{line(section)}:{line(value)}" for section, value in sorted(data[key].items()))
            groups.append(f"{line(key)}:{{\n{lines}\n}}")
        parts.append(f"{line(file)}:{{\n{','.join(groups)}\n}}")
    return f'{{"made_of":{line(digest)},\n"files":{{\n{",".join(parts)}\n}}}}\n'


def record(release: Release, image: str, exported: Path, *, check: bool = False) -> bool:
    """Write the committed file of an image from what its build has exported; whether it differs (or would).

    ``exported`` is the directory that the index of images names. :raises ReleaseError: it lacks a configuration file.
    """
    files = {}
    for file in release.images[image].options:
        source = exported / f"{file}.json"
        try:
            files[file] = slim(json.loads(source.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ReleaseError(f"{source}: cannot be read: {error}; remedy: build the image again") from None
    target = path(release, image)
    if not check:
        target.parent.mkdir(exist_ok=True)
    return write_if_changed(target, _text(made_of(release, image), files), 0o644, check=check)


def record_all(release: Release, exported: Mapping[str, Path], *, check: bool = False) -> list[str]:
    """:func:`record` for several images (image -> directory); the files that differed."""
    return [
        str(path(release, image))
        for image, directory in sorted(exported.items())
        if release.images[image].options and record(release, image, directory, check=check)
    ]


def load(release: Release, image: str) -> dict[str, dict[str, Any]]:
    """Configuration file -> its data, as ``OptionData`` takes it. :raises ReleaseError: there are none."""
    target = path(release, image)
    try:
        files: dict[str, dict[str, Any]] = json.loads(target.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"{target}: cannot be read: {error}; remedy: make option-data") from None
    return files


def stale(release: Release, image: str) -> str:
    """Why the committed file of an image has to be written again; empty when it fits the lock file."""
    target = path(release, image)
    if not release.images[image].options:
        return ""
    try:
        found = json.loads(target.read_text(encoding="utf-8")).get("made_of")
    except (OSError, ValueError, AttributeError):
        found = None
    if found == made_of(release, image):
        return ""
    what = (
        "is missing or cannot be read"
        if found is None
        else "was made from another lock file, other `options` or another inside.py"
    )
    return f"{target.parent.parent.name}/options/{target.name} {what}: run `make option-data`"
