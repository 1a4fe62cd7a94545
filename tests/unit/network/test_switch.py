# SPDX-License-Identifier: Apache-2.0
"""Values of Open vSwitch: how they are compared, and how ovs-vsctl(8) reads them."""

from __future__ import annotations

import pytest
from machine import Database, atom

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import OvsRow
from ansible_collections.ozone.openstack.plugins.module_utils.network.switch import Switch, normal


@pytest.mark.parametrize(
    ("table", "column", "value", "expected"),
    [
        ("Port", "tag", 7, "7"),
        ("Port", "tag", [], ""),
        ("Port", "tag", ["7"], "7"),
        ("Port", "trunks", [20, 10], ["10", "20"]),
        ("Port", "trunks", 10, ["10"]),
        ("Port", "trunks", "", []),
        ("Bridge", "stp_enable", False, "false"),
        ("Bridge", "stp_enable", [], "false"),
        ("Port", "bond_updelay", 0, "0"),
        ("Port", "bond_updelay", "", "0"),
        ("Interface", "type", "", ""),
        ("Interface", "options", {"key": 5}, {"key": "5"}),
        ("Interface", "options", [], {}),
        ("Interface", "unheard_of", "x", "x"),
        ("Interface", "mac", '"02:00:00:00:00:01"', "02:00:00:00:00:01"),
    ],
)
def test_values_are_compared_in_one_form(table: str, column: str, value: object, expected: object) -> None:
    assert normal(table, column, value) == expected


def row(table: str, name: str, parent: str = "", **columns: object) -> OvsRow:
    """A row."""
    return {"table": table, "name": name, "parent": parent, "columns": columns}  # type: ignore[typeddict-item]


BRIDGE = [row("Bridge", "br"), row("Port", "br", "br"), row("Interface", "br", "br", type="internal")]

WORDS = [
    "plain",
    "two words",
    "true",
    "5",
    "",
    'a "quoted" \\ one',
    "a=b",
    "a,b",
    "02:00:00:00:00:01",
    "é",
    "-- x",
    "[]",
]


def carried(*batches: list[str]) -> Database:
    """A database after some transactions."""
    database = Database()
    for arguments in batches:
        if arguments:
            database.transact(arguments)
    return database


@pytest.mark.parametrize("word", WORDS)
def test_words_reach_the_database_as_they_are(word: str) -> None:
    wanted = [
        *BRIDGE,
        row("Port", "p", "br", other_config={word: word}),
        row("Interface", "p", "p", options={"k": word}),
    ]
    forward = Switch([], wanted, [], []).forward()
    database = carried(forward)
    assert database.tables["Port"]["p"]["other_config"] == {word: word}
    assert database.tables["Interface"]["p"]["options"] == {"k": word}
    again = Switch(database.dump(), wanted, wanted, [])
    assert again.forward() == again.back() == []
    other = [*BRIDGE, row("Port", "p", "br", other_config={"other": "x"}), row("Interface", "p", "p")]
    change = Switch(database.dump(), other, wanted, [])
    database.transact(change.forward())
    assert database.tables["Port"]["p"]["other_config"] == {"other": "x"}
    database.transact(change.back())
    assert database.tables["Port"]["p"]["other_config"] == {word: word}


def test_a_uuid_is_quoted() -> None:
    uuid = "abcdef01-2345-6789-abcd-ef0123456789"
    forward = Switch([], [row("Bridge", "br", other_config={"id": uuid}), *BRIDGE[1:]], [], []).forward()
    assert f'other_config:id="{uuid}"' in forward
    assert atom(f'"{uuid}"') == uuid


def test_columns_of_every_kind_are_set_and_taken_back() -> None:
    columns = {"tag": "5", "trunks": ["1", "2"], "bond_updelay": "100", "protected": "true", "lacp": "active"}
    bare = [*BRIDGE, row("Port", "p", "br"), row("Interface", "p", "p", type="patch", cfm_mpid="3")]
    full = [*BRIDGE, row("Port", "p", "br", **columns), row("Interface", "p", "p", type="internal")]
    database = carried(Switch([], bare, [], []).forward())
    before = database.dump()
    change = Switch(before, full, bare, [])
    database.transact(change.forward())
    assert {key: value for key, value in database.tables["Port"]["p"].items() if key in columns} == columns
    assert database.tables["Interface"]["p"]["type"] == "internal"
    assert "cfm_mpid" not in database.tables["Interface"]["p"]
    assert "p: Port trunks none -> 1, 2" in change.lines()
    database.transact(change.back())
    assert database.dump() == before


def test_an_interface_of_a_port_that_is_nobodys() -> None:
    """Rows that refer to nothing are none: a bridge that vanished while the database was read."""
    lost = [row("Port", "p", "gone", external_ids={"ozone-network": "true"}), row("Interface", "q", "p")]
    change = Switch(lost, [], [], [])
    assert change.forward() == ["--if-exists", "del-port", "p"]
    orphan = [row("Interface", "q", "p", external_ids={"ozone-network": "true"})]
    assert Switch(orphan, [], [], []).forward() == []
