"""Marks answers to exercises with a fixed key: a missing word, a choice, an order. Free answers: see grading.py."""

import re

from chalicelib.model.practice.exercises import StoredExercise
from chalicelib.model.practice.grading import Grade, Steps, Verdict
from chalicelib.model.practice.wording import match_of, stem_of

_LETTER = re.compile(r"(?<![^\W_])[A-Ha-h](?![^\W_])")
_LETTERS_ONLY = re.compile(r"[\sA-Ha-h.,;>()-]+\Z")
CLOSE = 0.5  # the score of a word that is the key but for a typo


def mark_answer(exercise: StoredExercise, answer: str) -> Grade:
    """Return the grade of an answer to a cloze, a multiple choice or ordered steps."""
    if exercise.kind == "ordered_steps":
        return _mark_order(exercise, answer)
    if exercise.options:
        return _graded(float(_chosen(exercise, answer) == exercise.answer_key), exercise)
    return _graded(_mark_word(exercise.answer_key, answer), exercise)


def _mark_word(key: str, answer: str) -> float:
    wanted = [stem_of(word) for word in re.findall(r"\w+", key.lower())]
    said = [stem_of(word) for word in re.findall(r"\w+", answer.lower())]
    if said == wanted or (said[1:] == wanted and said[0] in ("a", "an", "the")):
        return 1.0
    is_close = len(said) == len(wanted) and all(
        match_of(one, [other]) for one, other in zip(said, wanted, strict=True)
    )
    return 0.9 if is_close and said else 0.0


def _chosen(exercise: StoredExercise, answer: str) -> str | None:
    """Return the option that the answer names, by its letter or its text; None for none or several."""
    plain = " ".join(answer.casefold().split()).strip(" .()")
    if len(plain) == 1 and plain.isascii() and plain.isalpha():
        place = ord(plain) - ord("a")
        return exercise.options[place] if place < len(exercise.options) else None
    lettered = re.match(r"\(?([a-h])[.):]\s*(.*)", plain)
    if lettered and ord(lettered[1]) - ord("a") < len(exercise.options):
        option = exercise.options[ord(lettered[1]) - ord("a")]
        return option if lettered[2] in ("", option.casefold()) else None
    named = [option for option in exercise.options if option.casefold() == plain]
    return named[0] if len(named) == 1 else None


def _mark_order(exercise: StoredExercise, answer: str) -> Grade:
    """The score is the share of pairs of steps that stand in the right order; a list with other letters has none."""
    steps = exercise.expected_steps
    letters = [letter.upper() for letter in _LETTER.findall(answer)]
    if (_LETTERS_ONLY.match(answer) and not letters) or len(letters) < len(steps):
        letters = [letter.upper() for letter in answer if letter.isalpha()]
    places = [ord(letter) - ord("A") for letter in letters]
    if sorted(places) != list(range(len(steps))) or not _LETTERS_ONLY.match(answer):
        return Grade(score=0.0, verdict="incorrect", confidence=1.0, steps=Steps(missing=tuple(steps)))
    given = [exercise.options[place] for place in places]
    right = [steps.index(step) for step in given]
    pairs = [(a, b) for n, a in enumerate(right) for b in right[n + 1 :]]
    score = sum(a < b for a, b in pairs) / len(pairs)
    at_place = tuple(step for step, said in zip(steps, given, strict=True) if step == said)
    displaced = tuple(step for step in steps if step not in at_place)
    verdict: Verdict = "correct" if score == 1 else "partly" if score >= CLOSE else "incorrect"
    return Grade(
        score=score, verdict=verdict, confidence=1.0, steps=Steps(correct=at_place, incorrect=displaced)
    )


def _graded(score: float, exercise: StoredExercise) -> Grade:
    key = (exercise.answer_key,)
    steps = Steps(correct=key) if score else Steps(missing=key)
    return Grade(score=score, verdict="correct" if score else "incorrect", confidence=1.0, steps=steps)
