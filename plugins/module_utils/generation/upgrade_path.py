# SPDX-License-Identifier: Apache-2.0
"""Which release may follow which: ``upgrade_from`` of each release.yml against what nodes run. Pure functions.

OpenStack supports an upgrade from one release to the next, and from one SLURP release to the next one of those
(https://docs.openstack.org/project-team-guide/release-cadence-adjustment.html). There is no way back: databases are
migrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Release -> the releases that it can be reached from in one upgrade.
Paths = Mapping[str, Sequence[str]]


def route(paths: Paths, start: str, end: str) -> list[str]:
    """The shortest sequence of upgrades from ``start`` to ``end``, both included; empty when there is none."""
    routes = {start: [start]}
    todo = [start]
    while todo:
        here = todo.pop(0)
        for release in sorted(name for name, sources in paths.items() if here in sources):
            if release not in routes:
                routes[release] = [*routes[here], release]
                todo.append(release)
    return routes.get(end, [])


def _impossible(paths: Paths, running: str, wanted: str) -> str:
    """Why ``running`` cannot become ``wanted`` in one upgrade, and what can be done; empty when it can."""
    if running in paths.get(wanted, ()):
        return ""
    if wanted < running:
        return f'OpenStack has no way back to an earlier release: set release: "{running}" in cloud.yml'
    steps = route(paths, running, wanted)
    if steps:
        return f"that is not one upgrade: upgrade {' -> '.join(steps)}, one release after the other"
    possible = sorted(name for name, sources in paths.items() if running in sources)
    return f"no upgrade leads there from {running}; possible: {', '.join(possible) or 'none'}"


def refusals(node: str, running: Mapping[str, str], wanted: str, paths: Paths, *, upgrade: bool) -> list[str]:
    """Why a node cannot be brought to a release; empty when it can.

    :param running: service -> release that the node runs, of the services that come from a release.
    :param wanted: the release of cloud.yml.
    :param upgrade: whether the run is an upgrade. Any other run changes no release.
    """
    found = []
    for release in sorted(set(running.values()) - {wanted}):
        services = ", ".join(sorted(service for service, own in running.items() if own == release))
        reason = _impossible(paths, release, wanted)
        if not reason and not upgrade:
            reason = "run the playbook ozone.openstack.upgrade (make upgrade), which also migrates the databases"
        if reason:
            found.append(f"{node} runs release {release} of {services}, and cloud.yml says {wanted}: {reason}")
    return found
