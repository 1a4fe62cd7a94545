# SPDX-License-Identifier: Apache-2.0
"""Whatever a secret is made of, it arrives: read back with the libraries that the services use."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import alembic.config
import oslo_messaging
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.url import url_to_parts
from oslo_config import cfg
from oslo_messaging._drivers import impl_rabbit
from pymysql.optionfile import Parser
from sqlalchemy.engine import make_url

from ansible_collections.ozone.openstack.plugins.module_utils.derived import mysql_hash
from ansible_collections.ozone.openstack.plugins.module_utils.generation import oslo
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context
from ansible_collections.ozone.openstack.plugins.module_utils.generation.render import render
from ansible_collections.ozone.openstack.plugins.module_utils.services import keystone, mariadb, rabbitmq

ODD = "$ \\\"'{}[]%@:/?#,;=&~!*()<>|`^.-_ aZ0éß密"
SECRETS = st.one_of(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=24),
    st.text(st.sampled_from(ODD), min_size=1, max_size=24),
)
META: dict[str, Any] = {
    "name": "nova",
    "image": "nova",
    "containers": {"nova_api": "main"},
    "config": {"nova.conf": ["nova_api"]},
}
DECLARATION: dict[str, Any] = {
    "config": {
        "nova.conf": {
            "databases": {"database": "nova"},
            "messaging": True,
            "authtoken": True,
            "clients": ["placement"],
            "options": {"neutron": {"metadata_proxy_shared_secret": ""}},
        }
    },
    "containers": {"nova_api": {"argv": ["nova-api"]}},
}


def context_of(make_context: Any, secret: str, members: int = 1) -> Context:
    context: Context = make_context(members=members, services={"nova": ["main"]})
    changed = {"images": {"nova": {"name": "localhost/ozone/nova:1", "id": "a" * 64}}, "secret": lambda name: secret}
    return Context(**{**context.__dict__, **changed})


def read_options(tmp_path: Path, text: str) -> cfg.ConfigOpts:
    (tmp_path / "nova.conf").write_text(text, encoding="utf-8")
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt("connection")], "database")
    conf.register_opts([cfg.StrOpt("password"), cfg.StrOpt("username")], "placement")
    conf.register_opts([cfg.StrOpt("password")], "keystone_authtoken")
    conf.register_opts([cfg.StrOpt("metadata_proxy_shared_secret")], "neutron")
    conf.register_opts([cfg.StrOpt("transport_url")])
    conf([], default_config_files=[str(tmp_path / "nova.conf")], default_config_dirs=[])
    return conf


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secrets")


def password_of_account(sql: str) -> str:
    """The hash of nova's account."""
    return next(line.split("'")[1] for line in sql.splitlines() if line.startswith("ALTER USER `nova`"))


@given(secret=SECRETS)
def test_a_service_reads_its_secrets(make_context: Any, place: Path, secret: str) -> None:
    declaration = json.loads(json.dumps(DECLARATION))
    declaration["config"]["nova.conf"]["options"]["neutron"]["metadata_proxy_shared_secret"] = secret
    context = context_of(make_context, secret, members=3)
    manifest, contents = render(META, declaration, context)
    conf = read_options(place, contents[manifest["containers"]["nova_api"]["files"][0]["sha256"]])
    assert conf.placement.password == conf.keystone_authtoken.password == secret
    assert conf.neutron.metadata_proxy_shared_secret == secret

    # MariaDB: what PyMySQL sends is what the account was made with.
    url = make_url(conf.database.connection)
    assert (url.username, url.database) == ("nova", "nova")
    sent = str(url.password).encode("latin-1")
    account = "*" + hashlib.sha1(hashlib.sha1(sent).digest()).hexdigest().upper()
    assert password_of_account(mariadb.accounts(context)) == account == mysql_hash(secret)

    # RabbitMQ: oslo.messaging parses the URL, and writes another one for kombu.
    transport = oslo_messaging.TransportURL.parse(cfg.ConfigOpts(), conf.transport_url)
    assert transport.virtual_host == "nova" and len(transport.hosts) == 3
    for host in transport.hosts:
        assert host.password == oslo.queue_password(secret)
        written = impl_rabbit.parse.quote(host.password)  # as in Connection.__init__
        parts = url_to_parts(f"amqp://nova:{written}@198.18.9.11:5672/nova")
        assert (parts.password, parts.hostname) == (oslo.queue_password(secret), "198.18.9.11")
    assert oslo.queue_password(secret) == secret or "/" in secret

    # Nova fills the templates of a cell's URLs from its own, without looking into the quoting.
    own = urlparse(conf.database.connection)
    cell = f"{own.scheme}://{own.username}:{own.password}@{own.hostname}:{own.port}/nova_cell0?{own.query}"  # fmt: skip
    assert make_url(cell).password == url.password

    # Alembic, as Glance and Nova hand the URL over.
    config = alembic.config.Config()
    config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))
    assert make_url(str(config.get_main_option("sqlalchemy.url"))).password == url.password


@given(secret=SECRETS)
def test_keystone_manage_reads_its_password(make_context: Any, place: Path, secret: str) -> None:
    context = context_of(make_context, secret)
    conf = read_options(place, keystone.manage_config(context))
    config = alembic.config.Config()
    config.set_main_option("sqlalchemy.url", conf.database.connection)  # as Keystone does it: a % would be refused
    url = make_url(str(config.get_main_option("sqlalchemy.url")))
    assert (url.username, url.password, url.query["read_default_file"]) == ("keystone", None, keystone.LOGIN)
    options = Parser()
    options.read_file(io.StringIO(keystone.database_login(context)))
    assert options.get("client", "password").encode("latin-1").decode() == secret


def test_an_operators_own_database_of_keystone_counts_for_keystone_manage(make_context: Any) -> None:
    own = {"config": {"keystone.conf": {"database": {"connection": "mysql+pymysql://a:b@db/keystone"}}}}
    assert "connection" not in keystone.manage_config(make_context(overrides=own))
    assert "connection" in keystone.manage_config(make_context(overrides={"config": {"keystone.conf": {"token": {}}}}))


def test_alembic_refuses_what_keystone_would_give_it() -> None:
    with pytest.raises(ValueError, match="interpolation"):
        alembic.config.Config().set_main_option("sqlalchemy.url", oslo.database_url("a", "p@w", "198.18.9.11", 1, "b"))


@given(secret=SECRETS)
def test_urls_quote(secret: str) -> None:
    assert make_url(oslo.database_url("a@b", secret, "fd00::1", 3306, "c")).password == secret
    url = oslo_messaging.TransportURL.parse(
        cfg.ConfigOpts(), oslo.transport_url("a:b", secret, ["fd00::1", "fd00::2"], "v/h")
    )
    assert [(host.username, host.password, host.hostname) for host in url.hosts] == [
        ("a:b", secret, "fd00::1"),
        ("a:b", secret, "fd00::2"),
    ]
    assert url.virtual_host == "v/h"


@given(secret=SECRETS)
def test_rabbitmq_stores_the_password_that_clients_send(make_context: Any, secret: str) -> None:
    import base64

    for user in json.loads(rabbitmq.definitions(context_of(make_context, secret)))["users"]:
        stored = base64.b64decode(user["password_hash"])
        sent = oslo.queue_password(secret).encode()
        assert stored[4:] == hashlib.sha256(stored[:4] + sent).digest()
