# SPDX-License-Identifier: Apache-2.0
"""Which lines of a unit's journal tell why it does not run. What every start prints tells nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: How many lines are shown of one unit.
LINES = 40

#: What podman and uWSGI say at every start and end.
NOISE = re.compile(
    r" container (create|init|start|attach|died|remove|cleanup) | image pull |^conmon .* <nwarn>|^[0-9a-f]{64}$"
    r"|^\*\*\* (Starting uWSGI|Operational MODE|uWSGI is running)|^\[uWSGI\] getting INI|^compiled with version:"
    r"|^(os|nodename|machine|clock source|pcre jit|lock engine|thunder lock|current working directory)\b"
    r"|^detected (number of CPU|binary path|max file)|^your (processes|memory|server|mercy)|^uwsgi socket \d"
    r"|^(Python version:|--- Python VM|Python main interpreter|python threads support|mapped \d+ bytes|spawned uWSGI)"
    r"|^(SIGINT/SIGTERM received|goodbye to uWSGI|OOPS ! failed loading)|need-app requested"
    r"|: Scheduled restart job|: Consumed [\d.]+s CPU|: Failed with result"
)

_STARTING = re.compile(r"^Starting \S+\.service")
_STARTED = re.compile(r"^(Starting|Started|Stopping|Stopped) \S+\.service")


#: The first line of a traceback, and the last one of that of a process which was ended from outside.
_TRACEBACK, _INTERRUPTED = "Traceback (most recent call last):", re.compile(r"(^|\s)KeyboardInterrupt$")


def _own(lines: Sequence[str]) -> list[str]:
    """Without tracebacks that only say that a process was interrupted: where one worker of uWSGI cannot load its
    application, the others are, and the last words are theirs.
    """
    kept: list[str] = []
    for line in lines:
        kept.append(line)
        if _INTERRUPTED.search(line):
            starts = [position for position, one in enumerate(kept) if one.endswith(_TRACEBACK)]
            if starts:
                del kept[starts[-1] :]
    return kept or list(lines)


def telling(lines: Sequence[str], limit: int = LINES) -> list[str]:
    """The last lines that say something, at most ``limit``.

    Of a unit that ends again and again the last start may be still under way and have said nothing yet: then the lines
    of the one before are given.
    """
    kept = _own([line for line in lines if line.strip() and not NOISE.search(line)])
    starts = [position for position, line in enumerate(kept) if _STARTING.match(line)]
    for start in reversed(starts):
        if any(not _STARTED.match(line) for line in kept[start:]):
            break
        kept = kept[:start]
    return kept[-limit:]
