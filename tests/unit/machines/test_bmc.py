# SPDX-License-Identifier: Apache-2.0
"""Whether BMCs answer, and what is not as cloud.yml says."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
import urllib.error
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils import bmc
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.machines import (
    bmcs,
    losses,
    shortcomings,
    untouched,
    unused_images,
)

ADDRESS = "https://198.18.32.1:8000"


def look(answer: bytes | Exception, address: str = ADDRESS) -> str:
    """What is said of a BMC that answers like this."""

    def get(url: str, context: ssl.SSLContext | None, seconds: float) -> bytes:
        assert url == f"{address}/redfish/v1/"
        assert (context is not None) == address.startswith("https:")
        if isinstance(answer, Exception):
            raise answer
        return answer

    return str(bmc.look({"name": "bm1", "address": address}, 10, get)["trouble"])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"Systems": {"@odata.id": "/redfish/v1/Systems"}}', ""),
        (b'{"hello": 1}', "answers, but not as Redfish"),
        (b"[]", "answers, but not as Redfish"),
        (b"<html>", "answers, but not as Redfish"),
        (urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")), "does not answer: [Errno 111]"),
        (urllib.error.HTTPError(ADDRESS, 503, "Busy", Message(), None), "answers with 503 Busy"),
        (TimeoutError("timed out"), "does not answer: timed out"),
    ],
)
def test_one(answer: bytes | Exception, words: str) -> None:
    assert look(answer).startswith(words)
    assert bool(look(answer)) == bool(words)


def test_without_tls() -> None:
    assert look(b'{"Systems": {}}', "http://198.18.32.1:8000") == ""


def test_certificates() -> None:
    assert bmc.trust(True).verify_mode == ssl.CERT_REQUIRED
    assert bmc.trust(False).verify_mode == ssl.CERT_NONE
    there = {"name": "bm1", "address": ADDRESS, "verify_ca": "/nowhere"}
    assert bmc.look(there, 10, lambda *arguments: b"")["trouble"].startswith("does not answer: [Errno 2] No such file")


class Root(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"Systems": {}}')

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[str]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Root)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def test_one_that_does_not_answer_delays_no_other(server: str) -> None:
    def slow(url: str, context: ssl.SSLContext | None, seconds: float) -> bytes:
        if "dead" in url:
            time.sleep(0.5)
            raise TimeoutError("timed out")
        return bmc.fetch(url, context, seconds)

    names = ["one", "dead1", "dead2", "two"]
    machines = [{"name": name, "address": server if "dead" not in name else f"http://{name}"} for name in names]
    started = time.monotonic()
    found = bmc.look_at_all(machines, 5, slow)
    assert time.monotonic() - started < 0.9
    assert [(one["name"], one["trouble"]) for one in found] == [
        ("one", ""),
        ("dead1", "does not answer: timed out"),
        ("dead2", "does not answer: timed out"),
        ("two", ""),
    ]
    assert bmc.look_at_all([], 5) == []


def machine(name: str = "bm1", **more: Any) -> dict[str, Any]:
    """A machine of cloud.yml."""
    info = {"redfish_address": ADDRESS, "redfish_verify_ca": False}
    return {"name": name, "managed": True, "provisioned": True, "node": {"driver_info": info}, **more}


def node(name: str = "bm1", **more: Any) -> dict[str, Any]:
    """A node of Ironic."""
    return {"name": name, "provision_state": "active", "power_state": "power on", "maintenance": False, **more}


def test_which_bmcs_are_asked() -> None:
    assert bmcs([machine(), machine("bm2", managed=False)]) == [{"name": "bm1", "address": ADDRESS, "verify_ca": False}]


def test_a_bmc_is_trusted_as_in_the_container_of_ironic() -> None:
    one = machine()
    for said, meant in ((True, "/etc/ozone/ca.pem"), ("/etc/ozone/bmc/ca.pem", "/etc/ozone/bmc/ca.pem")):
        one["node"]["driver_info"]["redfish_verify_ca"] = said
        assert [bmc["verify_ca"] for bmc in bmcs([one])] == [meant]


@pytest.mark.parametrize(
    ("one", "known", "trouble", "lines"),
    [
        (machine(), node(), "", []),
        (machine(managed=False), None, "x", []),
        (machine(), None, "", ["bm1: Ironic does not know it: enrol it (enrol.yml)"]),
        (machine(), node(), "does not answer: x", [f"bm1: its BMC {ADDRESS} does not answer: x"]),
        (
            machine(),
            node(provision_state="deploy failed", last_error="Timeout", power_state="power off"),
            "",
            ["bm1: is 'deploy failed' and not active: Timeout"],
        ),
        (
            machine(),
            node(provision_state="available", power_state="power off"),
            "",
            ["bm1: is 'available' and not active: provision it (provision.yml)"],
        ),
        (machine(), node(power_state="power off"), "", ["bm1: is switched off"]),
        (
            machine(),
            node(maintenance=True, maintenance_reason="fans"),
            "answers with 503 Busy",
            [f"bm1: its BMC {ADDRESS} answers with 503 Busy; is in maintenance: fans"],
        ),
        (machine(), node(maintenance=True), "", ["bm1: is in maintenance: nobody said why"]),
        (machine(provisioned=False), node(provision_state="available", power_state="power off"), "", []),
        (
            machine(provisioned=False),
            node(),
            "",
            ["bm1: still has its system, although it has left the cloud: take it off (unprovision.yml)"],
        ),
        (
            machine(provisioned=False),
            node(provision_state="clean failed", last_error="no disk"),
            "",
            ["bm1: is 'clean failed': no disk"],
        ),
    ],
)
def test_what_is_not_as_it_should_be(
    one: dict[str, Any], known: dict[str, Any] | None, trouble: str, lines: list[str]
) -> None:
    looks = [{"name": "bm1", "trouble": trouble}]
    assert shortcomings([one], [known] if known else [], looks) == lines


def test_images_that_nobody_needs() -> None:
    old, used, now = (f"debian-13-{digit * 12}.raw" for digit in "abc")
    rest = ["ramdisk.kernel", "mine.raw", "mine-abc.raw", "ramdisk.initramfs.sha256"]
    stored = [name + end for name in (now, used, old) for end in ("", ".sha256")] + rest
    nodes = [{"instance_info": {"image_source": f"https://198.18.32.10:8089/{used}"}}, {"instance_info": None}, {}]
    assert unused_images(stored, [now], nodes) == [old, f"{old}.sha256"]
    assert unused_images(stored, [now], []) == [old, f"{old}.sha256", used, f"{used}.sha256"]
    assert unused_images([now], [now], nodes) == []


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (None, "Ironic does not know the machine"),
        ({"provision_state": "enroll", "power_state": None}, "for Ironic it is 'enroll'"),
        ({"provision_state": "available", "power_state": "power on"}, "for Ironic it is 'available'"),
        ({"provision_state": "available", "power_state": "power off"}, ""),
        ({"provision_state": "active", "power_state": "power on"}, ""),
        ({"provision_state": "inspect wait", "power_state": "power on"}, ""),
        ({"provision_state": "deploying", "power_state": "power on"}, ""),
    ],
)
def test_machines_that_ironic_has_given_no_system(node: dict[str, Any] | None, said: str) -> None:
    known = [{"name": "bm1", "address": "198.18.32.11"}, {"name": "bm2", "address": "198.18.32.12"}]
    nodes = [] if node is None else [{"name": "bm1", **node}]
    assert untouched(known, ["bm1"], nodes) == ([("bm1", "198.18.32.11", said)] if said else [])


def test_what_was_allocated_is_nothing_that_left_the_cloud() -> None:
    given = node(allocation_uuid="u")
    looks = [{"name": "bm1", "trouble": ""}]
    assert shortcomings([machine(provisioned=False)], [given], looks) == []
    lost = machine(provisioned=False)
    lost["instance"] = {"preserve": []}
    lost["node"]["automated_clean"] = True
    (line,) = losses([lost], ["bm1"], [given], [])
    assert line.startswith("bm1: was given to a name of `allocations`")
