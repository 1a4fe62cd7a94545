# SPDX-License-Identifier: Apache-2.0
"""The samples that come with os-net-config, and what becomes of them here.

The samples are fetched with pip when they are needed, and kept by their hash in ``~/.cache/ozone/conformance``; nothing
of them is in this repository. ``os_net_config.yml`` says of each what becomes of it, and why.

    python -m tests.conformance.samples          # say what differs from os_net_config.yml
    python -m tests.conformance.samples --write  # write it anew, to be looked at before it is committed
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.ozone.openstack.plugins.module_utils.network import (  # noqa: E402 - found by the path above
    render,
    resolve,
    schema,
)
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import (  # noqa: E402 - found by the path above
    Config,
    NetworkError,
    Nic,
    Wanted,
)

PACKAGE = "os-net-config"
VERSION = "18.1.0"
SHA256 = "06918ec4778ed64c54d007f6a94bfecc3dc7eafd12713b26dbd454a22136800f"
CACHE = Path.home() / ".cache" / "ozone" / "conformance" / SHA256
TABLE = Path(__file__).with_name("os_net_config.yml")
HEAD = """\
# What becomes of the samples of os-net-config: python -m tests.conformance.samples --write
# outcome: "accepted", "accepted with DHCP" (on the devices that ask for it, when the operator allows it), "refused".
# dhcp: devices that ask for DHCP. why: the reasons of a refusal that are left when it is allowed, without addresses.
"""

_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?")


class _Dumper(yaml.SafeDumper):
    """Lists are indented, as in all our YAML."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Never without an indentation."""
        super().increase_indent(flow, False)


def archive() -> Path:
    """The source distribution, fetched when it is not there. Raises RuntimeError."""
    path = CACHE / f"{PACKAGE.replace('-', '_')}-{VERSION}.tar.gz"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE.parent) as directory:
            wanted = Path(directory) / "wanted.txt"
            wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
            argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--no-binary", ":all:", "--no-build-isolation", "--require-hashes", "--dest", directory,
                    "--requirement", str(wanted)]  # fmt: skip
            done = subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)
            if done.returncode:
                raise RuntimeError(f"pip cannot fetch {PACKAGE} {VERSION}:\n{done.stderr.strip()}")
            (Path(directory) / path.name).rename(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise RuntimeError(f"{path} is not the file that was fetched: remove it")
    return path


def samples() -> Iterator[tuple[str, Any]]:
    """Name and content of each sample. os-net-config reads its JSON files as YAML, too, and some are not JSON."""
    with tarfile.open(archive()) as tar:
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            path = Path(member.name)
            if member.isfile() and path.parts[1:-1] == ("etc", "os-net-config", "samples"):
                file = tar.extractfile(member)
                if file is not None:
                    yield path.name, yaml.safe_load(file.read())


def nics(config: Config) -> list[Nic]:
    """A node with all NICs that a configuration speaks of. The names of the samples tell which are InfiniBand."""
    names = {device.name for device in config.devices if device.kind in ("interface", "sriov_pf", "ib_interface")}
    numbered = {f"eno{number}" for number in range(1, 5)}  # for nic1, nic2, ...
    found: list[Nic] = []
    for index, name in enumerate(sorted(numbered | {name for name in names if not re.match(r"nic\d+\Z", name)})):
        found.append(
            {
                "name": name,
                "mac": f"52:54:00:00:01:{index:02x}",
                "pci": f"0000:03:{index:02x}.0",
                "port": 0,
                "driver": "ice",
                "type": "infiniband" if name.startswith("ib") else "ether",
                "vf_of": "",
                "carrier": True,
                "speed": 25000,
                "max_mtu": 9600,
            }
        )
    return found


def wanted(data: Any, dhcp: bool) -> Wanted:
    """What a node with those NICs would get. ``dhcp``: it is allowed wherever it is asked for. Raises NetworkError."""
    config = schema.parse(data, dhcp_allowed=_asking(data) if dhcp else ())
    return render.render(config, resolve.resolve(config, nics(config), [], {}))


def _asking(value: Any) -> set[str]:
    """Names of the objects that ask for an address."""
    if isinstance(value, dict):
        asks = value.get("use_dhcp") or value.get("use_dhcpv6")
        return set().union(*map(_asking, value.values()), {value.get("name", "")} if asks else ())
    return set().union(*map(_asking, value)) if isinstance(value, list) else set()


def _reasons(data: Any, dhcp: bool) -> list[str]:
    """Why a sample is refused; empty when it is not."""
    try:
        if "interface_mapping" in data:
            schema.parse_mapping(data)
        else:
            wanted(data, dhcp)
    except NetworkError as error:
        return [_ADDRESS.sub("ADDRESS", str(problem)) for problem in error.problems]
    return []


def outcome(data: Any) -> dict[str, Any]:
    """What becomes of a sample: without DHCP, and where it is allowed wherever it is asked for."""
    without, allowed, names = _reasons(data, False), _reasons(data, True), sorted(_asking(data))
    word = "refused" if allowed else "accepted with DHCP" if without else "accepted"
    return {"outcome": word, **({"dhcp": names} if names else {}), **({"why": allowed} if allowed else {})}


def table() -> dict[str, Any]:
    """What becomes of all of them."""
    return {"package": PACKAGE, "version": VERSION, "samples": {name: outcome(data) for name, data in samples()}}


def main(arguments: list[str]) -> int:
    """Entry point."""
    text = HEAD + yaml.dump(table(), Dumper=_Dumper, sort_keys=False, width=110)
    if "--write" in arguments:
        TABLE.write_text(text)
    same = TABLE.exists() and TABLE.read_text() == text
    print(f"{TABLE.relative_to(ROOT)} is {'up to date' if same else 'out of date: write it with --write'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
