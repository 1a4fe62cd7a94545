# SPDX-License-Identifier: Apache-2.0
"""What is rendered of os-net-config's samples, read by the systemd-networkd and udev of a real node.

systemd only warns about a key or a value that it does not know, and goes on without it: a warning is a failure here.
"""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile

import pytest

from tests.conformance import samples
from tests.lab.machines import Machine

#: What systemd says about a line of a file that it does not take.
REFUSED = re.compile(
    r"unknown (key|section|lvalue)|failed to parse|ignoring|invalid|not supported|missing", re.IGNORECASE
)

#: Each sample in a network of its own, so that nothing of the node is touched.
READ = r"""
import json, os, subprocess
said = {}
for name in sorted(os.listdir("/run/samples")):
    root = f"/run/samples/{name}/etc/systemd"
    script = f'''
mkdir -p {root}/network {root}/networkd.conf.d /etc/systemd/networkd.conf.d
mount --bind {root}/network /etc/systemd/network
mount --bind {root}/networkd.conf.d /etc/systemd/networkd.conf.d
mkdir -p /run/systemd/network && mount -t tmpfs none /run/systemd/network
mount -t tmpfs -o mode=0755,uid=systemd-network,gid=systemd-network none /run/systemd/netif
udevadm test-builtin net_setup_link /sys/class/net/lo
timeout 3 /usr/lib/systemd/systemd-networkd || [ $? = 124 ]'''
    done = subprocess.run(["unshare", "--net", "--mount", "sh", "-ec", script], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=60, env={**os.environ, "SYSTEMD_LOG_TARGET": "console",
                                                                    "SYSTEMD_LOG_LEVEL": "info"})
    said[name] = [done.returncode, done.stdout]
print(json.dumps(said))
"""


def _archive() -> tuple[dict[str, int], str]:
    """How many files each sample that is accepted has, and all of them as an archive in base64."""
    counts: dict[str, int] = {}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in samples.samples():
            if samples.outcome(data)["outcome"] == "refused" or "interface_mapping" in data:
                continue
            files = samples.wanted(data, dhcp=True)["files"]
            counts[name] = len(files)
            for path, file in files.items():
                entry = tarfile.TarInfo(f"{name}{path}")
                entry.size = len(file["text"].encode())
                tar.addfile(entry, io.BytesIO(file["text"].encode()))
    return counts, base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def said(booted: Machine) -> dict[str, tuple[int, str]]:
    """Exit code and all that systemd said, by sample; and about a file with a mistake, so that the test can fail."""
    counts, archive = _archive()
    assert len(counts) > 15
    booted.restore()
    booted.inside(
        f"mkdir -p /run/samples/mistake/etc/systemd/network; echo {archive} | base64 -d | tar xzf - -C /run/samples; "
        "printf '[Match]\\nName=lo\\n[Network]\\nDHCPv5=no\\n' > /run/samples/mistake/etc/systemd/network/05.network",
        60,
    )
    encoded = base64.b64encode(READ.encode()).decode()
    answer = booted.inside(f"echo {encoded} | base64 -d | python3 - | tail -n 1", 500).out
    return {name: (code, text) for name, (code, text) in json.loads(answer).items()}


def test_systemd_takes_every_line(said: dict[str, tuple[int, str]]) -> None:
    refused = {}
    for name, (code, text) in said.items():
        lines = [line for line in text.splitlines() if REFUSED.search(line)]
        if lines or code:
            refused[name] = (code, lines or text.splitlines()[-3:])
    assert set(refused) == {"mistake"}, json.dumps(refused, indent=1)


def test_systemd_makes_the_devices(said: dict[str, tuple[int, str]]) -> None:
    """A networkd that read nothing would not complain either."""
    text = said["linux_bridge.yaml"][1]
    assert re.search(r"br-ctlplane: .*(netdev ready|Gained|Link UP|Configuring)", text), text
