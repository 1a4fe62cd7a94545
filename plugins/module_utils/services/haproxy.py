# SPDX-License-Identifier: Apache-2.0
"""HAProxy: one front end for each that a service of the cloud declares, TLS ended here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import host_port
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context

CERTIFICATE = "/etc/haproxy/ozone.pem"
SOCKET = "/run/haproxy/admin.sock"

#: A member that comes back serves again within two seconds; one that goes is left out after as many.
_CHECK = "check inter 2s fastinter 500ms downinter 1s rise 2 fall 3"

_HEAD = """# Made by Ozone.
global
    log /dev/log local0
    stats socket {socket} mode 0600 level admin
    user haproxy
    group haproxy
    maxconn {max_connections}
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256
    ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384

defaults
    log global
    option dontlognull
    option redispatch
    retries 3
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout check 5s
    timeout http-request 30s
    timeout http-keep-alive 10s
    timeout queue 60s
"""


def certificate(context: Context) -> str:
    """Certificate chain and key in one file, as HAProxy wants them."""
    return context.certificate("haproxy")


def _front_end(name: str, spec: Mapping[str, Any], context: Context) -> list[str]:
    tcp = spec["mode"] == "tcp"
    binds = [context.database_address()] if tcp else addresses(spec, context.cloud)
    lines = [f"listen {name}", f"    mode {spec['mode']}"]
    for address in binds:
        tls = "" if tcp else f" ssl crt {CERTIFICATE} alpn http/1.1"
        lines.append(f"    bind {host_port(address, int(spec['port']))}{tls}")
    if tcp:
        lines += ["    option tcplog", "    timeout client 3600s", "    timeout server 3600s", "    balance first"]
    else:
        lines += [
            "    option httplog",
            # The only log of requests: it has the address of the client and the id with which the service answers.
            "    capture response header X-Openstack-Request-Id len 64",
            # A proxy of web sockets serves files, and reports a check that does not read all of one.
            f"    option httpchk {'HEAD' if spec.get('tunnel') else 'GET'} {spec.get('check') or '/'}",
            "    http-check expect rstatus ^(2|3|401)",
            "    http-request set-header X-Forwarded-Proto https",
            "    option forwardfor",
        ]
        if spec.get("tunnel"):
            lines.append("    timeout tunnel 3600s")
    network = context.network("database" if tcp else "api_internal")
    for position, member in enumerate(context.members(spec["service"], spec["component"])):
        backup = " backup" if spec.get("single_writer") and position else ""
        target = host_port(member["addresses"][network], int(spec["backend_port"]))
        lines.append(f"    server {member['name']} {target} {_CHECK}{backup}")
    return lines


def addresses(spec: Mapping[str, Any], cloud: Mapping[str, Any]) -> list[str]:
    """The virtual addresses of an HTTP front end."""
    vips = cloud["vips"]
    return sorted({vips["api_internal"], *([vips["api_public"]] if spec.get("public") else [])})


def checks(cloud: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A health check for each address of each HTTP front end: a reload that cannot bind keeps the old ones."""
    return [
        {
            "type": "tcp",
            "name": f"{name} answers at {address}",
            "unit": "haproxy.service",
            "host": address,
            "port": int(spec["port"]),
        }
        for name, spec in sorted(cloud["front_ends"].items())
        if spec["mode"] != "tcp"
        for address in addresses(spec, cloud)
    ]


def config(context: Context, max_connections: int = 8000) -> str:
    """The whole haproxy.cfg. A single database member is reached directly: its front end would only be a detour."""
    blocks = [_HEAD.format(max_connections=max_connections, socket=SOCKET)]
    for name, spec in sorted(context.cloud["front_ends"].items()):
        if spec["mode"] == "tcp" and len(context.members(spec["service"], spec["component"])) < 2:
            continue
        blocks.append("\n".join(_front_end(name, spec, context)) + "\n")
    return "\n".join(blocks)
