# SPDX-License-Identifier: Apache-2.0
"""The reference names every word that there is."""

from __future__ import annotations

import runpy

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.network import bonding, reference, vocabulary

SAMPLES = {
    "package": "os-net-config",
    "version": "1",
    "samples": {
        "a.yaml": {"outcome": "accepted"},
        "b.yaml": {"outcome": "refused", "dhcp": ["em1"], "why": ["x: has a | in it (remove it)"]},
    },
}


def test_every_word() -> None:
    text = reference.render_markdown()
    for kind, schema in vocabulary.KINDS.items():
        assert f"### {kind}\n" in text
        for key in schema["properties"]:
            assert f"| `{key}` |" in text or key == "type"
    for name in (*bonding.OPTIONS, *bonding.REFUSED, *vocabulary.DEAD, *vocabulary.IGNORED):
        assert f"| `{name}` |" in text
    assert "Samples" not in text


def test_samples() -> None:
    text = reference.render_markdown(SAMPLES)
    assert "| `a.yaml` | accepted |  |" in text
    assert "| `b.yaml` | refused | asks for DHCP on em1<br>x: has a \\| in it (remove it) |" in text


def test_tables_are_tables() -> None:
    """Every row of a table has as many cells as its head."""
    columns = 0
    for line in reference.render_markdown(SAMPLES).splitlines():
        cells = line.replace("\\|", "").count("|")
        columns = 0 if not line.startswith("|") else columns or cells
        assert cells == columns or not line.startswith("|"), line


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_program(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module(reference.__name__, run_name="__main__")
    assert capsys.readouterr().out == reference.render_markdown()
