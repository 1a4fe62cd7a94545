# SPDX-License-Identifier: Apache-2.0
"""The runner of `make test`: what it counts and how it ends a tier."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ozone_run", ROOT / "tests" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ozone_run"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("12 passed in 4.21s", (12, 0)),
        ("=== 3 failed, 12 passed, 1 skipped in 61.20s (0:01:01) ===", (12, 3)),
        ("1 passed, 2 warnings, 1 error in 0.10s", (1, 1)),
        ("\x1b[32m\x1b[1m5 passed\x1b[0m\x1b[32m in 0.02s\x1b[0m", (5, 0)),
        ("nova     : actions=3  successful=2  disabled=0  skipped=0  missing=0  failed=1", (2, 1)),
        ("node1    : ok=3  changed=0  unreachable=0  failed=0", None),
        ("no tests ran in 0.01s", None),
        ("2 deselected in 0.01s", (0, 0)),
        ("12 passed in a test's own output", None),
        ("node1: 12 passed in 4.21s", None),
    ],
)
def test_counts(runner: ModuleType, line: str, expected: tuple[int, int] | None) -> None:
    assert runner.counts(line) == expected


def test_counts_are_added(runner: ModuleType) -> None:
    assert runner.add(None, None) is None
    assert runner.add(None, (1, 0)) == runner.add((1, 0), None) == (1, 0)
    assert runner.add((1, 2), (3, 4)) == (4, 6)


@pytest.mark.parametrize(
    ("code", "counted", "expected"),
    [
        (0, None, (1, 0)),
        (0, (7, 0), (7, 0)),
        (0, (0, 0), (0, 1)),
        (1, (6, 1), (6, 1)),
        (1, (6, 0), (6, 1)),
        (1, None, (0, 1)),
        (None, (6, 0), (6, 1)),
        (None, None, (0, 1)),
    ],
)
def test_judge(
    runner: ModuleType, code: int | None, counted: tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    assert runner.judge(code, counted)[:2] == expected


def running(pid: int) -> bool:
    """A process that was ended may be there for a moment, as a zombie that nobody has waited for."""
    for _ in range(20):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except FileNotFoundError:
            return False
        time.sleep(0.1)
    return True


def test_what_hangs_is_ended_with_its_children(runner: ModuleType, tmp_path: Path) -> None:
    mark = tmp_path / "child"
    script = f"sleep 60 & echo $! > {mark}; wait"
    begin = time.monotonic()
    result = runner.run(runner.Tier("hang", ["sh", "-c", script], 1))
    assert (result.passed, result.failed, result.note) == (0, 1, "out of time")
    assert time.monotonic() - begin < 20
    assert not running(int(mark.read_text()))


def test_the_last_line_and_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    text = (ROOT / "tests" / "run.py").read_text()
    begin, end = text.index("TIERS = ["), text.index("DEFAULT = [")
    tiers = (
        'TIERS = [Tier("good", ["echo", "2 passed in 0.1s"], 9), Tier("bad", ["sh", "-c", "exit 3"], 9),\n'
        '         Tier("missing", ["no-such-program"], 9)]\n'
    )
    script = tmp_path / "tests" / "run.py"
    script.write_text(text[:begin] + tiers + text[end:])
    for names, code, last in (
        (["good"], 0, "2 passed, 0 failed"),
        (["good", "bad"], 1, "2 passed, 1 failed"),
        (["good", "missing"], 1, "2 passed, 1 failed"),
    ):
        done = subprocess.run([sys.executable, script, *names], capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (code, last)


def test_an_unknown_tier_is_refused(runner: ModuleType) -> None:
    with pytest.raises(SystemExit, match="no such tier: nonsense"):
        runner.selected(["nonsense"])
    assert next(tier.name for tier in runner.selected(["lint"])) == "ruff"
