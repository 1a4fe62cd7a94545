# SPDX-License-Identifier: Apache-2.0
"""Where the secrets of a cloud are: the encrypted file of its state directory, or HashiCorp Vault / OpenBao.

Variables (see the lookup ``ozone.openstack.secret``) choose. The server is asked through the collection
``community.hashi_vault``, so that every way to log in that it knows can be used, with its own variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from ansible_collections.ozone.openstack.plugins.module_utils.secrets import (
    Secret,
    SecretsError,
    SecretsFile,
    values_of,
)
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import vault_of

_answers: dict[tuple[str, str, str], dict[str, Secret]] = {}


def cloud_of(templar: Any, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """The variable ``ozone_cloud``; empty where there is none.

    It is data, which is not templated: it may have a megabyte. Where the inventory is the output of
    ``ansible-inventory --list``, it is a template that refers to the variable of another host.
    """
    cloud = variables.get("ozone_cloud")
    if isinstance(cloud, str):
        cloud = templar.template(cloud)
    return cloud if isinstance(cloud, Mapping) else {}


def state_dir_of(templar: Any, variables: Mapping[str, Any]) -> Path:
    """The state directory of the cloud that the host variables belong to."""
    try:
        return Path(str(cloud_of(templar, variables)["state_dir"]))
    except KeyError:
        raise SecretsError(
            "the variable ozone_cloud.state_dir is not defined: use an inventory of the plugin ozone.openstack.cloud "
            "(-i cloud.yml)"
        ) from None


def secrets_file(loader: Any, state_dir: Path) -> SecretsFile:
    """The encrypted file of the cloud."""
    return SecretsFile(state_dir / "secrets.yml", vault_of(loader, state_dir))


def decrypt(loader: Any, templar: Any, variables: Mapping[str, Any], text: str) -> str:
    """A value of cloud.yml that ansible-vault has encrypted. :raises SecretsError: no known password fits."""
    vault = vault_of(loader, state_dir_of(templar, variables))
    return vault.decrypt(text.encode(), Path("a !vault value of cloud.yml"))


def from_server(
    loader: Any, templar: Any, variables: Mapping[str, Any], url: str, mount: str, path: str
) -> dict[str, Secret]:
    """Every secret in the KV version 2 document ``mount``/``path``, read once per process."""
    key = (url, mount, path)
    if key in _answers:
        return dict(_answers[key])
    plugin = lookup_loader.get("community.hashi_vault.vault_kv2_get", loader=loader, templar=templar)
    if plugin is None:
        raise SecretsError("ozone_secrets_source is hashi_vault: install the collection community.hashi_vault")
    direct = {"engine_mount_point": mount, **({"url": url} if url else {})}
    try:
        answer = plugin.run([path], variables=dict(variables), **direct)
    except AnsibleError as error:
        raise SecretsError(f"{mount}/{path} of {url or 'HashiCorp Vault / OpenBao'}: {error}") from error
    _answers[key] = values_of(answer[0]["secret"], f"{mount}/{path}", f"vault kv patch -mount={mount} {path} NAME=-")
    return dict(_answers[key])


def read_secrets(
    loader: Any, templar: Any, variables: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[dict[str, Secret], str]:
    """Every secret of the cloud and where they are; ``options``: ``source``, ``url``, ``mount`` and ``path``."""
    if options["source"] == "hashi_vault":
        path = str(options["path"] or "ozone/" + state_dir_of(templar, variables).name)
        values = from_server(loader, templar, variables, str(options["url"] or ""), str(options["mount"]), path)
        return values, f"{options['mount']}/{path}"
    file = secrets_file(loader, state_dir_of(templar, variables))
    return file.read(), str(file.path)
