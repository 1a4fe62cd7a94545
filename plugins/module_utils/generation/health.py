# SPDX-License-Identifier: Apache-2.0
"""Is a service healthy? Wait for it, no longer than needed: neither for what works nor for what will never work."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import host_port
from ansible_collections.ozone.openstack.plugins.module_utils.generation.difference import all_units, container_units
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import Health, Manifest
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import Host, units

#: How long a unit has to run with the same process before it counts as healthy, in seconds, unless its check says so:
#: long enough for a daemon to find a mistake in its configuration; shorter when another check shows that it works.
SETTLE = 5
SETTLE_PROBED = 1

#: Seconds between two looks, and limits of single probes.
INTERVAL = 0.25
CONNECT_TIMEOUT = 5
COMMAND_TIMEOUT = 15

#: So many restarts by systemd while watched are a crash loop.
CRASHES = 3

#: A unit that is inactive so long with no job waiting for it, in seconds, will not start any more.
IDLE = 2.0

#: What systemd says of a unit that it cannot start whatever one does.
UNUSABLE = ("not-found", "bad-setting", "error", "masked")


class Network:
    """Probes over the network, as the deployed service sees them. Each answers with "" or with what is wrong."""

    def tcp(self, host: str, port: int) -> str:
        """Connect."""
        try:
            socket.create_connection((host, port), CONNECT_TIMEOUT).close()
        except OSError as error:
            return f"{host_port(host, port)}: {error}"
        return ""

    def http(self, url: str, status: Collection[int], cafile: str | None) -> str:
        """GET ``url`` without following redirections and without a proxy."""
        parts = urlsplit(url)
        connection: http.client.HTTPConnection
        try:
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=cafile)
                connection = http.client.HTTPSConnection(parts.netloc, timeout=CONNECT_TIMEOUT, context=context)
            else:
                connection = http.client.HTTPConnection(parts.netloc, timeout=CONNECT_TIMEOUT)
            try:
                connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
                found = connection.getresponse().status
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            return f"{url}: {error or type(error).__name__}"
        return "" if found in status else f"{url}: status {found}, wanted {', '.join(map(str, sorted(status)))}"


class Unhealthy(Exception):
    """What is wrong, and the units whose journal tells more."""

    def __init__(self, reason: str, culprits: Sequence[str]) -> None:
        super().__init__(reason)
        self.culprits = list(culprits)


@dataclass
class Watched:
    """A unit under observation: it has to run for ``seconds`` with the same process."""

    name: str
    seconds: float
    restarts: int | None = None
    process: tuple[str, str] | None = None
    since: float = 0.0
    idle: float | None = None

    def look(self, state: dict[str, str], now: float) -> tuple[str, bool]:
        """What is not (yet) right with the unit ("" when it is), and whether waiting is of no use."""
        if state["LoadState"] in UNUSABLE:
            return f"{self.name} is {state['LoadState']}", True
        if state["Job"] not in ("", "0"):
            self.process = self.idle = None
            return f"{self.name} is {state['ActiveState']}, systemd has a job for it", False
        restarts = int(state["NRestarts"] or 0)
        self.restarts = restarts if self.restarts is None else min(self.restarts, restarts)
        if restarts - self.restarts >= CRASHES:
            return f"{self.name} ends again and again: systemd restarted it {restarts} times", True
        if state["ActiveState"] == "failed":
            return f"{self.name} failed ({state['Result']})", True
        if state["ActiveState"] == "inactive":
            self.idle = now if self.idle is None else self.idle
            return f"{self.name} is not running", now - self.idle >= IDLE
        self.idle = None
        if state["ActiveState"] not in ("active", "reloading"):
            self.process = None
            return f"{self.name} is {state['ActiveState']} ({state['SubState']})", False
        process = (state["MainPID"], state["NRestarts"])
        if process != self.process:
            self.process, self.since = process, now
        if now - self.since < self.seconds:
            return f"{self.name} runs for less than {self.seconds:.0f} s", False
        return "", False


def watched(manifest: Manifest, touched: Collection[str]) -> list[Watched]:
    """Every unit of a generation, and how long it has to run: at once for those that nobody touched."""
    probed = {check["unit"] for check in manifest["health"] if check["type"] != "unit" and "unit" in check}
    asked = {
        check["unit"]: check.get("seconds", SETTLE_PROBED if check["unit"] in probed else SETTLE)
        for check in manifest["health"]
        if check["type"] == "unit"
    }
    containers = container_units(manifest)
    names = dict.fromkeys([*all_units(manifest), *asked])
    result: list[Watched] = []
    for name in names:
        default = SETTLE_PROBED if name in probed else SETTLE
        seconds = asked.get(name, default if name in containers else 0)
        result.append(Watched(name, seconds if name in touched else 0))
    return result


def look_units(host: Host, watch: Sequence[Watched]) -> dict[str, str]:
    """One look at all units; what is not yet right, by unit. :raises Unhealthy: waiting is of no use."""
    now = host.clock()
    problems: dict[str, str] = {}
    for unit, state in zip(watch, units(host, [unit.name for unit in watch]).values(), strict=True):
        problem, hopeless = unit.look(state, now)
        if hopeless:
            raise Unhealthy(problem, [unit.name])
        if problem:
            problems[unit.name] = problem
    return problems


def probe(host: Host, network: Network, check: Health) -> str:
    """Try one check that is not of a unit; what is wrong, or ""."""
    if check["type"] == "tcp":
        problem = network.tcp(check["host"], check["port"])
    elif check["type"] == "http":
        problem = network.http(check["url"], check.get("status", [200]), check.get("cafile"))
    elif check["type"] == "command":
        result = host.run(check["argv"], COMMAND_TIMEOUT)
        problem = (result.err or result.out).strip()[-300:] or f"exit code {result.code}" if result.code else ""
    else:
        return ""
    return f"{check['name']}: {problem}" if problem else ""


@dataclass
class Wait:
    """Waiting for a generation to be healthy. ``touched`` are the units that were started, restarted or reloaded."""

    host: Host
    network: Network
    manifest: Manifest
    touched: list[str]
    seconds: float

    def active(self, names: Sequence[str]) -> None:
        """Wait until units run, for commands that need them. :raises Unhealthy: they do not, or too late."""
        watch = [Watched(name, 0) for name in names]
        self._until(watch, [], names)

    def healthy(self) -> None:
        """Wait until all units and checks are right. :raises Unhealthy: they are not, or too late."""
        self._until(watched(self.manifest, self.touched), self.manifest["health"], self.touched)

    def _until(self, watch: list[Watched], checks: Sequence[Health], suspects: Sequence[str]) -> None:
        """The checks count only while all units are right: before, the old process may be the one that answers."""
        limit = self.host.clock() + self.seconds
        while True:
            down = look_units(self.host, watch)
            problems, culprits = list(down.values()), list(down)
            for check in [] if down else checks:
                problem = probe(self.host, self.network, check)
                if problem:
                    problems.append(problem)
                    culprits += [check["unit"]] if "unit" in check else suspects
            if not problems:
                return
            if self.host.clock() >= limit:
                raise Unhealthy(f"not healthy after {self.seconds:.0f} s: {'; '.join(problems)}", culprits)
            self.host.sleep(INTERVAL)


def problems_now(host: Host, network: Network, manifest: Manifest) -> list[str]:
    """All that is wrong with the active generation now: two looks at its units, one second apart, and every check."""
    names = [unit.name for unit in watched(manifest, ())]
    watch = {name: Watched(name, 1) for name in names}
    found: dict[str, str] = {}
    for place in range(2):
        if place:
            host.sleep(1.0)
        now = host.clock()
        restarts = {name: unit.restarts for name, unit in watch.items()}
        for name, state in units(host, names).items():
            problem, _ = watch[name].look(state, now)
            count = int(state["NRestarts"] or 0)
            before = restarts[name]
            if before is not None and count > before:
                problem = f"{name} was restarted while watched"
            found[name] = problem
    return [problem for problem in found.values() if problem] + [
        problem for check in manifest["health"] if (problem := probe(host, network, check))
    ]
