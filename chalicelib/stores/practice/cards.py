"""Cards: when each exercise is due, and what is known of a user's memory of it."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.model.practice.reviews import DueFilters, StoredCard
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert_new(tx: Tx, user_id: str, due: Sequence[tuple[str, datetime]]) -> None:
    """Make cards without a review, given as (exercise id, due_at); one that is there stays as it is."""
    ids, times = [each[0] for each in due], [each[1] for each in due]
    tx.run(SQL["insert_new"], user_id=user_id, exercise_ids=ids, due_ats=times)


def lock(tx: Tx, user_id: str, exercise_ids: Sequence[str]) -> list[StoredCard]:
    """Return the cards, locked until the transaction ends. All callers lock in the order of the ids."""
    return tx.rows(StoredCard, SQL["lock"], user_id=user_id, exercise_ids=list(exercise_ids))


def find(tx: Tx, user_id: str, exercise_id: str) -> StoredCard | None:
    return tx.row(StoredCard, SQL["find"], user_id=user_id, exercise_id=exercise_id)


def list_missing(tx: Tx, user_id: str, exercise_ids: Sequence[str]) -> list[str]:
    """Return those of the exercises that have no card, in this order."""
    rows = tx.all(SQL["list_missing"], user_id=user_id, exercise_ids=list(exercise_ids))
    return [row["exercise_id"] for row in rows]


def list_due(
    tx: Tx, user_id: str, filters: DueFilters, *, after: tuple[datetime, str] | None, limit: int
) -> list[StoredCard]:
    """Return the due cards behind `after` (due_at, exercise id), of exercises that are not retired, oldest first."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(
        StoredCard, SQL["list_due"], user_id=user_id, until=filters.until, deck_id=filters.deck_id, **page
    )


def list_outdated(tx: Tx, user_id: str, *, version: int, limit: int) -> list[str]:
    """Return exercises with reviews whose card was planned with other settings than those of `version`."""
    rows = tx.all(SQL["list_outdated"], user_id=user_id, version=version, limit=limit)
    return [row["exercise_id"] for row in rows]


def count_by_day(
    tx: Tx,
    user_id: str,
    *,
    begins_s: int,
    since: datetime,
    until: datetime,
    deck_id: str | None = None,
    new_only: bool = False,
    without: Sequence[str] = (),
) -> dict[int, int]:
    """Return how many cards are due on each learner's day from `since` to before `until`; 0 is left out."""
    window = {"since": since, "until": until, "begins_s": begins_s}
    narrowed = {"deck_id": deck_id, "new_only": new_only, "without": list(without)}
    rows = tx.all(SQL["count_by_day"], user_id=user_id, **window, **narrowed)
    return {row["day"]: row["count"] for row in rows}


def update(tx: Tx, user_id: str, cards: Sequence[StoredCard], *, planned_with: int) -> None:
    """Replace the cards by these."""
    names = StoredCard.__struct_fields__
    columns = {f"{name}s": [getattr(card, name) for card in cards] for name in names}
    tx.run(SQL["update"], user_id=user_id, planned_with=planned_with, **columns)


def delete_unused(tx: Tx, user_id: str, exercise_id: str | None = None) -> None:
    """Delete the cards, or the exercise's, that have no review and whose exercise is in no deck."""
    tx.run(SQL["delete_unused"], user_id=user_id, exercise_id=exercise_id)
