# SPDX-License-Identifier: Apache-2.0
"""Only what differs is built; whatever is broken or half done is repaired by the next run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from image_bench import FakeStore, Releases

from ansible_collections.ozone.openstack.plugins.module_utils.atomic import exclusive
from ansible_collections.ozone.openstack.plugins.module_utils.images import build, recipe
from ansible_collections.ozone.openstack.plugins.module_utils.images.build import Builder, BuildError, Built, Settings
from ansible_collections.ozone.openstack.plugins.module_utils.images.store import Store, read_index

IMAGES = {"keystone", "nova"}


class Bench:
    """Runs a Builder whose building is only noted."""

    def __init__(self, releases: Releases, root: Path) -> None:
        self.releases = releases
        self.root = root
        self.fake = FakeStore(root)
        self.fail: set[str] = set()
        self.done: list[str] = []
        self.said: list[str] = []
        self.lock = Lock()

    def run(self, *, check: bool = False, **settings: Any) -> dict[str, Built]:
        self.done.clear()
        release = self.releases.load()
        builder = Builder(release, Settings(root=self.root, **settings), self.said.append)
        builder.store.run = self.fake.run

        def build_base() -> str:
            name = recipe.base_name(release, builder.base)
            if builder.store.find(name) is None:
                self.fake.add(name)
                self.done.append("base")
            return name

        def make_image(image: str, inputs: str, base: str) -> float:
            if image in self.fail:
                raise BuildError(f"image {image} broke")
            self.fake.add(recipe.image_name(release, image, inputs), parent=builder.store.find(base).id)  # type: ignore[union-attr]
            directory = builder.options_directory(image, inputs)
            directory.mkdir(parents=True, exist_ok=True)
            for conf in release.images[image].options:
                (directory / f"{conf}.json").write_text("{}")
            self.done.append(image)
            return 1.0

        def build_image(image: str, inputs: str, base: str) -> float:
            with self.lock:
                return make_image(image, inputs, base)

        builder.build_base = build_base  # type: ignore[method-assign]
        builder.build = build_image  # type: ignore[method-assign]
        return builder.ensure(check=check)

    def index(self) -> dict[str, Any]:
        return dict(read_index(self.root, "2026.1"))


@pytest.fixture
def bench(releases: Releases, tmp_path: Path) -> Bench:
    return Bench(releases, tmp_path / "images")


def test_first_run_builds_all_and_indexes_them(bench: Bench) -> None:
    built = bench.run()
    assert sorted(bench.done) == ["base", "keystone", "nova"]
    assert all(image.changed and image.size == 20 and len(image.id) == 64 for image in built.values())
    assert set(bench.index()) == IMAGES
    assert set(bench.index()["keystone"]) == {"name", "id", "inputs", "size", "options"}


def test_second_run_does_nothing_at_all(bench: Bench) -> None:
    first = bench.run()
    calls = len(bench.fake.calls)
    second = bench.run()
    assert bench.done == []
    assert len(bench.fake.calls) == calls, "no command is run"
    assert not any(image.changed for image in second.values())
    assert {name: image.id for name, image in first.items()} == {name: image.id for name, image in second.items()}


def test_only_the_changed_image_is_built(bench: Bench) -> None:
    before = bench.run()
    lock = bench.releases.load().lock("keystone")
    lock.write_text(lock.read_text().replace("29.1.0", "29.2.0"))
    after = bench.run()
    assert bench.done == ["keystone"]
    assert after["keystone"].changed
    assert not after["nova"].changed
    assert after["nova"].id == before["nova"].id
    assert after["keystone"].id != before["keystone"].id


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keystone": {"id": "x"}, "nova": 7}', "\x00\xff"])
def test_a_corrupted_index_is_written_again_without_building(bench: Bench, text: str) -> None:
    bench.run()
    good = bench.index()
    (bench.root / "2026.1.json").write_text(text, encoding="latin-1")
    bench.run()
    assert bench.done == []
    assert bench.index() == good


def test_an_index_that_names_another_image_is_corrected(bench: Bench) -> None:
    bench.run()
    good = bench.index()
    wrong = json.loads(json.dumps(good))
    wrong["nova"]["id"] = "0" * 64
    (bench.root / "2026.1.json").write_text(json.dumps(wrong))
    assert bench.run()["nova"].changed
    assert bench.index() == good


@pytest.mark.parametrize("damage", ["layer", "incomplete", "manifest", "options"])
def test_an_incomplete_image_is_built_again(bench: Bench, damage: str) -> None:
    first = bench.run()["keystone"]
    store = bench.fake.graph
    layer = next(item for item in bench.fake.layers if item["id"] == first.id)
    if damage == "layer":
        (store / "overlay" / layer["id"] / "diff").rmdir()
    elif damage == "incomplete":
        layer["flags"] = {"incomplete": True}
        bench.fake.write()
    elif damage == "manifest":
        (store / "overlay-images" / first.id / "manifest").unlink()
    else:
        Path(first.options, "keystone.conf.json").unlink()
    bench.run()
    assert bench.done == ["keystone"]


def test_what_an_interrupted_build_has_left_is_cleared_away(bench: Bench) -> None:
    bench.fake.containers = [
        {"id": "1", "names": ["ozone-build-2026.1-nova-x"]},
        {"id": "2", "names": ["other"]},
    ]
    bench.fake.write()
    bench.run()
    assert ["rm", "ozone-build-2026.1-nova-x"] in bench.fake.calls
    assert [item["names"] for item in bench.fake.containers] == [["other"]]


def test_leftovers_are_cleared_away_even_if_nothing_is_to_be_built(bench: Bench) -> None:
    bench.run()
    bench.fake.containers = [{"id": "1", "names": ["ozone-build-x"]}]
    bench.fake.write()
    assert not any(image.changed for image in bench.run(check=True).values())
    assert bench.fake.containers
    with exclusive(bench.root / ".lock"):  # another build is at work
        bench.run()
    assert bench.fake.containers
    bench.run()
    assert bench.fake.containers == []


def test_one_failure_keeps_the_others(bench: Bench) -> None:
    bench.fail = {"nova"}
    with pytest.raises(BuildError, match="image nova broke"):
        bench.run()
    assert set(bench.index()) == {"keystone"}
    bench.fail = set()
    bench.run()
    assert bench.done == ["nova"]


def test_check_mode_builds_nothing(bench: Bench) -> None:
    planned = bench.run(check=True)
    assert all(image.changed and image.id == "" for image in planned.values())
    assert not bench.root.exists()


def test_force_and_selection(bench: Bench) -> None:
    bench.run()
    bench.run(images=["nova"], force=True)
    assert bench.done == ["nova"]
    assert set(bench.index()) == IMAGES
    with pytest.raises(BuildError, match="no image swift; known: keystone, nova"):
        bench.run(images=["swift"])


def test_a_missing_lock_says_what_to_do(bench: Bench) -> None:
    bench.releases.load().lock("nova").unlink()
    with pytest.raises(BuildError, match=r"nova\.lock: is missing; remedy: make locks"):
        bench.run()


def pruned(bench: Bench, monkeypatch: pytest.MonkeyPatch, *, check: bool = False) -> list[str]:
    monkeypatch.setattr(build, "run_command", lambda argv, timeout, **_: bench.fake.run(argv, timeout))
    releases = {"2026.1": bench.releases.load()}
    return build.prune(Settings(root=bench.root), releases, bench.said.append, check=check)


def test_prune_removes_only_what_no_index_names(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    old = bench.run()["keystone"]
    foreign = bench.fake.add("docker.io/someone/else:1")
    bench.run(images=["keystone"], force=True)
    lock = bench.releases.load().lock("keystone")
    lock.write_text(lock.read_text().replace("29.1.0", "29.2.0"))
    new = bench.run()
    before = {record.id for record in Store(bench.root, bench.fake.run).records().values()}
    assert {old.id, foreign} <= before
    assert pruned(bench, monkeypatch, check=True) == pruned(bench, monkeypatch)
    left = Store(bench.root, bench.fake.run).records()
    assert {image.id for image in new.values()} <= set(left)
    assert foreign in left
    assert old.id not in left
    assert any("/base:" in name for record in left.values() for name in record.names)
    assert not Path(old.options).exists()
    assert pruned(bench, monkeypatch) == []


def test_an_index_that_cannot_be_read_stops_prune(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run()
    (bench.root / "2026.1.json").write_text("{")
    with pytest.raises(BuildError, match="cannot be read"):
        pruned(bench, monkeypatch)


def test_uv_gets_the_hosts_settings_and_nothing_else() -> None:
    environ = {
        "HTTPS_PROXY": "http://proxy.example",
        "no_proxy": "localhost",
        "UV_CACHE_DIR": "/host/cache",
        "UV_HTTP_TIMEOUT": "9",
        "SECRET": "x",
        "SSL_CERT_DIR": "/etc/ssl/certs",
    }
    found = build.uv_variables(environ, {"index-url": "https://index.example/simple"})
    assert found == {
        "HTTPS_PROXY": "http://proxy.example",
        "no_proxy": "localhost",
        "UV_HTTP_TIMEOUT": "9",
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
    }


def only(*paths: str) -> Callable[[str], bool]:
    return lambda path: path in paths


def test_files_of_the_host_are_shown_inside() -> None:
    variables = {
        "SSL_CERT_FILE": "/etc/ca.pem",
        "UV_INDEX": "file:///srv/simple https://index.example/simple file:///gone/simple",
        "UV_FIND_LINKS": "/srv/wheels,https://links.example",
        "UV_HTTP_TIMEOUT": "9",
    }
    placed, binds = build.place_files(variables, only("/etc/ca.pem", "/srv/simple", "/srv/wheels"))
    assert placed == {
        "SSL_CERT_FILE": "/mnt/files/0",
        "UV_INDEX": "file:///mnt/host/srv/simple https://index.example/simple",
        "UV_FIND_LINKS": "/mnt/host/srv/wheels,https://links.example",
        "UV_HTTP_TIMEOUT": "9",
    }
    assert binds == [("/etc/ca.pem", "files/0"), ("/srv", "host/srv")]


def test_a_command_that_fails_or_is_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="exit code 3: why"):
        build.run_command(["sh", "-c", "echo why >&2; exit 3"], 5)
    with pytest.raises(BuildError, match="no-such-tool is not installed; remedy"):
        build.run_command(["no-such-tool"], 5)
    with pytest.raises(BuildError, match="did not end within 1 s"):
        build.run_command(["sleep", "5"], 1)


def test_base_and_image_roots_are_finished(tmp_path: Path) -> None:
    for relative in (
        "etc/apt/preferences.d",
        "usr/sbin",
        "usr/bin",
        "var/lib/dpkg",
        "var/cache/apt/archives",
        "var/log",
    ):
        (tmp_path / relative).mkdir(parents=True)
    for name in ("passwd", "group", "shadow", "passwd-", "hostname"):
        (tmp_path / "etc" / name).write_text("")
    (tmp_path / "etc/resolv.conf").symlink_to("/run/nowhere")
    (tmp_path / "var/cache/apt/archives/x.deb").write_text("")
    su = tmp_path / "usr/bin/su"
    su.write_text("")
    su.chmod(0o4755)
    build.finish_base(tmp_path)
    assert "ozone:x:42400:42400:" in (tmp_path / "etc/passwd").read_text()
    assert (tmp_path / "usr/sbin/policy-rc.d").stat().st_mode & 0o777 == 0o755
    assert list((tmp_path / "var/cache").iterdir()) == []
    assert (tmp_path / "etc/resolv.conf").read_text() == ""
    assert not (tmp_path / "etc/resolv.conf").is_symlink()
    assert not (tmp_path / "etc/passwd-").exists()
    assert su.stat().st_mode & 0o7777 == 0o755
