# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.machine_wait``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: machine_wait
author: Ozone contributors
version_added: 1.0.0
short_description: Wait until a machine that got a system can be used
description:
  - Waits until the node answers at its static address over SSH and lets us log in, within a limit.
  - Learns the host key that answers right after a deployment, into C(ssh/known_hosts_machines) of the state directory.
    Any other key is refused until the next deployment.
  - A node whose deployment failed, or that does not answer in time, is unreachable, so that the run goes on with the
    others and ends as partial.
attributes:
  check_mode: {description: Nothing is waited for., support: full}
  diff_mode: {description: Will return details on what has changed., support: none}
options:
  outcome:
    description: What P(ozone.openstack.baremetal_fleet#module) returned for this node. Empty for none.
    type: dict
    default: {}
  contact:
    description: What an earlier call returned for this node. One that was unreachable is so again, without waiting.
    type: dict
    default: {}
  enough:
    description: Whether enough nodes are there. If not, a node that stayed behind is no unreachable one, but a failure.
    type: bool
    default: true
  timeout:
    description: Seconds to wait. A real server may need ten minutes from its power on to SSH.
    type: int
    default: 600
"""

EXAMPLES = """
- name: Wait for the machines
  ozone.openstack.machine_wait:
    outcome: "{{ fleet.nodes | selectattr('name', 'eq', inventory_hostname) | first }}"
"""

RETURN = """
seconds:
  description: How long it took.
  returned: success
  type: float
"""
