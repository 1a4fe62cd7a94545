#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Module: the root file system of lab nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_root
short_description: Make the root file system that lab nodes share
version_added: 0.1.0
description:
  - Builds a Debian 13 file system with mmdebstrap, with the packages that nodes need, into the cache
    (C($OZONE_CACHE/roots/<key>)). The key follows from the packages and the recipe, so nothing is done when
    it is there.
  - The mirror, its proxy and its certificates are those of the apt configuration of this computer.
  - Nothing of the packages is enabled, and nothing in it identifies a machine.
author:
  - Ozone contributors (@ozone)
attributes:
  check_mode:
    support: full
    description: Nothing is built.
options:
  packages:
    description: Further packages, beside those that the services of Ozone need.
    type: list
    elements: str
    default: []
  sources:
    description: >-
      Sources to install from, C(deb URI SUITE COMPONENT...), instead of those derived from the apt configuration of
      this computer.
    type: list
    elements: str
    default: []
  keyrings:
    description: Files with keys that sign the sources, beside Debian's own.
    type: list
    elements: path
    default: []
  timeout:
    description: Seconds that the build may take.
    type: int
    default: 1800
  prune:
    description: Remove other roots from the cache, unless nodes use them.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Make the node root
  ozone.openstack.lab_root:
"""

RETURN = r"""
path:
  description: The root.
  type: path
  returned: always
key:
  description: Its key in the cache.
  type: str
  returned: always
seconds:
  description: How long the build took.
  type: float
  returned: always
log:
  description: What mmdebstrap said.
  type: path
  returned: always
pruned:
  description: Roots that were removed.
  type: list
  elements: path
  returned: always
"""

import os
import shutil
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import MirrorError, bootstrap, debian_mirror
from ansible_collections.ozone.openstack.plugins.module_utils.lab.host import check_host
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError
from ansible_collections.ozone.openstack.plugins.module_utils.lab.root import (
    PACKAGES,
    SUITE,
    build_root,
    prunable,
    root_key,
)
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "sources": {"type": "list", "elements": "str", "default": []},
            "keyrings": {"type": "list", "elements": "path", "default": [], "no_log": False},
            "timeout": {"type": "int", "default": 1800},
            "prune": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    cache = cache_dir(os.environ)
    packages = sorted({*PACKAGES, *params["packages"]})
    key = root_key(packages)
    path = cache / "roots" / key
    started = time.monotonic()
    try:
        check_host()
        built = not path.is_dir()
        if not module.check_mode:
            path, built = build_root(
                cache,
                packages,
                lambda: debian_mirror(SUITE, sources=params["sources"], keyrings=params["keyrings"]),
                bootstrap,
                timeout=params["timeout"],
            )
        pruned = prunable(cache / "roots", key, cache / "lab") if params["prune"] else []
        if not module.check_mode:
            for old in pruned:
                shutil.rmtree(old)
                old.with_name(f"{old.name}.log").unlink(missing_ok=True)
    except (LabError, MirrorError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=built or bool(pruned),
        path=str(path),
        key=key,
        seconds=round(time.monotonic() - started, 1),
        log=f"{path}.log",
        pruned=[str(old) for old in pruned],
    )


if __name__ == "__main__":
    main()
