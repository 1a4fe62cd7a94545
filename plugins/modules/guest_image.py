#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Module: the guest image of the smoke test."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_image
short_description: Make the tiny guest that the smoke test boots
version_added: 0.1.0
description:
  - Makes a kernel, an initramfs and an empty disk in the cache (C($OZONE_CACHE/guest/<key>)), to be uploaded as images
    of the formats C(aki), C(ari) and C(ami).
  - The guest configures C(eth0) by DHCP, reads its metadata, answers ping, serves a page on port 80, and says on its
    console what it sees, in lines that begin with C(OZONE-GUEST).
  - A server with the metadata C(ping=<address>) pings that address and says whether it answered.
  - The packages come from the mirror of this computer's apt configuration. Nothing is done when the guest is there.
author:
  - Ozone contributors (@ozone)
attributes:
  check_mode:
    support: full
    description: Nothing is built.
options:
  sources:
    description: >-
      Sources to take the packages from, C(deb URI SUITE COMPONENT...), instead of those derived from the apt
      configuration of this computer.
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
    default: 900
"""

EXAMPLES = r"""
- name: Make the guest
  ozone.openstack.guest_image:
  register: guest
"""

RETURN = r"""
directory:
  description: Directory of the files.
  type: path
  returned: always
kernel:
  description: The kernel (C(aki)).
  type: path
  returned: always
initrd:
  description: The initramfs (C(ari)).
  type: path
  returned: always
disk:
  description: The disk (C(ami)).
  type: path
  returned: always
seconds:
  description: How long it took.
  type: float
  returned: always
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import MirrorError, bootstrap, debian_mirror
from ansible_collections.ozone.openstack.plugins.module_utils.lab.guest import SUITE, build_guest, guest_key
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "sources": {"type": "list", "elements": "str", "default": []},
            "keyrings": {"type": "list", "elements": "path", "default": [], "no_log": False},
            "timeout": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    params = module.params
    cache = cache_dir(os.environ)
    path = cache / "guest" / guest_key()
    built = not path.is_dir()
    started = time.monotonic()
    try:
        if not module.check_mode:
            path, built = build_guest(
                cache,
                lambda: debian_mirror(SUITE, sources=params["sources"], keyrings=params["keyrings"]),
                bootstrap,
                timeout=params["timeout"],
            )
    except (LabError, MirrorError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=built,
        directory=str(path),
        kernel=str(path / "kernel"),
        initrd=str(path / "initrd"),
        disk=str(path / "disk"),
        seconds=round(time.monotonic() - started, 1),
    )


if __name__ == "__main__":
    main()
