# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.baremetal_allocation``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: baremetal_allocation
author: Ozone contributors
version_added: 1.0.0
short_description: Give names bare-metal nodes that fit
description:
  - Chooses a node of Ironic for each name, by class, traits, candidates and site, and has Ironic record that.
  - All names are looked at together, so that none takes the only node that another one could have. The same names and
    nodes lead to the same choice. A name that has a node keeps it.
  - If there are not enough nodes, nothing is changed, and it is told which names lack one and why the nodes at hand do
    not fit. If others take a node at the same time, there is another plan.
attributes:
  check_mode: {description: Shows who would get which node., support: full}
  diff_mode: {description: Shows who has which node before and after., support: full}
extends_documentation_fragment: [ozone.openstack.ironic]
options:
  allocations:
    description: The names. With O(state=absent) only C(name) counts.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name., type: str, required: true}
      resource_class: {description: Class of the node. Needed unless O(state=absent)., type: str}
      traits: {description: What the node must be capable of., type: list, elements: str}
      candidates: {description: Names or ids of the only nodes to choose from., type: list, elements: str}
      site: {description: Conductor group of the node., type: str}
  state:
    description: Whether the names have nodes. They only lose them when these run nothing.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description: Seconds that Ironic has to decide on all allocations of one plan.
    type: float
    default: 60
"""

EXAMPLES = """
- name: Choose nodes
  ozone.openstack.baremetal_allocation:
    allocations:
      - {name: compute1, resource_class: compute}
      - {name: gpu1, resource_class: compute, traits: [CUSTOM_GPU], site: east}
  register: chosen

- name: Give one back
  ozone.openstack.baremetal_allocation:
    allocations: [{name: gpu1}]
    state: absent
"""

RETURN = """
nodes:
  description: Name of the node that each name has (in check mode, would have).
  returned: success
  type: dict
  sample: {compute1: rack1-u7, gpu1: rack2-u1}
summary:
  description: What was (in check mode, would be) changed.
  returned: success
  type: list
  elements: str
lines:
  description: Who has (in check mode, would have) which node, and what is left of each class, for a person to read.
  returned: with O(state=present)
  type: list
  elements: str
  sample: ["compute1: rack1-u7 (new)", "left: compute: 12"]
capacity:
  description: Nodes that nobody has after this, by class. Empty with O(state=absent).
  returned: success
  type: dict
  sample: {compute: 12}
"""
