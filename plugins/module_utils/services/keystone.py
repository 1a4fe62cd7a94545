# SPDX-License-Identifier: Apache-2.0
"""Keystone's key repositories, and the database login of keystone-manage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import MARIADB, host_port
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context
from ansible_collections.ozone.openstack.plugins.module_utils.generation.oslo import (
    database_password,
    literal,
    render_ini,
)

LOGIN = "/etc/keystone/database.cnf"


def key_files(keys: Mapping[str, str], directory: str) -> dict[str, dict[str, Any]]:
    """The files of a key repository: ``{"<directory>/<index>": {"content": key}}``.

    Index 0 is the staged key and the highest index the primary one (Keystone, "Fernet - Frequently Asked Questions").
    """
    return {f"{directory}/{index}": {"content": key, "mode": "0640"} for index, key in sorted(keys.items())}


def manage_config(context: Context) -> str:
    """keystone-manage.conf, which only keystone-manage reads, after keystone.conf: a database URL without a password.

    Keystone hands the URL to Alembic's configuration (_find_alembic_conf in keystone.common.sql.upgrades), where ``%``
    begins an interpolation: a URL with a quoted character is refused. PyMySQL takes the password from an option file.
    """
    own = context.overrides.get("config", {}).get("keystone.conf", {}).get("database", {})
    if "connection" in own:
        return render_ini({})
    host = host_port(context.database_address(), MARIADB)
    url = f"mysql+pymysql://keystone@{host}/keystone?charset=utf8mb4&read_default_file={LOGIN}"
    return render_ini(literal({"database": {"connection": url}}))


def database_login(context: Context) -> str:
    """The option file with the password; quotes of it are removed (pymysql.optionfile), and nothing else changes it."""
    password = database_password(str(context.secret("keystone_database_password")))
    return f'# Made by Ozone.\n[client]\npassword = "{password}"\n'
