# SPDX-License-Identifier: Apache-2.0
"""A node in a temporary directory: real files, and a kernel, a systemd, a networkd and an Open vSwitch that remember.

NICs hang on segments ("lan"); a VLAN on them leads to the segment "lan.100". A gateway answers on the link that leads
to its segment and has an address of its subnet. ``fuse`` kills the process before its n-th change of the machine.
"""

from __future__ import annotations

import copy
import errno
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.network import tool
from ansible_collections.ozone.openstack.plugins.module_utils.network.tool import Host, Result

CHANGES = ("run", "create", "mkdir", "replace", "unlink", "symlink", "knock")
WRITES = ("create", "mkdir", "symlink")
NETWORK = "/etc/systemd/network"
OK = Result(0, "", "")


class Killed(BaseException):
    """The process is gone."""


@dataclass
class SimLink:
    """A link of the simulated kernel. ``segment``: of a NIC, where its cable leads; "" for none."""

    kind: str = ""
    mac: str = "52:54:00:00:00:01"
    mtu: int = 1500
    segment: str = ""
    vlan: int = 0
    parent: str = ""
    master: str = ""
    addresses: set[str] = field(default_factory=set)
    routes: set[tuple[str, str]] = field(default_factory=set)  # destination, gateway
    managed: bool = False
    mode: str = ""
    index: int = 0
    up: bool = True
    duplicate: bool = False
    tentative: bool = False


class Node(Host):
    """The machine."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.now, self.booted = 1000.0, "boot-1"
        self.links: dict[str, SimLink] = {}
        self.index = 0
        self.gateways: dict[str, str] = {}  # gateway -> segment
        self.lacp: set[str] = set()  # segments whose switch speaks LACP
        self.states: dict[str, str] = {}  # neighbours: "link gateway" -> state
        self.networkd = True
        self.stubborn = False  # networkd does not make a link again that somebody deleted, unless it is restarted
        self.seen_files: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.enabled = {"systemd-networkd.service"}
        self.timers: dict[str, tuple[float, list[str]]] = {}
        self.services: list[tuple[str, list[str], list[str]]] = []
        self.ovs: dict[str, set[str]] = {}
        self.ovs_down = self.vswitchd_down = False
        self.ovs_errors: dict[str, str] = {}
        self.failing: dict[str, Result] = {}  # by a part of a command line
        self.calls: list[str] = []
        self.announced: list[str] = []  # "device address mac"
        self.fuse: int | None = None
        self.steps = 0
        self.dead = False
        self.full: str | tuple[str, ...] | None = None  # beginnings of the paths that find no space
        self.trace: list[str] = []
        self.nic("lo", "", kind="loopback")
        for path in (NETWORK, "/run", "/var/lib/ozone/network", "/usr/bin", "/etc/network", "/sys/class/net"):
            os.makedirs(self.at(path), exist_ok=True)

    # -- death ---------------------------------------------------------------------------------------------------------

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name not in CHANGES:
            return value

        def guarded(*arguments: Any, **keywords: Any) -> Any:
            if self.dead:
                raise Killed
            if name != "run" or not reading(arguments[0]):
                self.steps += 1
                self.trace.append(f"{name} {arguments[0]}")
                if self.fuse is not None and self.steps > self.fuse:
                    self.dead = True
                    if name == "create":
                        Path(self.at(arguments[0])).write_bytes(arguments[1][: len(arguments[1]) // 2])
                    raise Killed
            if (
                self.full is not None
                and name in WRITES
                and str(arguments[-1 if name == "symlink" else 0]).startswith(self.full)
            ):
                raise OSError(errno.ENOSPC, "No space left on device", arguments[0])
            return value(*arguments, **keywords)

        return guarded

    # -- the machine ---------------------------------------------------------------------------------------------------

    def clock(self) -> float:
        return self.now

    def time(self) -> float:
        return 1e9 + self.now

    def boot(self) -> str:
        return self.booted

    def sleep(self, seconds: float) -> None:
        if self.dead:
            raise Killed
        self.now += seconds

    def exists(self, path: str) -> bool:
        name = path.removeprefix("/sys/class/net/")
        return name in self.links if name != path and "/" not in name else super().exists(path)

    def nic(self, name: str, segment: str, **keys: Any) -> SimLink:
        self.index += 1
        keys.setdefault("mac", f"52:54:00:00:00:{self.index:02x}")
        self.links[name] = SimLink(segment=segment, index=self.index, **keys)
        return self.links[name]

    def carrier(self, name: str) -> bool:
        return bool(self.where(name))

    def where(self, name: str) -> str:
        """The segment that a link leads to; "" without carrier."""
        link = self.links.get(name)
        if link is None or not link.up:
            return ""
        if link.kind == "vlan":
            below = self.where(link.parent)
            return f"{below}.{link.vlan}" if below else ""
        if link.kind in ("bond", "bridge"):
            members = [self.where(other) for other, member in self.links.items() if member.master == name]
            return next((segment for segment in members if segment), "")
        return "host" if link.kind in ("loopback", "openvswitch") else link.segment

    def answers(self, name: str, gateway: str) -> bool:
        segment = self.gateways.get(gateway)
        link = self.links.get(name)
        if segment is None or link is None or link.master or self.where(name) != segment:
            return False
        return any(ipaddress.ip_address(gateway) in ipaddress.ip_interface(a).network for a in link.addresses)

    def knock(self, address: str, device: str) -> None:
        self.states[f"{device} {address}"] = "REACHABLE" if self.answers(device, address) else "FAILED"

    def announce(self, address: str, device: str, mac: str) -> None:
        self.announced.append(f"{device} {address} {mac}")

    # -- commands ------------------------------------------------------------------------------------------------------

    def run(self, argv: Sequence[str], timeout: float = 0) -> Result:
        line = " ".join(argv)
        self.calls.append(line)
        for words, result in self.failing.items():
            if words in line:
                return result
        return getattr(self, "_" + argv[0].replace("-", "_"))(list(argv[1:]))

    def _env(self, words: list[str]) -> Result:
        return self._systemctl(words[words.index("systemctl") + 1 :])

    def _ip(self, words: list[str]) -> Result:
        words = [word for word in words if not word.startswith("-")] if "-j" not in words else words
        if "address" in words and "show" in words:
            return self._json([self._link(name, link) for name, link in self.links.items()])
        if "route" in words and "show" in words:
            six = "-6" in words
            return self._json(
                [
                    {"type": "unicast", "dst": to, "dev": name, "table": "254", "protocol": "4", "metric": 0}
                    | ({"gateway": via} if via else {})
                    for name, link in self.links.items()
                    for to, via in sorted(link.routes)
                    if (":" in via) == six
                ]
            )
        if "neighbour" in words:
            gateway, link = (words[4], words[6]) if "show" in words else (words[2], words[4])
            key = f"{link} {gateway}"
            if "show" in words:
                state = self.states.get(key)
                known = {"lladdr": "52:54:00:ff:00:01"} if state in ("REACHABLE", "STALE") else {}
                return self._json([{"dst": gateway, "state": [state], **known}] if state else [])
            if "delete" in words:
                del self.states[key]
            else:
                self.states[key] = "REACHABLE" if self.answers(link, gateway) else "FAILED"
            return OK
        if words[:2] == ["link", "delete"]:
            return self._delete(words[3])
        named = self.links.get(words[words.index("dev") + 1])
        if named is None:
            return Result(1, "", "Cannot find device")
        if words[0] == "address":
            (named.addresses.add if words[1] == "replace" else named.addresses.discard)(words[2])
            return OK
        if words[0] == "route":
            hop = (words[2], words[words.index("via") + 1] if "via" in words else "")
            (named.routes.add if words[1] == "replace" else named.routes.discard)(hop)
            return OK
        if words[:2] == ["link", "set"]:
            named.master = "" if "nomaster" in words else named.master
            return OK
        raise AssertionError(words)

    def _json(self, data: Any) -> Result:
        return Result(0, json.dumps(data), "")

    def _link(self, name: str, link: SimLink) -> dict[str, Any]:
        carrier = self.carrier(name)
        data: dict[str, Any] = {}
        if link.kind == "bond":
            data = {"mode": link.mode}
            if link.mode == "802.3ad":
                partner = "52:54:00:ee:00:01" if self.where(name) in self.lacp else tool.NO_PARTNER
                data["ad_info"] = {"partner_mac": partner}
        flags = [*(["UP"] if link.up else []), *(["LOWER_UP"] if carrier else ["NO-CARRIER"])]
        return {
            "ifname": name,
            "ifindex": link.index,
            "flags": flags,
            "mtu": link.mtu,
            "address": link.mac,
            "link_type": "loopback" if name == "lo" else "ether",
            **({"link": link.parent} if link.parent else {}),
            **({"master": link.master} if link.master else {}),
            **({"linkinfo": {"info_kind": link.kind, "info_data": data}} if link.kind not in ("", "loopback") else {}),
            "addr_info": [
                {
                    "family": "inet6" if ":" in address else "inet",
                    "local": address.split("/")[0],
                    "prefixlen": int(address.split("/")[1]),
                    "scope": "global",
                    **({"dadfailed": True} if link.duplicate else {}),
                    **({"tentative": True} if link.tentative else {}),
                }
                for address in sorted(link.addresses)
            ],
        }

    def _delete(self, name: str) -> Result:
        del self.links[name]
        self.deleted.add(name)
        for other, link in list(self.links.items()):
            if link.master == name:
                link.master = ""
            if link.parent == name:
                self._delete(other)
        return OK

    def _networkctl(self, words: list[str]) -> Result:
        if not self.networkd:
            return Result(1, "", "networkd is not running")
        if words[0] == "reload":
            self._networkd_reads(fresh=False)
        else:
            assert words[0] == "reconfigure"
            assert all(name in self.links for name in words[1:])
        return OK

    def _systemctl(self, words: list[str]) -> Result:
        verb, names = words[0], [word for word in words[1:] if not word.startswith("-")]
        if verb == "is-active":
            return Result(0 if self.networkd else 3, "", "")
        if verb == "is-enabled":
            return Result(0, "\n".join("enabled" if n in self.enabled else "disabled" for n in names) + "\n", "")
        if verb == "enable":
            self.enabled |= set(names)
        elif verb == "disable":
            self.enabled -= set(names)
        elif verb in ("start", "restart"):
            if tool.NETWORKD in names:
                self.networkd = True
                self._networkd_reads(fresh=True)
        elif verb == "stop":
            if tool.NETWORKD in names:
                self.networkd = False
            for name in names:
                self.timers.pop(name.removesuffix(".timer"), None)
        elif verb not in ("daemon-reload", "kill", "try-restart"):
            raise AssertionError(words)
        return OK

    def _udevadm(self, words: list[str]) -> Result:
        return OK

    def _systemd_run(self, words: list[str]) -> Result:
        unit = next(word for word in words if word.startswith("--unit=")).partition("=")[2]
        command = words[words.index(tool.TOOL) + 1 :]
        after = [word.partition("=")[2] for word in words if word.startswith("--on-active=")]
        if unit in self.timers:
            return Result(1, "", "Unit was already loaded")
        if after:
            self.timers[unit] = (self.now + float(after[0]), command)
        else:
            died = next(w for w in words if "ExecStopPost" in w).partition(tool.TOOL)[2].split()
            self.services.append((unit, command, died))
        return OK

    def _ovs_vsctl(self, words: list[str]) -> Result:
        if self.ovs_down:
            return Result(1, "", "ovs-vsctl: database connection failed (No such file or directory)")
        options = [word for word in words if word.startswith("--") and word not in ("--", "--may-exist", "--if-exists")]
        rest = words[len(options) :]
        if "list" in rest:
            data = [[name, self.ovs_errors.get(name, ["set", []])] for name in self.ovs]
            return self._json({"headings": ["name", "error"], "data": data})
        if self.fuse is not None and self.dead:
            raise Killed
        for call in " ".join(rest).split(" -- "):
            verb, *arguments = [word for word in call.split() if not word.startswith("--")]
            if verb == "add-br":
                self.ovs.setdefault(arguments[0], set())
                if arguments[0] not in self.links:
                    self.nic(arguments[0], "", kind="openvswitch")
            elif verb == "del-br":
                self.ovs.pop(arguments[0], None)
                if arguments[0] in self.links:
                    del self.links[arguments[0]]
            elif verb == "set":
                self.ovs[arguments[1]].add(f"{arguments[0]} {arguments[2]}")
            else:
                raise AssertionError(call)
        if self.vswitchd_down and "--no-wait" not in options:
            self.now += tool.OVS
            return Result(142, "", "ovs-vsctl: signal 14 (Alarm clock)")
        return OK

    # -- systemd-networkd ----------------------------------------------------------------------------------------------

    def _networkd_reads(self, fresh: bool) -> None:
        files = {
            name: Path(self.at(f"{NETWORK}/{name}")).read_text()
            for name in self.names(NETWORK)
            if not name.startswith(".")
        }
        known, self.seen_files = self.seen_files, files
        if fresh:
            known, self.deleted = {}, set()
        for name, text in files.items():
            if name.endswith(".netdev"):
                self._make(pairs(text), lingering=self.stubborn and known.get(name) is not None)
        vlans: dict[str, str] = {}
        matched = set()
        for name, text in files.items():
            given = pairs(text)
            found = self._matched(given)
            if not name.endswith(".network") or found is None:
                continue
            matched.add(found)
            link = self.links[found]
            link.managed, link.up = True, True
            link.addresses = {*given.get("Network.Address", []), *given.get("Address.Address", [])}
            gateways = [*given.get("Network.Gateway", []), *given.get("Route.Gateway", [])]
            link.routes = {("default", gateway) for gateway in gateways}
            link.master = (given.get("Network.Bond") or given.get("Network.Bridge") or [""])[0]
            link.mtu = int(given.get("Link.MTUBytes", ["1500"])[0])
            for vlan in given.get("Network.VLAN", []):
                vlans[vlan] = found
        for vlan, parent in vlans.items():
            if vlan in self.links:
                self.links[vlan].parent = parent
        for name, link in self.links.items():
            if link.managed and name not in matched:
                link.managed, link.addresses, link.routes, link.master = False, set(), set(), ""

    def _matched(self, given: dict[str, list[str]]) -> str | None:
        name = given.get("Match.Name", [""])[0]
        if name in self.links:
            return name
        mac = given.get("Match.PermanentMACAddress", ["none"])[0]
        return next((name for name, link in self.links.items() if link.kind == "" and link.mac == mac), None)

    def _make(self, given: dict[str, list[str]], lingering: bool) -> None:
        name = given["NetDev.Name"][0]
        if name in self.links or (lingering and name in self.deleted):
            return
        self.deleted.discard(name)
        self.nic(name, "", kind=given["NetDev.Kind"][0])
        self.links[name].vlan = int(given.get("VLAN.Id", ["0"])[0])
        self.links[name].mode = given.get("Bond.Mode", [""])[0]

    # -- time and death ------------------------------------------------------------------------------------------------

    def revive(self) -> None:
        self.fuse, self.dead, self.steps, self.trace = None, False, 0, []

    def work(self) -> None:
        """Systemd carries out the services that were started; a killed one is taken back by its ExecStopPost."""
        services, self.services = self.services, []
        for _, command, died in services:
            try:
                tool.main(command, self)
            except Killed:
                self.revive()
            tool.main(died, self)

    def pass_time(self, seconds: float) -> None:
        """The clock goes on, and timers fire."""
        end = self.now + seconds
        while due := min(((at, unit) for unit, (at, _) in self.timers.items() if at <= end), default=None):
            self.now = max(self.now, due[0])
            tool.main(self.timers.pop(due[1])[1], self)
        self.now = max(self.now, end)

    def reboot(self) -> None:
        """The power is cut, and comes back."""
        self.revive()
        self.timers, self.services, self.states, self.now = {}, [], {}, 30.0
        self.booted = f"boot-{int(self.booted.partition('-')[2]) + 1}"
        self.links = {name: link for name, link in self.links.items() if link.kind in ("", "loopback")}
        for link in self.links.values():
            link.addresses, link.routes, link.master, link.managed = set(), set(), "", False
        self.networkd, self.seen_files, self.deleted = False, {}, set()
        if self.exists(tool.PENDING):
            tool.main(["boot"], self)
        for name in self.ovs:
            self.nic(name, "", kind="openvswitch")
        if self.exists(tool.PENDING):
            tool.main(["boot", "--ovs"], self)
        if tool.NETWORKD in self.enabled:
            self._systemctl(["start", tool.NETWORKD])
        if "networking.service" in self.enabled:
            self.ifup()

    def ifup(self) -> None:
        """What networking.service does at boot."""
        for line in (self.read("/etc/network/interfaces") or "").splitlines():
            words = line.split()  # iface NAME inet static ADDRESS GATEWAY, in one line
            if words[:1] == ["iface"] and words[1] != "lo":
                link = self.links[words[1]]
                link.addresses, link.routes = {words[4]}, {("default", words[5])}

    def state(self) -> dict[str, Any]:
        """All that a revert has to bring back."""
        files = {
            str(path.relative_to(self.root)): (path.read_text(), path.stat().st_mode)
            for place in ("etc/systemd/network", "etc/network", "etc/netplan")
            for path in sorted(Path(self.root, place).rglob("*"))
            if path.is_file()
        }
        links = {
            name: (link.kind, link.mtu, link.master, link.parent, sorted(link.addresses), sorted(link.routes))
            for name, link in self.links.items()
        }
        return copy.deepcopy(
            {
                "files": files,
                "links": links,
                "ovs": self.ovs,
                "enabled": self.enabled,
                "networkd": self.networkd,
                "active": (tool.load(self, tool.ACTIVE) or {}).get("id"),
            }
        )


def reading(argv: Sequence[str]) -> bool:
    """Whether a command changes nothing."""
    return "show" in argv or "list" in argv or argv[1] in ("is-active", "is-enabled")


def pairs(text: str) -> dict[str, list[str]]:
    """Settings of a file of networkd: "Section.Key" -> values."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line:
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).append(value)
    return found
