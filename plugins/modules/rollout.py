# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.rollout``; the work is in plugins/action/rollout.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Order the changes of all nodes
version_added: 1.0.0
author: Ozone contributors
description:
  - Turns the plans of all nodes of the play into waves. Services follow their start order; a service that serves
    already is changed on a canary first and then in batches; what is done once for a cluster is given to one node.
  - In an upgrade the new release first checks whether the cluster is ready for it, for all services before any changes.
    After the last node of a service comes what must wait for it, such as removing the old parts of a database schema.
options:
  plans:
    description: Name of the variable in which M(ozone.openstack.plan) was registered on each node.
    type: str
    required: true
attributes:
  check_mode: {support: full, description: Nothing is ever changed.}
  diff_mode: {support: none, description: There is nothing to show.}
"""

EXAMPLES = r"""
- name: Order the changes
  ozone.openstack.rollout:
    plans: ozone_plan
  run_once: true
  register: ozone_rollout
"""

RETURN = r"""
waves:
  description: Waves in the order in which they run.
  returned: success
  type: list
  elements: dict
  contains:
    service: {description: Name of the service., type: str}
    action: {description: "C(check), C(deploy), C(upgraded) or C(remove).", type: str}
    hosts: {description: Nodes that change at the same time., type: list, elements: str}
    bootstrap: {description: Node that runs what is done once for the cluster., type: str}
    upgrade: {description: Whether the service comes from another release., type: bool}
    drain: {description: Whether the nodes are taken out of the load balancer., type: bool}
"""
