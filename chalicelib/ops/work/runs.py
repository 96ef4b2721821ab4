"""Tasks that are runs: their timeline, and the cancelling of one that is no run of a job."""

from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.model.ids import checked_uuid
from chalicelib.model.library.items import ItemEvent
from chalicelib.model.paging import cut_page
from chalicelib.model.work.tasks import StoredRun
from chalicelib.ops.work.wake import wake_later
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database


def read_timeline(
    user_id: str, run_id: str, *, after: int, limit: int, db: "Database"
) -> tuple[list[ItemEvent], str | None]:
    """Return a page of what happened to the run, in order, and the cursor of the next page. Raise NotFound."""
    known = _checked(run_id)

    def read(tx: Tx) -> list[ItemEvent]:
        tasks.get_run(tx, user_id, known)
        return tasks.list_run_events(tx, user_id, known, after=after, limit=limit + 1)

    page, last = cut_page(db.transact(user_id, read), limit)
    return page, str(last.id) if last else None


def cancel_run(user_id: str, run_id: str, *, db: "Database", queues: "Queues") -> StoredRun:
    """Cancel the run and return it; its place is free at once, whatever its worker does.

    Cancelled again it stays so. Raise NotFound, and Conflict when it has ended otherwise.
    """
    known = _checked(run_id)

    def cancel(tx: Tx) -> StoredRun:
        tasks.cancel_run(tx, user_id, known)
        run = tasks.get_run(tx, user_id, known)
        if run.state != "cancelled":
            raise errors.Conflict("This run is over; it cannot be cancelled.", code="run_is_over")
        return run

    run = db.transact(user_id, cancel)
    wake_later(user_id, db=db, queues=queues)
    return run


def _checked(run_id: str) -> str:
    return checked_uuid(run_id, errors.NotFound("There is no such run."))
