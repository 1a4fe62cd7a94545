# SPDX-License-Identifier: Apache-2.0
"""The node's own half of a generation change: read it, carry it out, take it back.

This one file is two things. The transaction (``transaction.py``) imports it, and installs it on every node as
``/usr/lib/ozone/ozone-revert``, where it takes back a change whose transaction died: at once, because a watcher waits
for the lock that the kernel frees with the death of its holder, or at the next boot, before any service starts. So
both go the same way, and it must stay **self-contained**: the standard library of Python 3.11 and nothing else.

Who wins? *Whoever holds the node's lock.* A transaction holds it from its first look to its confirmation, and
``pending.json`` exists only while it is held. Hence whoever has the lock and finds a ``pending.json`` knows that its
transaction is dead, and takes the change back. A confirmation and a revert cannot meet.

On a node, below ``/var/lib/ozone/services/<service>``::

    current -> generations/<digest>      what is active; switched by one rename
    generations/<digest>/manifest.json   what was asked for
    generations/<digest>/host/<path>     the host files; their real paths are links through ``current``
    generations/<digest>/quadlets/       the units of containers; /etc/containers/systemd/ozone-<service> links here
    generations/<digest>/containers/     <container> -> its object
    objects/<container digest>/          the files that a container mounts; never changed once written
    history.json                         generations that were confirmed, oldest first
    pending.json                         a change that is not confirmed: how to take it back
    reverted.json                        the change that was taken back last, for reports; removed by the next success
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import grp
import hashlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypedDict

SERVICES = "/var/lib/ozone/services"
QUADLETS = "/etc/containers/systemd"
LOCK = "/run/ozone/lock"
TOOL = "/usr/lib/ozone/ozone-revert"
UNIT_DIRECTORY = "/etc/systemd/system"
BOOT_UNIT = "ozone-revert.service"
LATE_UNIT = "ozone-revert-late.service"

#: What a file is renamed to when a service takes its place; removing the service brings it back.
ORIGINAL = ".before-ozone"

#: Exit code of a command that was ended because it took too long (timeout(1)), and of one that is not there (sh(1)).
TIMED_OUT, NOT_FOUND = 124, 127

#: Limit, in seconds, of a systemctl call that waits for units to stop or to reload.
STOP_TIMEOUT = 180
CALL_TIMEOUT = 60

#: Limit, in seconds, for the units of the old generation before its ``after_units`` commands run.
SETTLE_TIMEOUT = 60


class Result(NamedTuple):
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


class Command(TypedDict, total=False):
    """A command of a manifest (``model.Command``)."""

    name: str
    argv: list[str]
    when: str
    timeout: int
    stdin: str


class Placed(TypedDict):
    """A host file at its real path: a link through ``current``, or a copy for those who cannot read through it."""

    path: str
    copy: bool
    mode: str
    owner: str
    group: str


class Steps(TypedDict):
    """All that leads from one generation to another. Made by ``difference.py``, carried out here, in either direction.

    ``digest`` is where ``current`` shall point to, or None for nothing. ``definitions``: systemd has to read its units
    again. ``start`` are the units that shall run and need no restart.
    """

    digest: str | None
    quadlets: bool
    place: list[Placed]
    displace: list[str]
    stop: list[str]
    disable: list[str]
    definitions: bool
    enable: list[str]
    restart: list[str]
    reload: list[str]
    start: list[str]
    commands: list[Command]


class Pending(TypedDict):
    """A change under way. ``touched`` says that units or commands of the new generation may have been started.

    ``foreign`` are the paths that held somebody else's file when the change began. ``pid`` and ``started`` (clock ticks
    since boot, field 22 of proc(5)'s stat) name the process that makes the change. ``late``: the node was rebooted, the
    files are back, the old generation's commands still have to run. ``confirmed``: the new generation is good, only the
    second names of ``displaced`` files remain to be removed.
    """

    id: str
    service: str
    old: str | None
    new: str | None
    back: Steps
    touched: bool
    foreign: list[str]
    pid: int
    started: str
    late: bool
    confirmed: bool
    displaced: list[str]


class Host:
    """The machine, below ``root``. All that reads or changes it goes through here, so that tests can be the machine.

    Paths are absolute paths of the node. Methods below "changes" change it; everything else only reads.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def at(self, path: str) -> str:
        """Where a path of the node lies for this process."""
        return os.path.join(self.root, path.lstrip("/"))

    # -- reads ---------------------------------------------------------------------------------------------------------

    def read(self, path: str) -> str | None:
        """Text of a file, or None when there is none."""
        try:
            with open(self.at(path), encoding="utf-8", errors="replace", newline="") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def sha256(self, path: str) -> str | None:
        """Digest of a file's bytes, or None when there is no regular file."""
        try:
            with open(self.at(path), "rb") as stream:
                return hashlib.sha256(stream.read()).hexdigest()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def readlink(self, path: str) -> str | None:
        """Where a symbolic link points to, or None when it is not one."""
        try:
            return os.readlink(self.at(path))
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """Whether there is anything at a path, be it a dangling link."""
        return os.path.lexists(self.at(path))

    def names(self, path: str) -> list[str]:
        """Sorted names in a directory; none when it is not there."""
        try:
            return sorted(os.listdir(self.at(path)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def attributes(self, path: str) -> tuple[str, int, int] | None:
        """Mode (four octal digits), uid and gid; None when there is nothing."""
        try:
            found = os.lstat(self.at(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return f"{found.st_mode & 0o7777:04o}", found.st_uid, found.st_gid

    def same(self, one: str, other: str) -> bool:
        """Whether two paths are one inode, links not followed."""
        try:
            first, second = os.lstat(self.at(one)), os.lstat(self.at(other))
        except OSError:
            return False
        return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)

    def free(self, path: str) -> int:
        """Free bytes of the file system of a path, without the reserve."""
        found = os.statvfs(self.at(path))
        return found.f_bavail * found.f_frsize

    def uid(self, owner: str) -> int:
        """Numeric user of a name or number. :raises KeyError: no such account."""
        return int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid

    def gid(self, group: str) -> int:
        """Numeric group of a name or number. :raises KeyError: no such group."""
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid

    def member(self, user: str, group: str) -> bool:
        """Whether a user is in a group, as the group's member or because it is the user's own."""
        try:
            found = grp.getgrnam(group)
        except KeyError:
            return False
        return user in found.gr_mem or pwd.getpwnam(user).pw_gid == found.gr_gid

    def clock(self) -> float:
        """Seconds on a clock that only goes forward."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Do nothing for a while."""
        time.sleep(seconds)

    def process(self) -> tuple[int, str]:
        """This process: its number, and when it was started (see ``started``)."""
        return os.getpid(), self.started(os.getpid()) or ""

    def started(self, pid: int) -> str | None:
        """When a process was started, in clock ticks since boot; None when there is none."""
        text = self.read(f"/proc/{pid}/stat")
        return text.rpartition(")")[2].split()[19] if text else None

    # -- changes -------------------------------------------------------------------------------------------------------

    def run(self, argv: Sequence[str], timeout: float = CALL_TIMEOUT, stdin: str | None = None) -> Result:
        """Run a command, with all its children ended after ``timeout`` seconds."""
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_PAGER": ""}
        source = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return Result(NOT_FOUND, "", f"{argv[0]}: {error.strerror}")
        try:
            out, err = process.communicate(None if stdin is None else stdin.encode(), timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            try:
                out, err = process.communicate(None, 5)
            except subprocess.TimeoutExpired:  # somebody who left the session holds the pipe: not ours to wait for
                out, err = b"", b""
            return Result(TIMED_OUT, out.decode(errors="replace"), err.decode(errors="replace") + "\ntook too long")
        return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def create(self, path: str, data: bytes, mode: int, uid: int, gid: int) -> None:
        """Write a new file and wait until it is on the disk. Nobody can read it before its mode and owner are set."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.at(path))
        handle = os.open(self.at(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            if (uid, gid) != (os.geteuid(), os.getegid()):
                os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())

    def mkdir(self, path: str, mode: int = 0o755) -> None:
        """Make a directory, with its parents (0755); one that is there is left as it is."""
        target = self.at(path)
        if os.path.isdir(target):
            return
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(target)
            os.chmod(target, mode)

    def own(self, path: str, mode: int, uid: int, gid: int) -> None:
        """Set mode and owner."""
        os.chown(self.at(path), uid, gid)
        os.chmod(self.at(path), mode)

    def symlink(self, text: str, path: str) -> None:
        """Make a symbolic link."""
        os.symlink(text, self.at(path))

    def link(self, source: str, path: str) -> None:
        """Give a file, or a symbolic link itself, a second name."""
        os.link(self.at(source), self.at(path), follow_symlinks=False)

    def replace(self, source: str, path: str) -> None:
        """Rename in one step over whatever is there, and wait until the disk knows."""
        os.replace(self.at(source), self.at(path))
        self._sync(os.path.dirname(self.at(path)))

    def unlink(self, path: str) -> None:
        """Remove a file or link, if it is there."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(self.at(path))
            self._sync(os.path.dirname(self.at(path)))

    def remove(self, path: str) -> None:
        """Remove a directory with all that is in it, if it is there."""
        shutil.rmtree(self.at(path), ignore_errors=False) if os.path.isdir(self.at(path)) else self.unlink(path)

    def kill(self, pid: int) -> None:
        """End a process, without asking it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _sync(self, directory: str) -> None:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    # -- the lock ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, what: str, seconds: float) -> Iterator[None]:
        """Hold the node's lock. The kernel frees it when this process ends, however it ends.

        :raises TimeoutError: somebody else held it for ``seconds``; says who.
        """
        self.mkdir(os.path.dirname(LOCK), 0o700)
        handle = os.open(self.at(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            limit = self.clock() + seconds
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if error.errno not in (errno.EAGAIN, errno.EACCES):
                        raise
                if self.clock() >= limit:
                    holder = (self.read(LOCK) or "somebody").strip()
                    raise TimeoutError(f"{holder} has been changing this node for more than {seconds:.0f} s")
                self.sleep(0.1)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{what} (process {os.getpid()})\n".encode(), 0)
            yield
        finally:
            os.close(handle)


# -- the state of a service --------------------------------------------------------------------------------------------


def directory(service: str, *parts: str) -> str:
    """A path below a service's directory."""
    return "/".join([SERVICES, service, *parts])


def load(host: Host, path: str) -> Any:
    """JSON data of a file; None when it is not there or is not JSON."""
    text = host.read(path)
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def save(host: Host, path: str, data: Any) -> None:
    """Replace a JSON file, readable by root only, in one step."""
    temporary = f"{path}.tmp"
    text = json.dumps(data, indent=1, sort_keys=True) + "\n"
    host.create(temporary, text.encode(), 0o600, host.uid("root"), host.gid("root"))
    host.replace(temporary, path)


def current(host: Host, service: str) -> str | None:
    """Digest of the active generation; None when there is none."""
    target = host.readlink(directory(service, "current"))
    return os.path.basename(target) if target else None


def pending(host: Host, service: str) -> Pending | None:
    """The change that is under way or was left unfinished."""
    record: Pending | None = load(host, directory(service, "pending.json"))
    return record


def services(host: Host) -> list[str]:
    """Names of all services that ever had a generation on the node."""
    return [name for name in host.names(SERVICES) if not name.startswith(".")]


# -- files -------------------------------------------------------------------------------------------------------------


def point(host: Host, text: str, path: str) -> None:
    """Make ``path`` a symbolic link to ``text``, in one step over whatever is there."""
    if host.readlink(path) == text:
        return
    temporary = f"{path}.ozone-new"
    host.unlink(temporary)
    host.symlink(text, temporary)
    host.replace(temporary, path)


def through(service: str, path: str) -> str:
    """What the real path of a host file links to."""
    return directory(service, "current", "host") + path


def place(host: Host, service: str, digest: str, file: Placed) -> None:
    """Bring a host file to its real path. A file of somebody else that is in the way is kept beside it."""
    path = file["path"]
    host.mkdir(os.path.dirname(path))
    link = through(service, path)
    source = directory(service, "generations", digest, "host") + path
    wanted = (file["mode"], host.uid(file["owner"]), host.gid(file["group"]))
    if file["copy"]:
        is_ours = host.readlink(path) is None and host.sha256(path) == host.sha256(source)
        if is_ours and host.attributes(path) == wanted:
            return
    elif host.readlink(path) == link:
        return
    if not file["copy"]:
        point(host, link, path)
        return
    data = host.read(source)
    if data is None:
        raise FileNotFoundError(errno.ENOENT, "the generation lacks a file", source)
    temporary = f"{path}.ozone-new"
    host.create(temporary, data.encode(), int(wanted[0], 8), wanted[1], wanted[2])
    host.replace(temporary, path)


def keep_original(host: Host, path: str) -> None:
    """Give somebody else's file a second name before a service takes its first. Not a moment without the file."""
    temporary = f"{path}.ozone-new"
    host.unlink(temporary)
    host.link(path, temporary)
    host.replace(temporary, path + ORIGINAL)
    host.unlink(temporary)  # a rename between two names of one file does nothing


def displace(host: Host, path: str, foreign: bool) -> None:
    """Take a host file away from its real path and bring back what was there before the service.

    The second name stays (``forget_original``), so that this too can be taken back. ``foreign``: when the change began
    somebody else's file was there; without its second name it still is.
    """
    original = path + ORIGINAL
    if host.same(path, original):
        return
    if host.exists(original):
        temporary = f"{path}.ozone-new"
        host.unlink(temporary)
        host.link(original, temporary)
        host.replace(temporary, path)
    elif not foreign:
        host.unlink(path)


def forget_original(host: Host, path: str) -> None:
    """Remove the second name of a file that has its first back. For when nobody will want to take that back."""
    if host.same(path, path + ORIGINAL):
        host.unlink(path + ORIGINAL)


def switch(host: Host, service: str, steps: Steps, foreign: Sequence[str]) -> None:
    """Make a generation the active one, as far as files go. Idempotent: after a death in the middle, do it again."""
    digest = steps["digest"]
    known = set(foreign)
    if digest is not None:
        for file in steps["place"]:
            if file["path"] in known:
                keep_original(host, file["path"])
        point(host, f"generations/{digest}", directory(service, "current"))
        for file in steps["place"]:
            place(host, service, digest, file)
    for path in steps["displace"]:
        displace(host, path, path in known)
    link = f"{QUADLETS}/ozone-{service}"
    if steps["quadlets"]:
        host.mkdir(QUADLETS)
        point(host, directory(service, "current", "quadlets"), link)
    else:
        host.unlink(link)
    if digest is None:
        host.unlink(directory(service, "current"))


# -- units -------------------------------------------------------------------------------------------------------------

Action = tuple[list[str], float]

#: What ``units`` asks systemd for.
PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "Result", "NRestarts", "Job", "MainPID", "UnitFileState",
)  # fmt: skip


def harmless(result: Result) -> bool:
    """Whether a systemctl call failed only because a unit that shall go is not there (any more)."""
    lines = [line for line in result.err.splitlines() if line.strip()]
    return bool(lines) and all(" not loaded" in line or " does not exist" in line for line in lines)


def definition_actions(steps: Steps) -> list[Action]:
    """The systemctl calls between the switch and the first start: end what is gone, read what is new."""
    actions: list[Action] = []
    if steps["stop"]:
        actions.append((["systemctl", "stop", *steps["stop"]], STOP_TIMEOUT))
    if steps["disable"]:
        actions.append((["systemctl", "disable", "--quiet", *steps["disable"]], CALL_TIMEOUT))
    if steps["definitions"]:
        actions.append((["systemctl", "daemon-reload"], CALL_TIMEOUT))
    if steps["definitions"] and steps["stop"]:  # one that had failed would be listed as failed for ever
        actions.append((["systemctl", "reset-failed", *steps["stop"]], CALL_TIMEOUT))
    if steps["enable"]:
        actions.append((["systemctl", "enable", "--quiet", *steps["enable"]], CALL_TIMEOUT))
    return actions


def unit_actions(steps: Steps) -> list[Action]:
    """The systemctl calls that make the units run what is active now. None waits for a unit to have started."""
    actions: list[Action] = []
    if steps["restart"]:
        actions.append((["systemctl", "restart", "--no-block", *steps["restart"]], CALL_TIMEOUT))
    if steps["start"]:
        actions.append((["systemctl", "start", "--no-block", *steps["start"]], CALL_TIMEOUT))
    if steps["reload"]:
        actions.append((["systemctl", "reload", *steps["reload"]], STOP_TIMEOUT))
    return actions


def forget_failures(host: Host, steps: Steps) -> None:
    """Clear systemd's count of recent starts, which may refuse another one. It fails for units that are not loaded."""
    awake = [*steps["restart"], *steps["start"]]
    if awake:
        host.run(["systemctl", "reset-failed", *awake], CALL_TIMEOUT)


def units(host: Host, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """What systemd knows about units, by name, in one call. Properties of a unit that it does not know are empty."""
    if not names:
        return {}
    result = host.run(["systemctl", "show", "--property=" + ",".join(PROPERTIES), *names], CALL_TIMEOUT)
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in result.out.split("\n\n")
    ]
    found = [block for block in blocks if block]
    empty = dict.fromkeys(PROPERTIES, "")
    return {name: {**empty, **(found[place] if place < len(found) else {})} for place, name in enumerate(names)}


def settled(state: dict[str, str]) -> bool:
    """Whether a unit runs and systemd has nothing more to do for it."""
    return state["ActiveState"] == "active" and state["Job"] in ("", "0")


def wait_settled(host: Host, names: Sequence[str], seconds: float) -> list[str]:
    """Wait until units run, ``seconds`` at most; returns those that do not."""
    limit = host.clock() + seconds
    while True:
        missing = [name for name, state in units(host, names).items() if not settled(state)]
        if not missing or host.clock() >= limit:
            return missing
        host.sleep(0.3)


def run_command(host: Host, service: str, digest: str, command: Command) -> Result:
    """Run a command of a generation, with its standard input from one of the generation's host files."""
    stdin = None
    if command.get("stdin"):
        stdin = host.read(directory(service, "generations", digest, "host") + command["stdin"])
        if stdin is None:
            return Result(NOT_FOUND, "", f"its input {command['stdin']} is not a file of the generation")
    return host.run(command["argv"], command["timeout"], stdin)


def finish(host: Host, record: Pending) -> None:
    """End a change that was confirmed. Idempotent."""
    for path in record["displaced"]:
        forget_original(host, path)
    host.unlink(directory(record["service"], "reverted.json"))
    host.unlink(directory(record["service"], "pending.json"))


# -- taking back -------------------------------------------------------------------------------------------------------


class Report(TypedDict):
    """What a revert did. ``problems`` is empty when the old generation was brought back without any."""

    service: str
    old: str | None
    new: str | None
    restarted: list[str]
    problems: list[str]


def revert(host: Host, service: str, *, boot: bool = False) -> Report | None:
    """Take back the unfinished change of a service; None when there is none. The caller holds the lock.

    Idempotent, and goes on after every error: the more of the old generation serves the better. ``pending.json`` stays
    when the files could not be brought back, so that the next boot or the next run tries again. ``boot``: nothing runs
    yet, so nothing has to be restarted, and commands wait until the node is up (``ozone-revert-late.service``).
    """
    record = pending(host, service)
    if record is None:
        return None
    if record["confirmed"]:
        finish(host, record)
        return None
    back, problems = record["back"], list[str]()

    def attempt(what: str, function: Callable[[], Any]) -> bool:
        try:
            result = function()
        except (OSError, KeyError) as error:
            problems.append(f"{what}: {error}")
            return False
        if isinstance(result, Result) and result.code and not harmless(result):
            problems.append(f"{what}: {(result.err or result.out).strip()[-500:]}")
            return False
        return True

    def call(argv: list[str], seconds: float) -> bool:
        return attempt(" ".join(argv), lambda: host.run(argv, seconds))

    def command(item: Command) -> None:
        digest = back["digest"]
        if digest is not None:
            attempt(f"command {item['name']}", lambda: run_command(host, service, digest, item))

    restored = attempt("files", lambda: switch(host, service, back, record["foreign"]))
    commands = back["commands"] if record["touched"] else []
    restart, reload, start = back["restart"], back["reload"], back["start"]
    if boot or record["late"] or not record["touched"]:
        restart, reload, start = [], [], [*restart, *reload, *start]
    plan: Steps = {**back, "restart": restart, "reload": reload, "start": start}
    if boot:  # a unit that waits for its stop would wait for the boot to end, which waits for this
        plan["stop"] = []
    for argv, seconds in definition_actions(plan):
        call(argv, seconds)
    if back["stop"] and boot:
        call(["systemctl", "stop", "--no-block", *back["stop"]], CALL_TIMEOUT)
    if not boot:
        for item in commands:
            if item["when"] == "before_units":
                command(item)
    forget_failures(host, plan)
    for argv, seconds in unit_actions(plan):
        call(argv, seconds)
    if boot and commands and restored:
        attempt("pending.json", lambda: save(host, directory(service, "pending.json"), {**record, "late": True}))
        call(["systemctl", "start", "--no-block", LATE_UNIT], CALL_TIMEOUT)
    else:
        after = [item for item in commands if item["when"] != "before_units"]
        if after:
            wait_settled(host, [*restart, *reload, *start], SETTLE_TIMEOUT)
        for item in after:
            command(item)
        if restored:
            for path in back["displace"]:
                attempt(path, lambda path=path: forget_original(host, path))  # type: ignore[misc]
            report = {"old": record["old"], "new": record["new"], "time": int(host.time()), "problems": problems}
            attempt("reverted.json", lambda: save(host, directory(service, "reverted.json"), report))
            attempt("pending.json", lambda: host.unlink(directory(service, "pending.json")))
    return {
        "service": service,
        "old": record["old"],
        "new": record["new"],
        "restarted": restart,
        "problems": problems,
    }


def revert_all(host: Host, *, boot: bool = False) -> list[Report]:
    """Take back whatever dead transactions left, service by service. The caller holds the lock."""
    reports = [revert(host, service, boot=boot) for service in services(host)]
    return [report for report in reports if report is not None]


def watch(host: Host, service: str, identity: str, seconds: float) -> list[Report]:
    """Wait for the end of a transaction, and take its change back if it did not confirm or take it back itself.

    One that is still alive after ``seconds`` (each of its waits is shorter) is stuck: it is ended.
    """
    try:
        with host.locked(f"the watcher of {service}", seconds):
            report = revert(host, service)
            return [report] if report else []
    except TimeoutError:
        record = pending(host, service)
    if record is None or record["id"] != identity:
        return []
    if record["started"] and host.started(record["pid"]) == record["started"]:
        host.kill(record["pid"])
    with host.locked(f"the watcher of {service}", CALL_TIMEOUT):
        report = revert(host, service)
        return [report] if report else []


def main(arguments: Sequence[str] | None = None, host: Host | None = None) -> int:
    """``ozone-revert boot | late | watch SERVICE ID SECONDS``: 0 when the old generations serve again."""
    parser = argparse.ArgumentParser(prog="ozone-revert", description="Take back unconfirmed changes of this node.")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("boot", help="before the services start: every unconfirmed change")
    actions.add_parser("late", help="once the node is up: what is left of them")
    watching = actions.add_parser("watch", help="when the transaction ends without a result: its change")
    watching.add_argument("service")
    watching.add_argument("id")
    watching.add_argument("seconds", type=float)
    options = parser.parse_args(arguments)
    os.umask(0o022)
    machine = host or Host()
    if options.action == "watch":
        reports = watch(machine, options.service, options.id, options.seconds)
    else:
        with machine.locked(f"ozone-revert {options.action}", 2 * CALL_TIMEOUT):
            reports = revert_all(machine, boot=options.action == "boot")
    for report in reports:
        new, old = ((report[name] or "nothing")[:12] for name in ("new", "old"))
        lines = [f"took back {new}, {old} is active", *report["problems"]]
        sys.stdout.writelines(f"{report['service']}: {line}\n" for line in lines)
    return 1 if any(report["problems"] for report in reports) else 0


#: The unit that takes back, before anything starts, what a reboot cut short; and the one for what needs a running node.
UNITS = {
    BOOT_UNIT: f"""# Made by Ozone.
[Unit]
Description=Take back changes that a reboot cut short
DefaultDependencies=no
RequiresMountsFor={SERVICES} {QUADLETS} {os.path.dirname(TOOL)}
After=local-fs.target systemd-remount-fs.service systemd-tmpfiles-setup.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target
ConditionPathExistsGlob={SERVICES}/*/pending.json

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {TOOL} boot
TimeoutStartSec=120
""",
    LATE_UNIT: f"""# Made by Ozone. Started by {BOOT_UNIT}.
[Unit]
Description=Take back the commands of changes that a reboot cut short
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {TOOL} late
TimeoutStartSec=1800
""",
}

if __name__ == "__main__":
    sys.exit(main())
