# SPDX-License-Identifier: Apache-2.0
"""Disk images: keyed by what they are made of, complete or not there, and recipes that name no machine."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.images import disk, disks, efi, ramdisk, workshop
from ansible_collections.ozone.openstack.plugins.module_utils.images.build import BuildError
from ansible_collections.ozone.openstack.plugins.module_utils.images.disk import Golden
from ansible_collections.ozone.openstack.plugins.module_utils.images.disks import Disks
from ansible_collections.ozone.openstack.plugins.module_utils.images.ramdisk import Ramdisk

KEY = "0123456789abcdef"


def no_shop(log: Path) -> Any:
    return None


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disks:
    monkeypatch.setattr(disks, "NEEDED_BYTES", 0)
    return Disks(tmp_path / "disks", no_shop)


def make(shop: Any, work: Path, out: Path) -> dict[str, Any]:
    (work / "scratch").write_text("x")
    (out / "debian-13.raw").write_bytes(b"disk")
    return {"kernel_version": "6.12"}


# -- the cache


def test_an_image_is_built_once(cache: Disks) -> None:
    first = cache.ensure("debian-13", KEY, make)
    assert first.changed
    assert first.about == {"kernel_version": "6.12"}
    digest = hashlib.sha256(b"disk").hexdigest()
    (file,) = first.files
    assert (file["name"], file["sha256"], file["size"]) == (f"debian-13-{digest[:12]}.raw", digest, 4)
    assert Path(file["path"]).read_bytes() == b"disk"

    def never(shop: Any, work: Path, out: Path) -> dict[str, Any]:
        raise AssertionError("built again")

    second = cache.ensure("debian-13", KEY, never)
    assert not second.changed
    assert second.files == first.files
    assert sorted(path.name for path in cache.root.iterdir() if path.is_dir()) == ["debian-13-0123456789ab", "logs"]


def test_check_mode_builds_nothing(cache: Disks) -> None:
    image = cache.ensure("debian-13", KEY, make, check=True)
    assert image.changed
    assert image.files == ()
    assert not cache.root.exists()


def test_what_is_not_whole_is_built_again(cache: Disks) -> None:
    image = cache.ensure("debian-13", KEY, make)
    Path(image.files[0]["path"]).write_bytes(b"cut")
    assert cache.read("debian-13", KEY) is None
    assert cache.ensure("debian-13", KEY, make).changed
    assert cache.read("debian-13", KEY) is not None


def test_a_build_that_fails_leaves_nothing_but_its_log(cache: Disks) -> None:
    def fails(shop: Any, work: Path, out: Path) -> dict[str, Any]:
        (out / "half").write_text("x")
        raise BuildError("mke2fs failed")

    with pytest.raises(BuildError, match="mke2fs failed"):
        cache.ensure("debian-13", KEY, fails)
    assert sorted(path.name for path in cache.root.iterdir() if path.is_dir()) == ["logs"]


def test_remains_of_a_killed_build_are_cleared_and_those_of_others_left(cache: Disks) -> None:
    for name in (".debian-13-x.new", ".ramdisk-x.new"):
        (cache.root / name).mkdir(parents=True)
    cache.ensure("debian-13", KEY, make)
    assert not (cache.root / ".debian-13-x.new").exists()
    assert (cache.root / ".ramdisk-x.new").exists()


def test_no_room_is_told_before_anything_is_built(cache: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "NEEDED_BYTES", 1 << 60)
    with pytest.raises(BuildError, match="free space"):
        cache.ensure("debian-13", KEY, make)


def test_the_ramdisk_of_a_cloud_trusts_its_authority(cache: Disks) -> None:
    def base(shop: Any, work: Path, out: Path) -> dict[str, Any]:
        for name in ("ramdisk.kernel", "ramdisk.initramfs", "esp.img"):
            (out / name).write_bytes(name.encode())
        return {}

    image = cache.ensure("ramdisk", KEY, base)
    one = cache.for_cloud(image, "PEM", {"debug": "true"})
    assert one.changed
    assert [file["name"] for file in one.files] == ["esp.img", "ramdisk.initramfs", "ramdisk.kernel"]
    data = Path(one.files[1]["path"]).read_bytes()
    assert data.startswith(b"ramdisk.initramfs\0")
    assert data.index(b"070701") % 512 == 0
    assert b"cafile = /etc/ironic-python-agent.d/ca.pem\ndebug = true\n" in data
    image = cache.ensure("ramdisk", KEY, base)
    assert not cache.for_cloud(image, "PEM", {"debug": "true"}).changed
    other = cache.for_cloud(image, "OTHER", {})
    assert other.directory != one.directory
    assert cache.prune([image.directory, other.directory], ["ramdisk", "cloud-ramdisk"]) == [one.directory.name]
    assert other.directory.is_dir()


def test_of_a_ramdisk_that_is_not_built_nothing_is_made(cache: Disks) -> None:
    image = cache.ensure("ramdisk", KEY, make, check=True)
    assert cache.for_cloud(image, "PEM", {}, check=True) is image


# -- what decides about an image


def test_every_input_of_a_golden_image_counts() -> None:
    golden = Golden()
    others = [
        replace(golden, packages=["vim"]),
        replace(golden, drivers="virtual"),
        replace(golden, firmware=["firmware-bnx2x"]),
        replace(golden, arguments=["quiet"]),
        replace(golden, revision="2"),
        replace(golden, library={"x": "y = 1\n"}),
    ]
    assert len({image.inputs() for image in (golden, *others)}) == 1 + len(others)
    assert Golden().inputs() == golden.inputs()


def test_comments_of_the_first_boot_do_not_make_another_image() -> None:
    golden = Golden()
    commented = {name: text + "# a comment\n" for name, text in golden.library.items()}
    assert replace(golden, library=commented).inputs() == golden.inputs()


def test_every_input_of_a_ramdisk_counts(tmp_path: Path) -> None:
    lock, other = tmp_path / "a.lock", tmp_path / "b.lock"
    lock.write_text("a==1 \\\n    --hash=sha256:0\n")
    other.write_text("a==2 \\\n    --hash=sha256:0\n")
    one = Ramdisk(lock, lock)
    others = [
        replace(one, lock=other),
        replace(one, drivers="virtual"),
        replace(one, packages=["vim"]),
        replace(one, firmware=["firmware-bnx2x"]),
        replace(one, revision="2"),
        replace(one, source=["a"]),
    ]
    assert len({disks.ramdisk_key(image) for image in (one, *others)}) == 1 + len(others)


# -- the parts


def test_an_overlay_is_the_same_for_the_same_content() -> None:
    assert ramdisk.overlay("PEM", {"a": "1", "b": "2"}) == ramdisk.overlay("PEM", {"b": "2", "a": "1"})
    assert b"cafile" not in ramdisk.overlay(None, {})
    assert b"insecure" not in ramdisk.overlay("PEM", {})


def test_modules_that_no_server_needs_stay_out() -> None:
    assert ramdisk.left_out("kernel/sound/core/snd.ko.xz")
    assert ramdisk.left_out("kernel/drivers/net/wireless/x.ko.xz")
    assert not ramdisk.left_out("kernel/drivers/net/ethernet/intel/i40e/i40e.ko.xz")
    assert not ramdisk.left_out("kernel/drivers/scsi/megaraid/megaraid_sas.ko.xz")
    assert not ramdisk.left_out("kernel/drivers/nvme/host/nvme.ko.xz")


def test_shell_scripts_of_the_ramdisk_are_shell(tmp_path: Path) -> None:
    for text in (ramdisk.INIT, ramdisk.POWER.format(key="o")):
        script = tmp_path / "script"
        script.write_text(text)
        subprocess.run(["sh", "-n", str(script)], check=True, timeout=30)


def test_nothing_in_an_image_asks_for_an_address() -> None:
    texts = [ramdisk.INIT, *disk.FILES.values(), disk.UNIT]
    assert not any(word in text.lower() for text in texts for word in ("dhcp", "dhclient", "udhcpc"))
    clients = {"isc-dhcp-client", "dhcpcd", "dhcpcd-base", "ifupdown", "network-manager", "cloud-init", "netplan.io"}
    assert not clients & {*disk.DEFAULT, *ramdisk.PACKAGES, *ramdisk.REAL_PACKAGES}


def test_the_first_boot_runs_from_what_is_shipped(tmp_path: Path) -> None:
    root = tmp_path / "root"
    disk.furnish(root, Golden(arguments=["quiet"]), "11111111-2222-5333-8444-555555555555")
    library = root / disk.LIBRARY
    name = disk.first_boot.__name__
    argv = [sys.executable, "-c", f"import {name} as it; print(it.__file__, 'ansible' in __import__('sys').modules)"]
    found = subprocess.run(
        argv,
        env={"PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.stdout.split() == [str(library / (name.replace(".", "/") + ".py")), "False"], found.stderr
    assert "root=UUID=11111111-2222-5333-8444-555555555555 ro quiet" in (root / "boot/grub/grub.cfg").read_text()
    assert "x-systemd.growfs" in (root / "etc/fstab").read_text()


def test_nothing_that_identifies_a_machine_is_left(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("etc/machine-id", "etc/ssh/ssh_host_rsa_key", "var/lib/systemd/random-seed", "var/log/dpkg.log"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("secret")
    workshop.remove(root, disk.PRUNED)
    disk.forget(root)
    assert (root / "etc/machine-id").read_text() == ""
    assert not list(root.glob("etc/ssh/ssh_host_*"))
    assert not (root / "var/lib/systemd/random-seed").exists()
    assert (root / "root/.ssh").stat().st_mode & 0o777 == 0o700


def test_only_what_was_made_gets_the_date_of_the_image(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old, new):
        path.write_text("")
    workshop.os.utime(old, (1000, 1000))
    workshop.settle(tmp_path, 2000)
    assert (old.stat().st_mtime, new.stat().st_mtime) == (1000, workshop.EPOCH)


def test_the_table_of_a_disk() -> None:
    part = efi.Partition("root", efi.ROOT_TYPE, "11111111-2222-5333-8444-555555555555", efi.MEBIBYTE, 4 * efi.MEBIBYTE)
    text = efi.table("99999999-2222-5333-8444-555555555555", [part])
    assert "start=2048, size=8192, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709" in text
    assert "label-id: 99999999" in text


def test_identities_depend_on_the_image_and_nothing_else() -> None:
    assert efi.identity("a", "root") == efi.identity("a", "root")
    assert len({efi.identity(key, what) for key in "ab" for what in ("root", "esp")}) == 4


def test_the_script_of_a_boot_partition_makes_directories_first() -> None:
    text = efi.script("/mnt/esp", 8, "4f5a4f4e", efi.files(efi.GRUB, ["EFI/debian/grub.cfg"]), "ESP")
    lines = text.splitlines()
    made = [line.rpartition("::")[2] for line in lines if line.startswith("mmd")]
    assert made == ["EFI", "EFI/BOOT", "EFI/debian"]
    assert "cp /mnt/esp-EFI-debian-grub.cfg /tmp/one" in text
    assert (
        json.dumps(sorted(efi.files(efi.GRUB)))
        == '["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi", "EFI/BOOT/mmx64.efi"]'
    )
