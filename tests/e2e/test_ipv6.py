# SPDX-License-Identifier: Apache-2.0
"""A cloud whose control plane has no IPv4 address, and a compute that joins it: tunnels over IPv6 need two nodes."""

from __future__ import annotations

import shlex
from typing import Any

from tests.lab.cloud import Cloud

NODE = "node1"


def test_an_instance_answers(ipv6: Cloud) -> None:
    assert ipv6.run("smoke").code == 0


def test_no_node_has_an_ipv4_address(ipv6: Cloud) -> None:
    assert ipv6.ssh(NODE, "ip -4 -brief address show scope global").strip() == ""
    assert ipv6.run("validate").code == 0


def test_a_second_run_changes_nothing(ipv6: Cloud) -> None:
    result = ipv6.run("deploy")
    assert result.code == 0
    assert result.statuses() == {"unchanged"}


def test_caches_are_used(ipv6: Cloud) -> None:
    """A client that cannot read the address of a cache goes on without it, and says nothing."""
    # The statistics of memcached are text, see doc/protocol.txt of its sources.
    cache = "/dev/tcp/$(sed -n 's/^-l //p' /etc/memcached.conf)/11211"
    ask = f"exec 3<>{cache}; printf 'stats\\r\\nquit\\r\\n' >&3; cat <&3"
    words = [line.split() for line in ipv6.ssh(NODE, f"bash -c {shlex.quote(ask)}").splitlines()]
    statistics = {word[1]: word[2] for word in words if len(word) == 3 and word[0] == "STAT"}
    assert int(statistics["cmd_set"]) > 0
    assert int(statistics["get_hits"]) > 0


def test_instances_on_two_nodes_reach_each_other_over_ipv6(ipv6: Cloud) -> None:
    def add(definition: dict[str, Any]) -> None:
        definition["nodes"]["compute1"] = {"profile": "compute"}

    ipv6.changed(add)
    assert ipv6.run("lab").code == 0
    assert ipv6.run("deploy").code == 0
    result = ipv6.run("smoke", "-e", f"{{ozone_smoke_computes: [{NODE}, compute1]}}")
    assert result.code == 0
    assert "with packets of 8922 bytes" in result.output  # 9000, less the headers of Geneve over IPv6
