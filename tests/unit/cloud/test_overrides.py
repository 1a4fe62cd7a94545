# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import inventory
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.overrides import merge

IMAGE = f"mine@sha256:{'a' * 64}"
VALUES = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_merge(one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]) -> None:
    before = copy.deepcopy((one, two))
    assert merge(one, {}) == one
    assert merge({}, one) == one
    assert merge(one, one) == one
    assert set(merge(one, two)) == set(one) | set(two)
    for key, value in two.items():
        if not isinstance(value, dict) or not isinstance(one.get(key), dict):
            assert merge(one, two)[key] == value
    assert merge(merge(one, two), three) == merge(merge(one, two), merge(two, three))
    assert (one, two) == before


def test_lists_are_replaced_and_mappings_merged() -> None:
    assert merge({"a": [1, 2], "b": {"c": 1, "d": 2}}, {"a": [3], "b": {"d": None}}) == {
        "a": [3],
        "b": {"c": 1, "d": None},
    }


REFUSED = [
    (("overrides",), {"wb": {}}, "overrides.wb: unknown service wb (did you mean web?)"),
    (("overrides",), {"store": {}}, "overrides.store: no node of the cloud runs store (remove the override"),
    (("sites", "main", "overrides"), {"store": {}}, "sites.main.overrides.store: no node of the site main runs store"),
    (
        ("profiles", "compute", "overrides"),
        {"db": {}},
        "profiles.compute.overrides.db: no node of the profile compute runs db",
    ),
    (("nodes", "compute1", "overrides"), {"db": {}}, "nodes.compute1.overrides.db: the node compute1 does not run db"),
    (
        ("overrides",),
        {"web": {"config": {"web.cnf": {}}}},
        'overrides.web.config."web.cnf": web has no configuration file web.cnf (did you mean web.conf?)',
    ),
    (
        ("overrides",),
        {"web": {"containers": {"web_apy": {}}}},
        "containers.web_apy: web has no container web_apy (did you mean web_api?)",
    ),
    (
        ("overrides",),
        {"web": {"variables": {"web_worker": 1}}},
        "variables.web_worker: the role web has no variable web_worker (did you mean web_workers?)",
    ),
    (
        ("overrides",),
        {"web": {"variables": {"web_workers": "many"}}},
        "variables.web_workers: argument 'web_workers' is of type str",
    ),
    (
        ("overrides",),
        {"web": {"variables": {"web_mode": "faster"}}},
        "variables.web_mode: value of web_mode must be one of: fast, slow",
    ),
    *(
        (
            ("overrides",),
            {"web": {"variables": variable}},
            f"variables.{name}: must be of type {kind}, not",
        )
        for name, kind, variable in (
            ("web_workers", "int", {"web_workers": "4"}),
            ("web_workers", "int", {"web_workers": True}),
            ("web_workers", "int", {"web_workers": 4.0}),
            ("web_flag", "bool", {"web_flag": "no"}),
            ("web_flag", "bool", {"web_flag": 0}),
            ("web_names", "list", {"web_names": "a,b"}),
            ("web_map", "dict", {"web_map": "a=b"}),
            ("web_names[0]", "str", {"web_names": [{"heartbeat": 10}]}),
            ("web_names[1]", "str", {"web_names": ["a", None]}),
            ("web_names[0]", "str", {"web_names": [["a"]]}),
            ("web_items[0].on", "bool", {"web_items": [{"on": "no"}]}),
        )
    ),
    (
        ("overrides",),
        {"db": {"variables": {"db_x": "x"}}},
        "variables.db_x: the role db has no variable db_x (there are none)",
    ),
    (("overrides",), {"web": {"files": {"x.json": {"src": "missing.json"}}}}, 'files."x.json".src: there is no file'),
    (
        ("overrides",),
        {"web": {"files": {"web.conf": {"content": ""}}}},
        "web.conf is a configuration file that Ozone writes",
    ),
    (
        ("overrides",),
        {"db": {"files": {"my.cnf": {"content": ""}}}},
        "db has no containers that could read further files (a path that begins with / is a file of the node)",
    ),
    (("overrides",), {"db": {"files": {"/etc/x": {"src": "."}}}}, "cannot be read: Is a directory"),
    (
        ("overrides",),
        {"web": {"files": {"/etc/x": {"content": "", "containers": ["web_api"]}}}},
        'files."/etc/x".containers: a file of the node is in no container',
    ),
    (
        ("overrides",),
        {"web": {"files": {"x": {"content": "", "containers": ["web_apy"]}}}},
        "files.x.containers[0]: web has no container web_apy (did you mean web_api?)",
    ),
    (("overrides",), {"web": {"files": {"x": {"mode": "0600"}}}}, "files.x: has neither (give exactly one of"),
    (("overrides",), {"web": {"files": {"x": {"content": "", "mode": "rw"}}}}, "mode: 'rw' is not possible here (four"),
    (("overrides",), {"web": {"files": {"x": {"content": "", "owner": "a b"}}}}, "owner: 'a b' is not possible here"),
    (("overrides",), {"web": {"files": {"x": {"content": "", "builder": "y"}}}}, "files.x.builder: unknown key"),
    *(
        (("overrides",), {"db": {"files": {path: {"content": ""}}}}, f'files."{path}": {path!r} is not a possible name')
        for path in ("/", "//etc/x", "/etc//x", "/etc/../x", "/etc/x/", "/proc/x", "/run/x", "/etc/x ", "/etc/\u00e9")
    ),
    (
        ("overrides",),
        {"web": {"containers": {"web_api": {"image": "mine:latest"}}}},
        "containers.web_api.image: 'mine:latest' is not possible here (name@sha256:",
    ),
    (
        ("overrides",),
        {"web": {"containers": {"web_api": {"capabilities": ["net_admin"]}}}},
        "capabilities[0]: 'net_admin' is not possible here",
    ),
    (("overrides",), {"web": {"containers": {"web_api": {"stop_timeout": 0}}}}, "stop_timeout: must be at least 1"),
    (
        ("overrides",),
        {"web": {"containers": {"web_api": {"volumes": ["nonsense"]}}}},
        "volumes[0]: 'nonsense' is not possible here (source:target",
    ),
    (("overrides",), {"web": {"config": {"web.conf": {"a]b": {}}}}}, "is not a possible name (the name of a section"),
    (
        ("overrides",),
        {"web": {"config": {"web.conf": {"api": {"x": {"k": None}}}}}},
        "not nothing",
    ),
]


@pytest.mark.parametrize(("path", "value", "wanted"), REFUSED)
def test_refused(lab: Any, cloud: dict[str, Any], path: tuple[str, ...], value: Any, wanted: str) -> None:
    data = cloud
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value
    found = lab.problems(cloud)
    assert len(found) == 1
    assert wanted in found[0]


def test_levels_and_sources(lab: Any, cloud: dict[str, Any]) -> None:
    (lab.directory / "policy.json").write_text("{}")
    workers = [
        {
            "web": {
                "variables": {"web_workers": number},
                "config": {"web.conf": {"api": {f"o{number}": number, "same": number}}},
            }
        }
        for number in range(4)
    ]
    workers[0]["web"]["files"] = {"policy.json": {"src": "policy.json"}, "text": {"content": "x"}}
    workers[1]["web"]["containers"] = {"web_api": {"podman_args": ["--a"], "image": IMAGE}}
    workers[3]["web"]["containers"] = {"web_api": {"podman_args": ["--b"]}}
    cloud["overrides"], cloud["sites"]["main"]["overrides"] = workers[0], workers[1]
    cloud["profiles"]["compute"]["overrides"], cloud["nodes"]["compute1"]["overrides"] = workers[2], workers[3]
    cloud["nodes"]["compute2"] = {"profile": "compute"}
    cloud["nodes"]["compute3"] = {"profile": "compute"}
    cloud["overrides"]["db"] = {}
    made, known = lab.load(cloud)
    hosts = inventory.build_inventory(made, known, {}, lambda path: False).hosts
    first, second, control = (hosts[name]["ozone_overrides"] for name in ("compute1", "compute2", "control1"))
    assert first["web"]["config"]["web.conf"]["api"] == {"o0": 0, "o1": 1, "o2": 2, "o3": 3, "same": 3}
    assert first["web"]["containers"]["web_api"] == {"podman_args": ["--b"], "image": IMAGE}
    assert first["web"]["files"] == {
        "policy.json": {"src": str(lab.directory / "policy.json")},
        "text": {"content": "x"},
    }
    assert hosts["compute1"]["web_workers"] == 3
    assert second["web"]["config"]["web.conf"]["api"]["same"] == 2
    assert hosts["compute3"]["ozone_overrides"] is second  # shared
    assert control["web"]["config"]["web.conf"]["api"]["same"] == 1
    assert sorted(control) == ["db", "web"]
    assert sorted(first) == ["web"]  # only what the node runs


def test_a_later_level_replaces_values_and_the_source_of_a_file(lab: Any, cloud: dict[str, Any]) -> None:
    (lab.directory / "policy.json").write_text("{}")
    cloud["overrides"] = {
        "web": {
            "config": {"web.conf": {"api": {"many": {"multi": ["a", "b"]}}}},
            "files": {
                "policy.json": {"src": "policy.json", "mode": "0600"},
                "/etc/web": {"content": "cloud"},
                "gone": {"content": "x"},
            },
        }
    }
    cloud["nodes"]["compute1"]["overrides"] = {
        "web": {
            "config": {"web.conf": {"api": {"many": {"multi": ["c"]}}}},
            "files": {"policy.json": {"content": "mine"}, "gone": None},
        }
    }
    made, known = lab.load(cloud)
    hosts = inventory.build_inventory(made, known, {}, lambda path: False).hosts
    web = hosts["compute1"]["ozone_overrides"]["web"]
    assert web["config"]["web.conf"]["api"] == {"many": {"multi": ["c"]}}
    assert web["files"] == {
        "policy.json": {"content": "mine", "mode": "0600"},
        "/etc/web": {"content": "cloud"},
        "gone": None,
    }
    assert hosts["control1"]["ozone_overrides"]["web"]["files"]["policy.json"] == {
        "src": str(lab.directory / "policy.json"),
        "mode": "0600",
    }


def test_a_source_that_is_no_text(lab: Any, cloud: dict[str, Any]) -> None:
    (lab.directory / "image.bin").write_bytes(b"\xff\xfe\x00")
    cloud["overrides"] = {"web": {"files": {"x": {"src": "image.bin"}}}}
    (found,) = lab.problems(cloud)
    assert "files.x.src: " in found and "it is not UTF-8 text" in found
