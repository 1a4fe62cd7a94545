# SPDX-License-Identifier: Apache-2.0
"""A node whose network is ours: its configuration, what to look at in it, and runs of Ansible in the background."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.lab.cloud import await_true
from tests.lab.machines import Machine, Result
from tests.lab.switches import address

Config = list[dict[str, Any]]

TOOL = "python3 -I /usr/lib/ozone/ozone-network"
DIRECTORY = "/etc/systemd/network"

#: A window that is long enough for a machine without hardware acceleration, and short enough to be waited for.
WINDOW = 30

#: Where the operator reaches the node.
OPERATOR, STORAGE = address(100, 10), address(101, 10)


def bond(name: str = "bond0", members: Sequence[str] = ("nic1", "nic2"), mode: str = "active-backup") -> dict[str, Any]:
    """A bond of the kernel."""
    lacp = " lacp_rate=fast" if mode == "802.3ad" else ""
    return {
        "type": "linux_bond",
        "name": name,
        "bonding_options": f"mode={mode} miimon=100{lacp}",
        "members": [{"type": "interface", "name": member} for member in members],
    }


def vlan(
    number: int = 100, device: str = "bond0", host: int = 10, *, gateway: int | None = None, **more: Any
) -> dict[str, Any]:
    """A VLAN with an address of its subnet, and the default route when ``gateway`` is given."""
    routes = {"routes": [{"default": True, "next_hop": address(number, gateway)}]} if gateway is not None else {}
    return {
        "type": "vlan",
        "device": device,
        "vlan_id": number,
        "addresses": [{"ip_netmask": f"{address(number, host)}/24"}],
        **routes,
        **more,
    }


def base(*more: Mapping[str, Any], gateway: int = 1) -> Config:
    """The node of most tests: a bond of two NICs on two switches with the operator's VLAN, and what a test adds."""
    return [bond(), vlan(100, gateway=gateway), *copy.deepcopy([dict(item) for item in more])]


def story(machine: Machine) -> dict[str, Any]:
    """What the node itself tells of its network."""
    told: dict[str, Any] = json.loads(machine.inside(f"{TOOL} status").out)
    return told


def network(machine: Machine) -> dict[str, Any]:
    """All that a change of the network may change, and that must be the same again when it was taken back."""
    script = (
        "ip -j -d address show; ip -j route show table all; ip -j -6 route show table all; ip -j rule; "
        "cd /etc/systemd && find . -type f | sort | xargs sha256sum; "
        "(ovs-vsctl --timeout=5 -f csv --columns=name,external_ids,fail_mode,other_config list bridge; "
        "ovs-vsctl --timeout=5 -f csv --columns=name,tag,external_ids,lacp,bond_mode list port) | sort"
    )
    lines = machine.inside(script, 60).out.split("\n", 4)
    links, four, six, rules = (json.loads(line) for line in lines[:4])
    return {"links": _links(links), "routes": sorted([*_routes(four), *_routes(six)]), "rules": rules, "rest": lines[4]}


def _links(links: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        link["ifname"]: {
            "mtu": link["mtu"],
            "up": "UP" in link["flags"],
            "carrier": "LOWER_UP" in link["flags"],
            "master": link.get("master", ""),
            "below": link.get("link", ""),
            "vlan": link.get("linkinfo", {}).get("info_data", {}).get("id"),
            "addresses": sorted(f"{found['local']}/{found['prefixlen']}" for found in link["addr_info"]),
        }
        for link in links
        if link
    }


def _routes(routes: list[dict[str, Any]]) -> list[str]:
    keys = ("dst", "gateway", "dev", "table", "metric", "protocol")
    return [
        " ".join(f"{key}={route[key]}" for key in keys if key in route) for route in routes if "fe80" not in str(route)
    ]


def links(machine: Machine) -> dict[str, Any]:
    """The links of a machine."""
    return _links(json.loads(machine.inside("ip -j -d address show").out))


def members(machine: Machine, name: str = "bond0") -> dict[str, str]:
    """Members of a bond and the state of their links: up or down."""
    found, current = dict[str, str](), ""
    for line in machine.inside(f"cat /proc/net/bonding/{name}").out.splitlines():
        key, _, value = line.partition(": ")
        if key == "Slave Interface":
            current = value
        elif key == "MII Status" and current:
            found[current] = value
    return found


def await_members(machine: Machine, wanted: Mapping[str, str], name: str = "bond0", limit: float = 20) -> None:
    """Wait until a bond has these members in these states."""
    await_true(f"{name} has {dict(wanted)}", lambda: members(machine, name) == wanted, limit)


def await_story(machine: Machine, limit: float, **wanted: str) -> dict[str, Any]:
    """Wait for what the node tells of itself, such as ``state="verified"``."""
    told: dict[str, Any] = {}

    def there() -> bool:
        done = machine.inside(f"{TOOL} status", 30, check=False)
        told.clear()
        told.update(json.loads(done.out) if done.code == 0 else {})
        return all(told.get(key) == value for key, value in wanted.items())

    try:
        await_true(str(wanted), there, limit)
    except AssertionError as error:
        raise AssertionError(f"{error}; the node says {told}") from error
    return told


def fine(machine: Machine, result: Result, status: str = "ok") -> None:
    """A run has gone well, the node says the same, and can be reached."""
    assert result.code == 0, result.returned.get("msg")
    assert result.returned["status"] == status, result.returned
    told = story(machine)
    assert (told["status"], told["problems"]) == (status, []), told
    assert machine.reachable()
    machine.inside("test ! -e /var/lib/ozone/network/pending.json")


def went_back(machine: Machine, result: Result, before: Mapping[str, Any], reason: str) -> None:
    """A run has failed and says why; the node has its old network again, says the same, and can be reached."""
    assert result.code != 0
    assert result.returned["reverted"] is True, result.returned
    assert result.returned["status"] == "reverted"
    assert reason in result.returned["reason"], result.returned["reason"]
    as_before(machine, before, reason)


def as_before(machine: Machine, before: Mapping[str, Any], reason: str) -> None:
    """The node went back: inside all is as it was, and from outside it can be reached."""
    told = story(machine)
    assert told["status"] == "reverted", told
    assert reason in told["reverted"]["reason"], told
    assert told["reverted"]["problems"] == [], told
    assert network(machine) == before
    assert machine.reachable()
    leftovers = machine.inside(
        "ls -A /var/lib/ozone/network/pending.json /etc/systemd/network/.*.ozone-* 2>/dev/null; "
        "systemctl list-units --all --no-legend 'ozone-network-revert-*' 'ozone-network-apply-*'", check=False,
    ).out  # fmt: skip
    assert leftovers == "", leftovers


class Background:
    """A run of ``network_config`` that goes on while the test does something to the node."""

    def __init__(self, machine: Machine, config: Config, **arguments: Any) -> None:
        self._result: list[Result | BaseException] = []
        self.begin = time.monotonic()

        def work() -> None:
            try:
                self._result.append(machine.configure(config, **arguments))
            except BaseException as error:
                self._result.append(error)

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def result(self, limit: float = 200) -> Result:
        """Wait for its end."""
        self._thread.join(limit)
        assert self._result, f"the run is not over after {limit} s"
        result = self._result[0]
        if isinstance(result, BaseException):
            raise result
        return result


def trap(machine: Machine, condition: str, command: str) -> None:
    """Have the node do something to itself at the very moment when a condition of the shell comes true."""
    machine.inside(
        f"systemd-run --quiet --collect --unit=trap bash -c 'until {condition}; do sleep 0.02; done; {command}'"
    )


def quiet(machine: Machine, since: float) -> None:
    """Nobody asked for an address or a router, nobody runs who would, and no file of ours says that anybody may."""
    assert machine.dhcp_packets(since=since) == []
    asking = machine.inside(
        f"grep -riE 'dhcp|acceptra' {DIRECTORY}/05-ozone-* {DIRECTORY}/.05-ozone-* 2>/dev/null "
        "| grep -vE ':(DHCP|IPv6AcceptRA)=no$'; "
        "pgrep -ax 'dhclient|dhcpcd|udhcpc|dhcp6c|pump'; ls -A /run/systemd/netif/leases 2>/dev/null; true"
    ).out  # fmt: skip
    assert asking == ""
