"""Executions of the stage's state machine in Step Functions, each known by the id of its run."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

from chalicelib.stores.aws.aws_errors import translated

State = Literal["running", "succeeded", "failed"]
_STATES: dict[str, State] = {"RUNNING": "running", "PENDING_REDRIVE": "running", "SUCCEEDED": "succeeded"}
_REFUSALS = ("AccessDeniedException", "StateMachineDoesNotExist", "InvalidArn")


class Executions:
    """The executions of one state machine. `client` makes the client when it is needed."""

    def __init__(self, client: Callable[[], Any], *, state_machine: str) -> None:
        self._client = client
        self._state_machine = state_machine

    def start(self, name: str, given: Mapping[str, Any]) -> None:
        """Start an execution of this name, unless there has been one."""
        with _translated(but="ExecutionAlreadyExists"):
            self._client().start_execution(
                stateMachineArn=self._state_machine, name=name, input=json.dumps(given)
            )

    def state_of(self, name: str) -> State:
        """Return how far the execution is. Raise Unavailable, also if it is not there yet."""
        with _translated():
            found = self._client().describe_execution(executionArn=self._arn(name))
        return _STATES.get(found["status"], "failed")

    def stop(self, name: str) -> None:
        """Stop the execution; one that is over, or was never started, stays as it is."""
        with _translated(but="ExecutionDoesNotExist"):
            self._client().stop_execution(executionArn=self._arn(name))

    def _arn(self, name: str) -> str:
        return f"{self._state_machine.replace(':stateMachine:', ':execution:')}:{name}"


def _translated(*, but: str | None = None) -> AbstractContextManager[None]:
    return translated("Step Functions", code="executions", refusals=_REFUSALS, but=but)
