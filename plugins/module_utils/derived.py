# SPDX-License-Identifier: Apache-2.0
"""Forms of a secret that a server stores instead of the secret itself.

They are stable: the same secret gives the same text in every run, so that they can be part of a generation's digest.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache

#: Standard base 64 to that of bcrypt: the same bits, other letters.
_BCRYPT_BASE64 = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)


def mysql_hash(password: str) -> str:
    """The hash that ``mysql_native_password`` stores: ``*`` and 40 upper-case hexadecimal digits.

    It is the SHA-1 of the SHA-1 of the password (MariaDB manual, "Authentication Plugin - mysql_native_password").
    """
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()  # noqa: S324 -- MariaDB stores it so


def rabbitmq_hash(password: str, user: str = "") -> str:
    """The ``password_hash`` of a RabbitMQ definitions file for ``rabbit_password_hashing_sha256``.

    It is base 64 of a 4 byte salt, followed by the SHA-256 of salt and password (RabbitMQ manual, "Passwords"). The
    salt is not random but derived from the user's name and the password: two users with one password have different
    hashes, and the text never changes by itself.
    """
    salt = hashlib.sha256(b"ozone rabbitmq salt\0" + user.encode() + b"\0" + password.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


@cache
def bcrypt_hash(password: str, user: str = "") -> str:
    """The bcrypt hash of an htpasswd file, which is the only one that Ironic's basic authentication takes.

    As with RabbitMQ, the salt is derived from user and password, so that the text never changes by itself.
    """
    import bcrypt  # imported late: only a cloud with Ironic needs it

    # The salt can be read beside the hash, so guessing a password by it has to be as slow as by the hash.
    public = b"ozone bcrypt salt\0" + user.encode()
    salt = hashlib.scrypt(password.encode(), salt=public, n=2**14, r=8, p=1, dklen=16)
    text = base64.b64encode(salt).rstrip(b"=").translate(_BCRYPT_BASE64)
    return bcrypt.hashpw(password.encode(), b"$2b$10$" + text).decode()
