# SPDX-License-Identifier: Apache-2.0
"""What a verb that destroys would take away, in words: shown instead of doing it while it is not confirmed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Verbs that destroy, with what the operator confirms.
VERBS = {
    "scale_down": "takes the services off nodes",
    "unprovision": "wipes bare-metal nodes",
    "rebuild": "writes the root disks of bare-metal nodes anew",
    "deallocate": "takes bare-metal nodes back from those who have them",
    "lab_down": "removes the lab with all its data",
}

#: Component -> what the members that stay forget of a node that leaves.
REGISTRATIONS = {
    ("nova", "compute"): "its compute service in Nova",
    ("neutron", "agent"): "its network agents in Neutron",
    ("ovn", "chassis"): "its chassis in OVN",
}


def _components(cloud: Mapping[str, Any], node: str) -> list[tuple[str, str]]:
    """Service and component of all that runs on a node, in the order in which it is removed."""
    members = cloud["members"]
    return [
        (service, component)
        for service in reversed(cloud["services"])
        for component, nodes in members.get(service, {}).items()
        if node in [member["name"] for member in nodes]
    ]


def _at(cloud: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    return f"{node['name']} ({node['addresses'].get(cloud['traffic']['management'], 'no address')})"


def leaving(cloud: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """What ``scale_down`` takes from nodes: their services, their configuration, what the others know of them.

    :param cloud: the host variable ``ozone_cloud``.
    """
    lines: list[str] = []
    by_name = {node["name"]: node for node in cloud["nodes"]}
    for name in sorted(set(names) & set(by_name)):
        where, parts = _at(cloud, by_name[name]), _components(cloud, name)
        said = [service if part == "main" else f"{service} {part}" for service, part in parts]
        lines.append(f"{where}: stops and removes {', '.join(said)}, with their configuration")
        forgotten = [text for key, text in REGISTRATIONS.items() if key in parts]
        if forgotten:
            lines.append(f"{where}: the cloud forgets {', '.join(forgotten)}")
        lines.append(f"{where}: data of the services stay on its disks, and no longer belong to the cloud")
    return lines


def lab(cloud: Mapping[str, Any]) -> list[str]:
    """What ``lab_down`` removes: each node with its disk, and the networks."""
    lines = [
        f"{_at(cloud, node)}: the node, with all that is on its disk"
        + (f": {', '.join(dict.fromkeys(service for service, _ in parts))}" if parts else "")
        for node in cloud["nodes"]
        if (parts := _components(cloud, node["name"])) or not node["managed"]
    ]
    return [*lines, f"networks of the lab on this computer: {', '.join(sorted(cloud['networks']))}"]


def machines(outcomes: Iterable[Mapping[str, Any]], declared: Iterable[Mapping[str, Any]]) -> list[str]:
    """What happens to bare-metal nodes.

    :param outcomes: ``nodes`` of ``baremetal_fleet`` in check mode.
    :param declared: the variable ``ozone_machines``, whose disks to preserve are named.
    """
    kept = {machine["name"]: machine["instance"]["preserve"] for machine in declared}
    lines = []
    for outcome in outcomes:
        if outcome["status"] != "changed":
            continue
        name = outcome["name"]
        hints = [", ".join(f"{key}={value}" for key, value in hint.items()) for hint in kept.get(name, [])]
        disks = f"but for the disks {'; '.join(hints)}, which stay" if hints else "no disk is preserved"
        lines.append(f"{name}: {', '.join(outcome['summary'])}; all data are lost, {disks}")
    return lines


def allocations(freed: Mapping[str, str]) -> list[str]:
    """Which names give up their bare-metal nodes.

    :param freed: name of an allocation -> its node; "" when it has none.
    """
    return [
        f"{name}: gives up {f'bare-metal node {node}, which another name may then get' if node else 'its request'}"
        for name, node in sorted(freed.items())
    ]


def refusal(verb: str, cloud: str, lines: Iterable[str]) -> str:
    """The message of a verb that is not confirmed."""
    listed = "\n".join(f"  {line}" for line in lines)
    return (
        f"{verb} {VERBS[verb]} of the cloud {cloud}. Nothing has been changed yet. It would do this:\n{listed}\n"
        "Confirm it with -e ozone_confirm=true"
    )
