"""What a user does with conversations: begin, list, read, name, export, delete."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.errors import InvalidInput, NotFound, TooLarge
from chalicelib.model.chat.export import as_markdown
from chalicelib.model.ids import checked_uuid
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor
from chalicelib.stores.accounts import users
from chalicelib.stores.chat import citations, conversations, messages
from chalicelib.stores.postgres.tx import Row, Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

MAX_MESSAGES = 1_000
MAX_EXPORT_BYTES = 4 * 1024 * 1024  # in base64 this is near Lambda's 6 MB


class Message(Struct, frozen=True, kw_only=True):
    """A message's row and, of an answer, its citations' rows in order."""

    row: Row
    citations: Sequence[Row]


def begin_conversation(user_id: str, conversation_id: str, *, title: str, db: "Database") -> Row:
    """Make it, once for each id."""

    def make(tx: Tx) -> Row:
        users.ensure(tx, user_id)
        conversations.insert(tx, user_id, conversation_id, title=title.strip())
        return conversations.get(tx, user_id, conversation_id)

    return db.transact(user_id, make)


def list_conversations(
    user_id: str, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[Row], str | None]:
    """A page of conversations, the one last spoken in first, and the cursor of the next page."""
    position = decode_cursor(after) if after else None
    if position:
        checked_uuid(position[1], InvalidInput("This cursor is not one of ours.", field="after"))
    rows = db.transact(
        user_id, lambda tx: conversations.list_page(tx, user_id, after=position, limit=limit + 1)
    )
    page, last = cut_page(rows, limit)
    return page, encode_cursor(last["updated_at"], last["id"]) if last else None


def read_conversation(user_id: str, conversation_id: str, *, db: "Database") -> Row:
    """Raises NotFound."""
    conversation_id = checked_id(conversation_id)
    return db.transact(user_id, lambda tx: conversations.get(tx, user_id, conversation_id))


def name_conversation(user_id: str, conversation_id: str, title: str, *, db: "Database") -> Row:
    """Give it a title; with an empty one it goes by its first question. Raises NotFound."""
    conversation_id = checked_id(conversation_id)

    def name(tx: Tx) -> Row:
        conversations.set_title(tx, user_id, conversation_id, title.strip())
        return conversations.get(tx, user_id, conversation_id)

    return db.transact(user_id, name)


def delete_conversation(user_id: str, conversation_id: str, *, db: "Database") -> None:
    """With all that was said in it. Raises NotFound."""
    conversation_id = checked_id(conversation_id)
    if not db.transact(user_id, lambda tx: conversations.delete(tx, user_id, conversation_id)):
        raise NotFound("There is no such conversation.")


def list_messages(
    user_id: str, conversation_id: str, *, after: int, limit: int, db: "Database"
) -> tuple[list[Message], str | None]:
    """A page of messages, oldest first, and the cursor of the next page. Raises NotFound."""
    conversation_id = checked_id(conversation_id)

    def read(tx: Tx) -> tuple[list[Message], str | None]:
        conversations.get(tx, user_id, conversation_id)
        rows = messages.list_page(tx, user_id, conversation_id, after=after, limit=limit + 1)
        page, last = cut_page(rows, limit)
        return _with_citations(tx, user_id, page), str(last["ordinal"]) if last else None

    return db.transact(user_id, read)


def export_conversation(user_id: str, conversation_id: str, *, db: "Database") -> str:
    """All of it as Markdown. Raises NotFound; TooLarge beyond what one answer over HTTP can carry."""
    conversation_id = checked_id(conversation_id)

    def read(tx: Tx) -> tuple[Row, list[Message]]:
        conversation = conversations.get(tx, user_id, conversation_id)
        rows = messages.list_page(tx, user_id, conversation_id, after=0, limit=MAX_MESSAGES)
        return conversation, _with_citations(tx, user_id, rows)

    conversation, found = db.transact(user_id, read)
    text = as_markdown(conversation["title"], [(message.row, message.citations) for message in found])
    if len(text.encode()) > MAX_EXPORT_BYTES:
        raise TooLarge("This conversation is too long for one file; read its messages page by page.")
    return text


def find_answer(user_id: str, output: Mapping[str, Any], *, db: "Database") -> Message | None:
    """The answer that a run's output tells of; None when its conversation is deleted."""

    def read(tx: Tx) -> Message | None:
        row = messages.find(tx, user_id, output["message_id"])
        return _with_citations(tx, user_id, [row])[0] if row else None

    return db.transact(user_id, read)


def _with_citations(tx: Tx, user_id: str, rows: Sequence[Row]) -> list[Message]:
    found = citations.list_of_messages(tx, user_id, [row["id"] for row in rows])
    return [Message(row=row, citations=found.get(row["id"], [])) for row in rows]


def checked_id(conversation_id: str) -> str:
    """Raises NotFound for what no conversation's id looks like."""
    return checked_uuid(conversation_id, NotFound("There is no such conversation."))
