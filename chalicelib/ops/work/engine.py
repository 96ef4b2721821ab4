"""Do tasks of every kind: claim, work outside any transaction, finish under the fence, wake what comes next.

`work` returns a function that writes the results; the engine calls it in the transaction that ends the task. `work`
returns None when it has made progress but is not done: the task goes back and no attempt is counted; with Later it
goes back until some seconds have passed. A checkpoint
(tasks.checkpoint) starts the count of attempts anew, so that only attempts that fail at the same place add up.
The error that `work` raises decides how the task goes on:

    TimeUp             not its fault: tried again at once, no attempt counted
    Misconfigured      ours: tried again in a minute, no attempt counted
    BudgetSpent        it waits: tried again in half an hour, no attempt counted
    Unavailable        tried again after a jittered backoff; at the maximum the task has failed
    other of ours      it has failed, and says why
    anything else      a bug: like Unavailable, and raised so that the function's alarm rings

Wake-ups are sent after the commit and before the function ends. SQS delivers the message of a worker that was cut off
in between again, and that delivery sends what was not sent.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import errors
from chalicelib.logs import describe_error, fields
from chalicelib.metrics import process
from chalicelib.metrics.declared import TASK_DURATION
from chalicelib.model.work.pipeline import STATUS_DURING, Stage
from chalicelib.model.work.tasks import BUDGET_RETRY_S, MISCONFIGURED_RETRY_S, POLICIES, Claim, TaskRef
from chalicelib.ops.work.publish import publish
from chalicelib.ops.work.stop import fail_run
from chalicelib.ops.work.wake import wake
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks
from chalicelib.stores.work.outbox import Outgoing
from chalicelib.stores.work.tasks import Expired
from chalicelib.tracing import names, spans
from chalicelib.tracing.spans import Span

if TYPE_CHECKING:
    from chalicelib.stores.aws.bus import Bus
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.work")


class Finished(Struct, frozen=True, kw_only=True):
    """Result of a finished task: a run's output, and events that are published after the commit."""

    output: Mapping[str, Any] | None = None
    events: Sequence[Outgoing] = ()


class Later(Struct, frozen=True, kw_only=True):
    """Tells the engine that there is nothing to do before `delay_s` seconds have passed."""

    delay_s: float


Finish = Callable[[Tx], Finished]
Work = Callable[[Claim], Finish | Later | None]


class TimeUp(errors.Unavailable):
    """This worker has no time left; another one goes on."""

    code = "time_up"


def run_task(
    task: TaskRef,
    work: Work,
    *,
    db: "Database",
    bus: "Bus",
    queues: "Queues",
    lease_s: float | None = None,
    wake: Callable[..., object] = wake,
) -> bool:
    """Do the task if it can be claimed; return False when it cannot. Safe for messages that come late or twice.

    Raise Unavailable or Misconfigured when the next messages cannot be sent, so that SQS delivers this one again. A
    request, which no message has begun, gives `wake_later` as `wake` instead.
    """
    about = {names.TASK_KIND: task.kind, names.TASK_ID: task.task_id}
    with (
        fields(user_id=task.user_id, stage=task.kind),
        spans.span(f"task {task.kind}", kind="consumer", attributes=about) as span,
    ):
        claim = db.transact(task.user_id, lambda tx: _claim(tx, task, lease_s))
        events: Sequence[Outgoing] = ()
        try:
            if claim is None:
                log.info("nothing to do", extra={"task_id": task.task_id})
            else:
                with fields(item_id=claim.item_id, run_id=claim.run_id):
                    events = _attempt(claim, work, span, db=db)
        finally:
            _tell(task.user_id, events, wake, db=db, bus=bus, queues=queues)
    return claim is not None


def _tell(
    user_id: str,
    events: Sequence[Outgoing],
    wake: Callable[..., object],
    *,
    db: "Database",
    bus: "Bus",
    queues: "Queues",
) -> None:
    """Tell others what was committed, and wake what comes next."""
    published: list[int] = []
    try:
        published = publish(events, bus=bus)
    finally:  # no task waits for the bus
        wake(user_id, db=db, queues=queues, published=published)


def take_back(tx: Tx, expired: Sequence[Expired]) -> None:
    """Retry tasks whose worker is gone; fail those whose attempts are used up. System transaction."""
    for task in expired:
        if task.attempt >= POLICIES[task.kind].max_attempts:
            message = f"The work was cut off {task.attempt} times; the file may be too demanding."
            _fail(tx, task, code="worker_lost", message=message, attempt=task.attempt)
            continue
        tasks.retry(tx, task, code="worker_lost", message="The worker stopped before it was done.")
        tasks.note(tx, task, "lease expired")


def _claim(tx: Tx, task: TaskRef, lease_s: float | None) -> Claim | None:
    claim = tasks.claim(tx, task, lease_s=lease_s)
    if claim is None or claim.item_id is None:
        return claim
    return replace(claim, item=items.begin(tx, claim.ref, STATUS_DURING[cast(Stage, claim.kind)]))


def _attempt(claim: Claim, work: Work, span: Span, *, db: "Database") -> Sequence[Outgoing]:
    """Do the work and write what came of it; return the events to publish. Raise what is a bug."""
    log.info("event received", extra={"attempt": claim.attempt})
    outcome, began = "done", monotonic()
    try:
        finish = work(claim)
        if finish is not None and not isinstance(finish, Later):
            return db.transact(claim.user_id, lambda tx: _finish(tx, claim, finish))
        outcome = "continues"
        db.transact(claim.user_id, lambda tx: _release(tx, claim, finish))
    except errors.LeaseLost:
        outcome = "lost"
        log.warning("lease lost, nothing written")
    except Exception as error:
        outcome = span.error = _reason(error)[0]
        _record(claim, error, db=db)
        if not isinstance(error, errors.CollectionsError):
            raise
    finally:
        span.attributes |= {names.TASK_ATTEMPT: claim.attempt, names.TASK_OUTCOME: outcome}
        process.observe(TASK_DURATION, monotonic() - began, Kind=claim.kind, Outcome=outcome)
    return ()


def _finish(tx: Tx, claim: Claim, finish: Finish) -> Sequence[Outgoing]:
    tasks.hold(tx, claim)
    finished = finish(tx)
    tasks.finish(tx, claim, finished.output)
    return finished.events


def _release(tx: Tx, claim: Claim, later: Later | None) -> None:
    tasks.hold(tx, claim)
    if later is None:  # who waits looks again and again: the timeline would have nothing else
        tasks.note(tx, claim, "continues")
    tasks.release(tx, claim, delay_s=later.delay_s if later else 0.0)


def _record(claim: Claim, error: Exception, *, db: "Database") -> None:
    """Write down what went wrong; a worker that lost its lease meanwhile writes nothing."""
    if isinstance(error, errors.BadFile):
        log.info("bad file", extra={"code": error.code})
    elif isinstance(error, errors.BudgetSpent):
        log.info("waits for budget", extra={"code": error.code})
    else:
        log.error("attempt failed", extra={"attempt": claim.attempt}, exc_info=error)
    try:
        db.transact(claim.user_id, lambda tx: _write_failure(tx, claim, error))
    except errors.LeaseLost:
        log.warning("lease lost, failure not written")


def _write_failure(tx: Tx, claim: Claim, error: Exception) -> None:
    tasks.hold(tx, claim)
    attempt = tasks.get_attempt(tx, claim)
    code, message = _reason(error)
    reason: dict[str, Any] = {"code": code, "message": message, "last_error": describe_error(error)}
    if isinstance(error, TimeUp):
        tasks.retry(tx, claim, **reason, refund=True, at_once=True)
    elif isinstance(error, errors.Misconfigured):
        tasks.retry(tx, claim, **reason, at_least_s=MISCONFIGURED_RETRY_S, refund=True)
    elif isinstance(error, errors.BudgetSpent):
        tasks.retry(tx, claim, **reason, at_least_s=BUDGET_RETRY_S, refund=True)
    elif isinstance(error, errors.CollectionsError) and not error.retryable:
        return _fail(tx, claim, **reason, attempt=attempt)
    elif attempt >= POLICIES[claim.kind].max_attempts:
        reason["message"] = f"Given up after {attempt} attempts. {message}"
        return _fail(tx, claim, **reason, attempt=attempt)
    else:
        tasks.retry(tx, claim, **reason, at_least_s=getattr(error, "retry_after_s", None) or 0.0)
    tasks.note(tx, claim, "retrying", attempt=attempt, message=f"{code}: {message}")


def _fail(
    tx: Tx, task: Claim | Expired, *, code: str, message: str, attempt: int, last_error: str | None = None
) -> None:
    """End the task with a reason its user understands; `last_error` is the operator's."""
    tasks.fail(tx, task, code=code, message=message, last_error=last_error)
    tasks.note(tx, task, "failed", attempt=attempt, message=f"{code}: {message}")
    if task.item_id is not None:
        items.set_failed(tx, task.ref, code=code, message=message)
    elif task.kind == "job" and isinstance(task, Claim):  # of a driver that is lost: ops/jobs/watch.py
        fail_run(tx, task.user_id, task.run)


def _reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, errors.CollectionsError):
        return error.code, error.message
    return "internal_error", "Something went wrong on our side."
