# SPDX-License-Identifier: Apache-2.0
"""What is seen of a node: its NICs, our files and rows, and everything that may ask for an address."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from network_node import Node

from ansible_collections.ozone.openstack.plugins.module_utils.network import probe, tool
from ansible_collections.ozone.openstack.plugins.module_utils.network.tool import Result


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path / "node")
    # What systemctl says of the units that the simulated node knows.
    made.enabled = {"systemd-networkd.service"}
    return made


def put(node: Node, path: str, text: str = "", mode: int = 0o644) -> None:
    target = Path(node.at(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(mode)


def card(node: Node, name: str, where: str, **files: str) -> None:
    """A NIC with a device below sysfs."""
    node.nic(name, "lan", mac="52:54:00:aa:00:01")
    device = Path(node.at(f"/sys/devices/{where}"))
    device.mkdir(parents=True, exist_ok=True)
    base = Path(node.at(f"/sys/class/net/{name}"))
    base.mkdir(parents=True)
    (base / "device").symlink_to(device)
    driver = Path(node.at("/sys/bus/drivers/ice"))
    driver.mkdir(parents=True, exist_ok=True)
    if not (device / "driver").exists():
        (device / "driver").symlink_to(driver)
    for key, text in files.items():
        (base / key).write_text(text)


class Sysfs(Node):
    """A node whose /sys/class/net is in its directory."""

    def exists(self, path: str) -> bool:
        return super(Node, self).exists(path)


def seen(node: Node, permanent: dict[str, str] | None = None) -> Any:
    return probe.probe(node, lambda name: (permanent or {}).get(name, ""))


def test_nics(tmp_path: Path) -> None:
    node = Sysfs(tmp_path / "node")
    card(node, "eno1", "pci0000:00/0000:00:03.0", dev_port="1\n", speed="25000\n")
    card(node, "eno2", "pci0000:00/0000:00:04.0/virtio1", speed="-1\n", addr_assign_type="0\n")
    card(node, "vf0", "pci0000:00/0000:00:03.1", addr_assign_type="1\n", speed="x\n")
    card(node, "usb0", "pci0000:00/0000:00:14.0/usb1/1-1", addr_assign_type="0\n")
    card(node, "wlan0", "pci0000:00/0000:00:05.0", phy80211="")
    node.nic("br0", "", kind="bridge")
    pf = Path(node.at("/sys/devices/pci0000:00/0000:00:03.0/net/eno1"))
    pf.mkdir(parents=True)
    Path(node.at("/sys/devices/pci0000:00/0000:00:03.1/physfn")).symlink_to(pf.parent.parent)
    (pf.parent.parent / "virtfn1").symlink_to(node.at("/sys/devices/pci0000:00/0000:00:03.1"))
    (pf.parent.parent / "virtfnx").symlink_to(node.at("/sys/devices/pci0000:00/0000:00:03.1"))
    Path(node.at("/sys/devices/pci0000:00/0000:00:04.0/virtio1/driver")).unlink()
    found = {nic["name"]: nic for nic in seen(node, {"eno1": "02:00:00:00:00:0A", "vf0": "00:00:00:00:00:00"})["nics"]}
    assert list(found) == ["eno1", "eno2", "usb0", "vf0"]
    assert found["eno1"] == {
        "name": "eno1", "mac": "02:00:00:00:00:0a", "pci": "0000:00:03.0", "port": 1, "driver": "ice",
        "type": "ether", "vf_of": "", "carrier": True, "speed": 25000, "max_mtu": 0, "virtfns": ["", "0000:00:03.1"],
    }  # fmt: skip
    assert found["eno2"]["mac"] == "52:54:00:aa:00:01" and found["eno2"]["pci"] == "0000:00:04.0"
    assert found["eno2"]["driver"] == "" and found["eno2"]["speed"] == 0
    assert found["vf0"]["mac"] == "" and found["vf0"]["vf_of"] == "eno1" and found["vf0"]["speed"] == 0
    assert found["usb0"]["pci"] == ""


def test_permanent_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe.permanent_mac("lo") in ("", "00:00:00:00:00:00")
    assert probe.permanent_mac("no-such-link") == ""

    def ioctl(end: Any, number: int, request: bytes) -> None:
        import ctypes

        name, pointer = struct.unpack("16sP", request)
        assert (name.rstrip(b"\0"), number) == (b"eno1", 0x8946)
        ctypes.memmove(pointer, struct.pack("=II", 0x20, 6) + bytes([2, 0, 0, 0, 0, 10]), 14)

    monkeypatch.setattr(probe.fcntl, "ioctl", ioctl)
    assert probe.permanent_mac("eno1") == "02:00:00:00:00:0a"


def test_files_and_records(node: Node) -> None:
    put(node, "/etc/systemd/network/05-ozone-eno1.network", "[Match]\n")
    put(node, "/etc/systemd/network/.05-ozone-eno1.network.ozone-old", "hidden")
    put(node, "/etc/systemd/network/10-other.link", "other")
    put(node, "/etc/systemd/networkd.conf.d/50-ozone.conf", "[Network]\n", 0o600)
    (Path(node.at("/etc/cloud"))).mkdir()
    found = seen(node)
    assert found["files"] == {
        "/etc/systemd/network/05-ozone-eno1.network": {"text": "[Match]\n", "mode": "0644"},
        "/etc/systemd/networkd.conf.d/50-ozone.conf": {"text": "[Network]\n", "mode": "0600"},
    }
    assert found["directories"] == ["/etc/cloud"] and not found["resolved"]
    assert found["networkd"] and found["active"] is None and found["pending"] == "" and found["reverted"] == {}
    assert found["numbers"] == [] and (found["ovs"], found["ovs_error"]) == (None, "Open vSwitch is not installed")
    assert found["links"][0]["name"] == "lo" and "partner" not in found["links"][0]
    tool.save(node, tool.NUMBERS, [{"number": 1}])
    tool.save(node, tool.REVERTED, {"id": "x", "reason": "why", "seconds": 3, "time": 4, "problems": []})
    found = seen(node)
    assert found["numbers"] == [{"number": 1}]
    assert found["reverted"] == {"id": "x", "reason": "why", "seconds": "3", "time": "4", "problems": "[]"}
    tool.save(node, tool.ACTIVE, {"id": "a", "wanted": {"numbers": [{"number": 2}]}})
    tool.save(node, tool.PENDING, {"id": "b", "boot": "boot-1", "state": "armed", "deadline": 5000.0})
    found = seen(node)
    assert found["numbers"] == [{"number": 2}] and found["pending"] == "b"


def test_ovs(node: Node) -> None:
    put(node, "/usr/bin/ovs-vsctl")
    node.ovs_down = True
    found = seen(node)
    assert found["ovs"] is None and "Open vSwitch does not answer: ovs-vsctl: database" in found["ovs_error"]
    node.ovs_down = False

    def table(headings: str, *rows: list[Any]) -> str:
        return json.dumps({"headings": headings.split(), "data": rows})

    node.failing["ovs-vsctl"] = Result(
        0,
        "\n".join(
            [
                table("_uuid name ports fail_mode external_ids stp_enable statistics",
                      [["uuid", "b1"], "br-ex", ["uuid", "p1"], ["set", []],
                       ["map", [["ozone-network", "true"]]], False, ["map", []]]),
                table("_uuid name interfaces tag trunks",
                      [["uuid", "p1"], "bond1", ["set", [["uuid", "i1"], ["uuid", "i2"]]], 10, ["set", [30, 2]]]),
                table("_uuid name type mtu_request error",
                      [["uuid", "i1"], "eno1", "", 9000, "no such device"],
                      [["uuid", "i2"], "eno2", "system", ["set", []], ["set", []]]),
            ]
        )
        + "\n",
        "",
    )  # fmt: skip
    found = seen(node)
    assert found["ovs_error"] == ""
    assert found["ovs"] == [
        {"table": "Bridge", "name": "br-ex", "parent": "",
         "columns": {"external_ids": {"ozone-network": "true"}, "stp_enable": "false"}},
        {"table": "Port", "name": "bond1", "parent": "br-ex", "columns": {"tag": "10", "trunks": ["2", "30"]}},
        {"table": "Interface", "name": "eno1", "parent": "bond1", "columns": {"type": "", "mtu_request": "9000"}},
        {"table": "Interface", "name": "eno2", "parent": "bond1", "columns": {"type": "system"}},
    ]  # fmt: skip


def test_foreign(node: Node) -> None:
    """What is moved away: never a file that only has lo, always the main file when it may read another one."""
    put(node, "/etc/network/interfaces", "auto lo\niface lo inet loopback\nsource /etc/network/interfaces.d/*\n")
    assert seen(node)["foreign"] == {} and seen(node)["foreign_units"] == []
    put(node, "/etc/network/interfaces.d/eno1", "allow-hotplug eno1\niface eno1 \\\n inet dhcp\niface eno2 inherits\n")
    put(node, "/etc/network/interfaces.d/eno2.before-ozone", "iface eno2 inet dhcp\n")
    put(node, "/etc/network/interfaces.d/broken", "iface\n")
    put(node, "/etc/netplan/50-cloud-init.yaml", "network: {}\n", 0o600)
    put(node, "/run/systemd/network/10-netplan-eno1.network", "[Match]\nName=eno1\n", 0o640)
    put(node, "/run/systemd/network/70-other.network", "[Match]\nName=eno9\n", 0o640)
    node.enabled |= {"networking.service"}
    found = seen(node)
    assert found["foreign_modes"] == {
        "/etc/network/interfaces": "0644",
        "/etc/network/interfaces.d/eno1": "0644",
        "/etc/netplan/50-cloud-init.yaml": "0600",
        "/run/systemd/network/10-netplan-eno1.network": "0644",
    }
    assert found["foreign"]["/etc/netplan/50-cloud-init.yaml"] == "network: {}\n"
    assert found["foreign_units"] == ["networking.service"]
    assert {"name": "ifupdown", "where": "/etc/network/interfaces.d/eno1 (eno1)",
            "neutralised_by": "the file is moved away"} in found["sources"]  # fmt: skip


def test_units_that_are_not_there(node: Node) -> None:
    """systemctl tells of a unit that is not there on standard error, so that the answers cannot be told apart."""
    original = node._systemctl

    def answer(words: list[str]) -> Result:
        if words[0] == "is-enabled" and "NetworkManager.service" in words:
            if len(words) > 2:
                return Result(1, "enabled\n", "Failed to get unit file state for NetworkManager.service")
            return Result(1, "", "Failed to get unit file state")
        return original(words)

    node._systemctl = answer  # type: ignore[method-assign]
    node.enabled = {"networking.service"}
    assert probe.foreign_units(node) == ["networking.service"]


def test_networkd_at_the_next_boot(node: Node) -> None:
    assert seen(node)["networkd_enabled"]
    answers = {"enabled-runtime": False, "disabled": False, "masked": False, "static": True, "": True}
    for state, expected in answers.items():
        node.failing = {"is-enabled": Result(1, f"{state}\n", "")}
        assert probe.enabled(node) is expected, state


def names(node: Node) -> list[tuple[str, str]]:
    return [(source["name"], source["where"]) for source in seen(node)["sources"]]


def test_no_sources(node: Node) -> None:
    put(node, "/proc/cmdline", "root=/dev/vda1 ip=198.18.18.1::198.18.18.2:24::eno1:none quiet\n")
    assert names(node) == []


@pytest.mark.parametrize("word", ["ip=dhcp", "ip=eno1:dhcp", "ip=::::node:eno1:dhcp", "ip=on", "ip=auto6"])
def test_kernel_command_line(node: Node, word: str) -> None:
    put(node, "/proc/cmdline", f"quiet {word}\n")
    assert names(node) == [("kernel command line", f"/proc/cmdline ({word})")]


def test_cloud_init(node: Node) -> None:
    put(node, "/etc/cloud/cloud.cfg", "# network: {config: disabled}\n")
    assert names(node) == [("cloud-init", "/etc/cloud")]
    put(node, "/etc/cloud/cloud.cfg.d/99-x.cfg", "network:\n  config: disabled\n")
    assert names(node) == []
    put(node, "/etc/cloud/cloud.cfg.d/99-x.cfg", "network: {config: disabled}\n")
    assert names(node) == []
    put(node, "/etc/cloud/cloud.cfg.d/99-x.cfg", "")
    put(node, "/etc/cloud/cloud-init.disabled", "")
    assert names(node) == []


def test_dhcp_all_interfaces(node: Node) -> None:
    put(node, "/usr/local/sbin/dhcp-all-interfaces.sh")
    assert names(node) == [("dhcp-all-interfaces", "/usr/local/sbin/dhcp-all-interfaces.sh")]


def test_network_manager(node: Node) -> None:
    put(node, "/usr/sbin/NetworkManager")
    put(node, "/etc/NetworkManager/system-connections/eno1.nmconnection", "[ipv4]\nmethod=auto\n")
    put(node, "/etc/NetworkManager/system-connections/eno2.nmconnection", "[ipv4]\nmethod=manual\n")
    assert names(node) == [
        ("NetworkManager", "its connection for every NIC that has none"),
        ("NetworkManager", "/etc/NetworkManager/system-connections/eno1.nmconnection"),
    ]
    put(node, "/etc/NetworkManager/conf.d/50-ozone.conf", "[main]\nno-auto-default=*\n")
    assert len(names(node)) == 1


def test_netplan_processes_and_routes(node: Node) -> None:
    put(node, "/etc/netplan/a.yaml", "network:\n  ethernets:\n    eno1:\n      dhcp4: true\n")
    put(node, "/etc/netplan/b.yaml", "network:\n  ethernets:\n    eno1:\n      dhcp4: false\n")
    put(node, "/proc/77/comm", "dhclient\n")
    put(node, "/proc/77/cmdline", "dhclient\0-4\0eno1\0")
    put(node, "/proc/78/comm", "sshd\n")
    node.failing["ip -6 -j -N"] = Result(
        0, json.dumps([{"dst": "default", "gateway": "fe80::1", "dev": "eno1", "protocol": "9", "table": "254"}]), ""
    )
    assert names(node) == [
        ("netplan", "/etc/netplan/a.yaml"),
        ("process", "dhclient (process 77: dhclient -4 eno1)"),
        ("router advertisements", "a route of eno1 came from there"),
    ]


def test_networkd(tmp_path: Path) -> None:
    """The first file that matches a NIC decides, wherever it lies."""
    node = Sysfs(tmp_path / "node")
    card(node, "eno1", "pci0000:00/0000:00:03.0", addr_assign_type="0\n")
    card(node, "eno2", "pci0000:00/0000:00:04.0")
    card(node, "ens5", "pci0000:00/0000:00:05.0")
    put(node, "/usr/lib/systemd/network/80-ethernet.network", "[Match]\nType=ether\n[Network]\nDHCP=yes\n")
    put(node, "/usr/lib/systemd/network/80-container.network", "[Match]\nKind=veth\nName=host0\n[Network]\nDHCP=yes\n")
    put(node, "/usr/lib/systemd/network/10-masked.network", "[Match]\nName=*\n[Network]\nDHCP=yes\n")
    put(node, "/etc/systemd/network/10-masked.network", "")
    text = "[Match]\n# a comment\nPermanentMACAddress=52:54:00:AA:00:01\n[Network]\nDHCP=no\nIPv6AcceptRA=no\n"
    put(node, "/etc/systemd/network/05-ozone-eno1.network", text)
    put(node, "/run/systemd/network/20-x.network", "[Match]\nName=!eno*\n[Network]\nDHCP=no\n")
    assert names(node) == [
        ("systemd-networkd", "/run/systemd/network/20-x.network (ens5: router advertisements)"),
        ("systemd-networkd", "/usr/lib/systemd/network/80-ethernet.network (eno2: DHCP and router advertisements)"),
    ]
    put(node, "/run/systemd/network/07-bond.network", "[Match]\nDriver=ice\nPath=pci-*\n[Network]\nBond=bond0\n")
    assert names(node) == []
