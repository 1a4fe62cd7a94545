# SPDX-License-Identifier: Apache-2.0
"""Overridden options of oslo configuration files, checked against what the image says that it knows.

A file without data (see ``generation/option_data.py``) cannot be checked here; the validator inside the image sees it
later.

Sections that data cannot know by name, as they are made by configuration, are recognised so:

- a section that the value of an option names: ``enabled_backends: fast:rbd`` (an option called
  ``enabled_..._backends``, or one that is the ``dynamic_group_owner`` of a section) makes ``[fast]`` possible, with any
  option;
- a section with ``auth_type`` but without ``auth_url`` comes from data that lack the options of authentication
  plug-ins: there any option is possible.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import references
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.catalogue import Catalogue
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.definition import Cloud
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import (
    Document,
    Path_,
    Problem,
    did_you_mean,
)
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.overrides import levels, merge_services
from ansible_collections.ozone.openstack.plugins.module_utils.generation.option_data import OptionData, load_options
from ansible_collections.ozone.openstack.plugins.module_utils.generation.option_types import (
    UNTYPED,
    Literal,
    ValueRefused,
    write,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.option_types import (
    references as referred,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.oslo import merge_sections
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SHORTEST

#: Options that every service has: oslo.config registers them by itself.
_ALWAYS = ("config_dir", "config_file", "config_source")


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
            everything = merge_sections((base or {}).get(file, {}), sections)
            problems += _check_file(data, sections, data.named_sections(everything), document, (*path, "config", file))
    return problems


def check_cloud(
    cloud: Cloud,
    catalogue: Catalogue,
    directories: Mapping[str, Path],
    reveal: Callable[[Mapping[str, str]], str] = lambda reference: "secret",
) -> list[Problem]:
    """``check_options`` of every override of a cloud, with the lines of cloud.yml.

    ``directories``: where the data of each image are. Services without containers, and images that are not built yet,
    are left out. ``reveal`` gives the secret that a reference stands for, or a text in its place; no message shows it.
    Raises ValueError for unusable data.
    """
    everything: dict[str, Any] = {}
    for _path, services in levels(cloud.data):
        everything = merge_services(everything, services)
    problems: list[Problem] = []
    for path, services in levels(cloud.data):
        for service, override in services.items():
            image = catalogue.services[service].get("image", "")
            if image in directories:
                base = everything[service].get("config", {})
                known = references.resolve(override, lambda reference: Literal(reveal(reference)))
                problems += check_options(known, directories[image], cloud.document, (*path, service), base)
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
                for message, remedy in _check_value(data, section, option, value):
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
            else:
                try:
                    write(UNTYPED, value)
                except ValueRefused as error:
                    yield document.problem((*here, option), str(error), error.remedy)


def _remedy(data: OptionData, section: str, option: str) -> str:
    """Where an unknown option may have been meant to go."""
    own = data.sections.get(section, {})
    if difflib.get_close_matches(option, own, n=1, cutoff=0.8):
        return did_you_mean(option, own)
    others = sorted(name for name, options in data.sections.items() if option in options)
    if others:
        return "it is an option of " + ", ".join(f"[{name}]" for name in others[:4])
    return did_you_mean(option, own)


def _check_value(data: OptionData, section: str, option: str, value: Any) -> Iterator[tuple[str, str]]:
    """Mistakes of one value: message and remedy."""
    try:
        write(data.type_of(section, option), value)
    except ValueRefused as error:
        yield str(error), error.remedy
    for name in sorted(set(_references(value))):
        if not _refers(data, section, name):
            base = name.rpartition(".")[0]
            remedy = f"write $$ for a dollar sign{f', or ${{{base}}}. for a reference' if base else ''}"
            yield f"${name} refers to an option that does not exist", remedy


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from referred(key)
            yield from _references(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _references(item)
    elif isinstance(value, str):
        yield from referred(value)


def _refers(data: OptionData, section: str, name: str) -> bool:
    """Whether a reference finds an option, in the order of oslo_config.cfg.ConfigOpts.StrSubWrapper.

    ``group.option``, else the option in the same section, else in [DEFAULT].
    """
    group, _, option = name.partition(".") if "." in name else ("", "", name)
    if group:
        return option in data.sections.get(group, {}) or group in data.free
    return option in _ALWAYS or any(option in data.sections.get(place, {}) for place in (section, "DEFAULT"))


def check_secrets(
    cloud: Cloud, generated: Mapping[str, str], stored: Mapping[str, Any], reveal: Callable[[Mapping[str, str]], str]
) -> list[Problem]:
    """References of overrides to secrets that are missing or of no use there, and values that cannot be decrypted.

    ``generated``: name -> kind of what the services of the cloud get; ``stored``: what the secret source has;
    ``reveal`` raises ValueError for a value that no known vault password fits.
    """
    problems: list[Problem] = []
    for path, services in levels(cloud.data):
        for where, reference in references.find(services, path):
            name = reference.get(references.SECRET)
            if name is None:
                try:
                    reveal(reference)
                except ValueError as error:
                    problems.append(cloud.document.problem(where, str(error)))
            elif isinstance(stored.get(name), str) and len(stored[name]) < SHORTEST:
                remedy = f"it needs {SHORTEST} characters at least"
                problems.append(cloud.document.problem(where, f"{name} is too short to be masked in logs", remedy))
            elif isinstance(stored.get(name), dict) or generated.get(name) == "fernet_keys":
                problems.append(cloud.document.problem(where, f"the secret {name} has several values", "use another"))
            elif name not in stored and name not in generated:
                remedy = f"write it: make secret ARGS='-e ozone_secret={name}'"
                problems.append(cloud.document.problem(where, f"there is no secret {name}", remedy))
    return problems
