# SPDX-License-Identifier: Apache-2.0
"""What the actions that talk to Ironic share: how it is found, and which errors say all that is to be said."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.client import Client, connected
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import BaremetalError
from ansible_collections.ozone.openstack.plugins.module_utils.sdk import Access, SdkError
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import use
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import cloud_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import plain

#: Finds Ironic.
Connect = Callable[[], Client]

#: The options of the document fragment ``ozone.openstack.ironic``.
ARGUMENTS: dict[str, Any] = {
    "cloud": {"type": "str", "default": "ozone-undercloud"},
    "clouds_file": {"type": "path"},
}


def client(options: Mapping[str, Any], variables: Mapping[str, Any], templar: Any) -> Client:
    """Ironic's API as the options say; its password is masked from here on."""
    path = str(options["clouds_file"] or "")
    cloud = {} if path else cloud_of(templar, variables)
    if cloud.get("state_dir"):
        path = f"{cloud['state_dir']}/clouds.yaml"
    found = connected(Access(str(options["cloud"]), path))
    use(found.password)
    return found


class IronicAction(LocalAction):
    """An action for Ironic: a subclass has its own options in ``ARGUMENTS`` beside ours, and does the ``drive``."""

    ARGUMENTS: ClassVar[dict[str, Any]] = ARGUMENTS
    EXPECTED: ClassVar[tuple[type[Exception], ...]] = (BaremetalError, SdkError, ConnectionError, OSError)

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """With plain options: what templates made has types of its own."""
        options = plain(options)
        return self.drive(options, lambda: client(options, variables, self._templar))

    @abstractmethod
    def drive(self, options: dict[str, Any], connect: Connect) -> dict[str, Any]:
        """What the action does; returns its result. Ironic is looked for when it is first needed: ``connect``."""
