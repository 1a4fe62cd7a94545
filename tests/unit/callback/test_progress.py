# SPDX-License-Identifier: Apache-2.0
"""The callback in real runs of ansible-playbook, with services and modules that only pretend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
SECRET = "s3cret-do-not-show"

# A stand-in for the two modules: it returns what the task gives it.
MODULE = """
from ansible.module_utils.basic import AnsibleModule
def main():
    options = {"returns": {"type": "dict", "default": {}}, "token": {"no_log": True}}
    module = AnsibleModule(options, supports_check_mode=True)
    returns = module.params["returns"]
    (module.fail_json if returns.get("failed") else module.exit_json)(**{"msg": "", **returns})
if __name__ == "__main__":
    main()
"""

INVENTORY = f"""
all:
  hosts:
    node1: {{ansible_connection: local}}
    node2: {{ansible_connection: local}}
    dead: {{ansible_host: 127.0.0.1, ansible_port: 1, ansible_connection: ssh}}
  vars:
    ansible_python_interpreter: "{sys.executable}"
    ozone_cloud: {{name: test, state_dir: "@STATE@"}}
"""

ROLE = """
- name: Activate the generation of {{ service_name }}
  generation:
    returns: "{{ returns }}"
    token: %s
  diff: true
"""

PLAYBOOK = """
- name: Change
  hosts: "{{ nodes }}"
  gather_facts: false
  tasks:
    - name: Compare the node with cloud.yml
      plan:
        returns:
          plan:
            - {service: keystone, action: change, reason: "generation a -> b"}
            - {service: glance, action: unchanged}
    - name: "{{ service }} on the nodes"
      ansible.builtin.include_role: {name: "{{ service }}"}
      vars:
        service_name: "{{ service }}"
        returns: "{{ results[inventory_hostname] }}"
"""

JOURNAL = "unit keystone_api was not healthy\njournal:\n  keystone_api[7]: cannot parse the option"


class Run:
    """What a run printed and left."""

    def __init__(self, done: subprocess.CompletedProcess[str], state: Path) -> None:
        self.code, self.out = done.returncode, done.stdout + done.stderr
        latest = state / "reports" / "latest.json"
        self.report: dict[str, Any] = json.loads(latest.read_text()) if latest.exists() else {}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "library").mkdir()
    for name in ("generation", "plan"):
        (tmp_path / "library" / f"{name}.py").write_text(MODULE)
    for part, text in {"tasks": ROLE % SECRET, "meta": ""}.items():
        (tmp_path / "roles" / "keystone" / part).mkdir(parents=True)
        (tmp_path / "roles" / "keystone" / part / "main.yml").write_text(text)
    (tmp_path / "roles" / "keystone" / "meta" / "main.yml").unlink()
    (tmp_path / "roles" / "keystone" / "meta" / "service.yml").write_text("name: keystone\n")
    (tmp_path / "hosts.yml").write_text(INVENTORY.replace("@STATE@", str(tmp_path / "state")))
    (tmp_path / "deploy.yml").write_text(PLAYBOOK)
    return tmp_path


def environment(project: Path) -> dict[str, str]:
    return os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
        "ANSIBLE_STDOUT_CALLBACK": "ozone.openstack.progress",
        "ANSIBLE_INVENTORY_ENABLED": "yaml,ini",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_LOCAL_TEMP": str(project / "tmp"),
        "LC_ALL": "C.UTF-8",
    }


def command(project: Path, playbook: str, *arguments: str) -> list[str]:
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return [program, "-i", str(project / "hosts.yml"), str(project / playbook), *arguments]


def play(project: Path, *arguments: str, playbook: str = "deploy.yml", **variables: Any) -> Run:
    extra = json.dumps({"nodes": "node1,node2", "service": "keystone"} | variables)
    done = subprocess.run(
        command(project, playbook, "-e", extra, *arguments),
        capture_output=True, text=True, cwd=project, env=environment(project), timeout=120, check=False,
    )  # fmt: skip
    return Run(done, project / "state")


def test_a_change_and_a_no_op(project: Path) -> None:
    changed = {"changed": True, "service": "keystone", "restarted": ["ozone-keystone_api.service"], "seconds": 2}
    run = play(project, "--diff", results={"node1": changed, "node2": {"service": "keystone"}})
    assert run.code == 0, run.out
    assert "Change (2 nodes)" in run.out
    assert "compared 2 services on node1, node2: 1 service to change" in run.out
    assert "keystone         changed on node1; restarted keystone_api" in run.out
    assert "TASK" not in run.out
    assert "deploy: ok in" in run.out
    assert "tasks on nodes=4 changed=1 failed=0 unreachable=0" in run.out
    assert run.report["tasks"]["per_node"] == {"node1": 2, "node2": 2}
    assert run.report["services"]["keystone"]["nodes"]["node1"]["status"] == "changed"
    assert run.report["services"]["keystone"]["nodes"]["node2"]["status"] == "unchanged"
    assert (run.report["status"], run.report["exit_code"], run.report["cloud"]) == ("ok", 0, "test")
    assert SECRET not in run.out + json.dumps(run.report)


def test_a_failure_is_told_in_full_and_a_dead_node_is_listed(project: Path) -> None:
    failed = {"failed": True, "service": "keystone", "rolled_back": True, "stage": "health", "msg": JOURNAL}
    run = play(project, nodes="all", results={"node1": failed, "node2": {"service": "keystone"}})
    assert run.code == 4, run.out  # ansible-playbook's own: unreachable nodes outweigh failed ones
    assert "FAILED  keystone on node1, stage health" in run.out
    assert "  keystone_api[7]: cannot parse the option" in run.out
    assert "The change was taken back on this node" in run.out
    assert "dead cannot be reached" in run.out
    assert "Not reached\n  dead: " in run.out
    rows = [line.split() for line in run.out.splitlines() if line.startswith("keystone ")]
    assert [row[:5] for row in rows] == [["keystone", "1", "-", "-", "1"]]
    assert run.report["exit_code"] == run.code
    assert list(run.report["unreachable"]) == ["dead"]
    assert run.report["failures"][0]["msg"] == JOURNAL


def test_only_a_failure_has_its_own_exit_code(project: Path) -> None:
    failed = {"failed": True, "service": "keystone", "msg": "no"}
    run = play(project, results={"node1": failed, "node2": failed})
    assert run.code == run.report["exit_code"] == 2, run.out


def test_verbose_shows_tasks_and_results_but_no_secret(project: Path) -> None:
    run = play(project, "-v", results={"node1": {"note": "all of it"}, "node2": {}})
    assert "TASK [Activate the generation of keystone]" in run.out
    assert '"note": "all of it"' in run.out
    assert SECRET not in run.out


def test_any_other_playbook_is_readable(project: Path) -> None:
    (project / "other.yml").write_text(
        textwrap.dedent(f"""
        - name: Something else
          hosts: node1,node2
          gather_facts: false
          tasks:
            - name: Read
              ansible.builtin.command: echo
              changed_when: false
            - name: Write
              ansible.builtin.copy: {{content: "line of a diff\\n", dest: "{project}/out"}}
              when: inventory_hostname == 'node1'
            - name: Say
              ansible.builtin.debug: {{msg: "a word to the operator"}}
              run_once: true
            - name: Hide
              ansible.builtin.command: "sh -c 'echo {SECRET} >&2; exit 7'"
              no_log: true
            - name: Never
              ansible.builtin.command: echo
        - name: Nobody
          hosts: nobody
          tasks: []
    """)
    )
    run = play(project, "--diff", playbook="other.yml")
    assert run.code == 2
    assert "Read             ok on node1, node2" in run.out
    assert "Write            changed on node1" in run.out
    assert "+line of a diff" in run.out
    assert "a word to the operator" in run.out
    assert "FAILED  Hide on node1" in run.out
    assert "hidden: this task handles a secret" in run.out
    assert "Never" not in run.out
    assert SECRET not in run.out + json.dumps(run.report)
    assert "other: failed" in run.out


def test_a_run_that_is_interrupted_leaves_a_report_that_says_so(project: Path) -> None:
    (project / "slow.yml").write_text(
        textwrap.dedent("""
        - name: Slow
          hosts: node1
          gather_facts: false
          tasks:
            - name: Wait
              ansible.builtin.command: sleep 60
    """)
    )
    process = subprocess.Popen(
        command(project, "slow.yml"), env=environment(project), cwd=project, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    latest = project / "state" / "reports" / "latest.json"
    deadline = time.monotonic() + 30
    while not latest.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert json.loads(latest.read_text())["status"] == "running"
    time.sleep(7)  # long enough for the wait to be announced
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert "Wait, " in out
    assert json.loads(latest.read_text())["status"] == "aborted"


def test_on_a_terminal_one_line_is_kept_up_to_date(project: Path) -> None:
    (project / "slow.yml").write_text(
        textwrap.dedent("""
        - name: Slow
          hosts: node1
          gather_facts: false
          tasks:
            - name: Wait
              ansible.builtin.command: sleep 2
    """)
    )
    import pty  # a terminal is only needed here

    transcript = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 4096)
        transcript.extend(data)
        return data

    program = ["env", *(f"{k}={v}" for k, v in environment(project).items() if k.startswith(("ANSIBLE", "LC"))),
               "TERM=xterm", "ANSIBLE_FORCE_COLOR=0", *command(project, "slow.yml")]  # fmt: skip
    status = pty.spawn(program, read, lambda _: b"")
    out = transcript.decode()
    assert os.waitstatus_to_exitcode(status) == 0, out
    assert "Wait, 0 of 1 node, 1 s\r" in out
    assert "\r\x1b[K" in out
    assert "Wait             changed on node1" in out


def test_the_lock_of_the_cloud_is_given_back_also_after_a_failure(project: Path) -> None:
    (project / "locked.yml").write_text(
        textwrap.dedent("""
        - name: Locked
          hosts: node1
          gather_facts: false
          tasks:
            - name: Hold the lock
              ozone.openstack.run_lock:
                verb: test
            - name: Fail
              ansible.builtin.fail: {msg: "no"}
    """)
    )
    for _ in range(2):
        run = play(project, playbook="locked.yml")
        assert "FAILED  Fail on node1" in run.out
        assert "took over" not in run.out
        assert run.report["lock"]["path"].endswith("lock.json")
    assert not (project / "state" / "lock.json").exists()
