# SPDX-License-Identifier: Apache-2.0
"""Types of oslo.config options: how a value of cloud.yml or of a role is written so that the service reads the same.

What a type reads is modelled on oslo_config.types (a list is split at commas, an item that is refused is joined with
the next one). A value is written, read back with the model, and refused when it would arrive as something else.

``$`` refers to another option (oslo_config.cfg, "Option Value Interpolation"). In a ``Literal`` it stands for itself
and is escaped. Any other string keeps its references; their values are known to the service only, so that they are not
checked here.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit


class Literal(str):
    """A string without references: a secret, or a value of a role."""

    __slots__ = ()


class ValueRefused(ValueError):
    """A value that does not fit its option. The text says what is wrong, ``remedy`` what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


#: Control characters but for the tab, line and paragraph separators, and halves of a surrogate pair.
_UNWRITABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
#: oslo_config.cfg.ConfigOpts.Template: a reference, after `$$` and `\$` have been taken as a plain dollar sign.
_REFERENCE = re.compile(r"(\\\$|\$\$)|\$(?:([_a-z][._a-z0-9]*)|\{([_a-z][._a-z0-9]*)\})", re.IGNORECASE)

_TRUE, _FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")
_NUMBERS = ("Integer", "Float", "Port")
_HOSTS = ("HostAddress", "HostDomain", "Hostname")

#: Names of types in the data of oslo-config-generator.
_NAMES: dict[str, dict[str, Any]] = {
    "string value": {"type": "String"},
    "boolean value": {"type": "Boolean"},
    "integer value": {"type": "Integer"},
    "floating point value": {"type": "Float"},
    "port value": {"type": "Port"},
    "list value": {"type": "List", "item": {"type": "String"}},
    "dict value": {"type": "Dict", "item": {"type": "String"}},
    "multi valued": {"type": "String", "multi": True},
    "uri value": {"type": "URI"},
    "IP address value": {"type": "IPAddress"},
    "host address value": {"type": "HostAddress"},
    "host domain value": {"type": "HostDomain"},
    "hostname value": {"type": "Hostname"},
    "range value": {"type": "Range"},
}


@dataclass(frozen=True)
class OptionType:
    """A type of oslo_config.types, ``kind`` being its class.

    ``unknown`` is a type of the service's own, ``untyped`` an option of which nothing is known. ``name`` is what people
    call the type. ``secret``: no value is shown.
    """

    kind: str = "untyped"
    name: str = "option of unknown type"
    multi: bool = False
    secret: bool = False
    item: OptionType | None = None
    quotes: bool = False
    ignore_case: bool = False
    bounds: bool = False
    separator: str = ":"
    min: float | None = None
    max: float | None = None
    min_length: int = 0
    max_length: int = 0
    choices: tuple[str, ...] = ()
    regex: str = ""
    schemes: tuple[str, ...] = ()
    version: int = 0

    def shown(self, value: Any) -> str:
        """A value for a message."""
        return "the value" if self.secret else repr(value)

    def hidden(self) -> OptionType:
        """The same type, of a value that no message may show."""
        return replace(self, secret=True, item=self.item and self.item.hidden())

    def article(self) -> str:
        """The name with its article."""
        return f"a{'n' if self.name[0] in 'aeioI' else ''} {self.name}"


UNTYPED = OptionType()
_ITEM = OptionType("String", "string value")


def type_of(option: Mapping[str, Any]) -> OptionType:
    """The type of an option, by what the image's option data say of it (``images/export_options.py``)."""
    name = str(option.get("type") or "")
    syntax: Mapping[str, Any] = option.get("syntax") or _NAMES.get(name) or {"type": "unknown" if name else "untyped"}
    found = _from_syntax(syntax)
    choices = [choice[0] if isinstance(choice, list | tuple) else choice for choice in option.get("choices") or []]
    return replace(
        found.hidden() if option.get("secret") else found,
        name=name or UNTYPED.name,
        multi=bool(syntax.get("multi")),
        min=found.min if found.min is not None else option.get("min"),
        max=found.max if found.max is not None else option.get("max"),
        choices=found.choices or tuple(str(choice) for choice in choices),
    )


def _from_syntax(syntax: Mapping[str, Any]) -> OptionType:
    names = {details["type"]: name for name, details in _NAMES.items() if "multi" not in details}
    return OptionType(
        kind=str(syntax["type"]),
        name=names.get(syntax["type"], "value of a type of its own"),
        item=_from_syntax(syntax["item"]) if "item" in syntax else None,
        quotes=bool(syntax.get("quotes")),
        ignore_case=bool(syntax.get("ignore_case")),
        bounds=bool(syntax.get("bounds")),
        separator=str(syntax.get("key_value_separator", ":")),
        min=syntax.get("min"),
        max=syntax.get("max"),
        min_length=int(syntax.get("min_length", 0)),
        max_length=int(syntax.get("max_length", 0)),
        choices=tuple(str(choice) for choice in syntax.get("choices", ())),
        regex=str(syntax.get("regex", "")),
        schemes=tuple(syntax.get("schemes", ())),
        version=int(syntax.get("version", 0)),
    )


# --- references -----------------------------------------------------------------------------------------------------


def escape(text: str) -> str:
    r"""``text`` with every ``$`` standing for itself: ``$$``, or ``\$`` where a backslash precedes it.

    oslo.config first makes ``$$`` of each ``\$``: ``\$$`` would become ``$$$``, a dollar sign and a reference.
    """
    return re.sub(r"(\\?)\$", lambda match: match[1] + (r"\$" if match[1] else "$$"), text)


def references(text: str) -> list[str]:
    """The names of the options to which a string refers, in order: ``option`` or ``group.option``."""
    if isinstance(text, Literal):
        return []
    return [match[2] or match[3] for match in _REFERENCE.finditer(text) if not match[1]]


def _open(text: Any) -> bool:
    """Whether only the service knows the value."""
    return isinstance(text, str) and bool(references(text))


# --- reading --------------------------------------------------------------------------------------------------------


def read(kind: OptionType, text: str) -> Any:
    """What the service makes of ``text``: lists, mappings and strings (numbers and booleans as they are written).

    :raises ValueRefused: oslo.config refuses it.
    """
    if kind.kind == "List":
        return _read_list(kind, text)
    if kind.kind == "Dict":
        return _read_mapping(kind, text)
    if kind.kind == "String" and kind.quotes and text[:1] in ("'", '"'):
        if len(text) == 1 or text[-1] != text[0]:
            raise ValueRefused(f"{kind.shown(text)} has a quote that is not closed", "close it")
        text = text[1:-1]
    if not _open(text):
        _check(kind, text)
    return text


def _read_list(kind: OptionType, text: str) -> list[Any]:
    text = text.strip().rstrip(",")
    if kind.bounds:
        if text[:1] != "[" or text[-1:] != "]":
            raise ValueRefused(f"{kind.shown(text)} is not in brackets", "write [a,b], or a list of YAML")
        text = text[1:-1]
    found: list[Any] = []
    parts = text.split(",") if text else []
    while parts:
        part = parts.pop(0)
        while True:
            try:
                found.append(read(kind.item or _ITEM, part.strip()))
                break
            except ValueRefused:
                if not parts:
                    raise
            part += "," + parts.pop(0)
    return found


def _read_mapping(kind: OptionType, text: str) -> dict[str, Any]:
    text = text.strip()
    if kind.bounds:
        if text[:1] != "{" or text[-1:] != "}":
            raise ValueRefused(f"{kind.shown(text)} is not in braces", "write a mapping of YAML")
        text = text[1:-1]
    found: dict[str, Any] = {}
    parts = text.split(",") if text else []
    while parts:
        part = parts.pop(0)
        while True:
            key, separator, value = part.partition(kind.separator)
            try:
                if not separator:
                    raise ValueRefused(
                        f"{kind.shown(part)} has no {kind.separator} between key and value", "write a mapping of YAML"
                    )
                read_value = read(kind.item or _ITEM, value.strip())
                break
            except ValueRefused:
                if not parts:
                    raise
            part += "," + parts.pop(0)
        if not key.strip() or key.strip() in found:
            raise ValueRefused("a key is empty or there twice", "give each value a key of its own")
        found[key.strip()] = read_value
    return found


def _number(kind: OptionType, text: str) -> float | None:
    try:
        return float(text) if kind.kind == "Float" else int(text)
    except ValueError:
        return None


def _check(kind: OptionType, text: str) -> None:
    """Refuse a scalar that the type refuses."""
    if kind.kind == "Boolean" and text.lower() not in (*_TRUE, *_FALSE):
        raise ValueRefused(f"{kind.shown(text)} is neither true nor false", "write true or false")
    if kind.kind in _NUMBERS and text.strip():
        _check_number(kind, text)
    if kind.kind == "IPAddress" and not _address(text, kind.version):
        raise ValueRefused(f"{kind.shown(text)} is not an IP{f'v{kind.version}' if kind.version else ''} address")
    if kind.kind in _HOSTS and not (
        _hostname(kind.kind, text) or (kind.kind != "Hostname" and _address(text, kind.version))
    ):
        raise ValueRefused(f"{kind.shown(text)} is neither a host name nor an IP address")
    if kind.kind == "URI":
        _check_uri(kind, text)
    if kind.kind in ("String", "URI") and kind.max_length and len(text) > kind.max_length:
        raise ValueRefused(f"{kind.shown(text)} is too long", f"at most {kind.max_length} characters")
    if kind.regex and not re.search(kind.regex, text, re.IGNORECASE if kind.ignore_case else 0):
        raise ValueRefused(f"{kind.shown(text)} does not have the form that the service wants", f"it is {kind.regex}")
    if kind.choices and not _chosen(kind, text):
        same = [choice for choice in kind.choices if choice.lower() == text.lower()]
        remedy = f"known: {', '.join(kind.choices)}"
        if not kind.secret:
            near = same or difflib.get_close_matches(text, kind.choices, n=1, cutoff=0.6)
            remedy = f"did you mean {near[0]}?" if near else remedy
        raise ValueRefused(f"{kind.shown(text)} is not one of the choices{' (case counts)' if same else ''}", remedy)


def _check_number(kind: OptionType, text: str) -> None:
    number = _number(kind, text)
    if number is None:
        what = "number" if kind.kind == "Float" else "whole number"
        raise ValueRefused(f"{kind.shown(text)} is not a {what}", f"it is {kind.article()}")
    port = kind.kind == "Port"
    lowest = 0 if kind.min is None and port else kind.min
    highest = 65535 if kind.max is None and port else kind.max
    if lowest is not None and number < lowest:
        raise ValueRefused(f"{kind.shown(number)} is too small", f"at least {lowest}")
    if highest is not None and number > highest:
        raise ValueRefused(f"{kind.shown(number)} is too large", f"at most {highest}")


def _check_uri(kind: OptionType, text: str) -> None:
    """Scheme and host, as RFC 3986 has them."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if not parts.scheme or not host or " " in text:
        raise ValueRefused(f"{kind.shown(text)} is not a URI with scheme and host", "write scheme://host[:port][/path]")
    if kind.schemes and parts.scheme not in kind.schemes:
        raise ValueRefused(f"{kind.shown(text)} has another scheme", f"use {' or '.join(kind.schemes)}")


def _chosen(kind: OptionType, text: str) -> bool:
    if kind.kind in _NUMBERS:
        return _number(kind, text) in [_number(kind, choice) for choice in kind.choices]
    if kind.ignore_case:
        return text.lower() in [choice.lower() for choice in kind.choices]
    return text in kind.choices


def _address(text: str, version: int) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return version in (0, found.version) and "%" not in text  # inet_pton(3) takes no zone


def _hostname(kind: str, text: str) -> bool:
    """RFC 1123, and `_` in a HostDomain; a name whose last label has digits only would be an address."""
    labels = text.removesuffix(".").split(".")
    label = re.compile(rf"(?!-)[a-z0-9{'_' if kind == 'HostDomain' else ''}-]{{1,63}}(?<!-)\Z", re.IGNORECASE)
    return len(text) <= 253 and bool(re.search("[a-z-]", labels[-1], re.IGNORECASE)) and all(map(label.match, labels))


# --- writing --------------------------------------------------------------------------------------------------------


def write(kind: OptionType, value: Any) -> list[str]:
    """The texts of a value, one for each line of the option; ``line`` makes lines of them.

    A string is what oslo.config reads: of a list, the text with commas. A list or a mapping of YAML is written in the
    type's own way; ``{multi: [...]}`` and a list stand for the lines of an option that may be repeated.

    :raises ValueRefused: the value cannot be meant for this type, or would arrive as another one.
    """
    if isinstance(value, Mapping) and set(value) == {"multi"} and isinstance(value["multi"], list | tuple):
        if not kind.multi and kind.kind != "untyped":
            raise ValueRefused("is not an option that may be repeated", f"it is {kind.article()}: do not write `multi`")
        values: Sequence[Any] = value["multi"]
    elif kind.multi:
        values = value if isinstance(value, list | tuple) else [value]
    else:
        return [_write_one(kind, value)]
    if not values:
        raise ValueRefused("an empty list cannot be written for an option that may be repeated", "write null")
    return [_write_one(replace(kind, multi=False), item) for item in values]


def _has_literal(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_literal, [*value, *value.values()]))
    if isinstance(value, list | tuple):
        return any(map(_has_literal, value))
    return isinstance(value, Literal)


def _write_one(kind: OptionType, value: Any) -> str:
    if _has_literal(value):  # it may be a secret
        kind = kind.hidden()
    if isinstance(value, Mapping):
        if kind.kind != "Dict":
            raise ValueRefused(
                "takes one value, not a mapping" if kind.kind != "untyped" else "takes no mapping",
                f"it is {kind.article()}"
                if kind.kind != "untyped"
                else "write a string, a number, a boolean, a list or {multi: [...]}",
            )
        return _as_meant(kind, value, _write_mapping(kind, value))
    if isinstance(value, list | tuple):
        if kind.kind == "List" or kind.kind in ("untyped", "unknown"):
            model = kind if kind.kind == "List" else OptionType("List", item=_ITEM, secret=kind.secret)
            return _as_meant(model, value, _write_list(model, value))
        raise ValueRefused(
            f"takes {'a mapping' if kind.kind == 'Dict' else 'one value'}, not a list", f"it is {kind.article()}"
        )
    text = _scalar(kind, value)
    if not _open(text):
        read(kind, str(text))
    return _escaped(text)


def _scalar(kind: OptionType, value: Any) -> str:
    """The string of a YAML scalar; a Literal stays one."""
    if value is None:
        raise ValueRefused("a value is missing", "write it, or remove the item")
    if isinstance(value, bool):
        if kind.kind in _NUMBERS:
            what = "number" if kind.kind == "Float" else "whole number"
            raise ValueRefused(f"{value!r} is not a {what}", f"it is {kind.article()}")
        return "true" if value else "false"
    if isinstance(value, float) and kind.kind in ("Integer", "Port"):
        raise ValueRefused(f"{value!r} is not a whole number", f"it is {kind.article()}")
    text = value if isinstance(value, str) else str(value)
    if found := _UNWRITABLE.search(text):
        what = "a line break" if found[0] in "\n\r" else f"the character U+{ord(found[0]):04X}"
        raise ValueRefused(f"an option cannot hold {what}", "write one line of printable text")
    return text


def _escaped(text: str) -> str:
    return escape(text) if isinstance(text, Literal) else text


def _meant(kind: OptionType, value: Any) -> Any:
    """What has to be read, in the form that ``read`` gives; of strings with references, what is written."""
    if isinstance(value, Mapping):
        return {str(key): _meant(kind.item or _ITEM, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_meant(kind.item or _ITEM, item) for item in value]
    return str(_scalar(kind, value))


def _as_meant(kind: OptionType, value: Any, text: str) -> str:
    """``text``, which was written with escapes, if its form without them is read as ``value``."""
    plain = _write_list(kind, value, raw=True) if kind.kind == "List" else _write_mapping(kind, value, raw=True)
    if read(kind, plain) != _meant(kind, value):
        raise ValueRefused(f"{kind.shown(value)} would be read as {kind.shown(read(kind, plain))}", _reason(kind))
    return text


def _reason(kind: OptionType) -> str:
    what = "items" if kind.kind == "List" else "keys and values"
    return f"{what} of this option cannot have commas, outer blanks or be empty: oslo.config has no way to write them"


def _write_list(kind: OptionType, items: Iterable[Any], raw: bool = False) -> str:
    item = kind.item or _ITEM
    text = ",".join(_write_item(item, value, raw) for value in items)
    return f"[{text}]" if kind.bounds else text


def _write_mapping(kind: OptionType, values: Mapping[str, Any], raw: bool = False) -> str:
    item = kind.item or _ITEM
    text = ",".join(
        f"{_write_item(_ITEM, key, raw)}{kind.separator}{_write_item(item, value, raw)}"
        for key, value in values.items()
    )
    return f"{{{text}}}" if kind.bounds else text


def _write_item(kind: OptionType, value: Any, raw: bool) -> str:
    """One item; ``raw``: without escapes, for the model, which does not know references."""
    if isinstance(value, Mapping):
        if kind.kind != "Dict":
            raise ValueRefused("an item is a mapping", f"each is {kind.article()}")
        return _write_mapping(kind, value, raw)
    if isinstance(value, list | tuple):
        if kind.kind != "List":
            raise ValueRefused("an item is a list", f"each is {kind.article()}")
        return _write_list(kind, value, raw)
    text = _scalar(kind, value)
    quote = ""
    if kind.quotes:
        around = OptionType("List", item=kind)
        for quote in ("", '"', "'"):
            try:
                if _read_list(around, f"{quote}{text}{quote}") == [text]:
                    break
            except ValueRefused:
                continue
    return f"{quote}{text if raw else _escaped(text)}{quote}"


def line(text: str) -> str:
    """``text`` as it stands after ``option =``.

    The parser strips blanks and one pair of quotes around it (oslo_config.iniparser); a pair of our own keeps both.
    """
    if text and (text != text.strip() or (text[0] == text[-1] and text[0] in "'\"")):
        return f'"{text}"'
    return text
