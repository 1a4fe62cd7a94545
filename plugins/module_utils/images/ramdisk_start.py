# SPDX-License-Identifier: Apache-2.0
"""Runs inside the ramdisk, started by its /init: gives it the static address that Ironic says, then starts the agent.

Only the standard library is imported at the top: the file is copied into the ramdisk. Where the address comes from is
``openstack/latest/network_data.json`` of the medium that the machine was booted from. Ironic writes a fresh number into
that medium (its publisher) and on the kernel's command line; a medium with another number is not this boot's, such as
the config drive that an earlier deployment has left on a disk and that has the same label.

Nothing is ever asked of a DHCP server. Without an address there is no agent: the console says what is missing, and it
is looked for again, because a medium or a NIC may come late. Nothing is powered off or rebooted for it.
"""

from __future__ import annotations

import contextlib
import importlib
import ipaddress
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

LABEL = "config-2"
DOCUMENT = "openstack/latest/network_data.json"
MOUNT = "/run/ozone/medium"
IPV6 = "/proc/sys/net/ipv6/conf"
DONE = "/run/ozone/network"

#: For the agent's TLS on a processor without instructions for AES: ChaCha20 is several times as fast there, and the
#: image comes that way (RFC 8439). A server that leaves the choice to its client, as ours does, goes by this order.
OPENSSL = "/run/ozone/openssl.cnf"
WITHOUT_AES = """\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = default
[default]
MinProtocol = TLSv1.2
CipherString = DEFAULT:@SECLEVEL=2
Ciphersuites = TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384
"""

#: Seconds for NICs that the document names to appear; then those that are there have to do.
PATIENCE = 30

#: Seconds between two looks.
PAUSE = 3

_DEVICE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,14}\Z")


class Trouble(Exception):
    """There is no address yet; the text says why."""


def say(text: str) -> None:
    """A line on the console, with the time since the kernel started."""
    uptime = Path("/proc/uptime").read_text(encoding="ascii").split()[0]
    sys.stdout.write(f"OZONE-RAMDISK {text} ({uptime} s)\n")
    sys.stdout.flush()


# ---- the medium


def volume(data: bytes) -> tuple[str, str] | None:
    """Label and publisher of an ISO 9660 file system, from its primary volume descriptor (ECMA-119, 8.4)."""
    if len(data) < 2048 or data[:6] != b"\x01CD001":
        return None
    return data[40:72].decode("ascii", "replace").strip(), data[318:446].decode("ascii", "replace").strip()


def candidates(names: Sequence[str], publisher: str) -> list[str]:
    """Block devices to look at, optical ones first; others only when the medium's number is known."""
    optical = sorted(name for name in names if re.match(r"sr[0-9]+\Z", name))
    others = sorted(name for name in names if not re.match(r"(sr|loop|ram|zram|dm-|md)[0-9]+\Z", name))
    return [*optical, *(others if publisher else [])]


def belongs(found: tuple[str, str] | None, publisher: str) -> bool:
    """Whether a volume is the medium of this boot."""
    if found is None:
        return False
    return found[1].lower() == publisher.lower() if publisher else found[0].lower() == LABEL


def publisher_of(cmdline: str) -> str:
    """The number of this boot's medium."""
    values = [word.partition("=")[2] for word in cmdline.split() if word.startswith("ir_pub_id=")]
    return values[-1] if values else ""


def read_volume(device: str) -> tuple[str, str] | None:
    """See :func:`volume`; None for what cannot be read, such as a drive without a medium."""
    try:
        with open(device, "rb") as stream:
            stream.seek(32768)
            return volume(stream.read(2048))
    except OSError:
        return None


def document() -> dict[str, Any]:
    """The network of this machine. Raises Trouble when there is none."""
    publisher = publisher_of(Path("/proc/cmdline").read_text(encoding="utf-8"))
    names = candidates(os.listdir("/sys/class/block"), publisher)
    device = next((f"/dev/{name}" for name in names if belongs(read_volume(f"/dev/{name}"), publisher)), "")
    if not device:
        what = f"with the number {publisher}" if publisher else f"called {LABEL}"
        raise Trouble(f"there is no medium {what} (looked at: {', '.join(names) or 'no device at all'})")
    os.makedirs(MOUNT, exist_ok=True)
    run("mount", "-r", "-t", "iso9660", device, MOUNT)
    try:
        found: Any = json.loads(Path(MOUNT, DOCUMENT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Trouble(f"{device} has no {DOCUMENT}: the node has no network_data in Ironic") from None
    except ValueError as error:
        raise Trouble(f"{device}: {DOCUMENT}: {error}") from None
    finally:
        run("umount", MOUNT)
    if not isinstance(found, dict):
        raise Trouble(f"{device}: {DOCUMENT} is no mapping")
    return found


# ---- the network


def device_names(links: Sequence[Mapping[str, Any]], macs: Mapping[str, str]) -> dict[str, str]:
    """The kernel's name of each link by its id: of a NIC the one it has, of another its id where that can be one."""
    names: dict[str, str] = {}
    for link in links:
        if link["type"] == "bond":
            spare = f"bond{len(names)}"
        elif link["type"] == "vlan":
            spare = f"vlan{link['vlan_id']}"
        else:
            mac = str(link.get("ethernet_mac_address", "")).lower()
            if mac in macs:
                names[link["id"]] = macs[mac]
            continue
        names[link["id"]] = link["id"] if _DEVICE.match(link["id"]) else spare
    return names


def missing(document: Mapping[str, Any], macs: Mapping[str, str]) -> list[str]:
    """MAC addresses of NICs that the document names and that are not there."""
    wanted = [
        str(link.get("ethernet_mac_address", "")).lower()
        for link in document.get("links") or ()
        if link["type"] not in ("bond", "vlan")
    ]
    return [mac for mac in wanted if mac not in macs]


def commands(document: Mapping[str, Any], macs: Mapping[str, str], existing: Sequence[str] = ()) -> list[list[str]]:
    """The commands that make the network of ``document``, on the NICs ``macs`` (MAC address -> name).

    A NIC that is not there is left out, and what stands on it alone. Raises Trouble when no address remains.
    """
    links = list(document.get("links") or ())
    names = device_names(links, macs)
    made: list[list[str]] = []
    usable: set[str] = set()
    for link in sorted(links, key=lambda link: {"bond": 1, "vlan": 2}.get(link["type"], 0)):
        name = names.get(link["id"], "")
        if link["type"] == "bond":
            members = [names[one] for one in link["bond_links"] if one in usable]
            if not members:
                continue
            if name not in existing:
                made.append(["ip", "link", "add", name, "type", "bond", *bond_options(link)])
            for member in members:
                made.append(["ip", "link", "set", member, "down"])
                made.append(["ip", "link", "set", member, "master", name])
                made.append(["ip", "link", "set", member, "up"])
            if names.get(link.get("bond_primary", "")) in members:
                made.append(["ip", "link", "set", name, "type", "bond", "primary", names[link["bond_primary"]]])
        elif link["type"] == "vlan":
            if link["vlan_link"] not in usable:
                continue
            if name not in existing:
                below = names[link["vlan_link"]]
                made.append(["ip", "link", "add", "link", below, "name", name, "type", "vlan"])
                made[-1] += ["id", str(link["vlan_id"])]
        elif not name:
            continue
        usable.add(link["id"])
        if link.get("mtu"):
            made.append(["ip", "link", "set", name, "mtu", str(link["mtu"])])
        made.append(["ip", "link", "set", name, "up"])
    addresses, routes = layer(document, {key: names[key] for key in usable})
    if not addresses:
        raise Trouble(f"no static address on a NIC that is there (NICs: {', '.join(sorted(macs)) or 'none'})")
    return [*made, *addresses, *routes]


def bond_options(link: Mapping[str, Any]) -> list[str]:
    """Words for ip-link(8): the options are those of the bonding driver."""
    options = {
        key.removeprefix("bond_"): str(value)
        for key, value in link.items()
        if key.startswith("bond_") and key not in ("bond_links", "bond_primary")
    }
    if not {"miimon", "arp_interval"} & set(options):
        options["miimon"] = "100"
    first = {"mode": options.pop("mode", "active-backup")}
    return [word for pair in {**first, **dict(sorted(options.items()))}.items() for word in pair]


def layer(document: Mapping[str, Any], names: Mapping[str, str]) -> tuple[list[list[str]], list[list[str]]]:
    """Commands for addresses and for routes on the links ``names`` (id -> name)."""
    addresses, routes = [], []
    for network in document.get("networks") or ():
        name = names.get(network.get("link", ""))
        if name is None or network.get("type") not in ("ipv4", "ipv6") or not network.get("ip_address"):
            continue
        address = interface(network["ip_address"], network.get("netmask"))
        quick = ["nodad"] if address.version == 6 else []
        addresses.append(["ip", "address", "replace", str(address), "dev", name, *quick])
        for route in network.get("routes") or ():
            target = interface(route["network"], route["netmask"]).network
            routes.append(["ip", "route", "replace", str(target), "via", str(route["gateway"]), "dev", name])
            if "metric" in route:
                routes[-1] += ["metric", str(route["metric"])]
    return addresses, routes


def interface(address: str, mask: Any) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    """An address with its prefix; the mask may be a number, or an address of either version."""
    if "/" in address or mask in (None, ""):
        return ipaddress.ip_interface(address)
    text = str(mask)
    if ":" in text:
        text = str(bin(int(ipaddress.IPv6Address(text))).count("1"))
    return ipaddress.ip_interface(f"{address}/{text}")


def nics() -> dict[str, str]:
    """NICs by their MAC address; devices that are not hardware are left out."""
    found = {}
    for name in sorted(os.listdir("/sys/class/net")):
        with contextlib.suppress(OSError):
            if os.path.exists(f"/sys/class/net/{name}/device"):
                found[Path(f"/sys/class/net/{name}/address").read_text(encoding="ascii").strip().lower()] = name
    return found


def run(*argv: str) -> None:
    """One command. Raises Trouble when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        raise Trouble(f"{' '.join(argv)}: does not end") from None
    if done.returncode:
        raise Trouble(f"{' '.join(argv)}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def be_deaf(settings: str = IPV6) -> None:
    """Neither ask for routers nor believe one that nobody asked: addresses and routes are those of the document alone.

    Each device has its own setting, those to come have that of ``default``. A kernel without IPv6 has none.
    """
    for name in ("accept_ra", "autoconf"):
        for path in Path(settings).glob(f"*/{name}"):
            with contextlib.suppress(OSError):
                path.write_text("0", encoding="ascii")


class Network:
    """Looks for this machine's network until it is there. The MAC address of a NIC changes when a bond takes it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.begun = clock()
        self.macs: dict[str, str] = {}

    def attempt(self) -> list[str]:
        """Make the network; the addresses that it has. Raises Trouble."""
        wanted = document()
        known = set(self.macs.values())
        self.macs |= {mac: name for mac, name in nics().items() if name not in known}
        try:
            absent = missing(wanted, self.macs)
            if absent and self.clock() - self.begun < PATIENCE:
                raise Trouble(f"waiting for the NIC {', '.join(absent)} (there are: {', '.join(sorted(self.macs))})")
            todo = commands(wanted, self.macs, os.listdir("/sys/class/net"))
        except (KeyError, TypeError, ValueError) as error:
            raise Trouble(f"{DOCUMENT} cannot be used: {error!r}") from error
        if absent:
            say(f"going on without the NIC {', '.join(absent)}")
        for argv in todo:
            run(*argv)
        return [f"{argv[3]} on {argv[5]}" for argv in todo if argv[:3] == ["ip", "address", "replace"]]


def configure() -> None:
    """Return when the machine has its address."""
    network = Network()
    told = ""
    while True:
        try:
            addresses = network.attempt()
        except (Trouble, OSError) as error:
            if str(error) != told:
                say(f"NO ADDRESS YET: {error}")
                told = str(error)
            time.sleep(PAUSE)
            continue
        say(f"address {', '.join(addresses)}")
        Path(DONE).write_text("", encoding="ascii")
        return


def choose_ciphers(processors: str = "/proc/cpuinfo", configuration: str = OPENSSL) -> None:
    """Prefer the ciphers that this processor is good at; to be called before anything uses TLS."""
    flags = [line for line in Path(processors).read_text(encoding="ascii").splitlines() if line.startswith("flags")]
    if flags and not any("aes" in line.split() for line in flags):
        Path(configuration).write_text(WITHOUT_AES, encoding="ascii")
        os.environ["OPENSSL_CONF"] = configuration


def main() -> None:
    """Network, then agent. A second start finds the network made."""
    os.makedirs(os.path.dirname(DONE), exist_ok=True)
    choose_ciphers()
    be_deaf()
    if not os.path.exists(DONE):
        configure()
    sys.argv[0] = "ironic-python-agent"
    agent: Any = importlib.import_module("ironic_python_agent.cmd.agent")
    say("agent starts")
    sys.exit(agent.run())


if __name__ == "__main__":
    main()
