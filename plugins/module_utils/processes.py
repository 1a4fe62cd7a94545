# SPDX-License-Identifier: Apache-2.0
"""Pure computation in several processes of the deployment host."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _child(writer: Connection, work: Callable[[Item], Result], items: Sequence[Item]) -> None:
    # A worker of Ansible handles SIGTERM by a signal to its whole process group.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        writer.send(([work(item) for item in items], ""))
    except Exception:
        writer.send(([], traceback.format_exc()))


def in_processes(work: Callable[[Item], Result], items: Sequence[Item], processes: int, limit: float) -> list[Result]:
    """``[work(item) for item in items]``, in forks of this process. ``work`` gives data that can be pickled.

    :param processes: forks at most; with one, or one item, the work is done in this process.
    :param limit: seconds after which the forks are killed.
    :raises RuntimeError: ``work`` raised, which the message shows with its traceback, or a fork was killed.
    :raises TimeoutError: the limit was reached.
    """
    count = min(processes, len(items))
    if count <= 1:
        return [work(item) for item in items]
    deadline = time.monotonic() + limit
    forks = multiprocessing.get_context("fork")
    children, readers = [], []
    found: dict[Connection, list[Result]] = {}
    try:
        for number in range(count):
            reader, writer = forks.Pipe(duplex=False)
            child = forks.Process(target=_child, args=(writer, work, items[number::count]), daemon=True)
            child.start()
            writer.close()
            children.append(child)
            readers.append(reader)
        while len(found) < count:
            pending = [reader for reader in readers if reader not in found]
            ready = wait(pending, max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"not done after {limit:.0f} s")
            for reader in [reader for reader in pending if reader in ready]:
                try:
                    results, error = reader.recv()
                except EOFError:
                    raise RuntimeError("a process was killed (is there enough memory?)") from None
                if error:
                    raise RuntimeError(error)
                found[reader] = results
    finally:
        for child in children:
            child.kill()
            child.join()
        for reader in readers:
            reader.close()
    return [found[readers[index % count]][index // count] for index in range(len(items))]
