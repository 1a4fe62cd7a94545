# SPDX-License-Identifier: Apache-2.0
"""The deployment host's side: what it asks, when it confirms, and what it tells at three in the morning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.network import confirm
from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError

NEW, OLD = "198.18.17.10", "198.18.16.10"


def told(state: str, **keys: Any) -> dict[str, Any]:
    return {"state": state, "reason": "", "problems": [], "reverted": {}, "degraded": [], "warnings": [], **keys}


REVERTED = told(
    "reverted",
    reason="gateway 198.18.16.1 on vlan100 did not answer (it answered before)",
    reverted={"seconds": 61},
)


class Scripted:
    """A node that answers by a list: of (verb, address) or of any question; its clock moves with each of them."""

    def __init__(self, *answers: Any, takes: float = 0.5) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []
        self.now, self.takes = 100.0, takes

    def ask(self, words: Sequence[str], address: str) -> dict[str, Any] | None:
        self.asked.append((words[0], address))
        self.now += self.takes
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(words[0], address) if callable(answer) else answer

    def end(self, window: int = 60) -> confirm.Ending:
        def sleep(seconds: float) -> None:
            self.now += seconds

        return confirm.accompany(self, "id", window, [NEW, OLD], lambda: self.now, sleep)


def test_confirmed() -> None:
    node = Scripted(None, told("armed"), told("applying"), told("verified"), {**told("confirmed"), "confirmed": True})
    ending = node.end()
    assert ending.confirmed and not ending.unreached
    assert node.asked == [("status", NEW)] * 4 + [("confirm", NEW)]  # never the old address, never on a hunch


def test_answer_lost() -> None:
    """The confirmation came through and its answer did not: the node knows."""
    assert Scripted(told("verified"), None, told("confirmed")).end().confirmed
    node = Scripted(told("verified"), None, None)
    node.answers = [told("verified"), None, lambda verb, address: None if node.now < 170 else told("confirmed")]
    assert node.end().confirmed


def test_node_went_back() -> None:
    ending = Scripted(told("applying"), told("reverting"), told("reverting"), REVERTED).end()
    assert not ending.confirmed and not ending.unreached
    assert confirm.sentence("node3", ending, 60, NEW) == (
        "node3 went back to its previous network by itself 61 s after the change: gateway 198.18.16.1 on vlan100 did "
        "not answer (it answered before)."
    )


def test_late() -> None:
    """The confirmation was refused, and the node tells the rest."""
    late = {**told("reverting"), "confirmed": False, "why": "its time is over"}
    ending = Scripted(told("verified"), late, REVERTED).end()
    assert not ending.confirmed and ending.why == "its time is over" and ending.told == REVERTED


def test_other_address_is_dead() -> None:
    """The new address does not work; the node is back at the old one after the window."""
    back = told("reverted", reason="nobody confirmed the change over a new connection within 60 s",
                reverted={"seconds": 60}, problems=["gateway 198.18.16.1 on eno1 does not answer"])  # fmt: skip
    node = Scripted(None)
    node.answers = [lambda verb, address: back if address == OLD and node.now > 165 else None]
    ending = node.end()
    assert ending.unreached and node.now < 100 + 60 + 10
    assert confirm.sentence("node3", ending, 60, NEW) == (
        "node3 went back to its previous network by itself 60 s after the change: node3 could not be reached at "
        "198.18.17.10 over a new connection. Not as before: gateway 198.18.16.1 on eno1 does not answer."
    )


def test_reached_only_before_the_change_took_effect() -> None:
    """The first question was quicker than the change; and the node was back before the last one."""
    back = told("reverted", reason="nobody confirmed the change over a new connection within 60 s",
                reverted={"seconds": 60})  # fmt: skip
    ending = Scripted(told("applying"), None, None, back).end()
    assert ending.unreached
    assert "node3 could not be reached at 198.18.17.10" in confirm.sentence("node3", ending, 60, NEW)
    assert not Scripted(None, told("applying"), back).end().unreached, "it was there, and hung"


def test_never_seen_again() -> None:
    node = Scripted(None, takes=5)
    ending = node.end()
    assert ending == confirm.Ending(False, None, "", True)
    assert node.now < 100 + 60 + confirm.GRACE + 12
    assert confirm.sentence("node3", ending, 60, NEW, "refused").endswith("how it went. The last attempt: refused")
    assert confirm.sentence("node3", ending, 60, NEW).endswith("how it went")


def test_other_endings() -> None:
    stuck = told("reverting", reason="the gateway", problems=["Open vSwitch: it does not answer"])
    ending = Scripted(stuck).end()
    assert "could not go back to its previous network entirely: Open vSwitch" in confirm.sentence("n", ending, 60, NEW)
    unknown = Scripted(told("")).end()
    assert confirm.sentence("n", unknown, 60, NEW) == "n knows nothing of the change: nothing was changed"
    hanging = Scripted(told("applying")).end()
    assert not hanging.confirmed
    assert confirm.sentence("n", hanging, 60, NEW) == "n did not confirm the change (applying): it took too long"
    reboot = told("reverted", reason="the node was rebooted before the change was confirmed", reverted={})
    text = confirm.sentence("n", confirm.Ending(False, reboot, "", False), 60, NEW)
    assert text.startswith("n went back to its previous network by itself at its reboot: the node was rebooted")


def test_answer_of() -> None:
    assert confirm.answer_of('Welcome!\n{"a": 1}\n') == {"a": 1}
    assert confirm.answer_of('{"a": 1}\n{broken\n') == {"a": 1}
    assert confirm.answer_of("Welcome!\n") is None


def nic(name: str, number: int, **keys: Any) -> dict[str, Any]:
    return {
        "name": name, "mac": f"52:54:00:00:00:0{number}", "pci": f"0000:00:0{number}.0", "port": 0, "driver": "ice",
        "type": "ether", "vf_of": "", "carrier": True, "speed": 0, "max_mtu": 9000, **keys,
    }  # fmt: skip


def link(name: str, **keys: Any) -> dict[str, Any]:
    return {
        "name": name, "kind": "", "ifindex": 2, "mac": "", "mtu": 1500, "up": True, "carrier": True, "master": "",
        "addresses": [], **keys,
    }  # fmt: skip


def observed(**keys: Any) -> Any:
    return {
        "nics": [nic("eno1", 3), nic("eno2", 4)], "links": [link("eno1"), link("eno2")], "routes": [], "files": {},
        "ovs": None, "ovs_error": "not installed", "numbers": [], "active": None, "pending": "", "reverted": {},
        "sources": [], "foreign": {}, "foreign_units": [], "networkd": True, "directories": [], **keys,
    }  # fmt: skip


CONFIG = [
    {
        "type": "linux_bond",
        "name": "bond0",
        "bonding_options": "mode=active-backup miimon=100",
        "members": [{"type": "interface", "name": "first"}, {"type": "interface", "name": "nic2"}],
        "addresses": [{"ip_netmask": "198.18.16.10/24"}],
    }
]


def test_plan() -> None:
    sources = [
        {"name": "process", "where": "dhclient (process 7)", "neutralised_by": ""},
        {"name": "cloud-init", "where": "/etc/cloud", "neutralised_by": "/etc/cloud/missing"},
        {"name": "cloud-init", "where": "/etc/cloud", "neutralised_by": "/etc/cloud/cloud.cfg.d/99-ozone-network.cfg"},
        {"name": "ifupdown", "where": "/etc/network/interfaces", "neutralised_by": "the file is moved away"},
    ]
    seen = observed(sources=sources, foreign={"/etc/network/interfaces": "iface eno1 inet dhcp\n"})
    planned = confirm.plan(CONFIG, seen, {"first": "52:54:00:00:00:03"})
    assert planned.wanted["resolution"] == {"first": "eno1", "nic2": "eno2"} and planned.change["changed"]
    assert planned.warnings == [
        "process may ask for an address by DHCP, remove it by hand: dhclient (process 7)",
        "cloud-init may ask for an address by DHCP: /etc/cloud",
    ]
    found = {entry["before_header"]: entry for entry in confirm.diffs(planned.change, seen)}
    assert found["/etc/network/interfaces"]["before"] == "iface eno1 inet dhcp\n"
    assert found["/etc/network/interfaces"]["after"] == ""
    assert "Bond=bond0" in found["/etc/systemd/network/05-ozone-first.network"]["after"]
    assert "calls" not in found
    change: Any = {"forward": {"files": {}, "delete": ["bond1"], "ovs": ["add-br", "a", "--", "del-br", "b"],
                               "commands": [["ip", "link"]]}}  # fmt: skip
    assert confirm.diffs(change, seen)[0]["after"] == (
        "networkd: delete bond1\novs-vsctl: add-br a\novs-vsctl: del-br b\nip link\n"
    )
    with pytest.raises(NetworkError, match="nic9"):
        confirm.plan([{"type": "interface", "name": "nic9", "addresses": [{"ip_netmask": "198.18.18.4/24"}]}], seen)


@pytest.mark.parametrize(
    ("options", "resolved", "told"),
    [({"dns_servers": ["198.18.16.1"]}, False, 1), ({"domain": "ozone.test"}, False, 1), ({}, False, 0),
     ({"dns_servers": ["198.18.16.1"]}, True, 0)],
)  # fmt: skip
def test_name_servers_need_a_resolver(options: dict[str, Any], resolved: bool, told: int) -> None:
    planned = confirm.plan([{**CONFIG[0], **options}], observed(resolved=resolved), {"first": "eno1"})
    assert len(planned.warnings) == told
    assert all("[0]: its name servers and domains do nothing" in warning for warning in planned.warnings)


def test_shortcomings() -> None:
    planned = confirm.plan(CONFIG, observed(), {"first": "eno1"})
    links = [link("eno1"), link("eno2", carrier=False), link("bond0", carrier=False)]
    assert confirm.shortcomings(planned.wanted, observed(links=links)) == [
        "bond0 has no link",
        "eno2, a member of bond0, has no link",
    ]
    assert confirm.shortcomings(planned.wanted, observed()) == []
