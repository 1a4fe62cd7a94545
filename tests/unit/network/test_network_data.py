# SPDX-License-Identifier: Apache-2.0
"""What a machine is told of its network before anybody can reach it, and what the first boot makes of that."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError
from ansible_collections.ozone.openstack.plugins.module_utils.network.network_data import (
    from_network_data,
    reduced,
    to_network_data,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse

MACS = [f"52:54:00:00:00:{number:02x}" for number in range(1, 9)]
NICS = {f"nic{number}": mac for number, mac in enumerate(MACS, 1)}

_MAC = {"type": "string", "pattern": "^([0-9a-f]{2}:){5}[0-9a-f]{2}$"}
_TEXT = {"type": "string"}


def _keys(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


#: What Ironic asks of a node's network_data, as far as this document has it. OZONE_NETWORK_DATA_SCHEMA names its own.
SCHEMA: dict[str, Any] = _keys(
    {
        "links": {
            "type": "array",
            "items": {
                "oneOf": [
                    _keys({"id": _TEXT, "type": {"const": "phy"}, "ethernet_mac_address": _MAC}),
                    _keys(
                        {
                            "id": _TEXT,
                            "type": {"const": "bond"},
                            "ethernet_mac_address": _MAC,
                            "bond_mode": _TEXT,
                            "bond_links": {"type": "array", "items": _TEXT},
                        }
                    ),
                    _keys(
                        {
                            "id": _TEXT,
                            "type": {"const": "vlan"},
                            "vlan_mac_address": _MAC,
                            "vlan_link": _TEXT,
                            "vlan_id": {"type": "integer"},
                        }
                    ),
                ]
            },
        },
        "networks": {
            "type": "array",
            "items": _keys(
                {"id": _TEXT, "link": _TEXT, "network_id": _TEXT, "type": {"enum": ["ipv4", "ipv6"]}},
                ip_address={"type": "string", "pattern": "^[0-9a-f.:]+$"},
                netmask={"type": "string", "pattern": r"^(?!255\.255\.255\.255$)[0-9a-f.:]+$"},
                routes={"type": "array", "items": _keys({"network": _TEXT, "netmask": _TEXT, "gateway": _TEXT})},
            ),
        },
        "services": {"type": "array", "items": _keys({"type": {"const": "dns"}, "address": _TEXT})},
    }
)
if "OZONE_NETWORK_DATA_SCHEMA" in os.environ:
    SCHEMA = yaml.safe_load(Path(os.environ["OZONE_NETWORK_DATA_SCHEMA"]).read_text())


def nic(name: str = "nic1", **more: Any) -> dict[str, Any]:
    """A NIC."""
    return {"type": "interface", "name": name, **more}


def address(text: str = "198.51.100.7/24") -> list[dict[str, str]]:
    """Addresses of a device."""
    return [{"ip_netmask": text}]


def there(*objects: dict[str, Any], dns: tuple[str, ...] = ()) -> dict[str, Any]:
    """The document of some objects: always one that Ironic takes."""
    document = to_network_data(objects, NICS, dns)
    jsonschema.validate(document, SCHEMA)
    return document


def again(*objects: dict[str, Any], dns: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The objects that are read from the document: always such that the role `network` takes them."""
    found = from_network_data(there(*objects, dns=dns))
    parse(found)
    return found


BONDED = [
    {
        "type": "linux_bond",
        "name": "bond0",
        "bonding_options": {"mode": "active-backup", "miimon": 100},
        "mtu": 9000,
        "members": [nic("nic1", primary=True), nic("nic2")],
        "addresses": address(),
        "routes": [{"default": True, "next_hop": "198.51.100.1"}],
    },
    {"type": "vlan", "device": "bond0", "vlan_id": 100, "addresses": address("198.18.33.5/24"), "mtu": 1500},
]


def test_a_bond_with_a_vlan() -> None:
    document = there(*BONDED, dns=("198.51.100.53",))
    assert [(link["id"], link["type"]) for link in document["links"]] == [
        ("nic1", "phy"),
        ("nic2", "phy"),
        ("bond0", "bond"),
        ("vlan100", "vlan"),
    ]
    bond = document["links"][2]
    assert bond == {
        "id": "bond0",
        "type": "bond",
        "ethernet_mac_address": MACS[0],
        "bond_mode": "active-backup",
        "bond_miimon": 100,
        "bond_links": ["nic1", "nic2"],
        "bond_primary": "nic1",
        "mtu": 9000,
    }
    assert document["networks"][0] == {
        "id": "network0",
        "network_id": "198.51.100.0/24",
        "type": "ipv4",
        "link": "bond0",
        "ip_address": "198.51.100.7",
        "netmask": "255.255.255.0",
        "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "198.51.100.1"}],
    }
    assert document["services"] == [{"type": "dns", "address": "198.51.100.53"}]


def test_the_first_boot_reads_what_was_meant() -> None:
    assert again(*BONDED, dns=("198.51.100.53",)) == [
        {
            **BONDED[0],
            "members": [nic(MACS[0], primary=True), nic(MACS[1])],
            "dns_servers": ["198.51.100.53"],
        },
        {**BONDED[1], "name": "vlan100"},
    ]


def test_options_of_a_bond_may_be_words() -> None:
    bond = {**BONDED[0], "bonding_options": "mode=802.3ad miimon=50 lacp_rate=fast", "members": [nic("nic3")]}
    (read,) = again(bond)
    assert read["bonding_options"] == {"mode": "802.3ad", "miimon": "50", "lacp_rate": "fast"}


def test_a_primary_may_be_an_option() -> None:
    bond = {
        **BONDED[0],
        "bonding_options": "mode=active-backup miimon=50 primary=nic4",
        "members": [nic("nic3"), nic("nic4")],
    }
    (read,) = again(bond)
    assert read["members"] == [nic(MACS[2]), nic(MACS[3], primary=True)]


def test_a_vlan_may_be_written_in_other_ways() -> None:
    inside = {
        **BONDED[0],
        "members": [nic("nic1"), {"type": "vlan", "vlan_id": 7, "addresses": address("198.18.1.1/24")}],
    }
    assert again(inside)[1] == {
        "type": "vlan",
        "name": "vlan7",
        "device": "bond0",
        "vlan_id": 7,
        "addresses": address("198.18.1.1/24"),
    }
    dotted = nic("nic1.10", addresses=address())
    assert again(dotted) == [
        nic(MACS[0]),
        {"type": "vlan", "name": "nic1.10", "device": MACS[0], "vlan_id": 10, "addresses": address()},
    ]


def test_a_vlan_may_come_before_what_carries_it() -> None:
    upper = {"type": "vlan", "name": "upper", "device": "lower", "vlan_id": 8, "addresses": address()}
    lower = {"type": "vlan", "name": "lower", "device": "nic1", "vlan_id": 7}
    assert [item["name"] for item in again(upper, lower, nic())] == [MACS[0], "lower", "upper"]


def test_vlans_on_each_other_do_not_hang() -> None:
    one = {"type": "vlan", "name": "one", "device": "two", "vlan_id": 8}
    two = {"type": "vlan", "name": "two", "device": "one", "vlan_id": 7}
    assert there(one, two)["links"] == []


@pytest.mark.parametrize("kind", ["ovs_bridge", "linux_bridge", "ovs_user_bridge"])
def test_the_address_of_a_bridge_is_on_what_is_beneath_it(kind: str) -> None:
    bridge = {"type": kind, "name": "br-ex", "members": [nic("nic3", mtu=9000)], "addresses": address(), "mtu": 1500}
    assert again(bridge) == [nic(MACS[2], addresses=address(), mtu=1500)]


@pytest.mark.parametrize(
    ("options", "mode"),
    [("bond_mode=active-backup", "active-backup"), ("bond_mode=balance-tcp lacp=active", "802.3ad")],
)
def test_a_linux_bond_stands_for_one_of_open_vswitch(options: str, mode: str) -> None:
    bond = {"type": "ovs_bond", "name": "bond1", "ovs_options": options, "members": [nic("nic3"), nic("nic4")]}
    vlan = {"type": "vlan", "vlan_id": 9, "addresses": address("198.18.2.2/24"), "device": "bond1"}
    bridge = {"type": "ovs_bridge", "name": "br-ex", "members": [vlan, bond], "addresses": address()}
    above = {"type": "vlan", "vlan_id": 11, "device": "br-ex", "addresses": address("198.18.3.3/24")}
    first, second, third = again(bridge, above)
    assert (first["type"], first["name"], first["bonding_options"]) == (
        "linux_bond",
        "bond1",
        {"mode": mode, "miimon": 100},
    )
    assert (second["device"], second["vlan_id"]) == ("bond1", 9)
    assert (third["device"], third["vlan_id"]) == ("bond1", 11)


def test_what_nothing_reaches_the_machine_by_is_left_for_later() -> None:
    left = [
        {"type": "ovs_bridge", "name": "br-ex", "members": [nic("nic3")]},
        {"type": "ovs_bridge", "name": "br-int", "addresses": address("198.18.4.4/24")},
        {"type": "ovs_patch_port", "name": "patch", "peer": "other"},
        {"type": "ib_interface", "name": "ib0"},
        {"type": "vlan", "name": "on_ib", "device": "ib0", "vlan_id": 3, "addresses": address("198.18.5.5/24")},
        {"type": "linux_bond", "name": "bond9", "bonding_options": "mode=802.3ad", "members": []},
        {"type": "vlan", "device": "bond9", "vlan_id": 4},
    ]
    assert there(nic(), *left) == there(nic())


def test_of_routes_what_has_words() -> None:
    routes = [
        {"ip_netmask": "198.18.0.0/16", "next_hop": "198.51.100.1", "metric": 7},
        {"destination": "198.19.0.0/16", "nexthop": "198.51.100.1", "table": "main"},
        {"destination": "198.19.1.0/24", "next_hop": "198.51.100.1", "table": 100},
        {"destination": "198.19.2.0/24", "next_hop": "self"},
        {"destination": "2001:db8::/64", "next_hop": "2001:db8:1::1"},
    ]
    (read,) = again(nic(addresses=address(), routes=routes))
    assert read["routes"] == [
        {"destination": "198.18.0.0/16", "next_hop": "198.51.100.1", "metric": 7},
        {"destination": "198.19.0.0/16", "next_hop": "198.51.100.1"},
    ]


def test_a_nic_without_a_mac_address_is_told() -> None:
    with pytest.raises(NetworkError) as caught:
        to_network_data([nic("nic9"), {**BONDED[0], "members": [nic("nic1"), nic("eno7")]}], NICS)
    assert [str(problem) for problem in caught.value.problems] == [
        '[0].name: the MAC address of nic9 is not known (add nics: {nic9: "<its MAC address>"})',
        '[1].members[1].name: the MAC address of eno7 is not known (add nics: {eno7: "<its MAC address>"})',
    ]


# The ramdisk ----------------------------------------------------------------------------------------------------------


def test_a_ramdisk_works_with_one_nic_of_a_bond() -> None:
    routes = [{"destination": "198.51.100.200/32", "next_hop": "198.51.100.1"}, *BONDED[0]["routes"]]
    document = to_network_data([{**BONDED[0], "routes": routes}, BONDED[1]], NICS, ["198.51.100.53"])
    made = reduced(document, "198.51.100.7")
    jsonschema.validate(made, SCHEMA)
    assert made["links"] == [{"id": "nic1", "type": "phy", "ethernet_mac_address": MACS[0]}]
    assert [(entry["link"], entry["ip_address"]) for entry in made["networks"]] == [("nic1", "198.51.100.7")]
    assert [route["network"] for route in made["networks"][0]["routes"]] == ["0.0.0.0"]
    assert made["services"] == [{"type": "dns", "address": "198.51.100.53"}]
    assert reduced(document, "198.51.100.8") == {}


def test_a_ramdisk_has_the_vlan_of_its_address() -> None:
    bond = {**BONDED[0], "members": [nic("nic3"), nic("nic1")]}
    made = reduced(to_network_data([bond, {**BONDED[1], "mtu": 9000}], NICS), "198.18.33.5")
    jsonschema.validate(made, SCHEMA)
    assert [(link["id"], link.get("vlan_link"), link.get("mtu")) for link in made["links"]] == [
        ("nic3", None, None),
        ("vlan100", "nic3", None),
    ]
    (read, vlan) = from_network_data(made)
    assert (read["name"], vlan["device"], vlan["addresses"]) == (MACS[2], MACS[2], address("198.18.33.5/24"))


def test_a_ramdisk_keeps_small_packets_small() -> None:
    made = reduced(to_network_data([nic(mtu=1400, addresses=address())], NICS), "198.51.100.7")
    assert made["links"][0]["mtu"] == 1400


# Back -----------------------------------------------------------------------------------------------------------------


def document(**more: Any) -> dict[str, Any]:
    """A document as Nova would write it."""
    return {
        "links": [{"id": "tap7f3a", "type": "vif", "ethernet_mac_address": "52-54-00-00-00-01", "mtu": None}],
        "networks": [
            {"id": "n", "network_id": "x", "type": "ipv4", "link": "tap7f3a", "ip_address": "198.51.100.7/24"},
        ],
        "services": [],
        **more,
    }


def test_documents_of_others() -> None:
    assert from_network_data(document()) == [nic(MACS[0], addresses=address())]
    long = "3c2a3b6e-5d2e-4b64-9d0c-5dd1b9f4e0aa"
    links = [
        *document()["links"],
        {
            "id": long,
            "type": "bond",
            "bond_mode": "802.3ad",
            "bond_links": ["tap7f3a"],
            "ethernet_mac_address": MACS[0],
        },
        {"id": f"{long}.5", "type": "vlan", "vlan_link": long, "vlan_id": 5, "vlan_mac_address": MACS[0]},
    ]
    bond, vlan = from_network_data(document(links=links))
    assert bond["name"] == "bond0"
    assert bond["bonding_options"] == {"mode": "802.3ad", "miimon": 100}
    assert (vlan["name"], vlan["device"]) == ("vlan5", "bond0")


@pytest.mark.parametrize(
    ("mask", "length"), [("255.255.0.0", 16), ("24", 24), (24, 24), ("255.255.255.255", 32), (None, 32), ("0.0.0.0", 0)]
)
def test_netmasks(mask: Any, length: int) -> None:
    network = {"type": "ipv4", "link": "tap7f3a", "ip_address": "198.51.100.7", "netmask": mask}
    (read,) = from_network_data(document(networks=[network]))
    assert read["addresses"] == address(f"198.51.100.7/{length}")


def test_name_servers_of_a_network_and_of_all() -> None:
    network = {
        **document()["networks"][0],
        "services": [{"type": "dns", "address": "198.51.100.2"}, {"type": "ntp", "address": "198.51.100.9"}],
        "dns_nameservers": ["198.51.100.2", "198.51.100.3"],
    }
    services = [{"type": "dns", "address": f"198.51.100.{number}"} for number in (2, 4)]
    (read,) = from_network_data(document(networks=[network], services=services))
    assert read["dns_servers"] == ["198.51.100.2", "198.51.100.3", "198.51.100.4"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"links": []}, "links: there is none"),
        ({"links": [{"id": "a", "type": "phy"}]}, r"links\[0\]: the key ethernet_mac_address is missing"),
        ({"links": [{"id": "a"}]}, r"links\[0\]: the key type is missing"),
        (
            {"links": [{"id": "a", "type": "bond", "bond_mode": "802.3ad", "bond_links": []}]},
            r"links\[0\]: the key bond_links is missing",
        ),
        (
            {"links": [{"id": "a", "type": "vlan", "vlan_id": 3, "vlan_link": "b"}]},
            r"links\[0\]: there is no link b",
        ),
        ({"networks": [{"type": "ipv4", "link": "b"}]}, r"networks\[0\].link: there is no link b"),
        ({"networks": [{"type": "ipv4_dhcp", "link": "tap7f3a"}]}, "would have the machine ask for its address"),
        ({"networks": [{"type": "ipv6_slaac", "link": "tap7f3a"}]}, "would have the machine ask for its address"),
        ({"networks": [{"type": "ipv4", "link": "tap7f3a"}]}, r"networks\[0\]: .* is not possible here"),
        (
            {"networks": [{"type": "ipv4", "link": "tap7f3a", "ip_address": "198.51.100.7", "netmask": "255.0.255.0"}]},
            r"the netmask 255.0.255.0 is not possible here",
        ),
        (
            {"networks": [{"type": "ipv4", "link": "tap7f3a", "ip_address": "198.51.100.7", "netmask": "::"}]},
            r"the netmask :: is not possible here",
        ),
    ],
)
def test_documents_that_are_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        from_network_data(document(**more))


# Both ways ------------------------------------------------------------------------------------------------------------

_V4 = st.integers(1, 2**16 - 2).map(lambda low: str(ipaddress.IPv4Address("198.18.0.0") + low))
_V6 = st.integers(1, 2**64).map(lambda low: str(ipaddress.IPv6Address("2001:db8::") + low))


@st.composite
def _layer(draw: st.DrawFn) -> dict[str, Any]:
    """MTU, addresses, routes and name servers as far as a document has words for them."""
    versions = draw(st.lists(st.sampled_from([4, 6]), max_size=3))
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        found["mtu"] = draw(st.integers(1280, 9000))
    if versions:
        lengths = {4: st.integers(1, 32), 6: st.integers(1, 128)}
        targets = {4: st.integers(1, 31), 6: st.integers(1, 128)}  # of Ironic's schema; a config drive is not checked
        ips = {4: _V4, 6: _V6}
        found["addresses"] = [{"ip_netmask": f"{draw(ips[one])}/{draw(lengths[one])}"} for one in versions]
        routes: list[dict[str, Any]] = []
        for one in dict.fromkeys(versions):
            for _ in range(draw(st.integers(0, 2))):
                target = ipaddress.ip_network(f"{draw(ips[one])}/{draw(targets[one])}", strict=False)
                where = draw(st.sampled_from([{"default": True}, {"destination": str(target)}]))
                metric = draw(st.sampled_from([{}, {"metric": 5}]))
                routes.append({**where, "next_hop": draw(ips[one]), **metric})
        if routes:
            found["routes"] = routes
        servers = draw(st.lists(st.one_of(_V4, _V6), max_size=2, unique=True))
        if servers:
            found["dns_servers"] = servers
    return found


@st.composite
def _objects(draw: st.DrawFn) -> list[dict[str, Any]]:
    """NICs, bonds and VLANs on them, in the order of a document."""
    macs = draw(st.permutations(MACS))
    found: list[dict[str, Any]] = []
    for index in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            found.append(nic(macs.pop(), **draw(_layer())))
            continue
        members = [nic(macs.pop()) for _ in range(draw(st.integers(1, 2)))]
        options = draw(st.sampled_from([{"mode": "802.3ad", "miimon": 100}, {"mode": "active-backup", "miimon": "50"}]))
        if options["mode"] == "active-backup" and draw(st.booleans()):
            members[-1] = {**members[-1], "primary": True}
        bond = {"type": "linux_bond", "name": f"bond{index}", "bonding_options": options, "members": members}
        found.append({**bond, **draw(_layer())})
    vlans: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 3))):
        below = draw(st.sampled_from(found))["name"]
        vlans.append({"type": "vlan", "name": f"v{number}", "device": below, "vlan_id": 10 + number, **draw(_layer())})
    return found + vlans


@given(_objects())
def test_there_and_back_is_the_same(objects: list[dict[str, Any]]) -> None:
    made = to_network_data(objects, {})
    jsonschema.validate(made, SCHEMA)
    assert from_network_data(made) == objects
