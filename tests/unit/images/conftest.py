# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the image tests; what they are made of is in image_bench.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_bench import Releases


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path / "releases")
