#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Module: one node of a lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_node
short_description: Make, start, power-cycle or remove a lab node
version_added: 0.1.0
description:
  - A lab node is a machine of systemd-nspawn on this computer, with systemd, network cards in the bridges that
    M(ozone.openstack.lab_network) made, and an SSH server that accepts the key of the cloud.
  - Its files are kept in the cache, C($OZONE_CACHE/lab/<cloud>/<node>/), so that it can be rebooted and power-cycled.
    The console is C(console.log) there.
author:
  - Ozone contributors (@ozone)
attributes:
  check_mode:
    support: full
    description: Nothing is made, started or removed.
  diff_mode:
    support: full
    description: Shows what the node is made from.
options:
  cloud:
    description: The cloud, as the inventory plugin gives it in C(ozone_cloud).
    type: dict
    required: true
  node:
    description: The node, as the inventory plugin gives it in C(ozone_node).
    type: dict
    required: true
  root:
    description: The root file system, as M(ozone.openstack.lab_root) returns it. Required to make a node.
    type: path
  state:
    description:
      - V(present) makes the node, starts it and waits until it can be used.
      - V(stopped) shuts it down in an orderly way.
      - V(killed) takes its power away. V(restarted) does so and starts it again.
      - V(absent) removes it with all its data.
    type: str
    choices: [present, stopped, killed, restarted, absent]
    default: present
  timeout:
    description: Seconds until a node that was started has to answer over SSH, or one that is stopped has to be off.
    type: int
    default: 60
  kvm:
    description: Let the node use C(/dev/kvm). Not every virtual computer that has it can use it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Make this node
  ozone.openstack.lab_node:
    cloud: "{{ ozone_cloud }}"
    node: "{{ ozone_node }}"
    root: "{{ root.path }}"
  delegate_to: localhost

- name: Pull the plug
  ozone.openstack.lab_node:
    cloud: "{{ ozone_cloud }}"
    node: "{{ ozone_node }}"
    state: killed
  delegate_to: localhost
"""

RETURN = r"""
address:
  description: The address that SSH uses.
  type: str
  returned: always
changes:
  description: What was done.
  type: list
  elements: str
  returned: always
console:
  description: The log of the node's console.
  type: path
  returned: always
seconds:
  description: How long it took.
  type: float
  returned: always
"""

import os
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ozone.openstack.plugins.module_utils.lab import lab
from ansible_collections.ozone.openstack.plugins.module_utils.lab.host import check_host
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError, plan_node
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir, state_dir


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "cloud": {"type": "dict", "required": True},
            "node": {"type": "dict", "required": True},
            "root": {"type": "path"},
            "state": {
                "type": "str",
                "choices": ["present", "stopped", "killed", "restarted", "absent"],
                "default": "present",
            },
            "timeout": {"type": "int", "default": 60},
            "kvm": {"type": "bool", "default": False},
        },
        required_if=[("state", "present", ["root"])],
        supports_check_mode=True,
    )
    params = module.params
    cloud = params["cloud"]
    started = time.monotonic()
    try:
        check_host()
        node = plan_node(cloud, params["node"])
        here = lab.Lab(
            cloud=node.cloud,
            cache=cache_dir(os.environ),
            state=Path(cloud.get("state_dir") or state_dir(node.cloud, os.environ)),
            check=module.check_mode,
        )
        machine = lab.Machine(here, node, timeout=params["timeout"], kvm=params["kvm"])
        before = machine.record()
        if params["state"] == "present":
            changes = machine.present(Path(params["root"]))
        else:
            changes = getattr(machine, params["state"])()
    except (LabError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=f"{error}" if not isinstance(error, KeyError) else f"cloud or node has no {error}")
    module.exit_json(
        changed=bool(changes),
        changes=changes,
        address=node.management,
        console=str(machine.directory / "console.log"),
        seconds=round(time.monotonic() - started, 1),
        diff={
            "before": before,
            "after": "" if params["state"] == "absent" else node.to_json(),
            "before_header": f"{node.name} (lab)",
            "after_header": f"{node.name} (cloud definition)",
        },
    )


if __name__ == "__main__":
    main()
