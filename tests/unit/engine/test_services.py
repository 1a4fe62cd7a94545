# SPDX-License-Identifier: Apache-2.0
"""Files of infrastructure services that are computed from the whole cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils.generation.context import DeclarationError
from ansible_collections.ozone.openstack.plugins.module_utils.services import BUILDERS, mariadb, neutron, node, ovn
from ansible_collections.ozone.openstack.plugins.module_utils.services.keystone import key_files

#: Files that only a service's own container sees, or that hold a key.
CLEAR = ("haproxy_certificate", "keystone_database_login")


@pytest.mark.parametrize("name", sorted(n for n in BUILDERS if n not in CLEAR and "ironic" not in n))
def test_no_builder_writes_a_secret_in_clear(make_context: Any, name: str) -> None:
    text = BUILDERS[name](make_context(members=3))
    assert text.endswith("\n")
    assert "secret-of" not in text


def test_accounts_are_idempotent_statements(make_context: Any) -> None:
    lines = mariadb.accounts(make_context()).splitlines()
    assert "CREATE DATABASE IF NOT EXISTS `nova_cell0` CHARACTER SET utf8mb4;" in lines
    assert not [line for line in lines if "DROP" in line]


def test_a_name_cannot_carry_sql(make_context: Any) -> None:
    context = make_context()
    context.cloud["databases"]["x`; DROP"] = ["x"]
    with pytest.raises(ValueError, match="is no name"):
        mariadb.accounts(context)


def test_galera_only_with_several_members(make_context: Any) -> None:
    assert "wsrep" not in mariadb.config(make_context(members=1))
    assert "gcomm://198.18.9.11,198.18.9.12,198.18.9.13" in mariadb.config(make_context(members=3))


def test_haproxy_ends_tls_on_both_virtual_addresses(make_context: Any) -> None:
    text = BUILDERS["haproxy_config"](make_context())
    assert "bind 198.18.9.5:5000 ssl crt" in text
    assert "bind 198.18.11.5:5000 ssl crt" in text
    assert "listen mariadb" not in text


def test_haproxy_logs_each_request_with_the_id_of_the_answer(make_context: Any) -> None:
    blocks = BUILDERS["haproxy_config"](make_context(members=3)).split("\nlisten ")[1:]
    for block in blocks:
        http = "mode http" in block
        assert ("    option httplog\n    capture response header X-Openstack-Request-Id len 64\n" in block) == http


def test_haproxy_reads_no_body_of_what_serves_files(make_context: Any) -> None:
    context = make_context()
    context.cloud["front_ends"]["keystone_api"]["tunnel"] = True
    assert "option httpchk HEAD /healthcheck" in BUILDERS["haproxy_config"](context)
    assert "option httpchk GET /healthcheck" in BUILDERS["haproxy_config"](make_context())


def test_haproxy_sends_writes_to_one_database_member(make_context: Any) -> None:
    text = BUILDERS["haproxy_config"](make_context(members=3))
    block = text[text.index("listen mariadb") :]
    assert "bind 198.18.9.5:3306\n" in block
    assert block.count("backup") == 2


def test_definitions_give_each_service_its_own_virtual_host(make_context: Any) -> None:
    document = json.loads(BUILDERS["rabbitmq_definitions"](make_context()))
    assert [user["name"] for user in document["users"]] == ["neutron", "nova"]
    assert {vhost["default_queue_type"] for vhost in document["vhosts"]} == {"quorum"}


def test_rabbitmq_listens_on_its_own_network_only(make_context: Any) -> None:
    context = make_context(members=3)
    environment = BUILDERS["rabbitmq_environment"](context)
    assert 'SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {198,18,9,11}"' in environment
    assert 'CTL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"' in environment
    assert '{host, {198,18,9,11}, ["c1", "c1.test.ozone.test"]}.' in BUILDERS["rabbitmq_names"](context)
    assert BUILDERS["rabbitmq_port_mapper"](context).splitlines()[2:5] == [
        "ListenStream=", "ListenStream=127.0.0.1:4369", "ListenStream=198.18.9.11:4369",
    ]  # fmt: skip


def test_rabbitmq_over_ipv6(make_context: Any) -> None:
    context = make_context()
    context.node["addresses"]["internal"] = "fd00::9:11"
    assert "-proto_dist inet6_tcp -kernel inet_dist_use_interface {64768,0,0,0,0,0,9,17}" in BUILDERS[
        "rabbitmq_environment"
    ](context)
    assert "{inet6, true}." in BUILDERS["rabbitmq_names"](context)
    assert "ListenStream=[fd00::9:11]:4369" in BUILDERS["rabbitmq_port_mapper"](context)
    assert "listeners.tcp.1 = fd00::9:11:5672\n" in BUILDERS["rabbitmq_config"](context)


def test_a_member_that_joins_changes_nothing_that_a_member_has_read(make_context: Any) -> None:
    for builder in ("rabbitmq_environment", "rabbitmq_names", "rabbitmq_port_mapper"):
        assert BUILDERS[builder](make_context()) == BUILDERS[builder](make_context(members=3))


def test_hosts_does_not_list_every_node(make_context: Any) -> None:
    text = BUILDERS["node_hosts"](make_context(members=3))
    assert "198.18.9.12 c2.test.ozone.test c2" in text
    assert "compute" not in text


def test_databases_are_a_cluster_from_the_first_member_on(make_context: Any) -> None:
    first = ovn.central_options(make_context(members=3))
    assert "--db-nb-cluster-local-addr=198.18.9.11" in first
    assert "remote-addr" not in first


def test_a_chassis_with_a_tunnel_bridge(make_context: Any) -> None:
    context = make_context()
    result = ovn.chassis(context.node, context.cloud, "netdev", "physnet1", "br-ex", "br-tun")
    words = result["transaction"].split()
    assert "external_ids:system-id=c1" in words
    assert words[words.index("add-port") + 1 :][:2] == ["br-ex", "eth3"]
    assert "Address=198.18.10.11/24" in result["files"]["/etc/systemd/network/05-br-tun.network"]["content"]
    assert all("DHCP=no" in file["content"] for file in result["files"].values())


def test_interfaces_of_instances_are_kept_up_in_userspace(make_context: Any) -> None:
    context = make_context()
    files = ovn.chassis(context.node, context.cloud, "netdev", "physnet1", "br-ex", "")["files"]
    assert "ActivationPolicy=always-up" in files["/etc/systemd/network/05-ozone-taps.network"]["content"]


def test_a_chassis_without_an_external_interface_is_no_gateway(make_context: Any) -> None:
    context = make_context()
    del context.node["interfaces"]["external"]
    result = ovn.chassis(context.node, context.cloud, "system", "physnet1", "br-ex", "")
    assert "enable-chassis-as-gw" not in result["transaction"]
    assert result["files"] == {}


def test_a_bridge_of_the_network_configuration_is_used_as_it_is(make_context: Any) -> None:
    context = make_context()
    context.node["interfaces"] |= {"external": "br-provider", "tunnel": "br-vxlan"}
    context.node["bridges"] = ["br-provider", "br-vxlan"]
    result = ovn.chassis(context.node, context.cloud, "netdev", "physnet1", "br-ex", "br-tun")
    assert "external_ids:ovn-bridge-mappings=physnet1:br-provider" in result["transaction"]
    assert "add-port" not in result["transaction"]
    assert list(result["files"]) == ["/etc/systemd/network/05-ozone-taps.network"]


def test_a_tunnel_bridge_needs_an_interface_with_a_known_name(make_context: Any) -> None:
    context = make_context()
    del context.node["interfaces"]["tunnel"]
    with pytest.raises(ValueError, match=r"interfaces: \{tunnel: <name>\}"):
        ovn.chassis(context.node, context.cloud, "netdev", "physnet1", "br-ex", "br-tun")


def test_databases_of_ovn_over_ipv6(make_context: Any) -> None:
    context = make_context(members=3)
    for number, member in enumerate(context.cloud["members"]["ovn"]["central"], start=1):
        member["addresses"]["internal"] = f"fd00:9::{number}"
    context.node["addresses"]["internal"] = "fd00:9::2"
    options = ovn.central_options(context)
    assert "--db-nb-addr=[fd00:9::2] --db-sb-addr=[fd00:9::2] --db-nb-cluster-local-addr=[fd00:9::2]" in options
    assert "--ovn-northd-sb-db=tcp:[fd00:9::1]:6642,tcp:[fd00:9::2]:6642,tcp:[fd00:9::3]:6642" in options
    assert "--db-sb-cluster-remote-addr=[fd00:9::1]" in options
    assert ovn.cloud_remotes(context.cloud, 6641).startswith("tcp:[fd00:9::1]:6641,")


def test_galera_over_ipv6(make_context: Any) -> None:
    context = make_context(members=2)
    for number, member in enumerate(context.cloud["members"]["mariadb"]["main"], start=1):
        member["addresses"]["internal"] = f"fd00:9::{number}"
    context.node["addresses"]["internal"] = "fd00:9::1"
    lines = mariadb.config(context).splitlines()
    assert "bind-address = fd00:9::1" in lines
    assert "wsrep_cluster_address = gcomm://[fd00:9::1],[fd00:9::2]" in lines
    assert "wsrep_node_address = [fd00:9::1]" in lines
    assert "wsrep_provider_options = gmcast.listen_addr=tcp://[fd00:9::1]:4567" in lines


def mtu_of(options: dict[str, Any], physical_network: str = "") -> int:
    """The MTU of a virtual network, or of a provider network, as Neutron computes it from its options.

    ``get_mtu`` of neutron.plugins.ml2.drivers.type_tunnel, type_geneve, type_flat and type_vlan, Neutron 26 to 28.
    """
    if physical_network:
        own = options["physical_network_mtus"].get(physical_network, options["global_physnet_mtu"])
        return int(min(options["global_physnet_mtu"], own))
    header = {4: 20, 6: 40}[options["overlay_ip_version"]]
    return int(min(options["global_physnet_mtu"], options["path_mtu"]) - header - 38)


@pytest.mark.parametrize(
    ("tunnel", "cidr", "external", "virtual", "provider"),
    [
        (1500, "198.18.10.0/24", 1500, 1442, 1500),
        (1400, "198.18.10.0/24", None, 1342, 1500),
        (1400, "fd00:10::/64", 1500, 1322, 1500),
        (9000, "198.18.10.0/24", 1500, 8942, 1500),
        (9000, "fd00:10::/64", 9216, 8922, 9216),
        (1558, "198.18.10.0/24", 1400, 1500, 1400),
    ],
)
def test_the_mtu_of_virtual_networks(tunnel: int, cidr: str, external: int | None, virtual: int, provider: int) -> None:
    cloud: dict[str, Any] = {
        "traffic": {"tunnel": "tunnel"},
        "networks": {"tunnel": {"mtu": tunnel, "subnets": {"main": {"cidr": cidr}}}},
    }
    if external:
        cloud["traffic"]["external"] = "external"
        cloud["networks"]["external"] = {"mtu": external, "subnets": {}}
    options = neutron.underlay(cloud, ["physnet1"], ["physnet2:100:199", "physnet3"])
    assert mtu_of(options) == virtual
    for name in ("physnet1", "physnet2", "physnet3"):
        assert mtu_of(options, name) == provider


def test_key_files() -> None:
    assert key_files({"1": "b", "0": "a"}, "keys") == {
        "keys/0": {"content": "a", "mode": "0640"}, "keys/1": {"content": "b", "mode": "0640"},
    }  # fmt: skip


#: What arrives was tried with my_print_defaults and mariadbd of MariaDB 11.8.
MARIADB = [
    (True, "ON"), (False, "OFF"), ("ON", "ON"), ("off", "OFF"), ("yes", "ON"), ("True", "ON"), (7, "7"), (2.5, "2.5"),
    ("16M", "16M"), ("", '""'), ("a b", "a b"), (" a", '" a"'), ("SET NAMES utf8 # x", '"SET NAMES utf8 # x"'),
    ("C:\\\\x", '"C:\\\\\\\\x"'), ('say "x"', '"say \\"x\\""'), ("it's", '"it\'s"'), ("a\nb\tc", '"a\\nb\\tc"'),
    (["STRICT_ALL_TABLES", "ANSI"], "STRICT_ALL_TABLES,ANSI"),
    (["a#b", 1], '"a#b,1"'), ("50E3", "50E3"), ("0x10", "0x10"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "written"), MARIADB)
def test_options_of_mariadb(make_context: Any, value: Any, written: str) -> None:
    text = mariadb.operator_options(make_context(), {"event_scheduler": value, "left_out": None})
    assert text.splitlines()[1:] == ["[mariadbd]", f"event_scheduler = {written}"]


def test_options_of_mariadb_that_know_other_words(make_context: Any) -> None:
    text = mariadb.operator_options(make_context(), {"updatable_views_with_limit": False, "secure-timestamp": "yes"})
    assert text.splitlines()[2:] == ["secure-timestamp = YES", "updatable_views_with_limit = NO"]


@pytest.mark.parametrize("options", [{"a b": 1}, {"x\n[client]": 1}, {"x": {"y": 1}}, {"x": [[1]]}, {"": 1}])
def test_options_of_mariadb_that_are_none(make_context: Any, options: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="mariadb_options: "):
        mariadb.operator_options(make_context(), options)


def test_kernel_parameters(make_context: Any) -> None:
    values = {
        "vm.swappiness": 10, "net.ipv4.ip_forward": True, "net.ipv6.conf.eth0/100.forwarding": "off",
        "net.ipv4.tcp_rmem": [4096, 87380, "6291456"], "kernel.core_pattern": "|/bin/x %p", "left.out": None,
        "net.ipv6.ip_nonlocal_bind": None, "net.ipv4.ip_nonlocal_bind": "no",
    }  # fmt: skip
    assert node.kernel_parameters(make_context(), values).splitlines()[1:] == [
        "kernel.core_pattern = |/bin/x %p", "net.ipv4.ip_forward = 1", "net.ipv4.ip_nonlocal_bind = 0",
        "net.ipv4.tcp_rmem = 4096 87380 6291456", "net.ipv6.conf.eth0/100.forwarding = 0", "vm.swappiness = 10",
    ]  # fmt: skip
    assert "net.ipv6.ip_nonlocal_bind = 1" in node.kernel_parameters(make_context())


@pytest.mark.parametrize("values", [{"a b": 1}, {"x": ""}, {"x": "1\ny = 2"}, {"x": {"y": 1}}])
def test_kernel_parameters_that_are_none(make_context: Any, values: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="node_sysctl: "):
        node.kernel_parameters(make_context(), values)
