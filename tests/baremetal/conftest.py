# SPDX-License-Identifier: Apache-2.0
"""One undercloud and six machines for all tests that tell the story: each one begins where the last one ended."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import ExitStack

import pytest

from tests.baremetal.bench import Bench, start


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The cloud and its machines."""
    with ExitStack() as stack:
        made = start(stack, tmp_path_factory.mktemp("baremetal"))
        yield made
        print(json.dumps(made.seconds, indent=1))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What follows a failure would only fail for the same reason."""
    failed = item.session.stash.get(FAILED, "")
    if failed and "bench" in getattr(item, "fixturenames", ()) and "whatever_happened" not in item.name:
        pytest.skip(f"the story ended with {failed}")


FAILED = pytest.StashKey[str]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the consoles of the machines when a test fails, and end the story there."""
    report = yield
    if report.failed and "bench" in getattr(item, "fixturenames", ()):
        item.session.stash[FAILED] = item.name
        bench = getattr(item, "funcargs", {}).get("bench")
        if isinstance(bench, Bench):
            text = "\n\n".join(machine.console() for machine in bench.machines)
            report.sections.append(("consoles", f"{text}\n\n{bench.machines.logs()}"))
    return report
