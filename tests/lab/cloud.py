# SPDX-License-Identifier: Apache-2.0
"""A cloud of the tests: its cloud.yml, the playbooks that drive it, SSH to its nodes."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.paths import state_dir

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Result:
    """One finished run of a playbook."""

    code: int
    output: str
    seconds: float
    report: dict[str, Any] = field(default_factory=dict)

    def statuses(self, node: str | None = None) -> set[str]:
        """What became of the services, on all nodes or on one, as the run report says."""
        services = self.report["services"].values()
        return {entry["status"] for service in services for name, entry in service["nodes"].items()
                if node in (None, name)}  # fmt: skip


def await_true(what: str, probe: Callable[[], bool], limit: float = 60) -> None:
    """Wait until ``probe`` holds; fail the test after ``limit`` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if probe():
            return
        time.sleep(0.5)
    raise AssertionError(f"{what}: still not so after {limit} s")


class Cloud:
    """A cloud whose definition lies in ``directory``, so that a test can change it as an operator would."""

    def __init__(self, source: Path, directory: Path) -> None:
        self.file = directory / "cloud.yml"
        self.original: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
        self.name = str(self.original["name"])
        self.state = state_dir(self.name, os.environ)
        self.write(self.original)

    def write(self, definition: dict[str, Any]) -> None:
        """Replace the definition."""
        self.file.write_text(yaml.safe_dump(definition, sort_keys=False), encoding="utf-8")

    def changed(self, change: Callable[[dict[str, Any]], None]) -> None:
        """The original definition with a change."""
        definition = copy.deepcopy(self.original)
        change(definition)
        self.write(definition)

    def override(self, service: str, **override: Any) -> None:
        """The original definition with an override for a service."""
        self.changed(lambda cloud: cloud.setdefault("overrides", {}).update({service: override}))

    def restore(self) -> None:
        """The original definition."""
        self.write(self.original)

    def command(self, verb: str, *arguments: str) -> list[str]:
        """The command line of a verb."""
        return ["ansible-playbook", "-i", str(self.file), f"ozone.openstack.{verb}", *arguments]

    def environment(self) -> dict[str, str]:
        """As in a clone: its ansible.cfg, plain output."""
        return {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}

    def run(self, verb: str, *arguments: str, limit: int = 1200) -> Result:
        """Run a verb to its end."""
        start = time.monotonic()
        latest = self.state / "reports" / "latest.json"
        before = latest.resolve() if latest.exists() else None
        done = subprocess.run(
            self.command(verb, *arguments), cwd=ROOT, env=self.environment(), text=True, timeout=limit, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        print(done.stdout)
        report = json.loads(latest.read_text()) if latest.exists() and latest.resolve() != before else {}
        return Result(done.returncode, done.stdout, time.monotonic() - start, report)

    def down(self) -> Result:
        """Remove the lab."""
        return self.run("lab_down", "-e", "ozone_confirm=true")

    def start(self, verb: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a verb and go on, in a process group of its own."""
        return subprocess.Popen(
            self.command(verb, *arguments), cwd=ROOT, env=self.environment(), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def variables(self, node: str) -> dict[str, Any]:
        """The variables of a node in the inventory."""
        done = subprocess.run(
            ["ansible-inventory", "-i", str(self.file), "--host", node], cwd=ROOT, env=self.environment(), text=True,
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def ssh(self, node: str, command: str, check: bool = True, limit: int = 60) -> str:
        """Run a command on a node, as an operator with the lab's key would."""
        addresses = self.variables(node)
        key = self.state / "ssh"
        done = subprocess.run(
            ["ssh", "-i", str(key / "id_ed25519"), "-o", f"UserKnownHostsFile={key / 'known_hosts'}", "-o",
             "BatchMode=yes", "-o", "ConnectTimeout=5", f"root@{addresses['ansible_host']}", command],
            text=True, capture_output=True, timeout=limit, check=False,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"{node}: {command}: {done.stdout}{done.stderr}"
        return done.stdout

    def outage(self) -> None:
        """Take the power of all nodes at the same moment, and give it back."""
        for state in ("killed", "restarted"):
            self.power("all", state)

    def kill(self, node: str) -> None:
        """Take the power of one node."""
        self.power(node, "killed")

    def power(self, nodes: str, state: str) -> None:
        """Bring nodes (a pattern of the inventory) to a state of ``lab_node``."""
        arguments = {"cloud": "{{ ozone_cloud }}", "node": "{{ ozone_node }}", "state": state}
        done = subprocess.run(
            ["ansible", "-i", str(self.file), nodes, "-e", "ansible_connection=local", "-e",
             "ansible_python_interpreter={{ ansible_playbook_python }}", "-m", "ozone.openstack.lab_node", "-a",
             json.dumps(arguments)], cwd=ROOT, env=self.environment(), text=True, timeout=300,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{state}: {done.stdout}{done.stderr}"

    def started(self, node: str) -> dict[str, str]:
        """When each container of a node was started: what a restart would change."""
        lines = self.ssh(node, "podman ps --format '{{.Names}} {{.StartedAt}}'").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def answers(self, node: str, url: str) -> bool:
        """Whether a URL of the cloud answers on a node, over its private certificate authority."""
        return self.ssh(node, f"python3 -c 'import urllib.request as u; print(u.urlopen(\"{url}\", timeout=5).status)'",
                        check=False).strip() in ("200", "300")  # fmt: skip
