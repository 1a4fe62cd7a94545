# SPDX-License-Identifier: Apache-2.0
"""The script that runs one node until it is powered off, and the commands that start it. Pure text.

What the script does, and why so:

- All mounts (the node's overlay, a fresh /run, sysfs) are made in a private mount namespace: when the last process of
  the node dies, however it dies, the kernel removes them. The same is true of the NICs, which live in network
  namespaces that have no name. Nothing can be left behind but files, cgroups and the bridges.
- systemd-nspawn can move a NIC into the machine only under the name it already has, and "eth0" is taken on most hosts.
  So it is started in a network namespace of its own (the stage), in which the cards have their final names. /sys must
  belong to that namespace too, read-only, so that nspawn does not wait for a udev that will never see those cards.
- ``--keep-unit`` makes nspawn end with status 133 when the machine wants to reboot (the convention of
  systemd-nspawn@.service). The script then builds new cards and boots again: as with real hardware, no address,
  firewall rule or bridge of the old run survives.
- Checksum offload is switched off at both ends of each card: Open vSwitch in userspace reads frames as they are on the
  "wire" (AF_PACKET), where a real card would have filled in the checksum.
- The overlay is mounted ``volatile``: fsync costs nothing. Only a crash of the host itself can hurt a node.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.lab.files import IMAGES, NETWORKD
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import Node

#: Exit status of systemd-nspawn --keep-unit when the machine asked for a reboot.
REBOOT = 133


@dataclass(frozen=True)
class Host:
    """What was found out about the host."""

    systemd: bool  # systemd is PID 1 and can run the node as a unit
    unified: bool  # /sys/fs/cgroup is a cgroup2 mount


@dataclass(frozen=True)
class Place:
    """Where the parts of a node lie on the host."""

    root: Path  # shared, read-only
    directory: Path  # of this node
    images: Path  # shared image store

    @property
    def script(self) -> Path:
        """The launch script."""
        return self.directory / "run"

    @property
    def pid(self) -> Path:
        """Process id of systemd-nspawn, as long as the node runs."""
        return self.directory / "pid"

    @property
    def lock(self) -> Path:
        """Locked (flock) as long as the node runs."""
        return self.directory / "lock"

    @property
    def console(self) -> Path:
        """What the launch script and the machine's console say."""
        return self.directory / "console.log"


def unit_name(cloud: str, node: str) -> str:
    """Name of the transient unit, on a host with systemd."""
    return f"ozone-lab-{cloud}-{node}.service"


def cgroup(cloud: str, node: str = "") -> str:
    """Path of a node's cgroup (or of the cloud's) below the root of the hierarchy, on a host without systemd."""
    return "/".join(part for part in ("/ozone-lab", cloud, node) if part)


def nspawn(node: Node, place: Place, devices: Sequence[str]) -> list[str]:
    """The systemd-nspawn command. ``devices``: device nodes that the machine may use.

    The filters let podman work: crun makes kernel keyrings, and programs of type BPF_CGROUP_DEVICE.
    """
    return [
        "systemd-nspawn",
        "--quiet",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        f"--machine={node.name}",
        f"--uuid={node.machine_id}",
        f"--directory={place.directory}/rootfs",
        "--capability=all",
        "--system-call-filter=@keyring bpf",
        *(f"--network-interface={nic.name}" for nic in node.nics),
        *(f"--bind={device}" for device in devices),
        f"--bind={place.directory}/containers:/var/lib/containers",
        f"--bind-ro={place.images}:{IMAGES}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
        "--boot",
    ]


def script(node: Node, place: Place, host: Host, devices: Sequence[str]) -> str:
    """Text of the launch script (POSIX sh). To be started with :func:`start_argv`."""
    q = shlex.quote
    d = q(str(place.directory))
    cards: list[str] = []
    for nic in node.nics:
        cards += [
            f"  ip link delete {nic.device} 2>/dev/null || :",
            f"  ip link add {nic.device} mtu {nic.mtu} type veth"
            f' peer name {nic.name} address {nic.mac} mtu {nic.mtu} netns "$dir/stage"',
            f"  ip link set {nic.device} alias {q(nic.alias)} master {nic.bridge} up",
            f"  ethtool --offload {nic.device} tx off >/dev/null",
            f'  nsenter --net="$dir/stage" ethtool --offload {nic.name} tx off >/dev/null',
        ]
    if host.systemd and host.unified:
        group = "group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)"
    else:
        group = f"group=/sys/fs/cgroup{cgroup(node.cloud, node.name)}"
    if host.unified:
        keep = 'mkdir -p "$dir/cgroup"; mount --rbind /sys/fs/cgroup "$dir/cgroup"'
        give = 'mount --rbind "$dir/cgroup" /sys/fs/cgroup'
    else:
        keep = ":"
        give = "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    return "\n".join(
        [
            "#!/bin/sh",
            f"# Runs lab node {node.name} of cloud {node.cloud}. Made by ozone.openstack.lab_node.",
            "set -eu",
            f"dir={d}",
            'exec </dev/null >>"$dir/console.log" 2>&1',
            'exec 9>"$dir/lock"',
            'flock --nonblock 9 || { echo "ozone-lab: runs already"; exit 75; }',
            'say() { echo "ozone-lab: $(date --utc +%FT%TZ) $*"; }',
            "group=",
            # A machine outlives a systemd-nspawn that was killed: without this script it must not.
            "end() {",
            "  status=$?",
            '  [ ! -d "$group/machine" ] || echo 1 >"$group/machine/cgroup.kill" || :',
            '  say "ended with status $status"',
            "}",
            "trap end EXIT",
            'cd "$dir"',
            "mkdir -p upper work rootfs containers",
            "rm -rf work/work/incompat  # left by a volatile overlay that was not unmounted",
            "mount -t overlay ozone-lab -o "
            + q(f"lowerdir={place.root},upperdir={place.directory}/upper,workdir={place.directory}/work,volatile")
            + " rootfs",
            "if [ -d seed ]; then",
            f"  rm -f rootfs/etc/systemd/network/{NETWORKD}*.network",
            "  tar -C seed -cf - . | tar -C rootfs -xpf - --no-overwrite-dir",
            "  rm -rf seed",
            "fi",
            "mount -t tmpfs -o mode=755 tmpfs /run",
            ": >stage",
            "unshare --net=stage true",
            keep,
            'nsenter --net="$dir/stage" mount -t sysfs -o ro,nosuid,nodev,noexec sysfs /sys',
            give,
            group,
            'clean() { [ ! -d "$1" ] || find "$1" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || :; }',
            'clean "$group"',
            # Once more, should another cloud's lab just have been removed, and the common directory with it.
            'mkdir -p "$group/script" "$group/machine" || mkdir -p "$group/script" "$group/machine"',
            'echo $$ >"$group/script/cgroup.procs"',
            "while :; do",
            '  say "power on"',
            *cards,
            "  status=0",
            '  nsenter --net="$dir/stage" sh -c \'echo $$ >pid; echo $$ >"$1/cgroup.procs"; shift; exec "$@"\' sh'
            ' "$group/machine" ' + shlex.join(nspawn(node, place, devices)) + " || status=$?",
            f'  [ "$status" -eq {REBOOT} ] || exit "$status"',
            '  say "reboot"',
            '  clean "$group/machine"',
            "done",
            "",
        ]
    )


def start_argv(node: Node, place: Place, host: Host) -> list[str]:
    """The command that starts the launch script detached from its caller: as a unit, or in a session of its own."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", str(place.script)]
    if host.systemd and host.unified:
        return [
            "systemd-run",
            f"--unit={unit_name(node.cloud, node.name)}",
            f"--description=Lab node {node.name} of cloud {node.cloud}",
            "--collect",
            "--quiet",
            "--property=Delegate=yes",
            "--property=TasksMax=infinity",
            "--property=KillMode=control-group",
            *command,
        ]
    return ["setsid", "--fork", *command]
