"""Evaluate a learner's answer to an exercise."""

from collections.abc import Callable
from math import inf
from operator import mul
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidInput, Unavailable
from chalicelib.model.practice.exercises import (
    MASTERED,
    PASSED,
    NewEvaluation,
    NextAction,
    StoredEvaluation,
    StoredExercise,
)
from chalicelib.model.practice.grading import Grade, grade_answer
from chalicelib.model.practice.grading_features import Similarity, cosines_of
from chalicelib.model.practice.grading_weights import FITTED_WITH
from chalicelib.model.practice.marking import mark_answer
from chalicelib.model.practice.word_alignment import words_to_align
from chalicelib.ops.practice.grade import Graded, grade_with_model
from chalicelib.ops.practice.review import count_evaluation
from chalicelib.providers import ChatModel, Embedder
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import evaluations, exercises

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

EMBED_TIMEOUT_S = 5.0


def evaluate_answer(
    user_id: str,
    evaluation_id: str,
    exercise_id: str,
    *,
    student_id: str,
    response_text: str,
    time_spent_seconds: int | None,
    db: "Database",
    embedder: Embedder,
    chat: ChatModel | None = None,
    time_left_s: Callable[[], float] = lambda: inf,
) -> StoredEvaluation:
    """Grade the answer, a free one also with `chat`, and store the evaluation. Raise NotFound without exercise."""
    exercise = db.transact(user_id, lambda tx: exercises.get(tx, user_id, exercise_id, field="exercise_id"))
    graded = _grade(exercise, response_text, embedder)
    if chat is not None and exercise.kind == "short_answer":
        graded = grade_with_model(exercise, response_text, graded, chat=chat, time_left_s=time_left_s)
    grade = graded.grade
    row = NewEvaluation(
        id=evaluation_id,
        exercise_id=exercise_id,
        student_id=student_id,
        response_text=response_text,
        time_spent_seconds=time_spent_seconds,
        score=round(grade.score, 4),
        confidence=round(grade.confidence, 4),
        correct_steps=list(grade.steps.correct),
        missing_steps=list(grade.steps.missing),
        incorrect_steps=list(grade.steps.incorrect),
        partial_steps=list(grade.steps.partial),
        first_gap=_first_gap(grade, exercise),
        feedback=_feedback(graded, exercise),
        next_action=_next_action(grade.score),
        grader=graded.grader,
    )

    def store(tx: Tx) -> StoredEvaluation:
        exercises.get(tx, user_id, exercise_id, field="exercise_id")
        evaluations.insert(tx, user_id, row)
        stored = evaluations.get(tx, user_id, evaluation_id)
        count_evaluation(tx, user_id, stored)
        return stored

    return db.transact(user_id, store)


def _grade(exercise: StoredExercise, answer: str, embedder: Embedder) -> Graded:
    if exercise.kind != "short_answer":
        return Graded(grade=mark_answer(exercise, answer), grader="key")
    question, reference = exercise.question, exercise.answer_key
    similarity = _similarity(question, reference, answer, embedder)
    grade = grade_answer(question, reference, answer, similarity)
    return Graded(grade=grade, grader="features" if similarity is None else f"features, {embedder.model}")


def _similarity(question: str, reference: str, answer: str, embedder: Embedder) -> Similarity | None:
    """Return the cosines of the texts and of their words; None where the words alone are graded.

    That is without the embedder, and with another model than the weights were fitted with.
    """
    if embedder.model != FITTED_WITH:
        return None
    texts = (question, reference, answer)
    words = sorted({word for text in texts for word in words_to_align(text)})
    try:
        q, r, a, *of_words = embedder.embed([*texts, *words], purpose="query", timeout_s=EMBED_TIMEOUT_S)
    except (InvalidInput, Unavailable):
        return None
    vector = dict(zip(words, of_words, strict=True))
    return Similarity(
        models=cosines_of(q, r, a), likeness=lambda one, other: sum(map(mul, vector[one], vector[other]))
    )


def _next_action(score: float) -> NextAction:
    return "complete" if score >= MASTERED else "continue" if score >= PASSED else "remediate"


def _first_gap(grade: Grade, exercise: StoredExercise) -> str | None:
    """Return the first fact that is lacking; of an answer that is not passed, at least the first expected one."""
    if grade.verdict == "correct":
        return grade.steps.first_gap
    return grade.steps.first_gap or exercise.expected_steps[0]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "。")) else f"{text}."


def _feedback(graded: Graded, exercise: StoredExercise) -> str:
    grade = graded.grade
    said = {"correct": "Correct.", "partly": "Partly right.", "incorrect": "Not yet right."}[grade.verdict]
    lacking = [
        _sentence(f"{name}: {' '.join(steps)}")
        for name, steps in (
            ("Wrong", grade.steps.incorrect),
            ("Missing", grade.steps.missing),
            ("Only in part", grade.steps.partial),
        )
        if steps
    ]
    sure = f"The grader is {grade.confidence:.0%} sure." if exercise.kind == "short_answer" else ""
    if graded.differ:
        sure += (
            " The model and the comparison of words differ: compare the answer with the quoted text yourself."
        )
    elif grade.verdict == "partly" and exercise.kind == "short_answer":
        sure += " The answer is near the border: compare it with the quoted text yourself."
    return " ".join(filter(None, [said, *lacking, sure]))
