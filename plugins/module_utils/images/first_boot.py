# SPDX-License-Identifier: Apache-2.0
"""Runs on a machine at its first boot from a golden image, before its network starts: who it is and how it is reached.

All of it comes from the config drive that the deployment has written: the name of the machine, the keys of those who
may log in as root, the network. The network becomes the files that the role ``network`` would write, by the same code.
What identifies the machine (its SSH host key) is made here and never part of an image.

**Which config drive.** The one on the disk that the system runs from: the deployment has put both there together. Only
where that has none (a virtual machine with a second disk), one on any other disk, if there is exactly one. Never one of
an optical drive: what a BMC still shows there belongs to the ramdisk, with its address.

**When it fails**, the console and the journal say why, and it is tried again. There is no other way to an address: no
DHCP, no default. It runs until it has succeeded once; a later change of the config drive means nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import write_atomic
from ansible_collections.ozone.openstack.plugins.module_utils.network import probe, tool
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError, Nic, Wanted
from ansible_collections.ozone.openstack.plugins.module_utils.network.network_data import from_network_data
from ansible_collections.ozone.openstack.plugins.module_utils.network.render import render
from ansible_collections.ozone.openstack.plugins.module_utils.network.resolve import resolve
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse, parse_mapping

LABEL = "config-2"
DIRECTORY = "openstack/latest"
MOUNT = "/run/ozone/config-drive"
DONE = "/var/lib/ozone/first-boot.json"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"

#: Seconds for a disk or a NIC to appear.
PATIENCE = 30

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?\Z")
_ALIAS = re.compile(r"(?!.*\.[0-9]+\Z)[A-Za-z_][A-Za-z0-9_.-]{0,14}\Z")


class Failure(Exception):
    """The machine cannot become what it shall be; the text says why."""


# ---- the config drive


def label(data: bytes) -> str:
    """The label of an ISO 9660 or FAT file system, from its first 34 kB; "" for anything else."""
    if data[32768:32774] == b"\x01CD001":
        return data[32808:32840].decode("ascii", "replace").strip()
    for kind, at in ((b"FAT32   ", 82), (b"FAT16   ", 54), (b"FAT12   ", 54)):
        if data[at : at + 8] == kind:
            return data[at - 11 : at].decode("ascii", "replace").strip()
    return ""


def read_label(device: str) -> str:
    """See :func:`label`; "" for what cannot be read."""
    try:
        with open(device, "rb") as stream:
            return label(stream.read(34 * 1024))
    except OSError:
        return ""


def blocks(sys_block: str = "/sys/class/block") -> dict[str, str]:
    """Partitions and whole disks: name -> the disk's name."""
    found = {}
    for name in os.listdir(sys_block):
        if re.match(r"(sr|loop|ram|zram|dm-|md|fd)[0-9]", name):
            continue
        path = os.path.realpath(os.path.join(sys_block, name))
        part = os.path.exists(os.path.join(path, "partition"))
        found[name] = os.path.basename(os.path.dirname(path)) if part else name
    return found


def root_disk(found: Mapping[str, str]) -> str:
    """The disk that the system runs from; "" when it is none of ``found``."""
    number = os.stat("/").st_dev
    name = os.path.basename(os.path.realpath(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}"))
    return found.get(name, "")


def choose(found: Mapping[str, str], disk: str, labels: Callable[[str], str]) -> str | None:
    """The device that is the config drive, or None. ``found``: name -> disk. Raises Failure when it is not clear."""
    for where in ([name for name in found if found[name] == disk], [name for name in found if found[name] != disk]):
        drives = [name for name in sorted(where) if labels(name).lower() == LABEL]
        if len(drives) > 1:
            raise Failure(f"there are {len(drives)} config drives: {', '.join(drives)}; remove all but one")
        if drives:
            return drives[0]
    return None


def find_drive(sleep: Callable[[float], None] = time.sleep) -> str:
    """The device of the config drive. Raises Failure."""
    for _ in range(PATIENCE * 4):
        found = blocks()
        name = choose(found, root_disk(found), lambda name: read_label(f"/dev/{name}"))
        if name is not None:
            return f"/dev/{name}"
        sleep(0.25)
    raise Failure(f"there is no config drive (a partition or disk with the label {LABEL}); looked at: {sorted(found)}")


def read_drive(device: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """meta_data and network_data of a config drive. Raises Failure."""
    os.makedirs(MOUNT, exist_ok=True)
    run("mount", "-o", "ro,nosuid,nodev,noexec", device, MOUNT)
    try:
        return document(f"{MOUNT}/{DIRECTORY}/meta_data.json"), document(f"{MOUNT}/{DIRECTORY}/network_data.json")
    finally:
        run("umount", MOUNT)


def document(path: str) -> dict[str, Any]:
    """A JSON file that holds a mapping. Raises Failure."""
    name = os.path.basename(path)
    try:
        with open(path, encoding="utf-8") as stream:
            data = json.load(stream)
    except FileNotFoundError:
        raise Failure(f"the config drive has no {name}") from None
    except ValueError as error:
        raise Failure(f"{name} of the config drive: {error}") from None
    if not isinstance(data, dict):
        raise Failure(f"{name} of the config drive is no mapping")
    return data


# ---- who the machine is


def host_name(meta: Mapping[str, Any]) -> str:
    """The machine's name. Raises Failure."""
    name = str(meta.get("hostname") or meta.get("name") or "")
    if not _HOST_NAME.match(name):
        raise Failure(f"meta_data.json of the config drive: {name!r} is no host name")
    return name


def keys(meta: Mapping[str, Any]) -> str:
    """The file authorized_keys of root: the keys of ``public_keys``, a mapping or a list. Raises Failure."""
    given = meta.get("public_keys") or {}
    texts = list(given.values()) if isinstance(given, Mapping) else list(given)
    lines = [line.strip() for text in texts for line in str(text).splitlines() if line.strip()]
    if not lines:
        raise Failure("meta_data.json of the config drive has no public_keys: nobody could log in")
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def identify(meta: Mapping[str, Any]) -> None:
    """Name, keys, host key."""
    name = host_name(meta)
    write("/etc/hostname", f"{name}\n")
    Path("/proc/sys/kernel/hostname").write_text(name, encoding="ascii")
    os.makedirs("/root/.ssh", mode=0o700, exist_ok=True)
    write("/root/.ssh/authorized_keys", keys(meta), 0o600)
    if not os.path.exists(HOST_KEY):
        fresh = f"{HOST_KEY}.new"
        for path in (fresh, f"{fresh}.pub"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", fresh)
        os.replace(f"{fresh}.pub", f"{HOST_KEY}.pub")
        os.replace(fresh, HOST_KEY)


# ---- the network


def named(objects: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The objects with NICs by their names instead of their MAC addresses; ``names``: MAC address -> name."""

    def of(item: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(item)
        for key in ("name", "device"):
            if key in made:
                made[key] = names.get(str(made[key]), made[key])
        if "members" in made:
            made["members"] = [of(member) for member in made["members"]]
        return made

    return [of(item) for item in objects]


def aliases(data: Mapping[str, Any]) -> dict[str, str]:
    """What the document calls its NICs, ``{nic1: MAC address}``, so that files are called as ``make network`` would."""
    found = {}
    for link in data.get("links") or ():
        mac = str(link.get("ethernet_mac_address", "")).lower().replace("-", ":")
        if link.get("type") not in ("bond", "vlan") and mac and _ALIAS.match(str(link.get("id", ""))):
            found[str(link["id"])] = mac
    return found


def plan(data: Mapping[str, Any], nics: Sequence[Nic]) -> Wanted:
    """What the document means on this machine. Raises NetworkError."""
    mapping = aliases(data)
    objects = named(from_network_data(data), {mac: name for name, mac in mapping.items()})
    config = parse(objects)
    return render(config, resolve(config, nics, [], parse_mapping(mapping)))


def here() -> list[Nic]:
    """The NICs that udev has named."""
    host = tool.Host()
    seen = tool.look(host)
    ready = {name for name, link in seen["links"].items() if host.exists(f"/run/udev/data/n{link['ifindex']}")}
    return [nic for nic in probe.nics(host, seen, probe.permanent_mac) if nic["name"] in ready]


def connect(data: Mapping[str, Any], sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Write the files of the network; what is not as it should be, in sentences. Raises Failure."""
    wanted_macs = set(aliases(data).values())
    for _ in range(PATIENCE * 4):
        nics = here()
        if wanted_macs <= {nic["mac"] for nic in nics}:
            break
        sleep(0.25)
    try:
        wanted = plan(data, nics)
    except NetworkError as error:
        there = ", ".join(f"{nic['name']} {nic['mac']}" for nic in nics) or "none"
        raise Failure(f"the network of the config drive cannot be made: {error} (NICs: {there})") from error
    for path, file in wanted["files"].items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write(path, file["text"], int(file["mode"], 8))
    return list(wanted["degraded"])


# ---- the whole


def write(path: str, text: str, mode: int = 0o644) -> None:
    """A file, whole or not at all."""
    write_atomic(Path(path), text, mode)


def run(*argv: str) -> None:
    """One command. Raises Failure."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"{argv[0]}: {error}") from error
    if done.returncode:
        raise Failure(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip() or f'exit code {done.returncode}'}")


def running(unit: str) -> bool:
    """Whether a unit is active."""
    argv = ["systemctl", "is-active", "--quiet", unit]
    return subprocess.run(argv, timeout=30, check=False).returncode == 0


def start_ssh() -> None:
    """Start the SSH server, which has given up where it was started without a host key. It may wait for us."""
    if not running("ssh.service"):
        with contextlib.suppress(Failure):
            run("systemctl", "reset-failed", "ssh.service")
        run("systemctl", "start", "--no-block", "ssh.service")


def say(text: str) -> None:
    """A line for the console and the journal."""
    sys.stdout.write(f"OZONE-FIRST-BOOT {text}\n")
    sys.stdout.flush()


def main() -> int:
    """Exit code 0 when the machine is what it shall be."""
    try:
        device = find_drive()
        meta, data = read_drive(device)
        identify(meta)
        for sentence in connect(data):
            say(f"note: {sentence}")
        if running("systemd-networkd.service"):  # an earlier attempt has failed and the boot went on
            run("networkctl", "reload")
            start_ssh()
        os.makedirs(os.path.dirname(DONE), exist_ok=True)
        write(DONE, json.dumps({"uuid": meta.get("uuid", ""), "drive": device}) + "\n")
    except (Failure, OSError) as error:
        say(f"FAILED: {error}")
        return 1
    say(f"this machine is {host_name(meta)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
