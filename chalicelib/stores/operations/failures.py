"""Failures of all users, for the operator. System transactions only."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import asdict

from chalicelib.model.failures import FailureFilters, StoredFailure
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

SQL = statements(__file__)


def list_page(
    tx: Tx, filters: FailureFilters, *, after: tuple[datetime, str] | None = None, limit: int
) -> list[StoredFailure]:
    """Return the failures that match behind `after` (failed_at, id), newest first."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredFailure, SQL["list"], **asdict(filters), **page)


def redrive_tasks(tx: Tx, ids: Sequence[int]) -> int:
    """Make failed tasks ready with no attempts used; return how many. The relay wakes them."""
    return tx.run(SQL["redrive_tasks"], ids=tasks.lock_items(tx, ids))


def list_letters(tx: Tx, ids: Sequence[int]) -> list[Any]:
    """Return the payloads of those dead letters that are not closed."""
    return [row["payload"] for row in tx.all(SQL["list_letters"], ids=list(ids))]


def close_letters(tx: Tx, ids: Sequence[int]) -> int:
    """Close these dead letters; return how many were open."""
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
    """Record the letter once; return True when it was new."""
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
