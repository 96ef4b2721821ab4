"""How late the work is, of all users. System's or operator's transactions only."""

from msgspec import Struct

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Vitals(Struct, frozen=True, kw_only=True):
    """Seconds since the first lease ended that nobody took back, and since the first event was due that was not sent.

    Negative for what is not due yet, 0 for nothing at all. Reading `has_cached` shows that the cache's table answers.
    """

    late_lease_s: float
    late_event_s: float
    has_cached: bool


class Backlog(Struct, frozen=True, kw_only=True):
    """Seconds that the oldest work has waited, dead letters that nobody has dealt with, the database's clock in s."""

    late_work_s: float
    dead_letters: int
    clock_s: float


def get(tx: Tx) -> Vitals:
    found = tx.row(Vitals, SQL["get"])
    assert found is not None
    return found


def get_backlog(tx: Tx) -> Backlog:
    found = tx.row(Backlog, SQL["get_backlog"])
    assert found is not None
    return found
