# SPDX-License-Identifier: Apache-2.0
"""A change from the operator's words to the confirmed network, with the real schema, renderer and comparison."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from network_node import NETWORK, Killed, Node

from ansible_collections.ozone.openstack.plugins.module_utils import node_identity
from ansible_collections.ozone.openstack.plugins.module_utils.network import confirm, probe, start, tool
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Observed
from ansible_collections.ozone.openstack.plugins.module_utils.network.tool import Failure, Result
from ansible_collections.ozone.openstack.plugins.modules import network_config, network_info

WINDOW = 120


def bond(address: str = "198.18.16.10/24", gateway: str = "198.18.16.1", mode: str = "active-backup") -> Any:
    return [
        {
            "type": "linux_bond",
            "name": "bond0",
            "bonding_options": f"mode={mode} miimon=100",
            "members": [{"type": "interface", "name": "nic1"}, {"type": "interface", "name": "nic2"}],
            "addresses": [{"ip_netmask": address}],
            "routes": [{"default": True, "next_hop": gateway}],
        }
    ]


class Real(Node):
    """A node with two NICs as sysfs shows them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.lan = {"eno1": "0000:00:03.0", "eno2": "0000:00:04.0"}
        for name in self.lan:
            self.nic(name, "lan")
        self.gateways = {"198.18.16.1": "lan"}
        self.links["eno1"].addresses = {"198.18.16.10/24"}
        self.links["eno1"].routes = {("default", "198.18.16.1")}

    def exists(self, path: str) -> bool:
        parts = path.removeprefix("/sys/class/net/").split("/")
        return parts[0] in self.lan if parts[1:] == ["device"] else super().exists(path)

    def target(self, path: str) -> str:
        return f"/sys/devices/pci0000:00/{self.lan[path.split('/')[4]]}"

    def observe(self) -> Observed:
        return probe.probe(self, lambda name: self.links[name].mac)


@pytest.fixture
def node(tmp_path: Path) -> Real:
    return Real(tmp_path / "node")


def begin(node: Real, config: Any, identity: str = "one", window: int = WINDOW) -> start.Started:
    wanted = confirm.plan(config, node.observe()).wanted
    return start.start(node, wanted, identity, window, lambda host: node.observe())


def test_from_words_to_network(node: Real) -> None:
    started = begin(node, bond())
    assert started["changed"] and "bond0" in started["touched"]
    mode = Path(node.at(tool.TOOL)).stat().st_mode
    assert stat.S_IMODE(mode) == 0o755
    assert os.path.islink(node.at(f"{tool.UNIT_DIRECTORY}/sysinit.target.wants/{tool.BOOT_UNIT}"))
    assert os.path.islink(node.at(f"{tool.UNIT_DIRECTORY}/ovs-vswitchd.service.wants/{tool.OVS_UNIT}"))
    with pytest.raises(Failure, match=r"another change of the network waits for its confirmation \(one\)"):
        begin(node, bond("198.18.16.11/24"), "two")
    node.work()
    assert tool.confirm(node, "one")["confirmed"], tool.story(node)
    assert node.links["bond0"].addresses == {"198.18.16.10/24"} and node.links["eno2"].master == "bond0"
    assert node.observe()["active"] is not None
    node.calls, node.steps = [], 0
    assert not begin(node, bond(), "two")["changed"]
    assert node.steps == 1  # the directory of the lock
    assert not [call for call in node.calls if not call.startswith(("ip -", "systemctl is-"))]


def test_revert_of_the_second_change(node: Real) -> None:
    begin(node, bond())
    node.work()
    tool.confirm(node, "one")
    before = node.state()
    begin(node, bond("198.18.16.99/24", mode="balance-rr"), "two")
    node.work()
    assert node.links["bond0"].mode == "balance-rr"
    node.pass_time(WINDOW)
    assert node.state() == before and node.links["bond0"].mode == "active-backup"
    assert tool.story(node)["status"] == "reverted"
    found = node.observe()
    assert found["reverted"]["id"] == "two"


def test_only_words_differ(node: Real) -> None:
    """A NIC that is new to the node gets its number for ever, and nothing is touched."""
    begin(node, bond())
    node.work()
    tool.confirm(node, "one")
    node.lan["eno3"] = "0000:00:05.0"
    node.nic("eno3", "")
    calls = len(node.calls)
    assert not begin(node, bond(), "two")["changed"]
    active = node.observe()["active"]
    assert active is not None and [known["name"] for known in active["numbers"]] == ["eno1", "eno2", "eno3"]
    assert tool.load(node, tool.NUMBERS) == active["numbers"]
    assert not [call for call in node.calls[calls:] if not call.startswith(("ip -", "systemctl is-"))]
    node.lan["eno4"] = "0000:00:06.0"
    node.nic("eno4", "")
    node.full = tool.STATE
    with pytest.raises(Failure, match=r"nothing was changed, the record cannot be written: .*No space left"):
        begin(node, bond(), "three")


def test_settles_what_was_left(node: Real) -> None:
    """A change whose time is over, and that nobody took back, is taken back first."""
    before = node.state()
    begin(node, bond())
    node.work()
    node.timers, node.now = {}, node.now + WINDOW
    node.ovs_down = True
    pending = tool.load(node, tool.PENDING)
    tool.save(node, tool.PENDING, {**pending, "back": {**pending["back"], "ovs": ["--if-exists", "del-br", "x"]}})
    with pytest.raises(Failure, match=r"an earlier change \(the change was left unfinished\) could not be taken back"):
        begin(node, bond(), "two")
    node.ovs_down = False
    node.timers = {}
    started = begin(node, bond(), "two")
    assert started["warnings"] == ["an unfinished change was taken back first: the change was left unfinished"]
    node.pass_time(1)
    node.pass_time(WINDOW)
    assert node.state() == before


def test_killed_anywhere(tmp_path: Path) -> None:
    """From the first look of the beginning to the verdict: the next run finds the old network, and makes the new."""
    place, reached = 0, set[str]()
    while True:
        root = tmp_path / f"{place}"
        node = Real(root)
        before = node.state()
        node.fuse, killed = place, ""
        try:
            begin(node, bond())
            _, command, died = node.services.pop()
            try:
                tool.main(command, node)
            except Killed:
                killed = node.trace[-1]
                node.revive()
                tool.main(died, node)
        except Killed:
            killed = node.trace[-1]
        node.revive()
        if not killed:
            break
        reached.add(killed.split()[0])
        node.services = []
        if node.exists(tool.PENDING) and node.timers:
            node.pass_time(WINDOW)
        elif node.exists(tool.PENDING):  # not armed yet: nothing was changed, and the next run finds it
            state = node.state()
            state["files"] = {name: text for name, text in state["files"].items() if "/." not in name}
            assert state == before, (place, killed)
            node.now += WINDOW
        begin(node, bond(mode="balance-rr"), "two")
        node.work()
        assert tool.confirm(node, "two")["confirmed"], (place, killed, tool.story(node))
        left = [name for name in node.state()["files"] if "/." in name]
        assert left == [], (place, killed)
        shutil.rmtree(root)
        place += 1
    assert place > 40 and {"create", "replace", "run", "mkdir"} <= reached


def test_no_room(node: Real) -> None:
    before = node.state()
    node.full = NETWORK
    with pytest.raises(Failure, match=r"nothing was changed, the node cannot prepare the change: .*No space left"):
        begin(node, bond())
    node.full = None
    assert node.state() == before and not node.exists(tool.PENDING) and node.timers == {}


@pytest.mark.parametrize("words", ["systemd-run --quiet --collect --unit=", "systemd-run --quiet --collect --no-block"])
def test_systemd_refuses(node: Real, words: str) -> None:
    before = node.state()
    node.failing = {words: Result(1, "", "refused")}
    with pytest.raises(Failure, match="nothing was changed, systemd does not take the change: refused"):
        begin(node, bond())
    assert node.state() == before and not node.exists(tool.PENDING) and node.timers == {}


def test_units_are_not_read(node: Real) -> None:
    node.failing = {"daemon-reload": Result(1, "", "refused")}
    with pytest.raises(Failure, match="systemctl daemon-reload: refused"):
        begin(node, bond())


def test_source_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loader:
        @staticmethod
        def get_source(name: str) -> None:
            return None

    monkeypatch.setattr(tool, "__loader__", Loader)
    with pytest.raises(Failure, match="source of tool"):
        start.tool_source()


def test_ovs_is_down(node: Real) -> None:
    wanted = confirm.plan(bond(), node.observe()).wanted
    steps: Any = {"ovs": ["--may-exist", "add-br", "br-ex"]}
    change: Any = {"changed": True, "forward": steps, "back": steps, "touched": [], "summary": []}
    with pytest.raises(Failure, match="the change needs Open vSwitch: Open vSwitch is not installed"):
        start.start(node, wanted, "one", WINDOW, lambda host: node.observe(), lambda one, other: change)


def test_validate(node: Real) -> None:
    wanted = confirm.plan(bond(), node.observe()).wanted
    found = start.validate(node, wanted, lambda host: node.observe())
    assert any("differs from what is wanted: bond0" in problem for problem in found["problems"])
    begin(node, bond())
    node.work()
    found = start.validate(node, wanted, lambda host: node.observe())
    assert found["problems"] == ["a change waits for its confirmation or for its way back: verified"]
    tool.confirm(node, "one")
    node.links["eno2"].segment = ""
    found = start.validate(node, wanted, lambda host: node.observe())
    assert found["problems"] == [] and found["degraded"] == ["eno2, a member of bond0, has no link"]
    node.gateways, node.states = {}, {}
    found = start.validate(node, wanted, lambda host: node.observe())
    assert found["problems"] == ["gateway 198.18.16.1 on bond0 did not answer"]


# -- modules -----------------------------------------------------------------------------------------------------------


def run(
    module: Any, node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **given: Any
) -> Any:
    monkeypatch.setattr(module, "Host", lambda: node)
    monkeypatch.setattr(os, "umask", lambda mask: 0)
    with patch_module_args({"_ansible_remote_tmp": "/tmp", **given}), pytest.raises(SystemExit):
        module.main()
    return json.loads(capsys.readouterr().out)


def test_modules(node: Real, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(probe, "permanent_mac", lambda name: node.links[name].mac)
    monkeypatch.setattr(probe.probe, "__defaults__", (lambda name: node.links[name].mac,))
    info = run(network_info, node, monkeypatch, capsys)
    assert info["status"] == "none" and [nic["name"] for nic in info["nics"]] == ["eno1", "eno2"]
    wanted = json.dumps(confirm.plan(bond(), info["observed"]).wanted)
    refused = run(network_config, node, monkeypatch, capsys, config=bond())
    assert refused["failed"] and "action plugin was bypassed" in refused["msg"]
    checked = run(network_config, node, monkeypatch, capsys, wanted=wanted, _ansible_check_mode=True)
    assert checked["changed"] and not node.exists(tool.PENDING)
    begun = run(network_config, node, monkeypatch, capsys, wanted=wanted, id="one")
    assert begun["changed"] and begun["id"] == "one"
    again = run(network_config, node, monkeypatch, capsys, wanted=wanted, id="two")
    assert again["failed"] and "waits for its confirmation" in again["msg"]
    assert run(network_info, node, monkeypatch, capsys)["pending"] == "one"
    node.work()
    tool.confirm(node, "one")
    found = run(network_config, node, monkeypatch, capsys, wanted=wanted, state="validated")
    assert found["problems"] == [] and not found["changed"]
    node.failing = {"ip -j": Result(1, "", "broken")}
    assert "broken" in run(network_info, node, monkeypatch, capsys)["msg"]


def test_the_machine_learns_who_it_is_before_its_network_changes(node: Real) -> None:
    meant = {"cloud": "prod", "id": "1", "node": "node3", "address": "198.18.16.10", "take_over": False}
    wanted = confirm.plan(bond(), node.observe()).wanted
    start.start(node, wanted, "one", WINDOW, lambda host: node.observe(), node=meant)
    assert node_identity.found(node) == {"cloud": "prod", "id": "1", "node": "node3"}
    assert node_identity.stranger(node, meant) == ""
    assert "and was addressed as node4" in node_identity.stranger(node, {**meant, "node": "node4"})
