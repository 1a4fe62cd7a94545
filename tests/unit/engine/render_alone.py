# SPDX-License-Identifier: Apache-2.0
"""Render nodes in this process, without Ansible's workers: ``render_alone.py '{"nodes": [...], "variables": {...}}'``.

In the directory of cloud.yml. Prints JSON: ``alone``, the digests of each node, rendered with nothing shared;
``shared``, the same with what nodes share; ``costs``, for each node of the latter the templates compiled and the files
parsed.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import jinja2
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager


def main(nodes: list[str], variables: dict[str, Any]) -> dict[str, Any]:
    """All of it."""
    init_plugin_loader()
    from ansible_collections.ozone.openstack.plugins.module_utils.generation.plan import desired
    from ansible_collections.ozone.openstack.plugins.plugin_utils.service import Services, Shared
    from ansible_collections.ozone.openstack.plugins.plugin_utils.templates import compiled_once

    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=["cloud.yml"])
    manager = VariableManager(loader=loader, inventory=inventory)

    def digests(name: str, shared: Any) -> dict[str, Any]:
        own = manager.get_vars(host=inventory.get_host(name)) | variables
        services = Services(own, Templar(loader=loader, variables=own), loader, shared)
        return {service: desired(services.render(service)[0]) for service in services.names()}

    alone = {name: digests(name, None) for name in nodes}
    cost: list[str] = []
    compile_template, load = jinja2.Environment.compile, DataLoader.load

    def compiling(environment: Any, source: Any, *args: Any, **options: Any) -> Any:
        cost.append(f"compile {source}")
        return compile_template(environment, source, *args, **options)

    def loading(self: Any, *args: Any, **options: Any) -> Any:
        cost.append(f"load {options.get('file_name')}")
        return load(self, *args, **options)

    jinja2.Environment.compile = compiling  # type: ignore[method-assign]
    DataLoader.load = loading
    loader = DataLoader()
    common, found, costs = Shared(), {}, {}
    with compiled_once():
        for name in nodes:
            cost.clear()
            found[name] = digests(name, common)
            costs[name] = list(cost)
    return {"alone": alone, "shared": found, "costs": costs}


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
