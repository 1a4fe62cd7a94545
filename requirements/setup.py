# SPDX-License-Identifier: Apache-2.0
"""Make what a clone needs to run: its Python environment and its link as a collection. Called by the Makefile.

    python3 requirements/setup.py runtime    # to deploy;  dev: to check and test;  kolla: the peer of bench/
                                             # ironic-test: a real Ironic for tests/fleet;  bmc: the Redfish emulator
    python3 requirements/setup.py lock       # resolve the *.in files anew

The environment lies in the cache, named by the digest of the lock file: a changed lock makes a new one, an unchanged
one costs nothing. `.ansible/venv-<kind>` points at it. Runs with the system's Python and its standard library alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
sys.path.insert(0, str(ROOT / "plugins" / "module_utils"))

from paths import cache_dir  # noqa: E402 - found on the path set above
from python_index import pip_settings, uv_environment  # noqa: E402 - found on the path set above

#: Seconds. A cold index on a slow line may need some; a hanging one must not hang the set-up.
TIMEOUT = 900
OLDEST, NEWEST = (3, 11), (3, 13)
KINDS = ("runtime", "dev", "kolla", "ironic-test", "bmc")
#: What is OpenStack itself is resolved within the upper constraints of this release.
CONSTRAINED = {"ironic-test": "2026.1"}


def run(argv: list[str], environ: dict[str, str]) -> None:
    """Run a command, its output shown; a failure or a hang ends the set-up with what to look at."""
    try:
        subprocess.run(argv, env=environ, cwd=ROOT, check=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        sys.exit(f"setup: {' '.join(argv[:4])} ... did not end within {TIMEOUT} s; is the package index reachable?")
    except subprocess.CalledProcessError as error:
        sys.exit(f"setup: {' '.join(argv[:4])} ... failed with exit code {error.returncode}; its output is above")


def link(path: Path, target: Path) -> None:
    """Make ``path`` a symbolic link to ``target``, atomically."""
    if path.is_symlink() and path.readlink() == target:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.symlink_to(target, target_is_directory=True)
    temporary.replace(path)


def environment(kind: str) -> Path:
    """The virtual environment of ``kind``, made when it is not there. Two set-ups at the same time: one waits."""
    lock = REQUIREMENTS / f"{kind}.lock"
    key = hashlib.sha256(lock.read_bytes() + f"{sys.version_info[:2]}{platform.machine()}".encode()).hexdigest()[:12]
    venv = cache_dir(os.environ) / f"venv-{key}"
    complete = venv / ".complete"
    venv.parent.mkdir(parents=True, exist_ok=True)
    with venv.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if complete.exists() and (venv / "bin" / "python").exists():
            return venv
        print(f"setup: Python environment for {kind}: {venv}", file=sys.stderr, flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(venv)], dict(os.environ))
        python = str(venv / "bin" / "python")
        # First uv by pip, at the locked version and hash; then everything by uv, which takes seconds.
        uv_lock = venv / "uv.lock"
        uv_lock.write_text(locked("uv", lock.read_text()))
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--require-hashes", "-r", str(uv_lock)], dict(os.environ))  # fmt: skip
        environ = {**os.environ, **uv_environment(pip_settings(python), os.environ)}
        run([str(venv / "bin" / "uv"), "pip", "install", "--quiet", "--require-hashes", "--no-deps",
             "--python", python, "-r", str(lock)], environ)  # fmt: skip
        complete.touch()
    return venv


def locked(name: str, lock: str) -> str:
    """The requirement ``name`` with its hashes, out of the text of a lock file."""
    lines = lock.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{name}=="))
    end = next((n for n in range(start + 1, len(lines)) if not lines[n].startswith((" ", "\t"))), len(lines))
    return "\n".join(lines[start:end]) + "\n"


def constraints(release: str) -> str:
    """Where the upper constraints of ``release`` are: in OZONE_CONSTRAINTS_DIR, else where its release.yml says."""
    if directory := os.environ.get("OZONE_CONSTRAINTS_DIR"):
        return str(Path(directory) / f"{release}.txt")
    lines = (ROOT / "releases" / release / "release.yml").read_text().splitlines()
    return next(line.split(maxsplit=1)[1] for line in lines if line.startswith("constraints: "))


def resolve() -> None:
    """Write the lock files anew: for each Python that is supported, with the hashes of all builds, naming no index."""
    venv = environment("runtime")
    environ = {**os.environ, **uv_environment(pip_settings(str(venv / "bin" / "python")), os.environ, locking=True)}
    for kind in KINDS:
        within = ["--constraints", constraints(CONSTRAINED[kind])] if kind in CONSTRAINED else []
        run([str(venv / "bin" / "uv"), "pip", "compile", "--quiet", "--universal", "--upgrade",
             "--python-version", ".".join(map(str, OLDEST)), "--generate-hashes", "--no-header", "--no-annotate",
             "--no-emit-find-links", *within,
             "--output-file", f"requirements/{kind}.lock", f"requirements/{kind}.in"],
            environ)  # fmt: skip


def main(kind: str) -> None:
    """Entry point; ``kind`` is one of KINDS, or lock."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            f"setup: {sys.executable} is Python {platform.python_version()}; "
            f"{'.'.join(map(str, OLDEST))} to {'.'.join(map(str, NEWEST))} is needed: make PYTHON=/usr/bin/python3 ..."
        )
    link(ROOT / ".ansible" / "collections" / "ansible_collections" / "ozone" / "openstack", ROOT)
    if kind == "lock":
        resolve()
    else:
        link(ROOT / ".ansible" / f"venv-{kind}", environment(kind))


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in {*KINDS, "lock"}:
        sys.exit(__doc__)
    main(sys.argv[1])
