# SPDX-License-Identifier: Apache-2.0
"""Files of infrastructure services that are computed from the whole cloud: their builders, by name.

A declaration names one as ``{builder: haproxy_config, options: {...}}``. Each is a pure function of the context, and of
options that are variables of the role.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.services import (
    haproxy,
    ironic,
    keystone,
    mariadb,
    node,
    ovn,
    rabbitmq,
)

BUILDERS: dict[str, Callable[..., str]] = {
    "haproxy_config": haproxy.config,
    "haproxy_certificate": haproxy.certificate,
    "ironic_boot_menu": ironic.boot_menu,
    "ironic_certificate": ironic.certificate,
    "ironic_check_access": ironic.check_access,
    "ironic_check_tool": ironic.check_tool,
    "ironic_proxy": ironic.proxy,
    "ironic_schema_tool": ironic.schema_tool,
    "ironic_users": ironic.users,
    "keystone_database_login": keystone.database_login,
    "keystone_manage_config": keystone.manage_config,
    "mariadb_accounts": mariadb.accounts,
    "mariadb_config": mariadb.config,
    "mariadb_operator_options": mariadb.operator_options,
    "node_authority": node.authority,
    "node_hosts": node.hosts,
    "node_kernel_parameters": node.kernel_parameters,
    "ovn_central_options": ovn.central_options,
    "rabbitmq_config": rabbitmq.config,
    "rabbitmq_definitions": rabbitmq.definitions,
    "rabbitmq_environment": rabbitmq.environment,
    "rabbitmq_names": rabbitmq.names,
    "rabbitmq_port_mapper": rabbitmq.port_mapper,
}

#: Variables of roles that can be judged by themselves: each check raises a ValueError that begins with the variable.
VARIABLE_CHECKS: dict[str, Callable[[Any], object]] = {
    "ironic_virtual_media_clients": ironic.media_clients,
    "mariadb_options": mariadb.option_lines,
    "node_accounts": node.account_files,
    "node_sysctl": node.parameter_lines,
}
