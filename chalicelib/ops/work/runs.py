"""Runs as their user sees them: read, list, cancel."""

from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.model.ids import checked_uuid
from chalicelib.model.library.items import ItemEvent
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor
from chalicelib.model.work.tasks import StoredRun
from chalicelib.ops.work.wake import wake_later
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database


def read_run(user_id: str, run_id: str, *, db: "Database") -> StoredRun:
    """Return the run. Raise NotFound."""
    known = _checked(run_id)
    return db.transact(user_id, lambda tx: tasks.get_run(tx, user_id, known))


def list_runs(
    user_id: str, *, state: str | None, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredRun], str | None]:
    """Return a page of the user's runs, newest first, and the cursor of the next page."""
    position = decode_cursor(after) if after else None
    if position:
        checked_uuid(position[1], errors.InvalidInput("This cursor is not one of ours.", field="after"))
    found = db.transact(
        user_id, lambda tx: tasks.list_runs(tx, user_id, state=state, after=position, limit=limit + 1)
    )
    page, last = cut_page(found, limit)
    return page, encode_cursor(last.created_at, last.id) if last else None


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
