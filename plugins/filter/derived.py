# SPDX-License-Identifier: Apache-2.0
"""Filters that derive from a secret what a server stores."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.ozone.openstack.plugins.module_utils import derived, secrets


def mysql_hash(password: str) -> str:
    """The mysql_native_password hash; it is masked like a secret."""
    text = derived.mysql_hash(str(password))
    secrets.use(text)
    return text


def rabbitmq_hash(password: str, user: str = "") -> str:
    """The RabbitMQ password hash; it is masked like a secret."""
    text = derived.rabbitmq_hash(str(password), str(user))
    secrets.use(text)
    return text


class FilterModule:
    """``ozone.openstack.mysql_hash`` and ``ozone.openstack.rabbitmq_hash``."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """The filters by name."""
        return {"mysql_hash": mysql_hash, "rabbitmq_hash": rabbitmq_hash}
