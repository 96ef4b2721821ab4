"""Generate an exercise about a concept from the caller's own texts, with the quote that proves its key."""

import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from chalicelib.errors import InvalidInput, NotFound
from chalicelib.model.chat.citations import Source
from chalicelib.model.ids import is_uuid
from chalicelib.model.practice.drafting import choose_sentences, draft_exercises
from chalicelib.model.practice.exercises import (
    KINDS,
    MASTERED,
    Difficulty,
    Draft,
    Excerpt,
    Kind,
    LifeCategory,
    NewExercise,
    StoredConcept,
    StoredExercise,
    Type,
)
from chalicelib.model.practice.gate import find_fault
from chalicelib.model.practice.hints import hints_of, personalization_of
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.ranking import is_relevant
from chalicelib.ops.search.passages import Passage, find_passages
from chalicelib.providers import Embedder
from chalicelib.stores.accounts import users
from chalicelib.stores.chat import citations
from chalicelib.stores.library import collections, items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import concepts, evaluations, exercises

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

PASSAGE_TOKENS = 2_000
MAX_DRAFTS = 60  # of each kind; reading and comparing one takes about a millisecond
MAX_COMPARED = 100  # earlier exercises of the concept that a new one must differ from
MAX_PHRASE_CHARS = 200


class Wanted(Struct, frozen=True, kw_only=True):
    """A wish for an exercise. `concept_id` is a stored concept's id, or a phrase."""

    concept_id: str
    student_id: str
    interests: tuple[str, ...]
    life_category: LifeCategory
    difficulty: Difficulty
    kind: Kind | None = None
    previous_exercise_id: str | None = None
    item_ids: tuple[str, ...] | None = None
    collection_id: str | None = None

    @property
    def sha256(self) -> str:
        return sha256(msgspec.json.encode(self)).hexdigest()


class Generated(Struct, frozen=True, kw_only=True):
    """An exercise. `is_cached`: the same request got it within the last 24 hours."""

    exercise: StoredExercise
    is_cached: bool


class _Known(Struct, frozen=True, kw_only=True):
    """Facts known before an exercise is made. `phrase` names the concept; `shown` are its earlier exercises."""

    phrase: str
    type: Type
    shown: tuple[str, ...]
    cached: StoredExercise | None


def generate_exercise(
    user_id: str, exercise_id: str, wanted: Wanted, *, db: "Database", embedder: Embedder
) -> Generated:
    """Return an exercise that passes the gate; the same one for the same request within 24 hours.

    Raise NotFound: for an item, collection or exercise that does not exist; coded "nothing_found" when the texts have
    nothing about the concept; coded "no_exercise" when no draft passes the gate.
    """
    known = db.transact(user_id, lambda tx: _read(tx, user_id, wanted))
    if known.cached is not None:
        return Generated(exercise=known.cached, is_cached=True)
    excerpts = _find_excerpts(user_id, wanted, known.phrase, db=db, embedder=embedder)
    draft, rejected = choose_draft(
        known.phrase, excerpts, wanted=wanted, others=known.shown, seed=exercise_id
    )

    def store(tx: Tx) -> StoredExercise:
        users.ensure(tx, user_id)
        concept = concepts.ensure(tx, user_id, exercise_id, known.phrase)
        row = _row(exercise_id, concept, wanted, known.type, draft, rejected)
        exercises.insert(tx, user_id, row)
        return exercises.get(tx, user_id, exercise_id)

    return Generated(exercise=db.transact(user_id, store), is_cached=False)


def choose_draft(
    phrase: str, excerpts: Sequence[Excerpt], *, wanted: Wanted, others: Sequence[str], seed: str
) -> tuple[Draft, dict[str, int]]:
    """Return the first draft that passes the gate, and how many were refused before it, by reason. Raise NotFound."""
    refused = Counter[str]()
    sentences = choose_sentences(phrase, excerpts, wanted.interests)
    for kind in (wanted.kind,) if wanted.kind else KINDS[wanted.difficulty]:
        for draft in islice(draft_exercises(kind, sentences, concept=phrase, seed=seed), MAX_DRAFTS):
            fault = find_fault(draft, others=others)
            if fault is None:
                return draft, dict(refused)
            refused[fault] += 1
    reasons = ", ".join(f"{reason} {count}" for reason, count in refused.most_common()) or "no whole sentence"
    raise NotFound(
        f"No exercise about this passed the checks ({reasons}). Try another kind, or a concept with more text.",
        code="no_exercise",
        field="concept_id",
    )


def _read(tx: Tx, user_id: str, wanted: Wanted) -> _Known:
    concept = concepts.find(tx, user_id, wanted.concept_id) if is_uuid(wanted.concept_id) else None
    phrase = concept.phrase if concept else _checked(wanted.concept_id)
    if wanted.item_ids is not None:
        items.require_all(tx, user_id, wanted.item_ids, field="item_ids")
    if wanted.collection_id is not None:
        collections.get(tx, user_id, wanted.collection_id, field="collection_id")
    before = exercises.list_of_phrase(tx, user_id, phrase, limit=MAX_COMPARED)
    return _Known(
        phrase=phrase,
        type=_type(tx, user_id, wanted.previous_exercise_id),
        shown=tuple(exercise.content for exercise in before),
        cached=exercises.find_recent(tx, user_id, wanted.sha256),
    )


def _checked(phrase: str) -> str:
    plain = " ".join(phrase.split())
    if not any(char.isalnum() for char in plain) or len(plain) > MAX_PHRASE_CHARS:
        raise InvalidInput(
            f"A concept is an id of GET /api/v1/concepts, or a phrase of 1 to {MAX_PHRASE_CHARS} characters with "
            "at least one letter or digit.",
            field="concept_id",
        )
    return plain


def _type(tx: Tx, user_id: str, previous_id: str | None) -> Type:
    """Return "advanced" after an exercise that was mastered, "practice" after another, else "initial"."""
    if previous_id is None:
        return "initial"
    exercises.get(tx, user_id, previous_id, field="previous_exercise_id")
    last = evaluations.list_page(tx, user_id, previous_id, after=None, limit=1)
    return "advanced" if last and last[0].score >= MASTERED else "practice"


def _find_excerpts(
    user_id: str, wanted: Wanted, phrase: str, *, db: "Database", embedder: Embedder
) -> list[Excerpt]:
    found = find_passages(
        user_id,
        phrase,
        filters=Filters(item_ids=wanted.item_ids, collection_id=wanted.collection_id),
        max_tokens=PASSAGE_TOKENS,
        db=db,
        embedder=embedder,
    )
    near = [
        passage
        for passage in found.passages
        if is_relevant(semantic_score=passage.semantic_score, coverage=passage.coverage, model=found.model)
    ]
    excerpts = db.transact(user_id, lambda tx: read_excerpts(tx, user_id, near)) if near else []
    if not excerpts:
        raise NotFound(
            "Nothing in your documents is about this. Upload a document about it, or name the concept in its words.",
            code="nothing_found",
            field="concept_id",
        )
    return excerpts


def read_excerpts(tx: Tx, user_id: str, passages: Sequence[Passage]) -> list[Excerpt]:
    """Return the passages as they are stored now; one whose item is gone is left out."""
    windows = [
        citations.Window(
            item_id=each.item_id, page=each.page, source=each.source, start=each.char_start, end=each.char_end
        )
        for each in passages
    ]
    stored = citations.list_texts(tx, user_id, windows)
    return [
        Excerpt(
            item_id=each.item_id,
            item_name=each.name,
            item_sha256=text.sha256,
            source=each.source,
            page=each.page,
            start=text.start,
            text=text.text,
        )
        for each, text in zip(passages, stored, strict=True)
        if text is not None
    ]


def _row(
    exercise_id: str,
    concept: StoredConcept,
    wanted: Wanted,
    type_: Type,
    draft: Draft,
    rejected: dict[str, int],
) -> NewExercise:
    excerpt = draft.excerpt
    span = Source(excerpt.text).find(draft.quote)
    assert span is not None  # the gate has found it
    values: dict[str, Any] = {
        name: getattr(excerpt, name) for name in ("item_id", "item_name", "item_sha256", "source", "page")
    }
    return NewExercise(
        id=exercise_id,
        concept_id=concept.id,
        student_id=wanted.student_id,
        type=type_,
        kind=draft.kind,
        difficulty=wanted.difficulty,
        life_category=wanted.life_category,
        question=draft.question,
        answer_key=draft.key,
        options=list(draft.options),
        hints=hints_of(draft),
        personalization=personalization_of(draft, wanted.interests, wanted.life_category),
        quote=excerpt.text[slice(*span)],
        page_start=excerpt.start + span[0],
        page_end=excerpt.start + span[1],
        previous_exercise_id=wanted.previous_exercise_id,
        request_sha256=wanted.sha256,
        rejected=json.dumps(rejected),
        **values,
    )
