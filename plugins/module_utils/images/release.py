# SPDX-License-Identifier: Apache-2.0
"""What the images of a release are made of: ``releases/images.yml`` with ``releases/<release>/release.yml`` over it.

Reading is strict: an unknown key, a wrong type, a package without a version are errors that name file, key and remedy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

#: Debian and its Python on bare metal: the deployed system, and the ramdisk that writes it.
MACHINE_SUITE, MACHINE_PYTHON = "trixie", "3.13"


class ReleaseError(Exception):
    """The definition of a release is wrong or incomplete."""


@dataclass(frozen=True)
class Options:
    """Where the definitions of one configuration file's options come from."""

    namespaces: tuple[str, ...]
    like: Mapping[str, str] = field(default_factory=dict)  # group by configuration -> group whose options it takes


@dataclass(frozen=True)
class ImageSpec:
    """One image, as releases/images.yml explains its keys."""

    name: str
    packages: tuple[str, ...]
    debian: tuple[str, ...] = ()
    extract: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    etc: tuple[str, ...] = ()
    options: Mapping[str, Options] = field(default_factory=dict)
    check: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Release:
    """One OpenStack release and its images."""

    name: str
    title: str
    upgrade_from: tuple[str, ...]  # the releases that it can be reached from in one upgrade
    directory: Path  # holds the lock files
    constraints: str  # address of the upper constraints as published
    suite: str
    python: str  # "3.11"
    versions: Mapping[str, str]  # package -> specifier
    base: tuple[str, ...]
    common: tuple[str, ...]  # Python packages in every image
    build: tuple[str, ...]
    source: tuple[str, ...]  # packages that are built from a source distribution
    ramdisk: tuple[str, ...]  # Python packages of Ironic's ramdisk
    images: Mapping[str, ImageSpec]

    def requirements(self, image: str) -> list[str]:
        """The requirements that the lock of ``image`` is resolved from, sorted."""
        wanted = {*self.common, *self.images[image].packages}
        return sorted(package + self.versions.get(package, "") for package in wanted)

    def ramdisk_requirements(self) -> list[str]:
        """The requirements that the lock of the ramdisk is resolved from, sorted."""
        return sorted(package + self.versions.get(package, "") for package in self.ramdisk)

    def lock(self, image: str) -> Path:
        """The lock file of ``image``, of the build back ends for ``build``, of Ironic's ramdisk for ``ramdisk``."""
        return self.directory / f"{image}.lock"


_COMMON_KEYS = {"base", "python", "modules", "check", "build", "ramdisk", "images"}
_RELEASE_KEYS = {"upgrade_from", "release", "title", "constraints", "suite", "python", "versions", "source", "images"}
_IMAGE_KEYS = {"packages", "debian", "extract", "modules", "directories", "etc", "options", "check"}
_PATTERNS = {"release": r"\d{4}\.\d", "suite": r"[a-z]+", "python": r"3\.\d+"}
_IMAGE_NAME = re.compile(r"[a-z][a-z0-9]*")


class _Reader:
    """Checks types on the way and says where a mistake is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, key: str, text: str) -> ReleaseError:
        return ReleaseError(f"{self.path}: {key}: {text}")

    def mapping(self, value: Any, key: str, known: set[str] | None = None) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.fail(key, "must be a mapping")
        if known is not None and (unknown := sorted(set(value) - known)):
            raise self.fail(key, f"unknown key {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        return value

    def text(self, value: Any, key: str, pattern: str = r".+") -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.fail(key, f"must be text that matches {pattern}; quote it if it looks like a number")
        return value

    def texts(self, value: Any, key: str) -> tuple[str, ...]:
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.fail(key, "must be a list of texts")
        return tuple(value)

    def commands(self, value: Any, key: str) -> tuple[tuple[str, ...], ...]:
        if not isinstance(value, list | None):
            raise self.fail(key, "must be a list of commands, each a list of words")
        return tuple(self.texts(command, key) for command in value or [])

    def load(self) -> dict[str, Any]:
        try:
            return self.mapping(yaml.safe_load(self.path.read_text(encoding="utf-8")), "the file")
        except OSError as error:
            raise ReleaseError(f"{self.path}: cannot be read: {error.strerror}") from None
        except yaml.YAMLError as error:
            raise ReleaseError(f"{self.path}: not YAML: {error}") from None


def _image(reader: _Reader, name: str, data: Any) -> ImageSpec:
    """One image from its mapping."""
    where = f"images.{name}"
    if not _IMAGE_NAME.fullmatch(name):
        raise reader.fail(where, "the name of an image has lower case letters and digits only")
    values = reader.mapping(data, where, _IMAGE_KEYS)
    packages = reader.texts(values.get("packages"), f"{where}.packages")
    if not packages:
        raise reader.fail(f"{where}.packages", "is missing; name at least the service's own package")
    options = {}
    for conf, item in reader.mapping(values.get("options"), f"{where}.options").items():
        at = f"{where}.options.{conf}"
        fields = reader.mapping(item, at, {"namespaces", "like"})
        namespaces = reader.texts(fields.get("namespaces"), f"{at}.namespaces")
        if not namespaces:
            raise reader.fail(f"{at}.namespaces", "is missing; name at least one namespace of oslo.config.opts")
        like = reader.mapping(fields.get("like"), f"{at}.like")
        options[conf] = Options(namespaces, {group: reader.text(like[group], f"{at}.like.{group}") for group in like})
    extract = reader.mapping(values.get("extract"), f"{where}.extract")
    return ImageSpec(
        name=name,
        packages=packages,
        debian=reader.texts(values.get("debian"), f"{where}.debian"),
        extract={key: reader.texts(extract[key], f"{where}.extract.{key}") for key in extract},
        modules=reader.texts(values.get("modules"), f"{where}.modules"),
        directories=reader.texts(values.get("directories"), f"{where}.directories"),
        etc=reader.texts(values.get("etc"), f"{where}.etc"),
        options=options,
        check=reader.commands(values.get("check"), f"{where}.check"),
    )


def _over(base: Any, own: Any) -> Any:
    """``own`` over ``base``: mappings are merged key by key, everything else (lists too) is replaced."""
    if isinstance(base, dict) and isinstance(own, dict):
        return {**base, **{key: _over(base.get(key), value) for key, value in own.items()}}
    return own


def known_releases(directory: Path) -> list[str]:
    """Names of the releases below ``directory``, oldest first."""
    return sorted(path.parent.name for path in directory.glob("*/release.yml"))


def upgrade_paths(directory: Path) -> dict[str, tuple[str, ...]]:
    """Release -> the releases that it can be reached from, of all releases below ``directory``. Raises ReleaseError."""
    readers = {name: _Reader(directory / name / "release.yml") for name in known_releases(directory)}
    return {name: reader.texts(reader.load().get("upgrade_from"), "upgrade_from") for name, reader in readers.items()}


def load_release(directory: Path, name: str) -> Release:
    """Read release ``name`` below ``directory`` (the collection's releases/). Raises ReleaseError."""
    if name not in known_releases(directory):
        raise ReleaseError(
            f"{directory}: there is no release {name!r}; known: {', '.join(known_releases(directory)) or 'none'}"
        )
    common_reader = _Reader(directory / "images.yml")
    common = common_reader.mapping(common_reader.load(), "the file", _COMMON_KEYS)
    reader = _Reader(directory / name / "release.yml")
    own = reader.mapping(reader.load(), "the file", _RELEASE_KEYS)
    images = {
        key: _image(common_reader, key, value)
        for key, value in common_reader.mapping(common.get("images"), "images").items()
    }
    for key, value in reader.mapping(own.get("images"), "images").items():
        base = common_reader.mapping(common["images"].get(key), f"images.{key}")
        images[key] = _image(reader, key, _over(base, reader.mapping(value, f"images.{key}", _IMAGE_KEYS)))
    modules = common_reader.texts(common.get("modules"), "modules")
    check = common_reader.commands(common.get("check"), "check")
    images = {
        key: replace(image, modules=(*modules, *image.modules), check=(*check, *image.check))
        for key, image in images.items()
    }
    fields = {key: reader.text(own.get(key), key, pattern) for key, pattern in _PATTERNS.items()}
    if fields["release"] != name:
        raise reader.fail("release", f"says {fields['release']}, but the directory is {name}")
    versions = reader.mapping(own.get("versions"), "versions")
    for image in images.values():
        if image.packages[0] not in versions:
            raise reader.fail(
                f"versions.{image.packages[0]}", f"is missing; image {image.name} needs it, as in '~=29.0'"
            )
    ramdisk = common_reader.texts(common.get("ramdisk"), "ramdisk")
    for package in ramdisk[:1]:
        if package not in versions:
            raise reader.fail(f"versions.{package}", "is missing; the ramdisk needs it, as in '~=11.5.0'")
    return Release(
        name=name,
        title=reader.text(own.get("title"), "title"),
        upgrade_from=reader.texts(own.get("upgrade_from"), "upgrade_from"),
        directory=directory / name,
        constraints=reader.text(own.get("constraints"), "constraints", r"https?://\S+"),
        suite=fields["suite"],
        python=fields["python"],
        versions={key: reader.text(versions[key], f"versions.{key}", r"[~=<>!].+") for key in versions},
        base=common_reader.texts(common.get("base"), "base"),
        common=common_reader.texts(common.get("python"), "python"),
        build=common_reader.texts(common.get("build"), "build"),
        source=reader.texts(own.get("source"), "source"),
        ramdisk=ramdisk,
        images=images,
    )
