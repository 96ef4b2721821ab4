"""Drive the run of a job, a step at a time: the work of its task, whatever its kind.

    queued -> validating -> running -> finalizing -> succeeded | partially_succeeded | failed
                                  (stop_run) -> cancelling -> cancelled
                                  (stop_run) -> expired

A kind has Steps. A step works outside any transaction and returns the function that writes what it did; that is called
in a transaction that holds the claim, so that a worker that was overtaken writes nothing. Between two steps the run is
read again: a run that was cancelled, is overdue or has spent its money takes no further step.
"""

import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Struct

from chalicelib.errors import LeaseLost
from chalicelib.model.jobs.kinds import KINDS, JobKind
from chalicelib.model.jobs.runs import STOPPED, Run, RunFile, State, end_state, file_key
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.work.engine import Finish, Finished, Later
from chalicelib.ops.work.stop import stop_run
from chalicelib.ops.work.wake import wake_later
from chalicelib.stores.jobs import files, runs
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.usage import ledger
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

STEP_S = 20.0  # no step is begun with less time left
LINES_AT_ONCE, ENDED_AT_ONCE = 1000, 20_000
RESULTS, ERRORS = "results.jsonl", "errors.jsonl"


class Next(Struct, frozen=True, kw_only=True):
    """The consequence of a step: nothing more, or another step after so many seconds, at once when they are 0.

    `is_held`: all that may be begun has ended; the rest waits for a larger `max_cost_usd`.
    """

    is_over: bool = False
    wait_s: float = 0.0
    is_held: bool = False


class Steps(Struct, frozen=True, kw_only=True):
    """The work of a kind.

    `validate(claim, run)` finds out what is to be done. `step(claim, run, may_begin)` does a part of it that takes less
    than STEP_S; `may_begin` is False when the run has spent its money. Both return the function that writes it.
    `total` in `job_runs` and lines in `run_files` are theirs to write.
    """

    validate: Callable[[Claim, Run], Callable[[Tx], None]]
    step: Callable[[Claim, Run, bool], Callable[[Tx], Next]]


def drive_run(
    claim: Claim,
    steps_of: Callable[[JobKind], Steps],
    *,
    stop: Callable[[Run], None],
    db: "Database",
    blobs: "Blobs",
    queues: "Queues",
    time_left_s: Callable[[], float],
) -> Finish | Later | None:
    """Take steps while there is time. Return the end of the run, when to look again, or None to go on at once.

    `stop` ends what others do for a run that was stopped.
    """
    steps: Steps | None = None
    while True:
        run = db.transact(claim.user_id, lambda tx: runs.get(tx, claim.user_id, claim.run))
        if run.state in STOPPED:
            stop(run)
            _end_rest(claim, db=db)
        if run.state in STOPPED or run.state == "finalizing":
            return _finalize(claim, run, db=db, blobs=blobs)
        assert run.expires_in_s is not None
        if run.expires_in_s <= 0:
            db.transact(claim.user_id, lambda tx: _expire(tx, claim))
            raise LeaseLost("The run's time is over; its driver begins anew.")
        if run.state == "queued" and _waits_for_input(run):
            return Later(delay_s=run.expires_in_s)
        steps = steps or steps_of(cast(JobKind, run.kind))
        next_ = _advance(claim, run, steps, db=db)
        wake_later(claim.user_id, db=db, queues=queues)
        if next_.is_held:
            return Later(delay_s=run.expires_in_s)
        if next_.wait_s:
            return Later(delay_s=min(next_.wait_s, run.expires_in_s))
        if time_left_s() < STEP_S:
            return None


def _waits_for_input(run: Run) -> bool:
    return KINDS[cast(JobKind, run.kind)].takes_upload and run.input_key is None


def _expire(tx: Tx, claim: Claim) -> None:
    run = runs.lock(tx, claim.user_id, claim.run)
    tasks.hold(tx, claim)
    assert run is not None
    _enter(tx, claim, "expired")
    stop_run(tx, claim.user_id, run, "expired")


def _advance(claim: Claim, run: Run, steps: Steps, *, db: "Database") -> Next:
    if run.state == "queued":
        db.transact(claim.user_id, lambda tx: _enter(tx, claim, "validating"))
        return Next()
    if run.state == "validating":
        write = steps.validate(claim, run)
        db.transact(claim.user_id, lambda tx: _begin(tx, claim, write))
        return Next()
    write_step = steps.step(claim, run, _may_begin(claim, run, db=db))
    return db.transact(claim.user_id, lambda tx: _write_step(tx, claim, run, write_step))


def _may_begin(claim: Claim, run: Run, *, db: "Database") -> bool:
    """Return False when the run has spent its money."""
    if run.max_cost_usd is None:
        return True
    spent = db.transact(claim.user_id, lambda tx: ledger.sum_of_run(tx, claim.user_id, run.id))
    return spent.cost_usd < run.max_cost_usd


def _enter(tx: Tx, claim: Claim, state: State) -> None:
    tasks.checkpoint(tx, claim)
    tasks.note(tx, claim, state)
    runs.set_state(tx, claim.user_id, claim.run, state)


def _begin(tx: Tx, claim: Claim, write: Callable[[Tx], None]) -> None:
    _enter(tx, claim, "running")
    write(tx)


def _write_step(tx: Tx, claim: Claim, run: Run, write: Callable[[Tx], Next]) -> Next:
    tasks.checkpoint(tx, claim)
    next_ = write(tx)
    if next_.is_over:
        _enter(tx, claim, "finalizing")
    elif next_.is_held != (run.paused_at is not None):
        runs.set_paused(tx, claim.user_id, run.id, is_paused=next_.is_held)
        tasks.note(tx, claim, "paused" if next_.is_held else "goes on")
    return next_


def _finalize(claim: Claim, run: Run, *, db: "Database", blobs: "Blobs") -> Finish:
    """Write the files of results and errors; return what ends the run."""
    if run.multipart_id and run.multipart_key:
        blobs.abort_parts(run.multipart_key, run.multipart_id)
    if run.total:
        for name, list_lines in ((RESULTS, files.list_page), (ERRORS, files.list_errors)):
            _write_lines(claim, name, list_lines, db=db, blobs=blobs)

    def finish(tx: Tx) -> Finished:
        if run.total:
            runs.set_files_written(tx, claim.user_id, run.id)
        state = (
            "cancelled"
            if run.state == "cancelling"
            else end_state(run)
            if run.state == "finalizing"
            else None
        )
        if state is not None:
            runs.set_state(tx, claim.user_id, run.id, state)
        return Finished()

    return finish


def _end_rest(claim: Claim, *, db: "Database") -> None:
    def end(tx: Tx) -> int:
        tasks.checkpoint(tx, claim)
        return files.cancel_rest(tx, claim.user_id, claim.run, limit=ENDED_AT_ONCE)

    while db.transact(claim.user_id, end) == ENDED_AT_ONCE:
        pass


def _write_lines(
    claim: Claim, name: str, list_lines: Callable[..., list[RunFile]], *, db: "Database", blobs: "Blobs"
) -> None:
    """Write a file of lines to S3. A page of them is in memory at once."""
    after, page = 0, [cast(Any, None)]
    with tempfile.TemporaryFile(prefix="collections-") as out:
        while page:
            page = db.transact(
                claim.user_id,
                lambda tx, after=after: list_lines(
                    tx, claim.user_id, claim.run, after=after, limit=LINES_AT_ONCE
                ),  # type: ignore[misc]
            )
            out.writelines(line_of(file) for file in page)
            after = page[-1].number if page else after
        out.seek(0)
        blobs.put(file_key(claim.user_id, claim.run, name), out, content_type="application/x-ndjson")


def line_of(file: RunFile) -> bytes:
    """Return the line of a file as results and errors have it: JSON, and the end of the line."""
    names = ("number", "name", "item_id", "outcome", "code", "message", "page", "line")
    return msgspec.json.encode({name: getattr(file, name) for name in names}) + b"\n"
