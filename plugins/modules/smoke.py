# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.smoke``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: smoke
author: Ozone contributors
version_added: 1.0.0
short_description: Do what a user does and see an instance answer
description:
  - Uploads a tiny image; makes a flavor, key, network, router, security group and floating address; boots an instance,
    reads its console, checks its metadata, pings it and fetches its page through the floating address.
  - An external network is used if there is one, else made from cloud.yml and removed again.
  - Removes all that it made, also after a failure, and what an earlier run left that was killed. All of it has a name
    that begins with C(ozone-smoke-).
  - Says what it waits for, and every wait has a limit. A failure shows the instance's fault and the end of its console.
  - Runs on the deployment host, in the process of ansible-playbook, with openstacksdk.
attributes:
  check_mode: {description: Does nothing in check mode., support: none}
  diff_mode: {description: There is nothing to compare., support: none}
extends_documentation_fragment: [ozone.openstack.access]
options:
  kernel:
    description: Kernel of the guest, which M(ozone.openstack.guest_image) makes, as are the next two.
    type: path
    required: true
  initrd:
    description: The guest's initial file system.
    type: path
    required: true
  disk:
    description: The guest's disk.
    type: path
    required: true
  computes:
    description:
      - Names of compute nodes. One instance is made on each, and each pings those before it through the tunnel.
      - Without it, one instance is made where the scheduler wants it.
    type: list
    elements: str
    default: []
  cidr:
    description: Subnet of the instances.
    type: str
    default: 198.19.250.0/24
  nic:
    description: Model of the network card. With Open vSwitch in userspace only V(e1000) gets its checksums right.
    type: str
    default: e1000
  physical_network:
    description: Neutron's name of the physical network, if an external network has to be made.
    type: str
    default: physnet1
  timeout:
    description: Seconds for an instance to become active, and again for its guest to boot.
    type: float
    default: 300
  keep:
    description: Whether to keep what was made, to look at it. The next run removes it.
    type: bool
    default: false
"""

EXAMPLES = """
- name: Make the guest
  ozone.openstack.guest_image:
  register: guest

- name: See an instance answer
  ozone.openstack.smoke:
    kernel: "{{ guest.kernel }}"
    initrd: "{{ guest.initrd }}"
    disk: "{{ guest.disk }}"
"""

RETURN = """
steps:
  description: Each step with C(name), C(seconds), C(ok) and C(detail).
  returned: always
  type: list
  elements: dict
seconds:
  description: How long all of it took.
  returned: always
  type: float
summary:
  description: One line for people.
  returned: always
  type: str
"""
