# SPDX-License-Identifier: Apache-2.0
"""Whether nodes may be taken away from a service. Pure functions of the cloud definition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def scale_down_refusals(cloud: Mapping[str, Any], services: Iterable[str], leaving: Iterable[str]) -> list[str]:
    """Why ``leaving`` cannot be taken away from ``services``: one sentence for each reason, empty when they can.

    Names must be exact. The last member stays, and so does the majority of a quorum: a cluster that loses more than
    half of its members at once stops serving (Raft, and Galera's weighted quorum, alike).

    :param cloud: the host variable ``ozone_cloud``.
    """
    gone = set(leaving)
    known = {node["name"] for node in cloud["nodes"]}
    refusals = [f"there is no node {name} in cloud.yml: names have to be exact" for name in sorted(gone - known)]
    for service in services:
        rules = cloud["catalogue"].get(service, {}).get("components", {})
        for component, nodes in cloud["members"].get(service, {}).items():
            members = {node["name"] for node in nodes}
            if members & gone:
                what = service if component == "main" else f"{service} {component}"
                refusals += _refusals(what, rules.get(component, {}), len(members), len(members - gone))
    return refusals


def _refusals(what: str, rule: Mapping[str, Any], members: int, stay: int) -> list[str]:
    if stay < max(1, int(rule.get("min", 1))):
        return [f"{what} would have {stay} of its {members} members left"]
    if rule.get("quorum") and stay <= members // 2:
        most = (members - 1) // 2
        return [f"{what} would lose its quorum: take at most {most} of its {members} members at a time"]
    return []
