"""Remediate the first gap of an evaluated answer: its page, easier problems, then the original exercise again."""

import json
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.errors import Conflict
from chalicelib.model.practice.drafting import Drafting
from chalicelib.model.practice.exercises import (
    Excerpt,
    Kind,
    StoredEvaluation,
    StoredExercise,
    StoredRemediation,
    shown,
)
from chalicelib.model.practice.gate import find_fault
from chalicelib.model.practice.sentence_choice import choose_sentences
from chalicelib.ops.practice.sources import read_source
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import evaluations, exercises
from chalicelib.stores.practice.evaluations import NewRemediation

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

LADDER: tuple[Kind, ...] = ("multiple_choice", "cloze")  # from easy to hard; the original comes last
MAX_DRAFTS = 60


def remediate_gap(
    user_id: str, remediation_id: str, evaluation_id: str, *, db: "Database"
) -> StoredRemediation:
    """Return the remediation of an evaluation; the same one each time.

    Raise NotFound when there is no such evaluation; Conflict, coded "no_gap", when its answer lacks nothing; Conflict,
    coded "stale", when the exercise's source has changed.
    """

    def work(tx: Tx) -> StoredRemediation:
        evaluation = evaluations.get(tx, user_id, evaluation_id, field="evaluation_id")
        known = evaluations.find_remediation(tx, user_id, evaluation_id)
        if known is not None:
            return known
        if evaluation.first_gap is None:
            raise Conflict(
                "This answer lacks nothing: generate the next exercise.", code="no_gap", field="evaluation_id"
            )
        exercise = exercises.get(tx, user_id, evaluation.exercise_id)
        if exercise.stale:
            raise Conflict(
                "The source of this exercise has changed: generate a new exercise.",
                code="stale",
                field="evaluation_id",
            )
        row = _remediation(remediation_id, evaluation, exercise, read_source(tx, user_id, exercise))
        return evaluations.ensure_remediation(tx, user_id, row)

    return db.transact(user_id, work)


def _remediation(
    remediation_id: str, evaluation: StoredEvaluation, exercise: StoredExercise, excerpt: Excerpt
) -> NewRemediation:
    gap = evaluation.first_gap or ""
    where = f"{exercise.item_name}, page {exercise.page}"
    quote = " ".join(exercise.quote.split())
    content = (
        f"Your answer lacks this: {gap}\n\n{where} says: “{quote}”\n\n"
        "Read the sentence, solve the problems in order, and then answer the exercise again without looking."
    )
    return NewRemediation(
        id=remediation_id,
        evaluation_id=evaluation.id,
        exercise_id=exercise.id,
        student_id=evaluation.student_id,
        target_gap=gap,
        content=content,
        personalized_context=exercise.personalization,
        problems=json.dumps([*_ladder(exercise, excerpt), _original(exercise)], ensure_ascii=False),
    )


def _ladder(exercise: StoredExercise, excerpt: Excerpt) -> list[dict[str, object]]:
    """Return easier problems about the exercise's own quote; those about the rest of its page if it has none.

    First a choice: of two where the exercise is one, else of numbers. Words are not chosen from, as a second one mostly
    fits. Then a gap.
    """
    sentences = choose_sentences(exercise.concept, [excerpt], ())
    quote = " ".join(exercise.quote.split())
    sentences.sort(key=lambda sentence: sentence.text != quote)
    drafting = Drafting(sentences, concept=exercise.concept, language=None, seed=exercise.id)
    problems = (
        _choice_of_two(exercise)
        if kind == "multiple_choice" == exercise.kind
        else _easier(kind, drafting, exercise, quote)
        for kind in LADDER
    )
    return [problem for problem in problems if problem]


def _easier(kind: Kind, drafting: Drafting, exercise: StoredExercise, quote: str) -> dict[str, object] | None:
    """Return the best problem of a kind, one about the quote first; None if there is none."""
    drafts = [draft for _, draft in islice(drafting.drafts(kind, {}), MAX_DRAFTS)]
    for draft in sorted(drafts, key=lambda draft: draft.quote != quote):
        is_fit = kind == "cloze" or draft.key[0].isdigit()
        if is_fit and draft.question != exercise.question and find_fault(draft, others=()) is None:
            return _problem(kind, draft.shown, draft.key)
    return None


def _choice_of_two(exercise: StoredExercise) -> dict[str, object]:
    wrong = next(option for option in exercise.options if option != exercise.answer_key)
    two = [option for option in exercise.options if option in (exercise.answer_key, wrong)]
    return _problem("multiple_choice", shown(exercise.question, two), exercise.answer_key)


def _problem(kind: Kind, question: str, key: str) -> dict[str, object]:
    return {"kind": kind, "question": question, "answer": key, "hint": f"It begins with “{key[0]}”."}


def _original(exercise: StoredExercise) -> dict[str, object]:
    return {
        "kind": exercise.kind,
        "question": exercise.content,
        "answer": exercise.answer_key,
        "hint": exercise.hints[0],
        "exercise_id": exercise.id,
    }
