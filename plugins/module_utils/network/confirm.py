# SPDX-License-Identifier: Apache-2.0
"""The deployment host's side of a network change: what to ask of a node, and what to tell of it.

A change is confirmed only over connections that are made after the node has said that it is good from its side: a
session from before may survive what no new one would. So every question is put over a connection of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ansible_collections.ozone.openstack.plugins.module_utils.network.difference import difference
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Change, Observed, Wanted
from ansible_collections.ozone.openstack.plugins.module_utils.network.render import render
from ansible_collections.ozone.openstack.plugins.module_utils.network.resolve import resolve
from ansible_collections.ozone.openstack.plugins.module_utils.network.schema import parse, parse_mapping

#: Seconds that a node may take, after its window is over, to go back and to tell of it.
GRACE = 30

#: Seconds for which a node is asked to wait with its answer while it applies a change.
PATIENCE = 5

#: Shortest window: a node looks for half of it whether a change is good, and the rest is for the confirmation.
SHORTEST = 20


class Planned(NamedTuple):
    """What a node shall have, how it gets there, and what an operator should know of it."""

    wanted: Wanted
    change: Change
    warnings: list[str]


def plan(
    config: Any, observed: Observed, mapping: Mapping[str, Any] | None = None, dhcp_allowed: Collection[str] = ()
) -> Planned:
    """Compare a configuration with a node, without changing anything. :raises NetworkError: with all that is wrong."""
    checked = parse(config, dhcp_allowed=dhcp_allowed)
    aliases = parse_mapping(mapping) if mapping else {}
    wanted = render(checked, resolve(checked, observed["nics"], observed["numbers"], aliases))
    warnings = [str(problem) for problem in checked.warnings] + asking(observed, wanted)
    named = next((device.path for device in checked.devices if device.dns_servers or device.domains), "")
    if named and not observed.get("resolved", True):
        warnings.append(
            f"{named}: its name servers and domains do nothing on this node, which has no systemd-resolved "
            "(install it, or leave them out and write /etc/resolv.conf)"
        )
    return Planned(wanted, difference(wanted, observed), warnings)


def asking(observed: Observed, wanted: Wanted) -> list[str]:
    """Sources of DHCP on a node that a change does not end."""
    ours = set(wanted["files"])
    told = []
    for source in observed["sources"]:
        by = source["neutralised_by"]
        if not by:
            told.append(f"{source['name']} may ask for an address by DHCP, remove it by hand: {source['where']}")
        elif by.startswith("/etc/cloud") and by not in ours:
            told.append(f"{source['name']} may ask for an address by DHCP: {source['where']}")
    return told


def shortcomings(wanted: Wanted, observed: Observed) -> list[str]:
    """What is not as it should be on a node whose configuration is as it should be."""
    links = {link["name"]: link for link in observed["links"]}
    masters = {member: link["name"] for link in wanted["links"] for member in link["members"]}
    told = list(wanted["degraded"])
    for link in wanted["links"]:
        name = link["name"]
        if link["physical"] and name in links and not links[name]["carrier"]:
            told.append(
                f"{name}, a member of {masters[name]}, has no link" if name in masters else f"{name} has no link"
            )
    return told


def diffs(change: Change, observed: Observed) -> list[dict[str, str]]:
    """What a change does, in the form of Ansible's --diff."""
    before = {path: file["text"] for path, file in observed["files"].items()} | observed["foreign"]
    found = [
        {
            "before_header": path,
            "after_header": path,
            "before": before.get(path, ""),
            "after": file["text"] if file else "",
        }
        for path, file in sorted(change["forward"]["files"].items())
    ]
    steps = change["forward"]
    rest = [f"networkd: delete {name}" for name in steps["delete"]]
    rest += [f"ovs-vsctl: {part}" for part in " ".join(steps["ovs"]).split(" -- ") if part]
    rest += [" ".join(command) for command in steps["commands"]]
    if rest:
        found.append({"before_header": "calls", "after_header": "calls", "before": "", "after": "\n".join(rest) + "\n"})
    return found


# -- the confirmation --------------------------------------------------------------------------------------------------


class Node(Protocol):
    """A node that can be asked, each time over a new connection."""

    def ask(self, words: Sequence[str], address: str) -> dict[str, Any] | None:
        """The JSON answer of ``ozone-network`` with these words; None when the node cannot be reached there."""


class Ending(NamedTuple):
    """How a change ended. ``told``: the node's last answer, or None; ``unreached``: it was not there to be confirmed.

    It may have been reached earlier, before the change took effect.
    """

    confirmed: bool
    told: dict[str, Any] | None
    why: str
    unreached: bool


def accompany(
    node: Node,
    identity: str,
    window: int,
    addresses: Sequence[str],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Ending:
    """Wait until a node says that its change is good, and confirm it; or find out how the node went back.

    ``addresses``: where it must be reached from now on; then where else it may tell how it ended.
    """
    begun = clock()
    end = begun + window
    unreached, why, said = False, "", None
    told: dict[str, Any] | None = None
    while clock() < end:
        asked = clock()
        told = node.ask(["status", "--id", identity, "--wait", str(PATIENCE)], addresses[0])
        if told is None:
            unreached = True
        else:
            said = told
            if told["state"] in ("reverted", "reverting", ""):
                break
            unreached = False
            if told["state"] == "verified":
                answer = node.ask(["confirm", "--id", identity], addresses[0])
                if answer is not None and answer["confirmed"]:
                    return Ending(True, answer, "", False)
                if answer is not None:
                    why, said = answer["why"], answer
                    break
            elif told["state"] == "confirmed":  # the answer to the confirmation was lost
                return Ending(True, told, "", False)
        if clock() - asked < 1:
            sleep(1)
    while clock() < end + GRACE:
        for address in dict.fromkeys(reversed(addresses)):
            told = node.ask(["status", "--id", identity], address)
            if told is None:
                continue
            said = told
            if told["state"] == "confirmed":
                return Ending(True, told, "", False)
            if told["state"] in ("reverted", "") or (told["state"] == "reverting" and told["problems"]):
                return Ending(False, told, why, unreached)
        sleep(1)
    return Ending(False, said if told is not None else None, why, unreached)


def sentence(name: str, ending: Ending, window: int, address: str, error: str = "") -> str:
    """What to tell of a change that was not confirmed. ``error``: of the last connection that failed."""
    told = ending.told
    where = f"{name} could not be reached at {address} over a new connection" if ending.unreached else ""
    if told is None:
        return (
            f"{name} could not be reached at {address} after the change, and not since. It goes back to its previous "
            f"network by itself {window} s after the change began, also when it is rebooted. If it stays away, look at "
            "its console: ozone-network status tells how it went" + (f". The last attempt: {error}" if error else "")
        )
    if told["state"] == "reverted":
        seconds = told["reverted"].get("seconds")
        after = f"{seconds} s after the change" if seconds is not None else "at its reboot"
        reason = where if ending.unreached and told["reason"].startswith("nobody confirmed") else told["reason"]
        text = f"{name} went back to its previous network by itself {after}: {reason}."
        if told["problems"]:
            text += f" Not as before: {'; '.join(told['problems'])}."
        if ending.unreached and error:
            text += f" The last attempt that failed: {error}"
        return text
    if told["state"] == "reverting":
        return (
            f"{name} could not go back to its previous network entirely: {'; '.join(told['problems'])}. It tries again "
            f"by itself, and so does the next run. It wanted to go back because {told['reason']}"
        )
    if told["state"] == "":
        return f"{name} knows nothing of the change: nothing was changed"
    return f"{name} did not confirm the change ({told['state']}): {ending.why or 'it took too long'}"


def answer_of(text: str) -> dict[str, Any] | None:
    """The JSON object in what a node printed, whatever its login shell said before."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            return found if isinstance(found, dict) else None
    return None
