"""Evaluations of answers, and the remediation of each."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import asdict

from chalicelib.errors import NotFound
from chalicelib.model.ids import checked_uuid
from chalicelib.model.practice.exercises import NewEvaluation, StoredEvaluation, StoredRemediation
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class NewRemediation(Struct, frozen=True, kw_only=True):
    """A row of `remediations` without its time."""

    id: str
    evaluation_id: str
    exercise_id: str
    student_id: str
    target_gap: str
    content: str
    personalized_context: str
    problems: str


def insert(tx: Tx, user_id: str, evaluation: NewEvaluation) -> None:
    """Store an evaluation, unless there is one with this id."""
    tx.run(SQL["insert"], user_id=user_id, **asdict(evaluation))


def get(tx: Tx, user_id: str, evaluation_id: str, *, field: str = "") -> StoredEvaluation:
    """Return the evaluation. Raise NotFound, naming the request's `field` that has the id."""
    missing = _missing(field)
    row = tx.row(StoredEvaluation, SQL["get"], user_id=user_id, id=checked_uuid(evaluation_id, missing))
    if row is None:
        raise missing
    return row


def list_page(
    tx: Tx, user_id: str, exercise_id: str, *, after: tuple[datetime, str] | None, limit: int
) -> list[StoredEvaluation]:
    """Return the evaluations of an exercise behind `after` (evaluated_at, id), newest first."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredEvaluation, SQL["list"], user_id=user_id, exercise_id=exercise_id, **page)


def ensure_remediation(tx: Tx, user_id: str, remediation: NewRemediation) -> StoredRemediation:
    """Store a remediation, unless its evaluation has one; return the evaluation's."""
    tx.run(SQL["insert_remediation"], user_id=user_id, **asdict(remediation))
    row = find_remediation(tx, user_id, remediation.evaluation_id)
    if row is None:
        raise _missing("evaluation_id")
    return row


def find_remediation(tx: Tx, user_id: str, evaluation_id: str) -> StoredRemediation | None:
    return tx.row(StoredRemediation, SQL["find_remediation"], user_id=user_id, evaluation_id=evaluation_id)


def _missing(field: str) -> NotFound:
    said = "There is no such evaluation. GET /api/v1/exercises/{exercise_id}/evaluations lists an exercise's."
    return NotFound(said, field=field)
