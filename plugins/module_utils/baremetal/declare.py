# SPDX-License-Identifier: Apache-2.0
"""What an operator declares of a node, against what Ironic has: the requests between them, or why there is no way.

Nothing is taken away that is not declared: mappings are compared key by key, and what inspection wrote stays. Traits,
ports and port groups are complete where they are declared at all.

Secrets. Ironic shows a secret of ``driver_info`` as six stars, so a changed password cannot be seen there. A keyed
digest of each secret is kept in the node's ``extra.ozone_secrets``; its key is made of the password that we have with
Ironic itself (``secret_key``). Who may read nodes and does not know that password can neither compare digests nor try
guesses, equal passwords of two nodes have different digests; who knows it could have Ironic send the BMC's password to
an address of his choice anyway. With another key all secrets are sent once more. A password that somebody changed in
Ironic past us is not noticed: ``secrets="always"`` sends what is declared.

Port groups: their names are unique in the whole of Ironic, so ``bond0`` of the node bm1 is ``bm1-bond0`` there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import disks
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    INTERFACES,
    BaremetalError,
    Declared,
    Port,
    PortGroup,
    Request,
)
from ansible_collections.ozone.openstack.plugins.module_utils.cloud.document import did_you_mean
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import (
    Report,
    below,
    boolean,
    is_text,
    mac,
    show,
    type_name,
)

#: How Ironic shows a secret.
MASK = "******"
#: Key of a node's ``extra`` with the digests of its secrets.
DIGESTS = "ozone_secrets"

#: A key of ``driver_info`` with one of these words in it has a secret. Ironic masks most of them.
SECRET_WORDS = (
    "password", "passphrase", "secret", "token", "adminpass", "admin_pass", "new_pass", "sys_pswd", "community",
    "private_key", "encrypted_key", "priv_key", "auth_key", "sslkey",
)  # fmt: skip

#: Modes of the kernel's bonding driver, by name and by number.
MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")

#: Provision states in which interfaces, the driver and the resource class can change.
FREE = frozenset({"enroll", "manageable", "available", "inspect wait"})
#: Provision states in which the cabling of a port can change.
CABLING = frozenset({"enroll", "manageable", "inspect wait"})
#: Provision states with a target in which Ironic takes changes all the same.
CHANGEABLE = frozenset(
    {
        "deploy failed", "inspect failed", "inspect wait", "clean failed", "error", "verifying", "adopt failed",
        "rescue failed", "unrescue failed", "service", "service hold", "service failed",
    }
)  # fmt: skip
#: Provision states from which a node can be removed.
REMOVABLE = frozenset({"enroll", "manageable", "available", "adopt failed"})

Secrets = Literal["changed", "always", "on_create"]

_NAME = re.compile(r"[A-Za-z0-9._~-]{1,255}\Z")
_GROUP = re.compile(r"[A-Za-z0-9_.-]*\Z")
_TRAIT = re.compile(r"[A-Z0-9_]{1,255}\Z")
_ABSENT: Any = object()


@dataclass
class Changes:
    """The way from what Ironic has to what is declared.

    ``requests`` in order; ids of what is made are given here, so one round does it. ``summary`` and ``diff`` show no
    secret. ``notes``: what is not done now and why, and is no mistake.
    """

    requests: list[Request] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    diff: dict[str, dict[str, Any]] = field(default_factory=lambda: {"before": {}, "after": {}})
    notes: list[str] = field(default_factory=list)


# ---- reading what is declared


def _text(longest: int, pattern: re.Pattern[str] | None = None, rule: str = "") -> Callable[[Report, str, Any], Any]:
    def read_text(report: Report, path: str, value: Any) -> str | None:
        if not is_text(report, path, value):
            return None
        if len(value) > longest:
            report.add(path, f"has {len(value)} characters", f"Ironic takes {longest}")
        elif pattern is not None and not pattern.match(value):
            report.add(path, f"{show(value)} is not possible here", rule)
        return str(value)

    return read_text


def _boolean(report: Report, path: str, value: Any) -> bool | None:
    return boolean(report, path, value, {})


def _mac(report: Report, path: str, value: Any) -> str | None:
    return mac(report, path, value, {})


def _mapping(report: Report, path: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        report.add(path, f"must be a mapping, not {type_name(value)}", "write key: value")
        return {}
    for key in value:
        if not isinstance(key, str) or not key:
            report.add(path, f"has the key {show(key)}, which is no text", "put it in quotes")
    return {str(key): item for key, item in value.items()}


def _items(report: Report, path: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        report.add(path, f"must be a list, not {type_name(value)}", "write - and a space before each item")
        return []
    return list(value)


def _driver_data(report: Report, path: str, value: Any) -> dict[str, Any]:
    found = _mapping(report, path, value)
    for key, item in found.items():
        if MASK in json.dumps(item, default=str):
            report.add(below(path, key), "is how Ironic shows a secret, and not the secret", "give it, or leave it out")
    return found


def _interfaces(report: Report, path: str, value: Any) -> dict[str, str]:
    found = {}
    for key, item in _mapping(report, path, value).items():
        name = key.removesuffix("_interface")
        if name not in INTERFACES:
            report.add(below(path, key), "unknown interface", did_you_mean(name, INTERFACES))
        elif item is not None and is_text(report, below(path, key), item):
            found[name] = str(item)
    return found


def _traits(report: Report, path: str, value: Any) -> tuple[str, ...]:
    found = []
    for index, item in enumerate(_items(report, path, value)):
        if is_text(report, f"{path}[{index}]", item):
            if not _TRAIT.match(item):
                report.add(f"{path}[{index}]", f"{show(item)} is no trait", "CUSTOM_ and upper case, as CUSTOM_GPU")
            found.append(str(item))
    return tuple(sorted(set(found)))


def _hint(report: Report, path: str, value: Any) -> None:
    if isinstance(value, Mapping) and "volume_name" in value and path.endswith("]"):
        return
    for mistake in disks.mistakes(value):
        report.add(path, mistake)


def _properties(report: Report, path: str, value: Any) -> dict[str, Any]:
    found = _mapping(report, path, value)
    if found.get("root_device") is not None:
        _hint(report, f"{path}.root_device", found["root_device"])
    if found.get("skip_block_devices") is not None:
        here = f"{path}.skip_block_devices"
        for index, hint in enumerate(_items(report, here, found["skip_block_devices"])):
            _hint(report, f"{here}[{index}]", hint)
    words = found.get("capabilities")
    if words is not None and not isinstance(words, str | Mapping):
        report.add(f"{path}.capabilities", f"must be a mapping, not {type_name(words)}", "as boot_mode: uefi")
        del found["capabilities"]
    return found


def _extra(report: Report, path: str, value: Any) -> dict[str, Any]:
    found = _mapping(report, path, value)
    if DIGESTS in found:
        report.add(f"{path}.{DIGESTS}", "is written by Ozone itself", "use another key")
    return found


def _network_data(report: Report, path: str, value: Any) -> dict[str, Any]:
    found = _mapping(report, path, value)
    if not found:
        return found
    for key in ("links", "networks", "services"):
        if key not in found:
            report.add(path, f"the key {key} is missing", "an empty list, when there are none")
    networks = found.get("networks")
    for index, network in enumerate(networks if isinstance(networks, list) else ()):
        if not isinstance(network, Mapping) or "network_id" not in network:
            report.add(f"{path}.networks[{index}]", "the key network_id is missing", "any text, as its name")
    return found


def _link(report: Report, path: str, value: Any) -> dict[str, str]:
    found = _mapping(report, path, value)
    known = ("port_id", "switch_id", "hostname", "switch_info", "network_type")
    for key, item in found.items():
        if key not in known:
            report.add(below(path, key), "unknown key", did_you_mean(key, known))
        else:
            is_text(report, below(path, key), item)
    if found and found.get("network_type") != "unmanaged" and not {"port_id", "switch_id"} <= set(found):
        report.add(path, "needs port_id and switch_id", "or network_type: unmanaged")
    if isinstance(found.get("switch_id"), str):
        found["switch_id"] = found["switch_id"].lower()
    return found


_NAMED = _text(255, _NAME, "letters, digits, . _ ~ and -")

_PORT: dict[str, Callable[[Report, str, Any], Any]] = {
    "address": _mac,
    "pxe_enabled": _boolean,
    "physical_network": _text(64),
    "local_link_connection": _link,
    "portgroup": _text(255),
}
_PORTGROUP: dict[str, Callable[[Report, str, Any], Any]] = {
    "name": _NAMED,
    "address": _mac,
    "mode": _text(255),
    "properties": _mapping,
    "standalone_ports_supported": _boolean,
}


def _read(
    report: Report, path: str, value: Any, keys: Mapping[str, Callable[[Report, str, Any], Any]], required: str = ""
) -> dict[str, Any]:
    """The values of a mapping; a key without a value counts as left out."""
    found = {}
    data = _mapping(report, path, value)
    for key, item in data.items():
        if key not in keys:
            report.add(below(path, key), "unknown key", did_you_mean(key, keys))
        elif item is not None:
            known = keys[key](report, below(path, key), item)
            if known is not None:
                found[key] = known
    if required and data.get(required) is None:
        report.add(path, f"the key {required} is missing", "every one needs it")
    return found


def _unique(report: Report, path: str, what: str, values: Iterable[tuple[int, str]]) -> None:
    seen: dict[str, int] = {}
    for index, value in values:
        if seen.setdefault(value, index) != index:
            report.add(f"{path}[{index}]", f"{value} is the {what} of {path}[{seen[value]}], too", "remove one of them")


def _ports(report: Report, path: str, value: Any) -> tuple[Port, ...]:
    read_ = [
        (index, _read(report, f"{path}[{index}]", item, _PORT, "address"))
        for index, item in enumerate(_items(report, path, value))
    ]
    whole = [(index, keys) for index, keys in read_ if "address" in keys]
    _unique(report, path, "address", ((index, keys["address"]) for index, keys in whole))
    return tuple(Port(**keys) for _, keys in whole)


def _portgroups(report: Report, path: str, value: Any) -> tuple[PortGroup, ...]:
    found = []
    names = []
    for index, item in enumerate(_items(report, path, value)):
        keys = _read(report, f"{path}[{index}]", item, _PORTGROUP, "name")
        mode = keys.get("mode")
        if mode is not None and mode not in MODES and mode not in [str(number) for number in range(len(MODES))]:
            report.add(f"{path}[{index}].mode", f"{show(mode)} is no mode of a bond", did_you_mean(mode, MODES))
        if "name" in keys:
            names.append((index, keys["name"]))
            found.append(PortGroup(**keys))
    _unique(report, path, "name", names)
    return tuple(found)


_DECLARED: dict[str, Callable[[Report, str, Any], Any]] = {
    "driver": _text(255),
    "driver_info": _driver_data,
    "interfaces": _interfaces,
    "resource_class": _text(80),
    "traits": _traits,
    "conductor_group": _text(255, _GROUP, "letters, digits, _ . and -"),
    "owner": _text(255),
    "lessee": _text(255),
    "shard": _text(255),
    "description": _text(4096),
    "properties": _properties,
    "extra": _extra,
    "network_data": _network_data,
    "automated_clean": _boolean,
    "retired": _boolean,
    "retired_reason": _text(4096),
    "protected": _boolean,
    "protected_reason": _text(4096),
    "ports": _ports,
    "portgroups": _portgroups,
    "target_raid_config": _mapping,
}


def read(name: str, plain: Mapping[str, Any]) -> Declared:
    """A node as declared in plain data. A key whose value is None counts as left out.

    :raises BaremetalError: every mistake in it, a line each.
    """
    report = Report()
    _NAMED(report, "name", name)
    found = _read(report, str(name), plain, _DECLARED)
    declared = Declared(name=str(name), **found)
    groups = {group.name: group for group in declared.portgroups or ()}
    for index, port in enumerate(declared.ports or ()):
        here = f"{name}.ports[{index}]"
        group = groups.get(port.portgroup or "")
        if port.portgroup and declared.portgroups is not None and group is None:
            report.add(
                f"{here}.portgroup", f"there is no port group {port.portgroup}", did_you_mean(port.portgroup, groups)
            )
        if port.pxe_enabled and group is not None and group.standalone_ports_supported is False:
            report.add(f"{here}.pxe_enabled", f"port group {group.name} has no stand-alone ports", "set it to false")
    for word in ("retired", "protected"):
        if getattr(declared, f"{word}_reason") and getattr(declared, word) is False:
            report.add(f"{name}.{word}_reason", f"is given, and {word} is false", "remove the reason")
    if report.problems:
        raise BaremetalError("\n".join(str(problem) for problem in report.problems))
    return declared


# ---- secrets


def secret_key(password: str) -> bytes:
    """The key of the digests, of the password that we have with Ironic; slow on purpose, so it is made once a run.

    Empty without a password: then a changed secret cannot be noticed.
    """
    if not password:
        return b""
    return hashlib.scrypt(password.encode(), salt=b"ozone.openstack baremetal secrets", n=2**14, r=8, p=1, dklen=32)


def holds_secret(key: str, value: Any = None) -> bool:
    """Whether a key of ``driver_info`` has a secret, in itself or somewhere beneath."""
    if any(word in key.lower() for word in SECRET_WORDS):
        return True
    return isinstance(value, Mapping) and any(holds_secret(str(inner), item) for inner, item in value.items())


def secret_values(declared: Declared) -> list[str]:
    """All texts that must not be shown."""

    def texts(value: Any) -> list[str]:
        if isinstance(value, Mapping):
            return [text for item in value.values() for text in texts(item)]
        return [value] if isinstance(value, str) else []

    return [text for key, value in declared.driver_info.items() if holds_secret(key, value) for text in texts(value)]


def masked(data: Mapping[str, Any] | None) -> dict[str, Any]:
    """``driver_info`` as it may be shown."""
    return {
        key: MASK
        if any(word in key.lower() for word in SECRET_WORDS)
        else masked(value)
        if isinstance(value, Mapping)
        else value
        for key, value in (data or {}).items()
    }


def _digest(key: bytes, name: str, entry: str, value: Any) -> str:
    text = f"{name}\0{entry}\0{json.dumps(value, sort_keys=True)}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


# ---- differences


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _same_property(one: Any, other: Any) -> bool:
    """Inspection writes some numbers as texts."""
    scalar = isinstance(one, int | str) and isinstance(other, int | str)
    return str(one) == str(other) if scalar else _same(one, other)


def capabilities(words: Any) -> dict[str, str]:
    """``a:1,b:2`` as Ironic has it, or the mapping that says the same."""
    if isinstance(words, Mapping):
        return {str(key): str(value) for key, value in words.items() if value is not None}
    pairs = [word.split(":", 1) for word in str(words or "").split(",") if ":" in word]
    return {key.strip(): value.strip() for key, value in pairs}


def _as_capabilities(words: Mapping[str, str]) -> str:
    return ",".join(f"{key}:{value}" for key, value in sorted(words.items()))


def _merged_capabilities(wanted: Any, current: Any) -> str:
    """What Ironic has, with what is declared; a capability whose value is None is removed."""
    gone = {key for key, value in wanted.items() if value is None} if isinstance(wanted, Mapping) else set()
    both = {**capabilities(current), **capabilities(wanted)}
    return _as_capabilities({key: value for key, value in both.items() if key not in gone})


def _pointer(*parts: str) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _word(value: Any) -> str:
    return "nothing" if value is _ABSENT or value is None else show(value)


class _Patch:
    """The JSON patch of one thing, with what a person sees of it. ``place``: where it stands in the diff."""

    def __init__(self, changes: Changes, place: tuple[str, ...] = (), what: str = "") -> None:
        self.changes = changes
        self.place = place
        self.what = what
        self.operations: list[dict[str, Any]] = []
        self.touched: list[str] = []

    def show(self, path: tuple[str, ...], before: Any, after: Any) -> None:
        """Put a difference into the diff."""
        for side, value in (("before", before), ("after", after)):
            if value is not _ABSENT:
                here = self.changes.diff[side]
                for part in (*self.place, *path[:-1]):
                    here = here.setdefault(part, {})
                here[path[-1]] = value

    def put(self, path: tuple[str, ...], current: Any, wanted: Any, secret: bool = False) -> None:
        """Set a value, or remove it (``_ABSENT``)."""
        if wanted is _ABSENT:
            self.operations.append({"op": "remove", "path": _pointer(*path)})
        else:
            word = "add" if current is _ABSENT else "replace"
            self.operations.append({"op": word, "path": _pointer(*path), "value": wanted})
        name = ".".join(path)
        self.touched.append(name)
        label = f"{self.what}{name}"
        if secret:
            self.show(path, current if current is _ABSENT else MASK, wanted if wanted is _ABSENT else f"{MASK} (sent)")
            self.changes.summary.append(f"{label}: {'removed' if wanted is _ABSENT else 'sent'}")
        else:
            self.show(path, current, wanted)
            self.changes.summary.append(f"{label}: {_word(current)} -> {_word(wanted)}")

    def value(self, path: tuple[str, ...], current: Any, wanted: Any) -> bool:
        """A value that is wanted: None says nothing, an empty text none. Returns whether it differs."""
        if wanted is None or _same(current, wanted) or (wanted == "" and not current):
            return False
        self.put(path, _ABSENT if current is None and len(path) > 1 else current, _ABSENT if wanted == "" else wanted)
        return True

    def merge(
        self,
        name: str,
        current: Mapping[str, Any] | None,
        wanted: Mapping[str, Any],
        same: Callable[[Any, Any], bool] = _same,
    ) -> None:
        """A mapping, key by key; None removes a key."""
        have = current or {}
        for key, value in wanted.items():
            now = have.get(key, _ABSENT)
            if value is None:
                if now is not _ABSENT:
                    self.put((name, key), now, _ABSENT)
            elif now is _ABSENT or not same(now, value):
                self.put((name, key), now, value)


def _driver_info(
    patch: _Patch, declared: Declared, node: Mapping[str, Any], key: bytes, secrets: Secrets
) -> dict[str, str]:
    """Differences of ``driver_info``; returns the digests that are to be kept."""
    have = node.get("driver_info") or {}
    kept = dict((node.get("extra") or {}).get(DIGESTS) or {})
    blind = []
    for entry, value in declared.driver_info.items():
        now = have.get(entry, _ABSENT)
        secret = holds_secret(entry, value) or (now is not _ABSENT and MASK in json.dumps(now))
        if value is None:
            kept.pop(entry, None)
            if now is not _ABSENT:
                patch.put(("driver_info", entry), now, _ABSENT, secret)
            continue
        if now is _ABSENT or MASK not in json.dumps(now):
            differs = now is _ABSENT or not _same(now, value)
        elif secrets == "changed":
            differs = bool(key) and kept.get(entry) != _digest(key, declared.name, entry, value)
            if not key:
                blind.append(entry)
        else:
            differs = secrets == "always"
        if differs:
            patch.put(("driver_info", entry), now, value, secret)
            if secret and key:
                kept[entry] = _digest(key, declared.name, entry, value)
    if blind:
        patch.changes.notes.append(
            f"whether {', '.join(sorted(blind))} changed cannot be told without a password for Ironic: "
            "send it with update_secrets: always"
        )
    return kept


_PLAIN = ("resource_class", "owner", "lessee", "shard", "description", "automated_clean")


class _Difference:
    """One node: collects changes and refusals."""

    def __init__(self, declared: Declared, node: Mapping[str, Any], key: bytes, secrets: Secrets) -> None:
        self.declared = declared
        self.node = node
        self.key = key
        self.secrets = secrets
        self.state = str(node.get("provision_state") or "")
        self.maintenance = bool(node.get("maintenance"))
        self.changes = Changes()
        self.refusals: list[str] = []

    def refuse(self, what: str, why: str, remedy: str) -> None:
        """A change that Ironic would not take."""
        self.refusals.append(f"{self.declared.name}: {what}: {why} ({remedy})")

    def limited(self, what: str, allowed: frozenset[str], despite_maintenance: bool = True) -> None:
        """A change that Ironic takes in some states only."""
        if self.state not in allowed and not (despite_maintenance and self.maintenance):
            states = ", ".join(sorted(allowed - {"inspect wait"}))
            more = ", or set maintenance" if despite_maintenance else ""
            self.refuse(what, f"cannot change in state {self.state}", f"take the node to one of: {states}{more}")

    def send(self, request: Request) -> None:
        self.changes.requests.append(request)

    def fields(self) -> None:
        """The node itself."""
        declared, node = self.declared, self.node
        patch = _Patch(self.changes)
        query = ""
        if patch.value(("driver",), node.get("driver"), declared.driver):
            self.limited("driver", FREE)
            query = "?reset_interfaces=true"
        for name, value in declared.interfaces.items():
            if patch.value((f"{name}_interface",), node.get(f"{name}_interface"), value):
                self.limited(f"{name}_interface", FREE)
        for name in _PLAIN:
            differs = patch.value((name,), node.get(name), getattr(declared, name))
            if differs and name == "resource_class" and node.get(name):
                self.limited(name, FREE, despite_maintenance=False)
        group = declared.conductor_group
        patch.value(("conductor_group",), node.get("conductor_group"), None if group is None else group.lower())
        self.marks(patch)
        kept = _driver_info(patch, declared, node, self.key, self.secrets)
        properties = dict(declared.properties)
        have = node.get("properties") or {}
        if properties.get("capabilities") is not None:
            now = have.get("capabilities")
            merged = _merged_capabilities(properties["capabilities"], now)
            properties["capabilities"] = now if capabilities(merged) == capabilities(now) else merged
            if now is None and not merged:
                del properties["capabilities"]
        patch.merge("properties", have, properties, _same_property)
        patch.merge("extra", node.get("extra"), declared.extra)
        patch.value(("network_data",), node.get("network_data"), declared.network_data)
        digests = (node.get("extra") or {}).get(DIGESTS) or {}
        if kept != digests:
            patch.operations.append({"op": "add", "path": _pointer("extra", DIGESTS), "value": kept})
        if patch.operations:
            shown = f"change of {declared.name}: {', '.join(patch.touched)}"
            self.send(Request("PATCH", f"/v1/nodes/{node['uuid']}{query}", patch.operations, shown))

    def marks(self, patch: _Patch) -> None:
        """``retired`` and ``protected``, which fit some states only."""
        declared, node = self.declared, self.node
        if declared.protected and not node.get("protected") and self.state not in ("active", "rescue"):
            self.changes.notes.append(f"protected is set once the node is active; it is {self.state}")
        else:
            patch.value(("protected",), node.get("protected"), declared.protected)
            patch.value(("protected_reason",), node.get("protected_reason"), declared.protected_reason)
        differs = patch.value(("retired",), node.get("retired"), declared.retired)
        if differs and declared.retired and self.state == "available":
            self.refuse("retired", "cannot be set in state available", "take the node to manageable first")
        patch.value(("retired_reason",), node.get("retired_reason"), declared.retired_reason)

    def traits(self) -> None:
        """Traits, and the RAID that is wanted: they have requests of their own."""
        declared, node, patch = self.declared, self.node, _Patch(self.changes)
        path = f"/v1/nodes/{node['uuid']}"
        have = sorted(node.get("traits") or ())
        if declared.traits is not None and have != sorted(declared.traits):
            wanted = sorted(declared.traits)
            added, gone = sorted(set(wanted) - set(have)), sorted(set(have) - set(wanted))
            words = [f"+{trait}" for trait in added] + [f"-{trait}" for trait in gone]
            self.changes.summary.append(f"traits: {', '.join(words)}")
            patch.show(("traits",), have, wanted)
            shown = f"traits of {declared.name}: {', '.join(wanted) or 'none'}"
            self.send(Request("PUT", f"{path}/traits", {"traits": wanted}, shown))
        raid = declared.target_raid_config
        if raid is not None and not _same(node.get("target_raid_config") or {}, raid):
            self.changes.summary.append("target_raid_config: another one")
            patch.show(("target_raid_config",), node.get("target_raid_config") or {}, dict(raid))
            self.send(Request("PUT", f"{path}/states/raid", dict(raid), f"RAID of {declared.name}"))

    def network(
        self,
        ports: Sequence[Mapping[str, Any]],
        portgroups: Sequence[Mapping[str, Any]],
        new_id: Callable[[], str],
        names: Mapping[str, str],
    ) -> None:
        """Port groups that are made or changed, then ports, then port groups that are no longer wanted."""
        own = self.node["uuid"]
        groups = {self.group_name(group): group for group in portgroups if group.get("node_uuid") == own}
        ids = {name: str(group["uuid"]) for name, group in groups.items()}
        for wanted in self.declared.portgroups or ():
            if wanted.name in groups:
                self.changed_group(wanted, groups[wanted.name])
            else:
                ids[wanted.name] = new_id()
                self.new_group(wanted, ids[wanted.name])
        mine = {str(port["address"]).lower(): port for port in ports if port.get("node_uuid") == own}
        if self.declared.ports is not None:
            self.ports(mine, ports, ids, new_id, names)
        if self.declared.portgroups is not None:
            keep = {group.name for group in self.declared.portgroups}
            for name in sorted(set(groups) - keep):
                self.gone_group(name, groups[name], mine)

    def group_name(self, group: Mapping[str, Any]) -> str:
        """The name of a port group within its node."""
        name = str(group.get("name") or group["uuid"])
        return name.removeprefix(f"{self.declared.name}-")

    def new_group(self, wanted: PortGroup, identifier: str) -> None:
        body: dict[str, Any] = {
            "uuid": identifier,
            "node_uuid": self.node["uuid"],
            "name": f"{self.declared.name}-{wanted.name}",
            "address": wanted.address,
            "mode": wanted.mode,
            "standalone_ports_supported": wanted.standalone_ports_supported,
            "properties": dict(wanted.properties) or None,
        }
        body = {key: value for key, value in body.items() if value is not None}
        self.changes.summary.append(f"port group {wanted.name}: made")
        shown = {key: value for key, value in body.items() if key not in ("uuid", "node_uuid")}
        _Patch(self.changes, ("portgroups",)).show((wanted.name,), _ABSENT, shown)
        self.send(Request("POST", "/v1/portgroups", body, f"port group {wanted.name} of {self.declared.name}"))

    def changed_group(self, wanted: PortGroup, group: Mapping[str, Any]) -> None:
        patch = _Patch(self.changes, ("portgroups", wanted.name), f"port group {wanted.name}: ")
        for name in ("address", "mode", "standalone_ports_supported"):
            patch.value((name,), group.get(name), getattr(wanted, name))
        patch.merge("properties", group.get("properties"), wanted.properties, _same_property)
        if patch.operations:
            shown = f"port group {wanted.name} of {self.declared.name}: {', '.join(patch.touched)}"
            self.send(Request("PATCH", f"/v1/portgroups/{group['uuid']}", patch.operations, shown))

    def gone_group(self, name: str, group: Mapping[str, Any], mine: Mapping[str, Mapping[str, Any]]) -> None:
        if self.declared.ports is None and any(port.get("portgroup_uuid") == group["uuid"] for port in mine.values()):
            self.refuse(f"port group {name}", "is not declared and still has ports", "declare the ports, too")
        _Patch(self.changes, ("portgroups",)).show((name,), {"mode": group.get("mode")}, _ABSENT)
        self.changes.summary.append(f"port group {name}: removed")
        self.send(
            Request("DELETE", f"/v1/portgroups/{group['uuid']}", None, f"port group {name} of {self.declared.name}")
        )

    def ports(
        self,
        mine: Mapping[str, Mapping[str, Any]],
        everyone: Sequence[Mapping[str, Any]],
        ids: Mapping[str, str],
        new_id: Callable[[], str],
        names: Mapping[str, str],
    ) -> None:
        declared = {port.address: port for port in self.declared.ports or ()}
        missing = set(declared) - set(mine)
        for port in everyone if missing else ():
            address = str(port["address"]).lower()
            if address in missing:
                other = str(port.get("node_uuid"))
                self.refuse(
                    f"port {address}",
                    f"belongs to the node {names.get(other, other)} already",
                    "remove it there, or correct the address",
                )
        for address, wanted in declared.items():
            identifier = ids.get(wanted.portgroup) if wanted.portgroup else wanted.portgroup
            if wanted.portgroup and identifier is None:
                self.refuse(f"port {address}", f"there is no port group {wanted.portgroup}", "declare it")
            elif address in mine:
                self.changed_port(wanted, mine[address], identifier)
            else:
                self.new_port(wanted, identifier, new_id())
        for address in sorted(set(mine) - set(declared)):
            self.gone_port(address, mine[address])

    def new_port(self, wanted: Port, group: str | None, identifier: str) -> None:
        link = wanted.local_link_connection
        body: dict[str, Any] = {
            "uuid": identifier,
            "node_uuid": self.node["uuid"],
            "address": wanted.address,
            "pxe_enabled": wanted.pxe_enabled,
            "physical_network": wanted.physical_network or None,
            "local_link_connection": dict(link) if link else None,
            "portgroup_uuid": group or None,
        }
        body = {key: value for key, value in body.items() if value is not None}
        self.changes.summary.append(f"port {wanted.address}: made")
        shown = {key: value for key, value in body.items() if key not in ("uuid", "node_uuid", "portgroup_uuid")}
        if wanted.portgroup:
            shown["portgroup"] = wanted.portgroup
        _Patch(self.changes, ("ports",)).show((wanted.address,), _ABSENT, shown)
        self.send(Request("POST", "/v1/ports", body, f"port {wanted.address} of {self.declared.name}"))

    def changed_port(self, wanted: Port, port: Mapping[str, Any], group: str | None) -> None:
        patch = _Patch(self.changes, ("ports", wanted.address), f"port {wanted.address}: ")
        patch.value(("pxe_enabled",), port.get("pxe_enabled"), wanted.pxe_enabled)
        patch.value(("physical_network",), port.get("physical_network"), wanted.physical_network)
        link = None if wanted.local_link_connection is None else dict(wanted.local_link_connection)
        patch.value(("local_link_connection",), port.get("local_link_connection") or {}, link)
        patch.value(("portgroup_uuid",), port.get("portgroup_uuid"), group)
        if patch.operations:
            self.limited(f"port {wanted.address} ({', '.join(patch.touched)})", CABLING)
            shown = f"port {wanted.address} of {self.declared.name}: {', '.join(patch.touched)}"
            self.send(Request("PATCH", f"/v1/ports/{port['uuid']}", patch.operations, shown))

    def gone_port(self, address: str, port: Mapping[str, Any]) -> None:
        if (port.get("internal_info") or {}).get("tenant_vif_port_id") and not self.maintenance:
            self.refuse(
                f"port {address}", "is not declared and in use by an instance", "declare it, or set maintenance"
            )
        _Patch(self.changes, ("ports",)).show((address,), {"pxe_enabled": port.get("pxe_enabled")}, _ABSENT)
        self.changes.summary.append(f"port {address}: removed")
        self.send(Request("DELETE", f"/v1/ports/{port['uuid']}", None, f"port {address} of {self.declared.name}"))

    def result(self) -> Changes:
        """The changes.

        :raises BaremetalError: everything that Ironic would not take.
        """
        busy = self.node.get("target_provision_state") and self.state not in CHANGEABLE
        if self.changes.requests and (busy or self.state == "inspecting"):
            self.refusals = []
            self.refuse("in transition", f"nothing can change in state {self.state}", "wait until it is over")
        if self.refusals:
            raise BaremetalError("\n".join(self.refusals))
        return self.changes


def _created(declared: Declared, key: bytes, identifier: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The body that makes a node, and what may be seen of it."""
    info = {entry: value for entry, value in declared.driver_info.items() if value is not None}
    properties = {name: value for name, value in declared.properties.items() if value is not None}
    if "capabilities" in properties:
        properties["capabilities"] = _as_capabilities(capabilities(properties["capabilities"]))
    extra = {name: value for name, value in declared.extra.items() if value is not None}
    body: dict[str, Any] = {
        "name": declared.name,
        "driver": declared.driver,
        **{f"{name}_interface": value for name, value in declared.interfaces.items()},
        **{name: getattr(declared, name) for name in _PLAIN},
        "conductor_group": declared.conductor_group,
        "retired": declared.retired,
        "retired_reason": declared.retired_reason,
        "network_data": declared.network_data,
        "driver_info": info,
        "properties": properties,
        "extra": extra,
    }
    body = {name: value for name, value in body.items() if value not in (None, "", {})}
    shown = {**body, "driver_info": masked(info)} if info else dict(body)
    digests = {
        entry: _digest(key, declared.name, entry, info[entry]) for entry in info if holds_secret(entry, info[entry])
    }
    if key and digests:
        body["extra"] = {**extra, DIGESTS: digests}
    return {"uuid": identifier, **body}, shown


def changes(
    declared: Declared,
    node: Mapping[str, Any] | None,
    ports: Sequence[Mapping[str, Any]] = (),
    portgroups: Sequence[Mapping[str, Any]] = (),
    *,
    key: bytes = b"",
    secrets: Secrets = "changed",
    names: Mapping[str, str] | None = None,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Changes:
    """What is to be done so that Ironic has a node as declared; ``node`` is None where it has none of that name.

    ``ports`` and ``portgroups``: at least those of the node, and those with its addresses; all of Ironic's will do.
    ``key``: see ``secret_key``. ``names``: names of nodes by their id, for messages.

    :raises BaremetalError: Ironic would not take the changes, a line for each reason; no request has been made.
    """
    if node is not None:
        difference = _Difference(declared, node, key, secrets)
        difference.fields()
    else:
        if not declared.driver:
            raise BaremetalError(f"{declared.name}: there is no such node yet, and it has no driver (declare: driver)")
        identifier = new_id()
        body, shown = _created(declared, key, identifier)
        fresh = {"uuid": identifier, "provision_state": "enroll"}
        difference = _Difference(declared, fresh, key, secrets)
        difference.changes.summary.append("made")
        difference.changes.diff["after"].update(shown)
        difference.send(Request("POST", "/v1/nodes", body, f"node {declared.name}"))
        if declared.protected:
            difference.changes.notes.append("protected is set once the node is active; it is enroll")
    difference.traits()
    difference.network(ports, portgroups, new_id, names or {})
    return difference.result()


def removal(name: str, node: Mapping[str, Any] | None) -> Changes:
    """What is to be done so that Ironic has no node of that name. Its ports go with it.

    :raises BaremetalError: it is in use.
    """
    found = Changes()
    if node is None:
        return found
    state = str(node.get("provision_state") or "")
    for refused, why, remedy in (
        (node.get("protected"), "is protected", "declare protected: false"),
        (state not in REMOVABLE, f"cannot be removed in state {state}", "undeploy it first (target: removed)"),
        (node.get("allocation_uuid"), "has an allocation", "remove that with baremetal_allocation"),
    ):
        if refused:
            raise BaremetalError(f"{name}: {why} ({remedy})")
    found.requests.append(Request("DELETE", f"/v1/nodes/{node['uuid']}", None, f"removal of node {name}"))
    found.summary.append("removed")
    found.diff["before"]["provision_state"] = state
    return found
