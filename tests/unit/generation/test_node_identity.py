# SPDX-License-Identifier: Apache-2.0
"""A machine that is another node, or a node of another cloud, is left as it is."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from node_simulator import Node, Probes, make

from ansible_collections.ozone.openstack.plugins.module_utils import node_identity
from ansible_collections.ozone.openstack.plugins.module_utils.generation.transaction import (
    Outcome,
    Request,
    State,
    Transaction,
)
from ansible_collections.ozone.openstack.plugins.modules import generation_info

MADE = make({"api": {"demo.conf": "x"}}, {"/etc/demo": "y"})
OTHER = make({"api": {"demo.conf": "z"}}, {"/etc/demo": "y"})
STATES: list[State] = ["present", "staged", "absent", "previous", "validated", "finished"]


def meant(**more: Any) -> dict[str, Any]:
    return {"cloud": "prod", "id": "1", "node": "node1", "address": "198.18.8.12", "take_over": False, **more}


def change(node: Node, identity: dict[str, Any] | None, state: State = "present", made: Any = MADE) -> Outcome:
    request = Request(service="demo", state=state, manifest=made.manifest, contents=made.contents, identity=identity)
    return Transaction(node, Probes(node), request).run()


def image(node: Node) -> dict[str, bytes]:
    """All files of the node."""
    root = Path(node.at("/"))
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "run" not in path.parts
    }


def test_the_first_change_tells_the_machine_who_it_is(node: Node) -> None:
    assert node_identity.found(node) is None
    assert not change(node, meant()).failed
    assert node_identity.found(node) == {"cloud": "prod", "id": "1", "node": "node1"}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"node": "node2"}, "says that it is node1 of the cloud prod, and was addressed as node2 of the cloud prod"),
        ({"cloud": "test"}, "says that it is node1 of the cloud prod, and was addressed as node1 of the cloud test"),
        ({"id": "2"}, "says that it is node1 of another cloud that is called prod, and was addressed as node1"),
        (
            {"node": "node2", "cloud": "test", "id": "2"},
            "says that it is node1 of the cloud prod, and was addressed as",
        ),
    ],
)
def test_another_machine_is_refused_and_left_as_it_is(
    node: Node, state: State, other: dict[str, Any], message: str
) -> None:
    change(node, meant())
    change(node, meant(), made=OTHER)
    before = image(node)
    outcome = change(node, meant(**other), state)
    assert outcome.failed
    assert outcome.stage == "identity"
    assert f"the machine at 198.18.8.12 {message}" in outcome.msg
    assert f"ozone_take_over: [{other.get('node', 'node1')}]" in outcome.msg
    assert image(node) == before


def test_an_id_that_is_not_known_is_no_reason(node: Node) -> None:
    """A first `plan` makes none; the name of the cloud and of the node are compared all the same."""
    change(node, meant())
    assert not change(node, meant(id=""), "validated").failed
    assert change(node, meant(id="", node="node2"), "validated").failed


def test_the_operator_takes_a_machine_over(node: Node) -> None:
    change(node, meant())
    assert not change(node, meant(node="node2", take_over=True)).failed
    assert node_identity.found(node) == {"cloud": "prod", "id": "1", "node": "node2"}
    assert change(node, meant(), "validated").failed


def test_the_last_service_that_leaves_releases_the_machine(node: Node) -> None:
    change(node, meant())
    assert not change(node, meant(), "absent").failed
    assert node_identity.found(node) is None
    assert not change(node, meant(node="node2", cloud="test")).failed


def test_a_check_writes_nothing(node: Node) -> None:
    request = Request(service="demo", manifest=MADE.manifest, contents=MADE.contents, identity=meant(), check=True)
    assert not Transaction(node, Probes(node), request).run().failed
    assert node_identity.found(node) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cloud": "x"}', "null", "\0"])
def test_a_damaged_file_is_written_anew(node: Node, text: str) -> None:
    change(node, meant())
    Path(node.at(node_identity.FILE)).write_text(text)
    assert not change(node, meant(node="node2"), made=OTHER).failed
    assert node_identity.found(node) == {"cloud": "prod", "id": "1", "node": "node2"}


def test_the_probe_tells(node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    change(node, meant())
    monkeypatch.setattr(generation_info, "Host", lambda: node)
    for identity, stranger in ((meant(), False), (meant(node="node2"), True), (None, False)):
        with patch_module_args({"identity": identity} if identity else {}), pytest.raises(SystemExit):
            generation_info.main()
        result = json.loads(capsys.readouterr().out)
        assert result["identity"]["node"] == "node1"
        assert bool(result["stranger"]) is stranger


def test_one_id_however_many_ask(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert node_identity.cloud_id(state, create=False) == ""
    assert not state.exists()
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(node_identity.cloud_id(state, create=True))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 16
    assert len(set(found)) == 1
    assert len(found[0]) == 36
    assert [path.name for path in state.iterdir()] == ["cloud-id"]
