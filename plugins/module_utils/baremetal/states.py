# SPDX-License-Identifier: Apache-2.0
"""Provision states of Ironic: which there are, which verbs lead from one to another, and the way to a target.

The table is what https://docs.openstack.org/ironic/latest/user/states.html documents and the API of 35.0 does. A verb
is what is sent (``PUT /v1/nodes/<node>/states/provision``), an event is what Ironic itself lets happen.

The way is the shortest one over verbs that the target allows: a target never does more to a node than it says. From
every state and for every target there is either a way or a refusal in words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Target

#: ``stable``: stays until somebody asks. ``failed``: stays, and somebody has to decide. ``working``: a conductor works
#: on it; when the conductor dies, another one makes it fail. ``waiting``: for the agent in the ramdisk. ``held``: by a
#: step of the operator's own.
Kind = Literal["stable", "failed", "working", "waiting", "held"]


@dataclass(frozen=True)
class State:
    """A provision state. ``verbs``: verb -> the state it leads to at once; ``events``: the same of Ironic's own."""

    kind: Kind
    verbs: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)


STATES: Mapping[str, State] = {
    "enroll": State("stable", {"manage": "verifying"}),
    "verifying": State("working", {}, {"done": "manageable", "fail": "enroll"}),
    "manageable": State(
        "stable", {"adopt": "adopting", "clean": "cleaning", "inspect": "inspecting", "provide": "cleaning"}
    ),
    "inspecting": State("working", {}, {"done": "manageable", "fail": "inspect failed", "wait": "inspect wait"}),
    "inspect wait": State(
        "waiting",
        {"abort": "inspect failed"},
        {"done": "manageable", "fail": "inspect failed", "resume": "inspecting"},
    ),
    "inspect failed": State("failed", {"inspect": "inspecting", "manage": "manageable"}),
    "cleaning": State(
        "working",
        {},
        {
            "done": "available",
            "fail": "clean failed",
            "hold": "clean hold",
            "manage": "manageable",
            "wait": "clean wait",
        },
    ),
    "clean wait": State(
        "waiting",
        {"abort": "clean failed"},
        {"fail": "clean failed", "hold": "clean hold", "resume": "cleaning"},
    ),
    "clean hold": State("held", {"abort": "clean failed", "unhold": "clean wait"}),
    "clean failed": State("failed", {"manage": "manageable"}),
    "available": State("stable", {"active": "deploying", "manage": "manageable"}),
    "deploying": State(
        "working",
        {},
        {"done": "active", "fail": "deploy failed", "hold": "deploy hold", "wait": "wait call-back"},
    ),
    "wait call-back": State(
        "waiting",
        {"abort": "deploy failed", "deleted": "deleting"},
        {"fail": "deploy failed", "hold": "deploy hold", "resume": "deploying"},
    ),
    "deploy hold": State("held", {"abort": "deploy failed", "unhold": "wait call-back"}),
    "deploy failed": State("failed", {"active": "deploying", "deleted": "deleting", "rebuild": "deploying"}),
    "active": State(
        "stable", {"deleted": "deleting", "rebuild": "deploying", "rescue": "rescuing", "service": "servicing"}
    ),
    "deleting": State("working", {}, {"clean": "cleaning", "fail": "error"}),
    "error": State("failed", {"deleted": "deleting", "rebuild": "deploying"}),
    "adopting": State("working", {}, {"done": "active", "fail": "adopt failed"}),
    "adopt failed": State("failed", {"adopt": "adopting", "manage": "manageable"}),
    "rescuing": State("working", {}, {"done": "rescue", "fail": "rescue failed", "wait": "rescue wait"}),
    "rescue wait": State(
        "waiting",
        {"abort": "rescue failed", "deleted": "deleting"},
        {"fail": "rescue failed", "resume": "rescuing"},
    ),
    "rescue": State("stable", {"deleted": "deleting", "rescue": "rescuing", "unrescue": "unrescuing"}),
    "rescue failed": State("failed", {"deleted": "deleting", "rescue": "rescuing", "unrescue": "unrescuing"}),
    "unrescuing": State("working", {}, {"done": "active", "fail": "unrescue failed"}),
    "unrescue failed": State("failed", {"deleted": "deleting", "rescue": "rescuing", "unrescue": "unrescuing"}),
    "servicing": State(
        "working",
        {},
        {"done": "active", "fail": "service failed", "hold": "service hold", "wait": "service wait"},
    ),
    "service wait": State(
        "waiting",
        {"abort": "service failed", "deleted": "deleting"},
        {"fail": "service failed", "hold": "service hold", "resume": "servicing"},
    ),
    "service hold": State(
        "held",
        {"abort": "service failed", "service": "servicing", "unhold": "service wait"},
        {"fail": "service failed"},
    ),
    "service failed": State(
        "failed",
        {"abort": "active", "deleted": "deleting", "rescue": "rescuing", "service": "servicing"},
        {"hold": "service hold", "wait": "service wait"},
    ),
}

#: Every verb of the API. ``deploy`` and ``undeploy`` are other words for ``active`` and ``deleted``.
VERBS = (
    "abort", "active", "adopt", "clean", "deleted", "inspect", "manage", "provide", "rebuild", "rescue", "service",
    "unhold", "unrescue",
)  # fmt: skip

#: States in which a node runs, or may run, what somebody put on it.
OCCUPIED = frozenset(
    {
        "active", "adopt failed", "adopting", "deploy failed", "deploy hold", "deploying", "error", "rescue",
        "rescue failed", "rescue wait", "rescuing", "service failed", "service hold", "service wait", "servicing",
        "unrescue failed", "unrescuing", "wait call-back",
    }
)  # fmt: skip

#: Verb -> where the node is when all went well. A retired node is ``manageable`` after ``deleted``.
ENDS: Mapping[str, frozenset[str]] = {
    "manage": frozenset({"manageable"}),
    "inspect": frozenset({"manageable"}),
    "provide": frozenset({"available"}),
    "clean": frozenset({"manageable"}),
    "active": frozenset({"active"}),
    "rebuild": frozenset({"active"}),
    "adopt": frozenset({"active"}),
    "deleted": frozenset({"available", "manageable"}),
    "rescue": frozenset({"rescue"}),
    "unrescue": frozenset({"active"}),
    "service": frozenset({"active"}),
    "abort": frozenset(
        {"active", "inspect failed", "clean failed", "deploy failed", "rescue failed", "service failed"}
    ),
}

#: Target -> the verbs that may be used on the way. Whatever is not here is never done for it.
ALLOWED: Mapping[Target, frozenset[str]] = {
    "enrolled": frozenset(),
    "manageable": frozenset({"manage"}),
    "inspected": frozenset({"manage", "inspect"}),
    "available": frozenset({"manage", "inspect", "provide", "deleted"}),
    "active": frozenset({"manage", "inspect", "provide", "active", "deleted", "unrescue", "abort"}),
    "rebuilt": frozenset({"rebuild", "unrescue", "abort"}),
    "rescued": frozenset({"rescue"}),
    "undeployed": frozenset({"deleted"}),
    "adopted": frozenset({"manage", "adopt"}),
    "removed": frozenset({"manage"}),
}

#: Verbs that a target uses from some states only; a verb that is not here may be used wherever Ironic knows it.
#: ``deleted`` takes away what failed, for the targets that only want the machine; ``abort`` ends a failed service.
FROM: Mapping[tuple[Target, str], frozenset[str]] = {
    ("available", "deleted"): frozenset({"deploy failed", "error"}),
    ("active", "deleted"): frozenset({"deploy failed", "error"}),
    ("active", "abort"): frozenset({"service failed"}),
    ("rebuilt", "abort"): frozenset({"service failed"}),
    ("active", "manage"): frozenset({"enroll", "available", "clean failed", "inspect failed"}),
    ("available", "manage"): frozenset({"enroll", "available", "clean failed", "inspect failed"}),
    ("inspected", "manage"): frozenset({"enroll", "available", "clean failed"}),
    ("rebuilt", "rebuild"): frozenset({"active", "deploy failed"}),
    ("adopted", "adopt"): frozenset({"manageable", "adopt failed"}),
    ("adopted", "manage"): frozenset({"enroll", "available", "inspect failed"}),
}

#: (target, state) -> why there is no way, and what to do.
_REFUSED: Mapping[tuple[Target, str], tuple[str, str]] = {
    ("undeployed", "clean failed"): (
        "nothing runs on it, but cleaning it failed: its disks may still hold what was on them",
        "mend what failed; target available cleans it again",
    ),
    ("adopted", "clean failed"): (
        "cleaning it failed: what ran on it may be gone",
        "look at the machine; target available cleans it again",
    ),
}


@dataclass(frozen=True)
class Condition:
    """What counts of a node for its way: its state, and whether its inventory is known and has to be."""

    state: str
    inspected: bool = True
    inspect: bool = False  # it has to be inspected before it counts as available, or is deployed
    rebuild: bool = False  # it is active, and is to get another image
    withdraw: bool = False  # manageable also means: no longer available
    given: bool = False  # somebody has it by an allocation: what failed on it is that one's


@dataclass(frozen=True)
class Way:
    """Verbs, in order; none when the node is there. ``wait``: its state has to end first. A refusal has a cause."""

    verbs: tuple[str, ...] = ()
    cause: str = ""
    remedy: str = ""
    wait: bool = False

    @property
    def refused(self) -> bool:
        """Whether there is no way."""
        return bool(self.cause)


def transitional(state: str) -> bool:
    """Whether the state ends by itself, so that one has to wait. A state that nobody knows does not."""
    return state in STATES and STATES[state].kind in ("working", "waiting")


def failed(state: str) -> bool:
    """Whether something failed that somebody has to decide on."""
    return state in STATES and STATES[state].kind == "failed"


def there(target: Target, condition: Condition) -> bool:
    """Whether a node is where it is to be, or beyond. ``removed`` never is: the node would not be there.

    What runs something is beyond everything that prepares a node for that, and is left alone.
    """
    state = condition.state
    match target:
        case "enrolled":
            return True
        case "manageable":
            beyond = state in OCCUPIED or (state == "available" and not condition.withdraw)
            return state == "manageable" or beyond
        case "inspected":
            return state in OCCUPIED or (condition.inspected and state in ("manageable", "available"))
        case "available":
            beyond = state in OCCUPIED and (condition.given or state not in FROM["available", "deleted"])
            return beyond or (state == "available" and not _unknown(condition))
        case "active" | "adopted":
            return state == "active"
        case "rebuilt":
            return state == "active" and not condition.rebuild
        case "rescued":
            return state == "rescue"
        case "undeployed":
            return state not in OCCUPIED and state not in ("clean failed", "clean hold")
        case "removed":
            return False


def _unknown(condition: Condition) -> bool:
    return condition.inspect and not condition.inspected


def _next(target: Target, condition: Condition) -> list[tuple[str, Condition]]:
    """The verbs that may be used here, and where each leads when all goes well."""
    found = []
    for verb in STATES[condition.state].verbs:
        if verb not in ALLOWED[target] or condition.state not in FROM.get((target, verb), {condition.state}):
            continue
        if verb in ("active", "provide") and _unknown(condition):
            continue
        back = verb == "manage" and condition.state == "available" and target in ("available", "active")
        if back and not _unknown(condition):
            continue
        if verb == "inspect" and condition.inspected and condition.state == "manageable":
            continue
        end = {"deleted": "available"}.get(verb) or min(ENDS[verb])
        if verb == "abort":
            end = STATES[condition.state].verbs["abort"]
        found.append(
            (
                verb,
                Condition(
                    end,
                    inspected=condition.inspected or verb == "inspect",
                    inspect=condition.inspect,
                    rebuild=condition.rebuild and verb != "rebuild",
                    withdraw=condition.withdraw,
                    given=condition.given,
                ),
            )
        )
    return found


def way(target: Target, condition: Condition) -> Way:
    """The shortest way to the target. A state that does not stay has to be waited for, unless that is not needed.

    A node to remove ends where it may be deleted.
    """
    state = condition.state
    if state not in STATES:
        return Way(cause=f"Ironic says that it is {state!r}, which is no state that is known here",
                   remedy="look at the node; a newer Ironic may need a newer collection")  # fmt: skip
    beyond = state in OCCUPIED and there(target, condition)
    ended = target == "undeployed" and "deleted" in STATES[state].verbs
    if transitional(state) and not beyond and not ended and target != "enrolled":
        return Way(wait=True)
    first: deque[tuple[Condition, tuple[str, ...]]] = deque([(condition, ())])
    seen = {condition}
    while first:
        here, verbs = first.popleft()
        if there(target, here) or (target == "removed" and here.state in DELETABLE):
            return Way(verbs)
        for verb, end in _next(target, here):
            if end not in seen:
                seen.add(end)
                first.append((end, (*verbs, verb)))
    return _refusal(target, state)


#: States in which Ironic deletes a node that is not in maintenance.
DELETABLE = ("enroll", "manageable", "adopt failed")


def _refusal(target: Target, state: str) -> Way:
    if (target, state) in _REFUSED:
        return Way((), *_REFUSED[target, state])
    if STATES[state].kind == "held":
        return Way(cause=f"a step of an operator holds it in {state!r}",
                   remedy="release it (baremetal node unhold) or end it (abort), then run this again")  # fmt: skip
    if state == "adopt failed":
        return Way(cause="its adoption failed: it may run what nobody wants to lose",
                   remedy="target adopted tries again; baremetal node manage gives it up")  # fmt: skip
    if target in ("removed", "adopted"):
        return Way(cause=f"it is {state!r}, and may run something",
                   remedy="target undeployed takes that away")  # fmt: skip
    if target in ("rebuilt", "rescued") and state not in OCCUPIED:
        return Way(cause=f"it is {state!r}, and runs nothing", remedy="target active deploys it")
    return Way(cause=f"it is {state!r}", remedy="target active brings it back, target undeployed takes it away")
