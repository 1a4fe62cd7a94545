# SPDX-License-Identifier: Apache-2.0
"""pip's settings, in uv's words."""

from __future__ import annotations

from ansible_collections.ozone.openstack.plugins.module_utils.python_index import parse_pip_settings, uv_environment

SETTINGS = """
:env:.find-links='/srv/wheels /srv/more'
:env:.disable-pip-version-check='1'
global.find-links='/overruled'
global.index-url='https://mirror.example/simple'
global.extra-index-url='file:///srv/a file:///srv/b'
install.timeout='60'
freeze.timeout='1'
"""


def test_the_environment_outranks_the_files() -> None:
    assert parse_pip_settings(SETTINGS) == {
        "find-links": "/srv/wheels /srv/more",
        "disable-pip-version-check": "1",
        "index-url": "https://mirror.example/simple",
        "extra-index-url": "file:///srv/a file:///srv/b",
        "timeout": "60",
    }


def test_uv_looks_where_pip_does() -> None:
    assert uv_environment(parse_pip_settings(SETTINGS), {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "file:///srv/a file:///srv/b",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/srv/wheels,/srv/more",
        "UV_HTTP_TIMEOUT": "60",
    }


def test_a_lock_is_resolved_from_the_main_index_alone() -> None:
    added = uv_environment(parse_pip_settings(SETTINGS), {}, locking=True)
    assert added == {"UV_DEFAULT_INDEX": "https://mirror.example/simple", "UV_HTTP_TIMEOUT": "60"}


def test_what_is_said_to_uv_itself_wins() -> None:
    environ = {"UV_INDEX_URL": "https://other.example", "UV_FIND_LINKS": "/mine", "UV_INDEX": "https://third.example"}
    assert uv_environment(parse_pip_settings(SETTINGS), environ) == {"UV_HTTP_TIMEOUT": "60"}


def test_nothing_configured_adds_nothing() -> None:
    assert uv_environment({}, {}) == {}
