# SPDX-License-Identifier: Apache-2.0
"""Names mean the same NIC whatever has a link, whatever is gone, and in whatever order the NICs are seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine import nic

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Known, NetworkError, Nic
from ansible_collections.ozone.openstack.plugins.module_utils.network.resolve import Resolved, number, resolve
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse

NICS = [nic(index) for index in range(1, 6)]
BOND = {"type": "linux_bond", "name": "bond0", "bonding_options": "mode=802.3ad miimon=100"}


def resolved(
    data: Any, nics: list[Nic] = NICS, numbers: list[Known] | None = None, mapping: dict[str, str] | None = None
) -> Resolved:
    """The NICs of a configuration."""
    known = number(NICS, []) if numbers is None else numbers
    return resolve(parse(data), nics, known, mapping or {})


def one(name: str, **more: Any) -> list[dict[str, Any]]:
    """A configuration with one NIC."""
    return [{"type": "interface", "name": name, **more}]


def bond(*names: str) -> list[dict[str, Any]]:
    """A configuration with a bond."""
    return [{**BOND, "members": [{"type": "interface", "name": name} for name in names]}]


def problems(data: Any, **more: Any) -> str:
    """Why a configuration cannot be resolved."""
    with pytest.raises(NetworkError) as caught:
        resolved(data, **more)
    return str(caught.value)


def numbered(nics: list[Nic], numbers: list[Known] | None = None) -> dict[int, str]:
    """Number -> name."""
    return {known["number"]: known["name"] for known in number(nics, numbers or [])}


# Numbers


@given(order=st.permutations(NICS), carriers=st.lists(st.booleans(), min_size=5, max_size=5))
def test_numbers_do_not_depend_on_links_or_order(order: list[Nic], carriers: list[bool]) -> None:
    nics: list[Nic] = [{**one, "carrier": carrier} for one, carrier in zip(order, carriers, strict=True)]  # type: ignore[misc]
    assert number(nics, []) == number(NICS, [])


@given(gone=st.sets(st.integers(0, 4), max_size=4), order=st.permutations(NICS))
def test_a_nic_that_is_gone_shifts_no_other(gone: set[int], order: list[Nic]) -> None:
    left = [one for one in order if NICS.index(one) not in gone]
    assert number(left, number(NICS, [])) == number(NICS, [])
    names = [f"nic{position}" for position in range(1, 6)]
    found = resolved(bond(*names), nics=left)
    for position, name in enumerate(names):
        seen = found.nics[name]
        assert seen.name == NICS[position]["name"]
        assert (seen.nic is None) == (position in gone)
        assert seen.match == ("PermanentMACAddress", NICS[position]["mac"])
    assert len(found.degraded) == len(gone)


def test_numbers_follow_the_hardware() -> None:
    nics = [
        nic(1, name="usb0", pci=""),
        nic(2, name="eth10", pci="", mac="02:00:00:00:00:01"),
        nic(3, name="eth9", pci="", mac="02:00:00:00:00:02"),
        nic(4, name="enp16s0", pci="0000:10:00.0"),
        nic(5, name="enp9s0d1", pci="0000:09:00.0", port=1),
        nic(6, name="enp9s0", pci="0000:09:00.0"),
        nic(7, name="far", pci="0001:01:00.0"),
        nic(8, name="vf", pci="0000:01:00.1", vf_of="enp9s0"),
        nic(9, name="ib0", pci="0000:01:00.0", type="infiniband"),
    ]
    assert [*numbered(nics).values()] == ["enp9s0", "enp9s0d1", "enp16s0", "far", "eth9", "eth10", "usb0"]


def test_a_new_nic_gets_the_next_number_wherever_it_is_plugged_in() -> None:
    assert numbered([nic(7, pci="0000:00:00.0"), *NICS], number(NICS, []))[6] == "eth7"
    assert numbered(NICS, number(NICS[:2], []))[3] == "eth3"


def test_a_replaced_card_takes_over_the_number_and_a_moved_one_keeps_its_own() -> None:
    known = number(NICS, [])
    replaced = [*NICS[:2], nic(3, mac="52:54:00:ff:ff:ff"), *NICS[3:]]
    assert number(replaced, known)[2] | {"mac": ""} == known[2] | {"mac": ""}
    assert number(replaced, known)[2]["mac"] == "52:54:00:ff:ff:ff"
    moved = [*NICS[:2], {**NICS[2], "pci": "0000:00:1f.0"}, *NICS[3:]]
    assert numbered(moved, known) == numbered(NICS)  # type: ignore[arg-type]
    assert number(moved, known)[2]["pci"] == "0000:00:1f.0"  # type: ignore[arg-type]


def test_nics_with_one_mac_are_known_by_their_place() -> None:
    twins = [nic(1), nic(2, mac=nic(1)["mac"])]
    known = number(twins, [])
    assert numbered(twins[::-1], known) == {1: "eth1", 2: "eth2"}
    assert numbered(twins[1:], known) == {1: "eth1", 2: "eth2"}


def test_a_nic_without_mac_and_place_is_known_by_its_name() -> None:
    bare = [nic(1, mac="", pci=""), nic(2, mac="", pci="")]
    assert numbered(bare[1:], number(bare, [])) == {1: "eth1", 2: "eth2"}


def test_a_nic_that_was_renamed_is_still_meant_by_its_old_name() -> None:
    known = number(NICS, [])
    nics = [nic(1, name="enp0s1"), *NICS[1:]]
    assert resolved(one("eth1"), nics=nics).nics["eth1"].name == "enp0s1"
    assert number(nics, known)[0]["name"] == "eth1"
    swapped = [nic(1, name="eth2"), nic(2, name="eth1"), *NICS[2:]]
    assert resolved(one("eth1"), nics=swapped).nics["eth1"].mac == NICS[1]["mac"], "the name is another NIC's now"
    assert [entry["name"] for entry in number(swapped, known)[:2]] == ["eth2", "eth1"]


# Names


@pytest.mark.parametrize(
    "name",
    ["eth3", "nic3", "52:54:00:00:00:03", "52:54:00:00:00:03".upper(), "pci:0000:00:03.0", "driver:virtio_net:2"],
)
def test_ways_to_name_a_nic(name: str) -> None:
    found = resolved(one(name))
    (seen,) = found.nics.values()
    assert seen.nic == NICS[2]
    assert seen.match == ("PermanentMACAddress", "52:54:00:00:00:03")
    (written,) = found.nics
    assert found.link(written) == "eth3"
    assert found.link("bond9") == "bond9"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("eth3", ("PermanentMACAddress", "52:54:00:00:00:03")),
        ("nic3", ("PermanentMACAddress", "52:54:00:00:00:03")),
        ("52:54:00:00:00:03", ("PermanentMACAddress", "52:54:00:00:00:03")),
        ("pci:0000:00:03.0", ("Path", "pci-0000:00:03.0")),
        ("driver:virtio_net:2", ("PermanentMACAddress", "52:54:00:00:00:03")),
    ],
)
def test_a_missing_member_waits_for_its_nic(name: str, match: tuple[str, str]) -> None:
    found = resolved(bond(name, "eth4"), nics=[*NICS[:2], *NICS[3:]])
    seen = next(seen for seen in found.nics.values() if seen.nic is None)
    assert (seen.name, seen.match) == ("eth3", match)
    (sentence,) = found.degraded
    assert sentence.startswith("bond0: its member ")
    assert sentence.endswith(" is missing; built of eth4, and it joins when it appears")


def test_a_missing_member_that_never_was_there() -> None:
    found = resolved(bond("eth8", "52:54:00:00:00:08", "pci:0000:00:08.0", "nic8", "driver:ice:0", "eth1"))
    assert [seen.match for seen in found.nics.values()] == [
        ("Name", "eth8"),
        ("PermanentMACAddress", "52:54:00:00:00:08"),
        ("Path", "pci-0000:00:08.0"),
        None,
        None,
        ("PermanentMACAddress", NICS[0]["mac"]),
    ]
    assert "eth8 is missing; built of eth1" in found.degraded[0]
    assert "nic8 is missing; built of eth1, and it joins at the next run after it appears" in found.degraded[3]


OVS_BOND = {"type": "ovs_bond", "name": "ob"}


def inner(*names: str) -> list[dict[str, Any]]:
    return [{"type": "interface", "name": name} for name in names]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (bond("eth1", "nic2"), ["[0]: there is no NIC of bond0 (eth1, nic2 (eth2)); this node has eth4, eth5"]),
        (
            [{"type": "linux_bridge", "name": "br0", "members": inner("eth1")}],
            ["[0]: there is no NIC of br0 (eth1); this node has"],
        ),
        (
            [{"type": "ovs_bridge", "name": "br0", "members": [{**OVS_BOND, "members": inner("eth1", "eth9")}]}],
            ["[0].members[0]: there is no NIC of ob (eth1, eth9); this node has"],
        ),
        (
            [
                {
                    "type": "ovs_bridge",
                    "name": "br0",
                    "members": [
                        {**BOND, "members": inner("eth1")},
                        {"type": "vlan", "vlan_id": 7},
                        {"type": "linux_tap", "name": "tap0"},
                    ],
                }
            ],
            ["[0].members[0]: there is no NIC of bond0 (eth1); this node has"],
        ),
        (
            [
                {
                    "type": "ovs_user_bridge",
                    "name": "br0",
                    "members": [
                        {
                            "type": "ovs_dpdk_bond",
                            "name": "db",
                            "members": [
                                {"type": "ovs_dpdk_port", "name": f"dpdk{index}", "members": inner(f"eth{8 + index}")}
                                for index in range(2)
                            ],
                        }
                    ],
                }
            ],
            ["[0].members[0]: there is no NIC of db (eth8, eth9); this node has"],
        ),
        (
            [{"type": "linux_bridge", "name": "br0", "members": [*inner("eth2"), {**BOND, "members": inner("eth1")}]}],
            ["[0].members[1]: there is no NIC of bond0 (eth1)", "[0]: there is no NIC of br0 (eth2)"],
        ),
    ],
)
def test_what_no_nic_carries_is_refused(data: list[dict[str, Any]], told: list[str]) -> None:
    """Its addresses could not be reached: the same as a missing NIC that has addresses itself."""
    text = problems(data, nics=NICS[3:])
    assert sorted(line.split(": there")[0] for line in text.splitlines()) == sorted(
        one.split(": there")[0] for one in told
    )
    for one in told:
        assert one in text
    assert "(name it by its name, nicN," in text and "; or remove " in text


def test_a_bridge_with_another_way_out_is_degraded() -> None:
    ways = [
        {"type": "ovs_tunnel", "name": "t", "tunnel_type": "gre", "ovs_options": ["remote_ip=198.51.100.9"]},
        {"type": "ovs_patch_port", "name": "p", "peer": "q"},
        {**BOND, "members": inner("eth4")},
    ]
    for way in ways:
        found = resolved([{"type": "ovs_bridge", "name": "br0", "members": [*inner("eth1"), way]}], nics=NICS[3:])
        assert found.degraded[0].startswith("br0: its member eth1 is missing; built of ")
    assert resolved([{"type": "ovs_bridge", "name": "br0", "members": []}], nics=[]).degraded == ()


@pytest.mark.parametrize("name", ["nic9", "eth9", "driver:ice:0", "pci:0000:00:09.0", "52:54:00:00:00:09"])
def test_a_missing_nic_on_which_a_device_stands_alone_is_an_error(name: str) -> None:
    text = problems(one(name))
    assert f"[0]: there is no NIC {name}; this node has eth1, eth2, eth3, eth4, eth5 (name it by" in text


def test_a_missing_nic_that_is_known_is_named() -> None:
    assert "there is no NIC nic3 (eth3); this node has eth1" in problems(one("nic3"), nics=NICS[:1])
    assert "; this node has none" in problems(one("nic3"), nics=[])


def test_several_nics_of_one_mac_or_place() -> None:
    twins = [nic(1), nic(2, mac=nic(1)["mac"]), nic(3), nic(4, pci=nic(3)["pci"], port=1)]
    known = number(twins, [])
    text = problems([*one("52:54:00:00:00:01"), *one("pci:0000:00:03.0")], nics=twins, numbers=known)
    assert "several NICs have the MAC address 52:54:00:00:00:01: eth1, eth2 (name it by its name or pci:" in text
    assert "there are several NICs at the PCI address 0000:00:03.0: eth3, eth4 (name it by name" in text
    found = resolved([*one("eth1"), *one("eth4")], nics=twins, numbers=known)
    assert [seen.match for seen in found.nics.values()] == [
        ("Path", "pci-0000:00:01.0"),
        ("PermanentMACAddress", NICS[3]["mac"]),
    ]
    gone = resolved(bond("nic1", "nic2"), nics=twins[1:2], numbers=known)
    assert gone.nics["nic1"].match == ("Path", "pci-0000:00:01.0"), "the MAC is the other one's, too"
    bare = [nic(1, pci="", mac=""), nic(2)]
    assert resolved(one("eth1"), nics=bare, numbers=number(bare, [])).nics["eth1"].match == ("Name", "eth1")
    gone = resolved(bond("nic2", "eth2"), nics=bare[1:], numbers=number(bare, []))
    assert gone.nics["nic2"].match == ("Name", "eth1")


def test_a_driver_without_an_index_means_its_only_nic() -> None:
    assert "several NICs have the driver virtio_net: eth1, eth2" in problems(one("driver:virtio_net"))
    nics = [nic(1, driver="ice"), *NICS[1:]]
    assert resolved(one("driver:ice"), nics=nics, numbers=number(nics, [])).nics["driver:ice"].name == "eth1"


def test_the_index_of_a_driver_counts_the_missing() -> None:
    assert resolved(one("driver:virtio_net:3"), nics=NICS[3:]).nics["driver:virtio_net:3"].name == "eth4"


def test_kinds_of_hardware_are_not_mixed_up() -> None:
    nics = [nic(1), nic(2, name="ib0", type="infiniband", mac=":".join(["80"] * 20))]
    text = problems([*one("ib0"), {"type": "ib_interface", "name": "eth1"}], nics=nics, numbers=number(nics, []))
    assert "[0]: ib0 is a NIC of InfiniBand (use ib_interface)" in text
    assert "[1]: eth1 is a NIC of Ethernet (use interface)" in text
    found = resolved([{"type": "ib_interface", "name": "ib0"}], nics=nics, numbers=number(nics, []))
    assert found.nics["ib0"].match == ("Path", "pci-0000:00:02.0"), "a part of such an address changes"


def test_two_names_for_one_nic() -> None:
    text = problems([*one("nic1"), *one("eth1"), *one("eth2")])
    assert text == "[1]: eth1 and nic1 ([0]) are one NIC: eth1 (use each NIC once, by one name)"


# Aliases


def test_aliases_win_over_numbers() -> None:
    mapping = {"nic1": "52:54:00:00:00:05".upper(), "storage": "pci:0000:00:02.0", "nic2": "eth1"}
    found = resolved([*one("nic1"), *one("storage"), *one("nic2")], mapping=mapping)
    assert [seen.name for seen in found.nics.values()] == ["eth5", "eth2", "eth1"]


def test_aliases_that_hide_something() -> None:
    twins = [*NICS, nic(6, mac=NICS[4]["mac"])]
    mapping = {
        "eth1": "eth2",
        "eth3": "eth3",
        "bond0": "eth4",
        "one": "eth2",
        "both": "52:54:00:00:00:05",
        "gone": "eth9",
        "eth4": "eth9",
    }
    with pytest.raises(NetworkError) as caught:
        resolve(parse(bond("one", "eth3")), twins, number(twins, []), mapping)
    assert [str(problem) for problem in caught.value.problems] == [
        "mapping.bond0: bond0 is the name of a linux_bond of the configuration (choose another alias)",
        "mapping.both: several NICs have the MAC address 52:54:00:00:00:05: eth5, eth6 (name it by its name or "
        "pci:<address>)",
        "mapping.eth1: eth1 is the name of another NIC (52:54:00:00:00:01) (choose another alias)",
        "mapping.eth4: eth4 is the name of another NIC (52:54:00:00:00:04) (choose another alias)",
        "mapping.one: is the same NIC as eth1: eth2 (give each NIC one alias)",
    ]


# SR-IOV and DPDK


def test_functions_are_found_by_their_place_or_named_beforehand() -> None:
    pf = {"type": "sriov_pf", "name": "eth1", "numvfs": 2}
    vf = {"type": "sriov_vf", "device": "eth1", "vfid": 1, "addresses": [{"ip_netmask": "198.19.2.1/24"}]}
    found = resolved([pf, vf])
    assert found.nics["sriov:eth1:1"].name == "eth1v1"
    assert found.nics["sriov:eth1:1"].match == ("Name", "eth1v1")
    functions = [
        nic(8, name="eth8", pci="0000:00:01.2", vf_of="eth1"),
        nic(7, name="eth7", pci="0000:00:01.1", vf_of="eth1"),
    ]
    nics = [nic(1, virtfns=["0000:00:01.1", "0000:00:01.2"]), *NICS[1:]]
    found = resolved([pf, vf], nics=[*nics, *functions])
    assert found.nics["sriov:eth1:1"].name == "eth8"
    found = resolved([{**pf, "numvfs": 8}, vf], nics=[*nics, *functions])
    assert found.nics["sriov:eth1:1"].name == "eth1v1", "they are made anew"
    assert "there is no NIC sriov:eth1:1 (eth1v1)" in problems([pf, vf], nics=[*nics, functions[1]]), "a guest has it"


def test_functions_of_a_card_that_is_gone() -> None:
    data = [
        {"type": "sriov_pf", "name": "eth9", "numvfs": 2},
        {**BOND, "members": [{"type": "sriov_vf", "device": "eth9", "vfid": 0}, {"type": "interface", "name": "eth1"}]},
    ]
    text = problems(data)
    assert "there is no NIC eth9" in text
    assert "sriov" not in text


def test_a_nic_that_dpdk_has_needs_only_a_place() -> None:
    port = {"type": "ovs_dpdk_port", "name": "dpdk0", "members": [{"type": "interface", "name": "nic3"}]}
    data = [{"type": "ovs_user_bridge", "name": "br-u", "members": [port]}]
    found = resolved(data, nics=[*NICS[:2], *NICS[3:]])
    assert found.degraded == ()
    assert found.nics["nic3"].pci == "0000:00:03.0"
    assert "there is no NIC of br-u (nic3)" in problems(data, nics=[], numbers=[])
    other = {**port, "name": "dpdk1", "members": [{"type": "interface", "name": "nic1"}]}
    data[0]["members"] = [port, other]
    found = resolved(data, nics=NICS[:1], numbers=number(NICS[:1], []))
    assert "dpdk0: its member nic3 is missing" in found.degraded[0]


def test_a_nic_that_only_a_rule_names() -> None:
    rules = [{"rule": "iif nic9 table 7"}]
    assert "[0].rules: there is no NIC nic9" in problems(one("eth1", rules=rules))
    assert resolved(one("eth1", rules=[{"rule": "iif nic2 table 7"}])).link("nic2") == "eth2"


def test_a_vf_is_found_by_its_place() -> None:
    """Many cards give their VFs another MAC address at each boot."""
    functions = [
        nic(
            20 + index, name=f"eth1v{index}", vf_of="eth1", pci=f"0000:00:10.{index}", mac=f"02:00:00:00:00:{index:02x}"
        )
        for index in range(2)
    ]
    pf = {"type": "sriov_pf", "name": "nic1", "numvfs": 2}
    card = nic(1, virtfns=[function["pci"] for function in functions])
    found = resolved([pf, {"type": "sriov_vf", "device": "nic1", "vfid": 1}], [card, *NICS[1:], *functions])
    assert found.nics["sriov:nic1:1"].match == ("Path", "pci-0000:00:10.1")


VF = {"type": "sriov_vf", "device": "nic1", "vfid": 1}


def dpdk(*ports: dict[str, Any]) -> list[dict[str, Any]]:
    members = [{"type": "ovs_dpdk_port", "name": f"dpdk{index}", "members": [one]} for index, one in enumerate(ports)]
    pf = {"type": "sriov_pf", "name": "nic1", "numvfs": 2}
    return [pf, {"type": "ovs_user_bridge", "name": "br-u", "members": members}]


def test_a_vf_that_dpdk_has_is_found_by_its_number() -> None:
    """Bound to vfio-pci it is no network device; the PF still knows its PCI address."""
    card = nic(1, virtfns=["0000:00:10.0", "0000:00:10.4"])
    found = resolved(dpdk(VF), nics=[card])
    assert (found.nics["sriov:nic1:1"].pci, found.nics["sriov:nic1:1"].nic) == ("0000:00:10.4", None)
    assert found.degraded == ()
    kernel = nic(20, name="eth1v1", vf_of="eth1", pci="0000:00:10.4")
    assert resolved(dpdk(VF), nics=[card, kernel]).nics["sriov:nic1:1"].pci == "0000:00:10.4"
    more = [{**one, "numvfs": 4} if one["type"] == "sriov_pf" else one for one in dpdk(VF)]
    assert resolved(more, nics=[card]).nics["sriov:nic1:1"].pci == "0000:00:10.4", "the port stays meanwhile"


def test_a_vf_for_dpdk_that_is_not_made_yet() -> None:
    (sentence,) = resolved(dpdk(VF, {"type": "interface", "name": "nic2"}), nics=NICS).degraded
    assert sentence.startswith("dpdk0: its member sriov:nic1:1 (eth1v1) is missing;")
    assert sentence.endswith("it joins at the next run after it appears")
    assert len(resolved(dpdk(VF), nics=NICS).degraded) == 1, "the first run makes it"


def test_a_vf_that_a_guest_has_shifts_no_other() -> None:
    card = nic(1, virtfns=["0000:00:10.0", "0000:00:10.1"])
    left = nic(20, name="ens1v1", vf_of="eth1", pci="0000:00:10.1")
    pf = {"type": "sriov_pf", "name": "eth1", "numvfs": 2}
    members = [{"type": "sriov_vf", "device": "eth1", "vfid": index} for index in range(2)]
    found = resolved([pf, {**BOND, "members": members}], nics=[card, left])
    assert found.nics["sriov:eth1:1"].nic == left
    assert found.nics["sriov:eth1:0"].match == ("Path", "pci-0000:00:10.0")
    assert found.degraded == (
        "bond0: its member sriov:eth1:0 (eth1v0) is missing; built of sriov:eth1:1, and it joins when it appears",
    )
