# SPDX-License-Identifier: Apache-2.0
"""Every service, rendered for every release, holds only options that the images of that release know."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from release_clouds import CLOUDS, RELEASES, ROOT, Rendered, rendered_clouds

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.options import check_options
from ansible_collections.ozone.openstack.plugins.module_utils.generation.by_release import limits
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import digest
from ansible_collections.ozone.openstack.plugins.module_utils.images import option_data
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import load_release

META = {
    path.parent.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in ROOT.glob("roles/*/meta/service.yml")
}
CONFIGURED = sorted(name for name, meta in META.items() if meta.get("config"))
WITHOUT_IMAGE = sorted(name for name, meta in META.items() if not meta.get("image"))


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Rendered]:
    """Every service on every node of ``CLOUDS``, for every release."""
    return rendered_clouds(tmp_path_factory.mktemp("clouds"))


def sections(text: str) -> dict[str, dict[str, Any]]:
    """An oslo configuration file as text: section -> option -> value, a list for one that is written several times."""
    found: dict[str, dict[str, Any]] = {}
    section = ""
    for line in text.splitlines():
        if match := re.fullmatch(r"\[(.+)\]", line):
            section = match[1]
            found[section] = {}
        elif "=" in line and not line.startswith("#"):
            name, value = (part.strip() for part in line.split("=", 1))
            known = found[section].get(name)
            found[section][name] = value if known is None else [*(known if isinstance(known, list) else [known]), value]
    return found


@pytest.fixture(scope="session")
def options(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``<release>/<image>/<configuration file>.json``, from the committed data."""
    directory = tmp_path_factory.mktemp("options")
    for release in RELEASES:
        known = load_release(ROOT / "releases", release)
        for image in known.images:
            target = directory / release / image
            target.mkdir(parents=True)
            for file, data in option_data.load(known, image).items():
                (target / f"{file}.json").write_text(json.dumps(data))
    return directory


def files(found: Rendered) -> dict[tuple[str, str], dict[str, dict[str, Any]]]:
    """(container, configuration file) -> sections."""
    names = set(META[found.service].get("config", {}))
    return {
        (name, file["path"]): sections(found.contents[file["sha256"]])
        for name, container in found.manifest["containers"].items()
        for file in container["files"]
        if file["path"] in names
    }


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("service", CONFIGURED)
def test_every_rendered_option_is_known_to_the_release(
    rendered: list[Rendered], options: Path, service: str, release: str
) -> None:
    mine = [found for found in rendered if (found.service, found.release) == (service, release)]
    problems, checked = set(), set()
    for found in mine:
        for (container, file), config in files(found).items():
            checked.add((container, file))
            override = {"config": {file: config}}
            problems |= {
                f"{container}: {line}" for line in map(str, check_options(override, options / release / service))
            }
    assert not problems
    # Every container of every component was looked at, unless it belongs to other releases.
    declared = {(name, file) for file, names in META[service]["config"].items() for name in names}
    assert checked <= declared
    assert {name for name, _ in declared} - {name for name, _ in checked} <= elsewhere(service, release)


def elsewhere(service: str, release: str) -> set[str]:
    """Containers of a service that the declaration limits to other releases."""
    declaration = yaml.safe_load((ROOT / "roles" / service / "vars" / "main.yml").read_text(encoding="utf-8"))
    containers = declaration[f"__{service}_service"]["containers"]
    return {name for name, value in containers.items() if isinstance(value, Mapping) and list(limits(value))}


def test_the_clouds_have_every_service_and_component(rendered: list[Rendered]) -> None:
    for release in RELEASES:
        seen = {
            (found.service, part)
            for found in rendered
            if found.release == release
            for part in found.manifest["components"]
        }
        known = {(name, part) for name, meta in META.items() for part in meta.get("components", {"main": {}})}
        assert seen == known


@pytest.mark.parametrize("service", WITHOUT_IMAGE)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_service_without_an_image_is_the_same_in_every_release(
    rendered: list[Rendered], cloud: str, service: str
) -> None:
    digests: dict[str, set[str]] = {}
    for found in rendered:
        if (found.cloud, found.service) == (cloud, service):
            digests.setdefault(found.node, set()).add(digest(found.manifest))
    assert all(len(names) == 1 for names in digests.values()), digests


def test_limits_name_releases_that_still_matter() -> None:
    """``since`` the oldest release counts always, ``before`` it never: what no release is left for has to go."""
    for path in ROOT.glob("roles/*/vars/main.yml"):
        for key, release in limits(yaml.safe_load(path.read_text(encoding="utf-8"))):
            assert RELEASES[0] < release <= RELEASES[-1], f"{path.parent.parent.name}: {key}: {release}"
            assert release in RELEASES, f"{path.parent.parent.name}: {key}: {release}"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("service", sorted(name for name, meta in META.items() if meta.get("image")))
def test_a_service_of_a_release_says_what_an_upgrade_does(rendered: list[Rendered], service: str, release: str) -> None:
    """On the nodes with its database: a check, and what waits for the last node. Elsewhere nothing is left to do."""
    steps = [found.manifest["upgrade"] for found in rendered if (found.service, found.release) == (service, release)]
    assert any(step["stage"] == "after" for found in steps for step in found)
    # Ironic's check needs the new schema: it comes before the switch, as the others do.
    checks = {step["stage"] for found in steps for step in found if step["argv"][-2:] == ["upgrade", "check"]}
    assert checks == {"expand" if service == "ironic" else "check"}
    for found in rendered:
        if (found.service, found.release) == (service, release):
            assert {step["container"] for step in found.manifest["upgrade"]} <= set(found.manifest["containers"])
            kept_out = [shot for shot in found.manifest["bootstrap"] if not shot.get("upgrade", True)]
            expand = [step for step in found.manifest["upgrade"] if step["stage"] == "expand"]
            assert bool(kept_out) == bool(expand), "a step that an upgrade leaves out has others in its place"


@pytest.mark.parametrize("release", RELEASES)
def test_an_api_that_eventlet_has_patched_has_one_thread(rendered: list[Rendered], release: str) -> None:
    """nova/api/openstack/__init__.py patches until 2025.2; nova/wsgi/osapi_compute.py of 2026.1 asks for threads."""
    texts = [
        found.contents[file["sha256"]]
        for found in rendered
        if (found.service, found.release) == ("nova", release)
        for name, container in found.manifest["containers"].items()
        if name in ("nova_api", "nova_metadata")
        for file in container["files"]
        if file["path"] == "uwsgi.ini"
    ]
    assert texts
    assert {f"\nthreads = {1 if release < '2026.1' else 4}\n" in text for text in texts} == {True}
    assert {f"\nprocesses = {3 if release < '2026.1' else 1}\n" in text for text in texts} == {True}
