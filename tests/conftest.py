# SPDX-License-Identifier: Apache-2.0
"""Make the clone importable under its collection name, wherever pytest is started from."""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path

from hypothesis import settings

from tests.run import interruptible

# Tests interrupt what they start, and are interrupted, also in the background.
interruptible(signal.default_int_handler)

# The same examples in every run; look for others with `--hypothesis-profile=default`.
settings.register_profile("reproducible", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("reproducible")

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / ".ansible" / "collections"
LINK = COLLECTIONS / "ansible_collections" / "ozone" / "openstack"

if not LINK.exists():
    LINK.parent.mkdir(parents=True, exist_ok=True)
    LINK.symlink_to(ROOT, target_is_directory=True)
sys.path.insert(0, str(COLLECTIONS))

# Another `ansible_collections` may have been imported already: a namespace package is several directories, one name.
if importlib.util.find_spec("ansible_collections") is not None:
    import ansible_collections

    if str(COLLECTIONS / "ansible_collections") not in list(ansible_collections.__path__):
        ansible_collections.__path__.append(str(COLLECTIONS / "ansible_collections"))
