# SPDX-License-Identifier: Apache-2.0
"""An address once given never changes unless the operator says so: the record, and all that could move a node."""

from __future__ import annotations

import copy
import ipaddress
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition, record
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import CloudError, Document, parse
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

Data = dict[str, Any]


def keep(lab: Any) -> definition.Cloud:
    """Do what a verb does: write what is new into the record."""
    made, _known = lab.load()
    file = record.record_file(lab.file)
    file.write_text(record.text(record.merged(made.recorded.entries, made.additions), lab.file.name))
    again, _known = lab.load()
    assert again.additions == []
    assert addresses(again) == addresses(made)
    return again


def addresses(cloud: definition.Cloud) -> dict[str, dict[str, str]]:
    return {name: dict(node.addresses) for name, node in cloud.nodes.items()}


def many(cloud: Data, count: int = 29) -> Data:
    """31 nodes."""
    made = copy.deepcopy(cloud)
    made["nodes"] |= {f"compute{number}": {"profile": "compute"} for number in range(2, count + 2)}
    return made


def test_without_a_record_all_is_new(lab: Any, cloud: Data) -> None:
    made, _known = lab.load(cloud)
    assert {(addition.node, addition.network) for addition in made.additions} == {
        ("control1", "control"),
        ("control1", "tunnel"),
        ("compute1", "control"),
        ("compute1", "tunnel"),
    }
    assert all(addition.before == "" for addition in made.additions)
    assert str(made.additions[0]) == f"control1 control {made.nodes['control1'].addresses['control']}"


def test_the_text_is_sorted_and_has_a_line_for_each_address(lab: Any, cloud: Data) -> None:
    keep(lab_with(lab, cloud))
    text = record.record_file(lab.file).read_text()
    head, lines = text.split("\n\n", 1)
    assert head.startswith("# The addresses of the nodes of cloud.yml")
    assert all(line.startswith("# ") for line in head.splitlines())
    assert [line.split(":")[0] for line in lines.splitlines()] == [
        "compute1", "  control", "  tunnel", "control1", "  control", "  tunnel",
    ]  # fmt: skip
    assert yaml.safe_load(text) == addresses(lab.load()[0])


def lab_with(lab: Any, data: Data) -> Any:
    lab.write(data)
    return lab


def test_nothing_that_widens_a_pool_moves_a_node(lab: Any, cloud: Data) -> None:
    """The 155 widenings of 31 nodes, 83 of which gave some node the address that another one has."""
    data = many(cloud)
    before = addresses(keep(lab_with(lab, data)))
    assert len(before) == 31
    document, _none = parse("plugin: x", "cloud.yml")
    known = lab.load()[1]
    recorded, _none2 = record.load(record.record_file(lab.file))
    widenings = 0
    for last in range(100, 255):
        data["networks"]["control"]["subnets"]["main"]["pool"] = ["198.18.0.10", f"198.18.0.{last}"]
        if last == 255:
            continue
        made, problems = definition.define(
            Document("cloud.yml", data, document.lines), lab.file, known, ["2026.1"], recorded
        )
        assert made is not None, problems
        assert addresses(made) == before
        widenings += 1
    assert widenings == 155


Change = Callable[[Data, random.Random], None]


def pool(data: Data, chance: random.Random) -> None:
    first = chance.randrange(3, 200)
    last = chance.randrange(first + 35, 251)
    data["networks"]["control"]["subnets"]["main"]["pool"] = [f"198.18.0.{first}", f"198.18.0.{last}"]


def router(data: Data, chance: random.Random) -> None:
    data["networks"]["control"]["subnets"]["main"]["routes"] = [
        {"destination": "198.18.99.0/24", "next_hop": f"198.18.0.{chance.randrange(10, 250)}"}
    ]


def fixed(data: Data, chance: random.Random) -> None:
    node = chance.choice(sorted(data["nodes"]))
    data["nodes"][node]["addresses"] = {"control": f"198.18.0.{chance.randrange(10, 250)}"}


def vip(data: Data, chance: random.Random) -> None:
    data["vips"] = {"control": f"198.18.0.{chance.randrange(3, 250)}"}


def gateway(data: Data, chance: random.Random) -> None:
    data["networks"]["control"]["subnets"]["main"]["gateway"] = f"198.18.0.{chance.randrange(3, 250)}"


def order(data: Data, chance: random.Random) -> None:
    names = list(data["nodes"])
    chance.shuffle(names)
    data["nodes"] = {name: data["nodes"][name] for name in names}


def insert(data: Data, chance: random.Random) -> None:
    data["nodes"] = {f"a{chance.randrange(1000)}": {"profile": "compute"}, **data["nodes"]}


def remove(data: Data, chance: random.Random) -> None:
    data["nodes"].pop(chance.choice([name for name in data["nodes"] if name != "control1"]))


def rename(data: Data, chance: random.Random) -> None:
    old = chance.choice([name for name in data["nodes"] if name != "control1"])
    data["nodes"] = {(f"new-{name}" if name == old else name): node for name, node in data["nodes"].items()}


CHANGES: list[Change] = [pool, router, fixed, vip, gateway, order, insert, remove, rename]


@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_change_moves_a_recorded_address_silently(
    lab: Any, cloud: Data, chance: random.Random, changes: list[Change]
) -> None:
    """Whatever is changed: a node keeps its address, is given another one by `addresses`, or the change is refused."""
    data = many(cloud, 12)
    record.record_file(lab.file).unlink(missing_ok=True)
    before = addresses(keep(lab_with(lab, data)))
    for change in changes:
        change(data, chance)
    lab.write(data)
    try:
        made, _known = lab.load()
    except CloudError:
        return
    after = addresses(made)
    had = {address: node for node, found in before.items() for address in found.values()}
    for node, found in after.items():
        own = data["nodes"][node].get("addresses", {})
        for network, address in found.items():
            assert address == own.get(network, before.get(node, {}).get(network, address))
            if address in had and had[address] != node:  # only one that was moved away by name
                assert "addresses" in data["nodes"].get(had[address], {})
    used = [address for found in after.values() for address in found.values()]
    assert len(used) == len(set(used))


def problem(lab: Any, data: Data) -> str:
    found = lab.problems(data)
    assert len(found) == 1, found
    return str(found[0])


@pytest.mark.parametrize("key", ["gateway", "host"])
def test_a_recorded_address_is_taken_by_the_file(lab: Any, cloud: Data, key: str) -> None:
    have = keep(lab_with(lab, cloud)).nodes["compute1"].addresses["control"]
    cloud["networks"]["control"]["subnets"]["main"] |= {key: have, "pool": ["198.18.0.100", "198.18.0.199"]}
    text = problem(lab, cloud)
    assert f"networks.control.subnets.main.{key}: {have} is the address of compute1 (" in text
    assert f"{record.record_file(lab.file)}:6)" in text
    assert "choose another one, or give compute1 another one with nodes.compute1.addresses.control" in text


def test_a_recorded_address_becomes_that_of_a_router_or_another_node(lab: Any, cloud: Data) -> None:
    have = keep(lab_with(lab, cloud)).nodes["compute1"].addresses["control"]
    routed = copy.deepcopy(cloud)
    routed["networks"]["control"]["subnets"]["main"]["routes"] = [{"destination": "198.18.99.0/24", "next_hop": have}]
    assert f"main.routes: {have} is the address of compute1" in problem(lab, routed)
    other = copy.deepcopy(cloud)
    other["nodes"]["control1"]["addresses"] = {"control": have}
    assert f"nodes.control1.addresses.control: {have} is the address of compute1" in problem(lab, other)
    other["nodes"]["compute1"]["addresses"] = {"control": "198.18.0.5"}
    made, _known = lab.load(other)
    assert made.nodes["control1"].addresses["control"] == have, "both by name: the operator says so"
    assert {(one.node, one.network, one.address) for one in made.additions} == {
        ("control1", "control", have),
        ("compute1", "control", "198.18.0.5"),
    }
    assert all(one.before for one in made.additions)
    virtual = copy.deepcopy(cloud)
    virtual["networks"]["control"]["subnets"]["main"]["pool"] = ["198.18.0.150", "198.18.0.199"]
    virtual["vips"] = {"control": have}
    assert f"vips.control: {have} is the address of compute1" in problem(lab, virtual)


def test_what_the_file_says_wins_and_the_record_follows(lab: Any, cloud: Data) -> None:
    before = keep(lab_with(lab, cloud)).nodes["compute1"].addresses["control"]
    cloud["nodes"]["compute1"]["addresses"] = {"control": "198.18.0.5"}
    made, _known = lab.load(cloud)
    assert [str(one) for one in made.additions] == [f"compute1 control 198.18.0.5 instead of {before}"]
    keep(lab)
    del cloud["nodes"]["compute1"]["addresses"]
    made, _known = lab.load(cloud)
    assert made.nodes["compute1"].addresses["control"] == "198.18.0.5", "it is the node's address now"
    assert made.additions == []


def test_outside_of_the_pool_is_fine_and_outside_of_the_subnet_is_not(lab: Any, cloud: Data) -> None:
    before = addresses(keep(lab_with(lab, cloud)))
    shrunk = copy.deepcopy(cloud)
    shrunk["networks"]["control"]["subnets"]["main"]["pool"] = ["198.18.0.240", "198.18.0.250"]
    assert addresses(lab.load(shrunk)[0]) == before
    gone = copy.deepcopy(cloud)
    del gone["networks"]["control"]["subnets"]["main"]["pool"]
    assert addresses(lab.load(gone)[0]) == before
    moved = copy.deepcopy(cloud)
    moved["networks"]["control"]["subnets"]["main"] = {"cidr": "198.18.40.0/24", "pool": ["198.18.40.5", "198.18.40.9"]}
    found = lab.problems(moved)
    assert len(found) == 2
    file = record.record_file(lab.file)
    assert found[0].startswith(f"{file}:6: compute1.control: {before['compute1']['control']} is outside the subnet")
    assert "delete this line" in found[0]
    floating = copy.deepcopy(cloud)
    floating["networks"]["control"]["subnets"]["main"] |= {
        "pool": ["198.18.0.3", "198.18.0.9"],
        "floating": ["198.18.0.10", "198.18.0.250"],
    }
    floating["traffic"]["external"] = "control"
    assert any("is one of the floating addresses of 198.18.0.0/24" in one for one in lab.problems(floating))


def test_a_node_that_left_keeps_its_address_reserved(lab: Any, cloud: Data) -> None:
    data = many(cloud, 3)
    before = addresses(keep(lab_with(lab, data)))
    del data["nodes"]["compute3"]
    gone = before["compute3"]["control"]
    data["networks"]["control"]["subnets"]["main"]["pool"] = [gone, gone]
    data["nodes"]["compute9"] = {"profile": "compute"}
    text = problem(lab, data)
    assert "networks.control.subnets.main.pool: the pool is exhausted" in text
    assert "delete the lines of machines that are gone (compute3)" in text
    data["nodes"]["compute9"]["addresses"] = {"control": gone}
    text = problem(lab, data)
    assert f"nodes.compute9.addresses.control: {gone} is reserved for compute3, which is not in the file" in text
    assert "when the machine compute3 is gone, delete its lines there" in text
    del data["nodes"]["compute9"]
    made, _known = lab.load(data)
    assert made.left == {"compute3": before["compute3"]}
    assert made.additions == []
    data["nodes"]["compute3"] = {"profile": "compute"}
    assert addresses(lab.load(data)[0])["compute3"] == before["compute3"], "it comes back as what it was"


def test_a_network_that_the_node_left_stays_reserved(lab: Any, cloud: Data) -> None:
    before = addresses(keep(lab_with(lab, cloud)))
    cloud["profiles"]["compute"]["networks"] = ["control"]
    cloud["profiles"]["compute"]["services"].pop()
    cloud["profiles"]["compute"]["services"].pop()
    cloud["profiles"]["controller"]["services"][3] = {"web": ["api", "agent"]}
    cloud["profiles"]["controller"]["services"][4] = {"net": ["central", "local"]}
    tunnel = before["compute1"]["tunnel"]
    cloud["networks"]["tunnel"]["subnets"]["main"]["pool"] = [tunnel, tunnel]
    cloud["nodes"]["control2"] = {"profile": "compute", "addresses": {"control": "198.18.0.5"}}
    made, _known = lab.load(cloud)
    assert "tunnel" not in made.nodes["compute1"].addresses
    cloud["profiles"]["other"] = {"services": ["base"]}
    cloud["nodes"]["other1"] = {"profile": "other"}
    assert any("tunnel.subnets.main.pool: the pool is exhausted" in one for one in lab.problems(cloud))


def test_a_renamed_network_is_refused_once(lab: Any, cloud: Data) -> None:
    keep(lab_with(lab, many(cloud, 9)))
    data = many(cloud, 9)
    data["networks"]["wires"] = data["networks"].pop("tunnel")
    data["traffic"]["tunnel"] = "wires"
    data["profiles"]["compute"]["networks"] = ["control", "wires"]
    text = problem(lab, data)
    assert (
        "unknown network tunnel, in which 11 nodes have an address (renamed: rename it here as well; removed:" in text
    )
    file = record.record_file(lab.file)
    file.write_text(file.read_text().replace("  tunnel:", "  wires:"))
    assert lab.load(data)[0].additions == []


def test_a_pool_that_is_exhausted_advises_nothing_that_moves_a_node(lab: Any, cloud: Data) -> None:
    data = many(cloud, 9)
    data["networks"]["control"]["subnets"]["main"]["pool"] = ["198.18.0.10", "198.18.0.19"]
    text = problem(lab, data)
    assert "10 addresses for 11 nodes, none for compute10" in text
    assert "first take compute10 out and run `make addresses`" in text, "what is deployed may not be recorded yet"
    del data["nodes"]["compute10"]
    before = addresses(keep(lab_with(lab, data)))
    data["nodes"]["compute10"] = {"profile": "compute"}
    text = problem(lab, data)
    assert "(widen the pool, which moves no recorded address)" in text
    data["networks"]["control"]["subnets"]["main"]["pool"] = ["198.18.0.10", "198.18.0.199"]
    after = addresses(lab.load(data)[0])
    assert {name: after[name] for name in before} == before


def test_addresses_that_are_said_to_be_in_use_are_not_proposed(lab: Any, cloud: Data) -> None:
    """A next hop, a BMC, a time server, a name server, an address in an override: all stand in the file."""
    cloud["networks"]["control"]["subnets"]["main"] |= {
        "pool": ["198.18.0.10", "198.18.0.17"],
        "routes": [{"destination": "198.18.99.0/24", "next_hop": "198.18.0.10"}],
    }
    cloud["network_configs"] = {
        "one": [
            {"type": "interface", "name": "nic1", "network": "control", "dns_servers": ["198.18.0.12"],
             "routes": [{"ip_netmask": "198.18.98.0/24", "next_hop": "198.18.0.13"}]},
            {"type": "interface", "name": "nic2", "network": "tunnel"},
        ]
    }  # fmt: skip
    cloud["profiles"]["compute"]["network_config"] = "one"
    cloud["overrides"] = {
        "web": {"config": {"web.conf": {"api": {"time": ["198.18.0.14"], "url": "http://198.18.0.15:80/x"}}}}
    }
    cloud["traffic"]["provisioning"] = "control"
    cloud["nodes"]["compute1"] |= {
        "bmc": {"address": "https://198.18.0.11", "username": "x"},
        "nics": {"nic1": "52:54:00:00:01:01", "nic2": "52:54:00:00:01:02"},
    }
    made, _known = lab.load(cloud)
    assert {node.addresses["control"] for node in made.nodes.values()} == {"198.18.0.16", "198.18.0.17"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("compute1: 198.18.0.5\n", "1: compute1: must be a mapping of networks to addresses"),
        ("[]\n", "must be a mapping of nodes"),
        ("compute1:\n  control: 198.18.0.300\n", "2: compute1.control: '198.18.0.300' is no address"),
        ("compute1:\n  control: fe80::1%eth0\n", "remove the zone %eth0"),
        ("compute1:\n  control: [1]\n", "is no address"),
        ("compute1:\n  control: 198.18.0.5\ncompute1:\n  control: 198.18.0.6\n", "this key is there twice"),
        ("<<<<<<< HEAD\ncompute1:\n", "not valid YAML"),
        (
            "compute1:\n  control: 198.18.0.5\ncontrol1:\n  control: 198.18.0.5\n",
            "4: control1.control: 198.18.0.5 belongs to the node compute1 already",
        ),
        ("compute1:\n  control: 198.18.0.0\n", ""),
        ("", ""),
    ],
)
def test_a_record_with_mistakes_is_refused(lab: Any, cloud: Data, text: str, message: str) -> None:
    file = record.record_file(lab.file)
    file.write_text(text)
    found = lab.problems(cloud)
    if "198.18.0.0\n" in text:
        assert any("198.18.0.0 is the network address of 198.18.0.0/24" in one for one in found)
    elif message:
        assert any(one.startswith(str(file)) and message in one for one in found), found
    else:
        assert not found


def test_where_the_record_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "prod.yml").write_text("")
    (tmp_path / "cloud.yml").symlink_to("real/prod.yml")
    assert record.record_file(tmp_path / "cloud.yml") == tmp_path / "real" / "prod.addresses.yml"
    assert record.record_file(tmp_path / "lab.yaml") == tmp_path / "lab.addresses.yml"
    assert record.is_record(tmp_path / "real" / "prod.addresses.yml")
    assert not record.is_record(tmp_path / "real" / "other.addresses.yml")
    assert not record.is_record(tmp_path / "real" / "prod.yml")


NAME = st.one_of(
    st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True),
    st.sampled_from(["on", "no", "y", "null", "true", "1e3", "0x10", "12", "1-2-3", "2026-04-01"]),
)
ENTRIES = st.dictionaries(
    NAME,
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True), st.ip_addresses().map(str), min_size=1),
)  # fmt: skip


@given(ENTRIES)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(tmp_path: Path, entries: dict[str, dict[str, str]]) -> None:
    plain = {
        node: {network: address for network, address in found.items() if "%" not in address}
        for node, found in entries.items()
    }
    plain = {node: found for node, found in plain.items() if found}
    file = tmp_path / "cloud.addresses.yml"
    file.write_text(record.text(plain, "cloud.yml"))
    read, problems = record.load(file)
    assert not problems
    assert read.entries == {
        node: {network: str(ipaddress.ip_address(address)) for network, address in found.items()}
        for node, found in plain.items()
    }
    assert yaml.safe_load(file.read_text()) in (read.entries, None), "other parsers read the same"


@pytest.mark.parametrize("name", sorted(path.parent.name for path in (COLLECTION / "inventory").glob("*/cloud.yml")))
def test_the_records_of_the_examples_are_complete(name: str) -> None:
    """`make cloud` in a clone changes no file of the clone."""
    file = COLLECTION / "inventory" / name / "cloud.yml"
    made, _known = definition.load(file)
    assert made.additions == []
    assert made.left == {}
    assert record.text(made.recorded.entries, "cloud.yml") == record.record_file(file).read_text()
