# SPDX-License-Identifier: Apache-2.0
"""What one change does, and what it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from node_simulator import FRONTD, Made, Node, Probes, apply, faults, make

from ansible_collections.ozone.openstack.plugins.module_utils.generation import probe, revert, transaction
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import Result
from ansible_collections.ozone.openstack.plugins.module_utils.generation.transaction import Request, Transaction

CONF = "/etc/frontd/main.conf"
SERVICE = "/var/lib/ozone/services/demo"


def version(api: str = "one", front: str = "one", **keys: Any) -> Made:
    return make(
        {"api": {"demo.conf": f"api {api}"}, "worker": {"demo.conf": "worker"}},
        {CONF: f"front {front}"},
        units=FRONTD,
        **keys,
    )


def calls(node: Node, *words: str) -> list[list[str]]:
    return [argv for argv in node.calls if all(word in argv for word in words)]


# -- present -----------------------------------------------------------------------------------------------------------


def test_first_deployment(node: Node) -> None:
    Path(node.at(CONF)).write_text("the distribution's")
    outcome = apply(node, version())
    assert outcome.changed and not outcome.failed, outcome.msg
    assert outcome.restarted == ["frontd.service", "ozone-api.service", "ozone-worker.service"]
    assert outcome.previous == "" and outcome.digest == version().digest
    assert faults(node, version()) == []
    assert node.readlink(CONF) == f"{SERVICE}/current/host{CONF}"
    assert node.seen(CONF + ".before-ozone") == "the distribution's"
    assert node.attributes(f"{SERVICE}/current/manifest.json") is not None
    assert node.exists(revert.TOOL) and node.exists(f"{revert.UNIT_DIRECTORY}/{revert.BOOT_UNIT}")


def test_nothing_to_do_asks_systemd_once(node: Node) -> None:
    apply(node, version())
    node.calls.clear()
    outcome = apply(node, version())
    assert not outcome.changed and not outcome.failed
    assert len(node.calls) == 1 and "show" in node.calls[0]
    assert [unit.starts for unit in node.units.values()] == [1, 1, 1]


def test_only_what_differs_is_restarted(node: Node) -> None:
    apply(node, version())
    outcome = apply(node, version(api="two"))
    assert outcome.restarted == ["ozone-api.service"]
    assert faults(node, version(api="two")) == []
    assert node.unit("ozone-worker.service").starts == node.unit("frontd.service").starts == 1
    outcome = apply(node, version(api="two", front="two"))
    assert outcome.restarted == ["frontd.service"]
    assert calls(node, "daemon-reload")[-1:] and len(calls(node, "daemon-reload")) == 3  # tool, first, api


def test_bookkeeping_restarts_nothing(node: Node) -> None:
    apply(node, version())
    outcome = apply(node, version(cluster="other"))
    assert outcome.changed and outcome.restarted == []
    assert faults(node, version(cluster="other")) == []
    assert [unit.starts for unit in node.units.values()] == [1, 1, 1]


def test_what_was_just_started_is_not_reloaded(node: Node) -> None:
    outcome = apply(node, make({}, {CONF: "one"}, units=[{**FRONTD[0], "on_change": "reload"}]))
    assert (outcome.started, outcome.reloaded) == (["frontd.service"], [])
    assert node.units["frontd.service"].reloads == 0


def test_reload_instead_of_restart(node: Node) -> None:
    units = [{**FRONTD[0], "on_change": "reload"}]
    apply(node, make({}, {CONF: "one"}, units=units))
    outcome = apply(node, make({}, {CONF: "two"}, units=units))
    assert (outcome.restarted, outcome.reloaded) == ([], ["frontd.service"])
    assert faults(node, make({}, {CONF: "two"}, units=units)) == []
    outcome = apply(node, make({}, {CONF: "FAIL"}, units=units))
    assert outcome.failed and outcome.rolled_back and "Job for frontd.service failed" in outcome.msg
    assert faults(node, make({}, {CONF: "two"}, units=units)) == []


def test_a_unit_that_does_not_mind(node: Node) -> None:
    units = [{**FRONTD[0], "on_change": "none"}]
    apply(node, make({}, {CONF: "one"}, units=units))
    outcome = apply(node, make({}, {CONF: "two"}, units=units))
    assert (outcome.restarted, outcome.reloaded) == ([], [])


def test_dead_or_disabled_units_are_started(node: Node) -> None:
    apply(node, version())
    node.unit("ozone-api.service").active = "failed"
    node.unit("frontd.service").enabled = False
    outcome = apply(node, version())
    assert outcome.changed and outcome.started == ["ozone-api.service"] and outcome.restarted == []
    assert faults(node, version()) == []


def test_a_unit_that_will_not_start_is_no_roll_back(node: Node) -> None:
    """The same generation, and a unit that does not come up again: there is nothing to go back to."""
    apply(node, version())
    node.packaged.clear()
    node.unit("frontd.service").active = "inactive"
    outcome = apply(node, version())
    assert outcome.failed and not outcome.rolled_back and outcome.digest == version().digest
    assert not revert.pending(node, "demo")


def test_edited_by_hand_is_repaired(node: Node) -> None:
    made = make(
        {"api": {"demo.conf": "api"}},
        {CONF: "front", "/etc/systemd/x.conf": "copy", "/etc/other": "other"},
        units=FRONTD,
    )
    apply(node, made)
    Path(node.resolve(CONF)).write_text("edited")
    os.unlink(node.at("/etc/other"))
    Path(node.at("/etc/systemd/x.conf")).write_text("edited")
    unit = node.unit("ozone-api.service")
    objects = node.names(f"{SERVICE}/objects")
    Path(node.at(f"{SERVICE}/objects/{objects[0]}/demo.conf")).write_text("edited")
    os.chmod(node.at(f"{SERVICE}/current/quadlets/ozone-api.container"), 0o600)
    outcome = apply(node, None, state="validated")
    assert outcome.failed
    assert sorted(problem.split(": ")[0].rsplit("/", 1)[-1] for problem in outcome.problems) == [
        "demo.conf", "main.conf", "other", "ozone-api.container", "x.conf",
    ]  # fmt: skip
    outcome = apply(node, made)
    assert outcome.changed and not outcome.failed, outcome.msg
    assert len(outcome.problems) == 5
    assert set(outcome.restarted) == {"frontd.service", "ozone-api.service"} and unit.starts == 2
    assert faults(node, made) == []
    assert not apply(node, None, state="validated").failed
    os.unlink(node.at("/etc/systemd/x.conf"))
    os.symlink("/dev/null", node.at("/etc/systemd/x.conf"))
    os.unlink(node.at(f"{revert.QUADLETS}/ozone-demo"))
    os.unlink(node.at(CONF))
    Path(node.at(CONF)).write_text("somebody's")
    assert len(apply(node, None, state="validated").problems) == 3
    assert not apply(node, made).failed
    assert faults(node, made) == []


@pytest.mark.parametrize("state", ["staged", "present"])
def test_repair_needs_the_content(node: Node, state: str) -> None:
    apply(node, version())
    Path(node.resolve(CONF)).write_text("edited")
    outcome = apply(node, Made(version().manifest, {}), state=state)
    assert outcome.failed and f"the content of {CONF}" in outcome.msg


def test_a_container_leaves(node: Node) -> None:
    apply(node, version())
    smaller = make({"api": {"demo.conf": "api one"}})
    outcome = apply(node, smaller)
    assert set(outcome.stopped) == {"frontd.service", "ozone-worker.service"} and outcome.restarted == []
    assert outcome.files == {CONF: "removed"}
    assert faults(node, smaller, version()) == []
    assert not node.unit("frontd.service").enabled
    outcome = apply(node, make({}, {CONF: "only a file"}))
    assert not node.exists(f"{revert.QUADLETS}/ozone-demo")


def test_commands_run_when_they_differ(node: Node) -> None:
    def made(text: str, other: str = "x") -> Made:
        command = {
            "name": "apply", "argv": ["set", "key"], "files": ["/etc/key"], "when": "after_units", "timeout": 5,
            "stdin": "/etc/key",
        }  # fmt: skip
        plain = {"name": "plain", "argv": ["true"], "files": [], "when": "before_units", "timeout": 5}
        return make({}, {"/etc/key": text, "/etc/other": other}, commands=[command, plain])

    assert apply(node, made("one")).commands == ["plain", "apply"]
    assert node.settings == {"key": "one"}
    assert apply(node, made("one", "y")).commands == []
    assert apply(node, made("two", "y")).commands == ["apply"]
    outcome = apply(node, made("REFUSE", "y"))
    assert outcome.failed and outcome.stage == "commands" and outcome.rolled_back and "refused" in outcome.msg
    assert node.settings == {"key": "two"}
    broken = made("three")
    broken.manifest["commands"][0]["stdin"] = "/etc/missing"
    assert "not a file of the generation" in apply(node, broken).msg


# -- preparation and checks --------------------------------------------------------------------------------------------


def test_packages_are_installed_without_a_start(node: Node) -> None:
    node.offered["front-package"] = ["frontd.service"]
    outcome = apply(node, version(packages=["front-package"]))
    assert outcome.packages == ["front-package"], outcome.msg
    assert not node.exists("/usr/sbin/policy-rc.d")
    assert faults(node, version(packages=["front-package"])) == []
    missing = version(packages=["absent-package"])
    outcome = apply(node, missing)
    assert outcome.failed and outcome.stage == "packages"
    assert "absent-package" in outcome.msg and "apt-cache policy" in outcome.msg
    assert calls(node, "update")


def test_checks_refuse_before_anything_is_touched(node: Node) -> None:
    check = {"name": "validator", "container": "api", "argv": ["validate"], "timeout": 5, "ok": [0]}
    apply(node, version())
    outcome = apply(node, version(api="INVALID", container_checks=[check]))
    assert outcome.failed and outcome.stage == "check" and not outcome.rolled_back
    assert "option INVALID is not known" in outcome.msg
    assert faults(node, version()) == []
    run = calls(node, "podman", "run")[-1]
    assert run[run.index("--network") + 1] == "none"
    assert [word for word in run if word.startswith("/var/lib/demo")] == []
    for host_check in (["frontd", "-t", "@STAGE@/etc/frontd/main.conf"], ["frontd", "-t", CONF]):
        node.answers = {"frontd": Result(1, "", "line 1: no")}
        node.calls.clear()
        keys = {"host_checks": [{"name": "frontd -t", "argv": host_check, "timeout": 5}]}
        outcome = apply(node, version(front="bad", **keys))
        assert outcome.stage == "check" and "line 1: no" in outcome.msg
        [argv] = [argv for argv in node.calls if "frontd" in argv]
        staged = f"{SERVICE}/generations/{version(front='bad', **keys).digest}/host"
        assert (f"{staged}{CONF}" in argv) != (argv[0] == "unshare" and staged in argv)
    node.answers = {"QUADLET_UNIT_DIRS": Result(1, "", "Loading x\nconverting x: unsupported key 'Y'\n")}
    outcome = apply(node, version(api="two"))
    assert "unsupported key" in outcome.msg and "Loading" not in outcome.msg


def test_bootstrap(node: Node) -> None:
    shots = [{"name": "db_sync", "container": "api", "argv": ["sync"], "timeout": 5, "ok": [0, 2], "env_file": "env"}]
    commands = [{"name": "cluster", "argv": ["true"], "files": [], "when": "after_units", "timeout": 5}]
    made = version(bootstrap=shots, bootstrap_commands=commands)
    node.answers = {"sync": Result(2, "", "")}
    assert apply(node, made).bootstrapped == []
    outcome = apply(node, made, bootstrap=True)
    assert outcome.changed and outcome.bootstrapped == ["db_sync"] and outcome.commands == ["cluster"]
    run = calls(node, "podman", "run")[-1]
    assert run[run.index("--network") + 1] == "host" and "--env-file" in run
    assert "/var/lib/demo:/data" in run
    node.answers = {"sync": Result(1, "", "no database")}
    outcome = apply(node, version(api="two", bootstrap=shots), bootstrap=True)
    assert outcome.stage == "bootstrap" and "no database" in outcome.msg
    assert faults(node, made) == []


# ---- upgrades


def step(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "container": "api", "argv": [name], "timeout": 5, "ok": [0], **more}


STEPS = [
    step("ready", stage="check", warn=[1]),
    step("old-data", stage="before", again=[1], attempts=3),
    step("expand", stage="expand"),
    step("contract", stage="after"),
]
ONCE = [step("sync", upgrade=False), step("accounts")]
OLD = {"release": "2025.1", "bootstrap": ONCE}
NEW = {"release": "2026.1", "bootstrap": ONCE, "upgrade": STEPS, "api": "two"}


def ran(node: Node) -> list[str]:
    """The one-shots that ran in containers."""
    return [argv[-1] for argv in node.calls if argv[:2] == ["podman", "run"]]


def upgrading(node: Node) -> bool:
    return bool(probe.probe(node)["services"]["demo"]["upgrading"])


def test_an_upgrade_has_its_own_steps(node: Node) -> None:
    apply(node, version(**OLD), bootstrap=True)
    assert ran(node) == ["sync", "accounts"]
    node.calls.clear()
    outcome = apply(node, version(**NEW), state="staged", upgrade=True)
    assert ran(node) == ["ready"] and outcome.bootstrapped == ["ready"] and not upgrading(node)
    node.calls.clear()
    outcome = apply(node, version(**NEW), bootstrap=True, upgrade=True)
    assert ran(node) == ["old-data", "expand", "accounts"] == outcome.bootstrapped
    # The old code migrates its own data, with its own files; the new code makes the schema.
    old, new = (next(argv for argv in node.calls if argv[-1] == name) for name in ("old-data", "expand"))
    assert [word for word in old if word.endswith(":/etc/demo:ro")] != [w for w in new if w.endswith(":/etc/demo:ro")]
    assert upgrading(node)
    node.calls.clear()
    outcome = apply(node, state="upgraded", bootstrap=True)
    assert ran(node) == ["contract"] == outcome.bootstrapped and outcome.changed and not upgrading(node)


def test_a_node_that_does_not_lead_remembers_and_forgets(node: Node) -> None:
    apply(node, version(**OLD))
    apply(node, version(**NEW), upgrade=True)
    assert ran(node) == [] and upgrading(node)
    outcome = apply(node, state="upgraded")
    assert ran(node) == [] and outcome.changed and not upgrading(node)
    assert not apply(node, state="upgraded").changed


def test_what_fails_after_an_upgrade_is_due_again(node: Node) -> None:
    apply(node, version(**OLD), bootstrap=True)
    apply(node, version(**NEW), bootstrap=True, upgrade=True)
    node.answers = {"contract": Result(1, "", "still in use")}
    outcome = apply(node, state="upgraded", bootstrap=True)
    assert outcome.failed and outcome.stage == "upgrade" and "contract failed" in outcome.msg
    assert "still in use" in outcome.msg and upgrading(node)
    node.answers = {}
    assert not apply(node, state="upgraded", bootstrap=True).failed and not upgrading(node)


@pytest.mark.parametrize(("word", "stage"), [("old-data", "upgrade"), ("expand", "bootstrap")])
def test_a_step_that_fails_leaves_the_old_release_running(node: Node, word: str, stage: str) -> None:
    apply(node, version(**OLD), bootstrap=True)
    node.answers = {word: Result(2, "", "no")}
    outcome = apply(node, version(**NEW), bootstrap=True, upgrade=True)
    assert outcome.failed and outcome.stage == stage and f"{word} failed (exit code 2)" in outcome.msg
    assert outcome.digest == version(**OLD).digest and faults(node, version(**OLD)) == [] and not upgrading(node)
    node.answers = {}
    assert "expand" in apply(node, version(**NEW), bootstrap=True, upgrade=True).bootstrapped


def test_a_roll_back_is_no_upgrade(node: Node) -> None:
    """The mark names the release that it is for: the old one, active again, has nothing to do."""
    apply(node, version(**OLD), bootstrap=True)
    assert apply(node, version(**{**NEW, "api": "CRASH"}), bootstrap=True, upgrade=True).rolled_back
    assert node.exists(f"{SERVICE}/upgrading.json")
    assert not upgrading(node)


def test_a_step_is_repeated_as_often_as_it_may(node: Node) -> None:
    apply(node, version(**OLD), bootstrap=True)
    node.answers = {"old-data": Result(1, "1000 rows", "")}
    outcome = apply(node, version(**NEW), bootstrap=True, upgrade=True)
    assert ran(node).count("old-data") == 3 and "old-data failed (exit code 1)" in outcome.msg


def test_a_warning_is_shown_and_a_failure_fails(node: Node) -> None:
    apply(node, version(**OLD), bootstrap=True)
    node.answers = {"ready": Result(1, "Check: Service User Token Configuration\nResult: Warning", "")}
    outcome = apply(node, version(**NEW), state="staged", upgrade=True)
    assert not outcome.failed and "Service User Token" in outcome.warnings[0] and "ready of demo" in outcome.warnings[0]
    node.answers = {"ready": Result(2, "Result: Failure", "")}
    outcome = apply(node, version(**NEW), state="staged", upgrade=True)
    assert outcome.failed and outcome.stage == "upgrade check" and "Result: Failure" in outcome.msg


def test_check_mode_names_the_steps_and_runs_none(node: Node) -> None:
    apply(node, version(**OLD), bootstrap=True)
    node.calls.clear()
    outcome = apply(node, version(**NEW), bootstrap=True, upgrade=True, check=True)
    assert outcome.bootstrapped == ["expand", "accounts"]
    apply(node, version(**NEW), upgrade=True)
    outcome = apply(node, state="upgraded", bootstrap=True, check=True)
    assert outcome.bootstrapped == ["contract"] and outcome.changed and upgrading(node)
    assert ran(node) == []


def test_an_earlier_release_is_no_generation_to_go_back_to(node: Node) -> None:
    apply(node, version(**OLD), bootstrap=True)
    apply(node, version(**NEW), bootstrap=True, upgrade=True)
    outcome = apply(node, state="previous")
    assert outcome.failed and "of release 2025.1, and 2026.1 is active" in outcome.msg
    assert faults(node, version(**NEW)) == []


def test_staged(node: Node) -> None:
    apply(node, version())
    outcome = apply(node, version(api="two"), state="staged")
    assert outcome.changed and not outcome.failed and faults(node, version()) == []
    assert node.exists(f"{SERVICE}/generations/{version(api='two').digest}")
    assert not apply(node, version(api="two"), state="staged").changed
    assert not apply(node, version(), state="staged").changed
    assert not apply(node, version(api="two"), state="staged", check=True).changed


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"service": "other"}, "not of demo"),
        ({"files": {"relative": "x"}}, "path is absolute"),
        ({"files": {"/etc/../shadow": "x"}}, "path is absolute"),
        ({"containers": {"api": {"/etc/x": "x"}}}, "path is absolute"),
    ],
)
def test_refused_manifests(node: Node, keys: dict[str, Any], message: str) -> None:
    made = make(**keys)
    outcome = Transaction(node, Probes(node), Request("demo", manifest=made.manifest)).run()
    assert outcome.failed and message in outcome.msg


def test_refused_requests(node: Node) -> None:
    twice = version()
    twice.manifest["files"] *= 2
    assert "listed twice" in apply(node, twice).msg
    assert "not a name" in apply(node, None, service="../x").msg
    assert "needs a manifest" in apply(node, None).msg
    assert "not 1234" in apply(node, version(), digest="1234").msg
    assert "no earlier generation" in apply(node, None, state="previous").msg


# -- failure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("CRASH", "ends again and again"),
        ("FAIL", "failed (exit-code)"),
        ("HANG", "is activating"),
        ("SICK", "refused"),
        ("EXIT", "is not running"),
    ],
)
def test_rolled_back(node: Node, word: str, message: str) -> None:
    apply(node, version())
    began = node.now
    outcome = apply(node, version(api=word), secrets=["cannot go"])
    assert outcome.failed and outcome.rolled_back and not outcome.changed
    assert outcome.stage == "health" and message in outcome.msg
    assert outcome.digest == outcome.previous == version().digest
    data = outcome.returned(["cannot go"])
    assert "RuntimeError: ozone-api.service ******** on" in data["msg"] and "container start" not in data["msg"]
    assert faults(node, version()) == []
    assert node.unit("ozone-worker.service").starts == node.unit("frontd.service").starts == 1
    if word in ("CRASH", "FAIL", "EXIT"):
        assert node.now - began < 15
    report = revert.load(node, f"{SERVICE}/reverted.json")
    assert report["new"] == version(api=word).digest
    assert not apply(node, version(api="good")).failed
    assert revert.load(node, f"{SERVICE}/reverted.json") is None


def test_rolled_back_to_nothing(node: Node) -> None:
    Path(node.at(CONF)).write_text("before ozone\n")
    outcome = apply(node, version(api="CRASH"))
    assert outcome.failed and outcome.rolled_back
    assert "no generation before" in outcome.msg
    assert faults(node, None, version()) == []
    assert not node.unit("frontd.service").enabled


def test_the_old_generation_may_be_ill_too(node: Node) -> None:
    apply(node, version())
    old = Path(node.at(f"{SERVICE}/objects/{node.names(f'{SERVICE}/objects')[0]}"))
    outcome = apply(node, version(api="CRASH"), contents=version(api="CRASH").contents)
    assert outcome.problems == []
    for directory in old.parent.iterdir():
        if "api one" in (directory / "demo.conf").read_text():
            (directory / "demo.conf").write_text("FAIL")
    outcome = apply(node, version(api="CRASH"))
    assert outcome.failed and outcome.rolled_back
    assert "is not healthy: ozone-api.service failed" in outcome.msg


def test_systemd_refuses(node: Node) -> None:
    apply(node, version())
    node.answers = {"systemd-run": Result(1, "", "no bus")}
    outcome = apply(node, version(api="two"))
    assert outcome.failed and outcome.stage == "switch" and "no bus" in outcome.msg and not outcome.rolled_back
    assert faults(node, version()) == []
    node.answers = {}
    shutil.rmtree(node.at("/usr/lib/ozone"))
    node.answers = {"daemon-reload": Result(1, "", "no bus")}
    outcome = apply(node, version(api="two"))
    assert outcome.failed and outcome.stage == "switch"
    node.answers = {}
    assert not apply(node, version(api="two")).failed


def test_full_disk_after_staging(node: Node) -> None:
    """No space for pending.json, or for the history at the end: the old generation serves."""
    apply(node, version())
    apply(node, version(api="two"), state="staged")
    real = revert.save

    def save(host: Any, path: str, data: Any) -> None:
        if path.endswith(failing):
            raise OSError(28, "No space left on device", path)
        real(host, path, data)

    for failing in ("pending.json", "history.json"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(revert, "save", save)
            patch.setattr("ansible_collections.ozone.openstack.plugins.module_utils.generation.store.save", save)
            outcome = apply(node, version(api="two"))
        assert outcome.failed and "No space left" in outcome.msg
        assert outcome.rolled_back == (failing == "history.json")
        assert faults(node, version()) == []


def test_an_error_of_the_machine_is_reported(node: Node) -> None:
    os.makedirs(node.at(CONF))  # somebody made a directory where a file shall be
    outcome = apply(node, version())
    assert outcome.failed and outcome.rolled_back and CONF in outcome.msg
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node, "read", lambda path: (_ for _ in ()).throw(OSError(5, "Input/output error", path)))
        outcome = Transaction(node, Probes(node), Request("demo", state="validated")).run()
    assert outcome.failed and "Input/output error" in outcome.msg


def test_garbage_that_cannot_be_removed_is_a_warning(node: Node) -> None:
    apply(node, version())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction.store, "forget", lambda *_: (_ for _ in ()).throw(OSError("busy")))
        outcome = apply(node, version(api="two"))
    assert not outcome.failed and "busy" in outcome.warnings[0]


# -- check and diff mode -----------------------------------------------------------------------------------------------


def test_check_mode_touches_nothing(node: Node) -> None:
    node.offered["p"] = []
    command = {"name": "c", "argv": ["true"], "files": [], "when": "after_units", "timeout": 5}
    made = version(packages=["p"], commands=[command], bootstrap_commands=[command])
    outcome = apply(node, made, check=True, diff=True, bootstrap=True)
    assert outcome.changed and outcome.packages == ["p"] and outcome.commands == ["c"]
    assert outcome.bootstrapped == ["c"] and outcome.files == {CONF: "added"}
    assert len(outcome.restarted) == 3
    assert not node.exists("/var/lib/ozone") and not node.exists("/run/ozone")
    apply(node, version())
    before = list(node.trace)
    outcome = apply(node, version(api="two"), check=True, diff=True)
    assert outcome.restarted == ["ozone-api.service"] and outcome.stopped == []
    assert {step.split()[0] for step in node.trace[len(before) :]} == {"run"}
    assert [entry["before_header"] for entry in outcome.diff] == ["demo: api:demo.conf"]
    assert not apply(node, version(), check=True).changed
    for state in ("absent", "previous"):
        assert apply(node, None, state=state, check=True).changed == (state == "absent")
    assert faults(node, version()) == []


def test_diff_hides_secrets_new_and_old(node: Node) -> None:
    Path(node.at(CONF)).write_text("packaged\n")
    apply(node, version(api="connection = mysql://nova:first-secret@db\nport = 1"))
    made = version(api="connection = mysql://nova:other-secret@db\nport = 2\nkey = other-secret\nn = 1")
    outcome = apply(node, made, diff=True, secrets=["other-secret"])
    text = json.dumps(outcome.diff)
    assert "secret@" not in text and "other-secret" not in text and "port = 2" in text
    rotated = version(api="connection = mysql://nova:third-secret@db\nport = 2\nkey = third-secret\nn = 1")
    outcome = apply(node, rotated, diff=True, check=True, secrets=["third-secret"])
    assert "(another secret)" in outcome.diff[0]["after"] and "-secret" not in json.dumps(outcome.diff)
    outcome = apply(node, version(api="\nkey = third-secret"), diff=True, secrets=["third-secret"])
    assert "other-secret" not in json.dumps(outcome.diff)


def test_diff_of_a_first_deployment_shows_what_is_replaced(node: Node) -> None:
    Path(node.at(CONF)).write_text("packaged\n")
    outcome = apply(node, version(), diff=True)
    by_path = {entry["after_header"]: entry for entry in outcome.diff}
    assert by_path[CONF]["before"] == "packaged\n"
    quadlet = by_path["demo: ozone-api.container"]
    assert quadlet["before_header"].endswith("(new)") and "/objects/<files>:" in quadlet["after"]
    outcome = apply(node, None, state="absent", diff=True)
    assert CONF in json.dumps(outcome.diff) and "front one" not in json.dumps(outcome.diff)


# -- previous, absent, validated ---------------------------------------------------------------------------------------


def test_previous_goes_back_and_forth(node: Node) -> None:
    apply(node, version())
    apply(node, version(api="two"))
    outcome = apply(node, None, state="previous", check=True)
    assert outcome.restarted == ["ozone-api.service"]
    outcome = apply(node, None, state="previous")
    assert outcome.changed and outcome.digest == version().digest, outcome.msg
    assert faults(node, version()) == []
    apply(node, None, state="previous")
    assert faults(node, version(api="two")) == []
    apply(node, None, state="previous", digest=version().digest)
    assert faults(node, version()) == []
    assert "confirmed: " in apply(node, None, state="previous", digest="5" * 64).msg


def test_only_the_last_generations_are_kept(node: Node) -> None:
    for number in range(5):
        apply(node, version(api=str(number)), keep=3)
    assert len(node.names(f"{SERVICE}/generations")) == 3
    assert len(node.names(f"{SERVICE}/objects")) == 4  # three of api, one of worker
    apply(node, version(api="9"), keep=1)
    assert len(node.names(f"{SERVICE}/generations")) == 1
    assert faults(node, version(api="9")) == []


def test_absent(node: Node) -> None:
    assert not apply(node, None, state="absent").changed
    Path(node.at(CONF)).write_text("before ozone\n")
    paths = ("/var/lib/demo", "/var/lib", "/srv")
    made = version(directories=[{"path": path, "mode": "0750", "owner": "root", "group": "root"} for path in paths])
    apply(node, made)
    Path(node.at("/var/lib/demo/data")).write_text("precious")
    assert apply(node, None, state="absent", check=True).changed
    assert faults(node, made) == []
    outcome = apply(node, None, state="absent")
    assert outcome.changed and not outcome.failed, outcome.msg
    assert faults(node, None, made) == []
    assert node.seen(CONF) == "before ozone\n"
    assert node.seen("/var/lib/demo/data") == "precious"
    assert not apply(node, None, state="absent").changed
    apply(node, made)
    outcome = apply(node, None, state="absent", purge=True)
    assert outcome.removed == ["/var/lib/demo"]
    assert node.exists("/var/lib") and node.exists("/srv")


def test_absent_without_a_manifest_still_stops_the_containers(node: Node) -> None:
    apply(node, version())
    os.unlink(node.at(f"{SERVICE}/current/manifest.json"))
    outcome = apply(node, None, state="absent")
    assert "lost or damaged" in outcome.warnings[0]
    assert outcome.stopped == ["ozone-api.service", "ozone-worker.service"]
    assert node.names("/var/lib/ozone/services") == []


def test_a_lost_manifest_is_replaced(node: Node) -> None:
    apply(node, version())
    os.unlink(node.at(f"{SERVICE}/current/manifest.json"))
    outcome = apply(node, version())
    assert outcome.changed and not outcome.failed, outcome.msg
    assert faults(node, version()) == []


def test_validated(node: Node) -> None:
    assert "no generation" in apply(node, None, state="validated").msg
    apply(node, version())
    node.calls.clear()
    outcome = apply(node, None, state="validated", digest=version().digest)
    assert not outcome.failed and not outcome.changed and outcome.problems == []
    assert all("show" in argv for argv in node.calls)
    assert "wanted 1234" in apply(node, None, state="validated", digest="1234").msg
    node.unit("ozone-api.service").running["demo.conf"] = "CRASH"
    assert "was restarted while watched" in apply(node, None, state="validated").msg
    node.unit("ozone-api.service").active = "inactive"
    outcome = apply(node, None, state="validated")
    assert "ozone-api.service is not running" in outcome.msg and len(outcome.problems) == 2
    node.units.pop("frontd.service")
    node.packaged.clear()
    assert "frontd.service is not-found" in apply(node, None, state="validated").msg


def test_what_a_role_does_after_the_change(node: Node) -> None:
    """A run that dies between the change and what comes after it leaves a mark, until that is done."""
    mark = f"{SERVICE}/unfinished.json"
    apply(node, version(), unfinished=True)
    assert node.exists(mark)
    apply(node, None, state="finished", check=True)
    assert node.exists(mark)
    assert not apply(node, None, state="finished").changed
    assert not node.exists(mark)


def test_checks_and_silent_journals(node: Node) -> None:
    keys = {
        "host_checks": [{"name": "frontd -t", "argv": ["frontd", "-t", "@STAGE@/x"], "timeout": 5}],
        "container_checks": [{"name": "v", "container": "api", "argv": ["validate"], "timeout": 5, "ok": [0]}],
    }
    assert not apply(node, version(**keys)).failed
    node.answers = {"journalctl": Result(0, "x container start y\n\n", "")}
    assert apply(node, version(api="CRASH", **keys)).journal == []


# -- several at once ---------------------------------------------------------------------------------------------------


def test_two_transactions_cannot_meet(node: Node) -> None:
    with node.locked("a change of nova", 1):
        outcome = apply(node, version())
    assert outcome.failed and outcome.stage == "lock"
    assert "a change of nova" in outcome.msg
    assert not apply(node, version()).failed


def test_an_interrupted_change_of_another_service_is_taken_back(node: Node) -> None:
    from node_simulator import Killed

    apply(node, version())
    node.revive()
    node.fuse = 10_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction.Wait, "healthy", lambda _: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            apply(node, version(api="two"))
    outcome = apply(node, version(api="three"), check=True)
    assert "interrupted" in outcome.warnings[0]
    assert "under way or was interrupted" in apply(node, None, state="validated").msg
    other = make({}, {"/etc/other": "x"}, service="other")
    outcome = apply(node, other)
    assert not outcome.failed and "was taken back" in outcome.warnings[0]
    node.settle()
    assert faults(node, version()) == []


def test_the_tool_runs_alone(node: Node, tmp_path: Path) -> None:
    """What is installed on the node needs nothing but Python."""
    import subprocess
    import sys

    apply(node, version())
    tool = node.at(revert.TOOL)
    assert os.access(tool, os.X_OK)
    done = subprocess.run([sys.executable, "-I", tool, "--help"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "watch" in done.stdout


def test_the_source_must_be_there(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    class Loader:
        def get_source(self, name: str) -> None:
            return None

    monkeypatch.setattr(revert, "__loader__", Loader())
    outcome = apply(node, version())
    assert outcome.failed and "revert.py" in outcome.msg
