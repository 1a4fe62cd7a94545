# SPDX-License-Identifier: Apache-2.0
"""Whether BMCs answer: asked by the node that Ironic runs on, because that is who has to reach them.

Ironic notices a BMC that is gone only when it needs it, and then waits for it. The root of a Redfish service answers
without a login (DSP0266), so that no secret is needed to look. Nothing but the standard library: it runs on a node.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

#: BMCs that are asked at once.
AT_ONCE = 50

#: Fetches a URL within a number of seconds.
Fetch = Callable[[str, ssl.SSLContext | None, float], bytes]


def fetch(url: str, context: ssl.SSLContext | None, seconds: float) -> bytes:
    """The first part of what is at ``url``; no proxy is asked."""
    handlers: list[Any] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    with urllib.request.build_opener(*handlers).open(url, timeout=seconds) as answer:
        return bytes(answer.read(65536))


def trust(verify_ca: bool | str) -> ssl.SSLContext:
    """How a certificate is checked, in the words of Ironic's ``redfish_verify_ca``."""
    context = ssl.create_default_context(cafile=verify_ca if isinstance(verify_ca, str) else None)
    if verify_ca is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def look(bmc: Mapping[str, Any], seconds: float, get: Fetch = fetch) -> dict[str, Any]:
    """One BMC: ``trouble`` is empty when it answers as one does."""
    address = str(bmc["address"])
    started = time.monotonic()
    trouble = ""
    try:
        context = trust(bmc.get("verify_ca", True)) if address.startswith("https:") else None
        root = json.loads(get(f"{address}/redfish/v1/", context, seconds))
        if not isinstance(root, dict) or "Systems" not in root:
            trouble = "answers, but not as Redfish"
    except urllib.error.HTTPError as error:
        trouble = f"answers with {error.code} {error.reason}"
    except urllib.error.URLError as error:
        trouble = f"does not answer: {error.reason}"
    except ValueError:
        trouble = "answers, but not as Redfish"
    except OSError as error:
        trouble = f"does not answer: {error}"
    return {"name": bmc["name"], "trouble": trouble, "seconds": round(time.monotonic() - started, 2)}


def look_at_all(bmcs: Sequence[Mapping[str, Any]], seconds: float, get: Fetch = fetch) -> list[dict[str, Any]]:
    """All of them at once: one that does not answer delays no other."""
    if not bmcs:
        return []
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(bmcs))) as pool:
        return list(pool.map(lambda bmc: look(bmc, seconds, get), bmcs))
