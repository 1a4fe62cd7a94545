# SPDX-License-Identifier: Apache-2.0
"""A real Ironic without machines: its all-in-one process with fake hardware, on the loopback interface.

    with ironic(deploy_seconds=2) as there:
        there.get("/v1/nodes")           # or: clouds_file=there.clouds_file, cloud "ozone-undercloud"
        there.requests()                 # what has been asked for so far

    .ansible/venv-dev/bin/python -m tests.lab.ironic_fake    # start one, print how to reach it, end it with Ctrl-C

Nodes have the driver ``fake-hardware``. What is to go wrong with a node says its ``driver_info.faults``, see
ironic_plugin/ozone_faulty.py. Ironic comes from requirements/ironic-test.lock, in an environment of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".ansible" / "venv-ironic-test"
PLUGIN = Path(__file__).with_name("ironic_plugin")
CLOUD = "ozone-undercloud"
USER = "ozone"
VERSION = "1.95"
DRIVER = "fake-hardware"

MEMORY = Path("/dev/shm")

#: Seconds: until Ironic answers (2 s on a quiet computer), until it has ended, for one request.
START, END, ANSWER = 120, 15, 60

#: Classes of the plugin, by the kind of interface.
FAULTY = {
    "power": "FaultyPower", "management": "FaultyManagement", "deploy": "FaultyDeploy", "inspect": "FaultyInspect",
    "rescue": "FaultyRescue",
}  # fmt: skip
FAKE = ("bios", "boot", "console", "firmware", "raid", "vendor")
NOOP = ("network", "storage")
#: Kinds that a node can also do without: ``no-bios``.
WITHOUT = ("bios", "console", "firmware", "inspect", "raid", "rescue", "vendor")


class FakeIronicError(Exception):
    """Ironic did not start, or did not answer as it should."""


@dataclass(frozen=True)
class Ironic:
    """A running one. ``directory`` is gone when it ends well."""

    endpoint: str
    password: str
    directory: Path
    process: subprocess.Popen[bytes]
    username: str = USER
    cloud: str = CLOUD

    @property
    def clouds_file(self) -> Path:
        """A clouds.yaml with ``cloud``."""
        return self.directory / "clouds.yaml"

    @property
    def log(self) -> Path:
        """What Ironic wrote."""
        return self.directory / "ironic.log"

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One request; returns the JSON body of its answer.

        :raises FakeIronicError: the answer is an error, or there is none.
        """
        login = b64encode(f"{self.username}:{self.password}".encode()).decode()
        headers = {"X-OpenStack-Ironic-API-Version": VERSION, "Authorization": f"Basic {login}"}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(
            self.endpoint + path, data, headers | {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(asked, timeout=ANSWER) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise FakeIronicError(f"{method} {path}: {error.code} {error.read().decode()}") from error
        except OSError as error:
            raise FakeIronicError(f"{method} {path}: {error}") from error

    def get(self, path: str) -> Any:
        """The JSON body of the answer to a GET."""
        return self.request("GET", path)

    def nodes(self) -> dict[str, dict[str, Any]]:
        """All nodes with their details, by name."""
        return {node["name"]: node for node in self.get("/v1/nodes/detail")["nodes"]}

    def wait(self, name: str, state: str, seconds: float = 30) -> dict[str, Any]:
        """The node ``name`` once its provision state is ``state``."""
        end = time.monotonic() + seconds
        while (node := self.get(f"/v1/nodes/{name}"))["provision_state"] != state:
            if time.monotonic() > end:
                raise FakeIronicError(f"{name} is {node['provision_state']}, not {state}: {node['last_error']}")
            time.sleep(0.1)
        return dict(node)

    def requests(self) -> list[str]:
        """What was asked for until now: ``<method> <path> <status> <milliseconds>``."""
        return (self.directory / "access.log").read_text().splitlines()

    def cpu(self) -> float:
        """Seconds of a processor that Ironic has used."""
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.process.pid:  # its process group
                    total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def clear(self) -> None:
        """Remove all nodes and allocations, whatever state they are in. A fault that stalls one ends."""
        (self.directory / "calm").touch()
        for allocation in self.get("/v1/allocations")["allocations"]:
            with contextlib.suppress(FakeIronicError):
                self.request("DELETE", f"/v1/allocations/{allocation['uuid']}")
        end = time.monotonic() + ANSWER
        while nodes := self.get("/v1/nodes?fields=uuid,maintenance,protected")["nodes"]:
            for node in nodes:
                try:
                    self._remove(node)
                except FakeIronicError as error:  # it is locked: the conductor works on it
                    if time.monotonic() > end:
                        raise FakeIronicError(f"a node cannot be removed: {error}") from error
            time.sleep(0.1)

    def _remove(self, node: Mapping[str, Any]) -> None:
        path = f"/v1/nodes/{node['uuid']}"
        if node["protected"]:
            self.request("PATCH", path, [{"op": "replace", "path": "/protected", "value": False}])
        if not node["maintenance"]:
            self.request("PUT", f"{path}/maintenance", {"reason": "removed by a test"})
        self.request("DELETE", path)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(directory: Path, port: int, deploy_seconds: int | str) -> dict[str, dict[str, Any]]:
    """Ironic's configuration."""
    interfaces: dict[str, Any] = {}
    for kinds, name in ((FAULTY, "faulty"), (FAKE, "fake"), (NOOP, "noop")):
        for kind in kinds:
            enabled = f"{name},no-{kind}" if kind in WITHOUT else name
            interfaces |= {f"enabled_{kind}_interfaces": enabled, f"default_{kind}_interface": name}
    return {
        "DEFAULT": {
            "auth_strategy": "http_basic",
            "http_basic_auth_user_file": directory / "htpasswd",
            "host": "fake",
            "my_ip": "127.0.0.1",
            "rpc_transport": "none",
            "enabled_hardware_types": DRIVER,
            "state_path": directory,
            "tempdir": directory / "tmp",
            "log_file": directory / "ironic.log",
            "use_stderr": False,
            "minimum_memory_warning_only": True,
            **interfaces,
        },
        "api": {"host_ip": "127.0.0.1", "port": port, "public_endpoint": f"http://127.0.0.1:{port}"},
        # sqlite in its WAL mode (Ironic's own choice); a test need not survive a power cut.
        "database": {"connection": f"sqlite:///{directory}/ironic.sqlite?timeout=60", "sqlite_synchronous": False},
        "conductor": {
            "automated_clean": False,
            "check_provision_state_interval": 2,
            "check_rescue_state_interval": 2,
            "check_allocations_interval": 2,
            "power_state_change_timeout": 10,
            "graceful_shutdown_timeout": 1,
            "max_concurrent_deploy": 250,
            "workers_pool_size": 300,
        },
        "fake": {"deploy_delay": deploy_seconds},
        "oslo_concurrency": {"lock_path": directory / "tmp"},
        "pxe": {"images_path": directory / "tmp", "instance_master_path": ""},
    }


def install() -> None:
    """The environment with Ironic, once per lock file."""
    subprocess.run([sys.executable, ROOT / "requirements" / "setup.py", "ironic-test"], check=True, timeout=900)


def write(directory: Path, port: int, password: str, configuration: Mapping[str, Mapping[str, Any]]) -> None:
    """The files that Ironic and its users read."""
    for name in ("tmp", "plugin/ozone_faulty-1.0.dist-info"):
        (directory / name).mkdir(parents=True)
    parser = ConfigParser(interpolation=None, default_section="")
    parser.read_dict(configuration)
    with (directory / "ironic.conf").open("w") as file:
        parser.write(file)
    # A plugin is found by the entry points of an installed package: here is one without any file but the plugin.
    shutil.copy(PLUGIN / "ozone_faulty.py", directory / "plugin")
    package = directory / "plugin" / "ozone_faulty-1.0.dist-info"
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: ozone-faulty\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "\n".join(f"[ironic.hardware.interfaces.{kind}]\nfaulty = ozone_faulty:{name}" for kind, name in FAULTY.items())
    )
    hashed = subprocess.run(
        [VENV / "bin" / "python", "-c", "import bcrypt, sys; print(bcrypt.hashpw(sys.stdin.buffer.read(), "
         "bcrypt.gensalt(4)).decode())"],
        input=password.encode(), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    (directory / "htpasswd").write_text(f"{USER}:{hashed.stdout.decode()}")
    auth = {"endpoint": f"http://127.0.0.1:{port}", "username": USER, "password": password}
    clouds = {"clouds": {CLOUD: {"auth_type": "http_basic", "auth": auth, "baremetal_api_version": "1"}}}
    (directory / "clouds.yaml").write_text(yaml.safe_dump(clouds))
    for name in ("htpasswd", "clouds.yaml"):
        (directory / name).chmod(0o600)


def wait_until_up(there: Ironic) -> None:
    """Until the API answers and the conductor has its driver."""
    end = time.monotonic() + START
    while True:
        try:
            if there.get("/v1/drivers")["drivers"]:
                return
        except FakeIronicError as error:
            output = (there.directory / "output").read_text()
            if "Traceback" in output or there.process.poll() is not None or time.monotonic() > end:
                raise FakeIronicError(f"Ironic did not start: {error}\n{output[-2000:]}") from error
        time.sleep(0.2)


def end(process: subprocess.Popen[bytes]) -> None:
    """End Ironic with its worker process."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)


@contextlib.contextmanager
def ironic(
    deploy_seconds: int | str = 1,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[Ironic]:
    """An Ironic without nodes. When the body raises an exception, its files are kept and their place is printed.

    :param deploy_seconds: how long the agent works in a deployment and in cleaning; ``"1,10"``: up to 10, mostly less.
    :param options: of ironic.conf by section, on top of those of ``settings``.
    """
    install()
    # In memory: whatever else writes to the disk must not make Ironic wait.
    directory = Path(tempfile.mkdtemp(prefix="ozone-ironic-", dir=MEMORY if MEMORY.is_dir() else None))
    port, password = free_port(), secrets.token_urlsafe(12)
    configuration = settings(directory, port, deploy_seconds)
    for section, values in (options or {}).items():
        configuration.setdefault(section, {}).update(values)
    write(directory, port, password, configuration)
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "OS_"))} | {
        "PYTHONPATH": str(directory / "plugin"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(directory / "cache"),  # of entry points
        "OZONE_IRONIC_DIRECTORY": str(directory),
    }
    arguments = ["--config-file", str(directory / "ironic.conf")]
    with (directory / "output").open("wb") as output:
        subprocess.run(
            [VENV / "bin" / "ironic-dbsync", *arguments, "create_schema"],
            env=environ, check=True, timeout=START, stdout=output, stderr=output,
        )  # fmt: skip
        process = subprocess.Popen(
            # Whatever ends this process ends Ironic, too.
            ["setpriv", "--pdeathsig", "TERM", "--", VENV / "bin" / "ironic", *arguments],
            env=environ, start_new_session=True, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    there = Ironic(f"http://127.0.0.1:{port}", password, directory, process)
    try:
        wait_until_up(there)
        yield there
    except BaseException:
        end(process)
        print(f"\nIronic's files are in {directory}", file=sys.stderr)
        raise
    end(process)
    shutil.rmtree(directory)


def main() -> None:
    """Start one by hand."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), ironic() as there:
        print(f"endpoint={there.endpoint} user={there.username} password={there.password}")
        print(f"OS_CLIENT_CONFIG_FILE={there.clouds_file} OS_CLOUD={there.cloud}", flush=True)
        there.process.wait()


if __name__ == "__main__":
    main()
