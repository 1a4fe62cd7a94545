# SPDX-License-Identifier: Apache-2.0
"""Action: build the images of a release on the deployment host."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.ozone.openstack.plugins.module_utils.images import option_data
from ansible_collections.ozone.openstack.plugins.module_utils.images.build import Builder, BuildError, Settings, prune
from ansible_collections.ozone.openstack.plugins.module_utils.images.push import push
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import (
    ReleaseError,
    known_releases,
    load_release,
)
from ansible_collections.ozone.openstack.plugins.module_utils.images.store import index_path
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION, cache_dir

ARGUMENTS: dict[str, dict[str, Any]] = {
    "release": {"type": "str", "required": True},
    "images": {"type": "list", "elements": "str", "default": []},
    "releases": {"type": "path"},
    "jobs": {"type": "int", "default": 2},
    "timeout": {"type": "int", "default": 1800},
    "lock_timeout": {"type": "int", "default": 3600},
    "force": {"type": "bool", "default": False},
    "revision": {"type": "str", "default": ""},
    "debian_sources": {"type": "list", "elements": "str", "default": []},
    "debian_keyrings": {"type": "list", "elements": "path", "default": []},
    "push": {"type": "str", "default": ""},
    "push_tls": {"type": "bool", "default": True},
    "prune": {"type": "bool", "default": False},
    "record": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.image_build``: the module's documentation describes the options."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Build what is missing, then push and prune as told."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, args = self.validate_argument_spec(ARGUMENTS)
        check = bool(self._task.check_mode)
        releases = Path(args["releases"] or COLLECTION / "releases")
        settings = Settings(
            root=cache_dir(os.environ) / "images",
            **{key: args[key] for key in ("images", "jobs", "timeout", "lock_timeout", "force", "revision")},
            debian_sources=args["debian_sources"],
            debian_keyrings=args["debian_keyrings"],
        )
        try:
            release = load_release(releases, args["release"])
            built = Builder(release, settings, self._say).ensure(check=check)
            result["images"] = {name: asdict(image) for name, image in built.items()}
            result["changed"] = any(image.changed for image in built.values())
            if args["push"]:
                pushed = push(settings.root, built, args["push"], self._say, tls=args["push_tls"], check=check)
                result["pushed"] = {name: item.reference for name, item in pushed.items()}
                result["changed"] |= any(item.changed for item in pushed.values())
            result["recorded"] = []
            if args["record"]:
                result["recorded"] = option_data.record_all(
                    release, {name: Path(image.options) for name, image in built.items() if image.options}, check=check
                )
                result["changed"] |= bool(result["recorded"])
            result["pruned"] = []
            if args["prune"]:
                known = {name: load_release(releases, name) for name in known_releases(releases)}
                result["pruned"] = prune(settings, known, self._say, check=check)
                result["changed"] |= bool(result["pruned"])
        except (BuildError, ReleaseError) as error:
            raise AnsibleActionFail(str(error)) from None
        result["index"] = str(index_path(settings.root, args["release"]))
        return result

    @staticmethod
    def _say(text: str) -> None:
        """Show progress while the task runs: the first build takes minutes."""
        Display().display(f"  {text}")
