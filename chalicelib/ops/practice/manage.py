"""List, read and delete exercises and concepts; find the concepts of documents."""

from typing import TYPE_CHECKING

from chalicelib.model.ids import is_uuid
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor
from chalicelib.model.practice.exercises import Excerpt, StoredConcept, StoredEvaluation, StoredExercise
from chalicelib.model.practice.finding import FoundConcept
from chalicelib.model.practice.finding import find_concepts as find_in
from chalicelib.stores.library import collections, items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import concepts, evaluations, exercises, texts

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

MAX_PAGES = 200  # whose concepts are found


def list_concepts(
    user_id: str, *, student_id: str | None, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredConcept], str | None]:
    """Return a page of concepts, newest first, and the cursor of the next page."""
    position = decode_cursor(after) if after else None
    rows = db.transact(
        user_id,
        lambda tx: concepts.list_page(tx, user_id, student_id=student_id, after=position, limit=limit + 1),
    )
    page, last = cut_page(rows, limit)
    return page, encode_cursor(last.created_at, last.id) if last else None


def find_concepts(
    user_id: str,
    *,
    item_id: str | None,
    collection_id: str | None,
    student_id: str | None,
    limit: int,
    db: "Database",
) -> list[tuple[FoundConcept, StoredConcept | None]]:
    """Return the concepts of an item or a collection, and of each the one that is practised, if any. Raise NotFound."""
    item_ids = None if item_id is None else [item_id]

    def read(tx: Tx) -> tuple[list[Excerpt], list[str]]:
        if item_ids is not None:
            items.require_all(tx, user_id, item_ids, field="item_id")
        if collection_id is not None:
            collections.get(tx, user_id, collection_id, field="collection_id")
        pages = texts.list_pages(
            tx, user_id, item_ids=item_ids, collection_id=collection_id, pages=None, seed="", limit=MAX_PAGES
        )
        return pages, texts.list_labels_of(
            tx, user_id, item_ids=item_ids, collection_id=collection_id, limit=limit
        )

    found = find_in(*db.transact(user_id, read), limit=limit)
    phrases = [each.phrase for each in found]
    stored = db.transact(
        user_id, lambda tx: concepts.list_of_phrases(tx, user_id, phrases, student_id=student_id)
    )
    return [(each, stored.get(each.phrase.lower())) for each in found]


def read_concept(user_id: str, concept_id: str, *, student_id: str | None, db: "Database") -> StoredConcept:
    """Return the concept. Raise NotFound."""
    return db.transact(user_id, lambda tx: concepts.get(tx, user_id, concept_id, student_id=student_id))


def delete_concept(user_id: str, concept_id: str, *, db: "Database") -> None:
    """Delete the concept with its exercises and their evaluations. Raise NotFound."""
    db.transact(user_id, lambda tx: concepts.delete(tx, user_id, concept_id))


def list_exercises(
    user_id: str,
    *,
    student_id: str | None,
    concept_id: str | None,
    with_retired: bool,
    after: str | None,
    limit: int,
    db: "Database",
) -> tuple[list[StoredExercise], str | None]:
    """Return a page of exercises, newest first, and the cursor of the next page. A concept that is gone has none."""
    position = decode_cursor(after) if after else None
    if concept_id is not None and not is_uuid(concept_id):
        return [], None
    rows = db.transact(
        user_id,
        lambda tx: exercises.list_page(
            tx,
            user_id,
            student_id=student_id,
            concept_id=concept_id,
            with_retired=with_retired,
            after=position,
            limit=limit + 1,
        ),
    )
    page, last = cut_page(rows, limit)
    return page, encode_cursor(last.created_at, last.id) if last else None


def read_exercise(user_id: str, exercise_id: str, *, db: "Database") -> StoredExercise:
    """Return the exercise. Raise NotFound."""
    return db.transact(user_id, lambda tx: exercises.get(tx, user_id, exercise_id))


def delete_exercise(user_id: str, exercise_id: str, *, db: "Database") -> None:
    """Delete the exercise with its evaluations. Raise NotFound."""
    db.transact(user_id, lambda tx: exercises.delete(tx, user_id, exercise_id))


def list_evaluations(
    user_id: str, exercise_id: str, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredEvaluation], str | None]:
    """Return a page of an exercise's evaluations, newest first, and the cursor of the next page. Raise NotFound."""
    position = decode_cursor(after) if after else None

    def read(tx: Tx) -> list[StoredEvaluation]:
        exercises.get(tx, user_id, exercise_id)
        return evaluations.list_page(tx, user_id, exercise_id, after=position, limit=limit + 1)

    page, last = cut_page(db.transact(user_id, read), limit)
    return page, encode_cursor(last.evaluated_at, last.id) if last else None
