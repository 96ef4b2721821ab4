"""Does runs: claim, work outside any transaction, finish under the fence. Wakes, cancels and heals them too.

`work` returns a function that writes the results and returns the run's output; this function runs in the transaction
that ends the run. The error that `work` raises decides how the run goes on:

    TimeUp             not its fault: queued again at once, no attempt burnt
    Misconfigured      ours: tried again in a minute, no attempt burnt
    Unavailable        tried again after a jittered backoff; at the maximum the run has failed
    other of ours      it has failed, and says why
    anything else      a bug: like Unavailable, and raised so that the function's alarm rings
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib import errors
from chalicelib.logs import describe_error
from chalicelib.model.ids import checked_uuid
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor
from chalicelib.model.work.runs import MAX_ATTEMPTS, MISCONFIGURED_RETRY_S, RunClaim, RunRef, wake_up
from chalicelib.stores.postgres.tx import Row, Tx
from chalicelib.stores.work import runs

if TYPE_CHECKING:
    from chalicelib.stores.aws.bus import Bus
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.runs")
BATCH = 100

WriteOutput = Callable[[Tx], Mapping[str, Any]]
Work = Callable[[RunClaim], WriteOutput]


class TimeUp(errors.Unavailable):
    """This worker has no time left; another one goes on."""

    code = "time_up"


def run_once(ref: RunRef, work: Work, *, lease_s: float, db: "Database") -> bool:
    """Do the run if it can be claimed; return False when it cannot. Safe for events that come late or twice."""
    claim = db.transact(ref.user_id, lambda tx: runs.claim(tx, ref, lease_s=lease_s))
    if claim is None:
        log.info("nothing to do", extra={"run_id": ref.run_id})
        return False
    try:
        write_output = work(claim)
        db.transact(ref.user_id, lambda tx: _finish(tx, claim, write_output))
    except errors.LeaseLost:
        log.warning("lease lost, nothing written", extra={"run_id": ref.run_id})
    except Exception as error:
        _record(claim, error, db=db)
        if not isinstance(error, errors.CollectionsError):
            raise
    return True


def wake(refs: Sequence[RunRef], *, db: "Database", bus: "Bus") -> None:
    """Tell the runner of runs this process has just queued. A bus that is away is the relay's problem."""
    try:
        _send(refs, db=db, bus=bus)
    except errors.Unavailable as error:
        log.warning("left to the relay", extra={"error": error.code, "runs": len(refs)})


def relay_due_runs(*, db: "Database", bus: "Bus", max_batches: int = 50) -> int:
    """Wake the runner for due runs and return how many. Raise Unavailable when the bus is away."""
    sent = 0
    for _ in range(max_batches):
        due = db.transact_as_system(lambda tx: runs.list_due(tx, limit=BATCH))
        taken = _send(due, db=db, bus=bus)
        sent += taken
        if len(due) < BATCH or not taken:
            break
    return sent


def rewake_run(user_id: str, run_id: str, *, db: "Database") -> None:
    """Have the relay send its event again, if there is such a run and it waits."""
    try:
        ref = _ref(user_id, run_id)
    except errors.NotFound:
        return
    db.transact(user_id, lambda tx: runs.set_unwoken(tx, ref))


def expire_runs(*, db: "Database") -> int:
    """Take back the runs whose lease is over and return how many."""
    total = 0
    while count := db.transact_as_system(lambda tx: runs.expire(tx, limit=BATCH)):
        total += count
    return total


def read_run(user_id: str, run_id: str, *, db: "Database") -> Row:
    """Raises NotFound."""
    ref = _ref(user_id, run_id)
    return db.transact(user_id, lambda tx: runs.get(tx, ref))


def list_runs(
    user_id: str, *, state: str | None, after: str | None, limit: int, db: "Database"
) -> tuple[list[Row], str | None]:
    """A page of the user's runs, newest first, and the cursor of the next page."""
    position = decode_cursor(after) if after else None
    if position:
        checked_uuid(position[1], errors.InvalidInput("This cursor is not one of ours.", field="after"))
    rows = db.transact(
        user_id, lambda tx: runs.list_page(tx, user_id, state=state, after=position, limit=limit + 1)
    )
    page, last = cut_page(rows, limit)
    return page, encode_cursor(last["created_at"], last["id"]) if last else None


def cancel_run(user_id: str, run_id: str, *, db: "Database") -> Row:
    """The run, cancelled; cancelled again it stays so. Raises NotFound, and Conflict when it has ended otherwise."""
    ref = _ref(user_id, run_id)

    def cancel(tx: Tx) -> Row:
        runs.cancel(tx, ref)
        row = runs.get(tx, ref)
        if row["state"] != "cancelled":
            raise errors.Conflict(f"This run is over: it has {row['state']}.", code="run_is_over")
        return row

    return db.transact(user_id, cancel)


def _send(refs: Sequence[RunRef], *, db: "Database", bus: "Bus") -> int:
    accepted = bus.publish([wake_up(ref) for ref in refs])
    taken = [ref for ref, is_taken in zip(refs, accepted, strict=True) if is_taken]
    if taken:
        db.transact_as_system(lambda tx: runs.set_woken(tx, taken))
    return len(taken)


def _finish(tx: Tx, claim: RunClaim, write_output: WriteOutput) -> None:
    runs.hold(tx, claim)
    runs.succeed(tx, claim, write_output(tx))


def _record(claim: RunClaim, error: Exception, *, db: "Database") -> None:
    """Write down what went wrong; a worker that lost its lease meanwhile writes nothing."""
    context = {"run_id": claim.ref.run_id, "kind": claim.kind, "attempt": claim.attempt}
    log.warning("attempt failed", extra=context, exc_info=error)
    try:
        db.transact(claim.ref.user_id, lambda tx: _write_failure(tx, claim, error))
    except errors.LeaseLost:
        log.warning("lease lost, failure not written", extra=context)


def _write_failure(tx: Tx, claim: RunClaim, error: Exception) -> None:
    runs.hold(tx, claim)
    code, message = "internal_error", "Something went wrong on our side."
    if isinstance(error, errors.CollectionsError):
        code, message = error.code, error.message
    reason: dict[str, Any] = {"code": code, "message": message, "last_error": describe_error(error)}
    if isinstance(error, TimeUp):
        runs.retry(tx, claim, **reason, refund=True, at_once=True)
    elif isinstance(error, errors.Misconfigured):
        runs.retry(tx, claim, **reason, at_least_s=MISCONFIGURED_RETRY_S, refund=True)
    elif isinstance(error, errors.CollectionsError) and not error.retryable:
        runs.fail(tx, claim, **reason)
    elif claim.attempt >= MAX_ATTEMPTS:
        reason["message"] = f"Given up after {claim.attempt} attempts. {message}"
        runs.fail(tx, claim, **reason)
    else:
        runs.retry(tx, claim, **reason, at_least_s=getattr(error, "retry_after_s", None) or 0.0)


def _ref(user_id: str, run_id: str) -> RunRef:
    return RunRef(user_id=user_id, run_id=checked_uuid(run_id, errors.NotFound("There is no such run.")))
