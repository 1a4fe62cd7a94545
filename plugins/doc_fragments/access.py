# SPDX-License-Identifier: Apache-2.0
"""Options of the actions that talk to a cloud's APIs."""

from __future__ import annotations


class ModuleDocFragment:
    """``ozone.openstack.access``."""

    DOCUMENTATION = """
options:
  cloud:
    description: Name of the cloud in O(clouds_file).
    type: str
  clouds_file:
    description: A clouds.yaml. Without it, the files that openstacksdk knows are searched.
    type: path
  auth:
    description:
      - C(auth_url), C(username), C(password), C(project_name), C(user_domain_name) and C(project_domain_name), as in
        C(auth) of a clouds.yaml. Use it instead of O(cloud).
    type: dict
  ca_cert:
    description: File with the authority that issued the certificates of the APIs.
    type: path
"""
