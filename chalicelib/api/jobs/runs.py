"""Routes of runs: begin, list, read, cancel, retry, change their budget."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.chat.messages import message_of
from chalicelib.api.chat.runs import Run, RunKind, run_of
from chalicelib.api.http.routes import Body, ListQuery, Request, Response, Routes
from chalicelib.api.jobs.jobs import MaxCost, cost_of
from chalicelib.api.library.items import PageQuery, Timeline, timeline_of
from chalicelib.errors import Conflict, NotFound
from chalicelib.model.jobs.runs import DEFAULT_EXPIRES_S, RunFilters, State
from chalicelib.model.jobs.runs import Run as StoredRun
from chalicelib.ops.chat import conversations
from chalicelib.ops.jobs import bulk, runs
from chalicelib.ops.work import runs as work

routes = Routes("runs")
JobId = Annotated[str, Meta(min_length=1, max_length=64)]


class NewRun(Body, frozen=True, kw_only=True):
    """A run to begin. `max_cost_usd` stands before the job's. The run ends as expired after `expires_in_s`."""

    job_id: JobId
    max_cost_usd: MaxCost | None = None
    expires_in_s: Annotated[int, Meta(ge=60, le=7 * 24 * 3600)] = DEFAULT_EXPIRES_S


class RunChanges(Body, frozen=True, kw_only=True):
    """null takes the limit away."""

    max_cost_usd: MaxCost | None


class RunFilter(Body, frozen=True, kw_only=True):
    """The runs that fulfil all conditions, of which there must be one. `until` bounds when they were made."""

    state: State | None = None
    kind: RunKind | None = None
    job_id: JobId | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None


class ManyRuns(Body, frozen=True, kw_only=True):
    filter: RunFilter


class RunList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Run]
    has_more: bool
    next: str | None


class ListRuns(ListQuery, frozen=True, kw_only=True):
    state: State | None = None
    kind: RunKind | None = None
    job_id: JobId | None = None


@routes.post(
    "/api/v1/runs",
    body=NewRun,
    returns=Run,
    status=201,
    errors=(Conflict, NotFound),
    keyed=True,
    cost="costly",
    summary="Begin a run of a job.",
)
def create_run(request: Request) -> Response:
    body: NewRun = request.body
    made = runs.begin_run(
        request.user_id,
        str(request.creation_id),
        body.job_id,
        max_cost_usd=cost_of(body.max_cost_usd),
        expires_s=body.expires_in_s,
        db=wiring.database(),
        queues=wiring.queues(),
    )
    return _made(run_of(made))


@routes.get(
    "/api/v1/runs", query=ListRuns, returns=RunList, errors=(NotFound,), summary="List runs, newest first."
)
def list_runs(request: Request) -> RunList:
    query: ListRuns = request.query
    filters = RunFilters(state=query.state, kind=query.kind, job_id=query.job_id)
    found, cursor = runs.list_runs(
        request.user_id, filters, after=query.after, limit=query.limit, db=wiring.database()
    )
    return RunList(data=[run_of(run) for run in found], has_more=cursor is not None, next=cursor)


@routes.get(
    "/api/v1/runs/{run_id}",
    returns=Run,
    also={304: None},
    summary="Read a run, with what came of it; 304 when it is still the one of If-None-Match.",
)
def get_run(request: Request) -> Response:
    run, spent = runs.read_run(request.user_id, request.path["run_id"], db=wiring.database())
    found = (
        conversations.find_answer(request.user_id, run.output, db=wiring.database())
        if run.output and run.kind == "answer"
        else None
    )
    shown = run_of(run, message=message_of(found) if found else None, spent=spent)
    etag = f'"{hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return Response(status=304, headers=headers) if etag in known else Response(shown, headers=headers)


@routes.patch(
    "/api/v1/runs/{run_id}",
    body=RunChanges,
    returns=Run,
    errors=(Conflict,),
    summary="Change what a run may cost; one that has paused goes on.",
)
def change_run(request: Request) -> Run:
    limit = cost_of(request.body.max_cost_usd)
    changed = runs.change_budget(
        request.user_id, request.path["run_id"], limit, db=wiring.database(), queues=wiring.queues()
    )
    return run_of(changed)


@routes.get(
    "/api/v1/runs/{run_id}/timeline",
    query=PageQuery,
    returns=Timeline,
    summary="All that happened to a run, in order.",
)
def get_run_timeline(request: Request) -> Timeline:
    query: PageQuery = request.query
    found, cursor = work.read_timeline(
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
    summary="Cancel a run: what it has at work stops at once, and what was finished is kept.",
)
def cancel_run(request: Request) -> Run:
    run_id = request.path["run_id"]
    return run_of(runs.cancel_run(request.user_id, run_id, db=wiring.database(), queues=wiring.queues()))


@routes.post(
    "/api/v1/runs/{run_id}/retry",
    returns=Run,
    status=201,
    errors=(Conflict,),
    keyed=True,
    cost="costly",
    summary="Begin a run of what failed or was cancelled in a run that has ended.",
)
def retry_run(request: Request) -> Response:
    run_id, new_id = request.path["run_id"], str(request.creation_id)
    made = runs.retry_run(request.user_id, run_id, new_id, db=wiring.database(), queues=wiring.queues())
    return _made(run_of(made))


@routes.post(
    "/api/v1/runs/cancel",
    body=ManyRuns,
    returns=RunList,
    errors=(NotFound,),
    summary="Cancel the runs of a filter, at most 100; has_more says to ask again.",
)
def cancel_runs(request: Request) -> RunList:
    filters = _filters(request.body.filter)
    found = bulk.cancel_runs(request.user_id, filters, db=wiring.database(), queues=wiring.queues())
    return _many(found)


@routes.post(
    "/api/v1/runs/retry",
    body=ManyRuns,
    returns=RunList,
    errors=(NotFound,),
    keyed=True,
    cost="costly",
    summary="Begin runs of what failed in the runs of a filter, until 20 are open.",
)
def retry_runs(request: Request) -> RunList:
    filters = _filters(request.body.filter)
    found = bulk.retry_runs(
        request.user_id, filters, request.creation_id, db=wiring.database(), queues=wiring.queues()
    )
    return _many(found)


def _filters(given: RunFilter) -> RunFilters:
    until = given.until and given.until.astimezone(UTC)
    return RunFilters(state=given.state, kind=given.kind, job_id=given.job_id, until=until)


def _many(found: list[StoredRun]) -> RunList:
    return RunList(data=[run_of(run) for run in found], has_more=len(found) == runs.AT_ONCE, next=None)


def _made(run: Run) -> Response:
    return Response(run, headers={"Location": f"/api/v1/runs/{run.id}"})
