# SPDX-License-Identifier: Apache-2.0
"""The story of the dead NIC, to watch: an emulated node on two switches loses a NIC, is changed, and is cut off.

    make demo-dead-nic

Ends by itself after about three minutes and leaves nothing behind. Exit code 1 when the story went otherwise.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".ansible" / "collections"), str(ROOT)]

from tests.lab.machines import Machine, MachineLab, Result  # noqa: E402 - found on the path set above
from tests.network.node import Config, await_members, base, bond, members, vlan  # noqa: E402 - the same

BEGIN = time.monotonic()
WINDOW = 30


def say(text: str = "") -> None:
    """A line of the story."""
    print(f"{time.monotonic() - BEGIN:5.0f} s  {text}" if text else "", flush=True)


def shown(title: str, text: str) -> None:
    """What a command says, indented."""
    say(f"  {title}")
    for line in text.strip().splitlines():
        print(f"             {line}", flush=True)


def change(machine: Machine, config: Config, **arguments: Any) -> Result:
    """Run network_config, and show what it returns."""
    with contextlib.redirect_stdout(io.StringIO()):
        result = machine.configure(config, **arguments)
    told = result.returned
    say(f"  exit code {result.code} after {result.seconds:.0f} s, status: {told.get('status')}")
    for line in (*told.get("summary", []), *told.get("degraded", [])):
        say(f"    {line}")
    if result.code:
        say(f"    {told.get('msg')}")
    return result


def must(true: bool, what: str) -> None:
    """The story goes on only while it is true."""
    say(f"  {'yes' if true else 'NO'}: {what}")
    if not true:
        raise SystemExit(f"the story went otherwise: {what}")


def main() -> None:
    """The story."""
    say("A machine with five NICs on two switches boots. It is emulated, so this takes a while.")
    with MachineLab() as lab:
        machine = lab.machine()
        dead = machine.nics[1]
        say("It gets its network from Ozone: bond0 of nic1 and nic2, with the operator's VLAN 100 on it.")
        must(change(machine, base(), window=60).code == 0, "it is configured")
        say()
        say(f"Now {dead.name} (nic2) dies: its link is gone at both ends.")
        machine.cable(1, plugged=False)
        await_members(machine, {"ens16": "up", "ens17": "down"})
        say("With os-net-config, nic3 would be called nic2 from now on. We add a storage bond of nic3 and nic4.")
        config = base(bond("bond1", ("nic3", "nic4")), vlan(101, "bond1"))
        result = change(machine, config, window=60)
        must(result.code == 0 and result.returned["status"] == "degraded", "the change was made, and it says degraded")
        must(machine.reachable(), f"SSH answers at {machine.address}, over a new connection")
        shown("numbers of the NICs:", "\n".join(f"{k} = {v}" for k, v in result.returned["resolution"].items()))
        shown("addresses:", machine.inside("ip -br address show scope global").out)
        must(machine.dhcp_packets() == [], "nobody asked for an address by DHCP")
        say()
        say(f"{dead.name} comes back. Nobody runs anything.")
        machine.cable(1, plugged=True)
        await_members(machine, {"ens16": "up", "ens17": "up"})
        must(members(machine)["ens17"] == "up", "it is in its bond again")
        say()
        say(f"Now a mistake: another address for the operator's VLAN. The node has {WINDOW} s to be confirmed.")
        moved = [bond(), vlan(100, host=77, gateway=1), *config[2:]]
        result = change(machine, moved, window=WINDOW)
        must(result.code != 0 and result.returned["reverted"], "the run failed, and the node went back by itself")
        must(machine.reachable(), f"SSH answers at {machine.address} again, over a new connection")
        must(machine.dhcp_packets() == [], "nobody asked for an address by DHCP, all the time")
        say("The machine is switched off.")


if __name__ == "__main__":
    main()
