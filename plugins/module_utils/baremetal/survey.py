# SPDX-License-Identifier: Apache-2.0
"""What Ironic says of many nodes, in words: where each is, since when, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import states, words
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.course import DIGEST, LIMITS

Node = Mapping[str, Any]


def _since(node: Node, now: datetime) -> float | None:
    """Seconds in its state; None where Ironic does not say."""
    try:
        begin = datetime.fromisoformat(str(node.get("provision_updated_at")))
    except ValueError:
        return None
    if begin.tzinfo is None:
        begin = begin.replace(tzinfo=UTC)
    return max((now - begin).total_seconds(), 0.0)


def _trouble(node: Node, seconds: float | None, limits: Mapping[str, float]) -> tuple[str, str]:
    """Cause and remedy; empty when all is well."""
    state, error = str(node.get("provision_state")), str(node.get("last_error") or "")
    if node.get("maintenance"):
        reason = str(node.get("maintenance_reason") or "nobody said why")
        fault = f" ({node['fault']})" if node.get("fault") else ""
        return f"is in maintenance{fault}: {reason}", words.explain("", reason)[1] if fault else ""
    if states.failed(state):
        cause, remedy = words.explain("", error)
        return f"is {state!r}: {cause}", remedy
    if states.transitional(state) and seconds is not None and seconds >= limits.get(state, LIMITS["deploying"]):
        return words.stuck(state, seconds, node.get("reservation"))
    if state in states.STATES and states.STATES[state].kind == "held":
        return f"a step of an operator holds it in {state!r}", "release it (unhold) or end it (abort)"
    if error:
        return words.explain("", error)
    if state == "active" and node.get("power_state") not in ("power on", None):
        return "is active, and switched off", "baremetal node power on, once it is known why"
    if state not in ("enroll", "verifying") and node.get("power_state") is None:
        return words.explain("manage", "failed to get power state")
    return "", ""


def survey(
    nodes: Sequence[Node], names: Sequence[str] | None, now: datetime, limits: Mapping[str, float] = LIMITS
) -> list[dict[str, Any]]:
    """Each node, by name: all of Ironic's, or those that are named. One that Ironic does not have is told, too."""
    known = {str(node.get("name") or node["uuid"]): node for node in nodes}
    found: list[dict[str, Any]] = []
    for name in sorted(set(names) if names is not None else known):
        node = known.get(name)
        if node is None:
            words_ = ("Ironic has no node of this name", "correct the name, or enrol it")
            found.append({"name": name, "state": "", "seconds": None, "problem": words_[0], "remedy": words_[1]})
            continue
        seconds = _since(node, now)
        problem, remedy = _trouble(node, seconds, limits)
        info = node.get("instance_info") or {}
        found.append(
            {
                "name": name,
                "uuid": node["uuid"],
                "state": node.get("provision_state"),
                "power": node.get("power_state"),
                "maintenance": bool(node.get("maintenance")),
                "seconds": None if seconds is None else round(seconds),
                "image": info.get("image_source"),
                "ours": DIGEST in info,
                "problem": problem,
                "remedy": remedy,
                "last_error": node.get("last_error"),
            }
        )
    return found
