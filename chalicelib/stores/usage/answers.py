"""Answers of models that may be given again to the same user, by what was asked. They are deleted with their item."""

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)
DAYS = 7
MAX_ANSWERS = 1_000  # per user


def find(tx: Tx, user_id: str, key: bytes) -> bytes | None:
    """Return the answer with this key, None if there is none or it is older than DAYS."""
    row = tx.one(SQL["find"], user_id=user_id, key=key, days=DAYS)
    return bytes(row["answer"]) if row else None


def upsert(tx: Tx, user_id: str, key: bytes, answer: bytes, *, item_id: str | None) -> None:
    """Keep the answer, and delete the user's oldest beyond MAX_ANSWERS."""
    tx.run(SQL["upsert"], user_id=user_id, key=key, answer=answer, item_id=item_id)
    tx.run(SQL["trim"], user_id=user_id, keep=MAX_ANSWERS)


def prune(tx: Tx) -> int:
    """Delete all answers older than DAYS and return their number. System transaction."""
    return tx.run(SQL["prune"], days=DAYS)
