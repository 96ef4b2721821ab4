"""Drafts are made of some sentences of a text, and left out of others."""

import pytest

from chalicelib.model.practice.exercises import Draft, Excerpt, Kind
from chalicelib.model.practice.key_fitness import KeyFitness
from chalicelib.model.practice.terms import terms_of
from chalicelib.ops.practice.choose import Chosen, choose_keyless
from chalicelib.ops.practice.wishes import Wanted, Wish

CLEAR = "The harbour of Lisbon was rebuilt by engineers from Porto in 1887."
PLAIN = "Ferries with a thousand seats crossed a river at night in 1901."
UNCLEAR = {
    "it compares": PLAIN.replace("a thousand", "other"),
    "it speaks of its authors": PLAIN.replace("a river", "our river"),
    "it bids": PLAIN.replace("Ferries with", "Take a ferry with").replace("crossed", "that crossed"),
    "it tells a procedure": PLAIN.replace("crossed a river", "were examined"),
    "it is broken up": PLAIN.replace("at night", "(at night)"),
    "it is full of numbers": PLAIN.replace("a thousand", "100 or 120"),
    "it has a letter for a quantity": PLAIN.replace("a thousand", "p"),
    "its subject was named before": PLAIN.replace("Ferries with a thousand seats", "Engineers from Faro"),
    "a thing was named before": PLAIN.replace("a river", "the harbour and mud").replace(
        "with a thousand seats", "from Faro"
    ),
    "a thing is not named": PLAIN.replace(
        "Ferries with a thousand seats", "A ferry of the company from Faro"
    ),
    "two are in one": PLAIN.replace("crossed", "from Faro When boats crossed"),
    "it begins with what comes behind": PLAIN.replace("Ferries", "Subsequent ferries from Faro"),
    "it points to a place": PLAIN.replace("Ferries", "Nearby, ferries from Faro"),
    "its subject is one of many": "The small ferries crossed a river at night near Faro in 1901.",
    "it has a pronoun": PLAIN.replace("crossed a river", "crossed it"),
    "it has no verb": PLAIN.replace("crossed a river", "of great comfort"),
}


def choose(*sentences: str, count: int = 5, kind: Kind | None = None) -> list[Draft]:
    wanted = Wanted(
        concept_id="",
        student_id="sam",
        interests=(),
        life_category="personal",
        difficulty="basic",
        kind=kind,
        count=count,
    )
    excerpt = Excerpt(
        item_id="i",
        item_name="harbour.pdf",
        item_sha256=None,
        source="text",
        page=1,
        start=0,
        text=" ".join(sentences),
    )
    chosen = Chosen()
    wish = Wish(wanted=wanted, phrase="", count=count)
    choose_keyless(wish, [excerpt], chosen=chosen, others=(), embed=lambda texts: {}, seed="s")
    return chosen.drafts


def test_a_sentence_that_is_clear_alone_is_asked_about() -> None:
    assert [draft.quote for draft in choose(CLEAR, PLAIN)] == [CLEAR, PLAIN]


@pytest.mark.parametrize("reason", UNCLEAR)
def test_a_sentence_that_is_unclear_alone_is_left_out(reason: str) -> None:
    assert [draft.quote for draft in choose(CLEAR, UNCLEAR[reason])] == [CLEAR]


def test_a_german_noun_is_no_name() -> None:
    clear = "Lissabons alter Hafen wurde 1887 von Ingenieuren aus Porto gebaut."
    unclear = "Kosten für andere Schiffe und Waren stiegen im Jahr 1901 auf fast Doppeltes."
    assert [draft.quote for draft in choose(clear, unclear)] == [clear]


def test_a_text_of_unclear_sentences_still_has_one_exercise() -> None:
    assert len(choose(UNCLEAR["it has a pronoun"], UNCLEAR["it is full of numbers"])) == 1


@pytest.mark.parametrize(
    ("sentence", "term"),
    [
        ("Traders sold cloth to merchants from Genoa, Venice, or Pisa.", "Genoa"),
        ("Traders sold cloth to merchants from Pisa, but, Venice, too.", "Venice"),
        ("Traders sold cloth to merchants from Genoa and others.", "Genoa"),
        ("Traders sold cloth to harbours such as Genoa for years.", "Genoa"),
        ("Traders sold cloth to men with Genoese coats for years.", "Genoese"),
        ("Traders sold cloth to those of the HGL for years.", "HGL"),
        ("Traders sold cloth to the Bank of Genoa for years.", "Genoa"),
        ("Traders sold cloth to a Genoese for years.", "Genoese"),
        ("Traders sold cloth for years, added Doria.", "Doria"),
        ("Traders sold cloth for years to Doria al-Genova.", "Doria"),
        ("Traders sold cloth for years to Doria von Porto.", "Doria"),
        ("Traders sold cloth for 7 years.", "7"),
        ("Торговцы продавали ткань через Генуэзский банк.", "Генуэзский"),
    ],
)
def test_a_term_that_others_fit_as_well_as_is_not_asked_for(sentence: str, term: str) -> None:
    language = "en" if sentence.isascii() else "ru"
    pool = terms_of(["Traders sold cloth to the harbour of Genoa for years.", sentence], ["en", language])
    fitness = KeyFitness(pool, frozenset())
    assert fitness.is_safe(pool[0][-1], "cloze") and pool[0][-1].text == "Genoa"
    assert not any(fitness.is_safe(each, "cloze") for each in pool[1] if each.text == term)
    assert term in [each.text for each in pool[1]]


def test_a_name_that_ends_with_an_initial_is_no_term() -> None:
    (terms,) = terms_of(["Traders sold cloth to William E. Simon for years."], ["en"])
    assert "William E" not in [each.text for each in terms]


def test_a_measure_is_asked_after_other_numbers() -> None:
    (terms,) = terms_of(["Traders sold cloth at 12 mg a piece and 12 ships in years."], ["en"])
    measure, other = [each for each in terms if each.kind == "number"]
    fitness = KeyFitness([[measure, other]], frozenset())
    assert fitness.of(other) - fitness.of(measure) > 0.1 + (other.start - measure.start) / 200


def test_a_number_that_names_a_thing_is_no_term() -> None:
    for thing in ("Apollo 11", "an error in line 11", "VISION 2020"):
        sentence = f"Traders sold cloth because of {thing}, for years."
        assert not any(each.kind == "number" for each in terms_of([sentence], ["en"])[0]), thing
    (terms,) = terms_of(["Traders sold 11 coats in June 2020, for 12%."], ["en"])
    assert [each.text for each in terms if each.kind == "number"] == ["11", "2020", "12"]


def test_what_a_thing_is_called_is_asked_first() -> None:
    ((*_, called, other),) = terms_of(["Traders sold cloth called Fustian to men from Genoa."], ["en"])
    fitness = KeyFitness([[called, other]], frozenset())
    assert (called.text, other.text) == ("Fustian", "Genoa") and fitness.of(called) > fitness.of(other)


def test_a_year_is_chosen_from_and_a_name_is_filled_in() -> None:
    for kind, key in (("multiple_choice", "1887"), ("cloze", "Porto")):
        (draft,) = choose(CLEAR, kind=kind, count=1)  # type: ignore[arg-type]
        assert draft.key == key


@pytest.mark.parametrize(
    ("sentence", "question", "key"),
    [
        (
            "Sintra is a town of palaces in the hills above Lisbon.",
            "Who or what is “Sintra”, by your document?",
            "a town of palaces in the hills above Lisbon",
        ),
        (
            "Cold water of the springs promotes the growth of ferns in gardens.",
            "Finish the sentence in your own words: “Cold water of the springs promotes …”",
            "the growth of ferns in gardens",
        ),
        (
            "Sintra has cool gardens and palaces because kings fled the heat of summer.",
            "Why, by your document? “Sintra has cool gardens and palaces.”",
            "kings fled the heat of summer",
        ),
        (
            "Die Burg von Sintra wurde verlassen, weil das Wasser der Quellen fehlte.",
            "Warum ist das nach deinem Dokument so? „Die Burg von Sintra wurde verlassen.“",
            "das Wasser der Quellen fehlte",
        ),
    ],
)
def test_what_something_is_and_why_are_asked(sentence: str, question: str, key: str) -> None:
    (draft,) = choose(sentence, kind="short_answer", count=1)
    assert (draft.question, draft.key) == (question, key)


@pytest.mark.parametrize(
    "sentence",
    [
        "In the cool hills of Sintra are the palaces of old kings from Lisbon.",
        "North of the cool hills of Sintra are the palaces of old kings from Lisbon.",
        "Strenggenommen ist eine Stadt der alten Könige das schöne Sintra.",
    ],
)
def test_what_is_no_subject_is_not_asked_what_it_is(sentence: str) -> None:
    drafts = choose(sentence, kind="short_answer", count=1)
    assert all(draft.question.startswith("Finish the sentence") for draft in drafts)


def test_a_german_noun_is_asked_what_it_is() -> None:
    (draft,) = choose(
        "Fresno ist die größte Stadt ohne eigene Autobahn.",
        "Wege nach Fresno sind lang.",
        kind="short_answer",
        count=1,
    )
    assert draft.question == "Wer oder was ist „Fresno“ nach deinem Dokument?"
