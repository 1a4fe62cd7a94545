# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.run_lock``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: run_lock
author: Ozone contributors
version_added: 1.0.0
short_description: Hold the lock of a cloud while it is changed
description:
  - Only one run at a time may change a cloud. The lock belongs to the process of ansible-playbook.
  - A second run is refused and told who holds the lock, since when, and what to do.
  - When that process does not run any more, the next run on the same computer takes its lock over and says so. So a
    run that failed or was killed leaves nothing to clean up.
  - A lock that was taken on another computer is taken over only with O(break_lock=true).
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction. It then only warns about another run.
    support: full
  diff_mode: {description: There is nothing to compare., support: none}
options:
  state:
    description: Whether to hold the lock or to give it back. Giving back another run's lock does nothing.
    type: str
    choices: [held, released]
    default: held
  verb:
    description: What the run does, for those who are refused.
    type: str
    default: run
  state_dir:
    description: State directory of the cloud. Default is C(ozone_cloud.state_dir).
    type: path
  break_lock:
    description:
      - Take over a lock that was taken on another computer, or a file that cannot be understood.
      - Default is the variable C(ozone_lock_break), else V(false).
    type: bool
    default: false
"""

EXAMPLES = """
- name: Refuse a second run
  ozone.openstack.run_lock:
    state: held
    verb: deploy

- name: Let others change the cloud
  ozone.openstack.run_lock:
    state: released
"""

RETURN = """
path:
  description: The file of the lock.
  returned: success
  type: str
note:
  description: Which lock was taken over; in check mode, which run holds it. Also shown as a warning.
  returned: success
  type: str
"""
