# SPDX-License-Identifier: Apache-2.0
"""From a service's declaration to its generation on one node: a pure function.

The declaration is data (``roles/<service>/vars/main.yml``, templated for the node); this module adds what follows from
it: the sections that all services share, the uWSGI files, the quadlets, the checks and the health checks. The result
does not depend on the state of any machine, so the deployment host can tell by a digest whether a node is up to date.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from ansible_collections.ozone.openstack.plugins.module_utils import endpoint
from ansible_collections.ozone.openstack.plugins.module_utils.cloud import schema
from ansible_collections.ozone.openstack.plugins.module_utils.generation import oslo
from ansible_collections.ozone.openstack.plugins.module_utils.generation.by_release import for_release
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import (
    CA_FILE,
    Context,
    DeclarationError,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import (
    Account,
    Command,
    Container,
    Directory,
    File,
    Health,
    HostCheck,
    Image,
    Manifest,
    OneShot,
    Unit,
    digest,
    sha256,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.quadlet import (
    IMAGE_USER,
    QuadletSpec,
    render_quadlet,
    render_uwsgi,
    uwsgi_argv,
)
from ansible_collections.ozone.openstack.plugins.module_utils.services import BUILDERS

#: What a declaration may hold, with the value that stands for "nothing".
DECLARATION: dict[str, Any] = {
    "accounts": [],
    "packages": [],
    "directories": [],
    "config_dir": "",
    "config": {},
    "files": {},
    "containers": {},
    "host_files": {},
    "units": [],
    "commands": [],
    "host_checks": [],
    "bootstrap": [],
    "bootstrap_commands": [],
    "upgrade": [],
    "health": [],
    "health_timeout": 120,
    "cluster": {},
}

#: Stages of the steps of an upgrade: see docs/operator/add-a-service.md.
STAGES = ("check", "before", "expand", "after")
CONFIG_KEYS = {"log", "databases", "messaging", "authtoken", "cache", "clients", "options", "without", "check"}
CONTAINER_KEYS = {
    "wsgi", "processes", "threads", "front_end", "argv", "volumes", "environment", "user", "capabilities", "privileged",
    "reason", "podman_args", "tmpfs", "after", "stop_timeout", "image", "health",
}  # fmt: skip
#: What an override may say: the schema of cloud.yml, with the text of ``src`` as ``content`` already.
OVERRIDE_KEYS = set(schema.OVERRIDE["properties"])
OVERRIDE_CONTAINER_KEYS = set(schema.CONTAINER_OVERRIDE["properties"])
OVERRIDE_FILE_KEYS = set(schema.FILE_OVERRIDE["properties"]) - {"src"}
#: A file of a declaration has these as well.
FILE_KEYS = OVERRIDE_FILE_KEYS | {"builder", "options", "component"}
#: Where the text of a file comes from: what an override says replaces all of them.
CONTENT_KEYS = {"content", "config", "builder", "options"}


def _refuse_unknown(where: str, given: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise DeclarationError(f"{where}: unknown key {', '.join(unknown)} (known: {', '.join(sorted(known))})")


def _environment(*levels: Mapping[str, Any]) -> dict[str, str]:
    """Environment variables, later levels over earlier ones; None removes one, a boolean is ``true`` or ``false``."""
    merged: dict[str, Any] = {}
    for level in levels:
        merged |= level
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in merged.items()
        if value is not None
    }


class Renderer:
    """Renders one service on one node. ``meta`` is the content of ``roles/<service>/meta/service.yml``."""

    def __init__(self, meta: Mapping[str, Any], declaration: Mapping[str, Any], context: Context) -> None:
        self.meta = meta
        self.service = str(meta["name"])
        _refuse_unknown(f"declaration of {self.service}", declaration, set(DECLARATION))
        release = str(context.cloud["release"])
        counting = for_release(self.service, declaration, release)
        self.declaration: dict[str, Any] = {**DECLARATION, **counting}
        #: Containers that exist in other releases only.
        self.elsewhere = set(declaration.get("containers", {})) - set(counting.get("containers", {}))
        self.context = context
        _refuse_unknown(f"{self.service}: overrides", context.overrides, OVERRIDE_KEYS)
        self.components = [str(component) for component in context.node["services"].get(self.service, [])]
        self.contents: dict[str, str] = {}

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _here(self, item: Mapping[str, Any]) -> bool:
        return item.get("component") is None or item["component"] in self.components

    def _items(self, key: str) -> list[dict[str, Any]]:
        """The entries of a list that concern the components of this node, without the key that says so."""
        return [
            {name: value for name, value in item.items() if name != "component"}
            for item in self.declaration[key]
            if self._here(item)
        ]

    def _store(self, text: str) -> str:
        name = sha256(text)
        self.contents[name] = text
        return name

    def _content(self, where: str, spec: Mapping[str, Any]) -> str:
        _refuse_unknown(where, spec, FILE_KEYS)
        if "builder" in spec:
            return BUILDERS[str(spec["builder"])](self.context, **spec.get("options", {}))
        if "config" in spec:
            # Options as in the service's own file, if there is one only: those of Keystone's domains are some of them.
            known = list(self.meta.get("config", {}))
            return self._ini(where, spec["config"], known[0] if len(known) == 1 else "")
        content = spec.get("content", "")
        return str(content) if isinstance(content, str) else json.dumps(content, indent=2, sort_keys=True) + "\n"

    def _file(self, path: str, text: str, spec: Mapping[str, Any], mode: str, owner: str, group: str) -> File:
        return {
            "path": path,
            "sha256": self._store(text),
            "mode": str(spec.get("mode", mode)),
            "owner": str(spec.get("owner", owner)),
            "group": str(spec.get("group", group)),
        }

    def _with_overrides(self, key: str, absolute: bool) -> dict[str, dict[str, Any]]:
        """The files of a declaration that concern this node, with those that the operator adds, replaces, or removes.

        An override of a file that the declaration has for other components than this node's changes nothing here.
        """
        declared = self.declaration[key]
        wanted = {path: spec for path, spec in declared.items() if self._here(spec)}
        for path, override in self.context.overrides.get("files", {}).items():
            if path.startswith("/") != absolute or (path in declared and path not in wanted):
                continue
            if override is None:
                wanted.pop(path, None)
                continue
            _refuse_unknown(f"{self.service}: overrides files.{path}", override, OVERRIDE_FILE_KEYS)
            base = wanted.get(path, {})
            if "content" in override or "config" in override:
                base = {name: value for name, value in base.items() if name not in CONTENT_KEYS}
            wanted[path] = {**base, **override}
        return wanted

    # -- oslo configuration --------------------------------------------------------------------------------------------

    def _secret(self, kind: str) -> str:
        return str(self.context.secret(f"{self.service}_{kind}_password"))

    def sections(self, name: str, spec: Mapping[str, Any]) -> oslo.Sections:
        """The sections of one oslo configuration file, before it is narrowed to a container."""
        _refuse_unknown(f"{self.service}: config {name}", spec, CONFIG_KEYS)
        context = self.context
        user = str(self.meta.get("identity", {}).get("user", self.service))
        region = str(context.cloud["region"])
        declared = oslo.literal(spec.get("options", {}))
        overrides = context.overrides.get("config", {}).get(name, {})
        options = oslo.merge_sections(declared, overrides)
        result: oslo.Sections = {}
        if "log" in spec:
            result["DEFAULT"] = oslo.log_section(spec["log"] or {})
        for section, database in spec.get("databases", {}).items():
            password = oslo.database_password(self._secret("database"))
            address = context.database_address()
            url = oslo.database_url(self.service, password, address, endpoint.MARIADB, str(database))
            result[section] = oslo.database_section(url)
        if spec.get("messaging"):
            members = context.addresses("rabbitmq", "message_queue")
            url = oslo.transport_url(self.service, oslo.queue_password(self._secret("queue")), members, self.service)
            result = oslo.merge_sections(result, oslo.messaging_sections(url))
        if spec.get("authtoken"):
            result["keystone_authtoken"] = oslo.authtoken_section(
                context.auth_url(), user, self._secret("identity"), CA_FILE, context.caches(), region
            )
        if spec.get("cache"):
            backend = str(options.get("cache", {}).get("backend") or oslo.CACHE_BACKEND)
            result["cache"] = oslo.cache_section(context.caches(), backend)
        for section in spec.get("clients", []):
            result[section] = oslo.client_section(context.auth_url(), user, self._secret("identity"), CA_FILE)
        return oslo.merge_sections(oslo.literal(result), options)

    def _ini(self, where: str, sections: Mapping[str, Mapping[str, Any]], options_of: str) -> str:
        """The text of a file of oslo.config; ``options_of``: the configuration file whose options it has."""
        try:
            data = self.context.options(str(self.meta.get("image", "")), options_of) if options_of else None
            return oslo.render_ini(sections, data.type_of if data is not None else oslo.untyped)
        except ValueError as error:
            raise DeclarationError(f"{where}: {error}") from None

    def _config_text(self, name: str, container: str) -> str:
        spec = self.declaration["config"][name]
        without = set(spec.get("without", {}).get(container, []))
        sections = {key: value for key, value in self.sections(name, spec).items() if key not in without}
        return self._ini(f"{self.service}: config {name}", sections, name)

    # -- containers ----------------------------------------------------------------------------------------------------

    @property
    def config_dir(self) -> str:
        """Where the containers see their configuration."""
        return str(self.declaration["config_dir"] or f"/etc/{self.service}")

    def _container_names(self) -> list[str]:
        declared = self.meta.get("containers", {})
        return [
            name for name, component in declared.items() if component in self.components and name not in self.elsewhere
        ]

    def _image(self, container: str, override: Mapping[str, Any]) -> Image:
        if "image" in override:
            reference = str(override["image"])
            name, separator, identity = reference.rpartition("@sha256:")
            if not separator:
                raise DeclarationError(
                    f"{self.service}: containers.{container}.image: {reference!r} has no digest; "
                    "write name@sha256:<image id>, so that what runs is what was tested"
                )
            return {"name": name, "id": identity}
        image = str(self.meta["image"])
        if image not in self.context.images:
            raise DeclarationError(
                f"image {image} of release {self.context.cloud['release']} has not been built: run the images playbook"
            )
        return {"name": str(self.context.images[image]["name"]), "id": str(self.context.images[image]["id"])}

    def _address_port(self, spec: Mapping[str, Any]) -> tuple[str, int]:
        front_end = self.context.cloud["front_ends"][spec["front_end"]]
        return self.context.address("api_internal"), int(front_end["backend_port"])

    def _container_files(self, name: str, spec: Mapping[str, Any]) -> list[File]:
        user = str(spec.get("user", IMAGE_USER))
        group = user if user.isdigit() else "0"
        files = [
            self._file(config, self._config_text(config, name), {}, "0640", "0", group)
            for config, containers in self.meta.get("config", {}).items()
            if name in containers and config in self.declaration["config"]
        ]
        for path, content in self._with_overrides("files", absolute=False).items():
            if name in content.get("containers", [name]):
                text = self._content(f"{self.service}: files {path}", content)
                files.append(self._file(path, text, content, "0640", "0", group))
        if "wsgi" in spec and "uwsgi.ini" not in {file["path"] for file in files}:
            address, port = self._address_port(spec)
            text = render_uwsgi(
                str(spec["wsgi"]), address, port, int(spec.get("processes", 1)), int(spec.get("threads", 4))
            )
            files.append(self._file("uwsgi.ini", text, {}, "0640", "0", group))
        return sorted(files, key=lambda file: file["path"])

    def _container(self, name: str) -> Container:
        if name not in self.declaration["containers"]:
            raise DeclarationError(f"{self.service}: meta/service.yml lists container {name}, vars/main.yml does not")
        spec = self.declaration["containers"][name]
        _refuse_unknown(f"{self.service}: containers.{name}", spec, CONTAINER_KEYS)
        override = self.context.overrides.get("containers", {}).get(name, {})
        _refuse_unknown(f"{self.service}: overrides containers.{name}", override, OVERRIDE_CONTAINER_KEYS)
        image = self._image(name, override)
        argv = uwsgi_argv(f"{self.config_dir}/uwsgi.ini") if "wsgi" in spec else spec["argv"]
        quadlet = render_quadlet(
            QuadletSpec(
                name=name,
                service=self.service,
                image=image["id"],
                argv=[str(word) for word in argv],
                mount=self.config_dir,
                volumes=[f"{CA_FILE}:{CA_FILE}:ro", *spec.get("volumes", []), *override.get("volumes", [])],
                environment=_environment(
                    {"OS_CACERT": CA_FILE, "REQUESTS_CA_BUNDLE": CA_FILE},
                    spec.get("environment", {}),
                    override.get("environment", {}),
                ),
                user=str(spec.get("user", IMAGE_USER)),
                capabilities=[*spec.get("capabilities", []), *override.get("capabilities", [])],
                privileged=bool(spec.get("privileged", False)),
                reason=str(spec.get("reason", "Rights that the operator added." if "capabilities" in override else "")),
                podman_args=[*spec.get("podman_args", []), *override.get("podman_args", [])],
                tmpfs=spec.get("tmpfs", []),
                after=spec.get("after", []),
                stop_timeout=int(override.get("stop_timeout", spec.get("stop_timeout", 10))),
            )
        )
        return {
            "unit": f"ozone-{name}.service",
            "image": image,
            "quadlet": quadlet,
            "files": self._container_files(name, spec),
        }

    def _container_checks(self, containers: Mapping[str, Container]) -> list[OneShot]:
        """oslo-config-validator for each configuration file, once for each different text of it."""
        checks: list[OneShot] = []
        seen: set[str] = set()
        for name, container in containers.items():
            for file in container["files"]:
                spec = self.declaration["config"].get(file["path"])
                if spec is None or not spec.get("check", True) or file["sha256"] in seen:
                    continue
                seen.add(file["sha256"])
                checks.append(
                    {
                        "name": f"check {file['path']} of {name}",
                        "container": name,
                        "argv": [
                            "oslo-config-validator",
                            "--opt-data", f"/usr/share/ozone/options/{file['path']}.yaml",
                            "--input-file", f"{self.config_dir}/{file['path']}",
                        ],
                        "timeout": 60,
                        "ok": [0],
                        "network": False,
                    }
                )  # fmt: skip
        return checks

    def _container_health(self, name: str) -> list[Health]:
        spec = self.declaration["containers"][name]
        health: list[Health] = [{"type": "unit", "name": name, "unit": f"ozone-{name}.service"}]
        if "wsgi" in spec:
            address, port = self._address_port(spec)
            path = self.context.cloud["front_ends"][spec["front_end"]].get("check") or "/"
            health.append(
                {
                    "type": "http",
                    "name": f"{name} answers",
                    "unit": f"ozone-{name}.service",
                    "url": endpoint.url("http", address, port, path),
                    "status": [200, 204, 300, 401],
                }
            )
        return health + [cast(Health, item) for item in spec.get("health", [])]

    # -- the whole -----------------------------------------------------------------------------------------------------

    def _host_files(self) -> list[File]:
        return [
            self._file(path, self._content(f"{self.service}: host_files {path}", spec), spec, "0644", "root", "root")
            for path, spec in sorted(self._with_overrides("host_files", absolute=True).items())
        ]

    def _one_shots(self, key: str) -> list[OneShot]:
        return [
            cast(OneShot, {"timeout": 300, "ok": [0], "network": True, **item, "argv": [str(w) for w in item["argv"]]})
            for item in self._items(key)
        ]

    def _upgrade(self) -> list[OneShot]:
        for step in self.declaration["upgrade"]:
            if step.get("stage") not in STAGES:
                raise DeclarationError(
                    f"{self.service}: upgrade: {step.get('name', '?')}: stage {step.get('stage')!r} "
                    f"is none of {', '.join(STAGES)}"
                )
        return self._one_shots("upgrade")

    def _commands(self, key: str) -> list[Command]:
        defaults = {"files": [], "when": "after_units", "timeout": 60}
        return [
            cast(Command, {**defaults, **item, "argv": [str(word) for word in item["argv"]]})
            for item in self._items(key)
        ]

    def manifest(self) -> Manifest:
        """The whole generation. Its contents are in ``self.contents`` afterwards."""
        names = self._container_names()
        containers = {name: self._container(name) for name in names}
        bootstrap = self._one_shots("bootstrap")
        health: list[Health] = [item for name in names for item in self._container_health(name)]
        health += [cast(Health, item) for item in self._items("health")]
        images = {name: containers[name]["image"]["id"] for name in {item["container"] for item in bootstrap}}
        bootstrap_commands = self._commands("bootstrap_commands")
        once = [bootstrap, images, bootstrap_commands, self.declaration["cluster"]]
        return {
            "service": self.service,
            "components": sorted(self.components),
            # Without an image nothing of the service comes from the release: it does not differ between two of them.
            "release": str(self.context.cloud["release"]) if self.meta.get("image") else "",
            "cluster": digest(once) if any(once) else "",
            "accounts": [cast(Account, {"groups": [], **item}) for item in self._items("accounts")],
            "packages": self._packages(),
            "directories": [
                cast(Directory, {"mode": "0755", "owner": "root", "group": "root", **item})
                for item in self._items("directories")
            ],
            "files": self._host_files(),
            "containers": containers,
            "units": [cast(Unit, {"files": [], "on_change": "restart", **item}) for item in self._items("units")],
            "commands": self._commands("commands"),
            "host_checks": [cast(HostCheck, {"timeout": 60, **item}) for item in self._items("host_checks")],
            "container_checks": self._container_checks(containers),
            "bootstrap": bootstrap,
            "upgrade": self._upgrade(),
            "bootstrap_commands": bootstrap_commands,
            "health": health,
            "health_timeout": int(self.declaration["health_timeout"]),
        }

    def _packages(self) -> list[str]:
        """``packages`` is a list of names, or of ``{name, component}``."""
        return sorted(
            str(item["name"]) if isinstance(item, Mapping) else str(item)
            for item in self.declaration["packages"]
            if not isinstance(item, Mapping) or self._here(item)
        )


def render(
    meta: Mapping[str, Any], declaration: Mapping[str, Any], context: Context
) -> tuple[Manifest, dict[str, str]]:
    """The wanted generation of one service on one node, and the contents of its files by sha256.

    :raises DeclarationError: the declaration or an override cannot be rendered; names service and key.
    """
    renderer = Renderer(meta, declaration, context)
    manifest = renderer.manifest()
    return manifest, renderer.contents
