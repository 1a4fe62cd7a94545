# SPDX-License-Identifier: Apache-2.0
"""What an action tells a module on a node of the node that it means to reach."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.node_identity import cloud_id
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import cloud_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import plain


def identity_of(action: Any, variables: Mapping[str, Any]) -> dict[str, Any] | None:
    """The option ``identity`` for the host of an action; None outside of a cloud, or where a task is delegated.

    In check mode no id of the cloud is made.
    """
    if "ozone_cloud" not in variables or action._task.delegate_to:
        return None
    cloud = cloud_of(action._templar, variables)
    node = str(variables["inventory_hostname"])
    taken = plain(action._templar.template(variables.get("ozone_take_over", [])))
    return {
        "cloud": str(cloud["name"]),
        "id": cloud_id(Path(str(cloud["state_dir"])), create=not action._task.check_mode),
        "node": node,
        "address": str(variables.get("ansible_host", node)),
        "take_over": node in ([taken] if isinstance(taken, str) else taken),
    }
