# SPDX-License-Identifier: Apache-2.0
"""What an operator changes of the services: merging the levels, and refusing what does not exist.

Levels, later ones win: cloud, site, profile, node. Mappings are merged key by key; everything else (a list, a text, a
number, null) of a later level replaces what an earlier one said. A value of an option is replaced as a whole, also
``{multi: [...]}``, and the ``content`` of a file takes the place of another level's ``src``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import references, schema
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.catalogue import Catalogue, Service
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import (
    Document,
    Path_,
    Problem,
    did_you_mean,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.oslo import merge_sections
from ansible_collections.ozone.openstack.plugins.module_utils.services import VARIABLE_CHECKS


def merge(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` changed by ``more``. Neither is modified; the result may share parts with both."""
    merged = dict(base)
    for key, value in more.items():
        old = merged.get(key)
        parts = isinstance(old, Mapping) and isinstance(value, Mapping)
        if parts and not references.is_reference(old) and not references.is_reference(value):
            value = merge(old or {}, value)
        merged[key] = value
    return merged


def levels(data: Mapping[str, Any]) -> Iterator[tuple[Path_, Mapping[str, Any]]]:
    """Every mapping of overrides that a definition has, with the path of its key."""
    if data.get("overrides"):
        yield ("overrides",), data["overrides"]
    for kind in ("sites", "profiles", "nodes"):
        for name, value in (data.get(kind) or {}).items():
            if value.get("overrides"):
                yield (kind, name, "overrides"), value["overrides"]


def for_node(data: Mapping[str, Any], site: str, profile: str, node: str) -> dict[str, Any]:
    """The merged overrides of one node, of all services that any level names."""
    merged: dict[str, Any] = {}
    for source in (data, data["sites"][site], data["profiles"][profile], data["nodes"][node]):
        if source.get("overrides"):
            merged = merge_services(merged, source["overrides"])
    return merged


def merge_services(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides of services, changed by those of a later level."""
    merged = merge(base, more)
    for service in set(base) & set(more):
        for key, combine in (("config", _merge_config), ("files", _merge_files)):
            before, after = base[service].get(key), more[service].get(key)
            if before and after:
                merged[service] = {**merged[service], key: combine(before, after)}
    return merged


def _merge_config(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """File -> section -> option."""
    return {**base, **{file: merge_sections(base.get(file, {}), sections) for file, sections in more.items()}}


def _merge_files(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A later level says where the text comes from; attributes of which it says nothing stay."""
    merged = dict(base)
    for path, file in more.items():
        kept = base.get(path) or {}
        merged[path] = file and {**{key: item for key, item in kept.items() if key not in schema.FILE_SOURCES}, **file}
    return merged


def absolute_sources(override: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """One service's overrides with the ``src`` of its files made absolute."""
    if "files" not in override:
        return dict(override)
    files = {
        name: {**file, "src": str(directory / file["src"])} if file and "src" in file else file
        for name, file in override["files"].items()
    }
    return {**override, "files": files}


def check(
    document: Document,
    data: Mapping[str, Any],
    known: Catalogue,
    profiles: Mapping[str, Mapping[str, Any]] | None,
    directory: Path,
) -> list[Problem]:
    """Overrides of what does not exist.

    ``data``: the definition without what the schema refused; ``profiles``: the services of each profile, or None where
    other mistakes leave open who runs what; ``directory``: that of cloud.yml, where sources of files are looked for.
    """
    nodes: Mapping[str, Any] = data.get("nodes") or {}
    only_site = next(iter(data.get("sites") or {}), "")
    problems: list[Problem] = []
    for path, value in levels(data):
        kind, name = (str(path[0]), str(path[1])) if len(path) > 1 else ("", "")
        concerned = {
            str(node.get("profile"))
            for key, node in nodes.items()
            if kind == ""
            or name == {"sites": node.get("site", only_site), "profiles": node.get("profile"), "nodes": key}[kind]
        }
        if kind == "profiles":
            concerned.add(name)
        running = {service for profile in concerned for service in (profiles or {}).get(profile, ())}
        where = {
            "": "no node of the cloud",
            "sites": f"no node of the site {name}",
            "profiles": f"no node of the profile {name}",
        }
        for service, override in value.items():
            here = (*path, service)
            if service not in known.services:
                problems.append(
                    document.problem(here, f"unknown service {service}", did_you_mean(service, known.services))
                )
                continue
            if profiles is not None and service not in running:
                message = (
                    f"{where.get(kind, f'the node {name} does not run')}{'' if kind == 'nodes' else ' runs'} {service}"
                )
                problems.append(document.problem(here, message, "remove the override, or add the service to a profile"))
            problems += check_service(document, here, known.services[service], override, directory)
    return problems


def check_service(
    document: Document, path: Path_, service: Service, override: Mapping[str, Any], directory: Path
) -> list[Problem]:
    """Files, containers and variables of one service that do not exist."""
    problems: list[Problem] = []
    for key, word in (("config", "configuration file"), ("containers", "container")):
        known = service.get(key, {})
        for name in override.get(key, {}):
            if name not in known:
                message = f"{service.name} has no {word} {name}"
                problems.append(document.problem((*path, key, name), message, did_you_mean(name, known)))
    for name, file in override.get("files", {}).items():
        for tail, message, remedy in _check_file(service, name, file or {}, directory):
            problems.append(document.problem((*path, "files", name, *tail), message, remedy))
    for tail, reference in references.find(override, path):
        name = reference.get(references.SECRET)
        if name is not None and not references.NAME.match(name):
            remedy = "a name begins with a small letter and has letters, digits, _ and - only"
            problems.append(document.problem(tail, f"{name!r} is no name of a secret", remedy))
    return problems + check_variables(document, (*path, "variables"), service, override.get("variables", {}))


def _check_file(
    service: Service, name: str, file: Mapping[str, Any], directory: Path
) -> Iterator[tuple[Path_, str, str]]:
    """Mistakes of a file: the key below it, what is wrong, what to do."""
    containers = service.get("containers", {})
    if name.startswith("/"):
        if "containers" in file:
            remedy = "remove `containers`, or give a path relative to the configuration directory"
            yield ("containers",), "a file of the node is in no container", remedy
    elif not containers:
        remedy = "a path that begins with / is a file of the node"
        yield (), f"{service.name} has no containers that could read further files", remedy
    elif name in service.get("config", {}):
        remedy = "set its options below `config`, or choose another name"
        yield (), f"{name} is a configuration file that Ozone writes", remedy
    else:
        for index, container in enumerate(file.get("containers", ())):
            if container not in containers:
                remedy = did_you_mean(container, containers)
                yield ("containers", index), f"{service.name} has no container {container}", remedy
    if isinstance(file.get("content"), Mapping) and not references.is_reference(file["content"]):
        yield ("content",), "must be a text or a secret", "write {secret: NAME}, or `config` for options by section"
    if "src" in file:
        source = directory / file["src"]
        try:
            source.read_text(encoding="utf-8")
        except FileNotFoundError:
            yield ("src",), f"there is no file {source}", "paths are relative to cloud.yml"
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            yield ("src",), f"{source} cannot be read: {reason}", "give the path of a text file"


def check_variables(document: Document, path: Path_, service: Service, values: Mapping[str, Any]) -> list[Problem]:
    """Variables that the role does not have, and values that are not of its type; null stands for the role's default.

    Types are judged by Ansible's own validator, with which the role's argument specs are checked at run time as well.
    It takes what it could convert (``"no"`` for a boolean, ``a,b`` for a list), and the role sees the value as it was:
    that is refused here.
    """
    if not values:
        return []
    # Imported late: the catalogue and the checks can be used without Ansible.
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    problems: list[Problem] = []
    options = service.variables or {}
    for name, value in values.items():
        if name not in options:
            message = f"the role {service.name} has no variable {name}"
            problems.append(document.problem((*path, name), message, did_you_mean(name, options)))
            continue
        if value is None:
            continue
        spec = {
            key: item
            for key, item in options[name].items()
            if key not in ("required", "description", "default", "version_added")
        }
        value = references.resolve(value, lambda reference: "secret")
        result = ArgumentSpecValidator({name: spec}).validate({name: value})
        for error in result.error_messages:
            problems.append(
                document.problem(
                    (*path, name), str(error).rstrip("."), f"see the variable in the README of the role {service.name}"
                )
            )
        if result.error_messages:
            continue
        other = list(_other_type(options[name], value))
        for tail, message, remedy in other or _judged(name, value):
            problems.append(document.problem((*path, name, *tail), message, remedy))
    return problems


def _judged(name: str, value: Any) -> Iterator[tuple[Path_, str, str]]:
    """What the service that a variable is for would refuse of it, when it is rendered."""
    try:
        VARIABLE_CHECKS.get(name, id)(value)
    except ValueError as error:
        for line in str(error).splitlines():
            yield (), line.removeprefix(f"{name}: "), "see the variable in the README of its role"


#: Types of argument specs that a text can be converted to: the Python types of their values, and what to write.
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "write true or false, without quotes"),
    "int": ((int,), "write a whole number, without quotes"),
    "float": ((int, float), "write a number, without quotes"),
    "list": ((list,), "write a list: [...]"),
    "dict": ((dict,), "write a mapping: {...}"),
    "str": ((str, int, float), "put it in quotes"),  # "heartbeat: 10" without quotes is a mapping
}


def _other_type(spec: Mapping[str, Any], value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, str, str]]:
    """Values that Ansible's validator would convert: the path below the variable, what is wrong, what to do."""
    kind = str(spec.get("type", "str"))
    if kind in _TYPES:
        types, remedy = _TYPES[kind]
        if not isinstance(value, types) or (isinstance(value, bool) and kind not in ("bool", "str")):
            yield path, f"must be of type {kind}, not {value!r}", remedy
            return
    inner = spec.get("options") or {}
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _other_type({"type": spec.get("elements", "raw"), "options": inner}, item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in inner and item is not None:
                yield from _other_type(inner[key], item, (*path, key))
