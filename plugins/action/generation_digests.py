# SPDX-License-Identifier: Apache-2.0
"""Action: the digests of what cloud.yml wants on all nodes of the play, rendered in a few processes.

Rendering on each node's behalf in a worker of Ansible costs ten times as much: a worker lives for one task of one node,
and reads the roles, loads the plugins and compiles the templates anew.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail, AnsibleError

from ansible_collections.ozone.openstack.plugins.module_utils.generation.plan import desired
from ansible_collections.ozone.openstack.plugins.module_utils.processes import available_cores, in_processes
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import mask
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import Services, Shared
from ansible_collections.ozone.openstack.plugins.plugin_utils.templates import compiled_once

#: Nodes for which a further process is worth its start.
NODES_PER_PROCESS = 8
#: Seconds for the whole, and for each node in addition.
LIMIT, LIMIT_PER_NODE = 60, 5


class ActionModule(LocalAction):
    """``ozone.openstack.generation_digests``: the module's documentation describes the options."""

    _supports_check_mode = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {"only": {"type": "list", "elements": "str", "default": []}}
    EXPECTED = (OSError, TimeoutError)

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Render all services of each node of the play."""
        only = options["only"]
        shared = Shared()
        known = Services(variables, self._templar, self._loader, shared).cloud["services"]
        unknown = sorted(set(only) - set(known))
        if unknown:
            raise AnsibleActionFail(f"only: the cloud has no service {', '.join(unknown)} (it has {', '.join(known)})")
        manager = self._task.get_variable_manager()
        # The same hosts for which Ansible runs a task that is not run_once.
        hosts = [str(name) for name in variables["ansible_play_batch"]]

        def digests(host: str) -> dict[str, Any]:
            own = manager.get_vars(play=self._task.play, host=manager._inventory.get_host(host), task=self._task)
            services = Services(own, self._templar.copy_with_new_env(available_variables=own), self._loader, shared)
            names: list[str] = []
            try:
                names = services.names(only)
                return {"services": names, "generations": {name: desired(services.render(name)[0]) for name in names}}
            except AnsibleError as error:  # the other nodes do not suffer from it
                return {"services": names, "error": mask(str(error))}

        processes = min(available_cores(), int(variables["ansible_forks"]), len(hosts) // NODES_PER_PROCESS)
        with compiled_once():
            found = in_processes(digests, hosts, processes, LIMIT + LIMIT_PER_NODE * len(hosts))
        return {"changed": False, "nodes": dict(zip(hosts, found, strict=True))}
