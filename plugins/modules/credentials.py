# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.credentials``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: credentials
author: Ozone contributors
version_added: 1.0.0
short_description: Write the clouds.yaml of a cloud
description:
  - Writes C(clouds.yaml) (mode 0600) in the state directory, for the first account of the cloud.
  - The cloud C(ozone) in it uses the public endpoints, C(ozone-internal) the internal ones, where the cloud has
    Keystone.
  - The cloud C(ozone-undercloud) is Ironic, where the cloud has it.
  - Runs on the deployment host, in the process of ansible-playbook; no connection is made.
attributes:
  check_mode: {description: Can run in check_mode and return changed status prediction., support: full}
  diff_mode: {description: The file holds a password and is never shown., support: none}
options: {}
"""

EXAMPLES = """
- name: Write the file
  ozone.openstack.credentials:
"""

RETURN = """
path:
  description: The file.
  returned: success
  type: str
clouds:
  description: Names of the clouds in it.
  returned: success
  type: list
  elements: str
"""
