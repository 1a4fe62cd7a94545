# SPDX-License-Identifier: Apache-2.0
"""A simulated Ironic: nodes with Ironic's own states, a clock that only moves when somebody waits, and faults.

It has a table of its own, written after Ironic's documentation and not after the code that is tested. A node's verb
runs through the phases of ``PHASES``, each with its seconds; a fault changes how it ends.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.fleet import Result
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Answer, BaremetalError, Request

#: Verb -> states from which Ironic takes it.
FROM: dict[str, set[str]] = {
    "manage": {"enroll", "available", "clean failed", "inspect failed", "adopt failed"},
    "provide": {"manageable"},
    "inspect": {"manageable", "inspect failed"},
    "adopt": {"manageable", "adopt failed"},
    "active": {"available", "deploy failed"},
    "rebuild": {"active", "deploy failed", "error"},
    "deleted": {
        "active", "error", "deploy failed", "wait call-back", "rescue", "rescue wait", "rescue failed",
        "unrescue failed", "service wait", "service failed",
    },
    "rescue": {"active", "rescue", "rescue failed", "unrescue failed", "service failed"},
    "unrescue": {"rescue", "rescue failed", "unrescue failed"},
    "abort": {"clean wait", "inspect wait", "wait call-back", "rescue wait", "service wait", "service failed"},
}  # fmt: skip

#: Verb -> (state, seconds) until it is done, the state then, and the one after a failure.
PHASES: dict[str, tuple[list[tuple[str, float]], str, str]] = {
    "verify": ([("verifying", 3)], "manageable", "enroll"),
    "inspect": ([("inspecting", 5), ("inspect wait", 50)], "manageable", "inspect failed"),
    "provide": ([("cleaning", 2), ("clean wait", 20)], "available", "clean failed"),
    "adopt": ([("adopting", 2)], "active", "adopt failed"),
    "active": ([("deploying", 6), ("wait call-back", 40), ("deploying", 10)], "active", "deploy failed"),
    "rebuild": ([("deploying", 6), ("wait call-back", 40), ("deploying", 10)], "active", "deploy failed"),
    "deleted": ([("deleting", 5), ("cleaning", 2), ("clean wait", 20)], "available", "error"),
    "rescue": ([("rescuing", 5), ("rescue wait", 40)], "rescue", "rescue failed"),
    "unrescue": ([("unrescuing", 5)], "active", "unrescue failed"),
}
ABORTED = {
    "clean wait": "clean failed",
    "inspect wait": "inspect failed",
    "wait call-back": "deploy failed",
    "rescue wait": "rescue failed",
    "service wait": "service failed",
    "service failed": "active",
}

GIB = 1 << 30


def disk(number: int = 0) -> dict[str, Any]:
    return {"name": f"/dev/sd{chr(97 + number)}", "size": 100 * GIB, "serial": f"S{number}", "model": "FAKE"}


@dataclass
class Fault:
    """What goes wrong with a verb of a node.

    ``error``: it fails with this text. ``hang``: it stays in this state. ``refuse``: status and text of the answer.
    ``silent``: requests are not answered (``taken``: although they were). ``locked``: 409 so many times. ``slow``:
    seconds of the request itself. ``times``: how often, of all times.
    """

    error: str = ""
    hang: str = ""
    refuse: tuple[int, str] | None = None
    silent: bool = False
    taken: bool = False
    locked: int = 0
    slow: float = 0.0
    times: int = 10**9


class Clock:
    """Moves only when somebody waits."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


@dataclass
class Simulated:
    """A node and the way on which it is: phases that are left, with the time at which each ends."""

    data: dict[str, Any]
    verb: str = ""
    phases: list[tuple[str, float]] = field(default_factory=list)
    end: str = ""
    error: str = ""
    power_at: float | None = None
    agent_at: float | None = None  # its ramdisk reports
    boots: int = 0  # of ramdisks


class Ironic:
    """``Api``. ``made``: every request with its time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.nodes: dict[str, Simulated] = {}
        self.ports: list[dict[str, Any]] = []
        self.groups: list[dict[str, Any]] = []
        self.faults: dict[tuple[str, str], Fault] = {}
        self.made: list[tuple[float, Request]] = []
        self.down: tuple[float, float] = (0.0, 0.0)  # no answers at all between these times
        self.forbidden = ""
        self.list_answer: Answer | None = None
        self.deploy_limit = 10**9
        self.page = 1000
        self.inventories: dict[str, Any] = {}
        self.retired_to_manageable = True
        self.report = 4.0  # seconds from the end of an inspection until its ramdisk reports
        self._stamp = itertools.count()

    # ---- for tests

    def add(self, name: str, state: str = "enroll", **fields: Any) -> dict[str, Any]:
        uuid = fields.pop("uuid", f"id-{name}")
        data: dict[str, Any] = {
            "uuid": uuid, "name": name, "provision_state": state, "target_provision_state": None,
            "provision_updated_at": f"t{next(self._stamp)}", "power_state": "power off", "last_error": None,
            "maintenance": False, "maintenance_reason": None, "fault": None, "reservation": None,
            "inspection_finished_at": None, "retired": False, "protected": False, "protected_reason": None,
            "properties": {}, "instance_info": {}, "instance_uuid": None, "allocation_uuid": None, "driver": "redfish",
            "inspect_interface": "agent",
            "driver_info": {}, "extra": {}, "traits": [], "driver_internal_info": {"agent": "x" * 100}, **fields,
        }  # fmt: skip
        self.nodes[uuid] = Simulated(data)
        return data

    def fault(self, name: str, verb: str, **what: Any) -> None:
        self.faults[name, verb] = Fault(**what)

    def state(self, name: str) -> str:
        self._settle()
        return str(self._find(name).data["provision_state"])

    def of(self, name: str) -> dict[str, Any]:
        self._settle()
        return self._find(name).data

    def changing(self) -> list[Request]:
        return [request for _, request in self.made if request.method != "GET"]

    def lists(self) -> list[str]:
        return [request.path for _, request in self.made if re.match(r"/v1/\w+(/detail)?\?", request.path)]

    # ---- time

    def _find(self, key: str) -> Simulated:
        for uuid, node in self.nodes.items():
            if key in (uuid, node.data["name"]):
                return node
        raise KeyError(key)

    def _enter(self, node: Simulated, state: str) -> None:
        node.data["provision_state"] = state
        node.data["provision_updated_at"] = f"t{next(self._stamp)}"

    def _settle(self) -> None:
        """Let happen what the time since the last request brought."""
        now = self.clock.time
        for node in self.nodes.values():
            while node.phases and node.phases[0][1] <= now:
                node.phases.pop(0)
                self._enter(node, node.phases[0][0] if node.phases else self._ended(node))
            if node.power_at is not None and node.power_at <= now:
                node.data["power_state"], node.power_at, node.agent_at = "power off", None, None
                node.data["driver_internal_info"].pop("agent_url", None)
            if node.agent_at is not None and node.agent_at <= now:
                node.data["driver_internal_info"]["agent_url"], node.agent_at = "https://198.18.32.11:9999", None

    def _ended(self, node: Simulated) -> str:
        data, verb = node.data, node.verb
        data["last_error"] = node.error or None
        data["target_provision_state"] = data["reservation"] = None
        if verb == "inspect" and not node.error:
            data["inspection_finished_at"] = f"at {self.clock.time}"
            self.inventories.setdefault(data["name"], {"disks": [disk()], "interfaces": []})
            if _fast(data):
                node.agent_at = self.clock.time + self.report
            else:
                data["power_state"] = "power off"
        if verb == "deleted" and not node.error:
            data["instance_info"], data["power_state"] = {}, "power off"
            if data["retired"]:
                return "manageable"
        return node.end

    def _start(self, node: Simulated, verb: str, fault: Fault) -> None:
        data = node.data
        phases, end, failure = PHASES[verb]
        node.verb, node.end, node.error = verb, end, ""
        data["last_error"], data["target_provision_state"] = None, end
        inside = data["driver_internal_info"]
        if verb in ("active", "provide") and _fast(data) and data["power_state"] == "power on":
            phases = [phases[0], phases[-1]]  # nothing is booted
            if "agent_url" not in inside:
                fault = Fault(error="Missing driver_info: Agent driver requires agent_url in driver_internal_info")
        elif verb in ("active", "rebuild", "inspect", "rescue", "provide"):
            node.boots += 1
            inside.pop("agent_url", None)
            data["power_state"] = "power on"
        if fault.error:
            node.end, node.error, phases = failure, fault.error, phases[:1]
            if verb == "deleted" and "clean" in fault.error:
                node.end = "clean failed"
        node.phases, at = [], self.clock.time
        for state, seconds in phases:
            at += 10**9 if fault.hang == state else seconds
            node.phases.append((state, at))
        self._enter(node, node.phases[0][0])

    # ---- requests

    def request(self, request: Request) -> Answer:
        self._settle()
        self.made.append((self.clock.time, request))
        if self.forbidden:
            raise BaremetalError(self.forbidden)
        if self.down[0] <= self.clock.time < self.down[1]:
            raise ConnectionError("connection refused")
        address = urlsplit(request.path)
        parts = address.path.removeprefix("/v1/").split("/")
        answer = self._answer(request, parts, {key: item[0] for key, item in parse_qs(address.query).items()})
        return Answer(answer.status, json.loads(json.dumps(answer.body)))

    def _answer(self, request: Request, parts: list[str], query: dict[str, str]) -> Answer:
        if request.method == "GET" and (len(parts) == 1 or parts[1] == "detail"):
            return self._listed(parts[0], query)
        if request.method == "POST":
            return self._made(request, parts[0])
        if parts[0] != "nodes":
            return Answer(200, {})
        try:
            node = self._find(parts[1])
        except KeyError:
            return _error(404, f"Node {parts[1]} could not be found.")
        answer = self._of_node(request, node, parts[2:])
        if "fields" in query and answer.status == 200:
            return Answer(200, {name: answer.body[name] for name in query["fields"].split(",")})
        return answer

    def _listed(self, what: str, query: dict[str, str]) -> Answer:
        if self.list_answer is not None:
            return self.list_answer
        everything = {"nodes": [node.data for node in self.nodes.values()], "ports": self.ports,
                      "portgroups": self.groups}[what]  # fmt: skip
        start = 0
        if "marker" in query:
            start = [entry["uuid"] for entry in everything].index(query["marker"]) + 1
        page = everything[start : start + min(self.page, int(query["limit"]))]
        if "fields" in query:
            names = query["fields"].split(",")
            page = [{name: entry[name] for name in names} for entry in page]
        body: dict[str, Any] = {what: copy.deepcopy(page)}
        if start + len(page) < len(everything):
            body["next"] = "http://.../?marker"
        return Answer(200, body)

    def _met(self, name: str, verb: str) -> Fault:
        fault = self.faults.get((name, verb))
        if fault is None or fault.times <= 0:
            return Fault()
        fault.times -= 1
        return fault

    def _made(self, request: Request, what: str) -> Answer:
        body = dict(request.body)
        if what != "nodes":
            {"ports": self.ports, "portgroups": self.groups}[what].append(body)
            return Answer(201, body)
        fault = self._met(body["name"], "POST")
        if fault.silent and not fault.taken:
            raise ConnectionError("no answer")
        if any(node.data["name"] == body["name"] for node in self.nodes.values()):
            return _error(409, f"A node with name {body['name']} already exists.")
        data = self.add(body.pop("name"), **body)
        if fault.silent:
            raise ConnectionError("no answer")
        return Answer(201, data)

    def _of_node(self, request: Request, node: Simulated, rest: list[str]) -> Answer:
        data = node.data
        name, method, what = data["name"], request.method, "/".join(rest)
        verb = request.body["target"] if what == "states/provision" else (what or method)
        fault = self._met(name, verb)
        self.clock.time += 0.0
        if fault.silent and not fault.taken:
            raise ConnectionError("no answer")
        if fault.refuse is not None:
            return _error(*fault.refuse)
        if fault.locked:
            self.faults[name, verb] = Fault(locked=fault.locked - 1)
            return _error(409, f"Node {data['uuid']} is locked by host conductor-1, please retry")
        answer = self._done(request, node, what, verb, fault)
        if fault.silent:
            raise ConnectionError("no answer")
        return answer

    def _done(self, request: Request, node: Simulated, what: str, verb: str, fault: Fault) -> Answer:
        data, method = node.data, request.method
        if what == "inventory":
            found = self.inventories.get(data["name"])
            return Answer(200, {"inventory": found, "plugin_data": {}}) if found else _error(404, "no inventory")
        if what == "maintenance":
            data["maintenance"], data["fault"], data["maintenance_reason"] = False, None, None
            return Answer(202)
        if what == "states/power":
            if not fault.hang:
                node.power_at = self.clock.time + 3
            return Answer(202)
        if what == "states/provision":
            return self._provision(node, verb, fault)
        if method == "DELETE":
            if data["provision_state"] not in ("enroll", "manageable", "adopt failed") and not data["maintenance"]:
                return _error(409, "Can not delete node while it is in that provision state")
            del self.nodes[data["uuid"]]
            return Answer(204)
        if method == "PATCH":
            for operation in request.body:
                _patch(data, operation)
        return Answer(200, data)

    def _provision(self, node: Simulated, verb: str, fault: Fault) -> Answer:
        data = node.data
        state = data["provision_state"]
        if verb in ("active", "rebuild") and data["maintenance"]:
            return _error(
                400, "The provisioning operation can't be performed on node because it's in maintenance mode."
            )
        if state not in FROM[verb]:
            return _error(400, f'The requested action "{verb}" can not be performed on node while it is in "{state}"')
        deploying = sum(n.data["provision_state"] in ("deploying", "wait call-back") for n in self.nodes.values())
        if verb in ("active", "rebuild") and deploying >= self.deploy_limit:
            return _error(503, "Unable to process request at this time. The concurrent action limit has been reached.")
        if verb == "abort":
            node.phases, data["last_error"] = [], "By request, the deploy operation was aborted"
            self._enter(node, ABORTED[state])
        elif verb == "manage" and state != "enroll":
            self._enter(node, "manageable")
        else:
            self._start(node, "verify" if verb == "manage" else verb, fault)
        return Answer(202)


def _fast(data: dict[str, Any]) -> bool:
    return bool(data["driver_info"].get("fast_track"))


def _error(status: int, text: str) -> Answer:
    """As Ironic does it: JSON within JSON."""
    return Answer(status, {"error_message": json.dumps({"faultcode": "Client", "faultstring": text})})


def _patch(data: dict[str, Any], operation: dict[str, Any]) -> None:
    *way, last = operation["path"].strip("/").split("/")
    here = data
    for part in way:
        here = here.setdefault(part, {})
    if operation["op"] == "remove":
        here.pop(last, None)
    else:
        here[last] = operation["value"]


class Workers:
    """Jobs that take simulated time: that of the slowest fault of their node, beside everything else."""

    def __init__(self, ironic: Ironic, seconds: float = 0.1) -> None:
        self.ironic = ironic
        self.seconds = seconds
        self.running: list[tuple[float, int, Callable[[], Result]]] = []
        self.most = 0
        self.closed = False
        self._numbers = itertools.count()
        self.slow: Callable[[], float] = lambda: 0.0

    def submit(self, job: Callable[[], Result]) -> int:
        number = next(self._numbers)
        seconds = self.seconds + self._slowness(job)
        self.running.append((self.ironic.clock.time + seconds, number, job))
        self.most = max(self.most, len(self.running))
        return number

    def _slowness(self, job: Callable[[], Result]) -> float:
        cells = [cell.cell_contents for cell in job.__closure__ or ()]
        requests = next((cell for cell in cells if isinstance(cell, tuple)), ())
        slow = 0.0
        for request in requests:
            for (name, _), fault in self.ironic.faults.items():
                if f"id-{name}/" in f"{request.path}/" and fault.slow:
                    slow = max(slow, fault.slow)
        return slow

    def wait(self, tickets: Sequence[int], seconds: float) -> list[tuple[Any, Result]]:
        clock = self.ironic.clock
        until = clock.time + max(seconds, 0)
        self.running.sort(key=lambda job: job[:2])
        if not self.running or self.running[0][0] > until:
            clock.time = until
            return []
        due, number, job = self.running.pop(0)
        assert number in tickets
        clock.time = max(clock.time, due)
        return [(number, job())]

    def close(self) -> None:
        self.closed = True
