# SPDX-License-Identifier: Apache-2.0
"""Module ``ozone.openstack.generation_info``: what a node is and what it runs, in one look."""

from __future__ import annotations

DOCUMENTATION = """
module: generation_info
author: Ozone contributors
version_added: 1.0.0
short_description: Look which generations are active on a node
description:
  - Reads the manifests of the active generations, compares the files with them, and asks systemd once for the state of
    all their units. Changes nothing.
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
- name: Look what the node runs
  ozone.openstack.generation_info:
  register: node
"""

RETURN = """
os:
  description: V(id), V(version_id) and V(pretty_name) of os-release.
  returned: always
  type: dict
identity:
  description: Which node of which cloud the machine says that it is; empty for one that was never changed.
  returned: always
  type: dict
stranger:
  description: Why the machine is not the node that is meant; empty when it is.
  returned: always
  type: str
hostname:
  description: The node's own name.
  returned: always
  type: str
kernel:
  description: Release of the running kernel.
  returned: always
  type: str
architecture:
  description: Machine architecture.
  returned: always
  type: str
time:
  description: The node's clock, in seconds since 1970.
  returned: always
  type: int
free_bytes:
  description: Free space where generations are stored.
  returned: always
  type: int
services:
  description: The services that have a generation on the node, by name.
  returned: always
  type: dict
  contains:
    digest: {description: Digest of the active generation; empty for none., type: str, returned: always}
    previous: {description: Digest of the generation that state=previous would go back to., type: str, returned: always}
    cluster: {description: Digest of what concerns the whole cluster., type: str, returned: always}
    release: {description: Release of the images., type: str, returned: always}
    components: {description: Components of the service on this node., type: list, elements: str, returned: always}
    upgrading: {description: Whether something that follows an upgrade is due., type: bool, returned: always}
    pending: {description: Whether a change is under way or was interrupted., type: bool, returned: always}
    reverted: {description: The change that was taken back last., type: dict, returned: when there was one}
    units: {description: Active state of each unit., type: dict, returned: always}
    healthy: {description: Whether all units are active and nothing is pending., type: bool, returned: always}
    images: {description: Image id of each container., type: dict, returned: always}
    drift: {description: Files that were edited by hand., type: list, elements: str, returned: always}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ozone.openstack.plugins.module_utils import node_identity
from ansible_collections.ozone.openstack.plugins.module_utils.generation.probe import probe
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import Host


def main() -> None:
    """Look at this node."""
    module = AnsibleModule(argument_spec={"identity": {"type": "dict"}}, supports_check_mode=True)
    host = Host()
    module.exit_json(
        changed=False,
        identity=node_identity.found(host) or {},
        stranger=node_identity.stranger(host, module.params["identity"]),
        **probe(host),
    )


if __name__ == "__main__":
    main()
