# SPDX-License-Identifier: Apache-2.0
"""A tool of the tests: stands in front of the Redfish emulator, one port for each BMC, and misbehaves as BMCs do.

    proxy = BmcProxy("198.18.32.1", 8001, upstream=8099, context=tls)
    proxy.fault = "refuses"     # switched at any time; "" is a BMC that works

It speaks TLS to the client and plain HTTP to the emulator, which checks the login. Every request that was made is kept
in ``requests``, so that a test can say what nobody asked for.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any, Literal, get_args

#: What a BMC can do instead of working: nobody listens on its port; connections are taken and nothing is answered;
#: everything works but power (500 to every Reset); answers break off in the middle; it refuses connections after the
#: next Reset that it passed on.
Fault = Literal["", "refuses", "silent", "reset-500", "breaks-off", "dies-at-reset"]

#: Seconds that a client may take for a request, and the emulator for an answer (it fetches an image in the meantime).
PATIENCE = 60.0
UPSTREAM_PATIENCE = 180.0

#: Of one connection only, and never passed on (RFC 9110, 7.6.1).
HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host", "content-length", "date", "server"}


@dataclass(frozen=True)
class Passed:
    """A request and the status that the client saw; 0: it saw none."""

    time: float  # of the wall clock
    method: str
    path: str
    status: int
    body: bytes = b""


class _Server(ThreadingMixIn, HTTPServer):
    """One incarnation of the listener: it ends when the BMC dies, another one takes its place when it is back."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, proxy: BmcProxy) -> None:
        self.proxy = proxy
        self.open: set[socket.socket] = set()
        self.guard = threading.Lock()
        super().__init__((proxy.address, proxy.port), _Handler)

    def server_bind(self) -> None:
        """As HTTPServer does, without asking the DNS for our name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.proxy.address, self.proxy.port

    def get_request(self) -> tuple[socket.socket, Any]:
        """The handshake is left to the thread of the connection."""
        plain, address = self.socket.accept()
        wrapped = self.proxy.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self.guard:
            self.open.add(wrapped)
        return wrapped, address

    def close_request(self, request: Any) -> None:
        """Forget it, too."""
        with self.guard:
            self.open.discard(request)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news; all else is kept."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.proxy.errors.append(repr(error))

    def end(self) -> None:
        """Stop listening, and break off what is open."""
        self.shutdown()
        self.server_close()
        with self.guard:
            left = list(self.open)
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def handle(self) -> None:
        if self.server.proxy.fault == "silent":
            self.server.proxy.wait_while("silent", self.connection)
            self.close_connection = True
            return
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        """The proxy keeps what it needs itself."""

    def _pass(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reset = self.command == "POST" and self.path.endswith("/Actions/ComputerSystem.Reset")
        fault = proxy.fault
        if fault == "silent":
            proxy.keep(self.command, self.path, 0, body)
            proxy.wait_while("silent", self.connection)
            self.close_connection = True
            return
        if reset and fault == "reset-500":
            proxy.keep(self.command, self.path, 500, body)
            self._answer(500, [("Content-Type", "application/json")], b'{"error": {"message": "the BMC is broken"}}')
            return
        headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP}
        upstream = http.client.HTTPConnection("127.0.0.1", proxy.upstream, timeout=UPSTREAM_PATIENCE)
        try:
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            proxy.errors.append(f"{self.command} {self.path}: {error!r}")
            proxy.keep(self.command, self.path, 502, body)
            self._answer(502, [], str(error).encode())
            return
        finally:
            upstream.close()
        if fault == "breaks-off":
            proxy.keep(self.command, self.path, 0, body)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n{")
            self.close_connection = True
            return
        proxy.keep(self.command, self.path, answer.status, body)
        self._answer(answer.status, [(k, v) for k, v in answer.getheaders() if k.lower() not in HOP], data)
        if reset and fault == "dies-at-reset":
            proxy.set("refuses")

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _pass

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class BmcProxy:
    """One BMC on a port of its own, until it is closed."""

    def __init__(self, address: str, port: int, upstream: int, context: ssl.SSLContext) -> None:
        self.address, self.port, self.upstream, self.context = address, port, upstream, context
        self.requests: list[Passed] = []
        self.errors: list[str] = []  # of this tool itself
        self._fault: Fault = ""
        self._changed = threading.Condition()
        self._server: _Server | None = None
        self._listen()

    @property
    def fault(self) -> Fault:
        """What it does instead of working."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        if fault not in get_args(Fault):
            raise ValueError(f"no such fault: {fault!r}; there are: {', '.join(get_args(Fault))}")
        with self._changed:
            self._fault = fault
            self._changed.notify_all()
        if fault == "refuses":
            self._deafen()
        else:
            self._listen()

    def set(self, fault: Fault) -> None:
        """As the attribute, from a thread of the server itself."""
        threading.Thread(target=setattr, args=(self, "fault", fault), daemon=True).start()

    def _listen(self) -> None:
        if self._server is None:
            self._server = _Server(self)
            threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def _deafen(self) -> None:
        if self._server is not None:
            self._server.end()
            self._server = None

    def wait_while(self, fault: Fault, connection: socket.socket) -> None:
        """Keep a connection open and silent until the fault is another one."""
        with self._changed:
            self._changed.wait_for(lambda: self._fault != fault, 600)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def keep(self, method: str, path: str, status: int, body: bytes = b"") -> None:
        """Remember a request."""
        self.requests.append(Passed(time.time(), method, path, status, body))

    def resets(self, since: float = 0.0) -> list[Passed]:
        """Whatever was asked of the power since then (wall clock)."""
        return [r for r in list(self.requests) if r.time >= since and r.path.endswith("/ComputerSystem.Reset")]

    def close(self) -> None:
        """End."""
        with self._changed:
            self._fault = ""
            self._changed.notify_all()
        self._deafen()
