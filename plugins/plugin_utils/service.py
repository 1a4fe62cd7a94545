# SPDX-License-Identifier: Apache-2.0
"""Find a service's role, template its declaration for one node and render its generation, on the deployment host.

Both the plan and the change of a node go through ``render_service``, so that a digest can mean one thing only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.references import SECRET, VAULT, resolve
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context, DeclarationError
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import Manifest
from ansible_collections.ozone.openstack.plugins.module_utils.generation.option_data import OptionData, load_options
from ansible_collections.ozone.openstack.plugins.module_utils.generation.option_types import Literal
from ansible_collections.ozone.openstack.plugins.module_utils.generation.render import render
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import cloud_of

ROLES = Path(__file__).resolve().parent.parent.parent / "roles"


def plain(value: Any) -> Any:
    """Data without Ansible's tags: plain dictionaries, lists and scalars, as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str(value)


@cache
def known_options(directory: Path, file: str) -> OptionData | None:
    """The option data of a configuration file, read once: the directory of an image is named by its content.

    :raises DeclarationError: the data of the image are gone. Without them, values would be written otherwise.
    """
    if not directory.is_dir():
        raise DeclarationError(f"{directory}, which says what options an image has, is gone: run the images playbook")
    return load_options(directory, file)


def _missing(name: str) -> AnsibleError:
    return AnsibleError(f"variable {name} is missing: the inventory is a cloud.yml, read by ozone.openstack.cloud")


class Shared:
    """What a process needs once for all nodes that it renders."""

    def __init__(self) -> None:
        self._clouds: dict[int, tuple[Any, dict[str, Any]]] = {}
        self.images: dict[str, dict[str, Any]] = {}
        self.metas: dict[Path, dict[str, Any]] = {}
        #: One for each service. Jinja keeps the code of a template with its environment (see ``compiled_once``).
        self.templars: dict[str, Any] = {}

    def cloud(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Plain data of ``ozone_cloud``. A variable of the group ``all`` is the same object for all nodes."""
        if id(raw) not in self._clouds:
            self._clouds[id(raw)] = (raw, plain(raw))  # a reference, so that the id stays its own
        return self._clouds[id(raw)][1]


class Services:
    """Renders the services of one node. ``templar`` and ``loader`` are those of the running action.

    ``shared``: of all nodes that this process renders.
    """

    def __init__(self, task_vars: Mapping[str, Any], templar: Any, loader: Any, shared: Shared | None = None) -> None:
        self.task_vars = task_vars
        self.templar = templar
        self.loader = loader
        self.shared = shared or Shared()

    def _variable(self, name: str) -> Any:
        if name not in self.task_vars:
            raise _missing(name)
        return plain(self.templar.template(self.task_vars[name]))

    @cached_property
    def cloud(self) -> dict[str, Any]:
        """The host variable ``ozone_cloud``."""
        raw = cloud_of(self.templar, self.task_vars)
        if not raw:
            raise _missing("ozone_cloud")
        return self.shared.cloud(raw)

    @cached_property
    def node(self) -> dict[str, Any]:
        """The host variable ``ozone_node``."""
        node: dict[str, Any] = self._variable("ozone_node")
        return node

    @cached_property
    def overrides(self) -> dict[str, Any]:
        """The host variable ``ozone_overrides``, with the files that it names read."""
        overrides: dict[str, Any] = self._variable("ozone_overrides")
        for service in overrides.values():
            for file in service.get("files", {}).values():
                if file and "src" in file:
                    path = Path(self.cloud["directory"]) / file.pop("src")
                    try:
                        file["content"] = path.read_text(encoding="utf-8")
                    except (OSError, UnicodeDecodeError) as error:
                        raise AnsibleError(
                            f"node {self.node['name']}: {path}, named by an override, cannot be read as text: {error}"
                        ) from None
        return overrides

    @property
    def images(self) -> dict[str, Any]:
        """The index of the images that were built for the cloud's release; empty when there is none."""
        release = str(self.cloud["release"])
        if release not in self.shared.images:
            self.shared.images[release] = self._images(release)
        return self.shared.images[release]

    @staticmethod
    def _images(release: str) -> dict[str, Any]:
        index = cache_dir(os.environ) / "images" / f"{release}.json"
        if not index.exists():
            return {}
        images: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
        pushed = index.with_name("pushed.json")
        if pushed.exists():  # nodes that do not share the store of this host pull from where the images were pushed
            references = {entry["id"]: entry["reference"] for entry in json.loads(pushed.read_text()).values()}
            for image in images.values():
                image["name"] = references.get(image["id"], image["name"])
        return images

    def _options(self, image: str, file: str) -> OptionData | None:
        """What the image says of a configuration file's options."""
        directory = self.images.get(image, {}).get("options")
        return known_options(Path(str(directory)), file) if directory else None

    def _lookup(self, plugin: str, *names: str, **options: str) -> Any:
        lookup = lookup_loader.get(f"ozone.openstack.{plugin}", loader=self.loader, templar=self.templar)
        return plain(lookup.run(list(names), variables=dict(self.task_vars), **options)[0])

    def _reveal(self, reference: Mapping[str, str]) -> Literal:
        """The secret that a reference of an override stands for."""
        if SECRET in reference:
            return Literal(self._lookup("secret", reference[SECRET]))
        return Literal(self._lookup("secret", vault=reference[VAULT]))

    def _secret(self, name: str) -> Any:
        return self._lookup("secret", name)

    def _certificate(self, name: str) -> str:
        return str(self._lookup("certificate", name, part="combined"))

    def role_path(self, service: str) -> Path:
        """Directory of the role of ``service``: the operator's own roles (``service_paths``) first."""
        own = [Path(self.cloud["directory"]) / path for path in self.cloud.get("service_paths", [])]
        for directory in [*own, ROLES]:
            if (directory / service / "meta" / "service.yml").exists():
                return directory / service
        raise AnsibleError(f"there is no role for service {service}: looked for meta/service.yml below {own or ROLES}")

    def _load(self, path: Path) -> dict[str, Any]:
        if not path.exists():
            return {}
        # As it is: what is templated is copied then, and a copy of the whole file costs as much as to parse it.
        return dict(self.loader.load_from_file(str(path), cache="all", unsafe=True, trusted_as_template=True) or {})

    def meta(self, service: str) -> dict[str, Any]:
        """The static part of the declaration: meta/service.yml."""
        path = self.role_path(service) / "meta" / "service.yml"
        if path not in self.shared.metas:
            self.shared.metas[path] = plain(self._load(path))
        return self.shared.metas[path]

    def names(self, only: Collection[str] = ()) -> list[str]:
        """The services of this node, in start order. ``only``: those of them that are named; empty means all."""
        own = self.node["services"]
        return [name for name in self.cloud["services"] if name in own and (not only or name in only)]

    def context(self, service: str) -> Context:
        """What the declaration of ``service`` is rendered against."""
        return Context(
            cloud=self.cloud,
            node=self.node,
            images=self.images,
            secret=self._secret,
            certificate=self._certificate,
            overrides=self._with_secrets(self.overrides.get(service, {})),
            options=self._options,
        )

    def _with_secrets(self, override: Mapping[str, Any]) -> dict[str, Any]:
        """One service's overrides with its secrets; those of variables are put in where a variable is used."""
        return {key: value if key == "variables" else resolve(value, self._reveal) for key, value in override.items()}

    def render(self, service: str) -> tuple[Manifest, dict[str, str]]:
        """The wanted generation of ``service`` on this node, and the contents of its files."""
        role = self.role_path(service)
        context = self.context(service)
        variables = {
            **self._load(role / "defaults" / "main.yml"),
            **self.task_vars,
            "ozone": context.variables(),
        }
        own = self._load(role / "vars" / "main.yml")
        templar = self.shared.templars.setdefault(service, self.templar.copy_with_new_env(available_variables={}))
        templar.available_variables = {**variables, **own}
        try:
            declaration = plain(templar.template(own[f"__{service}_service"]))
            return render(self.meta(service), declaration, context)
        except (DeclarationError, ValueError) as error:
            raise AnsibleError(f"node {self.node['name']}: {error}") from None
