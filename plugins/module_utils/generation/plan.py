# SPDX-License-Identifier: Apache-2.0
"""What a run has to do: wanted generations against what the nodes report. Pure functions over plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import Manifest, digest

Verb = Literal["unchanged", "new", "change", "restart", "remove"]


class Item(TypedDict):
    """What one node needs for one service."""

    service: str
    action: Verb
    reason: str
    digest: str
    cluster: str
    applied_cluster: str


class Wave(TypedDict):
    """Nodes that change one service at the same time.

    ``bootstrap`` names the node that also runs what is done once for the cluster; empty when nothing is to be done.
    """

    service: str
    action: Literal["deploy", "remove"]
    hosts: list[str]
    bootstrap: str
    drain: bool


def _verdict(wanted_digest: str, actual: Mapping[str, Any]) -> tuple[Verb, str]:
    """What is to be done about a service that the node has, and why."""
    down = sorted(unit for unit, state in actual.get("units", {}).items() if state != "active")
    if actual.get("pending"):
        return "change", "an earlier change was interrupted"
    if actual["digest"] != wanted_digest:
        return "change", f"generation {actual['digest'][:12]} -> {wanted_digest[:12]}"
    if down:
        return "restart", f"not active: {', '.join(down)}"
    return "unchanged", ""


def decide(service: str, wanted: Manifest, actual: Mapping[str, Any] | None) -> Item:
    """Compare a wanted generation with what ``generation_info`` says of the service on that node (``None``: nothing)."""
    wanted_digest = digest(wanted)
    known = actual if actual and actual.get("digest") else None
    action, reason = _verdict(wanted_digest, known) if known else ("new", "not deployed on this node")
    return {
        "service": service,
        "action": action,
        "reason": reason,
        "digest": wanted_digest,
        "cluster": wanted["cluster"],
        "applied_cluster": str(known.get("cluster", "")) if known else "",
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


def _batches(hosts: Sequence[str], one_at_a_time: bool) -> list[list[str]]:
    """A canary, then the others: one by one for quorum services, else in batches of a quarter."""
    if len(hosts) < 2:
        return [list(hosts)] if hosts else []
    size = 1 if one_at_a_time else max(1, len(hosts) // 4)
    rest = list(hosts[1:])
    return [[hosts[0]], *(rest[start : start + size] for start in range(0, len(rest), size))]


def rollout(
    order: Sequence[str],
    plans: Mapping[str, Sequence[Item]],
    rules: Mapping[str, Mapping[str, Any]],
) -> list[Wave]:
    """The waves of a run: services in start order, then removals in the reverse order.

    A service that is new everywhere starts on all its nodes at once, except for the node that does what is done once
    for the cluster: it goes first. A service that serves already is changed by a canary and then in batches, drained
    from the load balancer when another member can serve meanwhile.

    :param order: services in start order.
    :param plans: host -> what it needs; hosts in the order of cloud.yml.
    :param rules: service -> ``{"one_at_a_time": bool, "front_ends": bool, "members": int}``.
    """
    waves: list[Wave] = []
    for service in order:
        items = {host: item for host, plan in plans.items() for item in plan if item["service"] == service}
        todo = [host for host, item in items.items() if item["action"] in ("new", "change", "restart")]
        if not todo:
            continue
        rule = rules.get(service, {})
        applied = {item["applied_cluster"] for item in items.values()}
        first = next((host for host in todo if items[host]["cluster"] not in applied), "")
        serving = any(item["action"] != "new" for item in items.values())
        changing = [host for host in todo if items[host]["action"] != "new"]
        joining = [host for host in todo if items[host]["action"] == "new"]
        drain = bool(rule.get("front_ends")) and int(rule.get("members", 1)) > 1
        groups: list[tuple[list[str], bool]] = []
        if serving:
            groups += [(batch, True) for batch in _batches(changing, bool(rule.get("one_at_a_time")))]
        if joining:
            lead = [first] if first in joining and len(joining) > 1 else []
            rest = [host for host in joining if host not in lead]
            single = bool(rule.get("one_at_a_time"))
            groups += [(lead, False)] if lead else []
            groups += [([host], False) for host in rest] if single else [(rest, False)]
        for hosts, rolling in groups:
            waves.append(
                {
                    "service": service,
                    "action": "deploy",
                    "hosts": hosts,
                    "bootstrap": first if first in hosts else "",
                    "drain": rolling and drain,
                }
            )
    gone = {item["service"] for plan in plans.values() for item in plan if item["action"] == "remove"}
    for service in [*reversed([name for name in order if name in gone]), *sorted(gone - set(order))]:
        hosts = [
            host
            for host, plan in plans.items()
            if any(item["service"] == service and item["action"] == "remove" for item in plan)
        ]
        waves.append({"service": service, "action": "remove", "hosts": hosts, "bootstrap": "", "drain": False})
    return waves
