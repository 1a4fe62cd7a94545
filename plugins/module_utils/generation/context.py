# SPDX-License-Identifier: Apache-2.0
"""What a declaration is rendered against: the cloud and the node of cloud.yml, and nothing else.

No fact of a live machine is in it: two runs on the same file give the same generations, whichever nodes answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.endpoint import MEMCACHED, memcached, url
from ansible_collections.ozone.openstack.plugins.module_utils.generation.option_data import OptionData

#: The cloud's certificate authority, as every node and container sees it.
CA_FILE = "/etc/ozone/ca.pem"


class DeclarationError(ValueError):
    """A declaration, or an override of it, that cannot be rendered. The message names service, key and remedy."""


@dataclass(frozen=True)
class Context:
    """One node of one cloud.

    ``cloud`` and ``node`` are the host variables ``ozone_cloud`` and ``ozone_node``; ``overrides`` is what the operator
    overrides for the service; ``images`` the index of built images; ``secret`` gives a secret by its name;
    ``certificate`` the PEM text of a certificate with its key by its name, or of the authority (``ca``); ``options``
    what is known of the options of a configuration file, by image and file. It comes with the image, so that every
    deployment host renders the same. In ``overrides``, secrets have been put in already.
    """

    cloud: Mapping[str, Any]
    node: Mapping[str, Any]
    images: Mapping[str, Any]
    secret: Callable[[str], Any]
    certificate: Callable[[str], str]
    overrides: Mapping[str, Any] = field(default_factory=dict)
    options: Callable[[str, str], OptionData | None] = lambda image, file: None

    def network(self, traffic: str) -> str:
        """Name of the network that a kind of traffic uses."""
        return str(self.cloud["traffic"][traffic])

    def address(self, traffic: str) -> str:
        """This node's address for a kind of traffic.

        :raises DeclarationError: the node has no address on that network.
        """
        network = self.network(traffic)
        try:
            return str(self.node["addresses"][network])
        except KeyError:
            raise DeclarationError(
                f"node {self.node['name']} has no address on network {network}, which carries {traffic}"
            ) from None

    def members(self, service: str, component: str = "main") -> list[Mapping[str, Any]]:
        """The nodes that run a component, in the order of cloud.yml; empty when the cloud does not have it."""
        return list(self.cloud["members"].get(service, {}).get(component, []))

    def addresses(self, service: str, traffic: str, component: str = "main") -> list[str]:
        """Addresses of all members of a component, for one kind of traffic."""
        return [str(member["addresses"][self.network(traffic)]) for member in self.members(service, component)]

    def has(self, component: str) -> bool:
        """Whether this node runs ``service`` or ``service.component``."""
        service, _, part = component.partition(".")
        return service in self.node["services"] and (not part or part in self.node["services"][service])

    def url(self, front_end: str, interface: str = "internal") -> str:
        """Base URL of a front end: ``https://<virtual address>:<port>``."""
        address = self.cloud["vips"]["api_public" if interface == "public" else "api_internal"]
        return url("https", address, self.cloud["front_ends"][front_end]["port"])

    def auth_url(self) -> str:
        """Keystone, over the internal network."""
        return self.url("keystone_api") + "/v3"

    def database_address(self) -> str:
        """Where the databases answer: the only member itself, or the virtual address in front of several."""
        members = self.addresses("mariadb", "database")
        return members[0] if len(members) == 1 else str(self.cloud["vips"]["database"])

    def caches(self) -> list[str]:
        """Addresses of every memcached."""
        return self.addresses("memcached", "api_internal")

    def variables(self) -> dict[str, Any]:
        """``ozone``: the values that declarations use in their expressions."""
        traffic = {kind: self.node["addresses"].get(network) for kind, network in self.cloud["traffic"].items()}
        front_ends = self.cloud["front_ends"]
        return {
            "address": traffic,
            "ca_file": CA_FILE,
            "caches": [memcached(address, MEMCACHED) for address in self.caches()],
            "auth_url": self.auth_url() if "keystone_api" in front_ends else "",
            "database_address": self.database_address() if self.members("mariadb") else "",
            # Without a load balancer nothing has an address of its own.
            "url": {name: self.url(name) for name in front_ends if "api_internal" in self.cloud["vips"]},
            "public_url": {name: self.url(name, "public") for name in front_ends if "api_public" in self.cloud["vips"]},
            "vips": dict(self.cloud["vips"]),
            "interfaces": dict(self.node["interfaces"]),
            "components": dict(self.node["services"]),
        }
