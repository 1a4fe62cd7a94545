# SPDX-License-Identifier: Apache-2.0
"""Files of the state directory: written whole or not at all, and by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def write_atomic(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Replace ``path`` by ``content`` in one step, so that a reader or a crash sees the old or the new file.

    The content is never readable under a wider mode than ``mode``, not even for a moment. The directory must exist.
    """
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def write_if_changed(path: Path, content: str | bytes, mode: int = 0o600, *, check: bool = False) -> bool:
    """Tell whether ``path`` differs from ``content`` or ``mode``, and make it so unless ``check``."""
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.read_bytes() == data and path.stat().st_mode & 0o7777 == mode:
            return False
    except FileNotFoundError:
        pass
    if not check:
        write_atomic(path, data, mode)
    return True


def private_directory(path: Path) -> None:
    """Make a directory that only its owner can enter (0700), with its parents; one that is there keeps its mode."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextlib.contextmanager
def exclusive(path: Path, timeout: float = 30.0) -> Iterator[None]:
    """Hold an advisory lock on ``path`` (made when missing) while the block runs; a dead holder's lock is gone.

    Waits ``timeout`` seconds at most, then raises TimeoutError.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"{path}: another process has held this lock for {timeout:g} s") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)
