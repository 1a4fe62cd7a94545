# SPDX-License-Identifier: Apache-2.0
"""Operators' accounts: the files that cloud.yml makes of them, and what the node does about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.services import accounts
from ansible_collections.ozone.openstack.plugins.module_utils.services.accounts import Account, Node
from ansible_collections.ozone.openstack.plugins.module_utils.services.node import account_files

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlbmNo alice@desk"
SSHD = "/etc/ssh/sshd_config.d/60-ozone-accounts.conf"


def entry(name: str = "alice", **more: Any) -> dict[str, Any]:
    return {"name": name, "authorized_keys": [KEY], **more}


def wanted(*entries: dict[str, Any], protected: str = "root") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(account_files(entries, protected)["/etc/ozone/accounts.json"]["content"])
    return document


# -- files -------------------------------------------------------------------------------------------------------------


def test_only_listed_keys_let_an_operator_in_and_nobody_else_is_concerned() -> None:
    files = account_files([entry("bob"), entry("alice", sudo=True)])
    assert files["/etc/ssh/authorized_keys.d/alice"]["content"] == f"# Made by Ozone.\n{KEY}\n"
    lines = files[SSHD]["content"].splitlines()
    assert lines[1:] == [
        "Match User alice,bob", "  AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u", "Match all",
    ]  # fmt: skip
    assert files["/etc/sudoers.d/60-ozone-accounts"]["content"].splitlines()[1:] == [
        "alice ALL=(ALL:ALL) NOPASSWD: ALL"
    ]
    assert files["/etc/sudoers.d/60-ozone-accounts"]["mode"] == "0440"


def test_without_accounts_nothing_is_said_to_ssh_or_sudo() -> None:
    assert list(account_files([])) == ["/usr/lib/ozone/ozone-accounts", "/etc/ozone/accounts.json"]


def test_an_absent_account_has_no_key() -> None:
    files = account_files([entry(state="absent", authorized_keys=[])])
    assert not [path for path in files if path.startswith("/etc/ssh/")]
    assert wanted(entry(state="absent"))["locked"] == ["alice"]


BAD: list[tuple[list[dict[str, Any]], str]] = [
    ([entry("root")], "root: this account is what Ozone logs in with"),
    ([entry("deploy")], "deploy: this account is what Ozone logs in with"),
    ([entry("Alice")], "small letters"),
    ([entry("alice\nMatch all")], "small letters"),
    ([entry(authorized_keys=[])], "nobody could log in"),
    ([entry(authorized_keys=["-----BEGIN OPENSSH PRIVATE KEY-----"])], "no public SSH key"),
    ([entry(authorized_keys=[f"{KEY}\n{KEY}"])], "no public SSH key"),
    ([entry(shell="/bin/sh")], "unknown key shell"),
    ([entry(state="gone")], "present or absent"),
    ([entry(), entry()], "alice: is listed twice"),
]


@pytest.mark.parametrize(("entries", "words"), BAD)
def test_what_is_wrong_is_refused(entries: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        account_files(entries, "deploy")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"(?s)root: .*bob: authorized_keys is missing"):
        account_files([entry("root"), {"name": "bob"}])


@pytest.mark.parametrize("key", [
    KEY, KEY.rsplit(" ", 1)[0], f'from="198.18.4.0/24",no-pty {KEY}', "sk-ssh-ed25519@openssh.com AAAAGnNr x",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNh", "ssh-rsa AAAAB3NzaC1yc2E=",
])  # fmt: skip
def test_public_keys_of_all_kinds_are_taken(key: str) -> None:
    assert account_files([entry(authorized_keys=[key])])


# -- the node ----------------------------------------------------------------------------------------------------------


def test_a_new_account_has_a_home_and_no_password() -> None:
    node = Node(groups=frozenset({"adm", "root"}))
    assert accounts.commands(wanted(entry(groups=["adm"])), node) == [
        ["useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", "--user-group", "--groups", "adm",
         "alice"],
    ]  # fmt: skip


def test_a_group_of_that_name_is_used() -> None:
    argv = accounts.commands(wanted(entry()), Node(groups=frozenset({"alice"})))[0]
    assert argv[argv.index("--gid") + 1] == "alice"


def test_an_account_that_is_as_wanted_costs_nothing() -> None:
    node = Node({"alice": Account(1000, groups=frozenset({"adm"}))}, frozenset({"adm"}), frozenset({"alice"}))
    assert accounts.commands(wanted(entry(groups=["adm"])), node) == []


def test_who_leaves_the_list_is_locked_once_and_unlocked_when_listed_again() -> None:
    there = Node({"alice": Account(1000)}, record=frozenset({"alice"}))
    locked = Node({"alice": Account(1000, locked=True)}, record=frozenset({"alice"}))
    assert accounts.commands(wanted(), there) == [["usermod", "--expiredate", "1", "alice"]]
    assert accounts.commands(wanted(), locked) == []
    assert accounts.commands(wanted(entry()), locked) == [["usermod", "--expiredate", "", "alice"]]


def test_an_account_that_is_not_ours_is_locked_only_when_it_is_named() -> None:
    node = Node({"carol": Account(1000)})
    assert accounts.commands(wanted(), node) == []
    assert accounts.commands(wanted(entry("carol", state="absent")), node) == [
        ["usermod", "--expiredate", "1", "carol"]
    ]


def test_the_account_that_ansible_uses_now_is_never_locked() -> None:
    node = Node({"alice": Account(1000)}, record=frozenset({"alice"}))
    assert accounts.commands(wanted(protected="alice"), node) == []


def test_a_system_account_and_a_missing_group_are_refused() -> None:
    node = Node({"www-data": Account(33)})
    assert accounts.problems(wanted(entry("www-data", groups=["operators"])), node) == [
        "account www-data: the node has a system account of that name (33), choose another",
        "account www-data: the node has no group operators",
    ]


def test_expired_accounts_of_shadow() -> None:
    lines = ["root:*:20000:0:99999:7:::", "alice:*:20000:0:99999:7::1:", "bob:*:20000:0:99999:7::30000:", "old:x:1"]
    assert accounts.expired(lines, 20500) == {"alice"}
