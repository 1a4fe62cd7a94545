# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.baremetal_allocation_info``, which works on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: baremetal_allocation_info
author: Ozone contributors
version_added: 1.0.0
short_description: Tell which names have which bare-metal nodes
description:
  - Returns Ironic's allocations, and how many nodes of each class are free.
attributes:
  check_mode: {description: Changes nothing., support: full}
  diff_mode: {description: There is nothing to differ., support: none}
extends_documentation_fragment: [ozone.openstack.ironic]
"""

EXAMPLES = """
- name: See what is left
  ozone.openstack.baremetal_allocation_info:
  register: found
"""

RETURN = """
allocations:
  description: Allocations in the order of their names.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name., type: str}
    node: {description: Name of the node; null when it has none., type: str}
    state: {description: 'V(allocating), V(active) or V(error).', type: str}
    resource_class: {description: Class that was asked for., type: str}
    traits: {description: Traits that were asked for., type: list, elements: str}
    last_error: {description: Why it failed., type: str}
capacity:
  description: Nodes that are available and nobody has, by class.
  returned: success
  type: dict
  sample: {compute: 12}
"""
