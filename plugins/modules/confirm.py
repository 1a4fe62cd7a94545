# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.confirm``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: confirm
author: Ozone contributors
version_added: 1.0.0
short_description: Stop a verb that destroys unless the operator confirmed it
description:
  - Fails with a list of what the verb would take away - nodes, services, data - unless O(confirmed) is set, there is
    nothing to take away, or the run is in check mode.
attributes:
  check_mode: {description: Can run in check_mode., support: full}
  diff_mode: {description: Will return details on what has changed., support: none}
options:
  verb:
    description: The verb.
    type: str
    required: true
    choices: [scale_down, unprovision, rebuild, deallocate, lab_down]
  cloud: {description: The variable C(ozone_cloud)., type: dict, required: true}
  names: {description: 'V(scale_down): exact names of the nodes that leave.', type: list, elements: str, default: []}
  outcomes:
    description: "V(unprovision), V(rebuild): C(nodes) of P(ozone.openstack.baremetal_fleet#module) in check mode."
    type: list
    elements: dict
    default: []
  machines: {description: The variable C(ozone_machines)., type: list, elements: dict, default: []}
  freed:
    description: "V(deallocate): the nodes by names of P(ozone.openstack.baremetal_allocation#module) in check mode."
    type: dict
    default: {}
  confirmed: {description: The variable C(ozone_confirm)., type: bool, default: false}
"""

EXAMPLES = """
- name: Say what would go, and stop unless it is confirmed
  ozone.openstack.confirm:
    verb: scale_down
    names: [compute2]
"""

RETURN = """
losses:
  description: A line for each thing that is taken away.
  returned: success
  type: list
  elements: str
"""
