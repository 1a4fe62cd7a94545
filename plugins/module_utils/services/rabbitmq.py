# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ: its configuration, and the virtual hosts and users of all services as one definitions file."""

from __future__ import annotations

import ipaddress
import json

from ansible_collections.ozone.openstack.plugins.module_utils.derived import rabbitmq_hash
from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import (
    RABBITMQ,
    host_port,
    rabbitmq_listener,
    version,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context
from ansible_collections.ozone.openstack.plugins.module_utils.generation.oslo import queue_password

#: Port of epmd, by which Erlang nodes find each other.
PORT_MAPPER = 4369

DEFINITIONS = "/etc/rabbitmq/definitions.json"
NAMES = "/etc/rabbitmq/inetrc"


def _tuple(address: str) -> str:
    """An address as Erlang writes it: ``{198,18,9,11}``."""
    parsed = ipaddress.ip_address(address)
    numbers = parsed.packed if parsed.version == 4 else [int(part, 16) for part in parsed.exploded.split(":")]
    return "{" + ",".join(str(number) for number in numbers) + "}"


def environment(context: Context) -> str:
    """rabbitmq-env.conf: members speak to one another on the message queue's network only.

    The tools listen as well while they run, as every Erlang node does: they need nothing but the loopback for it.
    """
    address = context.address("message_queue")
    family = "-proto_dist inet6_tcp " if version(address) == 6 else ""
    loopback = "::1" if family else "127.0.0.1"
    return (
        "# Made by Ozone.\n"
        f"export ERL_INETRC={NAMES}\n"
        f'SERVER_ADDITIONAL_ERL_ARGS="{family}-kernel inet_dist_use_interface {_tuple(address)}"\n'
        f'CTL_ERL_ARGS="{family}-kernel inet_dist_use_interface {_tuple(loopback)}"\n'
    )


def names(context: Context) -> str:
    """For Erlang, this node's name means its address on the message queue's network, whatever /etc/hosts says.

    The other members are in /etc/hosts, so that one that joins changes nothing that a running member has read.
    """
    own = context.node["name"]
    address = _tuple(context.address("message_queue"))
    lines = [f'{{host, {address}, ["{own}", "{own}.{context.cloud["domain"]}"]}}.', "{lookup, [file, native]}."]
    six = ["{inet6, true}."] if version(context.address("message_queue")) == 6 else []
    return "\n".join(["%% Made by Ozone.", *six, *lines, ""])


def port_mapper(context: Context) -> str:
    """The socket of epmd, which by default listens on all addresses."""
    address = context.address("message_queue")
    loopback = "::1" if version(address) == 6 else "127.0.0.1"
    listen = [host_port(entry, PORT_MAPPER) for entry in (loopback, address)]
    lines = ["# Made by Ozone.", "[Socket]", "ListenStream=", *(f"ListenStream={entry}" for entry in listen)]
    return "\n".join([*lines, "FreeBind=true", ""])


def config(context: Context) -> str:
    """Listens on the message queue's network only; members find each other by name.

    ``pause_minority``: the side of a partition that has lost the quorum stops serving, rather than diverging.
    """
    lines = [
        "# Made by Ozone.",
        f"listeners.tcp.1 = {rabbitmq_listener(context.address('message_queue'), RABBITMQ)}",
        f"load_definitions = {DEFINITIONS}",
        "cluster_partition_handling = pause_minority",
        "disk_free_limit.absolute = 500MB",
        "log.console = true",
        "cluster_formation.peer_discovery_backend = classic_config",
    ]
    for number, member in enumerate(context.members("rabbitmq"), start=1):
        lines.append(f"cluster_formation.classic_config.nodes.{number} = rabbit@{member['name']}")
    return "\n".join(lines) + "\n"


def definitions(context: Context) -> str:
    """One virtual host and one user for each service. Only salted password hashes are in it."""
    services = sorted(context.cloud["queue_users"])
    users = [
        {
            "name": service,
            "password_hash": rabbitmq_hash(queue_password(str(context.secret(f"{service}_queue_password")))),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": [],
        }
        for service in services
    ]
    permissions = [
        {"user": service, "vhost": service, "configure": ".*", "write": ".*", "read": ".*"} for service in services
    ]
    document = {
        "users": users,
        "vhosts": [{"name": service, "default_queue_type": "quorum"} for service in services],
        "permissions": permissions,
    }
    return json.dumps(document, indent=2) + "\n"
