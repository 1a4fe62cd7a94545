# SPDX-License-Identifier: Apache-2.0
"""Lookup of a cloud's certificates and their keys."""

from __future__ import annotations

DOCUMENTATION = """
name: certificate
author: Ozone contributors
version_added: 1.0.0
short_description: A certificate of the cloud, or its private key
description:
  - Returns PEM texts that the action P(ozone.openstack.certificate#module) made.
  - Private keys are registered, so that the collection's own actions mask them in diffs.
options:
  _terms:
    description: Names of certificates. The name V(ca) stands for the certificates that clients have to trust.
    required: true
    type: list
    elements: str
  part:
    description:
      - V(certificate) is the certificate with its chain, V(key) the private key, V(combined) one after the other.
    type: str
    choices: [certificate, key, combined]
    default: certificate
notes:
  - The variable C(ozone_cloud) of the inventory plugin P(ozone.openstack.cloud#inventory) tells the state directory.
"""

EXAMPLES = """
- name: Write the authority
  ansible.builtin.copy:
    content: "{{ lookup('ozone.openstack.certificate', 'ca') }}"
    dest: /usr/local/share/ca-certificates/ozone.crt
    mode: "0644"

- name: Write what HAProxy reads
  ansible.builtin.copy:
    content: "{{ lookup('ozone.openstack.certificate', 'haproxy', part='combined') }}"
    dest: /etc/haproxy/haproxy.pem
    mode: "0600"
"""

RETURN = """
_raw:
  description: One PEM text for each name.
  type: list
  elements: str
"""

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.ozone.openstack.plugins.module_utils.pki import BUNDLE, Pki
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError, use
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import state_dir_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import vault_of


class LookupModule(LookupBase):  # type: ignore[misc]  # the base class has no types
    """``lookup('ozone.openstack.certificate', name..., part=...)``."""

    def run(self, terms: Sequence[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """The PEM texts of the certificates that ``terms`` names."""
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        part = str(self.get_option("part"))
        texts = []
        try:
            state_dir = state_dir_of(self._templar, variables)
            pki = Pki(state_dir / "pki", vault_of(self._loader, state_dir), state_dir.name)
            for term in terms:
                if part == "certificate" or term == BUNDLE:
                    texts.append(pki.certificate(str(term)))
                    continue
                pair = pki.read(str(term))
                if pair is None:
                    raise FileNotFoundError
                use(pair.key)
                texts.append(pair.key if part == "key" else pair.certificate + pair.key)
        except FileNotFoundError:
            raise AnsibleLookupError(
                f"{state_dir / 'pki'} lacks a certificate of {', '.join(map(str, terms))}: run the action "
                "ozone.openstack.certificate first (ozone.openstack.deploy does)"
            ) from None
        except (SecretsError, OSError) as error:
            raise AnsibleLookupError(str(error)) from None
        return texts
