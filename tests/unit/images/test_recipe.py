# SPDX-License-Identifier: Apache-2.0
"""The digest of an image's inputs changes when, and only when, the image would."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_bench import Releases

from ansible_collections.ozone.openstack.plugins.module_utils.debian_mirror import Mirror, Source
from ansible_collections.ozone.openstack.plugins.module_utils.images import locks, recipe

INSIDE = '"""Words."""\nprint(1)  # comment\n'


def inputs(releases: Releases, revision: str = "", inside: str = INSIDE) -> dict[str, str]:
    release = releases.load()
    base = recipe.base_inputs(release, "amd64", revision)
    return {name: recipe.image_inputs(release, name, base, inside) for name in release.images}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_the_same_again(releases: Releases) -> None:
    assert inputs(releases) == inputs(releases)


def test_only_images_that_contain_the_change_differ(releases: Releases) -> None:
    before = inputs(releases)
    lock = releases.load().lock("nova")
    lock.write_text(lock.read_text().replace("33.0.2", "33.0.3"))
    assert changed(before, inputs(releases)) == {"nova"}
    before = inputs(releases)
    releases.common["images"]["keystone"]["debian"] = ["libldap-2.5-0"]
    assert changed(before, inputs(releases)) == {"keystone"}
    before = inputs(releases)
    releases.common["base"].append("tzdata")
    assert changed(before, inputs(releases)) == {"keystone", "nova"}
    before = inputs(releases)
    assert changed(before, inputs(releases, revision="2026-12")) == {"keystone", "nova"}


def test_build_back_ends_count_only_where_something_is_built(releases: Releases) -> None:
    before = inputs(releases)
    lock = releases.load().lock(locks.BUILD)
    lock.write_text(lock.read_text().replace("80.0", "81.0"))
    assert changed(before, inputs(releases)) == {"nova"}  # has ovs, a source distribution


def test_what_does_not_change_the_image_does_not_count(releases: Releases) -> None:
    before = inputs(releases)
    lock = releases.load().lock("nova")
    lock.write_text(lock.read_text().replace("# via something", "# via another"))
    releases.own["title"] = "Other"
    assert changed(before, inputs(releases)) == set()
    assert changed(before, inputs(releases, inside='"""Other words."""\n\nprint( 1 )\n')) == set()
    assert changed(before, inputs(releases, inside="print(2)\n")) == {"keystone"}  # the only one with options


def test_commands_run_in_namespaces_and_die_with_their_parent() -> None:
    binds = [recipe.Bind("/a", "/r/mnt/a"), recipe.Bind("/c", "/r/mnt/c", writable=True)]
    argv = recipe.enter(Path("/r"), Path("/w"), binds, ["true"])
    assert argv[:3] == ["setpriv", "--pdeathsig", "KILL"]
    assert {"--mount", "--pid", "--kill-child=KILL"} <= set(argv)
    assert argv[argv.index("enter") + 1 :] == ["/r", "/w", "ro", "/a", "/r/mnt/a", "rw", "/c", "/r/mnt/c", "--", "true"]


def test_the_environment_is_quoted() -> None:
    assert recipe.environment_script({"B": "it's $x", "A": "1"}) == "export A=1\nexport B='it'\"'\"'s $x'\n"


def test_the_script_installs_from_the_lock_only(releases: Releases) -> None:
    release = releases.load()
    script = recipe.install_script(release.images["nova"], release.python, ["ovs"])
    install = next(line for line in script.splitlines() if "pip install" in line)
    assert "--require-hashes --no-deps" in install
    assert "--only-binary :all: --no-binary ovs" in install
    assert "ln -s /usr/lib/python3/dist-packages/libvirt.py /opt/ozone/lib/python3.11/site-packages/" in script
    assert "/etc/nova/api-paste.ini" in script


def test_apt_works_on_the_root_with_the_hosts_options() -> None:
    mirror = Mirror(
        (Source("http://m.example/debian", "bookworm", ("main",)),), ('Acquire::Retries "3";',), ("/k.gpg",)
    )
    text = recipe.apt_conf(mirror, Path("/r"), Path("/w"), "amd64")
    assert 'Dir "/r";' in text
    assert 'DPkg::Chroot-Directory "/r";' in text
    assert 'Acquire::Retries "3";' in text
    assert recipe.signed_sources(mirror) == "deb [signed-by=/k.gpg] http://m.example/debian bookworm main\n"


@pytest.mark.parametrize(("image", "user"), [("keystone", "42400:42400"), ("base", "0:0")])
def test_images_do_not_run_as_root(releases: Releases, image: str, user: str) -> None:
    argv = recipe.config_argv(releases.load(), image, "f" * 64, "localhost/ozone/base:x")
    assert argv[argv.index("--user") + 1] == user


def test_labels_say_what_is_inside(releases: Releases) -> None:
    found = recipe.labels(releases.load(), "keystone", "f" * 64, "localhost/ozone/base:x")
    assert found["org.opencontainers.image.version"] == "29.1.0"
    assert found["ozone.release"] == "2026.1"
    assert found["ozone.inputs"] == "f" * 64
