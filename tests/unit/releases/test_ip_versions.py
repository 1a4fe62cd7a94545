# SPDX-License-Identifier: Apache-2.0
"""Every service of every node of a cloud over IPv6 is what it is over IPv4, with the addresses exchanged.

A cloud is rendered twice: once as it is, once with some or all of its networks as IPv6, host by host the same. The text
of the first one, with its addresses replaced (in brackets where a port follows), has to be the text of the second one.
The exceptions are in ``PARTICULAR``: programs that do not read RFC 3986, or that have to be told the version.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from release_clouds import CLOUDS, edited, render

RELEASE = "2026.1"
#: Cloud -> variants: networks that are IPv6. External networks stay as they are: floating addresses are IPv4.
VARIANTS: dict[str, list[tuple[str, ...]]] = {
    "several": [("management", "internal", "tunnel", "public")],
    "multinode": [("internal",), ("tunnel",), ("management", "public")],
    "conductors": [("provisioning", "internal")],
}
CASES = [(cloud, networks) for cloud, variants in VARIANTS.items() for networks in variants]

V4 = re.compile(r"(?<![\d.])(198\.18\.\d+\.\d+)(:\d+)?(?![\d.])")
V6 = re.compile(r"fd00:[0-9a-f:]+")

Texts = dict[str, str]


def sixth(address: str) -> str:
    """198.18.9.73 as an IPv6 address: fd00:198:18:9::49."""
    one, two, three, four = address.split(".")
    return str(ip_address(int(ip_address(f"fd00:{one}:{two}:{three}::")) + int(four)))


def over_ipv6(definition: Mapping[str, Any], networks: tuple[str, ...]) -> dict[str, Any]:
    """The definition with IPv6 subnets of as many addresses in some networks."""
    data = copy.deepcopy(dict(definition))
    for name in networks:
        for subnet in data["networks"][name]["subnets"].values():
            for key, value in subnet.items():
                if key == "cidr":
                    subnet[key] = f"{sixth(value.partition('/')[0])}/120"
                else:
                    subnet[key] = [sixth(end) for end in value] if isinstance(value, list) else sixth(value)
    return data


def texts(services: Mapping[str, Any]) -> Texts:
    """What a node gets: each file, and the rest of each generation (commands, health checks, quadlets)."""
    found: Texts = {}
    for service, rendered in services.items():
        manifest, contents = rendered["manifest"], rendered["contents"]
        files = {file["path"]: file for file in manifest["files"]}
        for name, container in manifest["containers"].items():
            files |= {f"{name}/{file['path']}": file for file in container["files"]}
        found |= {f"{service} {path}": contents[file["sha256"]] for path, file in files.items()}
        found[f"{service} manifest"] = re.sub(r"\b[0-9a-f]{64}\b", "", json.dumps(manifest, indent=1, sort_keys=True))
    return found


def ovn_ctl(text: str) -> str:
    """ovn-ctl appends ports to the addresses that it is given."""
    return re.sub(rf"(addr=)({V6.pattern})", r"\1[\2]", text)


def memcached(text: str) -> str:
    """python-memcached has a word for the address family."""
    return re.sub(r"(?m)^(memcached?_servers = .*)$", lambda line: re.sub(r"\[fd", "inet6:[fd", line[0]), text)


def rabbitmq(text: str) -> str:
    """What follows the last colon is the port."""
    return re.sub(rf"(?m)^(listeners\.tcp\.1 = )\[({V6.pattern})\]", r"\1\2", text)


def prefix(text: str) -> str:
    """The prefix length of systemd.network(5)."""
    return re.sub(rf"(Address={V6.pattern})/24", r"\1/120", text)


def overlay(text: str) -> str:
    """Neutron has to know how long the headers of its tunnels are."""
    return text.replace("overlay_ip_version = 4", "overlay_ip_version = 6")


def cells(text: str) -> str:
    """Nova fills in addresses without their brackets, and the ports of several hosts with their colon."""
    return re.sub(r"\{(hostname\d+)\}:", r"[{\1}]", text).replace("{hostname}", "[{hostname}]")


#: Expression for a file -> network that has to be IPv6, and what becomes of the text.
PARTICULAR: dict[str, tuple[str, Callable[[str], str]]] = {
    r"ovn /etc/default/ovn-central": ("internal", ovn_ctl),
    r"ovn /etc/systemd/network/.*": ("tunnel", prefix),
    r".*\.conf": ("internal", memcached),
    r"rabbitmq .*/rabbitmq\.conf": ("internal", rabbitmq),
    r"neutron .*/ml2_conf\.ini": ("tunnel", overlay),
    r"nova manifest": ("internal", cells),
}
#: Files in Erlang's words, and that name the loopback address: see tests/unit/engine/test_services.py.
ERLANG = re.compile(r"rabbitmq .*(/inetrc|/rabbitmq-env\.conf|/epmd\.socket\.d/50-ozone\.conf)")


def expected(path: str, text: str, networks: tuple[str, ...], subnets: set[str]) -> str:
    """The text of a file over IPv4, as it has to be over IPv6. ``subnets``: first three numbers of what changes."""

    def exchange(match: re.Match[str]) -> str:
        if match[1].rpartition(".")[0] not in subnets:
            return match[0]
        return f"[{sixth(match[1])}]{match[2]}" if match[2] else sixth(match[1])

    text = V4.sub(exchange, text)
    for pattern, (network, change) in PARTICULAR.items():
        if network in networks and re.fullmatch(pattern, path):
            text = change(text)
    return text


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, tuple[str, ...]], dict[str, Texts]]:
    """(cloud, networks that are IPv6) -> node -> texts; no networks: the cloud as it is."""
    definitions = {}
    for cloud, variants in VARIANTS.items():
        for networks in [(), *variants]:
            definitions[f"{cloud} {' '.join(networks)}".strip()] = over_ipv6(CLOUDS[cloud](RELEASE), networks)
    found = {}
    for name, nodes in render(tmp_path_factory.mktemp("ip_versions"), definitions).items():
        assert "error" not in nodes, f"{name}: {nodes['error']}"
        cloud, *networks = name.split()
        found[cloud, tuple(networks)] = {node: texts(services) for node, services in nodes.items()}
    return found


@pytest.mark.parametrize(("cloud", "networks"), CASES, ids=[f"{cloud}-{'-'.join(n)}" for cloud, n in CASES])
def test_ipv6_changes_addresses_and_nothing_else(rendered: Any, cloud: str, networks: tuple[str, ...]) -> None:
    definition = CLOUDS[cloud](RELEASE)["networks"]
    subnets = {sub["cidr"].rpartition(".")[0] for name in networks for sub in definition[name]["subnets"].values()}
    for node, plain in rendered[cloud, ()].items():
        six = rendered[cloud, networks][node]
        assert set(plain) == set(six)
        for path, text in plain.items():
            if not ERLANG.fullmatch(path):
                # In the order of their lines: addresses are sorted as text.
                wanted = sorted(expected(path, text, networks, subnets).splitlines())
                assert sorted(six[path].splitlines()) == wanted, f"{node}: {path}"


@pytest.mark.parametrize(("cloud", "networks"), CASES, ids=[f"{cloud}-{'-'.join(n)}" for cloud, n in CASES])
def test_an_ipv6_address_before_a_port_or_in_a_url_is_in_brackets(
    rendered: Any, cloud: str, networks: tuple[str, ...]
) -> None:
    found = 0
    for node, files in rendered[cloud, networks].items():
        for path, text in files.items():
            for line in text.splitlines():
                found += len(re.findall(r"\[fd00:[0-9a-f:]+\]:\d+", line))
                bare = re.search(r"(//|@|tcp:|=[a-z0-9]+:)fd00:", line)
                assert not bare, f"{node}: {path}: {line}"
    assert found >= (0 if networks == ("tunnel",) else 10)


def test_the_example_has_no_ipv4_address_but_the_floating_ones(tmp_path: Path) -> None:
    services = render(tmp_path, {"example": edited("ipv6", RELEASE)})["example"]["node1"]
    joined = "\n".join(texts(services).values())
    assert not V4.findall(joined)
    assert len(re.findall(r"\[fd00:[0-9a-f:]+\]:\d+", joined)) > 40
