# SPDX-License-Identifier: Apache-2.0
"""What Ironic says of a failure, as cause and remedy for a person.

``last_error`` comes from Ironic, from the agent in the ramdisk, and from the BMC, one within the other. The rules go
from what is certain to what is vague; the first that fits is told. A text that no rule knows is told as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Longer texts of others are cut: what matters stands at the beginning.
LONGEST = 400


@dataclass(frozen=True)
class Rule:
    """What fits anywhere in the text, and what it means; ``{name}`` is a group of the pattern."""

    pattern: re.Pattern[str]
    cause: str
    remedy: str


def _rule(pattern: str, cause: str, remedy: str) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE | re.DOTALL), cause, remedy)


_BMC = r"(?:redfish|sushy|bmc|ipmi|/redfish/v1|power (?:driver|state|interface)|managers?/)"

_RAMDISK = "look at the console of the machine, at network_data (MAC and VLAN), at the boot order"

RULES: tuple[Rule, ...] = (
    # ---- the image
    _rule(
        r"failed to verify against checksum.*?(?:verification checksum: (?P<found>[0-9a-f]{16,}))?$",
        "the image that the agent got is not the one whose checksum is declared",
        "publish the image again, and take image.checksum from what was published; nothing usable is on the disk",
    ),
    _rule(
        r"(?:insecure|md5|sha1).{0,60}checksum|checksum.{0,40}(?:is not supported|insecure|disabled)",
        "the agent refuses the kind of checksum",
        "declare a checksum of algorithm sha256 or sha512",
    ),
    _rule(
        r"certificate[_ ]verify[_ ]failed.{0,400}(?:redfish/v1|sushy)|(?:redfish|sushy).{0,400}certificate[_ ]verify",
        "the certificate of the BMC is not trusted",
        "bmc.verify_ca must name the authority that issued it (or be false, for a BMC with a certificate of its own)",
    ),
    _rule(
        r"(?:certificate[_ ]verify[_ ]failed|ssl(?:error| error)|certificate has expired|self[- ]signed cert)",
        "the certificate of the image store, or of Ironic, is not trusted where it was asked",
        "the ramdisk needs the cloud's authority and a clock that is right: publish the ramdisk again (images.yml)",
    ),
    _rule(
        r"(?:download of image|error downloading image|image download|failed to download image).*?"
        r"(?P<code>(?<!\d)(?:403|404|410)(?!\d))",
        "the image store answers {code} for the image",
        "look whether image.source is there: publish the images (images.yml)",
    ),
    _rule(
        r"validation of image href (?P<href>\S+) failed, reason: (?P<reason>.{0,200})",
        "Ironic cannot get {href}: {reason}",
        "publish the images (images.yml), and look whether the image store runs",
    ),
    _rule(
        r"download of image|error downloading image|image download timeout|failed to download image",
        "the agent could not get the image",
        "look whether the image store is reachable from the provisioning network, and its log",
    ),
    _rule(
        r"memory size is too small for requested image|image is too large to (?:be )?cached|not enough memory",
        "the image does not fit into the memory of the machine",
        "use a raw image, which is written while it is read",
    ),
    _rule(
        r"image \S* ?is unacceptable: (?P<reason>.{0,200})|image format .{0,80}(?:not (?:permitted|allowed)|mismatch)",
        "Ironic refuses the image: {reason}",
        "declare the image's own format (raw or qcow2)",
    ),
    _rule(
        r"cannot validate image information.{0,200}(?:missing|image_source)|some parameters were missing in node's "
        r"instance_info",
        "the image is not described completely",
        "declare instance.image with source and checksum",
    ),
    # ---- disks
    _rule(
        r"no suitable device was found .{0,120}using these hints:? (?P<hints>.{0,200})"
        r"|no suitable device was found.{0,80}hints (?P<hint>.{0,200})",
        "no disk fits the root device hint",
        "inspect the node (target: inspected) and correct root_device; a disk may be missing",
    ),
    _rule(
        r"failed to validate the root device hints (?P<hints>.{0,160})",
        "the root device hint cannot be used",
        "correct root_device",
    ),
    _rule(
        r"no disks? (?:device )?.{0,60}(?:found|large enough)|error finding the disk or partition device",
        "the agent found no disk to write to",
        "look at the machine's disks and its storage controller; the ramdisk may lack its driver",
    ),
    _rule(
        r"protected device located",
        "a disk has something on it that the agent protects (a shared file system, or what preserve names)",
        "look at the disk; cleaning leaves alone what preserve names",
    ),
    _rule(
        r"no space left on device|not enough (?:disk )?space|insufficient ?disk ?space|doesn't have enough disk space"
        r"|image .{0,60}(?:larger|bigger|does not fit)",
        "there is not enough space, on the root disk or on the conductor",
        "take a bigger root device or a smaller image; look at the file system of the undercloud",
    ),
    _rule(
        r"error erasing block device|failed to erase",
        "a disk could not be erased",
        "look at the disk (its log: smartctl); cleaning only metadata is quicker and asks less of the disk",
    ),
    _rule(
        r"writing image to device (?P<device>\S+) failed",
        "writing to the disk {device} failed",
        "look at the disk and its cables (the agent's log is kept on the undercloud)",
    ),
    # ---- the BMC
    _rule(
        rf"(?:{_BMC}).{{0,300}}(?:\b401\b|unauthorized|access ?error|authentication|invalid (?:user|credential))",
        "the BMC refuses the login",
        "correct bmc.username and the secret bmc_password of the node; some BMCs lock an account after several tries",
    ),
    _rule(
        r"(?:resource|system|http (?:get|patch|post) \S+) ?\S*/systems/\S* .{0,40}(?:not found|code 404)"
        r"|/systems/\S* (?:was )?not found|could not find .{0,40}system",
        "the BMC does not know the system",
        "correct bmc.system: the BMC lists its systems at /redfish/v1/Systems",
    ),
    _rule(
        r"reboot failed .{0,200}power (?:on|off).{0,400}code (?P<code>5\d\d)"
        r"|setting power state .{0,300}code (?P<code2>5\d\d)"
        r"|/actions/computersystem\.reset returned code (?P<code3>\d+)",
        "the BMC cannot change the power of the machine",
        "look at the BMC: a power supply, a lock, or a BMC that has to be reset itself",
    ),
    _rule(
        r"virtual media|vmedia|eject|insert_?media",
        "the BMC could not insert the ramdisk as a virtual CD",
        "look at the BMC: a licence for virtual media, a session of somebody else, or no way to the image store",
    ),
    _rule(
        r"unable to power off the node|power[- ]?off.{0,80}(?:inspection|clean up failed)"
        r"|inspection clean up failed",
        "inspection was done, but the machine did not switch itself off afterwards",
        "run it again; the ramdisk has to obey the power button (publish the ramdisk of images.yml)",
    ),
    _rule(
        r"(?:redfish connection failed|unable to connect to|connection to bmc|max retries exceeded|connection refused"
        r"|no route to host|name or service not known|read timed out|connect(?:ion)? timed? ?out)",
        "the BMC does not answer",
        "look at the BMC, its cable and bmc.address; it is asked from the undercloud",
    ),
    _rule(
        r"failed to get power state|failed to validate power|during sync_power_state",
        "the BMC does not tell the power state",
        "look at the BMC, its address and its login",
    ),
    _rule(
        rf"{_BMC}.{{0,300}}(?:returned code (?P<code>\d{{3}})|http \w+ \S+ returned)",
        "the BMC answered with an error",
        "look at the BMC's own log; a BMC that was up for months may have to be reset itself",
    ),
    _rule(
        r"power state change to \S+ .{0,40}timed? ?out|timed? ?out.{0,60}power state|failed to change power state",
        "the machine did not change its power within the time",
        "look at the BMC and at the machine's console",
    ),
    # ---- the agent
    _rule(
        r"timeout reached while waiting for callback|timeout reached while waiting for rescue ramdisk",
        "the ramdisk did not call back: it did not boot, has no network, or cannot reach Ironic",
        _RAMDISK,
    ),
    _rule(
        r"timeout reached while inspecting",
        "the ramdisk did not report what it found: it did not boot, has no network, or cannot reach Ironic",
        _RAMDISK,
    ),
    _rule(
        r"timeout reached while (?P<what>cleaning|servicing).{0,160}failed on step (?P<step>.{0,120})",
        "the ramdisk went silent while {what}",
        "look at the console of the machine; erasing whole disks takes hours and needs a longer limit",
    ),
    _rule(
        r"timeout reached while (?P<what>cleaning|servicing)",
        "the ramdisk went silent while {what}",
        "look at the console of the machine",
    ),
    _rule(
        r"failed to connect to the agent|connection to agent failed|error invoking agent command"
        r"|timeout executing command",
        "the conductor cannot reach the agent in the ramdisk",
        "look at the network between the undercloud and the machine (port 9999), and at the console of the machine",
    ),
    _rule(
        r"agent token|invalid agent|token (?:is )?(?:missing|invalid)",
        "an agent called that is not the one that was booted: an older ramdisk still runs",
        "switch the machine off and try again",
    ),
    _rule(
        r"bootloader|efibootmgr|efi boot",
        "the machine could not be told to boot from the disk",
        "look at the boot mode (capabilities: boot_mode) and whether the image has an EFI system partition",
    ),
    # ---- Ironic
    _rule(
        r"conductor take ?over|conductor .{0,60}(?:restart|no longer|gone|is offline)",
        "the conductor that worked on it is gone",
        "look at the service ironic on the undercloud, then run this again",
    ),
    _rule(
        r"no conductor service registered|no valid host was found.{0,120}conductor|conductor \S+ could not be found",
        "no conductor has this driver, or serves this conductor group",
        "look whether Ironic's conductor of that conductor_group runs and has the driver enabled",
    ),
    _rule(
        r"no free (?:conductor )?workers?|lack of free conductor workers",
        "the conductor has no free worker",
        "run this again, with fewer nodes at once (parallel)",
    ),
    _rule(
        r"concurrent action limit",
        "Ironic does as much at once as it may",
        "run this again, with fewer nodes at once (parallel), or raise max_concurrent_deploy and max_concurrent_clean",
    ),
    _rule(
        r"is locked by host (?P<host>[^\s,]+)",
        "it stays locked by the conductor {host}",
        "a task of Ironic hangs on it: look at Ironic's log; a restart of that conductor frees it",
    ),
    _rule(
        r"maintenance mode|in maintenance",
        "it is in maintenance",
        "baremetal node maintenance unset, once it is known why",
    ),
    _rule(
        r"is protected and cannot be",
        "it is protected",
        "declare protected: false",
    ),
    _rule(
        r"is retired|'retired'|retired flag",
        "it is retired",
        "declare retired: false",
    ),
    _rule(
        r"cannot specify instance traits.{0,200}missing traits (?P<traits>.{0,160})",
        "it lacks traits that the instance wants: {traits}",
        "declare them as traits of the node, or take another node",
    ),
    _rule(
        r"by request, the (?P<what>\w+) operation was aborted|inspection was aborted by request",
        "somebody aborted it",
        "run this again",
    ),
    _rule(
        r"failed to prepare the configdrive|failed to store the configdrive|failed to upload the configdrive",
        "the config drive could not be made",
        "look at config_drive, and at the space of the file system of the undercloud",
    ),
    _rule(
        r"could not find the following (?:driver|interface)|is not supported by hardware type|must be one of"
        r"|no default value found for",
        "Ironic does not offer this driver or interface",
        "correct driver and interfaces, or enable them in Ironic (enabled_*_interfaces)",
    ),
)

#: Stage -> what is told where Ironic itself says nothing.
SILENT = {
    "manage": ("the BMC could not be verified, and Ironic does not say why", "look at the BMC, its address and login"),
    "": ("Ironic does not say why", "look at Ironic's log on the undercloud"),
}


def _short(text: str) -> str:
    """One line, without what only fills it."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 4].rstrip() + " ..."


def explain(stage: str, last_error: str | None) -> tuple[str, str]:
    """Cause and remedy of a failure in a stage (``manage``, ``inspect``, ``clean``, ``deploy``, ...)."""
    text = (last_error or "").strip()
    if not text:
        return SILENT.get(stage, SILENT[""])
    for rule in RULES:
        found = rule.pattern.search(text)
        if found:
            groups = {name: _short(value or "").rstrip(".") for name, value in found.groupdict().items()}
            return rule.cause.format(**groups).removesuffix(": "), rule.remedy
    return _short(text), SILENT[""][1]


#: State -> what it means to be stuck in it: cause and remedy.
_STUCK = {
    "verifying": ("the BMC does not answer in time", "look at the BMC, its cable and bmc.address"),
    "inspecting": ("the BMC does not answer in time", "look at the BMC and at Ironic's log"),
    "inspect wait": (
        "the ramdisk does not call back: it did not boot, has no network, or cannot reach Ironic; an old system may "
        "have booted instead",
        "look at the console of the machine, at network_data (MAC and VLAN), at the boot order",
    ),
    "deploying": (
        "the conductor waits for the BMC or for the agent, or is gone",
        "look at the BMC and at Ironic's log; a restart of a conductor that is gone makes the deployment fail",
    ),
    "wait call-back": (
        "the ramdisk does not call back: it did not boot, has no network, or cannot reach Ironic; an old system may "
        "have booted instead",
        "look at the console of the machine, at network_data (MAC and VLAN), at the boot order; "
        "stuck: abort ends the deployment",
    ),
    "cleaning": ("the conductor waits for the BMC or for the agent, or is gone", "look at the BMC and at Ironic's log"),
    "clean wait": (
        "cleaning does not end: the ramdisk does not call back, or erasing takes longer than the limit",
        "look at the console of the machine; erasing whole disks takes hours and needs a longer limit",
    ),
    "deleting": ("the conductor waits for the BMC, or is gone", "look at the BMC and at Ironic's log"),
    "rescue wait": ("the rescue ramdisk does not call back", "look at the console of the machine"),
}


def stuck(state: str, seconds: float, reservation: str | None = None) -> tuple[str, str]:
    """Cause and remedy of a node that stays in a state longer than it may."""
    cause, remedy = _STUCK.get(state, ("a conductor works on it and does not end, or is gone", "look at Ironic's log"))
    by = f", locked by {reservation}" if reservation else ""
    return f"{state!r} for {seconds:.0f} s{by}: {cause}", remedy
