# SPDX-License-Identifier: Apache-2.0
"""Two nodes whose addresses are swapped: every verb refuses, and nothing changes on either of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.cloud import Cloud

#: What differs after a change of a node by Ozone.
STATE = "cd / && cat /var/lib/ozone/node.json && find /var/lib/ozone /etc/ozone -printf '%p %T@ %l\\n' | sort"


def swap(definition: dict[str, Any]) -> None:
    """Each node has the address of the other one, and its host name is to change."""
    nodes = definition["nodes"]
    nodes["one"]["addresses"], nodes["two"]["addresses"] = nodes["two"]["addresses"], nodes["one"]["addresses"]
    definition["overrides"] = {"node": {"variables": {"node_sysctl": {"vm.swappiness": 7}}}}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Two nodes with nothing but the base system."""
    directory = tmp_path_factory.mktemp("pair")
    definition = yaml.safe_load((Path(__file__).parent / "cloud.yml").read_text(encoding="utf-8"))
    definition |= {
        "name": "pair",
        "traffic": {"management": "control"},
        "profiles": {"plain": {"services": ["node"]}},
        "nodes": {
            "one": {"profile": "plain", "addresses": {"control": "198.18.47.21"}},
            "two": {"profile": "plain", "addresses": {"control": "198.18.47.22"}},
        },
    }
    # The lab of the other tests of this directory may be there at the same time.
    subnet = {"cidr": "198.18.47.0/24", "host": "198.18.47.1", "pool": ["198.18.47.10", "198.18.47.99"]}
    definition["networks"] = {"control": {"subnets": {"main": subnet}}}
    source = directory / "source.yml"
    source.write_text(yaml.safe_dump(definition, sort_keys=False), encoding="utf-8")
    cloud = Cloud(source, directory)
    try:
        for verb in ("lab", "deploy"):
            assert cloud.run(verb).code == 0, f"{verb} failed"
        yield cloud
    finally:
        cloud.restore()
        cloud.down()


def test_swapped_nodes_are_refused_and_left_as_they_are(pair: Cloud) -> None:
    before = {node: pair.ssh(node, STATE) for node in ("one", "two")}
    assert '"node": "one"' in before["one"]
    pair.changed(swap)
    try:
        for verb, arguments in (
            ("plan", ()),
            ("deploy", ()),
            ("rollback", ("-e", "ozone_service=node")),
            ("scale_down", ("-e", "ozone_nodes=two", "-e", "ozone_confirm=true")),
            ("validate", ()),
        ):
            result = pair.run(verb, *arguments, limit=300)
            assert result.code != 0, verb
            text = " ".join(result.output.split())
            assert "says that it is one of the cloud pair, and was addressed as two" in text, verb
            assert "nothing was changed on it" in text
        # Each node by the address that it really has.
        assert {"two": pair.ssh("one", STATE), "one": pair.ssh("two", STATE)} == before
    finally:
        pair.restore()
    assert pair.run("deploy", limit=300).code == 0
    assert {node: pair.ssh(node, STATE) for node in ("one", "two")} == before, "nothing differs"
