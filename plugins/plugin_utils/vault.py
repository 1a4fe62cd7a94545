# SPDX-License-Identifier: Apache-2.0
"""ansible-vault as the codec of a cloud's secret files.

The passwords are those that the operator gave to ansible (``--vault-password-file``, ``--vault-id``,
``ANSIBLE_VAULT_PASSWORD_FILE``, ``--ask-vault-pass``), and the one in the state directory's ``vault-password``, which
is generated when the operator gives none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret, match_encrypt_secret

from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError, ensure_password_file

HOW = "--vault-password-file, --vault-id or ANSIBLE_VAULT_PASSWORD_FILE"


class Vault:
    """Encrypts with the operator's first password, or with the state directory's; decrypts with any of them."""

    def __init__(self, given: list[tuple[str, Any]], password_file: Path) -> None:
        self.given = given
        self.password_file = password_file

    def _passwords(self) -> list[tuple[str, Any]]:
        if not self.password_file.exists():
            return list(self.given)
        password = self.password_file.read_text().strip()
        if not password:
            raise SecretsError(
                f"{self.password_file}: is empty; restore it from a backup: without it the secrets cannot be read"
            )
        return [*self.given, ("ozone", VaultSecret(password.encode()))]

    def encrypt(self, text: str) -> bytes:
        """The vault-encrypted form of a text. Without any password one is generated first."""
        if not self.given:
            ensure_password_file(self.password_file)
        passwords = self._passwords()
        secret = match_encrypt_secret(passwords)[1]
        encrypted: bytes = VaultLib(passwords).encrypt(text, secret=secret)
        return encrypted

    def decrypt(self, data: bytes, path: Path) -> str:
        """The text of an encrypted file; ``path`` is only for errors."""
        if not VaultLib.is_encrypted(data):
            raise SecretsError(f"{path}: is not encrypted; encrypt it with: ansible-vault encrypt {path}")
        passwords = self._passwords()
        if not passwords:
            raise SecretsError(
                f"{path}: no vault password: there is no {self.password_file}, and none was given ({HOW})"
            )
        try:
            plain: bytes = VaultLib(passwords).decrypt(data)
        except AnsibleError:
            known = f"the one in {self.password_file}" if self.password_file.exists() else "none in the state directory"
            raise SecretsError(
                f"{path}: wrong vault password ({len(self.given)} given by the operator, {known}): "
                f"give the right one ({HOW})"
            ) from None
        return plain.decode()


def vault_of(loader: Any, state_dir: Path) -> Vault:
    """The vault of a cloud, from a plugin's data loader, which knows the passwords that the operator gave."""
    return Vault(list(loader._vault.secrets or []), state_dir / "vault-password")
