# SPDX-License-Identifier: Apache-2.0
"""Action: find machines that run something which Ironic has not put there. Runs on the deployment host."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.machines import untouched
from ansible_collections.ozone.openstack.plugins.module_utils.machine_ssh import greets
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import plain

ARGUMENTS: dict[str, Any] = {
    "machines": {"type": "list", "elements": "dict", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "nodes": {"type": "list", "elements": "dict", "required": True},
    "port": {"type": "int", "default": 22},
}

#: Machines that are asked at the same time.
PARALLEL = 64


class ActionModule(LocalAction):
    """``ozone.openstack.machine_strangers``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Ask all of them at once; within seven seconds for each 64."""
        found = untouched(*(plain(options[key]) for key in ("machines", "names", "nodes")))
        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = list(pool.map(lambda one: greets(one[1], port=options["port"]), found))
        there = [one for one, answer in zip(found, answers, strict=True) if answer]
        lines = [
            f"{name}: a system answers over SSH at {address}, and {said}: it may be a node that runs"
            for name, address, said in there
        ]
        return {"changed": False, "strangers": lines, "names": [name for name, _, _ in there]}
