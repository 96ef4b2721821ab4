"""Step Functions as far as a backfill needs it: plays the state machine of deploy/base.yaml in the emulated account.

The emulator knows executions, and runs none. What a Distributed Map gives to its children is made here of the committed
definition and of the bucket, as AWS documents it: ItemReader, then ItemSelector, then ItemBatcher ("Map state input and
output fields", Step Functions' guide).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from moto.stepfunctions.models import stepfunctions_backends

from chalicelib.events import handlers
from deploy import base
from local.layout import ACCOUNT, REGION
from tests.support.world import World, context

DEFINITION: dict[str, Any] = base.template()["Resources"]["BackfillStateMachine"]["Properties"]["Definition"]
ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:collections-local-backfill"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/backfill"


class StateMachine:
    def __init__(self, world: World) -> None:
        self._world = world
        self._client = world.aws.client("stepfunctions")
        self._client.create_state_machine(
            name="collections-local-backfill", definition=json.dumps(DEFINITION), roleArn=ROLE
        )

    def status(self, name: str) -> str | None:
        """Return the status of an execution, None if it was never started."""
        return next((each.status for each in self._executions() if each.name == name), None)

    def batches(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield what each child of the execution gives to its function, as the definition says."""
        (execution,) = [each for each in self._executions() if each.name == name]
        given = json.loads(execution.execution_input)
        state = DEFINITION["States"][DEFINITION["StartAt"]]
        where = _filled(state["ItemReader"]["Parameters"], given)
        found = self._world.aws.client("s3").list_objects_v2(**where).get("Contents", [])
        read = [
            {"Etag": f["ETag"], "Key": f["Key"], "Size": f["Size"], "StorageClass": "STANDARD"} for f in found
        ]
        items = [
            _filled(state["ItemSelector"], given, {"Map": {"Item": {"Index": index, "Value": item}}})
            for index, item in enumerate(read)
        ]
        size = state["ItemBatcher"]["MaxItemsPerBatch"]
        shared = _filled(state["ItemBatcher"]["BatchInput"], given)
        processor = state["ItemProcessor"]
        task = processor["States"][processor["StartAt"]]
        for start in range(0, len(items), size):
            child = {"BatchInput": shared, "Items": items[start : start + size]}
            yield _filled(task["Parameters"], child)["Payload"]

    def run(self, name: str) -> None:
        """Give all batches to the function; the execution succeeds, or fails at the first error."""
        for batch in self.batches(name):
            try:
                handlers.event_received(json.loads(json.dumps(batch)), context())
            except Exception:
                self.end(name, "FAILED")
                raise
        self.end(name, "SUCCEEDED")

    def end(self, name: str, status: str) -> None:
        (execution,) = [each for each in self._executions() if each.name == name]
        execution.status = status

    def _executions(self) -> list[Any]:
        (machine,) = stepfunctions_backends[ACCOUNT][REGION].state_machines
        return list(machine.executions)


def _filled(template: Any, given: Any, about: Any = None) -> Any:
    """Return the payload template with a value for each path: $ is the state's input, $$ the context object."""
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): _at(value, given, about)
        if name.endswith(".$")
        else _filled(value, given, about)
        for name, value in template.items()
    }


def _at(path: str, given: Any, about: Any) -> Any:
    found = about if path.startswith("$$") else given
    for part in re.findall(r"\.(\w+)", path):
        found = found[part]
    return found
