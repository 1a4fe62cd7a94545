# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.image_locks``; the work is in plugins/action/image_locks.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_locks
short_description: Resolve the lock files of OpenStack releases
version_added: 0.1.0
description:
  - Resolves every Python package of every image of the releases with C(uv pip compile), from the upper constraints that
    OpenStack publishes for each release, and writes C(releases/<release>/<image>.lock).
  - For those who maintain the collection, or releases of their own; building images only reads the lock files.
  - Resolving anew takes up newer versions of the few packages that the constraints do not pin, such as point releases
    of the services.
author:
  - Ozone contributors (@ozone)
attributes:
  check_mode:
    support: full
    description: Says which files would change.
  diff_mode:
    support: none
    description: The lock files are under version control.
options:
  releases:
    description: The directory with the definitions of the releases, if not the collection's own.
    type: path
  names:
    description: Releases to resolve. Empty means all.
    type: list
    elements: str
    default: []
  constraints_dir:
    description: >-
      A directory with upper constraints, C(<release>.txt), instead of those at the published address. Taken from the
      environment variable E(OZONE_CONSTRAINTS_DIR) if not set.
    type: path
"""

EXAMPLES = r"""
- name: Resolve one release from constraints on this host
  ozone.openstack.image_locks:
    names: ["2026.1"]
    constraints_dir: /srv/constraints
"""

RETURN = r"""
files:
  description: Lock files that changed, or would.
  returned: success
  type: list
  elements: str
"""
