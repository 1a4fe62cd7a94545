# SPDX-License-Identifier: Apache-2.0
"""The node's half of a change: applied, looked at, confirmed or taken back, whatever dies in between."""

from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from network_node import NETWORK, Killed, Node

from ansible_collections.ozone.openstack.plugins.module_utils.network import tool
from ansible_collections.ozone.openstack.plugins.module_utils.network.tool import Failure, Host

IDENTITY = "c0ffee"
WINDOW = 120

ENO1 = "[Match]\nName=eno1\n[Network]\nAddress=198.18.16.10/24\nGateway=198.18.16.1\n"
MEMBER = "[Match]\nName={}\n[Network]\nBond=bond0\n"
BOND = "[NetDev]\nName=bond0\nKind=bond\n[Bond]\nMode={}\n"
BOND_LINK = "[Match]\nName=bond0\n[Network]\nVLAN=vlan100\nAddress=198.18.16.10/24\nGateway=198.18.16.1\n"
VLAN = "[NetDev]\nName=vlan100\nKind=vlan\n[VLAN]\nId=100\n"
VLAN_LINK = "[Match]\nName=vlan100\n[Network]\nAddress=198.18.17.10/24\n"


def file(text: str | None) -> Any:
    return None if text is None else {"text": text, "mode": "0644"}


def steps(**keys: Any) -> dict[str, Any]:
    return {
        "disable": [],
        "enable": [],
        "files": {},
        "delete": [],
        "ovs": [],
        "udev": [],
        "restart": [],
        "reload": True,
        "reconfigure": [],
        "commands": [],
        **keys,
    }


def wanted_link(name: str, **keys: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "interface",
        "virtual": False,
        "mtu": None,
        "addresses": [],
        "routes": [],
        "members": [],
        "missing": [],
        "physical": [name],
        "lacp": False,
        **keys,
    }


def route(gateway: str, **keys: Any) -> dict[str, Any]:
    return {"destination": "default", "gateway": gateway, "table": 254, "metric": None, **keys}


def wanted(*links: Any, **keys: Any) -> dict[str, Any]:
    return {
        "digest": "d",
        "files": {},
        "ovs": [],
        "links": list(links),
        "resolution": {},
        "numbers": [],
        "netdevs": {},
        "degraded": [],
        "dhcp_allowed": [],
        **keys,
    }


BOND_WANTED = wanted(
    wanted_link("eno1"),
    wanted_link("eno2"),
    wanted_link(
        "bond0",
        kind="linux_bond",
        addresses=["198.18.16.10/24"],
        routes=[route("198.18.16.1")],
        members=["eno1", "eno2"],
        physical=["eno1", "eno2"],
        virtual=True,
    ),
    wanted_link(
        "vlan100", kind="vlan", addresses=["198.18.17.10/24"], physical=["eno1", "eno2"], virtual=True, mtu=1500
    ),
    netdevs={"bond0": {}, "vlan100": {}},
)


def change(
    old: dict[str, str], new: dict[str, str], *, touched: list[str], back: dict[str, Any] | None = None, **keys: Any
) -> dict[str, Any]:
    """The two directions between sets of files of networkd."""
    differ = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
    return {
        "changed": True,
        "forward": steps(files={f"{NETWORK}/{path}": file(new.get(path)) for path in differ}, **keys),
        "back": steps(files={f"{NETWORK}/{path}": file(old.get(path)) for path in differ}, **(back or {})),
        "touched": touched,
        "summary": ["bond0 is new"],
    }


OLD_FILES = {"05-ozone-eno1.network": ENO1}
NEW_FILES = {
    "05-ozone-eno1.network": MEMBER.format("eno1"),
    "05-ozone-eno2.network": MEMBER.format("eno2"),
    "05-ozone-bond0.netdev": BOND.format("active-backup"),
    "05-ozone-bond0.network": BOND_LINK,
    "05-ozone-vlan100.netdev": VLAN,
    "05-ozone-vlan100.network": VLAN_LINK,
}
TO_BOND = change(
    OLD_FILES,
    NEW_FILES,
    touched=["bond0", "eno1", "eno2", "vlan100"],
    ovs=["--may-exist", "add-br", "br-ex"],
    back={"delete": ["vlan100", "bond0"], "ovs": ["--if-exists", "del-br", "br-ex"]},
)


def fresh(root: Path) -> Node:
    """A node with one NIC in use and another one on the same switch, below a gateway."""
    node = Node(root)
    node.nic("eno1", "lan")
    node.nic("eno2", "lan")
    node.gateways = {"198.18.16.1": "lan"}
    for name, text in OLD_FILES.items():
        path = Path(node.at(f"{NETWORK}/{name}"))
        path.write_text(text)
        path.chmod(0o644)
    node.run(["systemctl", "restart", tool.NETWORKD])
    node.revive()
    return node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return fresh(tmp_path / "node")


def begin(node: Node, wish: Any = BOND_WANTED, move: Any = TO_BOND, **keys: Any) -> None:
    """What ``start`` does once nothing speaks against it."""
    record = {
        "id": IDENTITY,
        "boot": node.boot(),
        "armed": node.now,
        "deadline": node.now + WINDOW,
        "window": WINDOW,
        "state": "armed",
        "reached": "",
        "reason": "",
        "retries": 0,
        "forward": move["forward"],
        "back": move["back"],
        "touched": move["touched"],
        "wanted": wish,
        "previous": [],
        "before": None,
        "degraded": [],
        "warnings": [],
        "problems": [],
        **keys,
    }
    tool.save(node, tool.PENDING, record)
    assert tool.arm(node, IDENTITY, WINDOW).code == 0
    assert tool.launch(node, IDENTITY, WINDOW).code == 0


def test_applied_and_confirmed(node: Node) -> None:
    begin(node)
    node.work()
    told = tool.story(node)
    assert (told["status"], told["state"]) == ("pending", "verified"), told
    assert node.links["eno2"].master == "bond0" and node.links["vlan100"].parent == "bond0"
    answer = tool.confirm(node, IDENTITY)
    assert answer["confirmed"] and answer["status"] == "ok" and answer["state"] == "confirmed"
    assert node.timers == {} and not node.exists(tool.PENDING)
    state = node.state()
    assert state["active"] == IDENTITY
    assert not [name for name in state["files"] if "/." in name]
    assert tool.confirm(node, IDENTITY)["confirmed"]  # the answer may have been lost
    node.pass_time(1000)
    assert node.state() == state
    node.reboot()
    assert node.links["bond0"].addresses == {"198.18.16.10/24"}


def test_nobody_confirms(node: Node) -> None:
    before = node.state()
    begin(node)
    node.work()
    assert node.state() != before
    node.pass_time(WINDOW + 1)
    assert node.state() == before
    told = tool.story(node, IDENTITY)
    assert told["status"] == told["state"] == "reverted"
    assert told["reason"] == "nobody confirmed the change over a new connection within 120 s"
    assert told["reverted"]["problems"] == [] and told["reverted"]["seconds"] >= 120
    late = tool.confirm(node, IDENTITY)
    assert not late["confirmed"] and "the node went back by itself: nobody confirmed" in late["why"]
    assert "there is no change other" in tool.confirm(node, "other")["why"]
    assert node.state() == before


def test_wrong_gateway(node: Node) -> None:
    before = node.state()
    files = {**NEW_FILES, "05-ozone-bond0.network": BOND_LINK.replace("16.1\n", "16.9\n")}
    links = [
        dict(link, routes=[route("198.18.16.9")]) if link["name"] == "bond0" else link for link in BOND_WANTED["links"]
    ]
    move = change(OLD_FILES, files, touched=["bond0", "eno1"], back={"delete": ["vlan100", "bond0"]})
    begin(node, {**BOND_WANTED, "links": links}, move)
    node.work()
    assert node.state() == before
    told = tool.story(node, IDENTITY)
    assert told["reason"] == "gateway 198.18.16.9 on bond0 did not answer"
    assert told["reverted"]["seconds"] < 70
    assert node.timers == {}


def test_gateway_that_answered_before(node: Node) -> None:
    """A wrong VLAN below the address: the gateway is gone with the change."""
    before = node.state()
    files = {
        **OLD_FILES,
        "05-ozone-eno1.network": "[Match]\nName=eno1\n[Network]\nVLAN=vlan100\n",
        "05-ozone-vlan100.netdev": VLAN,
        "05-ozone-vlan100.network": ENO1.replace("eno1", "vlan100"),
    }
    wish = wanted(
        wanted_link("vlan100", addresses=["198.18.16.10/24"], routes=[route("198.18.16.1")], physical=["eno1"]),
        netdevs={"vlan100": {}},
    )
    begin(node, wish, change(OLD_FILES, files, touched=["eno1", "vlan100"], back={"delete": ["vlan100"]}))
    node.work()
    assert node.state() == before
    assert tool.story(node)["reason"] == "gateway 198.18.16.1 on vlan100 did not answer (it answered before)"


def test_dead_member(node: Node) -> None:
    """The change is good, and the node says what is not."""
    node.links["eno2"].segment = ""
    begin(node)
    node.work()
    answer = tool.confirm(node, IDENTITY)
    assert answer["confirmed"] and answer["status"] == "degraded"
    assert answer["degraded"] == ["eno2, a member of bond0, has no link"]


def test_all_members_dead(node: Node) -> None:
    """No cable is in: no reason not to configure the node; somebody at the console sees what is missing."""
    node.links["eno1"].segment = node.links["eno2"].segment = ""
    begin(node)
    node.work()
    told = tool.story(node)
    assert told["state"] == "verified"
    assert "gateway 198.18.16.1 cannot be reached: no NIC of bond0 has a link" in told["degraded"]
    assert "no member of bond0 has a link" in told["degraded"]


def test_member_dies_meanwhile(node: Node) -> None:
    """A cable is pulled while the change is applied: the bond does its work."""
    original = node._networkd_reads

    def pulled(fresh: bool) -> None:
        original(fresh)
        node.links["eno2"].segment = ""

    node._networkd_reads = pulled  # type: ignore[method-assign]
    begin(node)
    node.work()
    told = tool.story(node)
    assert told["state"] == "verified" and told["degraded"] == ["eno2, a member of bond0, has no link"]


def test_link_lost(node: Node) -> None:
    """All links of a bond are gone after the change: it goes back."""
    original = node._networkd_reads

    def pulled(fresh: bool) -> None:
        original(fresh)
        if "bond0" in node.links:
            node.links["bond0"].up = False

    node._networkd_reads = pulled  # type: ignore[method-assign]
    begin(node)
    node.work()
    told = tool.story(node)
    assert told["state"] == "reverted"
    assert "bond0 has no link (eno1, eno2 had one before)" in told["reason"]


def test_lacp(node: Node) -> None:
    """A switch that does not speak LACP: told where it never did; a reason to go back where it did."""
    links = [{**link, "lacp": link["kind"] == "linux_bond"} for link in BOND_WANTED["links"]]
    files = {**NEW_FILES, "05-ozone-bond0.netdev": BOND.format("802.3ad")}
    move = change(OLD_FILES, files, touched=["bond0"], back={"delete": ["vlan100", "bond0"]})
    begin(node, {**BOND_WANTED, "links": links}, move)
    node.work()
    answer = tool.confirm(node, IDENTITY)
    assert answer["degraded"] == ["no switch speaks LACP on bond0"]
    node.lacp = {"lan"}
    mtu = {**files, "05-ozone-eno2.network": MEMBER.format("eno2") + "[Link]\nMTUBytes=9000\n"}
    original = node._networkd_reads

    def lost(fresh: bool) -> None:
        original(fresh)
        node.lacp = set() if node.links["eno2"].mtu == 9000 else {"lan"}

    node._networkd_reads = lost  # type: ignore[method-assign]
    before = node.state()
    begin(node, {**BOND_WANTED, "links": links}, change(files, mtu, touched=["eno2"]), id=IDENTITY)
    node.work()
    assert tool.story(node)["reason"] == "the switch does not speak LACP on bond0 any more"
    assert node.state() == before


@pytest.mark.parametrize("aftermath", ["died", "timer", "reboot"])
@pytest.mark.parametrize("stubborn", [False, True])
def test_killed_anywhere(tmp_path: Path, aftermath: str, stubborn: bool) -> None:
    """For every step of an apply: killed before it. The node goes back by itself, and nothing is left behind."""
    place = 0
    while True:
        root = tmp_path / f"{place}"
        node = fresh(root)
        node.stubborn = stubborn
        before = node.state()
        begin(node)
        node.revive()
        _, command, died = node.services.pop()
        node.fuse = place
        try:
            tool.main(command, node)
        except Killed:
            killed_at = node.trace[-1]
        else:
            killed_at = ""
        node.revive()
        if aftermath == "died":
            tool.main(died, node)
            if not killed_at:
                node.pass_time(WINDOW)
        elif aftermath == "timer":
            node.pass_time(WINDOW)
        else:
            node.reboot()
        assert node.state() == before, (place, killed_at)
        assert not node.exists(tool.PENDING), (place, killed_at)
        assert tool.story(node)["status"] == "reverted"
        shutil.rmtree(root)
        if not killed_at:
            break
        place += 1
    assert place > 25


@pytest.mark.parametrize("aftermath", ["timer", "reboot"])
def test_revert_killed_anywhere(tmp_path: Path, aftermath: str) -> None:
    """A revert that is itself cut short is done again: here by hand or by the next run, or at the next boot."""
    place = 0
    while True:
        root = tmp_path / f"{place}"
        node = fresh(root)
        before = node.state()
        begin(node)
        node.work()
        assert tool.story(node)["state"] == "verified"
        node.revive()
        node.fuse = place
        killed = False
        try:
            node.pass_time(WINDOW)
        except Killed:
            killed = True
        node.revive()
        if aftermath == "reboot":
            node.reboot()
        else:
            tool.main(["revert", "--id", IDENTITY], node)
        assert node.state() == before, place
        assert not node.exists(tool.PENDING)
        shutil.rmtree(root)
        if not killed:
            break
        place += 1
    assert place > 15


def test_boot_killed_anywhere(tmp_path: Path) -> None:
    """The power fails again while the node goes back at boot."""
    place = 0
    while True:
        root = tmp_path / f"{place}"
        node = fresh(root)
        before = node.state()
        begin(node)
        node.work()
        node.revive()
        node.fuse = place
        killed = False
        try:
            tool.main(["boot"], node)
        except Killed:
            killed = True
        node.reboot()
        assert node.state() == before, place
        shutil.rmtree(root)
        if not killed:
            break
        place += 1
    assert place > 5


def test_confirm_killed_anywhere(tmp_path: Path) -> None:
    """A confirmation that is cut short is a decision or none; there is nothing between."""
    place, decided = 0, set[bool]()
    while True:
        root = tmp_path / f"{place}"
        node = fresh(root)
        before = node.state()
        begin(node)
        node.work()
        after = node.state()
        node.revive()
        node.fuse = place
        killed = False
        try:
            tool.confirm(node, IDENTITY)
        except Killed:
            killed = True
        node.revive()
        confirmed = not node.exists(tool.PENDING)
        decided.add(confirmed)
        node.pass_time(WINDOW)
        state = node.state()
        state["files"] = {name: text for name, text in state["files"].items() if "/." not in name}
        after["files"] = {name: text for name, text in after["files"].items() if "/." not in name}
        assert state == ({**after, "active": IDENTITY} if confirmed else before), place
        shutil.rmtree(root)
        if not killed:
            break
        place += 1
    assert decided == {True, False}


def test_full_disk_anywhere(tmp_path: Path) -> None:
    """From any write on the disk is full: the node goes back, or has not begun."""
    for place in range(60):
        root = tmp_path / f"{place}"
        node = fresh(root)
        before = node.state()
        begin(node)
        node.revive()
        writes = [0]
        original = node.create

        def create(path: str, data: bytes, mode: int, count: int = place, original: Any = original,
                   writes: list[int] = writes) -> None:  # fmt: skip
            writes[0] += 1
            if writes[0] > count:
                raise OSError(28, "No space left on device", path)
            original(path, data, mode)

        node.create = create  # type: ignore[method-assign]
        node.work()
        done = writes[0] <= place
        if done:
            assert tool.story(node)["state"] == "verified"
            break
        assert node.state() == before, place
        told = tool.story(node)
        assert told["status"] == "reverted", (place, told)
        assert not node.exists(tool.PENDING)
        shutil.rmtree(root)
    assert place > 8


def test_reboot_with_ovs_down(node: Node) -> None:
    """The database starts later: what is left is done then."""
    before = node.state()
    begin(node)
    node.work()
    node.ovs_down = True
    node.reboot()
    told = tool.story(node)
    assert told["status"] == "pending" and told["state"] == "reverting"
    assert "database connection failed" in told["problems"][0]
    node.ovs_down = False
    node.pass_time(60)
    assert node.state() == before and tool.story(node)["status"] == "reverted"
    assert "rebooted before" in tool.story(node)["reason"]


def test_ovs_does_not_finish(node: Node) -> None:
    """ovs-vswitchd hangs: the change is recorded in the database, and so must be its end."""
    before = node.state()
    node.vswitchd_down = True
    begin(node)
    node.work()
    assert node.state() == before
    assert "Alarm clock" in tool.story(node)["reason"]


def test_ovs_error(node: Node) -> None:
    node.ovs_errors = {"br-ex": "could not open network device br-ex (No such device)"}
    row = {"table": "Interface", "name": "br-ex", "parent": "br-ex", "columns": {}}
    begin(node, {**BOND_WANTED, "ovs": [row]})
    node.work()
    assert "Open vSwitch cannot use br-ex: could not open network device" in tool.story(node)["reason"]
    assert tool.ovs_problems(node, {**BOND_WANTED, "ovs": [row], "resolution": {"br-ex": ""}}) == []
    node.ovs_down = True
    assert "Open vSwitch does not answer" in tool.ovs_problems(node, {**BOND_WANTED, "ovs": [row]})[0]


def test_revert_fails_and_is_retried(node: Node) -> None:
    before = node.state()
    begin(node)
    node.work()
    node.ovs_down = True
    node.pass_time(WINDOW)
    told = tool.story(node)
    assert told["status"] == "pending" and told["state"] == "reverting"
    assert "database connection failed" in told["problems"][0]
    assert list(node.timers) == [f"{tool.REVERT_UNIT}{IDENTITY}-1"]
    node.ovs_down = False
    node.pass_time(60)
    assert node.state() == before
    assert tool.story(node)["status"] == "reverted"


def test_revert_gives_up(node: Node) -> None:
    """It is tried for a while, and not for ever; whoever comes next can try again."""
    before = node.state()
    begin(node)
    node.work()
    node.ovs_down = True
    node.pass_time(3600)
    assert node.timers == {} and tool.story(node)["state"] == "reverting"
    assert tool.load(node, tool.PENDING)["retries"] == tool.RETRIES + 1
    node.ovs_down = False
    assert tool.main(["revert", "--id", IDENTITY], node) == 0
    assert node.state() == before


def test_revert_that_does_not_show(node: Node) -> None:
    """All commands succeed, but the address is not back: networkd is restarted, then it stays pending."""
    begin(node)
    node.work()
    original = node._networkd_reads

    def broken(fresh: bool) -> None:
        original(fresh)
        node.links["eno1"].addresses = set()

    node._networkd_reads = broken  # type: ignore[method-assign]
    node.pass_time(WINDOW)
    told = tool.story(node)
    assert told["state"] == "reverting"
    assert "eno1 does not have the address 198.18.16.10/24" in told["problems"]
    assert f"systemctl restart {tool.NETWORKD}" in node.calls
    node._networkd_reads = original  # type: ignore[method-assign]
    node.pass_time(60)
    assert tool.story(node)["status"] == "reverted"


def test_gateway_gone_after_revert(node: Node) -> None:
    """The node is as before; that its gateway died meanwhile is told, and no reason to try again."""
    begin(node)
    node.work()
    node.gateways = {}
    node.pass_time(WINDOW)
    told = tool.story(node)
    assert told["status"] == "reverted"
    assert told["reverted"]["problems"] == ["gateway 198.18.16.1 on eno1 does not answer"]


def test_links_that_vms_come_and_go_with(node: Node) -> None:
    """Only what the change touches has to be as before."""
    node.nic("tap1", "lan", kind="tun")
    begin(node)
    node.work()
    del node.links["tap1"]
    node.pass_time(WINDOW)
    assert tool.story(node)["status"] == "reverted"


IFUPDOWN = "auto lo\niface lo inet loopback\niface eno1 inet static 198.18.16.10/24 198.18.16.1\n"
MIGRATION = {
    "changed": True,
    "forward": steps(
        files={
            "/etc/network/interfaces": None,
            **{f"{NETWORK}/{name}": file(text) for name, text in NEW_FILES.items()},
        },
        disable=["networking.service"],
        enable=[tool.NETWORKD],
    ),
    "back": steps(
        files={
            "/etc/network/interfaces": file(IFUPDOWN),
            **{f"{NETWORK}/{name}": None for name in NEW_FILES},
        },
        disable=[tool.NETWORKD],
        enable=["networking.service"],
        delete=["vlan100", "bond0"],
        commands=[
            ["ip", "address", "replace", "198.18.16.10/24", "dev", "eno1"],
            ["ip", "route", "replace", "default", "via", "198.18.16.1", "dev", "eno1"],
        ],
    ),
    "touched": ["eno1", "eno2", "bond0", "vlan100"],
    "summary": [],
}


def on_ifupdown(root: Path) -> Node:
    node = Node(root)
    node.nic("eno1", "lan")
    node.nic("eno2", "lan")
    node.gateways = {"198.18.16.1": "lan"}
    node.networkd, node.enabled = False, {"networking.service"}
    path = Path(node.at("/etc/network/interfaces"))
    path.write_text(IFUPDOWN)
    path.chmod(0o644)
    node.ifup()
    return node


@pytest.mark.parametrize("aftermath", ["died", "timer", "reboot"])
def test_migration_killed_anywhere(tmp_path: Path, aftermath: str) -> None:
    """From ifupdown, whose service is never stopped, and back to it."""
    place = 0
    while True:
        root = tmp_path / f"{place}"
        node = on_ifupdown(root)
        before = node.state()
        begin(node, BOND_WANTED, MIGRATION)
        node.revive()
        _, command, died = node.services.pop()
        node.fuse, killed = place, False
        try:
            tool.main(command, node)
        except Killed:
            killed = True
        node.revive()
        if aftermath == "died" and killed:
            tool.main(died, node)
        elif aftermath == "reboot":
            node.reboot()
        else:
            assert killed or node.links["bond0"].addresses
            node.pass_time(WINDOW)
        assert node.state() == before, place
        assert not node.exists(tool.PENDING)
        assert not [call for call in node.calls if "stop" in call and "networking.service" in call]
        shutil.rmtree(root)
        if not killed:
            break
        place += 1
    assert place > 25


def test_confirm_refused(node: Node) -> None:
    begin(node)
    assert "it is not ready for that (armed)" in tool.confirm(node, IDENTITY)["why"]
    node.work()
    assert f"change {IDENTITY} waits for its own confirmation" in tool.confirm(node, "other")["why"]
    node.now += WINDOW
    answer = tool.confirm(node, IDENTITY)
    assert not answer["confirmed"] and answer["why"] == "its time is over" and answer["state"] == "verified"


def test_confirm_after_reboot_without_the_unit(node: Node) -> None:
    """Another boot, and nobody took it back: it is not confirmed, either."""
    begin(node)
    node.work()
    node.booted = "boot-9"
    assert tool.confirm(node, IDENTITY)["why"] == "its time is over"


@pytest.mark.parametrize("first", ["confirm", "revert"])
def test_confirm_races_the_timer(tmp_path: Path, first: str) -> None:
    """Whoever has the lock first decides. The other finds nothing to do, or is refused."""
    node = fresh(tmp_path / "node")
    before = node.state()
    begin(node)
    node.work()
    node.timers = {}
    order: list[str] = []
    entered, answers = threading.Event(), dict[str, Any]()
    original = Host.locked

    def confirming() -> None:
        if first == "revert":
            entered.wait(10)
        answers["confirm"] = tool.confirm(node, IDENTITY)
        order.append("confirm")

    def reverting() -> None:
        if first == "confirm":
            entered.wait(10)
        answers["revert"] = tool.revert(node, IDENTITY)
        order.append("revert")

    def locked(self: Host, what: str, seconds: float) -> Any:
        return Slow(original(self, what, seconds), entered)

    def waiting(seconds: float) -> None:
        node.now += seconds / 10
        time.sleep(0.02)

    node.locked, node.sleep = locked.__get__(node), waiting  # type: ignore[method-assign]
    threads = [threading.Thread(target=target) for target in (confirming, reverting)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert order == [first, "confirm" if first == "revert" else "revert"]
    assert answers["confirm"]["confirmed"] == (first == "confirm")
    if first == "revert":
        assert node.state() == before
        assert "went back by itself" in answers["confirm"]["why"]
    else:
        assert node.state()["active"] == IDENTITY and "bond0" in node.links


class Slow:
    """A lock that lets the other one come to it before it goes on."""

    def __init__(self, inner: Any, entered: threading.Event) -> None:
        self.inner, self.entered = inner, entered

    def __enter__(self) -> None:
        self.inner.__enter__()
        self.entered.set()
        time.sleep(0.2)

    def __exit__(self, *error: Any) -> None:
        self.inner.__exit__(*error)


def test_timer_finds_the_applier_stuck(node: Node) -> None:
    begin(node)
    assert tool.revert(node, IDENTITY) == 0
    assert f"systemctl kill --signal=SIGKILL {tool.APPLY_UNIT}{IDENTITY}.service" in node.calls
    assert tool.story(node)["reason"] == "the change was not done within 120 s"
    assert tool.revert(node, IDENTITY) == 0  # nothing left to do


def test_revert_comes_too_late(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The confirmation came while the revert waited for the lock."""
    begin(node)
    node.work()
    original = Node.locked

    def confirmed_meanwhile(self: Node, what: str, seconds: float) -> Any:
        monkeypatch.setattr(Node, "locked", original)
        tool.confirm(self, IDENTITY)
        return original(self, what, seconds)

    monkeypatch.setattr(Node, "locked", confirmed_meanwhile)
    assert tool.revert(node, IDENTITY) == 0
    assert tool.story(node)["state"] == "confirmed"


def test_apply_without_a_change(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["apply", "--id", "x"], node) == 1
    assert "there is no change x" in capsys.readouterr().out
    assert tool.main(["boot"], node) == 0


def test_unexpected_error(node: Node) -> None:
    """A mistake in the program is a reason to go back as well."""
    before = node.state()
    begin(node, {**BOND_WANTED, "links": [{}]})
    node.work()
    assert node.state() == before and "a mistake in the tool: KeyError" in tool.story(node)["reason"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("ip -j -d address show", "ip -j -d address show: broken"),
        ("udevadm control", "udevadm control --reload: broken"),
        ("networkctl reconfigure", "networkctl reconfigure: broken"),
        (
            "systemctl enable",
            "env SYSTEMCTL_SKIP_SYSV=1 systemctl enable --no-reload --quiet systemd-networkd.service: broken",
        ),
    ],
)
def test_failing_command(node: Node, words: str, reason: str) -> None:
    before = node.state()
    move = change(
        OLD_FILES,
        NEW_FILES,
        touched=["bond0"],
        udev=["eno1"],
        reconfigure=["eno1", "gone"],
        enable=[tool.NETWORKD],
        restart=["other.service"],
        commands=[["ip", "address", "replace", "198.18.19.7/32", "dev", "lo"]],
        back={"delete": ["vlan100", "bond0"], "udev": ["gone"]},
    )
    begin(node, BOND_WANTED, move)
    node.failing = {words: tool.Result(1, "", "broken")}
    if words.startswith("ip"):
        node.failing = {"ip -j -d address show": tool.Result(1, "", "broken")}
    node.work()
    assert tool.story(node)["reason"] == reason
    node.failing = {}
    node.pass_time(300)
    node.links["lo"].addresses = set()
    assert node.state() == before


def test_udev_at_boot(node: Node) -> None:
    before = node.state()
    move = change(OLD_FILES, NEW_FILES, touched=["bond0"], udev=["eno1"], restart=[tool.NETWORKD],
                  back={"delete": ["vlan100", "bond0"], "udev": ["eno1"]})  # fmt: skip
    begin(node, BOND_WANTED, move)
    node.work()
    assert tool.story(node)["state"] == "verified"
    assert "networkctl reload" not in node.calls
    node.reboot()
    assert node.state() == before
    assert "udevadm trigger --action=add --settle /sys/class/net/eno1" in node.calls


def test_boot_on_a_full_disk(node: Node) -> None:
    """What was staged for the way back needs no space, and the record that is renamed needs none either."""
    before = node.state()
    begin(node)
    node.work()
    node.full = ("/etc", "/var")
    node.reboot()
    assert node.state() == before
    told = tool.story(node)
    assert told["status"] == "reverted" and told["reverted"]["id"] == IDENTITY


def test_boot_that_fails(node: Node) -> None:
    before = node.state()
    begin(node)
    node.work()
    staged = node.at(tool.staged(f"{NETWORK}/05-ozone-eno1.network", tool.OLD))
    Path(staged).unlink()
    node.full = NETWORK
    assert tool.main(["boot"], node) == 1
    assert "No space left" in tool.story(node)["problems"][0]
    node.full = None
    node.pass_time(60)
    assert node.state() == before


def test_record_is_damaged(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    Path(node.at(tool.PENDING)).write_text("{")
    assert "cannot be read" in tool.story(node)["reason"]
    assert tool.main(["confirm", "--id", "x"], node) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_status(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["status"], node) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "none" and told["state"] == ""
    begin(node)
    assert tool.main(["status", "--id", IDENTITY, "--wait", "3"], node) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "armed"
    assert node.now >= 1003
    node.work()
    capsys.readouterr()
    assert tool.main(["confirm", "--id", IDENTITY], node) == 0
    assert json.loads(capsys.readouterr().out)["confirmed"]
    assert tool.story(node, "other")["state"] == ""


def test_lock(node: Node) -> None:
    with (
        node.locked("the first", 1),
        pytest.raises(TimeoutError, match=r"the first \(process"),
        node.locked("the second", 1),
    ):
        pass


def test_wait_for_a_partner_and_for_addresses() -> None:
    """Verdicts that the other tests do not come to."""
    link: Any = {
        "name": "eno1", "kind": "", "ifindex": 2, "mac": "", "permanent": "", "mtu": 1500, "up": True, "carrier": True,
        "master": "", "addresses": ["2001:db8::1/64"], "partner": "", "tentative": [], "duplicate": [],
        "type": "ether", "max_mtu": 0, "options": {},
    }  # fmt: skip
    seen: Any = {"links": {"eno1": link}, "routes": []}

    def verdict(wish: Any, before: Any = None, **keys: Any) -> tool.Verdict:
        return tool.judge(wanted(wish), {**seen, "links": {"eno1": {**link, **keys}}}, before, {}, [])

    address = wanted_link("eno1", addresses=["2001:db8:0::1/64"])
    assert verdict(address) == ([], [], [], [])
    assert "used by another machine" in verdict(address, duplicate=["2001:db8::1/64"]).failures[0]
    assert "not proven" in verdict(address, tentative=["2001:db8::1/64"]).waiting[0]
    assert verdict(wanted_link("eno1", mtu=9000)).failures == ["eno1 has an MTU of 1500, not 9000"]
    assert verdict(wanted_link("eno1", addresses=["198.18.18.1/24"])).failures == [
        "eno1 does not have the address 198.18.18.1/24"
    ]
    assert verdict(wanted_link("eno9")).failures == ["link eno9 does not exist"]
    assert verdict(wanted_link("patch", kind="ovs_patch_port")).failures == []
    assert verdict(wanted_link("eno1", members=["eno2"])).failures == ["eno2 is not a member of eno1"]
    assert verdict(wanted_link("eno1", kind="ovs_bridge", members=["eno2"])).failures == []
    onlink = route("", destination="198.18.0.0/15")
    assert verdict(wanted_link("eno1", routes=[onlink])).failures == ["eno1 does not have the route to 198.18.0.0/15"]
    assert verdict(wanted_link("eno1"), carrier=False).degraded == ["eno1 has no link"]
    vlan = {**wanted_link("eno1"), "physical": ["eno1", "eno5"]}
    assert verdict(vlan, carrier=False).degraded == ["eno1 has no link"]
    before: Any = {"links": {}, "gateways": {"eno1 198.18.18.1": False}}
    gateway = wanted_link("eno1", routes=[route("198.18.18.1")])
    assert verdict(gateway, before).warnings == [
        "gateway 198.18.18.1 on eno1 does not answer (it did not before, either)"
    ]
    upper = {**wanted_link("upper"), "physical": ["eno1"]}
    links = {"eno1": link, "upper": {**link, "name": "upper", "carrier": False}}
    found = tool.judge(wanted(upper), {**seen, "links": links}, None, {}, [])
    assert found.failures == ["upper has no carrier although eno1 has a link"]


def test_lost() -> None:
    """What a revert has not brought back."""
    link: Any = {"master": "bond0", "addresses": []}
    before: Any = {"links": {"eno1": link, "bond0": link, "gone": link}, "gateways": {}}
    seen: Any = {"links": {"eno1": {"master": "", "addresses": []}, "bond0": link}, "routes": []}
    assert tool.lost(before, ["eno1", "gone", "new"], seen) == [
        "eno1 is not a member of bond0",
        "link gone does not exist",
    ]


def test_an_address_that_moved_meanwhile_is_not_lost(node: Node) -> None:
    """keepalived's address is on another node now: that is no reason to go on restarting the network of this one."""
    begin(node)
    node.links["eno1"].addresses |= {"198.18.16.200/32", "2001:db8::200/128"}
    node.work()
    node.links["bond0"].addresses -= {"198.18.16.200/32", "2001:db8::200/128"}
    node.links["eno1"].addresses -= {"198.18.16.200/32", "2001:db8::200/128"}
    node.pass_time(WINDOW)
    assert tool.story(node)["status"] == "reverted"
    link: Any = {"master": "", "addresses": ["198.18.16.200/32"]}
    before: Any = {"links": {"eno1": link}, "gateways": {}}
    seen: Any = {"links": {"eno1": {"master": "", "addresses": []}}, "routes": []}
    assert tool.lost(before, ["eno1"], seen) == []
    assert tool.lost(before, ["eno1"], seen, {"198.18.16.200/32"}) == [
        "eno1 does not have the address 198.18.16.200/32"
    ]
    assert tool.own(node) == set()
    tool.save(node, tool.ACTIVE, {"wanted": {"links": [{"addresses": ["2001:DB8:0::1/128"]}]}})
    assert tool.own(node) == {"2001:db8::1/128"}


def test_parsing() -> None:
    """The answers of ip(8) as they are."""
    link = tool.link_of(
        {
            "ifname": "bond0", "ifindex": 7, "flags": ["UP", "LOWER_UP"], "mtu": 9000, "link": "eno1",
            "linkinfo": {"info_kind": "bond", "info_data": {"mode": "802.3ad", "miimon": 100, "flags": ["X"]}},
            "addr_info": [
                {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link", "protocol": "kernel_ll"},
                {"family": "inet6", "local": "fe80::2", "prefixlen": 64, "scope": "link"},
                {"family": "inet6", "local": "fe80::3", "prefixlen": 64, "scope": "link", "protocol": "static"},
                {"family": "inet", "local": "198.18.18.1", "prefixlen": 24, "scope": "global"},
                {"index": 4},
            ],
        }
    )  # fmt: skip
    assert link["addresses"] == ["198.18.18.1/24", "fe80::3/64"]
    assert link["partner"] == tool.NO_PARTNER
    assert link["options"] == {"mode": "802.3ad", "miimon": "100", "parent": "eno1"}
    two = tool.routes_of(
        {"dst": "198.18.18.0/24", "type": "1", "table": "100", "protocol": "186", "metric": 5, "nexthops": [
            {"gateway": "198.18.16.1", "dev": "a"}, {"via": {"family": "inet6", "host": "fe80::1"}, "dev": "b"}]}
    )  # fmt: skip
    assert [(r["gateway"], r["device"], r["table"], r["protocol"]) for r in two] == [
        ("198.18.16.1", "a", 100, "bgp"),
        ("fe80::1", "b", 100, "bgp"),
    ]
    assert tool.routes_of({"dst": "ff00::/8", "type": "multicast", "dev": "a"}) == []
    assert tool.routes_of({"dst": "198.18.18.1", "table": "255", "dev": "a"}) == []
    assert tool.network_of("::/0") == "default"


def test_neighbours(node: Node) -> None:
    """What the kernel believed before is asked again; broken answers are none."""
    node.states = {"eno1 198.18.16.1": "REACHABLE"}
    node.gateways = {}
    assert tool.Neighbours(node, ["eno1 198.18.16.1"]).wait(1) == {"eno1 198.18.16.1": False}
    node.states, node.failing = {"eno1 198.18.16.1": "REACHABLE"}, {"nud probe": tool.Result(2, "", "refused")}
    assert tool.Neighbours(node, ["eno1 198.18.16.1"]).wait(1) == {"eno1 198.18.16.1": False}
    node.states, node.failing = {"eno1 198.18.16.1": "PERMANENT"}, {}
    assert tool.Neighbours(node, ["eno1 198.18.16.1"]).ask()
    node.failing = {"neighbour": tool.Result(0, "no JSON", "")}
    assert not tool.Neighbours(node, ["eno1 198.18.16.1"]).wait(1)["eno1 198.18.16.1"]
    node.failing = {"ip -j": tool.Result(0, "no JSON", "")}
    with pytest.raises(Failure, match="not JSON"):
        tool.look(node)


def test_host(tmp_path: Path) -> None:
    """The real machine, as far as a test may touch it."""
    host = Host(str(tmp_path))
    assert host.read("/missing") is None and host.mode("/missing") is None and host.names("/missing") == []
    host.mkdir("/a/b", 0o700)
    host.mkdir("/a/b")
    host.create("/a/b/c", b"text", 0o640)
    host.create("/a/b/c", b"text", 0o640)
    assert host.mode("/a/b/c") == "0640" and host.mode("/a/b") == "0700"
    host.symlink("c", "/a/b/d")
    assert host.target("/a/b/d") == str(tmp_path / "a/b/c")
    host.unlink("/a/b/d")
    assert host.run(["sh", "-c", "echo out; echo err >&2; exit 3"]) == (3, "out\n", "err\n")
    assert host.run(["/missing/command"]).code == tool.NOT_FOUND
    started = time.monotonic()
    slow = host.run(["sh", "-c", "sleep 30"], 0.3)
    assert slow.code == tool.TIMED_OUT and "took more than" in slow.err and time.monotonic() - started < 5
    assert host.clock() > 0 and host.time() > 1e9 and host.boot() == ""
    host.sleep(0)
    host.knock("127.0.0.1", "lo")
    host.knock("::1", "lo")
    host.knock("127.0.0.1", "missing")
    with pytest.raises(OSError, match="I/O"):
        Broken(str(tmp_path)).read("/a/b/c")
    assert tool.explained(OSError(5, "I/O error")) == "I/O error"
    assert tool.explained(ValueError()) == "a mistake in the tool: ValueError()"
    assert tool.told(tool.Result(7, "", "")) == "exit code 7"


class Broken(Host):
    def at(self, path: str) -> str:
        raise OSError(5, "I/O error", path)


def test_escaped_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that left the session and keeps the pipe open is not waited for."""
    host = Host(str(tmp_path))
    original = tool.subprocess.Popen.communicate
    limits: list[Any] = []

    def communicate(self: Any, data: Any, seconds: float) -> Any:
        limits.append(seconds)
        return original(self, data, min(seconds, 0.3))

    monkeypatch.setattr(tool.subprocess.Popen, "communicate", communicate)
    result = host.run(["sh", "-c", "setsid sleep 3 & sleep 3"], 0.3)
    assert result.code == tool.TIMED_OUT and limits == [0.3, 5]


def test_neighbours_are_told_who_has_an_address_now(node: Node) -> None:
    begin(node)
    assert tool.apply(node, IDENTITY) == 0
    links = node.links
    assert node.announced == [
        f"bond0 198.18.16.10 {links['bond0'].mac}",
        f"vlan100 198.18.17.10 {links['vlan100'].mac}",
    ]
    node.announced.clear()
    node.now += WINDOW
    assert tool.revert(node, IDENTITY) == 0
    assert node.announced == [f"eno1 198.18.16.10 {links['eno1'].mac}"]


class Wire:
    """A socket that keeps what is sent."""

    sent: ClassVar[list[tuple[Any, ...]]] = []

    def __init__(self, *kind: Any) -> None:
        self.place: Any = kind

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def setsockopt(self, *_: object) -> None:
        pass

    def bind(self, place: Any) -> None:
        self.place = place

    def send(self, data: bytes) -> None:
        self.sent.append((self.place, data))

    def sendto(self, data: bytes, to: Any) -> None:
        self.sent.append((self.place, data, to))


def test_what_is_announced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Wire, "sent", [])
    monkeypatch.setattr(tool.socket, "socket", Wire)
    monkeypatch.setattr(tool.socket, "if_nametoindex", lambda name: 7)
    host = Host(str(tmp_path))
    host.announce("198.18.16.10", "bond0", "02:00:00:00:00:01")
    host.announce("fd00::10", "bond0", "02:00:00:00:00:01")
    (place, arp), (six, advertisement, to) = Wire.sent
    assert place == ("bond0", 0x0806)
    mac, own = bytes.fromhex("020000000001"), bytes([198, 18, 16, 10])
    assert arp[:14] == b"\xff" * 6 + mac + b"\x08\x06"
    assert arp[20:] == b"\0\1" + mac + own + bytes(6) + own
    assert (six, to) == (("fd00::10", 0, 0, 7), ("ff02::1", 0, 0, 7))
    assert advertisement[0] == 136
    assert advertisement[8:] == bytes.fromhex("fd00" + "0" * 24 + "0010") + b"\2\1" + mac
