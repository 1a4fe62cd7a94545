# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.baremetal_fleet_info``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: baremetal_fleet_info
author: Ozone contributors
version_added: 1.0.0
short_description: Say how many bare-metal nodes are
description:
  - Says of each node of Ironic where it is, since when, and what is wrong with it - what failed, what is stuck in a
    state longer than its limit, what is held, in maintenance, or switched off although it is active.
  - It asks Ironic for one list and no BMC. Ironic notices a BMC that is gone only when it needs it;
    M(ozone.openstack.bmc_info) asks the BMCs themselves.
attributes:
  check_mode: {description: Nothing is ever changed., support: full}
  diff_mode: {description: Nothing is ever changed., support: none}
extends_documentation_fragment: [ozone.openstack.ironic]
options:
  names:
    description: Exact names of nodes. Without it, all that Ironic has.
    type: list
    elements: str
  limits:
    description: Seconds by provision state, as those of M(ozone.openstack.baremetal_fleet).
    type: dict
    default: {}
"""

EXAMPLES = """
- name: Look how the machines are
  ozone.openstack.baremetal_fleet_info:
  register: fleet

- name: Refuse when something is wrong
  ansible.builtin.assert:
    that: fleet.problems | length == 0
    fail_msg: "{{ fleet.problems | join('\\n') }}"
"""

RETURN = """
nodes:
  description: Each node by name, with its state, the seconds in it, and what is wrong.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str}
    uuid: {description: Its id., type: str}
    state: {description: 'Its provision state, empty where Ironic has no such node.', type: str}
    power: {description: Its power as Ironic knows it., type: str}
    maintenance: {description: Whether it is in maintenance., type: bool}
    seconds: {description: How long it has been in its state., type: int}
    image: {description: What it runs., type: str}
    ours: {description: Whether it was deployed by M(ozone.openstack.baremetal_fleet)., type: bool}
    problem: {description: 'What is wrong, empty when nothing is.', type: str}
    remedy: {description: What to do., type: str}
    last_error: {description: Ironic's own text., type: str}
problems:
  description: A line for each node that has one.
  returned: always
  type: list
  elements: str
states:
  description: How many nodes are in which state.
  returned: always
  type: dict
"""
