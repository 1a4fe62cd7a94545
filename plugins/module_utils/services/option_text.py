# SPDX-License-Identifier: Apache-2.0
"""Options of other programs that an operator gives as a mapping: what their values are in a file.

The mapping comes from cloud.yml, where a text is as it was written, or from group_vars and ``-e``, where Ansible has
made a boolean of ``ON`` and ``yes`` already. So a boolean, and a word for one, mean the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import DeclarationError

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def boolean(value: Any) -> bool | None:
    """The boolean that a value is, or is a word for; None for anything else."""
    return value if isinstance(value, bool) else _WORDS.get(str(value).lower())


def given(variable: str, values: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """Names and values in alphabetical order, without those whose value is None: they are left to the program.

    :raises DeclarationError: a value that is a mapping, or a list of lists; names the variable and the key.
    """
    for name, value in sorted((values or {}).items()):
        if isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(v, list | dict) for v in value)):
            raise DeclarationError(f"{variable}: {name}: a text, number, boolean or a list of them is needed")
        if value is not None:
            yield str(name), value
