"""Collections: named sets of a user's items."""

from datetime import datetime

from msgspec import Struct


class StoredCollection(Struct, frozen=True, kw_only=True):
    """A row of `collections`, with the number of its items."""

    id: str
    name: str
    description: str
    created_at: datetime
    updated_at: datetime
    item_count: int
