# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.image_build``; the work is in plugins/action/image_build.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Build the images of an OpenStack release that are missing
version_added: 0.1.0
description:
  - Builds one OCI image for each service of a release on the deployment host, with buildah, and writes the index
    C($OZONE_CACHE/images/<release>.json) that names them. Always runs where ansible-playbook runs.
  - An image is built when the digest of what it is made of is new. What that is is said by the collection's C(releases)
    directory alone; the lock files there name every Python package with its hashes.
  - Debian's packages come from where the host's apt takes them, Python's from where its pip or uv takes them. Neither
    addresses nor credentials of the host enter an image.
  - A run can be killed at any moment; the next one clears away what was left and builds what is missing.
author:
  - Ozone contributors (@ozone)
attributes:
  check_mode:
    support: full
    description: Says what would be built, pushed or removed.
  diff_mode:
    support: none
    description: There is nothing to compare line by line.
options:
  release:
    description: The release, for example V(2026.1).
    type: str
    required: true
  images:
    description: Images to look at. Empty means all of the release.
    type: list
    elements: str
    default: []
  releases:
    description: The directory with the definitions of the releases, if not the collection's own.
    type: path
  jobs:
    description: How many images are built at the same time.
    type: int
    default: 2
  timeout:
    description: Seconds that one image may take.
    type: int
    default: 1800
  lock_timeout:
    description: Seconds to wait for another build on this host.
    type: int
    default: 3600
  force:
    description: Build also those images whose inputs have not changed.
    type: bool
    default: false
  revision:
    description: >-
      Any word. Another one than before makes all images anew, from the Debian packages of today: the way to take up
      security updates of Debian.
    type: str
    default: ""
  debian_sources:
    description: >-
      Sources of Debian packages, C(deb URI SUITE COMPONENT...), instead of those derived from the host's apt.
    type: list
    elements: str
    default: []
  debian_keyrings:
    description: Files with keys that sign those sources, beside Debian's own.
    type: list
    elements: path
    default: []
  push:
    description: >-
      Where nodes pull from: a registry, as in V(registry.example:5000/ozone), or a directory of the host that becomes
      an OCI layout, as in V(oci:/srv/images). Images that are there already are not sent again.
    type: str
    default: ""
  push_tls:
    description: Whether the registry is reached over TLS, with its certificate checked.
    type: bool
    default: true
  prune:
    description: >-
      Remove images of the store that no index names any more. Images that an index names always stay; so remove the
      index of a release first to be rid of that. Containers of lab nodes may still use a removed image.
    type: bool
    default: false
  record:
    description: >-
      Also write which options the images know to C(releases/<release>/options), where the tests of the collection read
      it. For those who maintain releases; that directory is under version control.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Build what is missing of a release
  ozone.openstack.image_build:
    release: "2026.1"

- name: Take up today's security updates of Debian
  ozone.openstack.image_build:
    release: "2026.1"
    revision: "2026-11-21"
    prune: true
"""

RETURN = r"""
images:
  description: What became of each image, by its short name.
  returned: success
  type: dict
  contains:
    name: {description: Name in the store., type: str}
    id: {description: Digest of the image's configuration; empty in check mode for one that is not there., type: str}
    inputs: {description: Digest of all that the image is made of., type: str}
    size: {description: Bytes of all its layers, unpacked., type: int}
    options: {description: Directory with the definitions of the options of its configuration files., type: str}
    seconds: {description: How long it took., type: float}
    changed: {description: Whether it was (or would be) built., type: bool}
pushed:
  description: Reference by digest of each image, at the place that nodes pull from.
  returned: when O(push) is set
  type: dict
recorded:
  description: Files with the options of images that were (or would be) written.
  returned: success
  type: list
  elements: str
pruned:
  description: Names of the images that were (or would be) removed.
  returned: success
  type: list
  elements: str
index:
  description: The file that names the images.
  returned: success
  type: str
"""
