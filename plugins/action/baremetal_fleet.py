# SPDX-License-Identifier: Apache-2.0
"""Action: bring many nodes of Ironic to a target; see the module's documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from ansible.utils.display import Display

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import course, fleet, wanted
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import BaremetalError, Target, Wanted
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.secret_fields import secret_key, secret_values
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import mask, use
from ansible_collections.ozone.openstack.plugins.plugin_utils import ironic

ARGUMENTS: dict[str, Any] = {
    **ironic.ARGUMENTS,
    "target": {"type": "str", "required": True, "choices": list(get_args(Target))},
    "nodes": {"type": "list", "elements": "dict", "required": True},
    "parallel": {"type": "int", "default": 50},
    "success": {"type": "str", "default": "all"},
    "on_failure": {"type": "str", "choices": ["power_off", "leave"], "default": "power_off"},
    "stuck": {"type": "str", "choices": ["leave", "abort"], "default": "leave"},
    "differences": {"type": "str", "choices": ["report", "fail"], "default": "report"},
    "limits": {"type": "dict", "default": {}},
    "retries": {"type": "int", "default": 0},
    "force": {"type": "bool", "default": False},
    "withdraw": {"type": "bool", "default": False},
    "rescue_password": {"type": "str", "no_log": True},
}

#: Longest list of bad nodes in a message.
MOST = 50


def limits(given: Mapping[str, Any]) -> dict[str, float]:
    """All limits, those that were given instead of the defaults.

    :raises BaremetalError: one is unknown or no number of seconds.
    """
    problems = [f"limits.{name}: unknown (one of {', '.join(course.LIMITS)})" for name in given
                if name not in course.LIMITS]  # fmt: skip
    found = dict(course.LIMITS)
    for name, value in given.items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError):
            found[name] = 0.0
        if not found[name] > 0:
            problems.append(f"limits.{name}: must be a number of seconds above 0")
    if problems:
        raise BaremetalError("\n".join(problems))
    return found


def hide(nodes: Sequence[Wanted], password: str | None) -> None:
    """Have secrets of the declaration masked wherever they might turn up."""
    for node in nodes:
        for secret in secret_values(node.declared) if node.declared is not None else ():
            use(secret)
    if password:
        use(password)


def masked(value: Any) -> Any:
    """A result without secrets in any text."""
    if isinstance(value, Mapping):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return mask(value) if isinstance(value, str) else value


def message(report: fleet.Report) -> str:
    """Why a run is no success: a line for each bad node."""
    bad = report.bad
    lines = [fleet.line(outcome) for outcome in bad[:MOST]]
    if len(bad) > MOST:
        lines.append(f"and {len(bad) - MOST} more")
    good = sum(outcome.status in ("changed", "unchanged") for outcome in report.outcomes)
    head = f"{good} of {len(report.outcomes)} nodes are there, {report.needed} are needed"
    return "\n".join([head, *lines])


def diffs(report: fleet.Report) -> list[dict[str, str]]:
    """What was declared otherwise, node by node."""
    return [
        {
            "before_header": f"node {name}",
            "after_header": f"node {name}",
            **{side: json.dumps(diff.get(side), indent=2, sort_keys=True) + "\n" for side in ("before", "after")},
        }
        for name, diff in sorted(report.diffs.items())
    ]


class ActionModule(ironic.IronicAction):
    """``ozone.openstack.baremetal_fleet``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS

    def drive(self, options: dict[str, Any], connect: ironic.Connect) -> dict[str, Any]:
        """Read, run, tell."""
        nodes = wanted.read(options["nodes"])
        hide(nodes, options["rescue_password"])
        given = limits(options["limits"])
        api = connect()
        display = Display()
        run = fleet.Fleet(
            api,
            nodes,
            course.Options(
                target=options["target"],
                on_failure=options["on_failure"],
                stuck=options["stuck"],
                differences=options["differences"],
                limits=given,
                retries=options["retries"],
                force=options["force"],
                withdraw=options["withdraw"],
                rescue_password=options["rescue_password"] or "",
                key=secret_key(api.password),
            ),
            parallel=options["parallel"],
            success=options["success"],
            # A callback may write JSON to standard output.
            say=lambda line: display.display(mask(f"    {line}"), stderr=True),
        )
        report = run.plan() if self._task.check_mode else run.run()
        result = report.result()
        if self._task.diff and report.diffs:
            result["diff"] = diffs(report)
        if not report.ok:
            result.update(failed=True, msg=message(report))
        elif report.bad:
            result["warnings"] = [fleet.line(outcome) for outcome in report.bad]
        shown: dict[str, Any] = masked(result)
        return shown
