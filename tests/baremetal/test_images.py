# SPDX-License-Identifier: Apache-2.0
"""The ramdisk and a golden image, started on an emulated machine without Ironic: what they do is on them alone."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import bootstrap, debian_mirror
from ansible_collections.ozone.openstack.plugins.module_utils.images import disk, disks, ramdisk
from ansible_collections.ozone.openstack.plugins.module_utils.images.disks import Disks, Image
from ansible_collections.ozone.openstack.plugins.module_utils.images.workshop import SUITE, Workshop
from ansible_collections.ozone.openstack.plugins.module_utils.network.network_data import to_network_data
from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir
from tests.lab.machines import Qmp

ROOT = Path(__file__).resolve().parents[2]
ADDRESS, HOST, OTHER = "198.18.32.11", "198.18.32.1", "198.18.33.11"
MACS = {"nic1": "52:54:00:32:09:01", "nic2": "52:54:00:32:09:02"}
NUMBER = "7d0f2c1e-1b7a-4d55-9f0e-3c4f3a1d2b5c"
OBJECTS: list[dict[str, Any]] = [
    {
        "type": "linux_bond",
        "name": "bond0",
        "bonding_options": {"mode": "active-backup", "miimon": 100},
        "members": [{"type": "interface", "name": "nic1", "primary": True}, {"type": "interface", "name": "nic2"}],
        "addresses": [{"ip_netmask": f"{ADDRESS}/24"}],
        "routes": [{"default": True, "next_hop": HOST}],
    },
    {"type": "vlan", "device": "bond0", "vlan_id": 100, "addresses": [{"ip_netmask": f"{OTHER}/24"}]},
]
CONSOLE = ("console=ttyS0", "quiet", "mitigations=off")
LIMIT = 300


class Emulated:
    """A machine with two NICs on one wire, which leads to nothing but the port ``ssh`` of this computer."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.ssh_port = free.getsockname()[1]
        network = f"restrict=on,ipv6=off,net=198.18.32.0/24,host={HOST},dhcpstart=198.18.32.100"
        forward = f"hostfwd=tcp:127.0.0.1:{self.ssh_port}-{ADDRESS}:22"
        argv = [
            "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "qemu64,-cx16", "-smp", "1",
            "-m", "1536", "-nodefaults", "-no-user-config", "-display", "none", "-device", "virtio-rng-pci",
            "-serial", f"file:{directory}/console", "-qmp", f"unix:{directory}/qmp,server=on,wait=off",
            "-netdev", f"user,id=wire,{network},{forward}",
            "-netdev", "hubport,hubid=0,id=host,netdev=wire",
            "-object", f"filter-dump,id=dump,netdev=host,file={directory}/packets",
        ]  # fmt: skip
        for number, mac in enumerate(MACS.values()):
            argv += ["-netdev", f"hubport,hubid=0,id=port{number}"]
            argv += ["-device", f"virtio-net-pci,netdev=port{number},mac={mac},romfile="]
        with (directory / "qemu.log").open("w") as log:
            self.process = subprocess.Popen([*argv, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.until(lambda: (directory / "qmp").exists(), "QEMU", 20)
            self.qmp = Qmp(directory / "qmp")
        except BaseException:
            self.process.kill()
            raise

    def console(self) -> str:
        """All that the machine has said."""
        return (self.directory / "console").read_text(errors="replace").replace("\r", "")

    def until(self, condition: Callable[[], bool], what: str, limit: float = LIMIT) -> None:
        """Wait, with a limit."""
        deadline = time.monotonic() + limit
        while not condition():
            log = (self.directory / "qemu.log").read_text()
            assert self.process.poll() is None, f"{what}: the machine is off: {log}\n{self.console()[-3000:]}"
            assert time.monotonic() < deadline, f"{what}: not within {limit:.0f} s\n{self.console()[-3000:]}"
            time.sleep(0.5)

    def says(self, words: str, limit: float = LIMIT) -> None:
        """Wait for words on the console."""
        self.until(lambda: words in self.console(), words, limit)

    def asked(self) -> bool:
        """Whether a packet to the port of a DHCP server, of IPv4 or IPv6, was ever on the wire (also inside a VLAN)."""
        data = (self.directory / "packets").read_bytes()
        assert len(data) > 24, "nothing was captured"
        return b"\x00\x44\x00\x43" in data or b"\x02\x22\x02\x23" in data

    def ssh(self, command: str, limit: float = 60) -> str:
        """Standard output of a command on the machine."""
        done = subprocess.run([*self.ssh_argv(), command], capture_output=True, text=True, timeout=limit, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def ssh_argv(self) -> list[str]:
        """How the machine is reached."""
        options = ["ConnectTimeout=5", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", "-i", str(self.directory / "key"), "-p", str(self.ssh_port), *words, "root@127.0.0.1"]

    def close(self) -> None:
        """Off."""
        with suppress(OSError):
            self.qmp.close()
        self.process.kill()
        self.process.wait(30)


@pytest.fixture(scope="session")
def cache() -> Disks:
    """The images of the cache; as small as the lab's."""
    root = cache_dir(os.environ) / "disks"

    def shop(log: Path) -> Workshop:
        return Workshop(root, lambda components: debian_mirror(SUITE, components), bootstrap, log=log, timeout=1500)

    return Disks(root, shop)


@pytest.fixture(scope="session")
def small_ramdisk(cache: Disks) -> Image:
    """The ramdisk with few drivers."""
    locks = ROOT / "releases/2026.1"
    what = ramdisk.Ramdisk(locks / "ramdisk.lock", locks / "build.lock", drivers="virtual")
    return cache.ensure("ramdisk", disks.ramdisk_key(what), disks.make_ramdisk(what))


@pytest.fixture(scope="session")
def small_golden(cache: Disks) -> Image:
    """A golden image with what a machine needs and no more."""
    what = disk.Golden(packages=(), drivers="virtual", arguments=CONSOLE)
    return cache.ensure("debian-13", what.inputs(), disks.make_golden(what))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Emulated]]:
    """Makes the machine of a test."""
    made: list[Emulated] = []

    def make(*arguments: str) -> Emulated:
        made.append(Emulated(tmp_path, *arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


def medium(directory: Path, address: str, publisher: str, meta: dict[str, Any] | None = None) -> Path:
    """A config drive with the network of OBJECTS under another address."""
    objects = json.loads(json.dumps(OBJECTS).replace(ADDRESS, address))
    latest = directory / f"{publisher}/openstack/latest"
    latest.mkdir(parents=True)
    (latest / "network_data.json").write_text(json.dumps(to_network_data(objects, MACS)))
    (latest / "meta_data.json").write_text(json.dumps(meta or {}))
    made = directory / f"{publisher}.iso"
    argv = ["genisoimage", "-quiet", "-r", "-V", "config-2", "-publisher", publisher, "-o", str(made)]
    subprocess.run([*argv, str(directory / publisher)], check=True, timeout=30)
    return made


def path(image: Image, name: str) -> Path:
    """A file of an image."""
    return next(Path(file["path"]) for file in image.files if file["name"].startswith(name))


def test_the_ramdisk_waits_for_the_medium_of_its_boot_and_asks_nobody(
    small_ramdisk: Image, machine: Callable[..., Emulated], tmp_path: Path
) -> None:
    """A disk has the config drive of another life. The right medium comes late. The power button works."""
    old, right = medium(tmp_path, "198.18.32.66", "old"), medium(tmp_path, ADDRESS, NUMBER)
    initramfs = tmp_path / "initramfs"
    added = ramdisk.overlay("PEM", {"debug": "true"}, {"/etc/from-the-overlay": ""})
    ramdisk.combine(path(small_ramdisk, "ramdisk.initramfs"), added, initramfs)
    begin = time.monotonic()
    started = machine(
        *("-kernel", str(path(small_ramdisk, "ramdisk.kernel")), "-initrd", str(initramfs)),
        *("-append", f"{' '.join(CONSOLE)} ir_pub_id={NUMBER} ipa-api-url=https://{HOST}:6385"),
        *("-drive", f"file={old},format=raw,if=none,id=old,readonly=on", "-device", "virtio-blk-pci,drive=old"),
        *("-device", "ide-cd,id=cd"),
    )
    started.says("OZONE-RAMDISK NO ADDRESS YET: there is no medium with the number")
    assert "agent starts" not in started.console()
    started.qmp("blockdev-change-medium", id="cd", filename=str(right), format="raw")
    started.says(f"OZONE-RAMDISK address {ADDRESS}/24 on bond0, {OTHER}/24 on vlan100")
    started.says("OZONE-RAMDISK agent starts")
    print(f"agent after {time.monotonic() - begin:.0f} s")
    started.says("Starting ironic-python-agent version")
    started.says("/etc/ironic-python-agent.d/ca.pem")
    assert "198.18.32.66" not in started.console()
    assert not started.asked()
    started.qmp("system_powerdown")
    started.process.wait(60)
    assert "OZONE-RAMDISK power button" in started.console()


def write_disk(shop: Workshop, golden: Path, drive: Path, work: Path) -> Path:
    """The image on a disk of 4 GB, with a config drive in a partition at its end: what Ironic's agent does."""
    target = work / "disk"
    subprocess.run(["cp", "--sparse=always", str(golden), str(target)], check=True, timeout=120)
    os.truncate(target, 4 << 30)
    start = 4096 - 65  # MiB
    shop.with_tools(
        work,
        f"""
        sfdisk --quiet --relocate gpt-bak-std /mnt/disk
        echo start={start * 2048}, size={64 * 2048} | sfdisk --quiet --append /mnt/disk
        dd if=/mnt/{drive.name} of=/mnt/disk bs=1M seek={start} conv=notrunc status=none
        """,
    )
    return target


def test_a_golden_image_becomes_the_machine_of_its_config_drive(
    cache: Disks, small_golden: Image, machine: Callable[..., Emulated], tmp_path: Path
) -> None:
    """By UEFI, with the network of the role from the first second; a run of the role finds nothing to do."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True, timeout=30)
    keys = {"key0": (tmp_path / "key.pub").read_text()}
    drive = medium(tmp_path, ADDRESS, "drive", {"uuid": NUMBER, "hostname": "bm9", "public_keys": keys})
    target = write_disk(cache.shop(tmp_path / "tools.log"), path(small_golden, "debian-13"), drive, tmp_path)
    stale = medium(tmp_path, "198.18.32.66", "stale", {"hostname": "ramdisk"})
    shutil.copyfile("/usr/share/OVMF/OVMF_VARS.fd", tmp_path / "variables")
    begin = time.monotonic()
    started = machine(
        *("-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE.fd"),
        *("-drive", f"if=pflash,format=raw,file={tmp_path}/variables"),
        *("-drive", f"file={target},format=raw,if=none,id=disk,cache=unsafe"),
        *("-device", "virtio-blk-pci,drive=disk,bootindex=0", "-drive", f"file={stale},format=raw,if=none,id=stale"),
        *("-device", "ide-cd,drive=stale"),
    )
    started.says("OZONE-FIRST-BOOT this machine is bm9")
    started.until(lambda: reachable(started), "SSH")
    print(f"SSH after {time.monotonic() - begin:.0f} s")
    assert started.ssh("hostname").strip() == "bm9"
    addresses = {link["ifname"]: link for link in json.loads(started.ssh("ip -j address"))}
    assert [one["local"] for one in addresses["vlan100"]["addr_info"] if one["family"] == "inet"] == [OTHER]
    assert [one["local"] for one in addresses["bond0"]["addr_info"] if one["family"] == "inet"] == [ADDRESS]
    assert int(started.ssh("df --output=size -B1M / | tail -n 1")) > 3500, "the root fills the disk"
    assert started.ssh("ls /etc/ssh/ssh_host_*").split() == [
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/ssh/ssh_host_ed25519_key.pub",
    ]
    assert len(started.ssh("cat /etc/machine-id").strip()) == 32
    started.ssh("systemctl is-system-running --wait", LIMIT)
    assert played(started, OBJECTS, tmp_path) == {"changed": False, "summary": [], "degraded": []}
    assert not started.asked()


def reachable(machine: Emulated) -> bool:
    """Whether a login works."""
    with suppress(subprocess.TimeoutExpired):
        return (
            subprocess.run([*machine.ssh_argv(), "true"], capture_output=True, timeout=20, check=False).returncode == 0
        )
    return False


def played(machine: Emulated, objects: Sequence[dict[str, Any]], directory: Path) -> dict[str, Any]:
    """What the role's module would change on the machine."""
    inventory = directory / "hosts.json"
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_port": machine.ssh_port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(directory / "key"),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    inventory.write_text(json.dumps({"all": {"hosts": {"bm9": variables}}}))
    task = {
        "ozone.openstack.network_config": {"config": list(objects), "mapping": MACS},
        "check_mode": True,
        "register": "found",
    }
    keep = {"copy": {"content": "{{ found | to_json }}", "dest": f"{directory}/found.json"}, "delegate_to": "localhost"}
    play = [{"hosts": "bm9", "gather_facts": False, "tasks": [task, keep]}]
    (directory / "play.yml").write_text(json.dumps(play))
    environ = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    argv = ["ansible-playbook", "-i", str(inventory), str(directory / "play.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT, check=False, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((directory / "found.json").read_text())
    return {key: found[key] for key in ("changed", "summary", "degraded")}
