# SPDX-License-Identifier: Apache-2.0
"""Configuration of oslo services: nested mappings, the sections that all services share, and the INI text.

A configuration file is ``{section: {option: value}}``, so that an operator can override any option of any service
with plain data. Values: string, number, boolean, ``None`` (the option is left out, so that an override can take one
away), a list, a mapping, or ``{"multi": [...]}`` (one line each). How each is written depends on the option's type, see
``option_types``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import MEMCACHED, RABBITMQ, host_port, memcached
from ansible_collections.ozone.openstack.plugins.module_utils.generation.option_types import (
    UNTYPED,
    Literal,
    OptionType,
    ValueRefused,
    line,
    write,
)

Sections = dict[str, dict[str, Any]]

#: The backend of oslo.cache, unless a service says otherwise.
CACHE_BACKEND = "oslo_cache.memcache_pool"


def merge_sections(base: Mapping[str, Mapping[str, Any]], more: Mapping[str, Mapping[str, Any]]) -> Sections:
    """``more`` over ``base``, option by option. A value is replaced as a whole, a list as well."""
    merged = {section: dict(options) for section, options in base.items()}
    for section, options in more.items():
        merged[section] = {**merged.get(section, {}), **options}
    return merged


def literal(value: Any) -> Any:
    """``value`` with every string in it a ``Literal``: what Ozone and its roles write has no references."""
    if isinstance(value, Mapping):
        return {literal(key): literal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [literal(item) for item in value]
    return Literal(value) if isinstance(value, str) else value


def untyped(section: str, option: str) -> OptionType:
    """The type of any option of a file of which nothing is known."""
    return UNTYPED


def render_ini(sections: Mapping[str, Mapping[str, Any]], type_of: Callable[[str, str], OptionType] = untyped) -> str:
    """The INI text: DEFAULT first, sections and options in alphabetical order, so that equal data gives equal text.

    ``type_of`` gives the type of an option by its section and name.

    :raises ValueError: a value that its option cannot take. The message names section, option and remedy.
    """
    lines = [
        "# Made by Ozone from cloud.yml and the roles: a change made here is overwritten and reported by validate."
    ]
    for section in sorted(sections, key=lambda name: (name != "DEFAULT", name)):
        options = {option: value for option, value in sections[section].items() if value is not None}
        if not options:
            continue
        lines += ["", f"[{section}]"]
        for option in sorted(options):
            try:
                lines += [f"{option} = {line(text)}" for text in write(type_of(section, option), options[option])]
            except ValueRefused as error:
                remedy = f" ({error.remedy})" if error.remedy else ""
                raise ValueError(f"[{section}] {option}: {error}{remedy}") from None
    return "\n".join(lines) + "\n"


def _login(user: str, password: str) -> str:
    return f"{quote(user, safe='')}:{quote(password, safe='')}"


def database_password(secret: str) -> str:
    """What stands for a password in a URL: PyMySQL sends it in Latin-1, while MariaDB knows the hash of its UTF-8."""
    return secret.encode().decode("latin-1")


def queue_password(secret: str) -> str:
    """The password of a RabbitMQ account: the secret, with ``%2F`` for each slash.

    oslo.messaging makes another URL of the one that it has parsed, and leaves slashes as they are (impl_rabbit): no
    password with a slash could ever log in. The account is Ozone's own, and so is every client of it.
    """
    return secret.replace("/", "%2F")


def database_url(user: str, password: str, address: str, port: int, database: str) -> str:
    """SQLAlchemy URL of a MariaDB database over PyMySQL, which sends ``database_password``."""
    login = _login(user, password)
    return f"mysql+pymysql://{login}@{host_port(address, port)}/{database}?charset=utf8mb4"


def transport_url(user: str, password: str, addresses: Iterable[str], vhost: str) -> str:
    """oslo.messaging URL that lists every member of the RabbitMQ cluster, in a stable order.

    An account of RabbitMQ has ``queue_password``.
    """
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


#: Defaults of oslo.log's ``default_log_levels`` (oslo_log/_options.py, all releases). The option replaces them, so that
#: they are repeated where a level is added.
LOG_LEVELS = {
    "amqp": "WARN",
    "amqplib": "WARN",
    "boto": "WARN",
    "qpid": "WARN",
    "sqlalchemy": "WARN",
    "suds": "INFO",
    "oslo.messaging": "INFO",
    "oslo_messaging": "INFO",
    "iso8601": "WARN",
    "requests.packages.urllib3.connectionpool": "WARN",
    "urllib3.connectionpool": "WARN",
    "websocket": "WARN",
    "requests.packages.urllib3.util.retry": "WARN",
    "urllib3.util.retry": "WARN",
    "keystonemiddleware": "WARN",
    "routes.middleware": "WARN",
    "stevedore": "WARN",
    "taskflow": "WARN",
    "keystoneauth": "WARN",
    "oslo.cache": "INFO",
    "oslo_policy": "INFO",
    "dogpile.core.dogpile": "INFO",
}


def log_section(levels: Mapping[str, str]) -> dict[str, Any]:
    """``[DEFAULT]`` of a service that writes its log to the journal itself, with priority and request id as fields.

    The journal has time and process already, and keeps the lines of a traceback together. ``levels``: of single
    loggers, added to the defaults.
    """
    said = "%(instance)s%(message)s"
    section: dict[str, Any] = {
        "use_journal": True,
        "logging_context_format_string": (
            f"%(levelname)s %(name)s [%(global_request_id)s %(request_id)s %(user_identity)s] {said}"
        ),
        "logging_default_format_string": f"%(levelname)s %(name)s [-] {said}",
        "logging_exception_prefix": "",
    }
    if levels:
        section["default_log_levels"] = [f"{name}={level}" for name, level in {**LOG_LEVELS, **levels}.items()]
    return section
