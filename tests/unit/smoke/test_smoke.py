# SPDX-License-Identifier: Apache-2.0
"""The smoke test against a fake cloud."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils import smoke
from ansible_collections.ozone.openstack.plugins.module_utils.smoke import External, Options, Smoke, Tools

EXTERNAL = External("198.51.100.0/25", "198.51.100.1", ("198.51.100.20", "198.51.100.100"), "physnet1")
DELETE = {
    "ip": "ips",
    "router": "routers",
    "port": "ports",
    "network": "networks",
    "security_group": "security_groups",
    "flavor": "flavors",
    "image": "images",
}


class FakeCloud:
    """A fake of openstacksdk's connection: what the smoke test calls, in memory, with dependencies as in a cloud."""

    current_project_id = "me"

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.things: dict[str, dict[str, Any]] = {
            kind: {}
            for kind in ("servers", "ips", "routers", "ports", "networks", "subnets", "security_groups", "rules",
                         "keypairs", "flavors", "images")
        }  # fmt: skip
        self.compute = self.network = self.image = self
        self.polls: dict[str, int] = {}
        self.fail: dict[str, Exception] = {}
        self.end_in = "ACTIVE"
        self.metadata = True
        self.pings = self.full = "ok"
        self.mtu = 1442
        self.lease = True
        self.calls: list[tuple[str, dict[str, Any]]] = []
        for kind in ("flavors", "images", "networks", "servers"):
            self.make(kind, name="production", task_state=None)

    def make(self, kind: str, **values: Any) -> Any:
        identifier = f"{kind}-{next(self.numbers)}"
        values |= {"mtu": 1442} if kind == "networks" else {}
        thing = SimpleNamespace(id=identifier, **{"name": "", "description": "", **values})
        self.things[kind][identifier] = thing
        return thing

    def __getattr__(self, name: str) -> Any:
        if name in self.fail:
            raise self.fail[name]
        verb, _, rest = name.partition("_")
        if verb == "create" and rest + "s" in self.things:
            return lambda **values: self.note(name, values) or self.make(rest + "s", **values)
        if verb == "delete" and rest in DELETE:
            return lambda identifier: self.delete(DELETE[rest], identifier)
        if name in self.things:
            return lambda **query: [self.note(name, query)] and list(self.things[name].values())
        raise AttributeError(name)

    def note(self, name: str, values: dict[str, Any]) -> None:
        self.calls.append((name, values))

    def delete(self, kind: str, identifier: str) -> None:
        if kind == "networks" and any(port.network_id == identifier for port in self.things["ports"].values()):
            raise RuntimeError("409: ports are in use")
        if kind == "security_groups" and any(identifier in port.groups for port in self.things["ports"].values()):
            raise RuntimeError("409: in use")
        del self.things[kind][identifier]

    def create_image(self, name: str, **values: Any) -> Any:
        self.note("create_image", {"name": name, **values})
        return self.make("images", name=name)

    def create_security_group_rule(self, **values: Any) -> None:
        assert values["security_group_id"] in self.things["security_groups"]

    def networks(self, **query: Any) -> list[Any]:
        found = list(self.things["networks"].values())
        if query.get("is_router_external"):
            return [network for network in found if getattr(network, "is_router_external", False)]
        assert query == {"project_id": "me"}
        return found

    def create_port(self, name: str, network_id: str, security_group_ids: list[str]) -> Any:
        if "create_port" in self.fail:
            raise self.fail["create_port"]
        number = len(self.things["ports"]) + 10
        return self.make(
            "ports", name=name, network_id=network_id, groups=security_group_ids, device_id="", device_owner="",
            fixed_ips=[{"ip_address": f"198.19.250.{number}"}],
        )  # fmt: skip

    def ports(self, **query: Any) -> list[Any]:
        found = list(self.things["ports"].values())
        return [port for port in found if "device_id" not in query or port.device_id == query["device_id"]]

    def add_interface_to_router(self, router: Any, subnet: str) -> None:
        network = self.things["subnets"][subnet].network_id
        for owner in ("network:router_interface", "network:router_gateway"):
            self.make("ports", network_id=network, groups=[], device_id=router.id, device_owner=owner)

    def remove_interface_from_router(self, router: Any, subnet: None, port: str) -> None:
        del self.things["ports"][port]

    def delete_router(self, router: str) -> None:
        for port in [port for port in self.things["ports"].values() if port.device_id == router]:
            assert port.device_owner == "network:router_gateway"
            del self.things["ports"][port.id]
        del self.things["routers"][router]

    def create_ip(self, **values: Any) -> Any:
        return self.make("ips", floating_ip_address="198.51.100.20", **values)

    def create_server(self, **values: Any) -> Any:
        self.note("create_server", values)
        return self.make(
            "servers", status="BUILD", task_state="scheduling", fault=None, compute_host=values.get("host"), **values
        )

    def get_server(self, identifier: str) -> Any:
        server = self.things["servers"][identifier]
        self.polls[identifier] = self.polls.get(identifier, 0) + 1
        if self.polls[identifier] >= 3 and server.status == "BUILD":
            server.status, server.task_state = self.end_in, None
            server.compute_host = server.compute_host or "node1"
            if self.end_in == "ERROR":
                server.fault = {"message": "No valid host was found."}
        return server

    def get_server_console_output(self, identifier: str, length: int) -> dict[str, str]:
        server = self.things["servers"][identifier]
        port = self.things["ports"][server.networks[0]["port"]]
        address = port.fixed_ips[0]["ip_address"] if self.lease else "none"
        metadata = f"{identifier} hostname=x" if self.metadata else "none"
        lines = ["\x1b[2JLinux", f"OZONE-GUEST address={address}", f"OZONE-GUEST metadata={metadata}"]
        lines += [f"OZONE-GUEST mtu={self.mtu}"]
        for other in getattr(server, "metadata", {}).get("ping", "").split(","):
            lines += [f"OZONE-GUEST ping {other} {self.pings}"] if other else []
            lines += [f"OZONE-GUEST ping {other} of {self.mtu} bytes {self.full}"] if other else []
        if self.polls.get(identifier, 0) < 3:
            lines = []
        return {"output": "\r\n".join([*lines, "OZONE-GUEST ready", ""] if lines else [])}

    def delete_server(self, identifier: str) -> None:
        server = self.things["servers"][identifier]
        assert server.task_state != "deleting"
        server.task_state = "deleting"
        self.polls[identifier] = 0

    def servers(self, details: bool) -> list[Any]:
        for server in list(self.things["servers"].values()):
            if server.task_state == "deleting":
                self.polls[server.id] += 1
                if self.polls[server.id] > 2:
                    del self.things["servers"][server.id]
        return list(self.things["servers"].values())

    def delete_keypair(self, name: str) -> None:
        self.things["keypairs"] = {key: it for key, it in self.things["keypairs"].items() if it.name != name}

    def left(self) -> set[str]:
        """Names of all things."""
        kinds = set(self.things) - {"subnets"}
        return {thing.name or thing.description for kind in kinds for thing in self.things[kind].values()}


class World:
    """A clock that only sleeping moves, and a deployment host."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.now = 0.0
        self.said: list[str] = []
        self.silent_pings = 2
        self.page = True

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ping(self, address: str) -> bool:
        self.silent_pings -= 1
        return self.silent_pings < 0

    def fetch(self, address: str) -> str:
        server = next(it for it in self.cloud.things["servers"].values() if it.name.startswith("ozone"))
        return f"OZONE-GUEST metadata={server.id} hostname=x\n" if self.page else ""

    def tools(self) -> Tools:
        return Tools(self.ping, self.fetch, self.sleep, lambda: self.now, self.said.append)


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud()


def run(cloud: FakeCloud, world: World | None = None, **options: Any) -> smoke.Report:
    world = world or World(cloud)
    defaults: dict[str, Any] = {"run": "host-1", "kernel": "/k", "initrd": "/i", "disk": "/d", "public_key": "ssh"}
    return Smoke(cloud, Options(**{**defaults, "external": EXTERNAL, **options}), world.tools()).run()


def names(report: smoke.Report) -> list[str]:
    return [step["name"] for step in report.steps]


def test_all_goes_well_and_nothing_is_left(cloud: FakeCloud) -> None:
    world = World(cloud)
    report = run(cloud, world)
    assert report.ok, report.problem
    assert names(report) == [
        "remove what a killed run left",
        "image",
        "flavor and key",
        "network",
        "security group",
        "instance",
        "external network",
        "router and floating address",
        "instance 0 active",
        "ping through the floating address",
        "console of instance 0",
        "page through the floating address",
        "remove what was made",
    ]
    assert all(step["ok"] for step in report.steps)
    assert cloud.left() == {"production"}
    assert smoke.summary(report) == (
        f"smoke: ok in {report.seconds:.0f} s: an instance on node1 read its metadata, answered at 198.51.100.20"
    )
    assert any("waiting for instance 0 to be active: BUILD scheduling (" in line for line in world.said)
    images = [values for name, values in cloud.calls if name == "create_image"]
    assert [image["disk_format"] for image in images] == ["aki", "ari", "ami"]
    assert images[2]["hw_vif_model"] == "e1000"
    assert images[2]["kernel_id"].startswith("images-")


def test_an_external_network_that_is_there_is_used_and_stays(cloud: FakeCloud) -> None:
    cloud.make("networks", name="public", is_router_external=True)
    report = run(cloud, external=None)
    assert report.ok
    assert report.steps[6]["detail"] == "uses public"
    assert cloud.left() == {"production", "public"}


def test_an_external_network_on_a_vlan(cloud: FakeCloud) -> None:
    assert run(cloud, external=External("198.51.100.0/25", "198.51.100.1", ("a", "b"), "physnet9", 42)).ok
    made = [values for name, values in cloud.calls if name == "create_network"]
    assert made[1]["provider_network_type"] == "vlan"
    assert made[1]["provider_segmentation_id"] == 42


def test_without_an_external_network_the_rest_is_tested(cloud: FakeCloud) -> None:
    report = run(cloud, external=None)
    assert report.ok
    assert "skipped: there is no external network" in report.steps[6]["detail"]
    assert "ping through the floating address" not in names(report)


def test_two_computes_ping_each_other(cloud: FakeCloud) -> None:
    report = run(cloud, computes=("compute1", "compute2"))
    assert report.ok, report.problem
    made = [values for name, values in cloud.calls if name == "create_server"]
    assert [values["host"] for values in made] == ["compute1", "compute2"]
    assert "metadata" not in made[0]
    assert made[1]["metadata"] == {"ping": "198.19.250.10", "ping_seconds": "200"}
    assert smoke.summary(report).endswith("pinged from compute2 to compute1 with packets of 1442 bytes")
    for result in ("failed", "fragmented"):
        cloud.full = result
        report = run(cloud, computes=("compute1", "compute2"))
        assert "no answer from 198.19.250.10 to unfragmented packets of 1442 bytes" in report.problem
    cloud.pings = "failed"
    report = run(cloud, computes=("compute1", "compute2"))
    assert "instance 1 pings 198.19.250.10: no answer from" in report.problem


def test_an_instance_in_error_shows_its_fault_and_everything_is_removed(cloud: FakeCloud) -> None:
    cloud.end_in = "ERROR"
    report = run(cloud)
    assert not report.ok
    assert "instance 0 active: the instance went to ERROR: No valid host was found." in report.problem
    assert "ERROR on node1; fault: No valid host was found." in report.problem
    assert "its console ends with:\nLinux" in report.problem
    assert "journalctl -u ozone-nova_compute" in report.problem
    assert names(report)[-1] == "remove what was made"
    assert cloud.left() == {"production"}
    assert smoke.summary(report) == f"smoke: FAILED after {report.seconds:.0f} s at: instance 0 active"


def test_waits_are_bounded(cloud: FakeCloud) -> None:
    cloud.end_in = "BUILD"
    world = World(cloud)
    report = run(cloud, world, active_timeout=40)
    assert "instance 0 to be active: not within 40 s (BUILD" in report.problem
    assert len([line for line in world.said if "waiting for" in line]) == 4  # twice it changes, then every 15 s
    world.silent_pings = 10**9
    cloud.end_in = "ACTIVE"
    report = run(cloud, world, answer_timeout=5, guest_timeout=5)
    assert "198.51.100.20 to answer a ping: not within 10 s (no answer)" in report.problem


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("metadata", False, "the guest did not get the metadata of servers-"),
        ("lease", False, "the guest did not get its address 198.19.250.10 by DHCP"),
        ("mtu", 1500, "the guest did not get the MTU 1442 of its network by DHCP"),
    ],
)
def test_what_the_guest_says_counts(cloud: FakeCloud, attribute: str, value: object, words: str) -> None:
    setattr(cloud, attribute, value)
    assert words in run(cloud).problem
    assert cloud.left() == {"production"}


def test_the_page_counts(cloud: FakeCloud) -> None:
    world = World(cloud)
    world.page = False
    assert "the page at 198.51.100.20 port 80: not within 120 s (got 0 bytes)" in run(cloud, world).problem


def test_leftovers_of_a_killed_run_are_removed_first(cloud: FakeCloud) -> None:
    cloud.fail["create_port"] = KeyboardInterrupt()
    cloud.make("ips", description="ozone-smoke-old-7")
    cloud.make("servers", name="ozone-smoke-old-7-0", status="ACTIVE", task_state=None)
    cloud.make("keypairs", name="ozone-smoke-old-7")
    with pytest.raises(KeyboardInterrupt):
        run(cloud)
    assert cloud.left() == {"production"}  # also after an interrupt
    cloud.fail.clear()
    cloud.make("networks", name="ozone-smoke-old-8")
    report = run(cloud)
    assert report.steps[0]["detail"] == "1 network"


def test_what_was_made_can_be_kept_to_look_at(cloud: FakeCloud) -> None:
    cloud.end_in = "ERROR"
    report = run(cloud, keep=True)
    assert "kept, as asked: everything named ozone-smoke-host-1*" in report.problem
    assert "ozone-smoke-host-1-0" in cloud.left()
    cloud.end_in = "ACTIVE"
    report = run(cloud, keep=True)
    assert report.ok
    assert "1 server" in report.steps[0]["detail"]
    assert "ozone-smoke-host-1-0" in cloud.left()
    assert run(cloud).ok
    assert cloud.left() == {"production"}


def test_what_cannot_be_removed_is_named(cloud: FakeCloud) -> None:
    cloud.fail["delete_flavor"] = RuntimeError("403: forbidden")
    report = run(cloud, clean_timeout=5)
    assert "remove what was made: left behind: flavor ozone-smoke-host-1: 403: forbidden" in report.problem
    assert cloud.left() == {"production", "ozone-smoke-host-1"}
    cloud.fail = {"delete_image": RuntimeError("409")}
    cloud.make("servers", name="ozone-smoke-x", task_state=None)
    cloud.delete_server = lambda identifier: 1 / 0  # type: ignore[assignment,method-assign]
    report = run(cloud, clean_timeout=5)
    assert "remove what a killed run left: left behind" in report.problem


def test_evidence_never_hides_the_fault(cloud: FakeCloud) -> None:
    cloud.end_in = "ERROR"
    cloud.get_server_console_output = lambda *args, **kwargs: 1 / 0  # type: ignore[assignment,method-assign]
    report = run(cloud)
    assert "No valid host was found." in report.problem
    assert "nothing to learn: division by zero" in report.problem


def test_console_text() -> None:
    text = "boot\r\nOZONE-GUEST a=1 \r\nx OZONE-GUEST ready\n"
    assert smoke.guest_says(text) == ["a=1", "ready"]
    assert smoke.tail("\x1b[1;31mred\x07\n" * 30).splitlines() == ["red"] * smoke.TAIL
