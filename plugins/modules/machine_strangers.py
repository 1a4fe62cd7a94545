# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.machine_strangers``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: machine_strangers
author: Ozone contributors
version_added: 1.0.0
short_description: Find machines that run something which Ironic has not put there
description:
  - A machine that Ironic does not know, or has given no system, should answer to nobody. One whose address answers over
    SSH all the same was installed otherwise, or by an Ironic whose database is lost. To inspect or to provision it
    would end what runs there.
  - Only the greeting of the SSH server is read; nobody logs in.
attributes:
  check_mode: {description: Can run in check_mode., support: full}
  diff_mode: {description: Will return details on what has changed., support: none}
options:
  machines: {description: The variable C(ozone_machines)., type: list, elements: dict, required: true}
  names: {description: Which of them are meant., type: list, elements: str, required: true}
  nodes:
    description: C(nodes) of P(ozone.openstack.baremetal_node_info#module).
    type: list
    elements: dict
    required: true
  port: {description: Where SSH listens., type: int, default: 22}
"""

EXAMPLES = """
- name: Look for systems that Ironic does not know of
  ozone.openstack.machine_strangers:
    machines: "{{ ozone_machines }}"
    names: [bm1, bm2]
    nodes: "{{ known.nodes }}"
  register: looked
"""

RETURN = """
strangers:
  description: A line for each machine that answers.
  returned: success
  type: list
  elements: str
names:
  description: Their names.
  returned: success
  type: list
  elements: str
"""
