"""Tasks: all work of the app, of every kind, and the policy of each kind.

A task belongs to an item, whose stage it is, or it is a run: work that has no item and that its user can read and
cancel by `run_id`, or it is the delivery of a webhook.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from chalicelib.model.library.items import ItemRef, StoredItem

Kind = Literal["process", "analyze", "embed", "answer", "job", "reembed", "webhook"]
State = Literal["ready", "running", "done", "failed", "cancelled"]
Queue = Literal["process", "analyze", "embed", "run"]

MISCONFIGURED_RETRY_S = 60.0
BUDGET_RETRY_S = 1800.0  # a budget is raised, or a month turns, seldom
OTHERS_WAIT_S = 15.0  # as long as the slowest receiver of a webhook
MAX_DELAY_S = 900  # the longest delay of a message in SQS


class Policy(Struct, frozen=True, kw_only=True):
    """The rules by which tasks of one kind are worked on.

    `lease_s` is longer than the function's timeout (.chalice/config.json), so that a live worker never loses its lease.
    `at_once` is the largest number of a user's tasks of this kind that have a worker, or a message that is due.
    `of_all_users` is the largest number that have a worker, of all users together: the queue's other kinds keep the
    rest of its 20 places (app.py). What finds them taken comes again after OTHERS_WAIT_S.
    """

    queue: Queue
    lease_s: int
    max_attempts: int
    backoff_base_s: float
    backoff_cap_s: float
    at_once: int
    of_all_users: int | None = None


# Eight attempts with these waits are enough for a provider that is unavailable for about ten minutes.
_STAGE: dict[str, Any] = {
    "lease_s": 150,
    "max_attempts": 8,
    "backoff_base_s": 15.0,
    "backoff_cap_s": 300.0,
    "at_once": 10,
}
POLICIES: dict[Kind, Policy] = {
    "process": Policy(queue="process", **_STAGE),
    "analyze": Policy(queue="analyze", **_STAGE),
    "embed": Policy(queue="embed", **_STAGE),
    "answer": Policy(
        queue="run", lease_s=150, max_attempts=6, backoff_base_s=5.0, backoff_cap_s=300.0, at_once=5
    ),
    # The driver of a job's run (ops/jobs/drive.py). Attempts are counted anew at each of its steps.
    "job": Policy(
        queue="run", lease_s=150, max_attempts=8, backoff_base_s=5.0, backoff_cap_s=120.0, at_once=4
    ),
    "reembed": Policy(
        queue="run", lease_s=150, max_attempts=8, backoff_base_s=15.0, backoff_cap_s=300.0, at_once=1
    ),
    # A delivery ends by itself after three days (ops/webhooks/deliver.py), with these waits after about 25 attempts.
    "webhook": Policy(
        queue="run",
        lease_s=150,
        max_attempts=200,
        backoff_base_s=10.0,
        backoff_cap_s=12 * 3600.0,
        at_once=3,
        of_all_users=8,
    ),
}
QUEUES: tuple[Queue, ...] = ("process", "analyze", "embed", "run")


class TaskRef(Struct, frozen=True, kw_only=True):
    """The name of a task, as messages carry it. The bounds are those of Postgres."""

    user_id: Annotated[str, Meta(pattern=r"^[^\x00\ud800-\udfff]{1,200}\Z")]
    task_id: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    kind: Kind


class Wake(Struct, frozen=True, kw_only=True):
    """A message to send for a task, to be delivered after `delay_s` seconds."""

    task: TaskRef
    delay_s: int


class Claim(Struct, frozen=True, kw_only=True):
    """The right to work on a task until its lease ends; `token` fences every write.

    `item` is the task's item as it was at that moment, and `part_of` the run of a job that it was a file of.
    """

    user_id: str
    task_id: int
    kind: Kind
    token: str
    attempt: int
    item_id: str | None
    run_id: str | None
    input: Any
    part_of: str | None = None
    item: StoredItem | None = None

    @property
    def ref(self) -> ItemRef:
        """Return the item whose stage this is."""
        assert self.item_id is not None
        return ItemRef(user_id=self.user_id, item_id=self.item_id)

    @property
    def begun(self) -> StoredItem:
        """The item whose stage this is, as it was when the stage began."""
        assert self.item is not None
        return self.item

    @property
    def run(self) -> str:
        """Return the id of the run that this is."""
        assert self.run_id is not None
        return self.run_id


class StoredRun(Struct, frozen=True, kw_only=True):
    """A task that is a run, as its user reads it."""

    id: str
    task_id: int
    kind: Kind
    state: State
    output: Any
    attempt: int
    error_code: str | None
    error_message: str | None
    run_after: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    def task(self, user_id: str) -> TaskRef:
        return TaskRef(user_id=user_id, task_id=self.task_id, kind=self.kind)
