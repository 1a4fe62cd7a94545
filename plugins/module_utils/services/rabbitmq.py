# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ: its configuration, and the virtual hosts and users of all services as one definitions file."""

from __future__ import annotations

import json

from ansible_collections.ozone.openstack.plugins.module_utils.derived import rabbitmq_hash
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context

DEFINITIONS = "/etc/rabbitmq/definitions.json"


def config(context: Context) -> str:
    """Listens on the message queue's network only; members find each other by name.

    ``pause_minority``: the side of a partition that has lost the quorum stops serving, rather than diverging.
    """
    lines = [
        "# Made by Ozone.",
        f"listeners.tcp.1 = {context.address('message_queue')}:5672",
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
            "password_hash": rabbitmq_hash(str(context.secret(f"{service}_queue_password"))),
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
