# SPDX-License-Identifier: Apache-2.0
"""Which Debian mirror to bootstrap a root file system from: the one that this host itself uses.

The deployment host knows already how Debian packages are reached from where it stands: its mirror, its proxy, its
certificates. Images (bookworm) and lab nodes (trixie) may need another suite than the host runs, but they come from the
same place. So nothing here names a mirror: the sources of the wanted suite are derived from
``apt-get indextargets``, the options from ``apt-config dump``.

Usage::

    mirror = debian_mirror("trixie")
    bootstrap("trixie", target, mirror, include=["systemd", "openssh-server"], timeout=900)

Everything but :func:`debian_mirror` and :func:`bootstrap` is pure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Parts of a suite that are followed; others (backports, proposed-updates) are not wanted in a root file system.
POCKETS = ("", "updates", "security")

#: Stems of ``Release`` that mean Debian where a list was never downloaded, so that no Origin is known yet.
DEBIAN_STEMS = frozenset(
    (
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "sid",
        "stable",
        "oldstable",
        "oldoldstable",
        "testing",
        "unstable",
    )
)

#: Debian's own keys, from package debian-archive-keyring: they verify every suite, whatever mirror delivers it.
ARCHIVE_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

#: Options of the host's apt that say how to reach and verify a mirror.
_OPTION = re.compile(
    r"^Acquire::(?:(?:http|https|ftp)(?:::|\s)|(?:Retries|ForceIPv[46]|Check-Valid-Until|Check-Date|"
    r"Allow(?:Insecure|Weak)Repositories|AllowDowngradeToInsecureRepositories|By-Hash|Queue-Mode|"
    r"(?:Min|Max)-ValidTime)\s)",
    re.IGNORECASE,
)
_EMPTY_OPTION = re.compile(r'^\S+ "";$')

Runner = Callable[[Sequence[str]], str]
Reader = Callable[[str], str]


class MirrorError(Exception):
    """No usable source could be derived, or the bootstrap failed. The text says what to do."""


@dataclass(frozen=True)
class Target:
    """One index that the host's apt downloads: one suite and component of one repository."""

    uri: str  # of the repository, with a trailing slash as apt prints it
    suite: str  # codename where it is known: "bookworm-updates"
    component: str
    origin: str
    label: str
    entry: str  # "file:line" of the host's source entry


@dataclass(frozen=True)
class Source:
    """One line of a sources.list."""

    uri: str
    suite: str
    components: tuple[str, ...]

    def line(self) -> str:
        """The entry in one-line style. The URI may hold credentials: keep it out of argv, logs and images."""
        return f"deb {self.uri} {self.suite} {' '.join(self.components)}"


@dataclass(frozen=True)
class Mirror:
    """All that apt needs to know to install one suite from here."""

    sources: tuple[Source, ...]
    options: tuple[str, ...]  # apt.conf statements: 'Acquire::Retries "3";'
    keyrings: tuple[str, ...]  # files or directories on this host

    def sources_list(self) -> str:
        """Text of a sources.list. May hold credentials."""
        return "".join(f"{source.line()}\n" for source in self.sources)

    def apt_conf(self) -> str:
        """Text of an apt.conf. May hold credentials (a proxy's)."""
        return "".join(f"{option}\n" for option in self.options)


def parse_indextargets(text: str) -> list[Target]:
    """Read ``apt-get indextargets``: stanzas of ``Key: value``; only package indexes of binary repositories count."""
    targets = []
    for stanza in re.split(r"\n\s*\n", text.strip()):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
        if fields.get("Created-By") != "Packages" or fields.get("Target-Of") != "deb" or "Repo-URI" not in fields:
            continue
        targets.append(
            Target(
                uri=fields["Repo-URI"],
                suite=fields.get("Codename") or fields.get("Release", ""),
                component=fields.get("Component", ""),
                origin=fields.get("Origin", ""),
                label=fields.get("Label", ""),
                entry=fields.get("Sourcesentry", ""),
            )
        )
    return targets


def _pocket(target: Target) -> str | None:
    """Part of the suite ("", "updates", "security") if this is a Debian archive, else None."""
    stem, _, pocket = target.suite.replace("/", "-").partition("-")
    if target.origin:
        if target.origin != "Debian" or target.label not in ("Debian", "Debian-Security"):
            return None
    elif stem not in DEBIAN_STEMS:
        return None
    return pocket if pocket in POCKETS else None


def derive_sources(targets: Iterable[Target], suite: str, components: Sequence[str] = ("main",)) -> list[Source]:
    """The host's Debian repositories, with the suite replaced by ``suite``, ``suite-updates`` and ``suite-security``.

    A pocket that the host does not use is not invented. Without a main pocket: empty.
    """
    found: dict[tuple[str, str], None] = {}
    for target in targets:
        pocket = _pocket(target)
        if pocket is not None and not target.uri.startswith("cdrom:"):
            found[(target.uri, pocket)] = None
    if not any(pocket == "" for _, pocket in found):
        return []
    return [
        Source(uri, f"{suite}-{pocket}" if pocket else suite, tuple(components))
        for uri, pocket in sorted(found, key=lambda item: POCKETS.index(item[1]))
    ]


def parse_options(text: str) -> list[str]:
    """Those statements of ``apt-config dump`` that say how a mirror is reached and verified, in their order."""
    return [
        line
        for line in (raw.strip() for raw in text.splitlines())
        if _OPTION.match(line) and not _EMPTY_OPTION.match(line)
    ]


def parse_signed_by(text: str, uri: str) -> list[str]:
    """Key files that the text of a source file (deb822 or one-line style) names for a repository.

    An embedded key is not a file; such a mirror re-signs Debian, and its key must be given as a file by the caller.
    """
    uri = uri.rstrip("/")
    keys: list[str] = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            key.lower(): value.strip()
            for key, value in re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if uri in {item.rstrip("/") for item in fields.get("uris", "").split()}:
            keys += [item for item in re.split(r"[\s,]+", fields.get("signed-by", "")) if item.startswith("/")]
    for line in text.splitlines():
        match = re.match(r"deb\s+\[([^]]*)\]\s+(\S+)", line)
        if match and match[2].rstrip("/") == uri:
            for option in match[1].split():
                if option.lower().startswith("signed-by="):
                    keys += [item for item in option.partition("=")[2].split(",") if item.startswith("/")]
    return list(dict.fromkeys(keys))


def parse_source_lines(lines: Iterable[str]) -> list[Source]:
    """Sources given by an operator: one-line style without options, ``deb URI SUITE COMPONENT...``."""
    sources = []
    for line in lines:
        words = line.split()
        if len(words) < 4 or words[0] != "deb" or words[1].startswith("["):
            raise MirrorError(f"not a source of the form 'deb URI SUITE COMPONENT...': {line!r}")
        sources.append(Source(words[1], words[2], tuple(words[3:])))
    return sources


def bootstrap_argv(
    suite: str,
    target: str,
    mirror: Mirror,
    *,
    apt_conf: str,
    variant: str = "minbase",
    include: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> list[str]:
    """The mmdebstrap command. Sources come on standard input, options from the file ``apt_conf``: no secret in argv."""
    # In a process namespace that ends with its starter: a killed run leaves no mmdebstrap behind that still writes.
    argv = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"]
    argv += ["mmdebstrap", f"--variant={variant}", "--format=directory", f"--aptopt={apt_conf}"]
    argv += [f"--keyring={keyring}" for keyring in mirror.keyrings]
    if include:
        argv.append(f"--include={','.join(include)}")
    # Traces of how this host reaches its mirror (perhaps with credentials) do not belong into the result.
    clean = 'rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"; : > "$1/etc/apt/sources.list"'
    return [*argv, *extra, f"--customize-hook={clean}", suite, target, "-"]


def _run(argv: Sequence[str]) -> str:
    """Run a quick read-only command; its standard output."""
    try:
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    except FileNotFoundError:
        raise MirrorError(f"{argv[0]} is not installed; remedy: run on Debian, or set ozone_debian_sources") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise MirrorError(f"{' '.join(argv)}: {error}") from error


def _read(path: str) -> str:
    """Text of a file, empty when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def debian_mirror(
    suite: str,
    components: Sequence[str] = ("main",),
    *,
    sources: Sequence[str] = (),
    keyrings: Sequence[str] = (),
    run: Runner = _run,
    read: Reader = _read,
    exists: Callable[[str], bool] = os.path.exists,
) -> Mirror:
    """Derive the mirror of ``suite`` from this host. ``sources`` (lines) and ``keyrings`` given by an operator win.

    Raises MirrorError when the host has no Debian source, for example because it is an Ubuntu.
    """
    wanted: list[Source] = parse_source_lines(sources)
    named = [*keyrings, ARCHIVE_KEYRING]
    if not wanted:
        targets = parse_indextargets(run(["apt-get", "indextargets"]))
        wanted = derive_sources(targets, suite, components)
        if not wanted:
            raise MirrorError(
                f"this host's apt has no Debian source from which {suite} could be derived; remedy: set "
                f"ozone_debian_sources, for example ['deb MIRROR-URL {suite} main']"
            )
        uris = {source.uri for source in wanted}
        for target in targets:
            if target.uri in uris:
                named += parse_signed_by(read(target.entry.rpartition(":")[0]), target.uri)
    options = parse_options(run(["apt-config", "dump"]))
    for key, path in (("Dir::Etc::netrc", "/etc/apt/auth.conf"), ("Dir::Etc::netrcparts", "/etc/apt/auth.conf.d/")):
        if exists(path):
            options.append(f'{key} "{path}";')
    rings = tuple(dict.fromkeys(path for path in named if exists(path)))
    if not rings:
        raise MirrorError(
            f"no key to verify Debian packages with ({ARCHIVE_KEYRING}); remedy: install debian-archive-keyring"
        )
    return Mirror(tuple(wanted), tuple(options), rings)


def bootstrap(
    suite: str,
    target: Path,
    mirror: Mirror,
    *,
    timeout: float,
    log: Path,
    variant: str = "minbase",
    include: Sequence[str] = (),
    extra: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> None:
    """Make a root file system in ``target`` (must not exist, or be empty) with mmdebstrap; its output goes to ``log``.

    The result holds no sources and no apt options of this host. Raises MirrorError with the log's tail.
    """
    if shutil.which("mmdebstrap") is None:
        raise MirrorError("mmdebstrap is not installed; remedy: apt-get install mmdebstrap")
    with tempfile.TemporaryDirectory(prefix="ozone-apt-") as directory:  # mode 0700
        conf = Path(directory, "apt.conf")
        conf.write_text(mirror.apt_conf(), encoding="utf-8")
        argv = bootstrap_argv(
            suite, str(target), mirror, apt_conf=str(conf), variant=variant, include=include, extra=extra
        )
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as output:
            try:
                subprocess.run(
                    argv,
                    input=mirror.sources_list(),
                    text=True,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=timeout,
                    check=True,
                    env=dict(environ) if environ is not None else None,
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                tail = "\n".join(line[:300] for line in _read(str(log)).splitlines()[-15:])
                why = (
                    f"exit code {error.returncode}" if isinstance(error, subprocess.CalledProcessError) else "time-out"
                )
                raise MirrorError(f"mmdebstrap of {suite} failed ({why}); {log}:\n{tail}") from error
