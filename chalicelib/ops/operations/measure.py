"""Measure the work of the stage, as its database has it: a process knows only what it has done itself."""

from typing import TYPE_CHECKING

from chalicelib.metrics import declared
from chalicelib.metrics.declared import Metric, Sample
from chalicelib.stores.work import backlog

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database


def measure_work(*, db: "Database") -> list[Sample]:
    """Return the stage's gauges. A kind of task that has none in a state has no sample for it."""
    ages, waiting, tasks = db.transact_as_system(
        lambda tx: (backlog.get_ages(tx), backlog.count_waiting(tx), backlog.count_tasks(tx))
    )
    return [
        _gauge(declared.OUTBOX_AGE, ages.outbox_s),
        _gauge(declared.WORK_AGE, ages.work_s),
        _gauge(declared.OUTBOX_EVENTS, waiting.events),
        _gauge(declared.DEAD_LETTERS, waiting.dead_letters),
        *(_gauge(declared.TASKS, each.count, Kind=each.kind, State=each.state) for each in tasks),
    ]


def _gauge(metric: Metric, value: float, **labels: str) -> Sample:
    return Sample(metric=metric, labels=labels, values=(value,))
