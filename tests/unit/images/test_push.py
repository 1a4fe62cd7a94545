# SPDX-License-Identifier: Apache-2.0
"""Images are sent once, and named by digest afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.images import push as module
from ansible_collections.ozone.openstack.plugins.module_utils.images.build import BuildError, Built

DIGEST = f"sha256:{'d' * 64}"
BUILT = {"nova": Built("localhost/ozone/nova:2026.1-abc", "1" * 64, "2" * 64, 1, "/o", 1.0, True)}


def run(root: Path, target: str, present: bool = True, **more: bool) -> tuple[dict[str, module.Pushed], list[str]]:
    sent: list[str] = []

    def send(name: str, where: str, tls: bool) -> str:
        sent.append(where)
        return DIGEST

    found = module.push(root, BUILT, target, lambda _: None, there=lambda *_: present, send=send, **more)
    return found, sent


def test_an_image_is_sent_once(tmp_path: Path) -> None:
    target = "registry.example:5000/ozone"
    found, sent = run(tmp_path, target)
    assert sent == ["docker://registry.example:5000/ozone/nova:2026.1-abc"]
    assert found["nova"] == module.Pushed(f"{target}/nova@{DIGEST}", True)
    found, sent = run(tmp_path, target)
    assert (sent, found["nova"]) == ([], module.Pushed(f"{target}/nova@{DIGEST}", False))


def test_a_registry_that_lost_it_gets_it_again(tmp_path: Path) -> None:
    run(tmp_path, "r.example")
    assert run(tmp_path, "r.example", present=False)[1] != []


def test_a_broken_record_means_sending_again(tmp_path: Path) -> None:
    run(tmp_path, "r.example")
    (tmp_path / "pushed.json").write_text("{")
    assert run(tmp_path, "r.example")[1] != []


def test_check_mode_sends_nothing(tmp_path: Path) -> None:
    found, sent = run(tmp_path, "r.example", check=True)
    assert sent == []
    assert found["nova"].changed


def test_oci_layout(tmp_path: Path) -> None:
    target = f"oci:{tmp_path}/layout"
    assert run(tmp_path, target)[1] == [f"oci:{tmp_path}/layout:nova-2026.1-abc"]
    assert not module.is_there(target, "nova", DIGEST, True)
    (tmp_path / "layout/blobs/sha256").mkdir(parents=True)
    (tmp_path / "layout/blobs/sha256" / ("d" * 64)).write_text("{}")
    assert module.is_there(target, "nova", DIGEST, True)
    with pytest.raises(BuildError, match="absolute path"):
        run(tmp_path, "oci:layout")


def test_addresses_of_manifests() -> None:
    assert (
        module.manifest_url("r.example:5000/a/b", "nova", DIGEST, True)
        == f"https://r.example:5000/v2/a/b/nova/manifests/{DIGEST}"
    )
    assert module.manifest_url("r.example", "nova", DIGEST, False) == f"http://r.example/v2/nova/manifests/{DIGEST}"
    assert not module.is_there("127.0.0.1:9", "nova", DIGEST, False, timeout=1)
