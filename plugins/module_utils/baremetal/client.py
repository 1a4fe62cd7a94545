# SPDX-License-Identifier: Apache-2.0
"""Ironic's API over openstacksdk's session: bounded in time, counted, for several threads at once.

``Client`` answers with whatever Ironic says, 409 and 503 too. ``Patient`` asks again, within bounds, where waiting
helps: it is for modules that make a few requests. A fleet waits itself.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    MICROVERSION,
    Answer,
    Api,
    BaremetalError,
    Request,
)
from ansible_collections.ozone.openstack.plugins.module_utils.sdk import Access, connect

#: Seconds within which Ironic has to answer. It asks a BMC before some answers, and waits for locks.
TIMEOUT = 60
#: Connections that are kept open for the next request.
POOL = 64
#: Nodes, ports and port groups of one page; Ironic's own limit is 1000.
PAGE = 1000
#: How the library calls a connection that broke off, as when the other side is restarted.
_BROKEN = re.compile(r"eof|closed|reset|timed out|zero return", re.IGNORECASE)
#: Pages of one list: something is wrong with a list that does not end.
MOST_PAGES = 1000


class Client:
    """``Api`` over a connection of openstacksdk, with the login and the address that its cloud has.

    :raises BaremetalError: the cloud has no address of Ironic.
    """

    def __init__(self, connection: Any, timeout: float = TIMEOUT) -> None:
        self.session = connection.session
        self.timeout = timeout
        self.count = 0
        self._guard = threading.Lock()
        self.password = str(connection.config.get_auth_args().get("password") or "")
        self.url = _endpoint(connection)
        self._widen()

    def _widen(self) -> None:
        """More connections that stay open than the library keeps by itself: one for each thread."""
        from keystoneauth1.session import TCPKeepAliveAdapter

        adapter = TCPKeepAliveAdapter(pool_maxsize=POOL, pool_block=False)
        for scheme in ("http://", "https://"):
            self.session.session.mount(scheme, adapter)

    def request(self, request: Request) -> Answer:
        """One request, and nothing is asked again."""
        from keystoneauth1 import exceptions

        with self._guard:
            self.count += 1
        try:
            response = self.session.request(
                self.url + request.path,
                request.method,
                json=request.body,
                raise_exc=False,
                timeout=self.timeout,
                headers={"Accept": "application/json", "X-OpenStack-Ironic-API-Version": MICROVERSION},
            )
        except exceptions.SSLError as error:
            if "certificate" not in str(error).lower() and _BROKEN.search(str(error)):
                raise ConnectionError(f"{self.url}: {error}") from error
            raise BaremetalError(
                f"{self.url}: its certificate is not trusted: {error}; cacert of the cloud in clouds.yaml must name "
                "the authority that issued it"
            ) from error
        except exceptions.Unauthorized as error:
            raise BaremetalError(_refused(self.url)) from error
        except (exceptions.ConnectionError, exceptions.HttpError) as error:
            raise ConnectionError(f"{self.url}: {error}") from error
        status = int(response.status_code)
        if status in (502, 504):  # of the proxy before Ironic, which may have done it
            raise ConnectionError(f"{self.url}: the proxy got no answer of Ironic ({status})")
        if status in (401, 403) and "protected" not in response.text:
            raise BaremetalError(_refused(self.url))
        if status == 406:
            raise BaremetalError(f"{self.url}: this Ironic does not know version {MICROVERSION} of its API: upgrade it")
        return Answer(status, _body(response))


def _refused(url: str) -> str:
    return f"{url}: the login is refused: look at username and password of the cloud in clouds.yaml"


def _body(response: Any) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        return {"error_message": str(response.text)[:500]}


def _endpoint(connection: Any) -> str:
    """The address without the version: that of the login where there is no catalogue, else that of the catalogue."""
    url = connection.config.get_auth_args().get("endpoint") or connection.config.get_endpoint("baremetal")
    if not url:
        try:
            url = connection.session.get_endpoint(
                service_type="baremetal", interface=connection.config.get_interface("baremetal") or "public"
            )
        except Exception as error:  # the library raises many kinds; each means that there is no address
            raise BaremetalError(f"clouds.yaml: there is no way to Ironic: {error}") from error
    if not url:
        raise BaremetalError("clouds.yaml: the cloud has no baremetal service (auth.endpoint, or one in the catalogue)")
    return str(url).rstrip("/").removesuffix("/v1")


def connected(access: Access) -> Client:
    """A client of the cloud that ``access`` names.

    :raises SdkError: there is no such cloud, or no openstacksdk.
    """
    return Client(connect(access))


def message(answer: Answer) -> str:
    """What Ironic says about an error, in its own words."""
    body = answer.body
    while isinstance(body, Mapping):
        found = body.get("error_message") or body.get("faultstring") or body.get("message") or body.get("error")
        if isinstance(found, str) and found.startswith("{"):
            import json

            try:
                found = json.loads(found)
            except ValueError:
                return found
        body = found
    return str(body or f"status {answer.status}").strip()


def locked(answer: Answer) -> bool:
    """Whether a node is locked: somebody works on it, and it will be free again."""
    return answer.status == 409 and "locked" in message(answer).lower()


def passing(answer: Answer) -> bool:
    """Whether the same request may be answered better later: a lock, no free worker, too much at once.

    A SQLite database that others write to for seconds is a lock, too, which Ironic reports as an error of its own.
    """
    if answer.status == 500 and "database is locked" in message(answer):
        return True
    return locked(answer) or answer.status in (429, 502, 503, 504)


class Patient:
    """``Api`` that asks again where waiting helps, for ``limit`` seconds in all for one request.

    A request without an answer is only sent again when it changes nothing or does the same twice.
    """

    def __init__(
        self,
        api: Api,
        limit: float = 60,
        pause: float = 1,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.api = api
        self.limit = limit
        self.pause = pause
        self.sleep = sleep
        self.clock = clock

    def request(self, request: Request) -> Answer:
        """The last answer, when none was better."""
        end = self.clock() + self.limit
        pause = self.pause
        while True:
            try:
                answer = self.api.request(request)
            except ConnectionError:
                if request.method == "POST" or self.clock() + pause > end:
                    raise
            else:
                if not passing(answer) or self.clock() + pause > end:
                    return answer
            self.sleep(pause)
            pause = min(pause * 2, 10)


#: What a poll asks of each node.
FIELDS = (
    "uuid", "name", "provision_state", "target_provision_state", "provision_updated_at", "power_state", "last_error",
    "maintenance", "maintenance_reason", "fault", "reservation", "inspection_finished_at", "retired", "protected",
    "instance_uuid",  # Ironic 35 answers 500 where allocation_uuid is asked for like this: nodes/detail has it
)  # fmt: skip


def listed(api: Api, path: str, key: str) -> Iterator[dict[str, Any]]:
    """All entries of a list, page by page. ``path`` may have a query.

    :raises BaremetalError: Ironic refuses to list, or the list does not end.
    :raises ConnectionError: Ironic cannot list now.
    """
    join = "&" if "?" in path else "?"
    marker = ""
    for _ in range(MOST_PAGES):
        asked = f"{path}{join}limit={PAGE}" + (f"&marker={marker}" if marker else "")
        answer = api.request(Request("GET", asked))
        # A node may be gone between two pages that was the last one of the first.
        if answer.status == 429 or answer.status >= 500 or (answer.status == 404 and marker):
            raise ConnectionError(f"GET {path}: {message(answer)}")
        if answer.status != 200 or not isinstance(answer.body, Mapping):
            raise BaremetalError(f"GET {path}: {message(answer)}")
        entries = answer.body.get(key) or []
        yield from entries
        if not entries or not answer.body.get("next"):
            return
        marker = quote(str(entries[-1]["uuid"]))
    raise BaremetalError(f"GET {path}: the list has no end after {MOST_PAGES} pages")


def nodes(api: Api) -> list[dict[str, Any]]:
    """All nodes with their details."""
    return list(listed(api, "/v1/nodes/detail", "nodes"))


def states(api: Api) -> list[dict[str, Any]]:
    """All nodes, with what a poll needs."""
    return list(listed(api, f"/v1/nodes?fields={','.join(FIELDS)}", "nodes"))


def lists(api: Api) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """All nodes, ports and port groups with their details: three requests up to a thousand of each."""
    return (
        nodes(api),
        list(listed(api, "/v1/ports/detail", "ports")),
        list(listed(api, "/v1/portgroups/detail", "portgroups")),
    )
