"""Runs as the API shows them: the runs of jobs, and answers that took longer than their request."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from chalicelib.api.chat.messages import Message
from chalicelib.model.jobs.kinds import JobKind
from chalicelib.model.jobs.runs import Run as StoredRun
from chalicelib.model.jobs.runs import State
from chalicelib.model.usage.usage import Spent

<<<<<<< HEAD
RunKind = Literal["answer"] | JobKind
=======
routes = Routes("runs")
RunKind = Literal["answer", "reembed"]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
# A run is a task; its states have the names that clients of job services know.
STATES: dict[TaskState, State] = {
    "ready": "queued",
    "running": "running",
    "done": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
}
TASK_STATES = {shown: stored for stored, shown in STATES.items()}
>>>>>>> ddd4d9f (The index is moved to another model while searches go on: generations, filled beside, promoted and rolled back whole)


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
    """How many files the run has, and what became of them. `remaining` of a run that has ended were cancelled."""

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
    moved for half an hour. `results_url` and `errors_url` redirect to files in JSON lines, null until they are written.
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


def run_of(run: StoredRun, *, message: Message | None = None, spent: Spent | None = None) -> Run:
    """Return the run as the API shows it."""
    has_error = run.error_code and run.error_message
    counts = RunCounts(
        total=run.total, done=run.done, failed=run.failed, skipped=run.skipped, remaining=run.remaining
    )
    file = f"/api/v1/runs/{run.id}/files/" if run.files_at else None
    waits = run.state == "queued" and not run.is_of_job
    return Run(
        **{name: getattr(run, name) for name in _SAME},
        attempts=run.attempt,
        error=RunError(code=run.error_code or "", message=run.error_message or "") if has_error else None,
<<<<<<< HEAD
        output=RunOutput(**run.output, message=message) if run.output else None,
        counts=counts if run.is_of_job else None,
        cost_usd=float(spent.cost_usd) if spent and run.is_of_job else None,
        max_cost_usd=_number(run.max_cost_usd),
        next_attempt_at=run.run_after if waits else None,
        results_url=f"{file}results.jsonl" if file else None,
        errors_url=f"{file}errors.jsonl" if file else None,
    )


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
=======
        output=RunOutput(**run.output, message=message) if run.output and run.kind == "answer" else None,
        created_at=run.created_at,
        started_at=run.started_at,
        next_attempt_at=run.run_after if run.state == "ready" else None,
        finished_at=run.finished_at,
    )


@routes.get("/api/v1/runs", query=ListRuns, returns=RunList, summary="List runs, newest first.")
def list_runs(request: Request) -> RunList:
    query: ListRuns = request.query
    found, cursor = runs.list_runs(
        request.user_id,
        state=TASK_STATES[query.state] if query.state else None,
        after=query.after,
        limit=query.limit,
        db=wiring.database(),
    )
    return RunList(data=[run_of(run) for run in found], has_more=cursor is not None, next=cursor)


@routes.get("/api/v1/runs/{run_id}", returns=Run, summary="Read a run, with what came of it.")
def get_run(request: Request) -> Run:
    run = runs.read_run(request.user_id, request.path["run_id"], db=wiring.database())
    if not run.output or run.kind != "answer":
        return run_of(run)
    found = conversations.find_answer(request.user_id, run.output, db=wiring.database())
    return run_of(run, message_of(found) if found else None)


@routes.get(
    "/api/v1/runs/{run_id}/timeline",
    query=PageQuery,
    returns=Timeline,
    summary="All that happened to a run, in order.",
)
def get_run_timeline(request: Request) -> Timeline:
    query: PageQuery = request.query
    found, cursor = runs.read_timeline(
        request.user_id,
        request.path["run_id"],
        after=query.after,
        limit=query.limit,
        db=wiring.database(),
    )
    return timeline_of(found, cursor)


@routes.post(
    "/api/v1/runs/{run_id}/cancel",
    returns=Run,
    errors=(Conflict,),
    summary="Cancel a run; what it has not written down yet, it never will.",
)
def cancel_run(request: Request) -> Run:
    run_id = request.path["run_id"]
    return run_of(runs.cancel_run(request.user_id, run_id, db=wiring.database(), queues=wiring.queues()))
>>>>>>> ddd4d9f (The index is moved to another model while searches go on: generations, filled beside, promoted and rolled back whole)
