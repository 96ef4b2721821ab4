"""Checks that the parts this app cannot work without respond right now."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.errors import CollectionsError
from chalicelib.model.work.tasks import QUEUES
from chalicelib.stores.operations import vitals
from chalicelib.stores.work import backlog

if TYPE_CHECKING:
    from chalicelib.stores.aws.dynamodb import Tables
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database, OperatorsDatabase

# Longer than any stage's sweep or relay may take to come.
LATE_S = 30 * 60
MAX_SKEW_S = 60


def check_parts(*, db: "Database", tables: "Tables", names: Sequence[str]) -> dict[str, str]:
    """Return "ok", or what is wrong in a few words, by part.

    The cache is a table of the database. The workflow is the work in it: late when nobody takes leases back, or sends
    events.
    """
    try:
        found = db.transact_as_system(vitals.get)
    except CollectionsError as error:
        checks = dict.fromkeys(("database", "cache", "workflow"), error.code)
    else:
        checks = {"database": "ok", "cache": "ok", "workflow": _of_work(found)}
    return {**checks, "dynamodb": _check_tables(tables, names)}


def _of_work(found: vitals.Vitals) -> str:
    if found.late_lease_s > LATE_S:
        return "sweeper_is_late"
    return "relay_is_late" if found.late_event_s > LATE_S else "ok"


def _check_tables(tables: "Tables", names: Sequence[str]) -> str:
    try:
        for name in names:
            tables.require(name)
    except CollectionsError as error:
        return error.code
    return "ok"


def check_queues(queues: "Queues") -> dict[str, str]:
    """Return "ok" with the number of messages that wait, or the error's code, for each queue of work."""
    found = {}
    for name in QUEUES:
        try:
            found[f"queue {name}"] = f"ok, {queues.count(name)} waiting"
        except CollectionsError as error:
            found[f"queue {name}"] = error.code
    return found


def check_work(*, db: "OperatorsDatabase", now_s: Callable[[], float]) -> dict[str, str]:
    """Return "ok", or what is wrong, for the work that waits, those who keep it going, the dead letters, the clock."""
    work, waiting = db.transact_as_operator(lambda tx: (vitals.get(tx), backlog.count_waiting(tx)))
    skew_s = round(work.clock_s - now_s())
    letters = waiting.dead_letters
    return {
        "oldest work": _if_late(work.late_work_s, "it has waited for {} minutes"),
        "sweeper": _if_late(
            work.late_lease_s, "a lease is over for {} minutes, and nobody has taken it back"
        ),
        "relay": _if_late(work.late_event_s, "an event is due for {} minutes, and nobody has sent it"),
        "dead letters": "ok" if not letters else f"{letters} that nobody has dealt with",
        "clock": "ok"
        if abs(skew_s) <= MAX_SKEW_S
        else f"the database's is {skew_s} s ahead of the functions'",
    }


def _if_late(late_s: float, words: str) -> str:
    return "ok" if late_s <= LATE_S else words.format(round(late_s / 60))
