"""Runs of jobs: their states, their counts, and a line for each file."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from chalicelib.model.work.tasks import TaskRef

State = Literal[
    "queued",
    "validating",
    "running",
    "finalizing",
    "cancelling",
    "succeeded",
    "partially_succeeded",
    "failed",
    "cancelled",
    "expired",
]
STOPPED: frozenset[State] = frozenset({"cancelling", "cancelled", "expired", "failed"})
ENDED: frozenset[State] = frozenset({"succeeded", "partially_succeeded", "failed", "cancelled", "expired"})
Outcome = Literal["done", "failed", "skipped", "cancelled"]

MAX_OPEN_RUNS = 20
DEFAULT_EXPIRES_S = 24 * 3600
INPUT_MAX_BYTES = 5 * 1024**3  # what S3 takes by one form; parts are joined to no more
RUNS_FOLDER = "_runs"


class Run(Struct, frozen=True, kw_only=True):
    """A run: a row of `job_runs` with its task; or an answer in the background, which has no `job_id` and no counts.

    `state` is the run's. `total` counts the files that are known; what is none of done, failed and skipped remains, or
    is cancelled when the run has ended. `paused_at`: its cost has reached `max_cost_usd`. `progress` is where the step
    of its kind goes on. `expires_in_s` is negative when its time is over; `idle_s` is since a count last moved.
    """

    id: str
    task_id: int
    kind: str
    state: State
    attempt: int
    output: Any
    error_code: str | None
    error_message: str | None
    run_after: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    is_of_job: bool
    job_id: str | None
    parameters: Any
    collection_id: str | None
    max_cost_usd: Decimal | None
    input_key: str | None
    input_etag: str | None
    multipart_key: str | None
    multipart_id: str | None
    total: int
    done: int
    failed: int
    skipped: int
    progress: Any
    retry_of: str | None
    scheduled_for: datetime | None
    expires_at: datetime | None
    expires_in_s: float | None
    idle_s: float | None
    validating_at: datetime | None
    running_at: datetime | None
    paused_at: datetime | None
    progressed_at: datetime | None
    stuck_at: datetime | None
    finalizing_at: datetime | None
    cancelling_at: datetime | None
    files_at: datetime | None

    @property
    def remaining(self) -> int:
        return self.total - self.done - self.failed - self.skipped

    @property
    def remaining_s(self) -> float | None:
        """Return the estimate of the seconds that remain, at the speed so far; None when nothing has ended yet."""
        ended = self.total - self.remaining
        if self.state != "running" or not ended or not self.running_at or not self.progressed_at:
            return None
        return round((self.progressed_at - self.running_at).total_seconds() / ended * self.remaining, 1)

    def task(self, user_id: str) -> TaskRef:
        return TaskRef(user_id=user_id, task_id=self.task_id, kind="job" if self.is_of_job else "answer")


class RunFile(Struct, frozen=True, kw_only=True):
    """A line of a run: a file, and what became of it. `outcome` is None while it is waited for.

    `page` is the page of a PDF that the message is about; `line` the entry of an archive, from 1.
    """

    number: int
    name: str
    key: str | None = None
    size_bytes: int | None = None
    item_id: str | None = None
    outcome: Outcome | None = None
    code: str | None = None
    message: str | None = None
    page: int | None = None
    line: int | None = None


class RunFilters(Struct, frozen=True, kw_only=True):
    """Conditions on runs; None sets no condition."""

    state: State | None = None
    kind: str | None = None
    job_id: str | None = None
    until: datetime | None = None


class Counts(Struct, frozen=True, kw_only=True):
    """The numbers of files that have ended since the last step, and that are at work."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    at_work: int = 0


def end_state(run: Run) -> State:
    """Return how a run has ended whose files all have."""
    if not run.failed:
        return "succeeded"
    return "partially_succeeded" if run.done or run.skipped else "failed"


def input_folder(run_id: str) -> str:
    """Return the folder, below the user's, of the object that is uploaded for a run."""
    return f"{RUNS_FOLDER}/{run_id}/in"


def entry_folder(run_id: str, number: int) -> str:
    """Return the folder of a file that the run takes out of an archive."""
    return f"{RUNS_FOLDER}/{run_id}/{number}"


def run_of_key(key: str) -> tuple[str, bool] | None:
    """Return (run id, whether it is the run's input) for a key below a run's folder, else None."""
    parts = key.split("/")
    if len(parts) != 5 or parts[1] != RUNS_FOLDER:
        return None
    try:
        run_id = str(UUID(parts[2]))
    except ValueError:
        return None
    return (run_id, parts[3] == "in") if run_id == parts[2] else None


def file_key(user_id: str, run_id: str, name: str) -> str:
    """Return the key of a run's file of results or errors. No event of S3 tells of it."""
    return f"_derived/{user_id}/runs/{run_id}/{name}"
