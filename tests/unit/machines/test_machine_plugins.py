# SPDX-License-Identifier: Apache-2.0
"""The lookup, the actions and the filters about machines, as ansible-playbook runs them."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsFile
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import Vault

Playbook = Callable[..., str]

KEY = "ssh-ed25519 AAAA operator"
IMAGE = {"source": "https://198.18.32.9:8089/debian-13-0.raw", "checksum": "0" * 64}
SECRET = "correct horse battery"


def machine(name: str, **more: Any) -> dict[str, Any]:
    """A machine as the inventory has it."""
    return {
        "name": name,
        "managed": True,
        "provisioned": True,
        "image": "debian-13",
        "node": {"driver_info": {"redfish_address": "https://198.18.32.1:8000", "redfish_verify_ca": True}},
        "instance": {"config_drive": {"meta_data": {"name": name}, "network_data": {}}},
        "expected": {},
        **more,
    }


def ask(what: str) -> str:
    """A play that shows what a query returns, passwords but for their length."""
    return f"""
- hosts: node1
  gather_facts: false
  vars:
    found: "{{{{ {what} }}}}"
    lengths: "{{{{ found | map(attribute='node.driver_info.redfish_password', default='') | map('length') }}}}"
  tasks:
    - ansible.builtin.debug:
        msg: "{{{{ found | map(attribute='name') | join(' ') }}}} {{{{ lengths | join(' ') }}}}"
    - ansible.builtin.copy:
        content: "{{{{ found | map(attribute='instance', default={{}}) | to_json }}}}"
        dest: "{{{{ playbook_dir }}}}/instances"
        mode: "0600"
      delegate_to: localhost
"""


GIVE = """
- hosts: node1
  gather_facts: false
  tasks:
    - ozone.openstack.secrets:
        given: {bmc_password: "{{ word }}"}
"""


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, Any]:
    """The variables of a cloud with machines, whose passwords are known."""
    state = tmp_path / "state"
    SecretsFile(state / "secrets.yml", Vault([], state / "vault-password")).give({"bmc_password": SECRET})
    return {
        "ozone_cloud": {"state_dir": str(state), "authorized_keys": [KEY]},
        "ozone_machines": [machine("bm1"), machine("bm2", provisioned=False), machine("bm3", managed=False)],
    }


def test_a_secret_is_given(playbook: Playbook, variables: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "state" / "secrets.yml"
    before = file.read_bytes()
    assert "changed=0" in playbook(GIVE, **variables, word=SECRET)
    said = playbook(GIVE, "--check", "--diff", **variables, word="another one")
    assert "changed=1" in said, said
    assert "bmc_password: (given)" in said
    assert "bmc_password: must be one line of text that is not empty" in playbook(GIVE, **variables, word="")
    assert file.read_bytes() == before
    said = playbook(GIVE, "-vvv", **variables, word="another one")
    assert "changed=1" in said, said
    assert file.read_bytes() != before
    assert file.read_bytes().startswith(b"$ANSIBLE_VAULT")


def test_a_secret_is_asked_for_where_somebody_can_answer(
    playbook: Playbook, variables: dict[str, Any], tmp_path: Path
) -> None:
    """Without a terminal, Ansible takes the word None for the answer."""
    file = tmp_path / "state" / "secrets.yml"
    before = file.read_bytes()
    more = ("-e", json.dumps({**variables, "ozone_secret": "bmc_password"}))
    said = playbook(COLLECTION / "playbooks" / "secret.yml", *more)
    assert "where nobody can be asked: -e @FILE" in said, said
    assert file.read_bytes() == before
    said = playbook(COLLECTION / "playbooks" / "secret.yml", *more, "-e", '{"ozone_secret_value": "another one"}')
    assert "changed=1" in said, said
    assert file.read_bytes() != before


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("query('ozone.openstack.machines')", f"bm1 bm2 {len(SECRET)} {len(SECRET)}"),
        ("query('ozone.openstack.machines', [], 'bm2 , bm1')", f"bm2 bm1 {len(SECRET)} {len(SECRET)}"),
        ("query('ozone.openstack.machines', purpose='provision')", f"bm1 {len(SECRET)}"),
        ("query('ozone.openstack.machines', 'bm1', purpose='rebuild')", f"bm1 {len(SECRET)}"),
        ("query('ozone.openstack.machines', 'bm2', purpose='unprovision')", "bm2 0"),
    ],
)
def test_machines(playbook: Playbook, variables: dict[str, Any], tmp_path: Path, query: str, shown: str) -> None:
    said = playbook(ask(query), **variables, ozone_machine_images={"debian-13": IMAGE})
    assert shown in said, said
    instances = json.loads((tmp_path / "instances").read_text())
    if "'provision'" in query or "'rebuild'" in query:
        assert instances[0]["image"] == IMAGE
        assert instances[0]["config_drive"]["meta_data"] == {"name": "bm1", "public_keys": {"key0": KEY}}
    else:
        assert not any(instances)


@pytest.mark.parametrize(
    ("query", "more", "message"),
    [
        ("'bm9'", {}, "bm9: there is no machine of this exact name in cloud.yml (did you mean bm3?)"),
        ("',', purpose='rebuild'", {}, "name the machines, exactly: -e ozone_nodes=bm1,bm2"),
        ("purpose='provision'", {}, "bm1: there is no golden image debian-13 (there are: none)"),
        (
            "purpose='provision'",
            {"ozone_cloud": {"authorized_keys": []}},
            "nobody could log in to the machines: add `authorized_keys`",
        ),
        ("", {"ozone_cloud": {"state_dir": "other"}}, "bm1: there is no secret bmc_password_bm1, and no bmc_password"),
    ],
)
def test_machines_that_cannot_be_had(
    playbook: Playbook, variables: dict[str, Any], tmp_path: Path, query: str, more: dict[str, Any], message: str
) -> None:
    cloud = {**variables["ozone_cloud"], **more.get("ozone_cloud", {})}
    if cloud["state_dir"] == "other":
        cloud["state_dir"] = str(tmp_path / "other")
    comma = ", " if query else ""
    said = playbook(ask(f"query('ozone.openstack.machines'{comma}{query})"), **{**variables, "ozone_cloud": cloud})
    assert message in said.replace("\n", " "), said


def test_images_that_were_published_and_the_key_of_the_lab(
    playbook: Playbook, variables: dict[str, Any], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    (state / "machine-images.json").write_text(json.dumps({"debian-13": IMAGE}))
    (state / "ssh").mkdir()
    (state / "ssh" / "id_ed25519.pub").write_text("ssh-ed25519 BBBB lab\n")
    said = playbook(ask("query('ozone.openstack.machines', purpose='provision')"), **variables)
    assert "failed=0" in said, said
    (instance,) = json.loads((tmp_path / "instances").read_text())
    assert instance["image"] == IMAGE
    assert instance["config_drive"]["meta_data"]["public_keys"] == {"key0": KEY, "key1": "ssh-ed25519 BBBB lab"}


WAIT = """
- hosts: node1
  gather_facts: false
  tasks:
    - ozone.openstack.machine_wait:
        outcome: "{{ outcome }}"
        contact: "{{ contact | default({}) }}"
        enough: "{{ enough | default(true) }}"
        timeout: 3
"""


def test_a_machine_that_stayed_behind_is_unreachable(playbook: Playbook, variables: dict[str, Any]) -> None:
    outcome = {"status": "failed", "stage": "deploy", "cause": "its disk is full", "remedy": "replace it"}
    said = playbook(WAIT, **variables, outcome=outcome)
    assert "unreachable=1" in said, said
    assert "failed=0" in said
    assert "deploy: its disk is full: replace it" in said
    said = playbook(WAIT, **variables, outcome=outcome, enough=False)
    assert "unreachable=0" in said, said
    assert "failed=1" in said
    contact = {"unreachable": True, "msg": "its cable is not plugged in"}
    said = playbook(WAIT, **variables, outcome={"status": "changed"}, contact=contact, enough=False)
    assert "unreachable=1" in said, said
    assert contact["msg"] in said


def test_a_machine_that_does_not_answer_is_unreachable(playbook: Playbook, variables: dict[str, Any]) -> None:
    variables["ozone_cloud"]["domain"] = "example.test"
    here = {"ansible_host": "198.18.255.254", "ansible_ssh_common_args": "-o Port=9", "outcome": {"status": "changed"}}
    node = {"name": "node1", "addresses": {"provisioning": "198.18.255.254"}}
    said = playbook(WAIT, **variables, **here, ozone_node=node)
    assert "unreachable=1" in said, said
    assert "no login over SSH at 198.18.255.254 within 3 s: nobody answers there (look at the machine's console" in said
    assert "failed=0" in playbook(WAIT, "--check", **variables, **here, ozone_node=node)


@pytest.mark.parametrize(("stages", "kept"), [({}, True), ({"deploying": 3.0, "wait call-back": 40.0}, False)])
def test_only_a_deployment_makes_another_host_key_right(
    playbook: Playbook, variables: dict[str, Any], tmp_path: Path, stages: dict[str, float], kept: bool
) -> None:
    variables["ozone_cloud"]["domain"] = "example.test"
    file = tmp_path / "state" / "ssh" / "known_hosts_machines"
    file.parent.mkdir()
    file.write_text("node1 ssh-ed25519 AAAA\n")
    here = {"ansible_host": "198.18.255.254", "ansible_ssh_common_args": "-o Port=9"}
    node = {"name": "node1", "addresses": {"provisioning": "198.18.255.254"}}
    outcome = {"status": "changed", "summary": ["traits: changed"], "stages": stages}
    said = playbook(WAIT, **variables, **here, ozone_node=node, outcome=outcome)
    assert "unreachable=1" in said, said
    assert ("AAAA" in file.read_text()) is kept


def test_filters(playbook: Playbook, variables: dict[str, Any]) -> None:
    play = """
- hosts: node1
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ ozone_machines | ozone.openstack.machine_bmcs | map(attribute='name') | join(' ') }}"
    - ansible.builtin.debug:
        msg: "{{ ozone_machines | ozone.openstack.machine_shortcomings([], []) | first }}"
    - ansible.builtin.debug:
        msg: "{{ ozone_machines | ozone.openstack.machine_losses(['bm2'], known, ['bm2']) | first }}"
    - ozone.openstack.bmc_info:
        bmcs: "{{ ozone_machines | ozone.openstack.machine_bmcs | map('combine', {'address': 'http://127.0.0.1:9'}) }}"
      delegate_to: localhost
      register: looked
    - ansible.builtin.debug:
        msg: "{{ looked.bmcs | map(attribute='trouble') | first }}"
"""
    for one in variables["ozone_machines"]:
        one["instance"]["preserve"] = []
        one["node"]["automated_clean"] = True
    said = playbook(play, **variables, known=[{"name": "bm2", "provision_state": "active"}])
    assert "bm2: does not say what it runs" in said, said
    assert "bm1 bm2" in said, said
    assert "bm1: Ironic does not know it: enrol it" in said
    assert "does not answer: [Errno 111] Connection refused" in said


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_10.0\r\n", b"220 mail\r\n"])
def test_a_machine_that_runs_without_ironic(
    playbook: Playbook, variables: dict[str, Any], tmp_path: Path, greeting: bytes
) -> None:
    """Only who greets as an SSH server does is one; only machines without a system from Ironic are asked."""
    play = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ozone.openstack.machine_strangers:
        machines: "{{ ozone_machines }}"
        names: [bm1, bm2]
        nodes: [{name: bm2, provision_state: active}]
        port: "{{ port }}"
      register: looked
    - ansible.builtin.debug:
        msg: "{{ looked.strangers }}"
"""

    def greet(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection = server.accept()[0]
            connection.sendall(greeting)
            connection.recv(1)

    for one in variables["ozone_machines"]:
        one["address"] = "127.0.0.1"
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        said = playbook(play, **variables, port=server.getsockname()[1])
    words = "bm1: a system answers over SSH at 127.0.0.1, and Ironic does not know the machine"
    assert (words in said) is greeting.startswith(b"SSH-"), said
    assert "bm2: a system" not in said
