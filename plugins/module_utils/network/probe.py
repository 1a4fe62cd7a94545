# SPDX-License-Identifier: Apache-2.0
"""What is on a node now: its NICs, links and routes, our files and rows, and everything that may ask for an address.

Runs on the node, changes nothing, and needs the standard library only. Whoever compares (``difference``) and whoever
numbers NICs (``resolve``) sees the node through this one look.
"""

from __future__ import annotations

import array
import fcntl
import fnmatch
import json
import os
import re
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from ansible_collections.ozone.openstack.plugins.module_utils.network import tool
from ansible_collections.ozone.openstack.plugins.module_utils.network.difference import CONDITIONS, ORIGINAL, OWNED
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (
    File,
    Known,
    LinkSeen,
    Nic,
    Observed,
    OvsRow,
    Source,
    Wanted,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.tool import Host, Link, Seen

#: Where systemd-networkd reads its files, the first wins.
NETWORKD_DIRECTORIES = ("/etc/systemd/network", "/run/systemd/network", "/usr/local/lib/systemd/network",
                        "/usr/lib/systemd/network")  # fmt: skip

#: What a file of ours in charge of a link is called, for ``Source.neutralised_by``.
OURS = "/etc/systemd/network/05-ozone-*.network"

#: Processes that ask for an address.
CLIENTS = ("dhclient", "dhcpcd", "udhcpc", "dhcp6c", "pump")

#: ioctl(2) numbers: <linux/sockios.h>, <linux/ethtool.h>.
SIOCETHTOOL, ETHTOOL_GPERMADDR = 0x8946, 0x20

VIRTFN = re.compile(r"virtfn[0-9]{1,5}")
PCI = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")

#: Columns of Open vSwitch that say how something is, not how it shall be.
OVS_STATE = frozenset(
    {
        "_uuid", "_version", "name", "ports", "interfaces", "statistics", "status", "error", "ifindex", "ofport", "mtu",
        "mac_in_use", "admin_state", "link_state", "link_speed", "link_resets", "duplex", "lacp_current", "cfm_fault",
        "cfm_fault_status", "cfm_flap_count", "cfm_health", "cfm_remote_mpids", "cfm_remote_opstate", "bfd_status",
        "bond_active_slave", "datapath_id", "datapath_version", "rstp_status", "controller", "flow_tables", "ipfix",
        "netflow", "sflow", "mirrors", "auto_attach", "qos",
    }
)  # fmt: skip

#: Seconds for the database of Open vSwitch to answer a question.
OVS_ANSWER = 4

#: Units that would configure links at the next boot. They are disabled, never stopped: the stop of networking.service
#: takes all links down, and the one of NetworkManager would leave nobody to answer its clients before the next boot.
FOREIGN_UNITS = ("networking.service", "NetworkManager.service", "NetworkManager-wait-online.service")


def permanent_mac(name: str) -> str:
    """The MAC that a NIC was made with, as its driver says; "" when it does not."""
    data = array.array("B", struct.pack("=II32x", ETHTOOL_GPERMADDR, 32))
    request = struct.pack("16sP", name.encode(), data.buffer_info()[0])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            fcntl.ioctl(end, SIOCETHTOOL, request)
    except OSError:
        return ""
    size = min(struct.unpack("=II", data[:8])[1], 32)
    return ":".join(f"{byte:02x}" for byte in data[8 : 8 + size])


def probe(host: Host, permanent: Callable[[str], str] = permanent_mac) -> Observed:
    """The whole look. :raises tool.Failure: ip(8) does not work, or a record of ours cannot be read."""
    seen = tool.look(host)
    active = tool.load(host, tool.ACTIVE)
    wanted = cast("Wanted | None", active.get("wanted")) if isinstance(active, dict) else None
    rows, error = ovs_rows(host)
    record = tool.pending(host)
    found = nics(host, seen, permanent)
    foreign = foreign_files(host)
    return {
        "nics": found,
        "links": [link_seen(link) for link in seen["links"].values()],
        "routes": [*seen["routes"]],
        "files": owned_files(host),
        "ovs": rows,
        "ovs_error": error,
        "numbers": numbers(host, wanted),
        "active": wanted,
        "pending": record["id"] if record else "",
        "reverted": {name: str(value) for name, value in tool.story(host)["reverted"].items()},
        "sources": list(sources(host, found, seen)),
        "foreign": {path: file["text"] for path, file in foreign.items()},
        "foreign_modes": {path: file["mode"] for path, file in foreign.items()},
        "foreign_units": foreign_units(host),
        "networkd": tool.running(host),
        "networkd_enabled": enabled(host),
        "directories": [path for path in CONDITIONS if host.exists(path)],
        "resolved": host.exists("/usr/lib/systemd/systemd-resolved"),
    }


def link_seen(link: Link) -> LinkSeen:
    """What others need to know of a link."""
    return cast(LinkSeen, {name: link[name] for name in LinkSeen.__annotations__})  # type: ignore[literal-required]


def numbers(host: Host, wanted: Wanted | None) -> list[Known]:
    """The record of the NICs' numbers: of the active configuration, or its second copy when that is lost."""
    known = wanted["numbers"] if wanted else tool.load(host, tool.NUMBERS)
    return cast("list[Known]", known or [])


# -- NICs --------------------------------------------------------------------------------------------------------------


def nics(host: Host, seen: Seen, permanent: Callable[[str], str]) -> list[Nic]:
    """The NICs of a node, VFs as well: every link with a device behind it that is no Wi-Fi.

    A node that is a container, as in the lab, has ends of veth pairs in the place of NICs.
    """
    found = []
    container = host.exists("/run/systemd/container")
    for name, link in sorted(seen["links"].items()):
        base = f"/sys/class/net/{name}"
        stands_in = container and link["kind"] == "veth"
        if link["type"] not in ("ether", "infiniband") or not (stands_in or host.exists(f"{base}/device")):
            continue
        if host.exists(f"{base}/phy80211"):
            continue
        found.append(nic(host, name, link, permanent(name)))
    return found


def nic(host: Host, name: str, link: Link, made_with: str) -> Nic:
    """One NIC."""
    base = f"/sys/class/net/{name}"
    mac = made_with.lower() if made_with.strip("0:") else link["permanent"].lower()
    if not mac and not link["master"] and (host.read(f"{base}/addr_assign_type") or "").strip() == "0":
        mac = link["mac"].lower()
    return {
        "name": name,
        "mac": mac if mac.strip("0:") else "",
        "pci": pci_address(host.target(f"{base}/device")),
        "port": number(host.read(f"{base}/dev_port")),
        "driver": os.path.basename(host.target(f"{base}/device/driver"))
        if host.exists(f"{base}/device/driver")
        else "",
        "type": link["type"],
        "vf_of": next(iter(host.names(f"{base}/device/physfn/net")), "")
        if host.exists(f"{base}/device/physfn")
        else "",
        "carrier": link["carrier"],
        "speed": max(number(host.read(f"{base}/speed")), 0),
        "max_mtu": link["max_mtu"],
        "virtfns": virtual_functions(host, f"{base}/device"),
    }


def virtual_functions(host: Host, device: str) -> list[str]:
    """PCI addresses of the VFs of a device by their numbers, "" for a gap: virtfnN of sysfs-bus-pci.

    Those are there whatever driver a VF has, and a network device is there only with a driver for that.
    """
    names = [name for name in host.names(device) if VIRTFN.fullmatch(name)]
    found = {int(name.removeprefix("virtfn")): pci_address(host.target(f"{device}/{name}")) for name in names}
    return [found.get(index, "") for index in range(max(found, default=-1) + 1)]


def number(text: str | None) -> int:
    """A number of sysfs; 0 when there is none."""
    try:
        return int((text or "0").strip(), 0)
    except ValueError:
        return 0


def pci_address(path: str) -> str:
    """The PCI address of a device, or of the one that a virtio device is on; "" for what is behind something else."""
    last, before = os.path.basename(path), os.path.basename(os.path.dirname(path))
    if PCI.fullmatch(last):
        return last
    return before if re.fullmatch(r"virtio\d+", last) and PCI.fullmatch(before) else ""


# -- files and rows ----------------------------------------------------------------------------------------------------


def owned_files(host: Host) -> dict[str, File]:
    """All files that are ours, with their modes."""
    paths = [f"{where}/{name}" for where, glob in OWNED for name in host.names(where) if fnmatch.fnmatch(name, glob)]
    return read_files(host, paths)


def read_files(host: Host, paths: Sequence[str]) -> dict[str, File]:
    """Texts and modes of those files that exist."""
    texts = {path: host.read(path) for path in paths}
    return {path: {"text": text, "mode": host.mode(path) or "0644"} for path, text in texts.items() if text is not None}


def ovs_rows(host: Host) -> tuple[list[OvsRow] | None, str]:
    """All bridges, ports and interfaces of Open vSwitch; None and the reason when it does not answer."""
    if not host.exists("/usr/bin/ovs-vsctl"):
        return None, "Open vSwitch is not installed"
    words = ["list", "Bridge", "--", "list", "Port", "--", "list", "Interface"]
    result = host.run(["ovs-vsctl", "--no-wait", f"--timeout={OVS_ANSWER}", "--format=json", *words], OVS_ANSWER + 2)
    if result.code:
        return None, f"Open vSwitch does not answer: {tool.told(result)}"
    tables = [records(json.loads(line)) for line in result.out.splitlines() if line.strip()]
    bridges, ports, interfaces = tables
    bridge_of = {port: str(row["name"]) for row in bridges for port in row["ports"]}
    port_of = {interface: str(row["name"]) for row in ports for interface in row["interfaces"]}
    return [
        *(ovs_row("Bridge", row, "") for row in bridges),
        *(ovs_row("Port", row, bridge_of.get(row["_uuid"], "")) for row in ports),
        *(ovs_row("Interface", row, port_of.get(row["_uuid"], "")) for row in interfaces),
    ], ""


def records(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table, by column. References become the texts of their ids, in sets."""
    rows = []
    for data in table["data"]:
        row = {column: ovs_value(value) for column, value in zip(table["headings"], data, strict=True)}
        for column in ("ports", "interfaces"):
            if isinstance(row.get(column), str):
                row[column] = [str(row[column])]
        rows.append(row)
    return rows


def ovs_value(value: Any) -> str | list[str] | dict[str, str]:
    """A value of RFC 7047 as ``OvsRow.columns`` has it."""
    if isinstance(value, list) and len(value) == 2:
        kind, inner = value
        if kind == "map":
            return {ovs_text(key): ovs_text(item) for key, item in inner}
        if kind == "set":
            return sorted(ovs_text(item) for item in inner)
    return ovs_text(value)


def ovs_text(value: Any) -> str:
    """An atom of RFC 7047 as a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value[1]) if isinstance(value, list) else str(value)


def ovs_row(table: str, row: dict[str, Any], parent: str) -> OvsRow:
    """A row without what is empty and without what is no configuration."""
    columns = {column: value for column, value in row.items() if column not in OVS_STATE and value not in ([], {})}
    return cast(OvsRow, {"table": table, "name": row["name"], "parent": parent, "columns": columns})


# -- other network software --------------------------------------------------------------------------------------------


def stanzas(text: str) -> list[tuple[str, str, str]]:
    """The iface stanzas of an interfaces(5): name, family, method."""
    joined = text.replace("\\\n", " ")
    words = [line.split() for line in joined.splitlines() if line.split()[:1] == ["iface"]]
    return [
        (line[1], line[2] if len(line) > 3 else "", line[3] if len(line) > 3 else "") for line in words if len(line) > 1
    ]


def interfaces_files(host: Host) -> list[str]:
    """The files that ifupdown reads as it is shipped."""
    names = [name for name in host.names("/etc/network/interfaces.d") if not name.startswith(".")]
    names = [name for name in names if not name.endswith(ORIGINAL)]
    return ["/etc/network/interfaces", *(f"/etc/network/interfaces.d/{name}" for name in names)]


def netplan_files(host: Host) -> list[str]:
    """The files of netplan, and what it made of them for networkd."""
    names = [f"/etc/netplan/{name}" for name in host.names("/etc/netplan") if name.endswith(".yaml")]
    made = [f"/run/systemd/network/{name}" for name in host.names("/run/systemd/network") if "-netplan-" in name]
    return [path for path in (*names, *made) if not path.endswith(ORIGINAL)]


def foreign_files(host: Host) -> dict[str, File]:
    """Files of ifupdown and netplan that would configure links beside us, at the next boot or already now.

    A file of ifupdown is foreign if it has a stanza for anything but lo, and so is the main file if it may read such a
    one: the udev rule of ifupdown would start what is marked allow-hotplug. The files of networkd that netplan made
    must be readable by networkd's user when they come back, so their mode is the usual one.
    """
    found = read_files(host, interfaces_files(host))
    kept = {path: file for path, file in found.items() if any(name != "lo" for name, _, _ in stanzas(file["text"]))}
    if kept and "/etc/network/interfaces" in found:
        kept["/etc/network/interfaces"] = found["/etc/network/interfaces"]
    for path, file in read_files(host, netplan_files(host)).items():
        kept[path] = {**file, "mode": "0644"} if path.startswith("/run/") else file
    return kept


def foreign_units(host: Host) -> list[str]:
    """Those of FOREIGN_UNITS that the next boot would start."""
    result = host.run(["systemctl", "is-enabled", *FOREIGN_UNITS], tool.CALL)
    states = result.out.split()
    if len(states) != len(FOREIGN_UNITS):  # the answer of one that is not there goes to standard error
        states = [host.run(["systemctl", "is-enabled", unit], tool.CALL).out.strip() for unit in FOREIGN_UNITS]
    return [unit for unit, state in zip(FOREIGN_UNITS, states, strict=True) if state in ("enabled", "enabled-runtime")]


def enabled(host: Host) -> bool:
    """Whether the next boot starts systemd-networkd of itself.

    What netplan makes at each boot starts it as long as there are files of netplan (enabled-runtime), which a change
    moves away.
    """
    state = host.run(["systemctl", "is-enabled", tool.NETWORKD], tool.CALL).out.strip()
    return state not in ("disabled", "enabled-runtime", "masked", "masked-runtime")


# -- who may ask for an address ----------------------------------------------------------------------------------------


def sources(host: Host, found: Sequence[Nic], seen: Seen) -> Iterator[Source]:
    """Everything on the node that asks for an address or believes an advertised one, or may do so at the next boot."""
    yield from dhcp_all_interfaces(host)
    yield from cloud_init(host)
    yield from network_manager(host)
    for path in interfaces_files(host):
        asking = [
            name
            for name, family, method in stanzas(host.read(path) or "")
            if method == "dhcp" or (family == "inet6" and method == "auto")
        ]
        if asking:
            yield source("ifupdown", f"{path} ({', '.join(dict.fromkeys(asking))})", "the file is moved away")
    for word in (host.read("/proc/cmdline") or "").split():
        if re.fullmatch(r"ip=(.*:)?(dhcp6?|on|any|both|auto6|either6|link6)(:.*)?", word):
            yield source("kernel command line", f"/proc/cmdline ({word})", "")
    yield from networkd(host, found)
    for path in netplan_files(host):
        if path.endswith(".yaml") and re.search(r"^\s*(dhcp[46]|accept-ra):\s*(true|yes|on)\b", host.read(path) or "",
                                                re.MULTILINE | re.IGNORECASE):  # fmt: skip
            yield source("netplan", path, "the file is moved away")
    for process in (name for name in host.names("/proc") if name.isdigit()):
        name = (host.read(f"/proc/{process}/comm") or "").strip()
        if name in CLIENTS:
            arguments = (host.read(f"/proc/{process}/cmdline") or "").replace("\0", " ").strip()
            yield source("process", f"{name} (process {process}: {arguments or name})", "")
    for protocol, name in (("ra", "router advertisements"), ("dhcp", "DHCP")):
        for device in sorted({route["device"] for route in seen["routes"] if route["protocol"] == protocol}):
            yield source(name, f"a route of {device} came from there", OURS)


def source(name: str, where: str, neutralised_by: str) -> Source:
    """One finding."""
    return {"name": name, "where": where, "neutralised_by": neutralised_by}


def dhcp_all_interfaces(host: Host) -> Iterator[Source]:
    """The element dhcp-all-interfaces of diskimage-builder, which makes every NIC ask at each boot."""
    for path in (
        "/etc/udev/rules.d/99-dhcp-all-interfaces.rules",
        "/usr/lib/udev/rules.d/99-dhcp-all-interfaces.rules",
        "/usr/local/sbin/dhcp-all-interfaces.sh",
        "/etc/systemd/system/dhcp-interface@.service",
        "/usr/lib/systemd/system/dhcp-interface@.service",
        "/etc/init/dhcp-all-interfaces.conf",
    ):
        if host.exists(path):
            yield source("dhcp-all-interfaces", path, "")


def cloud_init(host: Host) -> Iterator[Source]:
    """cloud-init, unless it is told to leave the network alone, or not to run."""
    if not host.exists("/etc/cloud") or host.exists("/etc/cloud/cloud-init.disabled"):
        return
    configured = [f"/etc/cloud/cloud.cfg.d/{name}" for name in host.names("/etc/cloud/cloud.cfg.d")
                  if name.endswith(".cfg")]  # fmt: skip
    for path in ["/etc/cloud/cloud.cfg", *configured]:
        text = re.sub(r"#.*", "", host.read(path) or "")
        if re.search(r"^network:\s*\{?\s*config:\s*[\"']?disabled", text, re.MULTILINE):
            return
    yield source("cloud-init", "/etc/cloud", "/etc/cloud/cloud.cfg.d/99-ozone-network.cfg")


def network_manager(host: Host) -> Iterator[Source]:
    """NetworkManager, which makes a connection for every NIC that has none, and the connections that it has."""
    if not host.exists("/usr/sbin/NetworkManager"):
        return
    ours = "/etc/NetworkManager/conf.d/50-ozone.conf"
    places = ("/etc/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d")
    paths = ["/etc/NetworkManager/NetworkManager.conf"]
    paths += [f"{place}/{name}" for place in places for name in host.names(place) if name.endswith(".conf")]
    if not any(re.search(r"^\s*no-auto-default\s*=\s*\*", host.read(path) or "", re.MULTILINE) for path in paths):
        yield source("NetworkManager", "its connection for every NIC that has none", ours)
    for place in ("/etc/NetworkManager/system-connections", "/run/NetworkManager/system-connections"):
        for name in host.names(place):
            if re.search(r"^\s*method\s*=\s*(auto|dhcp)\s*$", host.read(f"{place}/{name}") or "", re.MULTILINE):
                yield source("NetworkManager", f"{place}/{name}", "")


def networkd(host: Host, found: Sequence[Nic]) -> Iterator[Source]:
    """Files of systemd-networkd that ask for an address on a NIC. The first file that matches a link is in charge."""
    files: dict[str, str] = {}
    for place in NETWORKD_DIRECTORIES:
        for name in host.names(place):
            if name.endswith(".network"):
                files.setdefault(name, f"{place}/{name}")
    free = {entry["name"]: entry for entry in found}
    for _, path in sorted(files.items()):
        match, network = networkd_sections(host.read(path) or "")
        taken = [name for name, entry in free.items() if matches(match, entry)]
        for name in taken:
            del free[name]
        asks = network.get("dhcp", "no").lower() not in ("no", "false", "off", "0", "n", "f")
        believes = network.get("ipv6acceptra", "yes").lower() in ("yes", "true", "on", "1", "y", "t")
        believes = believes and not {"bond", "bridge"} & set(network)  # a member has no addresses
        if taken and (asks or believes):
            what = " and ".join(word for word, there in (("DHCP", asks), ("router advertisements", believes)) if there)
            yield source("systemd-networkd", f"{path} ({', '.join(taken)}: {what})", OURS)


def networkd_sections(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Settings of the sections Match and Network, keys in lower case; of one that comes twice the last value."""
    sections: dict[str, dict[str, str]] = {"match": {}, "network": {}}
    current: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            current = sections.setdefault(stripped.strip("[]").lower(), {})
        elif "=" in stripped and not stripped.startswith(("#", ";")):
            key, _, value = stripped.partition("=")
            current[key.strip().lower()] = value.strip()
    return sections["match"], sections["network"]


def matches(match: dict[str, str], entry: Nic) -> bool:
    """Whether a [Match] may hold for a NIC, as far as its name, MAC, driver and type decide. Without any it does not.

    What is not known here (Host=, Virtualization=, ...) is taken to hold: better a source too many than one too few.
    """
    if not match:
        return False

    def one_of(key: str, value: str) -> bool:
        words = match.get(key, "").split()
        if not words:
            return True
        inverted = words[0].startswith("!")
        patterns = [words[0].lstrip("!"), *words[1:]]
        return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns) != inverted

    mac = match.get("permanentmacaddress") or match.get("macaddress")
    if mac and entry["mac"] not in mac.lower().replace("-", ":").split():
        return False
    if match.get("kind") and not match["kind"].startswith("!"):  # a NIC has no kind
        return False
    path = f"pci-{entry['pci']}" if entry["pci"] else ""
    return (
        one_of("name", entry["name"])
        and one_of("driver", entry["driver"])
        and one_of("type", entry["type"])
        and one_of("path", path)
    )
