# SPDX-License-Identifier: Apache-2.0
"""The guest of the smoke test: a Debian kernel and an initramfs of two megabytes that says what it sees.

It is booted directly (Glance formats aki, ari, ami), so it needs no boot loader and no disk. On its console it prints
lines that begin with ``OZONE-GUEST``:

    OZONE-GUEST address=10.0.0.5
    OZONE-GUEST mtu=1442
    OZONE-GUEST metadata=<instance id> hostname=<name>       or: OZONE-GUEST metadata=none
    OZONE-GUEST ping 10.0.0.7 ok                              or: failed; only if the server has metadata ``ping``,
                                                              after ``ping_seconds`` (120) each
    OZONE-GUEST ping 10.0.0.7 of 1442 bytes ok                or: failed, fragmented; packets of the interface's MTU
    OZONE-GUEST ready

It answers ping, and its page on port 80 has the first two lines.

The generic kernel is needed: the cloud kernel has no e1000, and with Open vSwitch in userspace only e1000 gets its TCP
checksums right. The archive format is "newc", see Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive
from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import Mirror, MirrorError
from ansible_collections.ozone.openstack.plugins.module_utils.images.archive import Entry, cpio
from ansible_collections.ozone.openstack.plugins.module_utils.lab.plan import LabError

SUITE = "trixie"

#: Only unpacked, never installed: kernel and modules; one program that is everything.
PACKAGES = ("linux-image-amd64", "busybox-static")

#: Drivers that the guest loads, with what they need, in this order: PCI and network of the emulated machines.
MODULES = ("virtio_pci", "virtio_net", "e1000", "e1000e", "button")

INIT = r"""#!/bin/sh
# PID 1 of the guest. It must never end, and nothing here may wait without a limit.
/bin/busybox mkdir -p /proc /sys /dev /run /www
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
# The console that Nova reads; /dev/console may be the screen.
[ -c /dev/ttyS0 ] && exec </dev/null >/dev/ttyS0 2>&1
dmesg -n 3
say() { echo "OZONE-GUEST $*"; }
while read -r module; do insmod "/modules/$module.ko" || say "module $module does not load"; done </modules/order
acpid -c /etc/acpi -l /dev/null -p /run/acpid.pid 2>/dev/null
ip link set lo up

tries=0
until [ -e /sys/class/net/eth0 ] || [ $tries -ge 50 ]; do tries=$((tries + 1)); usleep 100000; done
ip link set eth0 up
tries=0
until ip -4 address show eth0 | grep -q inet || [ $tries -ge 20 ]; do
  tries=$((tries + 1))
  udhcpc -i eth0 -n -q -t 5 -T 1 -O staticroutes -O mtu -s /bin/dhcp >/dev/null 2>&1 || sleep 1
done
address=$(ip -4 address show eth0 | sed -n 's/.*inet \([0-9.]*\).*/\1/p' | head -n 1)
say "address=${address:-none}" | tee /www/index.html
mtu=$(cat /sys/class/net/eth0/mtu)
say "mtu=$mtu"
httpd -p 80 -h /www

# wget of a static busybox crashes in the resolver of glibc: HTTP by hand.
get() {
  { printf 'GET %s HTTP/1.0\r\nHost: 169.254.169.254\r\n\r\n' "$1"; sleep 2; } |
    timeout 10 nc -w 3 169.254.169.254 80 2>/dev/null
}
field() { printf '%s' "$data" | sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }
tries=0 uuid=
until [ -n "$uuid" ] || [ $tries -ge 30 ]; do
  tries=$((tries + 1))
  data=$(get /openstack/latest/meta_data.json)
  uuid=$(field uuid)
  [ -n "$uuid" ] || sleep 1
done
if [ -n "$uuid" ]; then
  hostname "$(field hostname)"
  say "metadata=$uuid hostname=$(field hostname)" | tee -a /www/index.html
else
  say "metadata=none"
fi

seconds() { cut -d . -f 1 /proc/uptime; }
# Fragments made and received so far: ReasmReqds and FragCreates of proc_net_snmp.
fragments() { awk '/^Ip: [0-9]/ { print $15 + $20 }' /proc/net/snmp; }
patience=$(field ping_seconds)
for other in $(field ping | tr ',' ' '); do
  result=failed end=$(($(seconds) + ${patience:-120}))
  while [ "$(seconds)" -lt $end ]; do
    if ping -c 1 -W 1 "$other" >/dev/null 2>&1; then result=ok; break; fi
    sleep 1
  done
  say "ping $other $result"
  [ $result = ok ] || continue
  # An IPv4 packet that fits the MTU has "don't fragment" set (ip(7), IP_MTU_DISCOVER); headers take 20 and 8 bytes.
  # The kernel fragments it once a router has reported a smaller MTU.
  before=$(fragments) tries=0 result=failed
  until [ $result = ok ] || [ $tries -ge 5 ]; do
    tries=$((tries + 1))
    ping -c 1 -W 2 -s $((mtu - 28)) "$other" >/dev/null 2>&1 && result=ok
  done
  [ "$(fragments)" = "$before" ] || result=fragmented
  say "ping $other of $mtu bytes $result"
done
say ready
while :; do sleep 3600; done
"""

#: Called by udhcpc with the lease in the environment. Option 121 (RFC 3442) replaces the router option.
DHCP = r"""#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip address flush dev "$interface"
ip address add "$ip/${mask:-24}" dev "$interface"
[ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
if [ -n "$staticroutes" ]; then
  set -- $staticroutes
  while [ $# -ge 2 ]; do
    if [ "$2" = 0.0.0.0 ]; then
      ip route add "$1" dev "$interface" src "$ip"
    else
      ip route add "$1" via "$2" dev "$interface" onlink
    fi
    shift 2
  done
else
  for gateway in $router; do ip route add default via "$gateway" dev "$interface"; break; done
fi
exit 0
"""

#: The power button, which `openstack server stop` presses.
POWER = """#!/bin/sh
poweroff -f
"""

#: Version of how this module puts the parts together; part of the key.
RECIPE = 1

Bootstrap = Callable[..., None]


def guest_key() -> str:
    """Name of the guest in the cache."""
    parts = {"recipe": RECIPE, "suite": SUITE, "packages": PACKAGES, "modules": MODULES, "init": INIT, "dhcp": DHCP}
    text = json.dumps({**parts, "power": POWER}, sort_keys=True)
    return f"{SUITE}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def module_name(path: str) -> str:
    """Name of a module from its file: ``virtio-rng.ko.xz`` is ``virtio_rng``."""
    return re.sub(r"\.ko(\.\w+)?$", "", os.path.basename(path)).replace("-", "_")


def module_depends(data: bytes) -> list[str]:
    """What a module (uncompressed) says it needs: ``depends=`` of its section .modinfo."""
    match = re.search(rb"\0depends=([^\0]*)\0", data)
    return [name.replace("-", "_") for name in match[1].decode().split(",") if name] if match else []


def load_order(wanted: Iterable[str], read: Callable[[str], bytes | None], builtin: frozenset[str]) -> dict[str, bytes]:
    """The modules to load, dependencies first, with their contents; built-in ones are left out.

    ``read`` gives the contents of a module, or None when the kernel has no such module (LabError).
    """
    order: dict[str, bytes] = {}

    def add(name: str, why: str) -> None:
        if name in order or name in builtin:
            return
        data = read(name)
        if data is None:
            raise LabError(f"the kernel of the guest has no module {name} ({why})")
        for other in module_depends(data):
            add(other, f"needed by {name}")
        order[name] = data

    for name in wanted:
        add(name, "wanted")
    return order


def decompress(name: str, data: bytes) -> bytes:
    """Contents of a module file, by its suffix: .ko, .ko.xz, .ko.gz."""
    if name.endswith(".xz"):
        return lzma.decompress(data)
    if name.endswith(".gz"):
        return gzip.decompress(data)
    if name.endswith(".ko"):
        return data
    raise LabError(f"{name}: unknown compression of a kernel module")


def initramfs(busybox: bytes, modules: Mapping[str, bytes]) -> bytes:
    """The compressed archive that the kernel unpacks and whose /init it runs."""
    directory, program, text = 0o040755, 0o100755, 0o100644
    entries = {
        **{name: Entry(directory) for name in ("bin", "dev", "etc", "etc/acpi", "etc/acpi/PWRF", "modules")},
        # /dev/console must be there before /dev is mounted, or PID 1 has no output at all; 5,1 is made by the kernel's
        # built-in archive.
        "init": Entry(program, INIT.encode()),
        "bin/busybox": Entry(program, busybox),
        "bin/sh": Entry(0o120777, b"busybox"),
        "bin/dhcp": Entry(program, DHCP.encode()),
        "etc/acpi/PWRF/00000080": Entry(program, POWER.encode()),
        "modules/order": Entry(text, "".join(f"{name}\n" for name in modules).encode()),
        **{f"modules/{name}.ko": Entry(text, data) for name, data in modules.items()},
    }
    return gzip.compress(cpio(entries), compresslevel=6, mtime=0)


def collect(root: Path) -> dict[str, bytes]:
    """Kernel, initrd and disk out of a tree in which the packages were unpacked, and what they are (meta.json)."""
    kernels = sorted((root / "boot").glob("vmlinuz-*"))
    if len(kernels) != 1:
        raise LabError(f"{root}: expected one kernel in boot/, found {len(kernels)}")
    version = kernels[0].name.removeprefix("vmlinuz-")
    tree = next((d for d in (root / "usr/lib/modules", root / "lib/modules") if (d / version).is_dir()), None)
    busybox = next((f for f in (root / "usr/bin/busybox", root / "bin/busybox") if f.is_file()), None)
    if tree is None or busybox is None:
        raise LabError(f"{root}: no modules of kernel {version}, or no busybox")
    builtin = frozenset(
        module_name(line) for line in (tree / version / "modules.builtin").read_text(encoding="utf-8").splitlines()
    )
    paths = {module_name(path.name): path for path in (tree / version).rglob("*.ko*")}

    def read(name: str) -> bytes | None:
        path = paths.get(name)
        return decompress(path.name, path.read_bytes()) if path else None

    modules = load_order(MODULES, read, builtin)
    found = {
        "kernel": kernels[0].read_bytes(),
        "initrd": initramfs(busybox.read_bytes(), modules),
        "disk": bytes(1024 * 1024),  # the guest does not look at it; Nova wants a root disk
    }
    meta = {
        "kernel_version": version,
        "modules": list(modules),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in found.items()},
    }
    return {**found, "meta.json": (json.dumps(meta, indent=1, sort_keys=True) + "\n").encode()}


def build_guest(
    cache: Path,
    mirror: Callable[[], Mirror],
    bootstrap: Bootstrap,
    *,
    timeout: float,
    collector: Callable[[Path], dict[str, bytes]] = collect,
) -> tuple[Path, bool]:
    """Directory with the files ``kernel``, ``initrd``, ``disk`` and ``meta.json``, and whether it had to be built.

    As with a node root: built beside its place and renamed; two builders wait for each other. Raises LabError.
    """
    guests = cache / "guest"
    target = guests / guest_key()
    if target.is_dir():
        return target, False
    guests.mkdir(parents=True, exist_ok=True)
    (cache / "locks").mkdir(parents=True, exist_ok=True)
    work = None
    try:
        with exclusive(cache / "locks" / f"guest-{target.name}", timeout):
            if target.is_dir():
                return target, False
            for stale in guests.glob(f".{target.name}.*"):
                shutil.rmtree(stale)
            work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=guests))
            work.chmod(0o755)
            (work / "root").mkdir()
            extra: Sequence[str] = ("--mode=root", "--architectures=amd64")
            bootstrap(
                SUITE,
                work / "root",
                mirror(),
                timeout=timeout,
                log=guests / f"{target.name}.log",
                variant="extract",
                include=PACKAGES,
                extra=extra,
            )
            for name, data in collector(work / "root").items():
                (work / name).write_bytes(data)
            shutil.rmtree(work / "root")
            work.rename(target)
    except (MirrorError, TimeoutError) as error:
        raise LabError(str(error)) from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
    return target, True
