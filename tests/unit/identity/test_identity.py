# SPDX-License-Identifier: Apache-2.0
"""Reconciliation against a fake Keystone, through the real openstacksdk."""

from __future__ import annotations

import importlib.util
import ssl
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ozone.openstack.plugins.module_utils import identity, pki, sdk, secrets
from ansible_collections.ozone.openstack.plugins.module_utils.identity import IdentityError, Wanted
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import Vault

_spec = importlib.util.spec_from_file_location("fake_keystone", Path(__file__).with_name("fake_keystone.py"))
assert _spec is not None
assert _spec.loader is not None
fake_keystone = importlib.util.module_from_spec(_spec)
sys.modules["fake_keystone"] = fake_keystone
_spec.loader.exec_module(fake_keystone)

CLOUD: dict[str, Any] = {
    "name": "lab",
    "region": "RegionOne",
    "identity": {
        "keystone": {
            "services": {
                "keystone": {
                    "type": "identity",
                    "description": "Identity service",
                    "front_end": "keystone_api",
                    "path": "/v3",
                }
            }
        },
        "nova": {
            "user": "nova",
            "services": {"nova": {"type": "compute", "front_end": "nova_api", "path": "/v2.1"}},
        },
        "glance": {
            "user": "glance",
            "roles": ["service"],
            "services": {"glance": {"type": "image", "front_end": "glance_api"}},
        },
    },
    "front_ends": {"keystone_api": {"public": True}, "nova_api": {"public": True}, "glance_api": {"public": False}},
}
SECRETS = {
    "keystone_admin_password": "admin password",
    "nova_identity_password": "nova password",
    "glance_identity_password": "glance password",
}


def url(front_end: str, interface: str) -> str:
    return f"https://{interface}/{front_end}"


def wanted(*without: str, secrets: dict[str, str] = SECRETS, prune: bool = True, **changes: Any) -> Wanted:
    services = {name: entry for name, entry in CLOUD["identity"].items() if name not in without}
    document = identity.document_of_cloud({**CLOUD, "identity": services, **changes}, secrets, url)
    return identity.wanted_of(document, "ozone/lab", prune=prune)


@pytest.fixture
def keystone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fake = fake_keystone.FakeKeystone()
    fake.serve()
    yield fake
    fake.close()


def api_of(keystone: Any, password: str = "admin password") -> sdk.IdentityApi:
    auth = {
        "auth_url": keystone.url, "username": "admin", "password": password, "project_name": "admin",
        "user_domain_name": "Default", "project_domain_name": "Default",
    }  # fmt: skip
    return sdk.IdentityApi(sdk.connect(sdk.Access(auth=auth, region="RegionOne", interface="internal")))


def reconcile(keystone: Any, document: Wanted, *, check: bool = False) -> list[str]:
    api = api_of(keystone)
    actions = identity.reconcile(api, document, check=check, wait=10, myself=api.user_id)
    return [identity.describe(action) for action in actions]


def writes(keystone: Any) -> list[str]:
    return [call for call in keystone.calls if not call.startswith("GET") and "/auth/tokens" not in call]


def test_from_the_bootstrap_to_a_whole_cloud_and_then_nothing(keystone: Any) -> None:
    foreseen = reconcile(keystone, wanted(), check=True)
    assert writes(keystone) == []
    done = reconcile(keystone, wanted())
    assert done == foreseen
    assert keystone.urls() == {
        ("keystone", "admin"): "http://old/v3",  # nobody asked for it, but it does not bear the mark
        ("keystone", "internal"): "https://internal/keystone_api/v3",
        ("keystone", "public"): "https://public/keystone_api/v3",
        ("nova", "internal"): "https://internal/nova_api/v2.1",
        ("nova", "public"): "https://public/nova_api/v2.1",
        ("glance", "internal"): "https://internal/glance_api",
    }
    assert keystone.roles_of("nova") == {"admin", "service"}
    assert keystone.roles_of("glance") == {"service"}
    assert keystone.passwords[keystone.id_of("users", "nova")] == "nova password"
    nova = keystone.tables["users"][keystone.id_of("users", "nova")]
    assert nova["default_project_id"] == keystone.id_of("projects", "service")
    assert nova["managed_by"] == "ozone/lab"
    assert "managed_by" not in keystone.tables["users"][keystone.admin]
    assert keystone.tables["projects"][keystone.id_of("projects", "admin")]["description"] == "made by bootstrap"
    keystone.calls.clear()
    assert reconcile(keystone, wanted()) == []
    assert writes(keystone) == []
    assert len(keystone.calls) <= 20


def test_order_of_the_first_run(keystone: Any) -> None:
    done = reconcile(keystone, wanted())
    assert done[0] == "create project service"
    assert done.index("create service nova") < done.index("create endpoint nova internal")
    assert done.index("create user nova") < done.index("create assignment nova is admin in service")


def test_a_changed_password_is_noticed_and_set(keystone: Any) -> None:
    reconcile(keystone, wanted())
    changed = {**SECRETS, "nova_identity_password": "another"}
    assert reconcile(keystone, wanted(secrets=changed), check=True) == ["update user nova"]
    assert reconcile(keystone, wanted(secrets=changed)) == ["update user nova"]
    assert keystone.passwords[keystone.id_of("users", "nova")] == "another"
    assert reconcile(keystone, wanted(secrets=changed)) == []


def test_what_is_no_longer_wanted_is_removed_if_it_is_ours(keystone: Any) -> None:
    reconcile(keystone, wanted())
    other = keystone.add("services", name="swift", type="object-store")
    stranger = keystone.add("users", name="stranger", domain_id="default")
    service, role = keystone.id_of("projects", "service"), keystone.id_of("roles", "reader")
    keystone.assignments |= {(stranger, service, role), ("gone", service, role)}
    assert reconcile(keystone, wanted("nova", prune=False)) == []
    assert reconcile(keystone, wanted("nova")) == [
        "delete user nova",
        "delete endpoint nova internal",
        "delete endpoint nova public",
        "delete service nova",
    ]
    assert other in keystone.tables["services"]
    assert stranger in keystone.tables["users"]
    assert reconcile(keystone, wanted("nova")) == []


def test_a_service_that_another_region_uses_stays(keystone: Any) -> None:
    reconcile(keystone, wanted())
    nova = keystone.id_of("services", "nova")
    keystone.add("endpoints", service_id=nova, interface="public", url="https://two", region_id="RegionTwo")
    assert reconcile(keystone, wanted("nova")) == [
        "delete user nova",
        "delete endpoint nova internal",
        "delete endpoint nova public",
    ]


def test_roles_of_our_users_are_exact_and_those_of_others_are_not_touched(keystone: Any) -> None:
    reconcile(keystone, wanted())
    service, reader = keystone.id_of("projects", "service"), keystone.id_of("roles", "reader")
    keystone.assignments.add((keystone.id_of("users", "nova"), service, reader))
    keystone.assignments.add((keystone.admin, keystone.id_of("projects", "admin"), reader))
    assert reconcile(keystone, wanted()) == ["delete assignment nova is reader in service"]
    assert keystone.roles_of("admin") == {"admin", "reader"}


def test_drift_is_corrected(keystone: Any) -> None:
    reconcile(keystone, wanted())
    for record in keystone.tables["endpoints"].values():
        if record["url"].startswith("https://internal/nova"):
            record["url"] = "http://wrong"
    keystone.tables["users"][keystone.id_of("users", "glance")]["enabled"] = False
    keystone.tables["services"][keystone.id_of("services", "nova")]["name"] = "compute"
    assert reconcile(keystone, wanted()) == [
        "update service nova",
        "update endpoint nova internal",
        "update user glance",
    ]
    assert reconcile(keystone, wanted()) == []


def test_of_two_endpoints_of_one_kind_the_right_one_is_kept(keystone: Any) -> None:
    reconcile(keystone, wanted())
    nova = keystone.id_of("services", "nova")
    keystone.add(
        "endpoints", service_id=nova, interface="internal", url="a", region_id="RegionOne", managed_by="ozone/lab"
    )
    assert reconcile(keystone, wanted()) == ["delete endpoint nova internal"]
    assert keystone.urls()["nova", "internal"] == "https://internal/nova_api/v2.1"


def test_domains_regions_and_projects(keystone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {
        "region": "RegionTwo",
        "domains": [{"name": "people", "description": "Real ones"}],
        "projects": [{"name": "work", "domain": "people", "description": "x"}],
        "roles": ["member", "gardener"],
        "users": [
            {"name": "ann", "password": "ann's own", "domain": "people", "project": "work", "roles": ["gardener"]}
        ],
    }
    first = identity.wanted_of(document, "me", prune=True)
    plan = identity.plan(identity.read(api_of(keystone), first), first)
    assert [identity.describe(action) for action in plan] == [
        "create region RegionTwo",
        "create domain people",
        "create project work",
        "create role gardener",
        "create user ann",
        "create assignment ann is gardener in work",
    ]
    identity.apply(api_of(keystone), identity.read(api_of(keystone), first), plan)
    assert keystone.roles_of("ann") == {"gardener"}
    domain = keystone.tables["domains"][keystone.id_of("domains", "people")]
    domain["enabled"] = False
    keystone.tables["projects"][keystone.id_of("projects", "work")]["description"] = ""
    monkeypatch.setattr(identity, "password_is_good", lambda api, user: True)  # the fake knows one domain only
    second = identity.plan(identity.read(api_of(keystone), first), first)
    assert [identity.describe(action) for action in second] == ["update domain people", "update project work"]


def test_the_diff_shows_no_password(keystone: Any) -> None:
    api = api_of(keystone)
    first = wanted()
    actions = identity.plan(identity.read(api, first), first)
    sides = identity.show(actions)
    assert "user nova" in sides["after"]
    assert '  password: "(new)"' in sides["after"]
    assert 'url: "http://old/v3"' in sides["before"]
    for text in (str(sides), repr(actions), repr(first)):
        assert "nova password" not in text
    gone = identity.show([identity.Action("delete", "service", "x", before={"type": "y"})])
    assert gone == {"before": 'service x\n  type: "y"\n', "after": ""}


def test_documents_that_do_not_fit_are_refused_with_all_reasons() -> None:
    document = {
        "region": "R",
        "projects": [{"name": "p", "domain": "nowhere"}],
        "roles": ["member"],
        "users": [
            {"name": "a", "password": "topsecret", "project": "q", "roles": ["king"], "domain": "moon"},
            {"name": "b", "password": "topsecret", "roles": ["member"]},
            {"name": "b", "password": "topsecret"},
        ],
        "endpoints": [{"service": "s", "interface": "inside", "url": "u"}],
    }
    with pytest.raises(IdentityError) as caught:
        identity.wanted_of(document, "x", prune=False)
    for words in (
        "project p: unknown domain nowhere",
        "user a: unknown domain moon",
        "user a: project q is not among",
        "user a: role king is not among the roles",
        "user b: roles need a project",
        "user Default/b is there twice",
        "service s is not among the services",
        "interface must be public, internal or admin",
    ):
        assert words in str(caught.value)
    assert "topsecret" not in str(caught.value)


def test_it_waits_for_keystone_and_tries_reading_again(keystone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity.time, "sleep", lambda seconds: None)
    api = api_of(keystone)
    keystone.failures = [503, 502]
    assert identity.wait_until_answering(api, 10) < 10
    assert api.user_id() == keystone.admin
    keystone.failures = [503]
    assert "regions" in identity.call(api, "GET", "/regions")
    keystone.failures = [500, 500, 500]
    with pytest.raises(IdentityError, match="Keystone: GET /regions: status 500: fake failure"):
        identity.call(api, "GET", "/regions")
    keystone.failures = [500, 200]
    with pytest.raises(IdentityError, match="Keystone: POST /roles: status 500"):
        identity.call(api, "POST", "/roles", {"role": {"name": "x"}})
    keystone.failures = []
    with pytest.raises(IdentityError, match="status 409: Conflict: role"):
        identity.call(api, "POST", "/roles", {"role": {"name": "admin"}})
    with pytest.raises(IdentityError, match="status 404"):
        identity.call(api, "GET", "/users/nobody")
    keystone.failures = [403]
    user = wanted().users[0]
    with pytest.raises(IdentityError, match="password of user admin: status 403"):
        identity.password_is_good(api, user)
    keystone.failures = [403]
    with pytest.raises(IdentityError, match="status 403"):
        identity._user(api, "x")


def test_a_keystone_that_is_not_there(keystone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity.time, "sleep", lambda seconds: None)
    api = api_of(keystone)
    keystone.close()
    monkeypatch.setattr(keystone, "close", lambda: None)
    with pytest.raises(IdentityError, match=r"has not answered within 0\.2 s: http://127"):
        identity.wait_until_answering(api, 0.2)
    with pytest.raises(IdentityError, match="Keystone: GET /roles: http://127"):
        identity.call(api, "GET", "/roles")
    with pytest.raises(IdentityError, match="password of user admin: http://127"):
        identity.password_is_good(api, wanted().users[0])
    with pytest.raises(IdentityError, match="the login is refused"):
        api.user_id()


def test_a_refused_login_is_explained(keystone: Any) -> None:
    api = api_of(keystone, "wrong password")
    with pytest.raises(IdentityError, match="the login is refused"):
        identity.call(api, "GET", "/roles")
    with pytest.raises(IdentityError, match="the login is refused"):
        api.user_id()


def test_connecting_by_a_clouds_file(keystone: Any, tmp_path: Path) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text(
        f"""
clouds:
  ozone:
    auth: {{auth_url: "{keystone.url}", username: admin, password: admin password, project_name: admin,
            user_domain_name: Default, project_domain_name: Default}}
    region_name: RegionOne
"""
    )
    api = sdk.IdentityApi(sdk.connect(sdk.Access(cloud="ozone", clouds_file=str(file))))
    assert api.user_id() == keystone.admin
    with pytest.raises(sdk.SdkError, match=r"clouds\.yaml: cloud other: "):
        sdk.connect(sdk.Access(cloud="other", clouds_file=str(file)))


# --- the action, over TLS with the cloud's own certificates and secrets --------------------------------------------

PLAY = """
- hosts: node1
  gather_facts: false
  tasks:
    - name: Reconcile
      ozone.openstack.identity:
"""


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = tmp_path / "state"
    vault = Vault([], state / "vault-password")
    file = secrets.SecretsFile(state / "secrets.yml", vault)
    file.ensure(dict.fromkeys(SECRETS, "password"))
    store = pki.Pki(state / "pki", vault, "lab")
    store.ensure([pki.Wanted("haproxy", (), ("127.0.0.1",))])
    pair = store.read("haproxy")
    assert pair is not None
    (tmp_path / "combined.pem").write_text(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "combined.pem")
    fake = fake_keystone.FakeKeystone(context, str(file.read()["keystone_admin_password"]))
    fake.serve()
    yield fake
    fake.close()


def test_the_action_needs_nothing_but_the_inventory(playbook: Callable[..., str], secure: Any, tmp_path: Path) -> None:
    front_ends = {**CLOUD["front_ends"], "keystone_api": {"public": True, "port": secure.server.server_port}}
    for other in ("nova_api", "glance_api"):
        front_ends[other] = {**front_ends[other], "port": 8000}
    vips = {"api_internal": "198.18.0.9", "api_public": "127.0.0.1"}
    cloud = {**CLOUD, "state_dir": str(tmp_path / "state"), "front_ends": front_ends, "vips": vips}
    shown = playbook(PLAY, "--check", "--diff", ozone_cloud=cloud)
    assert "changed=1" in shown, shown
    assert '+  url: "https://127.0.0.1:8000/v2.1"' in shown
    assert writes(secure) == []
    shown = playbook(PLAY, "-vvv", "--diff", ozone_cloud=cloud)
    assert "changed=1" in shown, shown
    assert secure.urls()["nova", "public"] == "https://127.0.0.1:8000/v2.1"
    assert "Warning" not in shown, shown
    for password in secure.passwords.values():
        assert password not in shown
    assert "changed=0" in playbook(PLAY, ozone_cloud=cloud)


def test_the_action_with_a_document(playbook: Callable[..., str], secure: Any, tmp_path: Path) -> None:
    password = secure.passwords[secure.admin]
    play = f"""
- hosts: node1
  gather_facts: false
  tasks:
    - ozone.openstack.identity:
        auth: {{auth_url: "{secure.url}", username: admin, password: "{password}", project_name: admin,
               user_domain_name: Default, project_domain_name: Default}}
        ca_cert: "{tmp_path}/state/pki/ca.pem"
        region: RegionOne
        roles: [gardener]
    - ozone.openstack.identity: {{cloud: nowhere, clouds_file: /nonexistent, region: x}}
      ignore_errors: true
    - ozone.openstack.identity: {{roles: [x]}}
      ignore_errors: true
    - ozone.openstack.identity: {{region: R, users: [{{name: x, pasword: x}}]}}
"""
    shown = " ".join(playbook(play).split())
    assert "changed=1" in shown, shown
    assert secure.id_of("roles", "gardener")
    assert "/nonexistent: cloud nowhere" in shown
    assert "region: is missing" in shown
    assert "missing required arguments: password" in shown


def test_a_certificate_that_is_not_trusted_ends_the_waiting(secure: Any, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_text(pki.make_authority("other", datetime.now(UTC)).certificate)
    auth = {"auth_url": secure.url, "username": "x", "password": "x"}
    api = sdk.IdentityApi(sdk.connect(sdk.Access(auth=auth, ca_cert=str(tmp_path / "other.pem"))))
    with pytest.raises(IdentityError, match="its certificate is not trusted"):
        identity.wait_until_answering(api, 60)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openstack", None)
    with pytest.raises(sdk.SdkError, match="lacks openstacksdk"):
        sdk.connect(sdk.Access(cloud="x"))
