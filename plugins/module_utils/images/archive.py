# SPDX-License-Identifier: Apache-2.0
"""Archives that the kernel unpacks: format "newc" of cpio, the same bytes for the same content.

Everything belongs to root and has no date. See Documentation/driver-api/early-userspace/buffer-format.rst of Linux: a
kernel takes several archives, compressed or not, one after the other, and a later one adds to the earlier.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DIRECTORY, PROGRAM, TEXT, PRIVATE, LINK = 0o040755, 0o100755, 0o100644, 0o100600, 0o120777

#: The kernel looks for the next archive where a number of bytes is a multiple of this.
ALIGNMENT = 512


@dataclass(frozen=True)
class Entry:
    """A file, directory or symbolic link of an archive."""

    mode: int  # as in st_mode, with the type
    data: bytes = b""


def members(entries: Iterable[tuple[str, Entry]]) -> Iterator[bytes]:
    """The bytes of an archive, member by member, in the order of ``entries``. Paths are relative."""
    number = 0
    for number, (name, entry) in enumerate(entries, start=1):
        yield _member(number, name, entry)
    yield _member(number + 1, "TRAILER!!!", Entry(0))


def _member(number: int, name: str, entry: Entry) -> bytes:
    path = name.encode() + b"\0"
    fields = (number, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return header + b"\0" * (-len(header) % 4) + entry.data + b"\0" * (-len(entry.data) % 4)


def cpio(entries: Mapping[str, Entry]) -> bytes:
    """An archive in the order of its paths."""
    return b"".join(members(sorted(entries.items())))


def with_parents(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries, and all directories above them."""
    parents = {str(parent) for name in entries for parent in list(PurePosixPath(name).parents)[:-1]}
    return {**{name: Entry(DIRECTORY) for name in parents}, **entries}


def tree(root: Path) -> Iterator[tuple[str, Entry]]:
    """Files, directories and links below ``root``, a directory before what is in it. Devices are left out."""
    for directory, names, files in os.walk(root):
        names.sort()
        for name in sorted([*names, *files]):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            relative = os.path.relpath(path, root)
            if stat.S_ISLNK(status.st_mode):
                yield relative, Entry(LINK, os.readlink(path).encode())
            elif stat.S_ISDIR(status.st_mode):
                yield relative, Entry(status.st_mode)
            elif stat.S_ISREG(status.st_mode):
                yield relative, Entry(status.st_mode, Path(path).read_bytes())
