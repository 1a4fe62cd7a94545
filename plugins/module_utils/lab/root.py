# SPDX-License-Identifier: Apache-2.0
"""The root file system that all lab nodes share, read-only: Debian 13 with everything that nodes get from packages."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive
from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import Mirror, MirrorError
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError

SUITE = "trixie"

#: What the services of Ozone get from packages, and what a node needs to be one. Nodes have no internet.
PACKAGES = (
    # the machine
    "systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "python3", "python3-apt", "kmod",
    "ca-certificates", "iproute2", "iputils-ping", "ethtool", "procps", "nftables", "iptables", "tcpdump",
    # node
    "chrony", "sudo", "podman", "crun", "netavark", "aardvark-dns", "catatonit", "conmon", "python3-pymysql",
    # infrastructure services
    "mariadb-server", "galera-4", "mariadb-backup", "rabbitmq-server", "memcached", "haproxy", "keepalived", "nginx",
    "openvswitch-switch", "ovn-central", "ovn-host", "ovn-common",
    "libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils",
)  # fmt: skip

#: Space for the root and the packages while it is built; the result has about 1 GB.
NEEDED_BYTES = 4 * 1024**3

#: Documentation is left out, licences are not.
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
)

#: Run at the end, with the root as $1. Nothing starts by itself but what a bare machine needs to be reached: roles
#: enable what they deploy. What identifies a machine is made anew for each node.
FINISH = """\
set -eu
mkdir -p "$1/etc/systemd/system-preset"
cat >"$1/etc/systemd/system-preset/00-ozone-lab.preset" <<'EOF'
enable ssh.service
enable systemd-networkd.service
enable systemd-networkd-wait-online.service
enable logrotate.timer
disable *
EOF
systemctl --root="$1" --quiet preset-all
systemctl --root="$1" --quiet mask sshd-keygen.service
systemctl --root="$1" --quiet set-default multi-user.target
rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/hostname" "$1/etc/resolv.conf" "$1/var/lib/dbus/machine-id" \
  "$1/var/lib/rabbitmq/.erlang.cookie" "$1"/etc/ssl/private/ssl-cert-snakeoil.key "$1/var/lib/systemd/random-seed"
: >"$1/etc/machine-id"
: >"$1/etc/resolv.conf"
ln -sf /proc/self/mounts "$1/etc/mtab"
mkdir -p "$1/var/log/journal" "$1/var/lib/ozone-images" "$1/root/.ssh" "$1/etc/containers/containers.conf.d"
chmod 0700 "$1/root/.ssh"
"""

Bootstrap = Callable[..., None]


def recipe(packages: Iterable[str] = PACKAGES) -> dict[str, object]:
    """Everything that decides what is in the root, apart from the state of the mirror."""
    return {
        "suite": SUITE,
        "packages": sorted(set(packages)),
        "dpkg": list(DPKG_OPTIONS),
        "finish": FINISH,
        "architecture": os.uname().machine,
    }


def root_key(packages: Iterable[str] = PACKAGES) -> str:
    """Name of the root in the cache: suite and the first 12 digits of the recipe's digest."""
    text = json.dumps(recipe(packages), sort_keys=True)
    return f"{SUITE}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def extra_arguments() -> list[str]:
    """Arguments of mmdebstrap beyond the packages. Root mode: owners of files are real, and we are root anyway."""
    return [
        "--mode=root",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
        f"--customize-hook={FINISH}",
    ]


def used_roots(lab: Path) -> set[str]:
    """Keys of the roots that nodes of any cloud of this cache are made from. ``lab``: the cache's lab/."""
    used = set()
    for record in lab.glob("*/*/root"):
        with contextlib.suppress(OSError):
            used.add(record.read_text(encoding="utf-8").strip())
    return used


def prunable(roots: Path, keep: str, lab: Path) -> list[Path]:
    """Roots that no node uses and that are not the one to keep, and remains of builds that were broken off."""
    if not roots.is_dir():
        return []
    used = used_roots(lab) | {keep}
    return sorted(entry for entry in roots.iterdir() if entry.is_dir() and entry.name not in used)


def build_root(
    cache: Path,
    packages: Sequence[str],
    mirror: Callable[[], Mirror],
    bootstrap: Bootstrap,
    *,
    timeout: float,
    free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
) -> tuple[Path, bool]:
    """Path of the root, and whether it had to be built.

    It is built beside its place and renamed, so that a root that is there is whole; a build that was broken off is
    cleaned by the next one. Two builders of the same root wait for each other. Raises LabError.
    """
    key = root_key(packages)
    roots = cache / "roots"
    target = roots / key
    if target.is_dir():
        return target, False
    roots.mkdir(parents=True, exist_ok=True)
    (cache / "locks").mkdir(parents=True, exist_ok=True)
    try:
        with exclusive(cache / "locks" / f"root-{key}", timeout):
            if target.is_dir():
                return target, False
            for stale in roots.glob(f".{key}.*"):
                shutil.rmtree(stale)
            if free(roots) < NEEDED_BYTES:
                raise LabError(
                    f"{roots}: a node root needs {NEEDED_BYTES >> 30} GB of free space; "
                    "remedy: free some, or set OZONE_CACHE"
                )
            work = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=roots))
            work.chmod(0o755)
            try:
                bootstrap(
                    SUITE,
                    work,
                    mirror(),
                    timeout=timeout,
                    log=roots / f"{key}.log",
                    include=sorted(set(packages)),
                    extra=extra_arguments(),
                )
            except MirrorError as error:
                shutil.rmtree(work, ignore_errors=True)
                raise LabError(str(error)) from error
            work.rename(target)
    except TimeoutError as error:
        raise LabError(str(error)) from error
    return target, True
