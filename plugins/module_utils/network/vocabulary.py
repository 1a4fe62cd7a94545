# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of os-net-config: which keys each kind of device has, what they mean, and what cannot be had here.

``SCHEMA`` is a JSON schema (draft 2020-12) of a configuration. ``schema.py`` reads by its tables rather than with a
validator, because a message about one of seventeen kinds has to speak of that kind alone; ``format`` names the reader,
and ``rule`` (unknown to JSON schema, which ignores it) says in words what it asks for. Every key has a
``description``: the documentation is made of them.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _flag(description: str, default: bool | None = None) -> Schema:
    more: Schema = {} if default is None else {"default": default}
    return {"type": ["boolean", "string", "integer"], "format": "boolean", "description": description, **more}


def _number(description: str, least: int, most: int, default: int | None = None) -> Schema:
    more: Schema = {} if default is None else {"default": default}
    return {"type": "integer", "description": description, "minimum": least, "maximum": most, **more}


def _list(description: str, form: str, **more: Any) -> Schema:
    return {"type": "array", "format": form, "description": description, **more}


def _object(description: str, properties: dict[str, Schema], required: tuple[str, ...]) -> Schema:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


_NIC_RULE = "its name, nicN, an alias, its MAC address, pci:0000:3b:00.0 or driver:ice:0"
_NIC = {"format": "nic", "rule": _NIC_RULE}
_DEVICE = {"format": "device", "rule": "1 to 15 characters without blanks, quotes and any of !*?[]\\/:%, not nicN"}
_PORT = {"format": "port", "rule": "1 to 63 characters without blanks, quotes and any of !*?[]\\/:%"}

ADDRESS = _object(
    "A static address.",
    {"ip_netmask": _text("The address with the prefix length of its subnet.", format="interface")},
    ("ip_netmask",),
)

_TABLE: Schema = {
    "type": ["string", "integer"],
    "format": "table",
    "description": "Routing table: a number, `main`, `default`, `local` or the name of a `route_table`.",
}

ROUTE = _object(
    "A static route.",
    {
        "default": _flag("A default route: to everything of the next hop's address family.", False),
        "ip_netmask": _text("The destination: a subnet, or one address with its full prefix length.", format="network"),
        "destination": _text("The same as `ip_netmask`.", format="network"),
        "next_hop": _text("Address of the gateway, or `self` for a destination that is on the link.", format="hop"),
        "nexthop": _text("The same as `next_hop`.", format="hop"),
        "table": _TABLE,
        "route_table": {**_TABLE, "description": "The same as `table`: what upstream's documentation calls it."},
        "metric": _number("Among routes to one destination the lowest metric wins.", 0, 2**32 - 1),
        "route_options": _text("Further words of ip-route(8), such as `metric 10 src 198.51.100.7 onlink`."),
    },
    (),
)

RULE = _object(
    "A rule of policy routing.",
    {
        "rule": _text("The words of ip-rule(8), such as `from 198.51.100.0/24 table storage priority 100`."),
        "comment": _text("For people."),
    },
    ("rule",),
)

#: Keys that have no effect here and do no harm, with what becomes of them.
IGNORED: dict[str, str] = {
    "nm_controlled": "systemd-networkd manages every device of the configuration, whatever this says",
    "hotplug": "a NIC that appears later is configured then, always",
    "linkdelay": "addresses are there at once, with a link and without",
    "nic_mapping": "taken when empty; aliases of NICs are the `mapping` beside the configuration",
    "persist_mapping": "taken when false; NICs are not renamed",
    "defroute": "without DHCP there is no default route but those that are written; kept where DHCP is allowed",
    "dhclient_args": "taken when empty; systemd-networkd has a DHCP client of its own",
}

_ADDRESSING: dict[str, Schema] = {
    "addresses": _list("Static addresses.", "ip_addresses", items=ADDRESS),
    "routes": _list("Static routes through this device.", "routes", items=ROUTE),
    "rules": _list("Rules of policy routing, which are there while the device is.", "rules", items=RULE),
    "dns_servers": _list("Name servers.", "addresses", items=_text("An address.", format="address")),
    "domain": {
        "type": ["string", "array"],
        "format": "domains",
        "items": _text("A domain."),
        "description": "Search domains: a list, or a text with blanks between.",
    },
    "use_dhcp": _flag("Ask for an IPv4 address. Refused unless the operator allows it for this very device.", False),
    "use_dhcpv6": _flag("Ask for an IPv6 address. Refused unless the operator allows it for this very device.", False),
}

_COMMON: dict[str, Schema] = {
    **_ADDRESSING,
    "mtu": _number(
        "Largest packet in bytes. Where nothing is said: 1500, or what the devices on it need. A bond and its members "
        "have the same.",
        68,
        65535,
    ),
    "onboot": _flag("Whether the device is up after a boot.", True),
    "nm_controlled": _flag("Accepted and without effect: systemd-networkd manages the device.", False),
    "nic_mapping": {
        "type": ["object", "null"],
        "format": "nic_mapping",
        "description": "Only empty: aliases of NICs are the `mapping` beside the configuration.",
    },
    "persist_mapping": _flag("Only false: NICs are not renamed.", False),
    "defroute": _flag("Whether a default route is taken from DHCP, where that is allowed.", True),
    "dhclient_args": _text("Only empty: systemd-networkd has a DHCP client of its own.", format="dhclient"),
}

_ETHTOOL = {
    "ethtool_opts": _text(
        "Arguments of ethtool(8) that systemd.link(5) has a setting for: -s, -G, -L, -K, -A and -C, with ; between.",
        format="raw",
    )
}
_HOTPLUG = {"hotplug": _flag("Accepted: a device that appears later is configured then, always.", False)}
_PRIMARY = {
    "primary": _flag(
        "Of a bond: the preferred member (modes active-backup, balance-tlb, balance-alb; in Open vSwitch "
        "active-backup). Of a bridge: the member with the NIC whose MAC address the bridge has.",
        False,
    )
}
_OVS_EXTRA = {
    "ovs_extra": {
        "type": ["array", "string"],
        "format": "raw",
        "items": _text("A command."),
        "description": "Commands of ovs-vsctl(8): `set <table> <record> <column>[:<key>]=<value>`, "
        "`br-set-external-id`, `set-fail-mode`. `{name}` is the name of the device.",
    }
}
_OVS_OPTIONS = {
    "ovs_options": _text(
        "Columns of its row in Open vSwitch: `<column>[:<key>]=<value>`, blanks between.", format="raw"
    )
}
_OVS_OPTION_LIST = {
    "ovs_options": {
        "type": ["array", "string"],
        "format": "raw",
        "items": _text("`<key>=<value>`."),
        "description": "Keys of the column `options` of its interface, such as `remote_ip=198.51.100.9`.",
    }
}
_FAIL_MODE = {
    "ovs_fail_mode": _text(
        "What a bridge does without a controller: forward as a switch does (standalone), or nothing (secure).",
        enum=["standalone", "secure"],
        default="standalone",
    )
}
_QUEUES: dict[str, Schema] = {
    "rx_queue": _number("Number of receive queues.", 1, 1024),
    "rx_queue_size": _number("Descriptors of a receive queue: a power of two.", 1, 4096),
    "tx_queue_size": _number("Descriptors of a transmit queue: a power of two.", 1, 4096),
}


def _members(description: str, least: int = 0, most: int | None = None) -> Schema:
    more: Schema = {"minItems": least} if least else {}
    if most is not None:
        more["maxItems"] = most
    return _list(description, "raw", **more)


def _kind(kind: str, properties: dict[str, Schema], required: tuple[str, ...], description: str) -> Schema:
    keys = {"type": {"const": kind, "description": "What it is.", "type": "string"}, **properties}
    return _object(description, keys, ("type", *required))


_VF: dict[str, Schema] = {
    "device": _text("Its PF, which is a `sriov_pf` of this configuration.", **_NIC),
    "vfid": _number("Its number, from 0.", 0, 65535),
    "vlan_id": _number("VLAN whose tag the card puts on what the VF sends; 0 for none.", 0, 4094, 0),
    "qos": _number("Priority bits of that tag.", 0, 7, 0),
    "min_tx_rate": _number("Only 0: systemd-networkd sets no bandwidth.", 0, 2**31 - 1, 0),
    "max_tx_rate": _number("Only 0: systemd-networkd sets no bandwidth.", 0, 2**31 - 1, 0),
    "spoofcheck": _flag(
        "Whether the card drops packets with a foreign MAC address. Left out: off in a bond, a bridge or a DPDK port, "
        "where packets of guests leave through it; elsewhere the card stays as it is."
    ),
    "trust": _flag(
        "Whether the VF may become promiscuous and change its MAC address. Left out: on in a bond, a bridge or a DPDK "
        "port; elsewhere the card stays as it is."
    ),
    "promisc": _flag(
        "Whether it gets all packets; needs `trust`. Left out: yes in a bridge or an `ovs_bond`; elsewhere the card "
        "stays as it is."
    ),
    "macaddr": _text("Its MAC address.", format="mac"),
    "state": _text("The link that it sees.", enum=["auto", "enable", "disable"]),
}

#: Kind -> the schema of a device of it.
KINDS: dict[str, Schema] = {
    "interface": _kind(
        "interface",
        {
            "name": _text("The NIC. `nic1.10` is VLAN 10 on nic1.", **_NIC),
            **_COMMON,
            **_PRIMARY,
            **_ETHTOOL,
            **_HOTPLUG,
            "linkdelay": _number(
                "Accepted and without effect: addresses are there at once, with a link and without.", 0, 3600
            ),
            **_OVS_EXTRA,
        },
        ("name",),
        "A NIC.",
    ),
    "vlan": _kind(
        "vlan",
        {
            "name": _text("Its name, where `vlan<ID>` will not do: two parents may have the same ID.", **_DEVICE),
            "vlan_id": _number("The ID in its tag.", 1, 4094),
            "device": _text(
                "What carries it: a NIC, a bond, a bridge. Left out among the members of an OVS bridge.", **_NIC
            ),
            **_COMMON,
            **_PRIMARY,
            **_OVS_OPTIONS,
            **_OVS_EXTRA,
        },
        ("vlan_id",),
        "A VLAN: of the kernel on a device, or a tagged internal port among the members of an OVS bridge.",
    ),
    "linux_bond": _kind(
        "linux_bond",
        {
            "name": _text("Its name.", **_DEVICE),
            "members": _members("NICs; a VLAN here is one on the bond.", 1),
            "bonding_options": {
                "type": ["string", "object"],
                "format": "raw",
                "description": "Options of the kernel's bonding driver: a mapping, or `mode=802.3ad miimon=100 ...`.",
            },
            **_COMMON,
            **_PRIMARY,
            **_OVS_EXTRA,
        },
        ("name", "members", "bonding_options"),
        "A bond of the kernel.",
    ),
    "linux_bridge": _kind(
        "linux_bridge",
        {"name": _text("Its name.", **_DEVICE), "members": _members("NICs, VLANs, bonds, taps."), **_COMMON},
        ("name", "members"),
        "A bridge of the kernel.",
    ),
    "ovs_bridge": _kind(
        "ovs_bridge",
        {
            "name": _text("Its name.", **_DEVICE),
            "members": _members("NICs, bonds, VLANs (tagged internal ports), tunnels, patch ports."),
            **_COMMON,
            **_OVS_OPTIONS,
            **_OVS_EXTRA,
            **_FAIL_MODE,
        },
        ("name",),
        "A bridge of Open vSwitch. Its addresses are on its internal port.",
    ),
    "ovs_bond": _kind(
        "ovs_bond",
        {
            "name": _text("Its name.", **_PORT),
            "members": _members("NICs, PFs, VFs.", 1),
            **_COMMON,
            **_PRIMARY,
            **_OVS_OPTIONS,
            **_OVS_EXTRA,
        },
        ("name", "members"),
        "A bond of Open vSwitch, a member of an `ovs_bridge`. It has no addresses.",
    ),
    "ovs_patch_port": _kind(
        "ovs_patch_port",
        {
            "name": _text("Its name.", **_PORT),
            "bridge_name": _text("Its bridge, where it is no member of one.", **_DEVICE),
            "peer": _text("The patch port of the other bridge.", **_PORT),
            **_COMMON,
            **_PRIMARY,
            **_OVS_OPTION_LIST,
            **_OVS_EXTRA,
        },
        ("name", "peer"),
        "One end of a cable between two bridges of Open vSwitch.",
    ),
    "ovs_tunnel": _kind(
        "ovs_tunnel",
        {
            "name": _text("Its name.", **_PORT),
            "tunnel_type": _text("How packets are wrapped.", enum=["vxlan", "gre", "geneve"]),
            **_COMMON,
            **_PRIMARY,
            **_OVS_OPTION_LIST,
            **_OVS_EXTRA,
        },
        ("name", "tunnel_type"),
        "A tunnel of Open vSwitch, a member of an `ovs_bridge`.",
    ),
    "ovs_user_bridge": _kind(
        "ovs_user_bridge",
        {
            "name": _text("Its name.", **_DEVICE),
            "members": _members("DPDK ports, DPDK bonds, VLANs, tunnels, patch ports."),
            "ovs_internal": _flag("Whether the bridge has an internal port of its own name.", True),
            **_COMMON,
            **_OVS_OPTIONS,
            **_OVS_EXTRA,
            **_FAIL_MODE,
        },
        ("name", "members"),
        "A bridge of Open vSwitch with its datapath in userspace.",
    ),
    "ovs_dpdk_port": _kind(
        "ovs_dpdk_port",
        {
            "name": _text("Its name.", **_PORT),
            "members": _members("The one NIC or VF.", 1, 1),
            "driver": _text(
                "Driver of the kernel that hands it to userspace. Binding it to the NIC is left to driverctl(8).",
                default="vfio-pci",
            ),
            **_QUEUES,
            **_COMMON,
            **_PRIMARY,
            **_OVS_OPTION_LIST,
            **_OVS_EXTRA,
        },
        ("name", "members"),
        "A port of Open vSwitch with a driver of DPDK.",
    ),
    "ovs_dpdk_bond": _kind(
        "ovs_dpdk_bond",
        {
            "name": _text("Its name.", **_PORT),
            "members": _members("DPDK ports.", 2),
            **_QUEUES,
            **_COMMON,
            **_PRIMARY,
            **_OVS_OPTIONS,
            **_OVS_EXTRA,
        },
        ("name", "members"),
        "A bond of DPDK ports.",
    ),
    "sriov_pf": _kind(
        "sriov_pf",
        {
            "name": _text("The NIC.", **_NIC),
            "numvfs": _number("How many VFs it shall have.", 0, 65535),
            "drivers_autoprobe": _flag("Only true: the kernel binds its driver to the VFs.", True),
            "promisc": _flag("Whether it gets all packets. Left out, the card stays as it is."),
            "link_mode": _text(
                "Only legacy: systemd-networkd cannot switch a card.", enum=["legacy", "switchdev"], default="legacy"
            ),
            "vdpa": _flag("Only false: systemd-networkd makes no vDPA devices.", False),
            **_COMMON,
            **_PRIMARY,
            **_ETHTOOL,
            **_HOTPLUG,
        },
        ("name", "numvfs"),
        "A NIC with virtual functions (SR-IOV).",
    ),
    "sriov_vf": _kind(
        "sriov_vf",
        {**_VF, **_COMMON, **_PRIMARY, **_ETHTOOL, **_HOTPLUG, **_OVS_EXTRA},
        ("device", "vfid"),
        "A virtual function that the node itself uses.",
    ),
    "ib_interface": _kind(
        "ib_interface",
        {"name": _text("The port.", **_NIC), **_COMMON, **_PRIMARY, **_ETHTOOL},
        ("name",),
        "A port of InfiniBand, with IP on it (IPoIB).",
    ),
    "ib_child_interface": _kind(
        "ib_child_interface",
        {
            "name": _text("Its name, where `<parent>.<0x8000|pkey>` will not do.", **_DEVICE),
            "parent": _text("The port that carries it.", **_NIC),
            "pkey_id": {
                "type": ["integer", "string"],
                "description": "Its partition key, a number or a text such as `0x64`.",
                "minimum": 1,
                "maximum": 0x7FFE,
            },
            **_COMMON,
            **_PRIMARY,
        },
        ("parent", "pkey_id"),
        "A partition of InfiniBand.",
    ),
    "linux_tap": _kind(
        "linux_tap",
        {"name": _text("Its name.", **_DEVICE), **_COMMON, **_PRIMARY},
        ("name",),
        "A tap device that stays without a program.",
    ),
    "route_table": _kind(
        "route_table",
        {
            "name": _text("Its name.", format="table_name", rule="letters, digits, _ . and -, a letter first"),
            "table_id": {
                "type": ["integer", "string"],
                "description": "Its number.",
                "minimum": 1,
                "maximum": 2**32 - 1,
            },
        },
        ("name", "table_id"),
        "A name for a routing table.",
    ),
}

#: Kind of a device -> kinds that its members may have. Of a vlan in a linux_bond, see ``schema.py``.
MEMBERS: dict[str, tuple[str, ...]] = {
    "linux_bond": ("interface", "sriov_pf", "sriov_vf", "ib_interface", "vlan"),
    "linux_bridge": ("interface", "vlan", "linux_bond", "sriov_pf", "sriov_vf", "linux_tap"),
    "ovs_bridge": (
        "interface", "vlan", "linux_bond", "ovs_bond", "ovs_tunnel", "ovs_patch_port", "sriov_pf", "sriov_vf",
        "linux_tap",
    ),
    "ovs_bond": ("interface", "sriov_pf", "sriov_vf"),
    "ovs_user_bridge": (
        "interface", "vlan", "ovs_bond", "ovs_patch_port", "ovs_tunnel", "ovs_dpdk_port", "ovs_dpdk_bond", "linux_tap",
    ),
    "ovs_dpdk_port": ("interface", "sriov_vf"),
    "ovs_dpdk_bond": ("ovs_dpdk_port",),
}  # fmt: skip

#: Kinds that are only ports of a bridge: they stand among its members.
ONLY_MEMBERS = frozenset({"ovs_bond", "ovs_tunnel", "ovs_dpdk_port", "ovs_dpdk_bond"})

#: Kinds without a network device in the kernel: nothing of the IP layer is possible on them.
WITHOUT_ADDRESSES = frozenset({"ovs_bond", "ovs_patch_port", "ovs_tunnel", "ovs_dpdk_port", "ovs_dpdk_bond"})

#: Keys of the IP layer, which no member of something else can have.
ADDRESSING = tuple(_ADDRESSING)

_OVS_INSTEAD = "use ovs_bridge with its VLANs as members"
_DPDK_INSTEAD = "use ovs_user_bridge with ovs_dpdk_port or ovs_dpdk_bond"

#: Types that os-net-config has and this does not: why, and what instead.
DEAD: dict[str, tuple[str, str]] = {
    "team": (
        "the team driver is deprecated, and Debian has no teamd",
        "use linux_bond, with mode=active-backup or 802.3ad",
    ),
    "linux_team": (
        "the team driver is deprecated, and Debian has no teamd",
        "use linux_bond, with mode=active-backup or 802.3ad",
    ),
    "ivs_bridge": ("the Indigo Virtual Switch is no longer maintained", _OVS_INSTEAD),
    "ivs_interface": (
        "the Indigo Virtual Switch is no longer maintained",
        "use vlan among the members of an ovs_bridge",
    ),
    "nfvswitch_bridge": ("the 6WIND NFV switch is no longer supported by OpenStack", _DPDK_INSTEAD),
    "nfvswitch_internal": (
        "the 6WIND NFV switch is no longer supported by OpenStack",
        "use vlan among the members of an ovs_user_bridge",
    ),
    "vpp_interface": ("Debian has no VPP", _DPDK_INSTEAD),
    "vpp_bond": ("Debian has no VPP", "use ovs_user_bridge with ovs_dpdk_bond"),
    "contrail_vrouter": (
        "there is no Contrail: OVN makes the networks",
        "use ovs_bridge, or the NIC with its addresses",
    ),
    "contrail_vrouter_dpdk": ("there is no Contrail: OVN makes the networks", _DPDK_INSTEAD),
    "remove_net_device": (
        "what is no longer in the configuration is removed by itself",
        "leave the device out of the configuration",
    ),
    "dcb": ("priorities of data centre bridging are set on the card with its own tools", "remove the object"),
    "dcb_config": ("priorities of data centre bridging are set on the card with its own tools", "remove the object"),
    "route_rule": ("a rule belongs to a device", "write it below rules of that device"),
    "ovs_interface": (
        "an internal port is the bridge itself or a VLAN of it",
        "use ovs_bridge, or vlan among its members",
    ),
}

#: Other lists of an os-net-config file: why they are refused, and what instead.
REFUSED_LISTS: dict[str, tuple[str, str]] = {
    "minimum_config": (
        "a change that fails is taken back as a whole, so there is no configuration for the time between",
        "remove the key",
    ),
    "fallback_config": (
        "a change that fails or cuts the node off is taken back to the configuration that the node had",
        "remove the key",
    ),
    "remove_config": (
        "what is no longer in the configuration is removed by itself, and nothing else is",
        "remove the key, and the devices from network_config",
    ),
    "dcb_config": ("priorities of data centre bridging are set on the card with its own tools", "remove the key"),
    "interface_mapping": ("aliases of NICs differ among nodes", "give them beside the configuration, as mapping"),
}

_NO_SETTING = "systemd-networkd has no setting for it"
_RENAMED = {"persist_mapping": (False, "NICs are not renamed", "name the NIC by its MAC address or its place")}

#: Key -> (the value that asks for nothing, why others are refused, what to do).
Refusals = dict[str, tuple[Any, str, str]]

#: Of kinds that are only rows of Open vSwitch: the kernel has no link that could be down.
_ROW_ONLY: Refusals = {"onboot": (True, "it is there whenever its bridge is", "write it on the bridge")}
_NO_MTU: Refusals = {"mtu": (None, "Open vSwitch gives it no MTU", "write it on the bridge, or on what carries it")}

#: Kind -> values that are refused.
REFUSED_VALUES: dict[str, Refusals] = {kind: dict(_RENAMED) for kind in KINDS}
REFUSED_VALUES["ovs_bond"] |= _ROW_ONLY
REFUSED_VALUES["ovs_dpdk_bond"] |= _ROW_ONLY
REFUSED_VALUES["ovs_dpdk_port"] |= _ROW_ONLY
REFUSED_VALUES["ovs_patch_port"] |= _ROW_ONLY | _NO_MTU
REFUSED_VALUES["ovs_tunnel"] |= _ROW_ONLY | _NO_MTU
REFUSED_VALUES["sriov_pf"] |= {
    "drivers_autoprobe": (True, _NO_SETTING, "remove the key"),
    "link_mode": ("legacy", _NO_SETTING, "remove the key, and set the card's mode with devlink"),
    "vdpa": (False, _NO_SETTING, "remove the key, and make the devices with vdpa(8)"),
}
REFUSED_VALUES["sriov_vf"] |= {
    "min_tx_rate": (0, _NO_SETTING, "remove the key"),
    "max_tx_rate": (0, _NO_SETTING, "remove the key"),
}

_TO_DPDK = "DPDK has this NIC, and the kernel does not"

#: Values that are refused on the NIC or VF in an `ovs_dpdk_port`.
IN_DPDK_PORT: Refusals = {
    "mtu": (None, _TO_DPDK, "write it on the ovs_dpdk_port"),
    "onboot": (True, _TO_DPDK, "remove the key"),
    "ethtool_opts": (None, _TO_DPDK, "write rx_queue, rx_queue_size and tx_queue_size on the ovs_dpdk_port"),
}

#: Values that do nothing there and no harm, which is a warning.
IDLE_IN_DPDK_PORT: Refusals = {
    "primary": (False, "it is the only NIC of its port", "write it on the ovs_dpdk_port"),
    "promisc": (None, "Open vSwitch makes its DPDK ports promiscuous itself", "remove the key"),
}

_DCB = ("priorities of data centre bridging are set on the card with its own tools", "remove the key")

#: Kind -> keys that os-net-config has and that no value makes possible here: why, and what to do.
REFUSED_KEYS: dict[str, dict[str, tuple[str, str]]] = {
    "interface": {"dcb": _DCB},
    "linux_bond": {"ethtool_opts": ("a bond is no card", "write it on the members")},
    "ovs_dpdk_bond": {"dcb": _DCB},
    "sriov_pf": {
        "dcb": _DCB,
        "steering_mode": (_NO_SETTING, "remove the key, and set the card's mode with devlink"),
        "vdpa_queues": (_NO_SETTING, "remove the key, and make the devices with vdpa(8)"),
    },
}

#: Keys that belong to another kind: (kind, key) -> remedy.
HINTS: dict[tuple[str, str], str] = {
    ("linux_bond", "ovs_options"): "a bond of the kernel has bonding_options",
    ("ovs_bond", "bonding_options"): "a bond of Open vSwitch has ovs_options, such as bond_mode=active-backup",
    ("ovs_dpdk_bond", "bonding_options"): "a bond of Open vSwitch has ovs_options, such as bond_mode=active-backup",
    ("interface", "vlan_id"): "use the type vlan with device, or the name nic1.10",
    ("interface", "members"): "only bonds and bridges have members",
    ("sriov_vf", "name"): "the kernel names a VF: give device and vfid",
}

SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Network configuration of a node",
    "description": "The devices of a node, as os-net-config writes them.",
    "type": "array",
    "minItems": 1,
    "items": {"oneOf": list(KINDS.values())},
}
