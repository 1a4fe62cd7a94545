# SPDX-License-Identifier: Apache-2.0
"""The secrets of a cloud: which kinds there are, how they are made, kept and masked.

The services of the catalogue name the secrets that they need (``secrets: {nova_database_password: password}``). They
are generated once, and kept in one encrypted file of the cloud's state directory; nothing here knows how that file is
encrypted: a ``Codec`` does that.

Whoever looks a secret up registers its value here (``use``), so that ``mask`` can take it out of whatever is shown.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets as random
import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive, private_directory, write_atomic

#: A secret: one text, or several under names of their own (a key repository: index -> key).
Secret = str | dict[str, str]

ALPHANUMERIC = string.ascii_letters + string.digits
MASK = "********"

#: Texts shorter than this are never masked: no secret is so short, and masking them would spoil what is shown.
SHORTEST = 5
#: What no secret of one line has: control characters, line and paragraph separators, halves of a surrogate pair.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class SecretsError(Exception):
    """What is wrong with the secrets of a cloud, and what to do. Never holds a value."""


class Codec(Protocol):
    """Encrypts the file. ``decrypt`` raises SecretsError when no known password fits."""

    def encrypt(self, text: str) -> bytes:
        """The encrypted form of a text."""
        ...

    def decrypt(self, data: bytes, path: Path) -> str:
        """The text of an encrypted file; ``path`` is for errors."""
        ...


# --- kinds ---------------------------------------------------------------------------------------------------------


def _password() -> str:
    return "".join(random.choice(ALPHANUMERIC) for _ in range(32))


def _hex32() -> str:
    return random.token_hex(16)


def _fernet() -> str:
    return base64.urlsafe_b64encode(random.token_bytes(32)).decode()


def _fernet_keys() -> dict[str, str]:
    return {"0": _fernet(), "1": _fernet()}


#: ``password``: 32 letters and digits (no character that any configuration file would have to quote).
#: ``hex32``: 32 hexadecimal digits. ``fernet``: one key (32 bytes, URL-safe base 64, as the Fernet specification says).
#: ``fernet_keys``: a key repository as Keystone keeps it: index 0 is the staged key, the highest index the primary one.
KINDS: dict[str, Callable[[], Secret]] = {
    "password": _password,
    "hex32": _hex32,
    "fernet": _fernet,
    "fernet_keys": _fernet_keys,
}


def generate(kind: str) -> Secret:
    """A new secret of ``kind``, from the operating system's random source."""
    if kind not in KINDS:
        raise SecretsError(f"unknown kind of secret {kind!r}: use one of {', '.join(sorted(KINDS))}")
    return KINDS[kind]()


def _is_fernet(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text)) == 32
    except (binascii.Error, ValueError):
        return False


def line_problem(value: str) -> str | None:
    """What is wrong with a secret of one line: any printable characters, blanks included, arrive unchanged."""
    if not value or "\n" in value:
        return "must be one line of text that is not empty"
    if _UNPRINTABLE.search(value):
        return "must be one line of printable characters: no tab, no control character"
    return None


def problem(kind: str, value: object) -> str | None:
    """What is wrong with ``value`` as a secret of ``kind``, without telling it; None when it fits.

    A password that an operator wrote may have any form, as long as it is one line.
    """
    if kind not in KINDS:
        return f"unknown kind {kind!r}: use one of {', '.join(sorted(KINDS))}"
    if kind == "fernet_keys":
        if not isinstance(value, dict) or not value:
            return "must be a mapping of key indexes to Fernet keys"
        if not all(str(index).isdigit() for index in value):
            return "must have numbers as its key indexes"
        if not all(isinstance(key, str) and _is_fernet(key) for key in value.values()):
            return "has a key which is not a Fernet key (32 bytes in URL-safe base 64)"
        return None
    if not isinstance(value, str) or not value:
        return "must be a text that is not empty"
    if kind == "hex32" and (len(value) != 32 or set(value) - set(string.hexdigits)):
        return "must be 32 hexadecimal digits"
    if kind == "fernet" and not _is_fernet(value):
        return "must be a Fernet key (32 bytes in URL-safe base 64)"
    return line_problem(value)


def merge(existing: Mapping[str, Secret], wanted: Mapping[str, str], where: str) -> tuple[dict[str, Secret], list[str]]:
    """All that is there, and a new value for each of ``wanted`` (name -> kind) that is missing.

    Returns the merged secrets and the names of the new ones. An existing value is never changed, also when nobody wants
    it any more; one that does not fit its kind is an error (all of them at once), which says where it is.
    """
    errors = []
    for name, kind in sorted(wanted.items()):
        fault = problem(kind, existing.get(name)) if name in existing or kind not in KINDS else None
        if fault:
            errors.append(f"{where}: {name}: {fault}")
    if errors:
        raise SecretsError("; ".join(errors))
    missing = sorted(set(wanted) - set(existing))
    return {**existing, **{name: generate(wanted[name]) for name in missing}}, missing


# --- the file ------------------------------------------------------------------------------------------------------


def parse(text: str, where: str) -> dict[str, Secret]:
    """The decrypted text of a secrets file: a YAML mapping of names to texts, or to mappings of texts."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        # The parser's own message quotes the text, which is secret: only its line is told.
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise SecretsError(f"{where}{line}: not valid YAML; correct it with: ansible-vault edit {where}") from None
    return values_of(data, where, f"ansible-vault edit {where}")


def values_of(data: object, where: str, remedy: str) -> dict[str, Secret]:
    """Secrets out of loaded YAML or JSON, checked for their types; ``remedy`` is the command that corrects them."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SecretsError(f"{where}: must be a mapping of names to secrets; correct it with: {remedy}")
    values: dict[str, Secret] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            values[str(name)] = {str(key): str(item) for key, item in value.items()}
        elif isinstance(value, str):
            values[str(name)] = str(value)
        else:
            raise SecretsError(f"{where}: {name}: must be a text (put it in quotes); correct it with: {remedy}")
    return values


def dump(values: Mapping[str, Secret]) -> str:
    """The text of a secrets file; ``parse`` is its inverse."""
    return yaml.safe_dump(dict(values), default_flow_style=False, sort_keys=True, width=1000)


_cache: dict[Path, tuple[tuple[int, int, int], dict[str, Secret]]] = {}


class SecretsFile:
    """The encrypted file of one cloud. It is decrypted once per process, and again when it changes."""

    def __init__(self, path: Path, codec: Codec) -> None:
        self.path = path
        self.codec = codec

    def read(self) -> dict[str, Secret]:
        """All secrets; none when there is no file yet."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return {}
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = _cache.get(self.path)
        if known is not None and known[0] == version:
            return dict(known[1])
        values = parse(self.codec.decrypt(self.path.read_bytes(), self.path), str(self.path))
        _cache[self.path] = (version, values)
        return dict(values)

    def ensure(self, wanted: Mapping[str, str], *, check: bool = False) -> list[str]:
        """Generate what is missing of ``wanted`` (name -> kind); return the names. ``check``: only tell them."""
        if not merge(self.read(), wanted, str(self.path))[1] and self.path.exists():
            return []
        if check:
            return merge(self.read(), wanted, str(self.path))[1]
        private_directory(self.path.parent)
        # Two runs at once must not both generate: the second one sees what the first one wrote.
        with exclusive(self.path.with_name(f".{self.path.name}.lock")):
            values, missing = merge(self.read(), wanted, str(self.path))
            if missing or not self.path.exists():
                write_atomic(self.path, self.codec.encrypt(dump(values)), 0o600)
        return missing

    def give(self, given: Mapping[str, str], *, check: bool = False) -> list[str]:
        """Write what only the operator knows, such as passwords of devices; return the names of those that differ."""
        for name, value in given.items():
            if value in ("", "None"):  # the word that Ansible has where there is no terminal
                remedy = "where nobody can be asked: -e @FILE, with ozone_secret_value in that file"
                raise SecretsError(f"{name}: must be one line of text that is not empty; {remedy}")
            if fault := line_problem(value):
                raise SecretsError(f"{name}: {fault}")
        private_directory(self.path.parent)
        with exclusive(self.path.with_name(f".{self.path.name}.lock")):
            there = self.read()
            changed = sorted(name for name, value in given.items() if there.get(name) != value)
            if changed and not check:
                write_atomic(self.path, self.codec.encrypt(dump({**there, **given})), 0o600)
        return changed


def ensure_password_file(path: Path) -> None:
    """Make the file with a generated vault password (mode 0600) when it is missing; never change one."""
    private_directory(path.parent)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as stream:
        stream.write(_password() + "\n")


# --- masking -------------------------------------------------------------------------------------------------------

_in_use: set[str] = set()


def use(value: Secret) -> None:
    """Note that a secret is in use in this process. Of one with several lines (a key), each line counts."""
    for text in value.values() if isinstance(value, dict) else [value]:
        for part in (text.strip(), *(line.strip() for line in text.splitlines())):
            if len(part) >= SHORTEST and not part.startswith("-----"):
                _in_use.update(_forms(part))


def _forms(text: str) -> set[str]:
    """A secret as it may show: itself, and as oslo.config, a URL, JSON and YAML have to write it."""
    latin = text.encode(errors="replace").decode("latin-1")
    return {
        text,
        text.replace("$", "$$"),
        text.replace("$", "\\$"),
        *(quote(form, safe=safe) for form in (text, latin, text.replace("/", "%2F")) for safe in ("", "/")),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        text.replace("'", "''"),
    }


def secrets_in_use() -> set[str]:
    """Every text that was registered in this process, or in its parent before it forked."""
    return set(_in_use)


def mask(text: str) -> str:
    """``text`` with every secret in use replaced, the longest first (one may be part of another)."""
    for secret in sorted(_in_use, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
