# SPDX-License-Identifier: Apache-2.0
"""Action: the waves of a run that changes networks, from what each node reported. Runs once, on the deployment host."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils.network.order import quorums, waves
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import Services, plain


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.network_rollout``: the module's documentation describes the options."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Order the nodes whose networks differ."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        cloud = Services(variables, self._templar, self._loader).cloud
        name = str(self._task.args["results"])
        found = {
            node["name"]: plain(variables["hostvars"][node["name"]].get(name) or {})
            for node in cloud["nodes"]
            if node["name"] in variables["hostvars"]
        }
        refused = [
            f"{host}: {data.get('msg', 'failed')}"
            for host, data in found.items()
            if data.get("failed") and not data.get("unreachable")
        ]
        if refused:  # a node that does not answer is left out; one that cannot be used stops the run before any change
            raise AnsibleActionFail("; ".join(refused))
        play = set(variables["ansible_play_hosts"])
        todo = {
            node["name"]: node["profile"]
            for node in cloud["nodes"]
            if node["name"] in play and found[node["name"]].get("summary")
        }
        batches = self._task.args.get("batches") or ["10%"]
        groups = quorums(
            {
                service: {component: [node["name"] for node in nodes] for component, nodes in components.items()}
                for service, components in cloud["members"].items()
            },
            cloud["catalogue"],
        )
        try:
            ordered = waves(todo, groups, batches if isinstance(batches, list) else [batches])
        except ValueError as error:
            raise AnsibleActionFail(f"batches: {error}") from None
        result.update(changed=False, waves=ordered)
        return result
