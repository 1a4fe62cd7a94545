# SPDX-License-Identifier: Apache-2.0
"""The recorder: what it counts, tells and keeps. Time is a number that the test passes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils import report
from ansible_collections.ozone.openstack.plugins.module_utils.report import Line, Recorder, Task

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NODES = ["node1", "node2"]


def recorder(verb: str = "deploy", **options: Any) -> Recorder:
    made = Recorder(verb, 0.0, STARTED, **options)
    made.play("Deploy", NODES, 0.0)
    return made


def texts(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


def stats(**failures: int) -> dict[str, dict[str, int]]:
    return {host: {"ok": 1, "changed": 0, "failures": failures.get(host, 0), "unreachable": 0} for host in NODES}


def generation(run: Recorder, host: str, data: dict[str, Any], now: float, service: str = "keystone") -> list[Line]:
    uuid = f"generation-{service}"
    if uuid not in run._tasks:
        run.task(Task(uuid, f"Activate {service}", "generation", service), now - 1)
    outcome: report.Outcome = "failed" if data.get("failed") else "changed" if data.get("changed") else "ok"
    return run.result(host, uuid, outcome, {"service": service, **data}, now)


def test_a_change_is_told_and_counted() -> None:
    run = recorder()
    restarted = {"changed": True, "restarted": ["ozone-keystone_api.service"], "seconds": 4.0, "digest": "abc"}
    generation(run, "node1", restarted, 2.0)
    generation(run, "node2", {"changed": False}, 3.0)
    told = texts(run.finish(stats(), 3.0))
    assert "keystone         changed on node1; restarted keystone_api" in told
    node = run.report()["services"]["keystone"]["nodes"]["node1"]
    assert (node["status"], node["digest"], node["seconds"]) == ("changed", "abc", 4.0)
    assert node["restarted"] == ["ozone-keystone_api.service"]
    assert run.report()["tasks"] == {"on_nodes": 2, "per_node": {"node1": 1, "node2": 1}, "on_deployment_host": 0}
    assert run.services["keystone"].seconds == 2.0  # from the start of the task (1.0) to its last result (3.0)
    assert texts(run.table()).splitlines()[1].split() == ["keystone", "1", "1", "-", "-", "2.0"]


def test_the_title_of_a_play_stands_once_and_only_with_something_below_it() -> None:
    run = recorder()
    assert run.play("Silent", NODES, 0.1) == []
    generation(run, "node1", {"changed": True}, 2.0)
    assert texts(run.close(2.0)).splitlines()[1] == "Silent (2 nodes)"
    assert run.play("Next", ["localhost"], 3.0) == []
    run.task(Task("a", "Build", "command"), 3.0)
    run.result("localhost", "a", "changed", {}, 4.0)
    assert texts(run.close(4.0)) == "\nNext\n  0:04  Build            changed  (1.0 s)"


def test_consecutive_tasks_of_a_service_are_one_line() -> None:
    run = recorder()
    for number in range(3):
        assert run.task(Task(str(number), f"Task {number}", "command", "nova"), number) == []
        run.result("node1", str(number), "changed", {}, number + 0.5)
    lines = run.task(Task("x", "Other", "command", "glance"), 3.0)
    assert texts(lines).splitlines()[2:] == ["  0:03  nova             changed on node1  (3.0 s)"]


def test_a_rolled_back_change_shows_the_journal_and_says_so() -> None:
    run = recorder()
    journal = "keystone_api was not healthy after 60 s\njournal:\n  Nov 21 keystone_api[1]: boom"
    failure = {"failed": True, "rolled_back": True, "stage": "health", "msg": journal}
    told = texts(generation(run, "node1", failure, 61.0))
    assert "FAILED  keystone on node1, stage health" in told
    assert "      Nov 21 keystone_api[1]: boom" in told
    assert "taken back on this node" in told
    run.finish(stats(node1=1), 61.0)
    data = run.report()
    assert data["status"] == "failed"
    assert data["exit_code"] == 2
    assert data["services"]["keystone"]["nodes"]["node1"]["status"] == "rolled_back"
    assert data["failures"][0]["stage"] == "health"
    assert texts(run.table()).splitlines()[1].split() == ["keystone", "-", "-", "-", "1", "1.0"]


def test_the_plan_is_told_by_change_and_its_rest_is_not_done() -> None:
    run = recorder()
    run.task(Task("p", "Compare", "plan"), 0.0)
    entries = [
        {"service": "keystone", "action": "change", "reason": "generation a -> b", "digest": "b"},
        {"service": "glance", "action": "unchanged", "reason": "", "digest": "c"},
    ]
    for host in NODES:
        run.result(host, "p", "ok", {"plan": entries}, 1.0)
    told = texts(run.close(1.0))
    assert "compared 2 services on node1, node2: 1 service to change" in told
    assert "change   keystone     node1, node2  (generation a -> b)" in told
    run.finish(stats(), 2.0)
    keystone = run.report()["services"]["keystone"]["nodes"]["node1"]
    assert (keystone["status"], keystone["planned"]) == ("planned", "change")
    head, row, other = texts(run.table()).splitlines()
    assert head.endswith("not done   seconds")
    assert row.split() == ["keystone", "-", "-", "-", "-", "2", "0.0"]
    assert other.split()[:2] == ["glance", "2"]


def test_plan_and_check_count_what_would_change() -> None:
    run = recorder("plan")
    run.task(Task("p", "Compare", "plan"), 0.0)
    run.result("node1", "p", "ok", {"plan": [{"service": "nova", "action": "new"}]}, 1.0)
    run.finish(stats(), 1.0)
    head, row = texts(run.table()).splitlines()
    assert "to change" in head
    assert row.split() == ["nova", "-", "1", "-", "-", "0.0"]
    dry = recorder(check=True)
    generation(dry, "node1", {"changed": True}, 2.0)
    assert "would change on node1" in texts(dry.close(2.0))


def test_nothing_of_a_censored_result_is_kept_or_shown() -> None:
    run = recorder()
    run.task(Task("s", "Set the password", "command", "mariadb"), 0.0)
    censored = {"censored": "hidden", "msg": "s3cret", "stage": "s3cret", "changed": True, "stdout": "s3cret"}
    told = texts(run.result("node1", "s", "failed", censored, 1.0))
    assert report.HIDDEN in told
    run.finish(stats(node1=1), 1.0)
    assert "s3cret" not in told + texts(run.summary()) + json.dumps(run.report())


def test_controller_work_is_not_counted_on_nodes() -> None:
    run = recorder()
    for action in ("set_fact", "include_role", "validate_argument_spec", "rollout", "debug"):
        run.task(Task(action, action, action, "nova"), 0.0)
        run.result("node1", action, "ok", {}, 0.1)
    run.task(Task("i", "Reconcile", "identity", "keystone", local=True), 0.0)
    run.result("node1", "i", "ok", {}, 0.1)
    run.task(Task("d", "Delegated", "command", "nova"), 0.0)
    run.result("node1", "d", "ok", {}, 0.1, executed_on="localhost")
    run.task(Task("e", "Elsewhere", "command", "nova"), 0.0)
    run.result("node1", "e", "ok", {}, 0.1, executed_on="node2")
    assert run.report()["tasks"] == {"on_nodes": 1, "per_node": {"node2": 1}, "on_deployment_host": 2}


def test_items_of_a_loop_are_counted_once_each_and_skipped_ones_not() -> None:
    run = recorder()
    run.task(Task("l", "Loop", "command"), 0.0)
    run.result("node1", "l", "ok", {}, 0.1, item="a")
    run.result("node1", "l", "skipped", {}, 0.2, item="b")
    told = run.result("node1", "l", "failed", {"failed": True, "msg": "no"}, 0.3, item="c")
    assert "Loop (c)" in texts(told)
    whole = {"msg": "One or more items failed", "results": [{"failed": True}, {}]}
    assert run.result("node1", "l", "failed", whole, 0.3) == []
    assert run.report()["tasks"]["on_nodes"] == 2
    run.finish(stats(node1=1), 1.0)
    assert [failure["item"] for failure in run.failures] == ["c"]


def test_a_rescued_failure_is_none_in_the_end() -> None:
    run = recorder()
    generation(run, "node1", {"failed": True, "msg": "first"}, 1.0, "glance")
    generation(run, "node1", {"failed": True, "msg": "second"}, 2.0, "nova")
    run.finish(stats(node1=1), 2.0)
    assert [failure["msg"] for failure in run.failures] == ["second"]
    nodes = {name: service["nodes"]["node1"]["status"] for name, service in run.report()["services"].items()}
    assert nodes == {"glance": "unchanged", "nova": "failed"}


def test_an_unreachable_node_makes_the_run_partial() -> None:
    run = recorder()
    run.task(Task("p", "Compare", "plan"), 0.0)
    told = run.result("node2", "p", "unreachable", {"msg": "ssh: connect timed out"}, 15.0)
    assert "node2 cannot be reached" in texts(told)
    run.finish({"node2": {"unreachable": 1, "failures": 0}}, 15.0)
    data = run.report()
    assert (data["status"], data["exit_code"]) == ("partial", 4)
    assert data["unreachable"] == {"node2": "ssh: connect timed out"}
    assert data["tasks"]["on_nodes"] == 0
    assert "Not reached\n  node2: ssh: connect timed out" in texts(run.summary())


def test_what_takes_long_is_announced_now_and_then() -> None:
    run = recorder()
    run.task(Task("b", "Build", "command", "nova"), 10.0)
    times = [now for now in range(10, 140) if run.announce(float(now))]
    assert times == [15, 75, 135]
    assert run.doing(20.0) == "  0:20  nova: Build, 0 of 2 nodes, 10 s"


def test_an_aborted_run_says_so() -> None:
    run = recorder()
    assert run.report()["status"] == "running"
    run.abort(3.0)
    assert (run.report()["status"], run.report()["exit_code"]) == ("aborted", None)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"msg": "one\ntwo"}, ["one", "two"]),
        ({"msg": "Task failed: Module failed: broken"}, ["broken"]),
        ({}, ["it failed without a message; run again with -vvv"]),
        ({"msg": "no", "assertion": "a == b"}, ["no", "not true: a == b"]),
        ({"msg": "no", "rc": 3, "cmd": ["a", "b"], "stderr": "x"}, ["no", "exit code 3: a b", "stderr:", "  x"]),
        ({"msg": "no", "rc": 0, "stdout": "y"}, ["no", "stdout:", "  y"]),
    ],
)
def test_explain(data: dict[str, Any], expected: list[str]) -> None:
    assert report.explain(data) == expected


def test_long_output_is_cut_at_its_beginning() -> None:
    explained = report.explain({"msg": "no", "stderr": "\n".join(str(n) for n in range(100))})
    assert explained[2] == "  ... 80 lines before this"
    assert explained[-1] == "  99"


def test_wrap_keeps_indentation_and_never_breaks_a_word() -> None:
    lines = report.wrap(["  " + "word " * 20, "x" * 90], 60)
    assert all(line.startswith("      ") for line in lines[:-1])
    assert lines[-1] == "    " + "x" * 90


def test_reports_are_private_and_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "KEEP", 2)
    directory = tmp_path / "reports"
    for second in range(4):
        path = report.report_path(directory, "deploy", STARTED.replace(second=second))
        report.write_report(path, {"second": second})
    kept = sorted(entry.name for entry in directory.glob("2*"))
    assert kept == ["20260102T030402.000000Z-deploy.json", "20260102T030403.000000Z-deploy.json"]
    latest = directory / "latest.json"
    assert json.loads(latest.read_text()) == {"second": 3}
    assert latest.is_symlink()
    assert (directory / kept[0]).stat().st_mode & 0o777 == 0o600


def test_names() -> None:
    assert report.names(["b", "a"]) == "a, b"
    assert report.names(f"n{number}" for number in range(9)) == "n0, n1, n2 and 6 more"


def network(run: Recorder, host: str, data: dict[str, Any], now: float, *, check: bool = False) -> list[Line]:
    uuid = f"network-{check}"
    if uuid not in run._tasks:
        run.task(Task(uuid, "Bring the network", "network_config", "network", check=check), now - 1)
    outcome: report.Outcome = "failed" if data.pop("failed", False) else "changed" if data.get("changed") else "ok"
    return run.result(host, uuid, outcome, data, now)  # a result that is handed over has no key "failed"


def test_a_network_is_compared_then_changed() -> None:
    run = recorder("network")
    network(run, "node1", {"changed": False, "summary": ["bond0: mtu 1500 -> 9000", "vlan10: new"]}, 2.0, check=True)
    network(run, "node2", {"changed": False}, 2.0, check=True)
    told = texts(run.close(2.0))
    assert "compared the network of node1, node2: 1 node to change" in told
    assert "change   network      node1  (bond0: mtu 1500 -> 9000; vlan10: new)" in told
    assert run.services["network"].nodes["node1"].status == "planned"
    network(run, "node1", {"changed": True, "degraded": ["bond0: nic2 has no link"]}, 4.0)
    assert "network          changed on node1" in texts(run.finish(stats(), 4.0))
    end = texts(run.summary())
    assert "Degraded\n  node1: bond0: nic2 has no link" in end
    assert "network: ok in 4.0 s" in end
    assert end.splitlines()[-1].endswith("unreachable=0 degraded=1")
    assert run.report()["degraded"] == {"node1": ["bond0: nic2 has no link"]}
    assert run.report()["exit_code"] == 0


def test_a_network_that_does_not_differ() -> None:
    run = recorder("network")
    network(run, "node1", {"changed": False}, 2.0, check=True)
    assert "compared the network of node1: nothing to change" in texts(run.close(2.0))


def test_a_node_that_went_back_is_rolled_back() -> None:
    run = recorder("network")
    failure = {"failed": True, "reverted": True, "msg": "198.18.16.10 could not be reached within 120 s"}
    told = texts(network(run, "node1", failure, 130.0))
    assert "went back to the network that it had" in told
    run.finish(stats(node1=1), 130.0)
    assert run.report()["services"]["network"]["nodes"]["node1"]["status"] == "rolled_back"


def test_a_network_that_is_refused_in_check_mode_is_no_plan() -> None:
    run = recorder("network")
    told = texts(network(run, "node1", {"failed": True, "msg": "nic7 is not there"}, 2.0, check=True))
    assert "nic7 is not there" in told
    assert run.close(2.0) == []


def test_a_network_that_is_refused_without_ending_the_run_is_told() -> None:
    run = recorder()
    run.task(Task("x", "Bring the network", "network_config", "network", check=True), 1.0)
    run.result("node1", "x", "ignored", {"msg": "there is no NIC eth7"}, 2.0)
    told = texts(run.finish(stats(), 2.0))
    assert "refused  network      node1  (there is no NIC eth7)" in told
    assert run.services["network"].nodes["node1"].status == "planned"
    assert run.report()["status"] == "ok"
