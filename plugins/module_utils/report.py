# SPDX-License-Identifier: Apache-2.0
"""What a run did, kept as plain data and told in few lines. The callback ``progress`` feeds it and prints its lines.

Everything is pure: time is passed in, lines are returned, no result of a module is kept but the keys named here.
Results with ``censored`` (``no_log``) are counted, and nothing of them is shown.

A *step* is what one line tells: all consecutive tasks of one service in one play, or one task without a service.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import write_atomic

Outcome = Literal["ok", "changed", "skipped", "failed", "ignored", "unreachable"]
Style = Literal["plain", "title", "ok", "changed", "failed", "quiet"]
Status = Literal["unchanged", "planned", "changed", "failed", "rolled_back"]

#: The layout of the report. It goes up when a key changes its meaning or goes away.
FORMAT = 1

#: Reports that are kept for one cloud.
KEEP = 100

#: Seconds after which a step that still runs is announced when there is no terminal, and then how often again.
ANNOUNCE_AFTER, ANNOUNCE_EVERY = 5.0, 60.0

#: Lines of a command's output that are shown when it failed.
TAIL = 20

#: These actions only steer the run: they begin no step of their own.
STEERING_ACTIONS = frozenset(
    {"add_host", "assert", "debug", "fail", "group_by", "import_playbook", "import_role", "import_tasks"}
    | {"include_role", "include_tasks", "include_vars", "meta", "network_rollout", "rollout", "set_fact", "set_stats"}
    | {"validate_argument_spec"}
)

#: What the network of nodes is called where the other lines name a service.
NETWORK = "network"

LOCAL_HOSTS = frozenset(("localhost", "127.0.0.1", "::1"))

HIDDEN = "hidden: this task handles a secret (no_log)"


@dataclass(frozen=True)
class Line:
    """One line for the operator. ``style`` tells its meaning, not its colour."""

    text: str
    style: Style = "plain"


@dataclass(frozen=True)
class Task:
    """A task as it starts. ``service`` is empty for one that belongs to no service; ``path`` is ``file:line``."""

    uuid: str
    name: str
    action: str  # without its collection: "generation"
    service: str = ""
    path: str = ""
    local: bool = False  # does its work on the deployment host, whichever node it is for
    check: bool = False  # in check mode, also where the run is not


@dataclass
class Node:
    """What happened to one service on one node."""

    planned: str = ""  # what the plan said: new, change, restart, remove; "" when there was no plan or nothing to do
    reason: str = ""
    touched: bool = False  # a task of the service ended on the node
    changed: bool = False
    failed: bool = False
    rolled_back: bool = False
    stage: str = ""
    digest: str = ""
    restarted: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    reloaded: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def status(self) -> Status:
        """The one word for the table. ``planned``: something differs, and nothing was done about it."""
        if self.rolled_back:
            return "rolled_back"
        if self.failed:
            return "failed"
        if self.changed:
            return "changed"
        return "planned" if self.planned and not self.touched else "unchanged"


@dataclass
class Service:
    """One service over all nodes; ``seconds`` is the wall time that its tasks took."""

    seconds: float = 0.0
    nodes: dict[str, Node] = field(default_factory=dict)


@dataclass
class Step:
    """What is worked on."""

    label: str
    service: str
    started: float
    hosts: set[str] = field(default_factory=set)  # with a result that was not skipped
    done: set[str] = field(default_factory=set)  # with a result for the current task
    changed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    units: dict[str, set[str]] = field(default_factory=dict)  # "restarted" -> short names
    plan: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    task: str = ""
    announced: float | None = None


def _seconds(value: float) -> str:
    """A duration: ``4.1 s``, ``75 s``, ``12 min 5 s``."""
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{value // 60:.0f} min {value % 60:.0f} s"


def _clock(value: float) -> str:
    """Time since the start, for the left margin: ``0:07``, ``12:30``."""
    return f"{int(value) // 60:3d}:{int(value) % 60:02d}"


def names(hosts: Iterable[str], limit: int = 4) -> str:
    """``node1, node2 and 7 more``: enough to know, short enough to read."""
    ordered = sorted(hosts)
    if len(ordered) <= limit:
        return ", ".join(ordered)
    return f"{', '.join(ordered[: limit - 1])} and {len(ordered) - limit + 1} more"


def count(number: int, noun: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _tail(text: object) -> list[str]:
    lines = str(text or "").rstrip().splitlines()
    if len(lines) > TAIL:
        return [f"... {len(lines) - TAIL} lines before this", *lines[-TAIL:]]
    return lines


def explain(data: Mapping[str, Any]) -> list[str]:
    """Why a task failed, in lines: its ``msg`` (with a journal's tail as it stands), and what a command printed."""
    if "censored" in data or data.get("_ansible_no_log"):
        return [HIDDEN]
    message = str(data.get("msg") or "").rstrip()
    for prefix in ("Task failed: ", "Module failed: ", "Action failed: "):  # Ansible's own, which say nothing here
        message = message.removeprefix(prefix)
    lines = message.splitlines()
    if data.get("assertion") is not None:
        lines.append(f"not true: {data['assertion']}")
    if data.get("rc") not in (None, 0):
        command = data.get("cmd")
        argv = " ".join(map(str, command)) if isinstance(command, list) else str(command or "the command")
        lines.append(f"exit code {data['rc']}: {argv}")
    journal = data.get("journal")
    if isinstance(journal, list) and journal and not any(str(line) in lines for line in journal):
        lines += ["journal:", *(f"  {line}" for line in journal)]
    shown = set(lines)
    for key in ("module_stderr", "module_stdout", "stderr", "stdout"):
        output = [line for line in _tail(data.get(key)) if line.strip() and line not in shown]
        if output:
            lines += [f"{key.removeprefix('module_')}:", *(f"  {line}" for line in output)]
            break
    return lines or ["it failed without a message; run again with -vvv"]


def wrap(lines: Iterable[str], width: int, indent: str = "    ") -> list[str]:
    """Indent and wrap, keeping the line breaks and the indentation that are there."""
    wrapped: list[str] = []
    for line in lines:
        own = indent + line[: len(line) - len(line.lstrip())]
        wrapped += textwrap.wrap(
            line.strip(),
            max(width, 40),
            initial_indent=own,
            subsequent_indent=own + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return wrapped


class Recorder:
    """Takes the events of one run and says what to print about them. ``now`` is in seconds, of any monotonic clock."""

    def __init__(self, verb: str, now: float, started: datetime, *, check: bool = False) -> None:
        self.verb = verb
        self.check = check
        self.begin = now
        self.started = started
        self.seconds = 0.0
        self.width = 100
        self.services: dict[str, Service] = {}
        self.on_nodes: dict[str, int] = {}
        self.local = 0
        self.failures: list[dict[str, str]] = []
        self.unreachable: dict[str, str] = {}
        self.degraded: dict[str, list[str]] = {}
        self.skipped_plays: list[str] = []
        self.lock: dict[str, Any] = {}
        self.stats: dict[str, dict[str, int]] = {}
        self.status = "running"
        self._play = ""
        self._play_hosts: list[str] = []
        self._step: Step | None = None
        self._tasks: dict[str, tuple[Task, float]] = {}
        self._title = ""
        self._show_title = False

    # ---- events

    def play(self, name: str, hosts: Sequence[str], now: float) -> list[Line]:
        """A play begins. Its title is printed with its first line: a play in which nothing happens stays silent."""
        lines = self.close(now)
        self._play, self._play_hosts = name, list(hosts)
        self._title, self._show_title = f"{name} ({count(len(hosts), 'node')})" if hosts else name, True
        if set(hosts) <= LOCAL_HOSTS:
            self._title = name
        return lines

    def no_hosts(self) -> list[Line]:
        """The play matched no node: it did nothing, which is worth a word."""
        self.skipped_plays.append(self._play)
        return self._under_title([Line(f"{'':8}no node matches this play", "quiet")])

    def task(self, task: Task, now: float) -> list[Line]:
        """A task begins. Returns the line of the step that ended by this."""
        self._tasks[task.uuid] = (task, now)
        step = self._step
        if step is not None and task.service and task.service == step.service:
            step.task, step.done = task.name, set()
            return []
        if task.action in STEERING_ACTIONS:
            return []
        lines = self.close(now)
        self._step = Step(task.service or task.name, task.service, now, task=task.name)
        return lines

    def result(
        self,
        host: str,
        uuid: str,
        outcome: Outcome,
        data: Mapping[str, Any],
        now: float,
        executed_on: str = "",
        item: str | None = None,
    ) -> list[Line]:
        """A task ended on a node; ``data`` is its result. ``item`` is the label of one item of a loop.

        The result of a whole loop comes after those of its items: the loop itself is then not counted again.
        """
        task, since = self._tasks.get(uuid, (Task(uuid, "", ""), now))
        step = self._step
        if task.action in STEERING_ACTIONS and outcome in ("ok", "skipped"):
            return []
        looped = item is None and isinstance(data.get("results"), list)
        where = executed_on or host
        if outcome != "skipped" and not looped:
            self._count(task, where, outcome)
        if step is not None and item is None:
            step.done.add(host)
        if outcome == "skipped":
            return []
        if step is not None:
            step.hosts.add(host)
        self._remember(task, host, outcome, data, max(now - since, 0.0) if item is None else 0.0)
        if item is None:
            self._tasks[uuid] = (task, now)
        if outcome == "unreachable":
            return self._unreachable(host, data)
        if outcome == "failed" and not (looped and any(_failed(entry) for entry in data["results"])):
            return self._failure(host, task, data, item)
        if outcome == "ignored" and step is not None:
            step.ignored.add(host)
        return []

    def say(self, lines: Sequence[Line]) -> list[Line]:
        """Lines of somebody else (a message, a diff), below the title of the play."""
        return self._under_title(list(lines))

    def close(self, now: float) -> list[Line]:
        """End the current step and tell it."""
        step, self._step = self._step, None
        self.seconds = now - self.begin
        if step is None:
            return []
        if step.plan:
            return self._under_title(self._tell_plan(step, now))
        if not step.hosts or (step.failed and not step.changed):
            return []
        on = "" if step.hosts <= LOCAL_HOSTS else f" on {names(step.hosts)}"
        word = f"failed{on}, which is ignored" if step.ignored else f"ok{on}"
        style: Style = "quiet" if step.ignored else "ok"
        if step.changed:
            would = "would change" if self.check else "changed"
            word, style = f"{would} on {names(step.changed)}" if on else would, "changed"
        for done, units in step.units.items():
            word += f"; {done} {names(units, 6)}"
        margin = f"{_clock(self.seconds)}  "
        text = f"{margin}{step.label:<15}  {word}  ({_seconds(now - step.started)})"
        return self._under_title([Line(text, style)])

    def finish(self, stats: Mapping[str, Mapping[str, int]], now: float) -> list[Line]:
        """The run is over; ``stats`` are Ansible's counts per node (ok, changed, failures, unreachable, ...)."""
        lines = self.close(now)
        self.stats = {host: {key: int(value) for key, value in counts.items()} for host, counts in stats.items()}
        self._forgive()
        failed = sorted(host for host, counts in self.stats.items() if counts.get("failures"))
        dark = sorted(host for host, counts in self.stats.items() if counts.get("unreachable"))
        self.status = "failed" if failed else "partial" if dark else "ok"
        return lines

    def abort(self, now: float) -> None:
        """The run ended without Ansible's counts: interrupted, or ended by an error in a playbook."""
        if self.status == "running":
            self.close(now)
            self.status = "aborted"

    # ---- what is told

    def doing(self, now: float) -> str:
        """One line for a terminal: what is worked on, on how many nodes, for how long."""
        step = self._step
        if step is None:
            return ""
        task = f": {step.task}" if step.service and step.task else ""
        nodes = ""
        if self._play_hosts and not set(self._play_hosts) <= LOCAL_HOSTS:
            nodes = f", {len(step.done)} of {count(len(self._play_hosts), 'node')}"
        return f"{_clock(now - self.begin)}  {step.label}{task}{nodes}, {now - step.started:.0f} s"

    def announce(self, now: float) -> list[Line]:
        """The same where there is no terminal: once when a step takes long, and then from time to time."""
        step = self._step
        if step is None:
            return []
        due = step.started + ANNOUNCE_AFTER if step.announced is None else step.announced + ANNOUNCE_EVERY
        if now < due:
            return []
        step.announced = now
        return self._under_title([Line(f"{self.doing(now)} ...", "quiet")])

    def summary(self, report: str = "") -> list[Line]:
        """What stands at the end: table, unreachable nodes, failures, totals. ``report`` is the path of the report."""
        lines = [Line(""), *self.table()] if self.services else []
        if self.unreachable:
            lines += [Line(""), Line("Not reached", "failed")]
            for host, reason in sorted(self.unreachable.items()):
                lines += [Line(text, "failed") for text in wrap([f"{host}: {reason}"], self.width, "  ")]
        if self.degraded:
            lines += [Line(""), Line("Degraded", "changed")]
            for host, sentences in sorted(self.degraded.items()):
                told = f"{host}: {'; '.join(sentences)}"
                lines += [Line(text, "changed") for text in wrap([told], self.width, "  ")]
        if len(self.failures) > 1 or (self.failures and len(self.services) > 1):
            lines += [Line(""), Line("Failed", "failed")]
            for failure in self.failures:
                what = f"{failure['service'] or failure['task']} on {failure['host']}"
                at = f", stage {failure['stage']}" if failure["stage"] else ""
                first = failure["msg"].splitlines()[0]
                lines += [Line(text, "failed") for text in wrap([f"{what}{at}: {first}"], self.width, "  ")]
        totals = {key: sum(counts.get(key, 0) for counts in self.stats.values()) for key in ("changed", "failures")}
        text = (
            f"{self.verb}: {self.status} in {_seconds(self.seconds)}; tasks on nodes={sum(self.on_nodes.values())} "
            f"changed={totals['changed']} failed={totals['failures']} unreachable={len(self.unreachable)}"
            + (f" degraded={len(self.degraded)}" if self.degraded else "")
        )
        style: Style = "ok" if self.status == "ok" else "failed"
        lines += [Line(""), Line(text + (" (check mode: nothing was changed)" if self.check else ""), style)]
        if report:
            lines.append(Line(f"report: {report}", "quiet"))
        return lines

    def table(self) -> list[Line]:
        """A row for each service, in the order in which they came up: nodes by status, and seconds."""
        dry = self.check or self.verb == "plan"
        columns: list[tuple[str, tuple[str, ...]]] = [
            ("unchanged", ("unchanged",)),
            ("to change", ("changed", "planned")) if dry else ("changed", ("changed",)),
            ("failed", ("failed",)),
            ("rolled back", ("rolled_back",)),
        ]
        if not dry and any(node.status == "planned" for s in self.services.values() for node in s.nodes.values()):
            columns.append(("not done", ("planned",)))
        wide = max(len(name) for name in (*self.services, "service"))
        heads = "".join(f"  {title:>11}" for title, _ in columns)
        lines = [Line(f"{'service':<{wide}}{heads}  {'seconds':>8}", "title")]
        for name, service in self.services.items():
            found = [node.status for node in service.nodes.values()]
            cells = [sum(status in statuses for status in found) for _, statuses in columns]
            row = f"{name:<{wide}}" + "".join(f"  {cell or '-':>11}" for cell in cells)
            bad = any(status in ("failed", "rolled_back") for status in found)
            style: Style = "failed" if bad else "ok" if not sum(cells[1:]) else "changed"
            lines.append(Line(f"{row}  {service.seconds:>8.1f}", style))
        return lines

    def report(self, **more: Any) -> dict[str, Any]:
        """The run as JSON data. ``more`` is added at the top level: cloud, versions, options."""
        exit_code = {"ok": 0, "failed": 4 if self.unreachable else 2, "partial": 4}.get(self.status)
        return {
            "format": FORMAT,
            "verb": self.verb,
            "status": self.status,
            "exit_code": exit_code,
            "started": self.started.astimezone(UTC).isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 3),
            "check": self.check,
            **more,
            "lock": self.lock,
            "tasks": {
                "on_nodes": sum(self.on_nodes.values()),
                "per_node": dict(sorted(self.on_nodes.items())),
                "on_deployment_host": self.local,
            },
            "nodes": self.stats,
            "services": {
                name: {
                    "seconds": round(service.seconds, 3),
                    "nodes": {host: _node_report(node) for host, node in sorted(service.nodes.items())},
                }
                for name, service in self.services.items()
            },
            "failures": self.failures,
            "unreachable": self.unreachable,
            "degraded": self.degraded,
        }

    # ---- inner parts

    def _under_title(self, lines: list[Line]) -> list[Line]:
        if not self._show_title or not lines:
            return lines
        self._show_title = False
        return [Line(""), Line(self._title, "title"), *lines]

    def _count(self, task: Task, where: str, outcome: Outcome) -> None:
        if outcome == "unreachable" or task.action in STEERING_ACTIONS:
            return
        if not task.local and where not in LOCAL_HOSTS:
            self.on_nodes[where] = self.on_nodes.get(where, 0) + 1
        else:
            self.local += 1

    def _node(self, service: str, host: str) -> Node:
        return self.services.setdefault(service, Service()).nodes.setdefault(host, Node())

    def _remember(self, task: Task, host: str, outcome: Outcome, data: Mapping[str, Any], seconds: float) -> None:
        """Keep what the report and the table need."""
        step = self._step
        if "censored" in data:
            data = {"changed": data.get("changed", False)}
        if task.action == "run_lock":
            self.lock = {key: data[key] for key in ("path", "note") if data.get(key)}
        if task.action == "plan" and isinstance(data.get("plan"), list):
            for entry in data["plan"]:
                node = self._node(str(entry.get("service", "?")), host)
                node.planned = "" if entry.get("action") == "unchanged" else str(entry.get("action", ""))
                node.reason, node.digest = str(entry.get("reason", "")), str(entry.get("digest", ""))
            if step is not None:
                step.plan[host] = list(data["plan"])
            return
        changed = outcome == "changed"
        if task.action == "network_config":
            self._network(task, host, outcome, data)
            if task.check and outcome in ("ok", "changed", "ignored"):
                return
        if step is not None and changed:
            step.changed.add(host)
        if step is not None and outcome in ("failed", "unreachable"):
            step.failed.add(host)
        service = str(data.get("service") or task.service) if task.action == "generation" else task.service
        if not service or task.action in STEERING_ACTIONS:
            return
        entry_of = self.services.setdefault(service, Service())
        entry_of.seconds += seconds
        if outcome == "unreachable":
            return
        node = self._node(service, host)
        node.touched = True
        node.changed = node.changed or changed
        node.failed = node.failed or outcome == "failed"
        taken_back = data.get("rolled_back") or (outcome == "failed" and data.get("reverted"))
        node.rolled_back = node.rolled_back or bool(taken_back)
        if task.action == "generation":
            node.stage = str(data.get("stage") or node.stage)
            node.digest = str(data.get("digest") or node.digest)
            node.seconds += float(data.get("seconds") or 0.0)
            for key, kept in (("restarted", node.restarted), ("started", node.started), ("reloaded", node.reloaded)):
                units = [str(unit) for unit in data.get(key) or []]
                kept += [unit for unit in units if unit not in kept]
                if step is not None and units:
                    step.units.setdefault(key, set()).update(_short(unit) for unit in units)

    def _network(self, task: Task, host: str, outcome: Outcome, data: Mapping[str, Any]) -> None:
        """The state of a node's network, and in check mode what would change of it."""
        self.degraded.pop(host, None)
        if data.get("degraded"):
            self.degraded[host] = [str(sentence) for sentence in data["degraded"]]
        if not task.check or outcome in ("failed", "unreachable"):
            return
        node = self._node(NETWORK, host)
        node.planned, node.reason = "", ""
        if outcome != "ignored" and data.get("summary"):
            node.planned, node.reason = "change", "; ".join(str(line) for line in data["summary"])
        elif outcome == "ignored":  # the run goes on without it, and says why
            node.planned, node.reason = "refused", " ".join(explain(data))
        if self._step is not None:
            entry = {"service": NETWORK, "action": node.planned or "unchanged", "reason": node.reason}
            self._step.plan[host] = [entry]

    def _failure(self, host: str, task: Task, data: Mapping[str, Any], item: str | None) -> list[Line]:
        explained = explain(data)
        stage = "" if "censored" in data else str(data.get("stage") or "")
        service = task.service or str(data.get("service") or "")
        self.failures.append(
            {"host": host, "service": service, "stage": stage, "task": task.name, "path": task.path}
            | {"item": item or "", "msg": "\n".join(explained)}
        )
        head = f"FAILED  {service or task.name} on {host}" + (f", stage {stage}" if stage else "")
        about = f"{task.name}{f' ({item})' if item else ''}{f', {task.path}' if task.path else ''}"
        lines = [Line(""), Line(head, "failed"), Line(f"  {about}", "quiet")]
        lines += [Line(text, "failed") for text in wrap(explained, self.width)]
        if data.get("reverted"):
            lines.append(Line("  The node went back to the network that it had before.", "changed"))
        elif data.get("rolled_back"):
            lines.append(Line("  The change was taken back on this node.", "changed"))
        return self._under_title([*lines, Line("")])

    def _unreachable(self, host: str, data: Mapping[str, Any]) -> list[Line]:
        reason = " ".join(explain(data)) if data.get("msg") or "censored" in data else "no answer"
        self.unreachable[host] = reason
        return self._under_title([Line(f"{'':8}{host} cannot be reached; the run goes on without it", "failed")])

    def _forgive(self) -> None:
        """A failure that a ``rescue`` took care of is none in the end.

        When a task fails, nobody can tell yet. But Ansible's counts know how many failures of a node were final, and as
        a node leaves the run with a final failure, those are its last ones.
        """
        left = {host: counts.get("failures", 0) for host, counts in self.stats.items()}
        final: list[dict[str, str]] = []
        for failure in reversed(self.failures):
            if failure["item"] or left.get(failure["host"], 1) > 0:
                final.insert(0, failure)
            if not failure["item"]:
                left[failure["host"]] = left.get(failure["host"], 1) - 1
        self.failures = final
        kept = {(failure["service"], failure["host"]) for failure in final}
        for name, service in self.services.items():
            for host, node in service.nodes.items():
                node.failed = node.failed and (name, host) in kept

    def _tell_plan(self, step: Step, now: float) -> list[Line]:
        todo: dict[tuple[str, str, str], list[str]] = {}
        for host, entries in step.plan.items():
            for entry in entries:
                if entry.get("action") != "unchanged":
                    key = (str(entry.get("service")), str(entry.get("action")), str(entry.get("reason", "")))
                    todo.setdefault(key, []).append(host)
        services = {str(entry.get("service")) for entries in step.plan.values() for entry in entries}
        different = {service for service, _, _ in todo}
        what = f"{count(len(services), 'service')} on {names(step.plan)}"
        verdict = f"{count(len(different), 'service')} to change" if different else "nothing to change"
        if services == {NETWORK}:
            what = f"the network of {names(step.plan)}"
            verdict = f"{count(sum(map(len, todo.values())), 'node')} to change" if different else "nothing to change"
        text = f"{_clock(now - self.begin)}  compared {what}: {verdict}  ({_seconds(now - step.started)})"
        lines = [Line(text, "changed" if different else "ok")]
        for (service, action, reason), hosts in todo.items():
            detail = f"{'':8}{action:<8} {service:<12} {names(hosts)}" + (f"  ({reason})" if reason else "")
            lines.append(Line(detail, "changed"))
        return lines


def _failed(entry: object) -> bool:
    return isinstance(entry, Mapping) and bool(entry.get("failed"))


def _short(unit: object) -> str:
    """``ozone-keystone_api.service`` -> ``keystone_api``."""
    return str(unit).removesuffix(".service").removeprefix("ozone-")


def _node_report(node: Node) -> dict[str, Any]:
    return {
        "status": node.status,
        "planned": node.planned,
        "reason": node.reason,
        "stage": node.stage,
        "digest": node.digest,
        "restarted": node.restarted,
        "started": node.started,
        "reloaded": node.reloaded,
        "rolled_back": node.rolled_back,
        "seconds": round(node.seconds, 3),
    }


def report_path(directory: Path, verb: str, started: datetime) -> Path:
    """Where the report of a run goes: ``<utc time>-<verb>.json``, which sorts by time."""
    return directory / f"{started.astimezone(UTC).strftime('%Y%m%dT%H%M%S.%fZ')}-{verb}.json"


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report (mode 0600) and point ``latest.json`` beside it at it; old reports beyond ``KEEP`` are removed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(path, json.dumps(report, indent=2, ensure_ascii=False, default=str) + "\n")
    temporary = path.with_name(f".latest.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(path.name)
    temporary.replace(path.with_name("latest.json"))
    for old in sorted(path.parent.glob("2*Z-*.json"))[:-KEEP]:
        old.unlink(missing_ok=True)
