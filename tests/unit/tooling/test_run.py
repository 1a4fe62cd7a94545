# SPDX-License-Identifier: Apache-2.0
"""The runner of `make test`: what it counts and how it ends a tier."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
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


#: A tier that leaves a mark when it is asked politely; its child outlives it, as what a shell starts in the background.
HANGS = "trap 'echo polite > asked; exit 0' INT; sleep 60 & echo $! > child; while :; do sleep 0.1; done"


def ignored() -> None:
    """As a shell without job control starts a background command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def blocked() -> None:
    """As a process inherits it from a thread that does not handle signals."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})


def given() -> None:
    """As a terminal starts it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


INHERITED = [given, ignored, blocked]


def script(directory: Path, tiers: str) -> Path:
    """The runner in a tree of its own, with other tiers."""
    (directory / "tests").mkdir()
    text = (ROOT / "tests" / "run.py").read_text()
    begin, end = text.index("TIERS = ["), text.index("DEFAULT = [")
    path = directory / "tests" / "run.py"
    path.write_text(f"{text[:begin]}TIERS = [{tiers}]\n{text[end:]}")
    return path


@pytest.mark.parametrize("inherited", INHERITED)
def test_what_hangs_is_ended_with_its_children(tmp_path: Path, inherited: Callable[[], None]) -> None:
    path = script(tmp_path, f'Tier("hang", ["sh", "-c", {HANGS!r}], 1)')
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, path, "hang"], capture_output=True, text=True, check=False, timeout=100, preexec_fn=inherited
    )
    assert time.monotonic() - begin < 15
    assert "(out of time)" in done.stdout
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "0 passed, 1 failed")
    assert (tmp_path / "asked").read_text() == "polite\n"
    assert not running(int((tmp_path / "child").read_text()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("inherited", INHERITED)
def test_an_interrupted_run_ends_its_tier(tmp_path: Path, inherited: Callable[[], None], number: int) -> None:
    path = script(tmp_path, f'Tier("hang", ["sh", "-c", {HANGS!r}], 60)')
    process = subprocess.Popen(
        [sys.executable, path, "hang"], stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=inherited
    )
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "child").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        out, _ = process.communicate(timeout=15)
    finally:
        process.kill()
    assert "interrupted" in out.splitlines()
    assert (process.returncode, out.splitlines()[-1]) == (1, "0 passed, 1 failed")
    assert (tmp_path / "asked").read_text() == "polite\n"
    assert not running(int((tmp_path / "child").read_text()))


def test_pytest_itself_can_be_interrupted_in_the_background(tmp_path: Path) -> None:
    """Fixtures remove lab nodes: they have to run when the tests are interrupted, whatever was inherited."""
    text = f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        import pytest, tests.conftest
        @pytest.fixture
        def node():
            open("up", "w").close()
            yield
            open("down", "w").close()
        def test_slow(node):
            time.sleep(60)
    """
    (tmp_path / "test_slow.py").write_text(textwrap.dedent(text))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_slow.py"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=ignored,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "up").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=15)
    finally:
        process.kill()
    assert (tmp_path / "down").exists(), out


def test_the_last_line_and_the_exit_code(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        'Tier("good", ["echo", "2 passed in 0.1s"], 9), Tier("bad", ["sh", "-c", "exit 3"], 9), '
        'Tier("missing", ["no-such-program"], 9)',
    )
    for names, code, last in (
        (["good"], 0, "2 passed, 0 failed"),
        (["good", "bad"], 1, "2 passed, 1 failed"),
        (["good", "missing"], 1, "2 passed, 1 failed"),
    ):
        done = subprocess.run([sys.executable, path, *names], capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (code, last)


def test_an_unknown_tier_is_refused(runner: ModuleType) -> None:
    with pytest.raises(SystemExit, match="no such tier: nonsense"):
        runner.selected(["nonsense"])
    assert next(tier.name for tier in runner.selected(["lint"])) == "ruff"
