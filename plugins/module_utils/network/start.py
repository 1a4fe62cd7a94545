# SPDX-License-Identifier: Apache-2.0
"""The node's side of the modules: begin a change so that it goes on, and ends well, without whoever asked for it.

Everything that can be refused is refused here, before anything is changed: a second change while one is pending, a
disk without room for the way forth and the way back, an Open vSwitch that does not answer. Then the way back is written
down, the timer is armed, and only then the process that applies the change is started.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any, TypedDict, cast

from ansible_collections.ozone.openstack.plugins.module_utils import node_identity
from ansible_collections.ozone.openstack.plugins.module_utils.network import tool
from ansible_collections.ozone.openstack.plugins.module_utils.network.difference import OWNED, difference
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import Change, Observed, Wanted
from ansible_collections.ozone.openstack.plugins.module_utils.network.probe import probe
from ansible_collections.ozone.openstack.plugins.module_utils.network.tool import Failure, Host, Pending


class Started(TypedDict):
    """What ``start`` did. ``changed`` False: nothing had to be done, and nothing waits for a confirmation."""

    changed: bool
    id: str
    window: int
    summary: list[str]
    touched: list[str]
    warnings: list[str]


def start(
    host: Host,
    wanted: Wanted,
    identity: str,
    window: int,
    observe: Callable[[Host], Observed] = probe,
    compare: Callable[[Wanted, Observed], Change] = difference,
    node: Mapping[str, Any] | None = None,
) -> Started:
    """Begin a change of the machine that is meant (``node``, see ``node_identity.stranger``).

    :raises Failure: it was refused or could not begin; nothing is changed.
    :raises TimeoutError: another change has not ended.
    """
    with host.locked("beginning a change of the network", tool.PATIENCE):
        warnings = settle(host)
        observed = observe(host)
        change = compare(wanted, observed)
        started = Started(
            changed=change["changed"],
            id=identity,
            window=window,
            summary=change["summary"],
            touched=change["touched"],
            warnings=warnings,
        )
        if not change["changed"]:
            remember(host, wanted, observed, change, identity)
            return started
        if change["forward"]["ovs"] and observed["ovs"] is None:
            raise Failure(f"the change needs Open vSwitch: {observed['ovs_error']}")
        record = pending_of(host, wanted, observed, change, identity, window)
        try:
            install(host)
            claim(host, node)
            clean(host)
            tool.stage(host, record["forward"]["files"], tool.NEW)
            tool.stage(host, record["back"]["files"], tool.OLD)
            record["armed"] = host.clock()
            record["deadline"] = record["armed"] + window
            tool.save(host, tool.PENDING, record)
        except (OSError, Failure) as error:
            give_up(host, record)
            raise Failure(
                f"nothing was changed, the node cannot prepare the change: {tool.explained(error)}"
            ) from error
        for result in (tool.arm(host, identity, window), tool.launch(host, identity, window)):
            if result.code:
                give_up(host, record)
                raise Failure(f"nothing was changed, systemd does not take the change: {tool.told(result)}")
        return started


def claim(host: Host, node: Mapping[str, Any] | None) -> None:
    """Let the machine know which node it is, before its network is changed."""
    identity = node_identity.outdated(host, node)
    if identity is not None:
        host.mkdir(os.path.dirname(node_identity.FILE))
        tool.save(host, node_identity.FILE, identity)


def settle(host: Host) -> list[str]:
    """Finish the way back of a change that is over; returns what to tell. :raises Failure: one is still pending."""
    record = tool.pending(host)
    if record is None:
        return []
    left = record["deadline"] - host.clock()
    if tool.waits(host, record) and left > 0:
        raise Failure(
            f"another change of the network waits for its confirmation ({record['id']}); "
            f"it is taken back in {left:.0f} s unless it is confirmed: run again then"
        )
    if not tool.go_back(host, record, "the change was left unfinished"):
        raise Failure(
            f"an earlier change ({record['reason']}) could not be taken back: {'; '.join(record['problems'])}; "
            "the node tries again by itself, and each run does"
        )
    return [f"an unfinished change was taken back first: {record['reason']}"]


def remember(host: Host, wanted: Wanted, observed: Observed, change: Change, identity: str) -> None:
    """Keep what is wanted as what is active where only words differ, such as a NIC that has got a number."""
    active = observed["active"]
    if active and active["digest"] == wanted["digest"]:
        return
    record = pending_of(host, wanted, observed, change, identity, 0)
    record["degraded"] = wanted["degraded"]
    try:
        tool.save(host, tool.NUMBERS, wanted["numbers"])
        tool.save(host, tool.ACTIVE, record)
        host.unlink(tool.REVERTED)
    except OSError as error:
        raise Failure(f"nothing was changed, the record cannot be written: {tool.explained(error)}") from error


def pending_of(host: Host, wanted: Wanted, observed: Observed, change: Change, identity: str, window: int) -> Pending:
    """The record of a change."""
    there = {link["name"] for link in observed["links"]}
    active = observed["active"]
    return {
        "id": identity,
        "boot": host.boot(),
        "armed": 0.0,
        "deadline": 0.0,
        "window": window,
        "state": "armed",
        "reached": "",
        "reason": "",
        "retries": 0,
        "forward": change["forward"],
        "back": change["back"],
        "touched": change["touched"],
        "wanted": cast("dict[str, Any]", wanted),
        "previous": sorted(name for name in (active["netdevs"] if active else {}) if name in there),
        "before": None,
        "degraded": [],
        "warnings": [],
        "problems": [],
    }


def clean(host: Host) -> None:
    """Remove what a change left that died while it was prepared."""
    for directory in dict.fromkeys(directory for directory, _ in OWNED):
        for name in host.names(directory):
            if name.startswith(".") and name.endswith((tool.NEW, tool.OLD)):
                host.unlink(f"{directory}/{name}")


def give_up(host: Host, record: Pending) -> None:
    """Leave no trace of a change that does not begin."""
    problems: list[str] = []
    identity = record["id"]
    tool.attempt(problems, "pending", lambda: host.unlink(tool.PENDING))
    tool.attempt(problems, "pending", lambda: host.unlink(f"{tool.PENDING}.tmp"))
    tool.attempt(problems, "staged files", lambda: tool.sweep(host, record))
    names = [f"{tool.REVERT_UNIT}{identity}.timer", f"{tool.APPLY_UNIT}{identity}.service"]
    host.run(["systemctl", "stop", *names], tool.CALL)


def tool_source() -> str:
    """The text of ``tool.py``, wherever it was imported from: a directory, or the archive of a module."""
    module = importlib.import_module(tool.__name__)
    loader = cast(Any, module.__loader__)
    source = loader.get_source(module.__name__)
    if not isinstance(source, str):
        raise Failure("the source of tool.py cannot be read")
    return "#!/usr/bin/python3\n" + source


def install(host: Host) -> None:
    """Install what takes a change back without Ansible, and have it run at boot, unless it is all there."""
    wanted = {tool.TOOL: (tool_source(), 0o755)}
    wanted |= {f"{tool.UNIT_DIRECTORY}/{name}": (text, 0o644) for name, text in tool.UNITS.items()}
    changed = False
    for path, (text, mode) in wanted.items():
        if host.read(path) == text:
            continue
        host.mkdir(os.path.dirname(path))
        host.create(f"{path}.ozone-new", text.encode(), mode)
        host.replace(f"{path}.ozone-new", path)
        changed = True
    for name, text in tool.UNITS.items():
        target = next(line.partition("=")[2] for line in text.splitlines() if line.startswith("WantedBy="))
        link = f"{tool.UNIT_DIRECTORY}/{target}.wants/{name}"
        if not host.exists(link):
            host.mkdir(os.path.dirname(link))
            host.symlink(f"../{name}", link)
            changed = True
    if changed:
        result = host.run(["systemctl", "daemon-reload"], tool.CALL)
        if result.code:
            raise Failure(f"systemctl daemon-reload: {tool.told(result)}")


def validate(host: Host, wanted: Wanted, observe: Callable[[Host], Observed] = probe) -> dict[str, Any]:
    """Look only: whether the network is what is wanted, and works."""
    observed = observe(host)
    change = difference(wanted, observed)
    told = tool.story(host)
    problems = [f"differs from what is wanted: {line}" for line in change["summary"]] if change["changed"] else []
    if told["status"] == "pending":
        problems.append(f"a change waits for its confirmation or for its way back: {told['reason'] or told['state']}")
    verdict = tool.verify(host, cast("dict[str, Any]", wanted), None, tool.ANSWER)
    return {
        "problems": [*problems, *verdict.failures],
        "degraded": verdict.degraded,
        "warnings": verdict.warnings,
        "summary": change["summary"],
        "touched": change["touched"],
    }
