# SPDX-License-Identifier: Apache-2.0
"""Host access with a pretended host."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.lab import host, lab, launch, plan


class Computer:
    """Records commands; answers those it knows by their beginning."""

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        self.answers = answers or {}
        self.commands: list[str] = []

    def __call__(self, argv: Sequence[str]) -> host.Result:
        text = " ".join(argv)
        self.commands.append(text)
        for begin, out in self.answers.items():
            if text.startswith(begin):
                return host.Result(0, out, "")
        return host.Result(0, "", "")


def test_detect() -> None:
    v1 = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    v2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"
    assert host.detect(v1, False) == launch.Host(systemd=False, unified=False)
    assert host.detect(v2, True) == launch.Host(systemd=True, unified=True)
    assert host.detect("", False) == launch.Host(systemd=False, unified=False)
    assert host.detect(v1 + v2, False).unified


def test_everything_missing_is_said_at_once() -> None:
    with pytest.raises(plan.LabError) as error:
        host.check_host(which=lambda name: None if name in ("ethtool", "systemd-nspawn") else name, uid=1000)
    assert "run as root" in str(error.value)
    assert "apt-get install ethtool systemd-container" in str(error.value)
    host.check_host(which=lambda name: name, uid=0)


def test_a_bridge_that_is_right_needs_no_command(cloud: dict[str, Any]) -> None:
    bridge = next(b for b in plan.bridges(cloud) if b.network == "tunnel")
    link = {"ifname": bridge.device, "mtu": 1600, "flags": ["UP"], "ifalias": bridge.alias}
    assert host.bridge_commands(bridge, link, []) == ([], [])


def test_a_new_bridge_fills_checksums(cloud: dict[str, Any]) -> None:
    bridge = next(b for b in plan.bridges(cloud) if b.network == "control")
    commands, _ = host.bridge_commands(bridge, None, [])
    assert commands[0][:4] == ["ip", "link", "add", bridge.device]
    assert ["ethtool", "--offload", bridge.device, "tx", "off"] in commands
    assert ["ip", "address", "add", "198.18.0.1/24", "dev", bridge.device] in commands


@pytest.mark.parametrize(
    "link", [None, {"mtu": 1500, "flags": ["UP"], "ifalias": "ozone-lab:demo:network:control:main"}]
)
def test_the_host_speaks_ipv6_on_a_bridge_where_it_has_an_address(cloud: dict[str, Any], link: Any) -> None:
    cloud["networks"]["control"]["subnets"]["main"] = {"cidr": "fd00:40::/64", "host": "FD00:40::0001"}
    bridge = next(b for b in plan.bridges(cloud) if b.network == "control")
    commands, _ = host.bridge_commands(bridge, link, [])
    last = [["sysctl", "-q", "-w", f"net.ipv6.conf.{bridge.device}.disable_ipv6=0"]]
    last.append(["ip", "address", "add", "fd00:40::1/64", "dev", bridge.device, "nodad"])
    assert [command for command in commands if command[-1] != "up"][-2:] == last
    assert not [command for command in commands if command[-1].endswith("disable_ipv6=1")]
    assert host.bridge_commands(bridge, {**bridge_link(bridge)}, ["fd00:40::1/64"]) == ([], [])


def bridge_link(bridge: plan.Bridge) -> dict[str, Any]:
    """A bridge that is as it should be."""
    return {"ifname": bridge.device, "mtu": bridge.mtu, "flags": ["UP"], "ifalias": bridge.alias}


def test_the_host_does_not_speak_ipv6_on_other_bridges(cloud: dict[str, Any]) -> None:
    for bridge in plan.bridges(cloud):
        commands, _ = host.bridge_commands(bridge, None, [])
        assert ["sysctl", "-q", "-w", f"net.ipv6.conf.{bridge.device}.disable_ipv6=1"] in commands
        assert ["ip", "link", "set", bridge.device, "mtu", str(bridge.mtu)] in commands


def test_a_bridge_is_corrected(cloud: dict[str, Any]) -> None:
    bridge = next(b for b in plan.bridges(cloud) if b.network == "control")
    link = {"ifname": bridge.device, "mtu": 9000, "flags": [], "ifalias": ""}
    commands, reasons = host.bridge_commands(bridge, link, ["198.18.0.200/24"])
    assert ["ip", "address", "delete", "198.18.0.200/24", "dev", bridge.device] in commands
    assert ["ip", "link", "set", bridge.device, "mtu", "1500"] in commands
    assert ["ip", "link", "set", bridge.device, "alias", bridge.alias] in commands
    assert len(reasons) == 5


def test_devices_are_found_by_their_alias() -> None:
    found = [
        {"ifname": "oz-a", "ifalias": "ozone-lab:demo:network:x:main"},
        {"ifname": "oz-b", "ifalias": "ozone-lab:demo2:network:x:main"},
        {"ifname": "oz-c"},
        {"ifname": "oz-d"},
        {"ifname": "eth0"},
    ]
    assert host.devices_of(found, "demo") == ["oz-a"]
    assert host.devices_of(found, "demo", ["oz-b", "oz-c"]) == ["oz-a", "oz-c"]


def test_deleting_what_is_gone_is_no_error() -> None:
    host.delete_devices(lambda argv: host.Result(1, "", 'Cannot find device "x"'), ["x"])
    with pytest.raises(plan.LabError, match="busy"):
        host.delete_devices(lambda argv: host.Result(2, "", "busy"), ["x"])


def test_running_is_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not host.running(lock)
    handle = os.open(lock, os.O_CREAT | os.O_RDWR)
    assert not host.running(lock)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert host.running(lock)
    os.close(handle)
    assert not host.running(lock)


def test_only_nspawn_is_told_to_shut_down(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def kill(process: int, number: int) -> None:
        told.append((process, number))

    pid = tmp_path / "pid"
    host.shut_down(pid, lambda process: "systemd-nspawn", kill)
    pid.write_text("4711\n", encoding="utf-8")
    host.shut_down(pid, lambda process: "bash", kill)
    assert told == []
    host.shut_down(pid, lambda process: "systemd-nspawn", kill)
    assert told == [(4711, signal.SIGTERM)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (launch.Host(True, True), "systemctl kill --kill-whom=all --signal=KILL ozone-lab-demo-node1.service"),
        (launch.Host(False, False), "sh kill /ozone-lab/demo/node1"),
    ],
)
def test_power_off(tmp_path: Path, kind: launch.Host, expected: str) -> None:
    computer = Computer()
    answers = {"systemctl is-active": host.Result(3, "", "")}

    def runner(argv: Sequence[str]) -> host.Result:
        return answers.get(" ".join(argv[:2]), computer(argv))

    for address, words in (("198.18.0.10", "198.18.0.10"), ("fd00:40::10", "[fd00:40::10]")):
        host.power_off(runner, kind, "demo", "node1", tmp_path / "lock", address)
        assert any(expected in command for command in computer.commands)
        assert computer.commands[-1] == f"ss --kill --no-header dst {words}"


def test_a_time_out_is_a_result() -> None:
    assert host.run(["sleep", "5"], timeout=0.1).code == 124
    assert host.run(["no-such-command-here"]).code == 127


def test_ssh_trusts_only_the_clouds_known_hosts() -> None:
    argv = host.ssh_argv(Path("/s/ssh"), "198.18.0.10", ["true"])
    assert "UserKnownHostsFile=/s/ssh/known_hosts" in argv
    assert "StrictHostKeyChecking=yes" in argv
    assert argv[-2:] == ["root@198.18.0.10", "true"]


def make_lab(tmp_path: Path, computer: Computer, check: bool = False) -> lab.Lab:
    return lab.Lab("demo", tmp_path / "cache", tmp_path / "state", check, computer, launch.Host(False, False))


def test_an_overlap_is_refused_before_anything_is_made(tmp_path: Path, cloud: dict[str, Any]) -> None:
    computer = Computer(
        {"ip -details": "[]", "ip -json address": "[]", "ip -json route": '[{"dst":"198.18.0.0/15","dev":"tun0"}]'}
    )
    with pytest.raises(plan.LabError) as error:
        make_lab(tmp_path, computer).networks(plan.bridges(cloud))
    assert len(str(error.value).splitlines()) == 2
    assert not [c for c in computer.commands if " add " in c]
    assert not (tmp_path / "state").exists()


def test_check_mode_makes_nothing(tmp_path: Path, cloud: dict[str, Any]) -> None:
    computer = Computer({"ip": "[]"})
    changes = make_lab(tmp_path, computer, check=True).networks(plan.bridges(cloud))
    assert len([change for change in changes if " for " in change]) == 3
    assert not [c for c in computer.commands if " add " in c or "set" in c.split()]
    assert list(tmp_path.iterdir()) == []


def test_a_bridge_of_a_network_that_is_gone_is_removed(tmp_path: Path, cloud: dict[str, Any]) -> None:
    computer = Computer(
        {
            "ip -details": '[{"ifname":"oz-old","ifalias":"ozone-lab:demo:network:old:main",'
            '"linkinfo":{"info_kind":"bridge"}},'
            '{"ifname":"ozvold","ifalias":"ozone-lab:demo:nic:node1:old","linkinfo":{"info_kind":"veth"}}]',
            "ip -json": "[]",
            "ip -6": "[]",
        }
    )
    changes = make_lab(tmp_path, computer, check=True).networks(plan.bridges(cloud))
    assert "oz-old removed" in changes
    assert "ozvold removed" not in changes


def test_remove_finds_what_an_interrupted_run_left(tmp_path: Path) -> None:
    computer = Computer({"ip -details": '[{"ifname":"oz-a","ifalias":"ozone-lab:demo:network:x:main"}]'})
    here = make_lab(tmp_path, computer)
    (here.directory / "node1").mkdir(parents=True)
    assert here.remove() == ["node node1", "oz-a"]
    assert "ip link delete oz-a" in computer.commands
    assert f"rm -rf --one-file-system -- {here.directory / 'node1'}" in computer.commands


def test_a_machine_that_does_not_exist_cannot_be_restarted(
    tmp_path: Path, cloud: dict[str, Any], node: dict[str, Any]
) -> None:
    machine = lab.Machine(make_lab(tmp_path, Computer()), plan.plan_node(cloud, node))
    with pytest.raises(plan.LabError, match="make the lab first"):
        machine.restarted()
    assert machine.killed() == []
    assert machine.absent() == []
