"""Failures: what went wrong for anybody and is not over, for administrators; trying it again."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.http.routes import Body, ListQuery, Request, Routes
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.model.failures import FailureFilters
from chalicelib.model.work.tasks import Kind
from chalicelib.ops.operations import failures

routes = Routes("failures")
FailureKind = Literal["item", "run", "dead_letter", "event", "deletion"]
FailureStatus = Literal["failed", "retrying", "stalled"]
Moment = Annotated[datetime, Meta(tz=True)]
Reason = Annotated[str, Meta(min_length=1, max_length=64)]


class ListFailures(ListQuery, frozen=True, kw_only=True):
    """Filters; `since` and `until` bound when it failed."""

    kind: FailureKind | None = None
    status: FailureStatus | None = None
    reason: Reason | None = None
    stage: Kind | None = None
    user_id: Annotated[str, Meta(max_length=64)] | None = None
    item_id: Annotated[str, Meta(max_length=220)] | None = None
    run_id: Annotated[str, Meta(max_length=64)] | None = None
    since: Moment | None = None
    until: Moment | None = None


class RedriveFilters(Body, frozen=True, kw_only=True):
    """Conditions on the failures to try again; at least one is needed."""

    kind: FailureKind | None = None
    status: FailureStatus | None = None
    reason: Reason | None = None
    stage: Kind | None = None
    user_id: Annotated[str, Meta(max_length=64)] | None = None
    item_id: Annotated[str, Meta(max_length=220)] | None = None
    run_id: Annotated[str, Meta(max_length=64)] | None = None
    since: Moment | None = None
    until: Moment | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """failed: over unless redriven; retrying: tried again at `next_attempt_at`; stalled: the sweeper takes it back.

    An `item` did not get through a stage, a `run` did not end, a `dead_letter` is an event or a message no function
    could handle, an `event` is one the bus did not take, a `deletion` an object S3 did not delete. `last_error` holds
    no secrets.
    """

    id: str
    kind: FailureKind
    status: FailureStatus
    user_id: str | None
    item_id: str | None
    run_id: str | None
    stage: Kind | None
    reason: str
    attempts: int
    last_error: str | None
    failed_at: datetime
    next_attempt_at: datetime | None


class FailureList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Failure]
    has_more: bool
    next: str | None


class Redrive(msgspec.Struct, frozen=True, kw_only=True):
    """The number of failures that are tried again now; `has_more`: send it again for the others."""

    object: Literal["redrive"] = "redrive"
    redriven: int
    has_more: bool


@routes.get(
    "/api/v1/failures",
    query=ListFailures,
    returns=FailureList,
    admin=True,
    summary="List what went wrong for anybody and is not over, newest first.",
)
def list_failures(request: Request) -> FailureList:
    query: ListFailures = request.query
    found, cursor = failures.list_failures(
        _filters(query), after=query.after, limit=query.limit, db=wiring.database()
    )
    return FailureList(
        data=[Failure(**asdict(each)) for each in found], has_more=cursor is not None, next=cursor
    )


@routes.post(
    "/api/v1/failures/{failure_id}/redrive",
    returns=Redrive,
    status=202,
    errors=(NotFound,),
    admin=True,
    keyed=True,
    summary="Try one failure again from the start; what asks for nothing any more is closed.",
)
def redrive_failure(request: Request) -> Redrive:
    bucket = wiring.settings().images_bucket
    failure_id = request.path["failure_id"]
    count = failures.redrive_failure(failure_id, db=wiring.database(), bucket=bucket)
    return Redrive(redriven=count, has_more=False)


@routes.post(
    "/api/v1/failures/redrive",
    body=RedriveFilters,
    returns=Redrive,
    status=202,
    admin=True,
    keyed=True,
    summary="Try all failures again that match, 200 at once.",
)
def redrive_failures(request: Request) -> Redrive:
    filters = _filters(request.body)
    if filters == FailureFilters():
        raise InvalidInput("Name at least one condition.")
    bucket = wiring.settings().images_bucket
    count, more = failures.redrive_failures(filters, db=wiring.database(), bucket=bucket)
    return Redrive(redriven=count, has_more=more)


def _filters(given: ListFailures | RedriveFilters) -> FailureFilters:
    return FailureFilters(**{name: getattr(given, name) for name in RedriveFilters.__struct_fields__})
