# SPDX-License-Identifier: Apache-2.0
"""Action: one read-only probe of a node, compared with what cloud.yml wants on it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils.generation.plan import decide, removals, unsupported
from ansible_collections.ozone.openstack.plugins.module_utils.generation.upgrade_path import refusals
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import ReleaseError, upgrade_paths
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION
from ansible_collections.ozone.openstack.plugins.plugin_utils.node_identity import identity_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import cloud_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import Services, plain

#: Seconds by which a clock may differ before a run warns.
MOST_SKEW = 5

#: Operating systems that the roles were tested on (os-release(5): ID and VERSION_ID).
SUPPORTED = {"debian": ["13"]}

ARGUMENTS: dict[str, Any] = {
    "desired": {"type": "dict", "required": True},
    "only": {"type": "list", "elements": "str", "default": []},
    "upgrade": {"type": "bool", "default": False},
}


def _other_release(
    node: str, services: Sequence[str], actual: Mapping[str, Any], release: str, upgrade: bool
) -> list[str]:
    """Why the node cannot come to the release of cloud.yml."""
    running = {name: str(actual.get(name, {}).get("release") or release) for name in services}
    if set(running.values()) <= {release}:
        return []
    try:
        paths = upgrade_paths(COLLECTION / "releases")
    except ReleaseError as error:
        return [str(error)]
    return refusals(node, running, release, paths, upgrade=upgrade)


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.plan``: the module's documentation describes the options."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Probe the node once, and say what differs."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        given = self.validate_argument_spec(ARGUMENTS)[1]
        wanted = plain(given["desired"])
        node = Services(variables, self._templar, self._loader).node
        probe = self._execute_module(
            module_name="ozone.openstack.generation_info",
            module_args={"identity": identity_of(self, variables)},
            task_vars=variables,
            tmp=tmp,
        )
        if probe.get("failed") or probe.get("unreachable"):
            result.update(probe)
            return result
        if probe.get("stranger"):
            raise AnsibleActionFail(probe["stranger"])
        refusal = unsupported(node["name"], probe["os"], SUPPORTED)
        if refusal:
            raise AnsibleActionFail(refusal)
        release = str(cloud_of(self._templar, variables)["release"])
        refused = _other_release(node["name"], wanted["services"], probe["services"], release, given["upgrade"])
        if refused:
            raise AnsibleActionFail("; ".join(refused))
        if "error" in wanted:  # only now: the images of a release that is refused need not be there
            raise AnsibleActionFail(wanted["error"])
        skew = abs(int(probe["time"]) - time.time())
        if skew > MOST_SKEW:
            result.setdefault("warnings", []).append(
                f"the clock of {node['name']} differs from that of the deployment host by {skew:.0f} s: "
                "tokens and certificates depend on it"
            )
        items = [decide(name, one, probe["services"].get(name)) for name, one in wanted["generations"].items()]
        if not given["only"]:
            items += removals(node["services"], probe["services"])
        result.update(
            changed=False, plan=items, todo=[item["service"] for item in items if item["action"] != "unchanged"]
        )
        return result
