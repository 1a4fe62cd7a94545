# SPDX-License-Identifier: Apache-2.0
"""One small cloud for all fault tests: each test starts from it as it was deployed and leaves it so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.cloud import Cloud


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The cloud in its lab, deployed."""
    cloud = Cloud(Path(__file__).parent / "cloud.yml", tmp_path_factory.mktemp("cloud"))
    for verb in ("lab", "images", "deploy"):
        result = cloud.run(verb)
        assert result.code == 0, f"{verb} failed"
    yield cloud
    cloud.restore()
    cloud.down()


@pytest.fixture
def cloud(deployed: Cloud) -> Iterator[Cloud]:
    """The cloud; afterwards its definition is the original one again and a run converges."""
    yield deployed
    deployed.restore()
    assert deployed.run("deploy").code == 0, "the cloud could not be brought back"
