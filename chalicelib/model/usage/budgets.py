"""Limits of a user by plan, and of the stage: what models may cost a month, and how much is stored."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from msgspec import Struct

# Dollars a month, or gigabytes: of a user under "user.<plan>", of all together under "stage". None is no limit.
Budgets = Mapping[str, Decimal | None]
DEFAULT_PLAN = "free"
WARNED_AT = Decimal("0.8")


class Spending(Struct, frozen=True, kw_only=True):
    """The cost of the month that begins on this day, and what is reserved for calls under way."""

    month: date
    spent_usd: Decimal
    reserved_usd: Decimal


def limit_of(budgets: Budgets, plan: str) -> Decimal | None:
    """Return a user's limit. A plan without one of its own has that of DEFAULT_PLAN."""
    return budgets[f"user.{plan}"] if f"user.{plan}" in budgets else budgets.get(f"user.{DEFAULT_PLAN}")


def is_nearly_spent(spent_usd: Decimal, limit_usd: Decimal | None) -> bool:
    """Return whether four fifths of a limit are spent."""
    return limit_usd is not None and spent_usd >= WARNED_AT * limit_usd


def bytes_limit_of(storage_gb: Budgets, plan: str) -> int | None:
    """Return how many bytes a user may store."""
    limit_gb = limit_of(storage_gb, plan)
    return None if limit_gb is None else int(limit_gb * 10**9)
