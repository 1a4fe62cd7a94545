# SPDX-License-Identifier: Apache-2.0
"""Golden images: Debian 13 on a whole disk, ready to become a node, and nothing in it that two must not share.

A GPT with an EFI system partition and an ext4 root that grows to its disk at the first boot (systemd-repart). It has
what nodes get from packages, because a node need not reach any mirror, and no DHCP client of any kind: no cloud-init,
no ifupdown, no NetworkManager. ``first_boot.py`` makes it a machine.
"""

from __future__ import annotations

import ast
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.images import efi, first_boot, recipe
from ansible_collections.ozone.openstack.plugins.module_utils.images.build import BuildError
from ansible_collections.ozone.openstack.plugins.module_utils.images.workshop import (
    DPKG_OPTIONS,
    EPOCH,
    SUITE,
    VARIABLES,
    Workshop,
    remove,
    settle,
)
from ansible_collections.ozone.openstack.plugins.module_utils.lab import root as lab_root
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION

#: Raised by hand when the making changes in a way that the digest would not see.
RECIPE = 2

NAME = "debian-13"

#: What a machine needs that the container of a lab does not.
MACHINE = (
    "systemd", "systemd-sysv", "systemd-repart", "systemd-resolved", "udev", "dbus", "libpam-systemd", "kmod",
    "initramfs-tools", "busybox", "zstd", "e2fsprogs", "dosfstools", "openssh-server", "python3", "python3-apt",
    "python3-yaml", "ca-certificates", "iproute2", "iputils-ping", "ethtool", "procps", "less", "pciutils", "mdadm",
    "logsave",
)  # fmt: skip

#: And what the services get from packages: all that a node of a lab has.
DEFAULT = tuple(sorted({*MACHINE, *lab_root.PACKAGES}))

KERNELS = {"all": "linux-image-amd64", "virtual": "linux-image-cloud-amd64"}

ARGUMENTS = ("console=tty0", "console=ttyS0,115200")

ESP_BYTES = 64 * efi.MEBIBYTE

#: Of the root file system, as mke2fs would choose them for that of a server: it looks at the size of the image.
BLOCK, INODE_RATIO, JOURNAL_MEBIBYTES = 4096, 16384, 32

LIBRARY = "usr/lib/ozone/first-boot"

#: Nothing starts by itself but what a machine needs to be reached: roles enable what they deploy.
PRESET = """\
enable ozone-first-boot.service
enable ssh.service
enable systemd-networkd.service
enable systemd-networkd-wait-online.service
enable systemd-resolved.service
enable logrotate.timer
enable fstrim.timer
enable getty@.service
disable *
"""

UNIT = f"""\
[Unit]
Description=Name, keys and network of this machine, from its config drive
Documentation=https://docs.openstack.org/nova/latest/user/metadata.html
DefaultDependencies=no
ConditionPathExists=!{first_boot.DONE}
After=systemd-remount-fs.service systemd-udev-trigger.service systemd-tmpfiles-setup.service local-fs.target
Before=network-pre.target systemd-networkd.service systemd-networkd-wait-online.service ssh.service
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
Environment=PYTHONPATH=/{LIBRARY} PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 -su -m {first_boot.__name__}
TimeoutStartSec=180
Restart=on-failure
RestartSec=10
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=multi-user.target
"""

FILES = {
    "etc/systemd/system-preset/00-ozone.preset": PRESET,
    "etc/systemd/system/ozone-first-boot.service": UNIT,
    "etc/ssh/sshd_config.d/50-ozone.conf": (
        f"HostKey {first_boot.HOST_KEY}\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nUseDNS no\n"
    ),
    "etc/systemd/resolved.conf.d/50-ozone.conf": "[Resolve]\nLLMNR=no\nMulticastDNS=no\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost\n",
    "usr/lib/repart.d/50-root.conf": "[Partition]\nType=root\n",
}

#: Run in the root before it is packed. What identifies a machine is made anew on each.
FINISH = f"""\
systemctl --quiet preset-all
systemctl --quiet set-default multi-user.target
systemctl --quiet mask sshd-keygen.service
# A login of root would wait for a service manager that nothing uses.
systemctl --quiet mask user@0.service
# Words of the kernel's command line must not become a network, and SSH listens on no socket of a hypervisor.
systemctl --quiet mask systemd-network-generator.service
mkdir -p /etc/systemd/system-generators
ln -s /dev/null /etc/systemd/system-generators/systemd-ssh-generator
usermod -p '*' root
mkdir /dev/shm
python3 -m compileall -q --invalidation-mode unchecked-hash /{LIBRARY}
"""

#: Removed at the end: identities, and what only installing needs.
PRUNED = (
    "etc/ssh/ssh_host_*", "etc/hostname", "etc/resolv.conf", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed",
    "var/lib/rabbitmq/.erlang.cookie", "etc/ssl/private/ssl-cert-snakeoil.key", "etc/ssl/certs/ssl-cert-snakeoil.pem",
    "etc/machine-id", "var/lib/apt/lists/*", "var/cache/apt/*", "var/cache/debconf/*-old", "var/cache/ldconfig/*",
    "var/log/*", "var/lib/dpkg/*-old", "var/backups/*", "tmp/*", "run/*", "mnt/*", "etc/*-", "root/.*history",
    "var/lib/mysql/*", "etc/nvme/host*", "etc/openvswitch/conf.db", "etc/openvswitch/system-id.conf",
)  # fmt: skip


@dataclass(frozen=True)
class Golden:
    """What a golden image is made of."""

    name: str = NAME
    packages: Sequence[str] = DEFAULT
    drivers: str = "all"
    firmware: Sequence[str] = ()  # Debian packages of the component non-free-firmware
    arguments: Sequence[str] = ARGUMENTS  # of the kernel
    revision: str = ""
    library: dict[str, str] = field(default_factory=lambda: closure(first_boot.__name__))

    def inputs(self) -> str:
        """Digest of all that decides about the result, apart from the state of the mirror."""
        return recipe.digest(
            {
                "recipe": RECIPE,
                "suite": SUITE,
                "dpkg": DPKG_OPTIONS,
                "variables": VARIABLES,
                "packages": sorted({*self.packages, *MACHINE, KERNELS[self.drivers]}),
                "firmware": sorted(self.firmware),
                "arguments": list(self.arguments),
                "file_system": [BLOCK, INODE_RATIO, JOURNAL_MEBIBYTES],
                "esp": [ESP_BYTES, efi.SHIM, efi.GRUB],
                "files": FILES,
                "finish": FINISH,
                "pruned": PRUNED,
                "library": {name: recipe.code_digest(text) for name, text in self.library.items()},
                "revision": self.revision,
            }
        )


def closure(name: str) -> dict[str, str]:
    """Source texts of a module of the collection and of all modules of the collection that it imports, by name."""
    found: dict[str, str] = {}
    prefix = "ansible_collections.ozone.openstack."

    def add(module: str) -> None:
        path = COLLECTION / (module.removeprefix(prefix).replace(".", "/") + ".py")
        if module in found or not path.is_file():
            return
        found[module] = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(found[module])):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(prefix):
                add(str(node.module))
                for alias in node.names:
                    add(f"{node.module}.{alias.name}")

    add(name)
    return dict(sorted(found.items()))


def build(shop: Workshop, golden: Golden, work: Path, out: Path) -> dict[str, Any]:
    """Make ``<name>.raw`` in ``out``; what it is. ``work`` is a scratch directory."""
    key, began = golden.inputs(), time.time() - 3600
    root = work / "root"
    shop.say(f"{golden.name}: installing Debian packages")
    components = ("main", "non-free-firmware") if golden.firmware else ("main",)
    packages = sorted({*golden.packages, *MACHINE, KERNELS[golden.drivers], *golden.firmware})
    shop.root(root, packages, components=components)
    kernels = sorted(path.name for path in (root / "boot").glob("vmlinuz-*"))
    if len(kernels) != 1 or not (root / "vmlinuz").is_symlink() or not (root / "initrd.img").is_symlink():
        raise BuildError(f"{golden.name}: expected one kernel with its links, found {', '.join(kernels) or 'none'}")
    ids = {what: efi.identity(key, what) for what in ("disk", "esp", "root", "file-system", "hash")}
    shop.say(f"{golden.name}: finishing")
    furnish(root, golden, ids["file-system"])
    shop.inside(root, work, FINISH)
    remove(root, PRUNED)
    forget(root)
    settle(root, began)
    shop.say(f"{golden.name}: writing the disk")
    size = root_size(root)
    partitions = [
        efi.Partition("esp", efi.ESP_TYPE, ids["esp"], efi.MEBIBYTE, ESP_BYTES),
        efi.Partition("root", efi.ROOT_TYPE, ids["root"], efi.MEBIBYTE + ESP_BYTES, size),
    ]
    total = efi.MEBIBYTE + ESP_BYTES + size + efi.MEBIBYTE
    texts = {"EFI/debian/grub.cfg": loader(ids["file-system"])}
    efi.put_texts(work, texts)
    (work / "table").write_text(efi.table(ids["disk"], partitions), encoding="ascii")
    contents = efi.files(efi.GRUB, texts)
    shop.with_tools(
        work,
        efi.script("/mnt/esp", ESP_BYTES // efi.MEBIBYTE, ids["esp"][:8], contents, "ESP")
        + write_script(total, partitions[1], ids),
    )
    shutil.move(work / "disk", out / f"{golden.name}.raw")
    return {"kernel_version": kernels[0].removeprefix("vmlinuz-"), "drivers": golden.drivers, "virtual_size": total}


def write_script(total: int, root: efi.Partition, ids: dict[str, str]) -> str:
    """Shell commands that make /mnt/disk of /mnt/table, /mnt/esp and /mnt/root."""
    return f"""\
truncate -s {total} /mnt/disk
sfdisk --quiet /mnt/disk </mnt/table
dd if=/mnt/esp of=/mnt/disk bs=1M seek=1 conv=notrunc,sparse status=none
mke2fs -q -t ext4 -L root -U {ids["file-system"]} -m 1 -d /mnt/root \\
  -b {BLOCK} -i {INODE_RATIO} -J size={JOURNAL_MEBIBYTES} \\
  -E offset={root.start},hash_seed={ids["hash"]},nodiscard,lazy_itable_init=1,lazy_journal_init=1 \\
  /mnt/disk {root.size // 1024}k
"""


def root_size(root: Path) -> int:
    """Bytes of a file system that has room for ``root`` and a little more, in whole MiB.

    All of it is sent to each machine; what the machine needs comes when the file system grows, before anything writes.
    """
    used = 0
    for directory, names, files in os.walk(root):
        for name in [*names, *files]:
            used += -(-os.lstat(os.path.join(directory, name)).st_size // BLOCK) * BLOCK
    return (int(used * 1.06) // efi.MEBIBYTE + JOURNAL_MEBIBYTES + 16) * efi.MEBIBYTE


def loader(file_system: str) -> str:
    """What GRUB reads first, on the EFI system partition, as on any Debian."""
    return f"search.fs_uuid {file_system} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"


def menu(file_system: str, arguments: Sequence[str]) -> str:
    """GRUB's configuration: the newest kernel, by the links that Debian's kernel packages keep."""
    words = " ".join([f"root=UUID={file_system}", "ro", *arguments])
    return f"""\
set timeout=1
menuentry "Debian GNU/Linux" {{
  linux /vmlinuz {words}
  initrd /initrd.img
}}
menuentry "Debian GNU/Linux, the kernel before" {{
  linux /vmlinuz.old {words}
  initrd /initrd.img.old
}}
"""


def furnish(root: Path, golden: Golden, file_system: str) -> None:
    """Our own files."""
    files = {
        **FILES,
        "boot/grub/grub.cfg": menu(file_system, golden.arguments),
        "etc/fstab": f"UUID={file_system} / ext4 defaults,errors=remount-ro,x-systemd.growfs 0 1\n",
        **{f"{LIBRARY}/{name.replace('.', '/')}.py": text for name, text in golden.library.items()},
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)


def forget(root: Path) -> None:
    """What is left where something was that identifies a machine. An empty machine-id is made anew, without the work
    of a "first boot" in the sense of systemd.
    """
    for name in ("etc/machine-id", "etc/hostname"):
        (root / name).write_text("" if name == "etc/machine-id" else "localhost\n", encoding="ascii")
    (root / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    for name in ("var/log/journal", "root/.ssh", "var/lib/ozone"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "root/.ssh").chmod(0o700)
    for name in ("etc/.updated", "var/.updated"):
        (root / name).write_text("", encoding="ascii")
        os.utime(root / name, (EPOCH, EPOCH))
