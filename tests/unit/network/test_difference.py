# SPDX-License-Identifier: Apache-2.0
"""A change of a node, carried out on a model of it: it converges, and it can be taken back from wherever it stopped."""

from __future__ import annotations

import copy
from typing import Any

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
        machine.links["eth1"].addresses = {"10.0.1.5/24", "192.0.2.9/24", "192.0.2.77/32"}
        machine.links["eth1"].routes = {
            ("default", "192.0.2.1", "boot", 254),
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
