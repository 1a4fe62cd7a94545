# SPDX-License-Identifier: Apache-2.0
"""The example clouds, deployed in their labs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.cloud import ROOT, Cloud


def _deployed(name: str, factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    cloud = Cloud(ROOT / "inventory" / name / "cloud.yml", factory.mktemp(name))
    for verb in ("lab", "images", "deploy"):
        assert cloud.run(verb).code == 0, f"{verb} failed"
    yield cloud
    cloud.restore()
    cloud.down()


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One node that runs everything."""
    yield from _deployed("standalone", tmp_path_factory)


@pytest.fixture(scope="module")
def multinode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One controller and two computes, networks separated."""
    yield from _deployed("multinode", tmp_path_factory)
