# SPDX-License-Identifier: Apache-2.0
"""The undercloud: its configuration out of the cloud, its certificates, and the check that runs on its node."""

from __future__ import annotations

import base64
import http.server
import json
import sqlite3
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import bcrypt
import pytest

from ansible_collections.ozone.openstack.plugins.module_utils import derived
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context, DeclarationError
from ansible_collections.ozone.openstack.plugins.module_utils.pki import Pki, Wanted
from ansible_collections.ozone.openstack.plugins.module_utils.services import (
    BUILDERS,
    ironic,
    ironic_check,
    ironic_schema,
)
from ansible_collections.ozone.openstack.plugins.module_utils.services.certificates import certificates


def node(number: int, site: str = "main") -> dict[str, Any]:
    return {"name": f"u{number}", "site": site, "addresses": {"provisioning": f"198.18.32.1{number}"}}


def cloud(*nodes: dict[str, Any], mariadb: bool = False) -> dict[str, Any]:
    members = {"ironic": {"main": list(nodes)}, **({"mariadb": {"main": list(nodes)}} if mariadb else {})}
    return {
        "domain": "ozone.test",
        "release": "2026.1",
        "services": list(members),
        "traffic": {"provisioning": "provisioning"},
        "members": members,
        "vips": {},
        "front_ends": {},
    }


@pytest.fixture
def context() -> Context:
    return Context(cloud(node(1)), node(1), {}, lambda name: f"secret-of-{name}", lambda name: f"{name}\n")


def test_one_node_needs_nothing_else() -> None:
    found = ironic.site(node(1), cloud(node(1)), "embedded", {}, False)
    assert (found["url"], found["store"]) == ("https://198.18.32.11:6385", "https://198.18.32.11:8089")
    options = found["options"]
    assert options["DEFAULT"]["rpc_transport"] == "none"
    assert options["DEFAULT"]["host"] == "u1"
    assert options["api"]["host_ip"] == "127.0.0.1"  # nginx ends TLS in front of it
    assert options["database"]["connection"].startswith("sqlite:////var/lib/ironic/")
    assert "json_rpc" not in options
    assert options["conductor"]["conductor_group"] == ""
    assert "external_http_url" not in options["deploy"]


def test_nothing_fake_and_nothing_over_the_network() -> None:
    options = ironic.site(node(1), cloud(node(1)), "embedded", {}, False)["options"]["DEFAULT"]
    enabled = {name for key, names in options.items() if key.startswith("enabled_") for name in names}
    assert not [name for name in enabled if "fake" in name or "pxe" in name]


def test_further_interfaces_come_after_ours() -> None:
    more = {"boot": ["fake", "redfish-virtual-media"], "power": ["fake", "redfish"]}
    options = ironic.site(node(1), cloud(node(1)), "embedded", more, False)["options"]["DEFAULT"]
    assert options["enabled_boot_interfaces"] == ["redfish-virtual-media", "fake"]
    assert options["enabled_power_interfaces"] == ["fake", "redfish"]
    assert options["default_inspect_interface"] == "agent"


def test_several_conductors_talk_over_tls_in_the_groups_of_their_sites() -> None:
    nodes = (node(1, "east"), node(2, "west"))
    here = {**cloud(*nodes, mariadb=True), "conductor_groups": {"east": "", "west": "edge"}}
    options = ironic.site(nodes[1], here, "mariadb", {}, False)["options"]
    assert options["DEFAULT"]["rpc_transport"] == "json-rpc"
    assert options["DEFAULT"]["host"] == "198.18.32.12"  # how the other one reaches it
    assert options["json_rpc"]["use_ssl"] is options["json_rpc"]["client_use_ssl"] is True
    assert options["conductor"]["conductor_group"] == "edge"
    assert "database" not in options


def test_the_check_knows_the_name_of_the_conductor(context: Context) -> None:
    assert json.loads(ironic.check_access(context, ["redfish"], "embedded"))["conductor"] == "u1"
    several = replace(context, cloud=cloud(node(1), node(2), mariadb=True))
    assert json.loads(ironic.check_access(several, ["redfish"], "mariadb"))["conductor"] == "198.18.32.11:18089"


@pytest.mark.parametrize(
    ("here", "database", "text"),
    [
        (cloud(node(1), node(2)), "embedded", "2 nodes run ironic, and the embedded database serves one"),
        (cloud(node(1)), "mariadb", "no node runs mariadb"),
        ({**cloud(node(1), node(2), mariadb=True), "release": "2025.1"}, "mariadb", "several nodes with ironic need"),
        (
            {
                **cloud(node(1)),
                "conductor_groups": {"main": "", "edge": "edge"},
                "nodes": [{"site": "edge", "managed": True}, {"site": "main", "managed": False}],
            },
            "embedded",
            "sites.edge: no conductor of group 'edge' serves its machines",
        ),
    ],
)
def test_what_does_not_fit(here: dict[str, Any], database: str, text: str) -> None:
    with pytest.raises(DeclarationError, match=text):
        ironic.site(node(1), here, database, {}, False)


def test_plain_virtual_media_only_when_asked(context: Context) -> None:
    options = ironic.site(node(1), cloud(node(1)), "embedded", {}, True)["options"]
    assert options["deploy"]["external_http_url"] == "http://198.18.32.11:8088"
    assert "listen 198.18.32.11:8088;" in ironic.proxy(context, plain_media=True)
    text = ironic.proxy(context)
    assert "8088" not in text
    listens = [line.strip() for line in text.splitlines() if "listen" in line]
    assert listens == ["listen 198.18.32.11:6385 ssl;", "listen 198.18.32.11:8089 ssl;"]
    assert text.count("{") == text.count("}")


def test_virtual_media_are_for_bmcs_alone_where_they_are_named(context: Context) -> None:
    text = ironic.proxy(context, plain_media=True, media_from=["198.18.40.7", "198.18.41.0/24", "2001:db8::/64"])
    media = [line for line in text.splitlines() if "location /redfish/" in line]
    words = "allow 198.18.40.7/32; allow 198.18.41.0/24; allow 2001:db8::/64; deny all;"
    assert len(media) == 2
    assert all(words in line for line in media)
    assert text.count(words) == 2, "the ramdisk's system and the golden images are for the machines"
    assert "allow" not in ironic.proxy(context)
    with pytest.raises(DeclarationError, match=r"ironic_virtual_media_clients: .*bmc1.*\n.*198\.18\.41\.7/24"):
        ironic.proxy(context, media_from=["bmc1", "198.18.41.7/24"])


def test_only_hashes_are_in_the_account_files(context: Context) -> None:
    line = ironic.users(context).strip()
    user, _, text = line.partition(":")
    assert user == "ozone"
    assert bcrypt.checkpw(b"secret-of-ironic_api_password", text.encode())
    assert "secret-of" not in ironic.users(context, rpc=True)
    assert ironic.users(context, rpc=True) != ironic.users(context)


def test_a_hash_is_the_same_in_every_run() -> None:
    first = derived.bcrypt_hash("password", "alice")
    derived.bcrypt_hash.cache_clear()
    assert derived.bcrypt_hash("password", "alice") == first
    assert derived.bcrypt_hash("password", "bob") != first


def test_builders_make_whole_lines(context: Context) -> None:
    for name, builder in BUILDERS.items():
        if name.startswith("ironic") and name != "ironic_check_access":
            text = builder(context)
            assert text.endswith("\n")
            assert "secret-of" not in text


def test_certificates_of_the_services_that_are_there() -> None:
    assert certificates({"services": ["node"]}) == {}
    assert certificates(cloud(node(1), node(2))) == {
        "ironic": {"ip": ["198.18.32.11", "198.18.32.12"], "dns": ["u1.ozone.test", "u2.ozone.test"]}
    }
    both = {"services": ["haproxy"], "vips": {"api_internal": "198.18.0.5", "api_public": "198.18.0.5"}, "domain": "d"}
    assert certificates(both) == {"haproxy": {"ip": ["198.18.0.5"], "dns": ["d"], "front_end": True}}


# --- the check -----------------------------------------------------------------------------------------------------


class FakeIronic(http.server.BaseHTTPRequestHandler):
    """Answers as Ironic does; ``answers`` says what to what, ``login`` whether one is needed."""

    status = 200
    answers: ClassVar[dict[str, Any]] = {}
    login = True

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        wanted = "Basic " + base64.b64encode(b"ozone:word").decode()
        if self.status == 200 and path != "/" and self.login and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.end_headers()
            return
        answer = self.answers.get(path, {})
        body = json.dumps(answer).encode()
        self.send_response(answer if isinstance(answer, int) else self.status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What ironic_check needs to know of a running FakeIronic."""
    pki = Pki(tmp_path / "pki", NoVault(), "test")
    pki.ensure([Wanted("ironic", ("localhost",), ("127.0.0.1",))])
    pair = pki.read("ironic")
    assert pair is not None
    (tmp_path / "tls.pem").write_text(pair.certificate + pair.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "tls.pem")
    handler = type("Handler", (FakeIronic,), {})
    handler.answers = {
        "/v1/conductors": {"conductors": [{"hostname": "u1", "alive": True}, {"hostname": "u2", "alive": False}]},
        "/v1/drivers": {"drivers": [{"name": "redfish"}]},
    }
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"https://127.0.0.1:{server.server_address[1]}"
    yield {
        "url": address,
        "store": address,
        "user": "ozone",
        "password": "word",
        "cafile": str(tmp_path / "pki" / "ca.pem"),
        "conductor": "u1",
        "heartbeats": True,
        "hardware_types": ["redfish"],
        "handler": handler,
    }
    server.shutdown()
    server.server_close()


class NoVault:
    """Keys in clear."""

    def encrypt(self, text: str) -> bytes:
        return text.encode()

    def decrypt(self, data: bytes, path: Path) -> str:
        return data.decode()


def test_the_check_of_an_ironic_that_works(fake: dict[str, Any], tmp_path: Path) -> None:
    handler = fake.pop("handler")
    assert handler.login
    (tmp_path / "check.json").write_text(json.dumps(fake))
    argv = [sys.executable, "-I", ironic_check.__file__, str(tmp_path / "check.json")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"password": "other"}, "status 401 with the login of ozone"),
        ({"conductor": "u2"}, "the conductor u2 is not alive (alive: u1)"),
        ({"hardware_types": ["redfish", "idrac"]}, "no conductor serves the hardware types idrac"),
        ({"cafile": "/dev/null"}, ""),
    ],
)
def test_the_check_says_what_is_wrong(
    fake: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], text: str
) -> None:
    fake.pop("handler")
    path = tmp_path / "check.json"
    path.write_text(json.dumps({**fake, **change}))
    assert ironic_check.main(str(path)) == 1
    shown = capsys.readouterr().err
    assert text in shown
    assert "word" not in shown.replace("password", "")


def test_without_heartbeats_a_conductor_has_to_be_known_and_to_answer(fake: dict[str, Any]) -> None:
    """As with the embedded database, where Ironic notes the time once, when it starts."""
    handler = fake.pop("handler")
    fake |= {"conductor": "u2", "heartbeats": False}
    assert ironic_check.problems(fake) == []
    assert "u3 is not alive" in ironic_check.problems({**fake, "conductor": "u3"})[0]
    handler.answers["/v1/drivers/redfish/properties"] = 500
    assert ironic_check.problems(fake) == ["no conductor answers about the hardware type redfish: status 500"]


def test_the_check_finds_an_api_without_a_login(fake: dict[str, Any]) -> None:
    fake.pop("handler").login = False
    assert [problem for problem in ironic_check.problems(fake) if "does not ask for a login" in problem]


def test_the_check_of_an_ironic_that_is_gone(fake: dict[str, Any]) -> None:
    fake.pop("handler").status = 502
    assert ironic_check.problems(fake) == [f"{fake['url']}: status 502"]


# --- the schema ----------------------------------------------------------------------------------------------------


class FakeDbsync:
    """``ironic-dbsync`` of a release whose schema is ``head``."""

    def __init__(self, head: str, fails_on: str = "") -> None:
        self.head = head
        self.fails_on = fails_on
        self.calls: list[str] = []

    def __call__(self, command: str, *configs: str) -> str:
        parser = ironic_schema.configparser.ConfigParser(interpolation=None, strict=False)
        parser.read(configs, encoding="utf-8")
        path = parser.get("database", "connection").removeprefix("sqlite:///").partition("?")[0]
        self.calls.append(f"{command} {Path(path).name}")
        with sqlite3.connect(path) as database:
            if command == "version":
                row = database.execute("SELECT name FROM sqlite_master WHERE name LIKE 'v_%'").fetchone()
                return str(row[0][2:]) if row else "None"
            database.execute("DROP TABLE IF EXISTS v_1")
            if self.fails_on and self.fails_on in path:
                sys.exit("it cannot be done")
            database.execute(f"CREATE TABLE IF NOT EXISTS v_{self.head} (x)")
        return ""


@pytest.fixture
def ironic_conf(tmp_path: Path) -> Path:
    path = tmp_path / "ironic.conf"
    path.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/ironic.sqlite?timeout=60\n")
    return path


def test_an_empty_database_gets_the_schema(ironic_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dbsync = FakeDbsync("1")
    monkeypatch.setattr(ironic_schema, "dbsync", dbsync)
    ironic_schema.main(str(ironic_conf))
    assert dbsync.calls == ["version ironic.sqlite", "create_schema ironic.sqlite"]
    ironic_schema.main(str(ironic_conf))  # the same release again: only a copy is looked at
    assert dbsync.calls[-2:] == ["upgrade trial.sqlite", "version trial.sqlite"]
    assert {path.name for path in ironic_conf.parent.glob("*.sqlite*")} <= {
        f"ironic.sqlite{end}" for end in ("", "-wal", "-shm")
    }
    with sqlite3.connect(ironic_conf.parent / "ironic.sqlite") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_migration_is_tried_on_a_copy(ironic_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ironic_schema, "dbsync", FakeDbsync("1"))
    ironic_schema.main(str(ironic_conf))
    before = (ironic_conf.parent / "ironic.sqlite").read_bytes()
    monkeypatch.setattr(ironic_schema, "dbsync", FakeDbsync("2", fails_on="trial"))
    with pytest.raises(SystemExit, match="cannot be done"):
        ironic_schema.main(str(ironic_conf))
    assert (ironic_conf.parent / "ironic.sqlite").read_bytes() == before
    dbsync = FakeDbsync("2")
    monkeypatch.setattr(ironic_schema, "dbsync", dbsync)
    ironic_schema.main(str(ironic_conf))
    assert dbsync.calls[-1] == "upgrade ironic.sqlite"
    assert dbsync("version", str(ironic_conf)) == "2"
    with sqlite3.connect(ironic_conf.parent / "ironic.sqlite.1") as kept:
        assert kept.execute("SELECT name FROM sqlite_master").fetchone() == ("v_1",)


def test_a_database_server_is_migrated_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def dbsync(command: str, *_configs: str) -> str:
        calls.append(command)
        return "1"

    (tmp_path / "ironic.conf").write_text("[database]\nconnection = mysql+pymysql://a:b%%@198.18.0.1/ironic\n")
    monkeypatch.setattr(ironic_schema, "dbsync", dbsync)
    ironic_schema.main(str(tmp_path / "ironic.conf"))
    assert calls == ["version", "upgrade"]


def test_a_database_without_a_load_balancer() -> None:
    here = {**cloud(node(1), mariadb=True), "front_ends": {"mariadb": {"port": 3306}}}
    here["traffic"] = {"provisioning": "provisioning", "database": "provisioning"}
    connected = {**node(1), "interfaces": {}, "services": {}}
    found = Context(here, connected, {}, lambda name: "", lambda name: "").variables()
    assert (found["url"], found["auth_url"], found["database_address"]) == ({}, "", "198.18.32.11")


def test_the_address_of_a_node_that_is_not_connected(context: Context) -> None:
    lonely = replace(context, node={"name": "u9", "addresses": {}})
    with pytest.raises(DeclarationError, match="node u9 has no address on network provisioning"):
        ironic.proxy(lonely)
    with pytest.raises(DeclarationError, match="node u9 has no address on network provisioning"):
        ironic.url(context.cloud, lonely.node)
