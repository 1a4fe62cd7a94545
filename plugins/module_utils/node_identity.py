# SPDX-License-Identifier: Apache-2.0
"""Who a node is: its name and its cloud, kept on the node itself from the first change on.

A run that reaches a machine by the address of another one, or a machine of another cloud, finds that out before it
changes anything. Both sides import this file; it needs nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypedDict

#: On a node.
FILE = "/var/lib/ozone/node.json"

#: In the state directory of a cloud: what tells it from another cloud of the same name.
CLOUD_ID = "cloud-id"


class Identity(TypedDict):
    """What a node knows of itself. ``id`` is that of the cloud; empty when it is not known."""

    cloud: str
    id: str
    node: str


class Reader(Protocol):
    """A machine whose files can be read."""

    def read(self, path: str) -> str | None:
        """Text of a file, or None when there is none."""


def found(host: Reader) -> Identity | None:
    """What a machine says of itself; None for one that was never changed, or whose file is damaged."""
    try:
        data = json.loads(host.read(FILE) or "")
        return Identity(cloud=str(data["cloud"]), id=str(data["id"]), node=str(data["node"]))
    except (ValueError, KeyError, TypeError):
        return None


def wanted(given: Mapping[str, Any]) -> Identity:
    """The identity in the option ``identity`` of a module, which may have further keys."""
    return Identity(cloud=str(given["cloud"]), id=str(given["id"]), node=str(given["node"]))


def stranger(host: Reader, given: Mapping[str, Any] | None) -> str:
    """Why a machine is not the node that is meant; empty when it is, or when it has never said so.

    ``given``: the keys of ``Identity``, ``address`` (where the machine was reached) and ``take_over`` (whether it may
    become that node whatever it is now). None: nothing is known of it, and nothing is compared.
    """
    has = found(host)
    if given is None or has is None or given.get("take_over"):
        return ""
    meant = wanted(given)
    other = bool(has["id"] and meant["id"] and has["id"] != meant["id"])
    if has["node"] == meant["node"] and has["cloud"] == meant["cloud"] and not other:
        return ""
    is_ = f"{has['node']} of the cloud {has['cloud']}"
    if has["cloud"] != meant["cloud"] or not other:
        remedy = f"correct the address of {meant['node']} in cloud.yml or in its record of addresses"
    else:
        is_ = f"{has['node']} of another cloud that is called {has['cloud']}"
        remedy = "use the state directory (OZONE_STATE) that the node was deployed with, or correct its address"
    return (
        f"the machine at {given.get('address') or 'this address'} says that it is {is_}, and was addressed as "
        f"{meant['node']} of the cloud {meant['cloud']}; nothing was changed on it: {remedy}; if this machine is to "
        f"become {meant['node']}, say -e '{{ozone_take_over: [{meant['node']}]}}'"
    )


def outdated(host: Reader, given: Mapping[str, Any] | None) -> Identity | None:
    """What is to be written on a machine that is about to be changed; None when it is there."""
    return None if given is None or found(host) == wanted(given) else wanted(given)


def cloud_id(state: Path, create: bool) -> str:
    """The id in the state directory of a cloud, made when it is missing; with ``create`` False it may be empty.

    Several processes may ask at the same time: one of them makes it, and all read the same.
    """
    path = state / CLOUD_ID
    if not path.exists():
        if not create:
            return ""
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{CLOUD_ID}.", dir=state)
        try:
            with os.fdopen(handle, "w") as stream:
                stream.write(f"{uuid.uuid4()}\n")
            with contextlib.suppress(FileExistsError):
                os.link(name, path)
        finally:
            os.unlink(name)
    return path.read_text().strip()
