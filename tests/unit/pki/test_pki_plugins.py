# SPDX-License-Identifier: Apache-2.0
"""The certificate action and lookup as ansible runs them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils import pki

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


@pytest.fixture
def run(playbook: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    """Run the play for a cloud in the temporary directory."""
    cloud = {"name": "lab", "state_dir": str(tmp_path / "state"), "directory": str(tmp_path)}

    def call(*arguments: str, play: str = PLAY, **variables: Any) -> str:
        return playbook(play, *arguments, ozone_cloud=cloud, **variables)

    return call


def test_make_use_and_run_again(run: Callable[..., str], tmp_path: Path) -> None:
    shown = run("--check", "--diff")
    assert "failed=0" in shown, shown
    assert "haproxy: there is none" in shown
    assert not (tmp_path / "state").exists()
    shown = run("-vvv")
    assert "failed=0" in shown, shown
    combined = (tmp_path / "haproxy.combined").read_text()
    assert combined.count("-----BEGIN") == 2
    certificate = pki.chain((tmp_path / "mariadb.certificate").read_text(), "x")[0]
    assert pki.fits(certificate, (tmp_path / "mariadb.key").read_text())
    assert (tmp_path / "ca.certificate").read_text() == (tmp_path / "state/pki/ca.pem").read_text()
    assert (tmp_path / "state/pki/haproxy.key").read_bytes().startswith(b"$ANSIBLE_VAULT")
    assert "changed=0" in run()


def test_the_operators_certificate_by_variables(run: Callable[..., str], tmp_path: Path) -> None:
    authority = pki.make_authority("corporation", datetime.now(UTC))
    wanted = pki.Wanted("x", ("api.lab.ozone.test",), ("198.18.0.10",))
    pair = pki.issue(authority, wanted, datetime.now(UTC))
    (tmp_path / "mine.pem").write_text(pair.certificate)
    (tmp_path / "mine.key").write_text(pair.key)
    (tmp_path / "corporation.pem").write_text(authority.certificate)
    variables = {"ozone_tls_certificate": "mine.pem", "ozone_tls_ca": str(tmp_path / "corporation.pem")}
    assert "ozone_tls_certificate and ozone_tls_key: give both or none" in run(**variables)
    assert "ozone_tls_key: " in run(**variables, ozone_tls_key="absent.key")
    variables["ozone_tls_key"] = "mine.key"
    assert "failed=0" in run(**variables)
    assert (tmp_path / "haproxy.combined").read_text() == pair.certificate + pair.key
    assert authority.certificate in (tmp_path / "ca.certificate").read_text()
    assert "changed=0" in run(**variables)


def test_a_missing_certificate_says_what_to_run(run: Callable[..., str], tmp_path: Path) -> None:
    play = """
- hosts: node1
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "{{ lookup('ozone.openstack.certificate', 'haproxy', part='key') }}"}
"""
    assert "run the action ozone.openstack.certificate first" in run(play=play).replace("\n", " ")
