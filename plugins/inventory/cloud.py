# SPDX-License-Identifier: Apache-2.0
"""The inventory plugin: reads a cloud's definition with module_utils/cloud, and tells Ansible."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cloud
short_description: Groups and variables of a cloud that one file defines
version_added: 1.0.0
author: Ozone contributors
description:
  - Reads the definition of a cloud (C(cloud.yml)), checks it, and makes groups and variables of it.
  - The result is a pure function of the file, of the record of addresses beside it (C(cloud.addresses.yml) for
    C(cloud.yml)) and of the service roles. No node is asked for anything, and nothing is written.
  - A definition with mistakes stops Ansible with exit status 4, whatever C(any_unparsed_is_failed) says, and every
    mistake is shown with its file, line and key. Otherwise a playbook could run with an inventory without nodes.
notes:
  - Groups are C(<service>), C(<service>_<component>), C(profile_<profile>) and C(site_<site>).
  - The group C(all) has the variable C(ozone_cloud). Each node has C(ozone_node), C(ozone_overrides) and
    C(ozone_services) of its own.
  - C(ansible-inventory --list) without C(--export) repeats the variables of C(all) at each host. There only the first
    host carries the value of C(ozone_cloud), and all others refer to it by a template.
  - The keys of the file are in C(docs/reference/cloud.md).
requirements:
  - jsonschema
options:
  plugin:
    description: The name of this plugin.
    required: true
    choices: [ozone.openstack.cloud]
"""

EXAMPLES = r"""
# inventory/standalone/cloud.yml, shortened
plugin: ozone.openstack.cloud
name: standalone
release: "2026.1"
domain: standalone.ozone.test
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ansible import context
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition, inventory, record, references
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import CloudError

#: The names of files that are read without a look at their content.
FILE_NAMES = ("cloud.yml", "cloud.yaml")
#: The exit status of Ansible for AnsibleParserError.
EXIT_STATUS = 4


def plain(value: Any) -> Any:
    """A copy of data whose texts Ansible takes as they are.

    Texts with a template's marks stay untrusted: nothing in a definition is ever evaluated. All others are trusted, as
    they mean the same either way: ansible-inventory would show each of them as unsafe.
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and not any(mark in value for mark in ("{{", "{%", "{#")):
        return trust_as_template(value)
    return value


def host_variable(name: str, value: Any) -> Any:
    """``plain``; in variables of roles with a look-up for each secret, which is done where the role uses it."""
    if name.startswith("ozone_"):
        return plain(value)
    if references.is_reference(value):
        return trust_as_template(references.template(value))
    if isinstance(value, dict):
        return {key: host_variable(name, item) for key, item in value.items()}
    if isinstance(value, list):
        return [host_variable(name, item) for item in value]
    return plain(value)


class Stop(SystemExit):
    """Ends Ansible.

    A normal exception would not: Ansible takes it as a reason to try the next inventory plugin, and the one for YAML
    reads any mapping as an inventory without nodes.
    """


class InventoryModule(BaseInventoryPlugin):
    """Thin: all that is worth testing is in module_utils/cloud."""

    NAME = "ozone.openstack.cloud"

    def verify_file(self, path: str) -> bool:
        """Whether a file is a definition, by its name, else by its ``plugin`` key; or the record of one.

        In a directory that is given as the inventory, a record is not to be taken for an inventory by another plugin.
        """
        if not super().verify_file(path) or not path.endswith((".yml", ".yaml")):
            return False
        if record.is_record(Path(path)):
            return True
        if os.path.basename(path) in FILE_NAMES:
            return True
        try:
            with open(path, encoding="utf-8") as file:
                return any(line.split("#")[0].split() == ["plugin:", self.NAME] for line in file)
        except (OSError, UnicodeDecodeError):
            return False

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill ``inventory`` from the file ``path``."""
        super().parse(inventory, loader, path, cache)
        if record.is_record(Path(path)):
            return  # read with the definition that it belongs to
        try:
            self.fill(Path(path))
        except AnsibleParserError as error:
            self.stop(str(error).splitlines())

    def fill(self, path: Path) -> None:
        """Read, check and hand over. Raises AnsibleParserError, one line per mistake."""
        try:
            cloud, catalogue = definition.load(path)
            built = inventory.build_inventory(cloud, catalogue, os.environ)
        except CloudError as error:
            raise AnsibleParserError("\n".join(str(problem) for problem in error.problems)) from None
        except ImportError as error:
            raise AnsibleParserError(
                f"{path}: a Python library is missing: {error.name} (install requirements.txt)"
            ) from None
        references: dict[str, str] = {}
        if inventory.prints_group_variables_at_hosts(context.CLIARGS):
            built, references = inventory.carried_by_one_host(built)
        target = self.inventory
        for name, template in references.items():
            target.set_variable("all", name, trust_as_template(template))
        for name, value in built.variables.items():
            target.set_variable("all", name, plain(value))
        for host, variables in built.hosts.items():
            target.add_host(host)
            for name, value in variables.items():
                target.set_variable(host, name, host_variable(name, value))
        for group, hosts in built.groups.items():
            target.add_group(group)
            for host in hosts:
                target.add_child(group, host)

    def stop(self, lines: Sequence[str]) -> NoReturn:
        """Show each mistake in a line of its own, and end Ansible."""
        for line in lines:
            self.display.error(line, wrap_text=False)
        raise Stop(EXIT_STATUS)
