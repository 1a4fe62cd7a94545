# SPDX-License-Identifier: Apache-2.0
"""The text of a Podman Quadlet (podman-systemd.unit(5)) and of the uWSGI configuration of an API container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import host_port
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import OBJECT

#: The sockets of the journal. The directory, not a socket: systemd makes that anew.
JOURNAL = "/run/systemd/journal"

#: Which lines of uWSGI tell of a failure (PCRE): tracebacks of an application that could not be loaded, and uWSGI's own
#: alarms. All others report that it starts, works and ends.
PROBLEMS = (
    r"^Traceback |^  |^\w+(\.\w+)+(: |$)|^\w*(Error|Exception)\b|^(During handling of|The above exception)"
    r"|^unable to |^DAMN !|^OOPS !|GAME OVER|HARAKIRI|Segmentation Fault|^\*\*\* uWSGI listen queue|need-app requested"
    r"|\[core/[a-z_]+\.c line [0-9]+\]"
)

#: The account inside every image; containers run as it unless they state why they cannot.
IMAGE_USER = "42400"


def escape(text: str) -> str:
    """``text`` without a meaning for systemd: no specifier (``%``), no variable (``$``)."""
    return text.replace("%", "%%").replace("$", "$$")


def unescape(text: str) -> str:
    """The inverse of ``escape``."""
    return text.replace("%%", "%").replace("$$", "$")


def quote(argument: str) -> str:
    """One word of a systemd command line (systemd.service(5), "Command lines"): no expansion of ``%`` and ``$``."""
    escaped = escape(argument.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{escaped}"' if not escaped or any(c in escaped for c in " \t;'\"\\") else escaped


@dataclass(frozen=True)
class QuadletSpec:
    """What a container needs beyond the defaults: non-root, read-only root, no capability, no new privileges.

    ``privileged`` and ``capabilities`` go with a ``reason``, which becomes a comment of the unit: an operator who reads
    it at night should not have to guess.
    """

    name: str
    service: str
    image: str
    argv: Sequence[str]
    mount: str  # where the container's own files are seen inside
    volumes: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    user: str = IMAGE_USER
    capabilities: Sequence[str] = ()
    privileged: bool = False
    reason: str = ""
    podman_args: Sequence[str] = ()
    tmpfs: Sequence[str] = ()
    after: Sequence[str] = ()
    stop_timeout: int = 10


def render_quadlet(spec: QuadletSpec) -> str:
    """Text of the ``.container`` file. The directory of the container's files is still ``@OBJECT@``.

    :raises ValueError: more rights than the default without a reason.
    """
    if (spec.privileged or spec.capabilities or spec.user != IMAGE_USER) and not spec.reason:
        raise ValueError(f"container {spec.name}: asks for more rights than the default without a `reason`")
    unit = [
        "# Made by Ozone: a change made here is overwritten and reported by validate.",
        "[Unit]",
        f"Description=Ozone {spec.service}: {spec.name}",
        f"After={' '.join(['network.target', 'local-fs.target', *spec.after])}",
        "StartLimitIntervalSec=0",
    ]
    container = [
        "[Container]",
        *([f"# {spec.reason}"] if spec.reason else []),
        f"ContainerName={spec.name}",
        f"Image={spec.image}",
        "Pull=never",
        "Network=host",
        f"User={spec.user}",
        "ReadOnly=true",
        "LogDriver=journald",
        f"StopTimeout={spec.stop_timeout}",
    ]
    if spec.privileged:
        container.append("PodmanArgs=--privileged")
    else:
        container += ["DropCapability=all", "NoNewPrivileges=true"]
        container += [f"AddCapability={capability}" for capability in spec.capabilities]
    container.append(f"Volume={OBJECT}:{spec.mount}:ro")
    container.append(f"Volume={JOURNAL}:{JOURNAL}:ro")
    container += [f"Volume={escape(volume)}" for volume in spec.volumes]
    container += [f"Tmpfs={escape(path)}" for path in spec.tmpfs]
    container += [f"Environment={quote(f'{name}={value}')}" for name, value in sorted(spec.environment.items())]
    container += [f"PodmanArgs={quote(argument)}" for argument in spec.podman_args]
    container.append("Exec=" + " ".join(quote(word) for word in spec.argv))
    service = [
        "[Service]",
        "Restart=always",
        "RestartSec=1",
        "TimeoutStartSec=90",
        f"TimeoutStopSec={spec.stop_timeout + 10}",
    ]
    return (
        "\n\n".join(
            "\n".join(block) for block in (unit, container, service, ["[Install]", "WantedBy=multi-user.target"])
        )
        + "\n"
    )


def uwsgi_argv(file: str) -> list[str]:
    """Command line of uWSGI. Podman takes standard error for errors; uWSGI writes nothing to standard output."""
    return ["sh", "-c", f"exec pyuwsgi --ini {file} 2>&1"]


def render_uwsgi(module: str, address: str, port: int, processes: int, threads: int) -> str:
    """uWSGI configuration of one API process group.

    ``Connection: close``: uWSGI's HTTP socket closes idle keep-alive connections without a word, which clients then
    report as resets. ``start-time`` is what Neutron's API derives its workers' start from.

    Requests are logged by HAProxy, which knows the client. A client that went away is no failure. A line that tells of
    one goes to the journal as daemon.err (27 in RFC 5424); podman gives the priority info to all others.
    """
    options = {
        "http-socket": host_port(address, port),
        "module": module,
        "virtualenv": "/opt/ozone",
        "master": "true",
        "processes": processes,
        "threads": threads,
        "enable-threads": "true",
        "lazy-apps": "true",
        "thunder-lock": "true",
        "need-app": "true",
        "die-on-term": "true",
        "http-auto-chunked": "true",
        "buffer-size": 65535,
        "add-header": "Connection: close",
        "start-time": "%t",
        "disable-logging": "true",
        "ignore-sigpipe": "true",
        "ignore-write-errors": "true",
        "disable-write-exception": "true",
        "log-master": "true",
        "logger": f"problem rsyslog:{JOURNAL}/dev-log,uwsgi,27",
        "rsyslog-packet-size": 8192,
        "log-route": f"problem {PROBLEMS}",
    }
    return "[uwsgi]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
