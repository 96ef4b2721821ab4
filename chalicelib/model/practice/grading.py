"""Grades a free answer against a reference answer without a chat model: a logistic model of grading_features.py."""

import math
from typing import Literal

from msgspec import Struct

from chalicelib.model.practice.grading_features import (
    Compared,
    Similarity,
    compare,
    contradicts,
    facts_covered,
    facts_of,
    features_of,
    is_opposed,
)
from chalicelib.model.practice.grading_relations import turns_relation
from chalicelib.model.practice.grading_weights import WITH_VECTORS, WITHOUT_VECTORS

Verdict = Literal["correct", "partly", "incorrect"]
PARTLY = (0.35, 0.65)  # scores between these are near the border of the model
MOSTLY_SAID, CONTRADICTED = 0.7, 0.3  # an answer that repeats so much and contradicts it gets at most so much
COVERED, TOUCHED = 0.6, 0.25  # share of a fact's words that an answer has, to count as correct or as partial


class Steps(Struct, frozen=True, kw_only=True):
    """The facts of the reference by what the answer has of them. `incorrect` are facts that the answer contradicts."""

    correct: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    incorrect: tuple[str, ...] = ()

    @property
    def first_gap(self) -> str | None:
        """Return the first fact that is wrong, missing or partial, in this order of importance."""
        gaps = (*self.incorrect, *self.missing, *self.partial)
        return gaps[0] if gaps else None


class Grade(Struct, frozen=True, kw_only=True):
    """`score` is the probability that a teacher calls the answer correct, `confidence` that of the verdict."""

    score: float
    verdict: Verdict
    confidence: float
    steps: Steps


def grade_answer(question: str, reference: str, answer: str, similarity: Similarity | None = None) -> Grade:
    """Return the grade of a free answer. Whatever the answer asks for, it is only compared."""
    score = score_answer(question, reference, answer, similarity)
    steps = steps_of(question, reference, answer, is_correct=score >= PARTLY[1])
    verdict: Verdict = "correct" if score >= PARTLY[1] else "partly" if score >= PARTLY[0] else "incorrect"
    return Grade(score=score, verdict=verdict, confidence=max(score, 1 - score), steps=steps)


def score_answer(question: str, reference: str, answer: str, similarity: Similarity | None = None) -> float:
    """Return the probability, 0..1, that a teacher calls the answer correct; the reference itself gets 1."""
    if _plain(answer) == _plain(reference):
        return 1.0
    features = features_of(question, reference, answer, similarity)
    if features["empty"] or not any(char.isalnum() for char in answer):
        return 0.0
    weights = WITHOUT_VECTORS if similarity is None else WITH_VECTORS
    total = weights["intercept"] + sum(weights[name] * value for name, value in features.items())
    score = 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))
    return min(score, CONTRADICTED) if is_turned_round(question, reference, answer) else score


def is_turned_round(question: str, reference: str, answer: str) -> bool:
    """Return whether the answer says most of the reference, but one word or one relation of it turned round.

    Hardly any of the answers that the weights are fitted on does, so that they do not know such.
    """
    if turns_relation(reference, answer):
        return True
    both = compare(question, reference, answer)
    if is_opposed(both):
        return max(both.reached(new=False), both.reached(new=True)) >= MOSTLY_SAID
    return contradicts(both) and both.shares(new=False)[0] >= MOSTLY_SAID


def steps_of(question: str, reference: str, answer: str, *, is_correct: bool) -> Steps:
    """Sort the facts of the reference. An answer that is correct as a whole lacks no fact; it may have one in part."""
    found: dict[str, list[str]] = {"correct": [], "partial": [], "missing": [], "incorrect": []}
    facts = facts_of(reference)
    shares = facts_covered(question, reference, answer)
    for fact, share in zip(facts, shares, strict=True):
        found[_place(compare(question, fact, answer), share, is_correct=is_correct)].append(fact)
    return Steps(**{name: tuple(each) for name, each in found.items()})


def _place(both: Compared, share: float, *, is_correct: bool) -> str:
    if is_correct:
        return "correct" if share >= TOUCHED else "partial"
    if share >= TOUCHED and contradicts(both):
        return "incorrect"
    return "correct" if share >= COVERED else "partial" if share >= TOUCHED else "missing"


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".!")
