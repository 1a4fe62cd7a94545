# SPDX-License-Identifier: Apache-2.0
"""The frame of an action that works on the deployment host: options, and errors that an operator understands."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.ozone.openstack.plugins.module_utils.secrets import mask


class LocalAction(ActionBase):  # type: ignore[misc]  # the base class has no types
    """A subclass says what its options are, that it knows check mode, and does the ``work``.

    An expected error becomes the task's message.
    """

    TRANSFERS_FILES = False
    _requires_connection = False

    #: The argument spec.
    ARGUMENTS: ClassVar[dict[str, Any]] = {}
    #: Option -> the variable that stands for it where the task does not give it.
    VARIABLES: ClassVar[dict[str, str]] = {}
    #: Errors whose text says all that is to be said. Any other one is a fault of ours, and shows as such.
    EXPECTED: ClassVar[tuple[type[Exception], ...]] = (OSError,)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check the options, then work."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        for option, variable in self.VARIABLES.items():
            if variable in variables:
                self._task.args.setdefault(option, self._templar.template(variables[variable]))
        options = self.validate_argument_spec(argument_spec=self.ARGUMENTS)[1]
        try:
            result.update(self.work(options, variables))
        except self.EXPECTED as error:
            raise AnsibleActionFail(mask(str(error))) from None
        return result

    @abstractmethod
    def work(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """What the action does; returns its result."""
