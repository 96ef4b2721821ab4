"""Measures how old the work is that waits."""

from typing import TYPE_CHECKING

from chalicelib.stores.work import backlog

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database


def measure_backlog(*, db: "Database") -> dict[str, float]:
    """Return the ages in seconds by the names of their metrics, on which the alarms of deploy/base.yaml are set."""
    ages = db.transact_as_system(backlog.get_ages)
    return {"OutboxAge": ages.outbox_s, "WorkAge": ages.work_s}
