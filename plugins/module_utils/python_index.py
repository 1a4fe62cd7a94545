# SPDX-License-Identifier: Apache-2.0
"""Let uv fetch Python packages from where this computer's pip is told to fetch them.

An operator behind a mirror or a proxy has configured pip (pip.conf, ``PIP_*``). uv reads neither, only its own ``UV_*``
and uv.toml. So what ``pip config list`` prints is translated here; a ``UV_*`` variable that is set already always wins.
Only the standard library is needed: the setup runs this before any package is installed.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Mapping

#: pip's setting -> uv's variable, and how uv separates several values.
_VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "client-cert": ("SSL_CLIENT_CERT", " "),
    "proxy": ("ALL_PROXY", " "),
    "no-index": ("UV_NO_INDEX", " "),
}

#: Older names that uv still reads: they win as well.
_ALIASES = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}


def parse_pip_settings(text: str) -> dict[str, str]:
    """Settings from what ``pip config list`` prints, one ``section.name='value'`` a line.

    Of several sections that hold the same name, the environment (``:env:``) wins, then ``install``, then ``global``:
    pip's own order.
    """
    rank = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in text.splitlines():
        key, _, quoted = line.partition("=")
        section, _, name = key.strip().rpartition(".")
        if section not in rank:
            continue
        try:
            value = str(ast.literal_eval(quoted.strip()))
        except (SyntaxError, ValueError):
            value = quoted.strip().strip("'\"")
        if name not in found or rank[section] >= found[name][0]:
            found[name] = (rank[section], value)
    return {name: value for name, (_, value) in found.items()}


def uv_environment(
    pip_settings: Mapping[str, str], environ: Mapping[str, str], *, locking: bool = False
) -> dict[str, str]:
    """Variables to add to ``environ`` so that uv does what pip would.

    ``locking``: leave out the additional sources (extra indexes, local wheels). A lock file has to hold the hashes of
    every build of a package, and a local source often has only the one that suits this computer.
    """
    added: dict[str, str] = {}
    for name, (variable, separator) in _VARIABLES.items():
        values = pip_settings.get(name, "").split()
        if not values or variable in environ or _ALIASES.get(variable, "") in environ:
            continue
        if locking and name in {"extra-index-url", "find-links"}:
            continue
        added[variable] = separator.join(values)
    if "UV_INDEX" in added and "UV_INDEX_STRATEGY" not in environ:
        # pip takes the best version of all indexes, uv by default only looks at the first that has the package.
        added["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return added


def pip_settings(python: str, timeout: int = 30) -> dict[str, str]:
    """Settings of the pip that belongs to the interpreter ``python``. No pip there: no settings."""
    done = subprocess.run(
        [python, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=timeout, check=False
    )
    return parse_pip_settings(done.stdout) if done.returncode == 0 else {}
