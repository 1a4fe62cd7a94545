# SPDX-License-Identifier: Apache-2.0
"""Keystone's key repositories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def key_files(keys: Mapping[str, str], directory: str) -> dict[str, dict[str, Any]]:
    """The files of a key repository: ``{"<directory>/<index>": {"content": key}}``.

    Index 0 is the staged key and the highest index the primary one (Keystone, "Fernet - Frequently Asked Questions").
    """
    return {f"{directory}/{index}": {"content": key, "mode": "0640"} for index, key in sorted(keys.items())}
