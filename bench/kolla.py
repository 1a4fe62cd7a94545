# SPDX-License-Identifier: Apache-2.0
"""The peer: ``kolla-ansible genconfig`` on this computer, over a local connection.

It renders the configuration of the services and nothing else: no container, database or endpoint is looked at. It
writes below a directory of our own, never to /etc/kolla.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".ansible" / "venv-kolla"
LIMIT = 300

#: One host for everything; addresses are those of the loopback interface, which every computer has.
GLOBALS = """---
kolla_base_distro: debian
kolla_internal_vip_address: 198.18.250.1
network_interface: lo
neutron_external_interface: lo
node_config_directory: "{directory}/node"
enable_haproxy: false
enable_mariadb: false
enable_proxysql: false
"""


@dataclass(frozen=True)
class Genconfig:
    """One run: wall time in seconds, tasks that were executed or skipped, and how many changed something."""

    seconds: float
    tasks: int
    changed: int


def install() -> None:
    """Install the peer, once, in the cache."""
    subprocess.run([sys.executable, ROOT / "requirements" / "setup.py", "kolla"], check=True, timeout=900)


def prepare(directory: Path) -> None:
    """Install the peer and write its configuration."""
    install()
    share = VENV / "share" / "kolla-ansible"
    (directory / "node").mkdir(parents=True)
    (directory / "globals.yml").write_text(GLOBALS.format(directory=directory))
    passwords = directory / "passwords.yml"
    passwords.write_text((share / "etc_examples" / "kolla" / "passwords.yml").read_text())
    passwords.chmod(0o600)
    argv = [VENV / "bin" / "kolla-genpwd", "-p", passwords]
    subprocess.run(argv, check=True, timeout=LIMIT, stdout=subprocess.DEVNULL)


def genconfig(directory: Path, services: list[str]) -> Genconfig:
    """Render the configuration of ``services``; raises RuntimeError with the end of the output when it fails."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environ |= {"PATH": f"{VENV / 'bin'}:{environ['PATH']}", "LC_ALL": "C.UTF-8", "ANSIBLE_FORCE_COLOR": "0"}
    argv = [
        VENV / "bin" / "kolla-ansible", "genconfig", "--configdir", directory,
        "--passwords", directory / "passwords.yml", "--tags", ",".join(services),
        "-i", VENV / "share" / "kolla-ansible" / "ansible" / "inventory" / "all-in-one",
        "-e", f"ansible_python_interpreter={VENV / 'bin' / 'python'}",
    ]  # fmt: skip
    begin = time.monotonic()
    done = subprocess.run(argv, env=environ, cwd=directory, capture_output=True, text=True, timeout=LIMIT, check=False)
    seconds = time.monotonic() - begin
    recap = re.search(r"^localhost +: ok=(\d+) +changed=(\d+) .*failed=(\d+) +skipped=(\d+)", done.stdout, re.MULTILINE)
    if done.returncode or recap is None or recap[3] != "0":
        raise RuntimeError("kolla-ansible genconfig failed:\n" + "\n".join(done.stdout.splitlines()[-15:]))
    return Genconfig(seconds, int(recap[1]) + int(recap[4]), int(recap[2]))
