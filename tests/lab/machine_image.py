# SPDX-License-Identifier: Apache-2.0
"""The image of emulated machines: Debian 13 with its own kernel, made to boot fast without hardware acceleration.

A directory of the cache holds ``kernel``, ``initrd`` and ``disk`` (a raw ext4 file system, sparse). The initrd loads
two drivers, mounts the disk and, at the first boot only, puts the files of an appended archive on it
(:func:`injection`): so that a machine has its name, keys and first network configuration without any network.
"""

from __future__ import annotations

import gzip
import hashlib
import inspect
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive, write_atomic
from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import Mirror
from ansible_collections.ozone.openstack.plugins.module_utils.images.archive import Entry, cpio
from ansible_collections.ozone.openstack.plugins.module_utils.lab.guest import (
    decompress,
    load_order,
    module_name,
)
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError
from ansible_collections.ozone.openstack.plugins.module_utils.lab.root import SUITE, Bootstrap, build_root, recipe
from tests.lab import machine_agent

#: What a node has before anything is configured. Neither netplan nor NetworkManager nor cloud-init.
PACKAGES = (
    "systemd", "systemd-sysv", "udev", "dbus", "kmod", "openssh-server", "python3", "iproute2", "iputils-ping",
    "ethtool", "procps", "openvswitch-switch", "ifupdown",
)  # fmt: skip

#: Unpacked beside the root: installed, the kernel would bring tools that make an initrd that is not used.
KERNEL = ("linux-image-cloud-amd64", "busybox-static")

#: Drivers that the initrd loads; all others come from the disk.
MODULES = ("virtio_blk", "virtio_rng")

#: Name of the port through which the agent is reached.
PORT = "ozone.lab"

DISK_BYTES = 4 * 1024**3

INIT = """\
#!/bin/sh
/bin/busybox mkdir -p /proc /sys /dev /run /root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=0755,nosuid,nodev run /run
while read -r module; do insmod "/modules/$module.ko"; done </modules/order
tries=0
until [ -b /dev/vda ] || [ $tries -ge 100 ]; do tries=$((tries + 1)); usleep 50000; done
mount -t ext4 -o rw,noatime /dev/vda /root || exec sh
if [ ! -e /root/var/lib/ozone-lab-injected ]; then
  cp -a /inject/. /root/
  : >/root/var/lib/ozone-lab-injected
  sync
fi
for mount in proc sys dev run; do mount --move "/$mount" "/root/$mount"; done
exec switch_root /root /usr/lib/systemd/systemd
"""

#: Files of every machine: no work at boot that nobody waits for, SSH with the cheapest ciphers.
FILES = {
    "/etc/fstab": "",
    "/etc/systemd/system-preset/00-ozone-lab.preset": """\
enable ssh.service
enable systemd-networkd.service
enable systemd-networkd-wait-online.service
enable openvswitch-switch.service
enable ozone-lab-agent.service
disable *
""",
    "/etc/systemd/journald.conf.d/50-ozone-lab.conf": "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n",
    "/etc/systemd/system.conf.d/50-ozone-lab.conf": "[Manager]\nDefaultTimeoutStopSec=15s\nShowStatus=no\n",
    "/etc/ssh/sshd_config.d/50-ozone-lab.conf": """\
UsePAM no
UseDNS no
PasswordAuthentication no
HostKey /etc/ssh/ssh_host_ed25519_key
KexAlgorithms curve25519-sha256
Ciphers aes128-gcm@openssh.com,chacha20-poly1305@openssh.com
""",
    "/etc/systemd/system/ozone-lab-agent.service": """\
[Unit]
Description=Shell of the lab, through a port that needs no network
DefaultDependencies=no

[Service]
ExecStart=/usr/bin/python3 -ISu /usr/local/lib/ozone-lab-agent
Restart=always
RestartSec=1
OOMScoreAdjust=-1000
KillMode=process

[Install]
WantedBy=sysinit.target
""",
}  # fmt: skip

#: Units that only cost time here.
MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_reap.service", "fstrim.timer",
    "getty@tty1.service", "serial-getty@ttyS0.service", "ldconfig.service", "sshd-keygen.service",
    "systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "systemd-logind.service",
    "systemd-network-generator.service", "systemd-pcrphase.service", "systemd-random-seed.service",
    "systemd-sysusers.service", "systemd-tpm2-setup.service", "systemd-tpm2-setup-early.service",
    "systemd-udev-settle.service", "systemd-update-done.service", "systemd-boot-random-seed.service",
    "dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
    "systemd-tmpfiles-clean.timer", "modprobe@drm.service", "modprobe@efi_pstore.service",
)  # fmt: skip

#: Version of how this module puts the parts together; part of the key.
RECIPE = 1


def image_key(packages: Sequence[str] = PACKAGES) -> str:
    """Name of the image in the cache: suite and the first 12 digits of the digest of all that decides about it."""
    parts = {
        "recipe": RECIPE,
        "root": recipe(packages),
        "kernel": KERNEL,
        "modules": MODULES,
        "init": INIT,
        "files": FILES,
        "masked": MASKED,
        "agent": inspect.getsource(machine_agent),
        "disk": DISK_BYTES,
    }
    return f"{SUITE}-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]}"


def archive(entries: Mapping[str, Entry]) -> bytes:
    """A cpio archive of the entries and of all directories above them."""
    all_entries = dict(entries)
    for name in entries:
        for parent in list(PurePosixPath(name).parents)[:-1]:
            private = str(parent) in ("inject/root", "inject/root/.ssh")
            all_entries.setdefault(str(parent), Entry(0o040700 if private else 0o040755))
    return cpio(all_entries)


def injection(files: Mapping[str, str], links: Mapping[str, str] | None = None) -> bytes:
    """An archive to append to the initrd: path -> text, path -> target of a symbolic link, below ``/inject``.

    What lies in an ``.ssh`` directory or ends with ``_key`` is readable for root only.
    """
    entries = {
        f"inject{path}": Entry(0o100600 if "/.ssh/" in path or path.endswith("_key") else 0o100644, text.encode())
        for path, text in files.items()
    }
    entries |= {f"inject{path}": Entry(0o120777, target.encode()) for path, target in (links or {}).items()}
    return gzip.compress(archive(entries), compresslevel=1, mtime=0)


def initrd(tree: Path, busybox: bytes) -> bytes:
    """The initrd, for the modules below ``tree`` (lib/modules/VERSION)."""
    paths = {module_name(path.name): path for path in tree.rglob("*.ko*")}
    builtin = frozenset(
        module_name(line) for line in (tree / "modules.builtin").read_text(encoding="utf-8").splitlines()
    )

    def read(name: str) -> bytes | None:
        path = paths.get(name)
        return decompress(path.name, path.read_bytes()) if path else None

    modules = load_order(MODULES, read, builtin)
    entries = {
        "init": Entry(0o100755, INIT.encode()),
        "bin/busybox": Entry(0o100755, busybox),
        "bin/sh": Entry(0o120777, b"busybox"),
        "modules/order": Entry(0o100644, "".join(f"{name}\n" for name in modules).encode()),
        **{f"modules/{name}.ko": Entry(0o100644, data) for name, data in modules.items()},
    }
    return gzip.compress(archive(entries), compresslevel=1, mtime=0)


def _run(*argv: str, timeout: float = 300.0) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")


def _furnish(root: Path, kernel: Path) -> None:
    """Put modules of the kernel, our files and units into the root. Modules lose their compression: it costs time."""
    (tree,) = (kernel / "usr/lib/modules").iterdir()
    target = root / "usr/lib/modules" / tree.name
    for path in sorted(tree.rglob("*.ko.xz")):
        path.with_suffix("").write_bytes(decompress(path.name, path.read_bytes()))
        path.unlink()
    shutil.copytree(tree, target, symlinks=True)
    _run("chroot", str(root), "depmod", tree.name)
    for name, text in {**FILES, "/usr/local/lib/ozone-lab-agent": inspect.getsource(machine_agent)}.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text, 0o644)
    _run("chroot", str(root), "systemctl", "--quiet", "preset-all")
    _run("chroot", str(root), "systemctl", "--quiet", "mask", *MASKED)
    for name in ("etc/.updated", "var/.updated"):
        write_atomic(root / name, "", 0o644)
        os.utime(root / name, (2**31, 2**31))  # newer than /usr, whenever that was made


def _make(
    work: Path, packages: Sequence[str], mirror: Callable[[], Mirror], bootstrap: Bootstrap, limit: float
) -> None:
    """Make kernel, initrd and disk in ``work/image``."""
    root, _ = build_root(work, packages, mirror, bootstrap, timeout=limit)
    kernel = work / "kernel"
    bootstrap(
        SUITE, kernel, mirror(), timeout=limit, log=work / "kernel.log", variant="extract", include=KERNEL,
        extra=("--mode=root",),
    )  # fmt: skip
    image = work / "image"
    image.mkdir()
    (vmlinuz,) = (kernel / "boot").glob("vmlinuz-*")
    shutil.copyfile(vmlinuz, image / "kernel")
    (tree,) = (kernel / "usr/lib/modules").iterdir()
    (image / "initrd").write_bytes(initrd(tree, (kernel / "usr/bin/busybox").read_bytes()))
    _furnish(root, kernel)
    disk = image / "disk"
    with disk.open("wb") as stream:
        stream.truncate(DISK_BYTES)
    _run(
        "mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum", "-E", "lazy_itable_init=1,nodiscard", "-m", "0",
        "-d", str(root), str(disk),
    )  # fmt: skip


def build_image(
    cache: Path,
    mirror: Callable[[], Mirror],
    bootstrap: Bootstrap,
    *,
    packages: Sequence[str] = PACKAGES,
    timeout: float = 900.0,
) -> Path:
    """Directory with the files of the image; made when it is not there. Raises LabError.

    As with a node root: made beside its place and renamed; two builders wait for each other.
    """
    images = cache / "machines"
    target = images / image_key(packages)
    if target.is_dir():
        return target
    images.mkdir(parents=True, exist_ok=True)
    (cache / "locks").mkdir(parents=True, exist_ok=True)
    with exclusive(cache / "locks" / f"machines-{target.name}", timeout):
        if target.is_dir():
            return target
        for stale in images.glob(f".{target.name}.*"):
            shutil.rmtree(stale)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=images))
        try:
            work.chmod(0o755)
            _make(work, packages, mirror, bootstrap, timeout)
            (work / "image").rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target
