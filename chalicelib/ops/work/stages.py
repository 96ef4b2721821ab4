"""Runs one stage of one item: claim, work outside any transaction, finish under the fence.

`work` returns a function that writes the results. This function runs in the transaction that finishes the task and
queues the next task with its event. `work` returns None when it has made progress but is not done: the task goes back
and no attempt is counted. A checkpoint (tasks.checkpoint) starts the count of attempts anew, so that only attempts that
fail at the same place add up.

    BadFile            the item is FAILED now, with its reason code
    Misconfigured      ours: tried again in a minute, no attempt burnt
    Unavailable        tried again after a jittered backoff; at the maximum the item is FAILED
    anything else      a bug: like Unavailable, and raised so that the function's alarm rings
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chalicelib import errors
from chalicelib.logs import describe_error, fields
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work import pipeline
from chalicelib.model.work.pipeline import Claim, Stage
from chalicelib.ops.work.publish import publish
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import outbox, tasks
from chalicelib.stores.work.outbox import Outgoing

if TYPE_CHECKING:
    from chalicelib.stores.aws.bus import Bus
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.pipeline")

WriteResults = Callable[[Tx], None]
Work = Callable[[Claim], WriteResults | None]
NEXT: dict[Stage, Stage] = {"process": "analyze", "analyze": "embed"}
DONE: dict[Stage, str] = {
    "process": "file processed",
    "analyze": "analysis stored",
    "embed": "embedding stored",
}


def run_stage(stage: Stage, ref: ItemRef, work: Work, *, bucket: str, db: "Database", bus: "Bus") -> bool:
    """Do the stage if it can be claimed; return False when it cannot. Safe for events that come late or twice."""
    with fields(item_id=ref.item_id, user_id=ref.user_id, stage=stage):
        return _run_stage(stage, ref, work, bucket=bucket, db=db, bus=bus)


def _run_stage(stage: Stage, ref: ItemRef, work: Work, *, bucket: str, db: "Database", bus: "Bus") -> bool:
    claim = db.transact(ref.user_id, lambda tx: _claim(tx, ref, stage))
    if claim is None:
        log.info("nothing to do", extra={"item_id": ref.item_id, "stage": stage})
        return False
    log.info("event received", extra={"attempt": claim.attempt})
    try:
        write_results = work(claim)
        if write_results is None:
            outgoing = db.transact(ref.user_id, lambda tx: _release(tx, claim, bucket))
        else:
            outgoing = db.transact(ref.user_id, lambda tx: _finish(tx, claim, write_results, bucket))
            log.info(DONE[stage] if outgoing else "item removed")
    except errors.LeaseLost:
        log.warning("lease lost, nothing written", extra={"item_id": ref.item_id, "stage": stage})
        return True
    except Exception as error:
        outgoing = _record(claim, error, bucket=bucket, db=db)
        if not isinstance(error, errors.CollectionsError):
            raise
    publish(outgoing, db=db, bus=bus)
    return True


def queue_stage(tx: Tx, ref: ItemRef, stage: Stage, *, bucket: str) -> Outgoing:
    """Make the stage ready and queue its wake-up; the caller publishes it after the commit."""
    item = items.get(tx, ref)
    tasks.reset(tx, ref, stage)
    event = pipeline.wake_up(stage, ref, bucket=bucket, key=item.key, kind=item.kind)
    return outbox.insert(tx, ref, event)


def fail_item(
    tx: Tx,
    ref: ItemRef,
    stage: Stage,
    *,
    code: str,
    message: str,
    attempt: int,
    last_error: str | None = None,
) -> None:
    """End the item FAILED with a reason its owner understands; `last_error` is the operator's."""
    tasks.fail(tx, ref, stage, code=code, message=message, last_error=last_error)
    items.set_failed(tx, ref, code=code, message=message)
    items.note(tx, ref, "failed", stage=stage, attempt=attempt, message=f"{code}: {message}")


def _claim(tx: Tx, ref: ItemRef, stage: Stage) -> Claim | None:
    claim = tasks.claim(tx, ref, stage)
    if claim is not None:
        items.set_status(tx, ref, pipeline.STATUS_DURING[stage])
        items.note(tx, ref, "started", stage=stage, attempt=claim.attempt)
    return claim


def _finish(tx: Tx, claim: Claim, write_results: WriteResults, bucket: str) -> list[Outgoing]:
    tasks.hold(tx, claim)
    write_results(tx)
    if items.find(tx, claim.ref) is None:  # it turned out to be a duplicate, or its object is gone
        return []
    tasks.finish(tx, claim)
    items.note(tx, claim.ref, "finished", stage=claim.stage, attempt=claim.attempt)
    if claim.stage in NEXT:
        return [queue_stage(tx, claim.ref, NEXT[claim.stage], bucket=bucket)]
    items.set_status(tx, claim.ref, "READY")
    item = items.get(tx, claim.ref)
    return [outbox.insert(tx, claim.ref, pipeline.item_ready(claim.ref, bucket=bucket, key=item.key))]


def _release(tx: Tx, claim: Claim, bucket: str) -> list[Outgoing]:
    tasks.hold(tx, claim)
    items.note(tx, claim.ref, "continues", stage=claim.stage, attempt=claim.attempt)
    return [queue_stage(tx, claim.ref, claim.stage, bucket=bucket)]


def _record(claim: Claim, error: Exception, *, bucket: str, db: "Database") -> list[Outgoing]:
    """Write down what went wrong; a worker that lost its lease meanwhile writes nothing."""
    context = {"item_id": claim.ref.item_id, "stage": claim.stage, "attempt": claim.attempt}
    if isinstance(error, errors.BadFile):
        log.info("bad file", extra={**context, "code": error.code})
    else:
        log.error("attempt failed", extra=context, exc_info=error)
    try:
        db.transact(claim.ref.user_id, lambda tx: _write_failure(tx, claim, error, bucket))
    except errors.LeaseLost:
        log.warning("lease lost, failure not written", extra=context)
    return []


def _write_failure(tx: Tx, claim: Claim, error: Exception, bucket: str) -> None:
    tasks.hold(tx, claim)
    ref, stage = claim.ref, claim.stage
    attempt = tasks.get_attempt(tx, claim)
    code, message = _reason(error)
    reason: dict[str, Any] = {"code": code, "message": message, "last_error": describe_error(error)}
    if isinstance(error, errors.Misconfigured):
        again_at = tasks.retry(
            tx, ref, stage, **reason, at_least_s=pipeline.MISCONFIGURED_RETRY_S, refund=True
        )
    elif isinstance(error, errors.CollectionsError) and not error.retryable:
        fail_item(tx, ref, stage, **reason, attempt=attempt)
        return
    elif attempt >= pipeline.MAX_ATTEMPTS:
        reason["message"] = f"Given up after {attempt} attempts. {message}"
        fail_item(tx, ref, stage, **reason, attempt=attempt)
        return
    else:
        wait_s = getattr(error, "retry_after_s", None) or 0.0
        again_at = tasks.retry(tx, ref, stage, **reason, at_least_s=wait_s)
    items.note(tx, ref, "retrying", stage=stage, attempt=attempt, message=f"{code}: {message}")
    item = items.get(tx, ref)
    event = pipeline.wake_up(stage, ref, bucket=bucket, key=item.key, kind=item.kind)
    outbox.insert_later(tx, ref, event, due_at=again_at)


def _reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, errors.CollectionsError):
        return error.code, error.message
    return "internal_error", "Something went wrong on our side."
