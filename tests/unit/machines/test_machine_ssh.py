# SPDX-License-Identifier: Apache-2.0
"""The first contact with a machine: whose key is learned, whose is refused, and how long is waited."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.machine_ssh import (
    Answer,
    Contact,
    ContactError,
    key_of,
    wait,
)

OLD, NEW = "ssh-ed25519 AAAAold", "ssh-ed25519 AAAAnew"
NOBODY = Answer(1, "", "")
SILENT = Answer(255, "", "Warning: x\nroot@198.18.32.11: Permission denied (publickey).")
GOOD = Answer(0, "", "")


class Machine:
    """A machine, and the clock of whoever waits for it. Answers come in turn, and the last one for ever."""

    def __init__(self, scans: Sequence[str], logins: Sequence[Answer] = (GOOD,)) -> None:
        self.answers = {"ssh-keyscan": [Answer(0, f"198.18.32.11 {key}\n", "") if key else NOBODY for key in scans]}
        self.answers["ssh"] = list(logins)
        self.now = 0.0
        self.commands: list[Sequence[str]] = []

    def run(self, command: Sequence[str], seconds: float) -> Answer:
        self.commands.append(command)
        self.now += 1
        answers = self.answers[command[0]]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def contact(tmp_path: Path) -> Contact:
    names = ("bm1", "bm1.example.test", "198.18.32.11", "198.18.33.11")
    return Contact("bm1", "198.18.32.11", names, tmp_path / "ssh" / "known_hosts", ("ssh", "root@198.18.32.11"))


def known(contact: Contact) -> str:
    return contact.known_hosts.read_text() if contact.known_hosts.exists() else ""


def know(contact: Contact, text: str) -> None:
    contact.known_hosts.parent.mkdir()
    contact.known_hosts.write_text(text)


def test_a_machine_that_boots_is_waited_for(contact: Contact) -> None:
    machine = Machine(["", "", NEW], [SILENT, GOOD])
    found = wait(contact, True, 600, machine.run, lambda: machine.now, machine.sleep)
    assert (found.trouble, found.learned) == ("", True)
    assert found.seconds == machine.now
    assert known(contact) == f"bm1,bm1.example.test,198.18.32.11,198.18.33.11 {NEW}\n"
    assert contact.known_hosts.stat().st_mode & 0o777 == 0o600
    assert machine.commands[-1] == ["ssh", "root@198.18.32.11", "true"]


def test_what_is_known_is_not_learned_again(contact: Contact) -> None:
    know(contact, f"bm1 {NEW} comment\nother {OLD}\n")
    machine = Machine([NEW])
    assert not wait(contact, False, 60, machine.run, lambda: machine.now, machine.sleep).learned
    assert known(contact) == f"bm1 {NEW} comment\nother {OLD}\n"


def test_a_deployment_makes_a_new_key(contact: Contact) -> None:
    know(contact, f"198.18.32.11,bm1 {OLD}\n\nother {OLD}\n")
    machine = Machine([NEW])
    assert wait(contact, True, 60, machine.run, lambda: machine.now, machine.sleep).learned
    assert known(contact) == f"bm1,bm1.example.test,198.18.32.11,198.18.33.11 {NEW}\nother {OLD}\n"


def test_a_deployment_forgets_the_old_key_even_if_nobody_answers(contact: Contact) -> None:
    know(contact, f"198.18.32.11,bm1 {OLD}\nother {OLD}\n")
    slow = Machine([""])
    assert wait(contact, True, 60, slow.run, lambda: slow.now, slow.sleep).trouble
    assert known(contact) == f"other {OLD}\n"
    there = Machine([NEW])  # the next run, which deploys nothing
    assert wait(contact, False, 60, there.run, lambda: there.now, there.sleep).trouble == ""
    assert NEW in known(contact)


def test_somebody_else_answers(contact: Contact) -> None:
    know(contact, f"198.18.32.11 {OLD}\n")
    machine = Machine([NEW])
    with pytest.raises(ContactError, match=r"another host key answers at 198\.18\.32\.11 than before"):
        wait(contact, False, 60, machine.run, lambda: machine.now, machine.sleep)
    assert known(contact) == f"198.18.32.11 {OLD}\n"
    assert [command[0] for command in machine.commands] == ["ssh-keyscan"]  # nothing was tried with it


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (Machine([""]), "nobody answers there"),
        (Machine([NEW], [SILENT]), "root@198.18.32.11: Permission denied (publickey)."),
        (Machine([NEW], [Answer(255, "", "")]), "ssh ended with 255"),
    ],
)
def test_waiting_has_a_limit(contact: Contact, machine: Machine, words: str) -> None:
    found = wait(contact, True, 30, machine.run, lambda: machine.now, machine.sleep)
    assert found.trouble == f"no login over SSH at 198.18.32.11 within 30 s: {words}"
    assert machine.now <= 32


@pytest.mark.parametrize(
    ("scan", "key"),
    [("# 198.18.32.11:22 SSH-2.0\n198.18.32.11 ssh-ed25519 AAAA\n", "ssh-ed25519 AAAA"), ("", ""), ("broken\n", "")],
)
def test_the_output_of_ssh_keyscan(scan: str, key: str) -> None:
    assert key_of(scan) == key
