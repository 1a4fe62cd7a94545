# SPDX-License-Identifier: Apache-2.0
"""Templates that are compiled once."""

from __future__ import annotations

import jinja2
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.ozone.openstack.plugins.plugin_utils.templates import compiled_once


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every source that Jinja compiles."""
    seen: list[str] = []
    real = jinja2.Environment.compile

    def compile_template(environment: jinja2.Environment, source: object, *args: object, **options: object) -> object:
        seen.append(str(source))
        return real(environment, source, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(jinja2.Environment, "compile", compile_template)
    return seen


def test_equal_templates_are_compiled_once_and_rendered_anew(compiled: list[str]) -> None:
    templar = Templar(loader=DataLoader())
    text = trust_as_template("{{ 'a' ~ x }}{% if x %}!{% endif %}")
    with compiled_once():
        for x in (0, 1, 2):
            templar.available_variables = {"x": x}
            assert templar.template([text, text]) == [f"a{x}" + ("!" if x else "")] * 2
    assert compiled == [text]
    templar.template(text)
    assert compiled == [text, text]


def test_what_depends_on_more_than_the_text_is_compiled_each_time(compiled: list[str]) -> None:
    """How a backslash is read depends on the caller."""
    templar = Templar(loader=DataLoader(), variables={})
    text = trust_as_template(r"{{ 'a\tb' }}")
    with compiled_once():
        assert templar.template(text) == r"a\tb"
        assert templar.template(text, escape_backslashes=False) == "a\tb"
        assert templar.template(text) == r"a\tb"
        other = Templar(loader=DataLoader(), variables={})
        assert (
            templar.template(
                trust_as_template("[[ 1 ]]"), overrides={"variable_start_string": "[[", "variable_end_string": "]]"}
            )
            == 1
        )
        assert other.template(trust_as_template("[[ 1 ]]")) == "[[ 1 ]]"
    assert compiled.count(text) == 3


def test_jinja_is_as_before_also_after_an_error() -> None:
    real = jinja2.Environment.compile
    with pytest.raises(ZeroDivisionError), compiled_once():
        raise ZeroDivisionError
    assert jinja2.Environment.compile is real
