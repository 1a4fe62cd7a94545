# SPDX-License-Identifier: Apache-2.0
"""A cloud whose passwords are made of all that parsers take for something else, and secrets in its overrides."""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader

from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsFile
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import Vault, vault_of
from tests.lab.cloud import ROOT, Cloud

PARTS = [
    "$username@/%:?#", '"quoted"', "'q' #x;", " a b ", "\\$x\\\\$$", "{{ lookup('x') }}", "%(here)s%%40",
    "a,b;c=[d]{e}", "ß密é€", "`id`$(id)|&<>!*~^",
]  # fmt: skip
SECRET = " p$w'\"%@/{{ x }}é "
ENCRYPTED = 'va$ult" %%{{x}}s'
#: What no output may have: the secrets without outer blanks, and in the form of an oslo.config file.
LEAKS = [form for text in (SECRET.strip(), ENCRYPTED) for form in (text, text.replace("$", "$$"))]

READ = """
import glob
from oslo_config import cfg
for path in ["/etc/keystone/keystone.conf", *glob.glob("/etc/keystone/domains/*")]:
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt("password"), cfg.StrOpt("user")], "ldap")
    conf([], default_config_files=[path], default_config_dirs=[])
    print(ascii([path, conf.ldap.password, conf.ldap.user]))
"""


def odd_passwords() -> dict[str, str]:
    """Every password that the services of a standalone cloud have, each another one."""
    names = [
        name
        for meta in sorted((ROOT / "roles").glob("*/meta/service.yml"))
        for name, kind in (yaml.safe_load(meta.read_text()).get("secrets") or {}).items()
        if kind == "password" and name != "rabbitmq_erlang_cookie" and not name.startswith("ironic")
    ]
    return {
        name: f"{PARTS[number % len(PARTS)]}{name[:3]}{number}{PARTS[(number * 3 + 1) % len(PARTS)]}"
        for number, name in enumerate(names)
    }


class Odd(Cloud):
    """A standalone cloud with a state of its own."""

    vault: Vault

    @classmethod
    def made(cls, directory: Path) -> Odd:
        """With its secrets, before it is deployed."""
        data: dict[str, Any] = yaml.safe_load((ROOT / "inventory" / "standalone" / "cloud.yml").read_text())
        data |= {"name": "odd", "domain": "odd.ozone.test"}
        source = directory / "source.yml"
        source.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        cloud = cls(source, directory)
        cloud.vault = vault_of(DataLoader(), cloud.state)
        SecretsFile(cloud.state / "secrets.yml", cloud.vault).give({**odd_passwords(), "extra_odd": SECRET})
        return cloud


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    cloud = Odd.made(tmp_path_factory.mktemp("odd"))
    try:
        for verb in ("lab", "images"):
            assert cloud.run(verb).code == 0, f"{verb} failed"
        yield cloud
    finally:
        cloud.restore()
        cloud.down()


def test_services_log_in_with_them(odd: Odd) -> None:
    assert odd.run("deploy").code == 0
    assert odd.run("smoke").code == 0
    assert odd.run("deploy").statuses() == {"unchanged"}


def test_accounts_have_the_passwords(odd: Odd) -> None:
    """Not by way of a service: MariaDB's and RabbitMQ's own clients log in."""
    passwords = odd_passwords()
    for service in ("keystone", "glance", "nova", "neutron", "placement"):
        query = (
            'mariadb --host "$HOST" --user %s --password="$(cat)" --batch --skip-column-names --execute \'SELECT 1\''
        )
        command = f"HOST=$(ss -Hltn 'sport = 3306' | awk '{{print $4}}' | cut -d: -f1 | head -1); {query % service}"
        assert piped(odd, command, passwords[f"{service}_database_password"]) == "1"
    for service in ("nova", "neutron"):
        secret = passwords[f"{service}_queue_password"].replace("/", "%2F")
        answer = piped(odd, f'rabbitmqctl --quiet authenticate_user {service} "$(cat)"', secret)
        assert "Success" in answer


def piped(odd: Odd, command: str, secret: str) -> str:
    """The output of a command that reads a secret from its input."""
    key = odd.state / "ssh"
    done = subprocess.run(
        ["ssh", "-i", str(key / "id_ed25519"), "-o", f"UserKnownHostsFile={key / 'known_hosts'}", "-o", "BatchMode=yes",
         f"root@{odd.variables('node1')['ansible_host']}", f"export LANG=C.UTF-8; {command}"],
        input=secret, text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_secrets_of_overrides_arrive_and_are_never_shown(odd: Odd) -> None:
    reference = {"secret": "extra_odd"}
    definition = json.loads(json.dumps(odd.original))
    definition["overrides"] |= {
        "keystone": {
            "config": {"keystone.conf": {"ldap": {"password": reference, "user": "VAULT"}}},
            "files": {"domains/keystone.My Domain.conf": {"config": {"ldap": {"password": reference}}}},
        },
        "mariadb": {"variables": {"mariadb_options": {"report_user": reference}}},
    }
    odd.write(definition)
    block = "!vault |\n" + "".join(f"            {row}\n" for row in odd.vault.encrypt(ENCRYPTED).decode().split())
    odd.file.write_text(odd.file.read_text().replace("user: VAULT\n", f"user: {block}"), encoding="utf-8")

    said = ""
    for verb, arguments in (
        ("plan", ["--diff", "-v"]),
        ("deploy", ["--check", "--diff", "-vvv"]),
        ("deploy", ["--diff"]),
    ):
        result = odd.run(verb, *arguments)
        assert result.code == 0
        said += result.output
    listed = subprocess.run(
        ["ansible-inventory", "-i", str(odd.file), "--list"], cwd=ROOT, env=odd.environment(), text=True, timeout=120,
        capture_output=True, check=True,
    )  # fmt: skip
    assert [leak for leak in LEAKS if leak in said + listed.stdout] == []

    rows = [ast.literal_eval(row) for row in piped(odd, "podman exec -i keystone_api python -", READ).splitlines()]
    assert ["/etc/keystone/keystone.conf", SECRET, ENCRYPTED] in rows
    assert ["/etc/keystone/domains/keystone.My Domain.conf", SECRET, None] in rows
    assert odd.ssh(
        "node1", "mariadb --batch --skip-column-names --execute 'SELECT HEX(@@report_user)'"
    ).strip().lower() == (SECRET.encode().hex())
    assert odd.run("deploy").statuses() == {"unchanged"}

    odd.file.write_text(odd.file.read_text().replace("secret: extra_odd", "secret: extra_missing"), encoding="utf-8")
    result = odd.run("deploy")
    assert result.code != 0
    assert "make secret ARGS='-e ozone_secret=extra_missing'" in result.output.replace("\n", " ")
