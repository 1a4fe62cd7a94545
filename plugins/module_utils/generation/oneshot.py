# SPDX-License-Identifier: Apache-2.0
"""Commands in a container of a service, run once: checks of staged configuration, and what bootstraps a cluster.

How such a container is started follows from the quadlet of the service's own container, so that a check sees what the
service will see, at the same path.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import Container, Manifest, OneShot
from ansible_collections.ozone.openstack.plugins.module_utils.generation.quadlet import unescape
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import TIMED_OUT, Host, Result
from ansible_collections.ozone.openstack.plugins.module_utils.generation.store import object_directory, quadlet_text

#: Keys of a quadlet's [Container] section with the podman option that they stand for.
OPTIONS = {
    "AddCapability": "--cap-add",
    "AddDevice": "--device",
    "AddHost": "--add-host",
    "DropCapability": "--cap-drop",
    "EnvironmentFile": "--env-file",
    "Mount": "--mount",
    "Tmpfs": "--tmpfs",
    "Ulimit": "--ulimit",
    "Volume": "--volume",
    "WorkingDir": "--workdir",
}

#: The lists of those: several values in one line.
LISTS = ("AddCapability", "DropCapability")

#: What such a command says is for the one who started it, not for the journal (oslo.config takes the environment before
#: the configuration file).
SPEAK = ("--env", "OS_DEFAULT__USE_JOURNAL=false")

#: Podman arguments of a service that a command run beside it must not have: they are the service's own.
OWN = ("--name", "--replace", "--restart", "--health", "--detach", "-d", "--rm", "--network", "--net", "--cidfile")


def container_section(quadlet: str) -> list[tuple[str, str]]:
    """The keys and values of a quadlet's [Container] section, in order."""
    found: list[tuple[str, str]] = []
    section = ""
    for line in quadlet.replace("\\\n", " ").splitlines():
        text = line.strip()
        if text.startswith("["):
            section = text
        elif section == "[Container]" and "=" in text and not text.startswith(("#", ";")):
            key, _, value = text.partition("=")
            found.append((key.strip(), value.strip()))
    return found


def words(value: str) -> list[str]:
    """The words of a value, as systemd reads them: quotes removed, ``%%`` and ``$$`` are single characters."""
    return [unescape(word) for word in shlex.split(value)]


def podman_options(service: str, container: Container, *, check: bool) -> list[str]:
    """Options of ``podman run`` for a command beside a service's container.

    A check gets the container's own files and nothing else; any other command also gets volumes, devices and rights.
    """
    own = object_directory(service, container)
    options: list[str] = []
    user = group = ""
    for key, value in container_section(quadlet_text(service, container)):
        if key == "User":
            user = value
        elif key == "Group":
            group = value
        elif key == "ReadOnly" and value.lower() in ("true", "yes", "1"):
            options.append("--read-only")
        elif key == "NoNewPrivileges" and value.lower() in ("true", "yes", "1"):
            options.append("--security-opt=no-new-privileges")
        elif key == "Environment":
            for word in words(value):
                options += ["--env", word]
        elif check:
            if key == "Volume" and value.split(":")[0].rstrip("/").startswith(own):
                options += ["--volume", unescape(value)]
        elif key == "PodmanArgs":
            options += [word for word in words(value) if word.split("=")[0] not in OWN]
        elif key in LISTS:
            for word in words(value):
                options += [OPTIONS[key], word]
        elif key in OPTIONS:
            options += [OPTIONS[key], unescape(value).removeprefix("-" if key == "EnvironmentFile" else "")]
    if user:
        options += ["--user", f"{user}:{group}" if group else user]
    return options


def argv_of(service: str, manifest: Manifest, shot: OneShot, *, check: bool) -> list[str]:
    """The whole command line."""
    container = manifest["containers"][shot["container"]]
    environment: list[str] = []
    if shot.get("env_file"):
        environment = ["--env-file", f"{object_directory(service, container)}/{shot['env_file']}"]
    network = "none" if check or not shot.get("network", True) else "host"
    return [
        "podman", "run", "--rm", "--replace", "--name", name_of(service), "--pull", "never", "--log-driver", "none",
        "--network", network, *podman_options(service, container, check=check), *SPEAK, *environment,
        container["image"]["id"], *shot["argv"],
    ]  # fmt: skip


def name_of(service: str) -> str:
    """Name of the container of a one-shot: always the same, so that one left behind is replaced."""
    return f"ozone-once-{service}"


def run(host: Host, service: str, manifest: Manifest, shot: OneShot, *, check: bool) -> Result:
    """Run it, again as long as its exit code asks for that. One that takes too long is removed.

    The code is 0 for every exit code that means success. One of ``warn`` is returned as it is.
    """
    argv = argv_of(service, manifest, shot, check=check)
    for _ in range(shot.get("attempts", 1)):
        result = host.run(argv, shot["timeout"])
        if result.code not in shot.get("again", []):
            break
    if result.code == TIMED_OUT:
        host.run(["podman", "rm", "--force", "--time", "0", name_of(service)], 30)
    return Result(0, result.out, result.err) if result.code in (shot.get("ok") or [0]) else result


def tail(result: Result, lines: int = 20) -> list[str]:
    """The last lines of what a command said: of both streams, errors last."""
    said: Sequence[str] = [line for line in (result.out + "\n" + result.err).splitlines() if line.strip()]
    return list(said[-lines:]) or [f"exit code {result.code}, without a word"]
