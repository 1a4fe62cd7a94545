# SPDX-License-Identifier: Apache-2.0
"""Lookup of a cloud's secrets."""

from __future__ import annotations

DOCUMENTATION = """
name: secret
author: Ozone contributors
version_added: 1.0.0
short_description: A secret of the cloud
description:
  - Returns secrets that the action P(ozone.openstack.secrets#module) generated once, by their names.
  - The values are registered, so that the collection's own actions mask them in diffs.
options:
  _terms:
    description: Names of secrets, such as C(keystone_database_password). Not with O(vault).
    type: list
    elements: str
  vault:
    description:
      - A value that C(ansible-vault) has encrypted, to be returned in clear.
      - The passwords are those that Ansible was given, and the one of the cloud's state directory.
    type: str
  source:
    description:
      - V(file) is the encrypted file C(secrets.yml) in the state directory of the cloud.
      - V(hashi_vault) is a KV version 2 document of HashiCorp Vault or OpenBao; its keys are the names of the secrets.
        It is read with the collection C(community.hashi_vault); log in with that collection's variables or environment.
    type: str
    choices: [file, hashi_vault]
    default: file
    vars: [{name: ozone_secrets_source}]
  url:
    description:
      - Address of the server, with O(source=hashi_vault).
      - Without it the settings of C(community.hashi_vault) count.
    type: str
    vars: [{name: ozone_secrets_url}]
  mount:
    description: Mount point of the KV version 2 engine, with O(source=hashi_vault).
    type: str
    default: secret
    vars: [{name: ozone_secrets_mount}]
  path:
    description:
      - Path of the document below O(mount), with O(source=hashi_vault).
      - Default is C(ozone/) and the cloud's name.
    type: str
    vars: [{name: ozone_secrets_path}]
notes:
  - The variable C(ozone_cloud) of the inventory plugin P(ozone.openstack.cloud#inventory) tells the state directory.
"""

EXAMPLES = """
- name: Use a secret in a template
  ansible.builtin.template:
    src: keystone.conf.j2
    dest: /etc/keystone/keystone.conf
    mode: "0640"
  vars:
    password: "{{ lookup('ozone.openstack.secret', 'keystone_database_password') }}"
"""

RETURN = """
_raw:
  description: One value for each name. A text, or a mapping of texts for a key repository.
  type: list
  elements: raw
"""

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.ozone.openstack.plugins.module_utils.secrets import Secret, SecretsError, use
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import decrypt, read_secrets


class LookupModule(LookupBase):  # type: ignore[misc]  # the base class has no types
    """``lookup('ozone.openstack.secret', name...)``."""

    def run(self, terms: Sequence[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Secret]:
        """The values of the secrets that ``terms`` names."""
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        if vault := self.get_option("vault"):
            try:
                value = decrypt(self._loader, self._templar, variables, str(vault))
            except SecretsError as error:
                raise AnsibleLookupError(str(error)) from None
            use(value)
            return [value]
        try:
            values, where = read_secrets(self._loader, self._templar, variables, self.get_options())
        except SecretsError as error:
            raise AnsibleLookupError(str(error)) from None
        missing = [str(name) for name in terms if str(name) not in values]
        if missing:
            raise AnsibleLookupError(
                f"{where} has no secret {', '.join(missing)}: run the action ozone.openstack.secrets first "
                "(ozone.openstack.deploy does), and name the secret in `secrets:` of its service's meta/service.yml; "
                f"one of your own is written with: make secret ARGS='-e ozone_secret={missing[0]}'"
            )
        found = [values[str(name)] for name in terms]
        for value in found:
            use(value)
        return found
