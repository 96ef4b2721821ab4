"""Tell others what has happened: events go out after a commit, and by the relay when that did not happen."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.logs import fields
from chalicelib.stores.work import outbox
from chalicelib.stores.work.outbox import Outgoing

if TYPE_CHECKING:
    from chalicelib.stores.aws.bus import Bus
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.outbox")
RELAY_BATCH = 100


def publish(outgoing: Sequence[Outgoing], *, bus: "Bus") -> list[int]:
    """Publish events that this process has just committed; return the ids of those that the bus has accepted.

    The caller marks them (ops/work/wake.py). The relay publishes the others.
    """
    try:
        return _send(outgoing, bus=bus)
    except errors.Unavailable as error:
        log.warning("left to the relay", extra={"error": error.code, "events": len(outgoing)})
        return []


def relay_due_events(*, db: "Database", bus: "Bus", batch: int = RELAY_BATCH, max_batches: int = 50) -> int:
    """Publish due events and return how many the bus accepted. Raise Unavailable when the bus is away."""
    published = 0
    for _ in range(max_batches):
        rows = db.transact_as_system(lambda tx: outbox.claim_due(tx, limit=batch))
        accepted = _send(rows, bus=bus)
        db.transact_as_system(lambda tx, ids=accepted: outbox.set_published(tx, ids))  # type: ignore[misc]
        published += len(accepted)
        if len(rows) < batch:
            break
    return published


def _send(rows: Sequence[Outgoing], *, bus: "Bus") -> list[int]:
    """Send the events; return the ids of those that the bus has accepted."""
    taken = [
        row for row, is_taken in zip(rows, bus.publish([row.event for row in rows]), strict=True) if is_taken
    ]
    for row in taken:
        with fields(item_id=row.event.detail.get("item_id")):
            log.info("event published", extra={"detail_type": row.event.detail_type})
    return [row.id for row in taken]
