# SPDX-License-Identifier: Apache-2.0
"""Addresses with ports, as each program reads them. The readers here are those programs' own rules, or Python's."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils import endpoint
from ansible_collections.ozone.openstack.plugins.module_utils.generation import oslo
from ansible_collections.ozone.openstack.plugins.module_utils.services.nova import cell_templates

addresses = st.ip_addresses().map(str)
ports = st.integers(1, 65535)

#: The expressions with which python-memcached 1.62 reads a server (class ``_Host``).
INET6 = re.compile(r"^inet6:\[(?P<host>[^\[\]]+)\](:(?P<port>[0-9]+))?$")
INET = re.compile(r"^(?P<host>[^:]+)(:(?P<port>[0-9]+))?$")


@given(addresses, ports)
def test_a_url_gives_address_and_port_back(address: str, port: int) -> None:
    parts = urlsplit(endpoint.url("https", address, port, "/v3"))
    assert (ipaddress.ip_address(str(parts.hostname)), parts.port, parts.path) == (
        ipaddress.ip_address(address), port, "/v3",
    )  # fmt: skip


@given(addresses, ports)
def test_python_memcached_connects_by_the_version_of_the_address(address: str, port: int) -> None:
    server = endpoint.memcached(address, port)
    found = INET6.match(server) if ipaddress.ip_address(address).version == 6 else INET.match(server)
    assert found is not None
    assert (found["host"], found["port"]) == (address, str(port))


def test_a_server_of_memcached_is_written_for_the_client_of_the_backend() -> None:
    assert endpoint.memcached("fd00::1", 11211) == "inet6:[fd00::1]:11211"
    assert endpoint.memcached("fd00::1", 11211, "dogpile.cache.memcached") == "inet6:[fd00::1]:11211"
    assert endpoint.memcached("fd00::1", 11211, "dogpile.cache.pymemcache") == "[fd00::1]:11211"
    assert oslo.cache_section(["fd00::1"])["memcache_servers"] == ["inet6:[fd00::1]:11211"]
    assert oslo.cache_section(["198.18.0.1"])["memcache_servers"] == ["198.18.0.1:11211"]


@given(addresses, ports)
def test_rabbitmq_takes_what_follows_the_last_colon_for_the_port(address: str, port: int) -> None:
    host, _, number = endpoint.rabbitmq_listener(address, port).rpartition(":")
    assert (host, number) == (address, str(port))


@pytest.mark.parametrize(
    ("address", "remote", "host"),
    [("198.18.0.1", "tcp:198.18.0.1:6641", "198.18.0.1"), ("fd00::1", "tcp:[fd00::1]:6641", "[fd00::1]")],
)
def test_ovsdb_and_galera(address: str, remote: str, host: str) -> None:
    assert endpoint.ovsdb(address, 6641) == remote
    assert endpoint.host_list([address, address]) == f"{host},{host}"


def filled(template: str, url: str) -> str:
    """What ``nova.objects.cell_mapping.CellMapping._format_url`` of Nova 33 makes of a template."""
    parts = urlsplit(url)
    words = {
        "scheme": parts.scheme, "username": parts.username, "password": parts.password, "hostname": parts.hostname,
        "port": parts.port, "path": parts.path.lstrip("/"), "query": parts.query,
    }  # fmt: skip
    places = parts.netloc.split(",")
    for number, place in enumerate(places if len(places) > 1 else [], start=1):
        login, _, host = place.partition("@")
        words[f"username{number}"], _, words[f"password{number}"] = login.partition(":")
        if host.startswith("["):  # its port keeps the colon
            words[f"hostname{number}"], _, words[f"port{number}"] = host[1:].partition("]")
        else:
            words[f"hostname{number}"], _, words[f"port{number}"] = host.partition(":")
    return template.format(**words)


@pytest.mark.parametrize("hosts", [["198.18.0.1"], ["fd00::1"], ["198.18.0.1", "198.18.0.2"], ["fd00::2", "fd00::1"]])
def test_nova_fills_in_the_urls_of_its_cells(hosts: list[str]) -> None:
    members = [{"addresses": {"internal": host}} for host in hosts]
    cloud = {"traffic": {"message_queue": "internal"}, "members": {"rabbitmq": {"main": members}}}
    templates = cell_templates(cloud, hosts[0])
    queue = oslo.transport_url("nova", "p@ss/word", hosts, "nova")
    database = oslo.database_url("nova", "p@ss/word", hosts[0], 3306, "nova")
    assert filled(templates["queue"], queue) == f"{queue}?"
    assert filled(templates["database"], database) == database
    assert filled(templates["cell0"], database) == database.replace("/nova?", "/nova_cell0?")
