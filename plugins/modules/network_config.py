# SPDX-License-Identifier: Apache-2.0
"""Module ``ozone.openstack.network_config``: the node's part of a change of its network."""

from __future__ import annotations

DOCUMENTATION = """
module: network_config
author: Ozone contributors
version_added: 1.0.0
short_description: Change the network of a node without ever cutting it off
description:
  - Takes a configuration in the vocabulary of os-net-config, checks all of it, resolves its NICs, and compares it with
    the node. An unchanged configuration causes no command at all.
  - A change is armed on the node with a timer before anything happens. The node applies it by itself, looks whether
    addresses, routes, links, gateways and LACP partners are as they should be, and goes back at once when they are not.
  - It stays only if the deployment host then confirms it over a new connection. Otherwise the node goes back by itself
    at the end of O(window), also when it was rebooted meanwhile, and the task fails with the node's reason.
  - No NIC is ever configured by DHCP, unless O(dhcp_allowed) names it.
  - A missing or dead member of a bond or bridge does not fail the task, but is told in RV(degraded).
attributes:
  check_mode: {description: Can run in check_mode and return changed status prediction., support: full}
  diff_mode: {description: Will return details on what has changed., support: full}
options:
  config:
    description: Objects of os-net-config. It is the whole network of the node; what it lacks is removed if it was ours.
    type: list
    elements: dict
    default: []
  mapping:
    description: What aliases stand for - a MAC, a name, V(pci:0000:00:03.0) or V(driver:ice:0). Wins over V(nicN).
    type: dict
    default: {}
  dhcp_allowed:
    description: Names of interfaces whose C(use_dhcp) is obeyed instead of refused.
    type: list
    elements: str
    default: []
  window:
    description: Seconds after which the node goes back unless the change is confirmed. At least 20.
    type: int
    default: 120
  address:
    description: Where the deployment host must reach the node after the change. By default where it reaches it now.
    type: str
    default: ''
  state:
    description:
      - V(present) makes the change.
      - V(validated) only looks, and fails if the network is not as wanted or does not work.
    type: str
    choices: [present, validated]
    default: present
  wanted:
    description: What the action plugin rendered of O(config) for this node, as JSON. For internal use.
    type: str
    default: ''
  id:
    description: Name of the change. For internal use.
    type: str
    default: ''
  identity:
    description:
      - Which node is meant, as C(module_utils/node_identity.py) describes it. The action plugin gives it.
      - A machine that says of itself that it is another node, or of another cloud, is refused; nothing is changed.
    type: dict
notes:
  - The work on the deployment host is done by the action plugin of the same name; the module alone only begins a
    change, which the node takes back when nobody confirms it.
"""

EXAMPLES = """
- name: A bond with a VLAN
  ozone.openstack.network_config:
    config:
      - type: linux_bond
        name: bond0
        bonding_options: mode=802.3ad miimon=100 lacp_rate=fast
        members:
          - {type: interface, name: nic1, primary: true}
          - {type: interface, name: nic2}
      - type: vlan
        device: bond0
        vlan_id: 100
        addresses:
          - ip_netmask: 198.18.17.10/24
        routes:
          - {default: true, next_hop: 198.18.17.1}

- name: Move the node to another address
  ozone.openstack.network_config:
    config: "{{ network_config }}"
    address: 198.18.18.10
"""

RETURN = """
status:
  description: V(ok), V(degraded), V(pending) or V(reverted).
  returned: always
  type: str
degraded:
  description: What is missing or has no link, a sentence each.
  returned: always
  type: list
  elements: str
resolution:
  description: The kernel's name of each alias and NIC of the configuration; empty for one that is not there.
  returned: always
  type: dict
touched:
  description: Links that the change may make lose a packet.
  returned: always
  type: list
  elements: str
summary:
  description: What changed (in check mode, would change), a line each.
  returned: always
  type: list
  elements: str
reverted:
  description: Whether the node went back to its previous network.
  returned: always
  type: bool
reason:
  description: Why it did.
  returned: always
  type: str
problems:
  description: What O(state=validated) found.
  returned: always
  type: list
  elements: str
seconds:
  description: How long it took.
  returned: always
  type: float
id:
  description: Name of the change; empty when there was none.
  returned: always
  type: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ozone.openstack.plugins.module_utils import node_identity
from ansible_collections.ozone.openstack.plugins.module_utils.network import start, tool
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError
from ansible_collections.ozone.openstack.plugins.module_utils.network.tool import Failure, Host


def main() -> None:
    """Begin a change of this node's network, or look at it."""
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "list", "elements": "dict", "default": []},
            "mapping": {"type": "dict", "default": {}},
            "dhcp_allowed": {"type": "list", "elements": "str", "default": []},
            "window": {"type": "int", "default": 120},
            "address": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["present", "validated"], "default": "present"},
            "wanted": {"type": "str", "default": ""},
            "id": {"type": "str", "default": ""},
            "identity": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    given: dict[str, Any] = module.params
    if not given["wanted"]:
        module.fail_json(msg="network_config has to be called as an action: the action plugin was bypassed")
    os.umask(0o022)
    wanted = module.from_json(given["wanted"])
    stranger = node_identity.stranger(Host(), given["identity"])
    if stranger:
        module.fail_json(msg=stranger)
    try:
        if given["state"] == "validated":
            module.exit_json(changed=False, **start.validate(Host(), wanted))
        if module.check_mode:
            module.exit_json(changed=True)
        module.exit_json(**start.start(Host(), wanted, given["id"], given["window"], node=given["identity"]))
    except (Failure, NetworkError, OSError) as error:
        module.fail_json(msg=str(error) if isinstance(error, NetworkError) else tool.explained(error))


if __name__ == "__main__":
    main()
