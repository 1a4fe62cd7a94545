# SPDX-License-Identifier: Apache-2.0
"""Every YAML example of the documentation does what the page says: it is read and checked as an operator's file is.

The word behind ``yaml`` says what a block is: ``cloud`` a whole cloud.yml, ``fragment=<inventory>`` a part that is put
into that cloud of ``inventory/``, ``record=<inventory>`` its record of addresses, ``declaration`` the variables of a
service role. Pages in ``docs/reference`` are made
of the plugins' own examples: tasks and variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition, schema
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import CloudError
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.overrides import levels, merge
from ansible_collections.ozone.openstack.plugins.module_utils.generation import render
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

_FENCE = re.compile(r"^( *)```ya?ml *([^\n]*)\n(.*?)^\1```", re.M | re.S)
#: `overrides: {...}` in the text: a part of cloud.yml, on one line or two.
_INLINE = re.compile(r"`(" + "|".join(schema.CLOUD["properties"]) + r"): ([\[{][^`]*[\]}])`")
#: The cloud that fragments in the text of a page are put into.
BASES = {"bare-metal.md": "baremetal", "add-a-service.md": "standalone"}
PAGES = sorted(
    [COLLECTION / "README.md", *COLLECTION.glob("docs/**/*.md"), *COLLECTION.glob("roles/*/README.md")], key=str
)


class Loader(yaml.SafeLoader):
    """Takes Ansible's tags."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: loader.construct_scalar(node))


class Example(NamedTuple):
    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def examples() -> Iterator[Example]:
    for page in PAGES:
        text, name = page.read_text(), str(page.relative_to(COLLECTION))
        for found in _FENCE.finditer(text):
            line = text[: found.start()].count("\n") + 1
            lines = [row.removeprefix(found[1]) for row in found[3].splitlines()]
            yield Example(name, line, found[2].strip(), "\n".join(lines))
        prose = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
        for found in _INLINE.finditer(prose) if not name.startswith("docs/reference") else ():
            base = f"fragment={BASES[page.name]}" if page.name in BASES else ""
            value = " ".join(found[2].split())
            yield Example(name, prose[: found.start()].count("\n") + 1, base, f"{found[1]}: {value}")


ALL = list(examples())
OWN = [one for one in ALL if not one.page.startswith("docs/reference")]
REFERENCE = [one for one in ALL if one.page.startswith("docs/reference")]


def test_there_are_examples_of_every_kind() -> None:
    kinds = [one.kind.partition("=")[0] for one in OWN]
    assert kinds.count("fragment") > 8
    assert kinds.count("declaration") > 1
    assert len(REFERENCE) > 30


@pytest.mark.parametrize("example", OWN, ids=str)
def test_an_example_says_what_it_is(example: Example) -> None:
    assert re.fullmatch(r"cloud|declaration|(fragment|record)=[a-z0-9]+", example.kind), (
        f"{example}: ```yaml {example.kind}"
    )


def problems_of(directory: Path, data: Mapping[str, Any]) -> list[str]:
    """The mistakes of a cloud.yml, with the files that it names in place."""
    for _path, services in levels(data):
        for override in services.values():
            for file in override.get("files", {}).values():
                if file and "src" in file:
                    (directory / file["src"]).parent.mkdir(parents=True, exist_ok=True)
                    (directory / file["src"]).write_text("")
    for path in data.get("service_paths", ()):
        (directory / path).mkdir(exist_ok=True)
    file = directory / "cloud.yml"
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    try:
        definition.load(file)
    except CloudError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize("example", [one for one in OWN if one.kind.startswith(("cloud", "fragment"))], ids=str)
def test_a_part_of_cloud_yml(example: Example, tmp_path: Path) -> None:
    data = yaml.load(example.text, Loader)
    if example.kind != "cloud":
        base = COLLECTION / "inventory" / example.kind.partition("=")[2] / "cloud.yml"
        data = merge(yaml.load(base.read_text(), Loader), data)
    assert problems_of(tmp_path, data) == []


@pytest.mark.parametrize("example", [one for one in OWN if one.kind.startswith("record")], ids=str)
def test_a_record_of_addresses(example: Example, tmp_path: Path) -> None:
    base = COLLECTION / "inventory" / example.kind.partition("=")[2] / "cloud.yml"
    (tmp_path / "cloud.addresses.yml").write_text(example.text)
    assert problems_of(tmp_path, yaml.load(base.read_text(), Loader)) == []


@pytest.mark.parametrize("example", [one for one in OWN if one.kind == "declaration"], ids=str)
def test_a_declaration(example: Example) -> None:
    for name, declaration in yaml.load(example.text, Loader).items():
        assert re.fullmatch("__[a-z]+_service", name)
        assert set(declaration) <= set(render.DECLARATION)
        for config in declaration.get("config", {}).values():
            assert set(config) <= render.CONFIG_KEYS
        for container in declaration.get("containers", {}).values():
            assert set(container) - {"since", "before", "value", "otherwise"} <= render.CONTAINER_KEYS


def options_of(module: str) -> dict[str, Any]:
    """The documented options of a module of the collection."""
    text = (COLLECTION / "plugins" / "modules" / f"{module}.py").read_text()
    block = re.search(r'^DOCUMENTATION = r?"""\n(.*?)^"""', text, re.M | re.S)
    assert block
    return dict(yaml.safe_load(block[1]).get("options") or {})


def unknown(given: Any, known: Mapping[str, Any], path: str) -> list[str]:
    """Options that a module does not have; templates are left alone."""
    found: list[str] = []
    for key, value in given.items() if isinstance(given, dict) else ():
        if key not in known:
            found.append(f"{path}.{key}")
            continue
        inner = known[key].get("suboptions")
        for item in (value if isinstance(value, list) else [value]) if inner else ():
            found += unknown(item, inner, f"{path}.{key}")
    return found


@pytest.mark.parametrize("example", REFERENCE, ids=str)
def test_an_example_of_a_plugin(example: Example) -> None:
    data = yaml.load(example.text, Loader)
    assert data
    for task in data if isinstance(data, list) else ():
        for action, given in task.items():
            prefix, _dot, module = action.rpartition(".")
            if prefix == "ozone.openstack":
                assert unknown(given, options_of(module), module) == []


@pytest.mark.parametrize("file", sorted(COLLECTION.glob("inventory/*/cloud.yml")), ids=lambda file: file.parent.name)
def test_the_clouds_of_the_inventory(file: Path) -> None:
    definition.load(file)


@pytest.mark.parametrize(
    ("service", "variable", "value", "wanted"),
    [
        ("node", "node_accounts", [{"name": "root", "authorized_keys": ["x"]}], "root: this account is what Ozone"),
        ("node", "node_sysctl", {"a b": 1}, "'a b' is no name of a kernel parameter"),
        ("mariadb", "mariadb_options", {"x": {"y": 1}}, "x: a text, number, boolean or a list of them is needed"),
    ],
)
def test_what_a_service_refuses_is_refused_when_the_file_is_read(
    tmp_path: Path, service: str, variable: str, value: Any, wanted: str
) -> None:
    base = yaml.safe_load((COLLECTION / "inventory" / "multinode" / "cloud.yml").read_text())
    found = problems_of(tmp_path, merge(base, {"overrides": {service: {"variables": {variable: value}}}}))
    assert found and all(f"overrides.{service}.variables.{variable}: " in line for line in found)
    assert any(wanted in line for line in found), found


def test_the_checks_find_mistakes(tmp_path: Path) -> None:
    base = yaml.safe_load((COLLECTION / "inventory" / "multinode" / "cloud.yml").read_text())
    wrong = merge(base, {"overrides": {"nova": {"containers": {"nova_compute": {"privileged": True}}}}})
    assert any("privileged: unknown key" in line for line in problems_of(tmp_path, wrong))
    assert unknown({"nams": 1}, {"name": {}}, "m") == ["m.nams"]
