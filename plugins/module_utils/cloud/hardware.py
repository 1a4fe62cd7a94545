# SPDX-License-Identifier: Apache-2.0
"""What can be told of names, BMCs, NICs and disks without asking any of them: pure checks of their values in cloud.yml.

Each check yields what is wrong and what to do; ``definition.py`` knows the line.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import disks, reading
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import Report, mac
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse_mapping

#: A complaint: what is wrong, and what to do.
Complaint = tuple[str, str]

#: Longest name of a host with its domain, without the final dot (RFC 1035, 2.3.4).
LONGEST_NAME = 253
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
#: What inet_aton(3) reads as a number, and so every program that takes a name or an address.
_NUMBER = re.compile(r"([0-9]+|0[xX][0-9A-Fa-f]*)\Z")


def name_faults(name: str, domain: str | None) -> Iterator[Complaint]:
    """What is wrong with the name of a node, which is a label of RFC 1123 already. ``domain``: None if unknown."""
    if _NUMBER.match(name):
        yield f"{name} is read as an IP address (inet_aton), not as a name", "add a letter to the name"
    if domain is not None and len(f"{name}.{domain}") > LONGEST_NAME:
        message = f"{name} and the domain have {len(name) + 1 + len(domain)} characters together"
        yield message, f"a DNS name has {LONGEST_NAME} at most (RFC 1035): choose shorter ones"


def machine_name_faults(name: str) -> Iterator[Complaint]:
    """What is wrong with the name of a node or an allocation for Ironic."""
    fault = reading.name_fault(name)
    if fault:
        yield fault


def domain_faults(domain: str) -> Iterator[Complaint]:
    """What is wrong with a domain, which consists of labels already."""
    last = domain.rpartition(".")[2]
    if _NUMBER.match(last):
        yield f"{domain} ends with a number, so that names in it are read as IP addresses", "let it end with a word"


@dataclass(frozen=True)
class System:
    """A system behind a BMC: host and port in their one form, the path None for the only system there is."""

    host: str
    port: int
    path: str | None

    def same(self, other: System) -> bool:
        """Whether both are one machine. A BMC whose only system is meant has no other."""
        if (self.host, self.port) != (other.host, other.port):
            return False
        return self.path is None or other.path is None or self.path == other.path


def system(bmc: Mapping[str, Any]) -> System:
    """The system that ``bmc`` means, in a form that two spellings share (RFC 3986, 6.2.2 and 6.2.3).

    Raises ValueError, which says what is wrong with the address and what to do.
    """
    parts = urlsplit(str(bmc["address"]))
    path = bmc.get("system")
    port = 443 if parts.port is None else parts.port  # ValueError beyond 65535
    if port == 0:
        raise ValueError("Port out of range 0-65535")
    return System(_host(parts.hostname or ""), port, None if path is None else posixpath.normpath(unquote(str(path))))


def _host(text: str) -> str:
    """A host in its one form. Raises ValueError."""
    if ":" in text or _NUMBER.match(text.rstrip(".").rpartition(".")[2]):
        address = ipaddress.ip_address(text)
        mapped = getattr(address, "ipv4_mapped", None)
        return str(mapped or address)
    name = text.rstrip(".")
    if len(name) > LONGEST_NAME or not all(_LABEL.match(label) for label in name.split(".")):
        raise ValueError(f"{text!r} is no host name")
    return name.lower()


def bmc_faults(bmc: Mapping[str, Any]) -> Iterator[Complaint]:
    """What is wrong with the address of a BMC, whose form the schema has checked."""
    try:
        system(bmc)
    except ValueError as error:
        if "ort" in str(error):
            yield f"{bmc['address']} has a port that there is not", "ports are 1 to 65535; without one it is 443"
        else:
            yield f"{bmc['address']}: {error}", "write a host name, an IPv4 address, or an IPv6 address in brackets"


def nic_faults(nics: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a node's names of NICs: alias, message, remedy."""
    report = Report()
    for alias, nic in nics.items():
        if re.match(r"[0-9A-Fa-f]{2}[:-]", nic) and len(nic) == 17:
            mac(report, alias, nic, {})
    try:
        parse_mapping(dict(nics))
    except NetworkError as error:
        report.problems += error.problems
    for problem in report.problems:
        yield problem.path.removeprefix("mapping.").strip('"'), problem.message, problem.remedy


def hint_faults(hint: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a disk's hint: its key, message, remedy."""
    for name, fault in disks.faults(hint).items():
        message, _open, remedy = fault.removesuffix(")").rpartition(" (")
        yield name, message or fault, remedy if message else "see Ironic's hints for root devices"


def identities(hint: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What of a hint belongs to one disk of all that were made: the kind of name, and the name in lower case."""
    found = [(name, disks.exact(hint.get(name))) for name in disks.UNIQUE]
    return [(name, value) for name, value in found if value is not None]


def one_disk(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """What shows that two hints of a machine mean one disk; empty where nothing does. Both are free of mistakes."""
    shared = set(identities(first)) & set(identities(second))
    if shared:
        return "{}: {}".format(*min(shared))
    return disks.tell(first) if _plain(first) == _plain(second) else ""


def _plain(hint: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).strip().lower() for name, value in hint.items()}


def preserve_faults(root: Mapping[str, Any], preserve: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, str, str]]:
    """Disks that are to be preserved and written, or preserved twice: index in ``preserve``, message, remedy."""
    for index, hint in enumerate(preserve):
        if root and (shared := one_disk(root, hint)):
            yield index, f"this disk ({shared}) gets the system", "remove it here, or name another root_device"
        for earlier in range(index):
            if shared := one_disk(preserve[earlier], hint):
                yield index, f"this disk ({shared}) is preserve[{earlier}] already", "remove one of them"
