# SPDX-License-Identifier: Apache-2.0
"""The ramdisk's network: from the medium of this boot, static, and no agent without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.images import ramdisk_start as start

MACS = {"52:54:00:00:01:01": "enp0s2", "52:54:00:00:01:02": "enp0s3"}
ADDRESS = {"link": "nic1", "type": "ipv4", "ip_address": "198.18.32.11", "netmask": "255.255.255.0"}


def nic(name: str, number: int, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "phy", "ethernet_mac_address": f"52:54:00:00:01:0{number}", **more}


BOND = {"id": "bond0", "type": "bond", "bond_mode": "active-backup", "bond_links": ["nic1", "nic2"]}


def lines(document: dict[str, Any], macs: dict[str, str] | None = None) -> list[str]:
    return [" ".join(argv) for argv in start.commands(document, MACS if macs is None else macs)]


def descriptor(label: str, publisher: str) -> bytes:
    data = bytearray(b" " * 2048)
    data[:6] = b"\x01CD001"
    data[40 : 40 + len(label)] = label.encode()
    data[318 : 318 + len(publisher)] = publisher.encode()
    return bytes(data)


def test_a_volume_says_what_it_is() -> None:
    assert start.volume(descriptor("CONFIG-2", "ab-1")) == ("CONFIG-2", "ab-1")
    assert start.volume(b"\0" * 2048) is None
    assert start.volume(b"") is None


def test_the_number_counts_and_not_the_label() -> None:
    assert start.publisher_of("quiet ir_pub_id=AB-1 console=ttyS0") == "AB-1"
    assert start.publisher_of("quiet") == ""
    assert start.belongs(("OZONE", "ab-1"), "AB-1")
    assert not start.belongs(("config-2", "another"), "ab-1")
    assert start.belongs(("CONFIG-2", "anything"), "")
    assert not start.belongs(None, "ab-1")


def test_a_disk_is_looked_at_only_when_the_number_is_known() -> None:
    names = ["vda", "vda3", "sr0", "loop0", "sda", "dm-0", "sr1"]
    assert start.candidates(names, "") == ["sr0", "sr1"]
    assert start.candidates(names, "ab") == ["sr0", "sr1", "sda", "vda", "vda3"]


def test_a_nic() -> None:
    route = {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "198.18.32.1", "metric": 5}
    network = {**ADDRESS, "routes": [route]}
    assert lines({"links": [nic("nic1", 1, mtu=9000)], "networks": [network]}) == [
        "ip link set enp0s2 mtu 9000",
        "ip link set enp0s2 up",
        "ip address replace 198.18.32.11/24 dev enp0s2",
        "ip route replace 0.0.0.0/0 via 198.18.32.1 dev enp0s2 metric 5",
    ]


def test_a_vlan_on_a_bond_whose_second_member_is_gone() -> None:
    vlan = {"id": "vlan.with.a.long.name", "type": "vlan", "vlan_link": "bond0", "vlan_id": 100}
    bond = {**BOND, "bond_xmit_hash_policy": "layer3+4", "bond_primary": "nic2"}
    network = {"link": vlan["id"], "type": "ipv6", "ip_address": "2001:db8::5", "netmask": "ffff:ffff:ffff:ffff::"}
    document = {"links": [vlan, bond, nic("nic1", 1), nic("nic2", 2)], "networks": [network]}
    macs = {"52:54:00:00:01:01": "enp0s2"}
    assert start.missing(document, macs) == ["52:54:00:00:01:02"]
    assert lines(document, macs) == [
        "ip link set enp0s2 up",
        "ip link add bond0 type bond mode active-backup miimon 100 xmit_hash_policy layer3+4",
        "ip link set enp0s2 down",
        "ip link set enp0s2 master bond0",
        "ip link set enp0s2 up",
        "ip link set bond0 up",
        "ip link add link bond0 name vlan100 type vlan id 100",
        "ip link set vlan100 up",
        "ip address replace 2001:db8::5/64 dev vlan100 nodad",
    ]
    primary = [line for line in lines(document) if "primary" in line]
    assert primary == ["ip link set bond0 type bond primary enp0s3"]


def test_a_second_attempt_makes_no_device_twice() -> None:
    document = {"links": [nic("nic1", 1), nic("nic2", 2), BOND], "networks": [{**ADDRESS, "link": "bond0"}]}
    words = [argv for argv in start.commands(document, MACS, ["lo", "bond0"]) if "add" in argv]
    assert words == []


@pytest.mark.parametrize(
    "document",
    [
        {"links": [nic("nic1", 7)], "networks": [ADDRESS]},
        {"links": [nic("nic1", 1)], "networks": []},
        {"links": [nic("nic1", 1)], "networks": [{"link": "nic1", "type": "ipv4_dhcp"}]},
        {"links": [{**BOND, "bond_links": ["nic1"]}, nic("nic1", 7)], "networks": [{**ADDRESS, "link": "bond0"}]},
        {},
    ],
)
def test_without_a_static_address_there_is_trouble(document: dict[str, Any]) -> None:
    with pytest.raises(start.Trouble, match="no static address"):
        start.commands(document, MACS)


def test_prefixes() -> None:
    assert str(start.interface("198.18.0.1/16", None)) == "198.18.0.1/16"
    assert str(start.interface("198.18.0.1", 24)) == "198.18.0.1/24"
    assert str(start.interface("198.18.0.1", "255.255.0.0")) == "198.18.0.1/16"
    assert str(start.interface("2001:db8::1", "64")) == "2001:db8::1/64"
    assert str(start.interface("198.18.0.1", "")) == "198.18.0.1/32"


def test_a_nic_that_comes_late_is_waited_for_and_then_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    ran: list[tuple[str, ...]] = []
    document = {"links": [nic("nic1", 1), nic("nic2", 2), BOND], "networks": [{**ADDRESS, "link": "bond0"}]}
    monkeypatch.setattr(start, "document", lambda: document)
    monkeypatch.setattr(start, "nics", lambda: {"52:54:00:00:01:01": "enp0s2"})
    monkeypatch.setattr(start, "run", lambda *argv: ran.append(argv))
    monkeypatch.setattr(start, "say", lambda text: None)
    network = start.Network(clock=lambda: now[0])
    with pytest.raises(start.Trouble, match="waiting for the NIC 52:54:00:00:01:02"):
        network.attempt()
    assert ran == []
    now[0] = start.PATIENCE
    assert network.attempt() == ["198.18.32.11/24 on bond0"]
    assert ("ip", "link", "set", "enp0s2", "master", "bond0") in ran


def test_what_is_no_network_is_trouble_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "nics", lambda: MACS)
    for broken in ({"links": [{"id": "x"}]}, {"links": [nic("nic1", 1)], "networks": [{**ADDRESS, "ip_address": "x"}]}):
        monkeypatch.setattr(start, "document", lambda broken=broken: broken)
        with pytest.raises(start.Trouble, match="cannot be used"):
            start.Network().attempt()


def test_no_router_is_believed(tmp_path: Path) -> None:
    for name in ("all", "default", "ens1"):
        (tmp_path / name).mkdir()
        for setting in ("accept_ra", "autoconf", "disable_ipv6"):
            (tmp_path / name / setting).write_text("1")
    start.be_deaf(str(tmp_path))
    found = {path.name: path.read_text() for path in tmp_path.glob("*/*")}
    assert found == {"accept_ra": "0", "autoconf": "0", "disable_ipv6": "1"}
    assert [path.read_text() for path in tmp_path.glob("*/accept_ra")] == ["0"] * 3
    start.be_deaf(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("processors", "chosen"),
    [
        ("flags\t\t: fpu aes sse2\n", False),
        ("flags\t\t: fpu vaes-like sse2\n", True),
        ("flags\t\t: fpu sse2\nflags\t\t: fpu aes\n", False),
        ("Features\t: fp asimd\n", False),  # not x86: nothing is known
    ],
)
def test_a_processor_without_aes_prefers_another_cipher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: str, chosen: bool
) -> None:
    monkeypatch.setenv("OPENSSL_CONF", "")  # what it was comes back afterwards
    del os.environ["OPENSSL_CONF"]
    (tmp_path / "cpuinfo").write_text(processors)
    configuration = tmp_path / "openssl.cnf"
    start.choose_ciphers(str(tmp_path / "cpuinfo"), str(configuration))
    assert os.environ.get("OPENSSL_CONF") == (str(configuration) if chosen else None)
    if chosen:
        ask = "import ssl; print(ssl.create_default_context().get_ciphers()[0]['name'])"
        done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout.strip() == "TLS_CHACHA20_POLY1305_SHA256"
