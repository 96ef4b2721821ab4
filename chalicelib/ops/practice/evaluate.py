"""Evaluate a learner's answer to an exercise."""

from collections.abc import Callable
from math import inf
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
from chalicelib.model.practice.grading_features import Similarity
from chalicelib.model.practice.marking import mark_answer
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
    """Return the cosines of the three texts; None without the embedder, as the words alone can be graded too."""
    try:
        q, r, a = embedder.embed([question, reference, answer], timeout_s=EMBED_TIMEOUT_S)
    except (InvalidInput, Unavailable):
        return None
    return Similarity(answer_reference=_dot(a, r), answer_question=_dot(a, q), reference_question=_dot(r, q))


def _dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _next_action(score: float) -> NextAction:
    return "complete" if score >= MASTERED else "continue" if score >= PASSED else "remediate"


def _first_gap(grade: Grade, exercise: StoredExercise) -> str | None:
    """Return the first fact that is lacking; of an answer that is not passed, at least the first expected one."""
    if grade.verdict == "correct":
        return grade.steps.first_gap
    return grade.steps.first_gap or exercise.expected_steps[0]


def _feedback(graded: Graded, exercise: StoredExercise) -> str:
    grade = graded.grade
    said = {"correct": "Correct.", "partly": "Partly right.", "incorrect": "Not yet right."}[grade.verdict]
    lacking = [
        f"{name}: {' '.join(steps)}"
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
