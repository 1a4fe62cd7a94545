# SPDX-License-Identifier: Apache-2.0
"""The first contact with a machine that got a system: wait for SSH at its address, and learn its host key.

A system makes its host key at its first boot, and nobody tells us which. The key that answers at the machine's address
right after a deployment is taken for its own; from then on another one is refused, until the next deployment. Whoever
could put himself at that address in that minute is on the provisioning network: see the operator's guide.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import (
    exclusive,
    private_directory,
    write_if_changed,
)

#: The port of SSH, and what its server says first (RFC 4253, section 4.2).
PORT, GREETING = 22, b"SSH-"

#: Seconds between two looks, and those that one of them may take.
PAUSE, ONE_LOOK = 1.0, 10.0


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    error: str


#: Runs a command within a number of seconds.
Runner = Callable[[Sequence[str], float], Answer]


class ContactError(Exception):
    """Somebody else answers at the address of a machine; the text says what to do."""


@dataclass(frozen=True)
class Contact:
    """How a machine is reached. ``names``: all that it is known by; ``known_hosts``: where its key is kept."""

    name: str
    address: str
    names: tuple[str, ...]
    known_hosts: Path
    login: tuple[str, ...]  # the command of SSH with its options and the target


@dataclass(frozen=True)
class Found:
    """How the waiting ended. ``trouble``: why the machine cannot be used; empty when it can."""

    trouble: str
    learned: bool
    seconds: float


def greets(address: str, timeout: float = 3.0, port: int = PORT) -> bool:
    """Whether an SSH server answers there. ``timeout``: seconds for the connection, and again for its first word."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout) as connection:
        return connection.recv(len(GREETING)) == GREETING
    return False


def key_of(scan: str) -> str:
    """Kind and key out of the output of ssh-keyscan(1); empty where nobody answered."""
    words = [line.split() for line in scan.splitlines() if line.strip() and not line.startswith("#")]
    return next((" ".join(parts[1:3]) for parts in words if len(parts) >= 3), "")


def known_key(text: str, names: Sequence[str]) -> str:
    """The key that a known_hosts file has of a machine."""
    lines = [line.split() for line in text.splitlines()]
    found = [parts for parts in lines if len(parts) >= 3 and set(parts[0].split(",")) & set(names)]
    return " ".join(found[0][1:3]) if found else ""


def with_key(text: str, names: Sequence[str], key: str) -> str:
    """A known_hosts file with the lines of a machine replaced by its present key; an empty key: by none."""
    kept = [line for line in text.splitlines() if line.strip() and not set(line.split()[0].split(",")) & set(names)]
    return "".join(f"{line}\n" for line in sorted([*kept, *([f"{','.join(names)} {key}"] if key else [])]))


def forget(contact: Contact) -> None:
    """The key of a machine that was deployed anew is gone, whether or not it answers before the run ends."""
    private_directory(contact.known_hosts.parent)
    with exclusive(contact.known_hosts.with_name(f".{contact.known_hosts.name}.lock")):
        text = contact.known_hosts.read_text(encoding="utf-8") if contact.known_hosts.exists() else ""
        if known_key(text, contact.names):
            write_if_changed(contact.known_hosts, with_key(text, contact.names, ""), 0o600)


def learn(contact: Contact, key: str, deployed: bool) -> bool:
    """Note the key of a machine; whether it was another one before. Raises ContactError for one that cannot be new."""
    private_directory(contact.known_hosts.parent)
    with exclusive(contact.known_hosts.with_name(f".{contact.known_hosts.name}.lock")):
        text = contact.known_hosts.read_text(encoding="utf-8") if contact.known_hosts.exists() else ""
        known = known_key(text, contact.names)
        if known == key:
            return False
        if known and not deployed:
            raise ContactError(
                f"{contact.name}: another host key answers at {contact.address} than before, and the machine was not "
                f"deployed anew: somebody else may answer. If it was installed by hand, or its deployment ended while "
                f"no run was there to see it, remove its line in {contact.known_hosts}"
            )
        return write_if_changed(contact.known_hosts, with_key(text, contact.names, key), 0o600)


def wait(
    contact: Contact,
    deployed: bool,
    timeout: float,
    run: Runner,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Found:
    """Wait until a machine lets us log in. ``deployed``: just now, so that its host key is a new one."""
    started = clock()
    learned, last = False, "nobody answers there"
    if deployed:
        forget(contact)
    while True:
        key = key_of(run(["ssh-keyscan", "-T", "3", "-t", "ed25519", contact.address], ONE_LOOK).out)
        if key:
            learned = learn(contact, key, deployed) or learned
            answer = run([*contact.login, "true"], ONE_LOOK)
            if answer.code == 0:
                return Found("", learned, round(clock() - started, 1))
            last = (answer.error.strip().splitlines() or [f"ssh ended with {answer.code}"])[-1]
        if clock() - started + PAUSE > timeout:
            trouble = f"no login over SSH at {contact.address} within {timeout:.0f} s: {last}"
            return Found(trouble, learned, round(clock() - started, 1))
        sleep(PAUSE)
