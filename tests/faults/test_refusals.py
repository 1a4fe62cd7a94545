# SPDX-License-Identifier: Apache-2.0
"""A definition that cannot work ends `deploy` before any node is asked anything. No lab: an SSH client that tells."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cloud import Cloud, Result

Definition = dict[str, Any]

#: Exit status of a definition that is refused (docs/reference/plugins/cloud_inventory.md).
REFUSED = 4

#: ``file:line: key: message (remedy)``.
PROBLEM = re.compile(r"cloud\.yml:(\d+): ([^ ]+): (.+) \((.+)\)$")

RIVAL = """\
name: rival
summary: A service of the operator's own that does what another does
components:
  main: {min: 1}
conflicts: [placement]
traffic: [management]
secrets: {}
"""


def wrong_address(definition: Definition) -> None:
    definition["nodes"]["fault1"]["addresses"]["control"] = "198.18.7.10"


def duplicate_address(definition: Definition) -> None:
    definition["profiles"]["other"] = {"services": ["node"]}
    definition["nodes"]["fault2"] = {"profile": "other", "addresses": {"control": "198.18.4.10"}}


def missing_service(definition: Definition) -> None:
    definition["profiles"]["small"]["services"].remove("memcached")


def conflicting_services(definition: Definition) -> None:
    definition["service_paths"] = ["roles"]
    definition["profiles"]["small"]["services"].append("rival")


@dataclass(frozen=True)
class Case:
    """A change of the definition, and what is said of it: ``text`` stands in the line that is named."""

    change: Callable[[Definition], None]
    key: str
    message: str
    remedy: str
    text: str


CASES = [
    Case(wrong_address, "nodes.fault1.addresses.control", "198.18.7.10 is outside the subnet 198.18.4.0/24",
         "use an address of 198.18.4.0/24", "control: 198.18.7.10"),
    Case(duplicate_address, "nodes.fault2.addresses.control", "198.18.4.10 belongs to the node fault1 already",
         "choose another", "control: 198.18.4.10"),
    Case(missing_service, "profiles.small.services[3]", "keystone requires memcached, which no node runs",
         "add memcached to the services of a profile", "- keystone"),
    Case(conflicting_services, "profiles.small.services[6]", "rival and placement must not be in the same cloud",
         "remove one of them", "- rival"),
]  # fmt: skip


class Unreachable:
    """A cloud whose nodes do not exist. ``asked`` says whether anybody tried to reach one."""

    def __init__(self, directory: Path) -> None:
        role = directory / "roles" / "rival" / "meta"
        role.mkdir(parents=True)
        (role / "service.yml").write_text(RIVAL)
        self.mark = directory / "asked"
        client = directory / "bin" / "ssh"
        client.parent.mkdir()
        client.write_text(f"#!/bin/sh\necho \"$@\" >>'{self.mark}'\nexit 255\n")
        client.chmod(0o755)
        self.cloud = Cloud(Path(__file__).parent / "cloud.yml", directory)

    @property
    def asked(self) -> bool:
        return self.mark.exists()

    def problems(self, result: Result) -> dict[str, tuple[str, str, str]]:
        """Key -> the text of the line that is named, what is wrong, and the remedy."""
        lines = self.cloud.file.read_text().splitlines()
        found = (PROBLEM.search(line) for line in result.output.splitlines())
        return {match[2]: (lines[int(match[1]) - 1].strip(), match[3], match[4]) for match in found if match}


@pytest.fixture
def unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unreachable:
    monkeypatch.setenv("OZONE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return Unreachable(tmp_path)


@pytest.mark.parametrize("case", CASES, ids=[case.change.__name__ for case in CASES])
def test_a_definition_that_cannot_work_is_refused_before_any_node_is_asked(
    unreachable: Unreachable, case: Case
) -> None:
    unreachable.cloud.changed(case.change)
    result = unreachable.cloud.run("deploy", limit=60)
    assert result.code == REFUSED
    text, message, remedy = unreachable.problems(result)[case.key]
    assert case.text in text
    assert case.message in message
    assert case.remedy in remedy
    assert not unreachable.asked
    assert not unreachable.cloud.state.exists(), "nor was anything made on the deployment host"


def test_all_that_is_wrong_is_said_at_once(unreachable: Unreachable) -> None:
    def change(definition: Definition) -> None:
        for case in CASES:
            case.change(definition)

    unreachable.cloud.changed(change)
    result = unreachable.cloud.run("deploy", limit=60)
    assert result.code == REFUSED
    keys = {key.partition("[")[0] for key in unreachable.problems(result)}
    assert {"nodes.fault1.addresses.control", "profiles.small.services"} <= keys
    assert "keystone requires memcached" in result.output
    assert "rival and placement" in result.output
    assert not unreachable.asked


def test_a_good_definition_would_have_asked(unreachable: Unreachable) -> None:
    assert unreachable.cloud.run("validate", limit=60).code != 0
    assert unreachable.asked
