# SPDX-License-Identifier: Apache-2.0
"""What is wrong with names, BMCs, NICs and disks is told when the file is read, with the line."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from test_definition import machine

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import reading
from ansible_collections.ozone.openstack.plugins.module_utils.cloud import hardware
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.machines import machines

SYSTEM = "/redfish/v1/Systems/1"


def twin(cloud: dict[str, Any], name: str = "compute2", **keys: Any) -> dict[str, Any]:
    """Another machine beside compute1, with hardware of its own where ``keys`` says nothing else."""
    machine(cloud)
    node: dict[str, Any] = copy.deepcopy(cloud["nodes"]["compute1"])
    node["nics"] = {"nic1": "52:54:00:00:09:01", "nic2": "52:54:00:00:09:02"}
    node["bmc"]["address"] = "https://198.18.0.4:8000"
    node.pop("root_device", None)
    cloud["nodes"][name] = {**node, **keys}
    return cloud


def bmc(address: str, system: str | None = SYSTEM) -> dict[str, Any]:
    return {"address": address, "username": "admin", **({} if system is None else {"system": system})}


SAME = [
    ("https://b", "https://b:443"), ("https://b", "https://B"), ("https://b.example", "https://b.example."),
    ("https://[fd00::1]", "https://[FD00:0:0::01]:443"), ("https://198.18.0.7", "https://[::ffff:198.18.0.7]"),
    ("https://198.18.0.7", "https://[::ffff:c612:7]"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [pair for pair in SAME if "ffff:198" not in pair[1]])
@pytest.mark.parametrize(("first", "second"), [(SYSTEM, SYSTEM), (None, None), (SYSTEM, None), (None, SYSTEM)])
def test_one_machine_under_two_names(
    lab: Any, cloud: dict[str, Any], one: str, other: str, first: str | None, second: str | None
) -> None:
    twin(cloud, bmc=bmc(other, second))
    cloud["nodes"]["compute1"]["bmc"] = bmc(one, first)
    (found,) = lab.problems(cloud)
    assert "nodes.compute2.bmc: " in found and "is the machine of compute1 already" in found
    assert ("say it for both" in found) == (first != second)


@pytest.mark.parametrize(
    "path", [SYSTEM, "/redfish/v1/./Systems/1", "/redfish/v1//Systems/1", "/redfish/v1/x/../Systems/%31"]
)
def test_one_system_under_two_paths(lab: Any, cloud: dict[str, Any], path: str) -> None:
    twin(cloud, bmc=bmc("https://b", path))
    cloud["nodes"]["compute1"]["bmc"] = bmc("https://b")
    (found,) = lab.problems(cloud)
    assert "is the machine of compute1 already (correct" in found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (bmc("https://b"), bmc("https://b:8443")),
        (bmc("https://b"), bmc("https://b", "/redfish/v1/Systems/2")),
        (bmc("https://b", None), bmc("https://c", None)),
        (bmc("https://[fd00::1]"), bmc("https://[fd00::11]")),
    ],
)
def test_two_machines(lab: Any, cloud: dict[str, Any], one: Any, other: Any) -> None:
    twin(cloud, bmc=other)
    cloud["nodes"]["compute1"]["bmc"] = one
    assert lab.problems(cloud) == []


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("https://b:99999", "has a port that there is not (ports are 1 to 65535"),
        ("https://b:0", "has a port that there is not"),
        ("https://[fd00:::1]", "write a host name, an IPv4 address, or an IPv6 address in brackets"),
        ("https://198.18.0.300", "write a host name"),
        ("https://198.18.000.7", "write a host name"),
        ("https://3323068417", "write a host name"),
        ("https://198.18.0.7.", "write a host name"),
        ("https://0x7f", "write a host name"),
        ("https://-b", "'-b' is no host name"),
        ("https://a..b", "is no host name"),
        (f"https://{'a' * 64}", "is no host name"),
    ],
)
def test_addresses_of_bmcs_that_are_none(lab: Any, cloud: dict[str, Any], address: str, wanted: str) -> None:
    twin(cloud, bmc=bmc(address))
    (found,) = lab.problems(cloud)
    assert "nodes.compute2.bmc.address: " in found and wanted in found


@pytest.mark.parametrize("mac", ["52:54:00:AB:00:01", "52-54-00-ab-00-01", "52-54-00-AB-00-01"])
def test_a_mac_address_in_another_spelling(lab: Any, cloud: dict[str, Any], mac: str) -> None:
    twin(cloud, nics={"nic1": mac, "nic2": "52:54:00:00:09:02"})
    cloud["nodes"]["compute1"]["nics"]["nic1"] = "52:54:00:ab:00:01"
    (found,) = lab.problems(cloud)
    assert f"nodes.compute2.nics.nic1: {mac} is a NIC of compute1 already" in found


def test_a_mac_address_is_told_to_ironic_in_one_spelling(lab: Any, cloud: dict[str, Any]) -> None:
    twin(cloud, nics={"nic1": "52-54-00-AB-00-01", "nic2": "52:54:00:00:09:02"})
    made, _known = lab.load(cloud)
    found = machines(made)[1]
    assert found["node"]["ports"][0] == {"address": "52:54:00:ab:00:01"}
    assert found["expected"]["macs"][0] == "52:54:00:ab:00:01"


@pytest.mark.parametrize(
    ("nics", "wanted"),
    [
        ({"nic1": "53:54:00:00:00:01"}, "nic1: '53:54:00:00:00:01' is not the MAC address of a card"),
        ({"nic1": "ff:ff:ff:ff:ff:ff"}, "is not the MAC address of a card"),
        ({"nic1": "00:00:00:00:00:00"}, "is not the MAC address of a card"),
        ({"a": "nic3"}, "nics.a: nic3 is an alias itself (give the NIC's MAC address"),
        ({"a": "b", "b": "eth0"}, "nics.a: b is an alias itself"),
        ({"a": "eth0", "b": "eth0"}, "nics.b: eth0 is a already (give a NIC one alias only)"),
        ({"a": "12"}, "nics.a: '12' cannot be the name of a network device"),
        ({"a": "lo"}, "nics.a: 'lo' is no NIC"),
        ({"a.10": "eth0"}, "cannot be an alias"),
    ],
)
def test_nics(lab: Any, cloud: dict[str, Any], nics: dict[str, str], wanted: str) -> None:
    twin(cloud)
    cloud["nodes"]["compute2"]["nics"] |= nics
    assert any(wanted in line for line in lab.problems(cloud)), lab.problems(cloud)


@pytest.mark.parametrize("where", ["nodes", "profiles"])
@pytest.mark.parametrize(
    ("hints", "key", "wanted"),
    [
        ({"root_device": {"size": "447GB"}}, "root_device.size", "is no whole number of GiB above 0"),
        ({"root_device": {"size": 0}}, "root_device.size", "must be at least 1, not 0"),
        ({"root_device": {"size": "0"}}, "root_device.size", "is no whole number of GiB"),
        ({"root_device": {"serial": "<all-in> a"}}, "root_device.serial", "the agent cannot use <all-in> on texts"),
        ({"root_device": {"model": ">= 4"}}, "root_device.model", "the agent cannot use >= on texts (use"),
        ({"root_device": {"serial": "A"}, "preserve": [{"size": "big"}]}, "preserve[0].size", "is no whole number"),
        ({"expected": {"disks": [{"size": "1 TB"}]}}, "expected.disks[0].size", "is no whole number of GiB above 0"),
    ],
)
def test_hints(lab: Any, cloud: dict[str, Any], where: str, hints: dict[str, Any], key: str, wanted: str) -> None:
    twin(cloud)
    name = "compute2" if where == "nodes" else "compute"
    cloud[where][name] |= hints
    (found,) = lab.problems(cloud)
    assert f"{where}.{name}.{key}: " in found and wanted in found


@pytest.mark.parametrize(
    ("root", "preserve", "wanted"),
    [
        ({"serial": "A1"}, [{"serial": "B"}, {"serial": "a1"}], "preserve[1]: this disk (serial: a1) gets the system"),
        ({"serial": "A1", "size": 400}, [{"serial": "s== A1"}], "preserve[0]: this disk (serial: a1) gets the system"),
        ({"wwn": "0x5"}, [{"wwn": "0x5", "serial": "X"}], "preserve[0]: this disk (wwn: 0x5) gets the system"),
        ({"hctl": "0:0:0:0"}, [{"hctl": "0:0:0:0"}], "preserve[0]: this disk (hctl: 0:0:0:0) gets the system"),
        (
            {"serial": "A"},
            [{"serial": "B"}, {"serial": "b"}],
            "preserve[1]: this disk (serial: b) is preserve[0] already",
        ),
        ({}, [{"serial": "B"}], "preserve: disks are to be preserved, and nothing says which disk gets the system"),
    ],
)
def test_a_disk_is_written_or_preserved(lab: Any, cloud: dict[str, Any], root: Any, preserve: Any, wanted: str) -> None:
    twin(cloud, preserve=preserve, **({"root_device": root} if root else {}))
    (found,) = lab.problems(cloud)
    assert f"nodes.compute2.{wanted}" in found
    cloud["nodes"]["compute2"]["preserve"] = [{"serial": "<or> x <or> y"}, {"model": "same"}]
    cloud["nodes"]["compute2"]["root_device"] = {"serial": "Z", "model": "same"}
    assert lab.problems(cloud) == []


def test_a_disk_is_in_one_machine(lab: Any, cloud: dict[str, Any]) -> None:
    twin(cloud, root_device={"serial": "ab1"})
    cloud["nodes"]["compute1"]["root_device"] = {"serial": "AB1", "model": "x"}
    (found,) = lab.problems(cloud)
    assert "nodes.compute2.root_device: the disk (serial: ab1) is the root device of compute1 already" in found
    cloud["profiles"]["compute"]["root_device"] = {"serial": "of-all"}
    del cloud["nodes"]["compute1"]["root_device"], cloud["nodes"]["compute2"]["root_device"]
    (found,) = lab.problems(cloud)
    assert "is the root device of compute1 already" in found


@pytest.mark.parametrize(
    ("traits", "wanted"),
    [
        ([f"CUSTOM_{number}" for number in range(60)], "takes at most 50 entries"),
        (["custom_a"], "is not possible here"),
        (["CUSTOM_" + "A" * 250], "is not possible here"),
        (["CUSTOM_A B"], "is not possible here"),
        (["CUSTOM_"], "is not possible here"),
    ],
)
def test_traits(lab: Any, cloud: dict[str, Any], traits: list[str], wanted: str) -> None:
    twin(cloud, traits=traits)
    (found,) = lab.problems(cloud)
    assert "nodes.compute2.traits" in found and wanted in found


UUID = "0dd5ab4e-0b1b-4e0f-9f0e-1f6f9d8b9c1a"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (UUID, "is a UUID, which is no name to Ironic"),
        (UUID.replace("-", ""), "is a UUID"),
        ("detail", "detail has a meaning of its own in Ironic's API"),
        ("states", "has a meaning of its own in Ironic's API"),
        ("1", "1 is read as an IP address (inet_aton), not as a name"),
        ("017", "is read as an IP address"),
        ("0x7f000001", "is read as an IP address"),
    ],
)
def test_names_of_machines(lab: Any, cloud: dict[str, Any], name: str, wanted: str) -> None:
    twin(cloud, name)
    (found,) = lab.problems(cloud)
    assert f"nodes.{name}: " in found and wanted in found


@pytest.mark.parametrize("name", [UUID, "detail"])
def test_names_of_allocations(lab: Any, cloud: dict[str, Any], name: str) -> None:
    twin(cloud, provisioned=False)
    cloud["allocations"] = {name: {}}
    (found,) = lab.problems(cloud)
    assert f"allocations.{name}: " in found


def test_names_of_nodes_without_ironic_may_be_what_ironic_refuses(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["nodes"]["detail"] = cloud["nodes"].pop("compute1")
    assert lab.problems(cloud) == []


def test_long_names(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["domain"] = ".".join(["d" * 60] * 4)
    assert lab.problems(cloud) == []
    cloud["nodes"]["c" * 60] = cloud["nodes"].pop("compute1")
    (found,) = lab.problems(cloud)
    assert f"nodes.{'c' * 60}: " in found and "and the domain have 304 characters together (a DNS name has 253" in found


@pytest.mark.parametrize("domain", ["a.1", "18.0.1", "x.0x1"])
def test_a_domain_that_makes_addresses_of_names(lab: Any, cloud: dict[str, Any], domain: str) -> None:
    cloud["domain"] = domain
    (found,) = lab.problems(cloud)
    assert f"domain: {domain} ends with a number" in found


def test_two_load_balancers_where_there_can_be_one(lab: Any, cloud: dict[str, Any], services: dict[str, Any]) -> None:
    """One message, with what is possible."""
    services["haproxy"]["components"] = {"main": {"min": 1, "max": 1}}
    services["db"]["components"]["main"] |= {"max": 1}
    lab.write_services(services)
    cloud["nodes"]["control2"] = {"profile": "controller"}
    found = lab.problems(cloud)
    assert len(found) == 2 and not any("vips" in line or "odd number" in line for line in found)
    assert "haproxy runs on 2 nodes and may run on 1 at most" in found[0]


def test_a_majority_is_advised_that_is_allowed(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["vips"] = {"control": "198.18.0.200"}
    for number in (2, 3, 4):
        cloud["nodes"][f"control{number}"] = {"profile": "controller"}
    found = lab.problems(cloud)
    assert [line for line in found if "db runs on 4 nodes and may run on 3 at most" in line]
    assert not [line for line in found if "5" in line and "odd" in line]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_addresses_in_their_one_form(one: str, other: str) -> None:
    assert hardware.system(bmc(one)).same(hardware.system(bmc(other)))


def test_what_the_fleet_refuses_is_refused_when_the_file_is_read(
    lab: Any, cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what no check of a definition knows of."""
    twin(cloud, traits=["CUSTOM_A"])
    monkeypatch.setattr(reading, "MOST_TRAITS", 0)
    assert [line.split(": ", 1)[1] for line in lab.problems(cloud)] == [
        "nodes.compute2: compute2.traits: has 1 traits (Ironic takes 0) (see docs/operator/bare-metal.md)"
    ]
