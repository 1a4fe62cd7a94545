# SPDX-License-Identifier: Apache-2.0
"""Action: wait for a machine that got a system, and learn its host key. Runs on the deployment host."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.machine_ssh import Answer, Contact, ContactError, wait
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import cloud_of, state_dir_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import plain

ARGUMENTS: dict[str, Any] = {
    "outcome": {"type": "dict", "default": {}},
    "contact": {"type": "dict", "default": {}},
    "enough": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 600},
}

#: States of Ironic that a machine goes through when it is deployed, or rebuilt, and at no other time.
DEPLOYMENT = frozenset({"deploying", "wait call-back"})

#: Options of SSH that count before all others: a connection of its own, and nobody is asked anything.
OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ControlPath=none")


def run(command: Sequence[str], seconds: float) -> Answer:
    """Run a command."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return Answer(255, "", f"no answer within {seconds:.0f} s")
    return Answer(done.returncode, done.stdout, done.stderr)


class ActionModule(LocalAction):
    """``ozone.openstack.machine_wait``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS
    EXPECTED = (ContactError, SecretsError, OSError)

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """A machine that was not deployed, or does not answer, is unreachable: the run goes on with the others."""
        outcome, contact = plain(options["outcome"]), plain(options["contact"])
        if contact.get("unreachable"):
            return {"changed": False, "unreachable": True, "msg": contact["msg"]}
        if outcome.get("status") in ("failed", "skipped"):
            words = [outcome.get("stage"), outcome.get("cause"), outcome.get("remedy")]
            msg = ": ".join(str(word) for word in words if word)
            return {"changed": False, "unreachable" if options["enough"] else "failed": True, "msg": msg}
        if self._task.check_mode:
            return {"changed": False, "seconds": 0.0}
        deployed = not DEPLOYMENT.isdisjoint(outcome.get("stages") or {})
        found = wait(self._contact(variables), deployed, float(options["timeout"]), run)
        if found.trouble:
            remedy = "look at the machine's console, and at its NICs and cables"
            return {"changed": found.learned, "unreachable": True, "msg": f"{found.trouble} ({remedy})"}
        return {"changed": found.learned, "seconds": found.seconds}

    def _contact(self, variables: Mapping[str, Any]) -> Contact:
        """How the node is reached, by the same variables as Ansible's own connection."""
        cloud = cloud_of(self._templar, variables)
        node = plain(self._templar.template(variables["ozone_node"]))
        address = self._value(variables, "ansible_host")
        key = self._value(variables, "ansible_ssh_private_key_file")
        target = f"{self._value(variables, 'ansible_user') or 'root'}@{address}"
        more = shlex.split(self._value(variables, "ansible_ssh_common_args"))
        return Contact(
            name=node["name"],
            address=address,
            names=(node["name"], f"{node['name']}.{cloud['domain']}", *node["addresses"].values()),
            known_hosts=state_dir_of(self._templar, variables) / "ssh" / "known_hosts_machines",
            login=("ssh", *OPTIONS, *(("-i", key) if key else ()), *more, target),
        )

    def _value(self, variables: Mapping[str, Any], name: str) -> str:
        return str(self._templar.template(variables[name])) if name in variables else ""
