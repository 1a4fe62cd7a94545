# SPDX-License-Identifier: Apache-2.0
"""A working cloud is never made worse: each way in which a change can fail, done on purpose."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.paths import cache_dir
from tests.lab.cloud import Cloud, await_true

NODE = "fault1"
KEYSTONE = "https://198.18.4.10:5000/v3"
ELSEWHERE = """[uwsgi]
http-socket = 127.0.0.1:15999
module = keystone.wsgi.api:application
virtualenv = /opt/ozone
"""
CURRENT = "readlink /var/lib/ozone/services/keystone/current"


def test_a_second_run_changes_nothing(cloud: Cloud) -> None:
    before = cloud.started(NODE)
    result = cloud.run("deploy")
    assert result.code == 0
    assert cloud.started(NODE) == before
    assert result.statuses() == {"unchanged"}


def test_one_option_restarts_only_its_service(cloud: Cloud) -> None:
    before = cloud.started(NODE)
    cloud.override("keystone", config={"keystone.conf": {"token": {"expiration": 7200}}})
    assert cloud.run("deploy").code == 0
    after = cloud.started(NODE)
    assert {name for name in after if after[name] != before[name]} == {"keystone_api"}
    assert "expiration = 7200" in cloud.ssh(NODE, "podman exec keystone_api cat /etc/keystone/keystone.conf")


def test_a_value_that_the_service_rejects_is_taken_back(cloud: Cloud) -> None:
    before = cloud.started(NODE)
    generation = cloud.ssh(NODE, CURRENT)
    cloud.override("keystone", config={"keystone.conf": {"token": {"provider": "carrier-pigeon"}}})
    result = cloud.run("deploy")
    assert result.code != 0
    assert "carrier-pigeon" in result.output, "the log of the container explains the failure"
    assert cloud.ssh(NODE, CURRENT) == generation
    await_true("keystone answers", lambda: cloud.answers(NODE, KEYSTONE), 10)
    after = cloud.started(NODE)
    assert {name for name in after if after[name] != before[name]} <= {"keystone_api"}


def test_an_image_whose_process_dies_is_taken_back(cloud: Cloud) -> None:
    index: dict[str, Any] = json.loads((cache_dir(os.environ) / "images" / "2026.1.json").read_text())
    image = index["placement"]
    generation = cloud.ssh(NODE, CURRENT)
    cloud.override("keystone", containers={"keystone_api": {"image": f"{image['name']}@sha256:{image['id']}"}})
    result = cloud.run("deploy")
    assert result.code != 0
    assert "keystone" in result.output
    assert cloud.ssh(NODE, CURRENT) == generation
    await_true("keystone answers", lambda: cloud.answers(NODE, KEYSTONE), 10)


def test_a_full_disk_leaves_the_old_generation(cloud: Cloud) -> None:
    generation = cloud.ssh(NODE, CURRENT)
    place = "/var/lib/ozone/services/keystone"
    steps = [
        f"mkdir /run/copy && cp -a {place}/. /run/copy/",
        f"mount -t tmpfs -o size=2m tmpfs {place} && cp -a /run/copy/. {place}/ && rm -r /run/copy",
        f"(dd if=/dev/zero of={place}/fill bs=4k || true)",
    ]
    cloud.ssh(NODE, " && ".join(steps))
    try:
        cloud.override("keystone", config={"keystone.conf": {"token": {"expiration": 7300}}})
        result = cloud.run("deploy")
        assert result.code != 0
        assert "Make room" in result.output
        assert cloud.ssh(NODE, CURRENT) == generation
        await_true("keystone answers", lambda: cloud.answers(NODE, KEYSTONE), 10)
    finally:
        cloud.ssh(NODE, f"umount -l {place}")


@pytest.mark.parametrize("delay", [1.0, 3.0, 5.0, 7.0])
def test_a_killed_run_leaves_a_serving_cloud_and_the_next_converges(cloud: Cloud, delay: float) -> None:
    cloud.override("keystone", config={"keystone.conf": {"token": {"expiration": 8000 + int(delay)}}})
    process = cloud.start("deploy")
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    await_true("keystone answers", lambda: cloud.answers(NODE, KEYSTONE), 60)
    result = cloud.run("deploy")
    assert result.code == 0
    assert f"expiration = {8000 + int(delay)}" in cloud.ssh(
        NODE, "podman exec keystone_api cat /etc/keystone/keystone.conf"
    )


def test_a_node_that_reboots_in_the_middle_serves_the_old_generation(cloud: Cloud) -> None:
    generation = cloud.ssh(NODE, CURRENT)
    # The new generation starts and never becomes healthy, so that there is time to cut the power.
    cloud.override(
        "keystone",
        files={"uwsgi.ini": {"content": ELSEWHERE}},
    )
    process = cloud.start("deploy")
    await_true("the switch", lambda: cloud.ssh(NODE, CURRENT, check=False) not in ("", generation), 60)
    cloud.ssh(NODE, "systemctl reboot --force --force", check=False)
    process.wait(timeout=120)
    assert process.returncode != 0
    await_true("keystone answers after the reboot", lambda: cloud.answers(NODE, KEYSTONE), 90)
    assert cloud.ssh(NODE, CURRENT) == generation


def test_a_service_that_left_the_profile_is_gone(cloud: Cloud) -> None:
    cloud.changed(lambda definition: definition["profiles"]["small"]["services"].remove("placement"))
    assert cloud.run("deploy").code == 0
    assert "placement_api" not in cloud.started(NODE)
    assert "placement" not in cloud.ssh(NODE, "cat /etc/haproxy/haproxy.cfg; ls /etc/containers/systemd")
    assert "placement" in cloud.ssh(NODE, "mariadb --batch --execute 'SHOW DATABASES'"), "data goes only on request"


def test_a_second_run_at_the_same_time_is_refused(cloud: Cloud) -> None:
    cloud.override("keystone", config={"keystone.conf": {"token": {"expiration": 9000}}})
    first = cloud.start("deploy")
    await_true("the first run holds the lock", lambda: (cloud.state / "lock.json").exists(), 30)
    second = cloud.run("deploy")
    assert second.code != 0
    assert str(first.pid) in second.output
    first.wait(timeout=300)
    assert first.returncode == 0


def test_a_rollback_returns_to_the_previous_generation(cloud: Cloud) -> None:
    generation = cloud.ssh(NODE, CURRENT)
    cloud.override("keystone", config={"keystone.conf": {"token": {"expiration": 9100}}})
    assert cloud.run("deploy").code == 0
    assert cloud.run("rollback", "-e", "ozone_service=keystone").code == 0
    assert cloud.ssh(NODE, CURRENT) == generation
    await_true("keystone answers", lambda: cloud.answers(NODE, KEYSTONE), 10)


@pytest.mark.parametrize("verb", ["deploy", "plan"])
def test_check_mode_changes_nothing_and_shows_the_difference(cloud: Cloud, verb: str) -> None:
    generation = cloud.ssh(NODE, CURRENT)
    cloud.override("keystone", config={"keystone.conf": {"token": {"expiration": 9200}}})
    result = cloud.run(verb, "--check", "--diff")
    assert result.code == 0
    assert "+expiration = 9200" in result.output
    assert "mysql+pymysql://keystone:" not in result.output.replace("keystone:********", "")
    assert cloud.ssh(NODE, CURRENT) == generation


BAD: list[tuple[str, Any, list[str]]] = [
    ("unknown keys, all at once", {"colour": 1, "regoin": 2}, ["colour", "regoin"]),
    ("wrong type", {"region": ["a"]}, ["region"]),
]


@pytest.mark.parametrize(("name", "change", "words"), BAD, ids=[case[0] for case in BAD])
def test_a_bad_definition_is_refused_before_any_node_is_touched(
    cloud: Cloud, name: str, change: dict[str, Any], words: list[str]
) -> None:
    cloud.changed(lambda definition: definition.update(change))
    result = cloud.run("deploy")
    assert result.code != 0
    assert all(word in result.output for word in words)
    assert "Compare the node" not in result.output


def test_an_option_that_does_not_exist_is_refused_before_any_node_is_touched(cloud: Cloud) -> None:
    cloud.override("keystone", config={"keystone.conf": {"token": {"expirtion": 1}}})
    result = cloud.run("deploy")
    assert result.code != 0
    assert "expirtion" in result.output
    assert "expiration" in result.output, "the remedy is named"
    assert result.report["tasks"]["on_nodes"] == 0


def test_no_secret_is_shown_anywhere(cloud: Cloud) -> None:
    cloud.override("placement", config={"placement.conf": {"DEFAULT": {"debug": True}}})
    result = cloud.run("deploy", "--diff", "-vvv")
    assert result.code == 0
    password = cloud.ssh(
        NODE, "podman exec placement_api grep -oP '(?<=placement:)[^@]+(?=@)' /etc/placement/placement.conf"
    ).split()[0]
    assert len(password) >= 32
    assert password not in result.output
    assert (
        password
        not in subprocess.run(
            ["grep", "-r", password, str(Path(cloud.state) / "reports")], capture_output=True, text=True, check=False
        ).stdout
    )
    assert password not in cloud.ssh(NODE, "cat /proc/*/cmdline | tr '\\0' ' '")


def test_an_unsupported_operating_system_is_refused_before_any_change(cloud: Cloud) -> None:
    generation = cloud.ssh(NODE, CURRENT)
    cloud.ssh(NODE, "sed s/^VERSION_ID=.*/VERSION_ID=99/ /usr/lib/os-release > /run/other")
    cloud.ssh(NODE, "mount --bind /run/other /etc/os-release")
    try:
        cloud.override("keystone", config={"keystone.conf": {"token": {"expiration": 9300}}})
        result = cloud.run("deploy")
        assert result.code != 0
        assert "debian 99, which is not supported (supported: debian 13)" in " ".join(result.output.split())
        assert cloud.ssh(NODE, CURRENT) == generation
    finally:
        cloud.ssh(NODE, "umount /etc/os-release")
