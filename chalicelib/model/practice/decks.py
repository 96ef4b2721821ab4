"""Decks: named lists of exercises."""

from datetime import datetime

from msgspec import Struct


class StoredDeck(Struct, frozen=True, kw_only=True):
    """A row of `decks`, with how many exercises are in it."""

    id: str
    name: str
    exercise_count: int
    created_at: datetime
    updated_at: datetime
