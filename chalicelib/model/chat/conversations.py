"""Conversations: a user's questions and the answers to them."""

from datetime import datetime

from msgspec import Struct


class StoredConversation(Struct, frozen=True, kw_only=True):
    """A row of `conversations`, with its number of messages. An unnamed one has its first question as `title`."""

    id: str
    title: str
    message_count: int
    created_at: datetime
    updated_at: datetime
