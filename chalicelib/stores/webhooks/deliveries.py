"""Deliveries of webhooks: each is a task of the engine, and a line in its webhook's log."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import asdict

from chalicelib.errors import NotFound
from chalicelib.model.webhooks.webhooks import DeliveryFilters, DeliveryState, Due, StoredDelivery
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert(
    tx: Tx, user_id: str, webhook_id: str, delivery_id: str, *, event: str, data: Mapping[str, Any]
) -> None:
    """Make a delivery and its task. A second insert of the same id changes nothing."""
    values = {"event": event, "data": json.dumps(data)}
    tx.run(SQL["insert"], user_id=user_id, id=delivery_id, webhook_id=webhook_id, **values)


def get(tx: Tx, user_id: str, webhook_id: str, delivery_id: str) -> StoredDelivery:
    """Return the delivery. Raise NotFound."""
    found = tx.row(StoredDelivery, SQL["find"], user_id=user_id, webhook_id=webhook_id, id=delivery_id)
    if found is None:
        raise NotFound("There is no such delivery; deliveries are kept for 30 days.")
    return found


def list_page(
    tx: Tx,
    user_id: str,
    webhook_id: str,
    *,
    state: DeliveryState | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[StoredDelivery]:
    """Return the webhook's deliveries behind `after` (created_at, id), newest first."""
    after_at, after_id = after or (None, None)
    page = {"state": state, "after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredDelivery, SQL["list_page"], user_id=user_id, webhook_id=webhook_id, **page)


def find_due(tx: Tx, user_id: str, delivery_id: str) -> Due | None:
    """Return what an attempt needs, None when the webhook is deleted."""
    return tx.row(Due, SQL["find_due"], user_id=user_id, id=delivery_id)


def set_attempted(
    tx: Tx,
    user_id: str,
    delivery_id: str,
    *,
    outcome: DeliveryState,
    status: int | None,
    error: str | None,
    took_ms: int | None,
) -> None:
    """Write an attempt into the log; `took_ms` is None when nothing was sent, which is no attempt."""
    values = {"outcome": outcome, "status": status, "error": error, "took_ms": took_ms}
    counted = int(took_ms is not None)
    tx.run(SQL["set_attempted"], user_id=user_id, id=delivery_id, counted=counted, **values)


def list_ids(tx: Tx, user_id: str, webhook_id: str, ids: Sequence[str]) -> list[StoredDelivery]:
    """Return these deliveries of the webhook, newest first."""
    return tx.rows(StoredDelivery, SQL["list_ids"], user_id=user_id, webhook_id=webhook_id, ids=list(ids))


def find_matching(
    tx: Tx, user_id: str, webhook_id: str, filters: DeliveryFilters, *, limit: int
) -> list[str]:
    """Return ids of deliveries that match and are not being sent; those that were sent again last come last."""
    values = {**asdict(filters), "limit": limit}
    rows = tx.all(SQL["find_matching"], user_id=user_id, webhook_id=webhook_id, **values)
    return [row["id"] for row in rows]


def send_again(tx: Tx, user_id: str, ids: Sequence[str]) -> int:
    """Make the deliveries' tasks ready with no attempts used, but those that are being sent; return how many."""
    return tx.run(SQL["send_again"], user_id=user_id, ids=list(ids))


def prune(tx: Tx) -> int:
    """Delete the deliveries that are older than 30 days, with their tasks. System transaction."""
    return tx.run(SQL["prune"])
