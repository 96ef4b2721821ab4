"""Routes of jobs: make, list, read, change and delete them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib import wiring
from chalicelib.api.http.routes import Body, ListQuery, Request, Response, Routes
from chalicelib.errors import Conflict, Forbidden, NotFound
from chalicelib.model.jobs.jobs import StoredJob
from chalicelib.model.jobs.kinds import JobKind
from chalicelib.ops.jobs import jobs

routes = Routes("jobs")
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Description = Annotated[str, Meta(max_length=2000)]
Schedule = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="A cron line, in UTC: minute, hour, day, month, weekday. Not for kinds that wait for an upload.",
        examples=["30 6 * * 1"],
    ),
]
CollectionId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="Where the items go; of a job of kind reprocess, where they are.",
    ),
]
WebhookId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="A webhook that is told of the ends of the job's runs, whatever events it asks for.",
    ),
]
MaxCost = Annotated[
    float, Meta(gt=0, le=1_000_000, description="A run whose models have cost so much pauses: US dollars.")
]
Parameters = Annotated[dict[str, Any], Meta(description="By kind: docs/jobs.md.")]


class NewJob(Body, frozen=True, kw_only=True):
    """A job to make. `name` alone is enough: a run of it takes an image, a PDF or a zip of them."""

    name: Name
    description: Description = ""
    kind: JobKind = "ingest"
    parameters: Parameters = msgspec.field(default_factory=dict)
    collection_id: CollectionId | None = None
    webhook_id: WebhookId | None = None
    max_cost_usd: MaxCost | None = None
    schedule: Schedule | None = None


class JobChanges(Body, frozen=True, kw_only=True):
    """The changes, for runs to come. null takes a value away."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    parameters: Parameters | UnsetType = UNSET
    collection_id: CollectionId | UnsetType | None = UNSET
    webhook_id: WebhookId | UnsetType | None = UNSET
    max_cost_usd: MaxCost | UnsetType | None = UNSET
    schedule: Schedule | UnsetType | None = UNSET


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job. `next_run_at` is null without a schedule."""

    object: Literal["job"] = "job"
    id: str
    name: str
    description: str
    kind: JobKind
    parameters: dict[str, Any]
    collection_id: str | None
    webhook_id: str | None
    max_cost_usd: float | None
    schedule: str | None
    next_run_at: datetime | None
    created_at: datetime
    updated_at: datetime


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Job]
    has_more: bool
    next: str | None


class ListJobs(ListQuery, frozen=True, kw_only=True):
    kind: JobKind | None = None


@routes.post(
    "/api/v1/jobs",
    body=NewJob,
    returns=Job,
    status=201,
    errors=(Forbidden, NotFound),
    keyed=True,
    summary="Make a job. It does nothing before a run of it is begun.",
)
def create_job(request: Request) -> Response:
    assert request.caller is not None
    made = jobs.create_job(
        request.user_id,
        str(request.creation_id),
        kind=request.body.kind,
        given=_fields(request.body),
        is_admin=request.caller.is_admin and "admin" in request.caller.scopes,
        now=datetime.now(UTC),
        db=wiring.database(),
    )
    return Response(_job(made), headers={"Location": f"/api/v1/jobs/{made.id}"})


@routes.get("/api/v1/jobs", query=ListJobs, returns=JobList, summary="List jobs, newest first.")
def list_jobs(request: Request) -> JobList:
    query: ListJobs = request.query
    found, cursor = jobs.list_jobs(
        request.user_id, kind=query.kind, after=query.after, limit=query.limit, db=wiring.database()
    )
    return JobList(data=[_job(job) for job in found], has_more=cursor is not None, next=cursor)


@routes.get("/api/v1/jobs/{job_id}", returns=Job, summary="Read a job.")
def get_job(request: Request) -> Job:
    return _job(jobs.read_job(request.user_id, request.path["job_id"], db=wiring.database()))


@routes.patch(
    "/api/v1/jobs/{job_id}",
    body=JobChanges,
    returns=Job,
    summary="Change a job; runs that were begun stay as they are.",
)
def change_job(request: Request) -> Job:
    job_id, now = request.path["job_id"], datetime.now(UTC)
    return _job(
        jobs.change_job(request.user_id, job_id, _fields(request.body), now=now, db=wiring.database())
    )


@routes.delete(
    "/api/v1/jobs/{job_id}",
    errors=(Conflict,),
    summary="Delete a job that has no open run. Its runs stay for 30 days, without a job.",
)
def delete_job(request: Request) -> None:
    jobs.delete_job(request.user_id, request.path["job_id"], db=wiring.database())


def _fields(body: NewJob | JobChanges) -> "jobs.JobFields":
    values = {name: getattr(body, name) for name in jobs.JobFields.__struct_fields__}
    if isinstance(values["max_cost_usd"], float):
        values["max_cost_usd"] = cost_of(values["max_cost_usd"])
    return jobs.JobFields(**values)


def cost_of(given: float | None) -> Decimal | None:
    """Return an amount as it was written."""
    return None if given is None else Decimal(str(given))


def _job(stored: StoredJob) -> Job:
    names = [name for name in Job.__struct_fields__ if name not in ("object", "max_cost_usd")]
    cost = stored.max_cost_usd
    return Job(
        **{name: getattr(stored, name) for name in names}, max_cost_usd=None if cost is None else float(cost)
    )
