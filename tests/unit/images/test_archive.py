# SPDX-License-Identifier: Apache-2.0
"""Archives for the kernel: readable by cpio, the same for the same content."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.images import archive
from ansible_collections.ozone.openstack.plugins.module_utils.images.archive import Entry


def unpacked(data: bytes, target: Path) -> None:
    target.mkdir()
    subprocess.run(["cpio", "-id", "--quiet"], cwd=target, input=data, check=True, timeout=30)


def test_a_tree_comes_out_as_it_went_in(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin/tool").write_text("#!/bin/sh\n")
    (source / "bin/tool").chmod(0o755)
    (source / "link").symlink_to("bin/tool")
    (source / "empty").write_text("")
    os.mkfifo(source / "pipe")
    unpacked(b"".join(archive.members(archive.tree(source))), tmp_path / "out")
    out = tmp_path / "out"
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*")) == ["bin", "bin/tool", "empty", "link"]
    assert (out / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert os.readlink(out / "link") == "bin/tool"


def test_times_and_owners_do_not_count(tmp_path: Path) -> None:
    results = []
    for date in (1, 2):
        root = tmp_path / str(date)
        root.mkdir()
        for name in ("b", "a") if date == 1 else ("a", "b"):
            (root / name).write_text(name)
        os.utime(root / "a", (date, date))
        results.append(b"".join(archive.members(archive.tree(root))))
    assert results[0] == results[1]


def test_parents_come_before_what_is_in_them(tmp_path: Path) -> None:
    entries = archive.with_parents({"etc/a/b.conf": Entry(archive.TEXT, b"x")})
    assert sorted(entries) == ["etc", "etc/a", "etc/a/b.conf"]
    unpacked(archive.cpio(entries), tmp_path / "out")
    assert (tmp_path / "out/etc/a/b.conf").read_bytes() == b"x"


def test_an_empty_archive_has_its_end() -> None:
    assert b"TRAILER!!!" in archive.cpio({})
