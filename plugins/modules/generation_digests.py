# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.generation_digests``; the work is in its action plugin."""

from __future__ import annotations

DOCUMENTATION = r"""
module: generation_digests
short_description: Digests of what cloud.yml wants on the nodes of the play
version_added: 1.0.0
author: Ozone contributors
description:
  - Renders the generations of all services of all nodes of the play on the deployment host, and returns their digests
    for M(ozone.openstack.plan). No node is asked for anything.
  - Use it with C(run_once). A node whose services cannot be rendered has an error instead; the others have digests.
options:
  only:
    description: Services to render. Empty means all.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full, description: Nothing is ever changed.}
  diff_mode: {support: none, description: There is nothing to show.}
"""

EXAMPLES = r"""
- name: Render what cloud.yml wants on the nodes
  ozone.openstack.generation_digests:
  run_once: true
  register: ozone_desired
"""

RETURN = r"""
nodes:
  description: What is wanted on each node of the play.
  returned: success
  type: dict
  contains:
    services: {description: Services that are rendered for the node., type: list, elements: str}
    generations:
      description: "C(digest), C(cluster), C(release) and C(after) of each service, in start order."
      type: dict
    error: {description: Why the node's services cannot be rendered., type: str}
"""
