# SPDX-License-Identifier: Apache-2.0
"""Values arrive: what is written is read back with oslo.config itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oslo_config import cfg, types

from ansible_collections.ozone.openstack.plugins.module_utils.generation import oslo
from ansible_collections.ozone.openstack.plugins.module_utils.generation.option_types import (
    Literal,
    ValueRefused,
    references,
    type_of,
    write,
)
from ansible_collections.ozone.openstack.plugins.module_utils.images.inside import plain as exported

#: Anything that is one line of printable text, and more of what parsers take for something else.
ODD = "$ \\\"'{}[]%@:/?#,;=&~!*()<>|`^.-_ aZ0éß密"
LINES = st.one_of(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20),
    st.text(st.sampled_from(ODD), max_size=20),
)
NASTY = [
    "p$w", "abc$username", "$$", "\\$x", "\\\\$x", "$", "a$", "${x}", "\\", "a\\", "'q'", '"q"', '"', "'", "\"'",
    " a ", "#a", ";a", "a # b", "[x]", "a=b", "%s", "%%", "a%40b", "a,b", ",", "a,", "a:b", "{a}", "{{ a }}",
    "\u00a0", "x\u2003", "-", "",
]  # fmt: skip


def arrives(tmp_path: Path, option: cfg.Opt, value: Any, **others: Any) -> Any:
    """What a service with ``option`` in a section reads."""
    kinds = {"x": type_of({**exported(option), "choices": list(getattr(option.type, "choices", None) or [])})}
    text = oslo.render_ini(
        {"s": {"x": value, **others}, "DEFAULT": {"other": "1"}}, lambda section, name: kinds.get(name, type_of({}))
    )
    file = tmp_path / "a.conf"
    file.write_text(text, encoding="utf-8")
    conf = cfg.ConfigOpts()
    conf.register_opt(option, "s")
    conf.register_opt(cfg.StrOpt("username", default="nova"), "s")
    conf([], default_config_files=[str(file)], default_config_dirs=[])
    return conf.s.x


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oslo")


@pytest.mark.parametrize("value", NASTY)
def test_a_literal_arrives(tmp_path: Path, value: str) -> None:
    assert arrives(tmp_path, cfg.StrOpt("x"), Literal(value)) == value
    assert arrives(tmp_path, cfg.MultiStrOpt("x"), [Literal(value), Literal("b")]) == [value, "b"]


@given(LINES)
def test_any_literal_arrives(place: Path, value: str) -> None:
    assert arrives(place, cfg.StrOpt("x"), Literal(value)) == value
    assert arrives(place, cfg.MultiStrOpt("x"), {"multi": [Literal(value), Literal(value)]}) == [value, value]


@given(LINES.filter(lambda text: "$" not in text))
def test_a_string_of_an_operator_arrives(place: Path, value: str) -> None:
    assert arrives(place, cfg.StrOpt("x"), value) == value


def test_references_of_an_operator_are_the_services(tmp_path: Path) -> None:
    assert arrives(tmp_path, cfg.StrOpt("x"), "a/$username") == "a/nova"
    assert arrives(tmp_path, cfg.StrOpt("x"), "a/$$username") == "a/$username"
    assert arrives(tmp_path, cfg.ListOpt("x"), ["$username", Literal("$username")]) == ["nova", "$username"]
    with pytest.raises(cfg.NoSuchOptError):
        arrives(tmp_path, cfg.StrOpt("x"), "$nothing")


@given(st.text(st.sampled_from("$\\{}a._1A"), max_size=12))
@example("$a.b")
def test_references_are_those_that_oslo_config_sees(text: str) -> None:
    seen: list[str] = []

    class Seen(dict[str, str]):
        def __missing__(self, key: str) -> str:
            seen.append(key)
            return ""

    cfg.ConfigOpts.Template(text.replace(r"\$", "$$")).safe_substitute(Seen())
    assert references(text) == seen
    assert references(Literal(text)) == []


#: Types of options with the values that are meant.
ITEMS = [
    (types.String(), LINES),
    (types.String(quotes=True), LINES),
    (types.Integer(), st.integers()),
    (types.String(choices=["a", "b"]), st.sampled_from(["a", "b", "c"])),
    (types.List(bounds=True), st.lists(LINES, max_size=3)),
    (types.Dict(), st.dictionaries(LINES, LINES, max_size=3)),
]


@pytest.mark.parametrize("bounds", [False, True])
@pytest.mark.parametrize(("item", "values"), ITEMS)
@settings(max_examples=30)
@given(data=st.data())
def test_a_list_arrives_or_is_refused(place: Path, bounds: bool, item: Any, values: Any, data: st.DataObject) -> None:
    wanted = data.draw(st.lists(values, max_size=3))
    option = cfg.ListOpt("x", item_type=item, bounds=bounds)
    try:
        found = arrives(place, option, oslo.literal(wanted))
    except ValueError:
        return
    assert found == wanted


@pytest.mark.parametrize(("item", "values"), ITEMS)
@settings(max_examples=30)
@given(data=st.data())
def test_a_mapping_arrives_or_is_refused(place: Path, item: Any, values: Any, data: st.DataObject) -> None:
    wanted = data.draw(st.dictionaries(LINES, values, max_size=3))
    option = cfg.Opt("x", type=types.Dict(item))
    try:
        found = arrives(place, option, oslo.literal(wanted))
    except ValueError:
        return
    assert found == wanted


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        (cfg.ListOpt("x"), ["a", "b", 3, True], ["a", "b", "3", "true"]),
        (cfg.ListOpt("x"), "a, b", ["a", "b"]),
        (cfg.ListOpt("x"), [], []),
        (cfg.ListOpt("x"), ['"a"', "'b'"], ['"a"', "'b'"]),
        (cfg.ListOpt("x"), ['"a"'], ['"a"']),
        (cfg.ListOpt("x", bounds=True), ["a", "b"], ["a", "b"]),
        (cfg.ListOpt("x", bounds=True), [], []),
        (cfg.ListOpt("x", item_type=types.String(quotes=True)), ["a,b", " c", "'d'", ""], ["a,b", " c", "'d'", ""]),
        (cfg.ListOpt("x", item_type=types.Integer()), ["1", 2], [1, 2]),
        (cfg.MultiStrOpt("x"), ['{"a": "b", "c": "d"}', "b"], ['{"a": "b", "c": "d"}', "b"]),
        (cfg.MultiStrOpt("x"), "a", ["a"]),
        (cfg.MultiStrOpt("x"), {"multi": ["a", "b"]}, ["a", "b"]),
        (
            cfg.MultiOpt("x", item_type=types.Dict()),
            [{"node": 0, "size": 2048}, "node:1,size:1GB"],
            [{"node": "0", "size": "2048"}, {"node": "1", "size": "1GB"}],
        ),
        (cfg.DictOpt("x"), {"a": "b:c", "d": 1}, {"a": "b:c", "d": "1"}),
        (cfg.DictOpt("x"), "a:b", {"a": "b"}),
        (cfg.DictOpt("x"), {}, {}),
        (
            cfg.Opt("x", type=types.Dict(types.List(bounds=True))),
            {"ldap": ["a", "b"], "c": []},
            {"ldap": ["a", "b"], "c": []},
        ),
        (cfg.BoolOpt("x"), True, True),
        (cfg.BoolOpt("x"), "off", False),
        (cfg.IntOpt("x"), "12", 12),
        (cfg.FloatOpt("x"), 1.5, 1.5),
        (cfg.StrOpt("x"), '{"a": [1, 2]}', '{"a": [1, 2]}'),
        (cfg.StrOpt("x"), "a\tb", "a\tb"),
        (cfg.URIOpt("x"), "https://[fd00::1]:5000/v3", "https://[fd00::1]:5000/v3"),
    ],
)
def test_values_arrive_as_their_type(tmp_path: Path, option: cfg.Opt, value: Any, wanted: Any) -> None:
    assert arrives(tmp_path, option, value) == wanted


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (cfg.ListOpt("x"), ["a,b", "c"], r"\['a,b', 'c'\] would be read as \['a', 'b', 'c'\]"),
        (cfg.ListOpt("x"), [" a"], "would be read as"),
        (cfg.ListOpt("x"), ["a", ""], "would be read as"),
        (cfg.ListOpt("x"), [None], "a value is missing"),
        (cfg.ListOpt("x"), [["a"]], "an item is a list"),
        (cfg.ListOpt("x"), {"multi": ["a", "b"]}, "may be repeated"),
        (cfg.ListOpt("x"), {"a": 1}, "not a mapping"),
        (cfg.StrOpt("x"), ["a"], "takes one value, not a list"),
        (cfg.StrOpt("x"), {"a": "b"}, "takes one value, not a mapping"),
        (cfg.StrOpt("x"), {"multi": ["a"]}, "may be repeated"),
        (cfg.DictOpt("x"), ["a"], "takes a mapping, not a list"),
        (cfg.DictOpt("x"), {"a": "b,c"}, "would be read as|has no : between"),
        (cfg.DictOpt("x"), {"a:b": "c"}, "would be read as"),
        (cfg.StrOpt("x"), "a\nb = c", "line break"),
        (cfg.StrOpt("x"), "a\x00", "U\\+0000"),
        (cfg.StrOpt("x"), "a\u2028b", "U\\+2028"),
        (cfg.ListOpt("x"), ["a\rb"], "line break"),
        (cfg.StrOpt("x", regex="^a"), "b", "form"),
        (cfg.ListOpt("x", item_type=types.Port()), [70000], "70000 is too large"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, option: cfg.Opt, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arrives(tmp_path, option, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("list value", [Literal("s3cret,x"), "a"]),
        ("integer value", Literal("s3cret")),
        ("dict value", {"a": Literal("s3cret,x")}),
        ("uri value", Literal("s3cret")),
        ("string value", Literal("s3cret\n")),
        ("boolean value", [Literal("s3cret")]),
    ],
)
def test_no_message_shows_a_secret(kind: str, value: Any) -> None:
    for option in ({"type": kind}, {"type": kind, "choices": ["other"]}):
        with pytest.raises(ValueRefused) as caught:
            write(type_of(option), value)
        assert "s3cret" not in f"{caught.value}{caught.value.remedy}"


def test_an_option_of_which_nothing_is_known_takes_strings_and_lists() -> None:
    assert write(type_of({}), ["a", 1]) == ["a,1"]
    assert write(type_of({}), {"multi": ["a", "b,c"]}) == ["a", "b,c"]
    with pytest.raises(ValueRefused, match="would be read as"):
        write(type_of({}), ["a,b"])
    with pytest.raises(ValueRefused, match="no mapping"):
        write(type_of({}), {"a": 1})
