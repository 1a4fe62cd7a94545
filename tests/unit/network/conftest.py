# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug of this computer: waiting for its disk would take most of the tests' time."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where the computer offers that: these tests make some hundred thousand files."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("node")
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="ozone-test-") as name:
        yield Path(name)
