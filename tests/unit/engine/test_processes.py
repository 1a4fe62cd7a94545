# SPDX-License-Identifier: Apache-2.0
"""Computation in several processes."""

from __future__ import annotations

import os
import signal
import time

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.processes import available_cores, in_processes


@pytest.mark.parametrize("processes", [0, 1, 2, 3, 7, 50])
def test_results_are_in_the_order_of_the_items(processes: int) -> None:
    assert in_processes(lambda item: item * item, range(7), processes, 60) == [0, 1, 4, 9, 16, 25, 36]
    assert in_processes(str, [], processes, 60) == []


def test_the_work_is_shared() -> None:
    pids = in_processes(lambda item: os.getpid(), range(10), 2, 60)
    assert len(set(pids)) == 2
    assert os.getpid() not in pids
    assert available_cores() >= 1


def test_a_fault_shows_where_it_is() -> None:
    with pytest.raises(RuntimeError, match=r"test_processes\.py(.|\n)*ZeroDivisionError"):
        in_processes(lambda item: 1 // item, [1, 0, 1], 2, 60)


def test_a_killed_process_is_told() -> None:
    with pytest.raises(RuntimeError, match="was killed"):
        in_processes(lambda item: os.kill(os.getpid(), signal.SIGKILL), [1, 2], 2, 60)


def test_what_hangs_is_killed() -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="after 1 s"):
        in_processes(lambda item: time.sleep(item), [0, 300], 2, 1)
    assert time.monotonic() - begun < 60


def test_large_results_do_not_block() -> None:
    assert [len(text) for text in in_processes(lambda item: "x" * 1_000_000, [1, 2, 3], 3, 60)] == [1_000_000] * 3


def test_the_end_of_a_fork_is_no_signal_to_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of Ansible passes SIGTERM on to its process group: its forks do not inherit that."""
    got: list[int] = []
    old = signal.signal(signal.SIGTERM, lambda *_: got.append(os.getpid()))
    try:
        handlers = in_processes(lambda item: signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, [1, 2], 2, 60)
    finally:
        signal.signal(signal.SIGTERM, old)
    assert handlers == [True, True]
    assert got == []
