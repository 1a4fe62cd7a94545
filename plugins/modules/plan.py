# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.plan``; the work is in plugins/action/plan.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Compare a node with what cloud.yml wants on it
version_added: 1.0.0
author: Ozone contributors
description:
  - Compares the generations that are wanted on the node, as M(ozone.openstack.generation_digests) says, with the active
    ones, which are read from the node in one probe, and says which services differ and why. Nothing is changed.
  - The node's operating system is checked as well.
options:
  desired:
    description: The node's entry in C(nodes) of M(ozone.openstack.generation_digests).
    type: dict
    required: true
  only:
    description: Services to look at. Empty means all of the node, and those that it has but should no longer have.
    type: list
    elements: str
    default: []
  upgrade:
    description:
      - Whether the run is an upgrade. Otherwise a node that runs another release than cloud.yml says is refused.
      - What OpenStack does not support is refused always, such as an earlier release, or skipping one; C(upgrade_from)
        in the release.yml of a release says from where it can be reached.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Nothing is ever changed.}
  diff_mode: {support: none, description: Use M(ozone.openstack.generation) in check mode for a diff.}
"""

EXAMPLES = r"""
- name: Render what cloud.yml wants on the nodes
  ozone.openstack.generation_digests:
  run_once: true
  register: ozone_desired

- name: Compare the node with cloud.yml
  ozone.openstack.plan:
    desired: "{{ ozone_desired.nodes[inventory_hostname] }}"
  register: ozone_plan
"""

RETURN = r"""
plan:
  description: One entry for each service, in start order.
  returned: success
  type: list
  elements: dict
  contains:
    service: {description: Name of the service., type: str}
    action: {description: "C(unchanged), C(new), C(change), C(restart) or C(remove).", type: str}
    reason: {description: Why., type: str}
    digest: {description: Digest of the wanted generation., type: str}
    cluster: {description: Digest of what concerns the service as a whole., type: str}
    applied_cluster: {description: The same of the active generation., type: str}
    running: {description: Release that the node runs; empty for a service without an image., type: str}
    release: {description: Release that it comes to., type: str}
    after: {description: Whether something is due when all nodes of the service run the release., type: bool}
todo:
  description: Services that differ.
  returned: success
  type: list
  elements: str
"""
