# SPDX-License-Identifier: Apache-2.0
"""The certificates of a cloud: a private authority made at first use, server certificates, or those that are given.

Everything lies in ``pki/`` of the cloud's state directory. Certificates are in clear (``<name>.pem``), private keys are
encrypted by the same codec as the secrets (``<name>.key``), ``ca.pem`` is what clients and nodes trust.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:  # A node does not have it and does not need it; ansible-core brings it to the deployment host.
    pass

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import (
    exclusive,
    private_directory,
    write_atomic,
    write_if_changed,
)
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import Codec

AUTHORITY = "private-ca"
BUNDLE = "ca"
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")

AUTHORITY_DAYS = 3650
SERVER_DAYS = 825
RENEW_DAYS = 30

#: A certificate is valid from a day before it was made: the clock of a node may be behind.
SKEW = timedelta(days=1)


class PkiError(Exception):
    """What is wrong with a certificate, and what to do. Never holds a key."""


@dataclass(frozen=True)
class Pair:
    """A certificate (with its chain, if it has one) and its private key, both as PEM text."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Given:
    """The operator's own certificate; ``ca`` is the PEM text to trust, None when the system's trust is enough."""

    pair: Pair
    ca: str | None
    where: str


@dataclass(frozen=True)
class Wanted:
    """A server certificate that a cloud needs: the names and addresses that clients use to reach the server."""

    name: str
    dns: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    given: Given | None = None


@dataclass
class Outcome:
    """What was (in check mode: would be) done: reasons for each new certificate, and which files changed."""

    issued: dict[str, list[str]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.issued or self.files)


# --- pure: PEM in, PEM out -------------------------------------------------------------------------------------------


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])  # RFC 5280: ub-common-name is 64


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def make_authority(cloud: str, now: datetime) -> Pair:
    """A new private authority (ECDSA P-256, ten years) that can only issue end certificates."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject(f"Ozone CA of {cloud}")
    certificate = (
        _builder(name, name, key.public_key(), now, now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), _key_pem(key))


def issue(authority: Pair, wanted: Wanted, now: datetime) -> Pair:
    """A new key (ECDSA P-256) and its certificate, for servers and for mutual TLS, signed by ``authority``."""
    names = _general_names(wanted)
    issuer = chain(authority.certificate, "the private authority")[0]
    signer = serialization.load_pem_private_key(authority.key.encode(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)  # noqa: S101  # made by make_authority
    key = ec.generate_private_key(ec.SECP256R1())
    end = min(now + timedelta(days=SERVER_DAYS), issuer.not_valid_after_utc)
    certificate = (
        _builder(_subject((*wanted.dns, *wanted.ip)[0]), issuer.subject, key.public_key(), now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), _key_pem(key))


def _general_names(wanted: Wanted) -> list[x509.GeneralName]:
    try:
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in wanted.dns]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in wanted.ip]
    except ValueError as error:
        raise PkiError(f"certificate {wanted.name}: {error}") from error
    if not names:
        raise PkiError(f"certificate {wanted.name}: name at least one DNS name or address")
    return names


def chain(pem: str, where: str) -> list[x509.Certificate]:
    """The certificates in a PEM text, the server's first."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise PkiError(f"{where}: not a certificate in PEM form") from error


def alternative_names(certificate: x509.Certificate) -> tuple[set[str], set[str]]:
    """The DNS names and the addresses that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set(), set()
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return set(names.get_values_for_type(x509.DNSName)), addresses


def fits(certificate: x509.Certificate, key: str) -> bool:
    """Whether the private key (PEM) belongs to the certificate."""
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority's key signed the certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def days_left(certificate: x509.Certificate, now: datetime) -> int:
    """Whole days until the certificate ends; negative when it has ended."""
    return (certificate.not_valid_after_utc - now).days


def reasons_to_issue(pair: Pair | None, authority: str | None, wanted: Wanted, now: datetime) -> list[str]:
    """Why a certificate of the private authority must be issued (again); none when it is good."""
    if pair is None or authority is None:
        return ["there is none"]
    certificate = chain(pair.certificate, wanted.name)[0]
    reasons = []
    dns, addresses = alternative_names(certificate)
    before = sorted(dns | addresses)
    after = sorted({*wanted.dns, *(str(ipaddress.ip_address(address)) for address in wanted.ip)})
    if before != after:
        reasons.append(f"its names change from {', '.join(before)} to {', '.join(after)}")
    if days_left(certificate, now) < RENEW_DAYS:
        reasons.append(f"it ends on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if not issued_by(certificate, chain(authority, AUTHORITY)[0]):
        reasons.append("another authority issued it")
    if not fits(certificate, pair.key):
        reasons.append("its private key does not belong to it")
    return reasons


def problems_of_given(given: Given, wanted: Wanted, now: datetime) -> list[str]:
    """What is wrong with the operator's own certificate for this purpose."""
    certificates = chain(given.pair.certificate, given.where)
    certificate = certificates[0]
    faults = []
    if not fits(certificate, given.pair.key):
        faults.append("the given key does not belong to it (or is protected by a passphrase)")
    if now > certificate.not_valid_after_utc:
        faults.append(f"it ended on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if now < certificate.not_valid_before_utc:
        faults.append(f"it is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}")
    dns, addresses = alternative_names(certificate)
    covers = {name.lower() for name in dns}
    uncovered = [name for name in wanted.dns if not {name.lower(), "*." + name.lower().partition(".")[2]} & covers]
    uncovered += [address for address in wanted.ip if str(ipaddress.ip_address(address)) not in addresses]
    if uncovered:
        faults.append(f"it is not for {', '.join(uncovered)} (only for {', '.join(sorted(covers | addresses))})")
    if given.ca is not None:
        authorities = chain(given.ca, f"{given.where}: its authority")
        if not any(issued_by(last, authority) for last in certificates for authority in authorities):
            faults.append("the given authority did not issue it, nor a certificate of its chain")
    return [f"{given.where}: {fault}" for fault in faults]


# --- the directory ---------------------------------------------------------------------------------------------------


class Pki:
    """The certificates of one cloud in ``directory``; private keys pass through ``codec``."""

    def __init__(self, directory: Path, codec: Codec, cloud: str) -> None:
        self.directory = directory
        self.codec = codec
        self.cloud = cloud

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"

    def read(self, name: str) -> Pair | None:
        """The certificate and key of that name; None when one of the two is missing."""
        certificate, key = self._paths(name)
        if not (certificate.exists() and key.exists()):
            return None
        return Pair(certificate.read_text(), self.codec.decrypt(key.read_bytes(), key))

    def certificate(self, name: str) -> str:
        """The certificate (``ca``: the trusted ones) without touching its key."""
        return self._paths(name)[0].read_text()

    def _write(self, name: str, pair: Pair) -> None:
        certificate, key = self._paths(name)
        write_atomic(key, self.codec.encrypt(pair.key), 0o600)
        write_atomic(certificate, pair.certificate, 0o644)

    def ensure(
        self,
        certificates: Sequence[Wanted],
        now: datetime | None = None,
        *,
        system_trust: str = "",
        check: bool = False,
    ) -> Outcome:
        """Make the authority and every certificate that is missing, that differs or that ends soon.

        ``system_trust`` is the PEM text of the system's authorities: it becomes part of ``ca.pem`` when the operator
        gave a certificate without saying which authority to trust for it. ``check``: only tell what would be done.
        """
        now = now or datetime.now(UTC)
        self._refuse(certificates, now)
        if check:
            return self._converge(certificates, now, system_trust, check=True)
        private_directory(self.directory)
        with exclusive(self.directory / ".lock"):
            return self._converge(certificates, now, system_trust, check=False)

    def _refuse(self, certificates: Sequence[Wanted], now: datetime) -> None:
        faults = []
        for wanted in certificates:
            if not NAME.fullmatch(wanted.name) or wanted.name in (AUTHORITY, BUNDLE):
                faults.append(f"certificate {wanted.name!r}: use another name (small letters, digits, . _ -)")
                continue
            _general_names(wanted)
            if wanted.given is not None:
                faults += problems_of_given(wanted.given, wanted, now)
        if faults:
            raise PkiError("; ".join(faults))

    def _authority(self, outcome: Outcome, now: datetime, *, check: bool) -> Pair | None:
        certificate, key = self._paths(AUTHORITY)
        authority = self.read(AUTHORITY)
        if authority is None:
            if certificate.exists():
                raise PkiError(
                    f"{key} is missing: restore it from a backup, or remove {certificate} to make a new authority "
                    "(every client must then trust the new one)"
                )
            outcome.issued[AUTHORITY] = ["there is none"]
            if check:
                return None
            authority = make_authority(self.cloud, now)
            self._write(AUTHORITY, authority)
        if days_left(chain(authority.certificate, str(certificate))[0], now) < RENEW_DAYS:
            raise PkiError(
                f"{certificate}: the private authority ends soon: move it and its key away to make a new one "
                "(every client must then trust the new one)"
            )
        return authority

    def _converge(self, certificates: Sequence[Wanted], now: datetime, system_trust: str, *, check: bool) -> Outcome:
        outcome = Outcome()
        authority = self._authority(outcome, now, check=check)
        trusted = [authority.certificate] if authority is not None else []
        for wanted in certificates:
            pair = self.read(wanted.name)
            if wanted.given is not None:
                trusted.append(system_trust if wanted.given.ca is None else wanted.given.ca)
                reasons = [] if pair == wanted.given.pair else ["the operator gave another one"]
                new: Pair | None = wanted.given.pair
            else:
                reasons = reasons_to_issue(pair, authority.certificate if authority else None, wanted, now)
                new = issue(authority, wanted, now) if reasons and authority is not None and not check else None
            if reasons:
                outcome.issued[wanted.name] = reasons
                if new is not None and not check:
                    self._write(wanted.name, new)
        bundle = self._paths(BUNDLE)[0]
        if trusted and write_if_changed(bundle, "".join(dict.fromkeys(trusted)), 0o644, check=check):
            outcome.files.append(str(bundle))
        return outcome


def system_authorities() -> str:
    """The PEM text of the authorities that this computer trusts; empty when it has no such file."""
    path = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def wanted_of(name: str, entry: Mapping[str, object], given: Given | None) -> Wanted:
    """A ``Wanted`` out of a module's option: ``{dns: [...], ip: [...], front_end: bool}``."""
    unknown = sorted(set(entry) - {"dns", "ip", "front_end"})
    if unknown:
        raise PkiError(f"certificate {name}: unknown key {', '.join(unknown)}: use dns, ip, front_end")
    texts: dict[str, tuple[str, ...]] = {}
    for key in ("dns", "ip"):
        value = entry.get(key) or []
        if not isinstance(value, (list, tuple)):
            raise PkiError(f"certificate {name}: {key}: must be a list")
        texts[key] = tuple(dict.fromkeys(str(item) for item in value))
    return Wanted(name, texts["dns"], texts["ip"], given if entry.get("front_end") else None)
