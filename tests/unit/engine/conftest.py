# SPDX-License-Identifier: Apache-2.0
"""A cloud of three controllers and a compute node, as the inventory plugin would describe it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context


def _member(number: int) -> dict[str, Any]:
    return {
        "name": f"c{number}",
        "site": "main",
        "addresses": {"internal": f"198.18.9.1{number}", "tunnel": f"198.18.10.1{number}"},
    }


def cloud_of(members: int = 1) -> dict[str, Any]:
    """``ozone_cloud`` of a cloud with that many controllers."""
    nodes = [_member(number) for number in range(1, members + 1)]
    traffic = dict.fromkeys(("management", "api_internal", "api_public", "database", "message_queue"), "internal")
    return {
        "name": "test",
        "release": "2026.1",
        "region": "RegionOne",
        "domain": "test.ozone.test",
        "traffic": {**traffic, "tunnel": "tunnel", "external": "external"},
        "vips": {"api_internal": "198.18.9.5", "api_public": "198.18.11.5", "database": "198.18.9.5"},
        "members": {
            "mariadb": {"main": nodes},
            "rabbitmq": {"main": nodes},
            "memcached": {"main": nodes},
            "keystone": {"main": nodes},
            "ovn": {"central": nodes, "chassis": nodes},
        },
        "front_ends": {
            "keystone_api": {
                "service": "keystone", "component": "main", "port": 5000, "backend_port": 15000, "mode": "http",
                "public": True, "check": "/healthcheck",
            },
            "mariadb": {
                "service": "mariadb", "component": "main", "port": 3306, "backend_port": 3306, "mode": "tcp",
                "single_writer": True,
            },
        },
        "databases": {"keystone": ["keystone"], "nova": ["nova", "nova_api", "nova_cell0"]},
        "queue_users": ["nova", "neutron"],
    }  # fmt: skip


def node_of(services: dict[str, list[str]]) -> dict[str, Any]:
    """``ozone_node`` of the first controller."""
    return {
        "name": "c1",
        "site": "main",
        "services": services,
        "addresses": {"internal": "198.18.9.11", "tunnel": "198.18.10.11"},
        "interfaces": {"internal": "eth1", "tunnel": "eth2", "external": "eth3"},
        "subnets": {"tunnel": {"prefix": 24, "mtu": 1600}, "internal": {"prefix": 24, "mtu": 1500}},
    }


def _make(
    members: int = 1,
    services: dict[str, list[str]] | None = None,
    overrides: dict[str, Any] | None = None,
) -> Context:
    return Context(
        cloud=cloud_of(members),
        node=node_of(services or {"keystone": ["main"]}),
        images={"keystone": {"name": "localhost/ozone/keystone:1", "id": "a" * 64}},
        secret=lambda name: f"secret-of-{name}",
        certificate=lambda name: f"{name}\n",
        overrides=overrides or {},
    )


@pytest.fixture(scope="session")
def make_context() -> Any:
    """Builds a context: ``make_context(members=3, services={...}, overrides={...})``."""
    return _make
