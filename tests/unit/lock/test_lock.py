# SPDX-License-Identifier: Apache-2.0
"""The lock with real processes, and the action with real runs."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils import lock
from ansible_collections.ozone.openstack.plugins.module_utils.lock import Holder, LockError, Process

COLLECTIONS = Path(__file__).resolve().parents[3] / ".ansible" / "collections"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "lock.json"


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def me() -> Process:
    return lock.this_process(os.getpid())


def test_take_keep_and_release(path: Path) -> None:
    held = lock.acquire(path, "deploy", me())
    assert not held.note
    assert path.stat().st_mode & 0o777 == 0o600
    assert lock.acquire(path, "validate", me()).again
    assert lock.read(path) == held.holder
    assert lock.conflict(path, me()) == ""
    assert lock.release(path, me())
    assert not lock.release(path, me())
    assert lock.read(path) is None


def test_release_where_there_never_was_a_cloud(path: Path) -> None:
    assert not lock.release(path, me())
    assert not path.parent.exists()
    assert lock.conflict(path, me()) == ""


def test_a_live_process_keeps_it_and_a_dead_one_loses_it(path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    other = lock.this_process(sleeper.pid)
    lock.acquire(path, "deploy", other)
    for force in (False, True):
        with pytest.raises(LockError) as caught:
            lock.acquire(path, "plan", me(), force=force)
        assert f"deploy by {lock.getpass.getuser()} on {other.host} (process {sleeper.pid}) since 20" in str(
            caught.value
        )
        assert f"end process {sleeper.pid}" in str(caught.value)
    assert "another run" in lock.conflict(path, me())
    assert not lock.release(path, me())
    sleeper.kill()
    while lock.start_of(sleeper.pid) is not None:  # a zombie until it is waited for: it counts as gone
        time.sleep(0.01)
    assert lock.conflict(path, me()) == ""
    held = lock.acquire(path, "plan", me())
    assert "took over the lock of a run that has not ended properly: deploy by" in held.note
    sleeper.wait()
    assert lock.start_of(sleeper.pid) is None


def test_a_process_number_used_again_does_not_count(path: Path) -> None:
    mine = me()
    lock.acquire(path, "deploy", replace(mine, start=mine.start - 100))
    assert lock.acquire(path, "deploy", mine).note
    lock.acquire(path, "deploy", mine)
    path.write_text(json.dumps(asdict(Holder("root", "deploy", "x", replace(mine, boot="an earlier boot")))))
    assert "since x" in lock.acquire(path, "deploy", mine).note


def test_another_computer_keeps_it_until_it_is_broken(path: Path) -> None:
    other = replace(me(), host="elsewhere")
    lock.acquire(path, "deploy", other, now=datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
    with pytest.raises(LockError, match=r"on elsewhere .* since 2026-01-01T12:00:00\+00:00 .*ozone_lock_break=true"):
        lock.acquire(path, "deploy", me())
    assert "as ozone_lock_break says" in lock.acquire(path, "deploy", me(), force=True).note


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"user": 1}'])
def test_a_spoilt_file_is_explained(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(LockError, match="cannot be understood; when no other run"):
        lock.acquire(path, "deploy", me())
    assert "cannot be understood" in lock.conflict(path, me())
    assert not lock.release(path, me())
    assert "was replaced" in lock.acquire(path, "deploy", me(), force=True).note


def test_a_name_with_parentheses(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (a (b) c) S " + " ".join(str(n) for n in range(4, 40)))
    assert lock.start_of(7, tmp_path) == 22
    with pytest.raises(LockError, match="process 8 is not running"):
        lock.this_process(8, tmp_path)


def _compete(path: Path, barrier: object, queue: object) -> None:
    mine = lock.this_process(os.getpid())
    barrier.wait()  # type: ignore[attr-defined]
    try:
        lock.acquire(path, "deploy", mine)
        queue.put("held")  # type: ignore[attr-defined]
    except LockError:
        queue.put("refused")  # type: ignore[attr-defined]
    barrier.wait()  # type: ignore[attr-defined]


def test_only_one_of_several_takes_a_stale_lock(path: Path) -> None:
    lock.acquire(path, "deploy", replace(me(), pid=2**22 + 1))
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(4), context.Queue()
    workers = [context.Process(target=_compete, args=(path, barrier, queue)) for _ in range(4)]
    for worker in workers:
        worker.start()
    answers = sorted(queue.get(timeout=20) for _ in workers)
    for worker in workers:
        worker.join(20)
    assert answers == ["held", "refused", "refused", "refused"]


PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ozone.openstack.run_lock: {state: held, verb: deploy}
    - ozone.openstack.run_lock: {state: held, verb: deploy}
    - ansible.builtin.wait_for: {path: "{{ playbook_dir }}/go", timeout: 60, sleep: 1}
      when: wait is defined
    - ozone.openstack.run_lock: {state: released}
      when: wait is not defined
"""


def test_two_runs(tmp_path: Path, path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "ansible.cfg").write_text("")
    inventory = {"all": {"hosts": {"node1": None}, "vars": {"ozone_cloud": {"state_dir": str(path.parent)}}}}
    (tmp_path / "hosts.yml").write_text(json.dumps(inventory))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_NOCOLOR": "1",
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml")]

    def run(*arguments: str) -> str:
        result = subprocess.run(
            [*command, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return " ".join((result.stdout + result.stderr).split())

    first = subprocess.Popen(
        [*command, "-e", "wait=1"], env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    holder = lock.read(path)
    assert holder is not None
    assert holder.process.pid == first.pid
    shown = run()
    assert "another run is changing this cloud: deploy by" in shown, shown
    assert "failed=1" in shown
    assert "[WARNING]: another run is changing this cloud" in run("--check")
    first.kill()
    first.wait()
    shown = run("-v")  # no news: every run that fails leaves its lock behind
    assert "took over the lock of a run that has not ended properly" in shown
    assert "changed=0" in shown
    assert "failed=0" in shown
    assert not path.exists()
