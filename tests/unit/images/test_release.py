# SPDX-License-Identifier: Apache-2.0
"""The definition of a release is read strictly, and the committed ones are right."""

from __future__ import annotations

from typing import Any

import pytest
from image_bench import Releases

from ansible_collections.ozone.openstack.plugins.module_utils.images import locks
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import (
    ReleaseError,
    known_releases,
    load_release,
)
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

DIRECTORY = COLLECTION / "releases"


def test_requirements_have_the_versions_of_the_release(releases: Releases) -> None:
    assert releases.load().requirements("keystone") == ["keystone~=29.0", "pyuwsgi"]


def test_a_release_may_differ_from_what_is_common(releases: Releases) -> None:
    releases.own["images"] = {"keystone": {"debian": ["libldap-2.5-0"]}}
    spec = releases.load().images["keystone"]
    assert spec.debian == ("libldap-2.5-0",)
    assert spec.packages == ("keystone",)


def test_what_every_image_has_comes_before_its_own(releases: Releases) -> None:
    releases.common |= {"modules": ["systemd"], "check": [["python", "-c", "import systemd.journal"]]}
    releases.own["images"] = {"nova": {"check": [["nova-manage", "--version"]]}}
    images = releases.load().images
    assert images["nova"].modules == ("systemd", "libvirt.py")
    assert images["nova"].check == (("python", "-c", "import systemd.journal"), ("nova-manage", "--version"))
    assert images["keystone"].modules == ("systemd",)


@pytest.mark.parametrize("name", known_releases(DIRECTORY))
def test_every_image_can_speak_to_the_journal(name: str) -> None:
    """oslo.log's `use_journal` imports `systemd.journal`, and raises RuntimeError where it cannot."""
    release = load_release(DIRECTORY, name)
    assert "python3-systemd" in release.base
    for image in release.images.values():
        assert "systemd" in image.modules
        assert ("python", "-c", "import systemd.journal") in image.check


@pytest.mark.parametrize("key", ["modules", "check"])
def test_mistakes_in_what_is_common_are_named(releases: Releases, key: str) -> None:
    releases.common[key] = "systemd"
    with pytest.raises(ReleaseError, match=rf"images\.yml: {key}: must be a list"):
        releases.load()


def test_a_release_may_differ_in_one_configuration_file(releases: Releases) -> None:
    common = releases.load().images["nova"].options
    releases.own["images"] = {"nova": {"options": {"nova.conf": {"namespaces": ["nova.conf", "more"]}}}}
    spec = releases.load().images["nova"]
    assert spec.options["nova.conf"].namespaces == ("nova.conf", "more")
    assert {key: value for key, value in spec.options.items() if key != "nova.conf"} == {
        key: value for key, value in common.items() if key != "nova.conf"
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, r"2026.1/release.yml: the file: unknown key colour; known: "),
        ({"release": 2026.1}, "release: must be text .* quote it"),
        ({"release": "2025.1"}, "says 2025.1, but the directory is 2026.1"),
        ({"versions": {"nova": "~=33.0"}}, r"versions.keystone: is missing"),
        ({"versions": {"keystone": "29", "nova": "~=33.0"}}, r"versions.keystone: must be text"),
        ({"constraints": "/etc/passwd"}, "constraints: must be text that matches https"),
        ({"images": {"nova": {"debain": []}}}, r"images.nova: unknown key debain"),
        ({"images": {"New-One": {"packages": ["x"]}}}, "lower case"),
        ({"images": {"nova": {"options": {"nova.conf": {}}}}}, "images.nova.options.nova.conf.namespaces: is missing"),
        ({"source": "ovs"}, "source: must be a list"),
    ],
)
def test_mistakes_are_named(releases: Releases, change: dict[str, Any], message: str) -> None:
    releases.own.update(change)
    with pytest.raises(ReleaseError, match=message):
        releases.load()


def test_an_unknown_release_names_the_known_ones(releases: Releases) -> None:
    with pytest.raises(ReleaseError, match=r"known: 2026\.1"):
        load_release(releases.path, "2019.1")


@pytest.mark.parametrize("name", known_releases(DIRECTORY))
def test_the_lock_of_the_ramdisk_is_up_to_date(name: str) -> None:
    release = load_release(DIRECTORY, name)
    text = release.lock(locks.RAMDISK).read_text(encoding="utf-8")
    assert locks.lock_problems(text, release.ramdisk_requirements()) == [], "remedy: make locks"
    assert "ironic-python-agent" in locks.parse_lock(text)


def test_the_releases_of_the_collection() -> None:
    assert {"2025.1", "2026.1"} <= set(known_releases(DIRECTORY))


@pytest.mark.parametrize("name", known_releases(DIRECTORY))
def test_committed_locks_are_complete_and_up_to_date(name: str) -> None:
    release = load_release(DIRECTORY, name)
    pinned: set[str] = set()
    for image in [*release.images, locks.BUILD]:
        text = release.lock(image).read_text(encoding="utf-8")
        wanted = sorted(release.build) if image == locks.BUILD else release.requirements(image)
        assert locks.lock_problems(text, wanted) == [], f"{release.lock(image)}: remedy: make locks"
        pins = locks.parse_lock(text)
        if image != locks.BUILD:
            missing = {
                locks.normalize(package) for package in (*release.common, *release.images[image].packages)
            } - set(pins)
            assert not missing
            pinned |= set(pins)
            assert not {"pip", "uv"} & set(pins)
    assert {locks.normalize(package) for package in release.source} <= pinned, "listed as source, but in no lock"
