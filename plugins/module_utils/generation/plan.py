# SPDX-License-Identifier: Apache-2.0
"""What a run has to do: wanted generations against what the nodes report. Pure functions over plain data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import Manifest, digest

Verb = Literal["unchanged", "new", "change", "restart", "remove"]


class Desired(TypedDict):
    """What a comparison has to know of a generation that is wanted.

    ``cluster`` is the digest of what concerns the service as a whole; ``after`` tells whether the service has steps for
    the time when all its nodes run the release.
    """

    digest: str
    cluster: str
    release: str
    after: bool


class Item(TypedDict):
    """What one node needs for one service."""

    service: str
    action: Verb
    reason: str
    digest: str
    cluster: str
    applied_cluster: str
    #: Release that the node runs, and that it comes to; both empty for a service that does not come from a release.
    running: str
    release: str
    #: Whether there is something to do when all nodes of the service run the release.
    after: bool


class Wave(TypedDict):
    """Nodes that change one service at the same time.

    ``bootstrap`` names the node that also runs what is done once for the cluster; empty when nothing is to be done.
    ``upgrade`` says that the service comes from another release. ``check`` asks the new release whether the cluster is
    ready for it, and changes nothing; ``upgraded`` is what comes when all nodes run the new release.
    """

    service: str
    action: Literal["check", "deploy", "upgraded", "remove"]
    hosts: list[str]
    bootstrap: str
    drain: bool
    joining: bool
    upgrade: bool


def _other_release(actual: Mapping[str, Any], wanted: str) -> bool:
    """Whether a service runs another release than that wanted."""
    return bool(wanted and actual.get("release")) and actual["release"] != wanted


def _verdict(wanted_digest: str, wanted_release: str, actual: Mapping[str, Any]) -> tuple[Verb, str]:
    """What is to be done about a service that the node has, and why."""
    down = sorted(unit for unit, state in actual.get("units", {}).items() if state != "active")
    if actual.get("pending"):
        return "change", "an earlier change was interrupted"
    if actual.get("unfinished"):
        return "change", "an earlier run did not end what comes after the change"
    if actual["digest"] != wanted_digest:
        release = f"release {actual['release']} -> {wanted_release}, " if _other_release(actual, wanted_release) else ""
        return "change", f"{release}generation {actual['digest'][:12]} -> {wanted_digest[:12]}"
    if actual.get("drift"):
        return "change", f"edited by hand: {'; '.join(actual['drift'])}"
    if down:
        return "restart", f"not active: {', '.join(down)}"
    return "unchanged", ""


def desired(manifest: Manifest) -> Desired:
    """What a comparison has to know of a rendered generation."""
    return {
        "digest": digest(manifest),
        "cluster": manifest["cluster"],
        "release": manifest["release"],
        "after": any(step.get("stage") == "after" for step in manifest["upgrade"]),
    }


def decide(service: str, wanted: Desired, actual: Mapping[str, Any] | None) -> Item:
    """Compare a wanted generation with what ``generation_info`` says of the service (``None``: not there)."""
    known = actual if actual and actual.get("digest") else None
    release = wanted["release"]
    action, reason = _verdict(wanted["digest"], release, known) if known else ("new", "not deployed on this node")
    due = bool(known and (known.get("upgrading") or _other_release(known, release)))
    return {
        "service": service,
        "action": action,
        "reason": reason,
        "digest": wanted["digest"],
        "cluster": wanted["cluster"],
        "applied_cluster": str(known.get("cluster", "")) if known else "",
        "running": str(known.get("release", "")) if known else "",
        "release": release,
        "after": wanted["after"] and due,
    }


def removals(wanted: Iterable[str], actual: Mapping[str, Any]) -> list[Item]:
    """Services that a node still has and that cloud.yml no longer gives it."""
    gone = sorted(set(actual) - set(wanted))
    return [
        {
            "service": service,
            "action": "remove",
            "reason": "no longer in the node's profile",
            "digest": "",
            "cluster": "",
            "applied_cluster": str(actual[service].get("cluster", "")),
            "running": "",
            "release": "",
            "after": False,
        }
        for service in gone
        if actual[service].get("digest") or actual[service].get("pending")
    ]


def unsupported(node: str, os: Mapping[str, str], supported: Mapping[str, Sequence[str]]) -> str:
    """Why a node's operating system cannot be used; empty when it can.

    ``os`` has ``id`` and ``version_id`` of os-release(5); ``supported`` maps an id to its versions.
    """
    if os.get("version_id", "") in supported.get(os.get("id", ""), ()):
        return ""
    names = ", ".join(f"{name} {version}" for name, versions in supported.items() for version in versions)
    return f"{node} runs {os.get('id', '?')} {os.get('version_id', '?')}, which is not supported (supported: {names})"


def _rolling(hosts: Sequence[str], single: Collection[str], lead: str) -> list[list[str]]:
    """The node that does what is done once first; members that may only change alone, one by one; then the others, a
    canary and then batches of a quarter.
    """
    rest = [host for host in hosts if host != lead]
    alone = [[host] for host in rest if host in single]
    others = [host for host in rest if host not in single]
    size = max(1, len(others) // 4)
    batches = [others[start : start + size] for start in range(1, len(others), size)]
    return [[lead] if lead in hosts else [], *alone, others[:1], *batches]


def _joining(hosts: Sequence[str], single: Collection[str], lead: str) -> list[list[str]]:
    """The node that does what is done once, then those that may only join alone, then all others at once."""
    rest = [host for host in hosts if host != lead]
    alone = [[host] for host in rest if host in single]
    return [[lead] if lead in hosts else [], *alone, [host for host in rest if host not in single]]


def _wave(
    service: str,
    action: Literal["check", "deploy", "upgraded", "remove"],
    hosts: list[str],
    *,
    bootstrap: str = "",
    drain: bool = False,
    joining: bool = False,
    upgrade: bool = False,
) -> Wave:
    return {
        "service": service,
        "action": action,
        "hosts": hosts,
        "bootstrap": bootstrap,
        "drain": drain,
        "joining": joining,
        "upgrade": upgrade,
    }


def _changes(service: str, items: Mapping[str, Item], rule: Mapping[str, Any]) -> list[Wave]:
    """The waves in which the nodes of one service change. ``items``: host -> what it needs."""
    todo = [host for host, item in items.items() if item["action"] in ("new", "change", "restart")]
    single, rank = set(rule.get("single", [])), rule.get("rank", {})
    todo.sort(key=lambda host: rank.get(host, 0))
    applied = {item["applied_cluster"] for item in items.values()}
    fresh = [host for host in todo if items[host]["cluster"] not in applied | {""}]
    # The new schema is brought in by a member that serves already, rather than by one that joins.
    lead = next((host for host in fresh if items[host]["action"] != "new"), fresh[0] if fresh else "")
    upgrade = any(item["running"] not in ("", item["release"]) for item in items.values())
    behind = rule.get("behind_balancer", [])
    changing = _rolling([host for host in todo if items[host]["action"] != "new"], single, lead)
    joining = _joining([host for host in todo if items[host]["action"] == "new"], single, lead)
    return [
        _wave(
            service,
            "deploy",
            hosts,
            bootstrap=lead if lead in hosts else "",
            drain=not new and len(behind) > 1 and set(hosts) <= set(behind),
            joining=new,
            upgrade=upgrade,
        )
        for hosts, new in [*((hosts, False) for hosts in changing), *((hosts, True) for hosts in joining)]
        if hosts
    ]


def postponed(plans: Mapping[str, Sequence[Item]], rules: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Service -> nodes that this run does not reach, so that what comes after all nodes of the service has to wait."""
    due = {item["service"] for plan in plans.values() for item in plan if item["after"]}
    missing = {service: [node for node in rules[service].get("members", []) if node not in plans] for service in due}
    return {service: nodes for service, nodes in sorted(missing.items()) if nodes}


def rollout(
    order: Sequence[str],
    plans: Mapping[str, Sequence[Item]],
    rules: Mapping[str, Mapping[str, Any]],
) -> list[Wave]:
    """The waves of a run: services in start order, then removals in the reverse order.

    What is done once for the cluster is given to the first node that needs it. A service that is new starts there and
    then on all other nodes at once, apart from members that may only join one by one. A service that serves already is
    changed by a canary and then in batches, drained from the load balancer when another member can serve meanwhile.
    A service that comes from another release is checked by the new one first, and ends with what has to wait until all
    its nodes run that: in this run when it reaches all of them, else in a later one.

    :param order: services in start order.
    :param plans: host -> what it needs; hosts in the order of cloud.yml.
    :param rules: service -> ``{"single": [nodes that may only change alone], "rank": {node: place of its first
        component}, "behind_balancer": [nodes that are members of a front end], "members": [all its nodes]}``.
    """
    waves: list[Wave] = []
    for service in order:
        items = {host: item for host, plan in plans.items() for item in plan if item["service"] == service}
        rule = rules.get(service, {})
        waves += _changes(service, items, rule)
        due = [host for host, item in items.items() if item["after"]]
        if due and set(rule.get("members", items)) <= set(items):
            rank = rule.get("rank", {})
            due.sort(key=lambda host: rank.get(host, 0))
            waves.append(_wave(service, "upgraded", due, bootstrap=due[0], upgrade=True))
    # The new release is asked before anything of any service changes.
    leads = [wave for wave in waves if wave["action"] == "deploy" and wave["upgrade"] and wave["bootstrap"]]
    waves[:0] = [_wave(wave["service"], "check", [wave["bootstrap"]], upgrade=True) for wave in leads]
    gone = {item["service"] for plan in plans.values() for item in plan if item["action"] == "remove"}
    for service in [*reversed([name for name in order if name in gone]), *sorted(gone - set(order))]:
        hosts = [
            host
            for host, plan in plans.items()
            if any(item["service"] == service and item["action"] == "remove" for item in plan)
        ]
        waves.append(_wave(service, "remove", hosts))
    return waves
