"""Filters of a search."""

from datetime import datetime

from msgspec import Struct


class Filters(Struct, frozen=True, kw_only=True):
    """Conditions on the items and pages that are searched; None sets no condition.

    `since` (inclusive) and `until` (exclusive) bound the item's creation time. `first_page` and `last_page` are
    inclusive. An image has one page, page 1.
    """

    kinds: tuple[str, ...] | None = None
    item_ids: tuple[str, ...] | None = None
    tag: str | None = None
    collection_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    first_page: int | None = None
    last_page: int | None = None
