"""Make, list, change and delete jobs."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chalicelib.errors import Conflict, Forbidden, InvalidInput, NotFound
from chalicelib.model.ids import checked_uuid
from chalicelib.model.jobs.jobs import StoredJob
from chalicelib.model.jobs.kinds import KINDS, DeckParameters, JobKind, ReprocessParameters, check_parameters
from chalicelib.model.jobs.schedules import next_time
from chalicelib.model.paging import cut_page, encode_cursor, uuid_cursor
from chalicelib.stores.accounts import users
from chalicelib.stores.jobs import jobs, runs
from chalicelib.stores.jobs.jobs import JobValues
from chalicelib.stores.library import collections
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import decks
from chalicelib.stores.webhooks import webhooks

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database


class JobFields(Struct, frozen=True, kw_only=True):
    """The fields of a job in a request. A field that is not given is UNSET, and stays."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET
    collection_id: str | UnsetType | None = UNSET
    webhook_id: str | UnsetType | None = UNSET
    max_cost_usd: Decimal | UnsetType | None = UNSET
    schedule: str | UnsetType | None = UNSET


NEW = JobFields(
    description="", parameters={}, collection_id=None, webhook_id=None, max_cost_usd=None, schedule=None
)


def create_job(
    user_id: str,
    job_id: str,
    *,
    kind: JobKind,
    given: JobFields,
    is_admin: bool,
    now: datetime,
    db: "Database",
) -> StoredJob:
    """Make a job of this id, unless it is there, and return it. Raise InvalidInput, Forbidden, NotFound."""
    if KINDS[kind].admin and not is_admin:
        raise Forbidden(f"Jobs of kind {kind} need an administrator's account.")

    def make(tx: Tx) -> StoredJob:
        users.ensure(tx, user_id)
        jobs.insert(
            tx, user_id, job_id, kind=kind, values=_checked(tx, user_id, kind, given, over=NEW, now=now)
        )
        return jobs.get(tx, user_id, job_id)

    return db.transact(user_id, make)


def read_job(user_id: str, job_id: str, *, db: "Database") -> StoredJob:
    """Return the job. Raise NotFound."""
    return db.transact(user_id, lambda tx: jobs.get(tx, user_id, job_id))


def list_jobs(
    user_id: str, *, kind: JobKind | None, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredJob], str | None]:
    """Return a page of jobs, newest first, and the cursor of the next page."""
    position = uuid_cursor(after)
    found = db.transact(
        user_id, lambda tx: jobs.list_page(tx, user_id, kind=kind, after=position, limit=limit + 1)
    )
    page, last = cut_page(found, limit)
    return page, encode_cursor(last.created_at, last.id) if last else None


def change_job(user_id: str, job_id: str, given: JobFields, *, now: datetime, db: "Database") -> StoredJob:
    """Change what is given, for runs to come, and return the job. Raise NotFound, InvalidInput."""

    def change(tx: Tx) -> StoredJob:
        job = jobs.lock(tx, user_id, job_id)
        jobs.update(tx, user_id, job_id, _checked(tx, user_id, job.kind, given, over=job, now=now))
        return jobs.get(tx, user_id, job_id)

    return db.transact(user_id, change)


def delete_job(user_id: str, job_id: str, *, db: "Database") -> None:
    """Delete the job; its runs stay for their 30 days. Raise NotFound, and Conflict while one of them is at work."""

    def delete(tx: Tx) -> None:
        jobs.lock(tx, user_id, job_id)
        if runs.count_open(tx, user_id, job_id=job_id):
            raise Conflict(
                "This job has a run that has not ended; cancel it first.", code="job_has_open_runs"
            )
        jobs.delete(tx, user_id, job_id)

    db.transact(user_id, delete)


def _checked(
    tx: Tx, user_id: str, kind: JobKind, given: JobFields, *, over: JobFields | StoredJob, now: datetime
) -> JobValues:
    """Return all values of the job, with what is given put over the others. Raise InvalidInput, NotFound."""
    names = JobFields.__struct_fields__
    values = {name: getattr(over if getattr(given, name) is UNSET else given, name) for name in names}
    if not values["name"].strip():
        raise InvalidInput("name must have at least one visible character.", field="name")
    parameters = check_parameters(kind, values["parameters"])
    if isinstance(parameters, DeckParameters):
        decks.get(tx, user_id, parameters.deck_id, field="parameters.deck_id")
    collection_id, schedule = values["collection_id"], values["schedule"]
    if collection_id is not None:
        if not KINDS[kind].takes_collection:
            raise InvalidInput(f"A job of kind {kind} takes no collection.", field="collection_id")
        collections.get(tx, user_id, collection_id, field="collection_id")
    if values["webhook_id"] is not None:
        missing = NotFound("There is no such webhook.", field="webhook_id")
        webhooks.get(tx, user_id, checked_uuid(values["webhook_id"], missing), field="webhook_id")
    if isinstance(parameters, ReprocessParameters) and not (parameters.is_limited or collection_id):
        said = "A job of kind reprocess needs a collection_id, or item_ids, status, kind or all in its parameters."
        raise InvalidInput(said, field="parameters")
    if schedule is not None and KINDS[kind].takes_upload:
        raise InvalidInput(f"A job of kind {kind} waits for an upload; it has no schedule.", field="schedule")
    next_run_at = next_time(schedule, after=now) if schedule else None
    values["parameters"] = msgspec.to_builtins(parameters)
    return JobValues(**values, next_run_at=next_run_at)
