# SPDX-License-Identifier: Apache-2.0
"""A node in a temporary directory: real files, and a systemd, a Podman and a dpkg that remember what they are told.

A unit that starts reads its files *then*, as a daemon does, so that a test can ask what really runs. What a unit does
follows from words in those files: CRASH ends again and again, FAIL fails at once, HANG never gets started, SICK runs
and answers with an error, EXIT ends and stays so.

``fuse`` kills the process before its n-th change of the machine; everything it does afterwards is refused, so that no
``finally`` can tidy up what a SIGKILL would not have let it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.generation import revert
from ansible_collections.ozone.openstack.plugins.module_utils.generation.health import Network
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import (
    OBJECT,
    Manifest,
    digest,
    sha256,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import Host, Result
from ansible_collections.ozone.openstack.plugins.module_utils.generation.store import object_directory, quadlet_text
from ansible_collections.ozone.openstack.plugins.module_utils.generation.transaction import (
    Outcome,
    Request,
    Transaction,
)

CHANGES = ("run", "create", "mkdir", "own", "symlink", "link", "replace", "unlink", "remove", "kill")
READ_ONLY = ("show", "journalctl", "dpkg-query")


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Unit:
    """A unit of the simulated systemd."""

    name: str
    active: str = "inactive"
    process: int = 0
    restarts: int = 0
    enabled: bool = False
    definition: str | None = None  # of a quadlet, as loaded
    running: dict[str, str] = field(default_factory=dict)  # what it read when it started
    starts: int = 0
    reloads: int = 0

    @property
    def text(self) -> str:
        return "\n".join(self.running.values())


class Node(Host):
    """The machine. ``packaged`` are units that packages bring, with the files that each reads when it starts."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.now = 1000.0
        self.units: dict[str, Unit] = {}
        self.packaged: dict[str, list[str]] = {}
        self.offered: dict[str, list[str]] = {}  # package -> units that appear with it
        self.installed: set[str] = set()
        self.images: set[str] = {"1" * 64}
        self.registry: dict[str, str] = {}
        self.settings: dict[str, str] = {}
        self.accounts = {"root", "frontd"}
        self.members: set[tuple[str, str]] = set()
        self.watchers: list[list[str]] = []
        self.late = False
        self.jobs: list[tuple[str, str]] = []  # queued, not done before some time passes
        self.calls: list[list[str]] = []
        self.answers: dict[str, Result] = {}  # by a word of the command line
        self.fuse: int | None = None
        self.steps = 0
        self.dead = False
        self.space = 1 << 30
        self.full = False
        self.processes = 0
        self.trace: list[str] = []
        for path in ("/etc/frontd", "/run", "/usr/sbin", "/var/lib"):
            os.makedirs(self.at(path), exist_ok=True)

    # -- death ---------------------------------------------------------------------------------------------------------

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name not in CHANGES:
            return value

        def guarded(*arguments: Any, **keywords: Any) -> Any:
            if self.dead:
                raise Killed
            self.steps += 1
            self.trace.append(f"{name} {arguments[0]}")
            if self.fuse is not None and self.steps > self.fuse:
                self.dead = True
                self._half(name, arguments)
                raise Killed
            if self.full and name in ("create", "symlink", "mkdir") and str(arguments[-1]).startswith("/var"):
                raise OSError(errno.ENOSPC, "No space left on device", arguments[0])
            if self.full and name == "create" and str(arguments[0]).startswith(revert.SERVICES):
                raise OSError(errno.ENOSPC, "No space left on device", arguments[0])
            return value(*arguments, **keywords)

        return guarded

    def _half(self, name: str, arguments: Sequence[Any]) -> None:
        """What a change leaves that is cut in the middle."""
        if name == "create":
            with open(self.at(arguments[0]), "wb") as stream:
                stream.write(arguments[1][: len(arguments[1]) // 2])
        elif name == "remove" and os.path.isdir(self.at(arguments[0])):
            first = sorted(os.listdir(self.at(arguments[0])))[:1]
            for entry in first:
                path = os.path.join(self.at(arguments[0]), entry)
                shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)

    # -- the machine ---------------------------------------------------------------------------------------------------

    def clock(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        if self.dead:
            raise Killed
        self.now += seconds
        self.settle()
        for unit in self.units.values():
            if unit.active == "active" and "CRASH" in unit.text:
                unit.restarts += 1
                self.processes += 1
                unit.process = self.processes
            if unit.active == "active" and "EXIT" in unit.text:
                unit.active = "inactive"

    def settle(self) -> None:
        """Systemd does the jobs that nobody waits for."""
        jobs, self.jobs = self.jobs, []
        for verb, name in jobs:
            self._do(verb, name)

    def uid(self, owner: str) -> int:
        if not owner.isdigit() and owner not in self.accounts:
            raise KeyError(owner)
        return os.geteuid()

    def gid(self, group: str) -> int:
        if not group.isdigit() and group not in self.accounts:
            raise KeyError(group)
        return os.getegid()

    def member(self, user: str, group: str) -> bool:
        return (user, group) in self.members

    def free(self, path: str) -> int:
        return self.space

    def process(self) -> tuple[int, str]:
        return 4242, "77"

    def started(self, pid: int) -> str | None:
        return None if self.dead else "77"

    def resolve(self, path: str) -> str:
        """Where a path leads, with links followed below the root of the node."""
        parts, seen = path.strip("/").split("/"), ""
        for _ in range(40):
            for place in range(len(parts)):
                seen = "/" + "/".join(parts[: place + 1])
                link = self.readlink(seen)
                if link is not None:
                    base = link if link.startswith("/") else os.path.join(os.path.dirname(seen), link)
                    parts = os.path.normpath(base).strip("/").split("/") + parts[place + 1 :]
                    break
            else:
                return self.at("/" + "/".join(parts))
        raise OSError(errno.ELOOP, path)

    def seen(self, path: str) -> str | None:
        """What a process reads at a path; None when there is nothing."""
        try:
            return Path(self.resolve(path)).read_text()
        except OSError:
            return None

    # -- commands ------------------------------------------------------------------------------------------------------

    def run(self, argv: Sequence[str], timeout: float = 60, stdin: str | None = None) -> Result:
        self.calls.append(list(argv))
        for word, answer in self.answers.items():
            if any(word in part for part in argv):
                return answer
        tool = {"systemctl": self.systemctl, "podman": self.podman, "apt-get": self.apt}.get(argv[0])
        if tool:
            return tool([word for word in argv[1:] if word not in ("--quiet", "-q")])
        if argv[0] == "dpkg-query":
            return Result(0, "".join(f"{name}\tinstalled\n" for name in argv[3:] if name in self.installed), "")
        if argv[0] == "systemd-run":
            self.watchers.append(list(argv[argv.index("watch") :]))
        if argv[0] == "set":
            if stdin is None or "REFUSE" in stdin:
                return Result(1, "", "refused")
            self.settings[argv[1]] = stdin
        if argv[0] == "journalctl":
            unit = argv[-1]
            return Result(0, f"x container start {unit}\nTraceback\nRuntimeError: {unit} cannot go on\n", "")
        if argv[0] in ("useradd", "groupadd"):
            self.accounts.add(argv[-1]) if argv[0] == "useradd" else None
        return Result(0, "", "")

    def podman(self, argv: list[str]) -> Result:
        if argv[:2] == ["image", "exists"]:
            return Result(0 if argv[2] in self.images else 1, "", "")
        if argv[:2] == ["image", "inspect"]:
            return Result(0, f"sha256:{self.registry[argv[-1]]}\n", "")
        if argv[0] == "pull":
            name = argv[-1]
            if name not in self.registry:
                return Result(125, "", f"{name}: not found")
            self.images.add(self.registry[name])
        if argv[0] == "run":
            volumes = [argv[place + 1] for place, word in enumerate(argv) if word == "--volume"]
            for volume in volumes:
                directory = volume.split(":")[0]
                for name in self.names(directory):
                    if "INVALID" in (self.seen(f"{directory}/{name}") or ""):
                        return Result(1, "", f"{name}: option INVALID is not known")
        return Result(0, "", "")

    def apt(self, argv: list[str]) -> Result:
        if "install" not in argv:
            return Result(0, "", "")
        for name in argv[argv.index("--no-install-recommends") + 1 :]:
            if name not in self.offered:
                return Result(100, "", f"E: Unable to locate package {name}")
            self.installed.add(name)
            for unit in self.offered[name]:
                self.packaged.setdefault(unit, [])
                self.unit(unit)
        return Result(0, "", "")

    def systemctl(self, argv: list[str]) -> Result:
        verb, names = argv[0], [word for word in argv[1:] if not word.startswith("--")]
        if "--no-block" in argv:
            known = [name for name in names if self._exists(name) or name == revert.LATE_UNIT]
            self.jobs += [(verb, name) for name in known]
            missing = [f"Failed to {verb} {name}: Unit {name} not found." for name in names if name not in known]
            return Result(5 if missing else 0, "", "\n".join(missing))
        if verb != "show":
            self.settle()
        if verb == "daemon-reload":
            self._load()
            return Result(0, "", "")
        if verb == "show":
            return Result(0, "\n".join(self._show(name) for name in names), "")
        errors = [error for name in names if (error := self._do(verb, name))]
        return Result(5 if errors else 0, "", "\n".join(errors))

    def unit(self, name: str) -> Unit:
        return self.units.setdefault(name, Unit(name))

    def _exists(self, name: str) -> bool:
        return name in self.packaged or self.unit(name).definition is not None

    def _load(self) -> None:
        for unit in self.units.values():
            unit.definition = None
        for entry in self.names(revert.QUADLETS):
            directory = self.resolve(f"{revert.QUADLETS}/{entry}")
            for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
                unit = self.unit(name.replace(".container", ".service"))
                unit.definition = Path(directory, name).read_text()

    def _read(self, unit: Unit) -> dict[str, str]:
        found = {path: self.seen(path) or "" for path in self.packaged.get(unit.name, [])}
        if unit.definition is not None:
            found["quadlet"] = unit.definition
            for line in unit.definition.splitlines():
                if line.startswith("Volume=/var/lib/ozone"):
                    directory = line.removeprefix("Volume=").split(":")[0]
                    found |= {name: self.seen(f"{directory}/{name}") or "" for name in self.names(directory)}
        return found

    def _launch(self, unit: Unit) -> None:
        self.processes += 1
        unit.process, unit.restarts, unit.running = self.processes, 0, self._read(unit)
        unit.starts += 1
        unit.active = "failed" if "FAIL" in unit.text else "activating" if "HANG" in unit.text else "active"

    def _do(self, verb: str, name: str) -> str:
        if name == revert.LATE_UNIT:
            self.late = True
            return ""
        unit = self.unit(name)
        if verb == "stop":
            if not self._exists(name) and unit.active == "inactive":
                return f"Failed to stop {name}: Unit {name} not loaded."
            unit.active, unit.running, unit.process = "inactive", {}, 0
        elif verb == "reset-failed":
            unit.active = "inactive" if unit.active == "failed" else unit.active
        elif not self._exists(name):
            return f"Failed to {verb} {name}: Unit {name} {'does not exist' if verb == 'disable' else 'not found'}."
        elif verb == "restart" or (verb == "start" and unit.active not in ("active", "activating")):
            self._launch(unit)
        elif verb == "reload":
            unit.running = self._read(unit)
            unit.reloads += 1
            if "FAIL" in unit.text:
                return f"Job for {name} failed."
        elif verb in ("enable", "disable"):
            unit.enabled = verb == "enable"
        return ""

    def _show(self, name: str) -> str:
        unit = self.unit(name)
        if name in self.packaged:
            state = "enabled" if unit.enabled else "disabled"
        else:
            state = "generated" if unit.definition is not None else ""
        values = {
            "Id": name,
            "LoadState": "loaded" if self._exists(name) else "not-found",
            "ActiveState": unit.active,
            "SubState": "running",
            "Result": "exit-code",
            "NRestarts": unit.restarts,
            "Job": "7" if any(name == job for _, job in self.jobs) else "",
            "MainPID": unit.process,
            "UnitFileState": state,
        }
        return "".join(f"{key}={value}\n" for key, value in values.items())

    # -- what happens to a machine -------------------------------------------------------------------------------------

    def revive(self) -> None:
        """Another process works on the machine now: the killed one stays dead, its files stay as they are."""
        self.dead, self.fuse, self.steps, self.trace = False, None, 0, []

    def watchers_wake(self) -> None:
        """The kernel frees the dead transaction's lock: its watchers go on."""
        self.revive()
        for argv in self.watchers:
            revert.main(argv, self)
            self.settle()
        self.watchers = []

    def reboot(self) -> None:
        """Power off and on."""
        self.revive()
        self.watchers, self.late, self.jobs = [], False, []
        shutil.rmtree(self.at("/run"))
        os.makedirs(self.at("/run"))
        for unit in self.units.values():
            unit.active, unit.running, unit.process = "inactive", {}, 0
        self._load()
        tool = f"{revert.UNIT_DIRECTORY}/sysinit.target.wants/{revert.BOOT_UNIT}"
        pending = [name for name in revert.services(self) if revert.pending(self, name)]
        if self.exists(tool) and pending:
            revert.main(["boot"], self)
            self.settle()
        for unit in list(self.units.values()):
            if unit.enabled or unit.definition is not None:
                self._do("start", unit.name)
        if self.late:
            revert.main(["late"], self)
            self.settle()


class Probes(Network):
    """Network probes of the node's units: the host name of a URL or connection is the unit."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def tcp(self, host: str, port: int) -> str:
        unit = self.node.unit(host)
        return "" if unit.active == "active" and "SICK" not in unit.text else f"{host}: refused"

    def http(self, url: str, status: Collection[int], cafile: str | None) -> str:
        return self.tcp(url.split("/")[2], 80)


# -- generations -------------------------------------------------------------------------------------------------------


@dataclass
class Made:
    """A manifest with its contents."""

    manifest: Manifest
    contents: dict[str, str]

    @property
    def digest(self) -> str:
        return digest(self.manifest)


def make(
    containers: dict[str, dict[str, str]] | None = None,
    files: dict[str, str] | None = None,
    service: str = "demo",
    **keys: Any,
) -> Made:
    """A generation: container -> its files, host file -> text. A package unit ``frontd`` reads /etc/frontd."""
    contents: dict[str, str] = {}

    def file(path: str, text: str) -> Any:
        contents[sha256(text)] = text
        return {"path": path, "sha256": sha256(text), "mode": "0640", "owner": "root", "group": "root"}

    made: dict[str, Any] = {}
    for name, own in (containers or {}).items():
        made[name] = {
            "unit": f"ozone-{name}.service",
            "image": {"name": "localhost/ozone/demo:1", "id": "1" * 64},
            "quadlet": f"[Container]\nContainerName={name}\nVolume={OBJECT}:/etc/demo:ro\nUser=42400\n"
            "Volume=/var/lib/demo:/data\n[Install]\nWantedBy=multi-user.target\n",
            "files": [file(path, text) for path, text in own.items()],
        }
    health: list[dict[str, Any]] = [{"type": "unit", "name": name, "unit": spec["unit"]} for name, spec in made.items()]
    health += [
        {"type": "http", "name": name, "url": f"http://{spec['unit']}/", "unit": spec["unit"]}
        for name, spec in made.items()
    ]
    manifest: dict[str, Any] = {
        "service": service,
        "components": ["main"],
        "release": "2026.1",
        "cluster": "c",
        "accounts": [],
        "packages": [],
        "directories": [],
        "files": [file(path, text) for path, text in (files or {}).items()],
        "containers": made,
        "units": [],
        "commands": [],
        "host_checks": [],
        "container_checks": [],
        "bootstrap": [],
        "upgrade": [],
        "bootstrap_commands": [],
        "health": health,
        "health_timeout": 30,
        **keys,
    }
    return Made(manifest, contents)  # type: ignore[arg-type]


FRONTD: list[dict[str, Any]] = [{"name": "frontd.service", "files": ["/etc/frontd/main.conf"], "on_change": "restart"}]


def apply(node: Node, made: Made | None = None, **keys: Any) -> Outcome:
    """Run one request on the node."""
    service = made.manifest["service"] if made else "demo"
    request = Request(
        **{
            "service": service,
            "manifest": made.manifest if made else None,
            "contents": made.contents if made else {},
            "lock_timeout": 1,
            **keys,
        }
    )
    return Transaction(node, Probes(node), request).run()


def faults(node: Node, made: Made | None, gone: Made | None = None) -> list[str]:
    """In which ways the node does not run exactly this generation (None: no generation of service demo)."""
    service = made.manifest["service"] if made else "demo"
    found: list[str] = []
    wanted = made.digest if made else None
    if revert.current(node, service) != wanted:
        found.append(f"current is {revert.current(node, service)}, wanted {wanted}")
    if revert.pending(node, service):
        found.append("a change is pending")
    units: set[str] = set()
    if made:
        for container in made.manifest["containers"].values():
            unit = node.unit(container["unit"])
            units.add(unit.name)
            own = {file["path"]: made.contents[file["sha256"]] for file in container["files"]}
            if unit.active != "active" or unit.running != {"quadlet": quadlet_text(service, container), **own}:
                found.append(f"{unit.name} is {unit.active} with {unit.running}")
            if not node.exists(object_directory(service, container)):
                found.append(f"the object of {unit.name} is gone")
        texts = {file["path"]: made.contents[file["sha256"]] for file in made.manifest["files"]}
        for path, text in texts.items():
            if node.seen(path) != text:
                found.append(f"{path} is {node.seen(path)!r}")
        for entry in made.manifest["units"]:
            unit = node.unit(entry["name"])
            units.add(unit.name)
            running = {path: texts.get(path, "") for path in node.packaged[unit.name]}
            if unit.active != "active" or not unit.enabled or unit.running != running:
                found.append(f"{unit.name} is {unit.active} (enabled {unit.enabled}) with {unit.running}")
        for command in made.manifest["commands"]:
            if node.settings.get(command["argv"][1]) != texts[command["stdin"]]:
                found.append(f"setting {command['argv'][1]} is {node.settings.get(command['argv'][1])!r}")
    if gone:
        kept = {file["path"] for file in made.manifest["files"]} if made else set()
        for file in gone.manifest["files"]:
            if file["path"] not in kept and node.seen(file["path"]) not in (None, "before ozone\n"):
                found.append(f"{file['path']} is still {node.seen(file['path'])!r}")
    for unit in node.units.values():
        if unit.name not in units and unit.active != "inactive":
            found.append(f"{unit.name} still runs")
    return found
