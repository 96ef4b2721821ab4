"""What went wrong, over all users: the operator's. System transactions only."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import asdict

from chalicelib.model.failures import FailureFilters
from chalicelib.stores.sql import statements
from chalicelib.stores.tx import Row, Tx

SQL = statements(__file__)


def list_page(
    tx: Tx, filters: FailureFilters, *, after: tuple[datetime, str] | None = None, limit: int
) -> list[Row]:
    """Newest first."""
    after_at, after_id = after or (None, None)
    return tx.all(SQL["list"], **asdict(filters), after_at=after_at, after_id=after_id, limit=limit)


def redrive_tasks(tx: Tx, ids: Sequence[int]) -> list[Row]:
    """Make failed tasks ready with no attempts used; answers those that were, with the item's key and kind."""
    return tx.all(SQL["redrive_tasks"], ids=list(ids))


def list_letters(tx: Tx, ids: Sequence[int]) -> list[Row]:
    """The dead letters that are not closed, each with the event it is about."""
    return tx.all(SQL["list_letters"], ids=list(ids))


def close_letters(tx: Tx, ids: Sequence[int]) -> int:
    """They are no failures any more; answers how many were."""
    return tx.run(SQL["close_letters"], ids=list(ids))


def redrive_events(tx: Tx, ids: Sequence[int]) -> int:
    """Have the relay publish them next."""
    return tx.run(SQL["redrive_events"], ids=list(ids))


def redrive_deletions(tx: Tx, ids: Sequence[int]) -> int:
    """Have the sweeper delete them next."""
    return tx.run(SQL["redrive_deletions"], ids=list(ids))


def prune_letters(tx: Tx) -> int:
    return tx.run(SQL["prune_letters"])


def insert_dead_letter(
    tx: Tx,
    *,
    message_id: str,
    function: str,
    user_id: str | None,
    item_id: str | None,
    reason: str,
    error: str,
    attempts: int,
    payload: Any,
) -> bool:
    """Record it once; answers whether it was new."""
    return bool(
        tx.run(
            SQL["insert_dead_letter"],
            message_id=message_id,
            function=function,
            user_id=user_id,
            item_id=item_id,
            reason=reason,
            error=error,
            attempts=attempts,
            payload=json.dumps(payload, allow_nan=False),
        )
    )
