# SPDX-License-Identifier: Apache-2.0
"""Action: the certificates of a cloud, on the deployment host; see the module's documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.pki import (
    Given,
    Pair,
    Pki,
    PkiError,
    system_authorities,
    wanted_of,
)
from ansible_collections.ozone.openstack.plugins.module_utils.secrets import SecretsError, use
from ansible_collections.ozone.openstack.plugins.plugin_utils.local_action import LocalAction
from ansible_collections.ozone.openstack.plugins.plugin_utils.secret_source import cloud_of, state_dir_of
from ansible_collections.ozone.openstack.plugins.plugin_utils.vault import vault_of

GIVEN = {
    "given_certificate": "ozone_tls_certificate",
    "given_key": "ozone_tls_key",
    "given_ca": "ozone_tls_ca",
}
ARGUMENTS: dict[str, Any] = {
    "certificates": {"type": "dict", "required": True},
    "state_dir": {"type": "path"},
    **{option: {"type": "str"} for option in GIVEN},
}


class ActionModule(LocalAction):
    """``ozone.openstack.certificate``."""

    _supports_check_mode = True
    ARGUMENTS = ARGUMENTS
    VARIABLES = GIVEN
    EXPECTED = (PkiError, SecretsError, OSError)

    def _given(self, options: dict[str, Any], directory: str) -> Given | None:
        texts: dict[str, str] = {}
        for option, variable in GIVEN.items():
            if options[option]:
                path = str(Path(directory) / str(options[option]))
                try:
                    texts[option] = str(self._loader.get_text_file_contents(path))  # decrypts an ansible-vault file
                except Exception as error:
                    raise PkiError(f"{variable}: {path} cannot be read: {error}") from error
        if not texts:
            return None
        if "given_certificate" not in texts or "given_key" not in texts:
            raise PkiError("ozone_tls_certificate and ozone_tls_key: give both or none")
        use(texts["given_key"])
        pair = Pair(texts["given_certificate"], texts["given_key"])
        return Given(pair, texts.get("given_ca"), f"ozone_tls_certificate {options['given_certificate']}")

    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Make what is missing or about to end."""
        cloud = cloud_of(self._templar, variables)
        state_dir = Path(options["state_dir"]) if options["state_dir"] else state_dir_of(self._templar, variables)
        given = self._given(options, str(cloud.get("directory") or self._loader.get_basedir()))
        wanted = [
            wanted_of(str(name), {str(key): value for key, value in (entry or {}).items()}, given)
            for name, entry in options["certificates"].items()
        ]
        pki = Pki(state_dir / "pki", vault_of(self._loader, state_dir), str(cloud.get("name") or state_dir.name))
        trust = system_authorities() if given is not None and given.ca is None else ""
        outcome = pki.ensure(wanted, system_trust=trust, check=self._task.check_mode)
        result: dict[str, Any] = {
            "changed": outcome.changed,
            "issued": outcome.issued,
            "ca": str(pki.directory / "ca.pem"),
        }
        if outcome.issued and self._task.diff:
            lines = "".join(f"{name}: {'; '.join(reasons)}\n" for name, reasons in outcome.issued.items())
            result["diff"] = [{"after_header": f"{pki.directory}: certificates to issue", "before": "", "after": lines}]
        return result
