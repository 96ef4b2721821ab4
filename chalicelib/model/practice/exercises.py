"""Exercises, their excerpts and evaluations, and how far a learner is with a concept."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

Kind = Literal["multiple_choice", "cloze", "short_answer", "ordered_steps", "image_question"]
Type = Literal["initial", "advanced", "remediation", "practice"]
Difficulty = Literal["basic", "intermediate", "advanced"]
LifeCategory = Literal["personal", "career", "social", "philanthropic"]
Language = Literal["en", "de", "fr", "es", "ru", "zh"]  # of the app's own words in an exercise
NextAction = Literal["continue", "remediate", "complete"]
Mastery = Literal["not_started", "in_progress", "mastered", "needs_review"]
KINDS: dict[Difficulty, tuple[Kind, ...]] = {
    "basic": ("multiple_choice", "cloze", "short_answer", "ordered_steps", "image_question"),
    "intermediate": ("cloze", "ordered_steps", "short_answer", "multiple_choice", "image_question"),
    "advanced": ("short_answer", "ordered_steps", "cloze", "multiple_choice", "image_question"),
}
MASTERED = 0.8  # an understanding score from which an exercise counts as mastered
PASSED = 0.65
TO_MASTER = 2  # so many mastered exercises in a row make a mastered concept
GAP = "____"
KEYLESS = "keyless"


class Excerpt(Struct, frozen=True, kw_only=True):
    """A passage of the caller's texts: `text` begins at `start` of the page's text.

    A text that is given with a request has the source "given", and no item: its id is "". `labels`: those of an image.
    """

    item_id: str
    item_name: str
    item_sha256: str | None
    source: str
    page: int
    start: int
    text: str
    labels: tuple[str, ...] = ()


class Draft(Struct, frozen=True, kw_only=True):
    """An exercise before the gate has seen it.

    `key` is the right answer: the missing word, the text of the right option, the reference answer, or the steps in
    order, one a line. `options` are what a multiple choice offers, or the steps as they are shown; `likeness` has the
    cosine of each option's vector with the key's, where they were compared. `quote` is the text of the excerpt that
    proves the key. `language` is that of the question, None if it is not known. `subject` is what it is about, where
    nobody asked for a concept.
    """

    kind: Kind
    question: str
    key: str
    options: tuple[str, ...] = ()
    likeness: tuple[float, ...] = ()
    quote: str
    excerpt: Excerpt
    language: str | None = None
    subject: str = ""
    writer: str = KEYLESS

    @property
    def shown(self) -> str:
        return shown(self.question, self.options)


class Seen(Struct, frozen=True, kw_only=True):
    """An exercise that there is already, as far as others must differ from it."""

    question: str
    key: str
    quote: str


class NewExercise(Struct, frozen=True, kw_only=True):
    """An exercise to store: a row of `exercises` without what the database sets."""

    id: str
    concept_id: str
    student_id: str
    type: Type
    kind: Kind
    difficulty: Difficulty
    life_category: str
    question: str
    answer_key: str
    options: list[str]
    hints: list[str]
    personalization: str
    item_id: str
    item_name: str
    item_sha256: str | None
    source: str
    page: int
    quote: str
    page_start: int
    page_end: int
    previous_exercise_id: str | None
    request_sha256: str
    rejected: str
    passage: str | None
    writer: str
    language: str | None


class StoredExercise(Struct, frozen=True, kw_only=True):
    """A row of `exercises`, compared with its item as it is now.

    `stale`: the item is deleted, or has other bytes, or other text at the quote. `item_kind` is None without the item.
    `rejected` counts, by reason, the drafts that the gate refused before this one, as JSON.
    """

    id: str
    concept_id: str
    concept: str
    student_id: str
    type: Type
    kind: Kind
    difficulty: Difficulty
    life_category: LifeCategory
    question: str
    answer_key: str
    options: list[str]
    hints: list[str]
    personalization: str
    item_id: str
    item_name: str
    item_kind: Literal["image", "pdf"] | None
    source: Literal["text", "caption", "ocr", "given"]
    page: int
    quote: str
    page_start: int
    page_end: int
    previous_exercise_id: str | None
    rejected: str
    passage: str | None
    writer: str
    language: str | None
    report: str | None
    retired_at: datetime | None
    edited_at: datetime | None
    created_at: datetime
    stale: bool

    @property
    def expected_steps(self) -> list[str]:
        """Return what a right answer has in it, in order."""
        return self.answer_key.split("\n") if self.kind == "ordered_steps" else [self.answer_key]

    @property
    def content(self) -> str:
        return shown(self.question, self.options)


class StoredConcept(Struct, frozen=True, kw_only=True):
    """A phrase that a user practises. `scores` are those of all evaluations, oldest first."""

    id: str
    phrase: str
    exercise_count: int
    scores: list[float]
    created_at: datetime

    @property
    def mastery(self) -> Mastery:
        return mastery_of(self.scores)


class NewEvaluation(Struct, frozen=True, kw_only=True):
    """An answer and its grade, without the time. `grader` says what graded it."""

    id: str
    exercise_id: str
    student_id: str
    response_text: str
    time_spent_seconds: int | None
    score: float
    confidence: float
    correct_steps: list[str]
    missing_steps: list[str]
    incorrect_steps: list[str]
    partial_steps: list[str]
    first_gap: str | None
    feedback: str
    next_action: NextAction
    grader: str


class StoredEvaluation(NewEvaluation, frozen=True, kw_only=True):
    """A row of `evaluations`."""

    evaluated_at: datetime


class StoredRemediation(Struct, frozen=True, kw_only=True):
    """A row of `remediations`. `problems` is a JSON list of objects with question, answer and hint."""

    id: str
    evaluation_id: str
    exercise_id: str
    student_id: str
    target_gap: str
    content: str
    personalized_context: str
    problems: str
    created_at: datetime


def shown(question: str, options: Sequence[str]) -> str:
    """Return what a learner sees: the question, and the options with letters."""
    return "\n".join([question, *(f"{chr(65 + n)}. {option}" for n, option in enumerate(options))])


def mastery_of(scores: Sequence[float]) -> Mastery:
    """Return how far a learner is, by the scores of a concept's evaluations, oldest first."""
    if not scores:
        return "not_started"
    good = [score >= MASTERED for score in scores]
    if len(good) >= TO_MASTER and all(good[-TO_MASTER:]):
        return "mastered"
    runs = zip(*(good[n:] for n in range(TO_MASTER)), strict=False)
    return "needs_review" if any(map(all, runs)) else "in_progress"
