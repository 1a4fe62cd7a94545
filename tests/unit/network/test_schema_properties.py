# SPDX-License-Identifier: Apache-2.0
"""What is true of every configuration, whatever somebody writes."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.network import reading, rules, schema, vocabulary
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Config, NetworkError

SLOW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)

KEYS = sorted({key for one in vocabulary.KINDS.values() for key in one["properties"]} | {"rule", "default", "next_hop"})
WORDS = st.sampled_from(
    [*vocabulary.KINDS, *KEYS, "nic1", "nic2", "bond0", "br-ex", "nic1.10", "198.51.100.7/24", "198.51.100.1", "::/0",
     "mode=1 miimon=100", "mode=4 primary=nic1", "tag=7", "set port nic1 tag=7", "from all table 7", "self", "true",
     "metric 5 onlink", "rx 7", "-G nic1 rx 7", "pci:0000:03:00.0", "52:54:00:12:34:56", "{name}", "'", "$x", "--"]
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), WORDS)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(WORDS, st.text(max_size=5), st.integers()), inner, max_size=5),
    ),
    max_leaves=30,
)


def answer(data: Any, allowed: tuple[str, ...] = ()) -> Config | str:
    """What ``parse`` makes of data: a configuration, or the text of a refusal. Anything else is a failure."""
    try:
        return schema.parse(data, dhcp_allowed=allowed)
    except NetworkError as error:
        return proper(error)


def proper(error: NetworkError) -> str:
    """The text of a refusal, which says where, what and what to do."""
    assert error.problems
    for problem in error.problems:
        assert problem.path and problem.message and problem.remedy, problem
        assert "\n" not in str(problem)
    return str(error)


@SLOW
@given(ANYTHING)
def test_anything_is_refused_properly(data: Any) -> None:
    before = copy.deepcopy(data)
    first = answer(data)
    assert repr(data) == repr(before)
    assert answer(data) == first


@SLOW
@given(ANYTHING)
def test_any_mapping_is_refused_properly(data: Any) -> None:
    try:
        found = schema.parse_mapping(data)
    except NetworkError as error:
        proper(error)
    else:
        assert all(reading.normal_nic(nic) == nic for nic in found.values())


@st.composite
def devices(draw: st.DrawFn) -> dict[str, Any]:
    """A device with the right keys, and values that are sometimes right."""
    kind = draw(st.sampled_from(sorted(vocabulary.KINDS)))
    keys = vocabulary.KINDS[kind]["properties"]
    chosen = draw(st.sets(st.sampled_from(sorted(keys)), max_size=6)) | set(vocabulary.KINDS[kind]["required"])
    found: dict[str, Any] = {"type": kind}
    for key in sorted(chosen - {"type", "members"}):
        found[key] = draw(st.one_of(values(keys[key]), ANYTHING))
    if "members" in chosen:
        found["members"] = draw(st.one_of(st.lists(devices(), max_size=3), ANYTHING))
    return found


def values(one: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit a key's schema most of the time."""
    form = reading.reader_name(one)
    if "enum" in one:
        return st.sampled_from(one["enum"])
    if form == "integer":
        return st.integers(one.get("minimum", 0), one.get("maximum", 70000))
    if form == "boolean":
        return st.booleans()
    if form in ("nic", "device", "port"):
        return st.sampled_from(["nic1", "nic2", "nic3", "bond0", "br-ex", "eno1", "vlan7", "tap0", "ib0"])
    if form == "ip_addresses":
        return st.lists(st.fixed_dictionaries({"ip_netmask": st.sampled_from(["198.51.100.7/24", "2001:db8::7/64"])}))
    if form == "routes":
        return st.lists(
            st.fixed_dictionaries({"default": st.booleans(), "next_hop": st.sampled_from(["198.51.100.1", "self"])})
        )
    return WORDS


@SLOW
@given(st.lists(devices(), max_size=6))
def test_nearly_right_is_refused_properly(objects: list[dict[str, Any]]) -> None:
    first = answer(objects, ("nic1",))
    assert answer(objects, ("nic1",)) == first
    if isinstance(first, Config):
        names = [device.name for device in first.devices]
        assert len(set(names)) == len(names)
        for number, device in enumerate(first.devices):
            assert set(device.members) <= set(names[:number])
            assert device.master is None or device.master in names[number:]
            assert device.parent is None or device.parent in names
            assert not (device.dhcp4 or device.dhcp6) or device.name == "nic1"


@st.composite
def sites(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A configuration that is right: bonds, bridges and VLANs with addresses and gateways."""
    numbers = iter(draw(st.permutations(range(1, 60))))
    subnets = iter(draw(st.permutations(range(1, 200))))
    objects: list[dict[str, Any]] = []

    def addressing() -> dict[str, Any]:
        subnet = next(subnets)
        found: dict[str, Any] = {"addresses": [{"ip_netmask": f"198.18.{subnet}.{draw(st.integers(2, 254))}/24"}]}
        if draw(st.booleans()):
            found["addresses"].append({"ip_netmask": f"2001:db8:{subnet:x}::{draw(st.integers(2, 65535)):x}/64"})
        if draw(st.booleans()):
            route = {"ip_netmask": f"198.19.{subnet}.0/24", "next_hop": f"198.18.{subnet}.1"}
            found["routes"] = [route | draw(st.sampled_from([{}, {"metric": 5}, {"table": 200}]))]
        return found

    for index in range(draw(st.integers(1, 4))):
        nics = [{"type": "interface", "name": f"nic{next(numbers)}"} for _ in range(draw(st.integers(1, 3)))]
        mode = draw(st.sampled_from(["active-backup", "802.3ad", "balance-xor", 5, 6]))
        mtu = draw(st.sampled_from([{}, {"mtu": 9000}]))
        bond = {"type": "linux_bond", "name": f"bond{index}", "members": nics, **mtu}
        bond["bonding_options"] = draw(st.sampled_from([f"mode={mode} miimon=100", {"miimon": 100, "mode": mode}]))
        vlans = [
            {"type": "vlan", "vlan_id": number + 1000 * index, **addressing(), **mtu}
            for number in draw(st.sets(st.integers(1, 900), max_size=3))
        ]
        if draw(st.booleans()):
            objects.append({"type": "ovs_bridge", "name": f"br{index}", "members": [bond, *vlans], **addressing()})
        else:
            objects += [{**bond, **addressing()}, *({**vlan, "device": f"bond{index}"} for vlan in vlans)]
    random.Random(draw(st.integers())).shuffle(objects)
    return objects


@SLOW
@given(sites())
def test_what_is_right_is_accepted(objects: list[dict[str, Any]]) -> None:
    config = answer(objects)
    assert isinstance(config, Config), config
    assert answer({"network_config": objects}) != config  # paths tell where it was
    wanted = sum(len(one.get("addresses", [])) + sum(len(m.get("addresses", [])) for m in one.get("members", []))
                 for one in objects)  # fmt: skip
    assert sum(len(device.addresses) for device in config.devices) == wanted


@SLOW
@given(sites(), st.data())
def test_one_mistake_is_one_problem(objects: list[dict[str, Any]], data: st.DataObject) -> None:
    """An unknown key anywhere is told at its place, and nothing else is."""
    place = data.draw(st.sampled_from(range(len(objects))))
    target = objects[place]
    path = f"[{place}]"
    while target.get("members") and data.draw(st.booleans()):
        member = data.draw(st.sampled_from(range(len(target["members"]))))
        target, path = target["members"][member], f"{path}.members[{member}]"
    target["colour"] = "red"
    text = answer(objects)
    assert isinstance(text, str)
    assert text.startswith(f"{path}.colour: unknown key") and "\n" not in text


@given(st.text(alphabet="fromtablei 0123456789./:-lo'", max_size=60))
def test_any_rule(text: str) -> None:
    report = reading.Report()
    assert (rules.parse_rule(report, "x", text) is None) == bool(report.problems)


@pytest.mark.parametrize("depth", [50, 400])
def test_depth(depth: int) -> None:
    """Members of members of members."""
    inner: Any = {"type": "interface", "name": "nic1"}
    for number in range(depth):
        inner = {"type": "linux_bridge", "name": f"b{number}", "members": [inner]}
    assert isinstance(answer([inner]), str)
