# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.baremetal_fleet``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: baremetal_fleet
author: Ozone contributors
version_added: 1.0.0
short_description: Bring many bare-metal nodes to a state, all at once
description:
  - Takes nodes of Ironic from whatever state they are in to O(target), over the shortest way that the target allows. It
    waits for states that end by themselves, and goes on from states that failed. A node that is there is left alone, so
    that running it again touches only what is not there yet.
  - One loop asks Ironic once for all nodes. A node that fails, hangs or is locked costs the others nothing. What went
    well is never undone.
  - Every wait has a limit. What failed is told with the stage, the cause and what to do; Ironic's own text is in the
    result.
  - Before anything is written, the disk that will be written has to be known for certain, and none that is to be
    preserved. Otherwise the node is refused with the list of its disks.
  - A node in maintenance is skipped, and does not count for O(success). It is only taken out of maintenance where
    Ironic itself had put it there because cleaning failed, and cleaning is tried again.
  - It says how far it is while it runs.
attributes:
  check_mode: {description: 'Says what would be done with each node, with the guards.', support: full}
  diff_mode: {description: 'Shows what is declared otherwise, without secrets.', support: full}
extends_documentation_fragment: [ozone.openstack.ironic]
options:
  target:
    description:
      - V(enrolled) - Ironic knows the node as declared.
      - V(manageable) - and it reaches its BMC. A node that is available or runs something is left alone.
      - V(inspected) - and it was looked into. What it has is compared with what is expected.
      - V(available) - and it is cleaned and can be taken. What a failed deployment left is taken away.
      - V(active) - it runs an instance. One that is active already is left alone, with a note when it runs another
        image or config drive than declared. Where hardware is expected, or the disk to write cannot be known without, a
        node that nobody has looked into is inspected on the way.
      - V(rescued) - it runs the rescue system.
      - V(undeployed) - it runs nothing. Its root disk is given up; disks to preserve are left alone.
      - V(rebuilt) - nodes that are active and run another image or config drive than declared are written anew.
      - V(adopted) - Ironic takes over a machine that runs already, without touching it.
      - V(removed) - Ironic forgets the node. It has to be undeployed before that.
    type: str
    choices: [enrolled, manageable, inspected, available, active, rescued, undeployed, rebuilt, adopted, removed]
    required: true
  nodes:
    description: The nodes.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Exact name., type: str, required: true}
      node:
        description:
          - The node as declared, with the options of M(ozone.openstack.baremetal_node). Without it, the node has to be
            there already. Not used for V(rescued), V(undeployed) and V(removed).
        type: dict
      instance:
        description: What it is to run, for V(active), V(rebuilt) and V(adopted).
        type: dict
        suboptions:
          image:
            description: C(source), C(checksum), C(algorithm) (sha256 or sha512), C(disk_format) (raw or qcow2).
            type: dict
            required: true
          config_drive: {description: 'C(meta_data), C(network_data), C(user_data).', type: dict}
          root_device: {description: Hint that exactly one disk fits., type: dict}
          preserve: {description: 'Hints of disks that survive everything, one disk each.', type: list, elements: dict}
          capabilities: {description: 'Such as C(boot_mode).', type: dict}
          traits: {description: Traits of the node that deployment acts upon., type: list, elements: str}
      expected:
        description: Hardware that it has to have.
        type: dict
        suboptions:
          cpus: {description: Number of processors., type: int}
          memory_mb: {description: Memory in MiB., type: int}
          cpu_arch: {description: Architecture., type: str}
          disks: {description: 'Hints, one disk each.', type: list, elements: dict}
          macs: {description: MAC addresses of its NICs., type: list, elements: str}
  parallel:
    description:
      - How many nodes are under way at once. Ironic has limits of its own (C(max_concurrent_deploy) 250,
        C(max_concurrent_clean) 50); what it does not take yet is asked again.
    type: int
    default: 50
  success:
    description:
      - When the run is a success. V(all), a share such as V(90%), or a number of nodes.
      - When a share or a number cannot be reached any more, no further node is begun; those under way are waited for.
        So it is with V(all) for O(target=undeployed) and O(target=removed); other targets are tried for every node.
    type: str
    default: all
  on_failure:
    description:
      - What is done with a machine whose inspection, cleaning or deployment failed in this run. Ironic leaves it on, so
        that it may boot an old system.
    type: str
    choices: [power_off, leave]
    default: power_off
  stuck:
    description: What is done with a node that waits for its ramdisk longer than its limit. V(abort) ends the operation.
    type: str
    choices: [leave, abort]
    default: leave
  differences:
    description: Whether hardware that is not as expected is a note, or a failure before anything is written.
    type: str
    choices: [report, fail]
    default: report
  limits:
    description:
      - Seconds that a node may stay in a provision state, by its name; those that are not given keep their defaults.
      - V(verifying) 180, V(inspecting) 300, V(inspect wait) 1500, V(cleaning) 300, V(clean wait) 3600,
        V(deploying) 300, V(wait call-back) 1500, V(deleting) 300, V(adopting) 120, V(rescuing) 300,
        V(rescue wait) 1500, V(unrescuing) 300, V(servicing) 300, V(service wait) 3600. A machine in a lab takes a
        minute where a server takes ten, until its firmware has started; a BMC that refuses keeps a node busy for 87 s.
      - V(lock) 180 for a node that is locked, V(busy) 1800 for Ironic to have a place, V(answer) 300 for Ironic to
        answer at all, V(power) 120 for a machine to go off, V(total) 14400 for the whole run.
    type: dict
    default: {}
  retries:
    description: How often a deployment that failed is tried again, for each node.
    type: int
    default: 0
  force:
    description:
      - V(inspected) inspects nodes that were inspected before; V(rebuilt) writes also those that run what is declared.
      - V(undeployed), V(rebuilt) and V(active) take nodes whose instance belongs to somebody else, such as Nova.
    type: bool
    default: false
  withdraw:
    description: Whether V(manageable) takes back nodes that are available.
    type: bool
    default: false
  rescue_password:
    description: Password of the rescue system, for V(rescued).
    type: str
"""

EXAMPLES = """
- name: Deploy three machines, of which two have to work
  ozone.openstack.baremetal_fleet:
    target: active
    success: 2
    nodes:
      - name: bm1
        node: "{{ nodes.bm1 }}"
        instance: &instance
          image:
            source: https://198.18.32.2:8089/debian-13-0c1d2e3f4a5b.raw
            checksum: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
          root_device: {serial: S45PNA0M}
          preserve:
            - wwn: '0x5000c500a0b1c2d3'
      - {name: bm2, instance: *instance}
      - {name: bm3, instance: *instance}

- name: Take away what they run
  ozone.openstack.baremetal_fleet:
    target: undeployed
    nodes: [{name: bm1}, {name: bm2}]

- name: Look into machines again, whose hardware was changed
  ozone.openstack.baremetal_fleet:
    target: inspected
    force: true
    differences: fail
    nodes:
      - name: bm1
        expected: {cpus: 32, memory_mb: 262144}
"""

RETURN = """
nodes:
  description: What became of each node.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str}
    status: {description: 'V(unchanged), V(changed), V(failed), or V(skipped) where it was not begun.', type: str}
    state: {description: Its provision state., type: str}
    stage: {description: What was done last., type: str}
    seconds: {description: How long it was under way., type: float}
    cause: {description: Why it failed., type: str}
    remedy: {description: What to do., type: str}
    last_error: {description: Ironic's own text., type: str}
    summary: {description: 'What was (in check mode, would be) changed.', type: list, elements: str}
    notes: {description: What is worth knowing., type: list, elements: str}
    stages: {description: Seconds by provision state., type: dict}
counts:
  description: How many nodes there are in all, and of each status.
  returned: always
  type: dict
  sample: {total: 3, unchanged: 0, changed: 2, failed: 1, skipped: 0}
partial:
  description: Whether the run is a success although some nodes are not there.
  returned: always
  type: bool
requests:
  description: How many requests Ironic got (C(count)), and C(per_node).
  returned: always
  type: dict
seconds:
  description: How long it took.
  returned: always
  type: float
"""
