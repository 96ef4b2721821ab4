"""Concepts as the API shows them."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from chalicelib.api.practice.shapes import Share, fields_of
from chalicelib.model.practice.exercises import (
    Mastery,
    StoredConcept,
)

if TYPE_CHECKING:
    from chalicelib.model.practice.finding import FoundConcept


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence about a concept: `start` to `end` of the text that `source` has on the page."""

    item_id: str
    item_name: str
    source: Literal["text", "caption", "ocr", "given"]
    page: int
    start: int
    end: int
    text: str


class Concept(msgspec.Struct, frozen=True, kw_only=True):
    """A phrase to practise. `mastery`: mastered, if the last two answers were; needs_review, if earlier ones were.

    `origin`: where it was found, practised if it was not looked for in documents. What was found and is not practised
    yet has its phrase as `id`, and no `created_at`. `explained_by` has sentences about it, where it was found.
    """

    object: Literal["concept"] = "concept"
    id: str
    phrase: str
    mastery: Mastery
    exercise_count: int
    answer_count: int
    last_score: Share | None
    origin: Literal["practised", "heading", "label", "term"] = "practised"
    explained_by: list[Explained] = msgspec.field(default_factory=list)
    created_at: datetime | None


class ConceptList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Concept]
    has_more: bool
    next: str | None


def concept_of(stored: StoredConcept) -> Concept:
    """Return the concept as the API shows it."""
    return Concept(
        answer_count=len(stored.scores),
        last_score=stored.scores[-1] if stored.scores else None,
        **fields_of(stored, "id", "phrase", "mastery", "exercise_count", "created_at"),
    )


def found_concept_of(found: "FoundConcept", stored: StoredConcept | None) -> Concept:
    """Return a concept that was found in documents as the API shows it; `stored` is the one that is practised."""
    explained = [Explained(**msgspec.structs.asdict(each)) for each in found.explained_by]
    if stored is not None:
        return msgspec.structs.replace(concept_of(stored), origin=found.origin, explained_by=explained)
    return Concept(
        id=found.phrase,
        phrase=found.phrase,
        mastery="not_started",
        exercise_count=0,
        answer_count=0,
        last_score=None,
        origin=found.origin,
        explained_by=explained,
        created_at=None,
    )
