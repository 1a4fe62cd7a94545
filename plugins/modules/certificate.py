# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action ``ozone.openstack.certificate``, which does the work on the deployment host."""

from __future__ import annotations

DOCUMENTATION = """
module: certificate
author: Ozone contributors
version_added: 1.0.0
short_description: Make the certificates of a cloud
description:
  - Makes a private certificate authority at first use, and the server certificates of a cloud (ECDSA P-256).
  - Issues one again when its names change, less than 30 days remain, or its key does not fit.
  - Certificates lie in clear in C(pki/) of the state directory, keys lie there encrypted with ansible-vault.
    C(pki/ca.pem) holds what clients have to trust.
  - Runs on the deployment host, in the process of ansible-playbook; no connection is made.
attributes:
  check_mode: {description: Can run in check_mode and return changed status prediction., support: full}
  diff_mode: {description: Shows why each certificate is issued., support: full}
options:
  certificates:
    description:
      - Certificates by name. Each is a mapping with the lists C(dns) and C(ip), the names and addresses of the server.
      - With C(front_end=true), the certificate that the operator gave (O(given_certificate)) is used instead.
    type: dict
    required: true
  state_dir:
    description: State directory of the cloud. Default is C(ozone_cloud.state_dir).
    type: path
  given_certificate:
    description:
      - File with the operator's own certificate, followed by its chain, as PEM. Relative to the directory of cloud.yml.
      - Default is the variable C(ozone_tls_certificate).
    type: str
  given_key:
    description: File with its private key, in clear or encrypted with ansible-vault. Default is C(ozone_tls_key).
    type: str
  given_ca:
    description:
      - File with the authority to trust for it. Default is the variable C(ozone_tls_ca).
      - Without it, the system's own authorities become part of C(ca.pem).
    type: str
"""

EXAMPLES = """
- name: Make the certificate of the load balancer
  ozone.openstack.certificate:
    certificates:
      haproxy:
        dns: [api.standalone.ozone.test]
        ip: [198.18.0.10]
        front_end: true
"""

RETURN = """
issued:
  description: Reasons for each certificate that was (in check mode, would be) issued, by its name.
  returned: success
  type: dict
ca:
  description: Path of the file with the certificates that clients have to trust.
  returned: success
  type: str
"""
