"""Routes of runs, the work that takes longer than its request: list, read and cancel them."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.chat.messages import Message, message_of
from chalicelib.api.http.routes import Query, Request, Routes
from chalicelib.errors import Conflict
from chalicelib.model.work.runs import Kind, State
from chalicelib.ops.chat import conversations
from chalicelib.ops.work import runs

Row = dict[str, Any]
routes = Routes("runs")


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
    kind: Kind
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


def run_of(row: Row, message: Message | None = None) -> Run:
    """Return the run as the API shows it, from a row of runs.get or list_page."""
    output = row["output"]
    return Run(
        id=row["id"],
        kind=row["kind"],
        state=row["state"],
        attempts=row["attempt"],
        error=RunError(code=row["error_code"], message=row["error_message"]) if row["error_code"] else None,
        output=RunOutput(**output, message=message) if output else None,
        created_at=row["created_at"],
        started_at=row["started_at"],
        next_attempt_at=row["run_after"] if row["state"] == "queued" else None,
        finished_at=row["finished_at"],
    )


@routes.get("/api/v1/runs", query=ListRuns, returns=RunList, summary="List runs, newest first.")
def list_runs(request: Request) -> RunList:
    query: ListRuns = request.query
    rows, cursor = runs.list_runs(
        request.user_id, state=query.state, after=query.after, limit=query.limit, db=wiring.database()
    )
    return RunList(data=[run_of(row) for row in rows], has_more=cursor is not None, next=cursor)


@routes.get("/api/v1/runs/{run_id}", returns=Run, summary="Read a run, with what came of it.")
def get_run(request: Request) -> Run:
    row = runs.read_run(request.user_id, request.path["run_id"], db=wiring.database())
    if not row["output"]:
        return run_of(row)
    found = conversations.find_answer(request.user_id, row["output"], db=wiring.database())
    return run_of(row, message_of(found) if found else None)


@routes.post(
    "/api/v1/runs/{run_id}/cancel",
    returns=Run,
    errors=(Conflict,),
    summary="Cancel a run; what it has not written down yet, it never will.",
)
def cancel_run(request: Request) -> Run:
    return run_of(runs.cancel_run(request.user_id, request.path["run_id"], db=wiring.database()))
