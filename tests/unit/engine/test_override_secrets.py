# SPDX-License-Identifier: Apache-2.0
"""Secrets of overrides, from cloud.yml to the files of services: real inventory, real roles, real ansible-vault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from oslo_config import cfg

from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsFile
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import vault_of

ROOT = Path(__file__).resolve().parents[3]
SECRET = " p$w {{ x }} é%%'\""
ENCRYPTED = 'va$ult" %{{ y }}s'


def test_secrets_of_overrides_arrive(tmp_path: Path) -> None:
    state = tmp_path / "state" / "standalone"
    vault = vault_of(DataLoader(), state)
    SecretsFile(state / "secrets.yml", vault).give({"ldap_bind_password": SECRET})
    data: dict[str, Any] = yaml.safe_load((ROOT / "inventory" / "standalone" / "cloud.yml").read_text())
    reference = {"secret": "ldap_bind_password"}
    data["overrides"]["keystone"] = {
        "config": {"keystone.conf": {"ldap": {"password": reference, "user": "VAULT"}}},
        "files": {
            "domains/keystone.My Domain.conf": {"config": {"ldap": {"password": reference}}},
            "plain": {"content": reference},
        },
    }
    data["overrides"]["mariadb"] = {"variables": {"mariadb_options": {"report_user": reference}}}
    block = "!vault |\n" + "".join(f"            {line}\n" for line in vault.encrypt(ENCRYPTED).decode().split())
    file = tmp_path / "cloud.yml"
    file.write_text(yaml.safe_dump(data, sort_keys=False).replace("user: VAULT\n", f"user: {block}"))
    argv = [
        sys.executable, str(ROOT / "tests" / "unit" / "releases" / "render_clouds.py"),
        str(ROOT / ".ansible" / "collections"), str(tmp_path / "state"), str(file),
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
    services = json.loads(done.stdout)[str(file)]["node1"]
    files: dict[str, str] = {}
    for service in ("keystone", "mariadb"):
        manifest, contents = services[service]["manifest"], services[service]["contents"]
        found = manifest["files"] + [file for one in manifest["containers"].values() for file in one["files"]]
        files |= {file["path"]: contents[file["sha256"]] for file in found}
        assert "p$w" not in json.dumps(manifest)
    for name in ("keystone.conf", "domains/keystone.My Domain.conf"):
        path = tmp_path / "read.conf"
        path.write_text(files[name], encoding="utf-8")
        conf = cfg.ConfigOpts()
        conf.register_opts([cfg.StrOpt("password"), cfg.StrOpt("user")], "ldap")
        conf([], default_config_files=[str(path)], default_config_dirs=[])
        assert conf.ldap.password == SECRET
        assert conf.ldap.user == (ENCRYPTED if name == "keystone.conf" else None)
    assert files["plain"] == SECRET
    assert 'report_user = " p$w {{ x }} é%%\'\\""' in files["/etc/mysql/mariadb.conf.d/91-operator.cnf"]
