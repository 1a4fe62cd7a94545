# SPDX-License-Identifier: Apache-2.0
"""The JSON schemas of cloud.yml and of a role's meta/service.yml, and what a violation is called.

Two keywords are unknown to JSON schema, which ignores them: ``rule`` says in words what a pattern or a format asks for,
``multiline`` that texts here, and in what is below, may have several lines.
Every key has a ``description``: ``reference.py`` makes the documentation of it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import reading
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import (
    Document,
    Path_,
    Problem,
    did_you_mean,
)
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.references import VAULT
from ansible_collections.ozone.openstack.plugins.module_utils.ip import address, network

Schema = dict[str, Any]

#: The kinds of traffic. ``external`` is the provider network of the instances: nodes get no address there.
TRAFFIC = {
    "management": "SSH from the deployment host to the nodes",
    "api_internal": "APIs among the services, and everything else that has no network of its own",
    "api_public": "APIs for the users of the cloud",
    "database": "clients of MariaDB, and its replication",
    "message_queue": "clients of RabbitMQ, and its replication",
    "tunnel": "Geneve tunnels among the nodes",
    "external": "provider network, with the floating addresses",
    "provisioning": "BMCs and machines that are being provisioned, with Ironic and its images",
}


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _object(description: str, properties: dict[str, Schema], required: tuple[str, ...] = (), **more: Any) -> Schema:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
        **more,
    }


def _map(description: str, name: str, names: Schema, values: Schema, **more: Any) -> Schema:
    """A mapping with free names: ``name`` stands for one of them in the documentation."""
    return {
        "type": "object",
        "description": description,
        "propertyNames": names,
        "additionalProperties": values,
        "name": name,
        **more,
    }


def _list(description: str, items: Schema, **more: Any) -> Schema:
    return {"type": "array", "description": description, "items": items, **more}


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
WORD: Schema = {
    "pattern": r"^[a-z][a-z0-9_]{0,62}\Z",
    "rule": "lower-case letters, digits and underscores, a letter first",
}
HOST_NAME: Schema = {
    "pattern": rf"^{_LABEL}\Z",
    "rule": "a host name label of RFC 1123 in lower case: letters, digits and inner hyphens, at most 63 characters",
}
CLOUD_NAME: Schema = {
    "pattern": r"^[a-z][-a-z0-9_]{0,62}\Z",
    "rule": "lower-case letters, digits, hyphens and underscores, a letter first",
}
DOMAIN_NAME: Schema = {
    "pattern": rf"^(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z",
    "rule": "a domain name in lower case: labels of RFC 1123 with dots between",
}
NIC_NAME: Schema = {
    "pattern": r"^[^\s/:]{1,15}\Z",
    "rule": "the name of a network interface: at most 15 characters, no space, slash or colon",
}
FILE_NAME: Schema = {
    "pattern": r"^(?!/)(?!(.*/)?\.\.?(/|\Z))[A-Za-z0-9@._/-]+(?<!/)\Z",
    "rule": "a relative path of letters, digits and @ . _ - / without . and .. parts",
}
#: Where the kernel and the boot make everything anew, and what the engine keeps of itself: no file lasts there.
NO_FILES_IN = ("dev", "proc", "run", "sys", "tmp", "var/lib/ozone/services", "var/run")
OVERRIDE_PATH: Schema = {
    "pattern": rf"^(?!/({'|'.join(NO_FILES_IN)})(/|\Z))(?!//)(?!.*/(/|\Z))(?!(.*/)?\.\.?(/|\Z))"
    r"[A-Za-z0-9@._/+-]([A-Za-z0-9@._ /+-]*[A-Za-z0-9@._+-])?\Z",
    "rule": "letters, digits and @ . _ + - / and inner blanks, without . and .. parts; a path of the node that begins "
    f"with / is outside of {', '.join('/' + path for path in NO_FILES_IN)}",
}
SECTION: Schema = {
    "pattern": r"^[^\s\[\]][^\[\]\n]*\Z",
    "rule": "the name of a section of an INI file, without brackets",
}
OPTION: Schema = {
    "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.:-]*\Z",
    "rule": "the name of an option: letters, digits, _ . : -",
}
VARIABLE: Schema = {
    "pattern": r"^[a-z][a-z0-9_]*\Z",
    "rule": "the name of a role variable: lower-case letters, digits, _",
}
ACCOUNT: Schema = {
    "pattern": r"^([a-z_][a-z0-9_-]{0,31}|[0-9]{1,9})\Z",
    "rule": "the name of an account, or a number",
}
ENVIRONMENT: Schema = {"pattern": r"^[A-Za-z_][A-Za-z0-9_]*\Z", "rule": "the name of an environment variable"}
ANY_NAME: Schema = {"minLength": 1, "rule": "not empty"}
IMAGE_NAME: Schema = {
    "pattern": r"^[a-z0-9][a-z0-9._-]{0,62}\Z",
    "rule": "lower-case letters, digits and . _ -",
}

ALIAS: Schema = {
    "pattern": r"^[A-Za-z][A-Za-z0-9_.-]{0,14}\Z",
    "rule": "at most 15 letters, digits and . _ -, a letter first",
}
NIC: Schema = {
    "pattern": r"^([0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}"
    r"|pci:[0-9A-Fa-f]{4}(:[0-9A-Fa-f]{2}){2}\.[0-7]|driver:[A-Za-z0-9_-]+(:[0-9]+)?|[^\s/:]{1,15})\Z",
    "rule": "a MAC address, `pci:0000:3b:00.0`, `driver:<name>` or `driver:<name>:<n>`, or a name of the kernel",
}

_HINT_TEXT: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "The value; a text may start with an operator of Ironic: `s== ...`, `<in> ...`, `>= ...`.",
}
#: Ironic's words for a disk: what inspection tells of it, and a hint compares.
_HINTS: Schema = _object(
    "A hint, in the words of Ironic: the one disk that has all of these.",
    {
        "serial": {**_HINT_TEXT, "description": "Its serial number: the surest hint, with `wwn`."},
        "wwn": {**_HINT_TEXT, "description": "Its World Wide Name."},
        "wwn_with_extension": {**_HINT_TEXT, "description": "The World Wide Name with the vendor's extension."},
        "wwn_vendor_extension": {**_HINT_TEXT, "description": "The vendor's extension of the World Wide Name."},
        "by_path": {**_HINT_TEXT, "description": "Its place: `/dev/disk/by-path/pci-0000:3b:00.0-...`."},
        "hctl": {**_HINT_TEXT, "description": "Its SCSI address: `0:0:1:0`."},
        "model": {**_HINT_TEXT, "description": "Its model."},
        "vendor": {**_HINT_TEXT, "description": "Its vendor."},
        "size": {
            **_HINT_TEXT,
            "type": ["string", "integer"],
            "minimum": 1,
            "description": "Its size in GiB: `447`, `>= 400`.",
        },
        "rotational": {"type": "boolean", "description": "Whether it rotates; false for SSD and NVMe."},
        "name": {
            **_HINT_TEXT,
            "description": "The kernel's name, `/dev/sda`, which another boot may give another disk.",
        },
    },
    minProperties=1,
)
#: What a machine is, for a node or for all nodes of a profile.
MACHINE: dict[str, Schema] = {
    "image": _text("The golden image that provisioning writes to the machine.", **IMAGE_NAME),
    "root_device": {**_HINTS, "description": "The disk that gets the system. Needed where there are several disks."},
    "preserve": _list(
        "Disks whose content survives everything: deploy, rebuild and cleaning. Each hint stands for one disk.",
        _HINTS,
        minItems=1,
    ),
    "resource_class": _text(
        "The kind of hardware, by which machines are allocated.",
        default="baremetal",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}\Z",
        rule="letters, digits and . _ - only",
    ),
    "traits": _list(
        "What the machine can do beyond its class, in the words of Ironic.",
        _text(
            "A trait.",
            pattern=r"^(CUSTOM_|HW_|COMPUTE_|STORAGE_)[A-Z0-9_]{1,240}\Z",
            rule="CUSTOM_ and upper-case letters, digits, _; or a standard trait such as HW_CPU_X86_VMX",
        ),
        uniqueItems=True,
        maxItems=reading.MOST_TRAITS,
    ),
    "expected": _object(
        "Hardware that inspection has to find; differences are reported. The MACs of `nics` always are.",
        {
            "cpus": {
                "type": "integer",
                "minimum": 1,
                "description": "Number of processors, as the kernel counts them.",
            },
            "memory_mb": {"type": "integer", "minimum": 1, "description": "Memory in MiB."},
            "cpu_arch": _text("Architecture: `x86_64`.", minLength=1),
            "disks": _list("Hints that stand for one disk each.", _HINTS, minItems=1),
        },
    ),
    "automated_clean": {
        "type": "boolean",
        "default": True,
        "description": "Whether Ironic erases partition tables, RAID and LVM of all disks but those to preserve, "
        "before a machine is available and after it was given back.",
    },
}
_BMC = _object(
    "The management controller of a machine, with Redfish. Its password is the secret `bmc_password_<node>`, else "
    "`bmc_password`. A node with a BMC is never made by the lab.",
    {
        "address": _text(
            "Its URL, with TLS, which every Redfish service has (DSP0266): the password passes here.",
            pattern=r"^https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?\Z",
            rule="https://<address> or https://<address>:<port> (http would show its password to the network)",
        ),
        "system": _text(
            "The machine among those of the BMC. Default: the only one.",
            pattern=r"^/[!-~]+(?<!/)\Z",
            rule="a path such as /redfish/v1/Systems/1",
        ),
        "username": _text("Who logs in.", minLength=1),
        "verify_ca": {
            "type": ["boolean", "string"],
            "default": True,
            "pattern": r"^/etc/ozone/(ca\.pem|bmc/[A-Za-z0-9][A-Za-z0-9._-]*)\Z",
            "rule": "true, false, or a file in /etc/ozone/bmc",
            "description": "How its certificate is checked: with the cloud's own CA, with the CA in a file of the "
            "undercloud's node below `/etc/ozone/bmc`, which Ironic sees, or (false) not at all.",
        },
    },
    ("address", "username"),
)

_ADDRESS: Schema = {"type": "string", "format": "address", "rule": "an IP address without prefix length"}
#: A value that ansible-vault has encrypted has several lines.
_ENCRYPTED: Schema = {"type": "string", "multiline": True, "description": "What `!vault` becomes."}
_ITEM: Schema = {
    "type": ["string", "number", "boolean", "array", "object"],
    "properties": {VAULT: _ENCRYPTED},
    "description": "A string, number or boolean; a list or mapping where the option's items are such.",
}
_VALUE: Schema = {
    "type": ["string", "number", "boolean", "null", "array", "object"],
    "items": _ITEM,
    "properties": {VAULT: _ENCRYPTED},
    "additionalProperties": _ITEM,
    "description": "A string, number or boolean; a list for an option that takes several values; a mapping for one "
    "that takes keys and values. What each option takes is checked against the image. null leaves the option to the "
    "service's default. In a string, `$name` refers to another option, as in the service's own file; `$$` is a dollar "
    "sign. `{secret: NAME}` and `!vault` stand for secrets.",
}

CONTAINER_OVERRIDE = _object(
    "What to change of one container.",
    {
        "image": _text(
            "Another image, with the ID of the image, so that what runs is what was tested: `name@sha256:...`.",
            pattern=r"^[a-z0-9][A-Za-z0-9._/:-]*@sha256:[0-9a-f]{64}\Z",
            rule="name@sha256:<64 hexadecimal digits of the image's ID>",
        ),
        "environment": _map(
            "Environment variables. No secrets: units are readable.",
            "variable",
            ENVIRONMENT,
            {"type": ["string", "null"], "description": "The value; null: without this variable."},
        ),
        "podman_args": _list("Further arguments of `podman run`.", _text("An argument.", minLength=1)),
        "volumes": _list(
            "Further mounts, as for `podman run --volume`.",
            _text(
                "`source:target[:options]`.",
                pattern=r"^[^:\s]+:/[^:\s]*(:[^:\s]+)?\Z",
                rule="source:target or source:target:options, target absolute",
            ),
        ),
        "capabilities": _list(
            "Linux capabilities in addition to those of Ozone: `CAP_NET_ADMIN`.",
            _text(
                "A capability.", pattern=r"^CAP_[A-Z_]{3,40}\Z", rule="a name of capabilities(7), such as CAP_SYS_NICE"
            ),
            uniqueItems=True,
        ),
        "stop_timeout": {
            "type": "integer",
            "minimum": 1,
            "maximum": 3600,
            "description": "Seconds that the container has to stop by itself before it is killed.",
        },
    },
)
#: The keys of which a file has exactly one: where its text comes from.
FILE_SOURCES = ("src", "content", "config")
_CONFIG: Schema = _map(
    "Options by section.",
    "section",
    SECTION,
    _map("Options and their values.", "option", OPTION, _VALUE),
)
FILE_OVERRIDE = {
    **_object(
        "One file: `src`, `content` or `config`, and its attributes. null: without a file that another level or Ozone "
        "has.",
        {
            "src": _text("A text file of the deployment host, relative to cloud.yml.", minLength=1),
            "content": {
                "type": ["string", "object"],
                "multiline": True,
                "description": "The text of the file; `{secret: NAME}` and `!vault` stand for secrets.",
            },
            "config": {**_CONFIG, "description": "The options of a file in the form of oslo.config, by section."},
            "mode": _text(
                "Its permissions. Default: those of Ozone's own file, else `0640` in containers, `0644` on the node.",
                pattern=r"^[0-7]{4}\Z",
                rule="four octal digits, such as 0640",
            ),
            "owner": _text("Its owner. Default: root.", **ACCOUNT),
            "group": _text("Its group. Default: that of the container's user, on the node root.", **ACCOUNT),
            "containers": _list(
                "The containers that get it, for a file with a relative path. Default: all of the service.",
                _text("A container.", **WORD),
                minItems=1,
                uniqueItems=True,
            ),
        },
        oneOf=[*({"type": "object", "required": [key]} for key in FILE_SOURCES), {"not": {"type": "object"}}],
        rule="exactly one of src, content and config",
    ),
    "type": ["object", "null"],
}
OVERRIDE = _object(
    "What to change of one service.",
    {
        "config": _map(
            "Options of the service's configuration files.",
            "file",
            FILE_NAME,
            _map(
                "The sections of one file.",
                "section",
                SECTION,
                _map("The options of one section.", "option", OPTION, _VALUE),
            ),
        ),
        "files": _map(
            "Further files, or others than Ozone's: by a relative path in the configuration directory of the service's "
            "containers, by an absolute path on the nodes that run the service.",
            "path",
            OVERRIDE_PATH,
            FILE_OVERRIDE,
        ),
        "containers": _map("Changes of containers.", "container", WORD, CONTAINER_OVERRIDE),
        "variables": _map(
            "Variables of the service's role; its README lists them.",
            "variable",
            VARIABLE,
            {
                "description": "A value of the variable's type; null leaves it to the role's default.",
                "multiline": True,
            },
        ),
    },
)
OVERRIDES = _map(
    "What differs from Ozone's defaults, by service. Merged in the order cloud, site, profile, node: mappings are "
    "merged key by key, anything else of a later level replaces the earlier.",
    "service",
    WORD,
    OVERRIDE,
)

_VLAN: Schema = {"type": "integer", "minimum": 1, "maximum": 4094}
_ROUTE = _object(
    "A static route, as os-net-config knows it.",
    {
        "destination": _text("Where to.", format="network", rule="a subnet such as 198.18.0.0/24, all host bits zero"),
        "next_hop": {
            **_ADDRESS,
            "description": "The router: an address of the subnet, or a link-local one of IPv6 (`fe80::1`).",
        },
        "metric": {"type": "integer", "minimum": 0, "description": "Its metric: the lowest wins."},
        "table": {"type": ["integer", "string"], "description": "The routing table, by number or name."},
        "route_options": _text("Further options of ip-route(8).", minLength=1),
    },
    ("destination", "next_hop"),
)
_NETWORK_CONFIG = _text("The template of the network configuration: one of `network_configs`.", **WORD)
_DHCP_ALLOWED = _list(
    "Interfaces of the network configuration that may say `use_dhcp: true`. It is refused everywhere else.",
    _text("The name of an interface.", **NIC_NAME),
    uniqueItems=True,
)
_SUBNET = _object(
    "The subnet of a network at one site.",
    {
        "cidr": _text("The subnet.", format="network", rule="a subnet such as 198.18.0.0/24, all host bits zero"),
        "gateway": {
            **_ADDRESS,
            "description": "The address of its router, if it has one: one of the subnet, or a link-local one of IPv6.",
        },
        "host": {**_ADDRESS, "description": "Only for a lab: the address of the lab's host on this network's bridge."},
        "pool": _list(
            "First and last address of the range that new nodes get theirs from. Changing it moves no node.",
            {**_ADDRESS, "description": "An address."},
            minItems=2,
            maxItems=2,
        ),
        "floating": _list(
            "First and last floating address (IPv4), for a network that carries external traffic.",
            {**_ADDRESS, "description": "An address."},
            minItems=2,
            maxItems=2,
        ),
        "isolated": {
            "type": "boolean",
            "default": False,
            "description": "Whether the subnet is reachable at its own site only, so that isolated subnets of other "
            "sites may use the same addresses. Without it, equal subnets of one network at several sites are one "
            "layer-2 segment that is stretched over them.",
        },
        "vlan": {**_VLAN, "description": "The VLAN id at this site, where it differs from the network's."},
        "routes": _list("Static routes of the nodes at this site, by this network.", _ROUTE),
    },
    ("cidr",),
)
_INTERFACES = _map(
    "Names of network interfaces, by network. Default: what the network configuration says; without one `eth0`, "
    "`eth1`, ... in the order of the node's networks.",
    "network",
    WORD,
    _text("The name of an interface.", **NIC_NAME),
)

CLOUD: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "cloud.yml",
    **_object(
        "The definition of one cloud.",
        {
            "plugin": {
                "const": "ozone.openstack.cloud",
                "description": "Tells Ansible which inventory plugin reads the file: always `ozone.openstack.cloud`.",
            },
            "name": _text("The name of the cloud: of its state directory and of its lab.", **CLOUD_NAME),
            "release": _text('The OpenStack release, in quotes: `"2026.1"`.', minLength=1),
            "region": _text(
                "The region in the service catalogue.",
                default="RegionOne",
                pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}\Z",
                rule="letters, digits and . _ - only",
            ),
            "domain": _text("The DNS domain of the nodes.", **DOMAIN_NAME),
            "service_paths": _list(
                "Directories with service roles of your own, relative to cloud.yml.", _text("A directory.", minLength=1)
            ),
            "sites": _map(
                "Failure and routing domains. A small cloud has one.",
                "site",
                WORD,
                _object(
                    "A site.",
                    {
                        "conductor_group": _text(
                            "The group of Ironic's conductors that reach the BMCs of the site. Default: those of the "
                            "sites that have no group either.",
                            pattern=r"^[A-Za-z0-9_.-]{1,255}\Z",
                            rule="letters, digits and . _ - only",
                        ),
                        "overrides": OVERRIDES,
                    },
                ),
                minProperties=1,
            ),
            "networks": _map(
                "The networks of the nodes.",
                "network",
                WORD,
                _object(
                    "A network.",
                    {
                        "mtu": {
                            "type": "integer",
                            "minimum": 1280,
                            "maximum": 9216,
                            "default": 1500,
                            "description": "Largest packet of its interfaces, in bytes.",
                        },
                        "vlan": {**_VLAN, "description": "Its VLAN id, for network configurations with VLANs."},
                        "default_route": {
                            "type": "boolean",
                            "default": False,
                            "description": "Whether the default route of the nodes goes by its gateway.",
                        },
                        "subnets": _map("Its subnet at each site.", "site", WORD, _SUBNET, minProperties=1),
                    },
                    ("subnets",),
                ),
                minProperties=1,
            ),
            "traffic": _object(
                "Which network each kind of traffic uses. One network may carry several kinds; a kind that no service "
                "of the cloud uses may be left out.",
                {kind: _text(f"Network for: {what}.", **WORD) for kind, what in TRAFFIC.items()},
                ("management",),
            ),
            "network_configs": _map(
                "Templates of network configurations: lists of os-net-config's objects, see the page Host networking. "
                "Here an object may also say `network: <network>`, which stands for the node's address, MTU, VLAN id "
                "and routes in that network.",
                "template",
                WORD,
                _list(
                    "The objects of a template.",
                    {
                        "type": "object",
                        "description": "An object of os-net-config: interface, vlan, linux_bond, ovs_bridge, ...",
                        "additionalProperties": True,
                        "multiline": True,
                    },
                    minItems=1,
                ),
            ),
            "profiles": _map(
                "Kinds of nodes.",
                "profile",
                WORD,
                _object(
                    "A profile.",
                    {
                        "services": _list(
                            "The services of its nodes: a name, or `{name: [components]}` for a part of a service.",
                            {
                                "type": ["string", "object"],
                                "description": "A service, or a service limited to some of its components.",
                                "propertyNames": WORD,
                                "minProperties": 1,
                                "maxProperties": 1,
                                "additionalProperties": _list(
                                    "Components.", _text("A component."), minItems=1, uniqueItems=True
                                ),
                                "rule": "a service, or {service: [components]}",
                            },
                            minItems=1,
                        ),
                        "networks": _list(
                            "The networks that its nodes are connected to. Default: all.",
                            _text("A network."),
                            minItems=1,
                            uniqueItems=True,
                        ),
                        "interfaces": _INTERFACES,
                        "network_config": _NETWORK_CONFIG,
                        "dhcp_allowed": _DHCP_ALLOWED,
                        **MACHINE,
                        "overrides": OVERRIDES,
                    },
                    ("services",),
                ),
                minProperties=1,
            ),
            "nodes": _map(
                "The machines. Their addresses are recorded in a file beside this one; see the page Addresses.",
                "node",
                HOST_NAME,
                _object(
                    "A node.",
                    {
                        "profile": _text("Its profile."),
                        "site": _text("Its site. Default: the only site."),
                        "addresses": _map(
                            "Fixed addresses, by network. A fixed address is given to no other node.",
                            "network",
                            WORD,
                            {**_ADDRESS, "description": "An address."},
                        ),
                        "interfaces": _INTERFACES,
                        "network_config": {
                            **_NETWORK_CONFIG,
                            "description": "Another template than that of the profile.",
                        },
                        "nics": _map(
                            "Names of your own for the node's NICs, which its network configuration may use "
                            "(os-net-config's interface mapping).",
                            "alias",
                            ALIAS,
                            _text("The NIC.", **NIC),
                        ),
                        "dhcp_allowed": {
                            **_DHCP_ALLOWED,
                            "description": "As in the profile; replaces what the profile says.",
                        },
                        "managed": {
                            "type": "boolean",
                            "default": False,
                            "description": "Whether Ozone provisions the machine, with Ironic. It needs `bmc`.",
                        },
                        "provisioned": {
                            "type": "boolean",
                            "default": True,
                            "description": "Whether the machine is part of the cloud now. If not, only the verbs for "
                            "machines know it, and its name and addresses stay reserved.",
                        },
                        "bmc": _BMC,
                        **MACHINE,
                        "overrides": OVERRIDES,
                    },
                    ("profile",),
                ),
                minProperties=1,
            ),
            "allocations": _map(
                "Names that get one each of the machines that are offered (`provisioned: false`), by what it has to "
                "be. `make plan` shows which, `make allocate` has Ironic record it.",
                "name",
                HOST_NAME,
                _object(
                    "What the machine has to be.",
                    {
                        "resource_class": MACHINE["resource_class"],
                        "traits": {**MACHINE["traits"], "description": "What it has to be capable of."},
                        "site": _text("Where it has to be. Default: anywhere."),
                        "candidates": _list(
                            "The only machines to choose from.", _text("A node."), minItems=1, uniqueItems=True
                        ),
                    },
                ),
                minProperties=1,
            ),
            "authorized_keys": _list(
                "Public keys of SSH that may log in as root on machines that Ozone provisions, beside the one in the "
                "state directory.",
                _text(
                    "A key.",
                    pattern=r"^(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+ AAAA[A-Za-z0-9+/]{40,}={0,3}( .*)?\Z",
                    rule="the line of a .pub file, whole: `ssh-ed25519 AAAA... name`",
                ),
                minItems=1,
            ),
            "vips": _map(
                "Virtual addresses of the load balancer, by network, where something else than Ozone moves them. "
                "Without: the addresses of the node with haproxy.",
                "network",
                WORD,
                {**_ADDRESS, "description": "An address outside the pool."},
            ),
            "overrides": OVERRIDES,
        },
        ("plugin", "name", "release", "domain", "sites", "networks", "traffic", "profiles", "nodes"),
    ),
}

_WORDS = _list("Names.", _text("A name.", **WORD), uniqueItems=True)
_REFERENCE = {
    "pattern": r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?\Z",
    "rule": "service or service.component",
}
_COUNT = {"type": "integer", "minimum": 0}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}

SERVICE: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "meta/service.yml",
    **_object(
        "The declaration of a service: what can be known without any cloud.",
        {
            "name": _text("The name of the service and of its role.", **WORD),
            "summary": _text("One line for people.", minLength=1),
            "components": _map(
                "Parts that can be placed on different nodes. Without it there is one, `main`.",
                "component",
                WORD,
                _object(
                    "How a component may be placed.",
                    {
                        "min": {
                            **_COUNT,
                            "description": "Fewest nodes that run it, where the service is in the cloud.",
                            "default": 0,
                        },
                        "max": {**_COUNT, "minimum": 1, "description": "Most nodes that run it."},
                        "quorum": {
                            "type": "boolean",
                            "description": "Whether an odd number of nodes is needed.",
                            "default": False,
                        },
                        "one_at_a_time": {
                            "type": "boolean",
                            "description": "Whether changes must go from node to node one by one.",
                            "default": False,
                        },
                    },
                ),
                minProperties=1,
            ),
            "requires": _list(
                "Services (or service.component) that must be in the cloud. They are started earlier.",
                _text("A reference.", **_REFERENCE),
                uniqueItems=True,
            ),
            "after": _list(
                "Services that are started earlier, where they are in the cloud.", _text("A service.", **WORD)
            ),
            "requires_on_node": _map(
                "Services (or service.component) that must be on the same node, by component.",
                "component",
                WORD,
                _list("References.", _text("A reference.", **_REFERENCE), uniqueItems=True),
            ),
            "conflicts": {**_WORDS, "description": "Services that must not be in the same cloud."},
            "conflicts_on_node": _list(
                "Services (or service.component) that must not be on the same node.",
                _text("A reference.", **_REFERENCE),
                uniqueItems=True,
            ),
            "one_of": _list("Of each list exactly one service must be in the cloud.", {**_WORDS, "minItems": 2}),
            "traffic": _list(
                "The kinds of traffic it uses.",
                {"enum": list(TRAFFIC), "description": "A kind of traffic."},
                uniqueItems=True,
            ),
            "image": _text("The image of its containers; empty or absent for a service from packages."),
            "containers": _map(
                "Its containers, and the component each belongs to.", "container", WORD, _text("A component.", **WORD)
            ),
            "config": _map(
                "Its oslo configuration files, and the containers that read them.",
                "file",
                FILE_NAME,
                _list("Containers.", _text("A container.", **WORD), minItems=1, uniqueItems=True),
            ),
            "front_ends": _map(
                "What the load balancer offers for it.",
                "front end",
                WORD,
                _object(
                    "A front end.",
                    {
                        "port": {**_PORT, "description": "Port of the load balancer."},
                        "backend_port": {**_PORT, "description": "Port of the members."},
                        "component": _text("The component whose nodes are its members.", **WORD),
                        "mode": {"enum": ["http", "tcp"], "description": "What the load balancer understands of it."},
                        "traffic": {
                            "enum": ["api_internal", "database", "message_queue"],
                            "default": "api_internal",
                            "description": "The traffic of its members and of its internal side.",
                        },
                        "public": {
                            "type": "boolean",
                            "default": False,
                            "description": "Whether it is offered to users as well, on the network of api_public.",
                        },
                        "check": _text(
                            "Path of the health check, for mode http.", pattern=r"^/", rule="a path that starts with /"
                        ),
                        "tunnel": {
                            "type": "boolean",
                            "default": False,
                            "description": "Whether connections live long (WebSocket).",
                        },
                        "single_writer": {
                            "type": "boolean",
                            "default": False,
                            "description": "Whether one member is used at a time, the others being its reserve.",
                        },
                    },
                    ("port", "backend_port", "component", "mode"),
                ),
            ),
            "databases": {
                **_WORDS,
                "description": "Its databases. Their account has the service's name and `<service>_database_password`.",
            },
            "message_queue": {
                "type": "boolean",
                "default": False,
                "description": "Whether it has an account of the message queue, with `<service>_queue_password`.",
            },
            "identity": _object(
                "What it has in the identity service.",
                {
                    "user": _text(
                        "Its user in the project `service`, with the password `<service>_identity_password`.", **OPTION
                    ),
                    "roles": _list("The user's roles there.", _text("A role.", minLength=1), uniqueItems=True),
                    "services": _map(
                        "Its entries in the service catalogue.",
                        "name",
                        OPTION,
                        _object(
                            "An entry.",
                            {
                                "type": _text("The type of the service.", minLength=1),
                                "description": _text("For people."),
                                "front_end": _text("The front end that its endpoints lead to.", **WORD),
                                "path": _text(
                                    "The path of the endpoints' URLs.",
                                    pattern=r"^(/.*)?\Z",
                                    rule="empty or a path that starts with /",
                                ),
                            },
                            ("type", "front_end"),
                        ),
                    ),
                },
            ),
            "secrets": _map(
                "Its secrets, made at the first deployment.",
                "secret",
                VARIABLE,
                {
                    "type": "string",
                    "pattern": r"^[a-z][a-z0-9_]*\Z",
                    "rule": "a kind of secret",
                    "description": "Kind of secret.",
                },
            ),
        },
        ("name", "summary"),
    ),
}


#: What a ``format`` of the schemas accepts; the result's text is its one spelling. They raise ValueError.
FORMATS: dict[str, Callable[[str], object]] = {"address": address, "network": network}


def _rewriter(schema: Schema) -> Callable[[Any], Any] | None:
    """What gives the values of a schema their one spelling; None where nothing in it has a format."""
    parse = FORMATS.get(schema.get("format", ""))
    if parse is not None:

        def spell(value: Any) -> Any:
            try:
                return str(parse(value)) if isinstance(value, str) else value
            except ValueError:
                return value  # a violation of the schema, which shows what was written

        return spell
    keys = {key: found for key, below in schema.get("properties", {}).items() if (found := _rewriter(below))}
    others = schema.get("additionalProperties")
    other = _rewriter(others) if isinstance(others, dict) else None
    items = schema.get("items")
    item = _rewriter(items) if isinstance(items, dict) else None
    if not keys and other is None and item is None:
        return None

    def rewrite(value: Any) -> Any:
        if isinstance(value, dict) and (keys or other):
            return {key: change(below) if (change := keys.get(key, other)) else below for key, below in value.items()}
        if isinstance(value, list) and item:
            return [item(below) for below in value]
        return value

    return rewrite


@cache
def _cloud_rewriter() -> Callable[[Any], Any]:
    return _rewriter(CLOUD) or (lambda data: data)


def normalised(data: Any) -> Any:
    """The data of a cloud.yml with every address and subnet in one spelling (RFC 5952): equal texts are equal."""
    return _cloud_rewriter()(data)


@cache
def _keys(title: str) -> Schema:
    return {one["title"]: one for one in (CLOUD, SERVICE)}[title]


def at(title: str, path: Path_) -> Schema:
    """The schema of the value at a path; empty where it says nothing of it. ``title``: that of the schema."""
    found = _keys(title)
    for part in path:
        if isinstance(part, int):
            inner = found.get("items", {})
        else:
            inner = found.get("properties", {}).get(part) or found.get("additionalProperties")
        if not isinstance(inner, dict):
            return {}
        found = inner
    return found


def types_at(title: str, path: Path_) -> frozenset[str]:
    """The types that the value at a path may have; empty where any may be.

    What a schema describes no further (items of a value of an option) has the types of what it is in.
    """
    found = at(title, path)
    while not found and path:
        path = path[:-1]
        found = at(title, path)
    wanted = found.get("type", ())
    return frozenset({wanted} if isinstance(wanted, str) else wanted)


#: Signs that a person does not see, of which a line is not made: controls, line ends, marks of the writing direction.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ufff9-\ufffb]")
#: In a text of several lines only those are refused that no text has.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


def _several_lines(title: str, path: Path_) -> bool:
    """Whether the text at a path may have several lines: by the schema of it, or of what it is in."""
    return any(at(title, path[:end]).get("multiline", False) for end in range(len(path), 0, -1))


def _unprintable(document: Document, title: str) -> Iterator[tuple[Path_, Problem]]:
    """Texts and keys with characters that make another line of them, or that nobody sees."""
    waiting: list[tuple[Path_, Any]] = [((), document.data)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*path, key), item) for key, item in value.items()]
            texts = [((*path, key), key, False) for key in value]
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]
            continue
        else:
            texts = [(path, value, True)]
        for where, text, is_value in texts:
            found = _INVISIBLE.search(text) if isinstance(text, str) else None
            if found and is_value and _several_lines(title, where):
                found = _UNPRINTABLE.search(text)
            if found:
                yield where, document.problem(where, *_tell_unprintable(found[0]))


def _tell_unprintable(character: str) -> tuple[str, str]:
    """Message and remedy for a character that must not be in a text."""
    if character in "\n\r\u2028\u2029":
        return "contains a line break", "write it on one line, in quotes; a block after | or > ends with a line break"
    if character == "\t":
        return "contains a tab", "write blanks"
    return f"contains the character U+{ord(character):04X}, which is invisible", "type the value anew"


@cache
def _validator(title: str) -> Any:
    # Imported late: the schemas can be read, for the documentation, where jsonschema is not installed.
    jsonschema: Any = importlib.import_module("jsonschema")
    checker = jsonschema.FormatChecker(formats=())
    for name, check in FORMATS.items():
        checker.checks(name, raises=ValueError)(
            lambda value, check=check: not isinstance(value, str) or bool(str(check(value)))
        )
    # To JSON schema 1500.0 is an integer; written into a configuration file it is none.
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _checker, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=types)
    return validator(_keys(title), format_checker=checker)


_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _type_name(value: Any) -> str:
    for kinds, name in (
        (bool, "true or false"),
        (int | float, "a number"),
        (str, "a text"),
        (list, "a list"),
        (dict, "a mapping"),
    ):
        if isinstance(value, kinds):
            return name
    return "nothing"


def _wanted_types(schema: Schema) -> str:
    wanted = schema["type"]
    return " or ".join(_TYPES[one] for one in ([wanted] if isinstance(wanted, str) else wanted))


def _wrong_type(value: Any, written: str | None, schema: Schema) -> tuple[str, str]:
    """Message and remedy for a value of another type than is wanted. ``written``: its text in the file."""
    wanted = schema["type"]
    message = f"must be {_wanted_types(schema)}, not {_type_name(value)}"
    if isinstance(value, str | int | float):
        message += f" ({_show(value) if written is None else written})"
    if value is None:
        return message, "give it a value, or remove the key"
    if "boolean" in wanted and isinstance(value, str):
        return message, "write true or false"
    if "integer" in wanted and isinstance(value, str | float) and not isinstance(value, bool):
        number = re.fullmatch(r"\s*([-+]?)0*([0-9][0-9_]*?)(\.0*)?\s*", str(value))
        if number:
            return message, f"write {number[1].removeprefix('+')}{number[2].replace('_', '')}, without quotes"
    return message, schema.get("rule", "")


def _show(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _violation(error: Any, document: Document) -> Iterator[tuple[Path_, Problem]]:
    """For one violation the path and the mistake; for unknown keys one of each key."""
    path: Path_ = tuple(error.absolute_path)
    schema: Schema = error.schema
    value = error.instance
    limit = error.validator_value
    message = f"{_show(value)} does not fit"
    remedy = schema.get("rule", "")
    kind = error.validator
    if "propertyNames" in error.absolute_schema_path:
        path = (*path, value)
        yield path, document.problem(path, f"{_show(value)} is not a possible name", remedy)
        return
    if kind == "additionalProperties":
        known = list(schema["properties"])
        for key in value:
            if key not in known:
                yield (*path, key), document.problem((*path, key), "unknown key", did_you_mean(key, known))
        return
    if kind == "required":
        missing = re.match(r"'(.*)' is a required property", error.message)
        key = missing.group(1) if missing else "?"
        text = schema["properties"].get(key, {}).get("description", "")
        yield path, document.problem(path, f"the key {key} is missing", text)
        return
    if kind == "type":
        message, remedy = _wrong_type(value, document.written.get(path), schema)
    elif kind in ("pattern", "format"):
        message = f"{_show(value)} is not possible here"
        if kind == "format":
            message += f": {error.cause}"
            remedy = f"must be {remedy}"
    elif kind == "const":
        message, remedy = f"must be {limit}", "write exactly that"
    elif kind == "enum":
        message, remedy = f"{_show(value)} is not one of the choices", did_you_mean(str(value), map(str, limit))
    elif kind in ("minimum", "maximum"):
        message = f"must be at {'least' if kind == 'minimum' else 'most'} {limit}, not {value}"
    elif kind in ("minItems", "minProperties", "minLength"):
        message = (
            f"needs at least {limit} {'entry' if limit == 1 else 'entries'}"
            if kind != "minLength"
            else "must not be empty"
        )
        remedy = remedy or schema.get("description", "")
    elif kind in ("maxItems", "maxProperties"):
        message = f"takes at most {limit} {'entry' if limit == 1 else 'entries'}"
        remedy = remedy or schema.get("description", "")
    elif kind == "oneOf":
        message, remedy = (
            f"has {' and '.join(key for key in FILE_SOURCES if key in value) or 'neither'}",
            f"give {remedy}",
        )
    elif kind == "uniqueItems":
        message, remedy = "names something twice", "name each only once"
    yield path, document.problem(path, message, remedy)


def violations(document: Document, title: str) -> tuple[list[Problem], list[Path_]]:
    """Every violation of a schema, and the paths of the values that cannot be relied on. ``title``: that of the schema.

    A mapping whose only mistake is a missing key can be relied on, as far as it goes.
    """
    problems: list[Problem] = []
    broken: list[Path_] = []
    if document.data is None:
        return [document.problem((), "the file is empty", "see docs/reference/cloud.md")], [()]
    for error in _validator(title).iter_errors(document.data):
        for path, problem in _violation(error, document):
            problems.append(problem)
            if error.validator != "required":
                broken.append(path)
    for path, problem in _unprintable(document, title):
        if path not in broken:
            problems.append(problem)
            broken.append(path)
    return problems, broken


def prune(data: Any, broken: list[Path_]) -> Any:
    """A copy of ``data`` without the values at ``broken``; lists keep their length, with None in the place."""
    tops = {path[0] for path in broken if path}
    if () in broken and not isinstance(data, dict):
        return {}

    def copy(value: Any, path: Path_, dropped: frozenset[Path_] | set[Path_]) -> Any:
        if isinstance(value, dict):
            return {
                key: copy(item, (*path, key), dropped) for key, item in value.items() if (*path, key) not in dropped
            }
        if isinstance(value, list):
            return [None if (*path, i) in dropped else copy(item, (*path, i), dropped) for i, item in enumerate(value)]
        return value

    dropped = {path for path in broken if path}
    return {
        key: copy(value, (key,), dropped) if key in tops else value
        for key, value in data.items()
        if (key,) not in dropped
    }
