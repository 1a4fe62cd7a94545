# SPDX-License-Identifier: Apache-2.0
"""Files of the base system."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context, DeclarationError
from ansible_collections.ozone.openstack.plugins.module_utils.services import option_text

ACCOUNTS_TOOL = "/usr/lib/ozone/ozone-accounts"
ACCOUNT_KEYS = {"name", "authorized_keys", "sudo", "groups", "state"}
#: What useradd of Debian takes.
ACCOUNT_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
#: A line of authorized_keys, with or without options: sshd(8).
PUBLIC_KEY = re.compile(r"(?:\S.* )?(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+ AAAA[A-Za-z0-9+/]+={0,3}(?: .*)?")


def authority(context: Context) -> str:
    """The certificate authority that signed the cloud's server certificates."""
    return context.certificate("ca")


def hosts(context: Context) -> str:
    """/etc/hosts: this node and the members of the message queue, which know each other by name.

    Not every node of the cloud: a compute node that joins must not change a file on all the others.
    """
    domain = context.cloud["domain"]
    own = context.node["name"]
    lines = ["# Made by Ozone.", "127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines.append(f"{context.address('management')} {own}.{domain} {own}")
    for member in context.members("rabbitmq"):
        if member["name"] != own:
            address = member["addresses"][context.network("message_queue")]
            lines.append(f"{address} {member['name']}.{domain} {member['name']}")
    return "\n".join(lines) + "\n"


#: HAProxy binds the virtual addresses also while another node holds them.
SYSCTL = {"net.ipv4.ip_nonlocal_bind": 1, "net.ipv6.ip_nonlocal_bind": 1}
_PARAMETER = re.compile(r"[A-Za-z0-9_*-][A-Za-z0-9_.*/:@-]*")


def parameter_lines(values: Mapping[str, Any]) -> list[str]:
    """Kernel parameters in the words of sysctl.d(5). The kernel writes booleans as 1 and 0.

    A list is written with blanks between (``net.ipv4.tcp_rmem``); None leaves a parameter as it is.

    :raises DeclarationError: a name that is none of a parameter, or a value that no parameter has.
    """
    lines = []
    for name, value in option_text.given("node_sysctl", values):
        words = value if isinstance(value, list) else [value]
        truths = [option_text.boolean(word) for word in words]
        text = " ".join(str(word if truth is None else int(truth)) for word, truth in zip(words, truths, strict=True))
        if not _PARAMETER.fullmatch(name):
            raise DeclarationError(f"node_sysctl: {name!r} is no name of a kernel parameter, such as vm.swappiness")
        if not text.strip() or not text.isprintable():
            raise DeclarationError(f"node_sysctl: {name}: needs a value on one line, or null")
        lines.append(f"{name} = {text}")
    return lines


def kernel_parameters(context: Context, values: Mapping[str, Any] | None = None) -> str:
    """Ozone's own parameters, and ``node_sysctl``."""
    return "\n".join(["# Made by Ozone, with node_sysctl.", *parameter_lines({**SYSCTL, **(values or {})})]) + "\n"


def _account_problems(account: Mapping[str, Any], protected: str) -> list[str]:
    """What is wrong with an entry of node_accounts."""
    name = str(account.get("name", ""))
    unknown = sorted(set(account) - ACCOUNT_KEYS)
    found = [f"unknown key {', '.join(unknown)} (known: {', '.join(sorted(ACCOUNT_KEYS))})"] if unknown else []
    if not ACCOUNT_NAME.fullmatch(name):
        found.append("name: small letters, digits, - and _, 32 at most")
    if not isinstance(account.get("sudo", False), bool):
        found.append(f"sudo: write true or false, without quotes, not {account['sudo']!r}")
    if name in ("root", protected):
        found.append("this account is what Ozone logs in with, it is left as it was made")
    if account.get("state", "present") not in ("present", "absent"):
        found.append("state is present or absent")
    keys = [str(key).strip() for key in account.get("authorized_keys") or []]
    if not keys and account.get("state", "present") == "present":
        found.append("authorized_keys is missing: nobody could log in")
    found += [f"authorized_keys: {key[:20]!r}... is no public SSH key" for key in keys if not PUBLIC_KEY.fullmatch(key)]
    return found


def account_files(accounts: Iterable[Mapping[str, Any]], protected: str = "root") -> dict[str, dict[str, Any]]:
    """The host files that make, let in and lock operators' accounts: ``node_accounts``.

    Only the keys of cloud.yml let an operator in, and nothing is said of any other account: neither root nor the one
    that Ansible uses (``protected``) can be locked out. The accounts themselves are made by ``accounts.py``.

    :raises DeclarationError: says what is wrong with all entries.
    """
    entries = list(accounts)
    problems = [
        f"{entry.get('name', '?')}: {problem}" for entry in entries for problem in _account_problems(entry, protected)
    ]
    names = [str(entry.get("name", "")) for entry in entries]
    problems += [f"{name}: is listed twice" for name in sorted({name for name in names if names.count(name) > 1})]
    if problems:
        raise DeclarationError("\n".join(f"node_accounts: {problem}" for problem in problems))
    present = sorted((e for e in entries if e.get("state", "present") == "present"), key=lambda e: str(e["name"]))
    document = {
        "accounts": [
            {"name": str(e["name"]), "groups": sorted(str(group) for group in e.get("groups") or [])} for e in present
        ],
        "locked": sorted(str(e["name"]) for e in entries if e.get("state", "present") == "absent"),
        "protected": sorted({"root", protected}),
    }
    files: dict[str, dict[str, Any]] = {
        ACCOUNTS_TOOL: {"content": Path(__file__).with_name("accounts.py").read_text(encoding="utf-8")},
        "/etc/ozone/accounts.json": {"content": json.dumps(document, indent=2) + "\n"},
    }
    for entry in present:
        keys = "".join(f"{str(key).strip()}\n" for key in entry["authorized_keys"])
        files[f"/etc/ssh/authorized_keys.d/{entry['name']}"] = {"content": f"# Made by Ozone.\n{keys}"}
    if present:
        users = ",".join(str(entry["name"]) for entry in present)
        lines = ["# Made by Ozone.", f"Match User {users}", "  AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u"]
        files["/etc/ssh/sshd_config.d/60-ozone-accounts.conf"] = {"content": "\n".join([*lines, "Match all", ""])}
    rules = [f"{entry['name']} ALL=(ALL:ALL) NOPASSWD: ALL\n" for entry in present if entry.get("sudo")]
    if rules:
        text = "".join(["# Made by Ozone. Accounts have no password.\n", *rules])
        files["/etc/sudoers.d/60-ozone-accounts"] = {"content": text, "mode": "0440"}
    return files
