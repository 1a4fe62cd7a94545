# SPDX-License-Identifier: Apache-2.0
"""Templates that are rendered for many nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any
from weakref import WeakKeyDictionary

import jinja2


@contextmanager
def compiled_once() -> Iterator[None]:
    """Compile equal templates of one Jinja environment only once.

    Ansible compiles a template whenever it is used, which takes longer than to render it. Code of a template does not
    depend on variables; it does depend on how Ansible reads backslashes at that moment, so that a template with one is
    compiled each time.
    """
    known: WeakKeyDictionary[jinja2.Environment, dict[str, CodeType]] = WeakKeyDictionary()
    compile_template = jinja2.Environment.compile

    def cached(environment: jinja2.Environment, source: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(source, str) or "\\" in source or args or options:
            return compile_template(environment, source, *args, **options)
        codes = known.setdefault(environment, {})
        text = str(source)
        if text not in codes:
            codes[text] = compile_template(environment, source)
        return codes[text]

    jinja2.Environment.compile = cached  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        jinja2.Environment.compile = compile_template  # type: ignore[method-assign]
