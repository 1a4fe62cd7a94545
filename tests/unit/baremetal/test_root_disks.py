# SPDX-License-Identifier: Apache-2.0
"""Which disk is written: hints, and the guard before a machine is written to."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import disks
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import BaremetalError, Image, Instance

SDA = {
    "name": "/dev/sda",
    "size": 480103981056,
    "rotational": False,
    "vendor": "ATA",
    "model": "SAMSUNG MZ7LH480",
    "serial": "S45PNA0M",
    "wwn": "0x5002538e",
    "wwn_with_extension": "0x5002538e0001",
    "wwn_vendor_extension": None,
    "hctl": "0:0:0:0",
    "by_path": "/dev/disk/by-path/pci-0000:00:17.0-ata-1",
}
SDB = {
    **SDA,
    "name": "/dev/sdb",
    "serial": "S45PNA0N",
    "wwn": "0x5002538f",
    "wwn_with_extension": "0x5002538f0001",
    "hctl": "1:0:0:0",
    "by_path": "/dev/disk/by-path/pci-0000:00:17.0-ata-2",
}
SDC = {
    "name": "/dev/sdc",
    "size": 2000 * disks.GIB,
    "rotational": True,
    "model": "ST2000",
    "serial": "Z1",
    "wwn": "0x5",
}


def instance(root: dict[str, Any] | None = None, *preserve: dict[str, Any]) -> Instance:
    return Instance(Image("https://198.51.100.1/x.raw", "0" * 64), root_device=root or {}, preserve=preserve)


def check(root: Any, preserve: Any, found: Any, properties: Any = None) -> disks.Verdict:
    inventory = None if found is None else {"disks": found}
    return disks.check(instance(root, *preserve), inventory, properties)


@pytest.mark.parametrize(
    ("hint", "fits"),
    [
        ({"serial": "s45pna0m"}, True),
        ({"serial": "S45PNA0"}, False),
        ({"serial": "s== S45PNA0M"}, True),
        ({"serial": "s!= S45PNA0M"}, False),
        ({"serial": "<in> pna0"}, True),
        ({"serial": "<or> X1 <or> S45PNA0M"}, True),
        ({"serial": "<or> X1 <or> X2"}, False),
        ({"serial": "s> S45PNA0"}, True),
        ({"serial": "s>=S45PNA0M"}, True),
        ({"serial": "s< S45PNA0M"}, False),
        ({"serial": "s<= S45PNA0M"}, True),
        ({"model": "samsung mz7lh480"}, True),
        ({"model": "<in> samsung mz"}, True),
        ({"wwn_vendor_extension": "none"}, True),  # the agent's own text for what a disk does not have
        ({"wwn_vendor_extension": "s!= 0x1"}, True),
        ({"size": 447}, False),
        ({"size": "447"}, False),
        ({"size": ">= 447"}, True),
        ({"size": "= 447"}, True),
        ({"size": "> 448"}, False),
        ({"size": "< 448"}, True),
        ({"size": "<= 447"}, False),
        ({"size": "!= 447"}, True),
        ({"rotational": False}, True),
        ({"rotational": "no"}, True),
        ({"rotational": "true"}, False),
        ({"serial": "S45PNA0M", "rotational": True}, False),
        ({"hctl": "0:0:0:0", "vendor": "ata", "by_path": "<in> ata-1", "name": "/dev/sda"}, True),
    ],
)
def test_matches(hint: dict[str, Any], fits: bool) -> None:
    assert disks.matches(hint, SDA) is fits


def test_odd_disks() -> None:
    """What a disk does not tell, and what it tells twice."""
    assert not disks.matches({"size": ">= 1"}, {"name": "/dev/sda"})
    assert not disks.matches({"rotational": False}, {"name": "/dev/sda", "rotational": None})
    assert not disks.matches({"serial": "s!= x"}, {"serial": ""})
    assert disks.matches({"serial": "B"}, {"serial": ["A", None, "b"]})
    assert not disks.matches({"serial": "none"}, {"serial": [None, ""]})
    assert disks.matches({"size": 20}, {"size": 20 * disks.GIB})


@pytest.mark.parametrize(
    ("hint", "says"),
    [
        ({}, "must be a mapping of hints"),
        ("sda", "must be a mapping of hints"),
        ({"seriel": "x"}, "did you mean serial?"),
        ({"tran": "nvme"}, "unknown hint"),
        ({"serial": 12345}, 'put it in quotes: "12345"'),
        ({"serial": " "}, "is empty"),
        ({"serial": "s=="}, "has no value after s=="),
        ({"serial": "s== <in>"}, "has no value after s=="),
        ({"serial": "<or> a <or>"}, "has no value after <or>"),
        ({"serial": "<in> a <in> b"}, "has <in> more than once"),
        ({"model": "<all-in> a b"}, "the agent cannot use <all-in> on texts"),
        ({"model": "= 5"}, "the agent cannot use = on texts"),
        ({"size": "<or> 10 <or> 20"}, "the agent cannot use <or> on sizes"),
        ({"size": "s== 10"}, "on sizes"),
        ({"size": 10.5}, "must be a whole number of GiB, not a number"),
        ({"size": True}, "not true or false"),
        ({"size": "10 GiB"}, "is no whole number of GiB"),
        ({"size": 0}, "above 0"),
        ({"rotational": "maybe"}, "is no truth value"),
    ],
)
def test_mistakes(hint: Any, says: str) -> None:
    assert says in "\n".join(disks.mistakes(hint))
    with pytest.raises(BaremetalError):
        disks.matches(hint, SDA)


def test_root_device() -> None:
    verdict = check({"serial": "S45PNA0N"}, [], [SDA, SDB, SDC])
    assert verdict.ok and verdict.root == SDB and verdict.text == "" and len(verdict.disks) == 3
    assert check({}, [], [SDA, SDB], {"root_device": {"wwn": "0x5002538e"}}).root == SDA
    assert check({"hctl": "1:0:0:0"}, [], [SDA, SDB], {"root_device": {"wwn": "0x5002538e"}}).root == SDB
    assert check({}, [], [SDC]).root == SDC


def test_refusal_lists_the_disks() -> None:
    verdict = check({"model": "<in> samsung"}, [], [SDA, SDB, SDC])
    assert not verdict.ok and verdict.root is None
    assert verdict.text.splitlines() == [
        "root_device (model: <in> samsung) fits 2 disks (/dev/sda, /dev/sdb): use serial: S45PNA0M",
        "disks of this machine:",
        "  /dev/sda, 447.1 GiB, not rotating, ATA SAMSUNG MZ7LH480, serial S45PNA0M, wwn 0x5002538e, hctl 0:0:0:0, "
        "by_path /dev/disk/by-path/pci-0000:00:17.0-ata-1",
        "  /dev/sdb, 447.1 GiB, not rotating, ATA SAMSUNG MZ7LH480, serial S45PNA0N, wwn 0x5002538f, hctl 1:0:0:0, "
        "by_path /dev/disk/by-path/pci-0000:00:17.0-ata-2",
        "  /dev/sdc, 2000.0 GiB, rotating, ST2000, serial Z1, wwn 0x5",
    ]
    assert disks.line({}) == "(no name), unknown size"


@pytest.mark.parametrize(
    ("root", "preserve", "found", "properties", "says"),
    [
        ({"serial": "gone"}, [], [SDA], {}, "root_device (serial: gone) fits none of the disks"),
        ({"size": 447}, [], [SDA, SDC], {}, "/dev/sda has 447.13 GiB: write '>= 447'"),
        ({"size": 9}, [], [SDA, SDC], {}, "root_device (size: 9) fits none of the disks"),
        ({"serial": 5}, [], [SDA], {}, "root_device: serial: must be a text"),
        ({}, [], [SDA, SDB], {}, "there are 2 disks and no root_device: name one, as root_device: {serial: S45PNA0M}"),
        ({}, [], [], {}, "there is no disk that could be written"),
        ({}, [{"serial": "Z1"}], [SDC], {}, "there is no disk that could be written, all are preserved"),
        ({}, [], [{"name": "/dev/sda", "size": disks.GIB}], {}, "has less than 4 GiB"),
        ({"serial": "Z1"}, [{"model": "ST2000"}], [SDA, SDC], {}, "is the disk /dev/sdc, which preserve[0] preserves"),
        (
            {"serial": "Z1"}, [], [SDA, SDC], {"skip_block_devices": [{"rotational": True}]},
            "which skip_block_devices[0] of the node's properties preserves",
        ),
        ({"serial": "Z1"}, [{"model": "<in> samsung"}], [SDA, SDB, SDC], {}, "preserve[0] (model: <in> samsung) fits"),
        ({"serial": "Z1"}, [{"serial": "lost"}], [SDA, SDC], {}, "preserve[0] (serial: lost) fits none"),
        (
            {"serial": "Z1"}, [{"serial": "S45PNA0M"}, {"wwn": "0x5002538e"}], [SDA, SDC], {},
            "preserve[1] and preserve[0] mean the same disk (/dev/sda)",
        ),
        ({"name": "/dev/sda"}, [], [SDA, SDB], {}, "a name that changes from boot to boot: use serial: S45PNA0M"),
        ({"name": "/dev/sda", "size": ">= 4"}, [], [SDA, SDB], {}, "changes from boot to boot"),
        ({"serial": "Z1"}, [{"name": "/dev/sda"}], [SDA, SDB, SDC], {}, "(name: /dev/sda) tells disks apart"),
        ({}, [], [SDA], {"skip_block_devices": [{"size": "x"}]}, "skip_block_devices[0] of the node's properties:"),
        (
            {"model": "x"}, [], [{"name": "/dev/a", "model": "x"}, {"name": "/dev/b", "model": "x"}], {},
            "they have nothing that tells them apart",
        ),
    ],
)  # fmt: skip
def test_refused(root: Any, preserve: Any, found: Any, properties: Any, says: str) -> None:
    verdict = check(root, preserve, found, properties)
    assert not verdict.ok and verdict.root is None and says in verdict.text


def test_preserved() -> None:
    """What is kept does not count as a choice, and is shown as kept."""
    verdict = check({}, [{"serial": "Z1"}], [SDA, SDC])
    assert verdict.ok and verdict.root == SDA and verdict.disks[1].endswith("(kept by preserve[0])")
    properties = {"skip_block_devices": [{"volume_name": "data"}, {"rotational": True}]}
    assert check({}, [], [SDA, SDC], properties).root == SDA
    # One disk may be skipped by the node's properties and preserved by the instance: that is how it gets there.
    assert check({}, [{"serial": "Z1"}], [SDA, SDC], {"skip_block_devices": [{"serial": "Z1"}]}).root == SDA


def test_names() -> None:
    """A name is enough where nothing else could get it, and beside a hint that tells the disks apart."""
    assert check({"name": "/dev/sda"}, [], [SDA]).ok
    assert check({"name": "/dev/sda", "serial": "S45PNA0M"}, [], [SDA, SDB]).ok
    assert check({"name": "/dev/md0"}, [], [{"name": "/dev/md0", "size": 10 * disks.GIB}, SDA]).ok


def test_never_inspected() -> None:
    assert check({"serial": "S45PNA0M"}, [], None) == disks.Verdict(True)
    assert check({}, [], None, {"root_device": {"wwn": "s== 0x5"}}).ok
    for root in ({}, {"model": "x"}, {"serial": "<in> x"}, {"serial": "s!= x"}):
        assert "inspect the node first (target: inspected), or give root_device a serial" in check(root, [], None).text
    verdict = check({"serial": "x", "size": "?"}, [{"serial": "Z1"}, {"serial": 1}], None)
    assert "some must be preserved: inspect" in verdict.text and "root_device: size" in verdict.text
    assert "preserve[1]: serial" in verdict.text and not verdict.ok
    assert not disks.check(instance(), {"disks": None}, None).ok


def test_skip_block_devices() -> None:
    one, two = {"serial": "Z1"}, {"wwn": "0x5", "model": "a"}
    there = [{"volume_name": "data"}, {"model": "a", "wwn": "0x5"}]
    assert disks.skip_block_devices([one, two], {"skip_block_devices": there}) == [*there, one]
    assert disks.skip_block_devices([], None) == []
    assert disks.skip_block_devices([one], {}) == [one]


def test_pin() -> None:
    one = {"name": "/dev/sda", "serial": "Z1", "wwn": "0x5"}
    assert disks.pin(one, {"disks": [one]}) == {"serial": "Z1"}
    assert disks.pin(one, {"disks": [one, {"serial": "Z1", "wwn": "0x6"}]}) == {"wwn": "0x5"}, "one serial for all"
    assert disks.pin({"name": "/dev/vda"}, {"disks": [{"name": "/dev/vda"}]}) == {}
    assert disks.pin(None, None) == {}


@pytest.mark.parametrize(
    ("own", "advice"),
    [
        ({"wwn": ("eui.1", "eui.2")}, "use wwn: eui.1"),
        ({"wwn": ("eui.1", "eui.1"), "by_path": ("/p/1", "/p/2")}, "use by_path: /p/1"),
        ({"wwn": ("eui.1", "eui.1")}, "they have nothing that tells them apart"),
    ],
)
@pytest.mark.parametrize("kind", ["root_device", "preserve"])
def test_two_paths_with_one_serial(own: dict[str, tuple[str, str]], advice: str, kind: str) -> None:
    """The advice is never the hint that fits both."""
    found = [
        {"name": f"/dev/nvme{n}n1", "serial": "S1", "size": 500 << 30, **{key: pair[n] for key, pair in own.items()}}
        for n in (0, 1)
    ]
    hint = {"serial": "S1"}
    verdict = check(hint, [], found) if kind == "root_device" else check({"serial": "X"}, [hint], found)
    said = next(line for line in verdict.problems if "fits 2 disks" in line)
    assert said.startswith(kind) and advice in said and "use serial" not in said
