#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Module: the networks of a lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_network
short_description: Make or remove the networks of a lab
version_added: 0.1.0
description:
  - Makes one Linux bridge on this computer for each subnet of each network of a cloud, with the address that the cloud
    definition gives to the lab's host, and the SSH key that nodes will accept.
  - Refuses, before it makes anything, networks that overlap an address or a route of this computer or another lab.
  - O(state=absent) removes the whole lab of the cloud, its nodes included, also what an interrupted run left behind.
author:
  - Ozone contributors (@ozone)
attributes:
  check_mode:
    support: full
    description: Nothing is made or removed.
options:
  cloud:
    description: The cloud, as the inventory plugin gives it in C(ozone_cloud).
    type: dict
    required: true
  state:
    description: Whether the lab's networks shall be there.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Make the networks
  ozone.openstack.lab_network:
    cloud: "{{ ozone_cloud }}"

- name: Remove the lab
  ozone.openstack.lab_network:
    cloud: "{{ ozone_cloud }}"
    state: absent
"""

RETURN = r"""
changes:
  description: What was made or removed.
  type: list
  elements: str
  returned: always
bridges:
  description: Bridge of each network and site.
  type: list
  elements: dict
  returned: when present
"""

import os
from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ozone.openstack.plugins.module_utils.lab import lab
from ansible_collections.ozone.openstack.plugins.module_utils.lab.host import check_host
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError, bridges
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir, state_dir


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "cloud": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    cloud = module.params["cloud"]
    try:
        check_host()
        here = lab.Lab(
            cloud=str(cloud["name"]),
            cache=cache_dir(os.environ),
            state=Path(cloud.get("state_dir") or state_dir(cloud["name"], os.environ)),
            check=module.check_mode,
        )
        if module.params["state"] == "absent":
            try:
                names = [bridge.device for bridge in bridges(cloud)]
            except LabError:  # a definition that became wrong is no reason to keep a lab
                names = []
            changes = here.remove(names)
            module.exit_json(changed=bool(changes), changes=changes)
        wanted = bridges(cloud)
        changes = here.networks(wanted)
        for warning in here.warnings:
            module.warn(warning)
    except (LabError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=f"{error}" if not isinstance(error, KeyError) else f"cloud has no {error}")
    module.exit_json(changed=bool(changes), changes=changes, bridges=[asdict(bridge) for bridge in wanted])


if __name__ == "__main__":
    main()
