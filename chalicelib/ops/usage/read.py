"""Read the ledger: what a user's calls of models have used and cost, or those of the whole stage."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import InvalidInput
from chalicelib.model.paging import cut_page, window_in_utc
from chalicelib.model.usage.budgets import DEFAULT_PLAN, Budgets, Spending, limit_of
from chalicelib.model.usage.usage import Group, Grouping, Sums
from chalicelib.stores.accounts import accounts
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.usage import ledger, spending, storage

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

USUAL_DAYS, MOST_DAYS = 30, 366


class UsageReport(Struct, frozen=True, kw_only=True):
    """A page of groups, whether more follow, and the sums of all groups. The window includes `since`, not `until`.

    `spending` is that of this month, whatever the window is; `limit_usd` is what may be spent in it. `stored_bytes` is
    what the user stores now, None for all users.
    """

    since: datetime
    until: datetime
    groups: list[Group]
    has_more: bool
    total: Sums
    spending: Spending
    limit_usd: Decimal | None
    stored_bytes: int | None


def read_usage(
    user_id: str | None,
    *,
    by: Grouping,
    since: datetime | None,
    until: datetime | None,
    now: datetime,
    skipped: int,
    limit: int,
    budgets: Budgets,
    db: "Database",
) -> UsageReport:
    """Return what was used from `since` until `until`, without them in the last 30 days.

    Without a user, what all users have used. Raise InvalidInput for an empty window, or one of more than 366 days.
    """
    since, until = window_in_utc(since, until)
    until = until or now
    try:
        since = since or until - timedelta(days=USUAL_DAYS)
    except OverflowError:
        raise InvalidInput("until must be later than the year 1.", field="until") from None
    if not timedelta(0) < until - since <= timedelta(days=MOST_DAYS):
        said = f"since must be before until, and at most {MOST_DAYS} days before it."
        raise InvalidInput(said, field="since")
    window = {"since": since, "until": until}

    def read(tx: Tx) -> UsageReport:
        found = ledger.list_groups(tx, user_id, by=by, **window, skipped=skipped, limit=limit + 1)
        groups, last = cut_page(found, limit)
        now_spent, limit_usd = _budget(tx, user_id, budgets)
        return UsageReport(
            **window,
            groups=groups,
            has_more=last is not None,
            total=ledger.sum_between(tx, user_id, **window),
            spending=now_spent,
            limit_usd=limit_usd,
            stored_bytes=storage.sum_bytes(tx, user_id) if user_id else None,
        )

    return db.transact_as_system(read) if user_id is None else db.transact(user_id, read)


def _budget(tx: Tx, user_id: str | None, budgets: Budgets) -> tuple[Spending, Decimal | None]:
    if user_id is None:
        return spending.find_of_stage(tx), budgets.get("stage")
    account = accounts.find(tx, user_id)
    return spending.find(tx, user_id), limit_of(budgets, account.plan if account else DEFAULT_PLAN)
