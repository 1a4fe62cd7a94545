# SPDX-License-Identifier: Apache-2.0
"""Measure a fleet of bare-metal nodes on a real Ironic with fake hardware, beside a playbook that loops over nodes.

    .ansible/venv-dev/bin/python bench/fleet.py          # 500 nodes; it takes 20 minutes
    .ansible/venv-dev/bin/python bench/fleet.py 100      # fewer

Prints JSON; ``ok`` tells whether the targets are met. Ironic runs on the same computer, as one process, and is the
slower part: what it needs for a node by itself bounds what a fleet can reach. The agent works ``AGENT`` seconds on each
node; a real one takes minutes, which is to the advantage of the loop here.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ansible" / "collections"), str(ROOT / "bench")]

import kolla  # noqa: E402 - found on the path set above

from tests.fleet.play import Run, fleet, names, play, states, wanted  # noqa: E402 - the same
from tests.lab.ironic_fake import DRIVER, Ironic, ironic  # noqa: E402 - the same

NODES = 500
#: Of a hundred nodes, how many fail.
FAILING = 2
#: Seconds that the agent works on a node.
AGENT = 10
PARALLEL = 100
#: Nodes of the loop, and of the measurement with a dead BMC.
LOOP, FEW = 10, 20
ROUNDS = 3
#: Ironic's own limits, as they are by default.
CONDUCTOR = {"max_concurrent_deploy": 250, "max_concurrent_clean": 50, "workers_pool_size": 300}
LIMIT = 1800
TARGET = {
    "requests_per_node": 12, "peak_mb": 300, "noop_seconds": 10, "noop_lists": 3, "times_faster": 10,
    "delay_seconds": 0,
}  # fmt: skip

Result = dict[str, Any]
Say = Callable[[str], None]

#: What goes wrong with the nodes that fail, in turns.
FAULTS = (
    {"deploy": {"fail": "Image failed to verify against checksum"}},
    {"power_on": {"fail": "Reboot failed when setting power state to power on: returned code 500"}},
)


def faulty(nodes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Faults of some nodes, spread over all."""
    chosen = nodes[7 :: 100 // FAILING]
    return {name: dict(FAULTS[index % len(FAULTS)]) for index, name in enumerate(chosen)}


def checked(run: Run, bad: int) -> Run:
    """The same run, when as many nodes failed as should; else RuntimeError."""
    counts = run.returned.get("counts", {})
    if counts.get("failed") != bad or counts.get("skipped"):
        raise RuntimeError(f"{counts}: {bad} should have failed: {run.returned.get('msg', '')[:2000]}")
    return run


@dataclass(frozen=True)
class Mark:
    """What Ironic had done before a run: requests, and seconds of a processor."""

    requests: int
    cpu: float


def mark(there: Ironic) -> Mark:
    """What Ironic has done until now."""
    return Mark(len(there.requests()), there.cpu())


def cost(there: Ironic, before: Mark, run: Run, count: int) -> Result:
    """What a run took."""
    cpu = there.cpu() - before.cpu
    made = there.requests()[before.requests :]
    lists = [line for line in made if re.match(r"GET /v1/(nodes|ports|portgroups)(/detail)?(\?\S*)? ", line)]
    return {
        "seconds": round(run.seconds, 1),
        "module_seconds": run.returned.get("seconds"),
        "requests": len(made),
        "lists": len(lists),
        "requests_per_node": round(len(made) / count, 2),
        "peak_mb": round(run.peak_mb),
        "cpu_seconds": {"playbook": round(run.cpu, 1), "ironic": round(cpu, 1)},
    }


def measured(there: Ironic, target: str, nodes: Sequence[dict[str, Any]], bad: int, **options: Any) -> Result:
    """A run towards a target."""
    before = mark(there)
    run = fleet(there, target, nodes, limit=LIMIT, parallel=PARALLEL, success="90%", **options)
    return cost(there, before, checked(run, bad), len(nodes))


def prepare(there: Ironic, nodes: Sequence[dict[str, Any]]) -> None:
    """Nodes that can be deployed at once."""
    for target in ("inspected", "available"):
        checked(fleet(there, target, nodes, limit=LIMIT), 0)


def large(there: Ironic, count: int, say: Say) -> Result:
    """From nothing to running and back, with failures, and runs that have nothing to do."""
    nodes = names(count)
    faults = faulty(nodes)
    declared = wanted(nodes, faults)
    results: Result = {"nodes": count, "failing": len(faults)}
    for name, target, bad in (
        ("enrol", "inspected", 0),
        ("offer", "available", 0),
        ("deploy", "active", len(faults)),
    ):
        results[name] = measured(there, target, declared, bad)
        say(f"  {name}: {results[name]}")
    running = [one for one in declared if one["name"] not in faults]
    noops = []
    for _ in range(ROUNDS):
        before = mark(there)
        run = checked(fleet(there, "active", running, limit=LIMIT), 0)
        if run.changed:
            raise RuntimeError("this run should have changed nothing")
        noops.append(cost(there, before, run, len(running)))
        say(f"  no-op: {noops[-1]}")
    results["noop"] = {
        "seconds": statistics.median(noop["seconds"] for noop in noops),
        "module_seconds": statistics.median(noop["module_seconds"] for noop in noops),
        "lists": max(noop["requests"] for noop in noops),
        "all": noops,
    }
    for name, target in (("undeploy", "undeployed"), ("remove", "removed")):
        results[name] = measured(there, target, [{"name": name} for name in nodes], 0)
        say(f"  {name}: {results[name]}")
    if states(there):
        raise RuntimeError("there should be no node any more")
    return results


def dead_bmc(there: Ironic, say: Say) -> Result:
    """When the last good node is there, with and without one whose BMC does not answer, in turns.

    All are begun at once; the dead one stands for a good one that takes part in the other runs.
    """
    *good, spare, dead = names(FEW + 2, "d")
    fault = {dead: {"power_on": {"stall": 4 * AGENT}}}
    prepare(there, wanted([*good, spare, dead], fault))
    times: dict[str, list[float]] = {spare: [], dead: []}
    for _ in range(ROUNDS):
        for other, bad in ((spare, 0), (dead, 1)):
            run = fleet(
                there, "active", wanted([*good, other], fault), limit=LIMIT, parallel=FEW + 1, success="90%",
                limits={"deploying": 3 * AGENT}, on_failure="leave",
            )  # fmt: skip
            outcomes = checked(run, bad).outcomes
            times[other].append(max(outcomes[name]["seconds"] for name in good))
            say(f"  {'with' if bad else 'without'} a dead BMC: {times[other][-1]} s")
            there.wait(other, "active", 8 * AGENT)
            checked(fleet(there, "undeployed", [{"name": name} for name in (*good, other)], limit=LIMIT), 0)
    there.clear()
    with_it, without = times[dead], times[spare]
    return {
        "nodes": FEW + 1,
        "seconds_with": with_it,
        "seconds_without": without,
        "delay_seconds": round(statistics.median(with_it) - statistics.median(without), 1),
        "noise_seconds": round(max(without) - min(without), 1),
    }


def loop(there: Ironic, say: Say) -> Result:
    """The same deployment by a loop over ``openstack.cloud.baremetal_node_action``."""
    nodes = names(LOOP, "l")
    prepare(there, wanted(nodes))
    image = wanted(nodes)[0]["instance"]["image"]
    before = mark(there)
    run = play(
        there,
        "openstack.cloud.baremetal_node_action",
        {
            "name": "{{ item }}",
            "instance_info": {"image_source": image["source"], "image_checksum": "0" * 32, "image_disk_format": "raw"},
            "config_drive": {"meta_data": {"name": "{{ item }}"}},
        },
        loop=nodes,
        limit=LIMIT,
        programs=kolla.VENV / "bin",
    )
    spent = cost(there, before, run, LOOP)
    if run.failed or set(states(there).values()) != {"active"}:
        raise RuntimeError(f"the loop failed: {run.returned}")
    there.clear()
    found = {
        "nodes": LOOP,
        "driver": DRIVER,
        "seconds": round(run.seconds, 1),
        "seconds_per_node": round(run.seconds / LOOP, 2),
        "requests_per_node": spent["requests_per_node"],
        "cpu_seconds": spent["cpu_seconds"],
    }
    say(f"  loop: {found}")
    return found


def measure(count: int = NODES, say: Say = lambda text: None) -> Result:
    """All of it; ``ok``: the targets are met."""
    with ironic(deploy_seconds=AGENT, options={"conductor": CONDUCTOR}) as there:
        looped = loop(there, say)
        run = large(there, count, say)
        dead = dead_bmc(there, say)
    extrapolated = looped["seconds_per_node"] * count
    peak = max(run[name]["peak_mb"] for name in ("enrol", "offer", "deploy", "undeploy", "remove"))
    faster = extrapolated / run["deploy"]["seconds"]
    return {
        "agent_seconds": AGENT,
        "parallel": PARALLEL,
        "ironic": CONDUCTOR,
        "fleet": run,
        "loop": looped | {"seconds_of_all_extrapolated": round(extrapolated)},
        "dead_bmc": dead,
        "peak_mb": peak,
        "times_faster": round(faster, 1),
        "target": TARGET,
        "ok": (
            run["deploy"]["requests_per_node"] <= TARGET["requests_per_node"]
            and peak < TARGET["peak_mb"]
            and run["noop"]["seconds"] <= TARGET["noop_seconds"]
            and run["noop"]["lists"] <= TARGET["noop_lists"]
            and faster >= TARGET["times_faster"]
            and dead["delay_seconds"] <= TARGET["delay_seconds"] + max(1.0, dead["noise_seconds"])
        ),
    }


def main(arguments: Sequence[str]) -> int:
    """Measure, and print."""
    count = int(arguments[0]) if arguments else NODES
    kolla.install()
    result = measure(count, lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(result, indent=2))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
