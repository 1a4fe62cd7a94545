# SPDX-License-Identifier: Apache-2.0
"""The clouds.yaml: what is in it, and the playbook that writes it."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import yaml

from ansible_collections.ozone.openstack.plugins.module_utils import credentials, sdk, secrets
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import Vault

PLAYBOOK = Path(__file__).resolve().parents[3] / "playbooks" / "credentials.yml"
CLOUD = {
    "name": "lab",
    "region": "RegionOne",
    "vips": {"api_internal": "198.18.0.10", "api_public": "198.18.1.10"},
    "front_ends": {"keystone_api": {"port": 5000}},
}


def test_both_clouds_and_where_to_trust() -> None:
    entries = credentials.keystone_clouds({"public": {"auth_url": "a"}, "internal": {"auth_url": "b"}}, "R", "/ca")
    text = credentials.clouds_file("/p", entries)
    assert "--os-cloud ozone\n" in text
    clouds = yaml.safe_load(text)["clouds"]
    assert clouds["ozone"] == {
        "auth": {"auth_url": "a"},
        "cacert": "/ca",
        "identity_api_version": 3,
        "interface": "public",
        "region_name": "R",
    }
    assert clouds["ozone-internal"]["interface"] == "internal"


def test_the_playbook_writes_it_once(playbook: Callable[..., str], tmp_path: Path) -> None:
    state = tmp_path / "state"

    def run(*arguments: str) -> str:
        return playbook(PLAYBOOK, *arguments, ozone_cloud={**CLOUD, "state_dir": str(state)})

    assert "there is no secret keystone_admin_password yet: run ozone.openstack.deploy" in run()
    file = secrets.SecretsFile(state / "secrets.yml", Vault([], state / "vault-password"))
    file.ensure({"keystone_admin_password": "password"})
    assert "changed=1" in run("--check")
    assert not (state / "clouds.yaml").exists()
    shown = run("-vvv", "--diff")
    assert "changed=1" in shown, shown
    assert f'"msg": "{state}/clouds.yaml"' in shown
    password = str(file.read()["keystone_admin_password"])
    assert password not in shown
    assert stat.S_IMODE((state / "clouds.yaml").stat().st_mode) == 0o600
    cloud = sdk.connect(sdk.Access(cloud="ozone", clouds_file=str(state / "clouds.yaml")))
    assert cloud.config.get_auth_args()["password"] == password
    assert cloud.config.get_auth_args()["auth_url"] == "https://198.18.1.10:5000/v3"
    assert "changed=0" in run()


def test_the_undercloud_has_an_entry_of_its_own(playbook: Callable[..., str], tmp_path: Path) -> None:
    state = tmp_path / "state"
    node = {"name": "undercloud1", "site": "main", "addresses": {"control": "198.18.0.10"}}
    cloud = {
        **CLOUD,
        "front_ends": {},
        "vips": {},
        "traffic": {"provisioning": "control"},
        "members": {"ironic": {"main": [node]}},
        "state_dir": str(state),
    }
    file = secrets.SecretsFile(state / "secrets.yml", Vault([], state / "vault-password"))
    file.ensure({"ironic_api_password": "password"})
    shown = playbook(PLAYBOOK, "-vvv", "--diff", ozone_cloud=cloud)
    assert "changed=1" in shown, shown
    password = str(file.read()["ironic_api_password"])
    assert password not in shown
    clouds = yaml.safe_load((state / "clouds.yaml").read_text())["clouds"]
    assert list(clouds) == ["ozone-undercloud"]
    connection = sdk.connect(sdk.Access(cloud="ozone-undercloud", clouds_file=str(state / "clouds.yaml")))
    assert connection.config.get_auth_args()["password"] == password
    assert connection.session.auth.get_endpoint(connection.session) == "https://198.18.0.10:6385"
    both = {**cloud, **{key: CLOUD[key] for key in ("front_ends", "vips")}}
    file.ensure({"keystone_admin_password": "password"})
    assert "changed=1" in playbook(PLAYBOOK, ozone_cloud=both)
    clouds = yaml.safe_load((state / "clouds.yaml").read_text())["clouds"]
    assert sorted(clouds) == ["ozone", "ozone-internal", "ozone-undercloud"]
