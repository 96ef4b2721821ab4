"""Conversations; their messages are in messages.py. Ids are UUIDs, checked before they come here."""

from datetime import datetime

from chalicelib.errors import NotFound
from chalicelib.model.chat.conversations import StoredConversation
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert(tx: Tx, user_id: str, conversation_id: str, *, title: str) -> None:
    """Make a conversation, unless there is one with this id."""
    tx.run(SQL["insert"], user_id=user_id, id=conversation_id, title=title)


def get(tx: Tx, user_id: str, conversation_id: str) -> StoredConversation:
    """Return the conversation. Raise NotFound."""
    one = {"id": conversation_id, "after_at": None, "after_id": None, "limit": 1}
    conversation = tx.row(StoredConversation, SQL["list"], user_id=user_id, **one)
    if conversation is None:
        raise _missing()
    return conversation


def list_page(
    tx: Tx, user_id: str, *, after: tuple[datetime, str] | None, limit: int
) -> list[StoredConversation]:
    """Return the user's conversations behind `after` (updated_at, id), the last updated first."""
    after_at, after_id = after or (None, None)
    page = {"id": None, "after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredConversation, SQL["list"], user_id=user_id, **page)


def lock(tx: Tx, user_id: str, conversation_id: str) -> None:
    """Lock the conversation: nobody else adds to it before this transaction ends. Raise NotFound."""
    if tx.one(SQL["lock"], user_id=user_id, id=conversation_id) is None:
        raise _missing()


def set_title(tx: Tx, user_id: str, conversation_id: str, title: str) -> None:
    """Name the conversation. Raise NotFound."""
    if not tx.run(SQL["set_title"], user_id=user_id, id=conversation_id, title=title):
        raise _missing()


def touch(tx: Tx, user_id: str, conversation_id: str) -> None:
    """Set `updated_at` to now."""
    tx.run(SQL["touch"], user_id=user_id, id=conversation_id)


def delete(tx: Tx, user_id: str, conversation_id: str) -> bool:
    """Delete the conversation with all its messages; return False when there is none."""
    return tx.run(SQL["delete"], user_id=user_id, id=conversation_id) == 1


def _missing() -> NotFound:
    return NotFound("There is no such conversation.")
