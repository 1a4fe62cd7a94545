# SPDX-License-Identifier: Apache-2.0
"""Module: forget nodes in the cloud's own records."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deregister
short_description: Forget the compute services and network agents of nodes
version_added: 1.0.0
author: Ozone contributors
description:
  - Deletes the compute services, with their resource providers and cell mappings, and the network agents of nodes.
  - The nodes themselves are not needed, so that dead ones can be forgotten. What still runs on a living one has to be
    stopped first, or it registers itself again.
  - Refuses nodes that still have instances, before anything is deleted.
options:
  hosts:
    description: Exact names of the nodes.
    type: list
    elements: str
    required: true
  kinds:
    description: What is forgotten.
    type: list
    elements: str
    choices: [compute, network]
    default: [compute, network]
  cloud:
    description: Name of the cloud in C(clouds.yaml).
    type: str
    default: ozone
  clouds_file:
    description: The C(clouds.yaml) to use.
    type: path
    required: true
attributes:
  check_mode: {support: full, description: Reports what would be deleted.}
  diff_mode: {support: none, description: The result lists what is deleted.}
requirements: [openstacksdk]
"""

EXAMPLES = r"""
- name: Forget a dead compute node
  ozone.openstack.deregister:
    hosts: [compute2]
    clouds_file: /root/.local/state/ozone/multinode/clouds.yaml
  delegate_to: localhost
"""

RETURN = r"""
forgotten:
  description: What was, or in check mode would be, deleted.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.ozone.openstack.plugins.module_utils.deregister import forget, read, refusals

try:
    import openstack
except ImportError:  # pragma: no cover
    openstack = None


def main() -> None:
    """Entry point."""
    arguments: dict[str, Any] = {
        "hosts": {"type": "list", "elements": "str", "required": True},
        "kinds": {
            "type": "list",
            "elements": "str",
            "choices": ["compute", "network"],
            "default": ["compute", "network"],
        },
        "cloud": {"type": "str", "default": "ozone"},
        "clouds_file": {"type": "path", "required": True},
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    if openstack is None:
        module.fail_json(msg=missing_required_lib("openstacksdk"))
    config = openstack.config.OpenStackConfig(config_files=[module.params["clouds_file"]])
    connection = openstack.connection.Connection(config=config.get_one(cloud=module.params["cloud"]))
    records = read(connection, module.params["hosts"], module.params["kinds"])
    refused = refusals(records)
    if refused:
        module.fail_json(msg="; ".join(refused))
    todo = [f"{binary} on {host}" for _, host, binary in [*records.compute_services, *records.network_agents]]
    module.exit_json(
        changed=bool(todo), forgotten=todo if module.check_mode or not todo else forget(connection, records)
    )


if __name__ == "__main__":
    main()
