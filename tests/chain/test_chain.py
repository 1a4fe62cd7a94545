# SPDX-License-Identifier: Apache-2.0
"""The whole chain: a machine without a system becomes a compute node of a running cloud, runs an instance, and leaves.

The cloud is that of inventory/standalone, with Ironic on its node, and a network for the tunnels between its node,
which is a container, and the machine. The machine gets its system, its bond and its services by the verbs of an
operator, and its container images from a registry. Everything on the machine is emulated, the instance on it twice.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ozone.openstack.plugins.module_utils import pki
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import CA_FILE
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import bridge_device
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import Vault
from tests.baremetal.bench import say
from tests.chain import registry
from tests.lab.bare_metal import GIB, BareMetal, Disk, specs
from tests.lab.cloud import ROOT, Cloud, Result

HOST, NAME = "198.18.0.1", "compute1"
MACS = {f"nic{nic}": f"02:00:00:00:01:{nic:02x}" for nic in (1, 2, 3)}
REGISTRY = f"{HOST}:5000"
#: See Spec.cx16.
KERNEL = "console=ttyS0 quiet mitigations=off clearcpuid=cx16"
IMAGES = {
    "ozone_drivers": "virtual",
    "ozone_golden_images": {"compute": {"kernel_arguments": KERNEL.split()}},
}
BONDED = [
    {
        "type": "linux_bond",
        "name": "bond0",
        "bonding_options": {"mode": "active-backup", "miimon": 100},
        "members": [{"type": "interface", "name": "nic1", "primary": True}, {"type": "interface", "name": "nic2"}],
        "network": "control",
    },
    {"type": "interface", "name": "nic3", "network": "tunnel"},
]


def declare(cloud: dict[str, Any]) -> None:
    """The standalone cloud with Ironic, and a machine that is to be a compute node."""
    cloud |= {"name": "chain", "domain": "chain.ozone.test", "network_configs": {"bonded": BONDED}}
    cloud["networks"]["tunnel"] = {
        "subnets": {"main": {"cidr": "198.18.1.0/24", "pool": ["198.18.1.10", "198.18.1.99"]}}
    }
    cloud["traffic"] |= {"tunnel": "tunnel", "provisioning": "control"}
    cloud["profiles"]["all_in_one"]["services"].append("ironic")
    cloud["profiles"]["compute"] = {
        "networks": ["control", "tunnel"],
        "network_config": "bonded",
        "image": "compute",
        "services": ["node", {"ovn": ["chassis"]}, {"neutron": ["agent"]}, "libvirt", {"nova": ["compute"]}],
        # It has a kernel of its own, and with that the kernel's Open vSwitch.
        "overrides": {"ovn": {"variables": {"ovn_datapath": "system", "ovn_tunnel_bridge": ""}}},
    }
    cloud["overrides"]["ovn"]["variables"]["ovn_tunnel_bridge"] = "br-tunnel"
    cloud["overrides"]["ironic"] = {
        "variables": {"ironic_virtual_media_clients": [HOST], "ironic_kernel_parameters": KERNEL}
    }
    cloud["nodes"][NAME] = {
        "profile": "compute",
        "managed": True,
        "bmc": {
            "address": f"https://{HOST}:8001",
            "system": "/redfish/v1/Systems/00000000-0000-4000-8000-000000000001",
            "username": "admin",
            "verify_ca": CA_FILE,
        },
        "nics": MACS,
    }


class Chain(Cloud):
    """The cloud, and how long its verbs took."""

    def __init__(self, directory: Path) -> None:
        source = yaml.safe_load((ROOT / "inventory" / "standalone" / "cloud.yml").read_text(encoding="utf-8"))
        declare(source)
        (directory / "source.yml").write_text(yaml.safe_dump(source), encoding="utf-8")
        super().__init__(directory / "source.yml", directory)
        self.seconds: dict[str, float] = {}

    def must(self, verb: str, *, limit: int = 1800, **variables: Any) -> Result:
        """Run a verb that has to succeed."""
        result = self.run(verb, "-e", json.dumps(variables), limit=limit)
        self.seconds[verb] = round(self.seconds.get(verb, 0) + result.seconds, 1)
        assert result.code == 0, f"{verb} failed"
        return result

    def authority(self) -> pki.Pair:
        """The cloud's own."""
        return pki.Pki(self.state / "pki", Vault([], self.state / "vault-password"), self.name).read(pki.AUTHORITY)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """The cloud, in a lab."""
    cloud = Chain(tmp_path)
    cloud.down()  # what a run that was killed has left behind
    yield cloud
    print(json.dumps(cloud.seconds, indent=1))
    cloud.restore()
    cloud.down()


def test_a_machine_without_a_system_becomes_a_compute_node(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = secrets.token_urlsafe(16)
    chain.must("lab")
    say(chain, "bmc_password", password, tmp_path)
    chain.must("images", **IMAGES)
    chain.must("undercloud", **IMAGES)  # all of the node: the cloud runs
    authority = chain.authority()
    with ExitStack() as stack:
        pair = pki.issue(authority, pki.Wanted("registry", ip=(HOST,)), datetime.now(UTC))
        registry.start(stack, tmp_path, REGISTRY, pair.certificate, pair.key)
        pushed = cache_dir(os.environ) / "images" / "pushed.json"
        if pushed.exists():
            stack.callback(pushed.write_bytes, pushed.read_bytes())
        else:
            stack.callback(pushed.unlink, missing_ok=True)
        with monkeypatch.context() as trusting:
            trusting.setenv("SSL_CERT_FILE", str(chain.state / "pki" / "ca.pem"))
            chain.must("images", ozone_images_push=f"{REGISTRY}/ozone", **IMAGES)
        (spec,) = specs(chain.original)
        tunnel = bridge_device(chain.name, "tunnel", "main")
        spec = replace(
            spec, disks=(Disk(f"{NAME}-system", 16 * GIB),), memory_mb=3072, elsewhere={MACS["nic3"]: tunnel}, cx16=True
        )
        control = bridge_device(chain.name, "control", "main")
        trusted = chain.state / "pki" / "ca.pem"
        with BareMetal([spec], control, HOST, ("admin", password), trusted=trusted, authority=authority) as machines:
            try:
                becomes_a_compute(chain)
                leaves_again(chain)
            except AssertionError:
                print(machines[NAME].console())
                raise
            assert not machines[NAME].power(), "what has left is off"


def becomes_a_compute(chain: Chain) -> None:
    """From no system to an instance that reaches one on another node."""
    chain.must("provision")
    assert chain.must("network").statuses(NAME) == {"unchanged"}, "it has come with the network of the role"
    chain.must("deploy", limit=3600)
    chain.must("validate")
    chain.must("smoke", limit=2400, ozone_smoke_timeout=1200)  # on two nodes, if there are two
    assert chain.must("deploy").statuses() == {"unchanged"}


def leaves_again(chain: Chain) -> None:
    """From a compute node to a machine without a system, and the cloud goes on without it."""
    chain.must("scale_down", ozone_nodes=[NAME], ozone_confirm=True)
    chain.changed(lambda cloud: cloud["nodes"][NAME].update(provisioned=False))
    assert chain.must("deploy").statuses() == {"unchanged"}
    chain.must("unprovision", ozone_nodes=[NAME], ozone_confirm=True)
    chain.must("smoke")
