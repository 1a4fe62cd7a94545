# SPDX-License-Identifier: Apache-2.0
"""What is shown of a journal."""

from __future__ import annotations

from ansible_collections.ozone.openstack.plugins.module_utils.generation.journal import telling

CRASH = [
    "Starting ozone-keystone_api.service - Ozone keystone: keystone_api...",
    "Started ozone-keystone_api.service - Ozone keystone: keystone_api.",
    "[uWSGI] getting INI configuration from /etc/keystone/uwsgi.ini",
    "*** Starting uWSGI 2.0.30 (64bit) on [Sat Nov 21 04:19:24 2026] ***",
    "your memory page size is 4096 bytes",
    "stevedore.exception.NoMatches: No 'keystone.token.provider' driver found, looking for 'carrier-pigeon'",
    "unable to load app 0 (mountpoint='') (callable not found or import error)",
    "goodbye to uWSGI.",
    "ozone-keystone_api.service: Scheduled restart job, restart counter is at 3.",
]


def test_a_start_that_is_under_way_does_not_hide_the_cause() -> None:
    lines = telling([*CRASH, *CRASH[:5]])
    assert "carrier-pigeon" in lines[-2]
    assert not [line for line in lines if "memory page size" in line]


def test_the_last_lines_are_kept() -> None:
    assert telling([f"line {number}" for number in range(100)], limit=2) == ["line 98", "line 99"]


def test_only_noise_is_nothing() -> None:
    assert telling([CRASH[0], CRASH[2], ""]) == []


def test_the_cause_and_not_who_was_interrupted_because_of_it() -> None:
    """Two workers of uWSGI: one cannot load its application, the other one is ended for that."""

    def said(last: str) -> list[str]:
        lines = ["Traceback (most recent call last):", '  File "x.py", line 1, in y', *["    more"] * 60, last, ""]
        return [f"2026-11-21 22:16:12.445 2 ERROR keystone {line}".rstrip() for line in lines]

    rest = ["*** no app loaded. GAME OVER ***"]
    found = telling([*said("NoMatches: carrier-pigeon"), *said("KeyboardInterrupt"), *rest])
    assert any("carrier-pigeon" in line for line in found)
    assert not any("KeyboardInterrupt" in line for line in found)
    assert found[-1] == rest[0]
    alone = ["Traceback (most recent call last):", "KeyboardInterrupt"]
    assert telling(alone) == alone, "better than nothing"
    assert telling(["KeyboardInterrupt", "ended"]) == ["KeyboardInterrupt", "ended"]
