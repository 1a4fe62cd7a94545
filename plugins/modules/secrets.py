# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.secrets``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: secrets
author: Ozone contributors
version_added: 1.0.0
short_description: Generate the secrets of a cloud that are missing
description:
  - Keeps the secrets of a cloud in one file, C(secrets.yml) in the state directory, encrypted with ansible-vault.
  - Generates those that are missing. Never changes or removes one that is there unless it is given, and never shows a
    value.
  - The vault password is the one that ansible was given (C(--vault-password-file), C(--vault-id),
    C(ANSIBLE_VAULT_PASSWORD_FILE)), else the one in C(vault-password) in the state directory, which is generated.
  - Runs on the deployment host, in the process of ansible-playbook; no connection is made.
attributes:
  check_mode: {description: Can run in check_mode and return changed status prediction., support: full}
  diff_mode: {description: Shows the names of the secrets that are generated., support: full}
options:
  secrets:
    description:
      - Name of each secret that is needed, with its kind. They may be grouped by service, as in C(ozone_cloud.secrets).
      - C(password) is 32 letters and digits, C(hex32) 32 hexadecimal digits, C(fernet) one Fernet key, and
        C(fernet_keys) a Fernet key repository (key index to key, V(0) is the staged and V(1) the primary key).
    type: dict
    default: {}
  given:
    description:
      - Secrets that nobody can generate, such as passwords of BMCs, by name. They are written where they differ.
      - Not possible with O(source=hashi_vault), whose own tools write them.
    type: dict
    default: {}
  given_variables:
    description:
      - Secrets that only the operator knows, with the names of the variables that hold them.
      - A value is taken as it is. No template in it is evaluated.
    type: dict
    default: {}
  state_dir:
    description: State directory of the cloud. Default is C(ozone_cloud.state_dir).
    type: path
  source:
    description:
      - V(file) is the encrypted file. With V(hashi_vault) nothing is generated, only checked that all are there.
      - The default comes from the variable C(ozone_secrets_source), and so on for the next three options.
    type: str
    choices: [file, hashi_vault]
    default: file
  url:
    description: Address of HashiCorp Vault or OpenBao. See the lookup P(ozone.openstack.secret#lookup).
    type: str
  mount:
    description: Mount point of the KV version 2 engine.
    type: str
    default: secret
  path:
    description: Path of the document below O(mount). Default is C(ozone/) and the cloud's name.
    type: str
"""

EXAMPLES = """
- name: Make what Keystone needs
  ozone.openstack.secrets:
    secrets:
      keystone_database_password: password
      keystone_fernet_keys: fernet_keys
"""

RETURN = """
generated:
  description: Names of the secrets that were (in check mode, would be) generated.
  returned: success
  type: list
  elements: str
path:
  description: The encrypted file, or the document on the server.
  returned: success
  type: str
"""
