# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.network_rollout``; the work is in plugins/action/network_rollout.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network_rollout
short_description: Order the nodes whose networks are to change
version_added: 1.0.0
author: Ozone contributors
description:
  - Takes what M(ozone.openstack.network_config) said of each node in check mode, and orders the nodes that differ,
    which are those that have a C(summary).
  - First a canary of each profile, then batches. Never two members of a service with a quorum at the same time.
  - A node that did not answer is left out. One whose configuration was refused stops the run before any change.
options:
  results:
    description: Name of the variable in which the result of each node is registered.
    type: str
    required: true
  batches:
    description: Sizes of the batches, as numbers of nodes or as shares of all that change. The last one stays.
    type: list
    elements: str
    default: [10%]
attributes:
  check_mode: {support: full, description: Nothing is ever changed.}
  diff_mode: {support: none, description: Nothing is ever changed.}
"""

EXAMPLES = r"""
- name: Order the changes
  ozone.openstack.network_rollout:
    results: network_result
    batches: [1, 10%, 25%]
  run_once: true
  register: ozone_rollout
"""

RETURN = r"""
waves:
  description: Nodes that change at the same time, in this order.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: "C(canary), or which batch of how many.", type: str}
    hosts: {description: Names of the nodes., type: list, elements: str}
"""
