# SPDX-License-Identifier: Apache-2.0
"""One run at a time changes a cloud: the lock, who holds it, and when it can be taken over.

The lock is a file in the cloud's state directory that names the process of its holder. It needs no clean-up: when that
process is gone (killed, crashed, computer rebooted), the next run on the same computer takes the lock over. A process
is recognised by its number, its start time and the computer's boot, so that a number used again does not count.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive, private_directory, write_atomic

PROC = Path("/proc")


class LockError(Exception):
    """The lock cannot be had: says who holds it, since when, and what to do."""


@dataclass(frozen=True)
class Process:
    """One process on one computer, distinct from every other one ever.

    ``start`` is field 22 of /proc/<pid>/stat: clock ticks between the boot and the start of the process (proc(5)).
    """

    host: str
    boot: str
    pid: int
    start: int


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, for what (``verb``: deploy, ...) and since when (ISO 8601, UTC)."""

    user: str
    verb: str
    since: str
    process: Process


def start_of(pid: int, proc: Path = PROC) -> int | None:
    """Start time of a process in clock ticks since the boot; None when it is gone or a zombie."""
    try:
        text = (proc / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name in parentheses may hold spaces and parentheses itself
    return None if fields[0] in ("Z", "X") else int(fields[19])


def this_process(pid: int, proc: Path = PROC) -> Process:
    """The process ``pid`` of this computer, which must be alive."""
    start = start_of(pid, proc)
    if start is None:
        raise LockError(f"process {pid} is not running")
    return Process(socket.gethostname(), _boot(proc), pid, start)


def _boot(proc: Path) -> str:
    return (proc / "sys/kernel/random/boot_id").read_text().strip()


def is_alive(process: Process, proc: Path = PROC) -> bool:
    """Whether a process of this computer is still the one that was meant."""
    return process.boot == _boot(proc) and start_of(process.pid, proc) == process.start


def read(path: Path) -> Holder | None:
    """The holder; None when the lock is free.

    :raises LockError: the file cannot be understood.
    """
    try:
        data = json.loads(path.read_text())
        return Holder(str(data["user"]), str(data["verb"]), str(data["since"]), Process(**data["process"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise LockError(
            f"{path}: cannot be understood; when no other run is going on, take it over with -e ozone_lock_break=true"
        ) from None


def _since(holder: Holder, now: datetime) -> str:
    try:
        minutes = int((now - datetime.fromisoformat(holder.since)).total_seconds() // 60)
    except (ValueError, TypeError):
        return f"since {holder.since}"
    return f"since {holder.since} ({minutes} min)"


def describe(holder: Holder, now: datetime) -> str:
    """``deploy by root on host1 (process 4711) since 2026-01-01T12:00:00+00:00 (5 min)``."""
    return (
        f"{holder.verb} by {holder.user} on {holder.process.host} (process {holder.process.pid}) {_since(holder, now)}"
    )


@dataclass(frozen=True)
class Held:
    """The lock is ours. ``note`` tells about one that was taken over; empty otherwise. ``again``: it was before."""

    holder: Holder
    note: str = ""
    again: bool = False


def obstacle(
    holder: Holder, me: Process, now: datetime, *, force: bool, alive: Callable[[Process], bool] = is_alive
) -> tuple[str, str]:
    """Why ``me`` cannot have the lock of ``holder`` (or ""), and else a note about taking it over (or "").

    A live process on this computer is never pushed aside. A process on another computer cannot be looked at from here:
    only ``force`` takes its lock.
    """
    what = describe(holder, now)
    if holder.process == me:
        return "", ""
    if holder.process.host == me.host:
        if alive(holder.process):
            return (
                f"another run is changing this cloud: {what}. Wait until it has ended, or end process "
                f"{holder.process.pid} and start again"
            ), ""
        return "", f"took over the lock of a run that has not ended properly: {what}"
    if force:
        return "", f"took over the lock of another computer, as ozone_lock_break says: {what}"
    return (
        f"another run is changing this cloud: {what}. Wait until it has ended; when you know that it is not running "
        f"any more, take its lock over with -e ozone_lock_break=true"
    ), ""


def acquire(path: Path, verb: str, me: Process, *, force: bool = False, now: datetime | None = None) -> Held:
    """Take the lock for ``me``; taking it again keeps it.

    :raises LockError: another run holds it.
    """
    now = now or datetime.now(UTC)
    private_directory(path.parent)
    # The guard makes looking and taking one step; it is held for an instant only and is free when its holder dies.
    with exclusive(path.with_name(f".{path.name}.guard")):
        note = ""
        try:
            holder = read(path)
        except LockError:
            if not force:
                raise
            holder, note = None, f"{path}: could not be understood and was replaced, as ozone_lock_break says"
        if holder is not None:
            refusal, note = obstacle(holder, me, now, force=force)
            if refusal:
                raise LockError(refusal)
            if holder.process == me:
                return Held(holder, again=True)
        mine = Holder(getpass.getuser(), verb, now.isoformat(timespec="seconds"), me)
        write_atomic(path, json.dumps(asdict(mine), indent=2) + "\n", 0o600)
        return Held(mine, note)


def release(path: Path, me: Process) -> bool:
    """Give the lock back if it is held by ``me``; tell whether it was."""
    if not path.parent.is_dir():
        return False
    with exclusive(path.with_name(f".{path.name}.guard")):
        try:
            holder = read(path)
        except LockError:
            return False
        if holder is None or holder.process != me:
            return False
        os.unlink(path)
        return True


def conflict(path: Path, me: Process, now: datetime | None = None) -> str:
    """Why the lock could not be had now, without taking it; empty when it could."""
    try:
        holder = read(path)
    except LockError as error:
        return str(error)
    return "" if holder is None else obstacle(holder, me, now or datetime.now(UTC), force=False)[0]
