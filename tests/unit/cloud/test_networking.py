# SPDX-License-Identifier: Apache-2.0
"""Templates of network configurations: what they stand for, and what is refused."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition, networking
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import Document, parse
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.inventory import build_inventory
from ansible_collections.ozone.openstack.plugins.module_utils.network import schema as network_schema
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

Data = dict[str, Any]

BONDED: list[Data] = [
    {
        "type": "linux_bond",
        "name": "bond0",
        "mtu": 9000,
        "network": "control",
        "bonding_options": {"mode": "active-backup", "miimon": 100},
        "members": [{"type": "interface", "name": "nic1", "primary": True}, {"type": "interface", "name": "nic2"}],
    },
    {"type": "vlan", "device": "bond0", "network": "tunnel"},
]
BRIDGE: Data = {
    "type": "ovs_bridge",
    "name": "br-ex",
    "network": "external",
    "members": [{"type": "interface", "name": "nic3"}],
}


@pytest.fixture
def bonded(cloud: Data) -> Data:
    """Two sites; the computes have a bond with a VLAN, and the controller a bridge as well."""
    cloud["sites"]["edge"] = {}
    cloud["networks"]["control"]["default_route"] = True
    cloud["networks"]["control"]["subnets"]["edge"] = {
        "cidr": "198.18.2.0/24",
        "gateway": "198.18.2.1",
        "pool": ["198.18.2.10", "198.18.2.99"],
    }
    cloud["networks"]["tunnel"]["vlan"] = 30
    cloud["networks"]["tunnel"]["subnets"]["edge"] = {
        "cidr": "198.18.3.0/24",
        "vlan": 31,
        "pool": ["198.18.3.10", "198.18.3.99"],
    }
    cloud["network_configs"] = {
        "bonded": copy.deepcopy(BONDED),
        "gateway": [*copy.deepcopy(BONDED), copy.deepcopy(BRIDGE)],
    }
    cloud["profiles"]["compute"]["network_config"] = "bonded"
    cloud["profiles"]["controller"]["network_config"] = "gateway"
    cloud["nodes"]["control1"]["site"] = "main"
    cloud["nodes"]["compute1"]["site"] = "edge"
    return cloud


def expanded(lab: Any, data: Data, node: str = "compute1") -> list[Data]:
    made, _known = lab.load(data)
    return networking.expand(made, made.nodes[node])


def test_address_mtu_vlan_and_routes(lab: Any, bonded: Data) -> None:
    made, _known = lab.load(bonded)
    node = made.nodes["compute1"]
    bond, vlan = networking.expand(made, node)
    assert bond["addresses"] == [{"ip_netmask": f"{node.addresses['control']}/24"}]
    assert bond["routes"] == [
        {"default": True, "next_hop": "198.18.2.1"},
        {"destination": "198.18.0.0/24", "next_hop": "198.18.2.1"},
    ]
    assert vlan == {
        "type": "vlan",
        "device": "bond0",
        "mtu": 1600,
        "vlan_id": 31,
        "addresses": [{"ip_netmask": f"{node.addresses['tunnel']}/24"}],
    }


def test_what_an_object_says_itself_stays(lab: Any, bonded: Data) -> None:
    own = {"mtu": 1650, "vlan_id": 99, "routes": [], "addresses": [{"ip_netmask": "198.18.1.200/24"}]}
    bonded["network_configs"]["bonded"][1] |= own
    bond, vlan = expanded(lab, bonded)
    assert bond["mtu"] == 9000
    assert vlan == {"type": "vlan", "device": "bond0", **own}


def test_a_template_without_networks_is_plain_os_net_config(lab: Any, bonded: Data) -> None:
    made, _known = lab.load(bonded)
    address = made.nodes["compute1"].addresses
    plain = [
        {"type": "interface", "name": "nic1", "addresses": [{"ip_netmask": f"{address['control']}/24"}]},
        {"type": "interface", "name": "nic2", "addresses": [{"ip_netmask": f"{address['tunnel']}/24"}]},
    ]
    bonded["network_configs"]["brought"] = plain
    bonded["nodes"]["compute1"]["network_config"] = "brought"
    assert expanded(lab, bonded) == plain


def test_routes_of_a_subnet(lab: Any, bonded: Data) -> None:
    routes = [
        {"destination": "198.18.2.0/24", "next_hop": "198.18.0.3"},
        {"destination": "198.18.99.0/24", "next_hop": "198.18.0.3", "metric": 5},
    ]
    bonded["networks"]["control"]["subnets"]["main"]["routes"] = routes
    bond = expanded(lab, bonded, "control1")[0]
    assert bond["routes"] == [{"default": True, "next_hop": "198.18.0.1"}, *routes]
    routes[0]["table"] = 100
    bond = expanded(lab, bonded, "control1")[0]
    other = {"destination": "198.18.2.0/24", "next_hop": "198.18.0.1"}
    assert other in bond["routes"], "a route of another table takes the place of none"


def test_a_bridge_without_an_address_has_the_mtu_only(lab: Any, bonded: Data) -> None:
    bridge = expanded(lab, bonded, "control1")[2]
    assert bridge == {"type": "ovs_bridge", "name": "br-ex", "mtu": 1500, "members": BRIDGE["members"]}


def test_names_of_interfaces_follow_from_the_template(lab: Any, bonded: Data) -> None:
    made, known = lab.load(bonded)
    assert made.nodes["compute1"].interfaces == {"control": "bond0", "tunnel": "vlan31"}
    assert made.nodes["control1"].interfaces == {"control": "bond0", "tunnel": "vlan30", "external": "br-ex"}
    hosts = build_inventory(made, known, {}).hosts
    assert hosts["control1"]["ozone_node"]["bridges"] == ["br-ex"]
    assert hosts["compute1"]["ozone_node"]["network_config"][1]["vlan_id"] == 31


@pytest.mark.parametrize(
    ("item", "nics", "name"),
    [
        ({"type": "interface", "name": "eno1"}, {}, "eno1"),
        ({"type": "interface", "name": "nic1"}, {}, ""),
        ({"type": "interface", "name": "nic1"}, {"nic1": "eno1"}, "eno1"),
        ({"type": "interface", "name": "storage"}, {"storage": "02:00:00:00:00:01"}, ""),
        ({"type": "interface", "name": "02:00:00:00:00:01"}, {}, ""),
        ({"type": "sriov_pf", "name": "pci:0000:3b:00.0"}, {}, ""),
        ({"type": "vlan"}, {}, "vlan7"),
        ({"type": "vlan", "vlan_id": 8}, {}, "vlan8"),
        ({"type": "vlan", "vlan_id": 8, "name": "vlan.public"}, {}, "vlan.public"),
        ({"type": "ib_child_interface", "parent": "ib0", "pkey_id": 1}, {}, "ib0.8001"),
        ({"type": "ib_child_interface", "parent": "nic1", "pkey_id": 1}, {}, ""),
        ({"type": "sriov_vf", "device": "eno1", "vfid": 1}, {}, ""),
        ({"type": "linux_bond", "name": "bond7"}, {}, "bond7"),
    ],
)
def test_name_of_a_device(item: Data, nics: dict[str, str], name: str) -> None:
    assert networking.device_name(item, networking.Facts(1500, 24, 7, ()), nics) == name


def test_nics_and_dhcp_of_a_node(lab: Any, bonded: Data) -> None:
    bonded["profiles"]["compute"]["dhcp_allowed"] = ["nic9"]
    bonded["nodes"]["compute1"]["nics"] = {"nic1": "02:00:00:00:00:01", "nic2": "driver:ice:1"}
    bonded["nodes"]["compute2"] = {"profile": "compute", "site": "edge", "dhcp_allowed": []}
    made, known = lab.load(bonded)
    hosts = build_inventory(made, known, {}).hosts
    assert hosts["compute1"]["ozone_node"]["nics"] == {"nic1": "02:00:00:00:00:01", "nic2": "driver:ice:1"}
    assert hosts["compute1"]["ozone_node"]["dhcp_allowed"] == ["nic9"]
    assert hosts["compute2"]["ozone_node"]["dhcp_allowed"] == []


def change(*path: Any) -> Callable[[Data], None]:
    *keys, last, value = path

    def apply(data: Any) -> None:
        for key in keys:
            data = data[key] if isinstance(data, list) else data.setdefault(key, {})
        data[last] = value

    return apply


def both_(*changes: Callable[[Data], None]) -> Callable[[Data], None]:
    def apply(data: Data) -> None:
        for one in changes:
            one(data)

    return apply


def append(*items: Any) -> Callable[[Data], None]:
    def apply(data: Data) -> None:
        data["network_configs"]["bonded"] += [copy.deepcopy(item) for item in items]

    return apply


def without_tunnel(data: Data) -> None:
    del data["network_configs"]["bonded"][1]


def no_vlan(data: Data) -> None:
    del data["networks"]["tunnel"]["vlan"]


def external_on_a_nic(data: Data) -> None:
    data["network_configs"]["gateway"][2] = {"type": "interface", "name": "nic3", "network": "external"}


def second_default(data: Data) -> None:
    data["networks"]["tunnel"]["default_route"] = True
    for site, octet in (("main", 1), ("edge", 3)):
        data["networks"]["tunnel"]["subnets"][site]["gateway"] = f"198.18.{octet}.1"


CONTROL = ("networks", "control", "subnets", "main")
REFUSED: dict[str, tuple[Callable[[Data], None], list[str]]] = {
    "template of a profile": (
        change("profiles", "compute", "network_config", "bondd"),
        ["profiles.compute.network_config: unknown network config bondd (did you mean bonded?)"],
    ),
    "template of a node": (
        change("nodes", "compute1", "network_config", "x"),
        ["nodes.compute1.network_config: unknown network config x"],
    ),
    "unknown network": (
        change("network_configs", "bonded", 1, "network", "tunel"),
        ["network_configs.bonded[1].network: unknown network tunel (did you mean tunnel?)"],
    ),
    "network is no text": (
        change("network_configs", "bonded", 1, "network", ["control"]),
        ["network_configs.bonded[1].network: must be the name of a network"],
    ),
    "not connected": (
        append(BRIDGE),
        ["network_configs.bonded[2].network: the profile compute is not connected to the network external"],
    ),
    "twice": (
        append({"type": "interface", "name": "nic4", "network": "tunnel"}),
        ["network_configs.bonded[2].network: the network tunnel is on another object already, on line"],
    ),
    "no address possible": (
        append({"type": "ovs_tunnel", "name": "tun1", "tunnel_type": "vxlan", "network": "external"}),
        ["network_configs.bonded[2].network: an object of type ovs_tunnel has no address (put `network: external` on"],
    ),
    "network left out": (
        without_tunnel,
        ["network_configs.bonded: no object has the network tunnel (tunnel) (add `network: tunnel` to an object"],
    ),
    "external traffic left out": (
        lambda data: data["network_configs"]["gateway"].pop(),
        ["network_configs.gateway: no object has the network external (external)"],
    ),
    "management left out": (
        change("network_configs", "bonded", 0, "network", "tunnel"),
        ["network_configs.bonded[1].network: the network tunnel is on another object already"],
    ),
    "smaller than the network": (
        change("network_configs", "bonded", 1, "mtu", 1400),
        [
            "network_configs.bonded[1].mtu: 1400 is less than the 1600 of the network tunnel (remove it, or say "
            "networks.tunnel.mtu: 1400"
        ],
    ),
    "no VLAN id": (
        no_vlan,
        ["network_configs.gateway[1].network: the network tunnel has no VLAN id at the site main (add"],
    ),
    "two default routes": (
        second_default,
        [
            "network_configs.bonded[1].network: the networks control and tunnel both give the node a default route",
            "network_configs.gateway[1].network: the networks control and tunnel both give the node a default route",
        ],
    ),
    "default route without gateway": (
        change("networks", "tunnel", "default_route", True),
        [
            "networks.tunnel.subnets.main: the network tunnel has the default route, and no gateway at the site main",
            "networks.tunnel.subnets.edge: the network tunnel has the default route, and no gateway at the site edge",
        ],
    ),
    "another name": (
        change("nodes", "compute1", "interfaces", {"tunnel": "eth1"}),
        ["network_configs.bonded[1].network: the interface of the network tunnel is vlan31, and eth1 in `interfaces`"],
    ),
    "external traffic on an alias": (
        external_on_a_nic,
        ["network_configs.gateway[2].network: only the node knows how nic3 is called, and OVN has to be told"],
    ),
    "NIC twice": (
        change("nodes", "compute1", "nics", {"nic1": "02:00:00:00:00:0A", "nic2": "02:00:00:00:00:0a"}),
        ["nodes.compute1.nics.nic2: 02:00:00:00:00:0a is nic1 already (give a NIC one alias only)"],
    ),
    "impossible NIC": (
        change("nodes", "compute1", "nics", {"nic1": "pci:3b"}),
        ["nodes.compute1.nics.nic1: 'pci:3b' is not possible here (a MAC address, `pci:"],
    ),
    "nics for nothing": (
        lambda data: (data["profiles"]["compute"].pop("network_config"), data["nodes"]["compute1"].update(nics={})),  # type: ignore[func-returns-value]
        ["nodes.compute1.nics: nics without a network configuration"],
    ),
    "empty template": (change("network_configs", "bonded", []), ["network_configs.bonded: needs at least 1 entry"]),
    "template is no list": (change("network_configs", "bonded", {}), ["network_configs.bonded: must be a list"]),
    "object is no mapping": (
        change("network_configs", "bonded", 1, "eth0"),
        ["network_configs.bonded[1]: must be a mapping, not a text"],
    ),
    "VLAN id": (
        change("networks", "tunnel", "vlan", 4095),
        ["networks.tunnel.vlan: must be at most 4094, not 4095"],
    ),
    "router outside": (
        change(*CONTROL, "routes", [{"destination": "198.18.9.0/24", "next_hop": "198.18.8.1"}]),
        ["routes[0].next_hop: 198.18.8.1 is outside the subnet 198.18.0.0/24"],
    ),
    "route to the subnet itself": (
        change(*CONTROL, "routes", [{"destination": "198.18.0.0/25", "next_hop": "198.18.0.3"}]),
        ["routes[0]: 198.18.0.0/25 is part of the subnet itself (remove the route)"],
    ),
    "default route by hand": (
        change(*CONTROL, "routes", [{"destination": "0.0.0.0/0", "next_hop": "198.18.0.3"}]),
        ["routes[0]: this is a default route (say `default_route: true`"],
    ),
    "route of another version": (
        change(*CONTROL, "routes", [{"destination": "fd00::/64", "next_hop": "198.18.0.3"}]),
        ["routes[0]: fd00::/64 and 198.18.0.0/24 are of different IP versions"],
    ),
    "route twice": (
        change(*CONTROL, "routes", [{"destination": "198.18.9.0/24", "next_hop": "198.18.0.3"}] * 2),
        ["routes[1]: there is a route to 198.18.9.0/24 already"],
    ),
    # What the schema of network configurations says, at the template's line
    "unknown key": (
        change("network_configs", "bonded", 0, "bonding_option", {}),
        ["network_configs.bonded[0].bonding_option: unknown key"],
    ),
    "unknown type": (change("network_configs", "bonded", 1, "type", "vlna"), ["network_configs.bonded[1].type:"]),
    "member": (
        change("network_configs", "bonded", 0, "members", 1, "mtu", "large"),
        ["network_configs.bonded[0].members[1].mtu:"],
    ),
    "MTU of a VLAN above that of its parent": (
        change("network_configs", "bonded", 0, "mtu", 1500),
        ["network_configs.bonded[1].mtu: 1600 is more than the 1500 of bond0"],
    ),
    "invalid bond": (
        change("network_configs", "bonded", 0, "bonding_options", "mode=active-backup lacp_rate=fast miimon=100"),
        ["network_configs.bonded[0].bonding_options"],
    ),
    "router that is a node": (
        both_(
            change("nodes", "compute1", "addresses", {"control": "198.18.2.9"}),
            change(
                "networks",
                "control",
                "subnets",
                "edge",
                "routes",
                [{"destination": "198.18.9.0/24", "next_hop": "198.18.2.9"}],
            ),
        ),
        ["nodes.compute1.addresses.control: 198.18.2.9 belongs to the router of a route already"],
    ),
    "one address for many nodes": (
        append({"type": "interface", "name": "nic3", "addresses": [{"ip_netmask": "198.18.7.7/24"}]}),
        [
            "network_configs.bonded[2].addresses[0]: 198.18.7.7/24 is written for 19 nodes: compute1, compute2, "
            "compute3, ... (say `network: <network>`"
        ],
    ),
    "one IPv6 address for many nodes": (
        append({"type": "interface", "name": "nic3", "addresses": [{"ip_netmask": "fd00:7::7/32"}]}),
        ["network_configs.bonded[2].addresses[0]: fd00:7::7/32 is written for 19 nodes: compute1"],
    ),
    "one NIC for many nodes": (
        append({"type": "interface", "name": "02-00-00-00-00-77"}),
        ["network_configs.bonded[2].name: 02-00-00-00-00-77 is written for 19 nodes: compute1"],
    ),
    "DHCP": (
        append({"type": "interface", "name": "nic3", "use_dhcp": True}),
        ["network_configs.bonded[2].use_dhcp:"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(lab: Any, bonded: Data, case: str) -> None:
    """Each mistake once, however many nodes share the template, with the line of the template."""
    apply, expected = REFUSED[case]
    for number in range(2, 20):
        bonded["nodes"][f"compute{number}"] = {"profile": "compute", "site": "edge"}
    apply(bonded)
    problems = lab.problems(bonded)
    assert len(problems) == len(expected), problems
    for text in expected:
        assert any(text in problem for problem in problems), problems
    assert all(int(problem.split(":")[0]) > 1 for problem in problems)


def paths_of(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values."""
    found = [path]
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        found += paths_of(value, (*path, key))
    return found


def test_no_value_anywhere_makes_a_traceback(lab: Any, bonded: Data) -> None:
    """Every value of networks, templates and what refers to them, replaced by every kind of nonsense."""
    bonded["networks"]["control"]["subnets"]["main"]["routes"] = [
        {"destination": "198.18.9.0/24", "next_hop": "198.18.0.3", "metric": 3}
    ]
    bonded["nodes"]["compute1"] |= {"nics": {"nic1": "eno1"}, "dhcp_allowed": ["nic1"], "interfaces": {"tunnel": "x"}}
    known = lab.load({**bonded, "nodes": {**bonded["nodes"], "compute1": {"profile": "compute", "site": "edge"}}})[1]
    parts = ("networks", "network_configs", "profiles", "nodes")
    for path in [path for path in paths_of(bonded) if path and path[0] in parts]:
        for value in (
            None,
            3,
            "x",
            "198.18.0.3",
            [],
            {},
            [None],
            {"x": None},
            [{"type": "vlan", "network": "control"}],
        ):
            data = copy.deepcopy(bonded)
            change(*path, value)(data)
            document, _none = parse("plugin: x", "cloud.yml")
            made, problems = definition.define(Document("cloud.yml", data, document.lines), lab.file, known, ["2026.1"])
            assert (made is None) == bool(problems)


ACCEPTED: dict[str, Callable[[Data], None]] = {
    "external traffic on a NIC that the template leaves alone": lambda data: (
        data["network_configs"]["gateway"].pop(),
        change("profiles", "controller", "interfaces", {"external": "eno3"})(data),  # type: ignore[func-returns-value]
    ),
    "an anycast address": append(
        {"type": "linux_bridge", "name": "any0", "members": [], "addresses": [{"ip_netmask": "198.18.7.7/32"}]}
    ),
    "same name": change("nodes", "compute1", "interfaces", {"tunnel": "vlan31"}),
    "DHCP by name": lambda data: (
        append({"type": "interface", "name": "nic3", "use_dhcp": True})(data),  # type: ignore[func-returns-value]
        change("nodes", "compute1", "dhcp_allowed", ["nic3"])(data),  # type: ignore[func-returns-value]
    ),
    "external traffic on an alias with a name": lambda data: (
        external_on_a_nic(data),  # type: ignore[func-returns-value]
        change("profiles", "controller", "interfaces", {"external": "eno3"})(data),  # type: ignore[func-returns-value]
    ),
    "a template that nobody uses": change("network_configs", "spare", [{"type": "interface", "name": "nic1"}]),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(lab: Any, bonded: Data, case: str) -> None:
    ACCEPTED[case](bonded)
    assert lab.problems(bonded) == []


def test_mistakes_of_templates_come_with_all_others(lab: Any, bonded: Data) -> None:
    bonded["network_configs"]["bonded"][1]["network"] = "tunel"
    bonded["overrides"] = {"wb": {}}
    assert len(lab.problems(bonded)) == 2


def test_a_broken_network_causes_no_second_message(lab: Any, bonded: Data) -> None:
    bonded["networks"]["tunnel"] = 3
    assert len(lab.problems(bonded)) == 1


def test_the_example_parses() -> None:
    made, known = definition.load(COLLECTION / "inventory" / "bonded" / "cloud.yml")
    hosts = build_inventory(made, known, {}).hosts
    assert {node.network_config for node in made.nodes.values()} == set(made.data["network_configs"])
    for name, host in hosts.items():
        config = host["ozone_node"]["network_config"]
        assert config == networking.expand(made, made.nodes[name])
        assert network_schema.parse(config).devices


def test_a_thousand_nodes(lab: Any, bonded: Data, tmp_path: Path) -> None:
    for site, octet in (("main", 0), ("edge", 16)):
        for network, more in (("control", 32), ("tunnel", 64)):
            bonded["networks"][network]["subnets"][site] |= {
                "cidr": f"198.18.{octet + more}.0/20",
                "pool": [f"198.18.{octet + more}.10", f"198.18.{octet + more + 15}.200"],
            }
            bonded["networks"][network]["subnets"][site].pop("host", None)
            if network == "control":
                bonded["networks"][network]["subnets"][site]["gateway"] = f"198.18.{octet + more}.1"
    for number in range(2, 1001):
        bonded["nodes"][f"compute{number}"] = {"profile": "compute", "site": "edge" if number % 2 else "main"}
    start = time.process_time()
    made, known = lab.load(bonded)
    built = build_inventory(made, known, {"OZONE_STATE": str(tmp_path)})
    assert len(built.hosts) == 1001
    spent = time.process_time() - start
    print(f"{spent:.2f} s")
    assert spent < 10
