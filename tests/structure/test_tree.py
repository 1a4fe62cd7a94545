# SPDX-License-Identifier: Apache-2.0
"""This tree keeps every rule."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rules import RULES, Rule, Tree

ROOT = Path(__file__).resolve().parents[2]
TREE = Tree(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule: Rule) -> None:
    problems = rule(TREE)
    assert not problems, f"{rule.__doc__}\n  " + "\n  ".join(problems)


def test_there_is_something_to_check() -> None:
    assert len(TREE.services) >= 12
    assert len(TREE.files) > 150
