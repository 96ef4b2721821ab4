"""Questions that depend on earlier ones."""

import pytest

from chalicelib.model.chat.questions import (
    MAX_CARRIED_WORDS,
    MAX_SEARCHED_CHARS,
    leans_on_history,
    stand_alone,
)

LEANING = [
    "And in winter?",
    "How much does it cost?",
    "Why?",
    "What about the second one?",
    "how about red ones",
    "Who wrote them?",
    "Und im Winter?",
    "Wie teuer ist das?",
    "Pourquoi ?",
    "Et en hiver ?",
    "¿Y en invierno?",
    "Why not?",
    "more",
    "?",
]
STANDING = [
    "How much water do tomatoes need in summer?",
    "When was the lighthouse at Cape Horn built?",
    "What is the travel policy on business class flights?",
    "Wie viel Wasser brauchen Tomaten im Sommer?",
    "Why do planets not twinkle?",
    "Is there a cat?",
    "cat",
    "Which of the two contracts signed in May names a penalty, and how high is it for late delivery?",
]


@pytest.mark.parametrize("question", LEANING)
def test_a_question_that_leans_is_carried_by_the_one_before(question: str) -> None:
    assert leans_on_history(question)
    searched = stand_alone(question, ["What did ships pay?", "How do I water tomatoes on a balcony?"])
    assert searched == f"{question} water tomatoes balcony"


@pytest.mark.parametrize("question", STANDING)
def test_a_question_that_stands_alone_is_left_as_it_is(question: str) -> None:
    assert stand_alone(question, ["How do I water orchids on a balcony?"]) == question


def test_the_first_question_stands_alone() -> None:
    assert stand_alone("And it?", []) == "And it?"


def test_what_is_carried_has_an_end() -> None:
    before = " ".join(f"word{n}" for n in range(400))
    assert len(stand_alone("And it?", [before]).split()) == 2 + MAX_CARRIED_WORDS
    assert len(stand_alone("x" * 5_000, [])) == MAX_SEARCHED_CHARS
