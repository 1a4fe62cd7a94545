# SPDX-License-Identifier: Apache-2.0
"""Groups and variables of an inventory: a pure function of the definition, the catalogue and the environment.

What is the same for all nodes is one object, a variable of the group ``all``; a node's own variables are small, so that
the size of an inventory and the time to make it are linear in the number of nodes.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import machines, networking, overrides, record
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.catalogue import MAIN, Catalogue
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.definition import (
    BALANCED,
    BALANCER,
    Cloud,
    Node,
    Subnet,
)
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION, state_dir

Variables = dict[str, Any]

#: Groups that the verbs for machines fill while they run.
MACHINE_GROUPS = ("ozone_machines_there", "ozone_machines_behind", "ozone_machines_leaving")


def role_name(path: Path) -> str:
    """What `include_role` calls a role: one of ours by its full name, an operator's own by its directory."""
    return f"ozone.openstack.{path.name}" if path.parent == COLLECTION / "roles" else str(path)


@dataclass(frozen=True)
class Inventory:
    """What Ansible is told. Nodes with ``provisioned: false`` are no hosts: no verb but those for machines knows them.

    ``groups``: names of nodes by group; ``variables``: those of the group ``all``; ``hosts``: those of each node.
    """

    groups: Mapping[str, list[str]]
    variables: Variables
    hosts: Mapping[str, Variables]


def prints_group_variables_at_hosts(arguments: Mapping[str, Any]) -> bool:
    """Whether Ansible prints the variables of the group ``all`` once for each host.

    ``ansible-inventory`` does, unless ``--export`` is given, as AWX does. Of one host (``--host``) it is wanted, and
    with ``--limit`` the host that carries a variable may be left out.

    :param arguments: ``ansible.context.CLIARGS``. Only ``ansible-inventory`` has ``export``.
    """
    return arguments.get("export") is False and not arguments.get("host") and not arguments.get("subset")


def carried_by_one_host(built: Inventory) -> tuple[Inventory, dict[str, str]]:
    """The same inventory for a listing that repeats the variables of the group ``all`` at each host.

    Lists and mappings become variables of the first host. Returns templates as well, by which the group ``all`` refers
    to them: the listing is complete, and linear in the number of nodes.
    """
    first = next(iter(built.hosts), None)
    if first is None:
        return built, {}
    large = {name: value for name, value in built.variables.items() if isinstance(value, dict | list)}
    small = {name: value for name, value in built.variables.items() if name not in large}
    hosts = {**built.hosts, first: {**large, **built.hosts[first]}}
    references = {name: "{{ hostvars[" + repr(first) + "]." + name + " }}" for name in large}
    return Inventory(built.groups, small, hosts), references


def build_inventory(
    cloud: Cloud, catalogue: Catalogue, environ: Mapping[str, str], exists: Callable[[Path], bool] = os.path.exists
) -> Inventory:
    """The inventory of a cloud.

    ``environ`` says where the state of the cloud is; ``exists`` whether the lab's SSH key is there: then it is used.
    """
    state = state_dir(cloud.name, environ)
    hosts = cloud.hosts
    names = sorted({service for node in hosts.values() for service in node.services})
    order = catalogue.start_order(names)
    members = _members(cloud, order, catalogue)
    variables: Variables = {
        "ansible_user": "root",
        **_ssh(state / "ssh", exists),
        "ozone_cloud": _cloud(cloud, catalogue, state, order, members),
    }
    ssh = _machine_ssh(state / "ssh", exists)
    known = machines.machines(cloud)
    if known:
        variables |= {"ozone_machines": known, "ozone_machine_ssh": ssh}
    groups: dict[str, list[str]] = {name: [] for name in MACHINE_GROUPS if known}
    for service in order:
        groups[service] = [node.name for node in hosts.values() if service in node.services]
        for component, entries in members[service].items():
            if component != MAIN:
                groups[f"{service}_{component}"] = [entry["name"] for entry in entries]
    for profile in cloud.profiles:
        groups[f"profile_{profile}"] = [node.name for node in hosts.values() if node.profile == profile]
    for site in cloud.sites:
        groups[f"site_{site}"] = [node.name for node in hosts.values() if node.site == site]
    return Inventory(groups, variables, _hosts(cloud, order, ssh))


def _machine_ssh(directory: Path, exists: Callable[[Path], bool]) -> Variables:
    """Arguments of SSH for machines that Ozone provisions: their host keys are those that provisioning has seen."""
    own = ["-o", "IdentitiesOnly=yes"] if exists(directory / "id_ed25519") else []
    own += ["-o", f"UserKnownHostsFile={directory / 'known_hosts_machines'}", "-o", "StrictHostKeyChecking=yes"]
    return {"ansible_ssh_common_args": shlex.join(own)}


def _ssh(directory: Path, exists: Callable[[Path], bool]) -> Variables:
    """Arguments of SSH for nodes whose keys Ozone has made; nothing where the operator's own configuration counts."""
    variables: Variables = {}
    arguments: list[str] = []
    if exists(directory / "id_ed25519"):
        variables["ansible_ssh_private_key_file"] = str(directory / "id_ed25519")
        arguments += ["-o", "IdentitiesOnly=yes"]
    if exists(directory / "known_hosts"):
        arguments += ["-o", f"UserKnownHostsFile={directory / 'known_hosts'}", "-o", "StrictHostKeyChecking=yes"]
    if arguments:
        variables["ansible_ssh_common_args"] = shlex.join(arguments)
    return variables


def _members(cloud: Cloud, order: list[str], catalogue: Catalogue) -> dict[str, dict[str, list[Variables]]]:
    """service -> component -> nodes; a component that no node runs has an empty list."""
    entries = {
        name: {"name": name, "site": node.site, "addresses": node.addresses} for name, node in cloud.hosts.items()
    }
    members: dict[str, dict[str, list[Variables]]] = {
        service: {component: [] for component in catalogue.services[service].components} for service in order
    }
    for name, node in cloud.hosts.items():
        for service, components in node.services.items():
            for component in components:
                members[service][component].append(entries[name])
    return members


def _vips(cloud: Cloud, members: Mapping[str, Mapping[str, list[Variables]]]) -> dict[str, str]:
    """The load balancer's address for each kind of traffic: the virtual one, else the one of the only load balancer."""
    balancers = [entry for entries in members.get(BALANCER, {}).values() for entry in entries]
    vips: dict[str, str] = {}
    for kind in BALANCED:
        network = cloud.traffic.get(kind, "")
        if network in cloud.vips:
            vips[kind] = cloud.vips[network]
        elif len(balancers) == 1 and network in balancers[0]["addresses"]:
            vips[kind] = balancers[0]["addresses"][network]
    return vips


def _cloud(
    cloud: Cloud,
    catalogue: Catalogue,
    state: Path,
    order: list[str],
    members: Mapping[str, Mapping[str, list[Variables]]],
) -> Variables:
    """The variable ``ozone_cloud``."""
    services = {name: catalogue.services[name] for name in order}
    vips = _vips(cloud, members)
    front_ends: dict[str, Variables] = {}
    for name, service in services.items():
        for front_end, data in service.get("front_ends", {}).items():
            traffic = data.get("traffic", "api_internal")
            kinds = [traffic] + (["api_public"] if data.get("public") else [])
            front_ends[front_end] = {
                "public": False,
                "tunnel": False,
                "single_writer": False,
                **data,
                "traffic": traffic,
                "service": name,
                "addresses": {kind: vips[kind] for kind in kinds if kind in vips},
                "members": [
                    {"name": entry["name"], "address": entry["addresses"][cloud.traffic[traffic]]}
                    for entry in members[name][data["component"]]
                    if cloud.traffic[traffic] in entry["addresses"]
                ],
            }
    return {
        "name": cloud.name,
        "release": cloud.release,
        "region": cloud.region,
        "domain": cloud.domain,
        "file": str(cloud.file),
        "directory": str(cloud.file.parent),
        "address_record": {
            "file": str(record.record_file(cloud.file)),
            "additions": [asdict(addition) for addition in cloud.additions],
            "left": {node: sorted(set(entries.values())) for node, entries in cloud.left.items()},
        },
        "state_dir": str(state),
        "service_paths": [str(cloud.file.parent / path) for path in cloud.data.get("service_paths", [])],
        "sites": cloud.sites,
        "conductor_groups": {site: machines.conductor_group(cloud, site) for site in cloud.sites},
        "networks": {
            name: _network(cloud.data["networks"][name], network.mtu) for name, network in cloud.networks.items()
        },
        "traffic": dict(cloud.traffic),
        "profiles": cloud.profiles,
        "vips": vips,
        "virtual_addresses": dict(cloud.vips),
        "services": order,
        "members": members,
        "nodes": [
            {
                "name": node.name,
                "site": node.site,
                "profile": node.profile,
                "managed": node.managed,
                "provisioned": node.provisioned,
                "addresses": node.addresses,
            }
            for node in cloud.hosts.values()
        ],
        "allocations": machines.wishes(cloud),
        "authorized_keys": cloud.data.get("authorized_keys", []),
        "front_ends": front_ends,
        "databases": {
            name: service.get("databases", []) for name, service in services.items() if service.get("databases", [])
        },
        "queue_users": [name for name, service in services.items() if service.get("message_queue", False)],
        "identity": {
            name: dict(service.get("identity", {})) for name, service in services.items() if service.get("identity", {})
        },
        "secrets": {
            name: dict(service.get("secrets", {})) for name, service in services.items() if service.get("secrets", {})
        },
        "catalogue": {name: dict(service.data) for name, service in services.items()},
        "roles": {name: role_name(service.role) for name, service in services.items()},
    }


def _network(data: Mapping[str, Any], mtu: int) -> Variables:
    """A network as in the file, with its MTU."""
    return {"mtu": mtu, "subnets": data["subnets"]}


def _subnet(subnet: Subnet, mtu: int) -> Variables:
    return {
        "cidr": str(subnet.cidr),
        "prefix": subnet.cidr.prefixlen,
        "gateway": subnet.gateway,
        "host": subnet.host,
        "mtu": mtu,
    }


def _hosts(cloud: Cloud, order: list[str], machine_ssh: Variables) -> dict[str, Variables]:
    """The variables of each node."""
    management = cloud.traffic["management"]
    subnets = {
        (name, site): _subnet(subnet, network.mtu)
        for name, network in cloud.networks.items()
        for site, subnet in network.subnets.items()
    }
    facts = {site: networking.facts(cloud.networks, site) for site in cloud.sites}
    ordered: dict[str, list[str]] = {}
    merged: dict[tuple[str, str], Variables] = {}
    hosts: dict[str, Variables] = {}
    for name, node in cloud.hosts.items():
        if node.profile not in ordered:
            ordered[node.profile] = [service for service in order if service in node.services]
        # Nodes without overrides of their own share those of their site and profile.
        if cloud.data["nodes"][name].get("overrides"):
            own = _overrides(cloud, node)
        else:
            own = merged.setdefault((node.site, node.profile), {}) or _overrides(cloud, node)
            merged[node.site, node.profile] = own
        template = cloud.data["network_configs"][node.network_config] if node.network_config else []
        hosts[name] = {
            **{
                variable: value
                for override in own.values()
                for variable, value in override.get("variables", {}).items()
                if value is not None
            },
            "ansible_host": node.addresses[management],
            **(machine_ssh if node.managed else {}),
            "ozone_node": {
                "name": name,
                "site": node.site,
                "profile": node.profile,
                "managed": node.managed,
                "provisioned": node.provisioned,
                "machine": node.machine is not None,
                "services": {service: node.services[service] for service in ordered[node.profile]},
                "addresses": node.addresses,
                "interfaces": node.interfaces,
                "nics": dict(node.nics),
                "dhcp_allowed": list(node.dhcp_allowed),
                "network_config": networking.fill(template, facts[node.site], node.addresses),
                "bridges": networking.bridges(template),
                "subnets": {
                    network: subnets[network, node.site] for network in node.networks if (network, node.site) in subnets
                },
            },
            "ozone_overrides": own,
            "ozone_services": ordered[node.profile],
        }
    return hosts


def _overrides(cloud: Cloud, node: Node) -> Variables:
    """The merged overrides of the services that a node runs."""
    merged = overrides.for_node(cloud.data, node.site, node.profile, node.name)
    return {
        service: overrides.absolute_sources(override, cloud.file.parent)
        for service, override in merged.items()
        if service in node.services
    }
