"""Deletions of accounts: those that are not finished, and receipts. The database's functions delete the rows."""

from chalicelib.model.accounts.deletions import OpenDeletion, Receipt
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def begin(tx: Tx, receipt_id: str, *, session_count: int) -> bool:
    """Delete account, keys, webhooks and work of the transaction's user. Return False if there is no account."""
    row = tx.one(SQL["begin"], receipt_id=receipt_id, session_count=session_count)
    return bool(row and row["begun"])


def find(tx: Tx, receipt_id: str) -> Receipt | None:
    """Return the receipt. Gatekeeper's transaction."""
    return tx.row(Receipt, SQL["find"], receipt_id=receipt_id)


def release(tx: Tx, user_id: str) -> None:
    """Let a user of an outside issuer come back whose deletion has finished. Gatekeeper's transaction."""
    tx.run(SQL["release"], user_id=user_id)


def list_open(tx: Tx, *, limit: int) -> list[OpenDeletion]:
    """Return deletions that have not finished, oldest first. System transaction, as all below."""
    return tx.rows(OpenDeletion, SQL["list_open"], limit=limit)


def delete_rows(tx: Tx, receipt_id: str, *, limit: int) -> int:
    """Delete up to `limit` items, or the user with all other rows when no item is left. Return how many items."""
    row = tx.one(SQL["delete_rows"], receipt_id=receipt_id, limit=limit)
    return int(row["deleted"]) if row else 0


def count_objects(tx: Tx, receipt_id: str, count: int) -> None:
    tx.run(SQL["count_objects"], receipt_id=receipt_id, count=count)


def finish(tx: Tx, receipt_id: str) -> None:
    """Forget whose deletion it was."""
    tx.run(SQL["finish"], receipt_id=receipt_id)
