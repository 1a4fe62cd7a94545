# SPDX-License-Identifier: Apache-2.0
"""The action that writes the record, with real runs of the verb: what is new, check mode, a checkout that is a copy."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition, record
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

ROOT = Path(__file__).resolve().parents[3]


class Checkout:
    """A directory with the cloud.yml of an example."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "checkout"
        self.directory.mkdir()
        self.file = self.directory / "cloud.yml"
        self.record = self.directory / "cloud.addresses.yml"
        self.state = directory / "state"
        self.data: dict[str, Any] = yaml.safe_load((COLLECTION / "inventory/multinode/cloud.yml").read_text())
        self.write()

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump(self.data, sort_keys=False))

    def run(self, *arguments: str, verb: str = "addresses", inventory: Path | None = None) -> tuple[int, str]:
        done = subprocess.run(
            ["ansible-playbook", "-i", str(inventory or self.file), f"ozone.openstack.{verb}", *arguments],
            cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1",
                 "OZONE_STATE": str(self.state)},
        )  # fmt: skip
        return done.returncode, done.stdout

    def read(self) -> dict[str, dict[str, str]]:
        made: dict[str, dict[str, str]] = yaml.safe_load(self.record.read_text())
        return made

    def hosts(self, inventory: Path) -> dict[str, str]:
        done = subprocess.run(
            ["ansible-inventory", "-i", str(inventory), "--list"], cwd=ROOT, text=True, capture_output=True,
            timeout=120, check=True, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        )  # fmt: skip
        hosts = json.loads(done.stdout)["_meta"]["hostvars"]
        return {name: found["ansible_host"] for name, found in hosts.items()}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_what_is_new_is_recorded_once(checkout: Checkout) -> None:
    os.chown(checkout.file, 12345, 12345)
    code, output = checkout.run("--check")
    assert code == 0, output
    assert not checkout.record.exists()
    assert "address compute1 internal 198.18.9.47 would be recorded" in output
    code, output = checkout.run()
    assert code == 0, output
    assert "address compute1 internal 198.18.9.47 is recorded" in output
    first = checkout.record.stat()
    assert (first.st_uid, first.st_gid) == (12345, 12345), "the owner of the checkout can go on"
    before = checkout.read()
    assert before["compute1"]["internal"] == "198.18.9.47"
    code, output = checkout.run()
    assert code == 0
    assert "is recorded" not in output
    assert checkout.record.stat().st_mtime_ns == first.st_mtime_ns
    for network in checkout.data["networks"].values():
        if "pool" in network["subnets"]["main"]:
            network["subnets"]["main"]["pool"][1] = network["subnets"]["main"]["pool"][1].replace(".99", ".199")
    checkout.data["nodes"]["compute3"] = {"profile": "compute"}
    del checkout.data["nodes"]["compute2"]
    checkout.write()
    code, output = checkout.run()
    assert code == 0
    assert "address compute3 management" in output
    assert "compute2 is not in cloud.yml, and 198.18.10.48, 198.18.8.48, 198.18.9.48 stays reserved for it" in output
    assert {name: found for name, found in checkout.read().items() if name != "compute3"} == before


@pytest.mark.parametrize("variable", ["awx_job_id=7", "tower_job_id=7", "ozone_addresses_writable=false"])
def test_a_copy_of_a_checkout_works_with_a_complete_record(checkout: Checkout, variable: str) -> None:
    code, output = checkout.run("-e", variable)
    assert code != 0
    assert not checkout.record.exists()
    text = " ".join(output.split())
    assert f"{checkout.record} lacks controller1 management 198.18.8.73" in text
    assert "what is written in this job is lost" in text
    assert "Run `make addresses` (ansible-playbook -i cloud.yml ozone.openstack.addresses)" in text
    if variable.startswith("awx"):
        made, _known = definition.load(checkout.file)
        checkout.record.write_text(record.text(record.merged({}, made.additions), "cloud.yml"))
        before = checkout.record.read_text()
        code, output = checkout.run("-e", variable)
        assert code == 0, output
        assert checkout.record.read_text() == before


def test_a_file_that_cannot_be_written_is_told_with_the_remedy(checkout: Checkout) -> None:
    checkout.record.symlink_to("/proc/addresses.yml")  # root may write anything else
    code, output = checkout.run()
    assert code != 0
    text = " ".join(output.split())
    assert "cannot be written here: " in text
    assert "where the checkout can be written, and commit the file" in text


def test_a_directory_as_the_inventory(checkout: Checkout) -> None:
    """The record beside the definition is no inventory of its own."""
    assert checkout.run()[0] == 0
    assert checkout.hosts(checkout.directory) == checkout.hosts(checkout.file) != {}
    other = {**checkout.data, "name": "other"}
    for number, network in enumerate(other["networks"].values()):
        network["subnets"] = {"main": {"cidr": f"198.18.{100 + number}.0/24", "host": f"198.18.{100 + number}.1",
                                       "pool": [f"198.18.{100 + number}.10", f"198.18.{100 + number}.99"]}}  # fmt: skip
    second = checkout.directory / "second.yml"
    second.write_text(yaml.safe_dump(other, sort_keys=False))
    before = checkout.record.read_text()
    assert checkout.run(inventory=second)[0] == 0
    assert (checkout.directory / "second.addresses.yml").exists(), "each cloud of a directory has its own"
    assert checkout.record.read_text() == before


def test_a_definition_that_changes_meanwhile_is_noticed(checkout: Checkout) -> None:
    """The addresses of a run are those of its inventory: what is written is what it uses."""
    code, output = checkout.run("-e", json.dumps({"ozone_cloud": self_made(checkout)}))
    assert code != 0
    assert "was changed while this run began: start it again" in " ".join(output.split())
    assert not checkout.record.exists()


def self_made(checkout: Checkout) -> dict[str, Any]:
    """The variable of an inventory that was read before compute9 was removed."""
    return {
        "file": str(checkout.file),
        "state_dir": str(checkout.state / "multinode"),
        "nodes": [{"name": "compute9", "addresses": {"management": "198.18.8.55"}}],
        "address_record": {
            "file": str(checkout.record),
            "additions": [{"node": "compute9", "network": "management", "address": "198.18.8.55", "before": ""}],
            "left": {},
        },
    }
