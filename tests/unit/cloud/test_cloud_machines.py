# SPDX-License-Identifier: Apache-2.0
"""What the fleet is told of the machines of a cloud, and what Ansible is told of their nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_definition import OFFERED, machine

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.reading import read_wishes
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.inventory import Inventory, build_inventory
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.machines import (
    MachineError,
    choose,
    complete,
    losses,
)

ENVIRON = {"OZONE_STATE": "/state"}


def build(lab: Any, data: dict[str, Any], *files: str) -> Inventory:
    made, known = lab.load(data)
    return build_inventory(made, known, ENVIRON, lambda path: str(path) in files)


def the_machine(lab: Any, data: dict[str, Any]) -> dict[str, Any]:
    """The only machine of a cloud."""
    (found,) = build(lab, data).variables["ozone_machines"]
    return dict(found)


def test_a_machine_as_the_fleet_takes_it(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["sites"]["main"] = {"conductor_group": "rack1"}
    machine(
        cloud,
        root_device={"serial": "R"},
        preserve=[{"serial": "D"}],
        expected={"cpus": 4},
        traits=["CUSTOM_B", "CUSTOM_A"],
    )
    cloud["nodes"]["compute1"]["bmc"]["verify_ca"] = "/etc/ozone/bmc/ca.pem"
    built = build(lab, cloud)
    addresses = built.hosts["compute1"]["ozone_node"]["addresses"]
    found = the_machine(lab, cloud)
    assert {key: found[key] for key in ("name", "site", "managed", "provisioned", "address", "image")} == {
        "name": "compute1",
        "site": "main",
        "managed": True,
        "provisioned": True,
        "address": addresses["control"],
        "image": "debian-13",
    }
    network_data = found["node"].pop("network_data")
    assert found["node"] == {
        "driver": "redfish",
        "driver_info": {
            "redfish_address": "https://198.18.0.3:8000",
            "redfish_system_id": "/redfish/v1/Systems/1",
            "redfish_username": "admin",
            "redfish_verify_ca": "/etc/ozone/bmc/ca.pem",
        },
        "interfaces": {
            "boot": "redfish-virtual-media",
            "deploy": "direct",
            "inspect": "agent",
            "management": "redfish",
            "network": "noop",
            "power": "redfish",
        },
        "resource_class": "baremetal",
        "traits": ["CUSTOM_A", "CUSTOM_B"],
        "conductor_group": "rack1",
        "properties": {"root_device": {"serial": "R"}, "skip_block_devices": [{"serial": "D"}]},
        "extra": {"ozone_cloud": "test"},
        "automated_clean": True,
        "ports": [{"address": "52:54:00:00:01:01"}, {"address": "52:54:00:00:01:02"}],
    }
    assert found["expected"] == {"cpus": 4, "macs": ["52:54:00:00:01:01", "52:54:00:00:01:02"]}
    assert network_data["links"] == [{"id": "nic1", "type": "phy", "ethernet_mac_address": "52:54:00:00:01:01"}]
    assert [(entry["link"], entry["ip_address"]) for entry in network_data["networks"]] == [
        ("nic1", addresses["control"])
    ]
    instance = found["instance"]
    assert instance["root_device"] == {"serial": "R"}
    assert instance["preserve"] == [{"serial": "D"}]
    drive = instance["config_drive"]
    assert drive["meta_data"]["name"] == drive["meta_data"]["hostname"] == "compute1"
    assert [link["id"] for link in drive["network_data"]["links"]] == ["nic1", "nic2", "bond0", "vlan100"]
    assert [entry["ip_address"] for entry in drive["network_data"]["networks"]] == [
        addresses["control"],
        addresses["tunnel"],
    ]
    json.dumps(built.variables)


def test_what_is_not_said_is_removed_in_ironic_but_for_disks_to_preserve(lab: Any, cloud: dict[str, Any]) -> None:
    machine(cloud)
    del cloud["nodes"]["compute1"]["bmc"]["system"]
    node = the_machine(lab, cloud)["node"]
    assert node["properties"] == {"root_device": None}  # disks are given up by hand
    assert node["driver_info"]["redfish_system_id"] is None
    assert node["driver_info"]["redfish_verify_ca"] is True
    assert node["conductor_group"] == ""


def test_a_node_says_more_than_its_profile(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["profiles"]["compute"] |= {"image": "small", "resource_class": "gold", "automated_clean": False}
    machine(cloud, image="large")
    found = the_machine(lab, cloud)
    assert (found["image"], found["node"]["resource_class"], found["node"]["automated_clean"]) == (
        "large",
        "gold",
        False,
    )


def test_the_ramdisk_has_the_vlan_of_its_network(lab: Any, cloud: dict[str, Any]) -> None:
    machine(cloud)
    cloud["traffic"]["provisioning"] = "tunnel"
    data = the_machine(lab, cloud)["node"]["network_data"]
    assert [(link["id"], link["type"], link.get("vlan_link")) for link in data["links"]] == [
        ("nic1", "phy", None),
        ("vlan100", "vlan", "nic1"),
    ]
    assert "mtu" not in data["links"][1]  # large packets are for the deployed system
    assert data["networks"][0]["link"] == "vlan100"


def test_a_node_that_is_not_provisioned_is_a_machine_and_no_host(lab: Any, cloud: dict[str, Any]) -> None:
    machine(cloud)
    cloud["nodes"]["spare"] = {**cloud["nodes"]["compute1"], "provisioned": False}
    cloud["nodes"]["spare"] |= {"nics": {"nic1": "52:54:00:00:03:01", "nic2": "52:54:00:00:03:02"}}
    cloud["nodes"]["spare"]["bmc"] = {**cloud["nodes"]["spare"]["bmc"], "system": "/redfish/v1/Systems/3"}
    built = build(lab, cloud)
    assert list(built.hosts) == ["control1", "compute1"]
    known = built.variables["ozone_cloud"]
    assert "spare" in str(known.pop("address_record")), "its addresses stay reserved"
    assert "spare" not in str(built.groups) + str(known)
    assert [(one["name"], one["provisioned"]) for one in built.variables["ozone_machines"]] == [
        ("compute1", True),
        ("spare", False),
    ]
    before = built.hosts["compute1"]["ozone_node"]["addresses"]
    cloud["nodes"]["spare"]["provisioned"] = True
    built = build(lab, cloud)
    assert built.hosts["compute1"]["ozone_node"]["addresses"] == before
    assert "spare" in built.groups["profile_compute"]


def test_host_keys_of_machines_are_apart_from_those_of_the_lab(lab: Any, cloud: dict[str, Any]) -> None:
    machine(cloud)
    hosts = build(lab, cloud).hosts
    assert "ansible_ssh_common_args" not in hosts["control1"]
    assert hosts["compute1"]["ansible_ssh_common_args"] == (
        "-o UserKnownHostsFile=/state/test/ssh/known_hosts_machines -o StrictHostKeyChecking=yes"
    )
    hosts = build(lab, cloud, "/state/test/ssh/id_ed25519").hosts
    assert hosts["compute1"]["ansible_ssh_common_args"].startswith("-o IdentitiesOnly=yes -o UserKnownHostsFile=")


MACHINES = [
    {"name": "one", "managed": True, "provisioned": True},
    {"name": "two", "managed": True, "provisioned": False},
    {"name": "other", "managed": False, "provisioned": True},
]


@pytest.mark.parametrize(
    ("names", "purpose", "wanted"),
    [
        ([], "enrol", ["one", "two"]),
        ([], "provision", ["one"]),
        (["two", "two", "one"], "enrol", ["two", "one"]),
        ([], "offer", ["two"]),
        (["one"], "rebuild", ["one"]),
        (["two"], "unprovision", ["two"]),
    ],
)
def test_which_machines_are_meant(names: list[str], purpose: str, wanted: list[str]) -> None:
    assert [machine["name"] for machine in choose(MACHINES, names, purpose)] == wanted


def test_machines_that_cannot_be_meant() -> None:
    with pytest.raises(MachineError) as caught:
        choose(MACHINES, ["on", "two", "other"], "provision")
    assert str(caught.value).splitlines() == [
        "on: there is no machine of this exact name in cloud.yml (did you mean one?)",
        "two: is to have no system: remove `provisioned: false` of it in cloud.yml",
        "other: is not managed by Ozone: say `managed: true` for it in cloud.yml",
    ]


def test_a_machine_of_the_cloud_is_not_taken_away() -> None:
    with pytest.raises(MachineError, match="one: is part of the cloud: take its services"):
        choose(MACHINES, ["one"], "unprovision")
    with pytest.raises(MachineError, match="one: is part of the cloud"):
        choose(MACHINES, ["one"], "offer")
    with pytest.raises(MachineError, match="name the machines, exactly"):
        choose(MACHINES, [], "unprovision")


def test_who_is_to_get_a_machine_that_is_offered(lab: Any, cloud: dict[str, Any]) -> None:
    OFFERED(cloud)
    cloud["sites"]["main"] = {"conductor_group": "rack1"}
    cloud["allocations"] = {"any": {}, "gpu1": {"traits": ["CUSTOM_B", "CUSTOM_A"], "site": "main"}}
    found = build(lab, cloud).variables["ozone_cloud"]["allocations"]
    assert found == [
        {"name": "any", "resource_class": "baremetal", "traits": [], "candidates": ["compute2"]},
        {
            "name": "gpu1",
            "resource_class": "baremetal",
            "traits": ["CUSTOM_A", "CUSTOM_B"],
            "candidates": ["compute2"],
            "site": "rack1",
        },
    ]
    assert [wish.name for wish in read_wishes(found)] == ["any", "gpu1"]


def test_nobody_is_rebuilt_without_a_name() -> None:
    with pytest.raises(MachineError, match="name the machines, exactly"):
        choose(MACHINES, [], "rebuild")
    with pytest.raises(MachineError, match="two: is to have no system"):
        choose(MACHINES, ["two"], "rebuild")


def test_what_ironic_does_not_know_yet_is_not_wiped(lab: Any, cloud: dict[str, Any]) -> None:
    machine(cloud, preserve=[{"serial": "D"}], root_device={"serial": "R"}, automated_clean=False)
    known = [the_machine(lab, cloud)]
    ironic = {"name": "compute1", "provision_state": "active", "automated_clean": True, "properties": {}}
    assert losses(known, ["compute1"], [], ["compute1"]) == []
    assert losses(known, [], [ironic], ["compute1"]) == []
    assert losses(known, ["compute1"], [ironic], []) == [
        'compute1: Ironic does not know yet that it has to preserve the disk {"serial": "D"}: enrol it again',
        "compute1: Ironic does not know yet that its disks are not to be cleaned: enrol it again",
    ]
    ironic |= {"automated_clean": False, "properties": {"skip_block_devices": [{"serial": "O"}, {"serial": "D"}]}}
    assert losses(known, ["compute1"], [ironic], []) == []


def test_a_machine_that_is_silent_may_be_in_use(lab: Any, cloud: dict[str, Any]) -> None:
    machine(cloud)
    known, ironic = [the_machine(lab, cloud)], {"name": "compute1", "provision_state": "active"}
    (said,) = losses(known, ["compute1"], [ironic], ["compute1"])
    assert said.startswith("compute1: does not say what it runs")
    assert losses(known, ["compute1"], [{**ironic, "provision_state": "deploy failed"}], ["compute1"]) == []


@pytest.mark.parametrize("secrets", [{"bmc_password_compute1": "own", "bmc_password": "all"}, {"bmc_password": "own"}])
def test_passwords_image_and_keys_are_added_later(lab: Any, cloud: dict[str, Any], secrets: dict[str, str]) -> None:
    machine(cloud)
    found = the_machine(lab, cloud)
    made = complete(found, secrets)
    assert set(made) == {"name", "node", "expected"}
    assert made["node"]["driver_info"]["redfish_password"] == "own"
    assert "redfish_password" not in found["node"]["driver_info"]
    image = {"source": "https://198.18.32.9:8089/a.raw", "checksum": "0" * 64}
    instance = complete(found, secrets, image, ["ssh-ed25519 A", "ssh-ed25519 B"])["instance"]
    assert instance["image"] == image
    assert instance["config_drive"]["meta_data"]["public_keys"] == {"key0": "ssh-ed25519 A", "key1": "ssh-ed25519 B"}
    assert "public_keys" not in found["instance"]["config_drive"]["meta_data"]


def test_a_password_is_missing(lab: Any, cloud: dict[str, Any]) -> None:
    machine(cloud)
    with pytest.raises(
        MachineError, match="compute1: there is no secret bmc_password_compute1, and no bmc_password for"
    ):
        complete(the_machine(lab, cloud), {"bmc_password_compute2": "x"})


def test_five_hundred_machines(lab: Any, cloud: dict[str, Any], tmp_path: Path) -> None:
    machine(cloud)
    for network in ("control", "tunnel"):
        subnet = cloud["networks"][network]["subnets"]["main"]
        low = 0 if network == "control" else 16
        subnet |= {"cidr": f"198.18.{low}.0/20", "pool": [f"198.18.{low}.10", f"198.18.{low + 15}.200"]}
    for number in range(500):
        node = dict(cloud["nodes"]["compute1"])
        high, low = divmod(number, 256)
        node["nics"] = {f"nic{nic}": f"52:54:00:{high:02x}:{low:02x}:1{nic}" for nic in (1, 2)}
        node["bmc"] = {**node["bmc"], "system": f"/redfish/v1/Systems/m{number}"}
        cloud["nodes"][f"m{number}"] = node
    made, known = lab.load(cloud)
    built = build_inventory(made, known, ENVIRON, lambda path: False)
    assert len(built.variables["ozone_machines"]) == 501
