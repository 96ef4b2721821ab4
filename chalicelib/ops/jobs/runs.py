"""Runs as their user sees them: begin, read, list, cancel, retry; and their files."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from chalicelib import errors
from chalicelib.model.ids import checked_uuid
from chalicelib.model.jobs.kinds import KINDS, JobKind
from chalicelib.model.jobs.runs import DEFAULT_EXPIRES_S, ENDED, MAX_OPEN_RUNS, Run, RunFile, RunFilters
from chalicelib.model.paging import cut_page, encode_cursor, uuid_cursor
from chalicelib.model.work.tasks import POLICIES
from chalicelib.ops.work.runs import cancel_run as cancel_answer
from chalicelib.ops.work.stop import stop_run
from chalicelib.ops.work.wake import wake_later
from chalicelib.stores.jobs import files, jobs, runs
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.usage import ledger
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.model.usage.usage import Spent
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

AT_ONCE = 100  # runs that one request cancels or retries


def begin_run(
    user_id: str,
    run_id: str,
    job_id: str,
    *,
    max_cost_usd: Decimal | None,
    expires_s: float,
    db: "Database",
    queues: "Queues",
) -> Run:
    """Make a run of the job, unless there is one of this id, and return it.

    Raise NotFound, and Conflict when the user has too many runs that have not ended.
    """

    def begin(tx: Tx) -> Run:
        begin_in(tx, user_id, run_id, job_id, max_cost_usd=max_cost_usd, expires_s=expires_s)
        return runs.get(tx, user_id, run_id)

    run = db.transact(user_id, begin)
    wake_later(user_id, db=db, queues=queues)
    return run


def begin_in(
    tx: Tx,
    user_id: str,
    run_id: str,
    job_id: str,
    *,
    max_cost_usd: Decimal | None = None,
    expires_s: float = DEFAULT_EXPIRES_S,
    scheduled_for: datetime | None = None,
) -> None:
    """Like begin_run, in a transaction."""
    job = jobs.lock(tx, user_id, job_id, field="job_id")
    if not _insert_task(tx, user_id, run_id):
        return
    limit = max_cost_usd if max_cost_usd is not None else job.max_cost_usd
    runs.insert(
        tx,
        user_id,
        run_id,
        job,
        job_id=job.id,
        max_cost_usd=limit,
        expires_s=expires_s,
        scheduled_for=scheduled_for,
    )


def read_run(user_id: str, run_id: str, *, db: "Database") -> tuple[Run, "Spent"]:
    """Return the run, and what it has cost. Raise NotFound."""
    known = _checked(run_id)
    return db.transact(
        user_id, lambda tx: (runs.get(tx, user_id, known), ledger.sum_of_run(tx, user_id, known))
    )


def list_runs(
    user_id: str, filters: RunFilters, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[Run], str | None]:
    """Return a page of the user's runs, newest first, and the cursor of the next page. Raise NotFound for the job."""
    position = uuid_cursor(after)

    def read(tx: Tx) -> list[Run]:
        if filters.job_id is not None:
            jobs.get(tx, user_id, filters.job_id, field="job_id")
        return runs.list_page(tx, user_id, filters, after=position, limit=limit + 1)

    page, last = cut_page(db.transact(user_id, read), limit)
    return page, encode_cursor(last.created_at, last.id) if last else None


def cancel_run(user_id: str, run_id: str, *, db: "Database", queues: "Queues") -> Run:
    """Cancel the run and return it; the places of its work are free at once, whatever the workers do.

    Cancelled again it stays so. Raise NotFound, and Conflict when it has ended otherwise.
    """
    known = _checked(run_id)

    def cancel(tx: Tx) -> Run | None:
        run = runs.lock(tx, user_id, known)
        if run is None:
            return None
        if run.state in ENDED and run.state != "cancelled":
            raise errors.Conflict("This run is over; it cannot be cancelled.", code="run_is_over")
        if run.state not in ("cancelling", "cancelled"):
            tasks.note_run(tx, user_id, known, "cancelled", message="Asked for by the user.")
            stop_run(tx, user_id, run, "cancelling")
        return runs.get(tx, user_id, known)

    run = db.transact(user_id, cancel)
    if run is None:
        cancel_answer(user_id, known, db=db, queues=queues)
        return db.transact(user_id, lambda tx: runs.get(tx, user_id, known))
    wake_later(user_id, db=db, queues=queues)
    return run


def retry_run(user_id: str, run_id: str, new_id: str, *, db: "Database", queues: "Queues") -> Run:
    """Make a run of what failed or was cancelled in this one, unless there is one of this id, and return it.

    A run that never got so far as to list its files begins anew, with the file that was uploaded for it. Raise
    NotFound, and Conflict when the run has not ended, has a retry at work, or nothing of it can be tried again.
    """
    known = _checked(run_id)

    def retry(tx: Tx) -> Run:
        old = runs.lock(tx, user_id, known)
        if old is None or old.state not in ENDED:
            raise _not_to_be_retried(tx, user_id, known)
        at_work = runs.find_open_retry(tx, user_id, known)
        if _insert_task(tx, user_id, new_id):
            if at_work:
                said = f"The run {at_work} tries this one again; wait for its end."
                raise errors.Conflict(said, code="retry_at_work")
            runs.insert(
                tx,
                user_id,
                new_id,
                old,
                job_id=old.job_id,
                max_cost_usd=old.max_cost_usd,
                expires_s=DEFAULT_EXPIRES_S,
                retry_of=old,
            )
            count = files.insert_failed(tx, user_id, new_id, of=known)
            if not count and not _can_begin_anew(old):
                raise errors.Conflict("Nothing of this run can be tried again.", code="nothing_to_retry")
            runs.set_total(tx, user_id, new_id, count)
        return runs.get(tx, user_id, new_id)

    run = db.transact(user_id, retry)
    wake_later(user_id, db=db, queues=queues)
    return run


def change_budget(
    user_id: str, run_id: str, max_cost_usd: Decimal | None, *, db: "Database", queues: "Queues"
) -> Run:
    """Set what the run may cost; a run that was paused goes on. Raise NotFound, and Conflict when it is over."""
    known = _checked(run_id)

    def change(tx: Tx) -> Run:
        run = runs.lock(tx, user_id, known)
        if run is None or run.state in ENDED:
            runs.get(tx, user_id, known)
            raise errors.Conflict("This run is over, or is no run of a job.", code="run_is_over")
        runs.set_max_cost(tx, user_id, known, max_cost_usd)
        if run.paused_at:
            tasks.hasten(tx, user_id, known)
        return runs.get(tx, user_id, known)

    run = db.transact(user_id, change)
    wake_later(user_id, db=db, queues=queues)
    return run


def list_files(
    user_id: str, run_id: str, *, outcome: str | None, after: int, limit: int, db: "Database"
) -> tuple[list[RunFile], str | None]:
    """Return a page of the run's files, in order, and the cursor of the next page. Raise NotFound."""
    known = _checked(run_id)

    def read(tx: Tx) -> list[RunFile]:
        runs.get(tx, user_id, known)
        return files.list_page(tx, user_id, known, outcome=outcome, after=after, limit=limit + 1)

    page, last = cut_page(db.transact(user_id, read), limit)
    return page, str(last.number) if last else None


def list_errors(
    user_id: str, run_id: str, *, after: int, limit: int, db: "Database"
) -> tuple[list[RunFile], str | None]:
    """Return a page of the files that failed, or a page of which was not read, as list_files does."""
    known = _checked(run_id)

    def read(tx: Tx) -> list[RunFile]:
        runs.get(tx, user_id, known)
        return files.list_errors(tx, user_id, known, after=after, limit=limit + 1)

    page, last = cut_page(db.transact(user_id, read), limit)
    return page, str(last.number) if last else None


def _insert_task(tx: Tx, user_id: str, run_id: str) -> bool:
    """Insert the run's task; return False when it is there already. Raise Conflict when there are too many runs."""
    if not tasks.insert_run(tx, user_id, run_id, kind="job", input={}):
        return False
    if runs.count_open(tx, user_id) >= MAX_OPEN_RUNS:
        said = f"You have {MAX_OPEN_RUNS} runs that have not ended, which is the limit; cancel one, or wait."
        raise errors.Conflict(said, code="too_many_runs")
    return True


def _can_begin_anew(run: Run) -> bool:
    """Return whether the run ended before it knew its files, and for another reason than what was uploaded."""
    has_input = run.input_key is not None or not KINDS[cast(JobKind, run.kind)].takes_upload
    was_refused = run.state == "failed" and run.attempt < POLICIES["job"].max_attempts
    return run.running_at is None and has_input and not was_refused


def _not_to_be_retried(tx: Tx, user_id: str, run_id: str) -> errors.CollectionsError:
    if runs.get(tx, user_id, run_id).is_of_job:
        return errors.Conflict("This run has not ended; cancel it, or wait.", code="run_is_open")
    return errors.Conflict("An answer is not retried; ask again.", code="nothing_to_retry")


def _checked(run_id: str) -> str:
    return checked_uuid(run_id, errors.NotFound("There is no such run."))
