# SPDX-License-Identifier: Apache-2.0
"""What differs between OpenStack releases, said in the declaration next to the option, argument, container or step.

A mapping anywhere in a declaration that has the key ``since`` or ``before`` counts in some releases only::

    project_network_types: {since: "2026.1", value: [geneve]}        # an option that is new
    tenant_network_types: {before: "2026.1", value: [geneve]}        # one that is gone
    argv: [agent, {since: "2025.2", value: --new-argument}]          # an argument
    agent: {since: "2025.2", argv: [agent], user: "0"}               # a container
    wsgi: {before: "2025.2", value: old.wsgi:app, otherwise: new.wsgi:app}

``value`` stands in its place; without ``value``, the mapping itself does, without these keys. In other releases
``otherwise`` stands there, and without it the entry is left out. Releases compare as text: ``2025.2`` < ``2026.1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import DeclarationError

_RELEASE = re.compile(r"\d{4}\.\d")
_LIMITS = ("since", "before")
_KEYS = {*_LIMITS, "value", "otherwise"}
_ABSENT = object()


def _limits(where: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """``since`` and ``before`` of a mapping, empty where there is none. :raises DeclarationError: not releases."""
    found = []
    for key in _LIMITS:
        value = data.get(key, "")
        if key in data and not _RELEASE.fullmatch(str(value)):
            raise DeclarationError(f'{where}.{key}: {value!r} is not a release; write one in quotes, such as "2026.1"')
        found.append(str(value))
    if all(found) and found[0] >= found[1]:
        raise DeclarationError(f"{where}: no release is since {found[0]} and before {found[1]}")
    if "value" in data and (unknown := sorted(set(data) - _KEYS)):
        raise DeclarationError(f"{where}: {', '.join(unknown)} beside `value`; `value` holds all that counts")
    return found[0], found[1]


def _conditional(data: Any) -> bool:
    return isinstance(data, Mapping) and any(key in data for key in _LIMITS)


def _resolve(where: str, data: Any, release: str) -> Any:
    if _conditional(data):
        since, before = _limits(where, data)
        if (not since or release >= since) and (not before or release < before):
            rest = {key: value for key, value in data.items() if key not in _KEYS}
            return _resolve(where, data.get("value", rest), release)
        return _resolve(where, data["otherwise"], release) if "otherwise" in data else _ABSENT
    if isinstance(data, Mapping):
        items = {key: _resolve(f"{where}.{key}", value, release) for key, value in data.items()}
        return {key: value for key, value in items.items() if value is not _ABSENT}
    if isinstance(data, list | tuple):
        entries = [_resolve(f"{where}[{number}]", value, release) for number, value in enumerate(data)]
        return [value for value in entries if value is not _ABSENT]
    return data


def for_release(where: str, data: Mapping[str, Any], release: str) -> dict[str, Any]:
    """``data`` as it counts in ``release``. ``where`` begins the messages.

    :raises DeclarationError: a limit that is no release, a range without a release, keys beside ``value``.
    """
    resolved = _resolve(where, data, release)
    return {} if resolved is _ABSENT else dict(resolved)


def limits(data: Any) -> Iterator[tuple[str, str]]:
    """Every limit in ``data``: ``("since" or "before", release)``. For a rule that finds those that no longer count."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            if key in _LIMITS:
                yield key, str(value)
            yield from limits(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from limits(value)
