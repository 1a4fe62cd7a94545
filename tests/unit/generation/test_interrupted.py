# SPDX-License-Identifier: Apache-2.0
"""A change is killed between any two of its steps: the old generation serves or the new one does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from node_simulator import FRONTD, Killed, Made, Node, apply, faults, make

from ansible_collections.ozone.openstack.plugins.module_utils.generation import revert

COMMAND = {
    "name": "set",
    "argv": ["set", "one"],
    "files": [],
    "when": "after_units",
    "timeout": 10,
    "stdin": "/etc/one",
}
EARLY = {**COMMAND, "argv": ["set", "two"], "when": "before_units", "stdin": "/etc/systemd/two"}

OLD = make(
    {"api": {"demo.conf": "old api"}, "worker": {"demo.conf": "same"}, "leaving": {"demo.conf": "old"}},
    {"/etc/frontd/main.conf": "old front", "/etc/one": "old one", "/etc/systemd/two": "old two", "/etc/gone": "gone"},
    units=FRONTD,
    commands=[COMMAND, EARLY],
)
NEW = make(
    {"api": {"demo.conf": "new api"}, "worker": {"demo.conf": "same"}, "coming": {"demo.conf": "new"}},
    {"/etc/frontd/main.conf": "new front", "/etc/one": "new one", "/etc/systemd/two": "new two", "/etc/come": "new"},
    units=FRONTD,
    commands=[COMMAND, EARLY],
)
BROKEN = make(
    {"api": {"demo.conf": "CRASH"}, "worker": {"demo.conf": "same"}},
    {"/etc/frontd/main.conf": "new front", "/etc/one": "new one", "/etc/systemd/two": "new two", "/etc/come": "new"},
    units=FRONTD,
    commands=[COMMAND, EARLY],
)
BARE = make({"worker": {"demo.conf": "same"}})
CASES: dict[str, tuple[Made | None, Made]] = {
    "first": (None, NEW),
    "change": (OLD, NEW),
    "broken": (OLD, BROKEN),
    "broken first": (None, BROKEN),
    "shrink": (OLD, BARE),
}


def fresh(root: Path, old: Made | None) -> Node:
    node = Node(root)
    node.packaged["frontd.service"] = ["/etc/frontd/main.conf"]
    for path in ("/etc/come", "/etc/gone", "/etc/frontd/main.conf"):
        Path(node.at(path)).write_text("before ozone\n")
    if old:
        outcome = apply(node, old)
        assert not outcome.failed, outcome.msg
    node.revive()
    return node


def wake(node: Node) -> None:
    node.watchers_wake()


def reboot(node: Node) -> None:
    node.reboot()


def rerun(node: Node) -> None:
    node.revive()


@pytest.mark.parametrize("aftermath", [wake, reboot, rerun])
@pytest.mark.parametrize("case", CASES)
def test_killed_anywhere(tmp_path: Path, case: str, aftermath: Callable[[Node], None]) -> None:
    """For every step: killed before it; then the watcher, the boot or only a new run; then a run that converges."""
    old, new = CASES[case]
    place = 0
    while True:
        root = tmp_path / f"{place}"
        node = fresh(root, old)
        node.fuse = place
        try:
            outcome = apply(node, new)
        except Killed:
            killed_at = node.trace[-1]
            aftermath(node)
        else:
            killed_at = ""
            node.revive()
            assert outcome.failed == case.startswith("broken")
        where = f"{case}, killed at step {place}: {killed_at}"
        if aftermath is not rerun:
            not_old = faults(node, old, new)
            assert not not_old or not faults(node, new, old), (where, not_old, faults(node, new, old))
        if case.startswith("broken"):
            outcome = apply(node, new)
            assert outcome.failed and faults(node, old, new) == [], (where, outcome.msg)
        else:
            outcome = apply(node, new)
            assert not outcome.failed, (where, outcome.msg)
            assert faults(node, new, old) == [], where
            assert not apply(node, new).changed, where
        outcome = apply(node, None, state="absent")
        assert not outcome.failed, (where, outcome.msg)
        assert faults(node, None, new) == [], where
        for path in ("/etc/come", "/etc/gone", "/etc/frontd/main.conf"):
            assert node.seen(path) == "before ozone\n", (where, path)
        assert not [str(left) for left in root.rglob("*before-ozone")], where
        shutil.rmtree(root)
        if not killed_at:
            break
        place += 1
    assert place > 20


@pytest.mark.parametrize("aftermath", [wake, reboot, rerun])
def test_removal_killed_anywhere(tmp_path: Path, aftermath: Callable[[Node], None]) -> None:
    """A removal that was cut short is finished by the next one."""
    place = 0
    while True:
        root = tmp_path / f"{place}"
        node = fresh(root, OLD)
        node.fuse = place
        killed = False
        try:
            apply(node, None, state="absent")
        except Killed:
            killed = True
            aftermath(node)
            outcome = apply(node, None, state="absent")
            assert not outcome.failed, outcome.msg
        assert faults(node, None, OLD) == [], place
        assert node.names("/var/lib/ozone/services") == []
        shutil.rmtree(root)
        if not killed:
            break
        place += 1
    assert place > 10


def test_revert_killed_anywhere(tmp_path: Path) -> None:
    """A revert that is itself cut short is done again, at the next boot or by the next run."""
    place = 0
    while True:
        root = tmp_path / f"{place}"
        node = fresh(root, OLD)
        node.fuse = _steps_until(tmp_path / "count", "show")
        with pytest.raises(Killed):
            apply(node, NEW)
        watchers = node.watchers
        node.revive()
        node.watchers, node.fuse = watchers, place
        killed = False
        node.settle()
        try:
            revert.main(watchers[0], node)
        except Killed:
            killed = True
            node.reboot()
        node.revive()
        node.settle()
        assert faults(node, OLD, NEW) == [], place
        assert not apply(node, NEW).failed
        assert faults(node, NEW, OLD) == []
        shutil.rmtree(root)
        if not killed:
            break
        place += 1
    assert place > 10


def _steps_until(root: Path, word: str) -> int:
    """How many steps a change takes until it waits for its units."""
    node = fresh(root, OLD)
    apply(node, NEW)
    shutil.rmtree(root)
    return max(place for place, step in enumerate(node.trace) if step.startswith("run") and f"'{word}'" in step)


def test_disk_full_while_staging(node: Node) -> None:
    """The old generation serves, nothing half-written is left, and the error says how much is missing."""
    assert not apply(node, OLD).failed
    node.full = True
    outcome = apply(node, NEW)
    assert outcome.failed
    assert outcome.stage == "stage"
    assert "KiB are missing" in outcome.msg
    node.full = False
    assert faults(node, OLD, NEW) == []
    assert not [name for name in node.names("/var/lib/ozone/services/demo/generations") if name.endswith(".tmp")]
    node.space = 5000
    outcome = apply(node, NEW)
    assert outcome.failed and "KiB are missing" in outcome.msg
    assert faults(node, OLD, NEW) == []
    node.space = 1 << 30
    assert not apply(node, NEW).failed
    assert faults(node, NEW, OLD) == []
