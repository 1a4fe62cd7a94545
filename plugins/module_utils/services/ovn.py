# SPDX-License-Identifier: Apache-2.0
"""OVN: the databases as a RAFT cluster from the first member on, so that more can join without a conversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import ovsdb, url_host
from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import Context


def remotes(context: Context, port: int) -> str:
    """``tcp:address:port`` of every member of the databases, as ovsdb clients want them."""
    return ",".join(ovsdb(address, port) for address in context.addresses("ovn", "api_internal", "central"))


def central_options(context: Context) -> str:
    """/etc/default/ovn-central (ovn-ctl(8), "clustered databases").

    The first member of cloud.yml starts the cluster and the others join it; ovn-ctl only looks at the remote address
    when the local database does not exist yet, so the order of the file decides nothing later on. ovn-ctl appends the
    ports to the addresses as they are.
    """
    address = url_host(context.address("api_internal"))
    members = [url_host(member) for member in context.addresses("ovn", "api_internal", "central")]
    options = [
        f"--db-nb-addr={address}",
        f"--db-sb-addr={address}",
        f"--db-nb-cluster-local-addr={address}",
        f"--db-sb-cluster-local-addr={address}",
        "--db-nb-create-insecure-remote=yes",
        "--db-sb-create-insecure-remote=yes",
        f"--ovn-northd-nb-db={remotes(context, 6641)}",
        f"--ovn-northd-sb-db={remotes(context, 6642)}",
    ]
    if members and members[0] != address:
        options += [f"--db-nb-cluster-remote-addr={members[0]}", f"--db-sb-cluster-remote-addr={members[0]}"]
    return f'# Made by Ozone.\nOVN_CTL_OPTS="{" ".join(options)}"\n'


def cloud_remotes(cloud: Mapping[str, Any], port: int) -> str:
    """Like ``remotes``, for a declaration: ``cloud`` is the host variable ``ozone_cloud``."""
    network = cloud["traffic"]["api_internal"]
    members = cloud["members"].get("ovn", {}).get("central", [])
    return ",".join(ovsdb(str(member["addresses"][network]), port) for member in members)


def chassis(
    node: Mapping[str, Any],
    cloud: Mapping[str, Any],
    datapath: str,
    physical_network: str,
    external_bridge: str,
    tunnel_bridge: str,
) -> dict[str, Any]:
    """How a node joins the virtual network.

    ``transaction``: the words of one ovs-vsctl(8) transaction. ``system-id`` is set here and in system-id.conf, or a
    restart of Open vSwitch would make a second chassis with the same tunnel address.
    ``files``: systemd.network(5) files.
    A bridge of the node's network configuration that carries the external network is used as it is, and so is one that
    has the tunnel address: nothing is added to it.
    With a tunnel bridge (the userspace datapath can only send tunnels out of a bridge of its own) they move the address
    from the interface to the bridge. With the userspace datapath they keep the interfaces of instances up: Open vSwitch
    reads the flags of a new tap, libvirt sets it up, Open vSwitch writes the flags back with PROMISC, and it is down.
    """
    address = node["addresses"][cloud["traffic"]["tunnel"]]
    network = node["subnets"][cloud["traffic"]["tunnel"]]
    external = node["interfaces"].get(cloud["traffic"]["external"], "")
    bridges = node.get("bridges", [])
    if external in bridges:
        external_bridge = external
    identifiers = {
        "system-id": node["name"],
        "hostname": node["name"],
        "ovn-remote": cloud_remotes(cloud, 6642),
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": address,
        "ovn-bridge-datapath-type": datapath,
    }
    if external:
        identifiers |= {
            "ovn-bridge-mappings": f"{physical_network}:{external_bridge}",
            "ovn-cms-options": "enable-chassis-as-gw",
        }
    lines = ["set Open_vSwitch . " + " ".join(f"external_ids:{key}={value}" for key, value in identifiers.items())]
    lines.append(f"--may-exist add-br br-int -- set Bridge br-int datapath_type={datapath} fail_mode=secure")
    if external:
        lines.append(f"--may-exist add-br {external_bridge} -- set Bridge {external_bridge} datapath_type={datapath}")
        if external != external_bridge:
            lines.append(f"--may-exist add-port {external_bridge} {external}")
    files: dict[str, dict[str, Any]] = {}
    static = "DHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"
    if datapath == "netdev":
        files["/etc/systemd/network/05-ozone-taps.network"] = {
            "component": "chassis",
            "content": "[Match]\nName=tap*\n[Link]\nActivationPolicy=always-up\nRequiredForOnline=no\n"
            f"[Network]\n{static}KeepMaster=yes\n",
        }
    port = node["interfaces"].get(cloud["traffic"]["tunnel"], "")
    if tunnel_bridge and port not in bridges:
        if not port:
            raise ValueError(
                f"the tunnel bridge {tunnel_bridge} of {node['name']} needs an interface whose name is known: say "
                f"which one in cloud.yml, `interfaces: {{{cloud['traffic']['tunnel']}: <name>}}`"
            )
        lines.append(f"--may-exist add-br {tunnel_bridge} -- set Bridge {tunnel_bridge} datapath_type={datapath}")
        lines.append(f"--may-exist add-port {tunnel_bridge} {port}")
        lines.append(f"set Interface {tunnel_bridge} mtu_request={network['mtu']}")
        files |= {
            f"/etc/systemd/network/05-{tunnel_bridge}.network": {
                "component": "chassis",
                "content": f"[Match]\nName={tunnel_bridge}\n[Network]\n{static}Address={address}/{network['prefix']}\n",
            },
            f"/etc/systemd/network/05-{tunnel_bridge}-port.network": {
                "component": "chassis",
                "content": f"[Match]\nName={port}\n[Link]\nMTUBytes={network['mtu']}\n[Network]\n{static}",
            },
        }
    return {"transaction": " --\n".join(lines) + "\n", "files": files}
