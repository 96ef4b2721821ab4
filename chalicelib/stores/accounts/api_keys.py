"""API keys, kept as hashes. The gatekeeper finds their user; all else is done as that user."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Row, Tx

SQL = statements(__file__)


def find_by_hash(tx: Tx, sha256: str) -> Row | None:
    """The key that is not over, with its account's role, plan and end; null where there is no account.

    Notes that it was used, once a minute. Gatekeeper's transaction.
    """
    row = tx.one(SQL["find_by_hash"], sha256=sha256)
    if row is not None:
        tx.run(SQL["set_used"], user_id=row["user_id"], id=row["id"])
    return row


def count_others(tx: Tx, user_id: str, key_id: str) -> int:
    """How many keys that are not over the user has beside this one; until the transaction's end it stays so."""
    tx.all(SQL["lock"], user_id=user_id)
    return int(tx.all(SQL["count_others"], user_id=user_id, id=key_id)[0]["found"])


def insert(
    tx: Tx,
    user_id: str,
    *,
    id: str,
    name: str,
    prefix: str,
    sha256: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> Row:
    """The key as it is listed. The same id again changes nothing."""
    values = {"name": name, "prefix": prefix, "sha256": sha256, "scopes": list(scopes)}
    tx.run(SQL["insert"], user_id=user_id, id=id, expires_at=expires_at, **values)
    return tx.all(SQL["find"], user_id=user_id, id=id)[0]


def list_page(tx: Tx, user_id: str, *, after: tuple[datetime, str] | None, limit: int) -> list[Row]:
    """Newest first."""
    at, after_id = after or (None, None)
    return tx.all(SQL["list_page"], user_id=user_id, at=at, after_id=after_id, limit=limit)


def delete(tx: Tx, user_id: str, key_id: str) -> bool:
    """Whether there was such a key."""
    return tx.run(SQL["delete"], user_id=user_id, id=key_id) == 1
