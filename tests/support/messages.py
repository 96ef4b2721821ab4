"""Messages and citations made without a database."""

from datetime import UTC, datetime

from chalicelib.model.chat.messages import CitedMessage, Role, StoredCitation, StoredMessage


def message(role: Role, content: str, *citations: StoredCitation) -> CitedMessage:
    stored = StoredMessage(
        id="00000000-0000-0000-0000-000000000001",
        conversation_id="00000000-0000-0000-0000-000000000002",
        ordinal=1,
        role=role,
        content=content,
        reply_to=None,
        question=None,
        outcome=None,
        collection_id=None,
        item_ids=None,
        dropped=0,
        missing=[],
        provider=None,
        model=None,
        input_tokens=None,
        output_tokens=None,
        cached=False,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return CitedMessage(message=stored, citations=citations)


def citation(*, item_name: str, quote: str, answer_end: int) -> StoredCitation:
    return StoredCitation(
        message_id="00000000-0000-0000-0000-000000000001",
        ordinal=1,
        item_id="item",
        item_name=item_name,
        source="text",
        page=1,
        quote=quote,
        page_start=0,
        page_end=len(quote),
        answer_start=0,
        answer_end=answer_end,
        kind="pdf",
        stale=False,
    )
