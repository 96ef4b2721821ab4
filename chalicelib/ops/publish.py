"""Get events out: inline after a commit, and by the relay when that did not happen."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.stores import outbox
from chalicelib.stores.outbox import Outgoing

if TYPE_CHECKING:
    from chalicelib.stores.bus import Bus
    from chalicelib.stores.postgres import Database

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
    """Publish what is due and unpublished; answers how many the bus took. Raises Unavailable when it is away."""
    published = 0
    for _ in range(max_batches):
        rows = db.transact_as_system(lambda tx: outbox.claim_due(tx, limit=batch))
        published += _send(rows, db=db, bus=bus)
        if len(rows) < batch:
            break
    return published


def _send(rows: Sequence[Outgoing], *, db: "Database", bus: "Bus") -> int:
    accepted = bus.publish([row.event for row in rows])
    ids = [row.id for row, taken in zip(rows, accepted, strict=True) if taken]
    if ids:
        db.transact_as_system(lambda tx: outbox.set_published(tx, ids))
    return len(ids)
