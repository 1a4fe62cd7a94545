# SPDX-License-Identifier: Apache-2.0
"""A fake Keystone: the part of the Identity API v3 that the collection uses, in memory, over real HTTP."""

from __future__ import annotations

import http.server
import itertools
import json
import ssl
import threading
import urllib.parse
from typing import Any

Record = dict[str, Any]
NAMES = {
    "regions": "region",
    "domains": "domain",
    "projects": "project",
    "roles": "role",
    "services": "service",
    "endpoints": "endpoint",
    "users": "user",
}
REQUIRED = {
    "regions": [],
    "domains": ["name"],
    "projects": ["name", "domain_id"],
    "roles": ["name"],
    "services": ["type"],
    "endpoints": ["service_id", "interface", "url", "region_id"],
    "users": ["name", "domain_id"],
}


class FakeKeystone:
    """Has what ``keystone-manage bootstrap`` makes: domain, project, user and role admin, and its own endpoints."""

    def __init__(self, tls: ssl.SSLContext | None = None, admin_password: str = "admin password") -> None:
        self.numbers = itertools.count(1)
        self.tables: dict[str, dict[str, Record]] = {name: {} for name in NAMES}
        self.passwords: dict[str, str] = {}
        self.assignments: set[tuple[str, str, str]] = set()
        self.calls: list[str] = []
        self.failures: list[int] = []  # statuses to answer with, instead of doing the next calls
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}/v3"
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.tables["domains"]["default"] = {"id": "default", "name": "Default", "enabled": True, "description": ""}
        project = self.add("projects", name="admin", domain_id="default", description="made by bootstrap")
        user = self.add("users", name="admin", domain_id="default", password=admin_password)
        self.admin = user
        for name in ("admin", "manager", "member", "reader", "service"):
            self.add("roles", name=name)
        self.assignments.add((user, project, self.id_of("roles", "admin")))
        self.tables["regions"]["RegionOne"] = {"id": "RegionOne", "description": "", "parent_region_id": None}
        service = self.add("services", name="keystone", type="identity")
        for interface in ("public", "internal", "admin"):
            self.add("endpoints", service_id=service, interface=interface, url="http://old/v3", region_id="RegionOne")

    def add(self, table: str, **values: Any) -> str:
        """Make a record, as POST does."""
        missing = [key for key in REQUIRED[table] if key not in values]
        if missing:
            raise ValueError(f"missing {missing}")
        same = [record for record in self.tables[table].values() if record.get("name") == values.get("name", 0)]
        if table in ("projects", "users", "roles", "domains") and same:
            raise KeyError("409")
        identifier = str(values.pop("id", "") or f"{NAMES[table]}-{next(self.numbers)}")
        password = values.pop("password", None)
        if password is not None:
            self.passwords[identifier] = password
        self.tables[table][identifier] = {"id": identifier, "enabled": True, **values}
        return identifier

    def id_of(self, table: str, name: str) -> str:
        """The id of the record with that name."""
        return next(record["id"] for record in self.tables[table].values() if record.get("name") == name)

    def roles_of(self, user: str) -> set[str]:
        """Names of a user's roles, in all projects."""
        holder = self.id_of("users", user)
        return {self.tables["roles"][role]["name"] for who, _, role in self.assignments if who == holder}

    def urls(self) -> dict[tuple[str, str], str]:
        """(service, interface) -> URL."""
        services = self.tables["services"]
        return {
            (services[record["service_id"]]["name"], record["interface"]): record["url"]
            for record in self.tables["endpoints"].values()
        }

    def log_in(self, body: Record) -> str | None:
        """The id of the user whose password it is."""
        given = body["auth"]["identity"]["password"]["user"]
        assert given["domain"]["name"] == "Default"
        for record in self.tables["users"].values():
            if record["name"] == given["name"] and self.passwords.get(record["id"]) == given["password"]:
                return str(record["id"])
        return None

    def serve(self) -> None:
        """Answer in a thread of its own."""
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method: str, path: str, body: Record, token: str) -> tuple[int, Record, str]:
        """Status, body and token of one request."""
        parts = urllib.parse.urlsplit(path)
        words = parts.path.strip("/").split("/")[1:]
        query = dict(urllib.parse.parse_qsl(parts.query))
        if not words:
            links = [{"rel": "self", "href": self.url + "/"}]
            version = {"id": "v3.14", "status": "stable", "links": links, "media-types": []}
            return 200, {"version": version}, ""
        if words == ["auth", "tokens"]:
            user = self.log_in(body)
            if user is None:
                return 401, {"error": {"message": "The request you have made requires authentication."}}, ""
            record = {"user": {"id": user, "name": self.tables["users"][user]["name"]}, "methods": ["password"]}
            times = {"issued_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2099-01-01T00:00:00.000000Z"}
            return 201, {"token": {**record, **times, "catalog": []}}, f"token of {user}"
        if token != f"token of {self.admin}":
            return 401, {"error": {"message": "no token"}}, ""
        if words == ["role_assignments"]:
            project = query["scope.project.id"]
            found = [
                {"user": {"id": who}, "scope": {"project": {"id": where}}, "role": {"id": role}}
                for who, where, role in sorted(self.assignments)
                if where == project
            ]
            found.append({"group": {"id": "g"}, "scope": {"project": {"id": project}}, "role": {"id": "r"}})
            return 200, {"role_assignments": found}, ""
        if words[0] == "projects" and len(words) == 6:
            key = (words[3], words[1], words[5])
            if method == "PUT":
                self.assignments.add(key)
            else:
                self.assignments.remove(key)
            return 204, {}, ""
        return (*self.records(method, words, query, body), "")

    def records(self, method: str, words: list[str], query: dict[str, str], body: Record) -> tuple[int, Record]:
        """List, make, change and remove."""
        table, name = words[0], NAMES[words[0]]
        records = self.tables[table]
        if method == "POST":
            try:
                identifier = self.add(table, **body[name])
            except KeyError:
                return 409, {"error": {"message": f"Conflict: {name}"}}
            return 201, {name: records[identifier]}
        if len(words) == 1:
            found = [record for record in records.values() if all(record.get(key) == query[key] for key in query)]
            return 200, {table: found, "links": {}}
        if words[1] not in records:
            return 404, {"error": {"message": f"Could not find {name}"}}
        if method == "PATCH":
            values = dict(body[name])
            if "password" in values:
                self.passwords[words[1]] = values.pop("password")
            records[words[1]].update(values)
        elif method == "DELETE":
            record = records.pop(words[1])
            self.assignments = {key for key in self.assignments if words[1] not in key}
            return 204, record
        return 200, {name: records[words[1]]}

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet per answer

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                fake.calls.append(f"{self.command} {self.path.removeprefix('/v3')}")
                if fake.failures:
                    status = fake.failures.pop(0)
                    answer, token = {"error": {"message": "fake failure"}}, ""
                else:
                    status, answer, token = fake.answer(
                        self.command, self.path, body, self.headers.get("X-Auth-Token") or ""
                    )
                data = b"" if status == 204 else json.dumps(answer).encode()
                self.send_response(status)
                if token:
                    self.send_header("X-Subject-Token", token)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()

            do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Be quiet."""

        return Handler
