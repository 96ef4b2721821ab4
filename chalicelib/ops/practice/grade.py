"""Grade a free answer with a chat model, and compare its grade with that of the words.

The model gets the question, the facts of the reference, the quoted text and the answer as one JSON object. It says of
each fact whether the answer states it, and copies where. It gives no score: the app counts the facts whose place is
found in the answer and has a word of the fact. Whatever an answer asks for, it states no fact by that.
"""

import json
from collections.abc import Callable

import msgspec
from msgspec import Struct

from chalicelib.errors import BudgetSpent, ModelRefused, Unavailable
from chalicelib.model import prompts
from chalicelib.model.practice.exercises import StoredExercise
from chalicelib.model.practice.grading import PARTLY, Grade, Steps, Verdict
from chalicelib.model.practice.grading_features import facts_of
from chalicelib.model.practice.wording import match_of, read_words
from chalicelib.providers import ChatModel

GRADING_TOKENS = 800
LEAST_S = 3.0
APART = 0.5  # grades of the model and of the words that differ by so much make "partly"
WORTH = {"stated": 1.0, "partly": 0.5, "missing": 0.0, "contradicted": 0.0}


class Judged(Struct, frozen=True, kw_only=True):
    """A model's verdict on a fact, which counts from 1, and where the answer says so."""

    fact: int
    verdict: str
    quote: str


class _Answer(Struct, frozen=True, kw_only=True):
    facts: tuple[Judged, ...]


class Graded(Struct, frozen=True, kw_only=True):
    """A grade and who gave it. `differ`: the model and the words differ much, so that nobody knows."""

    grade: Grade
    grader: str
    differ: bool = False


def grade_with_model(
    exercise: StoredExercise,
    answer: str,
    by_words: Graded,
    *,
    chat: ChatModel,
    time_left_s: Callable[[], float],
) -> Graded:
    """Return the model's grade, checked by that of the words; the latter alone without an answer that fits."""
    facts = facts_of(exercise.answer_key)
    left_s = time_left_s()
    if left_s < LEAST_S:
        return by_words
    asked = {
        "question": exercise.question,
        "facts": [{"number": number, "text": fact} for number, fact in enumerate(facts, 1)],
        "source": exercise.quote,
        "answer": answer,
    }
    try:
        said = chat.complete(
            prompts.GRADING_ANSWER,
            json.dumps(asked, ensure_ascii=False),
            schema=prompts.JUDGEMENT,
            max_tokens=GRADING_TOKENS,
            timeout_s=left_s,
        )
        judged = msgspec.convert(said.value, _Answer).facts
    except (BudgetSpent, ModelRefused, Unavailable, msgspec.ValidationError, RecursionError):
        return by_words
    verdicts = [_verdict(number, fact, judged, answer) for number, fact in enumerate(facts, 1)]
    score = sum(WORTH[verdict] for verdict in verdicts) / len(verdicts)
    grader = f"{said.provider}/{said.model}, checked by {by_words.grader}"
    return _combined(score, _steps(facts, verdicts), by_words, grader)


def _combined(score: float, steps: Steps, by_words: Graded, grader: str) -> Graded:
    distance = abs(score - by_words.grade.score)
    if distance >= APART:
        middle = Grade(score=sum(PARTLY) / 2, verdict="partly", confidence=1 - distance, steps=steps)
        return Graded(grade=middle, grader=grader, differ=True)
    verdict: Verdict = "correct" if score >= PARTLY[1] else "partly" if score >= PARTLY[0] else "incorrect"
    return Graded(
        grade=Grade(score=score, verdict=verdict, confidence=1 - distance, steps=steps), grader=grader
    )


def _verdict(number: int, fact: str, judged: tuple[Judged, ...], answer: str) -> str:
    """Return what the model says of a fact; "missing" if the answer does not say so where it should."""
    said = next((each for each in judged if each.fact == number), None)
    if said is None or said.verdict not in WORTH or not _is_said(said.quote, fact, answer):
        return "missing"
    return said.verdict


def _is_said(quote: str, fact: str, answer: str) -> bool:
    """Return whether the quote is in the answer, and has a word of the fact."""
    plain = " ".join(quote.casefold().split())
    if not plain or plain not in " ".join(answer.casefold().split()):
        return False
    stems = {word.stem for word in read_words(fact)}
    return any(match_of(word.stem, stems) for word in read_words(quote))


def _steps(facts: list[str], verdicts: list[str]) -> Steps:
    def those(verdict: str) -> tuple[str, ...]:
        return tuple(fact for fact, said in zip(facts, verdicts, strict=True) if said == verdict)

    return Steps(
        correct=those("stated"),
        partial=those("partly"),
        missing=those("missing"),
        incorrect=those("contradicted"),
    )
