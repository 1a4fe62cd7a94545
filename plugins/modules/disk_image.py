# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.disk_image``; the work is in plugins/action/disk_image.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_image
short_description: Build the ramdisk of Ironic, or a golden image for bare metal
version_added: 0.1.0
description:
  - Builds disk images in the cache of the deployment host (C($OZONE_CACHE/disks)) when what they are made of is new.
    Always runs where ansible-playbook runs.
  - The ramdisk is Debian 13 with Ironic's agent, pinned by C(releases/<release>/ramdisk.lock). It takes static
    addresses from the medium that Ironic boots it from and never asks a DHCP server. With it comes C(esp.img), the boot
    partition of that medium, with the boot loaders that Debian has signed; Ironic's C(grub_config_path) has to be
    C(boot/grub/grub.cfg).
  - A golden image is Debian 13 on a whole disk (GPT, UEFI, ext4) with what nodes get from packages. At its first boot
    it grows to its disk and takes its name, its keys and its network from the config drive. There is no cloud-init and
    no DHCP client in it.
  - Debian's packages come from where the host's apt takes them, Python's from where its pip or uv takes them.
  - The same inputs give the same bytes as long as the mirror has the same packages.
author:
  - Ozone contributors (@ozone)
attributes:
  check_mode:
    support: full
    description: Says whether an image would be built.
  diff_mode:
    support: partial
    description: Shows the names and checksums of what was built.
options:
  name:
    description: V(ramdisk), or what a golden image shall be called, for example V(debian-13).
    type: str
    required: true
  release:
    description: The release whose agent the ramdisk gets, for example V(2026.1). Only for the ramdisk.
    type: str
  releases:
    description: The directory with the definitions of the releases, if not the collection's own.
    type: path
  drivers:
    description: >-
      V(all) has Debian's generic kernel with the drivers of servers; V(virtual) has the cloud kernel, which is smaller
      and boots sooner, for virtual machines.
    type: str
    choices: [all, virtual]
    default: all
  firmware:
    description: >-
      Debian packages with firmware for the hardware, such as V(firmware-bnx2x), from the component
      C(non-free-firmware).
    type: list
    elements: str
    default: []
  packages:
    description: >-
      Of a golden image all Debian packages beside those that a machine needs to run and to be reached; without it,
      those that the services of Ozone need. Of the ramdisk additional ones.
    type: list
    elements: str
  kernel_arguments:
    description: >-
      What the kernel of a golden image is told, instead of its consoles (C(tty0) and C(ttyS0)). Those of the ramdisk
      are Ironic's C(kernel_append_params).
    type: list
    elements: str
  ca:
    description: Certificate of the authority that the ramdisk is to trust, and no other. Only for the ramdisk.
    type: path
  agent:
    description: Options of the agent, for the section C([DEFAULT]) of its configuration. Only for the ramdisk.
    type: dict
    default: {}
  revision:
    description: Another word takes up the packages that Debian has published since.
    type: str
    default: ""
  timeout:
    description: Seconds that a build may take.
    type: int
    default: 1800
  lock_timeout:
    description: Seconds to wait for another build of the same image.
    type: int
    default: 3600
  force:
    description: Build also what is there.
    type: bool
    default: false
  prune:
    description: >-
      Remove other builds of the same image from the cache. Clouds that share the cache would build theirs anew.
    type: bool
    default: false
  debian_sources:
    description: >-
      Sources to take the packages from, C(deb URI SUITE COMPONENT...), instead of those derived from the apt
      configuration of this computer.
    type: list
    elements: str
    default: []
  debian_keyrings:
    description: Files with keys that sign the sources, beside Debian's own.
    type: list
    elements: path
    default: []
seealso:
  - module: ozone.openstack.image_build
    description: The images of the services.
"""

EXAMPLES = r"""
- name: The ramdisk of this cloud
  ozone.openstack.disk_image:
    name: ramdisk
    release: "2026.1"
    ca: "{{ ozone_cloud.state_dir }}/pki/ca.pem"

- name: What the nodes run
  ozone.openstack.disk_image:
    name: debian-13
    firmware: [firmware-bnx2x]
"""

RETURN = r"""
directory:
  description: Directory of the files.
  type: path
  returned: success
files:
  description: >-
    The files, each with C(name) (what it is called where it is published), C(path), C(sha256) and C(size). Empty when
    it would have to be built in check mode. A golden image is called by its content, C(debian-13-0c1d2e3f4a5b.raw).
  type: list
  elements: dict
  returned: success
about:
  description: What is in it, such as C(kernel_version).
  type: dict
  returned: success
seconds:
  description: How long the build took; 0 when nothing was built.
  type: float
  returned: success
pruned:
  description: Directories of the cache that were removed, or would be.
  type: list
  elements: str
  returned: success
"""
