# SPDX-License-Identifier: Apache-2.0
"""What a node is and what it runs, in one look: a few small files and one call of systemctl."""

from __future__ import annotations

import os
import shlex
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.generation import revert, store
from ansible_collections.ozone.openstack.plugins.module_utils.generation.difference import all_units
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import UNFINISHED, UPGRADING, Manifest
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import Host


def os_release(host: Host) -> dict[str, str]:
    """``id`` and ``version_id`` of os-release(5); empty when the node does not say."""
    text = host.read("/etc/os-release") or host.read("/usr/lib/os-release") or ""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.lower(): " ".join(shlex.split(fields.get(name, ""))) for name in ("ID", "VERSION_ID", "PRETTY_NAME")}


def _service(
    host: Host, service: str, manifest: Manifest | None, active: str | None, states: dict[str, str]
) -> dict[str, Any]:
    reverted = revert.load(host, revert.directory(service, "reverted.json"))
    pending = revert.pending(host, service)
    wanted = {name: states[name] for name in all_units(manifest)}
    upgrading = revert.load(host, revert.directory(service, UPGRADING))
    # A change that was taken back by the node itself leaves the mark, and another release than it names.
    counts = isinstance(upgrading, dict) and manifest is not None and upgrading.get("to") == manifest["release"]
    return {
        "digest": active or "",
        "previous": store.previous(host, service, active) or "",
        "cluster": manifest["cluster"] if manifest else "",
        "release": manifest["release"] if manifest else "",
        "components": manifest["components"] if manifest else [],
        "pending": pending is not None,
        "unfinished": host.exists(revert.directory(service, UNFINISHED)),
        "upgrading": counts,
        "reverted": reverted if isinstance(reverted, dict) else None,
        "units": wanted,
        "healthy": manifest is not None and pending is None and all(state == "active" for state in wanted.values()),
        "images": {name: c["image"]["id"] for name, c in manifest["containers"].items()} if manifest else {},
        "drift": [f"{entry.path}: {entry.what}" for entry in store.drift(host, service, manifest, active)]
        if manifest and active
        else [],
    }


def probe(host: Host) -> dict[str, Any]:
    """The whole look. A service whose manifest is lost has a digest of "", so that it is deployed again."""
    found: dict[str, tuple[Manifest | None, str | None]] = {}
    for service in revert.services(host):
        name = revert.current(host, service)
        manifest = store.manifest_of(host, service, name)
        found[service] = (manifest, name if manifest else None)
    names = list(dict.fromkeys(unit for manifest, _ in found.values() for unit in all_units(manifest)))
    states = {name: state["ActiveState"] for name, state in revert.units(host, names).items()}
    return {
        "os": os_release(host),
        "hostname": (host.read("/proc/sys/kernel/hostname") or "").strip(),
        "kernel": (host.read("/proc/sys/kernel/osrelease") or "").strip(),
        "architecture": os.uname().machine,
        "time": int(host.time()),
        "free_bytes": store.free(host),
        "services": {
            service: _service(host, service, manifest, active, states) for service, (manifest, active) in found.items()
        },
    }
