"""Lists everything that went wrong, for the operator, and tries it again."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.errors import NotFound
from chalicelib.model.failures import FailureFilters, StoredFailure
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor, window_in_utc
from chalicelib.ops.operations.deadletters import redrive_letters
from chalicelib.stores.operations import failures
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

REDRIVEN_AT_ONCE = 200


def list_failures(
    filters: FailureFilters, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredFailure], str | None]:
    """Return a page of all users' failures, newest first, and the cursor of the next page."""
    since, until = window_in_utc(filters.since, filters.until)
    filters = replace(filters, since=since, until=until)
    position = decode_cursor(after) if after else None
    rows = db.transact_as_system(lambda tx: failures.list_page(tx, filters, after=position, limit=limit + 1))
    page, last = cut_page(rows, limit)
    return page, encode_cursor(last.failed_at, last.id) if last else None


def redrive_failure(failure_id: str, *, db: "Database", bucket: str) -> int:
    """Try a failure again from the start; return 1, or 0 when another was faster. Raise NotFound when it is over."""
    found, _ = list_failures(FailureFilters(id=failure_id), after=None, limit=1, db=db)
    if not found:
        raise NotFound("There is no such failure; it may be over.")
    return _redrive(found, db=db, bucket=bucket)


def redrive_failures(filters: FailureFilters, *, db: "Database", bucket: str) -> tuple[int, bool]:
    """Try up to 200 failures again that match; return (how many, whether there are more). Safe to repeat."""
    found, more = list_failures(filters, after=None, limit=REDRIVEN_AT_ONCE, db=db)
    return _redrive(found, db=db, bucket=bucket), more is not None


def _redrive(found: Sequence[StoredFailure], *, db: "Database", bucket: str) -> int:
    ids: dict[str, list[int]] = {"task": [], "letter": [], "event": [], "deletion": []}
    for failure in found:
        kind, _, number = failure.id.partition("-")
        ids[kind].append(int(number))
    by_kind: Mapping[str, Callable[[Tx, Sequence[int]], int]] = {
        "task": failures.redrive_tasks,
        "event": failures.redrive_events,
        "deletion": failures.redrive_deletions,
    }
    total = redrive_letters(ids["letter"], db=db, bucket=bucket)
    return total + db.transact_as_system(
        lambda tx: sum(redrive(tx, ids[kind]) for kind, redrive in by_kind.items() if ids[kind])
    )
