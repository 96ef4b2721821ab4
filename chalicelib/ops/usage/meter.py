"""Write down what calls of models use and cost.

A row is written for every call that was answered, whatever becomes of the answer: it may be repaired, refused, or come
to a worker that has lost its lease. The rows have a transaction of their own for that reason. What is asked again after
a crash is charged again, and is a second row. Of a call without an answer nobody knows what it used: it has no row.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from time import monotonic
from typing import TYPE_CHECKING

from chalicelib.model.usage.costs import cost_of, find_price
from chalicelib.model.usage.usage import Call, Operation, Owner, Usage
from chalicelib.providers import Spend
from chalicelib.stores.accounts import users
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.usage import ledger

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database


class Meter:
    """Counts the calls that are made for one owner. `today` returns the day, in UTC, whose prices hold."""

    def __init__(
        self, owner: Owner, *, db: "Database", today: Callable[[], date] = lambda: datetime.now(UTC).date()
    ) -> None:
        self._owner, self._db, self._today = owner, db, today

    @contextmanager
    def counting(self, operation: Operation, spend: Spend | None) -> Iterator[Spend]:
        """Yield the function that takes the usage of each call; it hands it on to `spend`. At the end write the rows.

        What is local costs nothing and has no row.
        """
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
            if calls:
                self._db.transact(self._owner.user_id, lambda tx: self._write(tx, calls))

    def _write(self, tx: Tx, calls: list[Call]) -> None:
        users.ensure(tx, self._owner.user_id)
        ledger.insert(tx, self._owner, calls)


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
