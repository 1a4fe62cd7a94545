# SPDX-License-Identifier: Apache-2.0
"""A change of a node, carried out on a model of it: it converges, and it can be taken back from wherever it stopped."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machine import Link, Machine, nic

from ansible_collections.ozone.openstack.plugins.module_utils.network import difference as module
from ansible_collections.ozone.openstack.plugins.module_utils.network.difference import difference, steps
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Change, NetworkError, Wanted
from ansible_collections.ozone.openstack.plugins.module_utils.network.render import render
from ansible_collections.ozone.openstack.plugins.module_utils.network.resolve import number, resolve
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse

NICS = [nic(index) for index in range(1, 7)]
INTERFACES = "/etc/network/interfaces"

Data = list[dict[str, Any]]


def wanted_of(data: Data, machine: Machine | None = None, mapping: dict[str, str] | None = None) -> Wanted:
    """What a configuration means on a node whose NICs are all known."""
    nics = machine.nics if machine is not None else NICS
    return render(parse(data), resolve(parse(data), nics, number(NICS, []), mapping or {}))


def compare(wanted: Wanted, machine: Machine) -> Change:
    """The difference; a port that somebody made of a NIC which is needed is removed by hand, as the message says."""
    try:
        return difference(wanted, machine.observed())
    except NetworkError as error:
        if "ovs-vsctl del-port eth6" not in str(error):
            raise
        machine.transact(["del-port", "eth6"])
        return difference(wanted, machine.observed())


def apply(machine: Machine, data: Data) -> Change:
    """Applies and confirms a configuration."""
    wanted = wanted_of(data, machine)
    change = compare(wanted, machine)
    assert machine.carry(change["forward"])
    machine.active = wanted
    return change


# Configurations at random


@st.composite
def configurations(draw: st.DrawFn) -> Data:
    """A valid configuration: each NIC alone, in a bond, in a bridge of the kernel, in Open vSwitch, or unused."""
    roles = [draw(st.sampled_from(["none", "alone", "bond0", "bond1", "br0", "br-a", "br-b", "obond"])) for _ in NICS]
    members: dict[str, list[str]] = {}
    for one, role in zip(NICS, roles, strict=True):
        members.setdefault(role, []).append(draw(st.sampled_from([one["name"], f"nic{int(one['name'][3:])}"])))
    mtu = draw(st.sampled_from([1500, 9000]))
    hosts = iter(range(1, 200))

    def addresses() -> dict[str, Any]:
        if not draw(st.booleans()):
            return {}
        subnet = next(hosts)
        found: dict[str, Any] = {"addresses": [{"ip_netmask": f"10.0.{subnet}.5/24"}]}
        if draw(st.booleans()):
            found["routes"] = [{"ip_netmask": f"172.16.{subnet}.0/24", "next_hop": f"10.0.{subnet}.1"}]
        return found

    def ports(names: list[str]) -> Data:
        return [{"type": "interface", "name": name, "mtu": mtu} for name in names]

    data: Data = [{**entry, **addresses()} for entry in ports(members.get("alone", []))]
    carriers = [str(entry["name"]) for entry in data]
    for name in ("bond0", "bond1"):
        if name in members:
            mode = draw(st.sampled_from(["active-backup", "802.3ad", "balance-xor"]))
            options = f"mode={mode} miimon=100" + draw(
                st.sampled_from(["", " lacp_rate=fast"] if mode == "802.3ad" else ["", " updelay=200"])
            )
            bond = {"type": "linux_bond", "name": name, "bonding_options": options, "mtu": mtu}
            data.append({**bond, "members": ports(members[name]), **addresses()})
            carriers.append(name)
    if "br0" in members:
        data.append({"type": "linux_bridge", "name": "br0", "members": ports(members["br0"]), **addresses()})
    ids = iter(draw(st.permutations([10, 20, 30, 40])))
    for name in ("br-a", "br-b"):
        if name in members or (name == "br-a" and "obond" in members):
            inner = ports(members.get(name, []))
            if name == "br-a" and "obond" in members:
                options = draw(st.sampled_from(["bond_mode=active-backup", "bond_mode=balance-slb lacp=active"]))
                bond = {"type": "ovs_bond", "name": "obond", "ovs_options": options}
                inner.append({**bond, "members": ports(members["obond"])})
            if draw(st.booleans()):
                inner.append({"type": "vlan", "vlan_id": next(ids), **addresses()})
            extra = draw(st.sampled_from([[], [f"set bridge {name} other-config:mac-table-size=4096"]]))
            data.append({"type": "ovs_bridge", "name": name, "members": inner, "ovs_extra": extra, **addresses()})
    for carrier in carriers:
        if draw(st.booleans()):
            data.append({"type": "vlan", "device": carrier, "vlan_id": next(ids, 50), **addresses()})
            if data[-1]["vlan_id"] == 50:
                break
    return data or [{"type": "interface", "name": "eth1"}]


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """A node as somebody left it: bare, with ifupdown, with rows of OVN; sometimes a NIC is gone or has no link."""
    machine = Machine(copy.deepcopy(NICS))
    for one in machine.nics:
        one["carrier"] = draw(st.booleans())
    if draw(st.booleans()):
        machine.units["networking.service"] = True
        machine.files[INTERFACES] = {"text": "auto eth1\niface eth1 inet static\n", "mode": "0640"}
        machine.foreign = [INTERFACES]
        machine.links["eth1"].addresses = {"10.0.1.5/24", "198.19.2.9/24", "198.19.2.77/32"}
        machine.links["eth1"].routes = {
            ("default", "198.19.2.1", "boot", 254),
            ("198.18.0.0/15", "10.0.1.1", "bird", 254),
        }
        if draw(st.booleans()):
            options = {"mode": "active-backup", "miimon": "100", "fail_over_mac": "none"}
            machine.links["bond0"] = Link("bond", options, mtu=9000, addresses={"10.0.2.5/24"})
            machine.links["eth2"].master = "bond0"
            machine.links["bond0.10"] = Link("vlan", {"id": "10", "parent": "bond0"}, addresses={"10.0.3.5/24"})
    else:
        machine.units[module.NETWORKD] = draw(st.booleans())
    if draw(st.booleans()):
        machine.rows.bridge("br-int")
        machine.rows.add("Port", "patch-int", "br-int")
        machine.rows.add("Interface", "patch-int", "patch-int", type="patch", options={"peer": "patch-a"})
        machine.rows.bridge("br-a")
        machine.rows.tables["Bridge"]["br-a"]["other_config"] = {"disable-in-band": "true"}
        machine.rows.tables["Bridge"]["br-a"]["fail_mode"] = "secure"
        if draw(st.booleans()):
            machine.rows.add("Port", "patch-a", "br-a", external_ids={"ovn": "1"})
            machine.rows.add("Interface", "patch-a", "patch-a", type="patch", options={"peer": "patch-int"})
        if draw(st.booleans()):
            machine.rows.add("Port", "eth6", "br-a")
            machine.rows.add("Interface", "eth6", "eth6", type="")
        machine.datapath()
    return machine


def others(machine: Machine) -> list[Any]:
    """Rows that are nobody's business: of a bridge that no configuration speaks of, and patch ports of OVN."""
    return [row for row in machine.rows.dump() if row["name"] in ("br-int", "patch-int", "patch-a")]


MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@given(machine=machines(), first=configurations(), second=configurations())
@MANY
def test_a_change_converges_and_leaves_others_alone(machine: Machine, first: Data, second: Data) -> None:
    foreign = others(machine)
    for data in (first, second):
        apply(machine, data)
        again = difference(wanted_of(data, machine), machine.observed())
        assert again == {"changed": False, "forward": steps(), "back": steps(), "touched": [], "summary": []}
        assert others(machine) == foreign
        check(machine, machine.active)


def check(machine: Machine, wanted: Wanted | None) -> None:
    """Whether the node is what was wanted."""
    assert wanted is not None
    for link in wanted["links"]:
        seen = machine.links[link["name"]]
        assert set(link["addresses"]) <= seen.addresses, link["name"]
        assert link["mtu"] in (None, seen.mtu), link["name"]
        for route in link["routes"]:
            assert (route["destination"], route["gateway"], "static", 254) in seen.routes
        for member in link["members"]:
            master = "ovs-system" if link["kind"] == "ovs_bridge" else link["name"]
            assert machine.links[member].master == master, member
    for name, options in wanted["netdevs"].items():
        seen = machine.links[name]
        assert {"kind": seen.kind, **seen.options}.items() >= options.items()
    hosts = [address for link in machine.links.values() for address in link.addresses]
    assert len(hosts) == len(set(hosts)), "an address is on two links"


@given(machine=machines(), first=configurations(), second=configurations(), migrate=st.booleans(), data=st.data())
@MANY
def test_a_change_is_taken_back_from_wherever_it_stopped(
    machine: Machine, first: Data, second: Data, migrate: bool, data: st.DataObject
) -> None:
    if not migrate:
        apply(machine, first)
    change = compare(wanted_of(second, machine), machine)
    before = machine.state()
    count = len(list(machine.parts(change["forward"])))
    machine.carry(change["forward"], data.draw(st.integers(0, count), label="killed before step"))
    count = len(list(machine.parts(change["back"])))
    machine.carry(change["back"], data.draw(st.integers(0, count), label="way back killed before step"))
    assert machine.carry(change["back"])
    after = machine.state()
    for name, link in after["links"].items():
        assert link == before["links"].get(name), name
    assert after == before


@given(machine=machines(), first=configurations())
@MANY
def test_carrying_a_change_out_twice_is_once(machine: Machine, first: Data) -> None:
    change = compare(wanted_of(first, machine), machine)
    machine.carry(change["forward"])
    once = machine.state()
    machine.carry(change["forward"])
    assert machine.state() == once


# Single cases


BOND = {"type": "linux_bond", "name": "bond0", "bonding_options": "mode=802.3ad miimon=100"}


def interface(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "interface", "name": name, **more}


def bond(*names: str, **more: Any) -> dict[str, Any]:
    return {**BOND, "members": [interface(name) for name in names], **more}


def address(number: int) -> dict[str, Any]:
    return {"addresses": [{"ip_netmask": f"198.19.2.{number}/24"}]}


def words(text: str) -> list[str]:
    return text.split()


def bare() -> Machine:
    """A node with networkd, and nothing configured."""
    machine = Machine(copy.deepcopy(NICS))
    machine.units[module.NETWORKD] = True
    return machine


def configured(*data: dict[str, Any]) -> Machine:
    """A node with a configuration."""
    machine = bare()
    apply(machine, [*data])
    machine.log.clear()
    return machine


def test_a_change_touches_only_what_it_is_about() -> None:
    vlans = [{"type": "vlan", "device": "bond0", "vlan_id": number, **address(number)} for number in (10, 20)]
    machine = configured(interface("eth1", **address(1)), bond("eth2", "eth3", mtu=9000), *vlans)
    vlans[0]["mtu"] = 1500
    change = apply(machine, [interface("eth1", **address(1)), bond("eth2", "eth3", mtu=9000), *vlans])
    assert change["touched"] == machine.log == ["vlan10"]
    assert change["summary"] == ["vlan10: MTU 9000 -> 1500"]
    assert [*change["forward"]["files"]] == ["/etc/systemd/network/05-ozone-vlan10.network"]
    assert change["forward"] == {**steps(), "files": change["forward"]["files"], "reload": True}


def test_a_member_more_and_one_less() -> None:
    machine = configured(bond("eth2", "eth3"))
    change = apply(machine, [bond("eth2", "eth4")])
    assert change["summary"] == ["bond0: member eth3 -> eth4", "eth3: no longer configured", "eth4: settings change"]
    assert "eth2" not in change["touched"]


def test_a_bond_of_another_mode_is_made_anew_with_all_that_is_on_it() -> None:
    vlan = {"type": "vlan", "device": "bond0", "vlan_id": 10, **address(1)}
    machine = configured(bond("eth2", "eth3"), vlan, interface("eth1"))
    slow = bond("eth2", "eth3", bonding_options="mode=active-backup miimon=100")
    change = apply(machine, [slow, vlan, interface("eth1")])
    assert change["forward"]["delete"] == change["back"]["delete"] == ["bond0"]
    assert change["forward"]["reconfigure"] == ["eth2", "eth3"]
    assert change["touched"] == ["bond0", "eth2", "eth3", "vlan10"]
    assert "bond0: made anew (mode 802.3ad -> active-backup)" in change["summary"]
    check(machine, machine.active)


def test_a_bond_that_is_no_longer_wanted_is_removed() -> None:
    vlan = {"type": "vlan", "device": "bond0", "vlan_id": 10}
    machine = configured(bond("eth2", "eth3"), vlan, interface("eth1", **address(1)), interface("eth4", **address(4)))
    change = apply(machine, [interface("eth1", **address(1))])
    assert change["forward"]["delete"] == ["vlan10", "bond0"]
    assert ["ip", "address", "delete", "198.19.2.4/24", "dev", "eth4"] in change["forward"]["commands"]
    assert "bond0: removed" in change["summary"]
    assert set(machine.links) == {one["name"] for one in NICS}
    assert "eth1" not in change["touched"]


def test_options_that_only_our_record_knows() -> None:
    machine = configured(bond("eth2"))
    observed = machine.observed()
    for link in observed["links"]:
        link.pop("options", None)
    change = difference(wanted_of([bond("eth2", bonding_options="mode=balance-xor miimon=100")]), observed)
    assert change["forward"]["delete"] == ["bond0"]


def test_migration_moves_files_and_disables_units_without_stopping_them() -> None:
    machine = Machine(copy.deepcopy(NICS))
    machine.units["networking.service"] = True
    machine.files[INTERFACES] = {"text": "auto eth1\n", "mode": "0640"}
    machine.foreign = [INTERFACES]
    machine.links["eth1"].addresses = {"198.19.2.1/24", "198.51.100.9/32", "fe80::1/64", "2001:db8::9/64"}
    machine.links["eth1"].routes = {
        ("default", "198.19.2.254", "boot", 254),
        ("2001:db8:1::/48", "2001:db8::1", "ra", 300),
    }
    machine.links["eth2"].addresses = {"198.19.2.5/24", "198.19.113.2/24"}
    machine.links["eth2"].routes = {("default", "198.19.113.1", "boot", 254)}
    routes = [{"default": True, "next_hop": "198.19.2.254"}]
    data = [interface("eth1", addresses=[{"ip_netmask": "198.19.2.5/24"}], routes=routes)]
    before = machine.state()
    wanted = wanted_of(data)
    change = difference(wanted, machine.observed())
    assert change["forward"]["disable"] == change["back"]["enable"] == ["networking.service"]
    assert change["forward"]["enable"] == change["back"]["disable"] == ["systemd-networkd.service"]
    assert change["forward"]["commands"] == [
        ["ip", "address", "delete", "198.19.2.1/24", "dev", "eth1"],
        ["ip", "address", "delete", "2001:db8::9/64", "dev", "eth1"],
        ["ip", "address", "delete", "198.19.2.5/24", "dev", "eth2"],
        [
            "ip",
            "-6",
            "route",
            "delete",
            "2001:db8:1::/48",
            "via",
            "2001:db8::1",
            "dev",
            "eth1",
            *words("proto ra table 300"),
        ],
        ["ip", "route", "delete", "default", *words("via 198.19.113.1 dev eth2 proto boot")],
    ]
    for line in (
        f"{INTERFACES}: moved to {INTERFACES}.before-ozone",
        "networking.service: disabled, not stopped",
        "systemd-networkd.service: enabled and started",
    ):
        assert line in change["summary"]
    machine.carry(change["forward"])
    assert machine.files[INTERFACES + ".before-ozone"] == {"text": "auto eth1\n", "mode": "0640"}
    assert machine.links["eth1"].addresses == {"198.19.2.5/24", "198.51.100.9/32", "fe80::1/64"}
    machine.carry(change["back"])
    assert machine.state() == before
    observed = machine.observed()
    del observed["foreign_modes"]
    assert difference(wanted, observed)["back"]["files"][INTERFACES] == {"text": "auto eth1\n", "mode": "0644"}


def test_networkd_that_only_netplan_starts_is_enabled() -> None:
    """Once netplan's files are away, nothing would start it at the next boot, and the node would have no network."""
    machine = configured(interface("eth1"))
    observed = machine.observed()
    assert not difference(wanted_of([interface("eth1")]), observed)["changed"]
    change = difference(wanted_of([interface("eth1")]), {**observed, "networkd_enabled": False})
    assert change["changed"] and change["forward"]["enable"] == [module.NETWORKD]
    assert change["back"]["disable"] == [], "a boot for which netplan found no files needs it"
    assert change["summary"] == ["systemd-networkd.service: enabled"] and change["touched"] == []


def test_files_for_other_software_only_where_that_is() -> None:
    machine = bare()
    machine.directories = ["/etc/NetworkManager"]
    change = apply(machine, [interface("eth1")])
    assert "/etc/NetworkManager/conf.d/50-ozone.conf" in change["forward"]["files"]
    assert "/etc/cloud/cloud.cfg.d/99-ozone-network.cfg" not in change["forward"]["files"]


def test_networkd_starts_anew_when_its_own_settings_change() -> None:
    assert difference(wanted_of([interface("eth1")]), bare().observed())["forward"]["restart"] == [module.NETWORKD]
    machine = configured(interface("eth1"))
    machine.files[module.NETWORKD_FILE] = {"text": "[Network]\n", "mode": "0644"}
    change = apply(machine, [interface("eth1")])
    assert change["forward"]["restart"] == change["back"]["restart"] == [module.NETWORKD]
    assert change["summary"] == [f"{module.NETWORKD_FILE}: written"]
    machine.files["/etc/systemd/network/05-ozone-old.network"] = {"text": "[Match]\nName=old\n", "mode": "0644"}
    change = apply(machine, [interface("eth1")])
    assert change["summary"] == ["old: no longer configured (not there now)"]
    assert change["touched"] == []
    assert difference(wanted_of([interface("eth1")]), {**machine.observed(), "active": None})["changed"] is False


def test_settings_of_the_hardware_are_applied_by_udev() -> None:
    machine = configured(interface("eth1"))
    change = apply(machine, [interface("eth1", ethtool_opts="-G ${DEVICE} rx 1024"), interface("eth2")])
    assert change["forward"]["udev"] == change["back"]["udev"] == ["eth1"]
    machine = configured(bond("eth1", "eth2"))
    machine.nics = machine.nics[1:]
    del machine.links["eth1"]
    member = interface("eth1", ethtool_opts="-G ${DEVICE} rx 1024")
    change = apply(machine, [{**BOND, "members": [member, interface("eth2")]}])
    assert change["forward"]["udev"] == change["touched"] == []
    assert change["summary"] == ["eth1: settings change (not there now)"]


def test_a_nic_with_the_name_of_a_device_to_be_made() -> None:
    machine = bare()
    machine.links["bond0"] = Link()
    with pytest.raises(NetworkError, match=r"bond0: there is a NIC of that name.*give the device another name"):
        difference(wanted_of([bond("eth1")]), machine.observed())


def test_open_vswitch_that_does_not_answer() -> None:
    machine = bare()
    down = {**machine.observed(), "ovs": None, "ovs_error": "no socket"}
    assert difference(wanted_of([interface("eth1")]), down)["forward"]["ovs"] == []  # type: ignore[arg-type]
    bridge = {"type": "ovs_bridge", "name": "br-ex", "members": []}
    with pytest.raises(NetworkError, match=r"does not answer: no socket \(systemctl start openvswitch-switch\)"):
        difference(wanted_of([bridge]), down)  # type: ignore[arg-type]


def test_a_link_changes_sides_between_the_kernel_and_open_vswitch() -> None:
    inside = [{"type": "ovs_bridge", "name": "br-ex", "members": [interface("eth1"), {"type": "vlan", "vlan_id": 7}]}]
    outside = [interface("eth1"), {"type": "vlan", "device": "eth1", "vlan_id": 7}]
    for first, second in ((inside, outside), (outside, inside)):
        machine = configured(*first)
        before = machine.state()
        change = apply(machine, second)
        check(machine, machine.active)
        machine.carry(change["back"])
        assert machine.state() == before


def test_what_changes_about_open_vswitch_is_told() -> None:
    def bridge(*members: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"type": "ovs_bridge", "name": "br-ex", "members": [*members], **more}

    def ports(*names: str, options: str = "bond_mode=active-backup") -> dict[str, Any]:
        return {
            "type": "ovs_bond",
            "name": "ob",
            "ovs_options": options,
            "members": [interface(name) for name in names],
        }

    machine = configured(bridge(ports("eth1", "eth2"), {"type": "vlan", "vlan_id": 7}))
    change = apply(machine, [bridge(ports("eth1", "eth3"), {"type": "vlan", "vlan_id": 7})])
    assert "ob: member eth2 -> eth3" in change["summary"]
    assert {"ob", "eth1", "eth2", "eth3"} <= {*change["touched"]}
    options = "bond_mode=balance-slb lacp=active other-config:lacp-time=fast"
    change = apply(machine, [bridge(ports("eth1", "eth3", options=options), ovs_options="protocols=OpenFlow13")])
    assert "ob: Port bond_mode active-backup -> balance-slb" in change["summary"]
    assert "ob: Port other_config:lacp-time none -> fast" in change["summary"]
    assert "br-ex: Bridge protocols none -> OpenFlow13" in change["summary"]
    assert "vlan7: port removed from br-ex" in change["summary"]
    change = apply(machine, [bridge(ports("eth1", "eth3", options="bond_mode=balance-slb lacp=active"))])
    assert change["forward"]["ovs"] == [
        *("--if-exists", "clear", "Bridge", "br-ex", "protocols", "--"),
        *("--if-exists", "remove", "Port", "ob", "other_config", "lacp-time"),
    ]
    assert change["back"]["ovs"] == [
        *("--if-exists", "set", "Bridge", "br-ex", "protocols=[OpenFlow13]", "--"),
        *("--if-exists", "set", "Port", "ob", "other_config:lacp-time=fast"),
    ]
    change = apply(machine, [interface("eth1")])
    assert "br-ex: bridge removed from Open vSwitch" in change["summary"]
    assert machine.rows.dump() == []


def test_a_bridge_of_others_is_adopted_and_let_go() -> None:
    machine = bare()
    machine.rows.bridge("br-ex")
    machine.rows.tables["Bridge"]["br-ex"] |= {"fail_mode": "secure", "external_ids": {"theirs": "1"}}
    machine.datapath()
    before = machine.state()
    change = apply(machine, [{"type": "ovs_bridge", "name": "br-ex", "members": [interface("eth1")], **address(1)}])
    assert machine.rows.tables["Bridge"]["br-ex"]["external_ids"] == {
        "theirs": "1",
        "ozone-network": "true",
        "ozone-network-adopted": "true",
    }
    confirmed = machine.state()
    machine.carry(change["back"])
    machine.links["br-ex"].mtu = before["links"]["br-ex"].mtu
    assert machine.state() == before
    machine.carry(change["forward"])
    assert machine.state() == confirmed
    apply(machine, [interface("eth1")])
    assert machine.rows.tables["Bridge"]["br-ex"]["external_ids"] == {"theirs": "1"}
    assert "eth1" not in machine.rows.tables["Port"]


def test_a_bridge_stays_while_others_have_ports_on_it() -> None:
    machine = configured({"type": "ovs_bridge", "name": "br-ex", "members": [interface("eth1")]})
    machine.rows.add("Port", "patch-x", "br-ex")
    machine.rows.add("Interface", "patch-x", "patch-x", type="patch")
    change = apply(machine, [interface("eth2")])
    assert "br-ex: stays in Open vSwitch, because ports of others are on it: patch-x" in change["summary"]
    assert set(machine.rows.tables["Port"]) == {"br-ex", "patch-x"}
    assert "ozone-network" not in machine.rows.tables["Bridge"]["br-ex"].get("external_ids", {})


def test_a_port_moves_to_another_bridge() -> None:
    def bridges(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"type": "ovs_bridge", "name": name, "members": members}
            for name, members in (("br-a", first), ("br-b", second))
        ]

    machine = configured(*bridges([interface("eth1")], [interface("eth2")]))
    before = machine.state()
    change = apply(machine, bridges([], [interface("eth1"), interface("eth2")]))
    assert machine.rows.tables["Port"]["eth1"]["_parent"] == "br-b"
    assert "eth1: new port of br-b" in change["summary"]
    machine.carry(change["back"])
    assert machine.state() == before


def test_routes_and_rules_of_others_stay() -> None:
    machine = configured(interface("eth1", **address(1)))
    foreign = ("198.18.0.0/15", "198.19.2.1", "bird", 254)
    machine.links["eth1"].routes.add(foreign)
    machine.links["eth1"].addresses.add("198.19.2.77/32")
    change = apply(machine, [interface("eth1", mtu=9000, **address(2))])
    assert change["summary"] == ["eth1: MTU 1500 -> 9000", "eth1: address 198.19.2.1/24 -> 198.19.2.2/24"]
    assert machine.links["eth1"].routes == {foreign}
    assert machine.links["eth1"].addresses == {"198.19.2.2/24", "198.19.2.77/32"}
    route = {"ip_netmask": "198.19.113.0/24", "next_hop": "198.19.2.9", "metric": 5, "table": 7}
    change = apply(machine, [interface("eth1", mtu=9000, **address(2), routes=[route])])
    assert change["summary"] == ["eth1: add route 198.19.113.0/24 via 198.19.2.9 metric 5 table 7"]
    change = apply(machine, [interface("eth1", mtu=9000, **address(2), dns_servers=["198.19.2.53"], routes=[route])])
    assert change["summary"] == ["eth1: settings change"]


def test_a_nic_that_leaves_the_configuration_leaves_its_bond() -> None:
    def bond(*names: str) -> dict[str, Any]:
        options = "mode=active-backup miimon=100"
        members = [interface(name) for name in names]
        return {"type": "linux_bond", "name": "bond0", "bonding_options": options, "members": members}

    machine = configured(bond("eth1", "eth2"))
    before = machine.state()
    change = apply(machine, [bond("eth1")])
    assert change["forward"]["commands"] == [["ip", "link", "set", "dev", "eth2", "nomaster"]]
    assert change["touched"] == ["eth2"]
    assert machine.links["eth2"].master == ""
    machine.carry(change["back"])
    assert machine.state() == before
    machine = configured(bond("eth1", "eth2"))
    assert apply(machine, [interface("eth1")])["forward"]["commands"] == [], "nor is there a bond to leave"


def test_a_bridge_that_stays_for_others_gives_its_address_away() -> None:
    route = {"default": True, "next_hop": "198.19.2.9"}
    bridge = {"type": "ovs_bridge", "name": "br-ex", "members": [interface("eth1")]}
    machine = configured({**bridge, **address(1), "routes": [route]})
    machine.rows.add("Port", "patch-x", "br-ex")
    machine.rows.add("Interface", "patch-x", "patch-x", type="patch")
    change = apply(machine, [interface("eth1", **address(1), routes=[route])])
    assert change["forward"]["commands"] == [
        ["ip", "route", "delete", "default", "via", "198.19.2.9", "dev", "br-ex", "proto", "static"],
        ["ip", "address", "delete", "198.19.2.1/24", "dev", "br-ex"],
    ]
    machine = configured({**bridge, **address(1)})
    assert apply(machine, [interface("eth1", **address(1))])["forward"]["commands"] == [], "it goes as a whole"


def test_settings_of_a_card_that_are_no_longer_made() -> None:
    machine = configured(interface("eth1", ethtool_opts="-G ${DEVICE} rx 4096"))
    change = apply(machine, [interface("eth1")])
    assert change["summary"] == ["eth1: settings of the card are no longer made, and stay until the next boot"]


def test_a_patch_port_waits_for_its_bridge() -> None:
    patch = {"type": "ovs_patch_port", "name": "p1", "bridge_name": "br-int", "peer": "p2"}
    machine = configured(interface("eth1"))
    change = apply(machine, [interface("eth1", mtu=2000), patch])
    assert "p1: waits for the bridge br-int, which is not there" in change["summary"]
    assert change["forward"]["ovs"] == []
    machine.rows.bridge("br-int")
    assert "p1: new port of br-int" in apply(machine, [interface("eth1", mtu=2000), patch])["summary"]


def test_what_a_bond_has_no_more_is_set_to_zero() -> None:
    """systemd-networkd sends no zeros to a bond that is there."""

    def bond(options: str) -> dict[str, Any]:
        members = [interface("eth1"), interface("eth2")]
        options = f"mode=802.3ad miimon=100 {options}"
        return {"type": "linux_bond", "name": "bond0", "bonding_options": options, "members": members}

    machine = configured(bond("updelay=200 min_links=1"))
    machine.links["bond0"].options |= {"updelay": "200", "downdelay": "0", "min_links": "1"}
    change = difference(wanted_of([bond("downdelay=300")]), machine.observed())
    call = ["ip", "link", "set", "dev", "bond0", "type", "bond"]
    assert change["forward"]["commands"] == [[*call, "updelay", "0", "min_links", "0"]]
    assert change["back"]["commands"] == [[*call, "downdelay", "0"]]
    change = difference(wanted_of([bond("updelay=200 min_links=1 lacp_rate=fast")]), machine.observed())
    assert "bond0" in change["forward"]["delete"] and change["forward"]["commands"] == []


def test_a_larger_mtu_comes_from_below() -> None:
    def data(mtu: int) -> list[dict[str, Any]]:
        return [
            interface("eth1", mtu=mtu),
            {"type": "vlan", "device": "eth1", "vlan_id": 10, "mtu": mtu},
            {"type": "vlan", "device": "vlan10", "vlan_id": 5, "mtu": mtu},
            {"type": "vlan", "device": "eth1", "vlan_id": 20, "mtu": 1400},
        ]

    def calls(mtu: int) -> list[list[str]]:
        return [["ip", "link", "set", "dev", name, "mtu", str(mtu)] for name in ("eth1", "vlan10", "vlan5")]

    machine = configured(*data(1500))
    change = apply(machine, data(9000))
    assert (change["forward"]["commands"], change["back"]["commands"]) == (calls(9000), [])
    change = apply(machine, data(1500))
    assert (change["forward"]["commands"], change["back"]["commands"]) == ([], calls(9000))


def test_what_somebody_changed_by_hand_is_configured_again() -> None:
    vlan = {"type": "vlan", "device": "bond0", "vlan_id": 10, **address(10)}
    routes = [{"destination": "198.19.8.0/24", "next_hop": "198.19.2.9"}]
    data = [interface("eth1", **address(1), routes=routes), bond("eth2", "eth3", mtu=9000), vlan, interface("eth4")]
    machine = configured(*data)
    before = copy.deepcopy(machine.links)
    machine.links["eth1"].addresses.clear()
    machine.links["eth1"].routes.clear()
    machine.links["bond0"].mtu = 1500
    machine.links["eth3"].master = ""
    machine.links["eth4"].up = False
    del machine.links["vlan10"], machine.networkd.applied["vlan10"]
    change = compare(wanted_of(data, machine), machine)
    assert change["forward"] == {
        **steps(),
        "reload": True,
        "reconfigure": ["bond0", "eth1", "eth3", "eth4"],
    }
    assert sorted(change["summary"]) == sorted(
        [
            "eth1: does not have the address 198.19.2.1/24: configured again",
            "eth1: does not have the route to 198.19.8.0/24 via 198.19.2.9: configured again",
            "bond0: has an MTU of 1500, not 9000: configured again",
            "eth3: is not a member of bond0: configured again",
            "vlan10: is not there: configured again",
            "eth4: is down: configured again",
        ]
    )
    apply(machine, data)
    assert machine.links == before
    assert not compare(wanted_of(data, machine), machine)["changed"]


def test_a_link_without_a_carrier_is_not_said_to_lack_anything() -> None:
    data = [interface("eth1", **address(1))]
    machine = configured(*data)
    machine.links["eth1"].addresses.clear()
    observed = machine.observed()
    observed["links"][0]["carrier"] = False
    assert not difference(wanted_of(data, machine), observed)["changed"]
