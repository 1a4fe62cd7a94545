# SPDX-License-Identifier: Apache-2.0
"""Every sample of os-net-config is accepted, or refused for a reason that is written down."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.ozone.openstack.plugins.module_utils.network.model import NetworkError
from tests.conformance import samples

KNOWN: dict[str, Any] = yaml.safe_load(samples.TABLE.read_text())


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    """The samples by name."""
    return dict(samples.samples())


def test_every_sample_is_in_the_table(data: dict[str, Any]) -> None:
    assert (KNOWN["package"], KNOWN["version"]) == (samples.PACKAGE, samples.VERSION)
    assert sorted(data) == sorted(KNOWN["samples"])
    assert len(data) == 64


@pytest.mark.parametrize("name", sorted(KNOWN["samples"]))
def test_sample(data: dict[str, Any], name: str) -> None:
    assert samples.outcome(data[name]) == KNOWN["samples"][name]


def test_dhcp_is_refused(data: dict[str, Any]) -> None:
    """No sample that asks for an address gets one without a permission."""
    for name, known in KNOWN["samples"].items():
        if known.get("dhcp"):
            with pytest.raises(NetworkError) as caught:
                samples.wanted(data[name], dhcp=False)
            assert "use_dhcp" in str(caught.value) or known["outcome"] == "refused"


@pytest.mark.parametrize("name", [name for name, known in KNOWN["samples"].items() if known["outcome"] == "accepted"])
def test_no_dhcp_without_being_asked_for(data: dict[str, Any], name: str) -> None:
    """Whatever is rendered of a sample without a permission asks nobody for an address."""
    if "interface_mapping" in data[name]:
        return
    for text in (file["text"] for file in samples.wanted(data[name], dhcp=False)["files"].values()):
        for line in text.splitlines():
            if line.startswith(("DHCP", "IPv6AcceptRA")):
                assert line in ("DHCP=no", "IPv6AcceptRA=no")
