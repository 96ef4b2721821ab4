"""Deletions of accounts: those that go on, and receipts."""

from datetime import datetime

from msgspec import Struct


class Receipt(Struct, frozen=True, kw_only=True):
    """The receipt: `counts` by kind as it was at `requested_at`, and how many versions of objects were deleted."""

    id: str
    requested_at: datetime
    finished_at: datetime | None
    counts: dict[str, int]
    objects: int


class OpenDeletion(Struct, frozen=True, kw_only=True):
    id: str
    user_id: str
    requested_at: datetime
