# SPDX-License-Identifier: Apache-2.0
"""Small clouds and catalogues for the tests of the cloud definition."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import catalogue, definition
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import CloudError

#: A catalogue with a little of everything. `store` and `swap` are alternatives, `web` is a service with front ends.
SERVICES: dict[str, dict[str, Any]] = {
    "base": {"summary": "Base", "traffic": ["management"]},
    "haproxy": {"summary": "Balancer", "requires": ["base"], "traffic": ["api_internal", "api_public"]},
    "db": {
        "summary": "Database",
        "components": {"main": {"min": 1, "max": 3, "quorum": True, "one_at_a_time": True}},
        "requires": ["base"],
        "traffic": ["database"],
        "front_ends": {
            "db": {"port": 3306, "backend_port": 13306, "component": "main", "mode": "tcp", "traffic": "database"}
        },
    },
    "web": {
        "summary": "Web",
        "components": {"api": {"min": 1}, "agent": {"min": 1}},
        "requires": ["db", "haproxy"],
        "after": ["store"],
        "requires_on_node": {"agent": ["base", "net.local"]},
        "traffic": ["api_internal"],
        "image": "web",
        "containers": {"web_api": "api", "web_agent": "agent"},
        "config": {"web.conf": ["web_api", "web_agent"]},
        "front_ends": {
            "web": {"port": 80, "backend_port": 8080, "component": "api", "mode": "http", "public": True, "check": "/"}
        },
        "databases": ["web"],
        "message_queue": True,
        "identity": {"user": "web", "services": {"web": {"type": "www", "front_end": "web", "path": "/v1"}}},
        "secrets": {
            "web_database_password": "password",
            "web_queue_password": "password",
            "web_identity_password": "password",
        },
    },
    "net": {"summary": "Net", "components": {"central": {}, "local": {}}, "traffic": ["tunnel", "external"]},
    "store": {"summary": "Store", "conflicts": ["swap"]},
    "swap": {"summary": "Swap", "conflicts_on_node": ["net.central"]},
    "chooser": {"summary": "Chooser", "one_of": [["store", "swap"]]},
}
VARIABLES: dict[str, dict[str, Any]] = {
    "web": {
        "web_workers": {"type": "int", "required": False},
        "web_mode": {"type": "str", "choices": ["fast", "slow"]},
        "web_flag": {"type": "bool"},
        "web_names": {"type": "list", "elements": "str"},
        "web_map": {"type": "dict"},
        "web_items": {"type": "list", "elements": "dict", "options": {"on": {"type": "bool"}}},
    },
}

CLOUD: dict[str, Any] = {
    "plugin": "ozone.openstack.cloud",
    "name": "test",
    "release": "2026.1",
    "domain": "test.example",
    "sites": {"main": {}},
    "networks": {
        "control": {
            "subnets": {
                "main": {
                    "cidr": "198.18.0.0/24",
                    "gateway": "198.18.0.1",
                    "host": "198.18.0.2",
                    "pool": ["198.18.0.10", "198.18.0.99"],
                }
            }
        },
        "tunnel": {"mtu": 1600, "subnets": {"main": {"cidr": "198.18.1.0/24", "pool": ["198.18.1.10", "198.18.1.99"]}}},
        "external": {
            "subnets": {
                "main": {
                    "cidr": "198.51.100.0/25",
                    "gateway": "198.51.100.1",
                    "floating": ["198.51.100.20", "198.51.100.100"],
                }
            }
        },
    },
    "traffic": {
        "management": "control",
        "api_internal": "control",
        "api_public": "control",
        "database": "control",
        "message_queue": "control",
        "tunnel": "tunnel",
        "external": "external",
    },
    "profiles": {
        "controller": {"services": ["base", "haproxy", "db", {"web": ["api"]}, {"net": ["central"]}]},
        "compute": {"networks": ["control", "tunnel"], "services": ["base", {"web": ["agent"]}, {"net": ["local"]}]},
    },
    "nodes": {"control1": {"profile": "controller"}, "compute1": {"profile": "compute"}},
}


class Lab:
    """Writes clouds and catalogues into a directory, and loads them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.roles = directory / "roles"
        self.releases = directory / "releases"
        self.file = directory / "cloud.yml"

    def write_services(self, services: Mapping[str, Any], roles: Path | None = None) -> None:
        for name, data in services.items():
            meta = (roles or self.roles) / name / "meta"
            meta.mkdir(parents=True, exist_ok=True)
            (meta / "service.yml").write_text(yaml.safe_dump({"name": name, **data}, sort_keys=False))
            if name in VARIABLES:
                specs = {"argument_specs": {"deploy": {"options": VARIABLES[name]}}}
                (meta / "argument_specs.yml").write_text(yaml.safe_dump(specs))

    def write(self, data: Any) -> None:
        text = data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False)
        self.file.write_text(text)

    def load(self, data: Any = None) -> tuple[definition.Cloud, catalogue.Catalogue]:
        if data is not None:
            self.write(data)
        return definition.load(self.file, [self.roles], self.releases)

    def problems(self, data: Any = None) -> list[str]:
        """The mistakes, without the name of the file."""
        try:
            self.load(data)
        except CloudError as error:
            return [str(problem).removeprefix(f"{self.file}:") for problem in error.problems]
        return []


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    made.write_services(SERVICES)
    (made.releases / "2026.1").mkdir(parents=True)
    (made.releases / "2026.1" / "release.yml").write_text("name: '2026.1'\n")
    return made


@pytest.fixture
def services() -> dict[str, Any]:
    """The declarations of the catalogue, to be changed by a test."""
    return copy.deepcopy(SERVICES)


@pytest.fixture
def cloud() -> dict[str, Any]:
    """A definition without mistakes, to be changed by a test."""
    return copy.deepcopy(CLOUD)
