# SPDX-License-Identifier: Apache-2.0
"""The files of a node and its launch script."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.lab import files, launch, plan

PLACE = launch.Place(root=Path("/c/roots/x"), directory=Path("/c/lab/demo/node1"), images=Path("/c/images/store"))


@pytest.fixture
def made(cloud: dict[str, Any], node: dict[str, Any]) -> plan.Node:
    return plan.plan_node(cloud, node)


def test_nothing_can_turn_on_dhcp(made: plan.Node) -> None:
    for nic in made.nics:
        text = files.networkd(nic)
        assert "DHCP=no" in text
        assert "IPv6AcceptRA=no" in text
        assert "LinkLocalAddressing=no" in text


def test_a_card_without_address_is_up_and_nobody_waits_for_it(made: plan.Node) -> None:
    text = files.networkd(made.nics[2])
    assert "Address=" not in text
    assert "RequiredForOnline=no" in text
    assert "ConfigureWithoutCarrier=yes" in text
    assert "Address=198.18.1.10/24" in files.networkd(made.nics[1])
    assert "MTUBytes=1600" in files.networkd(made.nics[1])


def test_files(made: plan.Node) -> None:
    found = files.node_files(made, "ssh-ed25519 AAAA me", {"private": "PRIVATE", "public": "ssh-ed25519 BBBB host"})
    assert found["/etc/hostname"].text == "node1\n"
    assert "127.0.1.1 node1.demo.ozone.test node1" in found["/etc/hosts"].text
    assert found["/etc/machine-id"].text == f"{made.machine_id}\n"
    assert found["/etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert found["/root/.ssh/authorized_keys"].text == "ssh-ed25519 AAAA me\n"
    assert "PasswordAuthentication no" in found["/etc/ssh/sshd_config.d/10-ozone-lab.conf"].text
    assert "pids_limit = 0" in found["/etc/containers/containers.conf.d/90-ozone-lab.conf"].text
    assert '"/var/lib/ozone-images"' in found["/etc/containers/storage.conf"].text
    assert sum(path.startswith("/etc/systemd/network/") for path in found) == 3


def test_known_hosts_replaces_only_this_node(made: plan.Node) -> None:
    old = "198.18.0.11,node2 ssh-ed25519 TWO\n198.18.0.10 ssh-ed25519 OLD\nnode1 ssh-rsa OLD\n"
    text = files.known_hosts(old, made, "ssh-ed25519 NEW root@node1\n")
    assert "OLD" not in text
    assert "198.18.0.11,node2 ssh-ed25519 TWO" in text
    assert "node1,node1.demo.ozone.test,198.18.0.10,198.18.1.10 ssh-ed25519 NEW\n" in text
    assert files.known_hosts(text, made, "") == "198.18.0.11,node2 ssh-ed25519 TWO\n"


@pytest.mark.parametrize("systemd", [True, False])
@pytest.mark.parametrize("unified", [True, False])
def test_the_script_is_valid_shell(made: plan.Node, systemd: bool, unified: bool) -> None:
    text = launch.script(made, PLACE, launch.Host(systemd, unified), ["/dev/fuse"])
    subprocess.run(["sh", "-n"], input=text, text=True, check=True, timeout=10)
    assert ("mount -t cgroup2" in text) is not unified
    assert "/proc/self/cgroup" in text if systemd and unified else "/ozone-lab/demo/node1" in text
    assert text.count("tx off") == 6  # both ends of three cards
    assert "machine/cgroup.kill" in text  # a machine does not outlive a killed systemd-nspawn
    assert "--network-interface=eth0 --network-interface=eth1 --network-interface=eth2" in text
    assert f'"$status" -eq {launch.REBOOT}' in text


def test_paths_with_blanks_are_quoted(made: plan.Node) -> None:
    place = launch.Place(root=Path("/a b/roots/x"), directory=Path("/a b/lab"), images=Path("/a b/images"))
    text = launch.script(made, place, launch.Host(False, False), [])
    assert "dir='/a b/lab'" in text
    assert "'--bind-ro=/a b/images:/var/lib/ozone-images'" in text
    subprocess.run(["sh", "-n"], input=text, text=True, check=True, timeout=10)


def test_start_is_a_unit_only_where_systemd_can_have_one(made: plan.Node) -> None:
    assert launch.start_argv(made, PLACE, launch.Host(True, True))[0] == "systemd-run"
    assert "--property=Delegate=yes" in launch.start_argv(made, PLACE, launch.Host(True, True))
    for host in (launch.Host(True, False), launch.Host(False, True), launch.Host(False, False)):
        assert launch.start_argv(made, PLACE, host)[:2] == ["setsid", "--fork"]


def test_podman_can_run_in_the_machine(made: plan.Node) -> None:
    argv = launch.nspawn(made, PLACE, ["/dev/fuse", "/dev/net/tun"])
    assert "--system-call-filter=@keyring bpf" in argv
    assert "--bind=/dev/net/tun" in argv
    assert "--bind=/c/lab/demo/node1/containers:/var/lib/containers" in argv
    assert "--keep-unit" in argv
    assert not [option for option in argv if option.startswith("--volatile")]
