# SPDX-License-Identifier: Apache-2.0
"""Brings Ironic's database to the schema of its release. Runs in a container of that release, once for the cluster.

    python schema.py /etc/ironic/ironic.conf

An empty database gets the schema at once, others are migrated. The embedded database (SQLite) cannot undo half a
migration, and cannot do all that a migration may ask for: it is migrated as a copy first, and itself only when that has
worked. The copy of before stays beside it.
"""

from __future__ import annotations

import configparser
import importlib
import runpy
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

#: Seconds for one call.
TIMEOUT = 250
SQLITE = "sqlite:///"


def dbsync(command: str, *configs: str) -> str:
    """What ``ironic-dbsync`` says last; it logs on standard output, too. :raises SystemExit: it failed."""
    argv = [sys.executable, __file__, "--run", command, *configs]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout[-2000:] + done.stderr[-4000:])
        sys.exit(f"ironic-dbsync {command} failed")
    return (done.stdout.strip().splitlines() or [""])[-1]


def run(command: str, *configs: str) -> None:
    """Be ``ironic-dbsync``, with an SQLite that takes another type of a column for what it is there: nothing at all."""
    base: Any = importlib.import_module("alembic.ddl.sqlite").SQLiteImpl  # of the container

    def alter_column(self: Any, table_name: str, column_name: str, **change: Any) -> None:
        other = (change.get("nullable"), change.get("name"), change.get("server_default") or None)
        if any(value is not None for value in other):
            base.alter_column(self, table_name, column_name, **change)

    type(base)("Sqlite", (base,), {"__dialect__": "sqlite", "alter_column": alter_column})  # registers itself
    tool = shutil.which("ironic-dbsync")
    if tool is None:
        sys.exit("there is no ironic-dbsync in this image")
    sys.argv = [tool, *(word for config in configs for word in ("--config-file", config)), command]
    runpy.run_path(tool, run_name="__main__")


def copy(source: str, target: str) -> None:
    """A copy of a database that is in use."""
    Path(target).unlink(missing_ok=True)
    before, after = sqlite3.connect(source), sqlite3.connect(target)
    before.backup(after)
    before.close()
    after.close()
    Path(target).chmod(0o600)


def prepare_file(path: str) -> None:
    """Let the embedded database be read while it is written: many nodes are under way at once. The file keeps that."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.close()


def migrate_file(config: str, path: str, revision: str) -> None:
    """Migrate the embedded database at ``path``, which is at ``revision``."""
    with tempfile.TemporaryDirectory(dir=str(Path(path).parent)) as directory:
        trial, other = f"{directory}/trial.sqlite", f"{directory}/trial.conf"
        copy(path, trial)
        Path(other).write_text(f"[database]\nconnection = {SQLITE}{trial}\n", encoding="utf-8")
        dbsync("upgrade", config, other)
        if dbsync("version", config, other) == revision:
            return
    copy(path, f"{path}.{revision}")
    dbsync("upgrade", config)


def main(config: str) -> None:
    """Make the schema, or migrate it."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read(config, encoding="utf-8")
    connection = parser.get("database", "connection")
    path = connection.removeprefix(SQLITE).partition("?")[0] if connection.startswith(SQLITE) else ""
    revision = dbsync("version", config)
    if revision == "None":
        dbsync("create_schema", config)
    elif path:
        migrate_file(config, path, revision)
    else:
        dbsync("upgrade", config)
    if path:
        prepare_file(path)


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        run(*sys.argv[2:])
    else:
        main(sys.argv[1])
