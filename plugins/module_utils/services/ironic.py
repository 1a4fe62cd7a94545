# SPDX-License-Identifier: Apache-2.0
"""Ironic without Keystone: the undercloud, and the image store beside it.

Ironic itself and its API are one process, which listens on the loopback address only. nginx ends TLS in front of it, on
the node's address in the provisioning network, and serves the images and the virtual media there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils import endpoint
from ansible_collections.ozone.openstack.plugins.module_utils.derived import bcrypt_hash
from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import host_port
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import (
    CA_FILE,
    Context,
    DeclarationError,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.oslo import Sections

SERVICE = "ironic"
TRAFFIC = "provisioning"

#: The one account of the API, and that with which conductors call each other.
USER, RPC_USER = "ozone", "conductor"

#: The first release whose conductors call each other over TLS.
SEVERAL_SINCE = "2025.2"

#: Ports: of the API, of the image store, of the store's part that a BMC without TLS needs; all in nginx.
API, STORE, PLAIN = 6385, 8089, 8088
#: Ports of Ironic itself.
API_BACKEND, RPC = 16385, 18089

#: Images: nginx serves them, Ironic reads the ramdisk there. Helpers of the deployment host put them there.
IMAGES = "/var/lib/ozone/images"
#: What Ironic writes and nginx serves: virtual media.
HTTP_ROOT = "/var/lib/ironic/http"
PROXY = "/var/lib/ozone/ironic-proxy"
CERTIFICATE = "/etc/ozone/ironic/tls.pem"
CHECK_TOOL = "/usr/lib/ozone/ozone-ironic-check"

#: The interfaces of Ironic that may be used; the first one is the default where a hardware type has several.
INTERFACES: dict[str, list[str]] = {
    "bios": ["no-bios", "redfish"],
    "boot": ["redfish-virtual-media"],
    "console": ["no-console"],
    "deploy": ["direct"],
    "firmware": ["no-firmware", "redfish"],
    "inspect": ["agent", "redfish", "no-inspect"],
    "network": ["noop"],
    "raid": ["no-raid", "redfish", "agent"],
    "rescue": ["agent", "no-rescue"],
    "storage": ["noop"],
    "vendor": ["no-vendor", "redfish"],
}
#: Those whose default is not left to the hardware type: nothing is done to BIOS, firmware and RAID unasked.
DEFAULTS = ("bios", "firmware", "inspect", "raid", "rescue", "vendor")


def members(cloud: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The nodes that run Ironic, in the order of cloud.yml."""
    return list(cloud.get("members", {}).get(SERVICE, {}).get("main", []))


def address(cloud: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """The address of a node in the provisioning network."""
    network = cloud["traffic"][TRAFFIC]
    try:
        return str(node["addresses"][network])
    except KeyError:
        raise DeclarationError(
            f"node {node['name']} has no address on network {network}, which carries {TRAFFIC}"
        ) from None


def url(cloud: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """The API of a node."""
    return endpoint.url("https", address(cloud, node), API)


def store(cloud: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """The image store of a node."""
    return endpoint.url("https", address(cloud, node), STORE)


def group(cloud: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """The conductor group of a node's site. A conductor serves the machines of its own group, and no others."""
    return str(cloud.get("conductor_groups", {}).get(node["site"], ""))


def _problems(cloud: Mapping[str, Any], database: str) -> list[str]:
    """What does not go together."""
    found: list[str] = []
    count = len(members(cloud))
    if database == "mariadb" and not cloud["members"].get("mariadb", {}).get("main"):
        found.append("ironic_database: no node runs mariadb; add it to a profile, or set ironic_database to embedded")
    if database == "embedded" and count > 1:
        remedy = "set ironic_database to mariadb, and add mariadb to a profile"
        found.append(f"ironic_database: {count} nodes run ironic, and the embedded database serves one; {remedy}")
    if count > 1 and str(cloud["release"]) < SEVERAL_SINCE:
        found.append(
            f"release: several nodes with ironic need {SEVERAL_SINCE}: before, conductors have no TLS of their own"
        )
    served = {group(cloud, member) for member in members(cloud)}
    lost = {node["site"] for node in cloud.get("nodes", []) if node["managed"] and group(cloud, node) not in served}
    for name in sorted(lost):
        wanted = group(cloud, {"site": name})
        remedy = "let a node run ironic whose site has the same conductor_group, or none for both"
        found.append(f"sites.{name}: no conductor of group {wanted!r} serves its machines; {remedy}")
    return found


def site(
    node: Mapping[str, Any],
    cloud: Mapping[str, Any],
    database: str,
    interfaces: Mapping[str, Sequence[str]],
    plain_media: bool,
) -> dict[str, Any]:
    """What Ironic on a node takes from the whole cloud: ``url``, ``store``, ``several`` and ``options``.

    ``options`` are sections of ironic.conf. Several conductors talk over JSON-RPC.

    :raises DeclarationError: the database does not fit the cloud, or nobody serves the machines of a site.
    """
    problems = _problems(cloud, database)
    problems += [
        f"ironic_interfaces: {kind}: write a list of names: [{names}]"
        for kind, names in interfaces.items()
        if isinstance(names, str)
    ]
    if problems:
        raise DeclarationError("\n".join(problems))
    own = address(cloud, node)
    here, images = url(cloud, node), store(cloud, node)
    several = len(members(cloud)) > 1
    enabled = {
        kind: [*names, *(n for n in interfaces.get(kind, ()) if n not in names)] for kind, names in INTERFACES.items()
    }
    enabled |= {kind: list(names) for kind, names in interfaces.items() if kind not in INTERFACES}
    options: Sections = {
        "DEFAULT": {
            # Other conductors call this one by its name of a host: an address needs no name resolution.
            "host": own if several else node["name"],
            "my_ip": own,
            "rpc_transport": "json-rpc" if several else "none",
            **{f"enabled_{kind}_interfaces": names for kind, names in sorted(enabled.items())},
            **{f"default_{kind}_interface": INTERFACES[kind][0] for kind in DEFAULTS},
        },
        "api": {"host_ip": "127.0.0.1", "port": API_BACKEND, "public_endpoint": here},
        "conductor": {"conductor_group": group(cloud, node)},
        "deploy": {"http_url": images, "http_root": HTTP_ROOT},
        "service_catalog": {"auth_type": "none", "endpoint_override": here},
    }
    if plain_media:
        options["deploy"]["external_http_url"] = endpoint.url("http", own, PLAIN)
    if database == "embedded":
        # Seconds for which a writer waits for another one: all nodes write to one file.
        options["database"] = {"connection": "sqlite:////var/lib/ironic/database/ironic.sqlite?timeout=60"}
    if several:
        options["json_rpc"] = {
            "auth_strategy": "http_basic",
            "http_basic_auth_user_file": "/etc/ironic/htpasswd-rpc",
            "host_ip": own,
            "port": RPC,
            "use_ssl": True,
            "cert_file": "/etc/ironic/tls.pem",
            "key_file": "/etc/ironic/tls.pem",
            "client_use_ssl": True,
            "auth_type": "http_basic",
            "username": RPC_USER,
            "cafile": CA_FILE,
        }
    return {"url": here, "store": images, "several": several, "options": options}


def certificate(context: Context) -> str:
    """Certificate chain and key in one file."""
    return context.certificate(SERVICE)


def users(context: Context, rpc: bool = False) -> str:
    """The htpasswd file of the API, or of the calls among conductors."""
    user, secret = (RPC_USER, "ironic_rpc_password") if rpc else (USER, "ironic_api_password")
    return f"{user}:{bcrypt_hash(str(context.secret(secret)), user)}\n"


def boot_menu(context: Context) -> str:
    """What GRUB does on the virtual medium: Ironic's own template would wait five seconds for somebody to choose."""
    return "set default=0\nset timeout=0\nlinux {{ linux }} {{ kernel_params }} --\ninitrd {{ initrd }}\nboot\n"


def check_access(context: Context, hardware_types: Sequence[str], database: str) -> str:
    """What ``ironic_check.py`` has to know; it holds the password. ``database``: as ``ironic_database``."""
    several = len(members(context.cloud)) > 1
    own = context.address(TRAFFIC)
    return (
        json.dumps(
            {
                "url": url(context.cloud, context.node),
                "store": store(context.cloud, context.node),
                "user": USER,
                "password": context.secret("ironic_api_password"),
                "cafile": CA_FILE,
                # Ironic adds the port to the name by which the others call it.
                "conductor": host_port(own, RPC) if several else context.node["name"],
                "heartbeats": database != "embedded",
                "hardware_types": list(hardware_types),
            },
            indent=2,
        )
        + "\n"
    )


def check_tool(context: Context) -> str:
    """The text of ``ironic_check.py``."""
    return Path(__file__).with_name("ironic_check.py").read_text(encoding="utf-8")


def schema_tool(context: Context) -> str:
    """The text of ``ironic_schema.py``."""
    return Path(__file__).with_name("ironic_schema.py").read_text(encoding="utf-8")


_PROXY = """# Made by Ozone.
worker_processes auto;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log syslog:server=unix:/dev/log,tag=ozone_ironic_proxy,nohostname;
    server_tokens off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {proxy}/body;
    proxy_temp_path {proxy}/proxy;
    fastcgi_temp_path {proxy}/fastcgi;
    uwsgi_temp_path {proxy}/uwsgi;
    scgi_temp_path {proxy}/scgi;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_tickets off;

    # The API. A config drive may have 64 MiB, as in Ironic.
    server {{
        listen {api} ssl;
        client_max_body_size 64m;
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_connect_timeout 5s;
            proxy_read_timeout 300s;
            proxy_send_timeout 300s;
        }}
    }}

    # The image store.
    server {{
        listen {store} ssl;
        root {images};
        location = / {{ default_type text/plain; return 200 "Image store of Ozone\\n"; }}
        location / {{ limit_except GET {{ deny all; }} }}
        location /agent_images/ {{ root {media}; limit_except GET {{ deny all; }} }}
        location /redfish/ {{ root {media}; limit_except GET {{ deny all; }}{clients} }}
    }}
"""
_PLAIN = """
    # Virtual media for BMCs that cannot fetch them over TLS.
    server {{
        listen {plain};
        location / {{ return 404; }}
        location /redfish/ {{ root {media}; limit_except GET {{ deny all; }}{clients} }}
    }}
"""


def media_clients(clients: Sequence[str]) -> str:
    """Who may read virtual media, in nginx's words: all, where nobody is named.

    :raises DeclarationError: one is neither an IP address nor a network.
    """
    problems, said = [], ""
    for client in clients:
        try:
            said += f" allow {ip_network(client)};"
        except ValueError as error:
            problems.append(f"ironic_virtual_media_clients: {error}; name the IP addresses or networks of BMCs")
    if problems:
        raise DeclarationError("\n".join(problems))
    return f"{said} deny all;" if said else ""


def proxy(context: Context, plain_media: bool = False, media_from: Sequence[str] = ()) -> str:
    """The configuration of nginx."""
    own = context.address(TRAFFIC)
    values = {
        "proxy": PROXY,
        "certificate": CERTIFICATE,
        "images": IMAGES,
        "media": HTTP_ROOT,
        "backend": API_BACKEND,
        "api": host_port(own, API),
        "store": host_port(own, STORE),
        "plain": host_port(own, PLAIN),
        "clients": media_clients(media_from),
    }
    return _PROXY.format(**values) + (_PLAIN.format(**values) if plain_media else "") + "}\n"
