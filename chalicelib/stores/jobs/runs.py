"""Runs of jobs, and how they are listed together with answers. Run ids are UUIDs, checked before they come here."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from chalicelib.errors import NotFound
from chalicelib.model.jobs.jobs import StoredJob
from chalicelib.model.jobs.runs import Run, RunFilters, State
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class RunName(Struct, frozen=True, kw_only=True):
    user_id: str
    run_id: str


def insert(
    tx: Tx,
    user_id: str,
    run_id: str,
    job: StoredJob | Run,
    *,
    job_id: str | None,
    max_cost_usd: Decimal | None,
    expires_s: float,
    retry_of: Run | None = None,
    scheduled_for: datetime | None = None,
) -> None:
    """Make a run of the job, or one like another run; its task is there already."""
    tx.run(
        SQL["insert"],
        user_id=user_id,
        run_id=run_id,
        job_id=job_id,
        kind=job.kind,
        parameters=json.dumps(job.parameters),
        collection_id=job.collection_id,
        max_cost_usd=max_cost_usd,
        expires_s=expires_s,
        retry_of=retry_of.id if retry_of else None,
        input_key=retry_of.input_key if retry_of else None,
        input_etag=retry_of.input_etag if retry_of else None,
        progress=json.dumps(retry_of.progress if retry_of else {}),
        scheduled_for=scheduled_for,
    )


def get(tx: Tx, user_id: str, run_id: str) -> Run:
    """Return the run. Raise NotFound."""
    run = find(tx, user_id, run_id)
    if run is None:
        raise NotFound("There is no such run.")
    return run


def find(tx: Tx, user_id: str, run_id: str) -> Run | None:
    return tx.row(Run, SQL["get"], user_id=user_id, run_id=run_id)


def lock(tx: Tx, user_id: str, run_id: str) -> Run | None:
    """Return the run of a job, locked with its task until the transaction ends; None when there is none.

    The task is locked first, as by its worker.
    """
    tx.all(SQL["lock_task"], user_id=user_id, run_id=run_id)
    if not tx.all(SQL["lock"], user_id=user_id, run_id=run_id):
        return None
    return find(tx, user_id, run_id)


def list_page(
    tx: Tx, user_id: str, filters: RunFilters, *, after: tuple[datetime, str] | None, limit: int
) -> list[Run]:
    """Return runs behind `after` (created_at, id), newest first."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(Run, SQL["list"], user_id=user_id, **_conditions(filters), **page)


def count_open(tx: Tx, user_id: str, *, job_id: str | None = None) -> int:
    """Return how many of the user's runs, or of one job's, have not ended."""
    row = tx.one(SQL["count_open"], user_id=user_id, job_id=job_id)
    assert row is not None
    return int(row["count"])


def find_open_retry(tx: Tx, user_id: str, run_id: str) -> str | None:
    """Return the id of a retry of this run that has not ended."""
    row = tx.one(SQL["find_open_retry"], user_id=user_id, run_id=run_id)
    return str(row["id"]) if row else None


def set_state(tx: Tx, user_id: str, run_id: str, state: State) -> None:
    """Set the state and its time."""
    tx.run(SQL["set_state"], user_id=user_id, run_id=run_id, state=state)


def set_failed(tx: Tx, user_id: str, run_id: str, *, code: str, message: str) -> None:
    """End the run for a reason that is not a file's."""
    tx.run(SQL["set_failed"], user_id=user_id, run_id=run_id, code=code, message=message)


def set_input(tx: Tx, user_id: str, run_id: str, *, key: str, etag: str | None) -> None:
    tx.run(SQL["set_input"], user_id=user_id, run_id=run_id, key=key, etag=etag)


def set_multipart(tx: Tx, user_id: str, run_id: str, *, key: str, multipart_id: str) -> None:
    tx.run(SQL["set_multipart"], user_id=user_id, run_id=run_id, key=key, multipart_id=multipart_id)


def clear_multipart(tx: Tx, user_id: str, run_id: str) -> None:
    tx.run(SQL["clear_multipart"], user_id=user_id, run_id=run_id)


def add_counts(
    tx: Tx, user_id: str, run_id: str, *, done: int = 0, failed: int = 0, skipped: int = 0
) -> None:
    """Add to the counts. Only the run's driver does, under its fence."""
    counts = {"done": done, "failed": failed, "skipped": skipped}
    tx.run(SQL["add_counts"], user_id=user_id, run_id=run_id, **counts)


def set_total(tx: Tx, user_id: str, run_id: str, total: int) -> None:
    tx.run(SQL["set_total"], user_id=user_id, run_id=run_id, total=total)


def add_listed(tx: Tx, user_id: str, run_id: str, lines: int, *, failed: int) -> None:
    """Count lines that were added, of which so many have failed already."""
    tx.run(SQL["add_listed"], user_id=user_id, run_id=run_id, lines=lines, failed=failed)


def set_progress(tx: Tx, user_id: str, run_id: str, progress: Mapping[str, Any]) -> None:
    """Store where the step of the run's kind goes on."""
    tx.run(SQL["set_progress"], user_id=user_id, run_id=run_id, progress=json.dumps(progress))


def set_paused(tx: Tx, user_id: str, run_id: str, *, is_paused: bool) -> None:
    tx.run(SQL["set_paused"], user_id=user_id, run_id=run_id, is_paused=is_paused)


def set_max_cost(tx: Tx, user_id: str, run_id: str, max_cost_usd: Decimal | None) -> None:
    tx.run(SQL["set_max_cost"], user_id=user_id, run_id=run_id, max_cost_usd=max_cost_usd)


def set_files_written(tx: Tx, user_id: str, run_id: str) -> None:
    tx.run(SQL["set_files_written"], user_id=user_id, run_id=run_id)


def end_cancelling(tx: Tx) -> int:
    """End runs that are being cancelled; return how many. System transaction."""
    return tx.run(SQL["end_cancelling"])


def list_overdue(tx: Tx, *, grace_s: float, limit: int) -> list[RunName]:
    """Return runs that should have ended. System transaction."""
    return tx.rows(RunName, SQL["list_overdue"], grace_s=grace_s, limit=limit)


def list_failed(tx: Tx, *, limit: int) -> list[RunName]:
    """Return runs that go on although their driver has failed for good. System transaction."""
    return tx.rows(RunName, SQL["list_failed"], limit=limit)


def mark_stuck(tx: Tx, *, after_s: float) -> list[RunName]:
    """Mark the runs whose counts have not moved for so long; return them. System transaction."""
    return tx.rows(RunName, SQL["mark_stuck"], after_s=after_s)


def list_old(tx: Tx, *, limit: int) -> list[RunName]:
    """Return runs that ended more than 30 days ago. System transaction."""
    return tx.rows(RunName, SQL["list_old"], limit=limit)


def is_of_use(tx: Tx, user_id: str, key: str) -> bool:
    """Return whether a run or an item has the object that was uploaded for a run."""
    return bool(tx.all(SQL["is_of_use"], user_id=user_id, key=key))


def delete(tx: Tx, user_id: str, run_ids: Sequence[str]) -> None:
    """Delete runs with all their rows."""
    tx.run(SQL["delete"], user_id=user_id, run_ids=list(run_ids))


def _conditions(filters: RunFilters) -> dict[str, Any]:
    return {name: getattr(filters, name) for name in RunFilters.__struct_fields__}
