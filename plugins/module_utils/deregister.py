# SPDX-License-Identifier: Apache-2.0
"""Forget nodes in the cloud's own records: compute services and network agents. For living and for dead nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Records:
    """What the cloud knows of the nodes: ``(id, host, binary)`` of services and agents, instances by host."""

    compute_services: list[tuple[str, str, str]] = field(default_factory=list)
    network_agents: list[tuple[str, str, str]] = field(default_factory=list)
    instances: dict[str, list[str]] = field(default_factory=dict)


def read(connection: Any, hosts: Iterable[str], kinds: Collection[str] = ("compute", "network")) -> Records:
    """The records of ``hosts``, over an openstacksdk connection of an administrator."""
    names = set(hosts)
    records = Records()
    if "compute" in kinds:
        for server in connection.compute.servers(details=True, all_projects=True):
            if server.compute_host in names:
                records.instances.setdefault(server.compute_host, []).append(f"{server.name} ({server.id})")
        records.compute_services.extend(
            (s.id, s.host, s.binary) for s in connection.compute.services() if s.host in names
        )
    if "network" in kinds:
        records.network_agents.extend((a.id, a.host, a.binary) for a in connection.network.agents() if a.host in names)
    return records


def refusals(records: Records) -> list[str]:
    """A node with instances is not forgotten: its allocations would stay behind, and the instances would be lost."""
    return [
        f"{host} still has {len(servers)} instances ({', '.join(sorted(servers)[:5])}): "
        "migrate, evacuate or delete them"
        for host, servers in sorted(records.instances.items())
    ]


def forget(connection: Any, records: Records) -> list[str]:
    """Delete the records; returns what was deleted.

    Deleting a compute service removes its resource provider and its cell mapping too (compute API 2.53). Neutron wants
    an agent to be stopped before it is deleted: one that still runs registers itself again.
    """
    for identifier, _, _ in records.compute_services:
        connection.compute.delete_service(identifier, ignore_missing=True)
    for identifier, _, _ in records.network_agents:
        connection.network.delete_agent(identifier, ignore_missing=True)
    return [f"{binary} on {host}" for _, host, binary in [*records.compute_services, *records.network_agents]]
