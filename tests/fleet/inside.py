# SPDX-License-Identifier: Apache-2.0
"""Modules in this process: a playbook for each of their many runs would take minutes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from ansible_collections.ozone.openstack.plugins.action import baremetal_allocation, baremetal_fleet, baremetal_node
from tests.fleet.play import Run
from tests.lab.ironic_fake import Ironic

ACTIONS = {
    "baremetal_node": baremetal_node,
    "baremetal_allocation": baremetal_allocation,
    "baremetal_fleet": baremetal_fleet,
}


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


def fleet(there: Ironic, target: str, nodes: Sequence[Mapping[str, Any]], **options: Any) -> Run:
    """``baremetal_fleet``, as ``play.fleet`` does it with a playbook."""
    begin = time.monotonic()
    returned = run(there, "baremetal_fleet", target=target, nodes=list(nodes), **options)
    return Run(returned, time.monotonic() - begin, 0.0, "")
