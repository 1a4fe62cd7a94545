# SPDX-License-Identifier: Apache-2.0
"""Modules of one node or a few names in this process: a playbook for each of their many runs would take minutes."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from ansible_collections.ozone.openstack.plugins.action import baremetal_allocation, baremetal_node
from tests.lab.ironic_fake import Ironic

ACTIONS = {"baremetal_node": baremetal_node, "baremetal_allocation": baremetal_allocation}


def run(there: Ironic, action: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
    """What the action returns. An error is its ``msg``, as Ansible does it. No secret of a test is shown."""
    module = ACTIONS[action]
    task = module.ActionModule.__new__(module.ActionModule)
    task._task = SimpleNamespace(check_mode=check, diff=True)
    given = {"cloud": there.cloud, "clouds_file": str(there.clouds_file), **options}
    known = {name: given.pop(name, specification.get("default")) for name, specification in module.ARGUMENTS.items()}
    assert not given
    try:
        result = task.work(known, {})
    except task.EXPECTED as error:
        result = {"failed": True, "changed": False, "msg": str(error)}
    assert "hunter" not in json.dumps(result)
    return dict(result)
