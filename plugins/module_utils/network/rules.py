# SPDX-License-Identifier: Apache-2.0
"""The words of ip-rule(8) and ip-route(8), as far as systemd-networkd has settings for them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network import reading
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import IPNetwork, Rule
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import Report, show

#: Names of routing tables that every node has. ``main`` is where routes go that name no table.
TABLES = {"default": 253, "main": 254, "local": 255}
MAIN = 254

_TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}\Z")
_NUMBER = re.compile(r"(?:0x[0-9a-fA-F]{1,8}|[0-9]{1,10})\Z")
_MARK = re.compile(r"(?:0x[0-9a-fA-F]{1,8}|[0-9]{1,10})(?:/(?:0x[0-9a-fA-F]{1,8}|[0-9]{1,10}))?\Z")
_RANGE = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10}))?\Z")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}\Z")


def table(report: Report, path: str, value: Any) -> int | str | None:
    """A routing table by number, by the name of one that every node has (its number), or by a name of ours."""
    if isinstance(value, str):
        word = value.strip()
        if word in TABLES:
            return TABLES[word]
        if not _NUMBER.match(word):
            if _TABLE_NAME.match(word):
                return word
            report.add(path, f"{show(value)} is no routing table", "a number, main, or the name of a route_table")
            return None
        value = int(word, 0) if word.startswith("0x") else int(word)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**32:
        report.add(path, f"{show(value)} is no routing table", "a number from 1 to 4294967295, or a name")
        return None
    return value


class _Words:
    """The words of a rule or of options, one after the other. A mistake ends the reading: the rest has no meaning."""

    def __init__(self, report: Report, path: str, text: str) -> None:
        self.report = report
        self.path = path
        self.words = text.split()
        self.failed = False

    def fail(self, message: str, remedy: str = "") -> None:
        self.report.add(self.path, message, remedy)
        self.failed = True

    def next(self) -> str:
        return self.words.pop(0) if self.words else ""

    def value(self, key: str, pattern: re.Pattern[str], example: str) -> str:
        """The word after ``key``; a word that does not fit is told."""
        word = self.next()
        if not pattern.match(word):
            what = f"{show(word)} is not possible after {key}" if word else f"nothing stands after {key}"
            self.fail(what, f"like {key} {example}")
        return word

    def number(self, key: str, most: int, least: int = 0) -> int:
        word = self.value(key, _NUMBER, str(least + 1))
        if self.failed:
            return least
        number = int(word, 16) if word.lower().startswith("0x") else int(word)
        if not least <= number <= most:
            self.fail(f"{word} is not possible after {key}", f"must be between {least} and {most}")
        return number

    def table(self, key: str) -> int | str | None:
        word = self.next()
        before = len(self.report.problems)
        found = table(self.report, self.path, word)
        self.failed = self.failed or len(self.report.problems) > before
        return found


def _prefix(words: _Words, key: str) -> IPNetwork | None:
    """The subnet after ``from`` or ``to``: one address stands for itself, ``all`` for None."""
    word = words.next()
    if word in ("all", "any", "default"):
        return None
    if word and "/" not in word:
        word += "/128" if ":" in word else "/32"
    before = len(words.report.problems)
    found: IPNetwork | None = reading.network(words.report, words.path, word, {})
    words.failed = words.failed or len(words.report.problems) > before
    return found


#: Words of ip-rule(8) that end in a key of [RoutingPolicyRule] as they are: word -> key, pattern, example.
_PLAIN: dict[str, tuple[str, re.Pattern[str], str]] = {
    "sport": ("SourcePort", _RANGE, "1024-2047"),
    "dport": ("DestinationPort", _RANGE, "443"),
    "uidrange": ("User", _RANGE, "1000-1999"),
    "ipproto": ("IPProtocol", re.compile(r"[a-z0-9-]{1,16}\Z"), "tcp"),
}
_LIMITS = {"SourcePort": (1, 65535), "DestinationPort": (1, 65535), "User": (0, 2**32 - 2)}

#: Words of ip-rule(8) that cannot be had, with the reason.
_REFUSED_RULE = {
    "goto": "a rule that leads to a rule is hard to take back",
    "nop": "it does nothing",
    "nat": "the kernel no longer has it",
    "map-to": "the kernel no longer has it",
    "realms": "systemd-networkd has no setting for it",
    "tun_id": "systemd-networkd has no setting for it",
    "protocol": "systemd-networkd marks its rules itself",
    "l3mdev": "there are no VRFs here",
}
_SYNONYMS = {
    "dev": "iif", "lookup": "table", "preference": "priority", "order": "priority", "dsfield": "tos",
    "sup_pl": "suppress_prefixlength", "suppress_pl": "suppress_prefixlength", "sup_group": "suppress_ifgroup",
    "suppress_group": "suppress_ifgroup",
}  # fmt: skip
#: Words that ip-rule(8) and ip-route(8) take abbreviated, such as prio; of two that fit the first one is meant.
_RULE_ABBREVIATED = (
    "preference", "order", "priority", "dsfield", "realms", "protocol", "table", "suppress_prefixlength",
    "suppress_ifgroup",
)  # fmt: skip
_ROUTE_ABBREVIATED = ("metric", "priority", "quickack", "congctl", "protocol", "table")
_ACTIONS = ("blackhole", "unreachable", "prohibit")
_SUPPRESS = (("suppress_prefixlength", "SuppressPrefixLength"), ("suppress_ifgroup", "SuppressInterfaceGroup"))
_RULE_WORDS = (
    "from", "to", "iif", "oif", "fwmark", "tos", "priority", "table", "not", "suppress_prefixlength",
    "suppress_ifgroup", *_PLAIN, *_ACTIONS,
)  # fmt: skip


def _full(word: str, abbreviated: tuple[str, ...]) -> str:
    """The full word for one of three letters or more that is abbreviated."""
    return next((full for full in abbreviated if len(word) >= 3 and full.startswith(word)), word)


def _put(words: _Words, found: dict[str, Any], key: str, value: Any, word: str) -> None:
    if key in found:
        words.fail(f"{word} is there twice", "keep one of them")
    found[key] = value


def _plain(words: _Words, word: str, options: dict[str, str]) -> None:
    """A word whose value goes to networkd as it is."""
    key, pattern, example = _PLAIN[word]
    value = words.value(word, pattern, example)
    match = _RANGE.match(value)
    if key in _LIMITS and match and not words.failed:
        least, most = _LIMITS[key]
        low, high = int(match[1]), int(match[2] or match[1])
        if not least <= low <= high <= most:
            words.fail(f"{value} is not possible after {word}", f"like {word} {example}")
    _put(words, options, key, value, word)


def _rule_word(words: _Words, word: str, found: dict[str, Any], options: dict[str, str]) -> None:
    """Reads a word of a rule, and what belongs to it."""
    if word in ("from", "to"):
        key = "source" if word == "from" else "destination"
        _put(words, found, key, _prefix(words, word), word)
    elif word in ("iif", "oif"):
        name = words.next()
        known = "lo" if name == "lo" else reading.normal_nic(name)
        if not known:
            words.fail(f"{show(name)} is no device" if name else f"nothing stands after {word}", f"like {word} vlan20")
        _put(words, found, word, known, word)
    elif word == "fwmark":
        _put(words, found, "fwmark", words.value(word, _MARK, "0x10/0xff"), word)
    elif word == "tos":
        _put(words, found, "tos", words.number(word, 255), word)
    elif word == "priority":
        _put(words, found, "priority", words.number(word, 2**32 - 1), word)
    elif word == "table":
        _put(words, found, "table", words.table(word), word)
    elif word in _ACTIONS:
        _put(words, found, "action", word, word)
    elif word == "not":
        _put(words, options, "InvertRule", "yes", word)
    elif word == "suppress_prefixlength":
        _put(words, options, "SuppressPrefixLength", str(words.number(word, 128)), word)
    elif word == "suppress_ifgroup":
        _put(words, options, "SuppressInterfaceGroup", str(words.number(word, 2**31 - 1)), word)
    elif word in _PLAIN:
        _plain(words, word, options)
    elif word in _REFUSED_RULE:
        words.fail(f"{word} cannot be had in a rule: {_REFUSED_RULE[word]}", "write the rule without it")
    else:
        words.fail(f"{show(word)} is no word of a rule", did_you_mean(word, _RULE_WORDS))


def parse_rule(report: Report, path: str, text: str) -> Rule | None:
    """A rule, from the words that would follow ``ip rule``; None when it is wrong, which is told."""
    words = _Words(report, path, text)
    found: dict[str, Any] = {}
    options: dict[str, str] = {}
    family = ""
    while words.words and not words.failed:
        word = _full(words.next(), _RULE_ABBREVIATED)
        word = _SYNONYMS.get(word, word)
        if word in ("-4", "-6"):
            family = {"-4": "ipv4", "-6": "ipv6"}[word]
        elif word in ("del", "delete", "flush", "show", "list", "save", "restore"):
            words.fail(f"ip rule {word} is no rule", "write the rules that shall be there; others are left alone")
        elif word == "type" or (word in ("ip", "rule", "add") and not found and not options):
            continue  # "type blackhole" is the same as "blackhole"
        else:
            _rule_word(words, word, found, options)
    if words.failed:
        return None
    versions = {net.version for net in (found.get("source"), found.get("destination")) if net is not None}
    if len(versions) > 1 or (family and versions - {int(family[-1])}):
        report.add(path, "mixes IPv4 and IPv6", "write a rule for each of them")
        return None
    if "table" not in found and "action" not in found:
        report.add(path, "does not say what to do", "add table <name or number>, or blackhole")
        return None
    if "action" in found:
        idle = [*(["table"] if "table" in found else []), *(word for word, key in _SUPPRESS if key in options)]
        for word in idle:
            report.warn(path, f"{found['action']} looks in no table, so {word} does nothing", f"remove {word}")
    return Rule(
        family=cast(Literal["ipv4", "ipv6"], family or ("ipv6" if versions == {6} else "ipv4")),
        options=options,
        **found,
    )


#: Words of ip-route(8) with a number behind them: word -> limits.
_ROUTE_NUMBERS = {
    "mtu": (68, 65535),
    "advmss": (1, 65535),
    "initcwnd": (1, 1023),
    "initrwnd": (1, 1023),
    "hoplimit": (1, 255),
    "quickack": (0, 1),
    "fastopen_no_cookie": (0, 1),
}
_ROUTE_CHOICES = {"scope": ("global", "site", "link", "host"), "pref": ("low", "medium", "high")}

#: Words of ip-route(8) that cannot be had, with what to do instead.
_REFUSED_ROUTE = {
    "via": "write the gateway as next_hop",
    "dev": "leave it out: a route goes through the device that it is written below",
    "lock": "write mtu without lock",
    "nexthop": "write two routes with different metrics",
    "nhid": "write the gateway as next_hop",
    "type": "only ordinary routes go through a device; use a rule with blackhole",
    "blackhole": "only ordinary routes go through a device; use a rule with blackhole",
    "unreachable": "only ordinary routes go through a device; use a rule with unreachable",
    "prohibit": "only ordinary routes go through a device; use a rule with prohibit",
    "rtt": "leave it out: systemd-networkd has no setting for it",
    "rttvar": "leave it out: systemd-networkd has no setting for it",
    "rto_min": "leave it out: systemd-networkd has no setting for it",
    "ssthresh": "leave it out: systemd-networkd has no setting for it",
    "cwnd": "leave it out: systemd-networkd has no setting for it",
    "window": "leave it out: systemd-networkd has no setting for it",
    "reordering": "leave it out: systemd-networkd has no setting for it",
    "features": "leave it out: systemd-networkd has no setting for it",
    "realm": "leave it out: systemd-networkd has no setting for it",
    "realms": "leave it out: systemd-networkd has no setting for it",
    "expires": "leave it out: a route stays",
    "encap": "leave it out: systemd-networkd has no setting for it",
}


def parse_route_options(report: Report, path: str, text: str) -> dict[str, Any] | None:
    """``metric``, ``table`` and ``options`` out of words of ip-route(8); None when they are wrong, which is told."""
    words = _Words(report, path, text)
    options: dict[str, str] = {}
    found: dict[str, Any] = {}
    readers: dict[str, Callable[[str], None]] = {
        "metric": lambda word: _put(words, found, "metric", words.number(word, 2**32 - 1), word),
        "table": lambda word: _put(words, found, "table", words.table(word), word),
        "congctl": lambda word: _put(words, options, word, words.value(word, _WORD, "bbr"), word),
    }
    readers["priority"] = readers["preference"] = lambda word: readers["metric"]("metric")
    while words.words and not words.failed:
        word = words.next()
        word = word if word in _ROUTE_CHOICES else _full(word, _ROUTE_ABBREVIATED)
        if word == "onlink":
            _put(words, options, word, "yes", word)
        elif word in readers:
            readers[word](word)
        elif word in _ROUTE_NUMBERS:
            least, most = _ROUTE_NUMBERS[word]
            if words.words[:1] == ["lock"]:
                words.fail("mtu lock cannot be had: systemd-networkd has no setting for it", "write mtu without lock")
            else:
                _put(words, options, word, str(words.number(word, most, least)), word)
        elif word in _ROUTE_CHOICES:
            pattern = re.compile("(?:" + "|".join(_ROUTE_CHOICES[word]) + r")\Z")
            _put(words, options, word, words.value(word, pattern, _ROUTE_CHOICES[word][0]), word)
        elif word == "src":
            before = len(report.problems)
            address = reading.ip(report, path, words.next(), {})
            words.failed = len(report.problems) > before
            _put(words, options, word, str(address), word)
        elif word == "protocol":
            words.value(word, re.compile(r"static\Z"), "static, which is what it is")
        elif word in _REFUSED_ROUTE:
            words.fail(f"{word} cannot be had here", _REFUSED_ROUTE[word])
        else:
            known = ("metric", "table", "src", "onlink", "congctl", *_ROUTE_NUMBERS, *_ROUTE_CHOICES)
            words.fail(f"{show(word)} is no word of a route", did_you_mean(word, known))
    return None if words.failed else {**found, "options": options}


def idle_option(version: int, gateway: bool, options: Mapping[str, str]) -> tuple[str, str] | None:
    """An option that systemd-networkd or the kernel would ignore in a route of this IP version, and what to do."""
    if "onlink" in options and not gateway:
        return "onlink does nothing without a gateway", "remove onlink, or name the gateway as next_hop"
    if "src" in options and ipaddress.ip_address(options["src"]).version != version:
        return f"src {options['src']} is not an address of IPv{version}", "name an address of the same IP version"
    if version == 6 and options.get("scope", "global") != "global":
        return "a route of IPv6 has no scope", "remove scope"
    if version == 4 and "pref" in options:
        return "a route of IPv4 has no preference", "remove pref; use metric"
    return None
