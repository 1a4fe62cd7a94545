# SPDX-License-Identifier: Apache-2.0
"""Where images of disks are made: roots of Debian 13, and the tools that work on them.

The tools (file systems, boot loaders, compression) come from a root of their own and not from the deployment host: what
they write is then the same on every host, and the host needs nothing but mmdebstrap. The root of the tools is kept in
the cache. What depends on the time of day is tied to :data:`EPOCH`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive
from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import Mirror, MirrorError
from ansible_collections.ozone.openstack.plugins.module_utils.images import locks, recipe
from ansible_collections.ozone.openstack.plugins.module_utils.images.build import BuildError, run_command
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import MACHINE_PYTHON, MACHINE_SUITE
from ansible_collections.ozone.openstack.plugins.module_utils.python_index import pip_settings, uv_environment

SUITE, PYTHON = MACHINE_SUITE, MACHINE_PYTHON

#: The date of whatever an image's making has made: that of Debian 13.
EPOCH = 1754697600

#: Debian packages of the tools: file systems, partitions, boot loaders that the suite has signed, compression.
TOOLS = (
    "dosfstools", "e2fsprogs", "fdisk", "grub-efi-amd64-signed", "kmod", "mtools", "shim-signed", "zstd",
)  # fmt: skip

#: Files of Debian packages that no image needs. Copyright notices stay.
DPKG_OPTIONS = recipe.DPKG_OPTIONS

#: Variables of every command inside a root.
VARIABLES = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "SOURCE_DATE_EPOCH": str(EPOCH),
    "PYTHONHASHSEED": "0",
}

Bootstrap = Callable[..., None]


class Workshop:
    """Makes roots and runs commands in them, all within one time limit. ``cache``: the directory of disk images."""

    def __init__(
        self,
        cache: Path,
        mirror: Callable[[Sequence[str]], Mirror],
        bootstrap: Bootstrap,
        *,
        log: Path,
        timeout: float,
        report: Callable[[str], None] = lambda text: None,
    ) -> None:
        """``mirror`` gives where components of the suite come from; ``log`` takes the output of all commands."""
        self.cache = cache
        self.mirror = mirror
        self.bootstrap = bootstrap
        self.log = log
        self.started = time.monotonic()
        self.deadline = self.started + timeout
        self.report = report

    def left(self) -> float:
        """Seconds that are left."""
        return max(self.deadline - time.monotonic(), 1)

    def say(self, text: str) -> None:
        """Progress, with the time since the start."""
        self.report(f"{text} ({time.monotonic() - self.started:.0f} s)")

    def root(
        self,
        target: Path,
        packages: Sequence[str],
        *,
        variant: str = "minbase",
        components: Sequence[str] = ("main",),
        hooks: Sequence[str] = (),
    ) -> None:
        """A root of the suite with ``packages``; with variant ``extract`` they are only unpacked. Raises BuildError."""
        log = self.log.with_name(f"{self.log.stem}-{target.name}.log")
        extra = ["--mode=root", "--architectures=amd64", *(f"--dpkgopt={option}" for option in DPKG_OPTIONS)]
        extra += [f"--customize-hook={hook}" for hook in hooks]
        try:
            self.bootstrap(
                SUITE,
                target,
                self.mirror(components),
                timeout=self.left(),
                log=log,
                variant=variant,
                include=sorted(packages),
                extra=extra,
                environ={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)},
            )
        except MirrorError as error:
            raise BuildError(str(error)) from error
        for name in ("hosts", "resolv.conf"):  # those of the host are mounted over them while commands run
            path = target / "etc" / name
            if variant != "extract" and not path.exists():
                path.unlink(missing_ok=True)
                path.write_text("", encoding="utf-8")

    def tools_key(self) -> str:
        """Name of the tools' root in the cache."""
        return f"tools-{recipe.digest({'suite': SUITE, 'packages': TOOLS, 'dpkg': DPKG_OPTIONS})[:12]}"

    def tools(self) -> Path:
        """The root of the tools; made when it is not there."""
        target = self.cache / self.tools_key()
        if target.is_dir():
            return target
        self.cache.mkdir(parents=True, exist_ok=True)
        with exclusive(self.cache / ".tools.lock", self.left()):
            if target.is_dir():
                return target
            for stale in self.cache.glob(".tools-*.new"):
                shutil.rmtree(stale)
            self.say("installing the tools")
            work = Path(tempfile.mkdtemp(prefix=".tools-", suffix=".new", dir=self.cache))
            work.chmod(0o755)
            try:
                self.root(work, TOOLS)
                work.rename(target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        return target

    def inside(self, root: Path, work: Path, script: str, variables: Mapping[str, str] | None = None) -> None:
        """Run a shell script in ``root``, where ``work`` is /mnt. Raises BuildError with the end of the log."""
        words = [f"{name}={value}" for name, value in sorted({**VARIABLES, **(variables or {})}.items())]
        argv = recipe.enter(root, work, [], ["chroot", str(root), "env", "-i", *words, "/bin/sh", "-euc", script])
        with self.log.open("a", encoding="utf-8") as output:
            try:
                run_command(argv, self.left(), output=output)
            except BuildError as error:
                output.flush()
                tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
                raise BuildError("\n".join([str(error), f"{self.log}:", *(line[:300] for line in tail)])) from error

    def with_tools(self, work: Path, script: str) -> None:
        """Run a shell script among the tools."""
        self.inside(self.tools(), work, script)

    def python(self, target: Path, lock: Path, build: Path, source: Sequence[str]) -> None:
        """Put the packages of a lock file into a directory, from where the host's pip takes them."""
        argv = [locks.find_uv(), "pip", "install", "--quiet", "--no-progress", "--target", str(target)]
        argv += ["--python-version", PYTHON, "--python-platform", locks.platform(SUITE)]
        argv += ["--require-hashes", "--no-deps", "--link-mode", "copy", "--only-binary", ":all:"]
        argv += [word for name in source for word in ("--no-binary", name)]
        argv += ["--build-constraints", str(build), "-r", str(lock)]
        added = uv_environment(pip_settings(shutil.which("python3") or "/usr/bin/python3"), os.environ)
        with self.log.open("a", encoding="utf-8") as output:
            try:
                run_command(argv, self.left(), output=output, environ=added)
            except BuildError as error:
                output.flush()
                tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
                raise BuildError("\n".join([str(error), f"{self.log}:", *(line[:300] for line in tail)])) from error


def settle(root: Path, since: float) -> None:
    """Give the date :data:`EPOCH` to whatever was made after ``since``; what packages brought keeps its own."""
    for directory, names, files in os.walk(root, topdown=False):
        for path in [*(os.path.join(directory, name) for name in [*names, *files]), directory]:
            if os.lstat(path).st_mtime >= since:
                os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def remove(root: Path, patterns: Sequence[str]) -> None:
    """Remove files and directories below a root, named by patterns; what is not there is no mistake."""
    for pattern in patterns:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
