# SPDX-License-Identifier: Apache-2.0
"""What differs between releases, said in a declaration."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.generation.by_release import for_release, limits
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import DeclarationError
from ansible_collections.ozone.openstack.plugins.module_utils.generation.render import render

DATA: dict[str, Any] = {
    "options": {
        "new_name": {"since": "2026.1", "value": ["a"]},
        "old_name": {"before": "2026.1", "value": ["a"]},
        "only_once": {"since": "2025.2", "before": "2026.1", "value": 3},
        "other": {"before": "2025.2", "value": "x", "otherwise": {"before": "2026.1", "value": "y", "otherwise": "z"}},
        "always": None,
    },
    "argv": ["agent", {"since": "2025.2", "value": "--new"}, {"before": "2025.2", "value": "--old"}],
    "section": {"since": "2026.1", "value": {"a": {"since": "2025.2", "value": 1}}},
    "steps": [{"name": "a"}, {"name": "b", "before": "2025.2"}],
}


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (
            "2025.1",
            {
                "options": {"old_name": ["a"], "other": "x", "always": None},
                "argv": ["agent", "--old"],
                "steps": [{"name": "a"}, {"name": "b"}],
            },
        ),
        (
            "2025.2",
            {
                "options": {"old_name": ["a"], "only_once": 3, "other": "y", "always": None},
                "argv": ["agent", "--new"],
                "steps": [{"name": "a"}],
            },
        ),
        (
            "2026.1",
            {
                "options": {"new_name": ["a"], "other": "z", "always": None},
                "argv": ["agent", "--new"],
                "section": {"a": 1},
                "steps": [{"name": "a"}],
            },
        ),
    ],
)
def test_what_counts_in_a_release(release: str, expected: dict[str, Any]) -> None:
    assert for_release("x", DATA, release) == expected


def test_what_does_not_differ_is_left_alone() -> None:
    data = {"a": {"value": 1, "otherwise": 2}, "b": [[], {}, "since", False, 0]}
    assert for_release("x", data, "2026.1") == data


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"since": 2026.1, "valu": 1}, None),
        ({"since": "Gazpacho", "value": 1}, r"x\.a\.since: 'Gazpacho' is not a release; write one in quotes"),
        ({"before": None, "value": 1}, r"x\.a\.before: None is not a release"),
        ({"since": "2026.1", "before": "2025.2", "value": 1}, "no release is since 2026.1 and before 2025.2"),
        ({"since": "2026.1", "value": 1, "extra": 2}, "x.a: extra beside `value`"),
    ],
)
def test_mistakes_name_the_place(value: dict[str, Any], message: str | None) -> None:
    if message is None:  # a number that YAML has made of a release reads the same
        assert for_release("x", {"a": value}, "2026.1") == {"a": {"valu": 1}}
        return
    with pytest.raises(DeclarationError, match=message):
        for_release("x", {"a": value}, "2026.1")


def test_all_limits_are_found() -> None:
    assert sorted(limits(DATA)) == sorted(
        [("since", "2026.1")] * 2 + [("before", "2026.1")] * 3 + [("since", "2025.2")] * 3 + [("before", "2025.2")] * 3
    )


META = {
    "name": "keystone",
    "image": "keystone",
    "containers": {"keystone_api": "main", "keystone_new": "main"},
    "config": {"keystone.conf": ["keystone_api", "keystone_new"]},
}
DECLARATION = {
    "config": {
        "keystone.conf": {"options": {"DEFAULT": {"old": {"before": "2026.1", "value": 1}, "kept": 1}}},
    },
    "containers": {
        "keystone_api": {"argv": ["api", {"since": "2026.1", "value": "--x"}]},
        "keystone_new": {"since": "2026.1", "argv": ["new"]},
    },
}


@pytest.mark.parametrize(
    ("release", "names"), [("2025.2", ["keystone_api"]), ("2026.1", ["keystone_api", "keystone_new"])]
)
def test_containers_and_options_of_a_release(make_context: Any, release: str, names: list[str]) -> None:
    context = make_context()
    context.cloud["release"] = release
    manifest, contents = render(META, DECLARATION, context)
    assert list(manifest["containers"]) == names
    file = next(file for file in manifest["containers"]["keystone_api"]["files"] if file["path"] == "keystone.conf")
    assert ("old = 1" in contents[file["sha256"]]) == (release == "2025.2")
    assert ("--x" in manifest["containers"]["keystone_api"]["quadlet"]) == (release == "2026.1")


def test_a_container_that_is_missing_in_every_release_is_a_mistake(make_context: Any) -> None:
    with pytest.raises(DeclarationError, match=r"lists container keystone_new, vars/main\.yml does not"):
        render(META, {**DECLARATION, "containers": {"keystone_api": {"argv": ["api"]}}}, make_context())


@pytest.mark.parametrize(("image", "same"), [("keystone", False), ("", True)])
def test_a_service_without_an_image_does_not_know_the_release(make_context: Any, image: str, same: bool) -> None:
    manifests = []
    for release in ("2025.1", "2026.1"):
        context = make_context()
        context.cloud["release"] = release
        manifests.append(render({"name": "keystone", "image": image}, {}, context)[0])
    assert (manifests[0] == manifests[1]) == same
