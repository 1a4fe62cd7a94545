# SPDX-License-Identifier: Apache-2.0
"""Nodes for names: plans, and what Ironic makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import allocation, reading
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    Answer,
    BaremetalError,
    Request,
    Wish,
)


def node(name: str, *traits: str, **more: Any) -> dict[str, Any]:
    return {
        "uuid": f"id-{name}",
        "name": name,
        "provision_state": "available",
        "power_state": "power off",
        "maintenance": False,
        "resource_class": "metal",
        "conductor_group": "",
        "traits": list(traits),
        **more,
    }


class Allocator:
    """Ironic's allocations: decides when it is asked for the list. ``before``: what others do before a decision."""

    def __init__(self, *nodes: dict[str, Any]) -> None:
        self.nodes = {found["uuid"]: found for found in nodes}
        self.records: dict[str, dict[str, Any]] = {}
        self.before: list[Callable[[], None]] = []
        self.requests: list[str] = []
        self.decides = self.withdraws = True
        self.lost: set[str] = set()  # names on which nothing is decided until they are withdrawn
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def take(self, name: str, identifier: str) -> None:
        """Somebody else gets a node."""
        self.records[name] = {"name": name, "uuid": f"a-{name}", "state": "active", "node_uuid": identifier}
        self.nodes[identifier].update(instance_uuid=f"a-{name}", allocation_uuid=f"a-{name}")

    def decide(self) -> None:
        for name, record in self.records.items():
            if record["state"] == "allocating" and name not in self.lost:
                (identifier,) = record["candidate_nodes"]
                found = self.nodes[identifier]
                if found.get("instance_uuid") or found["maintenance"]:
                    record.update(state="error", last_error="all nodes were filtered out")
                else:
                    record.update(state="active", node_uuid=identifier)
                    found.update(instance_uuid=f"a-{name}", allocation_uuid=f"a-{name}")

    def request(self, request: Request) -> Answer:
        self.requests.append(f"{request.method} {request.path.partition('?')[0]}")
        if request.path.startswith("/v1/nodes/detail"):
            return Answer(200, {"nodes": list(self.nodes.values())})
        if request.method == "GET":
            if self.decides:
                if self.before and any(record["state"] == "allocating" for record in self.records.values()):
                    self.before.pop(0)()
                self.decide()
            return Answer(200, {"allocations": list(self.records.values())})
        if request.method == "DELETE" and not self.withdraws:
            return Answer(503, {"error_message": "no conductor"})
        if request.method == "DELETE":
            self.lost.discard(request.path.rpartition("/")[2])
            gone = self.records.pop(request.path.rpartition("/")[2], None)
            if gone is None:
                return Answer(404, {"error_message": "no such allocation"})
            if gone.get("node_uuid"):
                self.nodes[gone["node_uuid"]].update(instance_uuid=None, allocation_uuid=None)
            return Answer(204)
        name = request.body["name"]
        if name in self.records:
            return Answer(409, {"error_message": "an allocation with that name exists"})
        if name == "bad":
            return Answer(400, {"error_message": "no, not that one"})
        self.records[name] = {"uuid": f"a-{name}", "state": "allocating", "node_uuid": None, **request.body}
        return Answer(201, self.records[name])


def allocate(api: Allocator, *wishes: Wish, **options: Any) -> dict[str, str]:
    plan = allocation.allocate(api, wishes, sleep=api.sleep, clock=lambda: api.now, **options)[1]
    return plan.nodes


def wish(name: str, *traits: str, **more: Any) -> Wish:
    return Wish(name, more.pop("resource_class", "metal"), traits, **more)


# ---- plans


def plan(wishes: list[Wish], nodes: list[dict[str, Any]], records: Any = ()) -> allocation.Plan:
    return allocation.assign(wishes, nodes, records)


def test_plan() -> None:
    nodes = [node("n3"), node("n1", "CUSTOM_GPU"), node("n2"), node("web1", conductor_group="east"), node("n5")]
    found = plan([wish("a"), wish("web1"), wish("gpu", "CUSTOM_GPU"), wish("e", site="")], nodes)
    assert found.given == {"a": "n2", "web1": "web1", "gpu": "n1", "e": "n3"}
    assert found.ids["gpu"] == "id-n1" and found.capacity == {"metal": 1} and found.lacking == {}
    assert found == plan([wish("a"), wish("web1"), wish("gpu", "CUSTOM_GPU"), wish("e", site="")], nodes[::-1])


def test_nobody_takes_the_only_node_of_another() -> None:
    """The first name could have both nodes, the second only one, and a third one pushes both on."""
    nodes = [node("n1"), node("n2"), node("n3")]
    wishes = [
        wish("a", candidates=["n1", "n2"]),
        wish("b", candidates=["n1", "id-n3"]),
        wish("c", candidates=["id-n1"]),
    ]
    assert plan(wishes, nodes).given == {"a": "n2", "b": "n3", "c": "n1"}


def test_kept() -> None:
    """Who has a node keeps it, whatever state it is in; what failed is asked for again."""
    nodes = [node("n1"), node("n2", provision_state="active", instance_uuid="x", allocation_uuid="x")]
    records = [
        {"name": "a", "state": "active", "node_uuid": "id-n2"},
        {"name": "b", "state": "error", "node_uuid": None},
        {"name": None, "state": "active", "node_uuid": "id-n2"},
    ]
    found = plan([wish("a"), wish("b")], nodes, records)
    assert found.kept == {"a": "n2"} and found.given == {"b": "n1"} and found.stale == ["b"]
    assert found.nodes == {"a": "n2", "b": "n1"} and found.capacity == {"metal": 0}
    assert plan([wish("a")], nodes, [{"name": "a", "state": "allocating"}]).waiting == ["a"]
    gone = plan([wish("a")], [], [{"name": "a", "state": "active", "node_uuid": "id-gone", "resource_class": "metal"}])
    assert gone.kept == {"a": "id-gone"} and gone.lacking == {}


def test_kept_and_something_else_is_asked_for() -> None:
    records = [{"name": "a", "state": "active", "node_uuid": "id-n1"}]
    found = plan([wish("a", "CUSTOM_GPU")], [node("n1", instance_uuid="x")], records)
    assert found.lacking == {
        "a": "a has n1 already, which is without CUSTOM_GPU: remove the allocation first (state: absent), or ask for "
        "what it has"
    }


def test_why_there_is_none() -> None:
    nodes = [
        node("n1", maintenance=True),
        node("n2", provision_state="active"),
        node("n3", instance_uuid="x"),
        node("n4", power_state=None),
        node("n5"),
        node("n6", "CUSTOM_GPU", conductor_group="west"),
        node("n7", "CUSTOM_GPU", conductor_group="east"),
        node("n8", "CUSTOM_GPU", conductor_group="east", resource_class="other"),
        node("n9", "CUSTOM_GPU", conductor_group="east"),
        node("n0", provision_state=None),
    ]
    wants = [
        wish("a", "CUSTOM_GPU", site="East", candidates=["n7"]),
        wish("b", "CUSTOM_GPU", site="East", candidates=["n7"]),
    ]
    assert plan(wants, nodes).lacking == {
        "b": "b (metal, CUSTOM_GPU, at site East): no node is left; active: n2; at site west: n6; for a: n7; "
        "in maintenance: n1; in use: n3; no state: n0; not among the candidates: n9; power state unknown: n4; "
        "without CUSTOM_GPU: n5"
    }
    assert plan([wish("c", resource_class="none")], nodes).lacking == {
        "c": "c (none): no node has that class; there are: metal, other"
    }
    assert plan([wish("c")], []).lacking == {"c": "c (metal): no node has that class; there are: no nodes at all"}
    many = [node(f"m{number:02}", maintenance=True) for number in range(12)]
    assert (
        plan([wish("c")], many)
        .lacking["c"]
        .endswith("in maintenance: m00, m01, m02, m03, m04, m05, m06, m07 and 4 more")
    )
    nowhere = [node("n1"), {**node("n2", resource_class=None, conductor_group=None), "name": None}]
    assert "at site (none): n1" in plan([wish("c", site="x")], nowhere).lacking["c"]
    assert plan([], nowhere).capacity == {"(none)": 1, "metal": 1}


SPECIAL = st.frozensets(st.sampled_from(["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"]))


@given(st.lists(SPECIAL, max_size=7), st.lists(SPECIAL, max_size=7), st.randoms(use_true_random=False))
def test_as_many_as_possible(has: list[Any], wants: list[Any], shuffle: random.Random) -> None:
    """The plan gives as many names a node as any plan could, and does not depend on the order of the nodes."""
    nodes = [node(f"n{index}", *sorted(traits)) for index, traits in enumerate(has)]
    wishes = [wish(f"w{index}", *sorted(traits)) for index, traits in enumerate(wants)]
    found = plan(wishes, nodes)
    assert len(set(found.given.values())) == len(found.given) and len(found.given) + len(found.lacking) == len(wishes)
    assert all(set(w.traits) <= has[int(found.given[w.name][1:])] for w in wishes if w.name in found.given)

    def most(index: int, left: frozenset[int]) -> int:
        if index == len(wants):
            return 0
        best = most(index + 1, left)
        for number in left:
            if wants[index] <= has[number] and best < len(wants) - index:
                best = max(best, 1 + most(index + 1, left - {number}))
        return best

    if len(has) <= 4:
        assert len(found.given) == most(0, frozenset(range(len(has))))
    mixed = list(nodes)
    shuffle.shuffle(mixed)
    assert plan(wishes, mixed) == found


# ---- with Ironic


def test_allocate() -> None:
    api = Allocator(node("n1"), node("n2", "CUSTOM_GPU"), node("n3"))
    wishes = (wish("a"), wish("b", "CUSTOM_GPU"))
    assert allocate(api, *wishes) == {"a": "n1", "b": "n2"}
    assert api.records["b"]["candidate_nodes"] == ["id-n2"] and api.records["b"]["traits"] == ["CUSTOM_GPU"]
    api.requests.clear()
    assert allocate(api, *wishes) == {"a": "n1", "b": "n2"}
    assert api.requests == ["GET /v1/nodes/detail", "GET /v1/allocations"]


def test_taken_meanwhile() -> None:
    """Somebody takes the node between plan and decision: another plan, as long as there are nodes."""
    api = Allocator(node("n1"), node("n2"), node("n3"))
    api.before = [lambda: api.take("x", "id-n1"), lambda: api.take("y", "id-n2")]
    assert allocate(api, wish("a")) == {"a": "n3"}
    assert api.requests.count("DELETE /v1/allocations/a") == 2
    api = Allocator(node("n1"))
    api.before = [lambda: api.take("x", "id-n1")]
    with pytest.raises(BaremetalError, match=r"a \(metal\): no node is left; in use: n1"):
        allocate(api, wish("a"))


def test_same_name_meanwhile() -> None:
    """Two runs at once want the same: the one that comes second keeps what the first one got."""
    api = Allocator(node("n1"), node("n2"))
    real = api.request

    def other_first(request: Request) -> Answer:
        if request.method == "POST" and "a" not in api.records:
            api.take("a", "id-n2")
        return real(request)

    api.request = other_first  # type: ignore[method-assign]
    assert allocate(api, wish("a")) == {"a": "n2"}


def test_no_end() -> None:
    api = Allocator(*[node(f"n{number}") for number in range(9)])
    names = iter("uvwxyz")
    api.before = [
        (lambda number=number: api.take(next(names), f"id-n{number}"))
        for number in range(6)  # type: ignore[misc]
    ]
    with pytest.raises(BaremetalError, match="others took the nodes 5 times"):
        allocate(api, wish("a"))


def test_no_decision() -> None:
    api = Allocator(node("n1"))
    api.decides = False
    with pytest.raises(BaremetalError, match="Ironic has not decided on a for 9 s"):
        allocate(api, wish("a"), wait=9)
    api.decides = True
    assert allocate(api, wish("a")) == {"a": "n1"}  # an allocation that was under way already


def test_what_ironic_has_lost_is_asked_for_again() -> None:
    api = Allocator(node("n1"), node("n2"))
    api.lost = {"a"}
    assert allocate(api, wish("a"), wish("b")) == {"a": "n1", "b": "n2"}
    assert api.requests.count("DELETE /v1/allocations/a") == 1
    assert api.requests.count("POST /v1/allocations") == 3


def test_a_conductor_that_is_dead_withdraws_nothing() -> None:
    api = Allocator(node("n1"))
    api.decides, api.withdraws = False, False
    with pytest.raises(BaremetalError, match="Ironic has not decided on a for 60 s"):
        allocate(api, wish("a"))
    assert api.requests.count("DELETE /v1/allocations/a") == 1


def test_not_enough_changes_nothing() -> None:
    api = Allocator(node("n1"))
    api.records["b"] = {"name": "b", "uuid": "a-b", "state": "error", "node_uuid": None}
    with pytest.raises(BaremetalError) as caught:
        allocate(api, wish("a"), wish("b"))
    assert str(caught.value) == "b (metal): no node is left; for a: n1"
    assert api.requests == ["GET /v1/nodes/detail", "GET /v1/allocations"]


def test_refused() -> None:
    with pytest.raises(BaremetalError, match="allocation bad: no, not that one"):
        allocate(Allocator(node("n1")), wish("bad"))


def test_release() -> None:
    api = Allocator(node("n1"), node("n2"), node("n3"))
    allocate(api, wish("a"), wish("b"))
    api.records["lost"] = {"name": "lost", "uuid": "a-lost", "state": "error", "node_uuid": None}
    assert allocation.release(api, ["a", "lost", "never"], check=True) == {"a": "n1", "lost": ""}
    assert "a" in api.records
    assert allocation.release(api, ["a", "lost", "never"]) == {"a": "n1", "lost": ""}
    assert list(api.records) == ["b"] and allocation.release(api, ["a"]) == {}
    api.nodes["id-n2"]["provision_state"] = "active"
    with pytest.raises(BaremetalError, match="b has n2, which is active: undeploy it first"):
        allocation.release(api, ["a", "b"])
    api.nodes["id-n2"]["maintenance"] = True
    assert allocation.release(api, ["b"]) == {"b": "n2"}


# ---- what is asked for


def test_read_wishes() -> None:
    plain = [
        {
            "name": "a",
            "resource_class": "metal",
            "traits": ["CUSTOM_B", "CUSTOM_A"],
            "candidates": ["n1"],
            "site": "East",
        },
        {"name": "b", "resource_class": "metal", "traits": None},
    ]
    assert reading.read_wishes(plain) == [
        Wish("a", "metal", ("CUSTOM_A", "CUSTOM_B"), ("n1",), "east"), Wish("b", "metal"),
    ]  # fmt: skip
    with pytest.raises(BaremetalError) as caught:
        reading.read_wishes(
            [{"resource_class": "", "name": "x y"}, {"name": "b", "clas": 1}, {"name": "b", "site": "/"}]
        )
    assert str(caught.value).splitlines() == [
        "allocations[0].name: 'x y' is not possible here (letters, digits, . _ ~ and -)",
        "allocations[0].resource_class: is missing (the class of nodes to choose from)",
        "allocations[1].clas: unknown key (known: candidates, name, resource_class, site, traits)",
        "allocations[1].resource_class: is missing (the class of nodes to choose from)",
        "allocations[2].site: '/' is not possible here (letters, digits, _ . and -)",
        "allocations[2].resource_class: is missing (the class of nodes to choose from)",
        "allocations[2]: b is the name of allocations[1], too (remove one of them)",
    ]


def test_how_a_plan_is_told() -> None:
    plan = allocation.Plan(kept={"b": "n2"}, given={"a": "n1"}, capacity={"metal": 0, "small": 3})
    assert allocation.told(plan, allocation.Plan(kept={"b": "n2"})) == [
        "a: n1 (new)",
        "b: n2",
        "left: metal: 0, small: 3",
    ]
    assert allocation.told(plan, plan) == ["a: n1 (new)", "b: n2", "left: metal: 0, small: 3"]
    assert allocation.told(allocation.Plan(kept={"b": "n2"}), allocation.Plan(kept={"b": "n2"})) == [
        "b: n2",
        "left: nothing",
    ]
