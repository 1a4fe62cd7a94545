# SPDX-License-Identifier: Apache-2.0
"""Machines without an operating system, each with a BMC: libvirt, QEMU in software, and sushy-tools' Redfish emulator.

    with BareMetal(specs(definition), bridge="oz-1a2b3c4d", address="198.18.32.1", login=("admin", "...")) as lab:
        lab["bm1"].bmc.fault = "refuses"   # its BMC is dead
        lab["bm1"].link(1, up=False)       # the link of its second NIC is down
        print(lab["bm1"].power(), lab["bm1"].console())

libvirtd runs with configuration, sockets and directories of its own in namespaces of its own: it ends, with all
machines, when this process does, and nothing of the system's libvirt is used or touched. Needs root. The packages are
in requirements/debian-baremetal.txt, the emulator is in requirements/bmc.lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

from ansible_collections.ozone.openstack.plugins.module_utils import pki
from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive
from ansible_collections.ozone.openstack.plugins.module_utils.lab import host
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir
from tests.lab.bmc_proxy import BmcProxy

ROOT = Path(__file__).resolve().parents[2]
EMULATOR = ROOT / ".ansible" / "venv-bmc"
#: Where Debian keeps what python3-libvirt brings; of all that is there the emulator sees these files alone.
DIST_PACKAGES = Path("/usr/lib/python3/dist-packages")
BINDINGS = ("libvirt.py", "libvirtmod.*.so")

FIRMWARE, FIRMWARE_VARIABLES = "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"
MEMORY_MB = 1536
GIB = 1024**3

#: What libvirtd takes from fixed places; it finds ours there. Debian's wants to know a user that only another package
#: of libvirt makes, although no process runs as that user here.
ACCOUNTS = {"/etc/passwd": "libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin", "/etc/group": "libvirt-qemu:x:64055:"}
PLACES = ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/run/libvirt")

#: $1: directory of this lab. Runs as process 1 of a namespace of its own, so that everything in it ends with it.
START = """\
set -eu
for place in {}; do mount --bind "$1/system$place" "$place"; done
libvirtd --config "$1/system/etc/libvirt/libvirtd.conf" --pid-file "$1/libvirtd.pid" &
wait # for libvirtd, and for every orphan
""".format(" ".join([*PLACES, *ACCOUNTS]))

LIBVIRTD = """\
unix_sock_dir = "{sockets}"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "2:file:{directory}/libvirtd.log"
"""

#: No daemon beside libvirtd, no group of the computer's resources, no owner changed.
QEMU = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""

#: A NIC has no ROM and is not in the boot order: no firmware of these machines ever asks the network.
DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name><uuid>{system}</uuid>
  <memory unit='MiB'>{memory}</memory><vcpu>2</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <loader readonly='yes' type='pflash'>{firmware}</loader>
    <nvram template='{variables}'>{directory}/{name}.nosecboot.fd</nvram>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='custom' match='exact' check='none'>
    <model fallback='allow'>qemu64</model>{without}
  </cpu>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
{disks}
{nics}
    <serial type='file'><source path='{directory}/{name}.console' append='on'/><target port='0'/></serial>
    <memballoon model='none'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <video><model type='none'/></video>
  </devices>
</domain>
"""

#: QEMU 7.2 gets cmpxchg16b wrong now and then: kernels crash in their allocators.
WITHOUT_CX16 = "<feature policy='disable' name='cx16'/>"

DISK = """\
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe' discard='unmap' detect_zeroes='unmap'/>
      <source file={file}/><target dev='{device}' bus='virtio'/><serial>{serial}</serial>{boot}
    </disk>"""

NIC = """\
    <interface type='bridge'>
      <mac address='{mac}'/><source bridge='{bridge}'/><model type='virtio'/><rom enabled='no'/>
      <link state='{state}'/>
    </interface>"""


@dataclass(frozen=True)
class Disk:
    """A disk of a machine. ``content``: it is full of what must survive; else it is empty."""

    serial: str
    size: int = 4 * GIB
    content: bool = False


@dataclass(frozen=True)
class Spec:
    """A machine. ``system`` is a UUID. ``linked``: whether its cables are plugged in.

    ``elsewhere``: the bridge of a NIC, by MAC, where that is another one than that of the lab. ``cx16``: its processor
    has cmpxchg16b, without which HAProxy and QEMU do not run; start its kernels with ``clearcpuid=cx16``.
    """

    name: str
    system: str
    port: int
    macs: Sequence[str]
    disks: Sequence[Disk] = ()
    linked: bool = True
    memory_mb: int = MEMORY_MB
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    cx16: bool = False


def specs(cloud: Mapping[str, Any]) -> list[Spec]:
    """The machines that a cloud.yml declares: each node with a ``bmc``. Each has one empty disk, ``<name>-system``."""
    found = []
    for name, node in cloud["nodes"].items():
        bmc = node.get("bmc")
        if bmc:
            system = str(bmc["system"]).rpartition("/")[2]
            port = urlsplit(str(bmc["address"])).port or 443
            found.append(Spec(name, system, port, tuple(node["nics"].values()), (Disk(f"{name}-system"),)))
    return found


def domain(spec: Spec, bridge: str, directory: Path) -> str:
    """The machine for libvirt. Only its first disk is in the boot order, and whatever Redfish puts before it."""
    disks = [
        DISK.format(
            file=quoteattr(str(directory / f"{disk.serial}.raw")), device=f"vd{chr(ord('a') + index)}",
            serial=disk.serial, boot="<boot order='1'/>" if index == 0 else "",
        )
        for index, disk in enumerate(spec.disks)
    ]  # fmt: skip
    state = "up" if spec.linked else "down"
    return DOMAIN.format(
        name=spec.name, system=spec.system, memory=spec.memory_mb, firmware=FIRMWARE, variables=FIRMWARE_VARIABLES,
        directory=directory, disks="\n".join(disks), without="" if spec.cx16 else WITHOUT_CX16,
        nics="\n".join(
            NIC.format(mac=mac, bridge=spec.elsewhere.get(mac, bridge), state=state) for mac in spec.macs
        ),
    )  # fmt: skip


def make_disk(path: Path, disk: Disk) -> None:
    """The file of a disk, sparse. Known content is the same in every run: blocks here and there, the first and last."""
    with path.open("wb") as stream:
        stream.truncate(disk.size)
        if disk.content:
            source = random.Random(disk.serial)
            for offset in (*range(0, disk.size, disk.size // 16), disk.size - 65536):
                stream.seek(offset)
                stream.write(source.randbytes(65536))


@dataclass
class Machine:
    """An emulated machine with its BMC."""

    lab: BareMetal
    spec: Spec
    bmc: BmcProxy

    def power(self) -> bool:
        """Whether it is on."""
        return self.lab.virsh("domstate", self.spec.name).strip() == "running"

    def link(self, index: int, *, up: bool) -> None:
        """Plug the cable of a NIC in or pull it out, now and for its next start."""
        for scope in [["--config"], []] if self.power() else [["--config"]]:
            mac = self.spec.macs[index]
            self.lab.virsh("domif-setlink", self.spec.name, mac, "up" if up else "down", *scope)

    def pull_plug(self) -> None:
        """Take its power away, without asking the BMC."""
        if self.power():
            self.lab.virsh("destroy", self.spec.name)

    def digest(self, serial: str) -> str:
        """SHA-256 of all that is on a disk of it. Only meaningful for a disk that nobody writes at the moment."""
        with (self.lab.directory / f"{serial}.raw").open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def console(self, lines: int = 40) -> str:
        """The end of what it printed on its serial port."""
        path = self.lab.directory / f"{self.spec.name}.console"
        text = path.read_text(errors="replace") if path.exists() else ""
        return f"the console of {self.spec.name} ends with:\n" + "\n".join(text.splitlines()[-lines:])


@dataclass
class BareMetal:
    """All machines with their BMCs, from when the block is entered. There is one such lab on a computer at a time.

    ``address``: where the BMCs listen. ``trusted``: a file with the authorities that the emulator trusts when it
    fetches an image; it may come into being later. ``authority``: issues the certificate of the BMCs; None: one of its
    own, whose certificate is ``ca``.
    """

    machines: Sequence[Spec]
    bridge: str
    address: str
    login: tuple[str, str] = field(repr=False)
    trusted: Path | None = None
    authority: pki.Pair | None = field(default=None, repr=False)
    patience: float = 120.0
    directory: Path = field(init=False)
    ca: Path = field(init=False)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _machines: dict[str, Machine] = field(default_factory=dict)

    def __enter__(self) -> BareMetal:
        if threading.current_thread() is not threading.main_thread():
            raise LabError("start the machines from the main thread: what it starts ends with the thread")
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __getitem__(self, name: str) -> Machine:
        return self._machines[name]

    def __iter__(self) -> Iterator[Machine]:
        return iter(self._machines.values())

    # -- start

    def _start(self, stack: contextlib.ExitStack) -> None:
        cache = cache_dir(os.environ)
        (cache / "locks").mkdir(parents=True, exist_ok=True)
        stack.enter_context(exclusive(cache / "locks" / "bare-metal", self.patience))
        runs = cache / "bare-metal"
        runs.mkdir(exist_ok=True)
        for stale in runs.glob("run-*"):  # of a run that was killed: its processes died with it
            shutil.rmtree(stale, ignore_errors=True)
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=runs)))
        # Paths of sockets are limited to 107 characters.
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ozb-")))
        self._uri = f"qemu:///system?socket={sockets / 'libvirt-sock'}"
        self._libvirt(stack, sockets)
        for spec in self.machines:
            for disk in spec.disks:
                make_disk(self.directory / f"{disk.serial}.raw", disk)
            (self.directory / "domain.xml").write_text(domain(spec, self.bridge, self.directory), encoding="utf-8")
            self.virsh("define", str(self.directory / "domain.xml"))
        port = self._emulator(stack)
        context = self._certificate()
        for spec in self.machines:
            proxy = BmcProxy(self.address, spec.port, port, context)
            stack.callback(proxy.close)
            self._machines[spec.name] = Machine(self, spec, proxy)

    def _process(self, stack: contextlib.ExitStack, name: str, argv: Sequence[str], **variables: str) -> None:
        """Start a program that ends with this process; what it prints is in ``<name>.log``."""
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, env={**environment, **variables}, cwd=self.directory, start_new_session=True,
            )  # fmt: skip

        def end() -> None:
            process.kill()
            process.wait(20)

        stack.callback(end)

    def _libvirt(self, stack: contextlib.ExitStack, sockets: Path) -> None:
        for place in map(Path, PLACES):
            (self.directory / f"system{place}").mkdir(parents=True)
            if not place.exists():
                place.mkdir(mode=0o755)
                stack.callback(_remove_empty, place)
        for file, line in ACCOUNTS.items():
            text = Path(file).read_text(encoding="utf-8")
            (self.directory / f"system{file}").write_text(f"{text.rstrip()}\n{line}\n", encoding="utf-8")
        configuration = self.directory / "system/etc/libvirt"
        (configuration / "libvirtd.conf").write_text(LIBVIRTD.format(sockets=sockets, directory=self.directory))
        (configuration / "qemu.conf").write_text(QEMU)
        isolated = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc",
                    "--kill-child=KILL"]  # fmt: skip
        self._process(stack, "start", [*isolated, "sh", "-c", START, "sh", str(self.directory)])
        if not host.wait_until(lambda: self._virsh("version").code == 0, 40):
            raise LabError(f"libvirtd did not start: {self.logs()}")
        media = self.directory / "media"
        media.mkdir()
        self.virsh("pool-create-as", "default", "dir", "--target", str(media))

    def _emulator(self, stack: contextlib.ExitStack) -> int:
        """Start the emulator; its port on the loopback device."""
        if not (EMULATOR / "bin/sushy-emulator").exists():
            raise LabError(f"{EMULATOR} is not there; remedy: python3 requirements/setup.py bmc")
        bindings = self.directory / "bindings"
        bindings.mkdir()
        found = [path for pattern in BINDINGS for path in DIST_PACKAGES.glob(pattern)]
        for path in found:
            (bindings / path.name).symlink_to(path)
        if not found:
            raise LabError("libvirt's bindings for Python are not installed; remedy: apt-get install python3-libvirt")
        user, password = self.login
        logins = self.directory / "logins"
        script = "import bcrypt, sys; print(bcrypt.hashpw(sys.stdin.buffer.read(), bcrypt.gensalt(4)).decode())"
        hashed = subprocess.run(
            [str(EMULATOR / "bin/python"), "-c", script], input=password.encode(), capture_output=True, check=True,
            timeout=30,
        ).stdout.decode()  # fmt: skip
        logins.touch(0o600)
        logins.write_text(f"{user}:{hashed}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        settings = {
            "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
            "SUSHY_EMULATOR_LISTEN_PORT": port,
            "SUSHY_EMULATOR_AUTH_FILE": str(logins),
            "SUSHY_EMULATOR_LIBVIRT_URI": self._uri,
            "SUSHY_EMULATOR_STATE_DIR": str(self.directory),
            "SUSHY_EMULATOR_VMEDIA_VERIFY_SSL": self.trusted is not None,
            "SUSHY_EMULATOR_BOOT_LOADER_MAP": {"UEFI": {"x86_64": FIRMWARE}, "Legacy": {"x86_64": None}},
            "SUSHY_EMULATOR_SECURE_BOOT_DISABLED_NVRAM": FIRMWARE_VARIABLES,
        }
        file = self.directory / "emulator.conf"
        file.write_text("".join(f"{key} = {value!r}\n" for key, value in settings.items()))
        temporary = self.directory / "tmp"
        temporary.mkdir()
        self._process(
            stack, "emulator", [str(EMULATOR / "bin/sushy-emulator"), "--config", str(file)],
            PYTHONPATH=str(bindings), TMPDIR=str(temporary),
            **({"REQUESTS_CA_BUNDLE": str(self.trusted)} if self.trusted else {}),
        )  # fmt: skip
        if not host.wait_until(lambda: _listens(port), 30):
            raise LabError(f"the Redfish emulator did not start: {self.logs()}")
        return port

    def _certificate(self) -> ssl.SSLContext:
        now = datetime.now(UTC)
        authority = self.authority or pki.make_authority("bmc", now)
        self.ca = self.directory / "ca.pem"
        self.ca.write_text(authority.certificate)
        pair = pki.issue(authority, pki.Wanted("bmc", ip=(self.address,)), now)
        file = self.directory / "bmc.pem"
        file.touch(0o600)
        file.write_text(pair.key + pair.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    # -- use

    def _virsh(self, *arguments: str) -> host.Result:
        return host.run(["virsh", "--quiet", "--connect", self._uri, *arguments], 30)

    def virsh(self, *arguments: str) -> str:
        """Ask libvirt; its answer. Raises LabError."""
        done = self._virsh(*arguments)
        if done.code:
            raise LabError(f"virsh {' '.join(arguments)}: exit code {done.code}: {(done.err or done.out).strip()}")
        return done.out

    def logs(self, lines: int = 15) -> str:
        """The ends of what libvirtd and the emulator said."""
        parts = []
        for path in sorted(self.directory.glob("*.log")):
            parts += [f"{path.name}:", *path.read_text(errors="replace").splitlines()[-lines:]]
        parts += [f"{machine.spec.name}: {error}" for machine in self for error in machine.bmc.errors]
        return "\n".join(parts)

    def keep(self, target: Path) -> None:
        """Copy consoles and logs to a directory that outlives the lab."""
        target.mkdir(parents=True, exist_ok=True)
        for path in (*self.directory.glob("*.console"), *self.directory.glob("*.log")):
            shutil.copy(path, target)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _remove_empty(directory: Path) -> None:
    with contextlib.suppress(OSError):
        directory.rmdir()


def wait_for(what: str, probe: Any, limit: float, interval: float = 1.0) -> float:
    """Wait until ``probe`` holds; the seconds it took. Raises LabError."""
    begin = time.monotonic()
    if not host.wait_until(probe, limit, interval):
        raise LabError(f"{what}: still not so after {limit:g} s")
    return time.monotonic() - begin
