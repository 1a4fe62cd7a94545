# SPDX-License-Identifier: Apache-2.0
"""Runs inside an image under construction, with its Python: writes down which options each configuration file knows.

Only the standard library is imported at the top: the file is copied into the image's build directory and started there.
Arguments: a JSON file ``{conf: {"namespaces": [...], "like": {group: other group}}}``, the directory for the slim YAML
that oslo-config-validator reads in the image, the directory for the complete JSON that goes to the deployment host.

What oslo-config-generator prints is completed in three ways:

- Of an option's type it tells the name alone. How a value of a list, a mapping or a repeated option is written (the
  type of the items, quotes, brackets) and what else the type checks comes from the option's definition: ``syntax``.
- A group with ``auth_type`` takes the options of keystoneauth's plug-ins, which exist only once a plug-in is chosen.
- A group that exists only by configuration (a privsep context, a Glance store) takes the options of another group.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: Plug-ins of keystoneauth that a service may use to reach another one.
AUTH_PLUGINS = ("password", "v3password", "v3applicationcredential", "v3token", "v3oidcclientcredentials", "none")

#: What is kept of an option for the deployment host. (The generator has a dozen more keys, mostly empty.)
KEPT = (
    "name",
    "dest",
    "type",
    "default",
    "choices",
    "min",
    "max",
    "help",
    "required",
    "secret",
    "deprecated_for_removal",
)


#: keystoneauth declares its options with plain types.
_TYPES = {bool: "boolean value", int: "integer value", float: "floating point value"}
_PLAIN = {str: "String", bool: "Boolean", int: "Integer", float: "Float"}

#: Types whose name in the generator's data says all, together with its min, max and choices.
_COMPLETE = ("String", "Boolean", "Integer", "Float", "Port")

#: What is kept of a type of oslo.config (oslo_config.types): attributes, and their values that mean nothing.
_TYPE_ATTRIBUTES = {
    "quotes": False,
    "ignore_case": False,
    "max_length": 0,
    "bounds": False,
    "key_value_separator": ":",
    "min_length": 0,
    "min": None,
    "max": None,
}


def syntax(kind: Any) -> dict[str, Any]:
    """How values of a type are written and checked, as far as it differs from the defaults of oslo.config.

    ``type``: the class of oslo_config.types, of the nearest one for a subclass, or ``unknown``. ``item``: the type of a
    list's items or of a mapping's values. ``version``: 4 or 6, of an IP address that must be of one version.
    """
    if isinstance(kind, type) and kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    classes = [cls.__name__ for cls in type(kind).__mro__ if cls.__module__ == "oslo_config.types"]
    if not classes or classes[0] == "ConfigType":
        return {"type": "unknown"}
    found: dict[str, Any] = {"type": classes[0]}
    for name, nothing in _TYPE_ATTRIBUTES.items():
        value = getattr(kind, name, None)
        if value not in (None, nothing) and isinstance(value, bool | int | float | str):
            found[name] = value
    if choices := getattr(kind, "choices", None):
        found["choices"] = list(choices)
    if regex := getattr(kind, "regex", None):
        found["regex"] = regex.pattern
    if schemes := getattr(kind, "schemes", None):
        found["schemes"] = list(schemes)
    checker = getattr(getattr(kind, "ip_address", kind), "version_checker", None)
    if checker is not None and checker.__name__[-1] in "46":
        found["version"] = int(checker.__name__[-1])
    item = getattr(kind, "item_type", None) or getattr(kind, "value_type", None)
    if item is not None:
        found["item"] = syntax(item)
    return found


def option_syntax(option: Any) -> dict[str, Any] | None:
    """``syntax`` of an option's type, with ``multi`` where the option may be repeated; None where its name says all."""
    found = syntax(option.type)
    if found["type"] == "MultiString":  # the type of MultiStrOpt: a string that says of itself that it is repeated
        found["type"] = "String"
    if option.multi:
        return {**found, "multi": True}
    said = {"type", "choices", "min", "max"}
    return None if found["type"] in _COMPLETE and set(found) <= said else found


def definitions(namespaces: Iterable[str]) -> dict[tuple[str, str], Any]:
    """The options of ``namespaces`` by group (in lower case) and name, from the entry points ``oslo.config.opts``."""
    found: dict[tuple[str, str], Any] = {}
    for namespace in namespaces:
        for entry in importlib.metadata.entry_points(group="oslo.config.opts", name=namespace):
            for group, options in entry.load()():
                for option in options:
                    name = str(getattr(group, "name", group) or "DEFAULT").lower()
                    found.setdefault((name, option.dest), option)
    return found


def names(option: dict[str, Any]) -> set[str]:
    """Spellings under which an option may stand in a file."""
    return {option["name"], option.get("dest") or option["name"]}


def plain(option: Any) -> dict[str, Any]:
    """An oslo.config Opt as the generator would print it, as far as it is kept."""
    kind = getattr(option.type, "type_name", None) or _TYPES.get(option.type, "string value")
    return {
        "name": option.name,
        "dest": option.dest,
        "type": kind,
        "default": option.default if isinstance(option.default, str | int | float | bool) else None,
        "choices": [],
        "min": getattr(option.type, "min", None),
        "max": getattr(option.type, "max", None),
        "help": option.help or "",
        "required": False,
        "secret": bool(option.secret),
        "deprecated_for_removal": False,
        **({"syntax": found} if (found := option_syntax(option)) else {}),
    }


def auth_options() -> list[dict[str, Any]]:
    """Options of a group with ``auth_type``: those of the session and of every plug-in."""
    loading: Any = importlib.import_module("keystoneauth1.loading")
    found = list(loading.get_auth_common_conf_options()) + list(loading.get_session_conf_options())
    for plugin in AUTH_PLUGINS:
        try:
            found += loading.get_auth_plugin_conf_options(plugin)
        except Exception as error:  # a plug-in that this release does not have
            sys.stderr.write(f"note: no keystoneauth plug-in {plugin}: {error}\n")
    unique: dict[str, dict[str, Any]] = {}
    for option in found:
        unique.setdefault(option.dest, plain(option))
    return list(unique.values())


def complete(
    data: dict[str, Any], like: dict[str, str], auth: list[dict[str, Any]], types: dict[tuple[str, str], Any]
) -> dict[str, Any]:
    """The generator's data with all additions, without what nobody reads, one option once."""
    options: dict[str, dict[str, Any]] = {}
    for group, content in data["options"].items():
        merged: dict[str, dict[str, Any]] = {}
        for option in content["opts"]:
            dest = option["dest"] or option["name"]
            if dest not in merged:
                merged[dest] = {key: option.get(key) for key in KEPT}
                definition = types.get((group.lower(), dest))
                if definition is not None and (found := option_syntax(definition)):
                    merged[dest]["syntax"] = found
        known = {name for option in merged.values() for name in names(option)}
        if "auth_type" in known:
            for option in auth:
                if not names(option) & known:
                    merged[option["dest"]] = option
        options[group] = {"opts": list(merged.values())}
        if owner := content.get("dynamic_group_owner"):  # the option whose value names groups like this one
            options[group]["dynamic_group_owner"] = owner
    for group, other in like.items():
        if other not in options:
            raise SystemExit(f"group {group} cannot be like {other}: there is no such group")
        options.setdefault(group, options[other])
    return {"options": options, "deprecated_options": data.get("deprecated_options") or {}}


def slim(data: dict[str, Any]) -> dict[str, Any]:
    """Only what oslo-config-validator looks at: parsing all the help texts takes it many seconds."""
    return {
        "options": {
            group: {
                "opts": [
                    {"name": option["name"], "default": option["default"]}
                    | ({"dest": option["dest"]} if option["dest"] != option["name"] else {})
                    for option in content["opts"]
                ]
            }
            for group, content in data["options"].items()
        },
        "deprecated_options": {
            group: [
                {"name": option["name"]} | ({"dest": option["dest"]} if option.get("dest") else {}) for option in found
            ]
            for group, found in data["deprecated_options"].items()
        },
    }


def generate(namespaces: list[str]) -> dict[str, Any]:
    """What oslo-config-generator says about ``namespaces``. An unknown namespace is an error."""
    generator = str(Path(sys.executable).parent / "oslo-config-generator")
    argv = [generator, "--format", "json"]
    for namespace in namespaces:
        argv += ["--namespace", namespace]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise SystemExit(f"oslo-config-generator failed: {done.stderr.strip()}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main(request: str, slim_directory: str, full_directory: str) -> None:
    """Write ``<conf>.yaml`` and ``<conf>.json`` of every configuration file."""
    wanted = json.loads(Path(request).read_text(encoding="utf-8"))
    auth = auth_options() if wanted else []
    for conf, how in sorted(wanted.items()):
        data = complete(generate(how["namespaces"]), how["like"], auth, definitions(how["namespaces"]))
        # JSON is YAML as well, and nothing else is needed to write it.
        Path(slim_directory, f"{conf}.yaml").write_text(json.dumps(slim(data), sort_keys=True) + "\n", encoding="utf-8")
        Path(full_directory, f"{conf}.json").write_text(json.dumps(data, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
