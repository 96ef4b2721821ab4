"""Failures, as the operator lists them."""

from datetime import datetime

from msgspec import Struct


class FailureFilters(Struct, frozen=True, kw_only=True):
    """None: no such condition. `since` is inclusive, `until` is not."""

    id: str | None = None
    kind: str | None = None
    status: str | None = None
    reason: str | None = None
    stage: str | None = None
    user_id: str | None = None
    item_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
