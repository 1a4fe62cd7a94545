# SPDX-License-Identifier: Apache-2.0
"""IP addresses as operators write them: what is accepted, and the one spelling that everything else sees.

Pure. ``str()`` of an address is its spelling of RFC 5952: lower case, the longest run of zeros as ``::``.
"""

from __future__ import annotations

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Block = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The link-local range of IPv6, from which a router may have the address that hosts send to (RFC 4861, 4.2).
LINK_LOCAL = ipaddress.IPv6Network("fe80::/10")

#: Ranges from which no interface of a node can have its address, and what they are for. Ranges for documentation and
#: benchmarks (RFC 5737, 2544, 3849) are not among them: the kernel treats them like any other, and labs use them.
RESERVED: tuple[tuple[Block, str], ...] = (
    (ipaddress.IPv4Network("0.0.0.0/8"), "addresses of this network (RFC 791)"),
    (ipaddress.IPv4Network("127.0.0.0/8"), "loopback (RFC 1122)"),
    (ipaddress.IPv4Network("169.254.0.0/16"), "link-local (RFC 3927)"),
    (ipaddress.IPv4Network("224.0.0.0/4"), "multicast (RFC 5771)"),
    (ipaddress.IPv4Network("240.0.0.0/4"), "reserved (RFC 1112)"),
    (ipaddress.IPv6Network("::/96"), "the unspecified address, loopback and IPv4-compatible addresses (RFC 4291)"),
    (ipaddress.IPv6Network("::ffff:0:0/96"), "IPv4-mapped (RFC 4291)"),
    (ipaddress.IPv6Network("64:ff9b::/96"), "IPv4/IPv6 translation (RFC 6052)"),
    (ipaddress.IPv6Network("100::/64"), "discarded by routers (RFC 6666)"),
    (ipaddress.IPv6Network("fe80::/10"), "link-local (RFC 4291)"),
    (ipaddress.IPv6Network("ff00::/8"), "multicast (RFC 4291)"),
)

#: Ranges to which no router forwards packets: not the destination of a route by a next hop.
UNROUTABLE = frozenset({"127.0.0.0/8", "::/96", "::ffff:0:0/96", "fe80::/10"})


_DIGITS = re.compile("[0-9A-Fa-f:.]+")


def address(text: str) -> Address:
    """An address without a prefix length and without a zone.

    A zone (``%eth0``, RFC 4007) is the name of an interface of one computer: it means nothing to another one, and no
    certificate can hold it.

    :raises ValueError: it is none; says why.
    """
    if "%" in text:
        raise ValueError(f"remove the zone {text[text.index('%') :]}, which is an interface of one computer only")
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("not an IPv4 or IPv6 address") from None


def network(text: str) -> Block:
    """A subnet with its prefix length and without host bits.

    :raises ValueError: it is none; says why.
    """
    plain, slash, length = text.partition("/")
    if not slash:
        raise ValueError("the prefix length is missing")
    address(plain)
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"/{length} is not a prefix length of it") from None
    if str(found.network_address) != str(address(plain)):
        raise ValueError(f"it has host bits: the subnet is {found}")
    return found


def same(one: str | None, other: str | None) -> bool:
    """Whether two texts are one address, however it is spelled. What is no address equals nothing."""
    try:
        return one is not None and other is not None and address(one) == address(other)
    except ValueError:
        return False


def mentioned(text: str) -> Address | None:
    """The address that a text consists of: alone, with a prefix length, or as the host of a URL. Else None."""
    host = (text.partition("://")[2] or text).partition("/")[0]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if not _DIGITS.fullmatch(host):
        return None
    try:
        return address(host)
    except ValueError:
        return None


def reserved(block: Block) -> str:
    """The range of ``RESERVED`` that ``block`` overlaps, with its use; empty when nodes can have addresses in it."""
    for taken, use in RESERVED:
        if taken.version == block.version and taken.overlaps(block):
            return f"{taken}: {use}"
    return ""


def unroutable(block: Block) -> bool:
    """Whether packets to all of ``block`` are never forwarded by a router."""
    return any(
        str(taken) in UNROUTABLE and taken.version == block.version and block.subnet_of(taken)  # type: ignore[arg-type]
        for taken, _use in RESERVED
    )
