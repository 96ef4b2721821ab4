"""Conversations: begin, list, read, name, export and delete them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.errors import InvalidInput, NotFound, TooLarge
from chalicelib.model.chat.conversations import StoredConversation
from chalicelib.model.chat.export import as_markdown
from chalicelib.model.chat.messages import CitedMessage, StoredMessage
from chalicelib.model.ids import checked_uuid
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor
from chalicelib.stores.accounts import users
from chalicelib.stores.chat import citations, conversations, messages
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

MAX_MESSAGES = 1_000
MAX_EXPORT_BYTES = 4 * 1024 * 1024  # in base64 this is near Lambda's limit of 6 MB


def begin_conversation(
    user_id: str, conversation_id: str, *, title: str, db: "Database"
) -> StoredConversation:
    """Make the conversation, unless there is one of this id, and return it."""

    def make(tx: Tx) -> StoredConversation:
        users.ensure(tx, user_id)
        conversations.insert(tx, user_id, conversation_id, title=title.strip())
        return conversations.get(tx, user_id, conversation_id)

    return db.transact(user_id, make)


def list_conversations(
    user_id: str, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredConversation], str | None]:
    """Return a page of conversations, the last updated first, and the cursor of the next page, if there is one."""
    position = decode_cursor(after) if after else None
    if position:
        checked_uuid(position[1], InvalidInput("This cursor is not one of ours.", field="after"))
    rows = db.transact(
        user_id, lambda tx: conversations.list_page(tx, user_id, after=position, limit=limit + 1)
    )
    page, last = cut_page(rows, limit)
    return page, encode_cursor(last.updated_at, last.id) if last else None


def read_conversation(user_id: str, conversation_id: str, *, db: "Database") -> StoredConversation:
    """Return the conversation. Raise NotFound."""
    conversation_id = checked_id(conversation_id)
    return db.transact(user_id, lambda tx: conversations.get(tx, user_id, conversation_id))


def name_conversation(
    user_id: str, conversation_id: str, title: str, *, db: "Database"
) -> StoredConversation:
    """Set the title and return the conversation; an empty title stands for the first question. Raise NotFound."""
    conversation_id = checked_id(conversation_id)

    def name(tx: Tx) -> StoredConversation:
        conversations.set_title(tx, user_id, conversation_id, title.strip())
        return conversations.get(tx, user_id, conversation_id)

    return db.transact(user_id, name)


def delete_conversation(user_id: str, conversation_id: str, *, db: "Database") -> None:
    """Delete the conversation with all its messages. Raise NotFound."""
    conversation_id = checked_id(conversation_id)
    if not db.transact(user_id, lambda tx: conversations.delete(tx, user_id, conversation_id)):
        raise NotFound("There is no such conversation.")


def list_messages(
    user_id: str, conversation_id: str, *, after: int, limit: int, db: "Database"
) -> tuple[list[CitedMessage], str | None]:
    """Return a page of messages, oldest first, and the ordinal the next page begins behind. Raise NotFound."""
    conversation_id = checked_id(conversation_id)

    def read(tx: Tx) -> tuple[list[CitedMessage], str | None]:
        conversations.get(tx, user_id, conversation_id)
        rows = messages.list_page(tx, user_id, conversation_id, after=after, limit=limit + 1)
        page, last = cut_page(rows, limit)
        return _with_citations(tx, user_id, page), str(last.ordinal) if last else None

    return db.transact(user_id, read)


def export_conversation(user_id: str, conversation_id: str, *, db: "Database") -> str:
    """Return the conversation as Markdown. Raise NotFound; TooLarge beyond MAX_EXPORT_BYTES."""
    conversation_id = checked_id(conversation_id)

    def read(tx: Tx) -> tuple[StoredConversation, list[CitedMessage]]:
        conversation = conversations.get(tx, user_id, conversation_id)
        rows = messages.list_page(tx, user_id, conversation_id, after=0, limit=MAX_MESSAGES)
        return conversation, _with_citations(tx, user_id, rows)

    conversation, found = db.transact(user_id, read)
    text = as_markdown(conversation.title, found)
    if len(text.encode()) > MAX_EXPORT_BYTES:
        raise TooLarge("This conversation is too long for one file; read its messages page by page.")
    return text


def find_answer(user_id: str, output: Mapping[str, Any], *, db: "Database") -> CitedMessage | None:
    """Return the answer that a run's output names; None when its conversation is deleted."""

    def read(tx: Tx) -> CitedMessage | None:
        message = messages.find(tx, user_id, output["message_id"])
        return _with_citations(tx, user_id, [message])[0] if message else None

    return db.transact(user_id, read)


def _with_citations(tx: Tx, user_id: str, rows: Sequence[StoredMessage]) -> list[CitedMessage]:
    found = citations.list_of_messages(tx, user_id, [row.id for row in rows])
    return [CitedMessage(message=row, citations=found.get(row.id, [])) for row in rows]


def checked_id(conversation_id: str) -> str:
    """Return the id in its usual spelling. Raise NotFound when it is no UUID."""
    return checked_uuid(conversation_id, NotFound("There is no such conversation."))
