"""Exercises, each compared with its source as it is now."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import asdict

from chalicelib.errors import NotFound
from chalicelib.model.ids import checked_uuid, is_uuid
from chalicelib.model.practice.exercises import NewExercise, Seen, StoredExercise
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert(tx: Tx, user_id: str, exercise: NewExercise) -> None:
    """Store an exercise, unless there is one with this id."""
    tx.run(SQL["insert"], user_id=user_id, **asdict(exercise))


def get(tx: Tx, user_id: str, exercise_id: str, *, field: str = "") -> StoredExercise:
    """Return the exercise. Raise NotFound, naming the request's `field` that has the id."""
    missing = no_exercise(field)
    row = tx.row(StoredExercise, SQL["get"], user_id=user_id, id=checked_uuid(exercise_id, missing))
    if row is None:
        raise missing
    return row


def list_recent(tx: Tx, user_id: str, request_sha256: str, *, limit: int) -> list[StoredExercise]:
    """Return the exercises that this request got within 24 hours, without retired and stale ones, oldest first."""
    rows = tx.rows(
        StoredExercise, SQL["list_recent"], user_id=user_id, request_sha256=request_sha256, limit=limit
    )
    return [row for row in reversed(rows) if not row.stale]


def list_seen(
    tx: Tx, user_id: str, *, item_ids: Sequence[str], phrase: str, limit: int, but: str | None = None
) -> list[Seen]:
    """Return the latest exercises of these items or of the concept of this phrase, retired ones too, except `but`."""
    given = {"item_ids": list(item_ids), "phrase": phrase, "limit": limit, "but": but}
    return tx.rows(Seen, SQL["list_seen"], user_id=user_id, **given)


def list_some(tx: Tx, user_id: str, exercise_ids: Sequence[str]) -> dict[str, StoredExercise]:
    """Return those of the exercises that exist, by id."""
    rows = tx.rows(StoredExercise, SQL["list_some"], user_id=user_id, ids=list(exercise_ids))
    return {row.id: row for row in rows}


def list_missing(tx: Tx, user_id: str, exercise_ids: Sequence[str]) -> list[str]:
    """Return the ids of those that do not exist, in this order."""
    known = [each for each in exercise_ids if is_uuid(each)]
    found = {row["id"] for row in tx.all(SQL["list_known"], user_id=user_id, ids=known)}
    return [each for each in exercise_ids if each not in found]


def list_page(
    tx: Tx,
    user_id: str,
    *,
    student_id: str | None,
    concept_id: str | None,
    with_retired: bool,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[StoredExercise]:
    """Return the exercises behind `after` (created_at, id), newest first."""
    after_at, after_id = after or (None, None)
    return tx.rows(
        StoredExercise,
        SQL["list"],
        user_id=user_id,
        student_id=student_id,
        concept_id=concept_id,
        with_retired=with_retired,
        after_at=after_at,
        after_id=after_id,
        limit=limit,
    )


def update(tx: Tx, user_id: str, exercise_id: str, *, report: str | None, retire: bool) -> bool:
    """Note a report that is not None; retire the exercise. Return False when there is none."""
    values = {"report": report, "retire": retire}
    return tx.run(SQL["update"], user_id=user_id, id=exercise_id, **values) == 1


def rewrite(
    tx: Tx,
    user_id: str,
    exercise_id: str,
    *,
    question: str,
    answer_key: str,
    options: list[str],
    hints: list[str],
) -> None:
    """Change what the exercise asks."""
    values = {"question": question, "answer_key": answer_key, "options": options, "hints": hints}
    tx.run(SQL["rewrite"], user_id=user_id, id=exercise_id, **values)


def delete(tx: Tx, user_id: str, exercise_id: str) -> None:
    """Delete the exercise with its evaluations. Raise NotFound."""
    if not tx.run(SQL["delete"], user_id=user_id, id=checked_uuid(exercise_id, no_exercise())):
        raise no_exercise()


def no_exercise(field: str = "", ids: Sequence[str] = ()) -> NotFound:
    """Return the error that tells which exercises do not exist, and where those are listed that do."""
    named = f": {', '.join(ids)}" if ids else ""
    return NotFound(f"There is no such exercise{named}. GET /api/v1/exercises lists yours.", field=field)
