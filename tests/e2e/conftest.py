# SPDX-License-Identifier: Apache-2.0
"""The example clouds, deployed in their labs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.cloud import ROOT, Cloud


def _deployed(name: str, factory: pytest.TempPathFactory, mtu: int | None = None) -> Iterator[Cloud]:
    """An example, deployed. ``mtu``: of its tunnel network, as instances send packets of that size less the headers."""
    cloud = Cloud(ROOT / "inventory" / name / "cloud.yml", factory.mktemp(name))
    if mtu is not None:
        cloud.original["networks"]["tunnel"]["mtu"] = mtu
        cloud.restore()
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
    yield from _deployed("multinode", tmp_path_factory, mtu=1400)


@pytest.fixture(scope="module")
def ipv6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One node that runs everything, without any IPv4 address."""
    yield from _deployed("ipv6", tmp_path_factory, mtu=9000)
