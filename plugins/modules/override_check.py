# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.override_check``; the work is in plugins/action/override_check.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: override_check
short_description: Check overridden options against what the images know
version_added: 1.0.0
author: Ozone contributors
description:
  - Checks every option that the overrides of cloud.yml set in a configuration file against the list of options that the
    image of the service came with. An unknown section or option, a former name and a value that is not of the option's
    type or range are mistakes. All are shown at once, with file, line and remedy.
  - Runs on the deployment host and touches no node. An image that is not built yet is not checked here.
attributes:
  check_mode: {support: full, description: Nothing is ever changed.}
  diff_mode: {support: none, description: Nothing is ever changed.}
"""

EXAMPLES = r"""
- name: Check the overridden options
  ozone.openstack.override_check:
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
problems:
  description: The mistakes, one line each.
  returned: always
  type: list
  elements: str
  sample: ['cloud.yml:40: overrides.nova: unknown option in [DEFAULT] (did you mean debug?)']
"""
