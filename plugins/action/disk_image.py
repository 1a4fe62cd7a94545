# SPDX-License-Identifier: Apache-2.0
"""Action: build the disk images of bare metal on the deployment host."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import (
    Mirror,
    MirrorError,
    bootstrap,
    debian_mirror,
)
from ansible_collections.ozone.openstack.plugins.module_utils.images import disk, locks, ramdisk
from ansible_collections.ozone.openstack.plugins.module_utils.images.build import BuildError
from ansible_collections.ozone.openstack.plugins.module_utils.images.disks import (
    Disks,
    Image,
    make_golden,
    make_ramdisk,
    ramdisk_key,
)
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import ReleaseError, load_release
from ansible_collections.ozone.openstack.plugins.module_utils.images.workshop import SUITE, Workshop
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION, cache_dir
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction

RAMDISK = "ramdisk"

#: Names of golden images. Others are directories of the cache.
_NAME = re.compile(r"(?!tools|logs|cloud-ramdisk)[a-z][a-z0-9.-]{0,62}\Z")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "release": {"type": "str"},
    "releases": {"type": "path"},
    "drivers": {"type": "str", "choices": ["all", "virtual"], "default": "all"},
    "firmware": {"type": "list", "elements": "str", "default": []},
    "packages": {"type": "list", "elements": "str"},
    "kernel_arguments": {"type": "list", "elements": "str"},
    "ca": {"type": "path"},
    "agent": {"type": "dict", "default": {}},
    "revision": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 1800},
    "lock_timeout": {"type": "int", "default": 3600},
    "force": {"type": "bool", "default": False},
    "prune": {"type": "bool", "default": False},
    "debian_sources": {"type": "list", "elements": "str", "default": []},
    "debian_keyrings": {"type": "list", "elements": "path", "default": []},
}


class ActionModule(LocalAction):
    """``ozone.openstack.disk_image``: the module's documentation describes the options."""

    _supports_check_mode = True
    _supports_diff = True
    ARGUMENTS = ARGUMENTS
    EXPECTED = (BuildError, ReleaseError, MirrorError, OSError)

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Build the image if it is not there."""
        check = bool(self._task.check_mode)
        disks = Disks(
            cache_dir(os.environ) / "disks", lambda log: workshop(log, options), lock_timeout=options["lock_timeout"]
        )
        image = self._image(disks, options, check)
        result = {
            "changed": image.changed,
            "directory": str(image.directory),
            "files": [dict(file) for file in image.files],
            "about": dict(image.about),
            "seconds": image.seconds,
            "pruned": [],
        }
        if options["prune"]:
            names = [RAMDISK, "cloud-ramdisk"] if options["name"] == RAMDISK else [options["name"]]
            kept = [image.directory, *self._kept]
            result["pruned"] = disks.prune(kept, names, check=check)
            result["changed"] |= bool(result["pruned"])
        if self._task.diff and image.changed:
            lines = [f"{file['name']} {file['sha256']}\n" for file in image.files] or ["to be built\n"]
            result["diff"] = {"before": "", "after": "".join(lines), "after_header": str(image.directory)}
        return result

    def _image(self, disks: Disks, options: dict[str, Any], check: bool) -> Image:
        force, name = options["force"], options["name"]
        self._kept: list[Path] = []
        if not _NAME.match(name):
            raise AnsibleActionFail(f"name: {name!r} cannot be one; lower case letters, digits, . and -")
        if name != RAMDISK:
            for option in ("ca", "agent"):
                if options[option]:
                    raise AnsibleActionFail(f"{option}: only the ramdisk takes it, not {name}")
            golden = disk.Golden(
                name,
                disk.DEFAULT if options["packages"] is None else options["packages"],
                options["drivers"],
                options["firmware"],
                disk.ARGUMENTS if options["kernel_arguments"] is None else options["kernel_arguments"],
                options["revision"],
            )
            return disks.ensure(name, golden.inputs(), make_golden(golden), force=force, check=check)
        if options["kernel_arguments"]:
            raise AnsibleActionFail("kernel_arguments: those of the ramdisk are Ironic's kernel_append_params")
        if not options["release"]:
            raise AnsibleActionFail("release: the ramdisk has the agent of a release: say which")
        release = load_release(Path(options["releases"] or COLLECTION / "releases"), options["release"])
        lock, build = release.lock(locks.RAMDISK), release.lock(locks.BUILD)
        for file in (lock, build):
            if not file.is_file():
                raise BuildError(f"{file}: is missing; remedy: make locks")
        pinned = set(locks.parse_lock(lock.read_text(encoding="utf-8")))
        source = sorted(pinned & {locks.normalize(package) for package in release.source})
        what = ramdisk.Ramdisk(
            lock, build, source, options["drivers"], options["firmware"], options["packages"] or (), options["revision"]
        )
        image = disks.ensure(name, ramdisk_key(what), make_ramdisk(what), force=force, check=check)
        if options["ca"] or options["agent"]:
            self._kept.append(image.directory)
            ca = Path(options["ca"]).read_text(encoding="utf-8") if options["ca"] else None
            image = disks.for_cloud(
                image, ca, {key: str(value) for key, value in options["agent"].items()}, check=check
            )
        return image


def workshop(log: Path, options: dict[str, Any]) -> Workshop:
    """The workshop, with the mirror of this host."""

    def mirror(components: Sequence[str]) -> Mirror:
        return debian_mirror(SUITE, components, sources=options["debian_sources"], keyrings=options["debian_keyrings"])

    return Workshop(cache_dir(os.environ) / "disks", mirror, bootstrap, log=log, timeout=options["timeout"], report=say)


def say(text: str) -> None:
    """Show progress while the task runs: a first build takes minutes."""
    Display().display(f"  {text}")
