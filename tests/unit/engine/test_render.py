# SPDX-License-Identifier: Apache-2.0
"""From a declaration to a generation."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import schema
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import DeclarationError
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import container_digest, digest
from ansible_collections.ozone.openstack.plugins.module_utils.generation.oneshot import container_section, words
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


def test_the_file_of_uwsgi_can_be_overridden(make_context: Any) -> None:
    rendered = render(META, DECLARATION, make_context(overrides={"files": {"uwsgi.ini": {"content": "[uwsgi]\n"}}}))
    files = [file for file in rendered[0]["containers"]["keystone_api"]["files"] if file["path"] == "uwsgi.ini"]
    assert [rendered[1][file["sha256"]] for file in files] == ["[uwsgi]\n"]


def test_only_the_main_file_says_where_the_log_goes(make_context: Any) -> None:
    declaration = {
        **DECLARATION,
        "config": {"keystone.conf": {"log": {"x.y": "WARN"}, "options": {"DEFAULT": {"a": 1}}}},
    }
    rendered = render(META, declaration, make_context())
    text = _text(rendered, "keystone_api", "keystone.conf")
    assert "\nuse_journal = true\n" in text
    assert "\na = 1\n" in text
    assert "dogpile.core.dogpile=INFO,x.y=WARN" in text
    assert "use_journal" not in _text(render(META, DECLARATION, make_context()), "keystone_api", "keystone.conf")
    off = make_context(overrides={"config": {"keystone.conf": {"DEFAULT": {"use_journal": False}}}})
    assert "\nuse_journal = false\n" in _text(render(META, declaration, off), "keystone_api", "keystone.conf")


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


#: A value for each key of an override: one that the engine does not know yet has none here, and fails the test.
EXAMPLES: dict[str, Any] = {
    "image": f"mine@sha256:{'c' * 64}",
    "environment": {"TZ": "UTC"},
    "podman_args": ["--cpu-shares=512"],
    "volumes": ["/srv:/srv:ro"],
    "capabilities": ["CAP_SYS_NICE"],
    "stop_timeout": 99,
}
FILE_EXAMPLES: dict[str, Any] = {
    "content": "other",
    "mode": "0604",
    "owner": "42",
    "config": {"ldap": {"url": "ldap://a"}},
    "group": "43",
    "containers": ["keystone_worker"],
}


@pytest.mark.parametrize("key", sorted(schema.CONTAINER_OVERRIDE["properties"]))
def test_all_that_the_schema_lets_an_operator_say_of_a_container_changes_it(make_context: Any, key: str) -> None:
    before, _ = render(META, DECLARATION, make_context())
    changed, _ = render(
        META, DECLARATION, make_context(overrides={"containers": {"keystone_api": {key: EXAMPLES[key]}}})
    )
    assert before["containers"]["keystone_api"] != changed["containers"]["keystone_api"]


@pytest.mark.parametrize("key", sorted(set(schema.FILE_OVERRIDE["properties"]) - {"src"}))
@pytest.mark.parametrize("path", ["x.yaml", "/etc/x"])
def test_all_that_the_schema_lets_an_operator_say_of_a_file_changes_it(make_context: Any, key: str, path: str) -> None:
    if path.startswith("/") and key == "containers":
        return  # refused by the checks: a file of the node is in no container
    services = {"keystone": ["main", "worker"]}
    base = {"content": "x"}
    before, _ = render(META, DECLARATION, make_context(services=services, overrides={"files": {path: base}}))
    override = {"files": {path: {**base, key: FILE_EXAMPLES[key]}}}
    changed, _ = render(META, DECLARATION, make_context(services=services, overrides=override))
    assert before != changed


def test_arguments_of_containers_arrive_as_they_are_written(make_context: Any) -> None:
    """systemd would expand % and $, and Quadlet makes several words of one with a blank."""
    arguments = ["--label=a b", "--label=100%", "--env=X=$HOME", '--label="q"', "--pids-limit=5"]
    container = {
        "podman_args": arguments,
        "volumes": ["/srv/a%20b:/srv:ro"],
        "environment": {"A": "1.10", "GONE": "x", "B": "a b%$"},
    }
    overrides = {"containers": {"keystone_api": container}}
    manifest, _ = render(META, DECLARATION, make_context(overrides=overrides))
    quadlet = manifest["containers"]["keystone_api"]["quadlet"]
    section = container_section(quadlet)
    assert [word for key, value in section if key == "PodmanArgs" for word in words(value)] == arguments
    assert ("Volume", "/srv/a%%20b:/srv:ro") in section
    assert [word for key, value in section if key == "Environment" for word in words(value)][:2] == [
        "A=1.10",
        "B=a b%$",
    ]


def test_null_takes_an_environment_variable_away(make_context: Any) -> None:
    overrides = {"containers": {"keystone_api": {"environment": {"OS_CACERT": None}}}}
    manifest, _ = render(META, DECLARATION, make_context(overrides=overrides))
    assert "OS_CACERT" not in manifest["containers"]["keystone_api"]["quadlet"]


def test_an_override_replaces_a_file_of_ozone_whatever_made_it(make_context: Any) -> None:
    declaration = {**DECLARATION, "host_files": {"/etc/made": {"builder": "node_authority", "mode": "0640"}}}
    overrides = {"files": {"/etc/made": {"content": "mine"}}}
    manifest, contents = render(META, declaration, make_context(overrides=overrides))
    (file,) = manifest["files"]
    assert contents[file["sha256"]] == "mine"
    assert file["mode"] == "0640"
    manifest, _ = render(META, declaration, make_context(overrides={"files": {"/etc/made": None}}))
    assert manifest["files"] == []


def test_a_file_of_other_components_stays_theirs(make_context: Any) -> None:
    declaration = {**DECLARATION, "host_files": {"/etc/made": {"content": "x", "component": "worker"}}}
    overrides = {"files": {"/etc/made": {"content": "mine"}}}
    assert render(META, declaration, make_context(overrides=overrides))[0]["files"] == []


@pytest.mark.parametrize(
    ("change", "overrides", "message"),
    [
        ({"bogus": 1}, {}, "unknown key bogus"),
        ({"containers": {}}, {}, "vars/main.yml does not"),
        ({"containers": {"keystone_api": {"argv": ["x"], "colour": "red"}}}, {}, "unknown key colour"),
        ({"containers": {"keystone_api": {"argv": ["x"], "privileged": True}}}, {}, "without a `reason`"),
        ({}, {"containers": {"keystone_api": {"image": "mine:latest"}}}, "has no digest"),
        ({}, {"containers": {"keystone_api": {"privileged": True}}}, "unknown key privileged"),
        ({}, {"files": {"/etc/x": {"builder": "node_hosts"}}}, "unknown key builder"),
        ({}, {"file": {}}, "unknown key file"),
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


def test_steps_of_an_upgrade_are_no_part_of_what_was_done_once(make_context: Any) -> None:
    """A step that changes is no reason to run the bootstrap again."""
    step = {"name": "contract", "stage": "after", "container": "keystone_api", "argv": ["x", 1]}
    plain, with_step = (render(META, {**DECLARATION, "upgrade": steps}, make_context())[0] for steps in ([], [step]))
    assert plain["cluster"] == with_step["cluster"]
    assert with_step["upgrade"] == [{**step, "argv": ["x", "1"], "timeout": 300, "ok": [0], "network": True}]


@pytest.mark.parametrize("stage", ["", "later", None])
def test_a_step_of_an_upgrade_has_a_stage(make_context: Any, stage: Any) -> None:
    step = {"name": "x", "stage": stage, "container": "keystone_api", "argv": ["x"]}
    with pytest.raises(DeclarationError, match=r"keystone: upgrade: x: stage .* is none of check, before, expand"):
        render(META, {**DECLARATION, "upgrade": [step]}, make_context())
