# SPDX-License-Identifier: Apache-2.0
"""The files that make a copy of the shared root a particular node. Pure: a path in the node -> text and mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import Nic, Node

#: Where a node sees the image store that it shares with all others.
IMAGES = "/var/lib/ozone-images"

#: Prefix of the lab's own files of systemd-networkd, so that those of a NIC that is gone can be removed.
NETWORKD = "10-ozone-lab-"

#: A node has one host key, made by the lab, so that the deployment host knows it before the first contact.
SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
"""

#: The kernel of a lab node is that of its host, where raising limits may be forbidden (CAP_SYS_RESOURCE).
CONTAINERS = """\
# Settings of the lab: its nodes may not raise limits. Not for real nodes.
[containers]
pids_limit = 0
default_ulimits = ["nofile=20000:20000"]
"""

STORAGE = f"""\
# Settings of the lab: images come from the store of the deployment host, read-only.
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
[storage.options]
additionalimagestores = ["{IMAGES}"]
"""


@dataclass(frozen=True)
class File:
    """Text and mode of a file owned by root."""

    text: str
    mode: int = 0o644


def networkd(nic: Nic) -> str:
    """The .network file of a NIC: static, and nothing that could make it ask anybody for an address."""
    lines = [
        "[Match]",
        f"Name={nic.name}",
        "[Link]",
        f"MTUBytes={nic.mtu}",
        # A card without an address never gets "routable": nothing must wait for it.
        f"RequiredForOnline={'yes' if nic.address else 'no'}",
        "[Network]",
        "DHCP=no",
        "IPv6AcceptRA=no",
        f"LinkLocalAddressing={'ipv6' if nic.gateway.startswith('fe80:') else 'no'}",
        "LLDP=no",
        "EmitLLDP=no",
        "ConfigureWithoutCarrier=yes",
    ]
    if nic.address:
        lines.append(f"Address={nic.address}")
    if nic.gateway:
        lines.append(f"Gateway={nic.gateway}")
    return "\n".join(lines) + "\n"


def node_files(node: Node, authorized_key: str, host_key: Mapping[str, str]) -> dict[str, File]:
    """All files of a node.

    ``authorized_key``: the public key that may log in as root. ``host_key``: ``private`` and ``public`` text of the
    node's SSH host key (ed25519).
    """
    full = f"{node.name}.{node.domain} {node.name}" if node.domain else node.name
    files = {
        "/etc/hostname": File(f"{node.name}\n"),
        "/etc/hosts": File(f"127.0.0.1 localhost\n127.0.1.1 {full}\n"),
        "/etc/machine-id": File(f"{node.machine_id}\n", 0o444),
        "/etc/ssh/ssh_host_ed25519_key": File(host_key["private"], 0o600),
        "/etc/ssh/ssh_host_ed25519_key.pub": File(host_key["public"]),
        "/etc/ssh/sshd_config.d/10-ozone-lab.conf": File(SSHD),
        "/root/.ssh/authorized_keys": File(authorized_key.strip() + "\n", 0o600),
        "/etc/containers/containers.conf.d/90-ozone-lab.conf": File(CONTAINERS),
        "/etc/containers/storage.conf": File(STORAGE),
    }
    for nic in node.nics:
        files[f"/etc/systemd/network/{NETWORKD}{nic.name}.network"] = File(networkd(nic))
    return files


def known_hosts(text: str, node: Node, public_key: str) -> str:
    """``known_hosts`` with the lines of this node replaced by its present key; an empty key only removes them.

    A node is known by its addresses and its names.
    """
    names = [node.name, *([f"{node.name}.{node.domain}"] if node.domain else [])]
    names += [nic.address.partition("/")[0] for nic in node.nics if nic.address]
    kept = [line for line in text.splitlines() if line.strip() and not set(line.split()[0].split(",")) & set(names)]
    if public_key:
        kept.append(f"{','.join(names)} {' '.join(public_key.split()[:2])}")
    return "".join(f"{line}\n" for line in sorted(kept))
