# SPDX-License-Identifier: Apache-2.0
"""Files of the base system."""

from __future__ import annotations

from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context


def authority(context: Context) -> str:
    """The certificate authority that signed the cloud's server certificates."""
    return context.certificate("ca")


def hosts(context: Context) -> str:
    """/etc/hosts: this node and the members of the message queue, which know each other by name.

    Not every node of the cloud: a compute node that joins must not change a file on all the others.
    """
    domain = context.cloud["domain"]
    own = context.node["name"]
    lines = ["# Made by Ozone.", "127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines.append(f"{context.address('management')} {own}.{domain} {own}")
    network = context.network("message_queue")
    for member in context.members("rabbitmq"):
        if member["name"] != own:
            lines.append(f"{member['addresses'][network]} {member['name']}.{domain} {member['name']}")
    return "\n".join(lines) + "\n"
