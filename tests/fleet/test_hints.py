# SPDX-License-Identifier: Apache-2.0
"""Hints of disks against Ironic's own code, which the agent has a copy of: the same disks, or a refusal of ours."""

from __future__ import annotations

import json
import random
import subprocess
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import disks
from tests.lab.ironic_fake import VENV, install

#: Runs with Ironic's Python: for each case the names of the disks, or the name of the error.
THEIRS = """
import json, logging, sys
from ironic.common.utils import find_devices_by_hints
logging.disable(logging.CRITICAL)
for line in sys.stdin:
    hint, found = json.loads(line)
    try:
        answer = [disk["name"] for disk in find_devices_by_hints(found, hint)]
    except Exception as error:
        answer = type(error).__name__
    print(json.dumps(answer))
"""
CASES = 6000
TEXTS = [
    "SAMSUNG MZ7LH480",
    "samsung",
    "Intel SSD",
    "S3Z1NB0K",
    "0x5000c500",
    "a%20b",
    "20",
    "none",
    "é",
    "s",
    "x=y",
    "<a",
]
SIZES = [10 * disks.GIB, 20 * disks.GIB, 480103981056, 4 * disks.GIB, 8 * disks.GIB + 1]
OPERATORS = ["", "s==", "s!=", "s<", "s<=", "s>", "s>=", "<in>", "<or>"]
NUMBERS = ["=", "==", "!=", "<", "<=", ">", ">=", "<all-in>", "<range-in>"]


def disk(chance: random.Random, index: int) -> dict[str, Any]:
    """A disk, with what disks do not tell sometimes."""
    found: dict[str, Any] = {"name": f"/dev/sd{'abcd'[index]}", "size": chance.choice(SIZES)}
    found["rotational"] = chance.choice([True, False, None, "yes"])
    plain = [text for text in TEXTS if not text.startswith("<")]  # no vendor begins a name with an operator
    found |= {key: chance.choice([*plain, None, ""]) for key in disks.TEXTS if key != "name" and chance.random() < 0.9}
    return found


def text(chance: random.Random) -> str:
    """A text with an operator, mostly one for texts."""
    word = chance.choice(OPERATORS if chance.random() < 0.9 else NUMBERS)
    values = [chance.choice([value, value.upper(), value[:3], f" {value}"]) for value in chance.choices(TEXTS, k=3)]
    if word == "<or>":
        return " ".join(f"<or> {value}" for value in values[: chance.randint(1, 3)])
    return f"{word}{chance.choice(['', ' ', '  '])}{values[0]}"


def hint(chance: random.Random) -> dict[str, Any]:
    """One to three hints, some of which nobody can use."""
    found: dict[str, Any] = {}
    for key in chance.sample(sorted(disks.HINTS), chance.choice([1, 1, 1, 2, 3])):
        if key == "size":
            number = chance.choice([10, 20, 447, 4, 8, 9, 0, -3, "x", 10.5, "+10", " 10 ", True])
            found[key] = number if chance.random() < 0.4 else f"{chance.choice(NUMBERS[:7])} {number}"
        elif key == "rotational":
            found[key] = chance.choice([True, False, "true", "No", "maybe", 1, 0, "on", 2])
        else:
            found[key] = text(chance)
    return found


def test_same_disks() -> None:
    install()
    chance = random.Random(4)
    cases = [(hint(chance), [disk(chance, index) for index in range(chance.randint(1, 4))]) for _ in range(CASES)]
    done = subprocess.run(
        [str(VENV / "bin" / "python"), "-c", THEIRS],
        input="".join(json.dumps(case) + "\n" for case in cases),
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(theirs) == CASES
    taken = matched = 0
    for (wanted, found), answer in zip(cases, theirs, strict=True):
        if not disks.mistakes(wanted):
            ours = [entry["name"] for entry in found if disks.matches(wanted, entry)]
            assert ours == answer, (wanted, found)
            taken, matched = taken + 1, matched + bool(ours)
    assert taken > CASES / 2 and matched > CASES / 8, (taken, matched)
