# SPDX-License-Identifier: Apache-2.0
"""Which options a configuration file of an image may have: the data that the image build has written.

They are those of ``oslo-config-generator --format json`` ("machine readable sample config"), completed by
``images/inside.py``: one file for each configuration file, ``<file>.json`` (or ``.yaml``), with ``options: {section:
{opts: [{name, dest, type, syntax, min, max, choices}]}}`` and ``deprecated_options: {section: [{name,
replacement_group, replacement_name}]}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import read
from ansible_collections.ozone.openstack.plugins.module_utils.generation.option_types import (
    UNTYPED,
    OptionType,
    type_of,
)

_BACKENDS = re.compile(r"^enabled(_[a-z_]+)?_backends$")

Options = dict[str, dict[str, dict[str, Any]]]


class OptionData:
    """What one configuration file may contain. ``sections``: section -> option (both spellings) -> its description."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.sections: Options = {}
        self.free: set[str] = set()
        self.owners: set[str] = set()
        for section, group in (data.get("options") or {}).items():
            names = {}
            for option in group.get("opts") or []:
                for name in (option["name"], option.get("dest") or option["name"]):
                    names[name.replace("-", "_")] = option
            self.sections[section] = names
            if "auth_type" in names and "auth_url" not in names:
                self.free.add(section)
            if group.get("dynamic_group_owner"):
                self.owners.add(group["dynamic_group_owner"].replace("-", "_"))
        self.former: dict[tuple[str, str], tuple[str, str]] = {}
        for section, entries in (data.get("deprecated_options") or {}).items():
            for entry in entries:
                new = (entry["replacement_group"], entry["replacement_name"].replace("-", "_"))
                self.former[section, entry["name"].replace("-", "_")] = new

    def named_sections(self, values: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """The sections that the values of options name. ``values``: section -> option -> value."""
        found: set[str] = set()
        for options in values.values():
            for name, value in options.items():
                if _BACKENDS.match(name) or name in self.owners:
                    parts = value if isinstance(value, list | Mapping) else str(value).split(",")
                    found |= {str(part).partition(":")[0].strip() for part in parts}
        return found - {""}

    def type_of(self, section: str, option: str) -> OptionType:
        """The type of an option; of one that the data do not have, nothing is known."""
        known = self.sections.get(section, {}).get(option)
        return type_of(known) if known is not None else UNTYPED


def load_options(directory: Path, file: str) -> OptionData | None:
    """The data of one configuration file, or None where there are none. Raises ValueError for unusable data."""
    path = directory / f"{file}.json"
    if path.exists():
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} is not JSON ({error}): build the image again") from error
    else:
        path = directory / f"{file}.yaml"
        if not path.exists():
            return None
        document, problems = read(path)
        if problems:
            raise ValueError(str(problems[0]))
        data = document.data
    try:
        return OptionData(data)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no options of oslo.config: build the image again") from error
