"""Steps that tests of the engine take with a task, and the tasks that have messages."""

import json

from chalicelib import wiring
from chalicelib.model.work.tasks import TaskRef
from chalicelib.ops.work.engine import run_task
from chalicelib.ops.work.stages import stage_work
from chalicelib.stores.aws.queues import Queues
from tests.support.emulated import BUCKET
from tests.support.world import World


def woken(world: World) -> list[int]:
    """Return the ids of the tasks whose messages are in the queues."""
    return [json.loads(message["body"])["task"]["task_id"] for message in world.messages()]


def do(task: TaskRef, queues: Queues | None = None) -> bool:
    """Do the task, with nothing to write."""
    work = stage_work(lambda claim: lambda tx: None, bucket=BUCKET)
    db, bus = wiring.pipeline_database(), wiring.bus()
    return run_task(task, work, db=db, bus=bus, queues=queues or wiring.queues())
