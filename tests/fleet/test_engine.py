# SPDX-License-Identifier: Apache-2.0
"""The engine by itself, without Ansible around it: the same Ironic, the same API."""

from __future__ import annotations

from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import client, reading
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.course import Options
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.fleet import Fleet, Report
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Image, Instance, Wanted
from ansible_collections.ozone.openstack.plugins.module_utils.sdk import Access
from tests.fleet.play import names, states, wanted
from tests.lab.ironic_fake import Ironic


def engine(there: Ironic, target: Any, plain: list[dict[str, Any]], **options: Any) -> tuple[Report, list[str]]:
    """A run, and the lines that it told."""
    told: list[str] = []
    nodes = [
        Wanted(
            one["name"],
            reading.read(one["name"], one["node"]),
            Instance(Image(**one["instance"]["image"]), one["instance"]["config_drive"]),
        )
        for one in plain
    ]
    api = client.connected(Access(there.cloud, str(there.clouds_file)))
    return Fleet(api, nodes, Options(target), say=told.append, **options).run(), told


def test_the_engine_needs_no_ansible(ironic: Ironic) -> None:
    nodes = names(5)
    report, told = engine(ironic, "active", wanted(nodes, {"n002": {"deploy": {"fail": "no disk"}}}), success="80%")
    assert report.ok
    assert [outcome.name for outcome in report.bad] == ["n002"]
    assert report.counts() == {"total": 5, "unchanged": 0, "changed": 4, "failed": 1, "skipped": 0}
    assert states(ironic) == {name: "deploy failed" if name == "n002" else "active" for name in nodes}
    assert sum("active" in line for line in told) >= 4
    assert any(line.startswith("FAILED n002: deploy: ") for line in told)
    again, _ = engine(ironic, "active", wanted([name for name in nodes if name != "n002"]))
    assert not again.changed
    assert again.requests <= 3
