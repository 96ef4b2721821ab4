"""Jobs. Their ids are UUIDs, checked here."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from chalicelib.errors import NotFound
from chalicelib.model.ids import checked_uuid
from chalicelib.model.jobs.jobs import StoredJob
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class DueJob(Struct, frozen=True, kw_only=True):
    user_id: str
    id: str


class JobValues(Struct, frozen=True, kw_only=True):
    """The fields of a job that a user sets."""

    name: str
    description: str
    parameters: dict[str, Any]
    collection_id: str | None
    webhook_id: str | None
    max_cost_usd: Decimal | None
    schedule: str | None
    next_run_at: datetime | None


def insert(tx: Tx, user_id: str, job_id: str, *, kind: str, values: JobValues) -> None:
    """Make a job, unless there is one with this id."""
    tx.run(SQL["insert"], user_id=user_id, id=job_id, kind=kind, **_columns(values))


def update(tx: Tx, user_id: str, job_id: str, values: JobValues) -> None:
    tx.run(SQL["update"], user_id=user_id, id=job_id, **_columns(values))


def get(tx: Tx, user_id: str, job_id: str, *, field: str = "") -> StoredJob:
    """Return the job. Raise NotFound, naming the request's `field` that has the id."""
    return _read(tx, "get", user_id, job_id, field)


def lock(tx: Tx, user_id: str, job_id: str, *, field: str = "") -> StoredJob:
    """Return the job, locked: neither changed nor deleted before this transaction ends. Raise NotFound."""
    return _read(tx, "lock", user_id, job_id, field)


def list_page(
    tx: Tx, user_id: str, *, kind: str | None, after: tuple[datetime, str] | None, limit: int
) -> list[StoredJob]:
    """Return the user's jobs behind `after` (created_at, id), newest first."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredJob, SQL["list"], user_id=user_id, kind=kind, **page)


def delete(tx: Tx, user_id: str, job_id: str) -> None:
    """Delete the job; its runs stay, without it."""
    tx.run(SQL["delete"], user_id=user_id, id=job_id)


def set_next_run(tx: Tx, user_id: str, job_id: str, at: datetime | None) -> None:
    tx.run(SQL["set_next_run"], user_id=user_id, id=job_id, at=at)


def list_due(tx: Tx, *, limit: int) -> list[DueJob]:
    """Return jobs whose next run is due, the longest overdue first. System transaction."""
    return tx.rows(DueJob, SQL["list_due"], limit=limit)


def _read(tx: Tx, statement: str, user_id: str, job_id: str, field: str) -> StoredJob:
    missing = NotFound("There is no such job.", field=field)
    job = tx.row(StoredJob, SQL[statement], user_id=user_id, id=checked_uuid(job_id, missing))
    if job is None:
        raise missing
    return job


def _columns(values: JobValues) -> dict[str, Any]:
    names = JobValues.__struct_fields__
    return {name: getattr(values, name) for name in names} | {"parameters": json.dumps(values.parameters)}
