# SPDX-License-Identifier: Apache-2.0
"""``baremetal_node`` against a real Ironic: every field, a second run, what Ironic refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fleet.inside import run
from tests.fleet.play import play
from tests.lab.ironic_fake import DRIVER, Ironic

NAME = "bm1"
PORTS = [
    {"address": "52:54:00:00:00:0A", "pxe_enabled": False, "portgroup": "bond0"},
    {
        "address": "52:54:00:00:00:0b",
        "local_link_connection": {"port_id": "e1", "switch_id": "AA:BB:CC:00:00:01", "switch_info": "leaf1"},
        "physical_network": "physnet1",
    },
]
FULL: dict[str, Any] = {
    "driver": DRIVER,
    "driver_info": {"address": "198.51.100.9", "fake_password": "hunter2hunter2", "verify": True, "n": {"a": [1]}},
    "resource_class": "compute",
    "traits": ["CUSTOM_SSD", "HW_CPU_X86_VMX"],
    "owner": "someone",
    "lessee": "tenant",
    "shard": "s1",
    "description": "the first",
    "properties": {"root_device": {"serial": "S1"}, "capabilities": {"boot_mode": "uefi"}, "memory_mb": 4096},
    "extra": {"rack": "r1", "a/b~c": 1},
    "network_data": {
        "links": [{"id": "l", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:0b"}],
        "networks": [
            {"id": "n", "network_id": "n", "link": "l", "type": "ipv4", "ip_address": "198.18.32.5",
             "netmask": "255.255.255.0", "routes": []},
        ],
        "services": [],
    },
    "automated_clean": False,
    "retired": False,
    "ports": PORTS,
    "portgroups": [
        {"name": "bond0", "mode": "802.3ad", "properties": {"miimon": 100}, "standalone_ports_supported": False}
    ],
}  # fmt: skip


def node(there: Ironic, check: bool = False, name: str = NAME, **options: Any) -> dict[str, Any]:
    """One run of the module."""
    return run(there, "baremetal_node", check=check, name=name, **options)


def unchanged(there: Ironic, **options: Any) -> None:
    """A second run changes nothing, and asks for nothing but to look."""
    before = len(there.requests())
    found = node(there, **options)
    assert not found.get("failed") and not found["changed"] and found["summary"] == [], found
    assert {line.split()[0] for line in there.requests()[before:]} == {"GET"}


def test_all_fields(ironic: Ironic) -> None:
    shown = node(ironic, check=True, **FULL)
    assert shown["changed"] and ironic.nodes() == {}
    made = node(ironic, **FULL)
    assert made["changed"] and made["summary"] == shown["summary"], made
    unchanged(ironic, **FULL)
    found = ironic.nodes()[NAME]
    assert found["properties"]["capabilities"] == "boot_mode:uefi" and found["owner"] == "someone"
    assert found["traits"] == ["CUSTOM_SSD", "HW_CPU_X86_VMX"] and found["network_data"] == FULL["network_data"]
    assert "hunter" not in str(found)
    (group,) = ironic.get("/v1/portgroups/detail")["portgroups"]
    assert group["name"] == "bm1-bond0" and group["mode"] == "802.3ad" and not group["standalone_ports_supported"]
    ports = {port["address"]: port for port in ironic.get("/v1/ports/detail")["ports"]}
    assert ports["52:54:00:00:00:0a"]["portgroup_uuid"] == group["uuid"]
    changed = {
        "driver_info": {"address": "198.51.100.8", "fake_password": "hunter3hunter3", "verify": None, "n": {"a": []}},
        "interfaces": {"network": "noop"},
        "resource_class": "storage",
        "traits": [],
        "owner": "",
        "lessee": "",
        "shard": "",
        "description": "",
        "conductor_group": "",
        "properties": {"root_device": {"serial": "S2"}, "capabilities": {"boot_mode": "bios"}, "memory_mb": None},
        "extra": {"rack": None, "a/b~c": 2},
        "network_data": {},
        "automated_clean": True,
        "retired": True,
        "retired_reason": "old",
        "ports": [
            {"address": "52:54:00:00:00:0a", "pxe_enabled": True, "portgroup": "", "physical_network": "physnet2"},
            {"address": "52:54:00:00:00:0b", "local_link_connection": {}, "physical_network": ""},
            {"address": "52:54:00:00:00:0c", "portgroup": "bond1"},
        ],
        "portgroups": [{"name": "bond1", "address": "52:54:00:00:00:0c", "mode": "1"}],
    }
    found = node(ironic, **changed)
    assert not found.get("failed"), found
    assert "driver_info.fake_password: sent" in found["summary"]
    unchanged(ironic, **changed)
    assert ironic.nodes()[NAME]["retired_reason"] == "old" and ironic.nodes()[NAME]["owner"] is None
    assert len(ironic.get("/v1/ports")["ports"]) == 3
    found = node(ironic, retired=False, ports=[], portgroups=[])
    assert found["changed"] and ironic.get("/v1/ports")["ports"] == []
    assert not ironic.nodes()[NAME]["retired_reason"]
    unchanged(ironic, retired=False, ports=[], portgroups=[])


def test_secrets(ironic: Ironic) -> None:
    info: dict[str, Any] = {"driver_info": {"fake_password": "hunter2hunter2"}}
    node(ironic, driver=DRIVER, **info)
    unchanged(ironic, **info)
    assert node(ironic, update_secrets="always", **info)["changed"]
    info["driver_info"]["fake_password"] = "hunter4hunter4"
    assert not node(ironic, update_secrets="on_create", **info)["changed"]
    assert node(ironic, check=True, **info)["summary"] == ["driver_info.fake_password: sent"]
    assert node(ironic, **info)["summary"] == ["driver_info.fake_password: sent"]
    unchanged(ironic, **info)
    assert node(ironic, driver_info={"fake_password": None})["summary"] == ["driver_info.fake_password: removed"]
    unchanged(ironic, driver_info={"fake_password": None})


def deployed(there: Ironic) -> None:
    """Take the node to active, past all modules."""
    for verb, state in (("manage", "manageable"), ("provide", "available"), ("active", "active")):
        if verb == "active":
            info = {"image_source": "http://198.18.32.1/x.raw", "image_os_hash_algo": "sha256",
                    "image_os_hash_value": "0" * 64, "image_disk_format": "raw"}  # fmt: skip
            there.request("PATCH", f"/v1/nodes/{NAME}", [{"op": "add", "path": "/instance_info", "value": info}])
        there.request("PUT", f"/v1/nodes/{NAME}/states/provision", {"target": verb})
        there.wait(NAME, state)


def test_states(ironic: Ironic) -> None:
    """What we refuse, Ironic would have refused; what we let pass, it takes."""
    plain = {"driver": DRIVER, "resource_class": "compute", "ports": [{"address": "52:54:00:00:00:0a"}]}
    found = node(ironic, protected=True, **plain)
    assert found["notes"] == ["protected is set once the node is active; it is enroll"]
    deployed(ironic)
    before = len(ironic.requests())
    refused = {
        "resource_class": "other",
        "interfaces": {"rescue": "no-rescue"},
        "ports": [{"address": "52:54:00:00:00:0a", "pxe_enabled": False}],
    }
    msg = node(ironic, **refused)["msg"]
    assert msg.splitlines() == [
        "bm1: rescue_interface: cannot change in state active (take the node to one of: available, enroll, manageable, "
        "or set maintenance)",
        "bm1: resource_class: cannot change in state active (take the node to one of: available, enroll, manageable)",
        "bm1: port 52:54:00:00:00:0a (pxe_enabled): cannot change in state active (take the node to one of: enroll, "
        "manageable, or set maintenance)",
    ]
    assert {line.split()[0] for line in ironic.requests()[before:]} == {"GET"}
    path = f"/v1/nodes/{ironic.nodes()[NAME]['uuid']}"
    with pytest.raises(Exception, match="resource_class"):
        ironic.request("PATCH", path, [{"op": "replace", "path": "/resource_class", "value": "other"}])
    with pytest.raises(Exception, match="rescue_interface"):
        ironic.request("PATCH", path, [{"op": "replace", "path": "/rescue_interface", "value": "no-rescue"}])
    fine = {"description": "x", "traits": ["CUSTOM_X"], "network_data": {}, "owner": "me", "extra": {"a": 1},
            "driver_info": {"address": "x"}, "properties": {"cpus": 4}, "protected": True, "protected_reason": "mine",
            "ports": [{"address": "52:54:00:00:00:0a"}, {"address": "52:54:00:00:00:0b"}]}  # fmt: skip
    found = node(ironic, **fine)
    assert not found.get("failed") and found["notes"] == [], found
    unchanged(ironic, **fine)
    assert "is protected (declare protected: false)" in node(ironic, state="absent")["msg"]
    node(ironic, protected=False)
    assert "cannot be removed in state active" in node(ironic, state="absent")["msg"]


def test_in_maintenance(ironic: Ironic) -> None:
    node(ironic, driver=DRIVER, ports=[{"address": "52:54:00:00:00:0a"}])
    deployed(ironic)
    ironic.request("PUT", f"/v1/nodes/{NAME}/maintenance", {"reason": "a test"})
    changed = {"ports": [{"address": "52:54:00:00:00:0a", "pxe_enabled": False}]}
    found = node(ironic, **changed)
    assert found["changed"] and not found.get("failed"), found
    unchanged(ironic, **changed)


def test_removal_and_strangers(ironic: Ironic) -> None:
    port = {"address": "52:54:00:00:00:0a"}
    node(ironic, driver=DRIVER, ports=[port])
    msg = node(ironic, name="bm2", driver=DRIVER, ports=[port])["msg"]
    assert msg.startswith("bm2: port 52:54:00:00:00:0a: belongs to the node ") and list(ironic.nodes()) == [NAME]
    assert node(ironic, check=True, state="absent")["changed"] and list(ironic.nodes()) == [NAME]
    assert node(ironic, state="absent")["summary"] == ["removed"] and ironic.nodes() == {}
    assert not node(ironic, state="absent")["changed"]
    assert node(ironic, name="bm2", driver=DRIVER, ports=[port])["changed"]


def test_mistakes(ironic: Ironic) -> None:
    assert "did you mean address?" in node(ironic, driver=DRIVER, ports=[{"adress": "x"}])["msg"]
    assert "it has no driver" in node(ironic, description="x")["msg"]
    msg = node(ironic, driver="nonsense")["msg"]
    assert msg.startswith("node bm1: Ironic refused: ") and "nonsense" in msg
    found = node(ironic, driver=DRIVER, traits=["CUSTOM_A"], target_raid_config={"logical_disks": [{"size_gb": "x"}]})
    assert "RAID of bm1: Ironic refused" in found["msg"] and "before it: node bm1, traits of bm1" in found["msg"]
    unchanged(ironic, traits=["CUSTOM_A"])


def test_playbook(ironic: Ironic) -> None:
    """Once as an operator does it: Ansible checks the options, and shows no secret."""
    options = {"name": NAME, **FULL}
    shown = play(ironic, "baremetal_node", options, check=True)
    made = play(ironic, "baremetal_node", options)
    again = play(ironic, "baremetal_node", options)
    assert shown.changed and made.changed and not again.changed
    assert shown.returned["diff"][0]["after"]["driver_info"]["fake_password"] == "******"
    refused = play(ironic, "baremetal_node", {**options, "portgroups": []})
    assert refused.failed and "Traceback" not in refused.output
    assert not [found for found in (shown, made, again, refused) if "hunter" in found.output]


def test_info(ironic: Ironic) -> None:
    node(ironic, **FULL)
    node(ironic, name="bm0", driver=DRIVER)
    found = play(ironic, "baremetal_node_info", {"inventory": True}).returned["nodes"]
    assert [entry["name"] for entry in found] == ["bm0", "bm1"]
    assert len(found[1]["ports"]) == 2 and len(found[1]["portgroups"]) == 1 and found[1]["inventory"] is None
    assert found[1]["driver_info"]["fake_password"] == "******"
    found = play(ironic, "baremetal_node_info", {"names": ["bm0", "nobody"]}).returned["nodes"]
    assert [entry["name"] for entry in found] == ["bm0"] and "inventory" not in found[0]
