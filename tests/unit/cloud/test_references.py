# SPDX-License-Identifier: Apache-2.0
"""Secrets in overrides: references stay references until a service is rendered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.cloud import document, overrides, references
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.options import check_cloud, check_secrets

CIPHER = "$ANSIBLE_VAULT;1.1;AES256\n6162\n6364\n"


def test_a_vault_tag_is_what_ansible_writes_in_json() -> None:
    text = "a:\n  b: !vault |\n    $ANSIBLE_VAULT;1.1;AES256\n    6162\n    6364\n  c: 1\n"
    found, problems = document.parse(text, "cloud.yml")
    assert not problems
    assert found.data == {"a": {"b": {"__ansible_vault": CIPHER}, "c": 1}}
    found, problems = document.parse("a: !vault plain\n", "cloud.yml")
    assert [str(problem) for problem in problems] == [
        "cloud.yml:1: a: not a value that ansible-vault has encrypted (use ansible-vault encrypt_string)"
    ]


def test_references_are_found_and_resolved() -> None:
    value = {"a": {"secret": "x"}, "b": [{"__ansible_vault": CIPHER}, {"secret": "y", "other": 1}], "c": {"secret": 3}}
    assert [path for path, _found in references.find(value)] == [("a",), ("b", 0)]
    assert references.resolve(value, lambda found: "".join(found)) == {
        "a": "secret", "b": ["__ansible_vault", {"secret": "y", "other": 1}], "c": {"secret": 3},
    }  # fmt: skip


def test_a_later_level_replaces_a_reference_as_a_whole() -> None:
    base = {"web": {"variables": {"x": {"a": 1}, "y": {"secret": "a"}}}}
    more = {"web": {"variables": {"x": {"secret": "b"}, "y": {"c": 1}}}}
    assert overrides.merge_services(base, more) == more


def test_the_template_of_a_reference() -> None:
    assert references.template({"secret": "a-b_C1"}) == "{{ lookup('ozone.openstack.secret', 'a-b_C1') }}"
    assert "vault='$ANSIBLE_VAULT;1.1;AES256\\n6162\\n6364'" in references.template({"__ansible_vault": CIPHER})
    for bad in ({"secret": "a') }}"}, {"__ansible_vault": "'}}"}, {"__ansible_vault": ""}):
        with pytest.raises(ValueError, match=r"no name|not a value"):
            references.template(bad)


def test_secrets_where_they_are_taken(lab: Any, cloud: dict[str, Any]) -> None:
    vaulted = {"__ansible_vault": CIPHER}
    cloud["overrides"] = {
        "web": {
            "config": {"web.conf": {"api": {"x": {"secret": "one"}, "y": [{"secret": "one"}, vaulted]}}},
            "files": {
                "domains/web.My Domain.conf": {"config": {"ldap": {"password": {"secret": "one"}, "url": "ldap://a"}}},
                "key.pem": {"content": {"secret": "one"}},
                "/etc/other.pem": {"content": vaulted},
            },
        }
    }
    made, _known = lab.load(cloud)
    assert len(list(references.find(made.data["overrides"]))) == 6


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ({"config": {"web.conf": {"api": {"x": {"secret": "Not a name"}}}}}, "'Not a name' is no name of a secret"),
        ({"files": {"a": {"content": {"x": 1}}}}, "must be a text or a secret (write {secret: NAME}"),
        ({"files": {"a": {"content": "x", "config": {}}}}, "has content and config (give exactly one of src, content"),
        ({"containers": {"web_api": {"environment": {"A": {"secret": "one"}}}}}, "must be"),
    ],
)
def test_refused(lab: Any, cloud: dict[str, Any], override: dict[str, Any], wanted: str) -> None:
    cloud["overrides"] = {"web": override}
    found = lab.problems(cloud)
    assert len(found) == 1
    assert wanted in found[0]


def test_missing_secrets_are_told_with_their_lines(lab: Any, cloud: dict[str, Any], tmp_path: Path) -> None:
    cloud["overrides"] = {
        "web": {
            "config": {
                "web.conf": {"api": {"a": {"secret": "there"}, "b": {"secret": "missing"}, "c": {"secret": "short"}}}
            },
            "files": {"k": {"content": {"secret": "keys"}}, "g": {"content": {"secret": "made_later"}}},
        }
    }
    cloud["overrides"]["web"]["files"]["v"] = {"content": {"__ansible_vault": CIPHER}}
    made, known = lab.load(cloud)

    def reveal(reference: Any) -> str:
        if "__ansible_vault" in reference:
            raise ValueError("wrong vault password")
        return "s3cret"

    problems = check_secrets(
        made, {"made_later": "password"}, {"there": "s3cret", "short": "abc", "keys": {"0": "k"}}, reveal
    )
    lines = lab.file.read_text().splitlines()
    told = sorted((problem.key.removeprefix("overrides.web."), problem.message, problem.remedy) for problem in problems)
    assert [(key, message) for key, message, _remedy in told] == [
        ('config."web.conf".api.b', "there is no secret missing"),
        ('config."web.conf".api.c', "short is too short to be masked in logs"),
        ("files.k.content", "the secret keys has several values"),
        ("files.v.content", "wrong vault password"),
    ]
    assert told[0][2] == "write it: make secret ARGS='-e ozone_secret=missing'"
    assert all(lines[problem.line - 1].strip() in ("b:", "c:", "content:") for problem in problems)

    data = {"options": {"api": {"opts": [{"name": "a", "type": "integer value"}, {"name": "b"}, {"name": "c"}]}}}
    (tmp_path / "web.conf.json").write_text(json.dumps(data))
    problems = check_cloud(made, known, {"web": tmp_path}, lambda reference: "s3cret")
    assert ["the value is not a whole number" in str(problem) for problem in problems] == [True]
    assert "s3cret" not in str(problems)
