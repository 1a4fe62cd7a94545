# SPDX-License-Identifier: Apache-2.0
"""A cloud with an instance goes from one release to another, and the instance does not notice."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cloud import ROOT, Cloud, Result, await_true

NODE = "node1"
NEW = "2026.1"


@pytest.fixture(params=["2025.1", "2025.2"], scope="module")
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The standalone cloud of an older release."""
    cloud = Cloud(ROOT / "inventory" / "standalone" / "cloud.yml", tmp_path_factory.mktemp("upgrade"))
    cloud.original["release"] = request.param
    cloud.restore()
    for verb in ("lab", "images", "deploy"):
        result = cloud.run(verb)
        assert result.code == 0, f"{verb} failed"
        print(f"{verb} of {request.param}: {result.seconds:.0f} s")
    yield cloud
    cloud.down()


def to(cloud: Cloud, release: str) -> None:
    """Say another release in cloud.yml."""
    cloud.changed(lambda definition: definition.update(release=release))


def openstack(cloud: Cloud, *arguments: str) -> Any:
    """What the client says, as JSON."""
    done = subprocess.run(
        ["openstack", "--os-cloud", "ozone", *arguments, "-f", "json"], text=True, capture_output=True, timeout=120,
        check=True, env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(cloud.state / "clouds.yaml")},
    )  # fmt: skip
    return json.loads(done.stdout)


def said(result: Result) -> str:
    """What a run showed, in one line: long messages are wrapped."""
    return " ".join(result.output.split())


def qemu(cloud: Cloud) -> list[str]:
    """Process and time of start of every instance."""
    return cloud.ssh(NODE, "ps -eo pid=,lstart=,args= | grep '[/]qemu-system' | cut -c 1-60").splitlines()


def page(address: str) -> str:
    """What the guest answers on its floating address."""
    with urllib.request.urlopen(f"http://{address}/", timeout=10) as answer:
        return str(answer.read().decode())


def in_container(cloud: Cloud, container: str, command: str) -> tuple[int, str]:
    """Exit code and output of a command in a container of the node."""
    *lines, code = cloud.ssh(NODE, f"podman exec {container} {command} 2>&1; echo; echo $?", limit=180).splitlines()
    return int(code), "\n".join(lines)


def services(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """What the node says of its services."""
    found: dict[str, dict[str, Any]] = {}
    for path in cloud.ssh(NODE, "ls -d /var/lib/ozone/services/*").split():
        found[Path(path).name] = json.loads(cloud.ssh(NODE, f"cat {path}/current/manifest.json"))
    return found


def test_a_cloud_with_an_instance_is_upgraded(cloud: Cloud) -> None:
    old = str(cloud.original["release"])
    assert cloud.run("smoke", "-e", "ozone_smoke_keep=true").code == 0
    address = str(openstack(cloud, "floating", "ip", "list")[0]["Floating IP Address"])
    before, running, there = page(address), qemu(cloud), services(cloud)
    assert len(running) == 1
    assert {there[name]["release"] for name in ("keystone", "nova")} == {old}

    to(cloud, NEW)
    refused = cloud.run("deploy")
    assert refused.code != 0
    assert f"{NODE} runs release {old} of glance, keystone, neutron, nova, placement" in said(refused)
    assert "make upgrade" in said(refused)
    assert services(cloud) == there
    assert cloud.run("images").code == 0
    shown = cloud.run("plan")
    assert shown.code == 0
    assert f"release {old} -> {NEW}" in said(shown)

    pings = subprocess.Popen(["ping", "-q", "-i", "0.2", address], stdout=subprocess.PIPE, text=True)
    try:
        result = cloud.run("upgrade", limit=1800)
    finally:
        pings.send_signal(2)
        statistics = pings.communicate(timeout=10)[0]
    assert result.code == 0
    print(f"upgrade {old} -> {NEW}: {result.seconds:.0f} s; {statistics}")
    lost = re.search(r"([\d.]+)% packet loss", statistics)
    assert lost is not None
    assert float(lost[1]) < 1, "an upgrade does not touch the way to an instance"

    # The instance is the same process, and answers as before.
    assert qemu(cloud) == running
    assert page(address) == before
    # What has nothing of the release in it did not change.
    now = services(cloud)
    assert {name for name in now if now[name] != there[name]} == {"glance", "keystone", "neutron", "nova", "placement"}
    # Migrations are done, by the word of the services themselves.
    assert in_container(cloud, "nova_api", "nova-status upgrade check")[0] in (0, 1)
    # With a limit, the exit code is 1 as long as something was migrated.
    migrations = "db online_data_migrations --max-count 50"
    assert in_container(cloud, "nova_api", f"nova-manage {migrations}")[0] == 0
    assert in_container(cloud, "placement_api", f"placement-manage {migrations}")[0] == 0
    assert in_container(cloud, "keystone_api", "keystone-manage db_sync --check")[0] == 0
    assert in_container(cloud, "glance_api", "glance-manage db check")[0] == 0
    files = "--config-file /etc/neutron/neutron.conf --config-file /etc/neutron/ml2_conf.ini"
    assert in_container(cloud, "neutron_api", f"neutron-db-manage {files} has_offline_migrations")[0] == 0

    assert cloud.run("validate").code == 0
    for verb in ("upgrade", "deploy"):
        again = cloud.run(verb)
        assert again.code == 0
        assert again.statuses() == {"unchanged"}
    await_true("the compute service is up", lambda: {
        entry["State"] for entry in openstack(cloud, "compute", "service", "list")} == {"up"})  # fmt: skip
    # A new instance, and what removes the old one.
    assert cloud.run("smoke").code == 0


def test_there_is_no_way_back(cloud: Cloud) -> None:
    old = str(cloud.original["release"])
    to(cloud, old)
    for verb in ("upgrade", "deploy"):
        refused = cloud.run(verb)
        assert refused.code != 0
        assert f"runs release {NEW}" in said(refused)
        assert "OpenStack has no way back" in said(refused)
    to(cloud, NEW)
    refused = cloud.run("rollback", "-e", "ozone_service=keystone")
    assert refused.code != 0
    assert f"is of release {old}" in said(refused)
    assert cloud.run("validate").code == 0
