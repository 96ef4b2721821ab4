"""Webhooks and the secrets that sign their deliveries. Ids are UUIDs, checked before they come here."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.errors import NotFound
from chalicelib.model.webhooks.webhooks import StoredWebhook
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def count_others(tx: Tx, user_id: str, webhook_id: str) -> int:
    """Return the number of the user's other webhooks, locked so that it stays right in this transaction."""
    tx.all(SQL["lock"], user_id=user_id)
    return int(tx.all(SQL["count_others"], user_id=user_id, id=webhook_id)[0]["found"])


def insert(
    tx: Tx, user_id: str, webhook_id: str, *, url: str, description: str, events: Sequence[str], enabled: bool
) -> None:
    """Make the webhook. A second insert of the same id changes nothing."""
    values = {"url": url, "description": description, "events": list(events), "enabled": enabled}
    tx.run(SQL["insert"], user_id=user_id, id=webhook_id, **values)


def get(tx: Tx, user_id: str, webhook_id: str, *, field: str = "") -> StoredWebhook:
    """Return the webhook. Raise NotFound, naming the request's `field` that has the id."""
    found = tx.row(StoredWebhook, SQL["find"], user_id=user_id, id=webhook_id)
    if found is None:
        raise NotFound("There is no such webhook.", field=field)
    return found


def list_page(tx: Tx, user_id: str, *, after: tuple[datetime, str] | None, limit: int) -> list[StoredWebhook]:
    """Return the user's webhooks behind `after` (created_at, id), newest first."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredWebhook, SQL["list_page"], user_id=user_id, **page)


def update(
    tx: Tx,
    user_id: str,
    webhook_id: str,
    *,
    url: str | None,
    description: str | None,
    events: Sequence[str] | None,
    enabled: bool | None,
) -> bool:
    """Change what is not None; return False when there is no such webhook."""
    values = {"url": url, "description": description, "enabled": enabled}
    given = list(events) if events is not None else None
    return tx.run(SQL["update"], user_id=user_id, id=webhook_id, events=given, **values) == 1


def disable(tx: Tx, user_id: str, webhook_id: str, *, reason: str) -> None:
    tx.run(SQL["disable"], user_id=user_id, id=webhook_id, reason=reason)


def delete(tx: Tx, user_id: str, webhook_id: str) -> bool:
    """Delete the webhook with its secrets and deliveries; return False when there is none."""
    return tx.run(SQL["delete"], user_id=user_id, id=webhook_id) == 1


def add_secret(tx: Tx, user_id: str, webhook_id: str, secret: str) -> None:
    tx.run(SQL["add_secret"], user_id=user_id, id=webhook_id, secret=secret)


def end_secrets(tx: Tx, user_id: str, webhook_id: str, *, keep_s: float) -> None:
    """Have the secrets that are valid now end after `keep_s`, and forget those that have ended."""
    tx.run(SQL["end_secrets"], user_id=user_id, id=webhook_id, keep_s=keep_s)


def count_secrets(tx: Tx, user_id: str, webhook_id: str) -> int:
    """Return how many secrets are valid now."""
    return int(tx.all(SQL["count_secrets"], user_id=user_id, id=webhook_id)[0]["found"])
