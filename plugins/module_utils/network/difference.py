# SPDX-License-Identifier: Apache-2.0
"""From what a node is to what it shall be, and back: which files, rows and links, and nothing that need not change.

This runs on the deployment host for a plan, and on the node, under its lock, for the change itself: the standard
library and nothing else. Both directions are computed before the first step, and each leads to its end from wherever
the other one was interrupted.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (
    NO_LINK,
    OVS_KINDS,
    Change,
    File,
    LinkSeen,
    LinkWanted,
    NetworkError,
    NetworkProblem,
    Observed,
    OvsRow,
    RouteSeen,
    Steps,
    Wanted,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.switch import Switch, ours, set_lines

NETWORK_DIRECTORY = "/etc/systemd/network"
PREFIX = "05-ozone-"
NETWORKD_FILE = "/etc/systemd/networkd.conf.d/50-ozone.conf"
TABLES_FILE = "/etc/iproute2/rt_tables.d/ozone.conf"
CLOUD_INIT_FILE = "/etc/cloud/cloud.cfg.d/99-ozone-network.cfg"
NETWORK_MANAGER_FILE = "/etc/NetworkManager/conf.d/50-ozone.conf"

#: Files that are ours: directory and pattern of their names.
OWNED: tuple[tuple[str, str], ...] = (
    (NETWORK_DIRECTORY, f"{PREFIX}*"),
    ("/etc/systemd/networkd.conf.d", "50-ozone.conf"),
    ("/etc/iproute2/rt_tables.d", "ozone.conf"),
    ("/etc/cloud/cloud.cfg.d", "99-ozone-network.cfg"),
    ("/etc/NetworkManager/conf.d", "50-ozone.conf"),
)

#: Directory of another software -> our file for its eyes, which is written only where that directory is.
CONDITIONS = {"/etc/cloud": CLOUD_INIT_FILE, "/etc/NetworkManager": NETWORK_MANAGER_FILE}

#: What a file of the old network software is renamed to.
ORIGINAL = ".before-ozone"

NETWORKD = "systemd-networkd.service"


def file_path(name: str, suffix: str) -> str:
    """Path of the file of a device by its name as written, which may be a MAC or PCI address."""
    return f"{NETWORK_DIRECTORY}/{PREFIX}{_slug(name)}.{suffix}"


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


def difference(wanted: Wanted, observed: Observed) -> Change:
    """What has to be done on a node, and how it is taken back.

    Raises NetworkError when Open vSwitch is needed and does not answer, or a NIC has the name of a device to be made.
    """
    comparison = _Comparison(wanted, observed)
    forward, back = comparison.files()
    comparison.links(forward, back)
    comparison.switch(forward, back)
    comparison.leave(forward)
    comparison.software(forward, back)
    changed = forward != steps()
    if not changed:
        back = steps()
    return {
        "changed": changed,
        "forward": forward,
        "back": back,
        "touched": sorted(comparison.touched),
        "summary": comparison.summary(forward) if changed else [],
    }


def steps() -> Steps:
    """Steps that do nothing."""
    return {
        "disable": [],
        "enable": [],
        "files": {},
        "delete": [],
        "ovs": [],
        "udev": [],
        "restart": [],
        "reload": False,
        "reconfigure": [],
        "commands": [],
    }


class _Comparison:
    """One node: what it shall be, what it is."""

    def __init__(self, wanted: Wanted, observed: Observed) -> None:
        self.wanted = wanted
        self.observed = observed
        self.seen = {link["name"]: link for link in observed["links"]}
        self.touched: set[str] = set()
        self.anew: dict[str, str] = {}  # links that have to be made anew -> why
        self.drifted: dict[str, list[str]] = {}  # links that somebody changed since -> what they lack
        self.switch_lines: list[str] = []
        self.kept: frozenset[str] = frozenset()  # links that Open vSwitch has afterwards

    # Files

    def files(self) -> tuple[Steps, Steps]:
        """Files that differ, in both directions; our own and those of the old network software."""
        forward, back = steps(), steps()
        needless = {
            file for directory, file in CONDITIONS.items() if directory not in self.observed.get("directories", [])
        }
        wanted = {path: file for path, file in self.wanted["files"].items() if path not in needless}
        seen = self.observed["files"]
        for path in sorted({*wanted, *seen}):
            there, then = seen.get(path), wanted.get(path)
            if there is not None and then is not None and _same_file(there, then):
                continue
            forward["files"][path] = then
            back["files"][path] = there
            self.file_changed(path, forward, back)
        for path, text in sorted(self.observed["foreign"].items()):
            mode = self.observed.get("foreign_modes", {}).get(path, "0644")
            forward["files"] |= {path + ORIGINAL: File(text=text, mode=mode), path: None}
            back["files"] |= {path: File(text=text, mode=mode), path + ORIGINAL: None}
        return forward, back

    def file_changed(self, path: str, forward: Steps, back: Steps) -> None:
        """What follows from a changed file."""
        directory, _, name = path.rpartition("/")
        if path == NETWORKD_FILE:
            if self.observed["networkd"]:
                forward["restart"] = back["restart"] = [NETWORKD]
            return
        if directory != NETWORK_DIRECTORY:
            return
        stem, _, suffix = name.removeprefix(PREFIX).rpartition(".")
        link = self.link_of(stem)
        if suffix in ("network", "netdev"):
            forward["reload"] = back["reload"] = True
        elif link in self.seen:
            forward["udev"].append(link)
            back["udev"].append(link)
        if link in self.seen or suffix != "link":
            self.touched.add(link)

    def link_of(self, stem: str) -> str:
        """The link that a file is about."""
        active = self.observed["active"]
        for resolution in (self.wanted["resolution"], active["resolution"] if active is not None else {}):
            for written, name in resolution.items():
                if _slug(written) == stem:
                    return name or written
        return stem

    # Links

    def links(self, forward: Steps, back: Steps) -> None:
        """Links to remove, to make anew, to make; and what the old network software left."""
        netdevs = self.wanted["netdevs"]
        for name in sorted(netdevs):
            if name in self.seen and (why := self.must_be_made_anew(name)):
                self.anew[name] = why
        gone = sorted(self.made_by_us() - set(netdevs))
        colliding = self.colliding()
        # A port of Open vSwitch goes by its transaction.
        delete = [
            name
            for name in (*gone, *self.anew, *colliding)
            if name in self.seen and self.seen[name]["kind"] != "openvswitch"
        ]
        forward["delete"] = sorted(set(delete), key=self.leaves_first)
        ports = {name for name in self.anew if self.seen[name]["kind"] == "openvswitch"}
        made = [name for name in netdevs if name not in self.seen or (name in self.anew and name not in ports)]
        back["delete"] = sorted(made, key=lambda name: (_ORDER.get(netdevs[name]["kind"], 1), name))
        # Also those whose files change: networkd may find files as it knows them, and the links gone all the same.
        forward["reconfigure"] = sorted(self.dependents(set(self.anew)) - set(delete))
        back["reconfigure"] = sorted(self.dependents({*gone, *self.anew}))
        forward["reload"] = forward["reload"] or bool(forward["delete"])
        back["reload"] = back["reload"] or bool(forward["delete"] or back["delete"])
        self.touched |= {*forward["delete"], *forward["reconfigure"]}
        self.touched |= self.above({*self.anew, *forward["delete"]})
        self.touched &= {*self.seen, *netdevs, *(link["name"] for link in self.wanted["links"])}
        self.drift(forward)
        self.free(forward, back)
        self.zeros(forward, back)
        self.larger(forward, back)
        self.clean(forward)
        # Such a port may still be there, and cannot be deleted: that call may fail.
        back["commands"] += [["ip", "link", "delete", "dev", name] for name in sorted(ports)]
        back["commands"] += self.way_back(colliding, forward["delete"])

    def made_by_us(self) -> set[str]:
        """Virtual links that our files on the node describe."""
        names = {_slug(name): name for name in (*self.seen, *self.active_netdevs())}
        stems = {
            _stem(path)
            for path in self.observed["files"]
            if path.startswith(f"{NETWORK_DIRECTORY}/{PREFIX}") and path.endswith(".netdev")
        }
        return {names.get(stem, stem) for stem in stems}

    def above(self, names: set[str]) -> set[str]:
        """Links that are on these, and go with them."""
        found = set(names)
        while (
            more := {name for name, link in self.seen.items() if link.get("options", {}).get("parent") in found} - found
        ):
            found |= more
        return found - names

    def active_netdevs(self) -> dict[str, dict[str, str]]:
        """Netdevs of the configuration that was confirmed last."""
        active = self.observed["active"]
        return active["netdevs"] if active is not None else {}

    def active_links(self) -> list[LinkWanted]:
        """Links of that configuration."""
        active = self.observed["active"]
        return active["links"] if active is not None else []

    def must_be_made_anew(self, name: str) -> str:
        """Why a link of that name cannot become what it shall be; "" when it can."""
        wanted, link = self.wanted["netdevs"][name], self.seen[name]
        if link["kind"] == "":
            message = f"there is a NIC of that name, and the configuration makes a {wanted['kind']} called {name}"
            raise NetworkError([NetworkProblem(name, message, "give the device another name")])
        known = {**self.active_netdevs().get(name, {}), **link.get("options", {}), "kind": link["kind"]}
        changes = [
            f"{option} {known[option]} -> {value}"
            for option, value in wanted.items()
            if option in known and known[option].lower() != value.lower()
        ]
        return ", ".join(changes)

    def colliding(self) -> list[str]:
        """VLANs that are not ours and have the ID of one that is to be made: their parent can have only one of them."""
        wanted = {
            (options["parent"], options["id"]): name
            for name, options in self.wanted["netdevs"].items()
            if options["kind"] == "vlan" and (name not in self.seen or name in self.anew)
        }
        ours = self.made_by_us()
        found = []
        for name, link in self.seen.items():
            options = link.get("options", {})
            taken = wanted.get((options.get("parent", ""), options.get("id", "")))
            if link["kind"] == "vlan" and taken not in (None, name) and name not in ours:
                found.append(name)
        return sorted(found)

    def leaves_first(self, name: str) -> tuple[int, str]:
        """Sorts links for their removal: VLANs before what carries them, bonds before bridges."""
        return _ORDER.get(self.seen[name]["kind"], 1), name

    def dependents(self, names: set[str]) -> set[str]:
        """Links to be configured once more when these are made anew: their members, and what carries them."""
        found: set[str] = set()
        for link in (*self.wanted["links"], *self.active_links()):
            if link["name"] in names:
                found |= {*link["members"]}
        for netdevs in (self.wanted["netdevs"], self.active_netdevs()):
            found |= {options["parent"] for name, options in netdevs.items() if name in names and "parent" in options}
        return (found & set(self.seen)) - names

    def drift(self, forward: Steps) -> None:
        """Links that were as they should be, and that somebody changed by hand: systemd-networkd configures them again.

        What it is told of a link that has no carrier may lack for that reason alone, so nothing is said of such a one.
        There is no way back: what is there is less than what was confirmed.
        """
        confirmed = {link["name"]: link for link in self.active_links()}
        for link in self.wanted["links"]:
            name = link["name"]
            if confirmed.get(name) != link or name in self.touched or link["kind"] in NO_LINK:
                continue
            if name not in self.seen:
                if link["virtual"] and link["kind"] not in OVS_KINDS:
                    self.drifted[name] = ["is not there"]
                    forward["reload"] = True
                    forward["reconfigure"] += [member for member in link["members"] if member in self.seen]
                continue
            if lacks := self.lacks(link):
                self.drifted.setdefault(name, []).extend(lacks)
            for member in link["members"] if link["kind"] not in OVS_KINDS else []:
                if member in self.seen and self.seen[member]["master"] != name:
                    self.drifted.setdefault(member, []).append(f"is not a member of {name}")
        there = {name for name in self.drifted if name in self.seen}
        forward["reconfigure"] = sorted({*forward["reconfigure"], *there})
        self.touched |= {*self.drifted, *forward["reconfigure"]}

    def lacks(self, link: LinkWanted) -> list[str]:
        """What a link had when it was confirmed and does not have now."""
        seen = self.seen[link["name"]]
        if not seen["up"]:
            return ["is down"]
        lacks = []
        if link["mtu"] is not None and seen["mtu"] != link["mtu"]:
            lacks.append(f"has an MTU of {seen['mtu']}, not {link['mtu']}")
        if not seen["carrier"]:
            return lacks
        addresses = {str(ipaddress.ip_interface(address)) for address in seen["addresses"]}
        for address in link["addresses"]:
            if str(ipaddress.ip_interface(address)) not in addresses:
                lacks.append(f"does not have the address {address}")
        for route in link["routes"]:
            routes = [other for other in self.observed["routes"] if other["device"] == link["name"]]
            if not any(_same_route(other, route) for other in routes):
                lacks.append(f"does not have the route to {_route_text(route)}")
        return lacks

    def free(self, forward: Steps, back: Steps) -> None:
        """Takes NICs out of bonds and bridges of the kernel that stay, where Open vSwitch gets them.

        systemd-networkd does not: it is told to keep the master of a port of Open vSwitch. A bond that was there before
        us loses members that are not ours either.
        """
        ports = {row["name"] for row in self.wanted["ovs"] if row["table"] == "Interface"}
        for name in sorted(ports & set(self.seen)):
            master = self.seen[name]["master"]
            kind = self.seen[master]["kind"] if master in self.seen else ""
            if kind in ("bond", "bridge") and master not in forward["delete"]:
                forward["commands"].append(["ip", "link", "set", "dev", name, "nomaster"])
        ours = {link["name"] for link in self.active_links()}
        wanted = {link["name"] for link in self.wanted["links"]}
        for link in self.wanted["links"]:
            if link["kind"] == "linux_bond" and link["name"] not in {*ours, *forward["delete"]}:
                for name, seen in sorted(self.seen.items()):
                    if seen["master"] == link["name"] and name not in wanted:
                        forward["commands"].append(["ip", "link", "set", "dev", name, "nomaster"])
        rows = self.observed["ovs"] or []
        ports = {row["name"] for row in rows if row["table"] == "Interface"}
        masters = {
            member: link["name"]
            for link in self.wanted["links"]
            if link["kind"] in ("linux_bond", "linux_bridge")
            for member in link["members"]
        }
        for name in sorted(ports & set(masters) & set(self.seen)):
            if masters[name] not in back["delete"] and self.seen[name]["master"] != masters[name]:
                back["commands"].append(["ip", "link", "set", "dev", name, "nomaster"])

    def zeros(self, forward: Steps, back: Steps) -> None:
        """Sets to zero what systemd-networkd does not: it tells a bond that is there of other values only."""
        for name, options in self.wanted["netdevs"].items():
            path = file_path(name, "netdev")
            if options["kind"] != "bond" or name in self.anew or path not in forward["files"]:
                continue
            lines = self.wanted["files"][path]["text"].splitlines()
            now = self.seen[name].get("options", {}) if name in self.seen else {}
            for steps_, words in (
                (forward, [option for option, line in _ZEROS.items() if line in lines and now.get(option, "0") != "0"]),
                (back, [option for option, line in _ZEROS.items() if line not in lines and now.get(option) == "0"]),
            ):
                zero = [word for option in words for word in (option, "0")]
                if zero:
                    steps_["commands"].append(["ip", "link", "set", "dev", name, "type", "bond", *zero])

    def larger(self, forward: Steps, back: Steps) -> None:
        """Gives VLANs a larger MTU after what carries them: systemd-networkd may try it before, and only once."""
        new = {link["name"]: link["mtu"] or 0 for link in self.wanted["links"] if link["name"] in self.touched}
        old = {name: link["mtu"] for name, link in self.seen.items() if name in new}
        made = {*self.anew, *forward["delete"]}
        made |= self.above(made)
        parents = {
            name: options["parent"]
            for name, options in self.wanted["netdevs"].items()
            if options["kind"] == "vlan" and name in old and name not in made
        }
        for steps_, before, after in ((forward, old, new), (back, new, old)):
            names: list[str] = []
            for name, parent in parents.items():
                if parent in old and after[name] > before[name] and after[parent] > before[parent]:
                    names += [parent, name]
            for name in sorted(set(names), key=lambda name: (_depth(name, parents), name)):
                if self.seen[name]["kind"] != "openvswitch":
                    steps_["commands"].append(["ip", "link", "set", "dev", name, "mtu", str(after[name])])

    def leave(self, forward: Steps) -> None:
        """Takes what is ours from links that stay and that the configuration no longer has.

        These are NICs, and bridges of Open vSwitch on which others have ports. systemd-networkd leaves such a link in
        its bond, and after a restart it does not know its own addresses and routes on it any more.
        """
        wanted = {link["name"] for link in self.wanted["links"]}
        gone = [
            link
            for link in self.active_links()
            if link["name"] in self.seen
            and link["name"] not in wanted
            and (not link["virtual"] or link["name"] in self.kept)
        ]
        for link in gone:
            name, master = link["name"], self.seen[link["name"]]["master"]
            kind = self.seen[master]["kind"] if master in self.seen else ""
            if kind in ("bond", "bridge") and master not in forward["delete"]:
                forward["commands"].append(["ip", "link", "set", "dev", name, "nomaster"])
            for route in self.observed["routes"]:
                if route["device"] == name and any(_same_route(route, other) for other in link["routes"]):
                    forward["commands"].append(["ip", *_family(route), "route", "delete", *_route(route)])
            for address in link["addresses"]:
                if address in self.seen[name]["addresses"]:
                    forward["commands"].append(["ip", "address", "delete", address, "dev", name])

    def clean(self, forward: Steps) -> None:
        """Removes what others configured where it would disturb: on links that become ours, and what we want elsewhere.

        An address for one host alone may be one that moves (keepalived): it stays unless it is wanted elsewhere.
        """
        ours = {link["name"] for link in self.active_links()}
        wanted = {link["name"]: link for link in self.wanted["links"]}
        new = {name for name in wanted if name not in ours and name in self.touched}
        owners = {
            _host(address): name
            for name, link in wanted.items()
            for address in link["addresses"]
            if name in self.touched
        }
        defaults = {
            (route["destination"], route["table"])
            for name in self.touched & set(wanted)
            for route in wanted[name]["routes"]
        }
        for name, link in self.seen.items():
            if name in ours or name == "lo" or name in forward["delete"]:
                continue
            for address in link["addresses"]:
                interface = ipaddress.ip_interface(address)
                owner = owners.get(_host(address))
                if interface.is_link_local or (name in wanted and str(interface) in wanted[name]["addresses"]):
                    continue
                single = interface.network.prefixlen == interface.max_prefixlen
                if owner is not None or (name in new and not single):
                    forward["commands"].append(["ip", "address", "delete", str(interface), "dev", name])
        for route in self.observed["routes"]:
            name = route["device"]
            if route["protocol"] not in _STATIC or name in ours or name in forward["delete"]:
                continue
            if name in wanted and any(_same_route(route, other) for other in wanted[name]["routes"]):
                continue
            if name in new or (route["destination"], route["table"]) in defaults:
                forward["commands"].append(["ip", *_family(route), "route", "delete", *_route(route)])

    def way_back(self, colliding: Sequence[str], deleted: Sequence[str]) -> list[list[str]]:
        """The calls of ip(8) that give links what no file of ours says of them."""
        ours = {link["name"] for link in self.active_links()} | self.made_by_us()
        lost = {*colliding, *self.anew, *deleted}
        lost |= self.above(lost)
        masters = {*lost, *(set(self.wanted["netdevs"]) - ours)}
        lost |= {name for name, link in self.seen.items() if link["master"] in masters}
        hosts = {_host(address) for link in self.wanted["links"] for address in link["addresses"]}
        links = [
            link
            for name, link in self.seen.items()
            if name not in ours
            and name != "lo"
            and (name in self.touched or name in lost or hosts & {_host(address) for address in link["addresses"]})
        ]
        links.sort(key=lambda link: (_ORDER.get(link["kind"], 1) == 0, link["name"]))
        commands = [command for link in links if link["kind"] in _MAKE for command in _make(link)]
        for link in links:
            commands += self.state(link)
        for link in links:
            for address in link["addresses"]:
                if not ipaddress.ip_interface(address).is_link_local:
                    commands.append(["ip", "address", "replace", address, "dev", link["name"]])
        names = {link["name"] for link in links}
        routes = [
            route for route in self.observed["routes"] if route["protocol"] in _STATIC and route["device"] in names
        ]
        # What is on the link first: gateways are found there.
        routes.sort(key=lambda route: (bool(route["gateway"]), route["destination"]))
        return commands + [["ip", *_family(route), "route", "replace", *_route(route)] for route in routes]

    def state(self, link: LinkSeen) -> list[list[str]]:
        """The calls that give a link its master, MTU and state."""
        set_link = ["ip", "link", "set", "dev", link["name"]]
        commands: list[list[str]] = []
        master = self.seen.get(link["master"])
        if not link["master"]:
            commands.append([*set_link, "nomaster"])
        elif master is not None and master["kind"] in ("bond", "bridge"):
            if master["kind"] == "bond":
                commands.append([*set_link, "down"])  # else it cannot become a member
            commands.append([*set_link, "master", master["name"]])
        if link["kind"] != "openvswitch":
            commands.append([*set_link, "mtu", str(link["mtu"])])
        return [*commands, [*set_link, "up" if link["up"] else "down"]]

    # Open vSwitch

    def switch(self, forward: Steps, back: Steps) -> None:
        """The two transactions."""
        if self.observed["ovs"] is None:
            if self.wanted["ovs"]:
                message = f"it is part of the configuration, and does not answer: {self.observed['ovs_error']}"
                raise NetworkError([NetworkProblem("Open vSwitch", message, "systemctl start openvswitch-switch")])
            return
        active = self.observed["active"]
        self.held_by_others(self.observed["ovs"])
        nics = [link["name"] for link in self.wanted["links"] if not link["virtual"]]
        rows = active["ovs"] if active is not None else []
        transaction = Switch(self.observed["ovs"], self.wanted["ovs"], rows, nics)
        forward["ovs"] = transaction.forward()
        back["ovs"] = transaction.back()
        self.touched |= transaction.touched
        self.switch_lines = transaction.lines()
        self.kept = transaction.interfaces

    def held_by_others(self, rows: Sequence[OvsRow]) -> None:
        """Refuses a NIC that is to do something else, and is a port of Open vSwitch that is not ours to remove."""
        wanted = {row["name"] for row in self.wanted["ovs"]}
        ports = {row["name"]: row["parent"] for row in rows if row["table"] == "Port"}
        problems = []
        for row in rows:
            name, port = row["name"], row["parent"]
            free = row["table"] != "Interface" or name in wanted or ours(row)
            if not free and any(link["name"] == name and not link["virtual"] for link in self.wanted["links"]):
                message = f"Open vSwitch has it as port {port} of {ports.get(port)}, which somebody else made"
                remedy = f"remove it there: ovs-vsctl del-port {port}; or make it a member of an ovs_bridge"
                problems.append(NetworkProblem(name, message, remedy))
        if problems:
            raise NetworkError(problems)

    # Other network software

    def software(self, forward: Steps, back: Steps) -> None:
        """Other units are disabled and never stopped: stopping ifupdown takes every link down."""
        forward["disable"] = [*self.observed["foreign_units"]]
        back["enable"] = [*self.observed["foreign_units"]]
        if not self.observed["networkd"]:
            forward["enable"] = [NETWORKD]
            back["disable"] = [NETWORKD]
            forward["reload"] = True
        elif not self.observed.get("networkd_enabled", True):
            # It runs because somebody else started it, such as netplan. It stays enabled also on the way back, as it
            # has to start in a boot for which netplan found none of its files.
            forward["enable"] = [NETWORKD]

    # For people

    def summary(self, forward: Steps) -> list[str]:
        """What changes, a line each."""
        lines = [f"{path}: moved to {path}{ORIGINAL}" for path in sorted(self.observed["foreign"])]
        lines += [f"{unit}: disabled, not stopped" for unit in forward["disable"]]
        started = "enabled" if self.observed["networkd"] else "enabled and started"
        lines += [f"{unit}: {started}" for unit in forward["enable"]]
        old = {link["name"]: link for link in self.active_links()}
        told: set[str] = set(self.drifted)
        lines += [f"{name}: {line}: configured again" for name, lacks in self.drifted.items() for line in lacks]
        for link in self.wanted["links"]:
            about = self.about(link, old.get(link["name"]))
            if about:
                told.add(link["name"])
            lines += [f"{link['name']}: {line}" for line in about]
        lines += [f"{name}: removed" for name in forward["delete"] if name not in self.anew]
        told |= set(forward["delete"])
        stems = {link["name"] for link in self.wanted["links"]}
        for path in forward["files"]:
            name = self.link_of(_stem(path)) if path.startswith(f"{NETWORK_DIRECTORY}/{PREFIX}") else path
            if name.startswith("/"):
                if path not in self.observed["foreign"] and not path.endswith(ORIGINAL):
                    lines.append(f"{path}: {'written' if forward['files'][path] else 'removed'}")
            elif name not in told:
                told.add(name)
                what = "settings change" if forward["files"][path] or name in stems else "no longer configured"
                if name in stems and not forward["files"][path] and path.endswith(".link"):  # what was before it?
                    what = "settings of the card are no longer made, and stay until the next boot"
                lines.append(
                    f"{name}: {what}" if name in stems or name in self.seen else f"{name}: {what} (not there now)"
                )
        return lines + self.switch_lines

    def members(self, link: LinkWanted) -> list[str]:
        """Members of a link, there or not: one that is only missing was not removed from the configuration."""
        names: dict[str, str] = {}
        active = self.observed["active"]
        for wanted in (self.wanted, active):
            if wanted is not None:
                names |= {written: name for written, name in wanted["resolution"].items() if name}
        return [*link["members"], *(names.get(written, written) for written in link["missing"])]

    def about(self, link: LinkWanted, old: LinkWanted | None) -> list[str]:
        """What changes about one link."""
        name = link["name"]
        if name in self.anew:
            return [f"made anew ({self.anew[name]})"]
        seen = self.seen.get(name)
        if old is None and (seen is None or link["virtual"]):
            return (
                [f"new: {link['kind'].replace('_', ' ')}{_with(link)}"] if name in self.touched or seen is None else []
            )
        lines = set_lines("member", self.members(old), self.members(link)) if old is not None else []
        if name not in self.touched:
            return lines
        mtu = old["mtu"] if old is not None else seen["mtu"] if seen is not None else None
        if mtu is not None and link["mtu"] is not None and mtu != link["mtu"]:
            lines.append(f"MTU {mtu} -> {link['mtu']}")
        addresses = old["addresses"] if old is not None else seen["addresses"] if seen is not None else []
        lines += set_lines("address", addresses, link["addresses"])
        if old is not None:
            lines += set_lines("route", map(_route_text, old["routes"]), map(_route_text, link["routes"]))
        return lines


#: Protocols of routes that somebody configured.
_STATIC = ("boot", "static", "dhcp", "ra")

#: Kind of a link -> when it is removed: what is on others first.
_ORDER = {"vlan": 0, "ipoib": 0, "bridge": 2}

#: Kinds of links that ip(8) can make again: options as ``ip -j -d link`` tells them -> as ``ip link`` takes them. Those
#: of the first mapping cannot change later.
_MAKE: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "vlan": ({"id": "id"}, {}),
    "bond": (
        {"mode": "mode", "fail_over_mac": "fail_over_mac", "ad_lacp_rate": "lacp_rate", "ad_select": "ad_select"},
        {name: name for name in ("miimon", "updelay", "downdelay", "xmit_hash_policy", "min_links")},
    ),
    "bridge": ({}, {name: name for name in ("stp_state", "forward_delay", "vlan_filtering")}),
}


def _depth(name: str, parents: Mapping[str, str]) -> int:
    """How many VLANs a link is inside of, itself included."""
    return 1 + _depth(parents[name], parents) if name in parents else 0


#: Options of a bond that can be zero -> how a .netdev file says so.
_ZEROS = {"updelay": "UpDelaySec=0ms", "downdelay": "DownDelaySec=0ms", "min_links": "MinLinks=0"}


def _make(link: LinkSeen) -> list[list[str]]:
    """The calls that make a virtual link again, and give one that is still there its options."""
    options = link.get("options", {})
    fixed, live = (
        [word for name, option in names.items() if name in options for word in (option, options[name])]
        for names in _MAKE[link["kind"]]
    )
    parent = ["link", options["parent"]] if "parent" in options else []
    commands = [["ip", "link", "add", *parent, "name", link["name"], "type", link["kind"], *fixed, *live]]
    if live:
        commands.append(["ip", "link", "set", "dev", link["name"], "type", link["kind"], *live])
    return commands


def _same_file(one: File, other: File) -> bool:
    return one["text"] == other["text"] and int(one["mode"], 8) == int(other["mode"], 8)


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removeprefix(PREFIX).rpartition(".")[0]


def _host(address: str) -> str:
    return str(ipaddress.ip_interface(address).ip)


def _family(route: RouteSeen) -> list[str]:
    return ["-6"] if ":" in route["destination"] + route["gateway"] else []


def _route(route: RouteSeen) -> list[str]:
    """A route, in the words of ip(8)."""
    words = [route["destination"]]
    if route["gateway"]:
        words += ["via", route["gateway"]]
    words += ["dev", route["device"], "proto", route["protocol"]]
    if route["metric"]:
        words += ["metric", str(route["metric"])]
    if route["table"] != 254:
        words += ["table", str(route["table"])]
    return words


def _same_route(seen: RouteSeen, wanted: Mapping[str, object]) -> bool:
    keys = ("destination", "gateway", "table")
    return all(seen[key] == wanted[key] for key in keys) and seen["metric"] == (wanted["metric"] or seen["metric"])  # type: ignore[literal-required]


def _route_text(route: Mapping[str, object]) -> str:
    text = str(route["destination"])
    if route["gateway"]:
        text += f" via {route['gateway']}"
    if route["metric"] is not None:
        text += f" metric {route['metric']}"
    return text if route["table"] == 254 else f"{text} table {route['table']}"


def _with(link: LinkWanted) -> str:
    """What is worth saying of a new link."""
    parts = []
    if link["members"]:
        parts.append(f"of {', '.join(link['members'])}")
    if link["addresses"]:
        parts.append(f"with {', '.join(link['addresses'])}")
    return f" {' '.join(parts)}" if parts else ""
