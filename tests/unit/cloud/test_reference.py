# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import schema
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.reference import render_schema_markdown


def nodes(value: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, value
    for key, item in value.get("properties", {}).items():
        yield from nodes(item, f"{path}.{key}")
    for key in ("additionalProperties", "items"):
        if isinstance(value.get(key), dict):
            yield from nodes(value[key], f"{path}.{key}")


@pytest.mark.parametrize("title", ["CLOUD", "SERVICE"])
def test_every_key_is_described_and_no_mapping_is_open(title: str) -> None:
    for path, value in nodes(getattr(schema, title), title):
        if not path.endswith("additionalProperties.items"):  # a value of an option: described as a whole
            assert value.get("description"), path
        if value.get("type") == "object":
            assert "additionalProperties" in value, path


def test_schemas_are_valid() -> None:
    import jsonschema

    for one in (schema.CLOUD, schema.SERVICE):
        jsonschema.Draft202012Validator.check_schema(one)


def test_cloud() -> None:
    text = render_schema_markdown()
    assert text.startswith("# cloud.yml\n")
    assert "| `networks.<network>.subnets.<site>.cidr` | subnet | The subnet. (required;" in text
    assert "| `nodes.<node>.managed` | true/false |" in text
    assert "`plugin` | `ozone.openstack.cloud`" in text
    assert "see [overrides](#overrides)" in text
    assert "`<service>.config.<file>.<section>.<option>`" in text
    assert text.count("## Overrides") == 1


def test_service() -> None:
    text = render_schema_markdown("service")
    assert "| `front_ends.<front end>.mode` | one of `http`, `tcp` |" in text
    assert "one_of" in text
    assert "default `false`" in text


def test_unknown() -> None:
    with pytest.raises(KeyError):
        render_schema_markdown("x")


def test_as_a_program() -> None:
    command = [
        sys.executable,
        "-m",
        "ansible_collections.ozone.openstack.plugins.module_utils.cloud.reference",
        "service",
    ]
    path = next(entry for entry in sys.path if entry.endswith(".ansible/collections"))
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == render_schema_markdown("service")
