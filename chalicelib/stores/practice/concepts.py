"""Concepts: the phrases that a user practises."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.errors import NotFound
from chalicelib.model.ids import checked_uuid
from chalicelib.model.practice.exercises import StoredConcept
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def ensure(tx: Tx, user_id: str, concept_id: str, phrase: str) -> StoredConcept:
    """Return the concept of this phrase, in any letter case; make it with this id if there is none."""
    tx.run(SQL["insert"], user_id=user_id, id=concept_id, phrase=phrase)
    row = tx.row(StoredConcept, SQL["find_by_phrase"], user_id=user_id, phrase=phrase, student_id=None)
    if row is None:
        raise _missing("concept_id")
    return row


def find(tx: Tx, user_id: str, concept_id: str, *, student_id: str | None = None) -> StoredConcept | None:
    return tx.row(StoredConcept, SQL["get"], user_id=user_id, id=concept_id, student_id=student_id)


def get(tx: Tx, user_id: str, concept_id: str, *, student_id: str | None = None) -> StoredConcept:
    """Return the concept with the scores of this learner, or of all. Raise NotFound."""
    row = find(tx, user_id, checked_uuid(concept_id, _missing()), student_id=student_id)
    if row is None:
        raise _missing()
    return row


def list_page(
    tx: Tx, user_id: str, *, student_id: str | None, after: tuple[datetime, str] | None, limit: int
) -> list[StoredConcept]:
    """Return the concepts behind `after` (created_at, id), newest first, with the scores of this learner, or of all."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredConcept, SQL["list"], user_id=user_id, student_id=student_id, **page)


def list_of_phrases(
    tx: Tx, user_id: str, phrases: Sequence[str], *, student_id: str | None
) -> dict[str, StoredConcept]:
    """Return the concepts of these phrases, by the phrase in lower case."""
    lower = [phrase.lower() for phrase in phrases]
    rows = tx.rows(
        StoredConcept, SQL["list_of_phrases"], user_id=user_id, phrases=lower, student_id=student_id
    )
    return {row.phrase.lower(): row for row in rows}


def delete(tx: Tx, user_id: str, concept_id: str) -> None:
    """Delete the concept with its exercises. Raise NotFound."""
    if not tx.run(SQL["delete"], user_id=user_id, id=checked_uuid(concept_id, _missing())):
        raise _missing()


def _missing(field: str = "") -> NotFound:
    return NotFound("There is no such concept. GET /api/v1/concepts lists yours.", field=field)
