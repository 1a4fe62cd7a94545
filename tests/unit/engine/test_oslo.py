# SPDX-License-Identifier: Apache-2.0
"""Configuration of oslo services."""

from __future__ import annotations

import configparser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.generation import oslo

names = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
values = st.one_of(st.booleans(), st.integers(), st.from_regex(r"[a-z0-9:/.]{1,12}", fullmatch=True))


def test_default_comes_first_and_the_rest_is_sorted() -> None:
    text = oslo.render_ini({"b": {"y": 1, "x": True}, "DEFAULT": {"debug": False}, "a": {"list": ["p", 2]}})
    assert text.splitlines()[1:] == [
        "", "[DEFAULT]", "debug = false", "", "[a]", "list = p,2", "", "[b]", "x = true", "y = 1",
    ]  # fmt: skip


def test_none_takes_an_option_away_and_an_empty_section_with_it() -> None:
    assert "[token]" not in oslo.render_ini({"token": {"expiration": None}})


def test_multi_is_one_line_each() -> None:
    assert "spec = a\nspec = b\n" in oslo.render_ini({"pci": {"spec": {"multi": ["a", "b"]}}})


def test_a_line_break_cannot_smuggle_in_an_option() -> None:
    with pytest.raises(ValueError, match="line break"):
        oslo.render_ini({"DEFAULT": {"host": "a\ntransport_url = b"}})


def test_a_mapping_is_no_value() -> None:
    with pytest.raises(ValueError, match="multi"):
        oslo.render_ini({"DEFAULT": {"host": {"a": 1}}})


@given(st.dictionaries(names, st.dictionaries(names, values, min_size=1, max_size=4), max_size=4))
def test_what_is_rendered_reads_back(sections: dict[str, Any]) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(oslo.render_ini(sections))
    assert {name: dict(parser[name]) for name in parser.sections()} == {
        name: {option: str(value).lower() for option, value in options.items()} for name, options in sections.items()
    }


@given(st.dictionaries(names, values), st.dictionaries(names, values))
def test_an_override_wins_and_nothing_else_changes(base: dict[str, Any], override: dict[str, Any]) -> None:
    assert oslo.merge_sections({"s": base}, {"s": override}) == {"s": {**base, **override}}


def test_values_are_replaced_not_merged() -> None:
    base = {"s": {"list": [1, 2], "many": {"multi": ["a"]}, "kept": 1}, "t": {"x": 1}}
    wanted = {"s": {"list": [3], "many": {"other": "b"}, "kept": 1}, "t": {"x": 1}}
    assert oslo.merge_sections(base, {"s": {"list": [3], "many": {"other": "b"}}}) == wanted


def test_urls_list_all_members_and_quote() -> None:
    assert oslo.transport_url("nova", "p/w", ["198.18.0.2", "198.18.0.1"], "nova") == (
        "rabbit://nova:p/w@198.18.0.1:5672,nova:p/w@198.18.0.2:5672/nova".replace("p/w", "p%2Fw")
    )
    assert "@[fd00::1]:3306/" in oslo.database_url("a", "b", "fd00::1", 3306, "c")
