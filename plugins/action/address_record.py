# SPDX-License-Identifier: Apache-2.0
"""Action: write the addresses that are not recorded yet; see the module's documentation."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive, private_directory, write_atomic
from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition, record
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import CloudError
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import cloud_of, state_dir_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import plain

#: Variables that AWX and Ansible Automation Platform give every job, whose checkout is a copy that is thrown away.
JOB_VARIABLES = ("awx_job_id", "tower_job_id")


class RecordError(Exception):
    """The record cannot be written: says what is missing in it, and what to do."""


def lines(known: Mapping[str, Any], done: bool) -> list[str]:
    """What is new in the record, and what is left in it, a sentence each; ``known``: ``ozone_cloud.address_record``."""
    word = "is recorded" if done else "would be recorded"
    found = [f"address {record.Addition(**addition)} {word}" for addition in known["additions"]]
    for node, addresses in known["left"].items():
        found.append(
            f"{node} is not in cloud.yml, and {', '.join(addresses)} stays reserved for it: when the machine is gone, "
            f"delete its lines in {known['file']}"
        )
    return found


class ActionModule(LocalAction):
    """``ozone.openstack.address_record``."""

    _supports_check_mode = True
    ARGUMENTS: ClassVar = {
        "state": {"type": "str", "choices": ["recorded", "planned"], "default": "recorded"},
        "writable": {"type": "bool"},
    }
    VARIABLES: ClassVar = {"writable": "ozone_addresses_writable"}
    EXPECTED = (RecordError, CloudError, SecretsError, TimeoutError)

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Write what is new, if anything is."""
        cloud = plain(cloud_of(self._templar, variables))
        known = cloud["address_record"]
        planned = options["state"] == "planned" or bool(self._task.check_mode)
        result = {"changed": False, "path": known["file"], "lines": lines(known, not planned)}
        if not known["additions"]:
            return result
        if planned:
            return {**result, "changed": True}
        writable = options["writable"]
        if writable is None:
            writable = not any(name in variables for name in JOB_VARIABLES)
        if not writable:
            raise self.refused(cloud, "what is written in this job is lost with its copy of the checkout")
        guard = state_dir_of(self._templar, variables) / ".addresses.guard"
        private_directory(guard.parent)
        with exclusive(guard):
            try:
                changed = self.write(cloud)
            except OSError as error:
                raise self.refused(cloud, error.strerror or str(error)) from None
        return {**result, "changed": changed}

    @staticmethod
    def refused(cloud: Mapping[str, Any], reason: str) -> RecordError:
        """An error that says what is missing, and where it can be recorded."""
        known = cloud["address_record"]
        missing = [str(record.Addition(**addition)) for addition in known["additions"]]
        some = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        return RecordError(
            f"{known['file']} lacks {some}, and cannot be written here: {reason}. Run `make addresses` "
            f"(ansible-playbook -i {Path(cloud['file']).name} ozone.openstack.addresses) where the checkout can be "
            "written, and commit the file"
        )

    @staticmethod
    def write(cloud: Mapping[str, Any]) -> bool:
        """Write the record; tell whether it differs. :raises RecordError: the run began with other addresses."""
        file = Path(cloud["file"])
        file.stat()  # an inventory that was imported elsewhere may name a file that is not here
        made, _catalogue = definition.load(file)
        here = {name: dict(node.addresses) for name, node in made.hosts.items()}
        if here != {node["name"]: dict(node["addresses"]) for node in cloud["nodes"]}:
            raise RecordError(f"{file} or its record was changed while this run began: start it again")
        if not made.additions:
            return False  # another part of this run has written it
        path = record.record_file(file).resolve()
        entries = record.merged(made.recorded.entries, made.additions)
        owner = (path if path.exists() else file.resolve()).stat()
        write_atomic(path, record.text(entries, file.resolve().name), owner.st_mode & 0o666)
        with contextlib.suppress(PermissionError):  # root works in the checkout of a user
            os.chown(path, owner.st_uid, owner.st_gid)
        return True
