# SPDX-License-Identifier: Apache-2.0
"""The actions of nodes and allocations, with records instead of Ironic."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from records import Records
from test_allocation import Allocator
from test_allocation import node as free
from test_declare import FULL, Wire

from ansible_collections.ozone.openstack.plugins.action import (
    baremetal_allocation,
    baremetal_allocation_info,
    baremetal_node,
    baremetal_node_info,
)
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Answer, BaremetalError, Request
from ansible_collections.ozone.openstack.plugins.module_utils.sdk import Access
from ansible_collections.ozone.openstack.plugins.plugin_utils import ironic

Run = Callable[..., dict[str, Any]]


class Lists(Wire):
    """All lists, and inventories of nodes."""

    inventory = Answer(200, {"inventory": {"disks": []}, "plugin_data": {}})

    def request(self, request: Request) -> Answer:
        if request.path.endswith("/inventory"):
            return self.inventory
        if request.method == "GET" and "/detail?limit" in request.path:
            kind = request.path.split("/")[2]
            return Answer(200, {kind: self.records.list(kind)})
        return super().request(request)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run an action: ``run(module, api, check=..., **options)``."""

    def run(module: ModuleType, api: Any, check: bool = False, **options: Any) -> dict[str, Any]:
        api.password = "the password of Ironic"
        seen: list[Access] = []
        monkeypatch.setattr(ironic, "connected", lambda access: (seen.append(access), api)[1])
        task = module.ActionModule.__new__(module.ActionModule)
        task._task = SimpleNamespace(check_mode=check, diff=True)
        task._templar = None
        given = {name: options.get(name, known.get("default")) for name, known in module.ActionModule.ARGUMENTS.items()}
        result: dict[str, Any] = task.work(given, {"ozone_cloud": {"state_dir": "/state"}})
        assert seen == [Access("ozone-undercloud", "/state/clouds.yaml")]
        assert "hunter" not in json.dumps(result)
        return result

    return run


def test_node(run: Run) -> None:
    api = Lists(Records())
    shown = run(baremetal_node, api, check=True, name="bm1", **FULL)
    assert shown["changed"] and api.records.list("nodes") == []
    made = run(baremetal_node, api, name="bm1", **FULL)
    assert made["summary"] == shown["summary"] and made["diff"][0]["after_header"] == "node bm1"
    again = run(baremetal_node, api, name="bm1", **FULL)
    assert again == {"changed": False, "summary": [], "notes": []}
    assert run(baremetal_node, api, name="bm1", state="absent")["summary"] == ["removed"]
    assert not run(baremetal_node, api, name="bm1", state="absent")["changed"]


def test_node_info(run: Run) -> None:
    records = Records()
    api = Lists(records)
    run(baremetal_node, api, name="bm1", **FULL)
    run(baremetal_node, api, name="bm0", driver="redfish", driver_info={"a": "b"})
    next(iter(records.tables["nodes"].values())).update(links=[], driver_internal_info={"agent_secret_token": "hunter"})
    found = run(baremetal_node_info, api, inventory=True)["nodes"]
    assert [entry["name"] for entry in found] == ["bm0", "bm1"] and found[0]["inventory"] == {"disks": []}
    assert len(found[1]["ports"]) == 2 and "links" not in found[1]
    assert "inventory" not in run(baremetal_node_info, api, names=["bm1"])["nodes"][0]
    Lists.inventory = Answer(404)
    try:
        assert run(baremetal_node_info, api, inventory=True)["nodes"][0]["inventory"] is None
        Lists.inventory = Answer(500, {"error_message": "broken"})
        with pytest.raises(BaremetalError, match=r"inventory of .*: broken"):
            run(baremetal_node_info, api, inventory=True)
    finally:
        Lists.inventory = Answer(200, {"inventory": {"disks": []}})


def test_allocation(run: Run) -> None:
    api = Allocator(free("n1"), free("n2"))
    wishes = [{"name": "a", "resource_class": "metal"}]
    shown = run(baremetal_allocation, api, check=True, allocations=wishes)
    assert shown["changed"] and shown["nodes"] == {"a": "n1"} and api.records == {}
    made = run(baremetal_allocation, api, allocations=wishes)
    assert made["summary"] == ["a: nothing -> n1"] and made["capacity"] == {"metal": 1}
    assert made["diff"][0]["before"] == {} and made["diff"][0]["after"] == {"a": "n1"}
    again = run(baremetal_allocation, api, allocations=wishes)
    assert not again["changed"] and "diff" not in again
    found = run(baremetal_allocation_info, api)
    assert found["allocations"][0]["node"] == "n1" and found["capacity"] == {"metal": 1}
    gone = run(baremetal_allocation, api, allocations=[{"name": "a"}], state="absent")
    assert gone["summary"] == ["a: n1 -> nothing"] and gone["nodes"] == {} and api.records == {}
    with pytest.raises(BaremetalError, match=r"allocations\[1\]: the key name is missing"):
        run(baremetal_allocation, api, allocations=[{"name": "a"}, {}], state="absent")
