# SPDX-License-Identifier: Apache-2.0
"""Measure what a node costs the deployment host in a plan, and how large an inventory is.

    .ansible/venv-dev/bin/python bench/fleet_plan.py

Prints JSON; ``ok`` tells whether the targets are met. No lab is needed: a program in the place of ``ssh`` takes the
module and answers as a new node does, so that only the deployment host is measured. Not in it is what ``ssh`` itself
needs for a connection. The figure is processor time, of all processes; that of a node is the slope between fleets.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ansible" / "collections")]

import yaml  # noqa: E402 - found on the path set above

from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir  # noqa: E402 - the same
from tests.lab.image_index import write_image_index  # noqa: E402 - the same

FLEETS = (10, 50, 200)
INVENTORIES = (200, 1000)
TARGET = {"plan_seconds_per_node": 0.25, "inventory_bytes": 2_000_000, "inventory_seconds": 5, "times_of_200": 5.5}
LIMIT = 1200

Result = dict[str, Any]
Say = Callable[[str], None]

#: Takes the module from standard input, and answers what ``generation_info`` says of a node without services.
ANSWER = {"changed": False, "os": {"id": "debian", "version_id": "13"}, "time": 0, "services": {}}
SSH = f"""#!/bin/sh
cat > /dev/null
echo '{json.dumps(ANSWER)}' | sed "s/: 0,/: $(date +%s),/"
"""


def definition(nodes: int) -> dict[str, Any]:
    """inventory/multinode with as many nodes: a controller, and computes."""
    data: dict[str, Any] = yaml.safe_load((ROOT / "inventory" / "multinode" / "cloud.yml").read_text())
    pools = [net["subnets"]["main"] for net in data["networks"].values() if "pool" in net["subnets"]["main"]]
    for index, subnet in enumerate(pools):
        low = 16 + 8 * index
        subnet |= {"cidr": f"198.18.{low}.0/21", "pool": [f"198.18.{low}.10", f"198.18.{low + 7}.250"]}
        if "host" in subnet:
            subnet["host"] = f"198.18.{low}.1"
    data["nodes"] |= {f"compute{number}": {"profile": "compute"} for number in range(3, nodes)}
    return data


def environ(directory: Path) -> dict[str, str]:
    """The environment of Ansible: a state of its own, and images that need not be there."""
    found = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "LC_ALL": "C.UTF-8",
        "OZONE_STATE": str(directory / "state"),
    }
    release = str(definition(3)["release"])
    if not (cache_dir(os.environ) / "images" / f"{release}.json").exists():
        found["OZONE_CACHE"] = str(directory / "cache")
        if not (directory / "cache").exists():
            write_image_index(directory / "cache", release)
    return found


def run(directory: Path, nodes: int, program: str, *arguments: str) -> tuple[Result, str]:
    """Run a program of Ansible on a fleet: what it took, and its output. Raises RuntimeError when it fails."""
    (directory / "cloud.yml").write_text(yaml.safe_dump(definition(nodes), sort_keys=False))
    argv = [str(Path(sys.executable).with_name(program)), "-i", str(directory / "cloud.yml"), *arguments]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        argv, cwd=ROOT, env=environ(directory), capture_output=True, text=True, timeout=LIMIT, check=False
    )
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    if done.returncode:
        raise RuntimeError(f"{program} failed:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-25:]))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_seconds": round(cpu, 2), "seconds": round(wall, 1)}, done.stdout


@contextmanager
def workplace() -> Iterator[Path]:
    """A directory with the stand-in for ssh."""
    with tempfile.TemporaryDirectory(prefix="ozone-fleet-") as name:
        ssh = Path(name) / "ssh"
        ssh.write_text(SSH)
        ssh.chmod(0o755)
        yield Path(name)


def measure_plan(say: Say = lambda text: None) -> Result:
    """Processor time of ``plan`` for some fleets, and for a further node."""
    fleets: dict[int, Result] = {}
    with workplace() as directory:
        ssh = json.dumps({"ansible_ssh_executable": str(directory / "ssh"), "ansible_python_interpreter": "python3"})
        run(directory, 3, "ansible-playbook", "ozone.openstack.plan", "-e", ssh)  # makes secrets and certificates
        for nodes in FLEETS:
            fleets[nodes], shown = run(directory, nodes, "ansible-playbook", "ozone.openstack.plan", "-e", ssh)
            if f"tasks on nodes={nodes} " not in shown:
                raise RuntimeError(f"the plan should have looked at {nodes} nodes:\n" + shown[-2000:])
            say(f"  plan of {nodes} nodes: {fleets[nodes]}")
    few, many = min(FLEETS), max(FLEETS)
    slope = (fleets[many]["cpu_seconds"] - fleets[few]["cpu_seconds"]) / (many - few)
    return {
        "fleets": fleets,
        "cpu_seconds_per_node": round(slope, 3),
        "target": {"cpu_seconds_per_node": TARGET["plan_seconds_per_node"]},
        "ok": slope <= TARGET["plan_seconds_per_node"],
    }


def measure_inventory(say: Say = lambda text: None) -> Result:
    """Size and processor time of ``ansible-inventory --list``, without and with ``--export`` as AWX calls it."""
    found: dict[str, Any] = {}
    good = True
    with workplace() as directory:
        for name, options in (("list", []), ("export", ["--export"])):
            sizes: dict[int, Result] = {}
            for nodes in INVENTORIES:
                spent, shown = run(directory, nodes, "ansible-inventory", "--list", *options)
                sizes[nodes] = {"bytes": len(shown.encode()), **spent}
                say(f"  {name} of {nodes} nodes: {sizes[nodes]}")
            few, many = (sizes[nodes] for nodes in INVENTORIES)
            good &= few["bytes"] <= TARGET["inventory_bytes"] and few["cpu_seconds"] <= TARGET["inventory_seconds"]
            good &= all(many[key] <= TARGET["times_of_200"] * few[key] for key in ("bytes", "cpu_seconds"))
            found[name] = sizes
    return {**found, "target": {key: value for key, value in TARGET.items() if key != "plan_seconds_per_node"},
            "ok": good}  # fmt: skip


def main() -> int:
    """Measure, and print."""

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    results = {"inventory": measure_inventory(say), "plan": measure_plan(say)}
    print(json.dumps(results, indent=2))
    return 0 if all(result["ok"] for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
