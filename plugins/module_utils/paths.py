# SPDX-License-Identifier: Apache-2.0
"""Where Ozone keeps things on the deployment host. Pure functions of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: The directory of the collection: the one that holds roles/, releases/ and plugins/.
COLLECTION = Path(__file__).resolve().parents[2]


def _base(environ: Mapping[str, str], own: str, xdg: str, default: str) -> Path:
    """``$own`` as it is; else ``ozone`` below ``$xdg``; else ``ozone`` below ``default`` in the home directory.

    The XDG base directory specification says that a relative path in such a variable is to be ignored.
    """
    chosen = environ.get(own, "")
    if chosen:
        return Path(chosen).absolute()
    base = environ.get(xdg, "")
    if not base.startswith("/"):
        base = str(Path(environ.get("HOME") or Path.home()) / default)
    return Path(base) / "ozone"


def cache_dir(environ: Mapping[str, str]) -> Path:
    """The cache: keyed by content, shared by all clouds, safe to delete.

    In ``$OZONE_CACHE`` or below ``$XDG_CACHE_HOME``.
    """
    return _base(environ, "OZONE_CACHE", "XDG_CACHE_HOME", ".cache")


def state_dir(cloud_name: str, environ: Mapping[str, str]) -> Path:
    """The state of one cloud: secrets, keys, reports. In ``$OZONE_STATE`` or below ``$XDG_STATE_HOME``.

    Raises ValueError for a name that would leave the directory.
    """
    if cloud_name in ("", ".", "..") or "/" in cloud_name:
        raise ValueError(f"not the name of a cloud: {cloud_name!r}")
    return _base(environ, "OZONE_STATE", "XDG_STATE_HOME", ".local/state") / cloud_name
