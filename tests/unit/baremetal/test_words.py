# SPDX-License-Identifier: Apache-2.0
"""What Ironic says, and what a person is told."""

from __future__ import annotations

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import states, words

#: Ironic's own texts, from a trial with emulated machines and from its sources, and what they mean.
TEXTS = [
    ("Timeout reached while waiting for callback for node 1be2", "did not call back", "console"),
    (
        "Deploy step deploy.write_image failed on node X. Image failed to verify against checksum. location: http://x; "
        "image ID: y; image checksum: 00; verification checksum: 5f70bf18a0860070",
        "not the one whose checksum is declared",
        "publish the image again",
    ),
    (
        "Failed to prepare to deploy: Redfish connection failed for node X: Unable to connect to https://198.18.9.1:8000",
        "the BMC does not answer",
        "bmc.address",
    ),
    (
        "Deploy step deploy.deploy failed: Redfish exception occurred. Error: Reboot failed for node X when setting "
        "power state to power on. Error: HTTP POST https://x/redfish/v1/Systems/1/Actions/ComputerSystem.Reset "
        "returned code 500. unknown error",
        "cannot change the power",
        "power supply",
    ),
    ("Inspection clean up failed: unable to power off the node", "did not switch itself off", "power button"),
    (
        "Failed to get power state for node X. Error: Redfish exception occurred. Error: HTTP GET https://x/redfish/v1/"
        "Systems/1 returned code 401. Base.1.0.NoValidSession",
        "refuses the login",
        "bmc_password",
    ),
    (
        "Redfish exception occurred. Error: Resource https://x/redfish/v1/Systems/nope not found",
        "does not know the system",
        "bmc.system",
    ),
    (
        "Redfish connection failed for node X: HTTPSConnectionPool(host='x'): Max retries exceeded (Caused by SSLError("
        "SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed in /redfish/v1')))",
        "certificate of the BMC is not trusted",
        "verify_ca",
    ),
    (
        "Error downloading image: Download of image x failed: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
        "failed",
        "certificate of the image store",
        "ramdisk",
    ),
    (
        "Error downloading image: Download of image x failed: Received status code 404 from http://x",
        "answers 404",
        "image.source",
    ),
    ("Error downloading image: Download of image x failed: connection reset", "could not get the image", "reachable"),
    (
        "Validation of image href https://198.18.32.2:8089/x.raw failed, reason: Got HTTP code 404 instead of 200.",
        "Ironic cannot get https://198.18.32.2:8089/x.raw: Got HTTP code 404 instead of 200",
        "images.yml",
    ),
    ("Memory size is too small for requested image, if it is less than", "into the memory", "raw image"),
    ("Image x is unacceptable: bad format", "refuses the image: bad format", "raw or qcow2"),
    (
        "Cannot validate image information for node X because one or more parameters are missing from its "
        "instance_info",
        "not described completely",
        "instance.image",
    ),
    (
        "Error finding the disk or partition device to deploy the image onto: No suitable device was found for "
        "deployment using these hints {'serial': 's== X'}",
        "no disk fits the root device hint",
        "root_device",
    ),
    ("Failed to validate the root device hints {'size': 'x'} (from the node): ...", "cannot be used", "root_device"),
    ("Error finding the disk or partition device to deploy the image onto", "found no disk", "driver"),
    ("Protected device located, cleaning aborted.", "protects", "preserve"),
    ("qemu-img: error while writing: No space left on device", "not enough space", "root device"),
    ("Disk volume where '/tmp' is located doesn't have enough disk space. Required 1 MiB", "not enough space", "under"),
    ("Clean step erase_devices failed: Error erasing block device: x", "could not be erased", "metadata"),
    ("Error writing image to device: Writing image to device /dev/sda failed with exit code 1", "/dev/sda", "cables"),
    ("Redfish exception occurred. Error: All virtual media mount attempts failed.", "virtual CD", "licence"),
    ("Failed to validate power driver interface for node X. Error: nothing", "does not tell the power state", "login"),
    ("During sync_power_state, could not get it", "does not tell the power state", "BMC"),
    ("HTTP PATCH https://x/redfish/v1/Systems/1 returned code 400. x", "answered with an error", "reset"),
    ("Failed to change power state to 'power on': it does not", "did not change its power", "console"),
    ("Timeout reached while inspecting the node. Please check", "did not report", "console"),
    (
        "Timeout reached while cleaning the node. Please check if the ramdisk responsible for the cleaning is running "
        "on the node. Failed on step {'step': 'erase_devices'}.",
        "went silent while cleaning",
        "longer limit",
    ),
    ("Timeout reached while servicing the node. Please check", "went silent while servicing", "console"),
    ("Failed to connect to the agent running on node X for invoking command", "cannot reach the agent", "9999"),
    ("Invalid agent token received", "older ramdisk", "switch the machine off"),
    ("Failed to install a bootloader when deploying node X", "boot from the disk", "EFI"),
    ("Operation was aborted due to conductor take over", "the conductor that worked on it is gone", "ironic"),
    (
        "No valid host was found. Reason: No conductor service registered which supports driver redfish for conductor "
        'group "site2".',
        "no conductor has this driver",
        "conductor_group",
    ),
    ("Requested action cannot be performed due to lack of free conductor workers.", "no free worker", "parallel"),
    ("The concurrent action limit for provisioning has been reached.", "as much at once", "max_concurrent_deploy"),
    ("Node X is locked by host conductor-1, please retry", "locked by the conductor conductor-1", "restart"),
    ("it's in maintenance mode.", "in maintenance", "unset"),
    ("Node X is protected and cannot be undeployed, rebuilt or deleted", "protected", "protected: false"),
    ("The providing operation can't be performed on node X because it is retired.", "retired", "retired: false"),
    (
        "Cannot specify instance traits that are not also set on the node. Node X is missing traits CUSTOM_GPU",
        "CUSTOM_GPU",
        "traits",
    ),
    ("By request, the deploy operation was aborted", "somebody aborted", "again"),
    ("Failed to prepare the configdrive. Exception: no genisoimage", "config drive", "space"),
    ("Could not find the following interface in the 'x' entrypoint: y", "does not offer", "enable"),
    ("MD5 checksum is not supported", "refuses the kind of checksum", "sha256"),
]


@pytest.mark.parametrize(("text", "cause", "remedy"), TEXTS, ids=[text[:40] for text, _, _ in TEXTS])
def test_texts(text: str, cause: str, remedy: str) -> None:
    told = words.explain("deploy", text)
    assert cause in told[0]
    assert remedy in told[1]
    assert "{" not in told[0]


def test_every_rule_is_used() -> None:
    used = {id(next(rule for rule in words.RULES if rule.pattern.search(text))) for text, _, _ in TEXTS}
    unused = [rule.cause for rule in words.RULES if id(rule) not in used]
    assert unused == []


def test_an_unknown_text_is_told_as_it_is() -> None:
    assert words.explain("deploy", "  The moon\n is full ") == (
        "The moon is full",
        "look at Ironic's log on the undercloud",
    )
    long = words.explain("deploy", "moon " * 200)[0]
    assert len(long) <= words.LONGEST
    assert long.endswith("...")


def test_silence_is_told() -> None:
    assert "does not say why" in words.explain("deploy", None)[0]
    assert "BMC" in words.explain("manage", "")[0]


@pytest.mark.parametrize("state", [name for name in states.STATES if states.transitional(name)])
def test_being_stuck_has_words(state: str) -> None:
    cause, remedy = words.stuck(state, 90.4, "conductor-1")
    assert cause.startswith(f"'{state}' for 90 s, locked by conductor-1: ")
    assert remedy
    assert "locked" not in words.stuck(state, 1)[0]
