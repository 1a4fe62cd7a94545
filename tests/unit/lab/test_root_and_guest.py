# SPDX-License-Identifier: Apache-2.0
"""The cached root of the nodes, and the guest image."""

from __future__ import annotations

import gzip
import lzma
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import Mirror, MirrorError, Source
from ansible_collections.ozone.openstack.plugins.module_utils.lab import guest, root
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError

MIRROR = Mirror((Source("http://mirror.invalid/debian", "trixie", ("main",)),), (), ("/k",))


def test_the_key_follows_the_content() -> None:
    assert root.root_key(["b", "a"]) == root.root_key(["a", "b", "a"])
    assert root.root_key(["a"]) != root.root_key(["a", "b"])
    assert root.root_key().startswith("trixie-")


def test_the_last_step_is_valid_shell() -> None:
    subprocess.run(["sh", "-n"], input=root.FINISH, text=True, check=True, timeout=10)
    assert "disable *" in root.FINISH


def build(cache: Path, bootstrap: Any, free: int = 10**12) -> tuple[Path, bool]:
    return root.build_root(cache, ["a"], lambda: MIRROR, bootstrap, timeout=10, free=lambda path: free)


def test_a_root_is_built_once_and_whole(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = []

    def bootstrap(suite: str, target: Path, mirror: Mirror, **options: Any) -> None:
        calls.append(options)
        (target / "etc").mkdir()

    path, built = build(tmp_path, bootstrap)
    assert built
    assert path == tmp_path / "roots" / root.root_key(["a"])
    assert (path / "etc").is_dir()
    assert path.stat().st_mode & 0o777 == 0o755
    assert build(tmp_path, bootstrap) == (path, False)
    assert len(calls) == 1
    assert [entry.name for entry in (tmp_path / "roots").iterdir()] == [path.name]


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def bootstrap(suite: str, target: Path, mirror: Mirror, **options: Any) -> None:
        raise MirrorError("no mirror; remedy: set sources")

    with pytest.raises(LabError, match="remedy"):
        build(tmp_path, bootstrap)
    assert list((tmp_path / "roots").iterdir()) == []


def test_remains_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    (tmp_path / "roots" / f".{root.root_key(['a'])}.dead" / "usr").mkdir(parents=True)
    path, _ = build(tmp_path, lambda *args, **options: None)
    assert [entry.name for entry in (tmp_path / "roots").iterdir()] == [path.name]


def test_too_little_space_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="free space; remedy"):
        build(tmp_path, lambda *args, **options: None, free=1000)


def test_roots_in_use_are_kept(tmp_path: Path) -> None:
    for name in ("keep", "used", "old", ".x.tmp"):
        (tmp_path / "roots" / name).mkdir(parents=True)
    (tmp_path / "lab" / "demo" / "node1").mkdir(parents=True)
    (tmp_path / "lab" / "demo" / "node1" / "root").write_text("used\n", encoding="utf-8")
    found = root.prunable(tmp_path / "roots", "keep", tmp_path / "lab")
    assert [path.name for path in found] == [".x.tmp", "old"]


def test_cpio_can_be_read_by_others(tmp_path: Path) -> None:
    entries = {
        "dir": guest.Entry(0o040755),
        "dir/file": guest.Entry(0o100644, b"hello"),
        "link": guest.Entry(0o120777, b"dir/file"),
    }
    archive = guest.cpio(entries)
    assert len(archive) % 4 == 0
    assert archive.startswith(b"070701")
    names = []
    offset = 0
    while True:
        fields = [int(archive[offset + 6 + 8 * i : offset + 14 + 8 * i], 16) for i in range(13)]
        name = archive[offset + 110 : offset + 109 + fields[11]].decode()
        data = (offset + 110 + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            break
        names.append((name, fields[1], archive[data : data + fields[6]]))
        offset = (data + fields[6] + 3) // 4 * 4
    assert names == [("dir", 0o040755, b""), ("dir/file", 0o100644, b"hello"), ("link", 0o120777, b"dir/file")]


def ko(*depends: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + ",".join(depends).encode() + b"\0name=x\0"


def test_modules_are_loaded_after_what_they_need() -> None:
    store = {"virtio_net": ko("net_failover"), "net_failover": ko("failover"), "failover": ko(), "e1000": ko()}
    order = guest.load_order(["virtio_net", "virtio_pci", "e1000"], store.get, frozenset({"virtio_pci"}))
    assert list(order) == ["failover", "net_failover", "virtio_net", "e1000"]
    with pytest.raises(LabError, match="no module e1000e"):
        guest.load_order(["e1000e"], store.get, frozenset())


def test_module_files() -> None:
    assert guest.module_name("kernel/drivers/virtio/virtio-rng.ko.xz") == "virtio_rng"
    assert guest.decompress("a.ko.xz", lzma.compress(b"x")) == b"x"
    assert guest.decompress("a.ko.gz", gzip.compress(b"x")) == b"x"
    assert guest.decompress("a.ko", b"x") == b"x"
    with pytest.raises(LabError):
        guest.decompress("a.ko.zst", b"x")


@pytest.mark.parametrize("text", [guest.INIT, guest.DHCP, guest.POWER])
def test_scripts_of_the_guest_are_valid_shell(text: str) -> None:
    subprocess.run(["sh", "-n"], input=text, text=True, check=True, timeout=10)


def test_guest_is_collected_and_cached(tmp_path: Path) -> None:
    def bootstrap(suite: str, target: Path, mirror: Mirror, **options: Any) -> None:
        modules = target / "usr/lib/modules/6.12"
        modules.mkdir(parents=True)
        (target / "boot").mkdir()
        (target / "boot/vmlinuz-6.12").write_bytes(b"kernel")
        (target / "usr/bin").mkdir()
        (target / "usr/bin/busybox").write_bytes(b"busybox")
        (modules / "modules.builtin").write_text("kernel/drivers/virtio/virtio_pci.ko\n", encoding="utf-8")
        for name in ("virtio_net", "e1000", "e1000e", "button"):
            (modules / f"{name}.ko.xz").write_bytes(lzma.compress(ko()))

    path, built = guest.build_guest(tmp_path, lambda: MIRROR, bootstrap, timeout=10)
    assert built
    assert sorted(entry.name for entry in path.iterdir()) == ["disk", "initrd", "kernel", "meta.json"]
    assert (path / "kernel").read_bytes() == b"kernel"
    first = (path / "initrd").read_bytes()
    assert guest.build_guest(tmp_path, lambda: MIRROR, bootstrap, timeout=10) == (path, False)
    again, _ = guest.build_guest(tmp_path / "other", lambda: MIRROR, bootstrap, timeout=10)
    assert (again / "initrd").read_bytes() == first  # same in, same out
    assert b"virtio_net.ko" in gzip.decompress(first)


def test_no_kernel_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    with pytest.raises(LabError, match="expected one kernel"):
        guest.collect(tmp_path)
