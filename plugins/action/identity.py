# SPDX-License-Identifier: Apache-2.0
"""Action: reconcile what a cloud has in Keystone, from the deployment host; see the module's documentation."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils import identity, sdk, secrets
from ansible_collections.ozone.openstack.plugins.plugin_utils import access
from ansible_collections.ozone.openstack.plugins.plugin_utils.service import plain


def _list(**keys: dict[str, Any]) -> dict[str, Any]:
    options = {key: {"type": "str", **specification} for key, specification in keys.items()}
    return {"type": "list", "elements": "dict", "options": options}


REQUIRED = {"required": True}
DOCUMENT: dict[str, Any] = {
    "region": {"type": "str"},
    "domains": _list(name=REQUIRED, description={}),
    "projects": _list(name=REQUIRED, domain={}, description={}),
    "roles": {"type": "list", "elements": "str"},
    "users": _list(
        name=REQUIRED,
        password={"required": True, "no_log": True},
        project={},
        roles={"type": "list", "elements": "str"},
        domain={},
        description={},
    ),
    "services": _list(name=REQUIRED, type=REQUIRED, description={}),
    "endpoints": _list(service=REQUIRED, interface=REQUIRED, url=REQUIRED),
}
ARGUMENTS: dict[str, Any] = {
    **access.ARGUMENTS,
    **DOCUMENT,
    "owner": {"type": "str"},
    "prune": {"type": "bool", "default": True},
    "wait": {"type": "float", "default": 60},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class has no types
    """``ozone.openstack.identity``."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read, compare, change."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = plain(self.validate_argument_spec(argument_spec=ARGUMENTS)[1])
        here = access.CloudAccess(self, task_vars or {})
        document = {key: options[key] for key in DOCUMENT if options[key] is not None}
        try:
            if not document:
                cloud = here.cloud()
                document = identity.document_of_cloud(cloud, here.secrets(), here.url)
                options["owner"] = options["owner"] or f"ozone/{cloud['name']}"
            if not document.get("region"):
                raise identity.IdentityError("identity document: region: is missing")
            wanted = identity.wanted_of(document, options["owner"] or "ozone", prune=options["prune"])
            for user in wanted.users:
                secrets.use(user.password)
            api = sdk.IdentityApi(sdk.connect(here.access(options)))
            actions = identity.reconcile(
                api, wanted, check=self._task.check_mode, wait=options["wait"], myself=api.user_id
            )
        except KeyError as error:
            raise AnsibleActionFail(f"there is no secret {error} yet: run the action ozone.openstack.secrets") from None
        except (identity.IdentityError, sdk.SdkError, secrets.SecretsError, OSError) as error:
            raise AnsibleActionFail(secrets.mask(str(error))) from None
        result.update(changed=bool(actions), actions=[identity.describe(action) for action in actions])
        if actions and self._task.diff:
            sides = {side: secrets.mask(text) for side, text in identity.show(actions).items()}
            result["diff"] = [{"before_header": "Keystone", "after_header": "Keystone", **sides}]
        return result
