# SPDX-License-Identifier: Apache-2.0
"""The course of one node towards a target: what is to be done next, decided from what Ironic says of it and the clock.

Nothing here asks Ironic or waits. ``advance`` looks at a node and says what to do; ``Course`` keeps what has been done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import declare, disks, inventory, states, words
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    BaremetalError,
    Declared,
    Instance,
    Outcome,
    Request,
    Target,
    Wanted,
)

#: Seconds that a node may stay in a provision state, and what else is waited for. Where the figures come from:
#: emulated machines take 3 s to verify, 58 s to inspect, 45 s in ``wait call-back``, 56 s to clean metadata; a BMC that
#: refuses connections keeps a node in a working state for 87 s; the firmware of a real server takes up to ten minutes
#: to reach the ramdisk, and a large image as long to be written.
LIMITS: Mapping[str, float] = {
    "verifying": 180,
    "inspecting": 300,
    "inspect wait": 1500,
    "cleaning": 300,
    "clean wait": 3600,
    "deploying": 300,
    "wait call-back": 1500,
    "deleting": 300,
    "adopting": 120,
    "rescuing": 300,
    "rescue wait": 1500,
    "unrescuing": 300,
    "servicing": 300,
    "service wait": 3600,
    # for a lock of Ironic's, for a free worker or its own limits, for any answer, for the power to go off
    "lock": 180,
    "busy": 1800,
    "answer": 300,
    "power": 120,
    # for the ramdisk of an inspection to report, so that the deployment goes on with it
    "ramdisk": 60,
    # the run as a whole
    "total": 14400,
}

#: Verb -> the stage that it begins, as a person would call it.
STAGES: Mapping[str, str] = {
    "manage": "manage",
    "inspect": "inspect",
    "provide": "clean",
    "active": "deploy",
    "rebuild": "rebuild",
    "deleted": "undeploy",
    "adopt": "adopt",
    "rescue": "rescue",
    "unrescue": "unrescue",
    "abort": "abort",
}

#: States in which a machine may be on after a failure, with a ramdisk or an old system.
_POWERED = frozenset(
    {
        "clean failed", "deploy failed", "deploying", "error", "inspect failed", "inspect wait", "inspecting",
        "wait call-back",
    }
)  # fmt: skip

#: Verbs for which Ironic boots a ramdisk.
_BOOTING = frozenset({"active", "deleted", "inspect", "provide", "rebuild", "rescue"})

#: Targets for which a node is made and changed as declared.
DECLARING: frozenset[Target] = frozenset(
    {"enrolled", "manageable", "inspected", "available", "active", "rebuilt", "adopted"}
)

#: What Ironic shows in place of a secret.
MASKED = "******"

#: Key of ``instance_info`` that says what was deployed.
DIGEST = "ozone_digest"


@dataclass(frozen=True)
class Options:
    """What a run is told. ``limits`` are complete. ``key``: of the digests of secrets, see declare.py."""

    target: Target
    on_failure: Literal["power_off", "leave"] = "power_off"
    stuck: Literal["leave", "abort"] = "leave"
    differences: Literal["report", "fail"] = "report"
    limits: Mapping[str, float] = field(default_factory=lambda: dict(LIMITS))
    retries: int = 0
    force: bool = False
    withdraw: bool = False
    rescue_password: str = field(default="", repr=False)
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Action:
    """What comes next.

    ``wait``: for another view of the node. ``ask``: make these requests, which change something (``verb``: the last one
    is that verb). ``look``: make this request, which changes nothing. ``end``: the node is done. ``summary``: what is
    changed by that.
    """

    kind: Literal["wait", "ask", "look", "end"]
    stage: str = ""
    requests: tuple[Request, ...] = ()
    verb: str = ""
    summary: tuple[str, ...] = ()


WAIT = Action("wait")
END = Action("end")


def digest(instance: Instance) -> str:
    """What tells one deployment from another: the image, the config drive, and the disk that is written."""
    image = instance.image
    content = {
        "image": [image.source, image.checksum, image.algorithm, image.disk_format],
        "config_drive": instance.config_drive,
        "root_device": dict(instance.root_device),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def instance_info(name: str, instance: Instance, root: disks.Hint) -> dict[str, Any]:
    """``instance_info`` of a node that is to run an instance. ``root``: the disk, where nothing else says which."""
    image = instance.image
    info: dict[str, Any] = {
        "display_name": name,
        "image_source": image.source,
        "image_os_hash_algo": image.algorithm,
        "image_os_hash_value": image.checksum,
        "image_disk_format": image.disk_format,
        "image_type": "whole-disk-image",
        DIGEST: digest(instance),
    }
    if instance.root_device or root:
        info["root_device"] = dict(instance.root_device or root)
    if instance.capabilities:
        info["capabilities"] = dict(instance.capabilities)
    if instance.traits:
        info["traits"] = list(instance.traits)
    return info


@dataclass(frozen=True)
class World:
    """Ports, port groups and names of all nodes, as they were when the run began."""

    ports: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    owners: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    groups: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(
        nodes: Sequence[Mapping[str, Any]], ports: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]
    ) -> World:
        """What the lists of Ironic say."""
        ports_of: dict[str, list[Mapping[str, Any]]] = {}
        groups_of: dict[str, list[Mapping[str, Any]]] = {}
        for port in ports:
            ports_of.setdefault(str(port.get("node_uuid")), []).append(port)
        for group in groups:
            groups_of.setdefault(str(group.get("node_uuid")), []).append(group)
        owners = {str(port["address"]).lower(): port for port in ports}
        return World(ports_of, owners, groups_of, {str(node["uuid"]): str(node.get("name")) for node in nodes})

    def about(self, declared: Declared, uuid: str) -> list[Mapping[str, Any]]:
        """The ports of a node, and those that have its addresses elsewhere."""
        own = list(self.ports.get(uuid, ()))
        wanted = [self.owners.get(port.address) for port in declared.ports or ()]
        return own + [port for port in wanted if port is not None and port.get("node_uuid") != uuid]


@dataclass(eq=False)
class Course:
    """One node on its way: the node as Ironic showed it last, and what this run has done with it."""

    wanted: Wanted
    node: dict[str, Any] | None = None
    outcome: Outcome = field(init=False)
    diff: dict[str, dict[str, Any]] = field(default_factory=dict)
    known: bool = False  # Ironic had it at some time
    verb: str = ""  # under way
    asked: bool = False  # a verb was taken by Ironic
    since: float = 0.0  # in this state
    inventory: Mapping[str, Any] | None = None
    looked: bool = False  # for the inventory
    compared: bool = False
    declared: bool = False
    lifted: bool = False  # out of the maintenance that Ironic itself had set
    inspected: bool = False  # in this run
    ramdisk: bool = False  # that of the inspection reports to Ironic
    ramdisk_since: float | None = None  # when it was asked for first
    ramdisk_again: float = 0.0  # when it is asked for again
    rebuilt: bool = False
    aborted: bool = False
    protected: bool = False
    deploys: int = 0
    late: tuple[str, float] | None = None  # the state whose limit it exceeded, and when
    off_since: float | None = None  # when power off was asked for
    failed: bool = False
    excused: bool = False  # in maintenance: it does not count
    pinned: disks.Hint = field(default_factory=dict)  # the only disk that may be written
    maintained: bool = False  # in maintenance since before this run
    instead: dict[str, Any] | None = None  # what instance_info was before a rebuild that Ironic has not taken yet

    def __post_init__(self) -> None:
        self.outcome = Outcome(self.wanted.name)

    @property
    def state(self) -> str:
        """Its provision state; empty where there is no node."""
        return str((self.node or {}).get("provision_state") or "")

    @property
    def path(self) -> str:
        """Where it is in the API."""
        return f"/v1/nodes/{(self.node or {})['uuid']}"

    def see(self, node: Mapping[str, Any] | None, now: float) -> bool:
        """Take over what Ironic shows; returns whether its state is another one than before."""
        before, stamp = self.state, (self.node or {}).get("provision_updated_at")
        self.node = None if node is None else {**(self.node or {}), **node}
        in_maintenance = bool((self.node or {}).get("maintenance"))
        self.maintained = in_maintenance and (self.maintained or not self.known)
        self.known = self.known or node is not None
        if self.state == before and (self.node or {}).get("provision_updated_at") == stamp:
            return False
        if before:
            stages = self.outcome.stages
            stages[before] = round(stages.get(before, 0.0) + now - self.since, 1)
        self.since = now
        self.outcome.state = self.state
        return self.state != before

    def fail(self, stage: str, cause: str, remedy: str, last_error: str = "") -> Action:
        """The node cannot get there; what comes next is the end, or to switch it off."""
        self.failed = True
        self.verb = ""
        outcome = self.outcome
        outcome.status, outcome.stage = "failed", stage
        outcome.cause, outcome.remedy, outcome.last_error = cause, remedy, last_error
        return END

    def took(self, verb: str) -> None:
        """Ironic has taken a verb."""
        self.verb, self.asked, self.instead = verb, True, None
        self.deploys += verb in ("active", "rebuild")

    def saw(self, what: str, body: object) -> None:
        """What a look has shown: the inventory, or whether the ramdisk reports."""
        shown = body if isinstance(body, Mapping) else {}
        if what == "ramdisk":
            self.ramdisk = bool((shown.get("driver_internal_info") or {}).get("agent_url"))
        else:
            self.inventory = shown.get("inventory")

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.outcome.notes:
            self.outcome.notes.append(text)

    def changed(self, *summary: str) -> None:
        """Something was changed."""
        if self.outcome.status == "unchanged":
            self.outcome.status = "changed"
        self.outcome.summary += summary


def declaration(wanted: Wanted, node: Mapping[str, Any] | None) -> Declared | None:
    """What is declared, with all disks that are to be preserved: cleaning has to know them, too.

    What Ironic leaves alone already stays so: a disk is given up by hand only.
    """
    declared = wanted.declared
    if declared is None or not (said := _preserve(wanted)):
        return declared
    kept = disks.skip_block_devices(said, (node or {}).get("properties"))
    return replace(declared, properties={**declared.properties, "skip_block_devices": kept})


def _preserve(wanted: Wanted) -> list[Mapping[str, Any]]:
    """The hints of the disks to preserve, of the declaration and of the instance."""
    instance, declared = wanted.instance, wanted.declared
    of_node = (declared.properties.get("skip_block_devices") or ()) if declared is not None else ()
    of_instance = instance.preserve if instance is not None else ()
    return [*of_node, *(hint for hint in of_instance if hint not in of_node)]


def condition(course: Course, options: Options) -> states.Condition:
    """What counts of a node for its way."""
    node, instance = course.node or {}, course.wanted.instance
    again = options.force and options.target == "inspected"
    known = course.inspected or bool(node.get("inspection_finished_at") and not again)
    hidden = (
        options.target == "active"
        and instance is not None
        and not disks.check(instance, None, node.get("properties")).ok
    )
    differs = False
    if options.target == "rebuilt" and instance is not None and not course.rebuilt:
        differs = options.force or (node.get("instance_info") or {}).get(DIGEST) != digest(instance)
    return states.Condition(
        course.state,
        inspected=known,
        inspect=not known and (hidden or course.wanted.expected is not None),
        rebuild=differs,
        withdraw=options.withdraw,
        given=bool(node.get("allocation_uuid")),
    )


def advance(course: Course, options: Options, world: World, now: float) -> Action:
    """What is to be done with a node next. ``course.node`` is as Ironic showed it after the last request."""
    if course.failed:
        return _after_failure(course, options, now)
    if course.node is None:
        return _missing(course, options, world)
    if course.verb:
        action = _under_way(course, options, now)
        if action is not None:
            return action
    if course.node.get("maintenance"):
        action = _in_maintenance(course, options)
        if action is not None:
            return action
    way = states.way(options.target, condition(course, options))
    if way.wait:
        return _wait(course, options, now) or WAIT
    if way.refused:
        error = str(course.node.get("last_error") or "")
        why = f" ({words.explain('', error)[0]})" if error else ""
        return course.fail("way", way.cause + why, way.remedy, error)
    verb = way.verbs[0] if way.verbs else ""
    action = (
        _declare(course, options, world)
        or _compare(course, options, verb)
        or _report(course, options, verb, now)
        or (_ask(course, options, verb) if verb else _arrived(course, options))
    )
    refused = course.outcome.status == "failed" and _handed_over(course)
    return _after_failure(course, options, now) if refused else action


# ---- the node before its first verb


def _missing(course: Course, options: Options, world: World) -> Action:
    """Ironic has no such node."""
    if options.target == "removed":
        return END
    if course.known:
        return course.fail("way", "it is gone: somebody removed it during this run", "run this again")
    if course.wanted.declared is None or options.target not in DECLARING:
        return course.fail("way", "Ironic has no node of this name", "correct the name, or enrol it first")
    return _declare(course, options, world) or END


def _declare(course: Course, options: Options, world: World) -> Action | None:
    """Make the node as declared."""
    declared = declaration(course.wanted, course.node)
    if course.declared or declared is None or options.target not in DECLARING:
        return None
    if states.transitional(course.state):
        course.note(f"changes of what is declared have to wait: it is {course.state!r}")
        return None
    uuid = str((course.node or {}).get("uuid"))
    groups = world.groups.get(uuid, ())
    try:
        found = declare.changes(
            declared, course.node, world.about(declared, uuid), groups, key=options.key, names=world.names
        )
    except BaremetalError as error:
        return course.fail("declare", str(error), "correct what is declared")
    course.declared = True
    for text in found.notes:
        course.note(text)
    course.diff = found.diff
    if not found.requests:
        return None
    return Action("ask", "declare", tuple(found.requests), "", tuple(found.summary))


def _in_maintenance(course: Course, options: Options) -> Action | None:
    """Whoever set it wants nothing to be done. What Ironic itself set after a failure is lifted for the next try."""
    node = course.node or {}
    fault, reason = str(node.get("fault") or ""), str(node.get("maintenance_reason") or "no reason given")
    if options.target == "removed" and course.state not in states.OCCUPIED:
        return None  # the only way to get rid of a machine whose BMC is gone
    if course.outcome.status == "changed" and not course.maintained and not (fault and course.state == "clean failed"):
        cause, remedy = words.explain("", f"{fault}: {reason}" if fault else reason)
        return course.fail("way", f"it went into maintenance during this run: {cause}", remedy, reason)
    here = states.way(options.target, condition(course, options))
    if not here.verbs and not here.wait and not here.refused:
        course.note(f"is in maintenance: {reason}")
        return None
    if fault == "clean failure" and course.state == "clean failed" and here.verbs and not course.lifted:
        course.lifted = True
        shown = f"end of the maintenance that the failed cleaning of {course.wanted.name} began"
        lift = Request("DELETE", f"{course.path}/maintenance", None, shown)
        return Action("ask", "manage", (lift,), "", ("maintenance: ended",))
    course.excused = True
    course.outcome.status = "skipped"
    course.note(f"is in maintenance{f' ({fault})' if fault else ''}: {reason}")
    return END


# ---- a verb that is under way


def _wait(course: Course, options: Options, now: float) -> Action | None:
    """Wait for the end of a state, within its limit."""
    limit = options.limits.get(course.state, LIMITS["deploying"])
    if now - course.since < limit:
        return WAIT
    node = course.node or {}
    if options.stuck == "abort" and not course.aborted and "abort" in states.STATES[course.state].verbs:
        course.aborted = True
        course.since = now
        course.note(f"was aborted after {limit:.0f} s in {course.state!r}")
        return _provision(course, course.verb, "abort", {"target": "abort"})
    course.late = (course.state, now)
    cause, remedy = words.stuck(course.state, now - course.since, node.get("reservation"))
    stage = STAGES.get(course.verb, "wait")
    course.fail(stage, cause, remedy, str(node.get("last_error") or ""))
    return _after_failure(course, options, now)


def _under_way(course: Course, options: Options, now: float) -> Action | None:
    """How a verb goes on; None when it is over and the next one may come."""
    if states.transitional(course.state):
        return _wait(course, options, now)
    verb, course.verb = course.verb, ""
    node = course.node or {}
    error = str(node.get("last_error") or "")
    if course.state in states.ENDS[verb]:
        course.inspected = course.inspected or verb == "inspect"
        course.rebuilt = course.rebuilt or verb == "rebuild"
        if verb == "inspect":
            course.looked = course.compared = False
        return None
    stage = STAGES[verb]
    if verb in ("active", "rebuild") and course.state == "deploy failed" and course.deploys <= options.retries:
        course.note(f"deployment {course.deploys} failed and is tried again: {words.explain(stage, error)[0]}")
        return None
    if states.failed(course.state) or course.state == "enroll":
        cause, remedy = words.explain(stage, error)
    else:
        cause, remedy = f"it is {course.state!r} after {stage}", "somebody else works on this node: run this again"
    course.fail(stage, cause, remedy, error)
    return _after_failure(course, options, now)


def _after_failure(course: Course, options: Options, now: float) -> Action:
    """Switch off what failed, if that is wanted: nothing old may boot unnoticed."""
    node = course.node or {}
    if course.instead is not None:
        return _as_before(course)
    if options.on_failure == "leave" or not course.asked:
        return END
    if course.state in ("cleaning", "clean wait"):
        course.note("is not switched off, as Ironic does not do that during cleaning")
        return END
    if node.get("power_state") == "power off":
        if course.off_since is not None:
            course.note("was switched off")
        return END
    if course.off_since is None and course.late is not None and course.late[0] in _POWERED:
        state, since = course.late
        if course.state != state and not states.failed(course.state):
            course.note(f"went on by itself, and was left on: it is {course.state!r} by now; run this again")
            return END
        if node.get("reservation"):  # Ironic works on it, and would switch it off whatever comes of that
            if now - since < options.limits["lock"]:
                return WAIT
            course.note(f"could not be switched off: it is locked by {node['reservation']}")
            return END
    if course.off_since is None and course.state not in _POWERED and not _handed_over(course):
        return END
    if course.off_since is not None:
        if now - course.off_since < options.limits["power"]:
            return WAIT
        course.note(f"could not be switched off within {options.limits['power']:.0f} s: an old system may run on it")
        return END
    course.off_since = now
    shown = f"power off {course.wanted.name}"
    request = Request("PUT", f"{course.path}/states/power", {"target": "power off"}, shown)
    return Action("ask", "power off", (request,), "", ("power off",))


def _as_before(course: Course) -> Action:
    """Ironic has refused a rebuild: the node says again what it runs, so that the next run begins it anew."""
    before, course.instead = course.instead, None
    patch = [{"op": "add", "path": "/instance_info", "value": before}]
    return Action("ask", "rebuild", (Request("PATCH", course.path, patch, f"{course.wanted.name} as it was"),))


# ---- one ramdisk for inspection, cleaning and deployment (``fast_track`` of Ironic)


def _handed_over(course: Course) -> bool:
    """Whether Ironic left the machine on after an inspection of this run."""
    node = course.node or {}
    fast = bool((node.get("driver_info") or {}).get("fast_track"))
    return fast and course.inspected and node.get("power_state") == "power on"


def _report(course: Course, options: Options, verb: str, now: float) -> Action | None:
    """Wait until the ramdisk of the inspection reports.

    Ironic takes it for alive from the end of the inspection on (``agent_is_alive`` in ironic/conductor/utils.py), and a
    deployment that begins before Ironic knows its address fails.
    """
    if verb not in ("provide", "active") or course.ramdisk or not _handed_over(course):
        return None
    if course.ramdisk_since is None:
        course.ramdisk_since = now
    elif now - course.ramdisk_since >= options.limits["ramdisk"]:
        course.note("the ramdisk of the inspection did not report: the machine is booted once more")
        return None
    if now < course.ramdisk_again:
        return WAIT
    course.ramdisk_again = now + 2
    shown = f"ramdisk of {course.wanted.name}"
    return Action("look", "ramdisk", (Request("GET", f"{course.path}?fields=driver_internal_info", None, shown),))


def _fast(course: Course, options: Options, verb: str) -> list[dict[str, Any]]:
    """The patch that has Ironic go on with a ramdisk that runs, or boot one as it does otherwise."""
    declared, info = course.wanted.declared, (course.node or {}).get("driver_info") or {}
    if verb not in _BOOTING or (declared is not None and "fast_track" in declared.driver_info):
        return []
    inspects = verb == "inspect" and (course.node or {}).get("inspect_interface") == "agent"
    begins = inspects or (verb in ("provide", "active") and course.ramdisk)
    wanted = begins and options.target == "active" and not course.deploys
    if wanted == bool(info.get("fast_track")):
        return []
    return [{"op": "add", "path": "/driver_info/fast_track", "value": wanted}]


# ---- the next verb


def _look(course: Course) -> Action:
    course.looked = True
    shown = f"inventory of {course.wanted.name}"
    return Action("look", "look", (Request("GET", f"{course.path}/inventory", None, shown),))


def _compare(course: Course, options: Options, verb: str) -> Action | None:
    """What inspection found against what was expected."""
    expected = course.wanted.expected
    due = verb in ("provide", "active") or (options.target == "inspected" and not verb)
    if expected is None or course.compared or not due or not condition(course, options).inspected:
        return None
    if not course.looked:
        return _look(course)
    course.compared = True
    if course.inventory is None:
        course.note("Ironic has no inventory of it: it cannot be compared with what is expected")
        return None
    found = inventory.differences(expected, course.wanted.declared, course.inventory)
    for text in found:
        course.note(f"differs from what is expected: {text}")
    if found and options.differences == "fail":
        return course.fail("compare", "; ".join(found), "correct the machine, or what is expected of it")
    return None


def _guard(course: Course) -> Action | None:
    """Nothing is written to a disk that was not chosen."""
    instance, node = course.wanted.instance, course.node or {}
    if instance is None:
        return course.fail("guard", "nothing is declared that it could run", "declare instance.image")
    if not course.looked and (course.inspected or node.get("inspection_finished_at")):
        return _look(course)
    verdict = disks.check(instance, course.inventory, node.get("properties"))
    if not verdict.ok:
        return course.fail("guard", verdict.text, "correct root_device or preserve; nothing was written")
    if not (node.get("properties") or {}).get("root_device"):
        course.pinned = disks.pin(verdict.root, course.inventory)
    return None


def _kept(course: Course) -> Action | None:
    """No disk is cleaned in place of one that is to survive. Where only its name is said, Ironic's hints count."""
    node, wanted = course.node or {}, course.wanted
    hints = _preserve(wanted)
    if wanted.declared is None and wanted.instance is None:
        hints = list((node.get("properties") or {}).get("skip_block_devices") or ())
    hints = [hint for hint in hints if "volume_name" not in hint]  # a RAID volume, by a name that only the agent knows
    if not hints:
        return None
    if not course.looked and (course.inspected or node.get("inspection_finished_at")):
        return _look(course)
    text = disks.kept(hints, course.inventory).text
    if text:
        remedy = "correct preserve, and remove by hand what is wrong in properties.skip_block_devices of the node"
        return course.fail("guard", text, f"{remedy}; nothing was cleaned")
    return None


def _foreign(node: Mapping[str, Any]) -> str:
    """Whose instance runs on it, when it is neither ours nor that of an allocation."""
    owner = str(node.get("instance_uuid") or "")
    ours = owner == str(node.get("allocation_uuid") or "") or DIGEST in (node.get("instance_info") or {})
    return "" if ours else owner


def _refused(course: Course, options: Options, verb: str) -> Action | None:
    """What must not be done to this node."""
    node = course.node or {}
    stage = STAGES.get(verb, "remove")
    if verb in ("deleted", "rebuild", "") and node.get("protected"):
        reason = f": {node['protected_reason']}" if node.get("protected_reason") else ""
        return course.fail(stage, f"it is protected{reason}", "declare protected: false")
    if verb in ("deleted", "rebuild", "active") and _foreign(node) and not options.force:
        return course.fail(stage, f"it {'is taken by' if verb == 'active' else 'runs'} the instance {_foreign(node)} "
                           "of somebody else (Nova?)",
                           "delete that where it was made; force: true does it all the same")  # fmt: skip
    if verb == "provide" and node.get("retired"):
        return course.fail(stage, "it is retired, and offered to nobody any more", "declare retired: false")
    return None


def _provision(course: Course, verb: str, stage: str, body: Mapping[str, Any], *before: Request) -> Action:
    shown = f"{stage} of {course.wanted.name}"
    request = Request("PUT", f"{course.path}/states/provision", dict(body), shown)
    return Action("ask", stage, (*before, request), verb, (stage,))


def _ask(course: Course, options: Options, verb: str) -> Action:
    """The requests of a verb."""
    # Cleaning writes to disks, too: what is to be deployed is looked at before that.
    writes = verb in ("active", "rebuild") or (verb == "provide" and options.target == "active")
    cleans = verb in ("provide", "deleted")
    refused = _refused(course, options, verb) or (_guard(course) if writes else _kept(course) if cleans else None)
    if refused is not None:
        return refused
    node, instance, name = course.node or {}, course.wanted.instance, course.wanted.name
    patch = _fast(course, options, verb)
    body: dict[str, Any] = {"target": verb}
    if verb in ("provide", "active", "rebuild", "deleted") and instance is not None and instance.preserve:
        kept = disks.skip_block_devices(instance.preserve, node.get("properties"))
        if kept != list((node.get("properties") or {}).get("skip_block_devices") or ()):
            patch.append({"op": "add", "path": "/properties/skip_block_devices", "value": kept})
    if verb in ("active", "rebuild", "adopt") and instance is not None:
        patch.append({"op": "add", "path": "/instance_info", "value": instance_info(name, instance, course.pinned)})
        if verb == "rebuild":
            course.instead = {k: v for k, v in (node.get("instance_info") or {}).items() if v != MASKED}
        if instance.config_drive is not None and verb != "adopt":
            body["configdrive"] = instance.config_drive
    if verb == "adopt" and instance is None and not (node.get("instance_info") or {}).get("image_source"):
        return course.fail("adopt", "it is not said what runs on it", "declare instance.image")
    if verb == "rescue":
        if not options.rescue_password:
            return course.fail("rescue", "there is no password for the rescue system", "give rescue_password")
        body["rescue_password"] = options.rescue_password
    before = [Request("PATCH", course.path, patch, f"{name} before {STAGES[verb]}")] if patch else []
    return _provision(course, verb, STAGES[verb], body, *before)


# ---- at the target


def _to_protect(course: Course) -> bool:
    """Ironic protects active nodes only, so that it is done at the end."""
    declared, node = course.wanted.declared, course.node or {}
    wanted = declared is not None and bool(declared.protected) and not node.get("protected")
    return wanted and course.state == "active" and course.asked and not course.protected


def _arrived(course: Course, options: Options) -> Action:
    """The node is there."""
    node, instance, declared = course.node or {}, course.wanted.instance, course.wanted.declared
    if options.target == "removed":
        refused = _refused(course, options, "")
        if refused is not None:
            return refused
        gone = Request("DELETE", course.path, None, f"removal of {course.wanted.name}")
        return Action("ask", "remove", (gone,), "", ("removed",))
    if _to_protect(course):
        course.protected = True
        patch: list[dict[str, Any]] = [{"op": "add", "path": "/protected", "value": True}]
        if declared is not None and declared.protected_reason:
            patch.append({"op": "add", "path": "/protected_reason", "value": declared.protected_reason})
        request = Request("PATCH", course.path, patch, f"protect {course.wanted.name}")
        return Action("ask", "protect", (request,), "", ("protected",))
    patch = _fast(course, options, "rebuild") if course.ramdisk and course.state == "active" else []
    if patch:  # nobody's next deployment is to take the system for a ramdisk that still runs
        course.ramdisk = False
        return Action("ask", "deploy", (Request("PATCH", course.path, patch, f"{course.wanted.name} as it is"),))
    if options.target in ("active", "adopted") and instance is not None:
        runs = (node.get("instance_info") or {}).get(DIGEST)
        if course.outcome.status != "changed" or not course.deploys:
            if runs is None and options.target == "active":
                course.note("runs something that was not deployed from here")
            elif runs not in (None, digest(instance)):
                course.note("runs an older image or config drive: target rebuilt brings the new one")
    beyond = {"manageable": "manageable", "inspected": "manageable", "available": "available"}.get(options.target, "")
    if beyond and course.state != beyond and course.state in states.OCCUPIED:
        course.note(f"is {course.state!r}, which is left alone")
    elif options.target == "manageable" and course.state == "available":
        course.note("is available, which is beyond manageable (withdraw: true takes it back)")
    if options.target == "inspected" and course.state in states.OCCUPIED and not node.get("inspection_finished_at"):
        course.note("was never inspected, and cannot be while it may run something")
    return END
