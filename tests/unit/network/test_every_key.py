# SPDX-License-Identifier: Apache-2.0
"""Nothing is ignored: each key of each type, wherever that may stand, changes what is written, warns or is refused.

The keys and the places come from the vocabulary. A key that is added there needs an example here, or the test fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest
from machine import nic as hardware

from ansible_collections.ozone.openstack.plugins.module_utils.network import (
    bonding,
    ethtool,
    ovs_options,
    rules,
    vocabulary,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError, Nic
from ansible_collections.ozone.openstack.plugins.module_utils.network.render import render
from ansible_collections.ozone.openstack.plugins.module_utils.network.resolve import number, resolve
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse

Object = dict[str, Any]

#: eth1 to eth10, of which eth7, eth9 and eth10 have VFs, and two ports of InfiniBand.
NICS: list[Nic] = [
    *(hardware(index) for index in (1, 2, 3, 4, 5, 6, 8)),
    *(hardware(index, virtfns=[f"0000:{index:02}:10.{vf}" for vf in range(2)]) for index in (7, 9, 10)),
    *(
        hardware(30 + 2 * index + vf, name=f"eth{index}v{vf}", vf_of=f"eth{index}", pci=f"0000:{index:02}:10.{vf}")
        for index in (7, 9, 10)
        for vf in range(2)
    ),
    *(
        hardware(index, name=f"ib{index - 20}", type="infiniband", mac=":".join([f"{index}"] * 20), max_mtu=0)
        for index in (20, 21)
    ),
]
AB = "mode=active-backup miimon=100"
PFS: list[Object] = [{"type": "sriov_pf", "name": name, "numvfs": 2} for name in ("eth7", "eth10")]


def nic(name: str) -> Object:
    return {"type": "interface", "name": name}


def dpdk(name: str, *members: Object) -> Object:
    return {"type": "ovs_dpdk_port", "name": name, "members": list(members)}


#: An object of each type, as small as it can be.
BASE: dict[str, Object] = {
    "interface": nic("eth1"),
    "vlan": {"type": "vlan", "vlan_id": 20, "device": "eth1"},
    "linux_bond": {"type": "linux_bond", "name": "bond0", "bonding_options": AB, "members": [nic("eth2"), nic("eth3")]},
    "linux_bridge": {"type": "linux_bridge", "name": "br0", "members": [nic("eth4")]},
    "ovs_bridge": {"type": "ovs_bridge", "name": "br-a", "members": [nic("eth4")]},
    "ovs_bond": {"type": "ovs_bond", "name": "ob", "members": [nic("eth2"), nic("eth3")]},
    "ovs_patch_port": {"type": "ovs_patch_port", "name": "p0", "peer": "p1", "bridge_name": "br-b"},
    "ovs_tunnel": {"type": "ovs_tunnel", "name": "t0", "tunnel_type": "vxlan", "ovs_options": ["remote_ip=198.18.0.9"]},
    "ovs_user_bridge": {"type": "ovs_user_bridge", "name": "br-u", "members": [dpdk("dp0", nic("eth4"))]},
    "ovs_dpdk_port": dpdk("dp5", nic("eth5")),
    "ovs_dpdk_bond": {
        "type": "ovs_dpdk_bond", "name": "db0", "members": [dpdk("dp5", nic("eth5")), dpdk("dp6", nic("eth6"))],
    },
    "sriov_pf": {"type": "sriov_pf", "name": "eth9", "numvfs": 2},
    "sriov_vf": {"type": "sriov_vf", "device": "eth7", "vfid": 0, "vlan_id": 50},
    "ib_interface": {"type": "ib_interface", "name": "ib0"},
    "ib_child_interface": {"type": "ib_child_interface", "parent": "ib0", "pkey_id": 1},
    "linux_tap": {"type": "linux_tap", "name": "tap0"},
    "route_table": {"type": "route_table", "name": "storage", "table_id": 200},
}  # fmt: skip


def within(kind: str, *members: Object) -> Object:
    """The last of the members in something of that kind, behind another one so that being the first decides nothing."""
    beside = dpdk("dp8", nic("eth8")) if kind in ("ovs_user_bridge", "ovs_dpdk_bond") else nic("eth8")
    if kind == "linux_bond":
        options = AB
        if members[-1]["type"].startswith("ib_"):
            beside, options = {"type": "ib_interface", "name": "ib1"}, f"{AB} fail_over_mac=active"
        return {"type": kind, "name": "bond9", "bonding_options": options, "members": [beside, *members]}
    if kind in ("ovs_bond", "ovs_dpdk_bond"):
        bridge = "ovs_bridge" if kind == "ovs_bond" else "ovs_user_bridge"
        return {
            "type": bridge,
            "name": "br-9",
            "members": [{"type": kind, "name": "b9", "members": [beside, *members]}],
        }
    if kind == "ovs_dpdk_port":
        return within("ovs_user_bridge", dpdk("dp9", *members))
    return {"type": kind, "name": "br-9", "members": [beside, *members]}


#: Type -> the types that it may be a member of; "" is the list of all devices.
PLACES: dict[str, list[str]] = {
    kind: [
        *([] if kind in vocabulary.ONLY_MEMBERS else [""]),
        *(master for master, kinds in vocabulary.MEMBERS.items() if kind in kinds),
    ]
    for kind in vocabulary.KINDS
}


def based(kind: str, place: str) -> Object:
    """The smallest object of a type at a place."""
    base = dict(BASE[kind])
    if kind == "vlan" and place in ("linux_bond", "ovs_bridge", "ovs_user_bridge"):
        del base["device"]
    if kind == "ovs_patch_port" and place:
        del base["bridge_name"]
    return base


def whole(item: Object, place: str) -> list[Object]:
    """A configuration with the object at a place, and with what it may refer to."""
    others: list[Object] = [*PFS, {"type": "ovs_bridge", "name": "br-b"}, {"type": "ovs_bridge", "name": "br-c"}]
    return [*others, within(place, item) if place else item]


Outcome = tuple[str, object]


def outcome(objects: list[Object]) -> Outcome:
    """What becomes of a configuration: the reasons of a refusal, or everything that is written and told."""
    names = {"eth1", "vlan20", "bond0", "br0", "br-a", "br-u", "eth9", "sriov:eth7:0", "ib0", "ib0.8001", "tap0"}
    try:
        config = parse(objects, dhcp_allowed=names)
        wanted = render(config, resolve(config, NICS, number(NICS, []), {}))
    except NetworkError as error:
        return "refused", str(error)
    return "accepted", ([str(one) for one in config.warnings], {**wanted, "digest": ""})


ROUTE: Object = {"ip_netmask": "198.19.0.0/24", "next_hop": "198.18.7.1"}
ADDRESSES = [{"ip_netmask": "198.18.7.5/24"}]

#: Key -> values that ask for something, beside those that follow from its schema.
EXAMPLES: dict[str, list[Any]] = {
    "addresses": [ADDRESSES, [{"ip_netmask": "2001:db8::7/64"}]],
    "routes": [[{"ip_netmask": "198.19.0.0/24", "next_hop": "self"}]],
    "rules": [[{"rule": "from 198.19.0.0/24 table 7"}]],
    "dns_servers": [["198.18.7.53"]],
    "domain": ["example.org", ["example.org", "example.net"]],
    "mtu": [1400, 2000],
    "nic_mapping": [{"nic1": "eth1"}],
    "dhclient_args": ["-x"],
    "linkdelay": [5],
    "ethtool_opts": ["-G $DEVICE rx 1024"],
    "vlan_id": [100],
    "vfid": [1],
    "qos": [3],
    "min_tx_rate": [10],
    "max_tx_rate": [10],
    "macaddr": ["52:54:00:aa:00:01"],
    "numvfs": [4, 0],
    "pkey_id": [2, "0x64"],
    "table_id": [201, "0x100"],
    "rx_queue": [4],
    "rx_queue_size": [2048],
    "tx_queue_size": [2048],
    "driver": ["igb_uio"],
    "bonding_options": ["mode=802.3ad miimon=100", {"mode": "active-backup", "miimon": 50}],
    "peer": ["p2"],
    "bridge_name": ["br-c"],
    "parent": ["ib1"],
    "ovs_extra": [
        ["set interface {name} external_ids:a=b"],
        "set port {name} external_ids:a=b",
        "br-set-external-id {name} a b",
    ],
}
#: The same for a type: keys whose value is a name, or that each type has in its own way.
OF_KIND: dict[tuple[str, str], list[Any]] = {
    **{(kind, "name"): ["other"] for kind in vocabulary.KINDS},
    ("interface", "name"): ["eth5", "eth1.7"],
    ("sriov_pf", "name"): ["eth5"],
    ("ib_interface", "name"): ["ib1"],
    ("vlan", "device"): ["eth5"],
    ("sriov_vf", "device"): ["eth10"],
    **{(kind, "members"): [[nic("eth6")]] for kind in ("linux_bond", "linux_bridge", "ovs_bridge", "ovs_bond")},
    ("ovs_dpdk_port", "members"): [[nic("eth6")]],
    ("ovs_user_bridge", "members"): [[dpdk("dp6", nic("eth6"))]],
    ("ovs_dpdk_bond", "members"): [[dpdk("dp2", nic("eth2")), dpdk("dp3", nic("eth3"))]],
    ("ovs_bridge", "ovs_options"): ["stp_enable=true"],
    ("ovs_user_bridge", "ovs_options"): ["stp_enable=true"],
    ("vlan", "ovs_options"): ["vlan_mode=access"],
    ("ovs_bond", "ovs_options"): ["bond_mode=balance-slb", "other_config:bond-primary=eth2"],
    ("ovs_dpdk_bond", "ovs_options"): ["bond_mode=balance-slb", "other_config:bond-primary=dp5"],
    ("ovs_patch_port", "ovs_options"): [["a=b"]],
    ("ovs_tunnel", "ovs_options"): [["remote_ip=198.18.0.9", "key=5"], ["remote_ip=198.18.0.8"]],
    ("ovs_dpdk_port", "ovs_options"): [["n_rxq=2"], "n_rxq=2"],
}


def examples(kind: str, key: str) -> list[Any]:
    """Values of a key that ask for something: not its default, which is what there is without it."""
    schema = vocabulary.KINDS[kind]["properties"][key]
    if (kind, key) in OF_KIND:
        return OF_KIND[kind, key]
    if key in EXAMPLES:
        return EXAMPLES[key]
    if "enum" in schema:
        return [value for value in schema["enum"] if value != schema.get("default")]
    if schema.get("format") == "boolean":
        return [value for value in (True, False) if value != schema.get("default")]
    raise AssertionError(f"the key {key} of {kind} needs an example")


#: What is the same with a key and without, and why. Place "*": everywhere. Each entry has to be true.
THE_SAME: dict[tuple[str, str, str, Any], str] = {
    **{
        (kind, "*", "hotplug", True): vocabulary.IGNORED["hotplug"]
        for kind, schema in vocabulary.KINDS.items()
        if "hotplug" in schema["properties"]
    },
    **{
        (kind, "*", "defroute", False): vocabulary.IGNORED["defroute"]
        for kind, schema in vocabulary.KINDS.items()
        if "defroute" in schema["properties"]
    },
    **{
        ("sriov_vf", place, key, value): "it is so there when it is left out, by its description"
        for place in ("linux_bond", "linux_bridge", "ovs_bridge", "ovs_bond", "ovs_dpdk_port")
        for key, value in (("trust", True), ("spoofcheck", False), ("promisc", True))
        if key != "promisc" or place not in ("linux_bond", "ovs_dpdk_port")
    },
    **{
        (
            kind,
            "ovs_user_bridge",
            "primary",
            True,
        ): "it has the only NIC of the kernel, whose address the bridge has anyway"
        for kind in ("interface", "ovs_bond")
    },
    ("ovs_tunnel", "*", "tunnel_type", "vxlan"): "it is the value of the smallest object here",
}


@cache
def smallest(kind: str, place: str) -> Outcome:
    """What becomes of the smallest object of a type at a place."""
    return outcome(whole(based(kind, place), place))


class Case(NamedTuple):
    kind: str
    place: str
    key: str
    value: Any

    @property
    def same(self) -> str:
        """Why the key changes nothing there; empty when it has to."""
        found = [why for (kind, place, key, value), why in THE_SAME.items()
                 if (kind, key, value) == (self.kind, self.key, self.value) and place in ("*", self.place)]  # fmt: skip
        return found[0] if found else ""

    def outcomes(self) -> tuple[Outcome, Outcome]:
        """Without the key, or with the value of the smallest object; and with the value of this case."""
        changed = {**based(self.kind, self.place), self.key: self.value}
        return smallest(self.kind, self.place), outcome(whole(changed, self.place))


def cases() -> Iterator[Case]:
    for kind, schema in vocabulary.KINDS.items():
        for place in PLACES[kind]:
            for key in schema["properties"]:
                if key != "type":
                    yield from (Case(kind, place, key, value) for value in examples(kind, key))


CASES = list(cases())


@pytest.mark.parametrize("kind", vocabulary.KINDS)
def test_the_smallest_object_is_accepted_everywhere(kind: str) -> None:
    for place in PLACES[kind]:
        word, why = smallest(kind, place)
        assert word == "accepted", (place, why)


@pytest.mark.parametrize("kind", vocabulary.KINDS)
def test_no_key_is_ignored(kind: str) -> None:
    ignored = []
    for case in CASES:
        if case.kind == kind:
            without, with_ = case.outcomes()
            if (without == with_) != bool(case.same):
                ignored.append(f"{case}: {case.same or 'is ignored'}")
    assert ignored == []


@pytest.mark.parametrize("kind", vocabulary.KINDS)
def test_every_key_has_a_value_that_is_accepted(kind: str) -> None:
    """A key of which every value is refused is one of ``REFUSED_KEYS`` and not documented as one of the type."""
    properties = vocabulary.KINDS[kind]["properties"]
    for key in properties.keys() - {"type"}:
        values = [*examples(kind, key), properties[key].get("default")]
        values += [value[0] for name, value in vocabulary.REFUSED_VALUES[kind].items() if name == key]
        values += {"nic_mapping": [{}], "dhclient_args": [""]}.get(key, [])
        tried = (Case(kind, place, key, value).outcomes()[1] for place in PLACES[kind] for value in values
                 if value is not None)  # fmt: skip
        if key in (*vocabulary.ADDRESSING, "mtu") and kind in vocabulary.WITHOUT_ADDRESSES:
            continue  # they have no network device: the reference says so in one place for all of these types
        assert any(word == "accepted" for word, _ in tried), key


@pytest.mark.parametrize("kind", vocabulary.KINDS)
def test_no_value_is_no_value(kind: str) -> None:
    """``null`` is refused, as os-net-config would read it as left out."""
    for key, schema in vocabulary.KINDS[kind]["properties"].items():
        if key == "type" or "null" in schema["type"]:
            continue
        for place in PLACES[kind]:
            word, why = outcome(whole({**based(kind, place), key: None}, place))
            assert word == "refused" and f".{key}: has no value" in str(why), (key, place)


# Smaller objects


def on_nic(**more: Any) -> list[Object]:
    return [
        {"type": "route_table", "name": "storage", "table_id": 200},
        {**nic("eth1"), "addresses": ADDRESSES, **more},
    ]


@pytest.mark.parametrize(
    ("key", "value", "base"),
    [
        ("default", True, {"next_hop": "198.18.7.1", "ip_netmask": "0.0.0.0/0", "metric": 7}),
        ("ip_netmask", "198.19.1.0/24", ROUTE),
        ("destination", "198.19.1.0/24", {"destination": "198.19.0.0/24", "next_hop": "198.18.7.1"}),
        ("next_hop", "self", ROUTE),
        ("nexthop", "198.18.7.2", {"destination": "198.19.0.0/24", "nexthop": "198.18.7.1"}),
        ("table", "storage", ROUTE),
        ("route_table", 7, ROUTE),
        ("metric", 7, ROUTE),
        ("route_options", "mtu 1400", ROUTE),
    ],
)
def test_no_key_of_a_route_is_ignored(key: str, value: Any, base: Object) -> None:
    changed = {**base, key: value}
    if key == "default":
        base = {**base, "ip_netmask": "198.19.0.0/24"}
        changed = {"next_hop": "198.18.7.1", "default": True, "metric": 7}
    assert outcome(on_nic(routes=[base]))[0] == outcome(on_nic(routes=[changed]))[0] == "accepted"
    assert outcome(on_nic(routes=[base])) != outcome(on_nic(routes=[changed]))
    assert outcome(on_nic(routes=[{**changed, key: None}]))[0] == "refused"


def test_every_key_of_routes_rules_and_addresses_is_tried() -> None:
    tried = {mark.args[1][index][0] for mark in test_no_key_of_a_route_is_ignored.pytestmark  # type: ignore[attr-defined]
             for index in range(len(mark.args[1]))}  # fmt: skip
    assert tried == set(vocabulary.ROUTE["properties"])
    assert set(vocabulary.RULE["properties"]) == {"rule", "comment"}, "comment is for people"
    assert set(vocabulary.ADDRESS["properties"]) == {"ip_netmask"}


ROUTE_WORDS: dict[str, str] = {
    **dict.fromkeys(rules._ROUTE_NUMBERS, ""),
    "mtu": "1400", "advmss": "1360", "initcwnd": "20", "initrwnd": "20", "hoplimit": "5", "quickack": "1",
    "fastopen_no_cookie": "1", "scope": "link", "pref": "high", "src": "198.18.7.5", "onlink": "", "congctl": "bbr",
    "metric": "9", "table": "7", "priority": "9", "preference": "9",
}  # fmt: skip


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("hop", ["gateway", "self"])
@pytest.mark.parametrize("word", sorted(ROUTE_WORDS))
def test_no_option_of_a_route_is_ignored(word: str, hop: str, version: int) -> None:
    route = {"ip_netmask": "198.19.0.0/24", "next_hop": "198.18.7.1" if hop == "gateway" else "self"}
    if version == 6:
        route = {"ip_netmask": "2001:db8:1::/64", "next_hop": "2001:db8::1" if hop == "gateway" else "self"}
    addresses = [*ADDRESSES, {"ip_netmask": "2001:db8::7/64"}]
    assert set(rules._ROUTE_NUMBERS) | set(rules._ROUTE_CHOICES) <= set(ROUTE_WORDS)
    without = outcome(on_nic(addresses=addresses, routes=[route]))
    value = f"{word} {ROUTE_WORDS[word]}"
    with_ = outcome(on_nic(addresses=addresses, routes=[{**route, "route_options": value}]))
    same = word == "scope" and version == 4 and hop == "self"  # a route on the link has that scope already
    assert (without == with_) == same, value


RULE_WORDS: dict[str, str] = {
    "from": "198.19.0.0/24", "to": "198.19.0.0/24", "iif": "eth1", "oif": "eth1", "fwmark": "0x1", "tos": "16",
    "priority": "100", "table": "7", "not": "", "suppress_prefixlength": "0", "suppress_ifgroup": "1", "sport": "80",
    "dport": "80", "uidrange": "1-2", "ipproto": "tcp", "blackhole": "", "unreachable": "", "prohibit": "",
}  # fmt: skip


@pytest.mark.parametrize("action", ["table 9", "blackhole", "unreachable", "prohibit"])
@pytest.mark.parametrize("word", rules._RULE_WORDS)
def test_no_word_of_a_rule_is_ignored(word: str, action: str) -> None:
    base = f"from 198.18.0.0/24 {action}"
    without = outcome(on_nic(rules=[{"rule": base}]))
    with_ = outcome(on_nic(rules=[{"rule": f"{word} {RULE_WORDS[word]} {base}"}]))
    assert without[0] == "accepted"
    assert without != with_


BONDING: dict[str, str] = {
    "miimon": "50", "updelay": "200", "downdelay": "200", "peer_notif_delay": "300", "arp_interval": "100",
    "arp_ip_target": "198.18.7.1", "arp_validate": "all", "arp_all_targets": "all", "arp_missed_max": "5",
    "lacp_rate": "fast", "ad_select": "count", "ad_actor_sys_prio": "7", "ad_actor_system": "52:54:00:00:00:01",
    "ad_user_port_key": "7", "min_links": "1", "xmit_hash_policy": "layer3+4", "primary": "eth3",
    "primary_reselect": "better", "fail_over_mac": "active", "num_grat_arp": "5", "all_slaves_active": "1",
    "packets_per_slave": "5", "tlb_dynamic_lb": "0", "resend_igmp": "5",
}  # fmt: skip


@pytest.mark.parametrize("mode", bonding.MODES)
@pytest.mark.parametrize("option", [option for option in bonding.OPTIONS if option != "mode"])
def test_no_option_of_a_bond_is_ignored(option: str, mode: str) -> None:
    base = {"mode": mode, "miimon": "100"}
    without = outcome([{**BASE["linux_bond"], "bonding_options": base}])
    assert without[0] == "accepted"
    assert without != outcome([{**BASE["linux_bond"], "bonding_options": {**base, option: BONDING[option]}}])


ETHTOOL = {"on": "off", "number": "64", "count": "7", "time": "7", "seconds": "7", "speed": "1000", "duplex": "full",
           "wol": "g", "port": "tp", "mdix": "on"}  # fmt: skip


@pytest.mark.parametrize("command", ethtool.SETTINGS)
def test_no_word_of_ethtool_is_ignored(command: str) -> None:
    without = outcome([nic("eth1")])
    for word, (_setting, form) in ethtool.SETTINGS[command].items():
        found = outcome([{**nic("eth1"), "ethtool_opts": f"{command} eth1 {word} {ETHTOOL[form]}"}])
        assert found[0] == "accepted" and found != without, word


OVS = {"map": "7", "vlans": "7", "vlan": "7", "number": "7", "mac": "52:54:00:00:00:09", "protocols": "OpenFlow13"}


@pytest.mark.parametrize("table", ovs_options.COLUMNS)
@pytest.mark.parametrize("place", ["ovs_bridge", "ovs_bond"])
def test_no_column_of_open_vswitch_is_ignored(table: ovs_options.Table, place: str) -> None:
    bridge = within(place, nic("eth1"))
    record = {"Bridge": "br-9", "Port": "b9" if place == "ovs_bond" else "eth1", "Interface": "eth1"}[table]
    without = outcome([bridge])
    for column, form in ovs_options.COLUMNS[table].items():
        values = [OVS[form[0]]] if form[0] in OVS else list(form)
        found = [
            outcome(
                [{**bridge, "ovs_extra": f"set {table} {record} {column}{':some-key' * (form == ('map',))}={value}"}]
            )
            for value in values
        ]
        assert without not in found or (column, values[found.index(without)]) == ("fail_mode", "standalone"), column
        assert len({repr(one) for one in found}) == len(found), column


# Keys together: what one of them takes from the other


def port(**more: Any) -> Object:
    return {**dpdk("dp5", nic("eth5")), **more}


def dpdk_bond(first: Object, **more: Any) -> list[Object]:
    second = {**dpdk("dp6", nic("eth6")), "rx_queue": 2}
    bond = {**BASE["ovs_dpdk_bond"], "members": [first, second], **more}
    return [{"type": "ovs_user_bridge", "name": "br-u", "members": [bond]}]


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([within("ovs_user_bridge", port(rx_queue=4, ovs_options=["n_rxq=2"]))], "dp5 has rx_queue 4, and n_rxq 2"),
        ([within("ovs_user_bridge", port(rx_queue_size=1024, ovs_options="n_rxq_desc=512"))], "keep rx_queue_size"),
        ([within("ovs_user_bridge", port(tx_queue_size=1024, ovs_options="n_txq_desc=512"))], "keep tx_queue_size"),
        (
            [within("ovs_user_bridge", port(ovs_extra="set interface dp5 options:dpdk-devargs=0000:00:09.0"))],
            "dpdk-devargs of dp5 is the PCI address of its member (remove dpdk-devargs)",
        ),
        (
            [within("ovs_bridge", {**BASE["ovs_patch_port"], "bridge_name": "br-9", "ovs_options": ["peer=other"]})],
            "p0 has peer p1, and peer other",
        ),
        (
            [{**BASE["ovs_user_bridge"], "ovs_internal": False, "dns_servers": ["198.18.7.53"], "onboot": False}],
            "br-u has no internal port, so dns_servers is not possible",
        ),
        (
            [within("ovs_bond", {**nic("eth1"), "mtu": 9000}), {"type": "vlan", "device": "br-9", "vlan_id": 7}],
            "",
        ),
        ([{**BASE["linux_bond"], "members": [{**nic("eth2"), "mtu": 9000}, {**nic("eth3"), "mtu": 1500}]}], "one MTU"),
        ([within("ovs_bond", {**nic("eth1"), "mtu": 9000}, {**nic("eth2"), "mtu": 1500})], "one MTU: b9"),
        (dpdk_bond({**port(), "mtu": 9000}, mtu=1500), "9000 is not the 1500 of db0, and a bond has one MTU"),
    ],
)
def test_keys_that_say_two_things_are_refused(objects: list[Object], message: str) -> None:
    word, why = outcome(objects)
    assert (word, True) == ("refused" if message else "accepted", message in str(why)), why


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (dpdk_bond(port(rx_queue=4), rx_queue=8), "each port of db0 has rx_queue of its own"),
        (dpdk_bond(port(ovs_options=["n_rxq=4"]), rx_queue=8), "each port of db0 has rx_queue of its own"),
        (dpdk_bond(port(), rx_queue=8), ""),
        (
            [
                within(
                    "ovs_bridge", {**nic("eth1"), "primary": True, "ovs_extra": "set bridge br-9 other-config:hwaddr=x"}
                )
            ],
            "does nothing: br-9 has the MAC address x, by other_config:hwaddr",
        ),
        ([within("ovs_bond", {**nic("eth1"), "primary": True})], ""),
        (
            [within("ovs_bond", {**nic("eth1"), "primary": True, "ovs_extra": "set port b9 bond_mode=balance-slb"})],
            "a bond in mode balance-slb has no preferred member",
        ),
    ],
)
def test_keys_that_take_another_its_effect_are_warnings(objects: list[Object], message: str) -> None:
    word, told = outcome(objects)
    assert word == "accepted", told
    warnings = [one for one in told[0] if "is not handed to" not in one]  # type: ignore[index]
    assert len(warnings) == bool(message), warnings
    assert message in "".join(warnings)
