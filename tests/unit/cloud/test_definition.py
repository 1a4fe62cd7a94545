# SPDX-License-Identifier: Apache-2.0
"""Every refusal: what is wrong, where, and the remedy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import definition
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import CloudError, Document, parse

Data = dict[str, Any]


def set_in(*path: Any) -> Callable[[Data], None]:
    """Sets the last argument at the path of the others, whose mappings are made where they are missing."""
    *keys, last, value = path

    def change(data: Any) -> None:
        for key in keys:
            data = data[key] if isinstance(data, list) else data.setdefault(key, {})
        data[last] = copy.deepcopy(value)

    return change


def drop(*path: Any) -> Callable[[Data], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


def both(*changes: Callable[[Data], None]) -> Callable[[Data], None]:
    def change(data: Data) -> None:
        for one in changes:
            one(data)

    return change


CONTROL = ("networks", "control", "subnets", "main")
EXTERNAL = ("networks", "external", "subnets", "main")
SECOND_SITE = set_in("sites", "edge", {})
OTHER_BALANCER = set_in("nodes", "control2", {"profile": "controller"})
THREE_CONTROLLERS = both(OTHER_BALANCER, set_in("nodes", "control3", {"profile": "controller"}))

#: What the host keys and addresses of a machine are.
BMC = {"address": "https://198.18.0.3:8000", "system": "/redfish/v1/Systems/1", "username": "admin"}
NICS = {"nic1": "52:54:00:00:01:01", "nic2": "52:54:00:00:01:02"}
BOND = {
    "type": "linux_bond",
    "name": "bond0",
    "mtu": 1600,
    "bonding_options": {"mode": "active-backup", "miimon": 100},
    "members": [{"type": "interface", "name": "nic1"}, {"type": "interface", "name": "nic2"}],
    "network": "control",
}
VLAN = {"type": "vlan", "device": "bond0", "vlan_id": 100, "network": "tunnel"}


def machine(data: Data, **more: Any) -> None:
    """Makes a machine of the compute node."""
    data["traffic"]["provisioning"] = "control"
    data["network_configs"] = {"bonded": [copy.deepcopy(BOND), copy.deepcopy(VLAN)]}
    node = data["nodes"]["compute1"]
    node |= {"network_config": "bonded", "managed": True, "bmc": dict(BMC), "nics": dict(NICS)}
    node |= more


def machine_but(*changes: Callable[[Data], None], **more: Any) -> Callable[[Data], None]:
    """A machine with a mistake."""
    return both(lambda data: machine(data, **more), *changes)


SECOND = both(
    lambda data: machine(data),
    set_in("nodes", "compute2", {"profile": "compute", "network_config": "bonded", "managed": True}),
    set_in("nodes", "compute2", "nics", {"nic1": "52:54:00:00:02:01", "nic2": "52:54:00:00:02:02"}),
    set_in("nodes", "compute2", "bmc", {**BMC, "system": "/redfish/v1/Systems/2"}),
)

OFFERED = both(SECOND, set_in("nodes", "compute2", "provisioned", False))

REFUSED: dict[str, tuple[Callable[[Data], None], list[str]]] = {
    # The schema
    "unknown key": (set_in("relase", "x"), ["relase: unknown key (did you mean release?)"]),
    "unknown key deep": (
        set_in(*CONTROL, "gatway", "198.18.0.1"),
        ["networks.control.subnets.main.gatway: unknown key (did you mean gateway?)"],
    ),
    "missing key": (drop("domain"), ["the key domain is missing (The DNS domain of the nodes.)"]),
    "missing traffic": (drop("traffic", "tunnel"), ["traffic: the key tunnel is missing (Network for: Geneve"]),
    "missing traffic of a front end": (
        drop("traffic", "api_public"),
        ["traffic: the key api_public is missing (Network"],
    ),
    "missing management": (drop("traffic", "management"), ["traffic: the key management is missing (Network for: SSH"]),
    "missing plugin": (drop("plugin"), ["the key plugin is missing"]),
    "other plugin": (set_in("plugin", "x"), ["plugin: must be ozone.openstack.cloud"]),
    "nothing": (set_in("nodes", "compute1", None), ["nodes.compute1: must be a mapping, not nothing (give it a value"]),
    "wrong type": (
        set_in("networks", "control", "mtu", "big"),
        ["networks.control.mtu: must be a whole number, not a text"],
    ),
    "a list for a text": (set_in("domain", ["a"]), ["domain: must be a text, not a list"]),
    "too small": (set_in("networks", "control", "mtu", 100), ["networks.control.mtu: must be at least 1280, not 100"]),
    "too large": (set_in("networks", "control", "mtu", 99999), ["must be at most 9216, not 99999"]),
    "no nodes": (set_in("nodes", {}), ["nodes: needs at least 1 entry (The machines."]),
    "empty release": (set_in("release", ""), ["release: must not be empty"]),
    "name of a node": (
        set_in("nodes", "Compute_1", {"profile": "compute"}),
        ["nodes.Compute_1: 'Compute_1' is not a possible name (a host name label of RFC 1123"],
    ),
    "long name of a node": (
        set_in("nodes", "x" * 64, {"profile": "compute"}),
        ["is not a possible name (a host name label"],
    ),
    "name of a profile": (
        set_in("profiles", "a-b", {"services": ["base"]}),
        ["profiles.a-b: 'a-b' is not a possible name (lower-case letters"],
    ),
    "name of the cloud": (set_in("name", "../x"), ["name: '../x' is not possible here (lower-case letters"]),
    "domain": (set_in("domain", "a..b"), ["domain: 'a..b' is not possible here"]),
    "address": (
        set_in(*CONTROL, "gateway", "198.18.0.256"),
        ["gateway: '198.18.0.256' is not possible here: not an IPv4 or IPv6 address (must be an IP address"],
    ),
    "host bits": (
        set_in(*CONTROL, "cidr", "198.18.0.5/24"),
        ["cidr: '198.18.0.5/24' is not possible here: it has host bits: the subnet is 198.18.0.0/24 (must be a"],
    ),
    "no prefix": (
        set_in(*CONTROL, "cidr", "198.18.0.0"),
        ["cidr: '198.18.0.0' is not possible here: the prefix length is missing (must be a subnet"],
    ),
    "one end": (set_in(*CONTROL, "pool", ["198.18.0.10"]), ["pool: needs at least 2 entries (First and last"]),
    "three ends": (set_in(*CONTROL, "pool", ["198.18.0.10"] * 3), ["pool: takes at most 2 entries"]),
    "twice": (set_in("profiles", "compute", "networks", ["control", "control"]), ["networks: names something twice"]),
    "two services in one entry": (
        set_in("profiles", "compute", "services", 0, {"base": ["main"], "db": ["main"]}),
        ["services[0]: takes at most 1 entry"],
    ),
    "name of an interface": (
        set_in("nodes", "compute1", "interfaces", {"control": "a" * 16}),
        ["is not possible here (the name of a network interface"],
    ),
    "file and content": (
        set_in("overrides", {"web": {"files": {"x": {"src": "a", "content": "b"}}}}),
        ["overrides.web.files.x: has src and content (give exactly one of src, content and config)"],
    ),
    "a file outside": (
        set_in("overrides", {"web": {"files": {"../x": {"content": "b"}}}}),
        ["'../x' is not a possible name (letters, digits"],
    ),
    "unknown in overrides": (
        set_in("overrides", {"web": {"configs": {}}}),
        ["overrides.web.configs: unknown key (did you mean config?)"],
    ),
    # Release, references
    "release": (set_in("release", "2026.2"), ["release: unknown release 2026.2 (did you mean 2026.1?)"]),
    "traffic": (set_in("traffic", "tunnel", "tunel"), ["traffic.tunnel: unknown network tunel (did you mean tunnel?)"]),
    "profile": (
        set_in("nodes", "compute1", "profile", "comput"),
        ["nodes.compute1.profile: unknown profile comput (did you mean compute?)"],
    ),
    "site": (
        set_in("nodes", "compute1", "site", "man"),
        ["nodes.compute1.site: unknown site man (did you mean main?)"],
    ),
    "site of a subnet": (
        set_in("networks", "control", "subnets", "edge", {"cidr": "198.18.9.0/24"}),
        ["networks.control.subnets.edge: unknown site edge"],
    ),
    "no site": (SECOND_SITE, ["nodes.control1: there are several sites (say where the node is: `site: main`)"]),
    "network of a profile": (
        set_in("profiles", "compute", "networks", 0, "contro"),
        ["profiles.compute.networks[0]: unknown network contro"],
    ),
    "service": (
        set_in("profiles", "compute", "services", 0, "bas"),
        ["profiles.compute.services[0]: unknown service bas (did you mean base?)"],
    ),
    "component": (
        set_in("profiles", "compute", "services", 1, {"web": ["agnt"]}),
        ["services[1].web[0]: web has no component agnt (did you mean agent?)"],
    ),
    "service twice": (
        set_in("profiles", "compute", "services", 2, "base"),
        ["services[2]: base is in this list already"],
    ),
    "service path": (set_in("service_paths", ["nowhere"]), ["service_paths[0]: nowhere is not a directory"]),
    # Subnets
    "gateway outside": (
        set_in(*CONTROL, "gateway", "198.19.0.1"),
        ["main.gateway: 198.19.0.1 is outside the subnet 198.18.0.0/24"],
    ),
    "network address": (set_in(*CONTROL, "host", "198.18.0.0"), ["main.host: 198.18.0.0 is the network address of"]),
    "broadcast address": (
        set_in(*CONTROL, "pool", 1, "198.18.0.255"),
        ["pool[1]: 198.18.0.255 is the broadcast address of"],
    ),
    "pool outside": (
        set_in(*CONTROL, "pool", ["198.18.1.10", "198.18.1.20"]),
        ["pool[0]: 198.18.1.10 is outside", "pool[1]: 198.18.1.20 is outside"],
    ),
    "pool backwards": (
        set_in(*CONTROL, "pool", ["198.18.0.20", "198.18.0.10"]),
        ["main.pool: the range ends (198.18.0.10) before it starts"],
    ),
    "pool with gateway": (
        set_in(*CONTROL, "gateway", "198.18.0.50"),
        ["main.pool: the range 198.18.0.10 to 198.18.0.99 contains the gateway 198.18.0.50"],
    ),
    "pool with host": (
        set_in(*CONTROL, "host", "198.18.0.50"),
        ["main.pool: the range 198.18.0.10 to 198.18.0.99 contains the host"],
    ),
    "host and gateway": (set_in(*CONTROL, "host", "198.18.0.1"), ["main.host: 198.18.0.1 is the gateway already"]),
    "floating outside": (
        set_in(*EXTERNAL, "floating", 1, "198.51.100.200"),
        ["main.floating[1]: 198.51.100.200 is outside the subnet"],
    ),
    "floating with gateway": (
        set_in(*EXTERNAL, "gateway", "198.51.100.30"),
        ["main.floating: the range 198.51.100.20 to 198.51.100.100 contains the gateway"],
    ),
    "floating and pool": (
        set_in(*EXTERNAL, "pool", ["198.51.100.90", "198.51.100.110"]),
        ["floating: the floating addresses and the pool overlap"],
    ),
    "floating in pool": (
        set_in(*EXTERNAL, "pool", ["198.51.100.10", "198.51.100.110"]),
        ["floating: the floating addresses and the pool overlap"],
    ),
    "floating elsewhere": (
        set_in(*CONTROL, "floating", ["198.18.0.200", "198.18.0.210"]),
        ["floating addresses on a network without external traffic"],
    ),
    "overlap": (
        set_in("networks", "tunnel", "subnets", "main", "cidr", "198.18.0.0/23"),
        ["198.18.0.0/24 overlaps 198.18.0.0/23 of the network tunnel at the site main"],
    ),
    # Nodes and addresses
    "reserved name": (
        set_in("nodes", "localhost", {"profile": "compute"}),
        ["nodes.localhost: localhost has a meaning of its own in Ansible"],
    ),
    "outside": (
        set_in("nodes", "compute1", "addresses", {"control": "198.18.7.7"}),
        ["nodes.compute1.addresses.control: 198.18.7.7 is outside the subnet"],
    ),
    "on an unknown network": (
        set_in("nodes", "compute1", "addresses", {"contrl": "198.18.0.7"}),
        ["addresses.contrl: unknown network contrl"],
    ),
    "on a foreign network": (
        set_in("nodes", "compute1", "addresses", {"external": "198.51.100.7"}),
        ["the profile compute is not connected to the network external"],
    ),
    "the gateway": (
        set_in("nodes", "compute1", "addresses", {"control": "198.18.0.1"}),
        ["198.18.0.1 belongs to the gateway already"],
    ),
    "the host": (
        set_in("nodes", "compute1", "addresses", {"control": "198.18.0.2"}),
        ["198.18.0.2 belongs to the lab's host already"],
    ),
    "a floating address": (
        set_in("nodes", "control1", "addresses", {"external": "198.51.100.50"}),
        ["198.51.100.50 is one of the floating addresses"],
    ),
    "twice the same": (
        both(
            set_in("nodes", "compute1", "addresses", {"control": "198.18.0.5"}),
            set_in("nodes", "control1", "addresses", {"control": "198.18.0.5"}),
        ),
        ["nodes.compute1.addresses.control: 198.18.0.5 belongs to the node control1 already"],
    ),
    "no subnet": (
        both(SECOND_SITE, set_in("nodes", "control1", "site", "edge"), set_in("nodes", "compute1", "site", "main")),
        [
            "nodes.control1: the network control has no subnet for the site edge",
            "nodes.control1: the network tunnel has no subnet for the site edge",
        ],
    ),
    "two IP versions in a network": (
        both(
            SECOND_SITE,
            set_in("nodes", "control1", "site", "main"),
            set_in("nodes", "compute1", "site", "edge"),
            set_in(*CONTROL[:-1], "edge", {"cidr": "fd00::/64", "pool": ["fd00::10", "fd00::20"]}),
            set_in("networks", "tunnel", "subnets", "edge", {"cidr": "fd01::/64", "pool": ["fd01::10", "fd01::20"]}),
        ),
        [
            "networks.control.subnets.edge.cidr: the network control (management, api_internal",
            "networks.tunnel.subnets.edge.cidr: the network tunnel (tunnel) is IPv6 here and IPv4 at the site main, "
            "and nodes of both talk to each other over it (give all its subnets addresses of one IP version",
        ],
    ),
    "no subnet for an address": (
        both(
            SECOND_SITE,
            set_in("nodes", "compute1", {"profile": "compute", "site": "edge", "addresses": {"control": "198.18.0.7"}}),
            set_in("nodes", "control1", "site", "main"),
        ),
        ["nodes.compute1: the network control has no subnet for the site edge"],
    ),
    "no pool": (
        drop(*CONTROL, "pool"),
        ["nodes.control1: no pool, and the node has no fixed address on the network control (management, api_internal"],
    ),
    "pool exhausted": (
        set_in(*CONTROL, "pool", ["198.18.0.10", "198.18.0.10"]),
        ["main.pool: the pool is exhausted: 1 addresses for 2 nodes, none for compute1 ("],
    ),
    "foreign interface": (
        set_in("nodes", "compute1", "interfaces", {"external": "nic9"}),
        ["interfaces.external: the profile compute is not connected to the network external"],
    ),
    "unknown interface": (
        set_in("profiles", "compute", "interfaces", {"contrl": "nic9"}),
        ["profiles.compute.interfaces.contrl: unknown network contrl"],
    ),
    "interface twice": (
        set_in("profiles", "compute", "interfaces", {"control": "eth1"}),
        ["profiles.compute.interfaces.control: eth1 serves two networks, control and tunnel"],
    ),
    "interface twice on a node": (
        set_in("nodes", "compute1", "interfaces", {"control": "x", "tunnel": "x"}),
        ["nodes.compute1.interfaces.tunnel: x serves two networks"],
    ),
    # Virtual addresses
    "vip in the pool": (
        set_in("vips", {"control": "198.18.0.20"}),
        ["vips.control: 198.18.0.20 is inside the pool 198.18.0.10 to 198.18.0.99"],
    ),
    "vip outside": (
        set_in("vips", {"control": "198.18.7.7"}),
        ["vips.control: 198.18.7.7 is in no subnet of the network control"],
    ),
    "vip on nothing": (
        set_in("vips", {"tunnel": "198.18.1.5"}),
        ["vips.tunnel: nothing is balanced on the network tunnel"],
    ),
    "vip on an unknown network": (
        set_in("vips", {"contro": "198.18.1.5"}),
        ["vips.contro: unknown network contro (did you mean control?)"],
    ),
    "vip is the gateway": (
        set_in("vips", {"control": "198.18.0.1"}),
        ["vips.control: 198.18.0.1 belongs to the gateway already"],
    ),
    "vip is the host": (
        set_in("vips", {"control": "198.18.0.2"}),
        ["vips.control: 198.18.0.2 belongs to the lab's host already"],
    ),
    "vip is broadcast": (
        set_in("vips", {"control": "198.18.0.255"}),
        ["vips.control: 198.18.0.255 is the broadcast address"],
    ),
    "vip of a node": (
        both(
            set_in("vips", {"control": "198.18.0.5"}),
            set_in("nodes", "compute1", "addresses", {"control": "198.18.0.5"}),
        ),
        ["vips.control: 198.18.0.5 belongs to the node compute1 already"],
    ),
    "several balancers": (
        THREE_CONTROLLERS,
        ["3 nodes run haproxy, and the network control (api_internal, api_public, database) has no virtual address"],
    ),
    # Services
    "missing service": (
        set_in("profiles", "controller", "services", ["base", "haproxy", {"web": ["api"]}, {"net": ["central"]}]),
        ["profiles.controller.services[2]: web requires db, which no node runs (add db to the services of a profile)"],
    ),
    "missing component": (
        set_in("profiles", "compute", "services", ["base"]),
        ["web.agent runs on 0 nodes and needs at least 1 (add {web: [agent]}"],
    ),
    "missing on the node": (
        set_in("profiles", "compute", "services", ["base", {"web": ["agent"]}]),
        ["profiles.compute.services[1]: web.agent requires net.local on the same node (add {net: [local]} to"],
    ),
    "conflict": (
        set_in("profiles", "compute", "services", ["base", {"web": ["agent"]}, {"net": ["local"]}, "store", "swap"]),
        ["profiles.compute.services[3]: store and swap must not be in the same cloud"],
    ),
    "conflict on the node": (
        set_in("profiles", "controller", "services", ["base", "haproxy", "db", {"web": ["api"]}, "net", "swap"]),
        ["profiles.controller.services[5]: swap and net.central must not be on the same node"],
    ),
    "none of": (
        set_in("profiles", "controller", "services", ["base", "haproxy", "db", {"web": ["api"]}, "net", "chooser"]),
        ["chooser requires one of store, swap, and no node runs any"],
    ),
    "several of": (
        set_in(
            "profiles",
            "compute",
            "services",
            ["base", {"web": ["agent"]}, {"net": ["local"]}, "store", "swap", "chooser"],
        ),
        ["chooser works with one of store, swap, and store and swap are in the cloud"],
    ),
    "quorum": (
        both(OTHER_BALANCER, set_in("vips", {"control": "198.18.0.5"})),
        ["db runs on 2 nodes and needs an odd number, as the majority decides (run it on 1 or 3)"],
    ),
    "too many": (
        both(
            THREE_CONTROLLERS,
            set_in("nodes", "control4", {"profile": "controller"}),
            set_in("nodes", "control5", {"profile": "controller"}),
            set_in("vips", {"control": "198.18.0.5"}),
        ),
        ["db runs on 5 nodes and may run on 3 at most"],
    ),
    "no management": (
        set_in("profiles", "compute", "networks", ["tunnel"]),
        [
            "profiles.compute.networks: the network control (management traffic) is missing",
            "profiles.compute.services[1]: web uses api_internal traffic, and the profile is not connected to",
        ],
    ),
    "no tunnel": (
        set_in("profiles", "compute", "networks", ["control"]),
        ["services[2]: net uses tunnel traffic, and the profile is not connected to its network tunnel"],
    ),
    # Groups
    "node like a service": (
        set_in("nodes", "web", {"profile": "compute"}),
        ["nodes.web: the service web has an Ansible group of this name"],
    ),
}

REFUSED |= {
    "managed without a BMC": (
        set_in("nodes", "compute1", "managed", True),
        ["nodes.compute1.managed: a managed machine is provisioned through its BMC, and it has none (add `bmc: {add"],
    ),
    "a BMC without NICs": (
        machine_but(set_in("nodes", "compute1", "nics", {"nic1": "eno1"})),
        ["nodes.compute1.bmc: the machine has a BMC, and no NIC with a MAC address (add `nics: {nic1:"],
    ),
    "a NIC without a MAC": (
        machine_but(set_in("nodes", "compute1", "nics", {"nic1": NICS["nic1"]})),
        ["nodes.compute1.nics: the MAC address of nic2 is not known (add nics: {nic2:"],
    ),
    "a MAC address twice": (
        both(SECOND, set_in("nodes", "compute2", "nics", "nic1", "52:54:00:00:01:02")),
        ["nodes.compute2.nics.nic1: 52:54:00:00:01:02 is a NIC of compute1 already (a MAC address is on one machine"],
    ),
    "a machine twice": (
        both(SECOND, set_in("nodes", "compute2", "bmc", BMC)),
        ["nodes.compute2.bmc: https://198.18.0.3:8000 /redfish/v1/Systems/1 is the machine of compute1 already"],
    ),
    "a BMC without a user": (
        machine_but(drop("nodes", "compute1", "bmc", "username")),
        ["nodes.compute1.bmc: the key username is missing (Who logs in.)"],
    ),
    "the address of a BMC": (
        machine_but(set_in("nodes", "compute1", "bmc", "address", "198.18.0.3")),
        ["nodes.compute1.bmc.address: '198.18.0.3' is not possible here (https://<address> or https://"],
    ),
    "a BMC without TLS": (
        machine_but(set_in("nodes", "compute1", "bmc", "address", "http://198.18.0.3:8000")),
        ["nodes.compute1.bmc.address: 'http://198.18.0.3:8000' is not possible here (https://<address>"],
    ),
    "nothing to allocate": (
        machine_but(set_in("allocations", {"gpu1": {}})),
        ["allocations.gpu1: no machine is offered that could be given (offered are nodes with `managed: true`"],
    ),
    "candidates and a site of allocations": (
        both(OFFERED, set_in("allocations", {"gpu1": {"candidates": ["compute2", "compute1", "x"], "site": "y"}})),
        [
            "allocations.gpu1.candidates[1]: compute1 is not offered to anybody (say `managed: true` and `provisioned:",
            "allocations.gpu1.candidates[2]: unknown node x",
            "allocations.gpu1.site: unknown site y",
        ],
    ),
    "a CA that the container of Ironic cannot see": (
        machine_but(set_in("nodes", "compute1", "bmc", "verify_ca", "/etc/ssl/certs/bmc.pem")),
        ["nodes.compute1.bmc.verify_ca: '/etc/ssl/certs/bmc.pem' is not possible here (true, false, or a file in /etc"],
    ),
    "an unknown hint": (
        machine_but(root_device={"seriall": "X"}),
        ["nodes.compute1.root_device.seriall: unknown key (did you mean serial?)"],
    ),
    "no hint": (machine_but(root_device={}), ["nodes.compute1.root_device: needs at least 1 entry"]),
    "preserve without root_device": (
        machine_but(preserve=[{"serial": "X"}]),
        [
            "nodes.compute1.preserve: disks are to be preserved, and nothing says which disk gets the system"
            " (add `root_device`"
        ],
    ),
    "preserve without root_device in the profile": (
        set_in("profiles", "compute", "preserve", [{"serial": "X"}]),
        ["profiles.compute.preserve: disks are to be preserved, and nothing says which disk gets the system"],
    ),
    "no provisioning network": (
        machine_but(drop("traffic", "provisioning")),
        ["traffic: the key provisioning is missing, and machines have a BMC (Network for: BMCs and machines"],
    ),
    "not connected to the provisioning network": (
        machine_but(set_in("traffic", "provisioning", "external")),
        ["nodes.compute1.profile: the profile compute is not connected to the network external (provisioning)"],
    ),
    "provisioning without a subnet at the site": (
        machine_but(
            SECOND_SITE, set_in("nodes", "control1", "site", "main"), set_in("nodes", "compute1", "site", "edge")
        ),
        ["nodes.compute1: the network control has no subnet for the site edge of this node"],
    ),
    "a machine without a template": (
        machine_but(drop("nodes", "compute1", "network_config"), drop("nodes", "compute1", "nics")),
        [
            "nodes.compute1.bmc: the machine has a BMC, and no NIC with a MAC address",
            "nodes.compute1: nothing says how the machine's NICs are connected to the provisioning network (add `net",
        ],
    ),
    "a provisioning network that no NIC leads to": (
        machine_but(
            set_in("network_configs", "bonded", 0, {**BOND, "network": "tunnel"}),
            set_in(
                "network_configs",
                "bonded",
                1,
                {"type": "linux_bridge", "name": "br0", "members": [], "network": "control"},
            ),
        ),
        [
            "nodes.compute1: no NIC, bond or VLAN of the template bonded leads to the network control (provisioning)"
            " (put `network: control` on an interface, a linux_bond or a vlan)"
        ],
    ),
    "the only member is not provisioned": (
        set_in("nodes", "compute1", "provisioned", False),
        ["web.agent runs on 0 nodes and needs at least 1"],
    ),
    "a trait": (machine_but(traits=["gpu"]), ["nodes.compute1.traits[0]: 'gpu' is not possible here (CUSTOM_ and"]),
    "an image": (machine_but(image="../x"), ["nodes.compute1.image: '../x' is not possible here (lower-case"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(lab: Any, cloud: Data, case: str) -> None:
    change, wanted = REFUSED[case]
    change(cloud)
    found = lab.problems(cloud)
    for text in wanted:
        assert any(text in one for one in found), found
    assert all(one[0].isdigit() for one in found), found  # each names a line


ACCEPTED: dict[str, Callable[[Data], None]] = {
    "as it is": lambda data: None,
    "fixed address in the pool": set_in("nodes", "compute1", "addresses", {"control": "198.18.0.50"}),
    "address on the external network": set_in("nodes", "control1", "addresses", {"external": "198.51.100.5"}),
    "no pool but fixed": both(
        drop(*CONTROL, "pool"),
        set_in("nodes", "compute1", "addresses", {"control": "198.18.0.5"}),
        set_in("nodes", "control1", "addresses", {"control": "198.18.0.6"}),
    ),
    "three controllers": both(THREE_CONTROLLERS, set_in("vips", {"control": "198.18.0.5"})),
    "a network for nothing": set_in("networks", "spare", {"subnets": {"main": {"cidr": "198.18.5.0/24"}}}),
    "a spare network with pool": set_in(
        "networks", "spare", {"subnets": {"main": {"cidr": "198.18.5.0/24", "pool": ["198.18.5.1", "198.18.5.9"]}}}
    ),
    "traffic that nothing uses": both(
        set_in("profiles", {"small": {"services": ["base"]}}),
        set_in("traffic", {"management": "control"}),
        set_in("nodes", {"one": {"profile": "small"}}),
        drop(*EXTERNAL, "floating"),
    ),
    "not provisioned": set_in("nodes", "compute2", {"profile": "compute", "provisioned": False}),
    "a machine": lambda data: machine(data),
    "a machine with its own words": both(
        lambda data: machine(data, image="other", traits=["CUSTOM_GPU"], expected={"cpus": 2, "disks": [{"size": 10}]}),
        lambda data: machine(data, root_device={"size": ">= 10"}, preserve=[{"serial": "D"}], automated_clean=False),
        set_in("sites", "main", {"conductor_group": "rack1"}),
        set_in("authorized_keys", ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"]),
    ),
    "allocations": both(OFFERED, set_in("allocations", {"gpu1": {"site": "main", "traits": ["CUSTOM_GPU"]}})),
    "everything on one network": both(
        set_in("traffic", "tunnel", "control"),
        set_in("traffic", "external", "control"),
        drop(*EXTERNAL, "floating"),
        drop("networks", "tunnel"),
        set_in("profiles", "compute", "networks", ["control"]),
    ),
    "point to point": set_in(
        "networks", "spare", {"subnets": {"main": {"cidr": "198.18.5.0/31", "gateway": "198.18.5.0"}}}
    ),
    "IPv6": set_in("networks", "tunnel", "subnets", "main", {"cidr": "fd00::/64", "pool": ["fd00::10", "fd00::ffff"]}),
    "another IP version in each network": set_in(
        "networks", "control", "subnets", "main", {"cidr": "fd00::/64", "pool": ["fd00::10", "fd00::ffff"]}
    ),
    "one of": set_in(
        "profiles", "compute", "services", ["base", {"web": ["agent"]}, {"net": ["local"]}, "store", "chooser"]
    ),
    "interfaces": set_in("nodes", "compute1", "interfaces", {"control": "eno1"}),
    "two sites": both(
        SECOND_SITE,
        set_in("nodes", "control1", "site", "main"),
        set_in("nodes", "compute1", "site", "edge"),
        set_in(
            "networks", "control", "subnets", "edge", {"cidr": "198.18.2.0/24", "pool": ["198.18.2.10", "198.18.2.20"]}
        ),
        set_in(
            "networks", "tunnel", "subnets", "edge", {"cidr": "198.18.3.0/24", "pool": ["198.18.3.10", "198.18.3.20"]}
        ),
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(lab: Any, cloud: Data, case: str) -> None:
    ACCEPTED[case](cloud)
    assert lab.problems(cloud) == []
    made, _catalogue = lab.load()
    for node in made.nodes.values():
        assert "control" in node.addresses
        assert "tunnel" in node.addresses or case == "everything on one network"


def test_all_mistakes_at_once(lab: Any, cloud: Data) -> None:
    """Mistakes of the YAML, of the schema, of addresses, services, overrides and roles, in one run, by line."""
    lab.write_services({"broken": {"summary": "x", "colour": "blue"}})
    cloud["colour"] = "blue"
    cloud["networks"]["control"]["subnets"]["main"]["gateway"] = "198.18.9.1"
    cloud["profiles"]["compute"]["services"][1] = {"web": ["agnt"]}
    cloud["nodes"]["compute2"] = {"profile": "compute", "site": "mian"}
    cloud["overrides"] = {"wb": {}}
    lab.write(cloud)
    lab.file.write_text(lab.file.read_text() + "colour: red\n")
    with pytest.raises(CloudError) as caught:
        lab.load()
    text = str(caught.value)
    for part in (
        "colour: this key is there twice",
        "colour: unknown key",
        "198.18.9.1 is outside",
        "unknown site mian",
        "broken/meta/service.yml:3: colour",
    ):
        assert part in text
    (lab.roles / "broken" / "meta" / "service.yml").unlink()
    text = "\n".join(lab.problems())
    for part in (
        "web has no component agnt",
        "overrides.wb: unknown service wb (did you mean web?)",
        "198.18.9.1 is outside",
    ):
        assert part in text
    lines = [int(line.split(":")[0]) for line in text.splitlines()]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "nodes: 3", "networks: {a: 3}", "a: [", "plugin: {a: b}\nnodes: [1]\nsites: x", "{}"]
)
def test_nonsense_is_refused_without_a_traceback(lab: Any, text: str) -> None:
    assert lab.problems(text)


RICH = {
    "service_paths": ["roles"],
    "vips": {"control": "198.18.0.5"},
    "overrides": {"web": {"config": {"web.conf": {"api": {"x": 1}}}, "files": {"a": {"content": "x"}}}},
}


def paths_of(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values."""
    found = [path]
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        found += paths_of(value, (*path, key))
    return found


def test_no_value_anywhere_makes_a_traceback(lab: Any, cloud: Data) -> None:
    """Every value of a definition replaced by every kind of nonsense, or removed: never a crash."""
    cloud |= copy.deepcopy(RICH)
    cloud["nodes"]["compute1"] |= {"addresses": {"control": "198.18.0.7"}, "interfaces": {"control": "nic0"}}
    cloud["sites"]["main"]["overrides"] = {"base": {"variables": {}}}
    known = lab.load(cloud)[1]
    refused = 0
    for path in paths_of(cloud)[1:]:
        for value in (None, 3, True, "x", "198.18.0.3", [], {}, [None], [3], {"x": None}, {"x": {}}, "REMOVE"):
            data = copy.deepcopy(cloud)
            (drop(*path) if value == "REMOVE" else set_in(*path, value))(data)
            document, _none = parse("plugin: x", "cloud.yml")
            made, problems = definition.define(Document("cloud.yml", data, document.lines), lab.file, known, ["2026.1"])
            assert (made is None) == bool(problems)
            refused += bool(problems)
    assert refused > 800


def test_missing_file(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(CloudError, match="cannot be read: No such file"):
        definition.load(tmp_path / "none.yml", [lab.roles], lab.releases)


def test_one_mistake_causes_one_message(lab: Any, cloud: Data) -> None:
    """A broken value does not make what refers to it wrong as well."""
    broken = copy.deepcopy(cloud)
    broken["networks"]["control"] = 3
    assert len(lab.problems(broken)) == 1
    broken = copy.deepcopy(cloud)
    broken["profiles"]["compute"] = []
    assert len(lab.problems(broken)) == 1
    broken = copy.deepcopy(cloud)
    broken["networks"]["control"]["subnets"]["main"]["cidr"] = "x"
    assert len(lab.problems(broken)) == 1
    broken = copy.deepcopy(cloud)
    broken["overrides"] = {"web": {}}
    broken["nodes"]["compute1"]["profile"] = "nothing"
    assert len(lab.problems(broken)) == 1
    broken = copy.deepcopy(cloud)
    broken["profiles"]["controller"]["services"][2] = "dbb"
    broken["profiles"]["compute"]["services"][0] = "bas"
    assert len(lab.problems(broken)) == 2
    broken = copy.deepcopy(cloud)
    del broken["traffic"]
    assert len(lab.problems(broken)) == 1


def test_releases_are_not_checked_where_there_are_none(lab: Any, cloud: Data, tmp_path: Path) -> None:
    cloud["release"] = "anything"
    lab.write(cloud)
    made, _catalogue = definition.load(lab.file, [lab.roles], tmp_path / "none")
    assert made.release == "anything"


def test_without_a_catalogue_the_rest_is_checked(cloud: Data, tmp_path: Path) -> None:
    import yaml

    document, _none = parse(yaml.safe_dump(cloud), "cloud.yml")
    made, problems = definition.define(document, tmp_path / "cloud.yml", None)
    assert not problems
    assert made is not None
    assert made.nodes["compute1"].services == {"base": ["main"], "web": ["agent"], "net": ["local"]}


def test_own_services(lab: Any, cloud: Data) -> None:
    lab.write_services({"mine": {"summary": "My own"}}, lab.directory / "own")
    cloud["service_paths"] = ["own"]
    cloud["profiles"]["compute"]["services"].append("mine")
    _cloud, known = lab.load(cloud)
    assert known.services["mine"].role == lab.directory / "own" / "mine"


def test_typed_result(lab: Any, cloud: Data) -> None:
    cloud["nodes"]["compute1"]["interfaces"] = {"tunnel": "bond0"}
    cloud["nodes"]["control1"]["addresses"] = {"external": "198.51.100.5", "control": "198.18.0.4"}
    made, _known = lab.load(cloud)
    assert (made.name, made.region, made.sites, made.profiles) == (
        "test",
        "RegionOne",
        ["main"],
        ["controller", "compute"],
    )
    assert made.networks["tunnel"].mtu == 1600
    assert made.networks["control"].mtu == 1500
    control, compute = made.nodes["control1"], made.nodes["compute1"]
    assert control.services == {
        "base": ["main"],
        "haproxy": ["main"],
        "db": ["main"],
        "web": ["api"],
        "net": ["central"],
    }
    assert control.interfaces == {"control": "eth0", "tunnel": "eth1", "external": "eth2"}
    assert list(control.addresses) == ["control", "tunnel", "external"]
    assert control.addresses["control"] == "198.18.0.4"
    assert compute.networks == ["control", "tunnel"]
    assert compute.interfaces == {"control": "eth0", "tunnel": "bond0"}
    assert compute.addresses["control"].rsplit(".", 1)[1] == compute.addresses["tunnel"].rsplit(".", 1)[1]
    assert not compute.managed
    assert compute.provisioned


def test_addresses_do_not_depend_on_later_nodes(lab: Any, cloud: Data) -> None:
    before, _known = lab.load(cloud)
    for number in range(2, 60):
        cloud["nodes"][f"compute{number}"] = {"profile": "compute"}
    after, _known = lab.load(cloud)
    for name, node in before.nodes.items():
        assert after.nodes[name].addresses == node.addresses


def test_group_of_two_makers(lab: Any, cloud: Data) -> None:
    lab.write_services({"web_api": {"summary": "x"}})
    cloud["profiles"]["controller"]["services"].append("web_api")
    assert any("both make the Ansible group web_api (rename one of them)" in one for one in lab.problems(cloud))
