# SPDX-License-Identifier: Apache-2.0
"""Renders every service of every node of clouds as ``plan`` and ``deploy`` would: real roles, real templating.

    python render_clouds.py COLLECTIONS STATE cloud.yml...

A process of its own, because Ansible's loader of collections has to come before the first import of one. It prints
JSON: file -> node -> service -> ``{"manifest": ..., "contents": {sha256: text}}``, or ``{"error": ...}`` for the file.
Only what a build or a running cloud would give is replaced: the index of the images, their option data (by those of
releases/), and certificates.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar


def main(collections: str, state: str, *files: str) -> None:
    """Render the clouds of ``files``."""
    init_plugin_loader([str(Path(collections).absolute())])
    from ansible_collections.ozone.openstack.plugins.inventory.cloud import host_variable, plain
    from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition
    from ansible_collections.ozone.openstack.plugins.module_utils.cloud.inventory import build_inventory
    from ansible_collections.ozone.openstack.plugins.module_utils.generation.option_data import OptionData
    from ansible_collections.ozone.openstack.plugins.module_utils.images import option_data
    from ansible_collections.ozone.openstack.plugins.module_utils.images.release import load_release
    from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION
    from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import secrets_file
    from ansible_collections.ozone.openstack.plugins.plugin_utils.service import Services

    @cache
    def committed(release: str, image: str) -> dict[str, OptionData]:
        """What the image says of its options: the data that are committed for its release."""
        known = option_data.load(load_release(COLLECTION / "releases", release), image)
        return {file: OptionData(data) for file, data in known.items()}

    class WithoutBuild(Services):
        """Services of a node without an index of built images and without certificates."""

        @property
        def images(self) -> dict[str, Any]:  # type: ignore[override]
            names = {str(service.get("image", "")) for service in self.cloud["catalogue"].values()} - {""}
            return {name: {"name": f"localhost/ozone/{name}:test", "id": "a" * 64} for name in names}

        def _options(self, image: str, file: str) -> OptionData | None:
            return committed(str(self.cloud["release"]), image).get(file)

        def _certificate(self, name: str) -> str:
            return f"certificate {name}\n"

    loader = DataLoader()

    def rendered(file: str) -> dict[str, dict[str, Any]]:
        cloud, catalogue = definition.load(Path(file))
        built = build_inventory(cloud, catalogue, {"OZONE_STATE": state})
        kinds = built.variables["ozone_cloud"]["secrets"].values()
        wanted = {name: kind for secrets in kinds for name, kind in secrets.items()}
        secrets_file(loader, Path(built.variables["ozone_cloud"]["state_dir"])).ensure(wanted)
        nodes: dict[str, dict[str, Any]] = {}
        for node, own in built.hosts.items():
            variables = {
                **{name: plain(value) for name, value in built.variables.items()},
                **{name: host_variable(name, value) for name, value in own.items()},
            }
            variables["inventory_hostname"] = node
            services = WithoutBuild(variables, Templar(loader=loader, variables=variables), loader)
            nodes[node] = {}
            for service in services.node["services"]:
                manifest, contents = services.render(service)
                nodes[node][service] = {"manifest": manifest, "contents": contents}
        return nodes

    found: dict[str, Any] = {}
    for file in files:
        try:
            found[file] = rendered(file)
        except AnsibleError as error:
            found[file] = {"error": str(error)}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
