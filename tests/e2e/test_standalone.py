# SPDX-License-Identifier: Apache-2.0
"""One node: what a user and an operator see."""

from __future__ import annotations

import os
import stat
import subprocess

from tests.lab.cloud import Cloud


def test_an_instance_answers(standalone: Cloud) -> None:
    assert standalone.run("smoke").code == 0


def test_a_second_run_changes_nothing_and_costs_one_probe(standalone: Cloud) -> None:
    node = next(iter(standalone.original["nodes"]))
    before = standalone.started(node)
    result = standalone.run("deploy")
    assert result.code == 0
    assert standalone.started(node) == before
    assert result.report["tasks"]["on_nodes"] <= 15
    assert result.statuses() == {"unchanged"}


def test_validate_is_read_only_and_passes(standalone: Cloud) -> None:
    result = standalone.run("validate")
    assert result.code == 0
    assert result.statuses() == {"unchanged"}


def test_a_user_logs_in_with_the_printed_credentials(standalone: Cloud) -> None:
    clouds = standalone.state / "clouds.yaml"
    assert stat.S_IMODE(clouds.stat().st_mode) == 0o600
    done = subprocess.run(
        ["openstack", "--os-cloud", "ozone", "endpoint", "list", "-f", "value", "-c", "Service Type", "-c", "URL"],
        env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(clouds)}, text=True, capture_output=True, timeout=120,
        check=True,
    )  # fmt: skip
    services = {line.split()[0] for line in done.stdout.splitlines()}
    assert services == {"identity", "image", "placement", "network", "compute"}
    assert all(" https://" in line for line in done.stdout.splitlines()), "TLS on every endpoint"


def test_no_password_is_kept_in_the_mapping_of_the_cell(standalone: Cloud) -> None:
    node = next(iter(standalone.original["nodes"]))
    query = 'SELECT transport_url, database_connection FROM nova_api.cell_mappings WHERE name = "cell1"'
    rows = standalone.ssh(node, f"mariadb --batch --skip-column-names --execute '{query}'").splitlines()
    assert len(rows) == 1
    assert rows[0].count("{username}:{password}@") == 2


def test_a_file_edited_by_hand_is_reported_and_put_back(standalone: Cloud) -> None:
    node = next(iter(standalone.original["nodes"]))
    standalone.ssh(node, "echo '# by hand' >> /etc/memcached.conf")
    result = standalone.run("validate")
    assert result.code != 0
    assert "/etc/memcached.conf" in result.output
    assert standalone.run("deploy").code == 0
    assert "by hand" not in standalone.ssh(node, "cat /etc/memcached.conf")
    assert standalone.run("validate").code == 0
