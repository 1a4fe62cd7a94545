# SPDX-License-Identifier: Apache-2.0
"""Modules of a playbook against a fake Ironic, as an operator runs them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.ironic_fake import DRIVER, Ironic

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "http://198.18.32.1/debian.raw"


@dataclass(frozen=True)
class Run:
    """What a module returned, and what its playbook cost: seconds, MiB of its largest process, processor time."""

    returned: dict[str, Any]
    seconds: float
    peak_mb: float
    output: str
    cpu: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the task failed."""
        return bool(self.returned.get("failed"))

    @property
    def changed(self) -> bool:
        """Whether the task changed something."""
        return bool(self.returned["changed"])

    @property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        """What became of each node, by its name."""
        return {outcome["name"]: outcome for outcome in self.returned["nodes"]}

    def statuses(self) -> dict[str, set[str]]:
        """Names of nodes by status."""
        found: dict[str, set[str]] = {}
        for name, outcome in self.outcomes.items():
            found.setdefault(outcome["status"], set()).add(name)
        return found


def play(
    there: Ironic,
    module: str,
    options: Mapping[str, Any],
    *,
    check: bool = False,
    limit: float = 120,
    programs: Path = Path(sys.executable).parent,
    **task: Any,
) -> Run:
    """One task of a playbook; ``task`` are further keywords of it, e.g. ``loop``. A failed task is no exception.

    :param limit: seconds for the playbook.
    :param programs: where its ansible-playbook is.
    """
    if "." not in module:
        module, options = f"ozone.openstack.{module}", {"clouds_file": str(there.clouds_file), **options}
    step = {module: {"cloud": there.cloud, **options}, "ignore_errors": True, **task}
    book = there.directory / "playbook.yml"
    book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [step]}]))
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OS_"))} | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "OS_CLIENT_CONFIG_FILE": str(there.clouds_file),
        "LC_ALL": "C.UTF-8",
    }
    interpreter = "ansible_python_interpreter={{ansible_playbook_python}}"
    argv = [programs / "ansible-playbook", "-i", "localhost,", "-c", "local", "-e", interpreter, book]
    begin = time.monotonic()
    with (there.directory / "stdout").open("w+") as stdout, (there.directory / "stderr").open("w+") as stderr:
        process = subprocess.Popen(
            ["timeout", "--kill-after=5", str(limit), *argv, *(["--check", "--diff"] if check else [])],
            cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begin
        stdout.seek(0)
        stderr.seek(0)
        output = stdout.read() + stderr.read()
        stdout.seek(0)
        assert process.returncode in (0, 2), f"exit code {process.returncode} after {seconds:.1f} s: {output[-2000:]}"
        returned = json.load(stdout)["plays"][0]["tasks"][0]["hosts"]["localhost"]
    if returned.get("failed"):
        print(returned.get("msg"), file=sys.stderr)
    return Run(returned, seconds, usage.ru_maxrss / 1024, output, usage.ru_utime + usage.ru_stime)


def names(count: int, prefix: str = "n") -> list[str]:
    """As many names of nodes."""
    return [f"{prefix}{number:03}" for number in range(count)]


def image(number: int = 1) -> dict[str, str]:
    """One of several images."""
    return {"source": SOURCE.replace("debian", f"debian-{number}"), "checksum": f"{number:064x}"}


def wanted(
    nodes: Sequence[str],
    faults: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    version: int = 1,
    **more: Any,
) -> list[dict[str, Any]]:
    """Nodes of a fleet as declared: each with a NIC, an image and a config drive, some with faults."""
    return [
        {
            "name": name,
            "node": {
                "driver": DRIVER,
                "driver_info": {"faults": dict((faults or {}).get(name, {}))},
                "resource_class": "baremetal",
                "ports": [{"address": mac(name)}],
                **more,
            },
            "instance": {
                "image": image(version),
                "config_drive": {"meta_data": {"name": name, "hostname": name}},
            },
        }
        for name in nodes
    ]


def mac(name: str) -> str:
    """The MAC address of a node; the first byte says that nobody was given it."""
    return "52:" + hashlib.sha256(name.encode()).digest()[:5].hex(":")


def fleet(there: Ironic, target: str, nodes: Sequence[Mapping[str, Any]], **options: Any) -> Run:
    """``baremetal_fleet``; ``check`` and ``limit`` are those of ``play``."""
    more = {key: options.pop(key) for key in ("check", "limit") if key in options}
    return play(there, "baremetal_fleet", {"target": target, "nodes": nodes, **options}, **more)


def states(there: Ironic) -> dict[str, str]:
    """The provision state of each node, as Ironic says it."""
    return {name: node["provision_state"] for name, node in there.nodes().items()}
