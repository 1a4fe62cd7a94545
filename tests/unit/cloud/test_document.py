# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import (
    CloudError,
    Document,
    Problem,
    did_you_mean,
    parse,
    read,
    show_path,
)


def texts(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "f.yml")[1]]


def test_lines_of_keys_and_items() -> None:
    document, problems = parse("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "f.yml")
    assert not problems
    assert document.data == {"a": {"b": 1, "c": ["x", {"d": 2}]}}
    assert document.line(("a", "b")) == 2
    assert document.line(("a", "c", 1)) == 5
    assert document.line(("a", "c", 1, "d")) == 5
    assert document.line(("a", "c", "missing", "deep")) == 3
    assert document.line(("nothing",)) == 1
    assert Document("f", None).line(()) == 0


def test_scalars_follow_yaml_1_2() -> None:
    text = (
        "mac: 52:54:00:12:34:56\ndate: 2026-04-01\noctal: 017\nhex: 0x1f\nint: -3\n"
        "float: .5\nexp: 1e3\nrel: '2026.1'\nno: yes\n"
    )
    document, problems = parse(text, "f")
    assert document.data["mac"] == "52:54:00:12:34:56"
    assert document.data["date"] == "2026-04-01"
    assert document.data["octal"] == "017"
    assert (document.data["hex"], document.data["int"], document.data["float"], document.data["exp"]) == (
        31,
        -3,
        0.5,
        1000.0,
    )
    assert document.data["rel"] == "2026.1"
    assert document.data["no"] is True  # the key is a boolean of YAML 1.1, and taken as the word
    assert not problems
    assert document.written == {
        ("hex",): "0x1f",
        ("int",): "-3",
        ("float",): ".5",
        ("exp",): "1e3",
        ("no",): "yes",
    }


def test_merge_keys() -> None:
    document, problems = parse("base: &b {x: 1, y: 2}\nnode: {<<: *b, y: 3}\n", "f")
    assert not problems
    assert document.data["node"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "a: 1\nb: {c: 1,\n  c: 2}\na: 3\n",
            ["f.yml:4: a: this key is there twice (it is on line 1 already; keep one of them)"],
        ),
        ("a: [1\n", ["f.yml:2: not valid YAML"]),
        ("a: b: c\n", ["f.yml:1: not valid YAML: mapping values are not allowed in this context, column 5"]),
        ("\x01", ["f.yml: not valid YAML"]),
        ("a: !vault x\n", ["f.yml:1: a: not a value"]),
        ("a: !!int x\n", ["f.yml:1: a: not a value"]),
        ("a: &x [*x]\n", ["f.yml:1: a[0]: an alias that contains itself"]),
        ("? [a]\n: 1\n", ["f.yml:1: a key that is a list or a mapping"]),
        ("<<: 3\n", ["f.yml:1: cannot merge"]),
    ],
)
def test_mistakes_of_the_yaml(text: str, wanted: list[str]) -> None:
    found = texts(text)
    assert all(any(one.startswith(start) for one in found) for start in wanted), found


def test_both_duplicates_are_told() -> None:
    assert len(texts("a: 1\nb: {c: 1,\n  c: 2}\na: 3\n")) == 2


def test_empty() -> None:
    assert parse("", "f") == (Document("f", None), [])


def test_read_what_cannot_be_read(tmp_path: Path) -> None:
    document, problems = read(tmp_path / "missing.yml")
    assert document.data is None
    assert "No such file" in str(problems[0])
    (tmp_path / "latin.yml").write_bytes(b"a: \xff\n")
    assert "not UTF-8" in str(read(tmp_path / "latin.yml", "latin")[1][0])
    (tmp_path / "good.yml").write_text("a: 1")
    assert read(tmp_path / "good.yml")[0].data == {"a": 1}


def test_show_path() -> None:
    assert show_path(("a", "b c", 2, "d.conf")) == 'a."b c"[2]."d.conf"'
    assert show_path(()) == ""


def test_did_you_mean() -> None:
    assert did_you_mean("keystn", ["nova", "keystone"]) == "did you mean keystone?"
    assert did_you_mean("xyz", []) == "there are none"
    assert did_you_mean("xyz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("xyz", [f"name{n:02}" for n in range(40)]).endswith("name15, ...")


def test_error_is_sorted_and_without_repetition() -> None:
    one, two = Problem("f", 3, "k", "wrong", "do"), Problem("f", 1, "", "bad")
    error = CloudError([one, two, one])
    assert error.problems == [two, one]
    assert str(error) == "f:1: bad\nf:3: k: wrong (do)"
