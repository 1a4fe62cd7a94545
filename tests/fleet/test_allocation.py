# SPDX-License-Identifier: Apache-2.0
"""``baremetal_allocation`` against a real Ironic."""

from __future__ import annotations

import threading
from typing import Any

from tests.fleet.inside import run
from tests.fleet.play import play
from tests.lab.ironic_fake import DRIVER, Ironic


def available(there: Ironic, **nodes: list[str]) -> None:
    """Nodes that can be given out, with their traits."""
    for name, traits in nodes.items():
        there.request("POST", "/v1/nodes", {"name": name, "driver": DRIVER, "resource_class": "metal"})
        there.request("PUT", f"/v1/nodes/{name}/traits", {"traits": traits})
        there.request("PUT", f"/v1/nodes/{name}/states/provision", {"target": "manage"})
    for name in nodes:
        there.wait(name, "manageable")
        there.request("PUT", f"/v1/nodes/{name}/states/provision", {"target": "provide"})
    for name in nodes:
        there.wait(name, "available")


def give(there: Ironic, *names: Any, check: bool = False, **options: Any) -> dict[str, Any]:
    """One run of the module."""
    wishes = [{"name": name, "resource_class": "metal"} if isinstance(name, str) else name for name in names]
    return run(there, "baremetal_allocation", check=check, allocations=wishes, **options)


def test_life(ironic: Ironic) -> None:
    available(ironic, n1=["CUSTOM_GPU"], n2=[], n3=[])
    gpu = {"name": "gpu", "resource_class": "metal", "traits": ["CUSTOM_GPU"], "candidates": ["n1", "n2"], "site": ""}
    shown = give(ironic, "a", gpu, check=True)
    assert shown["nodes"] == {"a": "n2", "gpu": "n1"} and shown["capacity"] == {"metal": 1} and shown["changed"]
    assert ironic.get("/v1/allocations")["allocations"] == []
    given = give(ironic, "a", gpu)
    assert given["nodes"] == shown["nodes"] and given["summary"] == ["a: nothing -> n2", "gpu: nothing -> n1"], given
    again = give(ironic, gpu, "a")
    assert not again["changed"] and again["nodes"] == given["nodes"] and again["capacity"] == {"metal": 1}
    found = play(ironic, "baremetal_allocation_info", {}).returned
    assert [(entry["name"], entry["node"], entry["state"]) for entry in found["allocations"]] == [
        ("a", "n2", "active"), ("gpu", "n1", "active"),
    ]  # fmt: skip
    assert found["capacity"] == {"metal": 1}
    assert give(ironic, {"name": "gpu"}, state="absent", check=True)["changed"]
    gone = give(ironic, {"name": "gpu"}, {"name": "never"}, state="absent")
    assert gone["summary"] == ["gpu: n1 -> nothing"] and not give(ironic, {"name": "gpu"}, state="absent")["changed"]
    assert give(ironic, "a", "n3", "c")["nodes"] == {"a": "n2", "n3": "n3", "c": "n1"}


def test_not_enough(ironic: Ironic) -> None:
    available(ironic, n1=[], n2=[])
    ironic.request("PUT", "/v1/nodes/n2/maintenance", {"reason": "a test"})
    found = give(ironic, "a", "b")
    assert found["msg"] == "b (metal): no node is left; for a: n1; in maintenance: n2"
    assert ironic.get("/v1/allocations")["allocations"] == []
    found = give(ironic, {"name": "x", "resource_class": "other"})
    assert found["msg"] == "x (other): no node has that class; there are: metal"
    assert "resource_class: is missing" in give(ironic, {"name": "x"})["msg"]


def test_what_failed_is_asked_for_again(ironic: Ironic) -> None:
    ironic.request("POST", "/v1/allocations", {"name": "a", "resource_class": "metal"})
    available(ironic, n1=[])
    assert ironic.get("/v1/allocations/a")["state"] == "error"
    assert give(ironic, "a")["nodes"] == {"a": "n1"}


def test_two_runs_at_once(ironic: Ironic) -> None:
    """Two runs want nodes at the same time: everybody gets one, and nobody the same."""
    available(ironic, **{f"n{number}": [] for number in range(8)})
    results: dict[str, dict[str, Any]] = {}

    def wants(who: str) -> None:
        results[who] = give(ironic, *[f"{who}{number}" for number in range(4)])

    threads = [threading.Thread(target=wants, args=(who,)) for who in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [found["msg"] for found in results.values() if "msg" in found]
    got = [node for found in results.values() for node in found["nodes"].values()]
    assert sorted(got) == sorted(ironic.nodes())
    found = {entry["state"] for entry in ironic.get("/v1/allocations")["allocations"]}
    assert found == {"active"}


def test_playbook(ironic: Ironic) -> None:
    available(ironic, n1=[])
    options = {"allocations": [{"name": "a", "resource_class": "metal"}]}
    assert play(ironic, "baremetal_allocation", options, check=True).returned["diff"][0]["after"] == {"a": "n1"}
    assert play(ironic, "baremetal_allocation", options).changed
