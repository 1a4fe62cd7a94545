# SPDX-License-Identifier: Apache-2.0
"""One emulated machine on two switches, booted once: each test gets it as it was after its boot."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

import pytest

from tests.lab.machines import Machine, MachineLab, image, own_network
from tests.network.node import DIRECTORY, base, quiet


def pytest_sessionstart(session: pytest.Session) -> None:
    """Several workers (pytest -n) have a network each, in which nothing can be fetched: the image is made before."""
    if hasattr(session.config, "workerinput"):
        own_network()
    elif session.config.getoption("numprocesses", None):
        image()


@pytest.fixture(scope="session")
def lab() -> Iterator[MachineLab]:
    """The switches and the image."""
    with MachineLab() as made:
        yield made


@pytest.fixture(scope="session")
def booted(lab: MachineLab) -> Machine:
    """A machine with a bond of its first two NICs and the operator's VLAN on it."""
    return lab.machine()


@pytest.fixture
def restored(booted: Machine) -> Machine:
    """The machine, whatever the last test did to it."""
    booted.restore()
    return booted


@pytest.fixture
def machine(restored: Machine) -> Iterator[Machine]:
    """The machine, for a test in which nobody may ask for an address or a router."""
    begin = time.time()
    yield restored
    quiet(restored, begin)


@pytest.fixture(scope="session")
def configured(booted: Machine) -> Machine:
    """The machine, with the same network in files of ours alone, saved as ``ours``."""
    booted.restore()
    result = booted.configure(base(), window=60)
    assert result.code == 0, result.returned.get("msg")
    booted.inside(f"rm {DIRECTORY}/10-*; networkctl reload")
    booted.save("ours")
    return booted


@pytest.fixture
def node(configured: Machine) -> Iterator[Machine]:
    """That machine, for a test in which nobody may ask for an address or a router."""
    configured.restore("ours")
    begin = time.time()
    yield configured
    quiet(configured, begin)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the inside of the machine when a test fails."""
    report = yield
    if report.when == "call" and report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Machine) and name in ("machine", "restored", "node"):
                report.sections.append(("inside the machine", value.state()))
    return report
