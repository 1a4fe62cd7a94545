# SPDX-License-Identifier: Apache-2.0
"""The definitions of options are completed with those that exist only by configuration."""

from __future__ import annotations

from typing import Any

import pytest

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
    data = inside.complete(DATA, {"nova_sys_admin": "privsep"}, AUTH)
    assert names(data, "DEFAULT") == ["debug"]
    assert names(data, "placement") == ["auth_type", "auth-url", "password"]
    assert names(data, "privsep") == ["helper_command"]
    assert names(data, "nova_sys_admin") == ["helper_command"]
    assert data["options"]["shares"]["dynamic_group_owner"] == "enabled_shares"
    assert data["deprecated_options"] == DATA["deprecated_options"]


def test_a_group_cannot_be_like_one_that_is_not_there() -> None:
    with pytest.raises(SystemExit, match="there is no such group"):
        inside.complete(DATA, {"x": "nothing"}, AUTH)


def test_the_validator_gets_what_it_reads_and_no_more() -> None:
    data = inside.slim(inside.complete(DATA, {}, AUTH))
    assert data["options"]["placement"]["opts"][1] == {"name": "auth-url", "dest": "auth_url", "default": None}
    assert data["options"]["DEFAULT"]["opts"] == [{"name": "debug", "default": None}]
    assert data["deprecated_options"] == {"DEFAULT": [{"name": "verbose"}]}
