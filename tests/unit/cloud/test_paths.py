# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION, cache_dir, state_dir


def test_cache() -> None:
    assert cache_dir({"OZONE_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache_dir({"XDG_CACHE_HOME": "/b"}) == Path("/b/ozone")
    assert cache_dir({"HOME": "/home/x", "XDG_CACHE_HOME": "relative"}) == Path("/home/x/.cache/ozone")
    assert cache_dir({}) == Path.home() / ".cache/ozone"
    assert cache_dir({"OZONE_CACHE": "here"}) == Path.cwd() / "here"


def test_state() -> None:
    assert state_dir("c", {"OZONE_STATE": "/a"}) == Path("/a/c")
    assert state_dir("c", {"XDG_STATE_HOME": "/b"}) == Path("/b/ozone/c")
    assert state_dir("c", {"HOME": "/h"}) == Path("/h/.local/state/ozone/c")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_state_of_no_cloud(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a cloud"):
        state_dir(name, {})


def test_collection() -> None:
    assert (COLLECTION / "plugins" / "module_utils" / "paths.py").exists()
