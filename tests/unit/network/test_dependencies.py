# SPDX-License-Identifier: Apache-2.0
"""No device depends on itself, by whatever relations: such a configuration is refused, and the cycle is named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machine import nic as hardware
from network_words import at, bond, bridge, nic, only, parse, problems, vlan

from ansible_collections.ozone.openstack.plugins.module_utils.network import dependencies, vocabulary
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError
from ansible_collections.ozone.openstack.plugins.module_utils.network.render import render
from ansible_collections.ozone.openstack.plugins.module_utils.network.resolve import number, resolve
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse as parse_data

AB = "mode=active-backup miimon=100"


def linux_bridge(name: str, *members: Any, **more: Any) -> dict[str, Any]:
    return {"type": "linux_bridge", "name": name, "members": list(members), **more}


def tunnel(*options: str, **more: Any) -> dict[str, Any]:
    return {"type": "ovs_tunnel", "name": "vx0", "tunnel_type": "vxlan", "ovs_options": list(options), **more}


def patches(*pairs: str, **more: Any) -> Iterator[dict[str, Any]]:
    """Both ends of patch ports between bridges that are called by one letter; the third letter tells pairs apart."""
    for pair in pairs:
        first, second = pair[:2]
        for here, there in ((first, second), (second, first)):
            name, peer = f"{here}{there}{pair[2:]}", f"{there}{here}{pair[2:]}"
            yield {"type": "ovs_patch_port", "name": name, "peer": peer, "bridge_name": here, **more}


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([vlan(10, device="vlan10")], "vlan10 is on vlan10: a cycle"),
        (
            [vlan(1, device="vlan2"), vlan(2, device="vlan3"), vlan(3, device="vlan1")],
            "[0]: vlan1 is on vlan2, which is on vlan3, which is on vlan1: a cycle",
        ),
        (
            [linux_bridge("br0", nic("em1"), vlan(5, device="br0"))],
            "[0].members[1]: vlan5 is on br0, which has the member vlan5: a cycle (write it beside br0, in the list of "
            "all devices: type: vlan, device: br0, vlan_id: 5)",
        ),
        (
            [linux_bridge("br0", nic("em1"), vlan(5, device="br0", addresses=at("198.18.0.7/24"), use_dhcp=True))],
            "in the list of all devices: type: vlan, device: br0, vlan_id: 5)",
        ),
        (
            [bond(AB, nic("em1"), nic("bond0.5"))],
            "bond0.5 is on bond0, which has the member bond0.5: a cycle (write it beside bond0",
        ),
        (
            [vlan(5, device="br0", name="a"), linux_bridge("br0", nic("a.6"))],
            "a is on br0, which has the member a.6, which is on a: a cycle",
        ),
        (
            [linux_bridge("br0", bond(AB, nic("em1"), nic("br0.5")))],
            "br0.5 is on br0, which has the member bond0, which has the member br0.5",
        ),
        (
            [linux_bridge("br0", vlan(5, device="br1")), linux_bridge("br1", vlan(6, device="br0"))],
            "vlan5 is on br1, which has the member vlan6, which is on br0, which has the member vlan5",
        ),
        ([bridge(nic("em1"), nic("br-ex.5"))], "br-ex.5 is on br-ex, which has the member br-ex.5"),
        (
            [bridge(nic("em1"), vlan(10), nic("vlan10.20"))],
            "vlan10.20 is on vlan10, which is a port inside of br-ex, which has the member vlan10.20",
        ),
        (
            [bridge(vlan(5, device="br1", name="a"), name="x"), linux_bridge("br1", nic("x.7"))],
            "this VLAN is on x, not on br1",
        ),
        (
            [bridge(nic("br1.5"), name="x"), linux_bridge("br1", nic("x.7"))],
            "br1.5 is on br1, which has the member x.7, which is on x, which has the member br1.5",
        ),
        (
            [bridge({"type": "ovs_bond", "name": "ob", "members": [nic("br-ex.5"), nic("em1")]})],
            "br-ex.5 is on br-ex, which has the member ob, which has the member br-ex.5",
        ),
        (
            [
                {"type": "ovs_user_bridge", "name": "br-u", "members": [
                    {"type": "ovs_dpdk_bond", "name": "db", "members": [
                        {"type": "ovs_dpdk_port", "name": "d0", "members": [nic("br-u.5")]},
                        {"type": "ovs_dpdk_port", "name": "d1", "members": [nic("em1")]},
                    ]},
                ]}
            ],
            "br-u.5 is on br-u, which has the member db, which has the member d0, which has the member br-u.5",
        ),
        (
            [bridge(nic("em1"), tunnel("remote_ip=198.18.0.9"), addresses=at("198.18.0.7/24"))],
            "vx0 sends its packets through br-ex, which has the member vx0",
        ),
        (
            [bridge(tunnel("remote_ip=198.19.0.9", "local_ip=198.18.0.7"), vlan(7, addresses=at("198.18.0.7/24")))],
            "vx0 sends its packets through vlan7, which is a port inside of br-ex, which has the member vx0",
        ),
        (
            [
                bridge(tunnel("remote_ip=2001:db8::9"), addresses=at("2001:db8::7/64")),
                nic("em1", addresses=at("2001:db8::7/32")),
            ],
            "vx0 sends its packets through br-ex",
        ),
        (
            [*(bridge(name=name) for name in "abc"), *patches("ab", "bc", "ca")],
            "closes a ring of bridges, in which a broadcast goes round: a, b, c",
        ),
        ([*(bridge(name=name) for name in "ab"), *patches("ab", "abx")], "broadcast goes round: a, b"),
    ],
)  # fmt: skip
def test_a_cycle_is_refused_and_named(objects: list[dict[str, Any]], message: str) -> None:
    found = problems(*objects)
    assert any(message in one for one in found), found


def test_each_vlan_among_the_members_of_its_own_bridge_is_told() -> None:
    """As in TripleO's single_nic_linux_bridge_vlans, with the place where it belongs."""
    inner = [vlan(number, device="br-ex", mtu=1500, addresses=at(f"198.18.{number}.5/24")) for number in (20, 30)]
    nic1 = nic("nic1", primary=True, mtu=1500)
    found = problems(linux_bridge("br-ex", nic1, *inner))
    assert [one.partition(": a cycle ")[2] for one in found] == [
        f"(write it beside br-ex, in the list of all devices: type: vlan, device: br-ex, vlan_id: {number})"
        for number in (20, 30)
    ]
    parse(linux_bridge("br-ex", nic1), *inner)


def test_a_cycle_is_told_once() -> None:
    assert only(vlan(1, device="vlan2"), vlan(2, device="vlan1")).count("cycle") == 2
    assert len(problems(vlan(1, device="vlan1"), vlan(2, device="vlan3"), vlan(3, device="vlan2"))) == 2


@pytest.mark.parametrize(
    "objects",
    [
        [bridge(nic("em1"), vlan(10)), vlan(20, device="vlan10"), vlan(30, device="br-ex")],
        [linux_bridge("br0", nic("em1"), nic("em1.5")), vlan(5, device="br0", name="a")],
        [bridge(tunnel("remote_ip=198.18.0.9", "local_ip=198.18.0.7")), nic("em1", addresses=at("198.18.0.7/24"))],
        [bridge(tunnel("remote_ip=flow"), addresses=at("198.18.0.7/24"))],
        [
            bridge(
                tunnel("remote_ip=198.18.0.9", ovs_extra="set port vx0 tag=9"), vlan(7, addresses=at("198.18.0.7/24"))
            )
        ],
        [bridge(tunnel("remote_ip=198.18.0.9"), nic("em1"), addresses=at("198.18.0.7/24"), ovs_fail_mode="secure")],
        [
            bridge(tunnel("remote_ip=198.18.0.9"), addresses=at("198.18.0.7/16")),
            nic("em1", addresses=at("198.18.0.8/24")),
        ],
        [*(bridge(name=name) for name in "abc"), *patches("ab", "bc")],
        [*(bridge(name=name, ovs_options="rstp_enable=true") for name in "ab"), *patches("ab", "abx")],
        [*(bridge(name=name, ovs_extra="set-fail-mode {name} secure") for name in "ab"), *patches("ab", "abx")],
        [*(bridge(name=name) for name in "ab"), *patches("ab"), *patches("abx", ovs_extra="set port {name} tag=7")],
        [*(bridge(name=name) for name in "ab"), *patches("ab"), *list(patches("abx"))[:1]],
    ],
)
def test_what_only_looks_like_a_cycle_is_accepted(objects: list[dict[str, Any]]) -> None:
    parse(*objects)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefghz"), max_size=3)))
def test_without_the_cycles_that_are_found_there_is_none(edges: dict[str, list[str]]) -> None:
    graph = {name: [(other, "is on") for other in others] for name, others in edges.items()}
    found = [[name for name, _relation in cycle] for cycle in dependencies.cycles(graph)]
    for cycle in found:
        assert all(after in edges[before] for before, after in zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    gone = {name for cycle in found for name in cycle}
    left = {name: [one for one in graph[name] if one[0] not in gone] for name in graph if name not in gone}
    assert not any(name in dependencies.beneath(left, name) for name in left)
    cyclic = any(name in dependencies.beneath(graph, name) for name in graph)
    assert bool(found) == cyclic


def test_a_long_chain_needs_no_recursion() -> None:
    graph = {str(index): [(str(index + 1), "is on")] for index in range(5000)}
    assert list(dependencies.cycles(graph)) == []
    graph["5000"] = [("0", "is on")]
    assert len(next(dependencies.cycles(graph))) == 5001


def chain(count: int) -> list[dict[str, Any]]:
    """VLANs on each other: v0 on em1, v1 on v0, ..."""
    return [vlan(7, name=f"v{index}", device=f"v{index - 1}" if index else "em1") for index in range(count)]


def bridges(count: int) -> list[dict[str, Any]]:
    """Bridges of Open vSwitch, each with a VLAN of the kernel on an internal port of the next one."""
    return [bridge(nic(f"i{index + 1}.7"), vlan(9, name=f"i{index}"), name=f"b{index}") for index in range(count)] + [
        bridge(vlan(9, name=f"i{count}"), name="last")
    ]


def test_the_kernel_stacks_eight_devices() -> None:
    parse(*chain(7))
    assert only(*chain(8)) == (
        "[7]: v7 is on top of 8 devices, each on the next one: the kernel nests 8 at most (put it on a device further "
        "down)"
    )
    assert len(problems(*chain(2000))) == 1, "and no RecursionError"
    parse(*bridges(8))
    assert len(problems(*bridges(600))) == 1


# Whatever is written: accepted and rendered, or refused

NAMES = ("eth1", "eth2", "eth3", "a", "b", "c", "eth1.5", "a.5", "b.5", "c.5", "vlan5", "a.5.6", "vlan5.6")
PARENTS = st.sampled_from(("eth1", "eth2", "a", "b", "c", "vlan5", "vlan6", "a.5"))
ADDRESSES = st.sampled_from(([], at("198.18.0.7/24"), at("198.18.0.8/24")))


@st.composite
def devices(draw: st.DrawFn, kinds: tuple[str, ...], depth: int = 0) -> dict[str, Any]:
    """A device of few names, so that they refer to each other in every way."""
    kind = draw(st.sampled_from(kinds))
    found: dict[str, Any] = {"type": kind, "name": draw(st.sampled_from(NAMES))}
    if kind == "vlan":
        found |= {"vlan_id": draw(st.sampled_from((5, 6)))}
        if draw(st.booleans()):
            del found["name"]
        if draw(st.booleans()):
            found["device"] = draw(PARENTS)
    elif kind == "sriov_vf":
        found = {"type": kind, "device": draw(PARENTS), "vfid": draw(st.integers(0, 1))}
    elif kind == "sriov_pf":
        found["numvfs"] = 2
    elif kind == "ib_child_interface":
        found |= {"parent": draw(PARENTS), "pkey_id": 1}
    elif kind == "ovs_tunnel":
        found |= {"tunnel_type": "gre", "ovs_options": ["remote_ip=198.18.0.9"]}
    elif kind == "ovs_patch_port":
        found |= {"peer": draw(st.sampled_from(NAMES)), "bridge_name": draw(st.sampled_from(("a", "b", "c")))}
    elif kind == "linux_bond":
        found["bonding_options"] = AB
    elif kind == "route_table":
        found["table_id"] = draw(st.integers(100, 101))
    if kind in vocabulary.MEMBERS and depth < 4:
        inner = devices(vocabulary.MEMBERS[kind], depth + 1)
        found["members"] = draw(st.lists(inner, max_size=3))
        found["addresses"] = draw(ADDRESSES)
    return found


@given(st.lists(devices(tuple(vocabulary.KINDS)), max_size=5))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=200)
def test_anything_is_rendered_or_refused(objects: list[dict[str, Any]]) -> None:
    nics = [hardware(index, virtfns=[f"0000:00:1{index}.{vf}" for vf in range(2)]) for index in range(1, 4)]
    nics += [hardware(index, name=name) for index, name in enumerate("abc", 4)]
    with contextlib.suppress(NetworkError):
        config = parse_data(objects)
        render(config, resolve(config, nics, number(nics, []), {}))
