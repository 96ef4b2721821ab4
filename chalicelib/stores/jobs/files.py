"""The files of a run: a line each, with what became of it. Only the run's driver, and who stops it, write here."""

from collections.abc import Sequence
from typing import Any

from chalicelib.model.jobs.runs import Counts, RunFile
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)
_COLUMNS = ("number", "name", "key", "size_bytes", "item_id", "outcome", "code", "message", "page", "line")


def insert(tx: Tx, user_id: str, run_id: str, files: Sequence[RunFile]) -> int:
    """Insert lines; return how many are new. Those that are there already stay as they are."""
    columns: dict[str, list[Any]] = {name: [getattr(file, name) for file in files] for name in _COLUMNS}
    return tx.run(SQL["insert"], user_id=user_id, run_id=run_id, **columns)


def insert_items(
    tx: Tx,
    user_id: str,
    run_id: str,
    *,
    item_ids: Sequence[str] | None,
    status: str | None,
    kind: str | None,
    collection_id: str | None,
    limit: int,
) -> int:
    """Insert a line for each item that fulfils the conditions, oldest first; return how many, at most `limit`."""
    conditions = {"status": status, "kind": kind, "collection_id": collection_id, "limit": limit}
    ids = list(item_ids) if item_ids else None
    return tx.run(SQL["insert_items"], user_id=user_id, run_id=run_id, item_ids=ids, **conditions)


def insert_failed(tx: Tx, user_id: str, run_id: str, *, of: str) -> int:
    """Insert the lines of another run that were cancelled, or whose item failed; return how many.

    A file of an archive that has become no item fails again, whenever it is tried.
    """
    return tx.run(SQL["insert_failed"], user_id=user_id, run_id=run_id, of=of)


def list_page(
    tx: Tx, user_id: str, run_id: str, *, outcome: str | None = None, after: int, limit: int
) -> list[RunFile]:
    """Return lines behind the number `after`, in order."""
    page = {"after": after, "limit": limit}
    return tx.rows(RunFile, SQL["list"], user_id=user_id, run_id=run_id, outcome=outcome, **page)


def list_errors(tx: Tx, user_id: str, run_id: str, *, after: int, limit: int) -> list[RunFile]:
    """Return the lines that failed, or of which a part did, behind the number `after`, in order."""
    return tx.rows(RunFile, SQL["list_errors"], user_id=user_id, run_id=run_id, after=after, limit=limit)


def list_waiting(tx: Tx, user_id: str, run_id: str, *, limit: int) -> list[RunFile]:
    """Return the next lines that nothing has been done about."""
    return tx.rows(RunFile, SQL["list_waiting"], user_id=user_id, run_id=run_id, limit=limit)


def list_at_work(tx: Tx, user_id: str, run_id: str) -> list[RunFile]:
    """Return the lines whose item is at work."""
    return tx.rows(RunFile, SQL["list_at_work"], user_id=user_id, run_id=run_id)


def count_at_work(tx: Tx, user_id: str, run_id: str) -> int:
    """Return how many lines have an item at work."""
    return int(tx.all(SQL["count_at_work"], user_id=user_id, run_id=run_id)[0]["count"])


def set_started(tx: Tx, user_id: str, run_id: str, number: int, *, item_id: str, key: str | None) -> None:
    """Note that the item of this line is at work now."""
    tx.run(SQL["set_started"], user_id=user_id, run_id=run_id, number=number, item_id=item_id, key=key)


def set_outcome(
    tx: Tx, user_id: str, run_id: str, number: int, *, outcome: str, code: str | None, message: str | None
) -> None:
    """End a line that no item answers for."""
    ended = {"outcome": outcome, "code": code, "message": message}
    tx.run(SQL["set_outcome"], user_id=user_id, run_id=run_id, number=number, **ended)


def set_done(tx: Tx, user_id: str, run_id: str, numbers: Sequence[int]) -> None:
    """End lines as done that no item answers for."""
    tx.run(SQL["set_done"], user_id=user_id, run_id=run_id, numbers=list(numbers))


def settle(tx: Tx, user_id: str, run_id: str) -> Counts:
    """End the lines whose items have ended, or have gone; return how many, and how many are still at work."""
    found = {row["outcome"]: row["count"] for row in tx.all(SQL["settle"], user_id=user_id, run_id=run_id)}
    return Counts(
        done=found.get("done", 0),
        failed=found.get("failed", 0),
        skipped=found.get("skipped", 0),
        at_work=count_at_work(tx, user_id, run_id),
    )


def cancel_at_work(tx: Tx, user_id: str, run_id: str, item_ids: Sequence[str], *, message: str) -> None:
    """End the lines of these items as cancelled."""
    tx.run(SQL["cancel_at_work"], user_id=user_id, run_id=run_id, item_ids=list(item_ids), message=message)


def cancel_rest(tx: Tx, user_id: str, run_id: str, *, limit: int) -> int:
    """End lines that nothing has been done about as cancelled; return how many, 0 when none is left."""
    return tx.run(SQL["cancel_rest"], user_id=user_id, run_id=run_id, limit=limit)


def add_to_collection(tx: Tx, user_id: str, collection_id: str, item_ids: Sequence[str]) -> int:
    """Put the items into the collection, if there still is one; return how many were not in it."""
    return tx.run(
        SQL["add_to_collection"], user_id=user_id, collection_id=collection_id, item_ids=list(item_ids)
    )
