# SPDX-License-Identifier: Apache-2.0
"""Action: a verb that destroys says what would go, and stops unless it is confirmed; see the module's documentation."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.ozone.openstack.plugins.module_utils import losses
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import plain

ARGUMENTS: dict[str, Any] = {
    "verb": {"type": "str", "choices": list(losses.VERBS), "required": True},
    "cloud": {"type": "dict", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "outcomes": {"type": "list", "elements": "dict", "default": []},
    "machines": {"type": "list", "elements": "dict", "default": []},
    "freed": {"type": "dict", "default": {}},
    "confirmed": {"type": "bool", "default": False},
}


class ActionModule(LocalAction):
    """``ozone.openstack.confirm``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS
    VARIABLES: ClassVar = {"cloud": "ozone_cloud", "machines": "ozone_machines", "confirmed": "ozone_confirm"}

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Check mode changes nothing anyway, and shows more."""
        verb, cloud = options["verb"], plain(options["cloud"])
        lines = {
            "scale_down": lambda: losses.leaving(cloud, options["names"]),
            "lab_down": lambda: losses.lab(cloud),
            "deallocate": lambda: losses.allocations(options["freed"]),
        }.get(verb, lambda: losses.machines(plain(options["outcomes"]), plain(options["machines"])))()
        if lines and not options["confirmed"] and not self._task.check_mode:
            raise AnsibleActionFail(losses.refusal(verb, str(cloud["name"]), lines))
        return {"changed": False, "losses": lines}
