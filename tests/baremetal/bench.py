# SPDX-License-Identifier: Apache-2.0
"""A cloud of emulated machines with BMCs, an undercloud in a container, and what happens on the wire between them."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import openstack

from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import CA_FILE
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import bridge_device
from ansible_collections.ozone.openstack.plugins.module_utils.pki import AUTHORITY, Pki
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import Vault
from tests.lab.bare_metal import GIB, BareMetal, Disk, Machine, Spec, specs
from tests.lab.capture import Capture
from tests.lab.cloud import ROOT, Cloud, Result

Plain = dict[str, Any]

#: Where this computer stands in the provisioning network, and where the BMCs listen: one port for each.
HOST, FIRST_PORT = "198.18.32.1", 8000
VLAN = 100

#: Images for machines that are virtual and slow. The agent tries a download with a wrong checksum twice, not ten times.
IMAGES: Plain = {
    "ozone_drivers": "virtual",
    "ozone_golden_images": {
        "debian-13": {"packages": [], "kernel_arguments": ["console=ttyS0", "quiet", "mitigations=off"]}
    },
    "ozone_ramdisk_agent": {"image_download_connection_retries": "1", "image_download_connection_retry_interval": "1"},
}

GOOD = ("bm1", "bm2", "bm3")
#: Nobody listens on the port of its BMC; its image is another one than it should be; its cables are not plugged in.
DEAD, SPOILT, MUTE = "bm4", "bm5", "bm6"
ALL = (*GOOD, DEAD, SPOILT, MUTE)


def mac(number: int, nic: int) -> str:
    """The MAC of a NIC of a machine, both counted from 1."""
    return f"02:00:00:20:{number:02x}:{nic:02x}"


def node(number: int, **more: Any) -> Plain:
    """A machine in cloud.yml."""
    return {
        "profile": "machine",
        "managed": True,
        "bmc": {
            "address": f"https://{HOST}:{FIRST_PORT + number}",
            "system": f"/redfish/v1/Systems/00000000-0000-4000-8000-{number:012d}",
            "username": "admin",
            "verify_ca": CA_FILE,
        },
        "nics": {"nic1": mac(number, 1), "nic2": mac(number, 2)},
        **more,
    }


def declare(cloud: Plain) -> None:
    """Put the machines of these tests in the place of those of the example."""
    cloud["nodes"] = {name: entry for name, entry in cloud["nodes"].items() if "bmc" not in entry}
    cloud["profiles"]["machine"]["automated_clean"] = False
    cloud["nodes"] |= {
        # Two disks, one of which must survive everything: deployment, cleaning, rebuild.
        "bm1": node(
            1, root_device={"serial": "bm1-system"}, preserve=[{"serial": "bm1-data"}], automated_clean=True,
            expected={"cpus": 2, "disks": [{"serial": "bm1-data"}]},
        ),
        "bm2": node(2, expected={"cpus": 4}),  # it has two
        "bm3": node(3),
        DEAD: node(4),
        SPOILT: node(5, image="spoilt", root_device={"serial": f"{SPOILT}-system"}),
        MUTE: node(6, root_device={"serial": f"{MUTE}-system"}),
    }  # fmt: skip


def equipped(spec: Spec) -> Spec:
    """A machine with its disks and cables."""
    if spec.name == "bm1":
        return replace(spec, disks=(*spec.disks, Disk("bm1-data", GIB // 4, content=True)))
    return replace(spec, linked=spec.name != MUTE)


@dataclass
class Bench:
    """The cloud, its machines, and what is heard on the provisioning network."""

    cloud: Cloud
    machines: BareMetal
    capture: Capture
    seconds: dict[str, float] = field(default_factory=dict)  # what was measured
    images: Plain = field(default_factory=dict)

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    def run(self, verb: str, *nodes: str, limit: int = 900, **variables: Any) -> Result:
        """Run a verb, for some machines or for all that are meant."""
        extra = {**({"ozone_nodes": list(nodes)} if nodes else {}), **variables}
        if self.images:
            extra.setdefault("ozone_machine_images", self.images)
        return self.cloud.run(verb, "-e", json.dumps(extra), limit=limit)

    def ironic(self) -> Any:
        """Ironic's API, beside Ozone."""
        config = openstack.config.OpenStackConfig(config_files=[str(self.cloud.state / "clouds.yaml")])
        return openstack.connection.Connection(config=config.get_one(cloud="ozone-undercloud")).baremetal

    def lose(self, name: str) -> None:
        """Ironic knows a node no longer, as after the loss of its database. The machine itself goes on."""
        ironic = self.ironic()
        ironic.put(f"/nodes/{name}/maintenance", json={"reason": "lost"}, microversion="1.95").raise_for_status()
        ironic.delete(f"/nodes/{name}", microversion="1.95").raise_for_status()

    def states(self) -> dict[str, Plain]:
        """Every node as Ironic has it, by name."""
        answer = self.ironic().get("/nodes/detail", microversion="1.95", timeout=60)
        return {entry["name"]: entry for entry in answer.json()["nodes"]}

    def state(self, name: str) -> tuple[str, str]:
        """Provision state and power of a node, as Ironic has them."""
        entry = self.states()[name]
        return entry["provision_state"], entry["power_state"]

    def address(self, name: str) -> str:
        """Where SSH reaches a machine."""
        return str(self.variables(name)["ansible_host"])

    def change(self, name: str, **keys: Any) -> None:
        """The original definition, with another machine of this name. None takes a key away."""

        def change(cloud: Plain) -> None:
            entry = {**cloud["nodes"][name], **keys}
            cloud["nodes"][name] = {key: value for key, value in entry.items() if value is not None}

        self.cloud.changed(change)

    def variables(self, name: str) -> Plain:
        """What the inventory says of a host."""
        done = subprocess.run(
            ["ansible-inventory", "-i", str(self.cloud.file), "--host", name], cwd=ROOT, text=True, check=True,
            env=self.cloud.environment(), capture_output=True, timeout=60,
        )  # fmt: skip
        found: Plain = json.loads(done.stdout)
        return found

    def ssh(self, name: str, command: str, *, check: bool = True, limit: int = 60) -> str:
        """Run a command on a machine, as Ansible would reach it."""
        variables = self.variables(name)
        done = subprocess.run(
            ["ssh", "-F", "none", "-i", str(self.cloud.state / "ssh/id_ed25519"), "-o", "BatchMode=yes", "-o",
             "ConnectTimeout=5", *shlex.split(variables.get("ansible_ssh_common_args", "")),
             f"root@{variables['ansible_host']}", command],
            text=True, capture_output=True, timeout=limit, check=False,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"{name}: {command}: {done.stdout}{done.stderr}\n{self[name].console()}"
        return done.stdout

    def boot_id(self, name: str) -> str:
        """Another one after each boot."""
        return self.ssh(name, "cat /proc/sys/kernel/random/boot_id").strip()

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Measure a block."""
        begin = time.monotonic()
        yield
        self.seconds[what] = round(time.monotonic() - begin, 1)
        print(f"\n--- {what}: {self.seconds[what]} s", flush=True)


def say(cloud: Cloud, secret: str, value: str, directory: Path) -> None:
    """Write a secret as an operator does whom nobody can ask."""
    file = directory / "secret.json"
    file.touch(0o600)
    file.write_text(json.dumps({"ozone_secret": secret, "ozone_secret_value": value}), encoding="utf-8")
    assert cloud.run("secret", "-e", f"@{file}").code == 0
    file.unlink()


def start(stack: ExitStack, directory: Path) -> Bench:
    """Lab, images, undercloud, machines."""
    cloud = Cloud(ROOT / "inventory" / "baremetal" / "cloud.yml", directory)
    declare(cloud.original)
    cloud.restore()
    seconds: dict[str, float] = {}
    cloud.down()  # what a run that was killed has left behind
    stack.callback(cloud.down)
    capture = Capture()
    stack.callback(capture.close)
    bridge = bridge_device(cloud.name, "provisioning", "main")
    password = secrets.token_urlsafe(16)
    for verb in ("lab", "secret", "images", "undercloud"):
        begin = time.monotonic()
        if verb == "secret":
            say(cloud, "bmc_password", password, directory)
        else:
            assert cloud.run(verb, "-e", json.dumps(IMAGES)).code == 0, f"{verb} failed"
        seconds[verb] = round(time.monotonic() - begin, 1)
        if verb == "lab":
            capture.add(bridge, promiscuous=True)
    authority = Pki(cloud.state / "pki", Vault([], cloud.state / "vault-password"), cloud.name).read(AUTHORITY)
    machines = BareMetal(
        [equipped(spec) for spec in specs(cloud.original)], bridge, HOST, ("admin", password),
        trusted=cloud.state / "pki" / "ca.pem", authority=authority,
    )  # fmt: skip
    stack.enter_context(machines)
    kept = os.environ.get("OZONE_KEEP_LOGS")
    if kept:
        stack.callback(lambda: machines.keep(Path(kept)))
    machines[DEAD].bmc.fault = "refuses"
    return Bench(cloud, machines, capture, seconds)
