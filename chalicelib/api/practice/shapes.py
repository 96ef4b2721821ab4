"""Exercises, evaluations and remediations as the API shows them."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta

from chalicelib.api.library.pictures import pictures_of
from chalicelib.model.practice.exercises import (
    MASTERED,
    PASSED,
    Difficulty,
    Kind,
    LifeCategory,
    NextAction,
    StoredEvaluation,
    StoredExercise,
    StoredRemediation,
    Type,
)

if TYPE_CHECKING:
    pass

Share = Annotated[float, Meta(ge=0, le=1)]


class Cited(msgspec.Struct, frozen=True, kw_only=True):
    """The quote that proves an exercise's key: `page_start` to `page_end` of the text that `source` has on the page.

    `source` is "given" for a text that came with the request; `item_id` is then empty. `page_image_url` shows the page
    with the quote marked; it is null for an image, and for an item that is deleted. `thumbnail_url` shows the image, or
    the page.
    """

    item_id: str
    item_name: str
    source: Literal["text", "caption", "ocr", "given"]
    page: int
    quote: str
    page_start: int
    page_end: int
    page_image_url: str | None
    thumbnail_url: str | None


class ExerciseMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """`question` and `options` make up `content`. `stale`: the cited item is deleted or says something else now.

    `rejected` counts, by reason, the drafts that failed the checks on the way to this one. `writer` is keyless, or the
    provider and model that wrote it. `picture_url` is the image that an image question is about. `report` is what
    somebody found wrong with the exercise. `cached`: the same request got this exercise within the last 24 hours.
    """

    kind: Kind
    concept: str
    life_category: LifeCategory
    question: str
    options: list[str]
    picture_url: str | None
    citation: Cited
    language: str | None
    writer: str
    stale: bool
    rejected: dict[str, int]
    report: str | None
    retired_at: datetime | None
    edited_at: datetime | None
    previous_exercise_id: str | None
    cached: bool


class Exercise(msgspec.Struct, frozen=True, kw_only=True):
    """An exercise. `content` is what a learner is shown: plain text that may have anything that is in a file.

    `expected_steps` is what a right answer has in it. `hints` go from the faintest to the plainest.
    """

    object: Literal["exercise"] = "exercise"
    exercise_id: str
    concept_id: str
    student_id: str
    type: Type
    difficulty: Difficulty
    content: str
    personalization: str
    expected_steps: list[str]
    hints: list[str]
    created_at: datetime
    metadata: ExerciseMetadata


class GeneratedExercise(msgspec.Struct, frozen=True, kw_only=True):
    """`exercise` is the first of the `exercises`. `refused` counts the drafts that failed the checks, by reason."""

    exercise: Exercise
    exercises: list[Exercise]
    refused: dict[str, int]
    message: str


class ExerciseList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Exercise]
    has_more: bool
    next: str | None


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["hint"] = "hint"
    exercise_id: str
    number: int
    text: str
    has_more: bool


class CompetencyMap(msgspec.Struct, frozen=True, kw_only=True):
    """The expected steps by what the answer has of them. Incorrect ones are contradicted, or stand at a wrong place."""

    correct_steps: list[str]
    missing_steps: list[str]
    incorrect_steps: list[str]
    partial_steps: list[str]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The grade of an answer. `confidence` is how sure the grader is of its verdict.

    `understanding_score`: for a short answer, how probable it is that a teacher calls it correct; else the share that
    is right. `grader`: key (the exercise has a fixed key), or features, with the model of the vectors if there was one.
    """

    object: Literal["evaluation"] = "evaluation"
    evaluation_id: str
    exercise_id: str
    student_id: str
    response_text: str
    time_spent_seconds: int | None
    competency_map: CompetencyMap
    understanding_score: Share
    confidence: Share
    mastery_achieved: bool
    feedback: str
    needs_remediation: bool
    first_gap: str | None
    grader: str
    evaluated_at: datetime


class EvaluatedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    evaluation: Evaluation
    next_action: NextAction
    message: str


class EvaluationList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Evaluation]
    has_more: bool
    next: str | None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the way back to the exercise; the last one is the exercise itself and has its `exercise_id`."""

    kind: Kind
    question: str
    answer: str
    hint: str
    exercise_id: str | None = None


class Remediation(msgspec.Struct, frozen=True, kw_only=True):
    """Help with the first gap of an answer; `practice_problems` go from easy to the original exercise."""

    object: Literal["remediation"] = "remediation"
    remediation_id: str
    evaluation_id: str
    exercise_id: str
    student_id: str
    target_gap: str
    content: str
    personalized_context: str
    practice_problems: list[Problem]
    created_at: datetime


class RemediatedGap(msgspec.Struct, frozen=True, kw_only=True):
    remediation: Remediation
    message: str


def exercise_of(stored: StoredExercise, *, cached: bool = False) -> Exercise:
    """Return the exercise as the API shows it."""
    span = (stored.page_start, stored.page_end)
    pictures = pictures_of(stored.item_id, stored.item_kind, stored.page, source=stored.source, span=span)
    citation = Cited(
        page_image_url=pictures.page_image_url,
        thumbnail_url=pictures.thumbnail_url,
        **fields_of(stored, "item_id", "item_name", "source", "page", "quote", "page_start", "page_end"),
    )
    metadata = ExerciseMetadata(
        citation=citation,
        picture_url=_picture_of(stored),
        rejected=json.loads(stored.rejected),
        cached=cached,
        **fields_of(stored, "kind", "concept", "life_category", "question", "options", "stale", "report"),
        **fields_of(stored, "language", "writer", "retired_at", "edited_at", "previous_exercise_id"),
    )
    return Exercise(
        exercise_id=stored.id,
        metadata=metadata,
        **fields_of(stored, "concept_id", "student_id", "type", "difficulty", "content", "personalization"),
        **fields_of(stored, "expected_steps", "hints", "created_at"),
    )


def _picture_of(stored: StoredExercise) -> str | None:
    """Return the path of the picture that the exercise is about."""
    if stored.kind != "image_question" or stored.item_kind != "image":
        return None
    return f"/api/v1/items/{quote(stored.item_id, safe='')}/download"


def evaluation_of(stored: StoredEvaluation) -> Evaluation:
    """Return the evaluation as the API shows it."""
    steps = fields_of(stored, "correct_steps", "missing_steps", "incorrect_steps", "partial_steps")
    return Evaluation(
        evaluation_id=stored.id,
        competency_map=CompetencyMap(**steps),
        understanding_score=stored.score,
        mastery_achieved=stored.score >= MASTERED,
        needs_remediation=stored.score < PASSED,
        **fields_of(stored, "exercise_id", "student_id", "response_text", "time_spent_seconds", "confidence"),
        **fields_of(stored, "feedback", "first_gap", "grader", "evaluated_at"),
    )


def remediation_of(stored: StoredRemediation) -> Remediation:
    """Return the remediation as the API shows it."""
    return Remediation(
        remediation_id=stored.id,
        practice_problems=[Problem(**problem) for problem in json.loads(stored.problems)],
        **fields_of(stored, "evaluation_id", "exercise_id", "student_id", "target_gap", "content"),
        **fields_of(stored, "personalized_context", "created_at"),
    )


def fields_of(stored: Any, *names: str) -> dict[str, Any]:
    """Return these fields of a stored Struct, by name."""
    return {name: getattr(stored, name) for name in names}
