# SPDX-License-Identifier: Apache-2.0
"""Overridden options of oslo configuration files, checked against what the image says that it knows.

The data are those of ``oslo-config-generator --format yaml`` (oslo.config, "machine readable sample config"), written
by the image build: one file for each configuration file, ``<file>.json`` (or ``.yaml``), with ``options: {section:
{opts: [{name, dest, type, min, max, choices}]}}`` and ``deprecated_options: {section: [{name, replacement_group,
replacement_name}]}``. A file without data cannot be checked here; the validator inside the image sees it later.

Sections that data cannot know by name, as they are made by configuration, are recognised so:

- a section that the value of an option names: ``enabled_backends: fast:rbd`` (an option called
  ``enabled_..._backends``, or one that is the ``dynamic_group_owner`` of a section) makes ``[fast]`` possible, with any
  option;
- a section with ``auth_type`` but without ``auth_url`` comes from data that lack the options of authentication
  plug-ins: there any option is possible.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.catalogue import Catalogue
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.definition import Cloud
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import (
    Document,
    Path_,
    Problem,
    did_you_mean,
    read,
)
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.overrides import levels, merge

_BACKENDS = re.compile(r"^enabled(_[a-z_]+)?_backends$")
_MANY = ("list value", "multi valued", "dict value")
_TRUTH = frozenset({"true", "1", "on", "yes", "false", "0", "off", "no"})

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
                    parts = value if isinstance(value, list) else str(value).split(",")
                    found |= {str(part).partition(":")[0].strip() for part in parts}
        return found - {""}


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


def check_options(
    override: Mapping[str, Any],
    options_dir: Path,
    document: Document | None = None,
    path: Path_ = (),
    base: Mapping[str, Any] | None = None,
) -> list[Problem]:
    """Mistakes in the ``config`` of one service's overrides: unknown sections and options, and impossible values.

    ``options_dir`` holds the data of the service's image. ``document`` and ``path`` say, for messages, where the
    overrides are written. ``base`` is further configuration (file -> section -> option -> value) that may name
    sections: that of the other levels, or what Ozone writes by itself. Raises ValueError for unusable data.
    """
    document = document or Document("overrides", None)
    problems: list[Problem] = []
    for file, sections in (override.get("config") or {}).items():
        data = load_options(options_dir, file)
        if data is not None:
            everything = merge((base or {}).get(file, {}), sections)
            problems += _check_file(data, sections, data.named_sections(everything), document, (*path, "config", file))
    return problems


def check_cloud(cloud: Cloud, catalogue: Catalogue, directories: Mapping[str, Path]) -> list[Problem]:
    """``check_options`` of every override of a cloud, with the lines of cloud.yml.

    ``directories``: where the data of each image are. Services without containers, and images that are not built yet,
    are left out. Raises ValueError for unusable data.
    """
    everything: dict[str, Any] = {}
    for _path, services in levels(cloud.data):
        everything = merge(everything, services)
    problems: list[Problem] = []
    for path, services in levels(cloud.data):
        for service, override in services.items():
            image = catalogue.services[service].get("image", "")
            if image in directories:
                base = everything[service].get("config", {})
                problems += check_options(override, directories[image], cloud.document, (*path, service), base)
    return problems


def _check_file(
    data: OptionData, sections: Mapping[str, Mapping[str, Any]], named: set[str], document: Document, path: Path_
) -> Iterator[Problem]:
    for section, everything in sections.items():
        here = (*path, section)
        # null takes an option away: one override for several releases may name what only some of them know.
        options = {option: value for option, value in everything.items() if value is not None}
        if everything and not options:
            continue
        known = data.sections.get(section)
        if known is None:
            if section not in named and not any((section, option) in data.former for option in options):
                yield document.problem(here, f"unknown section [{section}]", did_you_mean(section, data.sections))
                continue
            known = {}
        for option, value in options.items():
            if option in known:
                for message, remedy in _check_value(known[option], value):
                    yield document.problem((*here, option), message, remedy)
            elif (section, option) in data.former:
                new_section, new_option = data.former[section, option]
                yield document.problem(
                    (*here, option), "a former name of the option", f"write [{new_section}] {new_option}"
                )
            elif section not in data.free and section not in named:
                yield document.problem(
                    (*here, option), f"unknown option in [{section}]", _remedy(data, section, option)
                )


def _remedy(data: OptionData, section: str, option: str) -> str:
    """Where an unknown option may have been meant to go."""
    own = data.sections.get(section, {})
    if difflib.get_close_matches(option, own, n=1, cutoff=0.8):
        return did_you_mean(option, own)
    others = sorted(name for name, options in data.sections.items() if option in options)
    if others:
        return "it is an option of " + ", ".join(f"[{name}]" for name in others[:4])
    return did_you_mean(option, own)


def _number(value: Any, kind: type[int] | type[float]) -> int | float | None:
    """A value as a number; None if it is none."""
    if isinstance(value, bool) or (kind is int and isinstance(value, float)):
        return None
    try:
        return kind(value)
    except (TypeError, ValueError):
        return None


def _shown(option: Mapping[str, Any], value: Any) -> str:
    """A value for a message; that of a secret option is not shown."""
    return "the value" if option.get("secret") else repr(value)


def _check_value(option: Mapping[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    """Mistakes of one value: message and remedy. A value with ``$`` refers to another option: not looked at."""
    kind = option.get("type") or ""
    if kind in _MANY or (isinstance(value, str) and "$" in value):
        return
    if isinstance(value, list):
        if kind != "unknown value":
            yield "takes one value, not a list", f"it is a {kind}"
        return
    if kind == "boolean value":
        if str(value).lower() not in _TRUTH:
            yield f"{_shown(option, value)} is neither true nor false", "write true or false"
        return
    number: int | float | None = None
    if kind in ("integer value", "port value"):
        number = _number(value, int)
        if number is None:
            yield f"{_shown(option, value)} is not a whole number", f"it is a{'n' if kind[0] == 'i' else ''} {kind}"
            return
    elif kind == "floating point value":
        number = _number(value, float)
        if number is None:
            yield f"{_shown(option, value)} is not a number", f"it is a {kind}"
            return
    yield from _check_limits(option, value, number)


def _check_limits(option: Mapping[str, Any], value: Any, number: int | float | None) -> Iterator[tuple[str, str]]:
    lowest, highest = option.get("min"), option.get("max")
    if number is not None:
        if lowest is not None and number < lowest:
            yield f"{_shown(option, value)} is too small", f"at least {lowest}"
        if highest is not None and number > highest:
            yield f"{_shown(option, value)} is too large", f"at most {highest}"
    choices = [str(choice[0] if isinstance(choice, list | tuple) else choice) for choice in option.get("choices") or []]
    if choices and str(value).lower() not in {choice.lower() for choice in choices}:
        remedy = "known: " + ", ".join(choices) if option.get("secret") else did_you_mean(str(value), choices)
        yield f"{_shown(option, value)} is not one of the choices", remedy
