# SPDX-License-Identifier: Apache-2.0
"""Action: one read-only probe of a node, compared with what cloud.yml wants on it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils.generation.plan import decide, removals, unsupported
from ansible_collections.ozone.openstack.plugins.module_utils.generation.upgrade_path import refusals
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import ReleaseError, upgrade_paths
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import Services

#: Seconds by which a clock may differ before a run warns.
MOST_SKEW = 5

#: Operating systems that the roles were tested on (os-release(5): ID and VERSION_ID).
SUPPORTED = {"debian": ["13"]}


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.plan``: the module's documentation describes the options."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Render all services of the node, probe it once, and say what differs."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        services = Services(variables, self._templar, self._loader)
        only = [str(name) for name in self._task.args.get("only") or []]
        unknown = sorted(set(only) - set(services.cloud["services"]))
        if unknown:
            raise AnsibleActionFail(
                f"only: the cloud has no service {', '.join(unknown)} (it has {', '.join(services.cloud['services'])})"
            )
        own = list(services.node["services"])
        names = [name for name in services.cloud["services"] if name in own and (not only or name in only)]
        probe = self._execute_module(
            module_name="ozone.openstack.generation_info", module_args={}, task_vars=variables, tmp=tmp
        )
        if probe.get("failed") or probe.get("unreachable"):
            result.update(probe)
            return result
        refusal = unsupported(services.node["name"], probe["os"], SUPPORTED)
        if refusal:
            raise AnsibleActionFail(refusal)
        refused = self._other_release(services, names, probe["services"])
        if refused:
            raise AnsibleActionFail("; ".join(refused))
        wanted = {name: services.render(name)[0] for name in names}
        skew = abs(int(probe["time"]) - time.time())
        if skew > MOST_SKEW:
            result.setdefault("warnings", []).append(
                f"the clock of {services.node['name']} differs from that of the deployment host by {skew:.0f} s: "
                "tokens and certificates depend on it"
            )
        items = [decide(name, manifest, probe["services"].get(name)) for name, manifest in wanted.items()]
        if not only:
            items += removals(own, probe["services"])
        result.update(
            changed=False, plan=items, todo=[item["service"] for item in items if item["action"] != "unchanged"]
        )
        return result

    def _other_release(self, services: Services, names: Sequence[str], actual: Mapping[str, Any]) -> list[str]:
        """Why the node cannot come to the release of cloud.yml. Images are asked for later: they may not be there."""
        release = str(services.cloud["release"])
        running = {name: str(actual.get(name, {}).get("release") or release) for name in names}
        if set(running.values()) <= {release}:
            return []
        upgrade = boolean(self._task.args.get("upgrade", False))
        try:
            paths = upgrade_paths(COLLECTION / "releases")
        except ReleaseError as error:
            return [str(error)]
        return refusals(str(services.node["name"]), running, release, paths, upgrade=upgrade)
