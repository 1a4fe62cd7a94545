# SPDX-License-Identifier: Apache-2.0
"""The smoke test: do what a user does, see an instance answer, and leave nothing behind.

Everything that it makes has a name that begins with ``ozone-smoke-``. That is how it is removed, at the end, after a
failure, and by the next run when this one was killed.

``cloud`` is an ``openstack.connection.Connection``; the rest of the world (clock, ping, TCP, what people see) comes in
as ``Tools``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PREFIX = "ozone-smoke-"

#: The line of the guest's console after which nothing more comes. See module_utils/lab/guest.py.
READY = "ready"
GUEST = re.compile(r"OZONE-GUEST (.*?)\s*$", re.MULTILINE)

#: What an instance uses is removed when it is gone.
USED_BY_SERVERS = ("port", "network", "security group")

#: Lines of the console that a failure shows.
TAIL = 25


class SmokeError(Exception):
    """One expectation that was not met."""


@dataclass(frozen=True)
class External:
    """The provider network to make when the cloud has no external network; from cloud.yml.

    ``pool`` is the first and the last floating address; ``vlan`` the VLAN on the physical network, None for a flat one.
    """

    cidr: str
    gateway: str
    pool: tuple[str, str]
    physical_network: str
    vlan: int | None = None


@dataclass(frozen=True)
class Options:
    """``run`` tells this run from others. ``kernel``, ``initrd``, ``disk`` are files. All times are in seconds."""

    run: str
    kernel: str
    initrd: str
    disk: str
    public_key: str
    external: External | None = None
    computes: tuple[str, ...] = ()
    cidr: str = "198.19.250.0/24"
    nic: str = "e1000"
    ram: int = 256
    active_timeout: float = 300
    guest_timeout: float = 300
    answer_timeout: float = 120
    clean_timeout: float = 180
    keep: bool = False

    @property
    def name(self) -> str:
        """What the names of this run begin with."""
        return PREFIX + self.run


@dataclass(frozen=True)
class Tools:
    """The world outside of the cloud. ``ping`` and ``fetch`` are bounded; ``fetch`` gives "" when there is no page."""

    ping: Callable[[str], bool]
    fetch: Callable[[str], str]
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    say: Callable[[str], None]


@dataclass
class Report:
    """What happened. ``problem`` is empty when everything worked."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every step worked, the clean-up included."""
        return not self.problem


def guest_says(console: str) -> list[str]:
    """What the guest printed on its console for us."""
    return GUEST.findall(console)


def tail(console: str) -> str:
    """The last lines of a console, without the control characters of a terminal."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x20-\x7e\n]", "", console)
    return "\n".join(text.strip().splitlines()[-TAIL:])


def summary(report: Report) -> str:
    """One line for people."""
    facts = report.facts
    if not report.ok:
        failed = [step["name"] for step in report.steps if not step["ok"]]
        return f"smoke: FAILED after {report.seconds:.0f} s at: {', '.join(failed)}"
    parts = [
        f"smoke: ok in {report.seconds:.0f} s: an instance on {facts.get('host') or 'a compute node'} read its metadata"
    ]
    if "address" in facts:
        parts.append(f"answered at {facts['address']}")
    if "tunnel" in facts:
        parts.append(facts["tunnel"])
    return ", ".join(parts)


class Smoke:
    """One run."""

    def __init__(self, cloud: Any, options: Options, tools: Tools) -> None:
        self.cloud = cloud
        self.options = options
        self.tools = tools
        self.report = Report()
        self.servers: list[Any] = []

    # --- frame ---

    @contextmanager
    def _step(self, name: str) -> Iterator[dict[str, Any]]:
        """Time one step. What goes wrong in it is recorded with it, and ends the run."""
        record: dict[str, Any] = {"name": name, "seconds": 0.0, "ok": False, "detail": ""}
        started = self.tools.clock()
        try:
            yield record
            record["ok"] = True
        except Exception as error:
            record["detail"] = str(error)
            raise SmokeError(f"{name}: {error}") from error
        finally:
            record["seconds"] = round(self.tools.clock() - started, 1)
            self.report.steps.append(record)
            mark = "ok" if record["ok"] else "FAILED"
            self.tools.say(f"smoke: {name}: {mark}, {record['seconds']:.1f} s {record['detail']}".rstrip())

    def _wait(self, what: str, seconds: float, look: Callable[[], tuple[bool, str]]) -> None:
        """Look once a second until it is done; say what is being waited for, when that changes and every 15 s."""
        deadline = self.tools.clock() + seconds
        last, said = "", self.tools.clock()
        while True:
            done, state = look()
            if done:
                return
            now = self.tools.clock()
            if now >= deadline:
                raise SmokeError(f"{what}: not within {seconds:.0f} s ({state})")
            if state != last or now - said >= 15:
                self.tools.say(f"smoke: waiting for {what}: {state} ({deadline - now:.0f} s left)")
                last, said = state, now
            self.tools.sleep(1)

    def run(self) -> Report:
        """Everything; never raises for what the cloud does."""
        started = self.tools.clock()
        problems = []
        try:
            with self._step("remove what a killed run left") as step:
                step["detail"] = ", ".join(self._sweep(PREFIX))
            self._user()
        except SmokeError as error:
            problems.append(f"{error}{self._evidence()}")
        finally:
            if not self.options.keep:
                try:
                    with self._step("remove what was made"):
                        self._sweep(self.options.name)
                except SmokeError as error:
                    problems.append(str(error))
        if self.options.keep:
            kept = f"kept, as asked: everything named {self.options.name}*; the next run removes it"
            if problems:
                problems.append(kept)
            else:
                self.tools.say(f"smoke: {kept}")
        self.report.problem = "\n".join(problems)
        self.report.seconds = round(self.tools.clock() - started, 1)
        return self.report

    # --- what a user does ---

    def _user(self) -> None:
        name, options = self.options.name, self.options
        network_api, compute = self.cloud.network, self.cloud.compute
        with self._step("image"):
            kernel = self._image("kernel", "aki", options.kernel)
            ramdisk = self._image("initrd", "ari", options.initrd)
            properties = {"kernel_id": kernel, "ramdisk_id": ramdisk, "hw_vif_model": options.nic}
            image = self._image("disk", "ami", options.disk, **properties)
        with self._step("flavor and key"):
            flavor = compute.create_flavor(name=name, ram=options.ram, vcpus=1, disk=0)
            compute.create_keypair(name=name, public_key=options.public_key, type="ssh")
        with self._step("network") as step:
            network = network_api.create_network(name=name)
            step["detail"] = f"MTU {network.mtu}"
            subnet = network_api.create_subnet(name=name, network_id=network.id, ip_version=4, cidr=options.cidr)
        with self._step("security group"):
            group = network_api.create_security_group(name=name, description="Smoke test of Ozone")
            for rule in ({"protocol": "icmp"}, {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}):
                network_api.create_security_group_rule(
                    security_group_id=group.id, direction="ingress", ether_type="IPv4", **rule
                )
        with self._step("instance"):
            ports = [
                network_api.create_port(name=f"{name}-{number}", network_id=network.id, security_group_ids=[group.id])
                for number in range(max(1, len(options.computes)))
            ]
            addresses = [str(port.fixed_ips[0]["ip_address"]) for port in ports]
            for number, port in enumerate(ports):
                more: dict[str, Any] = {"host": options.computes[number]} if options.computes else {}
                others = addresses[:number]
                if others:
                    # The others may be on slower nodes. "ready" has to be on the console before that is given up.
                    patience = int(options.guest_timeout * 2 / 3 / len(others))
                    more["metadata"] = {"ping": ",".join(others), "ping_seconds": str(patience)}
                server = compute.create_server(
                    name=f"{name}-{number}",
                    image_id=image,
                    flavor_id=flavor.id,
                    key_name=name,
                    networks=[{"port": port.id}],
                    **more,
                )
                self.servers.append(server)
        floating = self._floating_address(subnet, ports[0])
        for number in range(len(self.servers)):
            with self._step(f"instance {number} active") as step:
                server = self._active(number)
                step["detail"] = f"on {server.compute_host}" if server.compute_host else ""
                self.report.facts.setdefault("host", server.compute_host)
        if floating:
            self._answers(floating)
        for number, address in enumerate(addresses):
            self._guest(number, address, addresses[:number], int(network.mtu))
        if floating:
            with self._step("page through the floating address"):
                self._page(floating)

    def _image(self, part: str, form: str, path: str, **properties: str) -> str:
        image = self.cloud.image.create_image(
            f"{self.options.name}-{part}",
            filename=path,
            disk_format=form,
            container_format=form,
            allow_duplicates=True,
            wait=True,
            timeout=300,
            **properties,
        )
        return str(image.id)

    def _external_network(self, step: dict[str, Any]) -> str:
        """The id of an external network; "" when there is none and cloud.yml does not describe one."""
        for network in self.cloud.network.networks(is_router_external=True):
            step["detail"] = f"uses {network.name}"
            return str(network.id)
        external = self.options.external
        if external is None:
            step["detail"] = "skipped: there is no external network, and cloud.yml describes none"
            return ""
        provider: dict[str, Any] = {
            "provider_network_type": "flat" if external.vlan is None else "vlan",
            "provider_physical_network": external.physical_network,
        }
        if external.vlan is not None:
            provider["provider_segmentation_id"] = external.vlan
        name = f"{self.options.name}-external"
        network = self.cloud.network.create_network(name=name, is_router_external=True, **provider)
        self.cloud.network.create_subnet(
            name=name,
            network_id=network.id,
            ip_version=4,
            cidr=external.cidr,
            gateway_ip=external.gateway,
            is_dhcp_enabled=False,
            allocation_pools=[{"start": external.pool[0], "end": external.pool[1]}],
        )
        step["detail"] = f"made on {external.physical_network}, as there is none"
        return str(network.id)

    def _floating_address(self, subnet: Any, port: Any) -> str:
        """A floating address for the first instance; "" when the cloud has no external network."""
        name, network_api = self.options.name, self.cloud.network
        with self._step("external network") as step:
            external = self._external_network(step)
        if not external:
            return ""
        with self._step("router and floating address") as step:
            router = network_api.create_router(name=name, external_gateway_info={"network_id": external})
            network_api.add_interface_to_router(router, subnet.id)
            floating = network_api.create_ip(floating_network_id=external, port_id=port.id, description=name)
            step["detail"] = str(floating.floating_ip_address)
            return str(floating.floating_ip_address)

    def _active(self, number: int) -> Any:
        server = self.servers[number]

        def look() -> tuple[bool, str]:
            found = self.cloud.compute.get_server(server.id)
            self.servers[number] = found
            if found.status == "ERROR":
                raise SmokeError(f"the instance went to ERROR: {_fault(found)}")
            return found.status == "ACTIVE", f"{found.status} {found.task_state or ''}".strip()

        self._wait(f"instance {number} to be active", self.options.active_timeout, look)
        return self.servers[number]

    def _console(self, server: Any) -> str:
        answer = self.cloud.compute.get_server_console_output(server.id, length=400)
        return str(answer["output"] if isinstance(answer, Mapping) else answer)

    def _guest(self, number: int, address: str, others: list[str], mtu: int) -> None:
        """Read on the console what the guest found out by itself. ``mtu``: that of its network."""
        server = self.servers[number]
        lines: list[str] = []

        def look() -> tuple[bool, str]:
            lines[:] = guest_says(self._console(server))
            return READY in lines, lines[-1] if lines else "nothing on its console yet"

        with self._step(f"console of instance {number}") as step:
            self._wait(f"the console of instance {number}", self.options.guest_timeout, look)
            if f"address={address}" not in lines:
                raise SmokeError(f"the guest did not get its address {address} by DHCP: {lines}")
            if not any(line.startswith(f"metadata={server.id} ") for line in lines):
                raise SmokeError(f"the guest did not get the metadata of {server.id}: {lines}")
            if f"mtu={mtu}" not in lines:
                raise SmokeError(f"the guest did not get the MTU {mtu} of its network by DHCP: {lines}")
            step["detail"] = f"address, metadata and MTU {mtu} are right"
        for target, other in enumerate(others):
            with self._step(f"instance {number} pings {other}") as step:
                if f"ping {other} ok" not in lines:
                    raise SmokeError(f"no answer from {other}: {lines}")
                if f"ping {other} of {mtu} bytes ok" not in lines:
                    raise SmokeError(
                        f"no answer from {other} to unfragmented packets of {mtu} bytes, the MTU of their network: "
                        f"does the tunnel network carry packets of its `mtu` in cloud.yml? {lines}"
                    )
                hosts = [found.compute_host for found in self.servers]
                step["detail"] = f"from {hosts[number]} to {hosts[target]} with packets of {mtu} bytes"
                self.report.facts["tunnel"] = f"pinged {step['detail']}"

    def _answers(self, address: str) -> None:
        with self._step("ping through the floating address") as step:
            self._wait(
                f"{address} to answer a ping",
                self.options.answer_timeout + self.options.guest_timeout,
                lambda: (self.tools.ping(address), "no answer"),
            )
            step["detail"] = address
            self.report.facts["address"] = address

    def _page(self, address: str) -> None:
        wanted = f"metadata={self.servers[0].id}"

        def look() -> tuple[bool, str]:
            page = self.tools.fetch(address)
            return wanted in page, f"got {len(page)} bytes"

        self._wait(f"the page at {address} port 80", self.options.answer_timeout, look)

    # --- after a failure ---

    def _evidence(self) -> str:
        """About the instances, and where to look further. What fails in here does not hide the first fault."""
        parts = []
        for number, server in enumerate(self.servers):
            try:
                found = self.cloud.compute.get_server(server.id)
                state = f"{found.status} {found.task_state or ''}".strip()
                host = found.compute_host or "no host"
                parts.append(f"instance {number} ({server.id}): {state} on {host}; fault: {_fault(found)}")
                parts.append(f"its console ends with:\n{tail(self._console(server))}")
            except Exception as error:
                parts.append(f"instance {number} ({server.id}): nothing to learn: {error}")
        if self.servers:
            parts.append(
                "look further with: journalctl -u ozone-nova_compute (on its host), -u ozone-nova_scheduler and "
                "-u ozone-nova_conductor (on a controller), -u ozone-neutron_ovn_agent and ovn-controller (on its host)"
            )
        return "".join(f"\n{part}" for part in parts)

    # --- clean-up ---

    def _sweep(self, prefix: str) -> list[str]:
        """Remove all of the own project whose name begins with ``prefix``; return kinds and counts of it.

        What depends on something else goes first; what is refused is tried again until the time is over.
        """
        removed: dict[str, set[str]] = {}
        leaving: set[str] = set()  # instances that have been told to go; the rest goes at once
        deadline = self.tools.clock() + self.options.clean_timeout
        while True:
            errors: list[str] = []
            busy: set[str] = set()  # kinds of which something was still there
            for kind, found, remove in self._resources():
                if "server" in busy and kind in USED_BY_SERVERS:
                    continue
                for thing in found():
                    label = str(getattr(thing, "description" if kind == "floating address" else "name", "") or "")
                    if not label.startswith(prefix):
                        continue
                    busy.add(kind)
                    removed.setdefault(kind, set()).add(str(thing.id))
                    if thing.id in leaving:
                        continue
                    try:
                        remove(thing)
                        if kind == "server":
                            leaving.add(thing.id)
                    except Exception as error:
                        errors.append(f"{kind} {label}: {error}")
            if not busy:
                return [f"{len(ids)} {kind}" for kind, ids in removed.items()]
            if self.tools.clock() >= deadline:
                raise SmokeError("left behind: " + ("; ".join(errors) or ", ".join(sorted(busy))))
            self.tools.sleep(1)

    def _resources(self) -> list[tuple[str, Callable[[], Any], Callable[[Any], Any]]]:
        """Kind, how to list and how to remove it, in the order of removal."""
        compute, network, image = self.cloud.compute, self.cloud.network, self.cloud.image
        project = self.cloud.current_project_id
        return [
            ("server", lambda: compute.servers(details=False), lambda it: compute.delete_server(it.id)),
            ("floating address", lambda: network.ips(project_id=project), lambda it: network.delete_ip(it.id)),
            ("router", lambda: network.routers(project_id=project), self._remove_router),
            ("port", lambda: network.ports(project_id=project), lambda it: network.delete_port(it.id)),
            ("network", lambda: network.networks(project_id=project), lambda it: network.delete_network(it.id)),
            (
                "security group",
                lambda: network.security_groups(project_id=project),
                lambda it: network.delete_security_group(it.id),
            ),
            ("key", compute.keypairs, lambda it: compute.delete_keypair(it.name)),
            ("flavor", compute.flavors, lambda it: compute.delete_flavor(it.id)),
            ("image", lambda: image.images(owner=project), lambda it: image.delete_image(it.id)),
        ]

    def _remove_router(self, router: Any) -> None:
        network = self.cloud.network
        for port in network.ports(device_id=router.id):
            if str(port.device_owner).startswith("network:router_interface"):
                network.remove_interface_from_router(router, None, port.id)
        network.delete_router(router.id)


def _fault(server: Any) -> str:
    fault = server.fault
    return str(fault.get("message") or fault) if isinstance(fault, Mapping) and fault else "none"
