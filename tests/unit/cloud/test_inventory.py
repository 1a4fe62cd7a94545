# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.inventory import (
    Inventory,
    build_inventory,
    carried_by_one_host,
    prints_group_variables_at_hosts,
)
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

ENVIRON = {"OZONE_STATE": "/state"}


def build(lab: Any, data: dict[str, Any], *files: str) -> Inventory:
    made, known = lab.load(data)
    return build_inventory(made, known, ENVIRON, lambda path: str(path) in files)


def test_groups(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["profiles"]["spare"] = {"services": ["base"]}
    groups = build(lab, cloud).groups
    both = ["control1", "compute1"]
    assert groups == {
        "base": both,
        "db": ["control1"],
        "haproxy": ["control1"],
        "net": both,
        "net_central": ["control1"],
        "net_local": ["compute1"],
        "web": both,
        "web_api": ["control1"],
        "web_agent": ["compute1"],
        "profile_controller": ["control1"],
        "profile_compute": ["compute1"],
        "profile_spare": [],
        "site_main": both,
    }


def test_variables_of_all(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["service_paths"] = ["own"]
    (lab.directory / "own").mkdir()
    built = build(lab, cloud)
    assert set(built.variables) == {"ansible_user", "ozone_cloud"}
    assert built.variables["ansible_user"] == "root"
    data = built.variables["ozone_cloud"]
    control = built.hosts["control1"]["ansible_host"]
    assert {
        key: data[key]
        for key in ("name", "release", "region", "domain", "file", "directory", "state_dir", "sites", "service_paths")
    } == {
        "name": "test",
        "release": "2026.1",
        "region": "RegionOne",
        "domain": "test.example",
        "file": str(lab.file),
        "directory": str(lab.directory),
        "state_dir": "/state/test",
        "sites": ["main"],
        "service_paths": [str(lab.directory / "own")],
    }
    assert data["networks"]["control"] == {"mtu": 1500, "subnets": cloud["networks"]["control"]["subnets"]}
    assert data["traffic"] == cloud["traffic"]
    assert data["vips"] == {"api_internal": control, "api_public": control, "database": control}
    assert data["services"] == ["base", "db", "haproxy", "net", "web"]
    assert data["members"]["web"]["agent"] == [
        {"name": "compute1", "site": "main", "addresses": built.hosts["compute1"]["ozone_node"]["addresses"]}
    ]
    assert [(node["name"], node["profile"], node["managed"], node["provisioned"]) for node in data["nodes"]] == [
        ("control1", "controller", False, True),
        ("compute1", "compute", False, True),
    ]
    assert data["front_ends"] == {
        "db": {
            "service": "db",
            "port": 3306,
            "backend_port": 13306,
            "component": "main",
            "mode": "tcp",
            "traffic": "database",
            "public": False,
            "tunnel": False,
            "single_writer": False,
            "addresses": {"database": control},
            "members": [{"name": "control1", "address": control}],
        },
        "web": {
            "service": "web",
            "port": 80,
            "backend_port": 8080,
            "component": "api",
            "mode": "http",
            "traffic": "api_internal",
            "public": True,
            "tunnel": False,
            "single_writer": False,
            "check": "/",
            "addresses": {"api_internal": control, "api_public": control},
            "members": [{"name": "control1", "address": control}],
        },
    }
    assert data["databases"] == {"web": ["web"]}
    assert data["queue_users"] == ["web"]
    assert data["identity"] == {
        "web": {"user": "web", "services": {"web": {"type": "www", "front_end": "web", "path": "/v1"}}}
    }
    assert data["secrets"] == {
        "web": {
            "web_database_password": "password",
            "web_queue_password": "password",
            "web_identity_password": "password",
        }
    }
    assert data["catalogue"]["web"]["image"] == "web"
    assert data["roles"]["web"] == str(lab.roles / "web")
    json.dumps(data)


def test_variables_of_a_node(lab: Any, cloud: dict[str, Any]) -> None:
    host = build(lab, cloud).hosts["compute1"]
    addresses = {"control": host["ansible_host"], "tunnel": host["ozone_node"]["addresses"]["tunnel"]}
    assert host == {
        "ansible_host": addresses["control"],
        "ozone_node": {
            "name": "compute1",
            "site": "main",
            "profile": "compute",
            "managed": False,
            "provisioned": True,
            "machine": False,
            "services": {"base": ["main"], "net": ["local"], "web": ["agent"]},
            "addresses": addresses,
            "interfaces": {"control": "eth0", "tunnel": "eth1"},
            "nics": {},
            "dhcp_allowed": [],
            "network_config": [],
            "bridges": [],
            "subnets": {
                "control": {
                    "cidr": "198.18.0.0/24",
                    "prefix": 24,
                    "gateway": "198.18.0.1",
                    "host": "198.18.0.2",
                    "mtu": 1500,
                },
                "tunnel": {"cidr": "198.18.1.0/24", "prefix": 24, "gateway": None, "host": None, "mtu": 1600},
            },
        },
        "ozone_overrides": {},
        "ozone_services": ["base", "net", "web"],
    }


def test_virtual_addresses(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["vips"] = {"control": "198.18.0.5"}
    for number in (2, 3):
        cloud["nodes"][f"control{number}"] = {"profile": "controller"}
    data = build(lab, cloud).variables["ozone_cloud"]
    assert set(data["vips"].values()) == {"198.18.0.5"}
    assert data["virtual_addresses"] == {"control": "198.18.0.5"}
    assert [member["name"] for member in data["front_ends"]["web"]["members"]] == ["control1", "control2", "control3"]


def test_without_a_load_balancer(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["profiles"] = {
        "controller": {"services": ["db", "base"]},
        "compute": {"services": ["base"], "networks": ["control"]},
    }
    data = build(lab, cloud).variables["ozone_cloud"]
    assert data["vips"] == {}
    assert data["front_ends"]["db"]["addresses"] == {}


def test_balancer_without_the_public_network_of_the_vips(lab: Any, cloud: dict[str, Any]) -> None:
    """A load balancer that is not connected to a balanced network has no address there."""
    cloud["networks"]["data"] = {"subnets": {"main": {"cidr": "198.18.5.0/24", "pool": ["198.18.5.10", "198.18.5.20"]}}}
    cloud["traffic"]["database"] = "data"
    cloud["profiles"] = {
        "controller": {"services": ["haproxy", "base"], "networks": ["control"]},
        "compute": {"services": ["base"]},
    }
    data = build(lab, cloud).variables["ozone_cloud"]
    assert set(data["vips"]) == {"api_internal", "api_public"}


def test_ssh_of_the_lab(lab: Any, cloud: dict[str, Any]) -> None:
    variables = build(lab, cloud, "/state/test/ssh/id_ed25519", "/state/test/ssh/known_hosts").variables
    assert variables["ansible_ssh_private_key_file"] == "/state/test/ssh/id_ed25519"
    assert variables["ansible_ssh_common_args"] == (
        "-o IdentitiesOnly=yes -o UserKnownHostsFile=/state/test/ssh/known_hosts -o StrictHostKeyChecking=yes"
    )
    assert "known_hosts" not in build(lab, cloud, "/state/test/ssh/id_ed25519").variables["ansible_ssh_common_args"]
    assert "ansible_ssh_private_key_file" not in build(lab, cloud, "/state/test/ssh/known_hosts").variables


def test_is_a_pure_function(lab: Any, cloud: dict[str, Any]) -> None:
    assert build(lab, cloud) == build(lab, cloud)


def test_a_listing_refers_to_the_first_host(lab: Any, cloud: dict[str, Any]) -> None:
    built = build(lab, cloud)
    listed, references = carried_by_one_host(built)
    first, *others = listed.hosts
    assert references == {"ozone_cloud": "{{ hostvars['" + first + "'].ozone_cloud }}"}
    assert listed.variables == {"ansible_user": "root"}
    assert listed.hosts[first]["ozone_cloud"] == built.variables["ozone_cloud"]
    assert all(listed.hosts[name] == built.hosts[name] for name in others)
    empty = Inventory({}, built.variables, {})
    assert carried_by_one_host(empty) == (empty, {})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"export": False, "list": True}, True),
        ({"export": False, "graph": True, "show_vars": True}, True),
        ({"export": True, "list": True}, False),
        ({"export": False, "host": "node1"}, False),
        ({"export": False, "list": True, "subset": "node1"}, False),
        ({"subset": None, "listhosts": False}, False),  # ansible-playbook
        ({}, False),
    ],
)
def test_who_repeats_group_variables(arguments: dict[str, Any], expected: bool) -> None:
    assert prints_group_variables_at_hosts(arguments) is expected


def test_a_thousand_nodes_in_less_than_five_seconds(lab: Any, cloud: dict[str, Any]) -> None:
    for network, number in (("control", 16), ("tunnel", 32)):
        subnet = cloud["networks"][network]["subnets"]["main"]
        subnet.clear()
        subnet |= {"cidr": f"198.18.{number}.0/21", "pool": [f"198.18.{number}.10", f"198.18.{number + 7}.250"]}
    for number in range(2, 1000):
        cloud["nodes"][f"compute{number}"] = {"profile": "compute"}
    lab.write(cloud)
    start = time.perf_counter()
    built = build_inventory(*lab.load(), ENVIRON)
    assert time.perf_counter() - start < 5
    assert len(built.hosts) == 1000
    assert len(json.dumps(built.hosts["compute999"])) < 2000


def test_the_examples(tmp_path: Path) -> None:
    for name, count in (("standalone", 1), ("multinode", 3), ("bonded", 4)):
        built = build_inventory(
            *definition.load(COLLECTION / "inventory" / name / "cloud.yml"), {"OZONE_STATE": str(tmp_path)}
        )
        assert len(built.hosts) == count
        assert built.variables["ozone_cloud"]["name"] == name
