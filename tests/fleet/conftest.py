# SPDX-License-Identifier: Apache-2.0
"""One Ironic without machines for all tests, empty before each of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.lab.ironic_fake import Ironic
from tests.lab.ironic_fake import ironic as start


@pytest.fixture(scope="session")
def started(request: pytest.FixtureRequest) -> Iterator[Ironic]:
    """The running Ironic. Its files are kept when a test failed."""
    with start(deploy_seconds=1) as there:
        yield there
        if request.session.testsfailed:
            kept = shutil.copytree(there.directory, f"{there.directory}-failed")
            print(f"\nIronic's files are in {kept}")


@pytest.fixture
def ironic(started: Ironic) -> Ironic:
    """The running Ironic, without nodes."""
    started.clear()
    return started
