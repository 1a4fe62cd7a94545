# SPDX-License-Identifier: Apache-2.0
"""Action: the waves of a run, from the plans of all nodes. Runs once, on the deployment host."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils.generation.plan import postponed, rollout
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import Services, plain


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.rollout``: the module's documentation describes the options."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Order what the nodes need."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        services = Services(variables, self._templar, self._loader)
        hostvars = variables["hostvars"]
        name = str(self._task.args["plans"])
        plans: dict[str, Any] = {}
        refused = [
            str(registered.get("msg", "failed"))
            for node in services.cloud["nodes"]
            if node["name"] in hostvars
            and (registered := plain(hostvars[node["name"]].get(name) or {})).get("failed")
            and not registered.get("unreachable")
        ]
        if refused:  # a node that does not answer is left out; one that cannot be used stops the run before any change
            raise AnsibleActionFail("; ".join(refused))
        for host in variables["ansible_play_hosts"]:
            registered = plain(hostvars[host].get(name) or {})
            if "plan" not in registered:
                raise AnsibleActionFail(f"{host} has no registered variable {name} with a plan")
            plans[host] = registered["plan"]
        rules = {service: self._rules(services, service) for service in services.cloud["services"]}
        for service, nodes in postponed(plans, rules).items():
            result.setdefault("warnings", []).append(
                f"{', '.join(nodes)} is not reached by this run: what has to wait until all nodes of {service} run "
                f"release {services.cloud['release']} is done by a later run that reaches all of them"
            )
        result.update(changed=False, waves=rollout(services.cloud["services"], plans, rules))
        return result

    @staticmethod
    def _rules(services: Services, service: str) -> dict[str, Any]:
        components = services.meta(service).get("components", {})
        members = services.cloud["members"].get(service, {})
        front_ends = [spec for spec in services.cloud["front_ends"].values() if spec["service"] == service]
        names = {component: [node["name"] for node in members.get(component, [])] for component in components}
        rank: dict[str, int] = {}
        for place, nodes in enumerate(names.values()):
            for name in nodes:
                rank.setdefault(name, place)
        return {
            "single": [
                name for component, rule in components.items() if rule.get("one_at_a_time") for name in names[component]
            ],
            "rank": rank,
            "members": sorted(rank),
            "behind_balancer": sorted({name for spec in front_ends for name in names[spec["component"]]}),
        }
