# SPDX-License-Identifier: Apache-2.0
"""The ramdisk in which Ironic's agent works on a machine: Debian 13, its kernel, the agent, nothing that asks for DHCP.

``ramdisk.kernel`` and ``ramdisk.initramfs`` are the same for every cloud; what a cloud adds (its CA, the agent's
configuration) is a second small archive behind the first (:func:`overlay`). The agent's packages are pinned by
``releases/<release>/agent.lock``. PID 1 is a shell script, :data:`INIT`; ``ramdisk_start.py`` gives the machine its
address. The console shows lines that begin with ``OZONE-RAMDISK``.
"""

from __future__ import annotations

import inspect
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.images import archive, locks, ramdisk_start, recipe
from ansible_collections.ozone.openstack.plugins.module_utils.images.archive import Entry
from ansible_collections.ozone.openstack.plugins.module_utils.images.build import BuildError
from ansible_collections.ozone.openstack.plugins.module_utils.images.workshop import (
    DPKG_OPTIONS,
    PYTHON,
    SUITE,
    VARIABLES,
    Workshop,
    remove,
)
from ansible_collections.ozone.openstack.plugins.module_utils.lab.guest import decompress, load_order, module_name

#: Raised by hand when the making changes in a way that the digest would not see.
RECIPE = 1

#: What the agent calls.
PACKAGES = (
    "bsdextrautils", "dmidecode", "dosfstools", "e2fsprogs", "efibootmgr", "ethtool", "fdisk", "gdisk", "hdparm",
    "iproute2", "kmod", "lshw", "mdadm", "mount", "nvme-cli", "parted", "pciutils", "procps", "psmisc", "python3",
    "smartmontools", "udev", "util-linux", "util-linux-extra",
)  # fmt: skip

#: What only real machines need.
REAL_PACKAGES = ("ipmitool", "qemu-utils", "xfsprogs")

#: The kernel by the set of drivers. Virtual machines need a fraction of the drivers and boot sooner without the others.
KERNELS = {"all": "linux-image-amd64", "virtual": "linux-image-cloud-amd64"}

#: Drivers that the virtual set has; what they need comes with them.
VIRTUAL = (
    "virtio_net", "virtio_blk", "virtio_scsi", "virtio_rng", "sd_mod", "sr_mod", "ahci", "ata_piix", "nvme", "isofs",
    "vfat", "nls_cp437", "nls_iso8859_1", "nls_ascii", "nls_utf8", "loop", "efivarfs", "bonding", "8021q", "dm_mod",
    "dmi_sysfs", "button", "evdev", "raid0", "raid1",
)  # fmt: skip

#: Directories of the kernel's modules that no server needs to be written on.
LEFT_OUT = (
    "sound", "drivers/gpu", "drivers/media", "drivers/iio", "drivers/isdn", "drivers/staging", "drivers/video",
    "drivers/bluetooth", "drivers/net/wireless", "drivers/net/can", "drivers/net/hamradio", "drivers/net/arcnet",
    "drivers/net/ieee802154", "drivers/accel", "drivers/leds", "drivers/mtd", "drivers/comedi", "drivers/gnss",
    "drivers/nfc", "drivers/parport", "drivers/pcmcia", "drivers/rtc", "drivers/soundwire", "drivers/thunderbolt",
    "drivers/usb/gadget", "drivers/usb/serial", "net/bluetooth", "net/mac80211", "net/wireless", "net/can",
    "net/ieee802154", "net/nfc", "net/batman-adv", "net/netfilter", "net/openvswitch", "net/sched", "net/rxrpc",
    "fs/afs", "fs/ceph", "fs/cifs", "fs/smb", "fs/nfs", "fs/nfsd", "fs/ocfs2", "fs/gfs2", "fs/bcachefs", "fs/ubifs",
    "fs/jffs2",
)  # fmt: skip

#: Loaded before anything else: what udev has no device for, or what saves time.
EARLY = (
    "virtio_net", "virtio_blk", "virtio_scsi", "sd_mod", "sr_mod", "isofs", "vfat", "nls_cp437", "nls_iso8859_1",
    "nls_ascii", "button", "evdev", "loop", "bonding", "8021q", "ipmi_si", "ipmi_devintf",
)  # fmt: skip

#: Where Debian's Python looks for packages that are not Debian's.
SITE = f"usr/local/lib/python{PYTHON}/dist-packages"

START = "usr/lib/ozone/ramdisk-start.py"

CONFIGURATION = "etc/ironic-python-agent.d"

INIT = f"""\
#!/bin/sh
# PID 1 of the ramdisk. It must never end, and nothing here waits without a limit.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=linux
mount -t proc -o nosuid,noexec,nodev proc /proc
mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
mount -t devtmpfs -o nosuid devtmpfs /dev
exec </dev/console >/dev/console 2>&1
mkdir -p /dev/pts /dev/shm
mount -t devpts -o nosuid,noexec devpts /dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /tmp
mkdir -p /run/lock /run/udev
say() {{ echo "OZONE-RAMDISK $* ($(cut -d' ' -f1 /proc/uptime) s)"; }}
say "kernel $(uname -r)"
if [ -d /sys/firmware/efi ]; then
  modprobe -q efivarfs
  mount -t efivarfs -o nosuid,noexec,nodev efivarfs /sys/firmware/efi/efivars
fi
modprobe -q -a $(cat /etc/modules-early)
/usr/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add --type=subsystems
udevadm trigger --action=add --type=devices
udevadm settle --timeout=30
ip link set lo up

# The power button, which a BMC presses when it is asked to shut a machine down gracefully.
for event in /sys/class/input/event*; do
  [ "$(cat "$event/device/name" 2>/dev/null)" = "Power Button" ] || continue
  (
    head -c 24 "/dev/input/${{event##*/}}" >/dev/null
    say "power button"
    poweroff
  ) &
done

while :; do
  python3 -s /{START} --config-dir /{CONFIGURATION}
  say "the agent ended with exit code $?; it starts again"
  sleep 3
done
"""

#: PID 1 is no init system that these could ask: the kernel is told.
POWER = """\
#!/bin/sh
sync
echo {key} >/proc/sysrq-trigger
"""

#: The agent has partitions added that the kernel may have found by itself; that fails, and it is tried twice more, with
#: pauses (``rescan_device`` in ironic_python_agent/utils.py). To bring them up to date does the same, and succeeds.
PARTX = """\
#!/bin/sh
[ "$1" != -av ] || { shift; set -- -uv "$@"; }
exec /usr/bin/partx "$@"
"""

#: What is removed at the end.
PRUNED = (
    "boot", "var/lib/apt", "var/lib/dpkg", "var/cache/*", "var/log/*", "tmp/*", "etc/apt", "etc/machine-id",
    "etc/initramfs-tools", "etc/kernel", "etc/nvme/host*", "etc/systemd", "root/.*",
    "usr/bin/apt*", "usr/lib/apt", "usr/bin/perl*", "usr/share/perl*", "usr/lib/x86_64-linux-gnu/perl*",
    "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/systemd/system", "usr/lib/systemd/user", "usr/lib/python3",
    "usr/lib/udev/hwdb.d", "usr/lib/udev/hwdb.bin", "usr/share/bash-completion", "usr/share/common-licenses",
    "usr/share/gdb", "usr/share/gcc", "usr/share/hwdata", "usr/share/i18n", "usr/share/initramfs-tools",
    "usr/share/lintian", "usr/share/lshw", "usr/share/misc/magic*", "usr/share/misc/pci.ids", "usr/share/pixmaps",
    "usr/share/python*", "usr/share/smartmontools", "usr/share/zoneinfo", "usr/share/zsh", "usr/share/polkit-1",
    f"usr/lib/python{PYTHON}/ensurepip", f"usr/lib/python{PYTHON}/idlelib", f"usr/lib/python{PYTHON}/pydoc_data",
    f"usr/lib/python{PYTHON}/test", f"usr/lib/python{PYTHON}/tkinter", f"usr/lib/python{PYTHON}/turtledemo",
    f"{SITE}/bin", f"{SITE}/.lock", f"{SITE}/*/tests", f"{SITE}/*/locale", f"{SITE}/*/*/tests",
)  # fmt: skip


@dataclass(frozen=True)
class Ramdisk:
    """What a ramdisk is made of."""

    lock: Path
    build_lock: Path
    source: Sequence[str] = ()  # packages without a wheel
    drivers: str = "all"
    firmware: Sequence[str] = ()  # Debian packages of the component non-free-firmware
    packages: Sequence[str] = ()  # more Debian packages
    revision: str = ""

    def wanted(self) -> list[str]:
        """Debian packages."""
        return sorted({*PACKAGES, *(REAL_PACKAGES if self.drivers == "all" else ()), *self.packages})

    def inputs(self) -> str:
        """Digest of all that decides about the result, apart from the state of the mirror."""
        return recipe.digest(
            {
                "recipe": RECIPE,
                "suite": SUITE,
                "dpkg": DPKG_OPTIONS,
                "variables": VARIABLES,
                "packages": self.wanted(),
                "kernel": KERNELS[self.drivers],
                "modules": [VIRTUAL, EARLY] if self.drivers == "virtual" else [LEFT_OUT, EARLY],
                "firmware": sorted(self.firmware),
                "lock": locks.digest(self.lock.read_text(encoding="utf-8")),
                "source": sorted(self.source),
                "init": INIT,
                "tools": [POWER, PARTX],
                "start": recipe.code_digest(inspect.getsource(ramdisk_start)),
                "pruned": PRUNED,
                "revision": self.revision,
            }
        )


def build(shop: Workshop, ramdisk: Ramdisk, work: Path, out: Path) -> dict[str, Any]:
    """Make ``ramdisk.kernel`` and ``ramdisk.initramfs`` in ``out``; what they are. ``work`` is a scratch directory."""
    root, unpacked = work / "root", work / "kernel"
    shop.say("ramdisk: installing Debian packages")
    shop.root(root, ramdisk.wanted())
    components = ("main", "non-free-firmware") if ramdisk.firmware else ("main",)
    shop.root(unpacked, (KERNELS[ramdisk.drivers], *ramdisk.firmware), variant="extract", components=components)
    shop.say("ramdisk: installing the agent")
    shop.python(root / SITE, ramdisk.lock, ramdisk.build_lock, ramdisk.source)
    (vmlinuz,) = (unpacked / "boot").glob("vmlinuz-*")
    version = vmlinuz.name.removeprefix("vmlinuz-")
    furnish(root)
    remove(root, PRUNED)
    put_modules(unpacked / "usr/lib/modules" / version, root / "usr/lib/modules" / version, ramdisk.drivers)
    for name in ("usr/lib/firmware", "lib/firmware"):
        if ramdisk.firmware and (unpacked / name).is_dir() and not (unpacked / name).is_symlink():
            shutil.copytree(unpacked / name, root / "usr/lib/firmware", symlinks=True, dirs_exist_ok=True)
    compile_script = (
        f"python3 -m compileall -qq -j 0 -f --invalidation-mode unchecked-hash /usr/lib/python{PYTHON} /{SITE}"
    )
    shop.inside(root, work, f"depmod {version}; mkdir /dev/shm; {compile_script}")
    remove(root, ("mnt/*", "run/*", "etc/resolv.conf", "etc/hosts", "etc/hostname", "etc/ld.so.cache-", "etc/*-"))
    shop.say("ramdisk: packing")
    shutil.copyfile(vmlinuz, out / "ramdisk.kernel")
    with (work / "initramfs").open("wb") as stream:
        for chunk in archive.members(archive.tree(root)):
            stream.write(chunk)
    shop.with_tools(work, "zstd -q -T0 -12 -f /mnt/initramfs -o /mnt/initramfs.zst")
    shutil.move(work / "initramfs.zst", out / "ramdisk.initramfs")
    return {"kernel_version": version, "drivers": ramdisk.drivers, "unpacked": (work / "initramfs").stat().st_size}


def furnish(root: Path) -> None:
    """Our own files."""
    files = {
        "init": (INIT, 0o755),
        START: (inspect.getsource(ramdisk_start), 0o644),
        "etc/modules-early": ("".join(f"{name}\n" for name in EARLY), 0o644),
        "usr/local/sbin/partx": (PARTX, 0o755),
        "usr/sbin/poweroff": (POWER.format(key="o"), 0o755),
        "usr/sbin/reboot": (POWER.format(key="b"), 0o755),
        "etc/hostname": ("ramdisk\n", 0o644),
        "etc/hosts": ("127.0.0.1 localhost\n::1 localhost\n", 0o644),
    }
    for name, (text, mode) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # may be a link to what it replaces
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    (root / CONFIGURATION).mkdir(parents=True, exist_ok=True)
    for name in ("proc", "sys", "dev", "run", "tmp"):
        (root / name).mkdir(exist_ok=True)


def put_modules(source: Path, target: Path, drivers: str) -> None:
    """Modules of the kernel, uncompressed: the archive as a whole is compressed better, and they load faster."""
    paths = {path: path.relative_to(source) for path in sorted(source.rglob("*.ko*"))}
    if drivers == "virtual":
        wanted = set(needed({module_name(path.name): path for path in paths}, VIRTUAL, builtin(source)))
        paths = {path: place for path, place in paths.items() if module_name(path.name) in wanted}
    else:
        paths = {path: place for path, place in paths.items() if not left_out(str(place))}
    for path, place in paths.items():
        file = target / place.parent / (place.name.partition(".ko")[0] + ".ko")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(decompress(path.name, path.read_bytes()))
    for path in source.glob("modules.*"):
        shutil.copyfile(path, target / path.name)


def left_out(place: str) -> bool:
    """Whether a module, by its path below the directory of the kernel's version, is one that no server needs."""
    return place.startswith(tuple(f"kernel/{name}/" for name in LEFT_OUT))


def builtin(tree: Path) -> frozenset[str]:
    """Modules that are part of the kernel."""
    text = (tree / "modules.builtin").read_text(encoding="utf-8")
    return frozenset(module_name(line) for line in text.splitlines())


def needed(paths: Mapping[str, Path], wanted: Iterable[str], inside: frozenset[str]) -> list[str]:
    """Names of the modules ``wanted`` and of those that they need. Raises BuildError for one that does not exist."""

    def read(name: str) -> bytes | None:
        path = paths.get(name)
        return decompress(path.name, path.read_bytes()) if path else None

    present = [name for name in wanted if name in paths or name in inside]
    if absent := sorted(set(wanted) - set(present)):
        raise BuildError(f"the kernel has no module {', '.join(absent)}")
    return list(load_order(present, read, inside))


def agent_configuration(ca: bool, options: Mapping[str, str]) -> str:
    """The agent's configuration. Its own TLS stays on; it trusts the cloud's CA and no other."""
    values = {"log_file": "/var/log/ironic-python-agent.log", "use_stderr": "true", **options}
    if ca:
        values["cafile"] = f"/{CONFIGURATION}/ca.pem"
    return "[DEFAULT]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(values.items()))


def overlay(ca: str | None, options: Mapping[str, str], files: Mapping[str, str] | None = None) -> bytes:
    """The archive that makes the ramdisk one of this cloud: its CA certificate (PEM) and the agent's configuration.

    ``files``: more files by their absolute paths. The same content gives the same bytes.
    """
    texts = {f"{CONFIGURATION}/ozone.conf": agent_configuration(ca is not None, options)}
    if ca is not None:
        texts[f"{CONFIGURATION}/ca.pem"] = ca
    texts |= {path.lstrip("/"): text for path, text in (files or {}).items()}
    entries = {name: Entry(archive.TEXT, text.encode()) for name, text in texts.items()}
    return archive.cpio(archive.with_parents(entries))


def combine(ramdisk: Path, added: bytes, target: Path) -> None:
    """The ramdisk with an archive behind it, where the kernel looks for one."""
    with target.open("wb") as stream:
        with ramdisk.open("rb") as source:
            shutil.copyfileobj(source, stream, 1024 * 1024)
        stream.write(b"\0" * (-stream.tell() % archive.ALIGNMENT))
        stream.write(added)


def began() -> float:
    """The moment from which on files are of our making. Packages are older."""
    return time.time() - 3600
