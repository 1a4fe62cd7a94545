# SPDX-License-Identifier: Apache-2.0
"""The disk images of the cache: built when what they are made of is new, complete or not there.

``$OZONE_CACHE/disks/<name>-<key>/`` holds the files of one image and ``meta.json`` with their checksums. The key is the
digest of all that the image is made of, apart from the state of the mirror: another ``revision`` takes up what Debian
has published since. An image is made beside its place and renamed; a build that was broken off is cleared by the next.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive, write_atomic
from ansible_collections.ozone.openstack.plugins.module_utils.images import disk, efi, ramdisk, recipe
from ansible_collections.ozone.openstack.plugins.module_utils.images.build import BuildError
from ansible_collections.ozone.openstack.plugins.module_utils.images.disk import Golden
from ansible_collections.ozone.openstack.plugins.module_utils.images.ramdisk import Ramdisk
from ansible_collections.ozone.openstack.plugins.module_utils.images.workshop import Workshop

#: Space for a root, its kernel and the image that is made of them.
NEEDED_BYTES = 6 * 1024**3

#: Size in MiB and serial number of the partition from which a machine starts Ironic's virtual media.
BOOT_MEBIBYTES, BOOT_SERIAL = 8, "4f5a4f4e"

META = "meta.json"


class File(TypedDict):
    """A file of an image. ``name``: what it is called where it is published."""

    name: str
    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Image:
    """An image of the cache; without files when it would have to be built."""

    name: str
    key: str
    directory: Path
    files: Sequence[File]
    about: Mapping[str, Any]
    changed: bool
    seconds: float = 0.0


Make = Callable[[Workshop, Path, Path], dict[str, Any]]


def make_ramdisk(what: Ramdisk) -> Make:
    """Makes the ramdisk, and what boots it from virtual media."""

    def make(shop: Workshop, work: Path, out: Path) -> dict[str, Any]:
        about = ramdisk.build(shop, what, work, out)
        contents = efi.files(efi.GRUB_MEDIUM)
        shop.with_tools(work, efi.script("/mnt/esp.img", BOOT_MEBIBYTES, BOOT_SERIAL, contents, "OZONE"))
        shutil.move(work / "esp.img", out / "esp.img")
        return about

    return make


def make_golden(what: Golden) -> Make:
    """Makes a golden image."""
    return lambda shop, work, out: disk.build(shop, what, work, out)


def ramdisk_key(what: Ramdisk) -> str:
    """Digest of all that the ramdisk and its boot partition are made of."""
    return recipe.digest([what.inputs(), BOOT_MEBIBYTES, BOOT_SERIAL, efi.files(efi.GRUB_MEDIUM)])


class Disks:
    """The images below ``root`` (``$OZONE_CACHE/disks``)."""

    def __init__(self, root: Path, shop: Callable[[Path], Workshop], *, lock_timeout: float = 3600) -> None:
        """``shop`` gives the workshop whose commands write their output to a file."""
        self.root = root
        self.shop = shop
        self.lock_timeout = lock_timeout

    def place(self, name: str, key: str) -> Path:
        """Where an image is, or will be."""
        return self.root / f"{name}-{key[:12]}"

    def read(self, name: str, key: str) -> Image | None:
        """An image that is complete."""
        directory = self.place(name, key)
        try:
            meta = json.loads((directory / META).read_text(encoding="utf-8"))
            files = [_file(directory, entry) for entry in meta["files"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not all(
            Path(file["path"]).is_file() and Path(file["path"]).stat().st_size == file["size"] for file in files
        ):
            return None
        return Image(name, key, directory, files, meta["about"], changed=False)

    def ensure(self, name: str, key: str, make: Make, *, force: bool = False, check: bool = False) -> Image:
        """The image, built when it is not there. ``check``: nothing is built. Raises BuildError."""
        found = None if force else self.read(name, key)
        if found is not None:
            return found
        if check:
            return Image(name, key, self.place(name, key), (), {}, changed=True)
        self.root.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        try:
            with exclusive(self.root / f".{name}.lock", self.lock_timeout):
                found = None if force else self.read(name, key)
                if found is None:
                    self._build(name, key, make)
        except TimeoutError as error:
            raise BuildError(f"another build makes {name}: {error}") from None
        made = self.read(name, key)
        if made is None:
            raise BuildError(f"{self.place(name, key)}: was built, but is not complete")
        changed = found is None
        return Image(name, key, made.directory, made.files, made.about, changed, round(time.monotonic() - started, 1))

    def _build(self, name: str, key: str, make: Make) -> None:
        """Make an image; for who holds the lock."""
        for stale in self.root.glob(f".{name}-*.new"):
            shutil.rmtree(stale)
        if shutil.disk_usage(self.root).free < NEEDED_BYTES:
            raise BuildError(
                f"{self.root}: building {name} needs {NEEDED_BYTES >> 30} GB of free space; "
                "remedy: free some, or set OZONE_CACHE"
            )
        log = self.root / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text("", encoding="utf-8")
        work = Path(tempfile.mkdtemp(prefix=f".{name}-", suffix=".new", dir=self.root))
        try:
            work.chmod(0o755)
            out = work / "out"
            out.mkdir()
            about = make(self.shop(log), work, out)
            meta = {
                "name": name,
                "key": key,
                "about": about,
                "files": [described(name, path) for path in sorted(out.iterdir())],
            }
            write_atomic(out / META, json.dumps(meta, indent=1, sort_keys=True) + "\n", 0o644)
            target = self.place(name, key)
            if target.exists():
                target.rename(work / "replaced")
            out.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def for_cloud(self, image: Image, ca: str | None, options: Mapping[str, str], *, check: bool = False) -> Image:
        """The ramdisk with the CA and the agent's options of one cloud."""
        if not image.files:
            return image
        added = ramdisk.overlay(ca, options)
        key = recipe.digest([image.key, hashlib.sha256(added).hexdigest()])
        base = {file["name"]: file for file in image.files}

        def make(shop: Workshop, work: Path, out: Path) -> dict[str, Any]:
            ramdisk.combine(Path(base["ramdisk.initramfs"]["path"]), added, out / "ramdisk.initramfs")
            for name in ("ramdisk.kernel", "esp.img"):
                shutil.copyfile(base[name]["path"], out / name)
            return dict(image.about)

        made = self.ensure("cloud-ramdisk", key, make, check=check)
        changed = image.changed or made.changed
        return Image(image.name, key, made.directory, made.files, made.about, changed, image.seconds + made.seconds)

    def prune(self, kept: Sequence[Path], names: Sequence[str], *, check: bool = False) -> list[str]:
        """Remove the images called ``names`` but those that are kept; what was removed."""
        wanted = {name: self.root.glob(f"{name}-" + "[0-9a-f]" * 12) for name in names}
        found = sorted(path for paths in wanted.values() for path in paths if path not in kept)
        for path in found if not check else ():
            shutil.rmtree(path)
        return [path.name for path in found]


def _file(directory: Path, entry: Mapping[str, Any]) -> File:
    """A file as meta.json has it, with its place."""
    path = str(directory / entry["path"])
    return {"name": entry["name"], "path": path, "sha256": entry["sha256"], "size": entry["size"]}


def described(image: str, path: Path) -> File:
    """A file with its checksum. A golden image is published under a name that says its content."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    name = f"{image}-{digest[:12]}.raw" if path.suffix == ".raw" else path.name
    return {"name": name, "path": path.name, "sha256": digest, "size": path.stat().st_size}
