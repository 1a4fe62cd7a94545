# SPDX-License-Identifier: Apache-2.0
"""Boot loaders for UEFI: file systems of EFI system partitions, and the table of a whole disk.

The programs are those that Debian has signed, so that machines with Secure Boot start them: shim, which the firmware
knows, then GRUB. GRUB reads its configuration from where :func:`script` puts it, or from the medium that Ironic makes.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Where Debian's packages have the signed programs.
SHIM = "/usr/lib/shim/shimx64.efi.signed"
MANAGER = "/usr/lib/shim/mmx64.efi.signed"
#: GRUB of an installed system; it reads EFI/debian/grub.cfg of its partition.
GRUB = "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
#: GRUB of a medium; it reads boot/grub/grub.cfg of the medium, where Ironic has to write it (``grub_config_path``).
GRUB_MEDIUM = "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"

#: Types of partitions (UEFI specification; Discoverable Partitions Specification).
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
ROOT_TYPE = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"

SECTOR = 512
MEBIBYTE = 1024 * 1024


def identity(key: str, what: str) -> str:
    """A UUID that is the same for the same image."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"ozone:{key}:{what}"))


def files(grub: str, texts: Collection[str] = ()) -> dict[str, str]:
    """Files of the partition -> where they come from: a path among the tools, or a file of /mnt for a text."""
    programs = {"EFI/BOOT/BOOTX64.EFI": SHIM, "EFI/BOOT/mmx64.efi": MANAGER, "EFI/BOOT/grubx64.efi": grub}
    return {**programs, **{name: f"/mnt/{plain(name)}" for name in texts}}


def plain(name: str) -> str:
    """Name of the file of the scratch directory that becomes the file ``name``."""
    return "esp-" + name.replace("/", "-")


def put_texts(work: Path, texts: Mapping[str, str]) -> None:
    """Put texts where :func:`files` says that they are."""
    for name, text in texts.items():
        (work / plain(name)).write_text(text, encoding="utf-8")


def script(target: str, mebibytes: int, serial: str, contents: Mapping[str, str], label: str) -> str:
    """Shell commands that make the file system ``target`` with ``contents`` (path -> source), always the same bytes."""
    directories = sorted(
        {"/".join(parts[:n]) for name in contents for parts in [name.split("/")] for n in range(1, len(parts))}
    )
    lines = [
        f"rm -f {target}; truncate -s {mebibytes}M {target}",
        f"mkfs.vfat --invariant -i {serial} -n {label} {target} >/dev/null",
        *(f"mmd -i {target} ::{directory}" for directory in directories),
    ]
    for name, source in sorted(contents.items()):
        lines.append(
            f'cp {source} /tmp/one; touch -d "@$SOURCE_DATE_EPOCH" /tmp/one; mcopy -m -i {target} /tmp/one ::{name}'
        )
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Partition:
    """A partition, in bytes from the beginning of the disk."""

    name: str
    type: str
    uuid: str
    start: int
    size: int


def table(disk: str, partitions: Sequence[Partition]) -> str:
    """Input of sfdisk(8) for a GPT."""
    lines = ["label: gpt", f"label-id: {disk}", "unit: sectors", f"first-lba: {MEBIBYTE // SECTOR}"]
    lines += [
        f"start={part.start // SECTOR}, size={part.size // SECTOR}, type={part.type}, uuid={part.uuid}, "
        f'name="{part.name}"'
        for part in partitions
    ]
    return "\n".join(lines) + "\n"
