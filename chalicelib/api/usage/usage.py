"""Routes of usage: tokens and cost of the caller's calls of models; for administrators, of all users together."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.http.routes import Query, Request, Routes
from chalicelib.api.usage.storage import max_stored_bytes
from chalicelib.model.usage.budgets import is_nearly_spent
from chalicelib.model.usage.usage import Group, Grouping, Sums
from chalicelib.ops.usage import read

routes = Routes("usage")
Moment = Annotated[datetime, Meta(tz=True)]
Dollars = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$")]


class _Window(Query, frozen=True, kw_only=True):
    """`since` is inclusive. Without it: 30 days before `until`, which is now unless it is given; 366 days at most."""

    since: Moment | None = None
    until: Moment | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 31
    after: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0


class ListUsage(_Window, frozen=True, kw_only=True):
    """`after`: the `next` of the page before."""

    group_by: Literal["day", "model", "operation", "item"] = "day"


class ListStageUsage(_Window, frozen=True, kw_only=True):
    """`after`: the `next` of the page before."""

    group_by: Literal["day", "model", "operation", "user"] = "day"


class UsageSums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of calls. No token is counted twice.

    `input_tokens` are those of prompts that were neither read from the provider's cache (`cached_tokens`) nor written
    to it (`cache_write_tokens`). `cost_usd` is in US dollars, by the price on the day of each call, as a decimal number
    in a string: nothing is rounded. `unpriced_calls` are calls of models whose price is not known; they are not in
    `cost_usd`. `pixels` are those of pictures that are charged by size. `latency_ms` is the mean of the calls. Models
    of one's own, asked without a key, are not counted here.
    """

    calls: int
    unpriced_calls: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    pixels: int
    latency_ms: int
    cost_usd: Dollars


class UsageGroup(UsageSums, frozen=True, kw_only=True):
    """The sums of a day (in UTC), a model, an operation, an item or a user: of what was asked for; the others are null.

    With all of them null it is what was used for no item, such as searches. An item may be deleted by now.
    """

    day: date | None = None
    provider: str | None = None
    model: str | None = None
    operation: str | None = None
    item_id: str | None = None
    user_id: str | None = None


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The most that models may cost in this month (of UTC), in US dollars. `limit_usd` is null without a limit.

    `reserved_usd` is for calls under way. `state`: ok; warned, when four fifths of the limit are spent; spent, when
    nothing is left. A call that might cost more than is left is refused with 402, and what is to be processed waits.
    """

    begins: date
    limit_usd: Dollars | None
    spent_usd: Dollars
    reserved_usd: Dollars
    state: Literal["ok", "warned", "spent"]


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes that are stored now: files, those that are announced too, and the pictures made of them.

    `limit_bytes` is null without a limit. A file that has no room is refused with 413 and the code storage_full.
    """

    used_bytes: int
    limit_bytes: int | None


class UsageList(msgspec.Struct, frozen=True, kw_only=True):
    """Days newest first, or the others with the dearest first. `total` is the sum of all pages.

    `budget` is that of this month, whatever `since` and `until` are. `storage` is null for the stage.
    """

    object: Literal["list"] = "list"
    data: list[UsageGroup]
    has_more: bool
    next: str | None
    since: datetime
    until: datetime
    total: UsageSums
    budget: Budget
    storage: Storage | None = None


@routes.get(
    "/api/v1/usage",
    query=ListUsage,
    returns=UsageList,
    summary="See what your calls of models used and cost, by day, model, operation or item.",
)
def list_usage(request: Request) -> UsageList:
    return _read(request.user_id, request.query, max_stored_bytes(request))


@routes.get(
    "/api/v1/usage/stage",
    query=ListStageUsage,
    returns=UsageList,
    admin=True,
    summary="See what all users' calls of models used and cost, by day, model, operation or user.",
)
def list_stage_usage(request: Request) -> UsageList:
    return _read(None, request.query)


def _read(user_id: str | None, query: Any, limit_bytes: int | None = None) -> UsageList:
    found = read.read_usage(
        user_id,
        by=query.group_by,
        since=query.since,
        until=query.until,
        now=datetime.now(UTC),
        skipped=query.after,
        limit=query.limit,
        budgets=wiring.settings().budgets,
        db=wiring.database(),
    )
    stored = found.stored_bytes
    storage = None if stored is None else Storage(used_bytes=stored, limit_bytes=limit_bytes)
    return _list_of(found, query.group_by, query.after, storage)


def _list_of(found: "read.UsageReport", by: Grouping, skipped: int, storage: Storage | None) -> UsageList:
    return UsageList(
        data=[_group_of(group, by) for group in found.groups],
        has_more=found.has_more,
        next=str(skipped + len(found.groups)) if found.has_more else None,
        since=found.since,
        until=found.until,
        total=UsageSums(**_sums_of(found.total)),
        budget=_budget_of(found),
        storage=storage,
    )


def _budget_of(found: "read.UsageReport") -> Budget:
    spending, limit_usd = found.spending, found.limit_usd
    is_spent = limit_usd is not None and spending.spent_usd >= limit_usd
    return Budget(
        begins=spending.month,
        limit_usd=None if limit_usd is None else dollars(limit_usd),
        spent_usd=dollars(spending.spent_usd),
        reserved_usd=dollars(spending.reserved_usd),
        state="spent" if is_spent else "warned" if is_nearly_spent(spending.spent_usd, limit_usd) else "ok",
    )


def _group_of(group: Group, by: Grouping) -> UsageGroup:
    sums = _sums_of(group)
    match by:
        case "day":
            return UsageGroup(**sums, day=date.fromisoformat(group.key))
        case "model":
            provider, _, model = group.key.partition("/")
            return UsageGroup(**sums, provider=provider, model=model)
        case "operation":
            return UsageGroup(**sums, operation=group.key)
        case "item":
            return UsageGroup(**sums, item_id=group.key or None)
        case "user":
            return UsageGroup(**sums, user_id=group.key)


def _sums_of(sums: Sums) -> dict[str, Any]:
    shown = {name: getattr(sums, name) for name in Sums.__struct_fields__}
    return shown | {"cost_usd": dollars(sums.cost_usd)}


def dollars(amount: Decimal) -> str:
    """Return an amount without an exponent, and without zeros at its end."""
    return f"{amount.normalize():f}"
