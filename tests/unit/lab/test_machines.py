# SPDX-License-Identifier: Apache-2.0
"""The pure parts of the lab of emulated machines."""

from __future__ import annotations

import gzip
import ipaddress
import struct
from pathlib import Path

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import overlaps, parse_claims
from tests.lab.capture import FILTER, checksum, echo_request, kind_of, loss_of
from tests.lab.machine_agent import execute
from tests.lab.machine_image import PACKAGES, image_key, injection
from tests.lab.machines import NICS, Nic, bond_with_vlan, qemu_argv, single_nic
from tests.lab.switches import LAB, VLANS, address, address6, port_columns, wanted_networks

MACS = bytes.fromhex("ffffffffffff024f5a000000")


def udp4(source: int, target: int, *, fragment: int = 0, options: bytes = b"") -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 28, 0, fragment, 64, 17, 0) + bytes(8) + options
    return b"\x08\x00" + header + struct.pack("!HHHH", source, target, 8, 0)


def ip6(header: int, payload: bytes) -> bytes:
    return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(payload), header, 255) + bytes(32) + payload


UDP6 = struct.pack("!HHHH", 546, 547, 8, 0)


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        (udp4(68, 67), "dhcp4"),
        (udp4(67, 68, options=bytes(4)), "dhcp4"),
        (udp4(53, 1024), ""),
        (udp4(68, 67, fragment=100), ""),
        (b"\x81\x00\x00\x64" + udp4(68, 67), "dhcp4"),
        (b"\x88\xa8\x00\x64\x81\x00\x00\x65" + udp4(68, 67), "dhcp4"),
        (ip6(17, UDP6), "dhcp6"),
        (ip6(0, bytes([17, 0]) + bytes(6) + UDP6), "dhcp6"),
        (ip6(58, b"\x85\0\0\0"), "router-solicitation"),
        (ip6(0, bytes([58, 0]) + bytes(6) + b"\x85"), "router-solicitation"),
        (ip6(58, b"\x87\0\0\0"), ""),
        (ip6(6, UDP6), ""),
        (b"\x08\x06" + bytes(28), ""),
        (b"\x08\x00", ""),
        (b"\x86\xdd" + bytes(10), ""),
        (b"", ""),
    ],
)
def test_what_is_dhcp_and_what_is_not(packet: bytes, kind: str) -> None:
    assert kind_of(MACS + packet) == kind


def taken(frame: bytes) -> bool:
    """Run the filter of the kernel on a frame."""
    at, value = 0, 0
    while True:
        code, yes, no, operand = FILTER[at]
        at += 1
        if code == 0x06:
            return operand > 0
        if code in (0x28, 0x30):
            size = 2 if code == 0x28 else 1
            value = int.from_bytes(frame[operand : operand + size], "big")
        else:
            assert code == 0x15
            at += yes if value == operand else no


@pytest.mark.parametrize(
    ("packet", "wanted"),
    [
        (udp4(68, 67), True),
        (ip6(17, UDP6), True),
        (ip6(58, b"\x85"), True),
        (ip6(0, bytes(8)), True),
        (b"\x81\x00\x00\x64" + udp4(68, 67), True),
        (b"\x08\x00" + bytes(9) + b"\x06" + bytes(10), False),
        (ip6(6, UDP6), False),
        (b"\x08\x06" + bytes(28), False),
    ],
)
def test_the_kernel_hands_over_no_more_than_it_must(packet: bytes, wanted: bool) -> None:
    assert taken(MACS + packet) == wanted


def test_a_checksum_over_itself_is_zero() -> None:
    assert checksum(echo_request(4711, 3)) == 0
    assert checksum(b"\x01") == 0xFEFF


def test_losses_of_a_series() -> None:
    assert str(loss_of(10, {0, 1, 2, 6, 7, 9}, 0.2)) == "4 of 10 pings lost, 0.6 s at most without an answer"
    assert loss_of(3, {0, 1, 2, 3}, 0.2).lost == 0
    assert loss_of(2, set(), 0.5).gap == 1.0


def test_nics_differ_and_fit() -> None:
    nics = [Nic(machine, index, switch) for machine in (0, 1) for index, switch in enumerate(NICS)]
    assert len({nic.mac for nic in nics}) == len({nic.device for nic in nics}) == len(nics)
    assert all(len(nic.device) < 16 for nic in nics)
    first = nics[0]
    assert (first.name, first.pci, first.mac) == ("ens16", "0000:00:10.0", "02:4f:5a:00:00:00")


def test_the_command_line_of_qemu() -> None:
    nics = [Nic(0, 0, "sw-a"), Nic(0, 1, "sw-b")]
    argv = qemu_argv(nics, Path("/kernel"), Path("/files"), Path("/sockets"))
    text = " ".join(argv)
    assert "kvm" not in text and "qemu64,-cx16" in argv
    assert "tap,id=net1,ifname=ozt0n1,script=no,downscript=no" in argv
    device = next(word for word in argv if word.startswith("virtio-net-pci") and "id=nic1" in word)
    assert {"mac=02:4f:5a:00:00:01", "addr=0x11", "csum=off", "ctrl_vlan=off"} <= set(device.split(","))
    assert "-loadvm" not in argv
    assert qemu_argv(nics, Path("/kernel"), Path("/files"), Path("/sockets"), "clean") == [*argv, "-loadvm", "clean"]


def test_networks_are_of_the_lab_and_refused_when_taken() -> None:
    whole = ipaddress.ip_network("198.18.16.0/20")
    nets = [ipaddress.ip_network(net) for net in VLANS.values()]
    assert all(net.subnet_of(whole) for net in nets if isinstance(net, ipaddress.IPv4Network))
    assert address(100, 10) == "198.18.17.10"
    assert address6(100, 10) == "fd5a:4f7a:6f6e:64::a"
    route = {"dst": "198.18.16.0/22", "dev": "br0"}
    assert len(overlaps(wanted_networks(), parse_claims([route], [], {}), LAB)) == 4
    assert overlaps(wanted_networks(), parse_claims([route], [], {"br0": f"ozone-lab:{LAB}:vlan:10"}), LAB) == []


def test_a_trunk_lets_its_native_vlan_pass() -> None:
    assert port_columns([101, 100], 10) == ["vlan_mode=native-untagged", "tag=10", "trunks=10,100,101"]


def test_first_files_never_ask_for_an_address() -> None:
    nics = [Nic(0, index, switch) for index, switch in enumerate(NICS)]
    files = bond_with_vlan(nics[:2]) | single_nic(nics[4])
    assert all("DHCP=no" in text for path, text in files.items() if path.endswith(".network"))
    assert "Mode=802.3ad" in bond_with_vlan(nics[2:4], mode="802.3ad")["/etc/systemd/network/10-bond0.netdev"]


def test_keys_are_injected_for_root_only() -> None:
    data = gzip.decompress(injection({"/root/.ssh/authorized_keys": "k", "/etc/hostname": "n"}, {"/etc/link": "/a"}))
    modes = {}
    at = 0
    while (name := data[at + 110 : at + 110 + int(data[at + 94 : at + 102], 16) - 1].decode()) != "TRAILER!!!":
        size, length = int(data[at + 54 : at + 62], 16), int(data[at + 94 : at + 102], 16)
        modes[name] = int(data[at + 14 : at + 22], 16)
        at += (110 + length + 3) // 4 * 4
        at += (size + 3) // 4 * 4
    assert modes == {
        "inject": 0o040755,
        "inject/etc": 0o040755,
        "inject/etc/hostname": 0o100644,
        "inject/etc/link": 0o120777,
        "inject/root": 0o040700,
        "inject/root/.ssh": 0o040700,
        "inject/root/.ssh/authorized_keys": 0o100600,
    }


def test_an_image_is_named_by_what_is_in_it() -> None:
    assert image_key() == image_key(tuple(reversed(PACKAGES)))
    assert image_key() != image_key((*PACKAGES, "netplan.io"))


def test_the_agent_tells_what_a_command_did() -> None:
    assert execute("echo out; echo err >&2; exit 3", 5) == (3, "out\nerr\n")
    assert execute("echo begun; sleep 5", 0.3) == (124, "begun\n")
