"""Filters of a search."""

from datetime import datetime

from msgspec import Struct


class Filters(Struct, frozen=True, kw_only=True):
    """Conditions on the items and pages searched; None: no such condition.

    `since` (inclusive) and `until` (exclusive) bound when the item was created. Both pages are inclusive; an image is
    one page, page 1.
    """

    kinds: tuple[str, ...] | None = None
    item_ids: tuple[str, ...] | None = None
    tag: str | None = None
    collection_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    first_page: int | None = None
    last_page: int | None = None
