# SPDX-License-Identifier: Apache-2.0
"""From a declaration to a generation."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import DeclarationError
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import container_digest, digest
from ansible_collections.ozone.openstack.plugins.module_utils.generation.quadlet import quote
from ansible_collections.ozone.openstack.plugins.module_utils.generation.render import render

META: dict[str, Any] = {
    "name": "keystone",
    "image": "keystone",
    "containers": {"keystone_api": "main", "keystone_worker": "worker"},
    "config": {"keystone.conf": ["keystone_api", "keystone_worker"]},
}
DECLARATION: dict[str, Any] = {
    "packages": ["zlib", {"name": "only-worker", "component": "worker"}],
    "config": {
        "keystone.conf": {
            "databases": {"database": "keystone"},
            "messaging": True,
            "authtoken": True,
            "cache": True,
            "clients": ["placement"],
            "without": {"keystone_worker": ["database"]},
            "options": {"token": {"expiration": 3600}},
        }
    },
    "files": {"keys/0": {"content": "k0"}},
    "containers": {
        "keystone_api": {"wsgi": "keystone.wsgi.api:application", "front_end": "keystone_api"},
        "keystone_worker": {"argv": ["worker", "50%"]},
    },
    "host_files": {"/etc/x": {"content": {"b": 1}}, "/etc/w": {"content": "w", "component": "worker"}},
    "bootstrap": [{"name": "schema", "component": "main", "container": "keystone_api", "argv": ["db", "sync"]}],
    "commands": [{"name": "go", "argv": ["true"], "files": ["/etc/x"]}],
}


def _text(rendered: Any, container: str, path: str) -> str:
    manifest, contents = rendered
    return next(contents[f["sha256"]] for f in manifest["containers"][container]["files"] if f["path"] == path)


def test_a_container_gets_its_files_checks_and_health(make_context: Any) -> None:
    rendered = render(META, DECLARATION, make_context())
    manifest, _ = rendered
    assert list(manifest["containers"]) == ["keystone_api"]
    config = _text(rendered, "keystone_api", "keystone.conf")
    assert "connection = mysql+pymysql://keystone:secret-of-keystone_database_password@198.18.9.11:3306/" in config
    assert "auth_url = https://198.18.9.5:5000/v3" in config
    assert "http-socket = 198.18.9.11:15000" in _text(rendered, "keystone_api", "uwsgi.ini")
    assert manifest["packages"] == ["zlib"]
    assert [file["path"] for file in manifest["files"]] == ["/etc/x"]
    assert [check["container"] for check in manifest["container_checks"]] == ["keystone_api"]
    assert manifest["health"][1]["url"] == "http://198.18.9.11:15000/healthcheck"


def test_no_secret_is_in_a_manifest(make_context: Any) -> None:
    manifest, _ = render(META, DECLARATION, make_context(services={"keystone": ["main", "worker"]}))
    assert "secret-of" not in str(manifest)


def test_an_override_changes_only_the_containers_that_read_it(make_context: Any) -> None:
    services = {"keystone": ["main", "worker"]}
    before, _ = render(META, DECLARATION, make_context(services=services))
    changed, _ = render(
        META, DECLARATION, make_context(services=services, overrides={"files": {"x.yaml": {
            "content": "x", "containers": ["keystone_worker"]}}})
    )  # fmt: skip
    assert digest(before) != digest(changed)
    old, new = before["containers"], changed["containers"]
    same = {name for name in old if container_digest(old[name]) == container_digest(new[name])}
    assert same == {"keystone_api"}


def test_a_section_can_be_kept_from_a_container(make_context: Any) -> None:
    rendered = render(META, DECLARATION, make_context(services={"keystone": ["worker"]}))
    assert "[database]" not in _text(rendered, "keystone_worker", "keystone.conf")
    assert rendered[0]["bootstrap"] == []


def test_an_option_an_image_and_the_environment_can_be_overridden(make_context: Any) -> None:
    overrides = {
        "config": {"keystone.conf": {"token": {"expiration": 7200}}},
        "containers": {"keystone_api": {"image": f"mine@sha256:{'b' * 64}", "environment": {"TZ": "UTC"}}},
        "files": {"/etc/extra": {"content": "e", "mode": "0600"}},
    }
    rendered = render(META, DECLARATION, make_context(overrides=overrides))
    container = rendered[0]["containers"]["keystone_api"]
    assert "expiration = 7200" in _text(rendered, "keystone_api", "keystone.conf")
    assert container["image"] == {"name": "mine", "id": "b" * 64}
    assert "Environment=TZ=UTC" in container["quadlet"]
    assert [file["path"] for file in rendered[0]["files"]] == ["/etc/extra", "/etc/x"]


@pytest.mark.parametrize(
    ("change", "overrides", "message"),
    [
        ({"bogus": 1}, {}, "unknown key bogus"),
        ({"containers": {}}, {}, "vars/main.yml does not"),
        ({"containers": {"keystone_api": {"argv": ["x"], "colour": "red"}}}, {}, "unknown key colour"),
        ({"containers": {"keystone_api": {"argv": ["x"], "privileged": True}}}, {}, "without a `reason`"),
        ({}, {"containers": {"keystone_api": {"image": "mine:latest"}}}, "has no digest"),
        ({}, {"containers": {"keystone_api": {"privileged": True}}}, "unknown key privileged"),
        ({"config": {"keystone.conf": {"sections": {}}}}, {}, "unknown key sections"),
        ({"host_files": {"/etc/x": {"text": "x"}}}, {}, "unknown key text"),
        ({}, {"config": {"keystone.conf": {"token": {"expiration": {"a": 1}}}}}, "keystone.conf"),
    ],
)
def test_what_cannot_be_rendered_is_refused(
    make_context: Any, change: dict[str, Any], overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises((DeclarationError, ValueError), match=message):
        render(META, {**DECLARATION, **change}, make_context(overrides=overrides))


def test_an_image_that_was_not_built_is_refused(make_context: Any) -> None:
    with pytest.raises(DeclarationError, match="has not been built"):
        render({**META, "image": "other"}, DECLARATION, make_context())


def test_rendering_is_a_pure_function(make_context: Any) -> None:
    assert render(META, DECLARATION, make_context()) == render(META, DECLARATION, make_context())


@pytest.mark.parametrize(
    ("word", "quoted"), [("plain", "plain"), ("a b", '"a b"'), ("50%", "50%%"), ("$x", "$$x"), ('"', '"\\""')]
)
def test_words_of_a_systemd_command_line(word: str, quoted: str) -> None:
    assert quote(word) == quoted


def test_a_container_has_no_rights_by_default(make_context: Any) -> None:
    manifest, _ = render(META, DECLARATION, make_context())
    quadlet = manifest["containers"]["keystone_api"]["quadlet"]
    for line in ("ReadOnly=true", "DropCapability=all", "NoNewPrivileges=true", "User=42400"):
        assert line in quadlet.splitlines()
