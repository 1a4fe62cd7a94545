# SPDX-License-Identifier: Apache-2.0
"""A small cloud, as the inventory plugin describes it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

CLOUD: dict[str, Any] = {
    "name": "demo",
    "domain": "demo.ozone.test",
    "networks": {
        "control": {"mtu": 1500, "subnets": {"main": {"cidr": "198.18.0.0/24", "host": "198.18.0.1"}}},
        "tunnel": {"mtu": 1600, "subnets": {"main": {"cidr": "198.18.1.0/24"}}},
        "external": {"subnets": {"main": {"cidr": "198.51.100.0/25", "gateway": "198.51.100.1"}}},
    },
    "traffic": {"management": "control", "tunnel": "tunnel", "external": "external"},
}
NODE: dict[str, Any] = {
    "name": "node1",
    "site": "main",
    "addresses": {"control": "198.18.0.10", "tunnel": "198.18.1.10"},
    "interfaces": {"control": "eth0", "tunnel": "eth1", "external": "eth2"},
}


@pytest.fixture
def cloud() -> dict[str, Any]:
    return copy.deepcopy(CLOUD)


@pytest.fixture
def node() -> dict[str, Any]:
    return copy.deepcopy(NODE)
