# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from node_simulator import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with a package unit that reads one host file."""
    made = Node(tmp_path / "node")
    made.packaged["frontd.service"] = ["/etc/frontd/main.conf"]
    return made
