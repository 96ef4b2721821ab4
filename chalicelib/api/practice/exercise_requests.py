"""Requests of the routes of exercises, and what one for new exercises asks for."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.api.http.routes import Body, ListQuery
from chalicelib.api.search.search import ItemId
from chalicelib.errors import InvalidInput
from chalicelib.model.jobs.kinds import MAX_EXERCISES
from chalicelib.model.practice.exercises import Difficulty, Kind, Language, LifeCategory
from chalicelib.ops.practice import sources, wishes

StudentId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=r"\S",
        description="Any name by which you keep learners apart.",
    ),
]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Option = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
MAX_PAGE = 1_000_000
PageNumber = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
Interest = Annotated[str, Meta(min_length=1, max_length=100)]


class NewExercise(Body, frozen=True, kw_only=True):
    """Exercises to generate, from what your documents say about a concept, from documents as such, or from a text.

    `concept_id`: the id of a concept, or a phrase that is looked up in your documents. Without it name `item_ids`,
    `collection_id` or `text`. `item_ids`, `collection_id`, `first_page` and `last_page` limit the documents. `text` is
    used instead of them, and `title` names it. `kind` is chosen by `difficulty` if it is not given. `language` is that
    of the app's own words; without it that of the document. A `count` over 10 is made by a run.
    """

    concept_id: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")] | None = None
    student_id: StudentId
    student_interests: Annotated[list[Interest], Meta(max_length=20)] = msgspec.field(default_factory=list)
    life_category: LifeCategory = "personal"
    difficulty: Difficulty = "basic"
    previous_exercise_id: Id | None = None
    kind: Kind | None = None
    language: Language | None = None
    count: Annotated[int, Meta(ge=1, le=MAX_EXERCISES)] = 1
    item_ids: Annotated[list[ItemId], Meta(min_length=1, max_length=1000)] | None = None
    collection_id: Id | None = None
    first_page: PageNumber | None = None
    last_page: PageNumber | None = None
    text: Annotated[str, Meta(min_length=1, max_length=20_000, pattern=r"\S")] | None = None
    title: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")] = "your text"


class NewEvaluation(Body, frozen=True, kw_only=True):
    """An answer to an exercise: to a multiple choice a letter or an option, to ordered steps their letters in order."""

    exercise_id: Id
    student_id: StudentId
    response_text: Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S")]
    time_spent_seconds: Annotated[int, Meta(ge=0, le=86_400)] | None = None


class NewRemediation(Body, frozen=True, kw_only=True):
    """The evaluation whose first gap is to be closed."""

    evaluation_id: Id


class ExerciseChanges(Body, frozen=True, kw_only=True):
    """`question`, `key`, `options` and `hints` are checked like a new exercise; hints that are not given are made anew.

    `key` of ordered steps has a line for each step. `report`: what is wrong with the exercise. `retired`: it is not
    listed, and not given again.
    """

    question: Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"\S")] | UnsetType = UNSET
    key: Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S")] | UnsetType = UNSET
    options: Annotated[list[Option], Meta(max_length=8)] | UnsetType = UNSET
    hints: Annotated[list[Option], Meta(min_length=1, max_length=10)] | UnsetType = UNSET

    report: Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"\S")] | UnsetType = UNSET
    retired: Literal[True] | UnsetType = UNSET


class ListExercises(ListQuery, frozen=True, kw_only=True):
    student_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    concept_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    retired: bool = False


def wanted_of(body: NewExercise) -> "wishes.Wanted":
    """Return the exercises that a request asks for. Raise InvalidInput if its fields do not fit together."""
    limited = body.item_ids is not None or body.collection_id is not None
    paged = body.first_page is not None or body.last_page is not None
    if body.text is not None and (limited or paged):
        raise InvalidInput(
            "text takes no item_ids, collection_id, first_page or last_page: drop either.", field="text"
        )
    if body.concept_id is None and body.text is None and not limited:
        raise InvalidInput(
            "Say what the exercise is about: concept_id, or item_ids, collection_id or text.",
            field="concept_id",
        )
    first, last = body.first_page or 1, body.last_page or MAX_PAGE
    if first > last:
        raise InvalidInput(
            f"first_page ({first}) is behind last_page ({last}): give the smaller number first.",
            field="first_page",
        )
    return wishes.Wanted(
        concept_id=body.concept_id or "",
        student_id=body.student_id,
        interests=tuple(body.student_interests),
        life_category=body.life_category,
        difficulty=body.difficulty,
        kind=body.kind,
        language=body.language,
        count=body.count,
        previous_exercise_id=body.previous_exercise_id,
        sources=sources.Sources(
            item_ids=tuple(body.item_ids) if body.item_ids is not None else None,
            collection_id=body.collection_id,
            pages=(first, last) if paged else None,
            text=body.text,
            title=body.title if body.text is not None else "",
        ),
    )
