# SPDX-License-Identifier: Apache-2.0
"""Texts for people: what changes in files, and what a service said, without a secret in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypedDict

from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import Manifest
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import Host, directory
from ansible_collections.ozone.openstack.plugins.module_utils.generation.store import (
    generation_files,
    object_directory,
    object_files,
)

MASK = "********"

#: Secrets shorter than this are not looked for: a text is full of such words.
SHORTEST = 4

_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----)", re.DOTALL)
_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]+:)[^\s/@]+(?=@)")
_OPTION = re.compile(r"(?im)^(.*(?:password|passwd|secret|private_key|token)[\"']?\s*[=:]\s*).*\S.*$")


class FileDiff(TypedDict):
    """One file's texts before and after a change, for ``--diff``."""

    before_header: str
    after_header: str
    before: str
    after: str


def mask(text: str, secrets: Sequence[str]) -> str:
    """Hide secrets: the given ones, passwords in URLs, private keys, values of options that are named like a secret."""
    for secret in sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _OPTION.sub(rf"\1{MASK}", text)
    text = _URL.sub(rf"\1{MASK}", text)
    return _PRIVATE_KEY.sub(rf"\1\n{MASK}\n\2", text)


def mask_pair(before: str, after: str, secrets: Sequence[str]) -> tuple[str, str]:
    """Hide secrets in both texts of a file.

    The old text may hold old secrets, which nobody can name any more: where a line of the new text has a secret after
    some beginning, whatever an old line has after the same beginning is hidden too.
    """
    hidden = mask(after, secrets)
    beginnings = {line.split(MASK)[0] for line in hidden.splitlines() if MASK in line}
    lines = []
    for line in mask(before, secrets).splitlines(keepends=True):
        for beginning in beginnings:
            if beginning.strip() and line.startswith(beginning) and not line.startswith(beginning + MASK):
                line = f"{beginning}{MASK}\n"
        lines.append(line)
    return "".join(lines), hidden


def _texts(
    host: Host, service: str, manifest: Manifest | None, base: str, contents: Mapping[str, str]
) -> dict[str, str]:
    """Texts of a generation by the path that people know; of a container's files: ``<container>:<path>``."""
    if manifest is None:
        return {}
    found: dict[str, str] = {}
    for file in generation_files(service, manifest, base):
        name = file.real
        if file.text is not None:
            if name.endswith("/manifest.json"):
                continue
            name = name.rsplit("/", 1)[-1]
        found[name] = contents.get(file.sha256) or file.text or host.read(file.path) or ""
    for label, container in manifest["containers"].items():
        final = object_directory(service, container)
        for file, entry in zip(object_files(service, container, final), container["files"], strict=True):
            found[f"{label}:{entry['path']}"] = contents.get(file.sha256) or host.read(file.path) or ""
    return found


def differences(
    host: Host,
    service: str,
    old: tuple[Manifest | None, str | None],
    new: tuple[Manifest | None, str | None],
    contents: Mapping[str, str],
    secrets: Sequence[str],
) -> list[FileDiff]:
    """The files that differ between two generations, secrets hidden.

    A host file that no generation had before is compared with what lies at its path now: it will be replaced.
    """
    before = _texts(host, service, old[0], directory(service, "generations", old[1] or ""), {})
    after = _texts(host, service, new[0], directory(service, "generations", new[1] or ""), contents)
    result: list[FileDiff] = []
    for path in sorted({*before, *after}):
        was = before.get(path)
        if was is None and path.startswith("/"):
            was = host.read(path)
        now = after.get(path)
        left, right = (_without_objects(text) for text in mask_pair(was or "", now or "", secrets))
        if _without_objects(was or "") == _without_objects(now or "") and (was is None) == (now is None):
            continue
        if left == right and was and now:
            left, right = f"{left}(a secret)\n", f"{right}(another secret)\n"
        header = path if path.startswith("/") else f"{service}: {path}"
        result.append(
            {
                "before_header": header if was is not None else f"{header} (new)",
                "after_header": header if now is not None else f"{header} (removed)",
                "before": left,
                "after": right,
            }
        )
    return result


def _without_objects(text: str) -> str:
    """A quadlet names its object by digest, which differs with every change and tells nothing."""
    return re.sub(r"(/objects/)[0-9a-f]{64}", r"\1<files>", text)
