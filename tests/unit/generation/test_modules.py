# SPDX-License-Identifier: Apache-2.0
"""The modules: arguments in, results out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from node_simulator import Made, Node, Probes, make

from ansible_collections.ozone.openstack.plugins.modules import generation, generation_info


def run(node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **arguments: Any) -> Any:
    monkeypatch.setattr(generation, "Host", lambda: node)
    monkeypatch.setattr(generation, "Network", lambda: Probes(node))
    monkeypatch.setattr(generation.os, "umask", lambda mask: 0)
    with patch_module_args({"_ansible_remote_tmp": "/tmp", **arguments}), pytest.raises(SystemExit):
        generation.main()
    return json.loads(capsys.readouterr().out)


def asked(made: Made, **keys: Any) -> dict[str, Any]:
    return {"service": "demo", "manifest": made.manifest, "contents": json.dumps(made.contents), **keys}


def test_generation(node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = make({"api": {"demo.conf": "password = hunter22"}}, {"/etc/x": "y"})
    result = run(node, monkeypatch, capsys, **asked(made, secrets=["hunter22"], _ansible_diff=True))
    assert result["changed"] and result["digest"] == made.digest and result["restarted"] == ["ozone-api.service"]
    assert "hunter22" not in json.dumps(result)
    assert any(entry["after"] == "y" for entry in result["diff"])  # the contents as a whole are hidden, not each word
    result = run(node, monkeypatch, capsys, **asked(made))
    assert not result["changed"] and "diff" not in result


def test_generation_fails(node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(node, monkeypatch, capsys, **asked(make({"api": {"demo.conf": "good"}})))
    Path(node.at("/var/lib/ozone/services/demo/current/manifest.json")).unlink()
    broken = make({"api": {"demo.conf": "CRASH"}})
    said: list[str] = []  # where a warning goes depends on what else of Ansible is imported in the process
    monkeypatch.setattr(generation.AnsibleModule, "warn", lambda self, text: said.append(text))
    result = run(node, monkeypatch, capsys, **asked(broken))
    assert result["failed"] and result["rolled_back"] and result["stage"] == "health"
    assert "lost or damaged" in said[0]


def test_generation_info(node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(generation_info, "Host", lambda: node)
    with patch_module_args({}), pytest.raises(SystemExit):
        generation_info.main()
    result = json.loads(capsys.readouterr().out)
    assert result["services"] == {} and result["changed"] is False
