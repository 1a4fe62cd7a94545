# SPDX-License-Identifier: Apache-2.0
"""The definitions of options are completed with those that exist only by configuration."""

from __future__ import annotations

from typing import Any

import pytest
from oslo_config import cfg, types

from ansible_collections.ozone.openstack.plugins.module_utils.images import inside


def option(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "dest": name.replace("-", "_"),
        "type": "string value",
        "default": None,
        "help": "h" * 9,
        **more,
    }


DATA = {
    "options": {
        "DEFAULT": {"opts": [option("debug"), option("debug")], "standard_opts": ["debug"]},
        "placement": {"opts": [option("auth_type"), option("auth-url")]},
        "privsep": {"opts": [option("helper_command")], "dynamic_group_owner": ""},
        "shares": {"opts": [option("path")], "dynamic_group_owner": "enabled_shares"},
    },
    "deprecated_options": {
        "DEFAULT": [{"name": "verbose", "replacement_group": "DEFAULT", "replacement_name": "debug"}]
    },
}
AUTH = [option("auth-url"), option("password", secret=True)]


def names(data: dict[str, Any], group: str) -> list[str]:
    return [item["name"] for item in data["options"][group]["opts"]]


def test_groups_are_completed() -> None:
    data = inside.complete(DATA, {"nova_sys_admin": "privsep"}, AUTH, {})
    assert names(data, "DEFAULT") == ["debug"]
    assert names(data, "placement") == ["auth_type", "auth-url", "password"]
    assert names(data, "privsep") == ["helper_command"]
    assert names(data, "nova_sys_admin") == ["helper_command"]
    assert data["options"]["shares"]["dynamic_group_owner"] == "enabled_shares"
    assert data["deprecated_options"] == DATA["deprecated_options"]


def test_a_group_cannot_be_like_one_that_is_not_there() -> None:
    with pytest.raises(SystemExit, match="there is no such group"):
        inside.complete(DATA, {"x": "nothing"}, AUTH, {})


def test_the_validator_gets_what_it_reads_and_no_more() -> None:
    data = inside.slim(inside.complete(DATA, {}, AUTH, {}))
    assert data["options"]["placement"]["opts"][1] == {"name": "auth-url", "dest": "auth_url", "default": None}
    assert data["options"]["DEFAULT"]["opts"] == [{"name": "debug", "default": None}]
    assert data["deprecated_options"] == {"DEFAULT": [{"name": "verbose"}]}


def test_how_values_are_written_comes_from_the_definition_of_an_option() -> None:
    types_ = {("default", "debug"): cfg.MultiStrOpt("debug"), ("privsep", "helper_command"): cfg.StrOpt("x")}
    data = inside.complete(DATA, {}, AUTH, types_)
    assert data["options"]["DEFAULT"]["opts"][0]["syntax"] == {"type": "String", "multi": True}
    assert "syntax" not in data["options"]["privsep"]["opts"][0]


@pytest.mark.parametrize(
    ("option", "wanted"),
    [
        (cfg.StrOpt("a", choices=["b"]), None),
        (cfg.IntOpt("a", min=0, max=3), None),
        (cfg.PortOpt("a"), None),
        (cfg.BoolOpt("a"), None),
        (cfg.Opt("a", type=str), None),
        (cfg.StrOpt("a", choices=["b"], ignore_case=True), {"type": "String", "ignore_case": True, "choices": ["b"]}),
        (cfg.StrOpt("a", regex="^x", max_length=3), {"type": "String", "regex": "^x", "max_length": 3}),
        (cfg.ListOpt("a"), {"type": "List", "item": {"type": "String"}}),
        (
            cfg.ListOpt("a", item_type=types.String(quotes=True), bounds=True),
            {"type": "List", "bounds": True, "item": {"type": "String", "quotes": True}},
        ),
        (
            cfg.ListOpt("a", item_type=types.Integer(min=1, choices=[1, 2])),
            {"type": "List", "item": {"type": "Integer", "min": 1, "choices": [1, 2]}},
        ),
        (cfg.ListOpt("a", item_type=str), {"type": "List", "item": {"type": "String"}}),
        (cfg.ListOpt("a", item_type=len), {"type": "List", "item": {"type": "unknown"}}),
        (
            cfg.Opt("a", type=types.Dict(types.List(bounds=True))),
            {"type": "Dict", "item": {"type": "List", "bounds": True, "item": {"type": "String"}}},
        ),
        (
            cfg.MultiOpt("a", item_type=types.Dict()),
            {"type": "Dict", "item": {"type": "String"}, "multi": True},
        ),
        (cfg.IPOpt("a", version=6), {"type": "IPAddress", "version": 6}),
        (cfg.IPOpt("a"), {"type": "IPAddress"}),
        (cfg.HostAddressOpt("a", version=4), {"type": "HostAddress", "version": 4}),
        (cfg.URIOpt("a", schemes=["https"]), {"type": "URI", "schemes": ["https"]}),
    ],
)
def test_the_syntax_of_a_type(option: cfg.Opt, wanted: dict[str, Any] | None) -> None:
    assert inside.option_syntax(option) == wanted


def test_definitions_are_found_by_group_and_name() -> None:
    found = inside.definitions(["oslo.log"])
    assert found["default", "log_file"].name == "log-file"
