# SPDX-License-Identifier: Apache-2.0
"""The catalogue: what each service role says about itself in ``meta/service.yml``.

The declarations hold no Jinja and depend on no cloud: they are data that the checks of a cloud, the start order, the
load balancer, the documentation and the engine share.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import scalars, schema
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import (
    CloudError,
    Document,
    Problem,
    did_you_mean,
    read,
)

#: The component of a service that declares none.
MAIN = "main"


@dataclass(frozen=True)
class Placement:
    """On how many nodes a component may run."""

    min: int = 0
    max: int | None = None
    quorum: bool = False
    one_at_a_time: bool = False


@dataclass(frozen=True)
class Service:
    """One service. ``data`` is its declaration as written; ``role`` the directory of its role."""

    name: str
    role: Path
    data: Mapping[str, Any]
    document: Document
    #: Options of the role's ``main`` and ``deploy`` sections (argument specs); None where the role has no such file.
    variables: Mapping[str, Any] | None = None

    @cached_property
    def components(self) -> dict[str, Placement]:
        """Its components; ``{"main": Placement()}`` for a service without."""
        return {name: Placement(**limits) for name, limits in self.data.get("components", {MAIN: {}}).items()}

    def references(self, key: str) -> list[tuple[str, str | None]]:
        """A list of references, split: ``ovn.chassis`` is ("ovn", "chassis"), ``ovn`` is ("ovn", None)."""
        return [split(text) for text in self.data.get(key, [])]

    @cached_property
    def requires_on_node(self) -> dict[str, list[tuple[str, str | None]]]:
        """What must be on the same node, by component."""
        return {name: [split(text) for text in texts] for name, texts in self.data.get("requires_on_node", {}).items()}

    @cached_property
    def traffic(self) -> list[str]:
        """Every kind of traffic that it uses, also those that follow from its front ends."""
        kinds = [str(kind) for kind in self.data.get("traffic", [])]
        for front_end in self.data.get("front_ends", {}).values():
            kinds += [front_end.get("traffic", "api_internal"), *(["api_public"] if front_end.get("public") else [])]
        return list(dict.fromkeys(kinds))

    @cached_property
    def earlier(self) -> list[str]:
        """The services that are started before this one, where they are in the cloud."""
        names = [name for name, _component in self.references("requires")] + list(self.data.get("after", []))
        names += [name for wanted in self.requires_on_node.values() for name, _component in wanted]
        return sorted(set(names) - {self.name})

    def get(self, key: str, default: Any) -> Any:
        """A part of the declaration."""
        return self.data.get(key, default)


@dataclass(frozen=True)
class Catalogue:
    """All known services, by name."""

    services: Mapping[str, Service] = field(default_factory=dict)

    def start_order(self, names: Iterable[str]) -> list[str]:
        """``names`` in the order in which they are started: a service after all that it requires, else by name.

        Requirements that are not among ``names`` are left out of account. Raises CloudError for a cycle.
        """
        wanted = set(names)
        before = {name: {one for one in self.services[name].earlier if one in wanted} for name in wanted}
        after: dict[str, list[str]] = {name: [] for name in wanted}
        for name, earlier in before.items():
            for one in earlier:
                after[one].append(name)
        open_ = {name: len(earlier) for name, earlier in before.items()}
        ready = [name for name, count in open_.items() if not count]
        heapq.heapify(ready)
        order: list[str] = []
        while ready:
            name = heapq.heappop(ready)
            order.append(name)
            for later in after[name]:
                open_[later] -= 1
                if not open_[later]:
                    heapq.heappush(ready, later)
        if len(order) < len(wanted):
            raise CloudError([self._cycle(before, wanted - set(order))])
        return order

    def _cycle(self, before: Mapping[str, set[str]], left: set[str]) -> Problem:
        """The mistake that ``left``, which wait for one another, contain."""
        name = min(left)
        seen: list[str] = []
        while name not in seen:
            seen.append(name)
            name = min(before[name] & left)
        circle = [*seen[seen.index(name) :], name]
        document = self.services[circle[0]].document
        message = "services wait for each other to start: " + " -> ".join(circle)
        return document.problem(("requires",), message, "take one of them out of requires, after or requires_on_node")


def split(reference: str) -> tuple[str, str | None]:
    """``service.component`` or ``service``."""
    name, _dot, component = reference.partition(".")
    return name, component or None


def role_directories(paths: Iterable[Path]) -> list[Path]:
    """The roles in ``paths`` that declare a service, by name. A directory that is named twice counts once."""
    unique = {path.resolve(): path for path in reversed(list(paths))}
    roles = [file.parent.parent for path in unique.values() for file in path.glob("*/meta/service.yml")]
    return sorted(roles, key=lambda role: (role.name, str(role)))


def load(paths: Iterable[Path]) -> Catalogue:
    """The catalogue of the service roles in ``paths``. Raises CloudError with every mistake of every declaration."""
    services, problems = load_services(role_directories(paths))
    catalogue = Catalogue(services)
    problems += check(catalogue)
    if not problems:
        try:
            catalogue.start_order(services)
        except CloudError as error:
            problems += error.problems
    if problems:
        raise CloudError(problems)
    return catalogue


def load_services(roles: Iterable[Path]) -> tuple[dict[str, Service], list[Problem]]:
    """The services of ``roles`` whose declarations fit the schema, and the mistakes of the others."""
    services: dict[str, Service] = {}
    problems: list[Problem] = []
    for role in roles:
        document, wrong = read(role / "meta" / "service.yml")
        document = scalars.by_schema(document, "meta/service.yml")
        if not wrong:
            wrong = schema.violations(document, "meta/service.yml")[0]
        problems += wrong
        if wrong:
            continue
        name = document.data["name"]
        if name != role.name:
            problems.append(document.problem(("name",), f"the role is called {role.name}", f"write name: {role.name}"))
        elif name in services:
            other = services[name].role
            problems.append(
                document.problem(("name",), f"a service {name} is in {other} already", "rename one of the roles")
            )
        else:
            variables, unreadable = _variables(role)
            problems += unreadable
            services[name] = Service(name, role, document.data, document, variables)
    return services, problems


def _variables(role: Path) -> tuple[dict[str, Any] | None, list[Problem]]:
    """The options of a role's ``main`` and ``deploy`` sections."""
    for suffix in ("yml", "yaml"):
        path = role / "meta" / f"argument_specs.{suffix}"
        if path.exists():
            document, problems = read(path)
            specs = document.data.get("argument_specs") if isinstance(document.data, dict) else None
            if problems or not isinstance(specs, dict):
                return None, problems or [document.problem((), "no argument_specs", "see the other roles")]
            options: dict[str, Any] = {}
            for section in ("main", "deploy"):
                options |= (specs.get(section) or {}).get("options") or {}
            return options, []
    return None, []


def check(catalogue: Catalogue) -> list[Problem]:
    """The mistakes that need more than one line to be seen: references that lead nowhere, ports that are taken."""
    problems: list[Problem] = []
    for service in catalogue.services.values():
        problems += _check_references(service, catalogue)
        problems += _check_parts(service)
    problems += _check_ports(catalogue)
    problems += _check_owners(catalogue, "databases", "database")
    problems += _check_owners(catalogue, "secrets", "secret")
    return problems


def _check_references(service: Service, catalogue: Catalogue) -> Iterator[Problem]:
    known = catalogue.services
    lists: list[tuple[tuple[str | int, ...], list[str]]] = [
        ((key,), service.get(key, [])) for key in ("requires", "after", "conflicts", "conflicts_on_node")
    ]
    lists += [(("one_of", index), names) for index, names in enumerate(service.get("one_of", []))]
    lists += [
        (("requires_on_node", component), names) for component, names in service.get("requires_on_node", {}).items()
    ]
    for path, references in lists:
        for index, reference in enumerate(references):
            name, component = split(reference)
            if name not in known:
                yield service.document.problem((*path, index), f"unknown service {name}", did_you_mean(name, known))
            elif component and component not in known[name].components:
                remedy = did_you_mean(component, known[name].components)
                yield service.document.problem((*path, index), f"{name} has no component {component}", remedy)


def _check_parts(service: Service) -> Iterator[Problem]:
    """References from one part of a declaration to another."""
    document = service.document
    parts = service.components
    for component in service.requires_on_node:
        if component not in parts:
            yield document.problem(
                ("requires_on_node", component), f"no component {component}", did_you_mean(component, parts)
            )
    for name, component in service.get("containers", {}).items():
        if component not in parts:
            yield document.problem(("containers", name), f"no component {component}", did_you_mean(component, parts))
    if service.get("containers", {}) and not service.get("image", ""):
        yield document.problem(
            ("containers",), "containers without an image", "name the image of the service: `image: ...`"
        )
    for file, containers in service.get("config", {}).items():
        for index, container in enumerate(containers):
            known = service.get("containers", {})
            if container not in known:
                message = f"no container {container}"
                yield document.problem(("config", file, index), message, did_you_mean(container, known))
    for name, front_end in service.get("front_ends", {}).items():
        component = front_end["component"]
        if component not in parts:
            yield document.problem(
                ("front_ends", name, "component"), f"no component {component}", did_you_mean(component, parts)
            )
        if front_end["mode"] == "tcp" and "check" in front_end:
            remedy = "use mode: http, or remove check"
            yield document.problem(
                ("front_ends", name, "check"), "only HTTP front ends have the path of a check", remedy
            )
    for name, entry in service.get("identity", {}).get("services", {}).items():
        known = service.get("front_ends", {})
        if entry["front_end"] not in known:
            path = ("identity", "services", name, "front_end")
            yield document.problem(path, f"no front end {entry['front_end']}", did_you_mean(entry["front_end"], known))
    secrets = service.get("secrets", {})
    for wanted, key, why in (
        (bool(service.get("databases", [])), "database_password", "databases"),
        (bool(service.get("message_queue", False)), "queue_password", "message_queue"),
        ("user" in service.get("identity", {}), "identity_password", "identity.user"),
    ):
        if wanted and f"{service.name}_{key}" not in secrets:
            message = f"the secret {service.name}_{key} is missing"
            yield document.problem(("secrets",), message, f"{why} needs it: `{service.name}_{key}: password`")


def _check_ports(catalogue: Catalogue) -> Iterator[Problem]:
    """No two front ends share a name or a port, be it the load balancer's or the members'.

    One front end may have the same port on both sides.
    """
    ports: dict[int, str] = {}
    names: dict[str, str] = {}
    for service in catalogue.services.values():
        for name, front_end in service.get("front_ends", {}).items():
            if name in names:
                message = f"the service {names[name]} has a front end of this name"
                yield service.document.problem(("front_ends", name), message, "rename one of them")
            names.setdefault(name, service.name)
            for key in ("port", "backend_port"):
                owner = ports.setdefault(front_end[key], name)
                if owner != name:
                    message = f"the port {front_end[key]} belongs to {owner} already"
                    yield service.document.problem(("front_ends", name, key), message, "choose another port")


def _check_owners(catalogue: Catalogue, key: str, word: str) -> Iterator[Problem]:
    """Each name below ``key`` belongs to one service."""
    owners: dict[str, str] = {}
    for service in catalogue.services.values():
        for name in service.get(key, []):
            owner = owners.setdefault(name, service.name)
            if owner != service.name:
                yield service.document.problem((key,), f"the {word} {name} belongs to {owner} already", "rename it")
