# SPDX-License-Identifier: Apache-2.0
"""The node's own half of a network change: carry it out, look whether it is good, and take it back.

This one file is two things. The modules import it, and it is installed on every node as
``/usr/lib/ozone/ozone-network``, where it applies a change without the connection that asked for it, and takes the
change back when nobody confirms it: by a timer that is armed before the first change, at once when what was applied is
not good or the process that applied it dies, and at the next boot before the network is started. So it must stay
**self-contained**: the standard library of Python 3.11 and nothing else.

Who wins? *Whoever holds the lock.* All that changes ``pending.json`` is done under ``/run/ozone/network.lock``. A
confirmation renames ``pending.json`` to ``active.json``: that one rename is the decision. A revert that finds no
``pending.json``, or one with another id, has nothing to do; a confirmation that finds the change gone, going back, or
its deadline passed, is refused.

On a node, below ``/var/lib/ozone/network``::

    pending.json    a change that waits for its confirmation: how to carry it out, and how to take it back
    active.json     the change that was confirmed last, with all that it wanted
    reverted.json   the change that was taken back last, and why; removed by the next confirmation
    numbers.json    a second copy of the numbers of the NICs (the first is in active.json)

The states of a pending change: ``armed`` (the timer runs, nothing is changed), ``applying``, ``verified`` (it is good
as seen from the node, and waits for the confirmation), ``reverting``. ``reached`` says how far it went: "" (nothing is
changed), "files" (files and units, which nobody has read yet), "links".
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

STATE = "/var/lib/ozone/network"
PENDING, ACTIVE, REVERTED, NUMBERS = (f"{STATE}/{name}.json" for name in ("pending", "active", "reverted", "numbers"))
LOCK = "/run/ozone/network.lock"
TOOL = "/usr/lib/ozone/ozone-network"
UNIT_DIRECTORY = "/etc/systemd/system"
BOOT_UNIT = "ozone-network-boot.service"
OVS_UNIT = "ozone-network-boot-ovs.service"
NETWORKD = "systemd-networkd.service"

#: Prefixes of the transient units of a change; its id follows.
APPLY_UNIT, REVERT_UNIT = "ozone-network-apply-", "ozone-network-revert-"

#: Exit code of a command that was ended because it took too long (timeout(1)), and of one that is not there (sh(1)).
TIMED_OUT, NOT_FOUND = 124, 127

#: Limits in seconds: of a command; of a transaction of Open vSwitch; for the lock; for the kernel's neighbours to
#: answer; for links to appear; for a revert to show; for partners of LACP that were not there before either.
CALL, OVS, PATIENCE, ANSWER, APPEAR, SETTLE, PARTNER = 30, 15, 60, 3.0, 5.0, 15.0, 12.0

#: Seconds between the start of the applying process and its first change: for the answer to the deployment host.
PAUSE = 1.0

#: Most seconds that looking whether a change is good may take; half of the window where that is less.
VERIFY = 60.0

#: How often a revert is tried in one go, and how often the timer is set once more when that was in vain.
TRIES, RETRIES, RETRY_AFTER = 3, 20, 30

#: Names that a staged file has beside its path until it is renamed: of the way forth, and of the way back. Neither
#: networkd nor ifupdown nor netplan reads a hidden file.
NEW, OLD = ".ozone-new", ".ozone-old"

#: Devices of Open vSwitch that are no links of the kernel.
NO_LINK = frozenset({"ovs_bond", "ovs_patch_port", "ovs_tunnel", "ovs_dpdk_port", "ovs_dpdk_bond"})
OVS_BRIDGES = frozenset({"ovs_bridge", "ovs_user_bridge"})

NO_PARTNER = "00:00:00:00:00:00"


class Result(NamedTuple):
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


class Failure(Exception):
    """A change cannot go on; the text says why."""


class File(TypedDict):
    """Text and mode ("0644") of a file."""

    text: str
    mode: str


class Steps(TypedDict):
    """One direction of a change (``model.Steps``)."""

    disable: list[str]
    enable: list[str]
    files: dict[str, File | None]
    delete: list[str]
    ovs: list[str]
    udev: list[str]
    restart: list[str]
    reload: bool
    reconfigure: list[str]
    commands: list[list[str]]


class Link(TypedDict):
    """A link as the kernel shows it. ``partner``: MAC of the LACP partner of a bond, "" without LACP.

    ``tentative``: addresses whose uniqueness is not proven yet; ``duplicate``: those that somebody else has.
    ``options``: as in ``model.LinkSeen``.
    """

    name: str
    kind: str
    ifindex: int
    mac: str
    permanent: str
    mtu: int
    up: bool
    carrier: bool
    master: str
    addresses: list[str]
    partner: str
    tentative: list[str]
    duplicate: list[str]
    type: str
    max_mtu: int
    options: dict[str, str]


class Route(TypedDict):
    """A route of the kernel (``model.RouteSeen``)."""

    destination: str
    gateway: str
    device: str
    table: int
    metric: int
    protocol: str


class Seen(TypedDict):
    """What the kernel shows."""

    links: dict[str, Link]
    routes: list[Route]


class Before(TypedDict):
    """What was true before a change. ``gateways``: "<link> <gateway>" of each route -> whether it answered."""

    links: dict[str, Link]
    gateways: dict[str, bool]


class Pending(TypedDict):
    """A change that is not confirmed. ``armed`` and ``deadline`` in seconds of CLOCK_BOOTTIME of boot ``boot``.

    ``before`` is None until the change begins. ``retries``: how often a revert was put off.
    """

    id: str
    boot: str
    armed: float
    deadline: float
    window: int
    state: str
    reached: str
    reason: str
    retries: int
    forward: Steps
    back: Steps
    touched: list[str]
    wanted: dict[str, Any]
    previous: list[str]
    before: Before | None
    degraded: list[str]
    warnings: list[str]
    problems: list[str]


class Verdict(NamedTuple):
    """Whether a node's network is as wanted. ``waiting``: nothing wrong, but better if it came; time will tell."""

    failures: list[str]
    degraded: list[str]
    warnings: list[str]
    waiting: list[str]


class Host:
    """The machine, below ``root``. All that reads or changes it goes through here, so that tests can be the machine.

    Paths are absolute paths of the node. Methods below "changes" change it; everything else only reads.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def at(self, path: str) -> str:
        """Where a path of the node lies for this process."""
        return os.path.join(self.root, path.lstrip("/"))

    # -- reads ---------------------------------------------------------------------------------------------------------

    def read(self, path: str) -> str | None:
        """Text of a file, or None when there is none."""
        try:
            with open(self.at(path), encoding="utf-8", errors="replace", newline="") as stream:
                return stream.read()
        except OSError as error:
            # What is missing, a directory, or an attribute of sysfs that does not apply to its device (EINVAL, ...).
            if error.errno in (errno.EACCES, errno.EIO):
                raise
            return None

    def mode(self, path: str) -> str | None:
        """Mode of a file in four octal digits; None when there is nothing."""
        try:
            return f"{os.stat(self.at(path)).st_mode & 0o7777:04o}"
        except (FileNotFoundError, NotADirectoryError):
            return None

    def exists(self, path: str) -> bool:
        """Whether there is anything at a path, be it a dangling link."""
        return os.path.lexists(self.at(path))

    def names(self, path: str) -> list[str]:
        """Sorted names in a directory; none when it is not there."""
        try:
            return sorted(os.listdir(self.at(path)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def target(self, path: str) -> str:
        """Where a path leads when all symbolic links are followed."""
        return os.path.realpath(self.at(path))

    def clock(self) -> float:
        """Seconds since the boot, also those in suspend."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def boot(self) -> str:
        """The id of this boot."""
        return (self.read("/proc/sys/kernel/random/boot_id") or "").strip()

    def sleep(self, seconds: float) -> None:
        """Do nothing for a while."""
        time.sleep(seconds)

    # -- changes -------------------------------------------------------------------------------------------------------

    def run(self, argv: Sequence[str], timeout: float = CALL) -> Result:
        """Run a command, with all its children ended after ``timeout`` seconds."""
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return Result(NOT_FOUND, "", f"{argv[0]}: {error.strerror}")
        code = TIMED_OUT
        try:
            out, err = process.communicate(None, timeout)
            code = process.returncode
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            try:
                out, err = process.communicate(None, 5)
            except subprocess.TimeoutExpired:  # somebody who left the session holds the pipe: not ours to wait for
                out, err = b"", b""
            err += f"\nit took more than {timeout:.0f} s".encode()
        return Result(code, out.decode(errors="replace"), err.decode(errors="replace"))

    def create(self, path: str, data: bytes, mode: int) -> None:
        """Write a new file and wait until it is on the disk. Nobody can read it before its mode is set."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.at(path))
        handle = os.open(self.at(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())

    def mkdir(self, path: str, mode: int = 0o755) -> None:
        """Make a directory, with its parents (0755); one that is there is left as it is."""
        target = self.at(path)
        if os.path.isdir(target):
            return
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(target)
            os.chmod(target, mode)

    def replace(self, source: str, path: str) -> None:
        """Rename in one step over whatever is there, and wait until the disk knows."""
        os.replace(self.at(source), self.at(path))
        self._sync(os.path.dirname(self.at(path)))

    def unlink(self, path: str) -> None:
        """Remove a file or link, if it is there."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(self.at(path))
            self._sync(os.path.dirname(self.at(path)))

    def symlink(self, text: str, path: str) -> None:
        """Make a symbolic link."""
        os.symlink(text, self.at(path))

    def knock(self, address: str, device: str) -> None:
        """Send a datagram to an address on a link, so that the kernel has to find out who has it."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as end:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            end.setblocking(False)
            scope = (0, socket.if_nametoindex(device)) if family == socket.AF_INET6 else ()
            end.sendto(b"", (address, 9, *scope))

    def announce(self, address: str, device: str, mac: str) -> None:
        """Tell everybody on a link who has an address now (RFC 5227, RFC 4861): they may remember another MAC."""
        hardware = bytes.fromhex(mac.replace(":", ""))
        with contextlib.suppress(OSError):
            if ":" in address:
                scope = socket.if_nametoindex(device)
                with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as end:
                    end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
                    end.bind((address, 0, 0, scope))
                    target = socket.inet_pton(socket.AF_INET6, address)
                    end.sendto(b"\x88\0\0\0\x20\0\0\0" + target + b"\2\1" + hardware, ("ff02::1", 0, 0, scope))
            else:
                own = socket.inet_aton(address)
                with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as end:
                    end.bind((device, 0x0806))
                    head = b"\xff" * 6 + hardware + b"\x08\x06" + b"\0\1\x08\0\6\4\0\1"
                    end.send(head + hardware + own + bytes(6) + own)

    def _sync(self, directory: str) -> None:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    # -- the lock ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, what: str, seconds: float) -> Iterator[None]:
        """Hold the lock of the node's network. The kernel frees it when this process ends, however it ends.

        :raises TimeoutError: somebody else held it for ``seconds``; says who.
        """
        self.mkdir(os.path.dirname(LOCK), 0o700)
        handle = os.open(self.at(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            limit = self.clock() + seconds
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    pass
                if self.clock() >= limit:
                    holder = (self.read(LOCK) or "somebody").strip()
                    raise TimeoutError(f"{holder} has had the network of this node for more than {seconds:.0f} s")
                self.sleep(0.1)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{what} (process {os.getpid()})\n".encode(), 0)
            yield
        finally:
            os.close(handle)


# -- records -----------------------------------------------------------------------------------------------------------


def load(host: Host, path: str) -> Any:
    """JSON data of a file; None when it is not there or is not JSON."""
    text = host.read(path)
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def save(host: Host, path: str, data: Any) -> None:
    """Replace a JSON file, readable by root only, in one step."""
    host.mkdir(STATE, 0o700)
    host.create(f"{path}.tmp", (json.dumps(data, indent=1, sort_keys=True) + "\n").encode(), 0o600)
    host.replace(f"{path}.tmp", path)


def pending(host: Host) -> Pending | None:
    """The change that is not confirmed. :raises Failure: there is one, but it cannot be read."""
    record: Pending | None = load(host, PENDING)
    if record is None and host.exists(PENDING):
        raise Failure(f"{PENDING} cannot be read; look at the network, then remove that file")
    return record


def attempt(problems: list[str], what: str, function: Callable[[], object]) -> bool:
    """Do something whose failure must not keep the rest from being done; ``problems`` gets what went wrong."""
    try:
        result = function()
    except (OSError, Failure) as error:
        problems.append(f"{what}: {explained(error)}")
        return False
    if isinstance(result, Result) and result.code:
        problems.append(f"{what}: {told(result)}")
        return False
    return True


def told(result: Result) -> str:
    """The end of what a command said."""
    lines = (result.err.strip() or result.out.strip()).splitlines()[-3:]
    return " / ".join(lines) or f"exit code {result.code}"


def explained(error: BaseException) -> str:
    """An error in plain words."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) if isinstance(error, (Failure, OSError)) else f"a mistake in the tool: {error!r}"


# -- looking -----------------------------------------------------------------------------------------------------------


def listing(host: Host, argv: Sequence[str]) -> list[Any]:
    """What ip(8) answers in JSON. :raises Failure: it does not."""
    result = host.run(["ip", *argv], CALL)
    if result.code:
        raise Failure(f"ip {' '.join(argv)}: {told(result)}")
    try:
        found = json.loads(result.out or "[]")
    except ValueError:
        raise Failure(f"ip {' '.join(argv)}: its answer is not JSON") from None
    return [entry for entry in found if entry]


def look(host: Host) -> Seen:
    """The links, addresses and routes of the node, in three calls of ip(8)."""
    links = [link_of(entry) for entry in listing(host, ["-j", "-d", "address", "show"])]
    routes = [
        route
        for family in ("-4", "-6")
        for entry in listing(host, [family, "-j", "-N", "-d", "route", "show", "table", "all"])
        for route in routes_of(entry)
    ]
    return {"links": {link["name"]: link for link in links}, "routes": routes}


def link_of(entry: Mapping[str, Any]) -> Link:
    """A link of the answer of ip(8). Addresses that the kernel makes of the MAC are left out."""
    flags = entry.get("flags", [])
    info = entry.get("linkinfo", {})
    data = info.get("info_data", {})
    found = [
        (f"{ipaddress.ip_interface((address['local'], address['prefixlen']))}", address)
        for address in entry.get("addr_info", [])
        if "local" in address and not made_of_mac(address)
    ]
    lacp = data.get("mode") == "802.3ad"
    options = {name: str(value) for name, value in data.items() if isinstance(value, (str, int))}
    if info.get("info_kind") and "link" in entry:
        options["parent"] = entry["link"]
    return {
        "name": entry["ifname"],
        "kind": info.get("info_kind", ""),
        "ifindex": entry["ifindex"],
        "mac": entry.get("address", ""),
        "permanent": entry.get("permaddr", ""),
        "mtu": entry.get("mtu", 0),
        "up": "UP" in flags,
        "carrier": "LOWER_UP" in flags,
        "master": entry.get("master", ""),
        "addresses": sorted(name for name, _ in found),
        "partner": data.get("ad_info", {}).get("partner_mac", NO_PARTNER) if lacp else "",
        "tentative": sorted(name for name, address in found if address.get("tentative")),
        "duplicate": sorted(name for name, address in found if address.get("dadfailed")),
        "type": entry.get("link_type", ""),
        "max_mtu": entry.get("max_mtu", 0),
        "options": options,
    }


def made_of_mac(address: Mapping[str, Any]) -> bool:
    """Whether an address is the one that the kernel gives every link with IPv6."""
    if "protocol" in address:
        return bool(address["protocol"] == "kernel_ll")
    return bool(address["family"] == "inet6" and address.get("scope") == "link" and address["prefixlen"] == 64)


#: rtnetlink(7) and /etc/iproute2/rt_protos.
PROTOCOLS = {
    "1": "redirect", "2": "kernel", "3": "boot", "4": "static", "9": "ra", "11": "zebra", "12": "bird", "16": "dhcp",
    "18": "keepalived", "42": "babel", "186": "bgp", "187": "isis", "188": "ospf", "189": "rip", "192": "eigrp",
}  # fmt: skip


def routes_of(entry: Mapping[str, Any]) -> list[Route]:
    """The routes of an entry of ip(8), one for each of its next hops; none for those of the table local."""
    table = int(entry.get("table", 254))
    if str(entry.get("type", "unicast")) not in ("unicast", "1") or table == 255:
        return []
    protocol = str(entry.get("protocol", ""))
    hops = entry.get("nexthops") or [entry]
    return [
        {
            "destination": entry["dst"],
            "gateway": hop.get("gateway") or hop.get("via", {}).get("host", ""),
            "device": hop.get("dev", ""),
            "table": table,
            "metric": int(entry.get("metric", 0)),
            "protocol": PROTOCOLS.get(protocol, protocol),
        }
        for hop in hops
    ]


# -- neighbours --------------------------------------------------------------------------------------------------------


def gateway_key(link: str, gateway: str) -> str:
    """What a gateway on a link is called in ``Before.gateways``."""
    return f"{link} {gateway}"


class Neighbours:
    """Who answers on a link, as the kernel finds out by ARP and neighbour discovery."""

    def __init__(self, host: Host, keys: Sequence[str]) -> None:
        self.host = host
        self.answered = dict.fromkeys(keys, False)
        self.asked: set[str] = set()

    def ask(self) -> bool:
        """Ask those that have not answered yet; whether all have.

        What the kernel knew before does not count: an entry that it has is proven anew.
        """
        for key in [key for key, answered in self.answered.items() if not answered]:
            link, gateway = key.split()
            state, known = self._entry(link, gateway)
            if state in ("PERMANENT", "NOARP") or (state == "REACHABLE" and key in self.asked):
                self.answered[key] = True
            elif key not in self.asked and known:
                where = [gateway, "dev", link]
                if self.host.run(["ip", "neighbour", "change", *where, "nud", "probe"], CALL).code:
                    self.host.run(["ip", "neighbour", "delete", *where], CALL)
            elif state not in ("PROBE", "INCOMPLETE"):
                self.host.knock(gateway, link)
            self.asked.add(key)
        return all(self.answered.values())

    def wait(self, seconds: float) -> dict[str, bool]:
        """Ask until all have answered or the time is over."""
        limit = self.host.clock() + seconds
        while not self.ask() and self.host.clock() < limit:
            self.host.sleep(0.2)
        return self.answered

    def _entry(self, link: str, gateway: str) -> tuple[str, bool]:
        """State of a neighbour, and whether its MAC is known."""
        result = self.host.run(["ip", "-j", "neighbour", "show", "to", gateway, "dev", link], CALL)
        try:
            entries = json.loads(result.out or "[]") if result.code == 0 else []
        except ValueError:
            entries = []
        entry = entries[0] if entries else {}
        return next(iter(entry.get("state", [])), ""), "lladdr" in entry


# -- is it good? -------------------------------------------------------------------------------------------------------


def facts(host: Host) -> Before:
    """What is true before a change; waits a few seconds for gateways that do not answer."""
    seen = look(host)
    keys = [
        gateway_key(route["device"], route["gateway"])
        for route in seen["routes"]
        if route["gateway"] and alive([route["device"]], seen["links"])
    ]
    return {"links": seen["links"], "gateways": Neighbours(host, keys).wait(ANSWER)}


def alive(names: Sequence[str], links: Mapping[str, Link]) -> list[str]:
    """Those links that have a carrier."""
    return [name for name in names if name in links and links[name]["carrier"]]


def master_of(name: str, links: Mapping[str, Link]) -> str:
    """The device whose member a link is."""
    return links[name]["master"] if name in links else ""


def has_partner(name: str, links: Mapping[str, Link]) -> bool:
    """Whether a bond has a switch that speaks LACP."""
    return name in links and links[name]["partner"] not in ("", NO_PARTNER)


def gateways_of(wanted: Mapping[str, Any]) -> list[str]:
    """All gateways that a configuration names."""
    return [
        gateway_key(link["name"], route["gateway"])
        for link in wanted["links"]
        for route in link["routes"]
        if route["gateway"]
    ]


def same_route(wanted: Mapping[str, Any], link: str, seen: Route) -> bool:
    """Whether a route of the kernel is the one that is wanted on a link."""
    return (
        seen["device"] == link
        and seen["table"] == wanted["table"]
        and network_of(seen["destination"]) == network_of(wanted["destination"])
        and canonical(seen["gateway"]) == canonical(wanted["gateway"])
        and wanted["metric"] in (None, seen["metric"])
    )


def network_of(text: str) -> str:
    """A destination in one spelling."""
    if text in ("default", "0.0.0.0/0", "::/0"):
        return "default"
    return str(ipaddress.ip_network(text, strict=False))


def canonical(address: str) -> str:
    """An address in one spelling."""
    return str(ipaddress.ip_address(address)) if address else ""


def judge(
    wanted: Mapping[str, Any],
    seen: Seen,
    before: Before | None,
    answered: Mapping[str, bool],
    ovs_errors: Sequence[str],
) -> Verdict:
    """Compare what is with what shall be, and with what was: what did not work before is no reason to go back.

    ``before`` None: nothing is known of it, for a look without a change.
    """
    links = seen["links"]
    old = before["links"] if before else {}
    failures, waiting = list(ovs_errors), list[str]()
    degraded, warnings = list(wanted["degraded"]), list[str]()
    masters = {member: link["name"] for link in wanted["links"] for member in link["members"]}

    for link in wanted["links"]:
        name, physical = link["name"], link["physical"]
        now, had = alive(physical, links), alive(physical, old)
        dead = bool(physical) and not now
        if link["kind"] in NO_LINK:
            continue
        found = links.get(name)
        if found is None:
            failures.append(f"link {name} does not exist")
            continue
        if link["mtu"] is not None and found["mtu"] != link["mtu"]:
            failures.append(f"{name} has an MTU of {found['mtu']}, not {link['mtu']}")
        for address in link["addresses"]:
            spelled = str(ipaddress.ip_interface(address))
            if spelled not in found["addresses"]:
                failures.append(f"{name} does not have the address {spelled}")
            elif spelled in found["duplicate"]:
                failures.append(f"the address {spelled} of {name} is used by another machine as well")
            elif spelled in found["tentative"] and not dead:
                waiting.append(f"the address {spelled} of {name} is not proven to be unique")
        for route in link["routes"]:
            if not any(same_route(route, name, other) for other in seen["routes"]):
                via = f" via {route['gateway']}" if route["gateway"] else ""
                failures.append(f"{name} does not have the route to {route['destination']}{via}")
        if link["kind"] not in OVS_BRIDGES:
            for member in link["members"]:
                if master_of(member, links) != name:
                    failures.append(f"{member} is not a member of {name}")
        _judge_carrier(link, found, now, had, before, masters, links, failures, degraded)
        if link["lacp"] and not has_partner(name, links) and not dead:
            if has_partner(name, old):
                failures.append(f"the switch does not speak LACP on {name} any more")
            else:
                degraded.append(f"no switch speaks LACP on {name}")
                waiting.append(degraded[-1])
        for gateway in dict.fromkeys(route["gateway"] for route in link["routes"] if route["gateway"]):
            key = gateway_key(name, gateway)
            if answered.get(key):
                continue
            if dead and (before is None or not had):
                degraded.append(f"gateway {gateway} cannot be reached: no NIC of {name} has a link")
            elif before and before["gateways"].get(key) is False:
                warnings.append(f"gateway {gateway} on {name} does not answer (it did not before, either)")
            else:
                elsewhere = before and any(
                    good and other.split()[1] == gateway for other, good in before["gateways"].items()
                )
                failures.append(
                    f"gateway {gateway} on {name} did not answer" + (" (it answered before)" if elsewhere else "")
                )
    return Verdict(failures, list(dict.fromkeys(degraded)), warnings, waiting)


def _judge_carrier(
    link: Mapping[str, Any],
    found: Link,
    now: Sequence[str],
    had: Sequence[str],
    before: Before | None,
    masters: Mapping[str, str],
    links: Mapping[str, Link],
    failures: list[str],
    degraded: list[str],
) -> None:
    """A link whose NICs had a carrier must have one. A member may lose its own while its master keeps it."""
    name, physical = link["name"], link["physical"]
    if not physical or found["carrier"]:
        return
    master = masters.get(name, "")
    if master and (before is None or not had or alive([master], links)):
        degraded.append(f"{name}, a member of {master}, has no link")
    elif before is not None and had:
        failures.append(f"{name} has no link ({', '.join(had)} had one before)")
    elif now:
        failures.append(f"{name} has no carrier although {', '.join(now)} has a link")
    elif name in physical or not all(nic in masters or nic == name for nic in physical):
        degraded.append(f"{name} has no link")
    else:
        degraded.append(f"no member of {name} has a link")


def ovs_problems(host: Host, wanted: Mapping[str, Any]) -> list[str]:
    """What Open vSwitch says of interfaces that are wanted and could not be set up."""
    names = {row["name"] for row in wanted["ovs"] if row["table"] == "Interface"}
    missing = {alias for link in wanted["links"] for alias in link["missing"]}
    missing |= {row for row in names if wanted["resolution"].get(row) == ""}
    names -= missing
    if not names:
        return []
    argv = ["ovs-vsctl", f"--timeout={OVS}", "--format=json", "--columns=name,error", "list", "Interface"]
    result = host.run(argv, OVS + 5)
    if result.code:
        return [f"Open vSwitch does not answer: {told(result)}"]
    rows = json.loads(result.out)["data"]
    return [
        f"Open vSwitch cannot use {name}: {error}"
        for name, error in rows
        if name in names and isinstance(error, str) and error
    ]


def verify(host: Host, wanted: Mapping[str, Any], before: Before | None, seconds: float) -> Verdict:
    """Look until all is as wanted, ``seconds`` at most."""
    started = host.clock()
    neighbours = Neighbours(host, gateways_of(wanted))
    while True:
        neighbours.ask()
        verdict = judge(wanted, look(host), before, neighbours.answered, ovs_problems(host, wanted))
        age = host.clock() - started
        settled = all(neighbours.answered.values()) or age >= ANSWER
        if not verdict.failures and settled and (not verdict.waiting or age >= min(PARTNER, seconds)):
            return verdict
        if age >= seconds:
            return verdict
        host.sleep(0.5)


def announce(host: Host, names: Sequence[str]) -> None:
    """Tell the neighbours of these links which addresses they have: who asks an old MAC waits for up to a minute."""
    links = look(host)["links"]
    for name in names:
        link = links.get(name)
        if link is None or not link["carrier"] or link["type"] != "ether" or len(link["mac"]) != len(NO_PARTNER):
            continue
        for address in link["addresses"]:
            ip = ipaddress.ip_interface(address).ip
            if not ip.is_link_local and address not in link["tentative"] and address not in link["duplicate"]:
                host.announce(str(ip), name, link["mac"])


# -- carrying out ------------------------------------------------------------------------------------------------------


def staged(path: str, suffix: str) -> str:
    """The hidden name of a file that is written but not in its place yet."""
    directory, name = os.path.split(path)
    return f"{directory}/.{name}{suffix}"


def stage(host: Host, files: Mapping[str, File | None], suffix: str) -> None:
    """Write files beside their places, so that a full disk shows before anything is changed.

    Those of the way back are all written, also where they still are in their places.
    """
    for path, file in files.items():
        places = [staged(path, suffix), *([path] if suffix == NEW else [])]
        if file is not None and not any(in_place(host, at, file) for at in places):
            host.mkdir(os.path.dirname(path))
            host.create(staged(path, suffix), file["text"].encode(), int(file["mode"], 8))


def in_place(host: Host, path: str, file: File) -> bool:
    """Whether a file is what it shall be."""
    return host.mode(path) == file["mode"] and host.read(path) == file["text"]


def place(host: Host, path: str, file: File | None, suffix: str) -> None:
    """Bring one file to its place, or take it away."""
    if file is None:
        host.unlink(path)
        return
    if in_place(host, path, file):
        return
    temporary = staged(path, suffix)
    if not in_place(host, temporary, file):
        host.mkdir(os.path.dirname(path))
        host.create(temporary, file["text"].encode(), int(file["mode"], 8))
    host.replace(temporary, path)


def sweep(host: Host, record: Mapping[str, Any]) -> None:
    """Remove what was staged for a change and is not needed any more."""
    for steps, suffix in ((record["forward"], NEW), (record["back"], OLD)):
        for path in steps["files"]:
            host.unlink(staged(path, suffix))


def running(host: Host) -> bool:
    """Whether systemd-networkd runs."""
    return host.run(["systemctl", "is-active", "--quiet", NETWORKD], CALL).code == 0


def appear(host: Host, names: Sequence[str], seconds: float) -> list[str]:
    """Wait until links exist; returns those that do not."""
    limit = host.clock() + seconds
    while True:
        missing = [name for name in names if not host.exists(f"/sys/class/net/{name}")]
        if not missing or host.clock() >= limit:
            return missing
        host.sleep(0.1)


def transact(host: Host, arguments: Sequence[str], problems: list[str] | None) -> None:
    """One transaction of Open vSwitch. ``problems`` None: it must come true, else it is enough that it is recorded.

    ovs-vsctl ends with an error when ovs-vswitchd does not say in time that it is done; the database has it by then.
    :raises Failure: it could not even be recorded, or, without ``problems``, was not carried out in time.
    """
    result = host.run(["ovs-vsctl", f"--timeout={OVS}", *arguments], OVS + 5)
    if result.code and problems is not None:
        second = host.run(["ovs-vsctl", "--no-wait", f"--timeout={OVS}", *arguments], OVS + 5)
        if second.code == 0:
            return
        result = second
    if result.code:
        raise Failure(f"Open vSwitch did not carry out the change: {told(result)}")


def units(steps: Steps) -> list[list[str]]:
    """The calls that say what the next boot starts. They stop nothing: that would cut the connection.

    Nothing is read again for it (systemctl(1), ``--no-reload``; ``SYSTEMCTL_SKIP_SYSV`` in systemd's ENVIRONMENT.md):
    only the next boot is meant, and on a slow node each reading takes seconds, which a way back does not have.
    """
    wanted = (("disable", steps["disable"]), ("enable", steps["enable"]))
    call = ["env", "SYSTEMCTL_SKIP_SYSV=1", "systemctl"]
    return [[*call, verb, "--no-reload", "--quiet", *names] for verb, names in wanted if names]


def carry_files(host: Host, steps: Steps, suffix: str, do: Callable[[str, Callable[[], object]], object]) -> None:
    """The part of a change that nobody notices yet."""
    for path, file in steps["files"].items():
        do(path, lambda path=path, file=file: place(host, path, file, suffix))  # type: ignore[misc]
    for argv in units(steps):
        do(" ".join(argv), lambda argv=argv: host.run(argv, CALL))  # type: ignore[misc]


def carry_links(
    host: Host, steps: Steps, expected: Sequence[str], do: Callable[[str, Callable[[], object]], object], back: bool
) -> None:
    """The part of a change that cuts, in the order that makes the cut short.

    Names and hardware settings first (udev), as they need no other part. Then without a pause: links that have to go,
    which frees their members; the one transaction of Open vSwitch, which takes and gives NICs; and networkd, which
    makes links and addresses. ``expected``: links that networkd has to make.
    """
    if steps["udev"]:
        do("udevadm control --reload", lambda: host.run(["udevadm", "control", "--reload"], CALL))
        paths = [f"/sys/class/net/{name}" for name in steps["udev"] if host.exists(f"/sys/class/net/{name}")]
        if paths:
            argv = ["udevadm", "trigger", "--action=add", "--settle", *paths]
            do("udevadm trigger", lambda: host.run(argv, CALL))
    for name in steps["delete"]:
        if host.exists(f"/sys/class/net/{name}"):
            do(f"deleting {name}", lambda name=name: host.run(["ip", "link", "delete", "dev", name], CALL))  # type: ignore[misc]
    if steps["ovs"]:
        do("Open vSwitch", lambda: transact(host, steps["ovs"], [] if back else None))
    if steps["reload"] or NETWORKD in steps["restart"]:
        do("systemd-networkd", lambda: read_again(host, expected, restart=NETWORKD in steps["restart"]))
    for unit in steps["restart"]:
        if unit != NETWORKD:
            do(unit, lambda unit=unit: host.run(["systemctl", "try-restart", unit], CALL))  # type: ignore[misc]
    there = [name for name in steps["reconfigure"] if host.exists(f"/sys/class/net/{name}")]
    if there:
        do("networkctl reconfigure", lambda: host.run(["networkctl", "reconfigure", *there], CALL))


def read_again(host: Host, expected: Sequence[str], *, restart: bool) -> Result:
    """Have systemd-networkd read its files. It is started where it does not run, restarted where it makes no links.

    Its restart leaves links and addresses alone. It reads the files again and makes the devices that are not there.
    """
    argv = ["networkctl", "reload"] if running(host) and not restart else ["systemctl", "restart", NETWORKD]
    result = host.run(argv, CALL)
    if result.code or appear(host, expected, APPEAR):
        result = host.run(["systemctl", "restart", NETWORKD], CALL)
        appear(host, expected, APPEAR)
    return result


def forward(host: Host, record: Pending) -> None:
    """Carry out a change. :raises Failure: something did not work; it has to be taken back."""
    steps = record["forward"]

    def do(what: str, function: Callable[[], object]) -> None:
        problems: list[str] = []
        if not attempt(problems, what, function):
            raise Failure(problems[0])

    stage(host, steps["files"], NEW)
    stage(host, record["back"]["files"], OLD)
    mark(host, record, state="applying", reached="files")
    carry_files(host, steps, NEW, do)
    mark(host, record, reached="links")
    carry_links(host, steps, sorted(record["wanted"]["netdevs"]), do, back=False)
    for argv in steps["commands"]:
        host.run(argv, CALL)


def mark(host: Host, record: Pending, **keys: Any) -> None:
    """Write down how far a change is."""
    record.update(keys)  # type: ignore[typeddict-item]
    save(host, PENDING, record)


# -- apply -------------------------------------------------------------------------------------------------------------


def apply(host: Host, identity: str) -> int:
    """Carry out the pending change, look whether it is good, and go back at once when it is not."""
    with host.locked("applying a change of the network", PATIENCE):
        record = pending(host)
        if record is None or record["id"] != identity or record["state"] != "armed":
            sys.stdout.write(f"there is no change {identity} to apply\n")
            return 1
        try:
            record["before"] = facts(host)
            host.sleep(PAUSE)
            forward(host, record)
            verdict = verify(host, record["wanted"], record["before"], min(VERIFY, record["window"] / 2))
            if verdict.failures:
                raise Failure("; ".join(verdict.failures))
            announce(host, record["touched"])
            mark(host, record, state="verified", degraded=verdict.degraded, warnings=verdict.warnings)
        except Exception as error:  # whatever it is, the way back is the answer
            go_back(host, record, explained(error))
            return 1
    return 0


# -- confirm -----------------------------------------------------------------------------------------------------------


def confirm(host: Host, identity: str) -> dict[str, Any]:
    """Decide for a change: it is good, and whoever asked for it got here by it. Refused when that came too late."""
    with host.locked("confirming a change of the network", PATIENCE):
        record = pending(host)
        active = load(host, ACTIVE) or {}
        if record is None or record["id"] != identity:
            if active.get("id") == identity:  # confirmed before, and the answer was lost
                return {"confirmed": True, "why": "", **story(host, identity)}
            why = f"change {record['id']} waits for its own confirmation" if record else gone(host, identity)
            return {"confirmed": False, "why": why, **story(host, identity)}
        late = record["boot"] != host.boot() or host.clock() >= record["deadline"]
        if record["state"] != "verified" or late:
            why = "its time is over" if late else f"it is not ready for that ({record['state']})"
            return {"confirmed": False, "why": why, **story(host, identity)}
        with contextlib.suppress(OSError):
            save(host, NUMBERS, record["wanted"]["numbers"])
        host.unlink(REVERTED)
        host.replace(PENDING, ACTIVE)  # decided
        host.run(["systemctl", "stop", f"{REVERT_UNIT}{identity}.timer"], CALL)
        with contextlib.suppress(OSError):
            sweep(host, record)
        return {"confirmed": True, "why": "", **story(host, identity)}


def gone(host: Host, identity: str) -> str:
    """Why there is no such change any more."""
    report = load(host, REVERTED) or {}
    if report.get("id") == identity:
        return f"the node went back by itself: {report['reason']}"
    return f"there is no change {identity}"


# -- revert ------------------------------------------------------------------------------------------------------------


def own(host: Host) -> set[str]:
    """All addresses of the configuration that was confirmed last."""
    wanted = (load(host, ACTIVE) or {}).get("wanted") or {"links": []}
    return {str(ipaddress.ip_interface(address)) for link in wanted["links"] for address in link["addresses"]}


def lost(before: Before, touched: Sequence[str], seen: Seen, ours: Collection[str] = ()) -> list[str]:
    """What a touched link had before and does not have.

    An address for one host alone that is not ``ours`` moves among nodes (keepalived): while the link was away another
    node took it, and no further try would bring it back.
    """

    def moves(address: str) -> bool:
        network = ipaddress.ip_interface(address).network
        return network.num_addresses == 1 and address not in ours

    found: list[str] = []
    for name in touched:
        old, new = before["links"].get(name), seen["links"].get(name)
        if old is None:
            continue
        if new is None:
            found.append(f"link {name} does not exist")
            continue
        gone = [address for address in old["addresses"] if address not in new["addresses"] and not moves(address)]
        found += [f"{name} does not have the address {address}" for address in gone]
        if old["master"] and old["master"] != new["master"] and old["master"] in before["links"]:
            found.append(f"{name} is not a member of {old['master']}")
    return found


def backwards(host: Host, record: Pending, first: bool) -> list[str]:
    """Carry out the way back once, and wait until it shows; returns what is still not as it was."""
    steps, problems = record["back"], list[str]()

    def do(what: str, function: Callable[[], object]) -> object:
        return attempt(problems, what, function)

    if record["reached"] == "":
        return []
    carry_files(host, steps, OLD, do)
    if record["reached"] != "links":
        return problems
    carry_links(host, steps, record["previous"], do, back=True)
    if not first and steps["reload"]:
        do(NETWORKD, lambda: host.run(["systemctl", "restart", NETWORKD], CALL))
    for argv in steps["commands"]:  # each may find that it is done already
        host.run(argv, CALL)
    if NETWORKD in steps["disable"]:  # it did not run before; its end leaves links and addresses alone
        do(NETWORKD, lambda: host.run(["systemctl", "stop", "systemd-networkd.socket", NETWORKD], CALL))
    before = record["before"]
    if before is None:
        return problems
    limit = host.clock() + SETTLE
    while True:
        missing = lost(before, record["touched"], look(host), own(host))
        if not missing or host.clock() >= limit:
            return problems + missing
        host.sleep(0.5)


def go_back(host: Host, record: Pending, reason: str) -> bool:
    """Take a change back; whether all is as it was. The caller holds the lock.

    Tried a few times at once. What is still not as it was then stays pending, with the reason, and is tried again by
    the timer, by the next run and by the next boot.
    """
    record["state"], record["reason"] = "reverting", record["reason"] or reason
    with contextlib.suppress(OSError):  # on a full disk as well
        save(host, PENDING, record)
    problems: list[str] = []
    for number in range(TRIES):
        try:
            problems = backwards(host, record, number == 0)
        except Exception as error:  # the next try may do
            problems = [explained(error)]
        if not problems:
            break
        host.sleep(2.0 * number + 1)
    if problems:
        keep(host, record, problems)
        return False
    if record["reached"] == "links":
        with contextlib.suppress(Failure):
            announce(host, record["touched"])
    finish_back(host, record, quiet_gateways(host, record))
    return True


def keep(host: Host, record: Pending, problems: list[str]) -> None:
    """A change is not taken back entirely: remember why, and try again later."""
    record["problems"], record["retries"] = problems, record["retries"] + 1
    with contextlib.suppress(OSError):
        save(host, PENDING, record)
    if problems and record["retries"] <= RETRIES:
        arm(host, record["id"], RETRY_AFTER, f"-{record['retries']}")


def quiet_gateways(host: Host, record: Pending) -> list[str]:
    """Gateways that answered before a change and do not answer after it was taken back: no reason to try again."""
    before = record["before"]
    if before is None or record["reached"] != "links":
        return []
    keys = [key for key, good in before["gateways"].items() if good]
    answers = Neighbours(host, keys).wait(2 * ANSWER)
    return [
        f"gateway {key.split()[1]} on {key.split()[0]} does not answer" for key, good in answers.items() if not good
    ]


def finish_back(host: Host, record: Pending, problems: Sequence[str]) -> None:
    """The change is taken back: keep its story and forget it."""
    same_boot = record["boot"] == host.boot()
    report = {
        "id": record["id"],
        "reason": record["reason"],
        "seconds": round(host.clock() - record["armed"]) if same_boot else None,
        "time": int(host.time()),
        "problems": list(problems),
    }
    with contextlib.suppress(OSError):
        sweep(host, record)
    try:
        save(host, REVERTED, report)
        host.unlink(PENDING)
    except OSError:  # no space for the story: the record itself holds the reason
        host.replace(PENDING, REVERTED)
    host.run(["systemctl", "stop", f"{REVERT_UNIT}{record['id']}.timer"], CALL)


def revert(host: Host, identity: str, *, died: bool = False) -> int:
    """Take back a change that nobody confirmed in time, or (``died``) whose applying process is gone."""
    record = pending(host)
    if record is None or record["id"] != identity:
        return 0
    if died and record["state"] == "verified":
        return 0
    if not died and record["state"] in ("armed", "applying"):  # far too long: it has half of the window
        host.run(["systemctl", "kill", "--signal=SIGKILL", f"{APPLY_UNIT}{identity}.service"], CALL)
    with host.locked("taking back a change of the network", 2 * PATIENCE):
        record = pending(host)
        if record is None or record["id"] != identity or (died and record["state"] == "verified"):
            return 0
        if died:
            reason = "the process that applied the change died"
        elif record["state"] == "verified":
            reason = f"nobody confirmed the change over a new connection within {record['window']} s"
        else:
            reason = f"the change was not done within {record['window']} s"
        return 0 if go_back(host, record, reason) else 1


# -- boot --------------------------------------------------------------------------------------------------------------


def boot(host: Host, *, ovs: bool = False) -> int:
    """Take back, before the network is started, a change that a reboot cut short.

    There are no links to mend: the files decide. What Open vSwitch remembers is put right by a second call (``ovs``)
    as soon as its database runs. Units that were to be changed are started or kept from it in this boot as well.
    """
    with host.locked("taking back a change of the network at boot", PATIENCE):
        record = pending(host)
        if record is None:
            return 0
        steps, problems = record["back"], list[str]()

        def do(what: str, function: Callable[[], object]) -> object:
            return attempt(problems, what, function)

        record["state"] = "reverting"
        record["reason"] = record["reason"] or "the node was rebooted before the change was confirmed"
        reached = record["reached"]
        if reached and not ovs:
            carry_files(host, steps, OLD, do)
            if steps["udev"]:
                do("udevadm control --reload", lambda: host.run(["udevadm", "control", "--reload"], CALL))
                paths = [f"/sys/class/net/{name}" for name in steps["udev"]]
                host.run(["udevadm", "trigger", "--action=add", "--settle", *paths], CALL)
            if NETWORKD in steps["disable"]:
                host.run(["systemctl", "stop", "--no-block", NETWORKD, "systemd-networkd.socket"], CALL)
            if steps["enable"]:
                host.run(["systemctl", "start", "--no-block", *steps["enable"]], CALL)
        if ovs and steps["ovs"]:
            argv = ["ovs-vsctl", "--no-wait", f"--timeout={OVS}", *steps["ovs"]]
            do("Open vSwitch", lambda: host.run(argv, OVS + 5))
        if not problems and (ovs or not steps["ovs"] or reached != "links"):
            finish_back(host, record, [])
            return 0
        keep(host, record, problems)
        return 1 if problems else 0


# -- arming and telling ------------------------------------------------------------------------------------------------


def arm(host: Host, identity: str, seconds: float, suffix: str = "") -> Result:
    """Have systemd call ``revert`` after some time, whatever happens to everybody else."""
    return host.run(
        [
            "systemd-run", "--quiet", "--collect", f"--unit={REVERT_UNIT}{identity}{suffix}",
            f"--on-active={seconds:.3f}", "--timer-property=AccuracySec=100ms",
            "/usr/bin/python3", "-I", TOOL, "revert", "--id", identity,
        ],
        CALL,
    )  # fmt: skip


def launch(host: Host, identity: str, window: int) -> Result:
    """Have systemd apply the pending change, so that it does not depend on who asks; its death takes it back."""
    return host.run(
        [
            "systemd-run", "--quiet", "--collect", "--no-block", f"--unit={APPLY_UNIT}{identity}",
            f"--property=ExecStopPost=/usr/bin/python3 -I {TOOL} died --id {identity}",
            "--property=OOMScoreAdjust=-900", f"--property=RuntimeMaxSec={2 * window + 300}",
            "--property=TimeoutStopSec=600",
            "/usr/bin/python3", "-I", TOOL, "apply", "--id", identity,
        ],
        CALL,
    )  # fmt: skip


def story(host: Host, identity: str = "") -> dict[str, Any]:
    """What the node has to say of its network, or of one change: read without the lock.

    ``status``: pending, reverted, degraded, ok, or none when there never was a configuration. ``state``: of the change
    (armed, applying, verified, reverting, confirmed, reverted), "" when the node does not know it.
    """
    try:
        record = pending(host)
    except Failure as error:
        return {
            "status": "pending", "id": "", "state": "reverting", "left": 0.0, "reason": str(error), "digest": "",
            "degraded": [], "warnings": [], "problems": [str(error)], "reverted": {},
        }  # fmt: skip
    active, report = load(host, ACTIVE) or {}, load(host, REVERTED) or {}
    state, source = "", dict[str, Any]()
    if record and identity in ("", record["id"]):
        state, source = record["state"], dict(record)
    elif report and identity in ("", report.get("id")):
        state, source = "reverted", report
    elif active and identity in ("", active.get("id")):
        state, source = "confirmed", active
    degraded = source.get("degraded") or []
    status = "pending" if record else "reverted" if report else "none" if not active else "ok"
    if status == "ok" and degraded:
        status = "degraded"
    return {
        "status": status,
        "id": source.get("id", ""),
        "state": state,
        "left": round(max(0.0, record["deadline"] - host.clock()), 1) if record and waits(host, record) else 0.0,
        "reason": source.get("reason", ""),
        "digest": (active.get("wanted") or {}).get("digest", ""),
        "degraded": degraded,
        "warnings": source.get("warnings", []),
        "problems": source.get("problems", []),
        "reverted": {name: report.get(name) for name in ("id", "reason", "seconds", "time", "problems")}
        if report
        else {},
    }


def waits(host: Host, record: Pending) -> bool:
    """Whether a change may still be confirmed, should its deadline allow it. The clock begins anew at each boot."""
    return record["state"] != "reverting" and record["boot"] == host.boot()


def wait(host: Host, identity: str, seconds: float) -> dict[str, Any]:
    """The story of a change as soon as it is no longer being applied, ``seconds`` from now at the latest."""
    limit = host.clock() + seconds
    while True:
        told_ = story(host, identity)
        if told_["state"] not in ("armed", "applying", "reverting") or host.clock() >= limit:
            return told_
        host.sleep(0.2)


def main(arguments: Sequence[str] | None = None, host: Host | None = None) -> int:
    """``ozone-network apply | died | revert | confirm | status | boot``; status and confirm answer in JSON."""
    parser = argparse.ArgumentParser(prog="ozone-network", description="Changes of this node's network.")
    actions = parser.add_subparsers(dest="action", required=True)
    for name, text in (
        ("apply", "carry out the pending change; started by systemd"),
        ("died", "take back the change if the process that applied it died; started by systemd"),
        ("revert", "take back the pending change; started by the timer, or by hand"),
        ("confirm", "keep the pending change"),
    ):
        actions.add_parser(name, help=text).add_argument("--id", required=True)
    status = actions.add_parser("status", help="what there is to say of the network, or of one change")
    status.add_argument("--id", default="")
    status.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="while the change is applied")
    booting = actions.add_parser("boot", help="take back what a reboot cut short; started by systemd")
    booting.add_argument("--ovs", action="store_true", help="what is left of it in Open vSwitch")
    options = parser.parse_args(arguments)
    os.umask(0o022)
    machine = host or Host()
    try:
        if options.action == "apply":
            return apply(machine, options.id)
        if options.action in ("died", "revert"):
            return revert(machine, options.id, died=options.action == "died")
        if options.action == "boot":
            return boot(machine, ovs=options.ovs)
        if options.action == "confirm":
            answer = confirm(machine, options.id)
        else:
            answer = wait(machine, options.id, options.wait)
    except (Failure, OSError) as error:
        sys.stderr.write(f"ozone-network: {explained(error)}\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


#: The units that take back at boot what a reboot cut short; the second when the database of Open vSwitch runs.
UNITS = {
    BOOT_UNIT: f"""# Made by Ozone.
[Unit]
Description=Take back a change of the network that a reboot cut short
DefaultDependencies=no
RequiresMountsFor={STATE} {os.path.dirname(TOOL)} /etc/systemd
After=local-fs.target systemd-remount-fs.service
Before=network-pre.target {NETWORKD} networking.service NetworkManager.service cloud-init-local.service
Before=ovsdb-server.service shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
ConditionPathExists={PENDING}

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {TOOL} boot
TimeoutStartSec=120

[Install]
WantedBy=sysinit.target
""",
    OVS_UNIT: f"""# Made by Ozone.
[Unit]
Description=Take back in Open vSwitch a change of the network that a reboot cut short
DefaultDependencies=no
After={BOOT_UNIT} ovsdb-server.service
Before=ovs-vswitchd.service shutdown.target
Conflicts=shutdown.target
ConditionPathExists={PENDING}

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {TOOL} boot --ovs
TimeoutStartSec=120

[Install]
WantedBy=ovs-vswitchd.service
""",
}

if __name__ == "__main__":
    sys.exit(main())
