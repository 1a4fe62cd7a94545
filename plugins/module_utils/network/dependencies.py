# SPDX-License-Identifier: Apache-2.0
"""Which device depends on which: one graph over all relations of a configuration, in which no cycle may be.

A VLAN, a partition and a VF depend on their parent, a bond, a bridge and a DPDK port on their members, an internal port
of Open vSwitch on its bridge, and a tunnel on the device through which its packets leave. The kernel refuses some of
these cycles (ELOOP of netdev_master_upper_dev_link()) and forwards packets in circles in others. Patch ports have no
order, so bridges that they connect in a ring are found apart from the graph.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Device

#: Device -> what it depends on: name of the other device, and the relation in words.
Graph = Mapping[str, Sequence[tuple[str, str]]]

_OVS_BRIDGES = frozenset({"ovs_bridge", "ovs_user_bridge"})


def internal(device: Device, by_name: Mapping[str, Device]) -> bool:
    """Whether a device is an internal port of an OVS bridge with a tag, and not a VLAN of the kernel."""
    master = by_name.get(device.master or "")
    return device.kind == "vlan" and device.parent is None and master is not None and master.kind in _OVS_BRIDGES


def graph(by_name: Mapping[str, Device]) -> dict[str, list[tuple[str, str]]]:
    """The dependencies of all devices, by name. A relation to a device that is not there is left out."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in by_name}
    for name, device in by_name.items():
        if device.parent in found:
            found[name].append((str(device.parent), "is on"))
        if device.master in found:
            if internal(device, by_name):
                found[name].append((str(device.master), "is a port inside of"))
            else:
                found[str(device.master)].append((name, "has the member"))
        elif device.bridge in found:
            found[str(device.bridge)].append((name, "has the member"))
        if device.kind == "ovs_tunnel" and not _apart(device, by_name):
            carrier = _carrier(device, by_name)
            if carrier is not None:
                found[name].append((carrier, "sends its packets through"))
    return found


def _columns(device: Device, by_name: Mapping[str, Device], table: str) -> dict[str, str]:
    """Columns of a row of a device in Open vSwitch that some device of the configuration sets."""
    return {
        one.column: one.value
        for other in by_name.values()
        for one in other.ovs_settings
        if one.table == table and one.record == device.name and one.key is None
    }


def _apart(port: Device, by_name: Mapping[str, Device]) -> bool:
    """Whether a port may have other packets than the rest of its bridge: by a VLAN, flows or a spanning tree."""
    bridge = by_name.get(port.master or port.bridge or "")
    if bridge is None or bridge.fail_mode == "secure":
        return True
    if {"tag", "trunks", "vlan_mode"} & set(_columns(port, by_name, "Port")):
        return True
    rows = _columns(bridge, by_name, "Bridge")
    return rows.get("fail_mode") == "secure" or "true" in (rows.get("stp_enable"), rows.get("rstp_enable"))


def _carrier(tunnel: Device, by_name: Mapping[str, Device]) -> str | None:
    """The device through which a tunnel's packets leave: it has the tunnel's own address, else the peer's subnet."""
    options = {one.key: one.value for one in tunnel.ovs_settings if one.column == "options"}
    best: tuple[int, str] | None = None
    for name, device in by_name.items():
        for address in device.addresses:
            if options.get("local_ip") and _is(options["local_ip"], address.ip):
                return name
            if "local_ip" not in options and _within(options.get("remote_ip", ""), address.network):
                best = max(best or (0, ""), (address.network.prefixlen, name))
    return best[1] if best is not None else None


def _is(text: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return ipaddress.ip_address(text) == address
    except ValueError:
        return False


def _within(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(text) in network
    except ValueError:
        return False


def of_kernel(edges: Graph, by_name: Mapping[str, Device]) -> Graph:
    """The dependencies of devices that the kernel stacks itself: VLANs, partitions, bonds and bridges of its own."""
    stacked = frozenset({"vlan", "ib_child_interface", "linux_bond", "linux_bridge"})
    return {
        name: others if by_name[name].kind in stacked and not internal(by_name[name], by_name) else ()
        for name, others in edges.items()
    }


def levels(edges: Graph) -> dict[str, int]:
    """How many devices are on top of each other up to each one, itself included; without those on a cycle."""
    above: dict[str, list[str]] = {}
    waits = {name: len(others) for name, others in edges.items()}
    for name, others in edges.items():
        for other, _relation in others:
            above.setdefault(other, []).append(name)
    found = {name: 1 for name, count in waits.items() if not count}
    ready = list(found)
    while ready:
        name = ready.pop()
        for upper in above.get(name, ()):
            waits[upper] -= 1
            if not waits[upper]:
                found[upper] = 1 + max(found[other] for other, _relation in edges[upper])
                ready.append(upper)
    return found


def beneath(edges: Graph, name: str) -> set[str]:
    """Everything that a device depends on, also indirectly."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other, _relation in edges.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def cycles(edges: Graph) -> Iterator[list[tuple[str, str]]]:
    """Cycles of the graph, each as the names of its devices with their relation to the next one; none shares a device.

    Without the cycles that are found there is none left.
    """
    left = {name: list(others) for name, others in edges.items()}
    while cycle := _cycle(left):
        yield cycle
        for name, _relation in cycle:
            left.pop(name)


def _cycle(edges: Graph) -> list[tuple[str, str]]:
    """A cycle, found by a search in depth; empty when there is none."""
    done: set[str] = set()
    for start in edges:
        path: list[tuple[str, str]] = []
        on_path: dict[str, int] = {}
        stack = [(start, "", iter(edges[start]))] if start not in done else []
        while stack:
            name, _relation, others = stack[-1]
            on_path.setdefault(name, len(stack) - 1)
            for other, relation in others:
                if other in on_path:
                    path = [(one, stack[index + 1][1]) for index, (one, _, _) in enumerate(stack[:-1])]
                    return [*path[on_path[other] :], (name, relation)]
                if other in edges and other not in done:
                    stack.append((other, relation, iter(edges[other])))
                    break
            else:
                done.add(name)
                del on_path[name]
                stack.pop()
    return []


def rings(by_name: Mapping[str, Device]) -> Iterator[tuple[Device, list[str]]]:
    """Patch ports that close a ring of bridges: the port, and the bridges of the ring in order.

    A broadcast goes round in such a ring for ever. Not told of ports that an operator separates: by a tag or trunks, a
    spanning tree, or a bridge that forwards by flows alone (fail mode secure).
    """
    ways: dict[str, list[str]] = {}
    for name, port in by_name.items():
        peer = by_name.get(port.peer or "")
        if port.kind != "ovs_patch_port" or peer is None or peer.kind != "ovs_patch_port" or name > peer.name:
            continue
        ends = [one.master or one.bridge or "" for one in (port, peer)]
        if ends[0] == ends[1] or _apart(port, by_name) or _apart(peer, by_name):
            continue
        way = _way(ways, *ends)
        if way:
            yield port, way
        else:
            ways.setdefault(ends[0], []).append(ends[1])
            ways.setdefault(ends[1], []).append(ends[0])


def _way(ways: Mapping[str, Iterable[str]], start: str, end: str) -> list[str]:
    """The way from one bridge to another; empty when there is none."""
    before: dict[str, str] = {start: ""}
    waiting = [start]
    while waiting:
        here = waiting.pop(0)
        if here == end:
            way = [here]
            while before[way[0]]:
                way.insert(0, before[way[0]])
            return way
        for other in ways.get(here, ()):
            if other not in before:
                before[other] = here
                waiting.append(other)
    return []
