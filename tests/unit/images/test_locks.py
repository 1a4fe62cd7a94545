# SPDX-License-Identifier: Apache-2.0
"""Lock files: what is asked of uv, what is written, what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from image_bench import Releases, lock_text

from ansible_collections.ozone.openstack.plugins.module_utils.images import locks
from ansible_collections.ozone.openstack.plugins.module_utils.images.release import ReleaseError

HASH = f"--hash=sha256:{'a' * 64}"


def test_each_image_is_resolved_under_the_constraints_and_nothing_names_an_index(releases: Releases) -> None:
    seen: dict[str, tuple[str, str]] = {}

    def run(argv: Sequence[str], environ: Mapping[str, str]) -> str:
        assert {"--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"} <= set(argv)
        assert argv[argv.index("--python-version") + 1] == "3.11"
        source = Path(argv[-1])
        constraints = Path(argv[argv.index("--constraints") + 1]).read_text() if "--constraints" in argv else ""
        seen[source.stem] = (source.read_text(), constraints)
        return f"x==1 \\\n    {HASH}\n    # via -r {source}, -c {source.parent}/constraints.txt\n"

    texts = locks.resolve(releases.load(), "# note\nsix===1.17\nOslo.Log===7.0;python_version>='3.9'\n", "uv", run, {})
    assert set(texts) == {"keystone", "nova", "build"}
    assert seen["keystone"] == ("keystone~=29.0\npyuwsgi\n", "Oslo.Log===7.0;python_version>='3.9'\nsix===1.17\n")
    assert seen["build"] == ("setuptools\n", "")
    assert "# via keystone.in, constraints.txt\n" in texts["keystone"]
    assert locks.lock_problems(texts["keystone"], ["keystone~=29.0", "pyuwsgi"]) == []


def test_the_ramdisk_has_the_python_of_the_nodes(releases: Releases) -> None:
    asked: dict[str, Sequence[str]] = {}

    def run(argv: Sequence[str], environ: Mapping[str, str]) -> str:
        asked[Path(argv[-1]).stem] = argv
        return f"x==1 {HASH}\n"

    releases.common["ramdisk"] = ["ironic-python-agent"]
    with pytest.raises(ReleaseError, match=r"versions.ironic-python-agent: is missing"):
        releases.load()
    releases.own["versions"]["ironic-python-agent"] = "~=11.5.0"
    texts = locks.resolve(releases.load(), "", "uv", run, {})
    assert locks.header(["ironic-python-agent~=11.5.0"]) in texts["ramdisk"]
    assert {"3.13", "x86_64-manylinux_2_40"} <= set(asked["ramdisk"])
    assert "3.13" not in asked["nova"]


def test_a_suite_without_a_known_platform_is_refused(releases: Releases) -> None:
    releases.own["suite"] = "sarge"
    release = releases.load()
    with pytest.raises(ReleaseError, match=r"suite sarge is not known here; known: bookworm"):
        locks.compile_argv("uv", release.suite, release.python, "x.in", None)


def test_problems_of_a_lock() -> None:
    good = f"{locks.header(['a'])}\na==1 \\\n    {HASH}\n"
    assert locks.lock_problems(good, ["a"]) == []
    assert locks.lock_problems(good, ["a", "b"]) == [
        "was resolved from other requirements than release.yml and images.yml have now"
    ]
    assert "https://index.example" in locks.lock_problems("--index-url https://index.example\n" + good, ["a"])[0]
    assert locks.lock_problems(good + "b==2\n", ["a"]) == ["b==2 has no hash"]
    assert locks.lock_problems(locks.header(["a"]) + "\n", ["a"]) == ["holds no package"]


def test_names_are_compared_as_indexes_do() -> None:
    assert locks.parse_lock("PyMySQL==1.1\noslo.log[x]==2 \\\n") == {"pymysql": "1.1", "oslo-log": "2"}


def test_comments_do_not_make_another_lock(releases: Releases) -> None:
    release = releases.load()
    text = lock_text(release, "keystone", "keystone==29.1.0")
    assert locks.digest(text) == locks.digest(text.replace("# via something", "# via something else"))
    assert locks.digest(text) != locks.digest(text.replace("29.1.0", "29.1.1"))
    assert locks.digest(text) != locks.digest(text.replace("0" * 64, "1" * 64))


def test_constraints_that_are_not_there_say_how_to_give_them(releases: Releases, tmp_path: Path) -> None:
    release = releases.load()
    with pytest.raises(ReleaseError, match=r"2026.1.txt: cannot be read"):
        locks.read_constraints(release, str(tmp_path))
    (tmp_path / "2026.1.txt").write_text("six===1\n")
    assert locks.read_constraints(release, str(tmp_path)) == "six===1\n"


def test_unreachable_constraints_say_how_to_give_them(releases: Releases) -> None:
    releases.own["constraints"] = "http://127.0.0.1:9/constraints"
    with pytest.raises(ReleaseError, match="OZONE_CONSTRAINTS_DIR"):
        locks.read_constraints(releases.load(), None, timeout=2)
