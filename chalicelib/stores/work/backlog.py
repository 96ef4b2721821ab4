"""Counts of undone work, and the age of the oldest. System transactions only."""

from msgspec import Struct

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Ages(Struct, frozen=True, kw_only=True):
    """Seconds since it was due: of the oldest event that is not published, of the oldest task that nobody works on."""

    outbox_s: float
    work_s: float


class Waiting(Struct, frozen=True, kw_only=True):
    """Events that are not published, and dead letters that nobody has redriven."""

    events: int
    dead_letters: int


class TaskCount(Struct, frozen=True, kw_only=True):
    """The tasks of a kind by state: ready, running, failed; a kind without any in a state has no such row."""

    kind: str
    state: str
    count: int


def get_ages(tx: Tx) -> Ages:
    """Return the ages, 0 where nothing is due."""
    row = tx.one(SQL["get_ages"])
    assert row is not None
    return Ages(outbox_s=max(0.0, row["outbox_s"]), work_s=max(0.0, row["work_s"]))


def count_waiting(tx: Tx) -> Waiting:
    found = tx.row(Waiting, SQL["count_waiting"])
    assert found is not None
    return found


def count_tasks(tx: Tx) -> list[TaskCount]:
    return tx.rows(TaskCount, SQL["count_tasks"])
