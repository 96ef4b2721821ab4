"""Money spent on models this month, by user and by stage, and money reserved for calls under way.

A user's row is locked before the stage's, here as wherever both are.
"""

from decimal import Decimal

from chalicelib.model.usage.budgets import Spending
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)
TTL_S = 900  # of a reservation: longer than any function runs


def reserve(tx: Tx, user_id: str, amount_usd: Decimal, *, limit_usd: Decimal | None) -> bool:
    """Reserve an amount of the user's budget. Return False when it would be over the limit."""
    return tx.one(SQL["reserve"], user_id=user_id, amount_usd=amount_usd, limit_usd=limit_usd) is not None


def reserve_of_stage(tx: Tx, amount_usd: Decimal, *, limit_usd: Decimal | None) -> bool:
    """Reserve an amount of the stage's budget. Return False when it would be over the limit."""
    return tx.one(SQL["reserve_of_stage"], amount_usd=amount_usd, limit_usd=limit_usd) is not None


def insert_reservation(tx: Tx, user_id: str, amount_usd: Decimal) -> int:
    """Note down what was reserved, so that it is freed if nobody settles it; return the reservation's id."""
    (row,) = tx.all(SQL["insert_reservation"], user_id=user_id, amount_usd=amount_usd, ttl_s=TTL_S)
    return int(row["id"])


def settle(
    tx: Tx, user_id: str, spent_usd: Decimal, *, reservation_id: int | None
) -> tuple[Decimal, Decimal]:
    """Count what was spent, and free the reservation. Return what the user and the stage have spent this month.

    It counts for the month of the reservation. One that has expired was freed before.
    """
    held = tx.one(SQL["delete_reservation"], user_id=user_id, id=reservation_id) if reservation_id else None
    counted = {"spent_usd": spent_usd, "month": held and held["month"]}
    freed_usd = held["amount_usd"] if held else Decimal(0)
    (own,) = tx.all(SQL["add"], user_id=user_id, **counted, freed_usd=freed_usd)
    (stages,) = tx.all(SQL["add_to_stage"], **counted, freed_usd=freed_usd)
    return own["spent_usd"], stages["spent_usd"]


def find(tx: Tx, user_id: str) -> Spending:
    """Return what the user has spent and reserved this month."""
    return tx.rows(Spending, SQL["find"], user_id=user_id)[0]


def find_of_stage(tx: Tx) -> Spending:
    """Return what all users have spent and reserved this month."""
    return tx.rows(Spending, SQL["find_of_stage"])[0]


def free_expired(tx: Tx, *, limit: int) -> int:
    """Free the reservations of processes that are gone; return of how many users. System transaction."""
    freed = tx.all(SQL["free_expired"], limit=limit)
    for row in freed:
        tx.all(SQL["add"], **row, spent_usd=Decimal(0))
    for row in freed:
        tx.all(SQL["add_to_stage"], month=row["month"], freed_usd=row["freed_usd"], spent_usd=Decimal(0))
    return len(freed)
