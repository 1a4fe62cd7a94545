# SPDX-License-Identifier: Apache-2.0
"""The machines of a cloud, as the fleet takes them: what each is, what it is to run, what it has to have.

Pure functions of the definition. Nothing here holds a secret: the password of a BMC, the image's address and the keys
that may log in are added where a fleet is told to go (``complete``), on the deployment host.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import BaremetalError
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.reading import read_wishes
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.states import OCCUPIED, transitional
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.wanted import read as read_nodes
from ansible_collections.ozone.openstack.plugins.module_utils.cloud import schema
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.definition import MAC, Cloud, Machine, Node
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import Problem, did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import CA_FILE
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import normal_nic

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

#: A golden image in an image store, or its checksum (``images.disks.described``).
_GOLDEN = re.compile(r"-[0-9a-f]{12}\.raw(\.sha256)?\Z")

#: The secret with the password of all BMCs that have none of their own.
OF_ALL = "bmc_password"


class MachineError(Exception):
    """Machines cannot be told to go there; the text says why and what to do, and may have several lines."""


def machines(cloud: Cloud) -> list[Plain]:
    """All machines of a definition, in its order. ``address``: where SSH finds the system that it gets."""
    return [_machine(cloud, node, node.machine) for node in cloud.nodes.values() if node.machine is not None]


def refusals(cloud: Cloud) -> list[Problem]:
    """What the fleet would refuse to take, as far as no machine has to be asked.

    The checks of a definition find these mistakes with the very key; this is for those that they do not know of.
    """
    image = {"source": "file:///image", "checksum": "0" * 64}
    found: list[Problem] = []
    for one in machines(cloud):
        try:
            read_nodes([complete(one, {OF_ALL: "unknown"}, image)])
        except BaremetalError as error:
            path = ("nodes", str(one["name"]))
            found += [
                cloud.document.problem(path, line, "see docs/operator/bare-metal.md")
                for line in str(error).splitlines()
            ]
    try:
        read_wishes(wishes(cloud))
    except BaremetalError as error:
        found += [cloud.document.problem(("allocations",), line) for line in str(error).splitlines()]
    return found


def wishes(cloud: Cloud) -> list[Plain]:
    """Who is to get one of the machines that are offered, as ``baremetal_allocation`` takes it.

    Others may have machines in the same Ironic, for other purposes: only those that this definition offers are given.
    """
    offered = [name for name, node in cloud.nodes.items() if node.machine and node.managed and not node.provisioned]
    return [
        {
            "name": name,
            "resource_class": data.get("resource_class", schema.MACHINE["resource_class"]["default"]),
            "traits": sorted(data.get("traits", [])),
            "candidates": data.get("candidates", offered),
            **({"site": conductor_group(cloud, data["site"])} if "site" in data else {}),
        }
        for name, data in cloud.data.get("allocations", {}).items()
    ]


def conductor_group(cloud: Cloud, site: str) -> str:
    """The conductors of Ironic that reach the machines of a site; empty for those that belong to no group."""
    return str((cloud.data["sites"][site] or {}).get("conductor_group", ""))


def _machine(cloud: Cloud, node: Node, machine: Machine) -> Plain:
    macs = [normal_nic(mac) for mac in node.nics.values() if MAC.match(mac)]
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
            "conductor_group": conductor_group(cloud, node.site),
            "properties": _properties(machine),
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


def _properties(machine: Machine) -> Plain:
    """Disks. Cleaning has to know which to leave alone; what Ironic has of those is never removed, only replaced."""
    properties: Plain = {"root_device": dict(machine.root_device) or None}
    if machine.preserve:
        properties["skip_block_devices"] = [dict(hint) for hint in machine.preserve]
    return properties


def _driver_info(bmc: Mapping[str, Any]) -> Plain:
    """``driver_info`` without the password; None removes what Ironic has."""
    return {
        "redfish_address": bmc["address"],
        "redfish_system_id": bmc.get("system"),
        "redfish_username": bmc["username"],
        "redfish_verify_ca": bmc.get("verify_ca", True),
    }


def choose(known: Sequence[Mapping[str, Any]], names: Iterable[str], purpose: str) -> list[Mapping[str, Any]]:
    """The machines that are meant, by exact names; without names all that the purpose is for.

    ``enrol``: the managed ones; ``provision``: of these, those that are part of the cloud; ``rebuild``: the same, and
    only by name; ``offer``: those that are not; ``unprovision``: the same, and only by name. Raises MachineError with
    every name that cannot be meant.
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
        elif purpose in ("provision", "rebuild") and not machine["provisioned"]:
            problems.append(f"{name}: is to have no system: remove `provisioned: false` of it in cloud.yml")
        elif purpose in ("offer", "unprovision") and machine["provisioned"]:
            problems.append(
                f"{name}: is part of the cloud: take its services away with scale_down.yml, then say "
                "`provisioned: false` for it in cloud.yml"
            )
    if not wanted and purpose in ("rebuild", "unprovision"):
        problems.append("name the machines, exactly: -e ozone_nodes=bm1,bm2")
    if problems:
        raise MachineError("\n".join(problems))
    if wanted:
        return [by_name[name] for name in wanted]
    meant = {"enrol": (True, False), "offer": (False,)}.get(purpose, (True,))
    return [one for one in known if one["managed"] and one["provisioned"] in meant]


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
        raise MachineError(
            f"{name}: there is no secret {own}, and no {OF_ALL} for all machines: "
            f"set it with `ansible-playbook -i cloud.yml ozone.openstack.secret -e ozone_secret={own}`"
        )
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


def published(state_dir: Path) -> dict[str, Plain]:
    """The golden images that were published to the cloud's undercloud, by name; empty before that."""
    file = state_dir / "machine-images.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def losses(
    known: Iterable[Mapping[str, Any]], names: Iterable[str], nodes: Iterable[Mapping[str, Any]], unseen: Iterable[str]
) -> list[str]:
    """What would be lost that nobody wants to lose, if the machines ``names`` were wiped now, a line for each.

    ``nodes``: Ironic's, which is what cleaning goes by; ``unseen``: machines that did not say what they run.
    """
    by_name = {node.get("name"): node for node in nodes}
    chosen, blind = set(names), set(unseen)
    found = []
    for machine in known:
        name, node = machine["name"], by_name.get(machine["name"])
        if name not in chosen or node is None:
            continue
        if node.get("allocation_uuid"):
            found.append(
                f"{name}: was given to a name of `allocations`: take it from there first, and release it (allocate.yml)"
            )
        kept = (node.get("properties") or {}).get("skip_block_devices") or []
        unknown = [hint for hint in machine["instance"]["preserve"] if dict(hint) not in kept]
        if unknown:
            hints = ", ".join(json.dumps(dict(hint), sort_keys=True) for hint in unknown)
            found.append(f"{name}: Ironic does not know yet that it has to preserve the disk {hints}: enrol it again")
        if machine["node"]["automated_clean"] is False and node.get("automated_clean") is not False:
            found.append(f"{name}: Ironic does not know yet that its disks are not to be cleaned: enrol it again")
        if name in blind and node.get("provision_state") == "active":
            found.append(
                f"{name}: does not say what it runs, and may still run services of the cloud: bring it back, "
                "or, if it is dead, -e ozone_dead=true"
            )
    return found


def untouched(
    known: Iterable[Mapping[str, Any]], names: Iterable[str], nodes: Iterable[Mapping[str, Any]]
) -> list[tuple[str, str, str]]:
    """The machines among ``names`` that Ironic has given no system, so that nothing of the cloud can run there: name,
    address, and what Ironic says of it. One that is switched off, and one that Ironic works on, is left out.
    """
    by_name = {node.get("name"): node for node in nodes}
    chosen, found = set(names), []
    for machine in known:
        node = by_name.get(machine["name"])
        if machine["name"] not in chosen or (node or {}).get("power_state") == "power off":
            continue
        state = str((node or {}).get("provision_state") or "")
        if node is None or not (state in OCCUPIED or transitional(state)):
            said = f"for Ironic it is {state!r}" if node is not None else "Ironic does not know the machine"
            found.append((str(machine["name"]), str(machine["address"]), said))
    return found


def bmcs(known: Iterable[Mapping[str, Any]]) -> list[Plain]:
    """The BMCs of the machines that are managed, as ``bmc_info`` takes them, trusted as Ironic's container does."""
    infos = {str(machine["name"]): machine["node"]["driver_info"] for machine in known if machine["managed"]}
    return [
        {
            "name": name,
            "address": info["redfish_address"],
            "verify_ca": CA_FILE if info["redfish_verify_ca"] is True else info["redfish_verify_ca"],
        }
        for name, info in infos.items()
    ]


def shortcomings(
    known: Iterable[Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]], looks: Iterable[Mapping[str, Any]]
) -> list[str]:
    """What is not as cloud.yml says, a line for each machine. ``nodes``: Ironic's; ``looks``: those of ``bmc_info``."""
    by_name = {node.get("name"): node for node in nodes}
    troubles = {look["name"]: look["trouble"] for look in looks}
    found = []
    for machine in known:
        name = machine["name"]
        if machine["managed"]:
            said = _shortcomings(machine, by_name.get(name))
            if troubles.get(name):
                said.insert(0, f"its BMC {machine['node']['driver_info']['redfish_address']} {troubles[name]}")
            found += [f"{name}: {'; '.join(said)}"] if said else []
    return found


def unused_images(stored: Iterable[str], wanted: Iterable[str], nodes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which files of an image store nobody needs: golden images, with their checksums, that are neither published
    (``wanted``) nor what one of Ironic's nodes was deployed with. ``stored``, ``wanted``: names of files.
    """
    sources = [str((node.get("instance_info") or {}).get("image_source") or "") for node in nodes]
    needed = {*wanted, *(source.rpartition("/")[2] for source in sources)}
    return sorted(name for name in stored if _GOLDEN.search(name) and name.removesuffix(".sha256") not in needed)


def _shortcomings(machine: Mapping[str, Any], node: Mapping[str, Any] | None) -> list[str]:
    if node is None:
        return ["Ironic does not know it: enrol it (enrol.yml)"]
    said = []
    state, error = str(node.get("provision_state")), str(node.get("last_error") or "")
    if node.get("maintenance"):
        said.append(f"is in maintenance: {node.get('maintenance_reason') or 'nobody said why'}")
    if machine["provisioned"] and state != "active":
        said.append(f"is {state!r} and not active: {error or 'provision it (provision.yml)'}")
    elif not machine["provisioned"] and node.get("allocation_uuid"):
        return said  # whoever has it does with it what he wants
    elif not machine["provisioned"] and state == "active":
        said.append("still has its system, although it has left the cloud: take it off (unprovision.yml)")
    elif state.endswith("failed") or state == "error":
        said.append(f"is {state!r}: {error}")
    if state == "active" and node.get("power_state") != "power on":
        said.append("is switched off")
    return said
