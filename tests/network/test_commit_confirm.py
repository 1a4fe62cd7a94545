# SPDX-License-Identifier: Apache-2.0
"""A change that would cut the node off, or that nobody sees to its end: the node goes back by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import Any

import pytest

from tests.lab.cloud import ROOT, await_true
from tests.lab.machines import Machine
from tests.lab.switches import NATIVE, address
from tests.network.node import (
    DIRECTORY,
    STORAGE,
    TOOL,
    WINDOW,
    Background,
    as_before,
    await_story,
    base,
    bond,
    fine,
    links,
    network,
    story,
    trap,
    vlan,
    went_back,
)

#: The node is all right after this change, and is not where the operator looks for it.
MOVED = [bond(), vlan(100, host=77, gateway=1)]

#: Confirms the pending change some seconds before or after its deadline.
CONFIRM_AT = """python3 - <<'END'
import json, subprocess, time
change = json.load(open("/var/lib/ozone/network/pending.json"))
time.sleep(max(0, change["deadline"] + {offset} - time.clock_gettime(time.CLOCK_BOOTTIME)))
subprocess.run("{tool} confirm --id " + change["id"], shell=True)
END"""


def test_a_change_that_cuts_the_node_off_is_taken_back(node: Machine) -> None:
    """Failure mode 9: good as seen from the node, and nobody can confirm it over the operator's address."""
    before = network(node)
    result = node.configure(MOVED, window=WINDOW)
    went_back(node, result, before, "nobody confirmed the change over a new connection")
    assert "could not be reached" in result.returned["msg"]
    assert story(node)["reverted"]["seconds"] <= WINDOW + 10
    assert not node.reachable(address=address(100, 77), timeout=5)
    moved = node.configure(MOVED, window=60, address=address(100, 77))
    assert moved.code == 0, "the same change, and the operator says where the node will be"
    assert node.reachable(address=address(100, 77))
    assert not node.reachable(timeout=5)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        pytest.param(base(gateway=99), f"gateway {address(100, 99)} on vlan100 did not answer", id="gateway"),
        pytest.param(
            [bond(), {**vlan(100, gateway=1), "vlan_id": 999}],
            f"gateway {address(100, 1)} on vlan999 did not answer (it answered before)",
            id="vlan",
        ),
    ],
)
def test_a_change_that_does_not_work_is_taken_back_at_once(node: Machine, config: Any, reason: str) -> None:
    before = network(node)
    window = 40  # the node looks for half of it, then goes back
    result = node.configure(config, window=window)
    went_back(node, result, before, reason)
    assert story(node)["reverted"]["seconds"] < window, "it does not wait for the timer"


def test_the_applying_process_is_killed_after_the_first_change(node: Machine) -> None:
    """Failure mode 6."""
    before = network(node)
    trap(
        node, "test -e /sys/class/net/vlan101", "systemctl kill --signal=KILL --kill-whom=main 'ozone-network-apply-*'"
    )
    config = [bond(members=("nic1",)), vlan(100, gateway=1), vlan(101)]
    result = node.configure(config, window=90)
    went_back(node, result, before, "the process that applied the change died")
    assert story(node)["reverted"]["seconds"] < 60, "it does not wait for the timer"


def test_connections_break_during_the_change(node: Machine) -> None:
    """Failure mode 7: every SSH session is killed twice; what decides is a new one."""
    break_ = "pkill -KILL sshd-session"
    trap(node, "test -e /etc/systemd/network/05-ozone-vlan101.network", f"{break_}; sleep 1; {break_}")
    result = node.configure(base(vlan(101)), window=60)
    fine(node, result)
    assert node.reachable(address=STORAGE)


def test_the_deployment_host_dies_and_a_second_run_has_to_wait(node: Machine) -> None:
    """Failure modes 9 and 11."""
    before = network(node)
    window = 45
    process = start(node, MOVED, window)
    await_story(node, 60, state="verified")
    kill(process)
    begin = time.monotonic()
    address_now = address(100, 77)
    second = node.ssh(f"{TOOL} status", address=address_now).out
    assert json.loads(second)["status"] == "pending"
    node.address, operator = address_now, node.address
    try:
        refused = node.configure(base(vlan(102)), window=60)
    finally:
        node.address = operator
    assert refused.code != 0
    assert "waits for its confirmation" in refused.returned["msg"]
    assert refused.returned["status"] == "pending"
    await_true("the node is back", lambda: node.reachable(timeout=5), window + 10)
    assert time.monotonic() - begin <= window + 10
    await_story(node, 20, status="reverted")
    as_before(node, before, "nobody confirmed the change over a new connection")


def test_the_power_fails_before_the_confirmation(node: Machine) -> None:
    """Failure mode 8: the files and the rows of Open vSwitch are as before when the node has booted."""
    switch = {"type": "ovs_bridge", "name": "br-ex", "addresses": [{"ip_netmask": f"{address(NATIVE, 10)}/24"}]}
    fine(node, node.configure(base({**switch, "members": [{"type": "interface", "name": "nic3"}]}), window=60))
    before = network(node)
    run = Background(node, [*MOVED, {**switch, "members": [], "ovs_fail_mode": "secure"}], window=300)
    await_story(node, 90, state="verified")
    assert "secure" in node.inside("ovs-vsctl --timeout=10 get-fail-mode br-ex").out
    node.power_cut()
    node.wait_for_ssh(240)
    result = run.result(300)
    node.wait_booted()
    went_back(node, result, before, "the node was rebooted before the change was confirmed")
    assert node.reachable(address=address(NATIVE, 10))
    assert node.inside("systemctl --failed --no-legend").out == ""


def test_the_timer_and_the_confirmation_race(node: Machine) -> None:
    """Failure mode 10: whoever holds the lock decides, and both ends are whole."""
    before = network(node)
    ends = []
    for offset in (-2.0, 0.0):
        process = start(node, MOVED, window=20)
        told = await_story(node, 60, state="verified")
        kill(process)
        answer = json.loads(node.inside(CONFIRM_AT.format(offset=offset, tool=TOOL), 60).out)
        ends.append(answer["confirmed"])
        if answer["confirmed"]:
            time.sleep(offset + 4)
            assert story(node)["status"] == "ok", "the timer does not take back what was confirmed"
            assert links(node)["vlan100"]["addresses"] == [f"{address(100, 77)}/24"]
            node.restore("ours")
        else:
            assert "went back" in answer["why"] or "its time is over" in answer["why"], answer
            await_story(node, 30, status="reverted")
            as_before(node, before, "nobody confirmed the change over a new connection")
            late = json.loads(node.inside(f"{TOOL} confirm --id {told['id']}").out)
            assert late["confirmed"] is False
            assert "the node went back by itself: nobody confirmed" in late["why"]
    assert ends == [True, False]


def test_a_full_disk(node: Machine) -> None:
    """Failure mode 19: before the change nothing happens; during the window the way back needs no space."""
    fill = (
        "fallocate -l $(($(df --output=avail -B1 / | tail -1) - 65536)) /root/full; "
        "dd if=/dev/zero of=/root/fuller bs=1k status=none; sync"
    )
    before = network(node)
    node.inside(fill, 120, check=False)
    result = node.configure(base(vlan(101)), window=60)
    assert result.code != 0
    assert "nothing was changed" in result.returned["msg"], result.returned["msg"]
    assert "No space left on device" in result.returned["msg"]
    assert network(node) == before
    assert node.reachable()
    node.inside("rm -f /root/full /root/fuller")

    run = Background(node, MOVED, window=WINDOW)
    await_story(node, 60, state="verified")
    node.inside(fill, 120, check=False)
    run.result()
    assert node.reachable()
    assert network(node) == before
    assert story(node)["status"] == "reverted"
    node.inside("rm -f /root/full /root/fuller")
    fine(node, node.configure(base(vlan(101)), window=60))


def test_a_revert_that_fails_is_tried_again(node: Machine) -> None:
    """Failure mode 12: the files cannot be written for a while."""
    before = network(node)
    process = start(node, base(vlan(101, mtu=1400)), window=20, address=address(100, 99))
    await_story(node, 60, state="verified")
    kill(process)
    node.inside(f"mount --bind {DIRECTORY} {DIRECTORY} && mount -o remount,bind,ro {DIRECTORY}")
    await_true("it says why", lambda: "Read-only file system" in str(story(node)["problems"]), 90)
    assert story(node)["status"] == "pending"
    node.inside(f"umount {DIRECTORY}")
    await_story(node, 90, status="reverted")
    as_before(node, before, "nobody confirmed the change over a new connection")


def start(machine: Machine, config: Any, window: int, **more: Any) -> subprocess.Popen[bytes]:
    """A run of the configuration in a process group of its own, which a test may kill."""
    play = [
        {
            "hosts": "node",
            "gather_facts": False,
            "tasks": [{"name": "Run", "ozone.openstack.network_config": {"config": config, "window": window, **more}}],
        }
    ]
    playbook = machine.files / "killed.yml"
    playbook.write_text(json.dumps(play), encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(machine.sockets / "cp"),
    }
    return subprocess.Popen(
        ["ansible-playbook", "-i", str(machine.inventory()), str(playbook)],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a run as the death of its computer would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
