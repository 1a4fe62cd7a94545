# SPDX-License-Identifier: Apache-2.0
"""Whatever YAML makes of it: where a text is meant, the text of the file arrives."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import (
    catalogue,
    definition,
    inventory,
    scalars,
    schema,
)
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import Document, parse, show_path

#: Texts that YAML 1.1 or 1.2, or both, read as something else.
WRITTEN = [
    "50E3", "1e3", "12e03", "1.10", "2026.1", "010", "0644", "1_000", "0x5000c500a1b2c3d4", "0o17", "0b11", "+5",
    "-0", "1.", ".5", "1.0e+2", "52:54:00:12:34:56", "1:30", "190:20:30", "2026-04-01", "2026-04-01 10:00:00", ".inf",
    "-.INF", ".NaN", "ON", "On", "off", "yes", "No", "y", "n", "TRUE", "True", "false",
    "123456789012345678901234567890", "1.1.1", "12", "0", "1.5", "true",
]  # fmt: skip


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> catalogue.Catalogue:
    """A service whose variables have all types."""
    meta = tmp_path_factory.mktemp("roles") / "web" / "meta"
    meta.mkdir(parents=True)
    (meta / "service.yml").write_text(
        "name: web\nsummary: Web\nimage: web\ncontainers: {web_api: main}\nconfig: {web.conf: [web_api]}\n"
    )
    options = {
        "web_text": {"type": "str"},
        "web_untyped": {},
        "web_list": {"type": "list", "elements": "str"},
        "web_map": {"type": "dict"},
        "web_raw": {"type": "raw"},
        "web_items": {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}, "on": {"type": "bool"}}},
        "web_int": {"type": "int"},
        "web_float": {"type": "float"},
        "web_bool": {"type": "bool"},
    }
    (meta / "argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": {"deploy": {"options": options}}}))
    return catalogue.load([meta.parent.parent])


def meant(text: str, known: catalogue.Catalogue | None = None) -> Any:
    document, problems = parse(text, "cloud.yml")
    assert not problems
    document = scalars.by_schema(document, "cloud.yml")
    return (scalars.by_roles(document, known) if known else document).data


@pytest.mark.parametrize("written", WRITTEN)
def test_texts_of_the_schema(written: str) -> None:
    """Every place that takes texts only, in all of cloud.yml."""
    data = meant(
        f"""
release: {written}
authorized_keys: [{written}]
sites: {{s: {{conductor_group: {written}}}}}
network_configs:
  t: [{{type: interface, name: {written}, network: {written}, dns_servers: [{written}]}}]
nodes:
  n:
    nics: {{nic1: {written}}}
    traits: [{written}]
    bmc: {{username: {written}}}
    root_device: {{serial: {written}, wwn: {written}, model: {written}}}
    expected: {{disks: [{{hctl: {written}}}]}}
    overrides:
      web:
        files: {{x: {{content: {written}, mode: {written}, owner: {written}}}}}
        containers: {{web_api: {{environment: {{A: {written}}}, podman_args: [{written}]}}}}
"""
    )
    node = data["nodes"]["n"]
    web = node["overrides"]["web"]
    (item,) = data["network_configs"]["t"]
    found = [
        data["release"], *data["authorized_keys"], data["sites"]["s"]["conductor_group"], item["name"], item["network"],
        *item["dns_servers"], node["nics"]["nic1"], *node["traits"], node["bmc"]["username"],
        *node["root_device"].values(), node["expected"]["disks"][0]["hctl"], *web["files"]["x"].values(),
        web["containers"]["web_api"]["environment"]["A"], *web["containers"]["web_api"]["podman_args"],
    ]  # fmt: skip
    assert found == [written] * 18


@pytest.mark.parametrize("written", WRITTEN)
def test_options_and_variables_arrive_as_they_are_written(written: str, roles: catalogue.Catalogue) -> None:
    data = meant(
        f"""
overrides:
  web:
    config: {{web.conf: {{DEFAULT: {{a: {written}, b: [{written}], c: {{multi: [{written}]}}}}}}}}
    variables:
      web_text: {written}
      web_untyped: {written}
      web_list: [{written}]
      web_map: {{x: {written}, y: [{written}], z: {{x: {written}}}}}
      web_raw: {written}
      web_items: [{{name: {written}}}]
""",
        roles,
    )
    web = data["overrides"]["web"]
    options, variables = web["config"]["web.conf"]["DEFAULT"], web["variables"]
    texts = [variables["web_text"], variables["web_untyped"], *variables["web_list"], variables["web_items"][0]["name"]]
    assert texts == [written] * 4
    free = [options["a"], *options["b"], *options["c"]["multi"], variables["web_raw"]]
    free += [variables["web_map"]["x"], *variables["web_map"]["y"], variables["web_map"]["z"]["x"]]
    assert [value if isinstance(value, str) else scalars.usual(value) for value in free] == [written] * 7


def test_numbers_and_booleans_where_they_are_meant(roles: catalogue.Catalogue) -> None:
    data = meant(
        """
networks: {a: {mtu: 0x5dc, default_route: yes}}
network_configs: {t: [{type: interface, name: 1e3, use_dhcp: off, mtu: 9000, primary: yes}]}
nodes: {n: {managed: ON, root_device: {size: 447, rotational: no}}}
overrides: {web: {variables: {web_int: 12, web_float: 1.10, web_bool: off, web_items: [{on: yes}], web_map: {x: true}}}}
""",
        roles,
    )
    assert data["networks"]["a"] == {"mtu": 1500, "default_route": True}
    assert data["network_configs"]["t"] == [
        {"type": "interface", "name": "1e3", "use_dhcp": False, "mtu": 9000, "primary": True}
    ]
    assert data["nodes"]["n"] == {"managed": True, "root_device": {"size": 447, "rotational": False}}
    assert data["overrides"]["web"]["variables"] == {
        "web_int": 12, "web_float": 1.1, "web_bool": False, "web_items": [{"on": True}], "web_map": {"x": True},
    }  # fmt: skip


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.booleans(), st.sampled_from("efg"))
def test_any_number_is_a_text_where_one_is_meant(value: float, form: str) -> None:
    text = str(value) if isinstance(value, bool) else format(value, form) if isinstance(value, float) else str(value)
    assert meant(f"nodes: {{n: {{root_device: {{serial: {text}}}}}}}")["nodes"]["n"]["root_device"]["serial"] == text


def test_a_key_is_a_text(roles: catalogue.Catalogue) -> None:
    document, problems = parse("on: 1\n1.10: 2\n0x10: 3\nnull: 4\n~: 5\n2026-04-01: 6\n", "f")
    assert not problems
    assert list(document.data) == ["on", "1.10", "0x10", "null", "~", "2026-04-01"]


def test_merged_keys_and_aliases_keep_their_texts() -> None:
    data = meant("x: &x {root_device: {serial: 50E3}, image: 1.10}\nnodes: {a: *x, b: {<<: *x, image: plain}}")
    assert data["nodes"]["a"] == {"root_device": {"serial": "50E3"}, "image": "1.10"}
    assert data["nodes"]["b"] == {"root_device": {"serial": "50E3"}, "image": "plain"}


MTU = ("networks", "control", "mtu")
WRONG = [
    (MTU, "1500.0", "networks.control.mtu: must be a whole number, not a number (1500.0) (write 1500, without quotes)"),
    (MTU, "1_500", "mtu: must be a whole number, not a text ('1_500') (write 1500, without quotes)"),
    (MTU, "'1500'", "mtu: must be a whole number, not a text ('1500') (write 1500, without quotes)"),
    (MTU, "01500", "mtu: must be a whole number, not a text ('01500') (write 1500, without quotes)"),
    (MTU, "ON", "mtu: must be a whole number, not true or false (ON)"),
    (MTU, "1e4", "mtu: must be a whole number, not a number (1e4)"),
    (("networks", "control", "default_route"), "y", "must be true or false, not a text ('y') (write true or false)"),
    (("networks", "control", "vlan"), "010", "must be a whole number, not a text ('010') (write 10, without quotes)"),
    (("domain",), "~", "domain: must be a text, not nothing (give it a value, or remove the key)"),
    (("nodes", "compute1", "root_device"), "{size: 0}", "root_device.size: must be at least 1, not 0"),
]


@pytest.mark.parametrize(("path", "written", "wanted"), WRONG)
def test_a_refusal_shows_what_is_written(
    lab: Any, cloud: dict[str, Any], path: tuple[str, ...], written: str, wanted: str
) -> None:
    inner = cloud
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = "PLACE"
    lab.write(yaml.safe_dump(cloud, sort_keys=False).replace("PLACE", written))
    assert any(wanted in line for line in lab.problems()), lab.problems()


SIGNS = ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\u200b", "\u2028", "\u202e", "\ufeff"]
PLACES: list[tuple[str | int, ...]] = [
    ("name",), ("domain",), ("region",), ("authorized_keys", 0), ("nodes", "compute1", "bmc", "username"),
    ("nodes", "compute1", "root_device", "serial"), ("nodes", "compute1", "expected", "cpu_arch"),
    ("networks", "control", "subnets", "main", "routes", 0, "route_options"),
    ("overrides", "web", "config", "web.conf", "api", "x"), ("overrides", "web", "config", "web.conf", "api", "y", 0),
    ("overrides", "web", "config", "web.conf", "api", "z", "multi", 0), ("overrides", "web", "files", "x", "src"),
    ("overrides", "web", "containers", "web_api", "environment", "A"),
    ("overrides", "web", "containers", "web_api", "podman_args", 0),
    ("overrides", "web", "containers", "web_api", "volumes", 0),
]  # fmt: skip


def put(data: Any, path: tuple[str | int, ...], value: Any) -> None:
    """Set a value, with whatever has to be above it."""
    for part, after in itertools.pairwise(path):
        if isinstance(data, dict):
            data = data.setdefault(part, [] if isinstance(after, int) else {})
        else:
            data.append([] if isinstance(after, int) else {})
            data = data[0]
    if isinstance(data, list):
        data.append(value)
    else:
        data[path[-1]] = value


@pytest.mark.parametrize("path", PLACES, ids=str)
@pytest.mark.parametrize("sign", SIGNS, ids=ascii)
def test_no_value_has_a_line_break_or_what_cannot_be_seen(
    lab: Any, cloud: dict[str, Any], path: tuple[str | int, ...], sign: str
) -> None:
    put(cloud, path, f"a{sign}b")
    document, _ = parse("x: y", "cloud.yml")
    found, _ = schema.violations(Document("cloud.yml", cloud, document.lines), "cloud.yml")
    wrong = [problem for problem in found if problem.key.endswith(show_path(path).rpartition(".")[2])]
    assert wrong, found


def test_several_lines_where_they_belong(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["overrides"] = {
        "web": {"files": {"x": {"content": "a\n\tb\n"}}, "variables": {"web_mode": "fast"}},
    }
    assert lab.problems(cloud) == []
    cloud["overrides"]["web"]["files"]["x"]["content"] = "a\0b"
    (found,) = lab.problems(cloud)
    assert "overrides.web.files.x.content: contains the character U+0000" in found


def test_the_whole_way_to_the_inventory(lab: Any, cloud: dict[str, Any]) -> None:
    cloud["overrides"] = {
        "web": {"config": {"web.conf": {"api": {"x": "PLACE1"}}}, "variables": {"web_mode": None, "web_workers": 2}},
    }
    lab.write(yaml.safe_dump(cloud, sort_keys=False).replace("PLACE1", "50E3").replace("'2026.1'", "2026.1"))
    made, known = lab.load()
    assert made.release == "2026.1"
    host = inventory.build_inventory(made, known, {}, lambda path: False).hosts["compute1"]
    assert host["ozone_overrides"]["web"]["config"]["web.conf"]["api"]["x"] == "50E3"
    assert host["web_workers"] == 2
    assert "web_mode" not in host  # null: the role's default


def test_the_example_clouds_are_read_as_before() -> None:
    files = sorted(Path(definition.COLLECTION).glob("inventory/*/cloud.yml"))
    assert len(files) > 2
    for file in files:
        document, problems = parse(file.read_text(), str(file))
        assert not problems
        assert scalars.by_schema(document, "cloud.yml").data == document.data
