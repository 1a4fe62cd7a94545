# SPDX-License-Identifier: Apache-2.0
"""Module ``ozone.openstack.network_info``: what a node's network is, in one look."""

from __future__ import annotations

DOCUMENTATION = """
module: network_info
author: Ozone contributors
version_added: 1.0.0
short_description: Look at the network of a node
description:
  - Reads NICs, links, addresses and routes, the files and Open vSwitch rows of M(ozone.openstack.network_config), and
    everything on the node that may ask for an address by DHCP. Changes nothing.
attributes:
  check_mode: {description: Can run in check_mode., support: full}
  diff_mode: {description: Will return details on what has changed., support: none}
options:
  identity:
    description:
      - Which node is meant, as C(module_utils/node_identity.py) describes it. The action plugin gives it.
      - A machine that says of itself that it is another node, or of another cloud, is told in RV(stranger).
    type: dict
"""

EXAMPLES = """
- name: Look at the network
  ozone.openstack.network_info:
  register: network

- name: Show the number of each NIC
  ansible.builtin.debug:
    msg: "{{ network.numbers | map(attribute='name') }}"
"""

RETURN = """
stranger:
  description: Why the machine is not the node that is meant; empty when it is.
  returned: always
  type: str
status:
  description:
    - V(ok), or V(degraded) when it works without something, V(pending) while a change waits for its confirmation or
      could not be taken back, V(reverted) when the last change was taken back, V(none) when there never was one.
  returned: always
  type: str
reason:
  description: Why the last change was taken back, or is to be; empty otherwise.
  returned: always
  type: str
degraded:
  description: What is missing or has no link, a sentence each.
  returned: always
  type: list
  elements: str
pending:
  description: Id of the change that waits for its confirmation; empty otherwise.
  returned: always
  type: str
left:
  description: Seconds until that change is taken back.
  returned: always
  type: float
reverted:
  description: The change that was taken back last - its V(id), V(reason), V(seconds) it took, V(time) and V(problems).
  returned: always
  type: dict
digest:
  description: Digest of the configuration that was confirmed last; empty for none.
  returned: always
  type: str
nics:
  description: The NICs with permanent MAC, PCI address, driver, link and speed.
  returned: always
  type: list
  elements: dict
numbers:
  description: Which NIC each V(nicN) is, and stays.
  returned: always
  type: list
  elements: dict
sources:
  description: What may ask for an address by DHCP or believe an advertised one, and what neutralises it.
  returned: always
  type: list
  elements: dict
observed:
  description: All that was seen, as C(module_utils/network/model.py) describes it.
  returned: always
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ozone.openstack.plugins.module_utils import node_identity
from ansible_collections.ozone.openstack.plugins.module_utils.network import tool
from ansible_collections.ozone.openstack.plugins.module_utils.network.probe import probe
from ansible_collections.ozone.openstack.plugins.module_utils.network.tool import Failure, Host


def look(host: Host) -> dict[str, Any]:
    """The whole answer."""
    observed = probe(host)
    told = tool.story(host)
    return {
        **{name: told[name] for name in ("status", "reason", "degraded", "left", "reverted", "digest")},
        **{name: observed[name] for name in ("pending", "nics", "numbers", "sources")},
        "observed": observed,
    }


def main() -> None:
    """Look at this node."""
    module = AnsibleModule(argument_spec={"identity": {"type": "dict"}}, supports_check_mode=True)
    try:
        stranger = node_identity.stranger(Host(), module.params["identity"])
        found = look(Host())
    except (Failure, OSError) as error:
        module.fail_json(msg=tool.explained(error))
    module.exit_json(changed=False, stranger=stranger, **found)


if __name__ == "__main__":
    main()
