# SPDX-License-Identifier: Apache-2.0
"""Ironic's API over openstacksdk: against a small web server, and what its answers mean."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from keystoneauth1 import exceptions

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import client
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import Answer, BaremetalError, Request
from ansible_collections.ozone.openstack.plugins.module_utils.sdk import Access


class Server(ThreadingHTTPServer):
    """Answers with what it is told, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        assert isinstance(self.server, Server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), json.loads(body or b"null")))
        status, text = self.server.answers.get(self.path, (200, b"{}"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


def reach(tmp_path: Path, endpoint: str) -> client.Client:
    auth = {"endpoint": endpoint, "username": "ozone", "password": "a-password"}
    file = tmp_path / "clouds.yaml"
    file.write_text(yaml.safe_dump({"clouds": {"ozone-undercloud": {"auth_type": "http_basic", "auth": auth}}}))
    return client.connected(Access("ozone-undercloud", str(file)))


def test_a_request_has_version_and_login(server: Server, tmp_path: Path) -> None:
    api = reach(tmp_path, f"http://127.0.0.1:{server.server_port}/v1/")
    server.answers["/v1/nodes/x"] = (200, b'{"uuid": "x"}')
    assert api.request(Request("GET", "/v1/nodes/x")) == Answer(200, {"uuid": "x"})
    server.answers["/v1/nodes/x/states/provision"] = (202, b"")
    assert api.request(Request("PUT", "/v1/nodes/x/states/provision", {"target": "manage"})) == Answer(202)
    assert api.count == len(server.asked) == 2
    assert api.password == "a-password"
    method, _, headers, body = server.asked[1]
    assert (method, body) == ("PUT", {"target": "manage"})
    assert headers["X-OpenStack-Ironic-API-Version"] == "1.95"
    assert headers["Authorization"].startswith("Basic ")


def test_errors_are_answers(server: Server, tmp_path: Path) -> None:
    api = reach(tmp_path, f"http://127.0.0.1:{server.server_port}")
    server.answers["/v1/a"] = (
        409,
        json.dumps({"error_message": '{"faultstring": "Node is locked by host c"}'}).encode(),
    )
    server.answers["/v1/b"] = (503, b"<html>busy</html>")
    server.answers["/v1/c"] = (403, b'{"error_message": "Node x is protected and cannot be undeployed"}')
    locked = api.request(Request("GET", "/v1/a"))
    assert client.message(locked) == "Node is locked by host c"
    assert client.locked(locked)
    assert client.passing(locked)
    busy = api.request(Request("GET", "/v1/b"))
    assert client.message(busy) == "<html>busy</html>"
    assert client.passing(busy)
    assert not client.locked(busy)
    refused = api.request(Request("GET", "/v1/c"))
    assert refused.status == 403
    assert not client.passing(refused)


@pytest.mark.parametrize(
    ("status", "words"), [(401, "login is refused"), (403, "login is refused"), (406, "does not know version 1.95")]
)
def test_what_waiting_does_not_help(server: Server, tmp_path: Path, status: int, words: str) -> None:
    api = reach(tmp_path, f"http://127.0.0.1:{server.server_port}")
    server.answers["/v1/nodes"] = (status, b"{}")
    with pytest.raises(BaremetalError, match=words):
        api.request(Request("GET", "/v1/nodes"))


@pytest.mark.parametrize("status", [502, 504])
def test_what_a_proxy_says_is_no_answer(server: Server, tmp_path: Path, status: int) -> None:
    """Ironic may have done it: what makes something must not be asked for again as if it had not."""
    api = reach(tmp_path, f"http://127.0.0.1:{server.server_port}")
    server.answers["/v1/nodes"] = (status, b"<html>bad gateway</html>")
    with pytest.raises(ConnectionError, match=str(status)):
        client.Patient(api, 20, sleep=lambda _: None).request(Request("POST", "/v1/nodes", {"name": "x"}))
    assert len(server.asked) == 1


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:9"):
        reach(tmp_path, "http://127.0.0.1:9").request(Request("GET", "/v1/nodes"))


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (exceptions.SSLError("bad"), BaremetalError, "certificate is not trusted"),
        (exceptions.SSLError("certificate verify failed: closed"), BaremetalError, "certificate is not trusted"),
        (exceptions.SSLError("SSLEOFError(8, 'EOF occurred in violation of protocol')"), ConnectionError, "EOF"),
        (exceptions.Unauthorized("no"), BaremetalError, "login is refused"),
        (exceptions.ConnectTimeout("slow"), ConnectionError, "slow"),
    ],
)
def test_errors_of_the_library(tmp_path: Path, error: Exception, kind: type[Exception], words: str) -> None:
    api = reach(tmp_path, "http://127.0.0.1:9")

    def request(*_: Any, **__: Any) -> None:
        raise error

    api.session.request = request
    with pytest.raises(kind, match=words):
        api.request(Request("GET", "/v1/nodes"))


def connection(endpoint: Any = None, override: Any = None, found: Any = None) -> Any:
    def get_endpoint(**_: Any) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    return SimpleNamespace(
        config=SimpleNamespace(
            get_auth_args=lambda: {"endpoint": endpoint} if endpoint else {},
            get_endpoint=lambda service: override,
            get_interface=lambda service: None,
        ),
        session=SimpleNamespace(get_endpoint=get_endpoint, session=SimpleNamespace(mount=lambda *_: None)),
    )


def test_where_ironic_is() -> None:
    assert client.Client(connection("https://a:6385/v1")).url == "https://a:6385"
    assert client.Client(connection(override="https://b")).url == "https://b"
    assert client.Client(connection(found="https://c/")).url == "https://c"
    with pytest.raises(BaremetalError, match="no baremetal service"):
        client.Client(connection())
    with pytest.raises(BaremetalError, match="no way to Ironic: nothing"):
        client.Client(connection(found=ValueError("nothing")))


def test_messages() -> None:
    assert client.message(Answer(500)) == "status 500"
    assert client.message(Answer(500, {})) == "status 500"
    assert client.message(Answer(500, {"error_message": {"faultstring": " a "}})) == "a"
    assert client.message(Answer(500, {"error_message": "{no json"})) == "{no json"
    assert client.message(Answer(500, {"error": {"message": "b"}})) == "b"


class Script:
    """An Api that answers what it was told, one after the other."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []

    def request(self, request: Request) -> Answer:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now


LOCKED = Answer(409, {"error_message": "Node x is locked by host y"})


def patient(script: Script) -> tuple[client.Patient, Time]:
    time = Time()
    return client.Patient(script, 20, 1, time.sleep, time.clock), time


def test_patience_helps() -> None:
    script = Script(LOCKED, ConnectionError("x"), Answer(503), Answer(200))
    asked, time = patient(script)
    assert asked.request(Request("GET", "/")).status == 200
    assert time.now == 1 + 2 + 4


def test_patience_ends() -> None:
    asked, time = patient(Script(*[LOCKED] * 20))
    assert asked.request(Request("PUT", "/")) == LOCKED
    assert time.now <= 20
    asked, time = patient(Script(*[ConnectionError("x")] * 20))
    with pytest.raises(ConnectionError):
        asked.request(Request("GET", "/"))
    assert time.now <= 20
    asked, time = patient(Script(Answer(400)))
    assert asked.request(Request("PUT", "/")).status == 400


def test_what_may_have_been_made_is_not_made_twice() -> None:
    asked, time = patient(Script(ConnectionError("x"), Answer(201)))
    with pytest.raises(ConnectionError):
        asked.request(Request("POST", "/"))
    assert time.now == 0


def test_lists_have_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(*ids: str, more: bool = False) -> Answer:
        return Answer(200, {"nodes": [{"uuid": uuid} for uuid in ids], **({"next": "..."} if more else {})})

    script = Script(page("a", "b", more=True), page("c"))
    assert [node["uuid"] for node in client.states(script)] == ["a", "b", "c"]
    assert script.asked[0].path.startswith("/v1/nodes?fields=uuid,")
    assert script.asked[1].path.endswith("&limit=1000&marker=b")
    assert client.nodes(Script(Answer(200, {"nodes": []}))) == []
    script = Script(page("a"), Answer(200, {"ports": [{"uuid": "p"}]}), Answer(200, {"portgroups": []}))
    assert client.lists(script) == ([{"uuid": "a"}], [{"uuid": "p"}], [])
    with pytest.raises(ConnectionError, match="busy"):
        client.nodes(Script(Answer(503, {"message": "busy"})))
    with pytest.raises(ConnectionError, match="database"):
        client.nodes(Script(Answer(500, {"message": "database is locked"})))
    with pytest.raises(ConnectionError, match="not be found"):
        client.nodes(Script(page("a", more=True), Answer(404, {"message": "Node a could not be found"})))
    with pytest.raises(BaremetalError, match="no"):
        client.nodes(Script(Answer(400, {"message": "no"})))
    with pytest.raises(BaremetalError, match="status 200"):
        client.nodes(Script(Answer(200, [])))
    monkeypatch.setattr(client, "MOST_PAGES", 3)
    with pytest.raises(BaremetalError, match="no end"):
        client.nodes(Script(*[page("a", more=True)] * 4))
