# SPDX-License-Identifier: Apache-2.0
"""The committed options of the images: whether they fit the lock files, and what is kept of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.options import OptionData
from ansible_collections.ozone.openstack.plugins.module_utils.images import option_data
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import (
    Release,
    ReleaseError,
    known_releases,
    load_release,
)

RELEASES = Path(__file__).resolve().parents[3] / "releases"
ALL = [(name, image) for name in known_releases(RELEASES) for image in load_release(RELEASES, name).images]


@pytest.mark.parametrize(("name", "image"), ALL)
def test_committed_data_fit_the_lock_file(name: str, image: str) -> None:
    release = load_release(RELEASES, name)
    assert option_data.stale(release, image) == ""
    assert set(option_data.load(release, image)) == set(release.images[image].options)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """A copy of the newest release, without committed data."""
    newest = known_releases(RELEASES)[-1]
    shutil.copy(RELEASES / "images.yml", tmp_path)
    shutil.copytree(RELEASES / newest, tmp_path / newest, ignore=shutil.ignore_patterns("options"))
    return load_release(tmp_path, newest)


def exported(directory: Path, *options: dict[str, Any]) -> Path:
    data = {
        "options": {"DEFAULT": {"opts": list(options)}, "stores": {"opts": [], "dynamic_group_owner": "enabled"}},
        "deprecated_options": {
            "DEFAULT": [{"name": "old-name", "replacement_group": "x", "replacement_name": "new-name", "help": "y"}],
            "empty": [],
        },
    }
    (directory / "placement.conf.json").write_text(json.dumps(data))
    return directory


OPTION = {
    "name": "bind-port", "dest": "bind_port", "type": "port value", "min": 0, "max": 65535, "choices": [],
    "secret": False, "help": "The port.", "default": 80, "required": False,
}  # fmt: skip


def test_data_are_stale_when_the_lock_or_the_namespaces_differ(release: Release, tmp_path: Path) -> None:
    assert "is missing" in option_data.stale(release, "placement")
    assert option_data.record(release, "placement", exported(tmp_path, OPTION))
    assert option_data.stale(release, "placement") == ""
    lock = release.lock("placement")
    lock.write_text(lock.read_text() + "# a comment\n")
    assert option_data.stale(release, "placement") == ""
    lock.write_text(lock.read_text() + "another==1.0\n")
    assert "another lock file" in option_data.stale(release, "placement")
    option_data.path(release, "placement").write_text("[]")
    assert "cannot be read" in option_data.stale(release, "placement")


def test_data_hold_what_a_check_needs_and_no_more(release: Release, tmp_path: Path) -> None:
    level = {
        "name": "level",
        "dest": "log_level",
        "type": None,
        "choices": [["WARN", None], ["INFO", "help"]],
        "secret": True,
    }
    option_data.record(release, "placement", exported(tmp_path, OPTION, level))
    data = option_data.load(release, "placement")["placement.conf"]
    assert data["options"]["DEFAULT"]["opts"] == [
        {"name": "bind_port", "type": "port value", "min": 0, "max": 65535},
        {"name": "level", "dest": "log_level", "type": "string value", "choices": ["INFO", "WARN"], "secret": True},
    ]
    known = OptionData(data)
    assert set(known.sections["DEFAULT"]) == {"bind_port", "level", "log_level"}
    assert known.former == {("DEFAULT", "old_name"): ("x", "new_name")}
    assert known.owners == {"enabled"}


def test_recording_again_changes_nothing_and_check_mode_writes_nothing(release: Release, tmp_path: Path) -> None:
    where = {"placement": exported(tmp_path, OPTION)}
    assert option_data.record_all(release, where, check=True) == [str(option_data.path(release, "placement"))]
    assert not option_data.path(release, "placement").exists()
    assert option_data.record_all(release, where)
    assert option_data.record_all(release, where) == []


def test_an_export_that_is_gone_is_named(release: Release, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"placement\.conf\.json: cannot be read.*build the image again"):
        option_data.record(release, "placement", tmp_path)
    with pytest.raises(ReleaseError, match="make option-data"):
        option_data.load(release, "placement")
