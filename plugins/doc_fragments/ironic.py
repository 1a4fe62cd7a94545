# SPDX-License-Identifier: Apache-2.0
"""Options of the actions that talk to Ironic."""

from __future__ import annotations


class ModuleDocFragment:
    """``ozone.openstack.ironic``."""

    DOCUMENTATION = """
options:
  cloud:
    description: Name of the cloud in O(clouds_file) whose Ironic it is.
    type: str
    default: ozone-undercloud
  clouds_file:
    description:
      - A clouds.yaml. Default is the one in the state directory of the cloud that the inventory describes; without such
        an inventory, the files that openstacksdk knows are searched.
    type: path
"""
