# SPDX-License-Identifier: Apache-2.0
"""Measure what we promise, on this computer, and print it as JSON.

    make bench                          # everything; the cloud of CLOUD has to be deployed (make cloud)
    make bench ARGS='noop one_option'   # some of it

Each measurement stands for itself: one that fails says why, the others go on, and the exit code is 1. ``ok`` tells
whether the target is met. What is shared with other work on the computer is noisy: medians, and the single values.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATHS = (ROOT, ROOT / ".ansible" / "collections", ROOT / "tests" / "structure", ROOT / "bench")
sys.path[:0] = [str(path) for path in PATHS]

import fleet  # noqa: E402 - found on the path set above
import fleet_plan  # noqa: E402 - the same
import kolla  # noqa: E402 - the same
import rules  # noqa: E402 - the same
import yaml  # noqa: E402 - the same

from ansible_collections.ozone.openstack.plugins.module_utils.paths import state_dir  # noqa: E402 - the same
from tests.run import interruptible  # noqa: E402 - the same

CLOUD_FILE = Path(os.environ.get("CLOUD_FILE", ROOT / "inventory" / "standalone" / "cloud.yml")).resolve()
#: Three services that both deployers have.
SERVICES = ["keystone", "glance", "placement"]
ROUNDS = 3
LIMIT = 900

Result = dict[str, Any]
MEASUREMENTS: dict[str, Callable[[], Result]] = {}


def measurement(function: Callable[[], Result]) -> Callable[[], Result]:
    """Register a measurement under the name of its function."""
    MEASUREMENTS[function.__name__] = function
    return function


def say(text: str) -> None:
    """Progress, beside the JSON."""
    print(text, file=sys.stderr, flush=True)


def play(verb: str, **variables: Any) -> Result:
    """Run a playbook of the collection against the cloud; returns its run report, with ``wall`` seconds of the process.

    Raises RuntimeError with the end of the output when the playbook fails.
    """
    name = str(yaml.safe_load(CLOUD_FILE.read_text())["name"])
    latest = state_dir(name, os.environ) / "reports" / "latest.json"
    before = latest.resolve() if latest.exists() else None
    program = Path(sys.executable).with_name("ansible-playbook")
    argv = [program, "-i", CLOUD_FILE, f"ozone.openstack.{verb}", "-e", json.dumps(variables)]
    environ = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    begin = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=LIMIT, check=False)
    wall = time.monotonic() - begin
    say(f"  {verb} {variables or ''}: {wall:.1f} s")
    if done.returncode:
        tail = (done.stdout + done.stderr).splitlines()[-25:]
        raise RuntimeError(f"{verb} failed; is the cloud deployed (make cloud)?\n" + "\n".join(tail))
    if not latest.exists() or latest.resolve() == before:
        raise RuntimeError(f"{verb} left no run report beside {latest}")
    report: Result = json.loads(latest.read_text())
    return report | {"wall": wall}


def unchanged(report: Result) -> Result:
    """The same report, when nothing changed in it; else RuntimeError."""
    changed = {
        f"{service}@{node}": entry["status"]
        for service, data in report["services"].items()
        for node, entry in data["nodes"].items()
        if entry["status"] != "unchanged"
    }
    if changed or not report["services"]:
        raise RuntimeError(f"this run should have changed nothing: {changed or 'it looked at no service'}")
    return report


def seconds(values: list[float]) -> Result:
    """Median and single values, in seconds."""
    return {"median": round(statistics.median(values), 2), "all": [round(value, 2) for value in values]}


@measurement
def noop() -> Result:
    """A run over the whole cloud that changes nothing."""
    play("deploy")
    reports = [unchanged(play("deploy")) for _ in range(ROUNDS)]
    wall = seconds([report["wall"] for report in reports])
    tasks = max(max(report["tasks"]["per_node"].values(), default=0) for report in reports)
    return {
        "seconds": wall,
        "tasks_per_node": tasks,
        "services": len(reports[0]["services"]),
        "target": {"seconds": 20, "tasks_per_node": 15},
        "ok": wall["median"] <= 20 and 1 <= tasks <= 15,
    }


@measurement
def one_option() -> Result:
    """One option of one service: only its containers restart. It is set back in the end."""
    play("deploy")
    try:
        report = play("deploy", keystone_token_expiration=3601)
    finally:
        play("deploy")
    nodes = [node for service in report["services"].values() for node in service["nodes"].values()]
    restarted = sorted({unit for node in nodes for unit in node["restarted"]})
    change = max(node["seconds"] for node in report["services"]["keystone"]["nodes"].values())
    return {
        "seconds": {"wall": round(report["wall"], 2), "start_to_healthy": round(change, 2)},
        "restarted": restarted,
        "target": {"start_to_healthy": 15, "restarted": ["ozone-keystone_api.service"]},
        "ok": change <= 15 and restarted == ["ozone-keystone_api.service"],
    }


@measurement
def beside_kolla() -> Result:
    """Three services with nothing to change, in turns: theirs renders files, ours looks at files, units and health."""
    theirs, ours = [], []
    with tempfile.TemporaryDirectory(prefix="ozone-bench-") as name:
        directory = Path(name)
        kolla.prepare(directory)
        kolla.genconfig(directory, SERVICES)
        play("deploy", ozone_only=SERVICES)
        for _ in range(ROUNDS):
            theirs.append(kolla.genconfig(directory, SERVICES))
            say(f"  kolla-ansible genconfig: {theirs[-1].seconds:.1f} s")
            ours.append(unchanged(play("deploy", ozone_only=SERVICES)))
        if any(run.changed for run in theirs):
            raise RuntimeError("kolla-ansible genconfig changed something in a run that should change nothing")
    kolla_seconds = seconds([run.seconds for run in theirs])
    our_seconds = seconds([report["wall"] for report in ours])
    ratio = our_seconds["median"] / kolla_seconds["median"]
    return {
        "services": SERVICES,
        "kolla": {"seconds": kolla_seconds, "tasks": theirs[-1].tasks},
        "ozone": {"seconds": our_seconds, "tasks": ours[-1]["tasks"]["on_nodes"]},
        "ratio": round(ratio, 3),
        "target": {"ratio": 0.25},
        "ok": ratio <= 0.25,
    }


@measurement
def role_size() -> Result:
    """Files of a service role, and tasks that two of them repeat outside the four sections."""
    tree = rules.Tree(ROOT)
    files = {role: len(tree.below(f"roles/{role}/")) for role in tree.services}
    repeated = rules.no_repeated_tasks(tree)
    most = max(files.values())
    return {
        "files": files,
        "most_files": most,
        "repeated_tasks": len(repeated),
        "target": {"most_files": rules.MOST_FILES, "repeated_tasks": 0},
        "ok": most <= rules.MOST_FILES and not repeated,
    }


@measurement
def bare_metal() -> Result:
    """500 nodes with failures on a real Ironic, from nothing to running and back, beside a loop over nodes."""
    kolla.install()
    return fleet.measure(say=say)


@measurement
def plan_of_a_fleet() -> Result:
    """Processor time of the deployment host for each node of a plan, with 10, 50 and 200 nodes."""
    return fleet_plan.measure_plan(say)


@measurement
def inventory() -> Result:
    """Size and processor time of ansible-inventory --list for 200 and 1,000 nodes, also as AWX calls it."""
    return fleet_plan.measure_inventory(say)


def machine() -> Result:
    """On what it was measured."""
    version = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=10
    )
    return {
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2),
        "version": version.stdout.strip(),
        "cloud": str(CLOUD_FILE),
    }


def main(names: list[str]) -> int:
    """Entry point."""
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        sys.exit(f"no such measurement: {', '.join(unknown)}; there are: {', '.join(MEASUREMENTS)}")
    interruptible(signal.default_int_handler, signal.default_int_handler)
    results: dict[str, Result] = {}
    for name in names or MEASUREMENTS:
        say(f"{name}: {MEASUREMENTS[name].__doc__}")
        begin = time.monotonic()
        try:
            result = MEASUREMENTS[name]()
        except Exception as error:  # whatever goes wrong is one failed measurement
            traceback.print_exc()
            result = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        results[name] = result | {"took": round(time.monotonic() - begin, 1)}
        say(f"  -> {'ok' if result['ok'] else 'NOT MET'}")
    print(json.dumps({"machine": machine(), "measurements": results}, indent=2))
    return 0 if all(result["ok"] for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
