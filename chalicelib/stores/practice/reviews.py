"""The log of reviews."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.model.practice.reviews import StoredReview
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert(tx: Tx, user_id: str, reviews: Sequence[StoredReview]) -> list[str]:
    """Store reviews of existing exercises; return the ids of those that are new.

    A review is known by its id, or by its exercise and time.
    """
    names = StoredReview.__struct_fields__
    columns = {f"{name}s": [getattr(review, name) for review in reviews] for name in names}
    return [row["id"] for row in tx.all(SQL["insert"], user_id=user_id, **columns)]


def find_same(tx: Tx, user_id: str, review: StoredReview) -> StoredReview | None:
    """Return the stored review of this id, or of this exercise and time."""
    return tx.row(
        StoredReview,
        SQL["find_same"],
        user_id=user_id,
        id=review.id,
        exercise_id=review.exercise_id,
        reviewed_at=review.reviewed_at,
    )


def list_page(tx: Tx, user_id: str, *, after: tuple[datetime, str] | None, limit: int) -> list[StoredReview]:
    """Return the reviews behind `after` (reviewed_at, id), oldest first."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredReview, SQL["list"], user_id=user_id, **page)


def list_ratings(
    tx: Tx, user_id: str, exercise_ids: Sequence[str] | None, *, limit: int | None = None
) -> dict[str, list[tuple[datetime, int]]]:
    """Return (reviewed_at, rating) of the newest reviews by exercise, oldest first; of all exercises for None."""
    given = None if exercise_ids is None else list(exercise_ids)
    rows = tx.all(SQL["list_ratings"], user_id=user_id, exercise_ids=given, limit=limit)
    found: dict[str, list[tuple[datetime, int]]] = {}
    for row in reversed(rows):
        found.setdefault(row["exercise_id"], []).append((row["reviewed_at"], row["rating"]))
    return found


def list_streaks(tx: Tx, user_id: str, *, day_begins_utc_hour: int) -> list[tuple[int, int]]:
    """Return (last day, number of days) of each row of days with a review, newest first."""
    rows = tx.all(SQL["list_streaks"], user_id=user_id, begins_s=day_begins_utc_hour * 3600)
    return [(row["last_day"], row["day_count"]) for row in rows]
