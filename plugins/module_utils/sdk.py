# SPDX-License-Identifier: Apache-2.0
"""A session with a cloud through openstacksdk, on the deployment host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ozone.openstack.plugins.module_utils.identity import IdentityError

#: Seconds within which an API has to answer one request.
TIMEOUT = 60


class SdkError(Exception):
    """There is no way to talk to the cloud; the message says what to change."""


@dataclass(frozen=True)
class Access:
    """How to reach a cloud: either a cloud of a clouds.yaml, or the ``auth`` mapping itself."""

    cloud: str = ""
    clouds_file: str = ""
    auth: Mapping[str, Any] | None = None
    region: str = ""
    ca_cert: str = ""
    interface: str = ""


def connect(access: Access) -> Any:
    """An ``openstack.connection.Connection``. Nothing is sent yet.

    :raises SdkError: openstacksdk is missing, or the file or the cloud in it.
    """
    try:
        import openstack
        from openstack.config import OpenStackConfig
    except ImportError as error:
        raise SdkError(f"the Python of ansible-playbook lacks openstacksdk: {error}; run: make setup") from error
    options: dict[str, Any] = {"api_timeout": TIMEOUT}
    if access.region:
        options["region_name"] = access.region
    if access.ca_cert:
        options["cacert"] = access.ca_cert
    if access.interface:
        options["interface"] = access.interface
    try:
        if access.auth is not None:
            options["auth"] = dict(access.auth)
            config = OpenStackConfig(load_yaml_config=False, load_envvars=False).get_one(**options)
        else:
            files = [access.clouds_file] if access.clouds_file else None
            loader = OpenStackConfig(config_files=files, secure_files=[], load_envvars=not files)
            config = loader.get_one(cloud=access.cloud, **options)
    except Exception as error:  # the library raises many kinds; each means that its input cannot be used
        source = access.clouds_file or "clouds.yaml"
        raise SdkError(f"{source}: cloud {access.cloud or '(auth)'}: {error}") from error
    return openstack.connection.Connection(config=config)


class IdentityApi:
    """``identity.Api`` over a connection's session. Only its own address counts, whatever the catalogue says."""

    def __init__(self, connection: Any) -> None:
        self.session = connection.session
        self.url = str(connection.config.get_auth_args()["auth_url"]).rstrip("/")
        if not self.url.endswith("/v3"):
            self.url += "/v3"

    def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, token: bool = True
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of one request.

        :raises ConnectionError: there was no answer, or none in time.
        :raises IdentityError: waiting cannot help: the certificate is not trusted, or the login is refused.
        """
        from keystoneauth1 import exceptions

        try:
            response = self.session.request(
                self.url + path,
                method,
                json=body,
                authenticated=token,
                raise_exc=False,
                timeout=TIMEOUT,
                headers={"Accept": "application/json"},
            )
        except exceptions.SSLError as error:
            raise IdentityError(
                f"{self.url}: its certificate is not trusted: {error}; ca_cert must name the authority that issued it"
            ) from error
        except exceptions.Unauthorized as error:
            raise IdentityError(f"{self.url}: the login is refused: {error}") from error
        except (exceptions.ConnectionError, exceptions.HttpError) as error:
            raise ConnectionError(f"{self.url}: {error}") from error
        try:
            answer = response.json() if response.content else {}
        except ValueError:
            answer = {"error": {"message": response.text[:200]}}
        return int(response.status_code), answer if isinstance(answer, dict) else {"answer": answer}

    def user_id(self) -> str:
        """The id of the user who is logged in."""
        from keystoneauth1 import exceptions

        try:
            return str(self.session.get_user_id())
        except exceptions.ClientException as error:
            raise IdentityError(f"{self.url}: the login is refused: {error}") from error
