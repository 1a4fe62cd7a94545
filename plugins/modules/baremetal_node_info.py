# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.baremetal_node_info``, which works on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: baremetal_node_info
author: Ozone contributors
version_added: 1.0.0
short_description: Tell what Ironic has of bare-metal nodes
description:
  - Returns nodes with their ports and port groups, and on request what inspection found in them.
  - Secrets are masked.
attributes:
  check_mode: {description: Changes nothing., support: full}
  diff_mode: {description: There is nothing to differ., support: none}
extends_documentation_fragment: [ozone.openstack.ironic]
options:
  names:
    description: Names or ids of nodes. Default is all nodes. One that does not exist is left out.
    type: list
    elements: str
  inventory:
    description: Whether to return the hardware that inspection found, too. It costs a request for each node.
    type: bool
    default: false
"""

EXAMPLES = """
- name: Look at a node and its hardware
  ozone.openstack.baremetal_node_info:
    names: [compute1]
    inventory: true
  register: found
"""

RETURN = """
nodes:
  description:
    - Nodes in the order of their names, with the fields of Ironic's API and lists C(ports) and C(portgroups).
    - C(inventory) is there when it was asked for; null for a node that was never inspected.
  returned: success
  type: list
  elements: dict
"""
