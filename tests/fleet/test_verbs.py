# SPDX-License-Identifier: Apache-2.0
"""The verbs for machines, as an operator runs them: who is told what, and how a run ends."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition, machines
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsFile
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import Vault
from tests.lab.ironic_fake import DRIVER, ROOT, Ironic

PASSWORD = "correct horse battery"
IMAGE = {"source": "https://198.18.32.9:8089/debian-13.raw", "checksum": "0" * 64}


class Verbs:
    """The cloud of inventory/baremetal, whose machines are nodes without hardware."""

    def __init__(self, ironic: Ironic, directory: Path) -> None:
        self.file = directory / "cloud.yml"
        self.state = directory / "state"
        self.data: dict[str, Any] = yaml.safe_load((ROOT / "inventory/baremetal/cloud.yml").read_text())
        self.data["authorized_keys"] = ["ssh-ed25519 AAAA operator"]
        for name in ("bm1", "bm2", "bm3"):
            self.data["nodes"][name]["root_device"] = {"serial": f"disk-of-{name}"}  # what inspection finds
        del self.data["nodes"]["bm3"]["preserve"]
        self.faults: dict[str, Any] = {}
        self.addresses: dict[str, str] = {}
        state = self.state / "baremetal"
        state.mkdir(parents=True)
        SecretsFile(state / "secrets.yml", Vault([], state / "vault-password")).give({"bmc_password": PASSWORD})
        shutil.copy(ironic.clouds_file, state / "clouds.yaml")

    def __call__(self, verb: str, *arguments: str, **variables: Any) -> tuple[int, str]:
        """Exit status, and all that was shown."""
        self.file.write_text(yaml.safe_dump(self.data, sort_keys=False))
        known = machines.machines(definition.load(self.file)[0])
        for machine in known:
            machine["node"] |= {"driver": DRIVER, "interfaces": {}}
            machine["node"]["driver_info"]["faults"] = self.faults.get(machine["name"])
            machine["address"] = self.addresses.get(machine["name"], machine["address"])
        more = {
            "ozone_machines": known, "ozone_machine_images": {"debian-13": IMAGE}, "ozone_wait": 2, **variables,
        }  # fmt: skip
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.file),
             str(ROOT / "playbooks" / f"{verb}.yml"), "-e", json.dumps(more), *arguments],
            env={**os.environ, "OZONE_STATE": str(self.state), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                 "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert PASSWORD not in said
        return done.returncode, said


@pytest.fixture
def verbs(ironic: Ironic, tmp_path: Path) -> Verbs:
    return Verbs(ironic, tmp_path)


def states(ironic: Ironic) -> dict[str, str]:
    """Node -> provision state."""
    return {name: node["provision_state"] for name, node in ironic.nodes().items()}


def test_a_story_of_three_machines(verbs: Verbs, ironic: Ironic) -> None:
    code, said = verbs("enrol", "--diff", "-vvv")
    assert code == 0, said
    assert states(ironic) == dict.fromkeys(("bm1", "bm2", "bm3"), "manageable")
    code, said = verbs("enrol")
    assert code == 0, said
    assert "changed=0" in said

    verbs.faults = {"bm2": {"deploy": {"fail": "the disk is dead"}}}
    code, said = verbs("provision", ozone_success="2")
    assert code == 4, said  # enough of them are there: partial; nobody answers over SSH here
    assert states(ironic) == {"bm1": "active", "bm2": "deploy failed", "bm3": "active"}
    assert "bm2: deploy: Deploy step deploy.deploy failed: the disk is dead." in said
    assert "bm1: no login over SSH at 198.18.32." in said
    code, said = verbs("provision", ozone_nodes="bm2,bm3")
    assert code in (2, 4), said
    assert "failed=1" in said

    code, said = verbs("unprovision", ozone_nodes="bm3", ozone_confirm=True)
    assert code == 2
    assert "bm3: is part of the cloud: take its services away with scale_down.yml" in " ".join(said.split())
    verbs.data["nodes"]["bm3"]["provisioned"] = False
    asked = " ".join(verbs("unprovision", ozone_nodes="bm3")[1].split())
    assert "unprovision wipes bare-metal nodes" in asked
    assert "bm3: " in asked.partition("It would do this:")[2]
    assert states(ironic)["bm3"] == "active"
    code, said = verbs("unprovision", ozone_nodes="bm3", ozone_confirm=True, ozone_dead=True)
    assert code == 0, said
    assert states(ironic)["bm3"] == "available"
    code, said = verbs("unprovision", ozone_nodes="bm3", ozone_confirm=True, ozone_dead=True, ozone_forget=True)
    assert code == 0, said
    assert set(states(ironic)) == {"bm1", "bm2"}


class Greeting(socketserver.BaseRequestHandler):
    """The first word of an SSH server."""

    def handle(self) -> None:
        self.request.sendall(b"SSH-2.0-test\r\n")


def test_what_runs_already_is_refused_or_adopted_and_nothing_else(verbs: Verbs, ironic: Ironic) -> None:
    """Ironic knows none of three machines, and one of them runs."""
    verbs.addresses["bm1"] = "127.0.0.1"
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        for verb in ("provision", "inspect"):
            code, said = verbs(verb, ansible_port=port)
            assert code == 2, said
            assert "bm1: a system answers over SSH at 127.0.0.1" in " ".join(said.split())
            assert states(ironic) == {}, "nothing was begun with any of them"
        code, said = verbs("provision", ansible_port=port, ozone_adopt=True)
        assert code == 4, said  # nobody lets us log in here
        assert states(ironic) == {"bm1": "active"}, "what does not answer has no system"
        assert verbs("inspect", ansible_port=port)[0] == 0
        server.shutdown()
    assert states(ironic) == {"bm1": "active", "bm2": "manageable", "bm3": "manageable"}
