# SPDX-License-Identifier: Apache-2.0
"""Nodes of a fleet in plain data: what is read, and every mistake at once."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    BaremetalError,
    Expected,
    Image,
    Instance,
    Wanted,
)
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.wanted import read

IMAGE = {"source": "https://198.18.32.2/x.raw", "checksum": "A" * 64}


def test_a_whole_node() -> None:
    [node] = read(
        [
            {
                "name": "bm1",
                "node": {"driver": "redfish", "driver_info": {"redfish_address": "https://198.51.100.1"}},
                "instance": {
                    "image": IMAGE,
                    "config_drive": {"meta_data": {"name": "bm1"}, "user_data": None},
                    "root_device": {"serial": "S0"},
                    "preserve": [{"wwn": "0x1"}],
                    "capabilities": {"boot_mode": "uefi"},
                    "traits": ["CUSTOM_X"],
                },
                "expected": {"cpus": 4, "memory_mb": 1024, "cpu_arch": "x86_64", "disks": [{"size": ">= 10"}],
                             "macs": ["52:54:00:AB:CD:EF"]},
            }
        ]
    )  # fmt: skip
    assert node.name == "bm1"
    assert node.declared is not None
    assert node.declared.driver == "redfish"
    assert node.instance == Instance(
        Image(IMAGE["source"], "a" * 64),
        {"meta_data": {"name": "bm1"}},
        {"serial": "S0"},
        ({"wwn": "0x1"},),
        {"boot_mode": "uefi"},
        ("CUSTOM_X",),
    )
    assert node.expected == Expected(4, 1024, "x86_64", ({"size": ">= 10"},), ("52:54:00:ab:cd:ef",))


def test_a_name_is_enough() -> None:
    assert read([{"name": "bm1"}, {"name": "bm2", "expected": {}, "node": None}]) == [Wanted("bm1"), Wanted("bm2")]
    assert read([{"name": "bm1", "expected": {"macs": [], "cpus": None}}]) == [Wanted("bm1")]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("bm1", "nodes[0]"),
        ({}, "nodes[0]: the key name is missing"),
        ({"name": 5}, "nodes[0]: the key name is missing"),
        ({"name": "bm1", "nod": {}}, "unknown key"),
        ({"name": "bm1", "node": 5}, "bm1.node"),
        ({"name": "bm1", "node": {"drivr": "x"}}, "drivr"),
        ({"name": "bm1", "instance": {}}, "bm1.instance: the key image is missing"),
        ({"name": "bm1", "instance": 5}, "bm1.instance"),
        ({"name": "bm1", "instance": {"image": {"source": "x"}}}, "the key checksum is missing"),
        ({"name": "bm1", "instance": {"image": {"checksum": "a" * 64}}}, "the key source is missing"),
        ({"name": "bm1", "instance": {"image": {**IMAGE, "source": 5}}}, "bm1.instance.image.source"),
        ({"name": "bm1", "instance": {"image": {**IMAGE, "algorithm": "md5"}}}, "use sha256 or sha512"),
        ({"name": "bm1", "instance": {"image": {**IMAGE, "algorithm": "sha512"}}}, "is no sha512"),
        ({"name": "bm1", "instance": {"image": {**IMAGE, "checksum": "x" * 64}}}, "is no sha256"),
        ({"name": "bm1", "instance": {"image": {**IMAGE, "disk_format": "iso"}}}, "use raw or qcow2"),
        ({"name": "bm1", "instance": {"image": IMAGE, "config_drive": {"metadata": {}}}}, "metadata"),
        ({"name": "bm1", "instance": {"image": IMAGE, "root_device": {"seriel": "x"}}}, "seriel"),
        ({"name": "bm1", "instance": {"image": IMAGE, "preserve": [5]}}, "bm1.instance.preserve[0]"),
        ({"name": "bm1", "instance": {"image": IMAGE, "traits": [5]}}, "bm1.instance.traits[0]"),
        ({"name": "bm1", "expected": {"cpus": 0}}, "bm1.expected.cpus: must be a number above 0"),
        ({"name": "bm1", "expected": {"memory_mb": True}}, "bm1.expected.memory_mb"),
        ({"name": "bm1", "expected": {"cpu_arch": 5}}, "bm1.expected.cpu_arch"),
        ({"name": "bm1", "expected": {"disks": [{}]}}, "bm1.expected.disks[0]"),
        ({"name": "bm1", "expected": {"macs": ["x"]}}, "bm1.expected.macs[0]"),
    ],
)
def test_mistakes(node: Any, words: str) -> None:
    with pytest.raises(BaremetalError) as caught:
        read([node])
    assert words in str(caught.value)


def test_all_mistakes_at_once() -> None:
    with pytest.raises(BaremetalError) as caught:
        read([{"name": "bm1", "x": 1}, {"name": "bm1"}, {"name": "bm3", "expected": {"cpus": -1}}])
    text = str(caught.value)
    assert "bm1 was named before" in text
    assert "bm3.expected.cpus" in text
    assert len(text.splitlines()) == 3
