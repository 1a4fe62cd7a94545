# SPDX-License-Identifier: Apache-2.0
"""Three nodes with separate networks, and a fourth that joins."""

from __future__ import annotations

import json
from typing import Any

import openstack

from tests.lab.cloud import Cloud, await_true


def test_instances_on_two_computes_reach_each_other(multinode: Cloud) -> None:
    result = multinode.run("smoke", "-e", "{ozone_smoke_computes: [compute1, compute2]}")
    assert result.code == 0
    assert "with packets of 1342 bytes" in result.output  # 1400, less the headers of Geneve over IPv4


def test_the_nodes_have_the_mtu_of_their_networks(multinode: Cloud) -> None:
    links = json.loads(multinode.ssh("compute1", "ip -json link"))
    mtu = {link["ifname"]: link["mtu"] for link in links}
    assert (mtu["eth0"], mtu["eth1"], mtu["eth2"], mtu["br-tunnel"]) == (1500, 1500, 1400, 1400)


def test_after_an_outage_of_all_nodes_the_cloud_is_back_by_itself(multinode: Cloud) -> None:
    multinode.outage()
    await_true("validate", lambda: multinode.run("validate").code == 0, 180)
    assert multinode.run("smoke", "-e", "{ozone_smoke_computes: [compute1, compute2]}").code == 0


def test_a_compute_that_joins_changes_nothing_on_the_others(multinode: Cloud) -> None:
    others = list(multinode.original["nodes"])
    before = {node: multinode.started(node) for node in others}

    def add(definition: dict[str, Any]) -> None:
        definition["nodes"]["compute3"] = {"profile": "compute"}

    multinode.changed(add)
    assert multinode.run("lab").code == 0
    result = multinode.run("deploy")
    assert result.code == 0
    assert {node: multinode.started(node) for node in others} == before
    assert all(result.statuses(node) == {"unchanged"} for node in others)


def known_of(cloud: Cloud, node: str) -> set[str]:
    """Where the cloud still knows a node: in its databases, its virtual network, its network service."""
    queries = [
        'SELECT "compute service", host FROM nova.services WHERE deleted = 0',
        'SELECT "compute node", host FROM nova.compute_nodes WHERE deleted = 0',
        'SELECT "mapping to a cell", host FROM nova_api.host_mappings',
        'SELECT "resource provider", SUBSTRING_INDEX(name, ".", 1) FROM placement.resource_providers',
    ]
    commands = [f"mariadb --batch --skip-column-names --execute '{'; '.join(queries)}'"]
    commands += [
        f"ovn-sbctl --bare --columns=name list {t} | sed 's/^/{t}\\t/'" for t in ("Chassis", "Chassis_Private")
    ]
    lines = cloud.ssh("controller1", " && ".join(commands)).splitlines()
    config = openstack.config.OpenStackConfig(config_files=[str(cloud.state / "clouds.yaml")])
    agents = openstack.connection.Connection(config=config.get_one(cloud="ozone")).network.agents()
    lines += [f"network agent\t{agent.host}" for agent in agents]
    return {where for where, _, name in (line.partition("\t") for line in lines) if name == node}


EVERYWHERE = {
    "compute service", "compute node", "mapping to a cell", "resource provider", "Chassis", "Chassis_Private",
    "network agent",
}  # fmt: skip


def test_nobody_leaves_without_confirmation(multinode: Cloud) -> None:
    before = multinode.started("compute2")
    result = multinode.run("scale_down", "-e", "ozone_nodes=compute2,compute3")
    assert result.code != 0
    said = " ".join(result.output.split())
    for text in ("compute2 (198.18.8.", "stops and removes nova compute", "-e ozone_confirm=true"):
        assert text in said
    assert multinode.started("compute2") == before
    assert known_of(multinode, "compute2") == EVERYWHERE


def test_a_dead_compute_is_forgotten_everywhere(multinode: Cloud) -> None:
    await_true("compute3 is known", lambda: known_of(multinode, "compute3") == EVERYWHERE, 60)
    multinode.kill("compute3")
    result = multinode.run("scale_down", "-e", "ozone_nodes=compute3", "-e", "ozone_confirm=true")
    assert result.code == 0
    assert result.seconds < 90
    assert known_of(multinode, "compute3") == set()
    again = multinode.run("scale_down", "-e", "ozone_nodes=compute3", "-e", "ozone_confirm=true")
    assert again.code == 0
    assert " changed=0 " in again.output


def test_a_living_compute_is_stopped_and_forgotten_everywhere(multinode: Cloud) -> None:
    assert multinode.run("scale_down", "-e", "{ozone_nodes: [compute2], ozone_confirm: true}").code == 0
    assert multinode.started("compute2") == {}
    assert multinode.ssh("compute2", "systemctl is-active ovn-controller", check=False).strip() == "inactive"
    assert known_of(multinode, "compute2") == set()
    assert known_of(multinode, "compute1") == EVERYWHERE
