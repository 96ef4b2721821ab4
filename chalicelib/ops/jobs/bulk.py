"""Cancel or retry many runs at once, by a filter."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from chalicelib.errors import Conflict, InvalidInput
from chalicelib.model.jobs.runs import ENDED, Run, RunFilters
from chalicelib.ops.jobs.runs import AT_ONCE, cancel_run, list_runs, retry_run

if TYPE_CHECKING:
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database


def cancel_runs(user_id: str, filters: RunFilters, *, db: "Database", queues: "Queues") -> list[Run]:
    """Cancel the runs of the filter that have not ended, at most AT_ONCE; return them. Raise InvalidInput."""
    return _each(
        user_id,
        filters,
        lambda run: run.state not in ENDED,
        db=db,
        act=lambda run: cancel_run(user_id, run.id, db=db, queues=queues),
    )


def retry_runs(
    user_id: str, filters: RunFilters, creation_id: UUID, *, db: "Database", queues: "Queues"
) -> list[Run]:
    """Retry the runs of the filter of which something failed, at most AT_ONCE; return the new runs.

    Called again with the same `creation_id`, it makes no further ones. Raise InvalidInput.
    """

    def retry(run: Run) -> Run:
        return retry_run(user_id, run.id, str(uuid5(creation_id, run.id)), db=db, queues=queues)

    return _each(user_id, filters, lambda run: run.is_of_job and run.state in ENDED, db=db, act=retry)


def _each(
    user_id: str,
    filters: RunFilters,
    concerns: Callable[[Run], bool],
    *,
    db: "Database",
    act: Callable[[Run], Run],
) -> list[Run]:
    if filters == RunFilters():
        raise InvalidInput(
            "The filter is empty: it would concern all runs. Name job_id, state, kind or until.",
            field="filter",
            code="empty_filter",
        )
    done, cursor = list[Run](), None
    while len(done) < AT_ONCE:
        page, cursor = list_runs(user_id, filters, after=cursor, limit=AT_ONCE, db=db)
        for run in filter(concerns, page):
            try:
                done.append(act(run))
            except Conflict:  # it has ended meanwhile, or nothing of it failed
                continue
        if cursor is None:
            break
    return done[:AT_ONCE]
