"""Conversations; their messages are in messages.py. Ids are UUIDs, checked before they come here."""

from datetime import datetime

from chalicelib.errors import NotFound
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Row, Tx

SQL = statements(__file__)


def insert(tx: Tx, user_id: str, conversation_id: str, *, title: str) -> None:
    """The same id again changes nothing."""
    tx.run(SQL["insert"], user_id=user_id, id=conversation_id, title=title)


def get(tx: Tx, user_id: str, conversation_id: str) -> Row:
    row = tx.one(SQL["list"], user_id=user_id, id=conversation_id, after_at=None, after_id=None, limit=1)
    if row is None:
        raise _missing()
    return row


def list_page(tx: Tx, user_id: str, *, after: tuple[datetime, str] | None, limit: int) -> list[Row]:
    """The one that something was said in last comes first."""
    at, after_id = after or (None, None)
    return tx.all(SQL["list"], user_id=user_id, id=None, after_at=at, after_id=after_id, limit=limit)


def lock(tx: Tx, user_id: str, conversation_id: str) -> None:
    """Nobody else adds to it before this transaction ends. Raises NotFound."""
    if tx.one(SQL["lock"], user_id=user_id, id=conversation_id) is None:
        raise _missing()


def set_title(tx: Tx, user_id: str, conversation_id: str, title: str) -> None:
    if not tx.run(SQL["set_title"], user_id=user_id, id=conversation_id, title=title):
        raise _missing()


def touch(tx: Tx, user_id: str, conversation_id: str) -> None:
    tx.run(SQL["touch"], user_id=user_id, id=conversation_id)


def delete(tx: Tx, user_id: str, conversation_id: str) -> bool:
    """With all its messages; whether there was such a conversation."""
    return tx.run(SQL["delete"], user_id=user_id, id=conversation_id) == 1


def _missing() -> NotFound:
    return NotFound("There is no such conversation.")
