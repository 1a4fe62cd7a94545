# SPDX-License-Identifier: Apache-2.0
"""Everything that a cloud has in Keystone, reconciled in one pass: read, compare, change.

``wanted`` is one document; ``read`` asks Keystone with a handful of list calls; ``plan`` compares the two and is pure;
``apply`` carries the plan out. What Ozone makes is marked with the attribute ``managed_by``, so that what is no longer
wanted can be told from what somebody else made.

The calls are those of the Identity API v3 (docs.openstack.org/api-ref/identity/v3).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import quote

Record = dict[str, Any]

#: The attribute that marks what Ozone made. Keystone keeps attributes that it does not know.
MARK = "managed_by"
DEFAULT_DOMAIN = "Default"

#: The kinds in the order in which they can be made; they are removed in the opposite order.
KINDS = ("region", "domain", "project", "role", "service", "endpoint", "user", "assignment")

#: Names of the lists in the API, by kind.
COLLECTIONS = {kind: f"{kind}s" for kind in KINDS if kind != "assignment"}

PARALLEL = 4


class IdentityError(Exception):
    """Keystone refused, did not answer, or the document is wrong. Never holds a password."""


class Api(Protocol):
    """Keystone's v3 API. ``path`` starts with a slash and is relative to ``.../v3``."""

    def request(self, method: str, path: str, body: Record | None = None, *, token: bool = True) -> tuple[int, Record]:
        """Status and JSON body. ``token`` tells whether the request is authenticated.

        :raises ConnectionError: there was no answer.
        """
        ...


# --- the wanted document ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class User:
    """A user, its default project and its roles there."""

    name: str
    password: str = field(repr=False)
    project: str
    roles: tuple[str, ...]
    domain: str = DEFAULT_DOMAIN
    description: str = ""


@dataclass(frozen=True)
class Endpoint:
    """One URL of a service in the document's region."""

    service: str
    interface: str
    url: str


@dataclass(frozen=True)
class Wanted:
    """The whole document. ``owner`` is the value of the mark; ``prune`` removes marked things that are not wanted."""

    region: str
    owner: str = "ozone"
    prune: bool = False
    domains: Mapping[str, str] = field(default_factory=dict)  # name -> description
    projects: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (domain, name) -> description
    roles: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    services: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # name -> (type, description)
    endpoints: tuple[Endpoint, ...] = ()


def wanted_of(document: Mapping[str, Any], owner: str, *, prune: bool) -> Wanted:
    """Give a document its types and check that it is complete; all that is wrong is told at once.

    A project, role, domain or service that a user or an endpoint names must be in the document. Its keys are those of
    the module ``ozone.openstack.identity``, which has checked them one by one.
    """
    errors: list[str] = []

    def entries(kind: str) -> list[Record]:
        return list(document.get(kind) or [])

    roles = tuple(dict.fromkeys(str(role) for role in entries("roles")))
    domains = {str(entry["name"]): str(entry.get("description") or "") for entry in entries("domains")}
    projects = {
        (str(entry.get("domain") or DEFAULT_DOMAIN), str(entry["name"])): str(entry.get("description") or "")
        for entry in entries("projects")
    }
    services = {
        str(entry["name"]): (str(entry["type"]), str(entry.get("description") or "")) for entry in entries("services")
    }
    users = tuple(
        User(
            name=str(entry["name"]),
            password=str(entry["password"]),
            project=str(entry.get("project") or ""),
            roles=tuple(dict.fromkeys(str(role) for role in entry.get("roles") or [])),
            domain=str(entry.get("domain") or DEFAULT_DOMAIN),
            description=str(entry.get("description") or ""),
        )
        for entry in entries("users")
    )
    endpoints = tuple(
        Endpoint(str(entry["service"]), str(entry["interface"]), str(entry["url"])) for entry in entries("endpoints")
    )
    known_domains = {DEFAULT_DOMAIN, *domains}
    errors += [f"project {name}: unknown domain {domain}" for domain, name in projects if domain not in known_domains]
    for user in users:
        if user.domain not in known_domains:
            errors.append(f"user {user.name}: unknown domain {user.domain}")
        if user.project and (user.domain, user.project) not in projects:
            errors.append(f"user {user.name}: project {user.project} is not among the projects of domain {user.domain}")
        if user.roles and not user.project:
            errors.append(f"user {user.name}: roles need a project")
        errors += [f"user {user.name}: role {role} is not among the roles" for role in user.roles if role not in roles]
    for endpoint in endpoints:
        if endpoint.service not in services:
            errors.append(f"endpoint {endpoint.url}: service {endpoint.service} is not among the services")
        if endpoint.interface not in ("public", "internal", "admin"):
            errors.append(f"endpoint {endpoint.url}: interface must be public, internal or admin")
    errors += [f"{text} is there twice" for text in _twice(users, endpoints)]
    if errors:
        raise IdentityError("identity document: " + "; ".join(errors))
    return Wanted(str(document["region"]), owner, prune, domains, projects, roles, users, services, endpoints)


def _twice(users: Iterable[User], endpoints: Iterable[Endpoint]) -> list[str]:
    seen: set[str] = set()
    repeated = []
    for text in [
        *(f"user {user.domain}/{user.name}" for user in users),
        *(f"{endpoint.interface} endpoint of {endpoint.service}" for endpoint in endpoints),
    ]:
        if text in seen:
            repeated.append(text)
        seen.add(text)
    return repeated


# --- what is there ---------------------------------------------------------------------------------------------------


@dataclass
class Current:
    """What Keystone has, as far as the document is concerned: records of the API, by their names."""

    regions: dict[str, Record] = field(default_factory=dict)
    domains: dict[str, Record] = field(default_factory=dict)
    projects: dict[tuple[str, str], Record] = field(default_factory=dict)
    roles: dict[str, Record] = field(default_factory=dict)
    users: dict[tuple[str, str], Record] = field(default_factory=dict)
    services: list[Record] = field(default_factory=list)
    endpoints: list[Record] = field(default_factory=list)
    assignments: set[tuple[str, str, str]] = field(default_factory=set)  # ids of user, project, role
    refused: set[tuple[str, str]] = field(default_factory=set)  # users whose password is another one


def _message(body: Record) -> str:
    error = body.get("error")
    return str(error.get("message") if isinstance(error, Mapping) else body)[:500]


def call(
    api: Api, method: str, path: str, body: Record | None = None, *, attempts: int = 3, pause: float = 1.0
) -> Record:
    """One authenticated call. Reading is tried again when Keystone does not answer or fails; writing is not.

    :raises IdentityError: it failed for good.
    """
    trouble = ""
    for attempt in range(attempts if method == "GET" else 1):
        if attempt:
            time.sleep(pause)
        try:
            status, answer = api.request(method, path, body)
        except ConnectionError as error:
            trouble = str(error)
            continue
        if status < 400:
            return answer
        trouble = f"status {status}: {_message(answer)}"
        if status < 500:
            break
    raise IdentityError(f"Keystone: {method} {path}: {trouble}")


def wait_until_answering(api: Api, seconds: float, pause: float = 1.0) -> float:
    """Wait until Keystone answers a request without a token; return how long it took, in seconds.

    :raises IdentityError: it does not within ``seconds``.
    """
    started = time.monotonic()
    while True:
        try:
            status, answer = api.request("GET", "/", token=False)
            if status < 400:
                return time.monotonic() - started
            trouble = f"status {status}: {_message(answer)}"
        except ConnectionError as error:
            trouble = str(error)
        if time.monotonic() - started + pause > seconds:
            raise IdentityError(f"Keystone has not answered within {seconds:g} s: {trouble}")
        time.sleep(pause)


def _named(records: Iterable[Record]) -> dict[str, Record]:
    return {str(record["name"]): record for record in records}


def password_is_good(api: Api, user: User) -> bool:
    """Ask Keystone for a token without scope: whether that is the user's password. Passwords cannot be read."""
    identity = {
        "methods": ["password"],
        "password": {"user": {"name": user.name, "domain": {"name": user.domain}, "password": user.password}},
    }
    try:
        status, answer = api.request("POST", "/auth/tokens", {"auth": {"identity": identity}}, token=False)
    except ConnectionError as error:
        raise IdentityError(f"Keystone: password of user {user.name}: {error}") from error
    if status in (200, 201):
        return True
    if status == 401:
        return False
    raise IdentityError(f"Keystone: password of user {user.name}: status {status}: {_message(answer)}")


def read(api: Api, wanted: Wanted) -> Current:
    """What is there: five lists, and one query for each wanted project, user and project's role assignments.

    Users and projects are asked for by name, as a cloud may have very many of them. The role assignments of the wanted
    projects also lead to the users whom Ozone made and who are no longer wanted.
    """
    with ThreadPoolExecutor(PARALLEL) as pool:

        def lists(paths: Iterable[tuple[str, str]]) -> list[list[Record]]:
            return [
                list(answer[key]) for key, answer in pool.map(lambda item: (item[1], call(api, "GET", item[0])), paths)
            ]

        regions, domains, roles, services, endpoints = lists(
            (f"/{name}", name) for name in ("regions", "domains", "roles", "services", "endpoints")
        )
        current = Current(
            regions={str(record["id"]): record for record in regions},
            domains=_named(domains),
            roles=_named(roles),
            services=services,
            endpoints=endpoints,
        )
        ids = {name: str(record["id"]) for name, record in current.domains.items()}
        projects = [key for key in wanted.projects if key[0] in ids]
        found = lists(
            (f"/projects?name={quote(name)}&domain_id={ids[domain]}", "projects") for domain, name in projects
        )
        current.projects = {key: records[0] for key, records in zip(projects, found, strict=True) if records}
        users = [user for user in wanted.users if user.domain in ids]
        found = lists((f"/users?name={quote(user.name)}&domain_id={ids[user.domain]}", "users") for user in users)
        for user, records in zip(users, found, strict=True):
            if records:
                current.users[user.domain, user.name] = records[0]
        for records in lists(
            (f"/role_assignments?scope.project.id={record['id']}", "role_assignments")
            for record in current.projects.values()
        ):
            for record in records:
                if "user" in record:
                    key = (record["user"]["id"], record["scope"]["project"]["id"], record["role"]["id"])
                    current.assignments.add(key)
        if wanted.prune:
            known = {str(record["id"]) for record in current.users.values()}
            others = sorted({user for user, _, _ in current.assignments} - known)
            names = {identifier: name for name, identifier in ids.items()}
            for answer in pool.map(lambda user: _user(api, user), others):
                if answer is not None and answer.get(MARK) == wanted.owner:
                    current.users[names.get(str(answer["domain_id"]), ""), str(answer["name"])] = answer
        present = [user for user in users if (user.domain, user.name) in current.users]
        for user, good in zip(present, pool.map(lambda user: password_is_good(api, user), present), strict=True):
            if not good:
                current.refused.add((user.domain, user.name))
    return current


def _user(api: Api, identifier: str) -> Record | None:
    """A user by its id; None when there is no such user: an assignment may outlive a user of a directory."""
    try:
        return dict(call(api, "GET", f"/users/{identifier}")["user"])
    except IdentityError as error:
        if "status 404" in str(error):
            return None
        raise


# --- the comparison --------------------------------------------------------------------------------------------------

Verb = Literal["create", "update", "delete"]


@dataclass(frozen=True)
class Action:
    """One change. ``name`` is for people; ``values`` are the attributes to send; ``before`` those that are there.

    ``refs`` are the things that the action needs the ids of: attribute -> (kind, key). They may be made by an earlier
    action. ``secret`` is sent, but never shown. ``id`` is that of the thing to update or delete.
    """

    verb: Verb
    kind: str
    name: str
    key: Any = None
    id: str = ""
    values: Record = field(default_factory=dict)
    before: Record = field(default_factory=dict)
    refs: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    secret: Record = field(default_factory=dict, repr=False)


def _differences(record: Record, values: Record) -> tuple[Record, Record]:
    """What to send and what is there instead; None and an empty text are the same."""
    after = {key: value for key, value in values.items() if (record.get(key) or "") != (value or "")}
    return after, {key: record.get(key) for key in after}


def plan(current: Current, wanted: Wanted, myself: str = "") -> list[Action]:
    """The changes, in the order in which they can be made. ``myself``: id of the own user, who is never removed."""
    actions: list[Action] = []
    if wanted.region not in current.regions:
        actions.append(Action("create", "region", wanted.region, wanted.region, values={"id": wanted.region}))
    for name, description in wanted.domains.items():
        actions += _record("domain", name, name, current.domains.get(name), _described(description))
    for key, description in wanted.projects.items():
        values = _described(description)
        refs = {"domain_id": ("domain", key[0])}
        actions += _record("project", key[1], key, current.projects.get(key), values, refs)
    for name in wanted.roles:
        actions += _record("role", name, name, current.roles.get(name), {})
    actions += _services(current, wanted)
    actions += _users(current, wanted, myself)
    order = {kind: position for position, kind in enumerate(KINDS)}
    making = [action for action in actions if action.verb != "delete"]
    removing = [action for action in actions if action.verb == "delete"]
    return [
        *sorted(making, key=lambda action: order[action.kind]),
        *sorted(removing, key=lambda action: -order[action.kind]),
    ]


def _described(description: str) -> Record:
    """A description that is not given is nobody's business."""
    return {"enabled": True, **({"description": description} if description else {})}


def _record(
    kind: str,
    name: str,
    key: Any,
    record: Record | None,
    values: Record,
    refs: Mapping[str, tuple[str, Any]] | None = None,
    secret: Record | None = None,
) -> list[Action]:
    """Make a record with a name, or change what differs. ``refs`` count only when it is made, ``secret`` always."""
    if record is None:
        made = {"name": name, **values}
        return [Action("create", kind, name, key, values=made, refs=refs or {}, secret=secret or {})]
    after, before = _differences(record, values)
    if not after and not secret:
        return []
    return [Action("update", kind, name, key, str(record["id"]), after, before, secret=secret or {})]


def _services(current: Current, wanted: Wanted) -> list[Action]:
    actions: list[Action] = []
    by_name: dict[str, Record] = {}
    for name, (kind, description) in wanted.services.items():
        # The type is what clients look for: a service that has it under another name is renamed, not doubled.
        same = [record for record in current.services if record["type"] == kind]
        record = next((record for record in same if record.get("name") == name), same[0] if same else None)
        values = {"type": kind, "description": description, "enabled": True, MARK: wanted.owner}
        if record is not None:
            by_name[name] = record
            values["name"] = name
        actions += _record("service", name, name, record, values)
    kept: set[str] = set()
    for endpoint in wanted.endpoints:
        service = by_name.get(endpoint.service)
        there = [
            record
            for record in current.endpoints
            if service is not None
            and record["service_id"] == service["id"]
            and record["interface"] == endpoint.interface
            and record["region_id"] == wanted.region
        ]
        there.sort(key=lambda record: (record["url"] != endpoint.url, str(record["id"])))
        values = {"url": endpoint.url, "enabled": True, MARK: wanted.owner}
        name = f"{endpoint.service} {endpoint.interface}"
        if there:
            kept.add(str(there[0]["id"]))
            after, before = _differences(there[0], values)
            if after:
                actions.append(Action("update", "endpoint", name, None, str(there[0]["id"]), after, before))
            continue
        values.update(interface=endpoint.interface, region_id=wanted.region)
        refs = {"service_id": ("service", endpoint.service)}
        actions.append(Action("create", "endpoint", name, values=values, refs=refs))
    if not wanted.prune:
        return actions
    names = {record["id"]: str(record.get("name") or record["type"]) for record in current.services}
    gone: set[str] = set()
    for record in current.endpoints:
        if record.get(MARK) == wanted.owner and record["region_id"] == wanted.region and str(record["id"]) not in kept:
            gone.add(str(record["id"]))
            name = f"{names.get(record['service_id'], record['service_id'])} {record['interface']}"
            actions.append(Action("delete", "endpoint", name, None, str(record["id"]), before={"url": record["url"]}))
    wanted_ids = {str(record["id"]) for record in by_name.values()}
    for record in current.services:
        used = any(
            endpoint["service_id"] == record["id"] and str(endpoint["id"]) not in gone for endpoint in current.endpoints
        )
        if record.get(MARK) == wanted.owner and str(record["id"]) not in wanted_ids and not used:
            name = names[record["id"]]
            actions.append(Action("delete", "service", name, name, str(record["id"]), before={"type": record["type"]}))
    return actions


def _users(current: Current, wanted: Wanted, myself: str) -> list[Action]:
    actions: list[Action] = []
    role_names = {str(record["id"]): name for name, record in current.roles.items()}
    for user in wanted.users:
        key = (user.domain, user.name)
        record = current.users.get(key)
        project = current.projects.get((user.domain, user.project))
        mine = record is not None and str(record["id"]) == myself
        values = _described(user.description)
        if not mine:  # the own account was made by the bootstrap: it must never look like one that can be removed
            values[MARK] = wanted.owner
        secret = {"password": user.password} if record is None or key in current.refused else {}
        refs: dict[str, tuple[str, Any]] = {"domain_id": ("domain", user.domain)}
        if user.project:
            refs["default_project_id"] = ("project", (user.domain, user.project))
        actions += _record("user", user.name, key, record, values, refs, secret)
        held = {
            role_names.get(role, role)
            for holder, where, role in current.assignments
            if record is not None and project is not None and (holder, where) == (record["id"], project["id"])
        }
        where = {"user": ("user", key), "project": ("project", (user.domain, user.project))}
        for role in user.roles:
            if role not in held:
                name = f"{user.name} is {role} in {user.project}"
                actions.append(Action("create", "assignment", name, refs={**where, "role": ("role", role)}))
        if wanted.prune and record is not None and record.get(MARK) == wanted.owner and not mine:
            for role in sorted(held - set(user.roles)):
                name = f"{user.name} is {role} in {user.project}"
                actions.append(Action("delete", "assignment", name, refs={**where, "role": ("role", role)}))
    if wanted.prune:
        keys = {(user.domain, user.name) for user in wanted.users}
        for key, record in sorted(current.users.items()):
            if key not in keys and record.get(MARK) == wanted.owner and str(record["id"]) != myself:
                actions.append(Action("delete", "user", key[1], key, str(record["id"])))
    return actions


# --- the change ------------------------------------------------------------------------------------------------------


def apply(
    api: Api, current: Current, actions: Iterable[Action], done: Callable[[Action], None] = lambda action: None
) -> None:
    """Carry the plan out, one call after another; ``done`` hears of each that succeeded."""
    ids: dict[tuple[str, Any], str] = {}
    for kind, records in (
        ("domain", current.domains),
        ("project", current.projects),
        ("role", current.roles),
        ("user", current.users),
    ):
        for key, record in records.items():
            ids[kind, key] = str(record["id"])
    for record in current.services:
        ids["service", record.get("name")] = str(record["id"])
    for action in actions:
        references = {name: ids[reference] for name, reference in action.refs.items()}
        if action.kind == "assignment":
            path = f"/projects/{references['project']}/users/{references['user']}/roles/{references['role']}"
            call(api, "PUT" if action.verb == "create" else "DELETE", path)
        elif action.verb == "delete":
            call(api, "DELETE", f"/{COLLECTIONS[action.kind]}/{action.id}")
        else:
            body = {action.kind: {**action.values, **references, **action.secret}}
            if action.verb == "create":
                answer = call(api, "POST", f"/{COLLECTIONS[action.kind]}", body)
                identifier = str(answer[action.kind]["id"])
            else:
                call(api, "PATCH", f"/{COLLECTIONS[action.kind]}/{action.id}", body)
                identifier = action.id
            ids[action.kind, action.key] = identifier
        done(action)


def describe(action: Action) -> str:
    """``create service nova``; what is secret is only named."""
    return f"{action.verb} {action.kind} {action.name}"


def show(actions: Iterable[Action]) -> dict[str, str]:
    """The changes as a diff: ``before`` and ``after`` texts, one block for each thing, without any secret."""
    sides: dict[str, list[str]] = {"before": [], "after": []}
    for action in actions:
        before = {} if action.verb == "create" else action.before
        after = {} if action.verb == "delete" else {**action.values, **dict.fromkeys(action.secret, "(new)")}
        for side, values, there in (
            ("before", before, action.verb != "create"),
            ("after", after, action.verb != "delete"),
        ):
            if there:
                lines = [f"  {key}: {json.dumps(value)}" for key, value in sorted(values.items()) if key != "name"]
                sides[side] += [f"{action.kind} {action.name}", *lines]
    return {side: "".join(line + "\n" for line in lines) for side, lines in sides.items()}


def reconcile(
    api: Api, wanted: Wanted, *, check: bool = False, wait: float = 60.0, myself: Callable[[], str] = lambda: ""
) -> list[Action]:
    """Wait for Keystone, read, compare and (unless ``check``) change; return what differed.

    ``myself`` tells the id of the own user; it is asked when Keystone answers.
    """
    wait_until_answering(api, wait)
    current = read(api, wanted)
    actions = plan(current, wanted, myself())
    if not check:
        apply(api, current, actions)
    return actions


# --- the document of a cloud -----------------------------------------------------------------------------------------

#: What a service's user may do when its role's meta/service.yml does not say: ``service`` marks calls between services.
SERVICE_ROLES = ("admin", "service")

#: Roles that exist in every cloud; ``keystone-manage bootstrap`` makes them, too.
BASE_ROLES = ("admin", "manager", "member", "reader", "service")


def document_of_cloud(
    cloud: Mapping[str, Any], secrets: Mapping[str, Any], url: Callable[[str, str], str]
) -> dict[str, Any]:
    """The document for the variable ``ozone_cloud``.

    ``secrets`` holds the passwords by name, ``url`` gives the URL of a front end for an interface. Each service has one
    user in the project ``service``, and an internal and (where its front end is public) a public endpoint.
    """
    users: list[Record] = [
        {
            "name": "admin",
            "password": secrets["keystone_admin_password"],
            "project": "admin",
            "roles": ["admin"],
        }
    ]
    services: list[Record] = []
    endpoints: list[Record] = []
    roles = list(BASE_ROLES)
    for service, identity in cloud["identity"].items():
        if identity.get("user"):
            own = list(identity.get("roles") or SERVICE_ROLES)
            roles += own
            users.append(
                {
                    "name": identity["user"],
                    "password": secrets[f"{service}_identity_password"],
                    "project": "service",
                    "roles": own,
                    "description": f"Used by the service {service}",
                }
            )
        for name, entry in identity.get("services", {}).items():
            services.append({"name": name, "type": entry["type"], "description": entry.get("description", "")})
            front_end = cloud["front_ends"][entry["front_end"]]
            for interface in ["internal", *(["public"] if front_end.get("public") else [])]:
                address = url(entry["front_end"], interface) + entry.get("path", "")
                endpoints.append({"service": name, "interface": interface, "url": address})
    return {
        "region": cloud["region"],
        "roles": list(dict.fromkeys(roles)),
        "projects": [
            {"name": "admin"},
            {"name": "service", "description": "Holds the users of the cloud's own services"},
        ],
        "users": users,
        "services": services,
        "endpoints": endpoints,
    }
