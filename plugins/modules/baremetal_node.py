# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.baremetal_node``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: baremetal_node
author: Ozone contributors
version_added: 1.0.0
short_description: Declare a bare-metal node in Ironic
description:
  - Makes a node, its traits, ports and port groups in Ironic what is declared of them. It does not touch the
    machine - M(ozone.openstack.baremetal_fleet) takes nodes from state to state, many at once.
  - What is not declared is left alone, and what inspection found too. Mappings are merged key by key; a key whose
    value is null is removed; an empty text stands for none. O(traits), O(ports) and O(portgroups) are complete when
    they are given, so an empty list removes all.
  - What Ironic would refuse in the state of the node is told before anything is changed, all of it at once.
  - Secrets are never shown. Ironic does not tell which ones it has, so a digest of each is kept in the node's C(extra),
    with a key that is made of the password for Ironic.
attributes:
  check_mode: {description: Can run in check_mode and return changed status prediction., support: full}
  diff_mode: {description: 'Shows what differs, without secrets.', support: full}
extends_documentation_fragment: [ozone.openstack.ironic]
options:
  name:
    description: Name of the node.
    type: str
    required: true
  state:
    description: Whether the node exists. It is only removed when it runs nothing, and with its ports.
    type: str
    choices: [present, absent]
    default: present
  update_secrets:
    description:
      - V(changed) sends those secrets of O(driver_info) that are others than those that were sent last. It needs a
        password for Ironic.
      - V(always) sends them all, as after somebody changed them past this module.
      - V(on_create) sends only what the node does not have yet.
    type: str
    choices: [changed, always, on_create]
    default: changed
  driver:
    description: Hardware type, such as V(redfish). A new node needs one.
    type: str
  driver_info:
    description: What the driver needs to know, such as C(redfish_address), C(redfish_username), C(redfish_password).
    type: dict
  interfaces:
    description: Implementations by the name of the interface, such as C(boot) or C(raid).
    type: dict
  resource_class:
    description: Class of equal nodes, by which they are chosen.
    type: str
  traits:
    description: What the node is capable of, C(CUSTOM_) and upper case, or one of the standard traits.
    type: list
    elements: str
  conductor_group:
    description: Which conductors manage the node, as those of its site.
    type: str
  owner:
    description: Project that owns the node.
    type: str
  lessee:
    description: Project that has leased the node.
    type: str
  shard:
    description: Shard of the node.
    type: str
  description:
    description: For people.
    type: str
  properties:
    description:
      - What is known of the hardware. C(capabilities) may be a mapping and is merged then, too.
      - C(root_device) and C(skip_block_devices) are checked as the agent would understand them.
    type: dict
  extra:
    description: Anything else. The key C(ozone_secrets) is taken.
    type: dict
  network_data:
    description: Network of the ramdisk, as in OpenStack's C(network_data.json).
    type: dict
  automated_clean:
    description: Whether the node is cleaned after use.
    type: bool
  retired:
    description: Whether the node is to be used no more. Cannot be set while it is available.
    type: bool
  retired_reason:
    description: Why.
    type: str
  protected:
    description: Whether the node must not be undeployed, rebuilt or removed. It is set once the node is active.
    type: bool
  protected_reason:
    description: Why.
    type: str
  ports:
    description: Its NICs.
    type: list
    elements: dict
    suboptions:
      address: {description: MAC address., type: str, required: true}
      pxe_enabled: {description: Whether it may boot from the network., type: bool}
      physical_network: {description: Network that it is plugged into., type: str}
      local_link_connection:
        description: C(switch_id) and C(port_id) of the switch, or C(network_type=unmanaged).
        type: dict
      portgroup: {description: Name of its port group; an empty text for none., type: str}
  portgroups:
    description: NICs that work as one.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name within the node. In Ironic it is preceded by that of the node.
        type: str
        required: true
      address: {description: MAC address of the group., type: str}
      mode: {description: Mode of the kernel's bonding driver., type: str}
      properties: {description: 'Options of the bonding driver, such as C(miimon).', type: dict}
      standalone_ports_supported: {description: Whether its NICs may be used one by one., type: bool}
  target_raid_config:
    description: RAID that cleaning builds, as Ironic wants it.
    type: dict
"""

EXAMPLES = """
- name: Declare a node
  ozone.openstack.baremetal_node:
    name: compute1
    driver: redfish
    driver_info:
      redfish_address: https://198.51.100.21
      redfish_username: ozone
      redfish_password: "{{ bmc_password }}"
    resource_class: compute
    traits: [CUSTOM_NVME]
    properties:
      root_device: {serial: S45PNA0M}
      capabilities: {boot_mode: uefi}
    ports:
      - address: 52:54:00:12:34:56
        pxe_enabled: false

- name: Send all secrets again, as somebody changed them by hand
  ozone.openstack.baremetal_node:
    name: compute1
    driver_info: {redfish_password: "{{ bmc_password }}"}
    update_secrets: always
"""

RETURN = """
summary:
  description: What was (in check mode, would be) changed. Secrets are not shown.
  returned: success
  type: list
  elements: str
  sample: ["description: nothing -> 'rack 4'", "driver_info.redfish_password: sent"]
notes:
  description: What cannot be done or told now, and is no mistake.
  returned: success
  type: list
  elements: str
"""
