# SPDX-License-Identifier: Apache-2.0
"""Scalars as the operator meant them: where a text is meant, the text that is written in the file.

YAML reads ``50E3``, ``1.10``, ``0x5000c500a1b2c3d4`` and ``ON`` as numbers and a boolean. What is meant is a matter of
the place: the JSON schema of the document says so, for a variable of a role its argument spec, for an object of a
network configuration the vocabulary of os-net-config.

Where a place takes texts and other types as well (an option of a configuration file), a number or a boolean stays one
if it is written in its usual form (``7200``, ``2.5``, ``true``), as it means the same then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import schema
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import Document, Path_
from ansible_collections.ozone.openstack.plugins.module_utils.network import vocabulary

if TYPE_CHECKING:
    from ansible_collections.ozone.openstack.plugins.module_utils.cloud.catalogue import Catalogue

#: Types of an argument spec (Ansible's) whose values are not texts.
_NO_TEXT = {"bool", "int", "float", "bits", "bytes"}
_MISSING: Any = object()


def usual(value: float | bool) -> str:
    """A number or a boolean as it is usually written."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _at(data: Any, path: Path_) -> Any:
    """The value at a path; ``_MISSING`` where there is none."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return data


def _scalars(document: Document) -> Iterator[tuple[Path_, Any, str]]:
    """Every number and boolean that is written without quotes: its path, its value, its text."""
    for path, text in document.written.items():
        value = _at(document.data, path)
        if isinstance(value, int | float):
            yield path, value, text


def by_schema(document: Document, title: str) -> Document:
    """The document with texts wherever its schema means them. ``title``: that of the schema."""
    changed: dict[Path_, Any] = {}
    for path, value, text in _scalars(document):
        if path[:1] == ("network_configs",) and title == schema.CLOUD["title"]:
            types = _object_types(path)
        else:
            types = schema.types_at(title, path)
        if "string" in types and (not _is(value, types) or text != usual(value)):
            changed[path] = text
    return document.with_values(changed)


def _is(value: Any, types: frozenset[str]) -> bool:
    """Whether a number or a boolean is of one of the types of a JSON schema."""
    if isinstance(value, bool):
        return "boolean" in types
    return "number" in types or (isinstance(value, int) and "integer" in types)


_ANY = frozenset({"string", "number", "integer", "boolean"})


@cache
def _vocabulary() -> dict[str, frozenset[str]]:
    """Types by the name of a key, over all kinds of objects and what is in them."""
    found: dict[str, set[str]] = {}

    def add(one: Mapping[str, Any]) -> None:
        for name, inner in one.get("properties", {}).items():
            kinds = inner.get("type", ())
            # Booleans may be written in many ways, which the reader of network configurations knows.
            kinds = ["boolean"] if inner.get("format") == "boolean" else [kinds] if isinstance(kinds, str) else kinds
            found.setdefault(name, set()).update(kinds)
            for more in (inner, inner.get("items", {})):
                add(more)
            if "properties" not in inner.get("items", {}) and isinstance(inner.get("items", {}).get("type"), str):
                found[name].add(inner["items"]["type"])

    for kind in vocabulary.KINDS.values():
        add(kind)
    return {name: frozenset(kinds) for name, kinds in found.items()}


def _object_types(path: Path_) -> frozenset[str]:
    """What a value in a template of a network configuration may be, by the last key above it."""
    keys = [part for part in path[2:] if isinstance(part, str)]
    if not keys:
        return frozenset()
    if len(keys) > 1 and keys[-2].endswith("_options"):
        return _ANY  # {miimon: 100}: options in the words of another program
    return frozenset({"string"}) if keys[-1] == "network" else _vocabulary().get(keys[-1], _ANY)


def by_roles(document: Document, known: Catalogue) -> Document:
    """The document with texts wherever the argument spec of a role means them, in variables of overrides."""
    changed: dict[Path_, Any] = {}
    for path, value, text in _scalars(document):
        if "variables" not in path:
            continue
        at = path.index("variables")
        if at < 2 or path[at - 2] != "overrides" or len(path) < at + 2:
            continue
        service = known.services.get(str(path[at - 1]))
        spec = ((service.variables if service else None) or {}).get(str(path[at + 1]))
        if spec is None:
            continue  # refused elsewhere
        kind = _kind(spec, path[at + 2 :])
        if kind == "str" or (kind not in _NO_TEXT and text != usual(value)):
            changed[path] = text
    return document.with_values(changed)


def _kind(spec: Mapping[str, Any], path: Path_) -> str:
    """The type of what is at ``path`` below an option; ``raw`` below a mapping without a spec of its own."""
    for part in path:
        inner = spec.get("options")
        if isinstance(part, int):
            spec = {"type": spec.get("elements", "raw"), "options": inner}
        elif inner and part in inner:
            spec = inner[part]
        else:
            return "raw"
    return str(spec.get("type", "str"))
