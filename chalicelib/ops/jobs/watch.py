"""Look after all users' runs: begin those that are scheduled, end those that are overdue, say which are stuck."""

import logging
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib.errors import CollectionsError
from chalicelib.model.jobs.exports import DECK_FILE, EXPORT_FILE, progress_of
from chalicelib.model.jobs.runs import ENDED, file_key
from chalicelib.model.jobs.schedules import next_time
from chalicelib.ops.jobs.drive import ERRORS, RESULTS
from chalicelib.ops.jobs.runs import begin_in
from chalicelib.ops.work.stop import fail_run, stop_run
from chalicelib.stores.ingest import uploads
from chalicelib.stores.jobs import jobs, runs
from chalicelib.stores.jobs.jobs import DueJob
from chalicelib.stores.jobs.runs import RunName
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.jobs")
BATCH = 100
OVERDUE_S = 30.0  # a living driver ends its run itself
STUCK_S = 30 * 60.0


def watch_runs(*, now: datetime, db: "Database") -> dict[str, int]:
    """Do what cannot wait: each minute. Return how many runs of each. A run that is being cancelled ends here at the
    latest, so that no worker is needed for it to end."""
    ended = db.transact_as_system(runs.end_cancelling)
    overdue = db.transact_as_system(lambda tx: runs.list_overdue(tx, grace_s=OVERDUE_S, limit=BATCH))
    for name in overdue:
        db.transact(name.user_id, lambda tx, name=name: _expire(tx, name))  # type: ignore[misc]
    failed = db.transact_as_system(lambda tx: runs.list_failed(tx, limit=BATCH))
    for name in failed:
        db.transact(name.user_id, lambda tx, name=name: fail_run(tx, name.user_id, name.run_id))  # type: ignore[misc]
    due = db.transact_as_system(lambda tx: jobs.list_due(tx, limit=BATCH))
    begun = sum(_begin_due(job, now=now, db=db) for job in due)
    return {
        "cancelled_runs": ended,
        "expired_runs": len(overdue),
        "failed_runs": len(failed),
        "scheduled_runs": begun,
    }


def find_stuck(*, db: "Database") -> int:
    """Mark the runs whose counts have not moved for half an hour, and log each; return how many."""
    found = db.transact_as_system(lambda tx: runs.mark_stuck(tx, after_s=STUCK_S))
    for name in found:
        log.error("run stuck", extra={"user_id": name.user_id, "run_id": name.run_id})
    return len(found)


def prune_runs(*, db: "Database") -> int:
    """Delete runs 30 days after their end, with the files that were written and uploaded for them."""
    old = db.transact_as_system(lambda tx: runs.list_old(tx, limit=BATCH))
    for name in old:
        db.transact(name.user_id, lambda tx, name=name: _prune(tx, name))  # type: ignore[misc]
    return len(old)


def _expire(tx: Tx, name: RunName) -> None:
    run = runs.lock(tx, name.user_id, name.run_id)
    if run is not None and run.state not in ENDED and (run.expires_in_s or 0.0) < 0:
        tasks.note_run(tx, name.user_id, name.run_id, "expired")
        stop_run(tx, name.user_id, run, "expired")


def _begin_due(due: DueJob, *, now: datetime, db: "Database") -> bool:
    """Begin one run of the job, however many of its times have passed. Return False when one is still open."""

    def begin(tx: Tx) -> bool:
        job = jobs.lock(tx, due.user_id, due.id)
        if job.next_run_at is None or job.next_run_at > now or job.schedule is None:
            return False
        jobs.set_next_run(tx, due.user_id, due.id, next_time(job.schedule, after=now))
        if runs.count_open(tx, due.user_id, job_id=due.id):
            return False
        begin_in(tx, due.user_id, str(uuid4()), due.id, scheduled_for=job.next_run_at)
        return True

    try:
        return db.transact(due.user_id, begin)
    except (
        CollectionsError
    ) as error:  # deleted meanwhile, or too many runs: the others are not to wait for it
        if error.retryable:
            raise
        log.warning("job not begun", extra={"user_id": due.user_id, "job_id": due.id, "error": error.code})
        return False


def _prune(tx: Tx, name: RunName) -> None:
    run = runs.lock(tx, name.user_id, name.run_id)
    if run is None:
        return
    gone: dict[str, str | None] = {file_key(name.user_id, run.id, file): None for file in (RESULTS, ERRORS)}
    if run.kind == "export":
        written = [file_key(name.user_id, run.id, EXPORT_FILE)]
        gone |= dict.fromkeys([*written, *(kept.key for kept in progress_of(run.progress).kept)])
    if run.kind == "anki_export":
        written = [DECK_FILE, *run.progress.get("pictures", ())]
        gone |= dict.fromkeys(file_key(name.user_id, run.id, file) for file in written)
    runs.delete(tx, name.user_id, [name.run_id])
    if run.input_key and not runs.is_of_use(tx, name.user_id, run.input_key):
        gone[run.input_key] = run.input_etag
    uploads.insert_deletions(tx, name.user_id, gone)
