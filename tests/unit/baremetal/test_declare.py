# SPDX-License-Identifier: Apache-2.0
"""What is declared of a node, against what Ironic has."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import Records

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import declare
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    Answer,
    BaremetalError,
    Declared,
    Request,
)

KEY = declare.secret_key("the password of Ironic")
FULL: dict[str, Any] = {
    "driver": "redfish",
    "driver_info": {
        "redfish_address": "https://198.51.100.9",
        "redfish_username": "admin",
        "redfish_password": "hunter2hunter2",
        "redfish_verify_ca": True,
    },
    "interfaces": {"boot": "redfish-virtual-media", "raid_interface": "agent"},
    "resource_class": "compute",
    "traits": ["CUSTOM_SSD", "CUSTOM_GPU", "CUSTOM_SSD"],
    "conductor_group": "Site1",
    "owner": "someone",
    "lessee": "tenant",
    "shard": "s1",
    "description": "the first",
    "properties": {"root_device": {"serial": "S1"}, "capabilities": {"boot_mode": "uefi"}, "memory_mb": 4096},
    "extra": {"rack": "r1", "a/b~c": 1},
    "network_data": {"links": [], "networks": [{"id": "n", "network_id": "n"}], "services": []},
    "automated_clean": False,
    "retired": False,
    "ports": [
        {"address": "52-54-00-00-00-0A", "pxe_enabled": False, "portgroup": "bond0", "physical_network": "p"},
        {"address": "52:54:00:00:00:0b", "local_link_connection": {"port_id": "e1", "switch_id": "AA:BB:CC:00:00:01"}},
    ],
    "portgroups": [
        {"name": "bond0", "mode": "802.3ad", "properties": {"miimon": 100}, "standalone_ports_supported": False}
    ],
    "target_raid_config": {"logical_disks": []},
}


def ids(prefix: str = "id") -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"{prefix}-{next(numbers)}"


def compare(records: Records, declared: Declared, **options: Any) -> declare.Changes:
    options.setdefault("key", KEY)
    found = records.node(declared.name)
    return declare.changes(declared, found, records.list("ports"), records.list("portgroups"), **options)


def enrolled(**changed: Any) -> Records:
    """A node with all of FULL, as Ironic has it after enrolment; ``changed``: fields of the node."""
    records = Records()
    records.apply(compare(records, declare.read("bm1", FULL), new_id=ids()).requests)
    records.raw("bm1").update(changed)
    return records


def declared(**plain: Any) -> Declared:
    return declare.read("bm1", plain)


def shown(changes: declare.Changes) -> str:
    return json.dumps([changes.summary, changes.diff, changes.notes, [request.shown for request in changes.requests]])


# ---- reading


def test_read() -> None:
    found = declare.read("bm1", FULL)
    assert found.traits == ("CUSTOM_GPU", "CUSTOM_SSD")
    assert found.ports and [port.address for port in found.ports] == ["52:54:00:00:00:0a", "52:54:00:00:00:0b"]
    assert found.ports[1].local_link_connection == {"port_id": "e1", "switch_id": "aa:bb:cc:00:00:01"}
    assert found.interfaces == {"boot": "redfish-virtual-media", "raid": "agent"}
    assert "hunter2" not in repr(found)
    assert declare.read("bm1", {"driver": None, "ports": None}) == Declared("bm1")
    empty = declare.read("bm1", {"ports": [], "traits": [], "network_data": {}, "interfaces": {"boot": None}})
    assert (empty.ports, empty.traits, empty.network_data, empty.interfaces) == ((), (), {}, {})


def test_all_mistakes_at_once() -> None:
    with pytest.raises(BaremetalError) as caught:
        declare.read(
            "bm1",
            {
                "drivr": "redfish",
                "driver": 7,
                "driver_info": {"redfish_password": "******", 5: "x", "a/b": 1},
                "interfaces": {"boots": "x", "raid": 5},
                "resource_class": "x" * 81,
                "traits": ["custom_x", 5],
                "conductor_group": "a b",
                "properties": {"root_device": {"seriel": "x"}, "skip_block_devices": [{}, {"volume_name": "v"}],
                               "capabilities": 5},
                "extra": {"ozone_secrets": {}},
                "network_data": {"links": [], "networks": [{"id": "x"}]},
                "automated_clean": "perhaps",
                "retired": False, "retired_reason": "old",
                "ports": [{"address": "x"}, {"pxe_enabled": True},
                          {"address": "52:54:00:00:00:01", "portgroup": "bondo"},
                          {"address": "52:54:00:00:00:01", "portgroup": "bond0", "pxe_enabled": True,
                           "local_link_connection": {"port_id": 5, "swich_id": "x"}}],
                "portgroups": [{"name": "bond0", "mode": "round", "standalone_ports_supported": False},
                               {"mode": 5}, {"name": "bond0"}],
            },
        )  # fmt: skip
    assert str(caught.value).splitlines() == [
        "bm1.drivr: unknown key (did you mean driver?)",
        "bm1.driver: must be a text, not a number (put it in quotes: \"7\")",
        "bm1.driver_info: has the key 5, which is no text (put it in quotes)",
        "bm1.driver_info.redfish_password: is how Ironic shows a secret, and not the secret (give it, or leave it out)",
        "bm1.driver_info.'a/b': Ironic could not change that key (use letters, digits, _ and -)",
        "bm1.interfaces.boots: unknown interface (did you mean boot?)",
        "bm1.interfaces.raid: must be a text, not a number (put it in quotes: \"5\")",
        "bm1.resource_class: has 81 characters (Ironic takes 80)",
        "bm1.traits[0]: 'custom_x' is no trait (CUSTOM_ and upper case, as CUSTOM_GPU)",
        "bm1.traits[1]: must be a text, not a number (put it in quotes: \"5\")",
        "bm1.conductor_group: 'a b' is not possible here (letters, digits, _ . and -)",
        "bm1.properties.root_device: seriel: unknown hint (did you mean serial?)",
        "bm1.properties.skip_block_devices[0]: must be a mapping of hints, as serial: ABC123",
        "bm1.properties.capabilities: must be a mapping, not a number (as boot_mode: uefi)",
        "bm1.extra.ozone_secrets: is written by Ozone itself (use another key)",
        "bm1.network_data: the key services is missing (an empty list, when there are none)",
        "bm1.network_data.networks[0]: the key network_id is missing (any text, as its name)",
        "bm1.automated_clean: 'perhaps' is no truth value (write true or false)",
        "bm1.ports[0].address: 'x' is not the MAC address of a card (like 52:54:00:12:34:56, first byte even)",
        "bm1.ports[1]: the key address is missing (every one needs it)",
        "bm1.ports[3].local_link_connection.port_id: must be a text, not a number (put it in quotes: \"5\")",
        "bm1.ports[3].local_link_connection.swich_id: unknown key (did you mean switch_id?)",
        "bm1.ports[3].local_link_connection: needs port_id and switch_id (or network_type: unmanaged)",
        "bm1.ports[3]: 52:54:00:00:00:01 is the address of bm1.ports[2], too (remove one of them)",
        "bm1.portgroups[0].mode: 'round' is no mode of a bond (known: 802.3ad, active-backup, balance-alb, balance-rr, "
        "balance-tlb, balance-xor, broadcast)",
        "bm1.portgroups[1].mode: must be a text, not a number (put it in quotes: \"5\")",
        "bm1.portgroups[1]: the key name is missing (every one needs it)",
        "bm1.portgroups[2]: bond0 is the name of bm1.portgroups[0], too (remove one of them)",
        "bm1.ports[2].portgroup: there is no port group bondo (did you mean bond0?)",
        "bm1.retired_reason: is given, and retired is false (remove the reason)",
    ]  # fmt: skip


def test_more_mistakes() -> None:
    with pytest.raises(BaremetalError) as caught:
        declare.read("bm 1", {"ports": 5, "traits": "x", "properties": [], "interfaces": "x", "network_data": {
            "links": [], "services": [], "networks": {}}})  # fmt: skip
    assert "name: 'bm 1' is not possible here" in str(caught.value) and str(caught.value).count("\n") == 4
    with pytest.raises(BaremetalError, match="has no stand-alone ports"):
        declared(
            ports=[{"address": "52:54:00:00:00:01", "portgroup": "b", "pxe_enabled": True}],
            portgroups=[{"name": "b", "mode": "4", "standalone_ports_supported": False}],
        )


# ---- creation


def test_creation() -> None:
    records = Records()
    changes = compare(records, declare.read("bm1", FULL), new_id=ids())
    assert [f"{request.method} {request.path}" for request in changes.requests] == [
        "POST /v1/nodes",
        "PATCH /v1/nodes/id-1",
        "PUT /v1/nodes/id-1/traits",
        "PUT /v1/nodes/id-1/states/raid",
        "POST /v1/portgroups",
        "POST /v1/ports",
        "POST /v1/ports",
    ]
    assert changes.summary[0] == "made" and changes.notes == []
    assert "hunter2" not in shown(changes) and "hunter2" not in repr(changes.requests)
    assert changes.diff["after"]["driver_info"]["redfish_password"] == "******" and changes.diff["before"] == {}
    assert changes.diff["after"]["ports"]["52:54:00:00:00:0a"]["portgroup"] == "bond0"
    records.apply(changes.requests)
    node = records.raw("bm1")
    assert node["driver_info"]["redfish_password"] == "hunter2hunter2"
    assert node["properties"]["capabilities"] == "boot_mode:uefi" and node["raid_interface"] == "agent"
    assert records.list("portgroups")[0]["name"] == "bm1-bond0"
    assert records.list("ports")[0]["portgroup_uuid"] == records.list("portgroups")[0]["uuid"]
    again = compare(records, declare.read("bm1", FULL))
    assert again == declare.Changes()


def test_creation_needs_a_driver() -> None:
    with pytest.raises(BaremetalError, match="bm1: there is no such node yet, and it has no driver"):
        declare.changes(declared(description="x"), None)


def test_bare_creation() -> None:
    changes = declare.changes(declared(driver="redfish", protected=True, driver_info={"a": None}, ports=[]), None)
    assert len(changes.requests) == 1 and set(changes.requests[0].body) == {"uuid", "name", "driver"}
    assert changes.notes == ["protected is set once the node is active; it is enroll"]
    body = declare.changes(declared(driver="redfish", driver_info={"password": "x"}), None).requests[0].body
    assert "extra" not in body  # without a key there is no digest


# ---- fields


def test_fields() -> None:
    records = enrolled()
    changes = compare(
        records,
        declared(
            description="the second",
            owner="",
            conductor_group="",
            driver_info={"redfish_verify_ca": None, "redfish_address": "https://198.51.100.8", "gone": None},
            properties={"cpus": 4, "memory_mb": "4096"},
            extra={"a/b~c": 2, "rack": None},
            network_data={},
            automated_clean=True,
        ),
    )
    (request,) = changes.requests
    digests = records.raw("bm1")["extra"]["ozone_secrets"]
    assert request.method == "PATCH" and request.path == "/v1/nodes/id-1"
    assert request.body == [
        {"op": "remove", "path": "/conductor_group"},
        {"op": "remove", "path": "/owner"},
        {"op": "replace", "path": "/description", "value": "the second"},
        {"op": "replace", "path": "/automated_clean", "value": True},
        {"op": "remove", "path": "/driver_info/redfish_verify_ca"},
        {"op": "replace", "path": "/driver_info/redfish_address", "value": "https://198.51.100.8"},
        {"op": "add", "path": "/properties/cpus", "value": 4},
        {"op": "add", "path": "/extra", "value": {"a/b~c": 2, "ozone_secrets": digests}},
        {"op": "remove", "path": "/network_data"},
    ]
    assert "description: 'the first' -> 'the second'" in changes.summary
    assert "driver_info.redfish_verify_ca: true -> nothing" in changes.summary
    assert changes.diff["before"]["driver_info"] == {
        "redfish_verify_ca": True, "redfish_address": "https://198.51.100.9",
    }  # fmt: skip
    assert changes.diff["after"]["driver_info"] == {"redfish_address": "https://198.51.100.8"}
    records.apply(changes.requests)
    assert records.raw("bm1")["properties"]["root_device"] == {"serial": "S1"}  # what is not declared stays


def test_inspection_is_not_undone() -> None:
    """Inspection writes numbers as texts, and capabilities of its own."""
    have = {
        "memory_mb": "4096",
        "cpus": 8,
        "capabilities": "cpu_vt:true,boot_mode:uefi",
        "root_device": {"serial": "S1"},
    }
    records = enrolled(properties=have)
    assert not compare(records, declare.read("bm1", FULL)).requests
    changes = compare(records, declared(properties={"capabilities": {"boot_mode": "bios", "cpu_vt": None}}))
    assert changes.requests[0].body == [
        {"op": "replace", "path": "/properties/capabilities", "value": "boot_mode:bios"}
    ]
    changes = compare(records, declared(properties={"capabilities": "boot_mode:uefi,x:1"}))
    assert changes.requests[0].body[0]["value"] == "boot_mode:uefi,cpu_vt:true,x:1"
    records = enrolled(properties={})
    assert not compare(records, declared(properties={"capabilities": {"x": None}, "memory_mb": None})).requests
    changes = compare(records, declared(properties={"capabilities": {"x": 1}}))
    assert changes.requests[0].body == [{"op": "add", "path": "/properties/capabilities", "value": "x:1"}]


@pytest.mark.parametrize("declared_as", [True, "true"])
def test_a_boolean_is_written_as_inspection_writes_it(declared_as: Any) -> None:
    """Otherwise the two would differ for ever."""
    records = enrolled(properties={"capabilities": "secure_boot:true", "is_public": "true"})
    wanted = {"capabilities": {"secure_boot": declared_as}, "is_public": declared_as}
    assert not compare(records, declared(properties=wanted)).requests
    records = enrolled(properties={})
    (request,) = compare(records, declared(properties={"capabilities": {"secure_boot": declared_as}})).requests
    assert request.body == [{"op": "add", "path": "/properties/capabilities", "value": "secure_boot:true"}]


def test_names_and_numbers_that_ironic_refuses() -> None:
    for name in ("0dd5ab4e-0b1b-4e0f-9f0e-1f6f9d8b9c1a", "detail"):
        with pytest.raises(BaremetalError, match="name: "):
            declare.read(name, FULL)
    with pytest.raises(BaremetalError, match="traits: has 51 traits"):
        declare.read("bm1", {**FULL, "traits": [f"CUSTOM_{number}" for number in range(51)]})


def test_traits_and_raid() -> None:
    changes = compare(enrolled(), declared(traits=["CUSTOM_GPU", "CUSTOM_NEW"], target_raid_config={}))
    assert [request.body for request in changes.requests] == [{"traits": ["CUSTOM_GPU", "CUSTOM_NEW"]}, {}]
    assert changes.summary == ["traits: +CUSTOM_NEW, -CUSTOM_SSD", "target_raid_config: another one"]
    assert changes.diff["before"]["traits"] == ["CUSTOM_GPU", "CUSTOM_SSD"]
    assert compare(enrolled(), declared(traits=[])).requests[0].shown == "traits of bm1: none"


def test_driver_and_interfaces() -> None:
    changes = compare(enrolled(), declared(driver="ipmi", interfaces={"boot": "ipxe"}))
    assert changes.requests[0].path == "/v1/nodes/id-1?reset_interfaces=true"
    assert [operation["path"] for operation in changes.requests[0].body] == ["/driver", "/boot_interface"]
    with pytest.raises(BaremetalError) as caught:
        compare(enrolled(provision_state="active"), declared(driver="ipmi", interfaces={"boot": "ipxe"}))
    assert str(caught.value).splitlines() == [
        "bm1: driver: cannot change in state active (take the node to one of: available, enroll, manageable, "
        "or set maintenance)",
        "bm1: boot_interface: cannot change in state active (take the node to one of: available, enroll, manageable, "
        "or set maintenance)",
    ]
    assert compare(enrolled(provision_state="active", maintenance=True), declared(driver="ipmi")).requests


def test_resource_class() -> None:
    new = declared(resource_class="other")
    assert compare(enrolled(provision_state="available"), new).requests
    assert compare(enrolled(provision_state="active", resource_class=None), new).requests
    with pytest.raises(BaremetalError, match="resource_class: cannot change in state active"):
        compare(enrolled(provision_state="active", maintenance=True), new)


def test_protected() -> None:
    new = declared(protected=True, protected_reason="mine")
    early = compare(enrolled(provision_state="available"), new)
    assert not early.requests and early.notes == ["protected is set once the node is active; it is available"]
    records = enrolled(provision_state="active")
    changes = compare(records, new)
    assert [operation["path"] for operation in changes.requests[0].body] == ["/protected", "/protected_reason"]
    records.apply(changes.requests)
    assert not compare(records, new).requests
    assert compare(records, declared(protected=False)).requests


def test_retired() -> None:
    new = declared(retired=True, retired_reason="old")
    assert len(compare(enrolled(provision_state="manageable"), new).requests[0].body) == 2
    with pytest.raises(BaremetalError, match="retired: cannot be set in state available"):
        compare(enrolled(provision_state="available"), new)
    assert compare(enrolled(provision_state="available", retired=True), declared(retired=False)).requests


def test_in_transition() -> None:
    new = declared(description="x")
    for state, target in (("deploying", "active"), ("inspecting", "manageable"), ("inspecting", None)):
        with pytest.raises(BaremetalError, match=f"nothing can change in state {state}"):
            compare(enrolled(provision_state=state, target_provision_state=target), new)
    assert compare(enrolled(provision_state="deploy failed", target_provision_state="active"), new).requests
    busy = enrolled(provision_state="deploying", target_provision_state="active")
    assert not compare(busy, declared(description="the first")).requests


# ---- secrets


def secret(value: str | None) -> Declared:
    return declared(driver_info={"redfish_password": value})


def test_changed_password() -> None:
    records = enrolled()
    assert not compare(records, secret("hunter2hunter2")).requests
    changes = compare(records, secret("hunter3hunter3"))
    assert [operation["path"] for operation in changes.requests[0].body] == [
        "/driver_info/redfish_password",
        "/extra/ozone_secrets",
    ]
    assert changes.summary == ["driver_info.redfish_password: sent"] and "hunter" not in shown(changes)
    assert changes.diff == {
        "before": {"driver_info": {"redfish_password": "******"}},
        "after": {"driver_info": {"redfish_password": "****** (sent)"}},
    }
    assert "hunter" not in json.dumps(records.raw("bm1")["extra"])
    records.apply(changes.requests)
    assert records.raw("bm1")["driver_info"]["redfish_password"] == "hunter3hunter3"
    assert not compare(records, secret("hunter3hunter3")).requests
    changes = compare(records, secret(None))
    assert changes.summary == ["driver_info.redfish_password: removed"] and "hunter" not in shown(changes)
    records.apply(changes.requests)
    assert records.raw("bm1")["extra"]["ozone_secrets"] == {} and not compare(records, secret(None)).requests


def test_another_key() -> None:
    """A node that somebody else enrolled, or another password for Ironic: sent once."""
    records = enrolled()
    other = declare.secret_key("another password of Ironic")
    changes = compare(records, secret("hunter2hunter2"), key=other)
    assert changes.summary == ["driver_info.redfish_password: sent"]
    records.apply(changes.requests)
    assert not compare(records, secret("hunter2hunter2"), key=other).requests


def test_without_a_key() -> None:
    assert declare.secret_key("") == b""
    changes = compare(enrolled(), secret("changed-password"), key=b"")
    assert not changes.requests and "whether redfish_password changed cannot be told" in changes.notes[0]
    assert compare(enrolled(), secret("changed-password"), key=b"", secrets="always").requests
    quiet = compare(enrolled(), secret("changed-password"), secrets="on_create")
    assert quiet == declare.Changes()
    records = enrolled()
    del records.raw("bm1")["driver_info"]["redfish_password"]
    assert compare(records, secret("changed-password"), key=b"", secrets="on_create").requests


def test_always() -> None:
    changes = compare(enrolled(), secret("hunter2hunter2"), secrets="always")
    assert [operation["path"] for operation in changes.requests[0].body] == ["/driver_info/redfish_password"]


def test_digests_tell_nothing() -> None:
    """Equal passwords of two nodes look different; the key is not the password."""
    records = Records()
    for name, mac in (("bm1", "52:54:00:00:00:01"), ("bm2", "52:54:00:00:00:02")):
        plain = {"driver": "redfish", "driver_info": {"redfish_password": "same"}, "ports": [{"address": mac}]}
        records.apply(compare(records, declare.read(name, plain)).requests)
    one, two = (records.raw(name)["extra"]["ozone_secrets"]["redfish_password"] for name in ("bm1", "bm2"))
    assert one != two and len(one) == 32


def test_which_keys_are_secret() -> None:
    node = declared(
        driver_info={"ipmi_password": "a", "deep": {"snmp_auth_key": "b", "host": "c"}, "plain": "d", "t": 1}
    )
    assert declare.secret_values(node) == ["a", "b", "c"]
    assert declare.masked({"ipmi_password": "a", "deep": {"auth_key": "b", "host": "c"}}) == {
        "ipmi_password": "******", "deep": {"auth_key": "******", "host": "c"},
    }  # fmt: skip
    assert declare.masked(None) == {}
    assert declare.secret_values(declared(driver_info={"secret": 5})) == []


def test_visible_secret() -> None:
    """An Ironic whose policy shows secrets: they are compared, and still not shown."""
    records = enrolled()
    node = records.raw("bm1")
    assert not declare.changes(secret("hunter2hunter2"), node, key=KEY).requests
    changes = declare.changes(secret("new-password"), node, key=KEY)
    assert changes.requests and "hunter" not in shown(changes) and "new-password" not in shown(changes)


# ---- ports


def test_ports() -> None:
    records = enrolled()
    changes = compare(
        records,
        declared(
            ports=[
                {"address": "52:54:00:00:00:0a", "pxe_enabled": True, "physical_network": "q", "portgroup": ""},
                {"address": "52:54:00:00:00:0c", "portgroup": "bond1"},
            ],
            portgroups=[{"name": "bond1", "address": "52:54:00:00:00:0a"}],
        ),
        new_id=ids("new"),
    )
    assert [f"{request.method} {request.path}" for request in changes.requests] == [
        "POST /v1/portgroups",
        "PATCH /v1/ports/id-3",
        "POST /v1/ports",
        "DELETE /v1/ports/id-4",
        "DELETE /v1/portgroups/id-2",
    ]
    assert changes.summary == [
        "port group bond1: made",
        "port 52:54:00:00:00:0a: portgroup_uuid: 'id-2' -> nothing",
        "port 52:54:00:00:00:0a: pxe_enabled: false -> true",
        "port 52:54:00:00:00:0a: physical_network: 'p' -> 'q'",
        "port 52:54:00:00:00:0c: made",
        "port 52:54:00:00:00:0b: removed",
        "port group bond0: removed",
    ]
    assert changes.diff["before"]["ports"]["52:54:00:00:00:0b"] == {"pxe_enabled": True}
    assert "52:54:00:00:00:0b" not in changes.diff["after"]["ports"]
    records.apply(changes.requests)
    assert records.list("ports")[1]["portgroup_uuid"] == records.list("portgroups")[0]["uuid"] == "new-1"


def test_links() -> None:
    records = enrolled()
    same = {
        "address": "52:54:00:00:00:0b",
        "local_link_connection": {"port_id": "e1", "switch_id": "AA:bb:cc:00:00:01"},
    }
    first = {"address": "52:54:00:00:00:0a"}
    assert not compare(records, declared(ports=[first, same])).requests
    same["local_link_connection"] = {"network_type": "unmanaged"}
    assert compare(records, declared(ports=[first, same])).requests[0].body == [
        {"op": "replace", "path": "/local_link_connection", "value": {"network_type": "unmanaged"}}
    ]
    same["local_link_connection"] = {}
    assert compare(records, declared(ports=[first, same])).requests
    assert not compare(
        records, declared(ports=[{**first, "local_link_connection": {}}, {"address": same["address"]}])
    ).requests


def test_port_groups() -> None:
    records = enrolled()
    changes = compare(
        records, declared(portgroups=[{"name": "bond0", "mode": "1", "properties": {"miimon": "100", "x": 1}}])
    )
    (request,) = changes.requests
    assert request.path == "/v1/portgroups/id-2" and request.body == [
        {"op": "replace", "path": "/mode", "value": "1"},
        {"op": "add", "path": "/properties/x", "value": 1},
    ]
    assert changes.diff["after"]["portgroups"]["bond0"] == {"mode": "1", "properties": {"x": 1}}
    with pytest.raises(BaremetalError, match="port group bond0: is not declared and still has ports"):
        compare(records, declared(portgroups=[]))
    # One that somebody made by hand, under a name without the node's.
    records.list("portgroups")
    records.tables["portgroups"]["id-2"]["name"] = "bond0"
    assert not compare(records, declare.read("bm1", FULL)).requests
    records.tables["portgroups"]["id-2"]["name"] = None
    assert compare(records, declared(portgroups=[{"name": "id-2"}])).requests == []


def test_cabling_needs_a_state() -> None:
    new = declared(ports=[{"address": "52:54:00:00:00:0a", "pxe_enabled": True}, {"address": "52:54:00:00:00:0b"}])
    assert compare(enrolled(provision_state="manageable"), new).requests
    assert compare(enrolled(provision_state="active", maintenance=True), new).requests
    with pytest.raises(BaremetalError) as caught:
        compare(enrolled(provision_state="available"), new)
    assert str(caught.value) == (
        "bm1: port 52:54:00:00:00:0a (pxe_enabled): cannot change in state available "
        "(take the node to one of: enroll, manageable, or set maintenance)"
    )


def test_foreign_port() -> None:
    records = enrolled()
    new = declare.read("bm2", {"driver": "redfish", "ports": [{"address": "52:54:00:00:00:0A"}]})
    with pytest.raises(BaremetalError) as caught:
        compare(records, new, names={"id-1": "bm1"})
    assert str(caught.value) == (
        "bm2: port 52:54:00:00:00:0a: belongs to the node bm1 already (remove it there, or correct the address)"
    )
    with pytest.raises(BaremetalError, match="belongs to the node id-1 already"):
        compare(records, new)
    with pytest.raises(BaremetalError, match="there is no port group nowhere"):
        compare(records, declared(ports=[{"address": "52:54:00:00:00:0a", "portgroup": "nowhere"}]))


def test_port_in_use() -> None:
    records = enrolled(provision_state="active")
    records.tables["ports"]["id-4"]["internal_info"] = {"tenant_vif_port_id": "vif"}
    new = declared(ports=[{"address": "52:54:00:00:00:0a"}])
    with pytest.raises(BaremetalError, match="in use by an instance"):
        compare(records, new)
    records.raw("bm1")["maintenance"] = True
    assert compare(records, new).requests


# ---- with an API


class Wire:
    """Answers from records; ``refusing``: paths that Ironic refuses."""

    def __init__(self, records: Records, **refusing: int) -> None:
        self.records = records
        self.refusing = refusing
        self.asked: list[str] = []

    def request(self, request: Request) -> Answer:
        self.asked.append(f"{request.method} {request.path}")
        path = request.path.partition("?")[0]
        if path.split("/")[2] in self.refusing:
            return Answer(self.refusing[path.split("/")[2]], {"error_message": "no"})
        if request.method != "GET":
            self.records.apply([request])
            return Answer(200)
        if path.startswith("/v1/nodes/"):
            node = self.records.node(path.rpartition("/")[2])
            return Answer(404, {}) if node is None else Answer(200, node)
        kind = path.split("/")[2]
        field, _, value = request.path.partition("?")[2].partition("&")[0].partition("=")
        field = {"node": "node_uuid"}.get(field, field)
        return Answer(200, {kind: [thing for thing in self.records.list(kind) if thing[field] == value]})


def test_look_and_apply() -> None:
    records = Records()
    api = Wire(records)
    wanted = declare.read("bm1", FULL)
    assert declare.look(api, "bm1") == (None, [], [])
    declare.apply(api, declare.changes(wanted, *declare.look(api, "bm1", ["52:54:00:00:00:0a"]), key=KEY, new_id=ids()))
    api.asked.clear()
    node, ports, groups = declare.look(api, "bm1", ["52:54:00:00:00:0a", "52:54:00:00:00:0f"])
    assert node and len(ports) == 2 and len(groups) == 1
    assert api.asked == [
        "GET /v1/nodes/bm1",
        "GET /v1/ports/detail?node=id-1&limit=1000",
        "GET /v1/portgroups/detail?node=id-1&limit=1000",
        "GET /v1/ports/detail?address=52:54:00:00:00:0f&limit=1000",
    ]
    assert len(declare.look(api, "bm2", ["52:54:00:00:00:0a"])[1]) == 1
    assert not declare.changes(wanted, node, ports, groups, key=KEY).requests


def test_ironic_refuses() -> None:
    with pytest.raises(BaremetalError, match="bm1: no"):
        declare.look(Wire(Records(), nodes=500), "bm1")
    found = declare.changes(declare.read("bm1", {**FULL, "owner": None}), None, key=KEY, new_id=ids())
    with pytest.raises(BaremetalError) as caught:
        declare.apply(Wire(Records(), portgroups=409), found)
    assert str(caught.value) == (
        "port group bond0 of bm1: Ironic refused: no; before it: node bm1, traits of bm1: CUSTOM_GPU, CUSTOM_SSD, "
        "RAID of bm1"
    )
    with pytest.raises(BaremetalError, match=r"node bm1: Ironic refused: no$"):
        declare.apply(Wire(Records(), nodes=400), found)


# ---- removal


def test_removal() -> None:
    assert declare.removal("bm1", None) == declare.Changes()
    records = enrolled(provision_state="manageable")
    changes = declare.removal("bm1", records.node("bm1"))
    assert changes.requests[0].path == "/v1/nodes/id-1" and changes.requests[0].method == "DELETE"
    assert changes.summary == ["removed"] and changes.diff["before"] == {"provision_state": "manageable"}
    for changed, says in (
        ({"provision_state": "active"}, r"cannot be removed in state active \(baremetal_fleet with target undeployed,"),
        ({"provision_state": "clean failed"}, r"in state clean failed \(baremetal_fleet with target removed"),
        ({"protected": True}, "is protected"),
        ({"allocation_uuid": "x"}, "has an allocation"),
    ):
        with pytest.raises(BaremetalError, match=says):
            declare.removal("bm1", enrolled(**changed).node("bm1"))


def test_a_removal_that_was_done_already() -> None:
    """Its first answer was lost, and it was asked for again."""
    found = declare.removal("bm1", enrolled(provision_state="manageable").node("bm1"))
    declare.apply(Wire(Records(), nodes=404), found)


# ---- anything

WORDS = st.sampled_from(["", "a", "b"])
MACS = st.sampled_from([f"52:54:00:00:00:{number:02x}" for number in range(4)])
PLAIN = st.fixed_dictionaries(
    {"driver": st.sampled_from(["redfish", "ipmi"])},
    optional={
        "driver_info": st.dictionaries(
            st.sampled_from(["redfish_address", "redfish_password", "snmp-key"]), st.one_of(st.none(), WORDS)
        ),
        "interfaces": st.dictionaries(st.sampled_from(["boot", "bios"]), st.sampled_from(["a", "b"])),
        "resource_class": WORDS,
        "traits": st.lists(st.sampled_from(["CUSTOM_A", "CUSTOM_B"])),
        "conductor_group": WORDS,
        "description": WORDS,
        "properties": st.dictionaries(
            st.sampled_from(["cpus", "capabilities"]), st.sampled_from([None, "a:1", "a:2,b:1", "b:1"])
        ),
        "extra": st.dictionaries(
            st.sampled_from(["a", "b", "a/b", "c.d~e"]), st.one_of(st.none(), st.booleans(), st.lists(WORDS))
        ),
        "automated_clean": st.booleans(),
        "ports": st.lists(
            st.fixed_dictionaries(
                {"address": MACS},
                optional={"pxe_enabled": st.booleans(), "portgroup": st.sampled_from(["", "bond0"]),
                          "physical_network": WORDS},
            ),
            unique_by=lambda port: port["address"],
        ),
    },
)  # fmt: skip


@given(st.lists(PLAIN, min_size=1, max_size=4))
def test_a_second_run_changes_nothing(plans: list[dict[str, Any]]) -> None:
    """Whatever is declared, one after the other: it becomes so in one round, and the next one has nothing to do."""
    records = Records()
    for plain in plans:
        wanted = declare.read("bm1", {**plain, "portgroups": [{"name": "bond0"}]})
        changes = compare(records, wanted)
        records.apply(changes.requests)
        again = compare(records, wanted)
        assert again.requests == [] and again.summary == [], (changes, again)
        assert bool(changes.requests) == bool(changes.summary)
