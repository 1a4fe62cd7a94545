# SPDX-License-Identifier: Apache-2.0
"""Runs inside an emulated machine: executes commands that come through a virtio port, for tests that look inside.

One request a line: ``{"id": 1, "command": "...", "timeout": 10}``; one answer a line: ``{"id", "code", "out"}``. Only
the standard library; the machine needs no network for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import time

PORT = "/dev/virtio-ports/ozone.lab"


def execute(command: str, timeout: float) -> tuple[int, str]:
    """Exit code and output of a shell command; 124 when it took too long."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout, check=False, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return 124, (error.output or b"").decode(errors="replace")
    return done.returncode, done.stdout.decode(errors="replace")


def serve(port: int) -> None:
    """Answer requests for ever."""
    pending = b""
    while True:
        data = os.read(port, 65536)
        if not data:  # nobody is connected to the other end
            time.sleep(0.1)
            continue
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            try:
                request = json.loads(line)
            except ValueError:  # the rest of a request whose sender went away
                continue
            code, out = execute(request["command"], request["timeout"])
            answer = json.dumps({"id": request["id"], "code": code, "out": out}).encode() + b"\n"
            while answer:
                answer = answer[os.write(port, answer) :]


def main() -> None:
    """Wait for the port, then serve it."""
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    while not os.path.exists(PORT):
        time.sleep(0.1)
    serve(os.open(PORT, os.O_RDWR))


if __name__ == "__main__":
    main()
