# SPDX-License-Identifier: Apache-2.0
"""Make, keep and lock operators' accounts as /etc/ozone/accounts.json says. Runs on the node, again for each change.

The text of this file is a host file of role node, so that it uses the standard library only. An account that leaves
the list is locked rather than removed: its number is given to nobody else, and its files stay. ``--check`` only looks.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WANTED = "/etc/ozone/accounts.json"
#: The accounts that are in the hands of Ozone, so that they are known when they leave the list.
RECORD = "/var/lib/ozone/accounts.json"

#: Numbers of people's accounts: login.defs(5), UID_MIN and UID_MAX.
PEOPLE = range(1000, 60000)
LIMIT = 30


@dataclass(frozen=True)
class Account:
    """An account as the node has it. ``groups`` are those apart from its own."""

    uid: int
    locked: bool = False
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Node:
    """What the node has."""

    accounts: Mapping[str, Account] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    record: frozenset[str] = frozenset()


def leaving(wanted: Mapping[str, Any], node: Node) -> list[str]:
    """The accounts to be locked: those that left the list, and those that it names so. Protected ones never."""
    staying = {account["name"] for account in wanted["accounts"]} | set(wanted["protected"])
    return sorted((node.record | set(wanted["locked"])) - staying)


def problems(wanted: Mapping[str, Any], node: Node) -> list[str]:
    """Why the accounts cannot be as wanted: one sentence each."""
    found = [
        f"account {name}: the node has a system account of that name ({node.accounts[name].uid}), choose another"
        for name in [*(account["name"] for account in wanted["accounts"]), *leaving(wanted, node)]
        if name in node.accounts and node.accounts[name].uid not in PEOPLE
    ]
    for account in wanted["accounts"]:
        missing = sorted(set(account["groups"]) - node.groups)
        found += [f"account {account['name']}: the node has no group {group}" for group in missing]
    return found


def commands(wanted: Mapping[str, Any], node: Node) -> list[list[str]]:
    """What has to be run; empty when all accounts are as wanted."""
    argvs: list[list[str]] = []
    for account in wanted["accounts"]:
        name, groups = account["name"], ",".join(sorted(account["groups"]))
        actual = node.accounts.get(name)
        if actual is None:
            own = ["--gid", name] if name in node.groups else ["--user-group"]
            more = ["--groups", groups] if groups else []
            # "*" is no password that anybody could give; "!" would be a lock, which sshd minds without PAM.
            argvs.append(["useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", *own, *more, name])
            continue
        if actual.groups != frozenset(account["groups"]):
            argvs.append(["usermod", "--groups", groups, name])
        if actual.locked:
            argvs.append(["usermod", "--expiredate", "", name])
    for name in leaving(wanted, node):
        if name in node.accounts and not node.accounts[name].locked:
            argvs.append(["usermod", "--expiredate", "1", name])
    return argvs


# -- the node ----------------------------------------------------------------------------------------------------------


def expired(shadow: Iterable[str], today: int) -> set[str]:
    """Names of the accounts that shadow(5) lets nobody use any more."""
    entries = [line.rstrip("\n").split(":") for line in shadow]
    return {entry[0] for entry in entries if len(entry) > 7 and entry[7] and int(entry[7]) <= today}


def look() -> Node:
    """The accounts and groups of this node."""
    record = Path(RECORD)
    names = json.loads(record.read_text(encoding="utf-8")) if record.exists() else []
    locked = expired(Path("/etc/shadow").read_text(encoding="utf-8").splitlines(), int(time.time() // 86400))
    groups = grp.getgrall()
    return Node(
        accounts={
            entry.pw_name: Account(
                entry.pw_uid,
                entry.pw_name in locked,
                frozenset(group.gr_name for group in groups if entry.pw_name in group.gr_mem),
            )
            for entry in pwd.getpwall()
        },
        groups=frozenset(group.gr_name for group in groups),
        record=frozenset(names),
    )


def remember(names: Iterable[str]) -> None:
    """Write which accounts are in the hands of Ozone."""
    new = Path(f"{RECORD}.new")
    new.parent.mkdir(parents=True, exist_ok=True)
    new.write_text(json.dumps(sorted(names)), encoding="utf-8")
    os.replace(new, RECORD)


def main(arguments: Sequence[str]) -> int:
    """Entry point."""
    wanted = json.loads(Path(WANTED).read_text(encoding="utf-8"))
    node = look()
    lines = problems(wanted, node)
    todo = commands(wanted, node)
    if "--check" in arguments:
        lines += [f"{argv[-1]} differs from what cloud.yml says: deploy again" for argv in todo]
    if lines or "--check" in arguments:
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        return 1 if lines else 0
    names = {account["name"] for account in wanted["accounts"]}
    if names - node.record:  # before they are made, so that one that is made is known whatever happens then
        remember(node.record | names)
    for argv in todo:
        subprocess.run(argv, check=True, timeout=LIMIT)
        if argv[:3] == ["usermod", "--expiredate", "1"]:  # who is logged in leaves; there may be nobody
            end = ["loginctl", "terminate-user", argv[-1]]
            subprocess.run(end, check=False, timeout=LIMIT, capture_output=True)
    if node.record - names:
        remember(names)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
