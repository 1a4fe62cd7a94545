# SPDX-License-Identifier: Apache-2.0
"""Lock files of a release: every package of every image with version and hashes, resolved once, committed, reviewed.

``make locks`` (ozone.openstack.locks) resolves them with ``uv pip compile`` from the upper constraints of the release.
Builds use nothing but these files. No address of an index is written into them; where uv fetches from is configured on
the computer, not in the project.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import write_if_changed
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import (
    MACHINE_PYTHON,
    MACHINE_SUITE,
    Release,
    ReleaseError,
    load_release,
)
from ansible_collections.ozone.openstack.plugins.module_utils.python_index import pip_settings, uv_environment

#: The build back ends are an environment of their own, beside those of the images.
BUILD = "build"

#: Ironic's ramdisk is no image of a service, and has another Python.
RAMDISK = "ramdisk"

#: uv's name for Linux x86_64 with the C library of the base suite.
_PLATFORMS = {"bookworm": "x86_64-manylinux_2_36", "trixie": "x86_64-manylinux_2_40"}  # uv knows none newer

_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)

Compile = Callable[[Sequence[str], Mapping[str, str]], str]


def normalize(name: str) -> str:
    """Name of a package as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_lock(text: str) -> dict[str, str]:
    """Package (normalized) -> version of a lock file."""
    return {normalize(name): version for name, version in _PIN.findall(text)}


def lock_problems(text: str, requirements: Sequence[str]) -> list[str]:
    """What is wrong with a lock file, in sentences: foreign lines, missing hashes, other requirements than today's."""
    problems = []
    if header(requirements) not in text.splitlines()[:3]:
        problems.append("was resolved from other requirements than release.yml and images.yml have now")
    for line in text.splitlines():
        if line.startswith("-") or "://" in line or " @ " in line:
            problems.append(f"has a line that a lock must not have: {line.strip()}")
    pins = re.split(r"(?m)^(?=[A-Za-z0-9])", text)
    problems += [f"{pin.split()[0]} has no hash" for pin in pins if _PIN.match(pin) and not _HASH.search(pin)]
    if not parse_lock(text):
        problems.append("holds no package")
    return problems


def header(requirements: Sequence[str]) -> str:
    """The line by which a lock says what it was resolved from, so that a forgotten ``make locks`` is found."""
    return f"# requirements: {' '.join(requirements)}"


def constraints_without(text: str, names: Sequence[str]) -> str:
    """Upper constraints without comments and without the packages ``names``."""
    dropped = {normalize(name) for name in names}
    kept = []
    for line in text.splitlines():
        match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*===", line)
        if match and normalize(match[1]) not in dropped:
            kept.append(line.strip())
    return "".join(f"{line}\n" for line in sorted(kept, key=str.lower))


def platform(suite: str) -> str:
    """uv's name of a Debian suite. Raises ReleaseError."""
    try:
        return _PLATFORMS[suite]
    except KeyError:
        raise ReleaseError(f"suite {suite} is not known here; known: {', '.join(_PLATFORMS)}") from None


def compile_argv(uv: str, suite: str, python: str, requirements: str, constraints: str | None) -> list[str]:
    """The uv command that resolves one lock; it prints the lock on standard output."""
    argv = [uv, "pip", "compile", "--quiet", "--python-version", python, "--python-platform", platform(suite)]
    argv += [
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--no-header",
        "--annotation-style=line",
    ]
    if constraints is not None:
        argv += ["--constraints", constraints]
    return [*argv, requirements]


def resolve(release: Release, constraints: str, uv: str, run: Compile, environ: Mapping[str, str]) -> dict[str, str]:
    """Text of every lock of ``release``, by image, and of ``build``."""
    wanted = {image: release.requirements(image) for image in sorted(release.images)}
    wanted[BUILD] = sorted(release.build)
    if release.ramdisk:
        wanted[RAMDISK] = release.ramdisk_requirements()
    locks = {}
    with tempfile.TemporaryDirectory(prefix="ozone-locks-") as directory:
        pinned = Path(directory, "constraints.txt")
        # Build back ends are not part of the release; an image that needs setuptools gets the constrained one.
        pinned.write_text(constraints_without(constraints, []), encoding="utf-8")
        for image, requirements in wanted.items():
            source = Path(directory, f"{image}.in")
            source.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
            of = (MACHINE_SUITE, MACHINE_PYTHON) if image == RAMDISK else (release.suite, release.python)
            argv = compile_argv(uv, *of, str(source), None if image == BUILD else str(pinned))
            # uv names the file that asked for a package: it is of no interest, and not the same on every computer.
            body = re.sub(r"(?:-r|-c) \S*?([^/\s,]+\.(?:in|txt))", r"\1", run(argv, environ))
            locks[image] = (
                f"# Made by `make locks` for OpenStack {release.name}; do not edit.\n"
                f"{header(requirements)}\n{body.strip()}\n"
            )
    return locks


def read_constraints(release: Release, directory: str | None, timeout: float = 60) -> str:
    """Upper constraints of ``release``: ``<release>.txt`` in ``directory``, else from the published address."""
    if directory:
        try:
            return Path(directory, f"{release.name}.txt").read_text(encoding="utf-8")
        except OSError as error:
            raise ReleaseError(f"{directory}/{release.name}.txt: cannot be read: {error.strerror}") from None
    try:
        with urllib.request.urlopen(release.constraints, timeout=timeout) as answer:  # noqa: S310 - http(s) by schema
            return str(answer.read().decode())
    except OSError as error:
        raise ReleaseError(
            f"{release.constraints}: cannot be fetched: {error}; remedy: save the file as DIRECTORY/{release.name}.txt "
            "and set OZONE_CONSTRAINTS_DIR=DIRECTORY"
        ) from None


def find_uv() -> str:
    """The uv beside the running interpreter, else the one in PATH."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")
    if not found:
        raise ReleaseError("uv is not installed; remedy: make setup")
    return found


def _compile(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Run uv; its standard output."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False, env=dict(environ))
    except subprocess.TimeoutExpired:
        raise ReleaseError("uv pip compile did not end within 600 s") from None
    if done.returncode != 0:
        raise ReleaseError(f"uv pip compile failed:\n{done.stderr.strip()}")
    return done.stdout


def lock_releases(
    releases: Path, names: Sequence[str], constraints_dir: str | None, *, check: bool = False
) -> list[str]:
    """Resolve and write the locks of the releases ``names``; the sorted list of files that changed (or would)."""
    uv = find_uv()
    python = shutil.which("python3") or sys.executable
    environ = {**os.environ, **uv_environment(pip_settings(python), os.environ, locking=True)}
    changed = []
    for name in names:
        release = load_release(releases, name)
        for image, text in resolve(release, read_constraints(release, constraints_dir), uv, _compile, environ).items():
            if write_if_changed(release.lock(image), text, 0o644, check=check):
                changed.append(str(release.lock(image)))
    return sorted(changed)


def digest(text: str) -> str:
    """sha256 of the pins and hashes of a lock: comments do not make another image."""
    lines = [line.split("#")[0].rstrip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()
