# SPDX-License-Identifier: Apache-2.0
"""A golden image's first boot: the right config drive, the network as the role network would write it, or an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.images import first_boot
from ansible_collections.ozone.openstack.plugins.module_utils.images.first_boot import Failure
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError, Nic
from ansible_collections.ozone.openstack.plugins.module_utils.network.network_data import to_network_data
from ansible_collections.ozone.openstack.plugins.module_utils.network.render import render
from ansible_collections.ozone.openstack.plugins.module_utils.network.resolve import resolve
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse, parse_mapping

DISKS = {"vda": "vda", "vda1": "vda", "vda2": "vda", "vda3": "vda", "vdb": "vdb", "vdb1": "vdb", "vdc": "vdc"}
MACS = {"nic1": "52:54:00:00:01:01", "nic2": "52:54:00:00:01:02"}
OBJECTS = [
    {
        "type": "linux_bond",
        "name": "bond0",
        "bonding_options": {"mode": "active-backup", "miimon": 100},
        "members": [{"type": "interface", "name": "nic1", "primary": True}, {"type": "interface", "name": "nic2"}],
        "addresses": [{"ip_netmask": "198.18.32.11/24"}],
        "routes": [{"default": True, "next_hop": "198.18.32.1"}],
        "dns_servers": ["198.18.32.1"],
    },
    {"type": "vlan", "device": "bond0", "vlan_id": 100, "addresses": [{"ip_netmask": "198.18.33.11/24"}]},
]


def nic(name: str, mac: str) -> Nic:
    return {
        "name": name,
        "mac": mac,
        "pci": "",
        "port": 0,
        "driver": "virtio_net",
        "type": "ether",
        "vf_of": "",
        "carrier": True,
        "speed": 0,
        "max_mtu": 65535,
    }


NICS = [nic("enp0s2", MACS["nic1"]), nic("enp0s3", MACS["nic2"])]


def chosen(*drives: str) -> str | None:
    return first_boot.choose(DISKS, "vda", lambda name: "CONFIG-2" if name in drives else "root")


def test_the_config_drive_of_the_disk_that_the_system_runs_from() -> None:
    assert chosen("vda3", "vdb1") == "vda3"
    assert chosen("vdb1") == "vdb1"
    assert chosen("vdc") == "vdc"
    assert chosen() is None


def test_two_config_drives_are_one_too_many() -> None:
    with pytest.raises(Failure, match="2 config drives: vdb1, vdc"):
        chosen("vdb1", "vdc")


def test_labels() -> None:
    iso = bytearray(34 * 1024)
    iso[32768:32774] = b"\x01CD001"
    iso[32808:32840] = b"config-2".ljust(32)
    assert first_boot.label(bytes(iso)) == "config-2"
    for kind, at in ((b"FAT32   ", 82), (b"FAT16   ", 54)):
        fat = bytearray(512)
        fat[at : at + 8] = kind
        fat[at - 11 : at] = b"CONFIG-2   "
        assert first_boot.label(bytes(fat)) == "CONFIG-2"
    assert first_boot.label(b"\0" * 34 * 1024) == ""
    assert first_boot.label(b"") == ""


def test_optical_drives_are_no_place_for_it(tmp_path: Path) -> None:
    names = tmp_path / "class"
    names.mkdir()
    for name in ("sr0", "vda", "loop0", "dm-0", "vda/vda1"):
        device = tmp_path / "devices" / name
        device.mkdir(parents=True)
        (names / device.name).symlink_to(device)
    (tmp_path / "devices/vda/vda1/partition").write_text("1\n")
    assert first_boot.blocks(str(names)) == {"vda": "vda", "vda1": "vda"}


def test_who_it_is() -> None:
    meta = {"name": "bm1", "hostname": "bm1.lab", "public_keys": {"a": "ssh-ed25519 A x\n", "b": "ssh-ed25519 B"}}
    assert first_boot.host_name(meta) == "bm1.lab"
    assert first_boot.host_name({"name": "bm1"}) == "bm1"
    assert first_boot.keys(meta) == "ssh-ed25519 A x\nssh-ed25519 B\n"
    assert first_boot.keys({"public_keys": ["ssh-ed25519 A", "ssh-ed25519 A"]}) == "ssh-ed25519 A\n"


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 64, "a\nb"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(Failure, match="no host name"):
        first_boot.host_name({"hostname": name})


def test_a_machine_that_nobody_could_log_in_to_is_refused() -> None:
    with pytest.raises(Failure, match="nobody could log in"):
        first_boot.keys({"public_keys": {}})


def test_the_network_is_what_the_role_network_writes() -> None:
    wanted = first_boot.plan(to_network_data(OBJECTS, MACS), NICS)
    config = parse(OBJECTS)
    direct = render(config, resolve(config, NICS, [], parse_mapping(MACS)))
    assert wanted["files"] == direct["files"]
    assert "/etc/systemd/network/05-ozone-nic1.network" in wanted["files"]
    assert wanted["degraded"] == []


def test_a_member_that_is_gone_does_not_hold_the_network_up() -> None:
    wanted = first_boot.plan(to_network_data(OBJECTS, MACS), NICS[:1])
    complete = first_boot.plan(to_network_data(OBJECTS, MACS), NICS)
    assert set(wanted["files"]) == set(complete["files"])
    assert wanted["degraded"]


def test_a_nic_that_something_stands_on_alone_has_to_be_there() -> None:
    objects = [{"type": "interface", "name": "nic1", "addresses": [{"ip_netmask": "198.18.32.11/24"}]}]
    with pytest.raises(NetworkError):
        first_boot.plan(to_network_data(objects, MACS), [])


def test_no_document_makes_a_machine_ask_for_an_address() -> None:
    data = to_network_data(OBJECTS, MACS)
    data["networks"][0]["type"] = "ipv4_dhcp"
    with pytest.raises(NetworkError):
        first_boot.plan(data, NICS)


def test_a_nic_without_a_usable_name_is_called_by_its_mac_address() -> None:
    data = to_network_data(OBJECTS, MACS)
    assert first_boot.aliases(data) == MACS
    data["links"][0]["id"] = "interface.1"
    data["links"][2]["bond_links"][0] = "interface.1"
    assert list(first_boot.aliases(data)) == ["nic2"]


def test_a_failure_is_told_and_is_no_success(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(first_boot, "find_drive", lambda: "/dev/vda3")

    def refuse(device: str) -> None:
        raise Failure(f"{device} is broken")

    monkeypatch.setattr(first_boot, "read_drive", refuse)
    assert first_boot.main() == 1
    assert capsys.readouterr().out == "OZONE-FIRST-BOOT FAILED: /dev/vda3 is broken\n"


def test_connect_waits_for_nics_and_writes_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    written: dict[str, int] = {}
    looks = iter([[], NICS[:1], NICS])
    monkeypatch.setattr(first_boot, "here", lambda: next(looks))
    monkeypatch.setattr(first_boot, "write", lambda path, text, mode=0o644: written.setdefault(path, mode))
    monkeypatch.setattr(first_boot.os, "makedirs", lambda *args, **more: None)
    slept: list[float] = []
    assert first_boot.connect(to_network_data(OBJECTS, MACS), slept.append) == []
    assert len(slept) == 2
    assert "/etc/systemd/network/05-ozone-bond0.netdev" in written


def test_connect_says_what_is_there_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = [{"type": "interface", "name": "nic1", "addresses": [{"ip_netmask": "198.18.32.11/24"}]}]
    monkeypatch.setattr(first_boot, "here", lambda: NICS[1:])
    with pytest.raises(Failure, match=r"cannot be made.*enp0s3 52:54:00:00:01:02"):
        first_boot.connect(to_network_data(objects, MACS), lambda seconds: None)


@pytest.mark.parametrize("up", [True, False])
def test_an_attempt_that_comes_late_brings_back_what_gave_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, up: bool
) -> None:
    """Without a host key the SSH server fails at once, for good: nobody could log in until the next boot."""
    commands: list[str] = []
    monkeypatch.setattr(first_boot, "find_drive", lambda: "/dev/vda3")
    monkeypatch.setattr(first_boot, "read_drive", lambda device: ({"hostname": "bm1"}, {}))
    monkeypatch.setattr(first_boot, "identify", lambda meta: None)
    monkeypatch.setattr(first_boot, "connect", lambda data: [])
    monkeypatch.setattr(first_boot, "DONE", str(tmp_path / "done.json"))
    monkeypatch.setattr(first_boot, "running", lambda unit: up and unit == "systemd-networkd.service")
    monkeypatch.setattr(first_boot, "run", lambda *argv: commands.append(" ".join(argv)))
    assert first_boot.main() == 0
    late = ["networkctl reload", "systemctl reset-failed ssh.service", "systemctl start --no-block ssh.service"]
    assert commands == (late if up else [])
