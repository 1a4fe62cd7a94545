# SPDX-License-Identifier: Apache-2.0
"""Module: whether BMCs answer, seen from a node."""

from __future__ import annotations

DOCUMENTATION = """
module: bmc_info
author: Ozone contributors
version_added: 1.0.0
short_description: Tell whether BMCs answer
description:
  - Asks the Redfish service of each BMC for its root, from the node that the task runs on. No login is needed for that.
  - All are asked at once; one that does not answer delays no other.
attributes:
  check_mode: {description: Changes nothing., support: full}
  diff_mode: {description: There is nothing to differ., support: none}
options:
  bmcs:
    description: The BMCs.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name of the machine., type: str, required: true}
      address: {description: "URL of the BMC, such as C(https://198.51.100.7)", type: str, required: true}
      verify_ca:
        description: Whether its certificate is checked, or a file of the node with the CA.
        type: raw
        default: true
  timeout: {description: Seconds that one of them may take., type: int, default: 10}
"""

EXAMPLES = """
- name: Look at the BMCs
  ozone.openstack.bmc_info:
    bmcs: [{name: bm1, address: "https://198.51.100.7"}]
"""

RETURN = """
bmcs:
  description: C(name), C(trouble) (empty when it answers) and C(seconds) of each.
  returned: success
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ozone.openstack.plugins.module_utils.bmc import look_at_all

BMC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "verify_ca": {"type": "raw", "default": True},
}


def main() -> None:
    """Look."""
    module = AnsibleModule(
        argument_spec={
            "bmcs": {"type": "list", "elements": "dict", "required": True, "options": BMC},
            "timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, bmcs=look_at_all(module.params["bmcs"], module.params["timeout"]))


if __name__ == "__main__":
    main()
