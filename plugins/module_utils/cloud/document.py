# SPDX-License-Identifier: Apache-2.0
"""YAML files with the line of every key, and the mistakes that are found in them.

PyYAML's resolver follows YAML 1.1, where ``52:54:00:12:34:56`` is a number in base 60 and ``2026-04-01`` a date; the
types of YAML 1.2's core schema are used for numbers here, so that a MAC address stays a text. What else a plain scalar
was read as, its text is kept beside it: ``0x10``, ``1.10`` and ``ON`` are a number and a boolean only where those are
meant (``scalars.py``). A key is a text always.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.references import VAULT

#: A key path: names of mappings and indexes of lists, from the top of the document.
Path_ = tuple[str | int, ...]

_PLAIN = re.compile(r"^[A-Za-z0-9_-]+$")


def show_path(path: Iterable[str | int]) -> str:
    """A key path as people read it: ``nodes.node1.addresses``, ``profiles.all.services[2]``, ``config."a.b"``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _PLAIN.match(part) else f'"{part}"')
    return text


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a file: where it is, what is wrong (one sentence) and what to do about it."""

    file: str
    line: int
    key: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return (
            where + (f"{self.key}: " if self.key else "") + self.message + (f" ({self.remedy})" if self.remedy else "")
        )


class CloudError(Exception):
    """A definition was refused. ``problems`` holds every mistake that was found, in the order of the files' lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: list[Problem] = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    if not names:
        return "there are none"
    shown = ", ".join(names[:16]) + (", ..." if len(names) > 16 else "")
    return f"known: {shown}"


@dataclass(frozen=True)
class Document:
    """The data of one YAML file. ``lines`` maps a key path to the line of its key or list item, counted from 1.

    ``written`` maps the path of a number or a boolean to the text in the file.
    """

    file: str
    data: Any
    lines: Mapping[Path_, int] = field(default_factory=dict)
    written: Mapping[Path_, str] = field(default_factory=dict)

    def line(self, path: Path_) -> int:
        """The line of ``path``, or of the nearest key above it; 0 for an empty document."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 0

    def with_values(self, values: Mapping[Path_, Any]) -> Document:
        """The document with other values at some paths, all of which there are; this one stays as it is."""
        if not values:
            return self
        return replace(self, data=_with_values(self.data, values))

    def problem(self, path: Path_, message: str, remedy: str = "") -> Problem:
        """A mistake at ``path``."""
        return Problem(self.file, self.line(path), show_path(path), message, remedy)


def _with_values(data: Any, values: Mapping[Path_, Any]) -> Any:
    if () in values:
        return values[()]
    below: dict[str | int, dict[Path_, Any]] = {}
    for path, value in values.items():
        below.setdefault(path[0], {})[path[1:]] = value
    copy: Any = dict(data) if isinstance(data, dict) else list(data)
    for key, inner in below.items():
        copy[key] = _with_values(copy[key], inner)
    return copy


# The parser in C is ten times faster, and not on every computer.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """A safe loader with the numbers of YAML 1.2 and without dates."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^(?:[-+]?[1-9][0-9]*|[-+]?0|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)


#: The tags that Ansible gives an encrypted value.
_VAULT_TAGS = ("!vault", "!vault-encrypted")


class _Builder:
    """Makes plain data of YAML nodes, and notes lines and mistakes by the way."""

    def __init__(self, file: str, loader: Any) -> None:
        self.file = file
        self.loader = loader
        self.lines: dict[Path_, int] = {}
        self.written: dict[Path_, str] = {}
        self.problems: list[Problem] = []

    def add(self, line: int, path: Path_, message: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, line, show_path(path), message, remedy))

    def build(self, node: Any, path: Path_, above: frozenset[int]) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self.written.pop(path, None)  # that of a value which "<<" brought
        if id(node) in above:
            self.add(line, path, "an alias that contains itself", "write the value out")
            return None
        if isinstance(node, yaml.SequenceNode):
            below = above | {id(node)}
            return [self.build(item, (*path, index), below) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, above | {id(node)})
        if node.tag in _VAULT_TAGS:
            return self.vaulted(node, path, line)
        try:
            value = self.loader.construct_object(node, deep=True)
            if isinstance(value, int | float):
                self.written[path] = str(node.value)
            return value
        except (yaml.YAMLError, ValueError) as error:
            self.add(
                line, path, f"not a value: {getattr(error, 'problem', None) or error}", "write plain YAML without tags"
            )
            return None

    def vaulted(self, node: Any, path: Path_, line: int) -> dict[str, str] | None:
        """A value that ansible-vault has encrypted, as Ansible writes it in JSON."""
        text = "\n".join(str(node.value).split())
        if not text.startswith("$ANSIBLE_VAULT;"):
            self.add(line, path, "not a value that ansible-vault has encrypted", "use ansible-vault encrypt_string")
            return None
        return {VAULT: text + "\n"}

    def mapping(self, node: Any, path: Path_, above: frozenset[int]) -> dict[str, Any]:
        self.duplicates(node, path)
        try:
            self.loader.flatten_mapping(node)  # "<<": what it merges comes first, so that later keys win
        except yaml.YAMLError as error:
            self.add(
                node.start_mark.line + 1,
                path,
                f"cannot merge: {getattr(error, 'problem', error)}",
                "merge mappings only",
            )
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.add(line, path, "a key that is a list or a mapping", "use a word as the key")
                continue
            key = str(key_node.value)
            self.lines[(*path, key)] = line
            data[key] = self.build(value_node, (*path, key), above)
        return data

    def duplicates(self, node: Any, path: Path_) -> None:
        first: dict[Hashable, int] = {}
        for key_node, _value in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                line = key_node.start_mark.line + 1
                if key_node.value in first:
                    remedy = f"it is on line {first[key_node.value]} already; keep one of them"
                    self.add(line, (*path, key_node.value), "this key is there twice", remedy)
                first.setdefault(key_node.value, line)


def parse(text: str, file: str) -> tuple[Document, list[Problem]]:
    """The document in ``text``, and the mistakes of the YAML itself: syntax, duplicate keys, keys that are no scalars.

    A document with a syntax error has no data (None).
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        builder = _Builder(file, loader)
        data = None if node is None else builder.build(node, (), frozenset())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        column = f", column {mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        remedy = "look at the indentation, colons and quotes of this line and of the one before"
        return Document(file, None), [Problem(file, line, "", f"not valid YAML: {what}{column}", remedy)]
    finally:
        loader.dispose()
    return Document(file, data, builder.lines, builder.written), builder.problems


def read(path: Path, show: str | None = None) -> tuple[Document, list[Problem]]:
    """``parse`` of a file; ``show`` is how to call it in messages. A file that cannot be read is a mistake as well."""
    name = show or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        return Document(name, None), [Problem(name, 0, "", f"cannot be read: {reason}", "give the path of a text file")]
    return parse(text, name)
