# SPDX-License-Identifier: Apache-2.0
"""Build the images of a release that are not there yet, and say which image is where.

:meth:`Builder.ensure` is the whole of it: it compares the digest of every image's inputs with the index and the store,
and only works when they differ. It can be killed at any moment: an image gets its name when it is complete, the index
is replaced in one step, and the next run clears away what was left half-way.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO
from urllib.parse import urlsplit

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive
from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import (
    Mirror,
    MirrorError,
    bootstrap,
    debian_mirror,
)
from ansible_collections.ozone.openstack.plugins.module_utils.images import inside, locks, recipe
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import Release
from ansible_collections.ozone.openstack.plugins.module_utils.images.store import (
    WORKING,
    Entry,
    Record,
    Store,
    index_path,
    read_index,
    superseded,
    write_index,
)
from ansible_collections.ozone.openstack.plugins.module_utils.python_index import pip_settings, uv_environment

#: Variables of the host that say how a package index is reached; uv runs with these and no others.
_PASSED = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSL_CLIENT_CERT",
    "NETRC",
)

#: uv's own variables that would change what is built, or where, rather than how it is fetched.
_NOT_PASSED = (
    "UV_CACHE_DIR",
    "UV_PROJECT",
    "UV_SYSTEM_PYTHON",
    "UV_BREAK_SYSTEM_PACKAGES",
    "UV_PYTHON",
    "UV_TARGET",
    "UV_PREFIX",
)

#: Debian's bundle of trusted certificates, with those that the host's operator has added.
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

Progress = Callable[[str], None]


class BuildError(Exception):
    """An image could not be built. The text ends with the tail of its log."""


@dataclass(frozen=True)
class Settings:
    """What a run is told by its caller."""

    root: Path  # $CACHE/images
    images: Sequence[str] = ()  # all when empty
    jobs: int = 2
    timeout: float = 1800  # seconds for one image
    lock_timeout: float = 3600  # seconds to wait for another build on this host
    force: bool = False  # build again even if the inputs are the same
    revision: str = ""  # another word: fetch Debian's packages anew
    debian_sources: Sequence[str] = ()
    debian_keyrings: Sequence[str] = ()


@dataclass
class Built:
    """What became of one image."""

    name: str
    id: str
    inputs: str
    size: int
    options: str
    seconds: float
    changed: bool


@dataclass
class _Job:
    """State of one build."""

    image: str
    log: Path
    deadline: float
    report: Progress
    started: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Progress, with the time since the start."""
        self.report(f"{self.image}: {text} ({time.monotonic() - self.started:.0f} s)")


def _tail(path: Path, lines: int = 20) -> str:
    """Last lines of a log."""
    with suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(line[:300] for line in text.splitlines()[-lines:])
    return ""


def run_command(
    argv: Sequence[str], timeout: float, *, output: IO[str] | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Run a command; its standard output, unless that goes to ``output`` with the errors. Raises BuildError."""
    env = {**os.environ, **(environ or {})}
    what = Path(argv[0]).name
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.PIPE,
            stderr=subprocess.STDOUT if output else subprocess.PIPE,
            text=True,
            timeout=max(timeout, 1),
            check=False,
            env={name: value for name, value in env.items() if value or name not in ("STORAGE_DRIVER", "STORAGE_OPTS")},
        )
    except FileNotFoundError:
        raise BuildError(f"{what} is not installed; remedy: apt-get install {what}, or make setup") from None
    except subprocess.TimeoutExpired:
        raise BuildError(f"{what} did not end within {timeout:.0f} s") from None
    if done.returncode != 0:
        raise BuildError(
            f"{what} failed with exit code {done.returncode}{': ' + done.stderr.strip() if done.stderr else ''}"
        )
    return done.stdout or ""


def architecture() -> str:
    """Debian's name of this computer's architecture. Locks are resolved for amd64 only."""
    machine = os.uname().machine
    if machine != "x86_64":
        raise BuildError(f"images can only be built on x86_64 so far, not on {machine}: the lock files are for it")
    return "amd64"


def uv_variables(environ: Mapping[str, str], settings: Mapping[str, str], bundle: str = _BUNDLE) -> dict[str, str]:
    """Variables with which uv reaches the package index as the host's pip and uv do."""
    found = {**environ, **uv_environment(settings, environ)}
    kept = {
        name: value
        for name, value in found.items()
        if (name.upper() in _PASSED or (name.startswith("UV_") and name not in _NOT_PASSED)) and value
    }
    kept.setdefault("SSL_CERT_FILE", bundle)
    kept.pop("SSL_CERT_DIR", None)  # its links would lead outside the image's root; the bundle holds the same
    return kept


def place_files(
    variables: Mapping[str, str], exists: Callable[[str], bool]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Let variables point below /mnt where they name files of the host, and say what has to be mounted there.

    Returns the variables and pairs (path of the host, path relative to /mnt). Sources that are not there are left out.
    """
    placed: dict[str, str] = {}
    binds: list[tuple[str, str]] = []

    def place(path: str) -> str:
        # With its whole top directory: a local index refers to files beside itself by relative addresses.
        top = "/" + path.strip("/").partition("/")[0]
        if (top, f"host{top}") not in binds:
            binds.append((top, f"host{top}"))
        return f"/mnt/host{path}"

    def copy(path: str) -> str:
        binds.append((path, f"files/{len(binds)}"))
        return f"/mnt/{binds[-1][1]}"

    for name, value in sorted(variables.items()):
        if name in ("SSL_CERT_FILE", "SSL_CLIENT_CERT", "NETRC", "UV_CONFIG_FILE"):
            if exists(value):
                placed[name] = copy(value)
        elif name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
            separator = "," if name == "UV_FIND_LINKS" else " "
            kept = []
            for item in value.replace(",", " ").split():
                label, _, address = item.rpartition("=") if "://" not in item.partition("=")[0] else ("", "", item)
                path = urlsplit(address).path if address.startswith("file://") else address
                if address.startswith(("file://", "/")):
                    if exists(path):
                        kept.append(("file://" if address.startswith("file://") else "") + place(path))
                else:
                    kept.append(f"{label}={address}" if label else address)
            if kept:
                placed[name] = separator.join(kept)
        else:
            placed[name] = value
    return placed, binds


class Builder:
    """Builds images of one release into one store."""

    def __init__(self, release: Release, settings: Settings, progress: Progress) -> None:
        """Nothing is done yet."""
        self.release = release
        self.settings = settings
        self.progress = progress
        self.store = Store(settings.root, self._buildah)
        self.inside = Path(inside.__file__).read_text(encoding="utf-8")
        self.architecture = architecture()
        self.base = recipe.base_inputs(release, self.architecture, settings.revision)
        self._apt = Lock()
        self._mirror: Mirror | None = None

    def _buildah(self, argv: Sequence[str], timeout: float) -> str:
        """Run buildah on our store."""
        return run_command(argv, timeout, environ=self.store.environment())

    # -- what is there, what is wanted

    def names(self) -> list[str]:
        """Images of this run, in order. Raises BuildError for one that the release does not have."""
        unknown = sorted(set(self.settings.images) - set(self.release.images))
        if unknown:
            known = ", ".join(sorted(self.release.images))
            raise BuildError(f"release {self.release.name} has no image {', '.join(unknown)}; known: {known}")
        return [name for name in self.release.images if name in (self.settings.images or self.release.images)]

    def wanted(self) -> dict[str, str]:
        """Digest of the inputs of every image of this run."""
        result = {}
        for name in self.names():
            for lock in (name, locks.BUILD):
                if not self.release.lock(lock).is_file():
                    raise BuildError(f"{self.release.lock(lock)}: is missing; remedy: make locks")
            result[name] = recipe.image_inputs(self.release, name, self.base, self.inside)
        return result

    def options_directory(self, image: str, inputs: str) -> Path:
        """Where the definitions of an image's options are on the deployment host."""
        return self.settings.root / "options" / self.release.name / f"{image}-{inputs[:12]}"

    def entry(self, image: str, inputs: str, records: Mapping[str, Record]) -> Entry | None:
        """The index entry of an image that is complete in the store, with its options exported."""
        name = recipe.image_name(self.release, image, inputs)
        record = next((item for item in records.values() if name in item.names), None)
        directory = self.options_directory(image, inputs)
        exported = all((directory / f"{conf}.json").is_file() for conf in self.release.images[image].options)
        if record is None or not exported:
            return None
        return Entry(name=name, id=record.id, inputs=inputs, size=record.size, options=str(directory))

    # -- building

    def mirror(self) -> Mirror:
        """Where Debian's packages come from, asked once."""
        if self._mirror is None:
            self._mirror = debian_mirror(
                self.release.suite, sources=self.settings.debian_sources, keyrings=self.settings.debian_keyrings
            )
        return self._mirror

    def job(self, image: str) -> _Job:
        """A build's log and deadline."""
        directory = self.settings.root / "logs"
        directory.mkdir(parents=True, exist_ok=True)
        log = directory / f"{self.release.name}-{image}.log"
        log.write_text("", encoding="utf-8")
        return _Job(image, log, time.monotonic() + self.settings.timeout, self.progress)

    def step(self, job: _Job, what: str, argv: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        """One logged command of a build, within what is left of the image's time."""
        job.say(what)
        with job.log.open("a", encoding="utf-8") as output:
            output.write(f"== {what}\n")
            output.flush()
            run_command(argv, job.deadline - time.monotonic(), output=output, environ=environ)

    def build_base(self) -> str:
        """Build the base image if it is not there; its name."""
        name = recipe.base_name(self.release, self.base)
        if self.store.find(name) is not None:
            return name
        job = self.job("base")
        try:
            container = self.store.buildah("from", "--name", f"{WORKING}base-{self.base[:12]}", "scratch")
            try:
                root = Path(self.store.buildah("mount", container))
                job.say(f"installing {self.release.suite}")
                bootstrap(
                    self.release.suite,
                    root,
                    self.mirror(),
                    timeout=job.deadline - time.monotonic(),
                    log=job.log,
                    variant="essential",
                    include=sorted(self.release.base),
                    extra=[
                        *(f"--dpkgopt={option}" for option in recipe.DPKG_OPTIONS),
                        f"--setup-hook={recipe.BASE_SETUP}",
                    ],
                )
                finish_base(root)
                self.commit(job, container, "base", name, self.base, "scratch")
            finally:
                self.drop(container)
        except MirrorError as error:  # has the log's tail
            raise BuildError(f"base image of {self.release.suite}: {error}") from error
        return name

    def build(self, image: str, inputs: str, base: str) -> float:
        """Build one image and export its options; the seconds it took."""
        job = self.job(image)
        name = recipe.image_name(self.release, image, inputs)
        work = self.settings.root / "work" / f"{self.release.name}-{image}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True, mode=0o700)
        try:
            container = self.store.buildah(
                "from", "--pull-never", "--name", f"{WORKING}{self.release.name}-{image}-{inputs[:12]}", base
            )
            try:
                root = Path(self.store.buildah("mount", container))
                self.install_debian(job, root, work)
                self.install_python(job, root, work)
                clean_root(root)
                self.export_options(work / "out", image, inputs)
                self.commit(job, container, image, name, inputs, base)
            finally:
                self.drop(container)
        except (BuildError, MirrorError) as error:
            raise BuildError(f"image {image} of {self.release.name}: {error}\n{job.log}:\n{_tail(job.log)}") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
        seconds = time.monotonic() - job.started
        job.say("done")
        return seconds

    def drop(self, container: str) -> None:
        """Remove a working container, also after a failure."""
        with suppress(BuildError):
            self.store.buildah("umount", container)
        with suppress(BuildError):
            self.store.buildah("rm", container)

    def install_debian(self, job: _Job, root: Path, work: Path) -> None:
        """Install the image's Debian packages with the host's apt; extract those of which only files are wanted."""
        spec = self.release.images[job.image]
        if not spec.debian and not spec.extract:
            return
        shared = self.settings.root / "work" / f"apt-{self.release.suite}"
        for directory in (shared / "lists" / "partial", shared / "archives" / "partial"):
            directory.mkdir(parents=True, exist_ok=True)
        for relative in ("var/lib/apt/lists", "var/cache/apt/archives"):
            (root / relative).mkdir(parents=True, exist_ok=True)
        (work / "apt.conf").write_text(
            recipe.apt_conf(self.mirror(), root, shared, self.architecture), encoding="utf-8"
        )
        binds = [recipe.Bind(str(shared / "archives"), str(root / "var/cache/apt/archives"), writable=True)]
        script = ["set -eu", "export DEBIAN_FRONTEND=noninteractive"]
        if spec.debian:
            script.append(f"apt-get install {' '.join(sorted(spec.debian))}")
        for package, paths in sorted(spec.extract.items()):
            script.append(
                f"cd {work}; apt-get download {package}; dpkg-deb -x {package}_*.deb {work}/extract-{package}"
            )
            script += [
                f'mkdir -p "{root}$(dirname {path})"; cp -a {work}/extract-{package}{path} {root}{path}'
                for path in paths
            ]
        (work / "apt.sh").write_text("\n".join(script) + "\n", encoding="utf-8")
        with self._apt:  # apt locks its lists and downloads, which all images share
            (shared / "sources.list").write_text(recipe.signed_sources(self.mirror()), encoding="utf-8")
            (shared / "sources.list").chmod(0o600)
            environ = {"APT_CONFIG": str(work / "apt.conf")}
            stamp = shared / "updated"
            if not stamp.is_file() or time.time() - stamp.stat().st_mtime > 600:
                self.step(job, "reading Debian's package lists", ["apt-get", "update"], environ)
                stamp.touch()
            argv = recipe.enter(root, work, binds, ["/bin/sh", str(work / "apt.sh")])
            self.step(job, "installing Debian packages", argv, environ)

    def install_python(self, job: _Job, root: Path, work: Path) -> None:
        """Fill the virtual environment from the lock file, inside the image's root."""
        release, spec = self.release, self.release.images[job.image]
        uv = locks.find_uv()
        lock = release.lock(job.image).read_text(encoding="utf-8")
        source = sorted(set(locks.parse_lock(lock)) & {locks.normalize(name) for name in release.source})
        cache = run_command([uv, "cache", "dir"], 30).strip()
        Path(cache).mkdir(parents=True, exist_ok=True)
        environ = dict(os.environ)
        for path in (
            Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "uv" / "uv.toml",
            Path("/etc/uv/uv.toml"),
        ):
            if path.is_file():
                environ.setdefault("UV_CONFIG_FILE", str(path))
        if (netrc := Path.home() / ".netrc").is_file():
            environ.setdefault("NETRC", str(netrc))
        python = shutil.which("python3") or "/usr/bin/python3"
        variables, files = place_files(uv_variables(environ, pip_settings(python)), os.path.exists)
        variables |= {
            "HOME": "/tmp",  # noqa: S108 - a tmpfs of the build
            "LANG": "C.UTF-8",
            "PATH": f"{recipe.PREFIX}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "UV_CACHE_DIR": "/mnt/cache",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "UV_CONCURRENT_BUILDS": "1",
        }
        texts = {
            "env.sh": recipe.environment_script(variables),
            "install.sh": recipe.install_script(spec, release.python, source),
            "image.lock": lock,
            "build.lock": release.lock(locks.BUILD).read_text(encoding="utf-8"),
            "inside.py": self.inside,
            "options.json": recipe.options_request(spec),
        }
        for name, text in texts.items():
            (work / name).write_text(text, encoding="utf-8")
        mnt = root / "mnt"
        binds = [
            recipe.Bind(uv, str(mnt / "uv")),
            recipe.Bind(cache, str(mnt / "cache"), writable=True),
            *(recipe.Bind(path, str(mnt / place)) for path, place in files),
        ]
        argv = recipe.enter(root, work, binds, recipe.inside_root(root, ["/bin/sh", "/mnt/install.sh"]))
        self.step(job, "installing Python packages", argv)

    def export_options(self, produced: Path, image: str, inputs: str) -> None:
        """Put the definitions of options where the deployment host reads them; complete or not at all."""
        target = self.options_directory(image, inputs)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(produced, fresh)
        fresh.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)

    def commit(self, job: _Job, container: str, image: str, name: str, inputs: str, base: str) -> None:
        """Make an image of the working container; it has its name from the first moment."""
        job.say("writing the image")
        self.store.buildah(*recipe.config_argv(self.release, image, inputs, base), container)
        self.store.buildah("umount", container)
        left = max(job.deadline - time.monotonic(), 1)
        self.store.buildah("commit", "--quiet", "--format", "oci", container, name, timeout=left)

    # -- the whole

    def ensure(self, *, check: bool = False) -> dict[str, Built]:
        """Build what is missing; what became of every image. ``check``: build nothing, tell what would be built."""
        wanted = self.wanted()
        index = read_index(self.settings.root, self.release.name)
        records = self.store.records()
        ready = {} if self.settings.force else {name: self.entry(name, wanted[name], records) for name in wanted}
        if all(ready.get(name) is not None and ready.get(name) == index.get(name) for name in wanted):
            if self.store.working() and not check:
                self._clear()
            return {name: Built(**index[name], seconds=0.0, changed=False) for name in wanted}
        if check:
            return {name: self._built(name, inputs, ready.get(name)) for name, inputs in wanted.items()}
        self.settings.root.mkdir(parents=True, exist_ok=True)
        lock = self.settings.root / ".lock"
        try:
            with exclusive(lock, self.settings.lock_timeout):
                return self._ensure_locked(wanted)
        except TimeoutError as error:
            raise BuildError(f"another build works on this store: {error}") from None

    def _clear(self) -> None:
        """Remove what a killed build has left, unless it is another build that is at work."""
        with suppress(TimeoutError), exclusive(self.settings.root / ".lock", 0):
            for left in self.store.recover():
                self.progress(f"removed what an interrupted build had left: {left}")

    def _built(self, name: str, inputs: str, entry: Entry | None, seconds: float = 0.0, changed: bool = True) -> Built:
        """Result for an image that is there (``entry``), or would be built."""
        if entry is None:
            return Built(recipe.image_name(self.release, name, inputs), "", inputs, 0, "", 0.0, True)
        return Built(**entry, seconds=round(seconds, 1), changed=changed)

    def _ensure_locked(self, wanted: Mapping[str, str]) -> dict[str, Built]:
        """The part of :meth:`ensure` that changes the store."""
        self.store.prepare()
        for left in self.store.recover():
            self.progress(f"removed what an interrupted build had left: {left}")
        records = self.store.records()
        before = read_index(self.settings.root, self.release.name)
        todo = [name for name in wanted if self.settings.force or self.entry(name, wanted[name], records) is None]
        seconds: dict[str, float] = {}
        errors: list[str] = []
        if todo:
            base = self.build_base()
            with ThreadPoolExecutor(max_workers=max(1, self.settings.jobs)) as pool:
                futures = {name: pool.submit(self.build, name, wanted[name], base) for name in todo}
                for name, future in futures.items():
                    try:
                        seconds[name] = future.result()
                    except BuildError as error:
                        errors.append(str(error))
        # What was built is kept and indexed even if another image failed: the next run has less to do.
        records = self.store.records()
        entries = {name: self.entry(name, inputs, records) for name, inputs in wanted.items()}
        index = read_index(self.settings.root, self.release.name)
        index.update({name: entry for name, entry in entries.items() if entry is not None})
        write_index(self.settings.root, self.release.name, {k: v for k, v in index.items() if k in self.release.images})
        if errors:
            raise BuildError("\n\n".join(errors))
        missing = [name for name, entry in entries.items() if entry is None]
        if missing:
            raise BuildError(f"built, but not found complete in {self.store.graph}: {', '.join(missing)}")
        return {
            name: self._built(
                name, wanted[name], entry, seconds.get(name, 0.0), name in seconds or entry != before.get(name)
            )
            for name, entry in entries.items()
        }


def finish_base(root: Path) -> None:
    """User ``ozone``, no service ever started, nothing of this host."""
    user, uid = recipe.USER, recipe.UID
    for name, line in (
        ("passwd", f"{user}:x:{uid}:{uid}:Ozone:/nonexistent:/usr/sbin/nologin\n"),
        ("group", f"{user}:x:{uid}:\n"),
        ("shadow", f"{user}:*:1::::::\n"),
    ):
        with (root / "etc" / name).open("a", encoding="utf-8") as file:
            file.write(line)
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text(recipe.POLICY_RC_D, encoding="utf-8")
    policy.chmod(0o755)
    for name in ("resolv.conf", "hosts", "hostname"):  # podman mounts its own over these
        path = root / "etc" / name
        path.unlink(missing_ok=True)
        path.write_text("", encoding="utf-8")
    clean_root(root)


def clean_root(root: Path) -> None:
    """Remove what installing has left: lists, downloads, logs, random identities."""
    for relative in ("var/lib/apt/lists", "var/cache", "var/log", "run", "tmp", "mnt", "root"):
        directory = root / relative
        directory.mkdir(parents=True, exist_ok=True)
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                if path.stat().st_uid != recipe.UID:  # the service's own, made by the install script
                    shutil.rmtree(path)
            else:
                path.unlink()
    (root / "etc/apt/preferences.d/ozone").unlink(missing_ok=True)
    (root / "var/lib/dpkg/status-old").unlink(missing_ok=True)
    strip_setuid(root)
    (root / "etc/machine-id").write_text("", encoding="utf-8")
    for backup in (root / "etc").glob("*-"):
        backup.unlink()


def strip_setuid(root: Path) -> None:
    """No program of an image gives more rights than its caller has."""
    for directory, _, files in os.walk(root):
        for name in files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_ISUID | stat.S_ISGID):
                os.chmod(path, stat.S_IMODE(status.st_mode) & ~(stat.S_ISUID | stat.S_ISGID))


def prune(settings: Settings, releases: Mapping[str, Release], progress: Progress, *, check: bool = False) -> list[str]:
    """Remove images that no index names any more; their names. What an index names always stays."""
    store = Store(settings.root, lambda argv, timeout: run_command(argv, timeout, environ=store.environment()))
    if not settings.root.is_dir():
        return []
    with exclusive(settings.root / ".lock", settings.lock_timeout):
        names = [path.stem for path in settings.root.glob("*.json") if path.name != "pushed.json"]
        indexes = {name: read_index(settings.root, name) for name in names}
        if unreadable := sorted(name for name, index in indexes.items() if not index):
            raise BuildError(
                f"{index_path(settings.root, unreadable[0])}: cannot be read, so what it names is unknown and nothing "
                "is removed; remedy: run images.yml for that release, or remove the file to give up its images"
            )
        ids = [entry["id"] for index in indexes.values() for entry in index.values()]
        bases = [
            recipe.base_name(release, recipe.base_inputs(release, architecture(), settings.revision))
            for release in releases.values()
        ]
        records = superseded(store.records(), ids, bases)
        if not check:
            store.prepare()
            store.recover()
            for record in sorted(records, key=lambda item: "/base:" in "".join(item.names)):
                progress(f"removing {', '.join(record.names) or record.id[:12]}")
                store.remove(record.id)
            kept = {entry["options"] for index in indexes.values() for entry in index.values()}
            for directory in (settings.root / "options").glob("*/*"):
                if str(directory) not in kept:
                    shutil.rmtree(directory, ignore_errors=True)
    return sorted(name for record in records for name in record.names or (record.id,))
