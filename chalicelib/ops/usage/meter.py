"""Count what calls of models use and cost: reserved before a call, settled and written down after it.

A row is written for every call that was answered, whatever becomes of the answer: it may be repaired, refused, or come
to a worker that has lost its lease. The rows have a transaction of their own for that reason. What is asked again after
a crash is charged again, and is a second row. Of a call without an answer nobody knows what it used: it has no row.

What is reserved is the most that one answer of the dearest provider may cost. So calls at the same time cannot spend
together what the budget does not have; only what a repair costs on top may be more than is left.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING

from chalicelib.errors import BudgetSpent
from chalicelib.model.usage.budgets import DEFAULT_PLAN, Budgets, Spending, is_nearly_spent, limit_of
from chalicelib.model.usage.costs import cost_of, find_price
from chalicelib.model.usage.usage import Call, Operation, Owner, Usage
from chalicelib.ops.usage.memory import Memory
from chalicelib.providers import Spend
from chalicelib.stores.accounts import accounts, users
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.usage import ledger, spending

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.usage")


class Meter:
    """Counts the calls that are made for one owner. `today` returns the day, in UTC, whose prices hold.

    `memory` has the owner's earlier answers.
    """

    def __init__(
        self,
        owner: Owner,
        *,
        db: "Database",
        budgets: Budgets,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._owner, self._db, self._budgets, self._today = owner, db, budgets, today
        self.memory = Memory(owner, db=db)
        self._limit_usd: Decimal | None = None  # the user's; known once something is reserved

    @contextmanager
    def counting(self, operation: Operation, most: Sequence[Usage], spend: Spend | None) -> Iterator[Spend]:
        """Yield the function that takes the usage of each call and hands it on to `spend`. At the end write the rows.

        `most` has, for each provider that may be asked, the most that an answer may use. What is local costs nothing,
        reserves nothing and has no row. Raise BudgetSpent.
        """
        reservation_id = self.reserve(most)
        calls, before = list[Call](), monotonic()

        def note(usage: Usage) -> None:
            nonlocal before
            now = monotonic()
            if not usage.is_local:
                calls.append(_call(operation, usage, on=self._today(), latency_s=now - before))
            before = now
            if spend:
                spend(usage)

        try:
            yield note
        finally:
            if calls or reservation_id:
                self._settle(calls, reservation_id)

    def require_room(self, most: Sequence[Usage]) -> None:
        """Raise BudgetSpent unless the budgets have room for such a call now."""
        reservation_id = self.reserve(most)
        if reservation_id:
            self._settle([], reservation_id)

    def reserve(self, most: Sequence[Usage]) -> int | None:
        """Reserve what a call may cost; return the reservation's id, None where nothing is limited or charged."""
        charged = [usage for usage in most if not usage.is_local]
        if not charged or all(limit is None for limit in self._budgets.values()):
            return None
        costs = [cost_of(usage, find_price(usage, self._today())) for usage in charged]
        amount_usd = max(cost or Decimal(0) for cost in costs)
        return self._db.transact(self._owner.user_id, lambda tx: self._reserve(tx, amount_usd))

    def _reserve(self, tx: Tx, amount_usd: Decimal) -> int:
        user_id, stage_usd = self._owner.user_id, self._budgets.get("stage")
        users.ensure(tx, user_id)
        account = accounts.find(tx, user_id)
        limit_usd = self._limit_usd = limit_of(self._budgets, account.plan if account else DEFAULT_PLAN)
        if not spending.reserve(tx, user_id, amount_usd, limit_usd=limit_usd):
            raise _spent("Your budget", limit_usd, spending.find(tx, user_id))
        if not spending.reserve_of_stage(tx, amount_usd, limit_usd=stage_usd):
            raise _spent("The budget of all users together", stage_usd, spending.find_of_stage(tx))
        return spending.insert_reservation(tx, user_id, amount_usd)

    def _settle(self, calls: list[Call], reservation_id: int | None) -> None:
        user_id, cost_usd = (
            self._owner.user_id,
            sum((call.cost_usd or Decimal(0) for call in calls), Decimal(0)),
        )

        def settle(tx: Tx) -> tuple[Decimal, Decimal]:
            users.ensure(tx, user_id)
            if calls:
                ledger.insert(tx, self._owner, calls)
            return spending.settle(tx, user_id, cost_usd, reservation_id=reservation_id)

        limits = (self._limit_usd, self._budgets.get("stage"))
        spent = self._db.transact(user_id, settle)
        for whose, limit_usd, spent_usd in zip(("user", "stage"), limits, spent, strict=True):
            if is_nearly_spent(spent_usd, limit_usd) and not is_nearly_spent(spent_usd - cost_usd, limit_usd):
                given = {"user_id": user_id, "limit_usd": str(limit_usd), "spent_usd": str(spent_usd)}
                log.warning(f"four fifths of the {whose}'s budget are spent", extra=given)


def _call(operation: Operation, usage: Usage, *, on: date, latency_s: float) -> Call:
    price = find_price(usage, on)
    cost_usd = cost_of(usage, price)
    return Call(
        operation="repair" if usage.is_repair else operation,
        usage=usage,
        cost_usd=cost_usd,
        price_since=price.since if price and cost_usd is not None else None,
        latency_ms=round(latency_s * 1000),
    )


def _spent(whose: str, limit_usd: Decimal | None, so_far: Spending) -> BudgetSpent:
    year, month = divmod(so_far.month.year * 12 + so_far.month.month, 12)
    return BudgetSpent(
        f"{whose} of {limit_usd} US dollars a month for models has too little left for this. It begins anew on"
        f" {date(year, month + 1, 1)}; the operator can raise it (BUDGETS). GET /api/v1/usage shows what was spent."
    )
