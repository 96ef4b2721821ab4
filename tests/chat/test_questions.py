"""Questions that depend on earlier ones, and the sentences that answer a question without a model."""

import pytest

from chalicelib.model.chat.extraction import (
    MAX_CHARS,
    choose_sentences,
    sentences_of,
    shortlist,
    with_headings,
)
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


POTS = "Tomatoes need a pot of forty litres."
FROST = "Frost kills tomato plants within one night."
WALLS = "The wall keeps the warmth of the day for hours."


def test_the_sentences_with_the_rare_words_of_the_question_are_chosen() -> None:
    sentences = [POTS, WALLS, FROST]
    assert choose_sentences("Does frost kill tomatoes?", "", sentences, None) == [2]
    assert choose_sentences("Which pot do tomatoes need?", "", sentences, None) == [0]


def test_meaning_counts_where_words_do_not() -> None:
    assert choose_sentences("Is cold dangerous?", "", [POTS, WALLS, FROST], [0.1, 0.2, 0.9]) == [2]


def test_nothing_is_chosen_where_nothing_is_worth_saying() -> None:
    assert choose_sentences("Who won the cup?", "", [POTS, WALLS, FROST], [0.2, 0.1, 0.3]) == []
    assert choose_sentences("Who won the cup?", "", [], None) == []


@pytest.mark.parametrize("denied", ["are not allowed", "aren't allowed", "are never allowed"])
def test_a_rule_and_its_opposite_are_both_said(denied: str) -> None:
    rule = "Pets are allowed in the office on all working days of the week."
    sentences = [rule, rule.replace("are allowed", denied), rule.replace("all", "all of the")]
    assert choose_sentences("Are pets allowed in the office?", "", sentences, None) == [0, 1]


@pytest.mark.parametrize(("similarity", "chosen"), [(0.74, []), (0.76, [2])])
def test_what_is_from_passages_that_seem_to_be_of_something_else_must_be_better(
    similarity: float, chosen: list[int]
) -> None:
    sentences, similarities = [POTS, WALLS, FROST], [0.1, 0.2, similarity]
    assert choose_sentences("Is it cold?", "", sentences, similarities) == [2]
    assert choose_sentences("Is it cold?", "", sentences, similarities, is_relevant=False) == chosen
    assert choose_sentences("Does frost kill?", "", sentences, None, is_relevant=False) == []


def test_no_sentence_is_said_twice_and_four_are_enough() -> None:
    again = "Frost kills tomato plants within one night, always."
    assert choose_sentences("Does frost kill tomatoes?", "", [FROST, again], None) == [0]
    many = [
        f"Frost number {word} kills."
        for word in ("alpha beta gamma", "delta eta", "iota kappa", "rho", "tau")
    ]
    assert len(choose_sentences("frost", "", many, None)) == 4


def test_of_many_sentences_those_with_the_questions_words_are_looked_at() -> None:
    sentences = [*[f"{WALLS} {n}" for n in range(40)], FROST]
    assert shortlist("Does frost kill tomatoes?", "", sentences) == [*range(23), 40]


def test_sentences_are_whole_or_cut_at_a_word() -> None:
    assert sentences_of(f"{POTS} {FROST} Short. {POTS}\n\nTomatoes, page 4") == [POTS, FROST]
    (cut,) = sentences_of("word " * 200)
    assert len(cut) <= MAX_CHARS and cut.endswith("word")
    (cut,) = sentences_of("one\nword\na\nline\n" * 50)
    assert MAX_CHARS // 2 < len(cut) <= MAX_CHARS and cut.split()[-1] in ("one", "word", "a", "line")
    assert sentences_of("第1 条" + "東" * 1_000) == ["第1 条" + "東" * (MAX_CHARS - 4)]
    assert sentences_of("東" * 1_000) == ["東" * MAX_CHARS]


HOTELS = "5 Hotels\nThe limit for a night including breakfast is 140 euros,\nand 190 euros in London."


@pytest.mark.parametrize(
    ("sentence", "text", "said"),
    [
        (HOTELS, HOTELS, HOTELS.replace("5 Hotels\n", "5 Hotels: ")),
        (HOTELS, f"It ends here.\n{HOTELS}", HOTELS.replace("5 Hotels\n", "5 Hotels: ")),
        (f"Travel\n{HOTELS}", f"Travel\n{HOTELS}", f"Travel: {HOTELS}".replace("5 Hotels\n", "5 Hotels: ")),
        (
            "Prohibited\nSmoking in the rooms.",
            "Prohibited\nSmoking in the rooms.",
            "Prohibited: Smoking in the rooms.",
        ),
        ("The\nUK limit is 140 euros.", "No. The\nUK limit is 140 euros.", None),
        ("He paid\nnothing for it at all.", "He paid\nnothing for it at all.", None),
        ("Nobody paid a thing, said\nMr Pike.", "Nobody paid a thing, said\nMr Pike.", None),
        ("Not\na word.", "", None),
    ],
)
def test_a_heading_is_parted_from_what_stands_below(sentence: str, text: str, said: str | None) -> None:
    assert with_headings(sentence, text, begins_page=True) == (said or sentence)
    if text == sentence:
        assert with_headings(sentence, text, begins_page=False) == sentence


def test_only_what_a_citation_can_quote_is_a_sentence() -> None:
    assert sentences_of("It is red. Price: 45 EUR. Donaudampfschifffahrt! 价格是五十元。") == [
        "价格是五十元。"
    ]


def test_sentences_that_differ_in_a_figure_are_both_said() -> None:
    london = "A hotel in the city may cost at most 190 euros for every night there."
    berlin = "A hotel in the city may cost at most 140 euros for every night there."
    again = f"Text in 20 lines: {london}"
    assert choose_sentences("What may a hotel cost?", "", [london, berlin, again], None) == [0, 1]
