# SPDX-License-Identifier: Apache-2.0
"""Cut a node off twenty times by a change of its network, and measure when it is back by itself, as JSON.

    python bench/network_cut.py            # 20 rounds, about 15 minutes; needs root, QEMU and the cache of images
    python bench/network_cut.py 4          # fewer

Every change is valid and good as seen from the node, so that only the missing confirmation tells that it is not: the
worst case, which takes the whole window. Promised: back under the old configuration within the window and 10 seconds.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / ".ansible" / "collections"), str(ROOT)]

from tests.lab.machines import Machine, MachineLab  # noqa: E402 - found on the path set above
from tests.network.node import Background, Config, base, bond, links, story, vlan  # noqa: E402 - the same

Result = dict[str, Any]
ROUNDS, WINDOW, GRACE = 20, 20, 10

#: What cuts the node off.
CUTS: dict[str, Config] = {
    "another address": [bond(), vlan(100, host=77, gateway=1)],
    "a VLAN that the switches do not know": [bond(), {**vlan(100), "vlan_id": 999}],
    "no VLAN": [{**bond(), "addresses": vlan(100)["addresses"]}],
    "no network": [bond()],
}


def say(text: str) -> None:
    """Progress, beside the JSON."""
    print(text, file=sys.stderr, flush=True)


def cut(machine: Machine, config: Config) -> Result:
    """Cut the node off once. ``seconds``: from the loss of the node until SSH answers again, seen from here."""
    before = links(machine)
    run = Background(machine, config, window=WINDOW)
    begin = started = time.monotonic()
    while machine.reachable(timeout=2) and begin < started + 90:
        begin = time.monotonic()
    while not machine.reachable(timeout=3) and time.monotonic() < begin + 4 * WINDOW:
        time.sleep(0.2)
    seconds = time.monotonic() - begin
    failed = run.result().code != 0
    told = story(machine)
    same = links(machine) == before
    return {
        "seconds": round(seconds, 1),
        "of_the_node": told["reverted"].get("seconds"),  # from the arming of the timer until it was taken back
        "reason": told["reverted"].get("reason", ""),
        "back": machine.reachable() and same and failed and told["status"] == "reverted",
    }


def main() -> int:
    """All rounds on one machine, one after the other, without a restore in between."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    values: list[Result] = []
    stdout, sys.stdout = sys.stdout, sys.stderr  # what Ansible prints is progress
    with MachineLab() as lab:
        machine = lab.machine()
        first = machine.configure(base(), window=60)
        if first.code:
            say(first.output)
            return 1
        for number in range(rounds):
            what = list(CUTS)[number % len(CUTS)]
            values.append({"cut": what, **cut(machine, CUTS[what])})
            say(f"{number + 1}: {values[-1]}")
        asked = len(machine.dhcp_packets())
    seconds = [value["seconds"] for value in values]
    good = sum(value["back"] and value["seconds"] <= WINDOW + GRACE for value in values)
    result = {
        "target": f"back within {WINDOW} s + {GRACE} s, {rounds} times out of {rounds}, no DHCP packet",
        "ok": good == rounds and asked == 0,
        "window": WINDOW,
        "rounds": rounds,
        "in_time": good,
        "seconds": {"median": statistics.median(seconds), "max": max(seconds)},
        "dhcp_packets": asked,
        "values": values,
    }
    print(json.dumps({"network_cut": result}, indent=2), file=stdout)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
