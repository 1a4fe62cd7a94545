# SPDX-License-Identifier: Apache-2.0
"""Kinds, merging, the file, masking, derived forms."""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ansible_collections.ozone.openstack.plugins.filter.derived import FilterModule
from ansible_collections.ozone.openstack.plugins.module_utils import atomic, derived, secrets


class FakeCodec:
    """Reverses the text instead of encrypting it, and counts how often it decrypts."""

    def __init__(self) -> None:
        self.decrypted = 0

    def encrypt(self, text: str) -> bytes:
        return text[::-1].encode()

    def decrypt(self, data: bytes, path: Path) -> str:
        self.decrypted += 1
        return data.decode()[::-1]


@pytest.fixture(autouse=True)
def nothing_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_in_use", set())


WANTED = {"a_password": "password", "b_hex": "hex32", "c_key": "fernet", "d_keys": "fernet_keys"}


def test_generated_secrets_fit_their_kind_and_differ() -> None:
    for kind in secrets.KINDS:
        first, second = secrets.generate(kind), secrets.generate(kind)
        assert secrets.problem(kind, first) is None
        assert first != second
    password = secrets.generate("password")
    assert len(password) == 32 and isinstance(password, str) and password.isalnum()
    keys = secrets.generate("fernet_keys")
    assert isinstance(keys, dict) and sorted(keys) == ["0", "1"] and keys["0"] != keys["1"]
    Fernet(keys["1"])
    with pytest.raises(secrets.SecretsError, match="unknown kind of secret 'rot13'"):
        secrets.generate("rot13")


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("password", "", "not empty"),
        ("password", {"0": "x"}, "must be a text"),
        ("password", "two\nlines", "one line"),
        ("hex32", "xyz", "32 hexadecimal digits"),
        ("fernet", "short", "Fernet key"),
        ("fernet", "ä", "Fernet key"),
        ("fernet_keys", "text", "mapping"),
        ("fernet_keys", {}, "mapping"),
        ("fernet_keys", {"one": "x"}, "numbers"),
        ("fernet_keys", {"0": "x"}, "not a Fernet key"),
        ("rot13", "x", "unknown kind"),
    ],
)
def test_a_value_that_does_not_fit_is_named_without_being_told(kind: str, value: object, words: str) -> None:
    fault = secrets.problem(kind, value)
    assert fault is not None and words in fault


def test_merge_keeps_what_is_there_and_reports_all_faults() -> None:
    merged, new = secrets.merge({"a_password": "mine", "unused": "kept"}, WANTED, "file")
    assert new == ["b_hex", "c_key", "d_keys"]
    assert merged["a_password"] == "mine" and merged["unused"] == "kept"
    with pytest.raises(secrets.SecretsError) as caught:
        secrets.merge({"b_hex": "topsecretvalue"}, {"b_hex": "hex32", "z": "nokind"}, "file.yml")
    assert "file.yml: b_hex:" in str(caught.value) and "file.yml: z: unknown kind" in str(caught.value)
    assert "topsecretvalue" not in str(caught.value)


def test_file_is_made_once_and_never_changed(tmp_path: Path) -> None:
    codec = FakeCodec()
    file = secrets.SecretsFile(tmp_path / "cloud" / "secrets.yml", codec)
    assert file.read() == {}
    assert file.ensure(WANTED, check=True) == sorted(WANTED)
    assert not file.path.exists()
    assert file.ensure(WANTED) == sorted(WANTED)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    before = file.path.read_bytes()
    assert file.ensure(WANTED) == []
    assert file.path.read_bytes() == before
    values = file.read()
    assert file.ensure({**WANTED, "e": "password"}) == ["e"]
    assert {name: value for name, value in file.read().items() if name != "e"} == values
    assert [path.name for path in file.path.parent.iterdir() if path.name.startswith(".secrets.yml.")] == [
        ".secrets.yml.lock"
    ]


def test_file_is_decrypted_once_until_it_changes(tmp_path: Path) -> None:
    codec = FakeCodec()
    file = secrets.SecretsFile(tmp_path / "secrets.yml", codec)
    file.ensure({"a": "password"})
    codec.decrypted = 0
    first = file.read()
    first["a"] = "changed by the caller"
    assert file.read()["a"] != "changed by the caller"
    assert codec.decrypted == 1
    file.ensure({"b": "password"})
    codec.decrypted = 0
    assert "b" in file.read()
    assert codec.decrypted == 1


def test_no_secret_needed_still_makes_the_file(tmp_path: Path) -> None:
    file = secrets.SecretsFile(tmp_path / "secrets.yml", FakeCodec())
    assert file.ensure({}) == []
    assert file.read() == {}
    assert file.path.exists()


def _generate(path: Path, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    secrets.SecretsFile(path, FakeCodec()).ensure({"a": "password", "b": "password"})


def test_two_processes_at_once_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    path = tmp_path / "secrets.yml"
    workers = [context.Process(target=_generate, args=(path, barrier)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
        assert worker.exitcode == 0
    assert sorted(secrets.SecretsFile(path, FakeCodec()).read()) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [verysecret", "line 1: not valid YAML"),
        ("- verysecret", "must be a mapping"),
        ("a: 12345", "a: must be a text"),
    ],
)
def test_a_spoilt_file_is_explained_without_its_content(text: str, words: str) -> None:
    with pytest.raises(secrets.SecretsError) as caught:
        secrets.parse(text, "/state/secrets.yml")
    assert words in str(caught.value) and "ansible-vault edit /state/secrets.yml" in str(caught.value)
    assert "verysecret" not in str(caught.value)


def test_dump_and_parse_are_inverse() -> None:
    values: dict[str, secrets.Secret] = {"a": "12345678", "b": {"0": "yes", "1": "x" * 200}, "c": "null: #"}
    assert secrets.parse(secrets.dump(values), "f") == values
    assert secrets.parse("", "f") == {}


def test_mask_takes_the_longest_first() -> None:
    secrets.use("supersecret")
    secrets.use("supersecret-and-more")
    secrets.use({"0": "key-number-zero", "1": "key-number-one"})
    secrets.use("tiny")
    assert secrets.secrets_in_use() >= {"supersecret", "key-number-one"}
    assert secrets.mask("tiny supersecret-and-more supersecret key-number-zero") == "tiny ******** ******** ********"


def test_mask_knows_each_line_of_a_key() -> None:
    secrets.use("-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\nabcdefgh1234\n-----END PRIVATE KEY-----\n")
    assert secrets.mask("+MIGHAgEAMBMG\n-----BEGIN PRIVATE KEY-----") == "+********\n-----BEGIN PRIVATE KEY-----"


def test_vault_password_file_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "vault-password"
    secrets.ensure_password_file(path)
    first = path.read_text()
    secrets.ensure_password_file(path)
    assert path.read_text() == first and len(first.strip()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_mysql_hash() -> None:
    # The value that MariaDB's documentation shows for PASSWORD('mariadb').
    assert derived.mysql_hash("mariadb") == "*54958E764CE10E50764C2EECBB71D01F08549980"


def test_rabbitmq_hash_is_salted_and_stable() -> None:
    text = derived.rabbitmq_hash("secret", "nova")
    raw = base64.b64decode(text)
    assert len(raw) == 36
    assert raw[4:] == hashlib.sha256(raw[:4] + b"secret").digest()
    assert text == derived.rabbitmq_hash("secret", "nova")
    assert text != derived.rabbitmq_hash("secret", "glance")


def test_filters_register_what_they_derive() -> None:
    filters = FilterModule().filters()
    text = filters["mysql_hash"]("secret") + filters["rabbitmq_hash"]("secret", "nova")
    assert secrets.mask(text) == secrets.MASK * 2


def test_write_if_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert atomic.write_if_changed(path, "x", 0o640, check=True) and not path.exists()
    assert atomic.write_if_changed(path, "x", 0o640)
    assert not atomic.write_if_changed(path, "x", 0o640)
    path.chmod(0o644)
    assert atomic.write_if_changed(path, b"x", 0o640)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_atomic(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_exclusive_gives_up(tmp_path: Path) -> None:
    with (
        atomic.exclusive(tmp_path / "lock"),
        pytest.raises(TimeoutError, match="another process"),
        atomic.exclusive(tmp_path / "lock", timeout=0.1),
    ):
        raise AssertionError


def test_mask_knows_a_secret_as_files_and_urls_have_it() -> None:
    secrets.use('p$w"é/@x')
    for form in (
        'p$w"é/@x',
        'p$$w"é/@x',
        "p%24w%22%C3%A9%2F%40x",
        "p%24w%22%C3%83%C2%A9%2F%40x",
        'p$w\\"é/@x',
        'p$w\\"\\u00e9/@x',
    ):
        assert secrets.mask(f"<{form}>") == "<********>", form


@pytest.mark.parametrize("value", ["a\tb", "a\x00b", "a\x85b", "a\u2028b", "a\rb"])
def test_a_password_is_one_line_of_printable_text(value: str) -> None:
    assert "printable" in str(secrets.problem("password", value))


@pytest.mark.parametrize("value", [" a b ", "$x{{ y }}%s", "'\"\\#;,:=[]", "ß密é€\u00a0"])
def test_a_password_has_any_printable_text(value: str) -> None:
    assert secrets.problem("password", value) is None
    assert secrets.parse(secrets.dump({"a": value}), "file") == {"a": value}
