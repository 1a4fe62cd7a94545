# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import catalogue
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import CloudError
from ansible_collections.ozone.openstack.plugins.module_utils.paths import COLLECTION


def changed(*path: Any, value: Any = None) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        for key in path[:-1]:
            data = data.setdefault(key, {})
        data[path[-1]] = value

    return change


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "unknown key": (
        changed("web", "requirse", value=[]),
        "requirse: unknown key (did you mean requires?)",
    ),
    "unknown service": (changed("web", "requires", value=["dbx"]), "requires[0]: unknown service dbx"),
    "unknown component": (
        changed("web", "requires_on_node", "agent", value=["net.locl"]),
        "requires_on_node.agent[0]: net has no component locl (did you mean local?)",
    ),
    "after": (changed("web", "after", value=["stor"]), "after[0]: unknown service stor (did you mean store?)"),
    "one of": (changed("web", "one_of", value=[["store", "stor"]]), "one_of[0][1]: unknown service stor"),
    "own component": (
        changed("web", "requires_on_node", "agnt", value=["base"]),
        "requires_on_node.agnt: no component agnt (did you mean agent?)",
    ),
    "container": (changed("web", "containers", "web_x", value="apix"), "containers.web_x: no component apix"),
    "no image": (changed("web", "image", value=""), "containers: containers without an image"),
    "config": (
        changed("web", "config", "web.conf", value=["web_apy"]),
        'config."web.conf"[0]: no container web_apy (did you mean web_api?)',
    ),
    "front end": (
        changed("web", "front_ends", "web", "component", value="apx"),
        "front_ends.web.component: no component apx",
    ),
    "check of tcp": (
        changed("db", "front_ends", "db", "check", value="/"),
        "front_ends.db.check: only HTTP front ends have the path of a check",
    ),
    "identity": (
        changed("web", "identity", "services", "web", "front_end", value="wb"),
        "identity.services.web.front_end: no front end wb",
    ),
    "secret": (
        changed("web", "secrets", value={}),
        "secrets: the secret web_database_password is missing (databases needs it",
    ),
    "port": (changed("db", "front_ends", "db", "port", value=80), "the port 80 belongs to db already"),
    "front end twice": (
        changed("db", "front_ends", "web", value={"port": 1, "backend_port": 2, "component": "main", "mode": "tcp"}),
        "the service db has a front end of this name",
    ),
    "database": (changed("db", "databases", value=["web"]), "the database web belongs to db already"),
    "kind of traffic": (
        changed("db", "traffic", value=["databse"]),
        "traffic[0]: 'databse' is not one of the choices (did you mean database?)",
    ),
    "cycle": (changed("base", "requires", value=["web"]), "services wait for each other to start: base -> web -> base"),
    "name": (changed("db", "name", value="data"), "name: the role is called db (write name: db)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(lab: Any, services: dict[str, Any], case: str) -> None:
    change, wanted = REFUSED[case]
    change(services)
    lab.write_services(services)
    with pytest.raises(CloudError) as caught:
        catalogue.load([lab.roles])
    assert wanted in str(caught.value)


def test_no_value_anywhere_makes_a_traceback(lab: Any, services: dict[str, Any], tmp_path: Path) -> None:
    """Every value of a declaration replaced by every kind of nonsense: never a crash."""
    web = {"name": "web", **services["web"]}
    others = [lab.roles / name for name in services if name != "web"]
    loaded, _none = catalogue.load_services(others)
    file = lab.roles / "web" / "meta" / "service.yml"
    refused = 0
    places: list[tuple[str, Any]] = [(key, None) for key in web]
    places += [(key, inner) for key, value in web.items() if isinstance(value, dict) for inner in value]
    for key, inner in places:
        for value in (None, 3, "x", [], {}, [3], {"x": None}):
            data = copy.deepcopy(web)
            (data if inner is None else data[key])[key if inner is None else inner] = value
            file.write_text(yaml.safe_dump(data))
            made, problems = catalogue.load_services([file.parent.parent])
            problems += catalogue.check(catalogue.Catalogue({**loaded, **made}))
            refused += bool(problems)
    assert refused > 100


def test_roles_without_declaration_are_left_out(lab: Any, services: dict[str, Any]) -> None:
    (lab.roles / "service" / "tasks").mkdir(parents=True)
    assert sorted(catalogue.load([lab.roles]).services) == sorted(services)


def test_same_service_twice(lab: Any, services: dict[str, Any]) -> None:
    lab.write_services({"web": services["web"]}, lab.directory / "other")
    with pytest.raises(CloudError, match=r"a service web is in .* already"):
        catalogue.load([lab.roles, lab.directory / "other"])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: [", "not valid YAML"),
        ("{}", "no argument_specs"),
        ("[]", "no argument_specs"),
    ],
)
def test_unreadable_argument_specs(lab: Any, text: str, wanted: str) -> None:
    (lab.roles / "db" / "meta" / "argument_specs.yaml").write_text(text)
    with pytest.raises(CloudError, match=wanted):
        catalogue.load([lab.roles])


def test_variables(lab: Any) -> None:
    known = catalogue.load([lab.roles]).services
    assert known["web"].variables is not None
    assert sorted(known["web"].variables) == [
        "web_flag",
        "web_items",
        "web_map",
        "web_mode",
        "web_names",
        "web_workers",
    ]
    assert known["db"].variables is None
    (lab.roles / "db" / "meta" / "argument_specs.yml").write_text(
        "argument_specs: {main: {options: {x: {}}}, deploy: }\n"
    )
    assert catalogue.load([lab.roles]).services["db"].variables == {"x": {}}


def test_placement(lab: Any) -> None:
    known = catalogue.load([lab.roles]).services
    assert known["db"].components == {"main": catalogue.Placement(1, 3, True, True)}
    assert known["base"].components == {"main": catalogue.Placement()}


def test_start_order(lab: Any) -> None:
    known = catalogue.load([lab.roles])
    assert known.start_order(["web", "store", "net", "haproxy", "db", "base"]) == [
        "base",
        "db",
        "haproxy",
        "net",
        "store",
        "web",
    ]
    assert known.start_order(["web", "base"]) == ["base", "web"]
    assert known.start_order([]) == []


GRAPH = st.dictionaries(st.integers(0, 12), st.sets(st.integers(0, 12), max_size=4), max_size=12)


@given(GRAPH, st.randoms())
@settings(max_examples=100, deadline=None)
def test_start_order_is_topological_and_independent_of_the_order_of_names(
    graph: dict[int, set[int]], random: Any
) -> None:
    from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import Document

    services = {
        f"s{one:02}": catalogue.Service(
            f"s{one:02}",
            Path("x"),
            {"requires": [f"s{other:02}" for other in others if other < one]},
            Document("f", None),
        )
        for one, others in graph.items()
    }
    known = catalogue.Catalogue(services)
    names = list(services)
    order = known.start_order(names)
    assert sorted(order) == sorted(names)
    for name in names:
        for earlier in services[name].earlier:
            if earlier in services:
                assert order.index(earlier) < order.index(name)
    random.shuffle(names)
    assert known.start_order(names) == order


def test_the_collection_itself() -> None:
    """The declarations of the collection's own roles are without mistakes."""
    known = catalogue.load([COLLECTION / "roles"])
    order = known.start_order(known.services)
    assert order[0] == "node"
    assert order.index("mariadb") < order.index("keystone") < order.index("glance") < order.index("nova")
