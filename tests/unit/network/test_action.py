# SPDX-License-Identifier: Apache-2.0
"""The action plugin: a whole change, with Ansible's connection and a simulated node at its other end."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from test_start import Real, bond

from ansible_collections.ozone.openstack.plugins.action import network_config as action
from ansible_collections.ozone.openstack.plugins.module_utils import node_identity
from ansible_collections.ozone.openstack.plugins.module_utils.network import confirm, start, tool
from ansible_collections.ozone.openstack.plugins.modules import network_info


class Wire:
    """A connection plugin. ``options``: what it has."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.log: list[str] = []

    def has_option(self, name: str) -> bool:
        return name in self.options

    def get_option(self, name: str) -> Any:
        return self.options[name]

    def set_option(self, name: str, value: Any) -> None:
        self.options[name] = value

    def reset(self) -> None:
        self.log.append("reset")

    def close(self) -> None:
        self.log.append("close")


class Task(action.ActionModule):
    """The action on a simulated node. ``reach``: which addresses lead to the node."""

    def __init__(self, node: Real, **arguments: Any) -> None:
        self.node = node
        self._connection = Wire(host="198.18.16.10", ssh_args="-C -o ControlMaster=auto", reconnection_retries=3)
        self._play_context = types.SimpleNamespace(remote_addr="198.18.16.10")
        self._task = types.SimpleNamespace(args=arguments, check_mode=False, diff=False)
        self.modules: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.reach: Callable[[str], bool] = lambda address: True
        self.start_fails: Exception | None = None

    def validate_argument_spec(self, argument_spec: Any = None, **keys: Any) -> Any:
        return None, {name: self._task.args.get(name, spec["default"]) for name, spec in argument_spec.items()}

    def _execute_module(self, module_name: str, module_args: Any, task_vars: Any, tmp: Any) -> dict[str, Any]:
        self.modules.append(module_name.rpartition(".")[2])
        if module_name.endswith("_info"):
            try:
                stranger = node_identity.stranger(self.node, module_args["identity"])
                return {"stranger": stranger, **network_info.look(self.node)}
            except tool.Failure as error:
                return {"failed": True, "msg": str(error)}
        wanted = json.loads(module_args["wanted"])
        if module_args.get("state") == "validated":
            return {"changed": False, **start.validate(self.node, wanted, lambda host: self.node.observe())}
        try:
            answer = start.start(
                self.node,
                wanted,
                module_args["id"],
                module_args["window"],
                lambda host: self.node.observe(),
                node=module_args["identity"],
            )
        except tool.Failure as error:
            return {"failed": True, "msg": str(error)}
        if self.start_fails:
            raise self.start_fails
        return dict(answer)

    def _low_level_execute_command(self, cmd: str, **keys: Any) -> dict[str, Any]:
        words = shlex.split(cmd)
        assert words[:3] == ["/usr/bin/python3", "-I", tool.TOOL]
        address = self._connection.options.get("host", "")
        self.asked.append((words[3], address))
        assert self._connection.options.get("reconnection_retries", 0) == 0
        self.node.pass_time(1)
        self.node.work()
        if not self.reach(address):
            raise AnsibleConnectionFailure("no route")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = tool.main(words[3:], self.node)
        return {"rc": code, "stdout": f"Welcome to node1\n{out.getvalue()}", "stderr": ""}

    def go(self) -> dict[str, Any]:
        return self.run(None, {"inventory_hostname": "node3"})


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Real:
    made = Real(tmp_path / "node")
    monkeypatch.setattr(network_info, "probe", lambda host: made.observe())
    monkeypatch.setattr(action.ActionBase, "run", lambda self, tmp, variables: {})
    original = confirm.accompany
    monkeypatch.setattr(confirm, "accompany", lambda *given: original(*given, lambda: made.now, made.pass_time))
    return made


def test_change(node: Real) -> None:
    task = Task(node, config=bond(), mapping={"spare": "eno2"})
    task._task.diff = True
    result = task.go()
    assert "failed" not in result and result["changed"] and result["status"] == "ok", result
    assert result["resolution"]["nic1"] == "eno1" and len(result["id"]) == 12
    assert any(entry["before_header"].endswith("bond0.netdev") for entry in result["diff"])
    assert task.modules == ["network_info", "network_config"]
    assert task.asked == [("status", "198.18.16.10"), ("confirm", "198.18.16.10")]
    wire = task._connection
    assert wire.log[0] == "reset" and wire.log.count("close") == 3
    assert wire.options == {"host": "198.18.16.10", "ssh_args": "-C -o ControlMaster=auto", "reconnection_retries": 3}
    again = Task(node, config=bond())
    result = again.go()
    assert not result["changed"] and result["status"] == "ok" and again.modules == ["network_info"]
    assert again._connection.log == []
    node.links["eno2"].segment = ""
    result = Task(node, config=bond()).go()
    assert result["status"] == "degraded" and result["degraded"] == ["eno2, a member of bond0, has no link"]
    validated = Task(node, config=bond(), state="validated").go()
    assert "failed" not in validated and validated["status"] == "degraded"


def test_no_shared_connection(node: Real) -> None:
    task = Task(node, config=bond())
    seen: list[str] = []
    original = task._low_level_execute_command

    def watched(cmd: str, **keys: Any) -> dict[str, Any]:
        seen.append(task._connection.options["ssh_args"])
        return original(cmd, **keys)

    task._low_level_execute_command = watched  # type: ignore[method-assign]
    task.go()
    assert all(text.startswith("-o ControlMaster=no -o ControlPersist=no -o ControlPath=none") for text in seen)
    assert all(text.endswith("-C -o ControlMaster=auto") for text in seen)


def test_check_mode(node: Real) -> None:
    task = Task(node, config=bond())
    task._task.check_mode = True
    before = node.state()
    result = task.go()
    assert result["changed"] and result["summary"] and task.modules == ["network_info"]
    assert node.state() == before and not node.exists(tool.PENDING)


def test_moved_to_another_address(node: Real) -> None:
    task = Task(node, config=bond("198.18.16.20/24"), address="198.18.16.20")
    task.reach = lambda address: any(
        address == own.partition("/")[0] for link in node.links.values() for own in link.addresses
    )
    result = task.go()
    assert result["status"] == "ok" and ("confirm", "198.18.16.20") in task.asked
    assert task._connection.options["host"] == "198.18.16.10" and task._play_context.remote_addr == "198.18.16.10"


def test_cut_off(node: Real) -> None:
    """All is well as seen from the node, but nobody can come to it: back to what was, and the reason."""
    before = node.state()
    task = Task(node, config=bond("198.18.16.20/24"), address="198.18.16.99", window=40)
    task.reach = lambda address: any(
        address == own.partition("/")[0] for link in node.links.values() for own in link.addresses
    )
    result = task.go()
    assert result["failed"] and result["reverted"] and not result["changed"] and result["status"] == "reverted"
    assert result["msg"] == (
        "node3 went back to its previous network by itself 40 s after the change: node3 could not be reached at "
        "198.18.16.99 over a new connection. The last attempt that failed: 198.18.16.99: no route"
    )
    assert node.state() == before


@pytest.mark.parametrize("trouble", ["password", "sudo"])
def test_reached_and_not_let_in(node: Real, trouble: str) -> None:
    """What keeps the deployment host from confirming is told, whatever it is; the node goes back."""
    task = Task(node, config=bond(), window=40)
    original = task._low_level_execute_command

    def refuse(cmd: str, **keys: Any) -> dict[str, Any]:
        answer = original(cmd, **keys)
        if "--wait" not in cmd:
            return answer
        if trouble == "password":
            raise AnsibleError("Incorrect sudo password")
        return {"rc": 1, "stdout": "", "stderr": "Welcome\nsudo: unable to resolve host"}

    task._low_level_execute_command = refuse  # type: ignore[method-assign]
    result = task.go()
    expected = "Incorrect sudo password" if trouble == "password" else "sudo: unable to resolve host (exit code 1)"
    assert result["reverted"] and result["msg"].endswith(f"The last attempt that failed: 198.18.16.10: {expected}")


def test_wrong_gateway(node: Real) -> None:
    result = Task(node, config=bond(gateway="198.18.16.9"), window=40).go()
    assert result["failed"] and result["reason"] == "gateway 198.18.16.9 on bond0 did not answer"
    assert "node3 went back to its previous network by itself" in result["msg"]


def test_answer_of_the_beginning_is_lost(node: Real) -> None:
    task = Task(node, config=bond())
    task.start_fails = AnsibleConnectionFailure("cut")
    assert task.go()["changed"]
    assert "bond0" in node.links


def test_beginning_does_not_get_there(node: Real) -> None:
    task = Task(node, config=bond())
    original = task._execute_module

    def cut(module_name: str, **keys: Any) -> dict[str, Any]:
        if module_name.endswith("_info"):
            return original(module_name, **keys)
        raise AnsibleConnectionFailure("cut")

    task._execute_module = cut  # type: ignore[method-assign]
    result = task.go()
    assert result["failed"] and not result["changed"] and result["status"] == "ok"
    assert result["msg"] == "node3 knows nothing of the change: nothing was changed"


def test_only_words(node: Real) -> None:
    """The record of numbers changes: nothing on the network does, and nothing is confirmed."""
    Task(node, config=bond()).go()
    node.lan["eno3"] = "0000:00:05.0"
    node.nic("eno3", "")
    task = Task(node, config=bond())
    assert not task.go()["changed"]
    assert task.modules == ["network_info", "network_config"] and task.asked == []


def test_pending(node: Real) -> None:
    wanted = confirm.plan(bond(), node.observe()).wanted
    start.start(node, wanted, "other", 120, lambda host: node.observe())
    result = Task(node, config=bond("198.18.16.20/24")).go()
    assert result["failed"] and result["status"] == "pending"
    assert "another change of the network of node3 waits for its confirmation (other)" in result["msg"]


def stuck(node: Real) -> None:
    """A change that could not be taken back before the reboot, nor at it."""
    wanted = confirm.plan(bond(), node.observe()).wanted
    start.start(node, wanted, "other", 120, lambda host: node.observe())
    node.work()
    record = tool.load(node, tool.PENDING)
    record["back"]["ovs"] = ["--if-exists", "del-br", "x"]
    tool.save(node, tool.PENDING, record)
    node.ovs_down, node.booted, node.timers, node.now = True, "boot-2", {}, 10.0


def test_what_is_left_unfinished_is_taken_back_by_the_next_run(node: Real) -> None:
    """Its deadline is of another boot: nobody has to wait for that; and a plan says what the run will do."""
    stuck(node)
    task = Task(node, config=bond("198.18.16.20/24"))
    task._task.check_mode = True
    result = task.go()
    assert result["changed"] and result["status"] == "pending" and "failed" not in result
    assert result["summary"][0] == "change other is left unfinished: it is taken back first"
    result = Task(node, config=bond("198.18.16.20/24")).go()
    assert result["failed"] and result["status"] == "pending" and "could not be taken back" in result["msg"]
    node.ovs_down = False
    result = Task(node, config=bond("198.18.16.20/24")).go()
    assert result["changed"] and result["status"] == "ok", result
    assert any("was taken back first" in warning for warning in result["warnings"])


def test_refused_on_the_node(node: Real) -> None:
    """Somebody else was faster between the look and the beginning; or the disk is full."""
    task = Task(node, config=bond())
    original = network_info.look

    def faster(host: Any) -> Any:
        found = original(host)
        start.start(node, confirm.plan(bond(), node.observe()).wanted, "other", 120, lambda host: node.observe())
        return found

    network_info.look = faster
    try:
        result = task.go()
    finally:
        network_info.look = original
    assert result["failed"] and result["status"] == "pending" and not result["changed"]


def test_mistakes(node: Real) -> None:
    result = Task(node, config=[{"type": "interface", "name": "nic9", "addresses": [{"ip_netmask": "x"}]}]).go()
    assert result["failed"] and result["problems"] and "ip_netmask" in result["msg"]
    with pytest.raises(AnsibleActionFail, match="too short"):
        Task(node, config=[], window=3).go()
    node.failing = {"ip -j": tool.Result(1, "", "broken")}
    assert "broken" in Task(node, config=bond()).go()["msg"]


def test_validate_fails(node: Real) -> None:
    result = Task(node, config=bond(), state="validated").go()
    assert result["failed"] and "differs from what is wanted" in result["msg"]
    task = Task(node, config=bond(), state="validated")
    original = task._execute_module
    task._execute_module = lambda module_name, **keys: (  # type: ignore[method-assign]
        original(module_name, **keys) if module_name.endswith("_info") else {"failed": True, "msg": "broken"}
    )
    assert task.go()["msg"] == "broken"


def test_local_connection(node: Real) -> None:
    """A connection without addresses, options and resets."""
    task = Task(node, config=bond())
    task._connection = Wire()
    del Wire.reset
    try:
        assert task.go()["changed"]
    finally:
        Wire.reset = lambda self: None
    assert task.asked[-1][0] == "confirm"


def test_playbook(playbook: Callable[..., str]) -> None:
    """Ansible itself, in check mode, on this computer."""
    play = """
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ozone.openstack.network_config:
        config:
          - {type: linux_bond, name: bondx, bonding_options: mode=nonsense, members: [{type: interface, name: nic1}]}
"""
    text = playbook(play, "--check", ansible_python_interpreter="{{ ansible_playbook_python }}")
    assert "nonsense" in text and "FAILED" in text and "Traceback" not in text, text


@pytest.mark.parametrize("state", ["present", "validated"])
def test_the_network_of_another_machine_is_left_as_it_is(node: Real, tmp_path: Path, state: str) -> None:
    def go(name: str, state: str, **more: Any) -> dict[str, Any]:
        task = Task(node, config=bond(), state=state)
        task._task.delegate_to = None
        task._templar = types.SimpleNamespace(template=lambda value: value)
        cloud = {"name": "prod", "state_dir": str(tmp_path / "state")}
        return task.run(
            None, {"inventory_hostname": name, "ansible_host": "198.18.16.10", "ozone_cloud": cloud, **more}
        )

    assert not go("node3", "present").get("failed")
    before = network_info.look(node)
    result = go("node4", state)
    assert result["failed"]
    assert "says that it is node3 of the cloud prod, and was addressed as node4 of the cloud prod" in result["msg"]
    assert network_info.look(node) == before
    assert not go("node3", state).get("failed")
    assert not go("node4", state, ozone_take_over=["node4"]).get("failed")
