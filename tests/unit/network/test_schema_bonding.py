# SPDX-License-Identifier: Apache-2.0
"""Options of the kernel's bonds: what the kernel and systemd-networkd take, and what they do not tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_words import bond, device, nic, only, parse, problems

from ansible_collections.ozone.openstack.plugins.module_utils.network import bonding


def options(text: Any, *members: Any) -> dict[str, str]:
    return dict(device(parse(bond(text, *members)), "bond0").bonding)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mode=1 miimon=100", {"mode": "active-backup", "miimon": "100"}),
        (
            "miimon=100 mode=4 lacp_rate=1 xmit_hash_policy=1",
            {"mode": "802.3ad", "miimon": "100", "lacp_rate": "fast", "xmit_hash_policy": "layer3+4"},
        ),
        ({"mode": 4, "miimon": 100, "ad_select": "count"}, {"mode": "802.3ad", "miimon": "100", "ad_select": "count"}),
        ("mode=802.3ad miimon=100 miimon=100", {"mode": "802.3ad", "miimon": "100"}),
        (
            "mode=balance-xor miimon=100 xmit_hash_policy=encap2+3",
            {"mode": "balance-xor", "miimon": "100", "xmit_hash_policy": "encap2+3"},
        ),
        (
            "mode=1 arp_interval=200 arp_ip_target=198.51.100.1,198.51.100.2 arp_validate=3 arp_all_targets=all "
            "arp_missed_max=3",
            {
                "mode": "active-backup",
                "arp_interval": "200",
                "arp_ip_target": "198.51.100.1,198.51.100.2",
                "arp_validate": "all",
                "arp_all_targets": "all",
                "arp_missed_max": "3",
            },
        ),
        (
            {"mode": "balance-rr", "arp_interval": 200, "arp_ip_target": ["198.51.100.1"], "packets_per_slave": 0},
            {"mode": "balance-rr", "arp_interval": "200", "arp_ip_target": "198.51.100.1", "packets_per_slave": "0"},
        ),
        (
            {"mode": "balance-tlb", "miimon": 100, "tlb_dynamic_lb": False},
            {"mode": "balance-tlb", "miimon": "100", "tlb_dynamic_lb": "0"},
        ),
        (
            "mode=6 miimon=100 tlb_dynamic_lb=on all_slaves_active=1",
            {"mode": "balance-alb", "miimon": "100", "tlb_dynamic_lb": "1", "all_slaves_active": "1"},
        ),
        (
            "mode=1 miimon=100 num_unsol_na=3 num_grat_arp=3",
            {"mode": "active-backup", "miimon": "100", "num_grat_arp": "3"},
        ),
        (
            "mode=4 miimon=100 ad_actor_system=52:54:00:AA:00:01 ad_actor_sys_prio=7 ad_user_port_key=0",
            {
                "mode": "802.3ad",
                "miimon": "100",
                "ad_actor_system": "52:54:00:aa:00:01",
                "ad_actor_sys_prio": "7",
                "ad_user_port_key": "0",
            },
        ),
        (
            "mode=1 miimon=100 updelay=200 downdelay=0 fail_over_mac=2 resend_igmp=0 min_links=0",
            {
                "mode": "active-backup",
                "miimon": "100",
                "updelay": "200",
                "downdelay": "0",
                "fail_over_mac": "follow",
                "resend_igmp": "0",
                "min_links": "0",
            },
        ),
    ],
)
def test_options(text: Any, wanted: dict[str, str]) -> None:
    assert options(text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the option mode is missing (add mode=active-backup"),
        (7, "must be a mapping, not a number"),
        ("miimon=100", "the option mode is missing"),
        ("mode=7 miimon=100", "'7' is not one of the choices"),
        ("mode=active-backp miimon=100", "did you mean active-backup?"),
        ({"mode": ["1"], "miimon": 100}, "a list is not one of the choices"),
        ({"mode": True, "miimon": 100}, "true is not one of the choices"),
        ("mode=1 miimon", "'miimon' is no option (write options as mode=802.3ad"),
        ("mode=1 miimon=100 miimon=200", "miimon is there twice"),
        ("mode=1 miimon=100 =3", "'=3' is no option"),
        ("mode=1 miimon=100 mimon=100", "'mimon' is no option of a bond (did you mean miimon?)"),
        ("mode=1 miimon=100 num_unsol_na=3 num_grat_arp=4", "and its other name have different values"),
        ("mode=1 miimon=x", "'x' is not possible here (must be a number between 0 and"),
        ("mode=1 miimon=-1", "'-1' is not possible here"),
        ({"mode": 1, "miimon": True}, "true is not possible here"),
        ({"mode": 1, "miimon": {"get_param": "x"}}, "bonding_options.miimon: get_param is a function of Heat"),
        ({"mode": 1, "miimon": 100, 7: 1}, "the key 7 is not a text"),
        ("mode=1", "has no link monitor"),
        ("mode=1 miimon=0", "has no link monitor"),
        ("mode=1 miimon=0 arp_interval=0", "has no link monitor"),
        (
            "mode=1 miimon=100 arp_interval=100 arp_ip_target=198.51.100.1",
            "the kernel silently switches one of them off",
        ),
        ("mode=1 arp_interval=100", "has arp_interval and nobody to ask"),
        ("mode=1 miimon=100 arp_ip_target=198.51.100.1", "has arp_ip_target without arp_interval"),
        ("mode=1 miimon=100 arp_missed_max=2", "has arp_missed_max without arp_interval"),
        ("mode=1 miimon=100 arp_validate=all", "has arp_validate without arp_interval"),
        (
            "mode=1 arp_interval=100 arp_ip_target=198.51.100.1 arp_all_targets=any",
            "has arp_all_targets without arp_validate",
        ),
        ("mode=1 arp_interval=100 arp_ip_target=198.51.100.1 updelay=100", "has updelay without miimon"),
        ("mode=1 arp_interval=100 arp_ip_target=198.51.100.1 downdelay=100", "has downdelay without miimon"),
        ("mode=1 arp_interval=100 arp_ip_target=x", "'x' is no IPv4 address"),
        ({"mode": 1, "arp_interval": 100, "arp_ip_target": [7]}, "7 is no IPv4 address"),
        ("mode=1 arp_interval=100 arp_ip_target=255.255.255.255", "answers no ARP request"),
        ("mode=1 arp_interval=100 arp_ip_target=198.51.100.1,198.51.100.1", "198.51.100.1 is there twice"),
        ({"mode": 1, "arp_interval": 100, "arp_ip_target": []}, "has 0 addresses (name 1 to 16)"),
        (
            {"mode": 1, "arp_interval": 100, "arp_ip_target": [f"198.51.100.{n}" for n in range(1, 18)]},
            "has 17 addresses",
        ),
        ("mode=1 miimon=100 primary=em9", "primary is em9, which is no member"),
        ("mode=1 miimon=100 primary=a/b", "cannot be the name of a network device"),
        ("mode=4 miimon=100 ad_actor_system=01:00:5e:00:00:01", "is not the MAC address of a card"),
        ("mode=4 miimon=100 min_links=3", "min_links is 3, and there are 2 members: the bond would never be up"),
        (
            "mode=4 miimon=100 xmit_hash_policy=vlan+srcmac",
            "vlan+srcmac cannot be had: systemd-networkd has no setting",
        ),
        ("mode=1 arp_interval=1 arp_ip_target=198.51.100.1 arp_validate=filter", "filter cannot be had"),
        ("mode=4 miimon=100 ad_select=3", "3 cannot be had"),
    ],
)
def test_refused(text: Any, message: str) -> None:
    assert message in only(bond(text))


@pytest.mark.parametrize("name", sorted(bonding.REFUSED))
def test_options_without_a_setting(name: str) -> None:
    assert f"{name} cannot be had" in only(bond(f"mode=1 miimon=100 {name}=1"))


#: A possible value of every option, and what has to stand with it.
VALUES = {
    "miimon": "100", "updelay": "100", "downdelay": "100", "peer_notif_delay": "100", "arp_interval": "100",
    "arp_ip_target": "198.51.100.1", "arp_validate": "all", "arp_all_targets": "any", "arp_missed_max": "2",
    "lacp_rate": "fast", "ad_select": "stable", "ad_actor_sys_prio": "7", "ad_actor_system": "52:54:00:00:00:01",
    "ad_user_port_key": "1", "min_links": "1", "xmit_hash_policy": "layer2", "primary": "nic1",
    "primary_reselect": "better", "fail_over_mac": "active", "num_grat_arp": "2", "all_slaves_active": "0",
    "packets_per_slave": "2", "tlb_dynamic_lb": "1", "resend_igmp": "2",
}  # fmt: skip
ARP = {"arp_interval": "100", "arp_ip_target": "198.51.100.1"}
#: The modes of each option, written down a second time: by bond_options.c of the kernel, and bonding.rst.
ONLY = {
    "arp_interval": "0123", "arp_ip_target": "0123", "arp_validate": "0123", "arp_missed_max": "0123",
    "arp_all_targets": "1", "lacp_rate": "4", "ad_select": "4", "ad_actor_sys_prio": "4", "ad_actor_system": "4",
    "ad_user_port_key": "4", "primary": "156", "primary_reselect": "156", "fail_over_mac": "1",
    "packets_per_slave": "0", "tlb_dynamic_lb": "56",
}  # fmt: skip


@pytest.mark.parametrize("option", sorted(VALUES))
@pytest.mark.parametrize("mode", range(7))
def test_every_option_in_every_mode(option: str, mode: int) -> None:
    given_options = {"mode": mode, option: VALUES[option]}
    given_options |= {"arp_validate": "all"} if option == "arp_all_targets" else {}
    given_options |= ARP if option.startswith("arp_") else {"miimon": "100"}
    if str(mode) in ONLY.get(option, "0123456"):
        parse(bond(given_options))
    else:
        assert any(
            f"{option} is not possible in mode {bonding.MODES[mode]}" in one for one in problems(bond(given_options))
        )


def impossible(found: dict[str, str]) -> bool:
    """Whether options contradict the kernel's rules: written apart from the code, as one long sentence."""
    mode = found["mode"]
    miimon, arp = int(found.get("miimon", "0")), int(found.get("arp_interval", "0"))
    wrong_mode = any(mode not in ONLY[option] for option in found if option in ONLY)
    monitor = (miimon > 0) == (arp > 0)
    nobody = arp > 0 and "arp_ip_target" not in found
    no_arp = arp == 0 and (
        "arp_ip_target" in found or "arp_missed_max" in found or found.get("arp_validate", "none") != "none"
    )
    delays = miimon == 0 and any(found.get(key, "0") != "0" for key in ("updelay", "downdelay", "peer_notif_delay"))
    all_targets = "arp_all_targets" in found and found.get("arp_validate", "none") == "none"
    return wrong_mode or monitor or nobody or no_arp or delays or all_targets or int(found.get("min_links", "0")) > 2


some_options = st.fixed_dictionaries(
    {"mode": st.sampled_from("0123456")},
    optional={
        **{key: st.just(value) for key, value in VALUES.items()},
        "miimon": st.sampled_from(["0", "50", "100"]),
        "arp_interval": st.sampled_from(["0", "100"]),
        "arp_validate": st.sampled_from(["none", "all"]),
        "updelay": st.sampled_from(["0", "100"]),
        "min_links": st.sampled_from(["0", "1", "2", "3"]),
    },
)


@given(some_options, st.booleans())
def test_every_combination(found: dict[str, str], as_text: bool) -> None:
    data = bond(" ".join(f"{key}={value}" for key, value in found.items()) if as_text else found)
    if impossible(found):
        assert problems(data)
    else:
        parse(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mode=4 miimon=100 min_links=2", "min_links is 2 of 2 members"),
        ("mode=1 miimon=100 min_links=1", "min_links does nothing in mode active-backup"),
        ("mode=1 miimon=100 updelay=150", "updelay 150 is no multiple of miimon 100"),
        ("mode=1 miimon=100 xmit_hash_policy=layer2", "xmit_hash_policy does nothing in mode active-backup"),
        ("mode=1 miimon=100 primary_reselect=better", "has primary_reselect without primary"),
    ],
)
def test_warnings(text: str, message: str) -> None:
    (warning,) = parse(bond(text)).warnings
    assert message in str(warning)


def test_primary() -> None:
    for first, second, text in (
        (nic("nic1"), nic("nic2", primary=True), "mode=1 miimon=100"),
        (nic("nic1"), nic("nic2"), "mode=5 miimon=100 primary=nic2"),
        (nic("nic1"), nic("nic2", primary="yes"), "mode=6 miimon=100 primary=nic2"),
    ):
        config = parse(bond(text, first, second))
        assert [one.primary for one in config.devices] == [False, True, False]
        assert "primary" not in device(config, "bond0").bonding


def test_primary_in_a_mode_without() -> None:
    """Files for os-net-config mark a member in every mode: there it says whose MAC address the bond has."""
    config = parse(bond("mode=4 miimon=100", nic("nic1", primary=True), nic("nic2")))
    assert not device(config, "nic1").primary
    assert "a bond in mode 802.3ad has no preferred member" in str(config.warnings[0])
    (warning,) = parse(nic(primary=True)).warnings
    assert "nic1 is no member of anything" in str(warning)


@pytest.mark.parametrize(
    ("text", "members", "message"),
    [
        (
            "mode=1 miimon=100",
            (nic("nic1", primary=True), nic("nic2", primary=True)),
            "bond0 has a primary member already: nic1",
        ),
        (
            "mode=1 miimon=100 primary=nic2",
            (nic("nic1", primary=True), nic("nic2")),
            "primary is nic2, and nic1 is marked",
        ),
        (
            "mode=1 miimon=100 fail_over_mac=1",
            ({"type": "ib_interface", "name": "ib0"}, nic("nic2")),
            "members of Ethernet and of InfiniBand",
        ),
        (
            "mode=4 miimon=100",
            ({"type": "ib_interface", "name": "ib0"},),
            "use mode=active-backup fail_over_mac=active",
        ),
        (
            "mode=1 miimon=100",
            ({"type": "ib_interface", "name": "ib0"},),
            "use mode=active-backup fail_over_mac=active",
        ),
    ],
)
def test_members_refused(text: str, members: tuple[Any, ...], message: str) -> None:
    assert message in only(bond(text, *members))


def test_bond_of_infiniband() -> None:
    parse(bond("mode=1 miimon=100 fail_over_mac=active", {"type": "ib_interface", "name": "ib0"}))
