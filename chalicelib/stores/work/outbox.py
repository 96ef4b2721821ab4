"""Events that must go out: written with the change they tell of, published after the commit."""

import json
from collections.abc import Sequence

from msgspec import Struct

from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.pipeline import Event
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)
LOCK_S = 30  # how long a publisher has before the relay takes the row over


class Outgoing(Struct, frozen=True, kw_only=True):
    """An event on its way to the bus, and the id of its row."""

    id: int
    event: Event


def insert(tx: Tx, ref: ItemRef, event: Event) -> Outgoing:
    """Queue an event that the caller publishes after the commit; the relay takes over after LOCK_S."""
    row = tx.one(
        SQL["insert"],
        user_id=ref.user_id,
        item_id=ref.item_id,
        source=event.source,
        detail_type=event.detail_type,
        detail=json.dumps(event.detail),
        lock_s=LOCK_S,
    )
    assert row is not None
    return Outgoing(id=row["id"], event=event)


def claim_due(tx: Tx, *, limit: int) -> list[Outgoing]:
    """Take due events that nobody is publishing, oldest first. System transaction."""
    rows = tx.all(SQL["claim_due"], limit=limit, lock_s=LOCK_S)
    return [
        Outgoing(
            id=row["id"],
            event=Event(source=row["source"], detail_type=row["detail_type"], detail=row["detail"]),
        )
        for row in sorted(rows, key=lambda row: row["id"])
    ]


def set_published(tx: Tx, ids: Sequence[int]) -> None:
    """Mark the events that the bus has accepted."""
    if ids:
        tx.all(SQL["lock_items"], ids=list(ids))
        tx.run(SQL["set_published"], ids=list(ids))


def prune(tx: Tx) -> int:
    return tx.run(SQL["prune"])
