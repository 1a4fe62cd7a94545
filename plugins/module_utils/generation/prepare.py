# SPDX-License-Identifier: Apache-2.0
"""What a generation needs on a node before it can be staged: packages, accounts, directories, images.

All of it only adds: nothing here changes what is running.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import (
    Account,
    Directory,
    Image,
    Manifest,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.oneshot import tail
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import CALL_TIMEOUT, Host, Result

#: Keeps daemons from starting while their package is installed: they would start with the distribution's configuration.
#: It looks for the process that installs, so that one that is left behind by a dead run has no effect.
POLICY = "/usr/sbin/policy-rc.d"
POLICY_MARK = "/run/ozone/installing"
POLICY_TEXT = f"""#!/bin/sh
# Made by Ozone while it installs packages.
kill -0 "$(cat {POLICY_MARK} 2>/dev/null)" 2>/dev/null && exit 101
exit 0
"""

INSTALL_TIMEOUT = 1200
PULL_TIMEOUT = 900

#: Directories that a purge never removes, whatever a manifest says. Nor does it one directly below the root.
PROTECTED = (
    "/etc/containers", "/etc/systemd", "/home", "/root", "/run/lock", "/usr/bin", "/usr/lib", "/usr/sbin", "/usr/share",
    "/var/cache", "/var/lib", "/var/lib/containers", "/var/lib/dpkg", "/var/lib/ozone", "/var/log", "/var/spool",
    "/var/tmp",  # noqa: S108 -- it is named to be left alone
    "/etc/ssh", "/run/systemd", "/var/lib/systemd",
)  # fmt: skip


class PrepareError(Exception):
    """The node cannot be prepared. ``lines`` is what the failing command said last."""

    def __init__(self, message: str, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.lines = list(lines)


# -- packages ----------------------------------------------------------------------------------------------------------


def missing_packages(host: Host, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that are not installed."""
    if not names:
        return []
    result = host.run(
        ["dpkg-query", "--show", "--showformat=${Package}\\t${db:Status-Status}\\n", *names], CALL_TIMEOUT
    )
    installed = {line.split("\t")[0] for line in result.out.splitlines() if line.endswith("\tinstalled")}
    return [name for name in names if name.split(":")[0] not in installed]


def install_packages(host: Host, names: Sequence[str]) -> list[str]:
    """Install what is missing, without starting it; returns what was missing. :raises PrepareError: it cannot."""
    missing = missing_packages(host, names)
    if not missing:
        return []
    own_policy = not host.exists(POLICY) or host.read(POLICY) == POLICY_TEXT
    root = (host.uid("root"), host.gid("root"))
    if own_policy:
        host.mkdir("/run/ozone", 0o700)
        host.create(POLICY_MARK, f"{host.process()[0]}\n".encode(), 0o600, *root)
        host.create(f"{POLICY}.ozone", POLICY_TEXT.encode(), 0o755, *root)
        host.replace(f"{POLICY}.ozone", POLICY)
    try:
        result = _install(host, missing)
        if result.code and "Unable to locate package" in result.err + result.out:
            host.run(["apt-get", "-q", "update"], INSTALL_TIMEOUT)
            result = _install(host, missing)
    finally:
        if own_policy:
            host.unlink(POLICY)
            host.unlink(POLICY_MARK)
    if result.code:
        raise PrepareError(
            f"package {', '.join(missing)} cannot be installed; check the node's package sources (apt-cache policy "
            f"{missing[0]}), or install it into the image that the node is made from",
            tail(result, 8),
        )
    return missing


def _install(host: Host, names: Sequence[str]) -> Result:
    options = [
        "-o",
        "DPkg::Lock::Timeout=120",
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
    ]
    return host.run(["apt-get", "-q", "-y", *options, "install", "--no-install-recommends", *names], INSTALL_TIMEOUT)


# -- accounts and directories ------------------------------------------------------------------------------------------


def _number(host: Host, account: Account) -> int | None:
    try:
        return host.uid(account["name"])
    except KeyError:
        return None


def missing_accounts(host: Host, accounts: Sequence[Account]) -> list[str]:
    """Names of the accounts that the node does not have."""
    return [account["name"] for account in accounts if _number(host, account) is None]


def make_accounts(host: Host, accounts: Sequence[Account]) -> list[str]:
    """Make missing accounts and group memberships; returns the accounts made.

    :raises PrepareError: an account has another number, or its number is taken.
    """
    made: list[str] = []
    for account in accounts:
        name, uid = account["name"], str(account["uid"])
        found = _number(host, account)
        if found is not None and str(found) != uid:
            raise PrepareError(
                f"account {name} has the number {found} on this node, wanted {uid}: files of containers would belong "
                f"to somebody else. Change it (usermod --uid {uid} {name}) or set the account's uid to {found}"
            )
        if found is None:
            made.append(name)
            try:
                host.gid(name)
            except KeyError:
                _account_command(host, name, ["groupadd", "--system", "--gid", uid, name])
            _account_command(
                host,
                name,
                [
                    "useradd", "--system", "--uid", uid, "--gid", name, "--home-dir", account["home"],
                    "--no-create-home", "--shell", "/usr/sbin/nologin", name,
                ],
            )  # fmt: skip
        lacking = [group for group in account["groups"] if not host.member(name, group)]
        if lacking:
            _account_command(host, name, ["usermod", "--append", "--groups", ",".join(lacking), name])
    return made


def _account_command(host: Host, name: str, argv: list[str]) -> None:
    result = host.run(argv, CALL_TIMEOUT)
    if result.code:
        raise PrepareError(f"account {name} cannot be made: {' '.join(argv)} failed", tail(result, 4))


def make_directories(host: Host, directories: Sequence[Directory]) -> list[str]:
    """Make directories, and give them the wanted mode and owner; returns those that differed."""
    changed: list[str] = []
    for entry in directories:
        path = entry["path"]
        try:
            wanted = (f"{int(entry['mode'], 8):04o}", host.uid(entry["owner"]), host.gid(entry["group"]))
        except KeyError:
            raise PrepareError(
                f"directory {path}: the node has no account {entry['owner']}:{entry['group']}; "
                "name it in `accounts`, or the package that makes it in `packages`"
            ) from None
        host.mkdir(path)
        if host.attributes(path) != wanted:
            host.own(path, int(wanted[0], 8), wanted[1], wanted[2])
            changed.append(path)
    return changed


def purge_directories(host: Host, directories: Sequence[Directory]) -> list[str]:
    """Remove the data of a service; returns what was removed. What the system needs is never removed."""
    removed: list[str] = []
    for path in sorted((entry["path"].rstrip("/") for entry in directories), reverse=True):
        if path.count("/") < 2 or path in PROTECTED or ".." in path.split("/") or not host.exists(path):
            continue
        host.remove(path)
        removed.append(path)
    return removed


# -- images ------------------------------------------------------------------------------------------------------------


def _images(manifest: Manifest) -> list[Image]:
    return list(
        {container["image"]["id"]: container["image"] for container in manifest["containers"].values()}.values()
    )


def missing_images(host: Host, manifest: Manifest) -> list[Image]:
    """The images that the node does not have."""
    return [
        image for image in _images(manifest) if host.run(["podman", "image", "exists", image["id"]], CALL_TIMEOUT).code
    ]


def fetch_images(host: Host, manifest: Manifest) -> list[str]:
    """Pull missing images by name, and accept only the image that the manifest names; returns the names pulled.

    :raises PrepareError: it cannot be pulled, or is another one.
    """
    pulled: list[str] = []
    for image in missing_images(host, manifest):
        result = host.run(["podman", "pull", "--quiet", image["name"]], PULL_TIMEOUT)
        if result.code:
            raise PrepareError(
                f"image {image['name']} (id {image['id'][:12]}) is not on the node and cannot be pulled",
                tail(result, 4),
            )
        found = host.run(["podman", "image", "inspect", "--format", "{{.Id}}", image["name"]], CALL_TIMEOUT)
        if found.out.strip().removeprefix("sha256:") != image["id"].removeprefix("sha256:"):
            raise PrepareError(
                f"image {image['name']} was pulled and has the id {found.out.strip()[:19]}, wanted {image['id'][:12]}: "
                "build and publish the images again, or set the override to the id that was tested"
            )
        pulled.append(image["name"])
    return pulled
