# SPDX-License-Identifier: Apache-2.0
"""The certificate action and lookup as ansible runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils import pki

COLLECTIONS = Path(__file__).resolve().parents[3] / ".ansible" / "collections"

PLAY = """
- hosts: node1
  gather_facts: false
  tasks:
    - name: Make certificates
      ozone.openstack.certificate:
        certificates:
          haproxy: {dns: [api.lab.ozone.test], ip: [198.18.0.10], front_end: true}
          mariadb: {ip: [198.18.0.10]}
      register: made
    - name: Use them
      ansible.builtin.copy:
        content: "{{ lookup('ozone.openstack.certificate', item[0], part=item[1]) }}"
        dest: "{{ playbook_dir }}/{{ item[0] }}.{{ item[1] }}"
        mode: "0600"
      loop: [[haproxy, combined], [mariadb, key], [mariadb, certificate], [ca, certificate]]
      delegate_to: localhost
      when: not ansible_check_mode
"""


def run(directory: Path, *arguments: str, play: str = PLAY, **variables: Any) -> str:
    """Run a playbook and return all that it shows."""
    (directory / "play.yml").write_text(play)
    (directory / "ansible.cfg").write_text("")
    cloud = {"name": "lab", "state_dir": str(directory / "state"), "directory": str(directory)}
    inventory = {"all": {"hosts": {"node1": None}, "vars": {"ozone_cloud": cloud, **variables}}}
    (directory / "hosts.yml").write_text(json.dumps(inventory))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_NOCOLOR": "1",
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    result = subprocess.run(
        [program, "-i", str(directory / "hosts.yml"), str(directory / "play.yml"), *arguments],
        capture_output=True, text=True, timeout=120, env=environment, cwd=directory, check=False,
    )  # fmt: skip
    return result.stdout + result.stderr


def test_make_use_and_run_again(tmp_path: Path) -> None:
    shown = run(tmp_path, "--check", "--diff")
    assert "failed=0" in shown, shown
    assert "haproxy: there is none" in shown
    assert not (tmp_path / "state").exists()
    shown = run(tmp_path, "-vvv")
    assert "failed=0" in shown, shown
    combined = (tmp_path / "haproxy.combined").read_text()
    assert combined.count("-----BEGIN") == 2
    certificate = pki.chain((tmp_path / "mariadb.certificate").read_text(), "x")[0]
    assert pki.fits(certificate, (tmp_path / "mariadb.key").read_text())
    assert (tmp_path / "ca.certificate").read_text() == (tmp_path / "state/pki/ca.pem").read_text()
    assert (tmp_path / "state/pki/haproxy.key").read_bytes().startswith(b"$ANSIBLE_VAULT")
    assert "changed=0" in run(tmp_path)


def test_the_operators_certificate_by_variables(tmp_path: Path) -> None:
    authority = pki.make_authority("corporation", datetime.now(UTC))
    wanted = pki.Wanted("x", ("api.lab.ozone.test",), ("198.18.0.10",))
    pair = pki.issue(authority, wanted, datetime.now(UTC))
    (tmp_path / "mine.pem").write_text(pair.certificate)
    (tmp_path / "mine.key").write_text(pair.key)
    (tmp_path / "corporation.pem").write_text(authority.certificate)
    variables = {"ozone_tls_certificate": "mine.pem", "ozone_tls_ca": str(tmp_path / "corporation.pem")}
    assert "ozone_tls_certificate and ozone_tls_key: give both or none" in run(tmp_path, **variables)
    assert "ozone_tls_key: " in run(tmp_path, **variables, ozone_tls_key="absent.key")
    variables["ozone_tls_key"] = "mine.key"
    assert "failed=0" in run(tmp_path, **variables)
    assert (tmp_path / "haproxy.combined").read_text() == pair.certificate + pair.key
    assert authority.certificate in (tmp_path / "ca.certificate").read_text()
    assert "changed=0" in run(tmp_path, **variables)


def test_a_missing_certificate_says_what_to_run(tmp_path: Path) -> None:
    play = """
- hosts: node1
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "{{ lookup('ozone.openstack.certificate', 'haproxy', part='key') }}"}
"""
    assert "run the action ozone.openstack.certificate first" in run(tmp_path, play=play).replace("\n", " ")
