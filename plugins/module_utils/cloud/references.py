# SPDX-License-Identifier: Apache-2.0
"""Secrets in cloud.yml: ``{secret: NAME}`` for one of the secret source, or a value that ansible-vault has encrypted.

Both stay what they are in the inventory, in facts and in reports. The value is put in where a service is rendered, on
the deployment host.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

SECRET = "secret"  # noqa: S105 -- a key, not a value
#: What Ansible calls an encrypted value in JSON; ``document.py`` makes it of the tag ``!vault``.
VAULT = "__ansible_vault"

NAME = re.compile(r"[a-z][a-zA-Z0-9_-]*\Z")

#: Gives the value that a reference stands for.
Reveal = Callable[[Mapping[str, str]], str]


def is_reference(value: Any) -> bool:
    """Whether a value of the definition stands for a secret."""
    return isinstance(value, Mapping) and len(value) == 1 and isinstance(value.get(SECRET, value.get(VAULT)), str)


def find(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, str]]]:
    """Every reference in a value, with its path."""
    if is_reference(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from find(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from find(item, (*path, index))


def resolve(value: Any, reveal: Callable[[Mapping[str, str]], Any]) -> Any:
    """A copy of ``value`` with what ``reveal`` gives for each reference."""
    if is_reference(value):
        return reveal(value)
    if isinstance(value, Mapping):
        return {key: resolve(item, reveal) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, reveal) for item in value]
    return value


def template(reference: Mapping[str, str]) -> str:
    """The Jinja expression that looks the value up, for a variable of a host."""
    if SECRET in reference:
        if not NAME.match(reference[SECRET]):
            raise ValueError(f"{reference[SECRET]!r} is no name of a secret")
        return "{{ lookup('ozone.openstack.secret', '" + reference[SECRET] + "') }}"
    lines = reference[VAULT].split()
    if not lines or not all(re.fullmatch(r"[A-Za-z0-9$;._-]+", line) for line in lines):
        raise ValueError("not a value that ansible-vault has encrypted")
    return "{{ lookup('ozone.openstack.secret', vault='" + "\\n".join(lines) + "') }}"
