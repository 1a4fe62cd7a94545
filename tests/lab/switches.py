# SPDX-License-Identifier: Apache-2.0
"""Two switches for emulated machines: Open vSwitch in userspace, with daemons and a database of their own.

Nothing of the system's Open vSwitch is used or touched. The daemons die with the process that made the switches. This
computer stands at the other end of every VLAN as the gateway. Needs root.

A port of a switch is a trunk: untagged frames are in the VLAN ``NATIVE``, the others pass with their tags.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.lab import host
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import (
    Bridge,
    LabError,
    alias_prefix,
    overlaps,
    parse_claims,
)
from tests.lab.capture import Capture

#: All devices of these labs carry the alias of this "cloud".
LAB = "emulated"
SWITCHES = ("sw-a", "sw-b")
NATIVE = 10
#: Every VLAN that the switches know, with its subnet; the first address is this computer's.
VLANS: Mapping[int, str] = {
    NATIVE: "198.18.16.0/24",
    100: "198.18.17.0/24",
    101: "198.18.18.0/24",
    102: "198.18.19.0/24",
    103: "198.18.20.0/24",
}
MTU = 9000

#: Where Debian has the daemons (openvswitch-switch, openvswitch-common).
DAEMONS = ("/usr/sbin", "/usr/lib/openvswitch-switch", "/usr/lib/openvswitch-common")
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def address(vlan: int, number: int) -> str:
    """The address with this number in the subnet of a VLAN; 1 is the gateway."""
    return f"{VLANS[vlan].rpartition('.')[0]}.{number}"


def address6(vlan: int, number: int) -> str:
    """As :func:`address`, in the unique local IPv6 subnet of a VLAN, a /64."""
    return f"fd5a:4f7a:6f6e:{vlan:x}::{number:x}"


def gateway_device(vlan: int) -> str:
    """This computer's network device in a VLAN."""
    return f"ozgw{vlan}"


def wanted_networks() -> list[Bridge]:
    """The networks as the check against those of this computer wants them."""
    return [
        Bridge(gateway_device(vlan), f"{alias_prefix(LAB)}vlan:{vlan}", f"vlan-{vlan}", LAB, net, address(vlan, 1), MTU)
        for vlan, net in VLANS.items()
    ]


def port_columns(vlans: Sequence[int] = tuple(VLANS), native: int = NATIVE) -> list[str]:
    """Columns of a trunk port. A frame that comes untagged is in the native VLAN, and leaves it so."""
    trunks = ",".join(str(vlan) for vlan in sorted({*vlans, native}))
    return ["vlan_mode=native-untagged", f"tag={native}", f"trunks={trunks}"]


def program(name: str) -> str:
    """Path of a daemon or tool of Open vSwitch. Raises LabError when it is not installed."""
    found = shutil.which(name, path=os.pathsep.join([*DAEMONS, os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise LabError(f"{name} is not installed; remedy: apt-get install openvswitch-switch")
    return found


class Switches:
    """The switches, running from when they are made until they are closed."""

    def __init__(self, directory: Path) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise LabError("start switches from the main thread: what it starts ends with the thread")
        self.directory = directory
        self.ports: dict[str, str] = {}  # device -> switch
        self.groups: dict[str, tuple[str, ...]] = {}  # name -> devices
        self._processes: list[subprocess.Popen[bytes]] = []
        self._database = directory / "db.sock"
        self.capture: Capture | None = None
        self._remove_devices()
        self._check()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._start()
            self.capture = Capture()
        except BaseException:
            self.close()
            raise

    @property
    def packets(self) -> Capture:
        """The capture of all links of machines."""
        assert self.capture is not None
        return self.capture

    def _check(self) -> None:
        routes = json.loads(host.must(host.run, ["ip", "-json", "route", "show", "table", "all"]) or "[]")
        addresses = json.loads(host.must(host.run, ["ip", "-json", "address", "show"]) or "[]")
        claims = parse_claims(routes, addresses, host.aliases(host.links(host.run)))
        errors = overlaps(wanted_networks(), claims, LAB)
        if errors:
            raise LabError("\n".join(errors))

    def _remove_devices(self) -> None:
        """Remove what a run that was killed has left behind."""
        for name in host.devices_of(host.links(host.run), LAB):
            host.run(["ip", "link", "delete", name])

    def _daemon(self, name: str, *arguments: str) -> None:
        log = (self.directory / f"{name}.log").open("wb")
        variables = {key: str(self.directory) for key in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")}
        with log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", program(name), *arguments, "--no-chdir", "--pidfile",
                 f"--unixctl={self.directory / name}.ctl", "-vconsole:info", "-vsyslog:off"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **variables},
                cwd=self.directory, start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)

    def _start(self) -> None:
        file = self.directory / "conf.db"
        file.unlink(missing_ok=True)
        host.must(host.run, [program("ovsdb-tool"), "create", str(file), SCHEMA])
        self._daemon("ovsdb-server", str(file), f"--remote=punix:{self._database}")
        if not host.wait_until(self._database.exists, 20):
            raise LabError(f"ovsdb-server did not start: {self._log('ovsdb-server')}")
        self.vsctl("--no-wait", "init")
        self._daemon("ovs-vswitchd", f"unix:{self._database}")
        commands: list[str] = []
        for name in SWITCHES:
            commands += ["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev"]
            commands += ["fail_mode=standalone", "other_config:mac-aging-time=15", "mcast_snooping_enable=false"]
        for name, peer in (SWITCHES, SWITCHES[::-1]):
            port = f"to-{peer}"
            commands += ["--", "add-port", name, port, *port_columns(), "--", "set", "interface", port, "type=patch"]
            commands += [f"options:peer=to-{name}"]
        for vlan in VLANS:
            device = gateway_device(vlan)
            commands += ["--", "add-port", SWITCHES[0], device, f"tag={vlan}"]
            commands += ["--", "set", "interface", device, "type=internal", f"mtu_request={MTU}"]
        self.vsctl(*commands[1:])
        devices = {gateway_device(vlan): f"vlan:{vlan}" for vlan in VLANS}
        devices |= {name: f"switch:{name}" for name in (*SWITCHES, "ovs-netdev")}
        if not host.wait_until(lambda: all(Path("/proc/sys/net/ipv4/conf", name).exists() for name in devices), 20):
            raise LabError(f"ovs-vswitchd did not make the switches: {self._log('ovs-vswitchd')}")
        for name, alias in devices.items():
            self._quiet(name, alias)
        for vlan, net in VLANS.items():
            device = gateway_device(vlan)
            bits = net.rpartition("/")[2]
            host.must(host.run, ["ip", "link", "set", device, "up"])
            host.must(host.run, ["ip", "address", "add", f"{address(vlan, 1)}/{bits}", "dev", device])
            host.run(["ip", "-6", "address", "add", f"{address6(vlan, 1)}/64", "dev", device, "nodad"])

    def _quiet(self, device: str, alias: str) -> None:
        """Mark a device as ours; this computer neither solicits nor advertises routers on it."""
        host.must(host.run, ["ip", "link", "set", device, "alias", f"{alias_prefix(LAB)}{alias}"])
        for key, value in (("accept_ra", "0"), ("autoconf", "0"), ("router_solicitations", "0")):
            switch = Path("/proc/sys/net/ipv6/conf", device, key)
            if switch.exists():
                switch.write_text(value, encoding="utf-8")

    def _log(self, daemon: str) -> str:
        path = self.directory / f"{daemon}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-10:]) if path.exists() else "no log"

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl on the switches."""
        return host.must(host.run, [program("ovs-vsctl"), f"--db=unix:{self._database}", "--timeout=20", *arguments])

    def appctl(self, *arguments: str) -> str:
        """Ask ovs-vswitchd, for example ``bond/show`` or ``lacp/show``."""
        control = str(self.directory / "ovs-vswitchd.ctl")
        return host.must(host.run, [program("ovs-appctl"), "-t", control, *arguments])

    # -- ports of machines

    def plug(self, device: str, switch: str, alias: str) -> None:
        """Make a tap for a NIC of a machine and connect it to a switch, as a trunk."""
        if switch not in SWITCHES:
            raise LabError(f"{device}: there is no switch {switch}; there are: {', '.join(SWITCHES)}")
        host.must(host.run, ["ip", "tuntap", "add", device, "mode", "tap"])
        self._quiet(device, alias)
        disable = Path("/proc/sys/net/ipv6/conf", device, "disable_ipv6")
        if disable.exists():
            disable.write_text("1", encoding="utf-8")
        host.must(host.run, ["ip", "link", "set", device, "mtu", str(MTU), "up"])
        self.vsctl("add-port", switch, device, *port_columns())
        self.ports[device] = switch
        self.packets.add(device)

    def unplug(self, device: str) -> None:
        """Remove the tap of a NIC."""
        self.packets.remove(device)
        self.ports.pop(device, None)
        # A port that is in an aggregation group leaves it with the group.
        self.vsctl("--if-exists", "--with-iface", "del-port", device)
        host.run(["ip", "link", "delete", device])

    def carrier(self, device: str, on: bool) -> None:
        """What the switch sees when the cable of a NIC is pulled out or put back."""
        host.must(host.run, ["ip", "link", "set", device, "carrier", "on" if on else "off"])

    def trunk(self, device: str, vlans: Sequence[int] = tuple(VLANS), native: int = NATIVE) -> None:
        """Let these VLANs pass on a port (or group): a VLAN that is missing here is a mistake on the switch."""
        self.vsctl("set", "port", device, *port_columns(vlans, native))

    def access(self, device: str, vlan: int) -> None:
        """Make a port carry one VLAN, untagged."""
        self.vsctl(
            "--", "clear", "port", device, "trunks", "--", "set", "port", device, "vlan_mode=access", f"tag={vlan}"
        )

    def group(self, name: str, devices: Sequence[str], vlans: Sequence[int] = tuple(VLANS)) -> None:
        """Make ports of one switch an aggregation group that speaks LACP, and carries nothing without a partner."""
        switches = {self.ports[device] for device in devices}
        if len(switches) != 1:
            raise LabError(f"{name}: an aggregation group is within one switch, not {', '.join(sorted(switches))}")
        commands: list[str] = []
        for device in devices:
            commands += ["--", "--if-exists", "del-port", device]
        commands += ["--", "add-bond", switches.pop(), name, *devices, "lacp=active", "bond_mode=balance-slb"]
        commands += ["other_config:lacp-time=fast", "other_config:bond-rebalance-interval=0", *port_columns(vlans)]
        self.vsctl(*commands[1:])
        self.groups[name] = tuple(devices)

    def ungroup(self, name: str) -> None:
        """Make the ports of a group trunks of their own again."""
        commands = ["--if-exists", "del-port", name]
        for device in self.groups.pop(name):
            commands += ["--", "add-port", self.ports[device], device, *port_columns()]
        self.vsctl(*commands)

    def reset(self, devices: Sequence[str]) -> None:
        """Make these ports what they were when they were plugged in, and forget who was seen where."""
        for name in [name for name, members in self.groups.items() if set(members) & set(devices)]:
            self.ungroup(name)
        for device in devices:
            self.vsctl("clear", "port", device, "trunks", "--", "set", "port", device, *port_columns())
        for switch in SWITCHES:
            self.appctl("fdb/flush", switch)
        for vlan in VLANS:  # what this computer remembers of MACs may be of a machine as it was
            host.run(["ip", "neighbour", "flush", "dev", gateway_device(vlan)])

    def lacp_partners(self, name: str) -> dict[str, str]:
        """Member of a group -> system id of its partner; all zeros: there is none."""
        partners: dict[str, str] = {}
        member = ""
        for line in self.appctl("lacp/show", name).splitlines():
            words = line.split()
            if words[:1] in (["member:"], ["slave:"]):
                member = words[1].rstrip(":")
            elif words[:2] == ["partner", "sys_id:"] and member:
                partners[member] = words[2]
        return partners

    def close(self) -> None:
        """Remove the switches with all their ports."""
        if self.capture is not None:
            self.capture.close()
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        self._processes.clear()
        self._remove_devices()
