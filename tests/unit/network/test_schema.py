# SPDX-License-Identifier: Apache-2.0
"""Objects of os-net-config: what they become, and how they are refused."""

from __future__ import annotations

import ipaddress
from typing import Any, get_args

import jsonschema
import pytest
from network_words import at, bond, bridge, device, nic, only, parse, problems, refusal, vlan

from ansible_collections.ozone.openstack.plugins.module_utils.network import reading, schema, vocabulary
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Kind, NetworkError, Route

SITE: list[Any] = [
    nic("nic1", addresses=at("198.51.100.7/25"), routes=[{"default": True, "next_hop": "198.51.100.1"}]),
    bond("mode=802.3ad miimon=100 lacp_rate=1", nic("nic2"), nic("nic3"), mtu=9000),
    *(
        vlan(
            number,
            device="bond0",
            addresses=at(f"198.18.{number}.7/24"),
            routes=[{"destination": f"198.19.{number}.0/24", "nexthop": f"198.18.{number}.1"}],
        )
        for number in (10, 20, 30, 40)
    ),
]


def test_site() -> None:
    config = parse(*SITE)
    assert [one.name for one in config.devices] == [
        "nic1",
        "nic2",
        "nic3",
        "bond0",
        *(f"vlan{n}0" for n in (1, 2, 3, 4)),
    ]
    made = device(config, "bond0")
    assert made.members == ("nic2", "nic3")
    assert made.bonding == {"mode": "802.3ad", "miimon": "100", "lacp_rate": "fast"}
    assert device(config, "nic2").master == "bond0"
    assert device(config, "vlan20").parent == "bond0" and device(config, "vlan20").vlan_id == 20
    assert device(config, "nic1").routes == (
        Route(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_address("198.51.100.1")),
    )
    assert not config.warnings


def test_whole_file() -> None:
    assert schema.parse({"network_config": SITE}).devices[0].path == "network_config[0]"
    assert schema.parse(tuple(SITE)).devices[0].path == "[0]"


@pytest.mark.parametrize("key", sorted(vocabulary.REFUSED_LISTS))
def test_other_lists(key: str) -> None:
    (found,) = refusal({"network_config": SITE, key: []})
    assert found.startswith(f"{key}: {key} cannot be had")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "must be a list of devices, not nothing"),
        ("text", "must be a list of devices, not a text"),
        ([], "has no devices"),
        ({}, "the key network_config is missing"),
        ({"network_config": []}, "network_config: has no devices"),
        ({"network_config": {"type": "interface"}}, "must be a list, not a mapping"),
        ({"network_config": {"get_param": "x"}}, "get_param is a function of Heat"),
        ({"network_confg": SITE, "network_config": SITE}, "network_confg: unknown key (did you mean network_config?)"),
        ({1: SITE, "network_config": SITE}, "the key 1 is not a text"),
        ([None], "[0]: must be a mapping, not nothing"),
        ([["a"]], "[0]: must be a mapping, not a list"),
        ([{"get_param": "x"}], "[0]: get_param is a function of Heat"),
        ([{"name": "nic1"}], "the key type is missing"),
        ([{"type": None}], "the key type is missing"),
        ([{"type": "interfce", "name": "nic1"}], "did you mean interface?"),
        ([{"type": 7, "name": "nic1"}], "7 is no type of a device"),
        ([{"type": {"get_param": "x"}}], "[0].type: get_param is a function of Heat"),
        ([{"remove_name": "nic1", "remove_type": "interface"}], "remove_net_device cannot be had"),
        ([{"type": "interface"}], "the key name is missing"),
        ([nic(nme="x")], "[0].nme: unknown key (did you mean name?)"),
        ([{7: 1, **nic()}], "the key 7 is not a text"),
        ([bond(ovs_options="bond_mode=x")], "a bond of the kernel has bonding_options"),
    ],
)
def test_shape(data: Any, text: str) -> None:
    assert any(text in found for found in refusal(data)), refusal(data)


@pytest.mark.parametrize("kind", sorted(vocabulary.DEAD))
def test_dead_types(kind: str) -> None:
    found = only({"type": kind, "name": "x"})
    assert f"{kind} cannot be had" in found and (
        "use " in found or "remove" in found or "write" in found or "leave" in found
    )


def test_all_problems_at_once() -> None:
    found = problems(
        nic(mtu=7, colour="red"), vlan(5000, device="nic1"), {"type": "ivs_bridge"}, nic("nic9", addresses=5)
    )
    assert len(found) == 5
    assert [one.split(":")[0] for one in found] == ["[0].colour", "[0].mtu", "[1].vlan_id", "[2].type", "[3].addresses"]


def test_nothing_follows_from_a_mistake() -> None:
    """A device that could not be read is not missed elsewhere, an address that was wrong is not missed by a route."""
    assert len(problems({"type": "sriov_pf", "name": "nic1"}, {"type": "sriov_vf", "device": "nic1", "vfid": 1})) == 1
    assert (
        len(problems(nic(addresses=at("198.51.100.0/24"), routes=[{"default": True, "next_hop": "198.51.100.1"}]))) == 1
    )
    assert len(problems(bond("mode=1 miimon=100 primary=nic1", nic("a b"), nic("nic2")))) == 1
    assert len(problems(bond(name="a b"), vlan(10, device="nic1"))) == 1
    assert (
        len(
            problems({"type": "route_table", "name": "local", "table_id": 7}, nic(rules=[{"rule": "from all table x"}]))
        )
        == 2
    )


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("name", None, "has no value (give it a value, or remove the key)"),
        ("name", 7, 'put it in quotes: "7"'),
        ("name", True, "must be a text, not true or false"),
        ("name", {"get_input": "x"}, "get_input is a function of Heat"),
        ("name", "pci:0:3", "is no PCI address (write it like pci:0000:3b:00.0)"),
        ("name", "driver:", "names no driver"),
        ("name", "enp0s31f6-and-more", "has 18 characters: the kernel takes 15 at most"),
        ("name", "a/b", "cannot be the name of a network device"),
        ("name", "123", "cannot be the name of a network device"),
        ("name", "lo", "make a linux_bridge without members"),
        ("name", "all", "'all' is no NIC"),
        ("mtu", 67, "67 is not possible here (must be between 68 and 65535)"),
        ("mtu", 65536, "must be between 68 and 65535"),
        ("mtu", "9000", "write it without quotes: 9000"),
        ("mtu", True, "must be a whole number, not true or false"),
        ("mtu", None, "[0].mtu: has no value (give it a value, or remove the key)"),
        ("mtu", 1500.5, "must be a whole number, not a number"),
        ("mtu", 10**50, "that is not possible here"),
        ("onboot", "perhaps", "'perhaps' is no truth value (write true or false)"),
        ("onboot", 2, "2 is no truth value"),
        ("onboot", [], "a list is no truth value"),
        ("addresses", {"ip_netmask": "198.51.100.7/24"}, "must be a list, not a mapping"),
        ("addresses", ["198.51.100.7/24"], "write - ip_netmask: 198.51.100.7/24"),
        ("addresses", [{}], "the key ip_netmask is missing"),
        ("addresses", [7], "must be a mapping, not a number"),
        ("addresses", [{"get_param": "x"}], "addresses[0]: get_param is a function of Heat"),
        ("addresses", [{"ip_netmask": {"list_join": ["/", []]}}], "list_join is a function of Heat"),
        ("addresses", [{"ip_netmask": 7}], "must be a text"),
        ("addresses", at("198.51.100.7"), "has no prefix length (like 198.51.100.7/24"),
        ("addresses", at("198.51.100.7/33"), "has an impossible prefix length"),
        ("addresses", at("198.51.100.7/255.255.255.0"), "has '255.255.255.0' for a prefix length"),
        ("addresses", at("198.51.100.700/24"), "is no IP address"),
        ("addresses", at("1x2x3x4/24"), "is no IP address"),
        ("addresses", at("fe80::1%eth0/64"), "names an interface"),
        ("addresses", at("198.51.100.0/24"), "is the address of the subnet 198.51.100.0/24 itself"),
        ("addresses", at("198.51.100.255/24"), "is the broadcast address of 198.51.100.0/24"),
        ("addresses", at("2001:db8::/64"), "is the address of the subnet"),
        ("addresses", at("0.0.0.0/0"), "cannot be the address of a node"),
        ("addresses", at("224.0.0.5/24"), "cannot be the address of a node"),
        ("addresses", at("127.0.0.2/8"), "is the address of the node to itself"),
        ("dns_servers", ["198.51.100.1", "198.51.100.1"], "is there twice"),
        ("dns_servers", ["198.51.100.1/24"], "has a prefix length, and must have none"),
        ("dns_servers", ["dns.example"], "is no IP address (like 198.51.100.1"),
        ("dns_servers", ["fe80::1%eth0"], "names an interface"),
        ("dns_servers", [7], "must be a text"),
        ("dns_servers", {"get_param": "x"}, "is a function of Heat"),
        ("dns_servers", [{"get_param": "x"}], "dns_servers[0]: get_param is a function of Heat"),
        ("domain", ["a..b"], "is no domain name"),
        ("domain", [7], "must be a text"),
        ("domain", 7, "must be a list, not a number"),
        ("nic_mapping", {"nic1": "eth0"}, "give them beside the configuration, as mapping"),
        ("persist_mapping", True, "NICs are not renamed"),
        ("dhclient_args", "-x", "takes no arguments"),
        ("dcb", {"dscp2prio": []}, "data centre bridging"),
        ("linkdelay", -1, "must be between 0 and 3600"),
        ("vlan_id", 7, "use the type vlan with device, or the name nic1.10"),
    ],
)
def test_values(key: str, value: Any, text: str) -> None:
    assert text in only({**nic(), key: value})


def test_accepted_values() -> None:
    one = parse(
        nic(
            "52-54-00-AB-CD-EF",
            addresses=at("198.51.100.7/31", "2001:db8::7/64", "198.18.0.1/32"),
            mtu=1500,
            onboot="no",
            hotplug=1,
            linkdelay=5,
            dns_servers=["198.51.100.1", "2001:DB8::1"],
            domain="a.example b.example a.example",
            nm_controlled="yes",
            nic_mapping=None,
            persist_mapping="f",
            dhclient_args="",
            defroute=False,
            use_dhcp="off",
            routes=[],
            rules=[],
        )
    ).devices[0]
    assert one.name == "52:54:00:ab:cd:ef"
    assert [str(address) for address in one.addresses] == ["198.51.100.7/31", "2001:db8::7/64", "198.18.0.1/32"]
    assert (one.onboot, one.hotplug, one.linkdelay) == (False, True, 5)
    assert [str(address) for address in one.dns_servers] == ["198.51.100.1", "2001:db8::1"]
    assert one.domains == ("a.example", "b.example") and one.options == {}


@pytest.mark.parametrize(
    "word", ["pci:0000:3B:00.1", "driver:ice", "driver:ice:1", "nic12", "eno1", "storage_a", "p2p1"]
)
def test_nics(word: str) -> None:
    assert parse(nic(word)).devices[0].name == (word.lower() if word.startswith("pci") else word)


# ---- DHCP


def test_dhcp_is_refused_and_allowed_by_name() -> None:
    found = only(nic(use_dhcp=True), nic("nic2", use_dhcp="yes"), dhcp_allowed=("nic1",))
    assert found.startswith("[1].use_dhcp: nic2 would ask for its IPv4 address") and "nic2 in dhcp_allowed" in found
    assert "IPv6" in only(nic(use_dhcpv6=True))
    one, two = parse(
        nic(use_dhcp=True, defroute=False), vlan(7, device="nic1", use_dhcpv6=True), dhcp_allowed=("nic1", "vlan7")
    ).devices
    assert (one.dhcp4, one.dhcp6, one.options) == (True, False, {"defroute": "no"})
    assert (two.dhcp4, two.dhcp6) == (False, True)


def test_dhcp_is_never_possible_on_a_member() -> None:
    found = only(bond("mode=1 miimon=100", nic("nic1", use_dhcp=True)), dhcp_allowed=("nic1",))
    assert "nic1 is a member of bond0, so use_dhcp is not possible (write it on bond0, or on a VLAN of it)" in found


# ---- VLANs


def test_vlans() -> None:
    config = parse(
        vlan(10, device="nic1"),
        vlan(10, device="nic2", name="storage"),
        nic("nic3.30", addresses=at("198.51.100.9/24")),
        bond("mode=1 miimon=100", nic("nic4"), vlan(40)),
        bridge(nic("nic5"), vlan(50, addresses=at("198.18.0.9/24")), nic("nic6.60")),
    )
    assert [one.name for one in config.devices][:4] == ["nic1", "nic2", "nic3", "nic6"]  # named by VLANs only
    assert device(config, "nic1").kind == "interface" and device(config, "nic1").path == "[0].device"
    assert device(config, "storage").parent == "nic2"
    dotted = device(config, "nic3.30")
    assert (dotted.kind, dotted.parent, dotted.vlan_id, dotted.master) == ("vlan", "nic3", 30, None)
    on_bond = device(config, "vlan40")
    assert (on_bond.parent, on_bond.master) == ("bond0", None) and device(config, "bond0").members == ("nic4",)
    inner = device(config, "vlan50")
    assert (inner.parent, inner.master) == (None, "br-ex")
    assert (device(config, "nic6.60").parent, device(config, "nic6.60").master) == ("nic6", "br-ex")


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([vlan(10)], "the key device is missing (the NIC, bond or bridge that carries it)"),
        ([vlan(10, device=7)], "must be a text"),
        ([{"type": "vlan", "device": "nic1"}], "the key vlan_id is missing"),
        ([vlan(0, device="nic1")], "must be between 1 and 4094"),
        ([vlan(4095, device="nic1")], "must be between 1 and 4094"),
        ([vlan("7", device="nic1")], "write it without quotes: 7"),
        ([nic("nic1.4095")], "4095 is no VLAN"),
        ([vlan(10, device="nic1", name="nic7")], "is the number of a NIC"),
        ([vlan(10, device="nic1", name="all")], "has a meaning of its own"),
        ([vlan(10, device="nic1", name="storage-of-the-site")], "has 19 characters"),
        ([vlan(10, device="nic1", name="a b")], "cannot be the name of a network device"),
        ([vlan(10, device="nic1", name=7)], "put it in quotes"),
        ([vlan(10, device="nic1"), vlan(10, device="nic2")], "give one of them a name of its own, with the key name"),
        ([vlan(10, device="nic1"), vlan(10, device="nic1", name="b")], "VLAN 10 is on nic1 already ([0])"),
        ([vlan(10, device="nic1.5")], "there is no device nic1.5"),
        ([vlan(10, device="nic1"), bond("mode=1 miimon=100", nic("nic1"))], "put the VLAN on bond0"),
        (
            [bridge({"type": "ovs_bond", "name": "b", "members": [nic()]}), vlan(10, device="b")],
            "write the vlan among the members of br-ex",
        ),
        ([{"type": "ib_interface", "name": "ib0"}, vlan(10, device="ib0")], "InfiniBand has no VLANs"),
        ([bridge(vlan(10, device="nic1"))], "this VLAN is on br-ex, not on nic1"),
        ([bond("mode=1 miimon=100", nic("nic2"), vlan(10, device="nic1"))], "this VLAN is on bond0, not on nic1"),
        ([nic("nic1.5", ethtool_opts="-G rx 7")], "nic1.5 is a VLAN, not a card (write it on nic1, which carries it)"),
        (
            [{"type": "linux_bridge", "name": "br0", "members": [vlan(5)]}],
            "the key device is missing (the NIC or bond that carries it, whose VLAN is a port of br0; one on br0 "
            "stands beside it, in the list of all devices, with device: br0)",
        ),
        (
            [
                {
                    "type": "linux_bridge",
                    "name": "br0",
                    "members": [vlan(5, device="nic1", addresses=at("198.18.0.7/24"))],
                }
            ],
            "write it on a vlan beside br0, in the list of all devices, with device: br0",
        ),
    ],
)
def test_vlans_refused(objects: list[Any], text: str) -> None:
    found = problems(*objects)
    assert any(text in one for one in found), found


def test_vlan_on_a_vlan_and_on_bridges() -> None:
    config = parse(
        vlan(10, device="nic1"),
        vlan(20, device="vlan10"),
        {"type": "linux_bridge", "name": "br0", "members": [vlan(30, device="nic2")]},
        vlan(40, device="br0"),
        bridge(nic("nic3"), vlan(50)),
        vlan(60, device="vlan50"),
        bridge(vlan(70, device="br-x"), name="br-x"),
        bridge(nic("nic4"), name="br-y"),
        vlan(80, device="nic4"),
        bond("mode=1 miimon=100", nic("nic5.90"), nic("nic6.90")),
    )
    assert device(config, "vlan20").parent == "vlan10"
    assert device(config, "vlan30").parent == "nic2" and device(config, "vlan30").master == "br0"
    assert device(config, "vlan70").parent is None
    assert device(config, "vlan80").parent == "nic4"
    dotted = device(config, "nic5.90")
    assert (dotted.parent, dotted.master) == ("nic5", "bond0")
    assert device(config, "bond0").members == ("nic5.90", "nic6.90")


# ---- members


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        (
            [bond("mode=1 miimon=100", {"type": "ovs_tunnel", "name": "t", "tunnel_type": "gre"})],
            "ovs_tunnel cannot be a member of linux_bond bond0",
        ),
        (
            [bridge({"type": "ovs_bond", "name": "b", "members": [vlan()]})],
            "write the vlan among the members of the bridge",
        ),
        ([{"type": "ovs_bond", "name": "b", "members": [nic()]}], "write it among the members of its bridge"),
        ([bond(members=[])], "members: has 0 entries (needs at least 1"),
        ([bond(members={})], "must be a list, not a mapping"),
        ([bond(members={"get_param": "x"})], "is a function of Heat"),
        ([bond(members=None)], "must be a list, not nothing"),
        ([{"type": "linux_bond", "name": "b", "bonding_options": "mode=1 miimon=100"}], "the key members is missing"),
        ([{"type": "linux_bond", "name": "b", "members": [nic()]}], "the key bonding_options is missing"),
        (
            [
                {
                    "type": "linux_bond",
                    "members": [nic(addresses=at("198.51.100.7/24"))],
                    "bonding_options": "mode=1 miimon=100",
                }
            ],
            "the key name is missing",
        ),
        ([bond(), nic("nic1")], "nic1 is a member of bond0 ([0].members[0]), and a device of its own here"),
        ([nic("nic1"), bond()], "write everything about nic1 where it is a member"),
        ([bond(), bond(name="bond1")], "nic1 is a member of bond0 already"),
        ([bond("mode=1 miimon=100", nic("nic1"), nic("nic1"))], "nic1 is there twice; first at [0].members[0]"),
        ([nic(), nic()], "nic1 is there twice; first at [0]"),
        ([nic("52:54:00:00:00:01"), nic("52:54:00:00:00:01".upper())], "is there twice"),
        (
            [bond("mode=1 miimon=100", nic(addresses=at("198.51.100.7/24")))],
            "so addresses is not possible (write it on bond0, or on a VLAN of it)",
        ),
        ([bridge(nic(routes=[{"default": True, "next_hop": "198.51.100.1"}]))], "so routes is not possible"),
        (
            [bridge({"type": "ovs_bond", "name": "b", "members": [nic()], "addresses": at("198.51.100.7/24")})],
            "ovs_bond has no network device, so addresses is not possible",
        ),
        (
            [bond(ethtool_opts="-G rx 1")],
            "[0].ethtool_opts: ethtool_opts cannot be had: a bond is no card (write it on the members)",
        ),
    ],
)
def test_members_refused(objects: list[Any], text: str) -> None:
    found = problems(*objects)
    assert any(text in one for one in found), found


# ---- SR-IOV, InfiniBand, DPDK, taps


def test_cards() -> None:
    config = parse(
        {"type": "sriov_pf", "name": "nic1", "numvfs": 8, "promisc": False, "link_mode": "legacy"},
        {"type": "sriov_vf", "device": "nic1", "vfid": 7, "vlan_id": 100, "qos": 2, "trust": True, "promisc": True,
         "spoofcheck": False, "macaddr": "00:78:90:80:CC:30", "state": "auto", "max_tx_rate": 0},
        {"type": "ib_interface", "name": "ib0"},
        {"type": "ib_child_interface", "parent": "ib0", "pkey_id": "0x64"},
        {"type": "ib_child_interface", "parent": "mlx_with_long_n", "pkey_id": "101", "name": "part", "mtu": 2044},
        {"type": "linux_tap", "name": "tap0", "addresses": at("198.51.100.7/24")},
    )  # fmt: skip
    assert device(config, "nic1").options == {"numvfs": "8", "promisc": "no"}
    vf = device(config, "sriov:nic1:7")
    assert (vf.parent, vf.vlan_id) == ("nic1", 100)
    assert vf.options == {
        "vfid": "7", "vlan_id": "100", "qos": "2", "trust": "yes", "promisc": "yes", "spoofcheck": "no",
        "macaddr": "00:78:90:80:cc:30", "state": "auto",
    }  # fmt: skip
    assert device(config, "ib0.8064").options == {"pkey_id": "100"}
    assert device(config, "mlx_with_long_n").kind == "ib_interface"


PF = {"type": "sriov_pf", "name": "nic1", "numvfs": 2}
VF = {"type": "sriov_vf", "device": "nic1", "vfid": 1}


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([VF], "nic1 is no sriov_pf of this configuration"),
        ([nic(), VF], "write it as a device: type sriov_pf, name nic1, numvfs"),
        ([PF, {**VF, "vfid": 2}], "nic1 has 2 VFs, numbered from 0"),
        ([PF, {**VF, "qos": 3}], "add vlan_id, or remove qos"),
        ([PF, {**VF, "promisc": True, "trust": False}], "only a trusted VF may be promiscuous"),
        ([PF, {**VF, "macaddr": "01:00:5e:00:00:01"}], "is not the MAC address of a card"),
        ([PF, {**VF, "macaddr": 7}], "must be a text"),
        ([PF, {**VF, "state": "up"}], "'up' is not one of the choices"),
        ([PF, {**VF, "state": 1}], "must be a text"),
        ([PF, {**VF, "min_tx_rate": 10}], "10 cannot be had: systemd-networkd has no setting for it"),
        ([{**PF, "mtu": 1500}, {**VF, "mtu": 9000}], "9000 is more than the 1500 of nic1, which carries it"),
        ([PF, VF, VF], "sriov:nic1:1 is there twice"),
        ([PF, {**VF, "name": "eth7"}], "the kernel names a VF: give device and vfid"),
        ([PF, {"type": "sriov_vf", "vfid": 1}], "the key device is missing"),
        ([{**PF, "link_mode": "switchdev"}], "set the card's mode with devlink"),
        ([{**PF, "vdpa": True}], "true cannot be had"),
        ([{**PF, "drivers_autoprobe": False}], "false cannot be had"),
        ([nic("ib0"), {"type": "ib_child_interface", "parent": "ib0", "pkey_id": 1}], "make ib0 an ib_interface"),
        ([{"type": "ib_child_interface", "parent": "ib0", "pkey_id": 0x7FFF}], "must be between 1 and 32766"),
        ([{"type": "ib_child_interface", "parent": "ib0", "pkey_id": "x"}], "must be a whole number, not a text"),
        ([{"type": "ib_child_interface", "parent": "ib_with_long_nm", "pkey_id": 1}], "has 20 characters"),
        ([{"type": "ib_child_interface", "pkey_id": 1}], "the key parent is missing"),
        (
            [
                {
                    "type": "ovs_user_bridge",
                    "name": "br-d",
                    "members": [{"type": "ovs_dpdk_port", "name": "dpdk0", "members": [nic(), nic("nic2")]}],
                }
            ],
            "has 2 entries (needs just 1",
        ),
        (
            [
                {
                    "type": "ovs_user_bridge",
                    "name": "br-d",
                    "members": [
                        {
                            "type": "ovs_dpdk_bond",
                            "name": "d",
                            "members": [{"type": "ovs_dpdk_port", "name": "dpdk0", "members": [nic()]}],
                        }
                    ],
                }
            ],
            "has 1 entries (needs at least 2",
        ),
        (
            [
                {
                    "type": "ovs_user_bridge",
                    "name": "br-d",
                    "members": [{"type": "ovs_dpdk_port", "name": "d", "rx_queue_size": 1000, "members": [nic()]}],
                }
            ],
            "1000 is no power of two (use 1024)",
        ),
    ],
)
def test_cards_refused(objects: list[Any], text: str) -> None:
    found = problems(*objects)
    assert any(text in one for one in found), found


def test_dpdk() -> None:
    config = parse(
        {
            "type": "ovs_user_bridge",
            "name": "br-link",
            "ovs_internal": False,
            "members": [
                {
                    "type": "ovs_dpdk_bond",
                    "name": "dpdkbond0",
                    "rx_queue": 4,
                    "ovs_options": "bond_mode=active-backup",
                    "members": [
                        {"type": "ovs_dpdk_port", "name": "dpdk0", "members": [nic()]},
                        {"type": "ovs_dpdk_port", "name": "dpdk1", "driver": "igb_uio", "tx_queue_size": 2048,
                         "ovs_options": ["n_rxq=2"], "members": [nic("nic2")]},
                    ],
                }
            ],
        }
    )  # fmt: skip
    assert device(config, "dpdk0").options == {"driver": "vfio-pci"}
    assert device(config, "dpdk1").options == {"driver": "igb_uio", "tx_queue_size": "2048"}
    assert device(config, "dpdk1").ovs_settings[0].column == "options"
    assert device(config, "dpdkbond0").options == {"rx_queue": "4"}
    assert not device(config, "br-link").ovs_internal


# ---- tables


def test_tables() -> None:
    config = parse(
        {"type": "route_table", "name": "storage", "table_id": 200},
        {"type": "route_table", "name": "other", "table_id": "0x100"},
        nic(addresses=at("198.51.100.7/24"),
            routes=[{"ip_netmask": "198.18.0.0/16", "next_hop": "198.51.100.1", "table": "storage"},
                    {"ip_netmask": "198.18.0.0/16", "next_hop": "198.51.100.1", "route_table": "200", "metric": 5},
                    {"ip_netmask": "198.18.0.0/16", "next_hop": "self", "table": 254, "metric": 6},
                    {"ip_netmask": "198.18.0.0/16", "next_hop": "self", "table": "default"}],
            rules=[{"rule": "from 198.51.100.0/24 table other", "comment": "people"}]),
    )  # fmt: skip
    assert config.tables == {"storage": 200, "other": 256}
    assert [route.table for route in config.devices[0].routes] == ["storage", 200, None, 253]
    assert config.devices[0].rules[0].table == "other"


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([{"type": "route_table", "name": "main", "table_id": 7}], "every node has a table main already"),
        ([{"type": "route_table", "name": "x", "table_id": 254}], "254 is a table that every node has"),
        ([{"type": "route_table", "name": "x", "table_id": 0}], "must be between 1"),
        ([{"type": "route_table", "name": "x"}], "the key table_id is missing"),
        ([{"type": "route_table", "name": "7x", "table_id": 7}], "is no name for a routing table"),
        ([{"type": "route_table", "name": 7, "table_id": 7}], "is no name for a routing table"),
        (
            [{"type": "route_table", "name": "x", "table_id": 7}, {"type": "route_table", "name": "x", "table_id": 8}],
            "the table x is there twice",
        ),
        (
            [{"type": "route_table", "name": "x", "table_id": 7}, {"type": "route_table", "name": "y", "table_id": 7}],
            "7 is the table x already",
        ),
        (
            [nic(routes=[{"ip_netmask": "198.18.0.0/16", "next_hop": "self", "table": "x"}])],
            "there is no routing table x (write it as a device",
        ),
        (
            [{"type": "route_table", "name": "storage", "table_id": 7}, nic(rules=[{"rule": "from all table storag"}])],
            "did you mean storage?",
        ),
    ],
)
def test_tables_refused(objects: list[Any], text: str) -> None:
    found = problems(*objects)
    assert any(text in one for one in found), found


# ---- aliases


def test_mapping() -> None:
    wanted = {"nic1": "em3", "storage_a": "52:54:00:ab:cd:ef", "c": "pci:0000:03:00.0", "d": "driver:ice:1"}
    given = {**wanted, "storage_a": "52:54:00:AB:CD:EF"}
    assert schema.parse_mapping(given) == schema.parse_mapping({"interface_mapping": given}) == wanted
    assert (
        schema.parse_mapping(None)
        == schema.parse_mapping({})
        == schema.parse_mapping({"interface_mapping": None})
        == {}
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([], "mapping: must be a mapping, not a list"),
        ({"interface_mapping": {}, "network_config": []}, "network_config: unknown key"),
        ({"nic1": "em1", "nic2": "em1"}, "mapping.nic2: em1 is nic1 already"),
        ({"nic1": "52:54:00:ab:cd:ef", "nic2": "52-54-00-AB-CD-EF"}, "is nic1 already"),
        ({"nic1": "nic2"}, "nic2 is an alias itself"),
        ({"a": "b", "b": "em1"}, "b is an alias itself"),
        ({"a b": "em1"}, "cannot be an alias"),
        ({"nic1.10": "em1"}, "no number behind a dot"),
        ({"an-alias-of-many": "em1"}, "cannot be an alias"),
        ({"group": {"dmiString": "x", "id": "y"}}, "must be a NIC, not a mapping"),
        ({"a": {"get_param": "x"}}, "is a function of Heat"),
        ({"a": 7}, "must be a text"),
        ({"a": "no such/nic"}, "cannot be the name of a network device"),
        ({7: "em1"}, "the key 7 is not a text"),
    ],
)
def test_mapping_refused(data: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        schema.parse_mapping(data)
    assert text in str(caught.value)


# ---- the schema as a document


def test_every_kind_is_in_the_schema() -> None:
    assert set(vocabulary.KINDS) == {*get_args(Kind), "route_table"}
    jsonschema.Draft202012Validator.check_schema(schema.SCHEMA)
    jsonschema.Draft202012Validator(schema.SCHEMA).validate(SITE)


def test_every_key_is_described_and_has_a_reader() -> None:
    for kind, properties in vocabulary.KINDS.items():
        assert properties["description"]
        for key, value in [*properties["properties"].items(), *vocabulary.ROUTE["properties"].items()]:
            assert value["description"].endswith("."), (kind, key)
            assert reading.reader_name(value) in reading.READERS, (kind, key)
        assert set(properties["required"]) <= set(properties["properties"])
    for key in vocabulary.IGNORED:
        assert any(key in properties["properties"] for properties in vocabulary.KINDS.values())
    for kind, key in vocabulary.HINTS:
        assert key not in vocabulary.KINDS[kind]["properties"]
    for kind, keys in vocabulary.REFUSED_VALUES.items():
        assert set(keys) <= set(vocabulary.KINDS[kind]["properties"]) or kind == "route_table"


@pytest.mark.parametrize(
    ("value", "text"),
    [("a" * 80, "'" + "a" * 56 + "..."), (True, "true"), ({}, "a mapping"), (b"x", "b'x'"), (10**50, "that")],
)
def test_show(value: Any, text: str) -> None:
    assert reading.show(value) == text
    assert reading.type_name(object()) == "object"
