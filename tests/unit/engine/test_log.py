# SPDX-License-Identifier: Apache-2.0
"""What the services log arrives in the journal with priority and request id; what fails before that is an error."""

from __future__ import annotations

import logging
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import _options, handlers
from oslo_log import log as oslo_log

from ansible_collections.ozone.openstack.plugins.module_utils.generation import oneshot, oslo
from ansible_collections.ozone.openstack.plugins.module_utils.generation.quadlet import (
    JOURNAL,
    PROBLEMS,
    QuadletSpec,
    render_quadlet,
    render_uwsgi,
    uwsgi_argv,
)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What oslo.log sends to the journal, by a binding that only keeps it."""
    found: list[dict[str, Any]] = []
    module = types.ModuleType("journal")
    module.send = lambda message, **fields: found.append({"MESSAGE": message, **fields})  # type: ignore[attr-defined]
    monkeypatch.setattr(handlers, "journal", module)
    root, hook = logging.getLogger(), sys.excepthook
    before, level = list(root.handlers), root.level
    yield found
    root.handlers[:] = before
    root.setLevel(level)
    sys.excepthook = hook


def start(path: Path, levels: dict[str, str]) -> cfg.ConfigOpts:
    """Logging as a service sets it up from its configuration file."""
    path.write_text(oslo.render_ini({"DEFAULT": oslo.log_section(levels)}))
    conf = cfg.ConfigOpts()
    oslo_log.register_options(conf)
    conf(["--config-file", str(path)], project="nova")
    oslo_log.setup(conf, "nova")
    return conf


def test_priority_and_request_id_are_fields(
    sent: list[dict[str, Any]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start(tmp_path / "nova.conf", {})
    request = oslo_context.RequestContext(request_id="req-7", user_id="u1", project_id="p1")
    log = oslo_log.getLogger("nova.compute.manager")
    log.info("Took %s seconds", 3, context=request)
    log.warning("Slow")
    try:
        raise ValueError("no disk")
    except ValueError:
        log.exception("Build failed", context=request)
    info, warning, error = sent
    assert (info["PRIORITY"], info["REQUEST_ID"], info["PROJECT_ID"]) == (6, "req-7", "p1")
    assert re.fullmatch(r"INFO nova.compute.manager \[None req-7 u1 p1.*\] Took 3 seconds", info["MESSAGE"])
    assert warning["PRIORITY"] == 4
    assert "REQUEST_ID" not in warning or warning["REQUEST_ID"] == "req-7"
    assert (error["PRIORITY"], error["REQUEST_ID"]) == (3, "req-7")
    assert "\nTraceback (most recent call last):\n" in error["MESSAGE"]
    assert error["MESSAGE"].rstrip().endswith("\nValueError: no disk")
    assert capfd.readouterr() == ("", ""), "nothing a second time, by standard error"


def test_levels_are_added_to_those_of_oslo_log(sent: list[dict[str, Any]], tmp_path: Path) -> None:
    assert set(_options.DEFAULT_LOG_LEVELS) <= {f"{name}={level}" for name, level in oslo.LOG_LEVELS.items()}
    start(tmp_path / "nova.conf", {"nova.api.openstack.requestlog": "WARN", "oslo_policy": "WARN"})
    logging.getLogger("nova.api.openstack.requestlog").info('198.18.0.1 "GET /" status: 200')
    logging.getLogger("sqlalchemy").info("BEGIN")
    logging.getLogger("nova.compute").info("kept")
    assert [line["MESSAGE"].split("] ")[1] for line in sent] == ["kept"]
    assert logging.getLogger("oslo_policy").level == logging.WARNING
    assert "default_log_levels" not in oslo.log_section({})


def test_a_command_speaks_to_the_one_who_started_it(
    sent: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, setting = oneshot.SPEAK[1].partition("OS_")
    assert setting == "DEFAULT__USE_JOURNAL=false"
    monkeypatch.setenv(*oneshot.SPEAK[1].split("=", 1))
    assert start(tmp_path / "nova.conf", {}).use_journal is False
    oslo_log.getLogger("nova").error("no database")
    assert sent == []


def test_containers_reach_the_journal_without_more_rights() -> None:
    text = render_quadlet(QuadletSpec(name="api", service="nova", image="i", argv=["x"], mount="/etc/nova"))
    assert f"Volume={JOURNAL}:{JOURNAL}:ro" in text
    assert {"DropCapability=all", "ReadOnly=true", "LogDriver=journald"} <= set(text.splitlines())


def uwsgi() -> dict[str, str]:
    text = render_uwsgi("nova.wsgi:application", "198.18.0.1", 18774, 1, 4)
    return dict(line.split(" = ", 1) for line in text.splitlines()[1:])


def test_uwsgi_logs_no_request_and_no_client_that_went_away() -> None:
    options = uwsgi()
    for name in ("disable-logging", "ignore-sigpipe", "ignore-write-errors", "disable-write-exception", "log-master"):
        assert options[name] == "true"
    assert not re.search(r"%|\$\(|;", options["log-route"]), "uWSGI would expand these"


def test_what_uwsgi_reports_has_the_priority_info_and_failures_are_errors() -> None:
    """3 * 8 + 3 is daemon.err (RFC 5424, 6.2.1); podman takes standard output for info."""
    options = uwsgi()
    assert options["logger"] == f"problem rsyslog:{JOURNAL}/dev-log,uwsgi,27"
    assert options["log-route"] == f"problem {PROBLEMS}"
    assert uwsgi_argv("/etc/nova/uwsgi.ini") == ["sh", "-c", "exec pyuwsgi --ini /etc/nova/uwsgi.ini 2>&1"]


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        '  File "/opt/ozone/lib/python3.11/site-packages/nova/wsgi/osapi_compute.py", line 14, in <module>',
        "    application = wsgi_app.init_application(wsgi_app.NAME)",
        "ModuleNotFoundError: No module named 'nova'",
        "KeyError",
        "oslo_config.cfg.ConfigFileValueError: Value for option processes from LocationInfo(...) is not valid",
        "stevedore.exception.NoMatches: No 'keystone.token.provider' driver found, looking for 'carrier-pigeon'",
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
        "unable to load app 0 (mountpoint='') (callable not found or import error)",
        "*** no app loaded. GAME OVER ***",
        "OOPS ! failed loading app in worker 1 (pid 24760)",
        "DAMN ! worker 1 (pid: 9) died, killed by signal 9 :( trying respawn ...",
        "!!! uWSGI process 12 got Segmentation Fault !!!",
        "bind(): Address already in use [core/socket.c line 769]",
        "Sun Nov 29 08:47:47 2026 - need-app requested, destroying the instance...",
        "*** uWSGI listen queue of socket \"198.18.0.1:18774\" (fd: 3) full !!! (101/100) ***",
    ],
)  # fmt: skip
def test_a_failure_is_a_problem(line: str) -> None:
    assert re.search(PROBLEMS, line)


#: Every line of a start and an end of uWSGI 2.0.30.
USUAL = """\
[uWSGI] getting INI configuration from /etc/nova/uwsgi.ini
*** Starting uWSGI 2.0.30 (64bit) on [Sun Nov 29 08:45:32 2026] ***
compiled with version: 14.2.1 20250110 (Red Hat 14.2.1-10) on 24 February 2026 19:10:01
os: Linux-6.18.44 #1 SMP PREEMPT_DYNAMIC @0
nodename: node1.standalone.ozone.test
machine: x86_64
clock source: unix
pcre jit disabled
detected number of CPU cores: 2
current working directory: /
detected binary path: /opt/ozone/bin/python3.11
your processes number limit is 96364
your memory page size is 4096 bytes
detected max file descriptor number: 20000
lock engine: pthread robust mutexes
thunder lock: enabled
uwsgi socket 0 bound to TCP address 198.18.0.1:18774 fd 3
Python version: 3.11.2 (main, Apr 28 2025, 14:11:48) [GCC 12.2.0]
--- Python VM already initialized ---
Python main interpreter initialized at 0xa840f8
python threads support enabled
your server socket listen backlog is limited to 100 connections
your mercy for graceful operations on workers is 60 seconds
mapped 145808 bytes (142 KB) for 1 cores
*** Operational MODE: single process ***
*** uWSGI is running in multiple interpreter mode ***
spawned uWSGI master process (pid: 1)
spawned uWSGI worker 1 (pid: 2, cores: 4)
WSGI app 0 (mountpoint='') ready in 3 seconds on interpreter 0xa840f8 pid: 2 (default app)
SIGINT/SIGTERM received...killing workers...
worker 1 buried after 1 seconds
goodbye to uWSGI.
gateway "uWSGI http 1" has been buried (pid: 7)
/opt/ozone/lib/python3.11/site-packages/x.py:3: DeprecationWarning: y is old
""".splitlines()


@pytest.mark.parametrize("line", USUAL)
def test_a_usual_line_is_no_problem(line: str) -> None:
    assert not re.search(PROBLEMS, line)
