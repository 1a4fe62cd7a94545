# SPDX-License-Identifier: Apache-2.0
"""The mirror of another suite is derived from what the host's own apt says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils import debian_mirror as dm


def stanza(uri: str, suite: str, label: str = "Debian", origin: str = "Debian", entry: str = "/etc/s.sources:1") -> str:
    """One stanza as ``apt-get indextargets`` prints it; without origin, as before the first ``apt-get update``."""
    text = (
        f"MetaKey: main/binary-amd64/Packages\nRepo-URI: {uri}\nRelease: {suite}\nComponent: main\n"
        f"Created-By: Packages\nTarget-Of: deb\nSourcesentry: {entry}\n"
    )
    return text + (f"Codename: {suite}\nOrigin: {origin}\nLabel: {label}\n" if origin else "")


HOST = "\n".join(
    [
        stanza("http://mirror.example/debian-security/", "bookworm-security", "Debian-Security"),
        stanza("http://mirror.example/debian/", "bookworm"),
        stanza("http://mirror.example/debian/", "bookworm-updates"),
        stanza("http://mirror.example/debian/", "bookworm-backports", "Debian Backports"),
        stanza("http://vendor.example/", "nodistro", "Vendor", "Vendor"),
        stanza("http://mirror.example/debian/", "bookworm").replace("Target-Of: deb", "Target-Of: deb-src"),
    ]
)
DUMP = """\
Acquire "";
Acquire::http "";
Acquire::http::Proxy "http://user:pw@proxy.example:3128";
Acquire::https::CAInfo "/etc/ca.pem";
Acquire::Retries "3";
Acquire::Languages:: "none";
Acquire::Check-Date "false";
APT::Install-Recommends "1";
"""


def derive(text: str) -> list[str]:
    return [source.line() for source in dm.derive_sources(dm.parse_indextargets(text), "trixie")]


def test_pockets_follow_the_suite_and_foreign_repositories_do_not() -> None:
    assert derive(HOST) == [
        "deb http://mirror.example/debian/ trixie main",
        "deb http://mirror.example/debian/ trixie-updates main",
        "deb http://mirror.example/debian-security/ trixie-security main",
    ]


def test_lists_that_were_never_downloaded_still_tell_the_mirror() -> None:
    text = (
        stanza("http://m.example/debian/", "stable", origin="") + "\n" + stanza("http://u.example/", "jammy", origin="")
    )
    assert derive(text) == ["deb http://m.example/debian/ trixie main"]


def test_security_alone_is_no_source() -> None:
    assert derive(stanza("http://m.example/", "bookworm-security", "Debian-Security")) == []


def test_only_options_about_reaching_a_mirror_are_passed_on() -> None:
    assert dm.parse_options(DUMP) == [
        'Acquire::http::Proxy "http://user:pw@proxy.example:3128";',
        'Acquire::https::CAInfo "/etc/ca.pem";',
        'Acquire::Retries "3";',
        'Acquire::Check-Date "false";',
    ]


def test_signed_by_of_both_styles() -> None:
    deb822 = "Types: deb\nURIs: http://m.example/debian\nSuites: x y\nSigned-By: /usr/share/keyrings/own.gpg\n"
    assert dm.parse_signed_by(deb822, "http://m.example/debian/") == ["/usr/share/keyrings/own.gpg"]
    assert dm.parse_signed_by(deb822, "http://other.example/") == []
    assert dm.parse_signed_by(
        "deb [arch=amd64 signed-by=/k.asc] http://m.example/debian x main\n", "http://m.example/debian/"
    ) == ["/k.asc"]


def runner(argv: Sequence[str]) -> str:
    return {"apt-get": HOST, "apt-config": DUMP}[argv[0]]


def test_no_credentials_in_argv() -> None:
    mirror = dm.debian_mirror("trixie", run=runner, read=lambda _: "", exists=lambda path: True)
    argv = dm.bootstrap_argv("trixie", "/root-fs", mirror, apt_conf="/tmp/x/apt.conf", include=["systemd"])
    assert not any("pw@" in word for word in argv)
    assert "pw@" in mirror.apt_conf()
    assert argv[-1] == "-" and "--include=systemd" in argv
    assert 'Dir::Etc::netrc "/etc/apt/auth.conf";' in mirror.options


def test_a_host_without_debian_is_told_what_to_set() -> None:
    def ubuntu(argv: Sequence[str]) -> str:
        return stanza("http://u.example/", "jammy", "Ubuntu", "Ubuntu") if argv[0] == "apt-get" else ""

    with pytest.raises(dm.MirrorError, match="ozone_debian_sources"):
        dm.debian_mirror("trixie", run=ubuntu)
    given = dm.debian_mirror(
        "trixie", sources=["deb http://m.example/debian trixie main"], run=ubuntu, exists=lambda _: True
    )
    assert given.sources_list() == "deb http://m.example/debian trixie main\n"


def test_a_malformed_source_is_refused() -> None:
    with pytest.raises(dm.MirrorError, match="form"):
        dm.parse_source_lines(["http://m.example/debian trixie main"])
