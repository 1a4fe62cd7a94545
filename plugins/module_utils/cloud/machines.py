# SPDX-License-Identifier: Apache-2.0
"""The machines of a cloud, as the fleet takes them: what each is, what it is to run, what it has to have.

Pure functions of the definition. Nothing here holds a secret: the password of a BMC, the image's address and the keys
that may log in are added where a fleet is told to go (``complete``), on the deployment host.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.definition import MAC, Cloud, Machine, Node
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean

Plain = dict[str, Any]

#: How Ironic drives a machine: Redfish with virtual media, an agent of ours, and no network that it would switch.
INTERFACES = {
    "boot": "redfish-virtual-media",
    "deploy": "direct",
    "inspect": "agent",
    "management": "redfish",
    "network": "noop",
    "power": "redfish",
}

#: The secret with the password of all BMCs that have none of their own.
OF_ALL = "bmc_password"


class MachineError(Exception):
    """Machines cannot be told to go there; the text says why and what to do, and may have several lines."""


def machines(cloud: Cloud) -> list[Plain]:
    """All machines of a definition, in its order. ``address``: where SSH finds the system that it gets."""
    return [_machine(cloud, node, node.machine) for node in cloud.nodes.values() if node.machine is not None]


def _machine(cloud: Cloud, node: Node, machine: Machine) -> Plain:
    macs = [mac.lower() for mac in node.nics.values() if MAC.match(mac)]
    return {
        "name": node.name,
        "site": node.site,
        "managed": node.managed,
        "provisioned": node.provisioned,
        "address": node.addresses[cloud.traffic["management"]],
        "image": machine.image,
        "node": {
            "driver": "redfish",
            "driver_info": _driver_info(machine.bmc),
            "interfaces": dict(INTERFACES),
            "resource_class": machine.resource_class,
            "traits": sorted(machine.traits),
            "conductor_group": str((cloud.data["sites"][node.site] or {}).get("conductor_group", "")),
            "properties": {
                "root_device": dict(machine.root_device) or None,
                "skip_block_devices": [dict(hint) for hint in machine.preserve] or None,
            },
            "extra": {"ozone_cloud": cloud.name},
            "network_data": machine.ramdisk_network_data,
            "automated_clean": machine.automated_clean,
            "ports": [{"address": mac} for mac in macs],
        },
        "instance": {
            "config_drive": {
                "meta_data": {
                    "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{node.name}.{cloud.name}.{cloud.domain}")),
                    "name": node.name,
                    "hostname": node.name,
                },
                "network_data": machine.network_data,
            },
            "root_device": dict(machine.root_device),
            "preserve": [dict(hint) for hint in machine.preserve],
        },
        "expected": {**machine.expected, "macs": macs},
    }


def _driver_info(bmc: Mapping[str, Any]) -> Plain:
    """``driver_info`` without the password; None removes what Ironic has."""
    return {
        "redfish_address": bmc["address"],
        "redfish_system_id": bmc.get("system"),
        "redfish_username": bmc["username"],
        "redfish_verify_ca": bmc.get("verify_ca", True),
    }


def choose(known: Sequence[Mapping[str, Any]], names: Iterable[str], purpose: str) -> list[Mapping[str, Any]]:
    """The machines that are meant. ``purpose``: ``enrol`` or ``provision``; ``names``: exact, none for all there are.

    Raises MachineError with every name that cannot be meant.
    """
    by_name = {str(machine["name"]): machine for machine in known}
    wanted = list(dict.fromkeys(names))
    problems = []
    for name in wanted:
        machine = by_name.get(name)
        if machine is None:
            hint = did_you_mean(name, by_name)
            problems.append(f"{name}: there is no machine of this exact name in cloud.yml ({hint})")
        elif not machine["managed"]:
            problems.append(f"{name}: is not managed by Ozone: say `managed: true` for it in cloud.yml")
        elif purpose == "provision" and not machine["provisioned"]:
            problems.append(f"{name}: is to have no system: remove `provisioned: false` of it in cloud.yml")
    if problems:
        raise MachineError("\n".join(problems))
    if wanted:
        return [by_name[name] for name in wanted]
    return [one for one in known if one["managed"] and (purpose != "provision" or one["provisioned"])]


def complete(
    machine: Mapping[str, Any],
    secrets: Mapping[str, Any],
    image: Mapping[str, Any] | None = None,
    keys: Sequence[str] = (),
) -> Plain:
    """A machine as ``baremetal_fleet`` takes it, with the password of its BMC; with an image, what it is to run, too.

    Raises MachineError, which holds no secret.
    """
    name = str(machine["name"])
    own = f"{OF_ALL}_{name}"
    password = secrets.get(own, secrets.get(OF_ALL))
    if not isinstance(password, str) or not password:
        raise MachineError(f"{name}: there is no secret {own}, and no {OF_ALL} for all machines")
    node = dict(machine["node"])
    node["driver_info"] = {**node["driver_info"], "redfish_password": password}
    made: Plain = {"name": name, "node": node, "expected": machine["expected"]}
    if image is not None:
        instance = machine["instance"]
        drive = instance["config_drive"]
        public_keys = {f"key{number}": key for number, key in enumerate(keys)}
        meta_data = {**drive["meta_data"], "public_keys": public_keys}
        made["instance"] = {**instance, "image": dict(image), "config_drive": {**drive, "meta_data": meta_data}}
    return made
