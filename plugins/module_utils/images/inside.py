# SPDX-License-Identifier: Apache-2.0
"""Runs inside an image under construction, with its Python: writes down which options each configuration file knows.

Only the standard library is imported at the top: the file is copied into the image's build directory and started there.
Arguments: a JSON file ``{conf: {"namespaces": [...], "like": {group: other group}}}``, the directory for the slim YAML
that oslo-config-validator reads in the image, the directory for the complete JSON that goes to the deployment host.

What oslo-config-generator prints is completed in two ways, for it only knows options that are declared as such:

- A group with ``auth_type`` takes the options of keystoneauth's plug-ins, which exist only once a plug-in is chosen.
- A group that exists only by configuration (a privsep context, a Glance store) takes the options of another group.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
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


def complete(data: dict[str, Any], like: dict[str, str], auth: list[dict[str, Any]]) -> dict[str, Any]:
    """The generator's data with both additions, without what nobody reads, one option once."""
    options: dict[str, dict[str, Any]] = {}
    for group, content in data["options"].items():
        merged: dict[str, dict[str, Any]] = {}
        for option in content["opts"]:
            merged.setdefault(option["dest"] or option["name"], {key: option.get(key) for key in KEPT})
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
        data = complete(generate(how["namespaces"]), how["like"], auth)
        # JSON is YAML as well, and nothing else is needed to write it.
        Path(slim_directory, f"{conf}.yaml").write_text(json.dumps(slim(data), sort_keys=True) + "\n", encoding="utf-8")
        Path(full_directory, f"{conf}.json").write_text(json.dumps(data, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
