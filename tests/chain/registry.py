# SPDX-License-Identifier: Apache-2.0
"""A registry of container images on this computer: Debian's docker-registry, unpacked and not installed.

Installed, it would start a service of the system. It ends with this process.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive
from ansible_collections.ozone.openstack.plugins.module_utils.lab import host
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir

PACKAGE = "docker-registry"
CONFIGURATION = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {directory}/images}}}}
http: {{addr: "{address}", tls: {{certificate: {directory}/registry.pem, key: {directory}/registry.key}}}}
"""


def program() -> Path:
    """The registry, fetched as the computer fetches packages."""
    place = cache_dir(os.environ) / PACKAGE
    place.mkdir(parents=True, exist_ok=True)
    found = place / "root" / "usr" / "bin" / PACKAGE
    with exclusive(place / ".lock", 300):
        if not found.exists():
            for argv in (["apt-get", "-q", "download", PACKAGE], ["sh", "-c", "dpkg-deb -x ./*.deb root"]):
                done = subprocess.run(argv, cwd=place, capture_output=True, text=True, timeout=300, check=False)
                if done.returncode:
                    raise LabError(f"{' '.join(argv)}: {done.stderr.strip()}; remedy: apt-get update")
    return found


def start(stack: ExitStack, directory: Path, address: str, certificate: str, key: str) -> None:
    """A registry at ``address`` (host and port) until ``stack`` ends."""
    (directory / "registry.pem").write_text(certificate, encoding="utf-8")
    (directory / "registry.key").touch(0o600)
    (directory / "registry.key").write_text(key, encoding="utf-8")
    file = directory / "registry.yml"
    file.write_text(CONFIGURATION.format(directory=directory, address=address), encoding="utf-8")
    log = stack.enter_context((directory / "registry.log").open("wb"))
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", str(program()), "serve", str(file)],
        stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip

    def end() -> None:
        process.kill()
        process.wait(20)

    stack.callback(end)
    if not host.wait_until(lambda: process.poll() is None and _listens(address), 20):
        raise LabError(f"the registry did not start: {(directory / 'registry.log').read_text()[-2000:]}")


def _listens(address: str) -> bool:
    name, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((name, int(port)), 1):
        return True
    return False
