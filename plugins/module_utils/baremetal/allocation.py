# SPDX-License-Identifier: Apache-2.0
"""Nodes for names: who gets which, with Ironic's allocations (``/v1/allocations``) as the record of it.

Ironic itself gives each allocation a random node that fits, one after the other: a name that would take anything may
take the only node that another name could have. Here all names are looked at together, and each allocation is asked for
with the one node that the plan has for it. If that one was taken meanwhile, there is another plan.

A name that has a node keeps it. The plan depends on nothing but names and nodes: the same ones give the same plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.client import listed, message
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.client import nodes as list_nodes
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    Answer,
    Api,
    BaremetalError,
    Request,
    Wish,
)

#: Seconds that all allocations of one round have until Ironic decided; it takes less than one.
WAIT = 60
#: Seconds after which an allocation counts as lost: Ironic tries once, and when its embedded database was locked just
#: then, it neither decides nor says so ("Could not save the failed allocation" in its log).
LOST = 10
#: Plans that are made when others take nodes at the same time.
ROUNDS = 5
#: Provision states in which a node runs nothing that would lose it.
RELEASABLE = frozenset(
    {"enroll", "manageable", "available", "deploy failed", "clean failed", "inspect failed", "adopt failed", "error"}
)
#: Nodes that are named for one reason.
SHOWN = 8

Node = Mapping[str, Any]


@dataclass
class Plan:
    """Who has, and who gets, which node (by name). ``stale``: allocations that failed, which are in the way.

    ``waiting``: allocations on which Ironic has not decided. ``lacking``: names without a node, with the reasons.
    ``capacity``: nodes of each resource class that nobody has after this.
    """

    kept: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    lacking: dict[str, str] = field(default_factory=dict)
    capacity: dict[str, int] = field(default_factory=dict)

    @property
    def nodes(self) -> dict[str, str]:
        """Name -> node, of all names."""
        return dict(sorted({**self.kept, **self.given}.items()))


def name_of(node: Node) -> str:
    """How a node is called."""
    return str(node.get("name") or node["uuid"])


def _occupied(node: Node) -> str:
    """Why nobody can get a node; empty when it is free."""
    if node.get("maintenance"):
        return "in maintenance"
    if node.get("allocation_uuid") or node.get("instance_uuid"):
        return "in use"
    if node.get("provision_state") != "available":
        return str(node.get("provision_state") or "no state")
    if node.get("power_state") is None:
        return "power state unknown"
    return ""


def _unfit(wish: Wish, node: Node) -> str:
    """Why a free node is none for a name; empty when it is one."""
    if node.get("resource_class") != wish.resource_class:
        return f"of class {node.get('resource_class') or '(none)'}"
    missing = sorted(set(wish.traits) - set(node.get("traits") or ()))
    if missing:
        return f"without {', '.join(missing)}"
    if wish.site is not None and str(node.get("conductor_group") or "") != wish.site.lower():
        return f"at site {node.get('conductor_group') or '(none)'}"
    if wish.candidates and not {node.get("name"), node["uuid"]} & set(wish.candidates):
        return "not among the candidates"
    return ""


def _order(wish: Wish, node: Node) -> tuple[bool, int, str]:
    """The node of the same name first, then those that can do little more than is asked for."""
    return (node.get("name") != wish.name, len(node.get("traits") or ()), name_of(node))


class _Matching:
    """Names and nodes, one for one. ``held``: name -> id, ``holder``: id -> name."""

    def __init__(self, fitting: Mapping[str, Sequence[Node]]) -> None:
        self.fitting = fitting
        self.held: dict[str, str] = {}
        self.holder: dict[str, str] = {}
        self.settled: set[str] = set()  # nodes from which no exchange leads to a free one, nor ever will

    def add(self, name: str) -> None:
        """Give a name a node, if need be by exchanges among those that have one (breadth first: as few as possible)."""
        came: dict[str, str] = {}
        queue = [name]
        for seeker in queue:
            for node in self.fitting[seeker]:
                identifier = str(node["uuid"])
                if identifier in came or identifier in self.settled:
                    continue
                came[identifier] = seeker
                if identifier not in self.holder:
                    self.exchange(came, identifier)
                    return
                queue.append(self.holder[identifier])
        self.settled |= came.keys()

    def exchange(self, came: Mapping[str, str], identifier: str) -> None:
        """Each who came along the way takes the next node, from the free one back to the name without a node."""
        left: str | None = identifier
        while left is not None:
            mover = came[left]
            taken, left = left, self.held.get(mover)
            self.holder[taken], self.held[mover] = mover, taken


def _matched(wishes: Sequence[Wish], fitting: Mapping[str, Sequence[Node]]) -> dict[str, str]:
    """As many names as possible with a node each: name -> id. Earlier names choose first, if that costs nobody one."""
    matching = _Matching(fitting)
    for wish in wishes:
        matching.add(wish.name)
    return matching.held


def _reasons(wish: Wish, nodes: Sequence[Node], taken: Mapping[str, str]) -> str:
    """Why there is no node for a name, by reason."""
    groups: dict[str, list[str]] = {}
    for node in nodes:
        if node.get("resource_class") == wish.resource_class:
            why = _occupied(node) or _unfit(wish, node) or f"for {taken[str(node['uuid'])]}"
            groups.setdefault(why, []).append(name_of(node))
    words = [wish.resource_class, *wish.traits] + ([f"at site {wish.site}"] if wish.site is not None else [])
    asked = f"{wish.name} ({', '.join(words)})"
    if not groups:
        classes = sorted({str(node.get("resource_class") or "(none)") for node in nodes})
        return f"{asked}: no node has that class; there are: {', '.join(classes) or 'no nodes at all'}"
    parts = []
    for why, names in sorted(groups.items()):
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        parts.append(f"{why}: {', '.join(sorted(names)[:SHOWN])}{more}")
    return f"{asked}: no node is left; {'; '.join(parts)}"


def assign(wishes: Sequence[Wish], nodes: Sequence[Node], allocations: Sequence[Mapping[str, Any]]) -> Plan:
    """Who gets which node. Pure: nothing is asked for."""
    plan = Plan()
    by_id = {str(node["uuid"]): node for node in nodes}
    by_name = {str(allocation["name"]): allocation for allocation in allocations if allocation.get("name")}
    open_: list[Wish] = []
    for wish in wishes:
        allocation = by_name.get(wish.name)
        state = allocation.get("state") if allocation else None
        if allocation is None or state == "error":
            open_.append(wish)
            plan.stale += [wish.name] if allocation else []
        elif state == "allocating":
            plan.waiting.append(wish.name)
        else:
            identifier = str(allocation.get("node_uuid"))
            node = by_id.get(identifier, {"uuid": identifier, "resource_class": allocation.get("resource_class")})
            plan.kept[wish.name] = name_of(node)
            plan.ids[wish.name] = identifier
            unfit = _unfit(wish, node) if identifier in by_id else ""
            if unfit:
                plan.lacking[wish.name] = (
                    f"{wish.name} has {name_of(node)} already, which is {unfit}: remove the allocation first "
                    "(state: absent), or ask for what it has"
                )
    free = [node for node in nodes if not _occupied(node)]
    fitting = {
        wish.name: sorted((node for node in free if not _unfit(wish, node)), key=lambda node: _order(wish, node))
        for wish in open_
    }
    found = _matched(open_, fitting)
    taken = {identifier: name for name, identifier in found.items()}
    for wish in open_:
        if wish.name in found:
            plan.ids[wish.name] = found[wish.name]
            plan.given[wish.name] = name_of(by_id[found[wish.name]])
        else:
            plan.lacking[wish.name] = _reasons(wish, nodes, taken)
    for node in free:
        kind = str(node.get("resource_class") or "(none)")
        plan.capacity[kind] = plan.capacity.get(kind, 0) + (str(node["uuid"]) not in taken)
    plan.capacity = dict(sorted(plan.capacity.items()))
    return plan


def allocations(api: Api) -> list[dict[str, Any]]:
    """All allocations."""
    return list(listed(api, "/v1/allocations", "allocations"))


def look(api: Api, wishes: Sequence[Wish]) -> Plan:
    """The plan as of now, of two lists.

    :raises BaremetalError: there are not enough nodes, a line for each name that lacks one.
    """
    plan = assign(wishes, list_nodes(api), allocations(api))
    if plan.lacking:
        raise BaremetalError("\n".join(plan.lacking[wish.name] for wish in wishes if wish.name in plan.lacking))
    return plan


def told(plan: Plan, before: Plan) -> list[str]:
    """Who has which node and what is left, in lines for a person. ``before``: the plan that shows who had one."""
    lines = [f"{name}: {node}{'' if name in before.kept else ' (new)'}" for name, node in plan.nodes.items()]
    left = ", ".join(f"{kind}: {number}" for kind, number in plan.capacity.items())
    return [*lines, f"left: {left or 'nothing'}"]


def _check(answer: Answer, what: str, *fine: int) -> None:
    if answer.status >= 400 and answer.status not in fine:
        raise BaremetalError(f"{what}: {message(answer)}")


def _decided(
    api: Api, names: Sequence[str], wait: float, sleep: Callable[[float], None], clock: Callable[[], float]
) -> None:
    """Wait until Ironic has decided. What it has lost is withdrawn, so that the next plan asks for it again."""
    begun, withdrawn = clock(), False
    while True:
        undecided = {str(entry.get("name")) for entry in allocations(api) if entry.get("state") == "allocating"}
        left = sorted(undecided & set(names))
        if not left:
            return
        if clock() - begun > LOST and not withdrawn:
            withdrawn = True
            for name in left:  # a conductor that is dead does not do it: then the wait goes on
                api.request(Request("DELETE", f"/v1/allocations/{name}"))
            continue
        if clock() - begun > wait:
            raise BaremetalError(
                f"Ironic has not decided on {', '.join(left)} for {wait:.0f} s: is a conductor alive? (look at its log)"
            )
        sleep(1)


def allocate(
    api: Api,
    wishes: Sequence[Wish],
    *,
    wait: float = WAIT,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Plan, Plan]:
    """Give each name a node; returns the first plan, and what became of it.

    :raises BaremetalError: there are not enough nodes (then nothing was changed), or others took them over and over.
    """
    by_name = {wish.name: wish for wish in wishes}
    first: Plan | None = None
    for _ in range(ROUNDS):
        plan = look(api, wishes)
        first = first or plan
        if not plan.given and not plan.waiting:
            return first, plan
        for name in plan.stale:
            _check(api.request(Request("DELETE", f"/v1/allocations/{name}")), f"allocation {name}", 404)
        for name, node in plan.given.items():
            wish = by_name[name]
            body = {
                "name": name,
                "resource_class": wish.resource_class,
                "traits": sorted(wish.traits),
                "candidate_nodes": [plan.ids[name]],
            }
            request = Request("POST", "/v1/allocations", body, f"{node} for {name}")
            _check(api.request(request), f"allocation {name}", 409)
        _decided(api, [*plan.given, *plan.waiting], wait, sleep, clock)
    raise BaremetalError(
        f"others took the nodes {ROUNDS} times while they were given out, or Ironic lost what it was asked: "
        "run it again"
    )


def release_refusals(names: Sequence[str], nodes: Sequence[Node], there: Sequence[Mapping[str, Any]]) -> list[str]:
    """Allocations that Ironic would not remove: their nodes run something."""
    by_id = {str(node["uuid"]): node for node in nodes}
    found = []
    for entry in there:
        node = by_id.get(str(entry.get("node_uuid")))
        if node is None or entry.get("name") not in names or node.get("maintenance"):
            continue
        state = str(node.get("provision_state"))
        if state not in RELEASABLE:
            found.append(
                f"{entry['name']} has {name_of(node)}, which is {state}: undeploy it first (target: undeployed)"
            )
    return found


def release(api: Api, names: Sequence[str], *, check: bool = False) -> dict[str, str]:
    """Take the nodes from names; returns who had which node. With ``check`` nothing is changed.

    :raises BaremetalError: a node runs something; then nothing was changed.
    """
    nodes, there = list_nodes(api), allocations(api)
    refused = release_refusals(names, nodes, there)
    if refused:
        raise BaremetalError("\n".join(refused))
    by_id = {str(node["uuid"]): name_of(node) for node in nodes}
    found = {
        str(entry["name"]): by_id.get(str(entry.get("node_uuid")), "")
        for entry in there
        if entry.get("name") in set(names)
    }
    for name in () if check else sorted(found):
        _check(api.request(Request("DELETE", f"/v1/allocations/{name}")), f"allocation {name}", 404)
    return dict(sorted(found.items()))
