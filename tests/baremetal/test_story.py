# SPDX-License-Identifier: Apache-2.0
"""From machines without an operating system to nodes and back, with what goes wrong on the way.

The tests are one story: each begins where the last one ended. Machines: bm1 has a disk that must survive everything,
bm2 has less than it should, bm3 is plain; the BMC of bm4 is dead, the image of bm5 is spoilt, and the ramdisk of bm6 is
never heard of.
"""

from __future__ import annotations

import json
import re
import shlex
import ssl
import time
import urllib.error
import urllib.request
from datetime import datetime

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.cloud.machines import published
from tests.baremetal.bench import ALL, DEAD, GOOD, MUTE, SPOILT, VLAN, Bench, mac
from tests.lab.cloud import Result, await_true

#: Exit codes: less is there than has to be; enough is there, and something stayed behind.
FAILED, PARTIAL = 2, 4
#: Seconds. Only a ramdisk that is never heard of is in ``inspect wait`` when the others are deployed.
LIMITS = {"wait call-back": 900, "inspect wait": 240, "power": 30}

DATA = "bm1-data"


def told(result: Result, name: str) -> str:
    """What a run says at its end about a machine that stayed behind: stage, cause, remedy."""
    said = [entry["msg"] for entry in result.report["failures"] if entry["host"] == name]
    said += [reason for host, reason in result.report["unreachable"].items() if host == name]
    assert said, f"nothing is said about {name}"
    return " ".join(said)


def test_machines_are_enrolled_and_a_dead_bmc_delays_none(bench: Bench) -> None:
    begin = time.time()
    with bench.timed("enrol six, one of them dead"):
        result = bench.run("enrol", ozone_success=len(ALL) - 1)
    assert result.code == PARTIAL
    assert "BMC" in told(result, DEAD)
    states = bench.states()
    assert set(states) == set(ALL)
    for name in set(ALL) - {DEAD}:
        assert states[name]["provision_state"] == "manageable"
        known = datetime.fromisoformat(states[name]["provision_updated_at"]).timestamp()
        assert known - begin < 60, "it waited for the dead one"
    assert states[DEAD]["provision_state"] in ("enroll", "verifying")

    with bench.timed("enrol again"):
        again = bench.run("enrol", *GOOD)
    assert again.code == 0
    assert "changed=0" in again.output
    assert bench.machines.login[1] not in result.output + again.output


def test_inspection_finds_what_there_is(bench: Bench) -> None:
    with bench.timed("inspect four"):
        result = bench.run("inspect", *GOOD, SPOILT)
    assert result.code == 0
    assert "bm2: differs from what is expected: it has 2 CPUs, and 4 are expected" in result.output
    assert "bm1: differs" not in result.output
    assert bench.state("bm1") == ("manageable", "power off")
    assert all(not bench[name].power() for name in ALL)


def test_nobody_but_the_bmcs_gets_a_boot_medium(bench: Bench) -> None:
    """The BMCs are at this computer's address; the node of the undercloud is a stranger to its own store."""
    ask = "import ssl, sys, urllib.request as u, urllib.error as e\ntry: u.urlopen(sys.argv[1], timeout=10)\n"
    ask += "except e.HTTPError as error: print(error.code)"
    store = f"https://{bench.address('undercloud1')}:8089"
    answers = [
        bench.cloud.ssh("undercloud1", f"python3 -c {shlex.quote(ask)} {store}/{path}").strip()
        for path in ("redfish/boot-x.iso", "x.raw")
    ]
    assert answers == ["403", "404"]
    trusted = ssl.create_default_context(cafile=str(bench.cloud.state / "pki" / "ca.pem"))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{store}/redfish/boot-x.iso", timeout=10, context=trusted)


def test_a_hint_that_fits_no_disk_or_two_is_refused(bench: Bench) -> None:
    """Nothing is switched on for that."""
    begin = time.time()
    for hint in ({"serial": "nothing"}, {"vendor": "0x1af4"}):
        bench.change("bm1", root_device=hint, preserve=None)
        result = bench.run("provision", "bm1")
        assert result.code == FAILED
        assert "bm1-system" in result.output
        assert DATA in result.output
    bench.cloud.restore()
    assert bench["bm1"].bmc.resets(begin) == []


def spoil(bench: Bench) -> None:
    """A second image, the checksum of which is not that of its file."""
    image = published(bench.cloud.state)["debian-13"]
    bench.images = {"spoilt": {**image, "checksum": image["checksum"][::-1]}}


def test_the_good_ones_become_nodes_and_the_bad_ones_are_told(bench: Bench) -> None:
    spoil(bench)
    begin = time.time()
    before = bench["bm1"].digest(DATA)
    with bench.timed("provision six, three of them bad"):
        result = bench.run("provision", ozone_limits=LIMITS, ozone_success=len(GOOD), limit=1500)
    assert result.code == PARTIAL
    states = bench.states()
    for name in GOOD:
        assert states[name]["provision_state"] == "active", states[name]["last_error"]
        bench.seconds[f"{name} active"] = round(
            datetime.fromisoformat(states[name]["provision_updated_at"]).timestamp() - begin, 1
        )
        assert bench.ssh(name, "hostname").strip() == name
    for name, words in {DEAD: "BMC", SPOILT: "checksum", MUTE: "call back"}.items():
        assert states[name]["provision_state"] != "active"
        assert words.lower() in told(result, name).lower()
    await_true("the bad ones are off", lambda: not any(bench[name].power() for name in (SPOILT, MUTE)), 60)
    assert bench["bm1"].digest(DATA) == before, "cleaning and deployment left the disk alone"


def test_addresses_are_static_on_a_bond_and_its_vlan(bench: Bench) -> None:
    for name in GOOD:
        bonding, links = bench.ssh(name, "cat /proc/net/bonding/bond0; echo =; ip -j address").split("=\n")
        for nic in (1, 2):
            assert f"Permanent HW addr: {mac(int(name[2:]), nic)}" in bonding
        found = {
            link["ifname"]: [f"{entry['local']}/{entry['prefixlen']}" for entry in link["addr_info"]
                             if entry["family"] == "inet"]
            for link in json.loads(links)
        }  # fmt: skip
        addresses = bench.variables(name)["ozone_node"]["addresses"]
        assert found["bond0"] == [f"{addresses['provisioning']}/24"]
        assert found[f"vlan{VLAN}"] == [f"{addresses['internal']}/24"]
    neighbour = bench.variables("bm2")["ozone_node"]["addresses"]["internal"]
    bench.ssh("bm1", f"timeout 10 bash -c 'echo > /dev/tcp/{neighbour}/22'")


def test_a_dead_nic_of_the_bond_is_no_matter(bench: Bench) -> None:
    bench["bm2"].link(0, up=False)
    await_true("bm2 answers", lambda: bench.ssh("bm2", "hostname", check=False).strip() == "bm2", 40)
    bench["bm2"].link(0, up=True)


def test_again_changes_nothing(bench: Bench) -> None:
    begin = time.time()
    boots = {name: bench.boot_id(name) for name in GOOD}
    with bench.timed("provision again"):
        result = bench.run("provision", *GOOD)
    assert result.code == 0
    assert "changed=0" in result.output
    assert {name: bench.boot_id(name) for name in GOOD} == boots
    assert all(bench[name].bmc.resets(begin) == [] for name in GOOD)


def test_the_network_of_a_new_node_is_what_cloud_yml_says(bench: Bench) -> None:
    with bench.timed("network of a new node"):
        result = bench.cloud.run("network", "--limit", "bm1,bm2")
    assert result.code == 0
    assert bench.ssh("bm1", "hostname").strip() == "bm1"
    again = bench.cloud.run("network", "--limit", "bm1,bm2")
    assert again.code == 0
    assert "changed=0" in again.output


def test_validate_tells_of_a_bmc_that_died(bench: Bench) -> None:
    bench["bm3"].bmc.fault = "refuses"
    with bench.timed("validate with a dead BMC"):
        result = bench.cloud.run("validate")
    assert result.code != 0
    assert "bm3: its BMC" in result.output
    assert re.search(r"ironic +ok on undercloud1", result.output), "the services are looked at all the same"
    bench["bm3"].bmc.fault = ""
    assert bench.ssh("bm3", "hostname").strip() == "bm3", "the node itself goes on"


def test_a_rebuild_keeps_the_disk_that_is_to_be_kept(bench: Bench) -> None:
    before, boot = bench["bm1"].digest(DATA), bench.boot_id("bm1")
    bench.ssh("bm1", "touch /root/gone")
    with bench.timed("rebuild one, to SSH"):
        result = bench.run("rebuild", "bm1", ozone_force=True, ozone_confirm=True, ozone_limits=LIMITS)
    assert result.code == 0
    assert bench.boot_id("bm1") != boot
    assert "gone" not in bench.ssh("bm1", "ls /root")
    assert bench["bm1"].digest(DATA) == before


def test_a_bmc_that_cannot_switch_on(bench: Bench) -> None:
    bench["bm3"].bmc.fault = "reset-500"
    result = bench.run("rebuild", "bm3", ozone_force=True, ozone_confirm=True, ozone_limits=LIMITS)
    assert result.code == FAILED
    assert "cannot change the power" in told(result, "bm3")
    bench["bm3"].bmc.fault = ""


def test_only_exact_names_leave(bench: Bench) -> None:
    begin = time.time()
    bench.change("bm2", provisioned=False)
    for names in (["bm"], ["bm*"], ["all"], ["bm1"], []):
        result = bench.run("unprovision", *names, ozone_confirm=True)
        assert result.code not in (0, PARTIAL), f"{names} is no exact name of a machine that is to leave"
    assert all(bench[name].bmc.resets(begin) == [] for name in GOOD)

    with bench.timed("unprovision one"):
        result = bench.run("unprovision", "bm2", ozone_confirm=True)
    assert result.code == 0
    assert bench.state("bm2") == ("available", "power off")
    assert not bench["bm2"].power()
    assert bench.ssh("bm1", "hostname").strip() == "bm1"
    bench.cloud.restore()


def test_a_node_that_ironic_has_lost_is_not_wiped(bench: Bench) -> None:
    boot = bench.boot_id("bm1")
    bench.lose("bm1")
    result = bench.run("provision", "bm1")
    assert result.code not in (0, PARTIAL)
    assert "bm1: a system answers over SSH" in result.output
    assert "bm1" not in bench.states()
    with bench.timed("adopt one"):
        assert bench.run("provision", "bm1", ozone_adopt=True).code == 0
    assert bench.state("bm1") == ("active", "power on")
    assert bench.states()["bm1"]["properties"]["skip_block_devices"] == [{"serial": DATA}]
    again = bench.run("provision", "bm1")
    assert again.code == 0
    assert "changed=0" in again.output
    assert bench.boot_id("bm1") == boot, "nothing was booted"


def test_whatever_happened_nobody_asked_the_network_for_anything(bench: Bench) -> None:
    """No DHCP, no BOOTP, no PXE, no TFTP, on the provisioning network, from the first second to the last."""
    assert {packet.kind for packet in bench.capture.packets} <= {"router-solicitation"}
    # And it would have been heard: a machine says something to a port of DHCP.
    bench.ssh("bm1", "echo > /dev/udp/198.18.32.1/67")
    await_true("it is heard", lambda: any(packet.kind == "dhcp4" for packet in bench.capture.packets), 10)
