# SPDX-License-Identifier: Apache-2.0
"""What an operator declares of a node, against what Ironic has: the requests between them, or why there is no way.

Nothing is taken away that is not declared: mappings are compared key by key, and what inspection wrote stays. Traits,
ports and port groups are complete where they are declared at all.

Port groups: their names are unique in the whole of Ironic, so ``bond0`` of the node bm1 is ``bm1-bond0`` there.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.client import listed, message
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    Api,
    BaremetalError,
    Declared,
    Port,
    PortGroup,
    Request,
)
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.reading import IN_PATH, as_text, read
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.secret_fields import (
    DIGESTS,
    MASK,
    digest,
    holds_secret,
    masked,
    secret_key,
    secret_values,
)
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.states import OCCUPIED
from ansible_collections.ozone.openstack.plugins.module_utils.network.reading import show

__all__ = ["Changes", "apply", "changes", "look", "masked", "read", "removal", "secret_key", "secret_values"]

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


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _same_property(one: Any, other: Any) -> bool:
    """Inspection writes some numbers and booleans as texts."""
    scalar = isinstance(one, int | str) and isinstance(other, int | str)
    return as_text(one) == as_text(other) if scalar else _same(one, other)


def capabilities(words: Any) -> dict[str, str]:
    """``a:1,b:2`` as Ironic has it, or the mapping that says the same."""
    if isinstance(words, Mapping):
        return {str(key): as_text(value) for key, value in words.items() if value is not None}
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
    return "".join(f"/{part}" for part in parts)


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
        """A mapping, key by key; None removes a key. One whose keys fit into no path is sent as a whole."""
        have = current or {}
        differing = {}
        for key, value in wanted.items():
            now = have.get(key, _ABSENT)
            if value is None and now is not _ABSENT:
                differing[key] = _ABSENT
            elif value is not None and (now is _ABSENT or not same(now, value)):
                differing[key] = value
        for key, value in differing.items():
            self.put((name, key), have.get(key, _ABSENT), value)
        if not all(IN_PATH.match(key) for key in differing):
            del self.operations[-len(differing) :]
            merged = {key: value for key, value in {**have, **differing}.items() if value is not _ABSENT}
            self.operations.append({"op": "add", "path": _pointer(name), "value": merged})


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
            differs = bool(key) and kept.get(entry) != digest(key, declared.name, entry, value)
            if not key:
                blind.append(entry)
        else:
            differs = secrets == "always"
        if differs:
            patch.put(("driver_info", entry), now, value, secret)
            if secret and key:
                kept[entry] = digest(key, declared.name, entry, value)
    if blind:
        patch.changes.notes.append(
            f"whether {', '.join(sorted(blind))} changed cannot be told without a password for Ironic: "
            "send it with update_secrets: always"
        )
    return kept


_PLAIN = ("resource_class", "conductor_group", "owner", "lessee", "shard", "description", "automated_clean")


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
        data: Any = declared.network_data
        patch.value(("network_data",), node.get("network_data"), "" if data == {} else data)  # Ironic takes no {}
        digests = (node.get("extra") or {}).get(DIGESTS) or {}
        if patch.operations and kept != digests:
            patch.operations.append({"op": "add", "path": _pointer("extra", DIGESTS), "value": kept})
        if patch.operations:
            shown = f"change of {declared.name}: {', '.join(patch.touched)}"
            self.send(Request("PATCH", f"/v1/nodes/{node['uuid']}{query}", patch.operations, shown))

    def owner(self) -> None:
        """Of a new node. Ironic takes it afterwards only, when the login belongs to no project."""
        if self.declared.owner:
            self.changes.diff["after"]["owner"] = self.declared.owner
            patch = [{"op": "add", "path": "/owner", "value": self.declared.owner}]
            path = f"/v1/nodes/{self.node['uuid']}"
            self.send(Request("PATCH", path, patch, f"owner of {self.declared.name}"))

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
            patch.show(("traits",), node.get("traits", _ABSENT), wanted)
            shown = f"traits of {declared.name}: {', '.join(wanted) or 'none'}"
            self.send(Request("PUT", f"{path}/traits", {"traits": wanted}, shown))
        raid = declared.target_raid_config
        if raid is not None and not _same(node.get("target_raid_config") or {}, raid):
            self.changes.summary.append("target_raid_config: another one")
            patch.show(("target_raid_config",), node.get("target_raid_config", _ABSENT), dict(raid))
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
        patch.value(("portgroup_uuid",), port.get("portgroup_uuid"), group)  # Ironic 35 sees it as the first one only
        patch.value(("pxe_enabled",), port.get("pxe_enabled"), wanted.pxe_enabled)
        patch.value(("physical_network",), port.get("physical_network"), wanted.physical_network)
        link = None if wanted.local_link_connection is None else dict(wanted.local_link_connection)
        patch.value(("local_link_connection",), port.get("local_link_connection") or {}, link)
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
        **{name: getattr(declared, name) for name in _PLAIN if name != "owner"},
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
        entry: digest(key, declared.name, entry, info[entry]) for entry in info if holds_secret(entry, info[entry])
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
        difference.owner()
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
    first = "undeployed, before that" if state in OCCUPIED else "removed takes it there"
    for refused, why, remedy in (
        (node.get("protected"), "is protected", "declare protected: false"),
        (state not in REMOVABLE, f"cannot be removed in state {state}", f"baremetal_fleet with target {first}"),
        (node.get("allocation_uuid"), "has an allocation", "remove that with baremetal_allocation"),
    ):
        if refused:
            raise BaremetalError(f"{name}: {why} ({remedy})")
    found.requests.append(Request("DELETE", f"/v1/nodes/{node['uuid']}", None, f"removal of node {name}"))
    found.summary.append("removed")
    found.diff["before"]["provision_state"] = state
    return found


def look(
    api: Api, name: str, addresses: Iterable[str] = ()
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], list[dict[str, Any]]]:
    """One node as Ironic has it, its ports and those with some addresses, its port groups. For a fleet: ``lists``.

    :raises BaremetalError: Ironic does not answer as it should.
    """
    answer = api.request(Request("GET", f"/v1/nodes/{name}"))
    if answer.status not in (200, 404):
        raise BaremetalError(f"{name}: {message(answer)}")
    node: dict[str, Any] | None = answer.body if answer.status == 200 else None
    ports: list[dict[str, Any]] = []
    groups: list[dict[str, Any]] = []
    if node is not None:
        ports += listed(api, f"/v1/ports/detail?node={node['uuid']}", "ports")
        groups += listed(api, f"/v1/portgroups/detail?node={node['uuid']}", "portgroups")
    for address in sorted(set(addresses) - {str(port["address"]).lower() for port in ports}):
        ports += listed(api, f"/v1/ports/detail?address={address}", "ports")
    return node, ports, groups


def apply(api: Api, found: Changes) -> None:
    """Make the requests, one after the other.

    :raises BaremetalError: Ironic refused one; those before it were made, and the next run goes on from there.
    """
    for index, request in enumerate(found.requests):
        answer = api.request(request)
        if answer.status >= 400 and not (request.method == "DELETE" and answer.status == 404):
            before = f"; before it: {', '.join(done.shown for done in found.requests[:index])}" if index else ""
            raise BaremetalError(f"{request.shown}: Ironic refused: {message(answer)}{before}")
