# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.options import (
    check_cloud,
    check_options,
    load_options,
)


def option(name: str, kind: str = "string value", **more: Any) -> dict[str, Any]:
    return {"name": name, "dest": name.replace("-", "_"), "type": kind, "min": None, "max": None, "choices": [], **more}


DATA: dict[str, Any] = {
    "options": {
        "DEFAULT": {
            "opts": [
                option("debug", "boolean value"),
                option("log-file"),
                option("workers", "integer value", min=1, max=8),
                option("ratio", "floating point value", min=0.5),
                option("port", "port value", min=0, max=65535),
                option("backends", "list value"),
                option("enabled_backends", "dict value"),
                option("hook", "multi valued"),
                option("level", choices=[["INFO", None], ["WARNING", "x"]]),
                option("flat", choices=["a", "b"]),
                option("odd", "unknown value"),
                option("loose", choices=["one"], syntax={"type": "String", "ignore_case": True, "choices": ["one"]}),
                option("numbers", "list value", syntax={"type": "List", "item": {"type": "Integer", "max": 9}}),
                option("quoted", "list value", syntax={"type": "List", "item": {"type": "String", "quotes": True}}),
                option("address", "IP address value", syntax={"type": "IPAddress", "version": 4}),
                option("host", "host address value"),
                option("link", "uri value", syntax={"type": "URI", "schemes": ["https"]}),
                option("pin", "integer value", secret=True),
                option("key", choices=["abcd", "efgh"], secret=True),
                {"name": "bare"},
            ]
        },
        "token": {"opts": [option("expiration", "integer value")]},
        "authtoken": {"opts": [option("auth_type")]},
        "placement": {"opts": [option("auth_type"), option("auth_url")]},
        "template": {"opts": [option("size")], "dynamic_group_owner": "stores"},
        "empty": {},
    },
    "deprecated_options": {
        "DEFAULT": [{"name": "logfile", "replacement_group": "DEFAULT", "replacement_name": "log-file"}],
        "old": [{"name": "x", "replacement_group": "token", "replacement_name": "expiration"}],
    },
}


@pytest.fixture
def options(tmp_path: Path) -> Path:
    directory = tmp_path / "options"
    directory.mkdir()
    (directory / "web.conf.json").write_text(json.dumps(DATA))
    return directory


def check(options: Path, section: str, name: str, value: Any, **more: Any) -> list[str]:
    override = {"config": {"web.conf": {section: {name: value, **more}}}}
    return [str(problem) for problem in check_options(override, options)]


GOOD = [
    ("DEFAULT", "debug", True),
    ("DEFAULT", "debug", "yes"),
    ("DEFAULT", "debug", 0),
    ("DEFAULT", "debug", None),
    ("DEFAULT", "only_another_release_knows", None),
    ("only_another_release_knows", "x", None),
    ("old", "x", None),
    ("DEFAULT", "debug", "$log_file"),
    ("DEFAULT", "log_file", "${DEFAULT.log_file}/$port/$config_dir"),
    ("DEFAULT", "log_file", "$$other, \\$other, $1, $"),
    ("token", "expiration", "$expiration"),
    ("token", "expiration", "$workers"),
    ("DEFAULT", "log_file", "$authtoken.username"),
    ("DEFAULT", "log_file", "/x"),
    ("DEFAULT", "log_file", 3),
    ("DEFAULT", "workers", 8),
    ("DEFAULT", "workers", "4"),
    ("DEFAULT", "ratio", 1),
    ("DEFAULT", "ratio", "1.5"),
    ("DEFAULT", "port", 8080),
    ("DEFAULT", "backends", ["a", "b"]),
    ("DEFAULT", "backends", "a,b"),
    ("DEFAULT", "hook", ["a"]),
    ("DEFAULT", "hook", {"multi": ["a,b", "c"]}),
    ("DEFAULT", "hook", "a"),
    ("DEFAULT", "enabled_backends", {"fast": "rbd"}),
    ("DEFAULT", "numbers", [1, "2"]),
    ("DEFAULT", "quoted", ["a,b", " c"]),
    ("DEFAULT", "address", "198.18.0.1"),
    ("DEFAULT", "host", "fd00::1"),
    ("DEFAULT", "host", "a-b.example"),
    ("DEFAULT", "link", "https://[fd00::1]:5000/v3"),
    ("DEFAULT", "level", "INFO"),
    ("DEFAULT", "loose", "ONE"),
    ("DEFAULT", "flat", "b"),
    ("DEFAULT", "odd", ["x"]),
    ("DEFAULT", "odd", "x"),
    ("DEFAULT", "bare", 1),
    ("authtoken", "username", "x"),
]


@pytest.mark.parametrize(("section", "name", "value"), GOOD)
def test_good(options: Path, section: str, name: str, value: Any) -> None:
    assert check(options, section, name, value) == []


BAD = [
    (
        "DEFAULT",
        "debgu",
        True,
        'overrides: config."web.conf".DEFAULT.debgu: unknown option in [DEFAULT] (did you mean debug?)',
    ),
    ("DEFAULT", "expiration", 3, "unknown option in [DEFAULT] (it is an option of [token])"),
    ("DEFAULT", "zzz", 3, "unknown option in [DEFAULT] (known: address, backends"),
    ("DEFAULT", "log-file", "x", "unknown option in [DEFAULT] (did you mean log_file?)"),
    ("tokn", "expiration", 3, "tokn: unknown section [tokn] (did you mean token?)"),
    ("DEFAULT", "logfile", "x", "DEFAULT.logfile: a former name of the option (write [DEFAULT] log_file)"),
    ("old", "x", 3, "old.x: a former name of the option (write [token] expiration)"),
    ("DEFAULT", "debug", "perhaps", "'perhaps' is neither true nor false"),
    ("DEFAULT", "debug", [True], "takes one value, not a list (it is a boolean value)"),
    ("DEFAULT", "workers", 0, "0 is too small (at least 1)"),
    ("DEFAULT", "workers", 9, "9 is too large (at most 8)"),
    ("DEFAULT", "workers", 1.5, "1.5 is not a whole number (it is an integer value)"),
    ("DEFAULT", "workers", True, "True is not a whole number"),
    ("DEFAULT", "workers", "x", "'x' is not a whole number"),
    ("DEFAULT", "port", "http", "'http' is not a whole number (it is a port value)"),
    ("DEFAULT", "port", 70000, "70000 is too large"),
    ("DEFAULT", "ratio", "x", "'x' is not a number"),
    ("DEFAULT", "ratio", 0.1, "0.1 is too small"),
    ("DEFAULT", "level", "INFOO", "'INFOO' is not one of the choices (did you mean INFO?)"),
    ("DEFAULT", "pin", "s3cret", "the value is not a whole number"),
    ("DEFAULT", "key", "abce", "the value is not one of the choices (known: abcd, efgh)"),
    ("placement", "usrname", "x", "unknown option in [placement]"),
    ("DEFAULT", "level", "info", "'info' is not one of the choices (case counts) (did you mean INFO?)"),
    ("DEFAULT", "backends", ["a,b", "c"], "['a,b', 'c'] would be read as ['a', 'b', 'c'] (items of this option cannot"),
    ("DEFAULT", "backends", {"multi": ["a", "b"]}, "is not an option that may be repeated (it is a list value"),
    ("DEFAULT", "backends", {"a": "b"}, "takes one value, not a mapping (it is a list value)"),
    ("DEFAULT", "log_file", {"a": "b"}, "takes one value, not a mapping (it is a string value)"),
    ("DEFAULT", "log_file", ["a"], "takes one value, not a list (it is a string value)"),
    ("DEFAULT", "hook", {"multi": []}, "an empty list cannot be written"),
    ("DEFAULT", "enabled_backends", ["a"], "takes a mapping, not a list (it is a dict value)"),
    ("DEFAULT", "enabled_backends", "a", "'a' has no : between key and value"),
    ("DEFAULT", "numbers", [1, 10], "10 is too large (at most 9)"),
    ("DEFAULT", "numbers", "1,x", "'x' is not a whole number"),
    ("DEFAULT", "address", "fd00::1", "'fd00::1' is not an IPv4 address"),
    ("DEFAULT", "host", "a b", "'a b' is neither a host name nor an IP address"),
    ("DEFAULT", "host", "198.18.0.300", "'198.18.0.300' is neither a host name nor an IP address"),
    ("DEFAULT", "link", "http://a", "'http://a' has another scheme (use https)"),
    ("DEFAULT", "link", "a", "'a' is not a URI with scheme and host"),
    ("DEFAULT", "log_file", "/x\x00", "an option cannot hold the character U+0000"),
    ("DEFAULT", "log_file", "$nothing/x", "$nothing refers to an option that does not exist (write $$ for a dollar"),
    ("DEFAULT", "log_file", "${nothing}", "$nothing refers to an option that does not exist"),
    ("DEFAULT", "backends", ["a", "$expiration"], "$expiration refers to an option that does not exist"),
    (
        "DEFAULT",
        "log_file",
        "$log_file.d",
        "$log_file.d refers to an option that does not exist (write $$ for a dollar "
        "sign, or ${log_file}. for a reference)",
    ),
    ("authtoken", "username", "a\nb", "an option cannot hold a line break"),
]


@pytest.mark.parametrize(("section", "name", "value", "wanted"), BAD)
def test_bad(options: Path, section: str, name: str, value: Any, wanted: str) -> None:
    found = check(options, section, name, value)
    assert len(found) == 1
    assert wanted in found[0]
    assert "s3cret" not in found[0]
    assert "abce" not in found[0]


def test_sections_that_options_name(options: Path) -> None:
    override = {
        "config": {
            "web.conf": {
                "fast": {"anything": 1},
                "slow": {"x": 1},
                "DEFAULT": {"enabled_backends": "fast:rbd, slow:rbd"},
            }
        }
    }
    assert check_options(override, options) == []
    assert len(check_options({"config": {"web.conf": {"fast": {"x": 1}}}}, options)) == 1
    base = {"web.conf": {"DEFAULT": {"stores": ["fast"]}}}
    assert check_options({"config": {"web.conf": {"fast": {"x": 1}}}}, options, base=base) == []


def test_a_file_without_data_is_not_checked(options: Path) -> None:
    assert check_options({"config": {"other.conf": {"x": {"y": 1}}}}, options) == []
    assert check_options({}, options) == []


def test_yaml_data_as_oslo_config_generator_writes_them(options: Path) -> None:
    (options / "web.conf.json").unlink()
    (options / "web.conf.yaml").write_text(yaml.safe_dump(DATA))
    assert len(check(options, "DEFAULT", "debgu", True)) == 1


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.conf.json", "{", "is not JSON"),
        ("a.conf.json", "[]", "holds no options"),
        ("a.conf.json", '{"options": {"x": {"opts": [{}]}}}', "holds no options"),
        ("a.conf.yaml", "a: [", "not valid YAML"),
    ],
)
def test_unusable_data(tmp_path: Path, name: str, text: str, wanted: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=wanted):
        load_options(tmp_path, "a.conf")


def test_a_whole_cloud(lab: Any, cloud: dict[str, Any], options: Path) -> None:
    cloud["overrides"] = {
        "web": {"config": {"web.conf": {"DEFAULT": {"debgu": True, "enabled_backends": "fast:x"}}}},
        "db": {},
    }
    cloud["nodes"]["compute1"]["overrides"] = {
        "web": {"config": {"web.conf": {"fast": {"x": 1}, "token": {"expiration": "x"}}}}
    }
    made, known = lab.load(cloud)
    problems = check_cloud(made, known, {"web": options})
    lines = lab.file.read_text().splitlines()
    assert [(problem.file, lines[problem.line - 1].strip()) for problem in problems] == [
        (str(lab.file), "debgu: true"),
        (str(lab.file), "expiration: x"),
    ]
    assert check_cloud(made, known, {}) == []
