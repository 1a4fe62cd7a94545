# SPDX-License-Identifier: Apache-2.0
"""The record of addresses: which address each node was given, in a file beside cloud.yml.

The record wins over the proposals of ``addresses.py``; only ``addresses`` of a node in cloud.yml wins over the record.
It belongs into version control. This module reads and makes its text; nothing here writes a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils import ip
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import Document, Problem, read

#: What the name of a record ends with.
SUFFIX = ".addresses.yml"

#: node -> network -> address
Entries = Mapping[str, Mapping[str, str]]

_HEADER = """\
# The addresses of the nodes of {cloud}. They were given once, and change only when cloud.yml says so (`addresses` of a
# node). Ozone adds what is new (`make addresses`) and keeps the file sorted; other comments are lost. Commit it with
# {cloud}. A node that has left keeps its address reserved: delete its lines when the machine is gone.

"""

_PLAIN = re.compile(r"[a-z][a-z0-9_-]*")
#: Words that YAML 1.1 does not take as strings.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True)
class Record:
    """A record as read. ``document`` knows the lines; ``entries`` have addresses in the spelling of RFC 5952."""

    document: Document
    entries: Entries = field(default_factory=dict)

    def where(self, node: str, network: str) -> str:
        """``file:line`` of an address."""
        return f"{self.document.file}:{self.document.line((node, network))}"


@dataclass(frozen=True)
class Addition:
    """An address that is not in the record. ``before``: the one that is there instead, or empty."""

    node: str
    network: str
    address: str
    before: str = ""

    def __str__(self) -> str:
        return f"{self.node} {self.network} {self.address}" + (f" instead of {self.before}" if self.before else "")


#: For a cloud that has no record, or where it does not matter.
EMPTY = Record(Document("", None))


def record_file(cloud_file: Path) -> Path:
    """The record of a cloud: ``cloud.addresses.yml`` for ``cloud.yml``.

    It is beside the file itself, not beside a symbolic link to it: whichever way a definition is read, its record is
    the same.
    """
    real = cloud_file.resolve()
    return real.with_name(f"{real.stem}{SUFFIX}")


def is_record(path: Path) -> bool:
    """Whether a file is the record of a definition beside it."""
    if not path.name.endswith(SUFFIX):
        return False
    stem = path.name.removesuffix(SUFFIX)
    return any(path.with_name(f"{stem}{extension}").exists() for extension in (".yml", ".yaml"))


def load(path: Path) -> tuple[Record, list[Problem]]:
    """The record in a file, and what is wrong with its form. A file that does not exist is an empty record."""
    if not path.exists():
        return Record(Document(str(path), None)), []
    document, problems = read(path)
    entries: dict[str, dict[str, str]] = {}
    remedy = "write `node:`, and below it `network: address`, a line each"
    if document.data is None:
        return Record(document), problems
    if not isinstance(document.data, dict):
        return Record(document), [*problems, document.problem((), "must be a mapping of nodes", remedy)]
    for node, networks in document.data.items():
        if not isinstance(networks, dict):
            problems.append(document.problem((node,), "must be a mapping of networks to addresses", remedy))
            continue
        for network, text in networks.items():
            try:
                entries.setdefault(node, {})[network] = str(ip.address(text if isinstance(text, str) else ""))
            except ValueError as error:
                problems.append(document.problem((node, network), f"{text!r} is no address: {error}", remedy))
    return Record(document, entries), problems


def merged(entries: Entries, additions: Iterable[Addition]) -> dict[str, dict[str, str]]:
    """The entries of a record with additions."""
    found = {node: dict(networks) for node, networks in entries.items()}
    for addition in additions:
        found.setdefault(addition.node, {})[addition.network] = addition.address
    return found


def text(entries: Entries, cloud: str) -> str:
    """The text of a record, sorted, one address a line. ``cloud``: the name of the definition's file."""
    lines = [_HEADER.format(cloud=cloud)]
    for node in sorted(entries):
        if entries[node]:
            lines.append(f"{_scalar(node)}:\n")
            lines += [f"  {_scalar(network)}: {_scalar(entries[node][network])}\n" for network in sorted(entries[node])]
    return "".join(lines)


def _scalar(value: Any) -> str:
    """A string as every YAML parser reads it: addresses of IPv6 and names that look like numbers in quotes."""
    plain = _PLAIN.fullmatch(value) and value not in _WORDS
    return value if plain or re.fullmatch(r"[0-9]+(\.[0-9]+){3}", value) else f'"{value}"'
