"""Finish the stage of an item: its status, the next stage, and the event that tells of the stage's end."""

import logging
from collections.abc import Callable
from typing import cast

from msgspec.structs import replace

from chalicelib.model.work import pipeline
from chalicelib.model.work.pipeline import NEXT, Stage
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.work.engine import Finished, Work
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import outbox, tasks
from chalicelib.tracing import spans

log = logging.getLogger("collections.work")
DONE: dict[Stage, str] = {
    "process": "file processed",
    "analyze": "analysis stored",
    "embed": "embedding stored",
}

WriteResults = Callable[[Tx], None]


def stage_work(op: Callable[[Claim], WriteResults | None], *, bucket: str) -> Work:
    """Return the work of a stage's task: the op, and with its results the end of the stage."""

    def work(claim: Claim) -> Callable[[Tx], Finished] | None:
        write_results = op(claim)
        if write_results is None:
            return None

        def finish(tx: Tx) -> Finished:
            write_results(tx)
            return _finish_stage(tx, claim, bucket=bucket)

        return finish

    return work


def _finish_stage(tx: Tx, claim: Claim, *, bucket: str) -> Finished:
    """Make the next stage ready, or the item READY. Nothing is done when the item has gone, as a duplicate does."""
    stage, item = cast(Stage, claim.kind), items.find(tx, claim.ref)
    if item is None:
        log.info("item removed")
        return Finished()
    if stage in NEXT:
        tasks.reset(tx, claim.ref, NEXT[stage])
    else:
        items.set_status(tx, claim.ref, "READY")
    log.info(DONE[stage])
    event = pipeline.stage_finished(stage, claim.ref, bucket=bucket, key=item.key, kind=item.kind)
    if traceparent := spans.traceparent():
        event = replace(event, detail=event.detail | {"traceparent": traceparent})
    return Finished(events=[outbox.insert(tx, claim.ref, event)])
