# SPDX-License-Identifier: Apache-2.0
"""MariaDB: its configuration, and the databases and accounts of all services as one script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.derived import mysql_hash
from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import host_list, url, url_host
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context, DeclarationError
from ansible_collections.ozone.openstack.plugins.module_utils.services import option_text

_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
#: Options that know YES and NO instead of ON and OFF (mariadbd --help --verbose, MariaDB 11.8).
_YES_NO = frozenset({"secure_timestamp", "slave_run_triggers_for_rbr", "updatable_views_with_limit"})
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}

#: Port of the replication among the members.
GALERA = 4567

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a database or an account: a-z, 0-9 and _ only, 32 at most")
    return name


def accounts(context: Context) -> str:
    """SQL that makes every database and account that a service of the cloud asks for.

    Only password hashes are in it (MariaDB, "mysql_native_password"), each statement is idempotent, and nothing is ever
    dropped: data goes only on explicit request.
    """
    lines = ["-- Made by Ozone: databases and accounts of the services."]
    for service, databases in sorted(context.cloud["databases"].items()):
        hashed = mysql_hash(str(context.secret(f"{service}_database_password")))
        account = f"`{_name(service)}`@`%`"
        lines.append(f"CREATE USER IF NOT EXISTS {account};")
        lines.append(f"ALTER USER {account} IDENTIFIED VIA mysql_native_password USING '{hashed}';")
        for database in databases:
            lines.append(f"CREATE DATABASE IF NOT EXISTS `{_name(database)}` CHARACTER SET utf8mb4;")
            lines.append(f"GRANT ALL PRIVILEGES ON `{_name(database)}`.* TO {account};")
    return "\n".join(lines) + "\n"


def config(context: Context) -> str:
    """The server's options. With several members Galera replicates between them (synchronously, row by row)."""
    address = context.address("database")
    members = sorted(context.addresses("mariadb", "database"))
    lines = [
        "# Made by Ozone.",
        "[mariadbd]",
        f"bind-address = {address}",
        "character-set-server = utf8mb4",
        "skip-name-resolve = ON",
        "max_connections = 4096",
        "binlog_format = ROW",
        "default_storage_engine = InnoDB",
        "innodb_autoinc_lock_mode = 2",
    ]
    if len(members) > 1:
        lines += [
            "wsrep_on = ON",
            "wsrep_provider = /usr/lib/galera/libgalera_smm.so",
            f"wsrep_cluster_name = {context.cloud['name']}",
            f"wsrep_cluster_address = gcomm://{host_list(members)}",
            f"wsrep_node_name = {context.node['name']}",
            f"wsrep_node_address = {url_host(address)}",
            # Galera listens at 0.0.0.0 unless it is told otherwise, also where its members have IPv6 addresses.
            f"wsrep_provider_options = gmcast.listen_addr={url('tcp', address, GALERA)}",
            "wsrep_sst_method = rsync",
        ]
    return "\n".join(lines) + "\n"


def _value(name: str, value: Any) -> str:
    """A value in an option file: in quotes where MariaDB would read a comment, an escape or outer blanks."""
    if isinstance(value, list):
        value = ",".join(item if isinstance(item, str) else _value(name, item) for item in value)
    truth = option_text.boolean(value)
    if truth is not None:
        words = ("YES", "NO") if name.replace("-", "_") in _YES_NO else ("ON", "OFF")
        return words[0] if truth else words[1]
    text = str(value)
    if text == text.strip() and text and not re.search(r"""[#\\"'\n\r\t]""", text):
        return text
    return '"' + "".join(_ESCAPES.get(character, character) for character in text) + '"'


def option_lines(values: Mapping[str, Any]) -> list[str]:
    """``mariadb_options`` in an option file. Booleans are ON and OFF: many options take nothing else (event_scheduler).

    :raises DeclarationError: a name that is none of an option, or a value that no option has.
    """
    lines = []
    for name, value in option_text.given("mariadb_options", values):
        if not _OPTION.fullmatch(name):
            raise DeclarationError(f"mariadb_options: {name!r} is no name of an option: letters, digits, _ and - only")
        lines.append(f"{name} = {_value(name, value)}")
    return lines


def operator_options(context: Context, values: Mapping[str, Any] | None = None) -> str:
    """The file with ``mariadb_options``."""
    return "\n".join(["# Made by Ozone from mariadb_options.", "[mariadbd]", *option_lines(values or {})]) + "\n"
