"""Failures of items, events and deletions, as the operator lists them."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from chalicelib.model.work.tasks import Kind


class StoredFailure(Struct, frozen=True, kw_only=True):
    """A row of the view `failures`. `last_error` is for the operator only and holds no secrets."""

    id: str
    kind: Literal["item", "run", "dead_letter", "event", "deletion"]
    status: Literal["failed", "retrying", "stalled"]
    user_id: str | None
    item_id: str | None
    run_id: str | None
    stage: Kind | None
    reason: str
    attempts: int
    last_error: str | None
    failed_at: datetime
    next_attempt_at: datetime | None


class FailureFilters(Struct, frozen=True, kw_only=True):
    """Conditions on a list of failures; None sets no condition. `since` is inclusive, `until` is exclusive."""

    id: str | None = None
    kind: str | None = None
    status: str | None = None
    reason: str | None = None
    stage: str | None = None
    user_id: str | None = None
    item_id: str | None = None
    run_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
