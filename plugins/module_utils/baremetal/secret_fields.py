# SPDX-License-Identifier: Apache-2.0
"""Secrets of a node's ``driver_info``: which keys have one, how a changed one is noticed, what may be shown.

Ironic shows a secret of ``driver_info`` as six stars, so a changed password cannot be seen there. A keyed
digest of each secret is kept in the node's ``extra.ozone_secrets``; its key is made of the password that we have with
Ironic itself (``secret_key``). Who may read nodes and does not know that password can neither compare digests nor try
guesses, equal passwords of two nodes have different digests; who knows it could have Ironic send the BMC's password to
an address of his choice anyway. With another key all secrets are sent once more. A password that somebody changed in
Ironic past us is not noticed: ``secrets="always"`` sends what is declared.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Declared

#: How Ironic shows a secret.
MASK = "******"
#: Key of a node's ``extra`` with the digests of its secrets.
DIGESTS = "ozone_secrets"

#: A key of ``driver_info`` with one of these words in it has a secret. Ironic masks most of them.
SECRET_WORDS = (
    "password", "passphrase", "secret", "token", "adminpass", "admin_pass", "new_pass", "sys_pswd", "community",
    "private_key", "encrypted_key", "priv_key", "auth_key", "sslkey",
)  # fmt: skip


def secret_key(password: str) -> bytes:
    """The key of the digests, of the password that we have with Ironic; slow on purpose, so it is made once a run.

    Empty without a password: then a changed secret cannot be noticed.
    """
    if not password:
        return b""
    return hashlib.scrypt(password.encode(), salt=b"ozone.openstack baremetal secrets", n=2**14, r=8, p=1, dklen=32)


def holds_secret(key: str, value: Any = None) -> bool:
    """Whether a key of ``driver_info`` has a secret, in itself or somewhere beneath."""
    if any(word in key.lower() for word in SECRET_WORDS):
        return True
    return isinstance(value, Mapping) and any(holds_secret(str(inner), item) for inner, item in value.items())


def secret_values(declared: Declared) -> list[str]:
    """All texts that must not be shown."""

    def texts(value: Any) -> list[str]:
        if isinstance(value, Mapping):
            return [text for item in value.values() for text in texts(item)]
        return [value] if isinstance(value, str) else []

    return [text for key, value in declared.driver_info.items() if holds_secret(key, value) for text in texts(value)]


def masked(data: Mapping[str, Any] | None) -> dict[str, Any]:
    """``driver_info`` as it may be shown."""
    return {
        key: MASK
        if any(word in key.lower() for word in SECRET_WORDS)
        else masked(value)
        if isinstance(value, Mapping)
        else value
        for key, value in (data or {}).items()
    }


def digest(key: bytes, name: str, entry: str, value: Any) -> str:
    """What is kept of a secret instead of it."""
    text = f"{name}\0{entry}\0{json.dumps(value, sort_keys=True)}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]
