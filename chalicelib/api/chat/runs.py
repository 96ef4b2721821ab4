"""Routes of runs, the work that takes longer than its request: list, read and cancel them."""

from datetime import datetime
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.chat.messages import Message, message_of
from chalicelib.api.http.routes import Query, Request, Routes
from chalicelib.api.library.items import PageQuery, Timeline, timeline_of
from chalicelib.errors import Conflict
from chalicelib.model.work.tasks import State as TaskState
from chalicelib.model.work.tasks import StoredRun
from chalicelib.ops.chat import conversations
from chalicelib.ops.work import runs

routes = Routes("runs")
RunKind = Literal["answer"]
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


class RunError(msgspec.Struct, frozen=True, kw_only=True):
    """The error of a failed run, or of the last attempt while another one may follow."""

    code: str
    message: str


class RunOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a run. `message` is null in lists, and when its conversation is deleted."""

    conversation_id: str
    message_id: str
    message: Message | None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run. `next_attempt_at` is null unless it is queued. Runs are kept for 30 days after their end."""

    object: Literal["run"] = "run"
    id: str
    kind: RunKind
    state: State
    attempts: int
    error: RunError | None
    output: RunOutput | None
    created_at: datetime
    started_at: datetime | None
    next_attempt_at: datetime | None
    finished_at: datetime | None


class RunList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Run]
    has_more: bool
    next: str | None


class ListRuns(Query, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: Annotated[str, Meta(min_length=1, max_length=400)] | None = None
    state: State | None = None


def run_of(run: StoredRun, message: Message | None = None) -> Run:
    """Return the run as the API shows it."""
    has_error = run.error_code and run.error_message
    return Run(
        id=run.id,
        kind=cast(RunKind, run.kind),
        state=STATES[run.state],
        attempts=run.attempt,
        error=RunError(code=run.error_code or "", message=run.error_message or "") if has_error else None,
        output=RunOutput(**run.output, message=message) if run.output else None,
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
    if not run.output:
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
