# SPDX-License-Identifier: Apache-2.0
"""What several areas of the unit tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COLLECTIONS = Path(__file__).resolve().parents[2] / ".ansible" / "collections"


@pytest.fixture
def playbook(tmp_path: Path) -> Callable[..., str]:
    """Run a real ansible-playbook on a host without a connection: ``playbook(text or path, *arguments, **variables)``.

    The host is called node1; the variables are those of the group all. Returns all that is shown.
    """

    def run(play: str | Path, *arguments: str, **variables: Any) -> str:
        if isinstance(play, str):
            (tmp_path / "play.yml").write_text(play)
            play = tmp_path / "play.yml"
        (tmp_path / "ansible.cfg").write_text("")
        (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"node1": None}, "vars": variables}}))
        result = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml", str(play), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            env=environment(tmp_path),
            cwd=tmp_path,
            check=False,
        )
        return result.stdout + result.stderr

    return run


def environment(directory: Path) -> dict[str, str]:
    """The environment of an ansible program that sees this collection and no settings of the computer."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }
