# SPDX-License-Identifier: Apache-2.0
"""The lookup and the action as ansible runs them: in playbooks, with real ansible-vault."""

from __future__ import annotations

import http.server
import importlib.util
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.template import Templar

from ansible_collections.ozone.openstack.plugins.lookup import secret
from ansible_collections.ozone.openstack.plugins.module_utils import secrets
from ansible_collections.ozone.openstack.plugins.plugin_utils import secret_source
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import Vault, vault_of

Playbook = Callable[..., str]


def lookup(state_dir: Path | None, *names: str, loader: DataLoader | None = None, **variables: Any) -> list[Any]:
    """Call the lookup with the options that its documentation defines, as ansible's plugin loader does."""
    loader = loader or DataLoader()
    if state_dir is not None:
        variables["ozone_cloud"] = {"state_dir": str(state_dir)}
    options = yaml.safe_load(secret.DOCUMENTATION)["options"]
    C.config.initialize_plugin_configuration_definitions("lookup", "ozone.openstack.secret", options)
    plugin = secret.LookupModule(loader=loader, templar=Templar(loader, variables))
    plugin._load_name = plugin.ansible_name = "ozone.openstack.secret"
    answer: list[Any] = plugin.run(list(names), variables)
    return answer


PLAY = """
- hosts: node1
  gather_facts: false
  tasks:
    - name: Make secrets
      ozone.openstack.secrets:
        secrets: {keystone_database_password: password, keystone: {keystone_fernet_keys: fernet_keys}}
      register: made
    - name: Use them
      ansible.builtin.copy:
        content: "{{ lookup('ozone.openstack.secret', 'keystone_database_password') | ozone.openstack.mysql_hash }}"
        dest: "{{ playbook_dir }}/hash"
        mode: "0600"
      delegate_to: localhost
      when: not ansible_check_mode
"""


def test_generate_look_up_and_run_again(playbook: Playbook, tmp_path: Path) -> None:
    state = tmp_path / "state"
    cloud = {"state_dir": str(state)}
    check = playbook(PLAY, "--check", "--diff", ozone_cloud=cloud)
    assert "failed=0" in check, check
    assert "keystone_fernet_keys: (generated fernet_keys)" in check
    assert not state.exists()
    first = playbook(PLAY, "--diff", "-vvv", ozone_cloud=cloud)
    assert "failed=0" in first, first
    assert "changed=2" in first
    encrypted = (state / "secrets.yml").read_bytes()
    assert encrypted.startswith(b"$ANSIBLE_VAULT")
    value = lookup(state, "keystone_database_password")[0]
    assert value not in first
    assert lookup(state, "keystone_fernet_keys")[0]["1"] not in first
    assert secrets.mask(f"x {value}") == "x ********"
    second = playbook(PLAY, ozone_cloud=cloud)
    assert "changed=0" in second, second
    assert (state / "secrets.yml").read_bytes() == encrypted


def test_operators_password_is_used_and_a_wrong_one_is_explained(playbook: Playbook, tmp_path: Path) -> None:
    state = tmp_path / "state"
    (tmp_path / "mine").write_text("my password\n")
    (tmp_path / "other").write_text("another password\n")
    good = playbook(PLAY, "--vault-password-file", str(tmp_path / "mine"), ozone_cloud={"state_dir": str(state)})
    assert "failed=0" in good, good
    assert not (state / "vault-password").exists()
    bad = playbook(PLAY, "--vault-password-file", str(tmp_path / "other"), ozone_cloud={"state_dir": str(state)})
    assert "failed=1" in bad
    assert "wrong vault password (1 given by the operator" in bad
    loader = DataLoader()
    with pytest.raises(AnsibleError, match="no vault password: there is no"):
        lookup(state, "keystone_database_password", loader=loader)
    loader.set_vault_secrets([("default", VaultSecret(b"my password"))])  # type: ignore[list-item]
    assert len(lookup(state, "keystone_database_password", loader=loader)[0]) == 32


def test_missing_secret_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match=r"has no secret nova_x: run the action ozone\.openstack\.secrets"):
        lookup(tmp_path, "nova_x")
    with pytest.raises(AnsibleError, match=r"ozone_cloud\.state_dir is not defined"):
        lookup(None, "nova_x")


def test_unencrypted_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets.yml").write_text("a: b\n")
    with pytest.raises(AnsibleError, match="is not encrypted; encrypt it with: ansible-vault encrypt"):
        lookup(tmp_path, "a")


def test_empty_password_file_is_refused(tmp_path: Path) -> None:
    vault = vault_of(DataLoader(), tmp_path)
    data = vault.encrypt("text")
    assert vault.decrypt(data, tmp_path / "x") == "text"
    (tmp_path / "vault-password").write_text("")
    with pytest.raises(secrets.SecretsError, match="is empty; restore it"):
        vault.decrypt(data, tmp_path / "x")


def test_file_of_ansible_vault_can_be_read(tmp_path: Path) -> None:
    password = VaultSecret(b"pw")
    data = VaultLib([("default", password)]).encrypt("a: b\n", secret=password)
    assert Vault([("default", password)], tmp_path / "none").decrypt(data, tmp_path / "x") == "a: b\n"


# --- HashiCorp Vault / OpenBao ---------------------------------------------------------------------------------------


class FakeKeyValueServer(http.server.BaseHTTPRequestHandler):
    """A fake of the KV version 2 interface: one token, one document at secret/ozone/lab."""

    document: ClassVar[dict[str, Any]] = {"nova_password": "from-the-fake-server", "keys": {"0": "k" * 43 + "="}}

    def do_GET(self) -> None:
        if self.headers.get("X-Vault-Token") != "fake-token":
            self.reply(403, {"errors": ["permission denied"]})
        elif self.path == "/v1/auth/token/lookup-self":
            self.reply(200, {"data": {"id": "fake-token"}})
        elif self.path.split("?")[0] == "/v1/secret/data/ozone/lab":
            self.reply(200, {"data": {"data": self.document, "metadata": {"version": 1}}})
        else:
            self.reply(404, {"errors": []})

    def reply(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""


@pytest.fixture
def fake_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeKeyValueServer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


needs_community_hashi_vault = pytest.mark.skipif(
    not any((Path(path) / "ansible_collections/community/hashi_vault").exists() for path in sys.path)
    or importlib.util.find_spec("hvac") is None,
    reason="the collection community.hashi_vault or the library hvac is not installed",
)

SERVER_PLAY = """
- hosts: node1
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "{{ query('ozone.openstack.secret', 'nova_password', 'keys') }}"}
    - ozone.openstack.secrets: {secrets: {nova_password: password}}
    - ansible.builtin.debug: {msg: "{{ lookup('ozone.openstack.secret', 'nothing') }}"}
      ignore_errors: true
    - ansible.builtin.debug: {msg: "{{ lookup('ozone.openstack.secret', 'nova_password', path='ozone/elsewhere') }}"}
      ignore_errors: true
    - ozone.openstack.secrets: {secrets: {nova_password: password, lacking: fernet}}
"""


@needs_community_hashi_vault
def test_secrets_from_a_server(playbook: Playbook, fake_server: str, tmp_path: Path) -> None:
    shown = playbook(
        SERVER_PLAY, ozone_cloud={"state_dir": str(tmp_path / "lab")}, ansible_hashi_vault_token="fake-token",
        ozone_secrets_source="hashi_vault", ozone_secrets_url=fake_server,
    )  # fmt: skip
    assert "ok=4" in shown and "failed=1" in shown and "ignored=2" in shown, shown
    assert '"from-the-fake-server"' in shown and "k" * 43 in shown
    assert "secret/ozone/lab has no secret nothing" in shown
    assert "secret/ozone/elsewhere of http://127" in shown
    assert "secret/ozone/lab lacks secrets; write them there: lacking (fernet)" in shown
    assert not (tmp_path / "lab").exists()


@needs_community_hashi_vault
def test_secrets_from_a_server_need_a_valid_token(playbook: Playbook, fake_server: str, tmp_path: Path) -> None:
    shown = playbook(
        SERVER_PLAY, ozone_cloud={"state_dir": str(tmp_path / "lab")}, ansible_hashi_vault_token="wrong",
        ozone_secrets_source="hashi_vault", ozone_secrets_url=fake_server,
    )  # fmt: skip
    assert "Invalid Vault Token" in shown or "Forbidden" in shown, shown


class FakeLookup:
    """A fake of community.hashi_vault's lookup, which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], dict[str, Any]]] = []

    def run(self, terms: list[str], variables: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        self.asked.append((terms, options))
        if terms == ["denied"]:
            raise AnsibleError("Forbidden")
        return [{"secret": {"nova_password": "from-the-fake-lookup"}}]


def test_server_is_asked_once_per_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeLookup()
    monkeypatch.setattr(secret_source, "_answers", {})
    monkeypatch.setattr(secret_source.lookup_loader, "get", lambda *args, **kwargs: fake)
    for _ in range(2):
        found = lookup(tmp_path / "lab", "nova_password", ozone_secrets_source="hashi_vault", ozone_secrets_url="u")
        assert found == ["from-the-fake-lookup"]
    assert fake.asked == [(["ozone/lab"], {"engine_mount_point": "secret", "url": "u"})]
    with pytest.raises(AnsibleError, match="secret/denied of HashiCorp Vault / OpenBao: Forbidden"):
        lookup(tmp_path / "lab", "x", ozone_secrets_source="hashi_vault", ozone_secrets_path="denied")
    monkeypatch.setattr(secret_source.lookup_loader, "get", lambda *args, **kwargs: None)
    with pytest.raises(AnsibleError, match=r"install the collection community\.hashi_vault"):
        lookup(tmp_path / "lab", "x", ozone_secrets_source="hashi_vault", ozone_secrets_path="other")
