# SPDX-License-Identifier: Apache-2.0
"""One node: what a user and an operator see."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import time
import uuid
from typing import Any

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


def journal(cloud: Cloud, node: str, *arguments: str) -> list[dict[str, Any]]:
    """Entries of a node's journal."""
    text = cloud.ssh(node, " ".join(["journalctl", "--quiet", "--no-pager", "--all", "-o", "json", *arguments]))
    return [json.loads(line) for line in text.splitlines()]


#: The APIs behind HAProxy.
APIS = ("keystone_api", "glance_api", "placement_api", "neutron_api", "nova_api", "nova_metadata")

#: Asks for URLs on a node; prints the id with which each is answered.
ASK = """
import json, sys, urllib.error, urllib.request
for url, body in json.loads(sys.argv[1]):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        answer = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    print(answer.headers.get("X-Openstack-Request-Id", ""))
"""


def ask(cloud: Cloud, node: str, urls: list[tuple[str, dict[str, Any] | None]]) -> list[str]:
    """The request ids of the answers."""
    return cloud.ssh(node, f"python3 -c '{ASK}' '{json.dumps(urls)}'").splitlines()


def test_the_journal_of_an_idle_node_is_quiet(standalone: Cloud) -> None:
    """HAProxy checks seven servers every two seconds: none of that is logged."""
    node = next(iter(standalone.original["nodes"]))
    since = standalone.ssh(node, "date +%s").strip()
    time.sleep(60)
    lines = [
        f"{entry['_SYSTEMD_UNIT']}: {entry['MESSAGE']}"
        for entry in journal(standalone, node, f"--since=@{since}")
        if str(entry.get("_SYSTEMD_UNIT", "")).startswith(("ozone-", "haproxy"))
    ]
    assert len(lines) <= 20, "\n".join(lines)
    assert not [
        line for line in lines if re.search(r'"(GET|HEAD) /(healthcheck|vnc_lite.html)?[ "]|generated \d+ bytes', line)
    ]


def test_only_errors_have_the_priority_of_errors(standalone: Cloud) -> None:
    node = next(iter(standalone.original["nodes"]))
    entries = journal(standalone, node, "--boot", "-u", "'ozone-*'")
    level = re.compile(r"(?:^|[\d.] \d+ )(DEBUG|INFO|WARNING) [a-z_.]+ \[")
    logged = {found[1]: entry for entry in entries if (found := level.search(str(entry["MESSAGE"])))}
    assert {"INFO", "WARNING"} <= set(logged), "the services write to the journal"
    errors = [entry for entry in entries if int(entry["PRIORITY"]) <= 3]
    assert not [str(entry["MESSAGE"]) for entry in errors if level.search(str(entry["MESSAGE"]))]
    assert not [
        str(entry["MESSAGE"]) for entry in errors if re.search(r"uWSGI|spawned|^WSGI app", str(entry["MESSAGE"]))
    ]
    own = {entry["LOGGER_LEVEL"]: entry["PRIORITY"] for entry in entries if "LOGGER_LEVEL" in entry}
    assert own | {"INFO": "6", "WARNING": "4"} == own
    units = {entry["_SYSTEMD_UNIT"] for entry in entries if "LOGGER_LEVEL" in entry}
    names = ("neutron_api", "neutron_rpc_server", "nova_api", "nova_compute", "nova_conductor", "nova_scheduler")
    assert {f"ozone-{name}.service" for name in names} <= units, "of the unit that runs the container"


def test_a_request_is_logged_once_and_its_id_is_a_field(standalone: Cloud) -> None:
    node = next(iter(standalone.original["nodes"]))
    variables = standalone.variables(node)
    urls = variables["ozone_cloud"]["front_ends"]
    vip = variables["ozone_cloud"]["vips"]["api_internal"]
    marks = {name: uuid.uuid4().hex for name in APIS}
    asked: list[tuple[str, dict[str, Any] | None]] = [
        (f"https://{vip}:{urls[name]['port']}/?mark={mark}", None) for name, mark in marks.items()
    ]
    user = {"name": "admin", "domain": {"id": "default"}, "password": "wrong"}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    *ids, refused = ask(
        standalone, node, [*asked, (f"https://{vip}:{urls['keystone_api']['port']}/v3/auth/tokens", login)]
    )
    assert refused.startswith("req-")
    time.sleep(2)
    recent = journal(standalone, node, "--since=-120s")
    for (name, mark), request in zip(marks.items(), ids, strict=True):
        lines = [entry for entry in recent if mark in str(entry["MESSAGE"]) and "sshd" not in str(entry.get("_COMM"))]
        assert [entry["_SYSTEMD_UNIT"] for entry in lines] == ["haproxy.service"], f"{name}: {lines}"
        assert request in str(lines[0]["MESSAGE"])
        assert variables["ansible_host"] in str(lines[0]["MESSAGE"]), "the address of the client"
    entries = journal(standalone, node, f"REQUEST_ID={refused}")
    assert {(entry["_SYSTEMD_UNIT"], entry["PRIORITY"]) for entry in entries} == {("ozone-keystone_api.service", "4")}
    assert [
        entry
        for entry in recent
        if entry.get("_SYSTEMD_UNIT") == "haproxy.service" and refused in str(entry["MESSAGE"])
    ]


def test_what_fails_before_the_log_is_set_up_is_an_error_in_the_journal(standalone: Cloud) -> None:
    """The module does not exist: only the standard error of Python tells of it."""
    node = next(iter(standalone.original["nodes"]))
    since = standalone.ssh(node, "date +%s").strip()
    text = standalone.ssh(node, "podman exec placement_api cat /etc/placement/uwsgi.ini")
    broken = text.replace("placement.wsgi.api", "no_such_module")
    assert broken != text
    standalone.override("placement", files={"uwsgi.ini": {"content": broken}})
    try:
        result = standalone.run("deploy", "-e", "{ozone_only: [placement]}")
    finally:
        standalone.restore()
    assert result.code != 0
    assert "No module named" in result.output
    failures = journal(standalone, node, f"--since=@{since}", "-p", "err", "-u", "ozone-placement_api.service")
    assert [entry for entry in failures if "no_such_module" in str(entry["MESSAGE"])]
    assert standalone.run("validate").code == 0


def test_a_file_edited_by_hand_is_reported_and_put_back(standalone: Cloud) -> None:
    node = next(iter(standalone.original["nodes"]))
    standalone.ssh(node, "echo '# by hand' >> /etc/memcached.conf")
    result = standalone.run("validate")
    assert result.code != 0
    assert "/etc/memcached.conf" in result.output
    assert standalone.run("deploy").code == 0
    assert "by hand" not in standalone.ssh(node, "cat /etc/memcached.conf")
    assert standalone.run("validate").code == 0
