# SPDX-License-Identifier: Apache-2.0
"""Action: render a node's network on the deployment host, have the node apply it, and confirm it over a new connection.

Looking is one module execution, and all of them when nothing differs. A change takes a second one, which returns as
soon as the node is armed; from then on the installed tool answers, over a new connection for each question.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import time
import uuid
from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils.network import confirm, tool
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError
from ansible_collections.ozone.openstack.plugins.plugin_utils.node_identity import identity_of

MODULE = "ozone.openstack.network_config"

#: For each question a connection of its own, that notices soon when the other end is gone. The first value counts.
SSH = (
    "-o ControlMaster=no -o ControlPersist=no -o ControlPath=none -o ConnectTimeout=5 "
    "-o ServerAliveInterval=3 -o ServerAliveCountMax=3"
)

ARGUMENTS = {
    "config": {"type": "list", "elements": "dict", "default": []},
    "mapping": {"type": "dict", "default": {}},
    "dhcp_allowed": {"type": "list", "elements": "str", "default": []},
    "window": {"type": "int", "default": 120},
    "address": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["present", "validated"], "default": "present"},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.network_config``: the module's documentation describes the options."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look, compare, and if something differs: begin, wait, confirm."""
        begun = time.monotonic()
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _, given = self.validate_argument_spec(ARGUMENTS)
        if given["window"] < confirm.SHORTEST:
            raise AnsibleActionFail(f"window: {given['window']} s is too short, a change takes {confirm.SHORTEST} s")
        self.identity = identity_of(self, variables)
        info = self._execute_module(
            module_name="ozone.openstack.network_info",
            module_args={"identity": self.identity},
            task_vars=variables,
            tmp=tmp,
        )
        if info.get("failed") or info.get("unreachable"):
            return {**result, **info}
        if info.get("stranger"):
            return {**result, "failed": True, "changed": False, "msg": info["stranger"]}
        try:
            planned = confirm.plan(given["config"], info["observed"], given["mapping"], given["dhcp_allowed"])
        except NetworkError as error:
            return {**result, "failed": True, "changed": False, "msg": str(error),
                    "problems": [str(problem) for problem in error.problems]}  # fmt: skip
        change = planned.change
        result.update(
            changed=change["changed"],
            status="ok",
            degraded=confirm.shortcomings(planned.wanted, info["observed"]),
            resolution=planned.wanted["resolution"],
            touched=change["touched"],
            summary=change["summary"],
            reverted=False,
            reason="",
            problems=[],
            id="",
        )
        result.setdefault("warnings", []).extend(planned.warnings)
        if self._task.diff:
            result["diff"] = confirm.diffs(change, info["observed"])
        wanted = json.dumps(planned.wanted)
        if given["state"] == "validated":
            self._validate(result, wanted, variables, tmp)
        elif info["pending"] and info["left"] > 0:
            result.update(failed=True, changed=False, status="pending", msg=waiting(variables, info))
        elif self._task.check_mode:
            if info["pending"]:  # its time is over, and it is not taken back entirely: a run does that first
                result.update(
                    changed=True,
                    status="pending",
                    reason=info["reason"],
                    summary=[
                        f"change {info['pending']} is left unfinished: it is taken back first",
                        *change["summary"],
                    ],
                )
        elif info["pending"] or change["changed"] or info["digest"] != planned.wanted["digest"]:
            self._change(result, wanted, given, variables, tmp)
        if result["status"] == "ok" and result["degraded"]:
            result["status"] = "degraded"
        result["seconds"] = round(time.monotonic() - begun, 1)
        return result

    def _validate(self, result: dict[str, Any], wanted: str, variables: dict[str, Any], tmp: str | None) -> None:
        """Have the node look whether its network is as wanted and works."""
        found = self._execute_module(
            module_name=MODULE,
            module_args={"wanted": wanted, "state": "validated", "identity": self.identity},
            task_vars=variables,
            tmp=tmp,
        )
        result["changed"] = False
        if found.get("failed") or found.get("unreachable"):
            result.update(found)
            return
        result.update(problems=found["problems"], degraded=found["degraded"])
        result["warnings"].extend(found.get("warnings", []))
        if found["problems"]:
            result.update(failed=True, msg="; ".join(found["problems"]))

    def _change(
        self, result: dict[str, Any], wanted: str, given: dict[str, Any], variables: dict[str, Any], tmp: str | None
    ) -> None:
        """Begin the change, and see it to its end."""
        identity, window = uuid.uuid4().hex[:12], given["window"]
        name = str(variables.get("inventory_hostname", "the node"))
        connection = Connection(self)
        arguments = {"wanted": wanted, "id": identity, "window": window, "identity": self.identity}
        with connection:
            try:
                started = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=variables, tmp=tmp)
            except AnsibleConnectionFailure:  # the change may have been begun, and have cut the answer off
                started = {"changed": True, "warnings": []}
            if started.get("failed"):
                stuck = any(
                    words in started["msg"] for words in ("waits for its confirmation", "could not be taken back")
                )
                result.update(changed=False, failed=True, msg=started["msg"], status="pending" if stuck else "ok")
                return
            result["warnings"].extend(started.get("warnings", []))
            result["changed"] = started["changed"]
            if not started["changed"]:
                return
            result["id"] = identity
            address = given["address"] or connection.address
            ending = confirm.accompany(connection, identity, window, [address, connection.address])
        told = ending.told or {}
        if ending.confirmed:
            result["degraded"] = told["degraded"]
            result["warnings"].extend(told["warnings"])
            return
        back = told.get("state") == "reverted"
        unknown = told.get("state") == ""  # it never began
        result.update(
            failed=True,
            changed=not (back or unknown),
            reverted=back,
            status="reverted" if back else "ok" if unknown else "pending",
            reason=told.get("reason", ""),
            msg=confirm.sentence(name, ending, window, address, connection.error),
            degraded=[],
        )


def waiting(variables: dict[str, Any], info: dict[str, Any]) -> str:
    """What to tell of a change that somebody else began."""
    name = variables.get("inventory_hostname", "the node")
    return (
        f"another change of the network of {name} waits for its confirmation ({info['pending']}); it is taken back in "
        f"{info['left']:.0f} s unless it is confirmed: run again then"
    )


class Connection:
    """The way to the node, anew for each question. Leaving it brings back the task's own settings."""

    def __init__(self, action: ActionModule) -> None:
        self.action = action
        self.connection = action._connection
        self.old: dict[str, Any] = {}
        self.error = ""
        self.address = str(self._option("host") or action._play_context.remote_addr or "")

    def __enter__(self) -> Connection:
        """From here on no connection is shared: end the one that there is, which the change may leave half dead."""
        with contextlib.suppress(Exception):  # whatever kind it is, it may be gone already
            self.connection.reset()
        arguments = self._option("ssh_args")
        if arguments is not None or self._has("ssh_args"):
            self._set("ssh_args", f"{SSH} {arguments or ''}".strip())
        if self._has("reconnection_retries"):
            self._set("reconnection_retries", 0)
        self.old.setdefault("host", self._option("host"))
        self.remote_addr = self.action._play_context.remote_addr
        return self

    def __exit__(self, *error: object) -> None:
        """As it was before, with no connection open."""
        for name, value in self.old.items():
            if self._has(name):
                self.connection.set_option(name, value)
        self.action._play_context.remote_addr = self.remote_addr
        self._close()

    def ask(self, words: Sequence[str], address: str) -> dict[str, Any] | None:
        """See ``confirm.Node``."""
        self._close()
        if address and address != "local":
            if self._has("host"):
                self.connection.set_option("host", address)
            self.action._play_context.remote_addr = address
        command = shlex.join(["/usr/bin/python3", "-I", tool.TOOL, *words])
        try:
            answer = self.action._low_level_execute_command(command)
        except AnsibleError as error:  # also what is no matter of the connection, such as a host key or a password
            self.error = f"{address}: {error}"
            return None
        if answer["rc"]:
            lines = f"{answer['stdout']}\n{answer['stderr']}".strip().splitlines() or ["no answer"]
            self.error = f"{address}: {lines[-1]} (exit code {answer['rc']})"
            return None
        return confirm.answer_of(answer["stdout"])

    def _close(self) -> None:
        with contextlib.suppress(Exception):  # it may be half dead
            self.connection.close()

    def _has(self, name: str) -> bool:
        return bool(self.connection.has_option(name))

    def _option(self, name: str) -> Any:
        return self.connection.get_option(name) if self._has(name) else None

    def _set(self, name: str, value: Any) -> None:
        self.old[name] = self._option(name)
        self.connection.set_option(name, value)
