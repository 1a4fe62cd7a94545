# SPDX-License-Identifier: Apache-2.0
"""Nova: how its cells are written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import host_port_template


def _login(host: str, number: str = "") -> str:
    """The login of one host of a template.

    Nova fills in an IPv6 address without the brackets that its URL has around it, and its port, where there are several
    hosts, with the colon before it (``_parse_netloc``).
    """
    place = host_port_template(host, f"{{hostname{number}}}", f"{{port{number}}}", colon=not number)
    return f"{{username{number}}}:{{password{number}}}@{place}"


def cell_templates(cloud: Mapping[str, Any], database_address: str) -> dict[str, str]:
    """The URLs of the cells: ``queue`` and ``database`` of cell 1, ``cell0``.

    They are templates, which Nova fills in from each process's own nova.conf (``nova.objects.cell_mapping``): a new
    password needs no change of the mapping. ``cloud`` is the host variable ``ozone_cloud``.
    """
    network = cloud["traffic"]["message_queue"]
    hosts = sorted(str(member["addresses"][network]) for member in cloud["members"]["rabbitmq"]["main"])
    several = len(hosts) > 1
    queue = ",".join(_login(host, str(number) if several else "") for number, host in enumerate(hosts, start=1))
    database = f"{{scheme}}://{_login(database_address)}"
    return {
        "queue": f"{{scheme}}://{queue}/{{path}}?{{query}}",
        "database": f"{database}/{{path}}?{{query}}",
        "cell0": f"{database}/nova_cell0?{{query}}",
    }
