# SPDX-License-Identifier: Apache-2.0
"""The inventory plugin in Ansible: what an operator sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

BIN = Path(sys.executable).parent


def run(directory: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Ansible, as the environment, not the clone's ansible.cfg, says."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env = {
        **keep,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION / ".ansible" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        **environ,
    }
    argv = [str(BIN / command[0]), *command[1:]]
    return subprocess.run(argv, cwd=directory, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def standalone(tmp_path: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((COLLECTION / "inventory" / "standalone" / "cloud.yml").read_text())
    return data


def write(directory: Path, data: Any, name: str = "cloud.yml") -> None:
    (directory / name).write_text(yaml.safe_dump(data, sort_keys=False))


def test_list_and_literal_templates(tmp_path: Path, standalone: dict[str, Any]) -> None:
    """Ansible's default configuration is enough; nothing of the definition is evaluated as a template."""
    standalone["overrides"] = {
        "nova": {"config": {"nova.conf": {"DEFAULT": {"instance_name_template": "{{ 1 + 1 }}", "debug": True}}}}
    }
    write(tmp_path, standalone, "my.yml")
    done = run(tmp_path, "ansible-inventory", "-i", "my.yml", "--list", OZONE_STATE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["nova_compute"]["hosts"] == ["node1"]
    host = data["_meta"]["hostvars"]["node1"]
    assert host["ansible_host"] == "198.18.0.57"
    assert host["ozone_cloud"]["state_dir"] == str(tmp_path / "standalone")
    assert host["ozone_overrides"]["nova"]["config"]["nova.conf"]["DEFAULT"] == {
        "instance_name_template": {"__ansible_unsafe": "{{ 1 + 1 }}"},
        "debug": True,
    }
    play = [
        {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.debug": {"var": "ozone_overrides"}, "delegate_to": "localhost"}],
        }
    ]
    write(tmp_path, play, "play.yml")
    done = run(tmp_path, "ansible-playbook", "-i", "my.yml", "play.yml")
    assert done.returncode == 0, done.stderr
    assert "{{ 1 + 1 }}" in done.stdout


def fleet(nodes: int) -> dict[str, Any]:
    """inventory/multinode with as many nodes, all others of them computes."""
    data: dict[str, Any] = yaml.safe_load((COLLECTION / "inventory" / "multinode" / "cloud.yml").read_text())
    pools = [net["subnets"]["main"] for net in data["networks"].values() if "pool" in net["subnets"]["main"]]
    for index, subnet in enumerate(pools):
        start = f"198.18.{16 + 8 * index}"
        subnet |= {"cidr": f"{start}.0/21", "pool": [f"{start}.10", f"198.18.{16 + 8 * index + 7}.250"]}
        if "host" in subnet:
            subnet["host"] = f"{start}.1"
    data["nodes"] |= {f"compute{number}": {"profile": "compute"} for number in range(3, nodes)}
    return data


@pytest.mark.parametrize("export", [[], ["--export"]], ids=["list", "export"])
def test_a_listing_has_the_cloud_once(tmp_path: Path, export: list[str]) -> None:
    """ansible-inventory without --export prints the variables of the group ``all`` at each host."""
    sizes = {}
    for nodes in (200, 400):
        write(tmp_path, fleet(nodes))
        done = run(tmp_path, "ansible-inventory", "-i", "cloud.yml", "--list", *export)
        assert done.returncode == 0, done.stderr
        sizes[nodes] = len(done.stdout)
    assert sizes[200] < 2_000_000
    assert sizes[400] < 2.1 * sizes[200]
    listing = json.loads(done.stdout)
    carriers = [name for name, variables in listing["_meta"]["hostvars"].items() if len(str(variables)) > 50_000]
    assert carriers == ([] if export else ["controller1"])
    assert ("ozone_cloud" in listing["all"].get("vars", {})) == bool(export)


def test_one_host_and_a_limit_show_the_cloud(tmp_path: Path) -> None:
    write(tmp_path, fleet(3))
    one = run(tmp_path, "ansible-inventory", "-i", "cloud.yml", "--host", "compute1")
    assert json.loads(one.stdout)["ozone_cloud"]["name"] == "multinode"
    some = run(tmp_path, "ansible-inventory", "-i", "cloud.yml", "--list", "--limit", "compute1")
    assert json.loads(some.stdout)["_meta"]["hostvars"]["compute1"]["ozone_cloud"]["name"] == "multinode"


@pytest.mark.parametrize("export", [[], ["--export"]], ids=["list", "export"])
def test_a_copy_of_the_inventory(tmp_path: Path, export: list[str]) -> None:
    """AWX stores the listing, and a job sees a script that prints it: there is no cloud.yml beside it."""
    data = fleet(3)
    data["overrides"]["nova"]["files"] = {"extra.conf": {"src": "files/extra.conf"}}
    (tmp_path / "here" / "files").mkdir(parents=True)
    (tmp_path / "here" / "files" / "extra.conf").write_text("1\n")
    write(tmp_path / "here", data)
    state = {"OZONE_STATE": str(tmp_path / "state")}
    listed = run(tmp_path, "ansible-inventory", "-i", "here/cloud.yml", "--list", *export, **state)
    job = tmp_path / "job"
    job.mkdir()
    (job / "inventory.json").write_text(listed.stdout)
    (job / "hosts").write_text(f"#!/bin/sh\ncat {job}/inventory.json\n")
    (job / "hosts").chmod(0o755)
    tasks = [
        {"ansible.builtin.assert": {"that": ["ozone_cloud.name == 'multinode'", "ozone_cloud.nodes | length == 3"]}},
        {"ansible.builtin.assert": {"that": ["ozone_overrides.nova.files['extra.conf'].src is file"]}},
        {"ozone.openstack.secrets": {"secrets": {"nova_x": "password"}}, "run_once": True},
        {"ansible.builtin.assert": {"that": ["lookup('ozone.openstack.secret', 'nova_x') | length == 32"]}},
    ]
    write(job, [{"hosts": "all", "gather_facts": False, "tasks": tasks}], "play.yml")
    done = run(job, "ansible-playbook", "-i", "hosts", "play.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok=") == 3
    assert (tmp_path / "state" / "multinode" / "secrets.yml").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["ansible-playbook", "play.yml"],
        ["ansible-inventory", "--graph"],
        ["ansible", "localhost", "-m", "ansible.builtin.debug"],
    ],
)
@pytest.mark.parametrize("environ", [{}, {"ANSIBLE_INVENTORY_ENABLED": "ozone.openstack.cloud,host_list,yaml,ini"}])
def test_a_mistake_stops_ansible(
    tmp_path: Path, standalone: dict[str, Any], command: list[str], environ: dict[str, str]
) -> None:
    """One line for each mistake and exit status 4, also without the clone's ansible.cfg, before any task."""
    standalone["colour"] = "blue"
    standalone["nodes"]["node1"]["profile"] = "all"
    write(tmp_path, standalone)
    write(
        tmp_path,
        [{"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "reached"}}]}],
        "play.yml",
    )
    done = run(tmp_path, *command, "-i", "cloud.yml", **environ)
    assert done.returncode == 4
    assert "reached" not in done.stdout
    errors = [line for line in done.stderr.splitlines() if line.startswith("[ERROR]")]
    assert len(errors) == 2, done.stderr
    assert f"{tmp_path}/cloud.yml:" in errors[0]
    assert "colour: unknown key" in "".join(errors)
    assert "unknown profile all" in "".join(errors)


def test_a_file_without_the_plugin_key_is_refused(tmp_path: Path, standalone: dict[str, Any]) -> None:
    del standalone["plugin"]
    write(tmp_path, standalone)
    done = run(
        tmp_path,
        "ansible-inventory",
        "-i",
        "cloud.yml",
        "--graph",
        ANSIBLE_INVENTORY_ENABLED="ozone.openstack.cloud,yaml",
    )
    assert done.returncode == 4
    assert "the key plugin is missing" in done.stderr


def test_other_files_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {hosts: {x: {}}}\n")
    (tmp_path / "hosts").write_text("y\n")
    done = run(
        tmp_path,
        "ansible-inventory",
        "-i",
        "hosts.yml",
        "-i",
        "hosts",
        "--graph",
        ANSIBLE_INVENTORY_ENABLED="ozone.openstack.cloud,yaml,ini",
    )
    assert done.returncode == 0
    assert "--x" in done.stdout
    assert "--y" in done.stdout


def check_overrides(directory: Path, data: dict[str, Any], *, built: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the action ``override_check`` with a cache in which the image of nova knows two options."""
    write(directory, data)
    task = {"name": "Check", "ozone.openstack.override_check": None}
    write(directory, [{"hosts": "localhost", "gather_facts": False, "tasks": [task]}], "play.yml")
    images = directory / "cache" / "images"
    options = images / "nova"
    options.mkdir(parents=True)
    known = [{"name": "debug", "type": "boolean value"}, {"name": "workers", "type": "integer value", "max": 4}]
    (options / "nova.conf.json").write_text(json.dumps({"options": {"DEFAULT": {"opts": known}}}))
    if built:
        (images / "2026.1.json").write_text(json.dumps({"nova": {"options": str(options)}, "glance": {"options": ""}}))
    return run(directory, "ansible-playbook", "-i", "cloud.yml", "play.yml", OZONE_CACHE=str(directory / "cache"))


def test_overridden_options(tmp_path: Path, standalone: dict[str, Any]) -> None:
    options = {"debgu": True, "workers": 5}
    standalone["overrides"] = {"nova": {"config": {"nova.conf": {"DEFAULT": options}}}}
    done = check_overrides(tmp_path, standalone)
    assert done.returncode == 2
    assert "unknown option in [DEFAULT] (did you mean debug?)" in done.stdout + done.stderr
    assert "5 is too large (at most 4)" in done.stdout + done.stderr


@pytest.mark.parametrize("built", [True, False])
def test_overridden_options_that_are_right_or_cannot_be_checked(
    tmp_path: Path, standalone: dict[str, Any], built: bool
) -> None:
    option = "debug" if built else "debgu"
    standalone["overrides"] = {"nova": {"config": {"nova.conf": {"DEFAULT": {option: True}}}}}
    done = check_overrides(tmp_path, standalone, built=built)
    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout


def test_overridden_options_need_a_cloud(tmp_path: Path) -> None:
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"ozone.openstack.override_check": None}]}]
    write(tmp_path, play, "play.yml")
    done = run(tmp_path, "ansible-playbook", "-i", "localhost,", "play.yml")
    assert done.returncode == 2
    assert "variable ozone_cloud is missing" in done.stdout + done.stderr
