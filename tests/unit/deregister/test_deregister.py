# SPDX-License-Identifier: Apache-2.0
"""Forgetting nodes, against a fake connection with the attributes of openstacksdk's that are used."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.deregister import forget, read, refusals
from ansible_collections.ozone.openstack.plugins.module_utils.generation.scale import scale_down_refusals


class FakeConnection:
    """A cloud with three compute nodes; remembers what was deleted."""

    def __init__(self, servers: list[Any]) -> None:
        self.deleted: list[str] = []
        hosts = ("compute1", "compute2", "compute10")
        services = [SimpleNamespace(id=f"s-{host}", host=host, binary="nova-compute") for host in hosts]
        agents = [SimpleNamespace(id=f"a-{host}", host=host, binary="neutron-ovn-agent") for host in hosts]
        self.compute = SimpleNamespace(
            servers=lambda **_: servers,
            services=lambda: services,
            delete_service=lambda identifier, **_: self.deleted.append(identifier),
        )
        self.network = SimpleNamespace(
            agents=lambda: agents, delete_agent=lambda identifier, **_: self.deleted.append(identifier)
        )


def test_names_are_exact() -> None:
    connection = FakeConnection([])
    assert forget(connection, read(connection, ["compute1"])) == [
        "nova-compute on compute1",
        "neutron-ovn-agent on compute1",
    ]
    assert connection.deleted == ["s-compute1", "a-compute1"]


def test_a_kind_that_is_not_asked_for_is_left_alone() -> None:
    connection = FakeConnection([])
    assert forget(connection, read(connection, ["compute1"], ["network"])) == ["neutron-ovn-agent on compute1"]
    assert connection.deleted == ["a-compute1"]


def test_a_node_with_instances_is_refused() -> None:
    server = SimpleNamespace(id="1", name="vm", compute_host="compute2")
    records = read(FakeConnection([server]), ["compute2", "compute1"])
    assert refusals(records) == [
        "compute2 still has 1 instances (vm (1)): migrate, evacuate or delete them",
    ]


def _cloud(members: int, **rule: Any) -> dict[str, Any]:
    nodes = [{"name": f"c{number}"} for number in range(members)]
    return {
        "nodes": nodes,
        "catalogue": {"db": {"components": {"main": rule}}},
        "members": {"db": {"main": nodes}},
    }


@pytest.mark.parametrize(
    ("members", "rule", "leaving", "words"),
    [
        (3, {"quorum": True, "min": 1}, ["c0"], ""),
        (3, {"quorum": True, "min": 1}, ["c0", "c1"], "lose its quorum: take at most 1 of its 3"),
        (1, {"min": 1}, ["c0"], "0 of its 1 members left"),
        (2, {"min": 2}, ["c0"], "1 of its 2 members left"),
        (3, {}, ["c9"], "no node c9"),
        (5, {"quorum": True}, ["c0", "c1"], ""),
        (4, {"quorum": True}, ["c0", "c1"], "take at most 1 of its 4"),
    ],
)
def test_what_a_service_would_not_survive_is_refused(
    members: int, rule: dict[str, Any], leaving: list[str], words: str
) -> None:
    refused = scale_down_refusals(_cloud(members, **rule), ["db"], leaving)
    assert bool(refused) == bool(words)
    assert words in "; ".join(refused)
