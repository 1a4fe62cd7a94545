# SPDX-License-Identifier: Apache-2.0
"""Action: the smoke test of a cloud, from the deployment host; see the module's documentation."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.ozone.openstack.plugins.module_utils import secrets, smoke
from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import url
from ansible_collections.ozone.openstack.plugins.module_utils.sdk import SdkError, connect
from ansible_collections.ozone.openstack.plugins.plugin_utils.access import ARGUMENTS as ACCESS
from ansible_collections.ozone.openstack.plugins.plugin_utils.access import CloudAccess
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import plain

ARGUMENTS: dict[str, Any] = {
    **ACCESS,
    "kernel": {"type": "path", "required": True},
    "initrd": {"type": "path", "required": True},
    "disk": {"type": "path", "required": True},
    "computes": {"type": "list", "elements": "str", "default": []},
    "cidr": {"type": "str", "default": "198.19.250.0/24"},
    "nic": {"type": "str", "default": "e1000"},
    "physical_network": {"type": "str", "default": "physnet1"},
    "timeout": {"type": "float", "default": 300},
    "keep": {"type": "bool", "default": False},
}


def ping(address: str) -> bool:
    """One ping, two seconds at most."""
    command = ["ping", "-n", "-c", "1", "-W", "2", address]
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def fetch(address: str, port: int = 80) -> str:
    """The page at a port, without any proxy; empty when there is none within five seconds."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with contextlib.suppress(OSError), opener.open(url("http", address, port, "/"), timeout=5) as answer:
        return str(answer.read(65536).decode(errors="replace"))
    return ""


def public_key() -> str:
    """A new SSH key's public half; nobody keeps the private one, as nobody logs in."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def external_of(cloud: Mapping[str, Any], physical_network: str) -> smoke.External | None:
    """The provider network that cloud.yml describes: the first subnet with floating addresses."""
    network = cloud["networks"].get(cloud["traffic"].get("external"), {})
    for subnet in network.get("subnets", {}).values():
        if subnet.get("floating") and subnet.get("gateway"):
            first, last = subnet["floating"]
            vlan = network.get("vlan")
            return smoke.External(subnet["cidr"], subnet["gateway"], (first, last), physical_network, vlan)
    return None


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.smoke``."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run it; ``changed`` is false, as nothing stays."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = plain(self.validate_argument_spec(argument_spec=ARGUMENTS)[1])
        if self._task.check_mode:
            return {**result, "changed": False, "skipped": True, "msg": "smoke makes an instance: not in check mode"}
        if shutil.which("ping") is None:  # better now than after the instance has booted
            raise AnsibleActionFail("the deployment host has no ping: install iputils-ping")
        here = CloudAccess(self, task_vars or {})
        display = Display()
        try:
            access = here.access(options, "public")
            external = external_of(here.cloud(), options["physical_network"]) if not options["auth"] else None
            with contextlib.closing(connect(access)) as cloud:
                run = smoke.Smoke(
                    cloud,
                    smoke.Options(
                        run=f"{socket.gethostname()}-{os.getpid()}",
                        kernel=options["kernel"],
                        initrd=options["initrd"],
                        disk=options["disk"],
                        public_key=public_key(),
                        external=external,
                        computes=tuple(options["computes"]),
                        cidr=options["cidr"],
                        nic=options["nic"],
                        active_timeout=options["timeout"],
                        guest_timeout=options["timeout"],
                        keep=options["keep"],
                    ),
                    smoke.Tools(ping, fetch, time.sleep, time.monotonic, display.display),
                )
                report = run.run()
        except (SdkError, secrets.SecretsError, OSError) as error:
            raise AnsibleActionFail(secrets.mask(str(error))) from None
        line = smoke.summary(report)
        display.display(line, color="green" if report.ok else "red")
        result.update(
            changed=False,
            failed=not report.ok,
            steps=report.steps,
            seconds=report.seconds,
            summary=line,
            msg=line if report.ok else secrets.mask(report.problem),
        )
        return result
