"""Events that must go out: written with the change they tell of, published after the commit."""

import json
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.pipeline import Event
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)
LOCK_S = 30  # how long a publisher has before the relay takes the row over


class Outgoing(Struct, frozen=True, kw_only=True):
    """A row on its way to the bus."""

    id: int
    event: Event


def insert(tx: Tx, ref: ItemRef, event: Event) -> Outgoing:
    """Queue an event that the caller publishes after the commit; the relay takes over after LOCK_S."""
    return Outgoing(id=_insert(tx, ref, event, due_at=None, lock_s=LOCK_S), event=event)


def insert_later(tx: Tx, ref: ItemRef, event: Event, *, due_at: datetime | None = None) -> None:
    """Queue an event that the relay publishes when it is due, at once when no time is given."""
    _insert(tx, ref, event, due_at=due_at, lock_s=0)


def insert_many(tx: Tx, events: Sequence[tuple[ItemRef, Event]]) -> None:
    """Queue events that the relay publishes next."""
    tx.run(
        SQL["insert_many"],
        user_ids=[ref.user_id for ref, _ in events],
        item_ids=[ref.item_id for ref, _ in events],
        stages=[event.stage for _, event in events],
        sources=[event.source for _, event in events],
        detail_types=[event.detail_type for _, event in events],
        details=[json.dumps(event.detail) for _, event in events],
    )


def _insert(tx: Tx, ref: ItemRef, event: Event, *, due_at: datetime | None, lock_s: int) -> int:
    row = tx.all(
        SQL["insert"],
        user_id=ref.user_id,
        item_id=ref.item_id,
        stage=event.stage,
        source=event.source,
        detail_type=event.detail_type,
        detail=json.dumps(event.detail),
        due_at=due_at,
        lock_s=lock_s,
    )[0]
    return int(row["id"])


def claim_due(tx: Tx, *, limit: int) -> list[Outgoing]:
    """Take due rows nobody is publishing. System transaction."""
    rows = tx.all(SQL["claim_due"], limit=limit, lock_s=LOCK_S)
    return [
        Outgoing(
            id=row["id"],
            event=Event(
                source=row["source"], detail_type=row["detail_type"], detail=row["detail"], stage=row["stage"]
            ),
        )
        for row in sorted(rows, key=lambda row: row["id"])
    ]


def set_published(tx: Tx, ids: Sequence[int]) -> None:
    """Only what the bus accepted; also starts the clock after which a wake-up counts as lost."""
    tx.run(SQL["set_published"], ids=list(ids))


def prune(tx: Tx) -> int:
    return tx.run(SQL["prune"])
