"""Messages as the API shows them: questions, and answers with their citations."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec.structs import asdict

from chalicelib.api.library.pictures import pictures_of
from chalicelib.model.chat.messages import CitedMessage, Role, StoredCitation
from chalicelib.model.chat.outcomes import Outcome


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """A quote that was found in the item's stored text, from `page_start` to `page_end`.

    It supports the sentence of the answer from `answer_start` to `answer_end`. All four count characters (code
    points). `source`: the text itself, an image's caption, or text read from a picture. `stale`: the item was deleted
    since, has other bytes, or has another text there. `page`: null for an image that is not deleted.
    `thumbnail_url`: a small picture of the page or image. `page_image_url`: the page with the quote marked. An image
    has no page URLs, and a deleted item has no URLs.
    """

    ordinal: int
    item_id: str
    item_name: str
    source: Literal["text", "caption", "ocr"]
    page: int | None
    quote: str
    page_start: int
    page_end: int
    answer_start: int
    answer_end: int
    verified: Literal[True] = True
    stale: bool
    thumbnail_url: str | None
    page_url: str | None
    page_image_url: str | None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A question (role user), limited to `collection_id` or `item_ids` when they are given; or an answer to one.

    An answer has: `reply_to`, the question's id; `question`, the text searched for; `dropped`, the number of sentences
    that failed the check; `missing`, the parts of the search that were not available (semantic: only words were
    searched; reranker); `stale`, true when any citation is stale. `outcome`: answered; nothing_certain, when
    no sentence surely answers it: the citations are places that may be about it; nothing_relevant, when the items
    have nothing about it; nothing_verified, when no sentence passed the check; refused, by the model. `content`
    says so too. Without a chat model, answers are sentences of the items themselves, and `provider` is "extractive".
    `cached`: the model was not asked, as you had asked it the same within a week.

    `content`, quotes and names are plain text (`content_type`) and may have anything that is in a file: show them as
    text, never as Markdown or HTML, where `![](//host/x)` would be fetched.
    """

    object: Literal["message"] = "message"
    id: str
    conversation_id: str
    ordinal: int
    role: Role
    content: str
    content_type: Literal["text/plain"] = "text/plain"
    created_at: datetime
    collection_id: str | None
    item_ids: list[str] | None
    reply_to: str | None
    outcome: Outcome | None
    question: str | None
    citations: list[Citation]
    stale: bool
    dropped: int
    missing: list[str]
    provider: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached: bool


def message_of(cited: CitedMessage) -> Message:
    """Return the message as the API shows it."""
    citations = [_citation(each) for each in cited.citations]
    stale = any(citation.stale for citation in citations)
    return Message(**asdict(cited.message), citations=citations, stale=stale)


def _citation(stored: StoredCitation) -> Citation:
    span = (stored.page_start, stored.page_end)
    pictures = pictures_of(stored.item_id, stored.kind, stored.page, source=stored.source, span=span)
    return Citation(
        ordinal=stored.ordinal,
        item_id=stored.item_id,
        item_name=stored.item_name,
        source=stored.source,
        page=stored.page if stored.kind != "image" else None,
        quote=stored.quote,
        page_start=stored.page_start,
        page_end=stored.page_end,
        answer_start=stored.answer_start,
        answer_end=stored.answer_end,
        stale=stored.stale,
        **asdict(pictures),
    )
