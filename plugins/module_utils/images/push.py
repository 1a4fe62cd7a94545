# SPDX-License-Identifier: Apache-2.0
"""Bring built images to where nodes pull them from: a registry, or an OCI layout in a directory of the host.

An image is named by the digest of its manifest there. What was sent is written down beside the store, so that an image
that is still there is not packed and sent again.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import write_atomic
from ansible_collections.ozone.openstack.plugins.module_utils.images.build import (
    BuildError,
    Built,
    Progress,
    run_command,
)
from ansible_collections.ozone.openstack.plugins.module_utils.images.store import Store

#: Seconds that sending one image may take.
TIMEOUT = 900


@dataclass(frozen=True)
class Pushed:
    """One image at its destination. ``reference`` is what a node pulls."""

    reference: str
    changed: bool


def destination(target: str, image: str, name: str) -> str:
    """Address of an image for buildah. ``name`` is the one in the store: its tag is kept."""
    tag = name.rpartition(":")[2]
    if target.startswith("oci:"):
        return f"{target.rstrip('/')}:{image}-{tag}"
    return f"docker://{target.rstrip('/')}/{image}:{tag}"


def reference(target: str, image: str, digest: str) -> str:
    """What a node pulls: by digest, so that it gets exactly what was built."""
    if target.startswith("oci:"):
        return f"{target.rstrip('/')}@{digest}"
    return f"{target.rstrip('/')}/{image}@{digest}"


def manifest_url(target: str, image: str, digest: str, tls: bool) -> str:
    """Address of a manifest (OCI distribution specification)."""
    host, _, prefix = target.rstrip("/").partition("/")
    path = f"{prefix}/{image}" if prefix else image
    return f"{'https' if tls else 'http'}://{host}/v2/{path}/manifests/{digest}"


def is_there(target: str, image: str, digest: str, tls: bool, timeout: float = 10) -> bool:
    """Whether the destination still has the manifest. Any doubt counts as no: sending again does no harm."""
    if target.startswith("oci:"):
        blob = Path(target.removeprefix("oci:"), "blobs", *digest.split(":"))
        return blob.is_file()
    request = urllib.request.Request(  # noqa: S310 - http(s) by construction
        manifest_url(target, image, digest, tls),
        method="HEAD",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
    )
    try:
        context = ssl.create_default_context() if tls else None
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:  # noqa: S310 - as above
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _records(path: Path) -> dict[str, Any]:
    """What was sent before: destination -> {id, digest}."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def push(
    root: Path,
    built: Mapping[str, Built],
    target: str,
    progress: Progress,
    *,
    tls: bool = True,
    check: bool = False,
    there: Callable[[str, str, str, bool], bool] = is_there,
    send: Callable[[str, str, bool], str] | None = None,
) -> dict[str, Pushed]:
    """Send every image that ``target`` does not have; references by digest. Raises BuildError."""
    if target.startswith("oci:") and not target.startswith("oci:/"):
        raise BuildError(f"ozone_images_push: {target}: an OCI layout needs an absolute path, as in oci:/srv/images")
    file = root / "pushed.json"
    records = _records(file)
    result = {}
    for image, item in built.items():
        where = destination(target, image, item.name)
        known = records.get(where)
        if isinstance(known, dict) and known.get("id") == item.id and there(target, image, known["digest"], tls):
            result[image] = Pushed(reference(target, image, known["digest"]), False)
            continue
        if check:
            result[image] = Pushed("", True)
            continue
        progress(f"{image}: sending to {target}")
        digest = (send or _sender(root))(item.name, where, tls)
        records[where] = {"id": item.id, "digest": digest, "reference": reference(target, image, digest)}
        write_atomic(file, json.dumps(records, indent=2, sort_keys=True) + "\n", 0o644)
        result[image] = Pushed(reference(target, image, digest), True)
    return result


def _sender(root: Path) -> Callable[[str, str, bool], str]:
    """How an image is sent: with buildah; the digest of its manifest."""
    store = Store(root, lambda argv, timeout: run_command(argv, timeout, environ=store.environment()))

    def send(name: str, where: str, tls: bool) -> str:
        file = root / "work" / "digest"
        file.parent.mkdir(parents=True, exist_ok=True)
        flags = [f"--tls-verify={str(tls).lower()}", "--digestfile", str(file), "--quiet"]
        if where.startswith("oci:"):
            Path(where.removeprefix("oci:").rpartition(":")[0]).mkdir(parents=True, exist_ok=True)
        store.buildah("push", *flags, name, where, timeout=TIMEOUT)
        return file.read_text(encoding="utf-8").strip()

    return send
