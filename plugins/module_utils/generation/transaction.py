# SPDX-License-Identifier: Apache-2.0
"""One change of one service on one node, as a transaction: all of it, or nothing that anybody notices.

compare -> packages, accounts, directories, images -> stage -> check -> bootstrap -> switch -> commands, units -> wait
until healthy -> confirm. Up to "bootstrap" nothing that runs is touched. From the switch on, ``pending.json`` says how
to take the change back, and it is taken back by whoever sees that it failed: this process, when a unit does not become
healthy; the watcher, when this process dies; the boot unit, when the node does (``revert.py``).
"""

from __future__ import annotations

import importlib
import os
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from ansible_collections.ozone.openstack.plugins.module_utils import node_identity
from ansible_collections.ozone.openstack.plugins.module_utils.generation import oneshot, prepare, revert, store
from ansible_collections.ozone.openstack.plugins.module_utils.generation.difference import (
    all_units,
    changed_files,
    difference,
    placed,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.health import (
    Network,
    Unhealthy,
    Wait,
    problems_now,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.journal import telling
from ansible_collections.ozone.openstack.plugins.module_utils.generation.masking import FileDiff, differences, mask
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import (
    STAGE,
    UNFINISHED,
    UPGRADING,
    Command,
    HostCheck,
    Manifest,
    OneShot,
    digest,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import (
    CALL_TIMEOUT,
    STOP_TIMEOUT,
    Host,
    Pending,
    Steps,
    directory,
    units,
)

State = Literal["present", "staged", "absent", "previous", "validated", "finished", "upgraded"]

#: How many units' journals an error shows.
JOURNAL_UNITS = 3

#: Where Podman installs the generator that makes units of quadlets.
GENERATOR = "/usr/lib/systemd/system-generators/podman-system-generator"

#: Runs a command as if the staged files lay at their real paths: in a mount namespace of its own, for it alone.
OVERLAY = """set -e
stage=$1; shift
for top in "$stage"/*/; do
  top=$(basename "$top")
  mount -t overlay overlay -o "ro,lowerdir=$stage/$top:/$top" "/$top"
done
exec "$@"
"""


NAME = re.compile("[a-z0-9][a-z0-9_-]*")


class Failure(Exception):
    """A stage failed. ``journal`` holds the last lines of those who know why."""

    def __init__(self, stage: str, message: str, journal: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.stage = stage
        self.journal = list(journal)


@dataclass(frozen=True)
class Request:
    """What is asked of a node. ``contents`` are texts by sha256; ``secrets`` are hidden in all that is returned.

    ``identity``: which node is meant (``node_identity.stranger``).
    """

    service: str
    state: State = "present"
    manifest: Manifest | None = None
    contents: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    bootstrap: bool = False
    upgrade: bool = False
    unfinished: bool = False
    keep: int = 3
    purge: bool = False
    check: bool = False
    diff: bool = False
    secrets: list[str] = field(default_factory=list)
    identity: dict[str, Any] | None = None
    lock_timeout: int = 120


@dataclass
class Outcome:
    """What was done, or in check mode would be done. ``digest`` is what is active afterwards ("" for nothing)."""

    changed: bool = False
    failed: bool = False
    digest: str = ""
    previous: str = ""
    packages: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    reloaded: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    bootstrapped: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    diff: list[FileDiff] = field(default_factory=list)
    rolled_back: bool = False
    stage: str = ""
    msg: str = ""
    seconds: float = 0.0

    def returned(self, secrets: Sequence[str]) -> dict[str, Any]:
        """As plain data, secrets hidden."""
        data = asdict(self)
        data["msg"] = mask(self.msg, secrets)
        for key in ("problems", "warnings", "journal"):
            data[key] = [mask(line, secrets) for line in data[key]]
        return data


def refuse(service: str, manifest: Manifest) -> None:
    """Refuse a manifest that would write outside of its places. :raises Failure: says which entry."""
    if manifest["service"] != service:
        raise Failure("compare", f"the manifest is of service {manifest['service']}, not of {service}")
    host_paths = [file["path"] for file in manifest["files"]]
    own_paths = [file["path"] for container in manifest["containers"].values() for file in container["files"]]
    for path in [*host_paths, *own_paths]:
        parts = path.split("/")
        if ".." in parts or path.startswith("/") != (path in host_paths) or "" in parts[1:]:
            raise Failure("compare", f"{path}: a host file's path is absolute, a container's relative, without ..")
    for name in {path for path in host_paths if host_paths.count(path) > 1}:
        raise Failure("compare", f"{name} is listed twice")


@dataclass
class Transaction:
    """Carries out one request. ``host`` and ``network`` are the machine."""

    host: Host
    network: Network
    request: Request
    outcome: Outcome = field(default_factory=Outcome)

    # -- frame ---------------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Do it. Expected failures are in the outcome; the node's lock is held all the time (except to look)."""
        began = self.host.clock()
        actions: dict[str, Callable[[], None]] = {
            "present": self._present,
            "staged": self._present,
            "absent": self._absent,
            "previous": self._previous,
            "validated": self._validated,
            "finished": self._finished,
            "upgraded": self._upgraded,
        }
        try:
            if not NAME.fullmatch(self.request.service):
                raise Failure("compare", f"{self.request.service!r} is not a name of a service")
            self._identify()
            if self.request.check or self.request.state == "validated":
                actions[self.request.state]()
            else:
                with self.host.locked(f"a change of {self.request.service}", self.request.lock_timeout):
                    self._identify()  # another run may have changed it meanwhile
                    self._recover()
                    if self.request.state in ("present", "staged", "previous"):
                        self._claim()
                    actions[self.request.state]()
                    if not revert.services(self.host):  # the last service has left
                        self.host.unlink(node_identity.FILE)
        except Failure as failure:
            self._failed(failure.stage, str(failure), failure.journal)
        except store.StoreError as error:
            self._failed("stage", str(error))
        except prepare.PrepareError as error:
            self._failed(self.outcome.stage or "prepare", str(error), error.lines)
        except TimeoutError as error:
            self._failed("lock", str(error))
        except OSError as error:
            self._failed(self.outcome.stage or "compare", f"{error.filename}: {error.strerror}")
        else:
            self.outcome.stage = ""
        self.outcome.digest = revert.current(self.host, self.request.service) or ""
        self.outcome.seconds = round(self.host.clock() - began, 2)
        return self.outcome

    def _failed(self, stage: str, message: str, journal: Sequence[str] = ()) -> None:
        out = self.outcome
        out.failed, out.stage, out.journal = True, stage, list(journal)
        out.changed = out.changed and not out.rolled_back
        tail = "\n".join(["", *journal]) if journal else ""
        back = ""
        if out.rolled_back:
            serving = (
                f"generation {out.previous[:12]} is active again"
                if out.previous
                else ("there was no generation before, so its units were stopped and removed")
            )
            back = f" The change was taken back: {serving}."
        out.msg = f"{self.request.service}: {stage}: {message}.{back}{tail}"

    def _identify(self) -> None:
        """Refuse a machine that is another node. :raises Failure: it is."""
        wrong = node_identity.stranger(self.host, self.request.identity)
        if wrong:
            raise Failure("identity", wrong)

    def _claim(self) -> None:
        """Let the machine know which node it is, from now on until the last service has left."""
        identity = node_identity.outdated(self.host, self.request.identity)
        if identity is not None:
            self.host.mkdir(os.path.dirname(node_identity.FILE))
            revert.save(self.host, node_identity.FILE, identity)

    def _recover(self) -> None:
        """Take back what dead transactions left on this node, of any service."""
        for report in revert.revert_all(self.host):
            self.outcome.changed = True
            what = (report["new"] or "nothing")[:12]
            self.outcome.warnings.append(f"{report['service']}: an interrupted change to {what} was taken back")
            self.outcome.warnings += [f"{report['service']}: {problem}" for problem in report["problems"]]

    def _active(self) -> tuple[Manifest | None, str | None]:
        """The active generation; its name is None too when its manifest is lost."""
        name = revert.current(self.host, self.request.service)
        manifest = store.manifest_of(self.host, self.request.service, name)
        if name and manifest is None:
            self.outcome.warnings.append(f"the manifest of the active generation {name[:12]} is lost or damaged")
        return manifest, name if manifest else None

    # -- present, staged, previous -------------------------------------------------------------------------------------

    def _present(self) -> None:
        manifest = self.request.manifest
        if manifest is None:
            raise Failure("compare", f"state {self.request.state} needs a manifest")
        refuse(self.request.service, manifest)
        name = digest(manifest)
        if self.request.digest not in ("", name):
            raise Failure("compare", f"the manifest has the digest {name[:12]}, not {self.request.digest[:12]}")
        self._change(manifest, name)

    def _previous(self) -> None:
        service = self.request.service
        active = revert.current(self.host, service)
        name = self.request.digest or store.previous(self.host, service, active)
        manifest = store.manifest_of(self.host, service, name)
        if name is None or manifest is None:
            known = ", ".join(other[:12] for other in store.history(self.host, service)) or "none"
            raise Failure("compare", f"there is no earlier generation to go back to on this node (confirmed: {known})")
        now = store.manifest_of(self.host, service, active)
        if now and now["release"] != manifest["release"] and now["release"] and manifest["release"]:
            raise Failure(
                "compare",
                f"generation {name[:12]} is of release {manifest['release']}, and {now['release']} is active: its "
                "database was brought to that release, and OpenStack has no way back",
            )
        self._change(manifest, name)

    def _change(self, manifest: Manifest, name: str) -> None:
        host, service, out = self.host, self.request.service, self.outcome
        old, active = self._active()
        out.previous = active or ""
        down, disabled = self._asleep(manifest)
        drifted = store.drift(host, service, old, active) if old and active else []
        staged_only = self.request.state == "staged"
        same = active == name and not drifted
        if same and (staged_only or not (down or disabled or self.request.bootstrap)):
            return
        damaged = {unit for entry in drifted for unit in entry.units}
        out.problems = [f"{entry.path}: {entry.what}" for entry in drifted]
        if self.request.diff:
            out.diff = differences(
                host, service, (old, active), (manifest, name), self.request.contents, self.request.secrets
            )
        steps = self._steps(difference(old, manifest, name, damaged), disabled)
        if self.request.check:
            if revert.pending(host, service):
                out.warnings.append("an interrupted change would be taken back first")
            self._would(old, manifest, steps, down)
            return
        if self._prepare(manifest):
            down, disabled = self._asleep(manifest)
        self._stage_named("stage")
        out.changed = out.changed or not host.exists(directory(service, "generations", name))
        damaged |= store.stage(host, service, manifest, name, self.request.contents)
        self._check(manifest, name)
        if staged_only:
            if self.request.upgrade:
                self._one_shots("upgrade check", manifest, self._of(manifest, "check"))
            return
        steps = self._steps(difference(old, manifest, name, damaged), disabled)
        if self.request.bootstrap:
            self._bootstrap(old, manifest)
        out.changed = True
        if old and old["release"] != manifest["release"] and self._of(manifest, "after"):
            record = {"from": old["release"], "to": manifest["release"]}
            revert.save(host, directory(service, UPGRADING), record)
        if self.request.unfinished:
            revert.save(host, directory(service, UNFINISHED), {"generation": name})
        self._switch(old, active, manifest, name, steps, down)
        out.files = changed_files(old, manifest)

    def _finished(self) -> None:
        """Take away the mark that the role has more to do than the change of this node."""
        if not self.request.check:
            self.host.unlink(directory(self.request.service, UNFINISHED))

    def _upgraded(self) -> None:
        """What comes after all nodes of the service run the new release; the mark that it is due is taken away then.

        ``bootstrap`` says that this node does it. The others only lose their mark.
        """
        manifest, _ = self._active()
        path = directory(self.request.service, UPGRADING)
        if manifest is None:
            raise Failure("upgrade", "no generation is active on this node")
        steps = self._of(manifest, "after") if self.request.bootstrap else []
        self.outcome.changed = bool(steps) or self.host.exists(path)
        if self.request.check:
            self.outcome.bootstrapped = [shot["name"] for shot in steps]
            return
        self._one_shots("upgrade", manifest, steps)
        self.host.unlink(path)

    @staticmethod
    def _of(manifest: Manifest, stage: str) -> list[OneShot]:
        """The upgrade steps of a stage."""
        return [shot for shot in manifest["upgrade"] if shot.get("stage") == stage]

    def _asleep(self, manifest: Manifest) -> tuple[list[str], list[str]]:
        """The units that do not run, and those of packages that would not start at boot."""
        states = units(self.host, all_units(manifest))
        down = [name for name, state in states.items() if not revert.settled(state)]
        packaged = [unit["name"] for unit in manifest["units"]]
        return down, [name for name in packaged if states[name]["UnitFileState"] in ("disabled", "")]

    @staticmethod
    def _steps(steps: Steps, disabled: Sequence[str]) -> Steps:
        """Enable what is disabled, be it new or not; what is enabled already needs no call."""
        return {**steps, "enable": list(disabled)}

    def _would(self, old: Manifest | None, manifest: Manifest, steps: Steps, down: Sequence[str]) -> None:
        """Check mode: say what a run would do."""
        out = self.outcome
        out.packages = prepare.missing_packages(self.host, manifest["packages"])
        out.files = changed_files(old, manifest)
        if self.request.state == "staged":
            return
        out.changed = True
        out.restarted, out.reloaded, out.stopped = steps["restart"], steps["reload"], steps["stop"]
        out.started = [name for name in steps["start"] if name in down]
        out.commands = [command.get("name", "") for command in steps["commands"]]
        if self.request.bootstrap:
            out.bootstrapped = [shot["name"] for shot in self._once(manifest)]
            out.bootstrapped += [command["name"] for command in manifest["bootstrap_commands"]]

    def _stage_named(self, stage: str) -> None:
        self.outcome.stage = stage

    def _prepare(self, manifest: Manifest) -> list[str]:
        """Everything that only adds; returns the packages that were installed."""
        host, out = self.host, self.outcome
        self._stage_named("packages")
        out.packages = prepare.install_packages(host, manifest["packages"])
        self._stage_named("accounts")
        made = prepare.make_accounts(host, manifest["accounts"])
        self._stage_named("directories")
        made += prepare.make_directories(host, manifest["directories"])
        self._stage_named("images")
        made += prepare.fetch_images(host, manifest)
        out.changed = out.changed or bool(made or out.packages)
        return out.packages

    # -- checks --------------------------------------------------------------------------------------------------------

    def _check(self, manifest: Manifest, name: str) -> None:
        """Ask the service's own tools whether the staged configuration is good. :raises Failure: it is not."""
        self._stage_named("check")
        host, service = self.host, self.request.service
        generation = directory(service, "generations", name)
        if manifest["containers"]:
            argv = ["env", f"QUADLET_UNIT_DIRS={host.at(generation)}/quadlets", GENERATOR, "-dryrun"]
            result = host.run(argv, CALL_TIMEOUT)
            if result.code:
                lines = [line for line in result.err.splitlines() if "converting" in line]
                raise Failure("check", "Podman refuses a quadlet of the new generation", lines[-10:])
        for check in manifest["host_checks"]:
            result = host.run(self._check_argv(check, f"{generation}/host"), check["timeout"])
            if result.code:
                raise Failure("check", f"{check['name']} failed (exit code {result.code})", oneshot.tail(result))
        for shot in manifest["container_checks"]:
            result = oneshot.run(host, service, manifest, shot, check=True)
            if result.code:
                raise Failure("check", f"{shot['name']} failed (exit code {result.code})", oneshot.tail(result))

    @staticmethod
    def _check_argv(check: HostCheck, stage: str) -> list[str]:
        argv = [word.replace(STAGE, stage) for word in check["argv"]]
        if argv != check["argv"]:
            return argv
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", OVERLAY, "sh", stage, *argv]

    def _bootstrap(self, old: Manifest | None, manifest: Manifest) -> None:
        """What is done once for the cluster, before anything of the new generation runs."""
        if self.request.upgrade and old:
            known = [shot for shot in self._of(manifest, "before") if shot["container"] in old["containers"]]
            self._one_shots("upgrade", old, known)
        self._one_shots("bootstrap", manifest, self._once(manifest))

    def _once(self, manifest: Manifest) -> list[OneShot]:
        """The steps with the new images: those of an upgrade, or those of any other change."""
        if not self.request.upgrade:
            return manifest["bootstrap"]
        return [*self._of(manifest, "expand"), *(shot for shot in manifest["bootstrap"] if shot.get("upgrade", True))]

    def _one_shots(self, stage: str, manifest: Manifest, shots: Sequence[OneShot]) -> None:
        """Run them in the containers of ``manifest``, in order. :raises Failure: the first that failed."""
        self._stage_named(stage)
        for shot in shots:
            result = oneshot.run(self.host, self.request.service, manifest, shot, check=False)
            if result.code in shot.get("warn", []):
                said = "\n".join([f"{shot['name']} of {self.request.service} warns:", *oneshot.tail(result, 120)])
                self.outcome.warnings.append(said)
            elif result.code:
                raise Failure(stage, f"{shot['name']} failed (exit code {result.code})", oneshot.tail(result))
            self.outcome.bootstrapped.append(shot["name"])

    # -- the switch ----------------------------------------------------------------------------------------------------

    def _switch(
        self, old: Manifest | None, active: str | None, manifest: Manifest, name: str, steps: Steps, down: Sequence[str]
    ) -> None:
        """Activate a generation that is staged; wait until it is healthy, or take it back.

        :raises Failure: it was taken back.
        """
        host, service, out = self.host, self.request.service, self.outcome
        since = int(host.time())
        self._stage_named("switch")
        install_tool(host)
        record = self._pending(old, active, manifest, name, steps["displace"])
        path = directory(service, "pending.json")
        try:
            self._arm(record["id"], manifest, old)
            revert.save(host, path, record)
            revert.switch(host, service, steps, record["foreign"])
            for argv, seconds in revert.definition_actions(steps):
                self._systemctl(argv, seconds)
            out.stopped = list(steps["stop"])
            awake = [unit for unit in steps["start"] if unit in down]
            # What starts reads its files anyway, and may die of a signal that it does not know yet.
            steps = {**steps, "reload": [unit for unit in steps["reload"] if unit not in awake]}
            bootstrap = manifest["bootstrap_commands"] if self.request.bootstrap else []
            commands = [*bootstrap, *(cast(Command, command) for command in steps["commands"])]
            if steps["restart"] or steps["reload"] or awake or commands:
                revert.save(host, path, {**record, "touched": True})
            self._run_commands(name, [command for command in commands if command["when"] == "before_units"])
            self._stage_named("units")
            if steps["restart"] or awake:
                revert.forget_failures(host, steps)
            out.restarted, out.reloaded, out.started = steps["restart"], steps["reload"], awake
            for argv, seconds in revert.unit_actions({**steps, "start": awake}):
                self._systemctl(argv, seconds)
            touched = [*steps["restart"], *steps["reload"], *awake]
            wait = Wait(host, self.network, manifest, touched, manifest["health_timeout"])
            after = [command for command in commands if command["when"] != "before_units"]
            if after:
                wait.active(all_units(manifest))
            self._run_commands(name, after)
            self._stage_named("health")
            wait.healthy()
            self._stage_named("confirm")
            store.remember(host, service, name)
            if steps["displace"]:  # from here on it is finished, not taken back
                revert.save(host, path, {**record, "confirmed": True})
        except (Failure, Unhealthy, OSError, KeyError) as error:
            self._roll_back(error, old, active, name, since)
        revert.finish(host, record)
        self._tidy(name)

    def _pending(
        self, old: Manifest | None, active: str | None, manifest: Manifest, name: str, displaced: list[str]
    ) -> Pending:
        """The record of how to take the change back, made before anything is changed."""
        host, service = self.host, self.request.service
        known = {file["path"] for file in old["files"]} if old else set()
        foreign = [
            file["path"]
            for file in placed(manifest)
            if file["path"] not in known
            and host.exists(file["path"])
            and host.readlink(file["path"]) != revert.through(service, file["path"])
        ]
        pid, started = host.process()
        return {
            "id": uuid.uuid4().hex[:12],
            "service": service,
            "old": active,
            "new": name,
            "back": difference(manifest, old, active),
            "touched": False,
            "foreign": foreign,
            "pid": pid,
            "started": started,
            "late": False,
            "confirmed": False,
            "displaced": displaced,
        }

    def _arm(self, identity: str, manifest: Manifest, old: Manifest | None) -> None:
        """Start the watcher: it waits for the lock that this process holds, and so for the end of this process."""
        commands = [*manifest["commands"], *manifest["bootstrap_commands"]]
        limit = sum(command["timeout"] for command in commands) + 3 * manifest["health_timeout"] + STOP_TIMEOUT
        limit += (old["health_timeout"] if old else 0) + 5 * CALL_TIMEOUT
        service = self.request.service
        self._systemctl(
            [
                "systemd-run", "--quiet", "--collect", "--no-block", f"--unit=ozone-revert-{service}-{identity}",
                "/usr/bin/python3", "-I", revert.TOOL, "watch", service, identity, str(limit),
            ],
            CALL_TIMEOUT,
        )  # fmt: skip

    def _systemctl(self, argv: list[str], seconds: float) -> None:
        result = self.host.run(argv, seconds)
        if result.code and not revert.harmless(result):
            raise Failure(self.outcome.stage, f"{' '.join(argv)} failed", oneshot.tail(result, 5))

    def _run_commands(self, name: str, commands: Sequence[Command]) -> None:
        for command in commands:
            self._stage_named("commands")
            result = revert.run_command(self.host, self.request.service, name, cast(revert.Command, command))
            if result.code:
                raise Failure(
                    "commands", f"command {command['name']} failed (exit code {result.code})", oneshot.tail(result)
                )
            self.outcome.commands.append(command["name"])

    def _roll_back(self, error: Exception, old: Manifest | None, active: str | None, name: str, since: int) -> None:
        """Bring the old generation back and fail. :raises Failure: always."""
        host, service, out = self.host, self.request.service, self.outcome
        stage = error.stage if isinstance(error, Failure) else out.stage
        journal = error.journal if isinstance(error, Failure) else []
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        if isinstance(error, Unhealthy):
            journal = self._journal(error.culprits, since)
        if active == name:  # nothing to go back to: the same generation was to be repaired
            host.unlink(directory(service, "pending.json"))
            raise Failure(stage, reason, journal)
        report = revert.revert(host, service)
        out.rolled_back = report is not None and revert.current(host, service) == active
        if report:
            out.warnings += [f"while taking the change back: {problem}" for problem in report["problems"]]
        if old and out.rolled_back:
            touched = report["restarted"] if report else []
            try:
                Wait(host, self.network, old, touched, old["health_timeout"]).healthy()
            except Unhealthy as still:
                out.problems.append(f"the old generation is not healthy: {still}")
                reason = f"{reason}; and the old generation, active again, is not healthy: {still}"
                journal = [*journal, *self._journal(still.culprits, since)]
        raise Failure(stage, reason, journal)

    def _journal(self, names: Sequence[str], since: int) -> list[str]:
        """The last lines that units said since a time."""
        lines: list[str] = []
        for unit in list(dict.fromkeys(names))[:JOURNAL_UNITS]:
            argv = ["journalctl", "--quiet", "--no-pager", "-o", "cat", f"--since=@{since}", "-n", "500", "-u", unit]
            kept = telling(self.host.run(argv, CALL_TIMEOUT).out.splitlines())
            if kept:
                lines += [f"--- {unit}: the last lines of its journal", *kept]
        return lines

    def _tidy(self, name: str) -> None:
        """The new generation is confirmed: remove what nobody needs any more."""
        host, service = self.host, self.request.service
        try:
            self.outcome.removed = store.forget(host, service, name, max(self.request.keep, 1))
        except OSError as error:
            self.outcome.warnings.append(f"old generations were not all removed: {error}")

    # -- absent --------------------------------------------------------------------------------------------------------

    def _absent(self) -> None:
        """Remove a service: units, containers, files; data only with ``purge``. Again after an interruption."""
        host, service, out = self.host, self.request.service, self.outcome
        manifest, active = self._active()
        out.previous = active or ""
        if not host.exists(directory(service)):
            return
        steps = difference(manifest, None, None)
        if manifest is None:  # lost: its containers are known by their quadlets at least
            quadlets = host.names(directory(service, "current", "quadlets"))
            steps["stop"] = [f"{name.removesuffix('.container')}.service" for name in quadlets]
        out.changed = True
        out.stopped, out.files = steps["stop"], changed_files(manifest, None)
        if self.request.diff:
            out.diff = differences(host, service, (manifest, active), (None, None), {}, self.request.secrets)
            for entry in out.diff:
                entry["before"] = f"({len(entry['before'].splitlines())} lines)\n"
        if self.request.check:
            return
        self._stage_named("units")
        for argv, seconds in revert.definition_actions({**steps, "definitions": False}):
            self._systemctl(argv, seconds)
        steps["definitions"] = True
        self._stage_named("files")
        for path in steps["displace"]:
            revert.displace(host, path, False)
            revert.forget_original(host, path)
        host.unlink(f"{revert.QUADLETS}/ozone-{service}")
        for argv, seconds in revert.definition_actions({**steps, "disable": []}):
            self._systemctl(argv, seconds)
        if self.request.purge and manifest:
            out.removed = prepare.purge_directories(host, manifest["directories"])
        host.unlink(directory(service, "current"))
        host.remove(directory(service))

    # -- validated -----------------------------------------------------------------------------------------------------

    def _validated(self) -> None:
        """Look only: is what is active what was asked for, and is it healthy?"""
        host, service, out = self.host, self.request.service, self.outcome
        manifest, active = self._active()
        if revert.pending(host, service):
            out.problems.append("a change is under way or was interrupted")
        if manifest is None or active is None:
            out.problems.append("no generation is active on this node")
        else:
            if self.request.digest not in ("", active):
                out.problems.append(f"generation {active[:12]} is active, wanted {self.request.digest[:12]}")
            out.problems += [f"{entry.path}: {entry.what}" for entry in store.drift(host, service, manifest, active)]
            out.problems += problems_now(host, self.network, manifest)
        if out.problems:
            raise Failure("validate", "; ".join(out.problems))


# -- the revert tool ---------------------------------------------------------------------------------------------------


def tool_source() -> str:
    """The text of ``revert.py``, wherever it was imported from: a directory, or the archive of a module."""
    module = importlib.import_module(revert.__name__)
    loader = cast(Any, module.__loader__)
    source = loader.get_source(module.__name__)
    if not isinstance(source, str):
        raise Failure("switch", "the source of revert.py cannot be read")
    return "#!/usr/bin/python3\n" + source


def install_tool(host: Host) -> None:
    """Install what takes a change back without Ansible, and have it run at boot, unless it is all there."""
    root = (host.uid("root"), host.gid("root"))
    wanted = {revert.TOOL: (tool_source(), 0o755)}
    wanted |= {f"{revert.UNIT_DIRECTORY}/{name}": (text, 0o644) for name, text in revert.UNITS.items()}
    changed = False
    for path, (text, mode) in wanted.items():
        if host.read(path) == text:
            continue
        host.mkdir(os.path.dirname(path))
        host.create(f"{path}.ozone-new", text.encode(), mode, *root)
        host.replace(f"{path}.ozone-new", path)
        changed = True
    wants = f"{revert.UNIT_DIRECTORY}/sysinit.target.wants/{revert.BOOT_UNIT}"
    if not host.exists(wants):
        host.mkdir(os.path.dirname(wants))
        revert.point(host, f"../{revert.BOOT_UNIT}", wants)
        changed = True
    if changed:
        result = host.run(["systemctl", "daemon-reload"], CALL_TIMEOUT)
        if result.code:
            raise Failure("switch", "systemctl daemon-reload failed", oneshot.tail(result, 5))
