"""Runs as the API shows them: the runs of jobs, and answers that took longer than their request."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from chalicelib.api.chat.messages import Message
from chalicelib.model.jobs.exports import export_of
from chalicelib.model.jobs.kinds import JobKind
from chalicelib.model.jobs.runs import Run as StoredRun
from chalicelib.model.jobs.runs import State
from chalicelib.model.usage.usage import Spent

RunKind = Literal["answer"] | JobKind


class RunError(msgspec.Struct, frozen=True, kw_only=True):
    """The error of a failed run, or of the last attempt while another one may follow."""

    code: str
    message: str


class RunOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an answer's run. `message` is null in lists, and when its conversation is deleted."""

    conversation_id: str
    message_id: str
    message: Message | None


class RunCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The number of files of the run, and what became of them. `remaining` of a run that has ended were cancelled."""

    total: int
    done: int
    failed: int
    skipped: int
    remaining: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a job, or an answer (`job_id`, `counts` and `cost_usd` are null). Kept for 30 days after its end.

    `error` is why a run has failed as a whole; `errors_url` has what failed of its files. `remaining_s` is an estimate
    at the speed so far. `cost_usd` is the cost of models so far, null in lists; calls of models without a price are
    not in it. `paused_at`: the cost has reached `max_cost_usd`; a larger one lets it go on. `stuck_at`: no count has
    moved for half an hour. `results_url` and `errors_url` redirect to files in JSON lines, null until they are written,
    as `export_url` does to an export's zip, or a deck.
    `next_attempt_at` is null unless it is queued.
    """

    object: Literal["run"] = "run"
    id: str
    job_id: str | None
    kind: RunKind
    state: State
    attempts: int
    error: RunError | None
    output: RunOutput | None
    comparison: dict[str, float | None] | None
    counts: RunCounts | None
    remaining_s: float | None
    cost_usd: float | None
    max_cost_usd: float | None
    retry_of: str | None
    scheduled_for: datetime | None
    created_at: datetime
    started_at: datetime | None
    next_attempt_at: datetime | None
    expires_at: datetime | None
    validating_at: datetime | None
    running_at: datetime | None
    paused_at: datetime | None
    stuck_at: datetime | None
    finalizing_at: datetime | None
    cancelling_at: datetime | None
    finished_at: datetime | None
    results_url: str | None
    errors_url: str | None
    export_url: str | None


_SAME = (
    *(
        "id",
        "job_id",
        "kind",
        "state",
        "remaining_s",
        "retry_of",
        "scheduled_for",
        "created_at",
        "started_at",
    ),
    *("expires_at", "validating_at", "running_at", "paused_at", "stuck_at", "finalizing_at", "cancelling_at"),
    "finished_at",
)


def _compared(run: StoredRun) -> dict[str, float | None] | None:
    """Return the result of a run of kind reembed, None before it has one."""
    found = run.progress if run.is_of_job else run.output
    compared: dict[str, float | None] | None = (found or {}).get("compared")
    return compared


def run_of(run: StoredRun, *, message: Message | None = None, spent: Spent | None = None) -> Run:
    """Return the run as the API shows it."""
    has_error = run.error_code and run.error_message
    counts = RunCounts(
        total=run.total, done=run.done, failed=run.failed, skipped=run.skipped, remaining=run.remaining
    )
    file = f"/api/v1/runs/{run.id}/files/" if run.files_at else None
    waits = run.state == "queued" and not run.is_of_job
    export = export_of(run)
    return Run(
        **{name: getattr(run, name) for name in _SAME},
        attempts=run.attempt,
        error=RunError(code=run.error_code or "", message=run.error_message or "") if has_error else None,
        output=RunOutput(**run.output, message=message) if run.output and run.kind == "answer" else None,
        comparison=_compared(run),
        counts=counts if run.is_of_job else None,
        cost_usd=float(spent.cost_usd) if spent and run.is_of_job else None,
        max_cost_usd=_number(run.max_cost_usd),
        next_attempt_at=run.run_after if waits else None,
        results_url=f"{file}results.jsonl" if file else None,
        errors_url=f"{file}errors.jsonl" if file else None,
        export_url=f"/api/v1/runs/{run.id}/files/{export}" if export else None,
    )


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
