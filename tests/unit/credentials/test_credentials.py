# SPDX-License-Identifier: Apache-2.0
"""The clouds.yaml: what is in it, and the playbook that writes it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.ozone.openstack.plugins.module_utils import credentials, sdk, secrets
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import Vault

ROOT = Path(__file__).resolve().parents[3]
CLOUD = {
    "name": "lab",
    "region": "RegionOne",
    "vips": {"api_internal": "198.18.0.10", "api_public": "198.18.1.10"},
    "front_ends": {"keystone_api": {"port": 5000}},
}


def test_both_clouds_and_where_to_trust() -> None:
    text = credentials.clouds_file("/p", {"public": {"auth_url": "a"}, "internal": {"auth_url": "b"}}, "R", "/ca")
    clouds = yaml.safe_load(text)["clouds"]
    assert clouds["ozone"] == {
        "auth": {"auth_url": "a"},
        "cacert": "/ca",
        "identity_api_version": 3,
        "interface": "public",
        "region_name": "R",
    }
    assert clouds["ozone-internal"]["interface"] == "internal"


def run(directory: Path, *arguments: str) -> str:
    cloud: dict[str, Any] = {**CLOUD, "state_dir": str(directory / "state")}
    (directory / "ansible.cfg").write_text("")
    inventory = {"all": {"hosts": {"node1": None}, "vars": {"ozone_cloud": cloud}}}
    (directory / "hosts.yml").write_text(json.dumps(inventory))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    result = subprocess.run(
        [program, "-i", str(directory / "hosts.yml"), str(ROOT / "playbooks" / "credentials.yml"), *arguments],
        capture_output=True, text=True, timeout=60, env=environment, cwd=directory, check=False,
    )  # fmt: skip
    return result.stdout + result.stderr


def test_the_playbook_writes_it_once(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert "there is no secret keystone_admin_password yet: run ozone.openstack.deploy" in run(tmp_path)
    file = secrets.SecretsFile(state / "secrets.yml", Vault([], state / "vault-password"))
    file.ensure({"keystone_admin_password": "password"})
    assert "changed=1" in run(tmp_path, "--check")
    assert not (state / "clouds.yaml").exists()
    shown = run(tmp_path, "-vvv", "--diff")
    assert "changed=1" in shown, shown
    assert f'"msg": "{state}/clouds.yaml"' in shown
    password = str(file.read()["keystone_admin_password"])
    assert password not in shown
    assert stat.S_IMODE((state / "clouds.yaml").stat().st_mode) == 0o600
    cloud = sdk.connect(sdk.Access(cloud="ozone", clouds_file=str(state / "clouds.yaml")))
    assert cloud.config.get_auth_args()["password"] == password
    assert cloud.config.get_auth_args()["auth_url"] == "https://198.18.1.10:5000/v3"
    assert "changed=0" in run(tmp_path)
