"""Jobs: what is to be done, and when. Each time that it is done is a run."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from chalicelib.model.jobs.kinds import JobKind


class StoredJob(Struct, frozen=True, kw_only=True):
    """A row of `jobs`. `schedule` is a cron line, in UTC; `next_run_at` is null without one."""

    id: str
    name: str
    description: str
    kind: JobKind
    parameters: dict[str, Any]
    collection_id: str | None
    webhook_id: str | None
    max_cost_usd: Decimal | None
    schedule: str | None
    next_run_at: datetime | None
    created_at: datetime
    updated_at: datetime
