# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.address_record``; the work is in plugins/action/address_record.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: address_record
short_description: Record the addresses of new nodes
version_added: 1.0.0
author: Ozone contributors
description:
  - Writes addresses that cloud.yml does not give and that were never recorded into the file beside it
    (C(cloud.addresses.yml) for C(cloud.yml)), so that they never change. It belongs into version control.
  - Where something is to be recorded and the file cannot be written, or would be lost with a job's copy of the
    checkout, it fails and says what to do. A complete record needs no writing.
  - Fails when cloud.yml or its record was changed after the inventory was read.
options:
  state:
    description: V(planned) only says what would be recorded, as check mode does.
    type: str
    choices: [recorded, planned]
    default: recorded
  writable:
    description:
      - Whether what is written into the checkout is kept. By default not in a job of AWX or Ansible Automation
        Platform, which works on a copy.
      - The variable C(ozone_addresses_writable) stands for it.
    type: bool
attributes:
  check_mode: {support: full, description: Nothing is written.}
  diff_mode: {support: none, description: RV(lines) says what is new.}
"""

EXAMPLES = r"""
- name: Record the addresses of new nodes
  ozone.openstack.address_record:
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
lines:
  description: What was (or would be) recorded, and which nodes have left, one sentence each.
  returned: success
  type: list
  elements: str
"""
