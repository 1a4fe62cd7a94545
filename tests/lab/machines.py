# SPDX-License-Identifier: Apache-2.0
"""Emulated machines with a kernel of their own, several NICs on two switches, and no network needed to look inside.

QEMU emulates them in software, so they are slow: seconds for what takes a moment. A machine that has booted is saved
once (:meth:`Machine.save`) and brought back by :meth:`Machine.restore` in a few seconds, whatever a test did to it.

    with MachineLab() as lab:
        machine = lab.machine()          # booted, SSH answers
        machine.cable(1, plugged=False)  # pull the cable of its second NIC
        print(machine.inside("networkctl").out)
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive
from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import bootstrap, debian_mirror
from ansible_collections.ozone.openstack.plugins.module_utils.lab import host
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError
from ansible_collections.ozone.openstack.plugins.module_utils.lab.root import SUITE
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir
from tests.lab.capture import Packet, Pings
from tests.lab.machine_image import PACKAGES, PORT, build_image, injection
from tests.lab.switches import VLANS, Switches, address

ROOT = Path(__file__).resolve().parents[2]

#: Where the NICs of a machine are plugged in. A bond over 0 and 1 has two switches, an LACP bond over 2 and 3 has one.
NICS = ("sw-a", "sw-b", "sw-a", "sw-a", "sw-b")
MEMORY_MB = 768
#: For unshare(2).
CLONE_NEWNET = 0x40000000
#: The PCI slot of the first NIC; the kernel calls it ens16, the next one ens17.
FIRST_SLOT = 16

#: The VLAN and address over which a machine is reached when nothing else is said.
OPERATOR_VLAN = 100

#: cx16 is off because QEMU 7.2 gets cmpxchg16b wrong now and then (the guest's kernel crashes in its allocator).
CPU = "qemu64,-cx16"
CMDLINE = (
    "console=ttyS0 quiet mitigations=off tsc=reliable no_timer_check nowatchdog random.trust_cpu=on panic=5 "
    "systemd.show_status=0"
)
#: No frame may need help of the network card: the switches are programs. And QEMU 7.2 forgets the filter for VLANs when
#: it restores a machine. LACP wants to know how fast a link is.
PLAIN = (
    "speed=10000,duplex=full,ctrl_vlan=off,csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,"
    "guest_ufo=off"
)


@dataclass(frozen=True)
class Nic:
    """A NIC of a machine."""

    machine: int
    index: int
    switch: str

    @property
    def device(self) -> str:
        """The tap on this computer."""
        return f"ozt{self.machine}n{self.index}"

    @property
    def mac(self) -> str:
        """Its permanent address."""
        return f"02:4f:5a:00:{self.machine:02x}:{self.index:02x}"

    @property
    def name(self) -> str:
        """Its name in the machine."""
        return f"ens{FIRST_SLOT + self.index}"

    @property
    def pci(self) -> str:
        """Its place in the machine."""
        return f"0000:00:{FIRST_SLOT + self.index:02x}.0"

    @property
    def id(self) -> str:
        """Its name for QEMU."""
        return f"nic{self.index}"

    def properties(self) -> dict[str, str]:
        """The device for QEMU."""
        plain = dict(item.split("=") for item in PLAIN.split(","))
        place = {"id": self.id, "netdev": f"net{self.index}", "mac": self.mac, "bus": "pci.0"}
        return {"driver": "virtio-net-pci", **place, "addr": f"{FIRST_SLOT + self.index:#x}", "romfile": "", **plain}


def qemu_argv(nics: Iterable[Nic], kernel: Path, files: Path, sockets: Path, snapshot: str = "") -> list[str]:
    """The command line of QEMU. ``files`` has disk and initrd; ``snapshot``: go on from there instead of booting."""
    argv = [
        "qemu-system-x86_64", "-machine", "pc,usb=off", "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "1",
        "-m", str(MEMORY_MB), "-nodefaults", "-no-user-config", "-display", "none",
        "-kernel", str(kernel), "-initrd", str(files / "initrd"), "-append", CMDLINE,
        # What the machine has flushed is safe from the death of QEMU; the cache of this computer survives it.
        "-drive", f"file={files / 'disk.qcow2'},if=none,id=disk,cache=writeback,discard=unmap",
        "-device", "virtio-blk-pci,drive=disk,addr=0x4",
        "-device", "virtio-rng-pci,addr=0x5", "-device", "virtio-serial-pci,addr=0x6",
        "-chardev", f"socket,id=agent,path={sockets / 'agent'},server=on,wait=off",
        "-device", f"virtserialport,chardev=agent,name={PORT}",
        "-chardev", f"file,id=console,path={files / 'console.log'},append=on", "-serial", "chardev:console",
        "-qmp", f"unix:{sockets / 'qmp'},server=on,wait=off",
    ]  # fmt: skip
    for nic in nics:
        argv += ["-netdev", f"tap,id=net{nic.index},ifname={nic.device},script=no,downscript=no"]
        properties = nic.properties()
        driver = properties.pop("driver")
        argv += ["-device", ",".join([driver, *(f"{key}={value}" for key, value in properties.items())])]
    return [*argv, "-loadvm", snapshot] if snapshot else argv


def single_nic(nic: Nic, number: int = 10, vlan: int = 10) -> dict[str, str]:
    """Files for networkd: one NIC, untagged, with the address of this number in the native VLAN."""
    text = (
        f"[Match]\nName={nic.name}\n\n[Network]\nDHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"
        f"Address={address(vlan, number)}/24\nGateway={address(vlan, 1)}\n"
    )
    return {"/etc/systemd/network/10-first.network": text}


def bond_with_vlan(
    members: Sequence[Nic], number: int = 10, vlan: int = OPERATOR_VLAN, mode: str = "active-backup"
) -> dict[str, str]:
    """Files for networkd: a bond of NICs with a VLAN on it that has the address of this number, and the gateway."""
    quiet = "DHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"
    lacp = "LACPTransmitRate=fast\n" if mode == "802.3ad" else ""
    at = "/etc/systemd/network/10-"
    return {
        f"{at}bond0.netdev": f"[NetDev]\nName=bond0\nKind=bond\n\n[Bond]\nMode={mode}\nMIIMonitorSec=100ms\n{lacp}",
        f"{at}bond0.network": f"[Match]\nName=bond0\n\n[Network]\n{quiet}VLAN=vlan{vlan}\n",
        f"{at}vlan{vlan}.netdev": f"[NetDev]\nName=vlan{vlan}\nKind=vlan\n\n[VLAN]\nId={vlan}\n",
        f"{at}vlan{vlan}.network": f"[Match]\nName=vlan{vlan}\n\n[Network]\n{quiet}Address={address(vlan, number)}/24\n"
        f"Gateway={address(vlan, 1)}\n",
        **{f"{at}{nic.name}.network": f"[Match]\nName={nic.name}\n\n[Network]\n{quiet}Bond=bond0\n" for nic in members},
    }


class Qmp:
    """The control connection to QEMU."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        self._stream = self._socket.makefile("rb")
        self._events: list[dict[str, Any]] = []
        self._read()  # the greeting
        self("qmp_capabilities")

    def _read(self) -> dict[str, Any]:
        line = self._stream.readline()
        if not line:
            raise LabError("QEMU closed its control connection")
        message: dict[str, Any] = json.loads(line)
        return message

    def __call__(self, command: str, **arguments: Any) -> Any:
        """Execute a command; what it returns. Raises LabError."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self._read()
            if "event" in message:
                self._events.append(message)
            elif "error" in message:
                raise LabError(f"{command}: {message['error']['desc']}")
            else:
                return message["return"]

    def monitor(self, line: str, timeout: float = 120.0) -> None:
        """A command of the human monitor, which says nothing unless it fails."""
        self._socket.settimeout(timeout)
        answer = str(self("human-monitor-command", **{"command-line": line})).strip()
        self._socket.settimeout(60)
        if answer:
            raise LabError(f"{line}: {answer}")

    def await_event(self, name: str, device: str, timeout: float) -> bool:
        """Wait for an event about a device; False when it does not come."""
        end = time.monotonic() + timeout
        try:
            while True:
                for event in self._events:
                    if event["event"] == name and event["data"].get("device") == device:
                        self._events.remove(event)
                        return True
                self._socket.settimeout(max(0.1, end - time.monotonic()))
                self._events.append(self._read())
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(60)

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._socket.close()


@dataclass(frozen=True)
class Inside:
    """What a command did inside a machine."""

    code: int
    out: str


@dataclass(frozen=True)
class Result:
    """What became of a run of Ansible: its exit code, what the module returned, what was printed."""

    code: int
    returned: dict[str, Any]
    output: str
    seconds: float


@dataclass
class Machine:
    """An emulated machine. ``number`` decides about its addresses: 10 for the first machine, 11 for the next."""

    lab: MachineLab
    name: str
    nics: tuple[Nic, ...]
    number: int
    kernel: Path
    files: Path
    sockets: Path
    address: str  # over which SSH and Ansible reach it
    started: float = 0.0
    _process: subprocess.Popen[bytes] | None = None
    _qmp: Qmp | None = None
    _agent: socket.socket | None = None
    _requests: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # -- power

    def start(self, snapshot: str = "") -> None:
        """Switch it on, or go on from a snapshot. Does not wait for anything inside."""
        if threading.current_thread() is not threading.main_thread():
            raise LabError("start machines from the main thread: QEMU ends with the thread that started it")
        self.kill()
        for name in ("agent", "qmp"):
            (self.sockets / name).unlink(missing_ok=True)
        argv = qemu_argv(self.nics, self.kernel, self.files, self.sockets, snapshot)
        with (self.files / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.started = time.monotonic()
        if not host.wait_until(lambda: (self.sockets / "qmp").exists() or not self.running(), 20) or not self.running():
            raise LabError(f"{self.name} did not start: {(self.files / 'qemu.log').read_text(errors='replace')[-500:]}")
        self._qmp = Qmp(self.sockets / "qmp")

    def running(self) -> bool:
        """Whether QEMU runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Take its power away. What was not flushed to the disk is lost."""
        for connection in (self._qmp, self._agent):
            if connection is not None:
                connection.close()
        self._qmp = self._agent = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
        self._process = None
        for shared in (self.sockets / "cp").iterdir():  # connections that Ansible keeps open lead nowhere now
            shared.unlink(missing_ok=True)

    def power_cut(self) -> None:
        """Take its power away and give it back: it boots from its disk as it is."""
        self.kill()
        self.start()

    def reset(self) -> None:
        """Press the reset button."""
        self.qmp("system_reset")
        self.started = time.monotonic()

    def qmp(self, command: str, **arguments: Any) -> Any:
        """A command for QEMU."""
        if self._qmp is None:
            raise LabError(f"{self.name} is off")
        return self._qmp(command, **arguments)

    # -- snapshots

    def save(self, name: str = "clean") -> None:
        """Remember the running machine: memory, devices, disk."""
        assert self._qmp is not None
        self._qmp.monitor(f"savevm {name}")

    def restore(self, name: str = "clean") -> None:
        """Make it again what it was when it was saved, with all cables in; only its clock shows the real time."""
        self.lab.switches.reset(self.links)
        self.start(snapshot=name)
        self.inside(f"date --set=@{time.time():.3f}")

    # -- NICs

    def cable(self, index: int, *, plugged: bool) -> None:
        """Pull out or put back the cable of a NIC: neither end has a link any more."""
        nic = self.nics[index]
        self.qmp("set_link", name=nic.id, up=plugged)
        self.lab.switches.carrier(nic.device, plugged)

    def remove_nic(self, index: int, limit: float = 30) -> None:
        """Take a NIC out of the machine, which agrees to it."""
        assert self._qmp is not None
        nic = self.nics[index]
        self.qmp("device_del", id=nic.id)
        if not self._qmp.await_event("DEVICE_DELETED", nic.id, limit):
            raise LabError(f"{self.name} did not let go of {nic.name} within {limit:g} s")

    def insert_nic(self, index: int) -> None:
        """Put a NIC back into its slot."""
        self.qmp("device_add", **self.nics[index].properties())

    @property
    def links(self) -> list[str]:
        """The network devices of this computer that its cables end at."""
        return [nic.device for nic in self.nics]

    def dhcp_packets(self, since: float = 0.0) -> list[Packet]:
        """DHCP and router solicitations that it has sent since (wall clock)."""
        return self.lab.switches.packets.dhcp_packets(self.links, since)

    # -- inside

    def inside(self, command: str, timeout: float = 30.0, *, check: bool = True) -> Inside:
        """Run a shell command as root in the machine, without any network. It waits for a machine that boots."""
        with self._lock:
            end = time.monotonic() + timeout + 90
            self._requests += 1
            wanted = self._requests
            request = json.dumps({"id": wanted, "command": command, "timeout": timeout}).encode() + b"\n"
            if self._agent is None:
                self._agent = socket.socket(socket.AF_UNIX)
                self._agent.connect(str(self.sockets / "agent"))
            self._agent.sendall(request)
            pending = b""
            while time.monotonic() < end:
                self._agent.settimeout(max(0.1, end - time.monotonic()))
                try:
                    data = self._agent.recv(65536)
                except TimeoutError:
                    break
                if not data:
                    break
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    with contextlib.suppress(ValueError):  # half an answer to somebody who went away
                        answer = json.loads(line)
                        if answer["id"] == wanted:
                            result = Inside(answer["code"], answer["out"])
                            if check and result.code:
                                raise LabError(f"{self.name}: {command}: exit code {result.code}: {result.out[-2000:]}")
                            return result
            self._agent.close()
            self._agent = None
        raise LabError(f"{self.name}: nobody answers inside; {self.console()}")

    def console(self, lines: int = 30) -> str:
        """The end of what it printed."""
        path = self.files / "console.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return f"its console ({path}) ends with:\n" + "\n".join(text.splitlines()[-lines:])

    def write(self, files: Mapping[str, str]) -> None:
        """Put files into the machine, without any network."""
        for path, text in files.items():
            self.inside(f"mkdir -p {shlex.quote(os.path.dirname(path))} && printf %s {shlex.quote(text)} >{path}")

    def state(self) -> str:
        """What to look at when a test has failed."""
        commands = (
            "ip -br link; ip -br address; ip route; ip -6 route; networkctl --no-pager; ovs-vsctl --timeout=5 show; "
            "systemctl --failed --no-pager; journalctl --no-pager -n 60"
        )
        try:
            return self.inside(commands, 60, check=False).out
        except (LabError, OSError) as error:
            return str(error)

    # -- over the network

    def ssh(self, command: str, timeout: float = 60.0, *, address: str = "", check: bool = True) -> Inside:
        """Run a shell command as root over a new SSH connection."""
        done = host.run(host.ssh_argv(self.lab.keys, address or self.address, [command]), timeout)
        if check and done.code:
            raise LabError(f"{self.name}: ssh {command}: exit code {done.code}: {done.out}{done.err}")
        return Inside(done.code, done.out if done.code == 0 else done.out + done.err)

    def reachable(self, *, address: str = "", timeout: float = 15.0) -> bool:
        """Whether SSH answers, over a new connection."""
        return self.ssh("true", timeout, address=address, check=False).code == 0

    def wait_for_ssh(self, limit: float = 240.0, *, address: str = "") -> float:
        """Wait until SSH answers; the seconds since the machine was started."""
        if not host.wait_until(lambda: self.reachable(address=address) or not self.running(), limit, 0.2):
            raise LabError(f"{self.name}: no SSH at {address or self.address} within {limit:g} s; {self.console()}")
        if not self.running():
            raise LabError(f"{self.name} went off; {self.console()}")
        return time.monotonic() - self.started

    def wait_booted(self, limit: float = 240.0) -> None:
        """Wait until all that starts at boot has started, or failed."""
        self.inside("systemctl is-system-running --wait", limit, check=False)

    def pings(self, address: str = "") -> Pings:
        """Five pings a second while the block runs."""
        return Pings(address or self.address)

    # -- Ansible

    def inventory(self) -> Path:
        """An inventory with this machine, named ``node``."""
        variables = {
            "ansible_host": self.address,
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self.lab.keys / "id_ed25519"),
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={self.lab.keys / 'known_hosts'} "
            "-o IdentitiesOnly=yes -o BatchMode=yes",
        }
        path = self.files / "hosts.yml"
        path.write_text(json.dumps({"all": {"hosts": {"node": variables}}}), encoding="utf-8")
        return path

    def ansible(self, module: str, arguments: Mapping[str, Any], *options: str, limit: float = 400.0) -> Result:
        """Run one module (or action) on the machine by ansible-playbook, with the settings of a clone."""
        show = {"msg": "answer={{ answer | to_json | b64encode }}"}
        play = [
            {
                "hosts": "node",
                "gather_facts": False,
                "tasks": [
                    {
                        "name": "Run",
                        "block": [{"name": module, module: dict(arguments), "register": "answer"}],
                        "always": [
                            # Answered on this computer, without a module: a node that is cut off keeps silent.
                            {"name": "Show", "ansible.builtin.debug": show}
                        ],
                    }
                ],
            }
        ]  # fmt: skip
        playbook = self.files / "play.yml"
        playbook.write_text(json.dumps(play), encoding="utf-8")
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.sockets / "cp"),
        }
        begin = time.monotonic()
        done = subprocess.run(
            ["ansible-playbook", "-i", str(self.inventory()), str(playbook), *options],
            cwd=ROOT, env=environment, text=True, timeout=limit, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        found = re.search(r"answer=([A-Za-z0-9+/=]{20,})", done.stdout)
        returned = json.loads(base64.b64decode(found[1])) if found else {}
        output = done.stdout.replace(found[0], "") if found else done.stdout
        print(output)
        return Result(done.returncode, returned, output, time.monotonic() - begin)

    def configure(
        self, config: Sequence[Mapping[str, Any]], *options: str, limit: float = 400.0, **arguments: Any
    ) -> Result:
        """Run ``ozone.openstack.network_config`` on the machine. ``options`` are ansible-playbook's: ``--check``."""
        return self.ansible(
            "ozone.openstack.network_config", {"config": list(config), **arguments}, *options, limit=limit
        )


def image(packages: Sequence[str] = PACKAGES) -> Path:
    """The files of all machines, made when they are not there: only that needs Debian's mirror."""
    return build_image(cache_dir(os.environ), lambda: debian_mirror(SUITE), bootstrap, packages=packages)


def own_network() -> None:
    """Have this process and its children live in a network namespace of their own from here on (network_namespaces(7)).

    There is nothing in it but ``lo``, and labs in several of them know nothing of each other. Needs root, and the main
    thread: a thread that was there before stays where it is. Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    host.must(host.run, ["ip", "link", "set", "lo", "up"])


def _alive(run: Path) -> bool:
    """Whether the process that made this directory of a run is there."""
    return Path("/proc", run.name.split("-")[1]).exists()


class MachineLab:
    """Switches, keys and machines. There is one in a network at a time; another one waits for it, not for long."""

    def __init__(self, *, packages: Sequence[str] = PACKAGES, patience: float = 120.0) -> None:
        cache = cache_dir(os.environ)
        self._stack = contextlib.ExitStack()
        self.machines: list[Machine] = []
        with contextlib.ExitStack() as stack:
            (cache / "locks").mkdir(parents=True, exist_ok=True)
            # /proc/thread-self: other threads may be in another network.
            network = Path("/proc/thread-self/ns/net").stat().st_ino
            stack.enter_context(exclusive(cache / "locks" / f"emulated-{network}", patience))
            self.image = image(packages)
            for stale in cache.glob("machines/run-*"):
                if not _alive(stale):  # the run was killed, and its QEMU died with it
                    shutil.rmtree(stale, ignore_errors=True)
            prefix = f"run-{os.getpid()}-"
            self.directory = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix, dir=cache / "machines"))
            )
            # Paths of sockets are limited to 107 characters.
            self.sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ozm-")))
            self.keys = self.directory / "keys"
            self.keys.mkdir(mode=0o700)
            host.key_pair(host.run, self.keys / "id_ed25519", "ozone-lab")
            host.key_pair(host.run, self.keys / "host", "root@machine")
            public = (self.keys / "host.pub").read_text(encoding="utf-8")
            subnets = ",".join(f"{net.rpartition('.')[0]}.*" for net in VLANS.values())
            (self.keys / "known_hosts").write_text(f"{subnets},fd5a:* {public}", encoding="utf-8")
            self.switches = Switches(self.sockets / "switches")
            stack.callback(self.switches.close)
            self._stack = stack.pop_all()

    def __enter__(self) -> MachineLab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def new(
        self,
        name: str = "",
        *,
        nics: Sequence[str] = NICS,
        files: Mapping[str, str] | None = None,
        links: Mapping[str, str] | None = None,
        address: str = "",
    ) -> Machine:
        """A machine that is still off.

        ``files`` and ``links`` (path -> text, path -> target) are its first network configuration; without them, it
        has a bond of its first two NICs with the operator's VLAN on it. ``address``: where SSH is to find it.
        """
        order = len(self.machines)
        number = 10 + order
        name = name or f"machine{order}"
        cards = tuple(Nic(order, index, switch) for index, switch in enumerate(nics))
        work, sockets = self.directory / name, self.sockets / name
        work.mkdir()
        sockets.mkdir()
        (sockets / "cp").mkdir(mode=0o700)
        if files is None:
            files = bond_with_vlan(cards[:2], number)
        public = (self.keys / "id_ed25519.pub").read_text(encoding="utf-8")
        first = {
            "/etc/hostname": f"{name}\n",
            "/etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {name}\n",
            "/etc/machine-id": f"{number:032x}\n",
            "/etc/ssh/ssh_host_ed25519_key": (self.keys / "host").read_text(encoding="utf-8"),
            "/root/.ssh/authorized_keys": public,
            **files,
        }
        (work / "initrd").write_bytes((self.image / "initrd").read_bytes() + injection(first, links))
        host.must(
            host.run,
            ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(self.image / "disk"), "-F", "raw",
             str(work / "disk.qcow2")],
        )  # fmt: skip
        machine = Machine(
            self, name, cards, number, self.image / "kernel", work, sockets, address or _default_address(number)
        )
        for nic in cards:
            self.switches.plug(nic.device, nic.switch, f"nic:{name}:{nic.index}")
        self.machines.append(machine)
        return machine

    def machine(self, name: str = "", **options: Any) -> Machine:
        """A machine, booted and reachable by SSH, and saved as ``clean``. Options as for :meth:`new`."""
        machine = self.new(name, **options)
        machine.start()
        machine.wait_for_ssh()
        machine.wait_booted()
        machine.save()
        return machine

    def close(self) -> None:
        """End the machines, then the switches, and remove all files."""
        for machine in self.machines:
            machine.kill()
        self._stack.close()


def _default_address(number: int) -> str:
    return address(OPERATOR_VLAN, number)
