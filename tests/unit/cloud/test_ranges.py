# SPDX-License-Identifier: Apache-2.0
"""Which addresses and subnets a definition may have: usable ranges, one spelling, stretched and isolated subnets."""

from __future__ import annotations

import copy
import ipaddress
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils import ip
from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition, networking
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import read
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.inventory import build_inventory

Data = dict[str, Any]


def control(cloud: Data, **subnet: Any) -> Data:
    """The cloud with another subnet of the network ``control``; the others stay IPv4."""
    made = copy.deepcopy(cloud)
    made["networks"]["control"]["subnets"]["main"] = subnet
    return made


@pytest.mark.parametrize(
    "cidr",
    [
        "0.0.0.0/0", "0.1.2.0/24", "127.0.0.0/24", "169.254.7.0/24", "224.0.0.0/4", "239.1.2.0/24",
        "192.0.0.0/2", "240.0.0.0/24", "255.255.255.0/24", "::/0", "::/64", "::1/128", "::7f00:0/104",
        "::ffff:198.18.0.0/112", "64:ff9b::/96", "100::/64", "fe80::/10", "fe80::/64", "febf::/16", "ff02::/16",
        "ff05:1::/64",
    ],
)  # fmt: skip
def test_ranges_that_no_node_can_have_are_refused(lab: Any, cloud: Data, cidr: str) -> None:
    found = lab.problems(control(cloud, cidr=cidr))
    assert any("networks.control.subnets.main.cidr: no node can have an address in" in one for one in found)


@pytest.mark.parametrize(
    ("cidr", "pool"),
    [
        ("10.0.0.0/8", ["10.1.0.1", "10.1.0.9"]),
        ("100.64.0.0/10", ["100.64.0.5", "100.64.0.9"]),
        ("198.51.100.128/25", ["198.51.100.130", "198.51.100.139"]),
        ("223.255.255.0/24", ["223.255.255.5", "223.255.255.9"]),
        ("fd00:32::/64", ["fd00:32::10", "fd00:32::ffff"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"]),
        ("fec0::/64", ["fec0::5", "fec0::9"]),
    ],
)
def test_other_ranges_are_accepted(lab: Any, cloud: Data, cidr: str, pool: list[str]) -> None:
    made, _known = lab.load(control(cloud, cidr=cidr, pool=pool))
    first, last = (ipaddress.ip_address(end) for end in pool)
    for node in made.nodes.values():
        assert int(first) <= int(ipaddress.ip_address(node.addresses["control"])) <= int(last)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("gateway", "fe80::1%eth0", "remove the zone %eth0"),
        ("gateway", "fd00:32::1%1", "remove the zone %1"),
        ("host", "fd00:32::", "fd00:32:: is the subnet-router anycast address of fd00:32::/64"),
        ("host", "fe80::1", "fe80::1 is outside the subnet"),
        ("gateway", "fd00:33::1", "fd00:33::1 is outside the subnet"),
        ("gateway", "198.18.0.1", "198.18.0.1 is outside the subnet"),
        ("pool", ["fd00:32::a%eth0", "fd00:32::b"], "remove the zone"),
        ("routes", [{"destination": "fd00:40::/64", "next_hop": "fe80::2%eth0"}], "remove the zone"),
        ("routes", [{"destination": "fd00:40::%eth0/64", "next_hop": "fe80::2"}], "remove the zone"),
        ("routes", [{"destination": "fd00:40::1/64", "next_hop": "fe80::2"}], "the subnet is fd00:40::/64"),
        ("routes", [{"destination": "fe80::/64", "next_hop": "fe80::2"}], "fe80::/64 are never routed"),
        ("routes", [{"destination": "::1/128", "next_hop": "fe80::2"}], "::1/128 are never routed"),
        (
            "routes",
            [
                {"destination": "fd00:40::/64", "next_hop": "fe80::2"},
                {"destination": "FD00:40:0::/64", "next_hop": "fe80::3"},
            ],
            "there is a route to fd00:40::/64 already",
        ),
        ("floating", ["fd00:32::20", "fd00:32::30"], "floating addresses of Neutron are IPv4 addresses"),
        ("cidr", "fd00:32::5/64", "the subnet is fd00:32::/64"),
        ("cidr", "fd00:32::/129", "/129 is not a prefix length"),
    ],
)  # fmt: skip
def test_refused_of_ipv6(lab: Any, cloud: Data, key: str, text: Any, message: str) -> None:
    subnet = {"cidr": "fd00:32::/64", "pool": ["fd00:32::10", "fd00:32::99"], key: text}
    found = lab.problems(control(cloud, **subnet))
    assert any(message in one and one.split(": ")[1].startswith("networks.control") for one in found), found
    assert not any("broadcast" in one for one in found)


def test_the_last_address_of_ipv6_is_one_like_any_other(lab: Any, cloud: Data) -> None:
    assert not lab.problems(control(cloud, cidr="fd00:32::/64", pool=["fd00:32::10", "fd00:32::ffff:ffff:ffff:ffff"]))


def test_a_router_may_have_a_link_local_address(lab: Any, cloud: Data) -> None:
    routes = [{"destination": "fd00:40::/64", "next_hop": "FE80::0:2"}]
    data = control(
        cloud,
        cidr="fd00:32::/64",
        gateway="fe80::1",
        host="fd00:32::1",
        pool=["fd00:32::10", "fd00:32::99"],
        routes=routes,
    )
    data["networks"]["control"]["default_route"] = True
    data["network_configs"] = {
        "one": [
            {"type": "interface", "name": "nic1", "network": "control"},
            {"type": "interface", "name": "nic2", "network": "tunnel"},
        ]
    }
    data["profiles"]["compute"]["network_config"] = "one"
    made, known = lab.load(data)
    node = build_inventory(made, known, {}).hosts["compute1"]["ozone_node"]
    assert node["network_config"][0]["routes"] == [
        {"default": True, "next_hop": "fe80::1"},
        {"destination": "fd00:40::/64", "next_hop": "fe80::2"},
    ]
    assert node["subnets"]["control"]["gateway"] == "fe80::1"


@given(st.ip_addresses(v=6).filter(lambda value: not ip.reserved(ipaddress.ip_network(value))), st.data())
def test_every_spelling_is_one_address(value: ipaddress.IPv6Address, data: st.DataObject) -> None:
    full = data.draw(
        st.sampled_from([value.exploded, value.compressed, value.exploded.upper(), value.compressed.upper()])
    )
    assert str(ip.address(full)) == value.compressed
    assert ip.mentioned(f"https://[{full}]:443/x") == value
    assert ip.same(full, str(value))


#: What differs from the same text in RFC 5952.
SPELLED = {
    "FD00:32::00AA": "fd00:32::aa",
    "fd00:0032:0:0:0:0:0:aa": "fd00:32::aa",
    "fd00:32:0::aa": "fd00:32::aa",
    "2001:DB8::0:1": "2001:db8::1",
}


@pytest.mark.parametrize("text", SPELLED)
def test_addresses_have_one_spelling_wherever_they_stand(lab: Any, cloud: Data, text: str) -> None:
    short = SPELLED[text]
    cidr = "2001:db8::/64" if short.startswith("2001") else "fd00:32::/64"
    data = control(cloud, cidr=cidr.upper(), gateway=text, pool=[f"{cidr[:-3]}1000".upper(), f"{cidr[:-3]}FFFF"])
    subnet = data["networks"]["control"]["subnets"]["main"]
    data["nodes"]["compute1"]["addresses"] = {"control": f"{cidr[:-3]}0BEE"}
    data["vips"] = {"control": f"{cidr[:-3]}0:ABC"}
    subnet["routes"] = [{"destination": "FD99::/64", "next_hop": f"{cidr[:-3]}0DD"}]
    made, known = lab.load(data)
    built = build_inventory(made, known, {})
    assert made.networks["control"].subnets["main"].gateway == short
    assert made.nodes["compute1"].addresses["control"] == f"{cidr[:-3]}bee"
    variables = built.variables["ozone_cloud"]
    assert variables["vips"]["api_internal"] == f"{cidr[:-3]}abc"
    assert variables["networks"]["control"]["subnets"]["main"]["cidr"] == cidr
    assert variables["networks"]["control"]["subnets"]["main"]["pool"] == [f"{cidr[:-3]}1000", f"{cidr[:-3]}ffff"]
    assert networking.facts(made.networks, "main")["control"].routes == [
        {"destination": "fd99::/64", "next_hop": f"{cidr[:-3]}dd"}
    ]
    assert text not in str(variables["networks"])


def test_the_same_address_in_two_spellings_is_one(lab: Any, cloud: Data) -> None:
    data = control(cloud, cidr="fd00:32::/64", pool=["fd00:32::10", "fd00:32::99"])
    data["nodes"]["compute1"]["addresses"] = {"control": "FD00:32::00AA"}
    data["nodes"]["control1"]["addresses"] = {"control": "fd00:32:0::aa"}
    assert any("fd00:32::aa belongs to the node control1 already" in one for one in lab.problems(data))


# Stretched and isolated subnets ---------------------------------------------------------------------------------------


def two_sites(cloud: Data, one: Data, other: Data) -> Data:
    """A cloud with a second site and a network ``storage``, which carries no traffic of Ozone's own."""
    made = copy.deepcopy(cloud)
    made["sites"]["edge"] = {}
    made["networks"]["storage"] = {"subnets": {"main": one, "edge": other}}
    made["networks"]["control"]["subnets"]["edge"] = {
        "cidr": "198.18.20.0/24", "gateway": "198.18.20.1", "pool": ["198.18.20.10", "198.18.20.99"]
    }  # fmt: skip
    made["networks"]["tunnel"]["subnets"]["edge"] = {"cidr": "198.18.21.0/24", "pool": ["198.18.21.10", "198.18.21.99"]}
    made["profiles"]["compute"]["networks"].append("storage")
    made["profiles"]["controller"]["networks"] = ["control", "tunnel", "external"]
    made["nodes"]["control1"]["site"] = made["nodes"]["compute1"]["site"] = "main"
    for number in range(2, 8):
        made["nodes"][f"compute{number}"] = {"profile": "compute", "site": "edge" if number % 2 else "main"}
    return made


SHARED = {"cidr": "198.18.30.0/24", "gateway": "198.18.30.1", "pool": ["198.18.30.10", "198.18.30.17"]}


def test_a_stretched_subnet_has_each_address_once(lab: Any, cloud: Data) -> None:
    data = two_sites(cloud, SHARED, {**SHARED, "gateway": "198.18.30.13"} | {"pool": ["198.18.30.14", "198.18.30.20"]})
    data["networks"]["storage"]["subnets"]["main"]["pool"] = ["198.18.30.10", "198.18.30.17"]
    made, known = lab.load(data)
    given_ = [node.addresses["storage"] for node in made.nodes.values() if "storage" in node.addresses]
    assert len(given_) == len(set(given_)) == 7
    assert "198.18.30.13" not in given_, "the gateway of the other site"
    for site in ("main", "edge"):
        routes = networking.facts(made.networks, site)["storage"].routes
        assert routes == [], "the other site is on the same link"
    assert lab.load(data)[0].nodes == made.nodes
    build_inventory(made, known, {})


def test_a_stretched_subnet_with_one_pool(lab: Any, cloud: Data) -> None:
    made, _known = lab.load(two_sites(cloud, SHARED, SHARED))
    given_ = [node.addresses["storage"] for node in made.nodes.values() if "storage" in node.addresses]
    assert len(given_) == len(set(given_)) == 7
    data = two_sites(cloud, {**SHARED, "pool": ["198.18.30.10", "198.18.30.12"]}, SHARED)
    assert any("storage.subnets.main.pool: the pool is exhausted" in one for one in lab.problems(data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["nodes"]["compute1"].update(addresses={"storage": "198.18.30.9"}), ""),
        (
            lambda data: [
                data["nodes"][name].update(addresses={"storage": "198.18.30.9"}) for name in ("compute1", "compute3")
            ],
            "nodes.compute3.addresses.storage: 198.18.30.9 belongs to the node compute1 already",
        ),
        (
            lambda data: data["networks"]["storage"]["subnets"]["edge"].update(cidr="198.18.30.0/25"),
            "198.18.30.0/25 overlaps 198.18.30.0/24 of the network storage at the site main",
        ),
        (
            lambda data: data["networks"]["storage"]["subnets"]["edge"].update(isolated=True),
            "say `isolated: true` for both",
        ),
        (
            lambda data: data["networks"].update(other={"subnets": {"edge": {"cidr": "198.18.30.0/24"}}}),
            "198.18.30.0/24 overlaps 198.18.30.0/24 of the network",
        ),
    ],
)  # fmt: skip
def test_what_a_stretched_subnet_is(lab: Any, cloud: Data, change: Any, message: str) -> None:
    data = two_sites(cloud, copy.deepcopy(SHARED), copy.deepcopy(SHARED))
    change(data)
    found = lab.problems(data)
    assert any(message in one for one in found) if message else not found, found


def test_isolated_subnets_use_the_same_addresses(lab: Any, cloud: Data) -> None:
    alone = {**SHARED, "pool": ["198.18.30.10", "198.18.30.13"], "isolated": True}
    made, _known = lab.load(two_sites(cloud, alone, alone))
    by_site: dict[str, list[str]] = {"main": [], "edge": []}
    for node in made.nodes.values():
        if "storage" in node.addresses:
            by_site[node.site].append(node.addresses["storage"])
    assert [len(set(found)) for found in by_site.values()] == [4, 3]
    assert networking.facts(made.networks, "edge")["storage"].routes == []
    fixed = two_sites(cloud, alone, alone)
    fixed["nodes"]["compute1"]["addresses"] = fixed["nodes"]["compute3"]["addresses"] = {"storage": "198.18.30.9"}
    assert not lab.problems(fixed)
    smaller = two_sites(cloud, alone, {"cidr": "198.18.30.0/28", "pool": alone["pool"], "isolated": True})
    assert not lab.problems(smaller), "not routed to each other: they need not be equal"


@pytest.mark.parametrize("kind", ["management", "api_internal", "tunnel", "database", "provisioning"])
def test_what_carries_traffic_is_not_isolated(lab: Any, cloud: Data, kind: str) -> None:
    alone = {**SHARED, "isolated": True}
    data = two_sites(cloud, alone, alone)
    data["traffic"][kind] = "storage"
    found = lab.problems(data)
    assert any(
        "storage.subnets.main.isolated: the network storage carries traffic among all sites" in one for one in found
    )


def test_isolated_subnets_of_one_site_do_not_overlap(lab: Any, cloud: Data) -> None:
    alone = {**SHARED, "isolated": True}
    data = two_sites(cloud, alone, alone)
    data["networks"]["other"] = {"subnets": {"edge": {"cidr": "198.18.30.0/25", "isolated": True}}}
    found = lab.problems(data)
    assert len(found) == 1
    assert "overlaps 198.18.30.0/24 of the network storage at the site edge" in found[0]


def test_many_sites_are_checked_fast(lab: Any, cloud: Data) -> None:
    subnets = {f"s{number}": {"cidr": "198.18.30.0/24", "isolated": True} for number in range(1000)}
    stretched = {name: {"cidr": "198.18.31.0/24"} for name in subnets}
    cloud["sites"] |= {name: {} for name in subnets}
    cloud["nodes"]["control1"]["site"] = cloud["nodes"]["compute1"]["site"] = "main"
    cloud["networks"]["one"] = {"subnets": subnets}
    cloud["networks"]["two"] = {"subnets": stretched}
    cloud["profiles"]["controller"]["networks"] = ["control", "tunnel", "external"]
    lab.write(cloud)
    document, _none = read(lab.file)
    start = time.process_time()
    _made, problems = definition.define(document, lab.file, None)
    assert not problems
    assert time.process_time() - start < 2
