"""The gate: for each reason an exercise that must be refused, and the same one without the fault, which passes."""

from collections.abc import Sequence
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from chalicelib.model.practice.distractors import distractors_of
from chalicelib.model.practice.exercises import GAP, Draft, Excerpt, Seen
from chalicelib.model.practice.gate import Reason, find_fault
from chalicelib.model.practice.sentence_choice import whole_sentences
from chalicelib.model.practice.terms import terms_of
from chalicelib.ops.practice.choose import Chosen, choose_keyless
from chalicelib.ops.practice.wishes import Wanted, Wish

TEXT = "Mechanics measure the wear of a chain with a gauge.\nIt grows longer with every ride."
EXCERPT = Excerpt(
    item_id="i", item_name="chain.pdf", item_sha256=None, source="text", page=1, start=0, text=TEXT
)
SPELT = "Mechanics measure metal wear counts (MWC) with gauge number 2 (G2) between rivets."
SPELT_CLOZE = {"kind": "cloze", "options": (), "quote": SPELT, "excerpt": replace(EXCERPT, text=SPELT)}
GOOD = Draft(
    kind="multiple_choice",
    question="Complete the sentence: Mechanics measure the wear of a chain with a ____.",
    key="gauge",
    options=("ruler", "gauge", "brush"),
    quote="Mechanics measure the wear of a chain with a gauge.",
    excerpt=EXCERPT,
)
CLOZE = Wanted(
    concept_id="",
    student_id="sam",
    interests=(),
    life_category="personal",
    difficulty="basic",
    kind="cloze",
)


def of_text(text: str, key: str = "MWCs") -> dict[str, Any]:
    return {"quote": text, "excerpt": replace(EXCERPT, text=text), "question": text.replace(key, GAP)}


FAULTS: dict[str, dict[str, Any]] = {
    "quote_not_found": {"quote": "Mechanics measure the wear of a chain with a big gauge."},
    "key_not_in_quote": {"key": "ruler"},
    "key_shown": {"question": f"{GOOD.question} (not the gauge)"},
    "not_one_key": {"options": ("ruler", "gauge", "Gauge")},
    "distractor_is_right": {"options": ("ruler", "gauge", "chain")},
    "distractor_of_other_type": {"options": ("ruler", "gauge", "75")},
    "too_few_distractors": {"options": ("ruler", "gauge")},
    "giveaway_by_length": {"options": ("chainline-ruler", "gauge", "bottom-bracket")},
    "giveaway_by_grammar": {"options": ("axle", "gauge", "brush")},
    "says_more": {
        "writer": "openai/stub-1",
        "question": "Since 1890, what do mechanics measure the wear of a chain with?",
    },
    "says_too_little": {
        "quote": "It grows longer with every ride.",
        "kind": "cloze",
        "key": "longer",
        "question": "Complete the sentence: It grows ____ with every ride.",
    },
}


def test_a_good_exercise_passes() -> None:
    other = Seen(
        question="Complete the sentence: Riders clean the ____ with paraffin.", key="links", quote="x"
    )
    assert find_fault(GOOD, others=[other]) is None


@pytest.mark.parametrize("reason", FAULTS)
def test_a_fault_is_refused_by_its_reason(reason: str) -> None:
    assert find_fault(replace(GOOD, **FAULTS[reason]), others=()) == reason


def test_a_near_duplicate_is_refused() -> None:
    reworded = seen(replace(GOOD, question=GOOD.question.replace("Mechanics", "The mechanics")))
    other_gap = seen(
        replace(GOOD, question="Complete the sentence: ____ measure the wear of a chain with a gauge.")
    )
    same_key = seen(replace(GOOD, question="What do mechanics use for that?"))
    for other in (reworded, other_gap, same_key):
        assert find_fault(GOOD, others=[other]) == "near_duplicate", other
    elsewhere = Seen(
        question=GOOD.question.replace("wear", "tear"), key="gauge", quote="Another sentence of a page."
    )
    assert find_fault(GOOD, others=[elsewhere]) is None


def test_a_distractor_that_may_mean_the_same_is_refused() -> None:
    near = replace(GOOD, likeness=(0.2, 1.0, 0.65))
    assert find_fault(near, others=()) == "distractor_is_right"
    assert find_fault(replace(near, likeness=(0.2, 1.0, 0.4)), others=()) is None


def test_a_distractor_that_another_sentence_names_is_refused() -> None:
    text = f"{TEXT}\nThe wear of a chain is what good mechanics also measure with a ruler."
    draft = replace(GOOD, excerpt=replace(EXCERPT, text=text))
    assert find_fault(draft, others=()) == "distractor_is_right"


def test_a_free_question_must_say_what_it_is_about() -> None:
    asked = replace(GOOD, kind="short_answer", options=(), key="measure the wear with a gauge")
    assert find_fault(replace(asked, question="What do mechanics do to a chain?"), others=()) is None
    assert find_fault(replace(asked, question="What is it?"), others=()) == "says_too_little"
    invented = replace(
        asked, question="What do mechanics do to the chain?", key="replace the derailleur and weigh the frame"
    )
    assert find_fault(invented, others=()) == "key_not_in_quote"


def test_every_reason_is_tried() -> None:
    assert set(get_args(Reason)) == {*FAULTS, "near_duplicate"}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"question": "Mechanics measure with ____ or ____."}, "not_one_key"),
        ({"kind": "cloze", "question": "What do mechanics measure wear with?"}, "not_one_key"),
        ({"question": "What does a gauge measure?"}, "key_shown"),
        (
            {**SPELT_CLOZE, "key": "MWC", "question": SPELT.replace("MWC", GAP)},
            "key_shown",
        ),
        (
            {
                **SPELT_CLOZE,
                "key": "2",
                "question": SPELT.replace(" 2 ", f" {GAP} "),
            },
            "key_shown",
        ),
        (
            {
                **SPELT_CLOZE,
                "key": "MWCs",
                **of_text("Mechanics measure the wear of metal chains (MWCs) between rivets."),
            },
            "key_shown",
        ),
        (
            {
                **SPELT_CLOZE,
                "key": "Tibet",
                **of_text("Tibetan mechanics measure metal wear of chains in Tibet.", "Tibet."),
            },
            "key_shown",
        ),
        ({"key": "", "options": ("ruler", "", "brush")}, "key_not_in_quote"),
        ({"kind": "ordered_steps", "key": "wear\nchain", "options": ("wear", "chain")}, "key_shown"),
        ({"kind": "ordered_steps", "key": "wear\nwear", "options": ("wear", "wear")}, "not_one_key"),
        ({"options": ("ruler", "gauge", "gaugeing")}, "distractor_is_right"),
    ],
)
def test_more_faults(more: dict[str, Any], reason: str) -> None:
    assert find_fault(replace(GOOD, **more), others=()) == reason


def test_what_is_refused_is_counted_by_reason() -> None:
    text = "It grows longer with the load in every ride of a long summer.\n\n" + GOOD.quote
    excerpt = replace(EXCERPT, text=text)
    chosen = Chosen()
    choose(Wish(wanted=CLOZE, phrase="ride", count=2), excerpt, chosen)
    assert [draft.key for draft in chosen.drafts] == ["gauge"] and chosen.refused == {"says_too_little": 2}
    again = Chosen()
    choose(Wish(wanted=CLOZE, phrase="wear"), excerpt, again, others=[seen(draft) for draft in chosen.drafts])
    assert not again.drafts and again.refused["near_duplicate"] == 2


def choose(wish: Wish, excerpt: Excerpt, chosen: Chosen, others: Sequence[Seen] = ()) -> None:
    choose_keyless(wish, [excerpt], chosen=chosen, others=others, embed=lambda texts: {}, seed="s")


def seen(draft: Draft) -> Seen:
    return Seen(question=draft.question, key=draft.key, quote=draft.quote)


def test_headings_above_a_sentence_are_not_part_of_it() -> None:
    headings = "A short guide for people with two square metres\nWhy a balcony is a good place\n"
    sentence = "A balcony is warmer than a garden, even in early spring."
    assert whole_sentences(headings + sentence) == (sentence,)
    title = "Predictors of neurotoxicity in a large intergroup trial of adjuvant treatment\n"
    abstract = "Taxanes improve survival. " + "They often cause neurological toxicities of another kind. " * 4
    assert whole_sentences(title + sentence + " " + abstract)[0] == sentence
    wrapped = "He lived for many years in the city of\nThe Hague with his two sons and his wife."
    assert whole_sentences(wrapped) == (" ".join(wrapped.split()),)


def test_a_sentence_is_not_cut_within_a_quotation() -> None:
    text = (
        'The dean called it a "camp that is built from old wood" because forty students lived there in tents.'
    )
    chosen = Chosen()
    choose(Wish(wanted=replace(CLOZE, kind="short_answer"), phrase=""), replace(EXCERPT, text=text), chosen)
    assert [draft.question.count('"') for draft in chosen.drafts] == [2]


def test_adjectives_adverbs_and_verbs_are_no_terms() -> None:
    sentences = [
        "They grow tall for want of light and are overtaken.",
        "Sow again as soon as the frost is over, for good.",
        "Pots that are too heavy to carry, carry and drop.",
        'They erected a symbolic "shantytown" on the yard.',
    ]
    found = terms_of(sentences, ["en"] * 4)
    assert {term.text for terms in found for term in terms} >= {"frost", "yard"}
    assert not {term.text for terms in found for term in terms} & {"soon", "carry", "symbolic"}


def test_a_word_needs_three_wrong_ones() -> None:
    sentences = [
        "Mechanics use the gauge.",
        "Riders use the brush.",
        "Dealers use the ruler.",
        "Boys use the pump.",
    ]
    terms = terms_of(sentences, ["en"] * 4)
    key = next(term for term in terms[0] if term.text == "gauge")
    assert sorted(distractors_of(key, sentences[0], terms[1:], {})) == ["brush", "pump", "ruler"]
    assert distractors_of(key, sentences[0], terms[1:3], {}) == []


def test_references_to_literature_are_no_keys() -> None:
    sentences = [
        "Parents shape the health of a child through the roles of a family (Bowen and Kerr, 2009).",
        "Parents shape the health of a child through the roles of a family [28, 44].",
    ]
    found = terms_of(sentences, ["en"] * 2)
    assert not {term.text for terms in found for term in terms} & {"Bowen", "Kerr", "2009", "28", "44"}


def test_a_name_that_the_texts_are_full_of_and_a_word_are_asked_last() -> None:
    text = " ".join(
        f"Mechanics of the town near number {n} trust Campagnolo for a good gauge." for n in range(31, 37)
    )
    text += " Cyclists of the valley trust Shimano for a good gauge."
    chosen = Chosen()
    choose(Wish(wanted=CLOZE, phrase="", count=3), replace(EXCERPT, text=text), chosen)
    assert all(draft.key[0].isupper() or draft.key.isdigit() for draft in chosen.drafts) and chosen.drafts


def test_cuts_leave_a_subject_and_a_verb() -> None:
    text = "The main kinds of gauges used by mechanics of the old town are rulers, brushes and scales."
    chosen = Chosen()
    choose(Wish(wanted=replace(CLOZE, kind="short_answer"), phrase=""), replace(EXCERPT, text=text), chosen)
    assert [draft.key for draft in chosen.drafts] == ["rulers, brushes and scales"]
