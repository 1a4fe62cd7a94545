# SPDX-License-Identifier: Apache-2.0
"""Run tiers of checks with time limits, their output as it comes, and one line at the end: ``N passed, N failed``.

    python tests/run.py                  # the tiers of `make test`
    python tests/run.py lint unit        # some of them
    python tests/run.py --list

A tier is one command. What pytest or molecule counted is added up; any other command is one check. A tier that fails
although nothing in it was counted as failed, or that runs out of time, counts as one failure. The exit code is 0 only
when nothing failed and something passed.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
#: What the packages that can cut a node off, or wipe one, promise of lines and branches.
COVERAGE = ["--cov-branch", "--cov-report=", "--cov-fail-under=95"]
PACKAGES = "plugins/module_utils"
#: Two at once: unit tests, emulated machines, each in a network of its own, or Ironics.
TWO = ["-n", "2", "--dist", "worksteal"]
#: End-to-end tests that have tiers of their own.
LONG = ("ipv6", "odd_secrets", "upgrade")
GALAXY = ["ansible-galaxy", "collection", "build", "--force", "--output-path", "build"]


@dataclass(frozen=True)
class Tier:
    """One command. ``limit`` is in seconds; it is there to end what hangs, not to press what is slow."""

    name: str
    argv: list[str]
    limit: int
    group: str = ""  # several tiers that are asked for by one name


#: From cheap to dear. `make test` runs those in DEFAULT, in this order.
TIERS = [
    Tier("ruff", ["ruff", "check", "."], 60, "lint"),
    Tier("mypy", ["mypy"], 300, "lint"),
    Tier("ansible-lint", ["ansible-lint", "--offline"], 600, "lint"),
    Tier("changelog", ["antsibull-changelog", "lint"], 60, "lint"),
    Tier("galaxy", GALAXY, 120, "lint"),
    Tier("docs", [sys.executable, "docs/generate.py", "--check"], 300),
    Tier("structure", [*PYTEST, "tests/structure"], 300),
    Tier("unit", [*PYTEST, "tests/unit", "--ignore=tests/unit/network", "--ignore=tests/unit/baremetal", *TWO], 1200),
    Tier("unit-network", [*PYTEST, "tests/unit/network", f"--cov={PACKAGES}/network", *COVERAGE], 900, "unit"),
    Tier("unit-baremetal", [*PYTEST, "tests/unit/baremetal", f"--cov={PACKAGES}/baremetal", *COVERAGE], 900, "unit"),
    Tier("conformance", [*PYTEST, "tests/conformance"], 600),
    Tier("fleet", [*PYTEST, "tests/fleet", *TWO], 900),
    Tier("molecule", ["molecule", "test", "--all", "--report", "--command-borders"], 1500),
    Tier("e2e", [*PYTEST, "tests/e2e", *(f"--ignore=tests/e2e/test_{name}.py" for name in LONG)], 1800),
    Tier("odd_secrets", [*PYTEST, "tests/e2e/test_odd_secrets.py"], 1500),
    Tier("ipv6", [*PYTEST, "tests/e2e/test_ipv6.py"], 1500),
    Tier("upgrade", [*PYTEST, "tests/e2e/test_upgrade.py"], 3600),
    Tier("faults", [*PYTEST, "tests/faults"], 1800),
    Tier("network", [*PYTEST, "tests/network", *TWO], 2700),
    Tier("baremetal", [*PYTEST, "tests/baremetal"], 2700),
    Tier("chain", [*PYTEST, "tests/chain"], 3600),
]
DEFAULT = ["lint", "docs", "structure", "unit", "conformance", "molecule", "e2e", "faults"]

#: What a signal does.
Handler = Callable[[int, FrameType | None], Any] | signal.Handlers

#: The last line of pytest: "3 failed, 12 passed, 1 skipped in 4.21s", between equal signs or not.
PYTEST_SUMMARY = re.compile(r"^=* ?(?P<counts>(?:\d+ \w+(?:, )?)+) in [\d.]+s(?: \([\d:]+\))? ?=*$")
PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|errors?)")
#: One line of molecule's recap for each scenario; an action is what it counts.
MOLECULE_RECAP = re.compile(r"^\w+ +: actions=\d+ +successful=(\d+) .* missing=(\d+) +failed=(\d+)$")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\]8;;[^\x1b]*\x1b\\")


@dataclass
class Result:
    """What became of a tier."""

    passed: int = 0
    failed: int = 0
    seconds: float = 0.0
    note: str = ""


def counts(line: str) -> tuple[int, int] | None:
    """Passed and failed, out of the closing line of pytest or a line of molecule's recap; None for any other line."""
    line = ESCAPES.sub("", line).strip()
    recap = MOLECULE_RECAP.match(line)
    if recap is not None:
        return int(recap[1]), int(recap[2]) + int(recap[3])
    match = PYTEST_SUMMARY.match(line)
    if match is None:
        return None
    found = {"passed": 0, "failed": 0}
    for number, word in PYTEST_COUNT.findall(match["counts"]):
        found["passed" if word == "passed" else "failed"] += int(number)
    return found["passed"], found["failed"]


def add(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    """The sum of two counts, each of which may be missing."""
    if one is None or other is None:
        return one or other
    return one[0] + other[0], one[1] + other[1]


def judge(code: int | None, counted: tuple[int, int] | None) -> tuple[int, int, str]:
    """Passed, failed and a note, from the exit code (None: out of time) and what was counted."""
    passed, failed = counted or (0, 0)
    if code is None:
        return passed, failed + 1, "out of time"
    if code and not failed:
        return passed, 1, f"exit code {code}"
    if not code and not passed and not failed:
        return (1, 0, "") if counted is None else (0, 1, "no test ran")
    return passed, failed, ""


def interruptible(interrupt: Handler, terminate: Handler = signal.SIG_DFL) -> None:
    """Handle SIGINT and SIGTERM as given, whatever disposition and mask were inherited.

    A shell without job control starts a background command with SIGINT ignored (POSIX, Shell Command Language, 2.11),
    and exec(2) hands that on to each child: a tier that ignores the polite signal would be waited for in vain.
    """
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, terminate)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a tier with all that it started: first politely, so that it can remove its nodes, then not."""
    for number, patience in ((signal.SIGINT, 60), (signal.SIGTERM, 20)):
        if process.poll() is None:
            os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # also what the leader left behind in its process group
    process.wait(5)


def run(tier: Tier) -> Result:
    """Run a tier, its output passed on as it comes."""
    begin = time.monotonic()
    counted: tuple[int, int] | None = None
    code: int | None = None
    try:
        process = subprocess.Popen(
            tier.argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env=os.environ | ({} if sys.stdout.isatty() else {"NO_COLOR": "1"}),
            preexec_fn=lambda: interruptible(signal.SIG_DFL),
        )  # fmt: skip
    except FileNotFoundError:
        return Result(0, 1, 0.0, f"{tier.argv[0]} is not installed; run it by make")
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    pending = b""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while (left := begin + tier.limit - time.monotonic()) > 0:
                if not selector.select(min(left, 1.0)):
                    if process.poll() is not None:
                        break
                    continue
                data = process.stdout.read()
                if not data:
                    break
                sys.stdout.buffer.write(data)
                sys.stdout.flush()
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    counted = add(counted, counts(line.decode(errors="replace")))
            else:
                stop(process)
        if process.returncode is None:
            code = process.wait(30)
        elif time.monotonic() - begin < tier.limit:
            code = process.returncode
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        stop(process)
        raise
    passed, failed, note = judge(code, add(counted, counts(pending.decode(errors="replace"))))
    return Result(passed, failed, time.monotonic() - begin, note)


def selected(names: list[str]) -> list[Tier]:
    """Tiers by name or group, in the order of TIERS. An unknown name ends the program."""
    unknown = set(names) - {tier.name for tier in TIERS} - {tier.group for tier in TIERS}
    if unknown:
        sys.exit(f"no such tier: {', '.join(sorted(unknown))}; there are: {', '.join(tier.name for tier in TIERS)}")
    return [tier for tier in TIERS if tier.name in names or tier.group in names]


def main(arguments: list[str]) -> int:
    """Entry point."""
    if "--list" in arguments:
        for tier in TIERS:
            print(f"{tier.group or tier.name:<10} {tier.limit:>5} s  {' '.join(tier.argv)}")
        return 0
    # An operator interrupts, a CI runner terminates: in both cases the tier removes its nodes first.
    interruptible(signal.default_int_handler, signal.default_int_handler)
    results: dict[str, Result] = {}
    try:
        for tier in selected(arguments or DEFAULT):
            print(f"\n==> {tier.name}: {' '.join(tier.argv)}  (limit {tier.limit} s)", flush=True)
            results[tier.name] = result = run(tier)
            verdict = f"{result.passed} ok, {result.failed} not" + (f" ({result.note})" if result.note else "")
            print(f"<== {tier.name}: {verdict}, {result.seconds:.0f} s", flush=True)
    except KeyboardInterrupt:
        print("interrupted")
        results.setdefault("interrupted", Result(0, 1))
    print()
    for name, result in results.items():
        print(f"  {name:<14} {result.passed:>5} ok {result.failed:>4} not {result.seconds:>7.0f} s  {result.note}")
    passed, failed = (sum(getattr(result, key) for result in results.values()) for key in ("passed", "failed"))
    print(f"\n{passed} passed, {failed} failed", flush=True)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
