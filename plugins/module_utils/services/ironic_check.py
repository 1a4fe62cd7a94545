# SPDX-License-Identifier: Apache-2.0
"""Asks Ironic and its image store on this node whether they work. Runs on the node, with Python's standard library.

    ozone-ironic-check /etc/ozone/ironic/check.json

Exit code 0: the API answers over TLS, asks for a login and takes it; this node's conductor is alive and serves the
hardware types that it should; the image store answers. Else 1, with what is wrong on standard error.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

#: Seconds for one request: all of them end within the limit of a health check.
TIMEOUT = 3
#: The first microversion that tells of conductors.
VERSION = "1.49"


def ask(url: str, access: dict[str, Any], login: bool) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    request = urllib.request.Request(url, headers={"X-OpenStack-Ironic-API-Version": VERSION})  # noqa: S310 -- https
    if login:
        words = f"{access['user']}:{access['password']}".encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(words).decode())
    context = ssl.create_default_context(cafile=access["cafile"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            body = answer.read()
            return answer.status, json.loads(body) if "json" in answer.headers.get("Content-Type", "") else None
    except urllib.error.HTTPError as error:
        return error.code, None


def problems(access: dict[str, Any]) -> list[str]:
    """What is wrong, in sentences."""
    api, found = access["url"], []
    status, _ = ask(f"{api}/v1/nodes?limit=1", access, login=False)
    if status >= 500:
        return [f"{api}: status {status}"]
    if status != 401:
        found.append(f"{api} does not ask for a login")
    status, body = ask(f"{api}/v1/conductors", access, login=True)
    if status != 200:
        return [*found, f"{api}/v1/conductors: status {status} with the login of {access['user']}"]
    # With its embedded database Ironic writes down no heartbeats, so that a conductor is never "alive" for long.
    alive = [entry["hostname"] for entry in body["conductors"] if entry["alive"] or not access["heartbeats"]]
    if access["conductor"] not in alive:
        found.append(f"the conductor {access['conductor']} is not alive (alive: {', '.join(alive) or 'none'})")
    status, body = ask(f"{api}/v1/drivers", access, login=True)
    served = {entry["name"] for entry in body["drivers"]} if status == 200 else set()
    missing = [name for name in access["hardware_types"] if name not in served]
    if missing:
        found.append(f"no conductor serves the hardware types {', '.join(missing)}")
    for name in (name for name in access["hardware_types"][:1] if name in served):
        status, _ = ask(f"{api}/v1/drivers/{name}/properties", access, login=True)
        if status != 200:  # the API asks a conductor for this
            found.append(f"no conductor answers about the hardware type {name}: status {status}")
    status, _ = ask(f"{access['store']}/", access, login=False)
    if status != 200:
        found.append(f"the image store {access['store']}: status {status}")
    return found


def main(path: str) -> int:
    """Entry point; ``path`` is the file that says where Ironic is."""
    try:
        found = problems(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        found = [str(error)]
    for line in found:
        sys.stderr.write(f"{line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
