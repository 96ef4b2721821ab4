"""Messages: questions and answers, in the order in which they were stored. Ids are UUIDs, checked before."""

from collections.abc import Sequence

from chalicelib.errors import NotFound
from chalicelib.model.chat.messages import Role, StoredMessage, Turn
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert(
    tx: Tx,
    user_id: str,
    message_id: str,
    *,
    conversation_id: str,
    role: Role,
    content: str,
    reply_to: str | None = None,
    question: str | None = None,
    outcome: str | None = None,
    collection_id: str | None = None,
    item_ids: Sequence[str] | None = None,
    dropped: int = 0,
    missing: Sequence[str] = (),
    provider: str | None = None,
    model: str | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cached: bool = False,
) -> bool:
    """Append a message to a conversation that the caller has locked. Return False if the message exists already."""
    added = tx.run(
        SQL["insert"],
        user_id=user_id,
        id=message_id,
        conversation_id=conversation_id,
        role=role,
        content=content,
        reply_to=reply_to,
        question=question,
        outcome=outcome,
        collection_id=collection_id,
        item_ids=list(item_ids) if item_ids is not None else None,
        dropped=dropped,
        missing=list(missing),
        provider=provider,
        model=model,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached=cached,
    )
    return added == 1


def get(tx: Tx, user_id: str, message_id: str) -> StoredMessage:
    """Return the message. Raise NotFound."""
    message = find(tx, user_id, message_id)
    if message is None:
        raise NotFound("There is no such message.")
    return message


def find(tx: Tx, user_id: str, message_id: str) -> StoredMessage | None:
    return tx.row(StoredMessage, SQL["get"], user_id=user_id, id=message_id)


def list_page(tx: Tx, user_id: str, conversation_id: str, *, after: int, limit: int) -> list[StoredMessage]:
    """Return the messages behind the ordinal `after`, oldest first."""
    page = {"conversation_id": conversation_id, "after": after, "limit": limit}
    return tx.rows(StoredMessage, SQL["list"], user_id=user_id, **page)


def count_questions(tx: Tx, user_id: str, conversation_id: str) -> int:
    return int(tx.all(SQL["count_questions"], user_id=user_id, conversation_id=conversation_id)[0]["count"])


def list_before(tx: Tx, user_id: str, conversation_id: str, *, ordinal: int, limit: int) -> list[Turn]:
    """Return the last messages before the one with this ordinal, oldest first."""
    page = {"conversation_id": conversation_id, "ordinal": ordinal, "limit": limit}
    return tx.rows(Turn, SQL["list_before"], user_id=user_id, **page)[::-1]
