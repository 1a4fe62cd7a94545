# SPDX-License-Identifier: Apache-2.0
"""What inspection found, against what was expected and declared."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import declare, inventory
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Expected

GIB = 1 << 30
FOUND: dict[str, Any] = {
    "cpu": {"count": 16, "architecture": "x86_64"},
    "memory": {"total": 67000000000, "physical_mb": 65536},
    "disks": [
        {"name": "/dev/sda", "size": 480103981056, "model": "SAMSUNG", "serial": "S1"},
        {"name": "/dev/sdb", "size": 2000 * GIB, "model": "SEAGATE", "serial": "S2"},
    ],
    "interfaces": [
        {"name": "eno1", "mac_address": "52:54:00:00:00:0A", "has_carrier": True},
        {"name": "eno2", "mac_address": "52:54:00:00:00:0b", "has_carrier": False},
        {"name": "ib0", "mac_address": None},
    ],
    "boot": {"current_boot_mode": "uefi"},
    "bmc_address": "198.51.100.9",
    "bmc_v6address": "::/0",
}


def differences(expected: dict[str, Any] | None, declared: dict[str, Any] | None, **changed: Any) -> list[str]:
    return inventory.differences(
        None if expected is None else Expected(**expected),
        None if declared is None else declare.read("bm1", declared),
        {**FOUND, **changed},
    )


def test_as_ordered() -> None:
    expected = {"cpus": 16, "memory_mb": 65536, "cpu_arch": "x86_64", "disks": [{"serial": "S1"}, {"size": ">= 2000"}],
                "macs": ["52:54:00:00:00:0a"]}  # fmt: skip
    declared = {
        "driver_info": {"redfish_address": "https://198.51.100.9:8443"},
        "ports": [{"address": "52:54:00:00:00:0a"}, {"address": "52:54:00:00:00:0b"}],
        "properties": {"capabilities": "boot_mode:uefi"},
    }
    assert differences(expected, declared) == []
    assert differences(None, None) == [] and differences({}, {}) == []
    assert inventory.differences(None, None, None) == []
    assert inventory.differences(Expected(), None, None) == [
        "nobody has looked into it yet: inspect it first (target: inspected)"
    ]
    # What the inventory does not tell is no difference.
    assert inventory.differences(Expected(cpus=4, memory_mb=4, macs=["52:54:00:00:00:0c"]), None, {}) == []
    assert inventory.differences(None, declare.read("bm1", declared), {"cpu": None}) == []


def test_hardware() -> None:
    found = differences(
        {"cpus": 32, "memory_mb": 131072, "cpu_arch": "aarch64", "macs": ["52:54:00:00:00:0F", "52:54:00:00:00:0b"]},
        None,
    )
    assert found == [
        "it has 16 CPUs, and 32 are expected",
        "its CPUs are x86_64, and aarch64 is expected",
        "it has 65536 MiB of memory, and 131072 are expected",
        "the expected NIC 52:54:00:00:00:0f is not there",
    ]


@pytest.mark.parametrize(
    ("memory", "wanted", "fine"),
    [
        ({"physical_mb": 4096}, 4096, True),
        ({"physical_mb": 4000}, 4096, False),
        ({"physical_mb": 8192}, 4096, False),
        ({"total": 3950 << 20}, 4096, True),
        ({"total": 3500 << 20}, 4096, False),
        ({"total": 4200 << 20, "physical_mb": None}, 4096, False),
        ({"total": None}, 4096, True),
        (None, 4096, True),
    ],
)
def test_memory(memory: Any, wanted: int, fine: bool) -> None:
    assert (differences({"memory_mb": wanted}, None, memory=memory) == []) is fine


def test_disks() -> None:
    found = differences(
        {"disks": [{"serial": "S9"}, {"size": ">= 1"}, {"serial": "S1"}, {"model": "samsung"}, {"seriel": "x"}]}, None
    )
    assert found == [
        "the expected disk 1 (serial: S9) is not there",
        "the expected disk 2 (size: >= 1) could be any of /dev/sda, /dev/sdb",
        "the expected disk 4 (model: samsung) is the same as the disk 3",
        "the expected disk 5 (seriel: x) cannot be looked for: seriel: unknown hint (did you mean serial?)",
        "its disks: /dev/sda, 447.1 GiB, SAMSUNG, serial S1; /dev/sdb, 2000.0 GiB, SEAGATE, serial S2",
    ]
    assert differences({"disks": [{"serial": "S9"}]}, None, disks=None)[-1] == "its disks: none"


def test_ports() -> None:
    assert differences(None, {"ports": [{"address": "52:54:00:00:00:0c"}]}) == [
        "the port 52:54:00:00:00:0c is declared, and there is no such NIC",
        "eno1 (52:54:00:00:00:0a, with a link) is there, and no port of that address is declared",
        "eno2 (52:54:00:00:00:0b, without a link) is there, and no port of that address is declared",
    ]
    assert differences(None, {"ports": []}, interfaces=[{"mac_address": "52:54:00:00:00:0d"}]) == [
        "a NIC (52:54:00:00:00:0d) is there, and no port of that address is declared"
    ]
    assert differences(None, {"driver": "redfish"}) == []


def test_boot_mode() -> None:
    bios = {"properties": {"capabilities": {"boot_mode": "bios"}}}
    assert differences(None, bios) == ["it booted in mode uefi, and boot_mode:bios is declared"]
    assert differences(None, bios, boot={}) == []


@pytest.mark.parametrize(
    ("info", "changed", "says"),
    [
        ({"redfish_address": "https://198.51.100.7"}, {}, "its BMC says that it is 198.51.100.9, and 198.51.100.7"),
        ({"ipmi_address": "198.51.100.7"}, {}, "is this the right machine?"),
        ({"redfish_address": "https://[2001:db8::1]"}, {"bmc_v6address": "2001:db8::2"}, "it is 2001:db8::2"),
        ({"redfish_address": "https://[2001:db8::1]"}, {}, ""),
        ({"redfish_address": "https://bmc1.example"}, {}, ""),
        ({"redfish_address": "https://198.51.100.7"}, {"bmc_address": None}, ""),
        ({"redfish_address": "https://198.51.100.7"}, {"bmc_address": "0.0.0.0"}, ""),
        ({}, {}, ""),
    ],
)
def test_bmc(info: dict[str, Any], changed: dict[str, Any], says: str) -> None:
    found = differences(None, {"driver_info": info}, **changed)
    assert says in "".join(found) and bool(says) == bool(found)
