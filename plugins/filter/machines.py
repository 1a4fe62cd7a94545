# SPDX-License-Identifier: Apache-2.0
"""Filters about the machines of a cloud; the logic is in module_utils."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.machines import (
    bmcs,
    losses,
    shortcomings,
    unused_images,
)


class FilterModule:
    """``ozone.openstack.machine_bmcs``, ``machine_losses``, ``machine_shortcomings``, ``unused_images``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {
            "machine_bmcs": bmcs,
            "machine_losses": losses,
            "machine_shortcomings": shortcomings,
            "unused_images": unused_images,
        }
