# SPDX-License-Identifier: Apache-2.0
"""The parts of the smoke action that touch the deployment host, and the action without a cloud."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.action import smoke as action
from ansible_collections.ozone.openstack.plugins.module_utils.smoke import External

SUBNET = {"cidr": "198.51.100.0/25", "gateway": "198.51.100.1", "floating": ["198.51.100.20", "198.51.100.100"]}


def test_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    class FakeRun:
        """A fake of subprocess.run."""

        answer: Any = 0

        def __call__(self, command: list[str], **options: Any) -> Any:
            assert command[:1] + command[-1:] == ["ping", "198.51.100.20"]
            assert options["timeout"] == 10
            if isinstance(self.answer, Exception):
                raise self.answer
            return subprocess.CompletedProcess(command, self.answer)

    fake = FakeRun()
    monkeypatch.setattr(action.subprocess, "run", fake)
    assert action.ping("198.51.100.20")
    fake.answer = 1
    assert not action.ping("198.51.100.20")
    fake.answer = subprocess.TimeoutExpired("ping", 10)
    assert not action.ping("198.51.100.20")


def test_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"OZONE-GUEST \xff")

        def log_message(self, format: str, *args: Any) -> None:
            """Be quiet."""

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # must not be used
    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    assert action.fetch("127.0.0.1", server.server_port).startswith("OZONE-GUEST")
    server.shutdown()
    server.server_close()
    assert action.fetch("127.0.0.1", server.server_port) == ""


def test_key_and_external_network() -> None:
    assert action.public_key().startswith("ssh-ed25519 AAAA")
    cloud: dict[str, Any] = {"networks": {"external": {"subnets": {"a": {"cidr": "x"}, "b": SUBNET}}}}
    cloud["traffic"] = {"external": "external"}
    assert action.external_of(cloud, "physnet1") == External(
        "198.51.100.0/25", "198.51.100.1", ("198.51.100.20", "198.51.100.100"), "physnet1"
    )
    cloud["networks"]["external"]["vlan"] = 7
    external = action.external_of(cloud, "physnet1")
    assert external is not None
    assert external.vlan == 7
    assert action.external_of({**cloud, "traffic": {}}, "physnet1") is None


def test_without_a_cloud(playbook: Callable[..., str], tmp_path: Path) -> None:
    files = "kernel: /k, initrd: /i, disk: /d"
    play = f"""
- hosts: node1
  gather_facts: false
  tasks:
    - ozone.openstack.smoke: {{{files}}}
      check_mode: true
    - ozone.openstack.smoke: {{{files}, clouds_file: /nonexistent}}
      ignore_errors: true
    - ozone.openstack.smoke:
        auth: {{auth_url: "http://127.0.0.1:9/v3", username: x, password: very secret word, project_name: x}}
        kernel: /k
        initrd: /i
        disk: /d
"""
    cloud = {"region": "R", "state_dir": str(tmp_path), "networks": {}, "traffic": {}}
    shown = " ".join(playbook(play, ozone_cloud=cloud).split())
    assert "skipped=1" in shown, shown
    assert "/nonexistent: cloud ozone:" in shown, shown
    assert "smoke: FAILED after" in shown, shown
    assert "remove what a killed run left" in shown
