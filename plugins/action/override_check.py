# SPDX-License-Identifier: Apache-2.0
"""Action: overridden options against what the images know; see the module's documentation."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition, options
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.definition import Cloud
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import CloudError, Problem
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.overrides import levels
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.references import SECRET, VAULT, find
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError, mask, use
from ansible_collections.ozone.openstack.plugins.plugin_utils.access import CloudAccess
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import cloud_of, decrypt


def option_directories(index: Path) -> dict[str, Path]:
    """Where the option data of each image are, by the index of a release's images. Empty where nothing is built yet."""
    if not index.exists():
        return {}
    images: dict[str, dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))
    return {name: Path(image["options"]) for name, image in images.items() if image.get("options")}


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.override_check``."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def secrets(self, cloud: Cloud, wanted: Mapping[str, Any], variables: dict[str, Any]) -> list[Problem]:
        """Secrets of overrides that are missing. A cloud whose overrides have none does not need its vault password."""
        self._variables, self._stored = variables, {}
        if not any(True for path, services in levels(cloud.data) for _found in find(services, path)):
            return []
        self._stored = CloudAccess(self, variables).secrets()
        generated = {name: kind for secrets in wanted["secrets"].values() for name, kind in secrets.items()}
        return options.check_secrets(cloud, generated, self._stored, self.reveal)

    def reveal(self, reference: Mapping[str, str]) -> str:
        """The value of a reference; of a secret that is not there yet, a text in its place."""
        if VAULT not in reference:
            return str(self._stored.get(reference[SECRET], "secret"))
        try:
            value = decrypt(self._loader, self._templar, self._variables, reference[VAULT])
        except SecretsError as error:
            raise ValueError(str(error)) from None
        use(value)
        return value

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the definition again, with its lines, and check every override in it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        wanted = cloud_of(self._templar, task_vars or {})
        if not wanted:
            raise AnsibleActionFail(
                "variable ozone_cloud is missing: the inventory is a cloud.yml, read by ozone.openstack.cloud"
            )
        try:
            cloud, catalogue = definition.load(Path(str(wanted["file"])))
            index = cache_dir(os.environ) / "images" / f"{cloud.release}.json"
            problems = self.secrets(cloud, wanted, task_vars or {})
            problems += options.check_cloud(cloud, catalogue, option_directories(index), self.reveal)
        except (CloudError, SecretsError, OSError, ValueError) as error:
            raise AnsibleActionFail(mask(str(error))) from None
        lines = [mask(str(problem)) for problem in problems]
        result.update(changed=False, problems=lines)
        if lines:
            result.update(failed=True, msg="\n".join(lines))
        return result
