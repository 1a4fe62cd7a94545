# SPDX-License-Identifier: Apache-2.0
"""Bridges, NICs and the refusal of overlaps."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.lab import files, plan


def test_bridges_have_short_names_and_the_hosts_address(cloud: dict[str, Any]) -> None:
    found = {bridge.network: bridge for bridge in plan.bridges(cloud)}
    assert found["control"].address == "198.18.0.1/24"
    assert found["external"].address == "198.51.100.1/25"
    assert found["tunnel"].address == ""
    assert found["tunnel"].mtu == 1600
    assert found["external"].mtu == 1500
    assert all(len(bridge.device) <= 15 and bridge.device.startswith("oz-") for bridge in found.values())
    assert found["control"].alias == "ozone-lab:demo:network:control:main"


def test_names_depend_on_the_cloud(cloud: dict[str, Any]) -> None:
    one = {bridge.device for bridge in plan.bridges(cloud)}
    cloud["name"] = "other"
    assert not one & {bridge.device for bridge in plan.bridges(cloud)}


def test_management_without_host_is_refused_with_a_remedy(cloud: dict[str, Any]) -> None:
    del cloud["networks"]["control"]["subnets"]["main"]["host"]
    with pytest.raises(plan.LabError, match=r"networks\.control\.subnets\.main .*remedy: add `host`"):
        plan.bridges(cloud)


def test_an_address_outside_its_subnet_is_refused(cloud: dict[str, Any], node: dict[str, Any]) -> None:
    cloud["networks"]["external"]["subnets"]["main"]["gateway"] = "198.51.100.129"
    with pytest.raises(plan.LabError, match=r"not in 198\.51\.100\.0/25"):
        plan.bridges(cloud)
    node["addresses"]["control"] = "198.18.7.7"
    with pytest.raises(plan.LabError, match=r"nodes\.node1\.addresses\.control"):
        plan.plan_node(cloud, node)


def test_node(cloud: dict[str, Any], node: dict[str, Any]) -> None:
    made = plan.plan_node(cloud, node)
    assert [nic.name for nic in made.nics] == ["eth0", "eth1", "eth2"]
    assert made.management == "198.18.0.10"
    control, tunnel, external = made.nics
    assert (control.address, control.gateway) == ("198.18.0.10/24", "")
    assert tunnel.mtu == 1600
    assert (external.address, external.gateway) == ("", "")
    assert {nic.bridge for nic in made.nics} == {bridge.device for bridge in plan.bridges(cloud)}
    assert len(made.machine_id) == 32
    assert all(len(nic.device) <= 15 for nic in made.nics)
    assert made.to_json() == plan.plan_node(cloud, node).to_json()


def test_nics_below_a_network_configuration_have_the_labs_names(cloud: dict[str, Any], node: dict[str, Any]) -> None:
    node["interfaces"] = {"control": "br0", "tunnel": "vlan7"}
    node["network_config"] = [{"type": "linux_bridge", "name": "br0"}]
    node["subnets"] = {name: {} for name in ("control", "tunnel", "external")}
    assert [(nic.network, nic.name) for nic in plan.plan_node(cloud, node).nics] == [
        ("control", "eth0"),
        ("tunnel", "eth1"),
        ("external", "eth2"),
    ]


def test_mac_is_unicast_and_local() -> None:
    first = int(plan.mac_address("demo", "node1", "control").split(":")[0], 16)
    assert first & 1 == 0
    assert first & 2 == 2
    assert plan.mac_address("demo", "node1", "control") != plan.mac_address("demo", "node2", "control")


def test_a_node_nobody_can_reach_is_refused(cloud: dict[str, Any], node: dict[str, Any]) -> None:
    del node["addresses"]["control"]
    with pytest.raises(plan.LabError, match="no address on the management network control"):
        plan.plan_node(cloud, node)


def test_a_network_without_subnet_at_the_site_is_refused(cloud: dict[str, Any], node: dict[str, Any]) -> None:
    node["site"] = "edge"
    with pytest.raises(plan.LabError, match="no subnet at site edge"):
        plan.plan_node(cloud, node)
    node["subnets"] = {n: {"cidr": cloud["networks"][n]["subnets"]["main"]["cidr"]} for n in cloud["networks"]}
    assert plan.plan_node(cloud, node).nics[0].address == "198.18.0.10/24"


ROUTES = [
    {"dst": "default", "gateway": "198.51.100.1", "dev": "eth0"},
    {"dst": "198.51.100.0/24", "dev": "eth0"},
    {"type": "local", "dst": "198.51.100.2", "dev": "eth0"},
    {"type": "multicast", "dst": "ff00::/8", "dev": "eth0"},
    {"dst": "fe80::/64", "dev": "eth0"},
    {"type": "unreachable", "dst": "198.18.0.0/15"},
]
ADDRESSES = [
    {"ifname": "eth0", "addr_info": [{"local": "198.51.100.2", "prefixlen": 24, "scope": "global"}]},
    {"ifname": "tun9", "addr_info": [{"local": "198.18.1.77", "prefixlen": 32, "scope": "global"}]},
    {"ifname": "oz-x", "addr_info": [{"local": "198.18.0.1", "prefixlen": 24, "scope": "global"}]},
]


def test_claims() -> None:
    claims = plan.parse_claims(ROUTES, ADDRESSES, {"oz-x": "ozone-lab:demo:network:control:main"})
    assert sorted(str(claim.net) for claim in claims) == [
        "198.18.0.0/24",
        "198.18.1.77/32",
        "198.51.100.0/24",
        "198.51.100.2/32",
    ]


def test_every_overlap_is_reported_at_once(cloud: dict[str, Any]) -> None:
    cloud["networks"]["external"]["subnets"]["main"] = {"cidr": "198.51.100.0/25", "gateway": "198.51.100.1"}
    claims = plan.parse_claims(ROUTES, ADDRESSES, {"oz-x": "ozone-lab:demo:network:control:main"})
    errors = plan.overlaps(plan.bridges(cloud), claims, "demo")
    assert len(errors) == 2
    assert "networks.external.subnets.main: 198.51.100.0/25 overlaps the route 198.51.100.0/24" in errors[0]
    assert "device tun9" in errors[1]


def test_another_lab_is_named(cloud: dict[str, Any]) -> None:
    claims = plan.parse_claims([], ADDRESSES[2:], {"oz-x": "ozone-lab:elder:network:control:main"})
    (error,) = plan.overlaps(plan.bridges(cloud), claims, "demo")
    assert "of the lab of cloud elder; remedy: remove that lab" in error


def test_a_cloud_whose_name_begins_alike_is_another(cloud: dict[str, Any]) -> None:
    claims = plan.parse_claims([], ADDRESSES[2:], {"oz-x": "ozone-lab:demo2:network:control:main"})
    assert plan.overlaps(plan.bridges(cloud), claims, "demo")


def test_networks_must_not_overlap_each_other(cloud: dict[str, Any]) -> None:
    cloud["networks"]["tunnel"]["subnets"]["main"]["cidr"] = "198.18.0.0/16"
    (error,) = plan.overlaps(plan.bridges(cloud), [], "demo")
    assert "networks.control.subnets.main" in error
    assert "networks.tunnel.subnets.main" in error


def two_sites(cloud: dict[str, Any], **more: Any) -> dict[str, Any]:
    cloud["networks"]["storage"] = {
        "subnets": {site: {"cidr": "198.18.7.0/24", **more} for site in ("main", "edge")},
    }
    return cloud


def test_a_stretched_subnet_is_one_bridge(cloud: dict[str, Any], node: dict[str, Any]) -> None:
    two_sites(cloud)["networks"]["storage"]["subnets"]["main"]["host"] = "198.18.7.1"
    made = [bridge for bridge in plan.bridges(cloud) if bridge.network == "storage"]
    assert [(bridge.site, bridge.address) for bridge in made] == [("edge", "198.18.7.1/24")]
    assert plan.overlaps(plan.bridges(cloud), [], "demo") == []
    node["interfaces"] = {"control": "eth0", "storage": "eth1"}
    node["addresses"] = {"control": "198.18.0.10", "storage": "198.18.7.10"}
    assert plan.plan_node(cloud, node).nics[1].bridge == made[0].device


def test_isolated_subnets_are_two_bridges(cloud: dict[str, Any], node: dict[str, Any]) -> None:
    two_sites(cloud, isolated=True)
    made = {bridge.site: bridge for bridge in plan.bridges(cloud) if bridge.network == "storage"}
    assert len({bridge.device for bridge in made.values()}) == 2
    assert plan.overlaps(plan.bridges(cloud), [], "demo") == []
    two_sites(cloud, isolated=True, host="198.18.7.1")
    assert len(plan.overlaps(plan.bridges(cloud), [], "demo")) == 1, "this computer cannot have an address in both"


def test_a_router_with_a_link_local_address(cloud: dict[str, Any], node: dict[str, Any]) -> None:
    cloud["networks"]["six"] = {"subnets": {"main": {"cidr": "fd00:7::/64", "gateway": "fe80::1"}}}
    assert next(bridge.address for bridge in plan.bridges(cloud) if bridge.network == "six") == "fe80::1/64"
    node["interfaces"] = {"control": "eth0", "six": "eth1"}
    node["addresses"] = {"control": "198.18.0.10", "six": "fd00:7::10"}
    nic = plan.plan_node(cloud, node).nics[1]
    assert nic.gateway == "fe80::1"
    assert "LinkLocalAddressing=ipv6\n" in files.networkd(nic)
