"""Delays of the work of all users, for /health and the doctor. System's or operator's transactions only."""

from msgspec import Struct

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Vitals(Struct, frozen=True, kw_only=True):
    """Seconds by which the latest of each kind is late: negative when it is not due yet, 0 when there is none.

    `late_lease_s`: a lease that ended and that nobody took back. `late_event_s`: an event that was not sent.
    `late_work_s`: a task that nobody has begun. `clock_s` is the database's clock, in seconds since 1970. Reading
    `has_cached` shows that the cache's table answers.
    """

    late_lease_s: float
    late_event_s: float
    late_work_s: float
    clock_s: float
    has_cached: bool


def get(tx: Tx) -> Vitals:
    found = tx.row(Vitals, SQL["get"])
    assert found is not None
    return found
