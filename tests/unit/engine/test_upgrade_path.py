# SPDX-License-Identifier: Apache-2.0
"""Which release may follow which."""

from __future__ import annotations

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.generation.upgrade_path import refusals, route
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import upgrade_paths
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

PATHS = upgrade_paths(COLLECTION / "releases")
#: The next two releases: 2026.2 is none that may be skipped to, 2027.1 is one.
MORE = {**PATHS, "2026.2": ("2026.1",), "2027.1": ("2026.1", "2026.2")}


@pytest.mark.parametrize(("running", "wanted"), [("2025.1", "2025.2"), ("2025.2", "2026.1"), ("2025.1", "2026.1")])
def test_paths_of_the_releases_here(running: str, wanted: str) -> None:
    assert refusals("n1", {"nova": running}, wanted, PATHS, upgrade=True) == []


@pytest.mark.parametrize(
    ("running", "wanted", "message"),
    [
        ("2026.1", "2025.2", 'no way back to an earlier release: set release: "2026.1" in cloud.yml'),
        ("2026.1", "2025.1", 'no way back to an earlier release: set release: "2026.1" in cloud.yml'),
        ("2025.2", "2026.2", "not one upgrade: upgrade 2025.2 -> 2026.1 -> 2026.2, one release after the other"),
        ("2025.1", "2026.2", "not one upgrade: upgrade 2025.1 -> 2026.1 -> 2026.2, one release after the other"),
        ("2025.1", "2027.1", "not one upgrade: upgrade 2025.1 -> 2026.1 -> 2027.1, one release after the other"),
        ("2025.2", "2027.1", "not one upgrade: upgrade 2025.2 -> 2026.1 -> 2027.1, one release after the other"),
        ("2024.1", "2026.1", "no upgrade leads there from 2024.1; possible: none"),
        ("2026.1", "2028.1", "no upgrade leads there from 2026.1; possible: 2026.2, 2027.1"),
    ],
)
@pytest.mark.parametrize("upgrade", [True, False])
def test_refused(running: str, wanted: str, message: str, upgrade: bool) -> None:
    [line] = refusals("n1", {"nova": running, "glance": running}, wanted, MORE, upgrade=upgrade)
    assert line == f"n1 runs release {running} of glance, nova, and cloud.yml says {wanted}: {line.split(': ', 1)[1]}"
    assert message in line


def test_any_other_run_changes_no_release() -> None:
    [line] = refusals("n1", {"nova": "2025.1", "keystone": "2026.1"}, "2026.1", PATHS, upgrade=False)
    assert "n1 runs release 2025.1 of nova" in line and "make upgrade" in line


def test_what_runs_the_release_already_is_no_upgrade() -> None:
    assert refusals("n1", {"nova": "2026.1"}, "2026.1", {}, upgrade=False) == []
    assert refusals("n1", {}, "2026.1", {}, upgrade=False) == []


def test_route_ends_where_there_is_a_circle() -> None:
    assert route({"a": ["b"], "b": ["a"]}, "a", "c") == []
