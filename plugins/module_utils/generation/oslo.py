# SPDX-License-Identifier: Apache-2.0
"""Configuration of oslo services: nested mappings, the sections that all services share, and the INI text.

A configuration file is ``{section: {option: value}}``, so that an operator can override any option of any service
with plain data. Values: text, number, boolean, ``None`` (the option is left out, so that an override can take one
away), a list (written with commas: oslo's ListOpt), or ``{"multi": [...]}`` (one line each: oslo's MultiStrOpt).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import MEMCACHED, RABBITMQ, host_port, memcached

Sections = dict[str, dict[str, Any]]

#: The backend of oslo.cache, unless a service says otherwise.
CACHE_BACKEND = "oslo_cache.memcache_pool"


def merge_sections(base: Mapping[str, Mapping[str, Any]], more: Mapping[str, Mapping[str, Any]]) -> Sections:
    """``more`` over ``base``, option by option. A value is replaced as a whole, a list as well."""
    merged = {section: dict(options) for section, options in base.items()}
    for section, options in more.items():
        merged[section] = {**merged.get(section, {}), **options}
    return merged


def text(value: Any) -> str:
    """One value as oslo.config reads it.

    :raises ValueError: a mapping that is not ``{"multi": [...]}``, or text with a line break, which would start
        another option.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(text(item) for item in value)
    if isinstance(value, Mapping):
        raise ValueError(f"an option holds text, a number, a boolean, a list or {{multi: [...]}}, not {dict(value)!r}")
    rendered = str(value)
    if "\n" in rendered or "\r" in rendered:
        raise ValueError("an option cannot hold a line break")
    return rendered


def render_ini(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """The INI text: DEFAULT first, sections and options in alphabetical order, so that equal data gives equal text."""
    lines = [
        "# Made by Ozone from cloud.yml and the roles: a change made here is overwritten and reported by validate."
    ]
    for section in sorted(sections, key=lambda name: (name != "DEFAULT", name)):
        options = {option: value for option, value in sections[section].items() if value is not None}
        if not options:
            continue
        lines += ["", f"[{section}]"]
        for option in sorted(options):
            value = options[option]
            if isinstance(value, Mapping) and set(value) == {"multi"}:
                lines += [f"{option} = {text(item)}" for item in value["multi"]]
            else:
                lines.append(f"{option} = {text(value)}")
    return "\n".join(lines) + "\n"


def _login(user: str, password: str) -> str:
    return f"{quote(user, safe='')}:{quote(password, safe='')}"


def database_url(user: str, password: str, address: str, port: int, database: str) -> str:
    """SQLAlchemy URL of a MariaDB database over PyMySQL."""
    return f"mysql+pymysql://{_login(user, password)}@{host_port(address, port)}/{database}?charset=utf8mb4"


def transport_url(user: str, password: str, addresses: Iterable[str], vhost: str) -> str:
    """oslo.messaging URL that lists every member of the RabbitMQ cluster, in a stable order."""
    login = _login(user, password)
    hosts = ",".join(f"{login}@{host_port(address, RABBITMQ)}" for address in sorted(addresses))
    return f"rabbit://{hosts}/{quote(vhost, safe='')}"


def database_section(url: str) -> dict[str, Any]:
    """Connections are renewed before MariaDB or HAProxy would close them as idle."""
    return {"connection": url, "connection_recycle_time": 280, "max_pool_size": 5, "max_retries": 10}


def messaging_sections(url: str) -> Sections:
    """Quorum queues for everything that outlives a connection (classic mirrored queues are gone in RabbitMQ 4)."""
    return {
        "DEFAULT": {"transport_url": url},
        "oslo_messaging_rabbit": {
            "rabbit_quorum_queue": True,
            "rabbit_transient_quorum_queue": True,
            "heartbeat_in_pthread": False,
        },
    }


def client_section(auth_url: str, user: str, password: str, cafile: str) -> dict[str, Any]:
    """A keystoneauth section with which one service calls another. Which endpoint it takes differs by section."""
    return {
        "auth_type": "password",
        "auth_url": auth_url,
        "username": user,
        "password": password,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "cafile": cafile,
    }


def authtoken_section(
    auth_url: str, user: str, password: str, cafile: str, caches: Iterable[str], region: str
) -> dict[str, Any]:
    """How a service checks the tokens of its callers (keystonemiddleware). ``caches``: addresses of memcached."""
    return {
        "auth_type": "password",
        "auth_url": auth_url,
        "www_authenticate_uri": auth_url,
        "username": user,
        "password": password,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": region,
        "cafile": cafile,
        "interface": "internal",
        "memcached_servers": [memcached(address, MEMCACHED) for address in sorted(caches)],
        "service_token_roles": "service",
        "service_token_roles_required": True,
    }


def cache_section(caches: Iterable[str], backend: str = CACHE_BACKEND) -> dict[str, Any]:
    """oslo.cache over every memcached of the cloud, by their addresses; one that is down is skipped."""
    servers = [memcached(address, MEMCACHED, backend) for address in sorted(caches)]
    return {"enabled": True, "backend": backend, "memcache_servers": servers}
