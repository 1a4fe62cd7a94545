# SPDX-License-Identifier: Apache-2.0
"""An address with a port, as each program reads it. No other module joins an address with a port.

Most programs read RFC 3986 (3.2.2: an IPv6 address is in brackets); those that do not have a function of their own,
which names the source of its grammar. The rule ``one_place_joins_addresses_and_ports`` of tests/structure keeps it so.
Addresses are IP addresses, or host names where a program takes one.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Ports of MariaDB, RabbitMQ and memcached.
MARIADB, RABBITMQ, MEMCACHED = 3306, 5672, 11211

#: Backends of oslo.cache whose client takes ``[address]:port``; that of all others (python-memcached) does not.
BRACKETS_IN_CACHE = frozenset({"dogpile.cache.pymemcache"})


def version(address: str) -> int:
    """The version of an IP address: 4 or 6. A host name counts as 4: nothing has to be put around it."""
    return 6 if ":" in address else 4


def url_host(address: str) -> str:
    """An address as the host of a URL: in brackets when it is an IPv6 address."""
    return f"[{address}]" if version(address) == 6 else address


def host_port(address: str, port: int | str) -> str:
    """``address:port``, with brackets around an IPv6 address."""
    return f"{url_host(address)}:{port}"


def url(scheme: str, address: str, port: int | str, path: str = "") -> str:
    """``scheme://address:port`` and a path that begins with a slash, or none."""
    return f"{scheme}://{host_port(address, port)}{path}"


def ovsdb(address: str, port: int) -> str:
    """A connection of an OVSDB client: ``tcp:address:port``, an IPv6 address in brackets (ovsdb(7))."""
    return f"tcp:{host_port(address, port)}"


def rabbitmq_listener(address: str, port: int) -> str:
    """``listeners.tcp.N`` of rabbitmq.conf: what follows the last colon is the port, and brackets are refused.

    Cuttlefish, ``cuttlefish_datatypes``: the part before is given to ``inet:parse_address``.
    """
    return f"{address}:{port}"


def memcached(address: str, port: int, backend: str = "oslo_cache.memcache_pool") -> str:
    """A server for a client of memcached.

    ``backend`` is that of oslo.cache. The client of all but pymemcache is python-memcached, also in keystonemiddleware:
    it takes any address for IPv4 unless ``inet6:[address]:port`` says otherwise (``memcache._Host``).
    """
    prefix = "inet6:" if version(address) == 6 and backend not in BRACKETS_IN_CACHE else ""
    return prefix + host_port(address, port)


def host_port_template(address: str, host: str, port: str, colon: bool) -> str:
    """Placeholders that another program replaces by the host and the port of ``address``.

    It replaces ``host`` by an IPv6 address without brackets. ``colon``: also ``port`` is only the port then.
    """
    if version(address) == 6:
        return f"[{host}]:{port}" if colon else f"[{host}]{port}"
    return f"{host}:{port}"


def host_list(addresses: Iterable[str]) -> str:
    """Hosts of a URL that names several without ports (Galera's ``gcomm://``)."""
    return ",".join(url_host(address) for address in addresses)
