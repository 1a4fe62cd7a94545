# SPDX-License-Identifier: Apache-2.0
"""The reference of cloud.yml and of meta/service.yml, made of their schemas.

``python -m ansible_collections.ozone.openstack.plugins.module_utils.cloud.reference [cloud|service]`` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.schema import CLOUD, OVERRIDES, SERVICE, Schema

_INTRODUCTION = {
    "cloud": """\
One file defines a cloud. The inventory plugin `ozone.openstack.cloud` checks it and makes groups and variables of it;
`ansible-inventory -i cloud.yml --graph` shows them. Unknown keys are refused. A word in angle brackets stands for names
of your choice.""",
    "service": """\
Every service role has the file `meta/service.yml`: what can be said of the service without any cloud, as data without
Jinja. Start order, load balancer, accounts, endpoints and the checks of a cloud follow from it. Unknown keys are
refused. A word in angle brackets stands for names of your choice.""",
}

#: What stands behind the names of JSON schema's types.
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true/false", "null": "null"}


def _type(schema: Schema) -> str:
    """The type of a value in a few words."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "type" not in schema:
        return "anything"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    words = []
    for kind in kinds:
        if kind == "array":
            items = schema.get("items", {})
            words.append("list" if isinstance(items.get("type"), list) else f"list of {_type(items)}")
        elif kind == "object":
            words.append("mapping")
        else:
            words.append({"address": "address", "network": "subnet"}.get(schema.get("format", ""), _TYPES[kind]))
    return " or ".join(words)


def _rows(schema: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    """Every key below ``schema``: its path, its schema, and whether it is required."""
    if schema is OVERRIDES and path:
        return
    required = schema.get("required", [])
    for key, value in schema.get("properties", {}).items():
        here = f"{path}.{key}" if path else key
        yield here, value, key in required
        yield from _rows(value, here)
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and "name" in schema:
        here = f"{path}.<{schema['name']}>" if path else f"<{schema['name']}>"
        yield here, more, False
        yield from _rows(more, here)
    items = schema.get("items")
    if isinstance(items, dict) and (items.get("properties") or "name" in items):
        yield from _rows(items, f"{path}[]")


def _facts(schema: Schema, required: bool) -> str:
    """Default, limits and rules of a key."""
    facts = ["required"] if required else []
    if "default" in schema:
        value: Any = schema["default"]
        facts.append(f"default `{str(value).lower() if isinstance(value, bool) else value}`")
    if "minimum" in schema and "maximum" in schema:
        facts.append(f"{schema['minimum']} to {schema['maximum']}")
    elif "minimum" in schema:
        facts.append(f"at least {schema['minimum']}")
    names = schema.get("propertyNames", {}).get("rule")
    if names and "name" in schema:
        facts.append(f"{schema['name']}: {names}")
    if schema.get("rule"):
        facts.append(schema["rule"])
    return "; ".join(facts)


def _table(schema: Schema) -> list[str]:
    lines = ["| key | type | meaning |", "|---|---|---|"]
    for path, value, required in _rows(schema, ""):
        meaning = value.get("description", "")
        facts = _facts(value, required)
        if value is OVERRIDES:
            meaning = (
                "See [overrides](#overrides)."
                if path == "overrides"
                else "Overrides of this level: see [overrides](#overrides)."
            )
            facts = ""
        text = f"{meaning} ({facts})" if facts else meaning
        escaped = text.replace("|", "\\|")
        lines.append(f"| `{path}` | {_type(value)} | {escaped} |")
    return lines


def render_schema_markdown(name: str = "cloud") -> str:
    """The reference of ``cloud`` (cloud.yml) or ``service`` (meta/service.yml), as Markdown. Raises KeyError."""
    schema = {"cloud": CLOUD, "service": SERVICE}[name]
    lines = [f"# {schema['title']}", "", _INTRODUCTION[name], "", "## Keys", "", *_table(schema)]
    if name == "cloud":
        lines += ["", "## Overrides", "", OVERRIDES["description"], "", *_table(OVERRIDES)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render_schema_markdown(*sys.argv[1:2]))
