# SPDX-License-Identifier: Apache-2.0
"""Fake interfaces for Ironic that fail, stall or wait for ever where a node's ``driver_info`` says so.

Runs inside Ironic (tests/lab/ironic_fake.py starts it) and only there. Ironic's own fake interfaces always succeed.
``driver_info.faults`` maps an operation to what goes wrong with it:

    {"power_on": {"fail": "the PSU is off"}, "deploy": {"stall": 5}, "clean": {"wait": true}}

``fail``: the text of the error. ``stall``: seconds, before anything else. ``wait``: the agent never calls back.
``times``: only so many times, counted by this process. Operations: ``bmc`` (whatever asks the BMC), ``power_state``,
``power_on``, ``power_off``, ``reboot``, ``prepare``, ``deploy``, ``tear_down``, ``clean``, ``inspect``, ``rescue``,
``unrescue``.

A deployment waits for its agent as long as ``[fake] deploy_delay`` says, without a thread of Ironic; inspection finds
``driver_info.inventory``, else one disk and the node's ports.
"""

from __future__ import annotations

import collections
import os
import threading
import time
from pathlib import Path

from ironic.api import app
from ironic.common import exception, states
from ironic.conductor import periodics
from ironic.conductor import utils as manager_utils
from ironic.conf import CONF
from ironic.drivers import base
from ironic.drivers.modules import fake, inspect_utils

GIB = 1024**3

#: What the test that started Ironic shares with it: the access log goes there, ``calm`` ends all stalls.
DIRECTORY = Path(os.environ["OZONE_IRONIC_DIRECTORY"])
CALM = DIRECTORY / "calm"

#: How often a fault has met a node, by the node and the operation.
_met: collections.Counter[tuple[str, str]] = collections.Counter()
#: When the agent of a node calls back, by the node; ``time.monotonic``.
_due: dict[str, float] = {}
_guard = threading.Lock()


def meet(task, *operations):
    """Let the faults of ``operations`` happen. Returns True when the agent is never to call back."""
    waits = False
    for operation in operations:
        fault = (task.node.driver_info.get("faults") or {}).get(operation)
        if not fault:
            continue
        with _guard:
            _met[task.node.uuid, operation] += 1
            if _met[task.node.uuid, operation] > fault.get("times", float("inf")):
                continue
        stall(fault.get("stall", 0))
        if "fail" in fault:
            raise exception.IronicException(str(fault["fail"]))
        waits = waits or bool(fault.get("wait"))
    return waits


def stall(seconds):
    """Sleep, unless ``calm`` is written in the meantime."""
    begin = time.time()
    while time.time() < begin + seconds and not (CALM.exists() and CALM.stat().st_mtime > begin):
        time.sleep(min(0.2, seconds))


class FaultyPower(fake.FakePower):
    """A BMC that can be dead, deaf or slow."""

    def validate(self, task):
        """Ask nobody: what is declared is never wrong here."""

    def get_power_state(self, task):
        """What was set last; off before that."""
        meet(task, "bmc", "power_state")
        return super().get_power_state(task) or states.POWER_OFF

    def reboot(self, task, timeout=None):
        """Off and on."""
        meet(task, "bmc", "reboot", "power_on")
        super().reboot(task, timeout)
        task.node.power_state = states.POWER_ON

    def set_power_state(self, task, power_state, timeout=None):
        """On or off, soft or not."""
        off = power_state in (states.POWER_OFF, states.SOFT_POWER_OFF)
        meet(task, "bmc", "power_off" if off else "power_on")
        super().set_power_state(task, states.POWER_OFF if off else states.POWER_ON, timeout)


class FaultyManagement(fake.FakeManagement):
    """The part of the BMC that chooses what is booted."""

    def set_boot_device(self, task, device, persistent=False):
        """Any device will do."""
        meet(task, "bmc")


class FaultyDeploy(fake.FakeDeploy):
    """An agent that boots, writes, and calls back in the end."""

    def prepare(self, task):
        """Before the agent is booted."""
        meet(task, "prepare")

    @base.deploy_step(priority=100)
    def deploy(self, task):
        """Boot the agent, and let it write the image."""
        manager_utils.node_power_action(task, states.POWER_ON)
        return self._agent(task, "deploy", states.DEPLOYWAIT)

    @base.clean_step(priority=10)
    def erase_devices_metadata(self, task):
        """Boot the agent, and let it clean."""
        return self._agent(task, "clean", states.CLEANWAIT)

    def tear_down(self, task):
        """Switch the node off."""
        meet(task, "tear_down")
        manager_utils.node_power_action(task, states.POWER_OFF)
        return states.DELETED

    def clean_up(self, task):
        """Nothing was left."""

    def take_over(self, task):
        """Nothing is kept by a conductor."""

    @staticmethod
    def _agent(task, operation, waiting):
        """What a step returns whose agent calls back later: now, after a time, or never."""
        if meet(task, operation):
            return waiting
        earliest, latest = fake.parse_sleep_range(CONF.fake.deploy_delay)
        if not latest:
            return None
        _due[task.node.uuid] = time.monotonic() + fake.random.triangular(earliest, latest, earliest)
        return waiting

    @periodics.node_periodic(
        purpose="calling back as an agent would",
        spacing=1,
        filters={"provision_state_in": [states.DEPLOYWAIT, states.CLEANWAIT], "reserved": False},
        predicate_extra_fields=["provision_state"],
        predicate=lambda node: _due.get(node.uuid, float("inf")) <= time.monotonic(),
    )
    def _call_back(self, task, manager, context):
        """Go on with the steps of a node whose agent is done."""
        uuid = task.node.uuid
        operation = "deploy" if task.node.provision_state == states.DEPLOYWAIT else "clean"
        manager_utils.notify_conductor_resume_operation(task, operation)
        _due.pop(uuid, None)


class FaultyInspect(fake.FakeInspect):
    """Inspection that finds what the node is told to have."""

    def inspect_hardware(self, task):
        """Store the inventory."""
        if meet(task, "bmc", "inspect"):
            return states.INSPECTWAIT
        node = task.node
        inventory = node.driver_info.get("inventory") or {
            "cpu": {"count": 8, "architecture": "x86_64", "model_name": "fake"},
            "memory": {"physical_mb": 16384, "total": 16 * GIB},
            "disks": [{
                "name": "/dev/sda", "model": "FAKE", "size": 480 * GIB, "rotational": False, "vendor": "OZONE",
                "serial": f"disk-of-{node.name}", "wwn": None, "hctl": "0:0:0:0", "by_path": "/dev/disk/by-path/fake-0",
            }],
            "interfaces": [
                {"name": f"eth{number}", "mac_address": port.address, "has_carrier": True}
                for number, port in enumerate(task.ports)
            ],
            "system_vendor": {"manufacturer": "Ozone", "product_name": "Fake", "serial_number": node.name},
            "boot": {"current_boot_mode": "uefi"},
        }  # fmt: skip
        inspect_utils.store_inspection_data(node, inventory, {}, task.context)
        return super().inspect_hardware(task)


class FaultyRescue(fake.FakeRescue):
    """A rescue that can fail."""

    def rescue(self, task):
        """Boot the agent, and leave it there."""
        return states.RESCUEWAIT if meet(task, "rescue") else super().rescue(task)

    def unrescue(self, task):
        """Back to the instance."""
        meet(task, "unrescue")
        return super().unrescue(task)


def logged(application, path):
    """The application, with a line ``<method> <path> <status> <milliseconds>`` in the file ``path`` per request."""
    file = open(path, "a", buffering=1)  # noqa: SIM115 - as long as the process

    def wrapper(environ, start_response):
        begin = time.monotonic()
        query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
        asked = f"{environ['REQUEST_METHOD']} {environ.get('SCRIPT_NAME', '')}{environ['PATH_INFO']}{query}"
        status = "-"

        def start(line, *arguments):
            nonlocal status
            status = line.split()[0]
            return start_response(line, *arguments)

        try:
            return application(environ, start)
        finally:
            file.write(f"{asked} {status} {1000 * (time.monotonic() - begin):.0f}\n")

    return wrapper


# The server that Ironic embeds has no access log of its own.
_original = app.VersionSelectorApplication
app.VersionSelectorApplication = lambda: logged(_original(), DIRECTORY / "access.log")
