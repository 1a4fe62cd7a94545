# SPDX-License-Identifier: Apache-2.0
"""Access to the host for the lab: commands, devices, cgroups, processes. Everything has a time limit.

Functions take a ``Runner``, so that tests need no host.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import url_host
from ansible_collections.ozone.openstack.plugins.module_utils.lab.launch import Host, cgroup, unit_name
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import Bridge, LabError, alias_prefix

#: What a lab needs on the host: command -> Debian package.
COMMANDS = {
    "ethtool": "ethtool",
    "flock": "util-linux",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "tar": "tar",
    "unshare": "util-linux",
}


@dataclass(frozen=True)
class Result:
    """Outcome of a command."""

    code: int
    out: str
    err: str


Runner = Callable[[Sequence[str]], Result]


def run(argv: Sequence[str], timeout: float = 30.0) -> Result:
    """Run a command; its outcome, whatever it is. A time-out is code 124, a missing command 127."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return Result(124, "", f"no answer within {timeout:g} s")
    except FileNotFoundError:
        return Result(127, "", "not installed")
    return Result(done.returncode, done.stdout, done.stderr)


def must(runner: Runner, argv: Sequence[str]) -> str:
    """Standard output of a command that has to succeed, else LabError."""
    result = runner(argv)
    if result.code:
        raise LabError(f"{' '.join(argv)}: exit code {result.code}: {(result.err or result.out).strip()[-500:]}")
    return result.out


def check_host(which: Callable[[str], str | None] = shutil.which, uid: int | None = None) -> None:
    """Refuse a host that cannot have a lab, with everything that is missing at once."""
    errors = []
    if (os.geteuid() if uid is None else uid) != 0:
        errors.append("a lab makes network devices and machines: it needs root; remedy: run as root")
    packages = sorted({package for command, package in COMMANDS.items() if which(command) is None})
    if packages:
        errors.append(f"commands are missing on this computer; remedy: apt-get install {' '.join(packages)}")
    if errors:
        raise LabError("\n".join(errors))


def detect(mounts: str, booted: bool) -> Host:
    """What kind of host this is: from the text of /proc/mounts, and whether systemd is PID 1 (sd_booted(3))."""
    kind = ""
    for line in mounts.splitlines():
        words = line.split()
        if len(words) > 2 and words[1] == "/sys/fs/cgroup":
            kind = words[2]  # the last mount is on top
    return Host(systemd=booted, unified=kind == "cgroup2")


def this_host() -> Host:
    """:func:`detect` for this computer."""
    return detect(Path("/proc/mounts").read_text(encoding="utf-8"), Path("/run/systemd/system").is_dir())


# -- network devices


def links(runner: Runner) -> list[dict[str, Any]]:
    """All devices of the host's network namespace (``ip -details -json link``)."""
    found: list[dict[str, Any]] = json.loads(must(runner, ["ip", "-details", "-json", "link", "show"]) or "[]")
    return found


def aliases(found: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Device name -> alias."""
    return {str(link["ifname"]): str(link.get("ifalias", "")) for link in found}


def bridge_commands(
    bridge: Bridge, link: Mapping[str, Any] | None, addresses: Sequence[str]
) -> tuple[list[list[str]], list[str]]:
    """Commands that make one bridge what it should be, and the reasons; both empty when it is.

    ``link``: the device as ``ip -json`` shows it, or None. ``addresses``: what it has, with prefix lengths.
    """
    device = bridge.device
    commands: list[list[str]] = []
    reasons: list[str] = []
    if link is None:
        reasons.append(f"{device} for {bridge.network} at {bridge.site}")
        options = ["stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"]
        commands.append(["ip", "link", "add", device, "type", "bridge", *options])
    if link is None or link.get("ifalias") != bridge.alias:  # or an earlier run was broken off here
        reasons.append(f"{device} alias")
        commands.append(["ip", "link", "set", device, "alias", bridge.alias])
        # No frame may leave with an unfilled checksum.
        commands.append(["ethtool", "--offload", device, "tx", "off"])
        # The host speaks IPv6 on a bridge only where the lab gives it an address: no other is made or accepted.
        commands.append(["ip", "link", "set", device, "addrgenmode", "none"])
        commands.append(["sysctl", "-q", "-w", f"net.ipv6.conf.{device}.accept_ra=0"])
        if not bridge.six:
            commands.append(["sysctl", "-q", "-w", f"net.ipv6.conf.{device}.disable_ipv6=1"])
    if link is None or int(link.get("mtu", 0)) != bridge.mtu:
        reasons.append(f"{device} MTU {bridge.mtu}")
        commands.append(["ip", "link", "set", device, "mtu", str(bridge.mtu)])
    wanted = [bridge.address] if bridge.address else []
    for address in addresses:
        if address not in wanted:
            reasons.append(f"{device} without {address}")
            commands.append(["ip", "address", "delete", address, "dev", device])
    for address in wanted:
        if address not in addresses:
            reasons.append(f"{device} {address}")
            if bridge.six:
                commands.append(["sysctl", "-q", "-w", f"net.ipv6.conf.{device}.disable_ipv6=0"])
            # Without a node there is no carrier, and nobody whose address it could be a duplicate of.
            how = ["nodad"] if bridge.six else []
            commands.append(["ip", "address", "add", address, "dev", device, *how])
    if link is None or "UP" not in link.get("flags", []):
        commands.append(["ip", "link", "set", device, "up"])
        reasons.append(f"{device} up")
    return commands, reasons


def delete_devices(runner: Runner, names: Iterable[str]) -> None:
    """Delete network devices; one that is gone already (the other end of a deleted pair) is no error."""
    for name in names:
        result = runner(["ip", "link", "delete", name])
        if result.code and "Cannot find device" not in result.err:
            raise LabError(f"ip link delete {name}: {result.err.strip()}")


def devices_of(found: Iterable[Mapping[str, Any]], cloud: str, bridges: Iterable[str] = ()) -> list[str]:
    """Devices of the lab of a cloud, by their alias. ``bridges``: also those of these names that have no alias yet."""
    known = set(bridges)
    return sorted(
        name
        for name, alias in aliases(found).items()
        if alias.startswith(alias_prefix(cloud)) or (not alias and name in known)
    )


# -- processes


def running(lock: Path) -> bool:
    """Whether the launch script of a node holds its lock."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def wait_until(condition: Callable[[], bool], timeout: float, interval: float = 0.1) -> bool:
    """Ask until it is true or the time is over."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True


#: Kills what is in a cgroup and below ("kill") or removes empty cgroups ("remove"). $1 action, $2 path of the cgroup.
#: Runs in a private mount namespace, because the hierarchy may not be mounted where it can be found.
_CGROUP = """\
set -eu
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
group="/sys/fs/cgroup$2"
case "$1" in
kill) [ ! -d "$group" ] || echo 1 >"$group/cgroup.kill" ;;
remove) [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + ;;
leave) rmdir "$group" 2>/dev/null || : ;;
esac
"""


def _cgroup_do(runner: Runner, action: str, path: str) -> None:
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _CGROUP, "sh", action, path]
    deadline = time.monotonic() + 10
    while True:
        result = runner(argv)
        if result.code == 0:
            return
        if time.monotonic() > deadline:  # a process that dies is in its cgroup for a moment
            raise LabError(f"cgroup {path}: {action}: {result.err.strip()}")
        time.sleep(0.2)


def power_off(runner: Runner, host: Host, cloud: str, node: str, lock: Path, address: str = "") -> None:
    """Take the power from a node: every process of it dies at once. Returns when it is off, at most 20 s later."""
    if host.systemd and host.unified:
        unit = unit_name(cloud, node)
        runner(["systemctl", "kill", "--kill-whom=all", "--signal=KILL", unit])
        off = wait_until(lambda: runner(["systemctl", "is-active", "--quiet", unit]).code != 0, 20)
        runner(["systemctl", "reset-failed", unit])
    else:
        _cgroup_do(runner, "kill", cgroup(cloud, node))
        # The cgroups must go with the processes: a kernel counts the kills of a cgroup, and kills what is cloned out of
        # one with a count into one without (CLONE_INTO_CGROUP, so systemd starts services; seen with Linux 6.18).
        _cgroup_do(runner, "remove", cgroup(cloud, node))
        off = True
    if not off or not wait_until(lambda: not running(lock), 20):
        raise LabError(f"node {node}: its processes are still there 20 s after they were killed; see {lock.parent}")
    if address:
        # Connections to a machine without power are half open; those of ssh would wait for their time-out.
        runner(["ss", "--kill", "--no-header", "dst", url_host(address)])


def shut_down(pid: Path, comm: Callable[[int], str], kill: Callable[[int, int], None] = os.kill) -> None:
    """Press the power button of a node: on SIGTERM, systemd-nspawn tells the machine to power off in good order.

    ``pid``: the file with its process id. ``comm``: name of a process; another process that has this id by now
    is left alone.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
        process = int(pid.read_text(encoding="utf-8"))
        if comm(process) == "systemd-nspawn":
            kill(process, signal.SIGTERM)


def process_name(process: int) -> str:
    """Name of a process, empty when there is none."""
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def remove_cgroup(runner: Runner, host: Host, cloud: str, node: str = "") -> None:
    """Remove the cgroups of a dead node, or of all nodes of a cloud."""
    if not (host.systemd and host.unified):
        _cgroup_do(runner, "remove", cgroup(cloud, node))
        if not node:
            _cgroup_do(runner, "leave", cgroup(""))  # it stays when other clouds have labs


def remove_tree(path: Path, runner: Runner) -> None:
    """Remove a directory of the lab. Refuses one that has something mounted below it."""
    below = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    busy = [mount for mount in below if mount == str(path) or mount.startswith(f"{path}/")]
    if busy:
        raise LabError(f"{path}: something is mounted on {', '.join(busy)}; remedy: umount it")
    if path.exists():
        must(runner, ["rm", "-rf", "--one-file-system", "--", str(path)])


# -- SSH


def key_pair(runner: Runner, path: Path, comment: str) -> bool:
    """Make an ed25519 key pair at ``path`` unless it is there. Tells whether it was made."""
    public = path.with_name(f"{path.name}.pub")
    if path.exists() and public.exists():
        return False
    path.unlink(missing_ok=True)
    public.unlink(missing_ok=True)
    must(runner, ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return True


def ssh_argv(directory: Path, address: str, command: Sequence[str]) -> list[str]:
    """SSH to a node as root, with the key and the known hosts in ``directory`` and nothing else."""
    return [
        "ssh",
        "-F",
        "none",
        "-i",
        str(directory / "id_ed25519"),
        "-o",
        f"UserKnownHostsFile={directory / 'known_hosts'}",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "BatchMode=yes",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "ConnectTimeout=3",
        f"root@{address}",
        *command,
    ]
