"""Get events out: inline after a commit, and by the relay when that did not happen."""

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


def publish(outgoing: Sequence[Outgoing], *, db: "Database", bus: "Bus") -> None:
    """Publish rows this process has just committed. A bus that is away is the relay's problem, not the caller's."""
    if not outgoing:
        return
    try:
        _send(outgoing, db=db, bus=bus)
    except errors.Unavailable as error:
        log.warning("left to the relay", extra={"error": error.code, "events": len(outgoing)})


def relay_due_events(*, db: "Database", bus: "Bus", batch: int = RELAY_BATCH, max_batches: int = 50) -> int:
    """Publish due events and return how many the bus accepted. Raise Unavailable when the bus is away."""
    published = 0
    for _ in range(max_batches):
        rows = db.transact_as_system(lambda tx: outbox.claim_due(tx, limit=batch))
        published += _send(rows, db=db, bus=bus)
        if len(rows) < batch:
            break
    return published


def _send(rows: Sequence[Outgoing], *, db: "Database", bus: "Bus") -> int:
    accepted = bus.publish([row.event for row in rows])
    published = [row for row, taken in zip(rows, accepted, strict=True) if taken]
    if published:
        db.transact_as_system(lambda tx: outbox.set_published(tx, [row.id for row in published]))
    for row in published:
        event, item_id = row.event, row.event.detail.get("item_id")
        with fields(item_id=item_id):
            log.info("event published", extra={"detail_type": event.detail_type})
    return len(published)
