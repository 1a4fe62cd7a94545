# SPDX-License-Identifier: Apache-2.0
"""Certificates: issued once, again when they must be, refused when they cannot serve; checked with real TLS."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils import pki
from ansible_collections.ozone.openstack.plugins.module_utils.pki import Given, Pair, Pki, PkiError, Wanted

NOW = datetime.now(UTC)
HAPROXY = Wanted("haproxy", ("api.lab.ozone.test",), ("198.18.0.10", "127.0.0.1"))


class FakeCodec:
    """Reverses the text instead of encrypting it."""

    def encrypt(self, text: str) -> bytes:
        return text[::-1].encode()

    def decrypt(self, data: bytes, path: Path) -> str:
        return data.decode()[::-1]


@pytest.fixture
def store(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki", FakeCodec(), "lab")


def contents(store: Pki) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.directory.iterdir()}


def test_first_run_makes_all_and_the_second_nothing(store: Pki) -> None:
    check = store.ensure([HAPROXY], check=True)
    assert check.changed
    assert set(check.issued) == {"private-ca", "haproxy"}
    assert not store.directory.exists()
    assert store.ensure([HAPROXY]).issued == check.issued
    before = contents(store)
    assert set(before) == {".lock", "ca.pem", "haproxy.key", "haproxy.pem", "private-ca.key", "private-ca.pem"}
    assert not any(b"PRIVATE KEY" in data for data in before.values())
    assert stat.S_IMODE((store.directory / "haproxy.key").stat().st_mode) == 0o600
    second = store.ensure([HAPROXY])
    assert not second.changed
    assert not store.ensure([HAPROXY], check=True).changed
    assert contents(store) == before


@pytest.mark.parametrize("name", ["api.lab.ozone.test", "127.0.0.1"])
def test_a_client_that_trusts_the_authority_accepts_the_server(store: Pki, tmp_path: Path, name: str) -> None:
    store.ensure([HAPROXY])
    pair = store.read("haproxy")
    assert pair is not None
    (tmp_path / "combined.pem").write_text(pair.certificate + pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "combined.pem")
    client = ssl.create_default_context(cafile=str(store.directory / "ca.pem"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    near, far = socket.socketpair()
    thread = threading.Thread(target=lambda: server.wrap_socket(far, server_side=True).recv(1))
    thread.start()
    with client.wrap_socket(near, server_hostname=name) as connection:
        connection.send(b"x")
    thread.join(10)
    assert not thread.is_alive()


def test_reissue_when_names_change(store: Pki) -> None:
    store.ensure([HAPROXY])
    authority = store.read("private-ca")
    changed = Wanted("haproxy", HAPROXY.dns, ("198.18.0.11",))
    reasons = store.ensure([changed]).issued
    assert list(reasons) == ["haproxy"]
    assert "198.18.0.11" in reasons["haproxy"][0]
    assert store.read("private-ca") == authority
    assert not store.ensure([changed]).changed


def test_the_order_of_names_does_not_matter(store: Pki) -> None:
    store.ensure([Wanted("x", ("a.test", "b.test"), ("2001:db8::1",))])
    assert not store.ensure([Wanted("x", ("b.test", "a.test"), ("2001:DB8:0::1",))]).changed


def test_reissue_before_the_end(store: Pki) -> None:
    store.ensure([HAPROXY], NOW - timedelta(days=pki.SERVER_DAYS - pki.RENEW_DAYS - 2))
    assert not store.ensure([HAPROXY], NOW).changed
    reasons = store.ensure([HAPROXY], NOW + timedelta(days=4)).issued["haproxy"]
    assert reasons[0].startswith("it ends on 20")


def test_reissue_when_key_or_authority_differ(store: Pki) -> None:
    store.ensure([HAPROXY, Wanted("other", ("o.test",))])
    (store.directory / "haproxy.key").write_bytes((store.directory / "other.key").read_bytes())
    assert store.ensure([HAPROXY]).issued == {"haproxy": ["its private key does not belong to it"]}
    (store.directory / "haproxy.key").write_bytes(FakeCodec().encrypt("nonsense"))
    assert store.ensure([HAPROXY]).issued == {"haproxy": ["its private key does not belong to it"]}
    for suffix in ("key", "pem"):
        (store.directory / f"private-ca.{suffix}").unlink()
    outcome = store.ensure([HAPROXY])
    assert outcome.issued == {"private-ca": ["there is none"], "haproxy": ["another authority issued it"]}
    assert outcome.files == [str(store.directory / "ca.pem")]


def test_a_lost_or_ending_authority_is_not_replaced_silently(store: Pki) -> None:
    store.ensure([HAPROXY])
    with pytest.raises(PkiError, match="the private authority ends soon"):
        store.ensure([HAPROXY], NOW + timedelta(days=pki.AUTHORITY_DAYS - 10))
    (store.directory / "private-ca.key").unlink()
    with pytest.raises(PkiError, match="restore it from a backup"):
        store.ensure([HAPROXY])


def test_a_server_certificate_does_not_outlive_the_authority(store: Pki) -> None:
    authority = pki.make_authority("lab", NOW - timedelta(days=pki.AUTHORITY_DAYS - 100))
    certificate = pki.chain(pki.issue(authority, HAPROXY, NOW).certificate, "x")[0]
    assert 98 <= pki.days_left(certificate, NOW) <= 100


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("ca", ("a.test",)), "use another name"),
        (Wanted("../x", ("a.test",)), "use another name"),
        (Wanted("x"), "at least one"),
        (Wanted("x", (), ("198.18.0.300",)), "certificate x: '198.18.0.300'"),
    ],
)
def test_impossible_certificates_are_refused(store: Pki, wanted: Wanted, words: str) -> None:
    with pytest.raises(PkiError, match=words):
        store.ensure([wanted])
    assert not store.directory.exists()


def test_options_are_checked() -> None:
    entry = {"dns": ["a", "a"], "ip": None, "front_end": True}
    assert pki.wanted_of("x", entry, None) == Wanted("x", ("a",), ())
    with pytest.raises(PkiError, match="unknown key names"):
        pki.wanted_of("x", {"names": []}, None)
    with pytest.raises(PkiError, match="dns: must be a list"):
        pki.wanted_of("x", {"dns": "a"}, None)


# --- the operator's own ----------------------------------------------------------------------------------------------

CORPORATE = pki.make_authority("corporation", NOW)


def given(*dns: str, ip: tuple[str, ...] = (), ca: str | None = CORPORATE.certificate, age: int = 0) -> Given:
    pair = pki.issue(CORPORATE, Wanted("x", dns, ip), NOW - timedelta(days=age))
    return Given(pair, ca, "given.pem")


def test_the_operators_certificate_is_taken_and_trusted(store: Pki) -> None:
    mine = given("*.lab.ozone.test", ip=("198.18.0.10",))
    wanted = Wanted("haproxy", ("api.lab.ozone.test",), ("198.18.0.10",), mine)
    other = Wanted("mariadb", (), ("198.18.0.10",))
    assert store.ensure([wanted, other]).issued["haproxy"] == ["the operator gave another one"]
    assert store.read("haproxy") == mine.pair
    bundle = store.certificate("ca")
    assert CORPORATE.certificate in bundle
    assert store.certificate("private-ca") in bundle
    assert not store.ensure([wanted, other]).changed


def test_without_an_authority_the_system_is_trusted_too(store: Pki) -> None:
    wanted = Wanted("haproxy", ("api.lab.ozone.test",), (), given("api.lab.ozone.test", ca=None))
    store.ensure([wanted], system_trust="SYSTEM\n")
    assert store.certificate("ca") == store.certificate("private-ca") + "SYSTEM\n"


def test_given_certificates_that_cannot_serve_are_refused_with_all_reasons(store: Pki) -> None:
    bad = given("other.test", age=2000)
    other = pki.make_authority("other", NOW)
    bad = Given(Pair(bad.pair.certificate, other.key), other.certificate, "given.pem")
    with pytest.raises(PkiError) as caught:
        store.ensure([Wanted("haproxy", ("api.lab.ozone.test",), ("198.18.0.10",), bad)])
    text = str(caught.value)
    assert "the given key does not belong to it" in text
    assert "it ended on" in text
    assert "it is not for api.lab.ozone.test, 198.18.0.10 (only for other.test)" in text
    assert "did not issue it" in text
    early = given("a.test", age=-10)
    assert "not valid before" in pki.problems_of_given(early, Wanted("x", ("a.test",)), NOW)[0]
    with pytest.raises(PkiError, match=r"x\.pem: not a certificate"):
        pki.chain("text", "x.pem")


def test_certificate_without_alternative_names() -> None:
    certificate = pki.chain(CORPORATE.certificate, "x")[0]
    assert pki.alternative_names(certificate) == (set(), set())


def test_system_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class FakePaths:
        cafile = str(tmp_path / "bundle")

    monkeypatch.setattr(pki.ssl, "get_default_verify_paths", lambda: FakePaths)
    assert pki.system_authorities() == ""
    (tmp_path / "bundle").write_text("PEM")
    assert pki.system_authorities() == "PEM"
