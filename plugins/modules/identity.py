# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.identity``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: identity
author: Ozone contributors
version_added: 1.0.0
short_description: Reconcile everything that a cloud has in Keystone
description:
  - Makes domains, projects, roles, users with their role assignments, services and endpoints what one document says, in
    one pass over one session.
  - Without a document (O(region) to O(endpoints) are all left out) it is made from the cloud's own definition - the
    user, the services and the endpoints of each service in it, and its secrets.
  - What it makes is marked with the attribute C(managed_by), and is removed when it is no longer wanted.
  - Passwords cannot be read. Each user's is tried, and set again when Keystone refuses it.
  - Runs on the deployment host, in the process of ansible-playbook, with openstacksdk; no password leaves it but to
    Keystone.
attributes:
  check_mode: {description: Can run in check_mode and return changed status prediction., support: full}
  diff_mode: {description: 'Shows what differs, without passwords.', support: full}
extends_documentation_fragment: [ozone.openstack.access]
options:
  region:
    description: The region, in which all endpoints are.
    type: str
  domains:
    description: Domains besides C(Default).
    type: list
    elements: dict
    suboptions:
      name: {description: Name., type: str, required: true}
      description: {description: For people., type: str}
  projects:
    description: Projects.
    type: list
    elements: dict
    suboptions:
      name: {description: Name., type: str, required: true}
      domain: {description: Name of its domain. Default is C(Default)., type: str}
      description: {description: For people. Kept as it is when left out., type: str}
  roles:
    description: Roles that exist.
    type: list
    elements: str
  users:
    description: Users.
    type: list
    elements: dict
    suboptions:
      name: {description: Name., type: str, required: true}
      password: {description: Password., type: str, required: true}
      project: {description: 'Default project, in the same domain.', type: str}
      roles: {description: Roles in that project., type: list, elements: str}
      domain: {description: Name of the domain. Default is C(Default)., type: str}
      description: {description: For people. Kept as it is when left out., type: str}
  services:
    description: Services of the catalogue.
    type: list
    elements: dict
    suboptions:
      name: {description: Name., type: str, required: true}
      type: {description: 'Type, which clients look for.', type: str, required: true}
      description: {description: For people., type: str}
  endpoints:
    description: Endpoints of the services, in O(region).
    type: list
    elements: dict
    suboptions:
      service: {description: Name of the service., type: str, required: true}
      interface: {description: 'V(public), V(internal) or V(admin).', type: str, required: true}
      url: {description: URL., type: str, required: true}
  owner:
    description: Value of the mark. Default is C(ozone/) and the cloud's name, or C(ozone) when there is a document.
    type: str
  prune:
    description: Whether marked users, roles of marked users, services and endpoints of O(region) are removed when they
      are not wanted.
    type: bool
    default: true
  wait:
    description: Seconds to wait for Keystone to answer.
    type: float
    default: 60
"""

EXAMPLES = """
- name: Make what the cloud's services need
  ozone.openstack.identity:

- name: Show what would change
  ozone.openstack.identity:
  check_mode: true
  diff: true
"""

RETURN = """
actions:
  description: What was (in check mode, would be) changed, in order.
  returned: success
  type: list
  elements: str
  sample: [create service nova, create endpoint nova internal]
"""
