# SPDX-License-Identifier: Apache-2.0
"""What each kind of device becomes: files that systemd 257 understands, and rows of Open vSwitch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from machine import nic, read
from test_difference import NICS, configurations, wanted_of

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError, Nic, Wanted
from ansible_collections.ozone.openstack.plugins.module_utils.network.render import render
from ansible_collections.ozone.openstack.plugins.module_utils.network.resolve import number, resolve
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse

Data = list[dict[str, Any]]
ADDRESS = {"addresses": [{"ip_netmask": "198.19.2.5/24"}]}


def rendered(data: Data, nics: list[Nic] = NICS, dhcp_allowed: tuple[str, ...] = (), **mapping: str) -> Wanted:
    """What a configuration means on a node that knew all NICs, and has ``nics`` now."""
    config = parse(data, dhcp_allowed=dhcp_allowed)
    known = number(NICS if all(one in NICS for one in nics) else nics, [])
    return render(config, resolve(config, nics, known, mapping))


def unit(wanted: Wanted, name: str) -> list[tuple[str, dict[str, str]]]:
    """Sections of a file of ours."""
    return [(section, dict(entries)) for section, entries in read(text(wanted, name))]


def text(wanted: Wanted, name: str) -> str:
    """Text of a file of ours."""
    return wanted["files"][f"/etc/systemd/network/05-ozone-{name}"]["text"]


def names(wanted: Wanted) -> list[str]:
    """Files of links."""
    prefix = "/etc/systemd/network/05-ozone-"
    return [path.removeprefix(prefix) for path in wanted["files"] if path.startswith(prefix)]


def rows(wanted: Wanted) -> dict[str, dict[str, Any]]:
    """Rows by ``Table name``, each with its columns and its parent."""
    return {
        f"{row['table']} {row['name']}": {**row["columns"], **({"in": row["parent"]} if row["parent"] else {})}
        for row in wanted["ovs"]
    }


def link(wanted: Wanted, name: str) -> Any:
    """What has to be true of a link."""
    return next(link for link in wanted["links"] if link["name"] == name)


def problems(data: Data, nics: list[Nic] = NICS) -> str:
    """Why a configuration cannot be rendered."""
    with pytest.raises(NetworkError) as caught:
        rendered(data, nics)
    return str(caught.value)


def interface(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "interface", "name": name, **more}


# The whole


@given(data=configurations())
@settings(deadline=None, max_examples=50)
def test_the_same_configuration_gives_the_same_files_with_or_without_a_nic(data: Data) -> None:
    whole = wanted_of(data)
    assert wanted_of(data) == whole
    digest = whole["digest"]
    assert len(digest) == 64
    for path, file in whole["files"].items():
        if path.endswith(".network"):
            assert "\nDHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n" in file["text"]
            assert "\nConfigureWithoutCarrier=yes\n" in file["text"]
    known = number(NICS, [])
    for gone in NICS:
        config, left = parse(data), [one for one in NICS if one is not gone]
        alone = {device.name for device in config.devices if device.kind == "interface" and device.master is None}
        for device in config.devices:
            ways = [name for name in device.members if not name.startswith("vlan")]
            alone |= {*ways} if len(ways) == 1 else set()
        if alone & {gone["name"], f"nic{gone['name'][3:]}"}:
            with pytest.raises(NetworkError, match="there is no NIC"):
                resolve(config, left, known, {})
            continue
        less = render(config, resolve(config, left, known, {}))
        assert less["files"] == whole["files"]
        assert less["ovs"] == whole["ovs"]
        assert less["netdevs"] == whole["netdevs"]
        assert json.loads(json.dumps(less)) == less


def test_a_nic_with_addresses_routes_rules_and_names() -> None:
    wanted = rendered(
        [
            {"type": "route_table", "name": "storage", "table_id": 200},
            interface(
                "nic1",
                addresses=[{"ip_netmask": "198.19.2.5/24"}, {"ip_netmask": "2001:db8::5/64"}],
                routes=[
                    {"default": True, "next_hop": "198.19.2.1"},
                    {"ip_netmask": "198.51.100.0/24", "next_hop": "198.19.2.2", "table": "storage", "metric": 7},
                    {"ip_netmask": "198.19.113.0/24", "next_hop": "self", "route_options": "src 198.19.2.5 mtu 1400"},
                    {"ip_netmask": "198.18.0.0/24", "next_hop": "198.19.2.2", "route_options": "onlink scope global"},
                ],
                rules=[
                    {"rule": "from 198.19.2.0/24 table storage priority 100"},
                    {"rule": "from 198.51.100.0/24 blackhole"},
                    {"rule": "iif nic1 fwmark 0x1 tos 16 sport 80 lookup 201"},
                ],
                dns_servers=["198.19.2.53"],
                domain="example.org example.net",
                onboot=False,
            ),
        ]
    )
    found = unit(wanted, "nic1.network")
    assert found[:2] == [
        ("Match", {"PermanentMACAddress": "52:54:00:00:00:01"}),
        ("Link", {"MTUBytes": "1500", "ActivationPolicy": "manual", "RequiredForOnline": "no"}),
    ]
    assert found[2][1] == {
        "DHCP": "no",
        "IPv6AcceptRA": "no",
        "LinkLocalAddressing": "ipv6",
        "LLMNR": "no",
        "MulticastDNS": "no",
        "EmitLLDP": "no",
        "ConfigureWithoutCarrier": "yes",
        "IgnoreCarrierLoss": "yes",
        "KeepConfiguration": "static",
        "DNS": "198.19.2.53",
        "Domains": "example.org example.net",
    }
    assert found[3:] == [
        ("Address", {"Address": "198.19.2.5/24"}),
        ("Address", {"Address": "2001:db8::5/64", "DuplicateAddressDetection": "none"}),
        ("Route", {"Destination": "0.0.0.0/0", "Gateway": "198.19.2.1"}),
        ("Route", {"Destination": "198.51.100.0/24", "Gateway": "198.19.2.2", "Metric": "7", "Table": "200"}),
        (
            "Route",
            {"Destination": "198.19.113.0/24", "Scope": "link", "MTUBytes": "1400", "PreferredSource": "198.19.2.5"},
        ),
        ("Route", {"Destination": "198.18.0.0/24", "Gateway": "198.19.2.2", "GatewayOnLink": "yes", "Scope": "global"}),
        ("RoutingPolicyRule", {"Family": "ipv4", "From": "198.19.2.0/24", "Priority": "100", "Table": "200"}),
        ("RoutingPolicyRule", {"Family": "ipv4", "From": "198.51.100.0/24", "Type": "blackhole"}),
        (
            "RoutingPolicyRule",
            {
                "Family": "ipv4",
                "IncomingInterface": "eth1",
                "FirewallMark": found[-1][1]["FirewallMark"],
                "TypeOfService": "16",
                "SourcePort": "80",
                "Table": "201",
            },
        ),
    ]
    assert wanted["files"]["/etc/iproute2/rt_tables.d/ozone.conf"]["text"].endswith("\n200 storage\n")
    assert link(wanted, "eth1")["routes"] == [
        {"destination": "default", "gateway": "198.19.2.1", "table": 254, "metric": None},
        {"destination": "198.51.100.0/24", "gateway": "198.19.2.2", "table": 200, "metric": 7},
        {"destination": "198.19.113.0/24", "gateway": "", "table": 254, "metric": None},
        {"destination": "198.18.0.0/24", "gateway": "198.19.2.2", "table": 254, "metric": None},
    ]
    assert wanted["resolution"] == {"nic1": "eth1"}


def test_what_other_software_has_to_know() -> None:
    files = rendered([interface("eth1")])["files"]
    assert "ManageForeignRoutes=no" in files["/etc/systemd/networkd.conf.d/50-ozone.conf"]["text"]
    assert "config: disabled" in files["/etc/cloud/cloud.cfg.d/99-ozone-network.cfg"]["text"]
    assert "no-auto-default=*" in files["/etc/NetworkManager/conf.d/50-ozone.conf"]["text"]
    assert "/etc/iproute2/rt_tables.d/ozone.conf" not in files


@pytest.mark.parametrize(
    ("four", "six", "expected"), [(True, True, "yes"), (True, False, "ipv4"), (False, True, "ipv6")]
)
def test_dhcp_only_where_it_is_allowed(four: bool, six: bool, expected: str) -> None:
    data = [interface("eth1", use_dhcp=four, use_dhcpv6=six), interface("eth2")]
    wanted = rendered(data, dhcp_allowed=("eth1",))
    assert f"DHCP={expected}\n" in text(wanted, "eth1.network")
    assert ("[DHCPv6]\nWithoutRA=solicit\n" in text(wanted, "eth1.network")) == six
    assert "DHCP=no\nIPv6AcceptRA=no\n" in text(wanted, "eth2.network")
    assert wanted["dhcp_allowed"] == ["eth1"]


def test_dhcp_without_its_default_route() -> None:
    wanted = rendered([interface("eth1", use_dhcp=True, use_dhcpv6=True, defroute=False)], dhcp_allowed=("eth1",))
    assert "[DHCPv4]\nUseGateway=no\n" in text(wanted, "eth1.network")
    wanted = rendered([interface("eth1", use_dhcpv6=True, defroute=False)], dhcp_allowed=("eth1",))
    assert "DHCPv4" not in text(wanted, "eth1.network")


# Bonds and VLANs


def test_a_bond_with_vlans() -> None:
    members = [interface("nic1", primary=True), interface("52:54:00:00:00:02")]
    options = "mode=active-backup miimon=50 updelay=100 arp_validate=none fail_over_mac=none"
    bond = {"type": "linux_bond", "name": "bond0", "bonding_options": options, "mtu": 9000, "members": members}
    wanted = rendered([bond, {"type": "vlan", "device": "bond0", "vlan_id": 100, "mtu": 1500, **ADDRESS}])
    assert names(wanted) == [
        "52-54-00-00-00-02.network",
        "bond0.netdev",
        "bond0.network",
        "nic1.network",
        "vlan100.netdev",
        "vlan100.network",
    ]
    assert unit(wanted, "bond0.netdev") == [
        ("NetDev", {"Name": "bond0", "Kind": "bond"}),
        (
            "Bond",
            {
                "Mode": "active-backup",
                "MIIMonitorSec": "50ms",
                "UpDelaySec": "100ms",
                "DownDelaySec": "0ms",
                "FailOverMACPolicy": "none",
                "ARPValidate": "none",
                "PrimaryReselectPolicy": "always",
                "MinLinks": "0",
            },
        ),
    ]
    first = dict(unit(wanted, "nic1.network"))
    assert first["Link"] == {"MTUBytes": "9000", "RequiredForOnline": "no"}
    assert (first["Network"]["Bond"], first["Network"]["PrimarySlave"]) == ("bond0", "yes")
    assert "PrimarySlave" not in text(wanted, "52-54-00-00-00-02.network")
    assert "VLAN=vlan100\n" in text(wanted, "bond0.network")
    assert unit(wanted, "vlan100.netdev")[1] == ("VLAN", {"Id": "100"})
    assert dict(unit(wanted, "vlan100.network"))["Link"] == {"MTUBytes": "1500", "RequiredForOnline": "no-carrier"}
    assert wanted["netdevs"] == {
        "bond0": {"kind": "bond", "mode": "active-backup", "fail_over_mac": "none"},
        "vlan100": {"kind": "vlan", "id": "100", "parent": "bond0"},
    }
    assert link(wanted, "vlan100")["physical"] == ["eth1", "eth2"]
    assert link(wanted, "bond0")["members"] == ["eth1", "eth2"]


def test_a_bond_with_lacp_and_one_that_asks_its_gateway() -> None:
    def bond(name: str, options: str, *members: str) -> dict[str, Any]:
        inner = [interface(member) for member in members]
        return {"type": "linux_bond", "name": name, "bonding_options": options, "members": inner}

    wanted = rendered(
        [
            bond("bond0", "mode=4 miimon=100 lacp_rate=1 xmit_hash_policy=layer3+4", "eth1", "eth2"),
            bond("bond1", "mode=balance-xor arp_interval=500 arp_ip_target=198.19.2.1,198.19.2.2", "eth3", "eth4"),
            bond("bond2", "mode=balance-tlb miimon=100 tlb_dynamic_lb=0 primary=eth5", "eth5", "eth6"),
        ]
    )
    found = dict(unit(wanted, "bond0.netdev"))["Bond"]
    assert (found["Mode"], found["LACPTransmitRate"], found["TransmitHashPolicy"]) == ("802.3ad", "fast", "layer3+4")
    assert link(wanted, "bond0")["lacp"]
    found = dict(unit(wanted, "bond1.netdev"))["Bond"]
    assert (found["ARPIntervalSec"], found["ARPIPTargets"]) == ("500ms", "198.19.2.1 198.19.2.2")
    assert "MIIMonitorSec" not in found
    assert not link(wanted, "bond1")["lacp"]
    assert dict(unit(wanted, "bond2.netdev"))["Bond"]["DynamicTransmitLoadBalancing"] == "no"
    assert wanted["netdevs"]["bond2"]["tlb_dynamic_lb"] == "0"
    assert "PrimarySlave=yes" in text(wanted, "eth5.network")


def test_a_vlan_on_a_nic_by_its_dotted_name() -> None:
    wanted = rendered([interface("nic1.10", **ADDRESS)])
    assert names(wanted) == ["eth1.10.netdev", "eth1.10.network", "nic1.network"]
    assert "VLAN=eth1.10\n" in text(wanted, "nic1.network")
    long = [nic(1, name="enp101s0f0npf1"), *NICS[1:]]
    assert "enp101s0f0npf1.10 is longer than the 15 characters" in problems([interface("nic1.10")], long)


def test_a_missing_member_is_said_and_the_rest_is_built() -> None:
    bond = {"type": "linux_bond", "name": "bond0", "bonding_options": "mode=802.3ad miimon=100"}
    wanted = rendered([{**bond, "members": [interface("nic1"), interface("nic2")], **ADDRESS}], NICS[1:])
    assert link(wanted, "bond0")["members"] == ["eth2"]
    assert link(wanted, "bond0")["missing"] == ["nic1"]
    assert link(wanted, "bond0")["physical"] == ["eth2"]
    assert [one["name"] for one in wanted["links"]] == ["bond0", "eth2"]
    assert wanted["resolution"] == {"nic1": "", "nic2": "eth2"}
    assert len(wanted["degraded"]) == 1
    unknown = rendered([{**bond, "members": [interface("nic9"), interface("nic2")]}])
    assert "nic9.network" not in names(unknown), "nothing is known that would find it"


# MTU


def test_an_mtu_that_nobody_said_is_that_of_what_carries_the_packets() -> None:
    wanted = rendered(
        [
            {
                "type": "linux_bridge",
                "name": "br0",
                "members": [interface("eth1", mtu=9000), interface("eth2", mtu=4000)],
            },
            {"type": "vlan", "device": "br0", "vlan_id": 5},
            {"type": "linux_bridge", "name": "br1", "members": []},
            {
                "type": "ovs_bridge",
                "name": "br-ex",
                "members": [
                    {"type": "ovs_bond", "name": "ob", "mtu": 3000, "members": [interface("eth3"), interface("eth4")]},
                    {"type": "vlan", "vlan_id": 6},
                    {"type": "ovs_patch_port", "name": "p0", "peer": "p1"},
                ],
            },
        ]
    )
    assert {one["name"]: one["mtu"] for one in wanted["links"]} == {
        "br0": 4000,
        "br1": 1500,
        "br-ex": 3000,
        "eth1": 9000,
        "eth2": 4000,
        "eth3": 3000,
        "eth4": 3000,
        "vlan5": 4000,
        "vlan6": 3000,
    }
    assert rows(wanted)["Interface vlan6"]["mtu_request"] == "3000"
    assert "MTUBytes" not in text(wanted, "vlan6.network"), "Open vSwitch sets the MTU of its ports"


def test_an_mtu_that_nobody_said_is_large_enough_for_what_is_carried() -> None:
    bond = {"type": "linux_bond", "name": "bond0", "bonding_options": "mode=active-backup miimon=100"}
    wanted = rendered(
        [
            {**bond, "members": [interface("eth1"), interface("eth2")]},
            {"type": "vlan", "device": "bond0", "vlan_id": 5, "mtu": 9000},
            {"type": "vlan", "device": "bond0", "vlan_id": 6},
            {"type": "vlan", "device": "vlan6", "vlan_id": 7, "mtu": 2000},
            {
                "type": "ovs_bridge",
                "name": "br-ex",
                "members": [
                    {"type": "ovs_bond", "name": "ob", "members": [interface("eth3"), interface("eth4")]},
                    {"type": "vlan", "vlan_id": 8, "mtu": 4000},
                ],
            },
            {"type": "linux_bridge", "name": "br0", "mtu": 3000, "members": [interface("eth5")]},
            interface("eth6"),
        ]
    )
    assert {one["name"]: one["mtu"] for one in wanted["links"]} == {
        "bond0": 9000,
        "br-ex": 1500,
        "br0": 3000,
        "eth1": 9000,
        "eth2": 9000,
        "eth3": 4000,
        "eth4": 4000,
        "eth5": 3000,
        "eth6": 1500,
        "vlan5": 9000,
        "vlan6": 2000,
        "vlan7": 2000,
        "vlan8": 4000,
    }


def test_an_mtu_that_the_nic_cannot_have() -> None:
    small = [nic(1, max_mtu=1400), nic(2, max_mtu=2000), *NICS[2:]]
    assert link(rendered([interface("eth1")], small), "eth1")["mtu"] == 1400
    text = problems([interface("eth2", mtu=9000)], small)
    assert text == "[0]: an MTU of 9000 is more than eth2 can: 2000 (use at most 2000)"


# Bridges


def test_a_bridge_of_the_kernel() -> None:
    wanted = rendered(
        [
            {
                "type": "linux_bridge",
                "name": "br0",
                **ADDRESS,
                "members": [interface("eth1"), {"type": "linux_tap", "name": "tap0"}],
            }
        ]
    )
    assert unit(wanted, "br0.netdev")[1] == ("Bridge", {"STP": "no", "ForwardDelaySec": "0"})
    assert "Bridge=br0\n" in text(wanted, "eth1.network")
    assert unit(wanted, "tap0.netdev") == [("NetDev", {"Name": "tap0", "Kind": "tap"})]
    assert link(wanted, "br0")["members"] == ["eth1", "tap0"]
    assert wanted["netdevs"] == {"br0": {"kind": "bridge"}, "tap0": {"kind": "tap"}}


def test_a_bridge_of_open_vswitch() -> None:
    wanted = rendered(
        [
            {
                "type": "ovs_bridge",
                "name": "br-ex",
                "ovs_fail_mode": "secure",
                "ovs_options": "stp_enable=true protocols=OpenFlow13,OpenFlow15 other-config:mac-table-size=4096",
                "ovs_extra": [
                    "set port {name} vlan_mode=native-untagged",
                    "set bridge {name} mcast_snooping_enable=false",
                ],
                **ADDRESS,
                "members": [
                    {
                        "type": "ovs_bond",
                        "name": "obond",
                        "ovs_options": "bond_mode=balance-tcp lacp=active other-config:lacp-time=fast",
                        "members": [interface("nic1"), interface("nic2", primary=True)],
                    },
                    {"type": "vlan", "vlan_id": 7, "addresses": [{"ip_netmask": "192.0.3.5/24"}]},
                    {"type": "ovs_patch_port", "name": "to-int", "peer": "to-ex"},
                    {
                        "type": "ovs_tunnel",
                        "name": "vx0",
                        "tunnel_type": "vxlan",
                        "ovs_options": ["remote_ip=198.51.100.9", "key=5"],
                    },
                    {
                        "type": "linux_bond",
                        "name": "bond1",
                        "bonding_options": "mode=active-backup miimon=100",
                        "members": [interface("eth3")],
                    },
                ],
            },
            {"type": "ovs_patch_port", "name": "lone", "bridge_name": "br-ex", "peer": "other"},
        ]
    )
    assert rows(wanted) == {
        "Bridge br-ex": {
            "fail_mode": "secure",
            "stp_enable": "true",
            "protocols": ["OpenFlow13", "OpenFlow15"],
            "mcast_snooping_enable": "false",
            "other_config": {"hwaddr": "52:54:00:00:00:02", "mac-table-size": "4096"},
        },
        "Port br-ex": {"vlan_mode": "native-untagged", "in": "br-ex"},
        "Interface br-ex": {"type": "internal", "mtu_request": "1500", "in": "br-ex"},
        "Port obond": {
            "bond_mode": "balance-tcp",
            "lacp": "active",
            "other_config": {"lacp-time": "fast"},
            "in": "br-ex",
        },
        "Interface eth1": {"type": "", "in": "obond"},
        "Interface eth2": {"type": "", "in": "obond"},
        "Port vlan7": {"tag": "7", "in": "br-ex"},
        "Interface vlan7": {"type": "internal", "mtu_request": "1500", "in": "vlan7"},
        "Port to-int": {"in": "br-ex"},
        "Interface to-int": {"type": "patch", "options": {"peer": "to-ex"}, "in": "to-int"},
        "Port vx0": {"in": "br-ex"},
        "Interface vx0": {"type": "vxlan", "options": {"remote_ip": "198.51.100.9", "key": "5"}, "in": "vx0"},
        "Port bond1": {"in": "br-ex"},
        "Interface bond1": {"type": "", "in": "bond1"},
        "Port lone": {"in": "br-ex"},
        "Interface lone": {"type": "patch", "options": {"peer": "other"}, "in": "lone"},
    }
    assert set(names(wanted)) == {
        "br-ex.network",
        "vlan7.network",
        "bond1.netdev",
        "bond1.network",
        "nic1.network",
        "nic2.network",
        "eth3.network",
    }
    for name in ("br-ex", "vlan7", "bond1", "nic1"):
        assert "KeepMaster=yes\n" in text(wanted, f"{name}.network")
    assert link(wanted, "br-ex")["members"] == ["eth1", "eth2", "vlan7", "bond1"]
    assert link(wanted, "vlan7")["physical"] == ["eth1", "eth2", "eth3"]


def test_ports_of_nics_that_are_missing() -> None:
    bond = {"type": "ovs_bond", "name": "ob", "members": [interface("nic1"), interface("nic9"), interface("nic2")]}
    other = {"type": "ovs_bond", "name": "oc", "members": [interface("nic8"), interface("nic3")]}
    extra = [
        "set interface nic9 other-config:x=1",
        "set port ob other-config:bond-primary=nic1",
        "set port oc other-config:bond-primary=nic8",
    ]
    data = [{"type": "ovs_bridge", "name": "br-ex", "members": [bond, other, interface("nic7")], "ovs_extra": extra}]
    wanted = rendered(data, NICS[1:])
    assert set(rows(wanted)) == {
        "Bridge br-ex",
        "Port br-ex",
        "Interface br-ex",
        "Port ob",
        "Interface eth1",
        "Interface eth2",
        "Port oc",
        "Interface eth3",
    }
    assert rows(wanted)["Port ob"] == {"in": "br-ex", "other_config": {"bond-primary": "eth1"}}
    assert rows(wanted)["Port oc"] == {"in": "br-ex"}, "nothing is known of the preferred NIC"
    assert link(wanted, "br-ex")["missing"] == ["nic1", "nic9", "nic8", "nic7"]
    assert rows(wanted)["Bridge br-ex"]["other_config"] == {"hwaddr": "52:54:00:00:00:01"}, "known, though it is gone"


def test_a_bridge_without_a_nic_has_a_mac_of_its_own() -> None:
    assert "other_config" not in rows(rendered([{"type": "ovs_bridge", "name": "br-x", "members": []}]))["Bridge br-x"]


def test_dpdk_is_rendered() -> None:
    def port(name: str, member: str, **more: Any) -> dict[str, Any]:
        return {"type": "ovs_dpdk_port", "name": name, "members": [interface(member)], **more}

    bond = {"type": "ovs_dpdk_bond", "name": "db", "rx_queue": 4, "ovs_options": "bond_mode=active-backup"}
    data = [
        {
            "type": "ovs_user_bridge",
            "name": "br-u",
            "ovs_internal": False,
            "members": [
                {**bond, "members": [port("dpdk0", "nic1"), port("dpdk1", "nic2", rx_queue=2)]},
                port("dpdk2", "nic3", rx_queue_size=1024, tx_queue_size=2048, mtu=9000),
                port("dpdk3", "nic9"),
            ],
        }
    ]
    wanted = rendered(data)
    found = rows(wanted)
    assert found["Bridge br-u"]["datapath_type"] == "netdev"
    assert found["Interface dpdk0"]["options"] == {"dpdk-devargs": "0000:00:01.0", "n_rxq": "4"}
    assert found["Interface dpdk1"] == {
        "type": "dpdk",
        "options": {"dpdk-devargs": "0000:00:02.0", "n_rxq": "2"},
        "mtu_request": "1500",
        "in": "db",
    }
    assert found["Interface dpdk2"]["options"] == {
        "dpdk-devargs": "0000:00:03.0",
        "n_rxq_desc": "1024",
        "n_txq_desc": "2048",
    }
    assert found["Interface dpdk2"]["mtu_request"] == "9000"
    assert "Port dpdk3" not in found
    assert names(wanted) == []
    assert wanted["links"] == []


# Hardware


def test_settings_of_the_hardware_keep_the_names() -> None:
    nics = [nic(1, name="enp1s0"), nic(2, name="enx525400000002"), nic(3, name="lan0"), nic(4, pci="", mac="")]
    options = {"ethtool_opts": "-G ${DEVICE} rx 1024 tx 1024; -K ${DEVICE} lro off"}
    wanted = rendered([interface(f"nic{index}", **options) for index in range(1, 4)], nics)
    assert unit(wanted, "nic1.link") == [
        ("Match", {"PermanentMACAddress": "52:54:00:00:00:01"}),
        (
            "Link",
            {
                "NamePolicy": "keep kernel database onboard slot path",
                "AlternativeNamesPolicy": "database onboard slot path mac",
                "MACAddressPolicy": "persistent",
                "LargeReceiveOffload": "no",
                "RxBufferSize": "1024",
                "TxBufferSize": "1024",
            },
        ),
    ]
    assert dict(unit(wanted, "nic2.link"))["Link"]["NamePolicy"] == "keep kernel mac"
    assert dict(unit(wanted, "nic3.link"))["Link"]["Name"] == "lan0"
    bare = rendered([interface("eth4", **options)], nics)
    assert dict(unit(bare, "eth4.link"))["Match"] == {"OriginalName": "eth4"}
    bond = {"type": "linux_bond", "name": "bond0", "bonding_options": "mode=802.3ad miimon=100"}
    gone = rendered([{**bond, "members": [interface("nic9", **options), interface("nic1")]}], nics)
    assert "nic9.link" not in names(gone)


def test_virtual_functions() -> None:
    functions = [
        {
            "type": "sriov_vf",
            "device": "nic1",
            "vfid": 1,
            "vlan_id": 100,
            "qos": 3,
            "spoofcheck": False,
            "trust": True,
            "state": "enable",
            "macaddr": "52:54:00:aa:00:01",
            **ADDRESS,
        },
        {"type": "sriov_vf", "device": "nic1", "vfid": 0},
    ]
    wanted = rendered([{"type": "sriov_pf", "name": "nic1", "numvfs": 2, "promisc": True}, *functions])
    assert dict(unit(wanted, "nic1.link"))["Link"]["SR-IOVVirtualFunctions"] == "2"
    found = unit(wanted, "nic1.network")
    assert dict(found)["Link"]["Promiscuous"] == "yes"
    assert [entries for section, entries in found if section == "SR-IOV"] == [
        {"VirtualFunction": "0"},
        {
            "VirtualFunction": "1",
            "VLANId": "100",
            "QualityOfService": "3",
            "MACSpoofCheck": "no",
            "Trust": "yes",
            "LinkState": "yes",
            "MACAddress": "52:54:00:aa:00:01",
        },
    ]
    assert dict(unit(wanted, "sriov-nic1-1.network"))["Match"] == {"Name": "eth1v1"}
    assert link(wanted, "eth1v1")["addresses"] == ["198.19.2.5/24"]


def test_a_function_that_is_still_to_be_made_can_be_a_member() -> None:
    member = {"type": "sriov_vf", "device": "eth1", "vfid": 0}
    bond = {"type": "linux_bond", "name": "bond0", "bonding_options": "mode=active-backup miimon=100"}
    wanted = rendered([{"type": "sriov_pf", "name": "eth1", "numvfs": 2}, {**bond, "members": [member]}])
    assert link(wanted, "bond0")["members"] == ["eth1v0"]
    assert wanted["degraded"] == []


def test_infiniband() -> None:
    nics = [nic(1, name="ib0", type="infiniband", mac=":".join(["80"] * 20), max_mtu=0)]
    wanted = rendered(
        [
            {"type": "ib_interface", "name": "ib0", **ADDRESS},
            {"type": "ib_child_interface", "parent": "ib0", "pkey_id": 1, "mtu": 2044},
        ],
        nics,
    )
    assert dict(unit(wanted, "ib0.network"))["Match"] == {"Path": "pci-0000:00:01.0"}
    assert "IPoIB=ib0.8001\n" in text(wanted, "ib0.network")
    assert "MTUBytes" not in text(wanted, "ib0.network")
    assert unit(wanted, "ib0.8001.netdev") == [
        ("NetDev", {"Name": "ib0.8001", "Kind": "ipoib"}),
        ("IPoIB", {"PartitionKey": "0x8001"}),
    ]
    assert wanted["netdevs"] == {"ib0.8001": {"kind": "ipoib", "pkey": "0x8001", "parent": "ib0"}}
    assert link(wanted, "ib0.8001")["physical"] == ["ib0"]


def test_no_two_devices_share_their_files() -> None:
    def bridge(name: str) -> dict[str, Any]:
        return {"type": "linux_bridge", "name": name, "members": []}

    assert "[1]: files of a=b would have the names of those of a+b ([0])" in problems([bridge("a+b"), bridge("a=b")])
    vlans = [interface("nic1.10"), {"type": "vlan", "name": "eth1.10", "vlan_id": 10, "device": "eth2"}]
    assert "files of" in problems(vlans)


def test_rules_name_links_as_the_kernel_does() -> None:
    words = ["iif nic1", "oif nic2.10", "iif nic3", "iif 52:54:00:00:00:04", "iif up", "iif tap0"]
    rules = [{"rule": f"{rule} table 7"} for rule in words]
    wanted = rendered([interface("nic1", **ADDRESS, rules=rules), interface("nic2.10")], up="eth5")
    found = [next(iter({*entries.values()} & {"eth1", "eth2.10", "eth3", "eth4", "eth5", "tap0"}))
             for section, entries in unit(wanted, "nic1.network") if section == "RoutingPolicyRule"]  # fmt: skip
    assert found == ["eth1", "eth2.10", "eth3", "eth4", "eth5", "tap0"]
