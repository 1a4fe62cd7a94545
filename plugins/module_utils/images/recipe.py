# SPDX-License-Identifier: Apache-2.0
"""How an image is made, as pure functions: the commands, the scripts, and the digest of all that goes into it.

An image has two layers: the base (Debian packages that all images share, user ``ozone``) and its own (Debian packages,
the virtual environment in /opt/ozone, the definitions of its options). The Debian packages are installed by the host's
own apt, whose sources, proxies and certificates therefore count and never enter the image; the virtual environment is
filled by uv inside the image's root, from the lock file only.

Commands work in a mount and process namespace of their own, so that whatever happens nothing stays mounted or running.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import Mirror
from ansible_collections.ozone.openstack.plugins.module_utils.images import locks
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import ImageSpec, Release

#: Raised by hand when the making of images changes in a way that the digest would not see.
RECIPE = 1

#: Where everything of an image that is not Debian's lies.
PREFIX = "/opt/ozone"

#: Account that an image's processes run as, unless a container says otherwise.
USER, UID = "ozone", 42400

#: Where the definitions of options are inside an image.
OPTIONS = "/usr/share/ozone/options"

#: Files of Debian packages that no image needs. Copyright notices stay.
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/man/*",
)

#: Run on the host before the base is filled ($1 is its root): /usr is merged from the start, so that apt need not take
#: the package that would merge it, and with it all of Perl.
BASE_SETUP = (
    'for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d"; ln -s "usr/$d" "$1/$d"; done; '
    r"""printf 'Package: usrmerge\nPin: release *\nPin-Priority: -1\n' > "$1/etc/apt/preferences.d/ozone" """
).strip()

#: No package's service is ever started in an image.
POLICY_RC_D = "#!/bin/sh\nexit 101\n"

#: Prepares a root for commands: its own /proc and /dev, an empty /tmp, the build directory in /mnt, name resolution,
#: and the bind mounts that follow as "MODE FROM TO" until "--". Then runs the rest.
ENTER = """\
root=$1 work=$2; shift 2
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  : > "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
for file in resolv.conf hosts; do
  if [ -e "/etc/$file" ]; then mount --bind "/etc/$file" "$root/etc/$file"; fi
done
mount --bind "$work" "$root/mnt"
while [ "$1" != -- ]; do
  if [ -d "$2" ]; then mkdir -p "$3"; else mkdir -p "$(dirname "$3")"; [ -e "$3" ] || : > "$3"; fi
  mount --bind "$2" "$3"
  if [ "$1" = ro ]; then mount -o remount,bind,ro "$3"; fi
  shift 3
done
shift
exec "$@"
"""


def digest(value: Any) -> str:
    """sha256 of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def code_digest(text: str) -> str:
    """Digest of what Python code does: comments, docstrings and layout do not count."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def base_inputs(release: Release, architecture: str, revision: str) -> str:
    """Digest of all that the base layer is made of. Another word as ``revision`` fetches Debian's packages anew."""
    return digest(
        {
            "recipe": RECIPE,
            "suite": release.suite,
            "architecture": architecture,
            "packages": sorted(release.base),
            "dpkg": DPKG_OPTIONS,
            "setup": BASE_SETUP,
            "user": [USER, UID],
            "revision": revision,
        }
    )


def image_inputs(release: Release, image: str, base: str, inside: str) -> str:
    """Digest of all that an image is made of; ``base`` is the digest of the base, ``inside`` the text of inside.py."""
    spec = release.images[image]
    lock = release.lock(image).read_text(encoding="utf-8")
    source = sorted(set(locks.parse_lock(lock)) & {locks.normalize(name) for name in release.source})
    build = locks.digest(release.lock(locks.BUILD).read_text(encoding="utf-8")) if source else ""
    return digest(
        {
            "recipe": RECIPE,
            "base": base,
            "python": release.python,
            "lock": locks.digest(lock),
            "source": source,
            "build": build,
            "spec": asdict(spec),
            "script": install_script(spec, release.python, source),
            "inside": code_digest(inside) if spec.options else "",
        }
    )


def base_name(release: Release, inputs: str) -> str:
    """Name of a base image in the store."""
    return f"localhost/ozone/base:{release.suite}-{inputs[:12]}"


def image_name(release: Release, image: str, inputs: str) -> str:
    """Name of an image in the store."""
    return f"localhost/ozone/{image}:{release.name}-{inputs[:12]}"


@dataclass(frozen=True)
class Bind:
    """A path of the host that shows below an image's root or build directory, where it is made when missing."""

    source: str
    target: str
    writable: bool = False


def enter(root: Path, work: Path, binds: Sequence[Bind], argv: Sequence[str]) -> list[str]:
    """``argv`` with the mounts of ``ENTER`` in namespaces of its own; it dies with the process that started it."""
    words = [word for bind in binds for word in ("rw" if bind.writable else "ro", bind.source, bind.target)]
    return [
        *["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--pid", "--fork"],
        *["--kill-child=KILL", "--", "/bin/sh", "-euc", ENTER, "enter", str(root), str(work), *words, "--", *argv],
    ]


def inside_root(root: Path, argv: Sequence[str]) -> list[str]:
    """``argv`` run in ``root`` with the environment of ``env.sh`` only: no value of it shows in a process list."""
    return ["chroot", str(root), "/usr/bin/env", "-i", "/bin/sh", "-euc", '. /mnt/env.sh; exec "$@"', "inside", *argv]


def environment_script(environ: Mapping[str, str]) -> str:
    """Shell text that exports ``environ``; it may hold credentials of a proxy or an index."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environ.items()))


def install_script(spec: ImageSpec, python: str, source: Sequence[str]) -> str:
    """Shell script that runs inside the image's root and fills /opt/ozone. Its inputs lie in /mnt."""
    site = f"{PREFIX}/lib/python{python}/site-packages"
    binary = "".join(f" --no-binary {name}" for name in source)
    lines = [
        "set -eu",
        f"/mnt/uv venv --quiet --python /usr/bin/python{python} {PREFIX}",
        f"/mnt/uv pip install --python {PREFIX}/bin/python --require-hashes --no-deps --link-mode copy "
        f"--only-binary :all:{binary} --build-constraints /mnt/build.lock -r /mnt/image.lock",
        # Neither tests nor translations are used at run time. Only those of a package's top level: deeper ones may be.
        f"rm -rf {site}/*/tests {site}/*/locale {site}/numpy/*/tests {PREFIX}/.lock {PREFIX}/.gitignore "
        f"{PREFIX}/bin/activate* {PREFIX}/bin/*.bat",
    ]
    for module in spec.modules:
        lines.append(f"ln -s /usr/lib/python3/dist-packages/{module} {site}/")
    # Bytecode that is valid whatever the times of files say: the root is read-only, it could never be made again.
    lines += [
        f"{PREFIX}/bin/python -m compileall -qq -j 0 --invalidation-mode unchecked-hash {site} || true",
        f"mkdir -p {OPTIONS} /mnt/out",
        f"{PREFIX}/bin/python /mnt/inside.py /mnt/options.json {OPTIONS} /mnt/out",
        f"install -d -o {UID} -g {UID} -m 0755 {' '.join(shlex.quote(path) for path in directories(spec))}",
    ]
    for item in spec.etc:
        lines.append(
            f"test -e {PREFIX}/etc/{spec.name}/{item}; ln -s {PREFIX}/etc/{spec.name}/{item} /etc/{spec.name}/{item}"
        )
    lines += [shlex.join(command) for command in spec.check]
    return "\n".join(lines) + "\n"


def directories(spec: ImageSpec) -> list[str]:
    """Directories that an image has ready for its service, all owned by user ``ozone``."""
    return [
        f"/etc/{spec.name}",
        f"/run/{spec.name}",
        f"/var/lib/{spec.name}",
        f"/var/log/{spec.name}",
        *spec.directories,
    ]


def options_request(spec: ImageSpec) -> str:
    """JSON text for inside.py: where the definitions of each configuration file's options come from."""
    return json.dumps(
        {conf: {"namespaces": list(how.namespaces), "like": dict(how.like)} for conf, how in spec.options.items()}
    )


def apt_conf(mirror: Mirror, root: Path, work: Path, architecture: str) -> str:
    """apt.conf with which the host's apt installs into ``root``. ``work`` holds sources.list and the downloads."""
    statements = [
        f'APT::Architecture "{architecture}";',
        'APT::Install-Recommends "false";',
        'APT::Sandbox::User "root";',
        'APT::Get::Assume-Yes "true";',
        'Acquire::Languages "none";',
        f'Dir "{root}";',
        f'Dir::Etc::SourceList "{work}/sources.list";',
        'Dir::Etc::SourceParts "/dev/null";',
        f'Dir::State::Lists "{work}/lists/";',
        'Dir::Cache::pkgcache "";',
        'Dir::Cache::srcpkgcache "";',
        'Dir::Log "/dev/null";',
        'Dir::Log::Terminal "";',
        'Dir::Log::History "";',
        f'DPkg::Chroot-Directory "{root}";',
        'Dpkg::Use-Pty "false";',
    ]
    return "".join(f"{line}\n" for line in [*statements, *mirror.options])


def signed_sources(mirror: Mirror) -> str:
    """sources.list whose entries name the host's key files."""
    keys = ",".join(ring for ring in mirror.keyrings)
    return "".join(source.line().replace("deb ", f"deb [signed-by={keys}] ", 1) + "\n" for source in mirror.sources)


def labels(release: Release, image: str, inputs: str, base: str) -> dict[str, str]:
    """Labels of an image: those that OCI defines, and what it was made of."""
    version = ""
    if image in release.images:
        package = release.images[image].packages[0]
        version = locks.parse_lock(release.lock(image).read_text(encoding="utf-8")).get(locks.normalize(package), "")
    return {
        "org.opencontainers.image.title": f"OpenStack {image} {release.name}"
        if version
        else f"Ozone base, {release.suite}",
        "org.opencontainers.image.version": version or release.suite,
        "org.opencontainers.image.vendor": "Ozone",
        "org.opencontainers.image.base.name": base,
        "ozone.release": release.name if version else "",
        "ozone.service": image,
        "ozone.inputs": inputs,
    }


def config_argv(release: Release, image: str, inputs: str, base: str) -> list[str]:
    """Arguments of ``buildah config`` (the container's name follows)."""
    argv = ["config", "--author", "Ozone", "--workingdir", "/", "--cmd", "", "--entrypoint", "[]"]
    environment = {
        "PATH": f"{PREFIX}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    if image == "base":
        argv += ["--user", "0:0"]
    else:
        argv += ["--user", f"{UID}:{UID}"]
    for name, value in environment.items():
        argv += ["--env", f"{name}={value}"]
    for name, value in labels(release, image, inputs, base).items():
        if value:
            argv += ["--label", f"{name}={value}"]
    return argv
