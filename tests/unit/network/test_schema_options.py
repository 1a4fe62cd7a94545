# SPDX-License-Identifier: Apache-2.0
"""Options with a syntax of their own: Open vSwitch, ethtool, routes and rules."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from network_words import at, bond, bridge, device, nic, only, parse, problems, vlan

from ansible_collections.ozone.openstack.plugins.module_utils.network import ovs_options
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import OvsSetting, Rule


def ovs_bond(options: Any = "bond_mode=active-backup", *members: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": "ovs_bond",
        "name": "bond1",
        "ovs_options": options,
        "members": list(members) or [nic("nic1"), nic("nic2")],
        **more,
    }


def tunnel(*options: str, **more: Any) -> dict[str, Any]:
    return {"type": "ovs_tunnel", "name": "tun0", "tunnel_type": "vxlan", "ovs_options": list(options), **more}


def settings(*objects: Any, name: str = "br-ex") -> list[tuple[str, str, str, str | None, str]]:
    return [(s.table, s.record, s.column, s.key, s.value) for s in device(parse(*objects), name).ovs_settings]


# ---- Open vSwitch


@pytest.mark.parametrize(
    ("extra", "wanted"),
    [
        ("br-set-external-id br-ex bridge-id br-ex", [("Bridge", "br-ex", "external_ids", "bridge-id", "br-ex")]),
        (["set bridge {name} stp_enable=true"], [("Bridge", "br-ex", "stp_enable", None, "true")]),
        (
            ["set Interface nic1 external-ids:a=b other_config:c='d e'"],
            [("Interface", "nic1", "external_ids", "a", "b"), ("Interface", "nic1", "other_config", "c", "d e")],
        ),
        (
            ["ovs-vsctl set port $DEVICE tag=7 -- set Port ${DEVICE} trunks=[9,7] -- -- set port nic1 vlan-mode=trunk"],
            [
                ("Port", "br-ex", "tag", None, "7"),
                ("Port", "br-ex", "trunks", None, "7,9"),
                ("Port", "nic1", "vlan_mode", None, "trunk"),
            ],
        ),
        (
            ["set bridge br-ex protocols=OpenFlow15,OpenFlow13", "set bridge br-ex protocols=OpenFlow13,OpenFlow15"],
            [("Bridge", "br-ex", "protocols", None, "OpenFlow13,OpenFlow15")],
        ),
        (
            [
                "set bridge br-ex other-config:hwaddr=52:54:00:00:00:01",
                'set interface br-ex mac="52:54:00:00:00:01"',
                "ovs-vsctl",
            ],
            [
                ("Bridge", "br-ex", "other_config", "hwaddr", "52:54:00:00:00:01"),
                ("Interface", "br-ex", "mac", None, "52:54:00:00:00:01"),
            ],
        ),
        (
            ["set interface nic1 ingress_policing_rate=1000 ofport_request=7"],
            [
                ("Interface", "nic1", "ingress_policing_rate", None, "1000"),
                ("Interface", "nic1", "ofport_request", None, "7"),
            ],
        ),
    ],
)
def test_extra(extra: Any, wanted: list[tuple[str, str, str, str | None, str]]) -> None:
    assert settings(bridge(nic("nic1"), ovs_extra=extra)) == wanted


def test_options() -> None:
    config = parse(
        bridge(
            ovs_bond("bond_mode=balance-tcp lacp=active other-config:lacp-time=fast"),
            vlan(20, ovs_options="tag=20 vlan_mode=access"),
            tunnel("remote_ip=198.51.100.9", "options:key=flow"),
            tunnel("remote_ip=flow", name="tun1"),
            ovs_options="stp_enable=false fail_mode=secure",
        )
    )
    assert [(s.column, s.key, s.value) for s in device(config, "bond1").ovs_settings] == [
        ("bond_mode", None, "balance-tcp"),
        ("lacp", None, "active"),
        ("other_config", "lacp-time", "fast"),
    ]
    assert [s.column for s in device(config, "vlan20").ovs_settings] == ["vlan_mode"]
    assert device(config, "tun0").ovs_settings == (
        OvsSetting("Interface", "tun0", "options", "remote_ip", "198.51.100.9"),
        OvsSetting("Interface", "tun0", "options", "key", "flow"),
    )
    assert device(config, "br-ex").fail_mode == "secure" and len(device(config, "br-ex").ovs_settings) == 1


@pytest.mark.parametrize(
    "extra", ["set-fail-mode br-ex secure", "br-set-fail-mode br-ex secure", "set bridge br-ex fail_mode=secure"]
)
def test_fail_mode(extra: str) -> None:
    made = device(parse(bridge(ovs_extra=extra)), "br-ex")
    assert (made.fail_mode, made.ovs_settings) == ("secure", ())
    assert device(parse(bridge(ovs_fail_mode="secure")), "br-ex").fail_mode == "secure"


def test_fail_mode_set_by_a_member() -> None:
    extra = "set bridge br-ex fail_mode=secure"
    made = device(
        parse(bridge(nic("nic1", ovs_extra=extra), ovs_extra=[extra, "set bridge br-ex stp_enable=true"])), "br-ex"
    )
    assert made.fail_mode == "secure" and [one.column for one in made.ovs_settings] == ["stp_enable"]


def test_secure_bridge_with_addresses_is_a_warning() -> None:
    (warning,) = parse(bridge(vlan(7, addresses=at("198.51.100.7/24")), ovs_fail_mode="secure")).warnings
    assert "vlan7 has addresses on a bridge that passes nothing" in str(warning)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (7, "must be a list, not a number"),
        ([7], "must be a text"),
        ([{"get_param": "x"}], "is a function of Heat"),
        ("foo=bar", "'foo=bar' is no command that sets a column"),
        ("set bridge br-ex", "set has too few words"),
        ("set qos br-ex a=b", "rows of 'qos' cannot be set (set rows of Bridge, Port or Interface)"),
        ("set Open_vSwitch . external_ids:a=b", "which the role ovn configures"),
        ("set bridge br-ex stp_enabl=true", "did you mean stp_enable?"),
        (
            "set bridge br-ex stp_enable=maybe",
            "'maybe' is not possible for stp_enable of Bridge (must be one of true, false)",
        ),
        ("set bridge br-ex stp_enable", "'stp_enable' sets nothing"),
        ("set bridge br-ex external_ids:=b", "sets nothing"),
        ("set bridge br-ex =b", "sets nothing"),
        ("set bridge br-ex external_ids={a=b}", "would replace all of external_ids"),
        ("set bridge br-ex stp_enable:a=true", "stp_enable of Bridge has no keys"),
        ("set bridge br-ex external_ids:ozone-network=x", "marks the rows that are made here"),
        ("set bridge br-ex 'external_ids:a b=x'", "'a b' cannot be a key"),
        ("set port br-ex tag=[]", "has no value to set"),
        ("set port br-ex tag=4095", "must be a VLAN"),
        ("set port br-ex trunks=1,x", "must be VLANs with commas between"),
        ("set bridge br-ex protocols=OpenFlow99", "names such as OpenFlow13"),
        ("set interface br-ex mac=x", "must be a MAC address"),
        ("set interface br-ex ofport_request=x", "must be a number"),
        ("set bridge br-ex controller=@c", "OVN and neutron set their controllers themselves"),
        (
            "set interface br-ex mtu_request=9000",
            "mtu_request of Interface cannot be set: the MTU of a device is said once (write mtu)",
        ),
        ("set port nic9 tag=7", "nic9 is no Port that this configuration makes"),
        ("set bridge br-int stp_enable=true", "what others made is theirs to set"),
        ("set port br-ex tag=7 -- set port br-ex tag=8", "tag of br-ex is both 7 and 8"),
        (
            "set port br-ex external_ids:a=7 -- set port br-ex external_ids:a=8",
            "external_ids:a of br-ex is both 7 and 8",
        ),
        ("br-set-external-id br-ex key", "without a value takes the key away"),
        ("br-set-external-id br-ex ozone-network x", "marks the rows"),
        ("set-fail-mode br-ex", "needs a bridge and a mode"),
        ("set-fail-mode br-ex open", "must be one of standalone, secure"),
        ("del-controller br-ex", "what it takes away could not be put back"),
        ("del-port br-ex nic1", "what it takes away could not be put back"),
        ("add-flow br-ex action=normal", "flows are not in the database"),
        ("--may-exist add-br br1", "the option --may-exist of ovs-vsctl cannot be had"),
        ("set bridge br-ex 'stp_enable=true", "has a quote without an end"),
        ("set bridge br-ex other-config:hwaddr=$(cat /x)", "is for a shell"),
    ],
)
def test_extra_refused(extra: Any, message: str) -> None:
    assert message in only(bridge(ovs_extra=extra))


@pytest.mark.parametrize("name", sorted(ovs_options.REFUSED_COMMANDS))
def test_commands_refused(name: str) -> None:
    assert f"{name} cannot be had" in only(bridge(ovs_extra=f"{name} a b c=d"))


@pytest.mark.parametrize(("table", "column"), sorted(ovs_options.REFUSED_COLUMNS))
def test_columns_refused(table: str, column: str) -> None:
    assert f"{column} of {table} cannot be set" in only(bridge(ovs_extra=f"set {table} br-ex {column}=x"))


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([bridge(ovs_bond("mode=4 bond_mode=active-backup"))], "is an option of the kernel's bonds"),
        ([bridge(ovs_bond("bond_mode=balance-tcp"))], "balance-tcp needs LACP (add lacp=active"),
        ([bridge(ovs_bond("lacp=active other-config:lacp-time=now"))], "must be one of fast, slow"),
        ([bridge(ovs_bond("other-config:lacp-time=fast"))], "does nothing without LACP"),
        ([bridge(ovs_bond("other_config:bond-primary=nic9"))], "bond-primary is nic9, which is no member"),
        (
            [bridge(ovs_bond("bond_mode=balance-slb other_config:bond-primary=nic1"))],
            "bond-primary is not possible with balance-slb",
        ),
        ([bridge(ovs_bond("other_config:bond-miimon-interval=x"))], "must be a number"),
        (
            [bridge(ovs_bond("lacp=off", nic("nic1", primary=True), nic("nic2", primary=True)))],
            "has a primary member already",
        ),
        ([bridge(ovs_bond("bond_mode=balance-rr"))], "must be one of active-backup, balance-slb, balance-tcp"),
        ([bridge(vlan(20, ovs_options="tag=21"))], "the tag of vlan20 is 20, by its vlan_id"),
        ([vlan(20, device="nic1", ovs_options="vlan_mode=trunk")], "vlan20 is no Port that this configuration makes"),
        (
            [nic(ovs_extra="set interface {name} external_ids:a=b")],
            "nic1 is no Interface that this configuration makes",
        ),
        (
            [bridge(nic("nic1", ovs_extra="set port nic1 tag=7"), ovs_extra="set port nic1 tag=8")],
            "tag of nic1 is 8 here, and 7 elsewhere",
        ),
        (
            [
                bridge(
                    nic("nic1", ovs_extra="set port nic1 external_ids:a=7"), ovs_extra="set port nic1 external_ids:a=8"
                )
            ],
            "external_ids:a of nic1 is 8 here",
        ),
        ([bridge(tunnel())], "the tunnel has no remote_ip"),
        ([bridge(tunnel("remote_ip=x"))], "'x' is no IP address"),
        ([bridge(tunnel("remote_ip=198.51.100.9", "remote_port=7"))], "'remote_port' is no option of a tunnel"),
        ([bridge(tunnel("remote_ip=198.51.100.9", tunnel_type="stt"))], "'stt' is not one of the choices"),
        (
            [{"type": "ovs_user_bridge", "name": "br-u", "members": [], "ovs_options": "datapath_type=system"}],
            "has its datapath in userspace",
        ),
        (
            [
                {
                    "type": "ovs_user_bridge",
                    "name": "br-u",
                    "members": [],
                    "ovs_internal": False,
                    "addresses": at("198.51.100.7/24"),
                }
            ],
            "br-u has no internal port",
        ),
        (
            [
                {
                    "type": "ovs_user_bridge",
                    "name": "br-u",
                    "members": [],
                    "ovs_internal": False,
                    "ovs_extra": "set port br-u tag=7",
                }
            ],
            "br-u is no Port",
        ),
    ],
)
def test_switch_refused(objects: list[Any], message: str) -> None:
    assert message in only(*objects)


def test_switch() -> None:
    parse({"type": "ovs_user_bridge", "name": "br-u", "members": [], "ovs_options": "datapath_type=netdev"})
    config = parse(
        bridge(
            ovs_bond("other_config:bond-primary=nic1 other_config:anything=x", nic("nic1", primary=True), nic("nic2"))
        )
    )
    assert device(config, "nic1").primary
    assert device(parse(bridge(nic("nic1", primary=True))), "nic1").primary
    assert settings(bridge(nic("nic1", ovs_extra="set interface {name} bfd:enable=true")), name="nic1")
    inner = nic("nic1", ovs_extra="set interface {name} lldp:enable=true")
    assert settings(bridge(ovs_bond("lacp=off", inner)), name="nic1")


# ---- patch ports


def patch(name: str, peer: str, **more: Any) -> dict[str, Any]:
    return {"type": "ovs_patch_port", "name": name, "peer": peer, **more}


def test_patch_ports() -> None:
    config = parse(
        bridge(patch("a-with-a-name-that-is-long", "b", bridge_name="br-ex")),
        patch("b", "a-with-a-name-that-is-long", bridge_name="br-int"),
        bridge(name="br-1"),
        patch("c", "d", bridge_name="br-1", ovs_extra="set interface c external_ids:a=b"),
    )
    assert device(config, "a-with-a-name-that-is-long").bridge is None
    assert device(config, "b").bridge == "br-int"
    assert device(config, "c").bridge == "br-1"


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([patch("a", "b")], "the key bridge_name is missing"),
        ([bridge(patch("a", "b", bridge_name="br-int"))], "a is a member of br-ex (remove bridge_name)"),
        (
            [
                nic(),
                patch("a", "b", bridge_name="nic2"),
                {"type": "linux_bridge", "name": "br0", "members": []},
                patch("c", "d", bridge_name="br0"),
            ],
            "br0 is linux_bridge, no bridge of Open vSwitch",
        ),
        ([patch("a", "a", bridge_name="br-int")], "a patch port cannot lead to itself"),
        ([bridge(nic()), patch("a", "nic1", bridge_name="br-ex")], "nic1 is interface (name the patch port"),
        ([bridge(patch("a", "b")), patch("b", "c", bridge_name="br-int")], "b leads to c, not back to a"),
        ([bridge(patch("a", "b"), patch("b", "a"))], "both ends are on br-ex"),
        ([patch("a" * 64, "b", bridge_name="br-int")], "cannot be the name of a port"),
        ([patch(7, "b", bridge_name="br-int")], "put it in quotes"),
        ([patch("a", "b", bridge_name=7)], "put it in quotes"),
    ],
)
def test_patch_ports_refused(objects: list[Any], message: str) -> None:
    assert any(message in one for one in problems(*objects))


# ---- ethtool


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("speed 1000 duplex full", {"BitsPerSecond": "1000M", "Duplex": "full"}),
        (
            "-s ${DEVICE} autoneg off wol pg port tp mdix auto",
            {"AutoNegotiation": "no", "WakeOnLan": "phy magic", "Port": "tp", "MDI": "auto"},
        ),
        ("wol d", {"WakeOnLan": "off"}),
        (
            "-G $DEVICE rx 4096 tx max; -L nic1 combined 8",
            {"RxBufferSize": "4096", "TxBufferSize": "max", "CombinedChannels": "8"},
        ),
        (
            "ethtool -K nic1 gro off tso on rx-gro-hw off;",
            {"GenericReceiveOffload": "no", "TCPSegmentationOffload": "yes", "GenericReceiveOffloadHardware": "no"},
        ),
        (
            "--pause {name} rx on tx off autoneg on",
            {"RxFlowControl": "yes", "TxFlowControl": "no", "AutoNegotiationFlowControl": "yes"},
        ),
        (
            "-C nic1 adaptive-rx on rx-usecs 50 tx-frames-irq 16 sample-interval 2 pkt-rate-low 0",
            {
                "UseAdaptiveRxCoalesce": "yes",
                "RxCoalesceSec": "50us",
                "TxMaxCoalescedIrqFrames": "16",
                "CoalescePacketRateSampleIntervalSec": "2s",
                "CoalescePacketRateLow": "0",
            },
        ),
        ("-G nic1 rx 7; --set-ring nic1 rx 7", {"RxBufferSize": "7"}),
        ("", {}),
    ],
)
def test_ethtool(text: str, wanted: dict[str, str]) -> None:
    assert parse(nic(ethtool_opts=text)).devices[0].ethtool == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (7, "must be a text"),
        ("--set-priv-flags nic1 x on", "ethtool --set-priv-flags cannot be had (systemd.link(5) has settings for"),
        ("-G nic1", "ethtool -G has nothing to set"),
        ("-G nic1 rx", "nothing stands after rx of ethtool -G"),
        ("-G nic1 rx many", "'many' is not possible after rx of ethtool -G"),
        ("-G nic1 rx 0", "'0' is not possible after rx"),
        ("-G nic2 rx 7", "'nic2' of ethtool -G has no setting in systemd.link(5)"),
        ("-K nic1 tx-gre-csum-segmentation off", "has no setting in systemd.link(5)"),
        ("speed", "nothing stands after speed"),
        ("sped", "'sped' of ethtool -s is not understood (did you mean speed?)"),
        ("duplex both", "(half or full)"),
        ("wol x", "letters of pumbagsd"),
        ("-G nic1 rx 7 rx 8", "rx of ethtool -G is there twice"),
    ],
)
def test_ethtool_refused(text: Any, message: str) -> None:
    assert message in only(nic(ethtool_opts=text))


# ---- routes


def route(**more: Any) -> dict[str, Any]:
    return nic(addresses=at("198.51.100.7/24", "2001:db8::7/64"), routes=[more])


def test_route_options() -> None:
    (one,) = (
        parse(
            route(
                ip_netmask="198.18.0.0/16",
                next_hop="198.51.100.1",
                metric=10,
                route_options="metric 10 table 200 mtu 1400 advmss 1360 initcwnd 10 initrwnd 10 hoplimit 5 quickack 1 "
                "src 198.51.100.7 onlink congctl bbr scope global proto static",
            )
        )
        .devices[0]
        .routes
    )
    assert (one.metric, one.table) == (10, 200)
    assert one.options == {
        "mtu": "1400", "advmss": "1360", "initcwnd": "10", "initrwnd": "10", "hoplimit": "5", "quickack": "1",
        "src": "198.51.100.7", "onlink": "yes", "congctl": "bbr", "scope": "global",
    }  # fmt: skip


def test_routes() -> None:
    one = parse(
        nic(
            addresses=at("198.51.100.7/24", "2001:db8::7/64"),
            routes=[
                {"default": True, "ip_netmask": "0.0.0.0/0", "next_hop": "198.51.100.1"},
                {"default": "true", "next_hop": "2001:db8::1", "route_options": "priority 0x10 pref high"},
                {"default": True, "next_hop": "fe80::1", "table": "0x20"},
                {"ip_netmask": "198.18.0.0/16", "next_hop": "self"},
                {"ip_netmask": "0.0.0.0/0", "next_hop": "198.18.0.1", "route_options": "onlink metric 7"},
            ],
        )
    ).devices[0]
    assert [str(item.destination) for item in one.routes] == ["0.0.0.0/0", "::/0", "::/0", "198.18.0.0/16", "0.0.0.0/0"]
    assert one.routes[1].metric == 16 and one.routes[2].table == 32 and one.routes[3].gateway is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"default": True}, "the key next_hop is missing"),
        ({"next_hop": "198.51.100.1"}, "has no destination (add ip_netmask"),
        ({"default": False, "next_hop": "198.51.100.1"}, "has no destination"),
        ({"default": True, "next_hop": "self"}, "is a default route without a gateway"),
        (
            {"default": True, "ip_netmask": "198.18.0.0/16", "next_hop": "198.51.100.1"},
            "is a default route, and has the destination 198.18.0.0/16",
        ),
        (
            {"ip_netmask": "198.18.0.0/16", "destination": "198.19.0.0/16", "next_hop": "198.51.100.1"},
            "has both ip_netmask and destination",
        ),
        ({"default": True, "next_hop": "198.51.100.1", "nexthop": "198.51.100.2"}, "has both next_hop and nexthop"),
        (
            {"ip_netmask": "198.18.0.1/16", "next_hop": "198.51.100.1"},
            "is an address within a subnet, not a subnet (write 198.18.0.0/16)",
        ),
        ({"ip_netmask": "198.18.0.0", "next_hop": "198.51.100.1"}, "has no prefix length"),
        ({"ip_netmask": 7, "next_hop": "198.51.100.1"}, "must be a text"),
        ({"ip_netmask": "198.18.0.0/16", "next_hop": "2001:db8::1"}, "the gateway must be of the same IP version"),
        ({"default": True, "next_hop": "me"}, "'me' is no IP address"),
        ({"default": True, "next_hop": "198.51.100.7"}, "is an address of this node itself"),
        (
            {"default": True, "next_hop": "198.18.0.1"},
            "is in no subnet of nic1 (its subnets: 198.51.100.0/24) (name a gateway",
        ),
        ({"default": True, "next_hop": "2001:db8:1::1"}, "(its subnets: 2001:db8::/64)"),
        ({"default": True, "next_hop": "198.51.100.255"}, "is no host of 198.51.100.0/24"),
        ({"default": True, "next_hop": "198.51.100.1", "table": "7x"}, "is no routing table (a number, main"),
        ({"default": True, "next_hop": "198.51.100.1", "table": 0}, "0 is no routing table"),
        ({"default": True, "next_hop": "198.51.100.1", "table": True}, "true is no routing table"),
        ({"default": True, "next_hop": "198.51.100.1", "metric": -1}, "must be between 0 and"),
        (
            {"default": True, "next_hop": "198.51.100.1", "metric": 5, "route_options": "metric 6"},
            "has metric 5, and metric 6 in route_options",
        ),
        (
            {"default": True, "next_hop": "198.51.100.1", "table": 5, "route_options": "table 6"},
            "has table 5, and table 6 in route_options",
        ),
        ({"default": True, "next_hop": "198.51.100.1", "gateway": "x"}, "gateway: unknown key"),
        (
            {"default": True, "next_hop": "198.51.100.1", "route_options": "src 198.18.0.1"},
            "src 198.18.0.1 is no address of this node",
        ),
        *(
            ({"default": True, "next_hop": "198.51.100.1", "route_options": text}, message)
            for text, message in (
                ("metrc 5", "'metrc' is no word of a route (did you mean metric?)"),
                ("metric", "nothing stands after metric (like metric 1)"),
                ("metric x", "'x' is not possible after metric"),
                ("metric 5 metric 5", "metric is there twice"),
                ("mtu 67", "67 is not possible after mtu (must be between 68 and 65535)"),
                ("mtu lock 1400", "mtu lock cannot be had"),
                ("scope wide", "'wide' is not possible after scope"),
                ("src x", "'x' is no IP address"),
                ("table x/y", "is no routing table"),
                ("proto bgp", "'bgp' is not possible after proto"),
                ("dev nic2", "dev cannot be had here (leave it out"),
                ("via 198.51.100.1", "via cannot be had here (write the gateway as next_hop)"),
                ("congctl", "nothing stands after congctl"),
            )
        ),
    ],
)
def test_routes_refused(data: dict[str, Any], message: str) -> None:
    assert message in only(route(**data))


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        (7, "must be a list"),
        ([7], "must be a mapping, not a number"),
        ([{"get_param": "x"}], "is a function of Heat"),
        ([{7: 8}], "the key 7 is not a text"),
    ],
)
def test_route_lists_refused(routes: Any, message: str) -> None:
    assert any(message in one for one in problems(nic(routes=routes)))


# ---- rules


def rule(text: Any) -> Rule:
    return parse(nic(rules=[{"rule": text}])).devices[0].rules[0]


NET = ipaddress.ip_network("198.51.100.0/24")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("iif em1 table 200", Rule("ipv4", iif="em1", table=200)),
        ("from 198.51.100.0/24 table main", Rule("ipv4", source=NET, table=254)),
        ("add blackhole from 198.51.100.0/24 table 200", Rule("ipv4", source=NET, table=200, action="blackhole")),
        (
            "ip -6 rule add unreachable iif em1 from 2001:db8::/64",
            Rule("ipv6", source=ipaddress.ip_network("2001:db8::/64"), iif="em1", action="unreachable"),
        ),
        (
            "rule from all to 198.51.100.9 lookup 7 pref 100",
            Rule("ipv4", source=None, destination=ipaddress.ip_network("198.51.100.9/32"), table=7, priority=100),
        ),
        ("to 2001:db8::9 table 7", Rule("ipv6", destination=ipaddress.ip_network("2001:db8::9/128"), table=7)),
        (
            "not fwmark 0x10/0xff oif nic2 tos 0x10 table 7",
            Rule("ipv4", fwmark="0x10/0xff", oif="nic2", tos=16, table=7, options={"InvertRule": "yes"}),
        ),
        ("-6 iif lo type prohibit", Rule("ipv6", iif="lo", action="prohibit")),
        (
            "ipproto tcp dport 443 sport 1024-2047 uidrange 0-999 suppress_prefixlength 0 suppress_ifgroup 5 table 7",
            Rule(
                "ipv4",
                table=7,
                options={
                    "IPProtocol": "tcp",
                    "DestinationPort": "443",
                    "SourcePort": "1024-2047",
                    "User": "0-999",
                    "SuppressPrefixLength": "0",
                    "SuppressInterfaceGroup": "5",
                },
            ),
        ),
    ],
)
def test_rules(text: str, wanted: Rule) -> None:
    assert rule(text) == wanted


@pytest.mark.parametrize("word", ["prio", "priority", "pref", "preference", "order", "pri", "ord", "prefer"])
def test_words_of_rules_may_be_abbreviated_as_ip_takes_them(word: str) -> None:
    assert rule(f"from 198.51.100.0/24 tab 7 {word} 100") == Rule("ipv4", source=NET, table=7, priority=100)
    assert rule(f"from 198.51.100.0/24 lookup 7 {word} 0x64 dsf 16") == Rule(
        "ipv4", source=NET, table=7, priority=100, tos=16
    )


@pytest.mark.parametrize("action", ["blackhole", "unreachable", "prohibit"])
@pytest.mark.parametrize("word", ["table 200", "suppress_prefixlength 0", "suppress_ifgroup 1"])
def test_a_rule_that_looks_in_no_table_says_so(action: str, word: str) -> None:
    config = parse(nic(rules=[{"rule": f"from 198.51.100.0/24 {word} {action}"}]))
    (warning,) = config.warnings
    assert f"{action} looks in no table, so {word.split()[0]} does nothing" in str(warning)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (7, "must be a text"),
        ("", "must be one line of text"),
        ("from 198.51.100.0/24", "does not say what to do (add table"),
        ("from 198.51.100.7/24 table 7", "is an address within a subnet"),
        ("from table 7", "is no IP address"),
        ("from", "has no prefix length"),
        ("from 198.51.100.0/24 from 198.51.100.0/24 table 7", "from is there twice"),
        ("from 198.51.100.0/24 to 2001:db8::/64 table 7", "mixes IPv4 and IPv6"),
        ("-6 from 198.51.100.0/24 table 7", "mixes IPv4 and IPv6"),
        ("iif a/b table 7", "'a/b' is no device"),
        ("table 7 iif", "nothing stands after iif (like iif vlan20)"),
        ("table 0", "is no routing table"),
        ("table", "is no routing table"),
        ("fwmark x table 7", "is not possible after fwmark"),
        ("priority 4294967296 table 7", "is not possible after priority (must be between 0 and 4294967295)"),
        ("dport 0 table 7", "0 is not possible after dport"),
        ("sport 9-8 table 7", "9-8 is not possible after sport"),
        ("dport table 7", "'table' is not possible after dport"),
        ("goto 7", "goto cannot be had in a rule"),
        ("l3mdev", "there are no VRFs here"),
        ("tabel 7", "'tabel' is no word of a rule (did you mean table?)"),
        ("del from all table 7", "ip rule del is no rule"),
    ],
)
def test_rules_refused(text: Any, message: str) -> None:
    assert message in only(nic(rules=[{"rule": text}]))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (["from all table 7"], "write - rule: and then the words"),
        ([{"comment": "x"}], "the key rule is missing"),
        ([7], "must be a mapping, not a number"),
        ([{"get_param": "x"}], "is a function of Heat"),
    ],
)
def test_rule_lists_refused(rules: Any, message: str) -> None:
    assert message in only(nic(rules=rules))


# ---- addresses, routes and MTUs together


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (
            [nic(addresses=at("198.51.100.7/24")), nic("nic2", addresses=at("198.51.100.7/25"))],
            "198.51.100.7 is an address of nic1 already",
        ),
        (
            [
                nic(addresses=at("198.51.100.7/24"), routes=[{"default": True, "next_hop": "198.51.100.1"}]),
                nic("nic2", addresses=at("198.18.0.7/24"), routes=[{"default": True, "next_hop": "198.18.0.1"}]),
            ],
            "is a default route of the same table and metric (0) as [0].routes[0]",
        ),
        (
            [
                nic(
                    addresses=at("198.51.100.7/24"),
                    routes=[{"ip_netmask": "198.18.0.0/16", "next_hop": "198.51.100.1"}] * 2,
                )
            ],
            "is a route to 198.18.0.0/16 of the same table and metric (",
        ),
        ([nic(addresses=at("2001:db8::7/64"), mtu=1279)], "1279 is too small for IPv6"),
        (
            [nic("nic1", mtu=1500), vlan(7, device="nic1", mtu=9000)],
            "9000 is more than the 1500 of nic1, which carries it (give nic1 mtu: 9000)",
        ),
        (
            [nic("nic1", mtu=1500), vlan(7, device="nic1"), vlan(8, device="vlan7", mtu=9000)],
            "9000 is more than the 1500 of vlan7",
        ),
        ([bond("mode=1 miimon=100", nic(mtu=9000), mtu=1500)], "9000 is not the 1500 of bond0, and a bond has one"),
        ([bridge(nic(mtu=1500), mtu=9000)], "9000 is more than the 1500 of nic1"),
        ([bridge(nic(mtu=1500), nic("nic2", mtu=4000), vlan(7, mtu=9000))], "9000 is more than the 4000 of nic2"),
    ],
)
def test_together_refused(objects: list[Any], message: str) -> None:
    assert message in only(*objects)


def test_together() -> None:
    parse(vlan(7, device="nic1", mtu=9000))
    parse(bridge(nic(mtu=1500), nic("nic2"), vlan(7, mtu=9000)))
    parse(bridge(nic(mtu=9000), {"type": "linux_tap", "name": "tap0"}, mtu=1500))
    parse(
        nic(
            use_dhcp=True,
            routes=[{"ip_netmask": "198.18.0.0/16", "next_hop": "198.51.100.1", "route_options": "src 198.51.100.7"}],
        ),
        dhcp_allowed=("nic1",),
    )
    parse(
        nic(
            addresses=at("198.51.100.7/32"),
            routes=[{"default": True, "next_hop": "198.51.100.1", "route_options": "onlink"}],
        )
    )
    parse(nic(addresses=at("198.51.100.6/31"), routes=[{"default": True, "next_hop": "198.51.100.7"}]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"linkdelay": 30}, "linkdelay: does nothing: addresses are there at once"),
        ({"nm_controlled": True}, "nm_controlled: does nothing: systemd-networkd manages nic1"),
    ],
)
def test_what_has_no_effect_is_told(options: dict[str, Any], message: str) -> None:
    (warning,) = parse(nic(**options)).warnings
    assert message in str(warning)
    assert not parse(nic(linkdelay=0, nm_controlled=False, hotplug=True)).warnings


def test_nobody_hands_a_nic_to_dpdk() -> None:
    port = {"type": "ovs_dpdk_port", "name": "dpdk0", "members": [nic()]}
    (warning,) = parse({"type": "ovs_user_bridge", "name": "br-link", "members": [port]}).warnings
    assert "the NIC of dpdk0 is not handed to vfio-pci here" in str(warning)


@pytest.mark.parametrize("name", ["ens*", "!ens1", "ens?", "ens[12]", "e'1", 'e"1', "e\\1"])
def test_a_name_is_no_pattern(name: str) -> None:
    """As Name= of a [Match] section it would find every NIC."""
    assert "cannot be the name" in only(nic(name))
    assert "cannot be the name" in only(bond(name=name))
    assert "cannot be the name" in only(bond("mode=active-backup miimon=100", nic(), nic(name)))


def test_a_mac_address_that_yaml_takes_for_a_number() -> None:
    assert only(nic(41135085296)).endswith("must be a text, not a number (put it in quotes, as it is written there)")


def test_a_vlan_that_names_the_bond_in_its_bridge() -> None:
    """As TripleO's bond-with-vlans templates do."""
    config = parse(bridge(vlan(20, device="bond1"), ovs_bond()))
    assert device(config, "vlan20").parent is None and device(config, "vlan20").master == "br-ex"
    assert [str(warning) for warning in config.warnings] == [
        "[0].members[0].device: does nothing: bond1 carries this VLAN as a port of br-ex (remove it)"
    ]
    assert "this VLAN is on br-ex, not on bond2" in only(bridge(vlan(20, device="bond2"), ovs_bond()))


def test_where_the_address_of_a_member_goes() -> None:
    found = only(bridge(ovs_bond("bond_mode=active-backup", nic(addresses=at("198.51.100.7/24")), nic("nic2"))))
    assert found.endswith("so addresses is not possible (write it on its bridge, or on a VLAN of it)")
