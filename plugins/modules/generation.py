# SPDX-License-Identifier: Apache-2.0
"""Module ``ozone.openstack.generation``: one change of one service on one node, as a transaction."""

from __future__ import annotations

DOCUMENTATION = """
module: generation
author: Ozone contributors
version_added: 1.0.0
short_description: Change a service on a node as one transaction
description:
  - Compares the wanted state of a service on a node with the active one, stages it, checks it with the service's own
    tools, switches to it, restarts what differs and nothing else, and waits until it is healthy.
  - Otherwise it switches back, restarts what it had touched, and fails with the last lines of the journal.
  - A change that is interrupted (the module or the connection dies, the node is rebooted) is taken back by the node
    itself. The next run converges.
  - In a playbook the action plugin of the same name renders O(manifest), O(contents) and O(secrets) from the
    declaration of the service, so that only O(service) is to be given.
attributes:
  check_mode: {description: Can run in check_mode and return changed status prediction., support: full}
  diff_mode: {description: Will return details on what has changed, secrets hidden., support: full}
options:
  service:
    description: Name of the service.
    type: str
    required: true
  state:
    description:
      - V(present) activates the wanted generation, and repairs the active one if somebody edited it by hand.
      - V(staged) does everything up to the checks, and activates nothing.
      - V(previous) goes back to the generation that was active before, or to the one named by O(digest).
      - V(absent) stops and removes the service, and brings back the files that were there before it.
      - V(validated) only looks, and fails if the active generation is not healthy, or not what it was made.
      - V(finished) takes away the mark that O(unfinished) made.
      - V(upgraded) does what comes after an upgrade, once all nodes of the service run the new release, such as
        removing the old parts of a database schema. Until it was done, the node remembers that it is due. With
        O(bootstrap=false) it only forgets that.
    type: str
    choices: [present, staged, previous, absent, validated, finished, upgraded]
    default: present
  manifest:
    description:
      - The wanted generation, as C(module_utils/generation/model.py) describes it. It holds no secret.
      - The action plugin renders it from the role's declaration when it is not given.
    type: dict
  contents:
    description: Texts of the files of O(manifest) by their sha256, as a dictionary or, better, as its JSON.
    type: json
    default: '{}'
  digest:
    description:
      - With O(state=present) and O(state=staged), the digest that O(manifest) must have.
      - With O(state=previous), the generation to go back to. With O(state=validated), the one that must be active.
    type: str
    default: ''
  bootstrap:
    description: Whether this node also runs what is done once for the whole cluster, such as database migrations.
    type: bool
    default: false
  upgrade:
    description:
      - With O(state=present) and O(bootstrap=true), the cluster comes from another release, so that the steps of an
        upgrade take the place of those of a first deployment.
      - With O(state=staged), the new release also checks whether the cluster is ready for it. Warnings are shown;
        failures fail.
    type: bool
    default: false
  unfinished:
    description:
      - With O(state=present), leaves a mark on the node that the role has more to do after the change, such as accounts
        in Keystone. Until O(state=finished) takes it away, a run finds that the service differs, and does that again.
    type: bool
    default: false
  keep:
    description: How many generations to keep, with the active one.
    type: int
    default: 3
  purge:
    description: With O(state=absent), whether to remove the directories with the service's data, too.
    type: bool
    default: false
  secrets:
    description: Texts to hide in whatever is returned.
    type: list
    elements: str
    default: []
  identity:
    description:
      - Which node is meant, as C(module_utils/node_identity.py) describes it. The action plugin gives it.
      - A machine that says of itself that it is another node, or of another cloud, is refused; nothing is changed.
    type: dict
  lock_timeout:
    description: How long to wait, in seconds, for another change of this node to end.
    type: int
    default: 120
"""

EXAMPLES = """
- name: Deploy Keystone
  ozone.openstack.generation:
    service: keystone

- name: Go back to what was active before the last change
  ozone.openstack.generation:
    service: keystone
    state: previous
"""

RETURN = """
digest:
  description: Digest of the generation that is active now; empty for none.
  returned: always
  type: str
previous:
  description: Digest of the generation that was active before; empty for none.
  returned: always
  type: str
stage:
  description:
    - Where a change failed (identity, compare, packages, ..., check, switch, commands, units, health); empty otherwise.
  returned: always
  type: str
rolled_back:
  description: Whether a failed change was taken back.
  returned: always
  type: bool
restarted:
  description: Units that were (in check mode, would be) restarted. The same for RV(reloaded), RV(started), RV(stopped).
  returned: always
  type: list
  elements: str
reloaded:
  description: Units that were reloaded.
  returned: always
  type: list
  elements: str
started:
  description: Units that were started because they did not run.
  returned: always
  type: list
  elements: str
stopped:
  description: Units that were stopped because the service does not have them any more.
  returned: always
  type: list
  elements: str
commands:
  description: Names of the commands that were run.
  returned: always
  type: list
  elements: str
bootstrapped:
  description: Names of the commands that were run once for the cluster.
  returned: always
  type: list
  elements: str
packages:
  description: Packages that were installed.
  returned: always
  type: list
  elements: str
files:
  description: Paths of host files that differ, each V(added), V(changed) or V(removed).
  returned: always
  type: dict
problems:
  description: What O(state=validated) found, or what O(state=present) repaired.
  returned: always
  type: list
  elements: str
warnings:
  description: What deserves attention, such as an interrupted change that was taken back first.
  returned: when there is something
  type: list
  elements: str
journal:
  description: The last lines of the journal of those who know why a change failed.
  returned: always
  type: list
  elements: str
removed:
  description: Old generations, or with O(purge) directories, that were removed.
  returned: always
  type: list
  elements: str
seconds:
  description: How long it took.
  returned: always
  type: float
"""

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ozone.openstack.plugins.module_utils.generation.health import Network
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import Host
from ansible_collections.ozone.openstack.plugins.module_utils.generation.transaction import Request, Transaction


def main() -> None:
    """Run the transaction on this node."""
    module = AnsibleModule(
        argument_spec={
            "service": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "choices": ["present", "staged", "previous", "absent", "validated", "finished", "upgraded"],
                "default": "present",
            },
            "manifest": {"type": "dict"},
            "contents": {"type": "json", "default": "{}", "no_log": True},
            "digest": {"type": "str", "default": ""},
            "bootstrap": {"type": "bool", "default": False},
            "upgrade": {"type": "bool", "default": False},
            "unfinished": {"type": "bool", "default": False},
            "keep": {"type": "int", "default": 3, "no_log": False},
            "purge": {"type": "bool", "default": False},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "identity": {"type": "dict"},
            "lock_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    given: dict[str, Any] = module.params
    os.umask(0o022)
    request = Request(
        service=given["service"],
        state=given["state"],
        manifest=given["manifest"],
        contents=json.loads(given["contents"]),
        digest=given["digest"],
        bootstrap=given["bootstrap"],
        upgrade=given["upgrade"],
        unfinished=given["unfinished"],
        keep=given["keep"],
        purge=given["purge"],
        check=module.check_mode,
        diff=module._diff,
        secrets=given["secrets"],
        identity=given["identity"],
        lock_timeout=given["lock_timeout"],
    )
    outcome = Transaction(Host(), Network(), request).run()
    result = outcome.returned(request.secrets)
    if not request.diff:
        del result["diff"]
    for warning in result.pop("warnings"):
        module.warn(warning)
    if result.pop("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
