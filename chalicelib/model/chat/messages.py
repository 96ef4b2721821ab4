"""Messages of a conversation: questions, and answers with their citations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from chalicelib.model.chat.outcomes import Outcome
from chalicelib.model.ingest.files import Kind
from chalicelib.model.search.passages import Source

Role = Literal["user", "assistant"]


class StoredMessage(Struct, frozen=True, kw_only=True):
    """A row of `messages`. `ordinal` counts from 1 in each conversation.

    Only a question has `collection_id` or `item_ids`. Only an answer has `reply_to`, the id of its question;
    `question`, the text that was searched for; `outcome`, `provider`, `model` and tokens. `cached`: the model was not
    asked, as it had been asked the same before.
    """

    id: str
    conversation_id: str
    ordinal: int
    role: Role
    content: str
    reply_to: str | None
    question: str | None
    outcome: Outcome | None
    collection_id: str | None
    item_ids: list[str] | None
    dropped: int
    missing: list[str]
    provider: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached: bool
    created_at: datetime


class StoredCitation(Struct, frozen=True, kw_only=True):
    """A row of `citations`, compared with the item as it is now. All offsets count characters (code points).

    `kind` is the item's, None when the item is deleted. `stale`: the item is deleted, or its bytes or text changed.
    """

    message_id: str
    ordinal: int
    item_id: str
    item_name: str
    source: Source
    page: int
    quote: str
    page_start: int
    page_end: int
    answer_start: int
    answer_end: int
    kind: Kind | None
    stale: bool


class CitedMessage(Struct, frozen=True, kw_only=True):
    """A message with its citations in order; a question has none."""

    message: StoredMessage
    citations: Sequence[StoredCitation]


class Turn(Struct, frozen=True, kw_only=True):
    """An earlier message of a conversation. `question` is the text that an answer searched for; a question has None."""

    role: Role
    content: str
    question: str | None
