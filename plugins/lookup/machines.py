# SPDX-License-Identifier: Apache-2.0
"""Lookup of a cloud's machines, as the fleet takes them."""

from __future__ import annotations

DOCUMENTATION = """
name: machines
author: Ozone contributors
version_added: 1.0.0
short_description: Machines of the cloud, for baremetal_fleet
description:
  - Returns the machines of C(cloud.yml) as the option C(nodes) of P(ozone.openstack.baremetal_fleet#module) takes them,
    with the passwords of their BMCs. Use it where it is needed, and register nothing of it.
  - The password of a BMC is the secret C(bmc_password_<node>), else C(bmc_password). Set it with
    C(ozone.openstack.secret).
options:
  _terms:
    description:
      - Exact names of machines, in lists or with commas between. None, or empty ones, for all that O(purpose) is for.
    type: list
    elements: raw
  purpose:
    description:
      - V(enrol) is for what the machines are; without names for all that are C(managed).
      - V(provision) also says what they are to run; without names for all that are C(managed) and C(provisioned).
      - V(offer) is V(enrol) for those with C(provisioned=false) alone.
      - V(rebuild) is V(provision) for machines that are named; it is an error to name none.
      - V(unprovision) is for those with C(provisioned=false) alone, by name, and says nothing but their names.
    type: str
    choices: [enrol, offer, provision, rebuild, unprovision]
    default: enrol
  images:
    description:
      - "Golden images by name: C(source), C(checksum), C(algorithm) and C(disk_format), as
        P(ozone.openstack.baremetal_fleet#module) takes them. They count before those that were published."
    type: dict
    vars: [{name: ozone_machine_images}]
notes:
  - The variables C(ozone_machines) and C(ozone_cloud) are those of P(ozone.openstack.cloud#inventory); secrets are
    where P(ozone.openstack.secret#lookup) has them.
  - Keys that may log in are C(authorized_keys) of C(cloud.yml), and C(ssh/id_ed25519.pub) of the state directory.
"""

EXAMPLES = """
- name: Enrol two machines
  ozone.openstack.baremetal_fleet:
    target: manageable
    nodes: "{{ query('ozone.openstack.machines', 'bm1,bm2') }}"
"""

RETURN = """
_raw:
  description: The machines, in the order of their names or of C(cloud.yml).
  type: list
  elements: dict
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.machines import (
    MachineError,
    choose,
    complete,
    published,
)
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError
from ansible_collections.ozone.openstack.plugins.plugin_utils.access import CloudAccess
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import cloud_of, state_dir_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import plain


def names_of(terms: Iterable[Any]) -> Iterator[str]:
    """The names in lists, lists of lists, and texts with commas between."""
    for term in terms:
        if isinstance(term, list | tuple):
            yield from names_of(term)
        else:
            yield from (name.strip() for name in str(term).split(",") if name.strip())


class LookupModule(LookupBase):  # type: ignore[misc]  # the base class has no types
    """``query('ozone.openstack.machines', name..., purpose=...)``."""

    def run(self, terms: Sequence[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """The machines that ``terms`` names."""
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        purpose = str(self.get_option("purpose"))
        try:
            known = self._variable(variables, "ozone_machines") or []
            chosen = choose(known, names_of(terms), purpose)
            if not chosen or purpose == "unprovision":
                return [{"name": machine["name"]} for machine in chosen]
            secrets = CloudAccess(self, variables).secrets()
            images, keys = {}, []
            if purpose in ("provision", "rebuild"):
                state_dir = state_dir_of(self._templar, variables)
                images = {**published(state_dir), **plain(self.get_option("images") or {})}
                keys = self._keys(variables, state_dir)
            found, problems = [], []
            for machine in chosen:
                try:
                    found.append(self._complete(machine, secrets, images, keys, purpose))
                except MachineError as error:
                    problems.append(str(error))
        except (MachineError, SecretsError, OSError) as error:
            raise AnsibleLookupError(str(error)) from None
        if problems:
            raise AnsibleLookupError("\n".join(problems))
        return found

    def _variable(self, variables: Mapping[str, Any], name: str) -> Any:
        return plain(self._templar.template(variables[name])) if name in variables else None

    def _keys(self, variables: Mapping[str, Any], state_dir: Path) -> list[str]:
        """Public keys that may log in."""
        keys = list(plain(cloud_of(self._templar, variables).get("authorized_keys") or []))
        own = state_dir / "ssh" / "id_ed25519.pub"
        if own.exists():
            keys.append(own.read_text(encoding="utf-8").strip())
        if not keys:
            raise MachineError("nobody could log in to the machines: add `authorized_keys` with your key to cloud.yml")
        return list(dict.fromkeys(keys))

    def _complete(
        self,
        machine: Mapping[str, Any],
        secrets: Mapping[str, Any],
        images: Mapping[str, Any],
        keys: Sequence[str],
        purpose: str,
    ) -> dict[str, Any]:
        """One machine with all that its definition does not say."""
        image = None
        if purpose in ("provision", "rebuild"):
            image = images.get(machine["image"])
            if image is None:
                there = ", ".join(sorted(images)) or "none"
                raise MachineError(
                    f"{machine['name']}: there is no golden image {machine['image']} (there are: {there}): "
                    "correct `image`, or build and publish it with ozone.openstack.images"
                )
        return complete(machine, secrets, image, keys)
