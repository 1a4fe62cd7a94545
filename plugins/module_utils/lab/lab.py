# SPDX-License-Identifier: Apache-2.0
"""The lab of one cloud, and its machines: what the modules do, put together from plans, files and host commands."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import (
    exclusive,
    private_directory,
    write_atomic,
    write_if_changed,
)
from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import url_host
from ansible_collections.ozone.openstack.plugins.module_utils.lab import files, host, launch
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import (
    Bridge,
    LabError,
    Node,
    overlaps,
    parse_claims,
)

#: Device nodes that every machine may use: fuse-overlayfs; taps of Open vSwitch and QEMU.
DEVICES = ("/dev/fuse", "/dev/net/tun")

#: Kernel modules that a lab uses, loaded where they are modules at all.
MODULES = ("bridge", "fuse", "overlay", "tun", "veth")


@dataclass
class Lab:
    """The lab of a cloud on this computer."""

    cloud: str
    cache: Path
    state: Path
    check: bool = False
    run: host.Runner = host.run
    host: launch.Host = field(default_factory=host.this_host)
    warnings: list[str] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        """Where the nodes of the cloud are."""
        return self.cache / "lab" / self.cloud

    @property
    def ssh(self) -> Path:
        """Key and known hosts of the cloud."""
        return self.state / "ssh"

    @property
    def images(self) -> Path:
        """The image store that the nodes share."""
        return self.cache / "images" / "store"

    def networks(self, wanted: list[Bridge]) -> list[str]:
        """Make the bridges and the SSH key; tell what was done. Raises LabError before anything is made."""
        links = host.links(self.run)
        addresses = json.loads(host.must(self.run, ["ip", "-json", "address", "show"]) or "[]")
        routes = json.loads(host.must(self.run, ["ip", "-json", "route", "show", "table", "all"]) or "[]")
        routes += json.loads(self.run(["ip", "-6", "-json", "route", "show", "table", "all"]).out or "[]")
        errors = overlaps(wanted, parse_claims(routes, addresses, host.aliases(links)), self.cloud)
        if errors:
            raise LabError("\n".join(errors))
        by_name = {str(link["ifname"]): link for link in links}
        has = {
            str(link["ifname"]): [
                f"{entry['local']}/{entry['prefixlen']}"
                for entry in link.get("addr_info", [])
                if entry.get("scope") != "link"
            ]
            for link in addresses
        }
        commands: list[list[str]] = []
        changes: list[str] = []
        names = {bridge.device for bridge in wanted}
        for device in host.devices_of(links, self.cloud):
            if by_name[device].get("linkinfo", {}).get("info_kind") == "bridge" and device not in names:
                commands.append(["ip", "link", "delete", device])
                changes.append(f"{device} removed")
        for bridge in wanted:
            more, reasons = host.bridge_commands(bridge, by_name.get(bridge.device), has.get(bridge.device, []))
            commands += more
            changes += reasons
        key = self.ssh / "id_ed25519"
        if not key.exists():
            changes.append(str(key))
        if self.check:
            return changes
        if changes:
            self.run(["modprobe", "--all", "--quiet", *MODULES])
        for command in commands:
            host.must(self.run, command)
        private_directory(self.ssh)
        host.key_pair(self.run, key, f"ozone-{self.cloud}")
        self._warn()
        return changes

    def _warn(self) -> None:
        """A firewall of the host that keeps nodes from talking to each other: it may see the frames of bridges."""
        switch = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
        if not switch.exists() or switch.read_text(encoding="utf-8").strip() != "1":
            return
        if "-P FORWARD DROP" in self.run(["iptables", "--list-rules", "FORWARD"]).out:
            self.warnings.append(
                "the firewall of this computer drops what bridges forward (net.bridge.bridge-nf-call-iptables = 1 and "
                "policy DROP of FORWARD, perhaps Docker's); when nodes cannot reach each other, set the former to 0"
            )

    def remove(self, bridges: Sequence[str] = ()) -> list[str]:
        """Remove the whole lab, whatever of it is there; tell what was removed. ``bridges``: names that it may have."""
        changes: list[str] = []
        nodes = sorted(entry.name for entry in self.directory.iterdir()) if self.directory.is_dir() else []
        devices = host.devices_of(host.links(self.run), self.cloud, bridges)
        changes += [f"node {name}" for name in nodes] + devices
        if self.check or not changes:
            return changes
        for name in nodes:
            host.power_off(self.run, self.host, self.cloud, name, self.directory / name / "lock")
        host.remove_cgroup(self.run, self.host, self.cloud)
        host.delete_devices(self.run, host.devices_of(host.links(self.run), self.cloud, bridges))
        for name in nodes:
            record = self.directory / name / "node.json"
            address = json.loads(record.read_text(encoding="utf-8"))["management"] if record.exists() else ""
            if address:
                self.run(["ss", "--kill", "--no-header", "dst", url_host(address)])
            host.remove_tree(self.directory / name, self.run)
        host.remove_tree(self.directory, self.run)
        (self.ssh / "known_hosts").unlink(missing_ok=True)
        (self.ssh / "known_hosts.lock").unlink(missing_ok=True)
        return changes


@dataclass
class Machine:
    """A node of the lab."""

    lab: Lab
    node: Node
    timeout: float = 60.0
    kvm: bool = False

    @property
    def directory(self) -> Path:
        """Everything of this node, on this computer."""
        return self.lab.directory / self.node.name

    def _place(self, root: Path) -> launch.Place:
        return launch.Place(root=root, directory=self.directory, images=self.lab.images)

    def _root(self) -> Path:
        """The root that this node was made from."""
        try:
            key = (self.directory / "root").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            raise LabError(f"there is no lab node {self.node.name}; remedy: make the lab first") from None
        return self.lab.cache / "roots" / key

    def record(self) -> str:
        """What the node was made as; empty when there is none."""
        try:
            return (self.directory / "node.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def running(self) -> bool:
        """Whether it has power."""
        return host.running(self.directory / "lock")

    def present(self, root: Path) -> list[str]:
        """Make it as it should be, start it, wait for it. A node that exists keeps the root it was made from."""
        if (self.directory / "root").exists():
            root = self._root()
        place = self._place(root)
        devices = [*DEVICES, *(["/dev/kvm"] if self.kvm else [])]
        script = launch.script(self.node, place, self.lab.host, devices)
        changes: list[str] = []
        same = self.record() == self.node.to_json() and place.script.exists()
        if not same:
            changes.append("changed" if self.record() else "made")
        elif write_if_changed(place.script, script, 0o755, check=self.lab.check):
            changes.append("launch script written, for the next start")
        on = self.running()
        if not on or not same:
            changes.append("started")
        if self.lab.check:
            return changes
        if on and not same:
            self.power_off()
        if not same:
            self._make(root, script)
        if not on or not same:
            self._start(place)
        self.wait()
        return changes

    def _make(self, root: Path, script: str) -> None:
        """Write the files of the node. ``node.json`` comes last: without it, the next run begins anew."""
        if not root.is_dir():
            raise LabError(f"{root}: no such node root; remedy: make the lab again from its beginning")
        (self.directory / "node.json").unlink(missing_ok=True)
        private_directory(self.directory)
        # The way to the image store must be there when it is bound, even if there are no images yet.
        self.lab.images.mkdir(parents=True, exist_ok=True)
        key = self.directory / "host_key"
        host.key_pair(self.lab.run, key, f"root@{self.node.name}")
        public = key.with_name("host_key.pub").read_text(encoding="utf-8")
        authorized = (self.lab.ssh / "id_ed25519.pub").read_text(encoding="utf-8")
        seed = Path(tempfile.mkdtemp(prefix=".seed.", dir=self.directory))
        contents = files.node_files(
            self.node, authorized, {"private": key.read_text(encoding="utf-8"), "public": public}
        )
        for path, content in contents.items():
            target = seed / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            write_atomic(target, content.text, content.mode)
        host.remove_tree(self.directory / "seed", self.lab.run)
        os.rename(seed, self.directory / "seed")
        self._know(public)
        write_atomic(self.directory / "root", f"{root.name}\n")
        write_atomic(self.directory / "run", script, 0o755)
        write_atomic(self.directory / "node.json", self.node.to_json())

    def _know(self, public: str) -> None:
        """Put the node's host key into the cloud's known hosts, or remove it (empty)."""
        private_directory(self.lab.ssh)
        path = self.lab.ssh / "known_hosts"
        with exclusive(self.lab.ssh / "known_hosts.lock"):
            old = path.read_text(encoding="utf-8") if path.exists() else ""
            write_if_changed(path, files.known_hosts(old, self.node, public))

    def _start(self, place: launch.Place) -> None:
        self.lab.images.mkdir(parents=True, exist_ok=True)
        # Should the launch script have been killed alone, the machine may still be there, on the same files.
        self.power_off()
        host.must(self.lab.run, launch.start_argv(self.node, place, self.lab.host))

    def power_off(self) -> None:
        """Pull the plug."""
        host.power_off(
            self.lab.run, self.lab.host, self.node.cloud, self.node.name, self.directory / "lock", self.node.management
        )

    def ssh(self, *command: str, timeout: float = 15.0) -> host.Result:
        """Run a command in the node."""
        return host.run(host.ssh_argv(self.lab.ssh, self.node.management, command), timeout)

    def wait(self) -> None:
        """Wait until SSH answers and the boot is over. Raises LabError with the end of the console."""
        last = host.Result(0, "", "")

        def up() -> bool:
            nonlocal last
            last = self.ssh("systemctl", "is-system-running")
            # "degraded": a unit failed. That is for roles and tests to judge, the lab's job is done.
            return last.out.strip() in ("running", "degraded")

        def dead() -> bool:
            return not self.running()

        host.wait_until(self.running, 5)
        if host.wait_until(lambda: up() or dead(), self.timeout, 0.2) and not dead():
            return
        console = self.directory / "console.log"
        tail = "\n".join(console.read_text(errors="replace").splitlines()[-15:]) if console.exists() else ""
        why = "stopped" if dead() else f"does not answer within {self.timeout:g} s ({(last.out or last.err).strip()})"
        raise LabError(f"lab node {self.node.name} {why}; its console, {console}, ends with:\n{tail}")

    def stopped(self) -> list[str]:
        """Shut it down in an orderly way."""
        if not self.running():
            return []
        if not self.lab.check:
            host.shut_down(self.directory / "pid", host.process_name)
            if not host.wait_until(lambda: not self.running(), self.timeout):
                raise LabError(
                    f"lab node {self.node.name} is still on {self.timeout:g} s after it was told to power off"
                )
        return ["stopped"]

    def killed(self) -> list[str]:
        """Take its power away."""
        if not self.running():
            return []
        if not self.lab.check:
            self.power_off()
        return ["killed"]

    def restarted(self) -> list[str]:
        """Take its power away and start it again."""
        root = self._root()
        if not self.lab.check:
            if self.running():
                self.power_off()
            self._start(self._place(root))
            self.wait()
        return ["restarted"]

    def absent(self) -> list[str]:
        """Remove it with its data."""
        if not self.directory.exists():
            return []
        if not self.lab.check:
            self.power_off()
            host.remove_cgroup(self.lab.run, self.lab.host, self.node.cloud, self.node.name)
            host.delete_devices(self.lab.run, [nic.device for nic in self.node.nics])
            host.remove_tree(self.directory, self.lab.run)
            self._know("")
        return ["removed"]
