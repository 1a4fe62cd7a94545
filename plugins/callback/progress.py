# SPDX-License-Identifier: Apache-2.0
"""Standard output for a person at three in the morning, and a report for a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: Calm progress per service, a table at the end, and a run report
version_added: 1.0.0
author: Ozone contributors
description:
  - Shows which service is worked on, on how many nodes and for how long. On a terminal one line is kept up to date;
    without one, a line is printed for each service that is done, and now and then for one that takes long.
  - A failure is shown in full, with node, service, stage, the message and the tail of the journal.
  - The run ends with a table per service, the nodes that were not reached or whose network is degraded, and the totals.
  - A run against a cloud writes a report in JSON to C(<state directory of the cloud>/reports/), with a link
    C(latest.json) to the last one. It holds no value that a task keeps secret.
  - C(-v) adds the name and the result of each task, C(--diff) the differences.
  - It works for any playbook. A task that belongs to no service is a line of its own.
options:
  report_directory:
    description: Where reports are written. By default, below the state directory of the cloud of the inventory.
    type: path
    env: [{name: OZONE_REPORT_DIRECTORY}]
    ini: [{section: ozone_progress, key: report_directory}]
extends_documentation_fragment:
  - result_format_callback
"""

import atexit
import contextlib
import functools
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import action_loader
from ansible.release import __version__ as ansible_version

from ansible_collections.ozone.openstack.plugins.module_utils import lock
from ansible_collections.ozone.openstack.plugins.module_utils.report import (
    NETWORK,
    Line,
    Outcome,
    Recorder,
    Style,
    Task,
    report_path,
    write_report,
)

COLOURS: dict[Style, str | None] = {
    "plain": None,
    "title": C.COLOR_HIGHLIGHT,
    "ok": C.COLOR_OK,
    "changed": C.COLOR_CHANGED,
    "failed": C.COLOR_ERROR,
    "quiet": C.COLOR_SKIP,
}


class CallbackModule(CallbackBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.progress``. What is told is decided in module_utils/report.py."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "ozone.openstack.progress"

    def __init__(self) -> None:
        super().__init__()
        self._recorder = Recorder("run", time.monotonic(), datetime.now(UTC))
        self._about: dict[str, Any] = {}
        self._report: Path | None = None
        self._pid = os.getpid()
        self._guard = threading.RLock()
        self._over = threading.Event()
        self._paused = False
        self._drawn = False
        self._terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    # ---- playbook and plays

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Start the clock."""
        verb = Path(str(playbook._file_name)).stem
        check = bool(context.CLIARGS.get("check"))
        self._recorder = Recorder(verb, time.monotonic(), datetime.now(UTC), check=check)
        self._recorder.width = min(max(shutil.get_terminal_size((120, 24)).columns, 60), 140) - 6
        self._about = {
            "playbook": str(playbook._file_name),
            "ansible": ansible_version,
            "limit": str(context.CLIARGS.get("subset") or ""),
            "diff": bool(context.CLIARGS.get("diff")),
        }
        atexit.register(self._end)
        threading.Thread(target=self._beat, name="progress", daemon=True).start()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Learn the nodes, and from the first inventory with a cloud where the report goes."""
        manager = play.get_variable_manager()
        hosts = [host.name for host in manager._inventory.get_hosts(play.hosts)] if play.hosts else []
        self._show(self._recorder.play(play.get_name().strip(), hosts, time.monotonic()))
        if self._report is None:
            everything = manager._inventory.groups.get("all")
            cloud = (everything.get_vars() if everything else {}).get("ozone_cloud")
            self._open_report(cloud if isinstance(cloud, Mapping) else {})

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """The play is empty."""
        self._show(self._recorder.no_hosts())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A task begins on the nodes of the play."""
        action = str(task.action).rpartition(".")[2]
        name = task.get_name().strip().rpartition(" : ")[2]  # without the role: it is the service, or it is clear
        local = _is_local(str(task.action))
        known = Task(task._uuid, name, action, _service_of(task), _relative(task.get_path()), local, _checks(task))
        with self._guard:
            self._paused = action == "pause"
            self._show(self._recorder.task(known, time.monotonic()))
        if self._display.verbosity:
            self._say([Line(f"TASK [{known.name}]", "title")])

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """A handler is a task like another."""
        self.v2_playbook_on_task_start(task, False)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Table, totals, report."""
        counts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        with self._guard:
            self._over.set()
            self._release()
            self._show(self._recorder.finish(counts, time.monotonic()))
            where = self._write()
            self._show(self._recorder.summary(where))

    # ---- results

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task ended well."""
        self._result(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task failed."""
        self._result(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A node does not answer."""
        self._result(result, "ignored" if getattr(result.task, "ignore_unreachable", False) else "unreachable")

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Nothing was to be done."""
        self._result(result, "skipped")

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """One item of a loop ended well."""
        self._result(result, "changed" if result.result.get("changed") else "ok", loop_item=True)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """One item of a loop failed; whether that is ignored is said for the loop as a whole."""
        ignored = bool(result.task_fields.get("ignore_errors"))
        self._result(result, "ignored" if ignored else "failed", loop_item=True)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        """One item of a loop was skipped."""
        self._result(result, "skipped", loop_item=True)

    def v2_runner_retry(self, result: Any) -> None:
        """Waiting for something: worth a line only for those who asked for more."""
        if self._display.verbosity:
            left = int(result.result.get("retries", 0)) - int(result.result.get("attempts", 0))
            self._say([Line(f"{self.host_label(result)}: {result.task_name}: not yet, {left} tries left", "quiet")])

    def v2_on_file_diff(self, result: Any) -> None:
        """What changes, with ``--diff``."""
        entries = result.result.get("results") if result.task.loop else None
        for entry in entries if isinstance(entries, list) else [result.result]:
            # A comparison changes nothing, and has a summary of what differs.
            if isinstance(entry, Mapping) and entry.get("diff") and (entry.get("changed") or entry.get("summary")):
                shown = self._get_diff(entry["diff"])
                if shown:
                    head = f"{_service_of(result.task) or result.task_name} on {self.host_label(result)}:"
                    self._say([Line(head, "title"), *(Line(line) for line in shown.rstrip("\n").splitlines())])

    # ---- inner parts

    def _result(self, result: Any, outcome: Outcome, loop_item: bool = False) -> None:
        data = result.result
        with self._guard:
            self._wipe()
            if not self._display.verbosity:
                data.pop("exception", None)  # its message stands in the failure; -v adds where it comes from
            self._handle_warnings_and_exception(result)
        item = str(self._get_item_label(data)) if loop_item else None
        executed_on = str(result.task.delegate_to or "")
        if "{{" in executed_on:
            executed_on = ""
        task_uuid = result.task._uuid
        lines = self._recorder.result(
            result.host.get_name(), task_uuid, outcome, data, time.monotonic(), executed_on, item
        )
        self._show(lines)
        told = "censored" in data or outcome in ("failed", "unreachable")
        if str(result.task.action).rpartition(".")[2] == "debug" and outcome == "ok" and not told:
            self._debug(data)
        elif self._display.verbosity and not (isinstance(data.get("results"), list) and not loop_item):
            label = f"{outcome}: [{self.host_label(result)}]" + (f" ({item})" if item else "")
            self._say([Line(f"{label} => {self._dump_results(data)}", _style(outcome))])

    def _debug(self, data: Mapping[str, Any]) -> None:
        """What a playbook says to the operator."""
        self._clean_results(data, "debug")
        if isinstance(data.get("msg"), str):
            self._say([Line(line) for line in data["msg"].splitlines()])
        elif isinstance(data.get("msg"), list):
            self._say([Line(str(line)) for line in data["msg"]])
        elif not isinstance(data.get("results"), list):
            self._say([Line(self._dump_results(data))])

    def _open_report(self, cloud: Mapping[str, Any]) -> None:
        directory = self.get_option("report_directory")
        if not directory and cloud.get("state_dir"):
            directory = str(Path(str(cloud["state_dir"])) / "reports")
        if not directory:
            return
        self._about["cloud"] = str(cloud.get("name", ""))
        self._report = report_path(Path(directory), self._recorder.verb, self._recorder.started)
        self._write()

    def _write(self) -> str:
        """Write the report as it is now; a full disk must not end the run."""
        if self._report is None:
            return ""
        try:
            write_report(self._report, self._recorder.report(**self._about))
        except OSError as error:
            self._display.warning(f"the run report could not be written: {error}")
            return ""
        return str(self._report)

    def _release(self) -> None:
        """Give back the lock that this run took. A callback sees the end of every run, also of a failed one."""
        held = self._recorder.lock.get("path")
        if held:
            with contextlib.suppress(OSError, lock.LockError):
                lock.release(Path(str(held)), lock.this_process(os.getpid()))

    def _end(self) -> None:
        """At exit. A run that did not come to its end says so in its report."""
        self._over.set()
        if os.getpid() != self._pid:
            return
        with self._guard:
            self._wipe()
            if self._recorder.status == "running":
                self._release()
                self._recorder.abort(time.monotonic())
                self._write()

    def _beat(self) -> None:
        """Keep the line on the terminal up to date, or announce what takes long."""
        while not self._over.wait(0.5 if self._terminal else 1.0):
            with self._guard:
                if self._over.is_set() or self._paused:
                    continue
                if self._terminal:
                    self._draw(self._recorder.doing(time.monotonic()))
                else:
                    self._show(self._recorder.announce(time.monotonic()))

    def _draw(self, text: str) -> None:
        """Show a line that the next output overwrites: the cursor goes back to its beginning.

        Written straight to the file descriptor: workers are forked from this process, and a lock of a Python stream
        that this thread held at that moment would never be released in them.
        """
        self._wipe()
        if text:
            width = shutil.get_terminal_size((120, 24)).columns - 1
            os.write(sys.stdout.fileno(), f"{text[:width]}\r".encode())
            self._drawn = True

    def _wipe(self) -> None:
        if self._drawn:
            os.write(sys.stdout.fileno(), b"\r\033[K")
            self._drawn = False

    def _say(self, lines: Iterable[Line]) -> None:
        self._show(self._recorder.say(list(lines)))

    def _show(self, lines: Iterable[Line]) -> None:
        with self._guard:
            for line in lines:
                self._wipe()
                self._display.display(line.text, color=COLOURS[line.style])


def _style(outcome: Outcome) -> Style:
    styles: dict[Outcome, Style] = {"changed": "changed", "skipped": "quiet", "ignored": "quiet", "ok": "ok"}
    return styles.get(outcome, "failed")


@functools.cache
def _is_local(action: str) -> bool:
    """Whether an action does its work on the deployment host: its plugin says that it needs no connection."""
    plugin = action_loader.get(action, class_only=True)
    return plugin is not None and not getattr(plugin, "_requires_connection", True)


def _checks(task: Any) -> bool:
    """Whether a task is in check mode, also where the run is not."""
    return task.check_mode is True


def _service_of(task: Any) -> str:
    """The service that a task works on: ``service_name`` of the role include around it, else the role itself."""
    if str(task.action).rpartition(".")[2] == "network_config":
        return NETWORK
    name = task.get_vars().get("service_name")
    if isinstance(name, str) and name and "{{" not in name:
        return str(name)
    role = getattr(task, "_role", None)
    if role is not None and (Path(role._role_path) / "meta" / "service.yml").is_file():
        return str(role._role_name)
    return ""


def _relative(path: str | None) -> str:
    """``file:line`` as seen from where the operator stands."""
    if not path:
        return ""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)
