# SPDX-License-Identifier: Apache-2.0
"""NICs that are dead, gone, renamed or new: no name shifts, a bond is built of what there is, the rest joins."""

from __future__ import annotations

from typing import Any

from tests.lab.cloud import await_true
from tests.lab.machines import Machine
from tests.lab.switches import address
from tests.network.node import (
    OPERATOR,
    STORAGE,
    Background,
    await_members,
    await_story,
    base,
    bond,
    fine,
    links,
    members,
    story,
    vlan,
)

UP = {"ens16": "up", "ens17": "up"}


def test_a_dead_nic_shifts_no_name_and_stops_no_change(machine: Machine) -> None:
    """Failure modes 1 and 4: the NIC is dead before the very first run, and nobody wrote a mapping."""
    machine.cable(1, plugged=False)
    config = [*base(), bond("bond1", ("nic3", "nic4")), vlan(101, "bond1"), {"type": "interface", "name": "nic5"}]
    result = machine.configure(config, window=60)
    fine(machine, result, "degraded")
    assert result.returned["resolution"] == {f"nic{number}": f"ens{15 + number}" for number in range(1, 6)}
    assert result.returned["degraded"] == ["ens17, a member of bond0, has no link"]
    assert members(machine) == {"ens16": "up", "ens17": "down"}
    assert members(machine, "bond1") == {"ens18": "up", "ens19": "up"}
    assert links(machine)["vlan100"]["addresses"] == [f"{OPERATOR}/24"]
    assert machine.reachable(address=STORAGE)
    validated = machine.configure(config, state="validated")
    fine(machine, validated, "degraded")

    machine.cable(1, plugged=True)
    await_members(machine, UP)
    machine.cable(0, plugged=False)
    machine.wait_for_ssh(20)
    machine.cable(0, plugged=True)
    assert machine.configure(config).returned["changed"] is False


def test_a_nic_dies_during_the_change(node: Machine) -> None:
    run = Background(node, base(vlan(101)), window=60)
    await_story(node, 60, state="applying")
    node.cable(0, plugged=False)
    result = run.result()
    fine(node, result, "degraded")
    assert result.returned["degraded"] == ["ens16, a member of bond0, has no link"]
    assert node.reachable(address=STORAGE)
    node.cable(0, plugged=True)
    await_members(node, UP)


def test_a_missing_nic_keeps_its_number_and_joins_when_it_comes(node: Machine) -> None:
    """Failure mode 2: the NIC was there once, and is not while the network changes."""
    node.remove_nic(1)
    config = [*base(vlan(101)), {"type": "interface", "name": "nic3"}]
    result = node.configure(config, window=60)
    fine(node, result, "degraded")
    assert result.returned["resolution"] == {"nic1": "ens16", "nic2": "", "nic3": "ens18"}
    assert any("nic2" in line for line in result.returned["degraded"])
    assert node.reachable(address=STORAGE)
    assert links(node)["ens18"]["master"] == ""

    node.insert_nic(1)
    await_members(node, UP, limit=30)
    again = node.configure(config, window=60)
    fine(node, again)
    assert again.returned["resolution"]["nic2"] == "ens17"
    assert again.returned["touched"] == []


def test_a_nic_that_never_was_there_is_waited_for(machine: Machine) -> None:
    """Failure mode 2 on a new node: the member is named by its MAC, and its slot is empty."""
    machine.remove_nic(1)
    config: list[dict[str, Any]] = [bond(members=("nic1", machine.nics[1].mac.upper())), vlan(100, gateway=1)]
    result = machine.configure(config, window=60)
    fine(machine, result, "degraded")
    assert members(machine) == {"ens16": "up"}
    machine.insert_nic(1)
    await_members(machine, UP, limit=30)

    machine.remove_nic(2)
    alone = machine.configure([*config, {"type": "interface", "name": machine.nics[2].mac}], window=60)
    assert alone.code != 0, "nothing can be built of a NIC that stands alone and is not there"
    assert machine.nics[2].mac in alone.returned["msg"]
    fine(machine, machine.configure(config, window=60))


def test_a_renamed_nic_is_the_same_nic(node: Machine) -> None:
    """Failure mode 3."""
    node.inside("ip link set ens17 down && ip link set ens17 name storage7 && ip link set storage7 up")
    await_members(node, {"ens16": "up", "storage7": "up"})
    result = node.configure(base(vlan(101)), window=60)
    fine(node, result)
    assert result.returned["resolution"] == {"nic1": "ens16", "nic2": "storage7"}
    assert members(node) == {"ens16": "up", "storage7": "up"}
    assert node.reachable(address=STORAGE)


def test_a_bond_without_any_link_gets_its_addresses(node: Machine) -> None:
    """Failure mode 5: of a bond that is made, and of the operator's own, later."""
    for index in (2, 3):
        node.cable(index, plugged=False)
    config = base(bond("bond1", ("nic3", "nic4")), vlan(101, "bond1"))
    result = node.configure(config, window=60)
    fine(node, result, "degraded")
    assert "no member of bond1 has a link" in result.returned["degraded"]
    assert links(node)["vlan101"]["addresses"] == [f"{STORAGE}/24"]

    for index in (2, 3):
        node.cable(index, plugged=True)
    await_true("storage answers", lambda: node.reachable(address=STORAGE, timeout=5), 30)
    for index in (0, 1):
        node.cable(index, plugged=False)
    await_members(node, {"ens16": "down", "ens17": "down"})
    assert links(node)["vlan100"]["addresses"] == [f"{OPERATOR}/24"]
    assert "default via" in node.inside("ip route").out
    for index in (0, 1):
        node.cable(index, plugged=True)
    node.wait_for_ssh(30)
    assert story(node)["status"] == "degraded", "as it was when it was confirmed"
    assert node.configure(config, state="validated").returned["status"] == "ok"


def test_lacp_without_a_partner_is_degraded_and_goes_on_with_one(node: Machine) -> None:
    config = base(bond("bond1", ("nic3", "nic4"), "802.3ad"), vlan(101, "bond1"))
    alone = node.configure(config, window=60)
    fine(node, alone, "degraded")
    assert alone.returned["degraded"] == ["no switch speaks LACP on bond1"]
    node.lab.switches.group("lag1", [node.nics[2].device, node.nics[3].device])
    await_true("storage answers", lambda: node.reachable(address=STORAGE, timeout=5), 40)
    fine(node, node.configure([*config, vlan(102, "bond1")], window=60))
    assert node.reachable(address=address(102, 10))
