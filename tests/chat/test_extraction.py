"""Sentences are chosen as an answer without a chat model, with how sure that answer is."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from chalicelib.model.chat.extraction import (
    MAX_CHARS,
    MAX_ENDED_CHARS,
    Candidate,
    Certainty,
    Choice,
    choose,
    fitting,
    possible_abroad,
    score_words,
    sentences_of,
    with_headings,
)


def chosen(
    question: str,
    sentences: Sequence[str | Candidate],
    meanings: Sequence[float] | None = None,
    *,
    coverage: float = 1.0,
) -> Choice:
    """Return what is chosen of sentences whose page has this share of the question's words."""
    candidates = [
        Candidate(text=each, coverage=coverage) if isinstance(each, str) else each for each in sentences
    ]
    candidates = [
        replace(each, meaning=meaning)
        for each, meaning in zip(candidates, meanings or [None] * 99, strict=False)
    ]
    scores = score_words(question, question, candidates)
    return choose(candidates, scores, without_vectors=meanings is None)


POTS = "Tomatoes need a pot of forty litres."
FROST = "Frost kills tomato plants within one night."
WALLS = "The wall keeps the warmth of the day for hours."


def test_the_sentences_with_the_rare_words_of_the_question_are_chosen() -> None:
    sentences = [POTS, WALLS, FROST]
    assert chosen("Does frost kill tomatoes?", sentences).positions == (2,)
    assert chosen("Which pot do tomatoes need?", sentences).positions == (0,)


def test_meaning_counts_where_words_do_not() -> None:
    found = chosen("Is cold dangerous?", [POTS, WALLS, FROST], [0.1, 0.2, 0.9], coverage=0.0)
    assert found == Choice(positions=(2,), certainty="possible")


@pytest.mark.parametrize(
    ("meaning", "coverage", "certainty"),
    [
        (0.9, 0.5, "sure"),
        (0.9, 0.0, "possible"),
        (0.6, 0.5, "possible"),
        (0.3, 0.5, "none"),
        (0.6, 0.0, "none"),
    ],
)
def test_it_is_sure_or_possible_or_silent(meaning: float, coverage: float, certainty: Certainty) -> None:
    found = chosen("Is it cold?", [POTS, WALLS, FROST], [0.1, 0.2, meaning], coverage=coverage)
    assert (found.certainty, found.positions) == (certainty, () if certainty == "none" else (2,))


def test_nothing_is_chosen_of_nothing() -> None:
    assert chosen("Who won the cup?", []) == Choice(positions=(), certainty="none")
    assert chosen("Who won the cup?", [POTS, FROST], coverage=0.0).certainty == "none"


@pytest.mark.parametrize("denied", ["are not allowed", "aren't allowed", "are never allowed"])
def test_a_rule_and_its_opposite_are_both_said(denied: str) -> None:
    rule = "Pets are allowed in the office on all working days of the week."
    sentences = [rule, rule.replace("are allowed", denied), rule.replace("all", "all of the")]
    assert chosen("Are pets allowed in the office?", sentences).positions == (0, 1)


def test_no_sentence_is_said_twice_and_four_are_enough() -> None:
    again = "Frost kills tomato plants within one night, always."
    assert chosen("Does frost kill tomatoes?", [FROST, again]).positions == (0,)
    many = [
        f"Frost number {word} kills."
        for word in ("alpha beta gamma", "delta eta", "iota kappa", "rho", "tau")
    ]
    assert len(chosen("frost", many).positions) == 4


INVOICE = [
    Candidate(text="14 Tannery Lane, Northwick", is_line=True),
    Candidate(text="Cable and fitting of brakes 14.50", is_line=True),
    Candidate(text="Total 105.72 EUR", is_line=True),
    Candidate(text="The invoice is payable within 14 days.", is_line=False),
]


@pytest.mark.parametrize(
    ("question", "sentences", "best"),
    [
        ("What does the invoice come to?", INVOICE, 2),
        ("Wie hoch ist die Rechnung?", [*INVOICE[:2], "Summe 105,72 Euro", "Diese Rechnung ist alt."], 2),
        (
            "When was the bridge built?",
            ["The bridge was built by men.", "The bridge was built in 1932."],
            1,
        ),
        ("Wann öffnet das Museum?", ["Das Museum öffnet gern.", "Das Museum öffnet im Mai."], 1),
        ("How many people work here?", ["Here people work.", "Here work twelve people."], 1),
        ("How much is a seat?", ["A seat is green.", "A seat is 20 euros."], 1),
        ("Why is the sky blue?", ["The sky is blue by day.", "The sky is blue because light scatters."], 1),
        (
            "Warum ist der Himmel blau?",
            ["Der Himmel ist tags blau.", "Der Himmel ist blau, weil Licht streut."],
            1,
        ),
        ("Who wrote the report?", ["The report was written late.", "The report was written by Ann Lee."], 1),
        ("What is a trace?", ["We describe what a trace may do.", "A trace is a path of a program."], 1),
        ("Was ist eine Isometrie?", ["Es gibt eine Isometrie.", "Dann heißt f eine Isometrie."], 1),
        ("Where is the office?", ["The office is large.", "The office is in Northwick."], 1),
        ("What are the colours?", ["The colours are fine.", "The colours are red, green, blue."], 1),
    ],
)
def test_a_sentence_of_the_asked_kind_is_preferred(
    question: str, sentences: Sequence[str | Candidate], best: int
) -> None:
    assert chosen(question, sentences, [0.5] * len(sentences)).positions[0] == best


def test_a_name_of_code_is_only_itself() -> None:
    names = ["Use close_fifth to end the fifth one.", "Use close_file to end the file's use."]
    assert chosen("What does close_file do?", names, [0.5, 0.5]).positions[0] == 1


def test_words_above_a_sentence_count_for_it_and_a_line_of_a_contents_list_does_not_win() -> None:
    sentences = [
        Candidate(text="close_file . . . . . . . . . . 9", is_line=True, is_listing=True),
        Candidate(text="Ends its use for all.", before="open_file (number)"),
        Candidate(text="Ends its use for good.", before="close_file (number)"),
    ]
    assert chosen("What does close_file do?", sentences, [0.5] * 3).positions[0] == 2


def test_once_the_figure_is_there_what_has_none_is_left_out() -> None:
    candidates = [Candidate(text=text) for text in ("Total due 230.20", "An invoice, mostly white.")]
    assert fitting("What does the invoice come to?", candidates, [0, 1]) == [0]
    assert fitting("What does the invoice come to?", candidates, [1, 0]) == [1, 0]
    assert fitting("Which invoice is it?", candidates, [0, 1]) == [0, 1]


def test_a_relevant_sentence_in_another_language_is_a_place_to_look_at() -> None:
    english = "The limit for a night in the hotel is 140 euros, and that is for one of us."
    texts = [
        (english, 0.6),
        (english.replace("140", "190"), 0.7),
        (english, 0.4),
        ("Das ist nicht der Preis.", 0.9),
    ]
    candidates = [Candidate(text=text, meaning=meaning) for text, meaning in texts]
    assert possible_abroad("Wie viel darf ein Zimmer kosten?", candidates) == [1, 0]
    assert possible_abroad("How much may a room cost for a night?", candidates[:3]) == []
    assert possible_abroad("Zimmer", candidates) == []


def test_a_word_and_its_ing_form_are_one_and_how_often_is_no_subject() -> None:
    light = "What a balcony lacks is soil and, often, light."
    watering = "In July and August watering is done every morning."
    assert chosen("How often should I water?", [light, watering], [0.5, 0.5]).positions[0] == 1


@pytest.mark.parametrize("less", ["is_listing", "is_repeated"])
def test_a_contents_list_and_boilerplate_come_after_the_text_itself(less: str) -> None:
    named = Candidate(text="Net income of the year and of the year before", **{less: True})  # type: ignore[arg-type]
    said = Candidate(text="Net income rose to 41 million in that year.")
    assert chosen("What was the net income of the year?", [named, said], [0.5, 0.45]).positions[0] == 1


def test_a_heading_that_only_repeats_the_question_is_no_answer() -> None:
    said = "While some see them as the crazy ones, we see genius."
    assert chosen("Who are the crazy ones?", ["The Crazy Ones", said], [0.9, 0.6]).positions == (1,)
    assert chosen("Who are the crazy ones?", ["The Crazy Ones"], [0.9]).certainty == "none"
    assert chosen("Is the shop open?", ["The shop is open."], [0.9]).certainty == "sure"


def test_a_tables_line_is_found_by_its_header() -> None:
    heads = "Revenue by segment\n2024 2023"
    rows = [
        Candidate(text=f"{name} 120.0 133.7", heads=heads, is_line=True) for name in ("Tents", "Bicycles")
    ]
    assert chosen("What was the revenue of bicycles in 2023?", rows, [0.5, 0.5]).positions == (1,)


def test_sentences_are_whole_or_cut_at_a_word() -> None:
    assert sentences_of(f"{POTS} {FROST} Short. {POTS}\n\nTomatoes, page 4") == [POTS, FROST]
    (whole,) = sentences_of("word " * 150 + "end.")
    assert MAX_CHARS < len(whole) <= MAX_ENDED_CHARS and whole.endswith("end.")
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
    assert chosen("What may a hotel cost?", [london, berlin, again]).positions == (0, 1)
